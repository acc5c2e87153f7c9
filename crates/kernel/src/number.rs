//! Order numbers and line numbers in the form sellers' servers know (spec: protocol §1.6).

use crate::{Entropy, Zone};

const ALPHABET: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";

/// A fresh order number: `CS`, the minute in the market's time zone (`yyMMddHHmm`) and ten letters, the first of which follow the
/// milliseconds of that minute and the order of acts, so that numbers sort by time and a B-tree takes them at its right edge; 14 bits are
/// random.
///
/// At most 64 characters are allowed by the protocol; this is 22.
#[must_use]
pub fn order_number(now: i64, zone: &Zone, entropy: &Entropy) -> String {
    let minute = zone.compact_minute(now);
    let millis_of_minute = u64::try_from(now.rem_euclid(60_000)).unwrap_or(0);
    let turn = (entropy.next_in_sequence() >> 10) & 0xf_ffff;
    let random = u64::from(u16::from_be_bytes(entropy.bytes())) & ((1 << 14) - 1);
    let bits = (millis_of_minute << 34) | (turn << 14) | random;
    let mut number = String::with_capacity(22);
    number.push_str("CS");
    number.push_str(&minute);
    for place in (0..10).rev() {
        let digit = usize::try_from((bits >> (5 * place)) & 31).unwrap_or(0);
        number.push(char::from(ALPHABET[digit]));
    }
    number
}

/// The number of a line of an order; lines count from 1: `CS…-000001`.
#[must_use]
pub fn order_line_number(order_number: &str, line: i64) -> String {
    format!("{order_number}-{line:06}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_sort_by_time_and_fit_the_protocol() {
        let entropy = Entropy::from_seed([3; 32]);
        let zone = Zone::shanghai();
        // 2024-01-01 08:00:00 in Shanghai.
        let start = 1_704_067_200_000;
        let mut last = String::new();
        for step in 0..500 {
            let number = order_number(start + step * 977, &zone, &entropy);
            assert!(number > last, "{number} after {last}");
            assert_eq!(number.len(), 22);
            last = number;
        }
        assert!(order_number(start, &zone, &entropy).starts_with("CS2401010800"));
        assert_eq!(order_line_number("CS1", 1), "CS1-000001");
    }
}
