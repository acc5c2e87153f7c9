//! The operator's console as a browser without scripts finds it.

use market::accounts::Role;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use testkit::sellers::Behaviour;

use crate::browser::{Browser, Seen};
use crate::buying::Shop;
use crate::people;
use crate::selling::Fair;
use crate::support::TestApp;

/// Every page of the console that needs nothing to be there.
const PAGES: &[&str] = &[
    "/operator",
    "/operator/applications",
    "/operator/listings",
    "/operator/refunds",
    "/operator/products",
    "/operator/products?state=hidden",
    "/operator/products?flagged=yes",
    "/operator/sellers",
    "/operator/sellers?state=approved",
    "/operator/accounts",
    "/operator/accounts?name=op",
    "/operator/orders",
    "/operator/orders?state=failed",
    "/operator/orders?state=pending_review",
    "/operator/subscriptions",
    "/operator/subscriptions?state=frozen",
    "/operator/calls",
    "/operator/calls?state=gave_up",
    "/operator/deposits",
    "/operator/statements",
    "/operator/statements?month=2026-01&state=payable",
    "/operator/ledger",
    "/operator/ledger?book=platform-fee",
    "/operator/ledger?reference=CS1",
    "/operator/jobs",
    "/operator/jobs?state=stuck",
    "/operator/mail",
    "/operator/mail?state=failed",
    "/operator/audit",
    "/operator/audit?action=accounts.created&from=2020-01-01&until=2030-01-01",
    "/operator/settings",
    "/operator/settings/fee_steps",
    "/operator/settings/holidays",
    "/operator/clock",
];

async fn signed_in<'a>(app: &'a TestApp, login: &str, language: &'static str) -> Browser<'a> {
    let mut browser = Browser::new(app, language);
    browser.sign_in(login).await;
    browser
}

/// Opens a page and takes it as it is.
async fn page(browser: &mut Browser<'_>, path: &str) -> Seen {
    let seen = browser.open(path).await;
    assert_eq!(seen.status, StatusCode::OK, "{path}: {}", seen.html);
    assert_eq!(seen.html.matches("<h1").count(), 1, "{path}");
    seen
}

/// Where the first link goes whose address begins like this.
fn link(seen: &Seen, beginning: &str) -> String {
    let rest = seen.html.split(&format!("href=\"{beginning}")).nth(1).unwrap_or_else(|| panic!("{beginning} in {}", seen.html));
    format!("{beginning}{}", rest.split('"').next().unwrap())
}

#[tokio::test]
async fn an_empty_market_has_every_page_in_either_language() {
    let app = TestApp::new().await;
    people::operator(&app.market).await;
    for (language, empty) in [("en", "Nobody waits for a decision"), ("zh-CN", "没有待审核的申请")] {
        let mut browser = signed_in(&app, "operator", language).await;
        for path in PAGES {
            page(&mut browser, path).await;
        }
        page(&mut browser, "/operator/applications").await.says(empty);
        // What is no filter is told, or left out; nothing breaks.
        for odd in [
            "/operator/orders?number=CS9&state=nonsense",
            "/operator/calls?seller=nobody",
            "/operator/ledger?book=x",
            "/operator/statements?month=soon",
            "/operator/audit?account=x&from=yesterday",
            "/operator/subscriptions?q=nothing",
        ] {
            page(&mut browser, odd).await;
        }
        for missing in ["/operator/orders/CS1", "/operator/settings/currency", "/operator/accounts/acc_0"] {
            assert_ne!(browser.open(missing).await.status, StatusCode::OK, "{missing}");
        }
    }
    app.finish().await;
}

