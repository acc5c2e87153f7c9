//! What a seller is told about an answer. Pure.
//!
//! The reading is that of `wire`, by which real calls go, too; on top of it stands what only a look at the question shows: that nothing was
//! said about what was asked, or that a forged request was done.

use serde::{Deserialize, Serialize};
use wire::koogallery_v2::{Failure, InstanceInfo, Oddity, Outcome, Payload, ResultCode, Warning};

use super::scenes::{DebugScene, Parameters, Signing, instances};
use super::{DebugField, DebugVerdict};

/// An answer that takes longer than this is worth a remark, ms: buyers wait for it. `[ours]`
const SLOW_MS: i64 = 3_000;
/// The most findings that are kept of an answer.
const FINDINGS_MAX: usize = 40;
/// The most characters of a value that a finding repeats.
const VALUE_CHARS_MAX: usize = 200;

kernel::words! {
    /// How much a finding matters.
    pub enum Weight {
        /// It must be put right.
        Wrong = "wrong",
        /// It works, and could be better.
        Remark = "remark",
    }
}

/// Something that was found in an answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Finding {
    /// What, as a word that stays the same: that of a failure, such as `timed_out`, of an oddity, such as `missing`, or of the question.
    pub word: String,
    /// How much it matters.
    pub weight: Weight,
    /// Where in the answer, by the names of members.
    #[serde(default)]
    pub at: String,
    /// What was found there.
    #[serde(default)]
    pub value: String,
}

impl Finding {
    fn new(weight: Weight, word: &str, at: &str, value: &str) -> Self {
        let short = |text: &str| text.chars().filter(|c| !c.is_control()).take(VALUE_CHARS_MAX).collect();
        Self { word: word.to_owned(), weight, at: short(at), value: short(value) }
    }
}

/// What came back.
#[derive(Clone, Copy, Debug)]
pub(super) struct Back<'a> {
    pub(super) outcome: &'a Outcome,
    pub(super) warnings: &'a [Warning],
    pub(super) elapsed_ms: i64,
}

/// What is to be said about an answer, and whether it passes: nothing that must be put right.
pub(super) fn judge(scene: DebugScene, signing: Signing, given: &Parameters, back: Back<'_>) -> (DebugVerdict, Vec<Finding>) {
    let mut findings = match signing {
        Signing::Right => of_outcome(scene, given, back.outcome),
        Signing::Forged => of_forgery(back.outcome),
    };
    findings.extend(back.warnings.iter().map(of_warning));
    if back.elapsed_ms > SLOW_MS {
        findings.push(Finding::new(Weight::Remark, "slow", "", &back.elapsed_ms.to_string()));
    }
    findings.sort_by_key(|finding| finding.weight);
    findings.truncate(FINDINGS_MAX);
    let passed = findings.iter().all(|finding| finding.weight == Weight::Remark);
    (if passed { DebugVerdict::Passed } else { DebugVerdict::Failed }, findings)
}

fn of_outcome(scene: DebugScene, given: &Parameters, outcome: &Outcome) -> Vec<Finding> {
    let remark = |word: &str| vec![Finding::new(Weight::Remark, word, "resultCode", "000004")];
    match outcome {
        Outcome::Done(Payload::Instances(told)) => of_instances(given, told),
        Outcome::Done(_) => Vec::new(),
        Outcome::Pending { instance_id: None } if scene == DebugScene::Create => {
            vec![Finding::new(Weight::Wrong, "pending_without_instance", "instanceId", "")]
        }
        Outcome::Pending { .. } => remark("pending"),
        Outcome::Retry(failure) | Outcome::Refused(failure) => vec![of_failure(failure)],
    }
}

