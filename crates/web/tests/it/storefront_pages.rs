//! The storefront as a browser without scripts finds it: searching, comparing, the cart, the way to orders.

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::browser::{Browser, Seen};
use crate::buying::Shop;
use crate::people;
use crate::selling::Fair;

/// A seller with a session and a production address.
struct Stall {
    session: String,
    address: Value,
}

impl Stall {
    /// A second seller in the market.
    async fn open(shop: &Shop, name: &str) -> Self {
        let fair = &shop.fair;
        let person = people::buyer(&fair.app.market, name).await;
        let session = people::session(&fair.app.market, &person).await;
        let applied = fair.post("/seller/application", &session, Fair::application()).await;
        assert_eq!(applied.status, StatusCode::CREATED, "{applied:?}");
        fair.post(&format!("/operator/sellers/{}/approve", person.account.id), &fair.operator, json!({})).await;
        let key = json!({ "name": "main", "key": shop.server.access_key() });
        let key = fair.post("/seller/signing-keys", &session, key).await;
        let address = json!({ "name": "main", "url": shop.server.url(), "dialect": "koogallery-v2", "key_id": key.body["key"]["id"] });
        let address = fair.post("/seller/addresses", &session, address).await;
        Self { session, address: address.body["id"].clone() }
    }

    /// The seller that the shop began with.
    fn first(shop: &Shop) -> Self {
        Self { session: shop.fair.seller.clone(), address: shop.product["address"].clone() }
    }

    /// Puts a product on sale; its id.
    async fn sell(&self, shop: &Shop, names: [&str; 2], category: &str, edit: impl FnOnce(&mut Value)) -> String {
        let mut content = Fair::content(&self.address);
        content["names"] = json!({ "zh": names[0], "en": names[1] });
        content["category"] = json!(category);
        edit(&mut content);
        let product = shop.fair.post("/seller/products", &self.session, content).await;
        assert_eq!(product.status, StatusCode::CREATED, "{product:?}");
        let id = product.body["id"].as_str().unwrap().to_owned();
        self.publish(shop, &id, product.header("etag")).await;
        id
    }

    async fn publish(&self, shop: &Shop, id: &str, tag: &str) {
        let submit = shop.fair.app.request(Method::POST, &format!("/api/v1/seller/products/{id}/submit")).bearer_auth(&self.session);
        let submitted = shop.fair.app.send(submit.header("if-match", tag)).await;
        assert_eq!(submitted.status, StatusCode::OK, "{submitted:?}");
        let queue = shop.fair.get("/operator/listings", &shop.fair.operator).await;
        let listing = queue.body["items"][0]["id"].as_str().unwrap();
        let approved = shop.fair.post(&format!("/operator/listings/{listing}/approve"), &shop.fair.operator, json!({})).await;
        assert_eq!(approved.status, StatusCode::OK, "{approved:?}");
    }

    /// Changes what is on sale, and has it approved.
    async fn change(&self, shop: &Shop, id: &str, edit: impl FnOnce(&mut Value)) {
        let product = shop.fair.get(&format!("/seller/products/{id}"), &self.session).await;
        let mut draft = product.body["draft"].clone();
        edit(&mut draft);
        let put = shop.fair.app.request(Method::PUT, &format!("/api/v1/seller/products/{id}/draft")).bearer_auth(&self.session);
        let saved = shop.fair.app.send(put.header("if-match", product.header("etag")).json(&draft)).await;
        assert_eq!(saved.status, StatusCode::OK, "{saved:?}");
        self.publish(shop, id, saved.header("etag")).await;
    }
}

async fn shop() -> (Shop, Stall) {
    let mut shop = Shop::open().await;
    let product = shop.fair.get(&format!("/seller/products/{}", shop.product["id"].as_str().unwrap()), &shop.fair.seller).await;
    shop.product["address"] = product.body["draft"]["editions"][0]["address_id"].clone();
    let stall = Stall::first(&shop);
    (shop, stall)
}

fn query(path: &str, pairs: &[(&str, &str)]) -> String {
    format!("{path}?{}", url::form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish())
}

