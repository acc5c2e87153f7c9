//! The tables `orders` and `order_lines`.

use std::collections::HashMap;

use db::{FromRow, Result, Row, Statement, Tx, sql};
use kernel::{Period, PeriodUnit, SubscriptionId, ToScalar};

use super::held::LineOf;
use super::{LineState, Order, OrderLine, OrderState};
use crate::catalog::Item;
use crate::page::PageRequest;
use crate::subscriptions::Whose;

impl FromRow for Order {
    fn from_row(row: &mut Row) -> Result<Self> {
        Ok(Self {
            number: row.take()?,
            kind: row.take()?,
            state: row.take()?,
            buyer_id: row.take()?,
            buyer_user: row.take()?,
            seller_id: row.take()?,
            currency: row.take()?,
            total_minor: row.take()?,
            created_at: row.take()?,
            pay_until: row.take()?,
            paid_at: row.take()?,
            closed_at: row.take()?,
            close_reason: row.take()?,
            lines: Vec::new(),
        })
    }
}

impl FromRow for OrderLine {
    fn from_row(row: &mut Row) -> Result<Self> {
        Ok(Self {
            number: row.take()?,
            order_number: row.take()?,
            position: row.take()?,
            state: row.take()?,
            subscription_id: row.take()?,
            refunds_line: row.take()?,
            item: Item::from_row(row)?,
            period: {
                let (unit, count): (Option<PeriodUnit>, Option<i64>) = (row.take()?, row.take()?);
                unit.zip(count).map(|(unit, count)| Period { unit, count })
            },
            quantity: row.take()?,
            unit_price_minor: row.take()?,
            amount_minor: row.take()?,
            tax_bp: row.take()?,
            tax_minor: row.take()?,
            fee_bp: row.take()?,
            fee_steps: serde_json::from_str(&row.take::<String>()?)?,
            refund_rule: row.take()?,
            effective_at: row.take()?,
            ends_at: row.take()?,
            done_at: row.take()?,
            renewal: row.take::<Option<String>>()?.map(|text| serde_json::from_str(&text)).transpose()?,
        })
    }
}

impl FromRow for LineOf {
    fn from_row(row: &mut Row) -> Result<Self> {
        Ok(Self { kind: row.take()?, line: OrderLine::from_row(row)? })
    }
}

macro_rules! order_columns {
    () => {
        "number, kind, state, buyer_id, buyer_user, seller_id, currency, total_minor, created_at, pay_until, paid_at, closed_at, close_reason"
    };
}

macro_rules! line_columns {
    () => {
        "number, order_number, position, state, subscription_id, refunds_line, product_id, edition_id, sku_id, price_id, address_id, names,
         charging_mode, period_unit, period_count, quantity, unit_price_minor, amount_minor, tax_bp, tax_minor, fee_bp, fee_steps,
         refund_rule, effective_at, ends_at, done_at, renewal"
    };
}

pub(super) async fn insert(tx: &mut Tx, order: &Order) -> Result<()> {
    let statement =
        sql!(concat!("INSERT INTO orders (", order_columns!(), ") VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)"));
    let params: [&dyn ToScalar; 13] = [
        &order.number,
        &order.kind,
        &order.state,
        &order.buyer_id,
        &order.buyer_user,
        &order.seller_id,
        &order.currency,
        &order.total_minor,
        &order.created_at,
        &order.pay_until,
        &order.paid_at,
        &order.closed_at,
        &order.close_reason,
    ];
    tx.defer(statement, &params).await?;
    for line in &order.lines {
        insert_line(tx, line).await?;
    }
    Ok(())
}

async fn insert_line(tx: &mut Tx, line: &OrderLine) -> Result<()> {
    let statement = sql!(concat!(
        "INSERT INTO order_lines (",
        line_columns!(),
        ") VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22, $23, $24, $25, $26, $27)"
    ));
    let names = serde_json::to_string(&line.item.names)?;
    let renewal = line.renewal.as_ref().map(serde_json::to_string).transpose()?;
    let (unit, count) = (line.period.map(|p| p.unit), line.period.map(|p| p.count));
    let fee_steps = serde_json::to_string(&line.fee_steps)?;
    let params: [&dyn ToScalar; 27] = [
        &line.number,
        &line.order_number,
        &line.position,
        &line.state,
        &line.subscription_id,
        &line.refunds_line,
        &line.item.product_id,
        &line.item.edition_id,
        &line.item.sku_id,
        &line.item.price_id,
        &line.item.address_id,
        &names,
        &line.item.charging_mode,
        &unit,
        &count,
        &line.quantity,
        &line.unit_price_minor,
        &line.amount_minor,
        &line.tax_bp,
        &line.tax_minor,
        &line.fee_bp,
        &fee_steps,
        &line.refund_rule,
        &line.effective_at,
        &line.ends_at,
        &line.done_at,
        &renewal,
    ];
    tx.defer(statement, &params).await
}

