//! From order to instance: sellers that are sound, slow, dead, flapping or lying.

use kernel::HOUR_MS;
use market::calls::{self, CallState};
use market::orders::{self, LineState, OrderKind, OrderState};
use market::page::PageRequest;
use market::subscriptions::SubscriptionState;
use market::{catalog, delivery, ledger, notices};
use testkit::sellers::{Behaviour, Lie};
use testkit::world::{World, months, once, years};
use wire::koogallery_v2::{Activity, ResultCode};

use Activity::{NewInstance, QueryInstance};

#[tokio::test]
async fn a_purchase_is_paid_opened_and_sold() {
    let world = World::new().await;
    let shop = world.shop("acme").await;
    let goods = world.goods(&shop).await;
    let buyer = world.buyer("bob", 500_000).await;

    let order = world.buy(buyer, months(goods.basic, 3, 5)).await;
    assert_eq!((order.kind, order.state, order.total_minor), (OrderKind::New, OrderState::Processing, 150_000));
    assert_eq!(order.lines[0].number, format!("{}-000001", order.number));
    assert_eq!(world.balance(buyer).await, 350_000);
    // The seller's server asks for the end while it opens the instance.
    let opening = order.clone();
    let end = orders::expected_end(world.market.edition(), &opening, &opening.lines[0]);
    assert_eq!(end, Some(world.market.edition().zone.add_months(testkit::world::BEGIN, 3)));

    world.settle_down().await;
    let order = world.order(&order.number).await;
    assert_eq!((order.state, order.lines[0].state), (OrderState::Completed, LineState::Done));
    let sub = world.subscription(order.lines[0].subscription_id.unwrap()).await;
    assert_eq!(sub.state, SubscriptionState::InUse);
    let zone = &world.market.edition().zone;
    assert_eq!(sub.ends_at, Some(zone.add_months(testkit::world::BEGIN, 3)));
    assert_eq!(sub.instance_id.as_deref(), Some(shop.server.sound().instances()[0].instance_id.as_str()));

    // One signed call opens it and one asks how to use it.
    assert_eq!(shop.server.activities(), [NewInstance, QueryInstance]);
    assert!(shop.server.calls().iter().all(|call| call.verified.is_ok()));
    let body = &shop.server.calls()[0].body;
    assert!(body.contains(&format!("\"orderId\":\"{}\",\"orderLineId\":\"{}-000001\"", order.number, order.number)), "{body}");
    assert!(!body.contains("testFlag"));

    let inbox = world.act(async move |tx, _, _| notices::inbox(tx, buyer, &PageRequest::default()).await).await;
    let told = inbox.items.iter().find(|notice| notice.kind.word() == "subscription-opened").unwrap();
    assert_eq!((&told.subject, told.args["ends_at"].as_i64()), (&sub.id.to_string(), sub.ends_at));
    assert_eq!((&told.args["order"], &told.args["names"]["product"]["en"]), (&order.number.as_str().into(), &"Cloud Sheets".into()));

    let pending = world
        .act(async move |tx, _, market| ledger::balance(tx, &ledger::Book::SellerPending(sub.seller_id), market.edition().currency).await)
        .await;
    assert_eq!(pending, 150_000);
    let ctx = world.market.ctx(kernel::Actor::System("test"), kernel::Locale::En).await.unwrap();
    let view = delivery::instance(&world.market, &ctx, buyer, sub.id).await.unwrap().unwrap();
    assert!(view.front_end_url.is_some() && view.password.is_some());
    world.finish().await;
}

#[tokio::test]
async fn an_instance_that_opens_in_the_background_is_asked_for_until_it_is_there() {
    let world = World::new().await;
    let shop = world.shop("acme").await;
    shop.server.behave(Behaviour::Asynchronous(2)).await;
    let goods = world.goods(&shop).await;
    let buyer = world.buyer("bob", 500_000).await;
    let order = world.buy(buyer, years(goods.pro, 1, 1)).await;
    world.settle_down().await;
    assert_eq!(world.order(&order.number).await.state, OrderState::Processing);
    world.pass(10 * kernel::MINUTE_MS).await;
    assert_eq!(world.order(&order.number).await.state, OrderState::Completed);
    assert_eq!(shop.server.activities(), [NewInstance, QueryInstance, QueryInstance, QueryInstance]);
    world.finish().await;
}

