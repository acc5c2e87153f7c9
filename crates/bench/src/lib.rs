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
mod seed;
mod sellers;
mod server;
pub mod stats;
mod town;
mod w1;
mod w10;
mod w2;
mod w3;
mod w4;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use clap::{Args, ValueEnum};
use serde_json::{Map, Value, json};

use machine::{Machine, Moment};
use report::Report;
use town::{Ground, Size, Town};

/// What is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Workload {
    /// Make the data set: 100,000 listings, 1,000,000 accounts, 1,000,000 subscriptions; it stays.
    Seed,
    /// Orders placed and paid through the API.
    W1,
    /// Transfers of the ledger alone.
    W2,
    /// The storefront: pages, lists, searches.
    W3,
    /// Signed calls to sellers' servers.
    W4,
    /// Memory when idle, and the first answer after the start.
    W10,
    /// Everything but seed; with --database-url on both engines.
    All,
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
    /// How many connections to the database each process has; the program's usual number.
    #[arg(long, default_value_t = 8, value_parser = clap::value_parser!(u16).range(1..=256))]
    pub connections: u16,
    /// The share of the full data to make, in per cent.
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u64).range(1..=100))]
    pub scale: u64,
    /// What names, keys and choices come from.
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// A folder on the disk to measure on [default: the folder for temporary files].
    #[arg(long, value_name = "FOLDER")]
    pub dir: Option<PathBuf>,
    /// The folder of a data set: where seed makes it, and what the others measure on [default: a market made for the measurement].
    #[arg(long, value_name = "FOLDER")]
    pub data: Option<PathBuf>,
    /// A file for the picture.
    #[arg(long, value_name = "FILE")]
    pub svg: Option<PathBuf>,
    /// A folder for everything: pictures, JSON and one document with all tables.
    #[arg(long, value_name = "FOLDER")]
    pub out: Option<PathBuf>,
}

/// How a workload is run.
pub(crate) struct Plan {
    program: PathBuf,
    ground: Ground,
    length: Duration,
    rounds: u64,
    clients: Vec<usize>,
    scale: u64,
    data: Option<PathBuf>,
    tell: Arc<dyn Fn(&str) + Send + Sync>,
}

impl Plan {
    fn new(args: &BenchArgs, program: PathBuf, tell: Arc<dyn Fn(&str) + Send + Sync>) -> anyhow::Result<Self> {
        let folder = args.dir.clone().unwrap_or_else(std::env::temp_dir);
        if !folder.is_dir() {
            bail!("there is no folder {}; make it first", folder.display());
        }
        let usual: &[u16] = if args.engine == EngineChoice::Postgres { &[8, 32, 64] } else { &[8, 64] };
        let clients = if args.clients.is_empty() { usual } else { &args.clients };
        let server = args.database_url.clone().filter(|_| args.engine == EngineChoice::Postgres);
        Ok(Self {
            program,
            ground: Ground { server, folder, seed: args.seed, connections: usize::from(args.connections) },
            length: Duration::from_secs(args.seconds),
            rounds: args.rounds,
            clients: clients.iter().copied().map(usize::from).collect(),
            scale: args.scale,
            data: args.data.clone(),
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
        let part = |count: usize| match count {
            0 => 0,
            count => usize::try_from(u64::try_from(count).unwrap_or(0) * self.scale / 100).unwrap_or(1).max(1),
        };
        let Size { buyers, sellers, listings, accounts, subscriptions } = size;
        Size {
            buyers: part(buyers),
            sellers: part(sellers),
            listings: part(listings),
            accounts: part(accounts),
            subscriptions: part(subscriptions),
        }
    }

    /// A town that is gone afterwards.
    async fn build(&self, size: Size, url_of: impl Fn(usize) -> String) -> anyhow::Result<Town> {
        let size = self.scaled(size);
        self.tell(&format!("making a market of {} buyers and {} sellers", size.buyers, size.sellers));
        Town::build(&self.ground, size, url_of, &*self.tell).await
    }

    /// The data set that was named, or else a town that is gone afterwards.
    async fn town(&self, size: Size) -> anyhow::Result<Town> {
        match &self.data {
            Some(data) => Town::open(&self.ground, data).await,
            None => self.build(size, nowhere).await,
        }
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
            "seconds": self.length.as_secs(), "rounds": self.rounds, "clients": self.clients, "scale": self.scale, "seed": self.ground.seed, "connections": self.ground.connections,
        });
        settings.as_object().cloned().unwrap_or_default()
    }
}

/// A production address where nobody listens, for sellers who are not called.
fn nowhere(n: usize) -> String {
    format!("http://127.0.0.1:9/{n}")
}

