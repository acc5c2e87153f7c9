//! The people of an account and their roles (spec: business §1.5).

use std::collections::BTreeSet;

use db::{OnConstraint, Result, Tx};
use kernel::{AccountId, Code, Ctx, Locale, Refusal, UserId};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::{Account, PasswordHash, Role, account, rules, store};
use crate::audit;
use crate::edition::Edition;
use crate::mail::Addressee;
use crate::page::{Page, PageRequest};

/// A person who signs in.
#[derive(Clone, Debug, PartialEq, Serialize, utoipa::ToSchema)]
pub struct User {
    /// Their id.
    pub id: UserId,
    /// Their account.
    pub account_id: AccountId,
    /// What they type to sign in.
    pub login: String,
    /// What they are called.
    pub name: String,
    /// Their e-mail address.
    pub email: String,
    /// Their phone number; may be empty.
    pub phone: String,
    /// The language they read.
    pub locale: Locale,
    /// What they are to the account.
    pub roles: Vec<Role>,
    /// Until when they cannot sign in after wrong passwords, ms UTC of the machine; in the past when they can.
    pub locked_until: i64,
    /// When they were disabled, market ms UTC.
    pub disabled_at: Option<i64>,
    /// When they were added, market ms UTC.
    pub created_at: i64,
    /// Counts the changes of their details and roles.
    pub version: i64,
}

/// What a user is made of.
#[derive(Clone, Debug)]
pub struct NewUser {
    /// 3 to 64 letters, digits, `.`, `_`, `@`, `-`; unique ignoring case.
    pub login: String,
    /// 1 to 60 characters.
    pub name: String,
    /// An e-mail address.
    pub email: String,
    /// A phone number, or empty.
    pub phone: String,
    /// The language they read.
    pub locale: Locale,
    /// See [`super::hash`].
    pub password: PasswordHash,
}

/// What may be changed of a user.
#[derive(Clone, Debug, PartialEq, Deserialize, utoipa::ToSchema)]
pub struct UserDetails {
    /// 1 to 60 characters.
    pub name: String,
    /// An e-mail address.
    pub email: String,
    /// A phone number, or empty.
    pub phone: String,
    /// The language they read.
    pub locale: Locale,
}

kernel::words! {
    /// Whether somebody gets the notices of the account by mail, too.
    pub enum NoticesByMail {
        /// They do.
        On = "on",
        /// They do not.
        Off = "off",
    }
}

/// People of one account who get its notices by mail, at most. `[ours]`
const NOTICE_READERS_MAX: i64 = 20;

fn not_found() -> db::Error {
    Refusal::new(Code::NotFound).into()
}

/// Adds a user with these roles to an account.
///
/// # Errors
/// [`Code::TooMany`] beyond the edition's `users_max`, [`Code::LoginTaken`], [`Code::RoleNotGrantable`], [`Code::FieldInvalid`],
/// [`Code::NotFound`] for the account.
pub async fn add_user(tx: &mut Tx, ctx: &Ctx, edition: &Edition, account: AccountId, new: NewUser, roles: &[Role]) -> Result<User> {
    let account = account::get(tx, account).await?;
    check_roles(&account, &[], roles)?;
    rules::at_most(store::count_users(tx, account.id).await? + 1, edition.users_max)?;
    insert(tx, ctx, account.id, new, roles).await
}

pub(super) async fn insert(tx: &mut Tx, ctx: &Ctx, account: AccountId, new: NewUser, roles: &[Role]) -> Result<User> {
    let user = User {
        id: UserId::new(ctx.now, &ctx.entropy),
        account_id: account,
        login: rules::login(&new.login)?,
        name: rules::text("user_name", &new.name, 1, 60)?,
        email: rules::email("email", &new.email)?,
        phone: rules::phone("phone", &new.phone)?,
        locale: new.locale,
        roles: sorted(roles),
        locked_until: 0,
        disabled_at: None,
        created_at: ctx.now,
        version: 1,
    };
    store::insert_user(tx, &user, &new.password).await.on_constraint("login_unique", Code::LoginTaken)?;
    for role in &user.roles {
        store::add_role(tx, user.id, *role).await?;
    }
    audit::record(tx, ctx, "accounts.user_added", &user.id, &json!({ "login": user.login, "roles": user.roles })).await?;
    Ok(user)
}

