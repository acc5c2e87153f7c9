//! What is refused, whose things are whose, and what must hold whoever works.

use db::sql;
use kernel::{Actor, Code, HOUR_MS, Locale, Money, Period, PeriodUnit};
use market::orders::{self, OrderState, RenewalInput};
use market::page::PageRequest;
use market::subscriptions::{self, Whose};
use market::views::{self, books};
use market::{MachineTime, audit, refunds};
use testkit::sellers::Behaviour;
use testkit::world::{World, months};
use wire::koogallery_v2::Activity;

use Activity::NewInstance;

#[tokio::test]
async fn money_that_is_not_there_buys_nothing() {
    let world = World::new().await;
    let shop = world.shop("acme").await;
    let goods = world.goods(&shop).await;
    let buyer = world.buyer("bob", 9_999).await;
    let item = months(goods.basic, 1, 1);
    let order = world
        .act(async move |tx, ctx, market| orders::place(tx, ctx, market.edition(), buyer, std::slice::from_ref(&item), None).await)
        .await;
    let number = order.number.clone();
    let refused = world.try_act(async move |tx, ctx, market| orders::pay(tx, ctx, market.edition(), buyer, &number).await).await;
    assert_eq!(refused.unwrap_err().code(), Some(Code::BalanceTooLow));
    assert_eq!(world.order(&order.number).await.state, OrderState::PendingPayment);
    world.deposit(buyer, 1).await;
    let number = order.number.clone();
    world.act(async move |tx, ctx, market| orders::pay(tx, ctx, market.edition(), buyer, &number).await).await;
    world.settle_down().await;
    assert_eq!(world.balance(buyer).await, 0);
    world.finish().await;
}

#[tokio::test]
async fn the_price_that_was_seen_is_the_price_that_is_paid_or_nothing_is() {
    let world = World::new().await;
    let shop = world.shop("acme").await;
    let goods = world.goods(&shop).await;
    let buyer = world.buyer("bob", 500_000).await;
    for (quantity, count, code) in [
        (0, 1, Code::QuantityInvalid),
        (-1, 1, Code::QuantityInvalid),
        (501, 1, Code::QuantityInvalid),
        (i64::MAX, 1, Code::QuantityInvalid),
        (1, 0, Code::PeriodInvalid),
        (1, 121, Code::PeriodInvalid),
    ] {
        let item = months(goods.basic, count, quantity);
        let refused = world
            .try_act(async move |tx, ctx, market| orders::place(tx, ctx, market.edition(), buyer, std::slice::from_ref(&item), None).await)
            .await;
        assert_eq!(refused.unwrap_err().code(), Some(code), "{quantity} × {count}");
    }
    let item = months(goods.basic, 1, 1);
    let refused = world
        .try_act(async move |tx, ctx, market| {
            orders::place(tx, ctx, market.edition(), buyer, std::slice::from_ref(&item), Some(9_000)).await
        })
        .await;
    assert_eq!(refused.unwrap_err().code(), Some(Code::PriceChanged));
    let (own, item) = (shop.account, months(goods.basic, 1, 1));
    let refused = world
        .try_act(async move |tx, ctx, market| orders::place(tx, ctx, market.edition(), own, std::slice::from_ref(&item), None).await)
        .await;
    assert_eq!(refused.unwrap_err().code(), Some(Code::OwnProduct));
    world.finish().await;
}

#[tokio::test]
async fn two_processes_share_the_work_and_nothing_happens_twice() {
    let world = World::new().await;
    let shop = world.shop("acme").await;
    let goods = world.goods(&shop).await;
    let buyer = world.buyer("bob", 5_000_000).await;
    for _ in 0..6 {
        world.buy(buyer, months(goods.basic, 1, 1)).await;
    }
    let other = world.another_process().await;
    let (one, two) = tokio::join!(
        market::runner::advance(&world.market, market::runner::To::Now, |_| {}),
        market::runner::advance(&other, market::runner::To::Now, |_| {})
    );
    assert!(one.is_ok() && two.is_ok());
    assert_eq!(shop.server.sound().instances().len(), 6);
    assert_eq!(shop.server.calls_of(NewInstance).len(), 6);
    world.finish().await;
}

