//! What a seller tells about an instance: how the buyer reaches it, and what has been used (spec: protocol §1.7).

use std::fmt;

use serde::Serialize;
use serde_json::value::RawValue;

use crate::time;

/// Longest text of a usage value (spec: protocol §1.7).
const USAGE_VALUE_MAX_CHARS: usize = 20;
/// Integer digits of Double(12,4) (spec: protocol §1.7).
const USAGE_INTEGER_DIGITS: usize = 8;
/// Decimals of Double(12,4) (spec: protocol §1.7).
const USAGE_DECIMALS: usize = 4;

/// What a seller tells about one instance (spec: protocol §1.7).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct InstanceInfo {
    /// Which instance.
    pub instance_id: String,
    /// How the buyer reaches it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub app_info: Option<AppInfo>,
    /// What has been used.
    #[serde(rename = "usageInfo", skip_serializing_if = "Vec::is_empty")]
    pub usage: Vec<UsageInfo>,
}

/// How a buyer reaches an instance (spec: protocol §1.7). In V2.0 the credentials are plain text.
#[derive(Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct AppInfo {
    /// The site's address.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub front_end_url: Option<String>,
    /// The administration's address.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub admin_url: Option<String>,
    /// The administrator's account.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user_name: Option<String>,
    /// The initial password.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub password: Option<String>,
    /// Free text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memo: Option<String>,
}

impl fmt::Debug for AppInfo {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("AppInfo")
            .field("front_end_url", &self.front_end_url)
            .field("admin_url", &self.admin_url)
            .field("user_name", &self.user_name)
            .field("password", &self.password.as_ref().map(|_| "***"))
            .field("memo", &self.memo)
            .finish()
    }
}

/// What has been used of an instance (spec: protocol §1.7).
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct UsageInfo {
    /// The pay-per-use instance that a package's usage belongs to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub related_instance_id: Option<String>,
    /// The total of a pay-per-use instance, or the used part of a package.
    pub usage_value: UsageValue,
    /// When it was counted, ms UTC.
    #[serde(rename = "statisticalTime", serialize_with = "stamp", skip_serializing_if = "Option::is_none")]
    pub statistical_at_ms: Option<i64>,
    /// Where the buyer sees the details.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dashboard_url: Option<String>,
}

// serde hands over a reference to the field, whatever its type.
#[allow(clippy::ref_option)]
fn stamp<S: serde::Serializer>(at_ms: &Option<i64>, serializer: S) -> Result<S::Ok, S::Error> {
    at_ms.and_then(time::to_compact_millis).serialize(serializer)
}

/// A used amount that fits Double(12,4), kept as plain decimal text such as `12.5` and never as a binary fraction.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct UsageValue(String);

impl UsageValue {
    /// Reads a decimal number: at most 8 digits before and 4 after the point, not negative. An exponent is accepted,
    /// because Java writes large doubles as `1.2345678E7`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        if text.len() > USAGE_VALUE_MAX_CHARS {
            return None;
        }
        let (mantissa, exponent) = match text.split_once(['e', 'E']) {
            Some((mantissa, exponent)) => (mantissa, exponent.parse::<i32>().ok()?),
            None => (text, 0),
        };
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, "0"));
        let all_digits = |digits: &str| !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
        if !all_digits(whole) || !all_digits(fraction) {
            return None;
        }
        let digits = format!("{whole}{fraction}");
        let point = i32::try_from(whole.len()).ok()?.checked_add(exponent)?;
        let (whole, fraction) = place_point(&digits, point)?;
        let whole = whole.trim_start_matches('0');
        let fraction = fraction.trim_end_matches('0');
        if whole.len() > USAGE_INTEGER_DIGITS || fraction.len() > USAGE_DECIMALS {
            return None;
        }
        let whole = if whole.is_empty() { "0" } else { whole };
        Some(Self(if fraction.is_empty() { whole.to_owned() } else { format!("{whole}.{fraction}") }))
    }

    /// Plain decimal text without superfluous zeros.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The digits before and after a point that stands after `point` digits.
fn place_point(digits: &str, point: i32) -> Option<(String, String)> {
    // Beyond this no number fits the limits, and zero needs no such exponent.
    const POINT_MAX: i32 = 40;
    if !(-POINT_MAX..=POINT_MAX).contains(&point) {
        return None;
    }
    let missing = usize::try_from(-point).unwrap_or(0);
    let padded = format!("{}{digits}", "0".repeat(missing));
    let point = usize::try_from(point).unwrap_or(0);
    if point >= padded.len() {
        let zeros = "0".repeat(point - padded.len());
        return Some((format!("{padded}{zeros}"), String::new()));
    }
    let (whole, fraction) = padded.split_at(point);
    Some((whole.to_owned(), fraction.to_owned()))
}

impl fmt::Display for UsageValue {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl Serialize for UsageValue {
    /// As a JSON number with exactly these digits, as in the published example.
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        RawValue::from_string(self.0.clone()).map_err(serde::ser::Error::custom)?.serialize(serializer)
    }
}
