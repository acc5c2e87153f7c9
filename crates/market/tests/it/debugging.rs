//! Sellers try requests out against their own servers, and nothing of the business changes.

use db::sql;
use kernel::{AccountId, Actor, Code, Ctx, DebugTryId, Locale, MINUTE_MS};
use market::debugging::{self, Attempted, DebugField, DebugScene, DebugVerdict, Parameters, Signing, Try};
use market::page::PageRequest;
use testkit::sellers::{Behaviour, Lie};
use testkit::world::{Shop, World, months};
use wire::koogallery_v2::{Activity, Mode, ResultCode};

async fn ctx(world: &World) -> Ctx {
    world.market.ctx(Actor::System("test"), Locale::En).await.unwrap()
}

async fn attempt(world: &World, shop: &Shop, scene: DebugScene, signing: Signing) -> Try {
    let ctx = ctx(world).await;
    let parameters = scene.prefilled(None, ctx.now);
    let attempted = Attempted { address: shop.address, scene, signing, parameters, case: None };
    debugging::run(&world.market, &ctx, shop.account, attempted).await.unwrap()
}

/// What the business holds, as counts of rows and the breakers.
async fn business(world: &World) -> Vec<Vec<String>> {
    world
        .act(async move |tx, _, _| {
            let mut found = Vec::new();
            for text in [
                "SELECT COUNT(*) FROM deliveries",
                "SELECT COUNT(*) FROM delivery_attempts",
                "SELECT COUNT(*) FROM subscriptions",
                "SELECT COUNT(*) FROM orders",
                "SELECT COUNT(*) FROM ledger_transactions",
                "SELECT COUNT(*) FROM jobs",
                "SELECT COUNT(*) FROM address_breakers",
            ] {
                found.push(tx.run_text(text).await?);
            }
            Ok(found)
        })
        .await
}

fn words(tried: &Try) -> Vec<&str> {
    tried.findings.iter().map(|finding| finding.word.as_str()).collect()
}

