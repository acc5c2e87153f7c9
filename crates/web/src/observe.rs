//! The outermost layer: gives each request its id, its span, its time limit and its headers, counts it, and writes the problems.
//!
//! What is logged of a request: method, matched route, status, milliseconds. Never a token, a body or a query.

use std::any::Any;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use axum::extract::{MatchedPath, Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::header::{ALLOW, CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS};
use http::{HeaderName, HeaderValue, StatusCode};
use kernel::{Code, RequestId};
use tracing::Instrument;

use crate::AppState;
use crate::problem::{ApiError, ApiResult, Failure, render};
use crate::scope::Scope;

/// The header that carries the request id.
pub(crate) const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// What the API explorer needs: its own scripts and the inline styles that it makes.
const DOCS_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; \
                           connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";
/// What load balancers and collectors ask for, again and again.
const PROBES: [&str; 3] = ["/healthz", "/readyz", "/metrics"];
/// An answer that is data and never a page.
const DATA_POLICY: &str = "default-src 'none'; frame-ancestors 'none'";

/// The machine's time, ms UTC.
pub(crate) fn wall_now() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| i64::try_from(d.as_millis()).unwrap_or(i64::MAX))
}

pub(crate) async fn observe(State(app): State<AppState>, mut request: Request, next: Next) -> Response {
    let begun = Instant::now();
    let request_id = RequestId::new(wall_now(), app.entropy());
    let scope = Scope::new(request_id, &request, app.settings());
    request.extensions_mut().insert(scope.clone());
    let method = request.method().clone();
    let path = request.uri().path().to_owned();
    // Only routes that exist become labels: a scanner must not fill the memory with them.
    let route = request.extensions().get::<MatchedPath>().map_or_else(|| "unmatched".to_owned(), |path| path.as_str().to_owned());
    let span = tracing::info_span!("request", %request_id, %method, route);

    let answered = answer(&app, &path, request, next).instrument(span.clone()).await;
    let _in_span = span.enter();
    let mut response = as_problem(answered.unwrap_or_else(IntoResponse::into_response), &scope, &app);
    dress(&mut response, &path, request_id);

    let took = begun.elapsed();
    app.metrics().request(&method, &route, response.status(), took);
    tracing::info!(status = response.status().as_u16(), ms = millis(took), "answered");
    response
}

/// Runs the handlers, if there is a place and as long as there is time.
async fn answer(app: &AppState, path: &str, request: Request, next: Next) -> ApiResult<Response> {
    // Who watches the process must see it when it is busy.
    let _place = if PROBES.contains(&path) { None } else { Some(app.place().ok_or_else(|| unavailable("too many requests at once"))?) };
    let answered = tokio::time::timeout(app.settings().request_timeout, next.run(request)).await;
    answered.map_err(|_| unavailable("the request took longer than its limit"))
}

fn unavailable(why: &str) -> ApiError {
    ApiError::Unavailable(why.to_owned())
}

fn millis(took: Duration) -> u64 {
    u64::try_from(took.as_millis()).unwrap_or(u64::MAX)
}

/// Gives a failure its body. What the router itself refuses (no route, no method) comes without one.
fn as_problem(response: Response, scope: &Scope, app: &AppState) -> Response {
    if let Some(Failure(error)) = response.extensions().get::<Failure>() {
        return keep_allow(render(error, scope, app), &response);
    }
    let code = match response.status() {
        StatusCode::NOT_FOUND => Code::NotFound,
        StatusCode::METHOD_NOT_ALLOWED => Code::MethodNotAllowed,
        _ => return response,
    };
    if response.headers().contains_key(CONTENT_TYPE) {
        return response;
    }
    keep_allow(render(&ApiError::refused(code), scope, app), &response)
}

fn keep_allow(mut problem: Response, original: &Response) -> Response {
    if let Some(allow) = original.headers().get(ALLOW) {
        problem.headers_mut().insert(ALLOW, allow.clone());
    }
    problem
}

