//! The SQL of exports.

use db::{FromRow, Result, Row, Tx, sql};
use kernel::{AccountId, ExportId};

use super::{Export, LIVE_MAX, Wording};

impl FromRow for Export {
    fn from_row(row: &mut Row) -> Result<Self> {
        Ok(Self {
            id: row.take()?,
            account_id: row.take()?,
            user_id: row.take()?,
            kind: row.take()?,
            format: row.take()?,
            filter: serde_json::from_str(&row.take::<String>()?)?,
            state: row.take()?,
            rows_done: row.take()?,
            rows_total: row.take()?,
            cut_at: row.take()?,
            file_name: row.take()?,
            bytes: row.take()?,
            created_at: row.take()?,
            done_at: row.take()?,
            expires_at: row.take()?,
        })
    }
}

/// An export with the texts of its file.
pub(super) struct Worded(pub(super) Export, pub(super) Wording);

impl FromRow for Worded {
    fn from_row(row: &mut Row) -> Result<Self> {
        Ok(Self(Export::from_row(row)?, serde_json::from_str(&row.take::<String>()?)?))
    }
}

macro_rules! columns {
    () => {
        "id, account_id, user_id, kind, format, filter, state, rows_done, rows_total, cut_at, file_name, bytes, created_at, done_at, expires_at"
    };
}

pub(super) async fn insert(tx: &mut Tx, export: &Export, wording: &str) -> Result<()> {
    let statement = sql!(
        "INSERT INTO exports (id, account_id, user_id, kind, format, filter, wording, state, run, rows_done, file_name, bytes, created_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, '', 0, $9, 0, $10)"
    );
    let filter = serde_json::to_string(&export.filter)?;
    let Export { id, account_id, user_id, kind, format, state, file_name, created_at, .. } = export;
    tx.execute(statement, &[id, account_id, user_id, kind, format, &filter, &wording, state, file_name, created_at]).await.map(drop)
}

pub(super) async fn of_account(tx: &mut Tx, account: AccountId, now: i64) -> Result<Vec<Export>> {
    let statement = sql!(concat!(
        "SELECT ",
        columns!(),
        " FROM exports WHERE account_id = $1 AND (expires_at IS NULL OR expires_at > $2) ORDER BY id DESC LIMIT $3"
    ));
    tx.all(statement, &[&account, &now, &LIVE_MAX]).await
}

pub(super) async fn find(tx: &mut Tx, id: ExportId) -> Result<Option<(Export, Wording)>> {
    let statement = sql!(concat!("SELECT ", columns!(), ", wording FROM exports WHERE id = $1"));
    Ok(tx.find(statement, &[&id]).await?.map(|Worded(export, wording)| (export, wording)))
}

pub(super) async fn running(tx: &mut Tx, account: AccountId) -> Result<i64> {
    let statement = sql!("SELECT CAST(COUNT(*) AS BIGINT) FROM exports WHERE account_id = $1 AND state = 'running'");
    tx.one::<(i64,)>(statement, &[&account]).await.map(|(count,)| count)
}

pub(super) async fn next_queued(tx: &mut Tx, account: AccountId, limit: i64) -> Result<Vec<ExportId>> {
    let statement = sql!("SELECT id FROM exports WHERE account_id = $1 AND state = 'queued' ORDER BY id LIMIT $2");
    let rows: Vec<(ExportId,)> = tx.all(statement, &[&account, &limit]).await?;
    Ok(rows.into_iter().map(|(id,)| id).collect())
}

pub(super) async fn set_running(tx: &mut Tx, id: ExportId) -> Result<()> {
    tx.execute(sql!("UPDATE exports SET state = 'running' WHERE id = $1 AND state = 'queued'"), &[&id]).await.map(drop)
}

/// Begins the writing, under the lease `run`; false when there is nothing to write any more.
pub(super) async fn begin(tx: &mut Tx, id: ExportId, run: &str) -> Result<bool> {
    let statement =
        sql!("UPDATE exports SET run = $1, rows_done = 0, rows_total = NULL, cut_at = NULL, bytes = 0 WHERE id = $2 AND state = 'running'");
    Ok(tx.execute(statement, &[&run, &id]).await? == 1)
}

/// Notes how far the writing is; false when it is another's, or there is nothing to write any more.
pub(super) async fn note(tx: &mut Tx, id: ExportId, run: &str, rows: i64, total: Option<i64>, cut_at: Option<i64>) -> Result<bool> {
    let statement =
        sql!("UPDATE exports SET rows_done = $1, rows_total = $2, cut_at = $3 WHERE id = $4 AND run = $5 AND state = 'running'");
    Ok(tx.execute(statement, &[&rows, &total, &cut_at, &id, &run]).await? == 1)
}

/// Adds a part to the file; false as of [`note`].
pub(super) async fn add_part(tx: &mut Tx, id: ExportId, run: &str, n: i64, content: &[u8]) -> Result<bool> {
    let grow = sql!("UPDATE exports SET bytes = bytes + $1 WHERE id = $2 AND run = $3 AND state = 'running'");
    let bytes = i64::try_from(content.len()).unwrap_or(i64::MAX);
    if tx.execute(grow, &[&bytes, &id, &run]).await? == 0 {
        return Ok(false);
    }
    let insert = sql!("INSERT INTO export_parts (export_id, n, content) VALUES ($1, $2, $3)");
    tx.execute(insert, &[&id, &n, &content.to_vec()]).await?;
    Ok(true)
}

/// Ends the writing as `done` or `failed`; false as of [`note`].
pub(super) async fn end(tx: &mut Tx, id: ExportId, run: &str, state: super::ExportState, now: i64, expires_at: i64) -> Result<bool> {
    let statement = sql!("UPDATE exports SET state = $1, done_at = $2, expires_at = $3 WHERE id = $4 AND run = $5 AND state = 'running'");
    Ok(tx.execute(statement, &[&state, &now, &expires_at, &id, &run]).await? == 1)
}

pub(super) async fn part(tx: &mut Tx, id: ExportId, n: i64) -> Result<Option<Vec<u8>>> {
    let found: Option<(Vec<u8>,)> = tx.find(sql!("SELECT content FROM export_parts WHERE export_id = $1 AND n = $2"), &[&id, &n]).await?;
    Ok(found.map(|(content,)| content))
}

pub(super) async fn remove(tx: &mut Tx, id: ExportId) -> Result<()> {
    tx.execute(sql!("DELETE FROM exports WHERE id = $1"), &[&id]).await.map(drop)
}

/// Removes the next parts of a file, so many at most; false when none is left.
pub(super) async fn remove_parts(tx: &mut Tx, id: &str, limit: i64) -> Result<bool> {
    let first = sql!("SELECT n FROM export_parts WHERE export_id = $1 ORDER BY n LIMIT 1");
    let Some((first,)) = tx.find::<(i64,)>(first, &[&id]).await? else { return Ok(false) };
    tx.execute(sql!("DELETE FROM export_parts WHERE export_id = $1 AND n < $2"), &[&id, &(first + limit)]).await?;
    Ok(true)
}
