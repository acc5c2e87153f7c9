//! The books as accountants' own tools read them: each tool checks what we assert, and each account is compared with ours, to the cent.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::path::Path;
use std::process::Command;
use std::sync::{Arc, Mutex};

use db::{Db, sql};
use kernel::{AccountId, Currency, Money, StatementId};
use market::ledger::{self, Book, NewDeposit};
use market::page::PageRequest;
use market::views::export::{Export, Exported, Format, export};
use market::{refunds, settlement};
use serde_json::Value;
use testkit::sellers::Behaviour;
use testkit::world::{World, months, once};
use wire::koogallery_v2::Activity;

/// A company whose name holds everything that means something to one of the formats.
const TITLE: &str = r#"深圳"云";表格 | 科技, \ 有限公司 {x} #y ^z"#;
/// A note that would be a transaction of its own, were it let.
const NOTE: &str = "看附件\n2026-01-01 * forged\n    Assets:Bank  1000.00 CNY\n    Income:Forged\n";

/// What each account must come to in the tool's books, minor units by its name: the negative of our books.
type Expected = BTreeMap<String, i64>;

/// A few months of a market: sales, a refund, a statement that was paid, one that was not, an order whose money is held, a balance left.
async fn months_of_business() -> World {
    let world = World::new().await;
    let shop = world.shop("acme").await;
    let other = world.shop("bolt").await;
    let (goods, tools) = (world.goods(&shop).await, world.goods(&other).await);
    let buyer = world.buyer("bob", 900_000).await;
    let second = world.buyer("yun", 0).await;
    rename(&world, buyer, "Bob & Söhne (云) №1").await;
    rename(&world, second, "云表格（上海）").await;
    world
        .act(async move |tx, ctx, market| {
            let new = NewDeposit {
                account_id: second,
                amount: Money::new(12_345, Currency::CNY),
                bank_reference: "ICBC;\"1\" | 中".to_owned(),
                note: NOTE.to_owned(),
            };
            ledger::record_deposit(tx, ctx, market.edition(), &new).await.map(drop)
        })
        .await;
    world.subscribe(buyer, months(goods.basic, 1, 3)).await;
    let returned = world.subscribe(buyer, months(goods.pro, 2, 1)).await.id;
    world.subscribe(second, once(tools.once)).await;
    world.pass_days(2).await;
    world.act(async move |tx, ctx, market| refunds::refund_subscription(tx, ctx, market.edition(), buyer, returned).await).await;
    world.pass_days(38).await;
    let seller = shop.account;
    let statement = world.act(async move |tx, _, _| settlement::statements(tx, Some(seller), None, &PageRequest::default()).await).await;
    let id: StatementId = statement.items[0].id;
    world.act(async move |tx, ctx, _| settlement::record_payout(tx, ctx, id, "PAY-1").await).await;
    shop.server.on(Activity::NewInstance, Behaviour::HangsUp);
    world.buy(buyer, months(goods.basic, 1, 1)).await;
    world.settle_down().await;
    world
}

async fn rename(world: &World, account: AccountId, name: &'static str) {
    world
        .act(async move |tx, _, _| {
            tx.execute(sql!("UPDATE accounts SET name = $1, title = $2 WHERE id = $3"), &[&name, &TITLE, &account]).await.map(drop)
        })
        .await;
}

async fn write(db: &Db, format: Format, from: Option<i64>, until: Option<i64>, path: &Path) -> Exported {
    let zone = kernel::Zone::shanghai();
    let what = Export { format, zone, currency: Currency::CNY, from, until };
    export(db, what, std::fs::File::create(path).unwrap(), |_| ()).await.unwrap()
}

/// Our own books before a moment, by the names that the chart of accounts must give them.
async fn ours(db: &Db, until: i64) -> Expected {
    let rows: Vec<(String, String, i64, i64)> = db
        .read(async |tx| {
            let select = sql!(
                "SELECT p.source, p.destination, p.amount_minor, t.at FROM ledger_postings p JOIN ledger_transactions t
                 ON t.id = p.transaction_id"
            );
            tx.all(select, &[]).await
        })
        .await
        .unwrap();
    let mut accounts = Expected::new();
    for (source, destination, amount, _) in rows.into_iter().filter(|row| row.3 < until) {
        *accounts.entry(account_of(&source)).or_default() += amount;
        *accounts.entry(account_of(&destination)).or_default() -= amount;
    }
    accounts
}