/// The full data set that the figures are about.
const FULL: Size = Size { buyers: 1_000, sellers: 1_000, listings: 100_000, accounts: 998_000, subscriptions: 1_000_000 };

/// Makes a data set that stays; the same seed makes the same.
///
/// # Errors
/// When there is one already, or the market refuses.
async fn seed_data(plan: &Plan) -> anyhow::Result<Report> {
    let data = plan.data.clone().context("name the folder for the data set with --data")?;
    let machine = Machine::look(&plan.ground.folder)?;
    let size = plan.scaled(FULL);
    let (before, begun) = (Moment::now(), Instant::now());
    Town::found(&plan.ground, &data, size, &*plan.tell).await?;
    let (took, quiet) = (begun.elapsed(), before.until_now());
    let mut settings = plan.settings();
    for (name, count) in
        [("listings", size.listings), ("accounts", size.accounts + size.buyers + size.sellers), ("subscriptions", size.subscriptions)]
    {
        settings.insert(name.to_owned(), count.into());
    }
    let took = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
    let mut report = Report::of(
        ("seed", "the data set"),
        if plan.ground.server.is_some() { "postgres" } else { "sqlite" },
        settings,
        machine,
        quiet,
        vec![report::figure("", "time to make it", report::Role::Measured, report::Unit::Millis, vec![took])],
    );
    report.notes = vec!["Made without waiting for the disk: what is lost in a crash is made again.".to_owned()];
    Ok(report)
}

/// Runs a workload with the program `program`, or all of them; `tell` is told how it goes.
///
/// # Errors
/// When it cannot be run; a missed target is none.
pub async fn run(args: &BenchArgs, program: PathBuf, tell: Arc<dyn Fn(&str) + Send + Sync>) -> anyhow::Result<Vec<Report>> {
    let mut reports = Vec::new();
    for args in single(args) {
        let plan = Plan::new(&args, program.clone(), tell.clone())?;
        plan.tell(&format!("{} on {}", word(&args.workload), word(&args.engine)));
        let report = match args.workload {
            Workload::Seed => seed_data(&plan).await?,
            Workload::W1 => w1::run(&plan).await?,
            Workload::W2 => w2::run(&plan).await?,
            Workload::W3 => w3::run(&plan).await?,
            Workload::W4 => w4::run(&plan).await?,
            Workload::W10 => w10::run(&plan).await?,
            Workload::All => bail!("all of them are run one by one"),
        };
        if let Some(file) = &args.svg {
            write(file, &picture::svg(&report))?;
        }
        reports.push(report);
    }
    if let Some(folder) = &args.out {
        keep(folder, &reports)?;
    }
    Ok(reports)
}

/// What is to be run one by one.
fn single(args: &BenchArgs) -> Vec<BenchArgs> {
    if args.workload != Workload::All {
        return vec![args.clone()];
    }
    let mut engines = vec![EngineChoice::Sqlite];
    engines.extend(args.database_url.as_ref().map(|_| EngineChoice::Postgres));
    let workloads = [Workload::W1, Workload::W2, Workload::W3, Workload::W4, Workload::W10];
    let pairs = engines.into_iter().flat_map(|engine| workloads.map(|workload| (engine, workload)));
    pairs.map(|(engine, workload)| BenchArgs { workload, engine, svg: None, ..args.clone() }).collect()
}

/// The word that is typed for a choice.
fn word(choice: &impl ValueEnum) -> String {
    choice.to_possible_value().map_or_else(String::new, |value| value.get_name().to_owned())
}

/// Writes every report into `folder`: its picture, its JSON, and all tables into one document.
fn keep(folder: &Path, reports: &[Report]) -> anyhow::Result<()> {
    std::fs::create_dir_all(folder).with_context(|| format!("cannot make the folder {}", folder.display()))?;
    let mut document = String::from("# Results\n\nMade by `yunshi bench`; see [performance.md](../performance.md).\n");
    for report in reports {
        let name = format!("{}-{}", report.workload, report.engine.as_deref().unwrap_or("all"));
        write(&folder.join(format!("{name}.svg")), &picture::svg(report))?;
        write(&folder.join(format!("{name}.json")), &format!("{}\n", report.json()?))?;
        document.push_str(&format!("\n## {name}\n\n![{}]({name}.svg)\n\n{report}", report.title));
    }
    write(&folder.join("results.md"), &document)
}

fn write(file: &Path, text: &str) -> anyhow::Result<()> {
    std::fs::write(file, text).with_context(|| format!("cannot write {}", file.display()))
}
