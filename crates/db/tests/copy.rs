//! The whole database in one file, and back, on a real engine.
#![allow(clippy::unwrap_used, missing_docs)]

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use db::scratch::Scratch;
use db::{Db, Existing, Location, Migration, Options, sql};

/// By name, the child would come before its parent.
const FAMILY: &str = "CREATE TABLE parents (id TEXT PRIMARY KEY);
CREATE TABLE children (id TEXT PRIMARY KEY, parent TEXT NOT NULL REFERENCES parents (id), elder TEXT REFERENCES children (id));
CREATE UNIQUE INDEX child_of_parent ON children (parent, id);
";
const VALUES: &str = "CREATE TABLE kept (id TEXT PRIMARY KEY, n BIGINT, raw BYTEA, note TEXT);
";
const OLD: &[Migration] = &[Migration { version: 1, name: "family", text: FAMILY }];
const NEW: &[Migration] = &[OLD[0], Migration { version: 2, name: "values", text: VALUES }];

async fn in_file(path: &Path) -> Db {
    Db::open(Options::new(Location::Sqlite(path.to_owned()))).await.unwrap()
}

/// Puts what is in the file into the database of a scratch.
async fn fill(scratch: &Scratch, path: &Path, existing: Existing) -> db::Result<()> {
    Db::fill(scratch.options.clone(), path, NEW, existing, |_| {}).await
}

async fn all(db: &Db, select: &'static str) -> Vec<String> {
    db.read(async move |tx| tx.run_text(select).await).await.unwrap()
}

const EVERYTHING: &str = "SELECT id || ':' || COALESCE(CAST(n AS TEXT), '-') || ':' || COALESCE(note, '-') FROM kept ORDER BY id";

