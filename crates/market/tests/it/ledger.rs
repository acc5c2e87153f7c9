//! Money on a real database: nobody spends what they do not have, every sum is zero, and damage is named.

use std::collections::BTreeMap;

use db::Db;
use kernel::{AccountId, Code, Ctx, Currency, Entropy, Money};
use market::Market;
use market::ledger::{self, Book, BookKind, EntryKind, NewDeposit, Posting, Problem, Verification};
use market::notices::{self, NoticeKind};
use market::page::PageRequest;

use tokio::task::JoinSet;

use crate::support::TestMarket;

const CNY: Currency = Currency::CNY;
/// 2026-01-05 10:00 in Shanghai.
const NOW: i64 = 1_767_578_400_000;

fn account(n: u8) -> AccountId {
    AccountId::new(1_000 + i64::from(n), &Entropy::from_seed([n; 32]))
}

fn held(order: &str) -> Book {
    Book::Held(order.to_owned())
}

async fn post(market: &Market, ctx: Ctx, kind: EntryKind, reference: &str, postings: Vec<Posting>) -> db::Result<()> {
    let reference = reference.to_owned();
    market.db().write(async move |tx| ledger::post(tx, &ctx, kind, &reference, CNY, &postings).await.map(drop)).await
}

async fn deposit(test: &TestMarket, at: i64, buyer: AccountId, minor: i64, bank_reference: &str) -> db::Result<ledger::Deposit> {
    let (market, ctx) = (test.market.clone(), test.ctx(at));
    let new =
        NewDeposit { account_id: buyer, amount: Money::new(minor, CNY), bank_reference: bank_reference.to_owned(), note: String::new() };
    test.market.db().write(async move |tx| ledger::record_deposit(tx, &ctx, market.edition(), &new).await).await
}

async fn pay(test: &TestMarket, at: i64, buyer: AccountId, order: &str, minor: i64) -> db::Result<()> {
    post(&test.market, test.ctx(at), EntryKind::Payment, order, vec![Posting::new(Book::Buyer(buyer), held(order), minor)]).await
}

async fn sell(test: &TestMarket, at: i64, seller: AccountId, order: &str, minor: i64) -> db::Result<()> {
    post(&test.market, test.ctx(at), EntryKind::Sale, order, vec![Posting::new(held(order), Book::SellerPending(seller), minor)]).await
}

async fn give_back(test: &TestMarket, at: i64, from: Book, buyer: AccountId, order: &str, minor: i64) -> db::Result<()> {
    let way = Book::Refund(order.to_owned());
    let postings = vec![Posting::new(from, way.clone(), minor), Posting::new(way, Book::Buyer(buyer), minor)];
    post(&test.market, test.ctx(at), EntryKind::Refund, order, postings).await
}

async fn wallet(db: &Db, account: AccountId) -> i64 {
    db.read(async move |tx| ledger::wallet(tx, account, CNY).await).await.unwrap()
}

async fn balance(db: &Db, book: Book) -> i64 {
    db.read(async move |tx| ledger::balance(tx, &book, CNY).await).await.unwrap()
}

async fn seal(db: &Db, limit: i64) -> u64 {
    db.write(async move |tx| ledger::seal(tx, NOW, limit).await).await.unwrap()
}

async fn verify(db: &Db) -> Verification {
    ledger::verify(db, |_| ()).await.unwrap()
}

async fn run(db: &Db, texts: Vec<String>) -> Vec<String> {
    db.write(async move |tx| {
        let mut last = Vec::new();
        for text in &texts {
            last = tx.run_text(text).await?;
        }
        Ok(last)
    })
    .await
    .unwrap()
}

