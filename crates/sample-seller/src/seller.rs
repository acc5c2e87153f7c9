//! The seller itself: from the bytes of a call to the answer.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{SystemTime, UNIX_EPOCH},
};

use wire::koogallery_v2::{AccessKey, Answer, Mode, Presented, Rejection, Request, ResultCode, Tolerance, verify};

use crate::{
    Opening, Settings,
    book::{Book, Circumstances, InitialPassword, InstanceRecord},
    rehearsal,
    store::{self, StateError},
};

/// How many calls are kept for looking at (ours).
const CALLS_KEPT: usize = 10_000;
/// Random bytes of an initial password.
const PASSWORD_BYTES: usize = 9;

/// A call that arrived and what was answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CallRecord {
    /// When, machine ms UTC.
    pub at: i64,
    /// The body, as far as it was UTF-8.
    pub body: String,
    /// Whether the signature was right.
    pub verified: Result<(), Rejection>,
    /// The request, when the signature was right and the body is one.
    pub request: Option<Request>,
    /// The body of the answer.
    pub answer: String,
}

/// A seller. Cheap to clone; clones are the same seller.
#[derive(Clone, Debug)]
pub struct Seller(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    settings: Settings,
    memory: Mutex<Memory>,
}

#[derive(Debug)]
struct Memory {
    book: Book,
    access_key: AccessKey,
    opening: Opening,
    calls: VecDeque<CallRecord>,
}

impl Seller {
    /// A seller with what its state file remembers.
    ///
    /// # Errors
    /// When the state file is there but cannot be read.
    pub fn new(settings: Settings) -> Result<Self, StateError> {
        let book = match &settings.state_file {
            Some(path) => store::load(path)?,
            None => Book::default(),
        };
        let memory = Memory { book, access_key: settings.access_key.clone(), opening: settings.opening, calls: VecDeque::new() };
        Ok(Self(Arc::new(Inner { settings, memory: Mutex::new(memory) })))
    }

    /// Answers a call: `query` is the raw query of the URL, `body` exactly the bytes received. Blocks while the state file is written.
    ///
    /// The order of the checks is that of the documentation: timestamp and nonce (`000002`), signature (`000001`), body (`000002`) (spec:
    /// protocol §1.2).
    #[must_use]
    pub fn answer(&self, query: &str, body: &[u8]) -> Answer {
        let at = now();
        let access_key = self.memory().access_key.clone();
        let verified = verify(&access_key, body, &Presented::from_query(query), at, Tolerance::default());
        let mut request = None;
        let answer = match (&verified, read(body)) {
            (Err(rejection), _) => Answer::of(&rejection.result_code()).message(&rejection.to_string()),
            (Ok(()), Err(message)) => Answer::of(&ResultCode::InvalidParameter).message(&message),
            (Ok(()), Ok((read, mode))) => {
                let answer = self.act(&read, mode);
                request = Some(read);
                answer
            }
        };
        let record = CallRecord { at, body: String::from_utf8_lossy(body).into_owned(), verified, request, answer: answer.to_json() };
        self.memory().note(record);
        answer
    }

    /// Does what a request asks for, for a caller that is known to be the marketplace.
    #[must_use]
    pub fn act(&self, request: &Request, mode: Mode) -> Answer {
        let settings = &self.0.settings;
        let mut memory = self.memory();
        if mode == Mode::Debugging {
            return rehearsal::answer(&memory.book, request, &settings.site_url);
        }
        let Some(password) = new_password() else {
            return Answer::of(&ResultCode::InternalError).message("no random bytes for a password");
        };
        let circumstances = Circumstances { opening: memory.opening, site_url: &settings.site_url, now: now(), password };
        let answer = memory.book.act(request, circumstances);
        match memory.write_down(settings) {
            Ok(()) => answer,
            // What was done stays in memory unsaved, so the repeat of this call finds it there and writes it down.
            Err(error) => {
                tracing::error!(error = &error as &dyn std::error::Error, "what was asked for cannot be written down");
                Answer::of(&ResultCode::InternalError).message("the seller cannot write its state down, call again")
            }
        }
    }

    /// From here on, calls must be signed with this key: another one was bound to the address (spec: protocol §1.1).
    pub fn set_access_key(&self, access_key: AccessKey) {
        self.memory().access_key = access_key;
    }

    /// From here on, new instances open like this.
    pub fn set_opening(&self, opening: Opening) {
        self.memory().opening = opening;
    }

    /// Every instance, released ones too, in the order of their ids.
    #[must_use]
    pub fn instances(&self) -> Vec<InstanceRecord> {
        self.memory().book.records().cloned().collect()
    }

    /// One instance.
    #[must_use]
    pub fn instance(&self, instance_id: &str) -> Option<InstanceRecord> {
        self.memory().book.find(instance_id).cloned()
    }

    /// The last calls, oldest first.
    #[must_use]
    pub fn calls(&self) -> Vec<CallRecord> {
        self.memory().calls.iter().cloned().collect()
    }

    fn memory(&self) -> MutexGuard<'_, Memory> {
        // A panic between two statements of `Book` leaves no half instance behind, so the memory is still good.
        self.0.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Memory {
    fn note(&mut self, record: CallRecord) {
        if self.calls.len() >= CALLS_KEPT {
            self.calls.pop_front();
        }
        self.calls.push_back(record);
    }

    fn write_down(&mut self, settings: &Settings) -> Result<(), StateError> {
        if !self.book.is_unsaved() {
            return Ok(());
        }
        if let Some(path) = &settings.state_file {
            store::save(path, &self.book)?;
        }
        self.book.saved();
        Ok(())
    }
}

fn read(body: &[u8]) -> Result<(Request, Mode), String> {
    let text = std::str::from_utf8(body).map_err(|_| "the body is not UTF-8".to_owned())?;
    Request::parse(text).map_err(|error| error.to_string())
}

fn new_password() -> Option<InitialPassword> {
    let mut bytes = [0; PASSWORD_BYTES];
    getrandom::fill(&mut bytes).ok()?;
    Some(InitialPassword(format!("Init#{}", hex::encode(bytes))))
}

fn now() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}
