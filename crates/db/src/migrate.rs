//! The schema: numbered migrations, each one portable text, applied in order under a lock.
//!
//! Invariants: two processes that start together apply each migration once; a schema newer than the program, or one whose past differs
//! from the program's, is refused before anything is touched.

use kernel::{FromScalar, Scalar};

use crate::{Backend, Db, Engine, Error, Result, Statement, Tx, postgres, sqlite};

/// One step of the schema. Its text never changes once released.
#[derive(Clone, Copy, Debug)]
pub struct Migration {
    /// Counts from 1 without gaps.
    pub version: i64,
    /// What it is about, for people.
    pub name: &'static str,
    /// Portable SQL: TEXT, BIGINT, BYTEA; statements end with `;` at the end of a line.
    pub text: &'static str,
}

/// Where the schema stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MigrationState {
    /// The version before.
    pub from: i64,
    /// The version now.
    pub to: i64,
}

const HISTORY: &str = "CREATE TABLE IF NOT EXISTS schema_history (version BIGINT PRIMARY KEY, name TEXT NOT NULL, digest BIGINT NOT NULL)";

/// The table that PostgreSQL's writers lock (see [`crate::Db::write_snapshot`]); it never has a row.
const WRITE_GATE: &str = "CREATE TABLE IF NOT EXISTS write_gate (id BIGINT PRIMARY KEY)";

impl Db {
    /// Brings the schema up to the last of `migrations`.
    ///
    /// # Errors
    /// [`Error::Unavailable`] with what to do when the schema is newer than this program or has another past; or why a step failed, with
    /// nothing of it left behind.
    pub async fn migrate(&self, migrations: &'static [Migration]) -> Result<MigrationState> {
        match &self.0.backend {
            Backend::Sqlite(sqlite) => sqlite.exclusively(move |raw| bring_up(raw, migrations)).await,
            Backend::Postgres(server) => {
                server.exclusively(async move |client: &postgres::Client| bring_up_server(client, migrations).await).await
            }
        }
    }

    /// Says whether the schema is the one of `migrations`, without touching it.
    ///
    /// # Errors
    /// As [`Db::migrate`]; [`Error::Unavailable`] when the schema is older and must be migrated.
    pub async fn check_schema(&self, migrations: &'static [Migration]) -> Result<()> {
        let state = self.schema(migrations).await?;
        if state.from == state.to {
            return Ok(());
        }
        Err(Error::Unavailable(format!("the schema is at version {}, this program needs {}; run yunshi migrate", state.from, state.to)))
    }
}

impl Db {
    /// Where the schema stands, and where `migrations` would bring it; nothing is touched.
    ///
    /// # Errors
    /// As [`Db::migrate`]; [`Error::Unavailable`] when there is no schema.
    pub async fn schema(&self, migrations: &'static [Migration]) -> Result<MigrationState> {
        static HISTORY_ROWS: Statement = Statement::new(APPLIED, file!(), line!());
        let applied: Vec<(i64, i64)> = self.read(async |tx| tx.all(&HISTORY_ROWS, &[]).await).await.map_err(|error| match error {
            // There is no such table.
            Error::Broken(_) => Error::Unavailable("the database has no schema yet; run yunshi migrate".to_owned()),
            other => other,
        })?;
        Ok(plan(&applied, migrations)?.0)
    }
}

/// The migrations that a database has seen, oldest first.
pub(crate) const APPLIED: &str = "SELECT version, digest FROM schema_history ORDER BY version";

/// Brings a SQLite database up to the last of `migrations`, in the transaction that is open on it.
pub(crate) fn bring_up(raw: &rusqlite::Connection, migrations: &'static [Migration]) -> Result<MigrationState> {
    let broken = |e: rusqlite::Error| Error::Broken(Box::new(e));
    raw.execute_batch(&for_sqlite(HISTORY)).map_err(broken)?;
    let mut query = raw.prepare(APPLIED).map_err(broken)?;
    let applied: Vec<(i64, i64)> = query.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).and_then(Iterator::collect).map_err(broken)?;
    let (state, steps) = plan(&applied, migrations)?;
    for step in steps {
        for statement in statements(step.text) {
            raw.execute_batch(&for_sqlite(&statement)).map_err(|e| failed(step, &statement, &e.to_string()))?;
        }
        raw.execute("INSERT INTO schema_history (version, name, digest) VALUES (?1, ?2, ?3)", (step.version, step.name, digest(step.text)))
            .map_err(broken)?;
    }
    Ok(state)
}

