//! PostgreSQL: closures run on a few threads of their own, each as a transaction that is repeated when the server asks.
//!
//! There are two kinds of writers, and never both at once: each takes the lock of its kind on an empty table before its view is taken, and
//! the two kinds exclude each other. Serializable ones run beside each other as PostgreSQL's SERIALIZABLE permits. Snapshot ones run beside
//! each other at REPEATABLE READ. So whoever writes at a snapshot needs to be looked at beside the other snapshot writers only.

use std::error::Error as _;
use std::panic::AssertUnwindSafe;
use std::rc::Rc;
use std::str::FromStr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use deadpool_postgres::{Manager, ManagerConfig, Object, Pool, RecyclingMethod, Runtime};
use futures_util::FutureExt;
use futures_util::future::{LocalBoxFuture, join, join_all};
use kernel::{Scalar, ToScalar};
use tokio::sync::{RwLock, Semaphore, mpsc, oneshot};
use tokio_postgres::Config;
use tokio_postgres::types::private::BytesMut;
use tokio_postgres::types::{IsNull, ToSql, Type};

use crate::sqlite::panic_text;
use crate::tls;
use crate::tx::{Connection, Isolation};
use crate::{AtCommit, Durability, Error, Fate, Options, Result, Row, Statement, Tx, WAITING_MAX};

/// A connection taken from the pool.
pub(crate) type Client = Object;

/// Threads that run closures. The futures of closures stay on the thread they began on, so they need not be `Send`.
const THREADS: usize = 2;
/// How often a transaction that met another one is tried.
const TRIES_MAX: u32 = 24;
/// After so many tries a transaction runs alone in this process: many that meet all the time would only undo each other.
const TRIES_TOGETHER_MAX: u32 = 3;
/// How long a closure waits for a free connection.
const POOL_WAIT: Duration = Duration::from_secs(20);

/// What is said when the server's disk is full.
const DISK_FULL: &str = "the database server's disk is full; free some space there, nothing was changed";

/// How a transaction begins. `LOCK` is no query: the view of the transaction is taken after it, by its first statement.
const SERIALIZABLE: &str = "BEGIN ISOLATION LEVEL SERIALIZABLE; LOCK TABLE write_gate IN SHARE MODE";
/// This lock excludes those who hold the one of [`SERIALIZABLE`], and nobody else.
const SNAPSHOT: &str = "BEGIN ISOLATION LEVEL REPEATABLE READ; LOCK TABLE write_gate IN ROW EXCLUSIVE MODE";
/// A view.
const VIEW: &str = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";

type Task = Box<dyn FnOnce(Pool) -> LocalBoxFuture<'static, ()> + Send>;

pub(crate) struct Postgres {
    threads: Vec<mpsc::UnboundedSender<Task>>,
    turn: AtomicUsize,
    /// Whether the last attempt to write found the server's disk full.
    is_full: AtomicBool,
    at_commit: AtCommit,
    /// One for each closure that waits or runs.
    places: Arc<Semaphore>,
    /// Held by every transaction together with the others, and by one that has met others too often alone.
    company: Arc<RwLock<()>>,
}

impl Postgres {
    pub(crate) async fn open(url: &str, options: &Options, application: &str, at_commit: AtCommit) -> Result<Self> {
        let mut config =
            Config::from_str(url).map_err(|e| Error::Unavailable(format!("the PostgreSQL address is wrong: {}", chain(&e))))?;
        config.application_name(application).connect_timeout(Duration::from_secs(10));
        let tls = tls::connector(&mut config, options.ca_file.as_deref())?;
        let synchronous_commit = match options.durability {
            Durability::Full => "on",
            Durability::Relaxed => "off",
        };
        let own = format!(
            "-c statement_timeout=60s -c idle_in_transaction_session_timeout=60s -c synchronous_commit={synchronous_commit} -c timezone=UTC"
        );
        let settings = config.get_options().map_or_else(|| own.clone(), |given| format!("{given} {own}"));
        config.options(settings);
        let manager = Manager::from_config(config, tls, ManagerConfig { recycling_method: RecyclingMethod::Fast });
        let pool = Pool::builder(manager)
            .max_size(options.connections.max(2))
            .wait_timeout(Some(POOL_WAIT))
            .runtime(Runtime::Tokio1)
            .build()
            .map_err(|e| Error::Unavailable(e.to_string()))?;
        let mut threads = Vec::new();
        for n in 0..THREADS {
            let (sender, mut tasks) = mpsc::unbounded_channel::<Task>();
            let pool = pool.clone();
            let runtime =
                tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(|e| Error::Unavailable(e.to_string()))?;
            std::thread::Builder::new()
                .name(format!("yunshi-db-{n}"))
                .spawn(move || {
                    let local = tokio::task::LocalSet::new();
                    local.block_on(&runtime, async move {
                        while let Some(task) = tasks.recv().await {
                            tokio::task::spawn_local(task(pool.clone()));
                        }
                    });
                    // The connections of this thread live on its runtime: closures still under way elsewhere get their answer first.
                    runtime.block_on(local);
                })
                .map_err(|e| Error::Unavailable(e.to_string()))?;
            threads.push(sender);
        }
        let (is_full, places) = (AtomicBool::new(false), Arc::new(Semaphore::new(WAITING_MAX)));
        let postgres = Self { threads, turn: AtomicUsize::new(0), is_full, at_commit, places, company: Arc::default() };
        postgres.read(async |_tx| Ok(())).await?;
        Ok(postgres)
    }

