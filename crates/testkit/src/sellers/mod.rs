//! Sellers on loopback that behave as a test tells them to, and remember every call.
//!
//! ```ignore
//! let seller = ScriptedSeller::start().await;
//! seller.on(Activity::NewInstance, Behaviour::Flapping(vec![Behaviour::HangsUp, Behaviour::Sound]));
//! // … the marketplace calls seller.url(), signing with seller.access_key() …
//! assert_eq!(seller.activities(), [Activity::NewInstance, Activity::NewInstance, Activity::QueryInstance]);
//! ```
//!
//! Behind every script stands a sound seller ([`sample_seller::Seller`]), so a seller that stops misbehaving knows what it did before.
//! Nothing is mocked: calls come over TCP, a dead seller's port refuses connections, a slow one really is slow. A test that waits for a
//! time-out gives its client a short one ([`client`]).

mod behaviour;
mod lies;
mod manners;
mod server;

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use outbound::{AddressPolicy, CallError, Client, Policy, SchemePolicy};
use sample_seller::{Opening, Seller};
use wire::koogallery_v2::{AccessKey, Activity, CONTENT_TYPE, Mode, Reading, Rejection, Request, read_answer, sign, signed_url};

pub use behaviour::{Behaviour, Lie, Manner};

use lies::Memory;
use server::{Line, Switch};

/// A call that reached a scripted seller. One to a dead seller reaches nobody.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    /// When, machine ms UTC.
    pub at: i64,
    /// The body as it came.
    pub body: String,
    /// Whether it was signed with the seller's key.
    pub verified: Result<(), Rejection>,
    /// The request, when the body is one.
    pub request: Option<Request>,
    /// Whether it was a real or a debugging call; real when the body is no request.
    pub mode: Mode,
    /// What the seller did with it.
    pub behaviour: Behaviour,
}

impl Call {
    /// Which interface was called; `None` when the body is no request.
    #[must_use]
    pub fn activity(&self) -> Option<Activity> {
        self.request.as_ref().map(Request::activity)
    }
}

/// A seller on loopback whose behaviour a test sets, and changes as it goes.
#[derive(Debug)]
pub struct ScriptedSeller {
    shared: Arc<Shared>,
    line: Line,
    port: u16,
}

/// What the calls and the test share.
#[derive(Debug)]
struct Shared {
    sound: Seller,
    state: Mutex<State>,
    /// What lies and manners have to remember.
    memory: Memory,
}

#[derive(Debug)]
struct State {
    access_key: String,
    usual: Rule,
    overrides: HashMap<Activity, Rule>,
    calls: Vec<Call>,
}

/// A behaviour, and how many calls it was applied to.
#[derive(Debug)]
struct Rule {
    behaviour: Behaviour,
    applied: usize,
}

impl Rule {
    fn new(behaviour: Behaviour) -> Self {
        Self { behaviour, applied: 0 }
    }

    fn next(&mut self) -> Behaviour {
        let count = self.applied;
        self.applied += 1;
        self.behaviour.turn(count)
    }
}

impl ScriptedSeller {
    /// A sound seller on a port of its own, with a key of its own.
    ///
    /// # Panics
    /// When this machine has no free port.
    pub async fn start() -> Self {
        let (reserved, port) = server::reserve();
        let access_key = format!("c0ffee00-0000-4000-8000-{port:012}");
        let settings = sample_seller::Settings::new(AccessKey::new(&*access_key), format!("http://127.0.0.1:{port}"));
        let sound = Seller::new(settings).expect("a seller without a state file has nothing to read");
        let state = State { access_key, usual: Rule::new(Behaviour::Sound), overrides: HashMap::new(), calls: Vec::new() };
        let shared = Arc::new(Shared { sound, state: Mutex::new(state), memory: Memory::default() });
        let line = Line::new(Arc::clone(&shared), reserved);
        line.set(Switch::Alive).await;
        Self { shared, line, port }
    }

