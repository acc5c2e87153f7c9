//! All SQL of agreements.

use db::{FromRow, Result, Row, Tx, sql};
use kernel::AccountId;

use super::Signed;
use crate::page::PageRequest;

impl FromRow for Signed {
    fn from_row(row: &mut Row) -> Result<Self> {
        Ok(Self {
            id: row.take()?,
            account_id: row.take()?,
            user_id: row.take()?,
            agreement: row.take()?,
            version: row.take()?,
            order_number: row.take()?,
            agreed_at: row.take()?,
        })
    }
}

pub(super) async fn insert(tx: &mut Tx, signed: &Signed) -> Result<()> {
    let insert = sql!(
        "INSERT INTO agreements (id, account_id, user_id, agreement, version, order_number, agreed_at) VALUES ($1, $2, $3, $4, $5, $6, $7)"
    );
    let Signed { id, account_id, user_id, agreement, version, order_number, agreed_at } = signed;
    tx.defer(insert, &[id, account_id, user_id, agreement, version, order_number, agreed_at]).await
}

pub(super) async fn list_of(tx: &mut Tx, account: AccountId, page: &PageRequest) -> Result<Vec<Signed>> {
    let select = sql!(
        "SELECT id, account_id, user_id, agreement, version, order_number, agreed_at FROM agreements
         WHERE account_id = $1 AND id < $2 ORDER BY id DESC LIMIT $3"
    );
    tx.all(select, &[&account, &page.before(), &page.fetch()]).await
}