/// Whether what was asked about is what was told.
fn of_instances(given: &Parameters, told: &[InstanceInfo]) -> Vec<Finding> {
    let asked = instances(given.0.get(&DebugField::InstanceId).map_or("", String::as_str));
    let mut findings = Vec::new();
    for id in &asked {
        match told.iter().find(|info| info.instance_id == *id) {
            None => findings.push(Finding::new(Weight::Wrong, "instance_not_told", "info", id)),
            // It may reach the buyer by mail (spec: protocol §1.7).
            Some(info) if info.app_info.is_none() => findings.push(Finding::new(Weight::Remark, "access_not_told", "info[].appInfo", id)),
            Some(_) => {}
        }
    }
    let foreign = told.iter().filter(|info| !asked.contains(&info.instance_id));
    findings.extend(foreign.map(|info| Finding::new(Weight::Wrong, "instance_not_asked", "info[].instanceId", &info.instance_id)));
    findings
}

/// A forged request must be refused as what it is (spec: protocol §1.2).
fn of_forgery(outcome: &Outcome) -> Vec<Finding> {
    match outcome {
        Outcome::Done(_) | Outcome::Pending { .. } => vec![Finding::new(Weight::Wrong, "forgery_believed", "resultCode", "000000")],
        Outcome::Retry(Failure::Answered(ResultCode::AuthenticationFailed))
        | Outcome::Refused(Failure::Answered(ResultCode::AuthenticationFailed)) => Vec::new(),
        Outcome::Retry(Failure::Answered(code)) | Outcome::Refused(Failure::Answered(code)) => {
            vec![Finding::new(Weight::Remark, "forgery_other_code", "resultCode", &code.to_string())]
        }
        Outcome::Retry(failure) | Outcome::Refused(failure) => vec![of_failure(failure)],
    }
}

fn of_failure(failure: &Failure) -> Finding {
    let value = match failure {
        Failure::TimedOut { limit_ms } => limit_ms.to_string(),
        Failure::ConnectFailed(why) | Failure::TlsFailed(why) | Failure::AddressRefused(why) | Failure::NotJson(why) => why.clone(),
        Failure::BodyTooLarge { limit_bytes } => limit_bytes.to_string(),
        Failure::Redirect(status) | Failure::Status(status) => status.to_string(),
        Failure::NotUtf8 { declared } => declared.clone(),
        Failure::ResultCodeNotText { found } => found.clone(),
        Failure::InstanceIdTooLong { chars } => chars.to_string(),
        Failure::InstanceTaken(id) => id.clone(),
        Failure::Answered(code) => code.to_string(),
        Failure::BodyBroken
        | Failure::Empty
        | Failure::Html
        | Failure::ResultCodeMissing
        | Failure::InstanceIdMissing
        | Failure::InstanceIdWithComma
        | Failure::InstanceIdWithControl => String::new(),
    };
    Finding::new(Weight::Wrong, failure.word(), "", &value)
}

/// What is left out or missing never reaches the buyer, so it is wrong; what is mended is a remark.
fn of_warning(warning: &Warning) -> Finding {
    let (weight, word, value) = match &warning.oddity {
        Oddity::Missing => (Weight::Wrong, "missing", String::new()),
        Oddity::LeftOut { max } => (Weight::Wrong, "left_out", max.to_string()),
        Oddity::WrongType => (Weight::Wrong, "wrong_type", String::new()),
        Oddity::NotAWebAddress => (Weight::Wrong, "not_a_web_address", String::new()),
        Oddity::NotAUsageValue => (Weight::Wrong, "not_a_usage_value", String::new()),
        Oddity::NotATime => (Weight::Wrong, "not_a_time", String::new()),
        Oddity::ControlCharacters => (Weight::Remark, "control_characters", String::new()),
        Oddity::Cut { max } => (Weight::Remark, "cut", max.to_string()),
        Oddity::TooMany { max } => (Weight::Remark, "too_many", max.to_string()),
        Oddity::ByteOrderMark => (Weight::Remark, "byte_order_mark", String::new()),
        Oddity::ContentType => (Weight::Remark, "content_type", String::new()),
        Oddity::NotInV2 => (Weight::Remark, "not_in_v2", String::new()),
        Oddity::AlreadyGone => (Weight::Remark, "already_gone", String::new()),
    };
    Finding::new(weight, word, &warning.at, &value)
}

