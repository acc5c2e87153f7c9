//! The buyer's own pages: orders, what is in use, the balance.

use askama::Template;
use axum::Router;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use kernel::{Code, Period, PeriodUnit, SkuId, SubscriptionId};
use market::audit;
use market::catalog::{Names, PriceUnit};
use market::idempotency::IdempotencyKey;
use market::ledger::{self, Book, EntryKind};
use market::orders::{self, Order, OrderState, RenewalInput};
use market::page::PageRequest;
use market::subscriptions::{self, Renewal, RenewalMode, Subscription, SubscriptionState, Whose};
use market::{accounts, delivery, refunds, views};
use serde::Deserialize;

use super::parts::{Chip, Choice, Moment, moments, more};
use super::shell::{Member, Shell, Words};
use super::{Page, go_to, storefront};
use crate::AppState;
use crate::acts::{self, Act};
use crate::auth::buyer;
use crate::extract::{Form, Paging, Query, Segment};
use crate::problem::{self, ApiError, ApiResult};

pub(super) fn routes() -> Router<AppState> {
    Router::new()
        .route("/buyer/orders", get(orders).post(place))
        .route("/buyer/orders/{number}", get(order))
        .route("/buyer/orders/{number}/pay", post(pay))
        .route("/buyer/orders/{number}/cancel", post(cancel))
        .route("/buyer/services", get(services))
        .route("/buyer/services/{id}", get(service))
        .route("/buyer/services/{id}/renew", post(renew))
        .route("/buyer/services/{id}/renewal", post(set_renewal))
        .route("/buyer/services/{id}/return", post(give_back))
        .route("/buyer/balance", get(balance))
}

fn order_chip(state: OrderState, words: &Words) -> Chip {
    let tone = match state {
        OrderState::PendingPayment | OrderState::PendingReview => "warn",
        OrderState::Processing | OrderState::Refunding => "wait",
        OrderState::Completed => "ok",
        OrderState::Failed => "bad",
        OrderState::Cancelled | OrderState::Refunded => "idle",
    };
    Chip { word: words.state(state.word()), tone }
}

fn service_chip(state: SubscriptionState, words: &Words) -> Chip {
    let tone = match state {
        SubscriptionState::Opening => "wait",
        SubscriptionState::InUse => "ok",
        SubscriptionState::Frozen => "ice",
        SubscriptionState::Failed => "bad",
        SubscriptionState::Released => "idle",
    };
    Chip { word: words.state(state.word()), tone }
}

/// A name with its variant.
fn full_name(names: &Names, words: &Words) -> (String, String) {
    let (edition, sku) = (names.edition.pick(words.locale), names.sku.pick(words.locale));
    let variant = if edition == sku { sku.to_owned() } else { format!("{edition} · {sku}") };
    (names.product.pick(words.locale).to_owned(), variant)
}

struct OrderRow {
    href: String,
    number: String,
    what: String,
    variant: String,
    placed: String,
    total: String,
    chip: Chip,
}

fn order_row(order: &Order, words: &Words) -> OrderRow {
    let (what, variant) = order.lines.first().map_or_else(Default::default, |line| full_name(&line.item.names, words));
    OrderRow {
        href: format!("/buyer/orders/{}", order.number),
        number: order.number.clone(),
        what,
        variant,
        placed: words.time(order.created_at),
        total: words.money(order.total_minor, order.currency),
        chip: order_chip(order.state, words),
    }
}

#[derive(Template)]
#[template(path = "buyer/orders.html")]
pub(crate) struct Orders {
    shell: Shell,
    rows: Vec<OrderRow>,
    more: Option<String>,
}

pub(crate) async fn orders(State(app): State<AppState>, member: Member<buyer::View>, Paging(page): Paging) -> ApiResult<Page<Orders>> {
    let whose = Whose::Buyer(member.may.account());
    let found = app.read(async move |tx| orders::list(tx, whose, None, &page).await).await?;
    let rows = found.items.iter().map(|order| order_row(order, &member.shell.t)).collect();
    Ok(Page(Orders { rows, more: more("/buyer/orders", found.next.as_deref()), shell: member.shell }))
}

impl<R> Member<R> {
    /// What they do under `key`.
    fn act(self, key: IdempotencyKey) -> Act {
        Act { buyer: self.may.account(), ctx: self.may.ctx, key }
    }
}

