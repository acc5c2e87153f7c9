//! All SQL of favourites.

use db::{FromRow, Result, Row, Tx, sql};
use kernel::{AccountId, ProductId, UserId};

use super::{FAVOURITES_MAX, Favourite};

impl FromRow for Favourite {
    fn from_row(row: &mut Row) -> Result<Self> {
        Ok(Self { product_id: row.take()?, added_at: row.take()? })
    }
}

pub(super) async fn is_favourite(tx: &mut Tx, user: UserId, product: ProductId) -> Result<bool> {
    let select = sql!("SELECT added_at FROM favourites WHERE user_id = $1 AND product_id = $2");
    Ok(tx.find::<(i64,)>(select, &[&user, &product]).await?.is_some())
}

pub(super) async fn count(tx: &mut Tx, user: UserId) -> Result<i64> {
    Ok(tx.one::<(i64,)>(sql!("SELECT CAST(COUNT(*) AS BIGINT) FROM favourites WHERE user_id = $1"), &[&user]).await?.0)
}

pub(super) async fn insert(tx: &mut Tx, account: AccountId, user: UserId, product: ProductId, at: i64) -> Result<()> {
    let insert = sql!(
        "INSERT INTO favourites (user_id, product_id, account_id, added_at) VALUES ($1, $2, $3, $4)
         ON CONFLICT (user_id, product_id) DO NOTHING"
    );
    tx.execute(insert, &[&user, &product, &account, &at]).await.map(drop)
}

pub(super) async fn delete(tx: &mut Tx, user: UserId, product: ProductId) -> Result<()> {
    tx.execute(sql!("DELETE FROM favourites WHERE user_id = $1 AND product_id = $2"), &[&user, &product]).await.map(drop)
}

pub(super) async fn list(tx: &mut Tx, user: UserId) -> Result<Vec<Favourite>> {
    let select = sql!("SELECT product_id, added_at FROM favourites WHERE user_id = $1 ORDER BY added_at DESC, product_id DESC LIMIT $2");
    tx.all(select, &[&user, &FAVOURITES_MAX]).await
}
