//! What things cost: the price of an order line, and the price of a change in the middle of a subscription.
//!
//! Invariants: pure, no database, no clock. Money is whole minor units; a fraction exists only as an exact ratio of integers and is
//! rounded once, half to even, at the end. Whoever stores a price stores the parts that made it (unit price, quantity, periods, remaining
//! time), so a person can check every cent. Leaves out: discounts, vouchers, tiered and volume pricing (later issues), and the volume
//! reduction of the platform fee, which is a matter of settlement.

mod remaining;
#[cfg(test)]
mod tests;

use kernel::{Code, Currency, MONEY_MAX_MINOR, Money, Period, PeriodUnit, PriceId, Rate, Refusal, Zone};
use serde::{Deserialize, Serialize};

use crate::catalog::{Offer, PriceUnit};
use crate::edition::{Edition, FeeStep};

pub use remaining::{MONTHS_MAX, RemainingMonths, remaining_months};

/// From this much remaining time on, the year price is the one that fits (spec: business §5.5).
const YEAR_MONTHS: i64 = 12;

/// The price of one order line and everything it was made of. An order line keeps a copy.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct LinePrice {
    /// For one unit of quantity and one unit of period, tax included.
    pub unit_price: Money,
    /// How many.
    pub quantity: i64,
    /// For how long; none for a one-time price.
    pub period: Option<Period>,
    /// By how many periods the price is multiplied; 1 for a one-time price.
    pub periods: i64,
    /// Unit price × quantity × periods, tax included.
    pub amount: Money,
    /// The tax rate inside the amount.
    pub tax: Rate,
    /// The tax inside the amount.
    pub tax_amount: Money,
    /// The platform fee that the seller will be charged on it, before any volume reduction.
    pub fee: Rate,
    /// The volume reduction that belongs to this fee; empty where none does.
    pub fee_steps: Vec<FeeStep>,
}

/// Prices a line: `quantity` of what is offered, for `period`.
///
/// # Errors
/// [`Code::QuantityInvalid`]; [`Code::PriceMissing`] when the period is not in the offer's unit, or is missing, or is given for a one-time
/// price; [`Code::PeriodInvalid`] when it is too long; [`Code::AmountTooLarge`].
pub fn price_line(offer: &Offer, quantity: i64, period: Option<Period>, edition: &Edition) -> Result<LinePrice, Refusal> {
    offer.quantity.admit(quantity)?;
    let periods = periods(offer.unit, period)?;
    let amount = offer.unit_price.times(quantity)?.times(periods)?;
    let tax = edition.tax(offer.tax_kind);
    Ok(LinePrice {
        unit_price: offer.unit_price,
        quantity,
        period,
        periods,
        amount,
        tax,
        tax_amount: amount.tax_inside(tax)?,
        fee: edition.fee_common,
        fee_steps: edition.fee_steps.clone(),
    })
}

/// The unit of price in which a period is bought; once when there is no period.
#[must_use]
pub fn unit_of(period: Option<Period>) -> PriceUnit {
    match period.map(|p| p.unit) {
        Some(PeriodUnit::Month) => PriceUnit::Month,
        Some(PeriodUnit::Year) => PriceUnit::Year,
        None => PriceUnit::Once,
    }
}

fn periods(unit: PriceUnit, period: Option<Period>) -> Result<i64, Refusal> {
    if unit_of(period) != unit {
        return Err(Refusal::new(Code::PriceMissing));
    }
    // The fields of a period are open, so its bounds are checked again where it is priced.
    period.map_or(Ok(1), |p| Period::new(p.unit, p.count).map(|p| p.count))
}

/// A stretch of the time that a subscription has left: what pays for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HeldTime {
    /// Where it ends, ms UTC. It begins where the one before ends, the first one at the moment of the change.
    pub until: i64,
    /// The unit it was bought in.
    pub unit: PriceUnit,
    /// The current price of that unit, for one unit of quantity.
    pub unit_price: Money,
    /// How many.
    pub quantity: i64,
}

/// Everything that the price of a change depends on.
#[derive(Clone, Copy, Debug)]
pub struct ChangeFacts<'a> {
    /// From where the subscription's months are counted, ms UTC.
    pub anchor_at: i64,
    /// The moment of the change, ms UTC.
    pub now: i64,
    /// The time that is left, in order and without a gap; the last stretch ends with the subscription.
    pub held: &'a [HeldTime],
    /// What the target SKU is sold for.
    pub new_prices: &'a [(PriceUnit, PriceId, Money)],
    /// How many of it.
    pub new_quantity: i64,
    /// The tax rate inside the prices.
    pub tax: Rate,
    /// The zone of the calendar.
    pub zone: &'a Zone,
}

/// The price of a change for one stretch of the remaining time, and everything it was made of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct ChangePrice {
    /// From when on it pays, ms UTC.
    pub from: i64,
    /// Until when it pays, ms UTC.
    pub until: i64,
    /// What is paid now, tax included: new value − old value, rounded once, less what another stretch of the same change gives back. It may
    /// differ from the difference of the two rounded values below by one minor unit.
    pub fee: Money,
    /// The tax rate inside the fee.
    pub tax: Rate,
    /// The tax inside the fee.
    pub tax_amount: Money,
    /// The time in months, exact: `7 + 13/30`.
    pub remaining_months_text: String,
    /// The unit whose price the old value is reckoned with: the one this time was bought in.
    pub old_unit: PriceUnit,
    /// The current price of that unit.
    pub old_unit_price: Money,
    /// How many there are.
    pub old_quantity: i64,
    /// What the time is worth as the old, rounded.
    pub old_value: Money,
    /// The new price that fits the whole remaining time.
    pub new_price_id: PriceId,
    /// Its unit.
    pub new_unit: PriceUnit,
    /// Its amount.
    pub new_unit_price: Money,
    /// How many there will be.
    pub new_quantity: i64,
    /// What the time is worth as the new, rounded.
    pub new_value: Money,
    /// The whole remaining time in units of the new price, a begun one counted.
    pub new_periods: i64,
}

