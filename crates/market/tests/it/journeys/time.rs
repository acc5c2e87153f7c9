//! What time does: renewals, reminders, freezes, releases.

use db::sql;
use kernel::{Code, Currency, DAY_MS, HOUR_MS, Month, Period, PeriodUnit, Zone};
use market::calls::{self, CallState, Scene};
use market::edition::{Edition, EditionKind};
use market::orders::{self, OrderState, PurchaseItem, RenewalInput};
use market::page::PageRequest;
use market::subscriptions::{self, Renewal, RenewalMode, SubscriptionState};
use market::views;
use market::{ledger, notices, refunds, settlement};
use sample_seller::State;
use testkit::sellers::Behaviour;
use testkit::world::{World, months, years};
use wire::koogallery_v2::Activity;

use Activity::{RefreshInstance, ReleaseInstance, UpdateInstanceStatus};

#[tokio::test]
async fn three_years_pass_with_the_right_calls_and_a_balanced_ledger() {
    let world = World::new().await;
    let shop = world.shop("acme").await;
    let goods = world.goods(&shop).await;
    let buyer = world.buyer("bob", 36 * 10_000).await;
    let monthly = Renewal { mode: RenewalMode::Auto, period: Some(Period { unit: PeriodUnit::Month, count: 1 }), times: None };
    let item = PurchaseItem { renewal: Some(monthly), ..months(goods.basic, 1, 1) };
    let sub = world.subscribe(buyer, item).await;
    world.pass_days(3 * 366 + 60).await;
    assert!(world.balance(buyer).await == 0);
    // 35 renewals used the balance up; the 36th found nothing, so it was frozen at its end and released fifteen days later.
    let calls = shop.server.activities();
    assert_eq!(calls.iter().filter(|a| **a == RefreshInstance).count(), 35);
    assert_eq!(calls[calls.len() - 2..], [UpdateInstanceStatus, ReleaseInstance]);
    assert_eq!(world.subscription(sub.id).await.state, SubscriptionState::Released);
    assert!(shop.server.sound().instances().iter().all(|i| i.state == State::Released));
    let seller = shop.account;
    let (sales, statements) = world
        .act(async move |tx, _, market| {
            let currency = market.edition().currency;
            let statements = settlement::statements(tx, Some(seller), None, &PageRequest { limit: 200, ..PageRequest::default() }).await?;
            let pending = ledger::balance(tx, &ledger::Book::SellerPending(seller), currency).await?;
            Ok((statements.items.iter().map(|s| s.sales_minor).sum::<i64>() + pending, statements.items.len()))
        })
        .await;
    assert!(statements >= 30, "{statements}");
    assert!(sales >= 360_000 - 10_000, "{sales}");
    world.finish().await;
}

#[tokio::test]
async fn an_automatic_renewal_for_which_there_is_no_price_is_not_chosen() {
    let world = World::new().await;
    let shop = world.shop("acme").await;
    let goods = world.goods(&shop).await;
    let buyer = world.buyer("bob", 500_000).await;
    let sku = goods.basic;
    world
        .act(async move |tx, ctx, _| {
            let withdraw = sql!("UPDATE prices SET withdrawn_at = CAST($1 AS BIGINT) WHERE sku_id = $2 AND unit = 'year'");
            tx.execute(withdraw, &[&ctx.now, &sku]).await
        })
        .await;
    let auto = |unit| Renewal { mode: RenewalMode::Auto, period: Some(Period { unit, count: 1 }), times: None };
    let yearly = PurchaseItem { renewal: Some(auto(PeriodUnit::Year)), ..months(sku, 1, 1) };
    let refused = world
        .try_act(async move |tx, ctx, market| orders::place(tx, ctx, market.edition(), buyer, std::slice::from_ref(&yearly), None).await)
        .await;
    assert_eq!(refused.unwrap_err().code(), Some(Code::PriceMissing));

    let id = world.subscribe(buyer, months(sku, 1, 1)).await.id;
    let set = async |renewal| {
        world
            .try_act(async move |tx, ctx, market| subscriptions::set_renewal(tx, ctx, market.edition(), buyer, id, None, renewal).await)
            .await
    };
    assert_eq!(set(auto(PeriodUnit::Year)).await.unwrap_err().code(), Some(Code::PriceMissing));
    assert_eq!(set(auto(PeriodUnit::Month)).await.unwrap().renewal, auto(PeriodUnit::Month));
    assert_eq!(set(Renewal::MANUAL).await.unwrap().renewal, Renewal::MANUAL);
    world.finish().await;
}

