//! Everything HTTP coming in: the REST API under `/api/v1`, its OpenAPI document at `/openapi.json` and `/docs`, health and metrics.
//!
//! A request passes, from outside to inside: `observe` (id, span, time limit, problems, headers, counts), the guard against panics, the
//! router, and the extractors of its handler ([`auth`] and [`extract`]). A handler is one paragraph: extract, one use case of `market` in one
//! transaction, answer.
//!
//! Invariants: a handler without an extractor of [`auth`] that names a permission is public; no secret and no body is logged; every answer that is
//! not a success is a [`problem::Problem`] with the request's id.

mod acts;
pub mod answer;
mod api;
pub mod auth;
mod compat;
mod exports;
pub mod extract;
mod health;
pub mod limits;
mod live;
mod metrics;
mod observe;
mod openapi;
mod pages;
pub mod problem;
pub mod scope;
mod serve;
pub mod settings;
mod shelf;
pub mod texts;
mod unreadable;

use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::extract::DefaultBodyLimit;
use axum::routing::get;
use db::Tx;
use kernel::Entropy;
use market::Market;
use tokio::sync::{Semaphore, SemaphorePermit};
use tower_http::catch_panic::CatchPanicLayer;
use utoipa_axum::router::OpenApiRouter;
use utoipa_swagger_ui::{Config, SwaggerUi};

pub use metrics::Metrics;
pub use pages::letters::Letters;
pub use serve::serve;
pub use settings::Settings;

use limits::Limits;
use problem::ApiResult;

#[derive(Debug)]
struct Inner {
    market: Market,
    settings: Settings,
    limits: Limits,
    metrics: Metrics,
    entropy: Entropy,
    /// A place for each request that is answered at the same time.
    places: Semaphore,
    /// What is on sale, ready to be searched.
    shelf: shelf::Shelf,
}

/// What every handler may use. Cheap to clone.
#[derive(Clone, Debug)]
pub struct AppState(Arc<Inner>);

impl AppState {
    /// The doors of `market`.
    ///
    /// # Errors
    /// When the metrics cannot be set up: a fault of this crate.
    pub fn new(market: Market, settings: Settings) -> Result<Self, Box<dyn std::error::Error + Send + Sync>> {
        let (limits, metrics, entropy) = (Limits::new(&settings), Metrics::new()?, market.entropy());
        let places = Semaphore::new(usize::try_from(settings.requests_at_once.get()).unwrap_or(usize::MAX).min(Semaphore::MAX_PERMITS));
        let shelf = shelf::Shelf::new()?;
        Ok(Self(Arc::new(Inner { market, settings, limits, metrics, entropy, places, shelf })))
    }

    /// The market.
    #[must_use]
    pub fn market(&self) -> &Market {
        &self.0.market
    }

    /// The settings of the doors.
    #[must_use]
    pub fn settings(&self) -> &Settings {
        &self.0.settings
    }

    /// The limits on how often clients may come.
    #[must_use]
    pub fn limits(&self) -> &Limits {
        &self.0.limits
    }

    /// The counts of this application, for whoever else wants to count something.
    #[must_use]
    pub fn metrics(&self) -> &Metrics {
        &self.0.metrics
    }

    /// Runs `work` as one transaction of the market.
    pub(crate) async fn write<T, F>(&self, work: F) -> ApiResult<T>
    where
        T: Send + 'static,
        F: AsyncFn(&mut Tx) -> db::Result<T> + Send + 'static,
    {
        let done = self.0.market.db().write(work).await;
        self.0.shelf.wrote();
        Ok(done?)
    }

    /// As [`Self::write`], beside others of its kind on PostgreSQL (see [`db::Db::write_snapshot`]): placing and paying.
    pub(crate) async fn write_snapshot<T, F>(&self, work: F) -> ApiResult<T>
    where
        T: Send + 'static,
        F: AsyncFn(&mut Tx) -> db::Result<T> + Send + 'static,
    {
        let done = self.0.market.db().write_snapshot(work).await;
        self.0.shelf.wrote();
        Ok(done?)
    }

    /// Runs `work` on one unchanging view of the market.
    pub(crate) async fn read<T, F>(&self, work: F) -> ApiResult<T>
    where
        T: Send + 'static,
        F: AsyncFn(&mut Tx) -> db::Result<T> + Send + 'static,
    {
        Ok(self.0.market.db().read(work).await?)
    }

    /// A place for a request, until it is dropped; none when all are taken.
    pub(crate) fn place(&self) -> Option<SemaphorePermit<'_>> {
        self.0.places.try_acquire().ok()
    }

    pub(crate) fn shelf(&self) -> &shelf::Shelf {
        &self.0.shelf
    }

    fn entropy(&self) -> &Entropy {
        &self.0.entropy
    }
}

/// The OpenAPI document of this program.
#[must_use]
pub fn openapi() -> utoipa::openapi::OpenApi {
    openapi::finish(routes().split_for_parts().1)
}

fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::with_openapi(openapi::beginning()).nest("/api/v1", api::routes())
}

/// The application, for [`serve`], which tells it the client's address: limits go by that.
///
/// # Errors
/// When the OpenAPI document cannot be written: a fault of this crate.
pub fn app(state: AppState) -> Result<Router, serde_json::Error> {
    let (api, document) = routes().split_for_parts();
    let document = Bytes::from(serde_json::to_vec(&openapi::finish(document))?);
    let router = api
        .merge(compat::routes())
        .merge(live::routes())
        .merge(pages::routes(&state))
        .route("/healthz", get(health::alive))
        .route("/readyz", get(health::ready))
        .route("/metrics", get(metrics::metrics))
        .route("/problems/{code}", get(problem::explain))
        .route("/openapi.json", get(async move || openapi::serve(document.clone())))
        .merge(SwaggerUi::new("/docs").config(Config::from("/openapi.json")));
    Ok(layered(router, &state).with_state(state))
}

/// The layers that every request passes.
fn layered(router: Router<AppState>, state: &AppState) -> Router<AppState> {
    router
        .layer(DefaultBodyLimit::max(state.settings().body_bytes_max))
        .layer(CatchPanicLayer::custom(observe::panicked))
        .layer(axum::middleware::from_fn_with_state(state.clone(), observe::observe))
}
