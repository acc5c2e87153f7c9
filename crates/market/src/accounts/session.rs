//! Signing in with a password, and the sessions that come of it. All times are the machine's.

use std::fmt;

use db::{Result, Tx};
use kernel::{AccountId, Actor, Code, Ctx, DAY_MS, HOUR_MS, MINUTE_MS, Refusal, SessionId, UserId};
use serde::Serialize;
use serde_json::json;

use super::store::Credentials;
use super::{Account, Principal, User, account, password, reset, rules, secret, store, user};
use crate::Market;
use crate::audit;
use crate::page::{Page, PageRequest};

/// A session ends this long after it was last used.
pub const SESSION_SLIDING_MS: i64 = 14 * DAY_MS;
/// A session ends this long after its sign-in, however much it is used.
pub const SESSION_ABSOLUTE_MS: i64 = 90 * DAY_MS;
/// Live sessions of one person; a further sign-in ends the oldest.
pub const SESSIONS_MAX: i64 = 20;
/// Sessions whose time is over, ended early or not, are kept this long for questions.
const KEPT_MS: i64 = 90 * DAY_MS;
/// Characters that are kept of what a client calls itself.
const CLIENT_CHARS_MAX: usize = 200;

/// After this many wrong passwords in a row, and again after as many more, the sign-in is locked.
const TRIES_PER_LOCK: i64 = 5;
/// The first lock; each further one is twice as long.
const LOCK_MS_MIN: i64 = 15 * MINUTE_MS;
/// The longest lock.
const LOCK_MS_MAX: i64 = 24 * HOUR_MS;

/// A sign-in that lasts.
#[derive(Clone, Debug, PartialEq, Serialize, utoipa::ToSchema)]
pub struct SessionView {
    /// Its id.
    pub id: SessionId,
    /// When it began, ms UTC of the machine.
    pub created_at: i64,
    /// When it was last used, to five minutes.
    pub seen_at: i64,
    /// When it ends unless it is used.
    pub expires_at: i64,
    /// What the client called itself.
    pub client: String,
}

/// A successful sign-in.
#[derive(Clone, PartialEq, Serialize, utoipa::ToSchema)]
pub struct SignedIn {
    /// What the client sends from now on; shown this once.
    pub token: String,
    /// The session.
    pub session: SessionView,
    /// Who signed in.
    pub user: User,
    /// Their account.
    pub account: Account,
}

impl fmt::Debug for SignedIn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SignedIn").field("session", &self.session.id).field("user", &self.user.id).finish_non_exhaustive()
    }
}

/// How long the sign-in is locked after this many tries without a success; 0 for not at all.
const fn lock_ms(tries: i64) -> i64 {
    if tries == 0 || tries % TRIES_PER_LOCK != 0 {
        return 0;
    }
    let mut lock = LOCK_MS_MIN;
    let mut round = TRIES_PER_LOCK;
    while round < tries && lock < LOCK_MS_MAX {
        lock *= 2;
        round += TRIES_PER_LOCK;
    }
    if lock < LOCK_MS_MAX { lock } else { LOCK_MS_MAX }
}

/// When a session that was used at `seen_at` ends.
pub(super) const fn expires_at(created_at: i64, seen_at: i64) -> i64 {
    let (sliding, absolute) = (seen_at + SESSION_SLIDING_MS, created_at + SESSION_ABSOLUTE_MS);
    if sliding < absolute { sliding } else { absolute }
}

enum Attempt {
    Unknown,
    Locked { minutes: i64 },
    Open(Credentials),
}

/// Whose password is tried.
enum Whose {
    Login(String),
    User(AccountId, UserId),
}

/// Takes one try before the password is looked at, so that many tries at once cannot be more than the tries there are.
async fn begin(market: &Market, wall: i64, whose: Whose) -> Result<Attempt> {
    market
        .db()
        .write(async move |tx| {
            let found = match &whose {
                Whose::Login(key) => store::credentials_by_login(tx, key).await?,
                Whose::User(account, user) => store::credentials(tx, *account, *user).await?,
            };
            let Some(mut found) = found else { return Ok(Attempt::Unknown) };
            if found.locked_until > wall {
                let minutes = (found.locked_until - wall + MINUTE_MS - 1) / MINUTE_MS;
                return Ok(Attempt::Locked { minutes });
            }
            found.wrong_tries += 1;
            let lock = lock_ms(found.wrong_tries);
            found.locked_until = if lock > 0 { wall + lock } else { 0 };
            store::set_tries(tx, found.user_id, found.wrong_tries, found.locked_until).await?;
            Ok(Attempt::Open(found))
        })
        .await
}

