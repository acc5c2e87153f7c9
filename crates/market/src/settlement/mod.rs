//! From sales to payouts: a monthly statement for each seller, frozen with its hash, and the record of its transfer
//! (spec: business §7.1–7.7).
//!
//! A delivered line leaves a sale item ([`record_sale`]), its refund leaves a refund item ([`record_refund`]), each in the transaction that
//! posts the money. The monthly run collects what is billable (spec: business §7.2): sales in effect before the month's end that can no
//! longer be returned without reason, and all refunds of billed sales. What is not billable yet waits for a later run. A sale that is
//! refunded before it was billed never appears, and neither does its refund (spec: business §7.6).
//!
//! Invariants:
//! - A line is in one statement. There is one statement a seller, month and currency, and statements of a seller follow each other in the
//!   order of their months: a month that a later statement has already swept up gets none.
//! - Σ lines = sales − refunds, and sales − refunds − fee + carried in = payable + carried out.
//! - The book `seller-pending` of a seller always holds Σ open sales − Σ open refunds + what the last statement carried out. A sale adds to
//!   both sides and so does a refund with the other sign; a pair that becomes void leaves both; a statement takes fee and payable from the
//!   book, and what it took from the open items but did not pay, it carries. Checked inside every run and by [`verify_statements`].
//! - A statement and its lines never change; a refund gives back exactly the fee that its sale's line took.
//!
//! Left out for now, with room in the table of states: review, countersignature, requisition and invoices; vouchers; joint products.

mod fees;
mod jobs;
mod run;
mod state;
mod store;
mod verify;

#[cfg(test)]
mod tests;

use db::{Error, OnConstraint, Result, Tx};
use kernel::{AccountId, Code, Ctx, Currency, Money, Month, ProductId, Rate, Refusal, SettlementItemId, StatementId};
use serde::Serialize;
use serde_json::json;

pub use jobs::{MONTH_JOB, SELLER_JOB, ensure_scheduled, run_month_job, run_seller_job};
pub use run::{run_at, run_month, run_seller, sellers_to_settle, statements_of_month};
pub use state::{StatementEvent, StatementState, TRANSITIONS, decide};
pub use verify::{StatementVerification, verify_statements};

use crate::audit;
use crate::edition::FeeStep;
use crate::ledger::{self, Book, EntryKind, Posting};
use crate::notices::{self, NoticeKind};
use crate::page::{Page, PageRequest};

/// Sorts after every statement id: the first letter of an id's number is at most `7`.
const AFTER_ALL_STATEMENTS: &str = "stm_z";
/// Sorts after every item id.
const AFTER_ALL_ITEMS: &str = "sti_z";

kernel::words! {
    /// What an item is.
    pub enum ItemKind {
        /// A delivered order line.
        Sale = "sale",
        /// Its refund.
        Refund = "refund",
    }
}

kernel::words! {
    /// Where an item stands (spec: business §7.2).
    pub enum ItemState {
        /// It waits for a statement (待出账).
        Open = "open",
        /// It is in a statement (已出账).
        Billed = "billed",
        /// The sale was refunded before it was billed: neither appears in a statement.
        Void = "void",
    }
}

/// A delivered order line on its way into a statement.
#[derive(Clone, Copy, Debug)]
pub struct SaleItem<'a> {
    /// Who sold it.
    pub seller_id: AccountId,
    /// The product: the volume reduction counts by it.
    pub product_id: ProductId,
    /// The order.
    pub order_number: &'a str,
    /// The line.
    pub line_number: &'a str,
    /// What the buyer paid for the line.
    pub amount: Money,
    /// The platform's fee that was agreed when the order was placed, before any reduction.
    pub fee: Rate,
    /// The volume reduction that was agreed with it (spec: business §7.4); empty where none was.
    pub fee_steps: &'a [FeeStep],
    /// When the order was paid, ms UTC.
    pub paid_at: i64,
    /// When the line took effect, ms UTC; a renewal counts by it.
    pub effective_at: i64,
    /// Until when the buyer may return it without reason, ms UTC.
    pub guaranteed_until: i64,
}

