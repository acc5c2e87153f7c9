//! One long day in a market, on which everything that can be asked is asked, and done.

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use testkit::sellers::Behaviour;

use crate::buying::Shop;
use crate::doors::{Door, doors};
use crate::people::{self, PASSWORD};
use crate::selling::Fair;
use crate::support::{Answer, TestApp};

/// Somebody who goes through doors and expects each to open.
struct Guest<'a> {
    app: &'a TestApp,
    token: &'a str,
}

impl Guest<'_> {
    async fn send(&self, method: Method, path: &str, tag: Option<&str>, body: Option<&Value>) -> Answer {
        let path = if path.starts_with("/api/v1") { path.to_owned() } else { format!("/api/v1{path}") };
        let request = self.app.request(method.clone(), &path).bearer_auth(self.token).header("idempotency-key", format!("{method}{path}"));
        let request = tag.into_iter().fold(request, |request, tag| request.header("if-match", tag));
        let answer = self.app.send(body.into_iter().fold(request, reqwest::RequestBuilder::json)).await;
        assert!(answer.status.is_success(), "{method} {path}: {answer:?}");
        answer
    }

    async fn gets(&self, path: &str) -> Answer {
        self.send(Method::GET, path, None, None).await
    }

    async fn posts(&self, path: &str, body: Value) -> Answer {
        self.send(Method::POST, path, None, Some(&body)).await
    }

    /// Reads a thing, and writes to `path` with its version.
    async fn puts(&self, read: &str, path: &str, body: Value) -> Answer {
        let tag = self.gets(read).await.header("etag").to_owned();
        self.send(Method::PUT, path, Some(&tag), Some(&body)).await
    }

    async fn deletes(&self, path: &str) {
        self.send(Method::DELETE, path, None, None).await;
    }
}

fn id(of: &Value) -> String {
    of["id"].as_str().unwrap_or_else(|| panic!("no id in {of}")).to_owned()
}

fn first(answer: &Answer) -> Value {
    answer.body["items"].as_array().unwrap().first().unwrap_or_else(|| panic!("an empty list: {answer:?}")).clone()
}

/// The operation that a request was for: the one whose path has the most words in common.
fn door_of<'a>(doors: &'a [Door], method: &str, path: &str) -> Option<&'a Door> {
    let fits = |door: &&Door| {
        let (ours, theirs): (Vec<_>, Vec<_>) = (door.path.split('/').collect(), path.split('/').collect());
        door.method.as_str() == method && ours.len() == theirs.len() && ours.iter().zip(theirs).all(|(a, b)| a.starts_with('{') || *a == b)
    };
    doors.iter().filter(fits).min_by_key(|door| door.path.matches('{').count())
}

