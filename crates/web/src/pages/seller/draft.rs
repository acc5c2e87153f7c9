//! The draft of a product as a form: what was typed becomes content, and content becomes what stands in the form, so that nothing typed is lost
//! whatever is pressed.
//!
//! Everything is one form. Rows are added and taken away by buttons of it, which save nothing.

use kernel::{Code, Currency, Locale, Money, Refusal};
use market::catalog::{
    ChangeRule, ChargingMode, EDITIONS_MAX, EditionContent, HIGHLIGHTS_MAX, PriceContent, PriceUnit, ProductContent, QuantityRule,
    RefundRule, SKUS_MAX, SkuContent, Texts, categories,
};
use market::edition::TaxKind;

use crate::pages::form::typed_money;
use crate::pages::shell::Words;
use crate::problem;
use crate::texts;

/// A text in both languages, as it stands in the form.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Two {
    pub(super) zh: String,
    pub(super) en: String,
}

impl Two {
    fn of(texts: &Texts) -> Self {
        Self { zh: texts.zh.clone(), en: texts.en.clone() }
    }

    fn texts(&self) -> Texts {
        Texts::new(lines(&self.zh), lines(&self.en))
    }

    fn set(&mut self, language: &str, value: &str) {
        match language {
            "zh" => value.clone_into(&mut self.zh),
            "en" => value.clone_into(&mut self.en),
            _ => {}
        }
    }
}

