//! What was bought? The first question of every seller's server after it was asked for an instance (spec: protocol §3.3).

use axum::body::Bytes;
use axum::extract::{FromRequest, Request, State};
use axum::response::{IntoResponse, Response};
use db::Tx;
use http::header::{CONTENT_TYPE, HOST};
use http::{HeaderMap, StatusCode};
use kernel::{Actor, Code, Locale, Refusal};
use market::accounts::{self, AccessKeySecret};
use market::catalog::ChargingMode;
use market::orders::{self, LineState, Order, OrderKind, OrderLine};
use serde::Deserialize;
use wire::openapi::OpenApiCode;
use wire::openapi::aksk::{AuthError, Parts, Presented};
use wire::openapi::order_query::{self as answer, BuyerInfo, ID_MAX_CHARS, OrderInfo, OrderQueryAnswer, ProductInfo, mock_order};

use crate::AppState;
use crate::problem::{ApiError, ApiResult};
use crate::scope::Scope;

/// The query.
#[derive(Deserialize)]
struct Asked {
    #[serde(rename = "orderId")]
    order_id: Option<String>,
    #[serde(rename = "orderLineId")]
    order_line_id: Option<String>,
}

/// Answers with the order that a seller's server asks for, if the server has signed with a key of that seller.
pub(crate) async fn query(State(app): State<AppState>, request: Request) -> Response {
    let Some(scope) = request.extensions().get::<Scope>().cloned() else {
        return ApiError::broken("a request without a scope: the outermost layer is missing").into_response();
    };
    if let Err(refusal) = app.limits().visit(scope.client()) {
        return limited(&refusal);
    }
    match answer_to(&app, &scope, request).await {
        Ok(response) => response,
        Err(ApiError::Refused(refusal)) if refusal.code == Code::BodyTooLarge => {
            failed_because(OpenApiCode::InputCheckFailed, "the query has no body, or a short one")
        }
        Err(fault) => {
            tracing::error!(request_id = %scope.request_id(), ?fault, "an order query met a fault");
            failed(OpenApiCode::InternalError)
        }
    }
}

async fn answer_to(app: &AppState, scope: &Scope, request: Request) -> ApiResult<Response> {
    let (parts, body) = request.into_parts();
    let (method, uri, headers) = (parts.method.clone(), parts.uri.clone(), parts.headers.clone());
    let body = Bytes::from_request(Request::from_parts(parts, body), &()).await;
    let body = body.map_err(|_| ApiError::refused(Code::BodyTooLarge))?;
    let ctx = app.market().ctx(Actor::System("open-api"), Locale::ZhCn).await?;
    let pairs = texts_of(&headers, uri.host());
    let signed = Parts { method: method.as_str(), path: uri.path(), query: uri.query().unwrap_or_default(), headers: &pairs, body: &body };
    let key = match authenticate(app, &signed, ctx.wall).await? {
        Ok(key) => key,
        Err(why) => return Ok(unauthenticated(&why, scope)),
    };
    if let Err(refusal) = app.limits().token(&key.id.to_string()) {
        return Ok(limited(&refusal));
    }
    let asked = serde_urlencoded::from_str::<Asked>(uri.query().unwrap_or_default());
    let fits = |id: &String| (1..=ID_MAX_CHARS).contains(&id.chars().count()) && !id.chars().any(char::is_control);
    let (order_id, line) = match asked {
        Ok(Asked { order_id: Some(id), order_line_id: line }) if fits(&id) && line.as_ref().is_none_or(fits) => (id, line),
        _ => return Ok(failed(OpenApiCode::InvalidParameter)),
    };
    let found = match mock_order(&order_id, ctx.now) {
        Some(mock) => Some(mock),
        None => find(app, &key, order_id).await?,
    };
    // An order of another seller and one that never was get the same answer, so nobody learns which orders there are.
    let Some(order) = found else {
        return Ok(failed_because(OpenApiCode::IllegalOperation, "this seller has no order of this id"));
    };
    let told = match &line {
        Some(line) => order.only_line(line),
        None => Some(order),
    };
    Ok(told.map_or_else(|| failed(OpenApiCode::InvalidParameter), |order| json(StatusCode::OK, &OrderQueryAnswer::found(order))))
}

/// The headers as texts. With HTTP/2 the host stands in the address alone.
fn texts_of<'a>(headers: &'a HeaderMap, authority: Option<&'a str>) -> Vec<(&'a str, &'a str)> {
    let mut pairs: Vec<_> = headers.iter().filter_map(|(name, value)| Some((name.as_str(), value.to_str().ok()?))).collect();
    if !headers.contains_key(HOST) {
        pairs.extend(authority.map(|host| (HOST.as_str(), host)));
    }
    pairs
}

/// Whose key has signed the request. The last use is written at most every five minutes, so it costs a request nothing, and a failure to
/// write it lets nobody wait at the door.
async fn authenticate(app: &AppState, signed: &Parts<'_>, wall: i64) -> ApiResult<Result<AccessKeySecret, AuthError>> {
    let presented = match Presented::read(signed) {
        Ok(presented) => presented,
        Err(why) => return Ok(Err(why)),
    };
    let (market, access_key) = (app.market().clone(), presented.access_key().to_owned());
    let found = app.read(async move |tx| accounts::secret_of(tx, market.vault(), &access_key).await).await?;
    let Some(key) = found else { return Ok(Err(AuthError::AccessKeyUnknown)) };
    if let Err(why) = presented.check(signed, &key.secret, wall) {
        return Ok(Err(why));
    }
    if key.is_stale(wall) {
        let id = key.id;
        if let Err(error) = app.market().db().write_snapshot(async move |tx| accounts::touch_access_key(tx, id, wall).await).await {
            tracing::warn!(%error, "the last use of an access key was not written");
        }
    }
    Ok(Ok(key))
}

