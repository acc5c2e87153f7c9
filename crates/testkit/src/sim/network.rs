//! The sellers of a history and the network between them and the market, in one process: what is sent is the signed bytes, and what comes
//! back are the bytes of an answer, unless they are lost, late, broken, doubled or somebody else's.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use market::MachineTime;
use outbound::{CallError, CallFailure, Carrier, Response, Url};
use sample_seller::{Opening, Seller, Settings};
use wire::koogallery_v2::{AccessKey, Activity, Answer, CONTENT_TYPE, Mode, Presented, Request, ResultCode, Tolerance, verify};

use super::faults::Gate;

/// How long the market waits for a seller, ms.
pub(super) const TIMEOUT_MS: i64 = 5_000;
/// How long an answer takes that comes in time, ms.
const QUICK_MS: i64 = 30;

/// How a seller behaves until it is told otherwise.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mood {
    /// As documented.
    Sound,
    /// As documented, but an instance is ready only after so many questions.
    Async(u32),
    /// Nobody answers.
    Dead,
    /// Every call fares as the number says, each in another way.
    Flaky(u32),
    /// Answers every call with an error code.
    Refusing,
    /// Names an instance that another order already has.
    SameInstance,
    /// Says that it is done and names no instance.
    NoInstance,
    /// Always in progress.
    NeverReady,
}

/// How one call fares.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fare {
    Arrives,
    /// It never arrives.
    Lost,
    /// It is carried out, the connection breaks before the answer.
    Unanswered,
    /// It is carried out, the answer comes after the limit.
    Late,
    /// The time is over before it arrives; it arrives before a later call.
    Delayed,
    /// It arrives twice; the second answer is read.
    Doubled,
    /// Not carried out, with this status.
    Status(u16),
    /// Not carried out, with this code.
    Code(ResultCodeOf),
    /// Carried out; the body of the answer breaks off.
    HalfABody,
    /// Carried out; a web page instead of an answer.
    WebPage,
    /// Carried out; the answer stands twice in the body.
    TwoAnswers,
    Mood,
}

/// The codes of failing sellers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ResultCodeOf {
    Internal,
    NoResource,
}

impl ResultCodeOf {
    const fn code(self) -> ResultCode {
        match self {
            Self::Internal => ResultCode::InternalError,
            Self::NoResource => ResultCode::NoResource,
        }
    }
}

/// A request that reached a seller.
#[derive(Clone, Debug)]
pub(super) struct Arrival {
    pub(super) seller: usize,
    pub(super) request: Request,
}

#[derive(Debug)]
struct Server {
    host: String,
    key: AccessKey,
    seller: Seller,
    mood: Mood,
    /// Calls since the mood began.
    calls: u32,
    /// Requests that are still under way.
    delayed: Vec<(Request, Mode)>,
    /// Whether it ever named an instance wrongly, or a request reached it out of order: what it has may then differ from what was ordered.
    muddled: bool,
}

#[derive(Debug, Default)]
struct State {
    servers: Vec<Server>,
    arrivals: Vec<Arrival>,
    /// Requests that no seller could have accepted: the fault is the market's.
    faults: Vec<String>,
    log: Vec<String>,
}

/// Every seller of a history. Clones are the same.
#[derive(Clone, Debug, Default)]
pub(super) struct Network(Arc<Mutex<State>>);

impl Network {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A further seller: its production address and its key.
    pub(super) fn add(&self) -> (String, String) {
        let mut state = self.state();
        let host = format!("seller-{}.example", state.servers.len());
        let key = format!("c0ffee00-0000-4000-8000-{:012}", state.servers.len());
        let site = format!("https://{host}");
        let seller = Seller::new(Settings::new(AccessKey::new(&*key), site.clone())).expect("a seller without a state file");
        let access = AccessKey::new(&*key);
        state.servers.push(Server { host, key: access, seller, mood: Mood::Sound, calls: 0, delayed: Vec::new(), muddled: false });
        (format!("{site}/saasproduce"), key)
    }

    /// From here on, a seller is like this.
    pub(super) fn set_mood(&self, seller: usize, mood: Mood) {
        let mut state = self.state();
        let server = &mut state.servers[seller];
        server.mood = mood;
        server.calls = 0;
        server.muddled |= matches!(mood, Mood::SameInstance | Mood::NoInstance);
    }

    /// The seller behind a server, for what it really has.
    pub(super) fn seller(&self, seller: usize) -> Seller {
        self.state().servers[seller].seller.clone()
    }

