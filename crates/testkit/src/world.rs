//! A small sandbox market with people in it, on a database of its own: what a test begins with.
//!
//! Everything is made by the use cases that the doors call, nothing by inserting rows. A test ends with [`World::finish`], which checks what
//! must hold at the end of any history: no job left over, the ledger balanced and its chain whole, every statement right, and what is held
//! for orders is what they wait for. A test that forgets it fails.

use std::time::Duration;

use db::scratch::Scratch;
use db::{Db, jobs};
use kernel::{AccountId, Actor, Ctx, DAY_MS, Entropy, Locale, Period, PeriodUnit, ProductId, SkuId, SubscriptionId};
use market::accounts::{self, AccountKind, NewAccount, NewUser, PasswordHash};
use market::catalog::{
    self, ChargingMode, EditionContent, PriceContent, PriceUnit, ProductContent, QuantityRule, RefundRule, SkuContent, Texts,
};
use market::edition::{Edition, EditionKind, TaxKind};
use market::ledger::{self, NewDeposit};
use market::orders::{self, Order, PurchaseItem, RenewalInput};
use market::page::PageRequest;
use market::runner::{self, Progress, To};
use market::sellers::{self as seller_accounts, AddressInput, Application, BankAccount, Decision, Dialect};
use market::subscriptions::{self, Subscription};
use market::views::books;
use market::{MIGRATIONS, MachineTime, Market, Mode, Setup, settlement};

use crate::sellers::{ScriptedSeller, client};

/// The password of everybody in a world.
pub const PASSWORD: &str = "correct-horse-7";
/// Where the clock of a world begins: 5 January 2026, 10:00 in Shanghai.
pub const BEGIN: i64 = 1_767_578_400_000;
/// How long the market of a world waits for a seller.
pub const SELLER_TIMEOUT: Duration = Duration::from_millis(700);

/// A seller of a world: an account, and a server on loopback.
#[derive(Debug)]
pub struct Shop {
    /// The account.
    pub account: AccountId,
    /// Its server.
    pub server: ScriptedSeller,
    /// Its production address.
    pub address: kernel::AddressId,
}

/// What a shop sells.
#[derive(Clone, Debug)]
pub struct Goods {
    /// The product.
    pub product: ProductId,
    /// Sold by the month (¥100.00 a user) and the year (¥1,000.00 a user), 1 to 500 users.
    pub basic: SkuId,
    /// The larger one: ¥250.00 and ¥2,500.00.
    pub pro: SkuId,
    /// Once, ¥80.00, one of it; not returnable.
    pub once: SkuId,
}

/// A market with people in it.
#[derive(Debug)]
pub struct World {
    /// The market.
    pub market: Market,
    /// The operator's account.
    pub operator: AccountId,
    scratch: Scratch,
    password: PasswordHash,
    finished: bool,
}

impl World {
    /// A new market in the CN edition whose clock stands at [`BEGIN`].
    ///
    /// # Panics
    /// When the database or the operator cannot be made.
    pub async fn new() -> Self {
        Self::with(|_| {}).await
    }

    /// The same with other numbers of the business.
    ///
    /// # Panics
    /// As [`World::new`].
    pub async fn with(change: impl FnOnce(&mut Edition)) -> Self {
        let scratch = Scratch::new(MIGRATIONS).await.expect("a scratch database");
        let db = Db::open(scratch.options.clone()).await.expect("an open database");
        let mut edition = Edition::defaults(EditionKind::Cn);
        change(&mut edition);
        let entropy = Entropy::from_seed([42; 32]);
        let password = PasswordHash::new(PASSWORD, "somebody", &entropy).expect("a good password");
        let market = open(db, edition, entropy, MachineTime::real()).await;
        let clock = *market.clock();
        market.db().write(async move |tx| clock.begin_at(tx, BEGIN).await).await.expect("a clock that begins");
        let mut world = Self { market, operator: AccountId::new(0, &Entropy::from_seed([0; 32])), scratch, password, finished: false };
        let (account, owner) = world.person("operator");
        world.operator =
            world.act(async move |tx, ctx, _| Ok(accounts::create_operator(tx, ctx, account.clone(), owner.clone()).await?.0.id)).await;
        world
    }

    /// A second process on the same database.
    ///
    /// # Panics
    /// When it cannot be opened.
    pub async fn another_process(&self) -> Market {
        self.another_process_with(|_| {}).await
    }

    /// A second process on the same database, started with other numbers of the business.
    ///
    /// # Panics
    /// When it cannot be opened.
    pub async fn another_process_with(&self, change: impl FnOnce(&mut Edition)) -> Market {
        let mut edition = self.market.edition().clone();
        change(&mut edition);
        self.another(edition, MachineTime::real()).await
    }

