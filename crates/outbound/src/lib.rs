//! One guarded HTTP client for every call that leaves the marketplace.

/// A guarded client.
#[derive(Debug)]
pub struct Client;
