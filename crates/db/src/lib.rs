//! The database seam: one SQL text on SQLite and PostgreSQL, one transaction a closure, jobs in the caller's transaction.
//!
//! [`Db::write`] runs a closure as one transaction, all or nothing. On SQLite the closures of many callers run one after another on the
//! one writer thread and share a commit (one fsync), and when one of them fails late, those before it run again; on PostgreSQL each is a
//! SERIALIZABLE transaction that runs again when the database asks for it. A closure therefore may run more than once and must change nothing
//! but the database. [`Db::write_snapshot`] is for the few that come by the thousand and were looked at beside each other.
//!
//! Invariants: this is the only crate that names a driver. A closure awaits nothing but its [`Tx`]. Every statement is declared with
//! [`sql!`], so that one test can PREPARE them all on both engines. A panic or an error inside a closure undoes that closure alone.

mod copy;
mod error;
pub mod jobs;
mod migrate;
mod postgres;
pub mod probe;
mod row;
pub mod scratch;
mod server;
mod sqlite;
mod statement;
mod tls;
mod tx;
mod wal;

use std::path::PathBuf;
use std::str::FromStr;
use std::sync::Arc;

use tokio::sync::Notify;

pub use copy::{Copied, Existing};
pub use error::{Error, OnConstraint, Result};
pub use migrate::{Migration, MigrationState};
pub use row::{FromRow, Row};
pub use statement::{Statement, registered};
use tx::Isolation;
pub use tx::{Engine, Tx};

#[doc(hidden)]
pub mod macro_support {
    //! What `sql!` expands to; not for use by hand.
    pub use crate::statement::Registered;
    pub use inventory;
}

/// Where the database is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Location {
    /// A SQLite file; made when missing.
    Sqlite(PathBuf),
    /// A PostgreSQL server, `postgres://user:password@host:port/name`. With `?sslmode=require` it must show a certificate that is trusted;
    /// `disable` never encrypts; `prefer`, the default, encrypts where the server can and checks no certificate.
    Postgres(String),
}

impl Location {
    /// Which engine this is.
    #[must_use]
    pub const fn engine(&self) -> Engine {
        match self {
            Self::Sqlite(_) => Engine::Sqlite,
            Self::Postgres(_) => Engine::Postgres,
        }
    }

    /// The location for people and logs: without the password.
    #[must_use]
    pub fn masked(&self) -> String {
        match self {
            Self::Sqlite(path) => format!("sqlite:{}", path.display()),
            Self::Postgres(text) => match url::Url::parse(text) {
                Ok(mut url) => {
                    if url.password().is_some() && url.set_password(Some("***")).is_err() {
                        return "postgres:***".to_owned();
                    }
                    url.set_query(None);
                    url.to_string()
                }
                Err(_) => "postgres:***".to_owned(),
            },
        }
    }
}

impl FromStr for Location {
    type Err = String;

    fn from_str(text: &str) -> std::result::Result<Self, String> {
        if text.starts_with("postgres://") || text.starts_with("postgresql://") {
            return Ok(Self::Postgres(text.to_owned()));
        }
        match text.strip_prefix("sqlite:") {
            Some(path) if !path.is_empty() => Ok(Self::Sqlite(path.trim_start_matches("//").into())),
            _ => Err("a database is named sqlite:PATH or postgres://USER:PASSWORD@HOST:PORT/NAME".to_owned()),
        }
    }
}

/// How hard a commit is made to last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Durability {
    /// An answer is given only after the data is on the disk. The only choice for a market.
    #[default]
    Full,
    /// The operating system may lose the last moments. For tests that do not test this.
    Relaxed,
}

/// What becomes of a commit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It takes place, and the caller hears of it.
    Done,
    /// It does not take place, as when the disk fails; the caller hears that.
    Lost,
    /// It takes place, but its answer is lost: the caller hears of a failure.
    Unanswered,
}

/// Asked before each commit that has something to keep, on the thread that commits.
pub type AtCommit = Arc<dyn Fn() -> Fate + Send + Sync>;

/// How to open a database.
#[derive(Clone, Debug)]
pub struct Options {
    /// Where it is.
    pub location: Location,
    /// How hard a commit is made to last.
    pub durability: Durability,
    /// Connections that read (SQLite) or do anything (PostgreSQL) at the same time.
    pub connections: usize,
    /// A PEM file with authorities by which PostgreSQL's certificate is trusted besides the public ones; naming one makes TLS a must.
    pub ca_file: Option<PathBuf>,
}

/// What the program is called at PostgreSQL; a database is not filled while one of this name is connected to it.
const APPLICATION: &str = "yunshi";

impl Options {
    /// The usual way to open `location`.
    #[must_use]
    pub const fn new(location: Location) -> Self {
        Self { location, durability: Durability::Full, connections: 8, ca_file: None }
    }
}

/// Closures that wait on one thread (SQLite), or wait and run (PostgreSQL), at most: beyond, a caller is better off trying again later. At the
/// measured 7,000 a second on one writer, the last of them begins after half a second.
const WAITING_MAX: usize = 4_096;

enum Backend {
    Sqlite(sqlite::Sqlite),
    Postgres(postgres::Postgres),
}

struct Shared {
    backend: Backend,
    location: Location,
    jobs_added: Notify,
}

/// An open database. Cheap to clone.
#[derive(Clone)]
pub struct Db(Arc<Shared>);

