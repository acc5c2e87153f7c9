//! A value as it was given: text of a variable, or a value of a TOML file. What it must be is the setting's business.

use std::{fmt::Display, str::FromStr};

/// A value as it was given.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Given<'a> {
    /// The text of a variable; the items of a list are separated by commas.
    Text(&'a str),
    /// A value of a file.
    Toml(&'a toml::Value),
}

impl Given<'_> {
    pub(crate) fn text(&self) -> Result<String, String> {
        match self {
            Self::Text(text) => Ok(text.trim().to_owned()),
            Self::Toml(toml::Value::String(text)) => Ok(text.trim().to_owned()),
            Self::Toml(other) => Err(format!("expected text in quotes, not {}", kind(other))),
        }
    }

    /// Text that is read by `T`, whose error says what is wrong.
    pub(crate) fn parsed<T: FromStr<Err: Display>>(&self) -> Result<T, String> {
        self.text()?.parse().map_err(|error: T::Err| error.to_string())
    }

    /// A whole number from `min` to `max`.
    pub(crate) fn whole<T: TryFrom<i64>>(&self, min: i64, max: i64) -> Result<T, String> {
        let number = match self {
            Self::Text(text) => text.trim().replace('_', "").parse().map_err(|_| format!("{text:?} is not a whole number"))?,
            Self::Toml(toml::Value::Integer(number)) => *number,
            Self::Toml(other) => return Err(format!("expected a whole number, not {}", kind(other))),
        };
        let refused = || format!("{number} is not in the range {min} to {max}");
        if !(min..=max).contains(&number) {
            return Err(refused());
        }
        T::try_from(number).map_err(|_| refused())
    }

    pub(crate) fn flag(&self) -> Result<bool, String> {
        match self {
            Self::Text(text) => match text.trim() {
                "true" => Ok(true),
                "false" => Ok(false),
                other => Err(format!("{other:?} is not true or false")),
            },
            Self::Toml(toml::Value::Boolean(flag)) => Ok(*flag),
            Self::Toml(other) => Err(format!("expected true or false, not {}", kind(other))),
        }
    }

    /// At most `max` items, each read by `item`.
    pub(crate) fn list<T>(&self, max: usize, item: impl Fn(Given<'_>) -> Result<T, String>) -> Result<Vec<T>, String> {
        let items: Vec<T> = match self {
            Self::Text(text) => {
                let parts = text.split(',').map(str::trim).filter(|part| !part.is_empty());
                parts.map(|part| item(Given::Text(part))).collect::<Result<_, _>>()?
            }
            Self::Toml(toml::Value::Array(values)) => values.iter().map(|value| item(Given::Toml(value))).collect::<Result<_, _>>()?,
            Self::Toml(other) => return Err(format!("expected a list in square brackets, not {}", kind(other))),
        };
        if items.len() > max { Err(format!("{} items are more than {max}", items.len())) } else { Ok(items) }
    }
}

fn kind(value: &toml::Value) -> &'static str {
    match value {
        toml::Value::String(_) => "text",
        toml::Value::Integer(_) => "a whole number",
        toml::Value::Float(_) => "a number with a fraction",
        toml::Value::Boolean(_) => "true or false",
        toml::Value::Datetime(_) => "a date without quotes",
        toml::Value::Array(_) => "a list",
        toml::Value::Table(_) => "a table",
    }
}
