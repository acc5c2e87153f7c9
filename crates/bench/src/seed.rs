//! The people, products and subscriptions of a market, made by the use cases that the doors call, many in one transaction: every row is one that
//! the market itself would have written, and `yunshi verify` finds nothing wrong.
//!
//! Left out: the calls by which sellers would have opened the instances. They stand as made and answered.

use std::time::Instant;

use anyhow::Context;
use db::{Tx, jobs};
use kernel::{AccountId, Actor, AddressId, Ctx, DAY_MS, Locale, Money, Period, PeriodUnit, ProductId};
use market::accounts::{self, AccountKind, NewAccount, NewToken, NewUser, PasswordHash, Permission};
use market::calls::{self, Attempt, AttemptKind, CallState};
use market::catalog::{
    self, ChargingMode, EditionContent, PriceContent, PriceUnit, ProductContent, QuantityRule, RefundRule, SkuContent, Texts,
};
use market::edition::TaxKind;
use market::ledger::{self, NewDeposit};
use market::orders::{self, PurchaseItem};
use market::page::PageRequest;
use market::sellers::{self, AddressInput, Application, BankAccount, Decision, Dialect};
use market::{Market, settlement};

use crate::town::{Buyer, Good, Ground, Size};

/// Told how it goes.
pub(crate) type Tell<'a> = &'a (dyn Fn(&str) + Send + Sync);

/// Things made in one transaction.
const BATCH: usize = 200;
/// How much is told of a long way.
const TELL_EVERY: usize = 20_000;
/// What a buyer has: more than can be spent in a measurement.
const BALANCE_MINOR: i64 = 1_000_000_000_000;
/// What a month of a product costs.
const PRICE_MINOR: i64 = 10_000;
/// The subscriptions of a data set have begun within so many days, a year each: all of them are in use.
const SPREAD_DAYS: i64 = 330;
/// The access key that every measured seller's server has.
pub(crate) const ACCESS_KEY: &str = "c0ffee00-0000-4000-8000-000000000001";

/// Fills an empty market; who can be measured, and what is sold.
///
/// # Errors
/// When a use case refuses.
pub(crate) async fn fill(
    market: &Market,
    ground: &Ground,
    size: Size,
    url_of: impl Fn(usize) -> String,
    tell: Tell<'_>,
) -> anyhow::Result<(Vec<Buyer>, Vec<Good>)> {
    let password = PasswordHash::new("correct-horse-7", "somebody", &ground.entropy(2)).map_err(db::Error::from)?;
    let maker = Maker { market: market.clone(), password };
    maker.operator().await?;
    let shops = batches(size.sellers, "sellers", tell, async |numbers| {
        let urls = numbers.into_iter().map(|n| (n, url_of(n))).collect();
        maker.shops(urls).await
    })
    .await?;
    let goods = batches(size.listings, "products", tell, async |numbers| maker.goods(&shops, numbers).await).await?;
    let buyers = batches(size.buyers, "buyers", tell, async |numbers| maker.buyers(numbers).await).await?;
    batches(size.accounts, "accounts", tell, async |numbers| maker.accounts(numbers).await).await?;
    batches(size.subscriptions, "subscriptions", tell, async |numbers| maker.subscriptions(&buyers, &goods, numbers).await).await?;
    if size.subscriptions > 0 {
        maker.close_books(tell).await?;
    }
    Ok((buyers, goods))
}

/// Makes `count` of `what`, some at a time.
async fn batches<T>(
    count: usize,
    what: &str,
    tell: Tell<'_>,
    make: impl AsyncFn(Vec<usize>) -> anyhow::Result<Vec<T>>,
) -> anyhow::Result<Vec<T>> {
    let (begun, mut made) = (Instant::now(), Vec::new());
    for first in (0..count).step_by(BATCH) {
        made.extend(make((first..count.min(first + BATCH)).collect()).await?);
        if (first + BATCH).is_multiple_of(TELL_EVERY) {
            tell(&format!("{} of {count} {what} in {} s", first + BATCH, begun.elapsed().as_secs()));
        }
    }
    if count >= TELL_EVERY {
        tell(&format!("{count} {what} in {} s", begun.elapsed().as_secs()));
    }
    Ok(made)
}

/// A seller with where its products are opened.
#[derive(Clone, Copy)]
struct Shop {
    account: AccountId,
    address: AddressId,
}

/// Makes people. Everybody has one password, for hashing takes as long as many orders.
struct Maker {
    market: Market,
    password: PasswordHash,
}

impl Maker {
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

