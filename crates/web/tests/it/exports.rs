//! Lists as files, by pages: asked for above a list, watched, fetched, and nobody else's.

use std::io::Cursor;

use calamine::{DataType, Reader, Xlsx};
use futures_util::StreamExt;
use reqwest::StatusCode;
use serde_json::json;

use crate::browser::{Browser, Seen};
use crate::buying::Shop;
use crate::people;

/// What is asked for, once the market has had time for it; the paths of the files, newest first.
async fn files(shop: &Shop, browser: &mut Browser<'_>) -> Vec<String> {
    shop.days(0).await;
    let page = browser.open("/account/exports").await;
    let paths = page.html.split("href=\"/account/exports/").skip(1).map(|rest| rest.split('"').next().unwrap());
    paths.map(|path| format!("/account/exports/{path}")).collect()
}

async fn fetch(browser: &Browser<'_>, path: &str) -> (reqwest::header::HeaderMap, Vec<u8>) {
    let cookies = browser.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join("; ");
    let answer = browser.client.get(format!("{}{path}", browser.app.base)).header("cookie", cookies).send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::OK);
    (answer.headers().clone(), answer.bytes().await.unwrap().to_vec())
}

fn lines(content: &[u8]) -> Vec<String> {
    std::str::from_utf8(content).unwrap().strip_prefix('\u{feff}').unwrap().lines().map(str::to_owned).collect()
}

async fn ask(browser: &mut Browser<'_>, fields: &[(&str, &str)]) -> Seen {
    browser.post("/account/exports", fields).await
}

#[tokio::test]
async fn a_list_is_asked_for_watched_and_fetched_in_both_formats() {
    let shop = Shop::open().await;
    let (order, _) = shop.buy().await;
    let number = order["number"].as_str().unwrap();
    let mut browser = Browser::new(&shop.fair.app, "zh-CN");
    browser.sign_in("acme").await;
    browser.open("/account/exports").await.says("暂无文件");
    let list = browser.open("/buyer/orders?state=completed").await;
    list.says("name=\"kind\" value=\"buyer-orders\"");
    list.says("name=\"state\" value=\"completed\"");
    list.says("aria-label=\"导出: CSV\"");
    let asked = ask(&mut browser, &[("kind", "buyer-orders"), ("state", "completed"), ("format", "csv")]).await;
    assert_eq!(asked.goes_to(), "/account/exports?done=export-asked");
    ask(&mut browser, &[("kind", "buyer-movements"), ("format", "xlsx")]).await.goes_to();
    let waiting = browser.open("/account/exports?done=export-asked").await;
    for said in ["正在生成文件。", "data-live=\"/live/exports\"", "生成中", "<progress max=\"100\" value=\"0\">"] {
        waiting.says(said);
    }
    let cookies = browser.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join("; ");
    let live = browser.client.get(format!("{}/live/exports", shop.fair.app.base)).header("cookie", cookies).send().await.unwrap();
    let mut events = live.bytes_stream();
    let paths = files(&shop, &mut browser).await;
    let mut said = String::new();
    while let Some(Ok(bytes)) = events.next().await {
        said.push_str(&String::from_utf8_lossy(&bytes));
        if said.contains("event: ended") {
            break;
        }
    }
    assert!(said.contains("event: changed"), "{said}");
    let [movements, orders] = paths.as_slice() else { panic!("two files: {paths:?}") };
    let (headers, csv) = fetch(&browser, orders).await;
    assert_eq!(headers["content-type"], "text/csv; charset=utf-8");
    assert_eq!(headers["x-content-type-options"], "nosniff");
    assert!(headers["content-security-policy"].to_str().unwrap().contains("sandbox"));
    let disposition = headers["content-disposition"].to_str().unwrap();
    assert!(disposition.starts_with("attachment; filename=\"export.csv\"; filename*=UTF-8''%E8%AE%A2%E5%8D%95%20"), "{disposition}");
    let csv = lines(&csv);
    assert!(csv[0].starts_with("订单号,下单时间,订单类型,状态,商家,") && csv.len() == 2, "{csv:?}");
    assert!(csv[1].starts_with(number) && csv[1].contains("已完成") && csv[1].contains(",60.00,"), "{csv:?}");
    let (headers, xlsx) = fetch(&browser, movements).await;
    assert_eq!(headers["content-type"], "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet");
    assert_eq!(headers["content-length"].to_str().unwrap(), xlsx.len().to_string());
    let mut workbook = Xlsx::new(Cursor::new(xlsx)).unwrap();
    assert_eq!(workbook.sheet_names(), ["余额明细"]);
    let range = workbook.worksheet_range_at(0).unwrap().unwrap();
    let column: Vec<String> = range.rows().map(|row| row[3].as_string().unwrap()).collect();
    assert_eq!(column, ["金额", "-60", "10000"]);
    // A file is deleted, and is gone.
    let delete = orders.replace("/download", "/delete");
    assert_eq!(browser.post(&delete, &[]).await.goes_to(), "/account/exports?done=export-deleted");
    assert_eq!(browser.open(orders).await.status, StatusCode::NOT_FOUND);
    // The other is, after three days.
    shop.days(3).await;
    browser.open("/account/exports").await.says("暂无文件");
    assert_eq!(browser.open(movements).await.status, StatusCode::NOT_FOUND);
    shop.fair.app.finish().await;
}

