//! The clock of a sandbox market.

use axum::extract::State;
use db::Tx;
use kernel::{Code, Refusal};
use market::runner::{self, Progress};
use market::{ClockReport, SANDBOX_LATEST_MS, Ticking};
use serde::Deserialize;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::AppState;
use crate::auth::{May, Operator, Visitor, operator};
use crate::extract::Json;
use crate::problem::{ApiError, ApiResult};

pub(crate) fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(show_clock, set_clock)).routes(routes!(advance_clock))
}

/// The sandbox clock
///
/// What time it is in this sandbox market. Everybody may look.
#[utoipa::path(get, path = "/sandbox/clock", tag = "sandbox", operation_id = "show_clock", responses((status = OK, body = ClockReport)))]
async fn show_clock(State(app): State<AppState>, visitor: Visitor) -> ApiResult<Json<ClockReport>> {
    let (clock, wall) = (*app.market().clock(), visitor.ctx.wall);
    Ok(Json(app.read(async move |tx| clock.report(tx, wall).await).await?))
}

/// How the clock goes.
#[derive(Deserialize, utoipa::ToSchema)]
struct ClockInput {
    /// Whether it ticks along with the machine's time, or stands until it is moved.
    ticking: bool,
}

/// Let the sandbox clock tick or stand
#[utoipa::path(put, path = "/sandbox/clock", tag = "sandbox", operation_id = "set_clock", security(("bearer" = ["operator.admin"])),
    responses((status = OK, body = ClockReport)))]
async fn set_clock(
    State(app): State<AppState>,
    admin: Operator<operator::Admin>,
    Json(input): Json<ClockInput>,
) -> ApiResult<Json<ClockReport>> {
    let May { ctx, .. } = admin;
    let clock = *app.market().clock();
    let ticking = if input.ticking { Ticking::Ticks } else { Ticking::Stands };
    let set = async move |tx: &mut Tx| {
        clock.set_ticking(tx, &ctx, ticking).await?;
        clock.report(tx, ctx.wall).await
    };
    Ok(Json(app.write(set).await?))
}

/// How far; one of the two.
#[derive(Deserialize, utoipa::ToSchema)]
struct AdvanceInput {
    /// To this moment, market ms UTC.
    to: Option<i64>,
    /// By this much, ms.
    by_ms: Option<i64>,
}

impl AdvanceInput {
    fn target(&self, now: i64) -> Result<i64, Refusal> {
        match (self.to, self.by_ms) {
            (Some(to), None) => Ok(to),
            (None, Some(by_ms)) if by_ms > 0 => Ok(now.saturating_add(by_ms)),
            (None, Some(_)) => Err(Refusal::field("by_ms", "positive")),
            (Some(_), Some(_)) => Err(Refusal::field("by_ms", "alone")),
            (None, None) => Err(Refusal::field("to", "required")),
        }
    }
}

/// The farthest that one request may move the clock, ms: a hundred years.
const ADVANCE_MS_MAX: i64 = 100 * 366 * kernel::DAY_MS;

/// Advance the sandbox clock
///
/// Everything that is due on the way happens, in order, each at its own time. A long way takes longer than one request may last: then the answer
/// is `unavailable`, the clock goes on, and looking at it tells how far it is.
#[utoipa::path(post, path = "/sandbox/clock/advance", tag = "sandbox", operation_id = "advance_clock",
    security(("bearer" = ["operator.admin"])), responses((status = OK, body = Progress)))]
async fn advance_clock(
    State(app): State<AppState>,
    admin: Operator<operator::Admin>,
    Json(input): Json<AdvanceInput>,
) -> ApiResult<Json<Progress>> {
    let (ctx, market) = (admin.ctx, app.market().clone());
    let to = input.target(ctx.now)?;
    let latest = ctx.now.saturating_add(ADVANCE_MS_MAX).min(SANDBOX_LATEST_MS);
    if to > latest {
        return Err(Refusal::new(Code::ClockTooFar).with("latest", market.edition().zone.readable_minute(latest)).into());
    }
    // On its own task: a caller that goes away must not leave the clock half way with its lease taken.
    let moving = tokio::spawn(async move { runner::advance_by_order(&market, &ctx, to, |_| {}).await });
    let progress = moving.await.map_err(|fault| ApiError::Broken(Box::new(fault)))?;
    Ok(Json(progress?))
}
