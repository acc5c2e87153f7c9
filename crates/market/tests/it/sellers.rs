//! Applications to sell, signing keys and production addresses.

use db::{Result, Tx};
use kernel::{AccountId, AddressId, Code, Ctx, DAY_MS, SellerKeyId};
use market::accounts::{self, Account, Permission, Role, User};
use market::notices::{self, NoticeKind};
use market::page::PageRequest;
use market::sellers::{
    self, ADDRESSES_MAX, Address, AddressInput, Application, BankAccount, CheckedUrl, Decision, Dialect, KEYS_MAX, Seller, SellerDetails,
    SellerKey, SellerState, Usage,
};

use crate::accounts::{NOW, Refused, WALL, act, at, open_account, places_of};
use crate::support::TestMarket;

const BANK_NUMBER: &str = "6222 0212-3456 7890 123";
const SEALED_BANK_NUMBER: &str = "6222021234567890123";

fn application() -> Application {
    Application {
        company: "Acme 软件有限公司".to_owned(),
        website: "https://www.acme.example.com".to_owned(),
        contact_name: "王芳".to_owned(),
        contact_email: "sales@acme.example.com".to_owned(),
        contact_phone: "+86 10 1234 5678".to_owned(),
        bank: BankAccount { name: "工商银行".to_owned(), number: BANK_NUMBER.to_owned() },
    }
}

async fn apply_at(test: &TestMarket, now: i64, account: AccountId, application: Application) -> Result<Seller> {
    let market = test.market.clone();
    at(test, now, WALL, async move |tx, ctx| sellers::apply(tx, ctx, market.vault(), account, application.clone()).await).await
}

async fn apply(test: &TestMarket, account: AccountId) -> Result<Seller> {
    apply_at(test, NOW, account, application()).await
}

async fn decide(test: &TestMarket, account: AccountId, decision: Decision) -> Result<Seller> {
    act(test, async move |tx, ctx| sellers::decide(tx, ctx, account, decision.clone()).await).await
}

fn rejection(reason: &str) -> Decision {
    Decision::Reject { reason: reason.to_owned() }
}

async fn open_seller(test: &TestMarket, name: &'static str, login: &'static str) -> (Account, User) {
    let (account, owner) = open_account(test, name, login).await.unwrap();
    apply(test, account.id).await.unwrap();
    decide(test, account.id, Decision::Approve).await.unwrap();
    (account, owner)
}

async fn may(test: &TestMarket, user: &User, permission: Permission) -> bool {
    let (account, user) = (user.account_id, user.id);
    let principal = act(test, async move |tx, _| accounts::principal(tx, account, user).await).await.unwrap();
    principal.require(permission).is_ok()
}

async fn create_key(test: &TestMarket, seller: AccountId, key: Option<&str>) -> Result<(SellerKey, String)> {
    let (market, key) = (test.market.clone(), key.map(str::to_owned));
    act(test, async move |tx, ctx| sellers::create_key(tx, ctx, market.vault(), seller, "production", key.clone()).await).await
}

fn url(text: &str) -> CheckedUrl {
    sellers::check_url(text, &|_| Ok(())).unwrap()
}

fn input(address: &str, key_id: SellerKeyId) -> AddressInput {
    AddressInput { name: "main".to_owned(), url: url(address), dialect: Dialect::KoogalleryV2, key_id }
}

async fn create_address(test: &TestMarket, seller: AccountId, key: SellerKeyId) -> Result<Address> {
    act(test, async move |tx, ctx| sellers::create_address(tx, ctx, seller, input("https://saas.example.com/produce", key)).await).await
}

async fn retire_address(test: &TestMarket, seller: AccountId, id: AddressId, usage: Usage) -> Result<Address> {
    act(test, async move |tx, ctx| sellers::retire_address(tx, ctx, seller, id, usage).await).await
}

async fn retire_key(test: &TestMarket, seller: AccountId, id: SellerKeyId) -> Result<SellerKey> {
    act(test, async move |tx, ctx| sellers::retire_key(tx, ctx, seller, id).await).await
}

async fn access_key_for(test: &TestMarket, id: AddressId) -> Result<String> {
    let market = test.market.clone();
    let target = act(test, async move |tx, _| sellers::call_target(tx, market.vault(), id).await).await?;
    assert!(!format!("{target:?}").contains(target.access_key.as_str()));
    Ok(target.access_key.to_string())
}

