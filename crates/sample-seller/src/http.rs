//! The seller's HTTP: POST on any path is the production interface, GET is for people.

use std::{fmt::Write, io};

use axum::{
    Router,
    body::Bytes,
    extract::{DefaultBodyLimit, Path, RawQuery, State as Shared},
    http::{StatusCode, header},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use jiff::Timestamp;
use tokio::net::TcpListener;
use wire::koogallery_v2::{Answer, CONTENT_TYPE, ResultCode};

use crate::{
    book::{InstanceRecord, State},
    seller::Seller,
};

/// Largest body that is read (ours): a query for a hundred instances needs less than half of it.
const BODY_MAX_BYTES: usize = 64 * 1024;
/// Most instances on the page for people (ours).
const LISTED_MAX: usize = 500;

impl Seller {
    /// The seller as an HTTP application.
    pub fn router(&self) -> Router {
        Router::new()
            .route("/", get(list).post(call))
            .route("/instances/{id}", get(service).post(call))
            .route("/instances/{id}/admin", get(service).post(call))
            .fallback_service(post(call).with_state(self.clone()))
            .layer(DefaultBodyLimit::max(BODY_MAX_BYTES))
            .with_state(self.clone())
    }

    /// Serves until the listener fails.
    ///
    /// # Errors
    /// Those of the listener.
    pub async fn serve(&self, listener: TcpListener) -> io::Result<()> {
        axum::serve(listener, self.router()).await
    }
}

/// The production interface. Whatever happens, the HTTP status is 200 and `resultCode` tells (spec: protocol §1.5).
async fn call(Shared(seller): Shared<Seller>, RawQuery(query): RawQuery, body: Bytes) -> Response {
    // Answering may wait for the disk, which must not hold up other calls.
    let answering = tokio::task::spawn_blocking(move || seller.answer(query.as_deref().unwrap_or(""), &body));
    let answer = answering.await.unwrap_or_else(|_| Answer::of(&ResultCode::InternalError));
    (StatusCode::OK, [(header::CONTENT_TYPE, CONTENT_TYPE)], answer.to_json()).into_response()
}

/// What there is, for people to look at.
async fn list(Shared(seller): Shared<Seller>) -> String {
    let instances = seller.instances();
    let calls = seller.calls();
    let refused = calls.iter().filter(|call| call.verified.is_err()).count();
    let mut text = format!("Yunshi sample seller · 云市示例商家\n\n{} instances, {} calls", instances.len(), calls.len());
    if refused > 0 {
        let _ = write!(text, ", {refused} of them with a wrong signature");
    }
    text.push_str("\n\n");
    let mut rows: Vec<&InstanceRecord> = instances.iter().collect();
    rows.sort_by_key(|it| (-it.opened_at, it.instance_id.as_str()));
    for it in rows.iter().take(LISTED_MAX) {
        let _ = writeln!(text, "{:<36}  {:<28}  {:<8}  {}", it.instance_id, it.order_line_id, it.state.word(), expiry(it));
    }
    if rows.len() > LISTED_MAX {
        let _ = writeln!(text, "… and {} more", rows.len() - LISTED_MAX);
    }
    text
}

/// What a buyer finds behind `frontEndUrl`: the service itself, as far as a sample has one.
async fn service(Shared(seller): Shared<Seller>, Path(id): Path<String>) -> (StatusCode, String) {
    let Some(it) = seller.instance(&id) else {
        return (StatusCode::NOT_FOUND, "no such instance\n".to_owned());
    };
    match it.state {
        State::Active => (StatusCode::OK, format!("welcome to {id}\n{}\n", expiry(&it))),
        State::Opening { .. } => (StatusCode::SERVICE_UNAVAILABLE, "this instance is being made\n".to_owned()),
        State::Frozen => (StatusCode::FORBIDDEN, "this instance is out of service; its data is kept\n".to_owned()),
        State::Released => (StatusCode::GONE, "this instance was released, its data is gone\n".to_owned()),
    }
}

fn expiry(it: &InstanceRecord) -> String {
    match it.expires_at.map(Timestamp::from_millisecond) {
        None | Some(Err(_)) => "expires as ordered".to_owned(),
        Some(Ok(time)) => format!("expires {time}"),
    }
}
