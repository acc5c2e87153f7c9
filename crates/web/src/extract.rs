//! What handlers take from a request, each with the problem that a wrong one gets.

use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{FromRequest, FromRequestParts, Request};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::header::{CONTENT_TYPE, IF_MATCH};
use http::request::Parts;
use http::{HeaderMap, HeaderName, Method, StatusCode};
use kernel::{AccountId, Code, Refusal};
use market::idempotency::{self, IdempotencyKey};
use market::page::{PAGE_DEFAULT, PAGE_MAX, PageRequest};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::AppState;
use crate::problem::{ApiError, ApiResult};

/// The header of the idempotency key.
pub const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
/// The longest explanation of a parser that is passed on.
const EXPLANATION_CHARS_MAX: usize = 300;
/// The longest cursor: an id or two.
const CURSOR_LEN_MAX: usize = 200;

fn cut(text: impl std::fmt::Display) -> String {
    text.to_string().chars().take(EXPLANATION_CHARS_MAX).collect()
}

/// A JSON body.
#[derive(Clone, Copy, Debug)]
pub struct Json<T>(pub T);

impl<T: DeserializeOwned> FromRequest<AppState> for Json<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, app: &AppState) -> ApiResult<Self> {
        let json = is_json(request.headers());
        let bytes = body(request, app).await?;
        if !json {
            return Err(ApiError::refused(Code::MediaTypeUnsupported));
        }
        parse(&bytes).map(Self)
    }
}

/// The content type without its parameters.
fn essence(headers: &HeaderMap) -> String {
    let value = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    value.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
}

fn is_json(headers: &HeaderMap) -> bool {
    let essence = essence(headers);
    essence == "application/json" || (essence.starts_with("application/") && essence.ends_with("+json"))
}

async fn body(request: Request, app: &AppState) -> ApiResult<Bytes> {
    Bytes::from_request(request, &()).await.map_err(|rejection: BytesRejection| {
        if rejection.status() == StatusCode::PAYLOAD_TOO_LARGE {
            return Refusal::new(Code::BodyTooLarge).with("max", app.settings().body_bytes_max).into();
        }
        Refusal::new(Code::BodyInvalid).with("detail", "the body ended early").into()
    })
}

/// Reads a body; what is wrong with it is named by the path of the member.
fn parse<T: DeserializeOwned>(bytes: &[u8]) -> ApiResult<T> {
    let wrong = |detail: String| ApiError::from(Refusal::new(Code::BodyInvalid).with("detail", detail));
    // PostgreSQL stores no NUL; nobody means one.
    if bytes.windows(6).any(|window| window == b"\\u0000") && has_nul(&serde_json::from_slice(bytes).unwrap_or(Value::Null)) {
        return Err(wrong("a text has the character U+0000".to_owned()));
    }
    let mut deserializer = serde_json::Deserializer::from_slice(bytes);
    let mut unknown = None;
    let mut note = |path: serde_ignored::Path<'_>| _ = unknown.get_or_insert_with(|| path.to_string());
    let noting = serde_ignored::Deserializer::new(&mut deserializer, &mut note);
    let value = serde_path_to_error::deserialize(noting).map_err(|error| {
        let (path, inner) = (error.path().to_string(), error.inner());
        wrong(if path == "." { cut(inner) } else { cut(format!("{path}: {inner}")) })
    })?;
    // A member that nobody reads is a mistyped one: better refused than silently without effect.
    if let Some(path) = unknown {
        return Err(wrong(cut(format!("{path}: unknown member"))));
    }
    deserializer.end().map_err(|error| wrong(cut(error)))?;
    Ok(value)
}

fn has_nul(value: &Value) -> bool {
    match value {
        Value::String(text) => text.contains('\0'),
        Value::Array(items) => items.iter().any(has_nul),
        Value::Object(members) => members.iter().any(|(name, value)| name.contains('\0') || has_nul(value)),
        Value::Null | Value::Bool(_) | Value::Number(_) => false,
    }
}

/// The segments of the path, such as ids.
#[derive(Clone, Copy, Debug)]
pub struct Segment<T>(pub T);

impl<T: DeserializeOwned + Send> FromRequestParts<AppState> for Segment<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &AppState) -> ApiResult<Self> {
        let encoded = parts.uri.path().contains("%00");
        match axum::extract::Path::<T>::from_request_parts(parts, app).await {
            Ok(axum::extract::Path(value)) if !encoded => Ok(Self(value)),
            // An id that cannot be one names nothing.
            _ => Err(ApiError::refused(Code::NotFound)),
        }
    }
}

