//! From a deposit to a subscription that lives, at a seller's real server.

use market::accounts::{self, Role};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use testkit::sellers::{Behaviour, ScriptedSeller};
use wire::openapi::aksk::{self, KeyPair, Parts};
use wire::proof::{PublicKey, Sound};

use crate::people::{self, Person};
use crate::selling::Fair;
use crate::support::Answer;

/// A market where a product is on sale, and a buyer with money.
pub(crate) struct Shop {
    pub(crate) fair: Fair,
    pub(crate) server: ScriptedSeller,
    pub(crate) product: Value,
    pub(crate) buyer: String,
    pub(crate) buyer_person: Person,
}

impl Shop {
    pub(crate) async fn open() -> Self {
        let (fair, server) = (Fair::near().await, ScriptedSeller::start().await);
        fair.admit().await;
        let address = fair.address_with(&server.url(), json!({ "name": "main", "key": server.access_key() })).await;
        assert_eq!(address.status, StatusCode::CREATED, "{address:?}");
        let product = fair.publish(&address.body["id"]).await;
        let buyer_person = people::buyer(&fair.app.market, "acme").await;
        let buyer = people::session(&fair.app.market, &buyer_person).await;
        let shop = Self { fair, server, product, buyer, buyer_person };
        shop.deposit(1_000_000).await;
        shop
    }

    async fn deposit(&self, minor: i64) {
        let body =
            json!({ "account_id": self.buyer_person.account.id, "amount": { "minor": minor, "currency": "CNY" }, "bank_reference": "R1" });
        let deposit = self.once("/operator/deposits", &self.fair.operator, "deposit", &body).await;
        assert_eq!(deposit.status, StatusCode::CREATED, "{deposit:?}");
    }

    pub(crate) async fn once(&self, path: &str, token: &str, key: &str, body: &Value) -> Answer {
        let request = self.fair.app.request(Method::POST, &format!("/api/v1{path}")).bearer_auth(token);
        self.fair.app.send(request.header("idempotency-key", key).json(body)).await
    }

    async fn act(&self, path: &str, key: &str, body: &Value) -> Answer {
        self.once(path, &self.buyer, key, body).await
    }

    fn items(&self, quantity: i64) -> Value {
        let sku = &self.product["editions"][0]["skus"][0]["id"];
        json!([{ "sku_id": sku, "period": { "unit": "month", "count": 2 }, "quantity": quantity }])
    }

    /// Lets everything that is due happen, and `days` of market time pass.
    pub(crate) async fn days(&self, days: i64) {
        let moved = self.fair.post("/sandbox/clock/advance", &self.fair.operator, json!({ "by_ms": days * kernel::DAY_MS + 1 })).await;
        assert_eq!(moved.status, StatusCode::OK, "{moved:?}");
    }

    /// Orders three for two months and pays; the number of the order.
    pub(crate) async fn pay(&self) -> String {
        let placed = self.act("/orders", "buy", &json!({ "items": self.items(3), "expected_total_minor": 6_000 })).await;
        assert_eq!(placed.status, StatusCode::CREATED, "{placed:?}");
        let number = placed.body["number"].as_str().unwrap().to_owned();
        let paid = self.act(&format!("/orders/{number}/pay"), "pay", &json!({})).await;
        assert_eq!(paid.status, StatusCode::OK, "{paid:?}");
        number
    }

    /// Buys three for two months, and waits for the seller.
    pub(crate) async fn buy(&self) -> (Value, Value) {
        let number = self.pay().await;
        self.days(0).await;
        let order = self.fair.get(&format!("/orders/{number}"), &self.buyer).await.body;
        let id = order["lines"][0]["subscription_id"].as_str().unwrap().to_owned();
        (order, self.fair.get(&format!("/subscriptions/{id}"), &self.buyer).await.body)
    }

    pub(crate) async fn finish(self) {
        self.fair.finish().await;
    }
}

