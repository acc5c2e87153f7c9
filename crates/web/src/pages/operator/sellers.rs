//! Sellers: those who have applied, and everything about those who sell.

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use db::Tx;
use http::StatusCode;
use kernel::AccountId;
use market::accounts::Permission;
use market::calls::{self, Breaker, Call, CallState};
use market::page::PageRequest;
use market::sellers::{self as domain, Address, Decision, Seller, SellerKey, SellerState};
use serde::Deserialize;

use super::view::{Act, Block, Cell, Filter, List, Staff, Table, Thing, Titles, be_sure, shown};
use crate::AppState;
use crate::auth::operator;
use crate::extract::{Form, Paging, Query, Segment};
use crate::pages::form::Filled;
use crate::pages::form::Pairs;
use crate::pages::go_to_done;
use crate::pages::parts::{Chip, more, more_of};
use crate::pages::shell::Member;
use crate::pages::states::Shown;
use crate::problem::ApiResult;

fn row(staff: &Staff, seller: &Seller, place: &str) -> Vec<Cell> {
    let t = &staff.shell.t;
    vec![
        Cell::Link(format!("/operator/{place}/{}", seller.account_id), seller.company.clone(), seller.website.clone()),
        Cell::Two(seller.contact_name.clone(), seller.contact_email.clone()),
        staff.at(seller.applied_at),
        Cell::Chip(seller.state.chip(t)),
    ]
}

pub(super) async fn applications(State(app): State<AppState>, member: Member<operator::View>, Paging(page): Paging) -> ApiResult<Response> {
    let staff = Staff::from(member);
    let found = app.read(async move |tx: &mut Tx| domain::list(tx, Some(SellerState::Applied), &page).await).await?;
    let rows = found.items.iter().map(|seller| row(&staff, seller, "applications")).collect();
    let heads = ["page-op-company", "page-op-contact", "page-op-applied", "page-state"];
    let table = Table::new(&staff.shell.t, &heads, rows, "page-op-no-applications");
    let table = table.with_more(more("/operator/applications", found.next.as_deref()));
    Ok(shown(StatusCode::OK, List::new(staff, "page-applications", "/operator/applications", table)))
}

fn details(staff: &Staff, seller: &Seller) -> Block {
    let mut facts = vec![
        staff.fact("page-op-company", Cell::Text(seller.company.clone())),
        staff.fact("page-op-website", Cell::Text(seller.website.clone())),
        staff.fact("page-op-contact", Cell::Two(seller.contact_name.clone(), seller.contact_phone.clone())),
        staff.fact("page-email", Cell::Text(seller.contact_email.clone())),
        staff.fact("page-op-bank", Cell::Two(seller.bank_name.clone(), format!("…{}", seller.bank_account_hint))),
        staff.fact("page-op-applied", staff.at(seller.applied_at)),
        staff.fact("page-account", Cell::link(format!("/operator/accounts/{}", seller.account_id), seller.account_id.to_string())),
    ];
    if let Some(decided_at) = seller.decided_at {
        facts.push(staff.fact("page-op-decided", staff.at(decided_at)));
    }
    if let Some(reason) = &seller.reason {
        facts.push(staff.fact("page-reason", Cell::Text(reason.clone())));
    }
    Block::Facts(String::new(), facts)
}

async fn application_page(app: &AppState, staff: Staff, id: AccountId) -> ApiResult<Response> {
    let seller = app.read(async move |tx: &mut Tx| domain::get(tx, id).await).await?;
    let t = staff.shell.t.clone();
    let mut blocks = vec![details(&staff, &seller)];
    if seller.state == SellerState::Applied && staff.may(Permission::OperatorReview) {
        let path = |act: &str| format!("/operator/applications/{id}/{act}");
        blocks.push(Block::Act(Act::new(&staff, "approve", path("approve"), "page-op-approve", "page-op-approve-seller-what").main()));
        let reject = Act::new(&staff, "reject", path("reject"), "page-op-reject", "page-op-reject-seller-what");
        blocks.push(Block::Act(reject.reason(&t, "page-op-reason-read-by-seller")));
    }
    let page = Thing {
        title: seller.company.clone(),
        up: ("/operator/applications".to_owned(), t.s("page-applications")),
        under: seller.website.clone(),
        chips: vec![seller.state.chip(&t)],
        blocks,
        shell: staff.shell.clone(),
    };
    Ok(shown(staff.status(), page))
}

