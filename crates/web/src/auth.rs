//! Who may: the extractors that authenticate, authorise and carry the [`Ctx`]. A handler without one of them is public.

use std::marker::PhantomData;

use axum::extract::FromRequestParts;
use http::header::{AUTHORIZATION, COOKIE, HOST, ORIGIN};
use http::request::Parts;
use http::{HeaderMap, Method};
use kernel::{AccountId, Actor, Code, Ctx};
use market::accounts::{self, Permission, Principal};

use crate::AppState;
use crate::extract::is_safe;
use crate::observe::wall_now;
use crate::problem::{ApiError, ApiResult};
use crate::scope::Scope;

/// The cookie of a browser's session. The prefix makes browsers take it only over HTTPS, for this host alone.
pub const COOKIE_NAME: &str = "__Host-yunshi";

/// Somebody who has not signed in: the catalogue is open to everybody.
#[derive(Debug)]
pub struct Visitor {
    /// The circumstances of the act.
    pub ctx: Ctx,
}

impl FromRequestParts<AppState> for Visitor {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &AppState) -> ApiResult<Self> {
        let scope = scope(parts)?;
        app.limits().visit(scope.client())?;
        Ok(Self { ctx: ctx(app, &scope, Actor::System("visitor")).await? })
    }
}

/// Somebody who is about to sign in or up; counted, for guessing passwords must be slow.
#[derive(Debug)]
pub struct Arrival {
    /// The circumstances of the act.
    pub ctx: Ctx,
}

impl FromRequestParts<AppState> for Arrival {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &AppState) -> ApiResult<Self> {
        let scope = scope(parts)?;
        app.limits().sign_in(scope.client())?;
        Ok(Self { ctx: ctx(app, &scope, Actor::System("sign-in")).await? })
    }
}

/// Somebody who is signed in, whatever they may do.
#[derive(Debug)]
pub struct SignedIn {
    /// Who, and what they may do.
    pub principal: Principal,
    /// The circumstances of the act.
    pub ctx: Ctx,
}

impl FromRequestParts<AppState> for SignedIn {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &AppState) -> ApiResult<Self> {
        let scope = scope(parts)?;
        let principal = match authenticate(parts, app).await {
            Ok(principal) => principal,
            // Guessing tokens is counted like any other visit.
            Err(refused) => return Err(app.limits().visit(scope.client()).map_or_else(ApiError::from, |()| refused)),
        };
        app.limits().token(&bearer_of(&principal))?;
        scope.read_by(principal.locale);
        let ctx = ctx(app, &scope, principal.actor()).await?;
        Ok(Self { principal, ctx })
    }
}

/// Somebody who has signed in by themselves, and no program with an API token: for what makes, ends and names sign-ins.
#[derive(Debug)]
pub struct InPerson {
    /// Who, and what they may do.
    pub principal: Principal,
    /// The circumstances of the act.
    pub ctx: Ctx,
}

impl FromRequestParts<AppState> for InPerson {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &AppState) -> ApiResult<Self> {
        let SignedIn { principal, ctx } = SignedIn::from_request_parts(parts, app).await?;
        principal.require_session()?;
        Ok(Self { principal, ctx })
    }
}

async fn authenticate(parts: &Parts, app: &AppState) -> ApiResult<Principal> {
    let token = shown_token(parts)?;
    Ok(accounts::authenticate(app.market(), &token, wall_now()).await?)
}

/// What is counted: each session and each token apart.
fn bearer_of(principal: &Principal) -> String {
    match (principal.session, principal.token) {
        (Some(session), _) => session.to_string(),
        (None, Some(token)) => token.to_string(),
        (None, None) => principal.user.to_string(),
    }
}

/// A permission that an extractor asks for.
pub trait Right: Send + Sync + 'static {
    /// The permissions; one of them is enough. The first is the one that a refusal names.
    const ANY_OF: &'static [Permission];
}

