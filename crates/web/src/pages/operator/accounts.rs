//! Accounts: who they are, what they have; and the deposits that came in for them.

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use db::Tx;
use http::StatusCode;
use kernel::{AccountId, Code, Money, Refusal};
use market::accounts::{self as domain, Account, Permission};
use market::exports::ExportKind;
use market::ledger::{self, Deposit, NewDeposit};
use market::orders;
use market::page::PageRequest;
use market::settlement as statements;
use market::subscriptions::Whose;
use serde::Deserialize;

use super::view::{Act, Actors, Block, Cell, Filter, List, Staff, Table, Thing, Titles, shown};
use crate::AppState;
use crate::auth::operator;
use crate::extract::{Form, Paging, Query, Segment, once};
use crate::pages::form::Filled;
use crate::pages::form::Pairs;
use crate::pages::form::typed_money;
use crate::pages::parts::{Chip, Tile, more_of};
use crate::pages::shell::{Member, Words};
use crate::pages::states::Shown;
use crate::pages::{go_to_done, new_key};
use crate::problem::{ApiError, ApiResult};

/// The sides that an account has, in words.
fn sides(account: &Account, t: &Words) -> String {
    let sides = account.audiences().into_iter().map(|side| t.s(&format!("page-op-side-{}", side.word())));
    sides.collect::<Vec<_>>().join(" · ")
}

#[derive(Deserialize, Default)]
pub(super) struct OfAccounts {
    #[serde(default)]
    name: String,
}

pub(super) async fn accounts(
    State(app): State<AppState>,
    member: Member<operator::View>,
    Query(filter): Query<OfAccounts>,
    Paging(page): Paging,
) -> ApiResult<Response> {
    let staff = Staff::from(member);
    let sought = Some(filter.name.trim().to_owned()).filter(|name| !name.is_empty());
    let found = app.read(async move |tx: &mut Tx| domain::list(tx, sought.as_deref(), &page).await).await?;
    let t = staff.shell.t.clone();
    let rows = found.items.iter().map(|account| {
        vec![
            Cell::Link(format!("/operator/accounts/{}", account.id), account.name.clone(), account.title.clone()),
            Cell::Text(t.s(&format!("page-kind-{}", account.kind.word()))),
            Cell::Text(sides(account, &t)),
            staff.at(account.created_at),
        ]
    });
    let heads = ["page-account", "page-account-kind", "page-op-sides", "page-op-made"];
    let table = Table::new(&t, &heads, rows.collect(), "page-op-no-accounts");
    let table = table.with_more(more_of("/operator/accounts", &[("name", &filter.name)], found.next.as_deref()));
    let filters = vec![Filter::Seek { name: "name", label: t.s("page-op-seek-account"), value: filter.name }];
    let list = List { filters, ..List::new(staff, "page-accounts", "/operator/accounts", table) };
    Ok(shown(StatusCode::OK, list.exported(ExportKind::OperatorAccounts, &["name"])))
}

