//! The business: one folder a domain, bottom to top: `audit`, `notices`, `mail`, `ledger` · `accounts`, `mailing`, `sellers` · `catalog`, `pricing` ·
//! The business: one folder a domain, bottom to top: `audit`, `ledger`, `notices` · `accounts`, `sellers` · `catalog`, `pricing` ·
//! `settlement` · `calls`, `subscriptions`, `orders` · `refunds`, `delivery`, `lifecycle` · `views`, `exports`, `runner`.
//! The business: one folder a domain, bottom to top: `audit`, `site`, `ledger`, `notices` · `accounts`, `sellers` · `catalog`, `pricing` ·
//! `settlement` · `calls`, `subscriptions`, `orders` · `refunds`, `delivery`, `lifecycle` · `views`, `runner`.
//! The business: one folder a domain, bottom to top: `audit`, `ledger`, `notices` · `accounts`, `sellers` · `catalog`, `pricing` ·
//! `settlement` · `calls`, `subscriptions`, `orders` · `refunds`, `delivery`, `debugging`, `lifecycle` · `views`, `runner`.
//!
//! A domain calls another only through its `mod.rs`, handing on the same [`db::Tx`]. Each use case is a function that takes the transaction,
//! the [`kernel::Ctx`] and its input; who may call it is decided by the doors (`web`, the command line), whom it concerns is decided here.
//!
//! Invariants: no `state.rs` reads a clock, draws randomness or touches the database; every change leaves a row in the audit; money
//! moves only through `ledger`.

pub mod accounts;
pub mod agreements;
pub mod audit;
pub mod calls;
pub mod carts;
pub mod catalog;
mod clock;
pub mod debugging;
pub mod delivery;
pub mod edition;
pub mod exports;
pub mod idempotency;
pub mod ledger;
pub mod lifecycle;
mod machine;
pub mod mail;
pub mod mailing;
mod market;
pub mod notices;
pub mod orders;
pub mod page;
pub mod pricing;
mod progress;
pub mod recovery;
pub mod refunds;
pub mod runner;
pub mod sellers;
pub mod settlement;
pub mod site;
pub mod subscriptions;
pub mod vault;
pub mod views;
pub mod wishes;

pub use clock::{Clock, ClockReport, SANDBOX_LATEST_MS, Ticking};
pub use machine::MachineTime;
pub use market::{MIGRATIONS, Market, Mode, Setup, market_id, opens_with};
