//! The conformance check: tells a seller whether their production server keeps the protocol, from any machine, without an account at any
//! marketplace.
//!
//! * [`cases`]: what is tried and what must come of it, as data and in the words of the business, so that further dialects reuse it;
//! * [`Dialect`]: how those words are said on the wire, how answers are read, and which document each rule comes from;
//! * [`run`]: performs the exchanges, one case after another, and releases every instance that it opened, whatever happened;
//! * [`Report`]: what came of it, as text, JSON and JUnit XML.
//!
//! Invariants: every order id is new in every run, so the check may be repeated against the same server; everything that is waited for has a
//! limit ([`Limits`]); nothing that is printed holds the access key, a signature or a password.
//!
//! Left out: anything that the protocol does not show. Whether a frozen instance really stopped serving is not to be seen from here.

pub mod case;
pub mod cases;
mod dialect;
mod judge;
mod koogallery_v2;
mod place;
mod plan;
mod reason;
mod report;
mod runner;
mod text;

pub use dialect::Dialect;
pub use judge::{Finding, Level};
pub use plan::{CannotRun, Limits, Plan, selected};
pub use reason::Reason;
pub use report::{CaseReport, Cleanup, Exchange, Exchanges, Outcome, Report, Skipped, Verdict, case_line};
pub use runner::run;
pub use text::Text;
