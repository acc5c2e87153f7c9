//! Calls under bad conditions: dead servers, breakers, restarts that come too late, look-ups.

use std::collections::BTreeSet;

use db::sql;
use kernel::{Actor, Code, DAY_MS, HOUR_MS, Locale, MINUTE_MS, Period, PeriodUnit, SubscriptionId};
use market::calls::{self, Call, CallState, Scene};
use market::orders::{self, LineState, Order, OrderState};
use market::page::PageRequest;
use market::subscriptions::SubscriptionState;
use market::{audit, catalog, delivery, notices, refunds};
use testkit::sellers::{Behaviour, Lie};
use testkit::world::{Shop, World, months};
use wire::koogallery_v2::{Activity, Request};

use Activity::{ChangeInstanceCheck, NewInstance, QueryInstance, RefreshInstance, UpdateInstanceStatus};

const MONTH: Period = Period { unit: PeriodUnit::Month, count: 1 };

async fn ctx(world: &World) -> kernel::Ctx {
    world.market.ctx(Actor::System("test"), Locale::En).await.unwrap()
}

async fn calls_of(world: &World, id: SubscriptionId, scene: Scene) -> Vec<Call> {
    let page = PageRequest::default();
    let found = world.act(async move |tx, _, _| calls::list(tx, None, None, Some(id), &page).await).await;
    found.items.into_iter().filter(|call| call.scene == scene).collect()
}

async fn restart(world: &World, shop: &Shop, call: &Call) -> db::Result<Call> {
    let (seller, id) = (shop.account, call.id);
    world.try_act(async move |tx, ctx, _| calls::restart(tx, ctx, Some(seller), id).await).await
}

async fn stopped_notices(world: &World, shop: &Shop) -> usize {
    let seller = shop.account;
    let inbox = world.act(async move |tx, _, _| notices::inbox(tx, seller, &PageRequest::default()).await).await;
    inbox.items.iter().filter(|notice| notice.kind.word() == "calls-stopped").count()
}

/// Until when the last renewal that the seller heard of says that the instance runs.
fn told_end(shop: &Shop) -> Option<i64> {
    match shop.server.calls_of(RefreshInstance).pop()?.request? {
        Request::RefreshInstance { expire_at_ms, .. } => Some(expire_at_ms),
        _ => None,
    }
}

#[tokio::test]
async fn control_characters_in_an_answer_stop_no_call_and_keep_no_money() {
    let world = World::new().await;
    let shop = world.shop("acme").await;
    let goods = world.goods(&shop).await;
    let buyer = world.buyer("bob", 500_000).await;
    shop.server.behave(Behaviour::Lying(Lie::ControlCharacters)).await;
    let order = world.buy(buyer, months(goods.basic, 1, 1)).await;
    world.pass(3 * HOUR_MS).await;
    assert_eq!(world.order(&order.number).await.state, OrderState::Failed);
    assert_eq!(world.balance(buyer).await, 500_000);
    let call = calls_of(&world, order.lines[0].subscription_id.unwrap(), Scene::Create).await.remove(0);
    assert_eq!(call.last_verdict.as_deref(), Some("instance_id_with_control"));
    world.finish().await;
}

#[tokio::test]
async fn twenty_orders_at_a_dead_server_have_all_failed_after_three_hours() {
    let world = World::new().await;
    let shop = world.shop("acme").await;
    let goods = world.goods(&shop).await;
    let buyer = world.buyer("bob", 500_000).await;
    let returned = world.subscribe(buyer, months(goods.basic, 1, 1)).await;
    shop.server.behave(Behaviour::Dead).await;
    let mut orders: Vec<Order> = Vec::new();
    for _ in 0..20 {
        orders.push(world.buy(buyer, months(goods.basic, 1, 1)).await);
    }
    let id = returned.id;
    world.act(async move |tx, ctx, market| refunds::refund_subscription(tx, ctx, market.edition(), buyer, id).await).await;
    world.pass(HOUR_MS).await;
    // A return is given up after an hour, though others stand before it.
    assert_eq!(world.balance(buyer).await, 500_000 - 20 * 10_000);
    world.pass(2 * HOUR_MS - 1).await;
    assert_eq!(world.balance(buyer).await, 500_000 - 20 * 10_000);
    world.pass(1).await;
    assert_eq!(world.balance(buyer).await, 500_000);
    for order in &orders {
        let order = world.order(&order.number).await;
        assert_eq!((order.state, order.lines[0].state), (OrderState::Failed, LineState::Failed));
    }
    world.finish().await;
}

