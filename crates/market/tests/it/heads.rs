//! Signed heads of the ledger hour by hour, proofs under them, and damage that is named.

use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use db::jobs;
use kernel::{AccountId, Code, Currency, Entropy, HOUR_MS, StatementId};
use market::ledger::{self, Book, EntryKind, HEAD_JOB, HeadView, KeyState, Posting, Problem};
use market::page::PageRequest;
use market::settlement;
use testkit::world::{BEGIN, World, months};
use wire::proof::{Inclusion, ProofSubject, PublicKey, check};

use crate::support::TestMarket;

/// 2026-01-05 10:00 in Shanghai: a full hour.
const NOW: i64 = BEGIN;

async fn heads(market: &market::Market) -> Vec<HeadView> {
    let page = PageRequest { limit: 200, ..PageRequest::default() };
    let mut heads = market.db().read(async move |tx| ledger::heads(tx, &page).await).await.unwrap().items;
    heads.reverse();
    heads
}

async fn prove(market: &market::Market, subject: ProofSubject, reference: &str) -> db::Result<Inclusion> {
    let reference = reference.to_owned();
    market.db().read(async move |tx| ledger::prove(tx, subject, &reference).await).await
}

/// Appends `count` deposits at `at` and seals them at `at`.
async fn deposits(test: &TestMarket, at: i64, count: i64) {
    let ctx = test.ctx(at);
    let write = async move |tx: &mut db::Tx| {
        for n in 0..count {
            let buyer = AccountId::new(1_000, &Entropy::from_seed([3; 32]));
            let posting = Posting::new(Book::Bank, Book::Buyer(buyer), n + 1);
            ledger::post(tx, &ctx, EntryKind::Deposit, "dep_1", Currency::CNY, &[posting]).await?;
        }
        ledger::seal(tx, at, count).await
    };
    assert_eq!(test.market.db().write(write).await.unwrap(), count.unsigned_abs());
}

/// Runs the job of the heads whenever it is due until `now`; how often it ran.
async fn run_head_jobs(test: &TestMarket, now: i64) -> usize {
    let mut runs = 0;
    loop {
        let claim = async move |tx: &mut db::Tx| jobs::claim(tx, now, now, 60_000, "worker", 1, 1).await;
        let Some(lease) = test.market.db().write(claim).await.unwrap().pop() else { return runs };
        assert_eq!(lease.job.kind, HEAD_JOB);
        ledger::run_head_job(&test.market, &lease, now).await.unwrap();
        runs += 1;
    }
}

async fn verify(market: &market::Market) -> ledger::Verification {
    ledger::verify(market.db(), |_| ()).await.unwrap()
}

#[tokio::test]
async fn each_hour_in_which_something_happened_has_a_head_at_its_end() {
    let world = World::new().await;
    let shop = world.shop("acme").await;
    let goods = world.goods(&shop).await;
    let buyer = world.buyer("bob", 500_000).await;
    world.subscribe(buyer, months(goods.basic, 1, 1)).await;
    assert_eq!(heads(&world.market).await, [], "the hour is not over");
    // Nothing happens in the hours between.
    world.pass(3 * HOUR_MS).await;
    world.subscribe(buyer, months(goods.basic, 1, 2)).await;
    world.pass(HOUR_MS + 1).await;
    let heads = heads(&world.market).await;
    assert_eq!(heads.iter().map(|view| (view.head.at, view.head.size)).collect::<Vec<_>>(), [(NOW + HOUR_MS, 3), (NOW + 4 * HOUR_MS, 5)]);
    assert!(heads.iter().all(|view| view.head.is_signed() && view.note.starts_with(&view.head.text())));
    let found = verify(&world.market).await;
    assert_eq!((found.problems.as_slice(), found.heads, found.leaves, found.sealed), (&[][..], 2, 5, 5));
    world.finish().await;
}

