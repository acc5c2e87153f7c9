//! A served market of its own for each test.

use std::collections::BTreeSet;
use std::num::NonZeroU32;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use db::Db;
use db::scratch::Scratch;
use kernel::Entropy;
use market::edition::{Edition, EditionKind};
use market::mail::{Post, Transport, Wording};
use market::{MIGRATIONS, Market, Mode, Setup};
use reqwest::{Method, Response, StatusCode};
use serde_json::Value;
use tokio::task::JoinHandle;
use web::{AppState, Settings};

/// A sandbox market with its doors open on the loopback. A test ends with [`TestApp::finish`].
pub(crate) struct TestApp {
    pub(crate) market: Market,
    pub(crate) base: String,
    client: reqwest::Client,
    server: JoinHandle<()>,
    finished: bool,
    /// What was answered with success: methods and paths.
    pub(crate) done: Mutex<BTreeSet<(String, String)>>,
    _scratch: Scratch,
}

/// An answer, read whole.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: reqwest::header::HeaderMap,
    pub(crate) body: Value,
}

impl Answer {
    async fn read(response: Response) -> Self {
        let (status, headers) = (response.status(), response.headers().clone());
        let text = response.text().await.unwrap();
        let body = serde_json::from_str(&text).unwrap_or(Value::String(text));
        Self { status, headers, body }
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    /// The code of a problem, with its shape checked on the way.
    pub(crate) fn code(&self) -> &str {
        assert_eq!(self.header("content-type"), "application/problem+json", "{self:#?}");
        assert_eq!(self.body["status"], self.status.as_u16(), "{self:#?}");
        assert_eq!(self.body["request_id"], self.header("x-request-id"), "{self:#?}");
        assert!(self.body["detail"].as_str().is_some_and(|text| !text.is_empty()), "{self:#?}");
        let code = self.body["code"].as_str().unwrap();
        assert_eq!(self.body["type"], format!("/problems/{code}"));
        code
    }
}

impl TestApp {
    pub(crate) async fn new() -> Self {
        Self::with(Self::patient()).await
    }

    /// A test knocks faster than any client; what the limits do has tests of its own.
    pub(crate) fn patient() -> Settings {
        let many = NonZeroU32::new(100_000).unwrap();
        Settings { sign_ins_per_minute: many, requests_per_second: many, requests_burst: many, ..Settings::default() }
    }

    /// A market whose mails stay in its outbox.
    pub(crate) async fn with(settings: Settings) -> Self {
        Self::of(settings, Mode::Sandbox, Some(Transport::Outbox)).await
    }

    pub(crate) async fn of(settings: Settings, mode: Mode, transport: Option<Transport>) -> Self {
        // Another test of this process may have installed it already.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let scratch = Scratch::new(MIGRATIONS).await.unwrap();
        let setup = Setup {
            db: Db::open(scratch.options.clone()).await.unwrap(),
            mode,
            edition: Edition::defaults(EditionKind::Cn),
            master_key: [7; 32],
            entropy: Entropy::from_seed([42; 32]),
            outbound: testkit::sellers::client(Duration::from_secs(2)),
            mail: transport.map(|transport| Post { transport, wording: wording() }),
        };
        let market = Market::open(setup).await.unwrap();
        let router = web::app(AppState::new(market.clone(), settings).unwrap()).unwrap();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        let server = tokio::spawn(async move { web::serve(listener, router, std::future::pending()).await });
        Self {
            market,
            base,
            client: reqwest::Client::builder().no_proxy().build().unwrap(),
            server,
            finished: false,
            done: Mutex::default(),
            _scratch: scratch,
        }
    }

    pub(crate) fn request(&self, method: Method, path: &str) -> reqwest::RequestBuilder {
        self.client.request(method, format!("{}{path}", self.base))
    }

    pub(crate) async fn send(&self, request: reqwest::RequestBuilder) -> Answer {
        let request = request.build().unwrap();
        let sent = (request.method().clone(), request.url().path().to_owned());
        let answer = Answer::read(self.client.execute(request).await.unwrap()).await;
        if answer.status.is_success() {
            self.done.lock().unwrap().insert((sent.0.to_string(), sent.1));
        }
        answer
    }

    /// An answer as it came, to a request with these headers.
    pub(crate) async fn send_raw(&self, method: Method, path: String, headers: Vec<(&str, String)>) -> Response {
        let request = self.client.request(method, format!("{}{path}", self.base));
        headers.into_iter().fold(request, |request, (name, value)| request.header(name, value)).send().await.unwrap()
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.send(self.request(Method::GET, path)).await
    }

    /// Ends without the reckoning: there is no clock to move in production.
    pub(crate) fn leave_unreckoned(mut self) {
        self.finished = true;
    }

    /// Checks what must hold at the end of any history.
    pub(crate) async fn finish(mut self) {
        self.finished = true;
        testkit::world::reckon(&self.market).await;
    }
}

fn wording() -> Arc<dyn Wording> {
    Arc::new(web::Letters::new("https://market.example/".parse().unwrap(), Edition::defaults(EditionKind::Cn).zone))
}

impl Drop for TestApp {
    fn drop(&mut self) {
        self.server.abort();
        assert!(self.finished || std::thread::panicking(), "a test with a TestApp must end with finish().await");
    }
}
