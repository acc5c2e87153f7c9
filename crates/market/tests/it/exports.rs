//! Lists as files: whole and in order whatever happens while they are written, kept for three days, within limits.

use std::collections::BTreeMap;
use std::io::Cursor;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use calamine::{Data, DataType, Reader, Xlsx};
use db::scratch::Scratch;
use db::{Db, Fate, jobs};
use kernel::{AccountId, Actor, Code, Currency, Entropy, ExportId, Locale, UserId};
use market::exports::{self, Export, ExportKind, ExportState, FileFormat, Filter, NewExport, Wording};
use market::ledger::{self, Book, EntryKind, Posting};
use market::settlement;
use market::{MIGRATIONS, Market};
use testkit::world::{BEGIN, World, months};

use crate::support::{TestMarket, setup};

fn wording(kind: ExportKind) -> Wording {
    Wording {
        locale: Locale::ZhCn,
        title: kind.word().to_owned(),
        headings: kind.columns().iter().map(|column| format!("[{column}]")).collect(),
        words: kind.words().into_iter().map(|(set, word)| (format!("{set}-{word}"), format!("{set}:{word}"))).collect::<BTreeMap<_, _>>(),
    }
}

fn new(account: AccountId, kind: ExportKind, format: FileFormat, filter: Filter) -> NewExport {
    let user = UserId::new(0, &Entropy::from_seed([9; 32]));
    NewExport { user, account, kind, format, filter, wording: wording(kind) }
}

async fn try_ask(market: &Market, new: NewExport) -> db::Result<Export> {
    let (ctx, again) = (market.ctx(Actor::System("test"), Locale::En).await?, market.clone());
    market.db().write(async move |tx| exports::ask(tx, &ctx, again.edition(), &new).await).await
}

async fn get(market: &Market, account: AccountId, id: ExportId) -> db::Result<Export> {
    let now = market.ctx(Actor::System("test"), Locale::En).await?.now;
    market.db().read(async move |tx| exports::get_of(tx, account, id, now).await).await
}

async fn list(market: &Market, account: AccountId) -> Vec<Export> {
    let now = market.ctx(Actor::System("test"), Locale::En).await.unwrap().now;
    market.db().read(async move |tx| exports::list(tx, account, now).await).await.unwrap()
}

async fn delete(market: &Market, account: AccountId, id: ExportId) -> db::Result<()> {
    let ctx = market.ctx(Actor::System("test"), Locale::En).await?;
    market.db().write(async move |tx| exports::delete(tx, &ctx, account, id).await).await
}

async fn part(market: &Market, account: AccountId, id: ExportId, n: i64) -> db::Result<Vec<u8>> {
    let now = market.ctx(Actor::System("test"), Locale::En).await?.now;
    market.db().read(async move |tx| exports::part(tx, account, id, n, now).await).await
}

async fn file(market: &Market, export: &Export) -> Vec<u8> {
    let mut content = Vec::new();
    for n in 1..=export.parts() {
        content.extend(part(market, export.account_id, export.id, n).await.unwrap());
    }
    assert_eq!(i64::try_from(content.len()).unwrap(), export.bytes);
    content
}

fn lines(content: &[u8]) -> Vec<Vec<String>> {
    let text = std::str::from_utf8(content).unwrap().strip_prefix('\u{feff}').unwrap();
    let mut reader = csv::ReaderBuilder::new().has_headers(false).from_reader(text.as_bytes());
    reader.records().map(|record| record.unwrap().iter().map(str::to_owned).collect()).collect()
}

fn cells(content: Vec<u8>) -> Vec<Vec<String>> {
    let mut workbook = Xlsx::new(Cursor::new(content)).unwrap();
    let range = workbook.worksheet_range_at(0).unwrap().unwrap();
    let text = |cell: &Data| cell.as_string().unwrap_or_default();
    range.rows().map(|row| row.iter().map(text).collect()).collect()
}

fn buyer() -> AccountId {
    AccountId::new(1_000, &Entropy::from_seed([3; 32]))
}

/// Deposits of 0.01, 0.02, … into the buyer's balance.
async fn deposits(market: &Market, count: i64) {
    let ctx = market.ctx_at(BEGIN, Actor::System("test"), Locale::En);
    let write = async move |tx: &mut db::Tx| {
        for n in 1..=count {
            let posting = Posting::new(Book::Bank, Book::Buyer(buyer()), n);
            ledger::post(tx, &ctx, EntryKind::Deposit, "dep_1", Currency::CNY, &[posting]).await?;
        }
        Ok(())
    };
    market.db().write(write).await.unwrap();
}

/// The amounts of a file of movements, newest first as in the list.
fn amounts(lines: &[Vec<String>]) -> Vec<String> {
    assert_eq!(lines[0], ["[at]", "[entry]", "[reference]", "[amount]", "[currency]", "[transaction]"]);
    lines[1..].iter().map(|line| line[3].clone()).collect()
}

