//! How the doors say no: RFC 9457 problems, with the stable code and a text in the caller's language.
//!
//! A handler returns [`ApiError`]; the outermost layer, which knows the request id and the language, turns it into the body. A refusal is the
//! business speaking and is not logged; a fault is logged there, once, with its chain of causes.

use std::collections::BTreeMap;
use std::error::Error;
use std::sync::Arc;

use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use http::header::{CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderValue, StatusCode};
use kernel::{Class, Code, Locale, Refusal};
use serde::Serialize;
use utoipa::openapi::schema::{ObjectBuilder, Type};
use wire::koogallery_v2::ResultCode;

use crate::extract::Segment;
use crate::scope::Scope;
use crate::{AppState, pages, texts, unreadable};

/// The media type of problems.
pub const PROBLEM_JSON: &str = "application/problem+json";
/// Seconds after which a client may try again when the marketplace was not available.
const RETRY_SECONDS: u64 = 2;
/// Members of a problem that a value of a text must not stand in for.
const RESERVED: [&str; 7] = ["type", "title", "status", "detail", "code", "request_id", "errors"];

/// Why a request was not done.
#[derive(Debug)]
pub enum ApiError {
    /// The business says no.
    Refused(Refusal),
    /// The database or the machine cannot do it now; the text is for the log.
    Unavailable(String),
    /// A fault of ours.
    Broken(Box<dyn Error + Send + Sync>),
}

/// What a handler returns.
pub type ApiResult<T> = Result<T, ApiError>;

impl ApiError {
    /// A refusal without values.
    #[must_use]
    pub const fn refused(code: Code) -> Self {
        Self::Refused(Refusal::new(code))
    }

    /// A fault, described.
    #[must_use]
    pub fn broken(text: impl Into<String>) -> Self {
        Self::Broken(text.into().into())
    }

    /// The code that the caller sees.
    #[must_use]
    pub const fn code(&self) -> Code {
        match self {
            Self::Refused(refusal) => refusal.code,
            Self::Unavailable(_) => Code::Unavailable,
            Self::Broken(_) => Code::Internal,
        }
    }
}

impl From<Refusal> for ApiError {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

impl From<db::Error> for ApiError {
    fn from(error: db::Error) -> Self {
        match error {
            db::Error::Refused(refusal) => Self::Refused(refusal),
            db::Error::Again | db::Error::NeedsSerializable => Self::Unavailable("the transaction met others too often".to_owned()),
            db::Error::Unavailable(why) => Self::Unavailable(why),
            // A constraint that a use case did not foresee is a fault of the use case.
            fault @ (db::Error::Constraint(_) | db::Error::Broken(_)) => Self::Broken(Box::new(fault)),
        }
    }
}

impl From<serde_json::Error> for ApiError {
    fn from(error: serde_json::Error) -> Self {
        Self::Broken(Box::new(error))
    }
}

/// The status of a code. 400: what was sent cannot be read. 422: it can be read, and breaks a rule of the business. 409: right in itself, but not
/// in the present state of things, which includes quotas that are used up. 429: too often.
#[must_use]
pub const fn status(code: Code) -> StatusCode {
    match code {
        Code::BodyInvalid | Code::ParameterInvalid | Code::CursorInvalid | Code::IdempotencyKeyMissing | Code::IdempotencyKeyInvalid => {
            StatusCode::BAD_REQUEST
        }
        Code::MethodNotAllowed => StatusCode::METHOD_NOT_ALLOWED,
        Code::MediaTypeUnsupported => StatusCode::UNSUPPORTED_MEDIA_TYPE,
        Code::BodyTooLarge => StatusCode::PAYLOAD_TOO_LARGE,
        Code::VersionStale => StatusCode::PRECONDITION_FAILED,
        Code::VersionMissing => StatusCode::PRECONDITION_REQUIRED,
        Code::TooMany | Code::RefundQuotaUsed => StatusCode::CONFLICT,
        Code::Internal => StatusCode::INTERNAL_SERVER_ERROR,
        other => match other.class() {
            Class::Invalid => StatusCode::UNPROCESSABLE_ENTITY,
            Class::Unauthenticated => StatusCode::UNAUTHORIZED,
            Class::Forbidden => StatusCode::FORBIDDEN,
            Class::NotFound => StatusCode::NOT_FOUND,
            Class::Conflict => StatusCode::CONFLICT,
            Class::Limited => StatusCode::TOO_MANY_REQUESTS,
            Class::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
        },
    }
}

/// A field that breaks its rule.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct FieldProblem {
    /// The field, as it is named in the request.
    pub field: String,
    /// The rule, such as `length:2-60`.
    pub rule: String,
    /// What the field must be like, in the caller's language.
    pub detail: String,
}

