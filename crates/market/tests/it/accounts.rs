//! People, accounts, passwords, sessions, tokens and keys.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use db::{Engine, Result, Tx};
use kernel::{AccountId, Actor, Code, Ctx, DAY_MS, Entropy, Locale, MINUTE_MS, UserId};
use market::accounts::{
    self, Account, AccountKind, NewAccount, NewToken, NewUser, PasswordHash, Permission, Principal, Role, SESSION_ABSOLUTE_MS,
    SESSION_SLIDING_MS, SESSIONS_MAX, TOKEN_LIFE_MS_MAX, TOKENS_MAX, TOUCH_MS, User, UserDetails,
};
use market::audit;
use market::idempotency::{self, IdempotencyKey};
use market::page::PageRequest;

use crate::support::TestMarket;

/// 2026-01-01 08:00 in Shanghai: the market's time in these tests, unless it is moved.
pub(crate) const NOW: i64 = 1_767_225_600_000;
/// The machine's time in these tests, unless it is moved.
pub(crate) const WALL: i64 = 1_790_000_000_000;
/// The password of everybody in these tests.
pub(crate) const PASSWORD: &str = "plum rain at 7";

static HASH: LazyLock<PasswordHash> = LazyLock::new(|| PasswordHash::new(PASSWORD, "nobody", &Entropy::from_seed([1; 32])).unwrap());

/// Does something in a transaction of its own, at these times, as the system.
pub(crate) async fn at<T, F>(test: &TestMarket, now: i64, wall: i64, act: F) -> Result<T>
where
    T: Send + 'static,
    F: AsyncFn(&mut Tx, &Ctx) -> Result<T> + Send + 'static,
{
    let ctx = Ctx { wall, ..test.ctx(now) };
    test.market.db().write(async move |tx| act(tx, &ctx).await).await
}

/// Does something in a transaction of its own.
pub(crate) async fn act<T, F>(test: &TestMarket, act: F) -> Result<T>
where
    T: Send + 'static,
    F: AsyncFn(&mut Tx, &Ctx) -> Result<T> + Send + 'static,
{
    at(test, NOW, WALL, act).await
}

pub(crate) fn person(login: &str) -> NewUser {
    NewUser {
        login: login.to_owned(),
        name: "王芳".to_owned(),
        email: "wang.fang@example.com".to_owned(),
        phone: "+86 138 0000 0000".to_owned(),
        locale: Locale::ZhCn,
        password: HASH.clone(),
    }
}

pub(crate) fn company(name: &str) -> NewAccount {
    NewAccount { name: name.to_owned(), kind: AccountKind::Enterprise, title: format!("{name} 有限公司") }
}

pub(crate) async fn open_account(test: &TestMarket, name: &'static str, login: &'static str) -> Result<(Account, User)> {
    act(test, async move |tx, ctx| accounts::create_account(tx, ctx, company(name), person(login)).await).await
}

async fn add(test: &TestMarket, account: AccountId, login: &'static str, roles: &'static [Role]) -> Result<User> {
    let market = test.market.clone();
    act(test, async move |tx, ctx| accounts::add_user(tx, ctx, market.edition(), account, person(login), roles).await).await
}

async fn sign_in(test: &TestMarket, wall: i64, login: &str, password: &str) -> Result<accounts::SignedIn> {
    let ctx = Ctx { wall, ..test.ctx(NOW) };
    accounts::sign_in(&test.market, &ctx, login, password, "Firefox\n on a desk").await
}

async fn principal(test: &TestMarket, user: &User) -> Principal {
    let (account, user) = (user.account_id, user.id);
    act(test, async move |tx, _| accounts::principal(tx, account, user).await).await.unwrap()
}

async fn set_roles(test: &TestMarket, user: &User, roles: &'static [Role]) -> Result<User> {
    let (account, user) = (user.account_id, user.id);
    act(test, async move |tx, ctx| accounts::set_roles(tx, ctx, account, user, roles, None).await).await
}

async fn token_of(
    test: &TestMarket,
    principal: &Principal,
    scopes: &[Permission],
    expires_at: i64,
) -> Result<(accounts::TokenView, String)> {
    let new = NewToken { name: "nightly export".to_owned(), scopes: scopes.iter().copied().collect(), expires_at };
    let principal = principal.clone();
    act(test, async move |tx, ctx| accounts::create_token(tx, ctx, &principal, new.clone()).await).await
}

fn first_page() -> PageRequest {
    PageRequest::default()
}

pub(crate) trait Refused {
    /// The code of a refusal.
    fn refused(self) -> Code;
}

impl<T: std::fmt::Debug> Refused for Result<T> {
    fn refused(self) -> Code {
        let error = self.unwrap_err();
        error.code().unwrap_or_else(|| panic!("not a refusal: {error:?}"))
    }
}

