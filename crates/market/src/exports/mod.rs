//! Lists as files: what somebody may look at page by page, whole, to be fetched for three days.
//!
//! An export is asked for with the texts of its file, for those are the doors' and the file is written later, by a job. The job reads the list
//! through the use cases that the pages call, a page a transaction, writes a row at a time to a file without a name, and keeps that in the
//! database in parts. A killed job begins anew from the start.
//!
//! Invariants: of an account, [`RUNNING_MAX`] run at once and the others wait for their turn; what ends begins the next in the same transaction.
//! Whoever writes an export shows the lease it was begun with at every step, so of two workers the later one's file is kept, whole. After its
//! end (`expires_at`) an export is gone for everybody, whether its rows are removed already or not. Who may see what is decided by the doors; each
//! kind reads what concerns the account alone, or, of the operator's kinds, everything.

mod jobs;
mod sheet;
mod store;

use std::collections::BTreeMap;

use ::db::{Result, Tx, jobs as queue};
use kernel::{AccountId, Code, Ctx, DAY_MS, ExportId, Locale, Refusal, StatementId, SubscriptionId, UserId};
use serde::{Deserialize, Serialize};
use serde_json::json;

pub use jobs::{FORGET_JOB, WRITE_JOB, run_forget_job, run_write_job};
pub use render::FileFormat;

use crate::audit;
use crate::edition::Edition;

/// How long a file is kept after it is done, days of market time. `[ours]`
pub const KEPT_DAYS: i64 = 3;
/// Exports of one account at most, those that are kept and those under way together. `[ours]`
pub const LIVE_MAX: i64 = 20;
/// Exports of one account that are written at the same time. `[ours]`
pub const RUNNING_MAX: i64 = 2;
/// Bytes of one part of a file at most. `[ours]`
pub const PART_MAX: usize = 256 * 1024;
/// Rows of a file at most; a longer list is cut there, and the export says so.
pub const ROWS_MAX: u64 = render::ROWS_MAX;
/// Bytes of the texts of a file at most. `[ours]`
const WORDING_MAX: usize = 64 * 1024;
/// Characters of a filter's text at most.
const FILTER_TEXT_MAX: usize = 100;

kernel::words! {
    /// What is exported.
    pub enum ExportKind {
        /// A buyer's orders, a row a line. Filter: `state`.
        BuyerOrders = "buyer-orders",
        /// A buyer's subscriptions. Filter: `state`.
        BuyerServices = "buyer-services",
        /// What came into a buyer's balance and went out.
        BuyerMovements = "buyer-movements",
        /// A seller's orders, a row a line. Filter: `state`.
        SellerOrders = "seller-orders",
        /// A seller's subscriptions. Filter: `state`.
        SellerSubscriptions = "seller-subscriptions",
        /// A seller's sales and refunds on their way into statements. Filter: `state`.
        SellerSales = "seller-sales",
        /// The lines of one of a seller's statements. Filter: `statement`, which must be there.
        SellerStatementLines = "seller-statement-lines",
        /// The calls to a seller's server. Filters: `state`, `subscription`.
        SellerCalls = "seller-calls",
        /// Everybody's orders, a row a line. Filter: `state`.
        OperatorOrders = "operator-orders",
        /// All accounts. Filter: `name`, how names begin.
        OperatorAccounts = "operator-accounts",
        /// Recorded deposits. Filter: `account`.
        OperatorDeposits = "operator-deposits",
        /// Everybody's subscriptions. Filter: `state`.
        OperatorSubscriptions = "operator-subscriptions",
        /// Everybody's statements. Filters: `state`, `account`.
        OperatorStatements = "operator-statements",
        /// The audit. Filter: `account`.
        OperatorAudit = "operator-audit",
    }
}

impl ExportKind {
    /// The columns of the file: the doors give a heading for each.
    #[must_use]
    pub const fn columns(self) -> &'static [&'static str] {
        sheet::columns(self)
    }

    /// Words of the program that stand in the file, each with the set it is of: the doors give a text for each. They may give more: `verdict-…`
    /// for what came of a call, `did-…` for actions of the audit; a word without a text stands in the file as it is.
    #[must_use]
    pub fn words(self) -> Vec<(&'static str, &'static str)> {
        sheet::words(self)
    }
}

kernel::words! {
    /// How an export stands.
    pub enum ExportState {
        /// Others of the account are written first.
        Queued = "queued",
        /// It is being written.
        Running = "running",
        /// The file is there.
        Done = "done",
        /// It could not be written.
        Failed = "failed",
    }
}

