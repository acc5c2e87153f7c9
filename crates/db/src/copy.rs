//! The whole database in one SQLite file, whichever engine it comes from, and a database of either engine filled from such a file.
//!
//! A copy is one moment of the database: everything that was committed before [`Db::copy_to`] was called, and of what is committed while it
//! runs either all of a transaction or nothing. Writers go on. On SQLite the pages are copied (its online backup); on PostgreSQL the rows
//! are, from one REPEATABLE READ view, into the same schema: both engines know the same types, so what is TEXT, BIGINT or
//! BYTEA there is the same here. That makes a copy readable without a server, and lets a market move from one engine to the other.
//!
//! Filling is one transaction: after a crash in the middle the target is as it was before.
//!
//! Left out: everything around the file, such as sums, names and who may do it.

use std::collections::BTreeSet;
use std::fs::File;
use std::path::Path;
use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use deadpool_postgres::Object;
use futures_util::TryStreamExt;
use kernel::Scalar;
use rusqlite::backup::{Backup, StepResult};
use rusqlite::types::ValueRef;
use rusqlite::{Connection as Raw, ErrorCode, OpenFlags};
use tokio_postgres::binary_copy::BinaryCopyInWriter;
use tokio_postgres::types::{ToSql, Type};

use crate::sqlite::{self, Access, BUSY_TIMEOUT};
use crate::{APPLICATION, Backend, Db, Durability, Error, Fate, Location, Migration, Options, Result, migrate, postgres};

/// Pages that are copied between two looks at the clock and two words about the progress (ours): a few MiB.
const PAGES: i32 = 1_024;
/// Rows between two words about the progress (ours).
const ROWS: u64 = 5_000;
/// How long a step waits when another process holds the file.
const PAUSE: Duration = Duration::from_millis(5);
/// How long other processes may still hold a database that is to be filled: one that has just ended lets go a moment later.
const LETTING_GO: Duration = Duration::from_secs(3);

/// What whoever fills a database is called at PostgreSQL: its own connections are not those of a server.
const FILLING: &str = "yunshi restore";

/// How far a copy has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Copied {
    /// Bytes so far: of pages between SQLite files, otherwise of values.
    pub bytes: u64,
    /// Of so many, where that is known.
    pub of: Option<u64>,
}

/// Where the progress is told, on whatever thread the copy runs.
type Tell = dyn Fn(Copied) + Send + Sync;

/// What happens to a market that is in the target already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Existing {
    /// It stays, and nothing is filled.
    Keep,
    /// It is thrown away in the transaction that fills the database.
    Replace,
}

impl Db {
    /// Copies the whole database as it is at this moment into a new SQLite file at `path`, while others go on reading and writing.
    ///
    /// The file is checked and on the disk when this returns. Writers are not held up; on SQLite the write-ahead log cannot shrink until the
    /// copy has ended.
    ///
    /// # Errors
    /// [`Error::Unavailable`] with what to do when either side fails, when the schema is newer than `migrations` or has another past, or
    /// when the copy is damaged, which means that the database is.
    pub async fn copy_to(
        &self,
        path: &Path,
        migrations: &'static [Migration],
        tell: impl Fn(Copied) + Send + Sync + 'static,
    ) -> Result<()> {
        let (path, tell) = (path.to_owned(), Arc::new(tell));
        self.schema(migrations).await?;
        match &self.0.backend {
            Backend::Sqlite(file) => {
                let from = file.path.clone();
                on_blocking(move || copy_file(&from, &path, &*tell)).await
            }
            Backend::Postgres(server) => {
                server
                    .on_a_thread(move |pool| {
                        Box::pin(async move {
                            let client = postgres::connect(&pool).await?;
                            let copied = copy_server(&client, &path, migrations, &*tell).await;
                            // The session's settings were changed: it does not go back to the pool.
                            drop(Object::take(client));
                            copied
                        })
                    })
                    .await
            }
        }
    }

