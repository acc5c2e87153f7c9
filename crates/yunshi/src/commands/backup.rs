//! `yunshi backup`: the whole market as it is at this moment, in one file, while it goes on.
//!
//! The master key is not in it: whoever finds a backup must not find the key with it. Its fingerprint is, so that a wrong one is noticed.

use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, Result};
use db::{Copied, Db};
use jiff::Timestamp;
use market::vault::Vault;
use market::views::health;
use market::{MIGRATIONS, market_id, opens_with};

use super::meter::{Meter, mebibytes};
use crate::{
    archive::{self, Manifest},
    config::Config,
    failure::Failure,
    master_key::{self, Missing},
    start::{self, Schema},
};

pub(super) async fn run(config: &Config, out: &Path) -> Result<(), Failure> {
    let begun = Timestamp::now();
    let half = archive::folder_beside(out)?;
    let db = start::database(config, Schema::Leave).await?;
    let copy = half.path().join("copy.sqlite");
    let meter = Arc::new(Meter::new());
    let shown = meter.clone();
    db.copy_to(&copy, MIGRATIONS, move |at: Copied| {
        let of = at.of.map(|of| format!(" of {}", mebibytes(of))).unwrap_or_default();
        shown.show(format_args!("copying the database: {}{of}", mebibytes(at.bytes)));
    })
    .await?;
    let mut manifest = Manifest::new(begun.as_millisecond(), format!("{begun:.0}"));
    db.engine().word().clone_into(&mut manifest.engine);
    drop(db);

    // What the manifest says of the market is read from the copy, which does not change any more.
    describe(&copy, config, &mut manifest).await?;
    let manifest = archive::write(out, &copy, manifest, |bytes| meter.show(format_args!("writing the backup: {}", mebibytes(bytes))))?;
    drop(meter);
    println!("backup:       {}", out.display());
    say(&manifest);
    println!("The master key is not in it: keep a copy of the key, apart from this file.");
    Ok(())
}

async fn describe(copy: &Path, config: &Config, manifest: &mut Manifest) -> Result<()> {
    let db = start::file(copy).await?;
    manifest.schema = health::schema_version(&db).await.unwrap_or(0);
    manifest.market = market_id(&db).await?;
    for (name, value) in health::facts(&db).await? {
        match name.as_str() {
            "mode" => manifest.mode = Some(value),
            "currency" => manifest.currency = Some(value),
            _ => {}
        }
    }
    manifest.master_key_fingerprint = fingerprint(&db, config).await?;
    drop(db);
    Db::compact(copy).await.context("the copy cannot be closed")
}

/// The fingerprint of the market's key. A backup without it is better than none, so a key that is not there is only warned about.
async fn fingerprint(db: &Db, config: &Config) -> Result<Option<String>> {
    let key = match master_key::find(config, Missing::Refuse) {
        Ok(key) => key,
        Err(error) => {
            tracing::warn!("the backup does not say which master key belongs to it: {error:#}");
            return Ok(None);
        }
    };
    match opens_with(db, &key.bytes).await? {
        Some(true) => Ok(Some(Vault::fingerprint(&key.bytes))),
        Some(false) => {
            tracing::warn!("the backup does not say which master key belongs to it: the one that is configured is not this market's");
            Ok(None)
        }
        None => Ok(None),
    }
}

/// What a backup says about itself, for people.
pub(super) fn say(manifest: &Manifest) {
    let or = |text: &Option<String>, none: &str| text.clone().unwrap_or_else(|| none.to_owned());
    println!("made:         {} by yunshi {} on {}", manifest.created, manifest.product, manifest.engine);
    println!("market:       {}, {}, {}", or(&manifest.market, "none yet"), or(&manifest.mode, "-"), or(&manifest.currency, "-"));
    println!("schema:       version {}", manifest.schema);
    println!("database:     {}, SHA-256 {}", mebibytes(manifest.database_bytes), manifest.database_sha256);
    println!("master key:   fingerprint {}", or(&manifest.master_key_fingerprint, "not known"));
}
