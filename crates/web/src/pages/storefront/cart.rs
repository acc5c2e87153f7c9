//! The cart: what somebody means to order, at the prices of now.

use askama::Template;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use kernel::{CartLineId, SkuId};
use market::accounts;
use market::carts::{self, Cart, Owner, Part, Priced};
use market::catalog::{Names, PriceUnit};
use serde::Deserialize;

use super::unit_key;
use crate::AppState;
use crate::auth::{Right, buyer};
use crate::extract::{Form, Segment};
use crate::pages::shell::{Member, Shell, Words};
use crate::pages::{Page, go_to_done};
use crate::problem::{self, ApiError, ApiResult, status};

/// A line as it is shown, in the cart and before the order.
pub(super) struct Row {
    pub(super) id: String,
    pub(super) name: String,
    pub(super) variant: String,
    pub(super) unit_price: String,
    pub(super) unit: String,
    pub(super) period: String,
    pub(super) quantity: String,
    pub(super) amount: String,
    /// The unit price that was seen before, where it is another one now.
    pub(super) seen: String,
    /// Why it cannot be ordered.
    pub(super) why: String,
}

/// The lines of one seller.
pub(super) struct Group {
    pub(super) seller: String,
    pub(super) seller_href: String,
    pub(super) rows: Vec<Row>,
    pub(super) total: String,
}

#[derive(Template)]
#[template(path = "storefront/cart.html")]
struct CartPage {
    shell: Shell,
    groups: Vec<Group>,
    unsold: Vec<Row>,
    total: String,
    changed: bool,
    lines: String,
    said: String,
}

pub(super) fn owner<R: Right>(member: &Member<R>) -> Owner {
    Owner { account: member.may.account(), user: member.may.principal.user }
}

fn names(names: &Names, words: &Words) -> (String, String) {
    let (edition, sku) = (names.edition.pick(words.locale), names.sku.pick(words.locale));
    let variant = if edition == sku { sku.to_owned() } else { format!("{edition} · {sku}") };
    (names.product.pick(words.locale).to_owned(), variant)
}

fn row(priced: &Priced, app: &AppState, words: &Words) -> Row {
    let currency = app.market().edition().currency;
    let (name, variant) = names(&priced.quote.names, words);
    Row {
        id: priced.line.id.to_string(),
        name,
        variant,
        unit_price: words.money(priced.quote.unit_price_minor, currency),
        unit: words.s(unit_key(priced.quote.unit)),
        period: words.period(priced.quote.period),
        quantity: priced.line.quantity.to_string(),
        amount: words.money(priced.quote.amount_minor, currency),
        seen: priced.seen().map_or_else(String::new, |seen| words.money(seen, currency)),
        why: String::new(),
    }
}

/// The parts of a cart as they are shown.
pub(super) async fn groups(app: &AppState, parts: &[Part], words: &Words) -> ApiResult<Vec<Group>> {
    let mut groups = Vec::with_capacity(parts.len());
    for part in parts {
        let seller = part.seller_id;
        groups.push(Group {
            seller: app.read(async move |tx| Ok(accounts::get(tx, seller).await?.title)).await?,
            seller_href: format!("/sellers/{seller}"),
            rows: part.lines.iter().map(|priced| row(priced, app, words)).collect(),
            total: words.money(part.total.minor, part.total.currency),
        });
    }
    Ok(groups)
}

async fn look(app: &AppState, owner: Owner) -> ApiResult<Cart> {
    let market = app.market().clone();
    app.read(async move |tx| carts::view(tx, market.edition(), owner).await).await
}

async fn page(app: &AppState, owner: Owner, shell: Shell, said: String) -> ApiResult<CartPage> {
    let (cart, words, currency) = (look(app, owner).await?, shell.t.clone(), app.market().edition().currency);
    let unsold = cart.unsold.iter().map(|unsold| {
        let (name, variant) = names(&unsold.names, &words);
        Row {
            id: unsold.line.id.to_string(),
            name,
            variant,
            unit_price: words.money(unsold.line.seen_unit_price_minor, currency),
            unit: words.s(unit_key(unsold.line.unit)),
            period: String::new(),
            quantity: unsold.line.quantity.to_string(),
            amount: String::new(),
            seen: String::new(),
            why: problem::sentence(&unsold.why, words.locale),
        }
    });
    let unsold = unsold.collect();
    let groups = groups(app, &cart.parts, &words).await?;
    let total: i64 = cart.parts.iter().map(|part| part.total.minor).fold(0, i64::saturating_add);
    let changed = groups.iter().flat_map(|group| &group.rows).any(|row| !row.seen.is_empty());
    let lines = words.with("page-cart-lines", format!("{} / {}", cart.lines(), carts::LINES_MAX));
    Ok(CartPage { groups, unsold, total: words.money(total, currency), changed, lines, said, shell })
}

pub(super) async fn cart(State(app): State<AppState>, member: Member<buyer::Purchase>) -> ApiResult<Response> {
    let owner = owner(&member);
    Ok(Page(page(&app, owner, member.shell, String::new()).await?).into_response())
}

/// Shows the cart again with what was refused.
async fn refused(app: &AppState, owner: Owner, shell: Shell, error: ApiError) -> ApiResult<Response> {
    let ApiError::Refused(refusal) = error else { return Err(error) };
    let said = problem::sentence(&refusal, shell.t.locale);
    let mut response = Page(page(app, owner, shell, said).await?).into_response();
    *response.status_mut() = status(refusal.code);
    Ok(response)
}

#[derive(Deserialize)]
pub(super) struct AddFields {
    sku: SkuId,
    unit: PriceUnit,
    #[serde(default)]
    count: String,
    quantity: String,
}

pub(super) async fn add(State(app): State<AppState>, member: Member<buyer::Purchase>, form: Form<AddFields>) -> ApiResult<Response> {
    let AddFields { sku, unit, count, quantity } = form.fields;
    let (owner, market, ctx) = (owner(&member), app.market().clone(), member.may.ctx);
    let added = match super::item(sku, unit, &count, &quantity) {
        Ok(item) => app.write(async move |tx| carts::add(tx, &ctx, market.edition(), owner, &item).await).await,
        Err(refusal) => Err(refusal.into()),
    };
    match added {
        Ok(()) => Ok(go_to_done("/cart", "in-cart").into_response()),
        Err(error) => refused(&app, owner, member.shell, error).await,
    }
}

#[derive(Deserialize)]
pub(super) struct SetFields {
    quantity: String,
}

pub(super) async fn set(
    State(app): State<AppState>,
    member: Member<buyer::Purchase>,
    Segment(id): Segment<CartLineId>,
    form: Form<SetFields>,
) -> ApiResult<Response> {
    let (owner, market) = (owner(&member), app.market().clone());
    let quantity = form.fields.quantity.trim().parse().unwrap_or(0);
    match app.write(async move |tx| carts::set_quantity(tx, market.edition(), owner, id, quantity).await).await {
        Ok(()) => Ok(go_to_done("/cart", "saved").into_response()),
        Err(error) => refused(&app, owner, member.shell, error).await,
    }
}

pub(super) async fn remove(
    State(app): State<AppState>,
    member: Member<buyer::Purchase>,
    Segment(id): Segment<CartLineId>,
) -> ApiResult<Response> {
    let owner = owner(&member);
    app.write(async move |tx| carts::remove(tx, owner, id).await).await?;
    Ok(go_to_done("/cart", "out-of-cart").into_response())
}