#[tokio::test]
async fn money_goes_from_the_bank_to_the_seller_and_back_to_the_buyer() {
    let test = TestMarket::new().await;
    let db = test.market.db();
    let (buyer, seller) = (account(1), account(2));

    deposit(&test, NOW, buyer, 10_000, "ICBC-1").await.unwrap();
    pay(&test, NOW + 1, buyer, "CS1", 6_000).await.unwrap();
    assert_eq!((wallet(db, buyer).await, balance(db, held("CS1")).await), (4_000, 6_000));
    sell(&test, NOW + 2, seller, "CS1", 5_000).await.unwrap();
    give_back(&test, NOW + 3, held("CS1"), buyer, "CS1", 1_000).await.unwrap();
    give_back(&test, NOW + 4, Book::SellerPending(seller), buyer, "CS2", 2_000).await.unwrap();

    assert_eq!(wallet(db, buyer).await, 7_000);
    assert_eq!(balance(db, Book::Buyer(buyer)).await, 7_000);
    assert_eq!(balance(db, Book::SellerPending(seller)).await, 3_000);
    assert_eq!(balance(db, Book::Bank).await, -10_000);
    assert_eq!(balance(db, held("CS1")).await, 0);

    let found = verify(db).await;
    assert_eq!(found.problems, []);
    assert_eq!((found.transactions, found.postings, found.sealed, found.unsealed), (5, 7, 0, 5));
    assert_eq!(found.balances.iter().map(|total| total.balance_minor).sum::<i64>(), 0);
    let pending = found.balances.iter().find(|total| total.kind == BookKind::SellerPending).unwrap();
    assert_eq!(pending.balance_minor, 3_000);
}

#[tokio::test]
async fn a_book_shows_its_movements_newest_first_in_pages() {
    let test = TestMarket::new().await;
    let db = test.market.db();
    let buyer = account(1);
    deposit(&test, NOW, buyer, 10_000, "ICBC-1").await.unwrap();
    for n in 1..=4 {
        pay(&test, NOW + n, buyer, &format!("CS{n}"), n * 100).await.unwrap();
    }
    let mut seen = Vec::new();
    let mut after = String::new();
    loop {
        let request = PageRequest { after: after.clone(), limit: 2 };
        let page = db.read(async move |tx| ledger::movements(tx, &Book::Buyer(buyer), &request).await).await.unwrap();
        assert!(page.items.len() <= 2);
        seen.extend(page.items.into_iter().map(|m| (m.kind, m.amount_minor, m.counter)));
        let Some(next) = page.next else { break };
        after = next;
    }
    let mut expected: Vec<_> = (1..=4).rev().map(|n| (EntryKind::Payment, n * -100, held(&format!("CS{n}")))).collect();
    expected.push((EntryKind::Deposit, 10_000, Book::Bank));
    assert_eq!(seen, expected);

    let request = PageRequest { after: "CS1".to_owned(), limit: 2 };
    let refused = db.read(async move |tx| ledger::movements(tx, &Book::Bank, &request).await).await.unwrap_err();
    assert_eq!(refused.code(), Some(Code::CursorInvalid));

    let of_order = db.read(async |tx| ledger::transactions_of(tx, "CS3", &PageRequest::default()).await).await.unwrap().items;
    assert_eq!(of_order.len(), 1);
    assert_eq!(of_order[0].postings, [Posting::new(Book::Buyer(buyer), held("CS3"), 300)]);
}

#[tokio::test]
async fn a_buyer_cannot_spend_more_than_the_balance() {
    let test = TestMarket::new().await;
    let db = test.market.db();
    let buyer = account(1);
    deposit(&test, NOW, buyer, 10_000, "ICBC-1").await.unwrap();
    let refused = pay(&test, NOW, buyer, "CS1", 10_001).await.unwrap_err();
    let db::Error::Refused(refusal) = refused else { panic!("{refused:?}") };
    assert_eq!(refusal.code, Code::BalanceTooLow);
    assert_eq!(refusal.args, [("balance", "100.00 CNY".to_owned()), ("needed", "100.01 CNY".to_owned())]);
    assert_eq!(pay(&test, NOW, account(2), "CS2", 1).await.unwrap_err().code(), Some(Code::BalanceTooLow));
    pay(&test, NOW, buyer, "CS3", 10_000).await.unwrap();
    assert_eq!(wallet(db, buyer).await, 0);
    // The database itself is the last guard.
    let broken = db.write(async |tx| tx.run_text("UPDATE ledger_wallets SET balance_minor = -1").await).await.unwrap_err();
    assert!(matches!(&broken, db::Error::Constraint(name) if name == "wallet_not_negative"), "{broken:?}");
}

