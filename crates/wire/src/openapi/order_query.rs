//! The order query: what a seller learns about one of its orders (spec: protocol §3.3).
//!
//! Includes the nine mock orders that a seller queries while debugging. Left out: which seller may see which order.

use jiff::{Span, Timestamp, tz::TimeZone};
use serde::{Deserialize, Serialize};

use super::OpenApiCode;

/// The path of the interface; `orderId` and optionally `orderLineId` are its query parameters.
pub const PATH: &str = "/api/mkp-openapi-public/global/v1/order/query";
/// Longest `orderId` and `orderLineId`.
pub const ID_MAX_CHARS: usize = 64;
/// Longest `resultMsg`.
pub const MESSAGE_MAX_CHARS: usize = 1024;

/// The whole answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct OrderQueryAnswer {
    /// `MKT.0000`, or another of [`OpenApiCode`].
    pub result_code: String,
    /// What the code means.
    pub result_msg: String,
    /// The order, when the code is success.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub order_info: Option<OrderInfo>,
    /// More about a failure, with some of the codes (spec: protocol §8.3).
    #[serde(rename = "extra_info", default, skip_serializing_if = "Option::is_none")]
    pub extra_info: Option<String>,
}

impl OrderQueryAnswer {
    /// The order was found.
    #[must_use]
    pub fn found(order: OrderInfo) -> Self {
        Self { order_info: Some(order), ..Self::failed(OpenApiCode::Success) }
    }

    /// Anything else; goes with the code's HTTP status.
    #[must_use]
    pub fn failed(code: OpenApiCode) -> Self {
        Self { result_code: code.as_str().to_owned(), result_msg: code.message().to_owned(), order_info: None, extra_info: None }
    }

    /// The same with more about the failure.
    #[must_use]
    pub fn extra_info(mut self, extra_info: &str) -> Self {
        self.extra_info = Some(extra_info.to_owned());
        self
    }

    /// Another message, cut to the documented length.
    #[must_use]
    pub fn message(mut self, message: &str) -> Self {
        self.result_msg = message.chars().take(MESSAGE_MAX_CHARS).collect();
        self
    }
}

/// Why an order exists.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum OrderType {
    /// Purchase.
    New,
    /// Trial.
    Trial,
    /// A trial became a paid subscription.
    TrialToFormal,
    /// Refund.
    Unsubscribe,
    /// Renewal.
    Renew,
    /// Upgrade or expansion.
    Change,
}

/// How an order line is charged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum ChargingMode {
    /// Pay-per-use.
    OnDemand,
    /// One-time.
    OneTime,
    /// Period.
    Period,
    /// Package.
    OnDemandPkg,
}

/// The unit of a period.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PeriodType {
    /// Years.
    Year,
    /// Months.
    Month,
    /// Days.
    Day,
}

/// One order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct OrderInfo {
    /// At most 64 characters.
    pub order_id: String,
    /// Why the order exists.
    pub order_type: OrderType,
    /// When it was placed, ms UTC; on the wire `yyyyMMddHHmmss`.
    #[serde(rename = "createTime", with = "compact")]
    pub created_at_ms: i64,
    /// What was bought.
    #[serde(rename = "orderLine")]
    pub order_lines: Vec<OrderLine>,
    /// Who bought.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub buyer_info: Option<BuyerInfo>,
    /// Further facts by name.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub extend_params: Vec<ExtendParam>,
}

impl OrderInfo {
    /// The same order with only the line asked for; `None` when it has no such line.
    #[must_use]
    pub fn only_line(mut self, order_line_id: &str) -> Option<Self> {
        self.order_lines.retain(|line| line.order_line_id == order_line_id);
        (!self.order_lines.is_empty()).then_some(self)
    }
}

/// One line of an order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct OrderLine {
    /// `<orderId>-000001` and so on.
    pub order_line_id: String,
    /// How the line is charged.
    pub charging_mode: ChargingMode,
    /// Unit of the period, for [`ChargingMode::Period`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub period_type: Option<PeriodType>,
    /// How many units, for [`ChargingMode::Period`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub period_number: Option<u32>,
    /// Expiry, ms UTC; on the wire `yyyyMMddHHmmss`.
    #[serde(rename = "expireTime", default, with = "compact_option", skip_serializing_if = "Option::is_none")]
    pub expires_at_ms: Option<i64>,
    /// What was bought; a list, as in the published example.
    #[serde(rename = "productInfo")]
    pub products: Vec<ProductInfo>,
    /// Further facts by name.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub extend_params: Vec<ExtendParam>,
}

/// One product of an order line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ProductInfo {
    /// At most 64 characters.
    pub product_id: String,
    /// Which SKU.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sku_code: Option<String>,
    /// The amount of a linear attribute, such as seats.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub linear_value: Option<u64>,
    /// "name,specification,edition", as in the published example.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub product_name: Option<String>,
}

/// Who bought. Phone and e-mail only with the buyer's consent.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct BuyerInfo {
    /// The buyer's account id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub customer_id: Option<String>,
    /// The buyer's account name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub customer_name: Option<String>,
    /// The user of the account who ordered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user_id: Option<String>,
    /// That user's name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user_name: Option<String>,
    /// Mobile number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mobile_phone: Option<String>,
    /// E-mail address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub email: Option<String>,
}

/// A further fact.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExtendParam {
    /// Its name.
    pub name: String,
    /// Its value.
    pub value: String,
}

/// What a mock order is an example of.
struct Mock {
    order_id: &'static str,
    order_type: OrderType,
    charging_mode: ChargingMode,
    period: Option<(PeriodType, u32)>,
}

