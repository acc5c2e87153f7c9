//! The buyer's money: what came in and went out.

use askama::Template;
use axum::extract::State;
use market::ledger::{self, Book, EntryKind};

use crate::AppState;
use crate::auth::buyer;
use crate::extract::Paging;
use crate::pages::Page;
use crate::pages::parts::more;
use crate::pages::shell::{Member, Shell};
use crate::problem::ApiResult;

struct MovementRow {
    at: String,
    what: String,
    /// The order that it is for.
    order: Option<String>,
    amount: String,
    comes: bool,
}

#[derive(Template)]
#[template(path = "buyer/balance.html")]
pub(crate) struct Balance {
    shell: Shell,
    balance: String,
    rows: Vec<MovementRow>,
    more: Option<String>,
}

pub(crate) async fn balance(State(app): State<AppState>, member: Member<buyer::View>, Paging(page): Paging) -> ApiResult<Page<Balance>> {
    let (account, currency) = (member.may.account(), app.market().edition().currency);
    let (balance, found) = app
        .read(async move |tx| {
            let balance = ledger::wallet(tx, account, currency).await?;
            Ok((balance, ledger::movements(tx, &Book::Buyer(account), &page).await?))
        })
        .await?;
    let words = member.shell.t.clone();
    let row = |movement: &ledger::Movement| MovementRow {
        at: words.time(movement.at),
        what: words.s(&format!("page-entry-{}", movement.kind.word())),
        order: (movement.kind != EntryKind::Deposit).then(|| movement.reference.clone()),
        amount: words.money(movement.amount_minor, movement.currency),
        comes: movement.amount_minor > 0,
    };
    let rows = found.items.iter().map(row).collect();
    let balance = words.money(balance, currency);
    Ok(Page(Balance { balance, rows, more: more("/buyer/balance", found.next.as_deref()), shell: member.shell }))
}
