//! What tests of several crates share: a market with people in it, and sellers on real HTTP that can be made to misbehave.

pub mod sellers;
pub mod sim;
pub mod smtp;
pub mod world;
