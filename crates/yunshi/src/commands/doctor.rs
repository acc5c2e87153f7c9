//! `yunshi doctor`: the configuration in force, and whether everything is well.
//!
//! It changes nothing: no folder, no key, no schema, no row.

use std::{fmt, fs, os::unix::fs::PermissionsExt, path::Path};

use anyhow::{Context, Result};
use db::{Db, Location, jobs};
use jiff::Timestamp;
use market::views::health;
use market::{MIGRATIONS, Mode, market_id, opens_with};

use crate::{
    config::{ALL, Config, Loaded},
    failure::Failure,
    master_key::{self, Missing},
    start::{self, Schema},
};

/// With less than this on the disk something is wrong, bytes (ours).
const DISK_WRONG_BYTES: u64 = 100 * 1024 * 1024;
/// With less than this the disk should be looked at, bytes (ours).
const DISK_ODD_BYTES: u64 = 1024 * 1024 * 1024;
/// How far two clocks may be apart, ms (ours).
const CLOCKS_APART_MAX_MS: i64 = 2_000;
/// How long the earliest job may be overdue before nobody seems to be at work, ms (ours).
const OVERDUE_MAX_MS: i64 = 10 * kernel::MINUTE_MS;
/// Jobs that are shown with their troubles.
const JOBS_SHOWN: usize = 5;
/// Jobs that are looked at.
const JOBS_MAX: i64 = 1_000;
/// Permissions that nobody but the owner should have.
const OTHERS: u32 = 0o077;

/// How something is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Health {
    Well,
    Odd,
    Wrong,
}

impl fmt::Display for Health {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Well => "ok",
            Self::Odd => "odd",
            Self::Wrong => "WRONG",
        })
    }
}

/// What was looked at and how it is.
#[derive(Debug, Default)]
struct Findings {
    is_something_wrong: bool,
}

impl Findings {
    fn note(&mut self, health: Health, what: &str, text: impl fmt::Display) {
        println!("  {health:<6} {what:<14} {text}");
        self.is_something_wrong |= health == Health::Wrong;
    }

    /// Notes what a look gave, or that looking failed.
    fn look(&mut self, what: &str, looked: Result<(Health, String)>) {
        match looked {
            Ok((health, text)) => self.note(health, what, text),
            Err(error) => self.note(Health::Wrong, what, format_args!("{error:#}")),
        }
    }
}

pub(super) async fn run(loaded: &Loaded) -> Result<(), Failure> {
    println!("Yunshi {}", env!("CARGO_PKG_VERSION"));
    println!("\nConfiguration");
    for setting in ALL {
        if let Some(value) = (setting.show)(&loaded.config) {
            println!("  {:<30} {value:<30} {}", setting.key, loaded.origin(setting));
        }
    }
    println!("\nHealth");
    let mut findings = Findings::default();
    for warning in &loaded.warnings {
        findings.note(Health::Odd, "configuration", warning);
    }
    let config = &loaded.config;
    findings.look("policy", Ok(policy(config)));
    findings.look("certificates", certificates(config));
    findings.look("mail", mail(config));
    findings.look("data folder", folder(&config.data_dir));
    findings.look("disk", disk(config));
    match start::database(config, Schema::Leave).await {
        Ok(db) => examine(&db, config, &mut findings).await,
        Err(error) => findings.note(Health::Wrong, "database", format_args!("{error:#}")),
    }
    if findings.is_something_wrong { Err(Failure::unwell()) } else { Ok(()) }
}

async fn examine(db: &Db, config: &Config, findings: &mut Findings) {
    let place = db.location().masked();
    findings.look("database", db.engine_version().await.context("it does not answer").map(|it| (Health::Well, format!("{it} at {place}"))));
    let version = health::schema_version(db).await.unwrap_or(0);
    match db.check_schema(MIGRATIONS).await {
        Ok(()) => findings.note(Health::Well, "schema", format_args!("version {version}")),
        Err(error) => return findings.note(Health::Wrong, "schema", format_args!("{:#}", anyhow::Error::new(error))),
    }
    findings.look("market", facts(db, config).await);
    findings.look("master key", key(db, config).await);
    findings.look("clock", clock(db, config).await);
    findings.look("jobs", waiting(db, config).await);
    findings.look("operator", operator(db).await);
}

