//! From the cart, or straight from a product, to orders: one for each seller, at the prices that were shown, paid from the balance at once if wanted.

use askama::Template;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use kernel::{Code, SkuId};
use market::accounts::Permission;
use market::agreements::FOR_A_PURCHASE;
use market::carts::{self, Owner, Wanted};
use market::catalog::{self, PriceUnit};
use market::ledger;
use market::orders::{self, Order, OrderState, PurchaseItem, Quote};
use serde::Deserialize;

use super::cart::{Group, Row, groups, owner};
use super::unit_key;
use crate::AppState;
use crate::acts::{self, Act};
use crate::auth::buyer;
use crate::extract::{Form, Query};
use crate::pages::form::Filled;
use crate::pages::form::Pairs;
use crate::pages::shell::{Member, Shell, Words};
use crate::pages::{Page, go_to, new_key};
use crate::problem::{self, ApiError, ApiResult, status};

/// The most orders that a result shows: a cart has no more sellers than lines.
const ORDERS_MAX: usize = 50;

/// A text to agree to.
struct Tick {
    ticket: String,
    href: String,
    name: String,
}

#[derive(Template)]
#[template(path = "storefront/checkout.html")]
struct Checkout {
    shell: Shell,
    groups: Vec<Group>,
    unsold: usize,
    total: String,
    tax: String,
    balance: String,
    is_covered: bool,
    may_pay: bool,
    ticks: Vec<Tick>,
    filled: Filled,
    wanted: String,
    key: String,
    steps: Vec<String>,
    /// What is ordered past the cart, as it stands in the address.
    direct: Option<Direct>,
}

/// What is ordered straight from a product.
#[derive(Clone, Debug, Deserialize, Default)]
#[serde(default)]
pub(super) struct Asking {
    sku: Option<SkuId>,
    unit: Option<PriceUnit>,
    count: String,
    quantity: String,
}

#[derive(Clone)]
struct Direct {
    sku: SkuId,
    unit: PriceUnit,
    count: String,
    quantity: String,
}

impl Asking {
    fn direct(self) -> Option<Direct> {
        let (sku, unit) = (self.sku?, self.unit?);
        Some(Direct { sku, unit, count: self.count, quantity: self.quantity })
    }
}

/// What would be ordered, and how it is shown.
struct Basket {
    groups: Vec<Group>,
    wanted: Vec<Wanted>,
    unsold: usize,
    tax_minor: i64,
}

async fn from_cart(app: &AppState, owner: Owner, words: &Words) -> ApiResult<Basket> {
    let market = app.market().clone();
    let cart = app.read(async move |tx| carts::view(tx, market.edition(), owner).await).await?;
    let want = |part: &carts::Part| Wanted {
        lines: part.lines.iter().map(|priced| priced.line.id).collect(),
        items: Vec::new(),
        total_minor: part.total.minor,
    };
    let taxes = cart.parts.iter().flat_map(|part| &part.lines).map(|priced| priced.quote.tax_minor);
    Ok(Basket {
        groups: groups(app, &cart.parts, words).await?,
        wanted: cart.parts.iter().map(want).collect(),
        unsold: cart.unsold.len(),
        tax_minor: taxes.fold(0, i64::saturating_add),
    })
}