#[tokio::test]
async fn names_that_look_alike_are_one_name() {
    let test = TestMarket::new().await;
    let (account, owner) = open_account(&test, "ＡＣＭＥ", "Wang.Fang").await.unwrap();
    assert_eq!(owner.roles, [Role::BuyerOwner]);
    assert_eq!(open_account(&test, "acme", "li.lei").await.refused(), Code::AccountNameTaken);
    assert_eq!(open_account(&test, "Acme 2", "WANG.FANG").await.refused(), Code::LoginTaken);
    // What was refused left nothing behind.
    let found = act(&test, async |tx, _| accounts::find_by_name(tx, " aCme ").await).await.unwrap();
    assert_eq!(found, Some(account));
    assert_eq!(act(&test, async |tx, _| accounts::find_by_name(tx, "acme 2").await).await.unwrap(), None);
}

#[tokio::test]
async fn what_people_type_is_checked_field_by_field() {
    let test = TestMarket::new().await;
    type Spoil = fn(&mut NewAccount, &mut NewUser);
    let cases: &[(&str, Spoil)] = &[
        ("name", |a, _| "a".clone_into(&mut a.name)),
        ("name", |a, _| a.name = "a".repeat(61)),
        ("name", |a, _| "ac\u{200b}me".clone_into(&mut a.name)),
        ("title", |a, _| a.title.clear()),
        ("login", |_, u| "王芳王芳".clone_into(&mut u.login)),
        ("login", |_, u| "ab".clone_into(&mut u.login)),
        ("user_name", |_, u| u.name.clear()),
        ("email", |_, u| "wang.fang".clone_into(&mut u.email)),
        ("phone", |_, u| "call me".clone_into(&mut u.phone)),
    ];
    for (field, spoil) in cases {
        let (mut account, mut user) = (company("Acme"), person("wang.fang"));
        spoil(&mut account, &mut user);
        let made = act(&test, async move |tx, ctx| accounts::create_account(tx, ctx, account.clone(), user.clone()).await).await;
        let db::Error::Refused(refusal) = made.unwrap_err() else { panic!("{field}") };
        assert_eq!(refusal.code, Code::FieldInvalid);
        assert_eq!(refusal.args[0], ("field", (*field).to_owned()));
    }
}

#[tokio::test]
async fn there_is_one_operator_whose_roles_work_there_and_nowhere_else() {
    let test = TestMarket::new().await;
    let create = async |tx: &mut Tx, ctx: &Ctx| accounts::create_operator(tx, ctx, company("Yunshi"), person("root.admin")).await;
    let (operator, admin) = act(&test, create).await.unwrap();
    assert_eq!((operator.operator_at, &admin.roles[..]), (Some(NOW), &[Role::OperatorAdmin][..]));
    let again = async |tx: &mut Tx, ctx: &Ctx| accounts::create_operator(tx, ctx, company("Yunshi 2"), person("root.admin2")).await;
    assert_eq!(act(&test, again).await.refused(), Code::OperatorExists);

    let admin = principal(&test, &admin).await;
    assert_eq!(admin.require(Permission::OperatorAdmin), Ok(()));
    assert_eq!(admin.require(Permission::BuyerView).unwrap_err().code, Code::RoleMissing);
    let (acme, _) = open_account(&test, "Acme", "wang.fang").await.unwrap();
    assert_eq!(add(&test, acme.id, "li.lei", &[Role::OperatorFinance]).await.refused(), Code::RoleNotGrantable);
    assert_eq!(add(&test, operator.id, "li.lei", &[Role::OperatorFinance]).await.unwrap().roles, [Role::OperatorFinance]);
}

#[tokio::test]
async fn somebody_signs_in_works_and_signs_out() {
    let test = TestMarket::new().await;
    let (account, owner) = open_account(&test, "Acme", "wang.fang").await.unwrap();
    let signed_in = sign_in(&test, WALL, "WANG.fang", PASSWORD).await.unwrap();
    assert_eq!((signed_in.account.id, signed_in.user.id), (account.id, owner.id));
    assert!(signed_in.token.starts_with("yss_"));
    assert_eq!(signed_in.session.client, "Firefox on a desk");
    assert!(!format!("{signed_in:?}").contains(&signed_in.token));

    let principal = accounts::authenticate(&test.market, &signed_in.token, WALL).await.unwrap();
    let everything_of_a_buyer =
        BTreeSet::from([Permission::BuyerView, Permission::BuyerPurchase, Permission::BuyerPay, Permission::BuyerManage]);
    assert_eq!(principal.permissions, everything_of_a_buyer);
    assert_eq!((principal.session, principal.token, principal.locale), (Some(signed_in.session.id), None, Locale::ZhCn));
    assert_eq!(principal.actor(), Actor::User { user: owner.id, account: account.id });

    for wrong in ["", "yss_", &signed_in.token[..20], &format!("{}x", signed_in.token), &signed_in.token.replace("yss_", "yst_")] {
        assert_eq!(accounts::authenticate(&test.market, wrong, WALL).await.refused(), Code::TokenInvalid, "{wrong}");
    }
    let leaving = principal.clone();
    act(&test, async move |tx, ctx| accounts::sign_out(tx, ctx, &leaving).await).await.unwrap();
    assert_eq!(accounts::authenticate(&test.market, &signed_in.token, WALL).await.refused(), Code::TokenInvalid);
    let trail = act(&test, async move |tx, _| audit::search(tx, None, &first_page()).await).await.unwrap().items;
    let actions: Vec<_> = trail.iter().rev().map(|entry| (entry.action.as_str(), entry.actor.as_str())).collect();
    let owner_id = owner.id.to_string();
    assert!(actions.contains(&("accounts.signed_in", owner_id.as_str())), "{actions:?}");
    assert!(actions.iter().any(|(action, _)| *action == "accounts.signed_out"));
}

