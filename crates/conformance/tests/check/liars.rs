//! Every liar is caught, by the case that is about its lie.

use std::collections::BTreeSet;
use std::time::Duration;

use conformance::cases::{CASES, find};
use conformance::{CannotRun, Outcome, Plan, Skipped, Verdict, run};
use kernel::Entropy;
use testkit::sellers::{Behaviour, Lie, ScriptedSeller};
use tokio::sync::watch;
use wire::koogallery_v2::{Activity, ResultCode};

use crate::support::{case, checked, ended, now, plan, told};

const WRONG: Verdict = Verdict::Fail;
const ODD: Verdict = Verdict::Warn;

/// The case that first finds a lie, and the reason it gives. A new lie must be given its verdict here.
fn caught(lie: Lie) -> (&'static str, &'static str, Verdict) {
    match lie {
        Lie::AnotherInstance => ("purchase-repeat", "another_instance", WRONG),
        Lie::SameInstance => ("two-orders", "shared_instance", WRONG),
        Lie::NoInstance => ("purchase", "instance_id_missing", WRONG),
        Lie::AnySignature => ("wrong-signature", "accepted", WRONG),
        Lie::WebPage => ("answers", "html", WRONG),
        Lie::Redirect => ("answers", "redirect", WRONG),
        Lie::Huge => ("answers", "too_large", WRONG),
        Lie::HalfABody => ("answers", "broken_body", WRONG),
        Lie::Gbk | Lie::Utf16 => ("answers", "not_utf8", WRONG),
        Lie::NumericCode => ("purchase", "result_code_not_text", WRONG),
        Lie::Empty => ("answers", "empty", WRONG),
        Lie::Status(_) => ("answers", "status", WRONG),
        Lie::TwoAnswers => ("answers", "not_json", WRONG),
        Lie::TwoCodes => ("answers", "member_twice", WRONG),
        Lie::ControlCharacters => ("purchase", "instance_id_with_control", WRONG),
        Lie::OneInstanceAnOrder => ("two-lines", "shared_instance", WRONG),
        Lie::NeverOpens => ("asynchronous-opening", "never_ready", WRONG),
        Lie::PendingWithoutInstance => ("purchase", "pending_without_instance", WRONG),
        Lie::TellsNothing => ("query", "never_ready", WRONG),
        Lie::TellsOnlyFirst => ("query-many", "never_ready", WRONG),
        Lie::NoFrontEndUrl => ("query", "no_address", WRONG),
        Lie::RefusesRepeats => ("renewal-repeat", "refused", WRONG),
        Lie::OnlyRenewals => ("renewal-taken-back", "refused", WRONG),
        Lie::FreezesForGood => ("unfreeze", "refused", WRONG),
        Lie::FreezingDeletes => ("frozen-instance-is-kept", "refused", WRONG),
        Lie::FrozenNotRenewed => ("renewal-of-frozen", "refused", WRONG),
        Lie::UpgradingMoves => ("upgrade", "refused", WRONG),
        Lie::ForgetsReleased => ("release-repeat", "gone", ODD),
        Lie::ReleasesOnPaper => ("release-has-effect", "still_told", ODD),
        Lie::ReleaseNeedsOrder => ("release-without-order", "refused", WRONG),
        Lie::KnowsEverybody => ("unknown-instance", "accepted", WRONG),
        Lie::SignatureOptional => ("missing-signature", "accepted", WRONG),
        Lie::ActsOnForgeries => ("forged-call-has-no-effect", "refused", WRONG),
        Lie::AnyTime => ("old-timestamp", "accepted", WRONG),
        Lie::WideWindow => ("timestamp-window", "accepted", ODD),
        Lie::AnyFuture => ("future-timestamp", "accepted", ODD),
        Lie::TimestampOptional => ("missing-timestamp", "accepted", ODD),
        Lie::NonceOptional => ("missing-nonce", "accepted", ODD),
        Lie::ReplayOpensAnother => ("nonce-repeated", "another_instance", WRONG),
        Lie::ShortNoncesOnly => ("nonce-forms", "refused", WRONG),
        Lie::UpperCaseOnly => ("signature-case", "refused", ODD),
        Lie::BearsGrudges => ("retry-after-refusal", "refused", WRONG),
        Lie::StuckAfterHangUp => ("retry-after-lost-answer", "refused", WRONG),
        Lie::Races => ("concurrent-duplicates", "another_instance", WRONG),
        Lie::AnyActivity => ("unknown-activity", "accepted", WRONG),
        Lie::NothingMissing => ("missing-parameter", "accepted", WRONG),
        Lie::AsciiOnly => ("text-in-values", "not_believed", WRONG),
        Lie::ForgetsChinese => ("text-kept-apart", "shared_instance", WRONG),
        Lie::NoDebugging => ("debugging", "refused", WRONG),
        Lie::DebuggingIsReal => ("debugging-has-no-effect", "refused", ODD),
        Lie::ZeroIsDebugging => ("test-flag-zero", "never_ready", ODD),
        Lie::PlainText => ("content-type", "odd", ODD),
        Lie::LongMessage => ("members", "odd", ODD),
    }
}

