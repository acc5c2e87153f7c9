//! SQLite: one writer thread that commits many closures with one fsync, and a few reader threads.

use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::rc::Rc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use futures_util::FutureExt;
use kernel::{Scalar, ToScalar};
use rusqlite::config::DbConfig;
use rusqlite::types::{ToSqlOutput, Value, ValueRef};
use rusqlite::{Connection as Raw, ErrorCode, OpenFlags};
use tokio::sync::oneshot;

use crate::tx::{Connection, Isolation};
use crate::wal::Log;
use crate::{AtCommit, Durability, Error, Fate, Result, Row, Statement, Tx, WAITING_MAX};

/// Closures that share one commit at most: a longer batch would make its first caller wait for nothing.
const BATCH_MAX: usize = 256;
/// After this long a batch is committed though more closures wait.
const BATCH_TIME_MAX: Duration = Duration::from_millis(25);
/// How long a statement waits for another process that holds the file.
pub(crate) const BUSY_TIMEOUT: Duration = Duration::from_secs(15);
/// Statements kept prepared on each connection.
const STATEMENTS_MAX: usize = 512;

/// What a broken unique constraint is called, by the columns SQLite names in its message.
type ConstraintNames = HashMap<String, String>;

/// Why the last attempt to write did not succeed; none when it did.
type Trouble = Arc<Mutex<Option<String>>>;

/// A connection with the names of its constraints.
pub(crate) struct Session {
    raw: Raw,
    names: Arc<Mutex<ConstraintNames>>,
    /// Where a connection that writes notes what is wrong with the file.
    trouble: Option<Trouble>,
    path: Arc<Path>,
}

/// The way to a database thread.
type Queue = SyncSender<Box<dyn Work>>;

fn channel() -> (Queue, Receiver<Box<dyn Work>>) {
    sync_channel(WAITING_MAX)
}

/// Queues a closure, unless so many wait that its turn would come too late for anybody.
fn enqueue(queue: &Queue, work: Box<dyn Work>) -> Result<()> {
    queue.try_send(work).map_err(|error| match error {
        TrySendError::Full(_) => Error::overloaded(),
        TrySendError::Disconnected(_) => thread_gone(),
    })
}

pub(crate) struct Sqlite {
    writer: Queue,
    readers: Mutex<Vec<Queue>>,
    next_reader: AtomicUsize,
    names: Arc<Mutex<ConstraintNames>>,
    trouble: Trouble,
    pub(crate) path: Arc<Path>,
    threads: Vec<JoinHandle<()>>,
}

