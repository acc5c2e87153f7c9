//! Renewals that the marketplace makes on a buyer's behalf.

use db::Tx;
use kernel::{Code, Ctx, Money, Refusal};

use super::{Order, pay, place_renewal, quote};
use crate::edition::Edition;
use crate::ledger;
use crate::subscriptions::Subscription;

/// Renews a subscription from the balance, on its own account (spec: business §5.3). Refuses before anything is written.
///
/// # Errors
/// [`Code::BalanceTooLow`], [`Code::OrderOpen`], [`Code::NotOnSale`], [`Code::PriceMissing`] …: the reasons to tell the buyer.
pub async fn renew_automatically(tx: &mut Tx, ctx: &Ctx, edition: &Edition, sub: &Subscription) -> Result<Order, AutoRenewal> {
    let period = sub.renewal.period.ok_or_else(|| AutoRenewal::Refused(Refusal::new(Code::NotPeriodic)))?;
    sub.no_open_order().map_err(AutoRenewal::Refused)?;
    if sub.suspended_at.is_some() {
        return Err(AutoRenewal::Refused(Refusal::new(Code::FrozenByOperator)));
    }
    let draft = quote::renewal(tx, edition, sub, period).await.map_err(AutoRenewal::from)?;
    let needed = Money::new(draft.price.amount.minor, edition.currency);
    let balance = ledger::wallet(tx, sub.buyer_id, edition.currency).await.map_err(AutoRenewal::from)?;
    if balance < needed.minor {
        let balance = Money::new(balance, edition.currency);
        return Err(AutoRenewal::Refused(Refusal::new(Code::BalanceTooLow).with("balance", balance).with("needed", needed)));
    }
    let placed = place_renewal(tx, ctx, edition, sub.buyer_id, sub.id, period, None).await.map_err(AutoRenewal::Fault)?;
    pay(tx, ctx, edition, sub.buyer_id, &placed.number).await.map_err(AutoRenewal::Fault)
}

/// Why an automatic renewal did not take place.
#[derive(Debug)]
pub enum AutoRenewal {
    /// The business says no and nothing was written: it may be tried again tomorrow.
    Refused(Refusal),
    /// The transaction must not go on.
    Fault(db::Error),
}

impl From<db::Error> for AutoRenewal {
    fn from(error: db::Error) -> Self {
        match error {
            db::Error::Refused(refusal) => Self::Refused(refusal),
            other => Self::Fault(other),
        }
    }
}
