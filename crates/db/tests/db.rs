//! The seam on a real engine: SQLite, or the PostgreSQL server of `cargo xtask test`.
#![allow(clippy::unwrap_used, missing_docs)]

use std::sync::{Arc, Mutex};

use db::scratch::Scratch;
use db::{Db, Engine, Error, Fate, Migration, OnConstraint, Tx, jobs, sql};
use futures_util::future::join_all;
use kernel::{Code, Refusal};

const JOBS: &str = "CREATE TABLE jobs (kind TEXT NOT NULL, subject TEXT NOT NULL, lane TEXT NOT NULL, due_at BIGINT NOT NULL,
   tries BIGINT NOT NULL, lease_until BIGINT NOT NULL, lease_token TEXT NOT NULL, last_error TEXT, stuck_at BIGINT,
   PRIMARY KEY (kind, subject));
 CREATE INDEX jobs_due ON jobs (due_at) WHERE stuck_at IS NULL;
 CREATE INDEX jobs_held ON jobs (lease_until, lane) WHERE lease_until > 0;
 CREATE TABLE job_holds (token TEXT PRIMARY KEY, until BIGINT NOT NULL);
";
const THINGS: &str =
    "CREATE TABLE things (id TEXT PRIMARY KEY, name TEXT NOT NULL, n BIGINT NOT NULL CONSTRAINT n_not_negative CHECK (n >= 0), raw BYTEA);
 CREATE UNIQUE INDEX thing_name_unique ON things (name);
 CREATE TABLE numbered (n BIGINT PRIMARY KEY, text TEXT);
";
const SCHEMA: &[Migration] = &[Migration { version: 1, name: "jobs", text: JOBS }, Migration { version: 2, name: "things", text: THINGS }];

async fn open() -> (Scratch, Db) {
    let scratch = Scratch::new(SCHEMA).await.unwrap();
    let db = Db::open(scratch.options.clone()).await.unwrap();
    (scratch, db)
}

async fn add(tx: &mut Tx, id: &str, name: &str, n: i64) -> db::Result<()> {
    tx.execute(sql!("INSERT INTO things (id, name, n) VALUES ($1, $2, $3)"), &[&id, &name, &n]).await.map(drop)
}

async fn names(db: &Db) -> Vec<String> {
    let rows: Vec<(String,)> = db.read(async |tx| tx.all(sql!("SELECT name FROM things ORDER BY id"), &[]).await).await.unwrap();
    rows.into_iter().map(|(name,)| name).collect()
}

#[tokio::test]
async fn values_come_back_as_they_went_in() {
    let (_scratch, db) = open().await;
    let row: (Option<String>, i64, Option<Vec<u8>>) = db
        .write(async |tx| {
            let insert = sql!("INSERT INTO things (id, name, n, raw) VALUES ($2, $1, $3, $4)");
            tx.execute(insert, &[&"云市 '\"\n", &"a", &i64::MAX, &[0u8, 255, 10]]).await?;
            tx.one(sql!("SELECT name, n, raw FROM things WHERE id = $1"), &[&"a"]).await
        })
        .await
        .unwrap();
    assert_eq!(row, (Some("云市 '\"\n".to_owned()), i64::MAX, Some(vec![0, 255, 10])));
}

#[tokio::test]
async fn a_refusal_undoes_its_own_closure_alone() {
    let (_scratch, db) = open().await;
    let good = db.write(async |tx| add(tx, "a", "kept", 1).await);
    let bad = db.write(async |tx| {
        add(tx, "b", "undone", 1).await?;
        Err::<(), _>(Refusal::new(Code::OrderState).into())
    });
    let panicking = db.write(async |tx| {
        add(tx, "c", "gone", 1).await?;
        assert!(tx.engine() == Engine::Sqlite && tx.engine() == Engine::Postgres, "on purpose");
        Ok(())
    });
    let more = db.write(async |tx| add(tx, "d", "kept too", 1).await);
    let (good, bad, panicking, more) = tokio::join!(good, bad, panicking, more);
    assert!(good.is_ok() && more.is_ok());
    assert_eq!(bad.unwrap_err().code(), Some(Code::OrderState));
    assert!(panicking.unwrap_err().to_string().contains("fault"));
    assert_eq!(names(&db).await, ["kept", "kept too"]);
}

