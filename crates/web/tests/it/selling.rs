//! From an application to sell to a product that everybody sees.

use std::time::Duration;

use market::accounts::Permission as P;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use web::Settings;

use crate::people::{self, Person};
use crate::support::{Answer, TestApp};

pub(crate) struct Fair {
    pub(crate) app: TestApp,
    pub(crate) operator: String,
    pub(crate) seller: String,
    pub(crate) seller_person: Person,
}

impl Fair {
    /// A market with its operator and somebody who wants to sell.
    pub(crate) async fn new() -> Self {
        Self::at(TestApp::new().await).await
    }

    /// The same, where sellers may have their servers on this machine.
    pub(crate) async fn near() -> Self {
        let production_addresses = testkit::sellers::client_settings(Duration::from_secs(2)).policy;
        Self::at(TestApp::with(Settings { production_addresses, ..TestApp::patient() }).await).await
    }

    async fn at(app: TestApp) -> Self {
        let operator = people::operator(&app.market).await;
        let seller_person = people::buyer(&app.market, "nebula").await;
        let (operator, seller) = (people::session(&app.market, &operator).await, people::session(&app.market, &seller_person).await);
        Self { app, operator, seller, seller_person }
    }

    pub(crate) async fn call(&self, method: Method, path: &str, token: &str, body: &Value) -> Answer {
        self.app.send(self.app.request(method, &format!("/api/v1{path}")).bearer_auth(token).json(body)).await
    }

    pub(crate) async fn post(&self, path: &str, token: &str, body: Value) -> Answer {
        self.call(Method::POST, path, token, &body).await
    }

    pub(crate) async fn get(&self, path: &str, token: &str) -> Answer {
        self.app.send(self.app.request(Method::GET, &format!("/api/v1{path}")).bearer_auth(token)).await
    }

    pub(crate) fn application() -> Value {
        let bank = json!({ "name": "ICBC", "number": "6222 0000 1234 5678" });
        json!({
            "company": "星云科技有限公司", "website": "https://nebula.example.com", "contact_name": "李伟",
            "contact_email": "li.wei@example.com", "contact_phone": "+8613800000000", "bank": bank,
        })
    }

    /// Applies and is approved.
    pub(crate) async fn admit(&self) {
        let applied = self.post("/seller/application", &self.seller, Self::application()).await;
        assert_eq!(applied.status, StatusCode::CREATED, "{applied:?}");
        let path = format!("/operator/sellers/{}/approve", self.seller_person.account.id);
        let approved = self.post(&path, &self.operator, json!({})).await;
        assert_eq!((approved.status, &approved.body["state"]), (StatusCode::OK, &json!("approved")), "{approved:?}");
    }

    /// A production address with its key.
    pub(crate) async fn address(&self, url: &str) -> Answer {
        self.address_with(url, json!({ "name": "main" })).await
    }

    pub(crate) async fn address_with(&self, url: &str, key: Value) -> Answer {
        let key = self.post("/seller/signing-keys", &self.seller, key).await;
        assert_eq!(key.status, StatusCode::CREATED, "{key:?}");
        let address = json!({ "name": "main", "url": url, "dialect": "koogallery-v2", "key_id": key.body["key"]["id"] });
        self.post("/seller/addresses", &self.seller, address).await
    }

    pub(crate) fn content(address: &Value) -> Value {
        let sku = json!({
            "names": { "zh": "标准", "en": "Standard" },
            "quantity": { "min": 1, "max": 500, "step": 1, "unit": { "zh": "用户", "en": "user" } },
            "prices": [{ "unit": "month", "amount_minor": 1_000 }, { "unit": "year", "amount_minor": 10_000 }],
        });
        let edition = json!({
            "names": { "zh": "专业版", "en": "Professional" }, "charging_mode": "PERIOD", "tax_kind": "software",
            "refund_rule": "no_reason", "address_id": address, "skus": [sku],
        });
        json!({
            "names": { "zh": "星云笔记", "en": "Nebula Notes" }, "overview": { "zh": "记笔记", "en": "Takes notes" },
            "description": { "zh": "**记**", "en": "**Notes**" }, "support_email": "help@nebula.example.com", "editions": [edition],
        })
    }

