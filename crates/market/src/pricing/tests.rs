#![allow(clippy::unwrap_used)]

use kernel::{AccountId, AddressId, EditionId, Entropy, HOUR_MS, ProductId, SkuId};
use proptest::prelude::*;

use super::*;
use crate::catalog::{ChargingMode, Item, Names, ProductState, QuantityRule, RefundRule, Texts};
use crate::edition::{EditionKind, TaxKind};

/// 2026-01-01 00:00 in Shanghai.
const NEW_YEAR_MS: i64 = 1_767_196_800_000;

const fn cny(minor: i64) -> Money {
    Money::new(minor, Currency::CNY)
}

fn entropy() -> Entropy {
    Entropy::from_seed([5; 32])
}

fn price_id() -> PriceId {
    PriceId::new(NEW_YEAR_MS, &entropy())
}

fn offer(unit: PriceUnit, minor: i64) -> Offer {
    let entropy = entropy();
    let text = |zh: &str| Texts::new(zh, "");
    Offer {
        item: Item {
            product_id: ProductId::new(1, &entropy),
            edition_id: EditionId::new(1, &entropy),
            sku_id: SkuId::new(1, &entropy),
            price_id: price_id(),
            address_id: AddressId::new(1, &entropy),
            names: Names { product: text("云笔记"), edition: text("专业版"), sku: text("10用户") },
            charging_mode: unit.charging_mode(),
        },
        seller_id: AccountId::new(1, &entropy),
        unit,
        unit_price: cny(minor),
        tax_kind: TaxKind::Software,
        refund_rule: RefundRule::NoReason,
        quantity: QuantityRule { min: 5, max: 50, step: 5, unit: text("用户") },
        state: ProductState::OnSale,
    }
}

fn months(count: i64) -> Option<Period> {
    Some(Period { unit: PeriodUnit::Month, count })
}

fn years(count: i64) -> Option<Period> {
    Some(Period { unit: PeriodUnit::Year, count })
}

#[test]
fn a_line_costs_unit_price_times_quantity_times_periods() {
    let edition = Edition::defaults(EditionKind::Cn);
    let line = price_line(&offer(PriceUnit::Month, 9_900), 10, months(3), &edition).unwrap();
    assert_eq!((line.amount, line.periods), (cny(297_000), 3));
    // 2970.00 with 13 % inside: 2970 × 13 / 113 = 341.6814…
    assert_eq!((line.tax.bp, line.tax_amount), (1_300, cny(34_168)));
    assert_eq!(line.fee.bp, 500);
    let once = price_line(&offer(PriceUnit::Once, 120_000), 5, None, &edition).unwrap();
    assert_eq!((once.amount, once.periods, once.period), (cny(600_000), 1, None));
    assert_eq!(offer(PriceUnit::Once, 1).item.charging_mode, ChargingMode::OneTime);
}

#[test]
fn what_is_not_sold_is_refused() {
    let edition = Edition::defaults(EditionKind::Cn);
    let refused = |offer: &Offer, quantity, period| price_line(offer, quantity, period, &edition).unwrap_err();
    let monthly = offer(PriceUnit::Month, 9_900);
    for quantity in [0, 4, 7, 55, -5, i64::MIN, i64::MAX] {
        let refusal = refused(&monthly, quantity, months(1));
        assert_eq!(refusal.to_string(), "quantity-invalid min=5 max=50 step=5", "{quantity}");
    }
    for period in [None, years(1)] {
        assert_eq!(refused(&monthly, 5, period).code, Code::PriceMissing, "{period:?}");
    }
    assert_eq!(refused(&offer(PriceUnit::Once, 9_900), 5, months(1)).code, Code::PriceMissing);
    for count in [0, -1, 121, i64::MAX] {
        assert_eq!(refused(&monthly, 5, months(count)).code, Code::PeriodInvalid, "{count}");
    }
    assert_eq!(refused(&offer(PriceUnit::Year, MONEY_MAX_MINOR / 5), 50, years(10)).code, Code::AmountTooLarge);
}

struct Change {
    old: HeldTime,
    new_prices: Vec<(PriceUnit, PriceId, Money)>,
    new_quantity: i64,
    anchor_at: i64,
    now: i64,
    ends_at: i64,
    /// What pays for the time after `ends_at`.
    then: Vec<HeldTime>,
}

