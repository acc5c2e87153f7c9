//! Settlement: the run for a month, every statement with how each of its figures came about, and what was paid out.

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use db::Tx;
use kernel::{Code, Month, Refusal, StatementId};
use market::exports::ExportKind;
use market::page::PageRequest;
use market::settlement::{self as domain, Statement, StatementState};
use serde::Deserialize;

use super::view::{Act, Block, Cell, Filter, List, Staff, Table, Thing, Titles, shown};
use crate::AppState;
use crate::auth::operator;
use crate::extract::{Form, Paging, Query, Segment, once};
use crate::pages::form::Filled;
use crate::pages::form::Pairs;
use crate::pages::parts::{more, more_of};
use crate::pages::shell::Member;
use crate::pages::states::Shown;
use crate::pages::{go_to_done, new_key};
use crate::problem::{ApiError, ApiResult};

#[derive(Deserialize, Default)]
pub(super) struct OfStatements {
    #[serde(default)]
    month: String,
    #[serde(default)]
    state: String,
}

/// A month as people type it: `2026-01` or `202601`.
fn typed_month(text: &str) -> Option<Month> {
    text.trim().replace('-', "").parse().ok()
}

fn readable(month: Month) -> String {
    let text = month.to_string();
    format!("{}-{}", &text[..4], &text[4..])
}

async fn statements_page(app: &AppState, staff: Staff, filter: OfStatements, page: PageRequest) -> ApiResult<Response> {
    let (t, market) = (staff.shell.t.clone(), app.market().clone());
    let month = typed_month(&filter.month);
    let state = StatementState::ALL.iter().copied().find(|state| state.word() == filter.state);
    let wrong = if month.is_none() && !filter.month.trim().is_empty() { t.s("page-op-no-such-month") } else { String::new() };
    let (found, titles) = app
        .read(async move |tx: &mut Tx| {
            let found = match month {
                Some(month) => domain::statements_of_month(tx, month, &page).await?,
                None => domain::statements(tx, None, state, &page).await?,
            };
            let titles = Titles::read(tx, found.items.iter().map(|statement| statement.seller_id)).await?;
            Ok((found, titles))
        })
        .await?;
    // Of a month they come by seller; those that stand elsewhere are left out of the page.
    let fits = |statement: &&Statement| state.is_none_or(|state| state == statement.state);
    let rows = found.items.iter().filter(fits).map(|statement| {
        vec![
            Cell::link(format!("/operator/statements/{}", statement.id), readable(statement.period)),
            titles.seller(statement.seller_id),
            Cell::Num(staff.money(statement.sales_minor, statement.currency)),
            Cell::Num(staff.money(statement.refunds_minor, statement.currency)),
            Cell::Num(staff.money(statement.fee_minor, statement.currency)),
            Cell::Num(staff.money(statement.payable_minor, statement.currency)),
            Cell::Chip(statement.state.chip(&t)),
        ]
    });
    let heads = ["page-op-month", "page-op-seller", "page-sales", "page-op-returns", "page-op-fee", "page-op-payable", "page-state"];
    let table = Table::new(&t, &heads, rows.collect(), "page-op-no-statements");
    let chosen = [("month", &*filter.month), ("state", &*filter.state)];
    let table = table.with_more(more_of("/operator/statements", &chosen, found.next.as_deref()));
    let words: Vec<_> = StatementState::ALL.iter().map(|state| (state.word(), t.state(state.word()))).collect();
    let last = Month::of(staff.ctx.now, &market.edition().zone).previous();
    let mut run = Act::new(&staff, "run", "/operator/statements", "page-op-run-settlement", "page-op-run-settlement-what").line(
        &t,
        "month",
        "page-op-month",
        "page-op-month-hint",
        7,
    );
    if !run.filled.is_refused() {
        run.filled = run.filled.with("month", readable(last));
    }
    let filters = vec![
        Filter::Seek { name: "month", label: t.s("page-op-seek-month"), value: filter.month },
        Filter::of_words(&t, "state", "page-state", &words, &filter.state),
    ];
    let status = staff.status();
    let list = List { wrong, filters, acts: vec![run], ..List::new(staff, "page-statements", "/operator/statements", table) };
    Ok(shown(status, list.exported(ExportKind::OperatorStatements, &["state"])))
}

