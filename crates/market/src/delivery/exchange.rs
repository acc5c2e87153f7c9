//! One request and its answer: built, signed, sent and judged, outside any transaction.

use kernel::Entropy;
use wire::koogallery_v2::{
    ACCEPT, AccessKey, CONTENT_TYPE, Failure, InstanceInfo, InstanceStatus, Mode, OrderLineRef, Outcome, Payload, ProductInfo,
    RefreshScene, Request, Warning, mask_body, mask_url, read_answer, sign, signed_url,
};

use crate::calls::{Attempt, AttemptKind, Call, Scene};
use crate::catalog::Item;
use crate::market::Market;
use crate::sellers::CallTarget;

/// Longest part of an answer's body that is kept.
const KEPT_BODY_MAX_CHARS: usize = 16_384;

/// What was sent and what came back.
#[derive(Debug)]
pub(super) struct Exchange {
    pub(super) outcome: Outcome,
    wall_at: i64,
    url: String,
    request_body: String,
    status: Option<i64>,
    answer_type: Option<String>,
    answer_body: Option<String>,
    elapsed_ms: i64,
    /// What the seller said beside the code.
    message: Option<String>,
    /// What was odd and did not matter.
    pub(super) warnings: Vec<Warning>,
    /// Whether anything went out.
    sent: Sent,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sent {
    Yes,
    No,
}

/// The request of a call; `business_id` and nonces are new for each attempt (spec: protocol §1.6).
pub(super) fn request_of(call: &Call, kind: AttemptKind, entropy: &Entropy) -> Request {
    let order = || OrderLineRef {
        order_id: call.order_number.clone().unwrap_or_default(),
        order_line_id: call.line_number.clone().unwrap_or_default(),
    };
    let instance_id = call.instance_id.clone().unwrap_or_default();
    let refresh = |scene| Request::RefreshInstance {
        scene,
        order: order(),
        instance_id: instance_id.clone(),
        product_id: call.facts.price_id.map(|id| id.to_string()),
        expire_at_ms: call.facts.expires_at.unwrap_or_default(),
    };
    let status = |status| Request::UpdateInstanceStatus { instance_id: instance_id.clone(), status };
    match call.scene {
        Scene::Create if kind == AttemptKind::Poll && call.instance_id.is_some() => query(&instance_id),
        Scene::Create => Request::NewInstance { order: order(), business_id: business_id(entropy) },
        Scene::Renewal => refresh(RefreshScene::Renewal),
        Scene::RenewalChange => refresh(RefreshScene::RenewalChange),
        Scene::CancelRenewal => refresh(RefreshScene::UnsubscribeRenewalPeriod),
        Scene::Change => Request::UpgradeInstance { instance_id, order: order() },
        Scene::Freeze => status(InstanceStatus::Freeze),
        Scene::Unfreeze => status(InstanceStatus::Unfreeze),
        Scene::Release => Request::ReleaseInstance { instance_id, order: call.order_number.is_some().then(order) },
    }
}

/// The question what an instance is like.
pub(super) fn query(instance: &str) -> Request {
    Request::QueryInstance { instance_ids: vec![instance.to_owned()] }
}

/// The question whether an instance may become another SKU or quantity at its renewal.
pub(super) fn may_become(instance: &str, item: &Item, quantity: i64) -> Request {
    let product = ProductInfo {
        product_id: item.price_id.to_string(),
        sku_code: Some(item.sku_id.to_string()),
        linear_value: u64::try_from(quantity).ok(),
    };
    Request::ChangeInstanceCheck { instance_id: instance.to_owned(), product }
}

/// A lower-case UUID of random bits, as the documentation's examples show.
pub(crate) fn business_id(entropy: &Entropy) -> String {
    let hex = hex::encode(entropy.bytes::<16>());
    format!("{}-{}-4{}-a{}-{}", &hex[..8], &hex[8..12], &hex[13..16], &hex[17..20], &hex[20..])
}

/// Signs, sends and judges.
pub(super) async fn run(market: &Market, target: &CallTarget, request: &Request, mode: Mode) -> Exchange {
    let wall_at = market.machine().now();
    let nonce = hex::encode_upper(market.entropy().bytes::<16>());
    let body = match request.body(mode) {
        Ok(body) => body,
        Err(error) => return Exchange::unsent(target, wall_at, &error.to_string()),
    };
    let signature = sign(&AccessKey::new(target.access_key.as_str()), &body, wall_at, &nonce);
    let url = signed_url(&target.url, &signature);
    let headers = [("content-type", CONTENT_TYPE), ("accept", ACCEPT)];
    let answer = market.outbound().post_json(&url, body.clone(), &headers).await;
    let (url, request_body) = (mask_url(&url), body);
    match answer {
        Ok(response) => {
            let reading = read_answer(request.activity(), response.status, response.content_type.as_deref(), &response.body);
            Exchange {
                outcome: reading.outcome,
                wall_at,
                url,
                request_body,
                status: Some(response.status.into()),
                answer_type: response.content_type,
                answer_body: Some(kept(&response.body)),
                elapsed_ms: response.elapsed_ms,
                message: reading.message,
                warnings: reading.warnings,
                sent: Sent::Yes,
            }
        }
        Err(error) => Exchange {
            outcome: Outcome::Retry(failure_of(error.failure)),
            wall_at,
            url,
            request_body,
            status: None,
            answer_type: None,
            answer_body: None,
            elapsed_ms: error.elapsed_ms,
            message: None,
            warnings: Vec::new(),
            sent: Sent::Yes,
        },
    }
}

/// What is kept of an answer: the text, its passwords masked, cut where it is very long.
fn kept(body: &[u8]) -> String {
    let text = String::from_utf8_lossy(body);
    without_nul(&mask_body(&text)).take(KEPT_BODY_MAX_CHARS).collect()
}

/// NUL is text to SQLite but not to PostgreSQL.
fn without_nul(text: &str) -> impl Iterator<Item = char> {
    text.chars().filter(|c| *c != '\0')
}

fn failure_of(failure: outbound::CallFailure) -> Failure {
    use outbound::CallFailure as Said;
    match failure {
        Said::TimedOut { limit_ms } => Failure::TimedOut { limit_ms },
        Said::ConnectFailed(why) | Said::NoAnswer(why) => Failure::ConnectFailed(why),
        Said::Tls(why) => Failure::TlsFailed(why),
        Said::BrokenBody(_) => Failure::BodyBroken,
        Said::TooLarge { limit_bytes } => Failure::BodyTooLarge { limit_bytes },
        refused @ (Said::BadUrl(_) | Said::BadHeader(_) | Said::AddressRefused { .. }) => Failure::AddressRefused(refused.to_string()),
    }
}

impl Exchange {
    fn unsent(target: &CallTarget, wall_at: i64, why: &str) -> Self {
        Self {
            outcome: Outcome::Retry(Failure::AddressRefused(why.to_owned())),
            wall_at,
            url: mask_url(&target.url),
            request_body: String::new(),
            status: None,
            answer_type: None,
            answer_body: None,
            elapsed_ms: 0,
            message: None,
            warnings: Vec::new(),
            sent: Sent::No,
        }
    }

