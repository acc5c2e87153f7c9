//! The seller center as people use it, without scripts: from an application to a statement.

use market::accounts::Role;
use reqwest::StatusCode;
use serde_json::json;
use testkit::sellers::{Behaviour, Lie, ScriptedSeller};

use crate::browser::{Browser, Seen};
use crate::buying::Shop;
use crate::people;
use crate::selling::Fair;

const HOSTILE: &str = "<script>alert(1)</script>\"'><img src=x onerror=alert(1)>";

/// Every page of a seller that needs no thing of its own.
const PAGES: [&str; 15] = [
    "/seller",
    "/seller/apply",
    "/seller/products",
    "/seller/products/new",
    "/seller/addresses",
    "/seller/debug",
    "/seller/debug/tries",
    "/seller/debug/cases",
    "/seller/calls",
    "/seller/keys",
    "/seller/orders",
    "/seller/subscriptions",
    "/seller/sales",
    "/seller/statements",
    "/seller/calls?q=nothing&state=done&scene=create",
];

/// What stands between two texts of a page.
fn between<'a>(seen: &'a Seen, before: &str, after: &str) -> &'a str {
    let rest = seen.html.split(before).nth(1).unwrap_or_else(|| panic!("{before} is not in: {}", seen.html));
    rest.split(after).next().unwrap()
}

async fn seller<'a>(fair: &'a Fair, language: &'static str) -> Browser<'a> {
    let mut browser = Browser::new(&fair.app, language);
    browser.sign_in("nebula").await;
    browser
}

const APPLICATION: [(&str, &str); 7] = [
    ("company", "星云科技有限公司"),
    ("website", "https://nebula.example.com"),
    ("contact_name", "李伟"),
    ("contact_email", "li.wei@example.com"),
    ("contact_phone", "+8613800000000"),
    ("bank.name", "ICBC"),
    ("bank.number", "6222 0000 1234 5678"),
];

/// The same fields with one of them changed.
fn with<'a>(fields: &[(&'a str, &'a str)], name: &str, value: &'a str) -> Vec<(&'a str, &'a str)> {
    fields.iter().map(|(known, old)| if *known == name { (*known, value) } else { (*known, *old) }).collect()
}

/// A complete draft; its address is `address`.
fn draft<'a>(version: &'a str, key: &'a str, address: &'a str) -> Vec<(&'a str, &'a str)> {
    vec![
        ("version", version),
        ("key", key),
        ("names.zh", "云表格"),
        ("names.en", "Cloud Sheets"),
        ("overview.zh", "团队一起编辑的表格"),
        ("overview.en", "Spreadsheets for teams"),
        ("highlights.0.zh", "实时协作"),
        ("highlights.0.en", "Live collaboration"),
        ("description.zh", "# 在线协作\r\n\r\n**一起**编辑"),
        ("description.en", "# Together\r\n\r\nWork **online**"),
        ("support_email", "help@example.com"),
        ("support_phone", ""),
        ("editions.0.id", ""),
        ("editions.0.names.zh", "标准"),
        ("editions.0.names.en", "Standard"),
        ("editions.0.charging_mode", "PERIOD"),
        ("editions.0.tax_kind", "software"),
        ("editions.0.refund_rule", "no_reason"),
        ("editions.0.address_id", address),
        ("editions.0.skus.0.id", ""),
        ("editions.0.skus.0.names.zh", "基础版"),
        ("editions.0.skus.0.names.en", "Basic"),
        ("editions.0.skus.0.min", "1"),
        ("editions.0.skus.0.max", "500"),
        ("editions.0.skus.0.step", "1"),
        ("editions.0.skus.0.unit.zh", "用户"),
        ("editions.0.skus.0.unit.en", "users"),
        ("editions.0.skus.0.month", "19.90"),
        ("editions.0.skus.0.year", "199"),
        ("editions.0.skus.0.once", ""),
        ("editions.0.skus.0.change", "any"),
        ("editions.0.skus.0.steps", "1"),
    ]
}

