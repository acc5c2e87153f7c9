//! Everything HTTP coming in.
