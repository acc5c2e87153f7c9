//! All SQL of the accounts.

use std::collections::BTreeSet;

use db::{FromRow, Result, Row, Tx, sql};
use kernel::{AccessKeyId, AccountId, Locale, SessionId, TokenId, UserId};

use super::{AccessKeyView, Account, NoticesByMail, PasswordHash, Permission, Role, SessionView, TOUCH_MS, TokenView, User, UserDetails};
use crate::mail::Addressee;
use crate::page::PageRequest;

// ---- accounts ----

impl FromRow for Account {
    fn from_row(row: &mut Row) -> Result<Self> {
        Ok(Self {
            id: row.take()?,
            name: row.take()?,
            kind: row.take()?,
            title: row.take()?,
            created_at: row.take()?,
            seller_at: row.take()?,
            operator_at: row.take()?,
            version: row.take()?,
        })
    }
}

pub(super) async fn insert_account(tx: &mut Tx, account: &Account, key: &str) -> Result<u64> {
    let insert = sql!(
        "INSERT INTO accounts (id, name, name_key, kind, title, created_at, seller_at, operator_at, version)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)"
    );
    let a = account;
    tx.execute(insert, &[&a.id, &a.name, &key, &a.kind, &a.title, &a.created_at, &a.seller_at, &a.operator_at, &a.version]).await
}

pub(super) async fn operator_exists(tx: &mut Tx) -> Result<bool> {
    let find = sql!("SELECT id FROM accounts WHERE operator_at IS NOT NULL LIMIT 1");
    Ok(tx.find::<(AccountId,)>(find, &[]).await?.is_some())
}

pub(super) async fn account(tx: &mut Tx, id: AccountId) -> Result<Option<Account>> {
    let find = sql!("SELECT id, name, kind, title, created_at, seller_at, operator_at, version FROM accounts WHERE id = $1");
    tx.find(find, &[&id]).await
}

pub(super) async fn account_by_key(tx: &mut Tx, key: &str) -> Result<Option<Account>> {
    let find = sql!("SELECT id, name, kind, title, created_at, seller_at, operator_at, version FROM accounts WHERE name_key = $1");
    tx.find(find, &[&key]).await
}

pub(super) async fn accounts(tx: &mut Tx, page: &PageRequest) -> Result<Vec<Account>> {
    let find =
        sql!("SELECT id, name, kind, title, created_at, seller_at, operator_at, version FROM accounts WHERE id > $1 ORDER BY id LIMIT $2");
    tx.all(find, &[&page.after, &page.fetch()]).await
}

/// Accounts whose keys begin with `prefix`, in the order of their keys. Not LIKE: no index answers that on PostgreSQL.
pub(super) async fn accounts_by_key(tx: &mut Tx, prefix: &str, page: &PageRequest) -> Result<Vec<Account>> {
    let after: Option<(String,)> = tx.find(sql!("SELECT name_key FROM accounts WHERE id = $1"), &[&page.after]).await?;
    let (from, but) = after.map_or_else(|| (prefix.to_owned(), String::new()), |(key,)| (key.clone(), key));
    let find = sql!(
        "SELECT id, name, kind, title, created_at, seller_at, operator_at, version FROM accounts
         WHERE name_key >= $1 AND name_key <> $2 AND name_key < $3 ORDER BY name_key LIMIT $4"
    );
    // Nothing that begins with the prefix sorts after this.
    let end = format!("{prefix}{}", char::MAX);
    tx.all(find, &[&from, &but, &end, &page.fetch()]).await
}

pub(super) async fn set_seller_at(tx: &mut Tx, id: AccountId, at: Option<i64>) -> Result<u64> {
    tx.execute(sql!("UPDATE accounts SET seller_at = CAST($1 AS BIGINT), version = version + 1 WHERE id = $2"), &[&at, &id]).await
}

// ---- users and roles ----

