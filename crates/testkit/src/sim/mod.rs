//! A simulator: whole histories of a market from a number, on the real code, with everything that can go wrong on the way.
//!
//! From a seed come the actions of buyers, sellers and operators, jumps of the clock, lost, late and doubled answers of sellers, and faults at
//! any commit or call: the process dies there and is started again on what it had committed, or its commit fails, or it stands still while
//! another process does its work ([`actions`], [`faults`], [`network`]). After every step everything that is kept is read and recomputed
//! ([`checks`]) and compared with what people were told ([`model`]). The same seed lives the same history, to the letter. A history that
//! stumbles is made as short as it can be ([`shrink`]).
//!
//! Left out: HTTP and TLS, both ends (the tests of `web` and `outbound`), a real process's death (the kill tests), and two transactions at
//! one time (the tests of `db`, on PostgreSQL).

mod actions;
mod checks;
mod deeds;
mod dice;
mod faults;
mod history;
mod life;
mod model;
mod network;
mod people;
mod process;
mod report;
mod requests;
mod run;
mod shrink;
mod snapshot;

pub use checks::{Invariant, Violation};
pub use report::{Failure, Lived, live, live_all};
pub use run::Tally;
