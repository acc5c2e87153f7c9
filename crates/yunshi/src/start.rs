//! Opening the market that the configuration describes.

use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, Result, bail};
use db::{Db, Durability, Location, MigrationState, Options};
use kernel::Entropy;
use market::mail::{Post, Transport};
use market::views::health;
use market::{MIGRATIONS, Market, Mode, Setup};
use outbound::mail::Mailer;

use crate::config::Config;
use crate::master_key::{self, Missing, Place};

/// The data folder is for its owner alone.
const FOLDER_MODE: u32 = 0o700;

/// What to do about the schema of the database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Schema {
    /// Bring it up to this program's, from nothing if need be.
    Migrate,
    /// It must be this program's already.
    Check,
    /// Whatever it is.
    Leave,
}

/// Opens the database.
pub(crate) async fn database(config: &Config, schema: Schema) -> Result<Db> {
    if schema == Schema::Migrate {
        return Ok(migrated(config).await?.0);
    }
    // Opening a file that is not there would make it.
    must_exist(&config.database())?;
    let db = open(config, Durability::Full).await?;
    if schema == Schema::Check {
        db.check_schema(MIGRATIONS).await?;
    }
    Ok(db)
}

/// Opens the database and brings its schema up to this program's, from nothing if need be.
pub(crate) async fn migrated(config: &Config) -> Result<(Db, MigrationState)> {
    migrated_with(config, Durability::Full).await
}

async fn migrated_with(config: &Config, durability: Durability) -> Result<(Db, MigrationState)> {
    make_folder(&config.data_dir)?;
    let db = open(config, durability).await?;
    let state = db.migrate(MIGRATIONS).await?;
    if state.from != state.to {
        tracing::info!(from = state.from, to = state.to, "the schema of the database was brought up to date");
    }
    Ok((db, state))
}

async fn open(config: &Config, durability: Durability) -> Result<Db> {
    Ok(Db::open(Options { durability, ..options(config) }).await?)
}

/// How to open the database that the configuration names.
pub(crate) fn options(config: &Config) -> Options {
    let connections = usize::try_from(config.database_connections).unwrap_or(usize::MAX);
    Options { connections, ca_file: config.database_ca_file.clone(), ..Options::new(config.database()) }
}

/// Opens a SQLite file that is nobody's market yet.
pub(crate) async fn file(path: &Path) -> Result<Db> {
    Ok(Db::open(Options { durability: Durability::Relaxed, connections: 2, ..Options::new(Location::Sqlite(path.to_owned())) }).await?)
}

fn must_exist(location: &Location) -> Result<()> {
    match location {
        Location::Sqlite(path) if !path.exists() => {
            bail!("there is no database at {}; yunshi serve makes one, or name another with --config or YUNSHI_DATA_DIR", path.display())
        }
        Location::Sqlite(_) | Location::Postgres(_) => Ok(()),
    }
}

/// Makes a folder for its owner alone, unless it is there.
pub(crate) fn make_folder(path: &Path) -> Result<()> {
    match DirBuilder::new().recursive(true).mode(FOLDER_MODE).create(path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists && fs::metadata(path).is_ok_and(|it| it.is_dir()) => Ok(()),
        other => other.with_context(|| format!("cannot make the data folder {}", path.display())),
    }
}

/// Opens the market: its database, its master key, the client for calls to sellers.
pub(crate) async fn market(config: &Config, schema: Schema) -> Result<Market> {
    open_market(config, database(config, schema).await?, schema, post(config)?).await
}

/// How the market writes to people: through its mail server, into the outbox of a sandbox, or not at all.
fn post(config: &Config) -> Result<Option<Post>> {
    let transport = match config.mail()? {
        Some(settings) => Transport::Server(Mailer::new(&settings)?),
        None if config.mode == Mode::Sandbox => Transport::Outbox,
        None => return Ok(None),
    };
    let address = config.address().context("public_url is not set")?;
    Ok(Some(Post { transport, wording: Arc::new(web::Letters::new(address, config.edition.zone.clone())) }))
}

/// Makes a market that is thrown away unless everything goes well: nothing waits for the disk, and nobody is written to.
pub(crate) async fn hurried_market(config: &Config) -> Result<Market> {
    let (db, _) = migrated_with(config, Durability::Relaxed).await?;
    open_market(config, db, Schema::Migrate, None).await
}

async fn open_market(config: &Config, db: Db, schema: Schema, mail: Option<Post>) -> Result<Market> {
    // A key is made for a market in which nothing can have been sealed yet, and never by a command that only looks.
    let missing = if schema == Schema::Migrate && !health::has_accounts(&db).await? { Missing::Make } else { Missing::Refuse };
    let key = master_key::find(config, missing)?;
    if let Place::Made(path) = &key.place {
        tracing::warn!(file = %path.display(), "a master key was made; keep a copy of this file apart from the database's, no secret can be read without it");
    }
    let setup = Setup {
        db,
        mode: config.mode,
        edition: config.edition.clone(),
        master_key: key.bytes,
        entropy: entropy()?,
        outbound: outbound::Client::new(config.outbound())?,
        mail,
    };
    Ok(Market::open(setup).await?)
}

/// Random bytes from the machine.
pub(crate) fn entropy() -> Result<Entropy> {
    let mut seed = [0; 32];
    getrandom::fill(&mut seed).context("the machine has no random bytes")?;
    Ok(Entropy::from_seed(seed))
}
