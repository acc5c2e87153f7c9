//! What can be tried, and what has to be filled in for it.
//!
//! Invariant: pure. Every scene of the protocol is here, and what is filled in becomes a request that the protocol takes, or a refusal that
//! names the field.

use std::collections::BTreeMap;

use kernel::{Code, Refusal};
use serde::{Deserialize, Serialize};
use wire::koogallery_v2::{InstanceStatus, OrderLineRef, ProductInfo, RefreshScene, Request};
use wire::time;

/// The most characters of an id (spec: protocol §1.6 to §1.11).
const ID_CHARS_MAX: usize = 64;
/// The most instances of one question (spec: protocol §1.7).
const INSTANCES_MAX: usize = 100;
/// The largest amount: seven digits are what the wire takes (spec: protocol §2.6.1 `amount`).
const AMOUNT_MAX: u64 = 9_999_999;
/// For so long a mock renewal goes, ms.
const MOCK_PERIOD_MS: i64 = 365 * 86_400_000;

kernel::words! {
    /// What is tried (spec: protocol §1.6 to §1.12, §7).
    pub enum DebugScene {
        /// Open an instance for a purchase.
        Create = "create",
        /// Ask how an instance is used, and how much of it was used.
        Query = "query",
        /// A renewal.
        Renewal = "renewal",
        /// A renewal to another SKU or quantity.
        RenewalChange = "renewal_change",
        /// A trial that is paid for now.
        TrialToFormal = "trial_to_formal",
        /// A renewal that has not begun was returned.
        CancelRenewal = "cancel_renewal",
        /// The end was reached.
        Freeze = "freeze",
        /// It was renewed after its end, or the operator lifted the freeze.
        Unfreeze = "unfreeze",
        /// It was frozen for too long: gone with its data.
        Release = "release",
        /// It was returned: gone with its data.
        ReleaseRefund = "release_refund",
        /// Another SKU or quantity.
        Upgrade = "upgrade",
        /// May a renewal change it?
        ChangeCheck = "change_check",
        /// An order of a product without an instance.
        OrderNotify = "order_notify",
    }
}

kernel::words! {
    /// What may have to be filled in.
    pub enum DebugField {
        /// The order.
        OrderId = "order_id",
        /// Its line.
        OrderLineId = "order_line_id",
        /// The instance; several of them, separated by commas, where it is asked about.
        InstanceId = "instance_id",
        /// The product, as the wire calls a price; not needed for a renewal that changes nothing.
        ProductId = "product_id",
        /// The SKU.
        SkuCode = "sku_code",
        /// The amount of a linear attribute.
        LinearValue = "linear_value",
        /// The new end, UTC, `yyyyMMddHHmmss`.
        ExpireTime = "expire_time",
    }
}

kernel::words! {
    /// How the request is signed.
    pub enum Signing {
        /// With the key of the address.
        Right = "right",
        /// With another key: a sound server says no.
        Forged = "forged",
    }
}

/// What is filled in, by field.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(transparent)]
pub struct Parameters(pub BTreeMap<DebugField, String>);

impl Parameters {
    fn get(&self, field: DebugField) -> &str {
        self.0.get(&field).map_or("", |text| text.trim())
    }

    /// Only what the scene asks for, trimmed.
    #[must_use]
    pub fn of_scene(&self, scene: DebugScene) -> Self {
        let wanted = scene.fields().iter().map(|field| (*field, self.get(*field).to_owned()));
        Self(wanted.filter(|(_, text)| !text.is_empty()).collect())
    }
}

