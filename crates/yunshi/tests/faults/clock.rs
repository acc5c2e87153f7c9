//! Time that is wrong, and time that leaps.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use kernel::DAY_MS;
use market::Mode;
use reqwest::Method;
use serde_json::json;
use tokio::sync::watch;
use wire::openapi::aksk::{self, KeyPair, Parts};
use wire::openapi::order_query::PATH;

use crate::client::{Answer, Client, Doors};
use crate::fair::{Fair, Pair};
use crate::place::until;

const MINUTE_MS: i64 = 60_000;
/// How far the clock leaps at a time while people order.
const STEP_MS: i64 = 30 * DAY_MS;

/// The machine's time, ms UTC.
fn wall_now() -> i64 {
    i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis()).unwrap()
}

/// What a seller's server whose clock is off by so many ms is told about an order.
pub(crate) async fn order_query(doors: &Doors, pair: &Pair, order: &str, off_ms: i64) -> Answer {
    let keys = KeyPair { access_key: pair.access_key.clone(), secret_key: pair.secret_key.clone() };
    let query = format!("orderId={order}");
    let parts = Parts { method: "GET", path: PATH, query: &query, headers: &[("content-type", "application/json")], body: b"" };
    let signed = aksk::sign(&parts, &keys, wall_now() + off_ms).unwrap();
    let headers = [
        ("content-type", "application/json"),
        ("x-sdk-date", signed.x_sdk_date.as_str()),
        ("authorization", signed.authorization.as_str()),
    ];
    Client::new(doors, "").attempt(Method::GET, &format!("{PATH}?{query}"), &headers, None).await.expect("an answer")
}

/// Signatures go by the machine's time, whatever the market's clock says.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_whose_clock_is_off_is_told_so_even_where_the_markets_clock_has_leapt() {
    let fair = Fair::new(Mode::Sandbox, 1).await;
    let mut server = fair.place.start(&["serve"]);
    let doors = Doors::at(&server.open().await);
    let operator = Client::new(&doors, &fair.operator.token);
    for leap in [0, 1_100 * DAY_MS] {
        if leap > 0 {
            let moved =
                operator.attempt(Method::POST, "/api/v1/sandbox/clock/advance", &[], Some(&json!({ "by_ms": leap }))).await.unwrap();
            assert_eq!(moved.status, 200, "{moved:?}");
        }
        for (minutes, expected) in [(-16, 401), (-14, 200), (0, 200), (14, 200), (16, 401)] {
            let answer = order_query(&doors, &fair.pair, "MOCKPERIODYEARNEW", minutes * MINUTE_MS).await;
            assert_eq!(answer.status, expected, "{minutes} minutes off: {answer:?}");
            if expected == 401 {
                assert_eq!(answer.body["error_code"], "APIGW.0301");
                assert!(answer.body["error_msg"].as_str().unwrap().contains("differs from the server's time"), "{answer:?}");
            }
        }
    }
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn three_years_pass_while_people_order_and_pay() {
    let fair = Fair::new(Mode::Sandbox, 2).await;
    let mut server = fair.place.start(&["serve"]);
    let doors = Doors::at(&server.open().await);
    let operator = Client::new(&doors, &fair.operator.token);
    let begun = operator.get("/sandbox/clock").await.body["now"].as_i64().unwrap();

    // One subscription renews itself year after year; the others run out.
    let client = Client::new(&doors, &fair.buyers[0].token);
    let yearly = json!({
        "items": [{ "sku_id": fair.sku, "period": { "unit": "year", "count": 1 }, "quantity": 1,
                    "renewal": { "mode": "auto", "period": { "unit": "year", "count": 1 } } }],
    });
    let number = client.post("/orders", "yearly", &yearly).await.body["number"].as_str().unwrap().to_owned();
    assert_eq!(client.post(&format!("/orders/{number}/pay"), "yearly/pay", &json!({})).await.status, 200);

    // An order each time the clock has begun to leap once more; it stops when nobody leaps any more.
    let (leaps, mut leapt) = watch::channel(());
    let ordered = Arc::new(AtomicUsize::new(0));
    let shopper = {
        let ordered = ordered.clone();
        let (client, sku) = (Client::new(&doors, &fair.buyers[1].token), fair.sku);
        tokio::spawn(async move {
            let mut orders = 0;
            while leapt.changed().await.is_ok() {
                let placed = client.insist("/orders", &format!("k{orders}"), &crate::fair::order_of(sku, 1)).await;
                assert_eq!(placed.status, 201, "{placed:?}");
                let pay = format!("/orders/{}/pay", placed.body["number"].as_str().unwrap());
                let paid = client.insist(&pay, &format!("k{orders}/pay"), &json!({})).await;
                // Its time to pay may have gone by in between: then it was cancelled, and nothing else.
                assert!(paid.status == 200 || paid.code() == "order-state", "{paid:?}");
                assert_eq!(client.get("/subscriptions").await.status, 200);
                orders += 1;
                ordered.store(orders, Ordering::SeqCst);
            }
            orders
        })
    };
    let to = begun + 3 * 366 * DAY_MS;
    let (mut now, mut begun_leaps) = (begun, 0);
    while now < to {
        let step = (now + STEP_MS).min(to);
        leaps.send(()).unwrap();
        let moved = operator.attempt(Method::POST, "/api/v1/sandbox/clock/advance", &[], Some(&json!({ "to": step }))).await.unwrap();
        match moved.status {
            200 => {}
            503 | 409 => assert!(["unavailable", "clock-busy"].contains(&moved.code()), "{moved:?}"),
            _ => panic!("{moved:?}"),
        }
        let later = operator.get("/sandbox/clock").await.body["now"].as_i64().unwrap();
        assert!(later >= now, "time only goes forward");
        now = later;
        // However fast it leaps here, each leap meets an order.
        begun_leaps += 1;
        until("the order of this leap", async || (ordered.load(Ordering::SeqCst) >= begun_leaps).then_some(())).await;
    }
    drop(leaps);
    let orders = shopper.await.unwrap();
    println!("{orders} orders in three years");
    assert!(orders > 10, "only {orders} orders");
    until("everything that is due done", async || {
        let open = fair.place.sql("SELECT number FROM orders WHERE state = 'processing'").await;
        open.is_empty().then_some(())
    })
    .await;

    let renewals = client.get("/orders?limit=200").await;
    let renewals = renewals.body["items"].as_array().unwrap().iter().filter(|order| order["kind"] == "RENEW").count();
    assert_eq!(renewals, 3, "the yearly one was renewed at the end of each year");
    let verified = fair.place.run(&["verify"]).await;
    assert_eq!(verified.code, Some(0), "{verified:?}");
    until("a statement for each month of sales", async || {
        let statements = fair.place.sql("SELECT id FROM statements").await.len();
        (statements >= 12).then_some(())
    })
    .await;
    server.stop().await;
}
