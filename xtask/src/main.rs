//! Commands of this repository: demo and test.
fn main() {}
