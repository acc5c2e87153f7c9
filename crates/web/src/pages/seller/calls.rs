//! The seller's calls: everything that was said to their server and what it answered, to find why an order failed.

use askama::Template;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use kernel::DeliveryId;
use market::calls::{self, Call, CallState, Scene};
use market::delivery;
use market::views::selling::{self, CallFigures, CallFilter, TERM_MAX};
use serde::Deserialize;

use crate::AppState;
use crate::auth::seller;
use crate::extract::{Form, Paging, Query, Segment};
use crate::pages::attempts::AttemptCard;
use crate::pages::form::NoFields;
use crate::pages::parts::{Chip, Choice, Stamp, Tile, more, more_of};
use crate::pages::shell::{Member, Shell, Words};
use crate::pages::states::{Shown, choices};
use crate::pages::{Page, go_to, go_to_done};
use crate::problem::ApiResult;

/// A call in a list.
pub(super) struct CallRow {
    pub(super) href: String,
    pub(super) scene: String,
    pub(super) order: String,
    pub(super) asked: Stamp,
    pub(super) attempts: i64,
    pub(super) verdict: String,
    pub(super) chip: Chip,
}

pub(super) fn row(call: &Call, now: i64, words: &Words) -> CallRow {
    CallRow {
        href: format!("/seller/calls/{}", call.id),
        scene: scene_label(call.scene, words),
        order: call.order_number.clone().unwrap_or_default(),
        asked: words.stamp(call.created_at, now),
        attempts: call.attempts,
        // That it is done the state says already.
        verdict: call
            .last_verdict
            .as_deref()
            .filter(|_| call.state != CallState::Done)
            .map_or_else(String::new, |word| words.alone("verdict", word)),
        chip: call.state.chip(words),
    }
}

fn scene_label(scene: Scene, words: &Words) -> String {
    words.s(&format!("page-scene-{}", scene.word()))
}

#[derive(Deserialize, Default)]
pub(crate) struct Filter {
    #[serde(default)]
    state: String,
    #[serde(default)]
    scene: String,
    #[serde(default)]
    q: String,
}

#[derive(Template)]
#[template(path = "seller/calls.html")]
pub(crate) struct Calls {
    shell: Shell,
    tiles: Vec<Tile>,
    states: Vec<Choice>,
    scenes: Vec<Choice>,
    q: String,
    rows: Vec<CallRow>,
    more: Option<String>,
}

fn tiles(figures: &CallFigures, words: &Words) -> Vec<Tile> {
    let ended = figures.done + figures.gave_up;
    // Without an end there is no share of it.
    let share = (ended > 0).then(|| figures.done * 100 / ended);
    let tile =
        |key: &str, value: String, note: String, href: &str, tone| Tile { label: words.s(key), value, note, href: href.to_owned(), tone };
    vec![
        tile("page-sell-calls-today", figures.asked.to_string(), String::new(), "", ""),
        tile(
            "page-sell-calls-succeeded",
            share.map_or_else(|| "—".to_owned(), |share| format!("{share} %")),
            words.with("page-sell-calls-of-ended", ended.to_string()),
            "",
            if share.is_some_and(|share| share < 90) { "bad" } else { "" },
        ),
        tile(
            "page-sell-calls-p95",
            figures.p95_ms.map_or_else(|| "—".to_owned(), |ms| format!("{ms} ms")),
            words.s("page-sell-calls-p95-what"),
            "",
            "",
        ),
        tile(
            "page-sell-calls-retried",
            figures.retried.to_string(),
            String::new(),
            "/seller/calls?state=waiting",
            if figures.retried > 0 { "warn" } else { "" },
        ),
    ]
}

