//! The domains on a real database.
#![allow(clippy::unwrap_used, missing_docs)]

mod accounts;
mod books;
mod catalog;
mod debugging;
mod exports;
mod heads;
mod journeys;
mod ledger;
mod opening;
mod sellers;
mod selling;
mod settlement;
mod site;
mod statements;
mod support;
