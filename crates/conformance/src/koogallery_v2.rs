//! SaaS access V2.0: the cases said on its wire (spec: protocol §1), and where its rules stand.

use outbound::{CallError, CallFailure, Response};
use serde_json::{Map, Value};
use wire::koogallery_v2::{
    ACCEPT, AccessKey, Activity, CONTENT_TYPE, Failure, InstanceStatus, Mode, Oddity, OrderLineRef, Outcome, Payload, ProductInfo,
    RefreshScene, Request, ResultCode, Signature, Warning, canonical::canonical, read_answer, sign, signed_url,
};

use crate::case::{Member, No, Twist};
use crate::dialect::{Ask, Broken, Heard, Ids, Outgoing, Proof, Refusal, Remark, Reply, Told, Way};

const HEADERS: &[(&str, &str)] = &[("content-type", CONTENT_TYPE), ("accept", ACCEPT)];
/// No guide knows it.
const NONSENSE: &str = "danceInstance";
/// What is added to a body after it was signed.
const ADDED_AFTERWARDS: &str = "added-after-signing";

/// The section of our specification (`protocol §…`), and the page of the guide that it was written from. Where a page says it less directly
/// than the rule does, the source says so.
pub(crate) fn source(id: &str) -> Option<&'static str> {
    let source = match id {
        "address" => "protocol §0; guide V2.0, European copy en-us_topic_000006",
        "answers" => "protocol §1.5; zh-cn_topic_0070649427 and the pages beside it",
        "purchase" => "protocol §1.6; newInstance, zh-cn_topic_0070649427",
        "purchase-repeat" | "two-orders" | "two-lines" | "asynchronous-opening" => "protocol §1.6; newInstance, zh-cn_topic_0070649427",
        "concurrent-duplicates" => "protocol §1.6; newInstance, zh-cn_topic_0070649427 (one order line, one instance)",
        "retry-after-refusal" | "retry-after-lost-answer" => "protocol §1.6 and §1.14 (calls are repeated until they succeed)",
        "query" | "query-many" => "protocol §1.7; queryInstance, zh-cn_topic_0070649428",
        "text-in-values" => "protocol §0 and §1.2; signature, zh-cn_topic_0070649476 (JSON in UTF-8)",
        "text-kept-apart" => "protocol §0 and §1.6 (JSON in UTF-8; one order line, one instance)",
        "wrong-signature" | "missing-signature" | "forged-call-has-no-effect" => {
            "protocol §1.2 and §8.1 (000001); signature, zh-cn_topic_0070649476"
        }
        "old-timestamp" | "timestamp-window" => "protocol §1.2 and §0 (60 seconds); signature, zh-cn_topic_0070649476",
        "future-timestamp" => "protocol §1.2 (60 seconds either way; the published sample looks at the past only)",
        "missing-timestamp" | "missing-nonce" => "protocol §1.2 (as the published sample checks, 000002)",
        "nonce-forms" | "signature-case" => "protocol §1.2; signature, zh-cn_topic_0070649476 (the examples differ)",
        "nonce-repeated" => "protocol §1.2 and §1.6 (a server may remember nonces, and need not)",
        "unknown-activity" | "missing-parameter" => "protocol §1.5 and §8.1 (000002); zh-cn_topic_0070649421",
        "unknown-instance" => "protocol §8.1 (000003); zh-cn_topic_0070649421",
        "debugging" | "debugging-has-no-effect" => "protocol §1.5 and §1.13 (testFlag 1)",
        "test-flag-zero" => "protocol §1.5 (testFlag 0)",
        "renewal" | "renewal-repeat" | "renewal-taken-back" => "protocol §1.8; refreshInstance, zh-cn_topic_0070649429",
        "renewal-of-frozen" => "protocol §1.8 and §1.9 (an expired instance is frozen, renewed, and unfrozen)",
        "freeze" | "unfreeze" => "protocol §1.9; updateInstanceStatus, zh-cn_topic_0070649430",
        "frozen-instance-is-kept" => "protocol §1.9; updateInstanceStatus, zh-cn_topic_0070649430 (15 days)",
        "freeze-repeat" | "unfreeze-repeat" => "protocol §1.9 and §1.14 (calls are repeated until they succeed)",
        "upgrade" => "protocol §1.11; upgradeInstance",
        "upgrade-repeat" => "protocol §1.11 and §1.14 (calls are repeated until they succeed)",
        "renewal-check" => "protocol §1.12; changeInstanceCheck, zh-cn_topic_0000002411753620",
        "release" | "release-repeat" | "release-has-effect" | "release-without-order" => {
            "protocol §1.10; releaseInstance, zh-cn_topic_0070649431"
        }
        "time-limit" => "protocol §0 (5 seconds); guide V2.0, European copy en-us_topic_000006",
        "content-type" => "protocol §0 (JSON in UTF-8)",
        "members" => "protocol §1.5 to §1.7 (types and lengths)",
        _ => return None,
    };
    Some(source)
}

