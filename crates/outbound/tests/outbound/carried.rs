//! Calls that a carrier takes to servers in the same process are checked as all others.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use outbound::{CallError, CallFailure, Carrier, Client, Response, Settings, Url};

/// Answers every call with what it got.
#[derive(Debug)]
struct Echo;

impl Carrier for Echo {
    fn carry(&self, url: Url, body: String) -> Pin<Box<dyn Future<Output = Result<Response, CallError>> + Send + '_>> {
        Box::pin(async move {
            if body == "forever" {
                std::future::pending::<()>().await;
            }
            let body = format!("{url} {body}").into_bytes();
            Ok(Response { status: 200, content_type: None, headers: Vec::new(), body, elapsed_ms: 7 })
        })
    }
}

#[tokio::test]
async fn a_carrier_takes_the_place_of_the_network_and_no_check_is_lost() {
    let settings = Settings { body_max_bytes: 100, timeout: Duration::from_millis(50), ..Settings::default() };
    let client = Client::carried_by(Arc::new(Echo), &settings);
    let call = async |url: &str, body: &str| client.post_json(url, body.to_owned(), &[]).await;
    let answer = call("https://isv.example/produce?signature=x", "{}").await.unwrap();
    assert_eq!((answer.body.as_slice(), answer.elapsed_ms), (b"https://isv.example/produce?signature=x {}".as_slice(), 7));
    let failure = async |url: &str, body: &str| call(url, body).await.unwrap_err().failure.word();
    assert_eq!(failure("http://isv.example/", "{}").await, "bad_url");
    assert_eq!(failure("https://127.0.0.1/", "{}").await, "address_refused");
    assert_eq!(failure("https://isv.example/", &"x".repeat(100)).await, "too_large");
    assert_eq!(call("https://isv.example/", "forever").await.unwrap_err().failure, CallFailure::TimedOut { limit_ms: 50 });
    let bad_header = client.post_json("https://isv.example/", String::new(), &[("a\n", "b")]).await;
    assert!(matches!(bad_header.unwrap_err().failure, CallFailure::BadHeader(_)));
}
