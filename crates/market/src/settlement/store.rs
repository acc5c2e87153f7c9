//! The SQL of settlement.

use db::{Error, FromRow, Result, Row, Tx, sql};
use kernel::{AccountId, Ctx, Currency, Month, ProductId, SettlementItemId, StatementId, ToScalar};

use super::{ItemKind, ItemState, SaleItem, SettlementItem, Statement, StatementLine, StatementState};
use crate::edition::FeeStep;

// ---- items ----

pub(super) async fn insert_sale(tx: &mut Tx, id: SettlementItemId, sale: &SaleItem<'_>) -> Result<()> {
    let insert = sql!(
        "INSERT INTO settlement_items (id, kind, state, seller_id, product_id, order_number, line_number, amount_minor, currency, fee_bp,
           fee_steps, paid_at, effective_at, guaranteed_until)
         VALUES ($1, 'sale', 'open', $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)"
    );
    let SaleItem { seller_id, product_id, order_number, line_number, amount, fee, paid_at, effective_at, guaranteed_until, .. } = sale;
    let fee_steps = serde_json::to_string(sale.fee_steps)?;
    tx.defer(
        insert,
        &[
            &id,
            seller_id,
            product_id,
            order_number,
            line_number,
            &amount.minor,
            &amount.currency,
            &fee.bp,
            &fee_steps,
            paid_at,
            effective_at,
            guaranteed_until,
        ],
    )
    .await
}

pub(super) async fn sale_state(tx: &mut Tx, line: &str) -> Result<Option<(ItemState,)>> {
    tx.find(sql!("SELECT state FROM settlement_items WHERE line_number = $1 AND kind = 'sale'"), &[&line]).await
}

pub(super) async fn hold_back(tx: &mut Tx, line: &str, until: i64) -> Result<()> {
    let update = sql!(
        "UPDATE settlement_items SET guaranteed_until = $1
         WHERE line_number = $2 AND kind = 'sale' AND state = 'open' AND guaranteed_until < $1"
    );
    tx.execute(update, &[&until, &line]).await.map(drop)
}

pub(super) async fn void_sale(tx: &mut Tx, line: &str) -> Result<()> {
    let update = sql!("UPDATE settlement_items SET state = 'void' WHERE line_number = $1 AND kind = 'sale' AND state = 'open'");
    match tx.execute(update, &[&line]).await? {
        1 => Ok(()),
        _ => Err(Error::broken(format!("the sale of the line {line} was open and is not"))),
    }
}

/// The refund of a sale copies everything of it; it takes effect now and can be billed at once.
pub(super) async fn insert_refund(
    tx: &mut Tx,
    id: SettlementItemId,
    state: ItemState,
    now: i64,
    refunded_line: &str,
    refund_order: &str,
    refund_line: &str,
) -> Result<()> {
    let insert = sql!(
        "INSERT INTO settlement_items (id, kind, state, seller_id, product_id, order_number, line_number, refunds_line, amount_minor, currency,
           fee_bp, fee_steps, paid_at, effective_at, guaranteed_until)
         SELECT CAST($1 AS TEXT), 'refund', CAST($2 AS TEXT), seller_id, product_id, CAST($3 AS TEXT), CAST($4 AS TEXT), line_number,
           amount_minor, currency, fee_bp, fee_steps, paid_at, CAST($5 AS BIGINT), CAST($5 AS BIGINT)
         FROM settlement_items WHERE line_number = $6 AND kind = 'sale'"
    );
    match tx.execute(insert, &[&id, &state, &refund_order, &refund_line, &now, &refunded_line]).await {
        Err(Error::Constraint(name)) if ["settlement_refund_unique", "settlement_item_unique"].contains(&name.as_str()) => {
            Err(Error::broken(format!("the line {refunded_line} is refunded twice, or the refund line {refund_line} was used before")))
        }
        other => other.map(drop),
    }
}

impl FromRow for SettlementItem {
    fn from_row(row: &mut Row) -> Result<Self> {
        Ok(Self {
            id: row.take()?,
            kind: row.take()?,
            state: row.take()?,
            seller_id: row.take()?,
            product_id: row.take()?,
            order_number: row.take()?,
            line_number: row.take()?,
            refunds_line: row.take()?,
            amount_minor: row.take()?,
            currency: row.take()?,
            fee_bp: row.take()?,
            paid_at: row.take()?,
            effective_at: row.take()?,
            guaranteed_until: row.take()?,
            statement_id: row.take()?,
        })
    }
}