impl ExportState {
    /// Whether something is still to be done.
    #[must_use]
    pub const fn is_active(self) -> bool {
        matches!(self, Self::Queued | Self::Running)
    }
}

/// What of a list is wanted; each kind knows some of these and refuses the others.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = ExportFilter)]
pub struct Filter {
    /// Only what stands like this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<String>,
    /// Of which account.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account: Option<AccountId>,
    /// Of which subscription.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subscription: Option<SubscriptionId>,
    /// Of which statement.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub statement: Option<StatementId>,
    /// How the name begins.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
}

/// The texts of a file, in the language of whoever asked for it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Wording {
    /// That language.
    pub locale: Locale,
    /// What the list is called: the file and its sheet are named by it.
    pub title: String,
    /// A heading for each of [`ExportKind::columns`].
    pub headings: Vec<String>,
    /// The texts of [`ExportKind::words`], by `set-word`.
    pub words: BTreeMap<String, String>,
}

/// An export to ask for.
#[derive(Clone, Debug)]
pub struct NewExport {
    /// Who asks.
    pub user: UserId,
    /// For which account.
    pub account: AccountId,
    /// What.
    pub kind: ExportKind,
    /// As what kind of file.
    pub format: FileFormat,
    /// What of it.
    pub filter: Filter,
    /// The texts of the file.
    pub wording: Wording,
}

/// An export and how it stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct Export {
    /// Its id; ids sort by time.
    pub id: ExportId,
    /// Whose it is.
    pub account_id: AccountId,
    /// Who asked for it.
    pub user_id: Option<UserId>,
    /// What is exported.
    pub kind: ExportKind,
    /// As what kind of file.
    pub format: FileFormat,
    /// What of it.
    pub filter: Filter,
    /// How it stands.
    pub state: ExportState,
    /// Entries of the list that are written so far.
    pub rows_done: i64,
    /// Entries of the list, as counted when the writing began.
    pub rows_total: Option<i64>,
    /// When it turned out to be longer than a file may be: the file has its beginning, market ms UTC.
    pub cut_at: Option<i64>,
    /// What the file is called.
    pub file_name: String,
    /// How large the file is; 0 until it is there.
    pub bytes: i64,
    /// When it was asked for, market ms UTC.
    pub created_at: i64,
    /// When it was done or given up, market ms UTC.
    pub done_at: Option<i64>,
    /// When it will be removed, market ms UTC.
    pub expires_at: Option<i64>,
}

impl Export {
    /// How far it is, 0 to 100; none while that cannot be told. Not 100 before the file can be fetched.
    #[must_use]
    pub fn percent(&self) -> Option<i64> {
        match (self.state, self.rows_total) {
            (ExportState::Done, _) => Some(100),
            (ExportState::Queued, _) => Some(0),
            (ExportState::Running, Some(total)) => Some((self.rows_done.max(0).saturating_mul(100) / total.max(1)).min(99)),
            (ExportState::Running, None) if self.rows_done == 0 => Some(0),
            (ExportState::Running, None) | (ExportState::Failed, _) => None,
        }
    }

    /// How many parts the file has.
    #[must_use]
    pub fn parts(&self) -> i64 {
        let part = i64::try_from(PART_MAX).unwrap_or(i64::MAX);
        if self.state == ExportState::Done { (self.bytes + part - 1) / part } else { 0 }
    }
}

