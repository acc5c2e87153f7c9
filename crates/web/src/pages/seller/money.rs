//! What the seller earned: sales and refunds, and the statements that they are in.

use askama::Template;
use axum::extract::State;
use kernel::{Currency, StatementId};
use market::settlement::{self, ItemKind, ItemState, SettlementItem, Statement, StatementLine, StatementState};
use serde::Deserialize;

use super::common::item_chip;
use super::overview::month;
use crate::AppState;
use crate::auth::seller;
use crate::extract::{Paging, Query, Segment};
use crate::pages::Page;
use crate::pages::parts::{Chip, Choice, Stamp, Tile, more, more_of};
use crate::pages::shell::{Member, Shell, Words};
use crate::pages::states::{Shown, choices};
use crate::problem::ApiResult;

#[derive(Deserialize, Default)]
pub(crate) struct Filter {
    #[serde(default)]
    state: String,
}

fn kind_label(kind: ItemKind, words: &Words) -> String {
    words.s(match kind {
        ItemKind::Sale => "page-sell-item-sale",
        ItemKind::Refund => "page-sell-item-refund",
    })
}

/// `5%`, `4.5%`.
fn percent(bp: i64) -> String {
    let (whole, rest) = (bp / 100, bp % 100);
    if rest == 0 { format!("{whole}%") } else { format!("{whole}.{}%", format!("{rest:02}").trim_end_matches('0')) }
}

struct SaleRow {
    order: String,
    kind: String,
    chip: Chip,
    amount: String,
    fee: String,
    effective: Stamp,
    billable: Option<Stamp>,
    statement: Option<String>,
}

#[derive(Template)]
#[template(path = "seller/sales.html")]
pub(crate) struct Sales {
    shell: Shell,
    tiles: Vec<Tile>,
    states: Vec<Choice>,
    rows: Vec<SaleRow>,
    more: Option<String>,
}

pub(crate) async fn sales(
    State(app): State<AppState>,
    member: Member<seller::Finance>,
    Query(typed): Query<Filter>,
    Paging(page): Paging,
) -> ApiResult<Page<Sales>> {
    let (account, now, currency) = (member.may.account(), member.may.ctx.now, app.market().edition().currency);
    let state = ItemState::ALL.iter().copied().find(|one| one.word() == typed.state);
    let (found, (open, payable)) = app
        .read(async move |tx| Ok((settlement::items(tx, account, state, &page).await?, settlement::standing(tx, account, currency).await?)))
        .await?;
    let words = member.shell.t.clone();
    let row = |item: &SettlementItem| {
        let sign = if item.kind == ItemKind::Refund { -1 } else { 1 };
        SaleRow {
            order: item.order_number.clone(),
            kind: kind_label(item.kind, &words),
            chip: item_chip(item.state, &words),
            amount: words.money(sign * item.amount_minor, item.currency),
            fee: percent(item.fee_bp),
            effective: words.stamp(item.effective_at, now),
            billable: (item.state == ItemState::Open && item.guaranteed_until > now).then(|| words.stamp(item.guaranteed_until, now)),
            statement: item.statement_id.map(|id| format!("/seller/statements/{id}")),
        }
    };
    let tile = |key: &str, note: &str, minor: i64| Tile {
        label: words.s(key),
        value: words.money(minor, currency),
        note: words.s(note),
        ..Tile::default()
    };
    Ok(Page(Sales {
        tiles: vec![
            tile("page-sell-open-sum", "page-sell-open-sum-what", open.minor),
            tile("page-sell-payable-sum", "page-sell-payable-sum-what", payable.minor),
        ],
        states: choices(ItemState::ALL, state, &words, ItemState::word, |one| item_chip(one, &words).word),
        rows: found.items.iter().map(row).collect(),
        more: more_of("/seller/sales", &[("state", state.map_or("", ItemState::word))], found.next.as_deref()),
        shell: member.shell,
    }))
}

struct StatementRow {
    id: String,
    href: String,
    month: String,
    chip: Chip,
    sales: String,
    refunds: String,
    fee: String,
    payable: String,
    lines: i64,
}

fn statement_row(statement: &Statement, words: &Words) -> StatementRow {
    let money = |minor: i64| words.money(minor, statement.currency);
    StatementRow {
        id: statement.id.to_string(),
        href: format!("/seller/statements/{}", statement.id),
        month: month(&statement.period.to_string()),
        chip: statement.state.chip(words),
        sales: money(statement.sales_minor),
        refunds: money(-statement.refunds_minor),
        fee: money(-statement.fee_minor),
        payable: money(statement.payable_minor),
        lines: statement.line_count,
    }
}

#[derive(Template)]
#[template(path = "seller/statements.html")]
pub(crate) struct Statements {
    shell: Shell,
    states: Vec<Choice>,
    rows: Vec<StatementRow>,
    more: Option<String>,
}

