//! Typed ids: a prefix that says what it names, and a UUID version 7 in 26 characters of base 32, so ids sort by time.
//!
//! The text form is that of the `TypeID` specification 0.3: `acc_01jd8z3k5wf2q9v7n4x6m0t1ya`.

use std::fmt;
use std::str::FromStr;

use crate::Entropy;

const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";
/// Characters after the underscore.
const TEXT_LEN: usize = 26;

/// A text that is not an id of the kind wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IdError {
    /// The prefix that was wanted, such as `acc`.
    pub wanted: &'static str,
}

impl fmt::Display for IdError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "an id of the form {}_… with 26 characters after the underscore was wanted", self.wanted)
    }
}

impl std::error::Error for IdError {}

fn encode(bits: u128) -> [u8; TEXT_LEN] {
    let mut text = [b'0'; TEXT_LEN];
    for (place, letter) in text.iter_mut().rev().enumerate() {
        let digit = usize::from(u8::try_from((bits >> (5 * place)) & 31).unwrap_or(0));
        *letter = ALPHABET[digit];
    }
    text
}

fn decode(text: &str) -> Option<u128> {
    // 26 × 5 = 130 bits: the first letter may carry three bits only.
    if text.len() != TEXT_LEN || text.as_bytes()[0] > b'7' {
        return None;
    }
    text.bytes().try_fold(0u128, |bits, byte| {
        let digit = ALPHABET.iter().position(|letter| *letter == byte)?;
        Some((bits << 5) | u128::try_from(digit).ok()?)
    })
}

/// The lowest bit of the time in an id.
const MILLIS_SHIFT: u32 = 80;

/// The 48 bits of time in an id.
fn millis(at: i64) -> u128 {
    u128::from(u64::try_from(at.max(0)).unwrap_or(0)) & 0xffff_ffff_ffff
}

/// A UUID version 7 of this moment (RFC 9562 §5.7, with the sequence of method 1 in §6.2): 48 bits of time, 42 of sequence, 32 random.
fn uuid_v7(now: i64, entropy: &Entropy) -> u128 {
    let sequence = u128::from(entropy.next_in_sequence());
    let random = u128::from(u32::from_be_bytes(entropy.bytes()));
    let (high, low) = (sequence >> 30, sequence & 0x3fff_ffff);
    (millis(now) << MILLIS_SHIFT) | (7 << 76) | (high << 64) | (0b10 << 62) | (low << 32) | random
}