pub(super) async fn items(
    tx: &mut Tx,
    seller: AccountId,
    state: Option<ItemState>,
    before: &str,
    fetch: i64,
) -> Result<Vec<SettlementItem>> {
    let select = sql!(
        "SELECT id, kind, state, seller_id, product_id, order_number, line_number, refunds_line, amount_minor, currency, fee_bp, paid_at,
           effective_at, guaranteed_until, statement_id
         FROM settlement_items WHERE seller_id = $1 AND id < $2 AND (CAST($3 AS TEXT) IS NULL OR state = CAST($3 AS TEXT))
         ORDER BY id DESC LIMIT $4"
    );
    tx.all(select, &[&seller, &before, &state, &fetch]).await
}

// ---- a run ----

/// What a run may bill: open items of a seller that are refunds, or sales in effect before `end_at` that nobody may return any more at `now`.
pub(super) struct Scope {
    pub(super) seller: AccountId,
    pub(super) currency: Currency,
    pub(super) end_at: i64,
    pub(super) now: i64,
}

/// An item that a run bills; of a refund, with what its sale's line took.
pub(super) struct Billable {
    pub(super) id: SettlementItemId,
    pub(super) kind: ItemKind,
    pub(super) order_number: String,
    pub(super) line_number: String,
    pub(super) refunds_line: Option<String>,
    pub(super) product_id: ProductId,
    pub(super) amount_minor: i64,
    pub(super) fee_bp: i64,
    pub(super) fee_steps: Vec<FeeStep>,
    pub(super) paid_at: i64,
    pub(super) effective_at: i64,
    pub(super) sold_reduction_bp: Option<i64>,
    pub(super) sold_fee_minor: Option<i64>,
}

impl FromRow for Billable {
    fn from_row(row: &mut Row) -> Result<Self> {
        Ok(Self {
            id: row.take()?,
            kind: row.take()?,
            order_number: row.take()?,
            line_number: row.take()?,
            refunds_line: row.take()?,
            product_id: row.take()?,
            amount_minor: row.take()?,
            fee_bp: row.take()?,
            fee_steps: serde_json::from_str(&row.take::<String>()?)?,
            paid_at: row.take()?,
            effective_at: row.take()?,
            sold_reduction_bp: row.take()?,
            sold_fee_minor: row.take()?,
        })
    }
}

pub(super) async fn billable(tx: &mut Tx, scope: &Scope, after: (i64, &str), limit: i64) -> Result<Vec<Billable>> {
    let select = sql!(
        "SELECT i.id, i.kind, i.order_number, i.line_number, i.refunds_line, i.product_id, i.amount_minor, i.fee_bp, i.fee_steps, i.paid_at,
           i.effective_at, l.reduction_bp, l.fee_minor
         FROM settlement_items i LEFT JOIN statement_lines l ON l.line_number = i.refunds_line AND l.kind = 'sale'
         WHERE i.state = 'open' AND i.seller_id = $1 AND i.currency = $2
           AND (i.kind = 'refund' OR (i.effective_at < $3 AND i.guaranteed_until <= $4))
           AND (i.effective_at, i.id) > ($5, $6)
         ORDER BY i.effective_at, i.id LIMIT $7"
    );
    tx.all(select, &[&scope.seller, &scope.currency, &scope.end_at, &scope.now, &after.0, &after.1, &limit]).await
}

pub(super) async fn mark_billed(tx: &mut Tx, scope: &Scope, statement: StatementId) -> Result<u64> {
    let update = sql!(
        "UPDATE settlement_items SET state = 'billed', statement_id = $1
         WHERE state = 'open' AND seller_id = $2 AND currency = $3
           AND (kind = 'refund' OR (effective_at < $4 AND guaranteed_until <= $5))"
    );
    tx.execute(update, &[&statement, &scope.seller, &scope.currency, &scope.end_at, &scope.now]).await
}

/// What was paid for a product from `start_at` until before `end_at`, without sales that were refunded before they were billed.
pub(super) async fn paid_sum(tx: &mut Tx, product: ProductId, currency: Currency, start_at: i64, end_at: i64) -> Result<i64> {
    let sum = sql!(
        "SELECT CAST(COALESCE(SUM(amount_minor), 0) AS BIGINT) FROM settlement_items
         WHERE product_id = $1 AND paid_at >= $2 AND paid_at < $3 AND kind = 'sale' AND state <> 'void' AND currency = $4"
    );
    Ok(tx.one::<(i64,)>(sum, &[&product, &start_at, &end_at, &currency]).await?.0)
}

