//! Read models that join what several domains keep. May read any table; never writes.

pub mod books;
pub mod counts;
pub mod desk;
pub mod export;
pub mod health;
pub mod queues;
pub mod selling;
pub mod shop;

use db::{Result, Tx, sql};
use kernel::{AccountId, SubscriptionId};

use crate::audit::AuditEntry;
use crate::page::{Page, PageRequest};
use crate::subscriptions;

/// Everything that happened around a subscription, oldest first: its own changes, its orders and money, its calls, its notices.
///
/// # Errors
/// [`kernel::Code::NotFound`] for a subscription of which the account is neither buyer nor seller.
pub async fn timeline(tx: &mut Tx, account: Option<AccountId>, id: SubscriptionId, page: &PageRequest) -> Result<Page<AuditEntry>> {
    let sub = subscriptions::get(tx, id).await?;
    if account.is_some_and(|account| account != sub.buyer_id && account != sub.seller_id) {
        return Err(kernel::Refusal::new(kernel::Code::NotFound).into());
    }
    let statement = sql!(
        "SELECT id, at, actor, account_id, action, subject, thread, detail, request_id FROM audit
         WHERE thread IN (SELECT CAST($1 AS TEXT) UNION SELECT order_number FROM order_lines WHERE subscription_id = $1) AND id > $2
         ORDER BY id LIMIT $3"
    );
    let rows = tx.all(statement, &[&id, &page.after, &page.fetch()]).await?;
    Ok(page.cut(rows, |entry: &AuditEntry| entry.id.to_string()))
}