#[tokio::test]
async fn a_wrong_name_and_a_wrong_password_sound_the_same_and_only_the_right_one_hears_of_a_disabled_user() {
    let test = TestMarket::new().await;
    let (account, _) = open_account(&test, "Acme", "wang.fang").await.unwrap();
    let purchaser = add(&test, account.id, "li.lei", &[Role::BuyerPurchaser]).await.unwrap();
    assert_eq!(sign_in(&test, WALL, "nobody", PASSWORD).await.refused(), Code::SignInWrong);
    assert_eq!(sign_in(&test, WALL, "王芳", PASSWORD).await.refused(), Code::SignInWrong);
    let inside = sign_in(&test, WALL, "li.lei", PASSWORD).await.unwrap();
    let (account, user) = (account.id, purchaser.id);
    act(&test, async move |tx, ctx| accounts::disable(tx, ctx, account, user).await).await.unwrap();
    assert_eq!(accounts::authenticate(&test.market, &inside.token, WALL).await.refused(), Code::TokenInvalid);
    assert_eq!(sign_in(&test, WALL, "li.lei", "not this one").await.refused(), Code::SignInWrong);
    // However often: knowing the password is not a wrong try.
    for _ in 0..6 {
        assert_eq!(sign_in(&test, WALL, "li.lei", PASSWORD).await.refused(), Code::UserDisabled);
    }
    act(&test, async move |tx, ctx| accounts::enable(tx, ctx, account, user).await).await.unwrap();
    assert_eq!(accounts::authenticate(&test.market, &inside.token, WALL).await.refused(), Code::TokenInvalid);
    sign_in(&test, WALL, "li.lei", PASSWORD).await.unwrap();
}

#[tokio::test]
async fn five_wrong_passwords_lock_the_sign_in_for_a_time_of_the_machine() {
    let test = TestMarket::new().await;
    let (_, owner) = open_account(&test, "Acme", "wang.fang").await.unwrap();
    let minutes = |result: Result<accounts::SignedIn>| match result.unwrap_err() {
        db::Error::Refused(refusal) if refusal.code == Code::SignInLocked => refusal.args[0].1.clone(),
        other => panic!("{other:?}"),
    };
    for _ in 0..4 {
        assert_eq!(sign_in(&test, WALL, "wang.fang", "not this one").await.refused(), Code::SignInWrong);
    }
    // A success in between starts the count anew.
    sign_in(&test, WALL, "wang.fang", PASSWORD).await.unwrap();
    for _ in 0..5 {
        assert_eq!(sign_in(&test, WALL, "wang.fang", "not this one").await.refused(), Code::SignInWrong);
    }
    assert_eq!(minutes(sign_in(&test, WALL, "wang.fang", PASSWORD).await), "15");
    assert_eq!(minutes(sign_in(&test, WALL + 15 * MINUTE_MS - 1, "wang.fang", PASSWORD).await), "1");
    // The sandbox clock does not unlock.
    let ctx = Ctx { wall: WALL, ..test.ctx(NOW + 365 * DAY_MS) };
    assert_eq!(accounts::sign_in(&test.market, &ctx, "wang.fang", PASSWORD, "").await.refused(), Code::SignInLocked);

    let later = WALL + 15 * MINUTE_MS;
    for _ in 0..5 {
        assert_eq!(sign_in(&test, later, "wang.fang", "not this one").await.refused(), Code::SignInWrong);
    }
    assert_eq!(minutes(sign_in(&test, later, "wang.fang", PASSWORD).await), "30");
    sign_in(&test, later + 30 * MINUTE_MS, "wang.fang", PASSWORD).await.unwrap();
    let subject = owner.id.to_string();
    let trail = act(&test, async move |tx, _| audit::search(tx, None, &first_page()).await).await.unwrap().items;
    let locks = trail.iter().filter(|e| e.action == "accounts.sign_in_locked" && e.subject == subject).count();
    assert_eq!(locks, 2);
}

#[tokio::test]
async fn many_tries_at_once_are_not_more_than_the_tries_there_are() {
    let test = TestMarket::new().await;
    open_account(&test, "Acme", "wang.fang").await.unwrap();
    let tries = (0..8).map(|_| sign_in(&test, WALL, "wang.fang", "not this one"));
    let mut codes: Vec<_> = futures_util::future::join_all(tries).await.into_iter().map(Refused::refused).collect();
    codes.sort_unstable();
    assert_eq!(codes.iter().filter(|c| **c == Code::SignInWrong).count(), 5, "{codes:?}");
    assert_eq!(codes.iter().filter(|c| **c == Code::SignInLocked).count(), 3, "{codes:?}");
}

