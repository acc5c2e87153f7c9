//! Backups of a market that goes on, and markets that come back from them.

use std::collections::BTreeMap;
use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::Duration;

use db::Engine;
use kernel::DAY_MS;
use market::Mode;
use reqwest::Method;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use testkit::sellers::Behaviour;
use tokio::task::JoinSet;
use wire::koogallery_v2::Activity;

use crate::client::{Client, Doors, Enough, shop};
use crate::fair::Fair;
use crate::place::{Ended, Place, until};
use crate::reckoning::{delivered, reckon, states};

const BUYERS: usize = 3;
/// Clients of each buyer.
const CLIENTS: usize = 2;
/// Backups that are made while they are at it.
const BACKUPS: usize = 3;
/// So many are enough to meet somebody at work.
const BACKUPS_MAX: usize = 30;
/// Acts between two backups, at least.
const ACTS: usize = 25;

async fn back_up(place: &Place, name: &str) -> PathBuf {
    let file = place.path(name);
    let ended = place.run(&["backup", "--out", file.to_str().unwrap()]).await;
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert!(ended.out.contains("The master key is not in it"), "{ended:?}");
    file
}

async fn restore(place: &Place, file: &Path, more: &[&str]) -> Ended {
    place.run(&[&["restore", "--from", file.to_str().unwrap()], more].concat()).await
}

/// The market of a backup in a database of its own, beside the same people and the same seller.
async fn restored(fair: Fair, file: &Path) -> Fair {
    let place = Place::empty(fair.place.mode).await;
    let ended = restore(&place, file, &[]).await;
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert!(ended.out.contains("every figure is right"), "{ended:?}");
    Fair { place, ..fair }
}

/// Waits until every order came to its end. What a seller knows of an instance that was returned after the backup is not waited for: there is
/// nothing to know any more.
async fn settled(fair: &Fair) {
    until("every paid order delivered, and every returned one paid back", async || {
        let open = states(fair).await.into_values().filter(|state| ["processing", "refunding"].contains(&state.as_str())).count();
        (open == 0).then_some(())
    })
    .await;
}