#[tokio::test]
async fn an_account_applies_is_rejected_applies_again_and_sells() {
    let test = TestMarket::new().await;
    let (account, owner) = open_account(&test, "Acme", "wang.fang").await.unwrap();
    let id = account.id;
    assert_eq!(decide(&test, id, Decision::Approve).await.refused(), Code::NotFound);
    let applied = apply(&test, id).await.unwrap();
    assert_eq!((applied.state, applied.bank_account_hint.as_str(), applied.applied_at), (SellerState::Applied, "0123", NOW));
    assert_eq!(apply(&test, id).await.refused(), Code::AlreadySeller);
    assert!(!may(&test, &owner, Permission::SellerView).await);

    assert_eq!(decide(&test, id, rejection(" ")).await.refused(), Code::FieldInvalid);
    let rejected = decide(&test, id, rejection("the website\nis not reachable")).await.unwrap();
    assert_eq!((rejected.state, rejected.reason.as_deref()), (SellerState::Rejected, Some("the website is not reachable")));
    assert_eq!(rejected.decided_by.as_deref(), Some("system:test"));
    assert_eq!(decide(&test, id, Decision::Approve).await.refused(), Code::ReviewDecided);

    let again = Application { company: "Acme 科技有限公司".to_owned(), ..application() };
    let again = apply_at(&test, NOW + DAY_MS, id, again).await.unwrap();
    assert_eq!((again.state, again.company.as_str(), again.reason), (SellerState::Applied, "Acme 科技有限公司", None));
    assert_eq!((again.applied_at, again.decided_at), (NOW + DAY_MS, None));
    let approved = decide(&test, id, Decision::Approve).await.unwrap();
    assert_eq!(approved.state, SellerState::Approved);
    assert!(may(&test, &owner, Permission::SellerManage).await);
    assert_eq!(apply(&test, id).await.refused(), Code::AlreadySeller);
    assert_eq!(decide(&test, id, rejection("late")).await.refused(), Code::ReviewDecided);

    let inbox = act(&test, async move |tx, _| notices::inbox(tx, id, &PageRequest::default()).await).await.unwrap().items;
    let told: Vec<_> = inbox.iter().map(|notice| (notice.kind, notice.args["state"].as_str().unwrap())).collect();
    assert_eq!(told.len(), 2);
    assert!(told.contains(&(NoticeKind::ApplicationDecided, "rejected")) && told.contains(&(NoticeKind::ApplicationDecided, "approved")));
}

#[tokio::test]
async fn with_the_approval_every_owner_owns_the_sellers_side_and_nobody_else_does() {
    let test = TestMarket::new().await;
    let (account, first) = open_account(&test, "Acme", "wang.fang").await.unwrap();
    let (id, market) = (account.id, test.market.clone());
    let add = async move |tx: &mut Tx, ctx: &Ctx| {
        let edition = market.edition();
        let second = accounts::add_user(tx, ctx, edition, id, crate::accounts::person("li.lei"), &[Role::BuyerOwner]).await?;
        let viewer = accounts::add_user(tx, ctx, edition, id, crate::accounts::person("han.mei"), &[Role::BuyerViewer]).await?;
        Ok((second, viewer))
    };
    let (second, viewer) = act(&test, add).await.unwrap();
    apply(&test, id).await.unwrap();
    decide(&test, id, Decision::Approve).await.unwrap();
    assert!(may(&test, &first, Permission::SellerProducts).await && may(&test, &second, Permission::SellerProducts).await);
    assert!(!may(&test, &viewer, Permission::SellerView).await);
    let account = act(&test, async move |tx, _| accounts::get(tx, id).await).await.unwrap();
    assert_eq!(account.seller_at, Some(NOW));
}