impl DebugScene {
    /// What is filled in for it, in the order of a form.
    #[must_use]
    pub const fn fields(self) -> &'static [DebugField] {
        use DebugField::{ExpireTime, InstanceId, LinearValue, OrderId, OrderLineId, ProductId, SkuCode};
        match self {
            Self::Create | Self::OrderNotify => &[OrderId, OrderLineId],
            Self::Query | Self::Freeze | Self::Unfreeze | Self::Release => &[InstanceId],
            Self::Renewal | Self::RenewalChange | Self::TrialToFormal | Self::CancelRenewal => {
                &[InstanceId, OrderId, OrderLineId, ExpireTime, ProductId]
            }
            Self::ReleaseRefund | Self::Upgrade => &[InstanceId, OrderId, OrderLineId],
            Self::ChangeCheck => &[InstanceId, ProductId, SkuCode, LinearValue],
        }
    }

    /// Whether the scene can do without the field.
    #[must_use]
    pub const fn is_optional(self, field: DebugField) -> bool {
        match field {
            DebugField::ProductId => !matches!(self, Self::ChangeCheck),
            DebugField::SkuCode | DebugField::LinearValue => true,
            DebugField::OrderId | DebugField::OrderLineId | DebugField::InstanceId | DebugField::ExpireTime => false,
        }
    }

    /// The mock order that the order query answers for it (spec: protocol §3.3).
    const fn mock_order(self) -> &'static str {
        match self {
            Self::Renewal | Self::RenewalChange => "MOCKMONTYRENEW",
            Self::TrialToFormal => "MOCKMONTYTRIALTOFORMAL",
            Self::CancelRenewal | Self::ReleaseRefund => "MOCKMONTYUNSUBSCRIBE",
            Self::Upgrade | Self::ChangeCheck => "MOCKMONTYCHANGE",
            Self::OrderNotify => "MOCKONETIMENEW",
            Self::Create | Self::Query | Self::Freeze | Self::Unfreeze | Self::Release => "MOCKPERIODYEARNEW",
        }
    }

    /// Something sensible in every field, at market time `now`; `instance` is one that the server has named before.
    #[must_use]
    pub fn prefilled(self, instance: Option<&str>, now: i64) -> Parameters {
        let order = self.mock_order();
        let value = |field: DebugField| match field {
            DebugField::OrderId => order.to_owned(),
            DebugField::OrderLineId => format!("{order}-000001"),
            DebugField::InstanceId => instance.unwrap_or("mock-instance-000001").to_owned(),
            DebugField::ProductId if self.is_optional(field) => String::new(),
            DebugField::ProductId => "MOCKPRODUCT000000000001".to_owned(),
            DebugField::SkuCode => "00000000-0000-0000-0000-000000000001".to_owned(),
            DebugField::LinearValue => "10".to_owned(),
            DebugField::ExpireTime => time::to_compact(now.saturating_add(MOCK_PERIOD_MS)).unwrap_or_default(),
        };
        Parameters(self.fields().iter().map(|field| (*field, value(*field))).collect())
    }

    /// The request; `business_id` is a new one for each call (spec: protocol §1.6).
    ///
    /// # Errors
    /// [`Code::FieldInvalid`] with the field and its rule.
    pub fn request(self, given: &Parameters, business_id: String) -> Result<Request, Refusal> {
        for field in self.fields() {
            check(self, *field, given.get(*field))?;
        }
        let text = |field| given.get(field).to_owned();
        let instance_id = text(DebugField::InstanceId);
        let order = OrderLineRef { order_id: text(DebugField::OrderId), order_line_id: text(DebugField::OrderLineId) };
        let optional = |field| Some(text(field)).filter(|text| !text.is_empty());
        let refresh = |scene| Request::RefreshInstance {
            scene,
            order: order.clone(),
            instance_id: instance_id.clone(),
            product_id: optional(DebugField::ProductId),
            expire_at_ms: time::from_compact(given.get(DebugField::ExpireTime)).unwrap_or_default(),
        };
        let status = |status| Request::UpdateInstanceStatus { instance_id: instance_id.clone(), status };
        let request = match self {
            Self::Create => Request::NewInstance { order, business_id },
            Self::Query => Request::QueryInstance { instance_ids: instances(&instance_id) },
            Self::Renewal => refresh(RefreshScene::Renewal),
            Self::RenewalChange => refresh(RefreshScene::RenewalChange),
            Self::TrialToFormal => refresh(RefreshScene::TrialToFormal),
            Self::CancelRenewal => refresh(RefreshScene::UnsubscribeRenewalPeriod),
            Self::Freeze => status(InstanceStatus::Freeze),
            Self::Unfreeze => status(InstanceStatus::Unfreeze),
            Self::Release => Request::ReleaseInstance { instance_id, order: None },
            Self::ReleaseRefund => Request::ReleaseInstance { instance_id, order: Some(order) },
            Self::Upgrade => Request::UpgradeInstance { instance_id, order },
            Self::ChangeCheck => Request::ChangeInstanceCheck {
                instance_id,
                product: ProductInfo {
                    product_id: text(DebugField::ProductId),
                    sku_code: optional(DebugField::SkuCode),
                    linear_value: given.get(DebugField::LinearValue).parse().ok(),
                },
            },
            Self::OrderNotify => Request::OrderNotify { order },
        };
        // The wire has the last word; whatever it minds beyond this stands in no field of its own.
        request.validate().map_err(|why| Refusal::new(Code::BodyInvalid).with("detail", why))?;
        Ok(request)
    }
}