fn dress(response: &mut Response, path: &str, request_id: RequestId) {
    let headers = response.headers_mut();
    if let Ok(id) = HeaderValue::from_str(&request_id.to_string()) {
        headers.insert(X_REQUEST_ID, id);
    }
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    let policy = if path == "/docs" || path.starts_with("/docs/") { DOCS_POLICY } else { DATA_POLICY };
    headers.entry(CONTENT_SECURITY_POLICY).or_insert(HeaderValue::from_static(policy));
    if path.starts_with("/api/") {
        headers.entry(CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    }
}

/// What a panic in a handler becomes: a fault like any other.
#[allow(clippy::needless_pass_by_value)]
pub(crate) fn panicked(payload: Box<dyn Any + Send>) -> Response {
    let text = payload.downcast_ref::<String>().map(String::as_str).or_else(|| payload.downcast_ref::<&str>().copied());
    let fault = ApiError::broken(format!("a handler panicked: {}", text.unwrap_or("no message")));
    let mut response = StatusCode::INTERNAL_SERVER_ERROR.into_response();
    response.extensions_mut().insert(Failure(Arc::new(fault)));
    response
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {

    use axum::Router;
    use axum::body::{Body, to_bytes};
    use axum::routing::{get, post};
    use db::scratch::Scratch;
    use kernel::Entropy;
    use market::edition::{Edition, EditionKind};
    use market::{MIGRATIONS, Market, Mode, Setup};
    use serde_json::Value;
    use tower::ServiceExt;

    use super::*;
    use crate::Settings;
    use crate::extract::Json;

    async fn panics() -> ApiResult<()> {
        std::panic::panic_any("a secret of the code");
    }

    async fn hangs() {
        std::future::pending::<()>().await;
    }

    async fn takes(Json(body): Json<Value>) -> String {
        body.to_string()
    }

    async fn answer(request: Request) -> (StatusCode, Value) {
        let (_, mut answers) = answers(Settings::default(), vec![request]).await;
        answers.remove(0)
    }

    /// What is answered to requests that come at the same time, in their order.
    async fn answers(settings: Settings, requests: Vec<Request>) -> (Scratch, Vec<(StatusCode, Value)>) {
        let scratch = Scratch::new(MIGRATIONS).await.unwrap();
        let setup = Setup {
            db: db::Db::open(scratch.options.clone()).await.unwrap(),
            mode: Mode::Sandbox,
            edition: Edition::defaults(EditionKind::Cn),
            master_key: [7; 32],
            entropy: Entropy::from_seed([42; 32]),
            outbound: outbound::Client::new(outbound::Settings::default()).unwrap(),
            mail: None,
        };
        let settings = Settings { request_timeout: Duration::from_millis(50), ..settings };
        let state = AppState::new(Market::open(setup).await.unwrap(), settings).unwrap();
        let routes = Router::new().route("/panics", get(panics)).route("/hangs", get(hangs)).route("/takes", post(takes));
        let routes = routes.route("/healthz", get(async || "ok"));
        let router = crate::layered(routes, &state).with_state(state);
        let answered = requests.into_iter().map(|request| {
            let router = router.clone();
            async move {
                let response = router.oneshot(request).await.unwrap();
                let status = response.status();
                let bytes = to_bytes(response.into_body(), 1 << 20).await.unwrap();
                (status, serde_json::from_slice(&bytes).unwrap_or(Value::Null))
            }
        });
        (scratch, futures_util::future::join_all(answered).await)
    }

    fn request(method: &str, path: &str, content_type: &str, body: impl Into<Body>) -> Request {
        Request::builder().method(method).uri(path).header("content-type", content_type).body(body.into()).unwrap()
    }

    #[tokio::test]
    async fn a_panic_is_a_fault_that_tells_nothing_but_the_request_id() {
        let (status, problem) = answer(request("GET", "/panics", "", "")).await;
        assert_eq!((status, &problem["code"]), (StatusCode::INTERNAL_SERVER_ERROR, &Value::from("internal")));
        assert!(problem["request_id"].as_str().unwrap().starts_with("req_"));
        assert!(!problem.to_string().contains("secret"), "{problem}");
    }

    #[tokio::test]
    async fn a_request_that_takes_too_long_may_be_tried_again() {
        let (status, problem) = answer(request("GET", "/hangs", "", "")).await;
        assert_eq!((status, &problem["code"]), (StatusCode::SERVICE_UNAVAILABLE, &Value::from("unavailable")));
    }

    #[tokio::test]
    async fn one_request_too_many_at_once_is_told_to_come_back_and_who_watches_is_let_in() {
        let settings = Settings { requests_at_once: std::num::NonZeroU32::MIN, ..Settings::default() };
        let requests =
            [request("GET", "/hangs", "", ""), request("POST", "/takes", "application/json", "{}"), request("GET", "/healthz", "", "")];
        let (_, answers) = answers(settings, requests.into()).await;
        let statuses: Vec<_> = answers.iter().map(|(status, _)| status.as_u16()).collect();
        assert_eq!(statuses, [503, 503, 200], "the first waits too long, the second for nothing, the third is no request of business");
        assert_eq!(answers[1].1["code"], "unavailable");
    }

    #[tokio::test]
    async fn what_is_not_a_json_body_of_bearable_size_is_refused() {
        let big = format!("\"{}\"", "x".repeat(256 * 1024));
        for (content_type, body, expected) in [
            ("application/json", "{}", (200, Value::Null)),
            ("application/merge-patch+json; charset=utf-8", "1", (200, Value::Null)),
            ("application/json", big.as_str(), (413, "body-too-large".into())),
            ("text/plain", "{}", (415, "media-type-unsupported".into())),
            ("application/json", "{", (400, "body-invalid".into())),
            ("application/json", "\u{0}", (400, "body-invalid".into())),
        ] {
            let (status, problem) = answer(request("POST", "/takes", content_type, body.to_owned())).await;
            assert_eq!((status.as_u16(), problem["code"].clone()), expected, "{content_type}");
        }
    }
}
