//! A market with somebody who sells and people who buy, made by the use cases that the doors call, before any process is started.

use std::collections::BTreeSet;

use db::Db;
use kernel::{AccountId, Actor, Ctx, DAY_MS, Entropy, Locale, Refusal, SkuId};
use market::accounts::{self, NewAccount, NewToken, NewUser, PasswordHash, Permission, User};
use market::edition::{Edition, EditionKind};
use market::ledger::{self, NewDeposit};
use market::page::PageRequest;
use market::sellers::{self, AddressInput, Application, BankAccount, Decision, Dialect};
use market::{Market, Mode, Setup, catalog};
use serde_json::{Value, json};
use testkit::sellers::ScriptedSeller;
use testkit::world::{self, content};

use crate::place::{MASTER_KEY, Place};

/// What each buyer has at the beginning, minor units.
pub(crate) const DEPOSIT: i64 = 100_000_000;
/// What one unit costs for a month, minor units.
pub(crate) const PRICE: i64 = 10_000;

/// Somebody who may do everything that their account may.
#[derive(Clone, Debug)]
pub(crate) struct Person {
    pub(crate) account: AccountId,
    /// An API token with every scope that they have.
    pub(crate) token: String,
}

/// A pair that a seller's server signs with.
#[derive(Clone, Debug)]
pub(crate) struct Pair {
    pub(crate) access_key: String,
    pub(crate) secret_key: String,
}

/// A market, its people, and a seller's server that outlives every process of the market.
pub(crate) struct Fair {
    pub(crate) place: Place,
    pub(crate) server: ScriptedSeller,
    pub(crate) operator: Person,
    pub(crate) pair: Pair,
    pub(crate) buyers: Vec<Person>,
    /// Sold by the month for [`PRICE`] a unit.
    pub(crate) sku: SkuId,
}

impl Fair {
    /// A new market with so many buyers.
    pub(crate) async fn new(mode: Mode, buyers: usize) -> Self {
        Self::at(Place::new(mode).await, buyers).await
    }

    pub(crate) async fn at(place: Place, buyers: usize) -> Self {
        let server = ScriptedSeller::start().await;
        let maker = Maker::new(place.db().await, place.mode).await;
        let operator = maker.operator().await;
        let (sku, pair) = maker.seller(&server).await;
        let mut people = Vec::new();
        for n in 1..=buyers {
            people.push(maker.buyer(&format!("buyer{n}")).await);
        }
        Self { place, server, operator, pair, buyers: people, sku }
    }

    /// The body of an order for so many units and one month.
    pub(crate) fn order(&self, quantity: i64) -> Value {
        order_of(self.sku, quantity)
    }
}

/// The body of an order for so many units of a SKU and one month.
pub(crate) fn order_of(sku: SkuId, quantity: i64) -> Value {
    json!({ "items": [{ "sku_id": sku, "period": { "unit": "month", "count": 1 }, "quantity": quantity }] })
}

struct Maker {
    market: Market,
    password: PasswordHash,
}

impl Maker {
    async fn new(db: Db, mode: Mode) -> Self {
        let entropy = Entropy::from_seed([42; 32]);
        let password = PasswordHash::new("correct-horse-7", "somebody", &entropy).unwrap();
        let outbound = outbound::Client::new(outbound::Settings::default()).unwrap();
        let edition = Edition::defaults(EditionKind::Cn);
        let market = Market::open(Setup { db, mode, edition, master_key: MASTER_KEY, entropy, outbound, mail: None }).await.unwrap();
        Self { market, password }
    }

    async fn act<T, F>(&self, work: F) -> T
    where
        T: Send + 'static,
        F: AsyncFn(&mut db::Tx, &Ctx, &Market) -> db::Result<T> + Send + 'static,
    {
        let ctx = self.market.ctx(Actor::System("test"), Locale::En).await.unwrap();
        let market = self.market.clone();
        self.market.db().write(async move |tx| work(tx, &ctx, &market).await).await.unwrap()
    }

    fn person(&self, name: &str) -> (NewAccount, NewUser) {
        world::person(name, Locale::En, &self.password)
    }

    /// A token with everything that somebody may do now.
    async fn token(&self, account: AccountId, user: &User) -> String {
        let user = user.id;
        self.act(async move |tx, ctx, _| {
            let principal = accounts::principal(tx, account, user).await?;
            let scopes: BTreeSet<Permission> = principal.permissions.clone();
            let new = NewToken { name: "test".to_owned(), scopes, expires_at: ctx.wall + DAY_MS };
            Ok(accounts::create_token(tx, ctx, &principal, new).await?.1)
        })
        .await
    }

    async fn operator(&self) -> Person {
        let (account, owner) = self.person("operator");
        let (account, user) =
            self.act(async move |tx, ctx, _| accounts::create_operator(tx, ctx, account.clone(), owner.clone()).await).await;
        Person { account: account.id, token: self.token(account.id, &user).await }
    }

    async fn account(&self, name: &str) -> (AccountId, User) {
        let (account, owner) = self.person(name);
        let (account, user) =
            self.act(async move |tx, ctx, _| accounts::create_account(tx, ctx, account.clone(), owner.clone()).await).await;
        (account.id, user)
    }

    async fn buyer(&self, name: &str) -> Person {
        let (account, user) = self.account(name).await;
        let reference = name.to_owned();
        self.act(async move |tx, ctx, market| {
            let amount = kernel::Money::new(DEPOSIT, market.edition().currency);
            let new = NewDeposit { account_id: account, amount, bank_reference: reference.clone(), note: String::new() };
            ledger::record_deposit(tx, ctx, market.edition(), &new).await.map(drop)
        })
        .await;
        Person { account, token: self.token(account, &user).await }
    }

    async fn seller(&self, server: &ScriptedSeller) -> (SkuId, Pair) {
        let (account, user) = self.account("nebula").await;
        let (url, key, person) = (server.url(), server.access_key(), user.id);
        self.act(async move |tx, ctx, market| {
            sellers::apply(tx, ctx, market.vault(), account, application()).await?;
            sellers::decide(tx, ctx, account, Decision::Approve).await?;
            let (key, _) = sellers::create_key(tx, ctx, market.vault(), account, "main", Some(key.clone())).await?;
            let url = sellers::check_url(&url, &|_| Ok(()))?;
            let input = AddressInput { name: "main".to_owned(), url, dialect: Dialect::KoogalleryV2, key_id: key.id };
            let address = sellers::create_address(tx, ctx, account, input).await?.id;
            let product = catalog::create(tx, ctx, account, content(address)).await?.summary.id;
            catalog::submit(tx, ctx, account, product).await?;
            let queue = catalog::review_queue(tx, ctx, &PageRequest::default()).await?;
            let listing = queue.items.first().ok_or_else(|| Refusal::new(kernel::Code::NotFound))?.id;
            catalog::approve(tx, ctx, market.edition(), listing).await?;
            let sku = catalog::view(tx, None, product).await?.editions[0].skus[0].id;
            let (view, secret_key) = accounts::create_access_key(tx, ctx, market.vault(), account, person, "server").await?;
            Ok((sku, Pair { access_key: view.access_key, secret_key }))
        })
        .await
    }
}

fn application() -> Application {
    Application {
        company: "星云科技有限公司".to_owned(),
        website: "https://nebula.example.com".to_owned(),
        contact_name: "李伟".to_owned(),
        contact_email: "li.wei@example.com".to_owned(),
        contact_phone: "+86 755 1234567".to_owned(),
        bank: BankAccount { name: "Bank of Examples".to_owned(), number: "6222020200112233".to_owned() },
    }
}