#[tokio::test]
async fn a_session_lives_by_the_machines_time_slides_and_ends() {
    let test = TestMarket::new().await;
    open_account(&test, "Acme", "wang.fang").await.unwrap();
    let signed_in = sign_in(&test, WALL, "wang.fang", PASSWORD).await.unwrap();
    let (token, user) = (signed_in.token, signed_in.user.id);
    let session = async |wall: i64| {
        let page = at(&test, NOW + 3_650 * DAY_MS, wall, async move |tx, ctx| accounts::sessions(tx, user, ctx.wall, &first_page()).await);
        page.await.unwrap().items.pop()
    };
    // Market time passes years; the session is still there.
    assert_eq!(session(WALL).await.unwrap().expires_at, WALL + SESSION_SLIDING_MS);
    // Used within five minutes: nothing is written.
    accounts::authenticate(&test.market, &token, WALL + TOUCH_MS - 1).await.unwrap();
    assert_eq!(session(WALL).await.unwrap().seen_at, WALL);
    accounts::authenticate(&test.market, &token, WALL + TOUCH_MS).await.unwrap();
    assert_eq!(session(WALL).await.unwrap().expires_at, WALL + TOUCH_MS + SESSION_SLIDING_MS);
    // Not used for fourteen days: over.
    let end = WALL + TOUCH_MS + SESSION_SLIDING_MS;
    assert_eq!(accounts::authenticate(&test.market, &token, end).await.refused(), Code::TokenInvalid);
    assert_eq!(session(end).await, None);
    // Used every day: over after ninety.
    for day in 1..90 {
        accounts::authenticate(&test.market, &token, WALL + day * DAY_MS).await.unwrap();
    }
    assert_eq!(accounts::authenticate(&test.market, &token, WALL + SESSION_ABSOLUTE_MS).await.refused(), Code::TokenInvalid);

    let forget =
        async |wall: i64| at(&test, NOW, wall, async |tx, ctx| accounts::forget_old_sessions(tx, ctx.wall, 100).await).await.unwrap();
    assert_eq!(forget(WALL + SESSION_ABSOLUTE_MS).await, 0);
    assert_eq!(forget(WALL + SESSION_ABSOLUTE_MS + 91 * DAY_MS).await, 1);
}

#[tokio::test]
async fn a_person_sees_and_ends_only_their_own_sessions_and_the_oldest_make_room() {
    let test = TestMarket::new().await;
    let (account, owner) = open_account(&test, "Acme", "wang.fang").await.unwrap();
    let viewer = add(&test, account.id, "li.lei", &[Role::BuyerViewer]).await.unwrap();
    let mut signed_in = Vec::new();
    for n in 0..=SESSIONS_MAX {
        signed_in.push(sign_in(&test, WALL + n, "wang.fang", PASSWORD).await.unwrap());
    }
    assert_eq!(accounts::authenticate(&test.market, &signed_in[0].token, WALL + 100).await.refused(), Code::TokenInvalid);
    accounts::authenticate(&test.market, &signed_in[1].token, WALL + 100).await.unwrap();

    let (mine, session) = (owner.id, signed_in[1].session.id);
    let end =
        async |user: UserId| at(&test, NOW, WALL + 100, async move |tx, ctx| accounts::end_session(tx, ctx, user, session).await).await;
    assert_eq!(end(viewer.id).await.refused(), Code::NotFound);
    end(mine).await.unwrap();
    assert_eq!(end(mine).await.refused(), Code::NotFound);
    assert_eq!(accounts::authenticate(&test.market, &signed_in[1].token, WALL + 100).await.refused(), Code::TokenInvalid);
}

#[tokio::test]
async fn a_token_does_what_its_scopes_and_its_owners_roles_both_allow() {
    let test = TestMarket::new().await;
    let (account, owner) = open_account(&test, "Acme", "wang.fang").await.unwrap();
    let second = add(&test, account.id, "li.lei", &[Role::BuyerOwner]).await.unwrap();
    let full = principal(&test, &owner).await;
    let (view, token) = token_of(&test, &full, &[Permission::BuyerView, Permission::BuyerPay], WALL + DAY_MS).await.unwrap();
    assert!(token.starts_with(&view.hint) && view.hint.starts_with("yst_"));

    let scoped = accounts::authenticate(&test.market, &token, WALL).await.unwrap();
    assert_eq!((scoped.session, scoped.token), (None, Some(view.id)));
    assert_eq!(scoped.require(Permission::BuyerPay), Ok(()));
    assert_eq!(scoped.require(Permission::BuyerPurchase).unwrap_err().code, Code::ScopeMissing);
    assert_eq!(scoped.require(Permission::SellerView).unwrap_err().code, Code::NotSeller);
    // Nobody widens themselves through a token, nor makes it live longer.
    for scope in [Permission::BuyerManage, Permission::BuyerView] {
        assert_eq!(token_of(&test, &scoped, &[scope], WALL + DAY_MS).await.refused(), Code::SessionNeeded);
    }
    assert_eq!(token_of(&test, &full, &[Permission::OperatorAdmin], WALL + DAY_MS).await.refused(), Code::RoleMissing);

    // A role that is taken away is gone from the token at once.
    set_roles(&test, &owner, &[Role::BuyerViewer]).await.unwrap();
    let less = accounts::authenticate(&test.market, &token, WALL).await.unwrap();
    assert_eq!(less.permissions, BTreeSet::from([Permission::BuyerView]));
    assert_eq!(less.require(Permission::BuyerPay).unwrap_err().code, Code::RoleMissing);

    assert_eq!(accounts::authenticate(&test.market, &token, WALL + DAY_MS).await.refused(), Code::TokenInvalid);
    let (thief, id) = (second.id, view.id);
    let revoke = async |user: UserId| act(&test, async move |tx, ctx| accounts::revoke_token(tx, ctx, user, id).await).await;
    assert_eq!(revoke(thief).await.refused(), Code::NotFound);
    revoke(owner.id).await.unwrap();
    assert_eq!(accounts::authenticate(&test.market, &token, WALL).await.refused(), Code::TokenInvalid);
    let me = owner.id;
    let listed = act(&test, async move |tx, _| accounts::tokens(tx, me, &first_page()).await).await.unwrap().items;
    assert_eq!((listed[0].revoked_at, listed[0].used_at), (Some(WALL), Some(WALL)));
}

