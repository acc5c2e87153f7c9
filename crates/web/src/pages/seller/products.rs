//! The seller's products: the list, one with what can be done with it, and its draft.

use askama::Template;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use db::Tx;
use kernel::{AccountId, Code, Currency, EditionId, Money, ProductId, Refusal, SkuId};
use market::accounts::Permission;
use market::catalog::{
    self, By, ChargingMode, ListingState, PartState, PriceUnit, ProductContent, ProductState, ProductSummary, RefundRule, SellerProduct,
    Side,
};
use market::edition::TaxKind;
use market::idempotency;
use serde::Deserialize;

use super::common::addresses;
use super::draft::{Asked, DraftForm, in_words};
use crate::AppState;
use crate::auth::seller;
use crate::extract::{Form, Paging, Query, Segment};
use crate::pages::again;
use crate::pages::form::{NoFields, Pairs, refused};
use crate::pages::parts::{Chip, Choice, Stamp, more_of};
use crate::pages::shell::{Member, Shell, Words};
use crate::pages::states::{Shown, part_chip};
use crate::pages::storefront::product::clean;
use crate::pages::{Page, go_to_done, new_key};
use crate::problem::{self, ApiError, ApiResult};
use crate::texts;

/// How the last submission of a product stands, where that matters.
fn listing_chip(summary: &ProductSummary, words: &Words) -> Option<Chip> {
    let state = summary.last_listing.as_ref()?.state;
    matches!(state, ListingState::UnderReview | ListingState::Rejected).then(|| state.chip(words))
}

struct ProductRow {
    href: String,
    name: String,
    made: Stamp,
    chip: Chip,
    listing: Option<Chip>,
    is_flagged: bool,
}

#[derive(Deserialize, Default)]
pub(crate) struct Filter {
    #[serde(default)]
    state: String,
}

#[derive(Template)]
#[template(path = "seller/products.html")]
pub(crate) struct Products {
    shell: Shell,
    states: Vec<Choice>,
    rows: Vec<ProductRow>,
    more: Option<String>,
    may_write: bool,
    has_address: bool,
}

pub(crate) async fn list(
    State(app): State<AppState>,
    member: Member<seller::View>,
    Query(typed): Query<Filter>,
    Paging(page): Paging,
) -> ApiResult<Page<Products>> {
    let (account, now) = (member.may.account(), member.may.ctx.now);
    let state = ProductState::named(&typed.state);
    let (found, own) =
        app.read(async move |tx| Ok((catalog::list_of_seller(tx, account, state, &page).await?, addresses(tx, account).await?))).await?;
    let words = member.shell.t.clone();
    let row = |summary: &ProductSummary| ProductRow {
        href: format!("/seller/products/{}", summary.id),
        name: summary.names.pick(words.locale).to_owned(),
        made: words.stamp(summary.created_at, now),
        chip: summary.state.chip(&words),
        listing: listing_chip(summary, &words),
        is_flagged: summary.flagged_at.is_some(),
    };
    Ok(Page(Products {
        states: ProductState::choices(state, &words),
        rows: found.items.iter().map(row).collect(),
        more: more_of("/seller/products", &[("state", state.map_or("", ProductState::word))], found.next.as_deref()),
        may_write: member.may.principal.require(Permission::SellerProducts).is_ok(),
        has_address: own.iter().any(|address| address.retired_at.is_none()),
        shell: member.shell,
    }))
}

struct SkuRow {
    id: String,
    name: String,
    prices: Vec<String>,
    quantity: String,
    chip: Chip,
    is_live: bool,
}

struct EditionRow {
    id: String,
    name: String,
    terms: String,
    address: String,
    chip: Chip,
    is_live: bool,
    skus: Vec<SkuRow>,
}

fn unit_price(unit: PriceUnit, price: Money, words: &Words) -> String {
    format!("{} {}", words.money(price.minor, price.currency), words.s(&format!("page-unit-{}", unit.word())))
}