/// Σ open sales − Σ open refunds of a seller.
pub(super) async fn open_sum(tx: &mut Tx, seller: &str, currency: &str) -> Result<i64> {
    let sum = sql!(
        "SELECT CAST(COALESCE(SUM(CASE WHEN kind = 'sale' THEN amount_minor ELSE -amount_minor END), 0) AS BIGINT) FROM settlement_items
         WHERE state = 'open' AND seller_id = $1 AND currency = $2"
    );
    Ok(tx.one::<(i64,)>(sum, &[&seller, &currency]).await?.0)
}

pub(super) async fn payable_sum(tx: &mut Tx, seller: AccountId, currency: Currency) -> Result<i64> {
    let sum = sql!(
        "SELECT CAST(COALESCE(SUM(payable_minor), 0) AS BIGINT) FROM statements WHERE seller_id = $1 AND currency = $2 AND state = 'payable'"
    );
    Ok(tx.one::<(i64,)>(sum, &[&seller, &currency]).await?.0)
}

/// Sellers without a statement of `month` or later who have something open from before its end, or a carried sum that is enough now.
pub(super) async fn sellers_to_settle(tx: &mut Tx, month: Month, end_at: i64, payout_min_minor: i64) -> Result<Vec<(AccountId,)>> {
    let select = sql!(
        "SELECT c.seller_id FROM
           (SELECT seller_id FROM settlement_items WHERE state = 'open' AND (kind = 'refund' OR effective_at < $1)
            UNION
            SELECT seller_id FROM statements WHERE state = 'carried' AND carried_out_minor > 0 AND carried_out_minor >= $2) c
         WHERE NOT EXISTS (SELECT 1 FROM statements s WHERE s.seller_id = c.seller_id AND s.period >= $3)
         ORDER BY c.seller_id"
    );
    tx.all(select, &[&end_at, &payout_min_minor, &month]).await
}

// ---- statements ----

impl FromRow for Statement {
    fn from_row(row: &mut Row) -> Result<Self> {
        Ok(Self {
            id: row.take()?,
            seller_id: row.take()?,
            period: row.take()?,
            state: row.take()?,
            currency: row.take()?,
            sales_minor: row.take()?,
            refunds_minor: row.take()?,
            fee_minor: row.take()?,
            fee_tax_minor: row.take()?,
            fee_tax_bp: row.take()?,
            carried_in_minor: row.take()?,
            carried_out_minor: row.take()?,
            payable_minor: row.take()?,
            payout_min_minor: row.take()?,
            line_count: row.take()?,
            hash: hex::encode(row.take::<Vec<u8>>()?),
            created_at: row.take()?,
            paid_at: row.take()?,
            bank_reference: row.take()?,
        })
    }
}

/// The columns of a statement in the order of the struct.
macro_rules! statement_columns {
    () => {
        "id, seller_id, period, state, currency, sales_minor, refunds_minor, fee_minor, fee_tax_minor, fee_tax_bp, carried_in_minor,
         carried_out_minor, payable_minor, payout_min_minor, line_count, hash, created_at, paid_at, bank_reference"
    };
}

pub(super) async fn statement(tx: &mut Tx, id: StatementId) -> Result<Option<Statement>> {
    tx.find(sql!(concat!("SELECT ", statement_columns!(), " FROM statements WHERE id = $1")), &[&id]).await
}

pub(super) async fn statement_of(tx: &mut Tx, seller: AccountId, month: Month, currency: Currency) -> Result<Option<Statement>> {
    let select = sql!(concat!("SELECT ", statement_columns!(), " FROM statements WHERE seller_id = $1 AND period = $2 AND currency = $3"));
    tx.find(select, &[&seller, &month, &currency]).await
}

/// The month and the carried sum of a seller's last statement.
pub(super) async fn last_statement(tx: &mut Tx, seller: AccountId, currency: Currency) -> Result<Option<(Month, i64)>> {
    let select =
        sql!("SELECT period, carried_out_minor FROM statements WHERE seller_id = $1 AND currency = $2 ORDER BY period DESC LIMIT 1");
    tx.find(select, &[&seller, &currency]).await
}

