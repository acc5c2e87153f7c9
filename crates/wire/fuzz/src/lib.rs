//! What holds for whatever bytes arrive, one function for each parser of `wire`.
//!
//! `cargo xtask fuzz` looks for bytes for which it does not; `wire`'s own tests run the same functions over the seeds and over random bytes.
//! A function panics when its property is broken.
#![allow(clippy::unwrap_used, missing_docs, reason = "a broken property is a panic")]
#![allow(unreachable_pub, reason = "the tests of wire take this file as a module")]

use serde_json::Value;
use wire::koogallery_v2::{
    AccessKey, Activity, Outcome, Payload, Presented, Request, ResultCode, Tolerance, UsageValue, canonicalize_received, mask_body,
    mask_url, read_answer, sign, signed_url, verify, verify_kit, verify_reserialised,
};
use wire::openapi::aksk::{self, KeyPair, Parts};
use wire::openapi::order_query::OrderQueryAnswer;
use wire::time;

/// Panics when what should hold for these bytes does not.
pub type Property = fn(&[u8]);

/// Every property by its name, which is that of its target.
pub const ALL: [(&str, Property); 10] = [
    ("answer", answer),
    ("request", request),
    ("canonical", canonical),
    ("signature", signature),
    ("usage_value", usage_value),
    ("code", code),
    ("mask", mask),
    ("open_api_signature", open_api_signature),
    ("order_query", order_query),
    ("time", time),
];

/// Some moment of 2026, ms UTC.
const NOW: i64 = 1_767_578_400_000;
/// The documented length of an instance id (spec: protocol §1.6).
const INSTANCE_ID_MAX: usize = 64;

fn text(data: &[u8]) -> Option<&str> {
    std::str::from_utf8(data).ok()
}

/// The first line, and what comes after it.
fn lines(text: &str) -> (&str, &str) {
    text.split_once('\n').unwrap_or((text, ""))
}

/// A seller's answer is judged, and the same way again; what is read fits into later calls. The content type is the first line.
pub fn answer(data: &[u8]) {
    let at = data.iter().position(|byte| *byte == b'\n').unwrap_or(0);
    let (content_type, body) = (text(&data[..at]), data.get(at + 1..).unwrap_or(data));
    for activity in Activity::ALL {
        for status in [200, 302, 500] {
            let reading = read_answer(activity, status, content_type, body);
            assert_eq!(reading, read_answer(activity, status, content_type, body));
            if status != 200 {
                assert!(matches!(reading.outcome, Outcome::Retry(_)), "{reading:?}");
            }
            if let Outcome::Done(Payload::Instance { instance_id }) = &reading.outcome {
                assert!(!instance_id.is_empty() && instance_id.chars().count() <= INSTANCE_ID_MAX, "{instance_id:?}");
                let call = Request::QueryInstance { instance_ids: vec![instance_id.clone()] };
                assert_eq!(call.validate(), Ok(()), "{instance_id:?}");
            }
        }
    }
}

/// What is read as a request is written as the canonical text of the same request.
pub fn request(data: &[u8]) {
    let Some(body) = text(data) else { return };
    let Ok((request, mode)) = Request::parse(body) else { return };
    let written = request.body(mode).unwrap();
    assert_eq!(Request::parse(&written), Ok((request, mode)), "{written}");
    assert_eq!(canonicalize_received(&written).as_deref(), Ok(written.as_str()));
}

/// The canonical text of a body is JSON with the same members, and is its own canonical text.
pub fn canonical(data: &[u8]) {
    let Some(body) = text(data) else { return };
    let Ok(canonical) = canonicalize_received(body) else { return };
    assert_eq!(canonicalize_received(&canonical).as_deref(), Ok(canonical.as_str()));
    // Numbers beyond a double have no value to compare.
    let (Ok(Value::Object(mut before)), Ok(after)) = (serde_json::from_str(body), serde_json::from_str::<Value>(&canonical)) else {
        return;
    };
    before.retain(|_, value| !value.is_null());
    assert_eq!(after, Value::Object(before));
}

/// Nobody passes without the key, whatever is presented; what we signed passes in any address. A query, then a body.
pub fn signature(data: &[u8]) {
    let Some((query, body)) = text(data).map(lines) else { return };
    let (key, lenient) = (AccessKey::new("a-key-of-nobody"), Tolerance { past_ms: i64::MAX, future_ms: i64::MAX });
    let presented = Presented::from_query(query);
    assert!(verify(&key, body, &presented, NOW, lenient).is_err());
    assert!(verify_kit(&key, body, &presented, NOW, lenient).is_err());
    assert!(verify_reserialised(&key, body, &presented, NOW, lenient).is_err());

    let nonce: String = body.chars().take(20).chain(['n']).collect();
    let address = format!("https://seller.example.com/{}", query.replace(['?', '#'], ""));
    let url = signed_url(&address, &sign(&key, body, NOW, &nonce));
    let arrived = Presented::from_query(url.split_once('?').unwrap().1);
    assert_eq!(verify(&key, body, &arrived, NOW, Tolerance::default()), Ok(()), "{url}");
}