fn expected(count: i64) -> Vec<String> {
    (1..=count).rev().map(|n| format!("{}.{:02}", n / 100, n % 100)).collect()
}

/// A market of which one commit is lost when told: the one after so many good ones.
struct Failing {
    market: Market,
    good: Arc<AtomicI64>,
    _scratch: Scratch,
}

impl Failing {
    async fn new() -> Self {
        let scratch = Scratch::new(MIGRATIONS).await.unwrap();
        let good = Arc::new(AtomicI64::new(i64::MAX));
        let left = good.clone();
        let at_commit = Arc::new(move || if left.fetch_sub(1, Ordering::SeqCst) == 0 { Fate::Lost } else { Fate::Done });
        let db = Db::open_with_fate(scratch.options.clone(), at_commit).await.unwrap();
        Self { market: Market::open(setup(db)).await.unwrap(), good, _scratch: scratch }
    }

    /// Claims the job of an export as a worker of its own, after whoever held it before has died.
    async fn claim(&self, worker: &'static str, wall: i64) -> jobs::Lease {
        let claim = async move |tx: &mut db::Tx| {
            jobs::release(tx).await?;
            jobs::claim(tx, i64::MAX / 2, wall, 60_000, worker, 10, 10).await
        };
        let leases = self.market.db().write(claim).await.unwrap();
        leases.into_iter().find(|lease| lease.job.kind == exports::WRITE_JOB).unwrap()
    }
}

#[tokio::test]
async fn an_export_is_whole_and_in_order_wherever_its_writer_was_killed() {
    const ROWS: i64 = 1_200;
    let test = Failing::new().await;
    deposits(&test.market, ROWS).await;
    let mut places = 0;
    for killed_after in 0..100 {
        let export = try_ask(&test.market, new(buyer(), ExportKind::BuyerMovements, FileFormat::Csv, Filter::default())).await.unwrap();
        assert_eq!(export.state, ExportState::Running);
        let lease = test.claim("first", 1).await;
        test.good.store(killed_after, Ordering::SeqCst);
        let first = exports::run_write_job(&test.market, &lease, BEGIN).await;
        test.good.store(i64::MAX, Ordering::SeqCst);
        if first.is_err() {
            places += 1;
            let torn = get(&test.market, buyer(), export.id).await.unwrap();
            assert!(torn.state == ExportState::Running && torn.rows_done <= ROWS && torn.percent().is_none_or(|percent| percent < 100));
            assert_eq!(
                part(&test.market, buyer(), export.id, 1).await.unwrap_err().code(),
                Some(Code::NotFound),
                "no torn file is given out"
            );
            let lease = test.claim("second", 2).await;
            exports::run_write_job(&test.market, &lease, BEGIN).await.unwrap();
        }
        let done = get(&test.market, buyer(), export.id).await.unwrap();
        assert_eq!((done.state, done.rows_done, done.rows_total, done.percent()), (ExportState::Done, ROWS, Some(ROWS), Some(100)));
        assert_eq!(amounts(&lines(&file(&test.market, &done).await)), expected(ROWS), "killed after {killed_after} commits");
        delete(&test.market, buyer(), export.id).await.unwrap();
        if first.is_ok() {
            break;
        }
    }
    // Begun, counted, three pages, the file, the end: a commit each.
    assert!((7..100).contains(&places), "{places}");
}

#[tokio::test]
async fn of_two_workers_the_one_who_began_last_writes_the_file() {
    let test = Failing::new().await;
    deposits(&test.market, 700).await;
    let export = try_ask(&test.market, new(buyer(), ExportKind::BuyerMovements, FileFormat::Csv, Filter::default())).await.unwrap();
    let early = test.claim("early", 1).await;
    let late = test.claim("late", 2).await;
    exports::run_write_job(&test.market, &late, BEGIN).await.unwrap();
    // The early one finds nothing to write, and its job another's.
    assert!(exports::run_write_job(&test.market, &early, BEGIN).await.is_err());
    let done = get(&test.market, buyer(), export.id).await.unwrap();
    assert_eq!(amounts(&lines(&file(&test.market, &done).await)), expected(700));
}

#[tokio::test]
async fn what_is_deleted_while_it_is_written_ends() {
    let test = Failing::new().await;
    deposits(&test.market, 10).await;
    let export = try_ask(&test.market, new(buyer(), ExportKind::BuyerMovements, FileFormat::Csv, Filter::default())).await.unwrap();
    let lease = test.claim("first", 1).await;
    test.good.store(3, Ordering::SeqCst);
    assert!(exports::run_write_job(&test.market, &lease, BEGIN).await.is_err());
    test.good.store(i64::MAX, Ordering::SeqCst);
    delete(&test.market, buyer(), export.id).await.unwrap();
    let lease = test.claim("second", 2).await;
    exports::run_write_job(&test.market, &lease, BEGIN).await.unwrap();
    assert!(list(&test.market, buyer()).await.is_empty());
}