    /// The production address to register.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}/saasproduce", self.port)
    }

    /// The key that calls must be signed with.
    #[must_use]
    pub fn access_key(&self) -> String {
        self.shared.state().access_key.clone()
    }

    /// Takes over a key that the marketplace issued.
    pub fn use_access_key(&self, access_key: &str) {
        access_key.clone_into(&mut self.shared.state().access_key);
        self.shared.sound.set_access_key(AccessKey::new(access_key));
    }

    /// From here on, behaves like this in every call that [`ScriptedSeller::on`] says nothing about. A pattern begins anew.
    pub async fn behave(&self, behaviour: Behaviour) {
        let switch = if behaviour == Behaviour::Dead { Switch::Dead } else { Switch::Alive };
        self.shared.state().usual = Rule::new(behaviour);
        self.line.set(switch).await;
    }

    /// From here on, behaves like this in calls of `activity`. While [`ScriptedSeller::behave`] says dead, all of it is dead.
    pub fn on(&self, activity: Activity, behaviour: Behaviour) {
        self.shared.state().overrides.insert(activity, Rule::new(behaviour));
    }

    /// Is sound again in everything.
    pub async fn recover(&self) {
        self.shared.state().overrides.clear();
        self.behave(Behaviour::Sound).await;
    }

    /// Every call that arrived, oldest first.
    #[must_use]
    pub fn calls(&self) -> Vec<Call> {
        self.shared.state().calls.clone()
    }

    /// The interfaces that were called, in order: for "exactly these calls". A call whose body is no request is left out.
    #[must_use]
    pub fn activities(&self) -> Vec<Activity> {
        self.shared.state().calls.iter().filter_map(Call::activity).collect()
    }

    /// The calls of one interface, oldest first.
    #[must_use]
    pub fn calls_of(&self, activity: Activity) -> Vec<Call> {
        self.shared.state().calls.iter().filter(|call| call.activity() == Some(activity)).cloned().collect()
    }

    /// Forgets the calls so far; what was done stays done.
    pub fn forget_calls(&self) {
        self.shared.state().calls.clear();
    }

    /// The sound seller behind the script: its instances are what really is at the seller.
    #[must_use]
    pub fn sound(&self) -> &Seller {
        &self.shared.sound
    }

    /// Calls the seller as the marketplace does, for tests without one.
    ///
    /// # Errors
    /// When no complete answer came.
    ///
    /// # Panics
    /// When the request breaks a documented limit.
    pub async fn call(&self, client: &Client, request: &Request) -> Result<Reading, CallError> {
        let body = request.body(Mode::Live).expect("a request within the documented limits");
        let signature = sign(&AccessKey::new(self.access_key()), &body, now(), "Of4lsV7H1qrzVDI52O5CFk2ofPcZRaA6");
        let answer = client.post_json(&signed_url(&self.url(), &signature), body, &[("content-type", CONTENT_TYPE)]).await?;
        Ok(read_answer(request.activity(), answer.status, answer.content_type.as_deref(), &answer.body))
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes a call and says what to do with it.
    fn receive(&self, body: &[u8], verified: Result<(), Rejection>) -> Call {
        let body = String::from_utf8_lossy(body).into_owned();
        let (request, mode) = Request::parse(&body).map_or((None, Mode::Live), |(request, mode)| (Some(request), mode));
        let mut state = self.state();
        let State { usual, overrides, .. } = &mut *state;
        let rule = request.as_ref().and_then(|request| overrides.get_mut(&request.activity())).unwrap_or(usual);
        let behaviour = rule.next();
        let call = Call { at: now(), body, verified, request, mode, behaviour };
        state.calls.push(call.clone());
        if call.activity() == Some(Activity::NewInstance) {
            self.sound.set_opening(match call.behaviour {
                Behaviour::Asynchronous(polls) => Opening::After(polls),
                Behaviour::Otherwise(Manner::SlowToTell) => Opening::After(1),
                Behaviour::Lying(Lie::NeverOpens) => Opening::After(u32::MAX),
                Behaviour::Lying(Lie::PendingWithoutInstance) => Opening::After(0),
                _ => Opening::AtOnce,
            });
        }
        call
    }
}

/// How to call sellers on the own machine, waiting at most `timeout` for a complete answer.
#[must_use]
pub fn client_settings(timeout: Duration) -> outbound::Settings {
    let policy = Policy { addresses: AddressPolicy::AllowLoopback, schemes: SchemePolicy::AllowHttp };
    outbound::Settings { policy, timeout, ..outbound::Settings::default() }
}

/// A client with [`client_settings`].
///
/// # Panics
/// When this machine cannot set up an HTTP client.
#[must_use]
pub fn client(timeout: Duration) -> Client {
    Client::new(client_settings(timeout)).expect("a client without a file of authorities")
}

fn now() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}