fn sorted(roles: &[Role]) -> Vec<Role> {
    roles.iter().copied().collect::<BTreeSet<_>>().into_iter().collect()
}

/// Refuses roles of a side the account is not on; those somebody has already may stay.
fn check_roles(account: &Account, before: &[Role], after: &[Role]) -> Result<(), Refusal> {
    if after.is_empty() {
        return Err(Refusal::field("roles", "required"));
    }
    let sides = account.audiences();
    match after.iter().find(|role| !before.contains(role) && !sides.contains(&role.audience())) {
        Some(role) => Err(Refusal::new(Code::RoleNotGrantable).with("role", role)),
        None => Ok(()),
    }
}

/// The people of an account, in the order they were added.
///
/// # Errors
/// Those of the database.
pub async fn users(tx: &mut Tx, account: AccountId, page: &PageRequest) -> Result<Page<User>> {
    let rows = store::users(tx, account, page).await?;
    Ok(page.cut(rows, |user: &User| user.id.to_string()))
}

/// One person of an account.
///
/// # Errors
/// [`Code::NotFound`], also for people of other accounts.
pub async fn get_user(tx: &mut Tx, account: AccountId, user: UserId) -> Result<User> {
    store::user(tx, account, user).await?.ok_or_else(not_found)
}

/// Changes the details of a person.
///
/// # Errors
/// [`Code::NotFound`], [`Code::VersionStale`], [`Code::FieldInvalid`].
pub async fn update_user(
    tx: &mut Tx,
    ctx: &Ctx,
    account: AccountId,
    user: UserId,
    details: UserDetails,
    expected_version: Option<i64>,
) -> Result<User> {
    let before = get_user(tx, account, user).await?;
    let clean = UserDetails {
        name: rules::text("user_name", &details.name, 1, 60)?,
        email: rules::email("email", &details.email)?,
        phone: rules::phone("phone", &details.phone)?,
        locale: details.locale,
    };
    take_version(&before, expected_version)?;
    store::update_user(tx, user, &clean).await?;
    let changed = json!({ "name": clean.name, "email": clean.email, "phone": clean.phone, "locale": clean.locale });
    audit::record(tx, ctx, "accounts.user_updated", &user, &changed).await?;
    get_user(tx, account, user).await
}

fn take_version(user: &User, expected: Option<i64>) -> Result<(), Refusal> {
    if expected.is_some_and(|version| version != user.version) {
        return Err(Refusal::new(Code::VersionStale));
    }
    Ok(())
}

/// Gives a person exactly these roles. Who may give which is for the doors: see [`super::Principal::require_grant`].
///
/// # Errors
/// [`Code::RoleNotGrantable`] for a new role of a side the account is not on, [`Code::LastOwner`], [`Code::NotFound`],
/// [`Code::VersionStale`], [`Code::FieldInvalid`] for `roles` when there are none.
pub async fn set_roles(
    tx: &mut Tx,
    ctx: &Ctx,
    account: AccountId,
    user: UserId,
    roles: &[Role],
    expected_version: Option<i64>,
) -> Result<User> {
    let before = get_user(tx, account, user).await?;
    let account = account::get(tx, account).await?;
    let after = sorted(roles);
    check_roles(&account, &before.roles, &after)?;
    take_version(&before, expected_version)?;
    if !after.contains(&account.owner_role()) {
        keep_an_owner(tx, &account, &before).await?;
    }
    store::clear_roles(tx, user).await?;
    for role in &after {
        store::add_role(tx, user, *role).await?;
    }
    store::bump_user(tx, user).await?;
    audit::record(tx, ctx, "accounts.roles_set", &user, &json!({ "before": before.roles, "after": after })).await?;
    get_user(tx, account.id, user).await
}