impl FromRow for User {
    fn from_row(row: &mut Row) -> Result<Self> {
        Ok(Self {
            id: row.take()?,
            account_id: row.take()?,
            login: row.take()?,
            name: row.take()?,
            email: row.take()?,
            phone: row.take()?,
            locale: row.take()?,
            roles: Vec::new(),
            locked_until: row.take()?,
            disabled_at: row.take()?,
            created_at: row.take()?,
            version: row.take()?,
        })
    }
}

pub(super) async fn insert_user(tx: &mut Tx, user: &User, password: &PasswordHash) -> Result<u64> {
    let insert = sql!(
        "INSERT INTO users (id, account_id, login, login_key, name, email, phone, locale, password_hash, wrong_tries, locked_until,
           disabled_at, created_at, version)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, 0, 0, NULL, $10, $11)"
    );
    let (u, key) = (user, user.login.to_ascii_lowercase());
    tx.execute(insert, &[&u.id, &u.account_id, &u.login, &key, &u.name, &u.email, &u.phone, &u.locale, password, &u.created_at, &u.version])
        .await
}

pub(super) async fn count_users(tx: &mut Tx, account: AccountId) -> Result<i64> {
    let count = sql!("SELECT CAST(COUNT(*) AS BIGINT) FROM users WHERE account_id = $1");
    Ok(tx.one::<(i64,)>(count, &[&account]).await?.0)
}

pub(super) async fn user(tx: &mut Tx, account: AccountId, id: UserId) -> Result<Option<User>> {
    let find = sql!(
        "SELECT id, account_id, login, name, email, phone, locale, locked_until, disabled_at, created_at, version FROM users
         WHERE id = $1 AND account_id = $2"
    );
    let Some(mut user) = tx.find::<User>(find, &[&id, &account]).await? else { return Ok(None) };
    let roles: Vec<(Role,)> = tx.all(sql!("SELECT role FROM user_roles WHERE user_id = $1"), &[&id]).await?;
    user.roles = roles.into_iter().map(|(role,)| role).collect();
    user.roles.sort_unstable();
    Ok(Some(user))
}

pub(super) async fn users(tx: &mut Tx, account: AccountId, page: &PageRequest) -> Result<Vec<User>> {
    let find = sql!(
        "SELECT id, account_id, login, name, email, phone, locale, locked_until, disabled_at, created_at, version FROM users
         WHERE account_id = $1 AND id > $2 ORDER BY id LIMIT $3"
    );
    let mut users: Vec<User> = tx.all(find, &[&account, &page.after, &page.fetch()]).await?;
    let find_roles = sql!("SELECT r.user_id, r.role FROM user_roles r JOIN users u ON u.id = r.user_id WHERE u.account_id = $1");
    let mut roles: Vec<(UserId, Role)> = tx.all(find_roles, &[&account]).await?;
    roles.sort_unstable();
    for user in &mut users {
        user.roles = roles.iter().filter(|(id, _)| *id == user.id).map(|(_, role)| *role).collect();
    }
    Ok(users)
}

pub(super) async fn update_user(tx: &mut Tx, id: UserId, details: &UserDetails) -> Result<()> {
    let update = sql!("UPDATE users SET name = $1, email = $2, phone = $3, locale = $4, version = version + 1 WHERE id = $5");
    tx.execute(update, &[&details.name, &details.email, &details.phone, &details.locale, &id]).await.map(drop)
}

pub(super) async fn bump_user(tx: &mut Tx, id: UserId) -> Result<()> {
    tx.execute(sql!("UPDATE users SET version = version + 1 WHERE id = $1"), &[&id]).await.map(drop)
}

pub(super) async fn add_role(tx: &mut Tx, user: UserId, role: Role) -> Result<()> {
    let insert = sql!("INSERT INTO user_roles (user_id, role) VALUES ($1, $2) ON CONFLICT (user_id, role) DO NOTHING");
    tx.execute(insert, &[&user, &role]).await.map(drop)
}

pub(super) async fn clear_roles(tx: &mut Tx, user: UserId) -> Result<()> {
    tx.execute(sql!("DELETE FROM user_roles WHERE user_id = $1"), &[&user]).await.map(drop)
}

