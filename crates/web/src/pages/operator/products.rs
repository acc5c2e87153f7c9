//! Products: what was submitted, beside what is sold now; and all of them.

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use db::Tx;
use http::StatusCode;
use kernel::{Currency, ListingId, ProductId};
use market::accounts::Permission;
use market::catalog::{self, By, EditionContent, ListingState, ProductContent, ProductState, Review, SkuContent, SubmissionKind, Texts};
use market::page::PageRequest;
use market::sellers::Address;
use serde::Deserialize;

use super::view::{Act, Actors, Block, Cell, Filter, List, Pair, Staff, Table, Thing, Titles, be_sure, shown, timeline};
use crate::AppState;
use crate::auth::operator;
use crate::extract::{Form, Paging, Query, Segment};
use crate::pages::form::Filled;
use crate::pages::form::Pairs;
use crate::pages::go_to_done;
use crate::pages::parts::{Chip, Tab, more, more_of};
use crate::pages::seller::common::addresses;
use crate::pages::shell::{Member, Words};
use crate::pages::states::Shown;
use crate::problem::ApiResult;

pub(super) async fn submissions(State(app): State<AppState>, member: Member<operator::View>, Paging(page): Paging) -> ApiResult<Response> {
    let staff = Staff::from(member);
    let ctx = staff.act();
    let (found, titles) = app
        .read(async move |tx: &mut Tx| {
            let found = catalog::review_queue(tx, &ctx, &page).await?;
            let titles = Titles::read(tx, found.items.iter().map(|item| item.seller_id)).await?;
            Ok((found, titles))
        })
        .await?;
    let t = staff.shell.t.clone();
    let rows = found.items.iter().map(|item| {
        vec![
            Cell::link(format!("/operator/listings/{}", item.id), item.names.pick(t.locale)),
            titles.seller(item.seller_id),
            Cell::Text(kind(item.kind, &t)),
            Cell::Num(item.revision.to_string()),
            staff.at(item.submitted_at),
        ]
    });
    let heads = ["page-op-product", "page-op-seller", "page-op-submission-kind", "page-op-revision", "page-op-submitted"];
    let table = Table::new(&t, &heads, rows.collect(), "page-op-no-submissions");
    let table = table.with_more(more("/operator/listings", found.next.as_deref()));
    Ok(shown(StatusCode::OK, List::new(staff, "page-submissions", "/operator/listings", table)))
}

fn kind(kind: SubmissionKind, t: &Words) -> String {
    t.s(match kind {
        SubmissionKind::New => "page-op-submission-new",
        SubmissionKind::Change => "page-op-submission-change",
    })
}

/// A version of a product as lines of label and text, in the order in which a reader goes through it. What is one and the same thing in both
/// versions has the same place.
struct Lines<'a> {
    t: &'a Words,
    currency: Currency,
    /// What the seller's addresses are called, and where they are.
    addresses: &'a [Address],
    lines: Vec<(String, String, String)>,
}