    /// Runs use cases as one transaction.
    async fn act<T, F>(&self, work: F) -> anyhow::Result<T>
    where
        T: Send + 'static,
        F: AsyncFn(&mut Tx, &Ctx, &Market) -> db::Result<T> + Send + 'static,
    {
        let ctx = self.market.ctx(Actor::System("bench"), Locale::En).await?;
        let market = self.market.clone();
        let done = self.market.db().write(async move |tx| work(tx, &ctx, &market).await).await;
        done.context("the market refused what the measurement needs")
    }

    async fn operator(&self) -> anyhow::Result<()> {
        let (account, user) = self.person("operator");
        self.act(async move |tx, ctx, _| accounts::create_operator(tx, ctx, account.clone(), user.clone()).await.map(drop)).await
    }

    async fn accounts(&self, numbers: Vec<usize>) -> anyhow::Result<Vec<()>> {
        let people: Vec<_> = numbers.into_iter().map(|n| self.person(&format!("account-{n}"))).collect();
        self.act(async move |tx, ctx, _| {
            for (account, user) in &people {
                accounts::create_account(tx, ctx, account.clone(), user.clone()).await?;
            }
            Ok(Vec::new())
        })
        .await
    }

    async fn buyers(&self, numbers: Vec<usize>) -> anyhow::Result<Vec<Buyer>> {
        let people: Vec<_> = numbers.into_iter().map(|n| (n, self.person(&format!("buyer-{n}")))).collect();
        self.act(async move |tx, ctx, market| {
            let mut made = Vec::new();
            for (n, (account, user)) in &people {
                made.push(buyer(tx, ctx, market, *n, account.clone(), user.clone()).await?);
            }
            Ok(made)
        })
        .await
    }

    async fn shops(&self, urls: Vec<(usize, String)>) -> anyhow::Result<Vec<Shop>> {
        let people: Vec<_> = urls.into_iter().map(|(n, url)| (url, self.person(&format!("seller-{n}")))).collect();
        self.act(async move |tx, ctx, market| {
            let mut made = Vec::new();
            for (url, (account, user)) in &people {
                made.push(shop(tx, ctx, market, url, account.clone(), user.clone()).await?);
            }
            Ok(made)
        })
        .await
    }

    async fn goods(&self, shops: &[Shop], numbers: Vec<usize>) -> anyhow::Result<Vec<Good>> {
        let listings: Vec<_> = numbers.into_iter().map(|n| (n, shops[n % shops.len()])).collect();
        self.act(async move |tx, ctx, market| {
            let mut products = Vec::new();
            for (n, shop) in &listings {
                let product = catalog::create(tx, ctx, shop.account, content(*n, shop.address)).await?.summary.id;
                catalog::submit(tx, ctx, shop.account, product).await?;
                products.push(product);
            }
            approve_all(tx, ctx, market).await?;
            let mut made = Vec::new();
            for product in products {
                made.push(good(tx, product).await?);
            }
            Ok(made)
        })
        .await
    }

    /// Subscriptions of a year that have begun within the last months; each was ordered, paid and opened.
    async fn subscriptions(&self, buyers: &[Buyer], goods: &[Good], numbers: Vec<usize>) -> anyhow::Result<Vec<()>> {
        let wanted: Vec<_> = numbers
            .into_iter()
            // Far from each other, so that a buyer's subscriptions are of many sellers and many times.
            .map(|n| (n, buyers[n % buyers.len()].clone(), goods[n.wrapping_mul(7_919) % goods.len()].clone()))
            .collect();
        self.act(async move |tx, ctx, market| {
            for (n, buyer, good) in &wanted {
                let days_ago = i64::try_from(n.wrapping_mul(31)).unwrap_or(0) % SPREAD_DAYS;
                let actor = Actor::User { user: buyer.user, account: buyer.account };
                let then = market.ctx_at(ctx.now - (days_ago + 1) * DAY_MS, actor, Locale::ZhCn);
                order(tx, &then, market, buyer, good).await?;
            }
            open_instances(tx, ctx, market).await?;
            Ok(Vec::new())
        })
        .await
    }

    /// Puts everything that was posted into the hash chain, and the month's settlement into the queue, as the background does.
    async fn close_books(&self, tell: Tell<'_>) -> anyhow::Result<()> {
        let begun = Instant::now();
        while self.act(async |tx, ctx, _| ledger::seal(tx, ctx.now, 5_000).await).await? > 0 {}
        self.act(async |tx, ctx, market| settlement::ensure_scheduled(tx, market.edition(), ctx.now).await).await?;
        tell(&format!("the ledger was sealed in {} s", begun.elapsed().as_secs()));
        Ok(())
    }
}

