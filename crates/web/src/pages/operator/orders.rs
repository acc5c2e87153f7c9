//! Orders: all of them, what happened to each and why every cent of it moved; large returns, about which the operator decides.

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use db::Tx;
use http::StatusCode;
use kernel::Code;
use market::accounts::Permission;
use market::exports::ExportKind;
use market::orders::{self as domain, LineState, Order, OrderKind, OrderState};
use market::page::PageRequest;
use market::subscriptions::Whose;
use market::{audit, calls, ledger, refunds as returns};
use serde::Deserialize;

use super::view::{Act, Actors, Block, Cell, Filter, List, Staff, Table, Thing, Titles, be_sure, shown, timeline};
use crate::AppState;
use crate::auth::operator;
use crate::extract::{Form, Paging, Query, Segment};
use crate::pages::form::Filled;
use crate::pages::form::Pairs;
use crate::pages::parts::{more, more_of};
use crate::pages::shell::{Member, Words};
use crate::pages::states::Shown;
use crate::pages::{go_to, go_to_done};
use crate::problem::ApiResult;

const HEADS: &[&str] = &["page-order", "page-what", "page-op-buyer", "page-op-seller", "page-placed", "page-amount", "page-state"];

/// What an order is for, in words.
fn kind(kind: OrderKind, t: &Words) -> String {
    t.s(&format!("page-op-order-kind-{}", kind.word().to_ascii_lowercase()))
}

fn row(staff: &Staff, order: &Order, titles: &Titles) -> Vec<Cell> {
    let t = &staff.shell.t;
    let what = order.lines.first().map_or_else(String::new, |line| line.item.names.product.pick(t.locale).to_owned());
    vec![
        Cell::order(&order.number),
        Cell::Two(what, kind(order.kind, t)),
        titles.account(order.buyer_id),
        titles.seller(order.seller_id),
        staff.at(order.created_at),
        Cell::Num(staff.money(order.total_minor, order.currency)),
        Cell::Chip(order.state.chip(t)),
    ]
}

async fn read(app: &AppState, state: Option<OrderState>, page: PageRequest) -> ApiResult<(market::page::Page<Order>, Titles)> {
    app.read(async move |tx: &mut Tx| {
        let found = domain::list(tx, Whose::Everybody, state, &page).await?;
        let titles = Titles::read(tx, found.items.iter().flat_map(|order| [order.buyer_id, order.seller_id])).await?;
        Ok((found, titles))
    })
    .await
}

#[derive(Deserialize, Default)]
pub(super) struct OfOrders {
    #[serde(default)]
    state: String,
    #[serde(default)]
    number: String,
}

pub(super) async fn orders(
    State(app): State<AppState>,
    member: Member<operator::View>,
    Query(filter): Query<OfOrders>,
    Paging(page): Paging,
) -> ApiResult<Response> {
    let staff = Staff::from(member);
    let t = staff.shell.t.clone();
    let mut wrong = String::new();
    let number = filter.number.trim().to_ascii_uppercase();
    if !number.is_empty() {
        // A line is looked for by its number just as well.
        let wanted = number.split('-').next().unwrap_or_default().to_owned();
        let found = app.read(async move |tx: &mut Tx| domain::get(tx, &wanted).await).await;
        match found {
            Ok(order) => return Ok(go_to(&format!("/operator/orders/{}", order.number)).into_response()),
            Err(error) if error.code() == Code::NotFound => wrong = t.with("page-op-no-such-order", number.clone()),
            Err(error) => return Err(error),
        }
    }
    let wanted = OrderState::ALL.iter().copied().find(|state| state.word() == filter.state);
    let (found, titles) = read(&app, wanted, page).await?;
    let rows = found.items.iter().map(|order| row(&staff, order, &titles)).collect();
    let more = more_of("/operator/orders", &[("state", &filter.state)], found.next.as_deref());
    let table = Table::new(&t, HEADS, rows, "page-op-no-orders-at-all").with_more(more);
    let words: Vec<_> = OrderState::ALL.iter().map(|state| (state.word(), t.state(state.word()))).collect();
    let filters = vec![
        Filter::Seek { name: "number", label: t.s("page-op-order-number"), value: filter.number },
        Filter::of_words(&t, "state", "page-state", &words, &filter.state),
    ];
    let list = List { filters, wrong, ..List::new(staff, "page-op-all-orders", "/operator/orders", table) };
    Ok(shown(StatusCode::OK, list.exported(ExportKind::OperatorOrders, &["state"])))
}