    pub(crate) async fn on_a_thread<T, F>(&self, run: F) -> Result<T>
    where
        T: Send + 'static,
        F: FnOnce(Pool) -> LocalBoxFuture<'static, Result<T>> + Send + 'static,
    {
        let place = self.places.clone().try_acquire_owned().map_err(|_| Error::overloaded())?;
        let (reply, answer) = oneshot::channel();
        let task: Task = Box::new(move |pool| {
            Box::pin(async move {
                let _place = place;
                if reply.is_closed() {
                    return;
                }
                // The caller may have gone away; the transaction stands all the same.
                let _ = reply.send(run(pool).await);
            })
        });
        let turn = self.turn.fetch_add(1, Ordering::Relaxed) % self.threads.len();
        self.threads[turn].send(task).map_err(|_| thread_gone())?;
        answer.await.map_err(|_| thread_gone())?
    }

    pub(crate) async fn write<T, F>(&self, isolation: Isolation, work: F) -> Result<(T, bool)>
    where
        T: Send + 'static,
        F: AsyncFn(&mut Tx) -> Result<T> + Send + 'static,
    {
        let written = self.write_once(isolation, work).await;
        match &written {
            Ok(_) => self.is_full.store(false, Ordering::Relaxed),
            Err(Error::Unavailable(why)) if why == DISK_FULL => self.is_full.store(true, Ordering::Relaxed),
            Err(_) => {}
        }
        written
    }

    /// Why nothing could be written the last time; none when it could. A server that does not answer shows by itself.
    pub(crate) fn trouble(&self) -> Option<String> {
        self.is_full.load(Ordering::Relaxed).then(|| DISK_FULL.to_owned())
    }

    async fn write_once<T, F>(&self, isolation: Isolation, work: F) -> Result<(T, bool)>
    where
        T: Send + 'static,
        F: AsyncFn(&mut Tx) -> Result<T> + Send + 'static,
    {
        let (at_commit, company) = (self.at_commit.clone(), self.company.clone());
        self.on_a_thread(move |pool| {
            Box::pin(async move {
                let mut begin = match isolation {
                    Isolation::Serializable => SERIALIZABLE,
                    Isolation::Snapshot => SNAPSHOT,
                };
                let mut tries = 0;
                loop {
                    let outcome = if tries < TRIES_TOGETHER_MAX {
                        let _together = company.read().await;
                        once(&pool, begin, End::Commit(&*at_commit), &work).await
                    } else {
                        let _alone = company.write().await;
                        once(&pool, begin, End::Commit(&*at_commit), &work).await
                    };
                    match outcome {
                        Err(Error::NeedsSerializable) if begin == SNAPSHOT => {
                            begin = SERIALIZABLE;
                            continue;
                        }
                        Err(Error::Again) if tries < TRIES_MAX => tries += 1,
                        Err(Error::Again) => {
                            return Err(Error::Unavailable("too many transactions met at the same rows; try again".to_owned()));
                        }
                        other => return other,
                    }
                    tokio::time::sleep(pause(tries)).await;
                }
            })
        })
        .await
    }