impl Drop for Sqlite {
    /// Waits until the threads have ended and the file is closed: whoever opens it next finds it whole.
    fn drop(&mut self) {
        self.writer = channel().0;
        self.readers.lock().unwrap_or_else(PoisonError::into_inner).clear();
        let here = std::thread::current().id();
        // The last handle may be dropped by a closure on one of these threads, which cannot wait for itself, nor for one that waits for it.
        if self.threads.iter().any(|thread| thread.thread().id() == here) {
            return;
        }
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}

/// A closure on its way through a database thread.
trait Work: Send {
    /// Whether nobody waits for it any more: then it is not begun.
    fn is_abandoned(&self) -> bool;
    /// Runs it; true when its changes are to be kept.
    fn run(&mut self, session: &Rc<Session>) -> bool;
    /// Answers the caller: `Ok` after the commit, or why the commit failed.
    fn answer(self: Box<Self>, committed: std::result::Result<(), &Error>);
}

struct Pending<F, T> {
    work: F,
    outcome: Option<Result<(T, bool)>>,
    reply: oneshot::Sender<Result<(T, bool)>>,
}

impl<F, T> Work for Pending<F, T>
where
    F: AsyncFn(&mut Tx) -> Result<T> + Send,
    T: Send,
{
    fn is_abandoned(&self) -> bool {
        self.reply.is_closed()
    }

    fn run(&mut self, session: &Rc<Session>) -> bool {
        let mut tx = Tx::new(Connection::Sqlite(session.clone()), Isolation::Serializable);
        let work = &self.work;
        let outcome = catch_unwind(AssertUnwindSafe(|| work(&mut tx).now_or_never()));
        let outcome = match outcome {
            Ok(Some(result)) => result.map(|value| (value, tx.jobs_added)),
            Ok(None) => Err(Error::broken("a transaction's closure awaited something other than its transaction")),
            Err(panic) => Err(Error::broken(format!("a transaction's closure panicked: {}", panic_text(&*panic)))),
        };
        let keep = outcome.is_ok();
        self.outcome = Some(outcome);
        keep
    }

    fn answer(self: Box<Self>, committed: std::result::Result<(), &Error>) {
        let Self { work, outcome, reply } = *self;
        // It may hold a handle of the database, which must not be the last: the caller's is, who hears only after this.
        drop(work);
        let outcome = match (outcome, committed) {
            // A closure that failed has its own reason, which is better than that of the batch.
            (Some(Err(own)), _) => Err(own),
            (Some(Ok(value)), Ok(())) => Ok(value),
            (_, Err(Error::Unavailable(why))) => Err(Error::Unavailable(why.clone())),
            (_, Err(other)) => Err(Error::broken(other.to_string())),
            (None, Ok(())) => Err(Error::broken("a closure was never run")),
        };
        // The caller may have gone away; the transaction stands all the same.
        let _ = reply.send(outcome);
    }
}

pub(crate) fn panic_text(panic: &(dyn std::any::Any + Send)) -> String {
    panic
        .downcast_ref::<&str>()
        .map(|s| (*s).to_owned())
        .or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "without a message".to_owned())
}

impl Sqlite {
    pub(crate) fn open(path: &Path, durability: Durability, readers: usize, at_commit: AtCommit) -> Result<Self> {
        let names = Arc::new(Mutex::new(ConstraintNames::new()));
        let (trouble, path) = (Trouble::default(), Arc::<Path>::from(path));
        let mut session = Session {
            raw: open_raw(&path, durability, Access::Write)?,
            names: names.clone(),
            trouble: Some(trouble.clone()),
            path: path.clone(),
        };
        session.learn_names()?;
        let (log, checkpoints) = Log::of(&mut session.raw)?;
        let checkpointer = open_raw(&path, durability, Access::Write)?;
        let (writer, queue) = channel();
        let mut threads = vec![
            spawn("yunshi-db-write", move || write_loop(session, &queue, log, &*at_commit))?,
            spawn("yunshi-db-log", move || checkpoints.run(&checkpointer))?,
        ];
        let mut senders = Vec::new();
        for n in 0..readers.max(1) {
            let session =
                Session { raw: open_raw(&path, durability, Access::Read)?, names: names.clone(), trouble: None, path: path.clone() };
            let (sender, queue) = channel();
            threads.push(spawn(&format!("yunshi-db-read-{n}"), move || read_loop(session, &queue))?);
            senders.push(sender);
        }
        Ok(Self { writer, readers: Mutex::new(senders), next_reader: AtomicUsize::new(0), names, trouble, path, threads })
    }

    pub(crate) async fn write<T, F>(&self, work: F) -> Result<(T, bool)>
    where
        T: Send + 'static,
        F: AsyncFn(&mut Tx) -> Result<T> + Send + 'static,
    {
        let (reply, answer) = oneshot::channel();
        enqueue(&self.writer, Box::new(Pending { work, outcome: None, reply }))?;
        answer.await.map_err(|_| thread_gone())?
    }

