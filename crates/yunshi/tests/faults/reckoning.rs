//! What must hold in the end, whatever happened: every answer that was given, each order once, each instance once, every cent.

use std::collections::{BTreeMap, BTreeSet};

use db::{Db, sql};
use market::Mode;
use market::ledger::{self, BookKind};
use market::settlement;
use sample_seller::State;
use serde_json::json;

use crate::client::{Client, Doors, Fate, Told};
use crate::fair::{DEPOSIT, Fair, PRICE};
use crate::place::until;

/// An order as it stands in the database.
#[derive(Debug)]
struct Row {
    number: String,
    state: String,
    buyer: String,
    total: i64,
}

async fn rows(fair: &Fair) -> Vec<Row> {
    let select = sql!("SELECT number, state, buyer_id, total_minor FROM orders ORDER BY number");
    let found: Vec<(String, String, String, i64)> = fair.place.db().await.read(async move |tx| tx.all(select, &[]).await).await.unwrap();
    found.into_iter().map(|(number, state, buyer, total)| Row { number, state, buyer, total }).collect()
}

/// Every order with its state.
pub(crate) async fn states(fair: &Fair) -> BTreeMap<String, String> {
    let rows = fair.place.sql("SELECT number || ' ' || state FROM orders").await;
    rows.iter().map(|row| row.split_once(' ').unwrap()).map(|(number, state)| (number.to_owned(), state.to_owned())).collect()
}

/// A worker that died holds its jobs for a minute, and in a sandbox the clock for some seconds. Nobody wants to wait for that: the time
/// passes now.
pub(crate) async fn let_leases_end(fair: &Fair) {
    match fair.place.mode {
        Mode::Production => fair.place.sql("UPDATE jobs SET lease_until = 0 RETURNING kind").await,
        // The clock's next mover ends the leases of the last.
        Mode::Sandbox => fair.place.sql("UPDATE sandbox_clock SET mover_until = 0 RETURNING mover").await,
    };
}

/// Waits until every paid order was delivered and every refund has reached the buyer.
pub(crate) async fn delivered(fair: &Fair) {
    until("every paid order delivered, and every returned one paid back", async || {
        let open = rows(fair).await.into_iter().filter(|row| ["processing", "refunding"].contains(&row.state.as_str())).count();
        let jobs = fair.place.sql("SELECT subject FROM jobs WHERE kind LIKE 'delivery.%'").await.len();
        (open == 0 && jobs == 0).then_some(())
    })
    .await;
}

/// Checks all of it, on a market that runs at `doors` and has nothing left to do.
pub(crate) async fn reckon(fair: &Fair, doors: &Doors, told: &[Told]) {
    let orders = rows(fair).await;
    each_key_made_one_order(fair, doors, told, &orders).await;
    orders_stand_as_told(fair, told, &orders);
    one_instance_each(fair, told).await;
    money_adds_up(fair, told).await;
    let verified = fair.place.run(&["verify"]).await;
    assert_eq!(verified.code, Some(0), "{verified:?}");
    assert!(verified.out.contains("every figure is right"), "{verified:?}");
}

async fn each_key_made_one_order(fair: &Fair, doors: &Doors, told: &[Told], orders: &[Row]) {
    let numbers: Vec<&str> =
        told.iter().flat_map(|told| [Some(told.number.as_str()), told.renewal.as_deref(), told.refund.as_deref()]).flatten().collect();
    let known: BTreeSet<&str> = numbers.iter().copied().collect();
    assert_eq!(known.len(), numbers.len(), "two keys were answered with one order");
    let there: BTreeSet<&str> = orders.iter().map(|row| row.number.as_str()).collect();
    assert_eq!(there, known, "the orders are those that somebody was told of, no more and no fewer");
    // Whoever asks once more hears the same.
    for told in told.iter().step_by(1 + told.len() / 20) {
        let client = Client::new(doors, &fair.buyers[told.buyer].token);
        let again = client.insist("/orders", &told.key, &fair.order(told.quantity)).await;
        assert_eq!((again.status, &again.body["number"]), (201, &json!(told.number)));
        for step in told.fate.steps() {
            let again = client.insist(&step.path(told), &format!("{}/{}", told.key, step.word()), &step.body()).await;
            assert_eq!((again.status, &again.body["number"]), (step.status(), &json!(step.number(told))), "{step:?} of {told:?}");
        }
    }
}

fn orders_stand_as_told(fair: &Fair, told: &[Told], orders: &[Row]) {
    let by_number: BTreeMap<&str, &Row> = orders.iter().map(|row| (row.number.as_str(), row)).collect();
    for told in told {
        let row = by_number[told.number.as_str()];
        let expected = match told.fate {
            Fate::Paid | Fate::Renewed | Fate::RenewalReturned => "completed",
            // The refund is an order of its own besides.
            Fate::Returned => "refunded",
            Fate::Cancelled => "cancelled",
            Fate::Left => "pending_payment",
        };
        let buyer = fair.buyers[told.buyer].account.to_string();
        assert_eq!((row.state.as_str(), row.total, &row.buyer), (expected, told.quantity * PRICE, &buyer), "{told:?}");
        let renewed = if told.fate == Fate::RenewalReturned { "refunded" } else { "completed" };
        for (number, state) in [(&told.renewal, renewed), (&told.refund, "refunded")] {
            let Some(number) = number else { continue };
            let row = by_number[number.as_str()];
            assert_eq!((row.state.as_str(), row.total, &row.buyer), (state, told.quantity * PRICE, &buyer), "{told:?}");
        }
    }
}