/// Browsers end lines of a text area with CR LF.
fn lines(text: &str) -> String {
    text.replace("\r\n", "\n")
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct SkuForm {
    /// Where it stands in the form, such as `editions.0.skus.1.`; its fields follow.
    pub(super) at: String,
    pub(super) id: String,
    pub(super) names: Two,
    pub(super) min: String,
    pub(super) max: String,
    pub(super) step: String,
    pub(super) unit: Two,
    pub(super) month: String,
    pub(super) year: String,
    pub(super) once: String,
    /// `any` or `listed`.
    pub(super) change: String,
    pub(super) to: Vec<String>,
    pub(super) steps: String,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct EditionForm {
    pub(super) at: String,
    pub(super) id: String,
    pub(super) names: Two,
    pub(super) charging_mode: String,
    pub(super) tax_kind: String,
    pub(super) refund_rule: String,
    pub(super) address_id: String,
    pub(super) skus: Vec<SkuForm>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct DraftForm {
    pub(super) names: Two,
    pub(super) overview: Two,
    pub(super) description: Two,
    pub(super) highlights: Vec<Two>,
    pub(super) category: String,
    pub(super) support_email: String,
    pub(super) support_phone: String,
    pub(super) editions: Vec<EditionForm>,
    pub(super) version: String,
    pub(super) key: String,
    /// What is wrong, by place.
    wrong: Vec<(String, String)>,
    /// What is wrong with the whole.
    pub(super) said: String,
}

/// What a button of the form asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Asked {
    Save,
    Preview,
    /// A row was added or taken away.
    Rows,
}

impl SkuForm {
    fn new() -> Self {
        let one = || "1".to_owned();
        Self { min: one(), max: one(), step: one(), change: "any".to_owned(), steps: one(), ..Self::default() }
    }

    fn of(sku: &SkuContent, currency: Currency) -> Self {
        let price = |unit| {
            let price = sku.prices.iter().find(|price| price.unit == unit);
            price.map_or_else(String::new, |price| Money::new(price.amount_minor, currency).decimal())
        };
        Self {
            at: String::new(),
            id: sku.id.map_or_else(String::new, |id| id.to_string()),
            names: Two::of(&sku.names),
            min: sku.quantity.min.to_string(),
            max: sku.quantity.max.to_string(),
            step: sku.quantity.step.to_string(),
            unit: Two::of(&sku.quantity.unit),
            month: price(PriceUnit::Month),
            year: price(PriceUnit::Year),
            once: price(PriceUnit::Once),
            change: if sku.change.is_some() { "listed" } else { "any" }.to_owned(),
            to: sku.change.as_ref().map_or_else(Vec::new, |rule| rule.to.iter().map(ToString::to_string).collect()),
            steps: sku.change.as_ref().map_or(1, |rule| rule.scaling_steps).to_string(),
        }
    }

    fn set(&mut self, path: &[&str], value: &str) {
        let value_of = || value.to_owned();
        match path {
            ["id"] => self.id = value_of(),
            ["names", language] => self.names.set(language, value),
            ["min"] => self.min = value_of(),
            ["max"] => self.max = value_of(),
            ["step"] => self.step = value_of(),
            ["unit", language] => self.unit.set(language, value),
            ["month"] => self.month = value_of(),
            ["year"] => self.year = value_of(),
            ["once"] => self.once = value_of(),
            ["change"] => self.change = value_of(),
            ["to"] if self.to.len() < SKUS_MAX => self.to.push(value_of()),
            ["steps"] => self.steps = value_of(),
            _ => {}
        }
    }

    fn content(&self, currency: Currency, mode: ChargingMode, wrong: &mut Vec<(String, String)>) -> SkuContent {
        let at = &self.at;
        let mut number = |field: &str, typed: &str, max: &str| {
            typed.trim().parse::<i64>().unwrap_or_else(|_| {
                wrong.push((format!("{at}{field}"), format!("range:1-{max}")));
                1
            })
        };
        let (min, max, step) =
            (number("min", &self.min, "9999999"), number("max", &self.max, "9999999"), number("step", &self.step, "9999999"));
        let scaling_steps = if self.change == "listed" { number("steps", &self.steps, "5") } else { 1 };
        let mut prices = Vec::new();
        for (unit, typed) in [(PriceUnit::Month, &self.month), (PriceUnit::Year, &self.year), (PriceUnit::Once, &self.once)] {
            if typed.trim().is_empty() {
                continue;
            }
            match typed_money("prices", typed, currency) {
                Ok(amount_minor) => prices.push(PriceContent { unit, amount_minor }),
                Err(_) => wrong.push((format!("{at}prices"), "money".to_owned())),
            }
        }
        let change = (mode == ChargingMode::Period && self.change == "listed")
            .then(|| ChangeRule { to: self.to.iter().filter_map(|id| id.parse().ok()).collect(), scaling_steps });
        SkuContent {
            id: self.id.parse().ok(),
            names: self.names.texts(),
            quantity: QuantityRule { min, max, step, unit: self.unit.texts() },
            prices,
            change,
        }
    }
}

impl EditionForm {
    fn new() -> Self {
        Self {
            charging_mode: ChargingMode::Period.word().to_owned(),
            tax_kind: TaxKind::Software.word().to_owned(),
            refund_rule: RefundRule::NoReason.word().to_owned(),
            skus: vec![SkuForm::new()],
            ..Self::default()
        }
    }

    fn of(edition: &EditionContent, currency: Currency) -> Self {
        Self {
            at: String::new(),
            id: edition.id.map_or_else(String::new, |id| id.to_string()),
            names: Two::of(&edition.names),
            charging_mode: edition.charging_mode.word().to_owned(),
            tax_kind: edition.tax_kind.word().to_owned(),
            refund_rule: edition.refund_rule.word().to_owned(),
            address_id: edition.address_id.map_or_else(String::new, |id| id.to_string()),
            skus: edition.skus.iter().map(|sku| SkuForm::of(sku, currency)).collect(),
        }
    }

    fn set(&mut self, path: &[&str], value: &str) {
        let value_of = || value.to_owned();
        match path {
            ["id"] => self.id = value_of(),
            ["names", language] => self.names.set(language, value),
            ["charging_mode"] => self.charging_mode = value_of(),
            ["tax_kind"] => self.tax_kind = value_of(),
            ["refund_rule"] => self.refund_rule = value_of(),
            ["address_id"] => self.address_id = value_of(),
            ["skus", place, rest @ ..] => {
                if let Some(sku) = row(&mut self.skus, place, SKUS_MAX) {
                    sku.set(rest, value);
                }
            }
            _ => {}
        }
    }

    fn content(&self, currency: Currency, wrong: &mut Vec<(String, String)>) -> EditionContent {
        let charging_mode = self.charging_mode.parse().unwrap_or(ChargingMode::Period);
        EditionContent {
            id: self.id.parse().ok(),
            names: self.names.texts(),
            charging_mode,
            tax_kind: self.tax_kind.parse().unwrap_or(TaxKind::Software),
            refund_rule: self.refund_rule.parse().unwrap_or(RefundRule::None),
            address_id: self.address_id.parse().ok(),
            skus: self.skus.iter().map(|sku| sku.content(currency, charging_mode, wrong)).collect(),
        }
    }
}

/// The row of a number, made where it is not there yet; none beyond what there may be.
fn row<'a, T: Default + Clone>(rows: &'a mut Vec<T>, place: &str, max: usize) -> Option<&'a mut T> {
    let place = place.parse::<usize>().ok().filter(|place| *place < max)?;
    if rows.len() <= place {
        rows.resize(place + 1, T::default());
    }
    rows.get_mut(place)
}

impl DraftForm {
    /// An empty form with one edition and one SKU to begin with.
    pub(super) fn new(key: String) -> Self {
        Self { category: categories::OTHER.to_owned(), editions: vec![EditionForm::new()], key, ..Self::default() }.placed()
    }