#[tokio::test]
async fn an_open_breaker_makes_no_call_but_the_last_and_a_proper_answer_closes_it() {
    let world = World::new().await;
    let shop = world.shop("acme").await;
    let goods = world.goods(&shop).await;
    let buyer = world.buyer("bob", 500_000).await;
    let placed = world.now().await;
    shop.server.behave(Behaviour::HangsUp).await;
    let mut orders: Vec<Order> = Vec::new();
    for _ in 0..8 {
        orders.push(world.buy(buyer, months(goods.basic, 1, 1)).await);
    }
    world.settle_down().await;
    assert_eq!(shop.server.calls().len(), 5, "five failures in a row open it");
    world.pass(MINUTE_MS - 1).await;
    assert_eq!(shop.server.calls().len(), 5);
    world.pass(1).await;
    assert_eq!(shop.server.calls().len(), 6, "one call tries whether the server is back");
    // The last attempt is made while it is open, because an order is decided by it.
    world.pass(placed + 3 * HOUR_MS - 1 - world.now().await).await;
    shop.server.forget_calls();
    world.pass(1).await;
    let last: BTreeSet<String> = shop.server.calls_of(NewInstance).into_iter().map(|call| call.body).collect();
    assert_eq!(last.len(), orders.len());
    for order in &orders {
        assert_eq!(world.order(&order.number).await.state, OrderState::Failed);
    }
    // The server is back: the next call closes the breaker, and what waited for it is done.
    let one = world.buy(buyer, months(goods.basic, 1, 1)).await;
    let two = world.buy(buyer, months(goods.basic, 1, 1)).await;
    shop.server.recover().await;
    world.settle_down().await;
    assert_eq!(world.order(&one.number).await.state, OrderState::Processing);
    world.pass(10 * MINUTE_MS).await;
    for order in [one, two] {
        assert_eq!(world.order(&order.number).await.state, OrderState::Completed);
    }
    let address = shop.address;
    let breaker = world.act(async move |tx, _, _| calls::breaker(tx, address).await).await;
    assert_eq!(breaker, calls::Breaker::default());
    world.finish().await;
}

#[tokio::test]
async fn more_than_five_orders_that_fail_in_a_month_flag_a_product_however_many_lines_they_have() {
    let world = World::new().await;
    let shop = world.shop("acme").await;
    let goods = world.goods(&shop).await;
    let buyer = world.buyer("bob", 500_000).await;
    shop.server.behave(Behaviour::Dead).await;
    let fail = async |orders: usize, lines: usize| {
        let mut placed = Vec::new();
        for _ in 0..orders {
            let items = vec![months(goods.basic, 1, 1); lines];
            let order = world
                .act(async move |tx, ctx, market| {
                    let order = orders::place(tx, ctx, market.edition(), buyer, &items, None).await?;
                    orders::pay(tx, ctx, market.edition(), buyer, &order.number).await
                })
                .await;
            placed.push(order.number);
        }
        world.pass(4 * HOUR_MS).await;
        for number in placed {
            assert_eq!(world.order(&number).await.state, OrderState::Failed);
        }
        world.act(async move |tx, _, _| catalog::list_flagged(tx, &PageRequest::default()).await).await.items.len()
    };
    assert_eq!(fail(1, 6).await, 0, "one order of six lines is one");
    assert_eq!(fail(4, 1).await, 0, "five");
    // The next month begins at nothing.
    world.pass_days(30).await;
    assert_eq!(fail(5, 1).await, 0);
    assert_eq!(fail(1, 1).await, 1, "the sixth");
    world.finish().await;
}