fn order(ids: &Ids) -> OrderLineRef {
    OrderLineRef { order_id: ids.order_id.clone(), order_line_id: ids.line_id.clone() }
}

fn request(ask: &Ask) -> Option<Request> {
    let refresh = |scene, instance: &String, ids: &Ids, expire_at_ms: i64| Request::RefreshInstance {
        scene,
        order: order(ids),
        instance_id: instance.clone(),
        product_id: None,
        expire_at_ms,
    };
    let request = match ask {
        Ask::Open { order: ids, business_id } => Request::NewInstance { order: order(ids), business_id: business_id.clone() },
        Ask::Tell { instances } => Request::QueryInstance { instance_ids: instances.clone() },
        Ask::Renew { instance, order, expires_at } => refresh(RefreshScene::Renewal, instance, order, *expires_at),
        Ask::TakeBack { instance, order, expires_at } => refresh(RefreshScene::UnsubscribeRenewalPeriod, instance, order, *expires_at),
        Ask::Freeze { instance } => Request::UpdateInstanceStatus { instance_id: instance.clone(), status: InstanceStatus::Freeze },
        Ask::Unfreeze { instance } => Request::UpdateInstanceStatus { instance_id: instance.clone(), status: InstanceStatus::Unfreeze },
        Ask::Upgrade { instance, order: ids } => Request::UpgradeInstance { instance_id: instance.clone(), order: order(ids) },
        Ask::MayChange { instance } => Request::ChangeInstanceCheck {
            instance_id: instance.clone(),
            product: ProductInfo { product_id: "OFFI000000000000000001".to_owned(), sku_code: None, linear_value: Some(2) },
        },
        Ask::Release { instance, order: ids } => Request::ReleaseInstance { instance_id: instance.clone(), order: ids.as_ref().map(order) },
        Ask::Nonsense => return None,
    };
    Some(request)
}

fn activity(ask: &Ask) -> Option<Activity> {
    request(ask).map(|request| request.activity())
}

/// The body before signing.
fn body(ask: &Ask, twist: Twist) -> Result<String, String> {
    let mode = if twist == Twist::Debugging { Mode::Debugging } else { Mode::Live };
    let Some(request) = request(ask) else {
        return Ok(canonical(&Map::from_iter([("activity".to_owned(), Value::from(NONSENSE))])));
    };
    let body = request.body(mode).map_err(|error| error.to_string())?;
    let mut members: Map<String, Value> = serde_json::from_str(&body).map_err(|error| error.to_string())?;
    match twist {
        Twist::Without(Member::Order) => drop(members.remove("orderId")),
        Twist::Without(Member::Instance) => drop(members.remove("instanceId")),
        Twist::NotDebugging => drop(members.insert("testFlag".to_owned(), Value::from("0"))),
        _ => return Ok(body),
    }
    Ok(canonical(&members))
}

pub(crate) fn call(address: &str, ask: &Ask, twist: Twist, proof: Proof<'_>) -> Result<Outgoing, String> {
    let signed_body = body(ask, twist)?;
    let key = match twist {
        Twist::WrongKey => AccessKey::new(format!("{}-but-another", proof.access_key)),
        _ => AccessKey::new(proof.access_key),
    };
    let at = match twist {
        Twist::Ago(ms) => proof.now.saturating_sub(ms),
        Twist::Ahead(ms) => proof.now.saturating_add(ms),
        _ => proof.now,
    };
    let signature = match twist {
        Twist::NoNonce => sign(&key, &signed_body, at, ""),
        // Nonce and timestamp stand side by side in the signed text, so a timestamp without a nonce signs as a nonce without a timestamp.
        Twist::NoTimestamp => {
            let swapped = sign(&key, &signed_body, at, "");
            Signature { nonce: swapped.timestamp, timestamp: String::new(), signature: swapped.signature }
        }
        Twist::LowerCase => {
            let upper = sign(&key, &signed_body, at, proof.nonce);
            Signature { signature: upper.signature.to_ascii_lowercase(), ..upper }
        }
        _ => sign(&key, &signed_body, at, proof.nonce),
    };
    let url = signed_url(address, &signature);
    let url = match twist {
        Twist::NoSignature => without(&url, address, &["signature"]),
        Twist::NoProof => without(&url, address, &["signature", "timestamp", "nonce"]),
        Twist::NoTimestamp => without(&url, address, &["timestamp"]),
        Twist::NoNonce => without(&url, address, &["nonce"]),
        _ => url,
    };
    let body = match twist {
        Twist::ChangedBody => changed(&signed_body)?,
        _ => signed_body,
    };
    let label = activity(ask).map_or(NONSENSE, Activity::as_str).to_owned();
    Ok(Outgoing { label, url, body, headers: HEADERS })
}

