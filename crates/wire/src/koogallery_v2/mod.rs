//! SaaS access V2.0: the calls from the marketplace to a seller's production interface (spec: protocol §1, §7).
//!
//! The way of one call: [`Request::body`] writes the canonical text, [`sign()`] signs exactly that text,
//! [`signed_url`] adds the signature to the seller's address, and [`read_answer`] judges what came back. The seller's
//! side is here as well: [`verify`], [`Request::parse`] and [`Answer`].
//!
//! Left out: sending (crate `outbound`), deciding what to do next (the marketplace), and the fulfilment dialects V1.0
//! and licence.

pub mod answer;
pub mod canonical;
pub mod code;
pub mod instance;
pub mod mask;
pub mod request;
pub mod retry;
pub mod sign;

pub use answer::{Answer, Failure, Oddity, Outcome, Payload, Reading, Warning, read_answer};
pub use canonical::canonicalize_received;
pub use code::ResultCode;
pub use instance::{AppInfo, InstanceInfo, UsageInfo, UsageValue};
pub use mask::{mask_body, mask_url};
pub use request::{Activity, InstanceStatus, Mode, OrderLineRef, ParseError, ProductInfo, RefreshScene, Request, RequestError};
pub use retry::{OnGiveUp, Schedule, schedule};
pub use sign::{
    AccessKey, Presented, Rejection, Signature, Tolerance, sign, sign_kit, signed_url, verify, verify_kit, verify_reserialised,
};

/// `Content-Type` of a request, as in the published examples (spec: protocol §1.2).
pub const CONTENT_TYPE: &str = "application/json;charset=utf8";
/// `Accept` of a request, as in the published examples (spec: protocol §1.2).
pub const ACCEPT: &str = "application/json";
