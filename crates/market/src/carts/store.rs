//! All SQL of carts. The names of what is in one are read where the catalogue keeps them, through [`crate::catalog`].

use db::{FromRow, Result, Row, Tx, sql};
use kernel::{AccountId, CartLineId, UserId};

use super::{CartLine, LINES_MAX, Owner};
use crate::catalog::{self, Names};

impl FromRow for CartLine {
    fn from_row(row: &mut Row) -> Result<Self> {
        Ok(Self {
            id: row.take()?,
            sku_id: row.take()?,
            unit: row.take()?,
            count: row.take()?,
            quantity: row.take()?,
            seen_unit_price_minor: row.take()?,
        })
    }
}

/// The lines of somebody's cart, in the order in which they came.
pub(super) async fn lines(tx: &mut Tx, user: UserId) -> Result<Vec<CartLine>> {
    let select =
        sql!("SELECT id, sku_id, unit, count, quantity, seen_unit_price_minor FROM cart_lines WHERE user_id = $1 ORDER BY id LIMIT $2");
    tx.all(select, &[&user, &LINES_MAX]).await
}

/// The same with who sells each and what it is.
pub(super) async fn lines_with_names(tx: &mut Tx, user: UserId) -> Result<Vec<(CartLine, AccountId, Names)>> {
    let mut found = Vec::new();
    for line in lines(tx, user).await? {
        let (seller, names) = catalog::name_of(tx, line.sku_id).await?;
        found.push((line, seller, names));
    }
    Ok(found)
}

pub(super) async fn line(tx: &mut Tx, user: UserId, id: CartLineId) -> Result<Option<CartLine>> {
    let select = sql!("SELECT id, sku_id, unit, count, quantity, seen_unit_price_minor FROM cart_lines WHERE id = $1 AND user_id = $2");
    tx.find(select, &[&id, &user]).await
}

pub(super) async fn count(tx: &mut Tx, user: UserId) -> Result<i64> {
    Ok(tx.one::<(i64,)>(sql!("SELECT CAST(COUNT(*) AS BIGINT) FROM cart_lines WHERE user_id = $1"), &[&user]).await?.0)
}

pub(super) async fn insert(tx: &mut Tx, owner: Owner, line: &CartLine, at: i64) -> Result<()> {
    let insert = sql!(
        "INSERT INTO cart_lines (id, user_id, account_id, sku_id, unit, count, quantity, seen_unit_price_minor, added_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)"
    );
    let CartLine { id, sku_id, unit, count, quantity, seen_unit_price_minor } = line;
    tx.execute(insert, &[id, &owner.user, &owner.account, sku_id, unit, count, quantity, seen_unit_price_minor, &at]).await.map(drop)
}

pub(super) async fn set(tx: &mut Tx, user: UserId, id: CartLineId, quantity: i64, seen_unit_price_minor: i64) -> Result<bool> {
    let update = sql!("UPDATE cart_lines SET quantity = $1, seen_unit_price_minor = $2 WHERE id = $3 AND user_id = $4");
    Ok(tx.execute(update, &[&quantity, &seen_unit_price_minor, &id, &user]).await? == 1)
}

pub(super) async fn delete(tx: &mut Tx, user: UserId, id: CartLineId) -> Result<bool> {
    Ok(tx.execute(sql!("DELETE FROM cart_lines WHERE id = $1 AND user_id = $2"), &[&id, &user]).await? == 1)
}
