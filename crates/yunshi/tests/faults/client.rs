//! Somebody who calls the API, and repeats what was not answered with the same idempotency key, as a good client does.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use futures_util::future::join_all;
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
    /// What came to be with the payment.
    pub(crate) subscription: Option<String>,
    /// The renewal's own order, when it was renewed.
    pub(crate) renewal: Option<String>,
    /// The refund's own order, when it, or the renewal, was returned.
    pub(crate) refund: Option<String>,
}

/// What the buyer did with an order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    Paid,
    /// Paid, used, and returned without a reason.
    Returned,
    /// Paid, used, and renewed.
    Renewed,
    /// The same, and the renewal was returned before it began.
    RenewalReturned,
    Cancelled,
    /// Nothing, for now.
    Left,
}

/// A step after the order was placed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    Pay,
    Cancel,
    Return,
    Renew,
    PayRenewal,
    ReturnRenewal,
}

impl Step {
    /// What its idempotency key ends with.
    pub(crate) const fn word(self) -> &'static str {
        match self {
            Self::Pay => "pay",
            Self::Cancel => "cancel",
            Self::Return => "refund",
            Self::Renew => "renew",
            Self::PayRenewal => "renew/pay",
            Self::ReturnRenewal => "renew/refund",
        }
    }

    /// The status of success.
    pub(crate) const fn status(self) -> u16 {
        match self {
            Self::Pay | Self::Cancel | Self::PayRenewal => 200,
            Self::Return | Self::Renew | Self::ReturnRenewal => 201,
        }
    }

    /// Where it is asked for, by one who was told so much.
    pub(crate) fn path(self, told: &Told) -> String {
        let number = match self {
            Self::PayRenewal | Self::ReturnRenewal => told.renewal.as_ref().expect("a renewal"),
            Self::Pay | Self::Cancel | Self::Return | Self::Renew => &told.number,
        };
        match self {
            Self::Pay | Self::PayRenewal => format!("/orders/{number}/pay"),
            Self::Cancel => format!("/orders/{number}/cancel"),
            Self::Return | Self::ReturnRenewal => format!("/orders/{number}/refund"),
            Self::Renew => format!("/subscriptions/{}/renew", told.subscription.as_ref().expect("a subscription")),
        }
    }

    /// What is sent with it.
    pub(crate) fn body(self) -> Value {
        match self {
            Self::Renew => json!({ "period": { "unit": "month", "count": 1 } }),
            _ => json!({}),
        }
    }

    /// The number of the order that the answer is about.
    pub(crate) fn number(self, told: &Told) -> &str {
        let other = match self {
            Self::Pay | Self::Cancel => None,
            Self::Renew | Self::PayRenewal => told.renewal.as_deref(),
            Self::Return | Self::ReturnRenewal => told.refund.as_deref(),
        };
        other.unwrap_or(&told.number)
    }

    /// Notes what the answer said.
    fn learn(self, told: &mut Told, answer: &Answer) {
        let number = answer.body["number"].as_str().unwrap().to_owned();
        match self {
            Self::Pay => told.subscription = answer.body["lines"][0]["subscription_id"].as_str().map(str::to_owned),
            Self::Renew => told.renewal = Some(number),
            Self::Return | Self::ReturnRenewal => told.refund = Some(number),
            Self::Cancel | Self::PayRenewal => {}
        }
    }
}

impl Fate {
    /// Most orders are paid.
    pub(crate) const fn of(n: usize) -> Self {
        match n % 8 {
            1 | 5 => Self::Returned,
            2 => Self::Renewed,
            3 => Self::Cancelled,
            4 => Self::RenewalReturned,
            6 => Self::Left,
            _ => Self::Paid,
        }
    }