/// Writes how an order stands, if it still stood as `was`.
pub(super) async fn update(tx: &mut Tx, order: &Order, was: OrderState) -> Result<()> {
    let statement = sql!("UPDATE orders SET state = $1, paid_at = $2, closed_at = $3, close_reason = $4 WHERE number = $5 AND state = $6");
    let params: [&dyn ToScalar; 6] = [&order.state, &order.paid_at, &order.closed_at, &order.close_reason, &order.number, &was];
    tx.defer_change(statement, &params).await
}

/// Writes how a line stands, if it still stood as `was`.
pub(super) async fn update_line(tx: &mut Tx, line: &OrderLine, was: LineState) -> Result<()> {
    let statement = sql!(
        "UPDATE order_lines SET state = $1, subscription_id = $2, effective_at = $3, ends_at = $4, done_at = $5 WHERE number = $6 AND state = $7"
    );
    let params: [&dyn ToScalar; 7] =
        [&line.state, &line.subscription_id, &line.effective_at, &line.ends_at, &line.done_at, &line.number, &was];
    tx.defer_change(statement, &params).await
}

pub(super) async fn find(tx: &mut Tx, number: &str) -> Result<Option<Order>> {
    let order: Option<Order> = tx.find(sql!(concat!("SELECT ", order_columns!(), " FROM orders WHERE number = $1")), &[&number]).await?;
    let Some(mut order) = order else { return Ok(None) };
    let lines = sql!(concat!("SELECT ", line_columns!(), " FROM order_lines WHERE order_number = $1 ORDER BY position"));
    order.lines = tx.all(lines, &[&number]).await?;
    Ok(Some(order))
}

pub(super) async fn find_line(tx: &mut Tx, number: &str) -> Result<Option<OrderLine>> {
    tx.find(sql!(concat!("SELECT ", line_columns!(), " FROM order_lines WHERE number = $1")), &[&number]).await
}

pub(super) async fn lines_of(tx: &mut Tx, subscription: SubscriptionId) -> Result<Vec<OrderLine>> {
    let statement = sql!(concat!("SELECT ", line_columns!(), " FROM order_lines WHERE subscription_id = $1 ORDER BY number LIMIT 10000"));
    tx.all(statement, &[&subscription]).await
}

pub(super) async fn lines_page(tx: &mut Tx, subscription: SubscriptionId, page: &PageRequest) -> Result<Vec<OrderLine>> {
    let statement =
        sql!(concat!("SELECT ", line_columns!(), " FROM order_lines WHERE subscription_id = $1 AND number > $2 ORDER BY number LIMIT $3"));
    tx.all(statement, &[&subscription, &page.after, &page.fetch()]).await
}

pub(super) async fn lines_with_kinds(tx: &mut Tx, subscription: SubscriptionId) -> Result<Vec<LineOf>> {
    let statement = sql!(concat!(
        "SELECT (SELECT kind FROM orders o WHERE o.number = order_number), ",
        line_columns!(),
        " FROM order_lines WHERE subscription_id = $1 ORDER BY number LIMIT 10000"
    ));
    tx.all(statement, &[&subscription]).await
}

/// How many refunds of an order's lines have not arrived yet. The first condition on the state is that of the index.
pub(super) async fn returning(tx: &mut Tx, order: &str) -> Result<i64> {
    let statement = sql!(
        "SELECT CAST(COUNT(*) AS BIGINT) FROM order_lines l JOIN order_lines r ON r.refunds_line = l.number
         WHERE l.order_number = $1 AND r.state <> 'cancelled' AND r.state = 'processing'"
    );
    tx.one::<(i64,)>(statement, &[&order]).await.map(|(count,)| count)
}