/// Brings a PostgreSQL database up to the last of `migrations`, in the transaction that is open on it.
pub(crate) async fn bring_up_server(client: &postgres::Client, migrations: &'static [Migration]) -> Result<MigrationState> {
    let broken = |e: tokio_postgres::Error| postgres::error(&e, None);
    client.batch_execute(HISTORY).await.map_err(broken)?;
    client.batch_execute(WRITE_GATE).await.map_err(broken)?;
    let rows = client.query(APPLIED, &[]).await.map_err(broken)?;
    let applied: Vec<(i64, i64)> = rows.iter().map(|row| (row.get(0), row.get(1))).collect();
    let (state, steps) = plan(&applied, migrations)?;
    for step in steps {
        for statement in statements(step.text) {
            client
                .batch_execute(&for_postgres(&statement))
                .await
                .map_err(|e| failed(step, &statement, &postgres::error(&e, None).to_string()))?;
        }
        client
            .execute(
                "INSERT INTO schema_history (version, name, digest) VALUES ($1, $2, $3)",
                &[&step.version, &step.name, &digest(step.text)],
            )
            .await
            .map_err(broken)?;
    }
    Ok(state)
}

impl Tx {
    /// Checks that the engine understands `statement`, without running it.
    ///
    /// # Errors
    /// What the engine says against it.
    pub async fn prepare_only(&mut self, statement: &'static Statement) -> Result<()> {
        match &self.connection {
            crate::tx::Connection::Sqlite(session) => sqlite::check(session, statement),
            crate::tx::Connection::Postgres(session) => session.check(statement).await,
        }
    }

    /// Runs one statement that is not part of the program: for inspection tools and tests that tamper with the data.
    ///
    /// # Errors
    /// As [`Tx::execute`].
    pub async fn run_text(&mut self, text: &str) -> Result<Vec<String>> {
        // Leaked on purpose: a registered statement lives as long as the program, and tools run a handful of these.
        let statement: &'static Statement = Box::leak(Box::new(Statement::new(Box::leak(text.to_owned().into_boxed_str()), "run_text", 0)));
        let mut rows = self.rows(statement, &[]).await?;
        rows.iter_mut().map(|row| row.take::<Scalar>().and_then(text_of)).collect()
    }
}

fn text_of(scalar: Scalar) -> Result<String> {
    Ok(match scalar {
        Scalar::Null => String::new(),
        Scalar::Int(i) => i.to_string(),
        other => String::from_scalar(other)?,
    })
}

pub(crate) fn plan(applied: &[(i64, i64)], migrations: &'static [Migration]) -> Result<(MigrationState, &'static [Migration])> {
    let from = applied.last().map_or(0, |(version, _)| *version);
    let to = migrations.last().map_or(0, |m| m.version);
    if from > to {
        return Err(Error::Unavailable(format!(
            "the database's schema is at version {from}, newer than this program's {to}; use the newer program, or restore the backup from before its upgrade"
        )));
    }
    for (known, (version, digest_then)) in migrations.iter().zip(applied) {
        if known.version != *version || digest(known.text) != *digest_then {
            return Err(Error::Unavailable(format!(
                "migration {} ({}) of this database is not the one this program knows; it was made by another build",
                known.version, known.name
            )));
        }
    }
    Ok((MigrationState { from, to }, &migrations[applied.len()..]))
}

fn failed(step: &Migration, statement: &str, why: &str) -> Error {
    let first_line = statement.lines().next().unwrap_or_default();
    Error::Unavailable(format!(
        "migration {} ({}) failed at {first_line:?}: {why}; the schema is as it was before",
        step.version, step.name
    ))
}

/// The statements of a migration, without comments.
fn statements(text: &str) -> Vec<String> {
    let code: Vec<&str> = text.lines().map(|line| line.split("--").next().unwrap_or_default().trim_end()).collect();
    code.join("\n").split(";\n").map(|s| s.trim().trim_end_matches(';').trim().to_owned()).filter(|s| !s.is_empty()).collect()
}

/// The statement in SQLite's words: its strict types, and tables keyed by text stored by that key.
fn for_sqlite(statement: &str) -> String {
    let typed = statement.replace("BIGINT", "INTEGER").replace("BYTEA", "BLOB");
    if !typed.trim_start().to_ascii_uppercase().starts_with("CREATE TABLE") {
        return typed;
    }
    let by_rowid = typed.contains("INTEGER PRIMARY KEY");
    format!("{typed} STRICT{}", if by_rowid { "" } else { ", WITHOUT ROWID" })
}

/// The statement in PostgreSQL's words: text sorts by its bytes there too, whatever the collation of the server, or paging by key would
/// differ between the engines.
fn for_postgres(statement: &str) -> String {
    if !statement.trim_start().to_ascii_uppercase().starts_with("CREATE TABLE") {
        return statement.to_owned();
    }
    statement.replace(" TEXT", " TEXT COLLATE \"C\"")
}

/// FNV-1a over the words of a text, so that a changed migration is noticed and changed white space is not.
pub(crate) fn digest(text: &str) -> i64 {
    let mut hash: u64 = 0xcbf2_9ce4_8422_2325;
    for word in text.split_whitespace() {
        for byte in word.bytes().chain([b' ']) {
            hash = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }
    hash.cast_signed()
}

/// Which word names an engine.
impl std::str::FromStr for Engine {
    type Err = String;
    fn from_str(text: &str) -> std::result::Result<Self, String> {
        match text {
            "sqlite" => Ok(Self::Sqlite),
            "postgres" => Ok(Self::Postgres),
            other => Err(format!("{other:?} is not sqlite or postgres")),
        }
    }
}
