//! `yunshi sample-seller`, called as the marketplace calls it.

use std::time::{SystemTime, UNIX_EPOCH};

use outbound::{AddressPolicy, Client, Policy, SchemePolicy, Settings};
use rustix::process::Signal;
use wire::koogallery_v2::{AccessKey, Mode, OrderLineRef, Outcome, Payload, Request, read_answer, sign, signed_url};

use crate::support::{Place, get};

const SIGN: &str = "the sample seller is open";

async fn buy(address: &str, business_id: &str) -> Outcome {
    let order = OrderLineRef { order_id: "CS1".to_owned(), order_line_id: "CS1-000001".to_owned() };
    let request = Request::NewInstance { order, business_id: business_id.to_owned() };
    let body = request.body(Mode::Live).unwrap();
    let now = i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis()).unwrap();
    let url = signed_url(&format!("http://{address}/saasproduce"), &sign(&AccessKey::new("a key"), &body, now, "nonce-1"));
    let policy = Policy { addresses: AddressPolicy::AllowLoopback, schemes: SchemePolicy::AllowHttp };
    let answer = Client::new(Settings { policy, ..Settings::default() }).unwrap().post_json(&url, body, &[]).await.unwrap();
    read_answer(request.activity(), answer.status, answer.content_type.as_deref(), &answer.body).outcome
}

#[tokio::test]
async fn it_remembers_over_a_restart() {
    let place = Place::new().await;
    let arguments = ["sample-seller", "--listen", "127.0.0.1:0", "--access-key", "a key", "--state", "seller.json"];
    let made = Outcome::Done(Payload::Instance { instance_id: "biz-1".to_owned() });
    let server = place.start(&arguments, SIGN);
    assert_eq!(buy(&server.address(), "biz-1").await, made);
    assert_eq!(server.stop(Signal::TERM), Some(0));

    let server = place.start(&arguments, SIGN);
    assert_eq!(buy(&server.address(), "biz-2").await, made);
    assert!(get(&server.address(), "/").1.contains("biz-1"));
    assert_eq!(server.stop(Signal::INT), Some(0));
}

#[tokio::test]
async fn its_key_may_come_from_a_variable_and_must_come() {
    let place = Place::new().await.with("YUNSHI_SAMPLE_SELLER_ACCESS_KEY", "a key");
    let server = place.start(&["sample-seller", "--listen", "127.0.0.1:0", "--polls", "3"], SIGN);
    assert!(server.said("is no setting").is_none(), "the variable is known");
    assert_eq!(buy(&server.address(), "biz-1").await, Outcome::Pending { instance_id: Some("biz-1".to_owned()) });
    assert_eq!(Place::new().await.run(&["sample-seller"]).code, Some(2));
}
