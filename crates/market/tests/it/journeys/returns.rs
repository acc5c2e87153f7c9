//! Money back: without a reason, before a renewal begins, and whatever the seller does.

use db::sql;
use kernel::{Code, DAY_MS, HOUR_MS, Period, PeriodUnit};
use market::calls::{self, CallState};
use market::notices::{self, NoticeKind};
use market::orders::{self, OrderKind, OrderState, PurchaseItem};
use market::page::PageRequest;
use market::subscriptions::{Renewal, RenewalMode, SubscriptionState, Whose};
use market::views::books;
use market::{ledger, refunds, settlement};
use sample_seller::State;
use testkit::sellers::Behaviour;
use testkit::world::{World, months, once, years};
use wire::koogallery_v2::Activity;

use Activity::ReleaseInstance;

#[tokio::test]
async fn five_days_without_a_reason_and_neither_sale_nor_refund_reaches_the_statement() {
    let world = World::new().await;
    let shop = world.shop("acme").await;
    let goods = world.goods(&shop).await;
    let buyer = world.buyer("bob", 500_000).await;
    let sub = world.subscribe(buyer, years(goods.basic, 1, 2)).await;
    world.pass_days(4).await;
    let id = sub.id;
    let refund = world.act(async move |tx, ctx, market| refunds::refund_subscription(tx, ctx, market.edition(), buyer, id).await).await;
    assert_eq!((refund.kind, refund.state, refund.total_minor), (OrderKind::Unsubscribe, OrderState::Refunding, 200_000));
    // Money on its way back is where it must be, too.
    assert_eq!(ledger::verify(world.market.db(), |_| {}).await.unwrap().problems, []);
    assert_eq!(books::verify_orders(world.market.db()).await.unwrap().problems, []);
    assert_eq!(world.balance(buyer).await, 300_000);
    world.settle_down().await;
    assert_eq!(world.balance(buyer).await, 500_000);
    assert_eq!(world.order(&refund.number).await.state, OrderState::Refunded);
    assert_eq!(world.subscription(id).await.state, SubscriptionState::Released);
    let release = shop.server.calls_of(ReleaseInstance);
    assert!(release[0].body.contains(&refund.number), "a release for a refund names the refund order");
    let purchase = sub.purchase_line.split('-').next().unwrap().to_owned();
    assert_eq!(world.order(&purchase).await.state, OrderState::Refunded);
    world.pass_days(60).await;
    let seller = shop.account;
    let statements = world.act(async move |tx, _, _| settlement::statements(tx, Some(seller), None, &PageRequest::default()).await).await;
    assert!(statements.items.is_empty());
    world.finish().await;
}

#[tokio::test]
async fn a_refund_has_its_window_its_quota_and_its_rules() {
    let world = World::with(|edition| edition.refund_quota = 1).await;
    let shop = world.shop("acme").await;
    let goods = world.goods(&shop).await;
    let buyer = world.buyer("bob", 5_000_000).await;
    let refund = async |id| {
        world.try_act(async move |tx, ctx, market| refunds::refund_subscription(tx, ctx, market.edition(), buyer, id).await).await
    };
    let single = world.subscribe(buyer, once(goods.once)).await;
    assert_eq!(refund(single.id).await.unwrap_err().code(), Some(Code::NotRefundable));
    let late = world.subscribe(buyer, months(goods.basic, 1, 1)).await;
    world.pass_days(5).await;
    assert_eq!(refund(late.id).await.unwrap_err().code(), Some(Code::RefundWindowOver));
    let one = world.subscribe(buyer, months(goods.basic, 1, 1)).await;
    let two = world.subscribe(buyer, months(goods.basic, 1, 1)).await;
    refund(one.id).await.unwrap();
    assert_eq!(refund(one.id).await.unwrap_err().code(), Some(Code::SubscriptionState));
    assert_eq!(refund(two.id).await.unwrap_err().code(), Some(Code::RefundQuotaUsed));
    // The quota is of the calendar year.
    world.pass_days(361).await;
    let next_year = world.subscribe(buyer, months(goods.basic, 1, 1)).await;
    refund(next_year.id).await.unwrap();
    world.finish().await;
}

#[tokio::test]
async fn only_time_is_kept_from_the_statement_while_it_may_be_returned() {
    let world = World::new().await;
    let shop = world.shop("acme").await;
    let goods = world.goods(&shop).await;
    let buyer = world.buyer("bob", 5_000_000).await;
    // As if it had been published before drafts were held to it.
    world.act(async |tx, _, _| tx.execute(sql!("UPDATE editions SET refund_rule = 'no_reason'"), &[]).await).await;
    world.subscribe(buyer, once(goods.once)).await;
    world.subscribe(buyer, months(goods.basic, 1, 1)).await;
    let (seller, now) = (shop.account, world.now().await);
    let items = world.act(async move |tx, _, _| settlement::items(tx, seller, None, &PageRequest::default()).await).await.items;
    let zone = &world.market.edition().zone;
    let until = |amount| items.iter().find(|item| item.amount_minor == amount).unwrap().guaranteed_until;
    assert_eq!((until(8_000), until(10_000)), (now, zone.add_days(now, 5)));
    world.finish().await;
}