#[tokio::test]
async fn an_order_that_was_forgotten_does_not_stand_in_the_way_of_an_automatic_renewal() {
    let world = World::new().await;
    let shop = world.shop("acme").await;
    let goods = world.goods(&shop).await;
    let buyer = world.buyer("bob", 10_000).await;
    let monthly = Renewal { mode: RenewalMode::Auto, period: Some(Period { unit: PeriodUnit::Month, count: 1 }), times: Some(1) };
    let sub = world.subscribe(buyer, PurchaseItem { renewal: Some(monthly), ..months(goods.basic, 1, 1) }).await;
    let (id, end) = (sub.id, sub.ends_at.unwrap());
    world.pass(end - 6 * DAY_MS - world.now().await).await;
    let forgotten = world
        .act(async move |tx, ctx, market| {
            let input = RenewalInput::same(Period { unit: PeriodUnit::Month, count: 1 });
            orders::place_renewal(tx, ctx, market.edition(), buyer, id, &input, None).await
        })
        .await;
    // The balance is empty at first, and the warning says so; then money comes.
    world.pass_days(2).await;
    let inbox = world.act(async move |tx, _, _| notices::inbox(tx, buyer, &PageRequest::default()).await).await;
    let warning = inbox.items.iter().find(|notice| notice.kind.word() == "renewal-failed").unwrap();
    assert_eq!(warning.args["why"]["code"], "balance-too-low");
    world.deposit(buyer, 10_000).await;
    world.pass_days(1).await;
    let cancelled = world.order(&forgotten.number).await;
    assert_eq!((cancelled.state, cancelled.close_reason.as_deref()), (OrderState::Cancelled, Some("replaced")));
    let renewed = world.subscription(id).await;
    assert!(renewed.ends_at.unwrap() > end && renewed.open_order.is_none());
    assert_eq!(renewed.renewal.mode, RenewalMode::Manual, "the one automatic renewal that was asked for is used");
    world.finish().await;
}

#[tokio::test]
async fn renewing_while_frozen_goes_on_from_the_old_end() {
    let world = World::new().await;
    let shop = world.shop("acme").await;
    let goods = world.goods(&shop).await;
    let buyer = world.buyer("bob", 500_000).await;
    let sub = world.subscribe(buyer, months(goods.basic, 1, 1)).await;
    let old_end = sub.ends_at.unwrap();
    world.pass(old_end - world.now().await + 5 * DAY_MS).await;
    let frozen = world.subscription(sub.id).await;
    assert_eq!((frozen.state, frozen.expired_at), (SubscriptionState::Frozen, Some(old_end)));
    let id = sub.id;
    let order = world.renew(buyer, id, Period { unit: PeriodUnit::Month, count: 2 }).await;
    world.settle_down().await;
    let renewed = world.subscription(id).await;
    let zone = world.market.edition().zone.clone();
    assert_eq!(renewed.state, SubscriptionState::InUse);
    assert_eq!(renewed.ends_at, Some(zone.add_months(sub.anchor_at.unwrap(), 3)));
    assert_eq!(world.order(&order.number).await.lines[0].effective_at, Some(old_end));
    // The renewal is told before the thaw.
    let calls = shop.server.activities();
    assert_eq!(calls[calls.len() - 3..], [UpdateInstanceStatus, RefreshInstance, UpdateInstanceStatus]);
    assert!(shop.server.calls().last().unwrap().body.contains("UNFREEZE"));
    world.finish().await;
}