async fn people_come_and_go(shop: &Shop) {
    let app = &shop.fair.app;
    let nobody = Guest { app, token: "" };
    let person = |login: &str| json!({ "login": login, "name": login, "email": format!("{login}@example.com"), "password": PASSWORD });
    let account = json!({ "name": "nimbus", "kind": "enterprise", "title": "Nimbus", "owner": person("nina") });
    let signed_up = app.send(app.request(Method::POST, "/api/v1/accounts").json(&account)).await;
    assert_eq!(signed_up.status, StatusCode::CREATED, "{signed_up:?}");
    let credentials = json!({ "login": "nina", "password": PASSWORD });
    let session = nobody.posts("/sessions", credentials.clone()).await;
    let other = nobody.posts("/sessions", credentials).await;
    let token = session.body["token"].as_str().unwrap().to_owned();
    let nina = Guest { app, token: &token };
    nina.gets("/sessions").await;
    nina.gets(other.header("location")).await;
    nina.deletes(other.header("location")).await;
    let details = json!({ "name": "Nina", "email": "nina@example.com", "phone": "", "locale": "en" });
    nina.puts("/me", "/me", details.clone()).await;
    let bob = nina.posts("/users", json!({ "user": person("bob"), "roles": ["buyer.viewer"] })).await.header("location").to_owned();
    nina.gets("/users").await;
    nina.puts(&bob, &bob, details).await;
    nina.puts(&bob, &format!("{bob}/roles"), json!({ "roles": ["buyer.finance"] })).await;
    nina.posts(&format!("{bob}/disable"), json!({})).await;
    nina.posts(&format!("{bob}/enable"), json!({})).await;
    nina.posts(&format!("{bob}/password"), json!({ "password": "another-kettle-42" })).await;
    let expires_at = people::ctx(&app.market).await.wall + kernel::DAY_MS;
    let robot = nina.posts("/tokens", json!({ "name": "robot", "scopes": ["buyer.view"], "expires_at": expires_at })).await;
    nina.gets("/tokens").await;
    nina.gets(robot.header("location")).await;
    nina.deletes(robot.header("location")).await;
    nina.posts("/me/password", json!({ "old_password": PASSWORD, "new_password": "yet-another-kettle-42" })).await;
    nina.gets("/history").await;

    // She would like to sell, and is told no.
    nina.posts("/seller/application", Fair::application()).await;
    let operator = Guest { app, token: &shop.fair.operator };
    operator.posts(&format!("/operator/sellers/{}/reject", id(&signed_up.body["account"])), json!({ "reason": "no licence" })).await;
    nina.deletes("/sessions/current").await;
}

async fn a_seller_keeps_house(shop: &Shop) {
    let app = &shop.fair.app;
    let (seller, operator) = (Guest { app, token: &shop.fair.seller }, Guest { app, token: &shop.fair.operator });
    let own = shop.fair.seller_person.account.id;
    seller.gets("/seller/application").await;
    let details = json!({
        "website": "https://nebula.example.com", "contact_name": "李伟", "contact_email": "sales@nebula.example.com", "contact_phone": "+8613800000001",
    });
    seller.puts("/seller/application", "/seller/details", details).await;
    operator.gets("/operator/sellers").await;
    operator.gets(&format!("/operator/sellers/{own}")).await;
    operator.posts(&format!("/operator/sellers/{own}/bank-account"), json!({})).await;
    let notice = first(&seller.gets("/notices").await);
    seller.posts(&format!("/notices/{}/read", id(&notice)), json!({})).await;
    let pair = seller.posts("/access-keys", json!({ "name": "server" })).await;
    seller.gets("/access-keys").await;
    seller.gets(pair.header("location")).await;
    seller.deletes(pair.header("location")).await;

    let key = seller.posts("/seller/signing-keys", json!({ "name": "spare" })).await;
    seller.gets("/seller/signing-keys").await;
    seller.gets(key.header("location")).await;
    let main = first(&seller.gets("/seller/addresses").await);
    let address = |name: &str, key_id: &Value| json!({ "name": name, "url": main["url"], "dialect": main["dialect"], "key_id": key_id });
    let spare = seller.posts("/seller/addresses", address("spare", &key.body["key"]["id"])).await.header("location").to_owned();
    seller.puts(&spare, &spare, address("spare", &main["key_id"])).await;
    seller.posts(&format!("{spare}/retire"), json!({})).await;

    let tried = seller.posts("/seller/debug/tries", json!({ "address_id": main["id"], "scene": "create" })).await;
    assert_eq!(tried.body["verdict"], "passed", "{:?}", tried.body);
    seller.gets("/seller/debug/tries").await;
    seller.gets(tried.header("location")).await;
    let case = seller.posts("/seller/debug/cases", json!({ "try_id": tried.body["id"], "name": "purchase" })).await;
    let case = case.header("location").to_owned();
    seller.gets("/seller/debug/cases").await;
    seller.gets(&case).await;
    seller.posts(&format!("{case}/run"), json!({})).await;
    seller.deletes(&case).await;
    seller.posts(&format!("{}/retire", key.header("location")), json!({})).await;
}