pub(super) async fn refunds(State(app): State<AppState>, member: Member<operator::View>, Paging(page): Paging) -> ApiResult<Response> {
    let staff = Staff::from(member);
    let (found, titles) = read(&app, Some(OrderState::PendingReview), page).await?;
    let t = staff.shell.t.clone();
    let rows = found.items.iter().map(|order| row(&staff, order, &titles)).collect();
    let table = Table::new(&t, HEADS, rows, "page-op-no-refunds").with_more(more("/operator/refunds", found.next.as_deref()));
    let note = t.with("page-op-refunds-what", app.market().edition().refund_review_hours.to_string());
    Ok(shown(StatusCode::OK, List { note, ..List::new(staff, "page-refunds", "/operator/refunds", table) }))
}

/// Everything about an order.
struct Whole {
    order: Order,
    titles: Titles,
    entries: Vec<audit::AuditEntry>,
    actors: Actors,
    money: Vec<ledger::Transaction>,
    calls: Vec<calls::Call>,
}

async fn whole(tx: &mut Tx, number: &str) -> db::Result<Whole> {
    let (order, all) = (domain::get(tx, number).await?, PageRequest { limit: 200, ..PageRequest::default() });
    let entries = audit::timeline(tx, &order.number, &all).await?.items;
    let money = ledger::transactions_of(tx, &order.number, &all).await?.items;
    let mut of_lines = Vec::new();
    let subscriptions: std::collections::BTreeSet<_> = order.lines.iter().filter_map(|line| line.subscription_id).collect();
    for subscription in subscriptions {
        let found = calls::list(tx, None, None, Some(subscription), &all).await?.items;
        of_lines.extend(found.into_iter().filter(|call| call.order_number.as_deref() == Some(&order.number)));
    }
    let titles = Titles::read(tx, [order.buyer_id, order.seller_id]).await?;
    let actors = Actors::of_entries(tx, &entries).await?;
    Ok(Whole { order, titles, entries, actors, money, calls: of_lines })
}

/// The movements of transactions: why, how much, from where to where.
pub(super) fn movements(staff: &Staff, transactions: &[ledger::Transaction]) -> Vec<Vec<Cell>> {
    let t = &staff.shell.t;
    let of_one = |one: &ledger::Transaction| {
        let rows = one.postings.iter().map(|posting| {
            vec![
                staff.at(one.at),
                Cell::Text(t.s(&format!("page-entry-{}", one.kind.word()))),
                super::ledger::book(&posting.source, t),
                super::ledger::book(&posting.destination, t),
                Cell::Num(staff.money(posting.amount_minor, one.currency)),
            ]
        });
        rows.collect::<Vec<_>>()
    };
    transactions.iter().flat_map(of_one).collect()
}

pub(super) const MOVEMENT_HEADS: &[&str] = &["page-when", "page-for", "page-op-from-book", "page-op-to-book", "page-amount"];

async fn order_page(app: &AppState, staff: Staff, number: String) -> ApiResult<Response> {
    let Whole { order, titles, entries, actors, money, calls } = app.read(async move |tx: &mut Tx| whole(tx, &number).await).await?;
    let t = staff.shell.t.clone();
    let facts = vec![
        staff.fact("page-op-order-kind", Cell::Text(kind(order.kind, &t))),
        staff.fact("page-op-buyer", titles.account(order.buyer_id)),
        staff.fact("page-op-seller", titles.seller(order.seller_id)),
        staff.fact("page-total", Cell::Num(staff.money(order.total_minor, order.currency))),
        staff.fact("page-placed", staff.at(order.created_at)),
        staff.fact("page-op-paid", staff.at_or_none(order.paid_at)),
        staff.fact("page-op-closed", staff.at_or_none(order.closed_at)),
        staff.fact("page-op-close-reason", order.close_reason.as_deref().map_or(Cell::Empty, |word| Cell::Text(close_reason(word, &t)))),
    ];
    let lines = order.lines.iter().map(|line| {
        let names = &line.item.names;
        let variant = format!("{} · {}", names.edition.pick(t.locale), names.sku.pick(t.locale));
        let subscription =
            line.subscription_id.map_or(Cell::Empty, |id| Cell::Code(format!("/operator/subscriptions/{id}"), id.to_string()));
        vec![
            Cell::Two(names.product.pick(t.locale).to_owned(), variant),
            Cell::Text(t.period(line.period)),
            Cell::Num(line.quantity.to_string()),
            Cell::Num(staff.money(line.amount_minor, order.currency)),
            Cell::Num(staff.money(line.tax_minor, order.currency)),
            subscription,
            Cell::Chip(line.state.chip(&t)),
        ]
    });
    let line_heads =
        ["page-what", "page-how-long", "page-quantity", "page-amount", "page-tax-inside", "page-op-subscription", "page-state"];
    let call_rows = calls.iter().map(|call| super::calls::row(&staff, call, &titles)).collect();
    let mut blocks = vec![Block::Facts(String::new(), facts)];
    if staff.may(Permission::OperatorFinance) {
        blocks.extend(acts(&staff, &order).into_iter().map(Block::Act));
    }
    blocks.extend([
        Block::Table(t.s("page-op-lines"), Table::new(&t, &line_heads, lines.collect(), "page-op-nothing-yet")),
        Block::Table(t.s("page-op-money-moved"), Table::new(&t, MOVEMENT_HEADS, movements(&staff, &money), "page-op-no-money-moved")),
        Block::Table(t.s("page-op-calls-of-order"), Table::new(&t, super::calls::HEADS, call_rows, "page-op-no-calls-of-order")),
        Block::Time(t.s("page-timeline"), timeline(&staff, &entries, &actors), None),
    ]);
    let page = Thing {
        title: order.number.clone(),
        up: ("/operator/orders".to_owned(), t.s("page-op-all-orders")),
        under: order.lines.first().map_or_else(String::new, |line| line.item.names.product.pick(t.locale).to_owned()),
        chips: vec![order.state.chip(&t)],
        blocks,
        shell: staff.shell.clone(),
    };
    Ok(shown(staff.status(), page))
}

