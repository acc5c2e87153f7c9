//! `yunshi bench`: each workload runs, small and short, and tells what it found in the shape that scripts and documents rely on. How fast is
//! nobody's business here.

use serde_json::Value;

use crate::support::Place;

/// Runs a workload as small as it gets on the engine of the tests; its table, its line of JSON and its picture.
async fn run(workload: &str) -> (String, Value, String) {
    let place = Place::new().await;
    let server = std::env::var("YUNSHI_TEST_DATABASE_URL").unwrap_or_default();
    let mut arguments =
        vec!["bench", workload, "--seconds", "1", "--rounds", "1", "--clients", "2", "--scale", "1", "--svg", "picture.svg"];
    if !place.is_embedded() {
        arguments.extend(["--engine", "postgres", "--database-url", &server]);
    }
    let out = place.done(&arguments);
    let (table, line) = out.trim_end().rsplit_once('\n').unwrap();
    let picture = std::fs::read_to_string(place.path("picture.svg")).unwrap();
    (table.to_owned(), serde_json::from_str(line).unwrap(), picture)
}

/// What every workload tells.
async fn check(workload: &str, figures: &[(&str, &str)]) {
    let (table, report, picture) = run(workload).await;
    assert_eq!(report["workload"], workload);
    for (name, role) in figures {
        let found = report["figures"].as_array().unwrap().iter().find(|figure| figure["name"] == *name);
        let figure = found.unwrap_or_else(|| panic!("{name} is missing: {report}"));
        assert_eq!(figure["role"], *role, "{name}");
        assert!(figure["median"].as_u64().unwrap() > 0, "{name} was counted: {report}");
        assert!(table.contains(name) && picture.contains(name), "{name} is in the table and in the picture");
    }
    let claims = report["claims"].as_array().unwrap();
    assert!(!claims.is_empty() && claims.iter().all(|claim| claim["reached"].is_boolean() && claim["target"].is_u64()), "{report}");
    assert!(report["machine"]["cores"].as_u64().unwrap() > 0 && report["quiet"]["others_permille"].is_u64() && report["fit"].is_boolean());
    assert!(picture.starts_with("<svg") && picture.trim_end().ends_with("</svg>"));
}

#[tokio::test]
async fn orders_are_measured_beside_the_same_transactions_without_http() {
    check("w1", &[("over HTTP", "measured"), ("in process", "limit"), ("at half load", "measured")]).await;
}

#[tokio::test]
async fn transfers_are_measured_beside_what_others_published() {
    check("w2", &[("uniform", "measured"), ("into two hot books", "measured"), ("TigerBeetle", "peer")]).await;
}

#[tokio::test]
async fn signed_calls_are_measured_beside_a_plain_loop() {
    let figures = [("plain loop: sign and post", "limit"), ("all sellers sound", "measured"), ("dead, failing and lost", "measured")];
    check("w4", &figures).await;
}

#[tokio::test]
async fn a_data_set_needs_a_folder_to_stay_in() {
    let place = Place::new().await;
    let ended = place.run(&["bench", "seed"]);
    assert_eq!(ended.code, Some(1), "{ended:?}");
    assert!(ended.complaint().contains("--data"), "{}", ended.err);
}

#[tokio::test]
async fn memory_and_the_first_answer_are_measured_of_this_very_program() {
    check("w10", &[("memory when idle", "measured"), ("first answer after start", "measured"), ("Keycloak", "peer")]).await;
}

#[tokio::test]
async fn a_server_must_be_named_for_the_engine_that_needs_one() {
    let place = Place::new().await;
    let ended = place.run(&["bench", "w1", "--engine", "postgres"]);
    assert_eq!(ended.code, Some(2), "{ended:?}");
    assert!(ended.err.contains("--database-url"), "{}", ended.err);
}
