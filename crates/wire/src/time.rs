//! The compact UTC stamps of the protocols. Inside, a time is always an `i64` of milliseconds since 1970 UTC.
//! Years run from 1 to 9999; the very last day is left out, as in `jiff`.

use jiff::{Timestamp, civil::DateTime, tz::TimeZone};

/// 0001-01-01T00:00:00Z: the earliest time a compact stamp is written for.
const START_OF_YEAR_1_MS: i64 = -62_135_596_800_000;

fn civil(at_ms: i64) -> Option<DateTime> {
    if at_ms < START_OF_YEAR_1_MS {
        return None;
    }
    let instant = Timestamp::from_millisecond(at_ms).ok()?;
    Some(TimeZone::UTC.to_datetime(instant))
}

/// `yyyyMMddHHmmss` in UTC; fractions of a second are cut off. `None` outside the years 1 to 9999.
#[must_use]
pub fn to_compact(at_ms: i64) -> Option<String> {
    civil(at_ms).map(|time| time.strftime("%Y%m%d%H%M%S").to_string())
}

/// `yyyyMMddHHmmssSSS` in UTC. `None` outside the years 1 to 9999.
#[must_use]
pub fn to_compact_millis(at_ms: i64) -> Option<String> {
    to_compact(at_ms).map(|seconds| format!("{seconds}{:03}", at_ms.rem_euclid(1000)))
}

/// Reads `yyyyMMddHHmmss` or `yyyyMMddHHmmssSSS` in UTC (documentation shows both for one member, spec: protocol §10.6).
#[must_use]
pub fn from_compact(text: &str) -> Option<i64> {
    if !matches!(text.len(), 14 | 17) || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let number = |from: usize, to: usize| text[from..to].parse::<i16>().ok();
    let small = |from: usize| i8::try_from(number(from, from + 2)?).ok();
    let time = DateTime::new(number(0, 4)?, small(4)?, small(6)?, small(8)?, small(10)?, small(12)?, 0).ok()?;
    let seconds_ms = TimeZone::UTC.to_timestamp(time).ok().map(Timestamp::as_millisecond).filter(|at| *at >= START_OF_YEAR_1_MS)?;
    let millis = if text.len() == 17 { number(14, 17)? } else { 0 };
    Some(seconds_ms + i64::from(millis))
}

/// `yyyyMMdd'T'HHmmss'Z'`, the form of the header `X-Sdk-Date` (spec: protocol §3.1). `None` outside the years 1 to 9999.
#[must_use]
pub fn to_sdk_date(at_ms: i64) -> Option<String> {
    civil(at_ms).map(|time| time.strftime("%Y%m%dT%H%M%SZ").to_string())
}

/// Reads `yyyyMMdd'T'HHmmss'Z'`.
#[must_use]
pub fn from_sdk_date(text: &str) -> Option<i64> {
    let (date, rest) = text.split_once('T')?;
    let time = rest.strip_suffix('Z')?;
    if date.len() != 8 || time.len() != 6 {
        return None;
    }
    from_compact(&format!("{date}{time}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stamps_are_read_and_written_in_utc() {
        let at_ms = 1_705_309_323_456; // 2024-01-15T09:02:03.456Z
        assert_eq!(to_compact(at_ms).as_deref(), Some("20240115090203"));
        assert_eq!(to_compact_millis(at_ms).as_deref(), Some("20240115090203456"));
        assert_eq!(to_sdk_date(at_ms).as_deref(), Some("20240115T090203Z"));
        assert_eq!(from_compact("20240115090203456"), Some(at_ms));
        assert_eq!(from_compact("20240115090203"), Some(at_ms - 456));
        assert_eq!(from_sdk_date("20240115T090203Z"), Some(at_ms - 456));
    }

    #[test]
    fn what_is_no_time_is_refused() {
        for text in ["", "20240230000000", "20240101250000", "2024010100000", "2024年0101000000", "20240101000000000000", "00000101000000"]
        {
            assert_eq!(from_compact(text), None, "{text}");
        }
        for text in ["20240101000000", "20240101T000000", "2024-01-01T00:00:00Z", "20240101T240000Z", "TZ"] {
            assert_eq!(from_sdk_date(text), None, "{text}");
        }
        assert_eq!(to_compact(i64::MAX), None);
        assert_eq!(to_compact(i64::MIN), None);
        assert_eq!(to_compact(START_OF_YEAR_1_MS).as_deref(), Some("00010101000000"));
    }
}