#[tokio::test]
async fn what_was_paid_for_is_opened_by_the_seller_and_has_a_timeline() {
    let shop = Shop::open().await;
    let quote = shop.fair.post("/quotes", &shop.buyer, json!({ "items": shop.items(3) })).await;
    assert_eq!(quote.body["total_minor"], 6_000, "{quote:?}");
    let (order, subscription) = shop.buy().await;
    assert_eq!((&order["state"], &subscription["state"]), (&json!("completed"), &json!("in_use")));
    assert_eq!(shop.fair.get("/balance", &shop.buyer).await.body["balance"]["minor"], 1_000_000 - 6_000);

    let id = subscription["id"].as_str().unwrap();
    let timeline = shop.fair.get(&format!("/subscriptions/{id}/timeline"), &shop.buyer).await;
    let actions: Vec<_> = timeline.body["items"].as_array().unwrap().iter().map(|entry| entry["action"].as_str().unwrap()).collect();
    for action in ["orders.placed", "orders.paid", "subscriptions.opening", "subscriptions.opened", "orders.completed"] {
        assert!(actions.contains(&action), "{action} is not in {actions:?}");
    }
    let number = order["number"].as_str().unwrap();
    let of_order = shop.fair.get(&format!("/orders/{number}/timeline"), &shop.buyer).await.body["items"].clone();
    assert!(of_order.as_array().unwrap().iter().any(|entry| entry["action"] == "orders.paid"), "{of_order}");
    for (path, token) in [("seller", &shop.fair.seller), ("operator", &shop.fair.operator)] {
        let timeline = shop.fair.get(&format!("/{path}/orders/{number}/timeline"), token).await;
        assert_eq!(timeline.body["items"], of_order, "{path}: {timeline:?}");
    }
    let unknown = shop.fair.get("/operator/orders/CS0/timeline", &shop.fair.operator).await;
    assert_eq!(unknown.code(), "not-found");
    let instance = shop.fair.get(&format!("/subscriptions/{id}/instance"), &shop.buyer).await;
    assert_eq!(instance.body["instance_id"], subscription["instance_id"], "{instance:?}");

    let calls = shop.fair.get("/seller/calls", &shop.fair.seller).await;
    let call = calls.body["items"][0]["id"].as_str().unwrap();
    let report = shop.fair.get(&format!("/seller/calls/{call}"), &shop.fair.seller).await;
    assert_eq!(report.body["attempts"][0]["verdict"], "done", "{report:?}");
    let replay = shop.fair.post(&format!("/seller/calls/{call}/replay"), &shop.fair.seller, json!({})).await;
    assert_eq!((replay.status, &replay.body["kind"]), (StatusCode::OK, &json!("replay")), "{replay:?}");
    for (path, token) in [("seller", &shop.fair.seller), ("operator", &shop.fair.operator)] {
        let newest = shop.fair.get(&format!("/{path}/calls/{call}?limit=1"), token).await.body;
        assert_eq!((&newest["attempts"][0]["kind"], newest["attempts"].as_array().unwrap().len()), (&json!("replay"), 1), "{newest}");
        let next = newest["next"].as_str().unwrap();
        let before = shop.fair.get(&format!("/{path}/calls/{call}?limit=1&cursor={next}"), token).await.body;
        assert_eq!(before["attempts"][0]["n"], json!(newest["attempts"][0]["n"].as_i64().unwrap() - 1), "{before}");
        let wrong = shop.fair.get(&format!("/{path}/calls/{call}?cursor=eA"), token).await;
        assert_eq!(wrong.code(), "cursor-invalid");
    }
    assert!(shop.server.calls().iter().all(|call| call.verified.is_ok()));
    shop.finish().await;
}

#[tokio::test]
async fn paying_twice_with_one_key_pays_once_and_with_two_keys_is_refused() {
    let shop = Shop::open().await;
    let placed = shop.act("/orders", "k", &json!({ "items": shop.items(1) })).await.body;
    let path = format!("/orders/{}/pay", placed["number"].as_str().unwrap());
    let (first, again) = (shop.act(&path, "p", &json!({})).await, shop.act(&path, "p", &json!({})).await);
    assert_eq!((first.status, &first.body), (StatusCode::OK, &again.body));
    let other = shop.act(&path, "p2", &json!({})).await;
    assert_eq!((other.status, other.code()), (StatusCode::CONFLICT, "order-state"));
    assert_eq!(shop.fair.get("/balance", &shop.buyer).await.body["balance"]["minor"], 1_000_000 - 2_000);
    shop.finish().await;
}

#[tokio::test]
async fn an_order_that_makes_no_sense_is_refused() {
    let shop = Shop::open().await;
    let sku = &shop.product["editions"][0]["skus"][0]["id"];
    let month = json!({ "unit": "month", "count": 1 });
    for (items, code) in [
        (json!([]), "field-invalid"),
        (shop.items(0), "quantity-invalid"),
        (shop.items(-1), "quantity-invalid"),
        (shop.items(i64::MAX), "quantity-invalid"),
        (json!([{ "sku_id": sku, "quantity": 1 }]), "price-missing"),
        (json!([{ "sku_id": sku, "period": { "unit": "month", "count": 0 }, "quantity": 1 }]), "period-invalid"),
        (json!([{ "sku_id": sku, "period": { "unit": "century", "count": 1 }, "quantity": 1 }]), "body-invalid"),
        (json!([{ "sku_id": "sku_01jd8z3k5wf2q9v7n4x6m0t1ya", "period": month, "quantity": 1 }]), "not-found"),
        (json!([{ "sku_id": sku, "period": month, "quantity": 1, "price": 0 }]), "body-invalid"),
    ] {
        let refused = shop.act("/orders", "k", &json!({ "items": items })).await;
        assert!(refused.status.is_client_error(), "{refused:?}");
        assert_eq!(refused.code(), code, "{items}");
    }
    let dearer = shop.act("/orders", "k", &json!({ "items": shop.items(1), "expected_total_minor": 1 })).await;
    assert_eq!((dearer.code(), &dearer.body["current"]), ("price-changed", &json!("20.00 CNY")));
    let own = shop.once("/orders", &shop.fair.seller, "k", &json!({ "items": shop.items(1) })).await;
    assert_eq!(own.code(), "own-product");
    let rich = shop.act("/orders", "rich", &json!({ "items": shop.items(100) })).await.body;
    let path = format!("/orders/{}/pay", rich["number"].as_str().unwrap());
    assert_eq!(shop.act(&path, "p", &json!({})).await.status, StatusCode::OK);
    shop.finish().await;
}