#[tokio::test]
async fn a_seller_goes_from_an_application_to_a_product_on_sale() {
    let (fair, server) = (Fair::near().await, ScriptedSeller::start().await);
    let mut browser = seller(&fair, "en").await;
    // A buyer finds the way to sell.
    browser.open("/buyer").await.says("href=\"/seller/apply\"");
    browser.open("/seller/apply").await.says("Send the application");
    let wrong = browser.post("/seller/apply", &with(&APPLICATION, "contact_email", "nowhere")).await;
    assert_eq!(wrong.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(between(&wrong, "id=\"contact_email-wrong\"", "</p>").contains("must be an e-mail address"), "{}", wrong.html);
    wrong.says("value=\"星云科技有限公司\"");
    assert_eq!(browser.post("/seller/apply", &APPLICATION).await.goes_to(), "/seller/apply?done=application-sent");
    let waiting = browser.open("/seller/apply?done=application-sent").await;
    waiting.says("The application is sent.");
    waiting.says("Under review");
    assert!(!waiting.html.contains("Send the application"), "it is sent once");
    // Rejected, it says why and may be sent again with everything in it.
    let account = fair.seller_person.account.id;
    fair.post(&format!("/operator/sellers/{account}/reject"), &fair.operator, json!({ "reason": "the licence is missing" })).await;
    let rejected = browser.open("/seller/apply").await;
    rejected.says("the licence is missing");
    rejected.says("value=\"https://nebula.example.com/\"");
    assert_eq!(browser.post("/seller/apply", &APPLICATION).await.goes_to(), "/seller/apply?done=application-sent");
    fair.post(&format!("/operator/sellers/{account}/approve"), &fair.operator, json!({})).await;
    browser.open("/seller/apply").await.says("You may sell.");
    let first = browser.open("/seller").await;
    first.says("First steps");
    first.says("Nothing needs you now.");

    // A key, shown once; an address, refused beside its field and then taken.
    let key = server.access_key();
    let made = browser.post("/seller/signing-keys", &[("key_name", "main"), ("key", &key)]).await;
    assert_eq!(made.status, StatusCode::OK);
    made.says(&key);
    let page = browser.open("/seller/addresses").await;
    assert!(!page.html.contains(&key), "a key is shown once");
    let (once, key_id) = (
        page.field("once"),
        between(&page, "name=\"key_id\"", "</select>").split("value=\"").nth(1).unwrap().split('"').next().unwrap().to_owned(),
    );
    let url = server.url();
    let address = [("once", once.as_str()), ("name", "main"), ("url", url.as_str()), ("key_id", key_id.as_str())];
    let wrong = browser.post("/seller/addresses", &with(&address, "url", "not a url")).await;
    assert!(between(&wrong, "id=\"url-wrong\"", "</p>").contains("must be a web address"), "{}", wrong.html);
    wrong.says("value=\"not a url\"");
    for _ in 0..2 {
        assert_eq!(browser.post("/seller/addresses", &address).await.goes_to(), "/seller/addresses?done=address-created");
    }
    let page = browser.open("/seller/addresses").await;
    assert_eq!(page.html.matches("href=\"/seller/addresses/adr_").count(), 1, "a second click registers nothing");
    let address = format!("adr_{}", between(&page, "href=\"/seller/addresses/adr_", "\""));

    // A product, written in one form.
    let new = browser.open("/seller/products/new").await;
    let once = new.field("key");
    let whole = draft("", &once, &address);
    let rows = browser.post("/seller/products", &[&whole[..], &[("do", "add-sku.0")]].concat()).await;
    assert_eq!(rows.status, StatusCode::OK);
    rows.says("name=\"editions.0.skus.1.names.zh\"");
    rows.says("value=\"云表格\"");
    let seen = browser.post("/seller/products", &[&whole[..], &[("do", "preview")]].concat()).await;
    seen.says("<h1>Together</h1>");
    seen.says("¥19.90");
    let bad = with(&with(&whole, "editions.0.skus.0.month", "cheap"), "editions.0.skus.0.max", "many");
    let refused = browser.post("/seller/products", &bad).await;
    assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(
        between(&refused, "id=\"editions.0.skus.0.prices-wrong\"", "</p>").contains("must be a sum such as 1234.50"),
        "{}",
        refused.html
    );
    assert!(between(&refused, "id=\"editions.0.skus.0.max-wrong\"", "</p>").contains("must be between"), "{}", refused.html);
    refused.says("Edition 1 › SKU 1 › Prices");
    refused.says("value=\"cheap\"");
    let unfinished = with(&whole, "overview.zh", "");
    let unfinished = with(&unfinished, "overview.en", "");
    let saved = browser.post("/seller/products", &unfinished).await.goes_to().to_owned();
    assert_eq!(browser.post("/seller/products", &unfinished).await.goes_to(), saved, "a second click begins no second product");
    let page = browser.open(&saved).await;
    page.says("The draft is saved.");
    page.says("<li>Overview</li>");
    let product = between(&page, "action=\"/seller/products/", "/draft\"").to_owned();
    let path = format!("/seller/products/{product}");
    let page = browser.open(&format!("{path}/draft")).await;
    let (edition, sku) = (page.field("editions.0.id"), page.field("editions.0.skus.0.id"));
    let version = page.field("version");
    let whole = draft(&version, "", &address);
    let whole = with(&with(&whole, "editions.0.id", &edition), "editions.0.skus.0.id", &sku);
    assert_eq!(browser.post(&format!("{path}/draft"), &whole).await.goes_to(), format!("{path}/draft?done=draft-saved"));
    let complete = browser.open(&path).await;
    let version = complete.field("version");
    assert_eq!(browser.post(&format!("{path}/submit"), &[("version", "1")]).await.status, StatusCode::PRECONDITION_FAILED);
    assert_eq!(browser.post(&format!("{path}/submit"), &[("version", &version)]).await.goes_to(), format!("{path}?done=product-submitted"));
    browser.open(&path).await.says("Under review since");

    // Rejected with a reason, then approved.
    let queue = fair.get("/operator/listings", &fair.operator).await;
    let listing = queue.body["items"][0]["id"].as_str().unwrap().to_owned();
    fair.post(&format!("/operator/listings/{listing}/reject"), &fair.operator, json!({ "reason": "say what it does" })).await;
    browser.open(&path).await.says("say what it does");
    browser.open("/seller").await.says("“Cloud Sheets” was rejected");
    let version = browser.open(&path).await.field("version");
    browser.post(&format!("{path}/submit"), &[("version", &version)]).await;
    let queue = fair.get("/operator/listings", &fair.operator).await;
    let listing = queue.body["items"][0]["id"].as_str().unwrap().to_owned();
    fair.post(&format!("/operator/listings/{listing}/approve"), &fair.operator, json!({})).await;
    browser.open(&path).await.says("¥19.90 a month");
    Browser::new(&fair.app, "zh-CN").open(&format!("/products/{product}")).await.says("云表格");

    // Hidden, shown, and its SKU retired for good, which takes a tick.
    assert_eq!(browser.post(&format!("{path}/hide"), &[]).await.goes_to(), format!("{path}?done=product-hidden"));
    assert_eq!(browser.post(&format!("{path}/unhide"), &[]).await.goes_to(), format!("{path}?done=product-shown"));
    let unsure = browser.post(&format!("{path}/retire"), &[("sku", &sku)]).await;
    assert_eq!(unsure.status, StatusCode::UNPROCESSABLE_ENTITY);
    unsure.says("Tick the box");
    assert_eq!(
        browser.post(&format!("{path}/retire"), &[("sku", &sku), ("sure", "yes")]).await.goes_to(),
        format!("{path}?done=part-retired")
    );
    browser.open(&path).await.says("chip idle");
    fair.app.finish().await;
}

#[tokio::test]
async fn a_seller_debugs_a_server_and_nothing_of_the_business_changes() {
    let shop = Shop::open().await;
    shop.buy().await;
    let before = shop.fair.get("/seller/calls", &shop.fair.seller).await.body;
    let instances = shop.server.sound().instances().len();
    let mut browser = seller(&shop.fair, "en").await;
    let form = browser.open("/seller/debug?scene=create").await;
    form.says("MOCKPERIODYEARNEW");
    let address = form.field("address");
    let fields = [
        ("address", address.as_str()),
        ("scene", "create"),
        ("signing", "right"),
        ("order_id", "MOCKPERIODYEARNEW"),
        ("order_line_id", "MOCKPERIODYEARNEW-000001"),
    ];
    let wrong = browser.post("/seller/debug", &with(&fields, "order_id", " ")).await;
    assert_eq!(wrong.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(between(&wrong, "id=\"order_id-wrong\"", "</p>").contains("must not be empty"), "{}", wrong.html);
    wrong.says("value=\"MOCKPERIODYEARNEW-000001\"");

    // A lie, told in words.
    shop.server.behave(Behaviour::Lying(Lie::NoInstance)).await;
    let lied = browser.post("/seller/debug", &fields).await.goes_to().to_owned();
    let lied = browser.open(&lied).await;
    lied.says("instanceId is missing");
    lied.says("Not passed");
    assert!(!lied.html.contains("Save as a test case"), "only what passes is kept");
    shop.server.behave(Behaviour::Lying(Lie::AnySignature)).await;
    let forged = browser.post("/seller/debug", &with(&fields, "signing", "forged")).await.goes_to().to_owned();
    browser.open(&forged).await.says("does not check the signature");
    shop.server.behave(Behaviour::Sound).await;

    let tried = browser.post("/seller/debug", &fields).await.goes_to().to_owned();
    let page = browser.open(&tried).await;
    page.says("Passed");
    page.says("testFlag&#34;: &#34;1&#34;");
    page.says("HTTP 200");
    assert!(!page.html.contains(&shop.server.access_key()), "the key is nowhere");
    // The next scene begins with the instance that was named.
    let instance = between(&page, "instanceId&#34;: &#34;", "&#34;").to_owned();
    browser.open("/seller/debug?scene=query").await.says(&instance);
    let again = browser.open(&format!("/seller/debug?again={}", tried.rsplit('/').next().unwrap())).await;
    again.says("MOCKPERIODYEARNEW-000001");

    // Kept, run again alone and with all; what fails later is told.
    let saved = browser.post(&format!("{tried}/save"), &[("name", "新购一年")]).await.goes_to().to_owned();
    assert!(saved.starts_with("/seller/debug/cases?address="), "{saved}");
    let twice = browser.post(&format!("{tried}/save"), &[("name", "新购一年")]).await;
    assert_eq!(twice.status, StatusCode::CONFLICT);
    assert!(between(&twice, "id=\"name-wrong\"", "</p>").contains("Choose another name"), "{}", twice.html);
    let cases = browser.open(&saved).await;
    cases.says("新购一年");
    let case = between(&cases, "action=\"/seller/debug/cases/", "/run\"").to_owned();
    shop.server.behave(Behaviour::Dead).await;
    let failed = browser.post(&format!("/seller/debug/cases/{case}/run"), &[]).await.goes_to().to_owned();
    let failed = browser.open(&failed).await;
    failed.says("No connection could be made");
    failed.says("A run of the test case");
    browser.open("/seller/debug/cases").await.says("chip bad");
    shop.server.behave(Behaviour::Sound).await;
    let ran = browser.post("/seller/debug/run-all", &[("address", address.as_str()), ("ran", "")]).await.goes_to().to_owned();
    let ran = browser.open(&ran).await;
    ran.says("All test cases have been run.");
    assert!(!ran.html.contains("chip bad"), "{}", ran.html);
    assert_eq!(browser.post(&format!("/seller/debug/cases/{case}/delete"), &[]).await.goes_to(), "/seller/debug/cases?done=case-deleted");
    browser.open("/seller/debug/cases").await.says("No test case yet");
    browser.open("/seller/debug/tries").await.says("Purchase: create an instance");

    assert_eq!(shop.fair.get("/seller/calls", &shop.fair.seller).await.body, before, "no call was asked for");
    assert_eq!(shop.server.sound().instances().len(), instances, "and nothing was opened");
    shop.fair.app.finish().await;
}

#[tokio::test]
async fn a_seller_finds_why_an_order_failed() {
    let shop = Shop::open().await;
    shop.server.behave(Behaviour::Dead).await;
    let number = shop.pay().await;
    shop.days(0).await;
    let mut browser = seller(&shop.fair, "en").await;
    let today = browser.open("/seller").await;
    today.says("1 calls are tried again");
    let list = browser.open(&format!("/seller/calls?q={number}&state=waiting")).await;
    let call = format!("/seller/calls/{}", between(&list, "href=\"/seller/calls/", "\""));
    let waiting = browser.open(&call).await;
    waiting.says("The next attempt comes at");
    waiting.says("It is given up at");
    shop.days(1).await;
    let overview = browser.open("/seller").await;
    overview.says(&format!("Order {number} failed"));
    let order = browser.open(&format!("/seller/orders/{number}")).await;
    order.says("It failed, and the buyer’s money was returned.");
    order.says("No connection");
    order.says(&call);
    let page = browser.open(&call).await;
    page.says("this call cannot be restarted");
    assert!(!page.html.contains("/restart\""), "what was refunded is not restarted");
    browser.open("/seller/orders?state=failed").await.says(&number);
    assert!(!browser.open("/seller/orders?state=completed").await.html.contains(&number));
    shop.fair.app.finish().await;
}

#[tokio::test]
async fn a_seller_sees_what_was_sold_and_how_a_statement_was_made() {
    let shop = Shop::open().await;
    let (order, subscription) = shop.buy().await;
    let number = order["number"].as_str().unwrap();
    let mut browser = seller(&shop.fair, "zh-CN").await;
    let page = browser.open(&format!("/seller/orders/{number}")).await;
    page.says("¥60.00");
    page.says("-¥3.00");
    page.says("¥57.00");
    let path = format!("/seller/subscriptions/{}", subscription["id"].as_str().unwrap());
    browser.open("/seller/subscriptions?state=in_use").await.says(&path);
    let page = browser.open(&path).await;
    page.says("/seller/calls/");
    page.says(subscription["instance_id"].as_str().unwrap());
    browser.open("/seller/sales?state=open").await.says(number);
    shop.days(70).await;
    let list = browser.open("/seller/statements").await;
    let statement = format!("/seller/statements/{}", between(&list, "href=\"/seller/statements/", "\""));
    let page = browser.open(&statement).await;
    page.says(number);
    page.says("-¥3.00");
    page.says("5%");
    assert!(!browser.open("/seller").await.html.contains(&statement), "one of long ago that was carried on needs nobody");
    // Another seller's are nobody's.
    let other = people::buyer(&shop.fair.app.market, "other").await;
    people::admit(&shop.fair.app.market, &other).await;
    let mut stranger = Browser::new(&shop.fair.app, "en");
    stranger.sign_in("other").await;
    for path in [statement, path, format!("/seller/orders/{number}")] {
        assert_eq!(stranger.open(&path).await.status, StatusCode::NOT_FOUND, "{path}");
    }
    shop.fair.app.finish().await;
}

#[tokio::test]
async fn two_tabs_that_edit_one_draft_lose_nothing() {
    let shop = Shop::open().await;
    let mut browser = seller(&shop.fair, "en").await;
    let path = format!("/seller/products/{}", shop.product["id"].as_str().unwrap());
    let page = browser.open(&format!("{path}/draft")).await;
    page.says("Published: it cannot be left out");
    let version = page.field("version");
    let first = [("names.zh", "第一个标签页"), ("version", version.as_str())];
    assert_eq!(browser.post(&format!("{path}/draft"), &first).await.goes_to(), format!("{path}/draft?done=draft-saved"));
    let second = [("names.zh", "第二个标签页"), ("version", version.as_str())];
    let conflict = browser.post(&format!("{path}/draft"), &second).await;
    assert_eq!(conflict.status, StatusCode::PRECONDITION_FAILED);
    conflict.says("Somebody else saved this draft");
    conflict.says("value=\"第二个标签页\"");
    browser.open(&format!("{path}/draft")).await.says("value=\"第一个标签页\"");
    // Whoever has read that may replace it.
    let version = conflict.field("version");
    let again = [("names.zh", "第二个标签页"), ("version", version.as_str())];
    assert_eq!(browser.post(&format!("{path}/draft"), &again).await.goes_to(), format!("{path}/draft?done=draft-saved"));
    // What is not finished cannot be submitted, also by a button that an old page still has: the page says so in words.
    let version = browser.open(&format!("{path}/draft")).await.field("version");
    let refused = browser.post(&format!("{path}/submit"), &[("version", &version)]).await;
    assert_eq!(refused.status, StatusCode::CONFLICT);
    refused.says("Something is still missing");
    shop.fair.app.finish().await;
}

#[tokio::test]
async fn hostile_text_stays_text() {
    let shop = Shop::open().await;
    let mut browser = seller(&shop.fair, "en").await;
    let fields = [
        ("key", "k-hostile"),
        ("names.zh", "<b>\"x\"</b>"),
        ("overview.en", HOSTILE),
        ("description.en", HOSTILE),
        ("highlights.0.en", "<i>x</i>"),
        ("editions.0.names.en", "<u>\"y\"</u>"),
        ("editions.0.skus.0.month", HOSTILE),
        ("editions.99999.names.en", "x"),
        ("nobody.knows.this", "x"),
    ];
    for act in ["save", "preview", "add-edition", "drop-edition.0", "nonsense"] {
        let seen = browser.post("/seller/products", &[&fields[..], &[("do", act)]].concat()).await;
        for bad in ["<script>alert", "<img src=x", "<b>\"x\"", "<u>\"y\"", "<i>x"] {
            assert!(!seen.html.contains(bad), "{act} {bad}: {}", seen.html);
        }
    }
    for (path, name) in [("/seller/signing-keys", "key_name"), ("/seller/keys", "name")] {
        let seen = browser.post(path, &[(name, HOSTILE), ("key", "")]).await;
        assert!(!seen.html.contains("<script>alert") && !seen.html.contains("<img src=x"), "{path}: {}", seen.html);
        assert!(!browser.open(if path == "/seller/keys" { path } else { "/seller/addresses" }).await.html.contains("<img src=x"));
    }
    let hostile = browser.open("/seller/calls?q=%3Cscript%3Ealert(1)%3C/script%3E").await;
    assert!(!hostile.html.contains("<script>alert"), "{}", hostile.html);
    // A page of its own for what is no id, and for what is too large.
    for path in ["/seller/debug/tries/try_01", "/seller/products/x", "/seller/addresses/x", "/seller/statements/x"] {
        assert_eq!(browser.open(path).await.status, StatusCode::NOT_FOUND, "{path}");
    }
    let large = browser.post("/seller/products", &[("description.en", "x".repeat(300_000).as_str())]).await;
    assert_eq!(large.status, StatusCode::PAYLOAD_TOO_LARGE);
    shop.fair.app.finish().await;
}

#[tokio::test]
async fn every_page_is_there_for_a_seller_who_has_nothing_yet_in_either_language() {
    let fair = Fair::near().await;
    fair.admit().await;
    for language in ["en", "zh-CN"] {
        let mut browser = seller(&fair, language).await;
        for path in PAGES {
            let seen = browser.open(path).await;
            assert_eq!(seen.status, StatusCode::OK, "{path}: {}", seen.html);
            assert_eq!(seen.html.matches("<h1").count(), 1, "{path}");
            assert!(!seen.html.contains("page-"), "{path} has a text without words: {}", between(&seen, "page-", "<"));
        }
    }
    fair.app.finish().await;
}

#[tokio::test]
async fn a_pair_for_the_open_api_is_shown_once_and_can_be_revoked() {
    let shop = Shop::open().await;
    let mut browser = seller(&shop.fair, "en").await;
    browser.open("/seller/keys").await.says("No pair yet");
    let made = browser.post("/seller/keys", &[("name", "order server")]).await;
    let secret = between(&made, "id=\"secret\">", "<").to_owned();
    assert!(secret.len() > 20, "{secret}");
    let list = browser.open("/seller/keys").await;
    assert!(!list.html.contains(&secret));
    list.says("order server");
    let id = between(&list, "action=\"/seller/keys/", "/revoke\"").to_owned();
    assert_eq!(browser.post(&format!("/seller/keys/{id}/revoke"), &[]).await.goes_to(), "/seller/keys?done=access-key-revoked");
    browser.open("/seller/keys").await.says("Revoked");
    // Addresses: changed by two tabs, retired only when nothing is sold by them.
    let page = browser.open("/seller/addresses").await;
    let path = format!("/seller/addresses/{}", between(&page, "href=\"/seller/addresses/", "\""));
    let address = browser.open(&path).await;
    address.says("A product that is not retired names this address");
    let key = between(&address, "name=\"key_id\"", "</select>").split("value=\"").nth(1).unwrap().split('"').next().unwrap().to_owned();
    let (version, url) = (address.field("version"), shop.server.url());
    let fields = [("version", version.as_str()), ("name", "renamed"), ("url", url.as_str()), ("key_id", key.as_str())];
    assert_eq!(browser.post(&path, &fields).await.goes_to(), format!("{path}?done=saved"));
    let stale = browser.post(&path, &with(&fields, "name", "typed in the other tab")).await;
    assert_eq!(stale.status, StatusCode::PRECONDITION_FAILED);
    stale.says("value=\"typed in the other tab\"");
    assert_eq!(browser.post(&format!("{path}/retire"), &[]).await.status, StatusCode::CONFLICT);
    shop.fair.app.finish().await;
}

#[tokio::test]
async fn who_may_not_is_told_and_sees_no_buttons() {
    let shop = Shop::open().await;
    let market = &shop.fair.app.market;
    people::colleague(market, &shop.fair.seller_person, "helper", &[Role::SellerSupport]).await;
    let mut helper = Browser::new(&shop.fair.app, "en");
    helper.sign_in("helper").await;
    for path in ["/seller", "/seller/products", "/seller/orders", "/seller/subscriptions", "/seller/calls", "/seller/addresses"] {
        assert_eq!(helper.open(path).await.status, StatusCode::OK, "{path}");
    }
    assert!(!helper.open("/seller/products").await.html.contains("/seller/products/new"));
    for path in ["/seller/debug", "/seller/products/new", "/seller/keys", "/seller/sales", "/seller/statements", "/seller/debug/cases"] {
        assert_eq!(helper.open(path).await.status, StatusCode::FORBIDDEN, "{path}");
    }
    for path in ["/seller/debug", "/seller/products", "/seller/addresses", "/seller/signing-keys", "/seller/keys", "/seller/details"] {
        assert_eq!(helper.post(path, &[("name", "x")]).await.status, StatusCode::FORBIDDEN, "{path}");
    }
    let mut buyer = Browser::new(&shop.fair.app, "en");
    buyer.sign_in("acme").await;
    for path in PAGES.iter().filter(|path| **path != "/seller/apply") {
        assert_eq!(buyer.open(path).await.status, StatusCode::FORBIDDEN, "{path}");
    }
    let mut nobody = Browser::new(&shop.fair.app, "en");
    for path in PAGES {
        assert!(nobody.open(path).await.goes_to().starts_with("/sign-in?next="), "{path}");
    }
    let elsewhere = nobody.post_from("cross-site", "/seller/products", &[("names.en", "x")]).await;
    assert_ne!(elsewhere.status, StatusCode::OK);
    shop.fair.app.finish().await;
}
