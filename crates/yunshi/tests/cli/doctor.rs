//! What the doctor sees.

use std::os::unix::fs::PermissionsExt;

use crate::support::{Place, exists};

fn line<'a>(text: &'a str, name: &str) -> &'a str {
    text.lines().find(|line| line.split_whitespace().nth(1) == Some(name)).unwrap_or_else(|| unreachable!("no line about {name} in {text}"))
}

async fn healthy() -> Place {
    let place = Place::new().await;
    place.done(&["operator", "create", "--title", "Yunshi", "--email", "ops@market.example"]);
    place
}

#[tokio::test]
async fn a_healthy_market_is_said_to_be_so() {
    let place = healthy().await;
    let said = place.done(&["doctor"]);
    assert!(!said.contains("WRONG") && !said.contains("  odd "), "{said}");
    let engine = if place.is_embedded() { "SQLite 3." } else { "PostgreSQL 1" };
    assert!(line(&said, "database").contains(engine), "{said}");
    assert!(line(&said, "market").contains("mode production"), "{said}");
}

#[tokio::test]
async fn it_says_where_each_value_came_from_and_shows_no_secret() {
    let key = "5e".repeat(32);
    let place = healthy().await.with("YUNSHI_MASTER_KEY", &key).with("YUNSHI_LISTN", "x");
    place.write(
        "yunshi.toml",
        "log = \"warn\"\nmail_user = \"market\"\nmail_password = \"topsecret\"\ndatabase_url = \"postgres://yunshi:topsecret@127.0.0.1:1/none\"\n[edition]\nrefund_days = 6\n",
    );
    let ended = place.run(&["doctor"]);
    for (setting, origin) in [
        (r#"listen "127.0.0.1:0""#, "variable YUNSHI_LISTEN"),
        (r#"log "warn""#, "file yunshi.toml"),
        ("edition.refund_days 6", "file yunshi.toml"),
        ("edition.settle_day 3", "default"),
        (r#"master_key "***""#, "variable YUNSHI_MASTER_KEY"),
        (r#"mail_password "***""#, "file yunshi.toml"),
    ] {
        let shown = ended.out.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "));
        assert!(shown.into_iter().any(|line| line == format!("{setting} {origin}")), "{setting} from {origin} in {}", ended.out);
    }
    assert!(ended.out.contains("YUNSHI_LISTN is no setting"), "{}", ended.out);
    let everything = ended.out + &ended.err;
    assert!(!everything.contains("topsecret") && !everything.contains(&key), "{everything}");
}

#[tokio::test]
async fn before_the_first_start_nothing_is_there_and_nothing_is_made() {
    let place = Place::new().await;
    let ended = place.run(&["doctor"]);
    assert_eq!(ended.code, Some(3), "{ended:?}");
    assert!(ended.out.contains("WRONG"), "{ended:?}");
    assert!(!exists(&place.path("yunshi-data")));
}

#[tokio::test]
async fn work_that_waits_for_the_operator_is_wrong() {
    let place = healthy().await;
    place
        .tamper(
            "INSERT INTO jobs (kind, subject, lane, due_at, tries, lease_until, lease_token, last_error, stuck_at)
             VALUES ('call', 'dlv_1', '', 0, 16, 0, '', 'the seller''s key does not open', 1)",
        )
        .await;
    let ended = place.run(&["doctor"]);
    assert_eq!(ended.code, Some(3));
    assert!(ended.out.contains("1 of 1 wait for you") && ended.out.contains("call dlv_1: the seller's key does not open"), "{}", ended.out);
}

#[tokio::test]
async fn work_that_nobody_does_is_wrong() {
    let place = healthy().await;
    place
        .tamper("INSERT INTO jobs (kind, subject, lane, due_at, tries, lease_until, lease_token) VALUES ('call', 'dlv_1', '', 0, 0, 0, '')")
        .await;
    let ended = place.run(&["doctor"]);
    assert!(line(&ended.out, "jobs").contains("is no yunshi serve or worker running?"), "{}", ended.out);
    assert_eq!(ended.code, Some(3));
}

#[tokio::test]
async fn a_market_of_another_mode_or_currency_is_wrong() {
    let place = healthy().await.with("YUNSHI_EDITION_CURRENCY", "EUR");
    let ended = place.run(&["doctor"]);
    assert!(line(&ended.out, "market").contains("whose currency is CNY, the configuration says EUR"), "{}", ended.out);
    assert_eq!(ended.code, Some(3));
}

#[tokio::test]
async fn a_lost_key_is_wrong_and_an_open_one_is_odd() {
    let place = healthy().await;
    let key = place.path("yunshi-data/master.key");
    std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o644)).unwrap();
    let said = place.done(&["doctor"]);
    assert!(said.contains("chmod 600"), "{said}");
    std::fs::remove_file(&key).unwrap();
    let ended = place.run(&["doctor"]);
    assert_eq!(ended.code, Some(3));
    assert!(ended.out.contains("put the file back from its copy"), "{}", ended.out);
}

#[tokio::test]
async fn a_clock_that_was_set_back_is_wrong() {
    let place = healthy().await;
    place.tamper("UPDATE audit SET at = at + 86400000").await;
    let ended = place.run(&["doctor"]);
    assert!(line(&ended.out, "clock").contains("recorded"), "{}", ended.out);
    assert_eq!(ended.code, Some(3));
}

#[tokio::test]
async fn the_sample_file_is_a_configuration() {
    let place = Place::new().await;
    let sample = place.done(&["doctor", "--sample-file"]);
    assert!(sample.contains("#listen = \"127.0.0.1:8080\""));
    place.write("yunshi.toml", &sample);
    place.done(&["migrate"]);
}