#[tokio::test]
async fn ordering_and_paying_may_be_two_people() {
    let shop = Shop::open().await;
    let purchaser = people::colleague(&shop.fair.app.market, &shop.buyer_person, "purchaser", &[Role::BuyerPurchaser]).await;
    let finance = people::colleague(&shop.fair.app.market, &shop.buyer_person, "finance", &[Role::BuyerFinance]).await;
    let market = &shop.fair.app.market;
    let (purchaser, finance) = (people::session(market, &purchaser).await, people::session(market, &finance).await);
    let order = json!({ "items": shop.items(1) });
    assert_eq!(shop.once("/orders", &finance, "k", &order).await.code(), "role-missing");
    let placed = shop.once("/orders", &purchaser, "k", &order).await.body;
    let path = format!("/orders/{}/pay", placed["number"].as_str().unwrap());
    assert_eq!(shop.once(&path, &purchaser, "p", &json!({})).await.code(), "role-missing");
    assert_eq!(shop.once(&path, &finance, "p", &json!({})).await.status, StatusCode::OK);
    shop.finish().await;
}

#[tokio::test]
async fn a_subscription_is_renewed_changed_frozen_and_returned() {
    let shop = Shop::open().await;
    let (_, subscription) = shop.buy().await;
    let path = format!("/subscriptions/{}", subscription["id"].as_str().unwrap());

    let change = json!({ "sku_id": subscription["sku_id"], "quantity": 5 });
    let quote = shop.fair.post(&format!("{path}/change-quote"), &shop.buyer, change.clone()).await;
    assert!(quote.body["total_minor"].as_i64().unwrap() > 0, "{quote:?}");
    let changed = shop.act(&format!("{path}/change"), "c", &change).await;
    assert_eq!(changed.status, StatusCode::CREATED, "{changed:?}");
    let open = shop.act(&format!("{path}/renew"), "r0", &json!({ "period": { "unit": "month", "count": 1 } })).await;
    assert_eq!((open.code(), &open.body["order"]), ("order-open", &changed.body["number"]));
    let pay = format!("/orders/{}/pay", changed.body["number"].as_str().unwrap());
    assert_eq!(shop.act(&pay, "cp", &json!({})).await.status, StatusCode::OK);
    shop.days(0).await;
    assert_eq!(shop.fair.get(&path, &shop.buyer).await.body["quantity"], 5);

    let renewal = shop.act(&format!("{path}/renew"), "r", &json!({ "period": { "unit": "month", "count": 1 } })).await;
    let pay = format!("/orders/{}/pay", renewal.body["number"].as_str().unwrap());
    assert_eq!(shop.act(&pay, "rp", &json!({})).await.status, StatusCode::OK);
    shop.days(0).await;
    let renewed = shop.fair.get(&path, &shop.buyer).await;
    assert!(renewed.body["ends_at"].as_i64() > subscription["ends_at"].as_i64());
    let back = shop.act(&format!("/orders/{}/refund", renewal.body["number"].as_str().unwrap()), "rr", &json!({})).await;
    assert_eq!((back.status, &back.body["kind"]), (StatusCode::CREATED, &json!("UNSUBSCRIBE")), "{back:?}");
    shop.days(0).await;

    let set = |tag: String| {
        let request = shop.fair.app.request(Method::PUT, &format!("/api/v1{path}/renewal")).bearer_auth(&shop.buyer);
        let body = json!({ "mode": "auto", "period": { "unit": "month", "count": 1 } });
        shop.fair.app.send(request.header("if-match", tag).json(&body))
    };
    let tag = shop.fair.get(&path, &shop.buyer).await.header("etag").to_owned();
    assert_eq!(set(tag.clone()).await.body["renewal"]["mode"], "auto");
    assert_eq!(set(tag).await.code(), "version-stale");

    let frozen = shop.fair.post(&format!("/operator{path}/freeze"), &shop.fair.operator, json!({ "reason": "abuse" })).await;
    assert_eq!(frozen.body["state"], "frozen", "{frozen:?}");
    let refused = shop.act(&format!("{path}/refund"), "f", &json!({})).await;
    assert_eq!(refused.code(), "frozen-by-operator");
    assert_eq!(shop.fair.post(&format!("/operator{path}/unfreeze"), &shop.fair.operator, json!({})).await.body["state"], "in_use");
    shop.days(0).await;

    let offer = shop.fair.get(&format!("{path}/refund"), &shop.buyer).await;
    assert!(offer.body["quota_left"].is_i64(), "{offer:?}");
    let returned = shop.act(&format!("{path}/refund"), "f2", &json!({})).await;
    assert_eq!((returned.status, &returned.body["total_minor"]), (StatusCode::CREATED, &offer.body["amount_minor"]), "{returned:?}");
    shop.days(1).await;
    assert_eq!(shop.fair.get(&path, &shop.buyer).await.body["state"], "released");
    assert_eq!(shop.fair.get("/balance", &shop.buyer).await.body["balance"]["minor"], 1_000_000, "everything came back");
    shop.finish().await;
}