/// A used amount is plain decimal text that reads as itself.
pub fn usage_value(data: &[u8]) {
    let Some(value) = text(data).and_then(UsageValue::parse) else { return };
    assert_eq!(UsageValue::parse(value.as_str()), Some(value.clone()));
    assert!(value.as_str().bytes().all(|byte| byte.is_ascii_digit() || byte == b'.'), "{value:?}");
    let (whole, fraction) = value.as_str().split_once('.').unwrap_or((value.as_str(), ""));
    assert!(whole.len() <= 8 && fraction.len() <= 4, "{value:?}");
}

/// A result code is written as it was read, save for the misprint of the documentation.
pub fn code(data: &[u8]) {
    let Some(sent) = text(data) else { return };
    let code = ResultCode::parse(sent);
    assert_eq!(ResultCode::parse(code.as_str()), code);
    assert!(code.as_str() == sent || sent == "0000004");
}

/// No password of a JSON body and no signature of an address is left, and what is hidden once stays as it is.
pub fn mask(data: &[u8]) {
    fn reveals(value: &Value) -> bool {
        match value {
            Value::Object(members) => members.iter().any(|(name, value)| match name.eq_ignore_ascii_case("password") {
                true => !value.is_null() && value != "***",
                false => reveals(value),
            }),
            Value::Array(items) => items.iter().any(reveals),
            _ => false,
        }
    }
    let Some(sent) = text(data) else { return };
    let masked = mask_body(sent);
    assert_eq!(mask_body(&masked), masked);
    if serde_json::from_str::<Value>(sent).is_ok() {
        let value: Value = serde_json::from_str(&masked).unwrap_or_else(|error| panic!("{masked}: {error}"));
        assert!(!reveals(&value), "{masked}");
    }
    let masked = mask_url(sent);
    assert_eq!(mask_url(&masked), masked);
    let query = masked.split_once('#').map_or(masked.as_str(), |(before, _)| before).split_once('?').map_or("", |(_, query)| query);
    let hidden =
        |parameter: &str| parameter.split_once('=').is_none_or(|(name, value)| !name.eq_ignore_ascii_case("signature") || value == "***");
    assert!(query.split('&').all(hidden), "{masked}");
}

/// Nobody passes without the secret, and what we signed passes. A path, a query, a date, an authorization, then a body.
pub fn open_api_signature(data: &[u8]) {
    let Some(sent) = text(data) else { return };
    let (path, rest) = lines(sent);
    let (query, rest) = lines(rest);
    let (date, rest) = lines(rest);
    let (authorization, body) = lines(rest);
    let headers = [("Host", "market.example.com"), ("X-Sdk-Date", date), ("Authorization", authorization)];
    let parts = Parts { method: "GET", path, query, headers: &headers, body: body.as_bytes() };
    if let Ok(presented) = aksk::Presented::read(&parts) {
        assert!(presented.check(&parts, "a-secret-of-nobody", presented.signed_at_ms()).is_err());
    }
    let keys = KeyPair { access_key: "AK".to_owned(), secret_key: "SK".to_owned() };
    let plain = Parts { headers: &headers[..1], ..parts };
    let signed = aksk::sign(&plain, &keys, NOW).unwrap();
    let headers = [headers[0], ("X-Sdk-Date", signed.x_sdk_date.as_str()), ("Authorization", signed.authorization.as_str())];
    let arrived = Parts { headers: &headers, ..parts };
    assert_eq!(aksk::Presented::read(&arrived).and_then(|presented| presented.check(&arrived, "SK", NOW)), Ok(()));
}

/// An answer of the order query is read as it was written.
pub fn order_query(data: &[u8]) {
    let Ok(answer) = serde_json::from_slice::<OrderQueryAnswer>(data) else { return };
    let written = serde_json::to_string(&answer).unwrap();
    assert_eq!(serde_json::from_str::<OrderQueryAnswer>(&written).unwrap(), answer, "{written}");
}

/// A time is written as it was read.
pub fn time(data: &[u8]) {
    let Some(sent) = text(data) else { return };
    if let Some(at) = time::from_compact(sent) {
        let written = if sent.len() == 14 { time::to_compact(at) } else { time::to_compact_millis(at) };
        assert_eq!(written.as_deref(), Some(sent));
    }
    if let Some(at) = time::from_sdk_date(sent) {
        assert_eq!(time::to_sdk_date(at).as_deref(), Some(sent));
    }
}
