//! Subscriptions: all of them, what each lived through, and freezing one for a violation.

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use db::Tx;
use http::StatusCode;
use kernel::{AccountId, Code, SubscriptionId};
use market::accounts::Permission;
use market::exports::ExportKind;
use market::page::PageRequest;
use market::subscriptions::{self as domain, Subscription, SubscriptionState, Whose};
use market::{calls, orders, views};
use serde::Deserialize;

use super::view::{Act, Actors, Block, Cell, Filter, List, Staff, Table, Thing, Titles, shown, timeline};
use crate::AppState;
use crate::auth::operator;
use crate::extract::{Form, Paging, Query, Segment};
use crate::pages::form::Filled;
use crate::pages::form::Pairs;
use crate::pages::parts::{more, more_of};
use crate::pages::shell::Member;
use crate::pages::states::Shown;
use crate::pages::{go_to, go_to_done};
use crate::problem::ApiResult;

#[derive(Deserialize, Default)]
pub(super) struct OfSubscriptions {
    #[serde(default)]
    state: String,
    #[serde(default)]
    q: String,
    #[serde(default)]
    buyer: String,
    #[serde(default)]
    seller: String,
}

/// The subscription that somebody looks for: by its id, or by the number of an order of it.
async fn wanted(tx: &mut Tx, sought: &str) -> db::Result<Option<SubscriptionId>> {
    let missing = |error: db::Error| if error.code() == Some(Code::NotFound) { Ok(None) } else { Err(error) };
    if let Ok(id) = sought.parse::<SubscriptionId>() {
        return domain::get(tx, id).await.map_or_else(missing, |sub| Ok(Some(sub.id)));
    }
    let number = sought.to_ascii_uppercase();
    let order = orders::get(tx, number.split('-').next().unwrap_or_default()).await;
    order.map_or_else(missing, |order| Ok(order.lines.iter().find_map(|line| line.subscription_id)))
}

pub(super) async fn subscriptions(
    State(app): State<AppState>,
    member: Member<operator::View>,
    Query(filter): Query<OfSubscriptions>,
    Paging(page): Paging,
) -> ApiResult<Response> {
    let staff = Staff::from(member);
    let t = staff.shell.t.clone();
    let mut wrong = String::new();
    let sought = filter.q.trim().to_owned();
    if !sought.is_empty() {
        let find = sought.clone();
        if let Some(id) = app.read(async move |tx: &mut Tx| wanted(tx, &find).await).await? {
            return Ok(go_to(&format!("/operator/subscriptions/{id}")).into_response());
        }
        wrong = t.with("page-op-no-such-subscription", sought);
    }
    let state = SubscriptionState::ALL.iter().copied().find(|state| state.word() == filter.state);
    let whose = match (filter.buyer.parse::<AccountId>(), filter.seller.parse::<AccountId>()) {
        (Ok(buyer), _) => Whose::Buyer(buyer),
        (_, Ok(seller)) => Whose::Seller(seller),
        _ => Whose::Everybody,
    };
    let (found, titles) = app
        .read(async move |tx: &mut Tx| {
            let found = domain::list(tx, whose, state, &page).await?;
            let titles = Titles::read(tx, found.items.iter().flat_map(|sub| [sub.buyer_id, sub.seller_id])).await?;
            Ok((found, titles))
        })
        .await?;
    let rows = found.items.iter().map(|sub| {
        let names = &sub.item.names;
        let variant = format!("{} · {}", names.edition.pick(t.locale), names.sku.pick(t.locale));
        vec![
            Cell::Link(format!("/operator/subscriptions/{}", sub.id), names.product.pick(t.locale).to_owned(), variant),
            titles.account(sub.buyer_id),
            titles.seller(sub.seller_id),
            Cell::Num(sub.quantity.to_string()),
            sub.ends_at.map_or_else(|| Cell::Text(t.s("page-service-no-end")), |at| staff.at(at)),
            Cell::Chip(sub.state.chip(&t)),
        ]
    });
    let heads = ["page-what", "page-op-buyer", "page-op-seller", "page-quantity", "page-ends", "page-state"];
    let chosen = [("state", &*filter.state), ("buyer", &*filter.buyer), ("seller", &*filter.seller)];
    let table = Table::new(&t, &heads, rows.collect(), "page-op-no-subscriptions");
    let table = table.with_more(more_of("/operator/subscriptions", &chosen, found.next.as_deref()));
    let words: Vec<_> = SubscriptionState::ALL.iter().map(|state| (state.word(), t.state(state.word()))).collect();
    let mut filters = vec![
        Filter::Seek { name: "q", label: t.s("page-op-seek-subscription"), value: filter.q },
        Filter::of_words(&t, "state", "page-state", &words, &filter.state),
    ];
    for (name, value) in [("buyer", filter.buyer), ("seller", filter.seller)] {
        if !value.is_empty() {
            filters.push(Filter::Keep { name, value });
        }
    }
    let list = List { filters, wrong, ..List::new(staff, "page-subscriptions", "/operator/subscriptions", table) };
    Ok(shown(StatusCode::OK, list.exported(ExportKind::OperatorSubscriptions, &["state"])))
}