#[tokio::test]
async fn what_belongs_to_others_is_not_found() {
    let shop = Shop::open().await;
    let (order, subscription) = shop.buy().await;
    let (number, id) = (order["number"].as_str().unwrap(), subscription["id"].as_str().unwrap());
    let stranger = people::buyer(&shop.fair.app.market, "stranger").await;
    people::admit(&shop.fair.app.market, &stranger).await;
    let stranger = people::session(&shop.fair.app.market, &stranger).await;
    let calls = shop.fair.get("/seller/calls", &shop.fair.seller).await;
    let call = calls.body["items"][0]["id"].as_str().unwrap();
    for path in [
        format!("/orders/{number}"),
        format!("/orders/{number}/timeline"),
        format!("/subscriptions/{id}"),
        format!("/subscriptions/{id}/timeline"),
        format!("/subscriptions/{id}/lines"),
        format!("/subscriptions/{id}/instance"),
        format!("/seller/orders/{number}"),
        format!("/seller/orders/{number}/timeline"),
        format!("/seller/subscriptions/{id}"),
        format!("/seller/subscriptions/{id}/timeline"),
        format!("/seller/calls/{call}"),
    ] {
        let answer = shop.fair.get(&path, &stranger).await;
        assert_eq!((answer.status, answer.code()), (StatusCode::NOT_FOUND, "not-found"), "{path}");
    }
    for path in [format!("/orders/{number}/pay"), format!("/orders/{number}/cancel"), format!("/subscriptions/{id}/refund")] {
        assert_eq!(shop.once(&path, &stranger, "k", &json!({})).await.code(), "not-found", "{path}");
    }
    let restart = shop.fair.post(&format!("/seller/calls/{call}/restart"), &stranger, json!({})).await;
    assert_eq!(restart.code(), "not-found");
    shop.finish().await;
}

#[tokio::test]
async fn a_dead_seller_costs_the_buyer_nothing() {
    let shop = Shop::open().await;
    shop.server.behave(Behaviour::Dead).await;
    let placed = shop.act("/orders", "k", &json!({ "items": shop.items(1) })).await.body;
    let number = placed["number"].as_str().unwrap();
    assert_eq!(shop.act(&format!("/orders/{number}/pay"), "p", &json!({})).await.status, StatusCode::OK);
    shop.days(3).await;
    assert_eq!(shop.fair.get(&format!("/orders/{number}"), &shop.buyer).await.body["state"], "failed");
    assert_eq!(shop.fair.get("/balance", &shop.buyer).await.body["balance"]["minor"], 1_000_000);
    shop.finish().await;
}

#[tokio::test]
async fn the_operator_restarts_a_call_that_the_seller_does_not_look_after() {
    let shop = Shop::open().await;
    let (_, subscription) = shop.buy().await;
    shop.server.behave(Behaviour::Dead).await;
    let id = subscription["id"].as_str().unwrap();
    let frozen = shop.fair.post(&format!("/operator/subscriptions/{id}/freeze"), &shop.fair.operator, json!({ "reason": "abuse" })).await;
    assert_eq!(frozen.status, StatusCode::OK, "{frozen:?}");
    shop.days(1).await;
    let stopped = shop.fair.get("/operator/calls?state=gave_up", &shop.fair.operator).await.body["items"][0].clone();
    assert_eq!(stopped["scene"], "freeze", "{stopped}");
    shop.server.recover().await;
    let restart = format!("/operator/calls/{}/restart", stopped["id"].as_str().unwrap());
    let restarted = shop.fair.post(&restart, &shop.fair.operator, json!({})).await;
    assert_eq!((restarted.status, &restarted.body["state"]), (StatusCode::OK, &json!("waiting")), "{restarted:?}");
    shop.days(0).await;
    let done = shop.fair.post(&restart, &shop.fair.operator, json!({})).await;
    assert_eq!((done.code(), &done.body["state"]), ("delivery-state", &json!("done")));
    shop.finish().await;
}

/// A seller's server with its AK/SK pair.
struct Server<'a> {
    shop: &'a Shop,
    keys: KeyPair,
}

