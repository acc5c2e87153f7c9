//! A call from the marketplace to a seller: body, signature, verification, and reading it at the seller's.

use proptest::prelude::*;
use wire::koogallery_v2::{
    AccessKey, InstanceStatus, Mode, OrderLineRef, ParseError, Presented, ProductInfo, RefreshScene, Rejection, Request, RequestError,
    ResultCode, Tolerance, canonicalize_received, sign, sign_kit, signed_url, verify, verify_kit, verify_reserialised,
};

// Spec: protocol §9.2.
const KEY: &str = "b7f2c1d4-0000-4a5e-9c11-demo00000001";
const NONCE: &str = "Of4lsV7H1qrzVDI52O5CFk2ofPcZRaA6";
const SENT_AT: i64 = 1_709_690_865_879;
const NEW_INSTANCE: &str = r#"{"activity":"newInstance","businessId":"87b94795-0603-4e24-8ae5-000000000001","orderId":"CS2401010000ABCDE","orderLineId":"CS2401010000ABCDE-000001","testFlag":"1"}"#;
const NEW_INSTANCE_SIGNATURE: &str = "65c094e9851ddfd9ffc466493d16b76a1e94e6196c0cfb10160dcb73a85f5931";
const KIT_BODY: &str = r#"{"domainName":"https://t1.example.com","flag":1,"instanceId":"inst-0001","name":"示例企业","orderId":"CS2401010000ABCDE","tenantCode":"t1","tenantId":"68cbc86abc2018ab880d92f36422fa0e","testFlag":0,"timeStamp":"20240413093539534"}"#;
const KIT_SIGNATURE: &str = "a0f6f7f8bd4aab9c4bf042f77a8f396b36b963e62e23237c13e7059d7d280332";

fn key() -> AccessKey {
    AccessKey::new(KEY)
}

fn order() -> OrderLineRef {
    OrderLineRef { order_id: "CS2401010000ABCDE".to_owned(), order_line_id: "CS2401010000ABCDE-000001".to_owned() }
}

fn new_instance() -> Request {
    Request::NewInstance { order: order(), business_id: "87b94795-0603-4e24-8ae5-000000000001".to_owned() }
}

fn presented() -> Presented {
    Presented::from(&sign(&key(), NEW_INSTANCE, SENT_AT, NONCE))
}

#[test]
fn a_purchase_is_sent_and_signed_as_in_the_vector() {
    assert_eq!(new_instance().body(Mode::Debugging).unwrap(), NEW_INSTANCE);
    let signature = sign(&key(), NEW_INSTANCE, SENT_AT, NONCE);
    assert_eq!(signature.signature, NEW_INSTANCE_SIGNATURE.to_uppercase());
    assert_eq!(signature.timestamp, "1709690865879");
}

#[test]
fn a_kit_call_is_signed_as_in_the_vector() {
    let signature = sign_kit(&key(), KIT_BODY, SENT_AT, NONCE);
    assert_eq!(signature.signature, KIT_SIGNATURE.to_uppercase());
    let presented = Presented::from(&signature);
    assert_eq!(verify_kit(&key(), KIT_BODY, &presented, SENT_AT, Tolerance::default()), Ok(()));
    assert_eq!(verify(&key(), KIT_BODY, &presented, SENT_AT, Tolerance::default()), Err(Rejection::SignatureWrong));
}

#[test]
fn the_address_of_a_call_keeps_its_own_query_and_fragment() {
    let mut signature = sign(&key(), NEW_INSTANCE, SENT_AT, "a b&c");
    signature.signature = "AB".to_owned();
    let added = "signature=AB&timestamp=1709690865879&nonce=a%20b%26c";
    let cases = [
        ("https://isv.example/saasproduce", format!("https://isv.example/saasproduce?{added}")),
        ("https://isv.example/p?tenant=%E4%BA%91&x", format!("https://isv.example/p?tenant=%E4%BA%91&x&{added}")),
        ("https://isv.example/p?", format!("https://isv.example/p?{added}")),
        ("https://isv.example/p?a=1&", format!("https://isv.example/p?a=1&{added}")),
        ("https://isv.example/p#top?x", format!("https://isv.example/p?{added}#top?x")),
    ];
    for (address, expected) in cases {
        assert_eq!(signed_url(address, &signature), expected);
    }
    let arrived = Presented::from_query(&format!("tenant=1&{added}"));
    assert_eq!(arrived, Presented::from(&signature));
}

