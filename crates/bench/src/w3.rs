//! W3: the storefront. Product pages, a category's list and searches, asked of the real program, beside axum answering a constant on the same
//! machine and beside the same index asked in this process.

use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::Context;
use axum::Router;
use axum::routing::get;
use hyper::StatusCode;
use market::catalog::{self, ShelfEntry};
use market::page::PageRequest;
use search::{Bands, Entry, Facts, Index, Question};
use tokio::sync::Mutex;

use crate::client::Client;
use crate::harness::{Rounds, Slice, closed_loop, paced};
use crate::machine::Machine;
use crate::report::{Claim, Report, Role};
use crate::server::Server;
use crate::town::{Size, Town};
use crate::{Plan, stats};

/// What is on sale.
const SIZE: Size = Size { buyers: 1, sellers: 200, listings: 10_000, accounts: 0, subscriptions: 0 };
/// Products that most visitors look at.
const POPULAR: usize = 100;
/// Products that are read at once.
const STEP: i64 = 200;
/// Words that are searched, in turn. Each finds many of the products.
const CHINESE: [&str; 4] = ["会议", "数据 备份", "客户关系", "智能客服"];
const ENGLISH: [&str; 4] = ["meeting", "data vault", "customer", "bots"];

const PAGES: &str = "pages";
const SEARCHES: &str = "searches";
const HELLO: &str = "axum, hello world";
const PRODUCT: &str = "product page, a hundred popular ones";
const ANY_PRODUCT: &str = "product page, any";
const LIST: &str = "category, 20 products";
const SORTED: &str = "category, sorted as nobody did before";
const INDEX: &str = "the index in process";
const SEARCH_ZH: &str = "search in Chinese, with filters";
const SEARCH_EN: &str = "search in English, with filters";
const HALF_PRODUCT: &str = "product page at half load";
const HALF_SEARCH: &str = "search at half load";

/// Measures it.
///
/// # Errors
/// When the server does not start, a connection breaks or a page is not answered.
pub(crate) async fn run(plan: &Plan) -> anyhow::Result<Report> {
    let machine = Machine::look(&plan.ground.folder)?;
    let town = plan.town(SIZE).await?;
    let products = products(&town).await?;
    anyhow::ensure!(!products.is_empty(), "nothing is on sale");
    let index = Arc::new(filled(&products)?);
    let hello = hello().await?;
    let server = Server::start(&plan.program, town.folder(), &town.settings()).await?;
    let path = |entry: &ShelfEntry| format!("/products/{}", entry.id);
    let popular: Vec<String> = products.iter().take(POPULAR).map(path).collect();
    let any: Vec<String> = products.iter().map(path).collect();
    let list = vec!["/categories/collaboration".to_owned()];
    let sorted = vec!["/categories/collaboration?sort=cheap".to_owned(), "/categories/crm?sort=dear&mode=period".to_owned()];
    let (chinese, english) = (asked(&CHINESE), asked(&ENGLISH));
    let bench = Bench { plan, address: server.address };
    let mut rounds = Rounds::default();
    for paths in [&popular, &list, &chinese, &english] {
        bench.visit(bench.address, paths, None).await?;
    }
    for round in 1..=plan.rounds {
        plan.tell(&format!("round {round} of {}", plan.rounds));
        rounds.slice(0, (PAGES, HELLO, Role::Limit), bench.visit(hello, &["/".to_owned()], None)).await?;
        let fast = rounds.slice(1, (PAGES, PRODUCT, Role::Measured), bench.visit(bench.address, &popular, None)).await?;
        rounds.slice(2, (PAGES, ANY_PRODUCT, Role::Measured), bench.visit(bench.address, &any, None)).await?;
        rounds.slice(3, (PAGES, LIST, Role::Measured), bench.visit(bench.address, &list, None)).await?;
        rounds.slice(4, (PAGES, SORTED, Role::Measured), bench.visit(bench.address, &sorted, None)).await?;
        let half = bench.visit(bench.address, &popular, Some(fast.rate() / 2));
        rounds.slice(5, (PAGES, HALF_PRODUCT, Role::Measured), half).await?;
        rounds.slice(6, (SEARCHES, INDEX, Role::Limit), bench.ask(&index)).await?;
        let found = rounds.slice(7, (SEARCHES, SEARCH_ZH, Role::Measured), bench.visit(bench.address, &chinese, None)).await?;
        rounds.slice(8, (SEARCHES, SEARCH_EN, Role::Measured), bench.visit(bench.address, &english, None)).await?;
        let half = bench.visit(bench.address, &chinese, Some(found.rate() / 2));
        rounds.slice(9, (SEARCHES, HALF_SEARCH, Role::Measured), half).await?;
    }
    server.stop().await?;
    let (figures, quiet) = rounds.finish();
    let mut report = Report::of(("w3", "the storefront"), town.market.db().engine().word(), plan.settings(), machine, quiet, figures);
    report.notes = vec![
        format!("{} products of {} sellers; pages are those of visitors, whole, over connections that stay open.", products.len(), SIZE.sellers),
        "Pages that a visitor opens without a choice of their own are made once and kept while the catalogue stays as it is; searches and sorted \
         lists are made each time, their products read from the database."
            .to_owned(),
    ];
    report.claims = claims(&report);
    Ok(report)
}

