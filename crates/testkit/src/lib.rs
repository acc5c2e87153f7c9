//! What tests of several crates share: sellers on real HTTP that can be made to misbehave.

pub mod sellers;
