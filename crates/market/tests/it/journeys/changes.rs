//! Another SKU or quantity, at once or at a renewal.

use db::sql;
use kernel::{AccountId, Code, HOUR_MS, Period, PeriodUnit, SkuId, SubscriptionId};
use market::catalog::{self, ChangeRule};
use market::orders::{self, Order, OrderState, RenewalInput};
use market::page::PageRequest;
use market::subscriptions::{Subscription, SubscriptionState};
use market::{delivery, refunds, views};
use testkit::sellers::Behaviour;
use testkit::world::{World, months, years};
use wire::koogallery_v2::{Activity, ResultCode};

use Activity::{RefreshInstance, UpgradeInstance};

#[tokio::test]
async fn a_change_costs_what_is_left_and_holds_when_the_seller_has_made_it() {
    let world = World::new().await;
    let shop = world.shop("acme").await;
    let goods = world.goods(&shop).await;
    let buyer = world.buyer("bob", 5_000_000).await;
    let sub = world.subscribe(buyer, months(goods.basic, 2, 2)).await;
    let id = sub.id;
    let pro = goods.pro;
    // Half of the first of two months is over: what is left is one month and a half of (250 × 3 − 100 × 2).
    let anchor = sub.anchor_at.unwrap();
    let first_month = world.market.edition().zone.add_months(anchor, 1) - anchor;
    world.pass(first_month / 2).await;
    let order = world
        .act(async move |tx, ctx, market| {
            let quote = orders::quote_change(tx, ctx, market.edition(), buyer, id, pro, 3).await?;
            let order = orders::place_change(tx, ctx, market.edition(), buyer, id, pro, 3, Some(quote.total_minor)).await?;
            orders::pay(tx, ctx, market.edition(), buyer, &order.number).await
        })
        .await;
    assert_eq!(order.total_minor, 82_500);
    assert_eq!(world.subscription(id).await.item.sku_id, goods.basic);
    world.settle_down().await;
    let changed = world.subscription(id).await;
    assert_eq!((changed.item.sku_id, changed.quantity, changed.ends_at), (goods.pro, 3, sub.ends_at));
    assert_eq!(shop.server.activities().last(), Some(&UpgradeInstance));
    let down = world.try_act(async move |tx, ctx, market| orders::quote_change(tx, ctx, market.edition(), buyer, id, pro, 1).await).await;
    assert_eq!(down.unwrap_err().code(), Some(Code::ChangeNotUpgrade));
    world.finish().await;
}

#[tokio::test]
async fn a_renewal_may_change_what_is_renewed_after_the_seller_was_asked() {
    let world = World::new().await;
    let shop = world.shop("acme").await;
    let goods = world.goods(&shop).await;
    let buyer = world.buyer("bob", 5_000_000).await;
    let sub = world.subscribe(buyer, months(goods.pro, 2, 5)).await;
    let (id, old_end) = (sub.id, sub.ends_at.unwrap());
    let down = RenewalInput { period: Period { unit: PeriodUnit::Month, count: 1 }, sku_id: Some(goods.basic), quantity: Some(3) };
    let ctx = async || world.market.ctx(kernel::Actor::System("test"), kernel::Locale::En).await.unwrap();
    let early = delivery::check_renewal(&world.market, &ctx().await, buyer, id, &down).await;
    assert_eq!(early.unwrap_err().code(), Some(Code::RenewalChangeTooEarly));
    world.pass_days(40).await;
    shop.server.on(Activity::ChangeInstanceCheck, Behaviour::Answers(ResultCode::InvalidParameter));
    let refused = delivery::check_renewal(&world.market, &ctx().await, buyer, id, &down).await;
    assert_eq!(refused.unwrap_err().code(), Some(Code::SellerRefuses));
    shop.server.on(Activity::ChangeInstanceCheck, Behaviour::HangsUp);
    let silent = delivery::check_renewal(&world.market, &ctx().await, buyer, id, &down).await;
    assert_eq!(silent.unwrap_err().code(), Some(Code::SellerUnreachable));
    shop.server.on(Activity::ChangeInstanceCheck, Behaviour::Sound);
    delivery::check_renewal(&world.market, &ctx().await, buyer, id, &down).await.unwrap();
    assert!(shop.server.calls().last().unwrap().body.contains("\"linearValue\":\"3\""));
    let wanted = down.clone();
    let order = world
        .act(async move |tx, ctx, market| {
            let order = orders::place_renewal(tx, ctx, market.edition(), buyer, id, &wanted, None).await?;
            orders::pay(tx, ctx, market.edition(), buyer, &order.number).await
        })
        .await;
    assert_eq!(order.total_minor, 30_000);
    world.settle_down().await;
    assert!(shop.server.calls_of(RefreshInstance)[0].body.contains("RENEWAL_CHANGE"));
    let before = world.subscription(id).await;
    assert_eq!((before.item.sku_id, before.quantity, before.next.as_ref().unwrap().from), (goods.pro, 5, old_end));
    let pro = goods.pro;
    let blocked =
        world.try_act(async move |tx, ctx, market| orders::quote_change(tx, ctx, market.edition(), buyer, id, pro, 9).await).await;
    assert_eq!(blocked.unwrap_err().code(), Some(Code::RenewalChangePending));
    world.pass(old_end - world.now().await).await;
    let after = world.subscription(id).await;
    assert_eq!((after.item.sku_id, after.quantity, after.next, after.state), (goods.basic, 3, None, SubscriptionState::InUse));
    world.finish().await;
}