#[tokio::test]
async fn heads_made_late_are_those_that_would_have_been_made_in_time() {
    let (early, late) = (TestMarket::new().await, TestMarket::new().await);
    for (at, count) in [(NOW + 1, 3), (NOW + HOUR_MS - 1, 2), (NOW + HOUR_MS, 4), (NOW + 5 * HOUR_MS + 7, 1)] {
        // The one works all the time, the other not at all.
        run_head_jobs(&early, at).await;
        for test in [&early, &late] {
            deposits(test, at, count).await;
        }
    }
    run_head_jobs(&early, NOW + 6 * HOUR_MS).await;
    assert_eq!(run_head_jobs(&late, NOW + 100 * HOUR_MS).await, 3);
    let marks =
        async |test: &TestMarket| heads(&test.market).await.into_iter().map(|view| (view.head.at, view.head.size)).collect::<Vec<_>>();
    assert_eq!(marks(&late).await, [(NOW + HOUR_MS, 5), (NOW + 2 * HOUR_MS, 9), (NOW + 6 * HOUR_MS, 10)]);
    assert_eq!(marks(&early).await, marks(&late).await);
    for test in [&early, &late] {
        assert_eq!(verify(&test.market).await.problems, []);
        assert_eq!(run_head_jobs(test, NOW + 200 * HOUR_MS).await, 0, "nothing is left to do");
    }
}

#[tokio::test]
async fn a_clock_that_is_behind_does_not_stop_the_heads() {
    let test = TestMarket::new().await;
    deposits(&test, NOW, 1).await;
    run_head_jobs(&test, NOW + HOUR_MS).await;
    // Another process seals by a clock that has not reached the hour of the head.
    deposits(&test, NOW + HOUR_MS - 5, 1).await;
    run_head_jobs(&test, NOW + 2 * HOUR_MS).await;
    assert_eq!(heads(&test.market).await.iter().map(|view| view.head.at).collect::<Vec<_>>(), [NOW + HOUR_MS, NOW + 2 * HOUR_MS]);
}

#[tokio::test]
async fn an_hour_with_more_than_one_transaction_takes_is_taken_in_parts() {
    let test = TestMarket::new().await;
    deposits(&test, NOW, 1_000).await;
    deposits(&test, NOW + 1, 1_200).await;
    assert_eq!(run_head_jobs(&test, NOW + HOUR_MS).await, 3);
    assert_eq!(heads(&test.market).await.iter().map(|view| view.head.size).collect::<Vec<_>>(), [2_200]);
    let found = verify(&test.market).await;
    assert_eq!((found.problems.as_slice(), found.leaves), (&[][..], 2_200));
}

#[tokio::test]
async fn a_ledger_from_before_there_were_heads_gets_them() {
    let test = TestMarket::new().await;
    deposits(&test, NOW, 5).await;
    let forget = async |tx: &mut db::Tx| tx.run_text("DELETE FROM jobs").await.map(drop);
    test.market.db().write(forget).await.unwrap();
    test.market.db().write(async |tx| ledger::ensure_head_scheduled(tx).await).await.unwrap();
    assert_eq!(run_head_jobs(&test, NOW + HOUR_MS).await, 1);
    assert_eq!(heads(&test.market).await.len(), 1);
    // With nothing to sign, there is nothing to do.
    test.market.db().write(async |tx| ledger::ensure_head_scheduled(tx).await).await.unwrap();
    assert_eq!(run_head_jobs(&test, NOW + 9 * HOUR_MS).await, 0);
}

/// What an auditor finds with a program of their own.
fn roots_by_python(proof: &Inclusion) -> Vec<String> {
    const PYTHON: &str = "YUNSHI_TEST_PYTHON";
    let python = std::env::var(PYTHON).unwrap_or_else(|_| "python3".to_owned());
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/heads.py");
    let mut child = Command::new(python).arg(script).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(&serde_json::to_vec(proof).unwrap()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success());
    serde_json::from_slice(&output.stdout).unwrap()
}

