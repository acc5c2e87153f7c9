//! Accounts, sessions, people, API tokens and AK/SK pairs.

use std::collections::BTreeSet;

use axum::extract::State;
use db::Tx;
use http::HeaderMap;
use http::header::USER_AGENT;
use kernel::{AccessKeyId, Ctx, Locale, SessionId, TokenId, UserId};
use market::accounts::{
    self, AccessKeyView, Account, AccountKind, NewAccount, NewToken, NewUser, Permission, Role, SessionView, TokenView, User, UserDetails,
};
use serde::{Deserialize, Serialize};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::AppState;
use crate::acts;
use crate::answer::{Created, Done, List, Tagged};
use crate::auth::{Arrival, InPerson, May, Seller, SignedIn, people, seller};
use crate::extract::{IfMatch, IfMatchHeader, Json, Paging, PagingQuery, Segment};
use crate::problem::ApiResult;

pub(crate) fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(sign_up))
        .routes(routes!(sign_in, list_sessions))
        .routes(routes!(sign_out))
        .routes(routes!(show_session, end_session))
        .routes(routes!(show_me, update_me))
        .routes(routes!(change_password))
        .routes(routes!(list_users, add_user))
        .routes(routes!(show_user, update_user))
        .routes(routes!(set_roles))
        .routes(routes!(disable_user))
        .routes(routes!(enable_user))
        .routes(routes!(reset_password))
        .routes(routes!(list_tokens, create_token))
        .routes(routes!(show_token, revoke_token))
        .routes(routes!(list_access_keys, create_access_key))
        .routes(routes!(show_access_key, revoke_access_key))
}

/// The person to add.
#[derive(Deserialize, utoipa::ToSchema)]
struct UserInput {
    /// 3 to 64 letters, digits, `.`, `_`, `@`, `-`; unique ignoring case.
    login: String,
    /// 1 to 60 characters.
    name: String,
    /// An e-mail address.
    email: String,
    /// A phone number, or empty.
    #[serde(default)]
    phone: String,
    /// The language they read; that of the request when left out.
    locale: Option<Locale>,
    /// 10 to 128 characters, not easy to guess.
    #[schema(format = Password)]
    password: String,
}

impl UserInput {
    /// Hashes the password, which takes its time and is done outside the transaction.
    async fn hashed(self, ctx: &Ctx) -> ApiResult<NewUser> {
        let password = accounts::hash(&self.password, &self.login, &ctx.entropy).await?;
        let locale = self.locale.unwrap_or(ctx.locale);
        Ok(NewUser { login: self.login, name: self.name, email: self.email, phone: self.phone, locale, password })
    }
}

/// A new account and the person who will own it.
#[derive(Deserialize, utoipa::ToSchema)]
struct SignUpInput {
    /// 2 to 60 characters; unique ignoring case and width.
    name: String,
    /// Who stands behind it.
    kind: AccountKind,
    /// The name of that company or person, 1 to 120 characters.
    title: String,
    /// The first person, who owns the account.
    owner: UserInput,
}

/// An account and a person of it.
#[derive(Serialize, utoipa::ToSchema)]
struct Membership {
    /// The account.
    account: Account,
    /// The person.
    user: User,
}

/// Sign up
///
/// Makes an account and its first user, who owns it. Sign in next.
#[utoipa::path(post, path = "/accounts", tag = "sessions", operation_id = "sign_up", responses((status = CREATED, body = Membership)))]
async fn sign_up(State(app): State<AppState>, arrival: Arrival, Json(input): Json<SignUpInput>) -> ApiResult<Created<Membership>> {
    let ctx = arrival.ctx;
    let account = NewAccount { name: input.name, kind: input.kind, title: input.title };
    let owner = input.owner.hashed(&ctx).await?;
    let (account, user) = app.write(async move |tx| accounts::create_account(tx, &ctx, account.clone(), owner.clone()).await).await?;
    Ok(Created::at("/api/v1/me", Membership { account, user }))
}