#[test]
fn a_seller_accepts_the_call_for_a_minute_in_either_case_of_hex() {
    let tolerance = Tolerance::default();
    let mut lower = presented();
    lower.signature = lower.signature.map(|hex| hex.to_lowercase());
    for presented in [presented(), lower] {
        for now in [SENT_AT, SENT_AT + 60_000, SENT_AT - 60_000] {
            assert_eq!(verify(&key(), NEW_INSTANCE, &presented, now, tolerance), Ok(()));
        }
    }
}

#[test]
fn checks_run_in_the_documented_order() {
    let tolerance = Tolerance { past_ms: 60_000, future_ms: 5_000 };
    let check = |change: fn(&mut Presented), now: i64| {
        let mut presented = presented();
        change(&mut presented);
        verify(&key(), NEW_INSTANCE, &presented, now, tolerance).unwrap_err()
    };
    let nothing: fn(&mut Presented) = |presented| *presented = Presented::default();
    let cases = [
        (check(nothing, SENT_AT), Rejection::TimestampMissing, ResultCode::InvalidParameter),
        (check(|it| it.timestamp = Some("soon".to_owned()), SENT_AT), Rejection::TimestampMalformed, ResultCode::InvalidParameter),
        (check(|it| it.signature = None, SENT_AT + 60_001), Rejection::TimestampStale { age_ms: 60_001 }, ResultCode::InvalidParameter),
        (check(|_| (), SENT_AT - 5_001), Rejection::TimestampInFuture { ahead_ms: 5_001 }, ResultCode::InvalidParameter),
        // Seconds instead of milliseconds.
        (
            check(|it| it.timestamp = Some("1709690865".to_owned()), SENT_AT),
            Rejection::TimestampStale { age_ms: SENT_AT - 1_709_690_865 },
            ResultCode::InvalidParameter,
        ),
        (check(|it| (it.nonce, it.signature) = (None, None), SENT_AT), Rejection::NonceMissing, ResultCode::InvalidParameter),
        (check(|it| it.signature = Some(String::new()), SENT_AT), Rejection::SignatureMissing, ResultCode::AuthenticationFailed),
        (check(|it| it.signature = Some("00".to_owned()), SENT_AT), Rejection::SignatureWrong, ResultCode::AuthenticationFailed),
        (check(|it| it.nonce = Some("other".to_owned()), SENT_AT), Rejection::SignatureWrong, ResultCode::AuthenticationFailed),
    ];
    for (got, expected, code) in cases {
        assert_eq!(got, expected);
        assert_eq!(got.result_code(), code, "{got}");
    }
    assert_eq!(verify(&AccessKey::new("other"), NEW_INSTANCE, &presented(), SENT_AT, tolerance), Err(Rejection::SignatureWrong));
    let changed = NEW_INSTANCE.replace("ABCDE\"", "ABCDF\"");
    assert_eq!(verify(&key(), changed, &presented(), SENT_AT, tolerance), Err(Rejection::SignatureWrong));
}

#[test]
fn a_seller_that_parses_first_accepts_a_body_in_any_order() {
    let shuffled = r#"{ "testFlag":"1", "orderLineId":"CS2401010000ABCDE-000001","none":null,
        "orderId":"CS2401010000ABCDE","businessId":"87b94795-0603-4e24-8ae5-000000000001","activity":"newInstance"}"#;
    let tolerance = Tolerance::default();
    assert_eq!(verify(&key(), shuffled, &presented(), SENT_AT, tolerance), Err(Rejection::SignatureWrong));
    assert_eq!(verify_reserialised(&key(), shuffled, &presented(), SENT_AT, tolerance), Ok(()));
    assert_eq!(verify_reserialised(&key(), "[]", &presented(), SENT_AT, tolerance), Err(Rejection::BodyNotAnObject));
}

#[test]
fn the_access_key_does_not_show_in_logs() {
    assert!(!format!("{:?}", key()).contains("demo"));
}

