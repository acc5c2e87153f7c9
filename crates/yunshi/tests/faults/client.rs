//! Somebody who calls the API, and repeats what was not answered with the same idempotency key, as a good client does.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use kernel::SkuId;
use reqwest::Method;
use serde_json::{Value, json};
use tokio::sync::watch;

use crate::fair::order_of;
use crate::place::PATIENCE;

/// The pause before a repeat.
const PAUSE: Duration = Duration::from_millis(15);

/// Where the market is now; it has another address after each start, and none while it is down.
#[derive(Clone, Debug)]
pub(crate) struct Doors(watch::Sender<Option<String>>);

impl Doors {
    pub(crate) fn new() -> Self {
        Self(watch::Sender::new(None))
    }

    pub(crate) fn at(url: &str) -> Self {
        Self(watch::Sender::new(Some(url.to_owned())))
    }

    pub(crate) fn open(&self, url: &str) {
        self.0.send_replace(Some(url.to_owned()));
    }

    pub(crate) fn shut(&self) {
        self.0.send_replace(None);
    }

    /// Waits for open doors.
    async fn url(&self) -> String {
        let mut doors = self.0.subscribe();
        let open = tokio::time::timeout(PATIENCE, doors.wait_for(Option::is_some)).await.expect("doors that open");
        open.unwrap().clone().unwrap()
    }
}

/// An answer, read whole.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: Value,
    pub(crate) content_type: String,
    pub(crate) retry_after: Option<String>,
}

impl Answer {
    /// The code of a problem, its shape checked on the way.
    pub(crate) fn code(&self) -> &str {
        assert_eq!(self.content_type, "application/problem+json", "{self:?}");
        assert_eq!(self.body["status"], self.status, "{self:?}");
        assert!(self.body["request_id"].as_str().is_some_and(|id| id.starts_with("req_")), "{self:?}");
        self.body["code"].as_str().unwrap()
    }
}

/// Somebody with a token, or without one.
#[derive(Clone, Debug)]
pub(crate) struct Client {
    http: reqwest::Client,
    doors: Doors,
    token: String,
}

impl Client {
    pub(crate) fn new(doors: &Doors, token: &str) -> Self {
        // Another client of this process may have installed it already.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let http = reqwest::Client::builder().no_proxy().timeout(PATIENCE).build().unwrap();
        Self { http, doors: doors.clone(), token: token.to_owned() }
    }

    /// One request, which may come to nothing.
    pub(crate) async fn attempt(&self, method: Method, path: &str, headers: &[(&str, &str)], body: Option<&Value>) -> Option<Answer> {
        let mut request = self.http.request(method, format!("{}{path}", self.doors.url().await));
        if !self.token.is_empty() {
            request = request.bearer_auth(&self.token);
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        if let Some(body) = body {
            request = request.json(body);
        }
        let response = request.send().await.ok()?;
        let status = response.status().as_u16();
        let header = |name| response.headers().get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
        let (content_type, retry_after) = (header("content-type").unwrap_or_default(), header("retry-after"));
        let text = response.text().await.ok()?;
        let body = serde_json::from_str(&text).unwrap_or(Value::String(text));
        Some(Answer { status, body, content_type, retry_after })
    }

    /// One GET that must be answered.
    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.attempt(Method::GET, &format!("/api/v1{path}"), &[], None).await.expect("an answer")
    }

    /// One POST that must be answered.
    pub(crate) async fn post(&self, path: &str, key: &str, body: &Value) -> Answer {
        self.try_post(path, key, body).await.expect("an answer")
    }

    pub(crate) async fn try_post(&self, path: &str, key: &str, body: &Value) -> Option<Answer> {
        self.attempt(Method::POST, &format!("/api/v1{path}"), &[("idempotency-key", key)], Some(body)).await
    }

    /// The same POST again and again with the same key, until the marketplace decides. What it answers in between must be "not now".
    pub(crate) async fn insist(&self, path: &str, key: &str, body: &Value) -> Answer {
        self.insist_while(&[], path, key, body).await
    }

    /// The same, where the marketplace may also refuse for a while with one of these codes.
    pub(crate) async fn insist_while(&self, early: &[&str], path: &str, key: &str, body: &Value) -> Answer {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let answer = self.try_post(path, key, body).await;
            match &answer {
                Some(answer) if answer.status == 503 => assert_eq!(answer.code(), "unavailable"),
                Some(answer) if answer.status == 409 && early.contains(&answer.code()) => {}
                Some(answer) => return answer.clone(),
                None => {}
            }
            assert!(Instant::now() < deadline, "{path} with the key {key} was not decided within {PATIENCE:?}: {answer:?}");
            tokio::time::sleep(PAUSE).await;
        }
    }
}