#[tokio::test]
async fn those_that_fail_late_take_nobody_with_them_however_many_run_together() {
    let (_scratch, db) = open().await;
    let mut tasks = tokio::task::JoinSet::new();
    for n in 0..300_i64 {
        let db = db.clone();
        tasks.spawn(async move {
            let fails = n % 7 == 3 || (100..120).contains(&n);
            let done = db
                .write(async move |tx| {
                    add(tx, &format!("{n:03}"), &format!("thing {n:03}"), n).await?;
                    if fails { Err(Refusal::new(Code::OrderState).into()) } else { Ok(()) }
                })
                .await;
            match done {
                Ok(()) => assert!(!fails),
                Err(error) => assert!(fails && error.code() == Some(Code::OrderState), "{n}: {error}"),
            }
            (!fails).then_some(format!("thing {n:03}"))
        });
    }
    let mut expected: Vec<String> = tasks.join_all().await.into_iter().flatten().collect();
    expected.sort();
    let mut kept = names(&db).await;
    kept.sort();
    assert_eq!(kept, expected);
}

#[tokio::test]
async fn broken_constraints_have_the_same_names_on_both_engines() {
    let (_scratch, db) = open().await;
    db.write(async |tx| add(tx, "a", "one", 1).await).await.unwrap();
    for (id, name, n, expected) in
        [("b", "one", 1, "thing_name_unique"), ("a", "two", 1, "things_pkey"), ("c", "three", -1, "n_not_negative")]
    {
        let error = db.write(async move |tx| add(tx, id, name, n).await).await.unwrap_err();
        assert!(matches!(&error, Error::Constraint(found) if found == expected), "{error} instead of {expected}");
    }
    let refused = db.write(async |tx| add(tx, "b", "one", 1).await.on_constraint("thing_name_unique", Code::AccountNameTaken)).await;
    assert_eq!(refused.unwrap_err().code(), Some(Code::AccountNameTaken));
    let twice = db
        .write(async |tx| {
            tx.execute(sql!("INSERT INTO numbered (n) VALUES (1)"), &[]).await?;
            tx.execute(sql!("INSERT INTO numbered (n) VALUES (1)"), &[]).await
        })
        .await;
    assert!(matches!(twice, Err(Error::Constraint(name)) if name == "numbered_pkey"));
}

async fn defer(tx: &mut Tx, id: &str, name: &str, n: i64) -> db::Result<()> {
    tx.defer(sql!("INSERT INTO things (id, name, n) VALUES ($1, $2, $3)"), &[&id, &name, &n]).await
}

#[tokio::test]
async fn what_is_deferred_takes_place_in_its_order_and_is_seen_by_what_follows() {
    let (_scratch, db) = open().await;
    let seen: (i64,) = db
        .write(async |tx| {
            defer(tx, "a", "one", 1).await?;
            tx.defer_change(sql!("UPDATE things SET n = 2 WHERE id = 'a' AND n = 1"), &[]).await?;
            let seen = tx.one(sql!("SELECT n FROM things WHERE id = 'a'"), &[]).await?;
            for n in 0..100 {
                defer(tx, &format!("b{n:03}"), &format!("thing {n}"), n).await?;
            }
            Ok(seen)
        })
        .await
        .unwrap();
    assert_eq!((seen.0, names(&db).await.len()), (2, 101));
}

#[tokio::test]
async fn what_is_deferred_and_fails_undoes_everything_wherever_it_is_noticed() {
    let (_scratch, db) = open().await;
    db.write(async |tx| add(tx, "a", "one", 1).await).await.unwrap();
    let at_the_next = db
        .write(async |tx| {
            defer(tx, "b", "two", 1).await?;
            defer(tx, "c", "one", 1).await?;
            add(tx, "d", "three", 1).await
        })
        .await;
    let at_the_end = db
        .write(async |tx| {
            defer(tx, "b", "two", 1).await?;
            defer(tx, "c", "one", 1).await
        })
        .await;
    for failed in [at_the_next, at_the_end] {
        assert!(matches!(&failed, Err(Error::Constraint(name)) if name == "thing_name_unique"), "{failed:?}");
    }
    assert_eq!(names(&db).await, ["one"]);
}

