//! `yunshi check` against sellers on this machine.

use rustix::process::Signal;
use serde_json::Value;
use testkit::sellers::{Behaviour, Lie, ScriptedSeller};

use crate::support::Place;

const SELLER: &str = "the sample seller is open";

#[tokio::test]
async fn the_sample_seller_is_right_in_both_manners() {
    let place = Place::new().await;
    for polls in [&[][..], &["--polls", "2"]] {
        let arguments = [&["sample-seller", "--listen", "127.0.0.1:0", "--access-key", "a key"], polls].concat();
        let server = place.start(&arguments, SELLER);
        let url = format!("http://{}/saasproduce", server.address());
        let said = place.done(&["check", "--dialect", "koogallery-v2", "--url", &url, "--access-key", "a key"]);
        assert!(said.contains("PASS purchase ") && said.contains(" 0 warned, 0 failed, "), "{said}");
        assert!(!said.contains("a key") && !said.contains("FAIL") && !said.contains("WARN"), "{said}");
        server.stop(Signal::TERM);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_seller_is_reported_in_every_form() {
    let seller = ScriptedSeller::start().await;
    seller.behave(Behaviour::Lying(Lie::AnySignature)).await;
    let place = Place::new().await.with("YUNSHI_CHECK_ACCESS_KEY", &seller.access_key());
    let ended = place.run(&["check", "--url", &seller.url(), "--json", "--junit", "junit.xml", "--show-exchanges", "--locale", "zh-CN"]);
    assert_eq!(ended.code, Some(1), "{ended:?}");
    assert!(!ended.err.contains("is no setting"), "the variable is known: {ended:?}");
    assert!(ended.err.contains("FAIL wrong-signature") && ended.err.contains("签名错误的请求须拒绝"), "{ended:?}");
    let report: Value = serde_json::from_str(&ended.out).unwrap();
    assert_eq!((&report["schema"], &report["outcome"]), (&"yunshi-check/1".into(), &"unsound".into()));
    assert_eq!(report["cleanup"]["left"], Value::Array(Vec::new()));
    let junit = std::fs::read_to_string(place.path("junit.xml")).unwrap();
    assert!(junit.contains("name=\"wrong-signature\"") && junit.contains("<failure"), "{junit}");
    for text in [&ended.out, &ended.err, &junit] {
        assert!(text.contains("signature=***") && !text.contains(&seller.access_key()), "{text}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_tried_is_neither_right_nor_wrong() {
    let seller = ScriptedSeller::start().await;
    let (url, key) = (seller.url(), seller.access_key());
    let place = Place::new().await;
    let run = |more: &[&str]| place.run(&[&["check", "--url", &url, "--access-key", &key], more].concat());
    seller.behave(Behaviour::Lying(Lie::NoInstance)).await;
    let ended = run(&["--only", "wrong-signature,renewal"]);
    assert_eq!((ended.code, ended.complaint()), (Some(2), "some cases could not be tried, the lines above say why"));
    assert!(ended.out.contains("SKIP renewal") && ended.out.contains("instanceId is missing"), "{ended:?}");

    seller.behave(Behaviour::Dead).await;
    let ended = run(&[]);
    assert_eq!(ended.code, Some(2));
    assert!(ended.complaint().starts_with("the server cannot be reached"), "{ended:?}");

    seller.recover().await;
    assert_eq!(run(&["--only", "renewal-repeat"]).code, Some(0));
    for (wrong, complaint) in [
        (&["--only", "no-such-case"][..], "there is no case \"no-such-case\", --list shows all of them"),
        (&["--answer-limit", "0s"], "--answer-limit must be more than nothing and at most 3 hours"),
        (&["--ca-file", "missing.pem"], "cannot set up calls: cannot read the certificate authorities in missing.pem"),
    ] {
        let ended = run(wrong);
        assert_eq!(ended.code, Some(2), "{ended:?}");
        assert!(ended.complaint().starts_with(complaint), "{ended:?}");
    }
    assert_eq!(place.run(&["check", "--url", &url]).code, Some(2), "the key must be given");
    assert_eq!(run(&["--dialect", "morse"]).code, Some(2));
}

#[tokio::test]
async fn the_cases_can_be_listed_without_a_server() {
    let place = Place::new().await;
    let listed = place.done(&["check", "--list", "--locale", "zh-CN"]);
    assert_eq!(listed.lines().count(), conformance::cases::CASES.len());
    assert!(listed.lines().any(|line| line.starts_with("purchase ") && line.contains("新购开通实例并返回实例ID")), "{listed}");
}