fn terms(mode: ChargingMode, tax: TaxKind, refund: RefundRule, words: &Words) -> String {
    let mode = words.s(match mode {
        ChargingMode::Period => "page-sell-mode-period",
        ChargingMode::OneTime => "page-sell-mode-one-time",
    });
    let tax = words.s(match tax {
        TaxKind::Software => "page-sell-tax-software",
        TaxKind::Service => "page-sell-tax-service",
    });
    let refund = words.s(match refund {
        RefundRule::NoReason => "page-sell-refund-no-reason",
        RefundRule::None => "page-sell-refund-none",
    });
    format!("{mode} · {tax} · {refund}")
}

#[derive(Template)]
#[template(path = "seller/product.html")]
pub(crate) struct ProductPage {
    shell: Shell,
    id: String,
    name: String,
    version: i64,
    chip: Chip,
    listing: Option<Chip>,
    said: String,
    /// Why the last submission was rejected, and when.
    rejection: Option<(String, Stamp)>,
    submitted: Option<Stamp>,
    missing: Vec<String>,
    editions: Vec<EditionRow>,
    is_draft: bool,
    is_retired: bool,
    is_hidden: bool,
    hidden_by_operator: bool,
    is_flagged: bool,
    may_write: bool,
}

async fn product_page(
    app: &AppState,
    member_shell: Shell,
    account: AccountId,
    now: i64,
    id: ProductId,
    may_write: bool,
    said: String,
) -> ApiResult<ProductPage> {
    let (product, own) =
        app.read(async move |tx| Ok((catalog::get_of_seller(tx, account, id).await?, addresses(tx, account).await?))).await?;
    let words = member_shell.t.clone();
    let SellerProduct { summary, missing, editions, .. } = &product;
    let sku_row = |sku: &catalog::SkuView| SkuRow {
        id: sku.id.to_string(),
        name: sku.names.pick(words.locale).to_owned(),
        prices: sku.prices.iter().map(|price| unit_price(price.unit, price.price, &words)).collect(),
        quantity: format!("{}–{} {}", sku.quantity.min, sku.quantity.max, sku.quantity.unit.pick(words.locale)),
        chip: part_chip(sku.state, &words),
        is_live: sku.state == PartState::Active,
    };
    let edition_row = |edition: &catalog::EditionView| EditionRow {
        id: edition.id.to_string(),
        name: edition.names.pick(words.locale).to_owned(),
        terms: terms(edition.charging_mode, edition.tax_kind, edition.refund_rule, &words),
        address: own.iter().find(|address| Some(address.id) == edition.address_id).map_or_else(String::new, |address| address.name.clone()),
        chip: part_chip(edition.state, &words),
        is_live: edition.state == PartState::Active,
        skus: edition.skus.iter().map(sku_row).collect(),
    };
    let last = summary.last_listing.as_ref();
    let rejected = last.filter(|listing| listing.state == ListingState::Rejected);
    let waiting = last.filter(|listing| listing.state == ListingState::UnderReview);
    Ok(ProductPage {
        id: id.to_string(),
        name: summary.names.pick(words.locale).to_owned(),
        version: summary.version,
        chip: summary.state.chip(&words),
        listing: listing_chip(summary, &words),
        said,
        rejection: rejected
            .map(|listing| (listing.reason.clone().unwrap_or_default(), words.stamp(listing.decided_at.unwrap_or(now), now))),
        submitted: waiting.map(|listing| words.stamp(listing.submitted_at, now)),
        missing: missing.iter().map(|path| in_words(path, &words)).collect(),
        editions: editions.iter().map(edition_row).collect(),
        is_draft: summary.state == ProductState::Draft,
        is_retired: summary.state == ProductState::Retired,
        is_hidden: summary.state == ProductState::Hidden,
        hidden_by_operator: summary.hidden_by == Some(Side::Operator),
        is_flagged: summary.flagged_at.is_some(),
        may_write,
        shell: member_shell,
    })
}

