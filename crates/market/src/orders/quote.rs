//! Prices of orders before they are placed: the same computation that places them, so a quote cannot differ from its order.

use db::{Result, Tx};
use kernel::{AccountId, Code, Ctx, Currency, Money, Period, PeriodUnit, Refusal, SkuId, SubscriptionId, order_line_number};
use serde::{Deserialize, Serialize};

use super::held::time_left;
use super::{LINES_MAX, LineState, OrderLine, PurchaseItem, RenewalInput, store};
use crate::catalog::{self, ChargingMode, Item, Names, Offer, PriceUnit, Purpose};
use crate::edition::Edition;
use crate::pricing::{self, ChangeFacts, ChangePrice, HeldTime, LinePrice};
use crate::subscriptions::{self, Renewal, Subscription, SubscriptionState};

/// A priced line on its way into an order.
#[derive(Debug)]
pub(super) struct Draft {
    pub(super) offer: Offer,
    pub(super) price: LinePrice,
    pub(super) subscription: Option<SubscriptionId>,
    pub(super) renewal: Option<Renewal>,
    pub(super) change: Option<ChangePrice>,
}

/// A line of a quote.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct QuoteLine {
    /// Which SKU.
    pub sku_id: SkuId,
    /// The names.
    pub names: Names,
    /// Price of one unit for one month, year or once, minor units.
    pub unit_price_minor: i64,
    /// What the unit price is for.
    pub unit: PriceUnit,
    /// How many units.
    pub quantity: i64,
    /// How long; of a change, all the time that is left, in begun units of its price.
    pub period: Option<Period>,
    /// unit price × quantity × number of periods; or the fee of a change. Minor units, tax included.
    pub amount_minor: i64,
    /// The tax rate inside.
    pub tax_bp: i64,
    /// The tax inside, minor units.
    pub tax_minor: i64,
    /// How the fee of a change comes about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub change: Option<ChangePrice>,
}

/// What something costs now, to the cent.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Quote {
    /// The currency.
    pub currency: Currency,
    /// The lines.
    pub lines: Vec<QuoteLine>,
    /// The sum of the taxes inside, minor units.
    pub tax_minor: i64,
    /// The sum, minor units.
    pub total_minor: i64,
}

impl Draft {
    pub(super) fn into_line(self, order_number: &str, position: i64) -> OrderLine {
        let pays = self.change.map(|change| (change.from, change.until)).unzip();
        OrderLine {
            number: order_line_number(order_number, position),
            order_number: order_number.to_owned(),
            position,
            state: LineState::Waiting,
            subscription_id: self.subscription,
            refunds_line: None,
            item: self.offer.item,
            period: self.price.period,
            quantity: self.price.quantity,
            unit_price_minor: self.price.unit_price.minor,
            amount_minor: self.price.amount.minor,
            tax_bp: self.price.tax.bp,
            tax_minor: self.price.tax_amount.minor,
            fee_bp: self.price.fee.bp,
            fee_steps: self.price.fee_steps,
            refund_rule: self.offer.refund_rule,
            effective_at: pays.0,
            ends_at: pays.1,
            done_at: None,
            renewal: self.renewal,
        }
    }

    fn into_quote(self) -> QuoteLine {
        QuoteLine {
            sku_id: self.offer.item.sku_id,
            unit: self.offer.unit,
            names: self.offer.item.names,
            unit_price_minor: self.price.unit_price.minor,
            quantity: self.price.quantity,
            period: self.price.period,
            amount_minor: self.price.amount.minor,
            tax_bp: self.price.tax.bp,
            tax_minor: self.price.tax_amount.minor,
            change: self.change,
        }
    }
}

pub(super) fn total(edition: &Edition, drafts: &[Draft]) -> Result<Money> {
    let mut total = Money::zero(edition.currency);
    for draft in drafts {
        total = total.plus(draft.price.amount)?;
    }
    Ok(total)
}

fn quote(edition: &Edition, drafts: Vec<Draft>) -> Result<Quote> {
    let total_minor = total(edition, &drafts)?.minor;
    let lines: Vec<QuoteLine> = drafts.into_iter().map(Draft::into_quote).collect();
    let tax_minor = lines.iter().map(|line| line.tax_minor).sum();
    Ok(Quote { currency: edition.currency, lines, tax_minor, total_minor })
}

/// What a purchase costs now, for `buyer` or for whoever asks without having signed in.
///
/// # Errors
/// As [`super::place`].
pub async fn quote_purchase(tx: &mut Tx, edition: &Edition, buyer: Option<AccountId>, items: &[PurchaseItem]) -> Result<Quote> {
    let drafts = purchase(tx, edition, buyer, items).await?;
    quote(edition, drafts)
}

