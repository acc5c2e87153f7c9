//! A self-hostable cloud software marketplace.
fn main() {}