fn changed(body: &str) -> Result<String, String> {
    let mut members: Map<String, Value> = serde_json::from_str(body).map_err(|error| error.to_string())?;
    members.insert("businessId".to_owned(), Value::from(ADDED_AFTERWARDS));
    Ok(canonical(&members))
}

/// The URL without those of our own parameters; the address's own query stays as it is.
fn without(url: &str, address: &str, names: &[&str]) -> String {
    let own = address.split('#').next().unwrap_or(address);
    let (start, ours) = url.split_at(own.len().min(url.len()));
    let joint = ours.get(..1).filter(|joint| matches!(*joint, "?" | "&")).unwrap_or("");
    let (ours, fragment) = ours.find('#').map_or((ours, ""), |at| ours.split_at(at));
    let kept: Vec<&str> = ours[joint.len()..].split('&').filter(|part| !names.contains(&part.split('=').next().unwrap_or(part))).collect();
    let joint = if kept.is_empty() { "" } else { joint };
    format!("{start}{joint}{}{fragment}", kept.join("&"))
}

pub(crate) fn read(ask: &Ask, answer: &Result<Response, CallError>) -> Heard {
    let response = match answer {
        Ok(response) => response,
        Err(error) => return Heard { reply: Reply::Broken(unanswered(&error.failure)), remarks: Vec::new() },
    };
    // What no activity names is read as the plainest of them.
    let activity = activity(ask).unwrap_or(Activity::UpgradeInstance);
    let reading = read_answer(activity, response.status, response.content_type.as_deref(), &response.body);
    // The guide lists encryptType as optional (spec: protocol §1.7), and what counts as gone is for the cases to judge.
    let is_odd = |warning: &&Warning| !matches!(warning.oddity, Oddity::AlreadyGone | Oddity::NotInV2);
    let remarks = reading.warnings.iter().filter(is_odd).map(remark).collect();
    if let Some(member) = doubled(&response.body) {
        return Heard { reply: Reply::Broken(said_twice(&member)), remarks };
    }
    let already_gone = reading.warnings.iter().any(|warning| warning.oddity == Oddity::AlreadyGone);
    let reply = match reading.outcome {
        Outcome::Done(_) if already_gone => Reply::Refused(refusal(&ResultCode::InstanceUnknown, reading.message)),
        Outcome::Done(Payload::Nothing) => Reply::Done { instance: None },
        Outcome::Done(Payload::Instance { instance_id }) => Reply::Done { instance: Some(instance_id) },
        Outcome::Done(Payload::Instances(found)) => Reply::Told(
            found
                .into_iter()
                .map(|info| Told {
                    instance: info.instance_id,
                    lacks_address: info.app_info.is_some_and(|app| app.front_end_url.is_none()),
                })
                .collect(),
        ),
        Outcome::Pending { instance_id } => Reply::Pending { instance: instance_id },
        Outcome::Retry(Failure::Answered(code)) | Outcome::Refused(Failure::Answered(code)) => {
            Reply::Refused(refusal(&code, reading.message))
        }
        Outcome::Retry(failure) | Outcome::Refused(failure) => Reply::Broken(broken(&failure)),
    };
    Heard { reply, remarks }
}

/// A member of the answer's object that is there more than once: every reader takes another of them.
fn doubled(body: &[u8]) -> Option<String> {
    struct Names;
    impl<'de> serde::de::Visitor<'de> for Names {
        type Value = Option<String>;

        fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("an object")
        }

        fn visit_map<A: serde::de::MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
            let mut seen = std::collections::BTreeSet::new();
            let mut doubled = None;
            while let Some((name, _)) = map.next_entry::<String, serde::de::IgnoredAny>()? {
                if !seen.insert(name.clone()) && doubled.is_none() {
                    doubled = Some(name);
                }
            }
            Ok(doubled)
        }
    }
    let mut reader = serde_json::Deserializer::from_slice(body);
    serde::de::Deserializer::deserialize_map(&mut reader, Names).ok().flatten()
}

