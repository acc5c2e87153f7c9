//! The open APIs that sellers' servers call on the marketplace (spec: protocol §3).
//!
//! [`aksk`] authenticates a call, [`order_query`] is the answer to the first question of every seller: what was bought?
//! [`OpenApiCode`] are the result codes. Left out: routing and access decisions (crate `web`), usage push.

pub mod aksk;
mod code;
pub mod order_query;

pub use code::OpenApiCode;
