//! What an engine can do at most: the limits that measurements stand beside.
//!
//! Left out: everything that a market needs. Nothing here is on the way of a request.

use std::str::FromStr;
use std::time::{Duration, Instant};

use tokio_postgres::{Client, Config, NoTls};

use crate::{Error, Location, Options, Result};

/// A table that nobody else uses; it is gone afterwards.
const MAKE: &str = "CREATE TABLE yunshi_probe (id BIGINT PRIMARY KEY, body TEXT NOT NULL)";
const UNMAKE: &str = "DROP TABLE IF EXISTS yunshi_probe";
const BODY: &str = "one small row, and a commit of its own that waits for the disk";
/// Ids of one client are this far from the next client's.
const IDS_OF_A_CLIENT: i64 = 1 << 40;

/// Commits of one row each.
#[derive(Clone, Debug)]
pub struct RawCommits {
    /// How long it took.
    pub took: Duration,
    /// How long each commit took.
    pub latencies: Vec<Duration>,
}

/// Commits one row at a time for `length` with the driver alone: on PostgreSQL `clients` connections beside each other, on SQLite the one
/// writer that a file can have. As durable as the database is opened ([`crate::Durability`]).
///
/// # Errors
/// [`Error::Unavailable`] when the database does not answer, [`Error::Broken`] when it refuses.
pub async fn raw_commits(options: &Options, clients: usize, length: Duration) -> Result<RawCommits> {
    match &options.location {
        Location::Sqlite(path) => {
            let (path, durability) = (path.clone(), options.durability);
            let commits = move || crate::sqlite::raw_commits(&path, durability, (MAKE, UNMAKE, BODY), length);
            tokio::task::spawn_blocking(commits).await.map_err(|e| Error::broken(e.to_string()))?
        }
        Location::Postgres(url) => on_postgres(url, clients, length).await,
    }
}

#[allow(clippy::needless_pass_by_value, reason = "for map_err")]
fn fault(error: tokio_postgres::Error) -> Error {
    crate::postgres::error(&error, None)
}

/// A connection that waits for the disk at every commit.
async fn connect(url: &str) -> Result<Client> {
    let config = Config::from_str(url).map_err(|e| Error::Unavailable(e.to_string()))?;
    let (client, connection) = config.connect(NoTls).await.map_err(fault)?;
    tokio::spawn(connection);
    client.batch_execute("SET synchronous_commit = on").await.map_err(fault)?;
    Ok(client)
}

async fn on_postgres(url: &str, clients: usize, length: Duration) -> Result<RawCommits> {
    let keeper = connect(url).await?;
    keeper.batch_execute(UNMAKE).await.map_err(fault)?;
    keeper.batch_execute(MAKE).await.map_err(fault)?;
    let mut connections = Vec::new();
    for _ in 0..clients {
        let client = connect(url).await?;
        let insert = client.prepare("INSERT INTO yunshi_probe (id, body) VALUES ($1, $2)").await.map_err(fault)?;
        connections.push((client, insert));
    }
    let begun = Instant::now();
    let mut running = Vec::new();
    for ((client, insert), nth) in connections.into_iter().zip(0..) {
        running.push(tokio::spawn(async move {
            let mut latencies = Vec::new();
            let mut id = nth * IDS_OF_A_CLIENT;
            while begun.elapsed() < length {
                let started = Instant::now();
                client.execute(&insert, &[&id, &BODY]).await.map_err(fault)?;
                latencies.push(started.elapsed());
                id += 1;
            }
            Ok::<_, Error>(latencies)
        }));
    }
    let mut latencies = Vec::new();
    for client in running {
        latencies.extend(client.await.map_err(|e| Error::broken(e.to_string()))??);
    }
    let took = begun.elapsed();
    keeper.batch_execute(UNMAKE).await.map_err(fault)?;
    Ok(RawCommits { took, latencies })
}

/// What of an engine's settings decides how hard a commit lasts, as name and value: PostgreSQL's server may be set not to flush at all.
///
/// # Errors
/// [`Error::Unavailable`] when the database does not answer.
pub async fn durability_facts(options: &Options) -> Result<Vec<(String, String)>> {
    let Location::Postgres(url) = &options.location else {
        return Ok(vec![("sqlite".to_owned(), rusqlite::version().to_owned()), ("synchronous".to_owned(), "full".to_owned())]);
    };
    let client = connect(url).await?;
    let select = "SELECT name, setting FROM pg_settings
                  WHERE name IN ('server_version', 'fsync', 'synchronous_commit', 'full_page_writes') ORDER BY name";
    let rows = client.query(select, &[]).await.map_err(fault)?;
    rows.iter().map(|row| Ok((row.try_get(0).map_err(fault)?, row.try_get(1).map_err(fault)?))).collect()
}