    /// A product on sale.
    pub(crate) async fn publish(&self, address: &Value) -> Value {
        let product = self.post("/seller/products", &self.seller, Self::content(address)).await;
        assert_eq!(product.status, StatusCode::CREATED, "{product:?}");
        let id = product.body["id"].as_str().unwrap();
        let submit = self.app.request(Method::POST, &format!("/api/v1/seller/products/{id}/submit")).bearer_auth(&self.seller);
        let submitted = self.app.send(submit.header("if-match", product.header("etag"))).await;
        assert_eq!(submitted.status, StatusCode::OK, "{submitted:?}");
        let queue = self.get("/operator/listings", &self.operator).await;
        let listing = queue.body["items"][0]["id"].as_str().unwrap().to_owned();
        let approved = self.post(&format!("/operator/listings/{listing}/approve"), &self.operator, json!({})).await;
        assert_eq!((approved.status, &approved.body["state"]), (StatusCode::OK, &json!("approved")), "{approved:?}");
        self.get(&format!("/products/{id}"), "").await.body
    }

    pub(crate) async fn finish(self) {
        self.app.finish().await;
    }
}

#[tokio::test]
async fn an_account_applies_and_is_admitted_once() {
    let fair = Fair::new().await;
    assert_eq!(fair.get("/seller/application", &fair.seller).await.code(), "not-found");
    let early = fair.get("/seller/products", &fair.seller).await;
    assert_eq!((early.status, early.code()), (StatusCode::FORBIDDEN, "not-seller"));
    assert_eq!(fair.get("/operator/sellers", &fair.seller).await.code(), "role-missing");
    fair.admit().await;
    assert_eq!(fair.get("/seller/products", &fair.seller).await.status, StatusCode::OK, "the owner's session has the seller's side now");
    let again = fair.post("/seller/application", &fair.seller, Fair::application()).await;
    assert_eq!((again.status, again.code()), (StatusCode::CONFLICT, "already-seller"));
    let path = format!("/operator/sellers/{}", fair.seller_person.account.id);
    let decided = fair.post(&format!("{path}/reject"), &fair.operator, json!({ "reason": "too late" })).await;
    assert_eq!(decided.code(), "review-decided");

    let seller = fair.get(&path, &fair.operator).await;
    assert_eq!(seller.body["bank_account_hint"], "5678");
    assert!(!seller.body.to_string().contains("62220000"), "the number is shown to finance alone");
    let bank = fair.post(&format!("{path}/bank-account"), &fair.operator, json!({})).await;
    assert_eq!(bank.body["number"], "6222000012345678");
    let audit = fair.get(&format!("/operator/audit?account_id={}", fair.seller_person.account.id), &fair.operator).await;
    assert!(!audit.body.to_string().contains("6222000012345678"));
    fair.finish().await;
}

#[tokio::test]
async fn a_production_address_is_a_public_one() {
    let fair = Fair::new().await;
    fair.admit().await;
    for (url, code) in [
        ("https://127.0.0.1/produce", "address-refused"),
        ("http://nebula.example.com/produce", "address-refused"),
        ("https://[::1]/", "address-refused"),
        ("nonsense", "field-invalid"),
        ("https://user:pw@nebula.example.com/", "field-invalid"),
    ] {
        let refused = fair.address(url).await;
        assert_eq!((refused.status, refused.code()), (StatusCode::UNPROCESSABLE_ENTITY, code), "{url}");
    }
    let address = fair.address("https://saas.nebula.example.com/produce").await;
    assert_eq!(address.status, StatusCode::CREATED, "{address:?}");
    let path = address.header("location").trim_start_matches("/api/v1").to_owned();
    let retired = fair.post(&format!("{path}/retire"), &fair.seller, json!({})).await;
    assert!(retired.body["retired_at"].is_i64(), "{retired:?}");
    fair.finish().await;
}