pub(super) async fn statements(
    State(app): State<AppState>,
    member: Member<operator::Finance>,
    Query(filter): Query<OfStatements>,
    Paging(page): Paging,
) -> ApiResult<Response> {
    statements_page(&app, member.into(), filter, page).await
}

pub(super) async fn run(State(app): State<AppState>, member: Member<operator::Finance>, form: Form<Pairs>) -> ApiResult<Response> {
    let (staff, filled, market) = (Staff::from(member), Filled::of(form.fields), app.market().clone());
    let ctx = staff.act();
    let act = async {
        let month = typed_month(filled.value("month")).ok_or_else(|| Refusal::field("month", "month"))?;
        // On its own task: a browser that goes away must not leave half of the sellers without a statement.
        let running = tokio::spawn(async move { domain::run_month(&market, &ctx, month).await });
        running.await.map_err(|fault| ApiError::Broken(Box::new(fault)))??;
        Ok::<_, ApiError>(month)
    };
    match act.await {
        Ok(month) => Ok(go_to_done(&format!("/operator/statements?month={}", readable(month)), "settled").into_response()),
        Err(error) => statements_page(&app, staff.refuse("run", filled, error)?, OfStatements::default(), PageRequest::default()).await,
    }
}

async fn statement_page(app: &AppState, staff: Staff, id: StatementId, page: PageRequest) -> ApiResult<Response> {
    let (statement, lines, titles) = app
        .read(async move |tx: &mut Tx| {
            let statement = domain::statement(tx, None, id).await?;
            let lines = domain::lines(tx, id, &page).await?;
            let titles = Titles::read(tx, [statement.seller_id]).await?;
            Ok((statement, lines, titles))
        })
        .await?;
    let t = staff.shell.t.clone();
    let money = |minor: i64| Cell::Num(staff.money(minor, statement.currency));
    let percent = |bp: i64| format!("{}.{:02} %", bp / 100, bp % 100);
    // How the sum came about, a step a line.
    let steps = [
        ("page-sales", "page-op-sales-made", statement.sales_minor),
        ("page-op-returns", "page-op-returns-made", -statement.refunds_minor),
        ("page-op-fee", "page-op-fee-made", -statement.fee_minor),
        ("page-op-carried-in", "page-op-carried-in-made", statement.carried_in_minor),
        ("page-op-carried-out", "page-op-carried-out-made", -statement.carried_out_minor),
        ("page-op-payable", "page-op-payable-made", statement.payable_minor),
    ];
    let sum = steps.iter().map(|(label, how, minor)| vec![Cell::Two(t.s(label), t.s(how)), money(*minor)]).collect();
    let mut facts = vec![
        staff.fact("page-op-seller", titles.seller(statement.seller_id)),
        staff.fact("page-op-month", Cell::Text(readable(statement.period))),
        staff.fact("page-op-made", staff.at(statement.created_at)),
        staff.fact("page-op-fee-tax", Cell::Two(staff.money(statement.fee_tax_minor, statement.currency), percent(statement.fee_tax_bp))),
        staff.fact("page-op-payout-min", money(statement.payout_min_minor)),
        staff.fact("page-op-line-count", Cell::Num(statement.line_count.to_string())),
        staff.fact("page-op-hash", Cell::Mono(statement.hash.clone())),
        staff.fact("page-ledger", Cell::link(format!("/operator/ledger?reference={id}"), t.s("page-op-show"))),
    ];
    if let Some(paid_at) = statement.paid_at {
        facts.push(staff.fact("page-op-paid-out", staff.at(paid_at)));
        facts.push(staff.fact("page-op-bank-reference", Cell::Mono(statement.bank_reference.clone().unwrap_or_default())));
    }
    let rows = lines.items.iter().map(|line| {
        vec![
            Cell::Num(line.n.to_string()),
            Cell::Text(t.s(&format!("page-op-item-{}", line.kind.word()))),
            Cell::order(&line.order_number),
            staff.at(line.effective_at),
            money(line.amount_minor),
            Cell::Two(
                percent(line.fee_bp - line.reduction_bp),
                if line.reduction_bp == 0 { String::new() } else { t.with("page-op-reduced-by", percent(line.reduction_bp)) },
            ),
            money(line.fee_minor),
            money(line.net_minor),
        ]
    });
    let heads =
        ["page-op-line", "page-what", "page-order", "page-op-in-effect", "page-amount", "page-op-fee-rate", "page-op-fee", "page-op-net"];
    let mut blocks = vec![
        Block::Facts(String::new(), facts),
        Block::Table(t.s("page-op-how-made"), Table::new(&t, &["page-what", "page-amount"], sum, "page-op-nothing-yet")),
    ];
    if statement.state == StatementState::Payable {
        let payout =
            Act::new(&staff, "payout", format!("/operator/statements/{id}/payout"), "page-op-record-payout", "page-op-record-payout-what")
                .line(&t, "bank_reference", "page-op-bank-reference", "page-op-bank-reference-hint", 64)
                .hide("key", new_key(&staff.ctx))
                .main();
        blocks.push(Block::Act(payout));
    }
    let table = Table::new(&t, &heads, rows.collect(), "page-op-nothing-yet");
    let rest = more(&format!("/operator/statements/{id}"), lines.next.as_deref());
    blocks.push(Block::Table(t.s("page-op-lines"), table.with_more(rest)));
    let page = Thing {
        title: t.with("page-op-statement-of", readable(statement.period)),
        up: ("/operator/statements".to_owned(), t.s("page-statements")),
        under: titles.of(statement.seller_id),
        chips: vec![statement.state.chip(&t)],
        blocks,
        shell: staff.shell.clone(),
    };
    Ok(shown(staff.status(), page))
}

