//! Signing a call and verifying one, for the base interface (spec: protocol §1.2) and the kit interface (§1.4).

use std::fmt;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

use super::{ResultCode, canonical::canonicalize_received};
use crate::crypto::{hmac_sha256, same_hex};

/// Header of a kit call that carries the signature (spec: protocol §1.4).
pub const KIT_SIGN_HEADER: &str = "x-sign";
/// Header of a kit call that carries the timestamp in ms (spec: protocol §1.4).
pub const KIT_TIMESTAMP_HEADER: &str = "x-timestamp";
/// Header of a kit call that carries the nonce (spec: protocol §1.4).
pub const KIT_NONCE_HEADER: &str = "x-nonce";
/// How old a call may be for a seller to accept it, in ms (spec: protocol §0, §1.2).
pub const SELLER_WINDOW_MS: i64 = 60_000;

/// Everything outside RFC 3986's unreserved characters is percent-encoded.
const UNRESERVED_KEPT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// The shared secret of one production address and interface kind. Used as UTF-8 bytes, never decoded (spec: protocol §1.1).
#[derive(Clone)]
pub struct AccessKey(String);

impl AccessKey {
    /// Takes the key as the seller was shown it.
    pub fn new(key: impl Into<String>) -> Self {
        Self(key.into())
    }

    fn bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

impl fmt::Debug for AccessKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("AccessKey(***)")
    }
}

/// What goes with a body to prove who sent it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signature {
    /// Upper-case hex.
    pub signature: String,
    /// Milliseconds since 1970 UTC, in decimal.
    pub timestamp: String,
    /// Random text, new for every call.
    pub nonce: String,
}

/// What came with a body to prove who sent it, as far as it came.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Presented {
    /// Hex in any case.
    pub signature: Option<String>,
    /// Milliseconds since 1970 UTC, in decimal.
    pub timestamp: Option<String>,
    /// Random text.
    pub nonce: Option<String>,
}

impl Presented {
    /// Reads the parameters of a base call from the raw query of its URL (without `?`).
    #[must_use]
    pub fn from_query(query: &str) -> Self {
        let find = |wanted: &str| {
            query.split('&').find_map(|parameter| {
                let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
                let value = value.replace('+', " ");
                (name == wanted).then(|| percent_decode_str(&value).decode_utf8_lossy().into_owned())
            })
        };
        Self { signature: find("signature"), timestamp: find("timestamp"), nonce: find("nonce") }
    }
}

impl From<&Signature> for Presented {
    fn from(signature: &Signature) -> Self {
        Self {
            signature: Some(signature.signature.clone()),
            timestamp: Some(signature.timestamp.clone()),
            nonce: Some(signature.nonce.clone()),
        }
    }
}

/// How far a timestamp may lie from the verifier's clock, in ms.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tolerance {
    /// Oldest accepted age.
    pub past_ms: i64,
    /// How far ahead the caller's clock may run.
    pub future_ms: i64,
}

impl Default for Tolerance {
    /// 60 seconds either way (spec: protocol §1.2).
    fn default() -> Self {
        Self { past_ms: SELLER_WINDOW_MS, future_ms: SELLER_WINDOW_MS }
    }
}

/// Why a call is not accepted, in the order of the checks (spec: protocol §1.2).
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Rejection {
    /// No `timestamp`.
    #[error("the timestamp is missing, send milliseconds since 1970 UTC")]
    TimestampMissing,
    /// `timestamp` is not a number.
    #[error("the timestamp is not a number of milliseconds since 1970 UTC")]
    TimestampMalformed,
    /// The call is too old.
    #[error("the timestamp is {age_ms} ms old, check the clocks and send milliseconds")]
    TimestampStale {
        /// Age by the verifier's clock.
        age_ms: i64,
    },
    /// The call is dated too far ahead.
    #[error("the timestamp is {ahead_ms} ms in the future, check the clocks")]
    TimestampInFuture {
        /// Distance by the verifier's clock.
        ahead_ms: i64,
    },
    /// No `nonce`.
    #[error("the nonce is missing")]
    NonceMissing,
    /// No `signature`.
    #[error("the signature is missing")]
    SignatureMissing,
    /// The body has no canonical form, so nothing can have signed it.
    #[error("the body is not a JSON object")]
    BodyNotAnObject,
    /// The signature is not that of this body with this key.
    #[error("the signature does not match the body, check the access key and the canonical body text")]
    SignatureWrong,
}

impl Rejection {
    /// The code a seller answers with: `000002` before the signature is looked at, `000001` after (spec: protocol §1.2).
    #[must_use]
    pub fn result_code(&self) -> ResultCode {
        match self {
            Self::TimestampMissing
            | Self::TimestampMalformed
            | Self::TimestampStale { .. }
            | Self::TimestampInFuture { .. }
            | Self::NonceMissing
            | Self::BodyNotAnObject => ResultCode::InvalidParameter,
            Self::SignatureMissing | Self::SignatureWrong => ResultCode::AuthenticationFailed,
        }
    }
}

/// Signs a base call: `HMAC(key, key + nonce + timestamp + hex(HMAC(key, body)))` (spec: protocol §1.2).
///
/// `body` must be exactly the text that is sent, in canonical form. `at_ms` is the time of sending.
#[must_use]
pub fn sign(key: &AccessKey, body: impl AsRef<[u8]>, at_ms: i64, nonce: &str) -> Signature {
    signed(base_digest, key, body.as_ref(), at_ms, nonce)
}

