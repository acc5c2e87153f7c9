//! A market with people in it, made by the use cases that the doors call, many in one transaction.
//!
//! Everything comes from one seed, so that two runs measure the same: names, keys, prices and choices.

use std::sync::Arc;

use anyhow::Context;
use db::scratch::Scratch;
use db::{Db, Durability, Location, Options, Tx};
use kernel::{AccountId, Actor, Ctx, DAY_MS, Entropy, Locale, Money, SkuId, UserId};
use market::accounts::{self, AccountKind, NewAccount, NewToken, NewUser, PasswordHash, Permission};
use market::catalog::{
    self, ChargingMode, EditionContent, PriceContent, PriceUnit, ProductContent, QuantityRule, RefundRule, SkuContent, Texts,
};
use market::edition::{Edition, EditionKind, TaxKind};
use market::ledger::{self, NewDeposit};
use market::page::PageRequest;
use market::sellers::{self, AddressInput, Application, BankAccount, Decision, Dialect};
use market::{MIGRATIONS, Market, Mode, Setup};

/// The master key of every measured market; nothing in it is worth hiding.
const MASTER_KEY: [u8; 32] = [7; 32];
/// Connections to PostgreSQL, of the measuring process and of the server each.
pub(crate) const CONNECTIONS: usize = 32;
/// Accounts made in one transaction.
const BATCH: usize = 100;
/// What a buyer has: more than can be spent in a measurement.
const BALANCE_MINOR: i64 = 1_000_000_000_000;
/// What a month of the first product costs.
pub(crate) const PRICE_MINOR: i64 = 10_000;

/// A buyer who can be measured.
#[derive(Clone, Debug)]
pub(crate) struct Buyer {
    /// The account.
    pub(crate) account: AccountId,
    /// Its owner.
    pub(crate) user: UserId,
    /// The value of `Authorization`.
    pub(crate) bearer: String,
}

/// Something to buy.
#[derive(Clone, Debug)]
pub(crate) struct Good {
    /// What.
    pub(crate) sku: SkuId,
    /// What a month of one costs, minor units.
    pub(crate) month_minor: i64,
}

/// A market with people in it.
#[derive(Debug)]
pub(crate) struct Town {
    /// The market, as this process has opened it.
    pub(crate) market: Market,
    /// Who buys.
    pub(crate) buyers: Arc<Vec<Buyer>>,
    /// What is sold.
    pub(crate) goods: Arc<Vec<Good>>,
    scratch: Scratch,
    folder: tempfile::TempDir,
}

/// How many of what a town has.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Size {
    /// Accounts that buy.
    pub(crate) buyers: usize,
    /// Accounts that sell, one product each.
    pub(crate) sellers: usize,
}

/// Where a town is built.
#[derive(Clone, Debug)]
pub(crate) struct Ground {
    /// The PostgreSQL server; SQLite when there is none.
    pub(crate) server: Option<String>,
    /// The folder for files.
    pub(crate) folder: std::path::PathBuf,
    /// What everything comes from.
    pub(crate) seed: u64,
}

impl Ground {
    /// An empty database with the schema, and how to open it as a market would.
    ///
    /// # Errors
    /// When it cannot be made.
    pub(crate) async fn scratch(&self) -> db::Result<(Scratch, Options)> {
        let scratch = match &self.server {
            None => Scratch::in_folder(&self.folder, MIGRATIONS).await?,
            Some(server) => Scratch::on_server(server.clone(), MIGRATIONS).await?,
        };
        let options = Options { durability: Durability::Full, connections: CONNECTIONS, ..scratch.options.clone() };
        Ok((scratch, options))
    }

    /// The stream of randomness that `purpose` numbers.
    #[must_use]
    pub(crate) fn entropy(&self, purpose: u8) -> Entropy {
        let mut seed = [purpose; 32];
        seed[..8].copy_from_slice(&self.seed.to_be_bytes());
        Entropy::from_seed(seed)
    }
}

impl Town {
    /// Builds a town. `url_of` gives the production address of the seller of a number.
    ///
    /// # Errors
    /// When the database refuses or a use case does.
    pub(crate) async fn build(ground: &Ground, size: Size, url_of: impl Fn(usize) -> String) -> anyhow::Result<Self> {
        let (scratch, options) = ground.scratch().await?;
        let folder = tempfile::Builder::new().prefix("yunshi-bench-").tempdir_in(&ground.folder)?;
        let db = Db::open(options).await?;
        let market = open(db, ground.entropy(1)).await?;
        let people = People { password: PasswordHash::new("correct-horse-7", "somebody", &ground.entropy(2)).map_err(db::Error::from)? };
        people.operator(&market).await?;
        let mut goods = Vec::new();
        for first in (0..size.sellers).step_by(BATCH) {
            let batch = (first..size.sellers.min(first + BATCH)).map(|n| (n, url_of(n))).collect();
            goods.extend(people.sellers(&market, batch).await?);
        }
        let mut buyers = Vec::new();
        for first in (0..size.buyers).step_by(BATCH) {
            buyers.extend(people.buyers(&market, (first..size.buyers.min(first + BATCH)).collect()).await?);
        }
        Ok(Self { market, buyers: Arc::new(buyers), goods: Arc::new(goods), scratch, folder })
    }