fn to_order(number: &str) -> Response {
    go_to(&format!("/buyer/orders/{number}")).into_response()
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
            chip: Chip { word: words.state(line.state.word()), tone: line_tone(line.state) },
            service: line.subscription_id.map(|id| format!("/buyer/services/{id}")),
        }
    };
    let is_payable = order.state == OrderState::PendingPayment && member.may.ctx.now < order.pay_until;
    Ok(Page(OrderPage {
        number: order.number.clone(),
        chip: order_chip(order.state, &words),
        placed: words.time(order.created_at),
        total: words.money(order.total_minor, order.currency),
        lines: order.lines.iter().map(line).collect(),
        is_payable,
        pay_until: words.time(order.pay_until),
        balance: words.money(balance, order.currency),
        is_covered: balance >= order.total_minor,
        is_under_way: order.state == OrderState::Processing,
        moments: moments(&entries, member.may.ctx.now, &words),
        key: super::new_key(&member.may.ctx),
        shell: member.shell,
    }))
}

const fn line_tone(state: orders::LineState) -> &'static str {
    match state {
        orders::LineState::Waiting => "warn",
        orders::LineState::Processing => "wait",
        orders::LineState::Done => "ok",
        orders::LineState::Failed => "bad",
        orders::LineState::Cancelled | orders::LineState::Refunded => "idle",
    }
}