/// The end of a statement that finds a page of orders: of a buyer, of a seller, of everybody. The lines of the page are found by the same text.
macro_rules! page_of {
    (buyer) => {
        " FROM orders WHERE buyer_id = $1 AND number < $2 AND (CAST($3 AS TEXT) IS NULL OR state = $3) ORDER BY number DESC LIMIT $4"
    };
    (seller) => {
        " FROM orders WHERE seller_id = $1 AND number < $2 AND (CAST($3 AS TEXT) IS NULL OR state = $3) ORDER BY number DESC LIMIT $4"
    };
    (to_review) => {
        " FROM orders WHERE state = 'pending_review' AND number < $1 ORDER BY number DESC LIMIT $2"
    };
    (failed) => {
        " FROM orders WHERE state = 'failed' AND number < $1 ORDER BY number DESC LIMIT $2"
    };
    (everybody) => {
        " FROM orders WHERE number < $1 AND (CAST($2 AS TEXT) IS NULL OR state = $2) ORDER BY number DESC LIMIT $3"
    };
}

/// The statements for the orders of a page, and for their lines.
macro_rules! statements_of {
    ($whose:tt) => {
        (
            sql!(concat!("SELECT ", order_columns!(), page_of!($whose))),
            sql!(concat!(
                "SELECT ",
                line_columns!(),
                " FROM order_lines WHERE order_number IN (SELECT number FROM (SELECT number",
                page_of!($whose),
                ") AS page) ORDER BY order_number, position"
            )),
        )
    };
}

pub(super) async fn list(tx: &mut Tx, whose: Whose, state: Option<OrderState>, page: &PageRequest) -> Result<Vec<Order>> {
    let (before, fetch) = (page.before(), page.fetch());
    let (orders, lines) = match &whose {
        Whose::Buyer(buyer) => of_page(tx, statements_of!(buyer), &[buyer, &before, &state, &fetch]).await?,
        Whose::Seller(seller) => of_page(tx, statements_of!(seller), &[seller, &before, &state, &fetch]).await?,
        // What is rare is found by an index of its own, however many orders have come since.
        Whose::Everybody if state == Some(OrderState::PendingReview) => of_page(tx, statements_of!(to_review), &[&before, &fetch]).await?,
        Whose::Everybody if state == Some(OrderState::Failed) => of_page(tx, statements_of!(failed), &[&before, &fetch]).await?,
        Whose::Everybody => of_page(tx, statements_of!(everybody), &[&before, &state, &fetch]).await?,
    };
    let mut by_order: HashMap<String, Vec<OrderLine>> = HashMap::new();
    for line in lines {
        by_order.entry(line.order_number.clone()).or_default().push(line);
    }
    let with_lines = |order: Order| Order { lines: by_order.remove(&order.number).unwrap_or_default(), ..order };
    Ok(orders.into_iter().map(with_lines).collect())
}

async fn of_page(
    tx: &mut Tx,
    (orders, lines): (&'static Statement, &'static Statement),
    params: &[&dyn ToScalar],
) -> Result<(Vec<Order>, Vec<OrderLine>)> {
    Ok((tx.all(orders, params).await?, tx.all(lines, params).await?))
}

pub(super) async fn unpaid_due(tx: &mut Tx, now: i64, limit: i64) -> Result<Vec<String>> {
    let statement =
        sql!("SELECT number FROM orders WHERE state = 'pending_payment' AND pay_until <= $1 ORDER BY pay_until, number LIMIT $2");
    let rows: Vec<(String,)> = tx.all(statement, &[&now, &limit]).await?;
    Ok(rows.into_iter().map(|(number,)| number).collect())
}

pub(super) async fn put_off(tx: &mut Tx, number: &str, until: i64) -> Result<()> {
    let statement = sql!("UPDATE orders SET pay_until = $1 WHERE number = $2 AND state = 'pending_payment'");
    tx.execute(statement, &[&until, &number]).await.map(drop)
}

/// Orders that may still be paid at `now` for something of a product, an edition or a SKU; `sold` is its id.
pub(super) async fn unpaid_for(tx: &mut Tx, sold: &str, now: i64, limit: i64) -> Result<Vec<String>> {
    let statement = sql!(
        "SELECT o.number FROM orders o WHERE o.state = 'pending_payment' AND o.pay_until > $1 AND EXISTS
           (SELECT 1 FROM order_lines l WHERE l.order_number = o.number AND (l.product_id = $2 OR l.edition_id = $2 OR l.sku_id = $2))
         ORDER BY o.pay_until, o.number LIMIT $3"
    );
    let rows: Vec<(String,)> = tx.all(statement, &[&now, &sold, &limit]).await?;
    Ok(rows.into_iter().map(|(number,)| number).collect())
}

pub(super) async fn next_unpaid_due(tx: &mut Tx) -> Result<Option<i64>> {
    let statement = sql!("SELECT MIN(pay_until) FROM orders WHERE state = 'pending_payment'");
    tx.one::<(Option<i64>,)>(statement, &[]).await.map(|(due_at,)| due_at)
}