#[tokio::test]
async fn a_subscription_that_nobody_renews_is_reminded_of_frozen_and_released() {
    let world = World::new().await;
    let shop = world.shop("acme").await;
    let goods = world.goods(&shop).await;
    let buyer = world.buyer("bob", 500_000).await;
    let sub = world.subscribe(buyer, months(goods.basic, 1, 1)).await;
    world.pass_days(60).await;
    assert_eq!(world.subscription(sub.id).await.state, SubscriptionState::Released);
    let kinds: Vec<_> = world
        .act(async move |tx, _, _| notices::inbox(tx, buyer, &PageRequest::default()).await)
        .await
        .items
        .into_iter()
        .rev()
        .map(|notice| notice.kind.word())
        .collect();
    let expected = [
        "deposit-recorded",
        "subscription-opened",
        "subscription-ends",
        "subscription-ends",
        "subscription-ends",
        "subscription-ends",
        "subscription-frozen",
        "subscription-releases",
        "subscription-releases",
        "subscription-released",
    ];
    assert_eq!(kinds, expected);
    let id = sub.id;
    let timeline = world.act(async move |tx, _, _| views::timeline(tx, Some(buyer), id, &PageRequest::default()).await).await;
    let actions: Vec<_> = timeline.items.iter().map(|entry| entry.action.as_str()).collect();
    for action in [
        "orders.placed",
        "orders.paid",
        "subscriptions.opening",
        "subscriptions.opened",
        "orders.completed",
        "subscriptions.expired",
        "calls.done",
        "subscriptions.released",
    ] {
        assert!(actions.contains(&action), "{action} is not in {actions:?}");
    }
    assert!(timeline.items.is_sorted_by_key(|entry| entry.at));
    world.finish().await;
}

#[tokio::test]
async fn an_unpaid_order_ends_after_seven_days_and_cannot_be_paid_then() {
    let world = World::new().await;
    let shop = world.shop("acme").await;
    let goods = world.goods(&shop).await;
    let buyer = world.buyer("bob", 500_000).await;
    let item = months(goods.basic, 1, 1);
    let place = async |item: PurchaseItem| {
        world
            .act(async move |tx, ctx, market| orders::place(tx, ctx, market.edition(), buyer, std::slice::from_ref(&item), None).await)
            .await
    };
    let order = place(item.clone()).await;
    let cancelled = place(item).await;
    let number = cancelled.number.clone();
    world.act(async move |tx, ctx, _| orders::cancel(tx, ctx, buyer, &number).await).await;
    world.pass_days(7).await;
    let ended = world.order(&order.number).await;
    assert_eq!((ended.state, ended.closed_at), (OrderState::Cancelled, Some(order.pay_until)));
    for number in [order.number, cancelled.number] {
        let paid = world.try_act(async move |tx, ctx, market| orders::pay(tx, ctx, market.edition(), buyer, &number).await).await;
        assert_eq!(paid.unwrap_err().code(), Some(Code::OrderState));
    }
    assert_eq!(world.balance(buyer).await, 500_000);
    assert!(shop.server.calls().is_empty());
    world.finish().await;
}

#[tokio::test]
async fn the_operator_freezes_for_a_violation_and_only_the_operator_thaws() {
    let world = World::new().await;
    let shop = world.shop("acme").await;
    let goods = world.goods(&shop).await;
    let buyer = world.buyer("bob", 500_000).await;
    let sub = world.subscribe(buyer, months(goods.basic, 1, 1)).await;
    let id = sub.id;
    world.act(async move |tx, ctx, market| subscriptions::suspend(tx, ctx, market.edition(), id, "spam").await).await;
    world.settle_down().await;
    assert_eq!(world.subscription(id).await.state, SubscriptionState::Frozen);
    let refused =
        world.try_act(async move |tx, ctx, market| refunds::refund_subscription(tx, ctx, market.edition(), buyer, id).await).await;
    assert_eq!(refused.unwrap_err().code(), Some(Code::FrozenByOperator));
    // Its end passes meanwhile: thawed by the operator it stays frozen, for it has ended.
    world.pass(sub.ends_at.unwrap() - world.now().await).await;
    world.act(async move |tx, ctx, market| subscriptions::resume(tx, ctx, market.edition(), id).await).await;
    assert_eq!(world.subscription(id).await.state, SubscriptionState::Frozen);
    world.renew(buyer, id, Period { unit: PeriodUnit::Month, count: 1 }).await;
    world.settle_down().await;
    assert_eq!(world.subscription(id).await.state, SubscriptionState::InUse);
    let statuses: Vec<_> = shop.server.calls_of(UpdateInstanceStatus).iter().map(|c| c.body.contains("UNFREEZE")).collect();
    assert_eq!(statuses, [false, true], "one freeze and one thaw, though there were two causes");
    world.finish().await;
}