impl Change {
    /// From one price to another of the same unit, one of each, in a year from New Year 2026.
    fn of(unit: PriceUnit, old: i64, new: i64) -> Self {
        Self {
            old: HeldTime { until: 0, unit, unit_price: cny(old), quantity: 1 },
            new_prices: vec![(unit, price_id(), cny(new))],
            new_quantity: 1,
            anchor_at: NEW_YEAR_MS,
            now: NEW_YEAR_MS,
            ends_at: Zone::shanghai().add_months(NEW_YEAR_MS, 12),
            then: Vec::new(),
        }
    }

    fn price(&self) -> Result<ChangePrice, Refusal> {
        self.prices().map(|mut parts| parts.remove(0))
    }

    fn prices(&self) -> Result<Vec<ChangePrice>, Refusal> {
        let zone = Zone::shanghai();
        let held: Vec<_> = [HeldTime { until: self.ends_at, ..self.old }].into_iter().chain(self.then.iter().copied()).collect();
        change_fee(&ChangeFacts {
            anchor_at: self.anchor_at,
            now: self.now,
            held: &held,
            new_prices: &self.new_prices,
            new_quantity: self.new_quantity,
            tax: Rate::bp(1_300),
            zone: &zone,
        })
    }

    /// The fee in minor units; a change that costs nothing is refused, and is 0 here.
    fn fee(&self) -> i64 {
        match self.price() {
            Ok(price) => price.fee.minor,
            Err(refusal) => {
                assert_eq!(refusal.code, Code::ChangeNotUpgrade);
                0
            }
        }
    }
}

#[test]
fn an_upgrade_pays_the_difference_for_the_months_that_remain() {
    let zone = Zone::shanghai();
    let mut change = Change::of(PriceUnit::Month, 10_000, 25_000);
    // Half of April (15 of 30 days) and eight months, May to December.
    change.now = zone.add_days(zone.add_months(NEW_YEAR_MS, 3), 15);
    let price = change.price().unwrap();
    assert_eq!(price.remaining_months_text, "8 + 1/2");
    assert_eq!((price.old_value, price.new_value, price.fee), (cny(85_000), cny(212_500), cny(127_500)));
    assert_eq!(price.tax_amount, cny(127_500).tax_inside(Rate::bp(1_300)).unwrap());
    assert_eq!(price.new_price_id, price_id());
    // A day of February is worth more than a day of January.
    change.now = zone.add_days(NEW_YEAR_MS, 30);
    assert_eq!(change.price().unwrap().remaining_months_text, "11 + 1/31");
    change.now = zone.add_days(zone.add_months(NEW_YEAR_MS, 1), 27);
    assert_eq!(change.price().unwrap().remaining_months_text, "10 + 1/28");
    change.now = change.ends_at - 8 * HOUR_MS;
    assert_eq!(change.price().unwrap().remaining_months_text, "1/93");
}

#[test]
fn months_are_counted_from_the_anchor_where_the_31st_comes_back() {
    let zone = Zone::shanghai();
    let mut change = Change::of(PriceUnit::Month, 10_000, 20_000);
    change.anchor_at = zone.add_days(NEW_YEAR_MS, 30);
    change.ends_at = zone.add_months(change.anchor_at, 3);
    // From 28 February: to 31 March and to 30 April are two months, though the days are 31 and 30.
    change.now = zone.add_months(change.anchor_at, 1);
    assert_eq!(change.price().unwrap().remaining_months_text, "2");
    assert_eq!(change.fee(), 20_000);
}

#[test]
fn the_new_price_fits_the_remaining_time() {
    let zone = Zone::shanghai();
    let both = vec![(PriceUnit::Month, price_id(), cny(3_000)), (PriceUnit::Year, price_id(), cny(30_000))];
    let mut change = Change { new_prices: both, ..Change::of(PriceUnit::Year, 12_000, 0) };
    let price = change.price().unwrap();
    assert_eq!((price.new_unit, price.fee), (PriceUnit::Year, cny(18_000)));
    change.now += 1;
    assert_eq!(change.price().unwrap().new_unit, PriceUnit::Month);
    change.now = zone.add_months(NEW_YEAR_MS, 6);
    let price = change.price().unwrap();
    assert_eq!((price.new_unit, price.new_value, price.old_value, price.fee), (PriceUnit::Month, cny(18_000), cny(6_000), cny(12_000)));
    change.new_prices.remove(0);
    assert_eq!(change.price().unwrap().new_unit, PriceUnit::Year);
    change.now = NEW_YEAR_MS;
    change.new_prices = vec![(PriceUnit::Month, price_id(), cny(3_000)), (PriceUnit::Once, price_id(), cny(1))];
    assert_eq!(change.price().unwrap().new_unit, PriceUnit::Month);
    change.new_prices.remove(0);
    assert_eq!(change.price().unwrap_err().code, Code::PriceMissing);
}

