//! The monthly run (spec: business §7.2–7.6).

use std::collections::HashMap;

use db::{Error, Result, Tx};
use kernel::{AccountId, Code, Ctx, Money, Month, ProductId, Rate, Refusal, StatementId};
use serde_json::json;

use super::state::outcome;
use super::store::{self, Billable, Scope};
use super::verify::digest;
use super::{ItemKind, Statement, StatementLine, fees, settlement_postings};
use crate::edition::Edition;
use crate::ledger::{self, Book, EntryKind};
use crate::notices::{self, NoticeKind};
use crate::page::{Page, PageRequest};
use crate::{Market, audit};

/// Items that a run holds in memory at once.
const PAGE: i64 = 1_000;

/// When the run of `month` is due: the configured day and hour of the following month, moved to a working day (spec: business §7.3). Ms UTC.
#[must_use]
pub fn run_at(edition: &Edition, month: Month) -> i64 {
    month.next().working_day_at(edition.settle_day, edition.settle_hour, &edition.zone, &edition.working_days)
}

fn refuse_early(ctx: &Ctx, edition: &Edition, month: Month) -> Result<(), Refusal> {
    let earliest = run_at(edition, month);
    if ctx.now >= earliest {
        return Ok(());
    }
    Err(Refusal::new(Code::SettlementTooEarly).with("earliest", edition.zone.readable_minute(earliest)))
}

/// The sellers for whom a run of `month` may find something; those who have a statement of it, or of a later month, are left out.
///
/// # Errors
/// Those of the database.
pub async fn sellers_to_settle(tx: &mut Tx, edition: &Edition, month: Month) -> Result<Vec<AccountId>> {
    let sellers = store::sellers_to_settle(tx, month, month.end_at(&edition.zone), edition.payout_min_minor).await?;
    Ok(sellers.into_iter().map(|(seller,)| seller).collect())
}

/// Makes the statements of `month` for every seller, each in its own transaction. Running it again changes nothing.
///
/// # Errors
/// [`Code::SettlementTooEarly`] with `earliest`; otherwise as [`run_seller`], with the statements of the sellers before already made.
pub async fn run_month(market: &Market, ctx: &Ctx, month: Month) -> Result<()> {
    refuse_early(ctx, market.edition(), month)?;
    let of = market.clone();
    let sellers = market.db().read(async move |tx| sellers_to_settle(tx, of.edition(), month).await).await?;
    for seller in sellers {
        let (of, ctx) = (market.clone(), ctx.at(ctx.now));
        market.db().write(async move |tx| run_seller(tx, &ctx, of.edition(), seller, month).await).await?;
    }
    Ok(())
}

/// The statements of a month, in the order of sellers.
///
/// # Errors
/// Those of the database.
pub async fn statements_of_month(tx: &mut Tx, month: Month, page: &PageRequest) -> Result<Page<Statement>> {
    let after = page.after.split_once(' ').unwrap_or_default();
    let rows = store::statements_of_month(tx, month, after, page.fetch()).await?;
    Ok(page.cut(rows, |statement: &Statement| format!("{} {}", statement.seller_id, statement.currency.code())))
}

/// Makes the statement of one seller and month, or gives the one that is there. `None` when there is nothing to state: nothing is billable,
/// and what the last statement carried is still too little to be paid; or a later month's statement has taken everything.
///
/// # Errors
/// [`Code::SettlementTooEarly`] with `earliest`. [`Error::Broken`] when the sums do not agree with each other or with the ledger: then
/// nothing is written, and `yunshi verify` names the row.
pub async fn run_seller(tx: &mut Tx, ctx: &Ctx, edition: &Edition, seller: AccountId, month: Month) -> Result<Option<Statement>> {
    refuse_early(ctx, edition, month)?;
    let last = store::last_statement(tx, seller, edition.currency).await?;
    if last.is_some_and(|(last_month, _)| last_month >= month) {
        return store::statement_of(tx, seller, month, edition.currency).await;
    }
    let carried_in = last.map_or(0, |(_, carried_out)| carried_out);
    let scope = Scope { seller, currency: edition.currency, end_at: month.end_at(&edition.zone), now: ctx.now };
    let mut run = Run::new(ctx, edition, scope, month, carried_in);
    let mut items = run.items(tx).await?;
    if items.is_empty() && outcome(Money::new(carried_in, edition.currency), edition.payout_min_minor).payable.minor == 0 {
        return Ok(None);
    }
    store::insert_statement(tx, &run.statement).await?;
    while !items.is_empty() {
        let mut lines = Vec::with_capacity(items.len());
        for item in items {
            lines.push(run.bill(tx, item).await?);
        }
        store::insert_lines(tx, run.statement.id, &lines).await?;
        items = run.items(tx).await?;
    }
    run.close(tx, ctx).await.map(Some)
}