#[tokio::test]
async fn a_deferred_change_that_changes_nothing_undoes_everything() {
    let (_scratch, db) = open().await;
    let met = db
        .write(async |tx| {
            defer(tx, "a", "one", 1).await?;
            tx.defer_change(sql!("UPDATE things SET n = 3 WHERE id = 'a' AND n = 2"), &[]).await?;
            defer(tx, "b", "two", 1).await
        })
        .await;
    assert!(matches!(met, Err(Error::Again | Error::Unavailable(_))), "{met:?}");
    assert!(names(&db).await.is_empty());
    db.write(async |tx| add(tx, "c", "three", 1).await).await.unwrap();
    assert_eq!(names(&db).await, ["three"], "the connection is as good as before");
}

#[tokio::test]
async fn a_reader_cannot_write() {
    let (_scratch, db) = open().await;
    assert!(db.read(async |tx| add(tx, "a", "one", 1).await).await.is_err());
    assert!(db.read(async |tx| defer(tx, "a", "one", 1).await).await.is_err(), "nor later");
    assert!(names(&db).await.is_empty());
}

#[tokio::test]
async fn a_hundred_concurrent_increments_are_a_hundred() {
    let (_scratch, db) = open().await;
    db.write(async |tx| add(tx, "a", "one", 0).await).await.unwrap();
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..100 {
        let db = db.clone();
        tasks.spawn(async move {
            db.write(async |tx| {
                let (n,): (i64,) = tx.one(sql!("SELECT n FROM things WHERE id = 'a'"), &[]).await?;
                tx.execute(sql!("UPDATE things SET n = $1 WHERE id = 'a'"), &[&(n + 1)]).await
            })
            .await
        });
    }
    while let Some(done) = tasks.join_next().await {
        done.unwrap().unwrap();
    }
    let (n,): (i64,) = db.read(async |tx| tx.one(sql!("SELECT n FROM things WHERE id = 'a'"), &[]).await).await.unwrap();
    assert_eq!(n, 100);
}

/// Writes the row `own` unless `other` is there; takes its time in between, so that others come in there.
async fn unless(tx: &mut Tx, own: &str, other: &str) -> db::Result<()> {
    let found = sql!("SELECT id FROM things WHERE id = $1");
    if tx.find::<(String,)>(found, &[&other]).await?.is_none() {
        for _ in 0..20 {
            tx.find::<(String,)>(found, &[&other]).await?;
        }
        add(tx, own, own, 1).await?;
    }
    Ok(())
}

#[tokio::test]
async fn of_two_that_exclude_each_other_one_takes_place_when_one_of_them_is_serializable() {
    let (_scratch, db) = open().await;
    let mut tasks = tokio::task::JoinSet::new();
    for n in 0..150 {
        let (a, b) = (format!("a{n:03}"), format!("b{n:03}"));
        let (snapshot, serializable) = (db.clone(), db.clone());
        let (own, other) = (a.clone(), b.clone());
        match n % 3 {
            0 => tasks.spawn(async move { serializable.write(async move |tx| unless(tx, &own, &other).await).await }),
            1 => tasks.spawn(async move {
                let needs = async move |tx: &mut Tx| {
                    tx.need_serializable()?;
                    unless(tx, &own, &other).await
                };
                serializable.write_snapshot(needs).await
            }),
            // It may find out late.
            _ => tasks.spawn(async move {
                let needs = async move |tx: &mut Tx| {
                    unless(tx, &own, &other).await?;
                    tx.need_serializable()
                };
                serializable.write_snapshot(needs).await
            }),
        };
        tasks.spawn(async move { snapshot.write_snapshot(async move |tx| unless(tx, &b, &a).await).await });
    }
    while let Some(done) = tasks.join_next().await {
        done.unwrap().unwrap();
    }
    let names = names(&db).await;
    let of: std::collections::BTreeSet<&str> = names.iter().map(|name| &name[1..]).collect();
    assert_eq!((names.len(), of.len()), (150, 150), "one of each two: {names:?}");
}

