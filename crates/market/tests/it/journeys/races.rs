//! Two people, or a person and the marketplace, at the same thing at the same time: one of them wins, and the money says which.

use kernel::{AccountId, Code, Period, PeriodUnit};
use market::Market;
use market::orders::{self, OrderState, RenewalInput};
use market::refunds;
use market::subscriptions::{self, SubscriptionState};
use testkit::world::{World, months};

const MONTH: Period = Period { unit: PeriodUnit::Month, count: 1 };

/// Does something in one process.
async fn at<T, F>(market: &Market, work: F) -> db::Result<T>
where
    T: Send + 'static,
    F: AsyncFn(&mut db::Tx, &kernel::Ctx, &Market) -> db::Result<T> + Send + 'static,
{
    let ctx = market.ctx(kernel::Actor::System("test"), kernel::Locale::En).await?;
    let of = market.clone();
    market.db().write(async move |tx| work(tx, &ctx, &of).await).await
}

/// Who of two won: one did, and the other was refused with one of these codes.
fn one_won<A, B>(one: &db::Result<A>, two: &db::Result<B>, codes: &[Code]) -> bool {
    let refused = match (one, two) {
        (Ok(_), Err(refused)) | (Err(refused), Ok(_)) => refused.code(),
        (Ok(_), Ok(_)) => panic!("both won"),
        (Err(one), Err(two)) => panic!("nobody won: {one}, {two}"),
    };
    assert!(refused.is_some_and(|code| codes.contains(&code)), "{refused:?}");
    one.is_ok()
}

#[tokio::test]
async fn an_order_is_paid_or_cancelled_never_both() {
    let world = World::new().await;
    let shop = world.shop("acme").await;
    let goods = world.goods(&shop).await;
    let buyer = world.buyer("bob", 500_000).await;
    let other = world.another_process().await;
    let mut spent = 0;
    for _ in 0..6 {
        let item = months(goods.basic, 1, 1);
        let order = world
            .act(async move |tx, ctx, market| orders::place(tx, ctx, market.edition(), buyer, std::slice::from_ref(&item), None).await)
            .await;
        let (to_pay, to_cancel) = (order.number.clone(), order.number.clone());
        let (paid, cancelled) = tokio::join!(
            at(&world.market, async move |tx, ctx, market| orders::pay(tx, ctx, market.edition(), buyer, &to_pay).await),
            at(&other, async move |tx, ctx, _| orders::cancel(tx, ctx, buyer, &to_cancel).await),
        );
        let was_paid = one_won(&paid, &cancelled, &[Code::OrderState]);
        spent += if was_paid { 10_000 } else { 0 };
        let expected = if was_paid { OrderState::Processing } else { OrderState::Cancelled };
        assert_eq!(world.order(&order.number).await.state, expected);
    }
    world.settle_down().await;
    assert_eq!(world.balance(buyer).await, 500_000 - spent);
    world.finish().await;
}

#[tokio::test]
async fn of_two_renewals_at_once_one_is_placed() {
    let world = World::new().await;
    let shop = world.shop("acme").await;
    let goods = world.goods(&shop).await;
    let buyer = world.buyer("bob", 500_000).await;
    let other = world.another_process().await;
    let id = world.subscribe(buyer, months(goods.basic, 1, 1)).await.id;
    let renew = async move |tx: &mut db::Tx, ctx: &kernel::Ctx, market: &Market| {
        orders::place_renewal(tx, ctx, market.edition(), buyer, id, &RenewalInput::same(MONTH), None).await
    };
    let (one, two) = tokio::join!(at(&world.market, renew), at(&other, renew));
    one_won(&one, &two, &[Code::OrderOpen]);
    let placed = one.or(two).unwrap();
    assert_eq!(world.subscription(id).await.open_order, Some(placed.number));
    world.finish().await;
}

#[tokio::test]
async fn the_last_return_of_the_year_is_given_once() {
    let world = World::with(|edition| edition.refund_quota = 1).await;
    let shop = world.shop("acme").await;
    let goods = world.goods(&shop).await;
    let buyer = world.buyer("bob", 500_000).await;
    let other = world.another_process().await;
    let (first, second) =
        (world.subscribe(buyer, months(goods.basic, 1, 1)).await.id, world.subscribe(buyer, months(goods.basic, 1, 1)).await.id);
    let refund = |id| {
        async move |tx: &mut db::Tx, ctx: &kernel::Ctx, market: &Market| {
            refunds::refund_subscription(tx, ctx, market.edition(), buyer, id).await
        }
    };
    let (one, two) = tokio::join!(at(&world.market, refund(first)), at(&other, refund(second)));
    one_won(&one, &two, &[Code::RefundQuotaUsed]);
    world.settle_down().await;
    assert_eq!(world.balance(buyer).await, 490_000);
    world.finish().await;
}

#[tokio::test]
async fn a_subscription_is_returned_or_changed_never_both() {
    let world = World::new().await;
    let shop = world.shop("acme").await;
    let goods = world.goods(&shop).await;
    let buyer = world.buyer("bob", 500_000).await;
    let other = world.another_process().await;
    let id = world.subscribe(buyer, months(goods.basic, 1, 1)).await.id;
    let pro = goods.pro;
    let (returned, changed) = tokio::join!(
        at(&world.market, async move |tx, ctx, market| refunds::refund_subscription(tx, ctx, market.edition(), buyer, id).await),
        at(&other, async move |tx, ctx, market| {
            let order = orders::place_change(tx, ctx, market.edition(), buyer, id, pro, 1, None).await?;
            orders::pay(tx, ctx, market.edition(), buyer, &order.number).await
        }),
    );
    let was_returned = one_won(&returned, &changed, &[Code::SubscriptionState, Code::OrderOpen]);
    world.settle_down().await;
    assert_eq!(world.balance(buyer).await, if was_returned { 500_000 } else { 475_000 });
    assert_eq!(world.subscription(id).await.state == SubscriptionState::Released, was_returned);
    world.finish().await;
}

#[tokio::test]
async fn a_freeze_by_the_operator_and_the_payment_of_a_renewal_both_hold() {
    let world = World::new().await;
    let shop = world.shop("acme").await;
    let goods = world.goods(&shop).await;
    let buyer: AccountId = world.buyer("bob", 500_000).await;
    let other = world.another_process().await;
    let sub = world.subscribe(buyer, months(goods.basic, 1, 1)).await;
    let id = sub.id;
    let order = world
        .act(async move |tx, ctx, market| {
            orders::place_renewal(tx, ctx, market.edition(), buyer, id, &RenewalInput::same(MONTH), None).await
        })
        .await;
    let number = order.number.clone();
    let (paid, frozen) = tokio::join!(
        at(&world.market, async move |tx, ctx, market| orders::pay(tx, ctx, market.edition(), buyer, &number).await),
        at(&other, async move |tx, ctx, market| subscriptions::suspend(tx, ctx, market.edition(), id, "spam").await),
    );
    assert!(paid.is_ok() && frozen.is_ok(), "{paid:?} {frozen:?}");
    world.settle_down().await;
    let now = world.subscription(id).await;
    assert_eq!((now.state, now.months), (SubscriptionState::Frozen, 2));
    assert_eq!(world.order(&order.number).await.state, OrderState::Completed);
    world.finish().await;
}