pub(super) async fn statements(
    tx: &mut Tx,
    seller: Option<AccountId>,
    state: Option<StatementState>,
    before: &str,
    fetch: i64,
) -> Result<Vec<Statement>> {
    match seller {
        Some(seller) => {
            let select = sql!(concat!(
                "SELECT ",
                statement_columns!(),
                " FROM statements WHERE seller_id = $1 AND id < $2 AND (CAST($3 AS TEXT) IS NULL OR state = CAST($3 AS TEXT))
                 ORDER BY id DESC LIMIT $4"
            ));
            tx.all(select, &[&seller, &before, &state, &fetch]).await
        }
        None => {
            let select = sql!(concat!(
                "SELECT ",
                statement_columns!(),
                " FROM statements WHERE id < $1 AND (CAST($2 AS TEXT) IS NULL OR state = CAST($2 AS TEXT)) ORDER BY id DESC LIMIT $3"
            ));
            tx.all(select, &[&before, &state, &fetch]).await
        }
    }
}

/// The statements of a month after that of a seller and currency, in this order.
pub(super) async fn statements_of_month(tx: &mut Tx, month: Month, after: (&str, &str), fetch: i64) -> Result<Vec<Statement>> {
    let select = sql!(concat!(
        "SELECT ",
        statement_columns!(),
        " FROM statements WHERE period = $1 AND (seller_id, currency) > ($2, $3) ORDER BY seller_id, currency LIMIT $4"
    ));
    tx.all(select, &[&month, &after.0, &after.1, &fetch]).await
}

/// Writes a statement whose hash is still to be made (see [`freeze`]).
pub(super) async fn insert_statement(tx: &mut Tx, statement: &Statement) -> Result<()> {
    let insert = sql!(
        "INSERT INTO statements (id, seller_id, period, state, currency, sales_minor, refunds_minor, fee_minor, fee_tax_minor, fee_tax_bp,
           carried_in_minor, carried_out_minor, payable_minor, payout_min_minor, line_count, hash, created_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17)"
    );
    let s = statement;
    let no_hash: [u8; 0] = [];
    tx.execute(
        insert,
        &[
            &s.id,
            &s.seller_id,
            &s.period,
            &s.state,
            &s.currency,
            &s.sales_minor,
            &s.refunds_minor,
            &s.fee_minor,
            &s.fee_tax_minor,
            &s.fee_tax_bp,
            &s.carried_in_minor,
            &s.carried_out_minor,
            &s.payable_minor,
            &s.payout_min_minor,
            &s.line_count,
            &no_hash,
            &s.created_at,
        ],
    )
    .await
    .map(drop)
}

/// Writes the sums of a statement once all its lines are there.
pub(super) async fn total(tx: &mut Tx, statement: &Statement) -> Result<()> {
    let update = sql!(
        "UPDATE statements SET state = $1, sales_minor = $2, refunds_minor = $3, fee_minor = $4, fee_tax_minor = $5, carried_out_minor = $6,
           payable_minor = $7, line_count = $8 WHERE id = $9"
    );
    let s = statement;
    tx.execute(
        update,
        &[
            &s.state,
            &s.sales_minor,
            &s.refunds_minor,
            &s.fee_minor,
            &s.fee_tax_minor,
            &s.carried_out_minor,
            &s.payable_minor,
            &s.line_count,
            &s.id,
        ],
    )
    .await
    .map(drop)
}

/// Freezes a statement under its hash.
pub(super) async fn freeze(tx: &mut Tx, id: StatementId, hash: &[u8; 32]) -> Result<()> {
    tx.execute(sql!("UPDATE statements SET hash = $1 WHERE id = $2"), &[hash, &id]).await.map(drop)
}

pub(super) async fn pay(
    tx: &mut Tx,
    ctx: &Ctx,
    id: StatementId,
    from: StatementState,
    to: StatementState,
    bank_reference: &str,
) -> Result<Option<Statement>> {
    let update = sql!(concat!(
        "UPDATE statements SET state = $1, paid_at = $2, paid_by = $3, bank_reference = $4 WHERE id = $5 AND state = $6 RETURNING ",
        statement_columns!()
    ));
    tx.find(update, &[&to, &ctx.now, &ctx.actor.label(), &bank_reference, &id, &from]).await
}

impl FromRow for StatementLine {
    fn from_row(row: &mut Row) -> Result<Self> {
        Ok(Self {
            n: row.take()?,
            kind: row.take()?,
            order_number: row.take()?,
            line_number: row.take()?,
            refunds_line: row.take()?,
            product_id: row.take()?,
            effective_at: row.take()?,
            amount_minor: row.take()?,
            fee_bp: row.take()?,
            reduction_bp: row.take()?,
            fee_minor: row.take()?,
            net_minor: row.take()?,
        })
    }
}

