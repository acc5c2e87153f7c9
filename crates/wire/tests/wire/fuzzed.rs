//! The properties that `cargo xtask fuzz` tries to break, over the bytes it begins with and over random ones.

use std::fs;
use std::path::Path;

use proptest::prelude::*;

use crate::properties::ALL;

/// The bytes that fuzzing begins with, and those that once broke a property.
fn seeds() -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/seeds");
    let of = |name: &str| fs::read_dir(folder.join(name)).unwrap_or_else(|error| panic!("{name} has no seeds: {error}"));
    let files = ALL.iter().flat_map(|(name, _)| of(name)).map(|entry| entry.unwrap().path());
    files.map(|path| fs::read(path).unwrap()).collect()
}

#[test]
fn every_property_holds_for_every_seed() {
    for seed in seeds() {
        for (name, holds) in ALL {
            assert!(std::panic::catch_unwind(|| holds(&seed)).is_ok(), "{name}: {}", String::from_utf8_lossy(&seed));
        }
    }
}

proptest! {
    #[test]
    fn every_property_holds_for_bytes_at_random(data in proptest::collection::vec(any::<u8>(), 0..200)) {
        for (_, holds) in ALL {
            holds(&data);
        }
    }

    #[test]
    fn every_property_holds_for_seeds_that_were_damaged(at in any::<prop::sample::Index>(), place in any::<prop::sample::Index>(), byte in any::<u8>()) {
        let all = seeds();
        let mut seed = all[at.index(all.len())].clone();
        let place = place.index(seed.len());
        seed[place] = byte;
        for (_, holds) in ALL {
            holds(&seed);
        }
    }
}
