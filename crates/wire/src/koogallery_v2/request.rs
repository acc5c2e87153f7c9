//! Requests to a production interface, typed, in both directions (spec: protocol §1.5 to §1.12, §7).
//!
//! Written strictly: every scalar is a JSON string, the text is canonical, the documented lengths hold. Read leniently:
//! numbers where strings are documented, 14 or 17 digits of time, `testFlag` `"0"`, members that nobody asked for.

use std::{collections::BTreeMap, fmt};

use serde_json::{Map, Value};

use super::{ResultCode, canonical::canonical};
use crate::time;

/// Longest id of an order, order line, instance, product or business (spec: protocol §1.6 to §1.11).
pub const ID_MAX_CHARS: usize = 64;
/// Most instances of one query (spec: protocol §1.7).
pub const QUERY_MAX_INSTANCES: usize = 100;

/// Which interface a call is for: the member `activity` (spec: protocol §1.5).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Activity {
    /// Create an instance.
    NewInstance,
    /// Ask for access and usage information.
    QueryInstance,
    /// Renew, convert a trial, or take a renewal back.
    RefreshInstance,
    /// Freeze or unfreeze.
    UpdateInstanceStatus,
    /// Delete the instance and its data.
    ReleaseInstance,
    /// Upgrade or expand.
    UpgradeInstance,
    /// Ask whether a renewal may change the instance.
    ChangeInstanceCheck,
    /// Tell about an order of a product without provisioning.
    OrderNotify,
}

impl Activity {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::NewInstance,
        Self::QueryInstance,
        Self::RefreshInstance,
        Self::UpdateInstanceStatus,
        Self::ReleaseInstance,
        Self::UpgradeInstance,
        Self::ChangeInstanceCheck,
        Self::OrderNotify,
    ];

    /// The word on the wire.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::NewInstance => "newInstance",
            Self::QueryInstance => "queryInstance",
            Self::RefreshInstance => "refreshInstance",
            Self::UpdateInstanceStatus => "updateInstanceStatus",
            Self::ReleaseInstance => "releaseInstance",
            Self::UpgradeInstance => "upgradeInstance",
            Self::ChangeInstanceCheck => "changeInstanceCheck",
            Self::OrderNotify => "orderNotify",
        }
    }

    /// Reads the word on the wire.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|activity| activity.as_str() == text)
    }
}

impl fmt::Display for Activity {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

/// Whether a call is real business or a seller trying out the interface (`testFlag`, spec: protocol §1.5).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Real business.
    Live,
    /// Debugging: the seller must change nothing.
    Debugging,
}

/// Why an instance is updated (spec: protocol §1.8).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RefreshScene {
    /// A trial became a paid subscription.
    TrialToFormal,
    /// Renewed.
    Renewal,
    /// A renewal was refunded.
    UnsubscribeRenewalPeriod,
    /// Renewed with another specification.
    RenewalChange,
}

impl RefreshScene {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::TrialToFormal, Self::Renewal, Self::UnsubscribeRenewalPeriod, Self::RenewalChange];

    /// The word on the wire.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::TrialToFormal => "TRIAL_TO_FORMAL",
            Self::Renewal => "RENEWAL",
            Self::UnsubscribeRenewalPeriod => "UNSUBSCRIBE_RENEWAL_PERIOD",
            Self::RenewalChange => "RENEWAL_CHANGE",
        }
    }
}

/// What becomes of an instance (spec: protocol §1.9).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InstanceStatus {
    /// Stop serving, keep the data.
    Freeze,
    /// Serve again.
    Unfreeze,
}

impl InstanceStatus {
    /// The word on the wire.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Freeze => "FREEZE",
            Self::Unfreeze => "UNFREEZE",
        }
    }
}

/// One line of one order, by the ids the seller sees.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OrderLineRef {
    /// `orderId`
    pub order_id: String,
    /// `orderLineId`
    pub order_line_id: String,
}

/// The product an instance would be changed to. The documentation lacks the table; the members are those of the order
/// query, as strings (spec: protocol §1.12).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProductInfo {
    /// `productId`
    pub product_id: String,
    /// `skuCode`
    pub sku_code: Option<String>,
    /// `linearValue`: the amount of a linear attribute.
    pub linear_value: Option<u64>,
}