#[tokio::test]
async fn the_form_is_checked_field_by_field() {
    let test = TestMarket::new().await;
    let (account, _) = open_account(&test, "Acme", "wang.fang").await.unwrap();
    type Spoil = fn(&mut Application);
    let cases: &[(&str, Spoil)] = &[
        ("company", |a| a.company = "A".to_owned()),
        ("website", |a| a.website = "www.acme.example.com".to_owned()),
        ("website", |a| a.website = "https://192.0.2.1/".to_owned()),
        ("website", |a| a.website = "https://[2001:db8::1]/".to_owned()),
        ("website", |a| a.website = "https://intranet/".to_owned()),
        ("website", |a| a.website = "ftp://www.acme.example.com/".to_owned()),
        ("website", |a| a.website = "https://wang@www.acme.example.com/".to_owned()),
        ("contact_name", |a| a.contact_name.clear()),
        ("contact_email", |a| a.contact_email = "sales".to_owned()),
        ("contact_phone", |a| a.contact_phone.clear()),
        ("bank.name", |a| a.bank.name.clear()),
        ("bank.number", |a| a.bank.number = "12345".to_owned()),
        ("bank.number", |a| a.bank.number = "1".repeat(35)),
        ("bank.number", |a| a.bank.number = "六二二二〇二".to_owned()),
    ];
    for (field, spoil) in cases {
        let mut spoiled = application();
        spoil(&mut spoiled);
        let db::Error::Refused(refusal) = apply_at(&test, NOW, account.id, spoiled).await.unwrap_err() else { panic!("{field}") };
        assert_eq!((refusal.code, &refusal.args[0]), (Code::FieldInvalid, &("field", (*field).to_owned())));
    }
}

#[tokio::test]
async fn a_seller_leaves_when_no_order_is_open_and_may_come_back_later() {
    let test = TestMarket::new().await;
    let (account, owner) = open_seller(&test, "Acme", "wang.fang").await;
    let id = account.id;
    let exit = async |open_order: Option<&'static str>| {
        act(&test, async move |tx, ctx| sellers::exit(tx, ctx, id, open_order, "closes its business").await).await
    };
    assert_eq!(exit(Some("CS2601010800AAAAAAAAAA")).await.refused(), Code::OrderOpen);
    assert!(may(&test, &owner, Permission::SellerView).await);
    assert_eq!(exit(None).await.unwrap().state, SellerState::Exited);
    assert!(!may(&test, &owner, Permission::SellerView).await);
    assert_eq!(exit(None).await.refused(), Code::NotSeller);
    assert_eq!(create_key(&test, id, None).await.refused(), Code::NotSeller);
    assert_eq!(apply_at(&test, NOW + 89 * DAY_MS, id, application()).await.refused(), Code::SellerExited);
    assert_eq!(apply_at(&test, NOW + 90 * DAY_MS, id, application()).await.unwrap().state, SellerState::Applied);
}

#[tokio::test]
async fn the_operator_sees_who_waits() {
    let test = TestMarket::new().await;
    open_seller(&test, "Acme", "wang.fang").await;
    let mut waiting = Vec::new();
    for (name, login) in [("Beta", "u.1"), ("Gamma", "u.2"), ("Delta", "u.3")] {
        let (account, _) = open_account(&test, name, login).await.unwrap();
        apply(&test, account.id).await.unwrap();
        waiting.push(account.id);
    }
    waiting.sort_unstable();
    let list = async |state: Option<SellerState>, after: String| {
        let page = PageRequest { after, limit: 2 };
        let page = act(&test, async move |tx, _| sellers::list(tx, state, &page).await).await.unwrap();
        (page.items.into_iter().map(|seller| seller.account_id).collect::<Vec<_>>(), page.next)
    };
    let (first, next) = list(Some(SellerState::Applied), String::new()).await;
    let (second, end) = list(Some(SellerState::Applied), next.unwrap()).await;
    assert_eq!(([first, second].concat(), end), (waiting, None));
    assert_eq!(list(Some(SellerState::Approved), String::new()).await.0.len(), 1);
    let (first, next) = list(None, String::new()).await;
    assert_eq!((first.len(), list(None, next.unwrap()).await.0.len()), (2, 2));
}

