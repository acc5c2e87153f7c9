//! The door: signing in, up and out, and the language.

use askama::Template;
use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::response::{AppendHeaders, IntoResponse, Response};
use axum::routing::{get, post};
use http::header::{CONTENT_TYPE, SET_COOKIE, USER_AGENT};
use http::{HeaderMap, Method, StatusCode};
use kernel::{Code, Locale, Refusal};
use market::accounts::{self, AccountKind, NewAccount, NewUser};
use serde::Deserialize;

use super::shell::{Reader, Shell, Words};
use super::{Page, go_to};
use crate::AppState;
use crate::auth::{Arrival, COOKIE_NAME, OurPage, SignedIn, from_our_page};
use crate::extract::{Form, Query};
use crate::problem::{self, ApiError, ApiResult};
use crate::scope::{LANGUAGE_COOKIE, Scope};

pub(super) fn routes() -> Router<AppState> {
    Router::new()
        .route("/sign-in", get(sign_in_form).post(sign_in))
        .route("/sign-up", get(sign_up_form).post(sign_up))
        .route("/sign-out", post(sign_out))
        .route("/language", post(choose_language))
}

/// How long a browser keeps its session's cookie, seconds: the session itself ends earlier when it is not used.
const COOKIE_SECONDS: i64 = 30 * 86_400;
/// How long a browser keeps the chosen language, seconds.
const LANGUAGE_SECONDS: i64 = 365 * 86_400;

/// Where somebody wants to go after the door.
#[derive(Deserialize, Default)]
pub(crate) struct Next {
    #[serde(default)]
    next: String,
}

/// A path of ours, whatever was asked for: never another site.
fn safe(next: &str) -> &str {
    let ours = next.starts_with('/') && !next.starts_with("//") && !next.contains('\\') && !next.chars().any(char::is_control);
    if ours { next } else { "/" }
}

/// The door, with where to go after it.
pub(crate) fn sign_in_path(next: &str) -> String {
    let query: String = url::form_urlencoded::Serializer::new(String::new()).append_pair("next", safe(next)).finish();
    format!("/sign-in?{query}")
}

#[derive(Template)]
#[template(path = "sign-in.html")]
struct SignInPage {
    shell: Shell,
    next: String,
    login: String,
    wrong: String,
    /// What somebody was sending when their session had ended.
    kept: Option<Kept>,
}

/// A form that was sent by somebody whose session had ended: where to, and with what in it.
#[derive(Clone, Debug, Default)]
struct Kept {
    to: String,
    typed: String,
}

impl Kept {
    /// A form of ours, whatever a request says.
    fn of(to: &str, typed: &str) -> Option<Self> {
        let path = to.split('?').next().unwrap_or_default();
        let ours = safe(to) == to && super::is_page(path) && !is_door(path);
        ours.then(|| Self { to: to.to_owned(), typed: typed.to_owned() })
    }
}

/// Whether a page is for whoever is not signed in.
fn is_door(path: &str) -> bool {
    ["/sign-in", "/sign-up", "/sign-out", "/language", "/password"]
        .iter()
        .any(|door| path == *door || path.starts_with(&format!("{door}/")))
}

/// Passwords and such are typed again.
fn is_secret(name: &str) -> bool {
    name.contains("password") || name.contains("secret")
}

/// Whoever sends a form and is no longer signed in gets the door, and behind it what they had typed.
pub(crate) async fn keep_typed(State(app): State<AppState>, request: Request, next: axum::middleware::Next) -> Response {
    let is_form = request.headers().get(CONTENT_TYPE).is_some_and(|kind| kind.as_bytes().starts_with(b"application/x-www-form-urlencoded"));
    let path = request.uri().path().to_owned();
    // What another site sends is nothing that its reader has typed here.
    if request.method() != Method::POST || !is_form || is_door(&path) || !from_our_page(request.method(), request.headers()) {
        return next.run(request).await;
    }
    let to = request.uri().path_and_query().map_or_else(|| path.clone(), ToString::to_string);
    let Some(scope) = request.extensions().get::<Scope>().cloned() else { return next.run(request).await };
    let (parts, body) = request.into_parts();
    // A body that is too large is refused by whoever reads it; nothing of it is kept.
    let Ok(typed) = axum::body::to_bytes(body, app.settings().body_bytes_max).await else {
        return ApiError::from(Refusal::new(Code::BodyTooLarge).with("max", app.settings().body_bytes_max)).into_response();
    };
    let response = next.run(Request::from_parts(parts, Body::from(typed.clone()))).await;
    if response.status() != StatusCode::UNAUTHORIZED {
        return response;
    }
    let mut kept = url::form_urlencoded::Serializer::new(String::new());
    kept.extend_pairs(url::form_urlencoded::parse(&typed).filter(|(name, _)| !is_secret(name)));
    let words = Words::new(scope.locale(), &app);
    let page = SignInPage {
        next: "/".to_owned(),
        login: String::new(),
        wrong: words.s("page-session-ended"),
        kept: Kept::of(&to, &kept.finish()),
        shell: Shell::of_visitor(words, "/".to_owned()),
    };
    (StatusCode::UNAUTHORIZED, Page(page)).into_response()
}

