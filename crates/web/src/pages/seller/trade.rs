//! The seller's orders and subscriptions.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use askama::Template;
use axum::extract::State;
use kernel::{Code, Refusal, SubscriptionId};
use market::accounts::Permission;
use market::audit;
use market::calls;
use market::orders::{self, Order, OrderKind, OrderState};
use market::page::PageRequest;
use market::subscriptions::{self, RenewalMode, Subscription, SubscriptionState, Whose};
use market::{accounts, views};
use serde::Deserialize;

use super::calls::{CallRow, row as call_row};
use crate::AppState;
use crate::auth::seller;
use crate::extract::{Paging, Query, Segment};
use crate::pages::Page;
use crate::pages::parts::full_name;
use crate::pages::parts::{Chip, Choice, Moment, Stamp, moments, more, more_of};
use crate::pages::shell::{Member, Shell, Words};
use crate::pages::states::Shown;
use crate::problem::ApiResult;

/// Calls that the page of an order or a subscription shows; the rest is behind a link.
const CALLS_SHOWN: i64 = 10;

fn kind_label(kind: OrderKind, words: &Words) -> String {
    words.s(match kind {
        OrderKind::New => "page-sell-kind-new",
        OrderKind::Renew => "page-sell-kind-renew",
        OrderKind::Change => "page-sell-kind-change",
        OrderKind::Unsubscribe => "page-sell-kind-unsubscribe",
    })
}

struct OrderRow {
    href: String,
    number: String,
    kind: String,
    what: String,
    variant: String,
    placed: Stamp,
    total: String,
    chip: Chip,
}

fn order_row(order: &Order, now: i64, words: &Words) -> OrderRow {
    let (what, variant) = order.lines.first().map_or_else(Default::default, |line| full_name(&line.item.names, words));
    OrderRow {
        href: format!("/seller/orders/{}", order.number),
        number: order.number.clone(),
        kind: kind_label(order.kind, words),
        what,
        variant,
        placed: words.stamp(order.created_at, now),
        total: words.money(order.total_minor, order.currency),
        chip: order.state.chip(words),
    }
}

#[derive(Deserialize, Default)]
pub(crate) struct Filter {
    #[serde(default)]
    state: String,
}

#[derive(Template)]
#[template(path = "seller/orders.html")]
pub(crate) struct Orders {
    shell: Shell,
    states: Vec<Choice>,
    rows: Vec<OrderRow>,
    more: Option<String>,
}

pub(crate) async fn orders(
    State(app): State<AppState>,
    member: Member<seller::View>,
    Query(typed): Query<Filter>,
    Paging(page): Paging,
) -> ApiResult<Page<Orders>> {
    let (whose, now) = (Whose::Seller(member.may.account()), member.may.ctx.now);
    let state = OrderState::named(&typed.state);
    let found = app.read(async move |tx| orders::list(tx, whose, state, &page).await).await?;
    let words = member.shell.t.clone();
    Ok(Page(Orders {
        states: OrderState::choices(state, &words),
        rows: found.items.iter().map(|order| order_row(order, now, &words)).collect(),
        more: more_of("/seller/orders", &[("state", state.map_or("", OrderState::word))], found.next.as_deref()),
        shell: member.shell,
    }))
}

struct LineRow {
    what: String,
    variant: String,
    subscription: Option<String>,
    period: String,
    quantity: String,
    unit_price: String,
    paid: String,
    chip: Chip,
}

#[derive(Template)]
#[template(path = "seller/order.html")]
pub(crate) struct OrderPage {
    shell: Shell,
    row: OrderRow,
    buyer: String,
    lines: Vec<LineRow>,
    paid_at: Option<Stamp>,
    closed_at: Option<Stamp>,
    tax: String,
    fee: String,
    net: String,
    is_refund: bool,
    calls: Vec<CallRow>,
    moments: Vec<Moment>,
    more: Option<String>,
    /// Why it failed or waits, in a sentence; empty when there is nothing to say.
    meaning: String,
    is_bad: bool,
}

