//! Each call does what the documentation says, once.

use sample_seller::{Opening, Settings, State};
use wire::koogallery_v2::{
    AccessKey, Activity, Failure, InstanceStatus, Mode, Outcome, Payload, ProductInfo, RefreshScene, Rejection, Request, ResultCode, sign,
};

use crate::support::{DONE, KEY, Running, line, made, now, purchase, query, settings, told_about};

const IN_A_MONTH: i64 = 1_767_225_600_000;
const IN_A_YEAR: i64 = 1_795_996_800_000;

fn renewal(order: &str, instance_id: &str, expire_at_ms: i64) -> Request {
    Request::RefreshInstance {
        scene: RefreshScene::Renewal,
        order: line(order),
        instance_id: instance_id.to_owned(),
        product_id: None,
        expire_at_ms,
    }
}

fn status(instance_id: &str, status: InstanceStatus) -> Request {
    Request::UpdateInstanceStatus { instance_id: instance_id.to_owned(), status }
}

fn release(instance_id: &str) -> Request {
    Request::ReleaseInstance { instance_id: instance_id.to_owned(), order: Some(line("CS-refund")) }
}

fn unknown() -> Outcome {
    Outcome::Retry(Failure::Answered(ResultCode::InstanceUnknown))
}

#[tokio::test]
async fn an_order_gets_one_instance_however_often_it_is_asked_for() {
    let running = Running::start(settings()).await;
    assert_eq!(running.call(&purchase("CS1", "biz-1")).await, made("biz-1"));
    assert_eq!(running.call(&purchase("CS1", "biz-2")).await, made("biz-1"), "the retry has a new businessId and the same order");
    assert_eq!(running.call(&purchase("CS2", "biz-3")).await, made("biz-3"));
    assert_eq!(running.seller.instances().len(), 2);
}

#[tokio::test]
async fn a_buyer_learns_how_to_reach_the_instance() {
    let running = Running::start(settings()).await;
    running.call(&purchase("CS1", "biz-1")).await;
    let app = told_about(&running, "biz-1").await.app_info.unwrap();
    assert_eq!(app.front_end_url.as_deref(), Some("https://saas.example/instances/biz-1"));
    assert_eq!(app.admin_url.as_deref(), Some("https://saas.example/instances/biz-1/admin"));
    assert_eq!(app.user_name.as_deref(), Some("admin"));
    assert!(app.memo.unwrap().contains("首次登录后请修改初始密码"));

    running.call(&purchase("CS2", "biz-2")).await;
    let other = told_about(&running, "biz-2").await.app_info.unwrap();
    assert_ne!(app.password, other.password, "no two instances share a password");
    assert!(!format!("{:?}", running.seller.instances()).contains(&app.password.unwrap()), "a password does not show itself in logs");
}

#[tokio::test]
async fn a_slow_opening_is_polled() {
    let running = Running::start(Settings { opening: Opening::After(2), ..settings() }).await;
    let pending = Outcome::Pending { instance_id: Some("biz-1".to_owned()) };
    assert_eq!(running.call(&purchase("CS1", "biz-1")).await, pending);
    assert_eq!(running.call(&purchase("CS1", "biz-2")).await, pending, "asking again does not start another one");
    for _ in 0..2 {
        assert_eq!(running.call(&query(&["biz-1"])).await, Outcome::Pending { instance_id: None });
    }
    assert!(told_about(&running, "biz-1").await.app_info.is_some());
    assert_eq!(running.call(&purchase("CS1", "biz-3")).await, made("biz-1"), "once open, a repeat says so");
}

#[tokio::test]
async fn a_query_for_many_tells_about_those_there_are() {
    let running = Running::start(settings()).await;
    running.call(&purchase("CS1", "biz-1")).await;
    running.call(&purchase("CS2", "biz-2")).await;
    let Outcome::Done(Payload::Instances(infos)) = running.call(&query(&["biz-1", "nobody", "biz-2"])).await else { unreachable!() };
    assert_eq!(infos.iter().map(|it| it.instance_id.as_str()).collect::<Vec<_>>(), ["biz-1", "biz-2"]);
    assert_eq!(running.call(&query(&["nobody"])).await, unknown());
}

