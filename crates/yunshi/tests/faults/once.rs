//! The same request twice, over HTTP.

use futures_util::future::join_all;
use market::Mode;
use serde_json::json;

use crate::client::{Client, Doors};
use crate::fair::Fair;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_is_one_act_of_one_account() {
    let fair = Fair::new(Mode::Production, 2).await;
    let mut server = fair.place.start(&["serve"]);
    let doors = Doors::at(&server.open().await);
    let (one, other) = (Client::new(&doors, &fair.buyers[0].token), Client::new(&doors, &fair.buyers[1].token));

    // A refusal is no act: the key is free for what was meant.
    let refused = one.post("/orders", "k", &fair.order(0)).await;
    assert_eq!((refused.status, refused.code()), (422, "quantity-invalid"));
    let first = one.post("/orders", "k", &fair.order(1)).await;
    assert_eq!(first.status, 201, "{first:?}");
    let again = one.post("/orders", "k", &fair.order(1)).await;
    assert_eq!((again.status, &again.body), (201, &first.body), "the first answer, again");

    let number = first.body["number"].as_str().unwrap();
    let elsewhere = format!("/orders/{number}/pay");
    for (path, body) in [("/orders", fair.order(2)), (elsewhere.as_str(), json!({}))] {
        let conflict = one.post(path, "k", &body).await;
        assert_eq!((conflict.status, conflict.code()), (409, "idempotency-conflict"), "{path}");
    }

    // What the answer says is what was answered then, not how things stand now.
    assert_eq!(one.post(&elsewhere, "pay", &json!({})).await.body["state"], "processing");
    assert_eq!(one.post("/orders", "k", &fair.order(1)).await.body, first.body);

    let others = other.post("/orders", "k", &fair.order(1)).await;
    assert_eq!(others.status, 201, "{others:?}");
    assert_ne!(others.body["number"], first.body["number"], "keys of two accounts never meet");
    assert_eq!(fair.place.sql("SELECT number FROM orders").await.len(), 2);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_at_the_same_moment_are_one_act() {
    let fair = Fair::new(Mode::Production, 1).await;
    let mut server = fair.place.start(&["serve"]);
    let doors = Doors::at(&server.open().await);
    let client = Client::new(&doors, &fair.buyers[0].token);
    let order = fair.order(1);
    let placed = join_all((0..12).map(|_| client.insist("/orders", "k", &order))).await;
    for answer in &placed {
        assert_eq!((answer.status, &answer.body), (201, &placed[0].body));
    }
    let (path, nothing) = (format!("/orders/{}/pay", placed[0].body["number"].as_str().unwrap()), json!({}));
    let paid = join_all((0..12).map(|_| client.insist(&path, "p", &nothing))).await;
    for answer in &paid {
        assert_eq!((answer.status, &answer.body), (200, &paid[0].body));
    }
    assert_eq!(fair.place.sql("SELECT number FROM orders").await.len(), 1);
    assert_eq!(fair.place.sql("SELECT id FROM ledger_transactions WHERE kind = 'payment'").await.len(), 1);

    // Without a common key only one of many payers comes through.
    let second = client.post("/orders", "k2", &order).await;
    let path = format!("/orders/{}/pay", second.body["number"].as_str().unwrap());
    let keys: Vec<String> = (0..8).map(|n| format!("payer{n}")).collect();
    let paid = join_all(keys.iter().map(|key| client.insist(&path, key, &nothing))).await;
    assert_eq!(paid.iter().filter(|answer| answer.status == 200).count(), 1, "{paid:?}");
    assert!(paid.iter().filter(|answer| answer.status != 200).all(|answer| answer.status == 409 && answer.code() == "order-state"));
    server.stop().await;
}