/// Refuses when `leaving` is the last enabled user who owns the account.
async fn keep_an_owner(tx: &mut Tx, account: &Account, leaving: &User) -> Result<()> {
    let role = account.owner_role();
    let owns = leaving.disabled_at.is_none() && leaving.roles.contains(&role);
    if owns && store::count_others_with_role(tx, account.id, leaving.id, role).await? == 0 {
        return Err(Refusal::new(Code::LastOwner).into());
    }
    Ok(())
}

/// Lets a person no longer in: their sessions end, their tokens and keys do not work. A second time changes nothing.
///
/// # Errors
/// [`Code::LastOwner`], [`Code::NotFound`].
pub async fn disable(tx: &mut Tx, ctx: &Ctx, account: AccountId, user: UserId) -> Result<User> {
    let before = get_user(tx, account, user).await?;
    if before.disabled_at.is_some() {
        return Ok(before);
    }
    let account = account::get(tx, account).await?;
    keep_an_owner(tx, &account, &before).await?;
    store::set_disabled(tx, user, Some(ctx.now)).await?;
    store::end_sessions(tx, user, None, ctx.wall).await?;
    audit::record(tx, ctx, "accounts.user_disabled", &user, &json!({})).await?;
    get_user(tx, account.id, user).await
}

/// Lets a disabled person in again; they sign in anew, their tokens and keys work again. A second time changes nothing.
///
/// # Errors
/// [`Code::NotFound`].
pub async fn enable(tx: &mut Tx, ctx: &Ctx, account: AccountId, user: UserId) -> Result<User> {
    let before = get_user(tx, account, user).await?;
    if before.disabled_at.is_none() {
        return Ok(before);
    }
    store::set_disabled(tx, user, None).await?;
    audit::record(tx, ctx, "accounts.user_enabled", &user, &json!({})).await?;
    get_user(tx, account, user).await
}

/// Gives a person a new password, chosen by somebody who manages the account: all their sessions end, and a lock is lifted.
///
/// # Errors
/// [`Code::NotFound`].
pub async fn reset_password(tx: &mut Tx, ctx: &Ctx, account: AccountId, user: UserId, password: &PasswordHash) -> Result<()> {
    get_user(tx, account, user).await?;
    store::set_password(tx, user, password).await?;
    store::end_sessions(tx, user, None, ctx.wall).await?;
    store::end_resets(tx, user, ctx.wall).await?;
    audit::record(tx, ctx, "accounts.password_reset", &user, &json!({})).await
}

/// Whether a person gets the account's notices by mail. Whoever has not decided does when they own a side of the account.
///
/// # Errors
/// [`Code::NotFound`], also for people of other accounts.
pub async fn notices_by_mail(tx: &mut Tx, account: AccountId, user: UserId) -> Result<NoticesByMail> {
    let person = get_user(tx, account, user).await?;
    let owns = person.roles.iter().any(|role| Role::OWNERS.contains(role));
    let usual = if owns { NoticesByMail::On } else { NoticesByMail::Off };
    Ok(store::notices_by_mail(tx, user).await?.unwrap_or(usual))
}

/// Has a person get the account's notices by mail from now on, or not.
///
/// # Errors
/// [`Code::NotFound`], also for people of other accounts.
pub async fn set_notices_by_mail(tx: &mut Tx, ctx: &Ctx, account: AccountId, user: UserId, choice: NoticesByMail) -> Result<()> {
    get_user(tx, account, user).await?;
    store::set_notices_by_mail(tx, user, choice).await?;
    audit::record(tx, ctx, "accounts.notices_by_mail", &user, &json!({ "choice": choice })).await
}

/// Whom the notices of an account go to by mail: enabled people who want it, the first twenty.
///
/// # Errors
/// Those of the database.
pub async fn notice_readers(tx: &mut Tx, account: AccountId) -> Result<Vec<Addressee>> {
    store::notice_readers(tx, account, NOTICE_READERS_MAX).await
}
