//! Every call to every seller's server.

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use db::Tx;
use http::StatusCode;
use kernel::{AccountId, DeliveryId};
use market::accounts::Permission;
use market::calls::{self as domain, Call, CallState};
use serde::Deserialize;

use super::view::{Act, Block, Cell, Filter, List, Staff, Table, Thing, Titles, shown};
use crate::AppState;
use crate::auth::operator;
use crate::extract::{Form, Paging, Query, Segment};
use crate::pages::attempts::AttemptCard;
use crate::pages::form::Filled;
use crate::pages::form::Pairs;
use crate::pages::go_to_done;
use crate::pages::parts::{more, more_of};
use crate::pages::shell::Member;
use crate::pages::states::Shown;
use crate::problem::ApiResult;

pub(super) const HEADS: &[&str] =
    &["page-scene", "page-op-seller", "page-order", "page-asked", "page-last-answer", "page-attempts", "page-state"];

pub(super) fn row(staff: &Staff, call: &Call, titles: &Titles) -> Vec<Cell> {
    let t = &staff.shell.t;
    vec![
        Cell::link(format!("/operator/calls/{}", call.id), t.s(&format!("page-scene-{}", call.scene.word()))),
        titles.seller(call.seller_id),
        Cell::order_of(call.order_number.as_deref()),
        staff.at(call.created_at),
        Cell::Text(call.last_verdict.as_deref().map_or_else(String::new, |word| t.alone("verdict", word))),
        Cell::Num(call.attempts.to_string()),
        Cell::Chip(call.state.chip(t)),
    ]
}

#[derive(Deserialize, Default)]
pub(super) struct OfCalls {
    #[serde(default)]
    state: String,
    #[serde(default)]
    seller: String,
}

pub(super) async fn calls(
    State(app): State<AppState>,
    member: Member<operator::View>,
    Query(filter): Query<OfCalls>,
    Paging(page): Paging,
) -> ApiResult<Response> {
    let staff = Staff::from(member);
    let wanted = CallState::ALL.iter().copied().find(|state| state.word() == filter.state);
    let seller: Option<AccountId> = filter.seller.trim().parse().ok();
    let (found, titles) = app
        .read(async move |tx: &mut Tx| {
            let found = domain::list(tx, seller, wanted, None, &page).await?;
            let titles = Titles::read(tx, found.items.iter().map(|call| call.seller_id)).await?;
            Ok((found, titles))
        })
        .await?;
    let t = staff.shell.t.clone();
    let rows = found.items.iter().map(|call| row(&staff, call, &titles)).collect();
    let more = more_of("/operator/calls", &[("state", &filter.state), ("seller", &filter.seller)], found.next.as_deref());
    let table = Table::new(&t, HEADS, rows, "page-op-no-calls-at-all").with_more(more);
    let words: Vec<_> = CallState::ALL.iter().map(|state| (state.word(), t.state(state.word()))).collect();
    let filters = vec![
        Filter::of_words(&t, "state", "page-state", &words, &filter.state),
        Filter::Seek { name: "seller", label: t.s("page-op-seller-id"), value: filter.seller.clone() },
    ];
    let wrong = if seller.is_none() && !filter.seller.trim().is_empty() { t.s("page-op-no-such-id") } else { String::new() };
    Ok(shown(StatusCode::OK, List { filters, wrong, ..List::new(staff, "page-all-calls", "/operator/calls", table) }))
}

async fn call_page(app: &AppState, staff: Staff, id: DeliveryId, page: market::page::PageRequest) -> ApiResult<Response> {
    let (call, attempts, titles) = app
        .read(async move |tx: &mut Tx| {
            let call = domain::get(tx, id).await?;
            let attempts = domain::attempts(tx, id, &page).await?;
            let titles = Titles::read(tx, [call.seller_id]).await?;
            Ok((call, attempts, titles))
        })
        .await?;
    let t = staff.shell.t.clone();
    let facts = vec![
        staff.fact("page-op-seller", titles.seller(call.seller_id)),
        staff.fact("page-order", Cell::order_of(call.order_number.as_deref())),
        staff.fact(
            "page-op-subscription",
            Cell::Code(format!("/operator/subscriptions/{}", call.subscription_id), call.subscription_id.to_string()),
        ),
        staff.fact("page-instance", call.instance_id.clone().map_or(Cell::Empty, Cell::Mono)),
        staff.fact("page-asked", staff.at(call.created_at)),
        staff.fact("page-op-ended", staff.at_or_none(call.ended_at)),
        staff.fact("page-attempts", Cell::Num(call.attempts.to_string())),
    ];
    let mut blocks = vec![Block::Facts(String::new(), facts)];
    let can = matches!(call.state, CallState::Waiting | CallState::Polling | CallState::GaveUp);
    if can && staff.may(Permission::OperatorSupport) {
        let path = format!("/operator/calls/{id}/restart");
        blocks.push(Block::Act(Act::new(&staff, "restart", path, "page-restart", "page-op-restart-what").main()));
    }
    if attempts.items.is_empty() {
        blocks.push(Block::Say("warn", t.s("page-no-attempts")));
    }
    blocks.extend(attempts.items.iter().map(|attempt| Block::Attempt(AttemptCard::new(attempt, &t))));
    if let Some(more) = more(&format!("/operator/calls/{id}"), attempts.next.as_deref()) {
        let earlier = Table { more: Some(more), rows: vec![], empty: t.s("page-op-earlier-attempts"), heads: vec![] };
        blocks.push(Block::Table(String::new(), earlier));
    }
    let page = Thing {
        title: t.s(&format!("page-scene-{}", call.scene.word())),
        up: ("/operator/calls".to_owned(), t.s("page-all-calls")),
        under: call.id.to_string(),
        chips: vec![call.state.chip(&t)],
        blocks,
        shell: staff.shell.clone(),
    };
    Ok(shown(staff.status(), page))
}

pub(super) async fn call(
    State(app): State<AppState>,
    member: Member<operator::View>,
    Segment(id): Segment<DeliveryId>,
    Paging(page): Paging,
) -> ApiResult<Response> {
    call_page(&app, member.into(), id, page).await
}

pub(super) async fn restart(
    State(app): State<AppState>,
    member: Member<operator::Support>,
    Segment(id): Segment<DeliveryId>,
    form: Form<Pairs>,
) -> ApiResult<Response> {
    let staff = Staff::from(member);
    let ctx = staff.act();
    match app.write(async move |tx: &mut Tx| domain::restart(tx, &ctx, None, id).await).await {
        Ok(_) => Ok(go_to_done(&format!("/operator/calls/{id}"), "restarted").into_response()),
        Err(error) => {
            let staff = staff.refuse("restart", Filled::of(form.fields), error)?;
            call_page(&app, staff, id, market::page::PageRequest::default()).await
        }
    }
}