#[tokio::test]
async fn a_renewal_is_carried_out_once_even_when_its_repeat_comes_late() {
    let running = Running::start(settings()).await;
    running.call(&purchase("CS1", "biz-1")).await;
    assert_eq!(running.call(&renewal("CS2", "biz-1", IN_A_MONTH)).await, DONE);
    assert_eq!(running.call(&renewal("CS3", "biz-1", IN_A_YEAR)).await, DONE);
    assert_eq!(running.call(&renewal("CS2", "biz-1", IN_A_MONTH)).await, DONE);
    assert_eq!(running.seller.instance("biz-1").unwrap().expires_at, Some(IN_A_YEAR));
    assert_eq!(running.seller.instance("biz-1").unwrap().later_orders, ["CS2/CS2-000001", "CS3/CS3-000001"]);
}

#[tokio::test]
async fn an_upgrade_is_carried_out_once_and_keeps_the_instance() {
    let running = Running::start(settings()).await;
    running.call(&purchase("CS1", "biz-1")).await;
    let upgrade = Request::UpgradeInstance { instance_id: "biz-1".to_owned(), order: line("CS2") };
    assert_eq!(running.call(&upgrade).await, DONE);
    assert_eq!(running.call(&upgrade).await, DONE);
    assert_eq!(running.seller.instance("biz-1").unwrap().later_orders, ["CS2/CS2-000001"]);
}

#[tokio::test]
async fn an_expired_instance_is_frozen_and_serves_again_after_its_renewal() {
    let running = Running::start(settings()).await;
    running.call(&purchase("CS1", "biz-1")).await;
    assert_eq!(running.page("/instances/biz-1").await.0, 200);
    for _ in 0..2 {
        assert_eq!(running.call(&status("biz-1", InstanceStatus::Freeze)).await, DONE);
        // Frozen for having ended or by the operator: the seller is not told why, so the page must not guess.
        assert_eq!(running.page("/instances/biz-1").await, (403, "this instance is out of service; its data is kept\n".to_owned()));
    }
    assert_eq!(running.call(&status("biz-1", InstanceStatus::Unfreeze)).await, DONE);
    assert_eq!(running.page("/instances/biz-1").await.0, 200);
}

#[tokio::test]
async fn a_released_instance_is_gone_for_everything_but_another_release() {
    let running = Running::start(settings()).await;
    running.call(&purchase("CS1", "biz-1")).await;
    assert_eq!(running.call(&release("biz-1")).await, DONE);
    assert_eq!(running.call(&release("biz-1")).await, DONE);
    assert_eq!(running.seller.instance("biz-1").unwrap().state, State::Released);
    for request in [
        query(&["biz-1"]),
        renewal("CS2", "biz-1", IN_A_YEAR),
        status("biz-1", InstanceStatus::Unfreeze),
        Request::UpgradeInstance { instance_id: "biz-1".to_owned(), order: line("CS3") },
    ] {
        assert_eq!(running.call(&request).await, unknown(), "{request:?}");
    }
    assert_eq!(running.page("/instances/biz-1").await.0, 410);
}

#[tokio::test]
async fn a_renewal_may_change_a_living_instance_only() {
    let running = Running::start(settings()).await;
    running.call(&purchase("CS1", "biz-1")).await;
    let check = |instance_id: &str| Request::ChangeInstanceCheck {
        instance_id: instance_id.to_owned(),
        product: ProductInfo { product_id: "OFFI1".to_owned(), sku_code: None, linear_value: Some(20) },
    };
    assert_eq!(running.call(&check("biz-1")).await, DONE);
    assert_eq!(running.call(&check("nobody")).await, Outcome::Refused(Failure::Answered(ResultCode::InstanceUnknown)));
}

#[tokio::test]
async fn debugging_calls_succeed_and_change_nothing() {
    let running = Running::start(settings()).await;
    running.call(&purchase("CS1", "biz-1")).await;
    let before = running.seller.instances();
    assert_eq!(running.rehearse(&purchase("CS-debug", "biz-9")).await, made("biz-9"));
    assert_eq!(running.rehearse(&purchase("CS1", "biz-9")).await, made("biz-1"));
    let Outcome::Done(Payload::Instances(infos)) = running.rehearse(&query(&["biz-9"])).await else { unreachable!() };
    assert!(infos[0].app_info.as_ref().unwrap().front_end_url.is_some());
    for instance_id in ["biz-1", "biz-9"] {
        for request in [
            renewal("CS2", instance_id, IN_A_YEAR),
            status(instance_id, InstanceStatus::Freeze),
            Request::UpgradeInstance { instance_id: instance_id.to_owned(), order: line("CS3") },
            release(instance_id),
            Request::OrderNotify { order: line("CS4") },
        ] {
            assert_eq!(running.rehearse(&request).await, DONE, "{request:?}");
        }
    }
    assert_eq!(running.seller.instances(), before);
}