async fn a_product_lives_and_ends(shop: &Shop) {
    let app = &shop.fair.app;
    let (seller, operator) = (Guest { app, token: &shop.fair.seller }, Guest { app, token: &shop.fair.operator });
    let address = first(&seller.gets("/seller/addresses").await)["id"].clone();
    let content = || {
        let mut content = Fair::content(&address);
        let mut second = content["editions"][0].clone();
        second["names"] = json!({ "zh": "旗舰版", "en": "Ultimate" });
        let mut small = second["skus"][0].clone();
        small["names"] = json!({ "zh": "小", "en": "Small" });
        second["skus"].as_array_mut().unwrap().push(small);
        content["editions"].as_array_mut().unwrap().push(second);
        content
    };
    let product = seller.posts("/seller/products", content()).await.header("location").to_owned();
    let submit = async || {
        let tag = seller.gets(&product).await.header("etag").to_owned();
        // Each time under a key of its own: it is not the same act.
        let request = app.request(Method::POST, &format!("{product}/submit")).bearer_auth(&shop.fair.seller).header("if-match", tag);
        let submitted = app.send(request).await;
        assert_eq!(submitted.status, StatusCode::OK, "{submitted:?}");
        id(&first(&operator.gets("/operator/listings").await))
    };
    seller.puts(&product, &format!("{product}/draft"), content()).await;
    submit().await;
    seller.posts(&format!("{product}/withdraw"), json!({})).await;
    let listing = submit().await;
    operator.gets(&format!("/operator/listings/{listing}")).await;
    operator.posts(&format!("/operator/listings/{listing}/reject"), json!({ "reason": "a picture is missing" })).await;
    let listing = submit().await;
    operator.posts(&format!("/operator/listings/{listing}/approve"), json!({})).await;

    let number = product.rsplit('/').next().unwrap().to_owned();
    seller.gets("/products").await;
    seller.gets("/seller/products").await;
    operator.gets("/operator/products").await;
    let published = seller.gets(&format!("/products/{number}")).await.body;
    seller.posts(&format!("{product}/hide"), json!({})).await;
    seller.posts(&format!("{product}/unhide"), json!({})).await;
    let everywhere = format!("/operator/products/{number}");
    operator.posts(&format!("{everywhere}/hide"), json!({})).await;
    operator.posts(&format!("{everywhere}/unhide"), json!({})).await;
    let (edition, sku) = (id(&published["editions"][0]), id(&published["editions"][1]["skus"][0]));
    seller.posts(&format!("/seller/editions/{edition}/retire"), json!({ "confirm": edition })).await;
    seller.posts(&format!("/seller/skus/{sku}/retire"), json!({ "confirm": sku })).await;
    seller.posts(&format!("{product}/retire"), json!({ "confirm": number })).await;
}

async fn orders_are_placed(shop: &Shop) -> (String, String) {
    let app = &shop.fair.app;
    let (buyer, seller, operator) =
        (Guest { app, token: &shop.buyer }, Guest { app, token: &shop.fair.seller }, Guest { app, token: &shop.fair.operator });
    let sku = &shop.product["editions"][0]["skus"][0]["id"];
    let items = |quantity: i64| json!({ "items": [{ "sku_id": sku, "period": { "unit": "month", "count": 2 }, "quantity": quantity }] });
    buyer.posts("/quotes", items(60)).await;
    let order = |key: &'static str, quantity: i64| {
        let body = items(quantity);
        async move { shop.once("/orders", &shop.buyer, key, &body).await.body["number"].as_str().unwrap().to_owned() }
    };
    let unwanted = order("one", 1).await;
    buyer.posts(&format!("/orders/{unwanted}/cancel"), json!({})).await;
    let returned = order("two", 2).await;
    let kept = order("three", 60).await;
    for number in [&returned, &kept] {
        buyer.posts(&format!("/orders/{number}/pay"), json!({})).await;
    }
    shop.days(0).await;
    buyer.posts(&format!("/orders/{returned}/refund"), json!({})).await;
    shop.days(0).await;
    for (who, side) in [(&buyer, ""), (&seller, "/seller"), (&operator, "/operator")] {
        who.gets(&format!("{side}/orders")).await;
        who.gets(&format!("{side}/orders/{kept}")).await;
        who.gets(&format!("{side}/orders/{kept}/timeline")).await;
    }
    let line = buyer.gets(&format!("/orders/{kept}")).await.body["lines"][0].clone();
    (kept, line["subscription_id"].as_str().unwrap().to_owned())
}