/// One call to a production interface.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Request {
    /// Create an instance for a paid order (spec: protocol §1.6).
    NewInstance {
        /// What was bought.
        order: OrderLineRef,
        /// New for every call, retries included.
        business_id: String,
    },
    /// Ask for access and usage information (spec: protocol §1.7).
    QueryInstance {
        /// One to a hundred instances.
        instance_ids: Vec<String>,
    },
    /// Renew, convert a trial, or take a renewal back (spec: protocol §1.8).
    RefreshInstance {
        /// Why.
        scene: RefreshScene,
        /// The new order: conversion, renewal or refund of a renewal.
        order: OrderLineRef,
        /// Which instance.
        instance_id: String,
        /// Sent when the kind of period changes.
        product_id: Option<String>,
        /// New expiry, ms UTC; sent with whole seconds.
        expire_at_ms: i64,
    },
    /// Freeze or unfreeze (spec: protocol §1.9).
    UpdateInstanceStatus {
        /// Which instance.
        instance_id: String,
        /// What becomes of it.
        status: InstanceStatus,
    },
    /// Delete the instance and its data (spec: protocol §1.10).
    ReleaseInstance {
        /// Which instance.
        instance_id: String,
        /// The refund order, only when a refund is the cause.
        order: Option<OrderLineRef>,
    },
    /// Upgrade or expand; the seller reads the new specification with the order query (spec: protocol §1.11).
    UpgradeInstance {
        /// Which instance; its id stays.
        instance_id: String,
        /// The new order.
        order: OrderLineRef,
    },
    /// Ask whether a renewal may change the instance (spec: protocol §1.12).
    ChangeInstanceCheck {
        /// Which instance.
        instance_id: String,
        /// What it would become.
        product: ProductInfo,
    },
    /// Tell about an order of a product without provisioning (spec: protocol §7).
    OrderNotify {
        /// Which order.
        order: OrderLineRef,
    },
}

/// Why a request cannot be sent.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RequestError {
    /// A mandatory member is blank.
    #[error("{member} is empty, give it a value")]
    Empty {
        /// Name on the wire.
        member: &'static str,
    },
    /// A member is longer than documented.
    #[error("{member} has {chars} characters, at most {max} are allowed")]
    TooLong {
        /// Name on the wire.
        member: &'static str,
        /// Its length.
        chars: usize,
        /// The documented limit.
        max: usize,
    },
    /// An instance id holds a comma, which separates ids in a query.
    #[error("an instance id of a query must not contain a comma")]
    CommaInInstanceId,
    /// No instances, or too many.
    #[error("a query takes 1 to {QUERY_MAX_INSTANCES} instances, not {0}")]
    InstanceCount(usize),
    /// The expiry has no four-digit year.
    #[error("the expiry {0} ms lies outside the years 1 to 9999")]
    ExpiryOutOfRange(i64),
}

