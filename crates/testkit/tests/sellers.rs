//! Scripted sellers as the marketplace's own client and reader see them.
#![allow(clippy::unwrap_used, missing_docs)]

use std::time::{Duration, Instant};

use outbound::Client;
use testkit::sellers::{Behaviour, Lie, ScriptedSeller, client};
use wire::koogallery_v2::{Activity, Failure, InstanceStatus, OrderLineRef, Outcome, Payload, Rejection, Request, ResultCode};

fn patient() -> Client {
    client(Duration::from_secs(5))
}

fn purchase(order: &str, business_id: &str) -> Request {
    let order = OrderLineRef { order_id: order.to_owned(), order_line_id: format!("{order}-000001") };
    Request::NewInstance { order, business_id: business_id.to_owned() }
}

fn query(instance_id: &str) -> Request {
    Request::QueryInstance { instance_ids: vec![instance_id.to_owned()] }
}

fn freeze(instance_id: &str) -> Request {
    Request::UpdateInstanceStatus { instance_id: instance_id.to_owned(), status: InstanceStatus::Freeze }
}

fn made(instance_id: &str) -> Outcome {
    Outcome::Done(Payload::Instance { instance_id: instance_id.to_owned() })
}

/// What came of a call: the outcome, or the word of the transport's failure.
async fn outcome(seller: &ScriptedSeller, client: &Client, request: &Request) -> Result<Outcome, &'static str> {
    seller.call(client, request).await.map(|reading| reading.outcome).map_err(|error| error.failure.word())
}

#[tokio::test]
async fn a_sound_seller_keeps_what_it_was_asked_for_and_every_call() {
    let (seller, client) = (ScriptedSeller::start().await, patient());
    assert_eq!(outcome(&seller, &client, &purchase("CS1", "biz-1")).await, Ok(made("biz-1")));
    assert_eq!(outcome(&seller, &client, &freeze("biz-1")).await, Ok(Outcome::Done(Payload::Nothing)));
    assert_eq!(seller.activities(), [Activity::NewInstance, Activity::UpdateInstanceStatus]);
    assert_eq!(seller.calls_of(Activity::NewInstance)[0].request, Some(purchase("CS1", "biz-1")));
    assert!(seller.calls().iter().all(|call| call.verified.is_ok() && call.at > 0));
    assert_eq!(seller.sound().instances().len(), 1);
    seller.forget_calls();
    assert_eq!(seller.calls(), []);
}

#[tokio::test]
async fn two_sellers_stand_beside_each_other() {
    let (one, two, client) = (ScriptedSeller::start().await, ScriptedSeller::start().await, patient());
    assert_ne!(one.url(), two.url());
    assert_ne!(one.access_key(), two.access_key());
    one.behave(Behaviour::Dead).await;
    assert_eq!(outcome(&two, &client, &purchase("CS1", "biz-1")).await, Ok(made("biz-1")));
}

#[tokio::test]
async fn an_asynchronous_seller_is_ready_after_the_polls() {
    let (seller, client) = (ScriptedSeller::start().await, patient());
    seller.behave(Behaviour::Asynchronous(1)).await;
    let pending = Outcome::Pending { instance_id: Some("biz-1".to_owned()) };
    assert_eq!(outcome(&seller, &client, &purchase("CS1", "biz-1")).await, Ok(pending));
    assert_eq!(outcome(&seller, &client, &query("biz-1")).await, Ok(Outcome::Pending { instance_id: None }));
    assert!(matches!(outcome(&seller, &client, &query("biz-1")).await, Ok(Outcome::Done(Payload::Instances(_)))));
}

#[tokio::test]
async fn a_slow_seller_has_done_it_although_nobody_waited_for_the_answer() {
    let (seller, hasty) = (ScriptedSeller::start().await, client(Duration::from_millis(100)));
    seller.behave(Behaviour::Slow(Duration::from_secs(30))).await;
    let started = Instant::now();
    assert_eq!(outcome(&seller, &hasty, &purchase("CS1", "biz-1")).await, Err("timed_out"));
    assert!(started.elapsed() < Duration::from_secs(5));
    seller.recover().await;
    assert_eq!(outcome(&seller, &hasty, &purchase("CS1", "biz-2")).await, Ok(made("biz-1")));
}

#[tokio::test]
async fn a_dead_seller_refuses_connections_and_comes_back_on_the_same_port() {
    let (seller, client) = (ScriptedSeller::start().await, patient());
    let url = seller.url();
    // The first call leaves a connection open, which has to die as well.
    outcome(&seller, &client, &purchase("CS1", "biz-1")).await.unwrap();
    for _ in 0..3 {
        seller.behave(Behaviour::Dead).await;
        assert_eq!(outcome(&seller, &client, &query("biz-1")).await, Err("connect_failed"));
        seller.recover().await;
        assert!(outcome(&seller, &client, &query("biz-1")).await.is_ok());
    }
    assert_eq!(seller.url(), url);
    assert_eq!(seller.calls().len(), 4, "a dead seller hears nothing");
}

#[tokio::test]
async fn a_seller_that_hangs_up_has_heard_the_call_and_done_nothing() {
    let (seller, client) = (ScriptedSeller::start().await, patient());
    seller.behave(Behaviour::HangsUp).await;
    assert_eq!(outcome(&seller, &client, &purchase("CS1", "biz-1")).await, Err("no_answer"));
    assert_eq!(seller.activities(), [Activity::NewInstance]);
    assert_eq!(seller.sound().instances(), []);
}