#[tokio::test]
async fn a_dead_seller_is_called_hourly_for_three_hours_and_the_buyer_has_the_money_back() {
    let world = World::new().await;
    let shop = world.shop("acme").await;
    let goods = world.goods(&shop).await;
    let buyer = world.buyer("bob", 500_000).await;
    shop.server.behave(Behaviour::Dead).await;
    let order = world.buy(buyer, months(goods.basic, 1, 1)).await;
    world.pass(3 * HOUR_MS - 1).await;
    assert_eq!(world.order(&order.number).await.state, OrderState::Processing);
    assert_eq!(world.balance(buyer).await, 490_000);
    world.pass(1).await;
    let order = world.order(&order.number).await;
    assert_eq!((order.state, order.lines[0].state), (OrderState::Failed, LineState::Failed));
    assert_eq!(world.balance(buyer).await, 500_000);
    assert_eq!(world.subscription(order.lines[0].subscription_id.unwrap()).await.state, SubscriptionState::Failed);
    let seller = shop.account;
    let (call, attempts) = world
        .act(async move |tx, _, _| {
            let call = calls::list(tx, Some(seller), None, None, &PageRequest::default()).await?.items.remove(0);
            let attempts = calls::attempts(tx, call.id, &PageRequest::default()).await?.items;
            Ok((call, attempts))
        })
        .await;
    assert_eq!((call.state, call.attempts), (CallState::GaveUp, 4));
    let hours: Vec<_> = attempts.iter().map(|a| (a.at - testkit::world::BEGIN) / HOUR_MS).collect();
    assert_eq!(hours, [3, 2, 1, 0]);
    assert!(attempts.iter().all(|a| a.verdict == "connect_failed"));
    world.finish().await;
}

#[tokio::test]
async fn a_flapping_seller_opens_one_instance_for_one_order() {
    let world = World::new().await;
    let shop = world.shop("acme").await;
    let goods = world.goods(&shop).await;
    let buyer = world.buyer("bob", 500_000).await;
    // Too slow the first time, though the server has done it; then an internal error; then sound.
    let slow = Behaviour::Slow(testkit::world::SELLER_TIMEOUT * 2);
    shop.server.on(NewInstance, Behaviour::Flapping(vec![slow, Behaviour::Answers(ResultCode::InternalError), Behaviour::Sound]));
    let order = world.buy(buyer, months(goods.basic, 1, 1)).await;
    world.pass(2 * HOUR_MS).await;
    assert_eq!(world.order(&order.number).await.state, OrderState::Completed);
    assert_eq!(shop.server.sound().instances().len(), 1);
    let ids: Vec<String> = shop.server.calls_of(NewInstance).iter().map(|call| call.body.clone()).collect();
    assert_eq!(ids.len(), 3);
    assert!(ids[0] != ids[1] && ids[1] != ids[2], "the business id differs on every call");
    world.finish().await;
}

#[tokio::test]
async fn lies_are_failures_with_their_own_names() {
    let lies = [
        (Lie::NoInstance, "instance_id_missing"),
        (Lie::WebPage, "html"),
        (Lie::Redirect, "redirect"),
        (Lie::Huge, "body_too_large"),
        (Lie::HalfABody, "body_broken"),
        (Lie::Gbk, "not_utf8"),
        (Lie::Utf16, "not_utf8"),
        (Lie::NumericCode, "result_code_not_text"),
        (Lie::Empty, "empty"),
        (Lie::Status(500), "status"),
        (Lie::TwoAnswers, "not_json"),
    ];
    let world = World::new().await;
    let shop = world.shop("acme").await;
    let goods = world.goods(&shop).await;
    let buyer = world.buyer("bob", 50_000_000).await;
    let seller = shop.account;
    for (lie, verdict) in lies {
        shop.server.behave(Behaviour::Lying(lie)).await;
        let order = world.buy(buyer, months(goods.basic, 1, 1)).await;
        // The first attempt of the first orders comes before the breaker opens.
        world.pass(4 * HOUR_MS).await;
        assert_eq!(world.order(&order.number).await.state, OrderState::Failed, "{lie:?}");
        let (last, answer) = world
            .act(async move |tx, _, _| {
                let call = calls::list(tx, Some(seller), None, None, &PageRequest::default()).await?.items.remove(0);
                let answer = calls::attempts(tx, call.id, &PageRequest::default()).await?.items.remove(0).answer_body;
                Ok((call.last_verdict, answer))
            })
            .await;
        assert_eq!(last.as_deref(), Some(verdict), "{lie:?}: {answer:?}");
    }
    // Eleven failed orders in one month: the product is flagged, once.
    let flagged = world.act(async move |tx, _, _| catalog::list_flagged(tx, &PageRequest::default()).await).await;
    assert_eq!(flagged.items.len(), 1);
    assert_eq!(world.balance(buyer).await, 50_000_000);
    world.finish().await;
}

