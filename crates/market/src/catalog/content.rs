//! What a seller writes about a product: texts, editions, SKUs and prices, and the rules of shape that they keep.
//!
//! Invariants: pure. A draft may be unfinished ([`ProductContent::missing`] says what is missing) but never breaks a limit
//! ([`ProductContent::check`]). Editions and SKUs carry their ids from the first time the draft was saved, so a revision says which of the
//! published ones it means. Leaves out: who owns an address, and what a revision may change ([`super::state`]).

use std::collections::BTreeSet;

use kernel::{AddressId, Code, EditionId, Entropy, Locale, Refusal, SkuId};
use serde::{Deserialize, Serialize};

use super::categories;
use crate::edition::TaxKind;

/// The fewest characters of a product's name (spec: business §12 Q6).
pub const NAME_MIN: usize = 2;
/// The fewest characters of an edition's or SKU's name: sizes such as S, M and L are names, too. `[ours]`
pub const PART_NAME_MIN: usize = 1;
/// The most characters of a name (spec: business §12 Q6).
pub const NAME_MAX: usize = 60;
/// The most characters of the overview (spec: business §12 Q6).
pub const OVERVIEW_MAX: usize = 200;
/// The most characters of the description, Markdown. `[ours]`
pub const DESCRIPTION_MAX: usize = 20_000;
/// The most highlights (spec: business §12 Q6).
pub const HIGHLIGHTS_MAX: usize = 5;
/// The most characters of a highlight (spec: business §12 Q6).
pub const HIGHLIGHT_MAX: usize = 60;
/// The most editions of a product. `[ours]`
pub const EDITIONS_MAX: usize = 20;
/// The most SKUs of an edition. `[ours]`
pub const SKUS_MAX: usize = 100;
/// The most prices of a SKU: one for each unit.
pub const PRICES_MAX: usize = 3;
/// The most characters of the unit of a quantity. `[ours]`
pub const QUANTITY_UNIT_MAX: usize = 20;
/// The largest quantity: seven digits are what the wire takes (spec: protocol §2.6.1 `amount`).
pub const QUANTITY_MAX: i64 = 9_999_999;
/// The highest price of one unit, minor units: a price times a quantity stays within what can be counted. `[ours]`
pub const PRICE_MAX_MINOR: i64 = 100_000_000_000;
/// The most steps of a quantity that one step of a change may be (spec: business §11 `scaling.step.max`).
pub const SCALING_STEPS_MAX: i64 = 5;
/// The most characters of a support address or number. `[ours]`
pub const SUPPORT_MAX: usize = 100;

const _: () = assert!(PRICE_MAX_MINOR.checked_mul(QUANTITY_MAX).is_some());

kernel::words! {
    /// What a price is for: one unit of quantity for this long.
    pub enum PriceUnit {
        /// A calendar month.
        Month = "month",
        /// A calendar year.
        Year = "year",
        /// For good: a one-time price.
        Once = "once",
    }
}

impl PriceUnit {
    /// The mode in which this unit is sold.
    #[must_use]
    pub const fn charging_mode(self) -> ChargingMode {
        match self {
            Self::Month | Self::Year => ChargingMode::Period,
            Self::Once => ChargingMode::OneTime,
        }
    }
}

kernel::words! {
    /// How an edition is charged; the words are the protocol's (spec: business §3.5).
    pub enum ChargingMode {
        /// For a number of months or years.
        Period = "PERIOD",
        /// Once.
        OneTime = "ONE_TIME",
    }
}

kernel::words! {
    /// Whether a purchase can be returned without a reason (spec: business §6.4).
    pub enum RefundRule {
        /// Within the site's number of days.
        NoReason = "no_reason",
        /// Not.
        None = "none",
    }
}

/// One text in the two languages of the product. Either may be empty.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Texts {
    /// Simplified Chinese.
    #[serde(default)]
    pub zh: String,
    /// English.
    #[serde(default)]
    pub en: String,
}

