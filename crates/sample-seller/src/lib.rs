//! A sound seller for the SaaS access protocol V2.0, small enough to read as an example for writing one.
//!
//! A seller is one HTTPS address, the *production interface*, to which the marketplace POSTs signed JSON (spec: protocol §1.5). A sound one
//!
//! 1. verifies the signature over the bytes it received before it believes any of them (§1.2) → [`Seller::answer`];
//! 2. answers every call with HTTP 200 and a `resultCode`, within 5 seconds (§0, §1.5) → module `http`;
//! 3. does a thing once, however often it is asked: the marketplace repeats what it did not hear the answer to (§1.14) → module `book`;
//! 4. remembers over a restart, and answers "done" only after it has written that down → module `store`;
//! 5. changes nothing for a debugging call, `testFlag` = 1 (§1.13) → module `rehearsal`.
//!
//! Left out, because every seller has its own: what is actually sold, and reading the order with the marketplace's order query (§3.3), which
//! is why an instance here has no expiry before the first `refreshInstance`.

mod book;
mod http;
mod rehearsal;
mod seller;
mod store;

use std::path::PathBuf;

use wire::koogallery_v2::AccessKey;

pub use book::{InitialPassword, InstanceRecord, State};
pub use seller::{CallRecord, Seller};
pub use store::StateError;

/// How a seller is set up.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The key that the marketplace signs with, bound to this production address (spec: protocol §1.1).
    pub access_key: AccessKey,
    /// Where buyers reach the service, without a slash at the end; the `frontEndUrl` of instances begins with it.
    pub site_url: String,
    /// How fast instances open.
    pub opening: Opening,
    /// The file that the seller remembers in; without one it forgets when it stops.
    pub state_file: Option<PathBuf>,
}

impl Settings {
    /// A seller that opens instances at once and remembers nothing over a restart.
    #[must_use]
    pub fn new(access_key: AccessKey, site_url: impl Into<String>) -> Self {
        Self { access_key, site_url: site_url.into(), opening: Opening::AtOnce, state_file: None }
    }
}

/// How fast instances open (spec: protocol §1.6).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Opening {
    /// `newInstance` is answered `000000`.
    #[default]
    AtOnce,
    /// `newInstance` is answered `000004`, and so are this many `queryInstance` calls after it; the next one gets the instance.
    After(u32),
}
