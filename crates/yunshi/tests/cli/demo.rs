//! `yunshi demo`, from an empty folder to the second start. Its market is always the embedded one.

use rustix::process::Signal;

use crate::support::{Place, exists, get};

const OPEN: &str = "the marketplace is open";
const ARGUMENTS: [&str; 8] = ["demo", "--listen", "127.0.0.1:0", "--sellers-listen", "127.0.0.1:0", "--days", "14", "--dir"];

fn with_dir(dir: &'static str) -> Vec<&'static str> {
    [&ARGUMENTS[..], &[dir]].concat()
}

#[tokio::test]
async fn a_market_with_a_past_opens_and_goes_on_after_a_restart() {
    let place = Place::new().await.embedded();
    let server = place.start(&with_dir("d"), OPEN);
    assert_eq!(get(&server.address(), "/readyz").0, 200);
    assert!(server.said("nobody runs this marketplace yet").is_none());
    // The other commands find it by the configuration that it wrote.
    assert!(place.done(&["--config", "d/yunshi.toml", "verify"]).contains("every figure is right"));
    assert!(place.done(&["--config", "d/yunshi.toml", "clock", "show"]).ends_with("ticking\n"));
    let before = place.done(&["--config", "d/yunshi.toml", "clock", "show"]);
    let moved = place.done(&["--config", "d/yunshi.toml", "clock", "advance", "40d"]);
    // Its month has been settled on the way; settling it again shows what was made of it.
    let month = format!("{}{}", &before[..4], &before[5..7]);
    let settled = place.done(&["--config", "d/yunshi.toml", "settle", &month]);
    assert!(settled.contains("  stm_") && settled.contains(" fee ") && settled.contains(&format!("{month}: ")), "{settled}");
    assert_eq!(server.stop(Signal::TERM), Some(0));

    let server = place.start(&with_dir("d"), OPEN);
    let jobs = place.done(&["--config", "d/yunshi.toml", "doctor"]);
    assert!(!jobs.contains("WRONG"), "{jobs}");
    let shown = place.done(&["--config", "d/yunshi.toml", "clock", "show"]);
    let date = |text: &str| text.lines().last().unwrap()[..10].to_owned();
    assert_eq!(date(&shown), date(&moved), "it is the market that was moved, and no new one");
    assert!(place.done(&["--config", "d/yunshi.toml", "verify"]).contains("every figure is right"));
    assert_eq!(server.stop(Signal::TERM), Some(0));
}

#[tokio::test]
async fn an_interrupted_story_is_told_anew() {
    let place = Place::new().await.embedded();
    std::fs::create_dir(place.path("d")).unwrap();
    place.write("d/unfinished", "");
    place.write("d/yunshi.sqlite", "half a market");
    let server = place.start(&with_dir("d"), OPEN);
    assert!(!exists(&place.path("d/unfinished")));
    assert_eq!(server.stop(Signal::INT), Some(0));
}

#[tokio::test]
async fn a_demo_for_others_needs_a_password_of_its_own_and_a_folder_of_its_own() {
    let place = Place::new().await.embedded();
    let ended = place.run(&["demo", "--listen", "0.0.0.0:0", "--dir", "d"]);
    assert_eq!(ended.code, Some(2));
    assert!(ended.complaint().contains("--password"), "{ended:?}");

    place.write("diary.txt", "private");
    let ended = place.run(&["demo", "--listen", "127.0.0.1:0", "--dir", ".", "--fresh"]);
    assert!(ended.complaint().contains("something else than a demo"), "{ended:?}");
    assert!(exists(&place.path("diary.txt")));
}

#[tokio::test]
async fn the_guided_tour_that_it_prints_can_be_taken() {
    let place = Place::new().await.embedded();
    let mut server = place.start(&with_dir("d"), OPEN);
    let text = server.printed("Its clock ticks along with yours.");
    let mut script = String::new();
    for line in text.lines() {
        let command = line.strip_prefix("    ").or_else(|| line.find("yunshi --config").map(|at| &line[at..]));
        if let Some(command) = command {
            script.push_str(command);
            script.push_str(if command.ends_with('\\') { "\n" } else { "\necho\n" });
        }
    }
    assert_eq!(script.matches("curl").count(), 7, "{script}");
    let taken = place.script(&script);
    assert_eq!(taken.code, Some(0), "{script}\n{taken:?}");
    for sign in ["\"kind\":\"NEW\"", "orders.paid", "\"scene\":\"create\"", "every figure is right"] {
        assert!(taken.out.contains(sign), "{sign} is not in {}", taken.out);
    }
    assert_eq!(server.stop(Signal::TERM), Some(0));
}
