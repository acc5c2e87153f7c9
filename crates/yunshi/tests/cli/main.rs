//! The program as it is typed, on both engines (see `db::scratch`).
#![allow(clippy::unwrap_used, missing_docs)]

mod bench;
mod check;
mod demo;
mod doctor;
mod ledger;
mod one_shot;
mod sample_seller;
mod servers;
mod support;
