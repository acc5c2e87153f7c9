//! People for the tests, made through the market itself.

use kernel::{Actor, Ctx, Locale};
use market::Market;
use market::accounts::{self, Account, AccountKind, NewAccount, NewToken, NewUser, Permission, Role, User};

/// The password of everybody.
pub(crate) const PASSWORD: &str = "violet-kettle-42";

/// Somebody of an account.
#[derive(Clone, Debug)]
pub(crate) struct Person {
    pub(crate) account: Account,
    pub(crate) user: User,
}

pub(crate) async fn ctx(market: &Market) -> Ctx {
    market.ctx(Actor::System("test"), Locale::En).await.unwrap()
}

async fn new_user(market: &Market, login: &str) -> NewUser {
    let password = accounts::hash(PASSWORD, login, &market.entropy()).await.unwrap();
    let email = format!("{login}@example.com");
    NewUser { login: login.to_owned(), name: login.to_owned(), email, phone: String::new(), locale: Locale::En, password }
}

/// A buyer's account with its owner; both go by `name`.
pub(crate) async fn buyer(market: &Market, name: &str) -> Person {
    let (ctx, owner) = (ctx(market).await, new_user(market, name).await);
    let account = NewAccount { name: name.to_owned(), kind: AccountKind::Enterprise, title: name.to_owned() };
    let create = async move |tx: &mut db::Tx| accounts::create_account(tx, &ctx, account.clone(), owner.clone()).await;
    let (account, user) = market.db().write(create).await.unwrap();
    Person { account, user }
}

/// The operator with their administrator.
pub(crate) async fn operator(market: &Market) -> Person {
    let (ctx, admin) = (ctx(market).await, new_user(market, "operator").await);
    let account = NewAccount { name: "operator".to_owned(), kind: AccountKind::Enterprise, title: "Operator".to_owned() };
    let create = async move |tx: &mut db::Tx| accounts::create_operator(tx, &ctx, account.clone(), admin.clone()).await;
    let (account, user) = market.db().write(create).await.unwrap();
    Person { account, user }
}

/// Opens the seller's side to an account.
pub(crate) async fn admit(market: &Market, person: &Person) {
    let (ctx, id) = (ctx(market).await, person.account.id);
    market.db().write(async move |tx| accounts::admit_seller(tx, &ctx, id).await).await.unwrap();
}

/// Another person of an account.
pub(crate) async fn colleague(market: &Market, of: &Person, login: &str, roles: &[Role]) -> Person {
    let (ctx, user, id, roles) = (ctx(market).await, new_user(market, login).await, of.account.id, roles.to_vec());
    let shared = market.clone();
    let add = async move |tx: &mut db::Tx| accounts::add_user(tx, &ctx, shared.edition(), id, user.clone(), &roles).await;
    Person { account: of.account.clone(), user: market.db().write(add).await.unwrap() }
}

/// An API token with these scopes.
pub(crate) async fn token(market: &Market, of: &Person, scopes: impl IntoIterator<Item = Permission>) -> String {
    token_until(market, of, scopes, kernel::DAY_MS).await.0
}

/// An API token that ends after so many milliseconds, and when that is.
pub(crate) async fn token_until(market: &Market, of: &Person, scopes: impl IntoIterator<Item = Permission>, ms: i64) -> (String, i64) {
    let (ctx, account, user) = (ctx(market).await, of.account.id, of.user.id);
    let new = NewToken { name: "test".to_owned(), scopes: scopes.into_iter().collect(), expires_at: ctx.wall + ms };
    let expires_at = new.expires_at;
    let create = async move |tx: &mut db::Tx| {
        let principal = accounts::principal(tx, account, user).await?;
        accounts::create_token(tx, &ctx, &principal, new.clone()).await
    };
    (market.db().write(create).await.unwrap().1, expires_at)
}

/// A session of somebody.
pub(crate) async fn session(market: &Market, of: &Person) -> String {
    accounts::sign_in(market, &ctx(market).await, &of.user.login, PASSWORD, "test").await.unwrap().token
}