impl<'a> Server<'a> {
    /// With a new pair of whoever has the session `token`.
    async fn of(shop: &'a Shop, token: &str) -> Self {
        let made = shop.fair.post("/access-keys", token, json!({ "name": "server" })).await.body;
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        Self { shop, keys: KeyPair { access_key: text(&made["access_key"]["access_key"]), secret_key: text(&made["secret_key"]) } }
    }

    async fn asks_with(&self, keys: &KeyPair, query: &str, skew_ms: i64) -> Answer {
        let (app, path) = (&self.shop.fair.app, wire::openapi::order_query::PATH);
        let host = app.base.trim_start_matches("http://").to_owned();
        let headers = [("host", host.as_str()), ("content-type", "application/json")];
        let parts = Parts { method: "GET", path, query, headers: &headers, body: b"" };
        let signed = aksk::sign(&parts, keys, people::ctx(&app.market).await.wall + skew_ms).unwrap();
        let request = app.request(Method::GET, &format!("{path}?{query}")).header("content-type", "application/json");
        app.send(request.header("x-sdk-date", signed.x_sdk_date).header("authorization", signed.authorization)).await
    }

    async fn asks(&self, query: &str) -> Answer {
        self.asks_with(&self.keys, query, 0).await
    }
}

#[tokio::test]
async fn a_sellers_server_asks_what_was_bought() {
    let shop = Shop::open().await;
    let (order, _) = shop.buy().await;
    let server = Server::of(&shop, &shop.fair.seller).await;
    let number = order["number"].as_str().unwrap();
    let found = server.asks(&format!("orderId={number}")).await;
    assert_eq!((found.status, &found.body["resultCode"]), (StatusCode::OK, &json!("MKT.0000")), "{found:?}");
    let line = &found.body["orderInfo"]["orderLine"][0];
    assert_eq!(line["productInfo"][0]["linearValue"], 3);
    assert_eq!((&line["periodType"], &line["periodNumber"]), (&json!("month"), &json!(2)));
    assert_eq!(line["productInfo"][0]["productName"], "星云笔记,专业版,标准");
    assert_eq!(found.body["orderInfo"]["buyerInfo"]["customerName"], "acme");
    assert!(found.body.get("extra_info").is_none());

    let mock = server.asks("orderId=MOCKPERIODYEARNEW").await;
    assert_eq!(mock.body["orderInfo"]["orderLine"][0]["orderLineId"], "MOCKPERIODYEARNEW-000001");
    for query in ["", "orderId=%00", &format!("orderId={number}&orderLineId=nonsense")] {
        let refused = server.asks(query).await;
        assert_eq!((refused.status, &refused.body["resultCode"]), (StatusCode::BAD_REQUEST, &json!("MKT.0101")), "{query}");
    }
    let wrong = KeyPair { secret_key: "nonsense".to_owned(), ..server.keys.clone() };
    let unknown = KeyPair { access_key: "NONSENSE0000000000AA".to_owned(), ..server.keys.clone() };
    for (keys, skew_ms) in [(&wrong, 0), (&unknown, 0), (&server.keys, -16 * 60_000), (&server.keys, 16 * 60_000)] {
        let refused = server.asks_with(keys, &format!("orderId={number}"), skew_ms).await;
        assert_eq!((refused.status, &refused.body["error_code"]), (StatusCode::UNAUTHORIZED, &json!("APIGW.0301")), "{refused:?}");
    }
    let plain = shop.fair.app.get(&format!("{}?orderId={number}", wire::openapi::order_query::PATH)).await;
    assert_eq!(plain.body["error_code"], "APIGW.0301");

    // Another seller's order and one that never was are the same answer.
    let other = people::buyer(&shop.fair.app.market, "other").await;
    people::admit(&shop.fair.app.market, &other).await;
    let others = Server::of(&shop, &people::session(&shop.fair.app.market, &other).await).await;
    let (foreign, nobodys) = (others.asks(&format!("orderId={number}")).await, others.asks("orderId=CS2401010000ABCDE").await);
    assert_eq!((foreign.status, &foreign.body["resultCode"]), (StatusCode::UNAUTHORIZED, &json!("MKT.0150")));
    assert!(foreign.body["extra_info"].is_string());
    assert_eq!((nobodys.status, nobodys.body), (foreign.status, foreign.body));
    shop.finish().await;
}