pub(super) async fn users_with_role(tx: &mut Tx, account: AccountId, role: Role) -> Result<Vec<UserId>> {
    let find = sql!("SELECT u.id FROM users u JOIN user_roles r ON r.user_id = u.id WHERE u.account_id = $1 AND r.role = $2 ORDER BY u.id");
    Ok(tx.all::<(UserId,)>(find, &[&account, &role]).await?.into_iter().map(|(id,)| id).collect())
}

pub(super) async fn count_others_with_role(tx: &mut Tx, account: AccountId, but: UserId, role: Role) -> Result<i64> {
    let count = sql!(
        "SELECT CAST(COUNT(*) AS BIGINT) FROM users u JOIN user_roles r ON r.user_id = u.id
         WHERE u.account_id = $1 AND u.id <> $2 AND r.role = $3 AND u.disabled_at IS NULL"
    );
    Ok(tx.one::<(i64,)>(count, &[&account, &but, &role]).await?.0)
}

pub(super) async fn set_disabled(tx: &mut Tx, user: UserId, at: Option<i64>) -> Result<()> {
    let update = sql!("UPDATE users SET disabled_at = CAST($1 AS BIGINT), version = version + 1 WHERE id = $2");
    tx.execute(update, &[&at, &user]).await.map(drop)
}

// ---- mail ----

/// A person as mails are addressed.
struct Reader(Addressee);

impl FromRow for Reader {
    fn from_row(row: &mut Row) -> Result<Self> {
        let (user, account, name) = (row.take()?, row.take()?, row.take()?);
        Ok(Self(Addressee { user, account, name, email: row.take()?, locale: row.take()? }))
    }
}

pub(super) async fn notices_by_mail(tx: &mut Tx, user: UserId) -> Result<Option<NoticesByMail>> {
    let find = sql!("SELECT notices_by_mail FROM users WHERE id = $1");
    Ok(tx.find::<(Option<NoticesByMail>,)>(find, &[&user]).await?.and_then(|(choice,)| choice))
}

pub(super) async fn set_notices_by_mail(tx: &mut Tx, user: UserId, choice: NoticesByMail) -> Result<()> {
    tx.execute(sql!("UPDATE users SET notices_by_mail = $1 WHERE id = $2"), &[&choice, &user]).await.map(drop)
}

pub(super) async fn notice_readers(tx: &mut Tx, account: AccountId, limit: i64) -> Result<Vec<Addressee>> {
    let find = sql!(
        "SELECT u.id, u.account_id, u.name, u.email, u.locale FROM users u
         WHERE u.account_id = $1 AND u.disabled_at IS NULL
           AND (u.notices_by_mail = 'on' OR (u.notices_by_mail IS NULL AND EXISTS
             (SELECT 1 FROM user_roles r WHERE r.user_id = u.id AND r.role IN ($2, $3, $4))))
         ORDER BY u.id LIMIT $5"
    );
    let [buyer, seller, operator] = Role::OWNERS;
    let found: Vec<Reader> = tx.all(find, &[&account, &buyer, &seller, &operator, &limit]).await?;
    Ok(found.into_iter().map(|Reader(reader)| reader).collect())
}

// ---- password resets ----

/// Who may be sent a link: their sign-in name, and how they are addressed.
pub(super) struct Forgetful {
    pub(super) login: String,
    pub(super) to: Addressee,
}

impl FromRow for Forgetful {
    fn from_row(row: &mut Row) -> Result<Self> {
        Ok(Self { login: row.take()?, to: Reader::from_row(row)?.0 })
    }
}

pub(super) async fn enabled_by_login(tx: &mut Tx, key: &str) -> Result<Option<Forgetful>> {
    let find = sql!("SELECT login, id, account_id, name, email, locale FROM users WHERE login_key = $1 AND disabled_at IS NULL");
    tx.find(find, &[&key]).await
}

/// Enabled people who have this address (in lower case), the first `limit`.
pub(super) async fn enabled_by_email(tx: &mut Tx, email: &str, limit: i64) -> Result<Vec<Forgetful>> {
    let find = sql!(
        "SELECT login, id, account_id, name, email, locale FROM users WHERE lower(email) = $1 AND disabled_at IS NULL ORDER BY id LIMIT $2"
    );
    tx.all(find, &[&email, &limit]).await
}

