//! What a measurement found: figures beside their limits, the claims they bear out, and on what machine. As a table, and as one line of JSON.

use std::fmt::{self, Write};

use serde::Serialize;
use serde_json::{Map, Value};

use crate::machine::{Machine, Quiet};
use crate::stats;

/// What a figure is to the product.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// It is what the product does.
    Measured,
    /// It was measured in the same run, and is as much as can be had.
    Limit,
    /// Others published it, or it is another program's.
    Peer,
}

/// In what a value is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Unit {
    /// Of something, a second.
    PerSecond,
    /// Millionths of a second.
    Micros,
    /// Thousandths of a second.
    Millis,
    /// 1024 bytes.
    Kib,
    /// A share, in thousandths, shown in per cent.
    Share,
    /// How many times as much, in thousandths.
    Times,
}

impl Unit {
    /// The value for a reader.
    #[must_use]
    pub fn show(self, value: u64) -> String {
        let tenths = |value: u64, of: u64| format!("{}.{}", value / of, value % of * 10 / of);
        match self {
            Self::PerSecond => format!("{}/s", grouped(value)),
            Self::Micros if value < 1_000 => format!("{value} µs"),
            Self::Micros => format!("{} ms", tenths(value, 1_000)),
            Self::Millis => format!("{value} ms"),
            Self::Kib => format!("{} MiB", tenths(value, 1_024)),
            Self::Share => format!("{} %", tenths(value, 10)),
            Self::Times => format!("{}×", tenths(value, 1_000)),
        }
    }
}

/// `1234567` as `1,234,567`.
fn grouped(value: u64) -> String {
    let digits = value.to_string();
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// One thing that was counted, in every round.
#[derive(Clone, Debug, Serialize)]
pub struct Figure {
    /// What it stands beside, such as `64 clients`.
    pub group: String,
    /// What it is.
    pub name: String,
    /// What it is to the product.
    pub role: Role,
    /// In what it is counted.
    pub unit: Unit,
    /// The value of each round.
    pub runs: Vec<u64>,
    /// Their middle.
    pub median: u64,
    /// Half of the answers took no longer, µs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub p50_us: Option<u64>,
    /// Of a hundred answers 99 took no longer, µs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub p99_us: Option<u64>,
}

/// Whether a claim wants at least or at most its value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Wanted {
    /// So much or more.
    AtLeast,
    /// So much or less.
    AtMost,
}

/// A target, and what was found.
#[derive(Clone, Debug, Serialize)]
pub struct Claim {
    /// What is claimed.
    pub what: String,
    /// Which way.
    pub wanted: Wanted,
    /// The target.
    pub target: u64,
    /// What was found.
    pub found: u64,
    /// In what both are counted.
    pub unit: Unit,
    /// Whether the target is reached.
    pub reached: bool,
}

impl Claim {
    /// That `found` is so much or more.
    #[must_use]
    pub fn at_least(what: impl Into<String>, unit: Unit, target: u64, found: u64) -> Self {
        Self { what: what.into(), wanted: Wanted::AtLeast, target, found, unit, reached: found >= target }
    }

    /// That `found` is so much or less.
    #[must_use]
    pub fn at_most(what: impl Into<String>, unit: Unit, target: u64, found: u64) -> Self {
        Self { what: what.into(), wanted: Wanted::AtMost, target, found, unit, reached: found <= target }
    }
}

/// Everything that one workload found.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// The workload, such as `w1`.
    pub workload: String,
    /// What it is.
    pub title: String,
    /// On which engine; none where there is none.
    pub engine: Option<String>,
    /// How it was run.
    pub settings: Map<String, Value>,
    /// On what.
    pub machine: Machine,
    /// The noisiest moment.
    pub quiet: Quiet,
    /// Whether the machine was ours alone: otherwise the figures do not count.
    pub fit: bool,
    /// What was counted.
    pub figures: Vec<Figure>,
    /// What it was to show.
    pub claims: Vec<Claim>,
    /// What a reader must know.
    pub notes: Vec<String>,
}

