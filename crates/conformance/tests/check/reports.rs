//! What is printed.

use conformance::cases::find;
use conformance::{Exchanges, Plan, Report, case_line};
use kernel::Locale;
use testkit::sellers::{Behaviour, Lie, ScriptedSeller};

use crate::support::{checked, plan, told};

/// A passed, a warned, a failed and a skipped case.
async fn report() -> (Report, ScriptedSeller) {
    let seller = ScriptedSeller::start().await;
    seller.behave(Behaviour::Lying(Lie::AnyTime)).await;
    let cases = ["address", "purchase", "query", "old-timestamp", "future-timestamp"].map(|id| find(id).unwrap());
    let plan = Plan { cases: cases.to_vec(), address: format!("{}?token=secret", seller.url()), ..plan(&seller) };
    (checked(&plan, 7).await.unwrap(), seller)
}

#[tokio::test]
async fn the_json_keeps_its_form() {
    let (report, seller) = report().await;
    let json = report.json(Locale::En, Exchanges::Hidden);
    let mut value: serde_json::Value = serde_json::from_str(&json).unwrap();
    value["address"] = value["address"].as_str().unwrap().replace(&seller.url(), "http://seller.example/saasproduce").into();
    value["elapsed_ms"] = 0.into();
    value["started_at"] = "2026-01-01T00:00:00Z".into();
    for case in value["cases"].as_array_mut().unwrap() {
        case["elapsed_ms"] = 0.into();
    }
    insta::assert_json_snapshot!("report", value);

    let shown: serde_json::Value = serde_json::from_str(&report.json(Locale::ZhCn, Exchanges::Shown)).unwrap();
    let exchange = &shown["cases"][1]["exchanges"][0];
    assert_eq!(exchange["call"], "newInstance");
    assert_eq!(exchange["status"], 200);
    assert_eq!(shown["cases"][1]["title"], "新购开通实例并返回实例ID");
}

#[tokio::test]
async fn no_secret_is_shown() {
    let (report, seller) = report().await;
    let password = seller.sound().instances()[0].password.0.clone();
    let everything = format!("{}{}{}", report.json(Locale::En, Exchanges::Shown), report.junit(Locale::En).unwrap(), told(&report));
    assert!(everything.contains("appInfo") && everything.contains("signature=***"), "{everything}");
    for secret in [password.as_str(), &seller.access_key(), "token=secret"] {
        assert!(!everything.contains(secret), "{secret} in {everything}");
    }
}

#[tokio::test]
async fn the_junit_can_be_read_again() {
    let (report, _seller) = report().await;
    let read = quick_junit::Report::deserialize_from_str(&report.junit(Locale::ZhCn).unwrap()).unwrap();
    assert_eq!((read.tests, read.failures, read.errors), (5, 1, 0));
    let suite = &read.test_suites[0];
    assert_eq!((suite.tests, suite.skipped, suite.failures), (5, 1, 1));
    assert_eq!(suite.test_cases.iter().map(|case| case.name.as_str()).collect::<Vec<_>>()[1], "purchase");
}

#[tokio::test]
async fn a_case_is_one_line_in_either_language() {
    let (report, _seller) = report().await;
    let lines = |locale| report.cases.iter().map(|case| case_line(case, locale)).collect::<Vec<_>>();
    let english = lines(Locale::En);
    assert!(english[0].starts_with("SKIP address "), "{english:?}");
    assert_eq!(
        english[1],
        "PASS purchase                   a purchase opens an instance and names it [protocol §1.6; newInstance, zh-cn_topic_0070649427]"
    );
    assert!(english[3].starts_with("FAIL old-timestamp") && english[3].ends_with(": it was accepted, refuse it"), "{english:?}");
    assert!(english[4].starts_with("WARN future-timestamp"), "{english:?}");
    assert!(lines(Locale::ZhCn)[3].ends_with(": 被接受了，应当拒绝"));
    assert!(english.iter().all(|line| !line.contains('\n')));
    assert!(
        report.summary(Locale::En).starts_with("2 passed, 1 warned, 1 failed, 1 skipped; 2 instances opened, 2 released"),
        "{}",
        report.summary(Locale::En)
    );
}

#[tokio::test]
async fn what_comes_back_does_not_move_the_cursor() {
    let seller = ScriptedSeller::start().await;
    seller.behave(Behaviour::Answers(wire::koogallery_v2::ResultCode::Other("\u{1b}[2J".to_owned()))).await;
    let report = checked(&plan(&seller), 1).await.unwrap();
    assert!(!told(&report).contains('\u{1b}'));
}
