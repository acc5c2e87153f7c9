//! The open API as sellers' servers meet it: called with Huawei's published SDK core (PyPI `huaweicloudsdkcore`), which signs and sends.
//!
//! Our own signer is tested in `wire` and `it`; here nothing of ours signs.
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use kernel::{AccountId, Code};
use market::accounts;
use market::orders::Order;
use market::page::PageRequest;
use serde_json::{Value, json};
use testkit::world::{World, months, once};
use wire::openapi::order_query::{PATH, mock_order_ids};

use crate::{Market, python};

/// The ways in which `order_query.py` asks.
const WAYS: [&str; 2] = ["client", "signer"];

/// A pair that a seller's server signs with.
#[derive(Clone, Debug)]
struct Pair {
    ak: String,
    sk: String,
}

impl Market {
    /// A pair of the first person of an account.
    async fn pair(&self, account: AccountId) -> Pair {
        let make = async move |tx: &mut db::Tx, ctx: &kernel::Ctx, market: &market::Market| {
            let people = accounts::users(tx, account, &PageRequest::default()).await?;
            accounts::create_access_key(tx, ctx, market.vault(), account, people.items[0].id, "server").await
        };
        let (view, sk) = self.world.act(make).await;
        Pair { ak: view.access_key, sk }
    }

    fn question(&self, way: &str, pair: &Pair, query: &[(&str, &str)]) -> Value {
        json!({
            "way": way, "endpoint": self.endpoint, "path": PATH, "query": query, "headers": {}, "ak": pair.ak, "sk": pair.sk,
        })
    }

    fn about(&self, way: &str, pair: &Pair, order: &str) -> Value {
        self.question(way, pair, &[("orderId", order)])
    }
}

/// Has the SDK ask all of it, and gives the answers in the same order.
async fn asked(questions: Vec<Value>) -> Vec<Value> {
    let python = python();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/interop/order_query.py");
    let wanted = questions.len();
    let answers = tokio::task::spawn_blocking(move || {
        let mut command = Command::new(&python);
        command.arg(script).stdin(Stdio::piped()).stdout(Stdio::piped()).env("NO_PROXY", "127.0.0.1");
        let mut child = command.spawn().unwrap_or_else(|error| panic!("{python} does not start: {error}"));
        child.stdin.take().unwrap().write_all(&serde_json::to_vec(&questions).unwrap()).unwrap();
        let ended = child.wait_with_output().unwrap();
        assert!(ended.status.success(), "the script failed, see its error above; is huaweicloudsdkcore installed in {python}?");
        serde_json::from_slice::<Vec<Value>>(&ended.stdout).unwrap()
    });
    let answers = answers.await.unwrap_or_else(|failed| std::panic::resume_unwind(failed.into_panic()));
    assert_eq!(answers.len(), wanted);
    answers
}

/// An answer with an order: the order.
fn order(answer: &Value) -> &Value {
    assert_eq!((&answer["status"], &answer["body"]["resultCode"]), (&json!(200), &json!("MKT.0000")), "{answer:#}");
    let order = &answer["body"]["orderInfo"];
    if let Some(told) = answer.get("told") {
        assert_eq!(told, &order["orderId"], "the SDK's own model has read it");
    }
    order
}

/// The seller has no such order.
const NOT_YOURS: (u16, &str) = (401, "MKT.0150");
/// The question makes no sense.
const INVALID: (u16, &str) = (400, "MKT.0101");

/// Expects that the answer gives no order, for this reason.
fn refused(answer: &Value, (status, code): (u16, &str), what: &str) {
    assert_eq!((&answer["status"], &answer["body"]["resultCode"]), (&json!(status), &json!(code)), "{what}: {answer:#}");
    assert!(answer["body"].get("orderInfo").is_none(), "{what}: {answer:#}");
}

/// Expects that the gateway turned the caller away.
fn turned_away(answer: &Value, what: &str) {
    assert_eq!((&answer["status"], &answer["body"]["error_code"]), (&json!(401), &json!("APIGW.0301")), "{what}: {answer:#}");
    assert!(answer["body"]["request_id"].as_str().unwrap().starts_with("req_"), "{what}: {answer:#}");
    if let Some(raised) = answer.get("raised") {
        assert_eq!(raised["error_code"], "APIGW.0301", "{what}: the SDK's own exception tells the code");
    }
}

fn sdk_date(ms: i64) -> String {
    wire::time::to_sdk_date(ms).unwrap()
}

async fn wall(world: &World) -> i64 {
    world.market.ctx(kernel::Actor::System("test"), kernel::Locale::En).await.unwrap().wall
}