#[tokio::test]
async fn what_cannot_be_written_is_given_up_and_says_so() {
    let test = Failing::new().await;
    deposits(&test.market, 10).await;
    let one = new(buyer(), ExportKind::BuyerMovements, FileFormat::Csv, Filter::default());
    let export = try_ask(&test.market, one.clone()).await.unwrap();
    let mut lease = test.claim("first", 1).await;
    lease.job.tries = 4;
    test.good.store(3, Ordering::SeqCst);
    exports::run_write_job(&test.market, &lease, BEGIN).await.unwrap();
    let failed = get(&test.market, buyer(), export.id).await.unwrap();
    assert_eq!((failed.state, failed.percent(), failed.parts()), (ExportState::Failed, None, 0));
    let again = try_ask(&test.market, one).await.unwrap();
    assert!(again.id != export.id && again.state == ExportState::Running, "one may ask again");
}

#[tokio::test]
async fn an_account_has_two_exports_at_work_and_twenty_in_all() {
    let test = TestMarket::new().await;
    test.is_not_reckoned();
    deposits(&test.market, 3).await;
    let audit =
        |n: usize| Filter { account: Some(AccountId::new(i64::try_from(n).unwrap(), &Entropy::from_seed([5; 32]))), ..Filter::default() };
    let ask = async |n: usize| try_ask(&test.market, new(buyer(), ExportKind::OperatorAudit, FileFormat::Csv, audit(n))).await;
    let mut ids = Vec::new();
    for n in 0..20 {
        let export = ask(n).await.unwrap();
        assert_eq!(export.state, if n < 2 { ExportState::Running } else { ExportState::Queued }, "{n}");
        assert_eq!(ask(n).await.unwrap().id, export.id, "a second press of the button makes no second file");
        ids.push(export.id);
    }
    let refused = ask(20).await.unwrap_err();
    assert_eq!(refused.code(), Some(Code::TooMany));
    // Room that one leaves is the next one's.
    delete(&test.market, buyer(), ids[0]).await.unwrap();
    let state = async |n: usize| get(&test.market, buyer(), ids[n]).await.unwrap().state;
    assert_eq!((state(1).await, state(2).await, state(3).await), (ExportState::Running, ExportState::Running, ExportState::Queued));
    let other = AccountId::new(2_000, &Entropy::from_seed([4; 32]));
    assert_eq!(
        try_ask(&test.market, new(other, ExportKind::BuyerOrders, FileFormat::Csv, Filter::default())).await.unwrap().state,
        ExportState::Running
    );
    market::runner::advance(&test.market, market::runner::To::Now, |_| {}).await.unwrap();
    let all = list(&test.market, buyer()).await;
    assert!(all.len() == 19 && all.iter().all(|export| export.state == ExportState::Done), "{all:?}");
    assert!(all.windows(2).all(|pair| pair[0].id > pair[1].id), "newest first");
}

#[tokio::test]
async fn an_export_is_its_accounts_alone_and_gone_after_three_days() {
    let world = World::new().await;
    let (buyer, other) = (world.buyer("buyer", 1_000).await, world.buyer("other", 0).await);
    let export = try_ask(&world.market, new(buyer, ExportKind::BuyerMovements, FileFormat::Xlsx, Filter::default())).await.unwrap();
    assert_eq!(export.file_name, "buyer-movements 2026-01-05.xlsx");
    world.settle_down().await;
    let done = get(&world.market, buyer, export.id).await.unwrap();
    assert_eq!(done.expires_at, done.done_at.map(|at| at + 3 * kernel::DAY_MS));
    for refused in [
        get(&world.market, other, export.id).await.map(drop),
        part(&world.market, other, export.id, 1).await.map(drop),
        delete(&world.market, other, export.id).await,
    ] {
        assert_eq!(refused.unwrap_err().code(), Some(Code::NotFound));
    }
    world.pass(3 * kernel::DAY_MS - 1_000).await;
    assert!(!file(&world.market, &done).await.is_empty());
    world.pass(1_001).await;
    assert!(get(&world.market, buyer, export.id).await.is_err() && list(&world.market, buyer).await.is_empty());
    let left = world.act(async |tx, _, _| tx.one::<(i64,)>(db::sql!("SELECT CAST(COUNT(*) AS BIGINT) FROM export_parts"), &[]).await).await;
    assert_eq!(left, (0,));
    world.finish().await;
}