fn policy(config: &Config) -> (Health, String) {
    let is_production = config.mode == Mode::Production;
    let plain_url = config.public_url.as_ref().filter(|url| url.scheme() == "http");
    if config.allow_private_addresses {
        let health = if is_production { Health::Odd } else { Health::Well };
        return (health, "sellers' servers may be private and without TLS".to_owned());
    }
    match plain_url {
        Some(url) if is_production => (Health::Odd, format!("{url} is without TLS")),
        _ => (Health::Well, format!("sellers' servers must be public and have TLS; each call has {} ms", config.call_timeout.as_millis())),
    }
}

fn certificates(config: &Config) -> Result<(Health, String)> {
    outbound::Client::new(config.outbound())?;
    Ok((Health::Well, "the public authorities".to_owned() + if config.extra_ca_file.is_some() { " and extra ones" } else { "" }))
}

/// Whether mail can be sent, as far as that shows without sending any.
fn mail(config: &Config) -> Result<(Health, String)> {
    let Some(settings) = config.mail()? else {
        let text = match config.mode {
            Mode::Production => "none is sent, so nobody can reset a password by themselves; set mail_host",
            Mode::Sandbox => "none is sent; the outbox keeps it for the operator",
        };
        return Ok((Health::Well, text.to_owned()));
    };
    outbound::mail::Mailer::new(&settings)?;
    Ok((Health::Well, format!("from {} through {}:{} ({})", settings.from, settings.host, settings.port, config.mail_tls.word())))
}

fn folder(path: &Path) -> Result<(Health, String)> {
    let shown = path.display();
    let Ok(metadata) = fs::metadata(path) else {
        return Ok((Health::Odd, format!("{shown} is not there; yunshi serve makes it")));
    };
    let others = metadata.permissions().mode() & OTHERS;
    rustix::fs::access(path, rustix::fs::Access::WRITE_OK | rustix::fs::Access::EXEC_OK)
        .with_context(|| format!("{shown} cannot be written to"))?;
    if others == 0 {
        Ok((Health::Well, shown.to_string()))
    } else {
        Ok((Health::Odd, format!("{shown} is open to others; chmod 700 {shown}")))
    }
}

/// The disk under the database, or under the folder that will hold it.
fn disk(config: &Config) -> Result<(Health, String)> {
    let folder = match config.database() {
        Location::Sqlite(file) => file.parent().map(Path::to_owned).unwrap_or_default(),
        Location::Postgres(_) => config.data_dir.clone(),
    };
    let Some(there) = folder.ancestors().map(|it| if it.as_os_str().is_empty() { Path::new(".") } else { it }).find(|it| it.exists())
    else {
        return Ok((Health::Odd, format!("no part of {} is there", folder.display())));
    };
    let disk = rustix::fs::statvfs(there).with_context(|| format!("cannot look at the disk of {}", there.display()))?;
    let free = disk.f_bavail.saturating_mul(disk.f_frsize);
    let health = match free {
        ..DISK_WRONG_BYTES => Health::Wrong,
        DISK_WRONG_BYTES..DISK_ODD_BYTES => Health::Odd,
        DISK_ODD_BYTES.. => Health::Well,
    };
    let advice = if health == Health::Wrong { "; free some, without it nothing can be written" } else { "" };
    Ok((health, format!("{} MiB free at {}{advice}", free / (1024 * 1024), there.display())))
}