#[tokio::test]
async fn a_seller_that_names_one_instance_for_two_orders_is_not_believed() {
    let world = World::new().await;
    let shop = world.shop("acme").await;
    let goods = world.goods(&shop).await;
    let buyer = world.buyer("bob", 50_000_000).await;
    let first = world.subscribe(buyer, months(goods.basic, 1, 1)).await;
    let instance = first.instance_id.clone().unwrap();
    shop.server.behave(Behaviour::Lying(Lie::SameInstance)).await;
    let order = world.buy(buyer, months(goods.basic, 1, 1)).await;
    world.pass(4 * HOUR_MS).await;
    let order = world.order(&order.number).await;
    assert_eq!(order.state, OrderState::Failed);
    assert_eq!(world.subscription(first.id).await.instance_id, Some(instance));
    world.finish().await;
}

#[tokio::test]
async fn an_order_of_two_lines_keeps_what_was_delivered_and_returns_what_was_not() {
    let world = World::new().await;
    let shop = world.shop("acme").await;
    let goods = world.goods(&shop).await;
    let buyer = world.buyer("bob", 500_000).await;
    shop.server.on(NewInstance, Behaviour::Flapping(vec![Behaviour::Sound, Behaviour::Answers(ResultCode::NoResource)]));
    let items = [months(goods.basic, 1, 1), once(goods.once)];
    let order = world
        .act(async move |tx, ctx, market| {
            let order = orders::place(tx, ctx, market.edition(), buyer, &items, None).await?;
            orders::pay(tx, ctx, market.edition(), buyer, &order.number).await
        })
        .await;
    assert_eq!(order.total_minor, 18_000);
    shop.server
        .on(NewInstance, Behaviour::Flapping(vec![Behaviour::Sound, Behaviour::Dead, Behaviour::Dead, Behaviour::Dead, Behaviour::Dead]));
    world.pass(4 * HOUR_MS).await;
    let order = world.order(&order.number).await;
    let states: Vec<_> = order.lines.iter().map(|l| l.state).collect();
    assert_eq!(order.state, OrderState::Completed);
    assert!(states.contains(&LineState::Done) && states.contains(&LineState::Failed), "{states:?}");
    world.finish().await;
}

#[tokio::test]
async fn every_attempt_is_kept_masked_and_can_be_replayed_without_effect() {
    let world = World::new().await;
    let shop = world.shop("acme").await;
    let goods = world.goods(&shop).await;
    let buyer = world.buyer("bob", 500_000).await;
    world.subscribe(buyer, months(goods.basic, 1, 1)).await;
    let seller = shop.account;
    let call = world
        .act(async move |tx, _, _| Ok(calls::list(tx, Some(seller), None, None, &PageRequest::default()).await?.items.remove(0)))
        .await;
    let ctx = world.market.ctx(kernel::Actor::System("test"), kernel::Locale::En).await.unwrap();
    let replayed = delivery::replay(&world.market, &ctx, seller, call.id).await.unwrap();
    assert!(replayed.request_body.contains("\"testFlag\":\"1\""));
    assert_eq!(shop.server.sound().instances().len(), 1);
    let id = call.id;
    let attempts = world.act(async move |tx, _, _| calls::attempts(tx, id, &PageRequest::default()).await).await.items;
    let kinds: Vec<_> = attempts.iter().map(|a| a.kind.word()).collect();
    assert_eq!(kinds, ["replay", "query", "call"]);
    let password = world.market.clone();
    let view = delivery::instance(&password, &ctx, buyer, call.subscription_id).await.unwrap().unwrap();
    let secret = view.password.unwrap();
    let all = format!("{attempts:?}");
    assert!(!all.contains(&secret) && !all.contains(&shop.server.access_key()));
    assert!(attempts.iter().all(|a| a.url.contains("signature=") && a.url.contains("timestamp=") && a.elapsed_ms >= 0));
    world.finish().await;
}