/// The query.
#[derive(Clone, Copy, Debug)]
pub struct Query<T>(pub T);

impl<T: DeserializeOwned> FromRequestParts<AppState> for Query<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &AppState) -> ApiResult<Self> {
        parse_query(parts).map(Self)
    }
}

fn parse_query<T: DeserializeOwned>(parts: &Parts) -> ApiResult<T> {
    parse_pairs(parts.uri.query().unwrap_or_default().as_bytes(), |field, detail| {
        let field = if field == "." { "query".to_owned() } else { field };
        Refusal::new(Code::ParameterInvalid).with("field", field).with("detail", detail)
    })
}

/// Reads `a=b&c=d`; `wrong` makes the refusal of a field and what is wrong with it.
fn parse_pairs<T: DeserializeOwned>(pairs: &[u8], wrong: impl Fn(String, String) -> Refusal) -> ApiResult<T> {
    if pairs.windows(3).any(|three| three == b"%00") {
        return Err(wrong(".".to_owned(), "a text has the character U+0000".to_owned()).into());
    }
    let pairs = serde_urlencoded::Deserializer::new(url::form_urlencoded::parse(pairs));
    serde_path_to_error::deserialize(pairs).map_err(|error| wrong(error.path().to_string(), cut(error.inner())).into())
}

/// What the form of a page has sent.
#[derive(Clone, Debug)]
pub struct Form<T> {
    /// What was filled in.
    pub fields: T,
    fingerprint: [u8; 32],
}

impl<T: DeserializeOwned> FromRequest<AppState> for Form<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, app: &AppState) -> ApiResult<Self> {
        if essence(request.headers()) != "application/x-www-form-urlencoded" {
            return Err(ApiError::refused(Code::MediaTypeUnsupported));
        }
        let fingerprint = fingerprint(&request);
        let bytes = body(request, app).await?;
        let fields = parse_pairs(&bytes, |field, detail| {
            let detail = if field == "." { detail } else { format!("{field}: {detail}") };
            Refusal::new(Code::BodyInvalid).with("detail", detail)
        })?;
        Ok(Self { fields, fingerprint: fingerprint.chain_update(&bytes).finalize().into() })
    }
}

impl<T> Form<T> {
    /// The key that the form brings along, under which its act is done once for `account`.
    ///
    /// # Errors
    /// [`Code::IdempotencyKeyInvalid`].
    pub fn key(&self, account: AccountId, key: &str) -> Result<IdempotencyKey, Refusal> {
        IdempotencyKey::new(account.to_string(), key, self.fingerprint)
    }
}

/// The beginning of what tells one act from another: its method and path; the body follows.
fn fingerprint(request: &Request) -> Sha256 {
    Sha256::new().chain_update(request.method().as_str()).chain_update([0]).chain_update(request.uri().path()).chain_update([0])
}

/// Which part of a list is wanted: `limit` and `cursor`.
#[derive(Clone, Debug)]
pub struct Paging(pub PageRequest);

/// The query parameters of every list.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
pub struct PagingQuery {
    /// How many rows, 1 to 200; 50 when left out.
    #[param(minimum = 1, maximum = 200, required = false)]
    limit: Option<i64>,
    /// The `next` of the page before.
    #[param(required = false)]
    cursor: Option<String>,
}

impl FromRequestParts<AppState> for Paging {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &AppState) -> ApiResult<Self> {
        let asked: PagingQuery = parse_query(parts)?;
        let limit = asked.limit.unwrap_or(PAGE_DEFAULT);
        if !(1..=PAGE_MAX).contains(&limit) {
            let rule = format!("range:1-{PAGE_MAX}");
            return Err(Refusal::new(Code::ParameterInvalid).with("field", "limit").with("rule", rule).into());
        }
        let after = asked.cursor.as_deref().map_or(Ok(String::new()), open_cursor)?;
        Ok(Self(PageRequest { after, limit }))
    }
}

/// The key of a row as a cursor. It is opaque to callers, and not secret.
pub(crate) fn seal_cursor(key: &str) -> String {
    URL_SAFE_NO_PAD.encode(key)
}

fn open_cursor(cursor: &str) -> Result<String, Refusal> {
    let key = URL_SAFE_NO_PAD.decode(cursor).ok().and_then(|bytes| String::from_utf8(bytes).ok());
    key.filter(|key| key.len() <= CURSOR_LEN_MAX && !key.is_empty() && !key.chars().any(char::is_control))
        .ok_or_else(|| Refusal::new(Code::CursorInvalid))
}