pub(crate) async fn product(
    State(app): State<AppState>,
    member: Member<seller::View>,
    Segment(id): Segment<ProductId>,
) -> ApiResult<Page<ProductPage>> {
    let may_write = member.may.principal.require(Permission::SellerProducts).is_ok();
    let (account, now) = (member.may.account(), member.may.ctx.now);
    Ok(Page(product_page(&app, member.shell, account, now, id, may_write, String::new()).await?))
}

/// A refusal about a product in words: a place of the draft is told as people say it.
fn sentence(refusal: &Refusal, words: &Words) -> String {
    let value = |wanted: &str| refusal.args.iter().find(|(name, _)| *name == wanted).map(|(_, value)| value.as_str());
    match (refusal.code, value("field"), value("rule"), value("missing")) {
        (Code::FieldInvalid, Some(field), Some(rule), _) => format!("{}: {}", in_words(field, words), texts::rule(words.locale, rule)),
        (Code::ProductIncomplete, _, _, Some(_)) => words.s("page-sell-product-incomplete"),
        _ => problem::sentence(refusal, words.locale),
    }
}

/// What follows an act on a product: its page, with a word about what was done, or with why not.
async fn after(
    app: &AppState,
    member: Member<seller::Products>,
    id: ProductId,
    done: Result<(), ApiError>,
    word: &str,
) -> ApiResult<Response> {
    match done {
        Ok(()) => Ok(go_to_done(&format!("/seller/products/{id}"), word).into_response()),
        Err(error) => {
            let refusal = refused(error)?;
            // What is not there has no page to stand on.
            if refusal.code == Code::NotFound {
                return Err(ApiError::Refused(refusal));
            }
            let said = sentence(&refusal, &member.shell.t);
            let page = product_page(app, member.shell, member.may.principal.account, member.may.ctx.now, id, true, said).await?;
            Ok(again(&refusal, page))
        }
    }
}

#[derive(Deserialize)]
pub(crate) struct VersionFields {
    version: i64,
}

pub(crate) async fn submit(
    State(app): State<AppState>,
    member: Member<seller::Products>,
    Segment(id): Segment<ProductId>,
    form: Form<VersionFields>,
) -> ApiResult<Response> {
    let (account, ctx) = (member.may.account(), member.may.ctx.at(member.may.ctx.now));
    let act = async move |tx: &mut Tx| {
        catalog::expect_version(tx, account, id, Some(form.fields.version)).await?;
        catalog::submit(tx, &ctx, account, id).await.map(drop)
    };
    let done = app.write(act).await;
    after(&app, member, id, done, "product-submitted").await
}

pub(crate) async fn withdraw(
    State(app): State<AppState>,
    member: Member<seller::Products>,
    Segment(id): Segment<ProductId>,
    _: Form<NoFields>,
) -> ApiResult<Response> {
    let (account, ctx) = (member.may.account(), member.may.ctx.at(member.may.ctx.now));
    let done = app.write(async move |tx| catalog::withdraw(tx, &ctx, account, id).await.map(drop)).await;
    after(&app, member, id, done, "submission-withdrawn").await
}

pub(crate) async fn hide(
    State(app): State<AppState>,
    member: Member<seller::Products>,
    Segment(id): Segment<ProductId>,
    _: Form<NoFields>,
) -> ApiResult<Response> {
    let (by, ctx) = (By::Seller(member.may.account()), member.may.ctx.at(member.may.ctx.now));
    let done = app.write(async move |tx| catalog::hide(tx, &ctx, by, id).await.map(drop)).await;
    after(&app, member, id, done, "product-hidden").await
}

pub(crate) async fn unhide(
    State(app): State<AppState>,
    member: Member<seller::Products>,
    Segment(id): Segment<ProductId>,
    _: Form<NoFields>,
) -> ApiResult<Response> {
    let (by, ctx) = (By::Seller(member.may.account()), member.may.ctx.at(member.may.ctx.now));
    let done = app.write(async move |tx| catalog::show(tx, &ctx, by, id).await.map(drop)).await;
    after(&app, member, id, done, "product-shown").await
}