    pub(crate) async fn read<T, F>(&self, work: F) -> Result<T>
    where
        T: Send + 'static,
        F: AsyncFn(&mut Tx) -> Result<T> + Send + 'static,
    {
        let (reply, answer) = oneshot::channel();
        {
            let readers = self.readers.lock().unwrap_or_else(PoisonError::into_inner);
            let turn = self.next_reader.fetch_add(1, Ordering::Relaxed) % readers.len();
            enqueue(&readers[turn], Box::new(Pending { work, outcome: None, reply }))?;
        }
        answer.await.map_err(|_| thread_gone())?.map(|(value, _)| value)
    }

    /// Why nothing could be written the last time; none when it could.
    pub(crate) fn trouble(&self) -> Option<String> {
        self.trouble.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Whether a change of any size would find room on the disk. Where this cannot be told, it has.
    pub(crate) fn has_room(&self) -> bool {
        /// More than a transaction of a usual size writes.
        const ROOM: u64 = 2 * 1024 * 1024;
        rustix::fs::statvfs(&*self.path).map_or(true, |disk| disk.f_bavail.saturating_mul(disk.f_frsize) >= ROOM)
    }

    /// Runs `change` alone, with the file locked against every other process, as one transaction.
    pub(crate) async fn exclusively<T, F>(&self, change: F) -> Result<T>
    where
        T: Send + 'static,
        F: FnOnce(&Raw) -> Result<T> + Send + 'static,
    {
        let path = self.path.clone();
        let names = self.names.clone();
        tokio::task::spawn_blocking(move || {
            let session = Session { raw: open_raw(&path, Durability::Full, Access::Write)?, names, trouble: None, path };
            session.run("BEGIN EXCLUSIVE")?;
            match change(&session.raw).and_then(|value| session.run("COMMIT").map(|()| value)) {
                Ok(value) => {
                    session.learn_names()?;
                    Ok(value)
                }
                Err(error) => {
                    // Without effect when the engine has rolled back by itself.
                    let _ = session.run("ROLLBACK");
                    Err(error)
                }
            }
        })
        .await
        .map_err(|e| Error::broken(e.to_string()))?
    }
}

fn thread_gone() -> Error {
    Error::Unavailable("the database thread has ended".to_owned())
}

fn spawn(name: &str, body: impl FnOnce() + Send + 'static) -> Result<JoinHandle<()>> {
    std::thread::Builder::new().name(name.to_owned()).spawn(body).map_err(|e| Error::Unavailable(e.to_string()))
}

#[derive(Clone, Copy)]
pub(crate) enum Access {
    Read,
    Write,
}

pub(crate) fn open_raw(path: &Path, durability: Durability, access: Access) -> Result<Raw> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let cannot = |e: rusqlite::Error| Error::Unavailable(format!("cannot open the database file {}: {e}", path.display()));
    let raw = Raw::open_with_flags(path, flags).map_err(cannot)?;
    raw.busy_timeout(BUSY_TIMEOUT).map_err(cannot)?;
    let synchronous = match durability {
        Durability::Full => "FULL",
        Durability::Relaxed => "OFF",
    };
    // The writer looks at pages all over the file; readers are many, and the system keeps what they look at.
    let (query_only, cache_kib) = match access {
        Access::Read => ("ON", 8 * 1024),
        Access::Write => ("OFF", 64 * 1024),
    };
    // Without this a statement is prepared anew whenever a parameter is bound that decides whether a partial index may be used, such as
    // `state = $2` where an index has `WHERE state = 'open'`.
    raw.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true).map_err(cannot)?;
    begin_wal(&raw).map_err(cannot)?;
    raw.execute_batch(&format!(
        "PRAGMA synchronous = {synchronous}; PRAGMA foreign_keys = ON; PRAGMA trusted_schema = OFF;
         PRAGMA cache_size = -{cache_kib}; PRAGMA journal_size_limit = 268435456; PRAGMA temp_store = MEMORY;
         PRAGMA query_only = {query_only};"
    ))
    .map_err(cannot)?;
    raw.set_prepared_statement_cache_capacity(STATEMENTS_MAX);
    Ok(raw)
}

