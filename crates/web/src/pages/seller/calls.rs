//! The seller's calls: everything that was said to their server and what it answered, to find why an order failed.

use askama::Template;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use kernel::DeliveryId;
use market::calls::{self, Attempt, Call, CallState};
use market::delivery;
use serde::Deserialize;
use wire::koogallery_v2::ResultCode;

use crate::AppState;
use crate::auth::seller;
use crate::extract::{Form, Paging, Query, Segment, seal_cursor};
use crate::pages::parts::{Chip, Choice};
use crate::pages::shell::{Member, Shell, Words};
use crate::pages::{Page, go_to};
use crate::problem::ApiResult;
use crate::texts;

fn chip(state: CallState, words: &Words) -> Chip {
    let tone = match state {
        CallState::Queued | CallState::Withdrawn => "idle",
        CallState::Waiting => "warn",
        CallState::Polling => "wait",
        CallState::Done => "ok",
        CallState::GaveUp => "bad",
    };
    Chip { word: words.state(state.word()), tone }
}

struct CallRow {
    href: String,
    scene: String,
    order: String,
    asked: String,
    attempts: i64,
    verdict: String,
    chip: Chip,
}

fn row(call: &Call, words: &Words) -> CallRow {
    CallRow {
        href: format!("/seller/calls/{}", call.id),
        scene: words.s(&format!("page-scene-{}", call.scene.word())),
        order: call.order_number.clone().unwrap_or_default(),
        asked: words.time(call.created_at),
        attempts: call.attempts,
        verdict: call.last_verdict.as_deref().map_or_else(String::new, |word| words.alone("verdict", word)),
        chip: chip(call.state, words),
    }
}

#[derive(Deserialize, Default)]
pub(crate) struct Filter {
    #[serde(default)]
    state: String,
}

#[derive(Template)]
#[template(path = "seller/calls.html")]
pub(crate) struct Calls {
    shell: Shell,
    states: Vec<Choice>,
    rows: Vec<CallRow>,
    more: Option<String>,
}

pub(crate) async fn calls(
    State(app): State<AppState>,
    member: Member<seller::View>,
    Query(filter): Query<Filter>,
    Paging(page): Paging,
) -> ApiResult<Page<Calls>> {
    let account = member.may.account();
    // A state that does not exist is that of all, as when none is chosen.
    let wanted = CallState::ALL.iter().copied().find(|state| state.word() == filter.state);
    let found = app.read(async move |tx| calls::list(tx, Some(account), wanted, None, &page).await).await?;
    let words = &member.shell.t;
    let all = Choice::all(words, wanted.is_none());
    let one = |state: &CallState| Choice { value: state.word().to_owned(), label: words.state(state.word()), on: wanted == Some(*state) };
    let states = std::iter::once(all).chain(CallState::ALL.iter().map(one)).collect();
    let rows = found.items.iter().map(|call| row(call, words)).collect();
    let more = found.next.as_deref().map(|key| {
        let state = wanted.map_or("", CallState::word);
        format!("/seller/calls?state={state}&cursor={}", seal_cursor(key))
    });
    Ok(Page(Calls { states, rows, more, shell: member.shell }))
}

struct AttemptCard {
    n: i64,
    kind: String,
    at: String,
    url: String,
    request: String,
    curl: String,
    status: String,
    elapsed: String,
    answer: String,
    verdict: String,
    is_good: bool,
}

fn attempt_card(attempt: &Attempt, words: &Words) -> AttemptCard {
    let status = attempt.status.map_or_else(|| "—".to_owned(), |status| status.to_string());
    let verdict = match attempt.verdict.as_str() {
        // The seller's own code, by the published table.
        "answered" => texts::result_code(words.locale, &ResultCode::parse(&code_in(attempt.answer_body.as_deref().unwrap_or_default()))),
        word => words.alone("verdict", word),
    };
    AttemptCard {
        n: attempt.n,
        kind: words.s(&format!("page-attempt-{}", attempt.kind.word())),
        at: words.time(attempt.at),
        url: attempt.url.clone(),
        request: pretty(&attempt.request_body),
        curl: curl(&attempt.url, &attempt.request_body),
        status,
        elapsed: format!("{} ms", attempt.elapsed_ms),
        answer: attempt.answer_body.as_deref().map_or_else(|| words.s("page-no-answer"), pretty),
        verdict,
        is_good: matches!(attempt.verdict.as_str(), "done" | "pending"),
    }
}

