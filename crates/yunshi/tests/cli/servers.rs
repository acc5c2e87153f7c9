//! `yunshi serve` and `yunshi worker`, from their first start to their end.

use std::{net::TcpListener, os::unix::fs::PermissionsExt, time::Duration, time::Instant};

use rustix::process::Signal;

use crate::support::{Place, exists, get};

const OPEN: &str = "the marketplace is open";

/// How long a first start may take on a busy machine with a program that is not optimised. Optimised and idle it is far below 100 ms.
const FIRST_ANSWER_MAX: Duration = Duration::from_secs(10);

#[tokio::test]
async fn without_any_configuration_an_empty_market_opens() {
    let place = Place::new().await;
    let begun = Instant::now();
    let mut server = place.start(&["serve"], OPEN);
    assert_eq!(get(&server.address(), "/healthz"), (200, "ok\n".to_owned()));
    assert!(begun.elapsed() < FIRST_ANSWER_MAX);
    assert_eq!(get(&server.address(), "/readyz").0, 200);
    assert!(server.wait_for("nobody runs this marketplace yet")["message"].as_str().unwrap().contains("yunshi operator create"));

    let key = server.said("a master key was made").unwrap();
    assert!(key["message"].as_str().unwrap().contains("keep a copy"));
    assert_eq!(key["level"], "WARN");
    let mode = |path: &str| std::fs::metadata(place.path(path)).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode("yunshi-data"), mode("yunshi-data/master.key")), (0o700, 0o600));
    assert_eq!(exists(&place.path("yunshi-data/yunshi.sqlite")), place.is_embedded());
    assert_eq!(server.stop(Signal::TERM), Some(0));
}

#[tokio::test]
async fn an_operator_can_be_made_while_it_serves_and_the_next_start_says_nothing() {
    let place = Place::new().await;
    let server = place.start(&["serve"], OPEN);
    place.done(&["operator", "create", "--title", "Yunshi", "--email", "ops@market.example"]);
    assert_eq!(server.stop(Signal::INT), Some(0));
    let mut server = place.start(&["serve"], OPEN);
    get(&server.address(), "/healthz");
    server.wait_for("answered");
    assert!(server.said("nobody runs this marketplace yet").is_none());
    assert!(server.said("a master key was made").is_none());
}

#[tokio::test]
async fn a_port_in_use_is_one_clear_line_and_nothing_is_made() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let place = Place::new().await.with("YUNSHI_LISTEN", &address);
    let ended = place.run(&["serve"]);
    assert_eq!(ended.code, Some(1));
    assert!(ended.complaint().starts_with(&format!("cannot listen on {address}")), "{ended:?}");
    assert!(!exists(&place.path("yunshi-data")));
}

#[tokio::test]
async fn a_worker_works_beside_a_server_without_a_background() {
    let place = Place::new().await.with("YUNSHI_WORK_IN_SERVE", "false");
    let server = place.start(&["serve"], OPEN);
    let worker = place.start(&["worker"], "the worker is at work");
    assert_eq!(get(&server.address(), "/readyz").0, 200);
    assert_eq!(worker.stop(Signal::TERM), Some(0));
    assert_eq!(server.stop(Signal::TERM), Some(0));
}

#[tokio::test]
async fn a_worker_alone_does_what_is_due_and_finishes_it_when_it_is_stopped() {
    let place = Place::new().await;
    place.done(&["migrate"]);
    let enqueue = async |tx: &mut db::Tx| db::jobs::enqueue(tx, market::settlement::MONTH_JOB, &"202001", "", 0).await;
    place.db().await.write(enqueue).await.unwrap();
    // Stopped at once, it still goes one round.
    let worker = place.start(&["worker"], "the worker is at work");
    assert_eq!(worker.stop(Signal::TERM), Some(0));
    let left = place.db().await.read(async |tx| db::jobs::list(tx, ("", ""), 10).await).await.unwrap();
    let months: Vec<_> = left.iter().map(|report| report.job.subject.as_str()).collect();
    assert!(!months.contains(&"202001") && months.iter().any(|month| *month > "202001"), "{months:?}");
}

#[tokio::test]
async fn the_log_is_as_the_configuration_says() {
    let place = Place::new().await;
    let said = place.run(&["migrate"]);
    assert!(said.err.contains("INFO") && !said.err.contains('\u{1b}'), "text, without colours where nobody sees them: {said:?}");
    let place = Place::new().await.with("YUNSHI_LOG", "error");
    assert_eq!(place.run(&["migrate"]).err, "");
}

#[tokio::test]
async fn an_idle_market_is_small() {
    /// What the market holds in memory of its own. Pages of the program's file come and go, and those of one that is not optimised say nothing
    /// about it; with them an optimised one stays below 48 MiB (`yunshi bench`).
    const OWN_MAX_KIB: u64 = 24 * 1024;
    let place = Place::new().await;
    let server = place.start(&["serve"], OPEN);
    get(&server.address(), "/readyz");
    let status = std::fs::read_to_string(format!("/proc/{}/status", server.pid())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:")).unwrap();
    let own: u64 = line.trim().trim_end_matches(" kB").parse().unwrap();
    assert!(own < OWN_MAX_KIB, "{own} KiB");
}
