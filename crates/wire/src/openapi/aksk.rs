//! The request signature SDK-HMAC-SHA256 with an access key pair (spec: protocol §3.1).
//!
//! Verifying has two steps, because the secret must be looked up between them: [`Presented::read`] takes the claim out of
//! the headers, [`Presented::check`] rebuilds the canonical request and compares. Differently encoded but equal paths and
//! queries verify alike: segments are decoded and encoded again, and `+` in a query is a space, as the router reads it.
//!
//! Stricter than the published rule in two places: a content hash sent as a header must be that of the body, and a header
//! name that is signed must occur once.

use std::fmt;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, percent_encode};

use crate::{
    crypto::{hmac_sha256, same_hex, sha256_hex},
    time,
};

/// Name of the algorithm, and first word of the `Authorization` header.
pub const ALGORITHM: &str = "SDK-HMAC-SHA256";
/// The header with the time of signing; the only one that must be signed.
pub const DATE_HEADER: &str = "x-sdk-date";
/// The header with the body's hash, if the client sends one.
pub const CONTENT_HASH_HEADER: &str = "x-sdk-content-sha256";
/// How far the time of signing may lie from ours, in ms: 15 minutes.
pub const SKEW_MAX_MS: i64 = 15 * 60 * 1000;
/// Longest `Authorization` header that is read (ours).
const AUTHORIZATION_MAX_BYTES: usize = 4096;
/// Most headers that a signature may cover (ours).
const SIGNED_HEADERS_MAX: usize = 64;
/// Hex digits of a signature.
const SIGNATURE_CHARS: usize = 64;

/// Everything outside RFC 3986's unreserved characters is percent-encoded.
const UNRESERVED_KEPT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// A request, as far as a signature looks at it.
#[derive(Debug, Clone, Copy)]
pub struct Parts<'a> {
    /// `GET`, `POST`, …
    pub method: &'a str,
    /// The path as it was sent, still encoded.
    pub path: &'a str,
    /// The query as it was sent, still encoded, without `?`; empty if there is none.
    pub query: &'a str,
    /// Names in any case, and values. `host` must be among them when it is signed: with HTTP/2, add it from the authority.
    pub headers: &'a [(&'a str, &'a str)],
    /// The whole body.
    pub body: &'a [u8],
}

/// An access key pair.
#[derive(Clone)]
pub struct KeyPair {
    /// AK: public, names the account.
    pub access_key: String,
    /// SK: secret.
    pub secret_key: String,
}

impl fmt::Debug for KeyPair {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "KeyPair({}, ***)", self.access_key)
    }
}

/// The two headers that sign a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedHeaders {
    /// Value of `X-Sdk-Date`.
    pub x_sdk_date: String,
    /// Value of `Authorization`.
    pub authorization: String,
}

/// Why a call is not authenticated.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AuthError {
    /// No `Authorization`.
    #[error("the authorization header is missing, sign the request with {ALGORITHM}")]
    Missing,
    /// Not of the documented form.
    #[error("the authorization header is malformed: {0}")]
    Malformed(&'static str),
    /// No usable `X-Sdk-Date`.
    #[error("the header x-sdk-date is missing or not of the form yyyyMMddTHHmmssZ")]
    DateMissing,
    /// `X-Sdk-Date` is not covered by the signature.
    #[error("the header x-sdk-date is not signed, add it to SignedHeaders")]
    DateNotSigned,
    /// A signed header did not arrive.
    #[error("the signed header {0} is missing in the request")]
    SignedHeaderMissing(String),
    /// A signed header arrived more than once.
    #[error("the signed header {0} occurs more than once")]
    SignedHeaderRepeated(String),
    /// The clocks differ too much.
    #[error("x-sdk-date differs from the server's time by {skew_ms} ms, at most {SKEW_MAX_MS} ms are allowed")]
    Skew {
        /// Ours minus theirs.
        skew_ms: i64,
    },
    /// No such access key. Set by the caller, who looks keys up.
    #[error("the access key is unknown or disabled")]
    AccessKeyUnknown,
    /// The body is not the one that was hashed.
    #[error("x-sdk-content-sha256 is not the hash of the body, unsigned bodies are not accepted")]
    ContentHashMismatch,
    /// The signature is not that of this request with this secret.
    #[error("the signature does not match the request")]
    Mismatch,
}