#[tokio::test]
async fn a_renewal_that_the_seller_does_not_hear_of_protects_the_buyer_and_is_restarted_by_hand() {
    let world = World::new().await;
    let shop = world.shop("acme").await;
    let goods = world.goods(&shop).await;
    let buyer = world.buyer("bob", 500_000).await;
    let sub = world.subscribe(buyer, months(goods.basic, 1, 1)).await;
    let id = sub.id;
    shop.server.behave(Behaviour::Dead).await;
    let order = world.renew(buyer, id, Period { unit: PeriodUnit::Month, count: 1 }).await;
    world.pass(2 * HOUR_MS).await;
    assert_eq!(world.order(&order.number).await.state, OrderState::Processing);
    assert!(world.subscription(id).await.ends_at > sub.ends_at, "the buyer has paid and is not frozen for the seller's fault");
    shop.server.recover().await;
    let seller = shop.account;
    let call = world
        .act(async move |tx, ctx, _| {
            let stopped = calls::list(tx, Some(seller), Some(CallState::GaveUp), None, &PageRequest::default()).await?;
            calls::restart(tx, ctx, Some(seller), stopped.items[0].id).await
        })
        .await;
    assert_eq!(call.scene, Scene::Renewal);
    world.settle_down().await;
    assert_eq!(world.order(&order.number).await.state, OrderState::Completed);
    world.finish().await;
}

/// Found by the simulator: the seller was told the end of a renewal over that of a later one, and to freeze what is in use.
#[tokio::test]
async fn what_was_given_up_is_restarted_as_it_holds_by_then() {
    let world = World::new().await;
    let shop = world.shop("acme").await;
    let goods = world.goods(&shop).await;
    let buyer = world.buyer("bob", 500_000).await;
    let sub = world.subscribe(buyer, months(goods.basic, 1, 1)).await;
    let (id, month) = (sub.id, Period { unit: PeriodUnit::Month, count: 1 });
    shop.server.behave(Behaviour::Dead).await;
    let first = world.renew(buyer, id, month).await;
    world.pass(2 * HOUR_MS).await;
    world.act(async move |tx, ctx, market| subscriptions::suspend(tx, ctx, market.edition(), id, "unlicensed").await).await;
    world.pass(2 * HOUR_MS).await;
    shop.server.recover().await;
    world.act(async move |tx, ctx, market| subscriptions::resume(tx, ctx, market.edition(), id).await).await;
    world.renew(buyer, id, month).await;
    world.settle_down().await;
    let seller = shop.account;
    let stopped = world
        .act(async move |tx, ctx, _| {
            let stopped = calls::list(tx, Some(seller), Some(CallState::GaveUp), None, &PageRequest::default()).await?.items;
            for call in &stopped {
                calls::restart(tx, ctx, Some(seller), call.id).await?;
            }
            Ok(stopped)
        })
        .await;
    let scenes: Vec<_> = stopped.iter().map(|call| call.scene).collect();
    assert_eq!(scenes, [Scene::Renewal], "the freeze was withdrawn when it was to be undone");
    world.settle_down().await;
    assert_eq!(world.order(&first.number).await.state, OrderState::Completed);
    let instance = &shop.server.sound().instances()[0];
    assert_eq!(instance.state, State::Active, "it was frozen and has been unfrozen since");
    let ends_at = world.subscription(id).await.ends_at;
    assert_eq!(instance.expires_at.map(|told| told / 1_000), ends_at.map(|end| end / 1_000), "the end is that of the second renewal");
    world.finish().await;
}

