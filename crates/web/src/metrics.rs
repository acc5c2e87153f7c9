//! `/metrics`: numbers for Prometheus. The recorder belongs to the application, not to the process, so that tests do not share it.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use db::Tx;
use http::header::CONTENT_TYPE;
use http::{Method, StatusCode};
use market::ledger;
use metrics::{counter, describe_counter, describe_gauge, describe_histogram, gauge, histogram, with_local_recorder};
use metrics_exporter_prometheus::{BuildError, PrometheusBuilder, PrometheusHandle, PrometheusRecorder};

use crate::AppState;
use crate::problem::ApiResult;

/// Upper bounds of the latency histogram, seconds.
const BUCKETS: [f64; 12] = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0, 30.0];
/// The text format of Prometheus.
const TEXT_FORMAT: &str = "text/plain; version=0.0.4; charset=utf-8";

/// The counts of this application.
#[derive(Clone)]
pub struct Metrics(Arc<(PrometheusRecorder, PrometheusHandle)>);

impl std::fmt::Debug for Metrics {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Metrics(..)")
    }
}

impl Metrics {
    /// Counts that begin at zero.
    ///
    /// # Errors
    /// When the buckets of the histogram are wrong: a fault of this file.
    pub fn new() -> Result<Self, BuildError> {
        let recorder = PrometheusBuilder::new().set_buckets(&BUCKETS)?.build_recorder();
        with_local_recorder(&recorder, || {
            describe_counter!("yunshi_http_requests_total", "requests answered, by method, matched route and status");
            describe_histogram!("yunshi_http_request_seconds", "time from the first byte of a request to its answer, by matched route");
            describe_gauge!("yunshi_jobs_waiting", "jobs in the table");
            describe_gauge!("yunshi_jobs_stuck", "jobs that wait for the operator");
            describe_gauge!("yunshi_ledger_unsealed", "transactions that wait to be sealed into the hash chain");
            describe_gauge!("yunshi_database_info", "1, with the engine as a label");
        });
        let handle = recorder.handle();
        Ok(Self(Arc::new((recorder, handle))))
    }

    /// Runs `count` with this application's recorder: metrics that it names arrive here.
    pub fn record<T>(&self, count: impl FnOnce() -> T) -> T {
        with_local_recorder(&self.0.0, count)
    }

    pub(crate) fn request(&self, method: &Method, route: &str, status: StatusCode, took: Duration) {
        let method = if is_usual(method) { method.as_str().to_owned() } else { "OTHER".to_owned() };
        self.record(|| {
            let labels = [("method", method), ("route", route.to_owned()), ("status", status.as_u16().to_string())];
            counter!("yunshi_http_requests_total", &labels).increment(1);
            histogram!("yunshi_http_request_seconds", "route" => route.to_owned()).record(took);
        });
    }

    fn render(&self) -> String {
        self.0.1.run_upkeep();
        self.0.1.render()
    }
}

fn is_usual(method: &Method) -> bool {
    [Method::GET, Method::HEAD, Method::POST, Method::PUT, Method::PATCH, Method::DELETE, Method::OPTIONS].contains(method)
}

/// Gauges hold floats; these counts are far below where a float stops being exact.
#[allow(clippy::cast_precision_loss)]
fn set(name: &'static str, value: i64) {
    gauge!(name).set(value as f64);
}

/// The numbers, those of the database read at this moment.
pub(crate) async fn metrics(State(app): State<AppState>) -> ApiResult<Response> {
    let (waiting, stuck, unsealed) = app
        .read(async |tx: &mut Tx| {
            let (waiting, stuck) = db::jobs::count(tx).await?;
            Ok((waiting, stuck, ledger::unsealed(tx).await?))
        })
        .await?;
    app.metrics().record(|| {
        set("yunshi_jobs_waiting", waiting);
        set("yunshi_jobs_stuck", stuck);
        set("yunshi_ledger_unsealed", unsealed);
        gauge!("yunshi_database_info", "engine" => app.market().db().engine().word()).set(1.0);
    });
    Ok(([(CONTENT_TYPE, TEXT_FORMAT)], app.metrics().render()).into_response())
}