#[tokio::test]
async fn snapshot_writers_lose_no_change_of_each_other() {
    let (_scratch, db) = open().await;
    db.write(async |tx| add(tx, "a", "one", 0).await).await.unwrap();
    let mut tasks = tokio::task::JoinSet::new();
    for n in 0..60 {
        let db = db.clone();
        tasks.spawn(async move {
            db.write_snapshot(async move |tx| {
                let (found,): (i64,) = tx.one(sql!("SELECT n FROM things WHERE id = 'a'"), &[]).await?;
                tx.execute(sql!("UPDATE things SET n = $1 WHERE id = 'a'"), &[&(found + 1)]).await?;
                defer(tx, &format!("b{n}"), &format!("thing {n}"), n).await
            })
            .await
        });
    }
    while let Some(done) = tasks.join_next().await {
        done.unwrap().unwrap();
    }
    let (n,): (i64,) = db.read(async |tx| tx.one(sql!("SELECT n FROM things WHERE id = 'a'"), &[]).await).await.unwrap();
    assert_eq!((n, names(&db).await.len()), (60, 61));
}

#[tokio::test]
async fn a_job_is_done_once_whoever_tries() {
    let (_scratch, db) = open().await;
    db.write(async |tx| {
        jobs::enqueue(tx, "call", &"later", "", 300).await?;
        jobs::enqueue(tx, "call", &"second", "", 200).await?;
        jobs::enqueue(tx, "call", &"first", "", 100).await?;
        jobs::enqueue(tx, "call", &"first", "", 150).await
    })
    .await
    .unwrap();
    let first = db.write(async |tx| jobs::claim(tx, 250, 1_000, 60, "one", 10, 10).await).await.unwrap();
    let subjects: Vec<_> = first.iter().map(|l| (l.job.subject.as_str(), l.job.due_at)).collect();
    assert_eq!(subjects, [("first", 100), ("second", 200)]);
    // While the lease lasts nobody else gets them; after it another worker does, and the first can no longer finish.
    assert!(db.write(async |tx| jobs::claim(tx, 250, 1_050, 60, "two", 10, 10).await).await.unwrap().is_empty());
    let second = db.write(async |tx| jobs::claim(tx, 250, 1_061, 60, "two", 10, 10).await).await.unwrap();
    assert_eq!(second.len(), 2);
    let late = first[0].clone();
    let effect = db
        .write(async move |tx| {
            add(tx, "x", "effect", 1).await?;
            jobs::finish(tx, &late).await
        })
        .await;
    assert!(matches!(effect, Err(Error::Unavailable(_))));
    assert!(names(&db).await.is_empty());
    let late = first[0].clone();
    assert!(!db.write(async move |tx| jobs::fail(tx, &late, 250, "too late").await).await.unwrap(), "another's failure is not noted");
    let (done, again) = (second[0].clone(), second[1].clone());
    db.write(async move |tx| {
        jobs::finish(tx, &done).await?;
        jobs::fail(tx, &again, 250, "no luck").await
    })
    .await
    .unwrap();
    let left = db.read(async |tx| jobs::list(tx, ("", ""), 10).await).await.unwrap();
    assert_eq!(left.len(), 2);
    assert_eq!(left[1].last_error.as_deref(), Some("no luck"));
    assert_eq!(db.read(async |tx| jobs::next_due(tx).await).await.unwrap(), Some(300));
}

#[tokio::test]
async fn a_lane_that_is_full_hides_no_other_however_much_waits_in_it() {
    let (_scratch, db) = open().await;
    db.write(async |tx| {
        for n in 0..5_001 {
            jobs::enqueue(tx, "call", &format!("a{n:04}"), "slow", n).await?;
        }
        jobs::enqueue(tx, "call", &"b", "sound", 9_000).await
    })
    .await
    .unwrap();
    let claim = async |wall: i64, lane_max: i64| {
        let leases = db.write(async move |tx| jobs::claim(tx, 10_000, wall, 60, "w", 64, lane_max).await).await.unwrap();
        leases.into_iter().map(|lease| lease.job.lane).collect::<Vec<_>>()
    };
    let mut first = claim(1_000, 8).await;
    first.extend(claim(1_010, 8).await);
    assert_eq!(first, [["slow"; 8].as_slice(), &["sound"]].concat());
    assert!(claim(1_020, 8).await.is_empty());
    // A lane that may hold more has room again, and one whose holder has died.
    assert_eq!(claim(1_030, 10).await, ["slow"; 2]);
    assert_eq!(claim(1_061, 8).await, [["slow"; 6].as_slice(), &["sound"]].concat());
}