/// An act that is done once however often it is sent: a JSON body with the header `Idempotency-Key`.
#[derive(Clone, Debug)]
pub struct Once<T> {
    /// The body.
    pub body: T,
    key: String,
    fingerprint: [u8; 32],
}

/// The header of every act that is done once.
#[derive(Debug, utoipa::IntoParams)]
#[into_params(parameter_in = Header)]
pub struct OnceHeader {
    /// A value of your own for this act, 1 to 128 visible ASCII characters. The same value with the same request gives the first answer again.
    #[param(rename = "Idempotency-Key", max_length = 128)]
    #[allow(dead_code)]
    key: String,
}

/// The body of an act that needs no more said: nothing, or `{}`.
#[derive(Clone, Copy, Debug, Deserialize, utoipa::ToSchema)]
pub struct Nothing {}

impl<T: DeserializeOwned> FromRequest<AppState> for Once<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, app: &AppState) -> ApiResult<Self> {
        let MayOnce { body, key, fingerprint } = MayOnce::from_request(request, app).await?;
        let key = key.ok_or_else(|| ApiError::refused(Code::IdempotencyKeyMissing))?;
        Ok(Self { body, key, fingerprint })
    }
}

/// An act that is done once however often it is sent, if the caller gives a key: where a repeat does no harm that cannot be undone.
#[derive(Clone, Debug)]
pub struct MayOnce<T> {
    /// The body.
    pub body: T,
    key: Option<String>,
    fingerprint: [u8; 32],
}

/// The header of such an act.
#[derive(Debug, utoipa::IntoParams)]
#[into_params(parameter_in = Header)]
pub struct MayOnceHeader {
    /// A value of your own for this act, 1 to 128 visible ASCII characters: with it, the same request again gives the first answer again.
    #[param(rename = "Idempotency-Key", max_length = 128, required = false)]
    #[allow(dead_code)]
    key: Option<String>,
}

impl<T: DeserializeOwned> FromRequest<AppState> for MayOnce<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, app: &AppState) -> ApiResult<Self> {
        let key = request.headers().get(IDEMPOTENCY_KEY).map(|key| key.to_str().unwrap_or_default().to_owned());
        let (json, fingerprint) = (is_json(request.headers()), fingerprint(&request));
        let bytes = body(request, app).await?;
        if !json && !bytes.is_empty() {
            return Err(ApiError::refused(Code::MediaTypeUnsupported));
        }
        let body = parse(if bytes.is_empty() { b"{}" } else { &bytes })?;
        Ok(Self { body, key, fingerprint: fingerprint.chain_update(&bytes).finalize().into() })
    }
}

impl<T> Once<T> {
    /// The key of this act for `account`, and what to do.
    ///
    /// # Errors
    /// [`Code::IdempotencyKeyInvalid`].
    pub fn open(self, account: AccountId) -> Result<(IdempotencyKey, T), Refusal> {
        Ok((IdempotencyKey::new(account.to_string(), &self.key, self.fingerprint)?, self.body))
    }
}

impl<T> MayOnce<T> {
    /// The key of this act for `account`, if there is one, and what to do.
    ///
    /// # Errors
    /// [`Code::IdempotencyKeyInvalid`].
    pub fn open(self, account: AccountId) -> Result<(Option<IdempotencyKey>, T), Refusal> {
        let key = self.key.map(|key| IdempotencyKey::new(account.to_string(), &key, self.fingerprint)).transpose()?;
        Ok((key, self.body))
    }
}

/// As [`once`] when there is a key; otherwise does `act`.
///
/// # Errors
/// As [`once`].
pub async fn may_once<T: Serialize>(
    tx: &mut db::Tx,
    ctx: &kernel::Ctx,
    key: Option<&IdempotencyKey>,
    act: impl AsyncFnOnce(&mut db::Tx) -> db::Result<T>,
) -> db::Result<Made<T>> {
    match key {
        Some(key) => Ok(Made::Kept(once(tx, ctx, key, act).await?)),
        None => Ok(Made::Now(act(tx).await?)),
    }
}

/// What [`may_once`] gives.
#[derive(Clone, Debug, Serialize)]
#[serde(untagged)]
pub enum Made<T> {
    /// What was made just now, without a key.
    Now(T),
    /// What is kept under the key.
    Kept(Value),
}