    pub(crate) async fn read<T, F>(&self, work: F) -> Result<T>
    where
        T: Send + 'static,
        F: AsyncFn(&mut Tx) -> Result<T> + Send + 'static,
    {
        self.on_a_thread(move |pool| {
            Box::pin(async move {
                let (value, _) = once(&pool, VIEW, End::Rollback, &work).await?;
                Ok(value)
            })
        })
        .await
    }

    /// Runs `change` while no other process migrates this database.
    pub(crate) async fn exclusively<T, F>(&self, change: F) -> Result<T>
    where
        T: Send + 'static,
        F: AsyncFn(&Client) -> Result<T> + Send + 'static,
    {
        /// Any number will do, as long as every version of the product uses the same.
        const LOCK: i64 = 0x59_75_6e_73_68_69;
        self.on_a_thread(move |pool| {
            Box::pin(async move {
                let client = connect(&pool).await?;
                client
                    .batch_execute(&format!("SET statement_timeout = 0; SELECT pg_advisory_lock({LOCK}); BEGIN"))
                    .await
                    .map_err(|e| error(&e, None))?;
                let outcome = change(&client).await;
                let end = if outcome.is_ok() { "COMMIT" } else { "ROLLBACK" };
                let ended = client.batch_execute(&format!("{end}; SELECT pg_advisory_unlock({LOCK})")).await;
                // The session's settings were changed: it does not go back to the pool.
                drop(Object::take(client));
                let value = outcome?;
                ended.map_err(|e| error(&e, None))?;
                Ok(value)
            })
        })
        .await
    }
}

fn thread_gone() -> Error {
    Error::Unavailable("the database thread has ended".to_owned())
}

/// The pause before the next try: grows, and differs between threads so that two that met do not meet again.
fn pause(tries: u32) -> Duration {
    let jitter = u64::from(std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).map_or(0, |d| d.subsec_nanos()) % 1000);
    let base = u64::from(tries.min(12));
    Duration::from_micros(base * base * 400 + jitter * base)
}

pub(crate) async fn connect(pool: &Pool) -> Result<Client> {
    pool.get().await.map_err(|e| match tls::refusal(&e) {
        Some(why @ rustls::Error::InvalidCertificate(_)) => Error::Unavailable(format!(
            "the certificate of the PostgreSQL server is not trusted: {why}; name its authority in database_ca_file, and in the address the host that it is for"
        )),
        _ => Error::Unavailable(format!("PostgreSQL does not answer: {}", chain(&e))),
    })
}

async fn once<T, F>(pool: &Pool, begin: &'static str, end: End<'_>, work: &F) -> Result<(T, bool)>
where
    F: AsyncFn(&mut Tx) -> Result<T>,
{
    let client = Rc::new(connect(pool).await?);
    let session = Session { client: client.clone(), queued: vec![Queued::Begin(begin)] };
    let mut tx = Tx::new(Connection::Postgres(session), if begin == SNAPSHOT { Isolation::Snapshot } else { Isolation::Serializable });
    let outcome = match AssertUnwindSafe(work(&mut tx)).catch_unwind().await {
        Ok(result) => result,
        Err(panic) => Err(Error::broken(format!("a transaction's closure panicked: {}", panic_text(&*panic)))),
    };
    let jobs_added = tx.jobs_added;
    let Connection::Postgres(session) = tx.connection else { return Err(Error::broken("a transaction changed its engine")) };
    match outcome {
        Ok(value) => {
            match end {
                End::Commit(at_commit) => session.commit(at_commit).await?,
                End::Rollback => session.leave().await?,
            }
            Ok((value, jobs_added))
        }
        Err(why) => {
            let begun = session.begun();
            drop(session);
            if begun && client.batch_execute("ROLLBACK").await.is_err() {
                // A connection that cannot roll back is of no more use to anybody.
                if let Ok(object) = Rc::try_unwrap(client) {
                    drop(Object::take(object));
                }
            }
            Err(why)
        }
    }
}

/// How a transaction ends whose closure went well.
#[derive(Clone, Copy)]
enum End<'a> {
    Commit(&'a dyn Fn() -> Fate),
    Rollback,
}

/// Statements that are sent together at most: more would only wait in the driver.
const QUEUE_MAX: usize = 24;

/// A connection in a transaction, and what is still to be sent on it. Waiting for an answer is what a statement costs most; those that nobody
/// waits for are sent along with the next one, in their order.
pub(crate) struct Session {
    client: Rc<Client>,
    queued: Vec<Queued>,
}

