//! A disk that is full, and one that fails.

use db::Engine;
use market::Mode;
use reqwest::Method;
use serde_json::json;

use crate::client::{Answer, Client, Doors, Fate, Told};
use crate::clock::order_query;
use crate::fair::{DEPOSIT, Fair, PRICE};
use crate::place::{Running, SmallDisk, until};
use crate::reckoning::{delivered, let_leases_end, reckon};

/// Room on the small disk beyond the database, KiB.
const ROOM_KIB: u64 = 6_144;
/// Orders while all is well.
const ORDERS: usize = 8;
/// Orders until the disk is full.
const ORDERS_MAX: usize = 400;
/// So many refusals one after another mean that it is full.
const REFUSALS: usize = 6;

fn told(key: String, number: &str, fate: Fate) -> Told {
    Told { key, buyer: 0, quantity: 1, number: number.to_owned(), fate, subscription: None, renewal: None, refund: None }
}

/// Expects the answer of a marketplace that cannot write.
fn not_now(answer: &Answer) {
    assert_eq!((answer.status, answer.code()), (503, "unavailable"), "{answer:?}");
    assert_eq!(answer.retry_after.as_deref(), Some("2"), "{answer:?}");
}

/// The number of an order that was placed and paid; an error with what it came to when the marketplace could not write.
async fn order_and_pay(fair: &Fair, client: &Client, key: &str) -> Result<String, Option<String>> {
    let placed = client.post("/orders", key, &fair.order(1)).await;
    if placed.status != 201 {
        not_now(&placed);
        return Err(None);
    }
    let number = placed.body["number"].as_str().unwrap().to_owned();
    let paid = client.post(&format!("/orders/{number}/pay"), &format!("{key}/pay"), &json!({})).await;
    if paid.status != 200 {
        not_now(&paid);
        return Err(Some(number));
    }
    Ok(number)
}

/// How the disk is made to fail, and well again, while the server runs.
enum Disk {
    /// A small file system that is filled up: ENOSPC.
    Small(SmallDisk),
    /// Writes beyond a limit fail: EFBIG, which the engine takes for an I/O error.
    Limited,
    /// What PostgreSQL answers when its own disk is full, from triggers on the tables that are written to: its files are not ours to fill.
    Servers,
}

const FULL_TABLES: [&str; 4] = ["orders", "idempotency_keys", "jobs", "schema_history"];

impl Disk {
    /// The way that this machine permits to have a full disk.
    fn small(fair: &Fair) -> Self {
        let Some(file) = fair.place.file() else {
            println!("the disk is full by PostgreSQL's own word, raised by triggers");
            return Self::Servers;
        };
        let size_kib = std::fs::metadata(&file).unwrap().len() / 1024;
        match SmallDisk::new(&fair.place, size_kib + ROOM_KIB) {
            Ok(disk) => {
                println!("the disk is a file system of {} KiB in memory, filled up", size_kib + ROOM_KIB);
                Self::Small(disk)
            }
            Err(why) => {
                println!("NOT ON A FULL FILE SYSTEM: this machine permits no small one ({why}); the size of files is limited instead");
                Self::Limited
            }
        }
    }

    fn start(&self, fair: &Fair) -> Running {
        match self {
            Self::Small(disk) => fair.place.start_on(disk, &["serve"]),
            Self::Limited => fair.place.start_limitable(&["serve"]),
            Self::Servers => fair.place.start(&["serve"]),
        }
    }

    async fn fails(&self, fair: &Fair, server: &Running) {
        match self {
            Self::Small(disk) => disk.fill(),
            Self::Limited => server.limit_files(Some(1)),
            Self::Servers => {
                let db = fair.place.db().await;
                let raise = "CREATE FUNCTION full_disk() RETURNS trigger LANGUAGE plpgsql AS
                    'BEGIN RAISE EXCEPTION USING ERRCODE = ''53100'', MESSAGE = ''could not extend file: No space left on device''; END'";
                let triggers = FULL_TABLES.map(|table| {
                    format!("CREATE TRIGGER full_disk BEFORE INSERT OR UPDATE OR DELETE ON {table} EXECUTE FUNCTION full_disk()")
                });
                for text in [raise.to_owned()].into_iter().chain(triggers) {
                    db.write(async move |tx| tx.run_text(&text).await).await.unwrap();
                }
            }
        }
    }

    async fn recovers(&self, fair: &Fair, server: &Running) {
        match self {
            Self::Small(disk) => disk.free(),
            Self::Limited => server.limit_files(None),
            Self::Servers => {
                let db = fair.place.db().await;
                db.write(async |tx| tx.run_text("DROP FUNCTION full_disk() CASCADE").await).await.unwrap();
            }
        }
    }

    /// What the log says about it, and what to do.
    const fn words(&self) -> [&'static str; 2] {
        match self {
            Self::Small(_) => ["the disk is full on which", "free some space"],
            Self::Limited => ["disk I/O error", "look at the disk"],
            Self::Servers => ["the database server's disk is full", "free some space there"],
        }
    }
}

/// Orders until the disk is full. A little may still fit where more did not, so it is full when nothing was taken several times over. Those that
/// were refused, each with its number if half of it was taken.
async fn order_until_full(fair: &Fair, client: &Client, known: &mut Vec<Told>) -> Vec<(String, Option<String>)> {
    let (mut refused, mut in_a_row) = (Vec::new(), 0);
    for n in ORDERS..ORDERS_MAX {
        if in_a_row == REFUSALS {
            break;
        }
        let key = format!("k{n}");
        match order_and_pay(fair, client, &key).await {
            Ok(number) => {
                in_a_row = 0;
                known.push(told(key, &number, Fate::Paid));
            }
            Err(half) => {
                in_a_row += 1;
                refused.push((key, half));
            }
        }
    }
    assert_eq!(in_a_row, REFUSALS, "a disk that takes nothing");
    refused
}