    /// How the database is opened.
    #[must_use]
    pub(crate) fn options(&self) -> Options {
        Options { durability: Durability::Full, connections: CONNECTIONS, ..self.scratch.options.clone() }
    }

    /// A folder for the server.
    #[must_use]
    pub(crate) fn folder(&self) -> &std::path::Path {
        self.folder.path()
    }

    /// The settings with which the real program serves this town: only the doors' limits on one client are lifted, and the background is left
    /// to a worker.
    #[must_use]
    pub(crate) fn settings(&self) -> Vec<(String, String)> {
        settings(&self.scratch.options.location)
    }
}

/// The settings with which the real program serves a market at `location`.
#[must_use]
pub(crate) fn settings(location: &Location) -> Vec<(String, String)> {
    let url = match location {
        Location::Sqlite(path) => format!("sqlite:{}", path.display()),
        Location::Postgres(url) => url.clone(),
    };
    let no_limit = "1000000";
    let setting = |name: &str, value: &str| (format!("YUNSHI_{name}"), value.to_owned());
    vec![
        setting("DATABASE_URL", &url),
        setting("DATABASE_CONNECTIONS", &CONNECTIONS.to_string()),
        setting("MODE", "production"),
        setting("MASTER_KEY", &hex::encode(MASTER_KEY)),
        setting("REQUESTS_PER_SECOND", no_limit),
        setting("REQUESTS_BURST", no_limit),
        setting("WORK_IN_SERVE", "false"),
    ]
}

/// Opens the market of a database: real time, calls to loopback allowed.
///
/// # Errors
/// Those of the database.
pub(crate) async fn open(db: Db, entropy: Entropy) -> anyhow::Result<Market> {
    let policy = outbound::Policy { addresses: outbound::AddressPolicy::AllowLoopback, schemes: outbound::SchemePolicy::AllowHttp };
    let outbound = outbound::Client::new(outbound::Settings { policy, ..outbound::Settings::default() })?;
    let edition = Edition::defaults(EditionKind::Cn);
    let setup = Setup { db, mode: Mode::Production, edition, master_key: MASTER_KEY, entropy, outbound };
    Ok(Market::open(setup).await?)
}

/// Makes people. Everybody has one password, for hashing takes as long as an order.
struct People {
    password: PasswordHash,
}

impl People {
    fn person(&self, name: &str) -> (NewAccount, NewUser) {
        let account = NewAccount { name: name.to_owned(), kind: AccountKind::Enterprise, title: format!("{name} Ltd") };
        let user = NewUser {
            login: name.to_owned(),
            name: name.to_owned(),
            email: format!("{name}@example.com"),
            phone: String::new(),
            locale: Locale::ZhCn,
            password: self.password.clone(),
        };
        (account, user)
    }

    async fn operator(&self, market: &Market) -> anyhow::Result<()> {
        let (account, user) = self.person("operator");
        act(market, async move |tx, ctx, _| accounts::create_operator(tx, ctx, account.clone(), user.clone()).await.map(drop)).await
    }

    async fn buyers(&self, market: &Market, numbers: Vec<usize>) -> anyhow::Result<Vec<Buyer>> {
        let people: Vec<_> = numbers.into_iter().map(|n| (n, self.person(&format!("buyer-{n}")))).collect();
        act(market, async move |tx, ctx, market| {
            let mut made = Vec::new();
            for (n, (account, user)) in &people {
                made.push(buyer(tx, ctx, market, *n, account.clone(), user.clone()).await?);
            }
            Ok(made)
        })
        .await
    }

    async fn sellers(&self, market: &Market, addresses: Vec<(usize, String)>) -> anyhow::Result<Vec<Good>> {
        let people: Vec<_> = addresses.into_iter().map(|(n, url)| (url, self.person(&format!("seller-{n}")))).collect();
        act(market, async move |tx, ctx, market| {
            let mut made = Vec::new();
            for (url, (account, user)) in &people {
                made.push(seller(tx, ctx, market, url, account.clone(), user.clone()).await?);
            }
            Ok(made)
        })
        .await
    }
}