#[derive(Template)]
#[template(path = "resume.html")]
struct ResumePage {
    shell: Shell,
    to: String,
    fields: Vec<(String, String)>,
}

pub(crate) async fn sign_in_form(reader: Reader, Query(Next { next }): Query<Next>) -> Response {
    if reader.principal.is_some() {
        return go_to(safe(&next)).into_response();
    }
    Page(SignInPage { shell: reader.shell, next: safe(&next).to_owned(), login: String::new(), wrong: String::new(), kept: None })
        .into_response()
}

#[derive(Deserialize)]
pub(crate) struct SignInFields {
    login: String,
    password: String,
    #[serde(default)]
    next: String,
    /// What was being sent when the session had ended.
    #[serde(default)]
    to: String,
    #[serde(default)]
    typed: String,
}

pub(crate) async fn sign_in(
    State(app): State<AppState>,
    _: OurPage,
    arrival: Arrival,
    reader: Reader,
    headers: HeaderMap,
    Form { fields, .. }: Form<SignInFields>,
) -> ApiResult<Response> {
    let client = headers.get(USER_AGENT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    match accounts::sign_in(app.market(), &arrival.ctx, &fields.login, &fields.password, client).await.map_err(ApiError::from) {
        Ok(signed_in) => match Kept::of(&fields.to, &fields.typed) {
            None => Ok(inside(&signed_in.token, safe(&fields.next))),
            Some(kept) => {
                let fields = url::form_urlencoded::parse(kept.typed.as_bytes()).into_owned().collect();
                let page = ResumePage { to: kept.to, fields, shell: reader.shell };
                Ok((AppendHeaders([(SET_COOKIE, session_cookie(&signed_in.token))]), Page(page)).into_response())
            }
        },
        Err(ApiError::Refused(refusal)) => {
            let wrong = problem::sentence(&refusal, reader.shell.t.locale);
            let page = SignInPage {
                shell: reader.shell,
                next: safe(&fields.next).to_owned(),
                login: fields.login,
                wrong,
                kept: Kept::of(&fields.to, &fields.typed),
            };
            Ok((problem::status(refusal.code), Page(page)).into_response())
        }
        Err(fault) => Err(fault),
    }
}

/// Gives the browser its session and sends it on.
fn inside(token: &str, next: &str) -> Response {
    (AppendHeaders([(SET_COOKIE, session_cookie(token))]), go_to(next)).into_response()
}

fn session_cookie(token: &str) -> String {
    format!("{COOKIE_NAME}={token}; Path=/; Secure; HttpOnly; SameSite=Lax; Max-Age={COOKIE_SECONDS}")
}

#[derive(Template)]
#[template(path = "sign-up.html")]
struct SignUpPage {
    shell: Shell,
    fields: SignUpFields,
    wrong: String,
    wrong_field: String,
}

impl SignUpPage {
    /// What stands beside a field.
    fn wrong_at(&self, field: &str) -> &str {
        if self.wrong_field == field { &self.wrong } else { "" }
    }
}

#[derive(Deserialize, Default)]
pub(crate) struct SignUpFields {
    account: String,
    kind: String,
    title: String,
    login: String,
    name: String,
    email: String,
    #[serde(default)]
    phone: String,
    password: String,
    #[serde(default)]
    next: String,
}

pub(crate) async fn sign_up_form(reader: Reader, Query(Next { next }): Query<Next>) -> Response {
    let fields = SignUpFields { next: safe(&next).to_owned(), kind: AccountKind::Enterprise.word().to_owned(), ..SignUpFields::default() };
    Page(SignUpPage { shell: reader.shell, fields, wrong: String::new(), wrong_field: String::new() }).into_response()
}

pub(crate) async fn sign_up(
    State(app): State<AppState>,
    _: OurPage,
    arrival: Arrival,
    reader: Reader,
    headers: HeaderMap,
    Form { fields, .. }: Form<SignUpFields>,
) -> ApiResult<Response> {
    let client = headers.get(USER_AGENT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    match make_account(&app, &arrival, &fields).await {
        Ok(()) => {
            let signed_in = accounts::sign_in(app.market(), &arrival.ctx, &fields.login, &fields.password, client).await?;
            Ok(inside(&signed_in.token, safe(&fields.next)))
        }
        Err(ApiError::Refused(refusal)) => {
            let (wrong_field, wrong) = beside(&refusal, reader.shell.t.locale);
            let fields = SignUpFields { password: String::new(), ..fields };
            let page = SignUpPage { shell: reader.shell, fields, wrong, wrong_field };
            Ok((problem::status(refusal.code), Page(page)).into_response())
        }
        Err(fault) => Err(fault),
    }
}

async fn make_account(app: &AppState, arrival: &Arrival, fields: &SignUpFields) -> ApiResult<()> {
    let kind = AccountKind::ALL.iter().copied().find(|kind| kind.word() == fields.kind).ok_or_else(|| Refusal::field("kind", "wrong"))?;
    let password = accounts::hash(&fields.password, &fields.login, &arrival.ctx.entropy).await?;
    let owner = NewUser {
        login: fields.login.clone(),
        name: fields.name.clone(),
        email: fields.email.clone(),
        phone: fields.phone.clone(),
        locale: arrival.ctx.locale,
        password,
    };
    let account = NewAccount { name: fields.account.clone(), kind, title: fields.title.clone() };
    let ctx = arrival.ctx.at(arrival.ctx.now);
    app.write(async move |tx| accounts::create_account(tx, &ctx, account.clone(), owner.clone()).await).await.map(drop)
}

/// Beside which field of the form a refusal belongs, and what is said there.
fn beside(refusal: &Refusal, locale: Locale) -> (String, String) {
    let said = problem::sentence(refusal, locale);
    let field = match refusal.code {
        Code::AccountNameTaken => "account".to_owned(),
        Code::LoginTaken => "login".to_owned(),
        Code::FieldInvalid => {
            let field = refusal.args.iter().find(|(name, _)| *name == "field").map_or("", |(_, value)| value.as_str());
            let rule = refusal.args.iter().find(|(name, _)| *name == "rule").map(|(_, rule)| crate::texts::rule(locale, rule));
            // The account's own name, and the person's, are both a name to the business.
            let field = match field {
                "name" => "account",
                "user_name" => "name",
                other => other,
            };
            return (field.to_owned(), rule.unwrap_or(said));
        }
        _ => "password".to_owned(),
    };
    (field, said)
}

pub(crate) async fn sign_out(State(app): State<AppState>, SignedIn { principal, ctx }: SignedIn) -> ApiResult<Response> {
    app.write(async move |tx| accounts::sign_out(tx, &ctx, &principal).await).await?;
    let cookie = format!("{COOKIE_NAME}=; Path=/; Secure; HttpOnly; SameSite=Lax; Max-Age=0");
    Ok((AppendHeaders([(SET_COOKIE, cookie)]), go_to("/")).into_response())
}

#[derive(Deserialize)]
pub(crate) struct LanguageFields {
    language: Locale,
    #[serde(default)]
    next: String,
}

pub(crate) async fn choose_language(_: OurPage, Form { fields, .. }: Form<LanguageFields>) -> Response {
    let language = fields.language.word();
    let cookie = format!("{LANGUAGE_COOKIE}={language}; Path=/; Secure; HttpOnly; SameSite=Lax; Max-Age={LANGUAGE_SECONDS}");
    (StatusCode::SEE_OTHER, AppendHeaders([(SET_COOKIE, cookie)]), go_to(safe(&fields.next))).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_door_leads_nowhere_else() {
        for (next, expected) in [
            ("/buyer/orders?state=paid", "/buyer/orders?state=paid"),
            ("https://evil.example/", "/"),
            ("//evil.example/", "/"),
            ("/\\evil.example", "/"),
            ("", "/"),
            ("javascript:alert(1)", "/"),
            ("/a\r\nSet-Cookie: x", "/"),
        ] {
            assert_eq!(safe(next), expected, "{next}");
        }
        assert_eq!(sign_in_path("/buyer/orders?a=1&b=2"), "/sign-in?next=%2Fbuyer%2Forders%3Fa%3D1%26b%3D2");
    }
}