macro_rules! ids {
    ($($(#[$meta:meta])* $name:ident $prefix:literal),+ $(,)?) => {$(
        $(#[$meta])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(u128);

        impl $name {
            /// What an id of this kind begins with, before the underscore.
            pub const PREFIX: &'static str = $prefix;

            /// A fresh id of this moment (`now`: ms UTC).
            #[must_use]
            pub fn new(now: i64, entropy: &Entropy) -> Self {
                Self(uuid_v7(now, entropy))
            }

            /// Sorts before every id of this moment and later, and after every earlier one (`at`: ms UTC).
            #[must_use]
            pub fn first_at(at: i64) -> Self {
                Self(millis(at) << MILLIS_SHIFT)
            }

            /// A fresh id of this moment that sorts after `before`, even where that was made by a process with later turns, or on a machine
            /// whose time is ahead.
            #[must_use]
            pub fn new_after(before: Option<Self>, now: i64, entropy: &Entropy) -> Self {
                let id = Self::new(now, entropy);
                match before {
                    Some(before) if id <= before => Self::new(i64::try_from((before.0 >> MILLIS_SHIFT) + 1).unwrap_or(now), entropy),
                    Some(_) | None => id,
                }
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(concat!($prefix, "_"))?;
                f.write_str(str::from_utf8(&encode(self.0)).map_err(|_| fmt::Error)?)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }

        impl FromStr for $name {
            type Err = IdError;
            fn from_str(text: &str) -> Result<Self, IdError> {
                text.strip_prefix(concat!($prefix, "_")).and_then(decode).map(Self).ok_or(IdError { wanted: $prefix })
            }
        }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
                s.collect_str(self)
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
                <String as serde::Deserialize>::deserialize(d)?.parse().map_err(serde::de::Error::custom)
            }
        }

        impl crate::ToScalar for $name {
            fn to_scalar(&self) -> crate::Scalar {
                crate::Scalar::Text(self.to_string())
            }
        }

        impl crate::FromScalar for $name {
            fn from_scalar(scalar: crate::Scalar) -> Result<Self, crate::ScalarError> {
                match &scalar {
                    crate::Scalar::Text(text) => text.parse().map_err(|_| crate::ScalarError::new(concat!("an id ", $prefix, "_…"), &scalar)),
                    _ => Err(crate::ScalarError::new(concat!("an id ", $prefix, "_…"), &scalar)),
                }
            }
        }

        impl utoipa::PartialSchema for $name {
            fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::schema::Schema> {
                utoipa::openapi::ObjectBuilder::new()
                    .schema_type(utoipa::openapi::schema::Type::String)
                    .pattern(Some(concat!("^", $prefix, "_[0-7][0-9a-hjkmnp-tv-z]{25}$")))
                    .build()
                    .into()
            }
        }

        impl utoipa::ToSchema for $name {}
    )+};
}

ids! {
    /// A buyer's, seller's or the operator's account.
    AccountId "acc",
    /// A person who signs in, of one account.
    UserId "usr",
    /// A sign-in that lasts.
    SessionId "ses",
    /// A personal API token.
    TokenId "tok",
    /// The row of an AK/SK pair (the access key text itself is another thing).
    AccessKeyId "aky",
    /// A message to an account.
    NoticeId "ntc",
    /// A mail to a person.
    MailId "eml",
    /// A price of a SKU: the `productId` of the wire.
    PriceId "prc",
    /// A sale or a refund on its way into a statement.
    SettlementItemId "sti",
    /// A line of the audit.
    AuditId "aud",
    /// A recorded bank transfer into a buyer's balance.
    DepositId "dep",
    /// A product.
    ProductId "prd",
    /// One submitted revision of a product, under review or decided.
    ListingId "lst",
    /// An edition of a product.
    EditionId "edn",
    /// A sellable cell of an edition.
    SkuId "sku",
    /// A seller's production address.
    AddressId "adr",
    /// A seller's access key for signing calls to their server (not AK/SK).
    SellerKeyId "skk",
    /// A subscription: our side of an instance.
    SubscriptionId "sub",
    /// One thing that must become true at a seller's server.
    DeliveryId "dlv",
    /// A request that a seller sent to their own server for debugging.
    DebugTryId "try",
    /// A request of that kind that passed, kept under a name.
    DebugCaseId "cas",
    /// A ledger transaction.
    TransactionId "ltx",
    /// A seller's statement of one settlement period.
    StatementId "stm",
    /// A line of a cart.
    CartLineId "crt",
    /// What somebody has agreed to, with an order.
    AgreementId "agr",
    /// A list that somebody asked for as a file.
    ExportId "exp",
    /// One incoming request or one run of a job; what a user quotes to support.
    RequestId "req",
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn ids_sort_by_time_and_say_what_they_name() {
        let entropy = Entropy::from_seed([1; 32]);
        let early = AccountId::new(1_000, &entropy);
        let late = AccountId::new(2_000, &entropy);
        assert!(early < late && early.to_string() < late.to_string());
        assert_eq!(early.to_string().len(), "acc_".len() + TEXT_LEN);
        assert!(early.to_string().parse::<UserId>().is_err());
        assert_eq!("acc_x".parse::<AccountId>(), Err(IdError { wanted: "acc" }));
        assert_eq!("acc_8zzzzzzzzzzzzzzzzzzzzzzzzz".parse::<AccountId>(), Err(IdError { wanted: "acc" }));
    }

    #[test]
    fn ids_of_one_millisecond_sort_in_the_order_they_were_made() {
        let entropy = Entropy::from_seed([1; 32]).at_turn(77);
        let ids: Vec<_> = (0..3_000).map(|_| AccountId::new(5, &entropy)).collect();
        assert!(ids.is_sorted());
        assert!(ids[2_999] < AccountId::new(5, &Entropy::from_seed([0; 32]).at_turn(81)));
        assert!(ids[0] > AccountId::new(5, &Entropy::from_seed([0; 32]).at_turn(76)));
        assert!(ids[0] < AccountId::new(6, &Entropy::from_seed([0; 32])));
    }

    #[test]
    fn a_moment_parts_the_ids_before_it_from_those_of_it_and_after() {
        let entropy = Entropy::from_seed([1; 32]);
        let bound = AccountId::first_at(1_000);
        assert!(AccountId::new(999, &entropy) < bound && bound < AccountId::new(1_000, &entropy));
        assert!(AccountId::first_at(-5) < AccountId::new(0, &entropy));
    }

    #[test]
    fn an_id_can_be_made_to_sort_after_another_whoever_made_that() {
        let (early, late) = (Entropy::from_seed([1; 32]).at_turn(5), Entropy::from_seed([2; 32]).at_turn(9));
        let other = DeliveryId::new(1_000, &late);
        assert!(DeliveryId::new(1_000, &early) < other);
        assert!(DeliveryId::new_after(Some(other), 1_000, &early) > other);
        assert!(DeliveryId::new_after(Some(other), 400, &early) > other, "a machine's time may be behind");
        let undisturbed = DeliveryId::new_after(Some(other), 2_000, &late);
        assert_eq!(undisturbed.0 >> MILLIS_SHIFT, 2_000);
    }

    proptest! {
        #[test]
        fn every_id_reads_back(bits: u128) {
            let id = AccountId(bits);
            prop_assert_eq!(id.to_string().parse::<AccountId>().unwrap(), id);
        }
    }
}