enum Queued {
    Begin(&'static str),
    Statement(Ready, Wanted),
}

/// What a statement that nobody waits for must do.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wanted {
    /// Not fail.
    Anything,
    /// Change a row.
    AChange,
}

/// A statement with its parameters.
struct Ready {
    prepared: tokio_postgres::Statement,
    bound: Vec<Bound>,
    statement: &'static Statement,
}

impl Ready {
    fn refs(&self) -> Vec<&(dyn ToSql + Sync)> {
        self.bound.iter().map(|b| b as &(dyn ToSql + Sync)).collect()
    }

    async fn execute(&self, client: &Client) -> Result<u64> {
        client.execute(&self.prepared, &self.refs()).await.map_err(|e| error(&e, Some(self.statement)))
    }
}

impl Queued {
    async fn send(&self, client: &Client) -> Result<()> {
        match self {
            Self::Begin(begin) => client.batch_execute(begin).await.map_err(|e| error(&e, None)),
            Self::Statement(ready, wanted) => match (ready.execute(client).await?, wanted) {
                (0, Wanted::AChange) => Err(Error::Again),
                _ => Ok(()),
            },
        }
    }
}

impl Session {
    /// Whether the server knows of the transaction.
    fn begun(&self) -> bool {
        !matches!(self.queued.first(), Some(Queued::Begin(_)))
    }

    async fn ready(&self, statement: &'static Statement, params: &[&dyn ToScalar]) -> Result<Ready> {
        let prepared = self.client.prepare_cached(statement.text()).await.map_err(|e| error(&e, Some(statement)))?;
        Ok(Ready { prepared, bound: params.iter().map(|p| Bound(p.to_scalar())).collect(), statement })
    }

    /// Sends what is queued and then `last`, without waiting between; what `last` gives, or the first error of all.
    async fn send<T>(&mut self, last: impl Future<Output = Result<T>>) -> Result<T> {
        let queued = std::mem::take(&mut self.queued);
        let sent = join_all(queued.iter().map(|one| one.send(&self.client)));
        // Whichever is polled first speaks first.
        let (sent, last) = join(sent, last).await;
        sent.into_iter().collect::<Result<()>>()?;
        last
    }

    pub(crate) async fn execute(&mut self, statement: &'static Statement, params: &[&dyn ToScalar]) -> Result<u64> {
        let (ready, client) = (self.ready(statement, params).await?, self.client.clone());
        self.send(ready.execute(&client)).await
    }

    pub(crate) async fn rows(&mut self, statement: &'static Statement, params: &[&dyn ToScalar]) -> Result<Vec<Row>> {
        let (ready, client) = (self.ready(statement, params).await?, self.client.clone());
        let ask = async { client.query(&ready.prepared, &ready.refs()).await.map_err(|e| error(&e, Some(statement))) };
        let rows = self.send(ask).await?;
        rows.iter().map(|row| (0..row.len()).map(|column| scalar(row, column, statement)).collect::<Result<_>>().map(Row::new)).collect()
    }

    /// Sends a statement along with the next.
    pub(crate) async fn defer(&mut self, statement: &'static Statement, params: &[&dyn ToScalar], wanted: Wanted) -> Result<()> {
        let ready = self.ready(statement, params).await?;
        self.queued.push(Queued::Statement(ready, wanted));
        if self.queued.len() < QUEUE_MAX { Ok(()) } else { self.send(async { Ok(()) }).await }
    }

    async fn commit(mut self, at_commit: &dyn Fn() -> Fate) -> Result<()> {
        if !self.begun() && self.queued.len() == 1 {
            return Ok(());
        }
        let fate = at_commit();
        if fate == Fate::Lost {
            if self.begun() {
                self.client.batch_execute("ROLLBACK").await.map_err(|e| error(&e, None))?;
            }
            return Err(Error::lost_commit());
        }
        // The server undoes everything when one of the queued statements fails; whether one changed a row only we know.
        let client = self.client.clone();
        let looked_at = self.queued.iter().any(|one| matches!(one, Queued::Statement(_, Wanted::AChange)));
        if looked_at && let Err(why) = self.send(async { Ok(()) }).await {
            let _ = client.batch_execute("ROLLBACK").await;
            return Err(why);
        }
        self.send(async { client.batch_execute("COMMIT").await.map_err(|e| error(&e, None)) }).await?;
        if fate == Fate::Unanswered { Err(Error::lost_commit()) } else { Ok(()) }
    }