/// Sets the journal mode. A new file changes it once, and whoever opens it at that moment is told that it is locked at once, without the busy
/// timeout: they try again.
fn begin_wal(raw: &Raw) -> rusqlite::Result<()> {
    let deadline = Instant::now() + BUSY_TIMEOUT;
    loop {
        match raw.execute_batch("PRAGMA journal_mode = WAL") {
            Err(error) if error.sqlite_error_code() == Some(ErrorCode::DatabaseBusy) && Instant::now() < deadline => {
                std::thread::sleep(Duration::from_millis(10));
            }
            other => return other,
        }
    }
}

/// For so many batches closures are kept apart after one of them had to be undone: where many fail, running them twice costs more than savepoints.
const APART_AFTER_UNDOING: u32 = 16;

/// Closures that share a transaction and its commit.
struct Batch<'a> {
    session: &'a Rc<Session>,
    works: Vec<Box<dyn Work>>,
    /// Each closure runs under a savepoint. Otherwise nothing is remembered of what was there before, which costs a copy of every page, and when one
    /// has to be undone, all are, and those before it run again.
    apart: bool,
    is_changed: bool,
}

impl Batch<'_> {
    /// Runs a closure as part of the batch.
    ///
    /// # Errors
    /// Why the whole transaction is lost: a full disk or an I/O error makes the engine undo it.
    fn add(&mut self, work: Box<dyn Work>) -> Result<()> {
        self.works.push(work);
        let place = self.works.len() - 1;
        if self.apart {
            return self.run_apart(place);
        }
        let changes = self.session.raw.total_changes();
        let kept = self.works[place].run(self.session);
        if self.session.raw.is_autocommit() {
            return Err(undone_by_engine());
        }
        let changed = self.session.raw.total_changes() > changes;
        if kept {
            self.is_changed |= changed;
            return Ok(());
        }
        // One that failed before it changed anything, as most that are refused do, leaves nothing to undo.
        if changed { self.start_over() } else { Ok(()) }
    }

    /// Undoes everything and runs again what had changed something, if anything had.
    fn start_over(&mut self) -> Result<()> {
        self.session.run("ROLLBACK")?;
        self.session.run("BEGIN IMMEDIATE")?;
        if !self.is_changed {
            return Ok(());
        }
        (self.apart, self.is_changed) = (true, false);
        (0..self.works.len()).try_for_each(|place| self.run_apart(place))
    }

    fn run_apart(&mut self, place: usize) -> Result<()> {
        let (session, work) = (self.session, &mut self.works[place]);
        let changes = session.raw.total_changes();
        let kept = session.in_savepoint(|| work.run(session));
        if session.raw.is_autocommit() {
            return Err(kept.err().unwrap_or_else(undone_by_engine));
        }
        // What was undone counts as a change to the engine, not here.
        self.is_changed |= kept? && session.raw.total_changes() > changes;
        Ok(())
    }
}

fn undone_by_engine() -> Error {
    Error::Unavailable("the disk is full or failing; nothing was changed".to_owned())
}