/// The disk fails while people order, everything that needs no writing goes on, and when it is well again so is the market, by itself.
async fn survives(fair: Fair, disk: Disk) {
    let mut server = disk.start(&fair);
    let doors = Doors::at(&server.open().await);
    let client = Client::new(&doors, &fair.buyers[0].token);
    let ready = async || client.attempt(Method::GET, "/readyz", &[], None).await.unwrap();
    let mut known = Vec::new();
    for n in 0..ORDERS {
        let key = format!("k{n}");
        let number = order_and_pay(&fair, &client, &key).await.unwrap();
        known.push(told(key, &number, Fate::Paid));
    }
    assert_eq!(ready().await.status, 200);

    disk.fails(&fair, &server).await;
    let refused = order_until_full(&fair, &client, &mut known).await;
    let [what, advice] = disk.words();
    let said = server.says(what).await.to_string();
    assert!(said.contains(advice), "the log says what to do: {said}");
    let not_ready = ready().await;
    not_now(&not_ready);
    assert!(
        not_ready.body["reason"].as_str().unwrap().contains("the database takes no changes: its disk is full or fails"),
        "{not_ready:?}"
    );
    if let Disk::Small(small) = &disk {
        let doctor = fair.place.run_on(small, &["doctor"]).await;
        assert_eq!(doctor.code, Some(3), "{doctor:?}");
        let line = doctor.out.lines().find(|line| line.contains(" disk ")).unwrap();
        assert!(line.contains("WRONG") && line.contains("0 MiB free") && line.contains("free some"), "{line}");
    }

    // Everything can still be looked at.
    let last = &known.last().unwrap().number;
    for path in
        ["/orders".to_owned(), format!("/orders/{last}"), format!("/orders/{last}/timeline"), "/balance".to_owned(), "/products".to_owned()]
    {
        assert_eq!(client.get(&path).await.status, 200, "{path}");
    }
    for path in ["/healthz", "/metrics"] {
        assert_eq!(client.attempt(Method::GET, path, &[], None).await.unwrap().status, 200, "{path}");
    }
    let asked = order_query(&doors, &fair.pair, last, 0).await;
    assert_eq!((asked.status, &asked.body["resultCode"]), (200, &json!("MKT.0000")), "{asked:?}");
    let balance = client.get("/balance").await.body["balance"]["minor"].as_i64().unwrap();
    assert_eq!(balance, DEPOSIT - PRICE * i64::try_from(known.len()).unwrap(), "nothing was half paid");

    // The same process, without a word to it.
    disk.recovers(&fair, &server).await;
    until("a market that is ready again", async || (ready().await.status == 200).then_some(())).await;
    println!("{} orders were paid, and {} not, while the disk failed", known.len() - ORDERS, refused.len());
    for (key, half) in refused {
        let number = order_and_pay(&fair, &client, &key).await.expect("it can be written again");
        assert!(half.is_none_or(|half| half == number), "what was acknowledged is still there");
        known.push(told(key, &number, Fate::Paid));
    }
    server.stop().await;
    if let Disk::Small(small) = &disk {
        small.bring_back(&fair.place);
    }

    // And after the next start.
    let_leases_end(&fair).await;
    let mut server = fair.place.start(&["serve"]);
    doors.open(&server.open().await);
    delivered(&fair).await;
    reckon(&fair, &doors, &known).await;
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_disk_refuses_what_is_new_and_keeps_what_was_acknowledged() {
    let fair = Fair::new(Mode::Production, 1).await;
    let disk = Disk::small(&fair);
    survives(fair, disk).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn writes_that_fail_lose_nothing_and_are_made_up_for() {
    let fair = Fair::new(Mode::Production, 1).await;
    if fair.place.engine() == Engine::Postgres {
        println!("nothing to test here: PostgreSQL writes its files itself, and this program none");
        return;
    }
    survives(fair, Disk::Limited).await;
}

/// Killed on a full disk, and started again on it: nobody is let in to something half done.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_killed_on_a_full_disk_comes_back_when_there_is_room() {
    let fair = Fair::new(Mode::Production, 1).await;
    let Disk::Small(disk) = Disk::small(&fair) else {
        println!("nothing to test here without a small disk");
        return;
    };
    let mut server = fair.place.start_on(&disk, &["serve"]);
    let doors = Doors::at(&server.open().await);
    let client = Client::new(&doors, &fair.buyers[0].token);
    let mut known = Vec::new();
    for n in 0..ORDERS {
        let key = format!("k{n}");
        let number = order_and_pay(&fair, &client, &key).await.unwrap();
        known.push(told(key, &number, Fate::Paid));
    }
    disk.fill();
    let refused = order_until_full(&fair, &client, &mut known).await;
    server.kill();

    let ended = fair.place.run_on(&disk, &["verify"]).await;
    println!("verify on the full disk: {:?}", ended.code);
    disk.free();
    let mut server = fair.place.start_on(&disk, &["serve"]);
    doors.open(&server.open().await);
    for (key, half) in refused {
        let number = order_and_pay(&fair, &client, &key).await.expect("it can be written again");
        assert!(half.is_none_or(|half| half == number), "what was acknowledged is still there");
        known.push(told(key, &number, Fate::Paid));
    }
    server.stop().await;
    disk.bring_back(&fair.place);
    let_leases_end(&fair).await;
    let mut server = fair.place.start(&["serve"]);
    doors.open(&server.open().await);
    delivered(&fair).await;
    reckon(&fair, &doors, &known).await;
    server.stop().await;
}
