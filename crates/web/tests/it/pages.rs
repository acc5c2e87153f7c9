//! The pages as a browser without scripts finds them.

use reqwest::StatusCode;
use testkit::sellers::Behaviour;

use crate::browser::Browser;
use crate::buying::Shop;
use crate::people::PASSWORD;
use crate::support::TestApp;

#[tokio::test]
async fn a_visitor_finds_a_product_and_its_price_in_either_language() {
    let shop = Shop::open().await;
    let id = shop.product["id"].as_str().unwrap();
    for (language, found, total, month) in [("en", "All products", "Total", "a month"), ("zh-CN", "全部商品", "合计", "/月")] {
        let mut browser = Browser::new(&shop.fair.app, language);
        let home = browser.open("/").await;
        home.says(found);
        home.says(&format!("/products/{id}"));
        home.says(&format!("<html lang=\"{language}\">"));
        let product = browser.open(&format!("/products/{id}")).await;
        product.says(month);
        product.says(total);
        let three = browser.open(&format!("/products/{id}?unit=month&count=2&quantity=3")).await;
        three.says("¥60.00");
        // What cannot be bought is told in words, and what was typed stays.
        let odd = browser.open(&format!("/products/{id}?unit=month&count=2&quantity=many")).await;
        odd.says("role=\"alert\"");
        odd.says("value=\"many\"");
        let never = browser.open(&format!("/products/{id}?unit=month&count=99999999999999999999&quantity=3")).await;
        never.says(if language == "en" {
            "Choose a period of 1 to 120 months in all."
        } else {
            "请选择合计 1 至 120 个月的时长。"
        });
        let odd = browser.open(&format!("/products/{id}?sku=nonsense")).await;
        assert_eq!((odd.status, &odd.headers["content-type"]), (StatusCode::BAD_REQUEST, &"text/html; charset=utf-8".parse().unwrap()));
        odd.says(if language == "en" { "The parameter sku is wrong" } else { "参数 sku 有误" });
        assert_eq!(browser.open(&format!("/?q={}", "a".repeat(5_000))).await.status, StatusCode::OK);
        let none = browser.open("/?q=nothing-of-this-name").await;
        none.says(if language == "en" { "Nothing was found" } else { "没有找到商品" });
        let hostile = browser.open("/?q=%3Cb%3E%22x").await;
        assert!(!hostile.html.contains("<b>\"x"), "{}", hostile.html);
    }
    let mut browser = Browser::new(&shop.fair.app, "en");
    let missing = browser.open("/products/prd_01").await;
    assert_eq!((missing.status, missing.headers["content-type"].to_str().unwrap()), (StatusCode::NOT_FOUND, "text/html; charset=utf-8"));
    missing.says("There is no such thing");
    let chosen = browser.post("/language", &[("language", "zh-CN"), ("next", "/?q=x")]).await;
    assert_eq!(chosen.goes_to(), "/?q=x");
    browser.open("/").await.says("全部商品");
    let big = browser.post("/sign-in", &[("login", &"x".repeat(300_000)), ("password", "x")]).await;
    assert_eq!(big.status, StatusCode::PAYLOAD_TOO_LARGE);
    big.says("请求体过大");
    shop.fair.app.finish().await;
}

#[tokio::test]
async fn a_seller_finds_why_an_order_failed_and_has_it_tried_again() {
    let shop = Shop::open().await;
    shop.server.behave(Behaviour::Dead).await;
    let number = shop.pay().await;
    shop.days(0).await;
    let mut browser = Browser::new(&shop.fair.app, "en");
    browser.sign_in("nebula").await;
    let list = browser.open("/seller/calls?state=waiting").await;
    list.says(&number);
    let path = list.html.split("href=\"/seller/calls/").nth(1).unwrap().split('"').next().unwrap().to_owned();
    let path = format!("/seller/calls/{path}");
    let call = browser.open(&path).await;
    call.says("Purchase");
    call.says("No connection");
    call.says("curl -X POST");
    assert!(!call.html.contains(&shop.server.access_key()), "the key is nowhere");
    assert_eq!(browser.post(&format!("{path}/replay"), &[]).await.goes_to(), path);
    browser.open(&path).await.says("Replay");
    shop.server.behave(Behaviour::Sound).await;
    assert_eq!(browser.post(&format!("{path}/restart"), &[]).await.goes_to(), format!("{path}?done=call-restarted"));
    shop.days(0).await;
    browser.open(&path).await.says("class=\"chip ok\"");
    // A buyer has no business here.
    let mut buyer = Browser::new(&shop.fair.app, "en");
    buyer.sign_in("acme").await;
    assert_eq!(buyer.open("/seller/calls").await.status, StatusCode::FORBIDDEN);
    shop.fair.app.finish().await;
}