fn write_loop(session: Session, queue: &Receiver<Box<dyn Work>>, mut log: Log, at_commit: &dyn Fn() -> Fate) {
    let session = Rc::new(session);
    let mut apart_for = 0_u32;
    while let Ok(first) = queue.recv() {
        if first.is_abandoned() {
            continue;
        }
        if let Err(error) = session.run("BEGIN IMMEDIATE") {
            first.answer(Err(&error));
            continue;
        }
        let started = Instant::now();
        let mut batch = Batch { session: &session, works: Vec::new(), apart: apart_for > 0, is_changed: false };
        let (mut next, mut filled) = (Some(first), Ok(()));
        while let (Some(work), Ok(())) = (next.take(), &filled) {
            filled = batch.add(work);
            let full = batch.works.len() >= BATCH_MAX || started.elapsed() >= BATCH_TIME_MAX;
            next = if full || filled.is_err() { None } else { queue.try_iter().find(|work| !work.is_abandoned()) };
        }
        let Batch { works, apart, is_changed, .. } = batch;
        apart_for = if apart && apart_for == 0 { APART_AFTER_UNDOING } else { apart_for.saturating_sub(1) };
        let committed = filled.and_then(|()| session.commit(if is_changed { at_commit() } else { Fate::Done }));
        if committed.is_err() && !session.raw.is_autocommit() {
            // Nothing more can be done when this fails; the next BEGIN will say so.
            let _ = session.run("ROLLBACK");
        }
        // A transaction that changed nothing says nothing about the disk.
        if committed.is_ok() && is_changed {
            session.note(None);
        }
        for work in works {
            work.answer(committed.as_ref().map(|&()| ()));
        }
        log.tend(&session.raw);
    }
}

fn read_loop(session: Session, queue: &Receiver<Box<dyn Work>>) {
    let session = Rc::new(session);
    while let Ok(mut work) = queue.recv() {
        if work.is_abandoned() {
            continue;
        }
        let begun = session.run("BEGIN");
        if begun.is_ok() {
            work.run(&session);
            // A reader has nothing to lose: ending the view cannot fail in a way that matters to the caller.
            let _ = session.run("ROLLBACK");
        }
        work.answer(begun.as_ref().map(|&()| ()));
    }
}

impl Session {
    /// Runs one statement without parameters and rows; kept prepared, for these come with every closure.
    fn run(&self, text: &'static str) -> Result<()> {
        self.raw.prepare_cached(text).and_then(|mut statement| statement.raw_execute()).map(drop).map_err(|e| self.error(e))
    }

    fn commit(&self, fate: Fate) -> Result<()> {
        match fate {
            Fate::Done => self.run("COMMIT"),
            Fate::Lost => Err(Error::lost_commit()),
            Fate::Unanswered => self.run("COMMIT").and_then(|()| Err(Error::lost_commit())),
        }
    }

    /// Runs one closure of a batch so that its failure undoes nothing of the others; whether what it did is kept.
    fn in_savepoint(&self, run: impl FnOnce() -> bool) -> Result<bool> {
        self.run("SAVEPOINT closure")?;
        let keep = run();
        if !keep && !self.raw.is_autocommit() {
            self.run("ROLLBACK TO closure")?;
        }
        if !self.raw.is_autocommit() {
            self.run("RELEASE closure")?;
        }
        Ok(keep)
    }

    pub(crate) fn execute(&self, statement: &'static Statement, params: &[&dyn ToScalar]) -> Result<u64> {
        let mut prepared = self.prepare(statement)?;
        bind(&mut prepared, params).map_err(|e| self.error_at(e, statement))?;
        let changed = prepared.raw_execute().map_err(|e| self.error_at(e, statement))?;
        Ok(u64::try_from(changed).unwrap_or(u64::MAX))
    }

    pub(crate) fn rows(&self, statement: &'static Statement, params: &[&dyn ToScalar]) -> Result<Vec<Row>> {
        let mut prepared = self.prepare(statement)?;
        bind(&mut prepared, params).map_err(|e| self.error_at(e, statement))?;
        let width = prepared.column_count();
        let mut cursor = prepared.raw_query();
        let mut rows = Vec::new();
        while let Some(row) = cursor.next().map_err(|e| self.error_at(e, statement))? {
            let mut values = Vec::with_capacity(width);
            for column in 0..width {
                values.push(scalar(row.get_ref(column).map_err(|e| self.error_at(e, statement))?, statement)?);
            }
            rows.push(Row::new(values));
        }
        Ok(rows)
    }