#[tokio::test]
async fn a_sellers_server_asks_about_renewals_changes_and_returns() {
    let shop = Shop::open().await;
    let (_, subscription) = shop.buy().await;
    let server = Server::of(&shop, &shop.fair.seller).await;
    let path = format!("/subscriptions/{}", subscription["id"].as_str().unwrap());
    let pay = async |placed: &Answer, key: &str| {
        assert_eq!(placed.status, StatusCode::CREATED, "{placed:?}");
        let number = placed.body["number"].as_str().unwrap().to_owned();
        assert_eq!(shop.act(&format!("/orders/{number}/pay"), key, &json!({})).await.status, StatusCode::OK);
        shop.days(0).await;
        number
    };
    let renewal = pay(&shop.act(&format!("{path}/renew"), "r", &json!({ "period": { "unit": "month", "count": 3 } })).await, "rp").await;
    let change = json!({ "sku_id": subscription["sku_id"], "quantity": 5 });
    let change = pay(&shop.act(&format!("{path}/change"), "c", &change).await, "cp").await;
    let told = async |number: &str| {
        let answer = server.asks(&format!("orderId={number}")).await;
        assert_eq!(answer.body["resultCode"], "MKT.0000", "{answer:?}");
        answer.body["orderInfo"].clone()
    };
    let (renewed, changed) = (told(&renewal).await, told(&change).await);
    assert_eq!((&renewed["orderType"], &changed["orderType"]), (&json!("RENEW"), &json!("CHANGE")));
    let line = &renewed["orderLine"][0];
    assert_eq!((&line["periodType"], &line["periodNumber"]), (&json!("month"), &json!(3)));
    // Two months and three were left: one line, however many parts were paid for, with the end of all of them.
    let lines = changed["orderLine"].as_array().unwrap();
    let (first, renewal_line) = (&lines[0], line);
    assert_eq!((lines.len(), &first["chargingMode"]), (1, &json!("PERIOD")));
    assert_eq!(
        (&first["periodType"], &first["periodNumber"], &first["productInfo"][0]["linearValue"]),
        (&json!("month"), &json!(5), &json!(5))
    );
    assert_eq!(first["expireTime"], renewal_line["expireTime"]);
    let of_line = server.asks(&format!("orderId={change}&orderLineId={change}-000001")).await;
    assert_eq!(of_line.body["orderInfo"]["orderLine"], changed["orderLine"]);
    let back = shop.act(&format!("/orders/{renewal}/refund"), "b", &json!({})).await.body;
    shop.days(0).await;
    let number = back["number"].as_str().unwrap();
    let returned = told(number).await;
    assert_eq!(
        (&returned["orderType"], &returned["orderLine"][0]["orderLineId"]),
        (&json!("UNSUBSCRIBE"), &json!(format!("{number}-000001")))
    );
    let left = told(&change).await["orderLine"][0]["expireTime"].clone();
    assert!(left.as_str() < first["expireTime"].as_str(), "the change pays for what is left");
    shop.finish().await;
}

#[tokio::test]
async fn a_key_pair_ends_with_the_last_role_its_person_has_on_the_sellers_side() {
    let shop = Shop::open().await;
    let developer =
        people::colleague(&shop.fair.app.market, &shop.fair.seller_person, "dev", &[Role::SellerDeveloper, Role::BuyerViewer]).await;
    let server = Server::of(&shop, &people::session(&shop.fair.app.market, &developer).await).await;
    assert_eq!(server.asks("orderId=MOCKPERIODYEARNEW").await.status, StatusCode::OK);
    for (roles, status) in [(&[Role::BuyerViewer][..], StatusCode::UNAUTHORIZED), (&[Role::SellerSupport], StatusCode::OK)] {
        let ctx = people::ctx(&shop.fair.app.market).await;
        let (account, user, roles) = (developer.account.id, developer.user.id, roles.to_vec());
        let set = async move |tx: &mut db::Tx| accounts::set_roles(tx, &ctx, account, user, &roles, None).await;
        shop.fair.app.market.db().write(set).await.unwrap();
        assert_eq!(server.asks("orderId=MOCKPERIODYEARNEW").await.status, status);
    }
    shop.finish().await;
}

#[tokio::test]
async fn a_renewal_that_is_sent_again_is_answered_without_the_seller() {
    let shop = Shop::open().await;
    let (_, subscription) = shop.buy().await;
    shop.days(40).await;
    let path = format!("/subscriptions/{}/renew", subscription["id"].as_str().unwrap());
    let smaller = json!({ "period": { "unit": "month", "count": 1 }, "quantity": 1 });
    let placed = shop.act(&path, "r", &smaller).await;
    assert_eq!(placed.status, StatusCode::CREATED, "{placed:?}");
    shop.server.behave(Behaviour::Dead).await;
    let again = shop.act(&path, "r", &smaller).await;
    assert_eq!((again.status, &again.body), (StatusCode::CREATED, &placed.body));
    let other = shop.act(&path, "r", &json!({ "period": { "unit": "month", "count": 2 }, "quantity": 1 })).await;
    assert_eq!((other.status, other.code()), (StatusCode::CONFLICT, "idempotency-conflict"));
    assert_eq!(shop.act(&path, "r2", &smaller).await.code(), "seller-unreachable");
    shop.finish().await;
}