#[tokio::test]
async fn an_order_a_statement_and_its_payout_are_proven() {
    let world = World::new().await;
    let shop = world.shop("acme").await;
    let goods = world.goods(&shop).await;
    let buyer = world.buyer("bob", 900_000).await;
    let order = world.buy(buyer, months(goods.basic, 1, 2)).await.number;
    let pending = prove(&world.market, ProofSubject::Order, &order).await.unwrap_err();
    assert_eq!(pending.code(), Some(Code::ProofPending), "no head yet");
    world.pass_days(1).await;
    for _ in 0..5 {
        world.subscribe(buyer, months(goods.basic, 1, 1)).await;
        world.pass(HOUR_MS).await;
    }
    let proof = prove(&world.market, ProofSubject::Order, &order).await.unwrap();
    let kinds: Vec<_> = proof.entries.iter().map(|proven| proven.entry.kind.as_str()).collect();
    assert_eq!(kinds, ["payment", "sale"]);
    assert_eq!(proof.entries[0].entry.postings[0].amount, "200.00");
    let key: PublicKey = world.act(async |tx, _, _| ledger::keys(tx).await).await[0].public_key.parse().unwrap();
    check(&serde_json::to_vec(&proof).unwrap(), Some(&key)).unwrap();
    assert_eq!(roots_by_python(&proof), vec![proof.head.root.to_string(); 2]);

    world.pass_days(40).await;
    let seller = shop.account;
    let statement = world.act(async move |tx, _, _| settlement::statements(tx, Some(seller), None, &PageRequest::default()).await).await;
    let id: StatementId = statement.items[0].id;
    let reference = id.to_string();
    assert_eq!(prove(&world.market, ProofSubject::Payout, &reference).await.unwrap_err().code(), Some(Code::NothingPosted));
    world.act(async move |tx, ctx, _| settlement::record_payout(tx, ctx, id, "PAY-1").await).await;
    assert_eq!(prove(&world.market, ProofSubject::Payout, &reference).await.unwrap_err().code(), Some(Code::ProofPending));
    let before = prove(&world.market, ProofSubject::Statement, &reference).await.unwrap();
    assert_eq!(before.entries.len(), 1, "what is under no head is left out");
    world.pass(2 * HOUR_MS).await;
    for (subject, count) in [(ProofSubject::Statement, 2), (ProofSubject::Payout, 1)] {
        let proof = prove(&world.market, subject, &reference).await.unwrap();
        assert_eq!(proof.entries.len(), count);
        check(&serde_json::to_vec(&proof).unwrap(), Some(&key)).unwrap();
        assert!(roots_by_python(&proof).iter().all(|root| *root == proof.head.root.to_string()));
    }
    assert_eq!(prove(&world.market, ProofSubject::Order, "CS0").await.unwrap_err().code(), Some(Code::NothingPosted));
    // An order is not proven as a statement.
    assert_eq!(prove(&world.market, ProofSubject::Statement, &order).await.unwrap_err().code(), Some(Code::NothingPosted));
    world.finish().await;
}

#[tokio::test]
async fn every_head_is_proven_the_beginning_of_every_later_one() {
    let test = TestMarket::new().await;
    for (hour, count) in (0..9).zip([1, 1, 2, 3, 5, 8, 13, 21, 34]) {
        deposits(&test, NOW + hour * HOUR_MS, count).await;
    }
    run_head_jobs(&test, NOW + 100 * HOUR_MS).await;
    let sizes: Vec<i64> = heads(&test.market).await.iter().map(|view| i64::try_from(view.head.size).unwrap()).collect();
    assert_eq!(sizes.len(), 9);
    let grown = async |first, second| test.market.db().read(async move |tx| ledger::prove_growth(tx, first, second).await).await;
    for (n, first) in sizes.iter().enumerate() {
        for second in &sizes[n..] {
            let proof = grown(*first, Some(*second)).await.unwrap();
            check(&serde_json::to_vec(&proof).unwrap(), None).unwrap();
        }
    }
    assert_eq!(grown(sizes[0], None).await.unwrap().second.size, sizes[8].unsigned_abs());
    for (first, second) in [(0, None), (3, None), (sizes[0], Some(9)), (sizes[4], Some(sizes[2])), (-1, None), (i64::MAX, None)] {
        assert_eq!(grown(first, second).await.unwrap_err().code(), Some(Code::NotFound), "{first} {second:?}");
    }
}