/// What a book is called, but for the name of whom it belongs to.
fn account_of(book: &str) -> String {
    let (kind, of) = book.split_once(':').unwrap_or((book, ""));
    let number = of.trim_start_matches("acc_");
    match kind {
        "bank" => "Assets:Bank".to_owned(),
        "buyer" => format!("Liabilities:Buyers:{number}"),
        "held" => "Liabilities:Held".to_owned(),
        "seller-pending" => format!("Liabilities:Sellers:Pending:{number}"),
        "seller-payable" => format!("Liabilities:Sellers:Payable:{number}"),
        "platform-fee" => "Income:PlatformFee".to_owned(),
        "tax" => "Liabilities:Tax".to_owned(),
        "refund" => "Liabilities:Refunds".to_owned(),
        other => panic!("{other} is a new kind of book"),
    }
}

/// The name of an account without the name of whom it belongs to, which stands before the number.
fn unnamed(account: &str) -> String {
    let (group, last) = account.rsplit_once(':').unwrap();
    match last.rsplit_once('-') {
        Some((_, number)) => format!("{group}:{number}"),
        None => account.to_owned(),
    }
}

/// `-1234.50` in minor units.
fn minor(decimal: &str) -> i64 {
    if decimal == "0" {
        return 0;
    }
    let (_, cents) = decimal.split_once('.').unwrap_or_else(|| panic!("{decimal:?} is not to the cent"));
    assert_eq!(cents.len(), 2, "{decimal:?} is to the cent");
    decimal.replace('.', "").parse().unwrap()
}

fn hledger(arguments: &[&str]) -> Result<String, String> {
    let mut command = Command::new("hledger");
    // Without it, Haskell reads no Chinese.
    let output = command
        .env("LC_ALL", "C.UTF-8")
        .args(arguments)
        .output()
        .unwrap_or_else(|error| panic!("hledger does not start ({error}): run the tests with `cargo xtask test`, which installs it"));
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    if output.status.success() { Ok(text(output.stdout)) } else { Err(text(output.stderr)) }
}

fn hledger_balances(path: &Path) -> Expected {
    let file = path.to_str().unwrap();
    let said = hledger(&["-f", file, "balance", "--flat", "--empty", "--no-total", "-O", "csv"]).unwrap();
    let mut rows = csv::Reader::from_reader(said.as_bytes());
    let row = |row: csv::StringRecord| (unnamed(&row[0]), minor(row[1].trim_end_matches(" CNY")));
    rows.records().map(|record| row(record.unwrap())).collect()
}