async fn a_subscription_lives(shop: &Shop, subscription: &str) {
    let app = &shop.fair.app;
    let (buyer, seller, operator) =
        (Guest { app, token: &shop.buyer }, Guest { app, token: &shop.fair.seller }, Guest { app, token: &shop.fair.operator });
    let own = format!("/subscriptions/{subscription}");
    for (who, side) in [(&buyer, ""), (&seller, "/seller"), (&operator, "/operator")] {
        who.gets(&format!("{side}/subscriptions")).await;
        who.gets(&format!("{side}{own}")).await;
        who.gets(&format!("{side}{own}/timeline")).await;
    }
    buyer.gets(&format!("{own}/instance")).await;
    buyer.gets(&format!("{own}/lines")).await;
    buyer.puts(&own, &format!("{own}/renewal"), json!({ "mode": "manual" })).await;
    buyer.gets(&format!("{own}/refund")).await;
    let sku = &shop.product["editions"][0]["skus"][0]["id"];
    let pay = async |order: Answer| {
        buyer.posts(&format!("/orders/{}/pay", order.body["number"].as_str().unwrap()), json!({})).await;
        shop.days(0).await;
    };
    let change = json!({ "sku_id": sku, "quantity": 61 });
    buyer.posts(&format!("{own}/change-quote"), change.clone()).await;
    pay(buyer.posts(&format!("{own}/change"), change).await).await;
    let period = json!({ "period": { "unit": "month", "count": 1 } });
    buyer.posts(&format!("{own}/renewal-quote"), period.clone()).await;
    pay(buyer.posts(&format!("{own}/renew"), period).await).await;

    // The seller's server is down when the operator freezes it: the call waits, and is restarted by both.
    shop.server.behave(Behaviour::Dead).await;
    operator.posts(&format!("/operator{own}/freeze"), json!({ "reason": "abuse" })).await;
    shop.days(0).await;
    let call = id(&first(&seller.gets("/seller/calls?state=waiting").await));
    seller.posts(&format!("/seller/calls/{call}/restart"), json!({})).await;
    shop.server.recover().await;
    operator.posts(&format!("/operator/calls/{call}/restart"), json!({})).await;
    shop.days(0).await;
    operator.posts(&format!("/operator{own}/unfreeze"), json!({})).await;
    shop.days(0).await;
    seller.gets(&format!("/seller/calls/{call}")).await;
    seller.posts(&format!("/seller/calls/{call}/replay"), json!({})).await;
    operator.gets("/operator/calls").await;
    operator.gets(&format!("/operator/calls/{call}")).await;

    let given_back = shop
        .once(
            "/orders",
            &shop.buyer,
            "back",
            &json!({ "items": [{ "sku_id": sku, "period": { "unit": "month", "count": 1 }, "quantity": 1 }] }),
        )
        .await;
    let number = given_back.body["number"].as_str().unwrap().to_owned();
    pay(given_back).await;
    let back = buyer.gets(&format!("/orders/{number}")).await.body["lines"][0]["subscription_id"].as_str().unwrap().to_owned();
    buyer.posts(&format!("/subscriptions/{back}/refund"), json!({})).await;
    shop.days(0).await;
}

