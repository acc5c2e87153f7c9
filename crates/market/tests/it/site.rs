//! The numbers of the business that the operator sets while the market runs.

use kernel::{Code, DAY_MS, Period, PeriodUnit};
use market::orders::{self, OrderState, PurchaseItem};
use market::page::PageRequest;
use market::site::{self, Value};
use market::{MachineTime, Market};
use testkit::world::World;

const MONTH: Period = Period { unit: PeriodUnit::Month, count: 1 };

async fn set(world: &World, key: &'static str, value: Option<Value>, expected: i64) -> Result<(), Code> {
    let set = async move |tx: &mut db::Tx, ctx: &kernel::Ctx, market: &Market| {
        site::set(tx, ctx, market.configured(), key, value.clone(), "tried", expected).await.map(drop)
    };
    world.try_act(set).await.map_err(|error| error.code().unwrap())?;
    world.market.look_at_numbers().await.unwrap();
    Ok(())
}

#[tokio::test]
async fn a_number_that_was_set_holds_for_what_is_decided_from_then_on_and_no_earlier() {
    let world = World::new().await;
    let shop = world.shop("acme").await;
    let goods = world.goods(&shop).await;
    let buyer = world.buyer("zhang", 1_000_000).await;
    let order = async || {
        let item = PurchaseItem { sku_id: goods.basic, period: Some(MONTH), quantity: 1, renewal: None };
        world
            .act(async move |tx, ctx, market| orders::place(tx, ctx, market.edition(), buyer, std::slice::from_ref(&item), None).await)
            .await
    };
    let before = order().await;
    set(&world, "order_unpaid_days", Some(Value::Whole(2)), 0).await.unwrap();
    let after = order().await;
    world.pass_days(3).await;
    let state = async |number: String| world.act(async move |tx, _, _| orders::get(tx, &number).await).await.state;
    assert_eq!(state(before.number.clone()).await, OrderState::PendingPayment, "it keeps the seven days it was placed with");
    assert_eq!(state(after.number.clone()).await, OrderState::Cancelled);
    world.finish().await;
}

#[tokio::test]
async fn two_people_who_set_the_same_number_learn_of_each_other_and_the_history_tells_all_of_it() {
    let world = World::new().await;
    set(&world, "grace_days", Some(Value::Whole(3)), 0).await.unwrap();
    assert_eq!(set(&world, "grace_days", Some(Value::Whole(4)), 0).await, Err(Code::VersionStale));
    assert_eq!(world.market.edition().grace_days, 3);
    set(&world, "refund_quota", Some(Value::Whole(1)), 0).await.unwrap();
    set(&world, "grace_days", Some(Value::Whole(4)), 1).await.unwrap();
    assert_eq!(set(&world, "grace_days", Some(Value::Whole(4)), 3).await, Err(Code::FieldInvalid), "nothing would change");
    set(&world, "grace_days", None, 3).await.unwrap();
    let mut expected = world.market.configured().clone();
    expected.refund_quota = 1;
    assert_eq!(*world.market.edition(), expected);
    let (of_one, of_all) = world
        .act(async |tx, _, _| {
            let two = PageRequest { limit: 2, ..PageRequest::default() };
            Ok((site::changes(tx, Some("grace_days"), &two).await?, site::changes(tx, None, &PageRequest::default()).await?))
        })
        .await;
    let steps = |page: &market::page::Page<site::Change>| {
        page.items.iter().map(|it| (it.before.clone(), it.after.clone(), it.given_back)).collect::<Vec<_>>()
    };
    let whole = Value::Whole;
    assert_eq!(steps(&of_one), [(whole(4), whole(0), true), (whole(3), whole(4), false)]);
    assert_eq!(of_one.next.as_deref(), Some("3"));
    assert_eq!(of_all.items.iter().map(|it| it.version).collect::<Vec<_>>(), [4, 3, 2, 1]);
    assert_eq!(of_all.items[0].reason, "tried");
    world.finish().await;
}

#[tokio::test]
async fn what_breaks_a_rule_is_refused_and_nothing_is_kept() {
    let world = World::new().await;
    for (key, value) in [
        ("order_unpaid_days", Value::Whole(0)),
        ("fee_common_bp", Value::Whole(100)),
        ("reminder_days", Value::Days(vec![1, 2])),
        ("holidays", Value::Dates(vec!["yesterday".to_owned()])),
    ] {
        assert_eq!(set(&world, key, Some(value), 0).await, Err(Code::FieldInvalid), "{key}");
    }
    assert_eq!(set(&world, "currency", Some(Value::Whole(1)), 0).await, Err(Code::NotFound));
    let reason =
        world.try_act(async |tx, ctx, market| site::set(tx, ctx, market.configured(), "grace_days", Some(Value::Whole(1)), " ", 0).await);
    assert_eq!(reason.await.unwrap_err().code(), Some(Code::FieldInvalid));
    assert_eq!(world.act(async |tx, _, _| site::snapshot(tx).await).await, site::Snapshot::default());
    assert_eq!(world.market.edition(), world.market.configured());
    world.finish().await;
}

#[tokio::test]
async fn another_process_sees_a_change_within_a_second_and_a_new_one_begins_with_it() {
    let world = World::new().await;
    let time = MachineTime::simulated(MachineTime::real().now());
    let other = world.another_machine(time.clone()).await;
    // Its numbers are looked at now, and not again before a second has passed.
    other.ctx(kernel::Actor::System("test"), kernel::Locale::En).await.unwrap();
    set(&world, "refund_days", Some(Value::Whole(9)), 0).await.unwrap();
    other.ctx(kernel::Actor::System("test"), kernel::Locale::En).await.unwrap();
    let kept = other.edition();
    assert_eq!(kept.refund_days, 5);
    time.pass(DAY_MS);
    other.ctx(kernel::Actor::System("test"), kernel::Locale::En).await.unwrap();
    assert_eq!(other.edition().refund_days, 9);
    assert_eq!(kept.refund_days, 5, "who had begun by the old numbers ends by them");
    // Started with other defaults, what was set goes before them, and what was not does not.
    let third = world.another_process_with(|edition| (edition.refund_days, edition.refund_quota) = (1, 2)).await;
    assert_eq!((third.edition().refund_days, third.edition().refund_quota), (9, 2));
    world.finish().await;
}