impl AuthError {
    /// The gateway's error code for a call that is not authenticated; its HTTP status is 401 (spec: protocol §3.1).
    pub const GATEWAY_CODE: &'static str = "APIGW.0301";

    /// The gateway's error body.
    #[must_use]
    pub fn gateway_body(&self, request_id: &str) -> String {
        serde_json::json!({
            "error_msg": format!("Incorrect IAM authentication information: {self}"),
            "error_code": Self::GATEWAY_CODE,
            "request_id": request_id,
        })
        .to_string()
    }
}

/// Signs a request: every header in `parts` and `X-Sdk-Date`, which is added (and replaces one in `parts`).
///
/// `None` when `at_ms` (ms UTC) lies outside the years 1 to 9999.
#[must_use]
pub fn sign(parts: &Parts<'_>, keys: &KeyPair, at_ms: i64) -> Option<SignedHeaders> {
    let x_sdk_date = time::to_sdk_date(at_ms)?;
    let mut headers: Vec<(String, &str)> = parts
        .headers
        .iter()
        .map(|(name, value)| (name.to_ascii_lowercase(), *value))
        .filter(|(name, _)| name != DATE_HEADER && name != "authorization")
        .collect();
    headers.push((DATE_HEADER.to_owned(), &x_sdk_date));
    headers.sort();

    let names: Vec<&str> = headers.iter().map(|(name, _)| name.as_str()).collect();
    let signed_headers = names.join(";");
    let hash = parts.header(CONTENT_HASH_HEADER).map_or_else(|| sha256_hex(parts.body), |hash| hash.trim().to_owned());
    let canonical = canonical_request(parts, &canonical_queries(parts.query)[0], &headers, &signed_headers, &hash);
    let signature = signature_of(&canonical, &x_sdk_date, &keys.secret_key);
    let authorization = format!("{ALGORITHM} Access={}, SignedHeaders={signed_headers}, Signature={signature}", keys.access_key);
    Some(SignedHeaders { x_sdk_date, authorization })
}

/// What a request claims about its sender; nothing of it is proven before [`Presented::check`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Presented {
    access_key: String,
    signed_headers: Vec<String>,
    signature: String,
    date: String,
    signed_at_ms: i64,
}

