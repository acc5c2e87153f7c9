//! Money back: without a reason, before a renewal begins, and whatever the seller does.

use db::sql;
use kernel::{AccountId, Code, DAY_MS, HOUR_MS, Period, PeriodUnit};
use market::calls::{self, CallState};
use market::notices::{self, NoticeKind};
use market::orders::{self, LineState, Order, OrderKind, OrderState, PurchaseItem, RenewalInput};
use market::page::PageRequest;
use market::subscriptions::{self, Renewal, RenewalMode, SubscriptionState, Whose};
use market::views::books;
use market::{ledger, refunds, settlement};
use sample_seller::State;
use testkit::sellers::Behaviour;
use testkit::world::{World, months, once, years};
use wire::koogallery_v2::{Activity, ResultCode};

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

/// Everything sold in the statements of a seller; nothing of it returned.
async fn sold(world: &World, seller: AccountId) -> i64 {
    world
        .act(async move |tx, _, _| {
            let statements = settlement::statements(tx, Some(seller), None, &PageRequest::default()).await?;
            assert_eq!(
                statements.items.iter().map(|s| s.refunds_minor).sum::<i64>(),
                0,
                "what returned before it was billed appears nowhere"
            );
            Ok(statements.items.iter().map(|s| s.sales_minor).sum::<i64>())
        })
        .await
}

async fn return_renewal(world: &World, buyer: AccountId, number: &str) -> db::Result<Order> {
    let number = number.to_owned();
    world.try_act(async move |tx, ctx, market| refunds::refund_renewal(tx, ctx, market.edition(), buyer, &number).await).await
}

const YEAR: Period = Period { unit: PeriodUnit::Year, count: 1 };
const MONTH: Period = Period { unit: PeriodUnit::Month, count: 1 };

#[tokio::test]
async fn a_renewal_that_returns_takes_its_part_of_a_change_along() {
    let world = World::new().await;
    let shop = world.shop("acme").await;
    let goods = world.goods(&shop).await;
    let buyer = world.buyer("bob", 5_000_000).await;
    let sub = world.subscribe(buyer, years(goods.basic, 1, 1)).await;
    let (id, pro) = (sub.id, goods.pro);
    let zone = world.market.edition().zone.clone();
    world.pass(zone.add_months(sub.anchor_at.unwrap(), 11) - world.now().await).await;
    let renewal = world.renew(buyer, id, YEAR).await;
    world.settle_down().await;
    let changed = world
        .act(async move |tx, ctx, market| {
            let quote = orders::quote_change(tx, ctx, market.edition(), buyer, id, pro, 1).await?;
            assert_eq!(quote.lines.iter().map(|line| line.amount_minor).collect::<Vec<_>>(), [12_500, 150_000]);
            let order = orders::place_change(tx, ctx, market.edition(), buyer, id, pro, 1, Some(quote.total_minor)).await?;
            orders::pay(tx, ctx, market.edition(), buyer, &order.number).await
        })
        .await;
    world.settle_down().await;
    assert_eq!(shop.server.calls_of(Activity::UpgradeInstance).len(), 1, "one call, however many lines pay for it");
    assert_eq!(world.order(&changed.number).await.state, OrderState::Completed);
    let before = world.balance(buyer).await;
    let refund = return_renewal(&world, buyer, &renewal.number).await.unwrap();
    assert_eq!((refund.total_minor, refund.lines.len()), (100_000 + 150_000, 2));
    world.settle_down().await;
    assert_eq!(world.balance(buyer).await, before + 250_000);
    let states: Vec<_> = world.order(&changed.number).await.lines.iter().map(|line| line.state).collect();
    assert_eq!(states, [LineState::Done, LineState::Refunded]);
    assert_eq!(world.order(&changed.number).await.state, OrderState::Completed);
    assert_eq!(world.order(&renewal.number).await.state, OrderState::Refunded);
    // The last month stays what was paid for, and a new renewal is of that.
    let left = world.subscription(id).await;
    assert_eq!((left.item.sku_id, left.ends_at), (pro, sub.ends_at));
    assert_eq!(world.renew(buyer, id, MONTH).await.total_minor, 25_000);
    world.pass_days(100).await;
    assert_eq!(sold(&world, shop.account).await, 100_000 + 12_500 + 25_000);
    world.finish().await;
}