fn said_twice(member: &str) -> Broken {
    let member: String = member.chars().take(40).collect();
    Broken {
        word: "member_twice",
        en: format!("{member} is in the answer more than once, send it once"),
        zh: format!("应答中{member}出现多次，只应出现一次"),
        way: Way::Arrived,
    }
}

fn refusal(code: &ResultCode, message: Option<String>) -> Refusal {
    let no = match code {
        ResultCode::AuthenticationFailed => No::NotAuthenticated,
        ResultCode::InvalidParameter => No::BadParameter,
        ResultCode::InstanceUnknown => No::UnknownInstance,
        _ => No::Other,
    };
    Refusal {
        no,
        code: code.as_str().to_owned(),
        meaning_en: code.meaning_en().to_owned(),
        meaning_zh: code.meaning_zh().to_owned(),
        message,
    }
}

fn unanswered(failure: &CallFailure) -> Broken {
    let en = failure.to_string();
    let (way, zh) = match failure {
        CallFailure::BadUrl(_) | CallFailure::BadHeader(_) | CallFailure::AddressRefused { .. } => {
            (Way::NotSent, "生产地址无法调用".to_owned())
        }
        CallFailure::TimedOut { limit_ms } => (Way::Arrived, format!("{limit_ms}毫秒内没有完整应答")),
        CallFailure::ConnectFailed(why) => (Way::NotConnected, format!("无法连接：{why}")),
        CallFailure::Tls(why) => (Way::NotTrusted, format!("无法建立受信任的TLS连接：{why}")),
        CallFailure::NoAnswer(why) => (Way::Arrived, format!("服务器没有返回HTTP应答：{why}")),
        CallFailure::BrokenBody(why) => (Way::Arrived, format!("应答未传完连接即中断：{why}")),
        CallFailure::TooLarge { limit_bytes } => (Way::Arrived, format!("应答超过{limit_bytes}字节")),
    };
    Broken { word: failure.word(), en, zh, way }
}

fn broken(failure: &Failure) -> Broken {
    let zh = match failure {
        Failure::BodyTooLarge { limit_bytes } => format!("应答超过{limit_bytes}字节"),
        Failure::Redirect(status) => format!("应答为重定向（{status}），平台不跟随重定向，请登记最终地址"),
        Failure::Status(status) => format!("HTTP状态码为{status}，应返回200并用resultCode说明问题"),
        Failure::Empty => "应答没有消息体，应返回JSON对象".to_owned(),
        Failure::NotUtf8 { declared } => format!("应答不是UTF-8编码（声明为{declared}）"),
        Failure::Html => "应答是网页，应返回JSON对象".to_owned(),
        Failure::NotJson(why) => format!("应答不是JSON对象：{why}"),
        Failure::ResultCodeMissing => "缺少resultCode".to_owned(),
        Failure::ResultCodeNotText { found } => format!("resultCode为{found}，应为文本，如\"000000\""),
        Failure::InstanceIdMissing => "新购成功的应答缺少instanceId".to_owned(),
        Failure::InstanceIdTooLong { chars } => format!("instanceId有{chars}个字符，最多64个"),
        Failure::InstanceIdWithComma => "instanceId不得含逗号，逗号在queryInstance中用于分隔".to_owned(),
        Failure::InstanceIdWithControl => "instanceId不得含控制字符".to_owned(),
        other => other.to_string(),
    };
    Broken { word: failure.word(), en: failure.to_string(), zh, way: Way::Arrived }
}

