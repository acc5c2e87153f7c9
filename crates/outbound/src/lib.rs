//! The one way out: a guarded HTTP client for calls to sellers, and [`mail`] through the operator's own server.
//!
//! The addresses the client calls were typed in by sellers, and the servers there are not under our control. Therefore:
//!
//! * a call reaches public addresses only, whether the URL holds a name or a literal address; names are checked where
//!   they are resolved, so a name that changes its address cannot go round it (see [`Policy`] for development);
//! * redirects are not followed, proxies of the environment are not used, credentials in URLs are refused;
//! * time, size of the answer, number of headers and idle connections are limited;
//! * a failure is a [`CallError`] with a stable word, and its text never holds the URL, which carries a signature.
//!
//! Left out: signing and judging answers (crate `wire`), retrying (the marketplace).

mod address;
mod carrier;
mod client;
mod error;
pub mod mail;

pub use address::{AddressPolicy, Policy, SchemePolicy, UrlRefused, check_url, is_public};
pub use carrier::Carrier;
pub use client::{Client, Response, Settings};
pub use error::{BuildError, CallError, CallFailure};
pub use url::Url;
