//! A new password for whoever has forgotten theirs: a link by mail, which works once and for an hour. All times are the machine's.
//!
//! Invariants: the token is in the mail alone, in the database only its hash; who asks learns nothing about who is here, neither from the
//! answer nor from what is done for it: one row is written for a name that nobody has, too.

use db::{Result, Tx};
use kernel::{Actor, Code, Ctx, DAY_MS, HOUR_MS, MINUTE_MS, Refusal, UserId};
use serde_json::json;

use super::{password, rules, secret, store};
use crate::Market;
use crate::audit;
use crate::mail::{self, Matter};

/// How long a link works.
pub const RESET_MS: i64 = HOUR_MS;
/// Links that one person is sent in an hour. `[ours]`
pub const RESETS_PER_HOUR_MAX: i64 = 3;
/// People with the same address who are sent links at once. `[ours]`
const SAME_ADDRESS_MAX: i64 = 5;
/// Requests are kept this long for questions.
const KEPT_MS: i64 = 30 * DAY_MS;

/// Whose password a link sets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResetFor {
    /// The sign-in name.
    pub login: String,
    user: UserId,
}

fn invalid() -> db::Error {
    Refusal::new(Code::ResetLinkInvalid).into()
}

/// Sends a link to a new password to whoever has this sign-in name, or else to everybody who has this address: nothing to people who are
/// disabled or were sent three in this hour. The answer is the same whoever is here; nothing is done in a market that sends no mail.
///
/// # Errors
/// [`Code::FieldInvalid`] for `whom` when it is empty or too long for a name or an address.
pub async fn ask_reset(market: &Market, ctx: &Ctx, whom: &str) -> Result<()> {
    let whom = rules::text("whom", whom, 1, rules::EMAIL_CHARS_MAX)?;
    if market.mail().is_none() {
        return Ok(());
    }
    let (again, ctx) = (market.clone(), ctx.at(ctx.now));
    market
        .db()
        .write(async move |tx| {
            let by_login = match rules::login_key(&whom) {
                Some(key) => store::enabled_by_login(tx, &key).await?,
                None => None,
            };
            let by_email = store::enabled_by_email(tx, &whom.to_ascii_lowercase(), SAME_ADDRESS_MAX).await?;
            let found = by_login.map_or(by_email, |one| vec![one]);
            let (mut sent, expires_at) = (0, ctx.wall + RESET_MS);
            for person in found {
                let user = person.to.user;
                if store::count_resets(tx, user, ctx.wall - HOUR_MS).await? >= RESETS_PER_HOUR_MAX {
                    continue;
                }
                let token = secret::token(secret::RESET_PREFIX, &ctx.entropy);
                store::insert_reset(tx, &secret::token_hash(&token), Some(user), ctx.wall, expires_at).await?;
                let matter = Matter::PasswordReset { login: &person.login, token: &token, minutes: RESET_MS / MINUTE_MS };
                mail::write(tx, &ctx, &again, &person.to, &matter).await?;
                audit::record(tx, &ctx, "accounts.password_reset_asked", &user, &json!({})).await?;
                sent += 1;
            }
            if sent == 0 {
                // As much is written as for one person, so that the time of the answer tells nothing.
                store::insert_reset(tx, &ctx.entropy.bytes(), None, ctx.wall, ctx.wall).await?;
            }
            Ok(())
        })
        .await
}

/// Whose password a link sets.
///
/// # Errors
/// [`Code::ResetLinkInvalid`] when it is unknown, was used, is too old, or is of somebody who is disabled.
pub async fn find_reset(tx: &mut Tx, token: &str, wall: i64) -> Result<ResetFor> {
    let hash = secret::read_reset_token(token).ok_or_else(invalid)?;
    let user = store::live_reset(tx, &hash, wall).await?.ok_or_else(invalid)?;
    let person = store::enabled(tx, user).await?.ok_or_else(invalid)?;
    Ok(ResetFor { login: person.login, user })
}

/// Sets a new password by a link, which works no more. Every session of the person ends, a lock is lifted, and a mail tells them.
///
/// # Errors
/// [`Code::ResetLinkInvalid`] as [`find_reset`]; [`Code::PasswordWeak`], [`Code::TooManyRequests`], which leave the link as it was.
pub async fn reset_by_token(market: &Market, ctx: &Ctx, token: &str, new: &str) -> Result<()> {
    let hash = secret::read_reset_token(token).ok_or_else(invalid)?;
    let (shown, wall) = (token.to_owned(), ctx.wall);
    let found = market.db().read(async move |tx| find_reset(tx, &shown, wall).await).await?;
    let hashed = password::hash(new, &found.login, &ctx.entropy).await?;
    let (again, ctx) = (market.clone(), ctx.at(ctx.now));
    market
        .db()
        .write(async move |tx| {
            let user = found.user;
            let person = store::enabled(tx, user).await?.ok_or_else(invalid)?;
            if store::use_reset(tx, &hash, ctx.wall).await? == 0 {
                return Err(invalid());
            }
            let ctx = Ctx { actor: Actor::User { user, account: person.to.account }, ..ctx.at(ctx.now) };
            store::set_password(tx, user, &hashed).await?;
            store::end_sessions(tx, user, None, ctx.wall).await?;
            password_changed(tx, &ctx, &again, user).await?;
            audit::record(tx, &ctx, "accounts.password_reset_by_mail", &user, &json!({})).await
        })
        .await
}

/// What follows from a changed password, however it was changed: no link sets another, and a mail tells the person.
pub(super) async fn password_changed(tx: &mut Tx, ctx: &Ctx, market: &Market, user: UserId) -> Result<()> {
    store::end_resets(tx, user, ctx.wall).await?;
    let Some(person) = store::enabled(tx, user).await? else { return Ok(()) };
    mail::write(tx, ctx, market, &person.to, &Matter::PasswordChanged { login: &person.login, at: ctx.now }).await.map(drop)
}

/// Removes requests for a new password that are older than 30 days, at most `limit`.
///
/// # Errors
/// Those of the database.
pub async fn forget_old_resets(tx: &mut Tx, wall: i64, limit: i64) -> Result<u64> {
    store::delete_resets(tx, wall - KEPT_MS, limit).await
}