fn facts(staff: &Staff, sub: &Subscription, titles: &Titles) -> Block {
    let t = &staff.shell.t;
    let mut facts = vec![
        staff.fact("page-op-buyer", titles.account(sub.buyer_id)),
        staff.fact("page-op-seller", titles.seller(sub.seller_id)),
        staff.fact(
            "page-op-product",
            Cell::link(format!("/operator/products/{}", sub.item.product_id), sub.item.names.product.pick(t.locale)),
        ),
        staff.fact(
            "page-variant",
            Cell::Two(sub.item.names.edition.pick(t.locale).to_owned(), sub.item.names.sku.pick(t.locale).to_owned()),
        ),
        staff.fact("page-quantity", Cell::Num(sub.quantity.to_string())),
        staff.fact("page-instance", sub.instance_id.clone().map_or(Cell::Empty, Cell::Mono)),
        staff.fact("page-op-begun", staff.at_or_none(sub.anchor_at)),
        staff.fact("page-ends", sub.ends_at.map_or_else(|| Cell::Text(t.s("page-service-no-end")), |at| staff.at(at))),
        staff.fact("page-renewal", Cell::Text(t.s(&format!("page-renews-{}", sub.renewal.mode.word())))),
        staff.fact("page-op-open-order-now", Cell::order_of(sub.open_order.as_deref())),
    ];
    facts.extend(sub.expired_at.map(|at| staff.fact("page-op-expired", staff.at(at))));
    facts.extend(sub.release_at.map(|at| staff.fact("page-op-releases", staff.at(at))));
    facts.extend(sub.released_at.map(|at| staff.fact("page-op-released", staff.at(at))));
    Block::Facts(String::new(), facts)
}