#[tokio::test]
async fn a_freeze_that_was_given_up_is_not_wanted_any_more_once_the_buyer_has_renewed() {
    let world = World::new().await;
    let shop = world.shop("acme").await;
    let goods = world.goods(&shop).await;
    let buyer = world.buyer("bob", 500_000).await;
    let sub = world.subscribe(buyer, months(goods.basic, 1, 1)).await;
    let id = sub.id;
    shop.server.on(UpdateInstanceStatus, Behaviour::HangsUp);
    world.pass(sub.ends_at.unwrap() + 2 * HOUR_MS - world.now().await).await;
    let freeze = calls_of(&world, id, Scene::Freeze).await.remove(0);
    assert_eq!(freeze.state, CallState::GaveUp);
    shop.server.recover().await;
    world.pass_days(1).await;
    world.renew(buyer, id, MONTH).await;
    world.settle_down().await;
    assert_eq!(world.subscription(id).await.state, SubscriptionState::InUse);
    assert_eq!(restart(&world, &shop, &freeze).await.unwrap_err().code(), Some(Code::DeliveryState));
    assert_eq!(calls_of(&world, id, Scene::Freeze).await[0].state, CallState::Withdrawn);
    world.settle_down().await;
    assert!(shop.server.calls_of(UpdateInstanceStatus).last().unwrap().body.contains("UNFREEZE"));
    world.finish().await;
}

#[tokio::test]
async fn a_freeze_that_fails_for_the_last_time_after_the_renewal_troubles_nobody() {
    let world = World::new().await;
    let shop = world.shop("acme").await;
    let goods = world.goods(&shop).await;
    let buyer = world.buyer("bob", 500_000).await;
    let sub = world.subscribe(buyer, months(goods.basic, 1, 1)).await;
    let (id, end) = (sub.id, sub.ends_at.unwrap());
    shop.server.on(UpdateInstanceStatus, Behaviour::HangsUp);
    world.pass(end + 20 * MINUTE_MS - world.now().await).await;
    world.renew(buyer, id, MONTH).await;
    world.pass(39 * MINUTE_MS).await;
    assert_eq!(shop.server.calls_of(RefreshInstance).len(), 0, "calls of a subscription are made one after another");
    // The freeze is tried for the last time after an hour; what follows finds the server back.
    shop.server.on(UpdateInstanceStatus, Behaviour::Flapping(vec![Behaviour::HangsUp, Behaviour::Sound]));
    world.pass(HOUR_MS).await;
    let states = [Scene::Freeze, Scene::Renewal, Scene::Unfreeze];
    let mut found = Vec::new();
    for scene in states {
        found.push(calls_of(&world, id, scene).await[0].state);
    }
    assert_eq!(found, [CallState::Withdrawn, CallState::Done, CallState::Done]);
    assert_eq!(stopped_notices(&world, &shop).await, 0);
    world.finish().await;
}

#[tokio::test]
async fn a_renewal_that_is_restarted_late_says_when_the_subscription_ends_now() {
    let world = World::new().await;
    let shop = world.shop("acme").await;
    let goods = world.goods(&shop).await;
    let buyer = world.buyer("bob", 5_000_000).await;
    let sub = world.subscribe(buyer, months(goods.basic, 1, 1)).await;
    let id = sub.id;
    shop.server.on(RefreshInstance, Behaviour::HangsUp);
    let first = world.renew(buyer, id, MONTH).await;
    world.pass(2 * HOUR_MS).await;
    let lost = calls_of(&world, id, Scene::Renewal).await.remove(0);
    assert_eq!(lost.state, CallState::GaveUp);
    shop.server.recover().await;
    let second = world.renew(buyer, id, Period { unit: PeriodUnit::Year, count: 1 }).await;
    world.settle_down().await;
    let end = world.subscription(id).await.ends_at;
    assert_eq!(told_end(&shop), end);
    assert_eq!(world.order(&second.number).await.state, OrderState::Completed);
    restart(&world, &shop, &lost).await.unwrap();
    world.settle_down().await;
    assert_eq!(shop.server.calls_of(RefreshInstance).last().unwrap().body.matches(&first.number).count(), 2);
    assert_eq!(told_end(&shop), end, "the seller must not cut off what was paid for since");
    assert_eq!(world.order(&first.number).await.state, OrderState::Completed);
    world.finish().await;
}