/// The products that a list shows, in their order.
fn listed(seen: &Seen) -> Vec<String> {
    let cards = seen.html.split("<article class=\"card p\">").skip(1);
    cards.map(|card| card.split("href=\"/products/").nth(1).unwrap().split('"').next().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn a_visitor_finds_products_by_chinese_english_and_pinyin_and_narrows_them_down() {
    let (shop, stall) = shop().await;
    let notes = shop.product["id"].as_str().unwrap().to_owned();
    let meet = stall.sell(&shop, ["云上视频会议", "Cloud Meetings"], "video", |_| {}).await;
    let bank = stall
        .sell(&shop, ["银行对账系统", "Bank Reconciliation"], "finance", |content| {
            content["editions"][0]["charging_mode"] = json!("ONE_TIME");
            content["editions"][0]["refund_rule"] = json!("none");
            content["editions"][0]["skus"][0]["prices"] = json!([{ "unit": "once", "amount_minor": 4_600_000 }]);
        })
        .await;
    let mut browser = Browser::new(&shop.fair.app, "zh-CN");
    for (q, expected) in [("会议", &meet), ("星云", &notes), ("Bank", &bank), ("shipin", &meet), ("yhdz", &bank), ("notes", &notes)] {
        let found = browser.open(&query("/search", &[("q", q)])).await;
        assert_eq!(listed(&found).first(), Some(expected), "{q}");
    }
    browser.open(&query("/search", &[("q", "会议")])).await.says("<mark>会议</mark>");
    let turned = browser.open(&query("/search", &[("q", "\u{202e}gro.live\u{2066}")])).await;
    assert!(!turned.html.contains(['\u{202e}', '\u{2066}']), "what is sought turns nothing around: {}", turned.html);
    let near = browser.open(&query("/search", &[("q", "reconcilation")])).await;
    near.says("以下为相近结果");
    assert_eq!(listed(&near), [bank.as_str()]);
    let suggested = browser.open(&query("/search/suggest", &[("q", "reconcilia")])).await;
    suggested.says(&format!("/products/{bank}"));
    browser.open(&query("/search/suggest", &[("q", "spin")])).await.says("<ul");

    // Counts stand beside the choices, and a choice is an address that can be shared.
    let all = browser.open("/search").await;
    assert_eq!(listed(&all).len(), 3);
    all.says("href=\"/search?mode=once\"");
    for (path, expected) in [
        ("/search?mode=once", vec![&bank]),
        ("/search?category=business", vec![&bank]),
        ("/search?band=4", vec![&bank]),
        ("/search?sort=cheap", vec![&meet, &notes, &bank]),
        ("/search?sort=dear&mode=period", vec![&meet, &notes]),
        ("/categories/communication", vec![&meet]),
        ("/categories/video", vec![&meet]),
        ("/search?sort=new&page=2&category=nonsense&band=99", vec![]),
    ] {
        assert_eq!(listed(&browser.open(path).await).iter().collect::<Vec<_>>(), expected, "{path}");
    }
    let video = browser.open("/categories/video").await;
    video.says("<nav class=\"crumbs\"");
    assert_eq!(browser.open("/categories/nowhere").await.status, StatusCode::NOT_FOUND);
    browser.open("/").await.says("href=\"/categories/communication\"");
    let seller = format!("/sellers/{}", shop.fair.seller_person.account.id);
    assert_eq!(listed(&browser.open(&seller).await).len(), 3);
    let buyer = format!("/sellers/{}", shop.buyer_person.account.id);
    assert_eq!(browser.open(&buyer).await.status, StatusCode::NOT_FOUND, "who sells nothing has no page");
    shop.fair.app.finish().await;
}

#[tokio::test]
async fn what_is_hidden_is_found_by_nobody_from_that_moment_on() {
    let (shop, stall) = shop().await;
    let secret = stall.sell(&shop, ["云上视频会议", "Cloud Meetings"], "video", |_| {}).await;
    let mut browser = Browser::new(&shop.fair.app, "en");
    let paths =
        ["/search?q=meetings", "/search", "/search?q=spyhy", "/search/suggest?q=meet", "/categories/video", "/", "/sitemaps/first.xml"];
    let compared = format!("/compare?ids={secret}");
    for path in paths {
        let seen = browser.open_any(path).await;
        assert!(seen.html.contains(&secret) || path.contains("spyhy"), "{path}");
    }
    let hidden = shop.fair.post(&format!("/seller/products/{secret}/hide"), &stall.session, json!({})).await;
    assert_eq!(hidden.status, StatusCode::OK, "{hidden:?}");
    for path in paths {
        assert!(!browser.open_any(path).await.html.contains(&secret), "{path}");
    }
    let seen = browser.open(&compared).await;
    assert!(!seen.html.contains("Cloud Meetings"));
    seen.says("no longer on sale");
    // Whoever has its address may still look at it; no search engine is told to keep it.
    browser.open(&format!("/products/{secret}")).await.says("noindex");
    shop.fair.post(&format!("/seller/products/{secret}/unhide"), &stall.session, json!({})).await;
    assert!(listed(&browser.open("/search?q=meetings").await).contains(&secret));
    shop.fair.app.finish().await;
}

#[tokio::test]
async fn a_visitors_page_is_kept_until_it_changes_and_a_buyers_never() {
    let (shop, stall) = shop().await;
    let id = shop.product["id"].as_str().unwrap().to_owned();
    let app = &shop.fair.app;
    let get =
        |path: String, tag: String| app.send_raw(Method::GET, path, vec![("if-none-match", tag), ("accept-language", "en".to_owned())]);
    for path in [
        "/".to_owned(),
        format!("/products/{id}"),
        format!("/sellers/{}", shop.fair.seller_person.account.id),
        "/categories/more".to_owned(),
    ] {
        let first = get(path.clone(), String::new()).await;
        assert_eq!(first.status(), StatusCode::OK, "{path}");
        assert_eq!(
            (&first.headers()["cache-control"], &first.headers()["vary"]),
            (&"public, max-age=60".parse().unwrap(), &"Cookie, Accept-Language".parse().unwrap())
        );
        let tag = first.headers()["etag"].to_str().unwrap().to_owned();
        assert_eq!(get(path.clone(), tag.clone()).await.status(), StatusCode::NOT_MODIFIED, "{path}");
    }
    let product = format!("/products/{id}");
    let tag = get(product.clone(), String::new()).await.headers()["etag"].to_str().unwrap().to_owned();
    stall.change(&shop, &id, |draft| draft["overview"]["en"] = json!("Takes better notes")).await;
    let changed = get(product.clone(), tag.clone()).await;
    assert_eq!(changed.status(), StatusCode::OK);
    assert_ne!(changed.headers()["etag"].to_str().unwrap(), tag);
    let text = changed.text().await.unwrap();
    assert!(text.contains("Takes better notes") && text.contains("rel=\"canonical\"") && text.contains("hreflang=\"zh-CN\""), "{text}");
    let mut browser = Browser::new(app, "en");
    assert!(browser.open(&format!("{product}?lang=zh-CN")).await.html.contains("<html lang=\"zh-CN\">"));
    browser.sign_in("acme").await;
    let own = browser.open(&product).await;
    assert_eq!(own.headers["cache-control"], "private, no-store");
    assert!(!own.headers.contains_key("etag"));
    let map = get("/sitemap.xml".to_owned(), String::new()).await.text().await.unwrap();
    assert!(map.contains("/sitemaps/first.xml"), "{map}");
    let part = get("/sitemaps/first.xml".to_owned(), String::new()).await.text().await.unwrap();
    assert!(part.contains(&format!("/products/{id}</loc>")) && part.contains("lang=zh-CN"), "{part}");
    assert!(get("/robots.txt".to_owned(), String::new()).await.text().await.unwrap().contains("Sitemap: http://127.0.0.1"));
    shop.fair.app.finish().await;
}

#[tokio::test]
async fn texts_of_sellers_can_do_nothing_wherever_they_are_shown() {
    let (shop, stall) = shop().await;
    let hostile = "</script><script>alert(1)</script>";
    let id = stall
        .sell(&shop, ["<b onmouseover=x>会议", "<i>meeting</i> & co"], "video", |content| {
            content["overview"] = json!({ "zh": hostile, "en": hostile });
            content["highlights"] = json!([{ "zh": hostile, "en": hostile }]);
        })
        .await;
    for language in ["en", "zh-CN"] {
        let mut browser = Browser::new(&shop.fair.app, language);
        for path in [
            "/search?q=meeting",
            "/search?q=script",
            "/",
            "/search/suggest?q=meet",
            &format!("/products/{id}"),
            &format!("/compare?ids={id}"),
        ] {
            let seen = browser.open(path).await;
            for bad in ["<i>meeting", "<b onmouseover", "<script>alert", "</script><script>"] {
                assert!(!seen.html.contains(bad), "{path}: {}", seen.html);
            }
        }
        let word = if language == "en" { "meeting" } else { "会议" };
        browser.open(&query("/search", &[("q", word)])).await.says(&format!("<mark>{word}</mark>"));
        let odd =
            browser.open(&query("/search", &[("q", "<script>\"'&*()[]{}^~:+-!"), ("page", "-1"), ("sort", "<"), ("mode", "x")])).await;
        assert_eq!(odd.status, StatusCode::OK);
    }
    let mut browser = Browser::new(&shop.fair.app, "en");
    assert_eq!(browser.open(&query("/search", &[("q", &"长".repeat(3_000))])).await.status, StatusCode::OK);
    shop.fair.app.finish().await;
}

fn choice<'a>(sku: &'a str, count: &'a str, quantity: &'a str) -> [(&'a str, &'a str); 4] {
    [("sku", sku), ("unit", "month"), ("count", count), ("quantity", quantity)]
}

async fn sku_of(shop: &Shop, product: &str) -> String {
    let view = shop.fair.get(&format!("/products/{product}"), "").await;
    view.body["editions"][0]["skus"][0]["id"].as_str().unwrap().to_owned()
}

/// The fields of the checkout as it is shown, with every box ticked.
fn filled(page: &Seen, pay: &str) -> Vec<(String, String)> {
    let unescaped = |text: String| text.replace("&#34;", "\"").replace("&quot;", "\"");
    let mut fields = vec![("pay".to_owned(), pay.to_owned())];
    for name in ["wanted", "key"] {
        fields.push((name.to_owned(), unescaped(page.field(name))));
    }
    for ticket in page.html.split("name=\"agree\" value=\"").skip(1).map(|rest| rest.split('"').next().unwrap()) {
        fields.push(("agree".to_owned(), ticket.to_owned()));
    }
    fields
}

async fn submit(browser: &mut Browser<'_>, fields: &[(String, String)]) -> Seen {
    let fields: Vec<(&str, &str)> = fields.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    browser.post("/checkout", &fields).await
}

#[tokio::test]
async fn a_cart_of_two_sellers_becomes_two_orders_once_everything_is_agreed_to() {
    let (shop, _) = shop().await;
    let other = Stall::open(&shop, "orion").await;
    let meet = other.sell(&shop, ["视频会议", "Meetings"], "video", |_| {}).await;
    let (notes, meetings) = (sku_of(&shop, shop.product["id"].as_str().unwrap()).await, sku_of(&shop, &meet).await);
    let mut browser = Browser::new(&shop.fair.app, "en");
    assert!(browser.open("/cart").await.goes_to().starts_with("/sign-in"));
    browser.sign_in("acme").await;
    browser.open("/cart").await.says("The cart is empty");
    assert_eq!(browser.post("/cart", &choice(&notes, "1", "2")).await.goes_to(), "/cart?done=in-cart");
    browser.post("/cart", &choice(&notes, "1", "1")).await.goes_to();
    browser.post("/cart", &choice(&meetings, "2", "1")).await.goes_to();
    let cart = browser.open("/cart").await;
    cart.says("¥30.00");
    cart.says("¥50.00");
    let wrong = browser.post("/cart", &choice(&notes, "1", "many")).await;
    assert_eq!(wrong.status, StatusCode::UNPROCESSABLE_ENTITY);
    wrong.says("role=\"alert\"");
    let from_elsewhere = browser.post_from("cross-site", "/cart", &choice(&notes, "1", "1")).await;
    assert_eq!(from_elsewhere.status, StatusCode::UNAUTHORIZED);

    let page = browser.open("/checkout").await;
    let mut fields = filled(&page, "later");
    let ticket = fields.pop().unwrap();
    let refused = submit(&mut browser, &fields).await;
    assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY);
    refused.says("tick the box beside each");
    let kept = refused.html.split("name=\"agree\"").nth(1).unwrap().split('>').next().unwrap();
    assert!(kept.contains("checked"), "what was ticked stays ticked: {kept}");
    assert!(refused.html.contains("value=\"later\" checked"), "{}", refused.html);
    assert!(fields.iter().any(|(name, _)| name == "agree") && ticket.0 == "agree");

    let again = filled(&refused, "now");
    let done = submit(&mut browser, &again).await.goes_to().to_owned();
    assert_eq!(submit(&mut browser, &again).await.goes_to(), done, "a second click orders nothing more");
    assert_eq!(done.split(',').count(), 2);
    let result = browser.open(&done).await;
    result.says("Ordered and paid");
    browser.open("/cart").await.says("The cart is empty");
    shop.days(0).await;
    let services = browser.open("/buyer/services").await;
    assert_eq!(services.html.matches("class=\"chip ok\"").count(), 2, "{}", services.html);
    let account = shop.buyer_person.account.id;
    let signed = shop.fair.app.market.db();
    let signed =
        signed.read(async move |tx| market::agreements::list_of(tx, account, &market::page::PageRequest::default()).await).await.unwrap();
    assert_eq!(signed.items.len(), 4, "two texts with each of two orders");
    browser.open("/agreements/user").await.says("Version 1.0");
    shop.fair.app.finish().await;
}