impl Presented {
    /// Reads the claim from the headers.
    ///
    /// # Errors
    /// When headers are missing or malformed.
    pub fn read(parts: &Parts<'_>) -> Result<Self, AuthError> {
        let header = parts.single_header("authorization")?.ok_or(AuthError::Missing)?;
        if header.len() > AUTHORIZATION_MAX_BYTES {
            return Err(AuthError::Malformed("it is too long"));
        }
        let fields = header
            .trim()
            .strip_prefix(ALGORITHM)
            .filter(|rest| rest.starts_with(' '))
            .ok_or(AuthError::Malformed("it does not start with SDK-HMAC-SHA256"))?;
        let (mut access_key, mut signed_headers, mut signature) = (None, None, None);
        for field in fields.split(',') {
            let (name, value) = field.trim().split_once('=').ok_or(AuthError::Malformed("a field has no ="))?;
            let slot = match name {
                "Access" => &mut access_key,
                "SignedHeaders" => &mut signed_headers,
                "Signature" => &mut signature,
                _ => continue,
            };
            if slot.replace(value.trim()).is_some() {
                return Err(AuthError::Malformed("a field occurs twice"));
            }
        }
        let access_key = access_key.filter(|key| !key.is_empty()).ok_or(AuthError::Malformed("Access is missing"))?;
        let signed_headers = header_names(signed_headers.ok_or(AuthError::Malformed("SignedHeaders is missing"))?)?;
        let signature = signature.ok_or(AuthError::Malformed("Signature is missing"))?;
        if signature.len() != SIGNATURE_CHARS || !signature.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(AuthError::Malformed("Signature is not 64 hex digits"));
        }
        let date = parts.single_header(DATE_HEADER)?.ok_or(AuthError::DateMissing)?.trim();
        let signed_at_ms = time::from_sdk_date(date).ok_or(AuthError::DateMissing)?;
        if !signed_headers.iter().any(|name| name == DATE_HEADER) {
            return Err(AuthError::DateNotSigned);
        }
        Ok(Self { access_key: access_key.to_owned(), signed_headers, signature: signature.to_owned(), date: date.to_owned(), signed_at_ms })
    }

    /// The AK, by which the secret is looked up.
    #[must_use]
    pub fn access_key(&self) -> &str {
        &self.access_key
    }

    /// When the request was signed, ms UTC, as claimed.
    #[must_use]
    pub fn signed_at_ms(&self) -> i64 {
        self.signed_at_ms
    }

    /// Proves the claim: `parts` is the same request, `secret_key` the SK of [`Presented::access_key`].
    ///
    /// # Errors
    /// When the clocks differ too much, a signed header is missing, or hash or signature do not match.
    pub fn check(&self, parts: &Parts<'_>, secret_key: &str, now_ms: i64) -> Result<(), AuthError> {
        let skew_ms = now_ms.saturating_sub(self.signed_at_ms);
        if !(-SKEW_MAX_MS..=SKEW_MAX_MS).contains(&skew_ms) {
            return Err(AuthError::Skew { skew_ms });
        }
        let hash = sha256_hex(parts.body);
        if let Some(claimed) = parts.single_header(CONTENT_HASH_HEADER)?
            && !same_hex(claimed.trim(), &hash)
        {
            return Err(AuthError::ContentHashMismatch);
        }
        let mut headers = Vec::with_capacity(self.signed_headers.len());
        for name in &self.signed_headers {
            let value = parts.single_header(name)?.ok_or_else(|| AuthError::SignedHeaderMissing(name.clone()))?;
            headers.push((name.clone(), value));
        }
        let signed_headers = self.signed_headers.join(";");
        // A client that sends the hash may write it in upper case; it is signed as it was sent.
        let hash = parts.header(CONTENT_HASH_HEADER).map_or(hash, |claimed| claimed.trim().to_owned());
        let is_signed = canonical_queries(parts.query).iter().any(|query| {
            let canonical = canonical_request(parts, query, &headers, &signed_headers, &hash);
            same_hex(&self.signature, &signature_of(&canonical, &self.date, secret_key))
        });
        if is_signed { Ok(()) } else { Err(AuthError::Mismatch) }
    }
}

impl<'a> Parts<'a> {
    fn header(&self, name: &str) -> Option<&'a str> {
        self.headers.iter().find(|(header, _)| header.eq_ignore_ascii_case(name)).map(|(_, value)| *value)
    }

    fn single_header(&self, name: &str) -> Result<Option<&'a str>, AuthError> {
        let mut values = self.headers.iter().filter(|(header, _)| header.eq_ignore_ascii_case(name));
        let first = values.next();
        match values.next() {
            None => Ok(first.map(|(_, value)| *value)),
            Some(_) => Err(AuthError::SignedHeaderRepeated(name.to_owned())),
        }
    }
}

/// The names in `SignedHeaders`, lower-case, in the order given.
fn header_names(list: &str) -> Result<Vec<String>, AuthError> {
    let names: Vec<String> = list.split(';').map(|name| name.trim().to_ascii_lowercase()).filter(|name| !name.is_empty()).collect();
    if names.len() > SIGNED_HEADERS_MAX {
        return Err(AuthError::Malformed("SignedHeaders has too many names"));
    }
    let is_repeated = names.iter().enumerate().any(|(index, name)| names[..index].contains(name));
    if is_repeated {
        return Err(AuthError::Malformed("SignedHeaders has a name twice"));
    }
    Ok(names)
}

fn canonical_request(parts: &Parts<'_>, query: &str, headers: &[(String, &str)], signed_headers: &str, hash: &str) -> String {
    let headers: String = headers.iter().map(|(name, value)| format!("{name}:{}\n", value.trim())).collect();
    let method = parts.method.to_ascii_uppercase();
    let uri = canonical_uri(parts.path);
    format!("{method}\n{uri}\n{query}\n{headers}\n{signed_headers}\n{hash}")
}