impl Texts {
    /// The text in both languages.
    #[must_use]
    pub fn new(zh: impl Into<String>, en: impl Into<String>) -> Self {
        Self { zh: zh.into(), en: en.into() }
    }

    /// The text for a reader of `locale`: the other language where theirs is empty.
    #[must_use]
    pub fn pick(&self, locale: Locale) -> &str {
        let (first, second) = match locale {
            Locale::ZhCn => (&self.zh, &self.en),
            Locale::En => (&self.en, &self.zh),
        };
        if first.is_empty() { second } else { first }
    }

    /// Whether neither language says anything.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.zh.is_empty() && self.en.is_empty()
    }

    fn trim(&mut self) {
        for text in [&mut self.zh, &mut self.en] {
            if text.trim().len() != text.len() {
                *text = text.trim().to_owned();
            }
        }
    }
}

/// Which quantities of a SKU can be bought: `min`, `min + step`, … up to `max`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct QuantityRule {
    /// The smallest, from 1.
    pub min: i64,
    /// The largest, to [`QUANTITY_MAX`].
    pub max: i64,
    /// From one to the next, from 1. Cannot change once published (spec: business §3.7).
    pub step: i64,
    /// What is counted, such as users; empty where nothing is.
    #[serde(default)]
    pub unit: Texts,
}

impl QuantityRule {
    /// Exactly one, of nothing that is counted.
    #[must_use]
    pub fn one() -> Self {
        Self { min: 1, max: 1, step: 1, unit: Texts::default() }
    }

    /// Takes `quantity` or refuses it.
    ///
    /// # Errors
    /// [`Code::QuantityInvalid`] with `min`, `max` and `step`.
    pub fn admit(&self, quantity: i64) -> Result<(), Refusal> {
        let on_step = quantity.checked_sub(self.min).and_then(|above| above.checked_rem(self.step)) == Some(0);
        if (self.min..=self.max).contains(&quantity) && on_step {
            return Ok(());
        }
        Err(Refusal::new(Code::QuantityInvalid).with("min", self.min).with("max", self.max).with("step", self.step))
    }
}

/// What a SKU may be changed to while a subscription runs, or at its renewal (spec: business §5.5). Without a rule: to any SKU of the same
/// edition, in the steps of its quantity.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ChangeRule {
    /// SKUs of the same edition that it may become. Another quantity of itself is always possible.
    #[serde(default)]
    pub to: Vec<SkuId>,
    /// A change of quantity goes by this many steps of the quantity at once, 1 to [`SCALING_STEPS_MAX`].
    #[serde(default = "ChangeRule::one_step")]
    pub scaling_steps: i64,
}

impl ChangeRule {
    const fn one_step() -> i64 {
        1
    }

    /// Takes a change of `from` (SKU and quantity) to `quantity` of `to`, whose own rule of quantities is `rule`, or refuses it.
    ///
    /// # Errors
    /// [`Code::ChangeTarget`]; [`Code::QuantityInvalid`] with `min`, `max` and the `step` of a change.
    pub fn admit(&self, from: (SkuId, i64), to: SkuId, quantity: i64, rule: &QuantityRule) -> Result<(), Refusal> {
        if from.0 != to {
            return if self.to.contains(&to) { Ok(()) } else { Err(Refusal::new(Code::ChangeTarget)) };
        }
        let step = self.scaling_steps.saturating_mul(rule.step);
        if quantity.checked_sub(from.1).and_then(|more| more.checked_rem(step)) == Some(0) {
            return Ok(());
        }
        Err(Refusal::new(Code::QuantityInvalid).with("min", rule.min).with("max", rule.max).with("step", step))
    }
}

/// A price of a SKU, in the currency of the market.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PriceContent {
    /// For how long.
    pub unit: PriceUnit,
    /// For one unit of quantity, tax included, minor units; 0 is free.
    pub amount_minor: i64,
}