pub(super) async fn statement(
    State(app): State<AppState>,
    member: Member<operator::Finance>,
    Segment(id): Segment<StatementId>,
    Paging(page): Paging,
) -> ApiResult<Response> {
    statement_page(&app, member.into(), id, page).await
}

pub(super) async fn payout(
    State(app): State<AppState>,
    member: Member<operator::Finance>,
    Segment(id): Segment<StatementId>,
    form: Form<Pairs>,
) -> ApiResult<Response> {
    let (staff, filled) = (Staff::from(member), Filled::of(form.fields.clone()));
    let (ctx, reference) = (staff.act(), filled.trimmed("bank_reference").to_owned());
    let key = form.key(staff.principal.account, filled.value("key"))?;
    let record =
        async move |tx: &mut Tx| once(tx, &ctx, &key, async |tx: &mut Tx| domain::record_payout(tx, &ctx, id, &reference).await).await;
    match app.write(record).await {
        Ok(_) => Ok(go_to_done(&format!("/operator/statements/{id}"), "paid-out").into_response()),
        Err(error) => {
            let error = match &error {
                ApiError::Refused(refusal) if refusal.code == Code::DepositDuplicate => {
                    ApiError::Refused(Refusal::field("bank_reference", "recorded"))
                }
                _ => error,
            };
            statement_page(&app, staff.refuse("payout", filled, error)?, id, PageRequest::default()).await
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_month_is_read_as_people_type_it() {
        for (text, month) in [("2026-01", Some("202601")), ("202612", Some("202612")), ("2026-13", None), ("", None), ("January", None)] {
            assert_eq!(typed_month(text).map(|month| month.to_string()).as_deref(), month, "{text}");
        }
        assert_eq!(typed_month("202601").map(readable).as_deref(), Some("2026-01"));
    }
}