#[tokio::test]
async fn tokens_end_within_a_year_and_are_not_many() {
    let test = TestMarket::new().await;
    let (_, owner) = open_account(&test, "Acme", "wang.fang").await.unwrap();
    let full = principal(&test, &owner).await;
    let view = [Permission::BuyerView];
    for wrong in [WALL, WALL - 1, WALL + TOKEN_LIFE_MS_MAX + 1] {
        assert_eq!(token_of(&test, &full, &view, wrong).await.refused(), Code::FieldInvalid);
    }
    assert_eq!(token_of(&test, &full, &[], WALL + DAY_MS).await.refused(), Code::FieldInvalid);
    let (first, _) = token_of(&test, &full, &view, WALL + TOKEN_LIFE_MS_MAX).await.unwrap();
    for _ in 1..TOKENS_MAX {
        token_of(&test, &full, &view, WALL + DAY_MS).await.unwrap();
    }
    assert_eq!(token_of(&test, &full, &view, WALL + DAY_MS).await.refused(), Code::TooMany);
    let me = owner.id;
    act(&test, async move |tx, ctx| accounts::revoke_token(tx, ctx, me, first.id).await).await.unwrap();
    token_of(&test, &full, &view, WALL + DAY_MS).await.unwrap();
}

#[tokio::test]
async fn an_account_never_loses_its_last_owner() {
    let test = TestMarket::new().await;
    let (account, owner) = open_account(&test, "Acme", "wang.fang").await.unwrap();
    let disable = async |user: &User| {
        let (account, user) = (user.account_id, user.id);
        act(&test, async move |tx, ctx| accounts::disable(tx, ctx, account, user).await).await
    };
    assert_eq!(set_roles(&test, &owner, &[Role::BuyerViewer]).await.refused(), Code::LastOwner);
    assert_eq!(disable(&owner).await.refused(), Code::LastOwner);
    let second = add(&test, account.id, "li.lei", &[Role::BuyerOwner]).await.unwrap();
    // A disabled owner is none.
    disable(&second).await.unwrap();
    assert_eq!(disable(&owner).await.refused(), Code::LastOwner);
    let (id, user) = (account.id, second.id);
    act(&test, async move |tx, ctx| accounts::enable(tx, ctx, id, user).await).await.unwrap();
    assert_eq!(
        set_roles(&test, &owner, &[Role::BuyerViewer, Role::BuyerFinance]).await.unwrap().roles,
        [Role::BuyerFinance, Role::BuyerViewer]
    );
    assert_eq!(disable(&second).await.refused(), Code::LastOwner);
}

#[tokio::test]
async fn a_sellers_roles_are_given_and_work_only_while_the_account_sells() {
    let test = TestMarket::new().await;
    let (account, owner) = open_account(&test, "Acme", "wang.fang").await.unwrap();
    let viewer = add(&test, account.id, "li.lei", &[Role::BuyerViewer]).await.unwrap();
    assert_eq!(set_roles(&test, &viewer, &[Role::SellerSupport]).await.refused(), Code::RoleNotGrantable);
    let id = account.id;
    act(&test, async move |tx, ctx| accounts::admit_seller(tx, ctx, id).await).await.unwrap();
    assert_eq!(principal(&test, &owner).await.require(Permission::SellerManage), Ok(()));
    assert_eq!(principal(&test, &viewer).await.require(Permission::SellerView).unwrap_err().code, Code::RoleMissing);
    set_roles(&test, &viewer, &[Role::SellerSupport, Role::BuyerViewer]).await.unwrap();
    assert_eq!(principal(&test, &viewer).await.require(Permission::SellerView), Ok(()));

    act(&test, async move |tx, ctx| accounts::dismiss_seller(tx, ctx, id).await).await.unwrap();
    assert_eq!(principal(&test, &owner).await.require(Permission::SellerManage).unwrap_err().code, Code::NotSeller);
    assert_eq!(principal(&test, &viewer).await.require(Permission::BuyerView), Ok(()));
    // What somebody has may stay, but nothing of that side is given any more.
    set_roles(&test, &viewer, &[Role::SellerSupport]).await.unwrap();
    assert_eq!(set_roles(&test, &viewer, &[Role::SellerSupport, Role::SellerOwner]).await.refused(), Code::RoleNotGrantable);
    assert_eq!(set_roles(&test, &viewer, &[]).await.refused(), Code::FieldInvalid);
}

