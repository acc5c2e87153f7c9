//! What the program will not begin to work with, and says so in one line.

use market::Mode;

use crate::client::{Client, Doors};
use crate::fair::Fair;
use crate::place::Place;

const AT_WORK: [&[&str]; 2] = [&["serve"], &["worker"]];

#[tokio::test]
async fn a_schema_of_a_newer_program_is_refused_and_left_alone() {
    let place = Place::new(Mode::Production).await;
    place.sql("INSERT INTO schema_history (version, name, digest) VALUES (9999, 'later', 0) RETURNING name").await;
    for command in AT_WORK.iter().chain([&["migrate"][..], &["verify"]].iter()) {
        let ended = place.run(command).await;
        assert_eq!(ended.code, Some(1), "{command:?}: {ended:?}");
        let expected = format!("the database's schema is at version 9999, newer than this program's {}", market::MIGRATIONS.len());
        assert!(ended.complaint().contains(&expected) && ended.complaint().contains("use the newer program"), "{command:?}: {ended:?}");
    }
    assert_eq!(place.sql("SELECT name FROM market_facts").await, [""; 0], "nothing was written");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_of_the_other_mode_or_currency_is_refused() {
    for (made, asked) in [(Mode::Sandbox, Mode::Production), (Mode::Production, Mode::Sandbox)] {
        let mut fair = Fair::new(made, 0).await;
        fair.place.set("YUNSHI_MODE", asked.word());
        for command in AT_WORK {
            let ended = fair.place.run(command).await;
            assert_eq!(ended.code, Some(1), "{command:?}: {ended:?}");
            let expected = format!("this database holds a market whose mode is {made}, not {asked}");
            assert!(ended.complaint().contains(&expected), "{command:?}: {ended:?}");
        }
        fair.place.set("YUNSHI_MODE", made.word());
        fair.place.set("YUNSHI_EDITION_CURRENCY", "USD");
        let ended = fair.place.run(&["serve"]).await;
        assert!(ended.complaint().contains("whose currency is CNY, not USD"), "{ended:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_master_key_is_refused_before_anything_is_sealed_with_it() {
    let mut fair = Fair::new(Mode::Production, 1).await;
    fair.place.set("YUNSHI_MASTER_KEY", &"ab".repeat(32));
    for command in AT_WORK {
        let ended = fair.place.run(command).await;
        assert_eq!(ended.code, Some(1), "{command:?}: {ended:?}");
        assert!(
            ended.complaint().contains("the master key is not the one with which this market's secrets were sealed"),
            "{command:?}: {ended:?}"
        );
        assert!(!ended.err.contains("abab"), "the key is not shown: {ended:?}");
    }
    fair.place.set("YUNSHI_MASTER_KEY", &hex::encode(crate::place::MASTER_KEY));
    let mut server = fair.place.start(&["serve"]);
    let client = Client::new(&Doors::at(&server.open().await), &fair.buyers[0].token);
    assert_eq!(client.get("/balance").await.status, 200);
    server.stop().await;
}