    /// A second process on a machine whose time is another.
    ///
    /// # Panics
    /// When it cannot be opened.
    pub async fn another_machine(&self, time: MachineTime) -> Market {
        self.another(self.market.edition().clone(), time).await
    }

    async fn another(&self, edition: Edition, time: MachineTime) -> Market {
        let db = Db::open(self.scratch.options.clone()).await.expect("an open database");
        open(db, edition, Entropy::from_seed([43; 32]), time).await
    }

    /// Runs a use case as one transaction at the market's time.
    ///
    /// # Panics
    /// When it is refused or fails; see [`World::try_act`].
    pub async fn act<T, F>(&self, work: F) -> T
    where
        T: Send + 'static,
        F: AsyncFn(&mut db::Tx, &Ctx, &Market) -> db::Result<T> + Send + 'static,
    {
        match self.try_act(work).await {
            Ok(value) => value,
            Err(error) => panic!("{error}: {:?}", std::error::Error::source(&error)),
        }
    }

    /// The same, giving what the use case gives.
    ///
    /// # Errors
    /// Those of the use case.
    pub async fn try_act<T, F>(&self, work: F) -> db::Result<T>
    where
        T: Send + 'static,
        F: AsyncFn(&mut db::Tx, &Ctx, &Market) -> db::Result<T> + Send + 'static,
    {
        let ctx = self.market.ctx(Actor::System("test"), Locale::En).await?;
        let market = self.market.clone();
        self.market.db().write(async move |tx| work(tx, &ctx, &market).await).await
    }

    /// The market's time, ms UTC.
    ///
    /// # Panics
    /// When the database does not answer.
    pub async fn now(&self) -> i64 {
        self.market.ctx(Actor::System("test"), Locale::En).await.expect("a clock").now
    }

    /// Does what is due, without moving the clock.
    ///
    /// # Panics
    /// When the runner fails.
    pub async fn settle_down(&self) -> Progress {
        runner::advance(&self.market, To::Now, |_| {}).await.expect("a clock that runs")
    }

    /// Moves the clock forward by so many milliseconds and does everything that is due on the way.
    ///
    /// # Panics
    /// When the runner fails.
    pub async fn pass(&self, ms: i64) -> Progress {
        let to = self.now().await + ms;
        runner::advance(&self.market, To::Moment(to), |_| {}).await.expect("a clock that runs")
    }

    /// Moves the clock forward by so many days.
    ///
    /// # Panics
    /// As [`World::pass`].
    pub async fn pass_days(&self, days: i64) -> Progress {
        self.pass(days * DAY_MS).await
    }

    fn person(&self, name: &str) -> (NewAccount, NewUser) {
        person(name, Locale::ZhCn, &self.password)
    }

    /// A buyer with so much money on the balance (minor units).
    ///
    /// # Panics
    /// When it cannot be made.
    pub async fn buyer(&self, name: &str, balance_minor: i64) -> AccountId {
        let (account, owner) = self.person(name);
        let id = self.act(async move |tx, ctx, _| Ok(accounts::create_account(tx, ctx, account.clone(), owner.clone()).await?.0.id)).await;
        if balance_minor > 0 {
            self.deposit(id, balance_minor).await;
        }
        id
    }

    /// A bank transfer into a buyer's balance.
    ///
    /// # Panics
    /// When it is refused.
    pub async fn deposit(&self, account_id: AccountId, amount_minor: i64) {
        let reference = self.market.entropy().bytes::<8>().iter().map(|b| format!("{b:02x}")).collect::<String>();
        self.act(async move |tx, ctx, market| {
            let amount = kernel::Money::new(amount_minor, market.edition().currency);
            let new = NewDeposit { account_id, amount, bank_reference: reference.clone(), note: String::new() };
            ledger::record_deposit(tx, ctx, market.edition(), &new).await.map(drop)
        })
        .await;
    }

    /// What a buyer has on the balance, minor units.
    ///
    /// # Panics
    /// When the database does not answer.
    pub async fn balance(&self, account: AccountId) -> i64 {
        self.act(async move |tx, _, market| ledger::wallet(tx, account, market.edition().currency).await).await
    }

