//! Who changed what, when, by which request; and the timelines of subscriptions and orders, which are the same rows by thread.
//!
//! Left out: that somebody has read a notice, which is theirs alone and changes nothing for anybody.
//!
//! Invariant: rows are only added. No secret and no password enters `detail`.

use db::{FromRow, Result, Row, Tx, sql};
use kernel::{AccountId, AuditId, Ctx};
use serde::Serialize;
use serde_json::Value;

use crate::page::{Page, PageRequest};

/// One thing that happened.
#[derive(Clone, Debug, PartialEq, Serialize, utoipa::ToSchema)]
pub struct AuditEntry {
    /// Its id; ids sort by time.
    pub id: AuditId,
    /// When, market ms UTC.
    pub at: i64,
    /// Who: `usr_…`, `acc_…` (a server), `system:…`, `console`.
    pub actor: String,
    /// The account acted for.
    pub account_id: Option<AccountId>,
    /// What: `domain.transition`, such as `subscriptions.frozen`.
    pub action: String,
    /// To what: an id.
    pub subject: String,
    /// The subscription or order in whose timeline this stands.
    pub thread: Option<String>,
    /// The particulars.
    #[schema(value_type = Object)]
    pub detail: Value,
    /// The request that did it.
    pub request_id: String,
}

impl FromRow for AuditEntry {
    fn from_row(row: &mut Row) -> Result<Self> {
        Ok(Self {
            id: row.take()?,
            at: row.take()?,
            actor: row.take()?,
            account_id: row.take()?,
            action: row.take()?,
            subject: row.take()?,
            thread: row.take()?,
            detail: serde_json::from_str(&row.take::<String>()?)?,
            request_id: row.take()?,
        })
    }
}

/// Records an act on `subject`.
///
/// # Errors
/// Those of the database.
pub async fn record(tx: &mut Tx, ctx: &Ctx, action: &'static str, subject: &dyn kernel::ToScalar, detail: &Value) -> Result<()> {
    insert(tx, ctx, action, subject, None, detail).await
}

/// Records an act on `subject` that belongs into the timeline of `thread` (a subscription id or an order number).
///
/// # Errors
/// Those of the database.
pub async fn record_in(
    tx: &mut Tx,
    ctx: &Ctx,
    thread: &dyn kernel::ToScalar,
    action: &'static str,
    subject: &dyn kernel::ToScalar,
    detail: &Value,
) -> Result<()> {
    insert(tx, ctx, action, subject, Some(thread), detail).await
}

async fn insert(
    tx: &mut Tx,
    ctx: &Ctx,
    action: &'static str,
    subject: &dyn kernel::ToScalar,
    thread: Option<&dyn kernel::ToScalar>,
    detail: &Value,
) -> Result<()> {
    let statement = sql!(
        "INSERT INTO audit (id, at, actor, account_id, action, subject, thread, detail, request_id)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)"
    );
    let id = AuditId::new(ctx.now, &ctx.entropy);
    let thread = thread.map_or(kernel::Scalar::Null, kernel::ToScalar::to_scalar);
    let (actor, account) = (ctx.actor.label(), ctx.actor.account());
    let (detail, request) = (detail.to_string(), ctx.request_id.to_string());
    tx.defer(statement, &[&id, &ctx.now, &actor, &account, &action, subject, &thread, &detail, &request]).await
}

/// Whether anything has happened in this market yet.
///
/// # Errors
/// Those of the database.
pub async fn has_entries(tx: &mut Tx) -> Result<bool> {
    Ok(tx.find::<(String,)>(sql!("SELECT id FROM audit LIMIT 1"), &[]).await?.is_some())
}

/// The timeline of a subscription or an order, oldest first.
///
/// # Errors
/// Those of the database.
pub async fn timeline(tx: &mut Tx, thread: &dyn kernel::ToScalar, page: &PageRequest) -> Result<Page<AuditEntry>> {
    let statement = sql!(
        "SELECT id, at, actor, account_id, action, subject, thread, detail, request_id FROM audit
         WHERE thread = $1 AND id > $2 ORDER BY id LIMIT $3"
    );
    let rows = tx.all(statement, &[thread, &page.after, &page.fetch()]).await?;
    Ok(page.cut(rows, |entry: &AuditEntry| entry.id.to_string()))
}