pub(super) async fn lines(tx: &mut Tx, id: StatementId, after: i64, fetch: i64) -> Result<Vec<StatementLine>> {
    let select = sql!(
        "SELECT n, kind, order_number, line_number, refunds_line, product_id, effective_at, amount_minor, fee_bp, reduction_bp, fee_minor,
           net_minor
         FROM statement_lines WHERE statement_id = $1 AND n > $2 ORDER BY n LIMIT $3"
    );
    tx.all(select, &[&id, &after, &fetch]).await
}

/// Lines that go into one statement: a large seller's month is a hundred thousand of them, and each statement a way to the server and back.
const LINES_AT_ONCE: usize = 8;

macro_rules! insert_lines {
    ($values:literal) => {
        sql!(concat!(
            "INSERT INTO statement_lines (statement_id, n, kind, order_number, line_number, refunds_line, product_id, effective_at,
               amount_minor, fee_bp, reduction_bp, fee_minor, net_minor)
             VALUES ",
            $values
        ))
    };
}

pub(super) async fn insert_lines(tx: &mut Tx, id: StatementId, lines: &[StatementLine]) -> Result<()> {
    let one = insert_lines!("($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)");
    let eight = insert_lines!(
        "($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13),
             ($1, $14, $15, $16, $17, $18, $19, $20, $21, $22, $23, $24, $25),
             ($1, $26, $27, $28, $29, $30, $31, $32, $33, $34, $35, $36, $37),
             ($1, $38, $39, $40, $41, $42, $43, $44, $45, $46, $47, $48, $49),
             ($1, $50, $51, $52, $53, $54, $55, $56, $57, $58, $59, $60, $61),
             ($1, $62, $63, $64, $65, $66, $67, $68, $69, $70, $71, $72, $73),
             ($1, $74, $75, $76, $77, $78, $79, $80, $81, $82, $83, $84, $85),
             ($1, $86, $87, $88, $89, $90, $91, $92, $93, $94, $95, $96, $97)"
    );
    let mut chunks = lines.chunks_exact(LINES_AT_ONCE);
    for chunk in &mut chunks {
        let mut params: Vec<&dyn ToScalar> = vec![&id];
        chunk.iter().for_each(|line| params.extend(columns(line)));
        tx.execute(eight, &params).await?;
    }
    for line in chunks.remainder() {
        let mut params: Vec<&dyn ToScalar> = vec![&id];
        params.extend(columns(line));
        tx.execute(one, &params).await?;
    }
    Ok(())
}

/// The columns of a line after its statement.
fn columns(l: &StatementLine) -> [&dyn ToScalar; 12] {
    [
        &l.n,
        &l.kind,
        &l.order_number,
        &l.line_number,
        &l.refunds_line,
        &l.product_id,
        &l.effective_at,
        &l.amount_minor,
        &l.fee_bp,
        &l.reduction_bp,
        &l.fee_minor,
        &l.net_minor,
    ]
}

// ---- verification: rows as they are, for a damaged one must be named, not refused ----

/// A statement as its row holds it.
pub(super) struct RawStatement {
    pub(super) id: String,
    pub(super) seller_id: String,
    pub(super) period: String,
    pub(super) state: String,
    pub(super) currency: String,
    pub(super) sales_minor: i64,
    pub(super) refunds_minor: i64,
    pub(super) fee_minor: i64,
    pub(super) fee_tax_minor: i64,
    pub(super) fee_tax_bp: i64,
    pub(super) carried_in_minor: i64,
    pub(super) carried_out_minor: i64,
    pub(super) payable_minor: i64,
    pub(super) payout_min_minor: i64,
    pub(super) line_count: i64,
    pub(super) hash: Vec<u8>,
    pub(super) created_at: i64,
}

impl FromRow for RawStatement {
    fn from_row(row: &mut Row) -> Result<Self> {
        Ok(Self {
            id: row.take()?,
            seller_id: row.take()?,
            period: row.take()?,
            state: row.take()?,
            currency: row.take()?,
            sales_minor: row.take()?,
            refunds_minor: row.take()?,
            fee_minor: row.take()?,
            fee_tax_minor: row.take()?,
            fee_tax_bp: row.take()?,
            carried_in_minor: row.take()?,
            carried_out_minor: row.take()?,
            payable_minor: row.take()?,
            payout_min_minor: row.take()?,
            line_count: row.take()?,
            hash: row.take()?,
            created_at: row.take()?,
        })
    }
}

