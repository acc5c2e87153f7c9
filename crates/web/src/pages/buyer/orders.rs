//! The buyer's orders: placing, paying, cancelling.

use askama::Template;
use axum::extract::State;
use axum::response::Response;
use kernel::SkuId;
use market::audit;
use market::catalog::PriceUnit;
use market::ledger;
use market::orders::{self, Order, OrderKind, OrderState};
use market::page::PageRequest;
use market::subscriptions::Whose;
use serde::Deserialize;

use super::{KeyFields, to_order};
use crate::AppState;
use crate::acts;
use crate::auth::buyer;
use crate::extract::{Form, Paging, Query, Segment};
use crate::pages::parts::full_name;
use crate::pages::parts::{Chip, Choice, Moment, moments, more_of};
use crate::pages::shell::{Member, Shell, Words};
use crate::pages::states::Shown;
use crate::pages::{Page, new_key, storefront};
use crate::problem::ApiResult;

pub(super) struct OrderRow {
    pub(super) href: String,
    pub(super) number: String,
    pub(super) what: String,
    pub(super) variant: String,
    pub(super) placed: String,
    pub(super) total: String,
    pub(super) chip: Chip,
}

pub(super) fn order_row(order: &Order, words: &Words) -> OrderRow {
    let (what, variant) = order.lines.first().map_or_else(Default::default, |line| full_name(&line.item.names, words));
    OrderRow {
        href: format!("/buyer/orders/{}", order.number),
        number: order.number.clone(),
        what,
        variant,
        placed: words.time(order.created_at),
        total: words.money(order.total_minor, order.currency),
        chip: order.state.chip(words),
    }
}

#[derive(Template)]
#[template(path = "buyer/orders.html")]
pub(crate) struct Orders {
    shell: Shell,
    states: Vec<Choice>,
    is_filtered: bool,
    rows: Vec<OrderRow>,
    more: Option<String>,
}

/// Which orders are wanted.
#[derive(Deserialize, Default)]
pub(crate) struct Filter {
    #[serde(default)]
    state: String,
}

pub(crate) async fn orders(
    State(app): State<AppState>,
    member: Member<buyer::View>,
    Query(filter): Query<Filter>,
    Paging(page): Paging,
) -> ApiResult<Page<Orders>> {
    let whose = Whose::Buyer(member.may.account());
    // A state that does not exist is that of all, as when none is chosen.
    let wanted = OrderState::named(&filter.state);
    let found = app.read(async move |tx| orders::list(tx, whose, wanted, &page).await).await?;
    let words = &member.shell.t;
    let states = OrderState::choices(wanted, words);
    let rows = found.items.iter().map(|order| order_row(order, words)).collect();
    let more = more_of("/buyer/orders", &[("state", wanted.map_or("", OrderState::word))], found.next.as_deref());
    Ok(Page(Orders { rows, states, more, is_filtered: wanted.is_some(), shell: member.shell }))
}

#[derive(Deserialize)]
pub(crate) struct PlaceFields {
    sku: SkuId,
    unit: PriceUnit,
    #[serde(default)]
    count: String,
    quantity: String,
    total: i64,
    key: String,
}

pub(crate) async fn place(State(app): State<AppState>, member: Member<buyer::Purchase>, form: Form<PlaceFields>) -> ApiResult<Response> {
    let key = form.key(member.may.account(), &form.fields.key)?;
    let item = storefront::item(form.fields.sku, form.fields.unit, &form.fields.count, &form.fields.quantity)?;
    let order = acts::place(&app, member.act(key), vec![item], Some(form.fields.total)).await?;
    Ok(to_order(acts::number(&order)))
}

struct LineRow {
    what: String,
    variant: String,
    quantity: String,
    period: String,
    amount: String,
    chip: Chip,
    service: Option<String>,
}

#[derive(Template)]
#[template(path = "buyer/order.html")]
pub(crate) struct OrderPage {
    shell: Shell,
    number: String,
    chip: Chip,
    placed: String,
    total: String,
    lines: Vec<LineRow>,
    is_payable: bool,
    pay_until: String,
    balance: String,
    is_covered: bool,
    is_under_way: bool,
    is_live: bool,
    steps: Vec<String>,
    /// What is ready to use by this order.
    services: Vec<String>,
    moments: Vec<Moment>,
    key: String,
}

pub(crate) async fn order(
    State(app): State<AppState>,
    member: Member<buyer::View>,
    Segment(number): Segment<String>,
) -> ApiResult<Page<OrderPage>> {
    let account = member.may.account();
    let (order, balance, entries) = app
        .read(async move |tx| {
            let order = orders::get_of_buyer(tx, account, &number).await?;
            let balance = ledger::wallet(tx, account, order.currency).await?;
            let entries = audit::timeline(tx, &order.number, &PageRequest::default()).await?;
            Ok((order, balance, entries.items))
        })
        .await?;
    let words = member.shell.t.clone();
    let line = |line: &orders::OrderLine| {
        let (what, variant) = full_name(&line.item.names, &words);
        LineRow {
            what,
            variant,
            quantity: line.quantity.to_string(),
            period: words.period(line.period),
            amount: words.money(line.amount_minor, order.currency),
            chip: line.state.chip(&words),
            service: line.subscription_id.map(|id| format!("/buyer/services/{id}")),
        }
    };
    let done = order.lines.iter().filter(|line| line.state == orders::LineState::Done);
    let done = done.filter_map(|line| line.subscription_id).map(|id| format!("/buyer/services/{id}"));
    let is_payable = order.state == OrderState::PendingPayment && member.may.ctx.now < order.pay_until;
    Ok(Page(OrderPage {
        number: order.number.clone(),
        chip: order.state.chip(&words),
        placed: words.time(order.created_at),
        total: words.money(order.total_minor, order.currency),
        lines: order.lines.iter().map(line).collect(),
        is_payable,
        pay_until: words.time(order.pay_until),
        balance: words.money(balance, order.currency),
        is_covered: balance >= order.total_minor,
        is_under_way: order.state == OrderState::Processing,
        is_live: matches!(order.state, OrderState::Processing | OrderState::Refunding | OrderState::PendingReview),
        steps: ["page-step-paid", "page-step-opening", "page-step-ready"].iter().map(|key| words.s(key)).collect(),
        services: if order.kind == OrderKind::New { done.collect() } else { Vec::new() },
        moments: moments(&entries, member.may.ctx.now, &words),
        key: new_key(&member.may.ctx),
        shell: member.shell,
    }))
}

pub(crate) async fn pay(
    State(app): State<AppState>,
    member: Member<buyer::Pay>,
    Segment(number): Segment<String>,
    form: Form<KeyFields>,
) -> ApiResult<Response> {
    let key = form.key(member.may.account(), &form.fields.key)?;
    let order = acts::pay(&app, member.act(key), number).await?;
    Ok(to_order(acts::number(&order)))
}

pub(crate) async fn cancel(
    State(app): State<AppState>,
    member: Member<buyer::Purchase>,
    Segment(number): Segment<String>,
    form: Form<KeyFields>,
) -> ApiResult<Response> {
    let key = form.key(member.may.account(), &form.fields.key)?;
    let order = acts::cancel(&app, member.act(key), number).await?;
    Ok(to_order(acts::number(&order)))
}
