//! The tables `subscriptions` and `refund_quota`.

use db::{FromRow, Result, Row, Tx, sql};
use kernel::{AccountId, AddressId, Period, PeriodUnit, SubscriptionId, ToScalar};

use super::{NextTerms, Renewal, Subscription, SubscriptionState, Whose};
use crate::catalog::Item;
use crate::page::PageRequest;

impl FromRow for Subscription {
    fn from_row(row: &mut Row) -> Result<Self> {
        Ok(Self {
            id: row.take()?,
            state: row.take()?,
            buyer_id: row.take()?,
            seller_id: row.take()?,
            item: Item::from_row(row)?,
            period_unit: row.take()?,
            quantity: row.take()?,
            purchase_line: row.take()?,
            instance_id: row.take()?,
            created_at: row.take()?,
            anchor_at: row.take()?,
            months: row.take()?,
            ends_at: row.take()?,
            expired_at: row.take()?,
            suspended_at: row.take()?,
            suspend_reason: row.take()?,
            release_at: row.take()?,
            released_at: row.take()?,
            release_reason: row.take()?,
            renewal: renewal(row)?,
            next: next(row)?,
            open_order: row.take()?,
            marker: row.take()?,
            due_at: row.take()?,
            version: row.take()?,
        })
    }
}

fn next(row: &mut Row) -> Result<Option<NextTerms>> {
    let (item, quantity, from): (Option<String>, Option<i64>, Option<i64>) = (row.take()?, row.take()?, row.take()?);
    let (Some(item), Some(quantity), Some(from)) = (item, quantity, from) else { return Ok(None) };
    Ok(Some(NextTerms { item: serde_json::from_str(&item)?, quantity, from }))
}

fn renewal(row: &mut Row) -> Result<Renewal> {
    let mode = row.take()?;
    let (unit, count): (Option<PeriodUnit>, Option<i64>) = (row.take()?, row.take()?);
    let period = unit.zip(count).map(|(unit, count)| Period { unit, count });
    Ok(Renewal { mode, period, times: row.take()? })
}

struct NextColumns {
    item: Option<String>,
    quantity: Option<i64>,
    from: Option<i64>,
}

impl NextColumns {
    fn of(sub: &Subscription) -> Result<Self> {
        let item = sub.next.as_ref().map(|next| serde_json::to_string(&next.item)).transpose()?;
        Ok(Self { item, quantity: sub.next.as_ref().map(|next| next.quantity), from: sub.next.as_ref().map(|next| next.from) })
    }
}

macro_rules! columns {
    () => {
        "id, state, buyer_id, seller_id, product_id, edition_id, sku_id, price_id, address_id, names, charging_mode, period_unit, quantity,
         purchase_line, instance_id, created_at, anchor_at, months, ends_at, expired_at, suspended_at, suspend_reason, release_at,
         released_at, release_reason, renewal_mode, renewal_unit, renewal_count, renewal_left, next_item, next_quantity, next_at, open_order, marker, due_at, version"
    };
}

pub(super) async fn insert(tx: &mut Tx, s: &Subscription) -> Result<()> {
    let statement = sql!(concat!(
        "INSERT INTO subscriptions (",
        columns!(),
        ") VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22, $23, $24, $25, $26,
           $27, $28, $29, $30, $31, $32, $33, $34, $35, $36)"
    ));
    let names = serde_json::to_string(&s.item.names)?;
    let (unit, count) = (s.renewal.period.map(|p| p.unit), s.renewal.period.map(|p| p.count));
    let next = NextColumns::of(s)?;
    let params: [&dyn ToScalar; 36] = [
        &s.id,
        &s.state,
        &s.buyer_id,
        &s.seller_id,
        &s.item.product_id,
        &s.item.edition_id,
        &s.item.sku_id,
        &s.item.price_id,
        &s.item.address_id,
        &names,
        &s.item.charging_mode,
        &s.period_unit,
        &s.quantity,
        &s.purchase_line,
        &s.instance_id,
        &s.created_at,
        &s.anchor_at,
        &s.months,
        &s.ends_at,
        &s.expired_at,
        &s.suspended_at,
        &s.suspend_reason,
        &s.release_at,
        &s.released_at,
        &s.release_reason,
        &s.renewal.mode,
        &unit,
        &count,
        &s.renewal.times,
        &next.item,
        &next.quantity,
        &next.from,
        &s.open_order,
        &s.marker,
        &s.due_at,
        &s.version,
    ];
    tx.defer(statement, &params).await
}

