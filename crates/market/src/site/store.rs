//! All SQL of the site's numbers.

use db::{FromRow, Result, Row, Tx, sql};
use kernel::{Code, Refusal};

use super::{Change, Kept};
use crate::page::PageRequest;

impl FromRow for Kept {
    fn from_row(row: &mut Row) -> Result<Self> {
        let (key, value) = (row.take()?, row.take::<Option<String>>()?);
        let value = value.map(|text| serde_json::from_str(&text)).transpose()?;
        Ok(Self { key, value, version: row.take()? })
    }
}

impl FromRow for Change {
    fn from_row(row: &mut Row) -> Result<Self> {
        Ok(Self {
            version: row.take()?,
            key: row.take()?,
            before: serde_json::from_str(&row.take::<String>()?)?,
            after: serde_json::from_str(&row.take::<String>()?)?,
            given_back: row.take::<i64>()? != 0,
            reason: row.take()?,
            at: row.take()?,
            actor: row.take()?,
        })
    }
}

pub(super) async fn last_version(tx: &mut Tx) -> Result<i64> {
    let find = sql!("SELECT version FROM site_number_changes ORDER BY version DESC LIMIT 1");
    Ok(tx.find::<(i64,)>(find, &[]).await?.map_or(0, |(version,)| version))
}

pub(super) async fn kept(tx: &mut Tx) -> Result<Vec<Kept>> {
    // As many rows as there are numbers.
    tx.all(sql!("SELECT key, value, version FROM site_numbers ORDER BY key"), &[]).await
}

pub(super) async fn keep(tx: &mut Tx, key: &str, value: Option<&str>, expected: i64, version: i64) -> Result<()> {
    let value = value.map(str::to_owned);
    let changed = if expected == 0 {
        let insert = sql!("INSERT INTO site_numbers (key, value, version) VALUES ($1, $2, $3) ON CONFLICT (key) DO NOTHING");
        tx.execute(insert, &[&key, &value, &version]).await?
    } else {
        let update = sql!("UPDATE site_numbers SET value = $1, version = $2 WHERE key = $3 AND version = $4");
        tx.execute(update, &[&value, &version, &key, &expected]).await?
    };
    if changed == 1 { Ok(()) } else { Err(Refusal::new(Code::VersionStale).into()) }
}

pub(super) async fn insert_change(tx: &mut Tx, change: &Change) -> Result<()> {
    let insert = sql!(
        "INSERT INTO site_number_changes (version, key, before, after, given_back, reason, at, actor)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8)"
    );
    let (before, after) = (serde_json::to_string(&change.before)?, serde_json::to_string(&change.after)?);
    let c = change;
    let given_back = i64::from(c.given_back);
    tx.execute(insert, &[&c.version, &c.key, &before, &after, &given_back, &c.reason, &c.at, &c.actor]).await.map(drop)
}

pub(super) async fn changes(tx: &mut Tx, key: Option<&str>, before: i64, page: &PageRequest) -> Result<Vec<Change>> {
    match key {
        Some(key) => {
            let find = sql!(
                "SELECT version, key, before, after, given_back, reason, at, actor FROM site_number_changes
                 WHERE key = $1 AND version < $2 ORDER BY version DESC LIMIT $3"
            );
            tx.all(find, &[&key, &before, &page.fetch()]).await
        }
        None => {
            let find = sql!(
                "SELECT version, key, before, after, given_back, reason, at, actor FROM site_number_changes
                 WHERE version < $1 ORDER BY version DESC LIMIT $2"
            );
            tx.all(find, &[&before, &page.fetch()]).await
        }
    }
}