async fn one_instance_each(fair: &Fair, told: &[Told]) {
    let instances = fair.server.sound().instances();
    let at_seller: BTreeMap<&str, bool> = instances.iter().map(|it| (it.order_id.as_str(), it.state == State::Released)).collect();
    assert_eq!(at_seller.len(), instances.len(), "an order has two instances at the seller");
    let wanted: BTreeMap<&str, bool> =
        told.iter().filter(|told| told.fate.is_paid()).map(|told| (told.number.as_str(), told.fate == Fate::Returned)).collect();
    assert_eq!(at_seller, wanted, "the seller has opened what was paid for, and released what was returned");

    for told in told.iter().filter(|told| told.fate.is_paid()) {
        let instance = instances.iter().find(|it| it.order_id == told.number).unwrap();
        let later: Vec<&str> = instance.later_orders.iter().map(|it| it.split('/').next().unwrap()).collect();
        let wanted: Vec<&str> = [&told.renewal, &told.refund].into_iter().flatten().map(String::as_str).collect();
        assert_eq!(later, wanted, "the seller was told of each renewal and each return, and did it once: {told:?}");
    }

    let select = sql!(
        "SELECT l.order_number, s.instance_id FROM subscriptions s JOIN order_lines l ON l.number = s.purchase_line
         WHERE s.state = 'in_use' ORDER BY l.order_number"
    );
    let ours: Vec<(String, Option<String>)> = fair.place.db().await.read(async move |tx| tx.all(select, &[]).await).await.unwrap();
    assert_eq!(ours.len(), told.iter().filter(|told| told.fate.is_kept()).count());
    for (order, instance) in &ours {
        let theirs = instances.iter().find(|it| it.order_id == *order).unwrap();
        assert_eq!(instance.as_deref(), Some(theirs.instance_id.as_str()), "{order}");
    }
    assert!(fair.server.calls().iter().all(|call| call.verified.is_ok()), "a call that is not rightly signed");
}

async fn money_adds_up(fair: &Fair, told: &[Told]) {
    let db = fair.place.db().await;
    let verified = ledger::verify(&db, |_| {}).await.unwrap();
    assert_eq!(verified.problems, []);
    assert_eq!(settlement::verify_statements(&db, |_| {}).await.unwrap().problems, []);
    let in_books = |kind| verified.balances.iter().filter(|total| total.kind == kind).map(|total| total.balance_minor).sum::<i64>();
    let spent_by = |buyer: usize| {
        told.iter().filter(|told| told.buyer == buyer).map(|told| told.fate.times_paid() * told.quantity * PRICE).sum::<i64>()
    };
    let spent: i64 = (0..fair.buyers.len()).map(spent_by).sum();
    let deposited = DEPOSIT * i64::try_from(fair.buyers.len()).unwrap();
    assert_eq!(in_books(BookKind::Bank), -deposited);
    assert_eq!(in_books(BookKind::Buyer), deposited - spent);
    assert_eq!(in_books(BookKind::SellerPending), spent);
    assert_eq!((in_books(BookKind::Held), in_books(BookKind::Refund)), (0, 0), "nothing is held for what was delivered or returned");
    for (n, buyer) in fair.buyers.iter().enumerate() {
        let account = buyer.account;
        let wallet = db.read(async move |tx| ledger::wallet(tx, account, kernel::Currency::CNY).await).await.unwrap();
        assert_eq!(wallet, DEPOSIT - spent_by(n), "{account}");
    }
    let payments = references(&db, "payment").await;
    let mut paid: Vec<&str> = told
        .iter()
        .filter(|told| told.fate.is_paid())
        .flat_map(|told| [Some(told.number.as_str()), told.renewal.as_deref()])
        .flatten()
        .collect();
    paid.sort_unstable();
    assert_eq!(payments, paid, "each order was paid once");
    let refunds = references(&db, "refund").await;
    // Out of the seller's sales when it is asked for, into the balance when the seller has released it.
    let mut returned: Vec<&str> = told.iter().filter_map(|told| told.refund.as_deref()).flat_map(|refund| [refund; 2]).collect();
    returned.sort_unstable();
    assert_eq!(refunds, returned, "each refund was paid back once");
}

/// What the transactions of a kind are about, in order.
async fn references(db: &Db, kind: &'static str) -> Vec<String> {
    let select = sql!("SELECT reference FROM ledger_transactions WHERE kind = $1 ORDER BY reference");
    let found: Vec<(String,)> = db.read(async move |tx| tx.all(select, &[&kind]).await).await.unwrap();
    found.into_iter().map(|(reference,)| reference).collect()
}
