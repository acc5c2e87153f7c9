//! What can be typed.

use std::{net::SocketAddr, path::PathBuf};

use clap::{Args, Parser, Subcommand};
use conformance::Dialect;
use conformance::case::{Feature, Product};
use jiff::SignedDuration;
use kernel::{Locale, Month, StatementId};
use market::views::export::Format;
use wire::proof::PublicKey;

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
    /// Walk through the ledger and the statements and check every figure; or check a proof, for which no market is needed.
    Verify(VerifyArgs),
    /// The books: export them for an accountant's own tool, prove what they hold.
    #[command(subcommand)]
    Ledger(LedgerCommand),
    /// Write the whole market as it is now into one file, while it goes on. The master key is not in it.
    Backup {
        /// The file; one that is there is replaced when the new one is whole.
        #[arg(long, value_name = "FILE")]
        out: PathBuf,
    },
    /// Bring a market back from a backup, into an empty database of either engine, and check its books.
    Restore(RestoreArgs),
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
    /// Check a seller's server: opens instances at it, tries everything that a marketplace may ask, and releases them again. For a test
    /// server. Exits with 0 when nothing failed, 1 when a case failed, 2 when it could not be tried.
    Check(CheckArgs),
}

impl Command {
    /// Whether it prints what it was asked for and may end at any time, unlike a server, and unlike the check, which cleans up at its end.
    pub(crate) const fn is_read_by_people(&self) -> bool {
        !matches!(self, Self::Demo(_) | Self::Serve | Self::Worker | Self::SampleSeller(_) | Self::Check(_))
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

/// Which backup, and where to.
#[derive(Args, Debug)]
pub(crate) struct RestoreArgs {
    /// The backup.
    #[arg(long, value_name = "FILE")]
    pub(crate) from: PathBuf,
    /// Throw away the market that is in the database.
    #[arg(long)]
    pub(crate) replace: bool,
    /// Do not check the books of what was restored.
    #[arg(long)]
    pub(crate) no_verify: bool,
    /// Check the backup and the books in it, and restore nothing.
    #[arg(long, conflicts_with_all = ["replace", "no_verify"])]
    pub(crate) check: bool,
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

/// What can be done with the ledger.
#[derive(Debug, Subcommand)]
pub(crate) enum LedgerCommand {
    /// Write the books in the format of a tool that checks them: every transaction, and what each account must come to.
    Export(ExportArgs),
    /// Show the newest signed head: what the market says its whole ledger is.
    Head {
        /// As a signed note, which other programs for transparency logs read.
        #[arg(long)]
        note: bool,
    },
    /// Write a proof that others can check without this market: yunshi verify --proof FILE.
    Prove(ProveArgs),
    /// Show the keys that heads are and were signed with.
    Keys,
    /// Sign with a new key from now on. Heads of the old one stay good.
    RotateKey,
}

/// What is to be proven.
#[derive(Args, Debug)]
pub(crate) struct ProveArgs {
    #[command(flatten)]
    pub(crate) what: ProveWhat,
    /// The file to write [default: standard output].
    #[arg(long, value_name = "FILE")]
    pub(crate) out: Option<PathBuf>,
}

/// One of these.
#[derive(Args, Debug)]
#[group(required = true, multiple = false)]
pub(crate) struct ProveWhat {
    /// What was paid, sold and given back of an order.
    #[arg(long, value_name = "NUMBER")]
    pub(crate) order: Option<String>,
    /// What a seller's statement moved, and its payout.
    #[arg(long, value_name = "ID")]
    pub(crate) statement: Option<StatementId>,
    /// The payout of a statement.
    #[arg(long, value_name = "STATEMENT-ID")]
    pub(crate) payout: Option<StatementId>,
    /// That the newest ledger begins with the whole ledger of the head over so many entries.
    #[arg(long, value_name = "ENTRIES")]
    pub(crate) since: Option<i64>,
}

/// What is to be checked.
#[derive(Args, Debug)]
pub(crate) struct VerifyArgs {
    /// A proof; neither a database nor a network is needed.
    #[arg(long, value_name = "FILE")]
    pub(crate) proof: Option<PathBuf>,
    /// The market's public key, NAME+ID+KEY, as it was published; without it a proof shows only that somebody signed it.
    #[arg(long, requires = "proof")]
    pub(crate) key: Option<PublicKey>,
}

/// Which books, and where they go.
#[derive(Args, Debug)]
pub(crate) struct ExportArgs {
    /// hledger, beancount or csv.
    #[arg(long)]
    pub(crate) format: Format,
    /// The first day, such as 2026-01-01, in the market's time zone; what was before is an opening balance [default: the beginning].
    #[arg(long, value_name = "DATE")]
    pub(crate) from: Option<String>,
    /// The last day, to its end [default: everything there is].
    #[arg(long, value_name = "DATE")]
    pub(crate) to: Option<String>,
    /// The file to write, which appears only when it is whole [default: standard output].
    #[arg(long, value_name = "FILE")]
    pub(crate) out: Option<PathBuf>,
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

/// How a server is checked.
#[derive(Args, Debug)]
pub(crate) struct CheckArgs {
    /// The protocol that it speaks.
    #[arg(long, default_value_t = Dialect::KooGalleryV2)]
    pub(crate) dialect: Dialect,
    /// Its production address; plain http on this machine and in private networks only.
    #[arg(long, value_name = "URL", required_unless_present = "list")]
    pub(crate) url: Option<String>,
    /// The access key with which it verifies signatures.
    #[arg(long, env = "YUNSHI_CHECK_ACCESS_KEY", hide_env_values = true, value_name = "KEY", required_unless_present = "list")]
    pub(crate) access_key: Option<String>,
    /// How the product is sold, which decides what its server must be able to do: period, one-off, pay-per-use.
    #[arg(long, default_value_t = Product::Period)]
    pub(crate) product: Product,
    /// What the server must be able to do although it is optional: upgrade, renewal-check; for pay-per-use renewal, status.
    #[arg(long, value_name = "WHAT", value_delimiter = ',')]
    pub(crate) require: Vec<Feature>,
    /// Try these cases only.
    #[arg(long, value_name = "CASE", value_delimiter = ',')]
    pub(crate) only: Vec<String>,
    /// Print the cases, and do nothing else.
    #[arg(long)]
    pub(crate) list: bool,
    /// Print what was sent and what came back, without secrets.
    #[arg(long)]
    pub(crate) show_exchanges: bool,
    /// Print the report as JSON, and the lines for people on standard error.
    #[arg(long)]
    pub(crate) json: bool,
    /// Write the report as JUnit XML, too.
    #[arg(long, value_name = "FILE")]
    pub(crate) junit: Option<PathBuf>,
    /// The language of the report.
    #[arg(long, default_value_t = Locale::En)]
    pub(crate) locale: Locale,
    /// How long an answer may take, such as 5s [default: what the protocol says].
    #[arg(long, value_name = "TIME")]
    pub(crate) answer_limit: Option<SignedDuration>,
    /// How long an instance may take that is made in the background [default: 60s].
    #[arg(long, value_name = "TIME")]
    pub(crate) opening_limit: Option<SignedDuration>,
    /// How long the whole check may take [default: 300s].
    #[arg(long, value_name = "TIME")]
    pub(crate) total_limit: Option<SignedDuration>,
    /// A PEM file with certificate authorities to trust besides the public ones.
    #[arg(long, value_name = "FILE")]
    pub(crate) ca_file: Option<PathBuf>,
}