#[tokio::test]
async fn contacts_change_without_a_review_from_what_was_read() {
    let test = TestMarket::new().await;
    let (account, _) = open_seller(&test, "Acme", "wang.fang").await;
    let id = account.id;
    let before = act(&test, async move |tx, _| sellers::get(tx, id).await).await.unwrap();
    let update = async |bank: Option<BankAccount>, version: i64| {
        let market = test.market.clone();
        let details = SellerDetails {
            website: "https://acme.example.org/about".to_owned(),
            contact_name: "李雷".to_owned(),
            contact_email: "li.lei@acme.example.org".to_owned(),
            contact_phone: "010-12345678".to_owned(),
            bank,
        };
        let update =
            async move |tx: &mut Tx, ctx: &Ctx| sellers::update_details(tx, ctx, market.vault(), id, details.clone(), Some(version)).await;
        act(&test, update).await
    };
    let after = update(None, before.version).await.unwrap();
    assert_eq!((after.contact_name.as_str(), after.bank_account_hint.as_str(), after.company), ("李雷", "0123", before.company));
    assert_eq!(update(None, before.version).await.refused(), Code::VersionStale);
    let iban = BankAccount { name: "Sparkasse".to_owned(), number: "DE02 1203 0000 0000 2020 51".to_owned() };
    assert_eq!(update(Some(iban.clone()), after.version).await.unwrap().bank_account_hint, "2051");
    let market = test.market.clone();
    let shown = act(&test, async move |tx, ctx| sellers::reveal_bank_account(tx, ctx, market.vault(), id).await).await.unwrap();
    assert_eq!((shown.name.as_str(), shown.number.as_str()), ("Sparkasse", "DE02120300000000202051"));
    assert!(!format!("{shown:?}").contains("2051"));
    let trail = act(&test, async move |tx, _| market::audit::search(tx, None, &PageRequest::default()).await).await.unwrap().items;
    assert!(trail.iter().any(|entry| entry.action == "sellers.bank_account_shown"));

    let (other, _) = open_account(&test, "Beta", "li.lei").await.unwrap();
    apply(&test, other.id).await.unwrap();
    decide(&test, other.id, rejection("no")).await.unwrap();
    let (market, id) = (test.market.clone(), other.id);
    let details = SellerDetails {
        website: "https://acme.example.org/".to_owned(),
        contact_name: "李雷".to_owned(),
        contact_email: "li.lei@acme.example.org".to_owned(),
        contact_phone: "010-12345678".to_owned(),
        bank: None,
    };
    let update = async move |tx: &mut Tx, ctx: &Ctx| sellers::update_details(tx, ctx, market.vault(), id, details.clone(), None).await;
    assert_eq!(act(&test, update).await.refused(), Code::NotSeller);
}

#[tokio::test]
async fn a_key_signs_for_its_addresses_and_outlives_them() {
    let test = TestMarket::new().await;
    let (acme, _) = open_seller(&test, "Acme", "wang.fang").await;
    let (beta, _) = open_seller(&test, "Beta", "li.lei").await;
    let (key, secret) = create_key(&test, acme.id, None).await.unwrap();
    assert!(secret.len() == 36 && secret == secret.to_lowercase() && secret.ends_with(&key.hint));
    assert_eq!(uuid::Uuid::parse_str(&secret).unwrap().get_version_num(), 4);
    let (brought, brought_secret) = create_key(&test, acme.id, Some("k3y!with#all-kinds~of^signs")).await.unwrap();
    assert_eq!(brought_secret, "k3y!with#all-kinds~of^signs");

    let address = create_address(&test, acme.id, key.id).await.unwrap();
    assert_eq!(access_key_for(&test, address.id).await.unwrap(), secret);
    assert_eq!(create_address(&test, beta.id, key.id).await.refused(), Code::FieldInvalid);
    assert_eq!(retire_key(&test, beta.id, key.id).await.refused(), Code::NotFound);
    assert_eq!(retire_key(&test, acme.id, key.id).await.refused(), Code::AddressInUse);

    assert_eq!(retire_address(&test, acme.id, address.id, Usage::InUse).await.refused(), Code::AddressInUse);
    assert_eq!(retire_address(&test, beta.id, address.id, Usage::Unused).await.refused(), Code::NotFound);
    let retired = retire_address(&test, acme.id, address.id, Usage::Unused).await.unwrap();
    assert_eq!(retired.retired_at, Some(NOW));
    assert_eq!(retire_address(&test, acme.id, address.id, Usage::InUse).await.unwrap(), retired);
    assert_eq!(retire_key(&test, acme.id, key.id).await.unwrap().retired_at, Some(NOW));
    assert_eq!(create_address(&test, acme.id, key.id).await.refused(), Code::FieldInvalid);
    // Subscriptions that were opened there are still served.
    assert_eq!(access_key_for(&test, address.id).await.unwrap(), secret);
    create_address(&test, acme.id, brought.id).await.unwrap();

    let id = acme.id;
    let listed = act(&test, async move |tx, _| sellers::keys(tx, id, &PageRequest::default()).await).await.unwrap().items;
    assert_eq!(listed.len(), 2);
    let listed = act(&test, async move |tx, _| sellers::addresses(tx, id, &PageRequest::default()).await).await.unwrap().items;
    assert_eq!(listed.len(), 2);
}

