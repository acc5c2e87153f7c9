//! The tables `deliveries`, `delivery_attempts` and `address_breakers`.

use db::{FromRow, Result, Row, Tx, sql};
use kernel::{AccountId, AddressId, Ctx, DeliveryId, ProductId, SubscriptionId};

use super::{Attempt, Breaker, Call, CallState, NewCall};
use crate::page::PageRequest;

impl FromRow for Call {
    fn from_row(row: &mut Row) -> Result<Self> {
        Ok(Self {
            id: row.take()?,
            scene: row.take()?,
            state: row.take()?,
            subscription_id: row.take()?,
            order_number: row.take()?,
            line_number: row.take()?,
            seller_id: row.take()?,
            product_id: row.take()?,
            address_id: row.take()?,
            facts: serde_json::from_str(&row.take::<String>()?)?,
            instance_id: row.take()?,
            created_at: row.take()?,
            started_at: row.take()?,
            attempts: row.take()?,
            round: row.take()?,
            last_verdict: row.take()?,
            ended_at: row.take()?,
        })
    }
}

impl FromRow for Attempt {
    fn from_row(row: &mut Row) -> Result<Self> {
        Ok(Self {
            n: row.take()?,
            kind: row.take()?,
            at: row.take()?,
            wall_at: row.take()?,
            url: row.take()?,
            request_body: row.take()?,
            status: row.take()?,
            answer_type: row.take()?,
            answer_body: row.take()?,
            elapsed_ms: row.take()?,
            verdict: row.take()?,
            detail: row.take()?,
        })
    }
}

pub(super) async fn insert(tx: &mut Tx, ctx: &Ctx, id: DeliveryId, state: CallState, new: &NewCall<'_>) -> Result<()> {
    let statement = sql!(
        "INSERT INTO deliveries (id, scene, state, subscription_id, order_number, line_number, seller_id, product_id, address_id, request,
           instance_id, created_at, attempts, round)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, 0, 1)"
    );
    let (order, line) = new.line.unzip();
    let facts = serde_json::to_string(&new.facts)?;
    let instance = new.instance;
    tx.defer(
        statement,
        &[&id, &new.scene, &state, &new.subscription, &order, &line, &new.seller, &new.product, &new.address, &facts, &instance, &ctx.now],
    )
    .await
}

macro_rules! columns {
    () => {
        "id, scene, state, subscription_id, order_number, line_number, seller_id, product_id, address_id, request, instance_id, created_at,
           started_at, attempts, round, last_verdict, ended_at"
    };
}

pub(super) async fn find(tx: &mut Tx, id: DeliveryId) -> Result<Option<Call>> {
    tx.find(sql!(concat!("SELECT ", columns!(), " FROM deliveries WHERE id = $1")), &[&id]).await
}

/// The newest call of a subscription, and how many have not ended.
pub(super) async fn newest_of(tx: &mut Tx, subscription: SubscriptionId) -> Result<(Option<DeliveryId>, i64)> {
    let statement = sql!(
        "SELECT MAX(id), CAST(COUNT(CASE WHEN state IN ('queued', 'waiting', 'polling') THEN 1 END) AS BIGINT)
         FROM deliveries WHERE subscription_id = $1"
    );
    tx.one(statement, &[&subscription]).await
}

pub(super) async fn active_of(tx: &mut Tx, subscription: SubscriptionId) -> Result<Option<DeliveryId>> {
    let statement =
        sql!("SELECT id FROM deliveries WHERE subscription_id = $1 AND state IN ('queued', 'waiting', 'polling') ORDER BY id LIMIT 1");
    Ok(tx.find::<(DeliveryId,)>(statement, &[&subscription]).await?.map(|(id,)| id))
}

pub(super) async fn next_queued(tx: &mut Tx, subscription: SubscriptionId) -> Result<Option<(DeliveryId, AddressId)>> {
    let statement = sql!("SELECT id, address_id FROM deliveries WHERE subscription_id = $1 AND state = 'queued' ORDER BY id LIMIT 1");
    tx.find(statement, &[&subscription]).await
}

pub(super) async fn set_state(tx: &mut Tx, id: DeliveryId, state: CallState) -> Result<()> {
    tx.defer(sql!("UPDATE deliveries SET state = $1 WHERE id = $2"), &[&state, &id]).await
}