    /// What the buyer does after placing the order.
    pub(crate) const fn steps(self) -> &'static [Step] {
        match self {
            Self::Paid => &[Step::Pay],
            Self::Returned => &[Step::Pay, Step::Return],
            Self::Renewed => &[Step::Pay, Step::Renew, Step::PayRenewal],
            Self::RenewalReturned => &[Step::Pay, Step::Renew, Step::PayRenewal, Step::ReturnRenewal],
            Self::Cancelled => &[Step::Cancel],
            Self::Left => &[],
        }
    }

    /// Whether it was paid for, whatever came after.
    pub(crate) const fn is_paid(self) -> bool {
        !matches!(self, Self::Cancelled | Self::Left)
    }

    /// Whether the instance is there in the end.
    pub(crate) const fn is_kept(self) -> bool {
        matches!(self, Self::Paid | Self::Renewed | Self::RenewalReturned)
    }

    /// How often the buyer has paid for it in the end, what came back left out.
    pub(crate) const fn times_paid(self) -> i64 {
        match self {
            Self::Paid | Self::RenewalReturned => 1,
            Self::Renewed => 2,
            Self::Returned | Self::Cancelled | Self::Left => 0,
        }
    }
}

/// The refusals that one who wants to renew or return something hears until it was delivered.
const NOT_DELIVERED: [&str; 4] = ["order-state", "subscription-state", "not-refundable", "order-open"];

/// Something that was acknowledged.
#[derive(Clone, Debug)]
pub(crate) struct Act {
    /// What was done with the order; nothing yet when it was placed.
    pub(crate) step: Option<Step>,
    /// What was told so far.
    pub(crate) told: Told,
}

impl Act {
    /// Makes sure that it is there, whatever came after it, where orders stand like this.
    pub(crate) fn stands(&self, states: &BTreeMap<String, String>) {
        let paid: &[&str] = &["processing", "completed", "refunding", "refunded"];
        let expected = match self.step {
            None => &[&["pending_payment", "cancelled"], paid].concat(),
            Some(Step::Renew) => &[&["pending_payment"], paid].concat(),
            Some(Step::Pay | Step::PayRenewal) => paid,
            Some(Step::Cancel) => &["cancelled"],
            Some(Step::Return | Step::ReturnRenewal) => &["refunding", "refunded"],
        };
        let number = self.step.map_or(self.told.number.as_str(), |step| step.number(&self.told));
        let state = states.get(number).unwrap_or_else(|| panic!("acknowledged, and lost: {self:?}"));
        assert!(expected.contains(&state.as_str()), "it was acknowledged, and {number} is {state}: {self:?}");
    }
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
    let (clients, mut all) = ([client], Vec::new());
    for n in 0.. {
        if enough.is_said() {
            break;
        }
        all.push(buy(&clients, buyer, &name, n, sku, &enough).await);
    }
    all
}

/// Asks through every client at the same moment, until it is decided; they must all hear the same.
async fn ask(clients: &[Client], path: &str, key: &str, body: &Value) -> Answer {
    let mut answers = join_all(clients.iter().map(|client| client.insist_while(&NOT_DELIVERED, path, key, body))).await;
    let one = answers.pop().unwrap();
    assert!(answers.iter().all(|it| (it.status, &it.body) == (one.status, &one.body)), "one key, one answer: {one:?} {answers:?}");
    one
}

/// The `n`th order of somebody, and what they do with it.
pub(crate) async fn buy(clients: &[Client], buyer: usize, name: &str, n: usize, sku: SkuId, enough: &Enough) -> Told {
    let (key, quantity, fate) = (format!("{name}-{n}"), i64::try_from(n % 3).unwrap() + 1, Fate::of(n));
    let placed = ask(clients, "/orders", &key, &order_of(sku, quantity)).await;
    assert_eq!(placed.status, 201, "{placed:?}");
    let number = placed.body["number"].as_str().unwrap().to_owned();
    let mut told = Told { key, buyer, quantity, number, fate, subscription: None, renewal: None, refund: None };
    enough.one_more(Act { step: None, told: told.clone() });
    for step in fate.steps() {
        let done = ask(clients, &step.path(&told), &format!("{}/{}", told.key, step.word()), &step.body()).await;
        assert_eq!(done.status, step.status(), "{step:?}: {done:?}");
        step.learn(&mut told, &done);
        enough.one_more(Act { step: Some(*step), told: told.clone() });
    }
    told
}
