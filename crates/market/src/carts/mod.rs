//! The cart: what somebody means to order, and the way from there to orders, one for each seller (spec: business §10.2).
//!
//! A line remembers the price that its owner has seen. Prices are reckoned anew whenever the cart is looked at and when it is ordered; a price
//! that is another one now, or a product that is no longer sold, is said and never lost silently.
//!
//! Invariants: a cart belongs to a person and holds at most [`LINES_MAX`] lines. Nothing is ordered at another price than the one that was shown
//! ([`checkout`] is told it). No audit: what somebody means to buy is nobody else's business; the orders have theirs.

mod store;

use db::{Result, Tx};
use kernel::{AccountId, CartLineId, Code, Ctx, Money, Period, PeriodUnit, Refusal, SkuId, UserId};
use serde::{Deserialize, Serialize};

use crate::agreements;
use crate::catalog::{PriceUnit, QUANTITY_MAX};
use crate::edition::Edition;
use crate::orders::{self, Order, PurchaseItem, Quote, QuoteLine};

/// The most lines of a cart (spec: business §10.2). `[ours]`
pub const LINES_MAX: i64 = 50;

/// Whose cart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Owner {
    /// The account that would buy.
    pub account: AccountId,
    /// The person.
    pub user: UserId,
}

/// A line as it is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CartLine {
    /// Its id.
    pub id: CartLineId,
    /// Which SKU.
    pub sku_id: SkuId,
    /// By which unit of time, or once.
    pub unit: PriceUnit,
    /// How many of the unit.
    pub count: i64,
    /// How many units of its quantity.
    pub quantity: i64,
    /// The unit price that its owner has seen, minor units.
    pub seen_unit_price_minor: i64,
}

impl CartLine {
    /// What is bought by it.
    ///
    /// # Errors
    /// [`Code::PeriodInvalid`].
    pub fn item(&self) -> Result<PurchaseItem, Refusal> {
        let unit = match self.unit {
            PriceUnit::Month => Some(PeriodUnit::Month),
            PriceUnit::Year => Some(PeriodUnit::Year),
            PriceUnit::Once => None,
        };
        let period = unit.map(|unit| Period::new(unit, self.count)).transpose()?;
        Ok(PurchaseItem { sku_id: self.sku_id, period, quantity: self.quantity, renewal: None })
    }
}

/// A line with what it costs now.
#[derive(Clone, Debug)]
pub struct Priced {
    /// The line.
    pub line: CartLine,
    /// What it costs now, with its names.
    pub quote: QuoteLine,
}

impl Priced {
    /// The unit price that was seen, where it is another one now.
    #[must_use]
    pub fn seen(&self) -> Option<i64> {
        (self.line.seen_unit_price_minor != self.quote.unit_price_minor).then_some(self.line.seen_unit_price_minor)
    }
}

/// The lines of one seller: an order.
#[derive(Clone, Debug)]
pub struct Part {
    /// Who sells.
    pub seller_id: AccountId,
    /// The lines.
    pub lines: Vec<Priced>,
    /// What they cost together.
    pub total: Money,
}

/// A line that cannot be ordered now, and why.
#[derive(Clone, Debug)]
pub struct Unsold {
    /// The line.
    pub line: CartLine,
    /// What it is: product, edition and SKU.
    pub names: crate::catalog::Names,
    /// Why.
    pub why: Refusal,
}

/// A cart as it is now.
#[derive(Clone, Debug, Default)]
pub struct Cart {
    /// What can be ordered, by seller, in the order in which it came.
    pub parts: Vec<Part>,
    /// What cannot.
    pub unsold: Vec<Unsold>,
}

impl Cart {
    /// How many lines it has.
    #[must_use]
    pub fn lines(&self) -> usize {
        self.parts.iter().map(|part| part.lines.len()).sum::<usize>() + self.unsold.len()
    }
}

fn unit_of(item: &PurchaseItem) -> (PriceUnit, i64) {
    match item.period {
        Some(Period { unit: PeriodUnit::Month, count }) => (PriceUnit::Month, count),
        Some(Period { unit: PeriodUnit::Year, count }) => (PriceUnit::Year, count),
        None => (PriceUnit::Once, 1),
    }
}

async fn quote_one(tx: &mut Tx, edition: &Edition, owner: Owner, item: &PurchaseItem) -> Result<QuoteLine> {
    let Quote { lines, .. } = orders::quote_purchase(tx, edition, Some(owner.account), std::slice::from_ref(item)).await?;
    lines.into_iter().next().ok_or_else(|| db::Error::broken("a quote has no line"))
}