#[tokio::test]
async fn a_refund_is_paid_back_though_the_seller_is_dead() {
    let world = World::new().await;
    let shop = world.shop("acme").await;
    let goods = world.goods(&shop).await;
    let buyer = world.buyer("bob", 500_000).await;
    let sub = world.subscribe(buyer, months(goods.basic, 1, 1)).await;
    shop.server.behave(Behaviour::Dead).await;
    let id = sub.id;
    world.act(async move |tx, ctx, market| refunds::refund_subscription(tx, ctx, market.edition(), buyer, id).await).await;
    world.pass(HOUR_MS - 1).await;
    assert_eq!(world.balance(buyer).await, 490_000);
    world.pass(1).await;
    assert_eq!(world.balance(buyer).await, 500_000);
    // The seller comes back and restarts the release; nothing is paid twice.
    shop.server.recover().await;
    let seller = shop.account;
    world
        .act(async move |tx, ctx, _| {
            let stopped = calls::list(tx, Some(seller), Some(CallState::GaveUp), None, &PageRequest::default()).await?;
            calls::restart(tx, ctx, Some(seller), stopped.items[0].id).await
        })
        .await;
    world.settle_down().await;
    assert_eq!(world.balance(buyer).await, 500_000);
    assert_eq!(shop.server.sound().instances()[0].state, State::Released);
    world.finish().await;
}

#[tokio::test]
async fn a_renewal_that_has_not_begun_returns_in_full() {
    let world = World::new().await;
    let shop = world.shop("acme").await;
    let goods = world.goods(&shop).await;
    let buyer = world.buyer("bob", 500_000).await;
    let sub = world.subscribe(buyer, months(goods.basic, 2, 1)).await;
    let id = sub.id;
    world.pass_days(20).await;
    let order = world.renew(buyer, id, Period { unit: PeriodUnit::Year, count: 1 }).await;
    world.settle_down().await;
    let number = order.number.clone();
    world.act(async move |tx, ctx, market| refunds::refund_renewal(tx, ctx, market.edition(), buyer, &number).await).await;
    world.settle_down().await;
    assert_eq!(world.balance(buyer).await, 480_000);
    assert_eq!(world.subscription(id).await.ends_at, sub.ends_at);
    assert!(shop.server.calls().last().unwrap().body.contains("UNSUBSCRIBE_RENEWAL_PERIOD"));
    let number = order.number.clone();
    let again = world.try_act(async move |tx, ctx, market| refunds::refund_renewal(tx, ctx, market.edition(), buyer, &number).await).await;
    assert_eq!(again.unwrap_err().code(), Some(Code::NotRefundable));
    world.finish().await;
}

#[tokio::test]
async fn a_returned_renewal_brings_back_the_old_end_and_nothing_that_lies_behind() {
    let world = World::new().await;
    let shop = world.shop("acme").await;
    let goods = world.goods(&shop).await;
    let buyer = world.buyer("bob", 500_000).await;
    let sub = world.subscribe(buyer, months(goods.basic, 1, 1)).await;
    let (id, end) = (sub.id, sub.ends_at.unwrap());
    world.pass(end - 20 * DAY_MS - world.now().await).await;
    let order = world.renew(buyer, id, Period { unit: PeriodUnit::Month, count: 1 }).await;
    world.pass(end - 2 * DAY_MS - world.now().await).await;
    world.act(async move |tx, ctx, market| refunds::refund_renewal(tx, ctx, market.edition(), buyer, &order.number).await).await;
    world.settle_down().await;
    let reminders = async || {
        let inbox = world.act(async move |tx, _, _| notices::inbox(tx, buyer, &PageRequest::default()).await).await;
        inbox.items.into_iter().filter(|notice| notice.kind == NoticeKind::SubscriptionEnds).map(|notice| notice.args).collect::<Vec<_>>()
    };
    assert!(reminders().await.is_empty(), "what would have been said on days that are over is not said now");
    world.pass_days(1).await;
    let said = reminders().await;
    assert_eq!((said.len(), &said[0]["days"]), (1, &1.into()));
    world.pass(end - world.now().await).await;
    assert_eq!(world.subscription(id).await.expired_at, Some(end));
    world.finish().await;
}

#[tokio::test]
async fn an_automatic_renewal_that_was_returned_is_not_made_again_the_next_night() {
    let world = World::new().await;
    let shop = world.shop("acme").await;
    let goods = world.goods(&shop).await;
    let buyer = world.buyer("bob", 500_000).await;
    let monthly = Renewal { mode: RenewalMode::Auto, period: Some(Period { unit: PeriodUnit::Month, count: 1 }), times: None };
    let sub = world.subscribe(buyer, PurchaseItem { renewal: Some(monthly), ..months(goods.basic, 2, 1) }).await;
    let (id, end) = (sub.id, sub.ends_at.unwrap());
    let renewals = async || {
        let orders = world.act(async move |tx, _, _| orders::list(tx, Whose::Buyer(buyer), None, &PageRequest::default()).await).await;
        orders.items.into_iter().filter(|order| order.kind == OrderKind::Renew).collect::<Vec<_>>()
    };
    let give_back = async |number: String| {
        world.act(async move |tx, ctx, market| refunds::refund_renewal(tx, ctx, market.edition(), buyer, &number).await).await;
        world.settle_down().await;
        world.subscription(id).await
    };
    // Returned long before its time, one by hand says nothing of the automatic ones.
    world.pass_days(20).await;
    let by_hand = world.renew(buyer, id, Period { unit: PeriodUnit::Year, count: 1 }).await;
    world.settle_down().await;
    assert_eq!(give_back(by_hand.number).await.renewal, monthly);
    world.pass(end - 3 * DAY_MS - world.now().await).await;
    let made = renewals().await;
    assert_eq!((made.len(), made[0].state), (2, OrderState::Completed));
    let after = give_back(made[0].number.clone()).await;
    assert_eq!((after.ends_at, after.renewal), (Some(end), Renewal::MANUAL));
    assert_eq!((renewals().await.len(), world.balance(buyer).await), (2, 480_000));
    world.pass(end - world.now().await).await;
    assert_eq!((renewals().await.len(), world.balance(buyer).await), (2, 480_000));
    assert_eq!(world.subscription(id).await.expired_at, Some(end));
    world.finish().await;
}