macro_rules! rights {
    ($($(#[$meta:meta])* $module:ident { $($(#[$vmeta:meta])* $name:ident: $($permission:ident)|+),+ $(,)? })+) => {$(
        $(#[$meta])*
        pub mod $module {
            use super::{Permission, Right};
            $(
                $(#[$vmeta])*
                #[derive(Clone, Copy, Debug)]
                pub struct $name;

                impl Right for $name {
                    const ANY_OF: &'static [Permission] = &[$(Permission::$permission),+];
                }
            )+
        }
    )+};
}

rights! {
    /// What people of any account may do, on the buyer's side.
    buyer {
        /// See orders, subscriptions and balance.
        View: BuyerView,
        /// Order, renew, change, unsubscribe.
        Purchase: BuyerPurchase,
        /// Pay orders from the balance.
        Pay: BuyerPay,
        /// Look after the account.
        Manage: BuyerManage,
    }
    /// What people of an approved seller may do.
    seller {
        /// See products, orders and calls.
        View: SellerView,
        /// Write, submit, hide and retire products.
        Products: SellerProducts,
        /// Production addresses, keys, calls.
        Develop: SellerDevelop,
        /// Statements and payouts.
        Finance: SellerFinance,
        /// The seller's data.
        Manage: SellerManage,
    }
    /// What the operator's people may do.
    operator {
        /// See everything.
        View: OperatorView,
        /// Decide applications and products.
        Review: OperatorReview,
        /// Deposits, settlement, payouts.
        Finance: OperatorFinance,
        /// Freeze and unfreeze, restart calls.
        Support: OperatorSupport,
        /// The clock of a sandbox.
        Admin: OperatorAdmin,
    }
    /// What an account may do about becoming a seller.
    applicant {
        /// See the application.
        View: BuyerManage | SellerView,
    }
    /// What owners of any side may do with the people of their account.
    people {
        /// Add and change people; each role that is given, taken or held needs its own side's permission besides.
        Manage: BuyerManage | SellerManage | OperatorAdmin,
    }
}

/// Somebody who is signed in and has the right `R`.
#[derive(Debug)]
pub struct May<R> {
    /// Who, and what they may do.
    pub principal: Principal,
    /// The circumstances of the act.
    pub ctx: Ctx,
    right: PhantomData<fn() -> R>,
}

/// Somebody who acts for a buyer: `Buyer<buyer::Purchase>`.
pub type Buyer<R> = May<R>;
/// Somebody who acts for an approved seller: `Seller<seller::Products>`.
pub type Seller<R> = May<R>;
/// Somebody who acts for the operator: `Operator<operator::Review>`.
pub type Operator<R> = May<R>;

impl<R> May<R> {
    /// The account acted for.
    #[must_use]
    pub const fn account(&self) -> AccountId {
        self.principal.account
    }
}

impl<R: Right> FromRequestParts<AppState> for May<R> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &AppState) -> ApiResult<Self> {
        let SignedIn { principal, ctx } = SignedIn::from_request_parts(parts, app).await?;
        let mut answers = R::ANY_OF.iter().map(|permission| principal.require(*permission));
        let first = answers.next().unwrap_or(Ok(()));
        if first.is_err() && !answers.any(|answer| answer.is_ok()) {
            first?;
        }
        Ok(Self { principal, ctx, right: PhantomData })
    }
}

fn scope(parts: &Parts) -> ApiResult<Scope> {
    Scope::of(parts).ok_or_else(|| ApiError::broken("a request without a scope: the outermost layer is missing"))
}

async fn ctx(app: &AppState, scope: &Scope, actor: Actor) -> ApiResult<Ctx> {
    let ctx = app.market().ctx(actor, scope.locale()).await?;
    Ok(Ctx { request_id: scope.request_id(), ..ctx })
}

/// The token that the request shows: of the `Authorization` header, else of the browser's cookie.
///
/// A browser sends its cookie along with requests that other sites make, so for acts the cookie counts only when the browser says that the
/// request comes from our own page.
fn shown_token(parts: &Parts) -> ApiResult<String> {
    let headers = &parts.headers;
    if let Some(value) = headers.get(AUTHORIZATION) {
        let text = value.to_str().unwrap_or_default();
        let bearer = text.split_once(' ').filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer")).map(|(_, token)| token.trim());
        return bearer.filter(|token| !token.is_empty()).map(str::to_owned).ok_or_else(|| ApiError::refused(Code::TokenInvalid));
    }
    cookie(headers)
        .filter(|_| from_our_page(&parts.method, headers))
        .map(str::to_owned)
        .ok_or_else(|| ApiError::refused(Code::SignInNeeded))
}

fn cookie(headers: &HeaderMap) -> Option<&str> {
    cookie_of(headers, COOKIE_NAME)
}

/// A cookie of a request.
pub(crate) fn cookie_of<'a>(headers: &'a HeaderMap, wanted: &str) -> Option<&'a str> {
    let lines = headers.get_all(COOKIE).iter().filter_map(|value| value.to_str().ok());
    let mut pairs = lines.flat_map(|line| line.split(';')).filter_map(|pair| pair.trim().split_once('='));
    pairs.find(|(name, _)| *name == wanted).map(|(_, value)| value).filter(|value| !value.is_empty())
}

