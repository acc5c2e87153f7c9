//! What comes late: a runner that was away, numbers that were changed, rows that cannot be read.

use db::sql;
use kernel::{Code, DAY_MS, HOUR_MS, Period, PeriodUnit, SubscriptionId};
use market::catalog::{self, By};
use market::orders::{self, OrderState, PurchaseItem, RenewalInput};
use market::page::PageRequest;
use market::runner::{self, To};
use market::subscriptions::{self, Renewal, RenewalMode, SubscriptionState};
use market::{lifecycle, notices};
use testkit::sellers::Behaviour;
use testkit::world::{World, months, once};
use wire::koogallery_v2::Activity;

const MONTHLY: Renewal = Renewal { mode: RenewalMode::Auto, period: Some(Period { unit: PeriodUnit::Month, count: 1 }), times: None };
const NONE: Renewal = Renewal { mode: RenewalMode::None, period: None, times: None };

/// Lets time pass while no runner is there.
async fn nobody_works_until(world: &World, at: i64) {
    world.act(async move |tx, _, _| tx.execute(sql!("UPDATE sandbox_clock SET base_at = $1"), &[&at]).await).await;
}

async fn set_renewal(world: &World, id: SubscriptionId, renewal: Renewal) -> db::Result<()> {
    let buyer = world.subscription(id).await.buyer_id;
    world
        .try_act(async move |tx, ctx, market| {
            subscriptions::set_renewal(tx, ctx, market.edition(), buyer, id, None, renewal).await.map(drop)
        })
        .await
}

#[tokio::test]
async fn whoever_sets_the_renewal_after_the_end_is_frozen_and_released_all_the_same() {
    let world = World::new().await;
    let shop = world.shop("acme").await;
    let goods = world.goods(&shop).await;
    let buyer = world.buyer("bob", 500_000).await;
    for renewal in [MONTHLY, Renewal::MANUAL, NONE] {
        let sub = world.subscribe(buyer, months(goods.basic, 1, 1)).await;
        let (id, end) = (sub.id, sub.ends_at.unwrap());
        nobody_works_until(&world, end + 200).await;
        set_renewal(&world, id, renewal).await.unwrap();
        world.settle_down().await;
        let frozen = world.subscription(id).await;
        assert_eq!((frozen.state, frozen.expired_at), (SubscriptionState::Frozen, Some(end)), "{renewal:?}");
        // The same at the end of the retention.
        let release = frozen.release_at.unwrap();
        nobody_works_until(&world, release + 200).await;
        set_renewal(&world, id, renewal).await.unwrap();
        world.settle_down().await;
        let released = world.subscription(id).await;
        assert_eq!((released.state, released.released_at), (SubscriptionState::Released, Some(release)), "{renewal:?}");
    }
    world.finish().await;
}

#[tokio::test]
async fn a_change_that_is_still_under_way_when_its_subscription_is_released_is_refunded() {
    let world = World::new().await;
    let shop = world.shop("acme").await;
    let goods = world.goods(&shop).await;
    let buyer = world.buyer("bob", 5_000_000).await;
    for answer in [Behaviour::Sound, Behaviour::HangsUp] {
        let sub = world.subscribe(buyer, months(goods.basic, 1, 1)).await;
        let (id, pro, before) = (sub.id, goods.pro, world.balance(buyer).await);
        world.pass_days(10).await;
        let order = world
            .act(async move |tx, ctx, market| {
                let order = orders::place_change(tx, ctx, market.edition(), buyer, id, pro, 1, None).await?;
                orders::pay(tx, ctx, market.edition(), buyer, &order.number).await
            })
            .await;
        assert!(world.balance(buyer).await < before);
        // Nobody works for longer than the retention; then the calendars go first.
        let late = sub.ends_at.unwrap() + 20 * DAY_MS;
        nobody_works_until(&world, late).await;
        lifecycle::step(&world.market, id, late).await.unwrap();
        assert_eq!(world.subscription(id).await.state, SubscriptionState::Released);
        shop.server.on(Activity::UpgradeInstance, answer);
        world.pass(4 * HOUR_MS).await;
        assert_eq!(world.order(&order.number).await.state, OrderState::Failed);
        assert_eq!(world.balance(buyer).await, before);
        let over = world.subscription(id).await;
        assert_eq!((over.item.sku_id, over.open_order), (goods.basic, None));
    }
    world.finish().await;
}

#[tokio::test]
async fn numbers_that_are_changed_move_what_is_to_come() {
    let world = World::new().await;
    let shop = world.shop("acme").await;
    let goods = world.goods(&shop).await;
    let buyer = world.buyer("bob", 500_000).await;
    let sub = world.subscribe(buyer, months(goods.basic, 1, 1)).await;
    let end = sub.ends_at.unwrap();
    world.pass(end - HOUR_MS - world.now().await).await;
    let patient = world.another_process_with(|edition| edition.grace_days = 7).await;
    let moved = runner::advance(&patient, To::Moment(end + HOUR_MS), |_| {}).await.unwrap();
    assert_eq!(moved.now, end + HOUR_MS);
    assert_eq!(world.subscription(sub.id).await.state, SubscriptionState::InUse);
    runner::advance(&patient, To::Moment(end + 7 * DAY_MS), |_| {}).await.unwrap();
    assert_eq!(world.subscription(sub.id).await.expired_at, Some(end + 7 * DAY_MS));
    world.finish().await;
}

