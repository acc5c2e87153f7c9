//! The domains on a real database.
#![allow(clippy::unwrap_used, missing_docs)]

<<<<<<< HEAD
mod ledger;
=======
mod accounts;
>>>>>>> accounts
mod statements;
mod support;
