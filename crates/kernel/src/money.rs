//! Money as whole minor units, rates as basis points. Never a float.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::{Code, FromScalar, Refusal, Scalar, ScalarError, ToScalar};

/// An ISO 4217 currency.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Currency(iso_currency::Currency);

impl Currency {
    /// The yuan, currency of the CN edition.
    pub const CNY: Self = Self(iso_currency::Currency::CNY);
    /// The US dollar, currency of the INTL edition.
    pub const USD: Self = Self(iso_currency::Currency::USD);

    /// The three letters.
    #[must_use]
    pub fn code(self) -> &'static str {
        self.0.code()
    }

    /// How many decimals the minor unit has; 2 for the yuan.
    #[must_use]
    pub fn decimals(self) -> u32 {
        u32::from(self.0.exponent().unwrap_or(0))
    }
}

impl fmt::Display for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.code())
    }
}

impl FromStr for Currency {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        iso_currency::Currency::from_code(text).map(Self).ok_or_else(|| format!("{text:?} is not an ISO 4217 currency code"))
    }
}

impl Serialize for Currency {
    fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.serialize_str(self.code())
    }
}

impl<'de> Deserialize<'de> for Currency {
    fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        String::deserialize(d)?.parse().map_err(serde::de::Error::custom)
    }
}

impl ToScalar for Currency {
    fn to_scalar(&self) -> Scalar {
        Scalar::Text(self.code().to_owned())
    }
}

impl FromScalar for Currency {
    fn from_scalar(scalar: Scalar) -> Result<Self, ScalarError> {
        match &scalar {
            Scalar::Text(text) => text.parse().map_err(|_| ScalarError::new("a currency code", &scalar)),
            _ => Err(ScalarError::new("a currency code", &scalar)),
        }
    }
}

impl utoipa::PartialSchema for Currency {
    fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::schema::Schema> {
        utoipa::openapi::ObjectBuilder::new()
            .schema_type(utoipa::openapi::schema::Type::String)
            .pattern(Some("^[A-Z]{3}$"))
            .examples(["CNY"])
            .build()
            .into()
    }
}

impl utoipa::ToSchema for Currency {}

/// An amount of one currency, in minor units (fen, cents). Arithmetic is checked: it refuses instead of wrapping, and refuses to mix
/// currencies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Money {
    /// Minor units; may be negative where the place says so.
    pub minor: i64,
    /// The currency.
    pub currency: Currency,
}

/// The largest amount the marketplace handles, in minor units. Far below `i64::MAX`, so that sums of many amounts cannot overflow.
pub const MONEY_MAX_MINOR: i64 = 1_000_000_000_000_000;

impl Money {
    /// `minor` units of `currency`.
    #[must_use]
    pub const fn new(minor: i64, currency: Currency) -> Self {
        Self { minor, currency }
    }

    /// Nothing of `currency`.
    #[must_use]
    pub const fn zero(currency: Currency) -> Self {
        Self { minor: 0, currency }
    }

    /// The sum.
    ///
    /// # Errors
    /// [`Code::CurrencyMix`] when the currencies differ, [`Code::AmountTooLarge`] when the sum is beyond what the market handles.
    pub fn plus(self, other: Self) -> Result<Self, Refusal> {
        self.same_currency(other)?;
        Self::checked(i128::from(self.minor) + i128::from(other.minor), self.currency)
    }

    /// The difference.
    ///
    /// # Errors
    /// As [`Money::plus`].
    pub fn minus(self, other: Self) -> Result<Self, Refusal> {
        self.same_currency(other)?;
        Self::checked(i128::from(self.minor) - i128::from(other.minor), self.currency)
    }

    /// `quantity` times this amount.
    ///
    /// # Errors
    /// [`Code::AmountTooLarge`].
    pub fn times(self, quantity: i64) -> Result<Self, Refusal> {
        Self::checked(i128::from(self.minor) * i128::from(quantity), self.currency)
    }

    /// This amount × `numerator` / `denominator`, rounded half to even (spec: business §7.5).
    ///
    /// # Errors
    /// [`Code::AmountTooLarge`].
    ///
    /// # Panics
    /// When `denominator` is not positive: a fault of the caller.
    pub fn scale(self, numerator: i64, denominator: i64) -> Result<Self, Refusal> {
        assert!(denominator > 0, "a positive denominator");
        let product = i128::from(self.minor) * i128::from(numerator);
        Self::checked(divide_half_even(product, i128::from(denominator)), self.currency)
    }

    /// The part of this amount that `rate` gives, rounded half to even.
    ///
    /// # Errors
    /// [`Code::AmountTooLarge`].
    pub fn part(self, rate: Rate) -> Result<Self, Refusal> {
        self.scale(rate.bp, Rate::WHOLE_BP)
    }