#[tokio::test]
async fn a_file_is_nobody_elses_and_no_way_around_a_permission() {
    let shop = Shop::open().await;
    let mut browser = Browser::new(&shop.fair.app, "en");
    browser.sign_in("acme").await;
    ask(&mut browser, &[("kind", "buyer-movements"), ("format", "csv")]).await.goes_to();
    let path = files(&shop, &mut browser).await.remove(0);
    people::buyer(&shop.fair.app.market, "other").await;
    let mut other = Browser::new(&shop.fair.app, "en");
    other.sign_in("other").await;
    assert_eq!(other.open(&path).await.status, StatusCode::NOT_FOUND);
    assert_eq!(other.post(&path.replace("/download", "/delete"), &[]).await.status, StatusCode::NOT_FOUND);
    assert!(!other.open("/account/exports").await.html.contains("/download"));
    assert!(Browser::new(&shop.fair.app, "en").open(&path).await.goes_to().starts_with("/sign-in"));
    for kind in ["operator-audit", "operator-accounts", "seller-orders"] {
        assert_eq!(ask(&mut browser, &[("kind", kind), ("format", "csv")]).await.status, StatusCode::FORBIDDEN, "{kind}");
    }
    // Another site cannot have a file made either.
    let elsewhere = browser.post_from("cross-site", "/account/exports", &[("kind", "buyer-orders"), ("format", "csv")]).await;
    assert!(elsewhere.status.is_client_error(), "{}", elsewhere.status);
    assert_eq!(files(&shop, &mut browser).await.len(), 1);
    shop.fair.app.finish().await;
}

#[tokio::test]
async fn nonsense_is_refused_in_words_and_an_empty_list_is_a_file_with_headings() {
    let shop = Shop::open().await;
    let mut browser = Browser::new(&shop.fair.app, "en");
    browser.sign_in("acme").await;
    for fields in [
        [("kind", "everything"), ("format", "csv"), ("state", "")],
        [("kind", "buyer-orders"), ("format", "pdf"), ("state", "")],
        [("kind", "buyer-orders"), ("format", "csv"), ("state", "<script>")],
    ] {
        let refused = ask(&mut browser, &fields).await;
        assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY, "{fields:?}");
        refused.says("role=\"alert\"");
    }
    ask(&mut browser, &[("kind", "buyer-orders"), ("format", "csv"), ("state", "failed")]).await.goes_to();
    ask(&mut browser, &[("kind", "buyer-services"), ("format", "xlsx")]).await.goes_to();
    let paths = files(&shop, &mut browser).await;
    let (headers, orders) = fetch(&browser, &paths[1]).await;
    assert!(headers["content-disposition"].to_str().unwrap().contains("filename=\"Orders "), "{headers:?}");
    assert_eq!(lines(&orders).len(), 1);
    let mut workbook = Xlsx::new(Cursor::new(fetch(&browser, &paths[0]).await.1)).unwrap();
    let range = workbook.worksheet_range_at(0).unwrap().unwrap();
    assert_eq!(range.height(), 1);
    // Twenty are enough; then something must go.
    for n in 0..18 {
        let state =
            ["pending_payment", "processing", "completed", "cancelled", "failed", "refunding", "refunded", "pending_review", ""][n % 9];
        ask(&mut browser, &[("kind", "buyer-orders"), ("format", if n < 9 { "csv" } else { "xlsx" }), ("state", state)]).await.goes_to();
    }
    let full = ask(&mut browser, &[("kind", "buyer-movements"), ("format", "csv")]).await;
    assert_eq!(full.status, StatusCode::CONFLICT);
    full.says("role=\"alert\"");
    shop.fair.app.finish().await;
}