const fn mock(order_id: &'static str, order_type: OrderType, charging_mode: ChargingMode, period: Option<(PeriodType, u32)>) -> Mock {
    Mock { order_id, order_type, charging_mode, period }
}

/// Length of the mock trial in days (ours).
const MOCK_TRIAL_DAYS: u32 = 7;
/// Seats of a mock product (ours).
const MOCK_LINEAR_VALUE: u64 = 10;
const ONE_MONTH: Option<(PeriodType, u32)> = Some((PeriodType::Month, 1));

/// The documented mock orders; the spelling "MONTY" is the original one (spec: protocol §3.3).
const MOCKS: [Mock; 9] = [
    mock("MOCKPERIODYEARNEW", OrderType::New, ChargingMode::Period, Some((PeriodType::Year, 1))),
    mock("MOCKONETIMENEW", OrderType::New, ChargingMode::OneTime, None),
    mock("MOCKONDEMAND", OrderType::New, ChargingMode::OnDemand, None),
    mock("MOCKONDEMANDPKG", OrderType::New, ChargingMode::OnDemandPkg, None),
    mock("MOCKPERIODDAYTRIAL", OrderType::Trial, ChargingMode::Period, Some((PeriodType::Day, MOCK_TRIAL_DAYS))),
    mock("MOCKMONTYTRIALTOFORMAL", OrderType::TrialToFormal, ChargingMode::Period, ONE_MONTH),
    mock("MOCKMONTYUNSUBSCRIBE", OrderType::Unsubscribe, ChargingMode::Period, ONE_MONTH),
    mock("MOCKMONTYRENEW", OrderType::Renew, ChargingMode::Period, ONE_MONTH),
    mock("MOCKMONTYCHANGE", OrderType::Change, ChargingMode::Period, ONE_MONTH),
];

/// The ids of the mock orders, for pages that offer them.
pub fn mock_order_ids() -> impl Iterator<Item = &'static str> {
    MOCKS.iter().map(|mock| mock.order_id)
}

/// A mock order as if placed at `now_ms` (ms UTC); `None` for any other id. Its line is `<id>-000001`.
#[must_use]
pub fn mock_order(order_id: &str, now_ms: i64) -> Option<OrderInfo> {
    let mock = MOCKS.iter().find(|mock| mock.order_id == order_id)?;
    let line = OrderLine {
        order_line_id: format!("{order_id}-000001"),
        charging_mode: mock.charging_mode,
        period_type: mock.period.map(|(unit, _)| unit),
        period_number: mock.period.map(|(_, number)| number),
        expires_at_ms: mock.period.and_then(|(unit, number)| after(now_ms, unit, number)),
        products: vec![ProductInfo {
            product_id: "MOCKPRODUCT000000000001".to_owned(),
            sku_code: Some("00000000-0000-0000-0000-000000000001".to_owned()),
            linear_value: Some(MOCK_LINEAR_VALUE),
            product_name: Some("Mock product,Mock specification,Basic".to_owned()),
        }],
        extend_params: Vec::new(),
    };
    Some(OrderInfo {
        order_id: order_id.to_owned(),
        order_type: mock.order_type,
        created_at_ms: now_ms,
        order_lines: vec![line],
        buyer_info: Some(BuyerInfo {
            customer_id: Some("mock-customer".to_owned()),
            customer_name: Some("mock".to_owned()),
            ..BuyerInfo::default()
        }),
        extend_params: Vec::new(),
    })
}

/// The same time of day some calendar units later, in UTC.
fn after(at_ms: i64, unit: PeriodType, number: u32) -> Option<i64> {
    let span = match unit {
        PeriodType::Year => Span::new().try_years(number),
        PeriodType::Month => Span::new().try_months(number),
        PeriodType::Day => Span::new().try_days(number),
    };
    let start = TimeZone::UTC.to_datetime(Timestamp::from_millisecond(at_ms).ok()?);
    let end = start.checked_add(span.ok()?).ok()?;
    Some(TimeZone::UTC.to_timestamp(end).ok()?.as_millisecond())
}

/// `yyyyMMddHHmmss` on the wire, ms UTC inside.
mod compact {
    use serde::{Deserialize, Deserializer, Serializer, de, ser};

    use crate::time;

    // serde hands over references.
    #[allow(clippy::trivially_copy_pass_by_ref)]
    pub(super) fn serialize<S: Serializer>(at_ms: &i64, serializer: S) -> Result<S::Ok, S::Error> {
        let text = time::to_compact(*at_ms).ok_or_else(|| ser::Error::custom("the time lies outside the years 1 to 9999"))?;
        serializer.serialize_str(&text)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<i64, D::Error> {
        let text = String::deserialize(deserializer)?;
        time::from_compact(&text).ok_or_else(|| de::Error::custom("not a time yyyyMMddHHmmss"))
    }
}

/// As [`compact`], for a time that may be missing.
mod compact_option {
    use serde::{Deserialize, Deserializer, Serializer};

    // serde hands over references.
    #[allow(clippy::ref_option)]
    pub(super) fn serialize<S: Serializer>(at_ms: &Option<i64>, serializer: S) -> Result<S::Ok, S::Error> {
        match at_ms {
            Some(at_ms) => super::compact::serialize(at_ms, serializer),
            None => serializer.serialize_none(),
        }
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<i64>, D::Error> {
        #[derive(Deserialize)]
        struct Stamp(#[serde(with = "super::compact")] i64);
        Ok(Option::<Stamp>::deserialize(deserializer)?.map(|Stamp(at_ms)| at_ms))
    }
}