async fn find(app: &AppState, key: &AccessKeySecret, order_id: String) -> ApiResult<Option<OrderInfo>> {
    let (seller, market) = (key.account_id, app.market().clone());
    let found = app
        .read(async move |tx: &mut Tx| {
            let mut order = match orders::get_of_seller(tx, seller, &order_id).await {
                Ok(order) => order,
                Err(error) if error.code() == Some(Code::NotFound) => return Ok(None),
                Err(error) => return Err(error),
            };
            let ends: Vec<_> = order.lines.iter().map(|line| orders::expected_end(market.edition(), &order, line)).collect();
            for (line, end) in order.lines.iter_mut().zip(ends) {
                line.ends_at = end;
            }
            if order.kind == OrderKind::Change {
                one_line(&mut order);
            }
            let buyer = buyer_of(tx, &order).await?;
            Ok(Some((order, buyer)))
        })
        .await?;
    Ok(found.map(|(order, buyer)| told(order, buyer)))
}

/// A change is one thing to a seller, the line that its call names, whatever parts of the remaining time it was paid in.
fn one_line(change: &mut Order) {
    let ends_at = change.lines.iter().filter(|line| line.state != LineState::Refunded).filter_map(|line| line.ends_at).max();
    change.lines.truncate(1);
    change.lines.iter_mut().for_each(|line| line.ends_at = ends_at.or(line.ends_at));
}

/// Who bought. Phone and e-mail need the buyer's consent and are left out (spec: protocol §3.3).
async fn buyer_of(tx: &mut Tx, order: &Order) -> db::Result<BuyerInfo> {
    let account = accounts::get(tx, order.buyer_id).await?;
    let user = match order.buyer_user {
        Some(user) => Some(accounts::get_user(tx, order.buyer_id, user).await?),
        None => None,
    };
    Ok(BuyerInfo {
        customer_id: Some(account.id.to_string()),
        customer_name: Some(account.name),
        user_id: user.as_ref().map(|user| user.id.to_string()),
        user_name: user.map(|user| user.name),
        ..BuyerInfo::default()
    })
}

fn told(order: Order, buyer: BuyerInfo) -> OrderInfo {
    OrderInfo {
        order_id: order.number,
        order_type: match order.kind {
            OrderKind::New => answer::OrderType::New,
            OrderKind::Renew => answer::OrderType::Renew,
            OrderKind::Change => answer::OrderType::Change,
            OrderKind::Unsubscribe => answer::OrderType::Unsubscribe,
        },
        created_at_ms: order.created_at,
        order_lines: order.lines.into_iter().map(line_told).collect(),
        buyer_info: Some(buyer),
        extend_params: Vec::new(),
    }
}

fn line_told(line: OrderLine) -> answer::OrderLine {
    let product = ProductInfo {
        product_id: line.item.price_id.to_string(),
        sku_code: Some(line.item.sku_id.to_string()),
        linear_value: u64::try_from(line.quantity).ok(),
        product_name: Some(line.item.names.wire()),
    };
    answer::OrderLine {
        order_line_id: line.number,
        charging_mode: match line.item.charging_mode {
            ChargingMode::Period => answer::ChargingMode::Period,
            ChargingMode::OneTime => answer::ChargingMode::OneTime,
        },
        period_type: line.period.map(|period| match period.unit {
            kernel::PeriodUnit::Month => answer::PeriodType::Month,
            kernel::PeriodUnit::Year => answer::PeriodType::Year,
        }),
        period_number: line.period.and_then(|period| u32::try_from(period.count).ok()),
        expires_at_ms: line.ends_at,
        products: vec![product],
        extend_params: Vec::new(),
    }
}

fn json(status: StatusCode, answer: &OrderQueryAnswer) -> Response {
    match serde_json::to_vec(answer) {
        Ok(body) => (status, [(CONTENT_TYPE, "application/json")], body).into_response(),
        Err(fault) => ApiError::from(fault).into_response(),
    }
}

fn failed(code: OpenApiCode) -> Response {
    let status = StatusCode::from_u16(code.http_status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    json(status, &OrderQueryAnswer::failed(code))
}

/// The same with what the code leaves open (spec: protocol §8.3, `extra_info`).
fn failed_because(code: OpenApiCode, extra_info: &str) -> Response {
    let status = StatusCode::from_u16(code.http_status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    json(status, &OrderQueryAnswer::failed(code).extra_info(extra_info))
}

fn limited(refusal: &Refusal) -> Response {
    let seconds = refusal.args.iter().find(|(name, _)| *name == "seconds").map_or("1", |(_, seconds)| seconds.as_str());
    failed_because(OpenApiCode::RateLimited, &format!("try again in {seconds} seconds"))
}

/// The gateway's answer to a call that is not signed, or not rightly (spec: protocol §3.1).
fn unauthenticated(why: &AuthError, scope: &Scope) -> Response {
    let body = why.gateway_body(&scope.request_id().to_string());
    (StatusCode::UNAUTHORIZED, [(CONTENT_TYPE, "application/json")], body).into_response()
}
