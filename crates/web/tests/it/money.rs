//! Deposits and what comes of them.

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::people::{self, Person};
use crate::support::{Answer, TestApp};

struct Scene {
    app: TestApp,
    buyer: Person,
    finance: String,
}

impl Scene {
    async fn new() -> Self {
        let app = TestApp::new().await;
        let operator = people::operator(&app.market).await;
        let buyer = people::buyer(&app.market, "acme").await;
        let finance = people::session(&app.market, &operator).await;
        Self { app, buyer, finance }
    }

    async fn deposit(&self, key: &str, body: &Value) -> Answer {
        let request = self.app.request(Method::POST, "/api/v1/operator/deposits").bearer_auth(&self.finance);
        self.app.send(request.header("idempotency-key", key).json(body)).await
    }

    fn transfer(&self, minor: i64, bank_reference: &str) -> Value {
        json!({ "account_id": self.buyer.account.id, "amount": { "minor": minor, "currency": "CNY" }, "bank_reference": bank_reference })
    }

    async fn as_buyer(&self, path: &str) -> Answer {
        let token = people::session(&self.app.market, &self.buyer).await;
        self.app.send(self.app.request(Method::GET, path).bearer_auth(token)).await
    }

    async fn finish(self) {
        self.app.finish().await;
    }
}

#[tokio::test]
async fn a_deposit_sent_twice_is_recorded_once() {
    let scene = Scene::new().await;
    let first = scene.deposit("k1", &scene.transfer(10_000, "ICBC-1")).await;
    assert_eq!(first.status, StatusCode::CREATED, "{first:?}");
    let again = scene.deposit("k1", &scene.transfer(10_000, "ICBC-1")).await;
    assert_eq!((again.status, &again.body), (StatusCode::CREATED, &first.body));
    let other = scene.deposit("k1", &scene.transfer(20_000, "ICBC-2")).await;
    assert_eq!((other.status, other.code()), (StatusCode::CONFLICT, "idempotency-conflict"));
    let same_transfer = scene.deposit("k2", &scene.transfer(10_000, "ICBC-1")).await;
    assert_eq!((same_transfer.status, same_transfer.code()), (StatusCode::CONFLICT, "deposit-duplicate"));

    assert_eq!(scene.as_buyer("/api/v1/balance").await.body, json!({ "balance": { "minor": 10_000, "currency": "CNY" } }));
    assert_eq!(scene.as_buyer("/api/v1/notices").await.body["items"][0]["kind"], "deposit-recorded");
    scene.finish().await;
}

#[tokio::test]
async fn a_deposit_that_makes_no_sense_is_refused() {
    let scene = Scene::new().await;
    for (body, code) in [
        (scene.transfer(0, "A"), "amount-not-positive"),
        (scene.transfer(-5, "A"), "amount-not-positive"),
        (scene.transfer(i64::MAX, "A"), "amount-too-large"),
        (scene.transfer(5, ""), "field-invalid"),
        (
            json!({ "account_id": "acc_01jd8z3k5wf2q9v7n4x6m0t1ya", "amount": { "minor": 5, "currency": "CNY" }, "bank_reference": "A" }),
            "not-found",
        ),
        (
            json!({ "account_id": scene.buyer.account.id, "amount": { "minor": 5, "currency": "USD" }, "bank_reference": "A" }),
            "currency-mix",
        ),
        (
            json!({ "account_id": scene.buyer.account.id, "amount": { "minor": 5.5, "currency": "CNY" }, "bank_reference": "A" }),
            "body-invalid",
        ),
        (json!({ "account_id": "usr_1", "amount": { "minor": 5, "currency": "CNY" }, "bank_reference": "A" }), "body-invalid"),
    ] {
        assert_eq!(scene.deposit("k", &body).await.code(), code, "{body}");
    }
    for key in ["two words", "", &"x".repeat(129)] {
        assert_eq!(scene.deposit(key, &scene.transfer(5, "A")).await.code(), "idempotency-key-invalid", "{key}");
    }
    let request = scene.app.request(Method::POST, "/api/v1/operator/deposits").bearer_auth(&scene.finance);
    assert_eq!(scene.app.send(request.json(&scene.transfer(5, "A"))).await.code(), "idempotency-key-missing");
    scene.finish().await;
}

