//! What handlers answer with.

use axum::response::{IntoResponse, Response};
use http::header::{ETAG, LOCATION};
use http::{HeaderValue, StatusCode};
use market::page::Page;
use serde::Serialize;

use crate::extract::{Json, Made, seal_cursor};
use crate::problem::{ApiError, ApiResult};

impl<T: Serialize> IntoResponse for Json<T> {
    fn into_response(self) -> Response {
        match serde_json::to_vec(&self.0) {
            Ok(bytes) => ([("content-type", "application/json")], bytes).into_response(),
            Err(fault) => ApiError::from(fault).into_response(),
        }
    }
}

/// A part of a list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct List<T> {
    /// The rows.
    pub items: Vec<T>,
    /// The `cursor` of the next page; null when this is the last.
    pub next: Option<String>,
}

impl<T> From<Page<T>> for List<T> {
    fn from(page: Page<T>) -> Self {
        Self { items: page.items, next: page.next.as_deref().map(seal_cursor) }
    }
}

impl<T: Serialize> IntoResponse for List<T> {
    fn into_response(self) -> Response {
        Json(self).into_response()
    }
}

/// A new thing and where it is: 201.
#[derive(Clone, Debug)]
pub struct Created<T> {
    /// Its path.
    pub location: String,
    /// The thing.
    pub body: T,
}

impl<T> Created<T> {
    /// `body` at `location`.
    pub fn at(location: impl Into<String>, body: T) -> Self {
        Self { location: location.into(), body }
    }
}

impl<T: Serialize> IntoResponse for Created<T> {
    fn into_response(self) -> Response {
        let mut response = (StatusCode::CREATED, Json(self.body)).into_response();
        if let Ok(location) = HeaderValue::from_str(&self.location) {
            response.headers_mut().insert(LOCATION, location);
        }
        response
    }
}

/// What was made under a key (see [`crate::extract::MayOnce`]) below the path `under`, as it was kept: with its address and the tag of its version.
pub(crate) fn created<T: Serialize>(under: &str, made: Made<T>) -> ApiResult<Tagged<Created<Made<T>>>> {
    let shown = serde_json::to_value(&made)?;
    let location = format!("{under}/{}", shown["id"].as_str().unwrap_or_default());
    Ok(Tagged::new(shown["version"].as_i64().unwrap_or_default(), Created::at(location, made)))
}

/// Something that two people may edit: with the `ETag` of its version.
#[derive(Clone, Debug)]
pub struct Tagged<R> {
    /// The version.
    pub version: i64,
    /// The answer.
    pub answer: R,
}

impl<R> Tagged<R> {
    /// `answer` with the tag of `version`.
    pub const fn new(version: i64, answer: R) -> Self {
        Self { version, answer }
    }
}

impl<R: IntoResponse> IntoResponse for Tagged<R> {
    fn into_response(self) -> Response {
        let mut response = self.answer.into_response();
        if let Ok(tag) = HeaderValue::from_str(&format!("\"{}\"", self.version)) {
            response.headers_mut().insert(ETAG, tag);
        }
        response
    }
}

/// Done, and nothing to say: 204.
#[derive(Clone, Copy, Debug)]
pub struct Done;

impl IntoResponse for Done {
    fn into_response(self) -> Response {
        StatusCode::NO_CONTENT.into_response()
    }
}
