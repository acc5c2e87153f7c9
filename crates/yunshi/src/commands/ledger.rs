//! `yunshi ledger`: the books, for others to read and check.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use kernel::Zone;
use market::views::export::{self, Export, Exported};

use super::{counted, meter::Meter};
use crate::{
    cli::ExportArgs,
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
