//! Asked to stop, as a supervisor asks.

use std::io::Write;
use std::net::TcpStream;
use std::time::{Duration, Instant};

use market::Mode;
use rustix::process::Signal;
use serde_json::json;
use testkit::sellers::Behaviour;
use wire::koogallery_v2::Activity;

use crate::client::{Client, Doors};
use crate::fair::Fair;
use crate::place::until;
use crate::reckoning::delivered;

/// How long a supervisor waits before it kills; they commonly wait ten seconds.
const SUPERVISOR_WAITS: Duration = Duration::from_secs(10);

/// Orders one unit and pays; the order's number.
async fn buy(fair: &Fair, client: &Client, key: &str) -> String {
    let placed = client.post("/orders", key, &fair.order(1)).await;
    let number = placed.body["number"].as_str().unwrap().to_owned();
    let paid = client.post(&format!("/orders/{number}/pay"), &format!("{key}/pay"), &json!({})).await;
    assert_eq!(paid.status, 200, "{paid:?}");
    number
}

async fn called(fair: &Fair, activity: Activity) {
    until("a call at the seller", async || (!fair.server.calls_of(activity).is_empty()).then_some(())).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_that_has_begun_is_answered_and_then_the_server_ends_well() {
    let fair = Fair::new(Mode::Production, 1).await;
    let mut server = fair.place.start(&["serve"]);
    let url = server.open().await;
    let client = Client::new(&Doors::at(&url), &fair.buyers[0].token);
    let number = buy(&fair, &client, "k").await;
    delivered(&fair).await;
    let order = client.get(&format!("/orders/{number}")).await;
    let subscription = order.body["lines"][0]["subscription_id"].as_str().unwrap().to_owned();

    // The answer to this needs the seller, who takes their time.
    fair.server.forget_calls();
    fair.server.on(Activity::ChangeInstanceCheck, Behaviour::Slow(Duration::from_millis(1_500)));
    let two = json!({ "period": { "unit": "month", "count": 1 }, "quantity": 2 });
    let asking = tokio::spawn(async move { client.post(&format!("/subscriptions/{subscription}/renew"), "r", &two).await });
    called(&fair, Activity::ChangeInstanceCheck).await;
    server.signal(Signal::TERM);
    server.says("stopping").await;
    let begun = Instant::now();
    let answer = asking.await.unwrap();
    assert_eq!(answer.status, 201, "{answer:?}");
    assert_eq!(answer.body["kind"], "RENEW", "{answer:?}");
    assert_eq!(server.end().await.code(), Some(0));
    assert!(begun.elapsed() < SUPERVISOR_WAITS);
    assert!(TcpStream::connect(url.trim_start_matches("http://")).is_err(), "the doors are shut");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_to_a_seller_that_has_begun_is_finished() {
    let fair = Fair::new(Mode::Production, 1).await;
    let mut server = fair.place.start(&["serve"]);
    let client = Client::new(&Doors::at(&server.open().await), &fair.buyers[0].token);
    fair.server.on(Activity::NewInstance, Behaviour::Slow(Duration::from_millis(1_000)));
    let number = buy(&fair, &client, "k").await;
    called(&fair, Activity::NewInstance).await;
    server.signal(Signal::TERM);
    assert_eq!(server.end().await.code(), Some(0));
    let states = fair.place.sql("SELECT number || ' ' || state FROM orders").await;
    assert_eq!(states, [format!("{number} completed")], "what the seller answered was written down");
    assert_eq!(fair.place.sql("SELECT subject FROM jobs WHERE lease_until > 0").await, [""; 0], "nobody holds a job");
}

/// Clients that never finish their sentence must not keep a server from ending.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clients_that_dawdle_do_not_hold_up_the_end() {
    let fair = Fair::new(Mode::Production, 1).await;
    let mut server = fair.place.start(&["serve"]);
    let url = server.open().await;
    let address = url.trim_start_matches("http://").to_owned();
    let dawdlers: Vec<TcpStream> = [
        String::new(),
        format!("GET /healthz HTTP/1.1\r\nhost: {address}\r\n"),
        format!("GET /healthz HTTP/1.1\r\nhost: {address}\r\n\r\n"),
        format!(
            "POST /api/v1/orders HTTP/1.1\r\nhost: {address}\r\nauthorization: Bearer {}\r\nidempotency-key: k\r\n\
             content-type: application/json\r\ncontent-length: 1000\r\n\r\n{{",
            fair.buyers[0].token
        ),
    ]
    .into_iter()
    .map(|begun| {
        let mut stream = TcpStream::connect(&address).unwrap();
        stream.write_all(begun.as_bytes()).unwrap();
        stream
    })
    .collect();
    // A request after theirs was answered, so theirs have arrived.
    assert_eq!(Client::new(&Doors::at(&url), "").get("/products").await.status, 200);
    let begun = Instant::now();
    server.signal(Signal::TERM);
    assert_eq!(server.end().await.code(), Some(0));
    assert!(begun.elapsed() < SUPERVISOR_WAITS, "it took {:?}", begun.elapsed());
    drop(dawdlers);
}