pub(super) async fn update(tx: &mut Tx, call: &Call) -> Result<()> {
    let statement = sql!(
        "UPDATE deliveries SET state = $1, instance_id = $2, started_at = $3, attempts = $4, round = $5, last_verdict = $6, ended_at = $7
         WHERE id = $8"
    );
    tx.defer(
        statement,
        &[&call.state, &call.instance_id, &call.started_at, &call.attempts, &call.round, &call.last_verdict, &call.ended_at, &call.id],
    )
    .await
}

/// Notes when the attempts of a call begin, unless they have begun.
pub(super) async fn begin(tx: &mut Tx, id: DeliveryId, now: i64) -> Result<()> {
    tx.execute(sql!("UPDATE deliveries SET started_at = $1 WHERE id = $2 AND started_at IS NULL"), &[&now, &id]).await.map(drop)
}

/// Withdraws every given-up freeze and thaw of a subscription; which they were.
pub(super) async fn withdraw_status_calls(tx: &mut Tx, subscription: SubscriptionId) -> Result<Vec<DeliveryId>> {
    let statement = sql!(
        "UPDATE deliveries SET state = 'withdrawn'
         WHERE subscription_id = $1 AND state = 'gave_up' AND scene IN ('freeze', 'unfreeze') RETURNING id"
    );
    let rows: Vec<(DeliveryId,)> = tx.all(statement, &[&subscription]).await?;
    Ok(rows.into_iter().map(|(id,)| id).collect())
}

/// Whether a freeze, a thaw or a release was asked for after the call `id`.
pub(super) async fn status_call_after(tx: &mut Tx, subscription: SubscriptionId, id: DeliveryId) -> Result<bool> {
    let statement = sql!(
        "SELECT id FROM deliveries WHERE subscription_id = $1 AND id > $2 AND scene IN ('freeze', 'unfreeze', 'release') ORDER BY id LIMIT 1"
    );
    Ok(tx.find::<(DeliveryId,)>(statement, &[&subscription, &id]).await?.is_some())
}

/// A page of calls, newest first. Each common question has a statement of its own, so that an index answers it.
pub(super) async fn list(
    tx: &mut Tx,
    seller: Option<AccountId>,
    state: Option<CallState>,
    subscription: Option<SubscriptionId>,
    page: &PageRequest,
) -> Result<Vec<Call>> {
    let (before, fetch) = (page.before(), page.fetch());
    match (subscription, seller) {
        (Some(subscription), seller) => {
            let statement = sql!(concat!(
                "SELECT ",
                columns!(),
                " FROM deliveries WHERE subscription_id = $1 AND id < $2 AND (CAST($3 AS TEXT) IS NULL OR state = $3)
                    AND (CAST($4 AS TEXT) IS NULL OR seller_id = $4)
                  ORDER BY id DESC LIMIT $5"
            ));
            tx.all(statement, &[&subscription, &before, &state, &seller, &fetch]).await
        }
        (None, Some(seller)) => {
            let statement = sql!(concat!(
                "SELECT ",
                columns!(),
                " FROM deliveries WHERE seller_id = $1 AND id < $2 AND (CAST($3 AS TEXT) IS NULL OR state = $3)
                  ORDER BY id DESC LIMIT $4"
            ));
            tx.all(statement, &[&seller, &before, &state, &fetch]).await
        }
        (None, None) if state == Some(CallState::GaveUp) => {
            let statement =
                sql!(concat!("SELECT ", columns!(), " FROM deliveries WHERE state = 'gave_up' AND id < $1 ORDER BY id DESC LIMIT $2"));
            tx.all(statement, &[&before, &fetch]).await
        }
        (None, None) => {
            let statement = sql!(concat!(
                "SELECT ",
                columns!(),
                " FROM deliveries WHERE id < $1 AND (CAST($2 AS TEXT) IS NULL OR state = $2) ORDER BY id DESC LIMIT $3"
            ));
            tx.all(statement, &[&before, &state, &fetch]).await
        }
    }
}

