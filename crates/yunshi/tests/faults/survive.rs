//! A market under load that is killed again and again, at any moment of its life: while it starts, while it works, while it stops, alone and
//! with a worker beside it; on PostgreSQL also while its connections, or the server itself, break down.
//!
//! A hundred kills belong to every run of the tests; `cargo xtask survive --cycles 1000` makes more of them and restarts its PostgreSQL.

use std::collections::BTreeSet;
use std::io::{IsTerminal, Write, stderr};
use std::process::Command;
use std::time::{Duration, Instant};

use db::Engine;
use market::{Mode, ledger};
use rustix::process::Signal;
use tokio::task::JoinSet;

use crate::client::{Act, Client, Doors, Enough, shop};
use crate::dice::Dice;
use crate::fair::Fair;
use crate::place::{Place, until};
use crate::reckoning::{delivered, let_leases_end, reckon, states};

/// Sets how often it is killed.
const CYCLES: &str = "YUNSHI_TEST_CYCLES";
const CYCLES_USUAL: usize = 100;
/// A command that restarts PostgreSQL without letting it finish anything, where the tests have a server of their own.
const RESTART: &str = "YUNSHI_TEST_POSTGRES_RESTART";
const BUYERS: usize = 3;
/// Clients of each buyer: two, so that they meet at one wallet.
const CLIENTS: usize = 2;
/// Acts that are acknowledged before a kill that is to meet work.
const ACTS: usize = 3;
/// How far into its work it is killed at most, ms.
const WORK_MS: u64 = 120;
/// How far into its end it is killed at most, ms.
const STOP_MS: u64 = 40;
/// Every so many cycles the whole ledger is checked, not only its sums.
const WHOLE_LEDGER: usize = 20;
/// Every so many cycles somebody who watches the log reads how far it is.
const WORD: usize = 100;

/// When it is killed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Moment {
    /// Somewhere between its first instruction and its first answers.
    Starting,
    /// While requests and calls are under way.
    Working,
    /// After it was asked to stop, before it has.
    Stopping,
    /// After every one of its connections to PostgreSQL broke.
    Disconnected,
    /// After PostgreSQL itself was killed, and came back.
    DatabaseKilled,
}

impl Moment {
    fn of(dice: &Dice, place: &Place) -> Self {
        let is_server = place.engine() == Engine::Postgres;
        match dice.roll(20) {
            0..4 => Self::Starting,
            4..8 => Self::Stopping,
            8..10 if is_server => Self::Disconnected,
            10 if is_server && std::env::var_os(RESTART).is_some() => Self::DatabaseKilled,
            _ => Self::Working,
        }
    }
}

fn cycles() -> usize {
    std::env::var(CYCLES).map_or(CYCLES_USUAL, |text| text.parse().unwrap_or_else(|_| panic!("{CYCLES} is {text:?}, not a number")))
}

/// Ends every connection of the program to PostgreSQL.
pub(crate) async fn disconnect(place: &Place) {
    let end = "SELECT CAST(pg_terminate_backend(pid) AS TEXT) FROM pg_stat_activity
               WHERE datname = current_database() AND application_name = 'yunshi' AND pid <> pg_backend_pid()";
    place.sql(end).await;
}

/// Restarts PostgreSQL as if its power had failed.
async fn kill_database() {
    let command = std::env::var(RESTART).unwrap();
    let status = tokio::task::spawn_blocking(move || Command::new("sh").args(["-c", &command]).status().unwrap()).await.unwrap();
    assert!(status.success(), "PostgreSQL did not come back: {status}");
}

/// What can be seen at once while nobody runs: what was acknowledged is there, the sums of the books are right, the seller did nothing twice.
async fn look(fair: &Fair, new: &[Act], is_whole: bool) {
    let there = states(fair).await;
    for act in new {
        act.stands(&there);
    }
    let db = fair.place.db().await;
    let sums = db::sql!(
        "SELECT
           CAST((SELECT COALESCE(SUM(total_minor), 0) FROM orders WHERE state = 'processing') AS BIGINT),
           CAST((SELECT COALESCE(SUM(amount_minor), 0) FROM ledger_postings WHERE destination LIKE 'held:%') AS BIGINT)
             - CAST((SELECT COALESCE(SUM(amount_minor), 0) FROM ledger_postings WHERE source LIKE 'held:%') AS BIGINT),
           CAST((SELECT COALESCE(SUM(balance_minor), 0) FROM ledger_wallets) AS BIGINT),
           CAST((SELECT COALESCE(SUM(amount_minor), 0) FROM ledger_postings WHERE destination LIKE 'buyer:%') AS BIGINT)
             - CAST((SELECT COALESCE(SUM(amount_minor), 0) FROM ledger_postings WHERE source LIKE 'buyer:%') AS BIGINT),
           CAST((SELECT COUNT(*) FROM ledger_transactions WHERE kind = 'payment') AS BIGINT),
           CAST((SELECT COUNT(DISTINCT reference) FROM ledger_transactions WHERE kind = 'payment') AS BIGINT)"
    );
    let (open, held, wallets, postings, payments, paid): (i64, i64, i64, i64, i64, i64) =
        db.read(async move |tx| tx.one(sums, &[]).await).await.unwrap();
    assert_eq!(open, held, "what is held is what open orders wait for");
    assert_eq!(wallets, postings, "wallets are what was posted to them");
    assert_eq!(payments, paid, "an order was paid twice");
    if is_whole {
        assert_eq!(ledger::verify(&db, |_| {}).await.unwrap().problems, []);
    }
    let mut orders = BTreeSet::new();
    for instance in fair.server.sound().instances() {
        assert!(orders.insert(instance.order_id.clone()), "{} has two instances at the seller", instance.order_id);
        let later: BTreeSet<&String> = instance.later_orders.iter().collect();
        assert_eq!(later.len(), instance.later_orders.len(), "the seller did something twice: {instance:?}");
    }
}

