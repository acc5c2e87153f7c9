//! How long the lists are that somebody wants whole. Each count stops at `max`: it only says how far something is.

use db::{Result, Statement, Tx, sql};
use kernel::{AccountId, StatementId, SubscriptionId, ToScalar};

use crate::calls::CallState;
use crate::ledger::Book;
use crate::orders::OrderState;
use crate::settlement::{ItemState, StatementState};
use crate::subscriptions::{SubscriptionState, Whose};

async fn count(tx: &mut Tx, statement: &'static Statement, params: &[&dyn ToScalar]) -> Result<i64> {
    tx.one::<(i64,)>(statement, params).await.map(|(count,)| count)
}

/// Orders.
///
/// # Errors
/// Those of the database.
pub async fn orders(tx: &mut Tx, whose: Whose, state: Option<OrderState>, max: i64) -> Result<i64> {
    match whose {
        Whose::Buyer(buyer) => {
            let statement = sql!(
                "SELECT CAST(COUNT(*) AS BIGINT) FROM (SELECT number FROM orders
                 WHERE buyer_id = $1 AND (CAST($2 AS TEXT) IS NULL OR state = $2) LIMIT $3) AS counted"
            );
            count(tx, statement, &[&buyer, &state, &max]).await
        }
        Whose::Seller(seller) => {
            let statement = sql!(
                "SELECT CAST(COUNT(*) AS BIGINT) FROM (SELECT number FROM orders
                 WHERE seller_id = $1 AND (CAST($2 AS TEXT) IS NULL OR state = $2) LIMIT $3) AS counted"
            );
            count(tx, statement, &[&seller, &state, &max]).await
        }
        Whose::Everybody => {
            let statement = sql!(
                "SELECT CAST(COUNT(*) AS BIGINT) FROM (SELECT number FROM orders
                 WHERE number > '' AND (CAST($1 AS TEXT) IS NULL OR state = $1) LIMIT $2) AS counted"
            );
            count(tx, statement, &[&state, &max]).await
        }
    }
}

/// Subscriptions.
///
/// # Errors
/// Those of the database.
pub async fn subscriptions(tx: &mut Tx, whose: Whose, state: Option<SubscriptionState>, max: i64) -> Result<i64> {
    match whose {
        Whose::Buyer(buyer) => {
            let statement = sql!(
                "SELECT CAST(COUNT(*) AS BIGINT) FROM (SELECT id FROM subscriptions
                 WHERE buyer_id = $1 AND id > '' AND (CAST($2 AS TEXT) IS NULL OR state = $2) LIMIT $3) AS counted"
            );
            count(tx, statement, &[&buyer, &state, &max]).await
        }
        Whose::Seller(seller) => {
            let statement = sql!(
                "SELECT CAST(COUNT(*) AS BIGINT) FROM (SELECT id FROM subscriptions
                 WHERE seller_id = $1 AND id > '' AND (CAST($2 AS TEXT) IS NULL OR state = $2) LIMIT $3) AS counted"
            );
            count(tx, statement, &[&seller, &state, &max]).await
        }
        Whose::Everybody => {
            let statement = sql!(
                "SELECT CAST(COUNT(*) AS BIGINT) FROM (SELECT id FROM subscriptions
                 WHERE id > '' AND (CAST($1 AS TEXT) IS NULL OR state = $1) LIMIT $2) AS counted"
            );
            count(tx, statement, &[&state, &max]).await
        }
    }
}

/// Movements of a book.
///
/// # Errors
/// Those of the database.
pub async fn movements(tx: &mut Tx, book: &Book, max: i64) -> Result<i64> {
    let statement = sql!(
        "SELECT CAST(COUNT(*) AS BIGINT) FROM (
           SELECT transaction_id FROM (SELECT transaction_id FROM ledger_postings WHERE destination = $1 LIMIT $2) AS came
           UNION ALL
           SELECT transaction_id FROM (SELECT transaction_id FROM ledger_postings WHERE source = $1 LIMIT $2) AS went) AS counted"
    );
    count(tx, statement, &[book, &max]).await
}

/// Sales and refunds of a seller.
///
/// # Errors
/// Those of the database.
pub async fn sales(tx: &mut Tx, seller: AccountId, state: Option<ItemState>, max: i64) -> Result<i64> {
    let statement = sql!(
        "SELECT CAST(COUNT(*) AS BIGINT) FROM (SELECT id FROM settlement_items
         WHERE seller_id = $1 AND id > '' AND (CAST($2 AS TEXT) IS NULL OR state = CAST($2 AS TEXT)) LIMIT $3) AS counted"
    );
    count(tx, statement, &[&seller, &state, &max]).await
}

