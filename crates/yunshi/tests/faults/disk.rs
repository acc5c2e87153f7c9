//! A disk that is full.

use db::Engine;
use market::Mode;
use reqwest::Method;
use serde_json::json;

use crate::client::{Answer, Client, Doors, Fate, Told};
use crate::clock::order_query;
use crate::fair::Fair;
use crate::reckoning::{delivered, let_leases_end, reckon};

/// How far the files may grow beyond what is there, KiB.
const ROOM_KIB: u64 = 2_560;
/// More orders than that room holds.
const ORDERS_MAX: usize = 400;
/// So many refusals one after another mean that it is full.
const REFUSALS: usize = 6;

fn told(key: String, number: &str, fate: Fate) -> Told {
    Told { key, buyer: 0, quantity: 1, number: number.to_owned(), fate, subscription: None, renewal: None, refund: None }
}

/// Expects the answer of a marketplace that cannot write.
fn not_now(answer: &Answer) {
    assert_eq!((answer.status, answer.code()), (503, "unavailable"), "{answer:?}");
    assert_eq!(answer.retry_after.as_deref(), Some("2"), "{answer:?}");
}

/// The number of an order that was placed and paid; an error with what it came to when the marketplace could not write.
async fn order_and_pay(fair: &Fair, client: &Client, key: &str) -> Result<String, Option<String>> {
    let placed = client.post("/orders", key, &fair.order(1)).await;
    if placed.status != 201 {
        not_now(&placed);
        return Err(None);
    }
    let number = placed.body["number"].as_str().unwrap().to_owned();
    let paid = client.post(&format!("/orders/{number}/pay"), &format!("{key}/pay"), &json!({})).await;
    if paid.status != 200 {
        not_now(&paid);
        return Err(Some(number));
    }
    Ok(number)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_disk_refuses_what_is_new_and_keeps_what_was_acknowledged() {
    let fair = Fair::new(Mode::Production, 1).await;
    let Some(file) = fair.place.file() else {
        assert_eq!(fair.place.engine(), Engine::Postgres);
        println!("nothing to test here: PostgreSQL writes its files itself, and this program none");
        return;
    };
    let size_kib = std::fs::metadata(&file).unwrap().len() / 1024;
    let mut server = fair.place.start_confined(&["serve"], size_kib + ROOM_KIB);
    let doors = Doors::at(&server.open().await);
    let client = Client::new(&doors, &fair.buyers[0].token);

    // A little may still fit where more did not, so it is full when nothing was taken several times over.
    let (mut known, mut refused) = (Vec::new(), Vec::new());
    let mut in_a_row = 0;
    for n in 0..ORDERS_MAX {
        if in_a_row == REFUSALS {
            break;
        }
        let key = format!("k{n}");
        match order_and_pay(&fair, &client, &key).await {
            Ok(number) => {
                in_a_row = 0;
                known.push(told(key, &number, Fate::Paid));
            }
            Err(half) => {
                in_a_row += 1;
                refused.push((key, half));
            }
        }
    }
    assert_eq!(in_a_row, REFUSALS, "a disk that gets full");
    assert!(!known.is_empty(), "the room was too small for anything");

    // Everything can still be looked at.
    let last = &known.last().unwrap().number;
    for path in
        ["/orders".to_owned(), format!("/orders/{last}"), format!("/orders/{last}/timeline"), "/balance".to_owned(), "/products".to_owned()]
    {
        assert_eq!(client.get(&path).await.status, 200, "{path}");
    }
    for path in ["/healthz", "/readyz", "/metrics"] {
        assert_eq!(client.attempt(Method::GET, path, &[], None).await.unwrap().status, 200, "{path}");
    }
    let asked = order_query(&doors, &fair.pair, last, 0).await;
    assert_eq!((asked.status, &asked.body["resultCode"]), (200, &json!("MKT.0000")), "{asked:?}");
    let balance = client.get("/balance").await.body["balance"]["minor"].as_i64().unwrap();
    assert_eq!(balance, crate::fair::DEPOSIT - crate::fair::PRICE * i64::try_from(known.len()).unwrap(), "nothing was half paid");
    server.stop().await;

    // Somebody has made room.
    let_leases_end(&fair).await;
    let mut server = fair.place.start(&["serve"]);
    doors.open(&server.open().await);
    println!("{} orders were paid, and {} not, before the disk was full", known.len(), refused.len());
    for (key, half) in refused {
        let number = order_and_pay(&fair, &client, &key).await.expect("there is room again");
        assert!(half.is_none_or(|half| half == number), "what was acknowledged is still there");
        known.push(told(key, &number, Fate::Paid));
    }
    delivered(&fair).await;
    reckon(&fair, &doors, &known).await;
    server.stop().await;
}