    /// Whether what a seller has may differ from what was ordered of it.
    pub(super) fn is_muddled(&self, seller: usize) -> bool {
        self.state().servers[seller].muddled
    }

    /// Every request that reached a seller, oldest first.
    pub(super) fn arrivals(&self) -> Vec<Arrival> {
        self.state().arrivals.clone()
    }

    /// What the market has sent that nobody could accept.
    pub(super) fn faults(&self) -> Vec<String> {
        self.state().faults.clone()
    }

    /// What went over the network since this was asked last.
    pub(super) fn take_log(&self) -> Vec<String> {
        std::mem::take(&mut self.state().log)
    }

    fn carry(&self, url: &Url, body: &str, machine_now: i64) -> Result<Response, CallError> {
        let mut state = self.state();
        let host = url.host_str().unwrap_or_default();
        let Some(seller) = state.servers.iter().position(|server| server.host == host) else {
            state.faults.push(format!("a call to {host}, where no seller is"));
            return Err(lost("nobody is there"));
        };
        let verdict = {
            let server = &state.servers[seller];
            let presented = Presented::from_query(url.query().unwrap_or_default());
            verify(&server.key, body, &presented, machine_now, Tolerance::default()).map_err(|why| why.to_string())
        };
        let parsed = verdict.and_then(|()| Request::parse(body).map_err(|why| why.to_string()));
        let (request, mode) = match parsed {
            Ok(parsed) => parsed,
            Err(why) => {
                state.faults.push(format!("a call that seller {seller} cannot accept: {why}"));
                return Err(lost("refused"));
            }
        };
        state.deliver(seller, &request, mode)
    }
}

impl State {
    fn deliver(&mut self, seller: usize, request: &Request, mode: Mode) -> Result<Response, CallError> {
        let server = &mut self.servers[seller];
        let fare = fare(server.mood, server.calls);
        server.calls += 1;
        let activity = request.activity();
        // What was under way arrives before it, save where it is lost itself.
        if !matches!(fare, Fare::Lost | Fare::Delayed) {
            for (late, late_mode) in std::mem::take(&mut self.servers[seller].delayed) {
                self.log.push(format!("  seller {seller} receives a delayed {}", late.activity().as_str()));
                self.act(seller, &late, late_mode);
            }
        }
        let outcome = self.fares(seller, request, mode, fare);
        let said = match &outcome {
            Ok(response) => {
                let body = String::from_utf8_lossy(&response.body);
                format!("{} {}", response.status, body.get(..body.len().min(60)).unwrap_or("…"))
            }
            Err(error) => error.failure.to_string(),
        };
        self.log.push(format!("  seller {seller} {} {} → {fare:?}: {said}", activity.as_str(), subject(request)));
        outcome
    }

    fn fares(&mut self, seller: usize, request: &Request, mode: Mode, fare: Fare) -> Result<Response, CallError> {
        match fare {
            Fare::Lost => Err(lost("no route to host")),
            Fare::Status(status) => Ok(Response { status, ..answered("") }),
            Fare::Code(code) => Ok(answered(&Answer::of(&code.code()).to_json())),
            Fare::Delayed => {
                let server = &mut self.servers[seller];
                server.delayed.push((request.clone(), mode));
                server.muddled |= mode == Mode::Live && request.activity() != Activity::QueryInstance;
                Err(timed_out())
            }
            Fare::Arrives => Ok(answered(&self.act(seller, request, mode))),
            Fare::Doubled => {
                self.act(seller, request, mode);
                Ok(answered(&self.act(seller, request, mode)))
            }
            Fare::Unanswered => {
                self.act(seller, request, mode);
                Err(lost("connection reset by peer"))
            }
            Fare::Late => {
                self.act(seller, request, mode);
                Err(timed_out())
            }
            Fare::HalfABody => {
                self.act(seller, request, mode);
                let failure = CallFailure::BrokenBody("unexpected end of file".to_owned());
                Err(CallError { failure, elapsed_ms: QUICK_MS })
            }
            Fare::WebPage => {
                self.act(seller, request, mode);
                let page = Response { content_type: Some("text/html".to_owned()), ..answered("<!doctype html><p>welcome</p>") };
                Ok(page)
            }
            Fare::TwoAnswers => {
                let answer = self.act(seller, request, mode);
                Ok(answered(&format!("{answer}{answer}")))
            }
            Fare::Mood => Ok(answered(&self.lie(seller, request, mode))),
        }
    }