    /// The tax that is inside this amount when it includes tax at `rate`: amount × rate / (1 + rate), rounded half to even.
    ///
    /// # Errors
    /// [`Code::AmountTooLarge`].
    pub fn tax_inside(self, rate: Rate) -> Result<Self, Refusal> {
        self.scale(rate.bp, Rate::WHOLE_BP + rate.bp)
    }

    /// The amount as a plain decimal number, such as `1234.50`; the currency is not in it.
    #[must_use]
    pub fn decimal(self) -> String {
        let decimals = self.currency.decimals();
        let unit = 10u64.pow(decimals);
        let sign = if self.minor < 0 { "-" } else { "" };
        let digits = self.minor.unsigned_abs();
        if decimals == 0 {
            return format!("{sign}{digits}");
        }
        let width = usize::try_from(decimals).unwrap_or(2);
        format!("{sign}{}.{:0width$}", digits / unit, digits % unit)
    }

    fn same_currency(self, other: Self) -> Result<(), Refusal> {
        if self.currency == other.currency {
            return Ok(());
        }
        Err(Refusal::new(Code::CurrencyMix).with("left", self.currency).with("right", other.currency))
    }

    fn checked(minor: i128, currency: Currency) -> Result<Self, Refusal> {
        i64::try_from(minor)
            .ok()
            .filter(|minor| (-MONEY_MAX_MINOR..=MONEY_MAX_MINOR).contains(minor))
            .map(|minor| Self { minor, currency })
            .ok_or_else(|| Refusal::new(Code::AmountTooLarge))
    }
}

impl fmt::Display for Money {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.decimal(), self.currency)
    }
}

/// A share in basis points: 500 is 5 %.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(transparent)]
pub struct Rate {
    /// Basis points (1/100 of a percent).
    pub bp: i64,
}

impl Rate {
    /// 100 % in basis points.
    pub const WHOLE_BP: i64 = 10_000;

    /// `bp` basis points.
    #[must_use]
    pub const fn bp(bp: i64) -> Self {
        Self { bp }
    }
}

/// Division that rounds to the nearest, and a tie to the even neighbour.
fn divide_half_even(numerator: i128, denominator: i128) -> i128 {
    let floor = numerator.div_euclid(denominator);
    let twice_rest = numerator.rem_euclid(denominator) * 2;
    match twice_rest.cmp(&denominator) {
        std::cmp::Ordering::Less => floor,
        std::cmp::Ordering::Greater => floor + 1,
        std::cmp::Ordering::Equal => floor + floor.rem_euclid(2),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const fn cny(minor: i64) -> Money {
        Money::new(minor, Currency::CNY)
    }

    #[test]
    fn ties_go_to_the_even_neighbour() {
        for (minor, expected) in [(5, 2), (15, 8), (25, 12), (-5, -2), (-15, -8), (1, 0), (9, 4), (11, 6)] {
            assert_eq!(cny(minor).scale(1, 2).unwrap(), cny(expected), "{minor}/2");
        }
    }

    #[test]
    fn amounts_read_as_people_write_them() {
        assert_eq!(cny(123_450).to_string(), "1234.50 CNY");
        assert_eq!(cny(-5).to_string(), "-0.05 CNY");
        assert_eq!(Money::new(7, "JPY".parse().unwrap()).decimal(), "7");
    }

    #[test]
    fn mixing_currencies_and_overflow_are_refused() {
        assert_eq!(cny(1).plus(Money::new(1, Currency::USD)).unwrap_err().code, Code::CurrencyMix);
        assert_eq!(cny(i64::MAX).times(2).unwrap_err().code, Code::AmountTooLarge);
        assert_eq!(cny(i64::MIN).times(1).unwrap_err().code, Code::AmountTooLarge);
        assert_eq!(cny(MONEY_MAX_MINOR).plus(cny(1)).unwrap_err().code, Code::AmountTooLarge);
    }

    #[test]
    fn tax_inside_a_price_is_the_documented_share() {
        // 113.00 with 13 % inside holds 13.00 of tax.
        assert_eq!(cny(11_300).tax_inside(Rate::bp(1_300)).unwrap(), cny(1_300));
    }

    proptest! {
        #[test]
        fn scaling_is_off_by_half_a_unit_at_most(minor in -1_000_000_000i64..1_000_000_000, n in 0i64..100_000, d in 1i64..100_000) {
            let scaled = cny(minor).scale(n, d).unwrap().minor;
            let off = i128::from(scaled) * i128::from(d) - i128::from(minor) * i128::from(n);
            prop_assert!(off.abs() * 2 <= i128::from(d));
        }
    }
}
