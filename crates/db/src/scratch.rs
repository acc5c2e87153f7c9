//! Databases that live for one test or one measurement: migrated once into a template, copied for each, removed at the end.
//!
//! The engine comes from `YUNSHI_TEST_ENGINE` (`sqlite`, the default, or `postgres`), the PostgreSQL server from `YUNSHI_TEST_DATABASE_URL`.

use std::path::{Path, PathBuf};
use std::str::FromStr;

use tokio_postgres::{Config, NoTls};

use crate::{Db, Durability, Engine, Error, Location, Migration, Options, Result};

/// A database of one test. Removed when dropped.
#[derive(Debug)]
pub struct Scratch {
    /// How to open it.
    pub options: Options,
    remove: Remove,
}

#[derive(Debug)]
enum Remove {
    Folder(tempfile::TempDir),
    Database { server: String, name: String },
}

impl Scratch {
    /// A database of the engine the tests run on, with the schema of `migrations`.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when the server of the tests does not answer or a file cannot be made.
    pub async fn new(migrations: &'static [Migration]) -> Result<Self> {
        match std::env::var("YUNSHI_TEST_ENGINE").as_deref().unwrap_or("sqlite").parse::<Engine>().map_err(Error::Unavailable)? {
            Engine::Sqlite => Self::in_folder(&std::env::temp_dir(), migrations).await,
            Engine::Postgres => {
                let server = std::env::var("YUNSHI_TEST_DATABASE_URL").map_err(|_| {
                    Error::Unavailable("YUNSHI_TEST_DATABASE_URL names no server; run the tests with cargo xtask test".to_owned())
                })?;
                Self::on_server(server, migrations).await
            }
        }
    }

    /// A SQLite database in a folder of its own under `folder`, with the schema of `migrations`. Durability is relaxed; who measures sets it.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when a file cannot be made.
    pub async fn in_folder(folder: &Path, migrations: &'static [Migration]) -> Result<Self> {
        sqlite(folder, migrations).await
    }

    /// A database of its own on the PostgreSQL server of the URL `server`, with the schema of `migrations`. Durability is relaxed; who measures
    /// sets it.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when the server does not answer or does not let a database be made.
    pub async fn on_server(server: String, migrations: &'static [Migration]) -> Result<Self> {
        postgres(server, migrations).await
    }

    /// The folder of a SQLite database, for tests that look at the file.
    #[must_use]
    pub fn folder(&self) -> Option<&Path> {
        match &self.remove {
            Remove::Folder(folder) => Some(folder.path()),
            Remove::Database { .. } => None,
        }
    }
}

fn io(e: &std::io::Error) -> Error {
    Error::Unavailable(format!("cannot make a scratch database: {e}"))
}

/// Names a template after the schema it holds.
fn digest(migrations: &[Migration]) -> String {
    let mut text: Vec<_> = migrations.iter().map(|m| m.text).collect();
    text.push(env!("CARGO_PKG_VERSION"));
    format!("{:016x}", crate::migrate::digest(&text.join("\n")))
}

async fn sqlite(parent: &Path, migrations: &'static [Migration]) -> Result<Scratch> {
    let folder = tempfile::Builder::new().prefix("yunshi-test-").tempdir_in(parent).map_err(|e| io(&e))?;
    let file = folder.path().join("yunshi.sqlite");
    let template: PathBuf = std::env::temp_dir().join(format!("yunshi-template-{}.sqlite", digest(migrations)));
    if !template.exists() {
        let half = std::env::temp_dir().join(format!("yunshi-template-{}.sqlite", uuid_like()));
        let options = Options { durability: Durability::Relaxed, ..Options::new(Location::Sqlite(half.clone())) };
        Db::open(options).await?.migrate(migrations).await?;
        crate::sqlite::compact(&half)?;
        // Whoever comes first wins; the others' copies are the same.
        std::fs::rename(&half, &template).map_err(|e| io(&e))?;
    }
    std::fs::copy(&template, &file).map_err(|e| io(&e))?;
    let options = Options { durability: Durability::Relaxed, connections: 2, ..Options::new(Location::Sqlite(file)) };
    Ok(Scratch { options, remove: Remove::Folder(folder) })
}

