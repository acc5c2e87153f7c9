//! More than one process on one database.

use std::time::Duration;

use db::Engine;
use market::Mode;
use serde_json::json;
use testkit::sellers::Behaviour;
use tokio::task::JoinSet;
use wire::koogallery_v2::Activity;

use crate::client::{Client, Doors, Enough, Told, buy, shop};
use crate::dice::Dice;
use crate::fair::Fair;
use crate::place::Place;
use crate::reckoning::{delivered, let_leases_end, reckon};
use crate::survive::disconnect;

const BUYERS: usize = 3;
/// Clients of each buyer: two, so that they meet at one wallet.
const CLIENTS: usize = 2;
/// Orders of each client.
const ORDERS: usize = 16;
/// How often the leases of jobs are made to end under those who work on them.
const LEASES_LAST: Duration = Duration::from_millis(150);

/// A buyer each of whose requests reaches both servers at the same moment.
async fn shop_twice(clients: [Client; 2], buyer: usize, name: String, sku: kernel::SkuId) -> Vec<Told> {
    let enough = Enough::default();
    let mut told = Vec::new();
    for n in 0..ORDERS {
        told.push(buy(&clients, buyer, &name, n, sku, &enough).await);
    }
    told
}

/// On PostgreSQL two servers and a worker; on SQLite two servers that also work, for one machine has one of each.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_servers_that_hear_everything_twice_do_it_once() {
    let place = Place::new(Mode::Production).await;
    let is_server = place.engine() == Engine::Postgres;
    let fair = Fair::at(place.with("YUNSHI_WORK_IN_SERVE", if is_server { "false" } else { "true" }), BUYERS).await;
    // Slow enough that leases end while the seller is waited for.
    fair.server.behave(Behaviour::Slow(Duration::from_millis(60))).await;
    let mut servers = [fair.place.start(&["serve"]), fair.place.start(&["serve"])];
    let worker = is_server.then(|| fair.place.start(&["worker"]));
    let doors = [Doors::at(&servers[0].open().await), Doors::at(&servers[1].open().await)];

    let mut shoppers = JoinSet::new();
    for n in 0..BUYERS * CLIENTS {
        let (buyer, name) = (n % BUYERS, format!("shopper{n}"));
        let clients = doors.each_ref().map(|doors| Client::new(doors, &fair.buyers[buyer].token));
        shoppers.spawn(shop_twice(clients, buyer, name, fair.sku));
    }
    let enough = Enough::default();
    let thief = async {
        // Each end of a lease makes a second worker do what a first one is at.
        while !enough.is_said() {
            let_leases_end(&fair).await;
            tokio::time::sleep(LEASES_LAST).await;
        }
    };
    let (told, ()) = tokio::join!(
        async {
            let told = shoppers.join_all().await.concat();
            enough.say();
            told
        },
        thief
    );
    fair.server.recover().await;
    delivered(&fair).await;
    assert_eq!(told.len(), BUYERS * CLIENTS * ORDERS);
    reckon(&fair, &doors[0], &told).await;
    for process in servers.into_iter().chain(worker) {
        let faults: Vec<_> = process.log().into_iter().filter(|line| line["level"] == "ERROR").collect();
        assert!(faults.is_empty(), "two at one job are no fault: {faults:#?}");
        process.stop().await;
    }
}

/// How long a seller takes, who together with the others at the same moment takes longer than the clock is held without a sign of life.
const SLOW: Duration = Duration::from_millis(1_900);
const SLOW_ORDERS: usize = 7;

/// In a sandbox one process at a time moves the clock and works, however long that takes.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sandbox_clock_stays_with_who_moves_it() {
    let fair = Fair::new(Mode::Sandbox, 1).await;
    let mut servers = [fair.place.start(&["serve"]), fair.place.start(&["serve"])];
    let doors = [Doors::at(&servers[0].open().await), Doors::at(&servers[1].open().await)];
    let client = Client::new(&doors[0], &fair.buyers[0].token);
    let mut numbers = Vec::new();
    for n in 0..SLOW_ORDERS {
        let placed = client.insist("/orders", &format!("k{n}"), &fair.order(1)).await;
        numbers.push(placed.body["number"].as_str().unwrap().to_owned());
    }
    fair.server.on(Activity::NewInstance, Behaviour::Slow(SLOW));
    for (n, number) in numbers.iter().enumerate() {
        let paid = client.insist(&format!("/orders/{number}/pay"), &format!("k{n}/pay"), &json!({})).await;
        assert_eq!(paid.status, 200, "{paid:?}");
    }
    delivered(&fair).await;
    assert_eq!(fair.server.calls_of(Activity::NewInstance).len(), SLOW_ORDERS, "nobody took the clock, and the jobs, away in between");
    for server in servers {
        server.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_first_starts_at_the_same_moment_make_one_market() {
    let mut place = Place::empty(Mode::Production).await;
    // Each would make a master key.
    place.set("YUNSHI_MASTER_KEY", "");
    let mut servers = [place.start(&["serve"]), place.start(&["serve"])];
    for server in &mut servers {
        let doors = Doors::at(&server.open().await);
        assert_eq!(Client::new(&doors, "").attempt(reqwest::Method::GET, "/readyz", &[], None).await.unwrap().status, 200);
    }
    let keys_made =
        servers.iter().filter(|server| server.log().iter().any(|line| line.to_string().contains("a master key was made"))).count();
    assert_eq!(keys_made, 1);
    for server in servers {
        server.stop().await;
    }
}

/// How often every connection breaks.
const BREAKS: usize = 12;

/// The database server is restarted, or the network breaks: every connection of the program ends at once, again and again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_that_break_lose_nothing() {
    let dice = Dice::new();
    let fair = Fair::new(Mode::Production, BUYERS).await;
    if fair.place.engine() == Engine::Sqlite {
        println!("nothing to test here: SQLite is a file, and has no connections that break");
        return;
    }
    let mut server = fair.place.start(&["serve"]);
    let (doors, enough) = (Doors::at(&server.open().await), Enough::default());
    let mut shoppers = JoinSet::new();
    for n in 0..BUYERS * CLIENTS {
        let (buyer, name) = (n % BUYERS, format!("shopper{n}"));
        shoppers.spawn(shop(Client::new(&doors, &fair.buyers[buyer].token), buyer, name, fair.sku, enough.clone()));
    }
    for _ in 0..BREAKS {
        tokio::time::sleep(dice.between(20, 250)).await;
        disconnect(&fair.place).await;
        // What could not be written down is done again when its lease has ended.
        let_leases_end(&fair).await;
    }
    enough.say();
    let told = shoppers.join_all().await.concat();
    println!("{} orders over {BREAKS} breaks", told.len());
    delivered(&fair).await;
    reckon(&fair, &doors, &told).await;
    server.stop().await;
}