#[tokio::test]
async fn every_list_can_be_had_whole_in_both_formats() {
    let world = World::new().await;
    let (buyer, shop) = (world.buyer("buyer", 1_000_000).await, world.shop("shop").await);
    let goods = world.goods(&shop).await;
    let sub = world.subscribe(buyer, months(goods.basic, 1, 2)).await;
    world.buy(buyer, months(goods.pro, 3, 1)).await;
    world.settle_down().await;
    world.pass_days(75).await;
    let (seller, operator) = (shop.account, world.operator);
    let statement = world
        .act(async move |tx, _, _| {
            Ok(settlement::statements(tx, Some(seller), None, &market::page::PageRequest::default()).await?.items.pop())
        })
        .await
        .expect("a statement");
    let of_statement = Filter { statement: Some(statement.id), ..Filter::default() };
    let mut found = BTreeMap::new();
    for kind in ExportKind::ALL {
        let account = match kind.word().split('-').next().unwrap() {
            "buyer" => buyer,
            "seller" => seller,
            _ => operator,
        };
        let filter = if *kind == ExportKind::SellerStatementLines { of_statement.clone() } else { Filter::default() };
        let ask = async |format| {
            let export = try_ask(&world.market, new(account, *kind, format, filter.clone())).await.unwrap();
            world.settle_down().await;
            let done = get(&world.market, account, export.id).await.unwrap();
            assert_eq!((done.state, done.rows_total), (ExportState::Done, Some(done.rows_done)), "{kind}");
            file(&world.market, &done).await
        };
        let (csv, xlsx) = (lines(&ask(FileFormat::Csv).await), cells(ask(FileFormat::Xlsx).await));
        assert_eq!(csv[0], wording(*kind).headings, "{kind}");
        assert_eq!((xlsx[0].clone(), xlsx.len()), (csv[0].clone(), csv.len() + usize::from(*kind == ExportKind::OperatorAudit)), "{kind}");
        assert!(csv.len() > 1, "{kind} is empty");
        found.insert(*kind, csv);
    }
    let column = |kind: ExportKind, name: &str| -> Vec<String> {
        let place = kind.columns().iter().position(|column| *column == name).unwrap();
        found[&kind][1..].iter().map(|line| line[place].clone()).collect()
    };
    assert_eq!(column(ExportKind::BuyerOrders, "amount"), ["750.00", "200.00"]);
    assert_eq!(column(ExportKind::BuyerOrders, "order-kind"), ["order:NEW"; 2]);
    assert_eq!(column(ExportKind::SellerOrders, "buyer"), ["buyer"; 2]);
    assert_eq!(column(ExportKind::BuyerOrders, "months"), ["3", "1"]);
    assert_eq!(column(ExportKind::BuyerMovements, "amount"), ["-750.00", "-200.00", "10000.00"]);
    assert_eq!(column(ExportKind::BuyerServices, "service")[1], sub.id.to_string());
    assert_eq!(column(ExportKind::SellerStatementLines, "order").len(), usize::try_from(statement.line_count).unwrap());
    assert!(column(ExportKind::OperatorAccounts, "account").contains(&"buyer".to_owned()));
    world.finish().await;
}

#[tokio::test]
async fn a_filter_that_a_list_does_not_have_is_refused_at_once() {
    let world = World::new().await;
    let shop = world.shop("shop").await;
    let statement = kernel::StatementId::new(0, &Entropy::from_seed([5; 32]));
    let state = |word: &str| Filter { state: Some(word.to_owned()), ..Filter::default() };
    for (kind, filter, code) in [
        (ExportKind::BuyerOrders, state("nonsense"), Code::FieldInvalid),
        (ExportKind::BuyerMovements, state("done"), Code::FieldInvalid),
        (ExportKind::BuyerOrders, Filter { account: Some(shop.account), ..Filter::default() }, Code::FieldInvalid),
        (ExportKind::OperatorAccounts, Filter { name: Some("x".repeat(101)), ..Filter::default() }, Code::FieldInvalid),
        (ExportKind::SellerStatementLines, Filter::default(), Code::FieldInvalid),
        (ExportKind::SellerStatementLines, Filter { statement: Some(statement), ..Filter::default() }, Code::NotFound),
    ] {
        let refused = try_ask(&world.market, new(shop.account, kind, FileFormat::Csv, filter.clone())).await.unwrap_err();
        assert_eq!(refused.code(), Some(code), "{kind} {filter:?}");
    }
    let some = try_ask(&world.market, new(shop.account, ExportKind::BuyerOrders, FileFormat::Csv, state("completed"))).await.unwrap();
    world.settle_down().await;
    let done = get(&world.market, shop.account, some.id).await.unwrap();
    assert_eq!(lines(&file(&world.market, &done).await).len(), 1, "an empty list is a file with headings");
    world.finish().await;
}