/// What renewing a subscription costs now.
///
/// # Errors
/// [`Code::NotFound`], [`Code::NotPeriodic`], [`Code::SubscriptionState`]; [`Code::NotOnSale`] and [`Code::PriceMissing`] when it is no
/// longer sold for such a period; and where it changes something, [`Code::RenewalChangeTooEarly`], [`Code::RenewalChangePending`],
/// [`Code::ChangeTarget`], [`Code::QuantityInvalid`].
pub async fn quote_renewal(
    tx: &mut Tx,
    ctx: &Ctx,
    edition: &Edition,
    buyer: AccountId,
    id: SubscriptionId,
    input: &RenewalInput,
) -> Result<Quote> {
    let sub = subscriptions::get_of_buyer(tx, buyer, id).await?;
    let draft = renewal(tx, ctx.now, edition, &sub, input).await?;
    quote(edition, vec![draft])
}

/// What a renewal would make of a subscription; none when it changes nothing.
///
/// # Errors
/// As [`quote_renewal`].
pub async fn renewal_change(
    tx: &mut Tx,
    now: i64,
    edition: &Edition,
    buyer: AccountId,
    id: SubscriptionId,
    input: &RenewalInput,
) -> Result<Option<(Subscription, Item, i64)>> {
    let sub = subscriptions::get_of_buyer(tx, buyer, id).await?;
    let Draft { offer, price, .. } = renewal(tx, now, edition, &sub, input).await?;
    let (item, quantity) = sub.renewed_as();
    let changes = (item.sku_id, quantity) != (offer.item.sku_id, price.quantity);
    Ok(changes.then_some((sub, offer.item, price.quantity)))
}

/// What changing a subscription costs now (spec: business §5.5).
///
/// # Errors
/// [`Code::NotFound`], [`Code::NotPeriodic`], [`Code::SubscriptionState`], [`Code::ChangeTarget`], [`Code::ChangeNotUpgrade`],
/// [`Code::QuantityInvalid`], [`Code::NotOnSale`].
pub async fn quote_change(
    tx: &mut Tx,
    ctx: &Ctx,
    edition: &Edition,
    buyer: AccountId,
    id: SubscriptionId,
    sku: SkuId,
    quantity: i64,
) -> Result<Quote> {
    let sub = subscriptions::get_of_buyer(tx, buyer, id).await?;
    let drafts = change(tx, ctx, edition, &sub, sku, quantity).await?;
    quote(edition, drafts)
}

pub(super) async fn purchase(tx: &mut Tx, edition: &Edition, buyer: Option<AccountId>, items: &[PurchaseItem]) -> Result<Vec<Draft>> {
    if items.is_empty() || items.len() > LINES_MAX {
        return Err(Refusal::field("items", format!("count:1-{LINES_MAX}")).into());
    }
    let mut drafts: Vec<Draft> = Vec::with_capacity(items.len());
    for item in items {
        let period = item.period.map(|p| Period::new(p.unit, p.count)).transpose()?;
        let offer = catalog::offer(tx, item.sku_id, pricing::unit_of(period), Purpose::Purchase).await?;
        if Some(offer.seller_id) == buyer {
            return Err(Refusal::new(Code::OwnProduct).into());
        }
        if drafts.first().is_some_and(|first| first.offer.seller_id != offer.seller_id) {
            return Err(Refusal::field("items", "one-seller").into());
        }
        let renewal = item.renewal.filter(|_| offer.item.charging_mode == ChargingMode::Period);
        if let Some(renewal) = &renewal {
            renewal.check()?;
            renewal.check_sold(tx, item.sku_id).await?;
        }
        let price = pricing::price_line(&offer, item.quantity, period, edition)?;
        drafts.push(Draft { offer, price, subscription: None, renewal, change: None });
    }
    Ok(drafts)
}

pub(super) async fn renewal(tx: &mut Tx, now: i64, edition: &Edition, sub: &Subscription, input: &RenewalInput) -> Result<Draft> {
    alive_and_periodic(sub)?;
    let period = Period::new(input.period.unit, input.period.count)?;
    let (item, staying) = sub.renewed_as();
    let (sku, quantity) = (input.sku_id.unwrap_or(item.sku_id), input.quantity.unwrap_or(staying));
    let changes = (item.sku_id, staying) != (sku, quantity);
    if changes {
        may_change_at_renewal(now, edition, sub)?;
    }
    let purpose = if changes { Purpose::Change } else { Purpose::Renewal };
    let offer = catalog::offer(tx, sku, pricing::unit_of(Some(period)), purpose).await?;
    if offer.item.edition_id != sub.item.edition_id {
        return Err(Refusal::new(Code::ChangeTarget).into());
    }
    if changes {
        catalog::admit_change(tx, (item.sku_id, staying), &offer, quantity).await?;
    }
    let price = pricing::price_line(&offer, quantity, Some(period), edition)?;
    Ok(Draft { offer, price, subscription: Some(sub.id), renewal: None, change: None })
}

/// A renewal may change something in the last days before the end, once (spec: business §5.5).
fn may_change_at_renewal(now: i64, edition: &Edition, sub: &Subscription) -> Result<(), Refusal> {
    if sub.state != SubscriptionState::InUse {
        return Err(Refusal::new(Code::SubscriptionState).with("state", sub.state));
    }
    if sub.next.is_some() {
        return Err(Refusal::new(Code::RenewalChangePending));
    }
    let days = edition.renewal_change_days;
    let earliest = sub.ends_at.map_or(i64::MAX, |ends_at| edition.zone.add_days(ends_at, -days));
    if now < earliest { Err(Refusal::new(Code::RenewalChangeTooEarly).with("days", days)) } else { Ok(()) }
}

