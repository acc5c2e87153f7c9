//! What needs the seller today, and how the last thirty days went.

use askama::Template;
use axum::extract::State;
use market::accounts::Permission;
use market::settlement::StatementState;
use market::views::selling::{self, Day, Todos};

use crate::AppState;
use crate::auth::seller;
use crate::pages::Page;
use crate::pages::parts::{Chart, Tile};
use crate::pages::shell::{Member, Shell, Words};
use crate::problem::ApiResult;

/// For so long a statement is new, ms.
const STATEMENT_NEW_MS: i64 = 7 * kernel::DAY_MS;

/// Something to do: what, why, and where.
struct Todo {
    href: String,
    what: String,
    note: String,
    tone: &'static str,
    icon: String,
}

#[derive(Template)]
#[template(path = "seller/overview.html")]
pub(crate) struct Overview {
    shell: Shell,
    todos: Vec<Todo>,
    tiles: Vec<Tile>,
    charts: Vec<Chart>,
    links: Vec<(&'static str, String)>,
    /// Steps of a seller who has sold nothing yet.
    beginning: Vec<(String, &'static str, bool)>,
}

fn todos(found: &Todos, shell: &Shell, currency: kernel::Currency, now: i64, finance: bool) -> Vec<Todo> {
    let words = &shell.t;
    let todo = |icon: &str, tone, href: String, what: String, note: String| Todo { href, what, note, tone, icon: shell.icon(icon) };
    let mut all = Vec::new();
    for breaker in &found.breakers {
        let note = words.with("page-sell-todo-breaker-note", words.time(breaker.until));
        all.push(todo(
            "plug",
            "bad",
            format!("/seller/addresses/{}", breaker.address),
            words.with("page-sell-todo-breaker", breaker.name.as_str()),
            note,
        ));
    }
    if found.given_up > 0 {
        let what = words.with("page-sell-todo-given-up", found.given_up.to_string());
        all.push(todo("circle-alert", "bad", "/seller/calls?state=gave_up".to_owned(), what, words.s("page-sell-todo-given-up-note")));
    }
    if found.retried > 0 {
        let what = words.with("page-sell-todo-retried", found.retried.to_string());
        all.push(todo("refresh-cw", "warn", "/seller/calls?state=waiting".to_owned(), what, words.s("page-sell-todo-retried-note")));
    }
    for rejected in &found.rejected {
        let what = words.with("page-sell-todo-rejected", rejected.names.pick(words.locale));
        all.push(todo("file-text", "bad", format!("/seller/products/{}", rejected.product), what, rejected.reason.clone()));
    }
    for order in &found.failed {
        let note = order.closed_at.map_or_else(String::new, |at| words.stamp(at, now).said);
        all.push(todo(
            "triangle-alert",
            "bad",
            format!("/seller/orders/{}", order.number),
            words.with("page-sell-todo-failed", order.number.as_str()),
            note,
        ));
    }
    for key in &found.old_keys {
        let note = words.with("page-sell-todo-key-note", words.day(key.created_at));
        all.push(todo("key-round", "warn", "/seller/addresses".to_owned(), words.with("page-sell-todo-key", key.name.as_str()), note));
    }
    // One that is carried or paid needs nobody once it has been seen.
    let is_new =
        |statement: &selling::NewStatement| statement.state == StatementState::Payable || now - statement.created_at < STATEMENT_NEW_MS;
    if let Some(statement) = found.statement.as_ref().filter(|statement| finance && is_new(statement)) {
        let note = format!("{} · {}", words.state(statement.state.word()), words.money(statement.payable_minor, currency));
        let what = words.with("page-sell-todo-statement", month(&statement.period));
        all.push(todo("receipt-text", "wait", format!("/seller/statements/{}", statement.id), what, note));
    }
    all
}

/// `2026-11` of `202611`.
pub(super) fn month(period: &str) -> String {
    if period.len() == 6 && period.is_ascii() { format!("{}-{}", &period[..4], &period[4..]) } else { period.to_owned() }
}

fn charts(days: &[Day], words: &Words, currency: kernel::Currency) -> Vec<Chart> {
    let values = |value: fn(&Day) -> i64| -> Vec<(String, i64)> { days.iter().map(|day| (words.day(day.from), value(day))).collect() };
    vec![
        Chart::new(words.s("page-sell-chart-sales"), &values(|day| day.sales_minor), |minor| words.money(minor, currency)),
        Chart::new(words.s("page-sell-chart-orders"), &values(|day| day.orders), |count| count.to_string()),
        Chart::new(words.s("page-sell-chart-failed"), &values(|day| day.failed), |count| count.to_string()),
    ]
}

pub(crate) async fn overview(State(app): State<AppState>, member: Member<seller::View>) -> ApiResult<Page<Overview>> {
    let (account, now, zone) = (member.may.account(), member.may.ctx.now, app.market().edition().zone.clone());
    let currency = app.market().edition().currency;
    let can = |permission| member.may.principal.permissions.contains(&permission);
    let (found, days, figures, has_address, has_product, on_sale) = app
        .read(async move |tx| {
            let one = market::page::PageRequest { after: String::new(), limit: 1 };
            let products = market::catalog::list_of_seller(tx, account, None, &one).await?.items;
            let on_sale = market::catalog::list_of_seller(tx, account, Some(market::catalog::ProductState::OnSale), &one).await?.items;
            let addresses = market::sellers::addresses(tx, account, &one).await?.items;
            Ok((
                selling::todos(tx, account, &zone, now).await?,
                selling::days(tx, account, &zone, now).await?,
                selling::call_figures(tx, account, &zone, now).await?,
                !addresses.is_empty(),
                !products.is_empty(),
                !on_sale.is_empty(),
            ))
        })
        .await?;
    let words = member.shell.t.clone();
    let sum = |value: fn(&Day) -> i64| days.iter().map(value).fold(0, i64::saturating_add);
    let tile = |key: &str, value: String, href: &str, tone| Tile {
        label: words.s(key),
        value,
        note: words.s("page-sell-last-30-days"),
        href: href.to_owned(),
        tone,
    };
    let failed = sum(|day| day.failed);
    let tiles = vec![
        tile(
            "page-sell-chart-sales",
            words.money(sum(|day| day.sales_minor), currency),
            if can(Permission::SellerFinance) { "/seller/sales" } else { "" },
            "",
        ),
        tile("page-sell-chart-orders", sum(|day| day.orders).to_string(), "/seller/orders", ""),
        tile("page-sell-chart-failed", failed.to_string(), "/seller/orders?state=failed", if failed > 0 { "bad" } else { "" }),
        Tile {
            label: words.s("page-sell-calls-today"),
            value: figures.asked.to_string(),
            note: words.with("page-sell-calls-done-today", figures.done.to_string()),
            href: "/seller/calls".to_owned(),
            tone: "",
        },
    ];
    let ways = [
        ("/seller/products/new", "page-sell-product-new", Permission::SellerProducts),
        ("/seller/debug", "page-debugging", Permission::SellerDevelop),
        ("/seller/addresses", "page-addresses", Permission::SellerDevelop),
        ("/seller/apply", "page-sell-company-details", Permission::SellerView),
    ];
    let step = |key: &str, href: &'static str, done: bool| (words.s(key), href, done);
    let beginning = if on_sale {
        Vec::new()
    } else {
        vec![
            step("page-sell-begin-address", "/seller/addresses", has_address),
            step("page-sell-begin-debug", "/seller/debug", false),
            step("page-sell-begin-product", "/seller/products", has_product),
        ]
    };
    Ok(Page(Overview {
        todos: todos(&found, &member.shell, currency, now, can(Permission::SellerFinance)),
        tiles,
        charts: charts(&days, &words, currency),
        links: ways.iter().filter(|(.., permission)| can(*permission)).map(|(href, key, _)| (*href, words.s(key))).collect(),
        beginning,
        shell: member.shell,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_month_is_written_with_its_year_apart() {
        assert_eq!((month("202611").as_str(), month("x").as_str()), ("2026-11", "x"));
    }
}