#[tokio::test]
async fn of_many_payments_at_once_only_those_succeed_that_the_balance_covers() {
    let test = TestMarket::new().await;
    let buyer = account(1);
    deposit(&test, NOW, buyer, 10_000, "ICBC-1").await.unwrap();
    let payments: JoinSet<_> = (0..10)
        .map(|n| {
            let (market, ctx, order) = (test.market.clone(), test.ctx(NOW), format!("CS{n}"));
            async move {
                let posting = Posting::new(Book::Buyer(buyer), held(&order), 3_000);
                post(&market, ctx, EntryKind::Payment, &order, vec![posting]).await
            }
        })
        .collect();
    let outcomes = payments.join_all().await;
    assert_eq!(outcomes.iter().filter(|outcome| outcome.is_ok()).count(), 3);
    assert!(outcomes.iter().filter_map(|o| o.as_ref().err()).all(|e| e.code() == Some(Code::BalanceTooLow)), "{outcomes:?}");
    assert_eq!(wallet(test.market.db(), buyer).await, 1_000);
    assert_eq!(verify(test.market.db()).await.problems, []);
}

#[tokio::test]
async fn money_takes_only_its_ways() {
    let test = TestMarket::new().await;
    let (buyer, seller) = (account(1), account(2));
    deposit(&test, NOW, buyer, 10_000, "ICBC-1").await.unwrap();
    let wrong = [
        (EntryKind::Deposit, Posting::new(Book::Bank, Book::SellerPayable(seller), 1)),
        (EntryKind::Payment, Posting::new(Book::Buyer(buyer), Book::SellerPending(seller), 1)),
        (EntryKind::Payment, Posting::new(Book::Buyer(buyer), held("CS1"), -1)),
        (EntryKind::Payout, Posting::new(Book::SellerPending(seller), Book::Bank, 1)),
        (EntryKind::Refund, Posting::new(Book::Buyer(buyer), Book::Buyer(buyer), 1)),
    ];
    for (kind, posting) in wrong {
        let refused = post(&test.market, test.ctx(NOW), kind, "CS1", vec![posting.clone()]).await.unwrap_err();
        assert!(matches!(refused, db::Error::Broken(_)), "{posting:?}: {refused:?}");
    }
    let ctx = test.ctx(NOW);
    let nothing = test
        .market
        .db()
        .write(async move |tx| {
            ledger::post(tx, &ctx, EntryKind::Payment, "CS1", CNY, &[Posting::new(Book::Buyer(buyer), held("CS1"), 0)]).await
        })
        .await;
    assert_eq!(nothing.unwrap(), None, "an order that costs nothing moves nothing");
    assert_eq!(verify(test.market.db()).await.transactions, 1);
}

#[tokio::test]
async fn a_bank_transfer_is_recorded_once_and_told_to_the_buyer() {
    let test = TestMarket::new().await;
    let db = test.market.db();
    let buyer = account(1);
    let first = deposit(&test, NOW, buyer, 10_000, " ICBC-1 ").await.unwrap();
    assert_eq!((first.bank_reference.as_str(), first.amount_minor), ("ICBC-1", 10_000));
    assert_eq!(deposit(&test, NOW, buyer, 10_000, "ICBC-1").await.unwrap_err().code(), Some(Code::DepositDuplicate));
    assert_eq!(deposit(&test, NOW, buyer, 0, "ICBC-2").await.unwrap_err().code(), Some(Code::AmountNotPositive));
    assert_eq!(deposit(&test, NOW, buyer, 1, " ").await.unwrap_err().code(), Some(Code::FieldInvalid));
    let (market, ctx) = (test.market.clone(), test.ctx(NOW));
    let dollars =
        NewDeposit { account_id: buyer, amount: Money::new(1, Currency::USD), bank_reference: "ICBC-3".to_owned(), note: String::new() };
    let mixed = db.write(async move |tx| ledger::record_deposit(tx, &ctx, market.edition(), &dollars).await).await.unwrap_err();
    assert_eq!(mixed.code(), Some(Code::CurrencyMix));
    let second = deposit(&test, NOW + 5, account(2), 7, "ICBC-4").await.unwrap();

    assert_eq!(wallet(db, buyer).await, 10_000);
    let page = PageRequest::default();
    let (all, own, inbox) = db
        .read(async move |tx| {
            let all = ledger::deposits(tx, None, &page).await?.items;
            let own = ledger::deposits(tx, Some(buyer), &page).await?.items;
            Ok((all, own, notices::inbox(tx, buyer, &page).await?.items))
        })
        .await
        .unwrap();
    assert_eq!(all, [second, first.clone()]);
    assert_eq!(own, [first]);
    assert_eq!(inbox.iter().map(|notice| notice.kind).collect::<Vec<_>>(), [NoticeKind::DepositRecorded]);
}