impl Lines<'_> {
    fn put(&mut self, place: impl Into<String>, label: impl Into<String>, text: impl Into<String>) {
        self.lines.push((place.into(), label.into(), text.into()));
    }

    /// Both languages, each on a line of its own.
    fn texts(&mut self, place: &str, label: &str, texts: &Texts) {
        let (zh, en) = (self.t.with("page-op-in-chinese", self.t.s(label)), self.t.with("page-op-in-english", self.t.s(label)));
        self.put(format!("{place}.zh"), zh, &*texts.zh);
        self.put(format!("{place}.en"), en, &*texts.en);
    }

    /// Every field is named here: a new one does not compile before a reviewer sees it.
    fn product(&mut self, content: &ProductContent) {
        let ProductContent { names, overview, description, highlights, category, support_email, support_phone, editions } = content;
        self.texts("names", "page-name", names);
        self.put("category", self.t.s("page-op-category"), category_name(category, self.t));
        self.texts("overview", "page-op-overview-text", overview);
        self.texts("description", "page-description", description);
        let both = |pick: fn(&Texts) -> &String| highlights.iter().map(pick).cloned().collect::<Vec<_>>().join("\n");
        self.texts("highlights", "page-op-highlights", &Texts::new(both(|texts| &texts.zh), both(|texts| &texts.en)));
        self.put("email", self.t.s("page-op-support-email"), &**support_email);
        self.put("phone", self.t.s("page-op-support-phone"), &**support_phone);
        for (at, edition) in editions.iter().enumerate() {
            let place = edition.id.map_or_else(|| format!("edition {at}"), |id| id.to_string());
            self.edition(&place, edition);
        }
    }

    fn edition(&mut self, place: &str, edition: &EditionContent) {
        let EditionContent { id: _, names, charging_mode, tax_kind, refund_rule, address_id, skus } = edition;
        let name = names.pick(self.t.locale).to_owned();
        let label = |what: String| format!("{name} · {what}");
        self.put(format!("{place}.names"), label(self.t.s("page-op-edition")), format!("{}\n{}", names.zh, names.en));
        let charged = self.t.s(&format!("page-op-charged-{}", charging_mode.word().to_ascii_lowercase()));
        self.put(format!("{place}.charged"), label(self.t.s("page-charged")), charged);
        let tax = self.t.s(&format!("page-op-tax-kind-{}", tax_kind.word()));
        self.put(format!("{place}.tax"), label(self.t.s("page-op-tax-kind")), tax);
        let refunds = self.t.s(&format!("page-op-refund-rule-{}", refund_rule.word()));
        self.put(format!("{place}.refund"), label(self.t.s("page-op-refund-rule")), refunds);
        let known = address_id.and_then(|id| self.addresses.iter().find(|address| address.id == id));
        let address = known.map_or_else(
            || address_id.map_or_else(String::new, |id| id.to_string()),
            |address| format!("{}\n{}", address.name, address.url),
        );
        self.put(format!("{place}.address"), label(self.t.s("page-op-address")), address);
        for (at, sku) in skus.iter().enumerate() {
            let place = sku.id.map_or_else(|| format!("{place} sku {at}"), |id| id.to_string());
            self.sku(&place, &name, sku, skus);
        }
    }

    fn sku(&mut self, place: &str, edition: &str, sku: &SkuContent, all: &[SkuContent]) {
        let SkuContent { id: _, names, quantity: rule, prices, change } = sku;
        let label = format!("{edition} · {}", names.pick(self.t.locale));
        let quantity = format!("{}–{} / {} {}", rule.min, rule.max, rule.step, rule.unit.pick(self.t.locale));
        let price = |price: &catalog::PriceContent| {
            let unit = self.t.s(&format!("page-unit-{}", price.unit.word()));
            format!("{} {unit}", self.t.money(price.amount_minor, self.currency))
        };
        let prices = prices.iter().map(price).collect::<Vec<_>>().join("\n");
        self.put(format!("{place}.names"), format!("{label} · SKU"), format!("{}\n{}", names.zh, names.en));
        self.put(format!("{place}.quantity"), format!("{label} · {}", self.t.s("page-quantity")), quantity);
        self.put(format!("{place}.prices"), format!("{label} · {}", self.t.s("page-op-price")), prices);
        let named = |id: &kernel::SkuId| {
            let sku = all.iter().find(|sku| sku.id == Some(*id));
            sku.map_or_else(|| id.to_string(), |sku| sku.names.pick(self.t.locale).to_owned())
        };
        let change = change.as_ref().map_or_else(String::new, |rule| {
            let steps = self.t.with("page-op-change-steps", rule.scaling_steps.to_string());
            format!("{steps}\n{}", rule.to.iter().map(named).collect::<Vec<_>>().join("\n"))
        });
        self.put(format!("{place}.change"), format!("{label} · {}", self.t.s("page-op-change-rule")), change);
    }
}

/// A category with its branch, as the storefront shows it.
fn category_name(slug: &str, t: &Words) -> String {
    let known = catalog::categories::leaf(slug);
    known.map_or_else(|| slug.to_owned(), |(branch, leaf)| format!("{} › {}", branch.category.name(t.locale), leaf.name(t.locale)))
}

/// The two versions side by side: the new one's order, and what it no longer has at the end.
fn compare(t: &Words, currency: Currency, addresses: &[Address], before: Option<&ProductContent>, after: &ProductContent) -> Vec<Pair> {
    let lines = |content: &ProductContent| {
        let mut lines = Lines { t, currency, addresses, lines: Vec::new() };
        lines.product(content);
        lines.lines
    };
    let (old, new) = (before.map(lines).unwrap_or_default(), lines(after));
    let find = |of: &[(String, String, String)], place: &str| of.iter().find(|(known, ..)| known == place).map(|(.., text)| text.clone());
    let kept = new.iter().map(|(place, label, text)| Pair {
        label: label.clone(),
        before: find(&old, place).unwrap_or_default(),
        after: text.clone(),
    });
    let gone = old.iter().filter(|(place, ..)| find(&new, place).is_none());
    let gone = gone.map(|(_, label, text)| Pair { label: label.clone(), before: text.clone(), after: String::new() });
    kept.chain(gone).filter(|pair| !(pair.before.is_empty() && pair.after.is_empty())).collect()
}