/// What a buyer asked for and was told.
#[derive(Clone, Debug)]
pub(crate) struct Told {
    /// The idempotency key of the order; those of what came after it have `/pay` and the like behind.
    pub(crate) key: String,
    /// The index of the buyer.
    pub(crate) buyer: usize,
    pub(crate) quantity: i64,
    pub(crate) number: String,
    pub(crate) fate: Fate,
    /// The refund's own order, when it was returned.
    pub(crate) refund: Option<String>,
}

/// What the buyer did with an order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    Paid,
    /// Paid, used, and returned without a reason.
    Returned,
    Cancelled,
    /// Nothing, for now.
    Left,
}

/// A step after the order was placed: the last part of its path, and the status of success.
type Step = (&'static str, u16);

impl Fate {
    /// Most orders are paid.
    pub(crate) const fn of(n: usize) -> Self {
        match n % 8 {
            1 | 5 => Self::Returned,
            3 => Self::Cancelled,
            6 => Self::Left,
            _ => Self::Paid,
        }
    }

    /// What the buyer does after placing the order.
    pub(crate) const fn steps(self) -> &'static [Step] {
        match self {
            Self::Paid => &[("pay", 200)],
            Self::Returned => &[("pay", 200), ("refund", 201)],
            Self::Cancelled => &[("cancel", 200)],
            Self::Left => &[],
        }
    }
}

/// The refusals that one who wants to return something hears until it was delivered.
pub(crate) const NOT_DELIVERED: [&str; 2] = ["order-state", "subscription-state"];

/// Something that was acknowledged.
#[derive(Clone, Debug)]
pub(crate) struct Act {
    /// The index of the buyer.
    pub(crate) buyer: usize,
    /// The idempotency key of the order.
    pub(crate) key: String,
    pub(crate) quantity: i64,
    /// What was done with the order: `place`, or a step after it.
    pub(crate) step: &'static str,
    /// The order's number.
    pub(crate) order: String,
    /// The number in the answer: the order's, or that of the refund.
    pub(crate) answered: String,
}

/// Between a test and its clients: what they have done, and that they are to finish what they are at.
#[derive(Clone, Debug, Default)]
pub(crate) struct Enough(Arc<(AtomicBool, Mutex<Vec<Act>>)>);

impl Enough {
    pub(crate) fn say(&self) {
        self.0.0.store(true, Ordering::SeqCst);
    }

    pub(crate) fn is_said(&self) -> bool {
        self.0.0.load(Ordering::SeqCst)
    }

    /// Acts that were acknowledged so far.
    pub(crate) fn acts(&self) -> usize {
        self.0.1.lock().unwrap().len()
    }

    /// The same, one by one.
    pub(crate) fn acknowledged(&self) -> Vec<Act> {
        self.0.1.lock().unwrap().clone()
    }

    fn one_more(&self, act: Act) {
        self.0.1.lock().unwrap().push(act);
    }
}

/// A buyer who orders and pays, one after another, until it is enough.
pub(crate) async fn shop(client: Client, buyer: usize, name: String, sku: SkuId, enough: Enough) -> Vec<Told> {
    let mut told = Vec::new();
    for n in 0.. {
        if enough.is_said() {
            break;
        }
        let (key, quantity) = (format!("{name}-{n}"), i64::try_from(n % 3).unwrap() + 1);
        let placed = client.insist("/orders", &key, &order_of(sku, quantity)).await;
        assert_eq!(placed.status, 201, "{placed:?}");
        let number = placed.body["number"].as_str().unwrap().to_owned();
        let act =
            |step, answered: &str| Act { buyer, key: key.clone(), quantity, step, order: number.clone(), answered: answered.to_owned() };
        enough.one_more(act("place", &number));
        let (fate, mut refund) = (Fate::of(n), None);
        for (step, status) in fate.steps() {
            let (path, step_key) = (format!("/orders/{number}/{step}"), format!("{key}/{step}"));
            let done = client.insist_while(&NOT_DELIVERED, &path, &step_key, &json!({})).await;
            assert_eq!(done.status, *status, "{done:?}");
            enough.one_more(act(step, done.body["number"].as_str().unwrap()));
            refund = (*step == "refund").then(|| done.body["number"].as_str().unwrap().to_owned());
        }
        told.push(Told { key, buyer, quantity, number, fate, refund });
    }
    told
}
