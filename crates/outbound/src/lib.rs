//! One guarded HTTP client for every call that leaves the marketplace.