/// Notes a sale for the seller's next statement. To be called in the transaction that posts `held:… → seller-pending:…` of the same amount.
///
/// # Errors
/// [`Error::Constraint`] `settlement_item_unique` when the line was noted already: a fault of the caller.
pub async fn record_sale(tx: &mut Tx, ctx: &Ctx, sale: &SaleItem<'_>) -> Result<()> {
    store::insert_sale(tx, SettlementItemId::new(ctx.now, &ctx.entropy), sale).await
}

/// Keeps a sale out of statements until `until` (market ms UTC) while its refund is being decided; one that is billed stays billed.
///
/// # Errors
/// Those of the database.
pub async fn hold_back(tx: &mut Tx, line: &str, until: i64) -> Result<()> {
    store::hold_back(tx, line, until).await
}

/// Notes the refund of a whole sold line. To be called in the transaction that posts `seller-pending:… → refund:…` of the same amount.
///
/// A sale that is not billed yet becomes void together with its refund (spec: business §7.6); a billed sale leaves an open refund item for
/// a later statement.
///
/// # Errors
/// [`Error::Broken`] when the line was never sold or was refunded already: faults of the caller.
pub async fn record_refund(tx: &mut Tx, ctx: &Ctx, refunded_line: &str, refund_order: &str, refund_line: &str) -> Result<()> {
    let Some((sale_state,)) = store::sale_state(tx, refunded_line).await? else {
        return Err(Error::broken(format!("the line {refunded_line} is refunded and was never sold")));
    };
    let refund_state = match sale_state {
        ItemState::Open => ItemState::Void,
        ItemState::Billed => ItemState::Open,
        ItemState::Void => return Err(Error::broken(format!("the line {refunded_line} is refunded twice"))),
    };
    if sale_state == ItemState::Open {
        store::void_sale(tx, refunded_line).await?;
    }
    let id = SettlementItemId::new(ctx.now, &ctx.entropy);
    store::insert_refund(tx, id, refund_state, ctx.now, refunded_line, refund_order, refund_line).await
}

/// A sale or a refund, in a statement or on its way (the transaction details of spec: business §7.2).
#[derive(Clone, Debug, PartialEq, Serialize, utoipa::ToSchema)]
pub struct SettlementItem {
    /// Its id; ids sort by time.
    pub id: SettlementItemId,
    /// What it is.
    pub kind: ItemKind,
    /// Where it stands.
    pub state: ItemState,
    /// The seller.
    pub seller_id: AccountId,
    /// The product.
    pub product_id: ProductId,
    /// The order; of a refund, the refund order.
    pub order_number: String,
    /// The line; of a refund, the refund line.
    pub line_number: String,
    /// Of a refund: the line that was sold.
    pub refunds_line: Option<String>,
    /// What was paid or given back, never negative, minor units.
    pub amount_minor: i64,
    /// The currency.
    pub currency: Currency,
    /// The agreed fee before any reduction, basis points.
    pub fee_bp: i64,
    /// When the sale was paid, ms UTC.
    pub paid_at: i64,
    /// When the line took effect, or was refunded, ms UTC.
    pub effective_at: i64,
    /// Not billable before this, ms UTC.
    pub guaranteed_until: i64,
    /// The statement it is in.
    pub statement_id: Option<StatementId>,
}