#[tokio::test]
async fn a_subscription_that_cannot_be_read_stops_nobody_else() {
    let world = World::new().await;
    let shop = world.shop("acme").await;
    let goods = world.goods(&shop).await;
    let (bob, eve) = (world.buyer("bob", 500_000).await, world.buyer("eve", 500_000).await);
    let broken = world.subscribe(bob, months(goods.basic, 1, 1)).await;
    let sound = world.subscribe(eve, months(goods.basic, 1, 1)).await;
    let (id, end) = (broken.id, broken.ends_at.unwrap());
    let names = serde_json::to_string(&broken.item.names).unwrap();
    let damage = async |names: String| {
        world.act(async move |tx, _, _| tx.execute(sql!("UPDATE subscriptions SET names = $1 WHERE id = $2"), &[&names, &id]).await).await
    };
    damage("{".to_owned()).await;
    world.pass(end - 14 * DAY_MS - world.now().await).await;
    // The reminders are due, and only one of the two can be sent.
    let order = world.buy(eve, once(goods.once)).await;
    world.settle_down().await;
    assert_eq!(world.order(&order.number).await.state, OrderState::Completed);
    let reminded = async |account| {
        let inbox = world.act(async move |tx, _, _| notices::inbox(tx, account, &PageRequest::default()).await).await;
        inbox.items.into_iter().filter(|notice| notice.kind.word() == "subscription-ends").count()
    };
    assert_eq!((reminded(bob).await, reminded(eve).await), (0, 1));
    // Repaired, it goes on where it stood.
    damage(names).await;
    world.pass(2 * HOUR_MS).await;
    assert_eq!(reminded(bob).await, 1);
    world.pass(end - world.now().await).await;
    for id in [id, sound.id] {
        assert_eq!(world.subscription(id).await.expired_at, Some(end));
    }
    world.finish().await;
}

#[tokio::test]
async fn an_unpaid_order_that_cannot_be_read_stops_nobody_else() {
    let world = World::new().await;
    let shop = world.shop("acme").await;
    let goods = world.goods(&shop).await;
    let buyer = world.buyer("bob", 500_000).await;
    let place = async || {
        let item = months(goods.basic, 1, 1);
        world
            .act(async move |tx, ctx, market| orders::place(tx, ctx, market.edition(), buyer, std::slice::from_ref(&item), None).await)
            .await
    };
    let (broken, sound) = (place().await, place().await);
    let names = serde_json::to_string(&broken.lines[0].item.names).unwrap();
    let damage = async |names: String| {
        let number = broken.number.clone();
        let damage = sql!("UPDATE order_lines SET names = $1 WHERE order_number = $2");
        world.act(async move |tx, _, _| tx.execute(damage, &[&names, &number]).await).await
    };
    damage("{".to_owned()).await;
    world.pass_days(8).await;
    assert_eq!(world.order(&sound.number).await.state, OrderState::Cancelled);
    let order = world.buy(buyer, months(goods.basic, 1, 1)).await;
    world.settle_down().await;
    assert_eq!(world.order(&order.number).await.state, OrderState::Completed);
    damage(names).await;
    world.pass(2 * HOUR_MS).await;
    assert_eq!(world.order(&broken.number).await.state, OrderState::Cancelled);
    world.finish().await;
}

#[tokio::test]
async fn what_is_taken_off_the_market_is_renewed_no_more_and_its_unpaid_orders_end() {
    let world = World::new().await;
    let shop = world.shop("acme").await;
    let goods = world.goods(&shop).await;
    let buyer = world.buyer("bob", 500_000).await;
    let sub = world.subscribe(buyer, PurchaseItem { renewal: Some(MONTHLY), ..months(goods.basic, 1, 1) }).await;
    let id = sub.id;
    let place = async |item: PurchaseItem| {
        world
            .act(async move |tx, ctx, market| orders::place(tx, ctx, market.edition(), buyer, std::slice::from_ref(&item), None).await)
            .await
    };
    let (pro, other, setup) = (place(months(goods.pro, 1, 1)).await, place(months(goods.basic, 1, 1)).await, place(once(goods.once)).await);
    let renewal = world
        .act(async move |tx, ctx, market| {
            let input = RenewalInput::same(Period { unit: PeriodUnit::Month, count: 1 });
            orders::place_renewal(tx, ctx, market.edition(), buyer, id, &input, None).await
        })
        .await;
    let states = async || {
        let mut states = Vec::new();
        for order in [&pro, &other, &renewal, &setup] {
            let order = world.order(&order.number).await;
            states.push((order.state, order.close_reason));
        }
        states
    };
    let (open, ended) = ((OrderState::PendingPayment, None), (OrderState::Cancelled, Some("not_on_sale".to_owned())));
    let seller = By::Seller(shop.account);
    world.act(async move |tx, ctx, _| catalog::retire_sku(tx, ctx, seller, goods.pro).await).await;
    world.settle_down().await;
    assert_eq!(states().await, [ended.clone(), open.clone(), open.clone(), open.clone()]);
    let edition = sub.item.edition_id;
    world.act(async move |tx, ctx, _| catalog::retire_edition(tx, ctx, seller, edition).await).await;
    world.settle_down().await;
    assert_eq!(states().await, [ended.clone(), ended.clone(), ended.clone(), open]);
    assert_eq!(world.subscription(id).await.open_order, None);
    world.act(async move |tx, ctx, _| catalog::retire_product(tx, ctx, seller, goods.product).await).await;
    world.settle_down().await;
    assert_eq!(states().await, vec![ended; 4]);
    // It runs to its end; how it is renewed cannot be chosen any more, but that it is not.
    for renewal in [MONTHLY, Renewal::MANUAL] {
        assert_eq!(set_renewal(&world, id, renewal).await.unwrap_err().code(), Some(Code::NotOnSale), "{renewal:?}");
    }
    set_renewal(&world, id, NONE).await.unwrap();
    world.finish().await;
}