/// A sign-in name and a password.
#[derive(Deserialize, utoipa::ToSchema)]
struct SignInInput {
    /// The sign-in name.
    login: String,
    /// The password.
    #[schema(format = Password)]
    password: String,
}

/// Sign in
///
/// Gives a session token; send it as `Authorization: Bearer …`. Several wrong passwords lock the sign-in for a while.
#[utoipa::path(post, path = "/sessions", tag = "sessions", operation_id = "sign_in",
    responses((status = CREATED, body = accounts::SignedIn)))]
async fn sign_in(
    State(app): State<AppState>,
    arrival: Arrival,
    headers: HeaderMap,
    Json(input): Json<SignInInput>,
) -> ApiResult<Created<accounts::SignedIn>> {
    let client = headers.get(USER_AGENT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let signed_in = accounts::sign_in(app.market(), &arrival.ctx, &input.login, &input.password, client).await?;
    Ok(Created::at(format!("/api/v1/sessions/{}", signed_in.session.id), signed_in))
}

/// My sessions
///
/// The live sessions of the person who asks, oldest first.
#[utoipa::path(get, path = "/sessions", tag = "sessions", operation_id = "list_sessions", params(PagingQuery), security(("bearer" = [])),
    responses((status = OK, body = List<SessionView>)))]
async fn list_sessions(State(app): State<AppState>, me: SignedIn, Paging(page): Paging) -> ApiResult<List<SessionView>> {
    let (user, wall) = (me.principal.user, me.ctx.wall);
    Ok(app.read(async move |tx| accounts::sessions(tx, user, wall, &page).await).await?.into())
}

/// Sign out
///
/// Ends the session that the request came with.
#[utoipa::path(delete, path = "/sessions/current", tag = "sessions", operation_id = "sign_out", security(("bearer" = [])),
    responses((status = NO_CONTENT)))]
async fn sign_out(State(app): State<AppState>, me: SignedIn) -> ApiResult<Done> {
    let SignedIn { principal, ctx } = me;
    app.write(async move |tx| accounts::sign_out(tx, &ctx, &principal).await).await?;
    Ok(Done)
}

/// A session
///
/// A live one of the person who asks.
#[utoipa::path(get, path = "/sessions/{id}", tag = "sessions", operation_id = "show_session", params(("id" = SessionId, Path)),
    security(("bearer" = [])), responses((status = OK, body = SessionView)))]
async fn show_session(State(app): State<AppState>, me: SignedIn, Segment(id): Segment<SessionId>) -> ApiResult<Json<SessionView>> {
    let (user, wall) = (me.principal.user, me.ctx.wall);
    Ok(Json(app.read(async move |tx| accounts::get_session(tx, user, id, wall).await).await?))
}

/// End a session
///
/// Ends one of one's own sessions, such as that of a lost computer.
#[utoipa::path(delete, path = "/sessions/{id}", tag = "sessions", operation_id = "end_session", params(("id" = SessionId, Path)),
    security(("bearer" = [])), responses((status = NO_CONTENT)))]
async fn end_session(State(app): State<AppState>, me: InPerson, Segment(id): Segment<SessionId>) -> ApiResult<Done> {
    let InPerson { principal, ctx } = me;
    app.write(async move |tx| accounts::end_session(tx, &ctx, principal.user, id).await).await?;
    Ok(Done)
}

/// Who is signed in, and what they may do.
#[derive(Serialize, utoipa::ToSchema)]
struct Me {
    /// The person.
    user: User,
    /// Their account.
    account: Account,
    /// What they may do: by their roles, within the token's scopes.
    permissions: BTreeSet<Permission>,
    /// The session they came with.
    session: Option<SessionId>,
    /// The API token they came with.
    token: Option<TokenId>,
}

/// Who am I
///
/// The person who is signed in, their account, and what they may do. The `ETag` is that of the person.
#[utoipa::path(get, path = "/me", tag = "sessions", operation_id = "show_me", security(("bearer" = [])),
    responses((status = OK, body = Me)))]
