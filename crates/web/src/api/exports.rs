//! Lists as files: asked for, watched, fetched.

use axum::extract::State;
use axum::response::Response;
use kernel::ExportId;
use market::exports::{Export, ExportKind, FileFormat, Filter};
use market::page::Page;
use serde::Deserialize;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::AppState;
use crate::answer::{Created, Done, List};
use crate::auth::SignedIn;
use crate::exports;
use crate::extract::{Json, Segment};
use crate::problem::ApiResult;

pub(crate) fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(create_export))
        .routes(routes!(list_exports))
        .routes(routes!(show_export))
        .routes(routes!(delete_export))
        .routes(routes!(download_export))
}

/// A list that is wanted as a file.
#[derive(Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
struct ExportWanted {
    /// Which list.
    kind: ExportKind,
    /// As what kind of file.
    format: FileFormat,
    /// What of it; everything when left out.
    #[serde(default)]
    filter: Filter,
}

/// Export a list
///
/// Has a list written to a file in the language of whoever asks, who must be allowed to look at the list itself. Asking again for what is still under
/// way gives that one. The file is kept for three days.
#[utoipa::path(post, path = "/exports", tag = "account", operation_id = "create_export", security(("bearer" = [])),
    responses((status = CREATED, body = Export)))]
async fn create_export(State(app): State<AppState>, me: SignedIn, Json(wanted): Json<ExportWanted>) -> ApiResult<Created<Export>> {
    let ExportWanted { kind, format, filter } = wanted;
    let export = exports::ask(&app, me.ctx, &me.principal, kind, format, filter).await?;
    Ok(Created::at(format!("/api/v1/exports/{}", export.id), export))
}

/// Exports
///
/// Those of the account whose lists the reader may look at, newest first, each with how far it is.
#[utoipa::path(get, path = "/exports", tag = "account", operation_id = "list_exports", security(("bearer" = [])),
    responses((status = OK, body = List<Export>)))]
async fn list_exports(State(app): State<AppState>, me: SignedIn) -> ApiResult<List<Export>> {
    let items = exports::list(&app, &me.principal, me.ctx.now).await?;
    Ok(Page { items, next: None }.into())
}

/// An export
#[utoipa::path(get, path = "/exports/{id}", tag = "account", operation_id = "show_export", params(("id" = ExportId, Path)),
    security(("bearer" = [])), responses((status = OK, body = Export)))]
async fn show_export(State(app): State<AppState>, me: SignedIn, Segment(id): Segment<ExportId>) -> ApiResult<Json<Export>> {
    Ok(Json(exports::get(&app, &me.principal, id, me.ctx.now).await?))
}

/// Delete an export
///
/// One that is still being written ends.
#[utoipa::path(delete, path = "/exports/{id}", tag = "account", operation_id = "delete_export", params(("id" = ExportId, Path)),
    security(("bearer" = [])), responses((status = NO_CONTENT)))]
async fn delete_export(State(app): State<AppState>, me: SignedIn, Segment(id): Segment<ExportId>) -> ApiResult<Done> {
    exports::delete(&app, me.ctx, &me.principal, id).await?;
    Ok(Done)
}

/// The file of an export
///
/// Only of one that is done.
#[utoipa::path(get, path = "/exports/{id}/file", tag = "account", operation_id = "download_export", params(("id" = ExportId, Path)),
    security(("bearer" = [])),
    responses((status = OK, description = "The file", content(
        (String = "text/csv"),
        (String = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"),
    ))))]
async fn download_export(State(app): State<AppState>, me: SignedIn, Segment(id): Segment<ExportId>) -> ApiResult<Response> {
    exports::download(app, &me.principal, id, me.ctx.now).await
}