#[test]
fn every_request_has_its_documented_body() {
    let instance_id = || "i-1".to_owned();
    let cases = [
        (
            Request::QueryInstance { instance_ids: vec!["i-1".to_owned(), "i-2".to_owned()] },
            r#"{"activity":"queryInstance","instanceId":"i-1,i-2"}"#,
        ),
        (
            Request::RefreshInstance {
                scene: RefreshScene::Renewal,
                order: order(),
                instance_id: instance_id(),
                product_id: Some("OFFI1".to_owned()),
                expire_at_ms: 1_735_689_599_999,
            },
            r#"{"activity":"refreshInstance","expireTime":"20241231235959","instanceId":"i-1","orderId":"CS2401010000ABCDE","orderLineId":"CS2401010000ABCDE-000001","productId":"OFFI1","scene":"RENEWAL"}"#,
        ),
        (
            Request::UpdateInstanceStatus { instance_id: instance_id(), status: InstanceStatus::Freeze },
            r#"{"activity":"updateInstanceStatus","instanceId":"i-1","status":"FREEZE"}"#,
        ),
        (Request::ReleaseInstance { instance_id: instance_id(), order: None }, r#"{"activity":"releaseInstance","instanceId":"i-1"}"#),
        (
            Request::UpgradeInstance { instance_id: instance_id(), order: order() },
            r#"{"activity":"upgradeInstance","instanceId":"i-1","orderId":"CS2401010000ABCDE","orderLineId":"CS2401010000ABCDE-000001"}"#,
        ),
        (
            Request::ChangeInstanceCheck {
                instance_id: instance_id(),
                product: ProductInfo { product_id: "OFFI1".to_owned(), sku_code: Some("sku".to_owned()), linear_value: Some(10) },
            },
            r#"{"activity":"changeInstanceCheck","instanceId":"i-1","productInfo":{"linearValue":"10","productId":"OFFI1","skuCode":"sku"}}"#,
        ),
        (
            Request::OrderNotify { order: order() },
            r#"{"activity":"orderNotify","orderId":"CS2401010000ABCDE","orderLineId":"CS2401010000ABCDE-000001","testFlag":"0"}"#,
        ),
    ];
    for (request, expected) in cases {
        assert_eq!(request.body(Mode::Live).unwrap(), expected);
    }
}

#[test]
fn what_breaks_a_documented_limit_is_not_sent() {
    let query = |instance_ids: Vec<String>| Request::QueryInstance { instance_ids }.body(Mode::Live).unwrap_err();
    assert_eq!(query(vec![]), RequestError::InstanceCount(0));
    assert_eq!(query(vec!["i".to_owned(); 101]), RequestError::InstanceCount(101));
    assert_eq!(query(vec!["a,b".to_owned()]), RequestError::CommaInInstanceId);
    let release = |instance_id: String| Request::ReleaseInstance { instance_id, order: None }.validate();
    assert_eq!(release("云".repeat(64)), Ok(()));
    assert_eq!(release("云".repeat(65)), Err(RequestError::TooLong { member: "instanceId", chars: 65, max: 64 }));
    assert_eq!(release(" ".to_owned()), Err(RequestError::Empty { member: "instanceId" }));
    let refresh = Request::RefreshInstance {
        scene: RefreshScene::Renewal,
        order: order(),
        instance_id: "i".to_owned(),
        product_id: None,
        expire_at_ms: i64::MAX,
    };
    assert_eq!(refresh.validate(), Err(RequestError::ExpiryOutOfRange(i64::MAX)));
}

#[test]
fn a_seller_reads_older_spellings() {
    let body = r#"{"orderId":"o","orderLineId":"l","activity":"refreshInstance","scene":"TRIAL_TO_FORMAL","instanceId":7,"productId":"","expireTime":"20240101000000500","testFlag":"0","later":{}}"#;
    let (request, mode) = Request::parse(body).unwrap();
    assert_eq!(mode, Mode::Live);
    let expected = Request::RefreshInstance {
        scene: RefreshScene::TrialToFormal,
        order: OrderLineRef { order_id: "o".to_owned(), order_line_id: "l".to_owned() },
        instance_id: "7".to_owned(),
        product_id: None,
        expire_at_ms: 1_704_067_200_500,
    };
    assert_eq!(request, expected);
}

#[test]
fn a_seller_is_told_what_is_wrong_with_a_body() {
    let unexpected = |member, value: &str| ParseError::Unexpected { member, value: value.to_owned() };
    let cases = [
        (r"{}", ParseError::Missing("activity")),
        (r#"{"activity":"dance"}"#, unexpected("activity", "dance")),
        (r#"{"activity":"releaseInstance"}"#, ParseError::Missing("instanceId")),
        (r#"{"activity":"releaseInstance","instanceId":"i","orderId":"o"}"#, ParseError::Missing("orderLineId")),
        (r#"{"activity":"updateInstanceStatus","instanceId":"i","status":"MELT"}"#, unexpected("status", "MELT")),
        (r#"{"activity":"releaseInstance","instanceId":"i","testFlag":"2"}"#, unexpected("testFlag", "2")),
        (r#"{"activity":"changeInstanceCheck","instanceId":"i"}"#, ParseError::Missing("productInfo")),
        (r#"{"activity":"queryInstance","instanceId":","}"#, ParseError::Limit(RequestError::InstanceCount(0))),
    ];
    for (body, expected) in cases {
        assert_eq!(Request::parse(body).unwrap_err(), expected, "{body}");
    }
    assert!(matches!(Request::parse("[]"), Err(ParseError::NotAnObject(_))));
}

/// An id as a seller or operator might choose it: any characters, not blank, no comma.
fn id() -> impl Strategy<Value = String> {
    proptest::collection::vec(any::<char>().prop_filter("no comma", |character| *character != ','), 1..=64)
        .prop_map(|characters| characters.into_iter().collect::<String>())
        .prop_filter("not blank and without outer space", |text| !text.trim().is_empty() && text.trim() == text)
}

fn order_line() -> impl Strategy<Value = OrderLineRef> {
    (id(), id()).prop_map(|(order_id, order_line_id)| OrderLineRef { order_id, order_line_id })
}

fn request() -> impl Strategy<Value = Request> {
    let scene = proptest::sample::select(RefreshScene::ALL.to_vec());
    let status = proptest::sample::select(vec![InstanceStatus::Freeze, InstanceStatus::Unfreeze]);
    let product = (id(), proptest::option::of(id()), any::<Option<u64>>()).prop_map(|(product_id, sku_code, linear_value)| ProductInfo {
        product_id,
        sku_code,
        linear_value,
    });
    prop_oneof![
        (order_line(), id()).prop_map(|(order, business_id)| Request::NewInstance { order, business_id }),
        proptest::collection::vec(id(), 1..=100).prop_map(|instance_ids| Request::QueryInstance { instance_ids }),
        (scene, order_line(), id(), proptest::option::of(id()), 0i64..250_000_000_000).prop_map(
            |(scene, order, instance_id, product_id, expire_at_s)| {
                Request::RefreshInstance { scene, order, instance_id, product_id, expire_at_ms: expire_at_s * 1000 }
            }
        ),
        (id(), status).prop_map(|(instance_id, status)| Request::UpdateInstanceStatus { instance_id, status }),
        (id(), proptest::option::of(order_line())).prop_map(|(instance_id, order)| Request::ReleaseInstance { instance_id, order }),
        (id(), order_line()).prop_map(|(instance_id, order)| Request::UpgradeInstance { instance_id, order }),
        (id(), product).prop_map(|(instance_id, product)| Request::ChangeInstanceCheck { instance_id, product }),
        order_line().prop_map(|order| Request::OrderNotify { order }),
    ]
}

proptest! {
    #[test]
    fn any_text_that_is_signed_verifies_and_any_other_does_not(body in ".*", other in ".*", nonce in ".+", at in 0i64..4_000_000_000_000) {
        let presented = Presented::from(&sign(&key(), &body, at, &nonce));
        prop_assert_eq!(verify(&key(), &body, &presented, at, Tolerance::default()), Ok(()));
        if body != other {
            prop_assert_eq!(verify(&key(), &other, &presented, at, Tolerance::default()), Err(Rejection::SignatureWrong));
        }
    }

    #[test]
    fn a_signature_survives_the_address(body in ".*", nonce in ".+", at in 0i64..4_000_000_000_000) {
        let signature = sign(&key(), &body, at, &nonce);
        let url = signed_url("https://isv.example/p?x=1", &signature);
        let (_, query) = url.split_once('?').unwrap();
        prop_assert_eq!(Presented::from_query(query), Presented::from(&signature));
    }

    #[test]
    fn a_request_reads_back_as_it_was_written(request in request(), debugging in any::<bool>()) {
        let mode = if debugging { Mode::Debugging } else { Mode::Live };
        let body = request.body(mode).unwrap();
        prop_assert_eq!(Request::parse(&body).unwrap(), (request, mode));
    }

    #[test]
    fn raw_and_reserialising_sellers_agree_on_every_body_we_send(request in request()) {
        let body = request.body(Mode::Live).unwrap();
        prop_assert_eq!(&canonicalize_received(&body).unwrap(), &body);
        let presented = Presented::from(&sign(&key(), &body, SENT_AT, NONCE));
        prop_assert_eq!(verify(&key(), &body, &presented, SENT_AT, Tolerance::default()), Ok(()));
        prop_assert_eq!(verify_reserialised(&key(), &body, &presented, SENT_AT, Tolerance::default()), Ok(()));
    }

    #[test]
    fn no_body_makes_a_seller_panic(body in ".*", tail in "[ -~]*") {
        let _ = Request::parse(&body);
        let _ = Request::parse(&format!("{{\"activity\":\"refreshInstance\",\"expireTime\":{tail}}}"));
        let _ = canonicalize_received(&body);
    }
}
