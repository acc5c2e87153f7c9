//! A form that comes back: what was typed in it, and what is wrong beside which field, so that nobody types anything twice.

use kernel::{Code, Currency, Locale, Refusal};
use serde::Deserialize;

use crate::problem::{self, ApiError, ApiResult};
use crate::texts;

/// A form that carries nothing but its button.
#[derive(Deserialize)]
pub(crate) struct NoFields {}

/// What a browser sends of a form, in its order.
pub(crate) type Pairs = Vec<(String, String)>;

/// The refusal that a form shows beside its fields; a fault stays one.
pub(crate) fn refused(error: ApiError) -> ApiResult<Refusal> {
    match error {
        ApiError::Refused(refusal) => Ok(refusal),
        fault @ (ApiError::Unavailable(_) | ApiError::Broken(_)) => Err(fault),
    }
}

/// What stands in a form.
#[derive(Clone, Debug, Default)]
pub(crate) struct Filled {
    values: Vec<(String, String)>,
    wrong: Vec<(String, String)>,
    said: String,
}

impl Filled {
    /// A form as it came from a browser (`Form<Vec<(String, String)>>`).
    pub(crate) fn of(values: Vec<(String, String)>) -> Self {
        Self { values, ..Self::default() }
    }

    /// The same with a value in a field.
    #[must_use]
    pub(crate) fn with(mut self, name: &str, value: impl Into<String>) -> Self {
        self.values.retain(|(known, _)| known != name);
        self.values.push((name.to_owned(), value.into()));
        self
    }

    /// What stands in a field; nothing where it is not there.
    pub(crate) fn value(&self, name: &str) -> &str {
        self.values.iter().find(|(known, _)| known == name).map_or("", |(_, value)| value)
    }

    /// What stands in a field, without blanks around it.
    pub(crate) fn trimmed(&self, name: &str) -> &str {
        self.value(name).trim()
    }

    /// Everything that stands in fields of one name, such as ticked boxes.
    pub(crate) fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.values.iter().filter(move |(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// Whether a box of this name and value is ticked, or a line chosen.
    pub(crate) fn is_on(&self, name: &str, value: &str) -> bool {
        self.all(name).any(|chosen| chosen == value)
    }

    /// A number from a field.
    ///
    /// # Errors
    /// [`Code::FieldInvalid`] when it is none.
    pub(crate) fn number(&self, name: &'static str) -> Result<i64, Refusal> {
        self.trimmed(name).parse().map_err(|_| Refusal::field(name, "number"))
    }

    /// The same, refused: what is wrong goes beside its field, or above the form when it is about no field of it.
    #[must_use]
    pub(crate) fn refused(self, refusal: &Refusal, locale: Locale) -> Self {
        let field = match refusal.code {
            Code::FieldInvalid => refusal.args.iter().find(|(name, _)| *name == "field").map(|(_, value)| value.clone()),
            _ => None,
        };
        let rule = refusal.args.iter().find(|(name, _)| *name == "rule").map(|(_, rule)| texts::rule(locale, rule));
        match field {
            Some(field) => self.wrong_at_field(&field, rule.unwrap_or_else(|| problem::sentence(refusal, locale))),
            None => Self { said: problem::sentence(refusal, locale), ..self },
        }
    }

    /// As [`Self::refused`], with codes that belong beside a field of this form.
    #[must_use]
    pub(crate) fn refused_beside(self, refusal: &Refusal, locale: Locale, places: &[(Code, &str)]) -> Self {
        match places.iter().find(|(code, _)| *code == refusal.code) {
            Some((_, field)) => self.wrong_at_field(field, problem::sentence(refusal, locale)),
            None => self.refused(refusal, locale),
        }
    }

    /// The same with something wrong beside a field; above the form, should it have no such field.
    #[must_use]
    pub(crate) fn wrong_at_field(mut self, field: &str, said: String) -> Self {
        if self.values.iter().any(|(known, _)| known == field) {
            self.wrong.push((field.to_owned(), said));
        } else {
            self.said = format!("{field}: {said}");
        }
        self
    }

    /// Whether something is wrong with it.
    pub(crate) fn is_refused(&self) -> bool {
        !self.wrong.is_empty() || !self.said.is_empty()
    }

    /// What is wrong beside a field; empty when nothing is.
    pub(crate) fn wrong_at(&self, name: &str) -> &str {
        self.wrong.iter().find(|(known, _)| known == name).map_or("", |(_, said)| said)
    }

    /// What is wrong with the whole of it.
    pub(crate) fn said(&self) -> &str {
        &self.said
    }
}

/// A sum as people type it (`1,234.50`, `¥1234.5`), in minor units.
///
/// # Errors
/// [`Code::FieldInvalid`] when it is none, or has more decimals than the currency.
pub(crate) fn typed_money(field: &'static str, text: &str, currency: Currency) -> Result<i64, Refusal> {
    let refused = || Refusal::field(field, "money");
    let plain: String = text.trim().trim_start_matches(['¥', '￥', '$', '€']).chars().filter(|c| !matches!(c, ',' | '，' | ' ')).collect();
    let (whole, fraction) = plain.split_once('.').unwrap_or((&plain, ""));
    let decimals = usize::try_from(currency.decimals()).unwrap_or(0);
    let digits = |text: &str| text.bytes().all(|b| b.is_ascii_digit());
    if whole.is_empty() || whole.len() > 15 || !digits(whole) || !digits(fraction) || fraction.len() > decimals {
        return Err(refused());
    }
    format!("{whole}{fraction:0<decimals$}").parse().map_err(|_| refused())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn what_is_wrong_stands_beside_its_field_and_everything_typed_stays() {
        let form = Filled::of(vec![
            ("amount".to_owned(), "x".to_owned()),
            ("side".to_owned(), "a".to_owned()),
            ("side".to_owned(), "b".to_owned()),
        ]);
        let refused = form.number("amount").unwrap_err();
        let again = form.refused(&refused, Locale::En);
        assert_eq!((again.value("amount"), again.wrong_at("amount").is_empty(), again.said()), ("x", false, ""));
        assert!(again.is_on("side", "b") && !again.is_on("side", "c"));
        let elsewhere = again.refused(&Refusal::new(Code::VersionStale), Locale::En);
        assert!(!elsewhere.said().is_empty());
    }

    #[test]
    fn a_sum_is_read_as_people_type_it_and_never_rounded() {
        for (text, minor) in [
            ("1234.50", Some(123_450)),
            (" ¥1,234.5 ", Some(123_450)),
            ("0.01", Some(1)),
            ("7", Some(700)),
            ("", None),
            ("1.234", None),
            ("-1", None),
            ("1e3", None),
            (".5", None),
            ("99999999999999999999", None),
        ] {
            assert_eq!(typed_money("amount", text, Currency::CNY).ok(), minor, "{text}");
        }
    }
}
