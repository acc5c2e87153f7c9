//! What sellers' servers answer, and what the marketplace makes of it.

use proptest::prelude::*;
use wire::koogallery_v2::{
    Activity, Answer, AppInfo, Failure, InstanceInfo, Oddity, Outcome, Payload, Reading, ResultCode, UsageInfo, UsageValue, mask_body,
    read_answer,
};

const JSON: Option<&str> = Some("application/json;charset=utf8");

fn read(activity: Activity, body: &str) -> Reading {
    read_answer(activity, 200, JSON, body.as_bytes())
}

fn failure(activity: Activity, body: &str) -> Failure {
    match read(activity, body).outcome {
        Outcome::Retry(failure) => failure,
        other => panic!("expected a failure, got {other:?}"),
    }
}

fn info(body: &str) -> (Vec<InstanceInfo>, Vec<String>) {
    let reading = read(Activity::QueryInstance, body);
    let Outcome::Done(Payload::Instances(instances)) = reading.outcome else { panic!("{:?}", reading.outcome) };
    (instances, reading.warnings.iter().map(ToString::to_string).collect())
}

#[test]
fn a_created_instance_is_read_with_its_id_and_message() {
    let reading = read(Activity::NewInstance, r#"{"resultCode":"000000","resultMsg":"success.","instanceId":"i-1","extra":[1]}"#);
    assert_eq!(reading.outcome, Outcome::Done(Payload::Instance { instance_id: "i-1".to_owned() }));
    assert_eq!(reading.message.as_deref(), Some("success."));
    assert_eq!(reading.warnings, []);
}

#[test]
fn an_instance_id_must_fit_into_later_calls() {
    let created = |id: &str| failure(Activity::NewInstance, &format!(r#"{{"resultCode":"000000","instanceId":{id}}}"#));
    assert_eq!(failure(Activity::NewInstance, r#"{"resultCode":"000000"}"#), Failure::InstanceIdMissing);
    assert_eq!(created("null"), Failure::InstanceIdMissing);
    assert_eq!(created("\" \""), Failure::InstanceIdMissing);
    assert_eq!(created(&format!("\"{}\"", "x".repeat(65))), Failure::InstanceIdTooLong { chars: 65 });
    assert_eq!(created("\"a,b\""), Failure::InstanceIdWithComma);
    assert_eq!(created(r#""a\u0000b""#), Failure::InstanceIdWithControl);
}

#[test]
fn control_characters_reach_nobody() {
    let reading = read(Activity::NewInstance, r#"{"resultCode":"000000","resultMsg":"o\u0000k,\nreally","instanceId":"i-1"}"#);
    assert_eq!(reading.outcome, Outcome::Done(Payload::Instance { instance_id: "i-1".to_owned() }));
    assert_eq!(reading.message.as_deref(), Some("ok,\nreally"));
    assert_eq!(reading.warnings[0].to_string(), "resultMsg holds control characters, which were left out");
    let begun = read(Activity::NewInstance, r#"{"resultCode":"000004","instanceId":"\u0000"}"#);
    assert_eq!(begun.outcome, Outcome::Pending { instance_id: None });
    // A code is no other code for what is not seen of it.
    let code = failure(Activity::NewInstance, r#"{"resultCode":"000\u0000000"}"#);
    assert_eq!(code, Failure::Answered(ResultCode::Other("000\u{fffd}000".to_owned())));
    let (instances, _) =
        info(r#"{"resultCode":"000000","info":[{"instanceId":"i-1","appInfo":{"memo":"a\u0007\tb","password":"p\u0000w"}}]}"#);
    let app = instances[0].app_info.clone().unwrap();
    assert_eq!((app.memo.as_deref(), app.password.as_deref()), (Some("a\tb"), Some("pw")));
}

#[test]
fn asynchronous_creation_is_pending_in_both_spellings() {
    for code in ["000004", "0000004"] {
        let reading = read(Activity::NewInstance, &format!(r#"{{"resultCode":"{code}","instanceId":"i-1"}}"#));
        assert_eq!(reading.outcome, Outcome::Pending { instance_id: Some("i-1".to_owned()) });
    }
    let nameless = read(Activity::NewInstance, r#"{"resultCode":"000004"}"#);
    assert_eq!(nameless.outcome, Outcome::Pending { instance_id: None });
    assert_eq!(nameless.warnings[0].to_string(), "instanceId is missing");
    assert_eq!(read(Activity::QueryInstance, r#"{"resultCode":"000004"}"#).outcome, Outcome::Pending { instance_id: None });
}

#[test]
fn an_unknown_instance_is_already_released_but_cannot_be_frozen() {
    let body = r#"{"resultCode":"000003"}"#;
    let released = read(Activity::ReleaseInstance, body);
    assert_eq!(released.outcome, Outcome::Done(Payload::Nothing));
    assert_eq!(released.warnings[0].oddity, Oddity::AlreadyGone);
    assert_eq!(failure(Activity::UpdateInstanceStatus, body), Failure::Answered(ResultCode::InstanceUnknown));
}

#[test]
fn a_renewal_change_is_allowed_or_definitely_not() {
    let check = |code: &str| read(Activity::ChangeInstanceCheck, &format!(r#"{{"resultCode":"{code}"}}"#)).outcome;
    assert_eq!(check("000000"), Outcome::Done(Payload::Nothing));
    assert_eq!(check("000100"), Outcome::Refused(Failure::Answered(ResultCode::NoResource)));
    assert_eq!(check("4711"), Outcome::Refused(Failure::Answered(ResultCode::Other("4711".to_owned()))));
    let broken = read_answer(Activity::ChangeInstanceCheck, 502, JSON, b"").outcome;
    assert_eq!(broken, Outcome::Retry(Failure::Status(502)));
}

#[test]
fn what_is_no_answer_says_why() {
    let cases: Vec<(u16, Option<&str>, &[u8], Failure)> = vec![
        (500, JSON, br#"{"resultCode":"000000"}"#, Failure::Status(500)),
        (204, None, b"", Failure::Status(204)),
        (302, JSON, b"", Failure::Redirect(302)),
        (200, JSON, b" \r\n", Failure::Empty),
        (200, Some("text/html; charset=utf-8"), b"Welcome", Failure::Html),
        (200, JSON, b"\n<!doctype html><html>", Failure::Html),
        (200, JSON, br#"{"resultCode":1}"#, Failure::ResultCodeNotText { found: "1".to_owned() }),
        (200, JSON, br#"{"resultCode":""}"#, Failure::ResultCodeMissing),
        (200, JSON, br#"{"resultMsg":"success"}"#, Failure::ResultCodeMissing),
        (200, JSON, br#"{"resultCode":null}"#, Failure::ResultCodeMissing),
        // "成功" in GBK.
        (
            200,
            Some("application/json;charset=GBK"),
            b"{\"resultCode\":\"000000\",\"resultMsg\":\"\xb3\xc9\xb9\xa6\"}",
            Failure::NotUtf8 { declared: "gbk".to_owned() },
        ),
        (200, None, b"\xff\xfe{\0}\0", Failure::NotUtf8 { declared: "none".to_owned() }),
        // GBK bytes that happen to be valid UTF-8.
        (
            200,
            Some("text/plain; charset=\"GB2312\""),
            "{\"resultMsg\":\"\u{328}\"}".as_bytes(),
            Failure::NotUtf8 { declared: "gb2312".to_owned() },
        ),
    ];
    for (status, content_type, body, expected) in cases {
        assert_eq!(read_answer(Activity::NewInstance, status, content_type, body).outcome, Outcome::Retry(expected));
    }
    for body in ["[]", "\"000000\"", "{", r#"{"resultCode":"000000"} trailing"#] {
        assert!(matches!(failure(Activity::ReleaseInstance, body), Failure::NotJson(_)), "{body}");
    }
    let large = vec![b' '; 1024 * 1024 + 1];
    let outcome = read_answer(Activity::ReleaseInstance, 200, JSON, &large).outcome;
    assert_eq!(outcome, Outcome::Retry(Failure::BodyTooLarge { limit_bytes: 1024 * 1024 }));
}

#[test]
fn harmless_oddities_are_tolerated_and_named() {
    let reading = read_answer(
        Activity::ReleaseInstance,
        200,
        Some("text/html;charset=ISO-8859-1"),
        "\u{feff}{\"resultCode\":\"000001\",\"resultCode\":\"000000\",\"resultMsg\":\"成功\"}".as_bytes(),
    );
    assert_eq!(reading.outcome, Outcome::Done(Payload::Nothing));
    assert_eq!(reading.message.as_deref(), Some("成功"));
    let warnings: Vec<String> = reading.warnings.iter().map(ToString::to_string).collect();
    assert_eq!(
        warnings,
        ["Content-Type should be application/json with charset UTF-8", "body starts with a byte order mark, leave it out"]
    );
}

#[test]
fn a_code_of_failure_is_retried_and_explained() {
    let failure = failure(Activity::NewInstance, r#"{"resultCode":"000106","resultMsg":"no more"}"#);
    assert_eq!(failure.to_string(), "the seller answered 000106: sold out");
    assert_eq!(failure.result_code().unwrap().meaning_zh(), "商品已售罄");
    assert_eq!(failure.word(), "answered");
}

#[test]
fn instance_information_is_read_in_full() {
    let body = r#"{"resultCode":"000000","resultMsg":"success.","info":[{"instanceId":"i-1","appInfo":{"frontEndUrl":"https://app.example","adminUrl":"https://app.example/admin","userName":"admin","password":"Init#1","memo":"\u4e91"},"usageInfo":[{"relatedInstanceId":"i-9","usageValue":12.5,"statisticalTime":"20240101091000000","dashboardUrl":"https://app.example/usage"}]},{"instanceId":"i-2","usageInfos":[{"usageValue":"3","statisticalTime":"20240101091000000"}]}]}"#;
    let (instances, warnings) = info(body);
    assert_eq!(warnings, Vec::<String>::new());
    let app = instances[0].app_info.as_ref().unwrap();
    assert_eq!(app.front_end_url.as_deref(), Some("https://app.example"));
    assert_eq!(app.password.as_deref(), Some("Init#1"));
    assert_eq!(app.memo.as_deref(), Some("云"));
    assert!(!format!("{app:?}").contains("Init#1"));
    assert_eq!(instances[0].usage[0].usage_value.as_str(), "12.5");
    assert_eq!(instances[0].usage[0].statistical_at_ms, Some(1_704_100_200_000));
    assert_eq!(instances[0].usage[0].related_instance_id.as_deref(), Some("i-9"));
    assert_eq!(instances[1].usage[0].usage_value.as_str(), "3");
}

#[test]
fn bad_instance_information_is_left_out_piece_by_piece() {
    let long = "x".repeat(2000);
    let body = format!(
        r#"{{"resultCode":"000000","encryptType":"1","info":[7,{{"appInfo":{{}}}},{{"instanceId":"i-1","appInfo":{{"frontEndUrl":"javascript:alert(1)","adminUrl":"https://{long}","userName":5,"password":"{long}","memo":"{long}"}},"usageInfo":[{{"usageValue":1e99}},{{"usageValue":1,"statisticalTime":"yesterday"}},null]}},{{"instanceId":"i-2","appInfo":"soon","usageInfo":{{}}}}]}}"#
    );
    let (instances, warnings) = info(&body);
    assert_eq!(instances.len(), 2);
    let app = instances[0].app_info.clone().unwrap();
    assert_eq!((app.front_end_url, app.admin_url, app.password), (None, None, None));
    assert_eq!(app.user_name.as_deref(), Some("5"));
    assert_eq!(app.memo.unwrap().len(), 1024);
    assert_eq!(instances[0].usage.len(), 1);
    assert_eq!(instances[1], InstanceInfo { instance_id: "i-2".to_owned(), ..InstanceInfo::default() });
    for warning in [
        "encryptType is not used in V2.0, values are taken as they are",
        "info[0] has another JSON type than documented",
        "info[1].appInfo.password is longer than 128 characters and was left out",
        "info[1].appInfo.frontEndUrl is not a web address (http or https) and was left out",
        "info[1].appInfo.memo is longer than 1024 characters and was cut",
    ] {
        assert!(warnings.contains(&warning.to_owned()), "{warning} not in {warnings:#?}");
    }
    assert!(warnings.iter().all(|warning| !warning.contains("xxxx")), "warnings must not repeat values");
}

#[test]
fn an_instance_without_information_yet_is_an_empty_answer() {
    assert_eq!(info(r#"{"resultCode":"000000"}"#).0, []);
    assert_eq!(info(r#"{"resultCode":"000000","info":null}"#).0, []);
    let many = vec![r#"{"instanceId":"i"}"#; 101].join(",");
    let (instances, warnings) = info(&format!(r#"{{"resultCode":"000000","info":[{many}]}}"#));
    assert_eq!(instances.len(), 100);
    assert_eq!(warnings, ["info has more than 100 entries, the rest was left out"]);
}

#[test]
fn a_usage_value_is_decimal_text() {
    let cases = [
        ("12.5", Some("12.5")),
        ("0012.5000", Some("12.5")),
        ("0", Some("0")),
        ("0.0001", Some("0.0001")),
        ("99999999.9999", Some("99999999.9999")),
        ("1.2345678E7", Some("12345678")),
        ("1.5e-3", Some("0.0015")),
        ("2E1", Some("20")),
        (" 3 ", Some("3")),
        ("0.00001", None),
        ("100000000", None),
        ("-1", None),
        ("+1", None),
        ("1e999999999", None),
        ("1e-999999999", None),
        (".5", None),
        ("5.", None),
        ("1,5", None),
        ("NaN", None),
        ("", None),
        ("1.0000000000000000000000", None),
    ];
    for (text, expected) in cases {
        assert_eq!(UsageValue::parse(text).as_ref().map(UsageValue::as_str), expected, "{text}");
    }
}

#[test]
fn a_seller_in_rust_writes_answers_that_the_marketplace_reads() {
    let text = Answer::success().instance_id("i-1").to_json();
    assert_eq!(text, r#"{"resultCode":"000000","resultMsg":"success","instanceId":"i-1"}"#);
    let busy = read(Activity::NewInstance, &Answer::in_progress().instance_id("i-1").to_json());
    assert_eq!(busy.outcome, Outcome::Pending { instance_id: Some("i-1".to_owned()) });
    let sold_out = Answer::of(&ResultCode::SoldOut).message("没有了").to_json();
    assert_eq!(failure(Activity::NewInstance, &sold_out), Failure::Answered(ResultCode::SoldOut));

    let sent = vec![InstanceInfo {
        instance_id: "i-1".to_owned(),
        app_info: Some(AppInfo {
            front_end_url: Some("https://app.example".to_owned()),
            password: Some("Init#1".to_owned()),
            ..AppInfo::default()
        }),
        usage: vec![UsageInfo {
            related_instance_id: None,
            usage_value: UsageValue::parse("12.50").unwrap(),
            statistical_at_ms: Some(1_704_100_200_123),
            dashboard_url: None,
        }],
    }];
    let text = Answer::success().info(sent.clone()).to_json();
    assert!(text.contains(r#""usageValue":12.5,"statisticalTime":"20240101091000123""#), "{text}");
    assert_eq!(info(&text), (sent, vec![]));
}

proptest! {
    #[test]
    fn no_bytes_make_the_reader_panic(status in proptest::sample::select(vec![200u16, 302, 500]), content_type in proptest::option::of(".*"), body in proptest::collection::vec(any::<u8>(), 0..300)) {
        for activity in Activity::ALL {
            let _ = read_answer(activity, status, content_type.as_deref(), &body);
        }
    }

    #[test]
    fn no_member_of_any_kind_makes_the_reader_panic(value in json(), inner in json()) {
        let body = format!(r#"{{"resultCode":"000000","resultMsg":{value},"instanceId":{value},"info":[{{"instanceId":"i","appInfo":{{"frontEndUrl":{value},"memo":{inner}}},"usageInfo":[{{"usageValue":{value},"statisticalTime":{inner}}}]}},{inner}]}}"#);
        for activity in Activity::ALL {
            let _ = read(activity, &body);
        }
    }

    #[test]
    fn masking_hides_the_password_and_nothing_else(before in json(), secret in "[A-Za-z0-9]{12}", tail in "[\"\\\\{}\\[\\],: 云]{0,8}", after in json()) {
        prop_assume!(!before.contains(&secret) && !after.contains(&secret));
        let password = serde_json::to_string(&format!("{secret}{tail}")).unwrap();
        let text = format!(r#"{{"a":{before},"info":[{{"appInfo":{{"userName":"admin","password" : {password},"memo":{after}}}}}]}}"#);
        let masked = mask_body(&text);
        prop_assert!(!masked.contains(&secret), "{}", masked);
        let expected = format!(r#"{{"a":{before},"info":[{{"appInfo":{{"userName":"admin","password" : "***","memo":{after}}}}}]}}"#);
        prop_assert_eq!(masked, expected);
    }

    #[test]
    fn masking_hides_the_password_in_cut_off_text(secret in "[A-Za-z0-9]{12}", cut in 1usize..40) {
        let text = format!(r#"{{"info":[{{"appInfo":{{"password":"{secret}","memo":"password {secret}"}}}}]}}"#);
        let end = text.len().saturating_sub(cut);
        prop_assert!(!mask_body(&text[..end]).contains(&secret));
    }

    #[test]
    fn masking_never_panics(text in ".*") {
        let _ = mask_body(&text);
        let _ = mask_body(&format!("{{\"password\":{text}"));
    }
}

/// Any small JSON value as text, strings with every kind of character.
fn json() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        Just("null".to_owned()),
        Just("true".to_owned()),
        any::<f64>().prop_filter("JSON has no such number", |number| number.is_finite()).prop_map(|number| format!("{number:e}")),
        any::<i64>().prop_map(|number| number.to_string()),
        any::<String>().prop_map(|text| serde_json::to_string(&text).unwrap()),
    ];
    leaf.prop_recursive(3, 12, 4, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(|items| format!("[{}]", items.join(" , "))),
            proptest::collection::vec((any::<String>(), inner), 0..4).prop_map(|members| {
                let members: Vec<String> =
                    members.iter().map(|(name, value)| format!("{} : {value}", serde_json::to_string(name).unwrap())).collect();
                format!("{{{}}}", members.join(","))
            }),
        ]
    })
}
