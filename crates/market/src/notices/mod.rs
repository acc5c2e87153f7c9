//! Messages to an account, shown in its inbox: what happened or will, as a kind and its particulars; the reader's language makes the text.
//!
//! Invariant: a notice is written in the transaction of what it tells. Those that are due by mail are taken from here by `mailing`.

use db::{FromRow, Result, Row, Tx, sql};
use kernel::{AccountId, Ctx, DAY_MS, MINUTE_MS, NoticeId};
use serde::Serialize;
use serde_json::Value;

use crate::page::{Page, PageRequest};

/// A notice goes by mail so long after it was written: what comes in the meantime goes along. `[ours]`
pub const MAIL_DELAY_MS: i64 = 5 * MINUTE_MS;
/// A notice that is older than this when its turn comes goes by no mail any more: it is in the inbox. `[ours]`
const MAIL_AGE_MAX_MS: i64 = DAY_MS;

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
    let statement = sql!("INSERT INTO notices (id, account_id, at, kind, subject, args, mail_due_at) VALUES ($1, $2, $3, $4, $5, $6, $7)");
    let id = NoticeId::new(ctx.now, &ctx.entropy);
    tx.defer(statement, &[&id, &account, &ctx.now, &kind, subject, &args.to_string(), &(ctx.now + MAIL_DELAY_MS)]).await
}

/// When the next notice is due by mail, market ms UTC.
///
/// # Errors
/// Those of the database.
pub async fn next_mail_due(tx: &mut Tx) -> Result<Option<i64>> {
    let statement = sql!("SELECT MIN(mail_due_at) FROM notices WHERE mail_due_at IS NOT NULL");
    tx.one::<(Option<i64>,)>(statement, &[]).await.map(|(due,)| due)
}

/// The accounts that have notices due by mail at `now`, at most `limit`.
///
/// # Errors
/// Those of the database.
pub async fn mail_due(tx: &mut Tx, now: i64, limit: i64) -> Result<Vec<AccountId>> {
    let statement = sql!(
        "SELECT account_id FROM notices WHERE mail_due_at IS NOT NULL AND mail_due_at <= $1
         GROUP BY account_id ORDER BY MIN(mail_due_at), account_id LIMIT $2"
    );
    Ok(tx.all::<(AccountId,)>(statement, &[&now, &limit]).await?.into_iter().map(|(account,)| account).collect())
}

/// Takes the notices of an account that are to go by mail: those that nobody has read and that are not too old, oldest first, at most
/// `limit`, and how many more there are. From now on they are nobody's to mail.
///
/// # Errors
/// Those of the database.
pub async fn take_for_mail(tx: &mut Tx, account: AccountId, now: i64, limit: i64) -> Result<(Vec<Notice>, i64)> {
    let since = now - MAIL_AGE_MAX_MS;
    let find = sql!(
        "SELECT id, at, kind, subject, args, read_at FROM notices
         WHERE account_id = $1 AND read_at IS NULL AND mail_due_at IS NOT NULL AND at > $2 ORDER BY id LIMIT $3"
    );
    let told: Vec<Notice> = tx.all(find, &[&account, &since, &limit]).await?;
    let count = sql!(
        "SELECT CAST(COUNT(*) AS BIGINT) FROM notices WHERE account_id = $1 AND read_at IS NULL AND mail_due_at IS NOT NULL AND at > $2"
    );
    let (all,): (i64,) = tx.one(count, &[&account, &since]).await?;
    tx.execute(sql!("UPDATE notices SET mail_due_at = NULL WHERE account_id = $1 AND mail_due_at IS NOT NULL"), &[&account]).await?;
    let more = all - i64::try_from(told.len()).unwrap_or(all);
    Ok((told, more))
}

/// Has the notices of an account go by mail later: at `until`, market ms UTC.
///
/// # Errors
/// Those of the database.
pub async fn put_mail_off(tx: &mut Tx, account: AccountId, until: i64) -> Result<()> {
    let update =
        sql!("UPDATE notices SET mail_due_at = CAST($1 AS BIGINT) WHERE account_id = $2 AND mail_due_at IS NOT NULL AND mail_due_at < $1");
    tx.execute(update, &[&until, &account]).await.map(drop)
}

/// Gives up mailing notices that are too old for it at market time `now`, at most `limit`: those of a market that sends no mail.
///
/// # Errors
/// Those of the database.
pub async fn forget_mail(tx: &mut Tx, now: i64, limit: i64) -> Result<u64> {
    let update = sql!(
        "UPDATE notices SET mail_due_at = NULL WHERE id IN
           (SELECT id FROM notices WHERE mail_due_at IS NOT NULL AND mail_due_at < $1 ORDER BY mail_due_at LIMIT $2)"
    );
    tx.execute(update, &[&(now - MAIL_AGE_MAX_MS), &limit]).await
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