pub(crate) async fn statements(
    State(app): State<AppState>,
    member: Member<seller::Finance>,
    Query(typed): Query<Filter>,
    Paging(page): Paging,
) -> ApiResult<Page<Statements>> {
    let account = Some(member.may.account());
    let state = StatementState::named(&typed.state);
    let found = app.read(async move |tx| settlement::statements(tx, account, state, &page).await).await?;
    let words = member.shell.t.clone();
    Ok(Page(Statements {
        states: StatementState::choices(state, &words),
        rows: found.items.iter().map(|statement| statement_row(statement, &words)).collect(),
        more: more_of("/seller/statements", &[("state", state.map_or("", StatementState::word))], found.next.as_deref()),
        shell: member.shell,
    }))
}

struct LineRow {
    order: String,
    kind: String,
    effective: String,
    amount: String,
    rate: String,
    fee: String,
    net: String,
}

/// A figure of a statement and how it was made.
struct Figure {
    label: String,
    value: String,
    how: String,
    is_total: bool,
}

#[derive(Template)]
#[template(path = "seller/statement.html")]
pub(crate) struct StatementPage {
    shell: Shell,
    row: StatementRow,
    figures: Vec<Figure>,
    lines: Vec<LineRow>,
    more: Option<String>,
    made: Stamp,
    paid: Option<(Stamp, String)>,
    meaning: String,
    hash: String,
}

fn figures(statement: &Statement, words: &Words) -> Vec<Figure> {
    let money = |minor: i64| words.money(minor, statement.currency);
    let figure = |key: &str, minor: i64, how: String, is_total| Figure { label: words.s(key), value: money(minor), how, is_total };
    vec![
        figure(
            "page-sell-statement-sales",
            statement.sales_minor,
            words.with("page-sell-statement-sales-how", statement.line_count.to_string()),
            false,
        ),
        figure("page-sell-statement-refunds", -statement.refunds_minor, words.s("page-sell-statement-refunds-how"), false),
        figure(
            "page-sell-statement-fee",
            -statement.fee_minor,
            format!("{} {} ({})", words.s("page-sell-statement-fee-how"), money(statement.fee_tax_minor), percent(statement.fee_tax_bp)),
            false,
        ),
        figure("page-sell-statement-carried-in", statement.carried_in_minor, words.s("page-sell-statement-carried-in-how"), false),
        figure("page-sell-statement-payable", statement.payable_minor, words.s("page-sell-statement-payable-how"), true),
        figure(
            "page-sell-statement-carried-out",
            statement.carried_out_minor,
            words.with("page-sell-statement-carried-out-how", money(statement.payout_min_minor)),
            false,
        ),
    ]
}

fn line_row(line: &StatementLine, currency: Currency, words: &Words) -> LineRow {
    let rate =
        if line.reduction_bp > 0 { format!("{} − {}", percent(line.fee_bp), percent(line.reduction_bp)) } else { percent(line.fee_bp) };
    LineRow {
        order: line.order_number.clone(),
        kind: kind_label(line.kind, words),
        effective: words.time(line.effective_at),
        amount: words.money(line.amount_minor, currency),
        rate,
        fee: words.money(-line.fee_minor, currency),
        net: words.money(line.net_minor, currency),
    }
}

pub(crate) async fn statement(
    State(app): State<AppState>,
    member: Member<seller::Finance>,
    Segment(id): Segment<StatementId>,
    Paging(page): Paging,
) -> ApiResult<Page<StatementPage>> {
    let (account, now) = (Some(member.may.account()), member.may.ctx.now);
    let (statement, lines) =
        app.read(async move |tx| Ok((settlement::statement(tx, account, id).await?, settlement::lines(tx, id, &page).await?))).await?;
    let words = member.shell.t.clone();
    let meaning = words.s(match statement.state {
        StatementState::Payable => "page-sell-statement-is-payable",
        StatementState::Carried => "page-sell-statement-is-carried",
        StatementState::Paid => "page-sell-statement-is-paid",
    });
    Ok(Page(StatementPage {
        row: statement_row(&statement, &words),
        figures: figures(&statement, &words),
        lines: lines.items.iter().map(|line| line_row(line, statement.currency, &words)).collect(),
        more: more(&format!("/seller/statements/{id}"), lines.next.as_deref()),
        made: words.stamp(statement.created_at, now),
        paid: statement.paid_at.map(|at| (words.stamp(at, now), statement.bank_reference.clone().unwrap_or_default())),
        meaning,
        hash: statement.hash.clone(),
        shell: member.shell,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_is_written_without_needless_zeros() {
        assert_eq!([percent(500), percent(450), percent(605), percent(0)], ["5%", "4.5%", "6.05%", "0%"]);
    }
}