async fn buyer(tx: &mut Tx, ctx: &Ctx, market: &Market, n: usize, account: NewAccount, user: NewUser) -> db::Result<Buyer> {
    let (account, user) = accounts::create_account(tx, ctx, account, user).await?;
    let amount = Money::new(BALANCE_MINOR, market.edition().currency);
    let deposit = NewDeposit { account_id: account.id, amount, bank_reference: format!("BENCH-{n}"), note: String::new() };
    ledger::record_deposit(tx, ctx, market.edition(), &deposit).await?;
    let principal = accounts::principal(tx, account.id, user.id).await?;
    let scopes = [Permission::BuyerView, Permission::BuyerPurchase, Permission::BuyerPay].into_iter().collect();
    let new = NewToken { name: "bench".to_owned(), scopes, expires_at: ctx.wall + 300 * DAY_MS };
    let (_, token) = accounts::create_token(tx, ctx, &principal, new).await?;
    Ok(Buyer { account: account.id, user: user.id, bearer: format!("Bearer {token}") })
}

async fn shop(tx: &mut Tx, ctx: &Ctx, market: &Market, url: &str, account: NewAccount, user: NewUser) -> db::Result<Shop> {
    let company = account.title.clone();
    let account = accounts::create_account(tx, ctx, account, user).await?.0.id;
    let application = Application {
        company,
        website: "https://www.example.com".to_owned(),
        contact_name: "Wang".to_owned(),
        contact_email: "wang@example.com".to_owned(),
        contact_phone: "+86 755 1234567".to_owned(),
        bank: BankAccount { name: "Bank of Examples".to_owned(), number: "6222020200112233".to_owned() },
    };
    sellers::apply(tx, ctx, market.vault(), account, application).await?;
    sellers::decide(tx, ctx, account, Decision::Approve).await?;
    let (key, _) = sellers::create_key(tx, ctx, market.vault(), account, "main", Some(ACCESS_KEY.to_owned())).await?;
    let url = sellers::check_url(url, &|_| Ok(()))?;
    let input = AddressInput { name: "main".to_owned(), url, dialect: Dialect::KoogalleryV2, key_id: key.id };
    Ok(Shop { account, address: sellers::create_address(tx, ctx, account, input).await?.id })
}

async fn approve_all(tx: &mut Tx, ctx: &Ctx, market: &Market) -> db::Result<()> {
    loop {
        let queue = catalog::review_queue(tx, ctx, &PageRequest::default()).await?;
        if queue.items.is_empty() {
            return Ok(());
        }
        for listing in queue.items {
            catalog::approve(tx, ctx, market.edition(), listing.id).await?;
        }
    }
}

async fn good(tx: &mut Tx, product: ProductId) -> db::Result<Good> {
    let view = catalog::view(tx, None, product).await?;
    Ok(Good { sku: view.editions[0].skus[0].id, month_minor: PRICE_MINOR })
}

async fn order(tx: &mut Tx, ctx: &Ctx, market: &Market, buyer: &Buyer, good: &Good) -> db::Result<()> {
    let item = PurchaseItem { sku_id: good.sku, period: Some(Period { unit: PeriodUnit::Year, count: 1 }), quantity: 1, renewal: None };
    let order = orders::place(tx, ctx, market.edition(), buyer.account, &[item], None).await?;
    orders::pay(tx, ctx, market.edition(), buyer.account, &order.number).await.map(drop)
}

/// The worker's part of every order that waits, without the seller: the call ends as one that was answered at once.
async fn open_instances(tx: &mut Tx, ctx: &Ctx, market: &Market) -> db::Result<()> {
    const LEASE_MS: i64 = 60_000;
    let limit = i64::try_from(BATCH).unwrap_or(i64::MAX);
    for lease in jobs::claim(tx, ctx.now, ctx.wall, LEASE_MS, "bench", limit, i64::MAX).await? {
        jobs::finish(tx, &lease).await?;
        let id = lease.job.subject.parse().map_err(|_| db::Error::broken("a job that is no call"))?;
        let mut call = calls::get(tx, id).await?;
        let (then, instance) =
            (market.ctx_at(call.created_at, Actor::System("delivery"), Locale::ZhCn), format!("ins-{}", call.subscription_id));
        call.instance_id = Some(instance.clone());
        calls::keep_attempt(tx, &mut call, answered(&then)).await?;
        calls::end(tx, &then, &mut call, CallState::Done).await?;
        let line = call.line_number.ok_or_else(|| db::Error::broken("the call of a purchase without a line"))?;
        orders::fulfilled(tx, &then, market.edition(), &line, Some(&instance)).await?;
    }
    Ok(())
}

