//! The domains on a real database.
#![allow(clippy::unwrap_used, missing_docs)]

mod catalog;
mod statements;
mod support;