#[tokio::test]
async fn what_is_in_the_file_is_what_was_there_and_goes_back_unchanged() {
    let (source, folder) = (Scratch::new(NEW).await.unwrap(), tempfile::tempdir().unwrap());
    let db = Db::open(source.options.clone()).await.unwrap();
    db.write(async |tx| {
        for id in ["p1", "p2"] {
            tx.execute(sql!("INSERT INTO parents (id) VALUES ($1)"), &[&id]).await?;
        }
        for (id, parent, elder) in [("a", "p2", None), ("b", "p1", Some("a")), ("c", "p1", Some("b"))] {
            tx.execute(sql!("INSERT INTO children (id, parent, elder) VALUES ($1, $2, $3)"), &[&id, &parent, &elder]).await?;
        }
        let insert = sql!("INSERT INTO kept (id, n, raw, note) VALUES ($1, $2, $3, $4)");
        tx.execute(insert, &[&"云市 '\"\n\t\\", &i64::MIN, &[0u8, 255, 10], &""]).await?;
        tx.execute(insert, &[&"nothing", &None::<i64>, &None::<Vec<u8>>, &None::<String>]).await?;
        Ok(())
    })
    .await
    .unwrap();
    let file = folder.path().join("copy.sqlite");
    db.copy_to(&file, NEW, |_| {}).await.unwrap();
    let copied = in_file(&file).await;
    copied.check_schema(NEW).await.unwrap();
    assert_eq!(all(&copied, EVERYTHING).await, all(&db, EVERYTHING).await);
    drop((copied, db));
    Db::compact(&file).await.unwrap();

    let target = Scratch::new(&[]).await.unwrap();
    fill(&target, &file, Existing::Keep).await.unwrap();
    let filled = Db::open(target.options.clone()).await.unwrap();
    filled.check_schema(NEW).await.unwrap();
    let rows = all(&filled, EVERYTHING).await;
    assert_eq!(rows, ["nothing:-:-", "云市 '\"\n\t\\:-9223372036854775808:"]);
    let raw: (Option<Vec<u8>>,) =
        filled.read(async |tx| tx.one(sql!("SELECT raw FROM kept WHERE n IS NOT NULL"), &[]).await).await.unwrap();
    assert_eq!(raw, (Some(vec![0, 255, 10]),));
    // Indexes and references are there too.
    let orphan = filled.write(async |tx| tx.execute(sql!("INSERT INTO children (id, parent) VALUES ('d', 'p9')"), &[]).await).await;
    assert!(orphan.is_err());
    drop(filled);

    let refused = fill(&target, &file, Existing::Keep).await.unwrap_err();
    assert!(refused.to_string().contains("there is a market in this database already"), "{refused}");
    fill(&target, &file, Existing::Replace).await.unwrap();
    let filled = Db::open(target.options.clone()).await.unwrap();
    assert_eq!(all(&filled, EVERYTHING).await, rows);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_copy_is_one_moment_however_much_is_written_meanwhile() {
    let (source, folder) = (Scratch::new(NEW).await.unwrap(), tempfile::tempdir().unwrap());
    let db = Db::open(source.options.clone()).await.unwrap();
    let stop = Arc::new(AtomicBool::new(false));
    let writer = tokio::spawn({
        let (db, stop) = (db.clone(), stop.clone());
        async move {
            let mut n = 0_i64;
            while !stop.load(Ordering::SeqCst) {
                n += 1;
                // Always in both tables, or in neither.
                db.write(async move |tx| {
                    let id = format!("{n:08}");
                    tx.execute(sql!("INSERT INTO parents (id) VALUES ($1)"), &[&id]).await?;
                    tx.execute(sql!("INSERT INTO kept (id, n, note) VALUES ($1, $2, $3)"), &[&id, &n, &"x".repeat(500)]).await.map(drop)
                })
                .await
                .unwrap();
            }
            n
        }
    });
    let mut before = 0;
    for round in 0..4 {
        while all(&db, "SELECT COUNT(*) FROM kept").await[0].parse::<i64>().unwrap() < before + 200 {
            tokio::task::yield_now().await;
        }
        before = all(&db, "SELECT COUNT(*) FROM kept").await[0].parse().unwrap();
        let file = folder.path().join(format!("{round}.sqlite"));
        db.copy_to(&file, NEW, |_| {}).await.unwrap();
        let copied = in_file(&file).await;
        let found = all(&copied, "SELECT COUNT(*) || ' ' || MAX(n) || ' ' || (SELECT COUNT(*) FROM parents) FROM kept").await;
        let numbers: Vec<i64> = found[0].split(' ').map(|word| word.parse().unwrap()).collect();
        assert!(numbers[0] >= before, "what was committed before is in it: {numbers:?}, {before}");
        assert!(numbers.iter().all(|it| *it == numbers[0]), "without gaps, and the same in both tables: {numbers:?}");
    }
    stop.store(true, Ordering::SeqCst);
    assert!(writer.await.unwrap() > before);
}

#[tokio::test]
async fn an_older_schema_is_copied_as_it_is_and_a_newer_one_is_not() {
    let (source, folder) = (Scratch::new(OLD).await.unwrap(), tempfile::tempdir().unwrap());
    let db = Db::open(source.options.clone()).await.unwrap();
    let file = folder.path().join("old.sqlite");
    db.copy_to(&file, NEW, |_| {}).await.unwrap();
    let copied = in_file(&file).await;
    assert_eq!(copied.schema(NEW).await.unwrap(), db::MigrationState { from: 1, to: 2 });
    copied.migrate(NEW).await.unwrap();

    db.migrate(NEW).await.unwrap();
    let newer = db.copy_to(&folder.path().join("new.sqlite"), OLD, |_| {}).await.unwrap_err();
    assert!(newer.to_string().contains("newer than this program's"), "{newer}");
}

#[tokio::test]
async fn a_database_that_somebody_uses_is_not_filled() {
    let (used, folder) = (Scratch::new(&[]).await.unwrap(), tempfile::tempdir().unwrap());
    let file = folder.path().join("copy.sqlite");
    in_file(&file).await.migrate(NEW).await.unwrap();
    Db::compact(&file).await.unwrap();
    let server = Db::open(used.options.clone()).await.unwrap();
    for existing in [Existing::Keep, Existing::Replace] {
        let refused = fill(&used, &file, existing).await.unwrap_err();
        assert!(refused.to_string().contains("stop them first"), "{refused}");
    }
    drop(server);
    fill(&used, &file, Existing::Keep).await.unwrap();
}
