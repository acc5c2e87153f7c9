//! The story on a real database, and the folder of a demo.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeSet;

use kernel::{Actor, Locale};
use market::catalog::ProductState;
use market::orders::OrderState;
use market::page::{PAGE_MAX, PageRequest};
use market::settlement::{self, StatementState};
use market::subscriptions::{self, Whose};
use market::{catalog, ledger, orders, runner, sellers};

use super::*;

/// Enough for everything to happen: months to settle, ends that come, what was frozen to be released.
const DAYS_OF_THE_TEST: i64 = 75;

async fn told(folder: &Path) -> (market::Market, i64) {
    let config = Config { database_connections: 2, ..config_of(&Config::default(), folder, "127.0.0.1:0".parse().unwrap()) };
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let facts = new_facts(None, listener.local_addr().unwrap()).unwrap();
    let shops = Shops::new(&format!("http://{}", facts.sellers_listen), &folder.join("sellers"), &facts.keys).unwrap();
    tokio::spawn(axum::serve(listener, shops.router()).into_future());
    let market = start::hurried_market(&config).await.unwrap();
    let end = Timestamp::now().as_millisecond();
    story::tell(&market, &shops, &facts.password, DAYS_OF_THE_TEST, end, |_| {}).await.unwrap();
    (market, end)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_story_is_whole_and_leaves_something_to_do_for_everybody() {
    let folder = tempfile::tempdir().unwrap();
    let (market, end) = told(folder.path()).await;

    let verified = ledger::verify(market.db(), |_| {}).await.unwrap();
    assert_eq!(verified.problems, []);
    assert!(verified.transactions > 100, "{verified:?}");
    assert_eq!(settlement::verify_statements(market.db(), |_| {}).await.unwrap().problems, []);
    let now = market.ctx(Actor::Console, Locale::En).await.unwrap().now;
    assert!((0..60_000).contains(&(now - end)), "it ends today, and its clock ticks");

    let all = || PageRequest { limit: PAGE_MAX, ..PageRequest::default() };
    let (orders, subs, products, statements, applicants) = market
        .db()
        .read(async move |tx| {
            Ok((
                orders::list(tx, Whose::Everybody, None, &all()).await?.items,
                subscriptions::list(tx, Whose::Everybody, None, &all()).await?.items,
                catalog::list_all(tx, None, &all()).await?.items,
                settlement::statements(tx, None, None, &all()).await?.items,
                sellers::list(tx, None, &all()).await?.items,
            ))
        })
        .await
        .unwrap();
    let words = |words: &[&str]| words.iter().map(|&word| word.to_owned()).collect::<BTreeSet<String>>();
    let kinds: BTreeSet<String> = orders.iter().map(|order| order.kind.to_string()).collect();
    assert_eq!(kinds, words(&["NEW", "RENEW", "CHANGE", "UNSUBSCRIBE"]));
    let states: BTreeSet<String> = orders.iter().map(|order| order.state.to_string()).collect();
    assert_eq!(states, OrderState::ALL.iter().map(ToString::to_string).collect(), "an order in every state");
    let states: BTreeSet<String> = subs.iter().map(|sub| sub.state.to_string()).collect();
    assert!(states.is_superset(&words(&["in_use", "frozen", "released", "failed"])), "{states:?}");
    assert!(subs.iter().any(|sub| sub.suspended_at.is_some()), "one is frozen by the operator");
    let states: BTreeSet<String> = products.iter().map(|product| product.state.to_string()).collect();
    assert_eq!(states, words(&["draft", "on_sale", "hidden", "retired"]));
    let on_sale = products.iter().filter(|product| product.state == ProductState::OnSale).count();
    assert!(products.len() >= 12 && on_sale * 2 > products.len(), "{on_sale} of {} products are on sale", products.len());
    let is_chinese = |text: &str| text.chars().any(|c| ('\u{4e00}'..='\u{9fff}').contains(&c));
    assert!(products.iter().all(|product| is_chinese(&product.names.zh) && !is_chinese(&product.names.en)), "each has both languages");
    assert!(statements.iter().any(|it| it.state == StatementState::Paid), "{statements:?}");
    let states: BTreeSet<String> = applicants.iter().map(|seller| seller.state.to_string()).collect();
    assert!(states.len() >= 3, "approved, waiting and rejected: {states:?}");

    // A year later everything still holds.
    let later = market.edition().zone.add_months(now, 12);
    runner::advance(&market, runner::To::Moment(later), |_| {}).await.unwrap();
    assert_eq!(ledger::verify(market.db(), |_| {}).await.unwrap().problems, []);
    let stuck = market.db().read(async |tx| db::jobs::count(tx).await).await.unwrap().1;
    assert_eq!(stuck, 0);
}

#[test]
fn a_folder_of_something_else_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("diary.txt"), "private").unwrap();
    for is_fresh in [false, true] {
        assert!(facts_in(folder.path(), is_fresh).unwrap_err().to_string().contains("holds something else than a demo"));
    }
    assert!(folder.path().join("diary.txt").exists());
}

