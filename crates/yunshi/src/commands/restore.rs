//! `yunshi restore`: a market from a backup, on either engine.
//!
//! The backup is taken out and checked beside the target, brought up to this program's schema and made safe to go on with
//! ([`market::recovery`]), and only then put in place, as one transaction. Whatever refuses or fails before leaves the target as it was.

use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, Result, bail};
use db::{Copied, Db, Existing, Location};
use market::vault::Vault;
use market::{MIGRATIONS, recovery};

use super::meter::{Meter, mebibytes};
use super::{backup, counted, verify};
use crate::{
    archive::{self, Backup, Manifest},
    cli::RestoreArgs,
    config::Config,
    failure::Failure,
    master_key::{self, Missing},
    start::{self, Schema},
};

pub(super) async fn run(config: &Config, args: RestoreArgs) -> Result<(), Failure> {
    let backup = Backup::open(&args.from)?;
    fits(&backup.manifest, config, &args.from)?;
    backup::say(&backup.manifest);

    // Beside the file that it becomes; for a server, where temporary files go.
    let half = match config.database() {
        Location::Sqlite(file) if !args.check => {
            start::make_folder(archive::folder_of(&file))?;
            archive::folder_beside(&file)?
        }
        Location::Sqlite(_) | Location::Postgres(_) => tempfile::Builder::new()
            .prefix(".yunshi-half-")
            .tempdir()
            .context("cannot make a folder for temporary files; set TMPDIR to one with room for the database")?,
    };
    let taken = half.path().join("taken.sqlite");
    let meter = Meter::new();
    backup.take_out(&taken, |bytes| meter.show(format_args!("taking it out: {}", mebibytes(bytes))))?;
    drop(meter);
    ready(&taken, backup.manifest.created_at).await?;
    if args.check {
        println!("The backup is whole.");
        return verify::walk(&start::file(&taken).await?).await;
    }
    Db::compact(&taken).await?;

    put_in_place(config, &taken, if args.replace { Existing::Replace } else { Existing::Keep }).await?;
    println!("restored to:  {}", config.database().masked());
    if args.no_verify {
        println!("Its books were not checked; yunshi verify does so.");
    } else {
        verify::walk(&start::database(config, Schema::Check).await?).await?;
    }
    println!("What happened after {} is not in it; docs/backup.md says what to look at now.", backup.manifest.created);
    Ok(())
}

/// Refuses a backup that could not be used here, before anything is touched.
fn fits(manifest: &Manifest, config: &Config, from: &Path) -> Result<()> {
    let shown = from.display();
    let newest = MIGRATIONS.last().map_or(0, |it| it.version);
    if manifest.schema > newest {
        bail!(
            "the schema of {shown} is at version {}, newer than this program's {newest}; it was made by yunshi {}, use that or a newer one",
            manifest.schema,
            manifest.product
        );
    }
    for (name, here, there) in
        [("mode", config.mode.word(), &manifest.mode), ("currency", config.edition.currency.code(), &manifest.currency)]
    {
        if let Some(there) = there.as_ref().filter(|there| *there != here) {
            bail!("{shown} is of a market whose {name} is {there}, and the configuration says {here}; set {name} to {there}");
        }
    }
    let Some(wanted) = &manifest.master_key_fingerprint else { return Ok(()) };
    match master_key::find(config, Missing::Refuse) {
        Ok(key) if Vault::fingerprint(&key.bytes) == *wanted => Ok(()),
        Ok(key) => bail!(
            "the master key here (fingerprint {}) is not the one with which the secrets in {shown} were sealed (fingerprint {wanted}); \
             give the right one in master_key, master_key_file or the data folder",
            Vault::fingerprint(&key.bytes)
        ),
        Err(error) => {
            tracing::warn!("before this market is served it needs its master key (fingerprint {wanted}): {error:#}");
            Ok(())
        }
    }
}

/// Brings what was taken out up to this program's schema, and makes it safe to go on with.
async fn ready(taken: &Path, copied_at: i64) -> Result<()> {
    let db = start::file(taken).await?;
    let state = db.migrate(MIGRATIONS).await?;
    if state.from != state.to {
        println!("schema:       brought from version {} to {}", state.from, state.to);
    }
    let settled = recovery::settle(&db, &start::entropy()?, copied_at).await?;
    println!(
        "made ready:   {} that somebody held, {} ended",
        counted(settled.jobs_released, "job"),
        counted(settled.sessions_ended, "session")
    );
    Ok(())
}

async fn put_in_place(config: &Config, taken: &Path, existing: Existing) -> Result<()> {
    let meter = Arc::new(Meter::new());
    let shown = meter.clone();
    let tell = move |at: Copied| shown.show(format_args!("putting it in place: {}", mebibytes(at.bytes)));
    Ok(Db::fill(start::options(config), taken, MIGRATIONS, existing, tell).await?)
}