    /// What is written already.
    pub(super) fn of(content: &ProductContent, version: i64, currency: Currency) -> Self {
        let form = Self {
            names: Two::of(&content.names),
            overview: Two::of(&content.overview),
            description: Two::of(&content.description),
            highlights: content.highlights.iter().map(Two::of).collect(),
            category: content.category.clone(),
            support_email: content.support_email.clone(),
            support_phone: content.support_phone.clone(),
            editions: content.editions.iter().map(|edition| EditionForm::of(edition, currency)).collect(),
            version: version.to_string(),
            ..Self::default()
        };
        form.placed()
    }

    /// What a browser sent, and what its button asked for.
    pub(super) fn sent(pairs: &[(String, String)]) -> (Self, Asked) {
        let (mut form, mut asked) = (Self::default(), Asked::Save);
        for (name, value) in pairs {
            let path: Vec<&str> = name.split('.').collect();
            match path.as_slice() {
                ["names", language] => form.names.set(language, value),
                ["overview", language] => form.overview.set(language, value),
                ["description", language] => form.description.set(language, value),
                ["highlights", place, language] => {
                    if let Some(highlight) = row(&mut form.highlights, place, HIGHLIGHTS_MAX) {
                        highlight.set(language, value);
                    }
                }
                ["category"] => value.clone_into(&mut form.category),
                ["support_email"] => value.clone_into(&mut form.support_email),
                ["support_phone"] => value.clone_into(&mut form.support_phone),
                ["version"] => value.clone_into(&mut form.version),
                ["key"] => value.clone_into(&mut form.key),
                ["editions", place, rest @ ..] => {
                    if let Some(edition) = row(&mut form.editions, place, EDITIONS_MAX) {
                        edition.set(rest, value);
                    }
                }
                _ => {}
            }
        }
        if let Some((_, act)) = pairs.iter().rev().find(|(name, _)| name == "do") {
            asked = form.act(act);
        }
        (form.placed(), asked)
    }

    fn act(&mut self, act: &str) -> Asked {
        let parts: Vec<&str> = act.split('.').collect();
        let number = |text: &str| text.parse::<usize>().unwrap_or(usize::MAX);
        match parts.as_slice() {
            ["preview"] => return Asked::Preview,
            ["add-highlight"] if self.highlights.len() < HIGHLIGHTS_MAX => self.highlights.push(Two::default()),
            ["drop-highlight", place] if number(place) < self.highlights.len() => drop(self.highlights.remove(number(place))),
            ["add-edition"] if self.editions.len() < EDITIONS_MAX => self.editions.push(EditionForm::new()),
            ["drop-edition", place] if number(place) < self.editions.len() => drop(self.editions.remove(number(place))),
            ["add-sku", place] => {
                if let Some(edition) = self.editions.get_mut(number(place)).filter(|edition| edition.skus.len() < SKUS_MAX) {
                    edition.skus.push(SkuForm::new());
                }
            }
            ["drop-sku", edition, place] => {
                let edition = self.editions.get_mut(number(edition));
                if let Some(edition) = edition.filter(|edition| number(place) < edition.skus.len()) {
                    edition.skus.remove(number(place));
                }
            }
            ["add-highlight" | "add-edition" | "drop-highlight" | "drop-edition", ..] => {}
            _ => return Asked::Save,
        }
        Asked::Rows
    }

    /// The same with each row knowing where it stands.
    fn placed(mut self) -> Self {
        for (i, edition) in self.editions.iter_mut().enumerate() {
            edition.at = format!("editions.{i}.");
            for (j, sku) in edition.skus.iter_mut().enumerate() {
                sku.at = format!("editions.{i}.skus.{j}.");
            }
        }
        self
    }

    /// The content that was typed, as far as it can be read; what cannot be is noted beside its field.
    pub(super) fn content(&mut self, currency: Currency, words: &Words) -> ProductContent {
        let mut wrong = Vec::new();
        let highlights = self.highlights.iter().map(Two::texts).filter(|texts| !texts.pick(Locale::En).trim().is_empty());
        let content = ProductContent {
            names: self.names.texts(),
            overview: self.overview.texts(),
            description: self.description.texts(),
            highlights: highlights.collect(),
            // A form that was open before there were categories has none.
            category: if self.category.is_empty() { categories::OTHER.to_owned() } else { self.category.clone() },
            support_email: self.support_email.clone(),
            support_phone: self.support_phone.clone(),
            editions: self.editions.iter().map(|edition| edition.content(currency, &mut wrong)).collect(),
        };
        for (place, rule) in wrong {
            self.note(&place, &rule, words);
        }
        content
    }

    fn note(&mut self, place: &str, rule: &str, words: &Words) {
        let said = texts::rule(words.locale, rule);
        self.wrong.push((place.to_owned(), said));
    }