impl Report {
    /// What a workload counted in so quiet a time; without claims and notes.
    pub(crate) fn of(
        (workload, title): (&str, &str),
        engine: &str,
        settings: Map<String, Value>,
        machine: Machine,
        quiet: Quiet,
        figures: Vec<Figure>,
    ) -> Self {
        Self {
            workload: workload.to_owned(),
            title: title.to_owned(),
            engine: Some(engine.to_owned()),
            settings,
            machine,
            quiet,
            fit: quiet.fit(),
            figures,
            claims: Vec::new(),
            notes: Vec::new(),
        }
    }

    /// The middle of a figure; 0 when there is none of the name.
    #[must_use]
    pub fn median(&self, group: &str, name: &str) -> u64 {
        self.figures.iter().find(|figure| figure.group == group && figure.name == name).map_or(0, |figure| figure.median)
    }

    /// The report in one line.
    ///
    /// # Errors
    /// When it cannot be written: a fault of this crate.
    pub fn json(&self) -> serde_json::Result<String> {
        serde_json::to_string(self)
    }
}

impl fmt::Display for Report {
    /// The report as a table for people, in Markdown.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let engine = self.engine.as_ref().map_or_else(String::new, |engine| format!(" on {engine}"));
        writeln!(f, "{}: {}{engine}\n", self.workload, self.title)?;
        let Machine { cores, cpu, memory_mib, fsyncs_per_second, .. } = &self.machine;
        writeln!(f, "{cores} × {cpu}, {memory_mib} MiB, {} flushes/s", grouped(*fsyncs_per_second))?;
        let Quiet { others_permille, steal_permille, pressure_permille } = self.quiet;
        let verdict = if self.fit { "fit" } else { "UNFIT, the machine was not ours alone" };
        writeln!(
            f,
            "{verdict}: others used {} of it, the hypervisor {}, pressure {}\n",
            Unit::Share.show(others_permille),
            Unit::Share.show(steal_permille),
            Unit::Share.show(pressure_permille)
        )?;
        let time = |us: Option<u64>| us.map_or_else(String::new, |us| Unit::Micros.show(us));
        let rows = self.figures.iter().map(|figure| {
            let runs: Vec<String> = figure.runs.iter().map(u64::to_string).collect();
            vec![
                figure.group.clone(),
                figure.name.clone(),
                figure.unit.show(figure.median),
                time(figure.p50_us),
                time(figure.p99_us),
                runs.join(" "),
            ]
        });
        table(f, &["", "what", "median", "p50", "p99", "rounds"], rows.collect())?;
        let claims = self.claims.iter().map(|claim| {
            let sign = if claim.wanted == Wanted::AtLeast { "≥" } else { "≤" };
            let verdict = if claim.reached { "reached" } else { "missed" };
            vec![claim.what.clone(), format!("{sign} {}", claim.unit.show(claim.target)), claim.unit.show(claim.found), verdict.to_owned()]
        });
        table(f, &["target", "wanted", "found", ""], claims.collect())?;
        self.notes.iter().try_for_each(|note| writeln!(f, "{note}"))
    }
}

/// A table of Markdown whose columns stand under each other.
fn table(f: &mut fmt::Formatter<'_>, head: &[&str], rows: Vec<Vec<String>>) -> fmt::Result {
    if rows.is_empty() {
        return Ok(());
    }
    let mut lines = vec![head.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>()];
    lines.extend(rows);
    let width = |column: usize| lines.iter().map(|line| line[column].chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..head.len()).map(width).collect();
    for (place, line) in lines.iter().enumerate() {
        let mut text = String::from("|");
        for (cell, width) in line.iter().zip(&widths) {
            write!(text, " {cell:<width$} |")?;
        }
        writeln!(f, "{text}")?;
        if place == 0 {
            let rule: Vec<String> = widths.iter().map(|width| "-".repeat(width + 2)).collect();
            writeln!(f, "|{}|", rule.join("|"))?;
        }
    }
    writeln!(f)
}