/// Returns that wait for the operator, and a renewal that the seller never confirmed.
async fn returns_are_decided(shop: &Shop, subscription: &str) {
    let app = &shop.fair.app;
    let (buyer, operator) = (Guest { app, token: &shop.buyer }, Guest { app, token: &shop.fair.operator });
    let money = json!({
        "account_id": shop.buyer_person.account.id, "amount": { "minor": 20_000_000, "currency": "CNY" }, "bank_reference": "R2",
    });
    operator.posts("/operator/deposits", money).await;
    let sku = &shop.product["editions"][0]["skus"][0]["id"];
    let items = json!({ "items": [{ "sku_id": sku, "period": { "unit": "month", "count": 11 }, "quantity": 500 }] });
    for (key, decision, body) in [("large1", "approve-refund", json!({})), ("large2", "refuse-refund", json!({ "reason": "in use" }))] {
        let number = shop.once("/orders", &shop.buyer, key, &items).await.body["number"].as_str().unwrap().to_owned();
        buyer.posts(&format!("/orders/{number}/pay"), json!({})).await;
        shop.days(0).await;
        let asked = buyer.posts(&format!("/orders/{number}/refund"), json!({})).await.body.clone();
        assert_eq!(asked["state"], "pending_review", "{asked}");
        operator.posts(&format!("/operator/orders/{}/{decision}", asked["number"].as_str().unwrap()), body).await;
        shop.days(0).await;
    }
    shop.server.behave(Behaviour::Dead).await;
    let period = json!({ "period": { "unit": "month", "count": 1 } });
    let renewal = shop.once(&format!("/subscriptions/{subscription}/renew"), &shop.buyer, "again", &period).await;
    let number = renewal.body["number"].as_str().unwrap().to_owned();
    buyer.posts(&format!("/orders/{number}/pay"), json!({})).await;
    shop.days(1).await;
    operator.posts(&format!("/operator/orders/{number}/refund"), json!({})).await;
    shop.server.recover().await;
    shop.days(0).await;
}

/// What the ledger holds is proven to whom it concerns.
async fn everything_is_proven(shop: &Shop, order: &str) {
    let app = &shop.fair.app;
    let (buyer, seller, operator) =
        (Guest { app, token: &shop.buyer }, Guest { app, token: &shop.fair.seller }, Guest { app, token: &shop.fair.operator });
    shop.days(1).await;
    buyer.gets("/ledger/keys").await;
    let heads = buyer.gets("/ledger/heads").await;
    buyer.gets("/ledger/heads/newest").await;
    buyer.gets(&format!("/ledger/growth?first={}", heads.body["items"][1]["size"])).await;
    for (who, side) in [(&buyer, ""), (&seller, "/seller"), (&operator, "/operator")] {
        who.gets(&format!("{side}/orders/{order}/proof")).await;
    }
    let statement = id(&first(&operator.gets("/operator/statements?state=paid").await));
    for (who, side) in [(&seller, "/seller"), (&operator, "/operator")] {
        who.gets(&format!("{side}/statements/{statement}/proof")).await;
        who.gets(&format!("{side}/statements/{statement}/payout/proof")).await;
    }
}