#[tokio::test]
async fn a_change_that_the_seller_cannot_make_is_refunded_and_changes_nothing() {
    let world = World::new().await;
    let shop = world.shop("acme").await;
    let goods = world.goods(&shop).await;
    let buyer = world.buyer("bob", 5_000_000).await;
    let sub = world.subscribe(buyer, years(goods.basic, 1, 1)).await;
    let (id, pro, before) = (sub.id, goods.pro, world.balance(buyer).await);
    shop.server.on(UpgradeInstance, Behaviour::Answers(ResultCode::NoResource));
    let order = world
        .act(async move |tx, ctx, market| {
            let order = orders::place_change(tx, ctx, market.edition(), buyer, id, pro, 1, None).await?;
            orders::pay(tx, ctx, market.edition(), buyer, &order.number).await
        })
        .await;
    let blocked = world
        .try_act(async move |tx, ctx, market| {
            let period = Period { unit: PeriodUnit::Month, count: 1 };
            orders::place_renewal(tx, ctx, market.edition(), buyer, id, &RenewalInput::same(period), None).await
        })
        .await;
    assert_eq!(blocked.unwrap_err().code(), Some(Code::OrderOpen));
    world.pass(3 * HOUR_MS).await;
    assert_eq!(world.order(&order.number).await.state, OrderState::Failed);
    assert_eq!(world.balance(buyer).await, before);
    let after = world.subscription(id).await;
    assert_eq!((after.item.sku_id, after.quantity, after.open_order), (goods.basic, 1, None));
    world.finish().await;
}

#[tokio::test]
async fn a_renewal_with_a_change_that_is_paid_after_the_end_begins_when_it_is_paid() {
    let world = World::new().await;
    let shop = world.shop("acme").await;
    let goods = world.goods(&shop).await;
    let buyer = world.buyer("bob", 5_000_000).await;
    let sub = world.subscribe(buyer, months(goods.pro, 1, 5)).await;
    let (id, end) = (sub.id, sub.ends_at.unwrap());
    let month = Period { unit: PeriodUnit::Month, count: 1 };
    let down = RenewalInput { period: month, sku_id: Some(goods.basic), quantity: Some(3) };
    world.pass(end - kernel::DAY_MS - world.now().await).await;
    let order =
        world.act(async move |tx, ctx, market| orders::place_renewal(tx, ctx, market.edition(), buyer, id, &down, None).await).await;
    world.pass_days(2).await;
    assert_eq!(world.subscription(id).await.state, SubscriptionState::Frozen);
    let number = order.number.clone();
    world.act(async move |tx, ctx, market| orders::pay(tx, ctx, market.edition(), buyer, &number).await).await;
    world.settle_down().await;
    let after = world.subscription(id).await;
    assert_eq!((after.item.sku_id, after.quantity, after.next, after.state), (goods.basic, 3, None, SubscriptionState::InUse));
    assert_eq!(world.order(&order.number).await.lines[0].effective_at, Some(end));
    let timeline = world.act(async move |tx, _, _| views::timeline(tx, Some(buyer), id, &PageRequest::default()).await).await;
    let place = |action| timeline.items.iter().position(|entry| entry.action == action).unwrap();
    assert!(place("subscriptions.renewed") < place("subscriptions.changed"), "nothing becomes true before it was paid for");
    let pro = goods.pro;
    world.act(async move |tx, ctx, market| orders::quote_change(tx, ctx, market.edition(), buyer, id, pro, 3).await).await;
    world.finish().await;
}