async fn show_me(State(app): State<AppState>, me: SignedIn) -> ApiResult<Tagged<Json<Me>>> {
    let (account_id, user_id) = (me.principal.account, me.principal.user);
    let (account, user) =
        app.read(async move |tx| Ok((accounts::get(tx, account_id).await?, accounts::get_user(tx, account_id, user_id).await?))).await?;
    let accounts::Principal { permissions, session, token, .. } = me.principal;
    Ok(Tagged::new(user.version, Json(Me { user, account, permissions, session, token })))
}

/// Change my details
#[utoipa::path(put, path = "/me", tag = "sessions", operation_id = "update_me", params(IfMatchHeader), security(("bearer" = [])),
    responses((status = OK, body = User)))]
async fn update_me(
    State(app): State<AppState>,
    me: InPerson,
    IfMatch(version): IfMatch,
    Json(details): Json<UserDetails>,
) -> ApiResult<Tagged<Json<User>>> {
    let InPerson { principal, ctx } = me;
    let change =
        async move |tx: &mut Tx| accounts::update_user(tx, &ctx, principal.account, principal.user, details.clone(), version).await;
    Ok(tagged(app.write(change).await?))
}

fn tagged(user: User) -> Tagged<Json<User>> {
    Tagged::new(user.version, Json(user))
}

/// The old password and the new one.
#[derive(Deserialize, utoipa::ToSchema)]
struct PasswordChange {
    /// The present password.
    #[schema(format = Password)]
    old_password: String,
    /// The new one: 10 to 128 characters, not easy to guess.
    #[schema(format = Password)]
    new_password: String,
}

/// Change my password
///
/// Every other session ends.
#[utoipa::path(post, path = "/me/password", tag = "sessions", operation_id = "change_password", security(("bearer" = [])),
    responses((status = NO_CONTENT)))]
async fn change_password(State(app): State<AppState>, me: InPerson, Json(input): Json<PasswordChange>) -> ApiResult<Done> {
    accounts::change_password(app.market(), &me.ctx, &me.principal, &input.old_password, &input.new_password).await?;
    Ok(Done)
}

/// People of the account
#[utoipa::path(get, path = "/users", tag = "sessions", operation_id = "list_users", params(PagingQuery),
    security(("bearer" = ["buyer.manage"]), ("bearer" = ["seller.manage"]), ("bearer" = ["operator.admin"])),
    responses((status = OK, body = List<User>)))]
async fn list_users(State(app): State<AppState>, manager: May<people::Manage>, Paging(page): Paging) -> ApiResult<List<User>> {
    let account = manager.account();
    Ok(app.read(async move |tx| accounts::users(tx, account, &page).await).await?.into())
}

/// A person and what they will be to the account.
#[derive(Deserialize, utoipa::ToSchema)]
struct MemberInput {
    /// The person.
    user: UserInput,
    /// Their roles; each must be one that you may give.
    roles: Vec<Role>,
}

/// Add a person
#[utoipa::path(post, path = "/users", tag = "sessions", operation_id = "add_user",
    security(("bearer" = ["buyer.manage"]), ("bearer" = ["seller.manage"]), ("bearer" = ["operator.admin"])),
    responses((status = CREATED, body = User)))]
async fn add_user(
    State(app): State<AppState>,
    manager: May<people::Manage>,
    Json(input): Json<MemberInput>,
) -> ApiResult<Tagged<Created<User>>> {
    let (account, ctx, market) = (manager.account(), manager.ctx, app.market().clone());
    manager.principal.require_grant(&[], &input.roles)?;
    let (user, roles) = (input.user.hashed(&ctx).await?, input.roles);
    let add = async move |tx: &mut Tx| accounts::add_user(tx, &ctx, market.edition(), account, user.clone(), &roles).await;
    let user = app.write(add).await?;
    Ok(Tagged::new(user.version, Created::at(format!("/api/v1/users/{}", user.id), user)))
}