async fn past_the_cart(app: &AppState, owner: Owner, item: PurchaseItem, words: &Words) -> ApiResult<Basket> {
    let (market, wanted) = (app.market().clone(), item.clone());
    let (quote, seller): (Quote, _) = app
        .read(async move |tx| {
            let quote = orders::quote_purchase(tx, market.edition(), Some(owner.account), std::slice::from_ref(&item)).await?;
            let (seller, _) = catalog::name_of(tx, item.sku_id).await?;
            Ok((quote, market::accounts::get(tx, seller).await?))
        })
        .await?;
    let row = |line: &orders::QuoteLine| {
        let (edition, sku) = (line.names.edition.pick(words.locale), line.names.sku.pick(words.locale));
        Row {
            id: String::new(),
            name: line.names.product.pick(words.locale).to_owned(),
            variant: if edition == sku { sku.to_owned() } else { format!("{edition} · {sku}") },
            unit_price: words.money(line.unit_price_minor, quote.currency),
            unit: words.s(unit_key(line.unit)),
            period: words.period(line.period),
            quantity: line.quantity.to_string(),
            amount: words.money(line.amount_minor, quote.currency),
            seen: String::new(),
            why: String::new(),
        }
    };
    let group = Group {
        seller: seller.title,
        seller_href: format!("/sellers/{}", seller.id),
        rows: quote.lines.iter().map(row).collect(),
        total: words.money(quote.total_minor, quote.currency),
    };
    let wanted = Wanted { lines: Vec::new(), items: vec![wanted], total_minor: quote.total_minor };
    Ok(Basket { groups: vec![group], wanted: vec![wanted], unsold: 0, tax_minor: quote.tax_minor })
}

async fn basket(app: &AppState, owner: Owner, direct: Option<&Direct>, words: &Words) -> ApiResult<Basket> {
    match direct {
        Some(Direct { sku, unit, count, quantity }) => past_the_cart(app, owner, super::item(*sku, *unit, count, quantity)?, words).await,
        None => from_cart(app, owner, words).await,
    }
}

async fn page(app: &AppState, member: Member<buyer::Purchase>, direct: Option<Direct>, filled: Filled) -> ApiResult<Checkout> {
    let (owner, words, currency) = (owner(&member), member.shell.t.clone(), app.market().edition().currency);
    let basket = basket(app, owner, direct.as_ref(), &words).await?;
    let balance = app.read(async move |tx| ledger::wallet(tx, owner.account, currency).await).await?;
    let total = basket.wanted.iter().map(|part| part.total_minor).fold(0, i64::saturating_add);
    let tick = |agreement: &market::agreements::Agreement| Tick {
        ticket: agreement.ticket(),
        href: format!("/agreements/{}", agreement.name),
        name: words.s(&format!("page-agreement-{}", agreement.name)),
    };
    Ok(Checkout {
        groups: basket.groups,
        unsold: basket.unsold,
        total: words.money(total, currency),
        tax: words.money(basket.tax_minor, currency),
        balance: words.money(balance, currency),
        is_covered: balance >= total,
        may_pay: member.may.principal.require(Permission::BuyerPay).is_ok(),
        ticks: FOR_A_PURCHASE.iter().map(tick).collect(),
        filled,
        wanted: serde_json::to_string(&basket.wanted).map_err(|fault| ApiError::Broken(Box::new(fault)))?,
        key: new_key(&member.may.ctx),
        steps: ["page-step-confirm", "page-step-pay", "page-step-use"].iter().map(|key| words.s(key)).collect(),
        direct,
        shell: member.shell,
    })
}

pub(super) async fn form(
    State(app): State<AppState>,
    member: Member<buyer::Purchase>,
    Query(asking): Query<Asking>,
) -> ApiResult<Response> {
    let filled = Filled::default().with("pay", "now");
    let page = page(&app, member, asking.direct(), filled).await?;
    if page.groups.is_empty() {
        return Ok(go_to("/cart").into_response());
    }
    Ok(Page(page).into_response())
}