#[derive(Deserialize)]
pub(crate) struct KeyFields {
    key: String,
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

struct ServiceRow {
    href: String,
    what: String,
    variant: String,
    chip: Chip,
    ends: String,
    /// How much of the time is left, in tenths.
    left: Option<i64>,
}

fn service_row(sub: &Subscription, now: i64, words: &Words) -> ServiceRow {
    let (what, variant) = full_name(&sub.item.names, words);
    let tenths = |anchor: i64, end: i64| ((end - now).clamp(0, (end - anchor).max(1)) * 10).div_euclid((end - anchor).max(1));
    ServiceRow {
        href: format!("/buyer/services/{}", sub.id),
        what,
        variant,
        chip: service_chip(sub.state, words),
        ends: sub.ends_at.map_or_else(|| words.s("page-service-no-end"), |end| words.time(end)),
        left: sub.anchor_at.zip(sub.ends_at).map(|(anchor, end)| tenths(anchor, end)),
    }
}

#[derive(Template)]
#[template(path = "buyer/services.html")]
pub(crate) struct Services {
    shell: Shell,
    rows: Vec<ServiceRow>,
    more: Option<String>,
}

pub(crate) async fn services(State(app): State<AppState>, member: Member<buyer::View>, Paging(page): Paging) -> ApiResult<Page<Services>> {
    let whose = Whose::Buyer(member.may.account());
    let found = app.read(async move |tx| subscriptions::list(tx, whose, None, &page).await).await?;
    let now = member.may.ctx.now;
    let rows = found.items.iter().map(|sub| service_row(sub, now, &member.shell.t)).collect();
    Ok(Page(Services { rows, more: more("/buyer/services", found.next.as_deref()), shell: member.shell }))
}

/// How an instance is used, as the seller says.
struct Access {
    front_end: Option<String>,
    admin: Option<String>,
    user: Option<String>,
    password: Option<String>,
    memo: Option<String>,
}

#[derive(Template)]
#[template(path = "buyer/service.html")]
pub(crate) struct Service {
    shell: Shell,
    row: ServiceRow,
    seller: String,
    quantity: String,
    instance: String,
    access: Option<Access>,
    is_usable: bool,
    renews: String,
    purchase: String,
    moments: Vec<Moment>,
    id: String,
    key: String,
    version: i64,
    renewal: Option<Renewing>,
    modes: Vec<Choice>,
    offer: Option<Offer>,
    open_order: Option<String>,
}

/// A renewal that may be ordered, with its price.
struct Renewing {
    units: Vec<Choice>,
    unit: &'static str,
    count: String,
    total: String,
    total_minor: i64,
    wrong: String,
}

/// A return that may be asked for.
struct Offer {
    amount: String,
    until: String,
    left: i64,
    needs_review: bool,
}

/// For how long somebody would renew.
#[derive(Deserialize, Default)]
pub(crate) struct Renewed {
    unit: Option<PeriodUnit>,
    count: Option<String>,
}

pub(crate) async fn service(
    State(app): State<AppState>,
    member: Member<buyer::View>,
    Segment(id): Segment<SubscriptionId>,
    Query(renewed): Query<Renewed>,
) -> ApiResult<Page<Service>> {
    let account = member.may.account();
    let (market, at) = (app.market().clone(), member.may.ctx.at(member.may.ctx.now));
    let (sub, seller, entries, offer) = app
        .read(async move |tx| {
            let sub = subscriptions::get_of_buyer(tx, account, id).await?;
            let seller = accounts::get(tx, sub.seller_id).await?;
            let entries = views::timeline(tx, Some(account), id, &PageRequest::default()).await?;
            let offer = match refunds::offer(tx, &at, market.edition(), account, id).await {
                Err(error) if error.code().is_some() => None,
                other => Some(other?),
            };
            Ok((sub, seller, entries.items, offer))
        })
        .await?;
    let is_usable = matches!(sub.state, SubscriptionState::InUse | SubscriptionState::Frozen);
    let told = if is_usable { delivery::instance(app.market(), &member.may.ctx, account, id).await } else { Ok(None) };
    let told = match told {
        // Released between the two looks.
        Err(error) if error.code() == Some(Code::SubscriptionState) => None,
        other => other?,
    };
    let words = member.shell.t.clone();
    let link = |url: Option<String>| url.filter(|url| url.starts_with("https://") || url.starts_with("http://"));
    let access = told.map(|told| Access {
        front_end: link(told.front_end_url),
        admin: link(told.admin_url),
        user: told.user_name,
        password: told.password,
        memo: told.memo,
    });
    let renewal = renewing(&app, &member, &sub, &renewed).await?;
    let mode = |mode: RenewalMode| Choice {
        value: mode.word().to_owned(),
        label: words.s(&format!("page-renews-{}", mode.word())),
        on: sub.renewal.mode == mode,
    };
    Ok(Page(Service {
        id: sub.id.to_string(),
        key: super::new_key(&member.may.ctx),
        version: sub.version,
        renewal,
        modes: if is_usable && sub.ends_at.is_some() { RenewalMode::ALL.iter().copied().map(mode).collect() } else { Vec::new() },
        offer: offer.map(|offer| Offer {
            amount: words.money(offer.amount_minor, app.market().edition().currency),
            until: words.time(offer.until),
            left: offer.quota_left,
            needs_review: offer.needs_review,
        }),
        open_order: sub.open_order.clone(),
        row: service_row(&sub, member.may.ctx.now, &words),
        seller: seller.title,
        quantity: sub.quantity.to_string(),
        instance: sub.instance_id.clone().unwrap_or_default(),
        access,
        is_usable,
        renews: words.s(&format!("page-renews-{}", sub.renewal.mode.word())),
        purchase: sub.purchase_line.split('-').next().unwrap_or_default().to_owned(),
        moments: moments(&entries, member.may.ctx.now, &words),
        shell: member.shell,
    }))
}

/// The renewal that a reader has chosen, or of one unit of the purchase; none where nothing can be renewed.
async fn renewing(app: &AppState, member: &Member<buyer::View>, sub: &Subscription, renewed: &Renewed) -> ApiResult<Option<Renewing>> {
    let renewable = matches!(sub.state, SubscriptionState::InUse | SubscriptionState::Frozen) && sub.open_order.is_none();
    let Some(unit) = renewed.unit.or(sub.period_unit).filter(|_| renewable) else { return Ok(None) };
    let words = &member.shell.t;
    let (account, id, market, ctx) = (member.may.account(), sub.id, app.market().clone(), member.may.ctx.at(member.may.ctx.now));
    let count = renewed.count.clone().unwrap_or_else(|| "1".to_owned());
    let quoted = match storefront::period(unit, &count) {
        Ok(period) => {
            let input = RenewalInput { period, sku_id: None, quantity: None };
            app.read(async move |tx| orders::quote_renewal(tx, &ctx, market.edition(), account, id, &input).await).await
        }
        Err(refusal) => Err(refusal.into()),
    };
    let (total, total_minor, wrong) = match quoted {
        Ok(quote) => (words.money(quote.total_minor, quote.currency), quote.total_minor, String::new()),
        Err(ApiError::Refused(refusal)) => (String::new(), 0, problem::sentence(&refusal, words.locale)),
        Err(fault) => return Err(fault),
    };
    let choice =
        |one: &PeriodUnit| Choice { value: one.word().to_owned(), label: words.s(&format!("page-by-{}", one.word())), on: *one == unit };
    Ok(Some(Renewing { units: PeriodUnit::ALL.iter().map(choice).collect(), unit: unit.word(), count, total, total_minor, wrong }))
}

#[derive(Deserialize)]
pub(crate) struct RenewFields {
    unit: PeriodUnit,
    count: String,
    total: i64,
    key: String,
}

pub(crate) async fn renew(
    State(app): State<AppState>,
    member: Member<buyer::Purchase>,
    Segment(id): Segment<SubscriptionId>,
    form: Form<RenewFields>,
) -> ApiResult<Response> {
    let key = form.key(member.may.account(), &form.fields.key)?;
    let period = storefront::period(form.fields.unit, &form.fields.count)?;
    let input = RenewalInput { period, sku_id: None, quantity: None };
    let order = acts::renew(&app, member.act(key), id, input, Some(form.fields.total)).await?;
    Ok(to_order(acts::number(&order)))
}

#[derive(Deserialize)]
pub(crate) struct RenewalFields {
    mode: RenewalMode,
    version: i64,
}

pub(crate) async fn set_renewal(
    State(app): State<AppState>,
    member: Member<buyer::Purchase>,
    Segment(id): Segment<SubscriptionId>,
    form: Form<RenewalFields>,
) -> ApiResult<Response> {
    let (account, ctx, market) = (member.may.account(), member.may.ctx, app.market().clone());
    let RenewalFields { mode, version } = form.fields;
    app.write(async move |tx| {
        let sub = subscriptions::get_of_buyer(tx, account, id).await?;
        let period = sub.renewal.period.or(sub.period_unit.map(|unit| Period { unit, count: 1 })).filter(|_| mode == RenewalMode::Auto);
        let times = sub.renewal.times.filter(|_| mode == RenewalMode::Auto);
        let renewal = Renewal { mode, period, times };
        subscriptions::set_renewal(tx, &ctx, market.edition(), account, id, Some(version), renewal).await
    })
    .await?;
    Ok(go_to(&format!("/buyer/services/{id}")).into_response())
}

pub(crate) async fn give_back(
    State(app): State<AppState>,
    member: Member<buyer::Purchase>,
    Segment(id): Segment<SubscriptionId>,
    form: Form<KeyFields>,
) -> ApiResult<Response> {
    let key = form.key(member.may.account(), &form.fields.key)?;
    let order = acts::give_back(&app, member.act(key), id).await?;
    Ok(to_order(acts::number(&order)))
}

struct MovementRow {
    at: String,
    what: String,
    /// The order that it is for.
    order: Option<String>,
    amount: String,
    comes: bool,
}

#[derive(Template)]
#[template(path = "buyer/balance.html")]
pub(crate) struct Balance {
    shell: Shell,
    balance: String,
    rows: Vec<MovementRow>,
    more: Option<String>,
}

pub(crate) async fn balance(State(app): State<AppState>, member: Member<buyer::View>, Paging(page): Paging) -> ApiResult<Page<Balance>> {
    let (account, currency) = (member.may.account(), app.market().edition().currency);
    let (balance, found) = app
        .read(async move |tx| {
            let balance = ledger::wallet(tx, account, currency).await?;
            Ok((balance, ledger::movements(tx, &Book::Buyer(account), &page).await?))
        })
        .await?;
    let words = member.shell.t.clone();
    let row = |movement: &ledger::Movement| MovementRow {
        at: words.time(movement.at),
        what: words.s(&format!("page-entry-{}", movement.kind.word())),
        order: (movement.kind != EntryKind::Deposit).then(|| movement.reference.clone()),
        amount: words.money(movement.amount_minor, movement.currency),
        comes: movement.amount_minor > 0,
    };
    let rows = found.items.iter().map(row).collect();
    let balance = words.money(balance, currency);
    Ok(Page(Balance { balance, rows, more: more("/buyer/balance", found.next.as_deref()), shell: member.shell }))
}