/// The attempt of a call that the seller answered at once.
fn answered(ctx: &Ctx) -> Attempt {
    Attempt {
        n: 0,
        kind: AttemptKind::Call,
        at: ctx.now,
        wall_at: ctx.wall,
        url: "http://127.0.0.1:9/?signature=***".to_owned(),
        request_body: "{}".to_owned(),
        status: Some(200),
        answer_type: Some("application/json".to_owned()),
        answer_body: Some("{\"resultCode\":\"000000\"}".to_owned()),
        elapsed_ms: 1,
        verdict: "done".to_owned(),
        detail: "done".to_owned(),
    }
}

/// What products are, in both languages; each product is a kind of its own with a number.
const KINDS: [(&str, &str); 8] = [
    ("云表格", "Cloud Sheets"),
    ("项目管理", "Project Board"),
    ("客户关系", "Customer Desk"),
    ("数据备份", "Data Vault"),
    ("在线会议", "Meeting Room"),
    ("人力资源", "People Office"),
    ("日志分析", "Log Lens"),
    ("智能客服", "Answer Bot"),
];

/// Where products stand, in turn.
const CATEGORIES: [&str; 6] = ["collaboration", "crm", "database", "network-security", "devops", "training"];

/// A complete product with one SKU, sold by the month and the year.
fn content(n: usize, address: AddressId) -> ProductContent {
    let price = |unit, amount_minor| PriceContent { unit, amount_minor };
    let (zh, en) = KINDS[n % KINDS.len()];
    ProductContent {
        names: Texts::new(format!("{zh} {n}"), format!("{en} {n}")),
        overview: Texts::new(format!("团队一起使用的{zh}"), format!("{en} for teams")),
        description: Texts::new("在线协作，按月或按年订阅。", "Work together online, by the month or by the year."),
        highlights: vec![Texts::new("实时协作", "Live collaboration")],
        category: CATEGORIES[n % CATEGORIES.len()].to_owned(),
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
                change: None,
                id: None,
                names: Texts::new("基础版", "Basic"),
                quantity: QuantityRule { min: 1, max: 500, step: 1, unit: Texts::new("用户", "users") },
                prices: vec![price(PriceUnit::Month, PRICE_MINOR), price(PriceUnit::Year, PRICE_MINOR * 10)],
            }],
        }],
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use db::scratch::Scratch;
    use db::{Db, Options};
    use market::MIGRATIONS;
    use market::views::books;

    use super::*;
    use crate::town;

    #[tokio::test]
    async fn a_data_set_is_what_the_market_itself_would_have_written() {
        let scratch = Scratch::new(MIGRATIONS).await.unwrap();
        let market =
            town::open(Db::open(Options { connections: 4, ..scratch.options.clone() }).await.unwrap(), kernel::Entropy::from_seed([1; 32]))
                .await
                .unwrap();
        let ground = Ground { server: None, folder: std::env::temp_dir(), seed: 1, connections: 4 };
        let size = Size { buyers: 3, sellers: 2, listings: 5, accounts: 4, subscriptions: 12 };
        let (buyers, goods) = fill(&market, &ground, size, |n| format!("http://127.0.0.1:9/{n}"), &|_| ()).await.unwrap();
        assert_eq!((buyers.len(), goods.len()), (3, 5));

        let count = async |text: &'static str| market.db().read(async move |tx| tx.run_text(text).await).await.unwrap()[0].clone();
        assert_eq!(count("SELECT CAST(COUNT(*) AS TEXT) FROM accounts").await, "10", "the operator, sellers, buyers and the others");
        assert_eq!(count("SELECT CAST(COUNT(*) AS TEXT) FROM products WHERE state = 'on_sale'").await, "5");
        assert_eq!(count("SELECT CAST(COUNT(*) AS TEXT) FROM subscriptions WHERE state = 'in_use'").await, "12");
        assert_eq!(count("SELECT CAST(COUNT(*) AS TEXT) FROM jobs WHERE kind = 'delivery.call'").await, "0", "nobody is to be called");

        assert!(ledger::verify(market.db(), |_| {}).await.unwrap().problems.is_empty());
        assert!(books::verify_orders(market.db()).await.unwrap().problems.is_empty());
        assert!(settlement::verify_statements(market.db(), |_| {}).await.unwrap().problems.is_empty());
    }
}