#[tokio::test]
async fn an_account_has_fifty_people_at_most_and_only_its_own() {
    let test = TestMarket::new().await;
    let (account, owner) = open_account(&test, "Acme", "wang.fang").await.unwrap();
    let (other, stranger) = open_account(&test, "Other", "stranger").await.unwrap();
    let (id, market) = (account.id, test.market.clone());
    let users_max = market.edition().users_max;
    act(&test, async move |tx, ctx| {
        for n in 1..users_max {
            let new = NewUser { login: format!("user.{n}"), ..person("x") };
            accounts::add_user(tx, ctx, market.edition(), id, new, &[Role::BuyerViewer]).await?;
        }
        Ok(())
    })
    .await
    .unwrap();
    assert_eq!(add(&test, account.id, "one.more", &[Role::BuyerViewer]).await.refused(), Code::TooMany);

    let page = PageRequest { limit: 30, ..first_page() };
    let first = act(&test, async move |tx, _| accounts::users(tx, id, &page).await).await.unwrap();
    let page = PageRequest { limit: 30, after: first.next.clone().unwrap() };
    let second = act(&test, async move |tx, _| accounts::users(tx, id, &page).await).await.unwrap();
    assert_eq!((first.items.len(), second.items.len(), second.next), (30, 20, None));
    assert!(first.items.iter().all(|user| user.roles.len() == 1) && first.items.contains(&owner));

    let (stranger, other) = (stranger.id, other.id);
    for code in [
        act(&test, async move |tx, _| accounts::get_user(tx, id, stranger).await).await.refused(),
        act(&test, async move |tx, ctx| accounts::disable(tx, ctx, id, stranger).await).await.refused(),
        act(&test, async move |tx, ctx| accounts::set_roles(tx, ctx, id, stranger, &[Role::BuyerViewer], None).await).await.refused(),
        act(&test, async move |tx, ctx| accounts::reset_password(tx, ctx, id, stranger, &HASH).await).await.refused(),
        act(&test, async move |tx, _| accounts::principal(tx, id, stranger).await).await.refused(),
    ] {
        assert_eq!(code, Code::NotFound);
    }
    act(&test, async move |tx, _| accounts::get_user(tx, other, stranger).await).await.unwrap();
}

#[tokio::test]
async fn details_change_only_from_what_was_read() {
    let test = TestMarket::new().await;
    let (account, owner) = open_account(&test, "Acme", "wang.fang").await.unwrap();
    let update = async |name: &'static str, version: Option<i64>| {
        let (account, user) = (account.id, owner.id);
        let details = UserDetails { name: name.to_owned(), email: "f@example.com".to_owned(), phone: String::new(), locale: Locale::En };
        act(&test, async move |tx, ctx| accounts::update_user(tx, ctx, account, user, details.clone(), version).await).await
    };
    let changed = update("Wang Fang", Some(1)).await.unwrap();
    assert_eq!((changed.name.as_str(), changed.phone.as_str(), changed.locale, changed.version), ("Wang Fang", "", Locale::En, 2));
    assert_eq!(update("Fang", Some(1)).await.refused(), Code::VersionStale);
    assert_eq!(update(" ", Some(2)).await.refused(), Code::FieldInvalid);
    assert_eq!(update("Fang", None).await.unwrap().version, 3);
}

#[tokio::test]
async fn a_new_password_ends_the_other_sessions() {
    let test = TestMarket::new().await;
    let (account, owner) = open_account(&test, "Acme", "wang.fang").await.unwrap();
    let here = sign_in(&test, WALL, "wang.fang", PASSWORD).await.unwrap();
    let there = sign_in(&test, WALL, "wang.fang", PASSWORD).await.unwrap();
    let me = accounts::authenticate(&test.market, &here.token, WALL).await.unwrap();
    let change = async |old: &'static str, new: &'static str| {
        let ctx = Ctx { wall: WALL, ..test.ctx(NOW) };
        accounts::change_password(&test.market, &ctx, &me, old, new).await
    };
    assert_eq!(change("not this one", "autumn moon at 9").await.refused(), Code::FieldInvalid);
    assert_eq!(change(PASSWORD, "short").await.refused(), Code::PasswordWeak);
    assert_eq!(change(PASSWORD, "my wang.fang pw").await.refused(), Code::PasswordWeak);
    change(PASSWORD, "autumn moon at 9").await.unwrap();
    accounts::authenticate(&test.market, &here.token, WALL).await.unwrap();
    assert_eq!(accounts::authenticate(&test.market, &there.token, WALL).await.refused(), Code::TokenInvalid);
    assert_eq!(sign_in(&test, WALL, "wang.fang", PASSWORD).await.refused(), Code::SignInWrong);
    sign_in(&test, WALL, "wang.fang", "autumn moon at 9").await.unwrap();

    // Wrong old passwords count, too; a reset by somebody who manages the account lifts the lock and ends every session.
    for _ in 0..5 {
        assert_eq!(change("not this one", "winter plum at 3").await.refused(), Code::FieldInvalid);
    }
    assert_eq!(sign_in(&test, WALL, "wang.fang", "autumn moon at 9").await.refused(), Code::SignInLocked);
    let (account, user) = (account.id, owner.id);
    act(&test, async move |tx, ctx| accounts::reset_password(tx, ctx, account, user, &HASH).await).await.unwrap();
    assert_eq!(accounts::authenticate(&test.market, &here.token, WALL).await.refused(), Code::TokenInvalid);
    sign_in(&test, WALL, "wang.fang", PASSWORD).await.unwrap();
}