/// The result code of an answer.
fn code_in(body: &str) -> String {
    let answer: serde_json::Value = serde_json::from_str(body).unwrap_or_default();
    answer["resultCode"].as_str().unwrap_or_default().to_owned()
}

/// JSON with lines and indents; anything else as it is.
fn pretty(body: &str) -> String {
    let value = serde_json::from_str::<serde_json::Value>(body);
    value.ok().and_then(|value| serde_json::to_string_pretty(&value).ok()).unwrap_or_else(|| body.to_owned())
}

/// The request for a shell. What was masked stays masked: signed anew it is by a replay.
fn curl(url: &str, body: &str) -> String {
    let quoted = |text: &str| format!("'{}'", text.replace('\'', r"'\''"));
    let quoted_body = quoted(body);
    format!("curl -X POST {} -H 'content-type: application/json' -d {quoted_body}", quoted(url))
}

#[derive(Template)]
#[template(path = "seller/call.html")]
pub(crate) struct CallPage {
    shell: Shell,
    id: String,
    row: CallRow,
    instance: String,
    attempts: Vec<AttemptCard>,
    more: Option<String>,
    can_restart: bool,
}

pub(crate) async fn call(
    State(app): State<AppState>,
    member: Member<seller::View>,
    Segment(id): Segment<DeliveryId>,
    Paging(page): Paging,
) -> ApiResult<Page<CallPage>> {
    let account = member.may.account();
    let (call, attempts) = app
        .read(async move |tx| {
            let call = calls::get_of(tx, account, id).await?;
            let attempts = calls::attempts(tx, id, &page).await?;
            Ok((call, attempts))
        })
        .await?;
    let words = member.shell.t.clone();
    Ok(Page(CallPage {
        id: id.to_string(),
        row: row(&call, &words),
        instance: call.instance_id.clone().unwrap_or_default(),
        attempts: attempts.items.iter().map(|attempt| attempt_card(attempt, &words)).collect(),
        more: attempts.next.as_deref().map(|key| format!("/seller/calls/{id}?cursor={}", seal_cursor(key))),
        can_restart: matches!(call.state, CallState::Waiting | CallState::Polling | CallState::GaveUp),
        shell: member.shell,
    }))
}

/// A form with a button and nothing to fill in.
#[derive(Deserialize)]
pub(crate) struct NoFields {}

pub(crate) async fn restart(
    State(app): State<AppState>,
    member: Member<seller::Develop>,
    Segment(id): Segment<DeliveryId>,
    _: Form<NoFields>,
) -> ApiResult<Response> {
    let (account, ctx) = (member.may.account(), member.may.ctx);
    app.write(async move |tx| calls::restart(tx, &ctx, Some(account), id).await).await?;
    Ok(go_to(&format!("/seller/calls/{id}")).into_response())
}

pub(crate) async fn replay(
    State(app): State<AppState>,
    member: Member<seller::Develop>,
    Segment(id): Segment<DeliveryId>,
    _: Form<NoFields>,
) -> ApiResult<Response> {
    delivery::replay(app.market(), &member.may.ctx, member.may.account(), id).await?;
    Ok(go_to(&format!("/seller/calls/{id}")).into_response())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_can_be_sent_from_a_shell_as_it_was() {
        let line = curl("https://seller.example/it's", r#"{"a":"it's"}"#);
        assert_eq!(line, r#"curl -X POST 'https://seller.example/it'\''s' -H 'content-type: application/json' -d '{"a":"it'\''s"}'"#);
    }

    #[test]
    fn an_answer_is_shown_by_its_parts() {
        assert_eq!(pretty(r#"{"a":1}"#), "{\n  \"a\": 1\n}");
        assert_eq!(pretty("<html>"), "<html>");
        assert_eq!((code_in(r#"{"resultCode":"000004"}"#).as_str(), code_in("x").as_str()), ("000004", ""));
    }
}