async fn everything_is_settled(shop: &Shop, order: &str) {
    let app = &shop.fair.app;
    let (buyer, seller, operator) =
        (Guest { app, token: &shop.buyer }, Guest { app, token: &shop.fair.seller }, Guest { app, token: &shop.fair.operator });
    shop.days(75).await;
    seller.gets("/seller/sales").await;
    let statement = first(&operator.gets("/operator/statements?state=payable").await);
    let number = id(&statement);
    for (who, side) in [(&seller, "/seller"), (&operator, "/operator")] {
        who.gets(&format!("{side}/statements")).await;
        who.gets(&format!("{side}/statements/{number}")).await;
        who.gets(&format!("{side}/statements/{number}/lines")).await;
    }
    let settled = operator.posts("/operator/settlements", json!({ "month": statement["period"] })).await;
    assert_eq!(id(&first(&settled)), number, "again changes nothing");
    let account = format!("/operator/accounts/{}", shop.fair.seller_person.account.id);
    let payable = operator.gets(&account).await.body["payable"]["minor"].as_i64().unwrap();
    assert!(payable >= statement["payable_minor"].as_i64().unwrap());
    let payout = format!("/operator/statements/{number}/payout");
    let pay_out =
        async |key: &str, reference: &str| shop.once(&payout, &shop.fair.operator, key, &json!({ "bank_reference": reference })).await;
    let (paid, again) = (pay_out("p", "PO1").await, pay_out("p", "PO1").await);
    assert_eq!((paid.status, &paid.body["state"]), (StatusCode::OK, &json!("paid")), "{paid:?}");
    assert_eq!((again.status, &again.body), (StatusCode::OK, &paid.body), "the same key gives the same answer");
    assert_eq!(pay_out("p2", "PO2").await.code(), "statement-state", "another one is another payout");
    let rest = payable - statement["payable_minor"].as_i64().unwrap();
    assert_eq!(operator.gets(&account).await.body["payable"]["minor"], rest, "it was paid once");

    buyer.gets("/balance").await;
    buyer.gets("/balance/movements").await;
    buyer.gets("/balance/deposits").await;
    let export = buyer.posts("/exports", json!({ "kind": "buyer-orders", "format": "csv" })).await.header("location").to_owned();
    shop.days(0).await;
    buyer.gets("/exports").await;
    buyer.gets(&export).await;
    buyer.gets(&format!("{export}/file")).await;
    buyer.deletes(&export).await;
    operator.gets("/operator/accounts").await;
    let deposit = first(&operator.gets("/operator/deposits").await);
    operator.gets(&format!("/operator/deposits/{}", id(&deposit))).await;
    operator.gets("/operator/ledger/books/bank/movements").await;
    operator.gets(&format!("/operator/ledger/transactions?reference={order}")).await;
    let job = first(&operator.gets("/operator/jobs").await);
    operator.posts("/operator/jobs/retry", json!({ "kind": job["kind"], "subject": job["subject"] })).await;
    operator.send(Method::PUT, "/sandbox/clock", None, Some(&json!({ "ticking": false }))).await;
    operator.gets("/sandbox/clock").await;
    let product = id(&shop.product);
    operator.posts(&format!("/operator/products/{product}/retire"), json!({ "confirm": product })).await;
    let audit = operator.gets("/operator/audit?limit=200").await.body["items"].clone();
    let actions: Vec<_> = audit.as_array().unwrap().iter().map(|entry| entry["action"].as_str().unwrap()).collect();
    assert!(actions.contains(&"clock.set") && actions.contains(&"clock.advanced"), "{actions:?}");
}

#[tokio::test]
async fn every_door_opens_to_who_may_pass_and_has_what_is_needed() {
    let shop = Shop::open().await;
    people_come_and_go(&shop).await;
    a_seller_keeps_house(&shop).await;
    a_product_lives_and_ends(&shop).await;
    let (order, subscription) = orders_are_placed(&shop).await;
    a_subscription_lives(&shop, &subscription).await;
    returns_are_decided(&shop, &subscription).await;
    everything_is_settled(&shop, &order).await;
    everything_is_proven(&shop, &order).await;

    let doors = doors(&shop.fair.app.get("/openapi.json").await.body);
    let done = shop.fair.app.done.lock().unwrap().clone();
    let opened: std::collections::BTreeSet<_> =
        done.iter().filter_map(|(method, path)| door_of(&doors, method, path)).map(|door| door.name.as_str()).collect();
    let closed: Vec<_> = doors.iter().map(|door| door.name.as_str()).filter(|name| !opened.contains(name)).collect();
    assert!(closed.is_empty(), "nobody went through these doors: {closed:?}");
    shop.finish().await;
}
