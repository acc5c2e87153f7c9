//! What a seller sees of their own business at a glance.

use kernel::{DAY_MS, HOUR_MS};
use market::calls::{CallState, Scene};
use market::catalog;
use market::page::PageRequest;
use market::views::selling::{self, CallFilter, DAYS};
use testkit::sellers::Behaviour;
use testkit::world::{Shop, World, months};

async fn found(world: &World, shop: &Shop, filter: CallFilter) -> usize {
    let seller = shop.account;
    let page = world.act(async move |tx, _, _| selling::calls(tx, seller, &filter, &PageRequest::default()).await).await;
    page.items.len()
}

#[tokio::test]
async fn a_new_seller_has_nothing_to_do_and_thirty_empty_days() {
    let world = World::new().await;
    let seller = world.shop("acme").await.account;
    let (days, todos, figures) = world
        .act(async move |tx, ctx, market| {
            let zone = &market.edition().zone;
            let days = selling::days(tx, seller, zone, ctx.now).await?;
            Ok((days, selling::todos(tx, seller, zone, ctx.now).await?, selling::call_figures(tx, seller, zone, ctx.now).await?))
        })
        .await;
    assert_eq!(days.len(), usize::try_from(DAYS).unwrap());
    assert!(days.iter().all(|day| (day.orders, day.sales_minor, day.failed) == (0, 0, 0)));
    assert!(days.windows(2).all(|two| two[1].from - two[0].from == DAY_MS));
    assert_eq!((todos, figures), (selling::Todos::default(), selling::CallFigures::default()));
    world.finish().await;
}

#[tokio::test]
async fn sales_failures_and_what_needs_somebody_are_told() {
    let world = World::new().await;
    let shop = world.shop("acme").await;
    let goods = world.goods(&shop).await;
    let buyer = world.buyer("bob", 900_000).await;
    let good = world.subscribe(buyer, months(goods.basic, 1, 2)).await;
    world.pass_days(1).await;
    shop.server.behave(Behaviour::Dead).await;
    let bad = world.buy(buyer, months(goods.basic, 1, 1)).await;
    world.settle_down().await;
    let seller = shop.account;
    let look = async || {
        world
            .act(async move |tx, ctx, market| {
                let zone = &market.edition().zone;
                let todos = selling::todos(tx, seller, zone, ctx.now).await?;
                Ok((todos, selling::call_figures(tx, seller, zone, ctx.now).await?, selling::days(tx, seller, zone, ctx.now).await?))
            })
            .await
    };
    let (todos, figures, _) = look().await;
    assert_eq!((todos.retried, todos.given_up, figures.asked, figures.done, figures.retried), (1, 0, 1, 0, 1));
    assert!(figures.p95_ms.is_some());
    world.pass(4 * HOUR_MS).await;
    let product = world.submission(&shop).await;
    world
        .act(async move |tx, ctx, _| {
            let queue = catalog::review_queue(tx, ctx, &PageRequest::default()).await?;
            let listing = queue.items.iter().find(|item| item.product_id == product).unwrap().id;
            catalog::reject(tx, ctx, listing, "the overview says nothing").await.map(drop)
        })
        .await;
    let (todos, _, days) = look().await;
    assert_eq!((todos.retried, todos.given_up), (0, 1));
    assert_eq!(todos.failed.iter().map(|order| order.number.as_str()).collect::<Vec<_>>(), [bad.number.as_str()]);
    assert_eq!((todos.rejected.len(), todos.rejected[0].reason.as_str()), (1, "the overview says nothing"));
    let (orders, sales, failed) = days.iter().fold((0, 0, 0), |(o, s, f), day| (o + day.orders, s + day.sales_minor, f + day.failed));
    assert_eq!((orders, sales, failed), (2, 20_000, 1), "what was given up is no sale");
    assert_eq!(days.iter().filter(|day| day.orders > 0).count(), 2, "each on its own day");
    // Found by state, by scene, by order, by instance.
    let all = CallFilter::default();
    assert_eq!(found(&world, &shop, all.clone()).await, 2);
    assert_eq!(found(&world, &shop, CallFilter { state: Some(CallState::GaveUp), ..all.clone() }).await, 1);
    assert_eq!(found(&world, &shop, CallFilter { scene: Some(Scene::Release), ..all.clone() }).await, 0);
    for term in [bad.number.clone(), good.instance_id.clone().unwrap(), good.id.to_string()] {
        assert_eq!(found(&world, &shop, CallFilter { term: format!(" {term} "), ..all.clone() }).await, 1, "{term}");
    }
    assert_eq!(found(&world, &shop, CallFilter { term: "nothing".to_owned(), ..all.clone() }).await, 0);
    let other = world.shop("other").await;
    assert_eq!(found(&world, &other, CallFilter { term: bad.number.clone(), ..all }).await, 0, "nobody finds another's");
    world.finish().await;
}