#[tokio::test]
async fn a_large_refund_waits_for_the_operators_finance() {
    let shop = Shop::open().await;
    let deposit = json!({
        "account_id": shop.buyer_person.account.id, "amount": { "minor": 9_000_000, "currency": "CNY" }, "bank_reference": "R2"
    });
    assert_eq!(shop.once("/operator/deposits", &shop.fair.operator, "d2", &deposit).await.status, StatusCode::CREATED);
    let mut items = shop.items(50);
    items[0]["period"]["count"] = json!(120);
    let placed = shop.act("/orders", "k", &json!({ "items": items })).await.body;
    let (number, total) = (placed["number"].as_str().unwrap(), placed["total_minor"].as_i64().unwrap());
    assert!(total > 5_000_000, "{placed}");
    assert_eq!(shop.act(&format!("/orders/{number}/pay"), "p", &json!({})).await.status, StatusCode::OK);
    shop.days(0).await;
    let ask = async |key: &str| {
        let asked = shop.act(&format!("/orders/{number}/refund"), key, &json!({})).await;
        assert_eq!((asked.status, &asked.body["state"]), (StatusCode::CREATED, &json!("pending_review")), "{asked:?}");
        format!("/operator/orders/{}", asked.body["number"].as_str().unwrap())
    };
    let first = ask("r1").await;
    let waiting = shop.fair.get("/operator/orders?state=pending_review", &shop.fair.operator).await;
    assert_eq!(waiting.body["items"].as_array().unwrap().len(), 1);
    for (path, token, body, code) in [
        ("approve-refund", &shop.buyer, json!({}), "role-missing"),
        ("refuse-refund", &shop.fair.operator, json!({ "reason": " " }), "field-invalid"),
        ("refund", &shop.fair.operator, json!({}), "not-refundable"),
    ] {
        assert_eq!(shop.fair.post(&format!("{first}/{path}"), token, body).await.code(), code, "{path}");
    }
    let refused = shop.fair.post(&format!("{first}/refuse-refund"), &shop.fair.operator, json!({ "reason": "call us" })).await;
    assert_eq!((&refused.body["state"], &refused.body["close_reason"]), (&json!("cancelled"), &json!("refused")), "{refused:?}");
    let second = ask("r2").await;
    let approved = shop.fair.post(&format!("{second}/approve-refund"), &shop.fair.operator, json!({})).await;
    assert_eq!(approved.body["state"], "refunding", "{approved:?}");
    shop.days(0).await;
    assert_eq!(shop.fair.get("/balance", &shop.buyer).await.body["balance"]["minor"], 10_000_000);
    shop.finish().await;
}

#[tokio::test]
async fn a_renewal_that_the_seller_never_confirmed_is_returned_by_the_operator() {
    let shop = Shop::open().await;
    let (_, subscription) = shop.buy().await;
    shop.server.behave(Behaviour::Dead).await;
    let path = format!("/subscriptions/{}", subscription["id"].as_str().unwrap());
    let renewal = shop.act(&format!("{path}/renew"), "r", &json!({ "period": { "unit": "month", "count": 1 } })).await.body;
    let number = renewal["number"].as_str().unwrap();
    assert_eq!(shop.act(&format!("/orders/{number}/pay"), "rp", &json!({})).await.status, StatusCode::OK);
    let refund = async || shop.fair.post(&format!("/operator/orders/{number}/refund"), &shop.fair.operator, json!({})).await;
    assert_eq!(refund().await.code(), "order-open", "the first hour is the seller's");
    shop.days(1).await;
    let returned = refund().await;
    assert_eq!((&returned.body["kind"], &returned.body["state"]), (&json!("UNSUBSCRIBE"), &json!("refunding")), "{returned:?}");
    shop.days(1).await;
    assert_eq!(shop.fair.get("/balance", &shop.buyer).await.body["balance"]["minor"], 1_000_000 - 6_000);
    assert_eq!(shop.fair.get(&path, &shop.buyer).await.body["ends_at"], subscription["ends_at"]);
    assert_eq!(refund().await.code(), "not-refundable");
    shop.finish().await;
}

#[tokio::test]
async fn the_clock_moves_forward_only_and_by_the_operator_only() {
    let shop = Shop::open().await;
    let now = shop.fair.get("/sandbox/clock", "").await.body["now"].as_i64().unwrap();
    for (body, code) in [
        (json!({ "to": now - 1 }), "clock-backwards"),
        (json!({ "by_ms": 0 }), "field-invalid"),
        (json!({ "by_ms": i64::MAX }), "clock-too-far"),
        (json!({ "to": i64::MAX }), "clock-too-far"),
        (json!({ "to": now + 101 * 366 * kernel::DAY_MS }), "clock-too-far"),
        (json!({ "to": now, "by_ms": 1 }), "field-invalid"),
        (json!({}), "field-invalid"),
    ] {
        assert_eq!(shop.fair.post("/sandbox/clock/advance", &shop.fair.operator, body.clone()).await.code(), code, "{body}");
    }
    shop.days(10).await;
    let later = shop.fair.get("/sandbox/clock", "").await.body["now"].as_i64().unwrap();
    assert!(later >= now + 10 * kernel::DAY_MS);
    shop.finish().await;
}

