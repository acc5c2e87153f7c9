//! What waits for the buyer.

use askama::Template;
use axum::extract::State;
use db::Tx;
use kernel::DAY_MS;
use market::ledger;
use market::orders;
use market::page::PageRequest;
use market::subscriptions::{SubscriptionState, Whose};
use market::views::desk::{self, BuyerDesk};

use super::orders::{OrderRow, order_row};
use crate::AppState;
use crate::auth::buyer;
use crate::pages::Page;
use crate::pages::parts::{Stamp, Tile};
use crate::pages::shell::{Member, Shell, Words};
use crate::problem::ApiResult;

/// What ends within so many days is worth a word: the first reminder is sent then (spec: business §5.3).
const SOON_DAYS: i64 = 15;
/// The last orders that are shown.
const ORDERS_SHOWN: i64 = 5;

/// Something to do.
struct Todo {
    text: String,
    when: Stamp,
    href: String,
    act: String,
    tone: &'static str,
}

#[derive(Template)]
#[template(path = "buyer/overview.html")]
pub(crate) struct Overview {
    shell: Shell,
    todos: Vec<Todo>,
    tiles: Vec<Tile>,
    orders: Vec<OrderRow>,
}

fn todos(desk: &BuyerDesk, currency: kernel::Currency, now: i64, words: &Words) -> Vec<Todo> {
    let unpaid = desk.unpaid.iter().map(|order| Todo {
        text: words.with("page-todo-pay", words.money(order.total_minor, currency)),
        when: words.stamp(order.pay_until, now),
        href: format!("/buyer/orders/{}", order.number),
        act: words.s("page-todo-pay-act"),
        tone: "warn",
    });
    let ending = desk.ending.iter().map(|one| {
        let is_frozen = one.state == SubscriptionState::Frozen;
        let name = one.names.product.pick(words.locale);
        Todo {
            text: words.with(if is_frozen { "page-todo-frozen" } else { "page-todo-ends" }, name),
            when: words.stamp(one.release_at.filter(|_| is_frozen).unwrap_or(one.ends_at), now),
            href: format!("/buyer/services/{}", one.id),
            act: words.s("page-renew"),
            tone: if is_frozen { "bad" } else { "warn" },
        }
    });
    unpaid.chain(ending).collect()
}

pub(crate) async fn overview(State(app): State<AppState>, member: Member<buyer::View>) -> ApiResult<Page<Overview>> {
    let (account, now, currency) = (member.may.account(), member.may.ctx.now, app.market().edition().currency);
    let look = async move |tx: &mut Tx| {
        let desk = desk::buyer(tx, account, now, now + SOON_DAYS * DAY_MS).await?;
        let balance = ledger::wallet(tx, account, currency).await?;
        let last = PageRequest { limit: ORDERS_SHOWN, ..PageRequest::default() };
        Ok((desk, balance, orders::list(tx, Whose::Buyer(account), None, &last).await?.items))
    };
    let (desk, balance, last) = app.read(look).await?;
    let words = member.shell.t.clone();
    let tile =
        |key: &str, value: String, href: &str, tone| Tile { label: words.s(key), value, note: String::new(), href: href.to_owned(), tone };
    let tiles = vec![
        tile("page-balance", words.money(balance, currency), "/buyer/balance", ""),
        tile("page-tile-in-use", desk.in_use.to_string(), "/buyer/services?state=in_use", ""),
        tile("page-tile-opening", desk.opening.to_string(), "/buyer/services?state=opening", ""),
        tile("page-tile-frozen", desk.frozen.to_string(), "/buyer/services?state=frozen", if desk.frozen > 0 { "bad" } else { "" }),
    ];
    let orders = last.iter().map(|order| order_row(order, &words)).collect();
    Ok(Page(Overview { todos: todos(&desk, currency, now, &words), tiles, orders, shell: member.shell }))
}