#[tokio::test]
async fn a_key_that_was_replaced_signs_no_more_and_its_heads_stay_good() {
    let test = TestMarket::new().await;
    deposits(&test, NOW, 3).await;
    run_head_jobs(&test, NOW + HOUR_MS).await;
    let (ctx, market) = (test.ctx(NOW + HOUR_MS), test.market.clone());
    let new = test.market.db().write(async move |tx| ledger::rotate_key(tx, &ctx, market.vault()).await).await.unwrap();
    deposits(&test, NOW + HOUR_MS, 3).await;
    run_head_jobs(&test, NOW + 2 * HOUR_MS).await;
    let heads = heads(&test.market).await;
    let keys = test.market.db().read(async |tx| ledger::keys(tx).await).await.unwrap();
    assert_eq!(keys.iter().filter(|key| key.state == KeyState::Current).map(|key| &key.id).collect::<Vec<_>>(), [&new.id]);
    assert_eq!(keys.iter().filter(|key| key.retired_at.is_some()).map(|key| &key.id).collect::<Vec<_>>(), [&heads[0].key_id]);
    assert_eq!(heads[1].key_id, new.id);
    assert_eq!(heads[0].head.key.name(), heads[1].head.key.name());
    assert_eq!(verify(&test.market).await.problems, []);
    let grown = test.market.db().read(async |tx| ledger::prove_growth(tx, 3, None).await).await.unwrap();
    assert_eq!(grown.check(Some(&new.public_key.parse().unwrap())), Ok(()));
}

#[tokio::test]
async fn every_start_finds_the_same_key() {
    let world = World::new().await;
    let keys = async |market: &market::Market| market.db().read(async |tx| ledger::keys(tx).await).await.unwrap();
    let first = keys(&world.market).await;
    assert_eq!(first.len(), 1);
    assert_eq!(keys(&world.another_process().await).await, first);
    world.finish().await;
}

/// Eleven transactions under two heads, over 5 and 11 of them.
async fn signed_ledger() -> TestMarket {
    let test = TestMarket::new().await;
    deposits(&test, NOW, 5).await;
    deposits(&test, NOW + HOUR_MS, 6).await;
    run_head_jobs(&test, NOW + 5 * HOUR_MS).await;
    assert_eq!(verify(&test.market).await.problems, []);
    test
}

async fn damaged(damage: &str) -> Vec<Problem> {
    let test = signed_ledger().await;
    test.is_not_reckoned();
    let texts: Vec<String> = damage.split(';').map(|text| text.trim().to_owned()).collect();
    let tamper = async move |tx: &mut db::Tx| {
        for text in &texts {
            tx.run_text(text).await?;
        }
        Ok(())
    };
    test.market.db().write(tamper).await.unwrap();
    verify(&test.market).await.problems
}

#[tokio::test]
async fn one_row_that_was_changed_is_named_and_no_other() {
    let other = "(SELECT t.hash FROM ledger_tree t WHERE t.level = 0 AND t.place = 0)";
    for (damage, table, row) in [
        // Each level of the tree.
        (format!("UPDATE ledger_tree SET hash = {other} WHERE level = 0 AND place = 3"), "ledger_tree", "0/3"),
        (format!("UPDATE ledger_tree SET hash = {other} WHERE level = 1 AND place = 2"), "ledger_tree", "1/2"),
        (format!("UPDATE ledger_tree SET hash = {other} WHERE level = 3 AND place = 0"), "ledger_tree", "3/0"),
        ("DELETE FROM ledger_tree WHERE level = 0 AND place = 4".to_owned(), "ledger_tree", "0/4"),
        ("DELETE FROM ledger_tree WHERE level = 0 AND place = 10".to_owned(), "ledger_tree", "0/10"),
        ("DELETE FROM ledger_tree WHERE level = 2 AND place = 1".to_owned(), "ledger_tree", "2/1"),
        (format!("INSERT INTO ledger_tree (level, place, hash) VALUES (0, 11, {other})"), "ledger_tree", "0/11"),
        (format!("INSERT INTO ledger_tree (level, place, hash) VALUES (4, 0, {other})"), "ledger_tree", "4/0"),
        (format!("INSERT INTO ledger_tree (level, place, hash) VALUES (64, 0, {other})"), "ledger_tree", "64/0"),
        (format!("INSERT INTO ledger_tree (level, place, hash) VALUES (0, -1, {other})"), "ledger_tree", "0/-1"),
        // Each column of a head.
        ("UPDATE ledger_heads SET at = at + 1 WHERE size = 5".to_owned(), "ledger_heads", "5"),
        (format!("UPDATE ledger_heads SET root = {other} WHERE size = 11"), "ledger_heads", "11"),
        ("UPDATE ledger_heads SET size = 4 WHERE size = 5".to_owned(), "ledger_heads", "4"),
        ("UPDATE ledger_heads SET size = 12 WHERE size = 11".to_owned(), "ledger_heads", "12"),
        ("UPDATE ledger_heads SET key_id = '00000000' WHERE size = 5".to_owned(), "ledger_heads", "5"),
        (format!("UPDATE ledger_heads SET signature = {other} WHERE size = 5"), "ledger_heads", "5"),
        (
            "UPDATE ledger_heads SET signature = (SELECT h.signature FROM ledger_heads h WHERE h.size = 11) WHERE size = 5".to_owned(),
            "ledger_heads",
            "5",
        ),
        ("UPDATE ledger_heads SET at = 0 WHERE size = 11".to_owned(), "ledger_heads", "11"),
    ] {
        let problems = damaged(&damage).await;
        let named: Vec<_> = problems.iter().map(|problem| (problem.table, problem.row.as_str())).collect();
        assert_eq!(named, [(table, row)], "{damage}: {problems:#?}");
    }
}

