//! The domains on a real database.
#![allow(clippy::unwrap_used, missing_docs)]

mod accounts;
mod books;
mod catalog;
mod exports;
mod heads;
mod journeys;
mod ledger;
mod opening;
mod sellers;
mod settlement;
mod statements;
mod support;