/// The instances at the seller by order.
fn at_seller(fair: &Fair) -> BTreeMap<String, String> {
    let instances = fair.server.sound().instances();
    let by_order: BTreeMap<String, String> = instances.iter().map(|it| (it.order_id.clone(), it.instance_id.clone())).collect();
    assert_eq!(by_order.len(), instances.len(), "an order has two instances at the seller");
    by_order
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_backup_of_a_busy_market_is_whole_and_its_market_goes_on() {
    let mut fair = Fair::new(Mode::Production, BUYERS).await;
    let mut server = fair.place.start(&["serve"]);
    let (doors, enough) = (Doors::at(&server.open().await), Enough::default());
    let mut shoppers = JoinSet::new();
    for n in 0..BUYERS * CLIENTS {
        let (buyer, name) = (n % BUYERS, format!("shopper{n}"));
        shoppers.spawn(shop(Client::new(&doors, &fair.buyers[buyer].token), buyer, name, fair.sku, enough.clone()));
    }
    let folder = tempfile::tempdir().unwrap();
    let (mut backups, mut met) = (Vec::new(), 0);
    // A small market is copied in a moment: more are made until one of them has met somebody who went on meanwhile.
    while backups.len() < BACKUPS || met == 0 {
        let n = backups.len();
        assert!(n < BACKUPS_MAX, "nobody went on while backups were made");
        until("acts to keep", async || (enough.acts() >= ACTS * (n + 1)).then_some(())).await;
        let before = enough.acknowledged();
        let made = back_up(&fair.place, &format!("{n}.backup")).await;
        met += enough.acts() - before.len();
        let kept = folder.path().join(format!("{n}.backup"));
        fs::rename(made, &kept).unwrap();
        backups.push((kept, before));
    }
    println!("{met} acts while {} backups were made", backups.len());
    backups.truncate(BACKUPS);
    enough.say();
    let told = shoppers.join_all().await.concat();
    delivered(&fair).await;
    reckon(&fair, &doors, &told).await;
    server.stop().await;

    let opened = at_seller(&fair);
    for (n, (file, before)) in backups.iter().enumerate() {
        fair = restored(fair, file).await;
        let then = states(&fair).await;
        for act in before {
            act.stands(&then);
        }
        println!("{} acts before the backup, {} orders in it, {} in the end", before.len(), then.len(), told.len());

        // A second program goes on with it. The seller has done everything of it already, and does nothing twice.
        let mut server = fair.place.start(&["serve"]);
        doors.open(&server.open().await);
        settled(&fair).await;
        assert_eq!(at_seller(&fair).len(), opened.len() + n, "nothing was opened twice");
        let ours = fair
            .place
            .sql("SELECT l.order_number || ' ' || s.instance_id FROM subscriptions s JOIN order_lines l ON l.number = s.purchase_line");
        for line in ours.await {
            let (order, instance) = line.split_once(' ').unwrap();
            assert_eq!(at_seller(&fair)[order], instance, "the same instance as the first time");
        }
        // Whoever repeats what was acknowledged then hears the same.
        for act in before.iter().step_by(1 + before.len() / 12) {
            let told = &act.told;
            let client = Client::new(&doors, &fair.buyers[told.buyer].token);
            let again = match act.step {
                None => client.insist("/orders", &told.key, &fair.order(told.quantity)).await,
                Some(step) => client.insist(&step.path(told), &format!("{}/{}", told.key, step.word()), &step.body()).await,
            };
            let number = act.step.map_or(told.number.as_str(), |step| step.number(told));
            assert_eq!(again.body["number"], json!(number), "{act:?}: {again:?}");
        }
        let client = Client::new(&doors, &fair.buyers[0].token);
        let number = client.post("/orders", "later", &fair.order(1)).await.body["number"].as_str().unwrap().to_owned();
        assert!(!opened.contains_key(&number), "a number that was given away before");
        assert_eq!(client.post(&format!("/orders/{number}/pay"), "later/pay", &json!({})).await.status, 200);
        settled(&fair).await;
        assert_eq!(states(&fair).await[&number], "completed");
        assert!(at_seller(&fair).contains_key(&number));
        let verified = fair.place.run(&["verify"]).await;
        assert_eq!(verified.code, Some(0), "{verified:?}");
        server.stop().await;
    }
}

/// The call was under way when the backup was made, and came to its end after that.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_that_was_open_in_the_backup_is_made_again_and_opens_nothing_twice() {
    let fair = Fair::new(Mode::Production, 1).await;
    let mut server = fair.place.start(&["serve"]);
    let client = Client::new(&Doors::at(&server.open().await), &fair.buyers[0].token);
    fair.server.on(Activity::NewInstance, Behaviour::Slow(Duration::from_millis(2_500)));
    let number = client.post("/orders", "k", &fair.order(1)).await.body["number"].as_str().unwrap().to_owned();
    assert_eq!(client.post(&format!("/orders/{number}/pay"), "p", &json!({})).await.status, 200);
    until("the call", async || (!fair.server.calls_of(Activity::NewInstance).is_empty()).then_some(())).await;
    let file = back_up(&fair.place, "open.backup").await;
    assert_eq!(states(&fair).await[&number], "processing", "the backup came too late");
    delivered(&fair).await;
    server.stop().await;
    let opened = at_seller(&fair);
    fair.server.recover().await;

    let folder = tempfile::tempdir().unwrap();
    let kept = folder.path().join("open.backup");
    fs::rename(&file, &kept).unwrap();
    let fair = restored(fair, &kept).await;
    assert_eq!(states(&fair).await[&number], "processing");
    let mut server = fair.place.start(&["serve"]);
    server.open().await;
    // At once, not when the lease of the first worker has ended.
    delivered(&fair).await;
    assert_eq!(fair.server.calls_of(Activity::NewInstance).len(), 2);
    assert_eq!(at_seller(&fair), opened);
    assert_eq!(fair.place.sql("SELECT instance_id FROM subscriptions").await, [opened[&number].clone()]);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sandbox_comes_back_at_the_time_of_its_backup() {
    let fair = Fair::new(Mode::Sandbox, 1).await;
    let mut server = fair.place.start(&["serve"]);
    let operator = Client::new(&Doors::at(&server.open().await), &fair.operator.token);
    let clock = async |operator: &Client| operator.get("/sandbox/clock").await.body["now"].as_i64().unwrap();
    let advance = async |operator: &Client, days: i64| {
        let by = json!({ "by_ms": days * DAY_MS });
        let moved = operator.attempt(Method::POST, "/api/v1/sandbox/clock/advance", &[], Some(&by)).await.unwrap();
        assert_eq!(moved.status, 200, "{moved:?}");
    };
    advance(&operator, 40).await;
    let then = clock(&operator).await;
    let file = back_up(&fair.place, "sandbox.backup").await;
    advance(&operator, 10).await;
    server.stop().await;

    let place = Place::empty(Mode::Sandbox).await;
    assert_eq!(restore(&place, &file, &[]).await.code, Some(0));
    let mut server = place.start(&["serve"]);
    let operator = Client::new(&Doors::at(&server.open().await), &fair.operator.token);
    assert_eq!(clock(&operator).await, then);
    advance(&operator, 1).await;
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_target_that_is_in_use_or_not_empty_is_left_alone() {
    let fair = Fair::new(Mode::Production, 1).await;
    let mut server = fair.place.start(&["serve"]);
    let client = Client::new(&Doors::at(&server.open().await), &fair.buyers[0].token);
    let first = client.post("/orders", "k", &fair.order(1)).await.body["number"].clone();
    let file = back_up(&fair.place, "one.backup").await;
    let second = client.post("/orders", "k2", &fair.order(1)).await.body["number"].clone();

    // Served, even when nobody asks it anything.
    for more in [&[][..], &["--replace"]] {
        let ended = restore(&fair.place, &file, more).await;
        assert_eq!(ended.code, Some(1), "{ended:?}");
        assert!(ended.complaint().contains("yunshi serve or yunshi worker uses this database; stop them first"), "{ended:?}");
    }
    assert_eq!(client.get(&format!("/orders/{}", second.as_str().unwrap())).await.status, 200);
    server.stop().await;

    let ended = restore(&fair.place, &file, &[]).await;
    assert_eq!(ended.code, Some(1), "{ended:?}");
    assert!(ended.complaint().contains("there is a market in this database already"), "{ended:?}");
    assert_eq!(fair.place.sql("SELECT number FROM orders").await.len(), 2, "nothing was touched");

    let ended = restore(&fair.place, &file, &["--replace"]).await;
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert_eq!(fair.place.sql("SELECT number FROM orders").await, [first.as_str().unwrap()]);
    let noted = fair.place.sql("SELECT action FROM audit WHERE action = 'market.restored'").await;
    assert_eq!(noted.len(), 1, "it stands in the audit");

    // A schema without a market is as good as nothing.
    let place = Place::empty(Mode::Production).await;
    assert_eq!(place.run(&["migrate"]).await.code, Some(0));
    let ended = restore(&place, &file, &["--no-verify"]).await;
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert!(!ended.out.contains("every figure is right") && ended.out.contains("books were not checked"), "{ended:?}");
}

/// The three entries of a backup.
fn entries(file: &Path) -> Vec<(String, Vec<u8>)> {
    let mut archive = tar::Archive::new(fs::File::open(file).unwrap());
    let read = archive.entries().unwrap().map(|entry| {
        let mut entry = entry.unwrap();
        let mut bytes = Vec::new();
        entry.read_to_end(&mut bytes).unwrap();
        (entry.path().unwrap().to_str().unwrap().to_owned(), bytes)
    });
    read.collect()
}

/// A backup with a changed manifest, and right sums all the same.
fn with_manifest(file: &Path, to: &Path, change: impl Fn(&mut Value)) {
    let mut entries = entries(file);
    let mut manifest: Value = serde_json::from_slice(&entries[0].1).unwrap();
    change(&mut manifest);
    entries[0].1 = serde_json::to_vec(&manifest).unwrap();
    let sum = |bytes: &[u8]| hex::encode(Sha256::digest(bytes));
    entries[1].1 = format!("{}  {}\n{}  {}\n", sum(&entries[0].1), entries[0].0, sum(&entries[2].1), entries[2].0).into_bytes();
    let mut archive = tar::Builder::new(fs::File::create(to).unwrap());
    for (name, bytes) in entries {
        let mut header = tar::Header::new_gnu();
        header.set_size(u64::try_from(bytes.len()).unwrap());
        archive.append_data(&mut header, name, bytes.as_slice()).unwrap();
    }
    archive.finish().unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_no_whole_backup_for_this_market_is_refused_with_the_reason() {
    let mut fair = Fair::new(Mode::Production, 1).await;
    let file = back_up(&fair.place, "sound.backup").await;
    let sound = fs::read(&file).unwrap();
    let names: Vec<String> = entries(&file).into_iter().map(|(name, _)| name).collect();
    assert_eq!(names, ["manifest.json", "SHA256SUMS", "yunshi.sqlite"]);
    let key = hex::encode(crate::place::MASTER_KEY);
    assert!(!sound.windows(key.len()).any(|at| at == key.as_bytes()) && !sound.windows(32).any(|at| at == crate::place::MASTER_KEY));
    let mode = std::os::unix::fs::PermissionsExt::mode(&fs::metadata(&file).unwrap().permissions());
    assert_eq!(mode & 0o777, 0o600, "for its owner alone");

    let bad = fair.place.path("bad.backup");
    let target = Place::empty(Mode::Production).await;
    let refused = async |code: i32, says: &str| {
        for more in [&[][..], &["--check"]] {
            let ended = restore(&target, &bad, more).await;
            assert_eq!(ended.code, Some(code), "{says}: {ended:?}");
            assert!(ended.complaint().contains(says), "{says}: {ended:?}");
            assert!(!ended.complaint().contains("and so on"), "what is in the file is not told: {ended:?}");
        }
    };
    refused(1, "cannot read").await;
    for cut in [sound.len() / 2, 5_000] {
        fs::write(&bad, &sound[..cut]).unwrap();
        refused(1, "is not whole: it ends before its database does").await;
    }
    for cut in [0, 100, 600] {
        fs::write(&bad, &sound[..cut]).unwrap();
        refused(1, "bad.backup is not").await;
    }
    fs::write(&bad, b"SQLite format 3\0 and so on".repeat(400)).unwrap();
    refused(1, "is not a backup that yunshi backup made").await;
    let mut flipped = sound.clone();
    let middle = flipped.len() / 2;
    flipped[middle] ^= 1;
    fs::write(&bad, &flipped).unwrap();
    refused(1, "was damaged or changed: the SHA-256 of its database is").await;
    let mut flipped = sound.clone();
    let at = flipped.windows(10).position(|at| at == b"production").unwrap();
    flipped[at..at + 10].copy_from_slice(b"nonsense__");
    fs::write(&bad, &flipped).unwrap();
    refused(1, "its manifest does not have the sum").await;

    with_manifest(&file, &bad, |manifest| manifest["schema"] = json!(9999));
    refused(1, "is at version 9999, newer than this program's").await;
    with_manifest(&file, &bad, |manifest| manifest["format"] = json!(2));
    refused(1, "in a form that this one").await;
    with_manifest(&file, &bad, |manifest| manifest["mode"] = json!("sandbox"));
    refused(1, "is of a market whose mode is sandbox, and the configuration says production; set mode to sandbox").await;
    assert!(target.sql("SELECT 1").await == ["1"]);
    let ended = target.run(&["verify"]).await;
    assert!(ended.complaint().contains("run yunshi migrate"), "nothing was restored: {ended:?}");

    // The key: another one is refused, and named by the doctor too; without one there is a word of warning.
    fs::write(&bad, &sound).unwrap();
    let mut target = target;
    target.set("YUNSHI_MASTER_KEY", &"ab".repeat(32));
    let ended = restore(&target, &bad, &[]).await;
    assert_eq!(ended.code, Some(1), "{ended:?}");
    assert!(ended.complaint().contains("is not the one with which the secrets in"), "{ended:?}");
    target.set("YUNSHI_MASTER_KEY", "");
    let ended = restore(&target, &bad, &[]).await;
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert!(ended.err.contains("before this market is served it needs its master key (fingerprint "), "{ended:?}");
    target.set("YUNSHI_MASTER_KEY", &"ab".repeat(32));
    let ended = target.run(&["doctor"]).await;
    assert_eq!(ended.code, Some(3), "{ended:?}");
    assert!(ended.out.contains("not the one with which this market's secrets were sealed"), "{ended:?}");

    // A backup without the key at hand is better than none, and says so.
    fair.place.set("YUNSHI_MASTER_KEY", "");
    let ended = fair.place.run(&["backup", "--out", bad.to_str().unwrap()]).await;
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert!(ended.out.contains("fingerprint not known") && ended.err.contains("does not say which master key"), "{ended:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backup_that_cannot_be_written_leaves_the_one_before() {
    let fair = Fair::new(Mode::Production, 1).await;
    let file = back_up(&fair.place, "kept.backup").await;
    let before = fs::read(&file).unwrap();
    let out = file.to_str().unwrap();
    let mut full = fair.place.start_confined(&["backup", "--out", out], Some(64));
    assert_eq!(full.end().await.code(), Some(1));
    let complaint = full.says("yunshi: ").await;
    println!("{complaint}");
    assert_eq!(fs::read(&file).unwrap(), before);
    let left: Vec<_> = fs::read_dir(file.parent().unwrap()).unwrap().map(|it| it.unwrap().file_name()).collect();
    assert_eq!(left, ["kept.backup"], "nothing half is left behind");

    let ended = fair.place.run(&["backup", "--out", "no/such/folder/b"]).await;
    assert_eq!(ended.code, Some(1), "{ended:?}");
    assert!(ended.complaint().contains("cannot write into the folder no/such/folder"), "{ended:?}");
    assert_eq!(fair.place.run(&["backup"]).await.code, Some(2));
}

/// A backup does not know the engine: a market that has outgrown the embedded database moves to a server with it, and back.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_market_moves_between_the_engines() {
    let fair = Fair::new(Mode::Production, 1).await;
    if fair.place.engine() == Engine::Sqlite {
        println!("tested where there is a PostgreSQL server");
        return;
    }
    let mut server = fair.place.start(&["serve"]);
    let client = Client::new(&Doors::at(&server.open().await), &fair.buyers[0].token);
    let placed = client.post("/orders", "k", &fair.order(1)).await;
    let number = placed.body["number"].as_str().unwrap().to_owned();
    assert_eq!(client.post(&format!("/orders/{number}/pay"), "p", &json!({})).await.status, 200);
    delivered(&fair).await;
    let from_server = back_up(&fair.place, "server.backup").await;
    server.stop().await;

    let mut embedded = Place::empty(Mode::Production).await;
    let url = format!("sqlite:{}", embedded.path("data/yunshi.sqlite").display());
    embedded.set("YUNSHI_DATABASE_URL", &url);
    let ended = restore(&embedded, &from_server, &[]).await;
    assert_eq!(ended.code, Some(0), "{ended:?}");
    let mut server = embedded.start(&["serve"]);
    let client = Client::new(&Doors::at(&server.open().await), &fair.buyers[0].token);
    assert_eq!(client.post("/orders", "k", &fair.order(1)).await.body, placed.body, "the same key, the same answer");
    assert_eq!(client.get(&format!("/orders/{number}")).await.body["state"], "completed");
    let second = client.post("/orders", "k2", &fair.order(1)).await.body["number"].as_str().unwrap().to_owned();
    let from_file = back_up(&embedded, "file.backup").await;
    server.stop().await;

    let place = Place::empty(Mode::Production).await;
    let ended = restore(&place, &from_file, &[]).await;
    assert_eq!(ended.code, Some(0), "{ended:?}");
    let mut server = place.start(&["serve"]);
    let client = Client::new(&Doors::at(&server.open().await), &fair.buyers[0].token);
    assert_eq!(client.post(&format!("/orders/{second}/pay"), "p2", &json!({})).await.status, 200);
    assert_eq!(client.post("/orders", "k", &fair.order(1)).await.body, placed.body);
    server.stop().await;
}
