//! The wire contracts as a seller or the marketplace meets them.
#![allow(clippy::unwrap_used, missing_docs)]

mod aksk;
mod answers;
mod calls;
mod order_query;
