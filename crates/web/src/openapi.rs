//! The OpenAPI document: what every operation has in common is added here, once.

use axum::body::Bytes;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use http::header::CONTENT_TYPE;
use kernel::Code;
use utoipa::openapi::header::{Header, HeaderBuilder};
use utoipa::openapi::path::{Operation, ParameterIn, PathItem};
use utoipa::openapi::security::{ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme};
use utoipa::openapi::{Components, ContentBuilder, OpenApi, Ref, RefOr, ResponseBuilder, Schema};
use utoipa::{OpenApi as _, PartialSchema, ToSchema};

use crate::problem::{FieldProblem, PROBLEM_JSON, Problem, status};

/// The security scheme of sessions and tokens in the `Authorization` header.
pub(crate) const BEARER: &str = "bearer";
/// The security scheme of the browser's cookie.
pub(crate) const COOKIE: &str = "cookie";

const DESCRIPTION: &str = "\
The REST API of a Yunshi marketplace.

**Signing in.** `POST /api/v1/sessions` gives a session token (`yss_…`), `POST /api/v1/tokens` a lasting API token (`yst_…`) with scopes. Send \
either as `Authorization: Bearer …`. The scope that an operation names under *security* is the permission that it needs.

**Conventions.** Times are milliseconds since 1970 UTC; money is in minor units of its currency; ids are text. Lists come in pages: send `next` of \
one page as `cursor` for the next. Unknown members of a body are refused. Acts that move money need an `Idempotency-Key`: the same key and request \
give the first answer again. Things that two people may edit carry an `ETag`; send it back as `If-Match`.

**Errors** are RFC 9457 problems. `code` never changes its meaning; texts are in the language of `Accept-Language` (`zh-CN`, `en`). Quote \
`request_id` (also the header `x-request-id`) when asking for help.";

#[derive(utoipa::OpenApi)]
#[openapi(
    info(title = "Yunshi"),
    tags(
        (name = "sessions", description = "Signing in: accounts, sessions, users, API tokens, access keys"),
        (name = "products", description = "The catalogue that buyers see"),
        (name = "orders", description = "Quotes and orders"),
        (name = "subscriptions", description = "What was bought and lives on"),
        (name = "account", description = "Balance, messages and history of an account"),
        (name = "seller", description = "Selling: addresses, access keys, products, calls, statements"),
        (name = "operator", description = "Running the market: applications, reviews, deposits, freezes, jobs, statements, payouts"),
        (name = "ledger", description = "What the ledger says for itself: keys, signed heads, proofs"),
        (name = "sandbox", description = "The clock of a sandbox market"),
    )
)]
struct Document;

/// The document to which the routes are added.
pub(crate) fn beginning() -> OpenApi {
    let mut document = Document::openapi();
    document.info.version = env!("CARGO_PKG_VERSION").to_owned();
    document.info.description = Some(DESCRIPTION.to_owned());
    document
}

/// The finished document.
pub(crate) fn finish(mut document: OpenApi) -> OpenApi {
    let components = document.components.get_or_insert_with(Components::new);
    let bearer = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).description(Some("A session (`yss_…`) or API token (`yst_…`)."));
    components.add_security_scheme(BEARER, SecurityScheme::Http(bearer.build()));
    let cookie =
        ApiKeyValue::with_description(crate::auth::COOKIE_NAME, "The session of a browser; only from the marketplace's own pages.");
    components.add_security_scheme(COOKIE, SecurityScheme::ApiKey(ApiKey::Cookie(cookie)));
    for (name, schema) in [(Problem::name(), Problem::schema()), (FieldProblem::name(), FieldProblem::schema())] {
        components.schemas.insert(name.into_owned(), schema);
    }
    open_extended(components);
    for group in problem_groups() {
        components.responses.insert(group.name.to_owned(), RefOr::T(problem_response(&group)));
    }
    for item in document.paths.paths.values_mut() {
        let versioned = operations(item).any(|operation| takes(operation, &ParameterIn::Header, "if-match"));
        for operation in operations(item) {
            admit_cookies(operation);
            describe_success(operation, versioned);
            add_problems(operation);
        }
    }
    document
}

/// What another schema adds members to cannot forbid them.
fn open_extended(components: &mut Components) {
    let parts = components.schemas.values().filter_map(|schema| match schema {
        RefOr::T(Schema::AllOf(all)) => Some(&all.items),
        _ => None,
    });
    let extended: Vec<String> = parts
        .flatten()
        .filter_map(|part| match part {
            RefOr::Ref(reference) => reference.ref_location.rsplit('/').next().map(str::to_owned),
            RefOr::T(_) => None,
        })
        .collect();
    for name in extended {
        if let Some(RefOr::T(Schema::Object(schema))) = components.schemas.get_mut(&name) {
            schema.additional_properties = None;
        }
    }
}

/// Whatever a token opens, the browser's session opens too.
fn admit_cookies(operation: &mut Operation) {
    let Some(all) = &mut operation.security else { return };
    let scopes = all.iter().filter_map(|one| serde_json::to_value(one).ok()?.get(BEARER).cloned());
    let scopes: Vec<Vec<String>> = scopes.filter_map(|scopes| serde_json::from_value(scopes).ok()).collect();
    all.extend(scopes.into_iter().map(|scopes| SecurityRequirement::new(COOKIE, scopes)));
}