/// Sellers that are wrong in one kind of call: which, how, and the case that finds it.
fn wrong_in_one_call() -> Vec<(Activity, Behaviour, &'static str, &'static str)> {
    let fails = Behaviour::Answers(ResultCode::InternalError);
    let refuses_repeats = Behaviour::Lying(Lie::RefusesRepeats);
    vec![
        (Activity::RefreshInstance, fails.clone(), "renewal", "refused"),
        (Activity::UpdateInstanceStatus, fails.clone(), "freeze", "refused"),
        (Activity::UpgradeInstance, fails.clone(), "upgrade", "refused"),
        (Activity::ReleaseInstance, fails, "release", "refused"),
        (Activity::UpdateInstanceStatus, refuses_repeats.clone(), "freeze-repeat", "refused"),
        (Activity::UpdateInstanceStatus, refuses_repeats.clone(), "unfreeze-repeat", "refused"),
        (Activity::UpgradeInstance, refuses_repeats.clone(), "upgrade-repeat", "refused"),
        (Activity::ReleaseInstance, refuses_repeats, "release-repeat", "refused"),
        (Activity::ChangeInstanceCheck, Behaviour::HangsUp, "renewal-check", "no_answer"),
    ]
}

/// Cases that tests of their own break.
const ELSEWHERE: [&str; 2] = ["address", "time-limit"];

#[tokio::test]
async fn each_lie_is_found_by_the_case_that_is_about_it() {
    for (seed, lie) in (1..).zip(Lie::ALL) {
        let seller = ScriptedSeller::start().await;
        seller.behave(Behaviour::Lying(*lie)).await;
        let report = checked(&plan(&seller), seed).await.unwrap();
        let (id, reason, verdict) = caught(*lie);
        let first = ended(&report, verdict).into_iter().next();
        assert_eq!(first, Some((id, reason.to_owned())), "{lie:?}\n{}", told(&report));
        if verdict == ODD {
            assert_eq!(ended(&report, WRONG), [], "{lie:?} is no more than odd\n{}", told(&report));
            assert_eq!(report.outcome(), Outcome::Sound, "{lie:?}");
        } else {
            assert_eq!(report.outcome(), Outcome::Unsound, "{lie:?}");
        }
    }
}

#[tokio::test]
async fn each_call_that_goes_wrong_is_found() {
    for (seed, (activity, behaviour, id, reason)) in (1..).zip(wrong_in_one_call()) {
        let seller = ScriptedSeller::start().await;
        seller.on(activity, behaviour.clone());
        let report = checked(&plan(&seller), seed).await.unwrap();
        let wrong = ended(&report, WRONG);
        assert!(wrong.contains(&(id, reason.to_owned())), "{activity} {behaviour:?}: {wrong:?}\n{}", told(&report));
    }
}

#[test]
fn every_case_has_somebody_whom_it_finds() {
    let by_lie = Lie::ALL.iter().map(|lie| caught(*lie).0);
    let by_call = wrong_in_one_call().into_iter().map(|(_, _, id, _)| id);
    let finding: BTreeSet<&str> = by_lie.chain(by_call).chain(ELSEWHERE).collect();
    let cases: BTreeSet<&str> = CASES.iter().map(|case| case.id).collect();
    assert_eq!(finding, cases);
}

#[tokio::test]
async fn one_slow_answer_is_found() {
    let seller = ScriptedSeller::start().await;
    seller.on(Activity::ChangeInstanceCheck, Behaviour::Slow(Duration::from_millis(1_100)));
    let mut plan = plan(&seller);
    plan.limits.answer = Duration::from_secs(1);
    let report = checked(&plan, 1).await.unwrap();
    assert_eq!(ended(&report, WRONG), [("time-limit", "slow".to_owned())], "{}", told(&report));
}