/// A person of the account
#[utoipa::path(get, path = "/users/{id}", tag = "sessions", operation_id = "show_user", params(("id" = UserId, Path)),
    security(("bearer" = ["buyer.manage"]), ("bearer" = ["seller.manage"]), ("bearer" = ["operator.admin"])),
    responses((status = OK, body = User)))]
async fn show_user(
    State(app): State<AppState>,
    manager: May<people::Manage>,
    Segment(id): Segment<UserId>,
) -> ApiResult<Tagged<Json<User>>> {
    let account = manager.account();
    Ok(tagged(app.read(async move |tx| accounts::get_user(tx, account, id).await).await?))
}

/// Change a person's details
#[utoipa::path(put, path = "/users/{id}", tag = "sessions", operation_id = "update_user", params(("id" = UserId, Path), IfMatchHeader),
    security(("bearer" = ["buyer.manage"]), ("bearer" = ["seller.manage"]), ("bearer" = ["operator.admin"])),
    responses((status = OK, body = User)))]
async fn update_user(
    State(app): State<AppState>,
    manager: May<people::Manage>,
    Segment(id): Segment<UserId>,
    IfMatch(version): IfMatch,
    Json(details): Json<UserDetails>,
) -> ApiResult<Tagged<Json<User>>> {
    let change = async move |tx: &mut Tx, ctx: &Ctx, account| accounts::update_user(tx, ctx, account, id, details.clone(), version).await;
    Ok(tagged(acts::manage(&app, manager.principal, manager.ctx, id, change).await?))
}

/// The roles of a person.
#[derive(Deserialize, utoipa::ToSchema)]
struct RolesInput {
    /// All of them.
    roles: Vec<Role>,
}

/// Set a person's roles
#[utoipa::path(put, path = "/users/{id}/roles", tag = "sessions", operation_id = "set_roles", params(("id" = UserId, Path), IfMatchHeader),
    security(("bearer" = ["buyer.manage"]), ("bearer" = ["seller.manage"]), ("bearer" = ["operator.admin"])),
    responses((status = OK, body = User)))]
async fn set_roles(
    State(app): State<AppState>,
    manager: May<people::Manage>,
    Segment(id): Segment<UserId>,
    IfMatch(version): IfMatch,
    Json(input): Json<RolesInput>,
) -> ApiResult<Tagged<Json<User>>> {
    let May { principal, ctx, .. } = manager;
    let change = async move |tx: &mut Tx| {
        let before = accounts::get_user(tx, principal.account, id).await?;
        principal.require_grant(&before.roles, &input.roles)?;
        accounts::set_roles(tx, &ctx, principal.account, id, &input.roles, version).await
    };
    Ok(tagged(app.write(change).await?))
}

/// Disable a person
///
/// They cannot sign in any more, and their sessions end. What they did stays.
#[utoipa::path(post, path = "/users/{id}/disable", tag = "sessions", operation_id = "disable_user", params(("id" = UserId, Path)),
    security(("bearer" = ["buyer.manage"]), ("bearer" = ["seller.manage"]), ("bearer" = ["operator.admin"])),
    responses((status = OK, body = User)))]
async fn disable_user(
    State(app): State<AppState>,
    manager: May<people::Manage>,
    Segment(id): Segment<UserId>,
) -> ApiResult<Tagged<Json<User>>> {
    let act = async move |tx: &mut Tx, ctx: &Ctx, account| accounts::disable(tx, ctx, account, id).await;
    Ok(tagged(acts::manage(&app, manager.principal, manager.ctx, id, act).await?))
}

/// Enable a person again
#[utoipa::path(post, path = "/users/{id}/enable", tag = "sessions", operation_id = "enable_user", params(("id" = UserId, Path)),
    security(("bearer" = ["buyer.manage"]), ("bearer" = ["seller.manage"]), ("bearer" = ["operator.admin"])),
    responses((status = OK, body = User)))]