#[tokio::test]
async fn styles_are_kept_by_browsers_for_good_and_are_few() {
    let app = TestApp::new().await;
    let mut browser = Browser::new(&app, "en");
    let home = browser.open("/").await;
    let path = home.html.split("rel=\"stylesheet\" href=\"").nth(1).unwrap().split('"').next().unwrap().to_owned();
    let styles = browser.send(browser.client.get(format!("{}{path}", app.base))).await;
    assert_eq!(styles.headers["cache-control"], "public, max-age=31536000, immutable");
    assert!(styles.html.len() + home.html.len() < 100 * 1024, "a first visit loads little");
    app.finish().await;
}

#[tokio::test]
async fn somebody_signs_up_and_is_told_beside_the_field_what_is_wrong() {
    let app = TestApp::new().await;
    let mut browser = Browser::new(&app, "zh-CN");
    let with = |email: &'static str, password: &'static str| {
        [
            ("account", "星云"),
            ("kind", "enterprise"),
            ("title", "星云科技"),
            ("name", "李伟"),
            ("email", email),
            ("login", "li.wei"),
            ("password", password),
            ("next", "/buyer/orders"),
        ]
    };
    browser.open("/sign-up").await.says("注册");
    let wrong = browser.post("/sign-up", &with("nowhere", PASSWORD)).await;
    assert_eq!(wrong.status, StatusCode::UNPROCESSABLE_ENTITY);
    let beside = wrong.html.split("id=\"email-wrong\"").nth(1).unwrap().split("</p>").next().unwrap();
    assert!(beside.contains("须为电子邮箱地址"), "{beside}");
    assert!(wrong.html.contains("value=\"星云科技\"") && !wrong.html.contains(PASSWORD), "what was typed stays, but for the password");
    let weak = browser.post("/sign-up", &with("li@example.com", "password")).await;
    assert!(!weak.html.split("id=\"password-wrong\"").nth(1).unwrap().starts_with(" role=\"alert\"></p>"), "{}", weak.html);
    let elsewhere = browser.post_from("cross-site", "/sign-up", &with("li@example.com", PASSWORD)).await;
    assert_ne!(elsewhere.status, StatusCode::OK);
    assert!(browser.cookies.is_empty());

    assert_eq!(browser.post("/sign-up", &with("li@example.com", PASSWORD)).await.goes_to(), "/buyer/orders");
    let orders = browser.open("/buyer/orders").await;
    orders.says("还没有订单");
    orders.says("李伟");
    let taken = Browser::new(&app, "en").post("/sign-up", &with("li@example.com", PASSWORD)).await;
    assert_eq!(taken.status, StatusCode::CONFLICT);
    assert_eq!(browser.post("/sign-out", &[]).await.goes_to(), "/");
    assert_eq!(browser.open("/buyer/orders").await.goes_to(), "/sign-in?next=%2Fbuyer%2Forders");
    let refused = browser.post("/sign-in", &[("login", "li.wei"), ("password", "wrong-wrong"), ("next", "//evil.example")]).await;
    assert_eq!(refused.status, StatusCode::UNAUTHORIZED);
    refused.says("value=\"li.wei\"");
    let back = browser.post("/sign-in", &[("login", "li.wei"), ("password", PASSWORD), ("next", "//evil.example")]).await;
    assert_eq!(back.goes_to(), "/");
    app.finish().await;
}

