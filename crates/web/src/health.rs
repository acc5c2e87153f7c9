//! `/healthz` and `/readyz`: for load balancers and people.

use axum::extract::State;
use kernel::{Code, Refusal};

use crate::AppState;
use crate::problem::ApiResult;

/// The process lives.
pub(crate) async fn alive() -> &'static str {
    "ok\n"
}

/// What whoever asks is told when nothing can be written; the log has the particulars, which are nobody else's business.
const NO_CHANGES: &str = "the database takes no changes: its disk is full or fails; the log says more";

/// The process can serve: its database answers, has the schema of this program, and takes changes.
///
/// While the disk is full it is not ready, though it still answers whoever only looks.
pub(crate) async fn ready(State(app): State<AppState>) -> ApiResult<&'static str> {
    let db = app.market().db();
    db.check_schema(market::MIGRATIONS).await?;
    match db.takes_changes().await {
        Ok(()) => Ok("ready\n"),
        Err(db::Error::Unavailable(why)) => {
            tracing::warn!(why, "not ready: the database takes no changes");
            Err(Refusal::new(Code::Unavailable).with("reason", NO_CHANGES).into())
        }
        Err(other) => Err(other.into()),
    }
}