/// A seller's account of one month, frozen when it was made.
#[derive(Clone, Debug, PartialEq, Serialize, utoipa::ToSchema)]
pub struct Statement {
    /// Its id; ids sort by time.
    pub id: StatementId,
    /// The seller.
    pub seller_id: AccountId,
    /// The month.
    pub period: Month,
    /// Where it stands.
    pub state: StatementState,
    /// The currency of all amounts.
    pub currency: Currency,
    /// The sum of the sales, minor units.
    pub sales_minor: i64,
    /// The sum of the refunds, not negative, minor units.
    pub refunds_minor: i64,
    /// The platform's fee with its tax; negative when refunds gave back more than sales took. Minor units.
    pub fee_minor: i64,
    /// The tax inside the fee, minor units.
    pub fee_tax_minor: i64,
    /// The rate of that tax, basis points.
    pub fee_tax_bp: i64,
    /// What the statement before carried, minor units; negative when the seller owes.
    pub carried_in_minor: i64,
    /// What is carried to the next statement, minor units.
    pub carried_out_minor: i64,
    /// What is paid to the seller, minor units.
    pub payable_minor: i64,
    /// The smallest sum that was paid out when this was made, minor units.
    pub payout_min_minor: i64,
    /// How many lines it has.
    pub line_count: i64,
    /// SHA-256 over the statement and its lines, hexadecimal.
    pub hash: String,
    /// When it was made, market ms UTC.
    pub created_at: i64,
    /// When the transfer was recorded, market ms UTC.
    pub paid_at: Option<i64>,
    /// The bank's reference of the transfer.
    pub bank_reference: Option<String>,
}

/// A line of a statement. Refunds, and the fee they give back, are negative.
#[derive(Clone, Debug, PartialEq, Serialize, utoipa::ToSchema)]
pub struct StatementLine {
    /// Its place, from 1.
    pub n: i64,
    /// What it is.
    pub kind: ItemKind,
    /// The order; of a refund, the refund order.
    pub order_number: String,
    /// The line; of a refund, the refund line.
    pub line_number: String,
    /// Of a refund: the line that was sold.
    pub refunds_line: Option<String>,
    /// The product.
    pub product_id: ProductId,
    /// When the line took effect, or was refunded, ms UTC.
    pub effective_at: i64,
    /// What was paid or given back, minor units.
    pub amount_minor: i64,
    /// The agreed fee, basis points.
    pub fee_bp: i64,
    /// What the product's volume took off it (spec: business §7.4), basis points.
    pub reduction_bp: i64,
    /// The fee, minor units.
    pub fee_minor: i64,
    /// The amount less the fee, minor units.
    pub net_minor: i64,
}

/// A statement; with `seller` only when it is theirs.
///
/// # Errors
/// [`Code::NotFound`].
pub async fn statement(tx: &mut Tx, seller: Option<AccountId>, id: StatementId) -> Result<Statement> {
    let found = store::statement(tx, id).await?;
    found.filter(|statement| seller.is_none_or(|seller| seller == statement.seller_id)).ok_or_else(|| Refusal::new(Code::NotFound).into())
}

/// Statements, newest first; only of `seller` and only in `state` when given.
///
/// # Errors
/// Those of the database.
pub async fn statements(
    tx: &mut Tx,
    seller: Option<AccountId>,
    state: Option<StatementState>,
    page: &PageRequest,
) -> Result<Page<Statement>> {
    let before = if page.after.is_empty() { AFTER_ALL_STATEMENTS } else { &page.after };
    let rows = store::statements(tx, seller, state, before, page.fetch()).await?;
    Ok(page.cut(rows, |statement| statement.id.to_string()))
}

/// The lines of a statement that the caller may see (see [`statement`]), in their order.
///
/// # Errors
/// [`Code::CursorInvalid`], or those of the database.
pub async fn lines(tx: &mut Tx, id: StatementId, page: &PageRequest) -> Result<Page<StatementLine>> {
    let after: i64 = match page.after.as_str() {
        "" => 0,
        n => n.parse().map_err(|_| Refusal::new(Code::CursorInvalid))?,
    };
    let rows = store::lines(tx, id, after, page.fetch()).await?;
    Ok(page.cut(rows, |line| line.n.to_string()))
}

