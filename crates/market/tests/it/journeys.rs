//! The main job on a seller's real server: what buyers live through, from order to release.

use db::sql;
use kernel::{Code, DAY_MS, HOUR_MS, Money, Period, PeriodUnit};
use market::calls::{self, CallState, Scene};
use market::orders::{self, LineState, OrderKind, OrderState, PurchaseItem, RenewalInput};
use market::page::PageRequest;
use market::subscriptions::{self, Renewal, RenewalMode, SubscriptionState, Whose};
use market::views::{self, books};
use market::{audit, catalog, delivery, ledger, notices, refunds, settlement};
use sample_seller::State;
use testkit::sellers::{Behaviour, Lie};
use testkit::world::{World, months, once, years};
use wire::koogallery_v2::{Activity, ResultCode};

use Activity::{NewInstance, QueryInstance, RefreshInstance, ReleaseInstance, UpdateInstanceStatus, UpgradeInstance};

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
    let end = world.act(async move |tx, _, market| orders::expected_end(tx, market.edition(), &opening, &opening.lines[0]).await).await;
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
            let attempts = calls::attempts(tx, call.id).await?;
            Ok((call, attempts))
        })
        .await;
    assert_eq!((call.state, call.attempts), (CallState::GaveUp, 4));
    let hours: Vec<_> = attempts.iter().map(|a| (a.at - testkit::world::BEGIN) / HOUR_MS).collect();
    assert_eq!(hours, [0, 1, 2, 3]);
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
                let answer = calls::attempts(tx, call.id).await?.remove(0).answer_body;
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
    let order = world
        .act(async move |tx, ctx, market| {
            let period = Period { unit: PeriodUnit::Month, count: 2 };
            let order = orders::place_renewal(tx, ctx, market.edition(), buyer, id, &RenewalInput::same(period), None).await?;
            orders::pay(tx, ctx, market.edition(), buyer, &order.number).await
        })
        .await;
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
    let order = world
        .act(async move |tx, ctx, market| {
            let period = Period { unit: PeriodUnit::Year, count: 1 };
            let order = orders::place_renewal(tx, ctx, market.edition(), buyer, id, &RenewalInput::same(period), None).await?;
            orders::pay(tx, ctx, market.edition(), buyer, &order.number).await
        })
        .await;
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
    world
        .act(async move |tx, ctx, market| {
            let period = Period { unit: PeriodUnit::Month, count: 1 };
            let order = orders::place_renewal(tx, ctx, market.edition(), buyer, id, &RenewalInput::same(period), None).await?;
            orders::pay(tx, ctx, market.edition(), buyer, &order.number).await
        })
        .await;
    world.settle_down().await;
    assert_eq!(world.subscription(id).await.state, SubscriptionState::InUse);
    let statuses: Vec<_> = shop.server.calls_of(UpdateInstanceStatus).iter().map(|c| c.body.contains("UNFREEZE")).collect();
    assert_eq!(statuses, [false, true], "one freeze and one thaw, though there were two causes");
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
async fn a_renewal_that_the_seller_does_not_hear_of_protects_the_buyer_and_is_restarted_by_hand() {
    let world = World::new().await;
    let shop = world.shop("acme").await;
    let goods = world.goods(&shop).await;
    let buyer = world.buyer("bob", 500_000).await;
    let sub = world.subscribe(buyer, months(goods.basic, 1, 1)).await;
    let id = sub.id;
    shop.server.behave(Behaviour::Dead).await;
    let order = world
        .act(async move |tx, ctx, market| {
            let period = Period { unit: PeriodUnit::Month, count: 1 };
            let order = orders::place_renewal(tx, ctx, market.edition(), buyer, id, &RenewalInput::same(period), None).await?;
            orders::pay(tx, ctx, market.edition(), buyer, &order.number).await
        })
        .await;
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
    let attempts = world.act(async move |tx, _, _| calls::attempts(tx, id).await).await;
    let kinds: Vec<_> = attempts.iter().map(|a| a.kind.word()).collect();
    assert_eq!(kinds, ["call", "query", "replay"]);
    let password = world.market.clone();
    let view = delivery::instance(&password, &ctx, buyer, call.subscription_id).await.unwrap().unwrap();
    let secret = view.password.unwrap();
    let all = format!("{attempts:?}");
    assert!(!all.contains(&secret) && !all.contains(&shop.server.access_key()));
    assert!(attempts.iter().all(|a| a.url.contains("signature=") && a.url.contains("timestamp=") && a.elapsed_ms >= 0));
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