/// Lines of a statement.
///
/// # Errors
/// Those of the database.
pub async fn statement_lines(tx: &mut Tx, id: StatementId, max: i64) -> Result<i64> {
    let statement =
        sql!("SELECT CAST(COUNT(*) AS BIGINT) FROM (SELECT n FROM statement_lines WHERE statement_id = $1 LIMIT $2) AS counted");
    count(tx, statement, &[&id, &max]).await
}

/// Calls to a seller's server, of one subscription when one is given.
///
/// # Errors
/// Those of the database.
pub async fn calls(
    tx: &mut Tx,
    seller: AccountId,
    state: Option<CallState>,
    subscription: Option<SubscriptionId>,
    max: i64,
) -> Result<i64> {
    match subscription {
        Some(subscription) => {
            let statement = sql!(
                "SELECT CAST(COUNT(*) AS BIGINT) FROM (SELECT id FROM deliveries
                 WHERE subscription_id = $1 AND seller_id = $2 AND (CAST($3 AS TEXT) IS NULL OR state = $3) LIMIT $4) AS counted"
            );
            count(tx, statement, &[&subscription, &seller, &state, &max]).await
        }
        None => {
            let statement = sql!(
                "SELECT CAST(COUNT(*) AS BIGINT) FROM (SELECT id FROM deliveries
                 WHERE seller_id = $1 AND id > '' AND (CAST($2 AS TEXT) IS NULL OR state = $2) LIMIT $3) AS counted"
            );
            count(tx, statement, &[&seller, &state, &max]).await
        }
    }
}

/// Accounts.
///
/// # Errors
/// Those of the database.
pub async fn accounts(tx: &mut Tx, max: i64) -> Result<i64> {
    let statement = sql!("SELECT CAST(COUNT(*) AS BIGINT) FROM (SELECT id FROM accounts WHERE id > '' LIMIT $1) AS counted");
    count(tx, statement, &[&max]).await
}

/// Recorded deposits, of one account when one is given.
///
/// # Errors
/// Those of the database.
pub async fn deposits(tx: &mut Tx, account: Option<AccountId>, max: i64) -> Result<i64> {
    match account {
        Some(account) => {
            let statement =
                sql!("SELECT CAST(COUNT(*) AS BIGINT) FROM (SELECT id FROM deposits WHERE account_id = $1 LIMIT $2) AS counted");
            count(tx, statement, &[&account, &max]).await
        }
        None => {
            let statement = sql!("SELECT CAST(COUNT(*) AS BIGINT) FROM (SELECT id FROM deposits WHERE id > '' LIMIT $1) AS counted");
            count(tx, statement, &[&max]).await
        }
    }
}

/// Statements, of one seller when one is given.
///
/// # Errors
/// Those of the database.
pub async fn statements(tx: &mut Tx, seller: Option<AccountId>, state: Option<StatementState>, max: i64) -> Result<i64> {
    match seller {
        Some(seller) => {
            let statement = sql!(
                "SELECT CAST(COUNT(*) AS BIGINT) FROM (SELECT id FROM statements
                 WHERE seller_id = $1 AND (CAST($2 AS TEXT) IS NULL OR state = $2) LIMIT $3) AS counted"
            );
            count(tx, statement, &[&seller, &state, &max]).await
        }
        None => {
            let statement = sql!(
                "SELECT CAST(COUNT(*) AS BIGINT) FROM (SELECT id FROM statements
                 WHERE id > '' AND (CAST($1 AS TEXT) IS NULL OR state = $1) LIMIT $2) AS counted"
            );
            count(tx, statement, &[&state, &max]).await
        }
    }
}

/// Entries of the audit, of one account when one is given.
///
/// # Errors
/// Those of the database.
pub async fn audit(tx: &mut Tx, account: Option<AccountId>, max: i64) -> Result<i64> {
    match account {
        Some(account) => {
            let statement = sql!("SELECT CAST(COUNT(*) AS BIGINT) FROM (SELECT id FROM audit WHERE account_id = $1 LIMIT $2) AS counted");
            count(tx, statement, &[&account, &max]).await
        }
        None => {
            let statement = sql!("SELECT CAST(COUNT(*) AS BIGINT) FROM (SELECT id FROM audit WHERE id > '' LIMIT $1) AS counted");
            count(tx, statement, &[&max]).await
        }
    }
}
