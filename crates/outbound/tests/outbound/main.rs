//! Calls to real servers on the own machine, well-behaved and otherwise.
#![allow(clippy::unwrap_used, missing_docs)]

mod addresses;
mod answers;
mod carried;
mod mail;
mod server;
mod tls;