pub(super) async fn enabled(tx: &mut Tx, user: UserId) -> Result<Option<Forgetful>> {
    let find = sql!("SELECT login, id, account_id, name, email, locale FROM users WHERE id = $1 AND disabled_at IS NULL");
    tx.find(find, &[&user]).await
}

pub(super) async fn insert_reset(tx: &mut Tx, hash: &[u8; 32], user: Option<UserId>, wall: i64, expires_at: i64) -> Result<()> {
    let insert = sql!(
        "INSERT INTO password_resets (token_hash, user_id, created_at, expires_at, used_at) VALUES ($1, CAST($2 AS TEXT), $3, $4, NULL)"
    );
    tx.execute(insert, &[hash, &user, &wall, &expires_at]).await.map(drop)
}

pub(super) async fn count_resets(tx: &mut Tx, user: UserId, since: i64) -> Result<i64> {
    let count = sql!("SELECT CAST(COUNT(*) AS BIGINT) FROM password_resets WHERE user_id = $1 AND created_at > $2");
    Ok(tx.one::<(i64,)>(count, &[&user, &since]).await?.0)
}

/// Whose a live token is.
pub(super) async fn live_reset(tx: &mut Tx, hash: &[u8; 32], wall: i64) -> Result<Option<UserId>> {
    let find =
        sql!("SELECT user_id FROM password_resets WHERE token_hash = $1 AND user_id IS NOT NULL AND used_at IS NULL AND expires_at > $2");
    Ok(tx.find::<(UserId,)>(find, &[hash, &wall]).await?.map(|(user,)| user))
}

/// Uses a live token up; 0 when it is not live any more.
pub(super) async fn use_reset(tx: &mut Tx, hash: &[u8; 32], wall: i64) -> Result<u64> {
    let update = sql!("UPDATE password_resets SET used_at = $1 WHERE token_hash = $2 AND used_at IS NULL AND expires_at > $1");
    tx.execute(update, &[&wall, hash]).await
}

/// Ends every link of a person.
pub(super) async fn end_resets(tx: &mut Tx, user: UserId, wall: i64) -> Result<()> {
    let update = sql!("UPDATE password_resets SET used_at = $1 WHERE user_id = $2 AND used_at IS NULL");
    tx.execute(update, &[&wall, &user]).await.map(drop)
}

pub(super) async fn delete_resets(tx: &mut Tx, before: i64, limit: i64) -> Result<u64> {
    let delete = sql!(
        "DELETE FROM password_resets WHERE token_hash IN
           (SELECT token_hash FROM password_resets WHERE created_at < $1 ORDER BY created_at LIMIT $2)"
    );
    tx.execute(delete, &[&before, &limit]).await
}

// ---- passwords ----

/// What is needed to try a password.
pub(super) struct Credentials {
    pub(super) user_id: UserId,
    pub(super) account_id: AccountId,
    pub(super) login: String,
    pub(super) password: PasswordHash,
    pub(super) wrong_tries: i64,
    pub(super) locked_until: i64,
}

impl FromRow for Credentials {
    fn from_row(row: &mut Row) -> Result<Self> {
        Ok(Self {
            user_id: row.take()?,
            account_id: row.take()?,
            login: row.take()?,
            password: row.take()?,
            wrong_tries: row.take()?,
            locked_until: row.take()?,
        })
    }
}

pub(super) async fn credentials_by_login(tx: &mut Tx, key: &str) -> Result<Option<Credentials>> {
    let find = sql!("SELECT id, account_id, login, password_hash, wrong_tries, locked_until FROM users WHERE login_key = $1");
    tx.find(find, &[&key]).await
}

pub(super) async fn credentials(tx: &mut Tx, account: AccountId, user: UserId) -> Result<Option<Credentials>> {
    let find = sql!("SELECT id, account_id, login, password_hash, wrong_tries, locked_until FROM users WHERE id = $1 AND account_id = $2");
    tx.find(find, &[&user, &account]).await
}