#[tokio::test]
async fn an_application_is_rejected_with_a_reason_that_is_asked_for_and_then_approved() {
    let fair = Fair::new().await;
    let applied = fair.post("/seller/application", &fair.seller, Fair::application()).await;
    assert_eq!(applied.status, StatusCode::CREATED);
    let mut browser = signed_in(&fair.app, "operator", "en").await;
    let desk = page(&mut browser, "/operator").await;
    desk.says("Oldest just now");
    let list = page(&mut browser, "/operator/applications").await;
    list.says("星云科技有限公司");
    let path = link(&list, "/operator/applications/acc_");
    page(&mut browser, &path).await.says("ICBC");
    let refused = browser.post(&format!("{path}/reject"), &[("reason", "  ")]).await;
    assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY);
    refused.says("aria-invalid=\"true\"");
    let rejected = browser.post(&format!("{path}/reject"), &[("reason", "No licence <script>alert(1)</script>")]).await;
    assert_eq!(rejected.goes_to(), "/operator/applications?done=rejected");
    let seen = page(&mut browser, &path).await;
    assert!(!seen.html.contains("<script>alert"), "{}", seen.html);
    seen.says("No licence &#60;script&#62;");
    // A second decision comes too late, and says so.
    assert!(browser.post(&format!("{path}/approve"), &[]).await.status.is_client_error());
    assert_eq!(fair.post("/seller/application", &fair.seller, Fair::application()).await.status, StatusCode::CREATED);
    assert_eq!(browser.post(&format!("{path}/approve"), &[]).await.goes_to(), "/operator/applications?done=approved");
    page(&mut browser, "/operator/sellers?state=approved").await.says("星云科技有限公司");
    fair.finish().await;
}

/// Changes the overview and the monthly price of the shop's product and submits it.
async fn submit_a_change(shop: &Shop) {
    let (fair, id) = (&shop.fair, shop.product["id"].as_str().unwrap());
    let own = fair.get(&format!("/seller/products/{id}"), &fair.seller).await;
    let mut draft = own.body["draft"].clone();
    draft["overview"]["en"] = json!("Takes notes & <b>more</b>");
    draft["editions"][0]["skus"][0]["prices"][0]["amount_minor"] = json!(1_200);
    let path = format!("/api/v1/seller/products/{id}");
    let put = fair.app.request(Method::PUT, &format!("{path}/draft")).bearer_auth(&fair.seller).header("if-match", own.header("etag"));
    let saved = fair.app.send(put.json(&draft)).await;
    assert_eq!(saved.status, StatusCode::OK, "{saved:?}");
    let submit = fair.app.request(Method::POST, &format!("{path}/submit")).bearer_auth(&fair.seller);
    let submitted = fair.app.send(submit.header("if-match", saved.header("etag"))).await;
    assert_eq!(submitted.status, StatusCode::OK, "{submitted:?}");
}

#[tokio::test]
async fn a_change_of_a_product_stands_beside_what_is_sold_now() {
    let shop = Shop::open().await;
    submit_a_change(&shop).await;
    let mut browser = signed_in(&shop.fair.app, "operator", "en").await;
    let list = page(&mut browser, "/operator/listings").await;
    list.says("Change of a product");
    let path = link(&list, "/operator/listings/lst_");
    let review = page(&mut browser, &path).await;
    review.says("<del>Takes notes</del>");
    review.says("<ins>Takes notes &#38; &#60;b&#62;more&#60;/b&#62;</ins>");
    review.says("<del>¥10.00 a month");
    review.says("<ins>¥12.00 a month");
    review.says("Fields that differ from what is sold now: 2.");
    // Nothing that is submitted is kept from the reviewer, and everything has a name.
    review.says("Category");
    review.says(&format!("main\n{}", shop.server.url()));
    assert!(!review.html.contains("adr_"), "{}", review.html);
    assert_eq!(review.html.matches("<tr class=\"changed\">").count(), 2);
    let long = "x".repeat(501);
    let refused = browser.post(&format!("{path}/reject"), &[("reason", &long)]).await;
    assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY);
    refused.says(&long);
    assert_eq!(browser.post(&format!("{path}/approve"), &[]).await.goes_to(), "/operator/listings?done=approved");
    page(&mut browser, &path).await.says("Approved");
    // It can be hidden, for whoever is sure, and shown again.
    let product = format!("/operator/products/{}", shop.product["id"].as_str().unwrap());
    assert_eq!(browser.post(&format!("{product}/hide"), &[]).await.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(browser.post(&format!("{product}/hide"), &[("sure", "yes")]).await.goes_to().starts_with(&product));
    page(&mut browser, &product).await.says("Show it again");
    browser.post(&format!("{product}/show"), &[]).await.goes_to();
    page(&mut browser, &product).await.says("Retire it for good");
    shop.finish().await;
}