/// The answers of one status.
struct ProblemGroup {
    name: &'static str,
    status: StatusCode,
}

const fn group(name: &'static str, status: StatusCode) -> ProblemGroup {
    ProblemGroup { name, status }
}

fn problem_groups() -> [ProblemGroup; 13] {
    [
        group("Unreadable", StatusCode::BAD_REQUEST),
        group("SignInNeeded", StatusCode::UNAUTHORIZED),
        group("Forbidden", StatusCode::FORBIDDEN),
        group("NotFound", StatusCode::NOT_FOUND),
        group("Conflict", StatusCode::CONFLICT),
        group("VersionStale", StatusCode::PRECONDITION_FAILED),
        group("BodyTooLarge", StatusCode::PAYLOAD_TOO_LARGE),
        group("MediaTypeUnsupported", StatusCode::UNSUPPORTED_MEDIA_TYPE),
        group("Invalid", StatusCode::UNPROCESSABLE_ENTITY),
        group("VersionMissing", StatusCode::PRECONDITION_REQUIRED),
        group("TooManyRequests", StatusCode::TOO_MANY_REQUESTS),
        group("Internal", StatusCode::INTERNAL_SERVER_ERROR),
        group("Unavailable", StatusCode::SERVICE_UNAVAILABLE),
    ]
}

fn problem_response(group: &ProblemGroup) -> utoipa::openapi::Response {
    let codes: Vec<String> =
        Code::ALL.iter().filter(|code| status(**code) == group.status).map(|code| format!("`{}`", code.key())).collect();
    let content = ContentBuilder::new().schema(Some(Ref::from_schema_name("Problem"))).build();
    let id = HeaderBuilder::new().schema(Some(String::schema())).description(Some("What to quote when asking for help.")).build();
    ResponseBuilder::new()
        .description(format!("One of {}", codes.join(", ")))
        .content(PROBLEM_JSON, content)
        .header("x-request-id", id)
        .build()
}

fn operations(item: &mut PathItem) -> impl Iterator<Item = &mut Operation> {
    let PathItem { get, put, post, delete, patch, .. } = item;
    [get, put, post, delete, patch].into_iter().filter_map(Option::as_mut)
}

/// What every success has: a description, the address of what was made, the version of what two people may edit.
fn describe_success(operation: &mut Operation, versioned: bool) {
    for (status, response) in &mut operation.responses.responses {
        let RefOr::T(response) = response else { continue };
        let (text, has_body) = match status.as_str() {
            "201" => ("Made.", true),
            "204" => ("Done.", false),
            _ => ("The answer.", true),
        };
        if response.description.is_empty() {
            text.clone_into(&mut response.description);
        }
        if status == "201" {
            response.headers.insert("Location".to_owned(), header("The path of what was made."));
        }
        if versioned && has_body {
            response.headers.insert("ETag".to_owned(), header("The version; send it back as If-Match with a change."));
        }
    }
}

fn header(description: &str) -> RefOr<Header> {
    RefOr::T(HeaderBuilder::new().schema(Some(String::schema())).description(Some(description)).build())
}

/// Whether an operation takes a parameter of this name, or any when the name is empty.
fn takes(operation: &Operation, place: &ParameterIn, name: &str) -> bool {
    let parameters = operation.parameters.iter().flatten();
    parameters.filter_map(parameter).any(|p| p.parameter_in == *place && (name.is_empty() || p.name.eq_ignore_ascii_case(name)))
}

fn add_problems(operation: &mut Operation) {
    let (query, path) = (takes(operation, &ParameterIn::Query, ""), takes(operation, &ParameterIn::Path, ""));
    let once = takes(operation, &ParameterIn::Header, "idempotency-key");
    let versioned = takes(operation, &ParameterIn::Header, "if-match");
    let secured = operation.security.as_ref().is_some_and(|all| !all.is_empty());
    let body = operation.request_body.is_some();
    for ProblemGroup { name, status } in problem_groups() {
        let applies = match status {
            StatusCode::BAD_REQUEST => body || query || once,
            // A sign-in is refused with these, too.
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => secured || body,
            StatusCode::NOT_FOUND => path || body || secured,
            StatusCode::CONFLICT => body || once || path,
            StatusCode::PAYLOAD_TOO_LARGE | StatusCode::UNSUPPORTED_MEDIA_TYPE | StatusCode::UNPROCESSABLE_ENTITY => body,
            StatusCode::PRECONDITION_FAILED | StatusCode::PRECONDITION_REQUIRED => versioned,
            _ => true,
        };
        let responses = &mut operation.responses.responses;
        if applies && !responses.contains_key(status.as_str()) {
            responses.insert(status.as_str().to_owned(), RefOr::Ref(Ref::from_response_name(name)));
        }
    }
}

fn parameter(parameter: &RefOr<utoipa::openapi::path::Parameter>) -> Option<&utoipa::openapi::path::Parameter> {
    match parameter {
        RefOr::T(parameter) => Some(parameter),
        RefOr::Ref(_) => None,
    }
}

/// `/openapi.json`.
pub(crate) fn serve(json: Bytes) -> Response {
    ([(CONTENT_TYPE, "application/json")], json).into_response()
}