#[cfg(test)]
mod tests {
    use super::*;
    use wire::koogallery_v2::{Activity, read_answer};

    fn judged(scene: DebugScene, signing: Signing, activity: Activity, body: &str) -> (DebugVerdict, Vec<String>) {
        let reading = read_answer(activity, 200, Some("application/json;charset=utf-8"), body.as_bytes());
        let given = scene.prefilled(Some("i-1"), 1_800_000_000_000);
        let back = Back { outcome: &reading.outcome, warnings: &reading.warnings, elapsed_ms: 12 };
        let (verdict, findings) = judge(scene, signing, &given, back);
        (verdict, findings.into_iter().map(|finding| finding.word).collect())
    }

    #[test]
    fn an_answer_passes_or_is_told_what_is_wrong_with_it() {
        use Activity::{NewInstance, QueryInstance, UpdateInstanceStatus};
        use DebugScene::{Create, Freeze, Query};
        use DebugVerdict::{Failed, Passed};
        use Signing::{Forged, Right};
        let access = r#""appInfo":{"frontEndUrl":"https://a.example"}"#;
        for (scene, signing, activity, body, verdict, words) in [
            (Create, Right, NewInstance, r#"{"resultCode":"000000","instanceId":"i-1"}"#.to_owned(), Passed, vec![]),
            (Create, Right, NewInstance, r#"{"resultCode":"000000"}"#.to_owned(), Failed, vec!["instance_id_missing"]),
            (Create, Right, NewInstance, r#"{"resultCode":"000004","instanceId":"i-1"}"#.to_owned(), Passed, vec!["pending"]),
            (Create, Right, NewInstance, r#"{"resultCode":"000004"}"#.to_owned(), Failed, vec!["pending_without_instance"]),
            (Create, Right, NewInstance, r#"{"resultCode":"000001"}"#.to_owned(), Failed, vec!["answered"]),
            (Create, Forged, NewInstance, r#"{"resultCode":"000001"}"#.to_owned(), Passed, vec![]),
            (Create, Forged, NewInstance, r#"{"resultCode":"000002"}"#.to_owned(), Passed, vec!["forgery_other_code"]),
            (Create, Forged, NewInstance, r#"{"resultCode":"000000","instanceId":"i"}"#.to_owned(), Failed, vec!["forgery_believed"]),
            (Query, Right, QueryInstance, r#"{"resultCode":"000000"}"#.to_owned(), Failed, vec!["instance_not_told"]),
            (Query, Right, QueryInstance, format!(r#"{{"resultCode":"000000","info":[{{"instanceId":"i-1",{access}}}]}}"#), Passed, vec![]),
            (
                Query,
                Right,
                QueryInstance,
                r#"{"resultCode":"000000","info":[{"instanceId":"i-1"}]}"#.to_owned(),
                Passed,
                vec!["access_not_told"],
            ),
            (
                Query,
                Right,
                QueryInstance,
                format!(r#"{{"resultCode":"000000","info":[{{"instanceId":"i-2",{access}}}]}}"#),
                Failed,
                vec!["instance_not_told", "instance_not_asked"],
            ),
            (Freeze, Right, UpdateInstanceStatus, "<html></html>".to_owned(), Failed, vec!["html"]),
        ] {
            let (found, found_words) = judged(scene, signing, activity, &body);
            assert_eq!(found, verdict, "{scene} {body}: {found_words:?}");
            for word in &words {
                assert!(found_words.iter().any(|found| found == word), "{scene} {body}: {found_words:?}");
            }
            assert!(!words.is_empty() || found_words.is_empty(), "{scene} {body}: {found_words:?}");
        }
    }
}