pub(super) async fn order(State(app): State<AppState>, member: Member<buyer::Purchase>, form: Form<Pairs>) -> ApiResult<Response> {
    let filled = Filled::of(form.fields.clone());
    let (owner, key) = (owner(&member), filled.value("key").to_owned());
    let wanted: Vec<Wanted> = serde_json::from_str(filled.value("wanted")).unwrap_or_default();
    let ticked: Vec<String> = filled.all("agree").map(str::to_owned).collect();
    let act = |key| Act { buyer: owner.account, ctx: member.may.ctx.at(member.may.ctx.now), key };
    let placed = acts::checkout(&app, act(form.key(owner.account, &key)?), owner, wanted, ticked).await;
    let placed = match placed {
        Ok(placed) => placed,
        Err(ApiError::Refused(refusal)) if refusal.code != Code::IdempotencyConflict => {
            return again(&app, member, filled, &refusal).await;
        }
        Err(fault) => return Err(fault),
    };
    let numbers: Vec<String> = serde_json::from_value(placed).map_err(|fault| ApiError::Broken(Box::new(fault)))?;
    if filled.is_on("pay", "now") && member.may.principal.require(Permission::BuyerPay).is_ok() {
        for (n, number) in numbers.iter().enumerate() {
            let key = form.key(owner.account, &format!("{key}-{n}"))?;
            match acts::pay(&app, act(key), number.clone()).await {
                Ok(_) => {}
                // What cannot be paid now waits for its payment; the result says so.
                Err(ApiError::Refused(_)) => break,
                Err(fault) => return Err(fault),
            }
        }
    }
    Ok(go_to(&format!("/checkout/done?orders={}", numbers.join(","))).into_response())
}

/// The form again, at the prices of now, with everything that was chosen and why it was refused.
async fn again(app: &AppState, member: Member<buyer::Purchase>, filled: Filled, refusal: &kernel::Refusal) -> ApiResult<Response> {
    let locale = member.shell.t.locale;
    let filled = match refusal.code {
        Code::AgreementNeeded => filled.with("agreements", "").wrong_at_field("agreements", problem::sentence(refusal, locale)),
        _ => filled.refused(refusal, locale),
    };
    let direct = Asking {
        sku: filled.value("sku").parse().ok(),
        unit: PriceUnit::ALL.iter().copied().find(|unit| unit.word() == filled.value("unit")),
        count: filled.value("count").to_owned(),
        quantity: filled.value("quantity").to_owned(),
    };
    let page = page(app, member, direct.direct(), filled).await?;
    let mut response = Page(page).into_response();
    *response.status_mut() = status(refusal.code);
    Ok(response)
}

/// An order that was just placed.
struct Ordered {
    number: String,
    href: String,
    total: String,
    is_paid: bool,
    pay_until: String,
}

#[derive(Template)]
#[template(path = "storefront/done.html")]
struct Done {
    shell: Shell,
    results: Vec<Ordered>,
    all_paid: bool,
    steps: Vec<String>,
    step: usize,
}

#[derive(Deserialize)]
pub(super) struct Placed {
    orders: String,
}

pub(super) async fn done(
    State(app): State<AppState>,
    member: Member<buyer::View>,
    Query(Placed { orders }): Query<Placed>,
) -> ApiResult<Response> {
    let account = member.may.account();
    let numbers: Vec<String> = orders.split(',').filter(|number| !number.is_empty()).take(ORDERS_MAX).map(str::to_owned).collect();
    let found: Vec<Order> = app
        .read(async move |tx| {
            let mut found = Vec::with_capacity(numbers.len());
            for number in &numbers {
                found.push(orders::get_of_buyer(tx, account, number).await?);
            }
            Ok(found)
        })
        .await?;
    if found.is_empty() {
        return Ok(go_to("/buyer/orders").into_response());
    }
    let words = member.shell.t.clone();
    let result = |order: &Order| Ordered {
        number: order.number.clone(),
        href: format!("/buyer/orders/{}", order.number),
        total: words.money(order.total_minor, order.currency),
        is_paid: order.state != OrderState::PendingPayment,
        pay_until: words.time(order.pay_until),
    };
    let results: Vec<Ordered> = found.iter().map(result).collect();
    let all_paid = results.iter().all(|result| result.is_paid);
    Ok(Page(Done {
        all_paid,
        step: if all_paid { 3 } else { 2 },
        steps: ["page-step-confirm", "page-step-pay", "page-step-use"].iter().map(|key| words.s(key)).collect(),
        results,
        shell: member.shell,
    })
    .into_response())
}