#[tokio::test]
async fn only_the_last_renewal_returns_and_only_before_it_begins() {
    let world = World::new().await;
    let shop = world.shop("acme").await;
    let goods = world.goods(&shop).await;
    let buyer = world.buyer("bob", 500_000).await;
    let sub = world.subscribe(buyer, months(goods.basic, 1, 1)).await;
    let first = world.renew(buyer, sub.id, MONTH).await;
    let second = world.renew(buyer, sub.id, MONTH).await;
    world.settle_down().await;
    assert_eq!(return_renewal(&world, buyer, &first.number).await.unwrap_err().code(), Some(Code::NotRefundable));
    // A freeze by the operator does not keep the money of time that has not begun.
    let id = sub.id;
    world.act(async move |tx, ctx, market| subscriptions::suspend(tx, ctx, market.edition(), id, "spam").await).await;
    world.settle_down().await;
    return_renewal(&world, buyer, &second.number).await.unwrap();
    world.settle_down().await;
    assert_eq!(world.balance(buyer).await, 480_000);
    world.act(async move |tx, ctx, market| subscriptions::resume(tx, ctx, market.edition(), id).await).await;
    world.pass(sub.ends_at.unwrap() - world.now().await).await;
    assert_eq!(return_renewal(&world, buyer, &first.number).await.unwrap_err().code(), Some(Code::NotRefundable));
    assert_eq!(world.subscription(id).await.state, SubscriptionState::InUse);
    world.finish().await;
}

#[tokio::test]
async fn a_renewal_that_the_seller_never_confirmed_returns_and_cannot_be_restarted() {
    let world = World::new().await;
    let shop = world.shop("acme").await;
    let goods = world.goods(&shop).await;
    let buyer = world.buyer("bob", 500_000).await;
    let sub = world.subscribe(buyer, months(goods.basic, 1, 1)).await;
    let id = sub.id;
    world.pass_days(10).await;
    shop.server.behave(Behaviour::Dead).await;
    let order = world.renew(buyer, id, YEAR).await;
    assert_eq!(return_renewal(&world, buyer, &order.number).await.unwrap_err().code(), Some(Code::OrderOpen));
    world.pass(HOUR_MS).await;
    let inbox = world.act(async move |tx, _, _| notices::inbox(tx, buyer, &PageRequest::default()).await).await;
    assert_eq!(inbox.items[0].kind.word(), "renewal-unconfirmed");
    let number = order.number.clone();
    // The operator may do it for the buyer.
    let refund = world.act(async move |tx, ctx, market| refunds::refund_unconfirmed(tx, ctx, market.edition(), &number).await).await;
    assert_eq!((refund.state, refund.total_minor), (OrderState::Refunding, 100_000));
    assert_eq!(books::verify_orders(world.market.db()).await.unwrap().problems, []);
    assert_eq!(world.subscription(id).await.ends_at, sub.ends_at);
    let seller = shop.account;
    let withdrawn = world
        .act(async move |tx, _, _| calls::list(tx, Some(seller), Some(CallState::Withdrawn), None, &PageRequest::default()).await)
        .await;
    let call = withdrawn.items[0].id;
    let restart = world.try_act(async move |tx, ctx, _| calls::restart(tx, ctx, Some(seller), call).await).await;
    assert_eq!(restart.unwrap_err().code(), Some(Code::DeliveryState));
    world.pass(2 * HOUR_MS).await;
    assert_eq!(world.balance(buyer).await, 490_000, "the money does not wait for a dead server");
    assert_eq!(
        (world.order(&order.number).await.state, world.order(&refund.number).await.state),
        (OrderState::Refunded, OrderState::Refunded)
    );
    // A purchase within its five days returns with a renewal that nobody confirmed.
    shop.server.recover().await;
    let fresh = world.subscribe(buyer, months(goods.basic, 1, 1)).await.id;
    shop.server.behave(Behaviour::Dead).await;
    world.renew(buyer, fresh, MONTH).await;
    world.pass(2 * HOUR_MS).await;
    let refund = world.act(async move |tx, ctx, market| refunds::refund_subscription(tx, ctx, market.edition(), buyer, fresh).await).await;
    assert_eq!(refund.total_minor, 20_000);
    world.pass(2 * HOUR_MS).await;
    assert_eq!(world.balance(buyer).await, 490_000);
    world.finish().await;
}