#[tokio::test]
async fn an_access_key_works_until_it_is_revoked_or_its_person_is_disabled() {
    let test = TestMarket::new().await;
    let (account, owner) = open_account(&test, "Acme", "wang.fang").await.unwrap();
    act(&test, async move |tx, ctx| accounts::admit_seller(tx, ctx, account.id).await).await.unwrap();
    let developer = add(&test, account.id, "li.lei", &[Role::BuyerViewer, Role::SellerDeveloper]).await.unwrap();
    let (other, _) = open_account(&test, "Other", "stranger").await.unwrap();
    let create = async |account: AccountId, user: UserId| {
        let market = test.market.clone();
        act(&test, async move |tx, ctx| accounts::create_access_key(tx, ctx, market.vault(), account, user, "billing").await).await
    };
    let secret_of = async |access_key: &str| {
        let (market, access_key) = (test.market.clone(), access_key.to_owned());
        act(&test, async move |tx, _| accounts::secret_of(tx, market.vault(), &access_key).await).await.unwrap()
    };
    let (key, secret) = create(account.id, owner.id).await.unwrap();
    let (second, _) = create(account.id, developer.id).await.unwrap();
    let found = secret_of(&key.access_key).await.unwrap();
    assert_eq!((found.account_id, found.user_id, found.secret.as_str()), (account.id, owner.id, secret.as_str()));
    assert!(found.is_stale(WALL) && !format!("{found:?}").contains(&secret));
    act(&test, async move |tx, ctx| accounts::touch_access_key(tx, key.id, ctx.wall).await).await.unwrap();
    assert!(!secret_of(&key.access_key).await.unwrap().is_stale(WALL + TOUCH_MS - 1));
    assert!(secret_of("AAAAAAAAAAAAAAAAAAAA").await.is_none());

    assert_eq!(create(other.id, owner.id).await.refused(), Code::NotFound);
    let revoke =
        async |account: AccountId| act(&test, async move |tx, ctx| accounts::revoke_access_key(tx, ctx, account, key.id).await).await;
    assert_eq!(revoke(other.id).await.refused(), Code::NotFound);
    revoke(account.id).await.unwrap();
    assert!(secret_of(&key.access_key).await.is_none());
    let (id, user) = (account.id, developer.id);
    let roles = async |roles: &'static [Role]| {
        act(&test, async move |tx, ctx| accounts::set_roles(tx, ctx, id, user, roles, None).await).await.unwrap();
        secret_of(&second.access_key).await.is_some()
    };
    assert!(!roles(&[Role::BuyerViewer]).await, "whoever left the seller's side signs nothing for it");
    assert!(roles(&[Role::SellerSupport]).await);
    act(&test, async move |tx, ctx| accounts::disable(tx, ctx, id, user).await).await.unwrap();
    assert!(secret_of(&second.access_key).await.is_none());

    for _ in 1..accounts::ACCESS_KEYS_MAX {
        create(account.id, owner.id).await.unwrap();
    }
    assert_eq!(create(account.id, owner.id).await.refused(), Code::TooMany);
    let listed = act(&test, async move |tx, _| accounts::access_keys(tx, id, &first_page()).await).await.unwrap().items;
    assert_eq!(listed.len(), 11);
    assert_eq!(listed.iter().filter(|key| key.revoked_at.is_some()).count(), 1);
}

#[tokio::test]
async fn the_operator_finds_accounts_by_how_their_names_begin() {
    let test = TestMarket::new().await;
    for (name, login) in [("Acme", "u.1"), ("ＡＣ_DC", "u.2"), ("Beta", "u.3"), ("100% 云", "u.4")] {
        open_account(&test, name, login).await.unwrap();
    }
    let found = async |prefix: Option<&'static str>| {
        let page = act(&test, async move |tx, _| accounts::list(tx, prefix, &first_page()).await).await.unwrap();
        page.items.into_iter().map(|account| account.name).collect::<BTreeSet<_>>()
    };
    assert_eq!(found(Some("AC")).await, BTreeSet::from(["Acme".to_owned(), "ＡＣ_DC".to_owned()]));
    assert_eq!(found(Some("ac_")).await, BTreeSet::from(["ＡＣ_DC".to_owned()]));
    assert_eq!(found(Some("%")).await, BTreeSet::new());
    assert_eq!(found(Some("100%")).await.len(), 1);
    assert_eq!(found(None).await.len(), 4);

    let page = async |after: String| {
        let page = PageRequest { after, limit: 1 };
        act(&test, async move |tx, _| accounts::list(tx, Some("a"), &page).await).await.unwrap()
    };
    let first = page(String::new()).await;
    let second = page(first.next.clone().unwrap()).await;
    assert_eq!([&first, &second].map(|page| page.items[0].name.as_str()), ["ＡＣ_DC", "Acme"], "by name, page by page");
    assert_eq!(second.next, None);
}

