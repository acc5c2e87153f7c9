//! Contracts with the outside as pure functions: fulfilment dialects, signing, result codes.
//!
//! * [`koogallery_v2`]: what the marketplace says to a seller's production interface, and how it reads the answer.
//! * [`openapi`]: what sellers' servers say to the marketplace, signed with an access key pair.
//! * [`proof`]: what the marketplace's ledger says for itself to whoever doubts it: signed heads, proofs that something is in the ledger.
//!
//! Nothing here has a clock, randomness, I/O or async: times (ms UTC) and nonces arrive as arguments, requests and
//! answers are text. Both directions of each contract are here, so a seller who writes in Rust can use the crate too.

mod crypto;
mod json;
pub mod koogallery_v2;
pub mod openapi;
pub mod proof;
pub mod time;