/// Places and pays a change.
async fn change(world: &World, buyer: AccountId, id: SubscriptionId, sku: SkuId, quantity: i64) -> Order {
    let order = world
        .act(async move |tx, ctx, market| {
            let order = orders::place_change(tx, ctx, market.edition(), buyer, id, sku, quantity, None).await?;
            orders::pay(tx, ctx, market.edition(), buyer, &order.number).await
        })
        .await;
    world.settle_down().await;
    order
}

/// Lets the time pass until so many months after the subscription's opening.
async fn pass_to_month(world: &World, sub: &Subscription, months: i64) {
    let at = world.market.edition().zone.add_months(sub.anchor_at.unwrap(), months);
    world.pass(at - world.now().await).await;
}

#[tokio::test]
async fn a_second_change_is_reckoned_from_what_is_held_though_it_is_no_longer_sold() {
    let world = World::new().await;
    let shop = world.shop("acme").await;
    let goods = world.goods(&shop).await;
    let buyer = world.buyer("bob", 5_000_000).await;
    let sub = world.subscribe(buyer, months(goods.basic, 12, 1)).await;
    pass_to_month(&world, &sub, 6).await;
    assert_eq!(change(&world, buyer, sub.id, goods.pro, 1).await.total_minor, (25_000 - 10_000) * 6);
    let pro = goods.pro;
    world
        .act(async move |tx, ctx, _| {
            let withdraw = sql!("UPDATE prices SET withdrawn_at = CAST($1 AS BIGINT) WHERE sku_id = $2");
            tx.execute(withdraw, &[&ctx.now, &pro]).await
        })
        .await;
    // Four of the basic one are 400.00 a month.
    assert_eq!(change(&world, buyer, sub.id, goods.basic, 4).await.total_minor, (40_000 - 25_000) * 6);
    world.finish().await;
}

#[tokio::test]
async fn the_old_price_is_of_the_unit_in_which_the_remaining_time_was_bought() {
    let world = World::new().await;
    let shop = world.shop("acme").await;
    let goods = world.goods(&shop).await;
    let buyer = world.buyer("bob", 5_000_000).await;
    let (month, year) = (|count| Period { unit: PeriodUnit::Month, count }, Period { unit: PeriodUnit::Year, count: 1 });
    let monthly = world.subscribe(buyer, months(goods.basic, 1, 1)).await;
    let yearly = world.subscribe(buyer, years(goods.basic, 1, 1)).await;
    world.renew(buyer, monthly.id, year).await;
    world.renew(buyer, yearly.id, month(2)).await;
    world.settle_down().await;
    pass_to_month(&world, &monthly, 1).await;
    assert_eq!(change(&world, buyer, monthly.id, goods.pro, 1).await.total_minor, 250_000 - 100_000);
    pass_to_month(&world, &yearly, 12).await;
    assert_eq!(change(&world, buyer, yearly.id, goods.pro, 1).await.total_minor, 2 * (25_000 - 10_000));
    world.finish().await;
}

#[tokio::test]
async fn the_seller_hears_the_product_id_whenever_the_period_type_changes() {
    let world = World::new().await;
    let shop = world.shop("acme").await;
    let goods = world.goods(&shop).await;
    let buyer = world.buyer("bob", 5_000_000).await;
    let id = world.subscribe(buyer, months(goods.basic, 1, 1)).await.id;
    let (month, year) = (Period { unit: PeriodUnit::Month, count: 1 }, Period { unit: PeriodUnit::Year, count: 1 });
    let mut told = Vec::new();
    for period in [month, year, year, month, month] {
        world.renew(buyer, id, period).await;
        world.settle_down().await;
        told.push(shop.server.calls().last().unwrap().body.contains("\"productId\""));
    }
    assert_eq!(told, [false, true, false, true, false]);
    // A year that returns before it began leaves the months.
    let order = world.renew(buyer, id, year).await;
    world.settle_down().await;
    world.act(async move |tx, ctx, market| refunds::refund_renewal(tx, ctx, market.edition(), buyer, &order.number).await).await;
    world.settle_down().await;
    let cancelled = shop.server.calls().last().unwrap().body.clone();
    assert!(cancelled.contains("UNSUBSCRIBE_RENEWAL_PERIOD") && cancelled.contains("\"productId\""), "{cancelled}");
    world.renew(buyer, id, month).await;
    world.settle_down().await;
    assert!(!shop.server.calls().last().unwrap().body.contains("\"productId\""));
    world.finish().await;
}