#[tokio::test]
async fn a_seller_who_is_not_there_cannot_be_checked() {
    let seller = ScriptedSeller::start().await;
    seller.behave(Behaviour::Dead).await;
    assert!(matches!(checked(&plan(&seller), 1).await, Err(CannotRun::Unreachable(_))));
    let mut plan = plan(&seller);
    for address in ["ftp://a.example/", "not a URL", "http://user:secret@127.0.0.1/"] {
        plan.address = address.to_owned();
        assert!(matches!(checked(&plan, 1).await, Err(CannotRun::Address(_))), "{address}");
    }
    plan.address = "http://1.1.1.1/saasproduce".to_owned();
    assert!(matches!(checked(&plan, 1).await, Err(CannotRun::PlainHttp)));
}

#[tokio::test]
async fn a_seller_who_hangs_up_is_wrong_and_everything_else_waits_for_that() {
    let seller = ScriptedSeller::start().await;
    seller.behave(Behaviour::HangsUp).await;
    let report = checked(&plan(&seller), 1).await.unwrap();
    assert_eq!(ended(&report, WRONG), [("answers", "no_answer".to_owned()), ("purchase", "no_answer".to_owned())]);
    assert_eq!(case(&report, "wrong-signature").verdict, Verdict::Skip(Skipped::Blocked), "whoever refuses everything proves nothing");
    assert_eq!(report.cleanup.left.len(), 1, "nobody knows whether the purchase was made: {:?}", report.cleanup.left);
}

#[tokio::test]
async fn a_seller_who_says_no_or_changes_their_mind_is_wrong() {
    let fails = Behaviour::Answers(ResultCode::InternalError);
    for behaviour in [fails.clone(), Behaviour::Flapping(vec![Behaviour::Sound, fails, Behaviour::Dead])] {
        let seller = ScriptedSeller::start().await;
        seller.behave(behaviour.clone()).await;
        let report = checked(&plan(&seller), 1).await.unwrap();
        assert_eq!(ended(&report, WRONG)[0], ("purchase", "refused".to_owned()), "{behaviour:?}");
    }
}

#[tokio::test]
async fn the_wrong_key_is_told_as_such() {
    let seller = ScriptedSeller::start().await;
    let mut plan = plan(&seller);
    plan.access_key = "another".to_owned();
    let report = checked(&plan, 1).await.unwrap();
    assert_eq!(ended(&report, WRONG), [("purchase", "refused".to_owned())]);
    assert!(told(&report).contains("check the access key"), "{}", told(&report));
}

#[tokio::test]
async fn what_was_opened_is_released_when_the_check_is_stopped_or_out_of_time() {
    let seller = ScriptedSeller::start().await;
    let mut plan = plan(&seller);
    let (sender, stop) = watch::channel(false);
    let on_case = |report: &conformance::CaseReport| {
        if report.case.id == "two-orders" {
            sender.send(true).unwrap();
        }
    };
    let report = run(&plan, &Entropy::from_seed([9; 32]), now, stop, on_case).await.unwrap();
    assert_eq!(report.outcome(), Outcome::Incomplete);
    assert_eq!((report.cleanup.opened, report.cleanup.released), (2, 2));

    plan.limits.total = Duration::ZERO;
    let report = checked(&plan, 1).await.unwrap();
    assert_eq!(report.outcome(), Outcome::Incomplete);
    assert_eq!(ended(&report, Verdict::Skip(Skipped::Blocked))[0], ("purchase", "out_of_time".to_owned()));
}

#[tokio::test]
async fn an_instance_whose_purchase_was_never_answered_is_released_too() {
    let seller = ScriptedSeller::start().await;
    // It does what it is asked for, and the answer of the second purchase is lost.
    let lost = Behaviour::Lying(Lie::HalfABody);
    seller.on(Activity::NewInstance, Behaviour::Flapping(vec![Behaviour::Sound, lost, Behaviour::Sound]));
    let plan = Plan { cases: vec![find("purchase").unwrap(), find("two-orders").unwrap()], ..plan(&seller) };
    let report = checked(&plan, 1).await.unwrap();
    assert_eq!(ended(&report, WRONG), [("two-orders", "broken_body".to_owned())]);
    assert_eq!((report.cleanup.opened, report.cleanup.released, report.cleanup.left.len()), (2, 2, 0));
    assert!(seller.sound().instances().iter().all(|it| it.state.word() == "released"));
}
