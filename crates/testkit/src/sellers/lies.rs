//! The lies, told.
//!
//! Most of them concern one kind of call and answer everything else truthfully; what was not signed rightly is refused unless the lie is just that.

use std::collections::HashSet;
use std::io;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use axum::body::Body;
use axum::http::{Response, StatusCode, header};
use futures_util::{StreamExt, stream};
use sample_seller::State;
use wire::koogallery_v2::{
    AccessKey, Answer, CONTENT_TYPE, InstanceInfo, InstanceStatus, Mode, OrderLineRef, Presented, RefreshScene, Rejection, Request,
    ResultCode, Tolerance, verify,
};

use super::{
    Call, Shared,
    behaviour::Lie,
    now,
    server::{json, typed},
};

/// Length of [`Lie::Huge`]: ten times what the marketplace takes.
const HUGE_BYTES: usize = 10_000_000;
/// Characters of [`Lie::LongMessage`], more than the documented 255.
const MESSAGE_TOO_LONG: usize = 300;
/// Longest nonce of [`Lie::ShortNoncesOnly`].
const SHORT_NONCE: usize = 32;
/// The window of [`Lie::WideWindow`], ms.
const WIDE_MS: i64 = 600_000;
/// How long a liar takes who does two things one after another that belong together.
const MOMENT: Duration = Duration::from_millis(60);

/// What lies and manners have to remember.
#[derive(Debug, Default)]
pub(super) struct Memory(Mutex<HashSet<String>>);

impl Memory {
    /// Remembers; whether it was remembered already.
    pub(super) fn seen(&self, what: String) -> bool {
        !self.set().insert(what)
    }

    fn knows(&self, what: &str) -> bool {
        self.set().contains(what)
    }

    fn forget(&self, what: &str) {
        self.set().remove(what);
    }

    fn set(&self) -> std::sync::MutexGuard<'_, HashSet<String>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The answer of a liar. An error closes the connection.
pub(super) async fn answer(lie: Lie, shared: &Shared, call: &Call, query: &str, body: &[u8]) -> io::Result<Response<Body>> {
    let teller = Teller { shared, call, query, body };
    Ok(match lie {
        Lie::Races => json(teller.race().await),
        Lie::StuckAfterHangUp => json(teller.stick().await),
        _ => match teller.instead(lie) {
            Some(answer) => json(answer.to_json()),
            None => lied(lie, call, teller.truth()),
        },
    })
}

/// One call to a liar.
struct Teller<'a> {
    shared: &'a Shared,
    call: &'a Call,
    query: &'a str,
    body: &'a [u8],
}