#[tokio::test]
async fn a_product_goes_from_draft_over_review_to_everybody() {
    let fair = Fair::new().await;
    fair.admit().await;
    let address = fair.address("https://saas.nebula.example.com/produce").await.body;
    let product = fair.publish(&address["id"]).await;
    let id = product["id"].as_str().unwrap();
    assert_eq!(product["price_from"], json!({ "unit": "month", "price": { "minor": 1_000, "currency": "CNY" } }));
    assert!(product["editions"][0].get("address_id").is_none(), "buyers do not see the production address");

    let found = fair.get("/products?query=nebula", "").await;
    assert_eq!(found.body["items"][0]["id"], product["id"]);
    assert_eq!(fair.post(&format!("/seller/products/{id}/hide"), &fair.seller, json!({})).await.body["state"], "hidden");
    assert_eq!(fair.get("/products?query=nebula", "").await.body["items"], json!([]));
    assert_eq!(fair.get(&format!("/products/{id}"), "").await.status, StatusCode::OK);

    let in_use = fair.post(&format!("/seller/addresses/{}/retire", address["id"].as_str().unwrap()), &fair.seller, json!({})).await;
    assert_eq!((in_use.status, in_use.code()), (StatusCode::CONFLICT, "address-in-use"));

    let unsure = fair.post(&format!("/seller/products/{id}/retire"), &fair.seller, json!({ "confirm": "yes" })).await;
    assert_eq!((unsure.code(), &unsure.body["errors"][0]["field"]), ("field-invalid", &json!("confirm")));
    let retired = fair.post(&format!("/seller/products/{id}/retire"), &fair.seller, json!({ "confirm": id })).await;
    assert_eq!(retired.body["state"], "retired");
    assert_eq!(fair.get(&format!("/products/{id}"), "").await.code(), "not-found");
    let seller = people::token(&fair.app.market, &fair.seller_person, [P::SellerView]).await;
    assert_eq!(fair.get(&format!("/seller/products/{id}"), &seller).await.status, StatusCode::OK);
    fair.finish().await;
}

#[tokio::test]
async fn two_editors_of_a_draft_do_not_overwrite_each_other() {
    let fair = Fair::new().await;
    fair.admit().await;
    let address = fair.address("https://saas.nebula.example.com/produce").await.body;
    let product = fair.post("/seller/products", &fair.seller, Fair::content(&address["id"])).await;
    let path = format!("/api/v1/seller/products/{}/draft", product.body["id"].as_str().unwrap());
    let mut draft = product.body["draft"].clone();
    let put = |draft: &Value| {
        let request = fair.app.request(Method::PUT, &path).bearer_auth(&fair.seller).header("if-match", product.header("etag"));
        fair.app.send(request.json(draft))
    };
    draft["names"]["en"] = json!("Nebula Notes 2");
    assert_eq!(put(&draft).await.body["draft"]["names"]["en"], "Nebula Notes 2");
    let stale = put(&draft).await;
    assert_eq!((stale.status, stale.code()), (StatusCode::PRECONDITION_FAILED, "version-stale"));

    draft["editions"][0]["skus"][0]["quantity"]["min"] = json!(-1);
    let request = fair.app.request(Method::PUT, &path).bearer_auth(&fair.seller).header("if-match", "*").json(&draft);
    let refused = fair.app.send(request).await;
    assert_eq!(refused.body["errors"][0]["field"], "editions.0.skus.0.quantity.min", "{refused:?}");
    fair.finish().await;
}

#[tokio::test]
async fn what_is_settled_too_early_or_paid_without_a_statement_is_refused() {
    let fair = Fair::new().await;
    let early = fair.post("/operator/settlements", &fair.operator, json!({ "month": "209912" })).await;
    assert_eq!((early.status, early.code()), (StatusCode::CONFLICT, "settlement-too-early"));
    let wrong = fair.post("/operator/settlements", &fair.operator, json!({ "month": "2026-01" })).await;
    assert_eq!(wrong.code(), "body-invalid");
    let past = fair.post("/operator/settlements", &fair.operator, json!({ "month": "202001" })).await;
    assert_eq!((past.status, &past.body["items"]), (StatusCode::OK, &json!([])));
    let path = "/api/v1/operator/statements/stm_01jd8z3k5wf2q9v7n4x6m0t1ya/payout";
    let request = fair.app.request(Method::POST, path).bearer_auth(&fair.operator).header("idempotency-key", "p1");
    let unknown = fair.app.send(request.json(&json!({ "bank_reference": "ICBC-9" }))).await;
    assert_eq!((unknown.status, unknown.code()), (StatusCode::NOT_FOUND, "not-found"));
    fair.finish().await;
}

