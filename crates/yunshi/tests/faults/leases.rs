//! How long a job is held, and by whom.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use market::Mode;
use serde_json::json;
use testkit::sellers::Behaviour;
use wire::koogallery_v2::Activity;

use crate::client::{Client, Doors};
use crate::fair::Fair;
use crate::place::{Place, until};
use crate::reckoning::delivered;

fn wall_ms() -> i64 {
    i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis()).unwrap()
}

/// The end of the one lease there is, while the seller takes their time.
async fn lease_end(call_timeout_ms: i64) -> i64 {
    let place = Place::new(Mode::Production).await.with("YUNSHI_CALL_TIMEOUT_MS", &call_timeout_ms.to_string());
    let fair = Fair::at(place, 1).await;
    let mut server = fair.place.start(&["serve"]);
    let client = Client::new(&Doors::at(&server.open().await), &fair.buyers[0].token);
    fair.server.on(Activity::NewInstance, Behaviour::Slow(Duration::from_millis(700)));
    let placed = client.post("/orders", "k", &fair.order(1)).await;
    let path = format!("/orders/{}/pay", placed.body["number"].as_str().unwrap());
    assert_eq!(client.post(&path, "p", &json!({})).await.status, 200);
    let held = "SELECT lease_until FROM jobs WHERE kind LIKE 'delivery.%' AND lease_until > 0";
    let until_ms = until("a job that is held", async || fair.place.sql(held).await.first()?.parse().ok()).await;
    delivered(&fair).await;
    server.stop().await;
    until_ms
}

/// Otherwise a second worker would begin a call that the first still waits for.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_job_is_held_longer_than_its_call_may_take() {
    for call_timeout_ms in [5_000, 90_000, 3_600_000] {
        let begun = wall_ms();
        let until_ms = lease_end(call_timeout_ms).await;
        assert!(until_ms >= begun + call_timeout_ms + 45_000, "a call of {call_timeout_ms} ms outlives its lease");
        assert!(until_ms <= wall_ms() + 4 * call_timeout_ms.max(15_000) + 45_000, "a job of a dead worker waits longer than it must");
    }
}
