//! The parts that pages are made of, as data for the macros of `templates/parts.html`; `/styleguide` shows each of them.

use kernel::Locale;
use market::audit::AuditEntry;
use market::catalog::Names;

use super::shell::Words;
use crate::extract::seal_cursor;

/// A state with the colour it is shown in: `ok`, `wait`, `warn`, `bad`, `idle` or `ice`.
#[derive(Clone, Debug, Default)]
pub(crate) struct Chip {
    pub(crate) word: String,
    pub(crate) tone: &'static str,
}

/// A line to choose from.
#[derive(Clone, Debug, Default)]
pub(crate) struct Choice {
    pub(crate) value: String,
    pub(crate) label: String,
    pub(crate) on: bool,
}

impl Choice {
    /// What stands first in a filter: no choice at all.
    pub(crate) fn all(words: &Words, on: bool) -> Self {
        Self { value: String::new(), label: words.s("page-all"), on }
    }
}

/// A name with its variant.
pub(crate) fn full_name(names: &Names, words: &Words) -> (String, String) {
    let (edition, sku) = (names.edition.pick(words.locale), names.sku.pick(words.locale));
    let variant = if edition == sku { sku.to_owned() } else { format!("{edition} · {sku}") };
    (names.product.pick(words.locale).to_owned(), variant)
}

/// Something that happened, in a timeline.
#[derive(Clone, Debug)]
pub(crate) struct Moment {
    pub(crate) at: Stamp,
    pub(crate) what: String,
    /// What somebody said about it, such as a reason.
    pub(crate) note: String,
}

/// The timeline of what the audit says.
pub(crate) fn moments(entries: &[AuditEntry], now: i64, words: &Words) -> Vec<Moment> {
    let note = |entry: &AuditEntry| reason(entry.detail["reason"].as_str().unwrap_or_default(), words);
    let said = |entry: &AuditEntry| words.s(&format!("page-did-{}", entry.action.replace('.', "-")));
    entries.iter().map(|entry| Moment { at: words.stamp(entry.at, now), what: said(entry), note: note(entry) }).collect()
}

/// Why something happened: what somebody wrote, or a word of the program in the reader's words; nothing for a word that has none.
fn reason(said: &str, words: &Words) -> String {
    let told = crate::texts::word(words.locale, "reason", said);
    let is_word = !said.is_empty() && said.bytes().all(|b| b.is_ascii_lowercase() || b == b'_' || b == b'-');
    if is_word && told == said { String::new() } else { told }
}

/// A time as people say it, with the exact one beside it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Stamp {
    /// `2026-11-24 15:30`.
    pub(crate) exact: String,
    /// `3 hours ago`, `in 2 days`.
    pub(crate) said: String,
}

/// The way to the rest of a list.
pub(crate) fn more(path: &str, next: Option<&str>) -> Option<String> {
    more_of(path, &[], next)
}

/// The way to the rest of a filtered list; filters that choose nothing are left out.
pub(crate) fn more_of(path: &str, filters: &[(&str, &str)], next: Option<&str>) -> Option<String> {
    let key = next?;
    let mut query = url::form_urlencoded::Serializer::new(String::new());
    for (name, value) in filters.iter().filter(|(_, value)| !value.is_empty()) {
        query.append_pair(name, value);
    }
    Some(format!("{path}?{}", query.append_pair("cursor", &seal_cursor(key)).finish()))
}

/// A figure with what it counts, and where to look.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tile {
    pub(crate) label: String,
    pub(crate) value: String,
    /// What is said below it; may be empty.
    pub(crate) note: String,
    /// Where it leads; nowhere when empty.
    pub(crate) href: String,
    /// The colour of the figure: as of a [`Chip`], or empty.
    pub(crate) tone: &'static str,
}

/// One of the ways to look at a thing.
#[derive(Clone, Debug)]
pub(crate) struct Tab {
    pub(crate) href: String,
    pub(crate) label: String,
    pub(crate) on: bool,
}

/// One bar of a chart, placed.
#[derive(Clone, Debug)]
pub(crate) struct Bar {
    pub(crate) label: String,
    pub(crate) value: String,
    pub(crate) x: i64,
    pub(crate) y: i64,
    pub(crate) width: i64,
    pub(crate) height: i64,
}

