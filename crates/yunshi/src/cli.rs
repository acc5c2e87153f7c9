//! What can be typed.

use std::{net::SocketAddr, path::PathBuf};

use clap::{Args, Parser, Subcommand};
use kernel::{Locale, Month};

/// A self-hostable cloud software marketplace.
#[derive(Debug, Parser)]
#[command(name = "yunshi", version, arg_required_else_help = true)]
pub(crate) struct Cli {
    /// The configuration file [default: ./yunshi.toml when it is there].
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// What is to be done.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Serve a market with a past, to look around and try things in; sellers' servers included.
    Demo(DemoArgs),
    /// Serve the marketplace; without any configuration, an empty one on an embedded database in ./yunshi-data.
    Serve,
    /// Do the work that nobody waits for: calls to sellers, timers, settlement. Any number may run on one database.
    Worker,
    /// Bring the database's schema up to this program's.
    Migrate,
    /// Settle a month now, instead of waiting for its day. Settling it again changes nothing.
    Settle {
        /// The month, such as 202601 [default: the last complete one].
        month: Option<Month>,
    },
    /// Walk through the ledger and the statements and check every figure.
    Verify,
    /// Show the configuration in force and whether everything is well.
    Doctor {
        /// Print a configuration file that names every setting, and do nothing else.
        #[arg(long)]
        sample_file: bool,
    },
    /// Look after the account that runs the marketplace.
    #[command(subcommand)]
    Operator(OperatorCommand),
    /// Show or move the clock of a sandbox market.
    #[command(subcommand)]
    Clock(ClockCommand),
    /// Measure this program beside its limits, on a market of its own.
    Bench(bench::BenchArgs),
    /// Run a seller to try the marketplace with: it speaks the SaaS access protocol V2.0.
    SampleSeller(SampleSellerArgs),
}

impl Command {
    /// Whether it prints what it was asked for and ends, unlike a server.
    pub(crate) const fn is_read_by_people(&self) -> bool {
        !matches!(self, Self::Demo(_) | Self::Serve | Self::Worker | Self::SampleSeller(_))
    }
}

/// Where the demo market is.
#[derive(Args, Debug)]
pub(crate) struct DemoArgs {
    /// Where the marketplace listens.
    #[arg(long, default_value = "127.0.0.1:8080")]
    pub(crate) listen: SocketAddr,
    /// Where its sellers' servers listen, when the demo is made.
    #[arg(long, default_value = "127.0.0.1:8081")]
    pub(crate) sellers_listen: SocketAddr,
    /// The folder that it is in.
    #[arg(long, default_value = "yunshi-demo")]
    pub(crate) dir: PathBuf,
    /// Everybody's password, when the demo is made.
    #[arg(long)]
    pub(crate) password: Option<String>,
    /// How many days the market has been there, when the demo is made.
    #[arg(long, default_value_t = 210, value_parser = clap::value_parser!(i64).range(14..=1000))]
    pub(crate) days: i64,
    /// Your own seller's server: it provides the first product from now on, so that you can watch it being driven.
    #[arg(long, requires = "access_key", value_name = "URL")]
    pub(crate) seller_url: Option<String>,
    /// The access key with which your server checks signatures.
    #[arg(long, requires = "seller_url", value_name = "KEY")]
    pub(crate) access_key: Option<String>,
    /// Throw the demo in that folder away and begin anew.
    #[arg(long)]
    pub(crate) fresh: bool,
}

/// What can be done about the operator.
#[derive(Debug, Subcommand)]
pub(crate) enum OperatorCommand {
    /// Make the operator's account and its first administrator.
    Create(OperatorArgs),
}

/// The first administrator.
#[derive(Args, Debug)]
pub(crate) struct OperatorArgs {
    /// The account's unique name.
    #[arg(long, default_value = "operator")]
    pub(crate) account: String,
    /// The company that runs the marketplace.
    #[arg(long)]
    pub(crate) title: String,
    /// What the administrator types to sign in.
    #[arg(long, default_value = "admin")]
    pub(crate) login: String,
    /// What the administrator is called.
    #[arg(long, default_value = "Administrator")]
    pub(crate) name: String,
    /// The administrator's e-mail address.
    #[arg(long)]
    pub(crate) email: String,
    /// The language the administrator reads.
    #[arg(long, default_value_t = Locale::ZhCn)]
    pub(crate) locale: Locale,
    /// A file whose first line is the password, - for standard input; without it one is made and shown once.
    #[arg(long, value_name = "FILE")]
    pub(crate) password_file: Option<PathBuf>,
}

/// What can be done with a sandbox clock.
#[derive(Debug, Subcommand)]
pub(crate) enum ClockCommand {
    /// Say what time it is in the market.
    Show,
    /// Move it forward, and do everything that falls due on the way.
    Advance {
        /// How far: 90m, 36h, 40d, 2w, or a moment such as 2026-02-01T03:00:00Z.
        // So that -1d is read, and answered that the clock only moves forward.
        #[arg(allow_hyphen_values = true)]
        to: String,
    },
    /// Let it tick along with the machine's.
    Tick,
    /// Let it stand.
    Stand,
}

/// How the sample seller is run.
#[derive(Args, Debug)]
pub(crate) struct SampleSellerArgs {
    /// Where it listens.
    #[arg(long, default_value = "127.0.0.1:7070")]
    pub(crate) listen: SocketAddr,
    /// The access key that the marketplace signs with.
    #[arg(long, env = "YUNSHI_SAMPLE_SELLER_ACCESS_KEY", hide_env_values = true)]
    pub(crate) access_key: String,
    /// How buyers reach it [default: http:// and where it listens].
    #[arg(long, value_name = "URL")]
    pub(crate) site_url: Option<String>,
    /// The file that it remembers in; without one it forgets when it stops.
    #[arg(long, value_name = "FILE")]
    pub(crate) state: Option<PathBuf>,
    /// Open instances in the background: answer this many queries with "in progress".
    #[arg(long, value_name = "POLLS")]
    pub(crate) polls: Option<u32>,
}