/// A line for each part of the time that is left: see [`super::held`].
pub(super) async fn change(tx: &mut Tx, ctx: &Ctx, edition: &Edition, sub: &Subscription, sku: SkuId, quantity: i64) -> Result<Vec<Draft>> {
    alive_and_periodic(sub)?;
    let over = || Refusal::new(Code::SubscriptionState).with("state", sub.state);
    if sub.state != SubscriptionState::InUse {
        return Err(over().into());
    }
    let (Some(anchor_at), Some(ends_at)) = (sub.anchor_at, sub.ends_at) else {
        return Err(Refusal::new(Code::NotPeriodic).into());
    };
    if ends_at <= ctx.now {
        return Err(over().into());
    }
    if sub.next.is_some() {
        return Err(Refusal::new(Code::RenewalChangePending).into());
    }
    let offers = change_offers(tx, sku).await?;
    if offers.first().is_none_or(|offer| offer.item.edition_id != sub.item.edition_id) {
        return Err(Refusal::new(Code::ChangeTarget).into());
    }
    catalog::admit_change(tx, (sub.item.sku_id, sub.quantity), &offers[0], quantity).await?;
    let held = held_time(tx, edition, sub, ctx.now).await?;
    if held.last().map(|time| time.until) != Some(ends_at) {
        return Err(db::Error::broken(format!("the lines of {} do not pay for its time until {ends_at}", sub.id)));
    }
    let new_prices: Vec<_> = offers.iter().map(|offer| (offer.unit, offer.item.price_id, offer.unit_price)).collect();
    let facts = ChangeFacts {
        anchor_at,
        now: ctx.now,
        held: &held,
        new_prices: &new_prices,
        new_quantity: quantity,
        tax: edition.tax(offers[0].tax_kind),
        zone: &edition.zone,
    };
    let parts = pricing::change_fee(&facts)?;
    let matched = offers.into_iter().find(|offer| parts.first().is_some_and(|part| part.new_price_id == offer.item.price_id));
    let offer = matched.ok_or_else(|| Refusal::new(Code::PriceMissing))?;
    offer.quantity.admit(quantity)?;
    Ok(parts.into_iter().map(|part| change_draft(edition, sub.id, &offer, part)).collect())
}

/// What a SKU is sold for by the month and by the year.
async fn change_offers(tx: &mut Tx, sku: SkuId) -> Result<Vec<Offer>> {
    let mut offers = Vec::new();
    for unit in [PriceUnit::Month, PriceUnit::Year] {
        match catalog::offer(tx, sku, unit, Purpose::Change).await {
            Ok(offer) => offers.push(offer),
            Err(error) if error.code() == Some(Code::PriceMissing) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(offers)
}

fn change_draft(edition: &Edition, subscription: SubscriptionId, offer: &Offer, part: ChangePrice) -> Draft {
    let unit = if part.new_unit == PriceUnit::Year { PeriodUnit::Year } else { PeriodUnit::Month };
    let price = LinePrice {
        unit_price: offer.unit_price,
        quantity: part.new_quantity,
        period: Some(Period { unit, count: part.new_periods }),
        periods: 1,
        amount: part.fee,
        tax: part.tax,
        tax_amount: part.tax_amount,
        fee: edition.fee_common,
        fee_steps: edition.fee_steps.clone(),
    };
    Draft { offer: offer.clone(), price, subscription: Some(subscription), renewal: None, change: Some(part) }
}

/// The time that a subscription has left, each part at the current price of the unit that it was bought in; at the price it was bought at
/// when that is no longer sold.
async fn held_time(tx: &mut Tx, edition: &Edition, sub: &Subscription, now: i64) -> Result<Vec<HeldTime>> {
    let lines = store::lines_with_kinds(tx, sub.id).await?;
    let mut held = Vec::new();
    for left in time_left(&lines, now, (sub.item.sku_id, sub.quantity)) {
        let unit = pricing::unit_of(left.line.period);
        let unit_price = match catalog::offer(tx, left.line.item.sku_id, unit, Purpose::Change).await {
            Ok(offer) => offer.unit_price,
            Err(error) if matches!(error.code(), Some(Code::PriceMissing | Code::NotOnSale)) => {
                Money::new(left.line.unit_price_minor, edition.currency)
            }
            Err(error) => return Err(error),
        };
        held.push(HeldTime { until: left.until, unit, unit_price, quantity: left.line.quantity });
    }
    Ok(held)
}

fn alive_and_periodic(sub: &Subscription) -> Result<(), Refusal> {
    if sub.item.charging_mode != ChargingMode::Period {
        return Err(Refusal::new(Code::NotPeriodic));
    }
    match sub.state {
        SubscriptionState::InUse | SubscriptionState::Frozen => Ok(()),
        state @ (SubscriptionState::Opening | SubscriptionState::Released | SubscriptionState::Failed) => {
            Err(Refusal::new(Code::SubscriptionState).with("state", state))
        }
    }
}
