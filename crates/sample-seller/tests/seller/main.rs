//! The sample seller over real HTTP, called as the marketplace calls it.
#![allow(clippy::unwrap_used, missing_docs)]

mod memory;
mod protocol;
mod support;