    /// An approved seller with a server on loopback and a production address.
    ///
    /// # Panics
    /// When it cannot be made.
    pub async fn shop(&self, name: &str) -> Shop {
        let server = ScriptedSeller::start().await;
        let (account, owner) = self.person(name);
        let (url, key) = (server.url(), server.access_key());
        let title = account.title.clone();
        let (account, address) = self
            .act(async move |tx, ctx, market| {
                let id = accounts::create_account(tx, ctx, account.clone(), owner.clone()).await?.0.id;
                let application = Application {
                    company: title.clone(),
                    website: "https://www.example.com".to_owned(),
                    contact_name: "Wang".to_owned(),
                    contact_email: "wang@example.com".to_owned(),
                    contact_phone: "+86 755 1234567".to_owned(),
                    bank: BankAccount { name: "Bank of Examples".to_owned(), number: "6222020200112233".to_owned() },
                };
                seller_accounts::apply(tx, ctx, market.vault(), id, application).await?;
                seller_accounts::decide(tx, ctx, id, Decision::Approve).await?;
                let (key, _) = seller_accounts::create_key(tx, ctx, market.vault(), id, "main", Some(key.clone())).await?;
                let url = seller_accounts::check_url(&url, &|_| Ok(()))?;
                let input = AddressInput { name: "main".to_owned(), url, dialect: Dialect::KoogalleryV2, key_id: key.id };
                Ok((id, seller_accounts::create_address(tx, ctx, id, input).await?.id))
            })
            .await;
        Shop { account, server, address }
    }

    /// A published product of a shop.
    ///
    /// # Panics
    /// When it cannot be published.
    pub async fn goods(&self, shop: &Shop) -> Goods {
        let product = self.submission(shop).await;
        let view = self
            .act(async move |tx, ctx, market| {
                let queue = catalog::review_queue(tx, ctx, &PageRequest::default()).await?;
                let listing = queue.items.iter().find(|item| item.product_id == product).map(|item| item.id);
                let listing = listing.ok_or_else(|| db::Error::broken("a submission that is not in the queue"))?;
                catalog::approve(tx, ctx, market.edition(), listing).await?;
                catalog::view(tx, None, product).await
            })
            .await;
        let sku = |edition: usize, sku: usize| view.editions[edition].skus[sku].id;
        Goods { product, basic: sku(0, 0), pro: sku(0, 1), once: sku(1, 0) }
    }

    /// A product of a shop that waits for its review.
    ///
    /// # Panics
    /// When it cannot be submitted.
    pub async fn submission(&self, shop: &Shop) -> ProductId {
        let (seller, content) = (shop.account, content(shop.address));
        self.act(async move |tx, ctx, _| {
            let product = catalog::create(tx, ctx, seller, content.clone()).await?.summary.id;
            catalog::submit(tx, ctx, seller, product).await?;
            Ok(product)
        })
        .await
    }

    /// Places and pays an order; the seller's server has not been called yet.
    ///
    /// # Panics
    /// When it is refused.
    pub async fn buy(&self, buyer: AccountId, item: PurchaseItem) -> Order {
        self.act(async move |tx, ctx, market| {
            let order = orders::place(tx, ctx, market.edition(), buyer, std::slice::from_ref(&item), None).await?;
            orders::pay(tx, ctx, market.edition(), buyer, &order.number).await
        })
        .await
    }

    /// Places and pays a renewal; the seller's server has not been called yet.
    ///
    /// # Panics
    /// When it is refused.
    pub async fn renew(&self, buyer: AccountId, id: SubscriptionId, period: Period) -> Order {
        self.act(async move |tx, ctx, market| {
            let order = orders::place_renewal(tx, ctx, market.edition(), buyer, id, &RenewalInput::same(period), None).await?;
            orders::pay(tx, ctx, market.edition(), buyer, &order.number).await
        })
        .await
    }

    /// Buys and has the instance opened; the subscription in use.
    ///
    /// # Panics
    /// When it is refused.
    pub async fn subscribe(&self, buyer: AccountId, item: PurchaseItem) -> Subscription {
        let order = self.buy(buyer, item).await;
        self.settle_down().await;
        self.subscription(order.lines[0].subscription_id.expect("a subscription")).await
    }

    /// A subscription as it stands.
    ///
    /// # Panics
    /// When there is none.
    pub async fn subscription(&self, id: SubscriptionId) -> Subscription {
        self.act(async move |tx, _, _| subscriptions::get(tx, id).await).await
    }

    /// An order as it stands.
    ///
    /// # Panics
    /// When there is none.
    pub async fn order(&self, number: &str) -> Order {
        let number = number.to_owned();
        self.act(async move |tx, _, _| orders::get(tx, &number).await).await
    }

    /// Checks what must hold at the end of any history: [`reckon`].
    ///
    /// # Panics
    /// When something does not hold, with what it is.
    pub async fn finish(mut self) {
        self.finished = true;
        reckon(&self.market).await;
    }
}

impl Drop for World {
    fn drop(&mut self) {
        assert!(self.finished || std::thread::panicking(), "a test with a World must end with world.finish().await");
    }
}