#[tokio::test]
async fn a_job_that_keeps_failing_waits_for_the_operator() {
    let (_scratch, db) = open().await;
    db.write(async |tx| jobs::enqueue(tx, "call", &"x", "", 0).await).await.unwrap();
    let mut now = 0;
    for round in 0..jobs::TRIES_MAX {
        let leases = db.write(async move |tx| jobs::claim(tx, now, (round + 1) * 1000, 10, "w", 1, 10).await).await.unwrap();
        let lease = leases[0].clone();
        assert!(db.write(async move |tx| jobs::fail(tx, &lease, now, "broken").await).await.unwrap());
        now += 100_000_000;
    }
    assert_eq!(db.read(async |tx| jobs::count(tx).await).await.unwrap(), (1, 1));
    assert!(db.write(async move |tx| jobs::claim(tx, now, i64::MAX / 2, 10, "w", 1, 10).await).await.unwrap().is_empty());
    assert!(!db.write(async move |tx| jobs::retry(tx, "call", "y", now).await).await.unwrap());
    assert!(db.write(async move |tx| jobs::retry(tx, "call", "x", now).await).await.unwrap());
    assert_eq!(db.write(async move |tx| jobs::claim(tx, now, i64::MAX / 2, 10, "w", 1, 10).await).await.unwrap().len(), 1);
}

#[tokio::test]
async fn adding_a_job_wakes_the_runner_after_the_commit() {
    let (_scratch, db) = open().await;
    let waiting = tokio::spawn({
        let db = db.clone();
        async move {
            db.jobs_added().await;
            db.read(async |tx| jobs::count(tx).await).await
        }
    });
    db.write(async |tx| jobs::enqueue(tx, "call", &"x", "", 0).await).await.unwrap();
    assert_eq!(waiting.await.unwrap().unwrap(), (1, 0));
}

#[tokio::test]
async fn two_starts_at_once_migrate_once_and_a_newer_schema_is_refused() {
    const NEWER: &[Migration] = &[
        Migration { version: 1, name: "jobs", text: JOBS },
        Migration { version: 2, name: "things", text: THINGS },
        Migration { version: 3, name: "more", text: "CREATE TABLE more (id TEXT PRIMARY KEY);\n" },
    ];
    const OTHER: &[Migration] = &[
        Migration { version: 1, name: "jobs", text: JOBS },
        Migration { version: 2, name: "things", text: "CREATE TABLE things (id TEXT PRIMARY KEY);\n" },
    ];
    let (scratch, db) = open().await;
    let again = Db::open(scratch.options.clone()).await.unwrap();
    let (one, two) = tokio::join!(db.migrate(NEWER), again.migrate(NEWER));
    let (one, two) = (one.unwrap(), two.unwrap());
    assert_eq!((one.from.min(two.from), one.from.max(two.from)), (2, 3));
    let refused = db.migrate(SCHEMA).await.unwrap_err().to_string();
    assert!(refused.contains("version 3, newer than this program's 2"), "{refused}");
    assert!(db.check_schema(SCHEMA).await.is_err());
    assert!(db.check_schema(NEWER).await.is_ok());
    let other = db.migrate(vec![OTHER[0], OTHER[1], NEWER[2]].leak()).await.unwrap_err().to_string();
    assert!(other.contains("migration 2 (things)"), "{other}");
}