#[tokio::test]
async fn transactions_are_sealed_in_batches_by_any_number_of_sealers() {
    let test = TestMarket::new().await;
    let db = test.market.db();
    for n in 0..30 {
        deposit(&test, NOW + n, account(1), 1 + n, &format!("ICBC-{n}")).await.unwrap();
    }
    assert_eq!(seal(db, 7).await, 7);
    assert_eq!(db.read(async |tx| ledger::unsealed(tx).await).await.unwrap(), 23);
    tokio::join!(seal(db, 6), seal(db, 6), seal(db, 6));
    while seal(db, 100).await > 0 {}
    let found = verify(db).await;
    assert_eq!(found.problems, []);
    assert_eq!((found.sealed, found.unsealed, found.head_sequence), (30, 0, 30));
    let head = db.read(async |tx| ledger::head(tx).await).await.unwrap().unwrap();
    assert_eq!((head.0, hex(&head.1)), (30, found.head_hash));
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A ledger with ten sealed transactions and two that wait.
async fn small_ledger() -> TestMarket {
    let test = TestMarket::new().await;
    let (buyer, seller) = (account(1), account(2));
    deposit(&test, NOW, buyer, 10_000, "ICBC-1").await.unwrap();
    for n in 1..=4 {
        let order = format!("CS{n}");
        pay(&test, NOW + 10 * n, buyer, &order, n * 100).await.unwrap();
        sell(&test, NOW + 10 * n + 1, seller, &order, n * 100).await.unwrap();
    }
    give_back(&test, NOW + 50, Book::SellerPending(seller), buyer, "CS9", 100).await.unwrap();
    assert_eq!(seal(test.market.db(), 100).await, 10);
    pay(&test, NOW + 60, buyer, "CS7", 100).await.unwrap();
    sell(&test, NOW + 61, seller, "CS7", 100).await.unwrap();
    test
}

/// Does `damage`, then expects the first problem in `table` at the row that `row` selected before.
async fn damaged(table: &'static str, row: &str, damage: &[&str]) -> Vec<Problem> {
    let test = small_ledger().await;
    test.is_not_reckoned();
    let db = test.market.db();
    assert_eq!(verify(db).await.problems, []);
    let row = run(db, vec![row.to_owned()]).await.pop().unwrap();
    run(db, damage.iter().map(|text| (*text).to_owned()).collect()).await;
    let problems = verify(db).await.problems;
    let first = problems.first().unwrap_or_else(|| panic!("{damage:?} was not noticed"));
    assert_eq!((first.table, first.row.as_str()), (table, row.as_str()), "{damage:?}: {problems:#?}");
    problems
}

const FOURTH: &str = "SELECT transaction_id FROM ledger_seals WHERE sequence = 4";
const LAST: &str = "SELECT transaction_id FROM ledger_seals WHERE sequence = 10";

#[tokio::test]
async fn a_changed_transaction_is_named() {
    for change in ["amount_minor = 777", "destination = 'held:CS8'", "line = 2"] {
        let update = format!("UPDATE ledger_postings SET {change} WHERE transaction_id = ({FOURTH})");
        damaged("ledger_transactions", FOURTH, &[&update]).await;
        let update = format!("UPDATE ledger_postings SET {change} WHERE transaction_id = ({LAST}) AND line = 2");
        if change != "line = 2" {
            damaged("ledger_transactions", LAST, &[&update]).await;
        }
    }
    for change in ["at = at + 1", "kind = 'refund'", "reference = 'CS8'", "currency = 'USD'"] {
        let update = format!("UPDATE ledger_transactions SET {change} WHERE id = ({FOURTH})");
        damaged("ledger_transactions", FOURTH, &[&update]).await;
    }
}

#[tokio::test]
async fn a_posting_that_was_added_or_taken_away_is_named() {
    let added = format!(
        "INSERT INTO ledger_postings (transaction_id, line, source, destination, amount_minor)
         SELECT transaction_id, 2, 'buyer:{}', 'held:CS8', 5 FROM ledger_seals WHERE sequence = 4",
        account(1)
    );
    damaged("ledger_transactions", FOURTH, &[&added]).await;
    let taken = format!("DELETE FROM ledger_postings WHERE transaction_id = ({FOURTH})");
    damaged("ledger_transactions", FOURTH, &[&taken]).await;
    let gone = format!("DELETE FROM ledger_transactions WHERE id = ({FOURTH})");
    let problems = damaged("ledger_transactions", FOURTH, &[&taken, &gone]).await;
    assert!(problems[0].what.contains("is missing; seal 4 covers it"), "{problems:?}");
}

#[tokio::test]
async fn a_changed_chain_is_named() {
    let hash = "UPDATE ledger_seals SET hash = (SELECT s.hash FROM ledger_seals s WHERE s.sequence = 2) WHERE sequence = 4";
    let problems = damaged("ledger_seals", "SELECT '4'", &[hash]).await;
    assert_eq!(problems.len(), 1, "the seals after it are whole: {problems:#?}");
    let swap = [
        "UPDATE ledger_seals SET sequence = 1000 WHERE sequence = 4",
        "UPDATE ledger_seals SET sequence = 4 WHERE sequence = 6",
        "UPDATE ledger_seals SET sequence = 6 WHERE sequence = 1000",
    ];
    damaged("ledger_transactions", "SELECT transaction_id FROM ledger_seals WHERE sequence = 6", &swap).await;
    damaged("ledger_seals", "SELECT '4'", &["DELETE FROM ledger_seals WHERE sequence = 4"]).await;
    damaged("ledger_transactions", LAST, &["DELETE FROM ledger_seals WHERE sequence = 10"]).await;
    let again = format!("INSERT INTO ledger_unsealed (transaction_id) {FOURTH}");
    damaged("ledger_unsealed", FOURTH, &[&again]).await;
}

#[tokio::test]
async fn a_transaction_from_nowhere_is_named() {
    let forged = "ltx_00000000000000000000000001";
    let insert =
        format!("INSERT INTO ledger_transactions (id, at, kind, reference, currency) VALUES ('{forged}', 1, 'payout', 'stm', 'CNY')");
    let posting = format!(
        "INSERT INTO ledger_postings (transaction_id, line, source, destination, amount_minor)
         VALUES ('{forged}', 1, 'seller-payable:{}', 'bank', 5)",
        account(2)
    );
    damaged("ledger_transactions", &format!("SELECT '{forged}'"), &[&insert, &posting]).await;
    // Put among those that wait, it looks like one of ours; its book gives it away.
    let waiting = format!("INSERT INTO ledger_unsealed (transaction_id) VALUES ('{forged}')");
    let owing = format!("SELECT 'seller-payable:{}'", account(2));
    damaged("ledger_postings", &owing, &[&insert, &posting, &waiting]).await;
    // A way that money may not take.
    let stolen = posting.replace("seller-payable:", "seller-pending:");
    damaged("ledger_postings", &format!("SELECT '{forged}/1'"), &[&insert, &stolen, &waiting]).await;
}

#[tokio::test]
async fn damage_to_what_is_not_sealed_yet_shows_in_the_balances() {
    let waiting = "SELECT transaction_id FROM ledger_unsealed ORDER BY transaction_id LIMIT 1";
    let raised = format!("UPDATE ledger_postings SET amount_minor = 150 WHERE transaction_id = ({waiting})");
    damaged("ledger_wallets", &format!("SELECT '{}/CNY'", account(1)), &[&raised]).await;
    let lowered = format!("UPDATE ledger_postings SET amount_minor = 50 WHERE transaction_id = ({waiting})");
    damaged("ledger_postings", "SELECT 'held:CS7'", &[&lowered]).await;
    let gone = format!("DELETE FROM ledger_postings WHERE transaction_id = ({waiting})");
    damaged("ledger_transactions", waiting, &[&gone]).await;
}

#[tokio::test]
async fn a_changed_wallet_is_named() {
    let row = format!("SELECT '{}/CNY'", account(1));
    let problems = damaged("ledger_wallets", &row, &["UPDATE ledger_wallets SET balance_minor = balance_minor + 1"]).await;
    assert_eq!(problems[0].what, "holds 9001; its postings say 9000");
    damaged("ledger_wallets", &row, &["DELETE FROM ledger_wallets"]).await;
    let rich = format!("INSERT INTO ledger_wallets (account, currency, balance_minor) VALUES ('{}', 'CNY', 1000000)", account(9));
    damaged("ledger_wallets", &format!("SELECT '{}/CNY'", account(9)), &[&rich]).await;
}

#[tokio::test]
async fn only_the_first_problems_are_told() {
    let test = TestMarket::new().await;
    test.is_not_reckoned();
    for n in 0..30 {
        deposit(&test, NOW + n, account(1), 5, &format!("ICBC-{n}")).await.unwrap();
    }
    let db = test.market.db();
    run(db, vec!["DELETE FROM ledger_unsealed".to_owned()]).await;
    let mut steps = Vec::new();
    let found = ledger::verify(db, |checked| steps.push(checked)).await.unwrap();
    assert_eq!(found.problems.len(), ledger::PROBLEMS_MAX);
    assert!(!steps.is_empty() && steps.is_sorted(), "{steps:?}");
}

/// A market that lives by chance: the ledger agrees with a book kept by hand, whatever happens.
#[tokio::test]
async fn whatever_happens_every_sum_is_zero_and_every_wallet_is_the_fold_of_its_postings() {
    let test = TestMarket::new().await;
    let db = test.market.db();
    let chance = Entropy::from_seed([5; 32]);
    let draw = |below: i64| i64::from(u32::from_be_bytes(chance.bytes())) % below;
    let seller = account(9);
    let mut wallets = BTreeMap::new();
    let mut orders: Vec<(AccountId, String, i64)> = Vec::new();
    let mut pending = 0;
    for n in 0..300 {
        let buyer = account(u8::try_from(draw(5)).unwrap());
        let purse: &mut i64 = wallets.entry(buyer).or_default();
        let at = NOW + draw(50);
        let amount = draw(2_000);
        match draw(5) {
            0 => {
                deposit(&test, at, buyer, amount + 1, &format!("ICBC-{n}")).await.unwrap();
                *purse += amount + 1;
            }
            1 | 2 => {
                let order = format!("CS{n}");
                let paid = pay(&test, at, buyer, &order, amount).await;
                assert_eq!(paid.is_ok(), amount <= *purse, "{amount} of {purse}: {paid:?}");
                if paid.is_ok() {
                    *purse -= amount;
                    orders.push((buyer, order, amount));
                }
            }
            3 => {
                let Some((_, order, amount)) = orders.pop() else { continue };
                sell(&test, at, seller, &order, amount).await.unwrap();
                pending += amount;
            }
            _ => {
                let Some((buyer, order, amount)) = orders.pop() else { continue };
                give_back(&test, at, held(&order), buyer, &order, amount).await.unwrap();
                *wallets.entry(buyer).or_default() += amount;
            }
        }
        if draw(10) == 0 {
            seal(db, draw(20)).await;
        }
    }
    for (buyer, expected) in wallets {
        assert_eq!((wallet(db, buyer).await, balance(db, Book::Buyer(buyer)).await), (expected, expected));
    }
    assert_eq!(balance(db, Book::SellerPending(seller)).await, pending);
    let found = verify(db).await;
    assert_eq!(found.problems, []);
    assert_eq!(found.balances.iter().map(|total| total.balance_minor).sum::<i64>(), 0);
    assert!(found.sealed > 10 && found.unsealed > 0, "both kinds were walked: {found:?}");
}