/// Runs a use case as one transaction.
///
/// # Errors
/// Those of the use case.
pub(crate) async fn act<T, F>(market: &Market, work: F) -> anyhow::Result<T>
where
    T: Send + 'static,
    F: AsyncFn(&mut Tx, &Ctx, &Market) -> db::Result<T> + Send + 'static,
{
    let ctx = market.ctx(Actor::System("bench"), Locale::En).await?;
    let same = market.clone();
    market.db().write(async move |tx| work(tx, &ctx, &same).await).await.context("the market refused what the measurement needs")
}

async fn buyer(tx: &mut Tx, ctx: &Ctx, market: &Market, n: usize, account: NewAccount, user: NewUser) -> db::Result<Buyer> {
    let (account, user) = accounts::create_account(tx, ctx, account, user).await?;
    let amount = Money::new(BALANCE_MINOR, market.edition().currency);
    let deposit = NewDeposit { account_id: account.id, amount, bank_reference: format!("BENCH-{n}"), note: String::new() };
    ledger::record_deposit(tx, ctx, market.edition(), &deposit).await?;
    let principal = accounts::principal(tx, account.id, user.id).await?;
    let scopes = [Permission::BuyerView, Permission::BuyerPurchase, Permission::BuyerPay].into_iter().collect();
    let new = NewToken { name: "bench".to_owned(), scopes, expires_at: ctx.wall + 30 * DAY_MS };
    let (_, token) = accounts::create_token(tx, ctx, &principal, new).await?;
    Ok(Buyer { account: account.id, user: user.id, bearer: format!("Bearer {token}") })
}

async fn seller(tx: &mut Tx, ctx: &Ctx, market: &Market, url: &str, account: NewAccount, user: NewUser) -> db::Result<Good> {
    let company = account.title.clone();
    let id = accounts::create_account(tx, ctx, account, user).await?.0.id;
    let application = Application {
        company,
        website: "https://www.example.com".to_owned(),
        contact_name: "Wang".to_owned(),
        contact_email: "wang@example.com".to_owned(),
        contact_phone: "+86 755 1234567".to_owned(),
        bank: BankAccount { name: "Bank of Examples".to_owned(), number: "6222020200112233".to_owned() },
    };
    sellers::apply(tx, ctx, market.vault(), id, application).await?;
    sellers::decide(tx, ctx, id, Decision::Approve).await?;
    let (key, _) = sellers::create_key(tx, ctx, market.vault(), id, "main", Some(ACCESS_KEY.to_owned())).await?;
    let url = sellers::check_url(url, &|_| Ok(()))?;
    let input = AddressInput { name: "main".to_owned(), url, dialect: Dialect::KoogalleryV2, key_id: key.id };
    let address = sellers::create_address(tx, ctx, id, input).await?.id;
    let product = catalog::create(tx, ctx, id, content(address)).await?.summary.id;
    catalog::submit(tx, ctx, id, product).await?;
    let queue = catalog::review_queue(tx, ctx, &PageRequest::default()).await?;
    let listing = queue.items.iter().find(|item| item.product_id == product).map(|item| item.id);
    let listing = listing.ok_or_else(|| db::Error::broken("a submission that is not in the queue"))?;
    catalog::approve(tx, ctx, market.edition(), listing).await?;
    let view = catalog::view(tx, None, product).await?;
    Ok(Good { sku: view.editions[0].skus[0].id, month_minor: PRICE_MINOR })
}

/// The access key that every measured seller's server has.
pub(crate) const ACCESS_KEY: &str = "c0ffee00-0000-4000-8000-000000000001";

/// A complete product with one SKU, sold by the month and the year.
fn content(address: kernel::AddressId) -> ProductContent {
    let price = |unit, amount_minor| PriceContent { unit, amount_minor };
    ProductContent {
        names: Texts::new("云表格", "Cloud Sheets"),
        overview: Texts::new("团队一起编辑的表格", "Spreadsheets for teams"),
        description: Texts::new("在线协作。", "Work together online."),
        highlights: vec![Texts::new("实时协作", "Live collaboration")],
        support_email: "help@example.com".to_owned(),
        support_phone: "+86 755 7654321".to_owned(),
        editions: vec![EditionContent {
            id: None,
            names: Texts::new("标准", "Standard"),
            charging_mode: ChargingMode::Period,
            tax_kind: TaxKind::Software,
            refund_rule: RefundRule::NoReason,
            address_id: Some(address),
            skus: vec![SkuContent {
                id: None,
                names: Texts::new("基础版", "Basic"),
                quantity: QuantityRule { min: 1, max: 500, step: 1, unit: Texts::new("用户", "users") },
                prices: vec![price(PriceUnit::Month, PRICE_MINOR), price(PriceUnit::Year, PRICE_MINOR * 10)],
            }],
        }],
    }
}