/// Checks a proof as its receiver would: with the file and the published key alone.
fn check(proof: &Answer, key: &Value) -> usize {
    assert_eq!(proof.status, StatusCode::OK, "{proof:?}");
    let key: PublicKey = key.as_str().unwrap().parse().unwrap();
    match wire::proof::check(&serde_json::to_vec(&proof.body).unwrap(), Some(&key)).unwrap() {
        Sound::Inclusion(proof) => proof.entries.len(),
        Sound::Consistency(proof) => proof.path.len(),
    }
}

#[tokio::test]
async fn an_order_a_statement_and_a_payout_are_proven_to_whom_they_concern() {
    let shop = Shop::open().await;
    let (fair, seller, operator) = (&shop.fair, &shop.fair.seller, &shop.fair.operator);
    let pending = fair.app.get("/api/v1/ledger/heads/newest").await;
    assert_eq!((pending.status, pending.code()), (StatusCode::CONFLICT, "proof-pending"));
    let placed = shop.act("/orders", "buy", &json!({ "items": shop.items(20), "expected_total_minor": 40_000 })).await;
    let number = placed.body["number"].as_str().unwrap().to_owned();
    let order = format!("/orders/{number}/proof");
    assert_eq!(fair.get(&order, &shop.buyer).await.code(), "nothing-posted");
    shop.act(&format!("/orders/{number}/pay"), "pay", &json!({})).await;
    assert_eq!(fair.get(&order, &shop.buyer).await.code(), "proof-pending");
    shop.days(1).await;

    // Everybody may know the key and the heads.
    let keys = fair.app.get("/api/v1/ledger/keys").await.body;
    let key = &keys["items"][0]["public_key"];
    let first = fair.app.get("/api/v1/ledger/heads/newest").await.body;
    assert_eq!((&first["key"], &first["key_id"]), (key, &keys["items"][0]["id"]));
    let note = first["note"].as_str().unwrap();
    assert!(note.contains(&format!("\n{}\n", first["size"])) && note.contains("\n— yunshi.market/"), "{note}");

    // The order: to its buyer, its seller, the operator, and nobody else.
    for (path, token) in [(order.clone(), &shop.buyer), (format!("/seller{order}"), seller), (format!("/operator{order}"), operator)] {
        assert_eq!(check(&fair.get(&path, token).await, key), 2, "{path}");
    }
    let stranger = people::buyer(&fair.app.market, "stranger").await;
    people::admit(&fair.app.market, &stranger).await;
    let stranger = people::session(&fair.app.market, &stranger).await;
    for path in [order.clone(), format!("/seller{order}")] {
        assert_eq!(fair.get(&path, &stranger).await.code(), "not-found", "{path}");
    }

    // The statement and its payout: to its seller and the operator.
    shop.days(40).await;
    let statement = fair.get("/seller/statements", seller).await.body["items"][0].clone();
    assert_eq!(statement["state"], "payable", "{statement}");
    let id = statement["id"].as_str().unwrap();
    let payout = format!("/statements/{id}/payout/proof");
    assert_eq!(fair.get(&format!("/seller{payout}"), seller).await.code(), "nothing-posted");
    let paid = shop.once(&format!("/operator/statements/{id}/payout"), operator, "payout", &json!({ "bank_reference": "PAY-1" })).await;
    assert_eq!(paid.status, StatusCode::OK, "{paid:?}");
    shop.days(1).await;
    for (side, token) in [("/seller", seller), ("/operator", operator)] {
        assert_eq!(check(&fair.get(&format!("{side}/statements/{id}/proof"), token).await, key), 2);
        assert_eq!(check(&fair.get(&format!("{side}{payout}"), token).await, key), 1);
    }
    for path in [format!("/seller{payout}"), format!("/seller/statements/{id}/proof")] {
        assert_eq!(fair.get(&path, &stranger).await.code(), "not-found", "{path}");
    }

    // The ledger was only added to.
    let heads = fair.app.get("/api/v1/ledger/heads?limit=2").await.body;
    assert_eq!(heads["items"].as_array().map(Vec::len), Some(2), "{heads}");
    let rest = fair.app.get(&format!("/api/v1/ledger/heads?cursor={}", heads["next"].as_str().unwrap())).await.body;
    assert!(rest["items"][0]["size"].as_u64() < heads["items"][1]["size"].as_u64(), "{rest}");
    let grown = fair.app.get(&format!("/api/v1/ledger/growth?first={}", first["size"])).await;
    assert!(check(&grown, key) > 0);
    assert_eq!(fair.app.get("/api/v1/ledger/growth?first=0").await.code(), "not-found");
    assert_eq!(fair.app.get("/api/v1/ledger/growth").await.code(), "parameter-invalid");
    shop.finish().await;
}
