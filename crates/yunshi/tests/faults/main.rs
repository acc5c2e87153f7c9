//! What the program survives: the real binary on a real database, killed, doubled, starved and misled.
//!
//! Each test makes a market with [`fair::Fair`], runs `yunshi` in processes of their own ([`place::Place`]), does harm, and ends with
//! [`reckoning`]: every answer that was given holds, nothing is half done, nothing is lost, nothing is done twice.
//!
//! What is random is drawn from a seed that a failing test prints; `YUNSHI_TEST_SEED` sets it. `YUNSHI_TEST_CYCLES` sets how often a market is
//! killed ([`survive`]).
#![allow(clippy::unwrap_used, clippy::print_stdout, clippy::print_stderr, missing_docs)]

mod backup;
mod client;
mod clock;
mod dice;
mod disk;
mod fair;
mod kill;
mod leases;
mod once;
mod place;
mod reckoning;
mod refusals;
mod stopping;
mod survive;
mod twins;
