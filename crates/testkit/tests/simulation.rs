//! A thousand histories on every run of the tests, and that the simulator can be relied on.
//!
//! The seeds are shared out to tests so that all processors have some. On PostgreSQL, whose databases are dearer to make, there are fewer.
#![allow(clippy::unwrap_used, missing_docs)]

use testkit::sim;

/// Seeds of one slice on SQLite; there are eight slices.
const SLICE: u64 = 125;
/// On PostgreSQL.
const SLICE_POSTGRES: u64 = 12;

fn on_postgres() -> bool {
    std::env::var("YUNSHI_TEST_ENGINE").is_ok_and(|engine| engine == "postgres")
}

async fn slice(n: u64) {
    let length = if on_postgres() { SLICE_POSTGRES } else { SLICE };
    let (tally, failure) = sim::live_all(n * length..(n + 1) * length).await.unwrap();
    if let Some(failure) = failure {
        panic!("{failure}");
    }
    // A simulator in which nothing happens proves nothing.
    assert!(tally.done > 10 * length && tally.calls > 10 * length && tally.deaths > length / 2 && tally.faults > length, "{tally}");
}

macro_rules! slices {
    ($($name:ident $n:literal),+ $(,)?) => {$(
        #[tokio::test]
        async fn $name() {
            slice($n).await;
        }
    )+};
}

slices! {
    every_history_of_the_first_eighth_of_the_seeds_holds 0,
    every_history_of_the_second_eighth_of_the_seeds_holds 1,
    every_history_of_the_third_eighth_of_the_seeds_holds 2,
    every_history_of_the_fourth_eighth_of_the_seeds_holds 3,
    every_history_of_the_fifth_eighth_of_the_seeds_holds 4,
    every_history_of_the_sixth_eighth_of_the_seeds_holds 5,
    every_history_of_the_seventh_eighth_of_the_seeds_holds 6,
    every_history_of_the_last_eighth_of_the_seeds_holds 7,
}

#[tokio::test]
async fn a_seed_lives_the_same_history_every_time() {
    for seed in [3, 17, 99, 4_711] {
        let (one, two) = (sim::live(seed).await.unwrap(), sim::live(seed).await.unwrap());
        for (line, (one, two)) in one.transcript.iter().zip(&two.transcript).enumerate() {
            assert_eq!(one, two, "line {line} of seed {seed}");
        }
        assert_eq!(one.digest, two.digest, "seed {seed}");
    }
    let (one, two) = (sim::live(1).await.unwrap(), sim::live(2).await.unwrap());
    assert_ne!(one.digest, two.digest);
}