#[tokio::test]
async fn what_is_submitted_is_what_the_seller_has_read() {
    let fair = Fair::near().await;
    fair.admit().await;
    let address = fair.address("http://127.0.0.1:9/saas").await.body["id"].clone();
    let product = fair.post("/seller/products", &fair.seller, Fair::content(&address)).await;
    let path = format!("/api/v1{}", product.header("location").trim_start_matches("/api/v1"));
    let send = |method: Method, path: String, tag: &str, body: Value| {
        fair.app.send(fair.app.request(method, &path).bearer_auth(&fair.seller).header("if-match", tag).json(&body))
    };
    let mut changed = Fair::content(&address);
    changed["support_email"] = json!("elsewhere@example.com");
    let edited = send(Method::PUT, format!("{path}/draft"), product.header("etag"), changed).await;
    assert_eq!(edited.status, StatusCode::OK, "a colleague changes the draft meanwhile: {edited:?}");

    let submit = format!("{path}/submit");
    let unseen = send(Method::POST, submit.clone(), product.header("etag"), json!({})).await;
    assert_eq!((unseen.status, unseen.code()), (StatusCode::PRECONDITION_FAILED, "version-stale"));
    let blind = fair.post(&submit.replace("/api/v1", ""), &fair.seller, json!({})).await;
    assert_eq!((blind.status, blind.code()), (StatusCode::PRECONDITION_REQUIRED, "version-missing"));
    let seen = send(Method::POST, submit, edited.header("etag"), json!({})).await;
    assert_eq!(seen.status, StatusCode::OK, "{seen:?}");
    fair.finish().await;
}

#[tokio::test]
async fn what_is_made_twice_under_one_key_is_made_once() {
    let fair = Fair::near().await;
    fair.admit().await;
    let key = fair.post("/seller/signing-keys", &fair.seller, json!({ "name": "main" })).await.body["key"]["id"].clone();
    let address = json!({ "name": "main", "url": "http://127.0.0.1:9/saas", "dialect": "koogallery-v2", "key_id": key });
    let send = |path: &str, key: &str, body: &Value| {
        let request = fair.app.request(Method::POST, &format!("/api/v1{path}")).bearer_auth(&fair.seller);
        fair.app.send(request.header("idempotency-key", key).json(body))
    };
    let content = Fair::content(&json!(null));
    for (path, body) in [("/seller/addresses", &address), ("/seller/products", &content)] {
        let (first, again) = (send(path, path, body).await, send(path, path, body).await);
        assert_eq!(first.status, StatusCode::CREATED, "{first:?}");
        assert_eq!((again.status, &again.body), (StatusCode::CREATED, &first.body));
        assert_eq!((again.header("location"), again.header("etag")), (first.header("location"), first.header("etag")));
        assert_eq!(fair.get(path, &fair.seller).await.body["items"].as_array().unwrap().len(), 1);
        let mut other = body.clone();
        other["name"] = json!("other");
        other["support_email"] = json!("other@example.com");
        let conflict = send(
            path,
            path,
            if path.ends_with("products") {
                other.as_object_mut().unwrap().remove("name");
                &other
            } else {
                other.as_object_mut().unwrap().remove("support_email");
                &other
            },
        )
        .await;
        assert_eq!(conflict.code(), "idempotency-conflict");
        assert_eq!(fair.post(path, &fair.seller, body.clone()).await.status, StatusCode::CREATED, "without a key it is another one");
    }
    fair.finish().await;
}