#[tokio::test]
async fn an_unconfirmed_renewal_that_returns_after_the_old_end_freezes_what_has_ended() {
    let world = World::new().await;
    let shop = world.shop("acme").await;
    let goods = world.goods(&shop).await;
    let buyer = world.buyer("bob", 500_000).await;
    let sub = world.subscribe(buyer, months(goods.pro, 1, 1)).await;
    let (id, basic, old_end) = (sub.id, goods.basic, sub.ends_at.unwrap());
    world.pass_days(20).await;
    shop.server.behave(Behaviour::Dead).await;
    // Smaller from the old end on.
    let order = world
        .act(async move |tx, ctx, market| {
            let down = RenewalInput { period: MONTH, sku_id: Some(basic), quantity: Some(3) };
            let order = orders::place_renewal(tx, ctx, market.edition(), buyer, id, &down, None).await?;
            orders::pay(tx, ctx, market.edition(), buyer, &order.number).await
        })
        .await;
    world.pass(old_end + DAY_MS - world.now().await).await;
    assert_eq!(world.subscription(id).await.item.sku_id, basic);
    return_renewal(&world, buyer, &order.number).await.unwrap();
    let (frozen, now) = (world.subscription(id).await, world.now().await);
    assert_eq!((frozen.state, frozen.expired_at, frozen.ends_at), (SubscriptionState::Frozen, Some(now), Some(old_end)));
    assert_eq!((frozen.item.sku_id, frozen.quantity), (goods.pro, 1));
    world.pass_days(16).await;
    assert_eq!(world.subscription(id).await.state, SubscriptionState::Released);
    assert_eq!(world.balance(buyer).await, 475_000);
    world.finish().await;
}

#[tokio::test]
async fn money_of_a_renewal_that_nobody_confirms_comes_back_at_the_latest_when_the_subscription_is_released() {
    let world = World::new().await;
    let shop = world.shop("acme").await;
    let goods = world.goods(&shop).await;
    let buyer = world.buyer("bob", 500_000).await;
    let sub = world.subscribe(buyer, months(goods.basic, 1, 1)).await;
    world.pass_days(20).await;
    shop.server.behave(Behaviour::Dead).await;
    let order = world.renew(buyer, sub.id, MONTH).await;
    world.pass_days(40).await;
    assert_eq!((world.balance(buyer).await, world.order(&order.number).await.state), (480_000, OrderState::Processing));
    world.pass_days(20).await;
    assert_eq!(world.subscription(sub.id).await.state, SubscriptionState::Released);
    assert_eq!((world.balance(buyer).await, world.order(&order.number).await.state), (490_000, OrderState::Refunded));
    world.finish().await;
}

#[tokio::test]
async fn an_order_of_which_nothing_is_left_is_refunded_whichever_line_went_first() {
    let world = World::new().await;
    let shop = world.shop("acme").await;
    let goods = world.goods(&shop).await;
    let buyer = world.buyer("bob", 500_000).await;
    // The first line is opened, the second never.
    let fails = std::iter::repeat_n(Behaviour::Answers(ResultCode::NoResource), 20);
    shop.server.on(Activity::NewInstance, Behaviour::Flapping([Behaviour::Sound].into_iter().chain(fails).collect()));
    let items = [months(goods.basic, 1, 1), months(goods.pro, 1, 1)];
    let order = world
        .act(async move |tx, ctx, market| {
            let order = orders::place(tx, ctx, market.edition(), buyer, &items, None).await?;
            orders::pay(tx, ctx, market.edition(), buyer, &order.number).await
        })
        .await;
    world.settle_down().await;
    let order = world.order(&order.number).await;
    let opened = order.lines.iter().find(|line| line.state == LineState::Done).unwrap().subscription_id.unwrap();
    world.act(async move |tx, ctx, market| refunds::refund_subscription(tx, ctx, market.edition(), buyer, opened).await).await;
    world.settle_down().await;
    assert_eq!(world.order(&order.number).await.state, OrderState::Processing);
    world.pass(4 * HOUR_MS).await;
    let closed = world.order(&order.number).await;
    let mut states: Vec<_> = closed.lines.iter().map(|line| line.state).collect();
    states.sort_by_key(|state| state.word());
    assert_eq!((states, closed.state), (vec![LineState::Failed, LineState::Refunded], OrderState::Refunded));
    assert!(closed.closed_at.is_some());
    assert_eq!(world.balance(buyer).await, 500_000);
    world.finish().await;
}