async fn enable_user(
    State(app): State<AppState>,
    manager: May<people::Manage>,
    Segment(id): Segment<UserId>,
) -> ApiResult<Tagged<Json<User>>> {
    let act = async move |tx: &mut Tx, ctx: &Ctx, account| accounts::enable(tx, ctx, account, id).await;
    Ok(tagged(acts::manage(&app, manager.principal, manager.ctx, id, act).await?))
}

/// A new password for somebody.
#[derive(Deserialize, utoipa::ToSchema)]
struct PasswordInput {
    /// 10 to 128 characters, not easy to guess.
    #[schema(format = Password)]
    password: String,
}

/// Give a person a new password
///
/// All their sessions end, and a lock after wrong passwords is lifted.
#[utoipa::path(post, path = "/users/{id}/password", tag = "sessions", operation_id = "reset_password", params(("id" = UserId, Path)),
    security(("bearer" = ["buyer.manage"]), ("bearer" = ["seller.manage"]), ("bearer" = ["operator.admin"])),
    responses((status = NO_CONTENT)))]
async fn reset_password(
    State(app): State<AppState>,
    manager: May<people::Manage>,
    Segment(id): Segment<UserId>,
    Json(input): Json<PasswordInput>,
) -> ApiResult<Done> {
    let account = manager.account();
    let login = app.read(async move |tx| accounts::get_user(tx, account, id).await).await?.login;
    let password = accounts::hash(&input.password, &login, &manager.ctx.entropy).await?;
    let act = async move |tx: &mut Tx, ctx: &Ctx, account| accounts::reset_password(tx, ctx, account, id, &password).await;
    acts::manage(&app, manager.principal, manager.ctx, id, act).await?;
    Ok(Done)
}

/// My API tokens
#[utoipa::path(get, path = "/tokens", tag = "sessions", operation_id = "list_tokens", params(PagingQuery), security(("bearer" = [])),
    responses((status = OK, body = List<TokenView>)))]
async fn list_tokens(State(app): State<AppState>, me: SignedIn, Paging(page): Paging) -> ApiResult<List<TokenView>> {
    let user = me.principal.user;
    Ok(app.read(async move |tx| accounts::tokens(tx, user, &page).await).await?.into())
}

/// A new token with what opens.
#[derive(Serialize, utoipa::ToSchema)]
struct TokenCreated {
    /// What is sent as `Authorization: Bearer …`; shown this once.
    secret: String,
    /// The token.
    token: TokenView,
}

/// Create an API token
///
/// A token with scopes for a program. The secret is shown this once. Only somebody who has signed in can make one: no token makes another.
#[utoipa::path(post, path = "/tokens", tag = "sessions", operation_id = "create_token", security(("bearer" = [])),
    responses((status = CREATED, body = TokenCreated)))]
async fn create_token(State(app): State<AppState>, me: InPerson, Json(new): Json<NewToken>) -> ApiResult<Created<TokenCreated>> {
    let InPerson { principal, ctx } = me;
    let create = async move |tx: &mut Tx| accounts::create_token(tx, &ctx, &principal, new.clone()).await;
    let (token, secret) = app.write(create).await?;
    Ok(Created::at(format!("/api/v1/tokens/{}", token.id), TokenCreated { secret, token }))
}

/// An API token
///
/// One of the person who asks, also one that ended; without what opens.
#[utoipa::path(get, path = "/tokens/{id}", tag = "sessions", operation_id = "show_token", params(("id" = TokenId, Path)),
    security(("bearer" = [])), responses((status = OK, body = TokenView)))]
async fn show_token(State(app): State<AppState>, me: SignedIn, Segment(id): Segment<TokenId>) -> ApiResult<Json<TokenView>> {
    let user = me.principal.user;
    Ok(Json(app.read(async move |tx| accounts::get_token(tx, user, id).await).await?))
}