/// A sellable cell of an edition.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SkuContent {
    /// Its id; left out for a new one, which gets its id when the draft is saved.
    #[serde(default)]
    pub id: Option<SkuId>,
    /// Its name.
    #[serde(default)]
    pub names: Texts,
    /// Which quantities can be bought.
    pub quantity: QuantityRule,
    /// What it costs; each unit at most once.
    #[serde(default)]
    pub prices: Vec<PriceContent>,
    /// What it may be changed to; only where it is charged by period.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub change: Option<ChangeRule>,
}

/// A variant of the product with its own terms.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct EditionContent {
    /// Its id; left out for a new one, which gets its id when the draft is saved.
    #[serde(default)]
    pub id: Option<EditionId>,
    /// Its name.
    #[serde(default)]
    pub names: Texts,
    /// How it is charged. Cannot change once published (spec: business §3.7).
    pub charging_mode: ChargingMode,
    /// Which tax its price includes.
    pub tax_kind: TaxKind,
    /// Whether it can be returned; `none` for what is sold once.
    pub refund_rule: RefundRule,
    /// The production address that is called for it, and with it the key that signs the calls. Needed to submit.
    #[serde(default)]
    pub address_id: Option<AddressId>,
    /// What can be bought of it.
    #[serde(default)]
    pub skus: Vec<SkuContent>,
}

fn default_category() -> String {
    categories::OTHER.to_owned()
}

/// All that a seller writes about a product.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ProductContent {
    /// The product's name; at least one language, also in a draft.
    pub names: Texts,
    /// A short selling text.
    #[serde(default)]
    pub overview: Texts,
    /// The description, Markdown. Hostile input: whoever shows it cleans it.
    #[serde(default)]
    pub description: Texts,
    /// Short points.
    #[serde(default)]
    pub highlights: Vec<Texts>,
    /// Where it stands in the tree of categories: the slug of a leaf; `other` when left out.
    #[serde(default = "default_category")]
    pub category: String,
    /// Where buyers write to.
    #[serde(default)]
    pub support_email: String,
    /// Where buyers call.
    #[serde(default)]
    pub support_phone: String,
    /// The variants.
    #[serde(default)]
    pub editions: Vec<EditionContent>,
}

impl ProductContent {
    /// Takes the white space off both ends of every text.
    pub fn tidy(&mut self) {
        self.names.trim();
        self.overview.trim();
        self.description.trim();
        self.highlights.iter_mut().for_each(Texts::trim);
        self.support_email = self.support_email.trim().to_owned();
        self.support_phone = self.support_phone.trim().to_owned();
        for edition in &mut self.editions {
            edition.names.trim();
            for sku in &mut edition.skus {
                sku.names.trim();
                sku.quantity.unit.trim();
            }
        }
    }

    /// Gives every edition and SKU without an id a fresh one.
    pub fn number(&mut self, now: i64, entropy: &Entropy) {
        for edition in &mut self.editions {
            edition.id.get_or_insert_with(|| EditionId::new(now, entropy));
            for sku in &mut edition.skus {
                sku.id.get_or_insert_with(|| SkuId::new(now, entropy));
            }
        }
    }

    /// Checks every limit. Nothing here asks for completeness.
    ///
    /// # Errors
    /// [`Code::FieldInvalid`] with the path of the field, such as `editions.0.skus.2.names`, and its rule.
    pub fn check(&self) -> Result<(), Refusal> {
        if self.names.is_empty() {
            return Err(invalid("names", "required"));
        }
        check_name("names", &self.names, NAME_MIN)?;
        check_length("overview", &self.overview, OVERVIEW_MAX)?;
        check_length("description", &self.description, DESCRIPTION_MAX)?;
        check_count("highlights", self.highlights.len(), HIGHLIGHTS_MAX)?;
        for (i, highlight) in self.highlights.iter().enumerate() {
            let path = format!("highlights.{i}");
            check_length(&path, highlight, HIGHLIGHT_MAX)?;
            check_line(&path, highlight)?;
        }
        if categories::leaf(&self.category).is_none() {
            return Err(invalid("category", "unknown"));
        }
        check_contact("support_email", &self.support_email, "email", |text| {
            text.split_once('@').is_some_and(|(a, b)| !a.is_empty() && b.contains('.'))
        })?;
        check_contact("support_phone", &self.support_phone, "phone", |text| text.bytes().any(|b| b.is_ascii_digit()))?;
        check_count("editions", self.editions.len(), EDITIONS_MAX)?;
        self.editions.iter().enumerate().try_for_each(|(i, edition)| edition.check(&format!("editions.{i}")))?;
        self.check_ids_once()
    }