/// What is to be retired of a product; its page asks for a tick.
#[derive(Deserialize, Default)]
pub(crate) struct RetireFields {
    #[serde(default)]
    edition: String,
    #[serde(default)]
    sku: String,
    #[serde(default)]
    sure: String,
}

pub(crate) async fn retire(
    State(app): State<AppState>,
    member: Member<seller::Products>,
    Segment(id): Segment<ProductId>,
    form: Form<RetireFields>,
) -> ApiResult<Response> {
    let (account, ctx, fields) = (member.may.account(), member.may.ctx.at(member.may.ctx.now), form.fields);
    let by = By::Seller(account);
    if fields.sure.is_empty() {
        let said = member.shell.t.s("page-sell-not-sure");
        let page = product_page(&app, member.shell, account, ctx.now, id, true, said).await?;
        return Ok(again(&Refusal::field("sure", "required"), page));
    }
    let act = async move |tx: &mut Tx| {
        // The parts must be of this product.
        let product = catalog::get_of_seller(tx, account, id).await?;
        let missing = || db::Error::from(Refusal::new(Code::NotFound));
        if !fields.sku.is_empty() {
            let sku: SkuId = fields.sku.parse().map_err(|_| missing())?;
            let is_of_it = product.editions.iter().any(|edition| edition.skus.iter().any(|one| one.id == sku));
            return if is_of_it { catalog::retire_sku(tx, &ctx, by, sku).await } else { Err(missing()) };
        }
        if !fields.edition.is_empty() {
            let edition: EditionId = fields.edition.parse().map_err(|_| missing())?;
            let is_of_it = product.editions.iter().any(|one| one.id == edition);
            return if is_of_it { catalog::retire_edition(tx, &ctx, by, edition).await } else { Err(missing()) };
        }
        catalog::retire_product(tx, &ctx, by, id).await.map(drop)
    };
    let done = app.write(act).await;
    after(&app, member, id, done, "part-retired").await
}

/// A draft as buyers would see it.
struct Preview {
    name: String,
    overview: String,
    highlights: Vec<String>,
    description: String,
    support: String,
    editions: Vec<PreviewEdition>,
}

struct PreviewEdition {
    name: String,
    terms: String,
    skus: Vec<(String, Vec<String>)>,
}

fn preview(content: &ProductContent, currency: Currency, words: &Words) -> Preview {
    let pick = |texts: &catalog::Texts| texts.pick(words.locale).to_owned();
    let sku = |sku: &catalog::SkuContent| {
        let prices = sku.prices.iter().map(|price| unit_price(price.unit, Money::new(price.amount_minor, currency), words));
        (pick(&sku.names), prices.collect())
    };
    let edition = |edition: &catalog::EditionContent| PreviewEdition {
        name: pick(&edition.names),
        terms: terms(edition.charging_mode, edition.tax_kind, edition.refund_rule, words),
        skus: edition.skus.iter().map(sku).collect(),
    };
    Preview {
        name: pick(&content.names),
        overview: pick(&content.overview),
        highlights: content.highlights.iter().map(pick).collect(),
        description: clean(content.description.pick(words.locale)),
        support: [content.support_email.as_str(), content.support_phone.as_str()].join(" "),
        editions: content.editions.iter().map(edition).collect(),
    }
}

#[derive(Template)]
#[template(path = "seller/draft.html")]
pub(crate) struct DraftPage {
    shell: Shell,
    form: DraftForm,
    /// Where it is sent to.
    action: String,
    /// The product that it belongs to; empty for a new one.
    product: String,
    complaints: Vec<(String, String, String)>,
    missing: Vec<String>,
    addresses: Vec<(String, String)>,
    categories: Vec<(&'static str, String)>,
    /// The ids of editions and SKUs that are published: they are retired, not left out.
    published: Vec<String>,
    preview: Option<Preview>,
    currency: &'static str,
}

/// The categories that a product may stand in, each with its branch.
fn categories(locale: kernel::Locale) -> Vec<(&'static str, String)> {
    let leaves = catalog::categories::TREE.iter().flat_map(|branch| branch.leaves.iter().map(move |leaf| (branch, leaf)));
    leaves.map(|(branch, leaf)| (leaf.slug, format!("{} › {}", branch.category.name(locale), leaf.name(locale)))).collect()
}

impl DraftPage {
    fn is_published(&self, id: &str) -> bool {
        !id.is_empty() && self.published.iter().any(|known| known == id)
    }