struct Run<'a> {
    edition: &'a Edition,
    scope: Scope,
    statement: Statement,
    /// What was paid for a product in a month, minor units: reckoned once a run.
    paid: HashMap<(ProductId, Month), i64>,
    /// The place of the last item billed, in the order of effect.
    after: (i64, String),
}

impl<'a> Run<'a> {
    fn new(ctx: &Ctx, edition: &'a Edition, scope: Scope, month: Month, carried_in_minor: i64) -> Self {
        let start = outcome(Money::zero(scope.currency), edition.payout_min_minor);
        let statement = Statement {
            id: StatementId::new(ctx.now, &ctx.entropy),
            seller_id: scope.seller,
            period: month,
            state: start.state,
            currency: scope.currency,
            sales_minor: 0,
            refunds_minor: 0,
            fee_minor: 0,
            fee_tax_minor: 0,
            fee_tax_bp: edition.tax_service.bp,
            carried_in_minor,
            carried_out_minor: 0,
            payable_minor: 0,
            payout_min_minor: edition.payout_min_minor,
            line_count: 0,
            hash: String::new(),
            created_at: ctx.now,
            paid_at: None,
            bank_reference: None,
        };
        Self { edition, scope, statement, paid: HashMap::new(), after: (i64::MIN, String::new()) }
    }

    fn money(&self, minor: i64) -> Money {
        Money::new(minor, self.scope.currency)
    }

    async fn items(&self, tx: &mut Tx) -> Result<Vec<Billable>> {
        store::billable(tx, &self.scope, (self.after.0, &self.after.1), PAGE).await
    }

    async fn bill(&mut self, tx: &mut Tx, item: Billable) -> Result<StatementLine> {
        self.after = (item.effective_at, item.id.to_string());
        let paid = self.money(item.amount_minor);
        let (amount, reduction, fee) = match item.kind {
            ItemKind::Sale => {
                let reduction = self.reduction(tx, &item).await?;
                let fee = fees::line_fee(paid, Rate::bp(item.fee_bp), reduction)?;
                self.statement.sales_minor = self.money(self.statement.sales_minor).plus(paid)?.minor;
                (item.amount_minor, reduction, fee.minor)
            }
            ItemKind::Refund => {
                let (Some(reduction_bp), Some(fee_minor)) = (item.sold_reduction_bp, item.sold_fee_minor) else {
                    return Err(Error::broken(format!("the refund {} is open and its sale is in no statement", item.line_number)));
                };
                self.statement.refunds_minor = self.money(self.statement.refunds_minor).plus(paid)?.minor;
                (-item.amount_minor, Rate::bp(reduction_bp), -fee_minor)
            }
        };
        self.statement.fee_minor = self.money(self.statement.fee_minor).plus(self.money(fee))?.minor;
        self.statement.line_count += 1;
        Ok(StatementLine {
            n: self.statement.line_count,
            kind: item.kind,
            order_number: item.order_number,
            line_number: item.line_number,
            refunds_line: item.refunds_line,
            product_id: item.product_id,
            effective_at: item.effective_at,
            amount_minor: amount,
            fee_bp: item.fee_bp,
            reduction_bp: reduction.bp,
            fee_minor: fee,
            net_minor: amount - fee,
        })
    }