    fn check_ids_once(&self) -> Result<(), Refusal> {
        let (mut editions, mut skus) = (BTreeSet::new(), BTreeSet::new());
        for (i, edition) in self.editions.iter().enumerate() {
            if edition.id.is_some_and(|id| !editions.insert(id)) {
                return Err(invalid(format!("editions.{i}.id"), "unique"));
            }
            for (j, sku) in edition.skus.iter().enumerate() {
                if sku.id.is_some_and(|id| !skus.insert(id)) {
                    return Err(invalid(format!("editions.{i}.skus.{j}.id"), "unique"));
                }
            }
        }
        Ok(())
    }

    /// The paths of what must still be filled in before the product can be submitted; empty when it is complete.
    #[must_use]
    pub fn missing(&self) -> Vec<String> {
        let mut missing = Vec::new();
        let mut need = |there: bool, path: &str| {
            if !there {
                missing.push(path.to_owned());
            }
        };
        need(!self.overview.is_empty(), "overview");
        need(!self.description.is_empty(), "description");
        need(!(self.support_email.is_empty() && self.support_phone.is_empty()), "support_email");
        need(!self.editions.is_empty(), "editions");
        for (i, edition) in self.editions.iter().enumerate() {
            need(!edition.names.is_empty(), &format!("editions.{i}.names"));
            need(edition.address_id.is_some(), &format!("editions.{i}.address_id"));
            need(!edition.skus.is_empty(), &format!("editions.{i}.skus"));
            for (j, sku) in edition.skus.iter().enumerate() {
                need(!sku.names.is_empty(), &format!("editions.{i}.skus.{j}.names"));
                need(!sku.prices.is_empty(), &format!("editions.{i}.skus.{j}.prices"));
            }
        }
        missing
    }

    /// Takes out the editions and SKUs whose ids are given: they were retired.
    pub fn drop_retired(&mut self, editions: &BTreeSet<EditionId>, skus: &BTreeSet<SkuId>) {
        self.editions.retain(|edition| edition.id.is_none_or(|id| !editions.contains(&id)));
        for edition in &mut self.editions {
            edition.skus.retain(|sku| sku.id.is_none_or(|id| !skus.contains(&id)));
            // A rule is void where its target is removed (spec: business §5.5).
            edition.skus.iter_mut().filter_map(|sku| sku.change.as_mut()).for_each(|rule| rule.to.retain(|id| !skus.contains(id)));
        }
    }
}

impl EditionContent {
    fn check(&self, path: &str) -> Result<(), Refusal> {
        check_name(&format!("{path}.names"), &self.names, PART_NAME_MIN)?;
        // What was bought once is never returned (spec: business §6.4).
        if self.charging_mode == ChargingMode::OneTime && self.refund_rule != RefundRule::None {
            return Err(invalid(format!("{path}.refund_rule"), "not-returnable"));
        }
        check_count(&format!("{path}.skus"), self.skus.len(), SKUS_MAX)?;
        self.skus.iter().enumerate().try_for_each(|(j, sku)| sku.check(&format!("{path}.skus.{j}"), self.charging_mode))?;
        self.skus.iter().enumerate().try_for_each(|(j, sku)| self.check_change(&format!("{path}.skus.{j}.change"), sku))
    }