    fn prepare(&self, statement: &'static Statement) -> Result<rusqlite::CachedStatement<'_>> {
        self.raw.prepare_cached(statement.sqlite_text()).map_err(|e| self.error_at(e, statement))
    }

    /// Reads which unique index or primary key stands behind which columns: SQLite's messages name the columns only.
    fn learn_names(&self) -> Result<()> {
        let mut found = ConstraintNames::new();
        let mut tables = self.raw.prepare("SELECT name FROM sqlite_schema WHERE type = 'table'").map_err(|e| self.error(e))?;
        let tables: Vec<String> = tables.query_map([], |r| r.get(0)).and_then(Iterator::collect).map_err(|e| self.error(e))?;
        for table in tables {
            let mut indexes =
                self.raw.prepare("SELECT name, origin FROM pragma_index_list(?1) WHERE \"unique\" = 1").map_err(|e| self.error(e))?;
            let indexes: Vec<(String, String)> =
                indexes.query_map([&table], |r| Ok((r.get(0)?, r.get(1)?))).and_then(Iterator::collect).map_err(|e| self.error(e))?;
            for (index, origin) in indexes {
                let mut columns = self.raw.prepare("SELECT name FROM pragma_index_info(?1) ORDER BY seqno").map_err(|e| self.error(e))?;
                let columns: Vec<Option<String>> =
                    columns.query_map([&index], |r| r.get(0)).and_then(Iterator::collect).map_err(|e| self.error(e))?;
                let key: Vec<String> = columns.into_iter().flatten().map(|c| format!("{table}.{c}")).collect();
                let name = if origin == "pk" { format!("{table}_pkey") } else { index };
                found.insert(key.join(", "), name);
            }
            // A rowid alias has no index of its own.
            let mut alias = self.raw.prepare("SELECT name FROM pragma_table_info(?1) WHERE pk = 1").map_err(|e| self.error(e))?;
            let alias: Vec<String> = alias.query_map([&table], |r| r.get(0)).and_then(Iterator::collect).map_err(|e| self.error(e))?;
            if let [column] = alias.as_slice() {
                found.entry(format!("{table}.{column}")).or_insert_with(|| format!("{table}_pkey"));
            }
        }
        *self.names.lock().unwrap_or_else(PoisonError::into_inner) = found;
        Ok(())
    }

    fn error_at(&self, error: rusqlite::Error, statement: &Statement) -> Error {
        match self.error(error) {
            Error::Broken(source) => Error::broken(format!("{source} (statement at {})", statement.place())),
            other => other,
        }
    }

    fn note(&self, trouble: Option<&str>) {
        if let Some(noted) = &self.trouble {
            *noted.lock().unwrap_or_else(PoisonError::into_inner) = trouble.map(str::to_owned);
        }
    }

    fn error(&self, error: rusqlite::Error) -> Error {
        let rusqlite::Error::SqliteFailure(failure, message) = &error else {
            return Error::Broken(Box::new(error));
        };
        let message = message.clone().unwrap_or_default();
        match failure.code {
            ErrorCode::ConstraintViolation => {
                let named = message.split_once("constraint failed: ").map_or(message.as_str(), |(_, name)| name);
                let names = self.names.lock().unwrap_or_else(PoisonError::into_inner);
                Error::Constraint(names.get(named).cloned().unwrap_or_else(|| named.to_owned()))
            }
            _ => {
                let fault = fault(error, &self.path);
                if let Error::Unavailable(why) = &fault {
                    self.note(Some(why));
                }
                fault
            }
        }
    }
}

/// What an error of the engine means that is not about a constraint.
pub(crate) fn fault(error: rusqlite::Error, path: &Path) -> Error {
    let shown = path.display();
    match error.sqlite_error_code() {
        Some(ErrorCode::DiskFull) => {
            Error::Unavailable(format!("the disk is full on which {shown} is; free some space, nothing was changed"))
        }
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => {
            Error::Unavailable(format!("another process holds the database file {shown}; try again"))
        }
        Some(
            ErrorCode::SystemIoFailure
            | ErrorCode::CannotOpen
            | ErrorCode::ReadOnly
            | ErrorCode::PermissionDenied
            | ErrorCode::OutOfMemory
            | ErrorCode::DatabaseCorrupt
            | ErrorCode::NotADatabase,
        ) => Error::Unavailable(format!(
            "the database file {shown} fails: {error}; look at the disk, at who may write to it, and at the system's log"
        )),
        _ => Error::Broken(Box::new(error)),
    }
}

/// Prepares a statement's text, for the test of the registry.
pub(crate) fn check(session: &Session, statement: &'static Statement) -> Result<()> {
    session.prepare(statement).map(drop)
}

pub(crate) struct Bound(pub(crate) Scalar);

impl rusqlite::ToSql for Bound {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(match &self.0 {
            Scalar::Null => ToSqlOutput::Owned(Value::Null),
            Scalar::Int(i) => ToSqlOutput::Owned(Value::Integer(*i)),
            Scalar::Text(t) => ToSqlOutput::Borrowed(ValueRef::Text(t.as_bytes())),
            Scalar::Bytes(b) => ToSqlOutput::Borrowed(ValueRef::Blob(b)),
        })
    }
}