/// Asks for an export. Whoever asks again for what is still under way gets that: a second press of a button makes no second file.
///
/// # Errors
/// [`Code::TooMany`] with `max` when the account has [`LIVE_MAX`]; [`Code::FieldInvalid`] for a filter that the kind does not know or take;
/// [`Code::NotFound`] for the statement of another seller.
pub async fn ask(tx: &mut Tx, ctx: &Ctx, edition: &Edition, new: &NewExport) -> Result<Export> {
    sheet::check(tx, new).await?;
    let wording = serde_json::to_string(&new.wording)?;
    if new.wording.headings.len() != new.kind.columns().len() || wording.len() > WORDING_MAX {
        return Err(::db::Error::broken(format!("the texts of an export of {} are not right", new.kind)));
    }
    let all = store::of_account(tx, new.account, ctx.now).await?;
    let same =
        |export: &&Export| export.state.is_active() && (export.kind, export.format, &export.filter) == (new.kind, new.format, &new.filter);
    if let Some(under_way) = all.iter().find(same) {
        return Ok(under_way.clone());
    }
    if i64::try_from(all.len()).unwrap_or(LIVE_MAX) >= LIVE_MAX {
        return Err(Refusal::new(Code::TooMany).with("max", LIVE_MAX).into());
    }
    let newest = all.first().map(|export| export.id);
    let export = Export {
        id: ExportId::new_after(newest, ctx.now, &ctx.entropy),
        account_id: new.account,
        user_id: Some(new.user),
        kind: new.kind,
        format: new.format,
        filter: new.filter.clone(),
        state: ExportState::Queued,
        rows_done: 0,
        rows_total: None,
        cut_at: None,
        file_name: file_name(&new.wording.title, &edition.zone.day(ctx.now), new.format),
        bytes: 0,
        created_at: ctx.now,
        done_at: None,
        expires_at: None,
    };
    store::insert(tx, &export, &wording).await?;
    let detail = json!({ "kind": export.kind, "format": export.format, "filter": export.filter });
    audit::record(tx, ctx, "exports.asked", &export.id, &detail).await?;
    begin_next(tx, new.account, ctx.now).await?;
    get_of(tx, new.account, export.id, ctx.now).await
}

/// `orders 2026-11-24.csv`, without what no file system takes.
fn file_name(title: &str, day: &str, format: FileFormat) -> String {
    let never = |c: char| c.is_control() || matches!(c, '/' | '\\' | ':' | '*' | '?' | '"' | '<' | '>' | '|');
    let title: String = title.chars().map(|c| if never(c) { ' ' } else { c }).take(80).collect();
    format!("{} {day}.{format}", title.trim())
}

/// Begins the exports of an account whose turn it is.
async fn begin_next(tx: &mut Tx, account: AccountId, now: i64) -> Result<()> {
    let room = RUNNING_MAX - store::running(tx, account).await?;
    for id in store::next_queued(tx, account, room.max(0)).await? {
        store::set_running(tx, id).await?;
        queue::enqueue(tx, WRITE_JOB, &id, "", now).await?;
    }
    Ok(())
}

/// The exports of an account at market time `now`, newest first; there are [`LIVE_MAX`] at most.
///
/// # Errors
/// Those of the database.
pub async fn list(tx: &mut Tx, account: AccountId, now: i64) -> Result<Vec<Export>> {
    store::of_account(tx, account, now).await
}

/// An export of `account` at market time `now`.
///
/// # Errors
/// [`Code::NotFound`], also for those of others and for those whose time is over.
pub async fn get_of(tx: &mut Tx, account: AccountId, id: ExportId, now: i64) -> Result<Export> {
    let found = store::find(tx, id).await?.map(|(export, _)| export);
    let live = |export: &Export| export.account_id == account && export.expires_at.is_none_or(|until| until > now);
    found.filter(live).ok_or_else(|| Refusal::new(Code::NotFound).into())
}

/// A part of the file of an export, from 1 on, each of [`PART_MAX`] bytes but the last.
///
/// # Errors
/// As [`get_of`]; [`Code::NotFound`] for a part that is not there.
pub async fn part(tx: &mut Tx, account: AccountId, id: ExportId, n: i64, now: i64) -> Result<Vec<u8>> {
    let export = get_of(tx, account, id, now).await?;
    let found = if export.state == ExportState::Done { store::part(tx, id, n).await? } else { None };
    found.ok_or_else(|| Refusal::new(Code::NotFound).into())
}

/// Removes an export; one that is being written ends.
///
/// # Errors
/// As [`get_of`].
pub async fn delete(tx: &mut Tx, ctx: &Ctx, account: AccountId, id: ExportId) -> Result<()> {
    let export = get_of(tx, account, id, ctx.now).await?;
    store::remove(tx, id).await?;
    // The file may be large: it is removed bit by bit.
    queue::enqueue(tx, FORGET_JOB, &id, "", ctx.now).await?;
    audit::record(tx, ctx, "exports.deleted", &id, &json!({ "kind": export.kind, "state": export.state })).await?;
    begin_next(tx, account, ctx.now).await
}

/// When what is done at `now` is removed.
const fn end_of_life(now: i64) -> i64 {
    now + KEPT_DAYS * DAY_MS
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_has_a_name_that_every_system_takes() {
        assert_eq!(file_name("订单", "2026-11-24", FileFormat::Csv), "订单 2026-11-24.csv");
        assert_eq!(file_name("a/b:c\n\"d\"", "2026-11-24", FileFormat::Xlsx), "a b c  d 2026-11-24.xlsx");
    }
}