    /// A SKU is changed inside its edition only, and only where it is charged by period (spec: business §5.5).
    fn check_change(&self, path: &str, sku: &SkuContent) -> Result<(), Refusal> {
        let Some(ChangeRule { to, scaling_steps }) = &sku.change else { return Ok(()) };
        if self.charging_mode != ChargingMode::Period {
            return Err(invalid(path, "charging-mode"));
        }
        if !(1..=SCALING_STEPS_MAX).contains(scaling_steps) {
            return Err(invalid(format!("{path}.scaling_steps"), format!("range:1-{SCALING_STEPS_MAX}")));
        }
        let mut seen = BTreeSet::new();
        for (k, id) in to.iter().enumerate() {
            let known = self.skus.iter().any(|other| other.id == Some(*id)) && sku.id != Some(*id);
            if !known || !seen.insert(id) {
                return Err(invalid(format!("{path}.to.{k}"), if known { "unique" } else { "wrong" }));
            }
        }
        Ok(())
    }
}

impl SkuContent {
    fn check(&self, path: &str, mode: ChargingMode) -> Result<(), Refusal> {
        check_name(&format!("{path}.names"), &self.names, PART_NAME_MIN)?;
        let QuantityRule { min, max, step, unit } = &self.quantity;
        for (name, value, least) in [("min", *min, 1), ("max", *max, *min), ("step", *step, 1)] {
            if !(least..=QUANTITY_MAX).contains(&value) {
                return Err(invalid(format!("{path}.quantity.{name}"), format!("range:{least}-{QUANTITY_MAX}")));
            }
        }
        check_length(&format!("{path}.quantity.unit"), unit, QUANTITY_UNIT_MAX)?;
        check_line(&format!("{path}.quantity.unit"), unit)?;
        check_count(&format!("{path}.prices"), self.prices.len(), PRICES_MAX)?;
        let mut units = BTreeSet::new();
        for (k, price) in self.prices.iter().enumerate() {
            if price.unit.charging_mode() != mode {
                return Err(invalid(format!("{path}.prices.{k}.unit"), "charging-mode"));
            }
            if !units.insert(price.unit) {
                return Err(invalid(format!("{path}.prices.{k}.unit"), "unique"));
            }
            if !(0..=PRICE_MAX_MINOR).contains(&price.amount_minor) {
                return Err(invalid(format!("{path}.prices.{k}.amount_minor"), format!("range:0-{PRICE_MAX_MINOR}")));
            }
        }
        Ok(())
    }
}

/// A field that breaks its rule, by its path in the content.
pub(super) fn invalid(path: impl Into<String>, rule: impl Into<String>) -> Refusal {
    Refusal::new(Code::FieldInvalid).with("field", path.into()).with("rule", rule.into())
}

fn check_name(path: &str, names: &Texts, min: usize) -> Result<(), Refusal> {
    for text in [&names.zh, &names.en] {
        if !text.is_empty() && !(min..=NAME_MAX).contains(&text.chars().count()) {
            return Err(invalid(path, format!("length:{min}-{NAME_MAX}")));
        }
    }
    check_line(path, names)
}

fn check_length(path: &str, texts: &Texts, max: usize) -> Result<(), Refusal> {
    for text in [&texts.zh, &texts.en] {
        if text.chars().count() > max {
            return Err(invalid(path, format!("length:0-{max}")));
        }
        // NUL is the one character that PostgreSQL cannot store.
        if text.contains('\0') {
            return Err(invalid(path, "format"));
        }
    }
    Ok(())
}

fn check_line(path: &str, texts: &Texts) -> Result<(), Refusal> {
    if texts.zh.chars().chain(texts.en.chars()).any(char::is_control) {
        return Err(invalid(path, "format"));
    }
    Ok(())
}

fn check_count(path: &str, count: usize, max: usize) -> Result<(), Refusal> {
    if count > max { Err(invalid(path, format!("count:0-{max}"))) } else { Ok(()) }
}

fn check_contact(path: &str, text: &str, rule: &str, good: impl Fn(&str) -> bool) -> Result<(), Refusal> {
    if text.chars().count() > SUPPORT_MAX {
        return Err(invalid(path, format!("length:0-{SUPPORT_MAX}")));
    }
    if !text.is_empty() && (text.chars().any(char::is_control) || !good(text)) {
        return Err(invalid(path, rule));
    }
    Ok(())
}
