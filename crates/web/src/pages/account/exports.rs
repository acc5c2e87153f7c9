//! Lists as files: asked for above each list, found here for three days.

use askama::Template;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use kernel::{Code, ExportId, Refusal};
use market::exports::{Export, ExportState, Filter, KEPT_DAYS, ROWS_MAX};

use crate::AppState;
use crate::auth::SignedIn;
use crate::exports;
use crate::extract::{Form, Segment};
use crate::pages::form::Filled;
use crate::pages::form::Pairs;
use crate::pages::parts::{Chip, Stamp};
use crate::pages::shell::{Person, Shell, Words, grouped};
use crate::pages::{Page, again, go_to_done};
use crate::problem::{ApiError, ApiResult};

struct Row {
    id: String,
    what: String,
    file: String,
    asked: Stamp,
    chip: Chip,
    /// How far it is, while it is being written.
    percent: Option<i64>,
    /// That in words, or what else is to be said.
    note: String,
    size: String,
    until: Option<Stamp>,
}

#[derive(Template)]
#[template(path = "account/exports.html")]
pub(crate) struct Exports {
    shell: Shell,
    rows: Vec<Row>,
    is_live: bool,
    filled: Filled,
    days: String,
}

/// `12.3 KB`.
fn size(bytes: i64) -> String {
    const UNITS: [(i64, &str); 3] = [(1 << 30, "GB"), (1 << 20, "MB"), (1 << 10, "KB")];
    match UNITS.iter().find(|(unit, _)| bytes >= *unit) {
        Some((unit, name)) => format!("{}.{} {name}", bytes / unit, bytes % unit * 10 / unit),
        None => format!("{bytes} B"),
    }
}

fn note(export: &Export, words: &Words) -> String {
    let part = |key: &str, values: &[(&'static str, String)]| crate::texts::part(words.locale, key, values);
    match (export.state, export.rows_total) {
        (ExportState::Queued, _) => words.s("page-export-waits"),
        (ExportState::Running, Some(total)) => {
            part("page-export-rows-of", &[("done", grouped(&export.rows_done.to_string())), ("total", grouped(&total.to_string()))])
        }
        (ExportState::Running, None) if export.rows_done == 0 => words.s("page-export-begins"),
        (ExportState::Running, None) => words.with("page-export-rows-so-far", grouped(&export.rows_done.to_string())),
        (ExportState::Failed, _) => words.s("page-export-failed-what"),
        (ExportState::Done, _) if export.cut_at.is_some() => words.with("page-export-cut", grouped(&ROWS_MAX.to_string())),
        (ExportState::Done, _) => String::new(),
    }
}

fn row(export: &Export, now: i64, words: &Words) -> Row {
    let (key, tone) = match export.state {
        ExportState::Queued => ("page-export-queued", "idle"),
        ExportState::Running => ("page-export-running", "wait"),
        ExportState::Done => ("page-export-done", "ok"),
        ExportState::Failed => ("page-export-failed", "bad"),
    };
    Row {
        id: export.id.to_string(),
        what: exports::title(export.kind, words.locale),
        file: export.file_name.clone(),
        asked: words.stamp(export.created_at, now),
        chip: Chip { word: words.s(key), tone },
        percent: export.percent().filter(|_| export.state.is_active()),
        note: note(export, words),
        size: if export.state == ExportState::Done { size(export.bytes) } else { String::new() },
        until: export.expires_at.filter(|_| export.state == ExportState::Done).map(|at| words.stamp(at, now)),
    }
}

async fn page(app: &AppState, person: Person, filled: Filled) -> ApiResult<Exports> {
    let now = person.ctx.now;
    let found = exports::list(app, &person.principal, now).await?;
    let words = &person.shell.t;
    Ok(Exports {
        rows: found.iter().map(|export| row(export, now, words)).collect(),
        is_live: found.iter().any(|export| export.state.is_active()),
        days: words.with("page-exports-what", KEPT_DAYS.to_string()),
        filled,
        shell: person.shell,
    })
}

pub(crate) async fn exports(State(app): State<AppState>, person: Person) -> ApiResult<Page<Exports>> {
    Ok(Page(page(&app, person, Filled::default()).await?))
}

/// What the filters above a list say; a field that is empty chooses nothing.
fn filter(filled: &Filled) -> Result<Filter, Refusal> {
    fn id<T: std::str::FromStr>(filled: &Filled, field: &'static str) -> Result<Option<T>, Refusal> {
        let text = filled.trimmed(field);
        if text.is_empty() { Ok(None) } else { text.parse().map(Some).map_err(|_| Refusal::field(field, "unknown")) }
    }
    let text = |field: &str| Some(filled.trimmed(field).to_owned()).filter(|text| !text.is_empty());
    Ok(Filter {
        state: text("state"),
        account: id(filled, "account")?,
        subscription: id(filled, "subscription")?,
        statement: id(filled, "statement")?,
        name: text("name"),
    })
}

pub(crate) async fn ask(State(app): State<AppState>, person: Person, form: Form<Pairs>) -> ApiResult<Response> {
    let filled = Filled::of(form.fields);
    let word = |field: &'static str| Refusal::field(field, "unknown");
    let read = || -> Result<_, Refusal> {
        let kind = filled.value("kind").parse().map_err(|_| word("kind"))?;
        let format = filled.value("format").parse().map_err(|_| word("format"))?;
        Ok((kind, format, filter(&filled)?))
    };
    let asked = match read() {
        Ok((kind, format, filter)) => exports::ask(&app, person.ctx.at(person.ctx.now), &person.principal, kind, format, filter).await,
        Err(refusal) => Err(refusal.into()),
    };
    match asked {
        Ok(_) => Ok(go_to_done("/account/exports", "export-asked").into_response()),
        Err(ApiError::Refused(refusal)) if matches!(refusal.code, Code::TooMany | Code::FieldInvalid) => {
            // There is no field on this page: what is wrong stands above it.
            let filled = Filled::default().refused(&refusal, person.shell.t.locale);
            Ok(again(&refusal, page(&app, person, filled).await?))
        }
        Err(fault) => Err(fault),
    }
}

pub(crate) async fn download(State(app): State<AppState>, me: SignedIn, Segment(id): Segment<ExportId>) -> ApiResult<Response> {
    exports::download(app, &me.principal, id, me.ctx.now).await
}

pub(crate) async fn delete(State(app): State<AppState>, me: SignedIn, Segment(id): Segment<ExportId>) -> ApiResult<Response> {
    let SignedIn { principal, ctx } = me;
    exports::delete(&app, ctx, &principal, id).await?;
    Ok(go_to_done("/account/exports", "export-deleted").into_response())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_size_is_said_in_the_unit_that_says_enough() {
        for (bytes, said) in [(0, "0 B"), (1_023, "1023 B"), (1_024, "1.0 KB"), (1_572_864, "1.5 MB"), (5 << 30, "5.0 GB")] {
            assert_eq!(size(bytes), said);
        }
        assert_eq!(
            (grouped(&7.to_string()), grouped(&1_200.to_string()), grouped(&200_000.to_string())),
            ("7".to_owned(), "1,200".to_owned(), "200,000".to_owned())
        );
    }
}