#[tokio::test]
async fn an_address_moves_from_what_was_read_to_a_key_of_the_same_seller() {
    let test = TestMarket::new().await;
    let (acme, _) = open_seller(&test, "Acme", "wang.fang").await;
    let (beta, _) = open_seller(&test, "Beta", "li.lei").await;
    let (old_key, _) = create_key(&test, acme.id, None).await.unwrap();
    let (new_key, new_secret) = create_key(&test, acme.id, None).await.unwrap();
    let (foreign_key, _) = create_key(&test, beta.id, None).await.unwrap();
    let address = create_address(&test, acme.id, old_key.id).await.unwrap();
    let update = async |seller: AccountId, key: SellerKeyId, version: Option<i64>| {
        let id = address.id;
        let update = async move |tx: &mut Tx, ctx: &Ctx| {
            sellers::update_address(tx, ctx, seller, id, input("http://new.example.com:8443/produce", key), version).await
        };
        act(&test, update).await
    };
    assert_eq!(update(acme.id, foreign_key.id, None).await.refused(), Code::FieldInvalid);
    assert_eq!(update(beta.id, foreign_key.id, None).await.refused(), Code::NotFound);
    let moved = update(acme.id, new_key.id, Some(1)).await.unwrap();
    assert_eq!((moved.url.as_str(), moved.version), ("http://new.example.com:8443/produce", 2));
    assert_eq!(access_key_for(&test, address.id).await.unwrap(), new_secret);
    assert_eq!(update(acme.id, new_key.id, Some(1)).await.refused(), Code::VersionStale);
    // A retired address can still be moved: its subscriptions live on.
    retire_address(&test, acme.id, address.id, Usage::Unused).await.unwrap();
    update(acme.id, new_key.id, None).await.unwrap();
    let (seller, id) = (acme.id, address.id);
    let now = act(&test, async move |tx, _| sellers::get_address(tx, seller, id).await).await.unwrap();
    assert_eq!((now.retired_at, now.version), (Some(NOW), 4));
}

#[tokio::test]
async fn only_sellers_have_keys_and_addresses_and_not_many() {
    let test = TestMarket::new().await;
    let (buyer, _) = open_account(&test, "Buyer", "li.lei").await.unwrap();
    assert_eq!(create_key(&test, buyer.id, None).await.refused(), Code::NotSeller);
    apply(&test, buyer.id).await.unwrap();
    assert_eq!(create_key(&test, buyer.id, None).await.refused(), Code::NotSeller);

    let (acme, _) = open_seller(&test, "Acme", "wang.fang").await;
    for wrong in ["short", "with a space", "云云云云云云云云", &"k".repeat(129)] {
        assert_eq!(create_key(&test, acme.id, Some(wrong)).await.refused(), Code::FieldInvalid, "{wrong}");
    }
    let (key, _) = create_key(&test, acme.id, Some("8letters")).await.unwrap();
    assert_eq!(key.hint, "rs");
    for _ in 1..KEYS_MAX {
        create_key(&test, acme.id, None).await.unwrap();
    }
    assert_eq!(create_key(&test, acme.id, None).await.refused(), Code::TooMany);
    for _ in 0..ADDRESSES_MAX {
        create_address(&test, acme.id, key.id).await.unwrap();
    }
    assert_eq!(create_address(&test, acme.id, key.id).await.refused(), Code::TooMany);
    assert_eq!(create_address(&test, buyer.id, key.id).await.refused(), Code::NotSeller);
}

#[tokio::test]
async fn bank_accounts_and_signing_keys_lie_sealed() {
    let test = TestMarket::new().await;
    let (acme, _) = open_seller(&test, "Acme", "wang.fang").await;
    let (_, made) = create_key(&test, acme.id, None).await.unwrap();
    let (_, brought) = create_key(&test, acme.id, Some("k3y!with#all-kinds~of^signs")).await.unwrap();
    let (id, market) = (acme.id, test.market.clone());
    act(&test, async move |tx, ctx| sellers::reveal_bank_account(tx, ctx, market.vault(), id).await).await.unwrap();
    assert_eq!(places_of(&test, "https://www.acme.example.com/").await, ["audit.detail", "sellers.website"]);
    for secret in [SEALED_BANK_NUMBER, BANK_NUMBER, &made, &brought] {
        assert_eq!(places_of(&test, secret).await, Vec::<String>::new());
    }
}
