//! The clock of a sandbox market.

use axum::extract::State;
use market::ClockReport;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::AppState;
use crate::auth::Visitor;
use crate::extract::Json;
use crate::problem::ApiResult;

pub(crate) fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(show_clock))
}

/// The sandbox clock
///
/// What time it is in this sandbox market. Everybody may look.
#[utoipa::path(get, path = "/sandbox/clock", tag = "sandbox", operation_id = "show_clock", responses((status = OK, body = ClockReport)))]
async fn show_clock(State(app): State<AppState>, visitor: Visitor) -> ApiResult<Json<ClockReport>> {
    let (clock, wall) = (*app.market().clock(), visitor.ctx.wall);
    Ok(Json(app.read(async move |tx| clock.report(tx, wall).await).await?))
}