    /// Ends a view.
    async fn leave(mut self) -> Result<()> {
        let mut sent = Ok(());
        if self.queued.iter().any(|one| matches!(one, Queued::Statement(..))) {
            // What is deferred to a view can only write: the server says that it may not.
            sent = self.send(async { Ok(()) }).await;
        }
        if self.begun() {
            // Nobody waits for this: whoever is given the connection next speaks after it.
            let _ = self.client.batch_execute("ROLLBACK").now_or_never();
        }
        sent
    }

    /// Prepares a statement's text, for the test of the registry.
    pub(crate) async fn check(&self, statement: &'static Statement) -> Result<()> {
        self.client.prepare(statement.text()).await.map(drop).map_err(|e| error(&e, Some(statement)))
    }
}

fn scalar(row: &tokio_postgres::Row, column: usize, statement: &Statement) -> Result<Scalar> {
    let kind = row.columns()[column].type_();
    let read = match *kind {
        Type::INT8 => row.try_get::<_, Option<i64>>(column).map(|v| v.map_or(Scalar::Null, Scalar::Int)),
        Type::INT4 => row.try_get::<_, Option<i32>>(column).map(|v| v.map_or(Scalar::Null, |i| Scalar::Int(i.into()))),
        Type::TEXT | Type::VARCHAR | Type::NAME => row.try_get::<_, Option<String>>(column).map(|v| v.map_or(Scalar::Null, Scalar::Text)),
        Type::BYTEA => row.try_get::<_, Option<Vec<u8>>>(column).map(|v| v.map_or(Scalar::Null, Scalar::Bytes)),
        _ => return Err(Error::broken(format!("a column of the type {kind} at {}; sums need a CAST to BIGINT", statement.place()))),
    };
    read.map_err(|e| Error::Broken(Box::new(e)))
}

#[derive(Debug)]
pub(crate) struct Bound(pub(crate) Scalar);

impl ToSql for Bound {
    fn to_sql(&self, kind: &Type, out: &mut BytesMut) -> std::result::Result<IsNull, Box<dyn std::error::Error + Sync + Send>> {
        match (&self.0, kind) {
            (Scalar::Null, _) => Ok(IsNull::Yes),
            (Scalar::Int(i), &Type::INT8) => i.to_sql(kind, out),
            (Scalar::Int(i), &Type::INT4) => i32::try_from(*i)?.to_sql(kind, out),
            (Scalar::Text(t), _) if <&str as ToSql>::accepts(kind) => t.as_str().to_sql(kind, out),
            (Scalar::Bytes(b), &Type::BYTEA) => b.as_slice().to_sql(kind, out),
            (value, _) => Err(format!("{value:?} is bound where the statement wants {kind}").into()),
        }
    }

    fn accepts(_: &Type) -> bool {
        true
    }

    tokio_postgres::types::to_sql_checked!();
}

fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}

pub(crate) fn error(error: &tokio_postgres::Error, statement: Option<&Statement>) -> Error {
    let Some(said) = error.as_db_error() else {
        let gone = error.is_closed() || error.source().and_then(|s| s.downcast_ref::<std::io::Error>()).is_some();
        let place = statement.map_or_else(String::new, |s| format!(" (statement at {})", s.place()));
        let text = format!("{}{place}", chain(error));
        return if gone { Error::Unavailable(text) } else { Error::broken(text) };
    };
    let code = said.code().code();
    match code {
        "40001" | "40P01" => Error::Again,
        // Two transactions that make the same row at the same moment: the second run finds the row of the first.
        "23505" if said.constraint().is_some_and(|name| name.ends_with("_once")) => Error::Again,
        "23505" | "23514" | "23503" | "23502" => Error::Constraint(said.constraint().or(said.column()).unwrap_or("unnamed").to_owned()),
        "53100" => Error::Unavailable(DISK_FULL.to_owned()),
        "57014" => Error::Unavailable("a statement took too long and was stopped; nothing was changed".to_owned()),
        _ if ["08", "53", "57", "58"].contains(&&code[..2]) => Error::Unavailable(said.message().to_owned()),
        _ => {
            let place = statement.map_or_else(String::new, |s| format!(" (statement at {})", s.place()));
            Error::broken(format!("{}{place} [{code}]", said.message()))
        }
    }
}
