//! The ledger: why money moved, by what it moved for or by where it is.

use axum::extract::State;
use axum::response::Response;
use db::Tx;
use http::StatusCode;
use market::ledger::{self as domain, Book};
use serde::Deserialize;

use super::orders::{MOVEMENT_HEADS, movements};
use super::view::{Cell, Filter, List, Staff, Table, shown};
use crate::AppState;
use crate::auth::operator;
use crate::extract::{Paging, Query};
use crate::pages::parts::{Tab, more_of};
use crate::pages::shell::{Member, Words};
use crate::problem::ApiResult;

/// A book by its name, leading to its movements.
pub(super) fn book(book: &Book, t: &Words) -> Cell {
    let whole = book.to_string();
    let whose = whole.split_once(':').map_or("", |(_, whose)| whose);
    let mut query = url::form_urlencoded::Serializer::new(String::new());
    let href = format!("/operator/ledger?{}", query.append_pair("book", &whole).finish());
    Cell::Link(href, t.s(&format!("page-op-book-{}", book.kind().word())), whose.to_owned())
}

#[derive(Deserialize, Default)]
pub(super) struct OfLedger {
    #[serde(default)]
    book: String,
    #[serde(default)]
    reference: String,
}

pub(super) async fn ledger(
    State(app): State<AppState>,
    member: Member<operator::Finance>,
    Query(filter): Query<OfLedger>,
    Paging(page): Paging,
) -> ApiResult<Response> {
    let staff = Staff::from(member);
    let (t, currency) = (staff.shell.t.clone(), app.market().edition().currency);
    let reference = filter.reference.trim().to_owned();
    let chosen: Option<Book> = filter.book.trim().parse().ok();
    let wrong = if chosen.is_none() && !filter.book.trim().is_empty() { t.s("page-op-no-such-book") } else { String::new() };
    let tab = |book: &Book| {
        let Cell::Link(href, label, _) = self::book(book, &t) else { return None };
        Some(Tab { href, label, on: chosen.as_ref() == Some(book) && reference.is_empty() })
    };
    let tabs = [Book::Bank, Book::PlatformFee, Book::Tax].iter().filter_map(tab).collect();
    let mut note = t.s("page-op-ledger-what");
    let table = if reference.is_empty() {
        let of = chosen.unwrap_or(Book::Bank);
        let shown_book = of.clone();
        let (found, balance) = app
            .read(async move |tx: &mut Tx| Ok((domain::movements(tx, &of, &page).await?, domain::balance(tx, &of, currency).await?)))
            .await?;
        note = format!("{} {}", shown_book, t.with("page-op-book-holds", staff.money(balance, currency)));
        let rows = found.items.iter().map(|movement| {
            vec![
                staff.at(movement.at),
                Cell::Text(t.s(&format!("page-entry-{}", movement.kind.word()))),
                reference_cell(&movement.reference),
                book(&movement.counter, &t),
                Cell::Num(staff.money(movement.amount_minor, movement.currency)),
            ]
        });
        let heads = ["page-when", "page-for", "page-op-reference", "page-op-other-book", "page-amount"];
        let table = Table::new(&t, &heads, rows.collect(), "page-no-movements");
        table.with_more(more_of("/operator/ledger", &[("book", &filter.book)], found.next.as_deref()))
    } else {
        let found = app.read(async move |tx: &mut Tx| domain::transactions_of(tx, &reference, &page).await).await?;
        let table = Table::new(&t, MOVEMENT_HEADS, movements(&staff, &found.items), "page-op-no-transactions");
        table.with_more(more_of("/operator/ledger", &[("reference", &filter.reference)], found.next.as_deref()))
    };
    let filters = vec![
        Filter::Seek { name: "reference", label: t.s("page-op-seek-reference"), value: filter.reference },
        Filter::Seek { name: "book", label: t.s("page-op-seek-book"), value: filter.book },
    ];
    Ok(shown(StatusCode::OK, List { note, wrong, tabs, filters, ..List::new(staff, "page-ledger", "/operator/ledger", table) }))
}

/// What money moved for, as a way to it.
fn reference_cell(reference: &str) -> Cell {
    match reference {
        order if order.starts_with("CS") => Cell::order(order),
        statement if statement.starts_with("stm_") => Cell::Code(format!("/operator/statements/{statement}"), statement.to_owned()),
        other => Cell::Mono(other.to_owned()),
    }
}
