//! The report for programs. The form is stable: members may be added, none changes its meaning while `schema` stays.

use jiff::Timestamp;
use kernel::Locale;
use serde::Serialize;

use super::{CaseReport, Exchange, Outcome, Report};
use crate::judge::Level;

/// Name and version of the form.
const SCHEMA: &str = "yunshi-check/1";

/// Whether what was sent and received goes into a report.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exchanges {
    /// It does.
    Shown,
    /// It does not.
    Hidden,
}

#[derive(Serialize)]
struct Document<'a> {
    schema: &'static str,
    dialect: &'static str,
    address: &'a str,
    product: &'static str,
    started_at: String,
    elapsed_ms: i64,
    outcome: &'static str,
    counts: Counts,
    cases: Vec<CaseDocument<'a>>,
    cleanup: CleanupDocument<'a>,
}

#[derive(Serialize)]
struct Counts {
    pass: usize,
    warn: usize,
    fail: usize,
    skip: usize,
}

#[derive(Serialize)]
struct CaseDocument<'a> {
    id: &'static str,
    title: &'static str,
    source: &'static str,
    severity: &'static str,
    verdict: &'static str,
    reasons: Vec<ReasonDocument<'a>>,
    elapsed_ms: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    exchanges: Option<Vec<ExchangeDocument<'a>>>,
}

#[derive(Serialize)]
struct ReasonDocument<'a> {
    level: &'static str,
    code: &'a str,
    text: String,
}

#[derive(Serialize)]
struct ExchangeDocument<'a> {
    call: &'a str,
    url: &'a str,
    request: &'a str,
    status: Option<u16>,
    content_type: Option<&'a str>,
    answer: Option<&'a str>,
    failure: Option<&'a str>,
    elapsed_ms: i64,
}

#[derive(Serialize)]
struct CleanupDocument<'a> {
    opened: usize,
    released: usize,
    left: &'a [String],
}

impl Report {
    /// The report as one JSON object, indented.
    #[must_use]
    pub fn json(&self, locale: Locale, exchanges: Exchanges) -> String {
        let document = Document {
            schema: SCHEMA,
            dialect: self.dialect.word(),
            address: &self.address,
            product: self.product.word(),
            started_at: Timestamp::from_millisecond(self.started_at).map(|time| time.to_string()).unwrap_or_default(),
            elapsed_ms: self.elapsed_ms,
            outcome: match self.outcome() {
                Outcome::Sound => "sound",
                Outcome::Unsound => "unsound",
                Outcome::Incomplete => "incomplete",
            },
            counts: Counts { pass: self.count("pass"), warn: self.count("warn"), fail: self.count("fail"), skip: self.count("skip") },
            cases: self.cases.iter().map(|case| case.document(locale, exchanges)).collect(),
            cleanup: CleanupDocument { opened: self.cleanup.opened, released: self.cleanup.released, left: &self.cleanup.left },
        };
        serde_json::to_string_pretty(&document).unwrap_or_default()
    }
}

impl CaseReport {
    fn document(&self, locale: Locale, exchanges: Exchanges) -> CaseDocument<'_> {
        let reasons = self.findings.iter().map(|finding| ReasonDocument {
            level: match finding.level {
                Level::Note => "note",
                Level::Warn => "warn",
                Level::Breach => "breach",
            },
            code: finding.reason.word(),
            text: finding.reason.text(locale),
        });
        CaseDocument {
            id: self.case.id,
            title: self.case.title.of(locale),
            source: self.source,
            severity: self.case.severity.word(),
            verdict: self.verdict.word(),
            reasons: reasons.collect(),
            elapsed_ms: self.elapsed_ms,
            exchanges: (exchanges == Exchanges::Shown).then(|| self.exchanges.iter().map(Exchange::document).collect()),
        }
    }
}

impl Exchange {
    fn document(&self) -> ExchangeDocument<'_> {
        ExchangeDocument {
            call: &self.call,
            url: &self.url,
            request: &self.request,
            status: self.status,
            content_type: self.content_type.as_deref(),
            answer: self.answer.as_deref(),
            failure: self.failure.as_deref(),
            elapsed_ms: self.elapsed_ms,
        }
    }
}