/// Revoke an API token
///
/// A program with a token can revoke that token, and no other.
#[utoipa::path(delete, path = "/tokens/{id}", tag = "sessions", operation_id = "revoke_token", params(("id" = TokenId, Path)),
    security(("bearer" = [])), responses((status = NO_CONTENT)))]
async fn revoke_token(State(app): State<AppState>, me: SignedIn, Segment(id): Segment<TokenId>) -> ApiResult<Done> {
    let SignedIn { principal, ctx } = me;
    if principal.token != Some(id) {
        principal.require_session()?;
    }
    app.write(async move |tx| accounts::revoke_token(tx, &ctx, principal.user, id).await).await?;
    Ok(Done)
}

/// AK/SK pairs of the account
#[utoipa::path(get, path = "/access-keys", tag = "seller", operation_id = "list_access_keys", params(PagingQuery),
    security(("bearer" = ["seller.develop"])), responses((status = OK, body = List<AccessKeyView>)))]
async fn list_access_keys(
    State(app): State<AppState>,
    seller: Seller<seller::Develop>,
    Paging(page): Paging,
) -> ApiResult<List<AccessKeyView>> {
    let account = seller.account();
    Ok(app.read(async move |tx| accounts::access_keys(tx, account, &page).await).await?.into())
}

/// The name of a new pair.
#[derive(Deserialize, utoipa::ToSchema)]
struct AccessKeyInput {
    /// 1 to 60 characters.
    name: String,
}

/// A new pair with its secret key.
#[derive(Serialize, utoipa::ToSchema)]
struct AccessKeyCreated {
    /// The secret key, with which calls are signed; shown this once.
    secret_key: String,
    /// The pair.
    access_key: AccessKeyView,
}

/// Create an AK/SK pair
///
/// With it a seller's server signs its calls to the open API. The secret key is shown this once.
#[utoipa::path(post, path = "/access-keys", tag = "seller", operation_id = "create_access_key", security(("bearer" = ["seller.develop"])),
    responses((status = CREATED, body = AccessKeyCreated)))]
async fn create_access_key(
    State(app): State<AppState>,
    seller: Seller<seller::Develop>,
    Json(input): Json<AccessKeyInput>,
) -> ApiResult<Created<AccessKeyCreated>> {
    let May { principal, ctx, .. } = seller;
    let market = app.market().clone();
    let create = async move |tx: &mut Tx| {
        accounts::create_access_key(tx, &ctx, market.vault(), principal.account, principal.user, &input.name).await
    };
    let (access_key, secret_key) = app.write(create).await?;
    Ok(Created::at(format!("/api/v1/access-keys/{}", access_key.id), AccessKeyCreated { secret_key, access_key }))
}

/// An AK/SK pair
///
/// Without its secret key; also one that was revoked.
#[utoipa::path(get, path = "/access-keys/{id}", tag = "seller", operation_id = "show_access_key", params(("id" = AccessKeyId, Path)),
    security(("bearer" = ["seller.develop"])), responses((status = OK, body = AccessKeyView)))]
async fn show_access_key(
    State(app): State<AppState>,
    seller: Seller<seller::Develop>,
    Segment(id): Segment<AccessKeyId>,
) -> ApiResult<Json<AccessKeyView>> {
    let account = seller.account();
    Ok(Json(app.read(async move |tx| accounts::get_access_key(tx, account, id).await).await?))
}

/// Revoke an AK/SK pair
#[utoipa::path(delete, path = "/access-keys/{id}", tag = "seller", operation_id = "revoke_access_key", params(("id" = AccessKeyId, Path)),
    security(("bearer" = ["seller.develop"])), responses((status = NO_CONTENT)))]
async fn revoke_access_key(
    State(app): State<AppState>,
    seller: Seller<seller::Develop>,
    Segment(id): Segment<AccessKeyId>,
) -> ApiResult<Done> {
    let May { principal, ctx, .. } = seller;
    app.write(async move |tx| accounts::revoke_access_key(tx, &ctx, principal.account, id).await).await?;
    Ok(Done)
}
