//! What servers send back.

use outbound::CallFailure;
use tokio::net::TcpListener;

use crate::server::{Server, impatient_client, local_client};

const OK: &str =
    "HTTP/1.1 200 OK\r\nContent-Type: application/json;charset=utf8\r\nX-Trace: 7\r\nContent-Length: 23\r\n\r\n{\"resultCode\":\"000000\"}";

#[tokio::test]
async fn a_call_carries_body_and_headers_and_brings_the_answer() {
    let server = Server::answering(OK).await;
    let answer = local_client().post_json(&server.url(), "{\"云\":1}".to_owned(), &[("Accept", "application/json")]).await.unwrap();
    assert_eq!(answer.status, 200);
    assert_eq!(answer.content_type.as_deref(), Some("application/json;charset=utf8"));
    assert!(answer.headers.contains(&("x-trace".to_owned(), "7".to_owned())));
    assert_eq!(answer.body, b"{\"resultCode\":\"000000\"}");
    assert!((0..5000).contains(&answer.elapsed_ms));

    let log = server.log.lock().await;
    let (head, body) = log[0].1.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("POST /produce?signature=SECRET HTTP/1.1\r\n"), "{head}");
    assert_eq!(body, "{\"云\":1}");
    assert!(head.contains("\r\naccept: application/json"), "{head}");
    assert!(head.contains("\r\ncontent-type: application/json\r\n"), "{head}");
    assert!(head.contains("\r\nuser-agent: yunshi/"), "{head}");
    assert!(!head.contains("accept-encoding"), "answers must not be compressed: {head}");
}

#[tokio::test]
async fn the_content_type_can_be_the_dialects_own() {
    let server = Server::answering(OK).await;
    let headers = [("Content-Type", "application/json;charset=utf8")];
    local_client().post_json(&server.url(), String::new(), &headers).await.unwrap();
    let log = server.log.lock().await;
    assert_eq!(log[0].1.matches("content-type: ").count(), 1);
    assert!(log[0].1.contains("content-type: application/json;charset=utf8\r\n"));
}

#[tokio::test]
async fn calls_one_after_the_other_share_a_connection() {
    let server = Server::answering(OK).await;
    let client = local_client();
    for _ in 0..3 {
        client.clone().post_json(&server.url(), "{}".to_owned(), &[]).await.unwrap();
    }
    let connections: Vec<usize> = server.log.lock().await.iter().map(|(connection, _)| *connection).collect();
    assert_eq!(connections, [1, 1, 1]);
}

#[tokio::test]
async fn a_redirect_is_an_answer_and_not_followed() {
    let target = Server::answering(OK).await;
    let location = format!("HTTP/1.1 302 Found\r\nLocation: {}\r\nContent-Length: 0\r\n\r\n", target.url());
    let server = Server::answering(location.leak()).await;
    let answer = local_client().post_json(&server.url(), "{}".to_owned(), &[]).await.unwrap();
    assert_eq!(answer.status, 302);
    assert!(target.log.lock().await.is_empty());
}

#[tokio::test]
async fn a_server_that_never_answers_times_out() {
    let server = Server::run(|mut connection| async move {
        connection.request().await;
        connection.until_closed().await;
    })
    .await;
    let error = impatient_client().post_json(&server.url(), "{}".to_owned(), &[]).await.unwrap_err();
    assert_eq!(error.failure, CallFailure::TimedOut { limit_ms: 150 });
    assert!((150..5000).contains(&error.elapsed_ms), "{}", error.elapsed_ms);
}

#[tokio::test]
async fn a_server_that_drips_its_body_times_out() {
    let server = Server::run(|mut connection| async move {
        connection.request().await;
        connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n").await;
        while connection.send(b" ").await {
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
    })
    .await;
    let error = impatient_client().post_json(&server.url(), "{}".to_owned(), &[]).await.unwrap_err();
    assert_eq!(error.failure, CallFailure::TimedOut { limit_ms: 150 });
}

#[tokio::test]
async fn half_a_body_is_no_answer() {
    let server = Server::run(|mut connection| async move {
        connection.request().await;
        connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{\"resultCode\":").await;
    })
    .await;
    let error = local_client().post_json(&server.url(), "{}".to_owned(), &[]).await.unwrap_err();
    assert!(matches!(error.failure, CallFailure::BrokenBody(_)), "{error:?}");
    assert_eq!(error.failure.word(), "broken_body");
}

#[tokio::test]
async fn a_connection_closed_without_an_answer_is_named() {
    let server = Server::run(|mut connection| async move {
        connection.request().await;
    })
    .await;
    let error = local_client().post_json(&server.url(), "{}".to_owned(), &[]).await.unwrap_err();
    assert!(matches!(error.failure, CallFailure::NoAnswer(_)), "{error:?}");
    assert!(!error.to_string().contains("SECRET"), "{error}");

    let gibberish = Server::answering("SSH-2.0-OpenSSH\r\n\r\n").await;
    let error = local_client().post_json(&gibberish.url(), "{}".to_owned(), &[]).await.unwrap_err();
    assert!(matches!(error.failure, CallFailure::NoAnswer(_)), "{error:?}");
}

#[tokio::test]
async fn an_answer_without_end_is_cut_at_the_limit() {
    let server = Server::run(|mut connection| async move {
        connection.request().await;
        connection.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n").await;
        let chunk = format!("10000\r\n{}\r\n", "x".repeat(0x10000));
        while connection.send(chunk.as_bytes()).await {}
    })
    .await;
    let error = local_client().post_json(&server.url(), "{}".to_owned(), &[]).await.unwrap_err();
    assert_eq!(error.failure, CallFailure::TooLarge { limit_bytes: 1024 * 1024 });
}

#[tokio::test]
async fn an_answer_that_announces_ten_megabytes_is_not_read() {
    let server = Server::run(|mut connection| async move {
        connection.request().await;
        connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: 10485760\r\n\r\n").await;
        // Not a byte of the body: only the announcement can be the reason.
        connection.until_closed().await;
    })
    .await;
    let error = local_client().post_json(&server.url(), "{}".to_owned(), &[]).await.unwrap_err();
    assert_eq!(error.failure, CallFailure::TooLarge { limit_bytes: 1024 * 1024 });
}

#[tokio::test]
async fn nothing_listening_is_a_failed_connection() {
    let port = {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        listener.local_addr().unwrap().port()
    };
    let url = format!("http://127.0.0.1:{port}/?signature=SECRET");
    let error = local_client().post_json(&url, "{}".to_owned(), &[]).await.unwrap_err();
    assert!(matches!(error.failure, CallFailure::ConnectFailed(_)), "{error:?}");
    assert!(error.to_string().contains("refused") && !error.to_string().contains("SECRET"), "{error}");
}

#[tokio::test]
async fn a_header_that_would_split_the_request_is_refused() {
    let error = local_client().post_json("http://127.0.0.1/", "{}".to_owned(), &[("x-a", "1\r\nx-b: 2")]).await.unwrap_err();
    assert_eq!(error.failure, CallFailure::BadHeader("x-a".to_owned()));
}