/// A purchase of two lines: a subscription for three months and something that is bought once.
async fn purchase(world: &World, shop: &testkit::world::Shop, buyer: AccountId) -> Order {
    let goods = world.goods(shop).await;
    let items = [months(goods.basic, 3, 7), once(goods.once)];
    let placed = world
        .act(async move |tx, ctx, market| {
            let order = market::orders::place(tx, ctx, market.edition(), buyer, &items, None).await?;
            market::orders::pay(tx, ctx, market.edition(), buyer, &order.number).await
        })
        .await;
    world.settle_down().await;
    world.order(&placed.number).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_seller_with_the_published_sdk_reads_what_was_bought() {
    let market = Market::open().await;
    let world = &market.world;
    let (shop, buyer) = (world.shop("nebula").await, world.buyer("acme", 10_000_000).await);
    let bought = purchase(world, &shop, buyer).await;
    let (pair, number) = (market.pair(shop.account).await, bought.number.as_str());

    let mut questions = Vec::new();
    for way in WAYS {
        questions.push(market.about(way, &pair, number));
        questions
            .extend(bought.lines.iter().map(|line| market.question(way, &pair, &[("orderId", number), ("orderLineId", &line.number)])));
        questions.push(market.question(way, &pair, &[("orderId", number), ("orderLineId", &format!("{number}-000003"))]));
    }
    let answers = asked(questions).await;
    for answers in answers.chunks(4) {
        let whole = order(&answers[0]);
        assert_eq!((&whole["orderId"], &whole["orderType"]), (&json!(number), &json!("NEW")));
        assert_eq!(whole["createTime"], wire::time::to_compact(bought.created_at).unwrap());
        assert_eq!(whole["buyerInfo"]["customerId"], buyer.to_string());
        assert_eq!(whole["buyerInfo"]["customerName"], "acme");
        let (sub, setup) = (&whole["orderLine"][0], &whole["orderLine"][1]);
        assert_eq!(sub["orderLineId"], format!("{number}-000001"));
        assert_eq!((&sub["chargingMode"], &sub["periodType"], &sub["periodNumber"]), (&json!("PERIOD"), &json!("month"), &json!(3)));
        assert_eq!(sub["expireTime"], wire::time::to_compact(bought.lines[0].ends_at.unwrap()).unwrap());
        assert_eq!(sub["productInfo"][0]["linearValue"], 7);
        assert_eq!(sub["productInfo"][0]["skuCode"], bought.lines[0].item.sku_id.to_string());
        assert_eq!(sub["productInfo"][0]["productName"], "云表格,标准,基础版");
        assert_eq!((&setup["chargingMode"], setup.get("periodType")), (&json!("ONE_TIME"), None));

        for (answer, line) in answers[1..3].iter().zip([sub, setup]) {
            let one = order(answer);
            assert_eq!(one["orderLine"], json!([line]), "only the line that was asked for");
            assert_eq!(one["orderId"], number);
        }
        refused(&answers[3], INVALID, "a line that the order does not have");
    }
    market.world.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_mock_order_is_there_for_every_seller() {
    let market = Market::open().await;
    let shop = market.world.shop("nebula").await;
    let pair = market.pair(shop.account).await;
    let mocks: Vec<&str> = mock_order_ids().collect();
    assert_eq!(mocks.len(), 9);
    let about_lines = |id: &&str| market.question("signer", &pair, &[("orderId", id), ("orderLineId", &format!("{id}-000001"))]);
    let questions = mocks.iter().map(|id| market.about("client", &pair, id)).chain(mocks.iter().map(about_lines));
    let answers = asked(questions.collect()).await;

    let expected = [
        ("MOCKPERIODYEARNEW", "NEW", "PERIOD", json!("year")),
        ("MOCKONETIMENEW", "NEW", "ONE_TIME", Value::Null),
        ("MOCKONDEMAND", "NEW", "ON_DEMAND", Value::Null),
        ("MOCKONDEMANDPKG", "NEW", "ON_DEMAND_PKG", Value::Null),
        ("MOCKPERIODDAYTRIAL", "TRIAL", "PERIOD", json!("day")),
        ("MOCKMONTYTRIALTOFORMAL", "TRIAL_TO_FORMAL", "PERIOD", json!("month")),
        ("MOCKMONTYUNSUBSCRIBE", "UNSUBSCRIBE", "PERIOD", json!("month")),
        ("MOCKMONTYRENEW", "RENEW", "PERIOD", json!("month")),
        ("MOCKMONTYCHANGE", "CHANGE", "PERIOD", json!("month")),
    ];
    for (number, (id, kind, charging, period)) in expected.into_iter().enumerate() {
        for answer in [&answers[number], &answers[number + mocks.len()]] {
            let mock = order(answer);
            let line = &mock["orderLine"][0];
            assert_eq!((&mock["orderId"], &mock["orderType"]), (&json!(id), &json!(kind)));
            assert_eq!(line["orderLineId"], format!("{id}-000001"));
            assert_eq!((&line["chargingMode"], &line["periodType"]), (&json!(charging), &period), "{id}");
        }
    }
    market.world.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_not_the_sellers_and_what_is_not_there_look_alike() {
    let market = Market::open().await;
    let world = &market.world;
    let (shop, other) = (world.shop("nebula").await, world.shop("quasar").await);
    let buyer = world.buyer("acme", 10_000_000).await;
    let bought = purchase(world, &shop, buyer).await;
    let (pair, others) = (market.pair(shop.account).await, market.pair(other.account).await);
    let buyers = market.pair(buyer).await;

    let mut questions = vec![market.about("signer", &pair, &bought.number)];
    for way in WAYS {
        questions.push(market.about(way, &others, &bought.number));
        questions.push(market.about(way, &others, "CS2401010000ABCDE"));
    }
    questions.extend(WAYS.map(|way| market.about(way, &buyers, &bought.number)));
    let answers = asked(questions).await;
    order(&answers[0]);
    let (strangers, of_buyers) = answers[1..].split_at(2 * WAYS.len());
    for answer in of_buyers {
        turned_away(answer, "the pair of somebody who does not sell");
    }
    for answer in strangers {
        refused(answer, NOT_YOURS, "an order of somebody else, or of nobody");
        assert_eq!(answer["body"], answers[1]["body"], "nothing tells the one from the other");
    }
    market.world.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_does_not_hold_the_secret_or_comes_late_is_turned_away() {
    const MINUTE: i64 = 60_000;
    let market = Market::open().await;
    let world = &market.world;
    let shop = world.shop("nebula").await;
    let (pair, revoked) = (market.pair(shop.account).await, market.pair(shop.account).await);
    let (account, gone) = (shop.account, revoked.ak.clone());
    world
        .act(async move |tx, ctx, _| {
            let keys = accounts::access_keys(tx, account, &PageRequest::default()).await?;
            let key = keys.items.iter().find(|key| key.access_key == gone).ok_or_else(|| kernel::Refusal::new(Code::NotFound))?;
            accounts::revoke_access_key(tx, ctx, account, key.id).await
        })
        .await;
    let wrong = Pair { sk: format!("{}x", pair.sk), ..pair.clone() };
    let stranger = Pair { ak: "NONSENSE0000000000AA".to_owned(), ..pair.clone() };
    let now = wall(world).await;

    let mut questions = Vec::new();
    for way in WAYS {
        for pair in [&wrong, &stranger, &revoked] {
            questions.push(market.about(way, pair, "MOCKONDEMAND"));
        }
        for minutes in [-16, 16] {
            let mut question = market.about(way, &pair, "MOCKONDEMAND");
            question["headers"] = json!({ "X-Sdk-Date": sdk_date(now + minutes * MINUTE) });
            questions.push(question);
        }
    }
    let refused = questions.len();
    // The same with a right pair and a date that is fresh enough: the refusals above are about what they say.
    for way in WAYS {
        for minutes in [-14, 0, 14] {
            let mut question = market.about(way, &pair, "MOCKONDEMAND");
            question["headers"] = json!({ "X-Sdk-Date": sdk_date(now + minutes * MINUTE) });
            questions.push(question);
        }
    }
    let answers = asked(questions.clone()).await;
    for (answer, question) in answers[..refused].iter().zip(&questions) {
        turned_away(answer, &question.to_string());
    }
    for answer in &answers[refused..] {
        assert_eq!(order(answer)["orderId"], "MOCKONDEMAND");
    }
    market.world.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_stands_in_the_query_is_signed_and_read_alike() {
    let market = Market::open().await;
    let shop = market.world.shop("nebula").await;
    let pair = market.pair(shop.account).await;
    let odd = [
        "a b",
        "a+b",
        "a%20b",
        "%",
        "%zz",
        "a&b=c",
        "a/b?c#d",
        "~._-!*'();:@,$",
        "云商店 订单",
        "\u{1f600}",
        "é\u{301}",
        "\"<>\\^`{|}",
        "x=",
        " ",
    ];
    let mut questions = Vec::new();
    for way in WAYS {
        // The signature of each is right, so none is turned away; no such order is there.
        questions.extend(odd.iter().map(|id| market.about(way, &pair, id)));
        questions.push(market.question(way, &pair, &[]));
        questions.push(market.about(way, &pair, ""));
        questions.push(market.about(way, &pair, &"x".repeat(65)));
        questions.push(market.question(way, &pair, &[("orderId", "MOCKONDEMAND"), ("orderLineId", "")]));
    }
    let orderless = questions.len();
    for way in WAYS {
        // Parameters that nobody reads are signed too, in whatever order and however they sort.
        for odd in odd {
            questions.push(market.question(way, &pair, &[("z z", odd), ("orderId", "MOCKONDEMAND"), ("é", "1"), ("A", odd), ("a", "")]));
        }
        let mut headed = market.about(way, &pair, "MOCKONDEMAND");
        headed["headers"] = json!({ "x-stage": "RELEASE", "X-Language": "  zh-cn  " });
        questions.push(headed);
        let mut slashed = market.about(way, &pair, "MOCKONDEMAND");
        slashed["headers"] = json!({ "Content-Type": "application/json;charset=utf8" });
        questions.push(slashed);
    }
    let answers = asked(questions.clone()).await;
    for (number, (answer, question)) in answers[..orderless].iter().zip(&questions).enumerate() {
        let of_way = number % (orderless / WAYS.len());
        refused(answer, if of_way < odd.len() { NOT_YOURS } else { INVALID }, &question.to_string());
    }
    for (answer, question) in answers[orderless..].iter().zip(&questions[orderless..]) {
        assert_eq!(answer["body"]["orderInfo"]["orderId"], "MOCKONDEMAND", "{question}: {answer:#}");
    }
    market.world.finish().await;
}