fn beancount(path: &Path) -> Value {
    const PYTHON: &str = "YUNSHI_TEST_PYTHON";
    let python = std::env::var(PYTHON).unwrap_or_else(|_| {
        panic!("{PYTHON} names no Python with beancount: run the tests with `cargo xtask test`, which installs it and sets the variable")
    });
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/books.py");
    let output = Command::new(python).arg(script).arg(path).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

fn beancount_balances(said: &Value) -> Expected {
    let balances = said["balances"].as_object().unwrap();
    balances.iter().map(|(account, balance)| (unnamed(account), minor(balance.as_str().unwrap()))).collect()
}

fn csv_balances(path: &Path) -> Expected {
    let mut accounts = Expected::new();
    for row in csv::Reader::from_path(path).unwrap().records() {
        let row = row.unwrap();
        assert_eq!(account_of(&row[9]), unnamed(&row[7]), "the book and the account are one: {row:?}");
        *accounts.entry(unnamed(&row[7])).or_default() += minor(&row[10]);
    }
    accounts
}

#[tokio::test]
async fn hledger_beancount_and_a_spreadsheet_come_to_what_we_say_of_every_account() {
    let world = months_of_business().await;
    let db = world.market.db();
    let folder = tempfile::tempdir().unwrap();
    let expected = ours(db, i64::MAX).await;
    assert!(expected.len() >= 10 && expected.values().filter(|balance| **balance != 0).count() >= 7, "{expected:#?}");
    assert!(expected["Liabilities:Held"] < 0 && expected["Assets:Bank"] > 0, "{expected:#?}");

    let journal = folder.path().join("books.journal");
    let written = write(db, Format::Hledger, None, None, &journal).await;
    assert_eq!(usize::try_from(written.accounts).unwrap(), expected.len());
    hledger(&["-f", journal.to_str().unwrap(), "check", "--strict"]).unwrap();
    assert_eq!(hledger_balances(&journal), expected);

    let books = folder.path().join("books.beancount");
    assert_eq!(write(db, Format::Beancount, None, None, &books).await, written);
    let said = beancount(&books);
    assert_eq!(said["errors"], serde_json::json!([]));
    assert_eq!(beancount_balances(&said), expected);

    let rows = folder.path().join("books.csv");
    write(db, Format::Csv, None, None, &rows).await;
    assert_eq!(csv_balances(&rows), expected);
    world.finish().await;
}

#[tokio::test]
async fn any_part_of_the_books_agrees_too() {
    let world = months_of_business().await;
    let (db, zone) = (world.market.db(), kernel::Zone::shanghai());
    let folder = tempfile::tempdir().unwrap();
    // A day in the middle of things, the days before it, those after it, a day on which nothing was, and one before everything.
    let day = |text: &str| Some(zone.day_start(text).unwrap());
    for (n, (from, until)) in [
        (day("2026-01-07"), day("2026-02-01")),
        (None, day("2026-01-07")),
        (day("2026-02-01"), None),
        (day("2026-01-20"), day("2026-01-21")),
        (day("2025-01-01"), day("2025-01-02")),
        (day("2030-01-01"), None),
    ]
    .into_iter()
    .enumerate()
    {
        let expected = ours(db, until.unwrap_or(i64::MAX)).await;
        let nonzero = |accounts: Expected| accounts.into_iter().filter(|(_, balance)| *balance != 0).collect::<Expected>();
        let journal = folder.path().join(format!("{n}.journal"));
        write(db, Format::Hledger, from, until, &journal).await;
        hledger(&["-f", journal.to_str().unwrap(), "check", "--strict"]).unwrap();
        if !expected.is_empty() {
            assert_eq!(hledger_balances(&journal), expected, "{from:?} {until:?}");
        }
        let books = folder.path().join(format!("{n}.beancount"));
        write(db, Format::Beancount, from, until, &books).await;
        let said = beancount(&books);
        assert_eq!(said["errors"], serde_json::json!([]), "{from:?} {until:?}");
        assert_eq!(beancount_balances(&said), expected, "{from:?} {until:?}");
        let rows = folder.path().join(format!("{n}.csv"));
        write(db, Format::Csv, from, until, &rows).await;
        assert_eq!(nonzero(csv_balances(&rows)), nonzero(expected), "{from:?} {until:?}");
    }
    world.finish().await;
}

#[tokio::test]
async fn a_cent_that_was_changed_in_the_file_is_refused_by_the_tools() {
    let world = months_of_business().await;
    let folder = tempfile::tempdir().unwrap();
    for format in [Format::Hledger, Format::Beancount] {
        let path = folder.path().join(format.word());
        write(world.market.db(), format, None, None, &path).await;
        let books = std::fs::read_to_string(&path).unwrap();
        // Both sides of the deposit of 123.45, which stays balanced.
        let changed = books.replacen(" 123.45 CNY", " 123.46 CNY", 1).replacen(" -123.45 CNY", " -123.46 CNY", 1);
        assert_ne!(books, changed);
        std::fs::write(&path, changed).unwrap();
        match format {
            Format::Hledger => {
                let error = hledger(&["-f", path.to_str().unwrap(), "check"]).unwrap_err();
                assert!(error.contains("assertion"), "{error}");
            }
            _ => {
                let errors = beancount(&path)["errors"].to_string();
                assert!(errors.contains("Balance failed for 'Assets:Bank'"), "{errors}");
            }
        }
    }
    world.finish().await;
}

#[tokio::test]
async fn what_people_wrote_stays_text_in_every_format() {
    let world = months_of_business().await;
    let db = world.market.db();
    let folder = tempfile::tempdir().unwrap();
    let journal = folder.path().join("books.journal");
    write(db, Format::Hledger, None, None, &journal).await;
    let file = journal.to_str().unwrap();
    let payees = hledger(&["-f", file, "payees"]).unwrap();
    assert!(payees.lines().any(|line| line == "深圳\"云\"；表格 ｜ 科技, \\ 有限公司 {x} #y ^z"), "{payees}");
    let deposit = hledger(&["-f", file, "print", "desc:ICBC"]).unwrap();
    assert!(deposit.contains("| deposit, bank reference ICBC；\"1\" ｜ 中, 看附件 2026-01-01 * forged"), "{deposit}");
    assert!(hledger(&["-f", file, "accounts"]).unwrap().lines().all(|line| !line.contains("Forged")));
    let order = hledger(&["-f", file, "tags", "order", "--values"]).unwrap();
    let number = order.lines().next().unwrap();
    let sums = hledger(&["-f", file, "balance", "Liabilities:Held", &format!("tag:order={number}"), "-N", "-E", "-O", "csv"]).unwrap();
    assert!(number.starts_with("CS") && sums.contains("\"Liabilities:Held\",\"0\""), "{number}: {sums}");

    let books = folder.path().join("books.beancount");
    write(db, Format::Beancount, None, None, &books).await;
    let said = beancount(&books);
    let said = said["said"].as_array().unwrap();
    assert!(said.iter().any(|line| line[0] == TITLE && line[4].as_str().is_some_and(|order| line[2][0] == order)), "{said:#?}");
    assert!(said.iter().any(|line| line[1].as_str().unwrap().ends_with(&NOTE.trim().replace('\n', " "))), "{said:#?}");

    let rows = folder.path().join("books.csv");
    write(db, Format::Csv, None, None, &rows).await;
    let payees: Vec<String> = csv::Reader::from_path(&rows).unwrap().records().map(|row| row.unwrap()[5].to_owned()).collect();
    assert!(payees.iter().any(|payee| payee == TITLE), "{payees:?}");
    world.finish().await;
}

#[tokio::test]
async fn a_spreadsheet_takes_no_name_for_a_formula() {
    let world = World::new().await;
    let buyer = world.buyer("bob", 100).await;
    world
        .act(async move |tx, _, _| {
            tx.execute(sql!("UPDATE accounts SET title = '=HYPERLINK(\"http://x\")' WHERE id = $1"), &[&buyer]).await.map(drop)
        })
        .await;
    let folder = tempfile::tempdir().unwrap();
    let rows = folder.path().join("books.csv");
    write(world.market.db(), Format::Csv, None, None, &rows).await;
    let first = csv::Reader::from_path(&rows).unwrap().records().next().unwrap().unwrap();
    assert_eq!(&first[5], "'=HYPERLINK(\"http://x\")");
    world.finish().await;
}

/// A disk that is full after a few bytes.
struct Full(Arc<Mutex<usize>>);

impl Write for Full {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        *self.0.lock().unwrap() += bytes.len();
        Err(io::ErrorKind::StorageFull.into())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn a_place_that_takes_no_more_ends_the_walk_with_its_reason() {
    let world = World::new().await;
    world.buyer("bob", 100).await;
    let tried = Arc::new(Mutex::new(0));
    let what = Export { format: Format::Csv, zone: kernel::Zone::utc(), currency: Currency::CNY, from: None, until: None };
    let error = export(world.market.db(), what, Full(tried.clone()), |_| ()).await.unwrap_err();
    assert!(error.to_string().contains("cannot be written: no storage space"), "{error}");
    assert!(*tried.lock().unwrap() > 0);
    world.finish().await;
}

/// A book whose row was damaged is not exported as if nothing were.
#[tokio::test]
async fn a_damaged_row_is_not_exported() {
    let world = World::new().await;
    let buyer = world.buyer("bob", 100).await;
    let book = Book::Buyer(buyer).to_string();
    world
        .act(async move |tx, _, _| {
            tx.execute(sql!("UPDATE ledger_postings SET destination = 'nowhere' WHERE destination = $1"), &[&book]).await.map(drop)
        })
        .await;
    let what = Export { format: Format::Csv, zone: kernel::Zone::utc(), currency: Currency::CNY, from: None, until: None };
    let error = export(world.market.db(), what, io::sink(), |_| ()).await.unwrap_err();
    let cause = std::error::Error::source(&error).map(ToString::to_string).unwrap_or_default();
    assert!(cause.contains("run yunshi verify"), "{error}: {cause}");
    world
        .act(async move |tx, _, _| {
            let book = Book::Buyer(buyer).to_string();
            tx.execute(sql!("UPDATE ledger_postings SET destination = $1 WHERE destination = 'nowhere'"), &[&book]).await.map(drop)
        })
        .await;
    world.finish().await;
}