/// Does `act` unless it was done under this key, and keeps its answer as it is sent.
///
/// # Errors
/// As [`idempotency::once`].
pub async fn once<T: Serialize>(
    tx: &mut db::Tx,
    ctx: &kernel::Ctx,
    key: &IdempotencyKey,
    act: impl AsyncFnOnce(&mut db::Tx) -> db::Result<T>,
) -> db::Result<Value> {
    idempotency::once(tx, ctx, key, async |tx: &mut db::Tx| Ok(serde_json::to_value(act(tx).await?)?)).await
}

/// The version that the caller last read, from `If-Match`; none for `*`, which takes any.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IfMatch(pub Option<i64>);

/// The header of every edit that two people may make.
#[derive(Debug, utoipa::IntoParams)]
#[into_params(parameter_in = Header)]
pub struct IfMatchHeader {
    /// The `ETag` that was last read, or `*` for any.
    #[param(rename = "If-Match")]
    #[allow(dead_code)]
    version: String,
}

impl FromRequestParts<AppState> for IfMatch {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &AppState) -> ApiResult<Self> {
        let given = parts.headers.get(IF_MATCH).ok_or_else(|| ApiError::refused(Code::VersionMissing))?;
        read_tag(given.to_str().unwrap_or_default().trim())
    }
}

fn read_tag(tag: &str) -> ApiResult<IfMatch> {
    if tag == "*" {
        return Ok(IfMatch(None));
    }
    let version = tag.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).and_then(|text| text.parse().ok());
    // A tag that is not ours, weak ones among them, cannot be the present version (RFC 9110 §13.1.1).
    version.map(|version| IfMatch(Some(version))).ok_or_else(|| ApiError::refused(Code::VersionStale))
}

/// Whether a method changes nothing (RFC 9110 §9.2.1).
pub(crate) fn is_safe(method: &Method) -> bool {
    [Method::GET, Method::HEAD, Method::OPTIONS].contains(method)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[derive(Debug, Deserialize)]
    #[allow(dead_code)]
    struct Line {
        quantity: i64,
        note: Option<String>,
    }

    #[derive(Debug, Deserialize)]
    #[allow(dead_code)]
    struct Order {
        lines: Vec<Line>,
    }

    fn complaint(body: &str) -> String {
        let ApiError::Refused(refusal) = parse::<Order>(body.as_bytes()).unwrap_err() else { panic!("a refusal") };
        assert_eq!(refusal.code, Code::BodyInvalid);
        refusal.args[0].1.clone()
    }

    #[test]
    fn a_wrong_body_is_told_where_it_is_wrong() {
        for (body, expected) in [
            (r#"{"lines":[{"quantity":"2"}]}"#, "lines[0].quantity: invalid type: string \"2\""),
            (r#"{"lines":[{"quantity":99999999999999999999}]}"#, "lines[0].quantity: "),
            (r#"{"lines":[{"quantity":1,"colour":"red"}]}"#, "lines.0.colour: unknown member"),
            (r#"{"lines":[]} x"#, "trailing characters"),
            (r#"{"lines":"#, "lines: EOF while parsing"),
            (r#"{"lines":[{"quantity":1,"note":"a\u0000b"}]}"#, "a text has the character U+0000"),
            ("", "EOF while parsing"),
        ] {
            let found = complaint(body);
            assert!(found.starts_with(expected), "{body} → {found}");
        }
        let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
        assert!(matches!(parse::<Value>(deep.as_bytes()), Err(ApiError::Refused(_))), "depth is limited");
        assert!(parse::<Order>(br#"{"lines":[{"quantity":1,"note":"a\\u0000b"}]}"#).is_ok(), "an escaped backslash is no NUL");
    }

    #[test]
    fn a_cursor_survives_and_nonsense_is_refused() {
        assert_eq!(open_cursor(&seal_cursor("ord_1")).unwrap(), "ord_1");
        for nonsense in ["", "ä", "====", "AAAA", &seal_cursor(&"x".repeat(201))] {
            assert_eq!(open_cursor(nonsense).unwrap_err().code, Code::CursorInvalid, "{nonsense}");
        }
    }

    #[test]
    fn only_a_strong_tag_of_ours_is_a_version() {
        assert_eq!(read_tag("\"7\"").unwrap(), IfMatch(Some(7)));
        assert_eq!(read_tag("*").unwrap(), IfMatch(None));
        for tag in ["W/\"7\"", "7", "\"x\"", "", "\"1\", \"2\""] {
            assert_eq!(read_tag(tag).unwrap_err().code(), Code::VersionStale, "{tag}");
        }
    }
}