/// Why a request was not done (RFC 9457). Further members are the values of the code, such as `balance` and `needed`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct Problem {
    /// Names the kind of problem: `/problems/` and the code.
    #[serde(rename = "type")]
    #[schema(example = "/problems/balance-too-low")]
    pub kind: String,
    /// What it is, in the caller's language.
    pub title: String,
    /// The HTTP status.
    pub status: u16,
    /// What happened and what to do, in the caller's language.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    /// The stable code; branch on this.
    #[schema(schema_with = code_schema)]
    pub code: &'static str,
    /// What to quote when asking for help.
    pub request_id: String,
    /// The fields that break their rules.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<FieldProblem>,
    /// The values of the code.
    #[serde(flatten)]
    #[schema(ignore)]
    pub args: BTreeMap<&'static str, String>,
}

/// Every code there is.
fn code_schema() -> utoipa::openapi::schema::Schema {
    let keys = Code::ALL.iter().map(|code| code.key());
    ObjectBuilder::new()
        .schema_type(Type::String)
        .enum_values(Some(keys))
        .description(Some("The stable code; branch on this."))
        .build()
        .into()
}

impl Problem {
    /// The problem that `refusal` is to the reader of `scope`.
    #[must_use]
    pub fn new(refusal: &Refusal, scope: &Scope) -> Self {
        let (locale, code) = (scope.locale(), refusal.code);
        let request_id = scope.request_id().to_string();
        let mut args = explained(refusal, locale);
        let mut errors = Vec::new();
        if code == Code::FieldInvalid {
            errors.extend(broken_field(refusal, |rule| texts::rule(locale, rule)));
        }
        args.push(("request_id", request_id.clone()));
        let detail = texts::detail(locale, code, &args);
        let args = refusal.args.iter().filter(|(name, _)| !RESERVED.contains(name)).cloned().collect();
        Self {
            kind: format!("/problems/{}", code.key()),
            title: texts::title(locale, code),
            status: status(code).as_u16(),
            detail,
            code: code.key(),
            request_id,
            errors,
            args,
        }
    }
}

/// The values of a refusal as they are put into its text: what is a word of the program becomes one of the reader's language.
fn explained(refusal: &Refusal, locale: Locale) -> Vec<(&'static str, String)> {
    let given = |wanted: &str| refusal.args.iter().find(|(name, _)| *name == wanted).map(|(_, value)| value.as_str());
    let mut args: Vec<(&'static str, String)> = refusal
        .args
        .iter()
        .map(|(name, value)| {
            let text = match *name {
                "rule" => texts::rule(locale, value),
                "state" | "reason" => texts::word(locale, name, value),
                "verdict" => match given("result_code").map(ResultCode::parse) {
                    Some(code) => texts::result_code(locale, &code),
                    None => texts::word(locale, name, value),
                },
                _ => value.clone(),
            };
            (*name, text)
        })
        .collect();
    match (refusal.code, given("rule"), given("detail")) {
        (Code::ParameterInvalid, Some(rule), _) => args.push(("detail", texts::rule(locale, rule))),
        (Code::BodyInvalid | Code::ParameterInvalid, None, Some(said)) => {
            args.retain(|(name, _)| *name != "detail");
            args.push(("detail", unreadable::explained(locale, said)));
        }
        _ => {}
    }
    args
}

/// What a refusal says to people: what happened and what to do about it.
pub(crate) fn sentence(refusal: &Refusal, locale: Locale) -> String {
    texts::detail(locale, refusal.code, &explained(refusal, locale)).unwrap_or_else(|| texts::title(locale, refusal.code))
}

fn broken_field(refusal: &Refusal, explain: impl Fn(&str) -> String) -> Option<FieldProblem> {
    let value = |wanted: &str| refusal.args.iter().find(|(name, _)| *name == wanted).map(|(_, value)| value.clone());
    let rule = value("rule")?;
    Some(FieldProblem { field: value("field")?, detail: explain(&rule), rule })
}

/// Travels from the handler to the outermost layer, which makes the body.
#[derive(Clone, Debug)]
pub(crate) struct Failure(pub(crate) Arc<ApiError>);

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let mut response = status(self.code()).into_response();
        response.extensions_mut().insert(Failure(Arc::new(self)));
        response
    }
}