/// Why a received body is no request.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ParseError {
    /// Not a JSON object.
    #[error("the body is not a JSON object: {0}")]
    NotAnObject(String),
    /// A mandatory member is missing or blank.
    #[error("{0} is missing")]
    Missing(&'static str),
    /// A member has a value that it cannot have.
    #[error("{member} cannot be {value}")]
    Unexpected {
        /// Name on the wire.
        member: &'static str,
        /// The value, as far as it is short.
        value: String,
    },
    /// Complete, but outside a documented limit.
    #[error(transparent)]
    Limit(#[from] RequestError),
}

impl ParseError {
    /// The code a seller answers with.
    #[must_use]
    pub fn result_code(&self) -> ResultCode {
        ResultCode::InvalidParameter
    }
}

impl Request {
    /// Which interface the request is for.
    #[must_use]
    pub fn activity(&self) -> Activity {
        match self {
            Self::NewInstance { .. } => Activity::NewInstance,
            Self::QueryInstance { .. } => Activity::QueryInstance,
            Self::RefreshInstance { .. } => Activity::RefreshInstance,
            Self::UpdateInstanceStatus { .. } => Activity::UpdateInstanceStatus,
            Self::ReleaseInstance { .. } => Activity::ReleaseInstance,
            Self::UpgradeInstance { .. } => Activity::UpgradeInstance,
            Self::ChangeInstanceCheck { .. } => Activity::ChangeInstanceCheck,
            Self::OrderNotify { .. } => Activity::OrderNotify,
        }
    }

    /// The canonical body text: what is signed and what is sent.
    ///
    /// # Errors
    /// When a member breaks a documented limit; nothing of that kind leaves the marketplace.
    pub fn body(&self, mode: Mode) -> Result<String, RequestError> {
        let mut members = Members::default();
        members.put("activity", self.activity().as_str());
        match self {
            Self::NewInstance { order, business_id } => {
                members.order(order)?;
                members.id("businessId", business_id)?;
            }
            Self::QueryInstance { instance_ids } => {
                members.put("instanceId", &joined(instance_ids)?);
            }
            Self::RefreshInstance { scene, order, instance_id, product_id, expire_at_ms } => {
                members.put("scene", scene.as_str());
                members.order(order)?;
                members.id("instanceId", instance_id)?;
                if let Some(product_id) = product_id {
                    members.id("productId", product_id)?;
                }
                let expiry = time::to_compact(*expire_at_ms).ok_or(RequestError::ExpiryOutOfRange(*expire_at_ms))?;
                members.put("expireTime", &expiry);
            }
            Self::UpdateInstanceStatus { instance_id, status } => {
                members.id("instanceId", instance_id)?;
                members.put("status", status.as_str());
            }
            Self::ReleaseInstance { instance_id, order } => {
                members.id("instanceId", instance_id)?;
                if let Some(order) = order {
                    members.order(order)?;
                }
            }
            Self::UpgradeInstance { instance_id, order } => {
                members.id("instanceId", instance_id)?;
                members.order(order)?;
            }
            Self::ChangeInstanceCheck { instance_id, product } => {
                members.id("instanceId", instance_id)?;
                members.0.insert("productInfo".to_owned(), Value::Object(product_members(product)?));
            }
            Self::OrderNotify { order } => members.order(order)?,
        }
        match (mode, self.activity()) {
            (Mode::Debugging, _) => members.put("testFlag", "1"),
            // The one interface whose table makes the member mandatory (spec: protocol §7).
            (Mode::Live, Activity::OrderNotify) => members.put("testFlag", "0"),
            (Mode::Live, _) => {}
        }
        Ok(canonical(&members.0))
    }

    /// Checks the documented limits without sending anything.
    ///
    /// # Errors
    /// As [`Request::body`].
    pub fn validate(&self) -> Result<(), RequestError> {
        self.body(Mode::Live).map(drop)
    }

    /// Reads a received body: the seller's side.
    ///
    /// # Errors
    /// When the body is no complete request, with the member to blame.
    pub fn parse(body: &str) -> Result<(Self, Mode), ParseError> {
        let received = Received::read(body)?;
        let activity = received.one_of("activity", Activity::parse)?;
        let request = match activity {
            Activity::NewInstance => Self::NewInstance { order: received.order()?, business_id: received.text("businessId")? },
            Activity::QueryInstance => {
                let ids = received.text("instanceId")?;
                let instance_ids = ids.split(',').map(str::trim).filter(|id| !id.is_empty()).map(str::to_owned).collect();
                Self::QueryInstance { instance_ids }
            }
            Activity::RefreshInstance => Self::RefreshInstance {
                scene: received.one_of("scene", |text| RefreshScene::ALL.into_iter().find(|scene| scene.as_str() == text))?,
                order: received.order()?,
                instance_id: received.text("instanceId")?,
                product_id: received.optional("productId")?,
                expire_at_ms: received.one_of("expireTime", time::from_compact)?,
            },
            Activity::UpdateInstanceStatus => Self::UpdateInstanceStatus {
                instance_id: received.text("instanceId")?,
                status: received.one_of("status", |text| {
                    [InstanceStatus::Freeze, InstanceStatus::Unfreeze].into_iter().find(|status| status.as_str() == text)
                })?,
            },
            Activity::ReleaseInstance => {
                let order = if received.optional("orderId")?.is_some() { Some(received.order()?) } else { None };
                Self::ReleaseInstance { instance_id: received.text("instanceId")?, order }
            }
            Activity::UpgradeInstance => Self::UpgradeInstance { instance_id: received.text("instanceId")?, order: received.order()? },
            Activity::ChangeInstanceCheck => {
                Self::ChangeInstanceCheck { instance_id: received.text("instanceId")?, product: received.product()? }
            }
            Activity::OrderNotify => Self::OrderNotify { order: received.order()? },
        };
        let mode = received.mode()?;
        request.validate()?;
        Ok((request, mode))
    }
}

/// The members of a body under construction.
#[derive(Default)]
struct Members(Map<String, Value>);

impl Members {
    fn put(&mut self, member: &'static str, text: &str) {
        self.0.insert(member.to_owned(), Value::String(text.to_owned()));
    }

    fn id(&mut self, member: &'static str, text: &str) -> Result<(), RequestError> {
        check_id(member, text)?;
        self.put(member, text);
        Ok(())
    }

    fn order(&mut self, order: &OrderLineRef) -> Result<(), RequestError> {
        self.id("orderId", &order.order_id)?;
        self.id("orderLineId", &order.order_line_id)
    }
}

fn check_id(member: &'static str, text: &str) -> Result<(), RequestError> {
    if text.trim().is_empty() {
        return Err(RequestError::Empty { member });
    }
    let chars = text.chars().count();
    if chars > ID_MAX_CHARS {
        return Err(RequestError::TooLong { member, chars, max: ID_MAX_CHARS });
    }
    Ok(())
}

fn joined(instance_ids: &[String]) -> Result<String, RequestError> {
    if instance_ids.is_empty() || instance_ids.len() > QUERY_MAX_INSTANCES {
        return Err(RequestError::InstanceCount(instance_ids.len()));
    }
    for id in instance_ids {
        check_id("instanceId", id)?;
        if id.contains(',') {
            return Err(RequestError::CommaInInstanceId);
        }
    }
    Ok(instance_ids.join(","))
}

fn product_members(product: &ProductInfo) -> Result<Map<String, Value>, RequestError> {
    let mut members = Members::default();
    members.id("productId", &product.product_id)?;
    if let Some(sku_code) = &product.sku_code {
        members.id("skuCode", sku_code)?;
    }
    if let Some(linear_value) = product.linear_value {
        members.put("linearValue", &linear_value.to_string());
    }
    Ok(members.0)
}

/// Longest value that an error repeats.
const SHOWN_MAX_CHARS: usize = 40;

fn unexpected(member: &'static str, value: &str) -> ParseError {
    ParseError::Unexpected { member, value: value.chars().take(SHOWN_MAX_CHARS).collect() }
}

/// The members of a body that arrived; of members with one name the last counts.
struct Received(BTreeMap<String, Value>);

impl Received {
    fn read(body: &str) -> Result<Self, ParseError> {
        serde_json::from_str(body).map(Self).map_err(|error| ParseError::NotAnObject(error.to_string()))
    }

    fn optional(&self, member: &'static str) -> Result<Option<String>, ParseError> {
        match self.0.get(member) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(text)) if text.trim().is_empty() => Ok(None),
            Some(Value::String(text)) => Ok(Some(text.clone())),
            Some(Value::Number(number)) => Ok(Some(number.to_string())),
            Some(other) => Err(unexpected(member, &other.to_string())),
        }
    }

    fn text(&self, member: &'static str) -> Result<String, ParseError> {
        self.optional(member)?.ok_or(ParseError::Missing(member))
    }

    fn one_of<T>(&self, member: &'static str, read: impl Fn(&str) -> Option<T>) -> Result<T, ParseError> {
        let text = self.text(member)?;
        read(&text).ok_or_else(|| unexpected(member, &text))
    }

    fn order(&self) -> Result<OrderLineRef, ParseError> {
        Ok(OrderLineRef { order_id: self.text("orderId")?, order_line_id: self.text("orderLineId")? })
    }

    fn product(&self) -> Result<ProductInfo, ParseError> {
        let product = match self.0.get("productInfo") {
            None | Some(Value::Null) => return Err(ParseError::Missing("productInfo")),
            Some(Value::Object(members)) => Self(members.clone().into_iter().collect()),
            Some(other) => return Err(unexpected("productInfo", &other.to_string())),
        };
        let linear_value = match product.optional("linearValue")? {
            None => None,
            Some(text) => Some(text.parse().map_err(|_| unexpected("linearValue", &text))?),
        };
        Ok(ProductInfo { product_id: product.text("productId")?, sku_code: product.optional("skuCode")?, linear_value })
    }

    fn mode(&self) -> Result<Mode, ParseError> {
        match self.optional("testFlag")?.as_deref() {
            None | Some("0") => Ok(Mode::Live),
            Some("1") => Ok(Mode::Debugging),
            Some(other) => Err(unexpected("testFlag", other)),
        }
    }
}