#[tokio::test]
async fn an_unpaid_change_ends_after_an_hour_and_the_next_one_costs_what_is_left_then() {
    let world = World::new().await;
    let shop = world.shop("acme").await;
    let goods = world.goods(&shop).await;
    let buyer = world.buyer("bob", 5_000_000).await;
    let sub = world.subscribe(buyer, months(goods.basic, 1, 1)).await;
    let (id, pro) = (sub.id, goods.pro);
    let place = async move |tx: &mut db::Tx, ctx: &kernel::Ctx, market: &market::Market| {
        orders::place_change(tx, ctx, market.edition(), buyer, id, pro, 1, None).await
    };
    let first = world.act(place).await;
    assert_eq!(first.pay_until, world.now().await + HOUR_MS);
    world.pass(HOUR_MS).await;
    let ended = world.order(&first.number).await;
    assert_eq!((ended.state, ended.close_reason.as_deref()), (OrderState::Cancelled, Some("unpaid")));
    let number = first.number.clone();
    let late = world.try_act(async move |tx, ctx, market| orders::pay(tx, ctx, market.edition(), buyer, &number).await).await;
    assert_eq!(late.unwrap_err().code(), Some(Code::OrderState));
    let second = world.act(place).await;
    assert!(second.total_minor < first.total_minor, "{} {}", second.total_minor, first.total_minor);
    let number = second.number.clone();
    world.act(async move |tx, ctx, _| orders::cancel(tx, ctx, buyer, &number).await).await;
    assert_eq!(world.subscription(id).await.open_order, None);
    world.finish().await;
}

#[tokio::test]
async fn the_seller_says_what_may_become_what_and_in_which_steps() {
    let world = World::new().await;
    let shop = world.shop("acme").await;
    let goods = world.goods(&shop).await;
    let buyer = world.buyer("bob", 5_000_000).await;
    let (seller, product) = (shop.account, goods.product);
    // The basic one grows by four at once and becomes no other; the larger one may become the basic one.
    let (basic, pro) = (goods.basic, goods.pro);
    world
        .act(async move |tx, ctx, market| {
            let mut content = catalog::get_of_seller(tx, seller, product).await?.draft;
            content.editions[0].skus[0].change = Some(ChangeRule { to: vec![], scaling_steps: 4 });
            content.editions[0].skus[1].change = Some(ChangeRule { to: vec![basic], scaling_steps: 1 });
            catalog::update_draft(tx, ctx, seller, product, content, None).await?;
            catalog::submit(tx, ctx, seller, product).await?;
            let queue = catalog::review_queue(tx, ctx, &PageRequest::default()).await?;
            catalog::approve(tx, ctx, market.edition(), queue.items[0].id).await
        })
        .await;
    let view = world.act(async move |tx, _, _| catalog::view(tx, None, product).await).await;
    assert_eq!(view.editions[0].skus[0].change, Some(ChangeRule { to: vec![], scaling_steps: 4 }));
    let sub = world.subscribe(buyer, months(basic, 1, 3)).await;
    let larger = world.subscribe(buyer, months(pro, 1, 1)).await;
    let quote = async |id, sku, quantity| {
        world
            .try_act(async move |tx, ctx, market| orders::quote_change(tx, ctx, market.edition(), buyer, id, sku, quantity).await)
            .await
            .map_err(|error| error.code())
    };
    assert_eq!(quote(sub.id, pro, 1).await.unwrap_err(), Some(Code::ChangeTarget));
    assert_eq!(quote(sub.id, basic, 4).await.unwrap_err(), Some(Code::QuantityInvalid));
    assert_eq!(quote(sub.id, basic, 7).await.unwrap().total_minor, 4 * 10_000);
    assert_eq!(quote(larger.id, basic, 3).await.unwrap().total_minor, 30_000 - 25_000);
    // The same at a renewal, upward and downward.
    world.pass_days(5).await;
    let renewal = async |id, sku_id, quantity| {
        let input = RenewalInput { period: Period { unit: PeriodUnit::Month, count: 1 }, sku_id: Some(sku_id), quantity: Some(quantity) };
        world
            .try_act(async move |tx, ctx, market| orders::quote_renewal(tx, ctx, market.edition(), buyer, id, &input).await)
            .await
            .map_err(|error| error.code())
    };
    assert_eq!(renewal(sub.id, basic, 2).await.unwrap_err(), Some(Code::QuantityInvalid));
    assert_eq!(renewal(sub.id, pro, 3).await.unwrap_err(), Some(Code::ChangeTarget));
    assert_eq!(renewal(larger.id, basic, 1).await.unwrap().total_minor, 10_000);
    world.finish().await;
}