#[tokio::test]
async fn a_price_that_has_changed_is_told_and_what_is_no_longer_sold_is_not_lost() {
    let (shop, stall) = shop().await;
    let id = shop.product["id"].as_str().unwrap().to_owned();
    let gone = stall.sell(&shop, ["白板", "Whiteboard"], "collaboration", |_| {}).await;
    let (notes, board) = (sku_of(&shop, &id).await, sku_of(&shop, &gone).await);
    let mut browser = Browser::new(&shop.fair.app, "en");
    browser.sign_in("acme").await;
    browser.post("/cart", &choice(&notes, "1", "1")).await.goes_to();
    browser.post("/cart", &choice(&board, "1", "1")).await.goes_to();
    let page = browser.open("/checkout").await;
    stall.change(&shop, &id, |draft| draft["editions"][0]["skus"][0]["prices"][0]["amount_minor"] = json!(1_500)).await;
    let refused = submit(&mut browser, &filled(&page, "now")).await;
    assert_eq!(refused.status, StatusCode::CONFLICT);
    refused.says("role=\"alert\"");
    refused.says("¥25.00");
    refused.says("was ¥10.00");
    let cart = browser.open("/cart").await;
    cart.says("Prices have changed");
    cart.says("was ¥10.00");
    let retired = shop.fair.post(&format!("/seller/products/{gone}/retire"), &stall.session, json!({ "confirm": gone })).await;
    assert_eq!(retired.status, StatusCode::OK, "{retired:?}");
    let cart = browser.open("/cart").await;
    cart.says("Cannot be ordered at present");
    cart.says("Whiteboard");
    let page = browser.open("/checkout").await;
    page.says("stays there");
    submit(&mut browser, &filled(&page, "now")).await.goes_to();
    let left = browser.open("/cart").await;
    left.says("Whiteboard");
    let line = left.html.split("action=\"/cart/").nth(1).unwrap().split('/').next().unwrap().to_owned();
    browser.post(&format!("/cart/{line}/remove"), &[]).await.goes_to();
    browser.open("/cart").await.says("The cart is empty");
    shop.fair.app.finish().await;
}

