//! All SQL of the mails.

use db::{FromRow, Result, Row, Tx, sql};
use kernel::{AccountId, MailId};

use super::{Mail, MailState};
use crate::page::PageRequest;

impl FromRow for Mail {
    fn from_row(row: &mut Row) -> Result<Self> {
        Ok(Self {
            id: row.take()?,
            kind: row.take()?,
            account_id: row.take()?,
            user_id: row.take()?,
            recipient: row.take()?,
            subject: row.take()?,
            state: row.take()?,
            attempts: row.take()?,
            last_error: row.take()?,
            created_at: row.take()?,
            sent_at: row.take()?,
        })
    }
}

/// A mail and what it says, sealed.
struct WithText(Mail, Option<Vec<u8>>);

impl FromRow for WithText {
    fn from_row(row: &mut Row) -> Result<Self> {
        Ok(Self(Mail::from_row(row)?, row.take()?))
    }
}

pub(super) async fn insert(tx: &mut Tx, mail: &Mail, sealed: &[u8]) -> Result<()> {
    let insert = sql!(
        "INSERT INTO mails (id, kind, account_id, user_id, recipient, subject, text_sealed, state, attempts, last_error, created_at, sent_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, 0, NULL, $9, NULL)"
    );
    let m = mail;
    tx.defer(insert, &[&m.id, &m.kind, &m.account_id, &m.user_id, &m.recipient, &m.subject, &sealed, &m.state, &m.created_at]).await
}

/// How many mails an account was written since a moment, counted up to `max`.
pub(super) async fn count_since(tx: &mut Tx, account: AccountId, since: i64, max: i64) -> Result<i64> {
    let count = sql!("SELECT COUNT(*) FROM (SELECT id FROM mails WHERE account_id = $1 AND created_at > $2 LIMIT $3) AS recent");
    Ok(tx.one::<(i64,)>(count, &[&account, &since, &max]).await?.0)
}

pub(super) async fn with_text(tx: &mut Tx, id: MailId) -> Result<Option<(Mail, Option<Vec<u8>>)>> {
    let find = sql!(
        "SELECT id, kind, account_id, user_id, recipient, subject, state, attempts, last_error, created_at, sent_at, text_sealed
         FROM mails WHERE id = $1"
    );
    Ok(tx.find::<WithText>(find, &[&id]).await?.map(|WithText(mail, text)| (mail, text)))
}

pub(super) async fn list(tx: &mut Tx, state: Option<MailState>, page: &PageRequest) -> Result<Vec<Mail>> {
    let before = page.before();
    match state {
        Some(state) => {
            let find = sql!(
                "SELECT id, kind, account_id, user_id, recipient, subject, state, attempts, last_error, created_at, sent_at
                 FROM mails WHERE state = $1 AND id < $2 ORDER BY id DESC LIMIT $3"
            );
            tx.all(find, &[&state, &before, &page.fetch()]).await
        }
        None => {
            let find = sql!(
                "SELECT id, kind, account_id, user_id, recipient, subject, state, attempts, last_error, created_at, sent_at
                 FROM mails WHERE id < $1 ORDER BY id DESC LIMIT $2"
            );
            tx.all(find, &[&before, &page.fetch()]).await
        }
    }
}

pub(super) async fn note(
    tx: &mut Tx,
    id: MailId,
    state: MailState,
    attempts: i64,
    error: Option<&str>,
    sent_at: Option<i64>,
) -> Result<()> {
    let update =
        sql!("UPDATE mails SET state = $1, attempts = $2, last_error = CAST($3 AS TEXT), sent_at = CAST($4 AS BIGINT) WHERE id = $5");
    tx.execute(update, &[&state, &attempts, &error, &sent_at, &id]).await.map(drop)
}

pub(super) async fn forget_text(tx: &mut Tx, id: MailId) -> Result<()> {
    tx.execute(sql!("UPDATE mails SET text_sealed = NULL WHERE id = $1"), &[&id]).await.map(drop)
}

/// The oldest of the newest `kept` mails; none when there are fewer.
pub(super) async fn oldest_of_newest(tx: &mut Tx, kept: i64) -> Result<Option<MailId>> {
    let find = sql!("SELECT id FROM mails ORDER BY id DESC LIMIT 1 OFFSET $1");
    Ok(tx.find::<(MailId,)>(find, &[&(kept - 1)]).await?.map(|(id,)| id))
}

pub(super) async fn delete_before(tx: &mut Tx, bound: MailId, limit: i64) -> Result<u64> {
    let delete = sql!("DELETE FROM mails WHERE id IN (SELECT id FROM mails WHERE id < $1 ORDER BY id LIMIT $2)");
    tx.execute(delete, &[&bound, &limit]).await
}
