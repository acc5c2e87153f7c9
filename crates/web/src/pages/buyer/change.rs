//! Changing a service to another SKU of its edition, or to another quantity: what it costs for the time that is left, and why.

use askama::Template;
use axum::extract::State;
use axum::response::Response;
use db::Tx;
use kernel::{Refusal, SkuId, SubscriptionId};
use market::catalog::{self, ProductView};
use market::orders::{self, Quote};
use market::subscriptions::{self, Subscription};
use serde::Deserialize;

use super::to_order;
use crate::AppState;
use crate::acts;
use crate::auth::buyer;
use crate::extract::{Form, Query, Segment};
use crate::pages::parts::Choice;
use crate::pages::parts::full_name;
use crate::pages::shell::{Member, Shell, Words};
use crate::pages::{Page, new_key};
use crate::problem::{self, ApiError, ApiResult};

/// What somebody would change to; anything may be missing.
#[derive(Deserialize, Default)]
pub(crate) struct Chosen {
    sku: Option<SkuId>,
    quantity: Option<String>,
}

/// What a change costs, and how that comes about.
struct Price {
    total: String,
    total_minor: i64,
    tax: String,
    until: String,
    months: String,
    old: String,
    old_value: String,
    new: String,
    new_value: String,
    is_back: bool,
}

#[derive(Template)]
#[template(path = "buyer/change.html")]
pub(crate) struct ChangePage {
    shell: Shell,
    id: String,
    what: String,
    now: String,
    skus: Vec<Choice>,
    sku: String,
    quantity: String,
    quantity_rule: String,
    price: Option<Price>,
    wrong: String,
    key: String,
}

fn priced(quote: &Quote, words: &Words) -> Option<Price> {
    let line = quote.lines.first()?;
    let change = line.change.as_ref()?;
    let unit = |unit: catalog::PriceUnit| words.s(&format!("page-unit-{}", unit.word()));
    let price = |money: kernel::Money, of: catalog::PriceUnit, quantity: i64| {
        format!("{} {} × {quantity}", words.money(money.minor, money.currency), unit(of))
    };
    Some(Price {
        total: words.money(quote.total_minor, quote.currency),
        total_minor: quote.total_minor,
        tax: words.money(quote.tax_minor, quote.currency),
        until: words.time(change.until),
        months: change.remaining_months_text.clone(),
        old: price(change.old_unit_price, change.old_unit, change.old_quantity),
        old_value: words.money(change.old_value.minor, change.old_value.currency),
        new: price(change.new_unit_price, change.new_unit, change.new_quantity),
        new_value: words.money(change.new_value.minor, change.new_value.currency),
        is_back: quote.total_minor < 0,
    })
}

/// The SKUs of the service's edition that are sold, with the rule of the chosen one's quantity.
fn skus(view: &ProductView, sub: &Subscription, chosen: SkuId, words: &Words) -> (Vec<Choice>, String) {
    let edition = view.editions.iter().find(|edition| edition.id == sub.item.edition_id);
    let all = edition.map_or(&[][..], |edition| &edition.skus);
    let choice = |sku: &catalog::SkuView| {
        let label = sku.names.pick(words.locale).to_owned();
        Choice { value: sku.id.to_string(), label, on: sku.id == chosen }
    };
    let rule = all
        .iter()
        .find(|sku| sku.id == chosen)
        .map_or_else(String::new, |sku| format!("{}–{} {}", sku.quantity.min, sku.quantity.max, sku.quantity.unit.pick(words.locale)));
    (all.iter().map(choice).collect(), rule)
}

pub(crate) async fn form(
    State(app): State<AppState>,
    member: Member<buyer::Purchase>,
    Segment(id): Segment<SubscriptionId>,
    Query(chosen): Query<Chosen>,
) -> ApiResult<Page<ChangePage>> {
    let account = member.may.account();
    let look = async move |tx: &mut Tx| {
        let sub = subscriptions::get_of_buyer(tx, account, id).await?;
        let view = catalog::view(tx, Some(account), sub.item.product_id).await?;
        Ok((sub, view))
    };
    let (sub, view) = app.read(look).await?;
    let words = member.shell.t.clone();
    let sku = chosen.sku.unwrap_or(sub.item.sku_id);
    let quantity = chosen.quantity.clone().unwrap_or_else(|| sub.quantity.to_string());
    let (skus, quantity_rule) = skus(&view, &sub, sku, &words);
    let count = quantity.trim().parse().unwrap_or(0);
    let (price, wrong) = if sku == sub.item.sku_id && count == sub.quantity {
        (None, String::new())
    } else {
        let (market, ctx) = (app.market().clone(), member.may.ctx.at(member.may.ctx.now));
        let quote = async move |tx: &mut Tx| orders::quote_change(tx, &ctx, market.edition(), account, id, sku, count).await;
        match app.read(quote).await {
            Ok(quote) => (priced(&quote, &words), String::new()),
            Err(ApiError::Refused(refusal)) => (None, problem::sentence(&refusal, words.locale)),
            Err(fault) => return Err(fault),
        }
    };
    let (what, variant) = full_name(&sub.item.names, &words);
    Ok(Page(ChangePage {
        id: id.to_string(),
        what,
        now: format!("{variant} × {}", sub.quantity),
        skus,
        sku: sku.to_string(),
        quantity,
        quantity_rule,
        price,
        wrong,
        key: new_key(&member.may.ctx),
        shell: member.shell,
    }))
}

#[derive(Deserialize)]
pub(crate) struct ChangeFields {
    sku: SkuId,
    quantity: String,
    total: i64,
    key: String,
}

pub(crate) async fn change(
    State(app): State<AppState>,
    member: Member<buyer::Purchase>,
    Segment(id): Segment<SubscriptionId>,
    form: Form<ChangeFields>,
) -> ApiResult<Response> {
    let key = form.key(member.may.account(), &form.fields.key)?;
    let quantity = form.fields.quantity.trim().parse().map_err(|_| Refusal::field("quantity", "number"))?;
    let order = acts::change(&app, member.act(key), id, (form.fields.sku, quantity), Some(form.fields.total)).await?;
    Ok(to_order(acts::number(&order)))
}
