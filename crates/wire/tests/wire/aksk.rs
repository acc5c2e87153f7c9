//! A seller's server calls the marketplace, signed with its access key pair.

use proptest::prelude::*;
use wire::openapi::aksk::{AuthError, KeyPair, Parts, Presented, sign};

const SIGNED_AT: i64 = 1_573_789_015_000; // 20191115T033655Z
const HOST: (&str, &str) = ("Host", "mkt.example.com");

fn keys() -> KeyPair {
    KeyPair { access_key: "AK1".to_owned(), secret_key: "MFyfvK41ba2giqM7Uio6PznpdUKGpownRZlmVmHc".to_owned() }
}

/// What the server does: read, look the secret up, check.
fn authenticate(parts: &Parts<'_>, now_ms: i64) -> Result<String, AuthError> {
    let presented = Presented::read(parts)?;
    if presented.access_key() != keys().access_key {
        return Err(AuthError::AccessKeyUnknown);
    }
    presented.check(parts, &keys().secret_key, now_ms)?;
    Ok(presented.access_key().to_owned())
}

/// What the client sends: `signed` is what it signs, `sent` what arrives.
fn arrives(signed: &Parts<'_>, sent: &Parts<'_>) -> Result<String, AuthError> {
    let signature = sign(signed, &keys(), SIGNED_AT).unwrap();
    let mut headers = sent.headers.to_vec();
    headers.push(("X-Sdk-Date", &signature.x_sdk_date));
    headers.push(("Authorization", &signature.authorization));
    authenticate(&Parts { headers: &headers, ..*sent }, SIGNED_AT)
}

fn get<'a>(path: &'a str, query: &'a str, headers: &'a [(&'a str, &'a str)]) -> Parts<'a> {
    Parts { method: "GET", path, query, headers, body: b"" }
}

#[test]
fn the_first_published_vector_verifies() {
    let headers = [
        ("Content-Type", "application/json"),
        ("Host", "service.region.example.com"),
        ("X-Sdk-Date", "20191115T033655Z"),
        (
            "Authorization",
            "SDK-HMAC-SHA256 Access=AK1, SignedHeaders=content-type;host;x-sdk-date, Signature=7be6668032f70418fcc22abc52071e57aff61b84a1d2381bb430d6870f4f6ebe",
        ),
    ];
    let path = "/v1/77b6a44cba5143ab91d13ab9a8ff44fd/vpcs/";
    let query = "limit=2&marker=13551d6b-755d-4757-b956-536f674975c0";
    assert_eq!(authenticate(&get(path, query, &headers), SIGNED_AT), Ok("AK1".to_owned()));
    // Without the last slash and with the parameters the other way round it is the same request.
    let reordered = "marker=13551d6b-755d-4757-b956-536f674975c0&limit=2";
    assert_eq!(authenticate(&get(path.trim_end_matches('/'), reordered, &headers), SIGNED_AT), Ok("AK1".to_owned()));
    let signed = sign(&get(path, query, &headers[..2]), &keys(), SIGNED_AT).unwrap();
    assert_eq!(signed.authorization, headers[3].1);
}

#[test]
fn the_second_published_vector_is_reproduced() {
    let headers = [("x-stage", "RELEASE"), ("Content-Type", "application/json"), ("host", "mkt.myhuaweicloud.com")];
    let parts =
        Parts { method: "POST", path: "/api/mkp-openapi-public/global/v1/license/activate", query: "", headers: &headers, body: b"" };
    let keys = KeyPair { access_key: "AK".to_owned(), secret_key: "123".to_owned() };
    let signed = sign(&parts, &keys, 1_710_686_557_000).unwrap();
    assert_eq!(signed.x_sdk_date, "20240317T144237Z");
    assert_eq!(
        signed.authorization,
        "SDK-HMAC-SHA256 Access=AK, SignedHeaders=content-type;host;x-sdk-date;x-stage, Signature=77595ad624b6e4e49990b8c4e84bf1c287457fca61069c4e60b9b6765b52053d"
    );
}

#[test]
fn equal_requests_in_other_encodings_verify() {
    let headers = [HOST];
    let signed = get("/orders/a b/云~", "q=x y&q=a&empty=", &headers);
    for (path, query) in [("/orders/a%20b/%E4%BA%91~", "q=x%20y&q=a&empty="), ("/orders/a%20b/%e4%ba%91%7E/", "empty&q=a&q=x+y")] {
        assert_eq!(arrives(&signed, &get(path, query, &headers)), Ok("AK1".to_owned()), "{path}?{query}");
    }
}

#[test]
fn anything_changed_on_the_way_is_noticed() {
    let headers = [HOST];
    let signed = Parts { method: "POST", path: "/orders/1", query: "a=1", headers: &headers, body: b"{}" };
    assert_eq!(arrives(&signed, &signed), Ok("AK1".to_owned()));
    let other_host = [("host", "evil.example.com")];
    let changed = [
        Parts { method: "PUT", ..signed },
        Parts { path: "/orders/2", ..signed },
        Parts { path: "/orders%2F1", ..signed },
        Parts { query: "a=1&a=1", ..signed },
        Parts { query: "", ..signed },
        Parts { headers: &other_host, ..signed },
        Parts { body: b"{ }", ..signed },
    ];
    for sent in changed {
        assert_eq!(arrives(&signed, &sent), Err(AuthError::Mismatch), "{sent:?}");
    }
    assert_eq!(arrives(&signed, &Parts { headers: &[], ..signed }), Err(AuthError::SignedHeaderMissing("host".to_owned())));
    let doubled = [HOST, ("host", "mkt.example.com")];
    assert_eq!(arrives(&signed, &Parts { headers: &doubled, ..signed }), Err(AuthError::SignedHeaderRepeated("host".to_owned())));
}