async fn postgres(server: String, migrations: &'static [Migration]) -> Result<Scratch> {
    let template = format!("yunshi_template_{}", digest(migrations));
    let name = format!("yunshi_test_{}", uuid_like());
    let server_name = server.clone();
    // The driver's connection lives on a runtime of its own, for a test may drop its runtime while this is under way.
    on_own_runtime(async move {
        let (client, connection) = Config::from_str(&server_name)
            .map_err(|e| Error::Unavailable(e.to_string()))?
            .connect(NoTls)
            .await
            .map_err(|e| Error::Unavailable(format!("the PostgreSQL server of the tests does not answer: {e}")))?;
        tokio::spawn(connection);
        let fault = |e: tokio_postgres::Error| crate::postgres::error(&e, None);
        client.batch_execute("SELECT pg_advisory_lock(5904)").await.map_err(fault)?;
        let there = client.query("SELECT 1 FROM pg_database WHERE datname = $1", &[&template]).await.map_err(fault)?;
        if there.is_empty() {
            let half = format!("{template}_half");
            client.batch_execute(&format!("DROP DATABASE IF EXISTS {half}")).await.map_err(fault)?;
            client.batch_execute(&format!("CREATE DATABASE {half}")).await.map_err(fault)?;
            {
                let options = Options { connections: 2, ..Options::new(Location::Postgres(with_name(&server_name, &half)?)) };
                Db::open(options).await?.migrate(migrations).await?;
            }
            // The connections of that database end a moment after it is closed.
            let end = format!("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{half}'");
            client.batch_execute(&end).await.map_err(fault)?;
            let mut renamed = client.batch_execute(&format!("ALTER DATABASE {half} RENAME TO {template}")).await;
            for _ in 0..50 {
                if renamed.is_ok() {
                    break;
                }
                tokio::time::sleep(std::time::Duration::from_millis(20)).await;
                renamed = client.batch_execute(&format!("ALTER DATABASE {half} RENAME TO {template}")).await;
            }
            renamed.map_err(fault)?;
        }
        client.batch_execute(&format!("CREATE DATABASE {name} TEMPLATE {template} STRATEGY file_copy")).await.map_err(fault)?;
        client.batch_execute("SELECT pg_advisory_unlock(5904)").await.map_err(fault)?;
        Ok((server_name, name))
    })
    .and_then(|(server, name)| {
        let location = Location::Postgres(with_name(&server, &name)?);
        let options = Options { durability: Durability::Relaxed, connections: 4, ..Options::new(location) };
        Ok(Scratch { options, remove: Remove::Database { server, name } })
    })
}

fn with_name(server: &str, name: &str) -> Result<String> {
    let mut url = url::Url::parse(server).map_err(|e| Error::Unavailable(e.to_string()))?;
    url.set_path(name);
    Ok(url.to_string())
}

/// A name that no other test has: process, moment and a count.
fn uuid_like() -> String {
    static COUNT: std::sync::atomic::AtomicU32 = std::sync::atomic::AtomicU32::new(0);
    let moment = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).map_or(0, |d| d.as_nanos());
    format!("{:x}_{moment:x}_{}", std::process::id(), COUNT.fetch_add(1, std::sync::atomic::Ordering::Relaxed))
}

fn on_own_runtime<T: Send>(work: impl Future<Output = Result<T>> + Send) -> Result<T> {
    std::thread::scope(|scope| {
        scope
            .spawn(|| {
                let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(|e| io(&e))?;
                runtime.block_on(work)
            })
            .join()
            .map_err(|_| Error::broken("making a scratch database panicked"))?
    })
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let Remove::Database { server, name } = &self.remove else { return };
        // A database left behind costs the next run nothing: the server of the tests goes away with them.
        let _ = on_own_runtime(async {
            if let Ok((client, connection)) = Config::from_str(server).map_err(|e| Error::Unavailable(e.to_string()))?.connect(NoTls).await
            {
                tokio::spawn(connection);
                let _ = client.batch_execute(&format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)")).await;
            }
            Ok(())
        });
    }
}