/// A bar chart, drawn as SVG and written as a table for whoever would rather read.
#[derive(Clone, Debug)]
pub(crate) struct Chart {
    pub(crate) title: String,
    pub(crate) bars: Vec<Bar>,
    /// What the tallest bar stands for.
    pub(crate) top: String,
    /// The label of the first and of the last bar.
    pub(crate) first: String,
    pub(crate) last: String,
}

/// The drawing's size in its own units.
const CHART_WIDTH: i64 = 720;
const CHART_HEIGHT: i64 = 140;

impl Chart {
    /// A chart of these values, each with its label; `write` makes a text of a value.
    pub(crate) fn new(title: String, values: &[(String, i64)], write: impl Fn(i64) -> String) -> Self {
        let top = values.iter().map(|(_, value)| *value).max().unwrap_or(0).max(1);
        let count = i64::try_from(values.len()).unwrap_or(i64::MAX).max(1);
        let step = (CHART_WIDTH / count).max(2);
        let bar = |(place, (label, value)): (usize, &(String, i64))| {
            // Something is never drawn as nothing.
            let height = (value.max(&0).saturating_mul(CHART_HEIGHT) / top).max(i64::from(*value > 0) * 2);
            let x = i64::try_from(place).unwrap_or(0) * step;
            Bar { label: label.clone(), value: write(*value), x, y: CHART_HEIGHT - height, width: (step - 2).max(1), height }
        };
        let at = |place: Option<&(String, i64)>| place.map_or_else(String::new, |(label, _)| label.clone());
        Self {
            title,
            bars: values.iter().enumerate().map(bar).collect(),
            top: write(top),
            first: at(values.first()),
            last: at(values.last()),
        }
    }

    /// Whether there is anything to see.
    pub(crate) fn is_flat(&self) -> bool {
        self.bars.iter().all(|bar| bar.height == 0)
    }
}

/// How long something is away, in the largest unit that says enough: `3 hours ago`.
pub(crate) fn away(at: i64, now: i64, locale: Locale) -> String {
    const MINUTE: i64 = 60_000;
    const HOUR: i64 = 60 * MINUTE;
    const DAY: i64 = 24 * HOUR;
    let (distance, way) = if at <= now { (now - at, "ago") } else { (at - now, "in") };
    let (count, unit) = match distance {
        0..MINUTE => return crate::texts::part(locale, "page-just-now", &[]),
        MINUTE..HOUR => (distance / MINUTE, "minute"),
        HOUR..DAY => (distance / HOUR, "hour"),
        _ => (distance / DAY, "day"),
    };
    let one = if count == 1 { "-one" } else { "" };
    crate::texts::part(locale, &format!("page-{way}-{unit}{one}"), &[("value", count.to_string())])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_distance_is_said_in_the_largest_unit_that_says_enough() {
        let now = 10_000_000_000;
        for (at, english, chinese) in [
            (now, "just now", "刚刚"),
            (now - 61_000, "1 minute ago", "1 分钟前"),
            (now - 3 * 3_600_000, "3 hours ago", "3 小时前"),
            (now + 2 * 86_400_000, "in 2 days", "2 天后"),
            (now + 86_400_000, "in 1 day", "1 天后"),
        ] {
            assert_eq!((away(at, now, Locale::En).as_str(), away(at, now, Locale::ZhCn).as_str()), (english, chinese));
        }
    }

    #[test]
    fn a_chart_draws_what_is_there_and_nothing_else() {
        let values = [("1".to_owned(), 0), ("2".to_owned(), 1), ("3".to_owned(), 1_000)];
        let chart = Chart::new("Orders".to_owned(), &values, |value| value.to_string());
        let heights: Vec<i64> = chart.bars.iter().map(|bar| bar.height).collect();
        assert_eq!((heights, chart.top.as_str(), chart.is_flat()), (vec![0, 2, CHART_HEIGHT], "1000", false));
        assert!(Chart::new(String::new(), &[], |value| value.to_string()).is_flat());
    }

    #[test]
    fn a_reason_is_told_in_words_or_not_at_all() {
        let words = Words::of(Locale::En);
        assert_eq!(
            (reason("The buyer asked for it", &words).as_str(), reason("never_heard_of", &words).as_str()),
            ("The buyer asked for it", "")
        );
    }

    #[test]
    fn the_rest_of_a_list_keeps_what_was_chosen() {
        assert_eq!(more_of("/x", &[("state", "a b"), ("q", "")], Some("k")).as_deref(), Some("/x?state=a+b&cursor=aw"));
        assert_eq!(more("/x", None), None);
    }
}