pub(super) async fn application(
    State(app): State<AppState>,
    member: Member<operator::View>,
    Segment(id): Segment<AccountId>,
) -> ApiResult<Response> {
    application_page(&app, member.into(), id).await
}

pub(super) async fn approve(
    State(app): State<AppState>,
    member: Member<operator::Review>,
    Segment(id): Segment<AccountId>,
    form: Form<Pairs>,
) -> ApiResult<Response> {
    decide(&app, member.into(), id, "approve", Filled::of(form.fields), Decision::Approve).await
}

pub(super) async fn reject(
    State(app): State<AppState>,
    member: Member<operator::Review>,
    Segment(id): Segment<AccountId>,
    form: Form<Pairs>,
) -> ApiResult<Response> {
    let filled = Filled::of(form.fields);
    let decision = Decision::Reject { reason: filled.trimmed("reason").to_owned() };
    decide(&app, member.into(), id, "reject", filled, decision).await
}

async fn decide(app: &AppState, staff: Staff, id: AccountId, act: &'static str, filled: Filled, decision: Decision) -> ApiResult<Response> {
    let ctx = staff.act();
    let done = if matches!(decision, Decision::Approve) { "approved" } else { "rejected" };
    match app.write(async move |tx: &mut Tx| domain::decide(tx, &ctx, id, decision.clone()).await).await {
        Ok(_) => Ok(go_to_done("/operator/applications", done).into_response()),
        Err(error) => application_page(app, staff.refuse(act, filled, error)?, id).await,
    }
}

#[derive(Deserialize, Default)]
pub(super) struct OfState {
    #[serde(default)]
    state: String,
}

pub(super) async fn sellers(
    State(app): State<AppState>,
    member: Member<operator::View>,
    Query(filter): Query<OfState>,
    Paging(page): Paging,
) -> ApiResult<Response> {
    let staff = Staff::from(member);
    let wanted = SellerState::ALL.iter().copied().find(|state| state.word() == filter.state);
    let found = app.read(async move |tx: &mut Tx| domain::list(tx, wanted, &page).await).await?;
    let t = staff.shell.t.clone();
    let rows = found.items.iter().map(|seller| row(&staff, seller, "sellers")).collect();
    let heads = ["page-op-company", "page-op-contact", "page-op-applied", "page-state"];
    let more = more_of("/operator/sellers", &[("state", &filter.state)], found.next.as_deref());
    let table = Table::new(&t, &heads, rows, "page-op-no-sellers").with_more(more);
    let words: Vec<_> = SellerState::ALL.iter().map(|state| (state.word(), t.state(state.word()))).collect();
    let filters = vec![Filter::of_words(&t, "state", "page-state", &words, &filter.state)];
    Ok(shown(StatusCode::OK, List { filters, ..List::new(staff, "page-sellers", "/operator/sellers", table) }))
}

/// A seller's addresses with their breakers, keys, and what their server does not do.
struct Health {
    addresses: Vec<(Address, Breaker)>,
    keys: Vec<SellerKey>,
    failing: Vec<Call>,
}

async fn health(tx: &mut Tx, id: AccountId) -> db::Result<Health> {
    let page = PageRequest::default();
    let mut addresses = Vec::new();
    for address in domain::addresses(tx, id, &page).await?.items {
        let breaker = calls::breaker(tx, address.id).await?;
        addresses.push((address, breaker));
    }
    let few = PageRequest { limit: 10, ..PageRequest::default() };
    let failing = calls::list(tx, Some(id), Some(CallState::GaveUp), None, &few).await?.items;
    Ok(Health { addresses, keys: domain::keys(tx, id, &page).await?.items, failing })
}