/// What the platform keeps of an amount at most, minor units: the agreed rate, before a reduction by the month's volume.
fn fee_of(amount_minor: i64, fee_bp: i64, currency: kernel::Currency) -> i64 {
    kernel::Money::new(amount_minor, currency).part(kernel::Rate::bp(fee_bp)).map_or(0, |fee| fee.minor)
}

pub(crate) async fn order(
    State(app): State<AppState>,
    member: Member<seller::View>,
    Segment(number): Segment<String>,
    Paging(page): Paging,
) -> ApiResult<Page<OrderPage>> {
    let (account, now, of) = (member.may.account(), member.may.ctx.now, number.clone());
    let (order, buyer, calls, timeline) = app
        .read(async move |tx| {
            let order = orders::get_of_seller(tx, account, &of).await?;
            let buyer = accounts::get(tx, order.buyer_id).await?;
            let wanted = views::selling::CallFilter { term: order.number.clone(), ..Default::default() };
            let first = PageRequest { after: String::new(), limit: CALLS_SHOWN };
            let calls = views::selling::calls(tx, account, &wanted, &first).await?.items;
            let timeline = audit::timeline(tx, &order.number, &page).await?;
            Ok((order, buyer, calls, timeline))
        })
        .await?;
    let words = member.shell.t.clone();
    let money = |minor: i64| words.money(minor, order.currency);
    let mut sums = (0_i64, 0_i64);
    let lines = order.lines.iter().map(|line| {
        let fee = fee_of(line.amount_minor, line.fee_bp, order.currency);
        sums = (sums.0 + fee, sums.1 + line.tax_minor);
        let (what, variant) = full_name(&line.item.names, &words);
        LineRow {
            what,
            variant,
            subscription: line.subscription_id.map(|id| format!("/seller/subscriptions/{id}")),
            period: words.period(line.period),
            quantity: line.quantity.to_string(),
            unit_price: money(line.unit_price_minor),
            paid: money(line.amount_minor),
            chip: line.state.chip(&words),
        }
    });
    let lines: Vec<LineRow> = lines.collect();
    let calls: Vec<_> = calls.iter().filter(|call| call.order_number.as_deref() == Some(order.number.as_str())).collect();
    let given_up = calls.iter().find(|call| call.state == calls::CallState::GaveUp);
    let why = given_up.and_then(|call| call.last_verdict.as_deref()).map(|word| words.alone("verdict", word)).unwrap_or_default();
    let meaning = match order.state {
        OrderState::Failed => words.with("page-sell-order-failed-why", why),
        OrderState::Processing => words.s("page-sell-order-processing"),
        OrderState::PendingPayment => words.s("page-sell-order-pending"),
        OrderState::PendingReview | OrderState::Completed | OrderState::Cancelled | OrderState::Refunding | OrderState::Refunded => {
            String::new()
        }
    };
    Ok(Page(OrderPage {
        row: order_row(&order, now, &words),
        buyer: buyer.title,
        paid_at: order.paid_at.map(|at| words.stamp(at, now)),
        closed_at: order.closed_at.map(|at| words.stamp(at, now)),
        tax: money(sums.1),
        fee: money(-sums.0),
        net: money(order.total_minor - sums.0),
        is_refund: order.kind == OrderKind::Unsubscribe,
        calls: calls.into_iter().map(|call| call_row(call, now, &words)).collect(),
        moments: moments(&timeline.items, now, &words),
        more: more(&format!("/seller/orders/{number}"), timeline.next.as_deref()),
        meaning,
        is_bad: order.state == OrderState::Failed,
        lines,
        shell: member.shell,
    }))
}

struct SubscriptionRow {
    href: String,
    what: String,
    variant: String,
    buyer: String,
    instance: String,
    quantity: String,
    ends: Option<Stamp>,
    chip: Chip,
}

fn subscription_row(sub: &Subscription, buyer: &str, now: i64, words: &Words) -> SubscriptionRow {
    let (what, variant) = full_name(&sub.item.names, words);
    SubscriptionRow {
        href: format!("/seller/subscriptions/{}", sub.id),
        what,
        variant,
        buyer: buyer.to_owned(),
        instance: sub.instance_id.clone().unwrap_or_default(),
        quantity: sub.quantity.to_string(),
        ends: sub.ends_at.map(|at| words.stamp(at, now)),
        chip: sub.state.chip(words),
    }
}