/// The instances of a question.
pub(super) fn instances(text: &str) -> Vec<String> {
    text.split(',').map(str::trim).filter(|id| !id.is_empty()).map(str::to_owned).collect()
}

fn check(scene: DebugScene, field: DebugField, text: &str) -> Result<(), Refusal> {
    let wrong = |rule: String| Err(Refusal::field(field.word(), rule));
    if text.is_empty() {
        return if scene.is_optional(field) { Ok(()) } else { wrong("required".to_owned()) };
    }
    if text.chars().any(char::is_control) {
        return wrong("format".to_owned());
    }
    let fits = |text: &str| text.chars().count() <= ID_CHARS_MAX;
    match field {
        DebugField::LinearValue => match text.parse::<u64>() {
            Ok(1..=AMOUNT_MAX) => Ok(()),
            _ => wrong(format!("range:1-{AMOUNT_MAX}")),
        },
        DebugField::ExpireTime => match time::from_compact(text) {
            Some(_) => Ok(()),
            None => wrong("compact_time".to_owned()),
        },
        DebugField::InstanceId if scene == DebugScene::Query => {
            let ids = instances(text);
            if ids.is_empty() {
                return wrong("required".to_owned());
            }
            if ids.len() > INSTANCES_MAX {
                return wrong(format!("count:1-{INSTANCES_MAX}"));
            }
            if ids.iter().all(|id| fits(id)) { Ok(()) } else { wrong(format!("length:1-{ID_CHARS_MAX}")) }
        }
        DebugField::OrderId | DebugField::OrderLineId | DebugField::InstanceId | DebugField::ProductId | DebugField::SkuCode => {
            if fits(text) { Ok(()) } else { wrong(format!("length:1-{ID_CHARS_MAX}")) }
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use wire::koogallery_v2::Mode;

    #[test]
    fn what_is_prefilled_can_be_sent_in_every_scene() {
        for scene in DebugScene::ALL {
            let given = scene.prefilled(Some("i-1"), 1_800_000_000_000);
            let body = scene.request(&given, "b-1".to_owned()).unwrap().body(Mode::Debugging).unwrap();
            assert!(body.contains(r#""testFlag":"1""#), "{scene}: {body}");
            assert_eq!(body.contains("MOCKP"), given.0.values().any(|value| value.starts_with("MOCKP")), "{scene}: {body}");
        }
    }

    #[test]
    fn what_is_filled_in_wrongly_is_told_by_its_field() {
        let with = |scene: DebugScene, field, text: &str| {
            let mut given = scene.prefilled(None, 1_800_000_000_000);
            given.0.insert(field, text.to_owned());
            scene.request(&given, "b-1".to_owned())
        };
        for (scene, field, text, rule) in [
            (DebugScene::Create, DebugField::OrderId, "  ", "required"),
            (DebugScene::Create, DebugField::OrderId, &*"x".repeat(65), "length:1-64"),
            (DebugScene::Freeze, DebugField::InstanceId, "a\u{1}b", "format"),
            (DebugScene::Query, DebugField::InstanceId, ",,", "required"),
            (DebugScene::Query, DebugField::InstanceId, &*"a,".repeat(101), "count:1-100"),
            (DebugScene::Renewal, DebugField::ExpireTime, "2027-01-01", "compact_time"),
            (DebugScene::ChangeCheck, DebugField::LinearValue, "-3", "range:1-9999999"),
            (DebugScene::ChangeCheck, DebugField::ProductId, "", "required"),
        ] {
            assert_eq!(with(scene, field, text).unwrap_err(), Refusal::field(field.word(), rule), "{scene} {text:?}");
        }
        assert!(with(DebugScene::Renewal, DebugField::ProductId, "").is_ok());
        assert!(with(DebugScene::Query, DebugField::InstanceId, "a, b").is_ok());
    }
}