#[tokio::test]
async fn a_deposit_is_recorded_once_and_what_was_typed_stays() {
    let app = TestApp::new().await;
    people::operator(&app.market).await;
    people::buyer(&app.market, "acme").await;
    let mut browser = signed_in(&app, "operator", "en").await;
    let form = page(&mut browser, "/operator/deposits").await;
    let key = form.field("key");
    let fields = |account: &'static str, amount: &'static str, key: &str| {
        let reference = "ICBC-20260105-7";
        [
            ("account", account.to_owned()),
            ("amount", amount.to_owned()),
            ("bank_reference", reference.to_owned()),
            ("note", "January".to_owned()),
            ("key", key.to_owned()),
        ]
    };
    let send = async |browser: &mut Browser<'_>, fields: [(&str, String); 5]| {
        let fields: Vec<(&str, &str)> = fields.iter().map(|(name, value)| (*name, value.as_str())).collect();
        browser.post("/operator/deposits", &fields).await
    };
    for (account, amount, said) in [
        ("nobody", "100.00", "names no account"),
        ("acme", "a lot", "must be a sum such as 1234.50"),
        ("acme", "1.005", "must be a sum such as 1234.50"),
        ("acme", "0", "must be greater than zero"),
    ] {
        let refused = send(&mut browser, fields(account, amount, &people_key())).await;
        assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY, "{account} {amount}");
        refused.says(said);
        refused.says(&format!("value=\"{amount}\""));
        refused.says("value=\"ICBC-20260105-7\"");
    }
    assert_eq!(send(&mut browser, fields("acme", "1,234.50", &key)).await.goes_to(), "/operator/deposits?done=deposit");
    // Pressed twice, it is one deposit.
    assert_eq!(send(&mut browser, fields("acme", "1,234.50", &key)).await.goes_to(), "/operator/deposits?done=deposit");
    let list = page(&mut browser, "/operator/deposits").await;
    assert_eq!(list.html.matches("ICBC-20260105-7").count(), 1);
    list.says("¥1,234.50");
    let doubled = send(&mut browser, fields("acme", "1,234.50", &people_key())).await;
    assert_eq!(doubled.status, StatusCode::UNPROCESSABLE_ENTITY);
    doubled.says("id=\"record-bank_reference-wrong\" role=\"alert\">was recorded already");
    doubled.says("value=\"1,234.50\"");
    page(&mut browser, "/operator").await.says("¥1,234.50");
    let account = link(&list, "/operator/accounts/acc_");
    page(&mut browser, &account).await.says("¥1,234.50");
    page(&mut browser, "/operator/ledger").await.says("Buyer’s balance");
    app.finish().await;
}

/// Another key for a form.
fn people_key() -> String {
    use std::sync::atomic::{AtomicU64, Ordering};
    static NEXT: AtomicU64 = AtomicU64::new(1);
    format!("{:032x}", NEXT.fetch_add(1, Ordering::Relaxed))
}

#[tokio::test]
async fn why_an_order_failed_is_found_and_its_call_is_made_again() {
    let shop = Shop::open().await;
    shop.server.behave(Behaviour::Dead).await;
    let number = shop.pay().await;
    shop.days(0).await;
    let mut browser = signed_in(&shop.fair.app, "operator", "en").await;
    let found = browser.open(&format!("/operator/orders?number={}", number.to_lowercase())).await;
    assert_eq!(found.goes_to(), format!("/operator/orders/{number}"));
    let order = page(&mut browser, &format!("/operator/orders/{number}")).await;
    order.says("Held for an order");
    order.says("¥60.00");
    let call = link(&order, "/operator/calls/dlv_");
    let seen = page(&mut browser, &call).await;
    seen.says("No connection");
    assert!(!seen.html.contains(&shop.server.access_key()), "the key is nowhere");
    shop.server.behave(Behaviour::Sound).await;
    assert_eq!(browser.post(&format!("{call}/restart"), &[]).await.goes_to(), format!("{call}?done=restarted"));
    shop.days(0).await;
    page(&mut browser, &call).await.says("chip ok");
    page(&mut browser, &format!("/operator/orders/{number}")).await.says("Completed");
    // Another order fails for good: the desk says so, the chart counts it.
    shop.finish().await;
}