#[test]
fn the_fee_is_rounded_once_a_tie_to_the_even_neighbour() {
    let zone = Zone::shanghai();
    let mut change = Change::of(PriceUnit::Month, 100, 101);
    change.ends_at = zone.add_months(NEW_YEAR_MS, 4);
    let half_april = zone.add_days(zone.add_months(NEW_YEAR_MS, 3), 15);
    change.now = half_april;
    // Half a month of one fen more is half a fen: 0, so nothing is to be paid.
    assert_eq!(change.price().unwrap_err().code, Code::ChangeNotUpgrade);
    change.new_prices[0].2 = cny(103);
    let price = change.price().unwrap();
    // 51.5 − 50 = 1.5 → 2, as 51.5 → 52 alone.
    assert_eq!((price.fee, price.new_value), (cny(2), cny(52)));
}

#[test]
fn each_stretch_of_time_is_reckoned_with_the_price_it_was_bought_at() {
    let zone = Zone::shanghai();
    // Half a month of a month's price, then a year at the year's.
    let anchor = zone.add_months(NEW_YEAR_MS, 3);
    let mut change = Change::of(PriceUnit::Month, 10_000, 0);
    (change.anchor_at, change.now, change.ends_at) = (anchor, zone.add_days(anchor, 15), zone.add_months(anchor, 1));
    change.new_prices = vec![(PriceUnit::Month, price_id(), cny(25_000)), (PriceUnit::Year, price_id(), cny(252_000))];
    let until = zone.add_months(anchor, 13);
    change.then = vec![HeldTime { until, unit: PriceUnit::Year, unit_price: cny(100_000), quantity: 1 }];
    let parts = change.prices().unwrap();
    let told: Vec<_> = parts.iter().map(|p| (p.remaining_months_text.as_str(), p.old_value, p.new_value, p.fee)).collect();
    assert_eq!(told, [("1/2", cny(5_000), cny(10_500), cny(5_500)), ("12", cny(100_000), cny(252_000), cny(152_000))]);
    assert_eq!((parts[0].until, parts[1].from, parts[1].until), (change.ends_at, change.ends_at, until));
    // Twelve months and a half: the year price, and the second year has begun.
    assert!(parts.iter().all(|part| (part.new_unit, part.new_periods) == (PriceUnit::Year, 2)));
    // A stretch that was dearer than the new is worth makes the other cheaper and is charged nothing.
    change.old.unit_price = cny(23_000);
    let fees: Vec<_> = change.prices().unwrap().iter().map(|part| part.fee).collect();
    assert_eq!(fees, [cny(0), cny(151_000)]);
    (change.old.unit_price, change.then[0].unit_price) = (cny(10_000), cny(254_000));
    let fees: Vec<_> = change.prices().unwrap().iter().map(|part| part.fee).collect();
    assert_eq!(fees, [cny(3_500), cny(0)]);
    change.then[0].unit_price = cny(260_000);
    assert_eq!(change.prices().unwrap_err().code, Code::ChangeNotUpgrade);
}

#[test]
fn less_is_not_an_upgrade_and_currencies_do_not_mix() {
    for (old, new) in [(10_000, 10_000), (10_000, 9_999)] {
        assert_eq!(Change::of(PriceUnit::Month, old, new).price().unwrap_err().code, Code::ChangeNotUpgrade);
    }
    let over = Change { now: Change::of(PriceUnit::Month, 1, 2).ends_at, ..Change::of(PriceUnit::Month, 1, 2) };
    assert_eq!(over.price().unwrap_err().code, Code::ChangeNotUpgrade);
    let mut mixed = Change::of(PriceUnit::Month, 1, 2);
    mixed.old.unit_price = Money::new(1, Currency::USD);
    assert_eq!(mixed.price().unwrap_err().code, Code::CurrencyMix);
}