    /// The sound seller behind the server does it; its answer.
    fn act(&mut self, seller: usize, request: &Request, mode: Mode) -> String {
        self.arrivals.push(Arrival { seller, request: request.clone() });
        let server = &self.servers[seller];
        server.seller.set_opening(match server.mood {
            Mood::Async(polls) => Opening::After(polls),
            Mood::NeverReady => Opening::After(u32::MAX),
            _ => Opening::AtOnce,
        });
        server.seller.act(request, mode).to_json()
    }

    fn lie(&mut self, seller: usize, request: &Request, mode: Mode) -> String {
        let truth = self.act(seller, request, mode);
        if mode == Mode::Debugging || request.activity() != Activity::NewInstance {
            return truth;
        }
        match self.servers[seller].mood {
            Mood::SameInstance => {
                // In the order of their making: ids are random.
                let oldest = self.arrivals.iter().find_map(|arrival| match &arrival.request {
                    Request::NewInstance { business_id, .. } if arrival.seller == seller => Some(business_id.clone()),
                    _ => None,
                });
                oldest.map_or(truth, |id| Answer::success().instance_id(id).to_json())
            }
            _ => Answer::success().to_json(),
        }
    }
}

/// How call number `calls` of a mood fares.
fn fare(mood: Mood, calls: u32) -> Fare {
    const WAYS: [Fare; 14] = [
        Fare::Lost,
        Fare::Unanswered,
        Fare::Arrives,
        Fare::Late,
        Fare::Arrives,
        Fare::Delayed,
        Fare::Doubled,
        Fare::Status(500),
        Fare::Status(302),
        Fare::Code(ResultCodeOf::Internal),
        Fare::HalfABody,
        Fare::WebPage,
        Fare::TwoAnswers,
        Fare::Arrives,
    ];
    match mood {
        Mood::Sound | Mood::Async(_) | Mood::NeverReady => Fare::Arrives,
        Mood::Dead => Fare::Lost,
        Mood::Refusing => Fare::Code(ResultCodeOf::NoResource),
        Mood::SameInstance | Mood::NoInstance => Fare::Mood,
        // A walk through all ways whose order depends on the number.
        Mood::Flaky(salt) => {
            let mixed = (salt ^ calls.wrapping_mul(0x9e37_79b9)).wrapping_mul(0x85eb_ca6b);
            WAYS[usize::try_from((mixed >> 16) % 14).unwrap_or(0)]
        }
    }
}

fn subject(request: &Request) -> String {
    match request {
        Request::NewInstance { order, .. } => order.order_line_id.clone(),
        Request::QueryInstance { instance_ids } => instance_ids.concat(),
        Request::RefreshInstance { instance_id, expire_at_ms, .. } => format!("{instance_id} until {expire_at_ms}"),
        Request::UpdateInstanceStatus { instance_id, status } => format!("{instance_id} {status:?}"),
        Request::ReleaseInstance { instance_id, .. }
        | Request::UpgradeInstance { instance_id, .. }
        | Request::ChangeInstanceCheck { instance_id, .. } => instance_id.clone(),
        Request::OrderNotify { .. } => String::new(),
    }
}

fn answered(body: &str) -> Response {
    Response {
        status: 200,
        content_type: Some(CONTENT_TYPE.to_owned()),
        headers: Vec::new(),
        body: body.as_bytes().to_vec(),
        elapsed_ms: QUICK_MS,
    }
}

fn lost(why: &str) -> CallError {
    CallError { failure: CallFailure::ConnectFailed(why.to_owned()), elapsed_ms: QUICK_MS }
}

const fn timed_out() -> CallError {
    CallError { failure: CallFailure::TimedOut { limit_ms: TIMEOUT_MS }, elapsed_ms: TIMEOUT_MS }
}

/// The way of one process to the network.
#[derive(Debug)]
pub(super) struct Line {
    pub(super) network: Network,
    pub(super) gate: Arc<Gate>,
    pub(super) machine: MachineTime,
}

impl Carrier for Line {
    fn carry(&self, url: Url, body: String) -> Pin<Box<dyn Future<Output = Result<Response, CallError>> + Send + '_>> {
        Box::pin(async move {
            let fault = self.gate.call_begins().await;
            let outcome = self.network.carry(&url, &body, self.machine.now());
            self.gate.call_ends(fault).await;
            outcome
        })
    }
}
