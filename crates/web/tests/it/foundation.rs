//! What every answer has, whatever was asked.

use std::num::NonZeroU32;

use reqwest::{Method, StatusCode};
use web::Settings;

use crate::support::TestApp;

#[tokio::test]
async fn the_process_lives_is_ready_and_counts() {
    let app = TestApp::new().await;
    assert_eq!(app.get("/healthz").await.status, StatusCode::OK);
    assert_eq!(app.get("/readyz").await.status, StatusCode::OK);
    app.get("/api/v1/sandbox/clock").await;
    app.get("/no/such/place").await;
    let numbers = app.get("/metrics").await;
    assert!(numbers.header("content-type").starts_with("text/plain; version=0.0.4"));
    let text = numbers.body.as_str().unwrap();
    for line in [
        r#"yunshi_http_requests_total{method="GET",route="/api/v1/sandbox/clock",status="200"} 1"#,
        r#"yunshi_http_requests_total{method="GET",route="unmatched",status="404"} 1"#,
        "yunshi_jobs_waiting 0",
        "yunshi_jobs_stuck 0",
        "yunshi_ledger_unsealed 0",
    ] {
        assert!(text.contains(line), "{line} is not in\n{text}");
    }
    assert!(!text.contains("/no/such/place"), "addresses that do not exist must not become labels");
    app.finish().await;
}

#[tokio::test]
async fn a_wrong_schema_is_not_ready() {
    let app = TestApp::new().await;
    app.market.db().write(async |tx| tx.run_text("UPDATE schema_history SET digest = 1 WHERE version = 1").await).await.unwrap();
    let answer = app.get("/readyz").await;
    assert_eq!((answer.status, answer.code()), (StatusCode::SERVICE_UNAVAILABLE, "unavailable"));
    assert_eq!(answer.header("retry-after"), "2");
    app.finish().await;
}

#[tokio::test]
async fn every_answer_is_dressed_and_every_refusal_is_a_problem() {
    let app = TestApp::new().await;
    let clock = app.get("/api/v1/sandbox/clock").await;
    assert_eq!(clock.status, StatusCode::OK);
    assert_eq!(clock.header("cache-control"), "no-store");
    assert_eq!(clock.header("x-content-type-options"), "nosniff");
    assert_eq!(clock.header("referrer-policy"), "no-referrer");
    assert!(clock.header("x-request-id").starts_with("req_"));

    let missing = app.get("/api/v1/nothing").await;
    assert_eq!((missing.status, missing.code()), (StatusCode::NOT_FOUND, "not-found"));
    let wrong = app.send(app.request(Method::DELETE, "/api/v1/sandbox/clock")).await;
    assert_eq!((wrong.status, wrong.code()), (StatusCode::METHOD_NOT_ALLOWED, "method-not-allowed"));
    assert!(wrong.header("allow").contains("GET"));
    app.finish().await;
}

#[tokio::test]
async fn a_problem_speaks_the_readers_language() {
    let app = TestApp::new().await;
    for (language, title) in [("zh-CN,zh;q=0.9", "未找到"), ("en", "Not found"), ("fr", "Not found")] {
        let answer = app.send(app.request(Method::GET, "/api/v1/nothing").header("accept-language", language)).await;
        assert_eq!(answer.code(), "not-found");
        assert_eq!(answer.body["title"], title);
    }
    let kind = app.get("/api/v1/nothing").await.body["type"].as_str().unwrap().to_owned();
    let explained = app.send(app.request(Method::GET, &kind).header("accept-language", "zh-CN")).await;
    assert_eq!((explained.status, &explained.body["title"]), (StatusCode::OK, &"未找到".into()));
    assert_eq!(app.get("/problems/nonsense").await.code(), "not-found");
    app.finish().await;
}

#[tokio::test]
async fn whoever_asks_too_often_must_wait() {
    let few = NonZeroU32::new(3).unwrap();
    let one = NonZeroU32::new(1).unwrap();
    let app = TestApp::with(Settings { requests_per_second: one, requests_burst: few, ..Settings::default() }).await;
    let mut codes = Vec::new();
    for _ in 0..5 {
        codes.push(app.get("/api/v1/sandbox/clock").await);
    }
    assert_eq!(codes[2].status, StatusCode::OK);
    let refused = codes.iter().find(|answer| answer.status != StatusCode::OK).unwrap();
    assert_eq!((refused.status, refused.code()), (StatusCode::TOO_MANY_REQUESTS, "too-many-requests"));
    assert_eq!(refused.body["seconds"], refused.header("retry-after"));
    app.finish().await;
}

#[tokio::test]
async fn the_document_is_openapi_3_1_and_can_be_browsed() {
    let app = TestApp::new().await;
    let document = app.get("/openapi.json").await.body;
    assert_eq!(document["openapi"], "3.1.0");
    assert!(document["paths"]["/api/v1/sandbox/clock"]["get"].is_object());
    let codes = document["components"]["schemas"]["Problem"]["properties"]["code"]["enum"].as_array().unwrap();
    assert_eq!(codes.len(), kernel::Code::ALL.len());
    let page = app.get("/docs/").await;
    assert_eq!(page.status, StatusCode::OK);
    assert!(page.header("content-security-policy").contains("script-src 'self'"));
    assert!(app.get("/docs/swagger-initializer.js").await.body.as_str().unwrap().contains("/openapi.json"));
    app.finish().await;
}