pub(super) async fn set_tries(tx: &mut Tx, user: UserId, tries: i64, locked_until: i64) -> Result<()> {
    tx.execute(sql!("UPDATE users SET wrong_tries = $1, locked_until = $2 WHERE id = $3"), &[&tries, &locked_until, &user]).await.map(drop)
}

/// Forgets wrong tries, if the password is still this one.
pub(super) async fn clear_tries(tx: &mut Tx, user: UserId, password: &PasswordHash) -> Result<u64> {
    let update = sql!("UPDATE users SET wrong_tries = 0, locked_until = 0 WHERE id = $1 AND password_hash = $2");
    tx.execute(update, &[&user, password]).await
}

pub(super) async fn set_password(tx: &mut Tx, user: UserId, password: &PasswordHash) -> Result<()> {
    let update = sql!("UPDATE users SET password_hash = $1, wrong_tries = 0, locked_until = 0 WHERE id = $2");
    tx.execute(update, &[password, &user]).await.map(drop)
}

// ---- sessions ----

impl FromRow for SessionView {
    fn from_row(row: &mut Row) -> Result<Self> {
        Ok(Self { id: row.take()?, created_at: row.take()?, seen_at: row.take()?, expires_at: row.take()?, client: row.take()? })
    }
}

pub(super) async fn insert_session(tx: &mut Tx, user: UserId, token_hash: &[u8; 32], session: &SessionView) -> Result<()> {
    let insert = sql!(
        "INSERT INTO sessions (id, user_id, token_hash, created_at, seen_at, expires_at, ended_at, client)
         VALUES ($1, $2, $3, $4, $5, $6, NULL, $7)"
    );
    let s = session;
    tx.execute(insert, &[&s.id, &user, token_hash, &s.created_at, &s.seen_at, &s.expires_at, &s.client]).await.map(drop)
}

pub(super) async fn end_oldest_sessions(tx: &mut Tx, user: UserId, wall: i64, keep: i64) -> Result<()> {
    let update = sql!(
        "UPDATE sessions SET ended_at = $1 WHERE user_id = $2 AND ended_at IS NULL AND id NOT IN
           (SELECT id FROM sessions WHERE user_id = $2 AND ended_at IS NULL AND expires_at > $1 ORDER BY created_at DESC, id DESC LIMIT $3)"
    );
    tx.execute(update, &[&wall, &user, &keep]).await.map(drop)
}

pub(super) async fn sessions(tx: &mut Tx, user: UserId, wall: i64, page: &PageRequest) -> Result<Vec<SessionView>> {
    let find = sql!(
        "SELECT id, created_at, seen_at, expires_at, client FROM sessions
         WHERE user_id = $1 AND ended_at IS NULL AND expires_at > $2 AND id > $3 ORDER BY id LIMIT $4"
    );
    tx.all(find, &[&user, &wall, &page.after, &page.fetch()]).await
}

pub(super) async fn session(tx: &mut Tx, user: UserId, id: SessionId, wall: i64) -> Result<Option<SessionView>> {
    let find = sql!(
        "SELECT id, created_at, seen_at, expires_at, client FROM sessions
         WHERE id = $1 AND user_id = $2 AND ended_at IS NULL AND expires_at > $3"
    );
    tx.find(find, &[&id, &user, &wall]).await
}

pub(super) async fn end_session(tx: &mut Tx, user: UserId, id: SessionId, wall: i64) -> Result<u64> {
    let update = sql!("UPDATE sessions SET ended_at = $1 WHERE id = $2 AND user_id = $3 AND ended_at IS NULL AND expires_at > $1");
    tx.execute(update, &[&wall, &id, &user]).await
}

/// Ends every session of a user but `keep`.
pub(super) async fn end_sessions(tx: &mut Tx, user: UserId, keep: Option<SessionId>, wall: i64) -> Result<()> {
    let keep = keep.map(|id| id.to_string()).unwrap_or_default();
    let update = sql!("UPDATE sessions SET ended_at = $1 WHERE user_id = $2 AND ended_at IS NULL AND id <> $3");
    tx.execute(update, &[&wall, &user, &keep]).await.map(drop)
}