/// How far it is, on one line at a terminal, now and then in a log.
fn tell(cycle: usize, cycles: usize, acts: usize, begun: Instant) {
    let text = format!("{cycle} of {cycles} kills, {acts} acts acknowledged, {} s", begun.elapsed().as_secs());
    if stderr().is_terminal() {
        let _ = write!(stderr(), "\r\x1b[K{text}{}", if cycle == cycles { "\n" } else { "" });
    } else if cycle.is_multiple_of(WORD) || cycle == cycles {
        println!("{text}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_market_killed_a_hundred_times_loses_nothing_and_does_nothing_twice() {
    let (dice, cycles, begun) = (Dice::new(), cycles(), Instant::now());
    let fair = Fair::new(Mode::Production, BUYERS).await;
    println!("{cycles} kills on {}", fair.place.engine().word());
    if fair.place.engine() == Engine::Postgres && std::env::var_os(RESTART).is_none() {
        println!("PostgreSQL itself is not killed: it is not this test's own; cargo xtask survive starts one that is");
    }
    let (doors, enough) = (Doors::new(), Enough::default());
    let mut shoppers = JoinSet::new();
    for n in 0..BUYERS * CLIENTS {
        let (buyer, name) = (n % BUYERS, format!("shopper{n}"));
        shoppers.spawn(shop(Client::new(&doors, &fair.buyers[buyer].token), buyer, name, fair.sku, enough.clone()));
    }

    let (mut checked, mut met) = (0, BTreeSet::new());
    // How long a start takes on this machine: a guess at first.
    let mut start_ms = 100;
    for cycle in 1..=cycles {
        let moment = Moment::of(&dice, &fair.place);
        met.insert(moment);
        let worker = (dice.roll(4) == 0).then(|| fair.place.start(&["worker"]));
        let started = Instant::now();
        let mut server = fair.place.start(&["serve"]);
        if moment == Moment::Starting {
            tokio::time::sleep(dice.between(0, start_ms)).await;
        } else {
            let before = enough.acts();
            doors.open(&server.open().await);
            start_ms = u64::try_from(started.elapsed().as_millis()).unwrap() + 1;
            let meet = async |before: usize| until("acts to meet", async || (enough.acts() >= before + ACTS).then_some(())).await;
            meet(before).await;
            match moment {
                Moment::Disconnected => disconnect(&fair.place).await,
                Moment::DatabaseKilled => {
                    kill_database().await;
                    let_leases_end(&fair).await;
                    meet(enough.acts()).await;
                }
                Moment::Starting | Moment::Working | Moment::Stopping => {}
            }
            tokio::time::sleep(dice.between(0, WORK_MS)).await;
            if moment == Moment::Stopping {
                server.signal(Signal::TERM);
                tokio::time::sleep(dice.between(0, STOP_MS)).await;
            }
        }
        // Whoever waits for an answer now hears nothing, and does not know what came of it.
        server.kill();
        if let Some(worker) = worker {
            worker.kill();
        }
        doors.shut();
        let acts = enough.acknowledged();
        look(&fair, &acts[checked..], cycle % WHOLE_LEDGER == 0).await;
        checked = acts.len();
        let_leases_end(&fair).await;
        tell(cycle, cycles, checked, begun);
    }
    println!("killed while {met:?}");

    // Every client goes on until the last unknown outcome is decided, by the key that it had from the first.
    let mut server = fair.place.start(&["serve"]);
    doors.open(&server.open().await);
    enough.say();
    let told = shoppers.join_all().await.concat();
    delivered(&fair).await;
    look(&fair, &enough.acknowledged(), true).await;
    reckon(&fair, &doors, &told).await;
    server.stop().await;
    println!("{} orders and {} acts over {cycles} kills in {} s", told.len(), enough.acts(), begun.elapsed().as_secs());
    assert!(enough.acts() >= cycles, "the kills met nobody at work");
}

/// Kills of a market that is being made.
const FIRST_STARTS: usize = 12;

/// The schema, the master key and the facts of a market are made at its first start: all of each, or nothing.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_first_start_that_is_killed_at_any_moment_is_begun_anew() {
    let dice = Dice::new();
    for n in 0..3 {
        let mut place = Place::empty(Mode::Production).await;
        place.set("YUNSHI_MASTER_KEY", "");
        let mut whole = Duration::from_millis(200);
        for _ in 0..FIRST_STARTS / 3 {
            let started = Instant::now();
            let mut server = place.start(&["serve"]);
            tokio::select! {
                _ = server.open() => whole = started.elapsed(),
                () = tokio::time::sleep(dice.between(0, u64::try_from(whole.as_millis()).unwrap())) => {}
            }
            server.kill();
        }
        let mut server = place.start(&["serve"]);
        server.open().await;
        let made = place.sql("SELECT name FROM market_facts ORDER BY name").await;
        assert_eq!(made, ["currency", "master_key_proof", "mode"], "market {n}");
        assert_eq!(place.sql("SELECT version FROM schema_history").await.len(), market::MIGRATIONS.len());
        let verified = place.run(&["verify"]).await;
        assert_eq!(verified.code, Some(0), "{verified:?}");
        server.stop().await;
    }
}
