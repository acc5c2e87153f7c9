//! W1: an order with its full ledger. Placing it and paying it from the balance, two requests of the API each with a key of its own; beside it
//! the same two transactions in process without HTTP, one at a time and many at once, and, on PostgreSQL, commits of one row.

use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::Context;
use db::probe;
use hyper::StatusCode;
use kernel::{Actor, Locale, Period, PeriodUnit};
use market::Market;
use market::idempotency::IdempotencyKey;
use market::orders::{self, PurchaseItem};
use serde_json::{Value, json};
use tokio::sync::Mutex;
use web::extract::once;

use crate::client::Client;
use crate::harness::{Rounds, Slice, closed_loop, paced};
use crate::machine::Machine;
use crate::report::{Claim, Figure, Report, Role, Unit, figure};
use crate::server::Server;
use crate::town::{Buyer, Good, Size, Town};
use crate::{Plan, stats};

/// Who buys, and what is sold. Sellers are few, so that everybody meets at the same ones.
const SIZE: Size = Size::small(1_000, 20);
/// Orders run one after another in one transaction, to see what one takes of the database's thread.
const ALONE: u64 = 300;
/// What Vendure's own benchmark gave on such a machine, orders a second.
const VENDURE: u64 = 10;

/// Measures it.
///
/// # Errors
/// When the market refuses, the server does not start or a connection breaks.
pub(crate) async fn run(plan: &Plan) -> anyhow::Result<Report> {
    let machine = Machine::look(&plan.ground.folder)?;
    let town = plan.town(SIZE).await?;
    let server = Server::start(&plan.program, town.folder(), &town.settings()).await?;
    let bench = Bench { plan, town: &town, address: server.address };
    let mut rounds = Rounds::default();
    let mut alone = Vec::new();
    bench.warm_up().await?;
    for round in 1..=plan.rounds {
        plan.tell(&format!("round {round} of {}", plan.rounds));
        alone.push(bench.alone(round).await?);
        bench.round(&mut rounds, round).await?;
    }
    server.stop().await?;
    let (mut figures, quiet) = rounds.finish();
    figures.push(figure("one order", RUN, Role::Measured, Unit::Micros, alone));
    let mut report =
        Report::of(("w1", "orders placed and paid"), town.market.db().engine().word(), plan.settings(), machine, quiet, figures);
    plan.note_durability(&town.options(), &mut report).await?;
    report.claims = claims(plan, &report);
    Ok(report)
}

const HTTP: &str = "over HTTP";
const IN_PROCESS: &str = "in process";
const RAW: &str = "commits of one row";
const RUN: &str = "processor time of the database's thread";
const HALF: &str = "at half load";

struct Bench<'a> {
    plan: &'a Plan,
    town: &'a Town,
    address: SocketAddr,
}

