//! Running the check against a scripted seller.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use conformance::{CannotRun, CaseReport, Dialect, Plan, Report, Verdict, run};
use kernel::{Entropy, Locale};
use testkit::sellers::ScriptedSeller;
use tokio::sync::watch;

pub(crate) fn now() -> i64 {
    i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis()).unwrap()
}

/// Every case against that seller, with little patience for instances that never become ready.
pub(crate) fn plan(seller: &ScriptedSeller) -> Plan {
    let mut plan = Plan::new(Dialect::KooGalleryV2, seller.url(), seller.access_key());
    plan.limits.first_poll = Duration::from_millis(5);
    plan.limits.opening = Duration::from_millis(200);
    plan
}

pub(crate) async fn checked(plan: &Plan, seed: u8) -> Result<Report, CannotRun> {
    let (_keep, stop) = watch::channel(false);
    run(plan, &Entropy::from_seed([seed; 32]), now, stop, |_| ()).await
}

pub(crate) fn case<'a>(report: &'a Report, id: &str) -> &'a CaseReport {
    report.cases.iter().find(|case| case.case.id == id).unwrap()
}

/// Case and reason of everything that ended like this, in the order of the cases.
pub(crate) fn ended(report: &Report, verdict: Verdict) -> Vec<(&'static str, String)> {
    let those = report.cases.iter().filter(|case| case.verdict == verdict);
    let word = |case: &CaseReport| case.findings.iter().max_by_key(|finding| finding.level).map(|finding| finding.reason.word().to_owned());
    those.map(|case| (case.case.id, word(case).unwrap_or_default())).collect()
}

pub(crate) fn told(report: &Report) -> String {
    report.cases.iter().map(|case| conformance::case_line(case, Locale::En) + "\n" + &case.exchange_text()).collect()
}