/// Found by the simulator: ids of one millisecond sort by the process that made them, and so did the calls.
#[tokio::test]
async fn calls_are_made_in_the_order_they_were_asked_for_whichever_process_asks() {
    let world = World::new().await;
    let shop = world.shop("acme").await;
    let goods = world.goods(&shop).await;
    let buyer = world.buyer("bob", 500_000).await;
    let id = world.subscribe(buyer, months(goods.basic, 1, 1)).await.id;
    let month = Period { unit: PeriodUnit::Month, count: 1 };
    // A machine whose time is ahead makes later ids, though it asks first.
    let other = world.another_machine(MachineTime::simulated(world.market.machine().now() + HOUR_MS)).await;
    let ctx = other.ctx(Actor::System("test"), Locale::En).await.unwrap();
    let at = other.clone();
    let renew = async move |tx: &mut db::Tx| {
        let edition = at.edition();
        let order = orders::place_renewal(tx, &ctx, edition, buyer, id, &RenewalInput::same(month), None).await?;
        orders::pay(tx, &ctx, edition, buyer, &order.number).await
    };
    // The first is under way, so the others queue.
    world.renew(buyer, id, month).await;
    other.db().write(renew).await.unwrap();
    world.renew(buyer, id, month).await;
    world.settle_down().await;
    let ends_at = world.subscription(id).await.ends_at;
    let instance = &shop.server.sound().instances()[0];
    assert_eq!(instance.expires_at.map(|told| told / 1_000), ends_at.map(|end| end / 1_000), "the last that was told is the end");
    world.finish().await;
}

#[tokio::test]
async fn lists_show_each_only_their_own() {
    let world = World::new().await;
    let shop = world.shop("acme").await;
    let goods = world.goods(&shop).await;
    let (bob, eve) = (world.buyer("bob", 500_000).await, world.buyer("eve", 0).await);
    let sub = world.subscribe(bob, months(goods.basic, 1, 1)).await;
    let id = sub.id;
    let (seller, number) = (shop.account, sub.purchase_line.split('-').next().unwrap().to_owned());
    world
        .act(async move |tx, ctx, market| {
            let page = PageRequest::default();
            assert_eq!(orders::list(tx, Whose::Buyer(bob), None, &page).await?.items.len(), 1);
            assert_eq!(orders::list(tx, Whose::Seller(seller), Some(OrderState::Completed), &page).await?.items[0].lines.len(), 1);
            assert!(orders::list(tx, Whose::Buyer(eve), None, &page).await?.items.is_empty());
            assert!(subscriptions::list(tx, Whose::Buyer(eve), None, &page).await?.items.is_empty());
            for refused in [
                orders::get_of_buyer(tx, eve, &number).await.err(),
                subscriptions::get_of_buyer(tx, eve, id).await.err(),
                views::timeline(tx, Some(eve), id, &page).await.err(),
                refunds::refund_subscription(tx, ctx, market.edition(), eve, id).await.err(),
            ] {
                assert_eq!(refused.and_then(|e| e.code()), Some(Code::NotFound));
            }
            let audited = audit::search(tx, None, &PageRequest { limit: 200, ..page }).await?;
            assert!(audited.items.iter().any(|entry| entry.action == "orders.paid"));
            Ok(Money::zero(market.edition().currency))
        })
        .await;
    world.finish().await;
}

#[tokio::test]
async fn an_order_whose_money_is_elsewhere_is_named() {
    let world = World::new().await;
    let shop = world.shop("acme").await;
    let goods = world.goods(&shop).await;
    let buyer = world.buyer("bob", 500_000).await;
    shop.server.behave(Behaviour::Dead).await;
    let order = world.buy(buyer, months(goods.basic, 1, 1)).await;
    assert_eq!(books::verify_orders(world.market.db()).await.unwrap().problems, []);
    let set = async |state: &'static str| {
        world.act(async move |tx, _, _| tx.run_text(&format!("UPDATE order_lines SET state = '{state}'")).await.map(drop)).await;
    };
    set("done").await;
    let found = books::verify_orders(world.market.db()).await.unwrap();
    assert_eq!((found.orders, found.problems[0].row.as_str()), (1, order.number.as_str()));
    assert_eq!(found.problems[0].what, "the ledger holds 10000; its lines wait for 0");
    set("processing").await;
    world.pass(4 * HOUR_MS).await;
    world.finish().await;
}

#[tokio::test]
async fn an_order_that_was_placed_keeps_its_price_and_its_fee() {
    let world = World::new().await;
    let shop = world.shop("acme").await;
    let goods = world.goods(&shop).await;
    let buyer = world.buyer("bob", 500_000).await;
    let (item, basic) = (months(goods.basic, 1, 1), goods.basic);
    let order = world
        .act(async move |tx, ctx, market| orders::place(tx, ctx, market.edition(), buyer, std::slice::from_ref(&item), None).await)
        .await;
    world.act(async move |tx, _, _| tx.execute(sql!("UPDATE prices SET amount_minor = 77700 WHERE sku_id = $1"), &[&basic]).await).await;
    let number = order.number.clone();
    world.act(async move |tx, ctx, market| orders::pay(tx, ctx, market.edition(), buyer, &number).await).await;
    world.settle_down().await;
    assert_eq!(world.balance(buyer).await, 490_000);
    let line = world.order(&order.number).await.lines.remove(0);
    assert_eq!((line.amount_minor, line.fee_steps), (10_000, world.market.edition().fee_steps.clone()));
    assert_eq!(world.renew(buyer, line.subscription_id.unwrap(), Period { unit: PeriodUnit::Month, count: 1 }).await.total_minor, 77_700);
    world.settle_down().await;
    world.finish().await;
}