fn bind(prepared: &mut rusqlite::CachedStatement<'_>, params: &[&dyn ToScalar]) -> rusqlite::Result<()> {
    let wanted = prepared.parameter_count();
    if wanted != params.len() {
        return Err(rusqlite::Error::InvalidParameterCount(params.len(), wanted));
    }
    for (place, param) in params.iter().enumerate() {
        prepared.raw_bind_parameter(place + 1, Bound(param.to_scalar()))?;
    }
    Ok(())
}

fn scalar(value: ValueRef<'_>, statement: &Statement) -> Result<Scalar> {
    Ok(match value {
        ValueRef::Null => Scalar::Null,
        ValueRef::Integer(i) => Scalar::Int(i),
        ValueRef::Text(t) => Scalar::Text(
            str::from_utf8(t).map_err(|_| Error::broken(format!("text that is not UTF-8 at {}", statement.place())))?.to_owned(),
        ),
        ValueRef::Blob(b) => Scalar::Bytes(b.to_vec()),
        ValueRef::Real(_) => return Err(Error::broken(format!("a floating number at {}; sums need a CAST to BIGINT", statement.place()))),
    })
}

/// Ends the write-ahead log of a file that nobody has open, so that the file alone is the whole database.
pub(crate) fn compact(path: &Path) -> Result<()> {
    let raw = open_raw(path, Durability::Relaxed, Access::Write)?;
    raw.execute_batch("PRAGMA wal_checkpoint(TRUNCATE); PRAGMA journal_mode = DELETE")
        .map_err(|e| Error::Unavailable(format!("cannot close {}: {e}", path.display())))
}

/// Commits one row at a time for `length` with the driver alone (see [`crate::probe`]).
pub(crate) fn raw_commits(
    path: &Path,
    durability: Durability,
    (make, unmake, body): (&str, &str, &str),
    length: Duration,
) -> Result<crate::probe::RawCommits> {
    let fault = |e: rusqlite::Error| Error::Broken(Box::new(e));
    let raw = open_raw(path, durability, Access::Write)?;
    raw.execute_batch(&format!("{unmake}; {make}")).map_err(fault)?;
    let mut insert = raw.prepare("INSERT INTO yunshi_probe (id, body) VALUES (?1, ?2)").map_err(fault)?;
    let (begun, mut latencies) = (Instant::now(), Vec::new());
    for id in 0_i64.. {
        if begun.elapsed() >= length {
            break;
        }
        let started = Instant::now();
        insert.execute((id, body)).map_err(fault)?;
        latencies.push(started.elapsed());
    }
    let took = begun.elapsed();
    drop(insert);
    raw.execute_batch(unmake).map_err(fault)?;
    Ok(crate::probe::RawCommits { took, latencies })
}