pub(crate) async fn calls(
    State(app): State<AppState>,
    member: Member<seller::View>,
    Query(typed): Query<Filter>,
    Paging(page): Paging,
) -> ApiResult<Page<Calls>> {
    let (account, now, zone) = (member.may.account(), member.may.ctx.now, app.market().edition().zone.clone());
    let (state, scene) = (CallState::named(&typed.state), Scene::ALL.iter().copied().find(|one| one.word() == typed.scene));
    let q: String = typed.q.trim().chars().take(TERM_MAX).collect();
    let filters = CallFilter { state, scene, term: q.clone() };
    let (found, figures) = app
        .read(async move |tx| {
            Ok((selling::calls(tx, account, &filters, &page).await?, selling::call_figures(tx, account, &zone, now).await?))
        })
        .await?;
    let words = member.shell.t.clone();
    let chosen = [("state", state.map_or("", CallState::word)), ("scene", scene.map_or("", Scene::word)), ("q", q.as_str())];
    Ok(Page(Calls {
        tiles: tiles(&figures, &words),
        states: CallState::choices(state, &words),
        scenes: choices(Scene::ALL, scene, &words, Scene::word, |one| scene_label(one, &words)),
        rows: found.items.iter().map(|call| row(call, now, &words)).collect(),
        more: more_of("/seller/calls", &chosen, found.next.as_deref()),
        q,
        shell: member.shell,
    }))
}

#[derive(Template)]
#[template(path = "seller/call.html")]
pub(crate) struct CallPage {
    shell: Shell,
    id: String,
    row: CallRow,
    instance: String,
    subscription: String,
    attempts: Vec<AttemptCard>,
    more: Option<String>,
    can_restart: bool,
    may_develop: bool,
    /// When the next attempt comes, and when it is given up.
    next_at: Option<Stamp>,
    gives_up_at: Option<Stamp>,
    /// What became of it, in a sentence.
    meaning: String,
}

pub(crate) async fn call(
    State(app): State<AppState>,
    member: Member<seller::View>,
    Segment(id): Segment<DeliveryId>,
    Paging(page): Paging,
) -> ApiResult<Page<CallPage>> {
    let (account, now) = (member.may.account(), member.may.ctx.now);
    let (call, attempts, next_at) = app
        .read(async move |tx| {
            let call = calls::get_of(tx, account, id).await?;
            let next_at = selling::next_attempt(tx, id).await?;
            Ok((call, calls::attempts(tx, id, &page).await?, next_at))
        })
        .await?;
    let words = member.shell.t.clone();
    // Giving one of these up has returned the buyer's money.
    let is_refunded = matches!(call.scene, Scene::Create | Scene::Change);
    let meaning = match call.state {
        CallState::Queued => words.s("page-sell-call-queued"),
        CallState::Waiting if call.attempts == 0 => words.s("page-sell-call-at-once"),
        CallState::Waiting => words.s("page-sell-call-waiting"),
        CallState::Polling => words.s("page-sell-call-polling"),
        CallState::Done => words.s("page-sell-call-done"),
        CallState::GaveUp if is_refunded => words.s("page-sell-call-gave-up-refunded"),
        CallState::GaveUp => words.s("page-sell-call-gave-up"),
        CallState::Withdrawn => words.s("page-sell-call-withdrawn"),
    };
    let may_develop = member.may.principal.require(market::accounts::Permission::SellerDevelop).is_ok();
    let is_stopped = call.state == CallState::GaveUp && !is_refunded;
    Ok(Page(CallPage {
        id: id.to_string(),
        row: row(&call, now, &words),
        instance: call.instance_id.clone().unwrap_or_default(),
        subscription: call.subscription_id.to_string(),
        attempts: attempts.items.iter().map(|attempt| AttemptCard::new(attempt, &words)).collect(),
        more: more(&format!("/seller/calls/{id}"), attempts.next.as_deref()),
        can_restart: may_develop && (is_stopped || matches!(call.state, CallState::Waiting | CallState::Polling)),
        may_develop,
        next_at: next_at.map(|at| words.stamp(at, now)),
        gives_up_at: delivery::gives_up_at(&call).map(|at| words.stamp(at, now)),
        meaning,
        shell: member.shell,
    }))
}

pub(crate) async fn restart(
    State(app): State<AppState>,
    member: Member<seller::Develop>,
    Segment(id): Segment<DeliveryId>,
    _: Form<NoFields>,
) -> ApiResult<Response> {
    let (account, ctx) = (member.may.account(), member.may.ctx);
    app.write(async move |tx| calls::restart(tx, &ctx, Some(account), id).await).await?;
    Ok(go_to_done(&format!("/seller/calls/{id}"), "call-restarted").into_response())
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