/// Puts something in. The same SKU for the same time is one line: its quantity grows.
///
/// # Errors
/// Those of [`orders::quote_purchase`]: what could not be ordered does not go in; [`Code::CartFull`] with `max`.
pub async fn add(tx: &mut Tx, ctx: &Ctx, edition: &Edition, owner: Owner, item: &PurchaseItem) -> Result<()> {
    let (unit, count) = unit_of(item);
    let lines = store::lines(tx, owner.user).await?;
    let same = lines.iter().find(|line| line.sku_id == item.sku_id && line.unit == unit && line.count == count);
    let before = same.map_or(0, |line| line.quantity);
    // What is no quantity by itself is refused, not made one by what is in the cart already.
    let quantity = if item.quantity < 1 { item.quantity } else { item.quantity.saturating_add(before).min(QUANTITY_MAX) };
    let item = PurchaseItem { quantity, ..item.clone() };
    let quote = quote_one(tx, edition, owner, &item).await?;
    if let Some(line) = same {
        return store::set(tx, owner.user, line.id, item.quantity, quote.unit_price_minor).await.map(drop);
    }
    if i64::try_from(lines.len()).unwrap_or(i64::MAX) >= LINES_MAX {
        return Err(Refusal::new(Code::CartFull).with("max", LINES_MAX).into());
    }
    let line = CartLine {
        id: CartLineId::new(ctx.now, &ctx.entropy),
        sku_id: item.sku_id,
        unit,
        count,
        quantity: item.quantity,
        seen_unit_price_minor: quote.unit_price_minor,
    };
    store::insert(tx, owner, &line, ctx.now).await
}

/// Sets how much of a line is wanted; its owner has seen the price of today with it.
///
/// # Errors
/// [`Code::NotFound`]; those of [`add`] but for the limit.
pub async fn set_quantity(tx: &mut Tx, edition: &Edition, owner: Owner, id: CartLineId, quantity: i64) -> Result<()> {
    let line = store::line(tx, owner.user, id).await?.ok_or_else(|| Refusal::new(Code::NotFound))?;
    let item = CartLine { quantity, ..line }.item()?;
    let quote = quote_one(tx, edition, owner, &item).await?;
    store::set(tx, owner.user, id, quantity, quote.unit_price_minor).await.map(drop)
}

/// Takes a line out; what is not in is out already.
///
/// # Errors
/// Those of the database.
pub async fn remove(tx: &mut Tx, owner: Owner, id: CartLineId) -> Result<()> {
    store::delete(tx, owner.user, id).await.map(drop)
}

/// How many lines somebody's cart has.
///
/// # Errors
/// Those of the database.
pub async fn count(tx: &mut Tx, user: UserId) -> Result<i64> {
    store::count(tx, user).await
}

/// The cart at the prices of now.
///
/// # Errors
/// Those of the database.
pub async fn view(tx: &mut Tx, edition: &Edition, owner: Owner) -> Result<Cart> {
    let mut cart = Cart::default();
    for (line, seller_id, names) in store::lines_with_names(tx, owner.user).await? {
        let quoted = match line.item() {
            Ok(item) => quote_one(tx, edition, owner, &item).await,
            Err(refusal) => Err(refusal.into()),
        };
        match quoted {
            Ok(quote) => put(&mut cart.parts, edition, seller_id, Priced { line, quote })?,
            Err(db::Error::Refused(why)) => cart.unsold.push(Unsold { line, names, why }),
            Err(fault) => return Err(fault),
        }
    }
    Ok(cart)
}

fn put(parts: &mut Vec<Part>, edition: &Edition, seller_id: AccountId, priced: Priced) -> Result<()> {
    let amount = Money::new(priced.quote.amount_minor, edition.currency);
    match parts.iter_mut().find(|part| part.seller_id == seller_id) {
        Some(part) => {
            part.total = part.total.plus(amount)?;
            part.lines.push(priced);
        }
        None => parts.push(Part { seller_id, lines: vec![priced], total: amount }),
    }
    Ok(())
}

/// What is ordered at once from one seller, and what the buyer was shown that it costs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Wanted {
    /// The lines of the cart; they leave it with the order.
    pub lines: Vec<CartLineId>,
    /// What is ordered past the cart.
    pub items: Vec<PurchaseItem>,
    /// What was shown, minor units.
    pub total_minor: i64,
}

/// Places one order for each of `wanted`, all or none, and notes what was agreed to. `ticked` are the agreements' tickets.
///
/// # Errors
/// [`Code::AgreementNeeded`]; [`Code::CartChanged`] when a line is no longer there, or there is nothing to order; those of [`orders::place`], among them
/// [`Code::PriceChanged`].
pub async fn checkout(tx: &mut Tx, ctx: &Ctx, edition: &Edition, owner: Owner, wanted: &[Wanted], ticked: &[String]) -> Result<Vec<Order>> {
    agreements::require(ticked)?;
    if wanted.is_empty() {
        return Err(Refusal::new(Code::CartChanged).into());
    }
    let mut placed = Vec::with_capacity(wanted.len());
    for Wanted { lines, items, total_minor } in wanted {
        let mut items = items.clone();
        for id in lines {
            let line = store::line(tx, owner.user, *id).await?.ok_or_else(|| Refusal::new(Code::CartChanged))?;
            items.push(line.item()?);
            // Two checkouts at once: the second finds that the line is gone.
            if !store::delete(tx, owner.user, *id).await? {
                return Err(Refusal::new(Code::CartChanged).into());
            }
        }
        let order = orders::place(tx, ctx, edition, owner.account, &items, Some(*total_minor)).await?;
        agreements::record(tx, ctx, owner.account, Some(owner.user), &order.number).await?;
        placed.push(order);
    }
    Ok(placed)
}
