//! What the operator of a machine wants to know of a database that no domain tells: whether it is in use, and how it is.
//!
//! Only reads. A database without a schema has no accounts, no operator and no jobs.

use db::{Db, Result, sql};

/// Whether anybody has an account yet.
///
/// # Errors
/// Those of the database.
pub async fn has_accounts(db: &Db) -> Result<bool> {
    db.read(async |tx| Ok(tx.find::<(String,)>(sql!("SELECT id FROM accounts LIMIT 1"), &[]).await?.is_some())).await
}

/// Whether somebody runs the marketplace yet.
///
/// # Errors
/// Those of the database.
pub async fn has_operator(db: &Db) -> Result<bool> {
    let find = sql!("SELECT id FROM accounts WHERE operator_at IS NOT NULL LIMIT 1");
    db.read(async |tx| Ok(tx.find::<(String,)>(find, &[]).await?.is_some())).await
}

/// The version of the schema; `None` when there is none.
pub async fn schema_version(db: &Db) -> Option<i64> {
    db.read(async |tx| tx.one::<(i64,)>(sql!("SELECT CAST(COALESCE(MAX(version), 0) AS BIGINT) FROM schema_history"), &[]).await)
        .await
        .ok()
        .map(|(version,)| version)
}

/// The facts that were settled when the market was made, such as its mode and its currency.
///
/// # Errors
/// Those of the database.
pub async fn facts(db: &Db) -> Result<Vec<(String, String)>> {
    db.read(async |tx| tx.all(sql!("SELECT name, value FROM market_facts ORDER BY name"), &[]).await).await
}

/// When the last change was recorded, market ms UTC.
///
/// # Errors
/// Those of the database.
pub async fn last_change_at(db: &Db) -> Result<Option<i64>> {
    db.read(async |tx| Ok(tx.find::<(i64,)>(sql!("SELECT at FROM audit ORDER BY id DESC LIMIT 1"), &[]).await?.map(|(at,)| at))).await
}