/// A moment in the year that [`Change::of`] is about.
fn moment() -> impl Strategy<Value = i64> {
    let length = Zone::shanghai().add_months(NEW_YEAR_MS, 12) - NEW_YEAR_MS;
    (0..=length).prop_map(|into| NEW_YEAR_MS + into)
}

fn unit() -> impl Strategy<Value = PriceUnit> {
    prop_oneof![Just(PriceUnit::Month), Just(PriceUnit::Year), Just(PriceUnit::Once)]
}

fn extreme() -> impl Strategy<Value = i64> {
    prop_oneof![any::<i64>(), Just(i64::MIN), Just(i64::MAX), Just(0), NEW_YEAR_MS - 1_000_000_000_000..NEW_YEAR_MS + 1_000_000_000_000]
}

proptest! {
    #[test]
    fn splitting_the_time_charges_at_most_one_minor_unit_more_or_less(
        old in 0i64..1_000_000, more in 1i64..1_000_000, now in moment(), middle in moment(),
        unit in prop_oneof![Just(PriceUnit::Month), Just(PriceUnit::Year)],
    ) {
        let (now, middle) = (now.min(middle), now.max(middle));
        let whole = Change { now, ..Change::of(unit, old, old + more) };
        let first = Change { now, ends_at: middle, ..Change::of(unit, old, old + more) };
        let second = Change { now: middle, ..Change::of(unit, old, old + more) };
        prop_assert!((whole.fee() - first.fee() - second.fee()).abs() <= 1);
    }

    #[test]
    fn later_is_never_dearer(old in 0i64..1_000_000, more in 1i64..1_000_000, a in moment(), b in moment()) {
        let at = |now| Change { now, ..Change::of(PriceUnit::Month, old, old + more) }.fee();
        prop_assert!(at(a.max(b)) <= at(a.min(b)));
    }

    #[test]
    fn equal_value_is_refused(price in 0i64..1_000_000_000, quantity in 1i64..1000, now in moment()) {
        let mut change = Change { now, new_quantity: quantity, ..Change::of(PriceUnit::Month, price, price) };
        change.old.quantity = quantity;
        prop_assert_eq!(change.price().unwrap_err().code, Code::ChangeNotUpgrade);
    }

    #[test]
    fn the_fee_is_linear_in_quantity(price in 1i64..100_000, quantity in 2i64..500, now in moment()) {
        // From one to `quantity` of the same SKU is `quantity − 1` times from one to two, but for the one rounding.
        let to = |new_quantity| Change { now, new_quantity, ..Change::of(PriceUnit::Month, price, price) }.fee();
        prop_assert!(((quantity - 1) * to(2) - to(quantity)).abs() <= quantity);
    }

    #[test]
    fn a_line_is_linear_in_quantity(price in 0i64..1_000_000_000, steps in 1i64..10, count in 1i64..120) {
        let edition = Edition::defaults(EditionKind::Cn);
        let offer = offer(PriceUnit::Month, price);
        let amount = |quantity| price_line(&offer, quantity, months(count), &edition).unwrap().amount.minor;
        prop_assert_eq!(amount(5 * steps), steps * amount(5));
        prop_assert_eq!(amount(5), 5 * price * count);
    }

    #[test]
    fn extreme_values_are_priced_or_refused_but_never_panic(
        anchor_at in extreme(), now in extreme(), ends_at in extreme(), old_price in extreme(), new_price in extreme(),
        old_quantity in extreme(), new_quantity in extreme(), old_unit in unit(), new_unit in unit(),
    ) {
        let change = Change {
            old: HeldTime { until: 0, unit: old_unit, unit_price: cny(old_price), quantity: old_quantity },
            new_prices: vec![(new_unit, price_id(), cny(new_price))],
            new_quantity, anchor_at, now, ends_at, then: Vec::new(),
        };
        if let Ok(price) = change.price() {
            prop_assert!(price.fee.minor > 0 && price.fee.minor <= MONEY_MAX_MINOR);
        }
        let offer = offer(new_unit, new_price);
        let period = Some(Period { unit: PeriodUnit::Year, count: old_price });
        let _refused_or_priced = price_line(&offer, new_quantity, period, &Edition::defaults(EditionKind::Cn));
    }
}