/// An account and its owner, who go by the same name.
#[must_use]
pub fn person(name: &str, locale: Locale, password: &PasswordHash) -> (NewAccount, NewUser) {
    let account = NewAccount { name: name.to_owned(), kind: AccountKind::Enterprise, title: format!("{name} Ltd") };
    let user = NewUser {
        login: name.to_owned(),
        name: name.to_owned(),
        email: format!("{name}@example.com"),
        phone: String::new(),
        locale,
        password: password.clone(),
    };
    (account, user)
}

/// Does what is due in a sandbox market and checks what must hold at the end of any history: no job left over, the ledger balanced and its
/// chain whole, every statement right, and what is held for orders is what they wait for. Jobs that are planned for later, such as the next
/// month's settlement, may remain.
///
/// # Panics
/// When something does not hold, with what it is.
pub async fn reckon(market: &Market) {
    runner::advance(market, To::Now, |_| {}).await.expect("a clock that runs");
    let now = market.ctx(Actor::System("test"), Locale::En).await.expect("a clock").now;
    let left = market.db().read(async |tx| jobs::list(tx, ("", ""), 100).await).await.expect("jobs that can be read");
    let overdue: Vec<_> = left.iter().filter(|report| report.job.due_at <= now || report.last_error.is_some()).collect();
    assert!(overdue.is_empty(), "jobs are left over: {overdue:#?}");
    let verified = ledger::verify(market.db(), |_| {}).await.expect("a ledger that can be read");
    assert!(verified.problems.is_empty(), "the ledger is wrong: {:#?}", verified.problems);
    let statements = settlement::verify_statements(market.db(), |_| {}).await.expect("statements that can be read");
    assert!(statements.problems.is_empty(), "statements are wrong: {:#?}", statements.problems);
    let orders = books::verify_orders(market.db()).await.expect("orders that can be read");
    assert!(orders.problems.is_empty(), "what is held is not what orders wait for: {:#?}", orders.problems);
}

async fn open(db: Db, edition: Edition, entropy: Entropy, time: MachineTime) -> Market {
    let setup = Setup { db, mode: Mode::Sandbox, edition, master_key: [7; 32], entropy, outbound: client(SELLER_TIMEOUT), mail: None };
    Market::open_at(setup, time).await.expect("a market")
}

/// So many months of `quantity` units of a SKU.
#[must_use]
pub fn months(sku_id: SkuId, count: i64, quantity: i64) -> PurchaseItem {
    PurchaseItem { sku_id, period: Some(Period { unit: PeriodUnit::Month, count }), quantity, renewal: None }
}

/// So many years of `quantity` units of a SKU.
#[must_use]
pub fn years(sku_id: SkuId, count: i64, quantity: i64) -> PurchaseItem {
    PurchaseItem { sku_id, period: Some(Period { unit: PeriodUnit::Year, count }), quantity, renewal: None }
}

/// One of a SKU that is sold once.
#[must_use]
pub fn once(sku_id: SkuId) -> PurchaseItem {
    PurchaseItem { sku_id, period: None, quantity: 1, renewal: None }
}

/// A complete product with a period edition of two SKUs and a one-time edition.
#[must_use]
pub fn content(address: kernel::AddressId) -> ProductContent {
    let price = |unit, amount_minor| PriceContent { unit, amount_minor };
    let users = QuantityRule { min: 1, max: 500, step: 1, unit: Texts::new("用户", "users") };
    let sku = |zh: &str, en: &str, month: i64| SkuContent {
        id: None,
        names: Texts::new(zh, en),
        quantity: users.clone(),
        prices: vec![price(PriceUnit::Month, month), price(PriceUnit::Year, month * 10)],
        change: None,
    };
    let edition = |zh: &str, en: &str, charging_mode, refund_rule, skus| EditionContent {
        id: None,
        names: Texts::new(zh, en),
        charging_mode,
        tax_kind: TaxKind::Software,
        refund_rule,
        address_id: Some(address),
        skus,
    };
    let setup = SkuContent {
        id: None,
        names: Texts::new("上门实施", "On-site setup"),
        quantity: QuantityRule::one(),
        prices: vec![price(PriceUnit::Once, 8_000)],
        change: None,
    };
    ProductContent {
        names: Texts::new("云表格", "Cloud Sheets"),
        overview: Texts::new("团队一起编辑的表格", "Spreadsheets for teams"),
        description: Texts::new("在线协作。", "Work together online."),
        highlights: vec![Texts::new("实时协作", "Live collaboration")],
        category: "other".to_owned(),
        support_email: "help@example.com".to_owned(),
        support_phone: "+86 755 7654321".to_owned(),
        editions: vec![
            edition(
                "标准",
                "Standard",
                ChargingMode::Period,
                RefundRule::NoReason,
                vec![sku("基础版", "Basic", 10_000), sku("专业版", "Pro", 25_000)],
            ),
            edition("实施", "Setup", ChargingMode::OneTime, RefundRule::None, vec![setup]),
        ],
    }
}
