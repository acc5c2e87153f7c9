//! Another way to a server than the network.

use std::{fmt, future::Future, pin::Pin};

use url::Url;

use crate::{client::Response, error::CallError};

/// Takes requests to servers that are in the same process, such as those of a simulation, which loses, delays and repeats what it carries.
///
/// It is given what would go onto the wire: the checked URL with its signature, and the body.
pub trait Carrier: fmt::Debug + Send + Sync {
    /// The server's answer to this request, or what became of it on the way.
    fn carry(&self, url: Url, body: String) -> Pin<Box<dyn Future<Output = Result<Response, CallError>> + Send + '_>>;
}