/// Writes everything that may change, if nobody else has changed it since it was read.
pub(super) async fn update(tx: &mut Tx, s: &mut Subscription) -> Result<()> {
    let statement = sql!(
        "UPDATE subscriptions SET state = $1, sku_id = $2, price_id = $3, names = $4, quantity = $5, instance_id = $6, anchor_at = $7,
           months = $8, ends_at = $9, expired_at = $10, suspended_at = $11, suspend_reason = $12, release_at = $13, released_at = $14,
           release_reason = $15, renewal_mode = $16, renewal_unit = $17, renewal_count = $18, renewal_left = $19, next_item = $20,
           next_quantity = $21, next_at = $22, marker = $23, due_at = $24, version = version + 1
         WHERE id = $25 AND version = $26"
    );
    let names = serde_json::to_string(&s.item.names)?;
    let (unit, count) = (s.renewal.period.map(|p| p.unit), s.renewal.period.map(|p| p.count));
    let next = NextColumns::of(s)?;
    let params: [&dyn ToScalar; 26] = [
        &s.state,
        &s.item.sku_id,
        &s.item.price_id,
        &names,
        &s.quantity,
        &s.instance_id,
        &s.anchor_at,
        &s.months,
        &s.ends_at,
        &s.expired_at,
        &s.suspended_at,
        &s.suspend_reason,
        &s.release_at,
        &s.released_at,
        &s.release_reason,
        &s.renewal.mode,
        &unit,
        &count,
        &s.renewal.times,
        &next.item,
        &next.quantity,
        &next.from,
        &s.marker,
        &s.due_at,
        &s.id,
        &s.version,
    ];
    tx.defer_change(statement, &params).await?;
    s.version += 1;
    Ok(())
}

pub(super) async fn find(tx: &mut Tx, id: SubscriptionId) -> Result<Option<Subscription>> {
    tx.find(sql!(concat!("SELECT ", columns!(), " FROM subscriptions WHERE id = $1")), &[&id]).await
}

pub(super) async fn list(tx: &mut Tx, whose: Whose, state: Option<SubscriptionState>, page: &PageRequest) -> Result<Vec<Subscription>> {
    let tail = (page.before(), state, page.fetch());
    match whose {
        Whose::Buyer(buyer) => {
            let statement = sql!(concat!(
                "SELECT ",
                columns!(),
                " FROM subscriptions WHERE buyer_id = $1 AND id < $2 AND (CAST($3 AS TEXT) IS NULL OR state = $3)
                  ORDER BY id DESC LIMIT $4"
            ));
            tx.all(statement, &[&buyer, &tail.0, &tail.1, &tail.2]).await
        }
        Whose::Seller(seller) => {
            let statement = sql!(concat!(
                "SELECT ",
                columns!(),
                " FROM subscriptions WHERE seller_id = $1 AND id < $2 AND (CAST($3 AS TEXT) IS NULL OR state = $3)
                  ORDER BY id DESC LIMIT $4"
            ));
            tx.all(statement, &[&seller, &tail.0, &tail.1, &tail.2]).await
        }
        Whose::Everybody => {
            let statement = sql!(concat!(
                "SELECT ",
                columns!(),
                " FROM subscriptions WHERE id < $1 AND (CAST($2 AS TEXT) IS NULL OR state = $2) ORDER BY id DESC LIMIT $3"
            ));
            tx.all(statement, &[&tail.0, &tail.1, &tail.2]).await
        }
    }
}

pub(super) async fn due(tx: &mut Tx, now: i64, limit: i64) -> Result<Vec<SubscriptionId>> {
    let statement = sql!("SELECT id FROM subscriptions WHERE due_at <= $1 ORDER BY due_at, id LIMIT $2");
    let rows: Vec<(SubscriptionId,)> = tx.all(statement, &[&now, &limit]).await?;
    Ok(rows.into_iter().map(|(id,)| id).collect())
}

pub(super) async fn next_due(tx: &mut Tx) -> Result<Option<i64>> {
    let statement = sql!("SELECT MIN(due_at) FROM subscriptions WHERE due_at IS NOT NULL");
    tx.one::<(Option<i64>,)>(statement, &[]).await.map(|(due_at,)| due_at)
}

pub(super) async fn put_off(tx: &mut Tx, id: SubscriptionId, until: i64) -> Result<()> {
    tx.execute(sql!("UPDATE subscriptions SET due_at = $1 WHERE id = $2"), &[&until, &id]).await.map(drop)
}

pub(super) async fn set_open_order(tx: &mut Tx, id: SubscriptionId, order: Option<&str>) -> Result<()> {
    let statement = sql!("UPDATE subscriptions SET open_order = $1, version = version + 1 WHERE id = $2");
    tx.defer(statement, &[&order, &id]).await
}

pub(super) async fn instance_taken(tx: &mut Tx, address: AddressId, instance: &str, except: SubscriptionId) -> Result<bool> {
    let statement = sql!("SELECT id FROM subscriptions WHERE address_id = $1 AND instance_id = $2 AND id <> $3");
    Ok(tx.find::<(SubscriptionId,)>(statement, &[&address, &instance, &except]).await?.is_some())
}

pub(super) async fn refunds_used(tx: &mut Tx, account: AccountId, year: i64) -> Result<i64> {
    let statement = sql!("SELECT used FROM refund_quota WHERE account_id = $1 AND year = $2");
    Ok(tx.find::<(i64,)>(statement, &[&account, &year]).await?.map_or(0, |(used,)| used))
}

pub(super) async fn use_refund(tx: &mut Tx, account: AccountId, year: i64, max: i64) -> Result<bool> {
    let begin = sql!("INSERT INTO refund_quota (account_id, year, used) VALUES ($1, $2, 0) ON CONFLICT (account_id, year) DO NOTHING");
    tx.execute(begin, &[&account, &year]).await?;
    let count = sql!("UPDATE refund_quota SET used = used + 1 WHERE account_id = $1 AND year = $2 AND used < $3");
    Ok(tx.execute(count, &[&account, &year, &max]).await? == 1)
}