#[tokio::test]
async fn a_subscription_is_frozen_with_a_reason_that_stands_in_its_timeline() {
    let shop = Shop::open().await;
    let (_, sub) = shop.buy().await;
    let id = sub["id"].as_str().unwrap();
    let mut browser = signed_in(&shop.fair.app, "operator", "en").await;
    let list = page(&mut browser, "/operator/subscriptions?state=in_use").await;
    let path = link(&list, "/operator/subscriptions/sub_");
    assert_eq!(path, format!("/operator/subscriptions/{id}"));
    let refused = browser.post(&format!("{path}/freeze"), &[("reason", "")]).await;
    assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY);
    browser.post(&format!("{path}/freeze"), &[("reason", "spam <i>sent</i>")]).await.goes_to();
    let frozen = page(&mut browser, &path).await;
    frozen.says("spam &#60;i&#62;sent&#60;/i&#62; (operator)");
    frozen.says("Frozen by the operator");
    shop.days(0).await;
    browser.post(&format!("{path}/unfreeze"), &[]).await.goes_to();
    page(&mut browser, &path).await.says("Thawed");
    shop.days(0).await;
    shop.finish().await;
}

#[tokio::test]
async fn a_month_is_settled_every_figure_explained_and_the_payout_recorded() {
    let shop = Shop::open().await;
    shop.buy().await;
    shop.days(40).await;
    let mut browser = signed_in(&shop.fair.app, "operator", "en").await;
    let wrong = browser.post("/operator/statements", &[("month", "soon")]).await;
    assert_eq!(wrong.status, StatusCode::UNPROCESSABLE_ENTITY);
    wrong.says("value=\"soon\"");
    wrong.says("must be a month that is over");
    let form = page(&mut browser, "/operator/statements").await;
    let path = link(&form, "/operator/statements/stm_");
    let month = form.field("month");
    assert!(browser.post("/operator/statements", &[("month", &month)]).await.goes_to().starts_with("/operator/statements?month="));
    let statement = page(&mut browser, &path).await;
    for said in ["¥60.00", "5.00 %", "¥3.00", "-¥3.00", "¥57.00", "What is too little to pay out now"] {
        statement.says(said);
    }
    // It is too little to pay out; once more is sold, a later month pays both.
    statement.says("Carried over");
    shop.finish().await;
}

#[tokio::test]
async fn a_payout_is_recorded_once() {
    let shop = Shop::open().await;
    let mut browser = signed_in(&shop.fair.app, "operator", "en").await;
    // From now on even a small sum is paid out.
    let path = "/operator/settings/payout_min_minor";
    let version = page(&mut browser, path).await.field("version");
    let fields = [("value", "1.00"), ("reason", "small sellers"), ("version", version.as_str())];
    assert_eq!(browser.post(path, &fields).await.goes_to(), format!("{path}?done=number"));
    shop.buy().await;
    shop.days(40).await;
    let list = page(&mut browser, "/operator/statements?state=payable").await;
    let path = link(&list, "/operator/statements/stm_");
    let form = page(&mut browser, &path).await;
    form.says("¥57.00");
    let key = form.field("key");
    let refused = browser.post(&format!("{path}/payout"), &[("bank_reference", ""), ("key", &key)]).await;
    assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY);
    let fields = [("bank_reference", "OUT-1"), ("key", &*people_key())];
    assert_eq!(browser.post(&format!("{path}/payout"), &fields).await.goes_to(), format!("{path}?done=paid-out"));
    let paid = page(&mut browser, &path).await;
    paid.says("OUT-1");
    paid.says("Paid");
    shop.finish().await;
}

