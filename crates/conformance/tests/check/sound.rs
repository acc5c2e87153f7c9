//! No false alarm.

use std::time::Duration;

use conformance::case::Product;
use conformance::{Outcome, Plan, Report, Skipped, Verdict};
use testkit::sellers::{Behaviour, Manner, ScriptedSeller};

use crate::support::{case, checked, ended, plan, told};

/// Patience for a busy machine: nothing here waits for it.
const LONG: Duration = Duration::from_secs(20);

fn patient(seller: &ScriptedSeller) -> Plan {
    let mut plan = plan(seller);
    plan.limits.opening = LONG;
    plan
}

#[track_caller]
fn passes(report: &Report, skipped: &[&str]) {
    assert_eq!(ended(report, Verdict::Fail), [], "{}", told(report));
    assert_eq!(ended(report, Verdict::Warn), [], "{}", told(report));
    let left_out: Vec<&str> = ended(report, Verdict::Skip(Skipped::NotApplicable)).into_iter().map(|(id, _)| id).collect();
    assert_eq!(left_out, skipped);
    assert_eq!(report.outcome(), Outcome::Sound);
    assert_eq!(report.cleanup.left, Vec::<String>::new());
    assert_eq!(report.cleanup.opened, report.cleanup.released);
}

/// Whatever was opened is released, by the seller's own book.
fn everything_is_released(seller: &ScriptedSeller) {
    let instances = seller.sound().instances();
    let open: Vec<_> = instances.iter().filter(|it| it.state.word() != "released").collect();
    assert!(open.is_empty() && !instances.is_empty(), "{open:?}");
}

#[tokio::test]
async fn a_sound_seller_passes_again_and_again() {
    let seller = ScriptedSeller::start().await;
    for seed in 1..3 {
        let report = checked(&patient(&seller), seed).await.unwrap();
        passes(&report, &["address", "asynchronous-opening"]);
        everything_is_released(&seller);
    }
}

#[tokio::test]
async fn so_does_one_that_opens_in_the_background() {
    let seller = ScriptedSeller::start().await;
    seller.behave(Behaviour::Asynchronous(2)).await;
    let report = checked(&patient(&seller), 1).await.unwrap();
    passes(&report, &["address"]);
    everything_is_released(&seller);
}

#[tokio::test]
async fn so_does_one_that_is_slow_and_within_the_limit() {
    let seller = ScriptedSeller::start().await;
    seller.behave(Behaviour::Slow(Duration::from_millis(15))).await;
    let report = checked(&patient(&seller), 1).await.unwrap();
    passes(&report, &["address", "asynchronous-opening"]);
}

#[tokio::test]
async fn so_do_those_who_use_the_freedom_that_there_is() {
    for manner in Manner::ALL {
        let seller = ScriptedSeller::start().await;
        seller.behave(Behaviour::Otherwise(manner)).await;
        let mut plan = patient(&seller);
        let mut skipped = vec!["address", "asynchronous-opening"];
        match manner {
            Manner::OneOff => plan.product = Product::OneOff,
            Manner::WithoutUpgrades => skipped.extend(["upgrade", "upgrade-repeat", "renewal-check"]),
            Manner::RemembersNonces | Manner::SlowToTell | Manner::WithoutAccess | Manner::Reserialises | Manner::Terse => {}
        }
        if plan.product == Product::OneOff {
            skipped.extend(["renewal", "renewal-repeat", "renewal-taken-back", "freeze", "freeze-repeat", "frozen-instance-is-kept"]);
            skipped.extend(["renewal-of-frozen", "unfreeze", "unfreeze-repeat", "upgrade", "upgrade-repeat", "renewal-check"]);
        }
        let report = checked(&plan, 1).await.unwrap();
        passes(&report, &skipped);
        everything_is_released(&seller);
    }
}

#[tokio::test]
async fn a_pay_per_use_product_is_asked_for_less() {
    let seller = ScriptedSeller::start().await;
    let mut plan = patient(&seller);
    plan.product = Product::PayPerUse;
    let report = checked(&plan, 1).await.unwrap();
    passes(&report, &["address", "asynchronous-opening", "two-lines", "upgrade", "upgrade-repeat", "renewal-check"]);
}

#[tokio::test]
async fn each_case_can_be_tried_alone() {
    let seller = ScriptedSeller::start().await;
    let whole = patient(&seller);
    for (seed, case) in (1..).zip(&whole.cases) {
        let plan = Plan { cases: vec![case], ..whole.clone() };
        let report = checked(&plan, seed).await.unwrap();
        assert!(matches!(report.cases[0].verdict, Verdict::Pass | Verdict::Skip(Skipped::NotApplicable)), "{}", told(&report));
        assert_eq!(report.cleanup.left, Vec::<String>::new(), "{}", case.id);
    }
    everything_is_released(&seller);
}

#[tokio::test]
async fn what_is_required_is_not_optional() {
    let seller = ScriptedSeller::start().await;
    seller.behave(Behaviour::Otherwise(Manner::WithoutUpgrades)).await;
    let mut plan = patient(&seller);
    plan.required = vec![conformance::case::Feature::Upgrade];
    let report = checked(&plan, 1).await.unwrap();
    assert_eq!(ended(&report, Verdict::Fail), [("upgrade", "refused".to_owned())]);
    assert_eq!(case(&report, "renewal-check").verdict, Verdict::Skip(Skipped::NotApplicable));
}