pub(super) async fn end_all_sessions(tx: &mut Tx, wall: i64) -> Result<u64> {
    tx.execute(sql!("UPDATE sessions SET ended_at = $1 WHERE ended_at IS NULL AND expires_at > $1"), &[&wall]).await
}

pub(super) async fn delete_sessions(tx: &mut Tx, before: i64, limit: i64) -> Result<u64> {
    let delete = sql!("DELETE FROM sessions WHERE id IN (SELECT id FROM sessions WHERE expires_at < $1 ORDER BY expires_at LIMIT $2)");
    tx.execute(delete, &[&before, &limit]).await
}

/// The person behind a session or token, as far as a request needs them.
pub(super) struct Person {
    pub(super) user: UserId,
    pub(super) account: AccountId,
    pub(super) locale: Locale,
    pub(super) seller_at: Option<i64>,
    pub(super) operator_at: Option<i64>,
}

impl FromRow for Person {
    fn from_row(row: &mut Row) -> Result<Self> {
        Ok(Self { user: row.take()?, account: row.take()?, locale: row.take()?, seller_at: row.take()?, operator_at: row.take()? })
    }
}

/// A live session of an enabled person.
pub(super) struct SessionHolder {
    pub(super) id: SessionId,
    pub(super) person: Person,
    pub(super) created_at: i64,
    pub(super) seen_at: i64,
}

impl FromRow for SessionHolder {
    fn from_row(row: &mut Row) -> Result<Self> {
        Ok(Self { person: Person::from_row(row)?, id: row.take()?, created_at: row.take()?, seen_at: row.take()? })
    }
}

/// A live API token of an enabled person.
pub(super) struct TokenHolder {
    pub(super) id: TokenId,
    pub(super) person: Person,
    pub(super) scopes: BTreeSet<Permission>,
    pub(super) used_at: Option<i64>,
}

impl FromRow for TokenHolder {
    fn from_row(row: &mut Row) -> Result<Self> {
        Ok(Self { person: Person::from_row(row)?, id: row.take()?, scopes: scopes_from(&row.take::<String>()?)?, used_at: row.take()? })
    }
}

/// The first row as `T`, and the role at the end of each row: one row a role keeps a request's look-up to one statement.
fn with_roles<T: FromRow>(mut rows: Vec<Row>) -> Result<Option<(T, Vec<Role>)>> {
    let mut found = None;
    let mut roles = Vec::new();
    for row in &mut rows {
        let holder = T::from_row(row)?;
        roles.extend(row.take::<Option<Role>>()?);
        found = Some(holder);
    }
    Ok(found.map(|holder| (holder, roles)))
}

pub(super) async fn session_holder(tx: &mut Tx, token_hash: &[u8; 32], wall: i64) -> Result<Option<(SessionHolder, Vec<Role>)>> {
    let find = sql!(
        "SELECT u.id, u.account_id, u.locale, a.seller_at, a.operator_at, s.id, s.created_at, s.seen_at, r.role
         FROM sessions s JOIN users u ON u.id = s.user_id JOIN accounts a ON a.id = u.account_id
           LEFT JOIN user_roles r ON r.user_id = u.id
         WHERE s.token_hash = $1 AND s.ended_at IS NULL AND s.expires_at > $2 AND u.disabled_at IS NULL"
    );
    with_roles(tx.rows(find, &[token_hash, &wall]).await?)
}

pub(super) async fn token_holder(tx: &mut Tx, token_hash: &[u8; 32], wall: i64) -> Result<Option<(TokenHolder, Vec<Role>)>> {
    let find = sql!(
        "SELECT u.id, u.account_id, u.locale, a.seller_at, a.operator_at, t.id, t.scopes, t.used_at, r.role
         FROM api_tokens t JOIN users u ON u.id = t.user_id JOIN accounts a ON a.id = u.account_id
           LEFT JOIN user_roles r ON r.user_id = u.id
         WHERE t.token_hash = $1 AND t.revoked_at IS NULL AND t.expires_at > $2 AND u.disabled_at IS NULL"
    );
    with_roles(tx.rows(find, &[token_hash, &wall]).await?)
}

