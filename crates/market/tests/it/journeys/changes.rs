//! Another SKU or quantity, at once or at a renewal.

use kernel::{Code, HOUR_MS, Period, PeriodUnit};
use market::delivery;
use market::orders::{self, OrderState, RenewalInput};
use market::page::PageRequest;
use market::subscriptions::SubscriptionState;
use market::views;
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
