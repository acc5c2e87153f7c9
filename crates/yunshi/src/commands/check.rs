//! `yunshi check`: whether a seller's server keeps the protocol.
//!
//! Whoever reads the lines may stop reading: the check goes on to its end all the same, because it has instances to release.

use std::io::{self, Write};
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::Context;
use conformance::case::Case;
use conformance::{CannotRun, CaseReport, Exchanges, Limits, Outcome, Plan, Report, case_line, run as check, selected};
use jiff::SignedDuration;
use kernel::Locale;

use crate::{cli::CheckArgs, failure::Failure, start, stop::Stop};

/// Longest limit that can be asked for: as long as the marketplace itself asks whether an instance is ready (spec: protocol §1.14).
const LIMIT_MAX: Duration = Duration::from_secs(3 * 3600);

pub(super) async fn run(args: CheckArgs) -> Result<(), Failure> {
    let cases = selected(args.dialect, &args.only).map_err(cannot)?;
    if args.list {
        list(&args, &cases);
        return Ok(());
    }
    let plan = plan(&args, cases)?;
    let stop = Stop::on_signals().context("cannot listen to signals")?;
    let on_case = |case: &CaseReport| {
        let exchanges = if args.show_exchanges { case.exchange_text() } else { String::new() };
        say(args.json, &format!("{}\n{exchanges}", case_line(case, args.locale)));
    };
    let report = check(&plan, &start::entropy()?, now, stop.watch(), on_case).await.map_err(cannot)?;
    say(args.json, &format!("{}\n", report.summary(args.locale)));
    if args.json {
        let exchanges = if args.show_exchanges { Exchanges::Shown } else { Exchanges::Hidden };
        say(false, &format!("{}\n", report.json(args.locale, exchanges)));
    }
    if let Some(file) = &args.junit {
        write_junit(&report, file, args.locale)?;
    }
    match report.outcome() {
        Outcome::Sound => Ok(()),
        Outcome::Unsound => Err(Failure::reported()),
        Outcome::Incomplete => Err(Failure::misused("some cases could not be tried, the lines above say why")),
    }
}

fn plan(args: &CheckArgs, cases: Vec<&'static Case>) -> Result<Plan, Failure> {
    let limits = Limits::of(args.dialect);
    let limits = Limits {
        answer: limit("--answer-limit", args.answer_limit, limits.answer)?,
        opening: limit("--opening-limit", args.opening_limit, limits.opening)?,
        total: limit("--total-limit", args.total_limit, limits.total)?,
        ..limits
    };
    let (url, access_key) = (args.url.clone().unwrap_or_default(), args.access_key.clone().unwrap_or_default());
    if access_key.is_empty() {
        return Err(Failure::misused("the access key is empty, give the one with which the server verifies signatures"));
    }
    Ok(Plan {
        product: args.product,
        required: args.require.clone(),
        cases,
        limits,
        extra_ca_file: args.ca_file.clone(),
        ..Plan::new(args.dialect, url, access_key)
    })
}

fn limit(name: &str, given: Option<SignedDuration>, usual: Duration) -> Result<Duration, Failure> {
    let Some(given) = given else { return Ok(usual) };
    match Duration::try_from(given) {
        Ok(limit) if !limit.is_zero() && limit <= LIMIT_MAX => Ok(limit),
        _ => Err(Failure::misused(format!("{name} must be more than nothing and at most {} hours", LIMIT_MAX.as_secs() / 3600))),
    }
}

fn list(args: &CheckArgs, cases: &[&'static Case]) {
    for case in cases {
        let source = args.dialect.source(case).unwrap_or_default();
        say(false, &format!("{:<26} {:<6} {} [{source}]\n", case.id, case.severity.word(), case.title.of(args.locale)));
    }
}

fn write_junit(report: &Report, file: &Path, locale: Locale) -> Result<(), Failure> {
    let text = report.junit(locale).context("cannot write the JUnit report");
    let written = text.and_then(|text| std::fs::write(file, text).with_context(|| format!("cannot write {}", file.display())));
    written.map_err(|error| Failure::misused(format!("{error:#}")))
}

/// Nobody may be reading any more, which is no reason to stop.
fn say(to_error: bool, text: &str) {
    let _ = if to_error { io::stderr().write_all(text.as_bytes()) } else { io::stdout().write_all(text.as_bytes()) };
}

fn cannot(error: CannotRun) -> Failure {
    Failure::misused(format!("{:#}", anyhow::Error::new(error)))
}

fn now() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}
