//! What the operator may set about the doors.

use std::net::IpAddr;
use std::num::NonZeroU32;
use std::time::Duration;

use ipnet::IpNet;

const fn count(n: u32) -> NonZeroU32 {
    match NonZeroU32::new(n) {
        Some(n) => n,
        None => NonZeroU32::MIN,
    }
}

/// The limits and trusts of the doors. The defaults suit one server on the open Internet.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The largest request body, bytes.
    pub body_bytes_max: usize,
    /// After this a request is answered with `unavailable`.
    pub request_timeout: Duration,
    /// Sign-ins and sign-ups of one client address in a minute.
    pub sign_ins_per_minute: NonZeroU32,
    /// Requests of one token, or of one client address without a token, in a second.
    pub requests_per_second: NonZeroU32,
    /// How many of these may come at once.
    pub requests_burst: NonZeroU32,
    /// Requests that are answered at the same time; one more is told to come back. A request holds memory for its body, and a place at the
    /// database.
    pub requests_at_once: NonZeroU32,
    /// The proxies whose `X-Forwarded-For` is believed; none by default.
    pub trusted_proxies: Vec<IpNet>,
    /// Which production addresses may be registered: what the outbound client would call.
    pub production_addresses: outbound::Policy,
    /// Whether everybody may read the mails of a sandbox that sends none. Who reads them can enter any of its accounts.
    pub open_outbox: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            body_bytes_max: 256 * 1024,
            request_timeout: Duration::from_secs(30),
            sign_ins_per_minute: count(20),
            requests_per_second: count(50),
            requests_burst: count(100),
            requests_at_once: count(2_000),
            trusted_proxies: Vec::new(),
            production_addresses: outbound::Policy::default(),
            open_outbox: false,
        }
    }
}

impl Settings {
    pub(crate) fn trusts(&self, address: IpAddr) -> bool {
        self.trusted_proxies.iter().any(|network| network.contains(&address))
    }
}