#[tokio::test]
async fn a_list_is_walked_page_by_page() {
    let scene = Scene::new().await;
    for n in 1..=5 {
        let made = scene.deposit(&format!("k{n}"), &scene.transfer(n, &format!("R{n}"))).await;
        assert_eq!(made.status, StatusCode::CREATED);
    }
    let (mut seen, mut path) = (Vec::new(), "/api/v1/balance/movements?limit=2".to_owned());
    loop {
        let page = scene.as_buyer(&path).await.body;
        seen.extend(page["items"].as_array().unwrap().iter().map(|m| m["amount_minor"].as_i64().unwrap()));
        let Some(next) = page["next"].as_str() else { break };
        path = format!("/api/v1/balance/movements?limit=2&cursor={next}");
    }
    seen.sort_unstable();
    assert_eq!(seen, [1, 2, 3, 4, 5]);
    for (query, code) in [
        ("limit=0", "parameter-invalid"),
        ("limit=201", "parameter-invalid"),
        ("limit=many", "parameter-invalid"),
        ("cursor=%21", "cursor-invalid"),
        ("cursor=bm9uc2Vuc2U", "cursor-invalid"),
    ] {
        assert_eq!(scene.as_buyer(&format!("/api/v1/balance/movements?{query}")).await.code(), code, "{query}");
    }
    scene.finish().await;
}

#[tokio::test]
async fn the_operator_reads_the_ledger_by_book_and_by_reference() {
    let scene = Scene::new().await;
    let deposit = scene.deposit("k", &scene.transfer(700, "R")).await.body;
    let get = async |path: &str| scene.app.send(scene.app.request(Method::GET, path).bearer_auth(&scene.finance)).await;
    let book = get(&format!("/api/v1/operator/ledger/books/buyer:{}/movements", scene.buyer.account.id)).await;
    assert_eq!(book.body["items"][0]["amount_minor"], 700, "{book:?}");
    assert_eq!(get("/api/v1/operator/ledger/books/nonsense/movements").await.code(), "not-found");
    let reference = deposit["id"].as_str().unwrap();
    let transactions = get(&format!("/api/v1/operator/ledger/transactions?reference={reference}")).await;
    assert_eq!(transactions.body["items"][0]["postings"][0]["source"], "bank", "{transactions:?}");
    assert_eq!(get("/api/v1/operator/ledger/transactions").await.code(), "parameter-invalid");
    let report = get(&format!("/api/v1/operator/accounts/{}", scene.buyer.account.id)).await;
    assert_eq!(report.body["balance"], json!({ "minor": 700, "currency": "CNY" }));
    assert_eq!(get("/api/v1/operator/audit?account_id=nonsense").await.code(), "parameter-invalid");
    scene.finish().await;
}

#[tokio::test]
async fn the_same_deposit_sent_many_times_at_once_is_recorded_once() {
    let scene = Scene::new().await;
    let body = scene.transfer(10_000, "ICBC-1");
    let (a, b, c, d, e, f) = tokio::join!(
        scene.deposit("k", &body),
        scene.deposit("k", &body),
        scene.deposit("k", &body),
        scene.deposit("k", &body),
        scene.deposit("k", &body),
        scene.deposit("k", &body),
    );
    for answer in [&b, &c, &d, &e, &f] {
        assert_eq!((answer.status, &answer.body), (StatusCode::CREATED, &a.body));
    }
    assert_eq!(scene.as_buyer("/api/v1/balance").await.body["balance"]["minor"], 10_000);
    scene.finish().await;
}