impl Teller<'_> {
    fn truth(&self) -> String {
        self.shared.sound.answer(self.query, self.body).to_json()
    }

    fn act(&self, request: &Request, mode: Mode) -> Answer {
        self.shared.sound.act(request, mode)
    }

    /// Does it without asking who sent it.
    fn believe(&self) -> Option<Answer> {
        Some(unchecked(self.shared, self.call))
    }

    fn is_believed_within(&self, tolerance: Tolerance) -> bool {
        let key = AccessKey::new(self.shared.state().access_key.clone());
        verify(&key, self.body, &self.presented(), now(), tolerance).is_ok()
    }

    fn presented(&self) -> Presented {
        Presented::from_query(self.query)
    }

    fn state_of(&self, instance_id: &str) -> Option<State> {
        self.shared.sound.instance(instance_id).map(|it| it.state)
    }

    /// What is answered in place of the truth; nothing when the truth is only dressed up, or the lie is about other calls.
    fn instead(&self, lie: Lie) -> Option<Answer> {
        match self.instead_of_proof(lie) {
            None if self.call.verified.is_ok() => self.instead_of_deed(lie),
            answer => answer,
        }
    }

    /// Lies about who sent a call.
    fn instead_of_proof(&self, lie: Lie) -> Option<Answer> {
        let usual = Tolerance::default();
        let Presented { signature, timestamp, nonce } = self.presented();
        let believed = match lie {
            Lie::AnySignature => true,
            Lie::SignatureOptional => signature.is_none(),
            Lie::AnyTime => self.is_believed_within(Tolerance { past_ms: i64::MAX, future_ms: i64::MAX }),
            Lie::WideWindow => self.is_believed_within(Tolerance { past_ms: WIDE_MS, ..usual }),
            Lie::AnyFuture => self.is_believed_within(Tolerance { future_ms: i64::MAX, ..usual }),
            Lie::TimestampOptional => signature.is_some() && timestamp.is_none(),
            Lie::NonceOptional => signature.is_some() && timestamp.is_some() && nonce.is_none(),
            _ => false,
        };
        // What is proven needs no belief; only one of them does not even look.
        if believed && (lie == Lie::AnySignature || self.call.verified.is_err()) {
            return self.believe();
        }
        let refused = match lie {
            Lie::ShortNoncesOnly => nonce.is_some_and(|nonce| nonce.len() > SHORT_NONCE).then_some(ResultCode::InvalidParameter),
            Lie::UpperCaseOnly => signature
                .is_some_and(|signature| signature.bytes().any(|byte| byte.is_ascii_lowercase()))
                .then_some(ResultCode::AuthenticationFailed),
            Lie::AsciiOnly => (!self.body.is_ascii()).then_some(ResultCode::AuthenticationFailed),
            _ => None,
        };
        if lie == Lie::ActsOnForgeries && self.call.verified == Err(Rejection::SignatureWrong) {
            let _ = self.believe();
        }
        if let (Lie::BearsGrudges, Err(_), Some(Request::NewInstance { order, .. })) = (lie, &self.call.verified, &self.call.request) {
            self.shared.memory.seen(format!("grudge {}", order.order_id));
        }
        refused.map(|code| Answer::of(&code))
    }

    /// Lies about what is done; the call is known to be the marketplace's.
    fn instead_of_deed(&self, lie: Lie) -> Option<Answer> {
        let code = |code: ResultCode| Some(Answer::of(&code));
        let mode = self.call.mode;
        let Some(request) = &self.call.request else { return self.instead_of_complaint(lie) };
        match (lie, request) {
            (Lie::NoDebugging, _) if mode == Mode::Debugging => code(ResultCode::InvalidParameter),
            (Lie::DebuggingIsReal, _) => Some(self.act(request, Mode::Live)),
            (Lie::ZeroIsDebugging, _) if self.call.body.contains(r#""testFlag":"0""#) => Some(self.act(request, Mode::Debugging)),
            (Lie::SameInstance, Request::NewInstance { .. }) => {
                // Looked up first: two instances of one millisecond have no order.
                let first = self.shared.sound.instances().into_iter().min_by_key(|instance| instance.opened_at)?;
                let _ = self.truth();
                Some(Answer::success().instance_id(first.instance_id))
            }
            (Lie::OneInstanceAnOrder, Request::NewInstance { order, business_id }) => {
                let first_line = OrderLineRef { order_line_id: format!("{}-000001", order.order_id), ..order.clone() };
                Some(self.act(&Request::NewInstance { order: first_line, business_id: business_id.clone() }, mode))
            }
            (Lie::ForgetsChinese, Request::NewInstance { order, business_id }) => {
                let forgotten = |text: &str| text.chars().map(|c| if c.is_ascii() { c } else { '?' }).collect::<String>();
                let order = OrderLineRef { order_id: forgotten(&order.order_id), order_line_id: forgotten(&order.order_line_id) };
                Some(self.act(&Request::NewInstance { order, business_id: business_id.clone() }, mode))
            }
            (Lie::ReplayOpensAnother, Request::NewInstance { business_id, .. }) => {
                let nonce = self.presented().nonce.unwrap_or_default();
                let is_replayed = self.shared.memory.seen(format!("nonce {nonce}"));
                is_replayed.then(|| Answer::success().instance_id(format!("again-{business_id}")))
            }
            (Lie::BearsGrudges, Request::NewInstance { order, .. }) => {
                let is_remembered = self.shared.memory.knows(&format!("grudge {}", order.order_id));
                is_remembered.then(|| Answer::of(&ResultCode::InternalError))
            }
            (Lie::PendingWithoutInstance, Request::NewInstance { .. }) => {
                let _ = self.truth();
                Some(Answer::in_progress())
            }
            (Lie::TellsNothing, Request::QueryInstance { .. }) => Some(Answer::success().info(Vec::new())),
            (Lie::TellsOnlyFirst, Request::QueryInstance { instance_ids }) => {
                let first = instance_ids.iter().take(1).cloned().collect();
                Some(self.act(&Request::QueryInstance { instance_ids: first }, mode))
            }
            (Lie::FreezingDeletes, Request::QueryInstance { instance_ids }) => {
                let is_frozen = instance_ids.iter().any(|id| self.state_of(id) == Some(State::Frozen));
                is_frozen.then(|| Answer::of(&ResultCode::InstanceUnknown))
            }
            (Lie::UpgradingMoves, Request::QueryInstance { instance_ids }) => {
                let is_moved = instance_ids.iter().any(|id| self.shared.memory.knows(&format!("moved {id}")));
                is_moved.then(|| Answer::of(&ResultCode::InstanceUnknown))
            }
            (Lie::UpgradingMoves, Request::UpgradeInstance { instance_id, .. }) => {
                self.shared.memory.seen(format!("moved {instance_id}"));
                None
            }
            (Lie::OnlyRenewals, Request::RefreshInstance { scene: RefreshScene::UnsubscribeRenewalPeriod, .. }) => {
                code(ResultCode::InvalidParameter)
            }
            (Lie::FrozenNotRenewed, Request::RefreshInstance { instance_id, .. }) if self.state_of(instance_id) == Some(State::Frozen) => {
                code(ResultCode::InternalError)
            }
            (Lie::FreezesForGood, Request::UpdateInstanceStatus { status: InstanceStatus::Unfreeze, .. }) => {
                code(ResultCode::InternalError)
            }
            (Lie::ForgetsReleased, Request::ReleaseInstance { instance_id, .. }) if self.state_of(instance_id) == Some(State::Released) => {
                code(ResultCode::InstanceUnknown)
            }
            (Lie::ReleasesOnPaper, Request::ReleaseInstance { .. }) => Some(Answer::success()),
            (Lie::ReleaseNeedsOrder, Request::ReleaseInstance { instance_id, order: None }) if self.state_of(instance_id).is_some() => {
                code(ResultCode::InvalidParameter)
            }
            (
                Lie::KnowsEverybody,
                Request::RefreshInstance { instance_id, .. }
                | Request::UpdateInstanceStatus { instance_id, .. }
                | Request::ReleaseInstance { instance_id, .. },
            ) if self.state_of(instance_id).is_none() => Some(Answer::success()),
            (
                Lie::RefusesRepeats,
                Request::RefreshInstance { .. }
                | Request::UpdateInstanceStatus { .. }
                | Request::UpgradeInstance { .. }
                | Request::ReleaseInstance { .. },
            ) => {
                let is_repeat = self.shared.memory.seen(format!("done {}", self.call.body));
                is_repeat.then(|| Answer::of(&ResultCode::InvalidParameter))
            }
            _ => None,
        }
    }

    /// Lies about a body that is no request.
    fn instead_of_complaint(&self, lie: Lie) -> Option<Answer> {
        let is_purchase = self.call.body.contains(r#""activity":"newInstance""#);
        match lie {
            Lie::AnyActivity if self.call.body.contains("danceInstance") => Some(Answer::success()),
            Lie::NothingMissing if is_purchase => Some(Answer::success().instance_id("without-an-order")),
            _ => None,
        }
    }

    /// The order of a purchase that may be believed.
    fn purchase(&self) -> Option<(&OrderLineRef, &str)> {
        match (&self.call.request, &self.call.verified) {
            (Some(Request::NewInstance { order, business_id }), Ok(())) => Some((order, business_id)),
            _ => None,
        }
    }

    async fn race(&self) -> String {
        let Some((order, business_id)) = self.purchase() else { return self.truth() };
        let is_known = self.shared.sound.instances().iter().any(|it| it.order_line_id == order.order_line_id);
        tokio::time::sleep(MOMENT).await;
        let truth = self.truth();
        if is_known { truth } else { Answer::success().instance_id(business_id).to_json() }
    }

    async fn stick(&self) -> String {
        let Some((order, _)) = self.purchase() else { return self.truth() };
        let mark = format!("works on {}", order.order_line_id);
        if self.shared.memory.seen(mark.clone()) {
            return Answer::of(&ResultCode::InternalError).to_json();
        }
        // When the caller hangs up now, this goes no further, and the mark stays.
        tokio::time::sleep(MOMENT).await;
        self.shared.memory.forget(&mark);
        self.truth()
    }
}

fn unchecked(shared: &Shared, call: &Call) -> Answer {
    match &call.request {
        Some(request) => shared.sound.act(request, call.mode),
        None => Answer::success(),
    }
}

fn lied(lie: Lie, call: &Call, truth: String) -> Response<Body> {
    match lie {
        Lie::AnotherInstance => json(another_instance(call, truth)),
        Lie::NoInstance => json(match call.request {
            Some(Request::NewInstance { .. }) => Answer::success().to_json(),
            _ => truth,
        }),
        Lie::WebPage => {
            let page = "<!doctype html><html lang=\"zh\"><title>云服务</title><p>欢迎使用</p></html>";
            typed("text/html;charset=utf-8", page.as_bytes().to_vec())
        }
        Lie::Redirect => {
            let mut answer = json(truth);
            *answer.status_mut() = StatusCode::FOUND;
            answer.headers_mut().insert(header::LOCATION, header::HeaderValue::from_static("/elsewhere"));
            answer
        }
        Lie::Huge => json(with_message(&" ".repeat(HUGE_BYTES))),
        Lie::HalfABody => half(&truth),
        Lie::Gbk => {
            // 成功
            const SUCCESS_GBK: [u8; 4] = [0xb3, 0xc9, 0xb9, 0xa6];
            let message = with_message("#");
            let (before, after) = message.split_once('#').unwrap_or((&message, ""));
            typed("application/json;charset=gbk", [before.as_bytes(), &SUCCESS_GBK, after.as_bytes()].concat())
        }
        Lie::Utf16 => {
            let units = "\u{feff}".encode_utf16().chain(truth.encode_utf16());
            typed("application/json;charset=utf-16", units.flat_map(u16::to_le_bytes).collect())
        }
        Lie::NumericCode => json(truth.replace(r#""resultCode":"000000""#, r#""resultCode":0"#)),
        Lie::Empty => typed(CONTENT_TYPE, Vec::new()),
        Lie::Status(status) => {
            let mut answer = json(truth);
            *answer.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
            answer
        }
        Lie::TwoAnswers => json(format!("{truth}{truth}")),
        Lie::TwoCodes => {
            let failure = format!(r#","resultCode":"{}"}}"#, ResultCode::InternalError);
            json(format!("{}{failure}", truth.strip_suffix('}').unwrap_or(&truth)))
        }
        Lie::ControlCharacters => json(r#"{"resultCode":"000000","resultMsg":"o\u0000k\n","instanceId":"i\u0000\n1"}"#.to_owned()),
        Lie::NoFrontEndUrl => json(truth.replace(r#""frontEndUrl":"#, r#""site":"#)),
        Lie::PlainText => typed("text/plain;charset=utf-8", truth.into_bytes()),
        Lie::LongMessage => json(truth.replace(r#""resultMsg":""#, &format!(r#""resultMsg":"{}"#, "x".repeat(MESSAGE_TOO_LONG)))),
        _ => json(truth),
    }
}

fn another_instance(call: &Call, truth: String) -> String {
    match &call.request {
        Some(Request::NewInstance { business_id, .. }) => Answer::success().instance_id(business_id).to_json(),
        Some(Request::QueryInstance { .. }) => {
            let stranger = InstanceInfo { instance_id: "somebody-elses".to_owned(), ..InstanceInfo::default() };
            Answer::success().info(vec![stranger]).to_json()
        }
        _ => truth,
    }
}

fn with_message(message: &str) -> String {
    format!(r#"{{"resultCode":"000000","resultMsg":"{message}","instanceId":"i-1"}}"#)
}

/// Announces all of `text` and breaks off after half of it.
fn half(text: &str) -> Response<Body> {
    let half = text.as_bytes()[..text.len() / 2].to_vec();
    let end = async {
        // Lets the half go out before the end.
        tokio::task::yield_now().await;
        Err(io::Error::other("told to break off"))
    };
    let parts = stream::once(std::future::ready(Ok(half))).chain(stream::once(end));
    let mut answer = typed(CONTENT_TYPE, Vec::new());
    answer.headers_mut().insert(header::CONTENT_LENGTH, text.len().into());
    *answer.body_mut() = Body::from_stream(parts);
    answer
}
