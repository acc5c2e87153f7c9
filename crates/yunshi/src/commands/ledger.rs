//! `yunshi ledger`: the books, for others to read and check.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use db::Tx;
use kernel::{Actor, Locale, Zone};
use market::ledger;
use market::views::export::{self, Export, Exported};
use serde::Serialize;
use wire::proof::ProofSubject;

use super::{counted, meter::Meter};
use crate::{
    cli::{ExportArgs, ProveArgs, ProveWhat},
    config::Config,
    failure::Failure,
    start::{self, Schema},
};

/// Writes the books. What was written is said on standard error, for the books may go to standard output.
pub(super) async fn export(config: &Config, args: ExportArgs) -> Result<(), Failure> {
    let zone = &config.edition.zone;
    let from = args.from.as_deref().map(|day| day_start(zone, "--from", day)).transpose()?;
    let to = args.to.as_deref().map(|day| day_start(zone, "--to", day)).transpose()?;
    let until = to.map(|start| zone.add_days(start, 1));
    if from.zip(until).is_some_and(|(from, until)| from >= until) {
        return Err(Failure::misused("--to is before --from: the last day cannot be before the first"));
    }
    let what = Export { format: args.format, zone: zone.clone(), currency: config.edition.currency, from, until };
    let db = start::database(config, Schema::Check).await?;
    let meter = Meter::new();
    let progress = |transactions| meter.show(format_args!("{transactions} transactions"));
    let written = match args.out.as_deref() {
        None => export::export(&db, what, io::stdout(), progress).await?,
        Some(path) => {
            let file = Unfinished::beside(path)?;
            let written = export::export(&db, what, file.writer()?, progress).await?;
            file.finish(path)?;
            written
        }
    };
    drop(meter);
    let Exported { transactions, accounts } = written;
    eprintln!("{}, {}", counted(transactions, "transaction"), counted(accounts, "account"));
    Ok(())
}

fn day_start(zone: &Zone, argument: &str, day: &str) -> Result<i64, Failure> {
    zone.day_start(day).map_err(|error| Failure::misused(format!("{argument}: {error}")))
}

/// Shows the newest head, as JSON or as a signed note.
pub(super) async fn head(config: &Config, note: bool) -> Result<(), Failure> {
    let db = start::database(config, Schema::Check).await?;
    let view = db.read(async |tx| ledger::newest_head(tx).await).await?;
    if note {
        print!("{}", view.note);
        return Ok(());
    }
    print!("{}", pretty(&view.head)?);
    Ok(())
}

/// Writes a proof.
pub(super) async fn prove(config: &Config, args: ProveArgs) -> Result<(), Failure> {
    let db = start::database(config, Schema::Check).await?;
    let ProveArgs { what, out } = args;
    let subject = subject(&what);
    let prove = async move |tx: &mut Tx| match (&subject, what.since) {
        (Some((subject, reference)), _) => Ok(pretty(&ledger::prove(tx, *subject, reference).await?)),
        (None, since) => Ok(pretty(&ledger::prove_growth(tx, since.unwrap_or_default(), None).await?)),
    };
    let proof = db.read(prove).await??;
    match out {
        None => print!("{proof}"),
        Some(path) => {
            let file = Unfinished::beside(&path)?;
            file.writer()?.write_all(proof.as_bytes()).context("cannot write the file")?;
            file.finish(&path)?;
        }
    }
    Ok(())
}

/// What a proof of entries is about; none when it is one of growth.
fn subject(what: &ProveWhat) -> Option<(ProofSubject, String)> {
    let order = what.order.clone().map(|number| (ProofSubject::Order, number));
    let statement = what.statement.map(|id| (ProofSubject::Statement, id.to_string()));
    let payout = what.payout.map(|id| (ProofSubject::Payout, id.to_string()));
    order.or(statement).or(payout)
}

/// Shows the keys, the one that signs first.
pub(super) async fn keys(config: &Config) -> Result<(), Failure> {
    let db = start::database(config, Schema::Check).await?;
    let mut keys = db.read(async |tx| ledger::keys(tx).await).await?;
    keys.sort_by_key(|key| key.state);
    for key in keys {
        let until = key.retired_at.map(|at| format!("  until {}", config.edition.zone.readable_minute(at))).unwrap_or_default();
        println!("{}  {:<7}  since {}{until}", key.public_key, key.state, config.edition.zone.readable_minute(key.created_at));
    }
    Ok(())
}

/// Takes a new key into use.
pub(super) async fn rotate_key(config: &Config) -> Result<(), Failure> {
    let market = start::market(config, Schema::Check).await?;
    let ctx = market.ctx(Actor::Console, Locale::En).await?;
    let of = market.clone();
    let key = market.db().write(async move |tx| ledger::rotate_key(tx, &ctx, of.vault()).await).await?;
    println!("{}", key.public_key);
    println!("Heads are signed with this key from now on. Publish it wherever the old one was published.");
    Ok(())
}

/// A document for people and programs alike.
fn pretty(value: &impl Serialize) -> Result<String> {
    Ok(serde_json::to_string_pretty(value)? + "\n")
}

/// A file that gets its name when it is whole; until then it is beside its place, and gone when nothing comes of it.
struct Unfinished(tempfile::NamedTempFile);

impl Unfinished {
    fn beside(path: &Path) -> Result<Self> {
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).map_or_else(|| PathBuf::from("."), Path::to_path_buf);
        let file = tempfile::NamedTempFile::new_in(&folder).with_context(|| format!("cannot write into {}", folder.display()))?;
        Ok(Self(file))
    }

    fn writer(&self) -> Result<impl Write + Send + 'static> {
        self.0.reopen().context("cannot write the file")
    }

    fn finish(self, path: &Path) -> Result<()> {
        let cannot = || format!("cannot write {}", path.display());
        self.0.as_file().sync_all().with_context(cannot)?;
        self.0.persist(path).map(drop).with_context(cannot)
    }
}