impl Bench<'_> {
    /// Statements are prepared, connections open and pages in memory before anything counts.
    async fn warm_up(&self) -> anyhow::Result<()> {
        let clients = self.plan.most_clients();
        self.http("warm", clients, None).await?;
        self.in_process("warm", clients).await.map(drop)
    }

    async fn round(&self, rounds: &mut Rounds, round: u64) -> anyhow::Result<()> {
        let run = format!("{round}-1");
        let one = self.in_process(&run, 1);
        rounds.slice(0, ("1 client", IN_PROCESS, Role::Limit), one).await?;
        for (clients, place) in self.plan.clients.iter().copied().zip((1..).step_by(4)) {
            let group = clients_of(clients);
            let run = format!("{round}-{clients}");
            let http = self.http(&run, clients, None);
            let served = rounds.slice(place, (&group, HTTP, Role::Measured), http).await?;
            let in_process = self.in_process(&run, clients);
            rounds.slice(place + 1, (&group, IN_PROCESS, Role::Limit), in_process).await?;
            if self.town.market.db().engine() == db::Engine::Postgres {
                rounds.slice(place + 2, (&group, RAW, Role::Limit), self.raw(clients)).await?;
            }
            if clients == self.plan.most_clients() {
                let run = format!("{run}-half");
                let half = self.http(&run, clients, Some(served.rate() / 2));
                rounds.slice(place + 3, (&group, HALF, Role::Measured), half).await?;
            }
        }
        Ok(())
    }

    /// Orders through the doors: as many as the clients can, or `rate` a second.
    async fn http(&self, run: &str, clients: usize, rate: Option<u64>) -> anyhow::Result<Slice> {
        let mut connections = Vec::new();
        for _ in 0..clients {
            connections.push(Arc::new(Mutex::new(Client::connect(self.address).await?)));
        }
        let connections = Arc::new(connections);
        let (buyers, goods, run) = (self.town.buyers.clone(), self.town.goods.clone(), run.to_owned());
        let act = move |client: usize, nth: u64| {
            let (buyer, good) = chosen(&buyers, &goods, client, nth);
            let (connection, key) = (connections[client].clone(), format!("{run}-{client}-{nth}"));
            async move { order_over_http(&mut *connection.lock().await, &buyer, &good, &key).await }
        };
        match rate {
            None => closed_loop(clients, self.plan.length, act).await,
            Some(rate) => paced(clients, rate, self.plan.length, act).await,
        }
    }

    /// The same transactions in this process.
    async fn in_process(&self, run: &str, clients: usize) -> anyhow::Result<Slice> {
        let (buyers, goods, run) = (self.town.buyers.clone(), self.town.goods.clone(), run.to_owned());
        let market = self.town.market.clone();
        let act = move |client: usize, nth: u64| {
            let (buyer, good) = chosen(&buyers, &goods, client, nth);
            let (market, key) = (market.clone(), format!("in-{run}-{client}-{nth}"));
            async move { order_in_process(&market, &buyer, &good, &key).await }
        };
        closed_loop(clients, self.plan.length, act).await
    }

    async fn raw(&self, clients: usize) -> anyhow::Result<Slice> {
        let commits = probe::raw_commits(&self.town.options(), clients, self.plan.length).await?;
        let latencies_us: Vec<u64> = commits.latencies.iter().copied().map(stats::micros).collect();
        Ok(Slice { count: u64::try_from(latencies_us.len())?, took: commits.took, latencies_us })
    }

    /// What an order takes of the processor on the thread that runs it, µs: many in one transaction, one commit. On SQLite that is all of the work;
    /// on PostgreSQL the server's part is not in it.
    async fn alone(&self, round: u64) -> anyhow::Result<u64> {
        let (buyers, goods, market) = (self.town.buyers.clone(), self.town.goods.clone(), self.town.market.clone());
        let db = market.db().clone();
        let took = db
            .write(async move |tx| {
                let begun = thread_time();
                for nth in 0..ALONE {
                    let (buyer, good) = chosen(&buyers, &goods, 0, nth);
                    let key = format!("alone-{round}-{nth}");
                    let number = place(tx, &market, &buyer, &good, &key).await?;
                    pay(tx, &market, &buyer, &number, &key).await?;
                }
                Ok(thread_time() - begun)
            })
            .await?;
        Ok(took / ALONE)
    }
}

/// What this thread has used of its processor, µs.
fn thread_time() -> u64 {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    let (seconds, nanos) = (u64::try_from(time.tv_sec).unwrap_or(0), u64::try_from(time.tv_nsec).unwrap_or(0));
    seconds * 1_000_000 + nanos / 1_000
}

fn clients_of(clients: usize) -> String {
    if clients == 1 { "1 client".to_owned() } else { format!("{clients} clients") }
}

/// Who buys what next: every client walks through all buyers from a place of its own, so the same buyer is seldom met twice at once.
fn chosen(buyers: &[Buyer], goods: &[Good], client: usize, nth: u64) -> (Buyer, Good) {
    /// A prime that no usual number of buyers divides: a client's next buyer is far from its last.
    const STRIDE: usize = 7_919;
    let nth = usize::try_from(nth).unwrap_or(0);
    let buyer = &buyers[(client * STRIDE + nth * 31) % buyers.len()];
    let good = &goods[(client + nth) % goods.len()];
    (buyer.clone(), good.clone())
}

fn item(good: &Good) -> PurchaseItem {
    PurchaseItem { sku_id: good.sku, period: Some(Period { unit: PeriodUnit::Month, count: 1 }), quantity: 1, renewal: None }
}