async fn subscription_page(app: &AppState, staff: Staff, id: SubscriptionId, page: PageRequest) -> ApiResult<Response> {
    let (sub, titles, timeline_page, actors, lines, made) = app
        .read(async move |tx: &mut Tx| {
            let sub = domain::get(tx, id).await?;
            let titles = Titles::read(tx, [sub.buyer_id, sub.seller_id]).await?;
            let entries = views::timeline(tx, None, id, &page).await?;
            let actors = Actors::of_entries(tx, &entries.items).await?;
            let lines = orders::lines_page(tx, id, &PageRequest { limit: 200, ..PageRequest::default() }).await?.items;
            let made = calls::list(tx, None, None, Some(id), &PageRequest { limit: 20, ..PageRequest::default() }).await?.items;
            Ok((sub, titles, entries, actors, lines, made))
        })
        .await?;
    let (t, currency) = (staff.shell.t.clone(), app.market().edition().currency);
    let mut blocks = Vec::new();
    if let Some(at) = sub.suspended_at {
        let why = sub.suspend_reason.clone().unwrap_or_default();
        blocks.push(Block::Say("bad", format!("{} {why}", t.with("page-op-frozen-since", t.time(at)))));
    }
    blocks.push(facts(&staff, &sub, &titles));
    if staff.may(Permission::OperatorSupport) {
        let path = |act: &str| format!("/operator/subscriptions/{id}/{act}");
        if sub.suspended_at.is_some() {
            blocks.push(Block::Act(Act::new(&staff, "unfreeze", path("unfreeze"), "page-op-unfreeze", "page-op-unfreeze-what").main()));
        } else if matches!(sub.state, SubscriptionState::InUse | SubscriptionState::Frozen) {
            let freeze = Act::new(&staff, "freeze", path("freeze"), "page-op-freeze", "page-op-freeze-what");
            blocks.push(Block::Act(freeze.reason(&t, "page-op-reason-of-freeze")));
        }
    }
    let lines = lines.iter().map(|line| {
        vec![
            Cell::order(&line.order_number),
            Cell::Text(t.period(line.period)),
            Cell::Num(line.quantity.to_string()),
            Cell::Num(staff.money(line.amount_minor, currency)),
            staff.at_or_none(line.effective_at),
            staff.at_or_none(line.ends_at),
            Cell::Chip(line.state.chip(&t)),
        ]
    });
    let line_heads = ["page-order", "page-how-long", "page-quantity", "page-amount", "page-op-begun", "page-ends", "page-state"];
    let made = made.iter().map(|call| super::calls::row(&staff, call, &titles)).collect();
    let rest = more(&format!("/operator/subscriptions/{id}"), timeline_page.next.as_deref());
    blocks.extend([
        Block::Table(t.s("page-op-order-lines"), Table::new(&t, &line_heads, lines.collect(), "page-op-nothing-yet")),
        Block::Table(t.s("page-all-calls"), Table::new(&t, super::calls::HEADS, made, "page-op-no-calls-of-order")),
        Block::Time(t.s("page-timeline"), timeline(&staff, &timeline_page.items, &actors), rest),
    ]);
    let page = Thing {
        title: sub.item.names.product.pick(t.locale).to_owned(),
        up: ("/operator/subscriptions".to_owned(), t.s("page-subscriptions")),
        under: sub.id.to_string(),
        chips: vec![sub.state.chip(&t)],
        blocks,
        shell: staff.shell.clone(),
    };
    Ok(shown(staff.status(), page))
}

pub(super) async fn subscription(
    State(app): State<AppState>,
    member: Member<operator::View>,
    Segment(id): Segment<SubscriptionId>,
    Paging(page): Paging,
) -> ApiResult<Response> {
    subscription_page(&app, member.into(), id, page).await
}

pub(super) async fn freeze(
    State(app): State<AppState>,
    member: Member<operator::Support>,
    Segment(id): Segment<SubscriptionId>,
    form: Form<Pairs>,
) -> ApiResult<Response> {
    let (staff, filled, market) = (Staff::from(member), Filled::of(form.fields), app.market().clone());
    let (ctx, reason) = (staff.act(), filled.value("reason").to_owned());
    match app.write(async move |tx: &mut Tx| domain::suspend(tx, &ctx, market.edition(), id, &reason).await).await {
        Ok(_) => Ok(go_to_done(&format!("/operator/subscriptions/{id}"), "frozen").into_response()),
        Err(error) => subscription_page(&app, staff.refuse("freeze", filled, error)?, id, PageRequest::default()).await,
    }
}

pub(super) async fn unfreeze(
    State(app): State<AppState>,
    member: Member<operator::Support>,
    Segment(id): Segment<SubscriptionId>,
    form: Form<Pairs>,
) -> ApiResult<Response> {
    let (staff, market) = (Staff::from(member), app.market().clone());
    let ctx = staff.act();
    match app.write(async move |tx: &mut Tx| domain::resume(tx, &ctx, market.edition(), id).await).await {
        Ok(_) => Ok(go_to_done(&format!("/operator/subscriptions/{id}"), "unfrozen").into_response()),
        Err(error) => {
            let staff = staff.refuse("unfreeze", Filled::of(form.fields), error)?;
            subscription_page(&app, staff, id, PageRequest::default()).await
        }
    }
}