    /// What the SKUs of an edition may be changed to: those that have an id, which they get when the draft is saved.
    fn targets<'a>(&'a self, edition: &'a super::draft::EditionForm, sku: &'a super::draft::SkuForm) -> Vec<(&'a str, &'a str, bool)> {
        let others = edition.skus.iter().filter(|other| !other.id.is_empty() && other.id != sku.id);
        let name = |other: &'a super::draft::SkuForm| {
            let (first, second) = match self.shell.t.locale {
                kernel::Locale::ZhCn => (&other.names.zh, &other.names.en),
                kernel::Locale::En => (&other.names.en, &other.names.zh),
            };
            if first.is_empty() { second.as_str() } else { first.as_str() }
        };
        others.map(|other| (other.id.as_str(), name(other), sku.to.contains(&other.id))).collect()
    }
}

async fn draft_page(
    app: &AppState,
    shell: Shell,
    account: AccountId,
    id: Option<ProductId>,
    form: Option<DraftForm>,
    preview: Option<Preview>,
    key: String,
) -> ApiResult<DraftPage> {
    let (product, own) = app
        .read(async move |tx| {
            let product = match id {
                Some(id) => Some(catalog::get_of_seller(tx, account, id).await?),
                None => None,
            };
            Ok((product, addresses(tx, account).await?))
        })
        .await?;
    if product.as_ref().is_some_and(|product| product.summary.state == ProductState::Retired) {
        return Err(Refusal::new(Code::ProductState).with("state", ProductState::Retired).into());
    }
    let (words, currency) = (shell.t.clone(), app.market().edition().currency);
    let saved = || product.as_ref().map(|product| DraftForm::of(&product.draft, product.summary.version, currency));
    let is_as_saved = form.is_none();
    let form = form.or_else(saved).unwrap_or_else(|| DraftForm::new(key));
    let published = product.iter().flat_map(|product| &product.editions);
    let published = published.flat_map(|edition| edition.skus.iter().map(|sku| sku.id.to_string()).chain([edition.id.to_string()]));
    Ok(DraftPage {
        complaints: form.complaints(&words),
        // Of what is being typed nobody knows yet what will be missing.
        missing: product.iter().filter(|_| is_as_saved).flat_map(|product| &product.missing).map(|path| in_words(path, &words)).collect(),
        categories: categories(words.locale),
        addresses: own.iter().filter(|address| address.retired_at.is_none()).map(|one| (one.id.to_string(), one.name.clone())).collect(),
        published: published.collect(),
        action: id.map_or_else(|| "/seller/products".to_owned(), |id| format!("/seller/products/{id}/draft")),
        product: id.map_or_else(String::new, |id| id.to_string()),
        preview,
        currency: currency.code(),
        form,
        shell,
    })
}

pub(crate) async fn new_form(State(app): State<AppState>, member: Member<seller::Products>) -> ApiResult<Page<DraftPage>> {
    let (account, key) = (member.may.account(), new_key(&member.may.ctx));
    Ok(Page(draft_page(&app, member.shell, account, None, None, None, key).await?))
}

pub(crate) async fn draft_form(
    State(app): State<AppState>,
    member: Member<seller::Products>,
    Segment(id): Segment<ProductId>,
) -> ApiResult<Page<DraftPage>> {
    let account = member.may.account();
    Ok(Page(draft_page(&app, member.shell, account, Some(id), None, None, String::new()).await?))
}

pub(crate) async fn create(State(app): State<AppState>, member: Member<seller::Products>, form: Form<Pairs>) -> ApiResult<Response> {
    write(app, member, None, form).await
}

