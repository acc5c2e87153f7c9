//! The check against sellers on loopback: the sound ones pass without a false alarm, and each liar is caught by the case that is about its lie.
#![allow(clippy::unwrap_used, missing_docs)]

mod address;
mod liars;
mod reports;
mod sound;
mod support;