pub(super) async fn account(
    State(app): State<AppState>,
    member: Member<operator::View>,
    Segment(id): Segment<AccountId>,
) -> ApiResult<Response> {
    let (staff, currency) = (Staff::from(member), app.market().edition().currency);
    let sees_money = staff.may(Permission::OperatorFinance);
    let (account, people, balance, standing, recent, deposits, titles) = app
        .read(async move |tx: &mut Tx| {
            let (account, few) = (domain::get(tx, id).await?, PageRequest { limit: 10, ..PageRequest::default() });
            let people = domain::users(tx, id, &PageRequest { limit: 200, ..PageRequest::default() }).await?.items;
            let balance = ledger::wallet(tx, id, currency).await?;
            let standing = statements::standing(tx, id, currency).await?;
            let recent = orders::list(tx, Whose::Buyer(id), None, &few).await?.items;
            let deposits = if sees_money { ledger::deposits(tx, Some(id), &few).await?.items } else { Vec::new() };
            let titles = Titles::read(tx, recent.iter().map(|order| order.seller_id).chain([id])).await?;
            Ok((account, people, balance, standing, recent, deposits, titles))
        })
        .await?;
    let t = staff.shell.t.clone();
    let facts = vec![
        staff.fact("page-account-title", Cell::Text(account.title.clone())),
        staff.fact("page-account-kind", Cell::Text(t.s(&format!("page-kind-{}", account.kind.word())))),
        staff.fact("page-op-sides", Cell::Text(sides(&account, &t))),
        staff.fact("page-op-made", staff.at(account.created_at)),
        staff.fact("page-subscriptions", Cell::link(format!("/operator/subscriptions?buyer={id}"), t.s("page-op-show"))),
        staff.fact("page-audit", Cell::link(format!("/operator/audit?account={id}"), t.s("page-op-show"))),
    ];
    let tile =
        |label: &str, minor: i64, href: String| Tile { label: t.s(label), value: staff.money(minor, currency), href, ..Tile::default() };
    let book = |kind: &str| format!("/operator/ledger?book={kind}:{id}");
    let mut tiles = vec![tile("page-balance", balance, book("buyer"))];
    let mut all = facts;
    if account.seller_at.is_some() {
        tiles.push(tile("page-op-pending-sales", standing.0.minor, book("seller-pending")));
        tiles.push(tile("page-op-payable", standing.1.minor, book("seller-payable")));
        all.push(staff.fact("page-op-seller", Cell::link(format!("/operator/sellers/{id}"), t.s("page-op-show"))));
    }
    let people = people.iter().map(|user| {
        let roles = user.roles.iter().map(|role| t.s(&format!("page-op-role-{}", role.word().replace('.', "-"))));
        let state = match (user.disabled_at, user.locked_until > staff.ctx.wall) {
            (Some(_), _) => Chip { word: t.s("page-op-disabled"), tone: "bad" },
            (None, true) => Chip { word: t.s("page-op-locked"), tone: "warn" },
            (None, false) => Chip { word: t.state("in_use"), tone: "ok" },
        };
        vec![
            Cell::Two(user.name.clone(), user.login.clone()),
            Cell::Text(user.email.clone()),
            Cell::Text(roles.collect::<Vec<_>>().join(" · ")),
            Cell::Chip(state),
        ]
    });
    let recent = recent.iter().map(|order| {
        vec![
            Cell::order(&order.number),
            titles.seller(order.seller_id),
            staff.at(order.created_at),
            Cell::Num(staff.money(order.total_minor, order.currency)),
            Cell::Chip(order.state.chip(&t)),
        ]
    });
    let order_heads = ["page-order", "page-op-seller", "page-placed", "page-amount", "page-state"];
    let mut blocks = vec![
        Block::Tiles(tiles),
        Block::Facts(String::new(), all),
        Block::Table(
            t.s("page-op-people"),
            Table::new(&t, &["page-op-user-name", "page-email", "page-roles", "page-state"], people.collect(), "page-op-nothing-yet"),
        ),
        Block::Table(t.s("page-last-orders"), Table::new(&t, &order_heads, recent.collect(), "page-op-no-orders-of-account")),
    ];
    if sees_money {
        let rows = deposits.iter().map(|deposit| deposit_row(&staff, deposit, &titles, &Actors::default())).collect();
        let rest = Some(format!("/operator/deposits?account={id}"));
        blocks.push(Block::Table(t.s("page-deposits"), Table::new(&t, DEPOSIT_HEADS, rows, "page-op-no-deposits").with_more(rest)));
    }
    let page = Thing {
        title: account.name.clone(),
        up: ("/operator/accounts".to_owned(), t.s("page-accounts")),
        under: account.id.to_string(),
        chips: Vec::new(),
        blocks,
        shell: staff.shell,
    };
    Ok(shown(StatusCode::OK, page))
}

const DEPOSIT_HEADS: &[&str] =
    &["page-when", "page-account", "page-amount", "page-op-bank-reference", "page-op-note", "page-op-recorded-by"];

fn deposit_row(staff: &Staff, deposit: &Deposit, titles: &Titles, actors: &Actors) -> Vec<Cell> {
    vec![
        staff.at(deposit.recorded_at),
        titles.account(deposit.account_id),
        Cell::Num(staff.money(deposit.amount_minor, deposit.currency)),
        Cell::Mono(deposit.bank_reference.clone()),
        Cell::Text(deposit.note.clone()),
        Cell::Text(actors.of(&deposit.recorded_by, &staff.shell.t)),
    ]
}

#[derive(Deserialize, Default)]
pub(super) struct OfDeposits {
    #[serde(default)]
    account: String,
}

