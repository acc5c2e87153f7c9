//! The program as it is typed, on both engines (see `db::scratch`).
#![allow(clippy::unwrap_used, missing_docs)]

mod bench;
mod demo;
mod doctor;
mod one_shot;
mod sample_seller;
mod servers;
mod support;