impl std::fmt::Debug for Db {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Db({})", self.0.location.masked())
    }
}

impl Db {
    /// Opens the database; the schema is left as it is (see [`Db::migrate`]).
    ///
    /// # Errors
    /// [`Error::Unavailable`] when the file cannot be opened or the server does not answer, with what to look at.
    pub async fn open(options: Options) -> Result<Self> {
        Self::open_with_fate(options, Arc::new(|| Fate::Done)).await
    }

    /// Opens the database so that `at_commit` decides what becomes of each commit: for those who try what follows when one is lost.
    ///
    /// # Errors
    /// As [`Db::open`].
    pub async fn open_with_fate(options: Options, at_commit: AtCommit) -> Result<Self> {
        let backend = match &options.location {
            Location::Sqlite(path) => Backend::Sqlite(sqlite::Sqlite::open(path, options.durability, options.connections, at_commit)?),
            Location::Postgres(url) => Backend::Postgres(postgres::Postgres::open(url, &options, APPLICATION, at_commit).await?),
        };
        Ok(Self(Arc::new(Shared { backend, location: options.location, jobs_added: Notify::new() })))
    }

    /// Which engine this is.
    #[must_use]
    pub fn engine(&self) -> Engine {
        self.0.location.engine()
    }

    /// Where this is.
    #[must_use]
    pub fn location(&self) -> &Location {
        &self.0.location
    }

    /// Runs `work` as one transaction: all of it or nothing, on the disk before this returns.
    ///
    /// The closure may run again (after it met another on PostgreSQL, SQLSTATE 40001; beside one that failed on SQLite), so it must change
    /// nothing but the database; it must await nothing but its [`Tx`].
    ///
    /// # Errors
    /// What the closure returned, with everything undone; or [`Error::Unavailable`] when the database cannot take it now, or too many closures
    /// wait already. A closure whose caller goes away before it begins is not begun. After an error at
    /// the moment of commit it is unknown whether the transaction took place: callers repeat with the same idempotency key.
    pub async fn write<T, F>(&self, work: F) -> Result<T>
    where
        T: Send + 'static,
        F: AsyncFn(&mut Tx) -> Result<T> + Send + 'static,
    {
        self.write_at(Isolation::Serializable, work).await
    }

    /// As [`Db::write`], beside others of this kind on PostgreSQL: each sees the database as it was when it began, and one that changes a row
    /// which another has changed since runs again. No transaction of [`Db::write`] takes place meanwhile.
    ///
    /// For use cases of which thousands run at once, and which never decide by a row that another of them writes, unless they change that row
    /// too: two that read each other's rows would both go on. A closure that finds itself in such a place says so with
    /// [`Tx::need_serializable`].
    ///
    /// # Errors
    /// As [`Db::write`].
    pub async fn write_snapshot<T, F>(&self, work: F) -> Result<T>
    where
        T: Send + 'static,
        F: AsyncFn(&mut Tx) -> Result<T> + Send + 'static,
    {
        self.write_at(Isolation::Snapshot, work).await
    }

    async fn write_at<T, F>(&self, isolation: Isolation, work: F) -> Result<T>
    where
        T: Send + 'static,
        F: AsyncFn(&mut Tx) -> Result<T> + Send + 'static,
    {
        let (value, jobs_added) = match &self.0.backend {
            Backend::Sqlite(sqlite) => sqlite.write(work).await?,
            Backend::Postgres(postgres) => postgres.write(isolation, work).await?,
        };
        if jobs_added {
            self.0.jobs_added.notify_one();
        }
        Ok(value)
    }

    /// Runs `work` on one unchanging view of the database, once; a statement that writes fails.
    ///
    /// # Errors
    /// What the closure returned, or [`Error::Unavailable`].
    pub async fn read<T, F>(&self, work: F) -> Result<T>
    where
        T: Send + 'static,
        F: AsyncFn(&mut Tx) -> Result<T> + Send + 'static,
    {
        match &self.0.backend {
            Backend::Sqlite(sqlite) => sqlite.read(work).await,
            Backend::Postgres(postgres) => postgres.read(work).await,
        }
    }

    /// Says whether the database takes changes: at once while the last change went well, otherwise by trying.
    ///
    /// # Errors
    /// [`Error::Unavailable`] with why not, such as a full disk, and what to do.
    pub async fn takes_changes(&self) -> Result<()> {
        let trouble = match &self.0.backend {
            Backend::Sqlite(sqlite) => sqlite.trouble(),
            Backend::Postgres(postgres) => postgres.trouble(),
        };
        let Some(why) = trouble else { return Ok(()) };
        // A small change may still fit where a larger one did not.
        if let Backend::Sqlite(sqlite) = &self.0.backend
            && !sqlite.has_room()
        {
            return Err(Error::Unavailable(why));
        }
        // A row that comes and goes is written all the same; an update to the same value would not be.
        self.write(async |tx| {
            tx.execute(sql!("INSERT INTO schema_history (version, name, digest) VALUES (0, '', 0)"), &[]).await?;
            tx.execute(sql!("DELETE FROM schema_history WHERE version = 0"), &[]).await.map(drop)
        })
        .await
    }

    /// Waits until a transaction of this process has enqueued a job.
    pub async fn jobs_added(&self) {
        self.0.jobs_added.notified().await;
    }

    /// Wakes whoever waits in [`Db::jobs_added`].
    pub fn nudge(&self) {
        self.0.jobs_added.notify_one();
    }
}