async fn order_over_http(client: &mut Client, buyer: &Buyer, good: &Good, key: &str) -> anyhow::Result<()> {
    let body = json!({ "items": [item(good)], "expected_total_minor": good.month_minor }).to_string();
    let placed = client.act("/api/v1/orders", &buyer.bearer, key, body, StatusCode::CREATED).await?;
    let number = number_in(&placed).context("an order has a number")?;
    let paid =
        client.act(&format!("/api/v1/orders/{number}/pay"), &buyer.bearer, &format!("{key}-pay"), String::new(), StatusCode::OK).await?;
    anyhow::ensure!(contains(&paid, br#""state":"processing""#), "the order was paid: {}", String::from_utf8_lossy(&paid));
    Ok(())
}

/// The number of the order in an answer, without reading all of it: the client must cost little.
fn number_in(answer: &[u8]) -> Option<&str> {
    const BEFORE: &[u8] = br#""order_number":""#;
    let start = answer.windows(BEFORE.len()).position(|window| window == BEFORE)? + BEFORE.len();
    let length = answer[start..].iter().position(|byte| *byte == b'"')?;
    str::from_utf8(&answer[start..start + length]).ok()
}

fn contains(text: &[u8], part: &[u8]) -> bool {
    text.windows(part.len()).any(|window| window == part)
}

async fn order_in_process(market: &Market, buyer: &Buyer, good: &Good, key: &str) -> anyhow::Result<()> {
    let (same, who, what, name) = (market.clone(), buyer.clone(), good.clone(), key.to_owned());
    let number = market.db().write_snapshot(async move |tx| place(tx, &same, &who, &what, &name).await).await?;
    let (same, who, name) = (market.clone(), buyer.clone(), key.to_owned());
    Ok(market.db().write_snapshot(async move |tx| pay(tx, &same, &who, &number, &name).await).await?)
}

fn ctx(market: &Market, buyer: &Buyer) -> kernel::Ctx {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).map_or(0, |since| since.as_millis());
    market.ctx_at(i64::try_from(now).unwrap_or(0), Actor::User { user: buyer.user, account: buyer.account }, Locale::En)
}

/// As the door `place_order` does it.
async fn place(tx: &mut db::Tx, market: &Market, buyer: &Buyer, good: &Good, key: &str) -> db::Result<String> {
    let (ctx, key) = (ctx(market, buyer), IdempotencyKey::new(buyer.account.to_string(), key, [1; 32])?);
    let order = once(tx, &ctx, &key, async |tx: &mut db::Tx| {
        orders::place(tx, &ctx, market.edition(), buyer.account, &[item(good)], Some(good.month_minor)).await
    })
    .await?;
    Ok(order["number"].as_str().unwrap_or_default().to_owned())
}

/// As the door `pay_order` does it.
async fn pay(tx: &mut db::Tx, market: &Market, buyer: &Buyer, number: &str, key: &str) -> db::Result<()> {
    let (ctx, key) = (ctx(market, buyer), IdempotencyKey::new(buyer.account.to_string(), &format!("{key}-pay"), [2; 32])?);
    let pay = async |tx: &mut db::Tx| orders::pay(tx, &ctx, market.edition(), buyer.account, number).await;
    let _: Value = once(tx, &ctx, &key, pay).await?;
    Ok(())
}

/// The targets of the workload.
fn claims(plan: &Plan, report: &Report) -> Vec<Claim> {
    let most = clients_of(plan.most_clients());
    let http = |clients: usize| report.median(&clients_of(clients), HTTP);
    let top = report.median(&most, HTTP);
    let share = |what: String, target, part, whole| Claim::at_least(what, Unit::Share, target, stats::permille(part, whole));
    let mut claims = Vec::new();
    if report.engine.as_deref() == Some("postgres") {
        let raw = report.median(&most, RAW);
        claims.push(share(format!("of commits of one row, {most}"), 400, top, raw));
        if plan.clients.contains(&8) && plan.clients.contains(&32) {
            claims.push(share("at 32 clients, of 8 clients".to_owned(), 1_000, http(32), http(8)));
        }
    } else {
        claims.push(share(format!("of in process, {most}"), 600, top, report.median(&most, IN_PROCESS)));
        if plan.clients.contains(&8) {
            let one = report.median("1 client", IN_PROCESS);
            claims.push(Claim::at_least("8 clients, of one at a time", Unit::Times, 2_500, stats::permille(http(8), one)));
        }
    }
    let p99 = report.figures.iter().find(|figure: &&Figure| figure.name == HALF).and_then(|figure| figure.p99_us).unwrap_or(0);
    claims.push(Claim::at_most("p99 of an order at half load", Unit::Micros, 10_000, p99));
    claims.push(Claim::at_least("of Vendure's 10 orders a second", Unit::Times, 300_000, stats::permille(top, VENDURE)));
    claims.push(Claim::at_most("to run an order (stretch)", Unit::Micros, 60, report.median("one order", RUN)));
    claims
}