    /// Fills a database, which need not have a schema, from a SQLite file whose schema is that of `migrations`, as one transaction. A SQLite
    /// database is made when missing.
    ///
    /// # Errors
    /// [`Error::Unavailable`] with what to do: while a server or a worker uses this database; when there is a market in it and `existing` says
    /// that it stays; when its schema is newer than `migrations` or has another past; when either side fails.
    pub async fn fill(
        options: Options,
        from: &Path,
        migrations: &'static [Migration],
        existing: Existing,
        tell: impl Fn(Copied) + Send + Sync + 'static,
    ) -> Result<()> {
        let from = from.to_owned();
        match &options.location {
            Location::Sqlite(target) => {
                let target = target.clone();
                on_blocking(move || fill_file(&from, &target, migrations, existing, &tell)).await
            }
            Location::Postgres(url) => {
                let server = postgres::Postgres::open(url, &options, FILLING, Arc::new(|| Fate::Done)).await?;
                server
                    .exclusively(async move |client: &postgres::Client| fill_server(client, &from, migrations, existing, &tell).await)
                    .await
            }
        }
    }

    /// Makes a file that nobody has open complete in itself, without a write-ahead log beside it.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when somebody has it open.
    pub async fn compact(path: &Path) -> Result<()> {
        let path = path.to_owned();
        on_blocking(move || sqlite::compact(&path)).await
    }
}

async fn on_blocking(work: impl FnOnce() -> Result<()> + Send + 'static) -> Result<()> {
    tokio::task::spawn_blocking(work).await.map_err(|e| Error::broken(e.to_string()))?
}

fn io(path: &Path, error: &std::io::Error) -> Error {
    Error::Unavailable(format!("cannot write {}: {error}", path.display()))
}

/// What an error means that is about the file at `path`: two databases are at work here.
fn about(path: &Path) -> impl Fn(rusqlite::Error) -> Error {
    let path = path.to_owned();
    move |error| sqlite::fault(error, &path)
}

fn copy_file(from: &Path, to: &Path, tell: &Tell) -> Result<()> {
    let source = sqlite::open_raw(from, Durability::Full, Access::Read)?;
    // One view for all steps. Without it, each commit of another process would begin the copy anew.
    source.execute_batch("BEGIN; SELECT COUNT(*) FROM sqlite_schema").map_err(about(from))?;
    let mut target = new_file(to)?;
    copy_pages(&source, &mut target, &about(to), tell)?;
    finish_file(target, to)
}

/// A new SQLite file for a copy: nothing of it counts before it is complete, so nothing waits for the disk in between.
fn new_file(path: &Path) -> Result<Raw> {
    let raw = Raw::open(path).map_err(about(path))?;
    raw.execute_batch("PRAGMA synchronous = OFF; PRAGMA journal_mode = MEMORY; PRAGMA cache_size = -32768").map_err(about(path))?;
    Ok(raw)
}

fn copy_pages(source: &Raw, target: &mut Raw, wrong: &impl Fn(rusqlite::Error) -> Error, tell: &Tell) -> Result<()> {
    let page_bytes: u32 = source.pragma_query_value(None, "page_size", |row| row.get(0)).map_err(wrong)?;
    let backup = Backup::new(source, target).map_err(wrong)?;
    let bytes = |pages: i32| u64::try_from(pages).unwrap_or(0) * u64::from(page_bytes);
    let mut deadline = Instant::now() + BUSY_TIMEOUT;
    loop {
        match backup.step(PAGES).map_err(wrong)? {
            StepResult::Done => return Ok(()),
            StepResult::Busy | StepResult::Locked if Instant::now() < deadline => std::thread::sleep(PAUSE),
            StepResult::More => {
                deadline = Instant::now() + BUSY_TIMEOUT;
                let at = backup.progress();
                tell(Copied { bytes: bytes(at.pagecount - at.remaining), of: Some(bytes(at.pagecount)) });
            }
            _ => return Err(Error::Unavailable("another process holds the database file; try again".to_owned())),
        }
    }
}

/// Checks a finished copy, makes it complete in itself, and puts it on the disk.
fn finish_file(target: Raw, path: &Path) -> Result<()> {
    let wrong = about(path);
    let found: String = target.query_row("PRAGMA quick_check(1)", [], |row| row.get(0)).map_err(&wrong)?;
    if found != "ok" {
        return Err(Error::Unavailable(format!("the copy is damaged, so the database is: {found}; restore an older backup")));
    }
    target.query_row("PRAGMA journal_mode = DELETE", [], |_| Ok(())).map_err(&wrong)?;
    target.close().map_err(|(_, error)| wrong(error))?;
    File::open(path).and_then(|file| file.sync_all()).map_err(|error| io(path, &error))
}