#[tokio::test]
async fn a_call_that_the_marketplace_did_not_sign_does_nothing() {
    let running = Running::start(settings()).await;
    let body = purchase("CS1", "biz-1").body(Mode::Live).unwrap();
    let signed = |key: &str, at: i64| {
        let it = sign(&AccessKey::new(key), &body, at, "nonce-1");
        format!("signature={}&timestamp={}&nonce={}", it.signature, it.timestamp, it.nonce)
    };
    let right = signed(KEY, now());
    let cases = [
        ("another key", signed("another key", now()), "000001"),
        ("no signature", right.split_once('&').unwrap().1.to_owned(), "000001"),
        ("two minutes old", signed(KEY, now() - 120_000), "000002"),
        ("two minutes ahead", signed(KEY, now() + 120_000), "000002"),
        ("no nonce", right.split("&nonce").next().unwrap().to_owned(), "000002"),
        ("nothing at all", String::new(), "000002"),
    ];
    for (what, query, code) in cases {
        let (http_status, answer) = running.post_raw(&query, &body).await;
        assert_eq!(http_status, 200, "{what}");
        assert!(answer.contains(&format!(r#""resultCode":"{code}""#)), "{what}: {answer}");
    }
    let (_, answer) = running.post_raw(&right, &body.replace("CS1", "CS9")).await;
    assert!(answer.contains("000001"), "a changed body: {answer}");
    assert_eq!(running.seller.instances(), []);

    let (_, answer) = running.post_raw(&right, &body).await;
    assert!(answer.contains("000000"), "{answer}");
}

#[tokio::test]
async fn another_key_takes_the_place_of_the_old_one() {
    let running = Running::start(settings()).await;
    running.seller.set_access_key(AccessKey::new("another key"));
    let refused = Outcome::Retry(Failure::Answered(ResultCode::AuthenticationFailed));
    assert_eq!(running.call(&purchase("CS1", "biz-1")).await, refused);
    running.seller.set_access_key(AccessKey::new(KEY));
    assert_eq!(running.call(&purchase("CS1", "biz-1")).await, made("biz-1"));
}

#[tokio::test]
async fn a_signed_body_that_is_no_request_is_an_invalid_parameter() {
    let running = Running::start(settings()).await;
    for body in ["[]", "{}", r#"{"activity":"sing"}"#, r#"{"activity":"newInstance","orderId":"CS1"}"#] {
        let it = sign(&AccessKey::new(KEY), body, now(), "nonce-1");
        let query = format!("signature={}&timestamp={}&nonce={}", it.signature, it.timestamp, it.nonce);
        let (http_status, answer) = running.post_raw(&query, body).await;
        assert_eq!((http_status, answer.contains(r#""resultCode":"000002""#)), (200, true), "{body}: {answer}");
    }
}

#[tokio::test]
async fn a_body_beyond_the_limit_is_not_read() {
    let running = Running::start(settings()).await;
    let (http_status, _) = running.post_raw("", &"x".repeat(70 * 1024)).await;
    assert_eq!(http_status, 413);
    assert_eq!(running.seller.calls(), []);
}

#[tokio::test]
async fn a_person_can_look_at_the_instances_and_the_calls() {
    let running = Running::start(settings()).await;
    running.call(&purchase("CS1", "biz-1")).await;
    running.call(&renewal("CS2", "biz-1", IN_A_YEAR)).await;
    running.call(&status("biz-1", InstanceStatus::Freeze)).await;
    running.post_raw("", "{}").await;
    let (http_status, text) = running.page("/").await;
    assert_eq!(http_status, 200);
    for part in ["1 instances, 4 calls, 1 of them with a wrong signature", "biz-1", "CS1-000001", "frozen", "expires 2026-11-30T00:00:00Z"]
    {
        assert!(text.contains(part), "{part:?} in {text}");
    }
    let calls = running.seller.calls();
    let activities: Vec<_> = calls.iter().map(|it| it.request.as_ref().map(Request::activity)).collect();
    assert_eq!(activities, [Some(Activity::NewInstance), Some(Activity::RefreshInstance), Some(Activity::UpdateInstanceStatus), None]);
    assert_eq!(calls[3].verified, Err(Rejection::TimestampMissing));
}