#[test]
fn a_content_hash_must_be_that_of_the_body() {
    let right = [HOST, ("X-Sdk-Content-Sha256", "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a")];
    let parts = Parts { method: "POST", path: "/", query: "", headers: &right, body: b"{}" };
    assert_eq!(arrives(&parts, &parts), Ok("AK1".to_owned()));
    assert_eq!(arrives(&parts, &Parts { body: b"[]", ..parts }), Err(AuthError::ContentHashMismatch));
    let unsigned = [HOST, ("X-Sdk-Content-Sha256", "UNSIGNED-PAYLOAD")];
    let parts = Parts { headers: &unsigned, ..parts };
    assert_eq!(arrives(&parts, &parts), Err(AuthError::ContentHashMismatch));
}

#[test]
fn a_signature_is_good_for_fifteen_minutes() {
    let headers = [HOST];
    let signed = sign(&get("/", "", &headers), &keys(), SIGNED_AT).unwrap();
    let sent = [HOST, ("x-sdk-date", signed.x_sdk_date.as_str()), ("authorization", signed.authorization.as_str())];
    let at = |skew_ms: i64| authenticate(&get("/", "", &sent), SIGNED_AT + skew_ms);
    for skew_ms in [-900_000, 0, 900_000] {
        assert_eq!(at(skew_ms), Ok("AK1".to_owned()));
    }
    for skew_ms in [-900_001, 900_001] {
        assert_eq!(at(skew_ms), Err(AuthError::Skew { skew_ms }));
    }
}

#[test]
fn a_malformed_authorization_says_what_is_wrong() {
    let signature = "0".repeat(64);
    let date = ("X-Sdk-Date", "20191115T033655Z");
    let read = |authorization: &str, date: Option<(&str, &str)>| {
        let mut headers = vec![("Authorization", authorization)];
        headers.extend(date);
        Presented::read(&get("/", "", &headers)).unwrap_err()
    };
    assert_eq!(Presented::read(&get("/", "", &[date])).unwrap_err(), AuthError::Missing);
    assert!(matches!(read("Bearer x", Some(date)), AuthError::Malformed(_)));
    assert!(matches!(read("SDK-HMAC-SHA256", Some(date)), AuthError::Malformed(_)));
    assert!(matches!(read("SDK-HMAC-SHA256 Access=a", Some(date)), AuthError::Malformed("SignedHeaders is missing")));
    let full = |names: &str, signature: &str| format!("SDK-HMAC-SHA256 Access=a, SignedHeaders={names}, Signature={signature}");
    assert!(matches!(read(&full("x-sdk-date", "00"), Some(date)), AuthError::Malformed("Signature is not 64 hex digits")));
    assert!(matches!(read(&full("x-sdk-date;X-Sdk-Date", &signature), Some(date)), AuthError::Malformed(_)));
    assert_eq!(read(&full("host", &signature), Some(date)), AuthError::DateNotSigned);
    assert_eq!(read(&full("x-sdk-date", &signature), None), AuthError::DateMissing);
    assert_eq!(read(&full("x-sdk-date", &signature), Some(("X-Sdk-Date", "2019-11-15"))), AuthError::DateMissing);
    assert!(matches!(read(&full(&"x".repeat(5000), &signature), Some(date)), AuthError::Malformed("it is too long")));
}

#[test]
fn the_gateway_error_is_json_with_its_code() {
    let body: serde_json::Value = serde_json::from_str(&AuthError::Mismatch.gateway_body("req-1")).unwrap();
    assert_eq!(body["error_code"], "APIGW.0301");
    assert_eq!(body["request_id"], "req-1");
}

#[test]
fn the_secret_does_not_show_in_logs() {
    assert_eq!(format!("{:?}", keys()), "KeyPair(AK1, ***)");
}

proptest! {
    #[test]
    fn every_signed_request_verifies(path in "(/[^/?#]{0,6}){0,4}", query in "[^#]{0,30}", header in "[!-~]([ -~]{0,10}[!-~])?", body in proptest::collection::vec(any::<u8>(), 0..50)) {
        let headers = [HOST, ("X-Custom", header.as_str())];
        let parts = Parts { method: "POST", path: &path, query: &query, headers: &headers, body: &body };
        prop_assert_eq!(arrives(&parts, &parts), Ok("AK1".to_owned()));
    }

    #[test]
    fn no_header_makes_the_reader_panic(authorization in "(SDK-HMAC-SHA256 )?.*", date in "[0-9TZ云]*") {
        let headers = [("Authorization", authorization.as_str()), ("X-Sdk-Date", date.as_str())];
        let _ = Presented::read(&get("/", "", &headers));
    }
}
