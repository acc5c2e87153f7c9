//! What came of a check.

mod json;
mod junit;
mod text;

use kernel::Locale;

use crate::case::{Case, Product};
use crate::dialect::{Dialect, Remark};
use crate::judge::Finding;

pub use json::Exchanges;
pub use text::case_line;

/// How a case ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// The rule is kept.
    Pass,
    /// It works, and should be otherwise.
    Warn,
    /// The rule is broken.
    Fail,
    /// It was not tried.
    Skip(Skipped),
}

/// Why a case was not tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Skipped {
    /// The rule does not concern this server.
    NotApplicable,
    /// Something else must be put right first.
    Blocked,
}

impl Verdict {
    /// The word in reports.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Pass => "pass",
            Self::Warn => "warn",
            Self::Fail => "fail",
            Self::Skip(_) => "skip",
        }
    }
}

/// What was sent and what came back; secrets masked, long bodies cut.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exchange {
    /// The call's name on the wire.
    pub call: String,
    /// Where to.
    pub url: String,
    /// The body that was sent.
    pub request: String,
    /// HTTP status, when an answer came.
    pub status: Option<u16>,
    /// The answer's content type.
    pub content_type: Option<String>,
    /// The answer's body.
    pub answer: Option<String>,
    /// Why no answer came.
    pub failure: Option<String>,
    /// How long it took, in ms.
    pub elapsed_ms: i64,
    /// Whether the line was cut on purpose.
    pub(crate) was_cut: bool,
    /// Whether the answer named an instance.
    pub(crate) opens: bool,
    /// Whether the answer had the right form.
    pub(crate) is_readable: bool,
    /// What was odd in the answer.
    pub(crate) remarks: Vec<Remark>,
}

impl Exchange {
    pub(crate) fn is_whole(&self) -> bool {
        self.failure.is_none()
    }
}

/// How one case ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CaseReport {
    /// Which case.
    pub case: &'static Case,
    /// Where its rule stands.
    pub source: &'static str,
    /// How it ended.
    pub verdict: Verdict,
    /// Why; the worst ones decided.
    pub findings: Vec<Finding>,
    /// How long it took, in ms.
    pub elapsed_ms: i64,
    /// What was sent and what came back, oldest first.
    pub exchanges: Vec<Exchange>,
}

impl CaseReport {
    /// The findings that decided, worst first, for a reader; what is only good to know when there are no others.
    #[must_use]
    pub fn reasons(&self, locale: Locale) -> Vec<String> {
        let worst = self.findings.iter().map(|finding| finding.level).max();
        self.findings.iter().filter(|finding| Some(finding.level) == worst).map(|finding| finding.reason.text(locale)).collect()
    }
}

/// What became of the instances that were opened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cleanup {
    /// How many instances the server named.
    pub opened: usize,
    /// How many of them are released.
    pub released: usize,
    /// Instances, and order lines whose answer was never heard, that may still be there.
    pub left: Vec<String>,
    /// What was sent and what came back at the end.
    pub exchanges: Vec<Exchange>,
}

/// What the whole check means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// Nothing failed.
    Sound,
    /// A case failed.
    Unsound,
    /// Nothing failed, and something could not be tried.
    Incomplete,
}

/// What came of a check.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// The protocol.
    pub dialect: Dialect,
    /// The production address, without its own query.
    pub address: String,
    /// How the product is sold.
    pub product: Product,
    /// When the check began, machine ms UTC.
    pub started_at: i64,
    /// How long it took, in ms.
    pub elapsed_ms: i64,
    /// Every case, in the order in which they were tried.
    pub cases: Vec<CaseReport>,
    /// What became of the instances.
    pub cleanup: Cleanup,
}

impl Report {
    /// What the whole check means.
    #[must_use]
    pub fn outcome(&self) -> Outcome {
        if self.cases.iter().any(|case| case.verdict == Verdict::Fail) {
            Outcome::Unsound
        } else if self.cases.iter().any(|case| case.verdict == Verdict::Skip(Skipped::Blocked)) {
            Outcome::Incomplete
        } else {
            Outcome::Sound
        }
    }

    /// How many cases ended like this.
    #[must_use]
    pub fn count(&self, word: &str) -> usize {
        self.cases.iter().filter(|case| case.verdict.word() == word).count()
    }
}
