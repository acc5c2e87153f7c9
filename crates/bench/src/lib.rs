//! Measurements of the product, each beside its limit in the same run.
//!
//! A workload is a file: `w1` orders, and so on. It makes a market of its own from a seed, by the use cases that the doors call; runs the
//! product and the limit in turn for several rounds; and gives a [`report::Report`] with medians, percentiles and whether the machine was ours
//! alone meanwhile. Speed is measured here and never asserted in tests.
//!
//! Invariants: what is measured is durable (every commit waits for the disk) and complete (authentication, audit and idempotency are on); the
//! server is the real program as a process of its own. Left out: choosing what is good enough, which is the reader's.

mod client;
pub mod harness;
pub mod machine;
pub mod picture;
pub mod report;
mod server;
pub mod stats;
mod town;
mod w1;
mod w10;
mod w2;

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, bail};
use clap::{Args, ValueEnum};
use serde_json::{Map, Value, json};

use report::Report;
use town::{Ground, Size};

/// What is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Workload {
    /// Orders placed and paid through the API.
    W1,
    /// Transfers of the ledger alone.
    W2,
    /// Memory when idle, and the first answer after the start.
    W10,
}

/// On which engine.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum EngineChoice {
    /// The embedded database.
    #[default]
    Sqlite,
    /// A server, which `--database-url` names.
    Postgres,
}

/// How it is measured.
#[derive(Args, Clone, Debug)]
pub struct BenchArgs {
    /// What to measure.
    #[arg(value_enum)]
    pub workload: Workload,
    /// On which engine.
    #[arg(long, value_enum, default_value_t)]
    pub engine: EngineChoice,
    /// The PostgreSQL server, on which a database is made for the measurement and removed: postgres://USER:PASSWORD@HOST:PORT/postgres.
    #[arg(long, value_name = "URL", required_if_eq("engine", "postgres"))]
    pub database_url: Option<String>,
    /// How many seconds each slice takes.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u64).range(1..=600))]
    pub seconds: u64,
    /// How often the product and its limit are measured in turn.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u64).range(1..=100))]
    pub rounds: u64,
    /// How many clients at the same time [default: 8,64; with PostgreSQL 8,32,64].
    #[arg(long, value_delimiter = ',', value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub clients: Vec<u16>,
    /// The share of the full data to make, in per cent.
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u64).range(1..=100))]
    pub scale: u64,
    /// What names, keys and choices come from.
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// A folder on the disk to measure on [default: the folder for temporary files].
    #[arg(long, value_name = "FOLDER")]
    pub dir: Option<PathBuf>,
    /// A file for the picture.
    #[arg(long, value_name = "FILE")]
    pub svg: Option<PathBuf>,
}

/// How a workload is run.
pub(crate) struct Plan {
    program: PathBuf,
    ground: Ground,
    length: Duration,
    rounds: u64,
    clients: Vec<usize>,
    scale: u64,
    tell: Box<dyn Fn(&str) + Send + Sync>,
}

impl Plan {
    fn new(args: &BenchArgs, program: PathBuf, tell: Box<dyn Fn(&str) + Send + Sync>) -> anyhow::Result<Self> {
        let folder = args.dir.clone().unwrap_or_else(std::env::temp_dir);
        if !folder.is_dir() {
            bail!("there is no folder {}; make it first", folder.display());
        }
        let usual: &[u16] = if args.engine == EngineChoice::Postgres { &[8, 32, 64] } else { &[8, 64] };
        let clients = if args.clients.is_empty() { usual } else { &args.clients };
        let server = args.database_url.clone().filter(|_| args.engine == EngineChoice::Postgres);
        Ok(Self {
            program,
            ground: Ground { server, folder, seed: args.seed },
            length: Duration::from_secs(args.seconds),
            rounds: args.rounds,
            clients: clients.iter().copied().map(usize::from).collect(),
            scale: args.scale,
            tell,
        })
    }

    fn tell(&self, what: &str) {
        (self.tell)(what);
    }

    fn most_clients(&self) -> usize {
        self.clients.iter().copied().max().unwrap_or(1)
    }

    fn scaled(&self, size: Size) -> Size {
        let part = |count: usize| usize::try_from(u64::try_from(count).unwrap_or(0) * self.scale / 100).unwrap_or(1).max(1);
        Size { buyers: part(size.buyers), sellers: part(size.sellers) }
    }

    /// Writes into the report how hard a commit lasts here; one that does not wait for the disk makes the figures count for nothing.
    async fn note_durability(&self, options: &db::Options, report: &mut Report) -> anyhow::Result<()> {
        for (name, value) in db::probe::durability_facts(options).await? {
            if name == "fsync" && value != "on" {
                report.fit = false;
                report.notes.push("The server does not flush (fsync is off): no commit here is durable, and no figure counts.".to_owned());
            }
            report.settings.insert(format!("database.{name}"), value.into());
        }
        Ok(())
    }

    fn settings(&self) -> Map<String, Value> {
        let settings = json!({
            "seconds": self.length.as_secs(), "rounds": self.rounds, "clients": self.clients, "scale": self.scale, "seed": self.ground.seed,
        });
        settings.as_object().cloned().unwrap_or_default()
    }
}

/// Runs a workload with the program `program`; `tell` is told how it goes.
///
/// # Errors
/// When it cannot be run; a missed target is none.
pub async fn run(args: &BenchArgs, program: PathBuf, tell: Box<dyn Fn(&str) + Send + Sync>) -> anyhow::Result<Report> {
    let plan = Plan::new(args, program, tell)?;
    let report = match args.workload {
        Workload::W1 => w1::run(&plan).await?,
        Workload::W2 => w2::run(&plan).await?,
        Workload::W10 => w10::run(&plan).await?,
    };
    if let Some(file) = &args.svg {
        std::fs::write(file, picture::svg(&report)).with_context(|| format!("cannot write {}", file.display()))?;
    }
    Ok(report)
}