#[tokio::test]
async fn a_name_that_would_be_a_formula_is_none_in_a_file() {
    let shop = Shop::open().await;
    let mut browser = Browser::new(&shop.fair.app, "en");
    let fields = [
        ("account", "=HYPERLINK(1)"),
        ("kind", "enterprise"),
        ("title", "+cmd|' /C calc'!A0"),
        ("name", "Li Wei"),
        ("email", "li.wei@example.com"),
        ("login", "li.wei"),
        ("password", people::PASSWORD),
        ("next", "/account"),
    ];
    browser.post("/sign-up", &fields).await.goes_to();
    let operator = &shop.fair.operator;
    let export = shop.fair.post("/exports", operator, json!({ "kind": "operator-accounts", "format": "csv" })).await;
    assert_eq!(export.status, StatusCode::CREATED, "{export:?}");
    shop.days(0).await;
    let request = shop.fair.app.request(reqwest::Method::GET, &format!("{}/file", export.header("location"))).bearer_auth(operator);
    let file = request.send().await.unwrap().text().await.unwrap();
    assert!(file.contains("'=HYPERLINK(1)") && file.contains("'+cmd|") && !file.contains(",=") && !file.contains(",+"), "{file}");
    shop.fair.app.finish().await;
}

#[tokio::test]
async fn a_list_is_had_as_a_file_with_just_what_is_shown() {
    let shop = Shop::open().await;
    shop.buy().await;
    shop.days(45).await;
    let mut operator = Browser::new(&shop.fair.app, "en");
    operator.sign_in("operator").await;
    for (path, kind) in [
        ("/operator/orders?state=completed", "operator-orders"),
        ("/operator/subscriptions", "operator-subscriptions"),
        ("/operator/accounts", "operator-accounts"),
        ("/operator/deposits", "operator-deposits"),
        ("/operator/statements", "operator-statements"),
        ("/operator/audit", "operator-audit"),
    ] {
        operator.open(path).await.says(&format!("name=\"kind\" value=\"{kind}\""));
    }
    let chosen = operator.open("/operator/orders?state=completed").await;
    let form = chosen.html.split("value=\"operator-orders\"").nth(1).unwrap().split("</form>").next().unwrap();
    assert!(form.contains("name=\"state\" value=\"completed\""), "{form}");
    let fields = [("kind", "operator-orders"), ("state", "completed"), ("format", "csv")];
    assert!(operator.post("/account/exports", &fields).await.goes_to().starts_with("/account/exports"));
    // A file that would hold more than is shown is not offered.
    let narrow = operator.open("/operator/audit?action=orders.paid").await;
    assert!(!narrow.html.contains("value=\"operator-audit\""), "{}", narrow.html);
    let mut seller = Browser::new(&shop.fair.app, "zh-CN");
    seller.sign_in("nebula").await;
    for (path, kind) in [
        ("/seller/orders", "seller-orders"),
        ("/seller/subscriptions", "seller-subscriptions"),
        ("/seller/sales", "seller-sales"),
        ("/seller/calls", "seller-calls"),
    ] {
        seller.open(path).await.says(&format!("name=\"kind\" value=\"{kind}\""));
    }
    let statements = seller.open("/seller/statements").await;
    let statement = statements.html.split("href=\"/seller/statements/").nth(1).unwrap().split('"').next().unwrap().to_owned();
    let page = seller.open(&format!("/seller/statements/{statement}")).await;
    page.says(&format!("name=\"statement\" value=\"{statement}\""));
    let fields = [("kind", "seller-statement-lines"), ("statement", statement.as_str()), ("format", "xlsx")];
    assert!(seller.post("/account/exports", &fields).await.goes_to().starts_with("/account/exports"));
    shop.days(0).await;
    shop.finish().await;
}