#[tokio::test]
async fn a_large_refund_waits_for_the_operator_and_is_judged_by_when_it_was_asked_for() {
    let world = World::new().await;
    let shop = world.shop("acme").await;
    let goods = world.goods(&shop).await;
    let buyer = world.buyer("bob", 100_000_000).await;
    // Twenty of the larger one for a year are exactly 50,000.00, which is not more than that.
    let small = world.subscribe(buyer, years(goods.pro, 1, 20)).await.id;
    let large = world.subscribe(buyer, years(goods.pro, 1, 21)).await.id;
    let refund = async |id| {
        world.try_act(async move |tx, ctx, market| refunds::refund_subscription(tx, ctx, market.edition(), buyer, id).await).await
    };
    let offer = world.act(async move |tx, ctx, market| refunds::offer(tx, ctx, market.edition(), buyer, large).await).await;
    assert!(offer.needs_review);
    assert_eq!(refund(small).await.unwrap().state, OrderState::Refunding);
    world.pass_days(4).await;
    let before = world.balance(buyer).await;
    let asked = refund(large).await.unwrap();
    assert_eq!(
        (asked.kind, asked.state, asked.pay_until),
        (OrderKind::Unsubscribe, OrderState::PendingReview, world.now().await + 24 * HOUR_MS)
    );
    assert_eq!(refund(large).await.unwrap_err().code(), Some(Code::OrderOpen));
    world.settle_down().await;
    assert!(shop.server.calls_of(ReleaseInstance).len() == 1, "nobody is told of a refund that is not decided");
    // The buyer thinks again, and again.
    let number = asked.number.clone();
    world.act(async move |tx, ctx, _| orders::cancel(tx, ctx, buyer, &number).await).await;
    let asked = refund(large).await.unwrap().number;
    let number = asked.clone();
    world.act(async move |tx, ctx, _| refunds::refuse(tx, ctx, &number, "ask your account manager").await).await;
    assert_eq!(
        (world.order(&asked).await.state, world.order(&asked).await.close_reason.as_deref()),
        (OrderState::Cancelled, Some("refused"))
    );
    let inbox = world.act(async move |tx, _, _| notices::inbox(tx, buyer, &PageRequest::default()).await).await;
    assert_eq!(
        (inbox.items[0].kind.word(), &inbox.items[0].args["reason"]),
        ("refund-decided", &serde_json::json!("ask your account manager"))
    );
    let asked = refund(large).await.unwrap().number;
    // Decided two days later: the five days are over by then, and were not when it was asked for.
    world.pass_days(2).await;
    assert_eq!(world.order(&asked).await.state, OrderState::PendingReview, "nothing happens by itself");
    let number = asked.clone();
    let approved = world.act(async move |tx, ctx, market| refunds::approve(tx, ctx, market.edition(), &number).await).await;
    assert_eq!(approved.state, OrderState::Refunding);
    world.settle_down().await;
    assert_eq!((world.order(&asked).await.state, world.balance(buyer).await), (OrderState::Refunded, before + 5_250_000));
    assert_eq!(world.subscription(large).await.state, SubscriptionState::Released);
    let number = asked.clone();
    let again = world.try_act(async move |tx, ctx, market| refunds::approve(tx, ctx, market.edition(), &number).await).await;
    assert_eq!(again.unwrap_err().code(), Some(Code::OrderState));
    world.finish().await;
}

#[tokio::test]
async fn a_large_renewal_that_was_asked_back_in_time_returns_though_it_has_begun_meanwhile() {
    let world = World::with(|edition| edition.refund_large_minor = 50_000).await;
    let shop = world.shop("acme").await;
    let goods = world.goods(&shop).await;
    let buyer = world.buyer("bob", 500_000).await;
    let sub = world.subscribe(buyer, months(goods.basic, 1, 1)).await;
    let (id, end) = (sub.id, sub.ends_at.unwrap());
    let order = world.renew(buyer, id, YEAR).await;
    world.settle_down().await;
    world.pass(end - HOUR_MS - world.now().await).await;
    let asked = return_renewal(&world, buyer, &order.number).await.unwrap();
    assert_eq!(asked.state, OrderState::PendingReview);
    let blocked = world
        .try_act(async move |tx, ctx, market| {
            orders::place_renewal(tx, ctx, market.edition(), buyer, id, &RenewalInput::same(MONTH), None).await
        })
        .await;
    assert_eq!(blocked.unwrap_err().code(), Some(Code::OrderOpen));
    world.pass(2 * HOUR_MS).await;
    let number = asked.number.clone();
    world.act(async move |tx, ctx, market| refunds::approve(tx, ctx, market.edition(), &number).await).await;
    let ended = world.subscription(id).await;
    assert_eq!((ended.state, ended.ends_at, ended.open_order), (SubscriptionState::Frozen, Some(end), None));
    world.settle_down().await;
    assert_eq!(world.balance(buyer).await, 490_000);
    world.pass_days(40).await;
    assert_eq!(sold(&world, shop.account).await, 10_000, "the year is in no statement");
    world.finish().await;
}
