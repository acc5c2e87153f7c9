//! Too much, too often: how many requests one client may send.
//!
//! The counts live in the memory of one process: they protect this process. What must hold over all of them (locked users, quotas) stands in
//! the database.

use std::hash::Hash;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use governor::clock::{Clock, DefaultClock};
use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};
use kernel::{Code, Refusal};

use crate::settings::Settings;

/// After so many requests the clients that have been quiet are forgotten, so that the table stays small.
const FORGET_EVERY: u64 = 4096;

/// One limit, counted for each key apart.
#[derive(Debug)]
struct Limit<K: Hash + Eq + Clone> {
    limiter: DefaultKeyedRateLimiter<K>,
    clock: DefaultClock,
    asked: AtomicU64,
}

impl<K: Hash + Eq + Clone> Limit<K> {
    fn new(quota: Quota) -> Self {
        Self { limiter: RateLimiter::keyed(quota), clock: DefaultClock::default(), asked: AtomicU64::new(1) }
    }

    fn check(&self, key: &K) -> Result<(), Refusal> {
        if self.asked.fetch_add(1, Ordering::Relaxed).is_multiple_of(FORGET_EVERY) {
            self.limiter.retain_recent();
        }
        self.limiter.check_key(key).map_err(|early| {
            let wait = early.wait_time_from(self.clock.now());
            Refusal::new(Code::TooManyRequests).with("seconds", wait.as_secs().saturating_add(1))
        })
    }
}

/// The limits of the doors.
#[derive(Debug)]
pub struct Limits {
    sign_ins: Limit<IpAddr>,
    addresses: Limit<IpAddr>,
    tokens: Limit<Arc<str>>,
}

impl Limits {
    /// The limits that the settings give.
    #[must_use]
    pub fn new(settings: &Settings) -> Self {
        let steady = Quota::per_second(settings.requests_per_second).allow_burst(settings.requests_burst);
        Self {
            sign_ins: Limit::new(Quota::per_minute(settings.sign_ins_per_minute)),
            addresses: Limit::new(steady),
            tokens: Limit::new(steady),
        }
    }

    /// Counts a sign-in or sign-up from `client`.
    ///
    /// # Errors
    /// [`Code::TooManyRequests`].
    pub fn sign_in(&self, client: IpAddr) -> Result<(), Refusal> {
        self.sign_ins.check(&client)
    }

    /// Counts a request from `client` that nobody has signed in for.
    ///
    /// # Errors
    /// [`Code::TooManyRequests`].
    pub fn visit(&self, client: IpAddr) -> Result<(), Refusal> {
        self.addresses.check(&client)
    }

    /// Counts a request of a session or token, by its id.
    ///
    /// # Errors
    /// [`Code::TooManyRequests`].
    pub fn token(&self, id: &str) -> Result<(), Refusal> {
        self.tokens.check(&id.into())
    }
}
