//! `kill -9` while years pass.

use std::time::{Duration, Instant};

use kernel::DAY_MS;
use market::Mode;
use reqwest::Method;
use serde_json::{Value, json};

use crate::client::{Client, Doors};
use crate::dice::Dice;
use crate::fair::Fair;
use crate::reckoning::{delivered, let_leases_end};

/// Years that pass in the sandbox.
const YEARS: i64 = 3;
/// So often it is killed at least.
const KILLS_MIN: u64 = 3;
/// How long a worker holds a job.
const A_LEASE: Duration = Duration::from_secs(60);
/// Subscriptions that renew themselves each year.
const YEARLY: usize = 3;

/// Orders of one kind and state.
async fn orders(fair: &Fair, kind: &str, state: &str) -> usize {
    let db = fair.place.db().await;
    let (kind, state) = (kind.to_owned(), state.to_owned());
    let select = db::sql!("SELECT number FROM orders WHERE kind = $1 AND state = $2");
    db.read(async move |tx| tx.rows(select, &[&kind, &state]).await).await.unwrap().len()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_market_killed_while_years_pass_comes_to_the_same_end() {
    let dice = Dice::new();
    let fair = Fair::new(Mode::Sandbox, 1).await;
    let doors = Doors::new();
    let (client, operator) = (Client::new(&doors, &fair.buyers[0].token), Client::new(&doors, &fair.operator.token));
    let mut server = fair.place.start(&["serve"]);
    doors.open(&server.open().await);
    let year = json!({ "unit": "year", "count": 1 });
    let yearly = json!({
        "items": [{ "sku_id": fair.sku, "period": year, "quantity": 1, "renewal": { "mode": "auto", "period": year } }],
    });
    for n in 0..YEARLY {
        let number = client.insist("/orders", &format!("k{n}"), &yearly).await.body["number"].as_str().unwrap().to_owned();
        assert_eq!(client.insist(&format!("/orders/{number}/pay"), &format!("k{n}/pay"), &json!({})).await.status, 200);
    }
    delivered(&fair).await;

    let clock = async || operator.attempt(Method::GET, "/api/v1/sandbox/clock", &[], None).await;
    let end = clock().await.unwrap().body["now"].as_i64().unwrap() + YEARS * 366 * DAY_MS;
    let leap = json!({ "to": end });
    let (begun, mut kills) = (Instant::now(), 0);
    loop {
        let leaping = async || operator.attempt(Method::POST, "/api/v1/sandbox/clock/advance", &[], Some(&leap)).await;
        let leapt = tokio::select! {
            leapt = leaping() => leapt,
            // At first it comes not far, later a little further each time.
            () = tokio::time::sleep(dice.between(1, if kills < KILLS_MIN { 15 } else { 60 * kills })) => None,
        };
        if leapt.is_some_and(|answer| answer.status == 200) {
            break;
        }
        doors.shut();
        server.kill();
        kills += 1;
        let_leases_end(&fair).await;
        server = fair.place.start(&["serve"]);
        doors.open(&server.open().await);
    }
    println!("{kills} kills in {YEARS} years");
    assert!(kills >= KILLS_MIN, "the kills met nothing");
    assert!(begun.elapsed() < A_LEASE, "what a dead process held is not waited for: {:?}", begun.elapsed());
    assert_eq!(clock().await.unwrap().body["now"], Value::from(end));
    delivered(&fair).await;

    let years = usize::try_from(YEARS).unwrap();
    assert_eq!((orders(&fair, "NEW", "completed").await, orders(&fair, "RENEW", "completed").await), (YEARLY, YEARLY * years));
    for instance in fair.server.sound().instances() {
        assert_eq!(instance.later_orders.len(), years, "each renewal reached the seller: {instance:?}");
    }
    let verified = fair.place.run(&["verify"]).await;
    assert_eq!(verified.code, Some(0), "{verified:?}");
    server.stop().await;
}