/// A line as its row holds it.
pub(super) struct RawLine {
    pub(super) n: i64,
    pub(super) kind: String,
    pub(super) order_number: String,
    pub(super) line_number: String,
    pub(super) refunds_line: Option<String>,
    pub(super) product_id: String,
    pub(super) effective_at: i64,
    pub(super) amount_minor: i64,
    pub(super) fee_bp: i64,
    pub(super) reduction_bp: i64,
    pub(super) fee_minor: i64,
    pub(super) net_minor: i64,
    /// The item that the line bills, billed in this statement with this amount: 1, or 0.
    pub(super) items: i64,
}

impl FromRow for RawLine {
    fn from_row(row: &mut Row) -> Result<Self> {
        Ok(Self {
            n: row.take()?,
            kind: row.take()?,
            order_number: row.take()?,
            line_number: row.take()?,
            refunds_line: row.take()?,
            product_id: row.take()?,
            effective_at: row.take()?,
            amount_minor: row.take()?,
            fee_bp: row.take()?,
            reduction_bp: row.take()?,
            fee_minor: row.take()?,
            net_minor: row.take()?,
            items: row.take()?,
        })
    }
}

pub(super) async fn raw_statement(tx: &mut Tx, id: &str) -> Result<RawStatement> {
    let select = sql!(concat!("SELECT ", statement_columns!(), " FROM statements WHERE id = $1"));
    tx.one(select, &[&id]).await
}

pub(super) async fn raw_statements_after(tx: &mut Tx, after: (&str, &str, &str), limit: i64) -> Result<Vec<RawStatement>> {
    let select = sql!(concat!(
        "SELECT ",
        statement_columns!(),
        " FROM statements WHERE (seller_id, period, currency) > ($1, $2, $3) ORDER BY seller_id, period, currency LIMIT $4"
    ));
    tx.all(select, &[&after.0, &after.1, &after.2, &limit]).await
}

pub(super) async fn raw_lines_after(tx: &mut Tx, id: &str, after: i64, limit: i64) -> Result<Vec<RawLine>> {
    let select = sql!(
        "SELECT l.n, l.kind, l.order_number, l.line_number, l.refunds_line, l.product_id, l.effective_at, l.amount_minor, l.fee_bp,
           l.reduction_bp, l.fee_minor, l.net_minor,
           (SELECT CAST(COUNT(*) AS BIGINT) FROM settlement_items i
             WHERE i.line_number = l.line_number AND i.kind = l.kind AND i.state = 'billed' AND i.statement_id = l.statement_id
               AND i.amount_minor = CASE WHEN l.kind = 'sale' THEN l.amount_minor ELSE -l.amount_minor END)
         FROM statement_lines l WHERE l.statement_id = $1 AND l.n > $2 ORDER BY l.n LIMIT $3"
    );
    tx.all(select, &[&id, &after, &limit]).await
}

/// Items that say they are billed and stand in no statement.
pub(super) async fn billed_nowhere(tx: &mut Tx, limit: i64) -> Result<Vec<(String, Option<String>)>> {
    let select = sql!(
        "SELECT i.id, i.statement_id FROM settlement_items i
         WHERE i.state = 'billed' AND NOT EXISTS
           (SELECT 1 FROM statement_lines l WHERE l.line_number = i.line_number AND l.kind = i.kind AND l.statement_id = i.statement_id)
         ORDER BY i.id LIMIT $1"
    );
    tx.all(select, &[&limit]).await
}

/// Sellers who have ever sold, with the currencies they sold in.
pub(super) async fn sellers_after(tx: &mut Tx, after: (&str, &str), limit: i64) -> Result<Vec<(String, String)>> {
    let select = sql!(
        "SELECT DISTINCT seller_id, currency FROM settlement_items WHERE (seller_id, currency) > ($1, $2)
         ORDER BY seller_id, currency LIMIT $3"
    );
    tx.all(select, &[&after.0, &after.1, &limit]).await
}

/// What the last statement of a seller carried.
pub(super) async fn last_carried(tx: &mut Tx, seller: &str, currency: &str) -> Result<i64> {
    let select = sql!("SELECT carried_out_minor FROM statements WHERE seller_id = $1 AND currency = $2 ORDER BY period DESC LIMIT 1");
    Ok(tx.find::<(i64,)>(select, &[&seller, &currency]).await?.map_or(0, |(carried,)| carried))
}
