//! The report for CI systems that read JUnit XML. A warning is a passed test with its reason in the output, as JUnit has no warnings.

use std::time::Duration;

use kernel::Locale;
use quick_junit::{NonSuccessKind, TestCase, TestCaseStatus, TestSuite, XmlString};

use super::{CaseReport, Report, Verdict};

impl Report {
    /// The report as JUnit XML, in one suite.
    ///
    /// # Errors
    /// When the text cannot be written as XML.
    pub fn junit(&self, locale: Locale) -> Result<String, quick_junit::SerializeError> {
        let mut suite = TestSuite::new(format!("yunshi check {}", self.dialect.word()));
        suite.set_time(duration(self.elapsed_ms));
        suite.add_test_cases(self.cases.iter().map(|case| case.test_case(self, locale)));
        let mut report = quick_junit::Report::new("yunshi check");
        report.set_time(duration(self.elapsed_ms));
        report.add_test_suite(suite);
        report.to_string()
    }
}

impl CaseReport {
    fn test_case(&self, report: &Report, locale: Locale) -> TestCase {
        let why = self.reasons(locale).join("; ");
        let rule = format!("{} [{}]", self.case.title.of(locale), self.source);
        let mut status = match self.verdict {
            Verdict::Pass | Verdict::Warn => TestCaseStatus::success(),
            Verdict::Fail => TestCaseStatus::non_success(NonSuccessKind::Failure),
            Verdict::Skip(_) => TestCaseStatus::skipped(),
        };
        if !matches!(self.verdict, Verdict::Pass | Verdict::Warn) {
            status.set_message(why.clone());
        }
        if self.verdict == Verdict::Fail {
            status.set_type(self.findings.last().map_or_else(String::new, |finding| finding.reason.word().to_owned()));
            status.set_description(rule.clone());
        }
        let mut test = TestCase::new(self.case.id, status);
        test.set_classname(format!("yunshi-check.{}", report.dialect.word())).set_time(duration(self.elapsed_ms));
        let warning = if self.verdict == Verdict::Warn { format!("WARN {why}\n") } else { String::new() };
        test.set_system_out(XmlString::new(format!("{rule}\n{warning}{}", self.exchange_text())));
        test
    }
}

fn duration(elapsed_ms: i64) -> Duration {
    Duration::from_millis(elapsed_ms.unsigned_abs())
}
