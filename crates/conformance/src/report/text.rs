//! The report for people: one line a case, while it goes on.

use std::fmt::Write as _;

use kernel::Locale;

use super::{CaseReport, Exchange, Report, Verdict};

/// Column in which rules begin.
const ID_WIDTH: usize = 26;

impl Verdict {
    const fn shown(self) -> &'static str {
        match self {
            Self::Pass => "PASS",
            Self::Warn => "WARN",
            Self::Fail => "FAIL",
            Self::Skip(_) => "SKIP",
        }
    }
}

/// A case in one line: how it ended, the rule and its source, and the reason unless it simply passed.
#[must_use]
pub fn case_line(report: &CaseReport, locale: Locale) -> String {
    let verdict = report.verdict.shown();
    let case = report.case;
    let reasons = report.reasons(locale).join("; ");
    let reason = if reasons.is_empty() { String::new() } else { format!(": {reasons}") };
    format!("{verdict} {:<ID_WIDTH$} {} [{}]{reason}", case.id, case.title.of(locale), report.source)
}

impl CaseReport {
    /// What was sent and what came back.
    #[must_use]
    pub fn exchange_text(&self) -> String {
        exchanges(&self.exchanges)
    }
}

fn exchanges(exchanges: &[Exchange]) -> String {
    let mut text = String::new();
    for it in exchanges {
        let _ = writeln!(text, "     > POST {}", printable(&it.url));
        let _ = writeln!(text, "     > {}", printable(&it.request));
        match (&it.failure, it.status) {
            (Some(failure), _) => {
                let _ = writeln!(text, "     < {} ({} ms)", printable(failure), it.elapsed_ms);
            }
            (None, status) => {
                let status = status.map_or_else(String::new, |status| status.to_string());
                let kind = it.content_type.as_deref().unwrap_or("-");
                let _ = writeln!(text, "     < {status} {} ({} ms)", printable(kind), it.elapsed_ms);
                let _ = writeln!(text, "     < {}", printable(it.answer.as_deref().unwrap_or_default()));
            }
        }
    }
    text
}

/// On one line, and without what would move a terminal's cursor.
fn printable(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}

impl Report {
    /// The last lines: what became of the instances, and how many cases ended how.
    #[must_use]
    pub fn summary(&self, locale: Locale) -> String {
        let (pass, warn, fail, skip) = (self.count("pass"), self.count("warn"), self.count("fail"), self.count("skip"));
        let cleanup = &self.cleanup;
        let mut text = match locale {
            Locale::En => format!(
                "{pass} passed, {warn} warned, {fail} failed, {skip} skipped; {} instances opened, {} released",
                cleanup.opened, cleanup.released
            ),
            Locale::ZhCn => {
                format!("通过{pass}项，警告{warn}项，失败{fail}项，跳过{skip}项；开通实例{}个，释放{}个", cleanup.opened, cleanup.released)
            }
        };
        if !cleanup.left.is_empty() {
            let left: Vec<String> = cleanup.left.iter().map(|id| printable(id)).collect();
            let _ = match locale {
                Locale::En => write!(text, "\nmay still be there, release it yourself: {}", left.join(", ")),
                Locale::ZhCn => write!(text, "\n可能仍然存在，请自行释放：{}", left.join("、")),
            };
        }
        text
    }
}