async fn key(db: &Db, config: &Config) -> Result<(Health, String)> {
    let file = master_key::file(config);
    if file.as_ref().is_some_and(|file| !file.exists()) && config.master_key_file.is_none() && !health::has_accounts(db).await? {
        return Ok((Health::Odd, "not made yet; yunshi serve makes it".to_owned()));
    }
    let key = master_key::find(config, Missing::Refuse)?;
    if opens_with(db, &key.bytes).await? == Some(false) {
        return Ok((Health::Wrong, "not the one with which this market's secrets were sealed; give the right one".to_owned()));
    }
    let Some(file) = file else { return Ok((Health::Well, "from the configuration".to_owned())) };
    let shown = file.display();
    let others = fs::metadata(&file)?.permissions().mode() & OTHERS;
    if others == 0 {
        Ok((Health::Well, shown.to_string()))
    } else {
        Ok((Health::Odd, format!("{shown} can be read by others; chmod 600 {shown}")))
    }
}

/// Whether the market in the database is the one of the configuration.
async fn facts(db: &Db, config: &Config) -> Result<(Health, String)> {
    let facts = health::facts(db).await?;
    if facts.is_empty() {
        return Ok((Health::Odd, "not made yet; yunshi serve makes it".to_owned()));
    }
    let expected = [("mode", config.mode.word()), ("currency", config.edition.currency.code())];
    for (name, value) in expected {
        if let Some((_, found)) = facts.iter().find(|(fact, found)| fact == name && found != value) {
            return Ok((Health::Wrong, format!("the database holds a market whose {name} is {found}, the configuration says {value}")));
        }
    }
    let id = market_id(db).await?.unwrap_or_default();
    let shown = facts.iter().filter(|(name, _)| expected.iter().any(|(known, _)| name == known));
    let shown: Vec<String> = shown.map(|(name, value)| format!("{name} {value}")).collect();
    Ok((Health::Well, format!("{id}, {}", shown.join(", "))))
}

/// The machine's clock against the database server's and against what was recorded last. In a sandbox, the market's clock is its own.
async fn clock(db: &Db, config: &Config) -> Result<(Health, String)> {
    let now = Timestamp::now();
    let wall = now.as_millisecond();
    if let Some(ahead) = db.server_now().await?.map(|now| now - wall).filter(|ahead| ahead.abs() > CLOCKS_APART_MAX_MS) {
        return Ok((
            Health::Wrong,
            format!("the database server's clock is {ahead} ms ahead of this machine's; signatures and leases go by them"),
        ));
    }
    let last = health::last_change_at(db).await?;
    match last.filter(|last| config.mode == Mode::Production && last - wall > CLOCKS_APART_MAX_MS) {
        Some(last) => Ok((Health::Wrong, format!("this machine says {now}, but something was recorded {} s later", (last - wall) / 1_000))),
        None => Ok((Health::Well, format!("{now:.0}"))),
    }
}

async fn waiting(db: &Db, config: &Config) -> Result<(Health, String)> {
    let (waiting, stuck) = db.read(async |tx| jobs::count(tx).await).await?;
    if stuck > 0 {
        let reports = db.read(async |tx| jobs::list(tx, ("", ""), JOBS_MAX).await).await?;
        let mut text = format!("{stuck} of {waiting} wait for you:");
        for report in reports.iter().filter(|report| report.stuck_at.is_some()).take(JOBS_SHOWN) {
            let error = report.last_error.as_deref().unwrap_or("no message").lines().next().unwrap_or_default();
            text.push_str(&format!("\n{:24}{} {}: {error}", "", report.job.kind, report.job.subject));
        }
        return Ok((Health::Wrong, text));
    }
    // A sandbox clock may stand for as long as somebody likes.
    let due = db.read(async |tx| jobs::next_due(tx).await).await?;
    let overdue = due.map_or(0, |due| Timestamp::now().as_millisecond() - due);
    if config.mode == Mode::Production && overdue > OVERDUE_MAX_MS {
        return Ok((
            Health::Wrong,
            format!("{waiting} wait, the earliest since {} min; is no yunshi serve or worker running?", overdue / kernel::MINUTE_MS),
        ));
    }
    Ok((Health::Well, format!("{waiting} wait, none for you")))
}

async fn operator(db: &Db) -> Result<(Health, String)> {
    if health::has_operator(db).await? {
        Ok((Health::Well, "there is one".to_owned()))
    } else {
        Ok((Health::Odd, "nobody yet; yunshi operator create --title COMPANY --email ADDRESS".to_owned()))
    }
}
