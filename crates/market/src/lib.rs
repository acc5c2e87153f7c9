//! The business: one folder a domain.