/// A figure of rounds, without times.
#[must_use]
pub fn figure(group: impl Into<String>, name: impl Into<String>, role: Role, unit: Unit, runs: Vec<u64>) -> Figure {
    let median = stats::median(&runs);
    Figure { group: group.into(), name: name.into(), role, unit, runs, median, p50_us: None, p99_us: None }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
pub(crate) mod tests {
    use super::*;

    /// A report with everything that a report can have.
    pub(crate) fn example() -> Report {
        let machine = Machine {
            cores: 2,
            cpu: "Example & Sons <3>".to_owned(),
            memory_mib: 8_192,
            kernel: "6.1".to_owned(),
            fsyncs_per_second: 1_234,
        };
        let mut measured = figure("8 clients", "over HTTP", Role::Measured, Unit::PerSecond, vec![1_900, 2_000, 2_100]);
        (measured.p50_us, measured.p99_us) = (Some(950), Some(12_345));
        Report {
            workload: "w1".to_owned(),
            title: "orders".to_owned(),
            engine: Some("sqlite".to_owned()),
            settings: Map::from_iter([("seconds".to_owned(), Value::from(5))]),
            machine,
            quiet: Quiet::default(),
            fit: true,
            figures: vec![measured, figure("8 clients", "in process", Role::Limit, Unit::PerSecond, vec![4_000])],
            claims: vec![Claim::at_least("of in process", Unit::Share, 600, 500), Claim::at_most("p99", Unit::Micros, 10_000, 9_999)],
            notes: vec!["A note.".to_owned()],
        }
    }

    #[test]
    fn values_are_shown_as_people_read_them() {
        for (unit, value, expected) in [
            (Unit::PerSecond, 1_234_567, "1,234,567/s"),
            (Unit::PerSecond, 12, "12/s"),
            (Unit::Micros, 999, "999 µs"),
            (Unit::Micros, 12_345, "12.3 ms"),
            (Unit::Share, 605, "60.5 %"),
            (Unit::Times, 2_500, "2.5×"),
            (Unit::Kib, 1_536, "1.5 MiB"),
        ] {
            assert_eq!(unit.show(value), expected);
        }
    }

    #[test]
    fn a_target_is_reached_or_missed_in_its_direction() {
        assert!(Claim::at_least("", Unit::Share, 600, 600).reached && !Claim::at_least("", Unit::Share, 600, 599).reached);
        assert!(Claim::at_most("", Unit::Micros, 10, 10).reached && !Claim::at_most("", Unit::Micros, 10, 11).reached);
    }

    #[test]
    fn the_table_says_everything_that_was_found() {
        let text = example().to_string();
        for part in [
            "w1: orders on sqlite",
            "fit: others used 0.0 %",
            "| 8 clients | over HTTP  | 2,000/s | 950 µs | 12.3 ms | 1900 2000 2100 |",
            "| of in process | ≥ 60.0 %  | 50.0 % | missed  |",
            "| p99           | ≤ 10.0 ms | 9.9 ms | reached |",
            "A note.",
        ] {
            assert!(text.contains(part), "{part}\n{text}");
        }
        let unfit = Report { fit: false, ..example() };
        assert!(unfit.to_string().contains("UNFIT"));
    }

    #[test]
    fn the_line_of_json_is_one_line_that_a_script_can_read() {
        let line = example().json().unwrap();
        assert!(!line.contains('\n'));
        let read: Value = serde_json::from_str(&line).unwrap();
        assert_eq!((&read["workload"], &read["fit"], &read["settings"]["seconds"]), (&"w1".into(), &true.into(), &5.into()));
        let figure = &read["figures"][0];
        assert_eq!((&figure["role"], &figure["unit"], &figure["median"]), (&"measured".into(), &"per_second".into(), &2_000.into()));
        assert_eq!((&figure["runs"][2], &figure["p99_us"]), (&2_100.into(), &12_345.into()));
        assert!(read["figures"][1].get("p99_us").is_none(), "what was not measured is left out");
        assert_eq!((&read["claims"][0]["wanted"], &read["claims"][0]["reached"]), (&"at_least".into(), &false.into()));
    }
}