/// Whether a browser shows the cookie of a session.
pub(crate) fn shows_cookie(headers: &HeaderMap) -> bool {
    cookie(headers).is_some()
}

/// A request that one of our own pages makes, for acts of people who are not signed in: no other site signs anybody in here.
#[derive(Clone, Copy, Debug)]
pub(crate) struct OurPage;

impl FromRequestParts<AppState> for OurPage {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &AppState) -> ApiResult<Self> {
        if from_our_page(&parts.method, &parts.headers) { Ok(Self) } else { Err(ApiError::refused(Code::SignInNeeded)) }
    }
}

/// Whether a request reads, or comes from a page of ours.
pub(crate) fn from_our_page(method: &Method, headers: &HeaderMap) -> bool {
    if is_safe(method) {
        return true;
    }
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
    if let Some(site) = text("sec-fetch-site") {
        return site == "same-origin";
    }
    // Browsers without Fetch Metadata send the origin with every act.
    let origin = text(ORIGIN.as_str()).and_then(|origin| url::Url::parse(origin).ok());
    let (Some(origin), Some(host)) = (origin, text(HOST.as_str())) else { return false };
    let port = origin.port().map_or(String::new(), |port| format!(":{port}"));
    origin.host_str().is_some_and(|name| format!("{name}{port}").eq_ignore_ascii_case(host))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn shown(method: &str, headers: &[(&str, &str)]) -> Result<String, Code> {
        let mut request = http::Request::builder().method(method).uri("/");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let (parts, ()) = request.body(()).unwrap().into_parts();
        shown_token(&parts).map_err(|error| error.code())
    }

    #[test]
    fn a_cookie_counts_only_from_our_own_page() {
        let cookie = ("cookie", "a=b; __Host-yunshi=yss_1");
        let ours = Ok("yss_1".to_owned());
        for (method, extra, expected) in [
            ("GET", ("x", ""), &ours),
            ("POST", ("x", ""), &Err(Code::SignInNeeded)),
            ("POST", ("sec-fetch-site", "same-origin"), &ours),
            ("POST", ("sec-fetch-site", "cross-site"), &Err(Code::SignInNeeded)),
            ("POST", ("sec-fetch-site", "same-site"), &Err(Code::SignInNeeded)),
            ("DELETE", ("origin", "https://market.example:8443"), &ours),
            ("DELETE", ("origin", "https://evil.example"), &Err(Code::SignInNeeded)),
            ("DELETE", ("origin", "null"), &Err(Code::SignInNeeded)),
        ] {
            assert_eq!(&shown(method, &[cookie, extra, ("host", "market.example:8443")]), expected, "{method} {extra:?}");
        }
    }

    #[test]
    fn the_header_wins_over_the_cookie_and_must_be_a_bearer_token() {
        let cookie = ("cookie", "__Host-yunshi=yss_1");
        assert_eq!(shown("POST", &[cookie, ("authorization", "bearer yst_2")]), Ok("yst_2".to_owned()));
        assert_eq!(shown("GET", &[cookie, ("authorization", "Basic eDp5")]), Err(Code::TokenInvalid));
        assert_eq!(shown("GET", &[("authorization", "Bearer ")]), Err(Code::TokenInvalid));
        assert_eq!(shown("GET", &[]), Err(Code::SignInNeeded));
    }
}
