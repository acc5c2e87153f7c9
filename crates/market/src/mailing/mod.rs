//! Notices by mail: the inbox of an account, in the mailboxes of its people who want that.
//!
//! A notice is due five minutes after it was written, and takes along whatever else waits for its account: what comes together is read
//! together. What somebody has read in the inbox meanwhile is not told again, and neither is what is older than a day by then.
//!
//! Invariant: that a notice has been dealt with and its mails are one transaction, so two processes write no mail twice.

use db::{Result, Tx};
use kernel::{AccountId, Actor, HOUR_MS, Locale};

use crate::mail::{self, Matter};
use crate::{Market, accounts, notices};

/// Notices that are told in one mail; of the others only their number. `[ours]`
const TOLD_MAX: i64 = 20;

/// When the next notice is due by mail, market ms UTC; none in a market that sends no mail.
///
/// # Errors
/// Those of the database.
pub async fn next_due(tx: &mut Tx, market: &Market) -> Result<Option<i64>> {
    if market.mail().is_some() { notices::next_mail_due(tx).await } else { Ok(None) }
}

/// The accounts whose notices are due by mail at `now`, at most `limit`; none in a market that sends no mail.
///
/// # Errors
/// Those of the database.
pub async fn due(tx: &mut Tx, market: &Market, now: i64, limit: i64) -> Result<Vec<AccountId>> {
    if market.mail().is_some() { notices::mail_due(tx, now, limit).await } else { Ok(Vec::new()) }
}

/// Writes the mails of an account about the notices that wait; an hour later when the account got very many in the last one.
///
/// # Errors
/// Those of the database.
pub async fn step(market: &Market, account: AccountId, now: i64) -> Result<()> {
    let again = market.clone();
    market
        .db()
        .write(async move |tx| {
            let ctx = again.ctx_at(now, Actor::System("mailing"), Locale::En);
            if !mail::has_room(tx, account, now).await? {
                return notices::put_mail_off(tx, account, now + HOUR_MS).await;
            }
            let (told, more) = notices::take_for_mail(tx, account, now, TOLD_MAX).await?;
            if told.is_empty() {
                return Ok(());
            }
            for reader in accounts::notice_readers(tx, account).await? {
                mail::write(tx, &ctx, &again, &reader, &Matter::Notices { notices: &told, more }).await?;
            }
            Ok(())
        })
        .await
}

/// Leaves the notices of an account alone until `until`, market ms UTC.
///
/// # Errors
/// Those of the database.
pub async fn put_off(tx: &mut Tx, account: AccountId, until: i64) -> Result<()> {
    notices::put_mail_off(tx, account, until).await
}