fn claims(report: &Report) -> Vec<Claim> {
    use crate::report::Unit;
    let share = |group, name, limit| stats::permille(report.median(group, name), report.median(group, limit));
    let p99 = |name: &str| report.figures.iter().find(|figure| figure.name == name).and_then(|figure| figure.p99_us).unwrap_or(u64::MAX);
    vec![
        Claim::at_least("product page, of hello world", Unit::Share, 500, share(PAGES, PRODUCT, HELLO)),
        Claim::at_least("category, of hello world", Unit::Share, 250, share(PAGES, LIST, HELLO)),
        Claim::at_least("search in Chinese, of the index", Unit::Share, 600, share(SEARCHES, SEARCH_ZH, INDEX)),
        Claim::at_least("search in English, of the index", Unit::Share, 600, share(SEARCHES, SEARCH_EN, INDEX)),
        Claim::at_most("product page's p99 at half load", Unit::Micros, 2_000, p99(HALF_PRODUCT)),
        Claim::at_most("search's p99 at half load", Unit::Micros, 5_000, p99(HALF_SEARCH)),
    ]
}

/// The addresses of searches, one after another with a filter and without.
fn asked(words: &[&str]) -> Vec<String> {
    let encoded = |word: &str| word.bytes().map(|byte| format!("%{byte:02X}")).collect::<String>();
    words.iter().flat_map(|word| [format!("/search?q={}", encoded(word)), format!("/search?q={}&mode=period", encoded(word))]).collect()
}

/// Everything that is on sale.
async fn products(town: &Town) -> anyhow::Result<Vec<ShelfEntry>> {
    let (mut all, mut page) = (Vec::new(), PageRequest { limit: STEP, ..PageRequest::default() });
    loop {
        let asked = page.clone();
        let found = town.market.db().read(async move |tx| catalog::shelf_page(tx, &asked).await).await?;
        all.extend(found.items);
        let Some(next) = found.next else { return Ok(all) };
        page.after = next;
    }
}

/// The same index as the program's, in this process.
fn filled(products: &[ShelfEntry]) -> anyhow::Result<Index> {
    let entry = |one: &ShelfEntry| Entry {
        id: one.id,
        names: vec![one.content.names.zh.clone(), one.content.names.en.clone()],
        body: vec![one.content.overview.zh.clone(), one.content.overview.en.clone()],
        rest: vec![one.content.description.zh.clone(), one.content.description.en.clone()],
        facts: Facts { categories: vec![1], modes: 1, price_minor: Some(1_000), published_at: one.published_at },
    };
    let index = Index::new()?;
    index.apply(1, &products.iter().map(entry).collect::<Vec<_>>(), &[])?;
    Ok(index)
}

/// A server that answers a constant; its address.
async fn hello() -> anyhow::Result<SocketAddr> {
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await?;
    let address = listener.local_addr()?;
    let router = Router::new().route("/", get(async || "Hello, world!"));
    tokio::spawn(async move { axum::serve(listener, router).await });
    Ok(address)
}

struct Bench<'a> {
    plan: &'a Plan,
    address: SocketAddr,
}

impl Bench<'_> {
    /// Reads pages in turn: as many as the clients can, or `rate` a second.
    async fn visit(&self, address: SocketAddr, paths: &[String], rate: Option<u64>) -> anyhow::Result<Slice> {
        let clients = self.plan.most_clients();
        let mut connections = Vec::new();
        for _ in 0..clients {
            connections.push(Arc::new(Mutex::new(Client::connect(address).await?)));
        }
        let (connections, paths) = (Arc::new(connections), Arc::new(paths.to_vec()));
        let act = move |client: usize, nth: u64| {
            let (connection, paths) = (connections[client].clone(), paths.clone());
            async move {
                let place = client.wrapping_mul(7_919).wrapping_add(usize::try_from(nth)?) % paths.len();
                let (status, body) = connection.lock().await.get(&paths[place]).await?;
                anyhow::ensure!(status == StatusCode::OK && !body.is_empty(), "{} is answered with {status}", paths[place]);
                Ok(())
            }
        };
        match rate {
            None => closed_loop(clients, self.plan.length, act).await,
            Some(rate) => paced(clients, rate, self.plan.length, act).await,
        }
    }

    /// Asks the index itself, in both languages in turn.
    async fn ask(&self, index: &Arc<Index>) -> anyhow::Result<Slice> {
        let index = Arc::clone(index);
        let act = move |client: usize, nth: u64| {
            let index = Arc::clone(&index);
            async move {
                let place = client.wrapping_add(usize::try_from(nth)?);
                let words = if place.is_multiple_of(2) { CHINESE } else { ENGLISH };
                let text = words[place / 2 % words.len()].to_owned();
                let bands = Bands(vec![0, 10_000, 100_000, 1_000_000]);
                let found = tokio::task::spawn_blocking(move || index.search(&Question { text, take: 20, ..Question::default() }, &bands));
                anyhow::ensure!(!found.await?.context("the index answers")?.ids.is_empty(), "nothing was found");
                Ok(())
            }
        };
        closed_loop(self.plan.most_clients(), self.plan.length, act).await
    }
}