/// The response to `error` for the reader of `scope`. Logs faults.
pub(crate) fn render(error: &ApiError, scope: &Scope, app: &AppState) -> Response {
    let refusal = match error {
        ApiError::Refused(refusal) => refusal.clone(),
        ApiError::Unavailable(why) => {
            tracing::warn!(request_id = %scope.request_id(), why, "the marketplace is not available");
            Refusal::new(Code::Unavailable)
        }
        ApiError::Broken(fault) => {
            tracing::error!(request_id = %scope.request_id(), fault = chain(fault.as_ref()), "a request met a fault");
            Refusal::new(Code::Internal)
        }
    };
    if scope.is_page() {
        let detail = sentence(&refusal, scope.locale());
        return pages::failure(&refusal, detail, scope, app);
    }
    let problem = Problem::new(&refusal, scope);
    let mut response = (status(refusal.code), Json(problem)).into_response();
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(PROBLEM_JSON));
    if let Some(seconds) = retry_after(&refusal) {
        headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
    }
    if refusal.code.class() == Class::Unauthenticated {
        headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    }
    response
}

/// Seconds after which trying again may help.
fn retry_after(refusal: &Refusal) -> Option<u64> {
    let number = |wanted: &str| refusal.args.iter().find(|(name, _)| *name == wanted).and_then(|(_, value)| value.parse::<u64>().ok());
    match refusal.code {
        Code::TooManyRequests => number("seconds"),
        Code::SignInLocked => number("minutes").map(|minutes| minutes.saturating_mul(60)),
        Code::Unavailable | Code::ClockBusy => Some(RETRY_SECONDS),
        _ => None,
    }
}

/// What a kind of problem is.
#[derive(Serialize)]
struct Explanation {
    code: &'static str,
    title: String,
    status: u16,
}

/// `/problems/{code}`, where the `type` of a problem leads: what it is, in the reader's language.
pub(crate) async fn explain(Extension(scope): Extension<Scope>, Segment(key): Segment<String>) -> ApiResult<Response> {
    let code = Code::ALL.iter().find(|code| code.key() == key).ok_or_else(|| ApiError::refused(Code::NotFound))?;
    let title = texts::title(scope.locale(), *code);
    Ok(Json(Explanation { code: code.key(), title, status: status(*code).as_u16() }).into_response())
}