#[tokio::test]
async fn two_people_who_edit_the_same_number_learn_of_each_other() {
    let app = TestApp::new().await;
    people::operator(&app.market).await;
    let mut first = signed_in(&app, "operator", "en").await;
    let mut second = signed_in(&app, "operator", "zh-CN").await;
    let path = "/operator/settings/refund_days";
    let (one, two) = (page(&mut first, path).await.field("version"), page(&mut second, path).await.field("version"));
    let fields = |value: &'static str, version: &str| {
        vec![("value", value.to_owned()), ("reason", "tried".to_owned()), ("version", version.to_owned())]
    };
    let send = async |browser: &mut Browser<'_>, fields: Vec<(&str, String)>| {
        let fields: Vec<(&str, &str)> = fields.iter().map(|(name, value)| (*name, value.as_str())).collect();
        browser.post(path, &fields).await
    };
    send(&mut first, fields("9", &one)).await.goes_to();
    assert_eq!(app.market.edition().refund_days, 9, "whoever set it goes by it at once");
    let late = send(&mut second, fields("12", &two)).await;
    assert_eq!(late.status, StatusCode::PRECONDITION_FAILED);
    late.says("value=\"12\"");
    late.says("其他人已修改了此项，当前值为：9 天");
    // With what is there now before their eyes, they decide anew.
    let version = late.field("version");
    assert_ne!(version, two);
    send(&mut second, fields("12", &version)).await.goes_to();
    assert_eq!(app.market.edition().refund_days, 12);
    let seen = page(&mut first, path).await;
    for said in ["9 days", "12 days", "5 days", "tried", "operator"] {
        seen.says(said);
    }
    for (value, said) in [("many", "must be a whole number"), ("-1", "must be between 0 and 3650"), ("12", "is what holds already")] {
        let refused = send(&mut first, fields(value, &seen.field("version"))).await;
        assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY, "{value}");
        refused.says(said);
        refused.says(&format!("value=\"{value}\""));
    }
    let money = page(&mut first, "/operator/settings/refund_large_minor").await;
    money.says("value=\"50000.00\"");
    let version = seen.field("version");
    let back = first.post(&format!("{path}/default"), &[("reason", "as before"), ("version", &version)]).await;
    back.goes_to();
    assert_eq!(app.market.edition().refund_days, 5);
    page(&mut first, "/operator/settings").await.says("back to the configuration");
    page(&mut first, "/operator/audit?action=site.number_set").await.says("Number of the business set");
    app.finish().await;
}

#[tokio::test]
async fn only_whoever_may_sees_and_does_it() {
    let app = TestApp::new().await;
    let operator = people::operator(&app.market).await;
    people::buyer(&app.market, "acme").await;
    people::colleague(&app.market, &operator, "reviewer", &[Role::OperatorReviewer]).await;
    let mut buyer = signed_in(&app, "acme", "en").await;
    let mut visitor = Browser::new(&app, "en");
    for path in PAGES {
        assert_eq!(buyer.open(path).await.status, StatusCode::FORBIDDEN, "{path}");
        assert!(visitor.open(path).await.goes_to().starts_with("/sign-in"), "{path}");
    }
    let mut reviewer = signed_in(&app, "reviewer", "en").await;
    page(&mut reviewer, "/operator/applications").await;
    for path in ["/operator/deposits", "/operator/statements", "/operator/ledger", "/operator/clock"] {
        assert_eq!(reviewer.open(path).await.status, StatusCode::FORBIDDEN, "{path}");
    }
    let seen = page(&mut reviewer, "/operator/settings/grace_days").await;
    assert!(!seen.html.contains("<textarea") && !seen.html.contains("name=\"version\""), "{}", seen.html);
    let fields = [("value", "3"), ("reason", "x"), ("version", "0")];
    assert_eq!(reviewer.post("/operator/settings/grace_days", &fields).await.status, StatusCode::FORBIDDEN);
    // Another site's form does nothing for the operator either.
    let mut admin = signed_in(&app, "operator", "en").await;
    let elsewhere = admin.post_from("cross-site", "/operator/settings/grace_days", &fields).await;
    assert_ne!(elsewhere.status, StatusCode::SEE_OTHER, "{}", elsewhere.html);
    assert_eq!(app.market.edition().grace_days, 0);
    app.finish().await;
}

#[tokio::test]
async fn the_clock_of_a_sandbox_is_moved_and_says_what_was_done() {
    let shop = Shop::open().await;
    let (_, sub) = shop.buy().await;
    let mut browser = signed_in(&shop.fair.app, "operator", "en").await;
    for (count, said) in [("", "must be a whole number"), ("-3", "must be greater than zero"), ("9999999", "")] {
        let refused = browser.post("/operator/clock/advance", &[("count", count), ("unit", "days")]).await;
        assert!(refused.status.is_client_error(), "{count}");
        refused.says(said);
    }
    let moved = browser.post("/operator/clock/advance", &[("count", "90"), ("unit", "days")]).await;
    let path = moved.goes_to().to_owned();
    let page = page(&mut browser, &path).await;
    page.says("Jobs done on the way:");
    page.says("Clock moved forward");
    let now = shop.fair.get(&format!("/subscriptions/{}", sub["id"].as_str().unwrap()), &shop.buyer).await;
    assert_eq!(now.body["state"], Value::from("released"));
    shop.finish().await;
}
