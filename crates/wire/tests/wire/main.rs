//! The wire contracts as a seller or the marketplace meets them.
#![allow(clippy::unwrap_used, missing_docs)]

mod aksk;
mod answers;
mod calls;
mod fuzzed;
mod order_query;
#[path = "../../fuzz/src/lib.rs"]
mod properties;