#[tokio::test]
async fn a_migration_that_fails_leaves_nothing() {
    let (_scratch, db) = open().await;
    let broken =
        [SCHEMA[0], SCHEMA[1], Migration { version: 3, name: "bad", text: "CREATE TABLE half (id TEXT PRIMARY KEY);\nNONSENSE;\n" }];
    let error = db.migrate(broken.to_vec().leak()).await.unwrap_err().to_string();
    assert!(error.contains("migration 3 (bad)") && error.contains("NONSENSE"), "{error}");
    assert!(db.check_schema(SCHEMA).await.is_ok());
    assert!(db.read(async |tx| tx.run_text("SELECT id FROM half").await).await.is_err());
}

#[tokio::test]
async fn every_statement_of_the_program_prepares() {
    let (_scratch, db) = open().await;
    let checked = db
        .read(async |tx| {
            let statements = db::registered();
            for statement in &statements {
                tx.prepare_only(statement).await?;
            }
            Ok(statements.len())
        })
        .await
        .unwrap();
    assert!(checked >= 15, "{checked}");
}

#[tokio::test]
async fn the_fate_of_a_commit_is_what_its_caller_hears_and_what_is_kept() {
    let scratch = Scratch::new(SCHEMA).await.unwrap();
    let fate = Arc::new(Mutex::new(Fate::Done));
    let decides = fate.clone();
    let db = Db::open_with_fate(scratch.options.clone(), Arc::new(move || *decides.lock().unwrap())).await.unwrap();
    for (id, next) in [("a", Fate::Done), ("b", Fate::Lost), ("c", Fate::Unanswered)] {
        *fate.lock().unwrap() = next;
        let heard = db.write(async move |tx| add(tx, id, id, 1).await).await;
        assert_eq!(heard.is_ok(), next == Fate::Done, "{id}");
        assert!(next == Fate::Done || matches!(heard, Err(Error::Unavailable(_))), "{id}");
    }
    // A refusal has nothing to commit: it is heard as it is.
    let refused = db.write(async |_| Err::<(), _>(Refusal::new(Code::OrderState).into())).await;
    assert_eq!(refused.unwrap_err().code(), Some(Code::OrderState));
    assert_eq!(names(&db).await, ["a", "c"]);
}

/// So many steps that a statement takes a while on either engine.
const SLOW_STEPS: i64 = 2_000_000;

async fn be_slow(tx: &mut Tx) -> db::Result<()> {
    let slow = sql!(
        "WITH RECURSIVE steps (n) AS (SELECT CAST(1 AS BIGINT) UNION ALL SELECT n + 1 FROM steps WHERE n < $1)
         SELECT CAST(COUNT(*) AS BIGINT) FROM steps"
    );
    assert_eq!(tx.one::<(i64,)>(slow, &[&SLOW_STEPS]).await?.0, SLOW_STEPS);
    Ok(())
}

/// The one transaction of a long job begins before the job is held and ends after its first lease.
#[tokio::test]
async fn a_job_that_outlasts_its_lease_is_done_once_by_who_holds_it() {
    let (_scratch, db) = open().await;
    db.write(async |tx| jobs::enqueue(tx, "statement", &"x", "", 0).await).await.unwrap();
    let claim =
        async |token: &'static str, wall| db.write(async move |tx| jobs::claim(tx, 0, wall, 60, token, 10, 10).await).await.unwrap();
    let lease = claim("one", 1_000).await.remove(0);
    let long = db.write(async move |tx| {
        be_slow(tx).await?;
        add(tx, "x", "effect", 1).await?;
        jobs::finish(tx, &lease).await
    });
    let meanwhile = async {
        db.write(async |tx| jobs::hold(tx, "one", 1_080).await).await.unwrap();
        db.write(async |tx| jobs::hold(tx, "one", 1_100).await).await.unwrap();
        claim("two", 1_090).await
    };
    let (done, taken) = tokio::join!(long, meanwhile);
    done.unwrap();
    assert_eq!(taken, []);
    assert_eq!(names(&db).await, ["effect"]);
}