pub(super) async fn touch_session(tx: &mut Tx, id: SessionId, wall: i64, expires_at: i64) -> Result<()> {
    let update = sql!("UPDATE sessions SET seen_at = $1, expires_at = $2 WHERE id = $3 AND seen_at <= $4 AND ended_at IS NULL");
    tx.execute(update, &[&wall, &expires_at, &id, &(wall - TOUCH_MS)]).await.map(drop)
}

// ---- API tokens ----

fn scopes_text(scopes: &BTreeSet<Permission>) -> String {
    scopes.iter().map(|scope| scope.word()).collect::<Vec<_>>().join(" ")
}

fn scopes_from(text: &str) -> Result<BTreeSet<Permission>> {
    text.split_whitespace().map(|word| word.parse().map_err(|e: String| db::Error::broken(e))).collect()
}

impl FromRow for TokenView {
    fn from_row(row: &mut Row) -> Result<Self> {
        Ok(Self {
            id: row.take()?,
            name: row.take()?,
            hint: row.take()?,
            scopes: scopes_from(&row.take::<String>()?)?,
            created_at: row.take()?,
            expires_at: row.take()?,
            used_at: row.take()?,
            revoked_at: row.take()?,
        })
    }
}

pub(super) async fn count_tokens(tx: &mut Tx, user: UserId, wall: i64) -> Result<i64> {
    let count = sql!("SELECT CAST(COUNT(*) AS BIGINT) FROM api_tokens WHERE user_id = $1 AND revoked_at IS NULL AND expires_at > $2");
    Ok(tx.one::<(i64,)>(count, &[&user, &wall]).await?.0)
}

pub(super) async fn insert_token(tx: &mut Tx, user: UserId, token_hash: &[u8; 32], token: &TokenView) -> Result<()> {
    let insert = sql!(
        "INSERT INTO api_tokens (id, user_id, name, token_hash, hint, scopes, created_at, expires_at, used_at, revoked_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, NULL, NULL)"
    );
    let t = token;
    let scopes = scopes_text(&t.scopes);
    tx.execute(insert, &[&t.id, &user, &t.name, token_hash, &t.hint, &scopes, &t.created_at, &t.expires_at]).await.map(drop)
}

pub(super) async fn tokens(tx: &mut Tx, user: UserId, page: &PageRequest) -> Result<Vec<TokenView>> {
    let find = sql!(
        "SELECT id, name, hint, scopes, created_at, expires_at, used_at, revoked_at FROM api_tokens
         WHERE user_id = $1 AND id > $2 ORDER BY id LIMIT $3"
    );
    tx.all(find, &[&user, &page.after, &page.fetch()]).await
}

pub(super) async fn token(tx: &mut Tx, user: UserId, id: TokenId) -> Result<Option<TokenView>> {
    let find =
        sql!("SELECT id, name, hint, scopes, created_at, expires_at, used_at, revoked_at FROM api_tokens WHERE id = $1 AND user_id = $2");
    tx.find(find, &[&id, &user]).await
}

pub(super) async fn revoke_token(tx: &mut Tx, user: UserId, id: TokenId, wall: i64) -> Result<u64> {
    let update = sql!("UPDATE api_tokens SET revoked_at = $1 WHERE id = $2 AND user_id = $3 AND revoked_at IS NULL");
    tx.execute(update, &[&wall, &id, &user]).await
}

pub(super) async fn touch_token(tx: &mut Tx, id: TokenId, wall: i64) -> Result<()> {
    let update = sql!("UPDATE api_tokens SET used_at = $1 WHERE id = $2 AND COALESCE(used_at, 0) <= $3");
    tx.execute(update, &[&wall, &id, &(wall - TOUCH_MS)]).await.map(drop)
}

// ---- AK/SK pairs ----