#[tokio::test]
async fn a_flapping_seller_goes_through_its_pattern() {
    let (seller, client) = (ScriptedSeller::start().await, patient());
    let failing = Behaviour::Answers(ResultCode::InternalError);
    seller.behave(Behaviour::Flapping(vec![failing.clone(), Behaviour::Dead, Behaviour::Sound])).await;
    let failed = Ok(Outcome::Retry(Failure::Answered(ResultCode::InternalError)));
    for _ in 0..2 {
        assert_eq!(outcome(&seller, &client, &purchase("CS1", "biz-1")).await, failed);
        assert_eq!(outcome(&seller, &client, &purchase("CS1", "biz-1")).await, Err("no_answer"));
        assert_eq!(outcome(&seller, &client, &purchase("CS1", "biz-1")).await, Ok(made("biz-1")));
    }
    let behaviours: Vec<_> = seller.calls().into_iter().map(|call| call.behaviour).take(3).collect();
    assert_eq!(behaviours, [failing, Behaviour::HangsUp, Behaviour::Sound]);
}

#[tokio::test]
async fn one_activity_fails_while_the_others_work() {
    let (seller, client) = (ScriptedSeller::start().await, patient());
    seller.on(Activity::UpdateInstanceStatus, Behaviour::Answers(ResultCode::InternalError));
    assert_eq!(outcome(&seller, &client, &purchase("CS1", "biz-1")).await, Ok(made("biz-1")));
    assert!(matches!(outcome(&seller, &client, &freeze("biz-1")).await, Ok(Outcome::Retry(_))));
    seller.recover().await;
    assert_eq!(outcome(&seller, &client, &freeze("biz-1")).await, Ok(Outcome::Done(Payload::Nothing)));
}

#[tokio::test]
async fn a_key_of_the_marketplace_takes_the_place_of_the_own_one() {
    let (seller, client) = (ScriptedSeller::start().await, patient());
    seller.use_access_key("issued-by-the-marketplace");
    assert_eq!(seller.access_key(), "issued-by-the-marketplace");
    assert_eq!(outcome(&seller, &client, &purchase("CS1", "biz-1")).await, Ok(made("biz-1")));
}

#[tokio::test]
async fn a_wrong_signature_is_recorded_and_a_liar_accepts_it() {
    let (seller, client) = (ScriptedSeller::start().await, patient());
    let body = purchase("CS1", "biz-1").body(wire::koogallery_v2::Mode::Live).unwrap();
    let post = async || {
        let url = format!("{}?signature=00&nonce=n&timestamp={}", seller.url(), now());
        let answer = client.post_json(&url, body.clone(), &[]).await.unwrap();
        serde_json::from_slice::<serde_json::Value>(&answer.body).unwrap()["resultCode"].clone()
    };
    assert_eq!(post().await, "000001");
    seller.behave(Behaviour::Lying(Lie::AnySignature)).await;
    assert_eq!(post().await, "000000");
    assert!(seller.calls().iter().all(|call| call.verified == Err(Rejection::SignatureWrong)));
}

#[tokio::test]
async fn every_lie_reads_as_what_it_is_and_the_truth_comes_out_afterwards() {
    let (seller, client) = (ScriptedSeller::start().await, patient());
    outcome(&seller, &client, &purchase("CS1", "biz-1")).await.unwrap();
    let retry = |failure: Failure| Ok(Outcome::Retry(failure));
    let cases = [
        (Lie::AnotherInstance, Ok(made("biz-2"))),
        (Lie::NoInstance, retry(Failure::InstanceIdMissing)),
        (Lie::AnySignature, Ok(made("biz-1"))),
        (Lie::WebPage, retry(Failure::Html)),
        (Lie::Redirect, retry(Failure::Redirect(302))),
        (Lie::Huge, Err("too_large")),
        (Lie::HalfABody, Err("broken_body")),
        (Lie::Gbk, retry(Failure::NotUtf8 { declared: "gbk".to_owned() })),
        (Lie::Utf16, retry(Failure::NotUtf8 { declared: "utf-16".to_owned() })),
        (Lie::NumericCode, retry(Failure::ResultCodeNotText { found: "0".to_owned() })),
        (Lie::Empty, retry(Failure::Empty)),
        (Lie::Status(500), retry(Failure::Status(500))),
        (Lie::TwoCodes, retry(Failure::Answered(ResultCode::InternalError))),
        (Lie::ControlCharacters, retry(Failure::InstanceIdWithControl)),
    ];
    for (lie, expected) in cases {
        seller.behave(Behaviour::Lying(lie)).await;
        seller.forget_calls();
        assert_eq!(outcome(&seller, &client, &purchase("CS1", "biz-2")).await, expected, "{lie:?}");
        assert_eq!(seller.activities(), [Activity::NewInstance], "{lie:?}");
    }
    seller.behave(Behaviour::Lying(Lie::TwoAnswers)).await;
    let twice = outcome(&seller, &client, &purchase("CS1", "biz-2")).await;
    assert!(matches!(twice, Ok(Outcome::Retry(Failure::NotJson(_)))), "{twice:?}");

    seller.behave(Behaviour::Lying(Lie::Status(500))).await;
    outcome(&seller, &client, &purchase("CS2", "biz-3")).await.unwrap();
    seller.recover().await;
    assert_eq!(outcome(&seller, &client, &purchase("CS2", "biz-4")).await, Ok(made("biz-3")), "it was done in spite of the answer");
}

fn now() -> u128 {
    std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_millis()
}