/// Leaves a trace of a password that was wrong when it locked the sign-in.
async fn tell_lock(market: &Market, ctx: &Ctx, tried: &Credentials) -> Result<()> {
    if tried.locked_until == 0 {
        return Ok(());
    }
    let (ctx, user, tries, until) = (ctx.at(ctx.now), tried.user_id, tried.wrong_tries, tried.locked_until);
    let detail = json!({ "tries": tries, "until": until });
    market.db().write(async move |tx| audit::record(tx, &ctx, "accounts.sign_in_locked", &user, &detail).await).await
}

fn locked(minutes: i64) -> db::Error {
    Refusal::new(Code::SignInLocked).with("minutes", minutes).into()
}

fn wrong() -> db::Error {
    Refusal::new(Code::SignInWrong).into()
}

enum Opening {
    /// The password was changed between the look and the sign-in.
    Changed,
    Disabled,
    Done(Box<(SessionView, User, Account)>),
}

/// Signs somebody in. `client` is what their browser or program calls itself.
///
/// Five wrong passwords in a row lock the sign-in for 15 minutes, five more for 30, and so on up to a day. An unknown name costs the same
/// work as a wrong password.
///
/// # Errors
/// [`Code::SignInWrong`], [`Code::SignInLocked`], [`Code::UserDisabled`] (only to who knows the password), [`Code::TooManyRequests`].
pub async fn sign_in(market: &Market, ctx: &Ctx, login: &str, password: &str, client: &str) -> Result<SignedIn> {
    let attempt = match rules::login_key(login) {
        Some(key) => begin(market, ctx.wall, Whose::Login(key)).await?,
        None => Attempt::Unknown,
    };
    let tried = match attempt {
        Attempt::Open(tried) => tried,
        Attempt::Locked { minutes } => return Err(locked(minutes)),
        Attempt::Unknown => {
            password::verify_nothing(password).await?;
            return Err(wrong());
        }
    };
    if !password::verify(password, &tried.password).await? {
        tell_lock(market, ctx, &tried).await?;
        return Err(wrong());
    }
    let token = secret::token(secret::SESSION_PREFIX, &ctx.entropy);
    match open(market, ctx, tried, &token, client).await? {
        Opening::Changed => Err(wrong()),
        Opening::Disabled => Err(Refusal::new(Code::UserDisabled).into()),
        Opening::Done(done) => {
            let (session, user, account) = *done;
            Ok(SignedIn { token, session, user, account })
        }
    }
}

async fn open(market: &Market, ctx: &Ctx, tried: Credentials, token: &str, client: &str) -> Result<Opening> {
    let hash = secret::token_hash(token);
    let client: String = client.chars().filter(|c| !c.is_control()).take(CLIENT_CHARS_MAX).collect();
    let actor = Actor::User { user: tried.user_id, account: tried.account_id };
    let ctx = Ctx { actor, ..ctx.at(ctx.now) };
    market
        .db()
        .write(async move |tx| {
            if store::clear_tries(tx, tried.user_id, &tried.password).await? == 0 {
                return Ok(Opening::Changed);
            }
            let user = user::get_user(tx, tried.account_id, tried.user_id).await?;
            if user.disabled_at.is_some() {
                return Ok(Opening::Disabled);
            }
            let session = SessionView {
                id: SessionId::new(ctx.now, &ctx.entropy),
                created_at: ctx.wall,
                seen_at: ctx.wall,
                expires_at: expires_at(ctx.wall, ctx.wall),
                client: client.clone(),
            };
            store::insert_session(tx, user.id, &hash, &session).await?;
            store::end_oldest_sessions(tx, user.id, ctx.wall, SESSIONS_MAX).await?;
            audit::record(tx, &ctx, "accounts.signed_in", &session.id, &json!({ "client": session.client })).await?;
            let account = account::get(tx, user.account_id).await?;
            Ok(Opening::Done(Box::new((session, user, account))))
        })
        .await
}

/// Ends the session that `principal` came with; does nothing for who came with an API token.
///
/// # Errors
/// Those of the database.
pub async fn sign_out(tx: &mut Tx, ctx: &Ctx, principal: &Principal) -> Result<()> {
    let Some(session) = principal.session else { return Ok(()) };
    if store::end_session(tx, principal.user, session, ctx.wall).await? > 0 {
        audit::record(tx, ctx, "accounts.signed_out", &session, &json!({})).await?;
    }
    Ok(())
}

/// The live sessions of a person, oldest first.
///
/// # Errors
/// Those of the database.
pub async fn sessions(tx: &mut Tx, user: UserId, wall: i64, page: &PageRequest) -> Result<Page<SessionView>> {
    let rows = store::sessions(tx, user, wall, page).await?;
    Ok(page.cut(rows, |session: &SessionView| session.id.to_string()))
}