/// The sales and refunds of a seller, newest first; only those in `state` when given.
///
/// # Errors
/// Those of the database.
pub async fn items(tx: &mut Tx, seller: AccountId, state: Option<ItemState>, page: &PageRequest) -> Result<Page<SettlementItem>> {
    let before = if page.after.is_empty() { AFTER_ALL_ITEMS } else { &page.after };
    let rows = store::items(tx, seller, state, before, page.fetch()).await?;
    Ok(page.cut(rows, |item| item.id.to_string()))
}

/// Records that a statement's sum was transferred to the seller's bank account, and tells the seller.
///
/// # Errors
/// [`Code::NotFound`]; [`Code::StatementState`] with `state` unless it is payable, so a second record is refused; [`Code::FieldInvalid`] for
/// `bank_reference` (1 to [`ledger::BANK_REFERENCE_LEN_MAX`] characters); [`Code::DepositDuplicate`] when another payout has this reference.
pub async fn record_payout(tx: &mut Tx, ctx: &Ctx, id: StatementId, bank_reference: &str) -> Result<Statement> {
    ledger::check_bank_reference(bank_reference)?;
    let before = statement(tx, None, id).await?;
    let state = decide(before.state, StatementEvent::Pay)?;
    let paid = store::pay(tx, ctx, id, before.state, state, bank_reference.trim())
        .await
        .on_constraint("payout_reference_unique", Code::DepositDuplicate)?
        .ok_or_else(|| Refusal::new(Code::StatementState).with("state", before.state))?;
    ledger::post(tx, ctx, EntryKind::Payout, &id.to_string(), paid.currency, &payout_postings(paid.seller_id, paid.payable_minor)).await?;
    let particulars = json!({ "period": paid.period, "payable_minor": paid.payable_minor, "currency": paid.currency });
    notices::send(tx, ctx, paid.seller_id, NoticeKind::StatementPaid, &id, &particulars).await?;
    let detail = json!({
        "seller_id": paid.seller_id,
        "period": paid.period,
        "payable_minor": paid.payable_minor,
        "currency": paid.currency,
        "bank_reference": paid.bank_reference,
    });
    audit::record(tx, ctx, "settlement.statement_paid", &id, &detail).await?;
    Ok(paid)
}

/// What is open for a seller: what its sales came to that is not in a statement yet, with what the last one carried; and what statements found
/// payable. The same as its books in the ledger (`verify` holds them against each other), without folding all that ever moved through them.
///
/// # Errors
/// Those of the database.
pub async fn standing(tx: &mut Tx, seller: AccountId, currency: Currency) -> Result<(Money, Money)> {
    let open = store::open_sum(tx, &seller.to_string(), currency.code()).await?;
    let carried = store::last_statement(tx, seller, currency).await?.map_or(0, |(_, carried_out)| carried_out);
    let payable = store::payable_sum(tx, seller, currency).await?;
    Ok((Money::new(open, currency).plus(Money::new(carried, currency))?, Money::new(payable, currency)))
}

/// What a payout posts.
fn payout_postings(seller: AccountId, payable_minor: i64) -> [Posting; 1] {
    [Posting::new(Book::SellerPayable(seller), Book::Bank, payable_minor)]
}

/// What a statement posts: its fee to the platform and to the tax, and its payable sum. A negative fee is given back.
fn settlement_postings(seller: AccountId, fee_minor: i64, fee_tax_minor: i64, payable_minor: i64) -> [Posting; 3] {
    let pending = || Book::SellerPending(seller);
    let either_way = |to: Book, minor: i64| {
        if minor < 0 { Posting::new(to, pending(), -minor) } else { Posting::new(pending(), to, minor) }
    };
    [
        either_way(Book::PlatformFee, fee_minor - fee_tax_minor),
        either_way(Book::Tax, fee_tax_minor),
        Posting::new(pending(), Book::SellerPayable(seller), payable_minor),
    ]
}