async fn seller_page(app: &AppState, staff: Staff, id: AccountId, shown_account: Option<String>) -> ApiResult<Response> {
    let (seller, health) = app
        .read(async move |tx: &mut Tx| {
            let seller = domain::get(tx, id).await?;
            Ok((seller, health(tx, id).await?))
        })
        .await?;
    let (t, now) = (staff.shell.t.clone(), staff.ctx.now);
    let retired = |at: Option<i64>| match at {
        Some(_) => Chip { word: t.state("retired"), tone: "idle" },
        None => Chip { word: t.state("in_use"), tone: "ok" },
    };
    let breaker = |breaker: &Breaker| match (breaker.open_until > now, breaker.failures) {
        (true, _) => Cell::Chip(Chip { word: t.with("page-op-breaker-open", t.time(breaker.open_until)), tone: "bad" }),
        (false, 0) => Cell::Chip(Chip { word: t.s("page-op-breaker-fine"), tone: "ok" }),
        (false, failures) => Cell::Chip(Chip { word: t.with("page-op-breaker-failures", failures.to_string()), tone: "warn" }),
    };
    let addresses = health.addresses.iter().map(|(address, state)| {
        vec![
            Cell::Two(address.name.clone(), address.url.clone()),
            staff.at(address.created_at),
            breaker(state),
            Cell::Chip(retired(address.retired_at)),
        ]
    });
    let keys = health.keys.iter().map(|key| {
        vec![Cell::Two(key.name.clone(), format!("…{}", key.hint)), staff.at(key.created_at), Cell::Chip(retired(key.retired_at))]
    });
    let failing = health.failing.iter().map(|call| super::calls::row(&staff, call, &Titles::default())).collect();
    let mut blocks = vec![details(&staff, &seller)];
    if let Some(number) = shown_account {
        blocks.insert(0, Block::Say("warn", t.with("page-op-bank-shown", number)));
    }
    blocks.extend([
        Block::Table(
            t.s("page-addresses"),
            Table::new(
                &t,
                &["page-op-address", "page-op-made", "page-op-health", "page-state"],
                addresses.collect(),
                "page-op-no-addresses",
            ),
        ),
        Block::Table(
            t.s("page-op-keys"),
            Table::new(&t, &["page-op-key", "page-op-made", "page-state"], keys.collect(), "page-op-no-keys"),
        ),
        Block::Table(
            t.s("page-op-failing-calls"),
            Table::new(&t, super::calls::HEADS, failing, "page-op-no-failing-calls")
                .with_more(Some(format!("/operator/calls?seller={id}"))),
        ),
    ]);
    if staff.may(Permission::OperatorFinance) {
        let show = Act::new(&staff, "bank", format!("/operator/sellers/{id}/bank"), "page-op-show-bank", "page-op-show-bank-what");
        blocks.push(Block::Act(show.sure(&t, "page-op-show-bank-sure")));
    }
    let page = Thing {
        title: seller.company.clone(),
        up: ("/operator/sellers".to_owned(), t.s("page-sellers")),
        under: seller.website.clone(),
        chips: vec![seller.state.chip(&t)],
        blocks,
        shell: staff.shell.clone(),
    };
    Ok(shown(staff.status(), page))
}

pub(super) async fn seller(
    State(app): State<AppState>,
    member: Member<operator::View>,
    Segment(id): Segment<AccountId>,
) -> ApiResult<Response> {
    seller_page(&app, member.into(), id, None).await
}

/// Shows the bank account once; the audit keeps who has seen it.
pub(super) async fn bank(
    State(app): State<AppState>,
    member: Member<operator::Finance>,
    Segment(id): Segment<AccountId>,
    form: Form<Pairs>,
) -> ApiResult<Response> {
    let (staff, filled, market) = (Staff::from(member), Filled::of(form.fields), app.market().clone());
    let ctx = staff.act();
    let reveal = async {
        be_sure(&filled)?;
        app.write(async move |tx: &mut Tx| domain::reveal_bank_account(tx, &ctx, market.vault(), id).await).await
    };
    match reveal.await {
        Ok(account) => seller_page(&app, staff, id, Some(format!("{} {}", account.name, account.number))).await,
        Err(error) => seller_page(&app, staff.refuse("bank", filled, error)?, id, None).await,
    }
}