#[tokio::test]
async fn a_cart_holds_fifty_lines_and_a_comparison_four_products() {
    let (shop, stall) = shop().await;
    let notes = sku_of(&shop, shop.product["id"].as_str().unwrap()).await;
    let mut browser = Browser::new(&shop.fair.app, "en");
    browser.sign_in("acme").await;
    for count in 1..=50 {
        browser.post("/cart", &choice(&notes, &count.to_string(), "1")).await.goes_to();
    }
    let full = browser.post("/cart", &choice(&notes, "51", "1")).await;
    assert_eq!(full.status, StatusCode::TOO_MANY_REQUESTS);
    full.says("A cart holds at most 50 lines");
    assert_eq!(browser.post("/cart", &choice(&notes, "50", "1")).await.goes_to(), "/cart?done=in-cart", "a line that is there grows");
    let page = browser.open("/checkout").await;
    let placed = submit(&mut browser, &filled(&page, "later")).await.goes_to().to_owned();
    assert_eq!(placed.split(',').count(), 1, "fifty lines of one seller are one order");

    let mut ids = vec![shop.product["id"].as_str().unwrap().to_owned()];
    for n in 0..4 {
        ids.push(stall.sell(&shop, [&format!("白板{n}号"), &format!("Board {n}")], "collaboration", |_| {}).await);
    }
    let four = browser.open(&format!("/compare?ids={}", ids[..4].join(","))).await;
    assert_eq!((four.status, four.html.matches("Remove<span").count()), (StatusCode::OK, 4));
    let five = browser.open_any(&format!("/compare?ids={}", ids.join(","))).await;
    assert_eq!(five.status, StatusCode::UNPROCESSABLE_ENTITY);
    five.says("At most 4 products");
    assert!(!five.html.contains("Board 3"));
    let more = browser.open(&format!("/compare?ids={}", ids[1])).await;
    more.says(&format!("/compare?ids={},", ids[1]));

    // What somebody likes is theirs, and a second press changes nothing.
    let product = [("product", ids[0].as_str())];
    for _ in 0..2 {
        assert_eq!(browser.post("/buyer/favourites", &product).await.goes_to(), format!("/products/{}?done=favourite", ids[0]));
    }
    browser.open("/buyer/favourites").await.says(&format!("/products/{}", ids[0]));
    browser.open(&format!("/products/{}", ids[0])).await.says("Remove from favourites");
    let list = [("product", ids[0].as_str()), ("here", "list")];
    assert_eq!(browser.post("/buyer/favourites/remove", &list).await.goes_to(), "/buyer/favourites?done=no-favourite");
    browser.open("/buyer/favourites").await.says("No favourites yet");
    shop.fair.app.finish().await;
}