fn remark(warning: &Warning) -> Remark {
    let at = &warning.at;
    let zh = match &warning.oddity {
        Oddity::Missing => format!("缺少{at}"),
        Oddity::Cut { max } => format!("{at}超过{max}个字符，已截断"),
        Oddity::LeftOut { max } => format!("{at}超过{max}个字符，已忽略"),
        Oddity::ControlCharacters => format!("{at}含控制字符，已去除"),
        Oddity::WrongType => format!("{at}的JSON类型与文档不符"),
        Oddity::NotAWebAddress => format!("{at}不是网址（http或https），已忽略"),
        Oddity::NotAUsageValue => format!("{at}不是最多8位整数4位小数的数值"),
        Oddity::NotATime => format!("{at}不是yyyyMMddHHmmssSSS格式的UTC时间"),
        Oddity::TooMany { max } => format!("{at}超过{max}条，其余已忽略"),
        Oddity::ByteOrderMark => format!("{at}以字节顺序标记开头，应去掉"),
        Oddity::ContentType => format!("{at}应为application/json，字符集UTF-8"),
        Oddity::NotInV2 => format!("{at}在V2.0中不使用"),
        Oddity::AlreadyGone => format!("{at}表示实例不存在，视为已释放"),
    };
    let of_content_type = matches!(warning.oddity, Oddity::ContentType | Oddity::ByteOrderMark);
    Remark { of_content_type, en: warning.to_string(), zh }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use wire::koogallery_v2::{Presented, Rejection, Tolerance, verify};

    use super::*;
    use crate::cases::CASES;

    const NOW: i64 = 1_709_690_865_879;
    const KEY: &str = "b7f2c1d4-0000-4a5e-9c11-demo00000001";

    fn ask() -> Ask {
        let order = Ids { order_id: "CS1".to_owned(), line_id: "CS1-000001".to_owned() };
        Ask::Open { order, business_id: "biz-1".to_owned() }
    }

    fn verdict(twist: Twist) -> Result<(), Rejection> {
        let out = call("https://a.example/x?b=1", &ask(), twist, Proof { access_key: KEY, now: NOW, nonce: "n-1" }).unwrap();
        let query = out.url.split_once('?').unwrap().1;
        assert!(query.starts_with("b=1"), "{query}");
        verify(&AccessKey::new(KEY), &out.body, &Presented::from_query(query), NOW, Tolerance::default())
    }

    #[test]
    fn each_twist_spoils_what_it_says_and_nothing_else() {
        for twist in
            [Twist::None, Twist::LowerCase, Twist::Debugging, Twist::NotDebugging, Twist::Without(Member::Order), Twist::Ago(59_000)]
        {
            assert_eq!(verdict(twist), Ok(()), "{twist:?}");
        }
        assert_eq!(verdict(Twist::WrongKey), Err(Rejection::SignatureWrong));
        assert_eq!(verdict(Twist::ChangedBody), Err(Rejection::SignatureWrong));
        assert_eq!(verdict(Twist::NoSignature), Err(Rejection::SignatureMissing));
        assert_eq!(verdict(Twist::NoProof), Err(Rejection::TimestampMissing));
        assert_eq!(verdict(Twist::NoTimestamp), Err(Rejection::TimestampMissing));
        assert_eq!(verdict(Twist::NoNonce), Err(Rejection::NonceMissing));
        assert_eq!(verdict(Twist::Ago(61_000)), Err(Rejection::TimestampStale { age_ms: 61_000 }));
        assert_eq!(verdict(Twist::Ahead(61_000)), Err(Rejection::TimestampInFuture { ahead_ms: 61_000 }));
    }

    #[test]
    fn what_is_signed_over_nothing_is_signed_rightly() {
        // A server that does not miss the timestamp takes its absence for an empty text, and must find the signature right.
        let proof = Proof { access_key: KEY, now: NOW, nonce: "n-1" };
        let out = call("https://a.example/x", &ask(), Twist::NoTimestamp, proof).unwrap();
        let query = out.url.split_once('?').unwrap().1;
        let presented = Presented::from_query(query);
        let nonce: i64 = presented.nonce.unwrap().parse().unwrap();
        assert_eq!(presented.signature, Some(sign(&AccessKey::new(KEY), &out.body, nonce, "").signature));
    }

    #[test]
    fn an_address_without_a_query_of_its_own_is_called_bare() {
        let proof = Proof { access_key: KEY, now: NOW, nonce: "n-1" };
        let url = |address: &str| call(address, &ask(), Twist::NoProof, proof).unwrap().url;
        assert_eq!(url("https://a.example/x"), "https://a.example/x");
        assert_eq!(url("https://a.example/x?b=1"), "https://a.example/x?b=1");
        assert_eq!(url("https://a.example/x?"), "https://a.example/x?");
        assert_eq!(url("https://a.example/x#f"), "https://a.example/x#f");
    }

    #[test]
    fn every_case_has_its_source() {
        for case in CASES {
            assert!(source(case.id).is_some(), "{}", case.id);
        }
        assert_eq!(source("no-such-case"), None);
    }
}