#[derive(Template)]
#[template(path = "seller/subscriptions.html")]
pub(crate) struct Subscriptions {
    shell: Shell,
    states: Vec<Choice>,
    rows: Vec<SubscriptionRow>,
    more: Option<String>,
}

pub(crate) async fn list(
    State(app): State<AppState>,
    member: Member<seller::View>,
    Query(typed): Query<Filter>,
    Paging(page): Paging,
) -> ApiResult<Page<Subscriptions>> {
    let (whose, now) = (Whose::Seller(member.may.account()), member.may.ctx.now);
    let state = SubscriptionState::named(&typed.state);
    let (found, buyers) = app
        .read(async move |tx| {
            let found = subscriptions::list(tx, whose, state, &page).await?;
            let mut buyers = BTreeMap::new();
            for sub in &found.items {
                if let Entry::Vacant(unknown) = buyers.entry(sub.buyer_id) {
                    unknown.insert(accounts::get(tx, sub.buyer_id).await?.title);
                }
            }
            Ok((found, buyers))
        })
        .await?;
    let words = member.shell.t.clone();
    let row = |sub: &Subscription| subscription_row(sub, buyers.get(&sub.buyer_id).map_or("", String::as_str), now, &words);
    Ok(Page(Subscriptions {
        states: SubscriptionState::choices(state, &words),
        rows: found.items.iter().map(row).collect(),
        more: more_of("/seller/subscriptions", &[("state", state.map_or("", SubscriptionState::word))], found.next.as_deref()),
        shell: member.shell,
    }))
}

#[derive(Template)]
#[template(path = "seller/subscription.html")]
pub(crate) struct SubscriptionPage {
    shell: Shell,
    id: String,
    row: SubscriptionRow,
    renewal: String,
    opened: Stamp,
    release: Option<Stamp>,
    reason: String,
    calls: Vec<CallRow>,
    more_calls: bool,
    moments: Vec<Moment>,
    more: Option<String>,
    may_develop: bool,
    address: String,
}

pub(crate) async fn subscription(
    State(app): State<AppState>,
    member: Member<seller::View>,
    Segment(id): Segment<SubscriptionId>,
    Paging(page): Paging,
) -> ApiResult<Page<SubscriptionPage>> {
    let (account, now) = (member.may.account(), member.may.ctx.now);
    let (sub, buyer, found, timeline) = app
        .read(async move |tx| {
            let sub = subscriptions::get(tx, id).await?;
            if sub.seller_id != account {
                return Err(Refusal::new(Code::NotFound).into());
            }
            let timeline = views::timeline(tx, Some(account), id, &page).await?;
            let buyer = accounts::get(tx, sub.buyer_id).await?;
            let first = PageRequest { after: String::new(), limit: CALLS_SHOWN };
            Ok((sub, buyer, calls::list(tx, Some(account), None, Some(id), &first).await?, timeline))
        })
        .await?;
    let words = member.shell.t.clone();
    let renewal = words.s(match sub.renewal.mode {
        RenewalMode::Manual => "page-renews-manual",
        RenewalMode::Auto => "page-renews-auto",
        RenewalMode::None => "page-renews-none",
    });
    Ok(Page(SubscriptionPage {
        id: id.to_string(),
        row: subscription_row(&sub, &buyer.title, now, &words),
        renewal,
        opened: words.stamp(sub.created_at, now),
        release: sub.release_at.map(|at| words.stamp(at, now)),
        reason: sub.suspend_reason.clone().unwrap_or_default(),
        more_calls: found.next.is_some(),
        calls: found.items.iter().map(|call| call_row(call, now, &words)).collect(),
        moments: moments(&timeline.items, now, &words),
        more: more(&format!("/seller/subscriptions/{id}"), timeline.next.as_deref()),
        may_develop: member.may.principal.permissions.contains(&Permission::SellerDevelop),
        address: sub.item.address_id.to_string(),
        shell: member.shell,
    }))
}