impl FromRow for AccessKeyView {
    fn from_row(row: &mut Row) -> Result<Self> {
        Ok(Self {
            id: row.take()?,
            user_id: row.take()?,
            access_key: row.take()?,
            name: row.take()?,
            created_at: row.take()?,
            used_at: row.take()?,
            revoked_at: row.take()?,
        })
    }
}

/// A live pair of an enabled person who works on the seller's side, its secret still sealed.
pub(super) struct SealedAccessKey {
    pub(super) id: AccessKeyId,
    pub(super) account_id: AccountId,
    pub(super) user_id: UserId,
    pub(super) used_at: Option<i64>,
    pub(super) sealed: Vec<u8>,
}

impl FromRow for SealedAccessKey {
    fn from_row(row: &mut Row) -> Result<Self> {
        Ok(Self { id: row.take()?, account_id: row.take()?, user_id: row.take()?, used_at: row.take()?, sealed: row.take()? })
    }
}

pub(super) async fn count_access_keys(tx: &mut Tx, account: AccountId) -> Result<i64> {
    let count = sql!("SELECT CAST(COUNT(*) AS BIGINT) FROM access_keys WHERE account_id = $1 AND revoked_at IS NULL");
    Ok(tx.one::<(i64,)>(count, &[&account]).await?.0)
}

pub(super) async fn insert_access_key(tx: &mut Tx, account: AccountId, key: &AccessKeyView, sealed: &[u8]) -> Result<()> {
    let insert = sql!(
        "INSERT INTO access_keys (id, account_id, user_id, access_key, secret_sealed, name, created_at, used_at, revoked_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, NULL, NULL)"
    );
    tx.execute(insert, &[&key.id, &account, &key.user_id, &key.access_key, &sealed, &key.name, &key.created_at]).await.map(drop)
}

pub(super) async fn access_keys(tx: &mut Tx, account: AccountId, page: &PageRequest) -> Result<Vec<AccessKeyView>> {
    let find = sql!(
        "SELECT id, user_id, access_key, name, created_at, used_at, revoked_at FROM access_keys
         WHERE account_id = $1 AND id > $2 ORDER BY id LIMIT $3"
    );
    tx.all(find, &[&account, &page.after, &page.fetch()]).await
}

pub(super) async fn access_key(tx: &mut Tx, account: AccountId, id: AccessKeyId) -> Result<Option<AccessKeyView>> {
    let find =
        sql!("SELECT id, user_id, access_key, name, created_at, used_at, revoked_at FROM access_keys WHERE id = $1 AND account_id = $2");
    tx.find(find, &[&id, &account]).await
}

pub(super) async fn revoke_access_key(tx: &mut Tx, account: AccountId, id: AccessKeyId, wall: i64) -> Result<u64> {
    let update = sql!("UPDATE access_keys SET revoked_at = $1 WHERE id = $2 AND account_id = $3 AND revoked_at IS NULL");
    tx.execute(update, &[&wall, &id, &account]).await
}

pub(super) async fn access_key_secret(tx: &mut Tx, access_key: &str) -> Result<Option<SealedAccessKey>> {
    let find = sql!(
        "SELECT k.id, k.account_id, k.user_id, k.used_at, k.secret_sealed FROM access_keys k JOIN users u ON u.id = k.user_id
           JOIN accounts a ON a.id = k.account_id
         WHERE k.access_key = $1 AND k.revoked_at IS NULL AND u.disabled_at IS NULL AND a.seller_at IS NOT NULL
           AND EXISTS (SELECT 1 FROM user_roles r WHERE r.user_id = u.id AND substr(r.role, 1, 7) = 'seller.')"
    );
    tx.find(find, &[&access_key]).await
}

pub(super) async fn touch_access_key(tx: &mut Tx, id: AccessKeyId, wall: i64) -> Result<()> {
    let update = sql!("UPDATE access_keys SET used_at = $1 WHERE id = $2 AND COALESCE(used_at, 0) <= $3");
    tx.execute(update, &[&wall, &id, &(wall - TOUCH_MS)]).await.map(drop)
}