async fn deposits_page(app: &AppState, staff: Staff, filter: OfDeposits, page: PageRequest) -> ApiResult<Response> {
    let account: Option<AccountId> = filter.account.trim().parse().ok();
    let own = staff.principal.account;
    let (found, titles, actors, wanted) = app
        .read(async move |tx: &mut Tx| {
            let found = ledger::deposits(tx, account, &page).await?;
            let titles = Titles::read(tx, found.items.iter().map(|deposit| deposit.account_id)).await?;
            let actors = Actors::read(tx, found.items.iter().map(|deposit| (deposit.recorded_by.clone(), Some(own)))).await?;
            let wanted = match account {
                Some(id) => Some(domain::get(tx, id).await?.name),
                None => None,
            };
            Ok((found, titles, actors, wanted))
        })
        .await?;
    let t = staff.shell.t.clone();
    let rows = found.items.iter().map(|deposit| deposit_row(&staff, deposit, &titles, &actors)).collect();
    let table = Table::new(&t, DEPOSIT_HEADS, rows, "page-op-no-deposits");
    let table = table.with_more(more_of("/operator/deposits", &[("account", &filter.account)], found.next.as_deref()));
    let mut record = Act::new(&staff, "record", "/operator/deposits", "page-op-record-deposit", "page-op-record-deposit-what")
        .line(&t, "account", "page-account-name", "page-op-deposit-account-hint", 100)
        .line(&t, "amount", "page-amount", "page-op-deposit-amount-hint", 30)
        .line(&t, "bank_reference", "page-op-bank-reference", "page-op-bank-reference-hint", 64)
        .line(&t, "note", "page-op-note", "page-op-note-hint", 500)
        .hide("key", new_key(&staff.ctx))
        .main();
    if let (Some(name), false) = (wanted, record.filled.is_refused()) {
        record.filled = record.filled.with("account", name);
    }
    let filters = if filter.account.is_empty() { vec![] } else { vec![Filter::Keep { name: "account", value: filter.account }] };
    let status = staff.status();
    let list = List { filters, acts: vec![record], ..List::new(staff, "page-deposits", "/operator/deposits", table) };
    Ok(shown(status, list.exported(ExportKind::OperatorDeposits, &["account"])))
}

pub(super) async fn deposits(
    State(app): State<AppState>,
    member: Member<operator::Finance>,
    Query(filter): Query<OfDeposits>,
    Paging(page): Paging,
) -> ApiResult<Response> {
    deposits_page(&app, member.into(), filter, page).await
}

pub(super) async fn record(State(app): State<AppState>, member: Member<operator::Finance>, form: Form<Pairs>) -> ApiResult<Response> {
    let (staff, filled, market) = (Staff::from(member), Filled::of(form.fields.clone()), app.market().clone());
    let (ctx, currency) = (staff.act(), market.edition().currency);
    let key = form.key(staff.principal.account, filled.value("key"))?;
    let (name, typed) = (filled.trimmed("account").to_owned(), filled.clone());
    let act = async {
        let amount = Money::new(typed_money("amount", typed.value("amount"), currency)?, currency);
        let (bank_reference, note) = (typed.trimmed("bank_reference").to_owned(), typed.trimmed("note").to_owned());
        let record = async move |tx: &mut Tx| {
            once(tx, &ctx, &key, async |tx: &mut Tx| {
                let account = match name.parse::<AccountId>() {
                    Ok(id) => domain::get(tx, id).await.ok(),
                    Err(_) => domain::find_by_name(tx, &name).await?,
                };
                let account = account.ok_or_else(|| Refusal::field("account", "account"))?;
                let new = NewDeposit { account_id: account.id, amount, bank_reference: bank_reference.clone(), note: note.clone() };
                ledger::record_deposit(tx, &ctx, market.edition(), &new).await
            })
            .await
        };
        app.write(record).await
    };
    match act.await {
        Ok(_) => Ok(go_to_done("/operator/deposits", "deposit").into_response()),
        Err(error) => {
            // What is wrong with the transfer is said beside the transfer's reference.
            let error = match &error {
                ApiError::Refused(refusal) if refusal.code == Code::DepositDuplicate => {
                    ApiError::Refused(Refusal::field("bank_reference", "recorded"))
                }
                ApiError::Refused(refusal) if matches!(refusal.code, Code::AmountNotPositive | Code::AmountTooLarge) => {
                    ApiError::Refused(Refusal::field("amount", if refusal.code == Code::AmountTooLarge { "too-large" } else { "positive" }))
                }
                _ => error,
            };
            deposits_page(&app, staff.refuse("record", filled, error)?, OfDeposits::default(), PageRequest::default()).await
        }
    }
}