/// Signs a kit call: `HMAC(key, key + nonce + timestamp + body)`, sent as headers (spec: protocol §1.4).
#[must_use]
pub fn sign_kit(key: &AccessKey, body: impl AsRef<[u8]>, at_ms: i64, nonce: &str) -> Signature {
    signed(kit_digest, key, body.as_ref(), at_ms, nonce)
}

/// Verifies a base call over the bytes received.
///
/// # Errors
/// The first check that fails, see [`Rejection`].
pub fn verify(key: &AccessKey, body: impl AsRef<[u8]>, presented: &Presented, now_ms: i64, tolerance: Tolerance) -> Result<(), Rejection> {
    let claim = fresh(presented, now_ms, tolerance)?;
    claim.matches(base_digest, key, body.as_ref())
}

/// Verifies a base call as Huawei's sample does: over the body parsed and written again (spec: protocol §1.2).
///
/// # Errors
/// The first check that fails, see [`Rejection`].
pub fn verify_reserialised(key: &AccessKey, body: &str, presented: &Presented, now_ms: i64, tolerance: Tolerance) -> Result<(), Rejection> {
    let claim = fresh(presented, now_ms, tolerance)?;
    let canonical = canonicalize_received(body).map_err(|_| Rejection::BodyNotAnObject)?;
    claim.matches(base_digest, key, canonical.as_bytes())
}

/// Verifies a kit call over the bytes received.
///
/// # Errors
/// The first check that fails, see [`Rejection`].
pub fn verify_kit(
    key: &AccessKey,
    body: impl AsRef<[u8]>,
    presented: &Presented,
    now_ms: i64,
    tolerance: Tolerance,
) -> Result<(), Rejection> {
    let claim = fresh(presented, now_ms, tolerance)?;
    claim.matches(kit_digest, key, body.as_ref())
}

/// Adds the signature to the seller's address: before a fragment, after whatever query the address already has.
#[must_use]
pub fn signed_url(address: &str, signature: &Signature) -> String {
    let (before_fragment, fragment) = address.find('#').map_or((address, ""), |at| address.split_at(at));
    let joint = match before_fragment.split_once('?') {
        None => "?",
        Some((_, query)) if query.is_empty() || query.ends_with('&') => "",
        Some(_) => "&",
    };
    let encoded = |text: &str| utf8_percent_encode(text, UNRESERVED_KEPT).to_string();
    format!(
        "{before_fragment}{joint}signature={}&timestamp={}&nonce={}{fragment}",
        encoded(&signature.signature),
        encoded(&signature.timestamp),
        encoded(&signature.nonce),
    )
}

type Digest = fn(&AccessKey, &[u8], &str, &str) -> Vec<u8>;

fn base_digest(key: &AccessKey, body: &[u8], timestamp: &str, nonce: &str) -> Vec<u8> {
    let inner = hex::encode(hmac_sha256(key.bytes(), &[body]));
    hmac_sha256(key.bytes(), &[key.bytes(), nonce.as_bytes(), timestamp.as_bytes(), inner.as_bytes()])
}

fn kit_digest(key: &AccessKey, body: &[u8], timestamp: &str, nonce: &str) -> Vec<u8> {
    hmac_sha256(key.bytes(), &[key.bytes(), nonce.as_bytes(), timestamp.as_bytes(), body])
}

fn signed(digest: Digest, key: &AccessKey, body: &[u8], at_ms: i64, nonce: &str) -> Signature {
    let timestamp = at_ms.to_string();
    let signature = hex::encode_upper(digest(key, body, &timestamp, nonce));
    Signature { signature, timestamp, nonce: nonce.to_owned() }
}

/// A complete claim whose timestamp is acceptable.
struct Claim<'a> {
    signature: Option<&'a str>,
    timestamp: &'a str,
    nonce: &'a str,
}

fn fresh(presented: &Presented, now_ms: i64, tolerance: Tolerance) -> Result<Claim<'_>, Rejection> {
    let timestamp = given(presented.timestamp.as_ref()).ok_or(Rejection::TimestampMissing)?;
    let at_ms: i64 = timestamp.parse().map_err(|_| Rejection::TimestampMalformed)?;
    let age_ms = now_ms.saturating_sub(at_ms);
    if age_ms > tolerance.past_ms {
        return Err(Rejection::TimestampStale { age_ms });
    }
    let ahead_ms = at_ms.saturating_sub(now_ms);
    if ahead_ms > tolerance.future_ms {
        return Err(Rejection::TimestampInFuture { ahead_ms });
    }
    let nonce = given(presented.nonce.as_ref()).ok_or(Rejection::NonceMissing)?;
    Ok(Claim { signature: given(presented.signature.as_ref()), timestamp, nonce })
}

fn given(text: Option<&String>) -> Option<&str> {
    text.map(String::as_str).filter(|text| !text.is_empty())
}

impl Claim<'_> {
    fn matches(&self, digest: Digest, key: &AccessKey, body: &[u8]) -> Result<(), Rejection> {
        let presented = self.signature.ok_or(Rejection::SignatureMissing)?;
        let expected = hex::encode(digest(key, body, self.timestamp, self.nonce));
        if same_hex(presented, &expected) { Ok(()) } else { Err(Rejection::SignatureWrong) }
    }
}