/// A live session of a person.
///
/// # Errors
/// [`Code::NotFound`] when it is not theirs or has ended.
pub async fn get_session(tx: &mut Tx, user: UserId, session: SessionId, wall: i64) -> Result<SessionView> {
    store::session(tx, user, session, wall).await?.ok_or_else(|| Refusal::new(Code::NotFound).into())
}

/// Ends one session of a person.
///
/// # Errors
/// [`Code::NotFound`] when it is not theirs or has ended.
pub async fn end_session(tx: &mut Tx, ctx: &Ctx, user: UserId, session: SessionId) -> Result<()> {
    if store::end_session(tx, user, session, ctx.wall).await? == 0 {
        return Err(Refusal::new(Code::NotFound).into());
    }
    audit::record(tx, ctx, "accounts.session_ended", &session, &json!({})).await
}

/// Ends every session of everybody at `wall`, how many there were; API tokens and access keys stay.
///
/// # Errors
/// Those of the database.
pub async fn end_all_sessions(tx: &mut Tx, wall: i64) -> Result<u64> {
    store::end_all_sessions(tx, wall).await
}

/// Removes sessions whose time was over more than 90 days ago, at most `limit`.
///
/// # Errors
/// Those of the database.
pub async fn forget_old_sessions(tx: &mut Tx, wall: i64, limit: i64) -> Result<u64> {
    store::delete_sessions(tx, wall - KEPT_MS, limit).await
}

/// Changes one's own password: the old one is needed, and every other session ends. Wrong old passwords count like wrong sign-ins.
///
/// # Errors
/// [`Code::FieldInvalid`] for `old_password` with the rule `wrong`, [`Code::SignInLocked`], [`Code::PasswordWeak`], [`Code::TooManyRequests`].
pub async fn change_password(market: &Market, ctx: &Ctx, principal: &Principal, old: &str, new: &str) -> Result<()> {
    let wrong_old = || Refusal::field("old_password", "wrong");
    let tried = match begin(market, ctx.wall, Whose::User(principal.account, principal.user)).await? {
        Attempt::Open(tried) => tried,
        Attempt::Locked { minutes } => return Err(locked(minutes)),
        Attempt::Unknown => return Err(Refusal::new(Code::NotFound).into()),
    };
    if !password::verify(old, &tried.password).await? {
        tell_lock(market, ctx, &tried).await?;
        return Err(wrong_old().into());
    }
    let hashed = password::hash(new, &tried.login, &ctx.entropy).await;
    let (ctx, keep, again) = (ctx.at(ctx.now), principal.session, market.clone());
    let changed = market
        .db()
        .write(async move |tx| {
            let unchanged = store::clear_tries(tx, tried.user_id, &tried.password).await? > 0;
            // A new password that is too weak must not leave the try on the books: the old one was right.
            let (true, Ok(new)) = (unchanged, &hashed) else { return Ok(hashed_refusal(&hashed)) };
            store::set_password(tx, tried.user_id, new).await?;
            store::end_sessions(tx, tried.user_id, keep, ctx.wall).await?;
            reset::password_changed(tx, &ctx, &again, tried.user_id).await?;
            audit::record(tx, &ctx, "accounts.password_changed", &tried.user_id, &json!({})).await?;
            Ok(Changed::Done)
        })
        .await?;
    match changed {
        Changed::Done => Ok(()),
        Changed::OldIsStale => Err(wrong_old().into()),
        Changed::Refused(refusal) => Err(refusal.into()),
    }
}

enum Changed {
    Done,
    OldIsStale,
    Refused(Refusal),
}

fn hashed_refusal(hashed: &Result<super::PasswordHash>) -> Changed {
    match hashed {
        Err(db::Error::Refused(refusal)) => Changed::Refused(refusal.clone()),
        Err(_) => Changed::Refused(Refusal::new(Code::Unavailable)),
        Ok(_) => Changed::OldIsStale,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_fifth_wrong_try_locks_twice_as_long_up_to_a_day() {
        let locks: Vec<_> = (0..=45).map(|tries| lock_ms(tries) / MINUTE_MS).filter(|lock| *lock > 0).collect();
        assert_eq!(locks, [15, 30, 60, 120, 240, 480, 960, 1440, 1440]);
        assert_eq!((lock_ms(0), lock_ms(4), lock_ms(5), lock_ms(6)), (0, 0, LOCK_MS_MIN, 0));
        assert_eq!(lock_ms(5 * 1_000_000), LOCK_MS_MAX);
    }

    #[test]
    fn a_session_slides_until_its_last_day() {
        assert_eq!(expires_at(0, 0), SESSION_SLIDING_MS);
        assert_eq!(expires_at(0, 10 * DAY_MS), 24 * DAY_MS);
        assert_eq!(expires_at(0, 89 * DAY_MS), SESSION_ABSOLUTE_MS);
    }
}
