//! What the documentation leaves to a seller, done in other ways than the sample does it.

use wire::koogallery_v2::{AccessKey, Answer, InstanceInfo, Request, ResultCode, Tolerance, verify_reserialised};

use super::{Call, Shared, behaviour::Manner, now};
use wire::koogallery_v2::Presented;

/// The answer of a seller of that manner.
pub(super) fn answer(manner: Manner, shared: &Shared, call: &Call, query: &str, body: &[u8]) -> String {
    let truth = || shared.sound.answer(query, body).to_json();
    let is_believed = call.verified.is_ok();
    match manner {
        Manner::RemembersNonces => {
            let nonce = Presented::from_query(query).nonce.unwrap_or_default();
            let is_repeated = is_believed && shared.memory.seen(format!("nonce {nonce}"));
            if is_repeated { Answer::of(&ResultCode::AuthenticationFailed).to_json() } else { truth() }
        }
        Manner::WithoutUpgrades | Manner::OneOff => match &call.request {
            Some(request) if is_believed && !is_offered(manner, request) => Answer::of(&ResultCode::InvalidParameter).to_json(),
            _ => truth(),
        },
        Manner::SlowToTell => match &call.request {
            Some(Request::NewInstance { .. }) => truth().replace(ResultCode::InProgress.as_str(), ResultCode::Success.as_str()),
            _ => truth(),
        },
        Manner::WithoutAccess => without_access(call, truth()),
        Manner::Reserialises => {
            let key = AccessKey::new(shared.state().access_key.clone());
            let verified = verify_reserialised(&key, &call.body, &Presented::from_query(query), now(), Tolerance::default());
            match (verified, &call.request) {
                (Err(rejection), _) => Answer::of(&rejection.result_code()).to_json(),
                (Ok(()), None) => Answer::of(&ResultCode::InvalidParameter).to_json(),
                (Ok(()), Some(request)) => shared.sound.act(request, call.mode).to_json(),
            }
        }
        Manner::Terse => terse(&truth()),
    }
}

fn is_offered(manner: Manner, request: &Request) -> bool {
    match request {
        Request::UpgradeInstance { .. } | Request::ChangeInstanceCheck { .. } => false,
        Request::RefreshInstance { .. } | Request::UpdateInstanceStatus { .. } => manner != Manner::OneOff,
        Request::NewInstance { .. } | Request::QueryInstance { .. } | Request::ReleaseInstance { .. } | Request::OrderNotify { .. } => true,
    }
}

fn without_access(call: &Call, truth: String) -> String {
    let Some(Request::QueryInstance { instance_ids }) = &call.request else { return truth };
    let told: Vec<InstanceInfo> = instance_ids
        .iter()
        .filter(|id| truth.contains(&format!(r#""instanceId":"{id}""#)))
        .map(|id| InstanceInfo { instance_id: id.clone(), ..InstanceInfo::default() })
        .collect();
    if told.is_empty() { truth } else { Answer::success().info(told).to_json() }
}

/// Without `resultMsg`, whose texts have no quotation marks.
fn terse(truth: &str) -> String {
    const MEMBER: &str = r#","resultMsg":""#;
    let Some((before, rest)) = truth.split_once(MEMBER) else { return truth.to_owned() };
    let after = rest.split_once('"').map_or("", |(_, after)| after);
    format!("{before}{after}")
}