/// A table of the schema.
struct Table {
    name: String,
    columns: Vec<(String, Type)>,
}

impl Table {
    fn column_names(&self) -> String {
        self.columns.iter().map(|(name, _)| format!("\"{name}\"")).collect::<Vec<_>>().join(", ")
    }
}

/// The tables of a SQLite database except the schema's own, each after those that its rows refer to.
fn tables(raw: &Raw) -> rusqlite::Result<Vec<Table>> {
    let mut names = raw.prepare(
        "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%' AND name <> 'schema_history' ORDER BY name",
    )?;
    let mut waiting: Vec<String> = names.query_map([], |row| row.get(0))?.collect::<rusqlite::Result<_>>()?;
    let mut ready = Vec::new();
    let mut placed = BTreeSet::new();
    while !waiting.is_empty() {
        let before = ready.len();
        let mut later = Vec::new();
        for name in std::mem::take(&mut waiting) {
            let mut parents = raw.prepare("SELECT \"table\" FROM pragma_foreign_key_list(?1)")?;
            let parents: Vec<String> = parents.query_map([&name], |row| row.get(0))?.collect::<rusqlite::Result<_>>()?;
            if parents.iter().any(|parent| *parent != name && !placed.contains(parent)) {
                later.push(name);
                continue;
            }
            let mut columns = raw.prepare("SELECT name, type FROM pragma_table_info(?1) ORDER BY cid")?;
            let columns = columns
                .query_map([&name], |row| {
                    let kind: String = row.get(1)?;
                    let kind = match kind.as_str() {
                        "INTEGER" => Type::INT8,
                        "BLOB" => Type::BYTEA,
                        _ => Type::TEXT,
                    };
                    Ok((row.get(0)?, kind))
                })?
                .collect::<rusqlite::Result<_>>()?;
            placed.insert(name.clone());
            ready.push(Table { name, columns });
        }
        // Tables that refer to each other in a circle cannot be filled one after another; the schema has none.
        if ready.len() == before {
            return Err(rusqlite::Error::InvalidQuery);
        }
        waiting = later;
    }
    Ok(ready)
}

const fn value_bytes(value: &Scalar) -> u64 {
    // A length always fits: nothing has 16 EiB.
    match value {
        Scalar::Null => 1,
        Scalar::Int(_) => 8,
        Scalar::Text(text) => text.len() as u64,
        Scalar::Bytes(bytes) => bytes.len() as u64,
    }
}

async fn copy_server(client: &postgres::Client, to: &Path, migrations: &'static [Migration], tell: &Tell) -> Result<()> {
    let said = |e: tokio_postgres::Error| postgres::error(&e, None);
    // What has committed by a moment has read only from what had committed before it, so it is a whole history of its own; SERIALIZABLE READ ONLY
    // DEFERRABLE would give the same and, while others keep writing, make the backup wait for many seconds.
    client
        .batch_execute(
            "SET statement_timeout = 0; SET idle_in_transaction_session_timeout = 0;
             BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY",
        )
        .await
        .map_err(said)?;
    let history = client.query(migrate::APPLIED, &[]).await.map_err(said)?;
    let applied: Vec<(i64, i64)> = history.iter().map(|row| (row.get(0), row.get(1))).collect();
    migrate::plan(&applied, migrations)?;
    let target = new_file(to)?;
    let wrong = about(to);
    target.execute_batch("BEGIN").map_err(&wrong)?;
    migrate::bring_up(&target, &migrations[..applied.len()])?;
    let mut told = Copied { bytes: 0, of: None };
    let mut rows = 0;
    for table in tables(&target).map_err(&wrong)? {
        let columns = table.column_names();
        let places = (1..=table.columns.len()).map(|n| format!("?{n}")).collect::<Vec<_>>().join(", ");
        let mut insert = target.prepare(&format!("INSERT INTO {} ({columns}) VALUES ({places})", table.name)).map_err(&wrong)?;
        let select = format!("SELECT {columns} FROM {}", table.name);
        let mut found = pin!(client.query_raw(&select, std::iter::empty::<i64>()).await.map_err(said)?);
        while let Some(row) = found.try_next().await.map_err(said)? {
            for (at, (_, kind)) in table.columns.iter().enumerate() {
                let value = match *kind {
                    Type::INT8 => row.try_get::<_, Option<i64>>(at).map(|it| it.map_or(Scalar::Null, Scalar::Int)),
                    Type::BYTEA => row.try_get::<_, Option<Vec<u8>>>(at).map(|it| it.map_or(Scalar::Null, Scalar::Bytes)),
                    _ => row.try_get::<_, Option<String>>(at).map(|it| it.map_or(Scalar::Null, Scalar::Text)),
                }
                .map_err(said)?;
                told.bytes += value_bytes(&value);
                insert.raw_bind_parameter(at + 1, sqlite::Bound(value)).map_err(&wrong)?;
            }
            insert.raw_execute().map_err(&wrong)?;
            rows += 1;
            if rows % ROWS == 0 {
                tell(told);
            }
        }
    }
    target.execute_batch("COMMIT").map_err(&wrong)?;
    client.batch_execute("ROLLBACK").await.map_err(said)?;
    finish_file(target, to)
}