/// What is looked for in the audit; what is left out is not asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Search {
    /// Acts for this account.
    pub account: Option<AccountId>,
    /// Acts on this thing: an id, a number, a word of the program.
    pub thing: Option<String>,
    /// Acts of this name, such as `accounts.signed_in`. Without an account or a thing, only of those that stand in no thread: orders and
    /// subscriptions are looked for by their thread.
    pub action: Option<String>,
    /// From this moment on, market ms UTC.
    pub from: Option<i64>,
    /// Before this moment, market ms UTC.
    pub until: Option<i64>,
}

/// What fits, newest first.
///
/// # Errors
/// Those of the database.
pub async fn find(tx: &mut Tx, search: &Search, page: &PageRequest) -> Result<Page<AuditEntry>> {
    let id_at = |at: i64| AuditId::first_at(at).to_string();
    let from = search.from.map(id_at).unwrap_or_default();
    let until = search.until.map(id_at);
    let before = until.as_deref().filter(|until| page.before() > *until).unwrap_or_else(|| page.before());
    let fetch = page.fetch();
    let Search { account, thing, action, .. } = search;
    let rows = match (thing, account, action) {
        (Some(thing), ..) => {
            let in_thread = sql!(
                "SELECT id, at, actor, account_id, action, subject, thread, detail, request_id FROM audit
                 WHERE thread = $1 AND id >= $2 AND id < $3 AND (CAST($4 AS TEXT) IS NULL OR action = $4)
                   AND (CAST($5 AS TEXT) IS NULL OR account_id = $5)
                 ORDER BY id DESC LIMIT $6"
            );
            let alone = sql!(
                "SELECT id, at, actor, account_id, action, subject, thread, detail, request_id FROM audit
                 WHERE subject = $1 AND thread IS NULL AND id >= $2 AND id < $3 AND (CAST($4 AS TEXT) IS NULL OR action = $4)
                   AND (CAST($5 AS TEXT) IS NULL OR account_id = $5)
                 ORDER BY id DESC LIMIT $6"
            );
            let params: [&dyn kernel::ToScalar; 6] = [thing, &from, &before, action, account, &fetch];
            let mut rows: Vec<AuditEntry> = tx.all(in_thread, &params).await?;
            rows.extend(tx.all::<AuditEntry>(alone, &params).await?);
            rows.sort_by_key(|entry| std::cmp::Reverse(entry.id));
            rows.truncate(usize::try_from(fetch).unwrap_or(0));
            rows
        }
        (None, Some(account), action) => {
            let statement = sql!(
                "SELECT id, at, actor, account_id, action, subject, thread, detail, request_id FROM audit
                 WHERE account_id = $1 AND id >= $2 AND id < $3 AND (CAST($4 AS TEXT) IS NULL OR action = $4)
                 ORDER BY id DESC LIMIT $5"
            );
            tx.all(statement, &[account, &from, &before, action, &fetch]).await?
        }
        (None, None, Some(action)) => {
            let statement = sql!(
                "SELECT id, at, actor, account_id, action, subject, thread, detail, request_id FROM audit
                 WHERE action = $1 AND thread IS NULL AND id >= $2 AND id < $3 ORDER BY id DESC LIMIT $4"
            );
            tx.all(statement, &[action, &from, &before, &fetch]).await?
        }
        (None, None, None) => {
            let statement = sql!(
                "SELECT id, at, actor, account_id, action, subject, thread, detail, request_id FROM audit
                 WHERE id >= $1 AND id < $2 ORDER BY id DESC LIMIT $3"
            );
            tx.all(statement, &[&from, &before, &fetch]).await?
        }
    };
    Ok(page.cut(rows, |entry: &AuditEntry| entry.id.to_string()))
}

/// Everything, newest first; only of `account` when one is given.
///
/// # Errors
/// Those of the database.
pub async fn search(tx: &mut Tx, account: Option<AccountId>, page: &PageRequest) -> Result<Page<AuditEntry>> {
    let before = page.before();
    let rows = match account {
        Some(account) => {
            let statement = sql!(
                "SELECT id, at, actor, account_id, action, subject, thread, detail, request_id FROM audit
                 WHERE account_id = $1 AND id < $2 ORDER BY id DESC LIMIT $3"
            );
            tx.all(statement, &[&account, &before, &page.fetch()]).await?
        }
        None => {
            let statement = sql!(
                "SELECT id, at, actor, account_id, action, subject, thread, detail, request_id FROM audit
                 WHERE id < $1 ORDER BY id DESC LIMIT $2"
            );
            tx.all(statement, &[&before, &page.fetch()]).await?
        }
    };
    Ok(page.cut(rows, |entry: &AuditEntry| entry.id.to_string()))
}