async fn submission_page(app: &AppState, staff: Staff, id: ListingId) -> ApiResult<Response> {
    let ctx = staff.act();
    let (review, titles, addresses): (Review, Titles, Vec<Address>) = app
        .read(async move |tx: &mut Tx| {
            let review = catalog::review(tx, &ctx, id).await?;
            let titles = Titles::read(tx, [review.item.seller_id]).await?;
            let addresses = addresses(tx, review.item.seller_id).await?;
            Ok((review, titles, addresses))
        })
        .await?;
    let (t, currency) = (staff.shell.t.clone(), app.market().edition().currency);
    let is_open = review.state == ListingState::UnderReview;
    // What was decided is sold already, or was never sold: there is nothing to hold it against.
    let before = review.published.as_ref().filter(|_| is_open);
    let pairs = compare(&t, currency, &addresses, before, &review.content);
    let changed = pairs.iter().filter(|pair| pair.differs()).count();
    let mut facts = vec![
        staff.fact(
            "page-op-product",
            Cell::link(format!("/operator/products/{}", review.item.product_id), review.item.names.pick(t.locale)),
        ),
        staff.fact("page-op-seller", titles.seller(review.item.seller_id)),
        staff.fact("page-op-submission-kind", Cell::Text(kind(review.item.kind, &t))),
        staff.fact("page-op-revision", Cell::Num(review.item.revision.to_string())),
        staff.fact("page-op-submitted", staff.at(review.item.submitted_at)),
    ];
    if let Some(decided_at) = review.decided_at {
        facts.push(staff.fact("page-op-decided", staff.at(decided_at)));
    }
    if let Some(reason) = &review.reason {
        facts.push(staff.fact("page-reason", Cell::Text(reason.clone())));
    }
    let mut blocks = vec![Block::Facts(String::new(), facts)];
    if before.is_some() {
        blocks.push(Block::Say("ok", t.with("page-op-fields-changed", changed.to_string())));
    }
    blocks.push(if before.is_some() {
        Block::Compare(t.s("page-op-what-was-submitted"), pairs)
    } else {
        // Nothing of it was sold before: there is nothing to mark.
        let rows = pairs.into_iter().map(|pair| vec![Cell::Text(pair.label), Cell::Text(pair.after)]).collect();
        let heads = ["page-op-field", "page-op-submitted-now"];
        Block::Table(t.s("page-op-what-was-submitted"), Table::new(&t, &heads, rows, "page-op-nothing-yet"))
    });
    if is_open && staff.may(Permission::OperatorReview) {
        let path = |act: &str| format!("/operator/listings/{id}/{act}");
        blocks.push(Block::Act(Act::new(&staff, "approve", path("approve"), "page-op-approve", "page-op-approve-product-what").main()));
        let reject = Act::new(&staff, "reject", path("reject"), "page-op-reject", "page-op-reject-product-what");
        blocks.push(Block::Act(reject.reason(&t, "page-op-reason-read-by-seller")));
    }
    let page = Thing {
        title: review.item.names.pick(t.locale).to_owned(),
        up: ("/operator/listings".to_owned(), t.s("page-submissions")),
        under: String::new(),
        chips: vec![review.state.chip(&t)],
        blocks,
        shell: staff.shell.clone(),
    };
    Ok(shown(staff.status(), page))
}

pub(super) async fn submission(
    State(app): State<AppState>,
    member: Member<operator::View>,
    Segment(id): Segment<ListingId>,
) -> ApiResult<Response> {
    submission_page(&app, member.into(), id).await
}

pub(super) async fn approve(
    State(app): State<AppState>,
    member: Member<operator::Review>,
    Segment(id): Segment<ListingId>,
    form: Form<Pairs>,
) -> ApiResult<Response> {
    let (staff, market) = (Staff::from(member), app.market().clone());
    let ctx = staff.act();
    match app.write(async move |tx: &mut Tx| catalog::approve(tx, &ctx, market.edition(), id).await).await {
        Ok(_) => Ok(go_to_done("/operator/listings", "approved").into_response()),
        Err(error) => submission_page(&app, staff.refuse("approve", Filled::of(form.fields), error)?, id).await,
    }
}