    /// The reduction that was agreed when the order was placed (spec: business §13: old orders keep the old policy); it goes by the calendar
    /// month in which the line was paid.
    async fn reduction(&mut self, tx: &mut Tx, item: &Billable) -> Result<Rate> {
        if item.fee_steps.is_empty() {
            return Ok(Rate::bp(0));
        }
        let zone = &self.edition.zone;
        let month = Month::of(item.paid_at, zone);
        let sum = match self.paid.get(&(item.product_id, month)) {
            Some(known) => *known,
            None => {
                let sum = store::paid_sum(tx, item.product_id, self.scope.currency, month.start_at(zone), month.end_at(zone)).await?;
                self.paid.insert((item.product_id, month), sum);
                sum
            }
        };
        Ok(fees::reduction(&item.fee_steps, sum))
    }

    /// Sums up, posts, checks and freezes.
    async fn close(mut self, tx: &mut Tx, ctx: &Ctx) -> Result<Statement> {
        let billed = store::mark_billed(tx, &self.scope, self.statement.id).await?;
        if i64::try_from(billed) != Ok(self.statement.line_count) {
            return Err(Error::broken(format!("{billed} items were billed in {} lines", self.statement.line_count)));
        }
        self.sum_up()?;
        let statement = &mut self.statement;
        store::total(tx, statement).await?;
        let s = &*statement;
        let postings = settlement_postings(s.seller_id, s.fee_minor, s.fee_tax_minor, s.payable_minor);
        ledger::post(tx, ctx, EntryKind::Settlement, &s.id.to_string(), s.currency, &postings).await?;
        let hash = check(tx, s).await?;
        store::freeze(tx, s.id, &hash).await?;
        statement.hash = hex::encode(hash);
        announce(tx, ctx, statement).await?;
        Ok(self.statement)
    }

    fn sum_up(&mut self) -> Result<(), Refusal> {
        let fee = self.money(self.statement.fee_minor);
        let sum = self
            .money(self.statement.sales_minor)
            .minus(self.money(self.statement.refunds_minor))?
            .minus(fee)?
            .plus(self.money(self.statement.carried_in_minor))?;
        let outcome = outcome(sum, self.edition.payout_min_minor);
        self.statement.fee_tax_minor = fee.tax_inside(self.edition.tax_service)?.minor;
        self.statement.state = outcome.state;
        self.statement.payable_minor = outcome.payable.minor;
        self.statement.carried_out_minor = outcome.carried_out.minor;
        Ok(())
    }
}

/// Holds the statement against its lines as they are stored and against the seller's book; the hash of all of it.
async fn check(tx: &mut Tx, s: &Statement) -> Result<[u8; 32]> {
    let raw = store::raw_statement(tx, &s.id.to_string()).await?;
    let digest = digest(tx, &raw, |_| ()).await?;
    let expected = (
        i128::from(s.line_count),
        i128::from(s.sales_minor) - i128::from(s.refunds_minor),
        i128::from(s.fee_minor),
        i128::from(s.payable_minor) + i128::from(s.carried_out_minor) - i128::from(s.carried_in_minor),
    );
    if (digest.count, digest.amount, digest.fee, digest.net) != expected {
        return Err(Error::broken(format!("the sums of the statement {} are not those of its lines", s.id)));
    }
    let open = store::open_sum(tx, &s.seller_id.to_string(), s.currency.code()).await?;
    let pending = ledger::balance(tx, &Book::SellerPending(s.seller_id), s.currency).await?;
    if pending != open + s.carried_out_minor {
        return Err(Error::broken(format!(
            "the book seller-pending of {} holds {pending}; its open items and what the statement {} carries say {}",
            s.seller_id,
            s.period,
            open + s.carried_out_minor
        )));
    }
    Ok(digest.hash)
}

async fn announce(tx: &mut Tx, ctx: &Ctx, s: &Statement) -> Result<()> {
    let particulars = json!({
        "period": s.period,
        "state": s.state,
        "payable_minor": s.payable_minor,
        "carried_out_minor": s.carried_out_minor,
        "currency": s.currency,
    });
    notices::send(tx, ctx, s.seller_id, NoticeKind::StatementReady, &s.id, &particulars).await?;
    let detail = json!({
        "seller_id": s.seller_id,
        "period": s.period,
        "lines": s.line_count,
        "payable_minor": s.payable_minor,
        "carried_out_minor": s.carried_out_minor,
        "currency": s.currency,
        "hash": s.hash,
    });
    audit::record(tx, ctx, "settlement.statement_made", &s.id, &detail).await
}