pub(super) async fn insert_attempt(tx: &mut Tx, id: DeliveryId, a: &Attempt) -> Result<()> {
    let statement = sql!(
        "INSERT INTO delivery_attempts
           (delivery_id, n, kind, at, wall_at, url, request_body, status, answer_type, answer_body, elapsed_ms, verdict, detail)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)"
    );
    tx.defer(
        statement,
        &[
            &id,
            &a.n,
            &a.kind,
            &a.at,
            &a.wall_at,
            &a.url,
            &a.request_body,
            &a.status,
            &a.answer_type,
            &a.answer_body,
            &a.elapsed_ms,
            &a.verdict,
            &a.detail,
        ],
    )
    .await
}

pub(super) async fn attempts(tx: &mut Tx, id: DeliveryId, before: i64, limit: i64) -> Result<Vec<Attempt>> {
    let statement = sql!(
        "SELECT n, kind, at, wall_at, url, request_body, status, answer_type, answer_body, elapsed_ms, verdict, detail
         FROM delivery_attempts WHERE delivery_id = $1 AND n < $2 ORDER BY n DESC LIMIT $3"
    );
    tx.all(statement, &[&id, &before, &limit]).await
}

pub(super) async fn last_query_at(tx: &mut Tx, id: DeliveryId) -> Result<Option<i64>> {
    let statement = sql!("SELECT wall_at FROM delivery_attempts WHERE delivery_id = $1 AND kind = 'query' ORDER BY n DESC LIMIT 1");
    Ok(tx.find::<(i64,)>(statement, &[&id]).await?.map(|(at,)| at))
}

pub(super) async fn given_up(tx: &mut Tx, subscription: SubscriptionId, line: &str) -> Result<bool> {
    let statement = sql!("SELECT id FROM deliveries WHERE subscription_id = $1 AND line_number = $2 AND state = 'gave_up'");
    Ok(tx.find::<(DeliveryId,)>(statement, &[&subscription, &line]).await?.is_some())
}

pub(super) async fn withdraw(tx: &mut Tx, subscription: SubscriptionId, line: &str) -> Result<bool> {
    let statement = sql!("UPDATE deliveries SET state = 'withdrawn' WHERE subscription_id = $1 AND line_number = $2 AND state = 'gave_up'");
    Ok(tx.execute(statement, &[&subscription, &line]).await? > 0)
}

pub(super) async fn failed_since(tx: &mut Tx, product: ProductId, since: i64) -> Result<i64> {
    let statement = sql!(
        "SELECT CAST(COUNT(DISTINCT order_number) AS BIGINT) FROM deliveries
         WHERE product_id = $1 AND state = 'gave_up' AND ended_at >= $2 AND scene IN ('create', 'change')"
    );
    tx.one::<(i64,)>(statement, &[&product, &since]).await.map(|(count,)| count)
}

pub(super) async fn instance_sealed(tx: &mut Tx, subscription: SubscriptionId) -> Result<Option<(DeliveryId, Option<Vec<u8>>)>> {
    let statement = sql!("SELECT id, instance_sealed FROM deliveries WHERE subscription_id = $1 AND scene = 'create' ORDER BY id LIMIT 1");
    tx.find(statement, &[&subscription]).await
}

pub(super) async fn keep_instance(tx: &mut Tx, id: DeliveryId, sealed: &[u8]) -> Result<()> {
    tx.defer(sql!("UPDATE deliveries SET instance_sealed = $1 WHERE id = $2"), &[&sealed, &id]).await
}

pub(super) async fn breaker(tx: &mut Tx, address: AddressId) -> Result<Breaker> {
    let statement = sql!("SELECT failures, open_until FROM address_breakers WHERE address_id = $1");
    let found: Option<(i64, i64)> = tx.find(statement, &[&address]).await?;
    Ok(found.map_or_else(Breaker::default, |(failures, open_until)| Breaker { failures, open_until }))
}

pub(super) async fn set_breaker(tx: &mut Tx, address: AddressId, breaker: Breaker) -> Result<()> {
    let statement = sql!(
        "INSERT INTO address_breakers (address_id, failures, open_until) VALUES ($1, $2, $3)
         ON CONFLICT (address_id) DO UPDATE SET failures = excluded.failures, open_until = excluded.open_until"
    );
    tx.defer(statement, &[&address, &breaker.failures, &breaker.open_until]).await
}