/// A fault and its causes in one line.
fn chain(fault: &(dyn Error + 'static)) -> String {
    let mut text = fault.to_string();
    let mut cause = fault.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use wire::koogallery_v2::Failure;

    use super::*;

    #[test]
    fn a_constraint_nobody_foresaw_is_a_fault_and_a_busy_database_is_not() {
        assert_eq!(ApiError::from(db::Error::Constraint("x".to_owned())).code(), Code::Internal);
        assert_eq!(ApiError::from(db::Error::Unavailable("disk full".to_owned())).code(), Code::Unavailable);
        assert_eq!(ApiError::from(db::Error::Again).code(), Code::Unavailable);
    }

    /// Three words of the Latin alphabet one after another: what is left of a sentence that nobody translated.
    fn has_english_sentence(text: &str) -> bool {
        let mut run = 0;
        text.split([' ', '，', '。', '：', '、', '；', '（', '）']).any(|word| {
            let latin = word.len() > 1 && word.bytes().all(|b| b.is_ascii_lowercase());
            run = if latin { run + 1 } else { 0 };
            run >= 3
        })
    }

    /// Every refusal whose text takes a word of the program.
    fn with_words() -> Vec<Refusal> {
        use market::{calls::CallState, catalog, orders, settlement::StatementState, subscriptions::SubscriptionState};
        fn states<T: ToString>(code: Code, all: &[T]) -> Vec<Refusal> {
            all.iter().map(|state| Refusal::new(code).with("state", state.to_string())).collect()
        }
        let address: std::net::IpAddr = std::net::Ipv4Addr::LOCALHOST.into();
        let urls = [
            outbound::UrlRefused::Malformed("relative URL without a base".to_owned()),
            outbound::UrlRefused::TooLong,
            outbound::UrlRefused::Scheme("ftp".to_owned()),
            outbound::UrlRefused::Credentials,
            outbound::UrlRefused::Address(address),
        ];
        let why = || "the connection was closed".to_owned();
        let failures = [
            Failure::TimedOut { limit_ms: 5_000 },
            Failure::ConnectFailed(why()),
            Failure::TlsFailed(why()),
            Failure::AddressRefused(why()),
            Failure::BodyBroken,
            Failure::BodyTooLarge { limit_bytes: 1 },
            Failure::Redirect(302),
            Failure::Status(500),
            Failure::Empty,
            Failure::NotUtf8 { declared: "gbk".to_owned() },
            Failure::Html,
            Failure::NotJson(why()),
            Failure::ResultCodeMissing,
            Failure::ResultCodeNotText { found: "0".to_owned() },
            Failure::InstanceIdMissing,
            Failure::InstanceIdTooLong { chars: 65 },
            Failure::InstanceIdWithComma,
            Failure::InstanceIdWithControl,
            Failure::InstanceTaken("i".to_owned()),
        ];
        let codes = ResultCode::ALL.into_iter().chain([ResultCode::Other("999999".to_owned())]);
        let answered = codes.map(|code| Refusal::new(Code::SellerRefuses).with("verdict", "answered").with("result_code", code));
        [
            states(Code::OrderState, orders::OrderState::ALL),
            states(Code::OrderState, orders::LineState::ALL),
            states(Code::SubscriptionState, SubscriptionState::ALL),
            states(Code::ProductState, catalog::ProductState::ALL),
            states(Code::ProductState, catalog::ListingState::ALL),
            states(Code::ProductState, &["all-editions-retired"]),
            states(Code::DeliveryState, CallState::ALL),
            states(Code::StatementState, StatementState::ALL),
            urls.iter().map(|url| Refusal::new(Code::AddressRefused).with("reason", url.word())).collect(),
            failures.iter().map(|why| Refusal::new(Code::SellerUnreachable).with("verdict", why.word())).collect(),
            answered.collect(),
            vec![
                Refusal::new(Code::ParameterInvalid).with("field", "limit").with("rule", "range:1-200"),
                Refusal::new(Code::ParameterInvalid).with("field", "account_id").with("detail", "an id of an account begins with acc_"),
                Refusal::new(Code::BodyInvalid).with("detail", "items[0]: missing field `sku_id` at line 1 column 2"),
            ],
        ]
        .concat()
    }

    #[test]
    fn a_chinese_problem_speaks_chinese_to_its_end() {
        assert!(has_english_sentence("请求无效：the server gave no HTTP answer"));
        for refusal in with_words() {
            for locale in [Locale::En, Locale::ZhCn] {
                let args = explained(&refusal, locale);
                let detail = texts::detail(locale, refusal.code, &args).unwrap_or_else(|| panic!("{refusal} has no {locale:?} text"));
                assert!(!detail.contains(" {"), "{detail}");
                assert!(locale == Locale::En || !has_english_sentence(&detail), "{refusal}: {detail}");
                let words = refusal.args.iter().filter(|(name, _)| locale == Locale::ZhCn && ["state", "reason", "verdict"].contains(name));
                for (name, value) in words {
                    let shown = args.iter().find(|(n, _)| n == name).map(|(_, text)| text);
                    assert_ne!(shown, Some(value), "{refusal} has no {locale:?} word");
                }
            }
        }
        let other = |code: &Code| !matches!(code, Code::BodyInvalid | Code::ParameterInvalid);
        for code in Code::ALL.iter().copied().filter(other) {
            assert!(!has_english_sentence(&texts::title(Locale::ZhCn, code)), "{code:?}");
        }
    }

    #[test]
    fn every_refusal_has_an_error_status_and_only_faults_of_ours_have_500() {
        for code in Code::ALL {
            let status = status(*code);
            assert!(status.is_client_error() || status.is_server_error(), "{code:?}");
            assert_eq!(status == StatusCode::INTERNAL_SERVER_ERROR, *code == Code::Internal, "{code:?}");
        }
    }

    #[test]
    fn the_log_has_the_whole_chain() {
        let fault = db::Error::Broken(Box::new(std::io::Error::other("the disk is on fire")));
        assert_eq!(chain(&fault), "a fault in the database layer: the disk is on fire");
    }
}