    /// What the seller said beside the code, and what was odd, after the meaning of the answer.
    fn remarks(&self) -> String {
        if self.sent == Sent::No {
            return "; the request was not sent".to_owned();
        }
        let said = self.message.iter().map(|message| format!(" — {message}"));
        said.chain(self.warnings.iter().map(|warning| format!("; {warning}"))).collect()
    }

    /// Whether the server itself failed, rather than said no: counts for the breaker.
    pub(super) fn server_failed(&self) -> bool {
        match &self.outcome {
            Outcome::Retry(Failure::Answered(_)) | Outcome::Refused(_) | Outcome::Done(_) | Outcome::Pending { .. } => false,
            Outcome::Retry(_) => true,
        }
    }

    /// What the answer says of `instance`.
    pub(super) fn instance(&self, instance: Option<&str>) -> Option<&InstanceInfo> {
        match &self.outcome {
            Outcome::Done(Payload::Instances(found)) => found.iter().find(|info| Some(info.instance_id.as_str()) == instance),
            Outcome::Done(_) | Outcome::Pending { .. } | Outcome::Retry(_) | Outcome::Refused(_) => None,
        }
    }

    /// The attempt to keep, made at market time `at`; `outcome` is what was made of it.
    pub(super) fn attempt(&self, kind: AttemptKind, at: i64, outcome: &Outcome) -> Attempt {
        let (verdict, meaning) = match outcome {
            Outcome::Done(_) => ("done", "done".to_owned()),
            Outcome::Pending { .. } => ("pending", "the seller has begun and is asked again".to_owned()),
            Outcome::Retry(failure) | Outcome::Refused(failure) => (failure.word(), failure.to_string()),
        };
        Attempt {
            n: 0,
            kind,
            at,
            wall_at: self.wall_at,
            url: self.url.clone(),
            request_body: self.request_body.clone(),
            status: self.status,
            answer_type: self.answer_type.clone(),
            answer_body: self.answer_body.clone(),
            elapsed_ms: self.elapsed_ms,
            verdict: verdict.to_owned(),
            detail: without_nul(&format!("{meaning}{}", self.remarks())).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_business_id_is_a_uuid() {
        let id = business_id(&Entropy::from_seed([5; 32]));
        assert_eq!(id.len(), 36);
        assert!(id.bytes().all(|b| b == b'-' || b.is_ascii_digit() || (b'a'..=b'f').contains(&b)), "{id}");
        assert_eq!(&id[14..15], "4");
    }

    #[test]
    fn what_is_kept_hides_passwords_and_has_an_end() {
        let kept_text = kept(br#"{"info":[{"appInfo":{"password":"Init#1"}}]}"#);
        assert!(!kept_text.contains("Init#1") && kept_text.contains("appInfo"));
        assert_eq!(kept(&vec![b'a'; 1_000_000]).len(), KEPT_BODY_MAX_CHARS);
        assert_eq!(kept(&[0xff, 0, b'x']), "\u{fffd}x");
    }
}