#[tokio::test]
async fn look_ups_spare_a_server_that_was_just_asked_or_is_down() {
    let world = World::new().await;
    let shop = world.shop("acme").await;
    let goods = world.goods(&shop).await;
    let buyer = world.buyer("bob", 5_000_000).await;
    let sub = world.subscribe(buyer, months(goods.basic, 1, 5)).await;
    let id = sub.id;
    assert_eq!(shop.server.calls_of(QueryInstance).len(), 1, "it was asked when it was opened");
    for _ in 0..3 {
        let view = delivery::instance(&world.market, &ctx(&world).await, buyer, id).await.unwrap().unwrap();
        assert!(view.password.is_some());
    }
    assert_eq!(shop.server.calls_of(QueryInstance).len(), 1, "and has just said it");
    let some_time_later = async || {
        let age = sql!("UPDATE delivery_attempts SET wall_at = wall_at - 60000");
        world.act(async move |tx, _, _| tx.execute(age, &[]).await).await;
    };
    some_time_later().await;
    delivery::instance(&world.market, &ctx(&world).await, buyer, id).await.unwrap().unwrap();
    assert_eq!(shop.server.calls_of(QueryInstance).len(), 2);
    some_time_later().await;
    world.pass(sub.ends_at.unwrap() - 10 * DAY_MS - world.now().await).await;
    shop.server.behave(Behaviour::HangsUp).await;
    for _ in 0..5 {
        world.buy(buyer, months(goods.basic, 1, 1)).await;
    }
    world.settle_down().await;
    shop.server.forget_calls();
    let view = delivery::instance(&world.market, &ctx(&world).await, buyer, id).await.unwrap().unwrap();
    assert!(view.password.is_some(), "what the seller said last");
    let down = orders::RenewalInput { period: MONTH, sku_id: None, quantity: Some(3) };
    let refused = delivery::check_renewal(&world.market, &ctx(&world).await, buyer, id, &down).await;
    assert_eq!(refused.unwrap_err().code(), Some(Code::SellerUnreachable));
    assert!(shop.server.calls().is_empty());
    shop.server.recover().await;
    world.pass(HOUR_MS).await;
    delivery::check_renewal(&world.market, &ctx(&world).await, buyer, id, &down).await.unwrap();
    assert_eq!(shop.server.calls_of(ChangeInstanceCheck).len(), 1);
    world.finish().await;
}

#[tokio::test]
async fn replays_at_once_are_all_kept_and_told_of_newest_first() {
    let world = World::new().await;
    let shop = world.shop("acme").await;
    let goods = world.goods(&shop).await;
    let buyer = world.buyer("bob", 500_000).await;
    let sub = world.subscribe(buyer, months(goods.basic, 1, 1)).await;
    let (id, seller) = (calls_of(&world, sub.id, Scene::Create).await[0].id, shop.account);
    let ctx = ctx(&world).await;
    for _ in 0..20 {
        let one = delivery::replay(&world.market, &ctx, seller, id);
        let two = delivery::replay(&world.market, &ctx, seller, id);
        let (one, two) = tokio::join!(one, two);
        assert_eq!(one.unwrap().n.abs_diff(two.unwrap().n), 1);
    }
    let mut page = PageRequest { limit: 15, ..PageRequest::default() };
    let mut seen = Vec::new();
    loop {
        let asked = page.clone();
        let part = world.act(async move |tx, _, _| calls::attempts(tx, id, &asked).await).await;
        seen.extend(part.items.iter().map(|attempt| attempt.n));
        let Some(next) = part.next else { break };
        page.after = next;
    }
    assert_eq!(seen, (1..=42).rev().collect::<Vec<_>>());
    page.after = "x".to_owned();
    let refused = world.try_act(async move |tx, _, _| calls::attempts(tx, id, &page).await).await;
    assert_eq!(refused.unwrap_err().code(), Some(Code::CursorInvalid));
    let audited =
        world.act(async move |tx, _, _| audit::search(tx, None, &PageRequest { limit: 200, ..PageRequest::default() }).await).await;
    assert_eq!(audited.items.iter().filter(|entry| entry.action == "calls.replayed" && entry.subject == id.to_string()).count(), 40);
    world.finish().await;
}