/// Prices a change of SKU or quantity for the time that remains (spec: business §5.5): new price × remaining time − old price ×
/// remaining time, for each stretch that something else pays for. The new price is the one matched to the whole remaining time: the year
/// price from 12 months on, else the month price, and where that one is not sold, the other. The old price is the current price of the unit
/// in which the stretch was bought.
///
/// # Errors
/// [`Code::ChangeNotUpgrade`] when there is nothing to pay in all (less can be had at renewal); [`Code::PriceMissing`] when the target is
/// not sold for a period or the old one was not; [`Code::PeriodInvalid`] when the end is beyond the calendar; [`Code::CurrencyMix`];
/// [`Code::AmountTooLarge`].
pub fn change_fee(facts: &ChangeFacts<'_>) -> Result<Vec<ChangePrice>, Refusal> {
    let months = |from, until| remaining_months(facts.zone, facts.anchor_at, from, until);
    let remaining = months(facts.now, facts.held.last().map_or(facts.now, |time| time.until))?;
    let (new_unit, new_price_id, new_unit_price) = matched_price(facts.new_prices, remaining)?;
    let (currency, new_periods) = (new_unit_price.currency, remaining.begun(months_of(new_unit)?));
    let new_yearly = yearly(new_unit, new_unit_price, facts.new_quantity)?;
    let (mut parts, mut from) = (Vec::with_capacity(facts.held.len()), facts.now);
    for old in facts.held {
        if old.unit_price.currency != currency {
            return Err(Refusal::new(Code::CurrencyMix).with("left", old.unit_price.currency).with("right", currency));
        }
        let time = months(from, old.until)?;
        let worth = |year_minor: i128| time.part_of_year(year_minor).and_then(|minor| money(minor, currency));
        let old_yearly = yearly(old.unit, old.unit_price, old.quantity)?;
        parts.push(ChangePrice {
            from,
            until: old.until,
            fee: worth(new_yearly - old_yearly)?,
            tax: facts.tax,
            tax_amount: Money::zero(currency),
            remaining_months_text: time.to_string(),
            old_unit: old.unit,
            old_unit_price: old.unit_price,
            old_quantity: old.quantity,
            old_value: worth(old_yearly)?,
            new_price_id,
            new_unit,
            new_unit_price,
            new_quantity: facts.new_quantity,
            new_value: worth(new_yearly)?,
            new_periods,
        });
        from = old.until;
    }
    charge(&mut parts)?;
    Ok(parts)
}

/// What each stretch is charged: nothing is charged below zero, and all together is what the whole costs.
fn charge(parts: &mut [ChangePrice]) -> Result<(), Refusal> {
    let total: i128 = parts.iter().map(|part| i128::from(part.fee.minor)).sum();
    if total <= 0 {
        return Err(Refusal::new(Code::ChangeNotUpgrade));
    }
    let (mut exact, mut charged) = (0, 0);
    for part in parts {
        exact += i128::from(part.fee.minor);
        let so_far = exact.clamp(charged, total);
        part.fee = money(so_far - charged, part.fee.currency)?;
        part.tax_amount = part.fee.tax_inside(part.tax)?;
        charged = so_far;
    }
    Ok(())
}

fn matched_price(prices: &[(PriceUnit, PriceId, Money)], remaining: RemainingMonths) -> Result<(PriceUnit, PriceId, Money), Refusal> {
    let sold = |unit: PriceUnit| prices.iter().find(|(u, _, _)| *u == unit).copied();
    let (first, second) =
        if remaining.at_least(YEAR_MONTHS) { (PriceUnit::Year, PriceUnit::Month) } else { (PriceUnit::Month, PriceUnit::Year) };
    sold(first).or_else(|| sold(second)).ok_or_else(|| Refusal::new(Code::PriceMissing))
}

/// How many months a unit of price is.
fn months_of(unit: PriceUnit) -> Result<i64, Refusal> {
    match unit {
        PriceUnit::Month => Ok(1),
        PriceUnit::Year => Ok(YEAR_MONTHS),
        PriceUnit::Once => Err(Refusal::new(Code::PriceMissing)),
    }
}

/// What a year of `quantity` costs at `price` for one `unit`, minor units.
fn yearly(unit: PriceUnit, price: Money, quantity: i64) -> Result<i128, Refusal> {
    let times_a_year = YEAR_MONTHS / months_of(unit)?;
    let sum = i128::from(price.minor) * i128::from(quantity);
    let most = i128::from(MONEY_MAX_MINOR);
    // Held within the market's limit here, a year's sum leaves the room that the exact ratio of the remaining time needs.
    Some(sum).filter(|sum| (-most..=most).contains(sum)).map(|sum| sum * i128::from(times_a_year)).ok_or_else(too_large)
}

fn money(minor: i128, currency: Currency) -> Result<Money, Refusal> {
    let minor = i64::try_from(minor).ok().filter(|minor| (-MONEY_MAX_MINOR..=MONEY_MAX_MINOR).contains(minor));
    minor.map(|minor| Money::new(minor, currency)).ok_or_else(too_large)
}

const fn too_large() -> Refusal {
    Refusal::new(Code::AmountTooLarge)
}