fn busy() -> Error {
    Error::Unavailable("yunshi serve or yunshi worker uses this database; stop them first".to_owned())
}

fn not_empty() -> Error {
    Error::Unavailable("there is a market in this database already; name an empty one, or say --replace to throw this one away".to_owned())
}

/// The file of a target, for this process alone from here on.
fn open_alone(path: &Path) -> Result<Raw> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let raw = Raw::open_with_flags(path, flags).map_err(about(path))?;
    raw.busy_timeout(Duration::from_millis(100)).map_err(about(path))?;
    let deadline = Instant::now() + LETTING_GO;
    loop {
        // Leaving the write-ahead log behind needs the file for oneself; the lock then stays as long as the connection.
        let alone = raw
            .query_row("PRAGMA journal_mode = DELETE", [], |_| Ok(()))
            .and_then(|()| raw.execute_batch("PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE; COMMIT"));
        match alone {
            Ok(()) => return Ok(raw),
            Err(error) if matches!(error.sqlite_error_code(), Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked)) => {
                if Instant::now() > deadline {
                    return Err(busy());
                }
            }
            Err(error) => return Err(about(path)(error)),
        }
    }
}

fn fill_file(from: &Path, to: &Path, migrations: &'static [Migration], existing: Existing, tell: &Tell) -> Result<()> {
    let wrong = about(to);
    let mut target = open_alone(to)?;
    let history: i64 = target
        .query_row("SELECT COUNT(*) FROM sqlite_schema WHERE type = 'table' AND name = 'schema_history'", [], |row| row.get(0))
        .map_err(&wrong)?;
    if history > 0 {
        let mut applied = target.prepare(migrate::APPLIED).map_err(&wrong)?;
        let applied: Vec<(i64, i64)> =
            applied.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).and_then(Iterator::collect).map_err(&wrong)?;
        migrate::plan(&applied, migrations)?;
    }
    if existing == Existing::Keep {
        for table in tables(&target).map_err(&wrong)? {
            let used: i64 =
                target.query_row(&format!("SELECT EXISTS (SELECT 1 FROM {})", table.name), [], |row| row.get(0)).map_err(&wrong)?;
            if used != 0 {
                return Err(not_empty());
            }
        }
    }
    let source = Raw::open_with_flags(from, OpenFlags::SQLITE_OPEN_READ_WRITE).map_err(about(from))?;
    copy_pages(&source, &mut target, &wrong, tell)?;
    target.close().map_err(|(_, error)| wrong(error))?;
    let folder = to.parent().filter(|it| !it.as_os_str().is_empty()).unwrap_or(Path::new("."));
    for path in [to, folder] {
        File::open(path).and_then(|file| file.sync_all()).map_err(|error| io(path, &error))?;
    }
    Ok(())
}

