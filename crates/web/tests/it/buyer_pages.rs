//! The buyer center, by pages.

use futures_util::StreamExt;
use reqwest::StatusCode;
use testkit::sellers::Behaviour;

use crate::browser::Browser;
use crate::buying::Shop;

#[tokio::test]
async fn what_waits_for_a_buyer_stands_on_the_first_page() {
    let shop = Shop::open().await;
    let mut browser = Browser::new(&shop.fair.app, "en");
    browser.sign_in("acme").await;
    let empty = browser.open("/buyer").await;
    empty.says("Nothing waits for you");
    empty.says("¥10,000.00");
    empty.says("No orders yet");
    for (path, nothing) in [
        ("/buyer/orders", "No orders yet"),
        ("/buyer/services", "Nothing bought yet"),
        ("/buyer/agreements", "Nothing yet. What you agree to"),
        ("/buyer/orders?state=failed", "None like that"),
    ] {
        browser.open(path).await.says(nothing);
    }
    let (order, _) = shop.buy().await;
    let number = order["number"].as_str().unwrap();
    browser.open("/buyer").await.says(number);
    browser.open("/buyer/orders?state=completed").await.says(number);
    assert!(!browser.open("/buyer/orders?state=cancelled").await.html.contains(number));
    // Two months less ten days on, it ends soon.
    shop.days(51).await;
    let soon = browser.open("/buyer").await;
    soon.says("ends soon and does not renew itself");
    // The month, its grace and a day more: frozen, and it will be released.
    shop.days(12).await;
    let frozen = browser.open("/buyer").await;
    frozen.says("is frozen and will be released");
    browser.open("/buyer/services?state=frozen").await.says("class=\"chip ice\"");
    shop.fair.app.finish().await;
}

#[tokio::test]
async fn a_buyer_sees_an_order_being_opened_while_they_look() {
    let shop = Shop::open().await;
    let number = shop.pay().await;
    let mut browser = Browser::new(&shop.fair.app, "en");
    browser.sign_in("acme").await;
    let page = browser.open(&format!("/buyer/orders/{number}")).await;
    page.says(&format!("data-live=\"/live/orders/{number}\""));
    page.says("aria-current=\"step\"");
    let cookies = browser.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join("; ");
    let client = browser.client.clone();
    let watch = async |path: &str, cookies: &str| {
        client.get(format!("{}{path}", shop.fair.app.base)).header("cookie", cookies).send().await.unwrap()
    };
    let live = watch(&format!("/live/orders/{number}"), &cookies).await;
    assert_eq!((live.status(), live.headers()["content-type"].to_str().unwrap()), (StatusCode::OK, "text/event-stream"));
    shop.days(0).await;
    let mut said = String::new();
    let mut events = live.bytes_stream();
    while let Some(Ok(bytes)) = events.next().await {
        said.push_str(std::str::from_utf8(&bytes).unwrap());
    }
    assert!(said.contains("event: changed") && said.trim_end().contains("event: ended"), "{said}");
    browser.open(&format!("/buyer/orders/{number}")).await.says("It is ready.");
    // Whoever may not read it may not watch it.
    assert_eq!(watch(&format!("/live/orders/{number}"), "").await.status(), StatusCode::UNAUTHORIZED);
    let other = crate::people::buyer(&shop.fair.app.market, "other").await;
    let mut stranger = Browser::new(&shop.fair.app, "en");
    stranger.sign_in(&other.user.login).await;
    let theirs = stranger.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join("; ");
    assert_eq!(watch(&format!("/live/orders/{number}"), &theirs).await.status(), StatusCode::NOT_FOUND);
    shop.fair.app.finish().await;
}

#[tokio::test]
async fn a_service_is_there_at_once_however_slow_its_seller() {
    let shop = Shop::open().await;
    let (_, subscription) = shop.buy().await;
    let path = format!("/buyer/services/{}", subscription["id"].as_str().unwrap());
    shop.days(1).await;
    shop.server.behave(Behaviour::Dead).await;
    let mut browser = Browser::new(&shop.fair.app, "zh-CN");
    browser.sign_in("acme").await;
    let before = shop.server.calls().len();
    let page = browser.open(&path).await;
    page.says(&format!("hx-get=\"{path}/access\""));
    assert_eq!(shop.server.calls().len(), before, "the page asks nobody");
    let asked = browser.open(&format!("{path}/access")).await;
    assert_eq!(asked.status, StatusCode::OK);
    asked.says("使用");
    assert!(!asked.html.contains("hx-trigger=\"load\""), "what was asked is not asked again by itself");
    shop.fair.app.finish().await;
}

#[tokio::test]
async fn a_change_shows_what_it_costs_and_why_before_it_is_ordered() {
    let shop = Shop::open().await;
    let (_, subscription) = shop.buy().await;
    let path = format!("/buyer/services/{}", subscription["id"].as_str().unwrap());
    let mut browser = Browser::new(&shop.fair.app, "en");
    browser.sign_in("acme").await;
    browser.open(&path).await.says("Change it");
    browser.open(&format!("{path}/change")).await.says("Choose another variant or quantity");
    let wrong = browser.open(&format!("{path}/change?quantity=0")).await;
    wrong.says("role=\"alert\"");
    let odd = browser.open(&format!("{path}/change?quantity=many")).await;
    odd.says("value=\"many\"");
    let more = browser.open(&format!("{path}/change?quantity=5")).await;
    more.says("Worth as the new");
    more.says("¥40.00");
    let fields: Vec<(&str, String)> = ["sku", "quantity", "total", "key"].iter().map(|name| (*name, more.field(name))).collect();
    let fields: Vec<(&str, &str)> = fields.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let order = browser.post(&format!("{path}/change"), &fields).await.goes_to().to_owned();
    assert_eq!(browser.post(&format!("{path}/change"), &fields).await.goes_to(), order, "a second click is the same order");
    browser.open(&order).await.says("¥40.00");
    shop.fair.app.finish().await;
}