fn signature_of(canonical: &str, date: &str, secret_key: &str) -> String {
    let text = format!("{ALGORITHM}\n{date}\n{}", sha256_hex(canonical.as_bytes()));
    hex::encode(hmac_sha256(secret_key.as_bytes(), &[text.as_bytes()]))
}

/// The path with every segment decoded and encoded again, always ending in `/`.
fn canonical_uri(path: &str) -> String {
    let segments: Vec<String> = path.split('/').map(|segment| encoded(&decoded(segment))).collect();
    let mut uri = segments.join("/");
    if !uri.ends_with('/') {
        uri.push('/');
    }
    uri
}

/// The parameters sorted by name, then value. Published SDKs sort either before or after encoding; where that makes a
/// difference both texts are given, first the one sorted before encoding. They hold the same parameters.
fn canonical_queries(query: &str) -> Vec<String> {
    let mut parameters: Vec<(Vec<u8>, Vec<u8>)> = query
        .split('&')
        .filter(|parameter| !parameter.is_empty())
        .map(|parameter| {
            let parameter = parameter.replace('+', " ");
            let (name, value) = parameter.split_once('=').unwrap_or((&parameter, ""));
            (decoded(name), decoded(value))
        })
        .collect();
    parameters.sort();
    let mut pairs: Vec<(String, String)> = parameters.iter().map(|(name, value)| (encoded(name), encoded(value))).collect();
    let sorted_before = joined(&pairs);
    pairs.sort();
    let sorted_after = joined(&pairs);
    if sorted_before == sorted_after { vec![sorted_before] } else { vec![sorted_before, sorted_after] }
}

fn joined(pairs: &[(String, String)]) -> String {
    let pairs: Vec<String> = pairs.iter().map(|(name, value)| format!("{name}={value}")).collect();
    pairs.join("&")
}

fn decoded(text: &str) -> Vec<u8> {
    percent_decode_str(text).collect()
}

fn encoded(bytes: &[u8]) -> String {
    percent_encode(bytes, UNRESERVED_KEPT).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The canonical request of the published vector (spec: protocol §9.1 a).
    #[test]
    fn the_published_canonical_request_has_the_published_hash() {
        let parts = Parts {
            method: "GET",
            path: "/v1/77b6a44cba5143ab91d13ab9a8ff44fd/vpcs/",
            query: "limit=2&marker=13551d6b-755d-4757-b956-536f674975c0",
            headers: &[],
            body: b"",
        };
        let headers = [
            ("content-type".to_owned(), "application/json"),
            ("host".to_owned(), "service.region.example.com"),
            ("x-sdk-date".to_owned(), "20191115T033655Z"),
        ];
        let query = &canonical_queries(parts.query)[0];
        let text = canonical_request(&parts, query, &headers, "content-type;host;x-sdk-date", &sha256_hex(b""));
        assert_eq!(sha256_hex(text.as_bytes()), "b25362e603ee30f4f25e7858e8a7160fd36e803bb2dfe206278659d71a9bcd7a");
    }

    #[test]
    fn equal_paths_and_queries_have_one_canonical_form() {
        assert_eq!(canonical_uri("/a%2fb/c%20d/~e/%E4%BA%91"), "/a%2Fb/c%20d/~e/%E4%BA%91/");
        assert_eq!(canonical_uri(""), "/");
        assert_eq!(canonical_uri("/云"), "/%E4%BA%91/");
        assert_eq!(canonical_queries("b=2&a=z&&a=+y&c&d=%7E%zz"), ["a=%20y&a=z&b=2&c=&d=~%25zz"]);
        assert_eq!(canonical_queries(""), [""]);
    }

    #[test]
    fn both_ways_of_sorting_are_known() {
        // "é" sorts behind "z", but "%C3%A9" before it.
        assert_eq!(canonical_queries("z=1&é=2"), ["z=1&%C3%A9=2", "%C3%A9=2&z=1"]);
    }
}