#[tokio::test]
async fn a_job_whose_holder_died_is_taken_over_when_the_hold_ends() {
    let (_scratch, db) = open().await;
    db.write(async |tx| jobs::enqueue(tx, "statement", &"x", "", 0).await).await.unwrap();
    let claim =
        async |token: &'static str, wall| db.write(async move |tx| jobs::claim(tx, 0, wall, 60, token, 10, 10).await).await.unwrap();
    assert_eq!(claim("one", 1_000).await.len(), 1);
    db.write(async |tx| jobs::hold(tx, "one", 1_100).await).await.unwrap();
    assert_eq!(claim("two", 1_100).await, []);
    assert_eq!(claim("two", 1_101).await.len(), 1);
    db.write(async |tx| jobs::forget_holds(tx, 1_101).await).await.unwrap();
    let (held,): (i64,) = db.read(async |tx| tx.one(sql!("SELECT CAST(COUNT(*) AS BIGINT) FROM job_holds"), &[]).await).await.unwrap();
    assert_eq!(held, 0);
}

#[tokio::test]
async fn what_nobody_waits_for_any_more_is_not_begun() {
    let (_scratch, db) = open().await;
    if db.engine() == Engine::Postgres {
        // There the closures begin side by side; the pool of connections is what they wait for.
        return;
    }
    let busy = db.write(be_slow);
    let abandoned = async {
        let write = db.write(async |tx| add(tx, "a", "abandoned", 1).await);
        let given_up = tokio::time::timeout(std::time::Duration::ZERO, write).await;
        assert!(given_up.is_err(), "the writer is busy");
    };
    let (busy, ()) = tokio::join!(busy, abandoned);
    busy.unwrap();
    db.write(async |tx| add(tx, "b", "wanted", 1).await).await.unwrap();
    assert_eq!(names(&db).await, ["wanted"]);
}

#[tokio::test]
async fn more_than_can_wait_is_refused_at_once_and_what_waits_is_done() {
    let (_scratch, db) = open().await;
    db.write(async |tx| add(tx, "a", "one", 0).await).await.unwrap();
    let slow = db.write(be_slow);
    let many = join_all((0..6_000).map(|_| db.write(async |tx| tx.one::<(i64,)>(sql!("SELECT n FROM things WHERE id = 'a'"), &[]).await)));
    let (slow, done) = tokio::join!(slow, many);
    slow.unwrap();
    let refused =
        done.iter().filter(|one| matches!(one, Err(Error::Unavailable(why)) if why.contains("too many transactions wait"))).count();
    let fine = done.iter().filter(|one| one.is_ok()).count();
    let all_answered = db.engine() == Engine::Postgres || refused + fine == done.len();
    assert!(refused > 0 && fine > 0 && all_answered, "{refused} refused, {fine} done");
}

#[tokio::test]
async fn a_commit_lasts_and_many_that_wait_share_it() {
    let (scratch, _) = open().await;
    let db = Db::open(db::Options { durability: db::Durability::Full, ..scratch.options.clone() }).await.unwrap();
    if db.engine() == Engine::Postgres {
        let setting = db.write(async |tx| tx.run_text("SHOW synchronous_commit").await).await.unwrap();
        assert_eq!(setting, ["on"]);
        return;
    }
    let setting = db.write(async |tx| tx.run_text("PRAGMA synchronous").await).await.unwrap();
    assert_eq!(setting, ["2"], "FULL: the log reaches the disk before an answer does");
    let log = |db: &Db| match db.location() {
        db::Location::Sqlite(path) => std::fs::metadata(format!("{}-wal", path.display())).map_or(0, |it| it.len()),
        db::Location::Postgres(_) => 0,
    };
    let before = log(&db);
    let busy = db.write(async |tx| be_slow(tx).await);
    let many = join_all((0..100).map(|n| db.write(async move |tx| add(tx, &format!("m{n:03}"), &format!("n{n}"), n).await)));
    let (busy, many) = tokio::join!(busy, many);
    busy.unwrap();
    assert!(many.iter().all(Result::is_ok));
    let together = log(&db) - before;
    let before = log(&db);
    for n in 0..100 {
        db.write(async move |tx| add(tx, &format!("s{n:03}"), &format!("t{n}"), n).await).await.unwrap();
    }
    let apart = log(&db) - before;
    assert!(together * 5 < apart, "one commit writes each page once: {together} bytes instead of {apart}");
}