#[tokio::test]
async fn a_buyer_orders_pays_and_uses_what_the_seller_opened() {
    let shop = Shop::open().await;
    let mut browser = Browser::new(&shop.fair.app, "en");
    let product = format!("/products/{}?unit=month&count=2&quantity=3", shop.product["id"].as_str().unwrap());
    let visitor = browser.open(&product).await;
    assert!(!visitor.html.contains("action=\"/buyer/orders\"><button"), "whoever is nobody signs in first");
    visitor.says("Sign in to order");
    browser.sign_in("acme").await;

    let page = browser.open(&product).await;
    let names = ["sku", "unit", "count", "quantity", "total", "key"];
    let values: Vec<String> = names.iter().map(|name| page.field(name)).collect();
    let fields: Vec<(&str, &str)> = names.iter().copied().zip(values.iter().map(String::as_str)).collect();
    let from_elsewhere = browser.post_from("cross-site", "/buyer/orders", &fields).await;
    assert_eq!(from_elsewhere.status, StatusCode::UNAUTHORIZED, "another site orders nothing");
    from_elsewhere.says("href=\"/sign-in?next=%2F\"");
    let placed = browser.post("/buyer/orders", &fields).await.goes_to().to_owned();
    assert_eq!(browser.post("/buyer/orders", &fields).await.goes_to(), placed, "a second click is the same order");
    let order = browser.open(&placed).await;
    order.says("¥60.00");
    order.says("Pay from the balance");
    let pay = order.html.split("name=\"key\" value=\"").nth(1).unwrap().split('"').next().unwrap().to_owned();
    for _ in 0..2 {
        assert_eq!(browser.post(&format!("{placed}/pay"), &[("key", &pay)]).await.goes_to(), placed);
    }
    let again = browser.post(&format!("{placed}/pay"), &[("key", "another")]).await;
    assert_eq!(again.status, StatusCode::CONFLICT);
    browser.open(&placed).await.says("The seller’s server is opening it");

    shop.days(0).await;
    let done = browser.open(&placed).await;
    done.says("Delivered");
    let service = done.html.split("href=\"/buyer/services/").nth(1).unwrap().split('"').next().unwrap().to_owned();
    browser.open("/buyer/services").await.says("class=\"chip ok\"");
    let path = format!("/buyer/services/{service}");
    let service = browser.open(&path).await;
    service.says("How to use it");
    service.says("Opened");

    // How it is renewed, by two tabs: the second is told that the first was there.
    let version = service.field("version");
    let auto = [("mode", "auto"), ("version", version.as_str())];
    assert_eq!(browser.post(&format!("{path}/renewal"), &auto).await.goes_to(), format!("{path}?done=saved"));
    assert_eq!(browser.post(&format!("{path}/renewal"), &auto).await.status, StatusCode::PRECONDITION_FAILED);
    browser.open(&path).await.says("<option value=\"auto\" selected>");
    let odd = browser.open(&format!("{path}?unit=year&count=99")).await;
    odd.says("role=\"alert\"");
    let longer = browser.open(&format!("{path}?unit=month&count=2")).await;
    longer.says("Renew for ¥60.00");
    let (total, key) = (longer.field("total"), longer.field("key"));
    let fields = [("unit", "month"), ("count", "2"), ("total", total.as_str()), ("key", key.as_str())];
    let renewal = browser.post(&format!("{path}/renew"), &fields).await.goes_to().to_owned();
    browser.open(&path).await.says("An order is still open");
    let cancel = browser.open(&renewal).await.html.split("name=\"key\" value=\"").nth(2).unwrap().split('"').next().unwrap().to_owned();
    assert_eq!(browser.post(&format!("{renewal}/cancel"), &[("key", &cancel)]).await.goes_to(), renewal);
    browser.open(&renewal).await.says("Cancelled");

    let balance = browser.open("/buyer/balance").await;
    balance.says("¥9,940.00");
    balance.says("-¥60.00");
    assert!(!balance.html.contains("dep_"), "an id says nothing to a buyer");

    // Returned, and paid back when the seller has heard of it.
    let again = browser.open(&path).await;
    again.says("Comes back to the balance");
    let key = again.html.split("/return\">").nth(1).unwrap().split("value=\"").nth(1).unwrap().split('"').next().unwrap().to_owned();
    let refund = browser.post(&format!("{path}/return"), &[("key", &key)]).await.goes_to().to_owned();
    assert_eq!(browser.post(&format!("{path}/return"), &[("key", &key)]).await.goes_to(), refund, "a second click is the same return");
    shop.days(0).await;
    browser.open(&refund).await.says("Refunded");
    browser.open("/buyer/balance").await.says("¥10,000.00");
    browser.open(&path).await.says("There is no instance to use at present");

    // What is another's is nobody's.
    let other = crate::people::buyer(&shop.fair.app.market, "other").await;
    let mut stranger = Browser::new(&shop.fair.app, "en");
    stranger.sign_in(&other.user.login).await;
    assert_eq!(stranger.open(&placed).await.status, StatusCode::NOT_FOUND);
    shop.fair.app.finish().await;
}