/// Why an order was closed, in words.
fn close_reason(word: &str, t: &Words) -> String {
    let key = format!("page-op-closed-{word}");
    let text = t.s(&key);
    if text == key { word.to_owned() } else { text }
}

/// What may be done to an order.
fn acts(staff: &Staff, order: &Order) -> Vec<Act> {
    let (t, number) = (&staff.shell.t, &order.number);
    if order.state == OrderState::PendingReview {
        let approve = Act::new(
            staff,
            "approve",
            format!("/operator/refunds/{number}/approve"),
            "page-op-approve-refund",
            "page-op-approve-refund-what",
        );
        let refuse =
            Act::new(staff, "refuse", format!("/operator/refunds/{number}/refuse"), "page-op-refuse-refund", "page-op-refuse-refund-what");
        return vec![approve.sure(t, "page-op-approve-refund-sure"), refuse.reason(t, "page-op-reason-read-by-buyer")];
    }
    let is_unconfirmed = order.kind == OrderKind::Renew
        && order.state == OrderState::Processing
        && order.lines.iter().all(|line| line.state == LineState::Processing);
    if is_unconfirmed {
        let path = format!("/operator/orders/{number}/refund");
        let refund = Act::new(staff, "refund", path, "page-op-refund-unconfirmed", "page-op-refund-unconfirmed-what");
        return vec![refund.sure(t, "page-op-refund-unconfirmed-sure")];
    }
    Vec::new()
}

pub(super) async fn order(
    State(app): State<AppState>,
    member: Member<operator::View>,
    Segment(number): Segment<String>,
) -> ApiResult<Response> {
    order_page(&app, member.into(), number).await
}

pub(super) async fn approve(
    State(app): State<AppState>,
    member: Member<operator::Finance>,
    Segment(number): Segment<String>,
    form: Form<Pairs>,
) -> ApiResult<Response> {
    let (staff, filled, market, wanted) = (Staff::from(member), Filled::of(form.fields), app.market().clone(), number.clone());
    let ctx = staff.act();
    let act = async {
        be_sure(&filled)?;
        app.write(async move |tx: &mut Tx| returns::approve(tx, &ctx, market.edition(), &wanted).await).await
    };
    match act.await {
        Ok(_) => Ok(go_to_done(&format!("/operator/orders/{number}"), "refund-approved").into_response()),
        Err(error) => order_page(&app, staff.refuse("approve", filled, error)?, number).await,
    }
}

pub(super) async fn refuse(
    State(app): State<AppState>,
    member: Member<operator::Finance>,
    Segment(number): Segment<String>,
    form: Form<Pairs>,
) -> ApiResult<Response> {
    let (staff, filled, wanted) = (Staff::from(member), Filled::of(form.fields), number.clone());
    let (ctx, reason) = (staff.act(), filled.value("reason").to_owned());
    match app.write(async move |tx: &mut Tx| returns::refuse(tx, &ctx, &wanted, &reason).await).await {
        Ok(_) => Ok(go_to_done(&format!("/operator/orders/{number}"), "refund-refused").into_response()),
        Err(error) => order_page(&app, staff.refuse("refuse", filled, error)?, number).await,
    }
}

pub(super) async fn refund(
    State(app): State<AppState>,
    member: Member<operator::Finance>,
    Segment(number): Segment<String>,
    form: Form<Pairs>,
) -> ApiResult<Response> {
    let (staff, filled, market, wanted) = (Staff::from(member), Filled::of(form.fields), app.market().clone(), number.clone());
    let ctx = staff.act();
    let act = async {
        be_sure(&filled)?;
        app.write(async move |tx: &mut Tx| returns::refund_unconfirmed(tx, &ctx, market.edition(), &wanted).await).await
    };
    match act.await {
        Ok(refund) => Ok(go_to_done(&format!("/operator/orders/{}", refund.number), "saved").into_response()),
        Err(error) => order_page(&app, staff.refuse("refund", filled, error)?, number).await,
    }
}
