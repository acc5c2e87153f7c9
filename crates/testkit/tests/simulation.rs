//! The simulator's seeds, and that it can be relied on.
#![allow(clippy::unwrap_used, missing_docs)]

use testkit::sim;

#[tokio::test]
async fn first_seeds() {
    let begun = std::time::Instant::now();
    let (tally, failure) = sim::live_all(0..20).await.unwrap();
    println!("{tally:?} in {:?}", begun.elapsed());
    if let Some(failure) = failure {
        panic!("{failure}");
    }
}