#[tokio::test]
async fn every_scene_passes_at_a_sound_server_and_the_business_does_not_change() {
    let world = World::new().await;
    let shop = world.shop("acme").await;
    let goods = world.goods(&shop).await;
    let buyer = world.buyer("bob", 500_000).await;
    world.subscribe(buyer, months(goods.basic, 1, 1)).await;
    let (before, instances) = (business(&world).await, shop.server.sound().instances().len());
    for scene in DebugScene::ALL {
        for (signing, verdict) in [(Signing::Right, DebugVerdict::Passed), (Signing::Forged, DebugVerdict::Passed)] {
            let tried = attempt(&world, &shop, *scene, signing).await;
            assert_eq!(tried.verdict, verdict, "{scene} {signing}: {:?} {:?}", tried.findings, tried.answer_body);
            assert!(tried.request_body.contains(r#""testFlag":"1""#), "{}", tried.request_body);
            assert!(!tried.url.contains(&shop.server.access_key()) && tried.url.contains("timestamp="), "{}", tried.url);
            assert_eq!((tried.status, tried.signing), (Some(200), signing));
        }
    }
    assert_eq!(business(&world).await, before, "nothing of the business changed here");
    assert_eq!(shop.server.sound().instances().len(), instances, "nor at the seller");
    let debugged = shop.server.calls().iter().filter(|call| call.mode == Mode::Debugging).count();
    assert_eq!(debugged, 2 * DebugScene::ALL.len());
    world.finish().await;
}

#[tokio::test]
async fn what_is_wrong_with_a_server_is_found() {
    let world = World::new().await;
    let shop = world.shop("acme").await;
    for (behaviour, scene, signing, word) in [
        (Behaviour::Dead, DebugScene::Create, Signing::Right, "connect_failed"),
        (Behaviour::Lying(Lie::NoInstance), DebugScene::Create, Signing::Right, "instance_id_missing"),
        (Behaviour::Lying(Lie::TellsNothing), DebugScene::Query, Signing::Right, "instance_not_told"),
        (Behaviour::Lying(Lie::NoFrontEndUrl), DebugScene::Query, Signing::Right, "missing"),
        (Behaviour::Lying(Lie::AnySignature), DebugScene::Release, Signing::Forged, "forgery_believed"),
        (Behaviour::Lying(Lie::WebPage), DebugScene::Freeze, Signing::Right, "html"),
        (Behaviour::Lying(Lie::NoDebugging), DebugScene::Upgrade, Signing::Right, "answered"),
        (Behaviour::Answers(ResultCode::AuthenticationFailed), DebugScene::Create, Signing::Right, "answered"),
        (Behaviour::Lying(Lie::PendingWithoutInstance), DebugScene::Create, Signing::Right, "pending_without_instance"),
        (Behaviour::Lying(Lie::NumericCode), DebugScene::Renewal, Signing::Right, "result_code_not_text"),
    ] {
        shop.server.behave(behaviour.clone()).await;
        let tried = attempt(&world, &shop, scene, signing).await;
        assert_eq!(tried.verdict, DebugVerdict::Failed, "{behaviour:?}: {:?}", tried.answer_body);
        assert!(words(&tried).contains(&word), "{behaviour:?}: {:?}", tried.findings);
        let (seller, id) = (shop.account, tried.id);
        assert_eq!(world.act(async move |tx, _, _| debugging::get(tx, seller, id).await).await, tried, "it is kept as it was");
    }
    world.finish().await;
}

#[tokio::test]
async fn what_passed_is_kept_under_a_name_and_run_again() {
    let world = World::new().await;
    let shop = world.shop("acme").await;
    let passed = attempt(&world, &shop, DebugScene::Create, Signing::Right).await;
    let (seller, id) = (shop.account, passed.id);
    let save = async |id: DebugTryId, name: &'static str| {
        world.try_act(async move |tx, ctx, _| debugging::save_case(tx, ctx, seller, id, name).await).await
    };
    let case = save(id, "purchase, one year").await.unwrap();
    assert_eq!(save(id, "purchase, one year").await.unwrap_err().code(), Some(Code::CaseNameTaken));
    assert_eq!(save(id, "").await.unwrap_err().code(), Some(Code::FieldInvalid));
    shop.server.behave(Behaviour::Lying(Lie::NoInstance)).await;
    let failed = debugging::run_case(&world.market, &ctx(&world).await, seller, case.id).await.unwrap();
    assert_eq!((failed.verdict, failed.case_id), (DebugVerdict::Failed, Some(case.id)));
    assert_ne!(failed.request_body, passed.request_body, "a business id is new in every call");
    assert_eq!(save(failed.id, "a failure").await.unwrap_err().code(), Some(Code::DebugNotPassed));
    let kept = world.act(async move |tx, _, _| debugging::cases(tx, seller, None, &PageRequest::default()).await).await;
    assert_eq!((kept.items.len(), kept.items[0].last_verdict, kept.items[0].last_try_id), (1, DebugVerdict::Failed, Some(failed.id)));
    // Another seller finds none of it.
    let other = world.shop("other").await.account;
    let theirs = world.act(async move |tx, _, _| debugging::cases(tx, other, None, &PageRequest::default()).await).await;
    assert!(theirs.items.is_empty());
    for refused in [
        world.try_act(async move |tx, _, _| debugging::get(tx, other, id).await.map(drop)).await,
        world.try_act(async move |tx, ctx, _| debugging::save_case(tx, ctx, other, id, "mine").await.map(drop)).await,
        world.try_act(async move |tx, ctx, _| debugging::delete_case(tx, ctx, other, case.id).await).await,
        debugging::run_case(&world.market, &ctx(&world).await, other, case.id).await.map(drop),
        debugging::run(&world.market, &ctx(&world).await, other, of(&shop, DebugScene::Create)).await.map(drop),
    ] {
        assert_eq!(refused.unwrap_err().code(), Some(Code::NotFound));
    }
    world.act(async move |tx, ctx, _| debugging::delete_case(tx, ctx, seller, case.id).await).await;
    assert_eq!(debugging::run_case(&world.market, &ctx(&world).await, seller, case.id).await.unwrap_err().code(), Some(Code::NotFound));
    world.finish().await;
}

fn of(shop: &Shop, scene: DebugScene) -> Attempted {
    let parameters = scene.prefilled(None, 1_800_000_000_000);
    Attempted { address: shop.address, scene, signing: Signing::Right, parameters, case: None }
}

/// Tries that were made long ago.
async fn remember_tries(world: &World, seller: AccountId, count: i64, wall_at: i64) {
    let model = world.act(async move |tx, _, _| debugging::list(tx, seller, &PageRequest::default()).await).await.items.remove(0);
    world
        .act(async move |tx, ctx, _| {
            for _ in 0..count {
                let id = DebugTryId::new(ctx.now - MINUTE_MS, &ctx.entropy);
                let insert = sql!(
                    "INSERT INTO debug_tries (id, seller_id, address_id, scene, signing, parameters, at, wall_at, tried_by, verdict, url,
                       request_body, findings)
                     VALUES ($1, $2, $3, 'create', 'right', '{}', $4, $5, 'system:test', 'passed', '', '', '[]')"
                );
                tx.execute(insert, &[&id, &seller, &model.address_id, &ctx.now, &wall_at]).await?;
            }
            Ok(())
        })
        .await;
}

#[tokio::test]
async fn tries_are_few_in_a_minute_and_old_ones_are_forgotten() {
    let world = World::new().await;
    let shop = world.shop("acme").await;
    let seller = shop.account;
    attempt(&world, &shop, DebugScene::Create, Signing::Right).await;
    let wall = ctx(&world).await.wall;
    remember_tries(&world, seller, debugging::TRIES_KEPT, wall - 10 * MINUTE_MS).await;
    let newest = attempt(&world, &shop, DebugScene::Query, Signing::Right).await;
    let kept = world.act(async move |tx, _, _| tx.run_text("SELECT COUNT(*) FROM debug_tries").await).await;
    assert_eq!(kept, [debugging::TRIES_KEPT.to_string()]);
    let page = world.act(async move |tx, _, _| debugging::list(tx, seller, &PageRequest::default()).await).await;
    assert_eq!(page.items[0].id, newest.id);
    remember_tries(&world, seller, debugging::TRIES_PER_MINUTE, wall).await;
    let asked = shop.server.calls_of(Activity::NewInstance).len();
    let refused = debugging::run(&world.market, &ctx(&world).await, seller, of(&shop, DebugScene::Create)).await;
    assert_eq!(refused.unwrap_err().code(), Some(Code::TooManyRequests));
    let wrong = Attempted { parameters: Parameters::default(), ..of(&shop, DebugScene::Create) };
    let refused = debugging::run(&world.market, &ctx(&world).await, seller, wrong).await.unwrap_err();
    let db::Error::Refused(refusal) = refused else { panic!("{refused}") };
    assert_eq!(refusal.args[0].1, DebugField::OrderId.word());
    assert_eq!(shop.server.calls_of(Activity::NewInstance).len(), asked, "what was refused was not sent");
    world.finish().await;
}
