//! Renewals that the marketplace makes on a buyer's behalf (spec: business §5.3).

use db::{Error, Result, Tx};
use kernel::{Code, Ctx, Money, Refusal};

use super::{CancelReason, Order, OrderState, RenewalInput, cancel_open, get, pay, place_renewal, quote};
use crate::edition::Edition;
use crate::ledger;
use crate::subscriptions::Subscription;

/// Renews a subscription from the balance, or says why it cannot be renewed now; then nothing was written and it may be tried again
/// tomorrow. An order that the buyer has placed and not paid is cancelled for it.
///
/// # Errors
/// Those of the database. The reasons not to renew are the answer: [`Code::BalanceTooLow`], [`Code::NotOnSale`], [`Code::PriceMissing`],
/// [`Code::FrozenByOperator`], [`Code::OrderOpen`] …
pub async fn renew_automatically(tx: &mut Tx, ctx: &Ctx, edition: &Edition, sub: &Subscription) -> Result<Result<Order, Refusal>> {
    let input = match ready(tx, ctx, edition, sub).await {
        Ok(input) => input,
        Err(Error::Refused(refusal)) => return Ok(Err(refusal)),
        Err(fault) => return Err(fault),
    };
    cancel_open(tx, ctx, sub, CancelReason::Replaced).await?;
    let placed = place_renewal(tx, ctx, edition, sub.buyer_id, sub.id, &input, None).await?;
    pay(tx, ctx, edition, sub.buyer_id, &placed.number).await.map(Ok)
}

/// Why an automatic renewal would not take place now; none when it would.
///
/// # Errors
/// Those of the database.
pub async fn renewal_obstacle(tx: &mut Tx, ctx: &Ctx, edition: &Edition, sub: &Subscription) -> Result<Option<Refusal>> {
    match ready(tx, ctx, edition, sub).await {
        Ok(_) => Ok(None),
        Err(Error::Refused(refusal)) => Ok(Some(refusal)),
        Err(fault) => Err(fault),
    }
}

/// Looks at everything that could refuse the renewal, and writes nothing.
async fn ready(tx: &mut Tx, ctx: &Ctx, edition: &Edition, sub: &Subscription) -> Result<RenewalInput> {
    let period = sub.renewal.period.ok_or_else(|| Refusal::new(Code::NotPeriodic))?;
    if sub.suspended_at.is_some() {
        return Err(Refusal::new(Code::FrozenByOperator).into());
    }
    if let Some(open) = &sub.open_order {
        let is_unpaid = get(tx, open).await?.state == OrderState::PendingPayment;
        if !is_unpaid {
            return Err(Refusal::new(Code::OrderOpen).with("order", open).into());
        }
    }
    let input = RenewalInput::same(period);
    let needed = quote::renewal(tx, ctx.now, edition, sub, &input).await?.price.amount;
    let balance = Money::new(ledger::wallet(tx, sub.buyer_id, edition.currency).await?, edition.currency);
    if balance.minor < needed.minor {
        return Err(Refusal::new(Code::BalanceTooLow).with("balance", balance).with("needed", needed).into());
    }
    Ok(input)
}