pub(super) async fn reject(
    State(app): State<AppState>,
    member: Member<operator::Review>,
    Segment(id): Segment<ListingId>,
    form: Form<Pairs>,
) -> ApiResult<Response> {
    let (staff, filled) = (Staff::from(member), Filled::of(form.fields));
    let (ctx, reason) = (staff.act(), filled.value("reason").to_owned());
    match app.write(async move |tx: &mut Tx| catalog::reject(tx, &ctx, id, &reason).await).await {
        Ok(_) => Ok(go_to_done("/operator/listings", "rejected").into_response()),
        Err(error) => submission_page(&app, staff.refuse("reject", filled, error)?, id).await,
    }
}

#[derive(Deserialize, Default)]
pub(super) struct OfProducts {
    #[serde(default)]
    state: String,
    #[serde(default)]
    flagged: String,
}

pub(super) async fn products(
    State(app): State<AppState>,
    member: Member<operator::View>,
    Query(filter): Query<OfProducts>,
    Paging(page): Paging,
) -> ApiResult<Response> {
    let staff = Staff::from(member);
    let wanted = ProductState::ALL.iter().copied().find(|state| state.word() == filter.state);
    let flagged = filter.flagged == "yes";
    let (found, titles) = app
        .read(async move |tx: &mut Tx| {
            let found = if flagged { catalog::list_flagged(tx, &page).await? } else { catalog::list_all(tx, wanted, &page).await? };
            let titles = Titles::read(tx, found.items.iter().map(|product| product.seller_id)).await?;
            Ok((found, titles))
        })
        .await?;
    let t = staff.shell.t.clone();
    let rows = found.items.iter().map(|product| {
        let flag = match product.flagged_at {
            Some(_) => Cell::Chip(Chip { word: t.s("page-op-flagged"), tone: "bad" }),
            None => Cell::Empty,
        };
        vec![
            Cell::link(format!("/operator/products/{}", product.id), product.names.pick(t.locale)),
            titles.seller(product.seller_id),
            staff.at_or_none(product.published_at),
            flag,
            Cell::Chip(product.state.chip(&t)),
        ]
    });
    let heads = ["page-op-product", "page-op-seller", "page-op-published", "page-op-failures", "page-state"];
    let more = more_of("/operator/products", &[("state", &filter.state), ("flagged", &filter.flagged)], found.next.as_deref());
    let table = Table::new(&t, &heads, rows.collect(), "page-op-no-products").with_more(more);
    let words: Vec<_> = ProductState::ALL.iter().map(|state| (state.word(), t.state(state.word()))).collect();
    let tab = |href: &str, key: &str, on| Tab { href: href.to_owned(), label: t.s(key), on };
    let tabs = vec![
        tab("/operator/products", "page-op-all-of-them", !flagged),
        tab("/operator/products?flagged=yes", "page-op-flagged-products", flagged),
    ];
    let filters = if flagged { vec![] } else { vec![Filter::of_words(&t, "state", "page-state", &words, &filter.state)] };
    Ok(shown(StatusCode::OK, List { filters, tabs, ..List::new(staff, "page-products", "/operator/products", table) }))
}