async fn fill_server(
    client: &postgres::Client,
    from: &Path,
    migrations: &'static [Migration],
    existing: Existing,
    tell: &Tell,
) -> Result<()> {
    let said = |e: tokio_postgres::Error| postgres::error(&e, None);
    let wrong = about(from);
    let source = Raw::open_with_flags(from, OpenFlags::SQLITE_OPEN_READ_WRITE).map_err(&wrong)?;
    let tables = tables(&source).map_err(&wrong)?;
    client.batch_execute("SET idle_in_transaction_session_timeout = 0").await.map_err(said)?;
    nobody_else(client).await?;

    let ours: Vec<&str> = tables.iter().map(|table| table.name.as_str()).chain(["schema_history"]).collect();
    let there =
        client.query("SELECT CAST(tablename AS TEXT) FROM pg_tables WHERE schemaname = current_schema()", &[]).await.map_err(said)?;
    let there: Vec<String> = there.iter().map(|row| row.get(0)).filter(|name: &String| ours.contains(&name.as_str())).collect();
    if there.iter().any(|name| name == "schema_history") {
        let applied = client.query(migrate::APPLIED, &[]).await.map_err(said)?;
        let applied: Vec<(i64, i64)> = applied.iter().map(|row| (row.get(0), row.get(1))).collect();
        migrate::plan(&applied, migrations)?;
    }
    for name in &there {
        let used = name != "schema_history" && existing == Existing::Keep && {
            let select = format!("SELECT EXISTS (SELECT 1 FROM {name})");
            client.query_one(&select, &[]).await.map_err(said)?.get(0)
        };
        if used {
            return Err(not_empty());
        }
    }
    if !there.is_empty() {
        client.batch_execute(&format!("DROP TABLE {} CASCADE", there.join(", "))).await.map_err(said)?;
    }
    migrate::bring_up_server(client, migrations).await?;
    let mut told = Copied { bytes: 0, of: None };
    let mut count = 0;
    for table in &tables {
        let columns = table.column_names();
        let types: Vec<Type> = table.columns.iter().map(|(_, kind)| kind.clone()).collect();
        let copy = format!("COPY {} ({columns}) FROM STDIN (FORMAT binary)", table.name);
        let mut writer = pin!(BinaryCopyInWriter::new(client.copy_in(&copy).await.map_err(said)?, &types));
        let mut select = source.prepare(&format!("SELECT {columns} FROM {}", table.name)).map_err(&wrong)?;
        let mut rows = select.query([]).map_err(&wrong)?;
        while let Some(row) = rows.next().map_err(&wrong)? {
            let mut values = Vec::with_capacity(types.len());
            for at in 0..types.len() {
                let value = match row.get_ref(at).map_err(&wrong)? {
                    ValueRef::Null => Scalar::Null,
                    ValueRef::Integer(whole) => Scalar::Int(whole),
                    ValueRef::Text(text) => Scalar::Text(str::from_utf8(text).map_err(|e| Error::Broken(Box::new(e)))?.to_owned()),
                    ValueRef::Blob(bytes) => Scalar::Bytes(bytes.to_vec()),
                    ValueRef::Real(_) => return Err(Error::broken(format!("a floating number in {}", table.name))),
                };
                told.bytes += value_bytes(&value);
                values.push(postgres::Bound(value));
            }
            let values: Vec<&(dyn ToSql + Sync)> = values.iter().map(|it| it as &(dyn ToSql + Sync)).collect();
            writer.as_mut().write(&values).await.map_err(said)?;
            count += 1;
            if count % ROWS == 0 {
                tell(told);
            }
        }
        writer.as_mut().finish().await.map_err(said)?;
        // So that the first questions are planned by what is there.
        client.batch_execute(&format!("ANALYZE {}", table.name)).await.map_err(said)?;
    }
    Ok(())
}

/// Makes sure that no server and no worker is connected to this PostgreSQL database.
async fn nobody_else(client: &postgres::Client) -> Result<()> {
    let select = "SELECT CAST(COUNT(*) AS BIGINT) FROM pg_stat_activity
                  WHERE datname = current_database() AND application_name = $1 AND pid <> pg_backend_pid()";
    let deadline = Instant::now() + LETTING_GO;
    loop {
        // Seen once, the view of a transaction stays as it is.
        client.batch_execute("SELECT pg_stat_clear_snapshot()").await.map_err(|e| postgres::error(&e, None))?;
        let others: i64 = client.query_one(select, &[&APPLICATION]).await.map_err(|e| postgres::error(&e, None))?.get(0);
        match others {
            0 => return Ok(()),
            _ if Instant::now() > deadline => return Err(busy()),
            _ => tokio::time::sleep(PAUSE * 10).await,
        }
    }
}