#[test]
fn an_unfinished_or_unwanted_demo_is_removed_and_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let facts = new_facts(None, "127.0.0.1:1".parse().unwrap()).unwrap();
    fs::write(folder.path().join(UNFINISHED_FILE), "").unwrap();
    save(folder.path(), &facts).unwrap();
    assert_eq!(facts_in(folder.path(), false).unwrap().unwrap().keys, facts.keys);

    for make_unwanted in [true, false] {
        fs::write(folder.path().join("yunshi.sqlite"), "").unwrap();
        fs::write(folder.path().join("notes.txt"), "mine").unwrap();
        if !make_unwanted {
            fs::write(folder.path().join(UNFINISHED_FILE), "").unwrap();
        }
        assert!(facts_in(folder.path(), make_unwanted).unwrap().is_none());
        assert!(!folder.path().join("yunshi.sqlite").exists() && folder.path().join("notes.txt").exists());
        fs::remove_file(folder.path().join("notes.txt")).unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_first_product_is_provided_by_the_visitors_own_server() {
    use market::orders::PurchaseItem;
    use testkit::sellers::ScriptedSeller;

    let folder = tempfile::tempdir().unwrap();
    let (market, _) = told(folder.path()).await;
    let policy = outbound::Policy { addresses: outbound::AddressPolicy::AllowAll, schemes: outbound::SchemePolicy::AllowHttp };
    let server = ScriptedSeller::start().await;
    assert!(own_server::bind(&market, policy, "not an address", "a-key-of-mine").await.is_err());
    // The first times with a mistake in the key, which a later start corrects: however many there were.
    for _ in 0..=sellers::KEYS_MAX {
        own_server::bind(&market, policy, &server.url(), "a-key-that-is-wrong").await.unwrap();
    }
    own_server::bind(&market, policy, &server.url(), &server.access_key()).await.unwrap();
    let featured = own_server::featured(&market).await.unwrap();
    let period = Some(kernel::Period { unit: kernel::PeriodUnit::Month, count: 1 });
    let item = PurchaseItem { sku_id: featured.sku, period, quantity: featured.quantity, renewal: None };
    let ctx = market.ctx(Actor::Console, Locale::En).await.unwrap();
    let again = market.clone();
    market
        .db()
        .write(async move |tx| {
            let buyer = market::accounts::find_by_name(tx, BUYERS[0].login).await?.unwrap().id;
            let amount = kernel::Money::new(100_000_000, again.edition().currency);
            let deposit = ledger::NewDeposit { account_id: buyer, amount, bank_reference: "OWN-1".to_owned(), note: String::new() };
            ledger::record_deposit(tx, &ctx, again.edition(), &deposit).await?;
            let order = orders::place(tx, &ctx, again.edition(), buyer, std::slice::from_ref(&item), None).await?;
            orders::pay(tx, &ctx, again.edition(), buyer, &order.number).await.map(drop)
        })
        .await
        .unwrap();
    runner::advance(&market, runner::To::Now, |_| {}).await.unwrap();
    let calls = server.calls();
    assert_eq!(server.sound().instances().len(), 1);
    assert!(calls.iter().all(|call| call.verified.is_ok()), "{calls:?}");
}