async fn product_page(app: &AppState, staff: Staff, id: ProductId) -> ApiResult<Response> {
    let (product, titles, entries, actors, addresses) = app
        .read(async move |tx: &mut Tx| {
            let product = catalog::get_any(tx, id).await?;
            let titles = Titles::read(tx, [product.summary.seller_id]).await?;
            let search = market::audit::Search { thing: Some(id.to_string()), ..market::audit::Search::default() };
            let entries = market::audit::find(tx, &search, &PageRequest::default()).await?.items;
            let actors = Actors::of_entries(tx, &entries).await?;
            let addresses = addresses(tx, product.summary.seller_id).await?;
            Ok((product, titles, entries, actors, addresses))
        })
        .await?;
    let (t, currency, summary) = (staff.shell.t.clone(), app.market().edition().currency, &product.summary);
    let hidden_by = summary.hidden_by.map(|side| t.s(&format!("page-op-hidden-by-{}", side.word())));
    let mut facts = vec![
        staff.fact("page-op-seller", titles.seller(summary.seller_id)),
        staff.fact("page-op-made", staff.at(summary.created_at)),
        staff.fact("page-op-published", staff.at_or_none(summary.published_at)),
        staff.fact("page-op-retired", staff.at_or_none(product.retired_at)),
    ];
    facts.extend(hidden_by.map(|by| staff.fact("page-op-hidden-by", Cell::Text(by))));
    if let Some(listing) = &summary.last_listing {
        let chip = listing.state.chip(&t).word;
        facts.push(staff.fact("page-op-last-submission", Cell::link(format!("/operator/listings/{}", listing.id), chip)));
    }
    let mut blocks = Vec::new();
    if let Some(flagged_at) = summary.flagged_at {
        blocks.push(Block::Say("bad", t.with("page-op-flagged-since", t.time(flagged_at))));
    }
    blocks.push(Block::Facts(String::new(), facts));
    if let Some(content) = &product.content {
        let mut lines = Lines { t: &t, currency, addresses: &addresses, lines: Vec::new() };
        lines.product(content);
        let facts = lines.lines.into_iter().filter(|(.., text)| !text.is_empty());
        let sold = facts.map(|(_, label, text)| vec![Cell::Text(label), Cell::Text(text)]).collect();
        blocks.push(Block::Table(t.s("page-op-sold-now"), Table::new(&t, &["page-op-field", "page-what"], sold, "page-op-nothing-yet")));
    }
    if staff.may(Permission::OperatorReview) {
        let path = |act: &str| format!("/operator/products/{id}/{act}");
        if summary.state == ProductState::OnSale {
            let hide = Act::new(&staff, "hide", path("hide"), "page-op-hide", "page-op-hide-what");
            blocks.push(Block::Act(hide.sure(&t, "page-op-hide-sure")));
        }
        if summary.state == ProductState::Hidden {
            blocks.push(Block::Act(Act::new(&staff, "show", path("show"), "page-op-unhide", "page-op-unhide-what").main()));
        }
        if matches!(summary.state, ProductState::OnSale | ProductState::Hidden) {
            let retire = Act::new(&staff, "retire", path("retire"), "page-op-retire", "page-op-retire-what");
            blocks.push(Block::Act(retire.sure(&t, "page-op-retire-sure")));
        }
    }
    blocks.push(Block::Time(t.s("page-timeline"), timeline(&staff, &entries, &actors), None));
    let page = Thing {
        title: summary.names.pick(t.locale).to_owned(),
        up: ("/operator/products".to_owned(), t.s("page-products")),
        under: summary.id.to_string(),
        chips: vec![summary.state.chip(&t)],
        blocks,
        shell: staff.shell.clone(),
    };
    Ok(shown(staff.status(), page))
}

pub(super) async fn product(
    State(app): State<AppState>,
    member: Member<operator::View>,
    Segment(id): Segment<ProductId>,
) -> ApiResult<Response> {
    product_page(&app, member.into(), id).await
}

/// What may be done to a product.
#[derive(Clone, Copy)]
enum Turn {
    Hide,
    Show,
    Retire,
}

impl Turn {
    const fn word(self) -> &'static str {
        match self {
            Self::Hide => "hide",
            Self::Show => "show",
            Self::Retire => "retire",
        }
    }
}

async fn turn(app: &AppState, staff: Staff, id: ProductId, turn: Turn, fields: Pairs) -> ApiResult<Response> {
    let (ctx, filled) = (staff.act(), Filled::of(fields));
    let act = async {
        if !matches!(turn, Turn::Show) {
            be_sure(&filled)?;
        }
        app.write(async move |tx: &mut Tx| match turn {
            Turn::Hide => catalog::hide(tx, &ctx, By::Operator, id).await,
            Turn::Show => catalog::show(tx, &ctx, By::Operator, id).await,
            Turn::Retire => catalog::retire_product(tx, &ctx, By::Operator, id).await,
        })
        .await
    };
    match act.await {
        Ok(_) => Ok(go_to_done(&format!("/operator/products/{id}"), "saved").into_response()),
        Err(error) => product_page(app, staff.refuse(turn.word(), filled, error)?, id).await,
    }
}

pub(super) async fn hide(
    State(app): State<AppState>,
    member: Member<operator::Review>,
    Segment(id): Segment<ProductId>,
    form: Form<Pairs>,
) -> ApiResult<Response> {
    turn(&app, member.into(), id, Turn::Hide, form.fields).await
}

pub(super) async fn show(
    State(app): State<AppState>,
    member: Member<operator::Review>,
    Segment(id): Segment<ProductId>,
    form: Form<Pairs>,
) -> ApiResult<Response> {
    turn(&app, member.into(), id, Turn::Show, form.fields).await
}

pub(super) async fn retire(
    State(app): State<AppState>,
    member: Member<operator::Review>,
    Segment(id): Segment<ProductId>,
    form: Form<Pairs>,
) -> ApiResult<Response> {
    turn(&app, member.into(), id, Turn::Retire, form.fields).await
}
