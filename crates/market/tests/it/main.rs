//! The domains on a real database.
#![allow(clippy::unwrap_used, missing_docs)]

mod accounts;
mod ledger;
mod settlement;
mod sellers;
mod catalog;
mod statements;
mod support;