#[tokio::test]
async fn the_upkeep_forgets_everything_that_is_old_however_much_it_is() {
    let test = TestMarket::new().await;
    let (_, owner) = open_account(&test, "acme", "owner").await.unwrap();
    let market = &test.market;
    let now = market.ctx(Actor::System("test"), Locale::En).await.unwrap();
    let old = Ctx { wall: now.wall - 400 * DAY_MS, ..now.at(now.now) };
    accounts::sign_in(market, &old, &owner.login, PASSWORD, "old").await.unwrap();
    let take = async |ctx: Ctx, kept: std::ops::Range<u32>, fingerprint: [u8; 32]| {
        let take = async move |tx: &mut Tx| {
            for n in kept.clone() {
                let key = IdempotencyKey::new("acc", &format!("k{n}"), fingerprint)?;
                idempotency::once(tx, &ctx, &key, async |_: &mut Tx| Ok(n)).await?;
            }
            Ok(())
        };
        market.db().write(take).await
    };
    take(old.at(now.now), 0..2_500, [1; 32]).await.unwrap();
    take(now.at(now.now), 3_000..3_001, [1; 32]).await.unwrap();

    market::runner::upkeep(market).await.unwrap();
    take(now.at(now.now), 0..2_500, [2; 32]).await.expect("another request may use the keys again");
    assert_eq!(
        take(now.at(now.now), 3_000..3_001, [2; 32]).await.unwrap_err().code(),
        Some(Code::IdempotencyConflict),
        "a new one is kept"
    );
    let left = market.db().write(async move |tx| accounts::forget_old_sessions(tx, now.wall, 10).await).await.unwrap();
    assert_eq!(left, 0);
}

/// Where `secret` is in the database, as `table.column`, looking into every text and every blob.
pub(crate) async fn places_of(test: &TestMarket, secret: &str) -> Vec<String> {
    let (secret, hex) = (secret.replace('\'', "''"), secret.bytes().map(|b| format!("{b:02x}")).collect::<String>());
    test.market
        .db()
        .read(async move |tx| {
            let columns = match tx.engine() {
                Engine::Sqlite => {
                    "SELECT m.name || '.' || p.name || ':' || p.type FROM sqlite_schema m JOIN pragma_table_info(m.name) p
                     WHERE m.type = 'table' AND p.type IN ('TEXT', 'BLOB')"
                }
                Engine::Postgres => {
                    "SELECT table_name || '.' || column_name || ':' || upper(data_type) FROM information_schema.columns
                     WHERE table_schema = 'public' AND data_type IN ('text', 'bytea')"
                }
            };
            let columns = tx.run_text(columns).await?;
            assert!(columns.iter().filter(|c| !c.ends_with(":TEXT")).count() > 4, "the blobs are not searched");
            let mut found = Vec::new();
            for column in columns {
                let (place, kind) = column.split_once(':').unwrap();
                let (table, name) = place.split_once('.').unwrap();
                let here = match (tx.engine(), kind) {
                    (Engine::Sqlite, _) => format!("instr(CAST({name} AS BLOB), x'{hex}') > 0"),
                    (Engine::Postgres, "BYTEA") => format!("position('\\x{hex}'::bytea IN {name}) > 0"),
                    (Engine::Postgres, _) => format!("position('{secret}' IN {name}) > 0"),
                };
                if tx.run_text(&format!("SELECT COUNT(*) FROM {table} WHERE {here}")).await? != ["0"] {
                    found.push(place.to_owned());
                }
            }
            Ok(found)
        })
        .await
        .unwrap()
}

#[tokio::test]
async fn no_secret_lies_in_the_database_in_clear() {
    let test = TestMarket::new().await;
    let (account, owner) = open_account(&test, "Acme", "wang.fang").await.unwrap();
    let session = sign_in(&test, WALL, "wang.fang", PASSWORD).await.unwrap();
    assert_eq!(sign_in(&test, WALL, "wang.fang", "another password").await.refused(), Code::SignInWrong);
    let me = accounts::authenticate(&test.market, &session.token, WALL).await.unwrap();
    let (_, token) = token_of(&test, &me, &[Permission::BuyerView], WALL + DAY_MS).await.unwrap();
    let (market, id, user) = (test.market.clone(), account.id, owner.id);
    let create = async move |tx: &mut Tx, ctx: &Ctx| accounts::create_access_key(tx, ctx, market.vault(), id, user, "billing").await;
    let (key, secret_key) = act(&test, create).await.unwrap();
    let ctx = Ctx { wall: WALL, ..test.ctx(NOW) };
    accounts::change_password(&test.market, &ctx, &me, PASSWORD, "autumn moon at 9").await.unwrap();

    // The search finds what is there...
    assert!(places_of(&test, &key.access_key).await.contains(&"access_keys.access_key".to_owned()));
    assert!(places_of(&test, "wang.fang@example.com").await.contains(&"users.email".to_owned()));
    // ...and no secret, nor what follows a token's hint.
    for secret in [PASSWORD, "another password", "autumn moon at 9", &session.token[4..], &token[8..], &secret_key] {
        assert_eq!(places_of(&test, secret).await, Vec::<String>::new());
    }
}