#[tokio::test]
async fn days_of_grace_are_for_paying_and_renewing_before_the_freeze() {
    let world = World::with(|edition| edition.grace_days = 3).await;
    let shop = world.shop("acme").await;
    let goods = world.goods(&shop).await;
    let buyer = world.buyer("bob", 500_000).await;
    let (kept, left) = (world.subscribe(buyer, months(goods.basic, 1, 1)).await, world.subscribe(buyer, months(goods.basic, 1, 1)).await);
    let (id, month, end) = (kept.id, Period { unit: PeriodUnit::Month, count: 1 }, kept.ends_at.unwrap());
    world.pass(end + DAY_MS - world.now().await).await;
    assert_eq!(world.subscription(id).await.state, SubscriptionState::InUse);
    // Its time is over: there is nothing left to change, only to renew.
    let pro = goods.pro;
    let change = world.try_act(async move |tx, ctx, market| orders::quote_change(tx, ctx, market.edition(), buyer, id, pro, 1).await).await;
    assert_eq!(change.unwrap_err().code(), Some(Code::SubscriptionState));
    let order = world
        .act(async move |tx, ctx, market| {
            orders::place_renewal(tx, ctx, market.edition(), buyer, id, &RenewalInput::same(month), None).await
        })
        .await;
    world.pass(DAY_MS).await;
    let number = order.number.clone();
    world.act(async move |tx, ctx, market| orders::pay(tx, ctx, market.edition(), buyer, &number).await).await;
    world.settle_down().await;
    assert_eq!(world.order(&order.number).await.lines[0].effective_at, Some(end), "the new time begins at the old end");
    assert!(shop.server.calls_of(UpdateInstanceStatus).is_empty(), "nobody was frozen so far");
    world.pass(end + 3 * DAY_MS - world.now().await).await;
    assert_eq!(world.subscription(id).await.state, SubscriptionState::InUse);
    let frozen = world.subscription(left.id).await;
    assert_eq!((frozen.state, frozen.expired_at), (SubscriptionState::Frozen, Some(end + 3 * DAY_MS)));
    assert_eq!(frozen.release_at, Some(world.market.edition().zone.add_days(end + 3 * DAY_MS, 15)));
    world.finish().await;
}

#[tokio::test]
async fn an_international_site_settles_in_dollars_at_its_own_rate_on_its_own_day() {
    let world = World::with(|edition| *edition = Edition::defaults(EditionKind::Intl)).await;
    let shop = world.shop("acme").await;
    let goods = world.goods(&shop).await;
    let buyer = world.buyer("bob", 500_000_000).await;
    let january = Month::of(world.now().await, &Zone::utc());
    // The last hour of January, by UTC; it is February in China.
    world.pass(january.end_at(&Zone::utc()) - HOUR_MS - world.now().await).await;
    world.subscribe(buyer, years(goods.pro, 2, 400)).await;
    world.pass(2 * HOUR_MS).await;
    world.subscribe(buyer, months(goods.basic, 1, 1)).await;
    world.pass_days(9).await;
    let seller = shop.account;
    let made = world
        .act(async move |tx, _, _| {
            let page = PageRequest::default();
            let made = settlement::statements(tx, Some(seller), None, &page).await?.items.remove(0);
            let lines = settlement::lines(tx, made.id, &page).await?.items;
            Ok((made, lines))
        })
        .await;
    let (statement, lines) = made;
    let zone = Zone::utc();
    // 7 February 2026 is a Saturday.
    assert_eq!((statement.period, zone.readable_minute(statement.created_at).as_str()), (january, "2026-02-09 02:00"));
    // 13 % however much was sold (spec: business §7.4), and no tax inside.
    assert_eq!((statement.currency, statement.sales_minor, statement.fee_minor), (Currency::USD, 200_000_000, 26_000_000));
    assert_eq!((statement.fee_tax_minor, statement.payable_minor), (0, 174_000_000));
    assert_eq!(lines.iter().map(|line| (line.fee_bp, line.reduction_bp)).collect::<Vec<_>>(), [(1_300, 0)]);
    world.finish().await;
}
