//! `/healthz` and `/readyz`: for load balancers and people.

use axum::extract::State;

use crate::AppState;
use crate::problem::ApiResult;

/// The process lives.
pub(crate) async fn alive() -> &'static str {
    "ok\n"
}

/// The process can serve: its database answers and has the schema of this program.
pub(crate) async fn ready(State(app): State<AppState>) -> ApiResult<&'static str> {
    app.market().db().check_schema(market::MIGRATIONS).await?;
    Ok("ready\n")
}
