//! What follows from an answer: pure, from the documented schedules (spec: protocol §1.6, §1.14; business §5.1).

use wire::koogallery_v2::{Activity, Outcome, Payload, schedule};

use crate::calls::{AttemptKind, Call, Scene};

/// What follows from an attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// It is true at the seller.
    Done {
        /// The instance; of purchases only.
        instance: Option<String>,
    },
    /// The seller has begun: ask again then.
    Poll {
        /// When, market ms UTC.
        at: i64,
        /// The instance, as far as the seller named it.
        instance: Option<String>,
    },
    /// It failed: try again then.
    Again {
        /// When, market ms UTC.
        at: i64,
    },
    /// It failed for the last time.
    GiveUp,
}

/// The activity that a scene calls.
#[must_use]
pub const fn activity(scene: Scene) -> Activity {
    match scene {
        Scene::Create => Activity::NewInstance,
        Scene::Renewal | Scene::RenewalChange | Scene::CancelRenewal => Activity::RefreshInstance,
        Scene::Change => Activity::UpgradeInstance,
        Scene::Freeze | Scene::Unfreeze => Activity::UpdateInstanceStatus,
        Scene::Release => Activity::ReleaseInstance,
    }
}

/// Decides from the answer at market time `now`.
#[must_use]
pub fn decide(call: &Call, kind: AttemptKind, outcome: &Outcome, now: i64) -> Step {
    let plan = schedule(activity(call.scene));
    let first = call.started_at.unwrap_or(now);
    let poll = |instance: Option<String>| {
        let made = u32::try_from(call.attempts).unwrap_or(u32::MAX);
        plan.next_poll_at(first, now, made.saturating_sub(1)).map_or(Step::GiveUp, |at| Step::Poll { at, instance })
    };
    match outcome {
        Outcome::Done(Payload::Instance { instance_id }) => Step::Done { instance: Some(instance_id.clone()) },
        Outcome::Done(Payload::Nothing) => Step::Done { instance: call.instance_id.clone() },
        Outcome::Done(Payload::Instances(found)) => {
            let ready = call.instance_id.as_ref().filter(|id| found.iter().any(|info| info.instance_id == **id));
            ready.map_or_else(|| poll(call.instance_id.clone()), |id| Step::Done { instance: Some(id.clone()) })
        }
        Outcome::Pending { instance_id } => poll(instance_id.clone().or_else(|| call.instance_id.clone())),
        // A question that fails says nothing about what the seller has begun.
        Outcome::Retry(_) | Outcome::Refused(_) if kind == AttemptKind::Poll => poll(call.instance_id.clone()),
        Outcome::Retry(_) | Outcome::Refused(_) => plan.next_attempt_at(first, now).map_or(Step::GiveUp, |at| Step::Again { at }),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::calls::{CallFacts, CallState};
    use kernel::{AccountId, AddressId, DeliveryId, Entropy, HOUR_MS, MINUTE_MS, ProductId, SubscriptionId};
    use wire::koogallery_v2::Failure;

    fn call(scene: Scene) -> Call {
        let entropy = Entropy::from_seed([1; 32]);
        Call {
            id: DeliveryId::new(0, &entropy),
            scene,
            state: CallState::Waiting,
            subscription_id: SubscriptionId::new(0, &entropy),
            order_number: None,
            line_number: None,
            seller_id: AccountId::new(0, &entropy),
            product_id: ProductId::new(0, &entropy),
            address_id: AddressId::new(0, &entropy),
            facts: CallFacts::default(),
            instance_id: None,
            created_at: 0,
            started_at: None,
            attempts: 0,
            round: 1,
            last_verdict: None,
            ended_at: None,
        }
    }

    /// Plays a server that always answers `outcome` and tells the minutes of the attempts until the end.
    fn minutes(scene: Scene, kind: AttemptKind, outcome: &Outcome) -> (Vec<i64>, Step) {
        let (mut call, mut now, mut seen) = (call(scene), 0, Vec::new());
        loop {
            seen.push(now / MINUTE_MS);
            call.started_at = call.started_at.or(Some(now));
            call.attempts += 1;
            match decide(&call, kind, outcome, now) {
                Step::Again { at } | Step::Poll { at, .. } => now = at,
                end @ (Step::Done { .. } | Step::GiveUp) => return (seen, end),
            }
        }
    }

    #[test]
    fn a_dead_server_is_called_hourly_for_three_hours_and_then_given_up() {
        let dead = Outcome::Retry(Failure::ConnectFailed("refused".to_owned()));
        for scene in [Scene::Create, Scene::Change] {
            assert_eq!(minutes(scene, AttemptKind::Call, &dead), (vec![0, 60, 120, 180], Step::GiveUp));
        }
        for scene in [Scene::Renewal, Scene::Freeze, Scene::Unfreeze, Scene::Release, Scene::CancelRenewal] {
            let (seen, end) = minutes(scene, AttemptKind::Call, &dead);
            assert_eq!((*seen.last().unwrap(), end), (60, Step::GiveUp));
        }
    }

    #[test]
    fn a_server_that_is_always_in_progress_is_asked_for_three_hours() {
        let (seen, end) = minutes(Scene::Create, AttemptKind::Poll, &Outcome::Pending { instance_id: None });
        assert_eq!((*seen.last().unwrap() * MINUTE_MS, end), (3 * HOUR_MS, Step::GiveUp));
    }

    #[test]
    fn a_query_is_done_only_when_it_names_our_instance() {
        let mut call = call(Scene::Create);
        call.instance_id = Some("i-1".to_owned());
        let nobody = Outcome::Done(Payload::Instances(Vec::new()));
        assert!(matches!(decide(&call, AttemptKind::Poll, &nobody, 0), Step::Poll { .. }));
    }
}