    /// Whether anything that was typed cannot be read.
    pub(super) fn is_readable(&self) -> bool {
        self.wrong.is_empty()
    }

    /// Notes a refusal: beside its field when it is about one.
    pub(super) fn refuse(&mut self, refusal: &Refusal, words: &Words) {
        let value = |wanted: &str| refusal.args.iter().find(|(name, _)| *name == wanted).map(|(_, value)| value.clone());
        match (refusal.code, value("field"), value("rule")) {
            (Code::FieldInvalid, Some(field), Some(rule)) => self.note(&field_of(&field), &rule, words),
            _ => self.said = problem::sentence(refusal, words.locale),
        }
    }

    /// What is wrong at a place of the form; empty when nothing is.
    pub(super) fn at(&self, at: &str, field: &str) -> &str {
        let found = self.wrong.iter().find(|(place, _)| place.strip_prefix(at) == Some(field));
        found.map_or("", |(_, said)| said)
    }

    /// Everything that is wrong, for the list above the form: the place in words, what is wrong, and where it stands.
    pub(super) fn complaints(&self, words: &Words) -> Vec<(String, String, String)> {
        self.wrong.iter().map(|(place, said)| (in_words(place, words), said.clone(), place.clone())).collect()
    }
}

/// The field of the form that a path of the content means.
fn field_of(path: &str) -> String {
    for (part, field) in [(".prices.", ".prices"), (".change.scaling_steps", ".steps"), (".change.", ".change")] {
        if let Some((before, _)) = path.split_once(part) {
            return format!("{before}{field}");
        }
    }
    path.replace(".quantity.", ".")
}

/// A place of a draft as people say it: `Edition 1 › SKU 2 › Prices`.
pub(super) fn in_words(path: &str, words: &Words) -> String {
    let mut said = Vec::new();
    let mut parts = path.split('.').peekable();
    while let Some(part) = parts.next() {
        let number = parts.peek().and_then(|next| next.parse::<usize>().ok());
        let key = format!("page-sell-place-{}", part.replace('_', "-"));
        match (part, number) {
            ("editions", Some(number)) => said.push(words.with("page-sell-place-edition", (number + 1).to_string())),
            ("skus", Some(number)) => said.push(words.with("page-sell-place-sku", (number + 1).to_string())),
            ("highlights", Some(number)) => said.push(words.with("page-sell-place-highlight", (number + 1).to_string())),
            _ => said.push(words.s(&key)),
        }
        if number.is_some() {
            parts.next();
        }
    }
    said.join(" › ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pairs(list: &[(&str, &str)]) -> Vec<(String, String)> {
        list.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn what_was_typed_stays_when_rows_come_and_go() {
        let typed = [
            ("names.zh", "云表格"),
            ("editions.0.names.en", "Standard"),
            ("editions.0.skus.0.names.en", "Basic"),
            ("editions.0.skus.0.month", "12.50"),
            ("editions.0.skus.1.names.en", "Pro"),
        ];
        let sent = |act: &str| DraftForm::sent(&pairs(&[&typed[..], &[("do", act)]].concat()));
        let (form, asked) = sent("add-sku.0");
        assert_eq!((asked, form.editions[0].skus.len(), form.names.zh.as_str()), (Asked::Rows, 3, "云表格"));
        assert_eq!((form.editions[0].skus[0].month.as_str(), form.editions[0].skus[2].at.as_str()), ("12.50", "editions.0.skus.2."));
        let (form, _) = sent("drop-sku.0.0");
        assert_eq!((form.editions[0].skus.len(), form.editions[0].skus[0].names.en.as_str()), (1, "Pro"));
        let (form, _) = sent("drop-edition.0");
        assert!(form.editions.is_empty());
        assert_eq!(sent("drop-sku.9.9").0.editions[0].skus.len(), 2, "what is not there cannot go");
        assert_eq!((sent("save").1, sent("preview").1, sent("nonsense").1), (Asked::Save, Asked::Preview, Asked::Save));
        let (form, _) = DraftForm::sent(&pairs(&[("editions.99999999.names.en", "x"), ("editions.x.names.en", "y")]));
        assert!(form.editions.is_empty(), "rows have a largest number");
    }

    #[test]
    fn places_of_the_content_are_fields_of_the_form() {
        for (path, field) in [
            ("editions.0.skus.2.prices.1.unit", "editions.0.skus.2.prices"),
            ("editions.0.skus.2.quantity.max", "editions.0.skus.2.max"),
            ("editions.0.skus.2.change.to.0", "editions.0.skus.2.change"),
            ("editions.0.skus.2.change.scaling_steps", "editions.0.skus.2.steps"),
            ("editions.0.refund_rule", "editions.0.refund_rule"),
            ("names", "names"),
        ] {
            assert_eq!(field_of(path), field);
        }
    }
}
