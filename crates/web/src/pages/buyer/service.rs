//! One service: how to use it, how long it lasts, renewing and returning it.

use askama::Template;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use kernel::{Code, Period, PeriodUnit, SubscriptionId};
use market::delivery::{self, InstanceView, UsageView};
use market::orders::{self, RenewalInput};
use market::page::PageRequest;
use market::subscriptions::{self, Renewal, RenewalMode, Subscription, SubscriptionState};
use market::{accounts, refunds, views};
use serde::Deserialize;

use super::services::{ServiceRow, service_row};
use super::{KeyFields, to_order};
use crate::AppState;
use crate::acts;
use crate::auth::buyer;
use crate::extract::{Form, Query, Segment};
use crate::pages::parts::full_name;
use crate::pages::parts::{Choice, Moment, moments};
use crate::pages::shell::{Member, Shell, Words};
use crate::pages::{Page, go_to_done, new_key, storefront};
use crate::problem::{self, ApiError, ApiResult};

/// How an instance is used, as the seller says.
pub(super) struct Access {
    front_end: Option<String>,
    admin: Option<String>,
    user: Option<String>,
    password: Option<String>,
    memo: Option<String>,
    said: String,
    usage: Vec<Usage>,
}

/// What was used, as the seller counts it.
struct Usage {
    value: String,
    counted: String,
    more: Option<String>,
}

fn access_of(told: InstanceView, words: &Words) -> Access {
    let link = |url: Option<String>| url.filter(|url| url.starts_with("https://") || url.starts_with("http://"));
    let usage = |usage: UsageView| Usage {
        value: usage.value,
        counted: usage.counted_at.map_or_else(String::new, |at| words.time(at)),
        more: link(usage.dashboard_url),
    };
    Access {
        front_end: link(told.front_end_url),
        admin: link(told.admin_url),
        user: told.user_name,
        password: told.password,
        memo: told.memo,
        said: words.time(told.said_at),
        usage: told.usage.into_iter().map(usage).collect(),
    }
}

/// How to use it, asked of the seller now: a page of its own, because a seller may be slow.
#[derive(Template)]
#[template(path = "buyer/access.html")]
pub(crate) struct AccessPage {
    shell: Shell,
    id: String,
    what: String,
    access: Option<Access>,
    is_usable: bool,
    asks: bool,
}

pub(crate) async fn access(
    State(app): State<AppState>,
    member: Member<buyer::View>,
    Segment(id): Segment<SubscriptionId>,
) -> ApiResult<Page<AccessPage>> {
    let account = member.may.account();
    let sub = app.read(async move |tx| subscriptions::get_of_buyer(tx, account, id).await).await?;
    let is_usable = is_usable(&sub);
    let told = match delivery::instance(app.market(), &member.may.ctx, account, id).await {
        // Not opened yet, or released between the two looks.
        Err(error) if error.code() == Some(Code::SubscriptionState) => None,
        other => other?,
    };
    let words = &member.shell.t;
    let (what, access) = (full_name(&sub.item.names, words).0, told.map(|told| access_of(told, words)));
    Ok(Page(AccessPage { id: id.to_string(), what, access, is_usable, asks: false, shell: member.shell }))
}

const fn is_usable(sub: &Subscription) -> bool {
    matches!(sub.state, SubscriptionState::InUse | SubscriptionState::Frozen)
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
    /// Whether the seller is asked anew while the reader looks.
    asks: bool,
    can_change: bool,
    is_live: bool,
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
    let (sub, seller, entries, offer, told) = app
        .read(async move |tx| {
            let sub = subscriptions::get_of_buyer(tx, account, id).await?;
            let seller = accounts::get(tx, sub.seller_id).await?;
            let entries = views::timeline(tx, Some(account), id, &PageRequest::default()).await?;
            let told = delivery::known_instance(tx, &market, account, id).await?;
            let offer = match refunds::offer(tx, &at, market.edition(), account, id).await {
                Err(error) if error.code().is_some() => None,
                other => Some(other?),
            };
            Ok((sub, seller, entries.items, offer, told))
        })
        .await?;
    let is_usable = is_usable(&sub);
    let words = member.shell.t.clone();
    let access = told.map(|told| access_of(told, &words));
    let renewal = renewing(&app, &member, &sub, &renewed).await?;
    let mode = |mode: RenewalMode| Choice {
        value: mode.word().to_owned(),
        label: words.s(&format!("page-renews-{}", mode.word())),
        on: sub.renewal.mode == mode,
    };
    Ok(Page(Service {
        id: sub.id.to_string(),
        key: new_key(&member.may.ctx),
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
        asks: is_usable,
        can_change: sub.state == SubscriptionState::InUse && sub.open_order.is_none() && sub.ends_at.is_some(),
        is_live: sub.state == SubscriptionState::Opening || sub.open_order.is_some(),
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
    Ok(go_to_done(&format!("/buyer/services/{id}"), "saved").into_response())
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
