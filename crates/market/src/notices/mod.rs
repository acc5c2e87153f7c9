//! Messages to an account, shown in its inbox: what happened or will, as a kind and its particulars; the reader's language makes the text.
//!
//! Invariant: a notice is written in the transaction of what it tells. Mail and SMS subscribe to these rows in a later issue.

use db::{FromRow, Result, Row, Tx, sql};
use kernel::{AccountId, Ctx, NoticeId};
use serde::Serialize;
use serde_json::Value;

use crate::page::{Page, PageRequest};

kernel::words! {
    /// What a notice tells.
    pub enum NoticeKind {
        /// The seller has opened what was bought: it can be used.
        SubscriptionOpened = "subscription-opened",
        /// A subscription will end in some days.
        SubscriptionEnds = "subscription-ends",
        /// A subscription ended and was frozen.
        SubscriptionFrozen = "subscription-frozen",
        /// A frozen subscription will be released in some days.
        SubscriptionReleases = "subscription-releases",
        /// A subscription was released.
        SubscriptionReleased = "subscription-released",
        /// The operator froze a subscription.
        SubscriptionSuspended = "subscription-suspended",
        /// The operator lifted the freeze.
        SubscriptionResumed = "subscription-resumed",
        /// A subscription was renewed automatically.
        RenewalDone = "renewal-done",
        /// An automatic renewal did not succeed.
        RenewalFailed = "renewal-failed",
        /// The seller has not confirmed a renewal that is paid; it may be returned.
        RenewalUnconfirmed = "renewal-unconfirmed",
        /// A line could not be opened and was refunded.
        OrderFailed = "order-failed",
        /// The operator has approved or refused a large refund.
        RefundDecided = "refund-decided",
        /// A refund arrived on the balance.
        Refunded = "refunded",
        /// Calls to a seller's server have stopped; the seller must restart them.
        CallsStopped = "calls-stopped",
        /// A product had too many failed orders in a month.
        ProductFlagged = "product-flagged",
        /// A submitted product was approved or rejected.
        ReviewDecided = "review-decided",
        /// The application to sell was approved or rejected.
        ApplicationDecided = "application-decided",
        /// A statement is ready.
        StatementReady = "statement-ready",
        /// A statement was paid out.
        StatementPaid = "statement-paid",
        /// A deposit arrived on the balance.
        DepositRecorded = "deposit-recorded",
    }
}

/// One message.
#[derive(Clone, Debug, PartialEq, Serialize, utoipa::ToSchema)]
pub struct Notice {
    /// Its id; ids sort by time.
    pub id: NoticeId,
    /// When, market ms UTC.
    pub at: i64,
    /// What it tells.
    pub kind: NoticeKind,
    /// About which thing: an id.
    pub subject: String,
    /// The particulars.
    #[schema(value_type = Object)]
    pub args: Value,
    /// When it was read, market ms UTC.
    pub read_at: Option<i64>,
}

impl FromRow for Notice {
    fn from_row(row: &mut Row) -> Result<Self> {
        Ok(Self {
            id: row.take()?,
            at: row.take()?,
            kind: row.take()?,
            subject: row.take()?,
            args: serde_json::from_str(&row.take::<String>()?)?,
            read_at: row.take()?,
        })
    }
}

/// Sends a notice to every reader of `account`.
///
/// # Errors
/// Those of the database.
pub async fn send(
    tx: &mut Tx,
    ctx: &Ctx,
    account: AccountId,
    kind: NoticeKind,
    subject: &dyn kernel::ToScalar,
    args: &Value,
) -> Result<()> {
    let statement = sql!("INSERT INTO notices (id, account_id, at, kind, subject, args) VALUES ($1, $2, $3, $4, $5, $6)");
    let id = NoticeId::new(ctx.now, &ctx.entropy);
    tx.defer(statement, &[&id, &account, &ctx.now, &kind, subject, &args.to_string()]).await
}

/// The inbox of an account, newest first.
///
/// # Errors
/// Those of the database.
pub async fn inbox(tx: &mut Tx, account: AccountId, page: &PageRequest) -> Result<Page<Notice>> {
    let before = page.before();
    let statement =
        sql!("SELECT id, at, kind, subject, args, read_at FROM notices WHERE account_id = $1 AND id < $2 ORDER BY id DESC LIMIT $3");
    let rows = tx.all(statement, &[&account, &before, &page.fetch()]).await?;
    Ok(page.cut(rows, |notice: &Notice| notice.id.to_string()))
}

/// A notice of `account`.
///
/// # Errors
/// [`kernel::Code::NotFound`] when the account has no such notice.
pub async fn get(tx: &mut Tx, account: AccountId, id: NoticeId) -> Result<Notice> {
    let statement = sql!("SELECT id, at, kind, subject, args, read_at FROM notices WHERE id = $1 AND account_id = $2");
    tx.find(statement, &[&id, &account]).await?.ok_or_else(|| kernel::Refusal::new(kernel::Code::NotFound).into())
}

/// Marks a notice of `account` as read; a second time changes nothing.
///
/// # Errors
/// [`kernel::Code::NotFound`] when the account has no such notice.
pub async fn mark_read(tx: &mut Tx, ctx: &Ctx, account: AccountId, id: NoticeId) -> Result<()> {
    let update = sql!("UPDATE notices SET read_at = COALESCE(read_at, $1) WHERE id = $2 AND account_id = $3");
    if tx.execute(update, &[&ctx.now, &id, &account]).await? == 0 {
        return Err(kernel::Refusal::new(kernel::Code::NotFound).into());
    }
    Ok(())
}

/// How many notices of an account nobody has read, counted up to `max`.
///
/// # Errors
/// Those of the database.
pub async fn count_unread(tx: &mut Tx, account: AccountId, max: i64) -> Result<i64> {
    let statement = sql!("SELECT COUNT(*) FROM (SELECT id FROM notices WHERE account_id = $1 AND read_at IS NULL LIMIT $2) AS unread");
    let (count,): (i64,) = tx.one(statement, &[&account, &max]).await?;
    Ok(count)
}

/// Marks every notice of `account` as read; gives how many were not.
///
/// # Errors
/// Those of the database.
pub async fn mark_all_read(tx: &mut Tx, ctx: &Ctx, account: AccountId) -> Result<u64> {
    tx.execute(sql!("UPDATE notices SET read_at = $1 WHERE account_id = $2 AND read_at IS NULL"), &[&ctx.now, &account]).await
}