#[tokio::test]
async fn a_changed_transaction_is_named_once_though_the_tree_and_the_heads_cover_it() {
    let fourth = "(SELECT transaction_id FROM ledger_seals WHERE sequence = 4)";
    let id = async |test: &TestMarket| {
        let select = async |tx: &mut db::Tx| tx.run_text("SELECT transaction_id FROM ledger_seals WHERE sequence = 4").await;
        test.market.db().read(select).await.unwrap().pop().unwrap()
    };
    let test = signed_ledger().await;
    test.is_not_reckoned();
    let named = id(&test).await;
    let change = format!("UPDATE ledger_transactions SET reference = 'dep_2' WHERE id = {fourth}");
    test.market.db().write(async move |tx| tx.run_text(&change).await.map(drop)).await.unwrap();
    let problems = verify(&test.market).await.problems;
    assert_eq!(problems.iter().map(|it| (it.table, it.row.as_str())).collect::<Vec<_>>(), [("ledger_transactions", named.as_str())]);
    // A proof over it is not given out.
    let error = prove(&test.market, ProofSubject::Order, "CS1").await.unwrap_err();
    assert_eq!(error.code(), Some(Code::NothingPosted));

    // The hash of a seal, which no leaf covers.
    let problems =
        damaged("UPDATE ledger_seals SET hash = (SELECT s.hash FROM ledger_seals s WHERE s.sequence = 2) WHERE sequence = 4").await;
    assert_eq!(problems.iter().map(|it| (it.table, it.row.as_str())).collect::<Vec<_>>(), [("ledger_seals", "4")]);
}

#[tokio::test]
async fn a_public_key_that_was_changed_is_named_and_signs_nothing() {
    let test = signed_ledger().await;
    test.is_not_reckoned();
    let change = "UPDATE ledger_keys SET public_key = 'x' || public_key";
    test.market.db().write(async move |tx| tx.run_text(change).await.map(drop)).await.unwrap();
    let problems = verify(&test.market).await.problems;
    assert_eq!(problems.iter().map(|it| it.table).collect::<Vec<_>>(), ["ledger_keys"]);
    deposits(&test, NOW + 9 * HOUR_MS, 1).await;
    let now = NOW + 10 * HOUR_MS;
    let claim = async move |tx: &mut db::Tx| jobs::claim(tx, now, now, 60_000, "worker", 1, 1).await;
    let lease = test.market.db().write(claim).await.unwrap().pop().unwrap();
    assert!(matches!(ledger::run_head_job(&test.market, &lease, now).await, Err(db::Error::Broken(_))));
}

#[tokio::test]
async fn nobody_is_given_a_proof_that_does_not_hold() {
    let world = World::new().await;
    let shop = world.shop("acme").await;
    let goods = world.goods(&shop).await;
    let buyer = world.buyer("bob", 900_000).await;
    let order = world.buy(buyer, months(goods.basic, 1, 2)).await.number;
    world.pass(2 * HOUR_MS).await;
    prove(&world.market, ProofSubject::Order, &order).await.unwrap();
    let raise = async |by: i64| {
        let change = format!("UPDATE ledger_postings SET amount_minor = amount_minor + {by} WHERE source LIKE 'buyer:%'");
        world.act(async move |tx, _, _| tx.run_text(&change).await.map(drop)).await;
    };
    raise(1).await;
    let error = prove(&world.market, ProofSubject::Order, &order).await.unwrap_err();
    assert!(matches!(error, db::Error::Broken(_)), "{error:?}");
    raise(-1).await;
    world.finish().await;
}