pub(crate) async fn save_draft(
    State(app): State<AppState>,
    member: Member<seller::Products>,
    Segment(id): Segment<ProductId>,
    form: Form<Pairs>,
) -> ApiResult<Response> {
    write(app, member, Some(id), form).await
}

/// Does what a button of the draft asked for. Whatever that was, everything that was typed is there again.
async fn write(app: AppState, member: Member<seller::Products>, id: Option<ProductId>, sent: Form<Pairs>) -> ApiResult<Response> {
    let (account, ctx, words, currency) =
        (member.may.account(), member.may.ctx.at(member.may.ctx.now), member.shell.t.clone(), app.market().edition().currency);
    let (mut form, asked) = DraftForm::sent(&sent.fields);
    if asked == Asked::Rows {
        return Ok(Page(draft_page(&app, member.shell, account, id, Some(form), None, String::new()).await?).into_response());
    }
    let content = form.content(currency, &words);
    if asked == Asked::Preview {
        let seen = preview(&content, currency, &words);
        return Ok(Page(draft_page(&app, member.shell, account, id, Some(form), Some(seen), String::new()).await?).into_response());
    }
    let saved = if form.is_readable() {
        save(&app, account, ctx, id, content, &form, &sent).await
    } else {
        Err(ApiError::Refused(Refusal::field("editions", "format")))
    };
    let refusal = match saved {
        Ok(id) => return Ok(go_to_done(&format!("/seller/products/{id}/draft"), "draft-saved").into_response()),
        Err(error) => refused(error)?,
    };
    match (refusal.code, id) {
        (Code::NotFound | Code::NotSeller, _) => return Err(ApiError::Refused(refusal)),
        (Code::VersionStale, Some(id)) => {
            // Whoever saves again has read that somebody else was there: then it replaces what they wrote.
            let now = app.read(async move |tx| catalog::get_of_seller(tx, account, id).await).await?;
            form.version = now.summary.version.to_string();
            form.said = words.s("page-sell-draft-conflict");
        }
        _ if form.is_readable() => form.refuse(&refusal, &words),
        _ => {}
    }
    Ok(again(&refusal, draft_page(&app, member.shell, account, id, Some(form), None, String::new()).await?))
}

/// Saves the draft of a product, or begins one, once for the key of the form.
async fn save(
    app: &AppState,
    account: AccountId,
    ctx: kernel::Ctx,
    id: Option<ProductId>,
    content: ProductContent,
    form: &DraftForm,
    sent: &Form<Pairs>,
) -> ApiResult<String> {
    let Some(id) = id else {
        let key = sent.key(account, &form.key)?;
        let create = async move |tx: &mut Tx| {
            idempotency::once(tx, &ctx, &key, async |tx: &mut Tx| {
                Ok(serde_json::to_value(catalog::create(tx, &ctx, account, content.clone()).await?)?)
            })
            .await
        };
        return Ok(app.write(create).await?["id"].as_str().unwrap_or_default().to_owned());
    };
    let version = form.version.parse().unwrap_or(0);
    let save = async move |tx: &mut Tx| catalog::update_draft(tx, &ctx, account, id, content.clone(), Some(version)).await;
    app.write(save).await.map(|product| product.summary.id.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use kernel::Locale;

    #[test]
    fn every_place_of_a_draft_has_its_words() {
        let content = include_str!("../../../../market/src/catalog/content.rs");
        let named = [
            "names",
            "overview",
            "description",
            "highlights",
            "category",
            "support_email",
            "support_phone",
            "editions",
            "skus",
            "prices",
            "address_id",
        ];
        assert!(named.iter().all(|place| content.contains(place)));
        let more = [
            "charging_mode",
            "refund_rule",
            "change",
            "quantity",
            "id",
            "min",
            "max",
            "step",
            "unit",
            "steps",
            "edition",
            "sku",
            "highlight",
        ];
        for place in named.iter().chain(&more) {
            for locale in [Locale::En, Locale::ZhCn] {
                let key = format!("page-sell-place-{}", place.replace('_', "-"));
                assert!(texts::is_there(locale, &key), "there is no {locale} text {key}");
            }
        }
    }
}
