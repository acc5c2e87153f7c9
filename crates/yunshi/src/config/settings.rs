//! Every setting, in the order of the sample file.

use std::num::NonZeroU32;
use std::path::PathBuf;
use std::time::Duration;

use kernel::{Currency, Rate, Zone};
use market::edition::{EditionKind, FeeStep};
use market::site::{self, LIST_MAX};
use tracing_subscriber::EnvFilter;
use url::Url;

use super::{Config, Given, MasterKeyText};

/// Longest time that anything may be waited for, s (ours).
const SECONDS_MAX: i64 = 3_600;

/// One setting.
#[derive(Debug)]
pub(crate) struct Setting {
    /// Its name in the file; `edition.x` is `x` in the table `[edition]`.
    pub(crate) key: &'static str,
    /// What it is, in lines of a comment.
    pub(crate) about: &'static str,
    /// Reads a value; the text says what is wrong with it.
    pub(crate) set: fn(&mut Config, &Given<'_>) -> Result<(), String>,
    /// The value in force, as it would be written in the file; `None` when there is none. Secrets are masked.
    pub(crate) show: fn(&Config) -> Option<String>,
    /// A value to write in the sample file where there is no default.
    pub(crate) example: &'static str,
}

impl Setting {
    /// The name of its variable.
    pub(crate) fn variable(&self) -> String {
        let key = self.key.strip_suffix(".kind").unwrap_or(self.key);
        format!("YUNSHI_{}", key.replace('.', "_").to_uppercase())
    }
}

/// Text as TOML writes it.
fn quoted(text: &impl ToString) -> String {
    toml::Value::String(text.to_string()).to_string()
}

fn list<T>(items: &[T], item: impl Fn(&T) -> String) -> String {
    format!("[{}]", items.iter().map(item).collect::<Vec<_>>().join(", "))
}

fn non_zero(given: &Given<'_>, max: i64) -> Result<NonZeroU32, String> {
    let number: u32 = given.whole(1, max)?;
    NonZeroU32::new(number).ok_or_else(|| "0 is too small".to_owned())
}

fn path(given: &Given<'_>) -> Result<PathBuf, String> {
    let text = given.text()?;
    if text.is_empty() { Err("an empty path".to_owned()) } else { Ok(PathBuf::from(text)) }
}

fn seconds(given: &Given<'_>) -> Result<Duration, String> {
    given.whole::<u64>(1, SECONDS_MAX).map(Duration::from_secs)
}

fn rate(given: &Given<'_>) -> Result<Rate, String> {
    given.whole(0, Rate::WHOLE_BP).map(Rate::bp)
}

/// A number of the business within the bounds that the console knows, too.
fn bounded<T: TryFrom<i64>>(given: &Given<'_>, key: &str) -> Result<T, String> {
    let number = site::named(key).ok_or_else(|| format!("{key} is no number of the business"))?;
    given.whole(number.min, number.max)
}

/// Days before an event, descending and each once.
fn days_before(given: &Given<'_>, key: &str) -> Result<Vec<i64>, String> {
    let list = given.list(LIST_MAX, |item| bounded(&item, key))?;
    if list.windows(2).all(|pair| pair[0] > pair[1]) { Ok(list) } else { Err("the days must be descending, each once".to_owned()) }
}

/// `from_minor:reduction_bp`, such as `50000000:100`.
fn fee_step(given: Given<'_>) -> Result<FeeStep, String> {
    let text = given.text()?;
    let (from, reduction) = text.split_once(':').ok_or_else(|| format!("{text:?} is not of the form 50000000:100"))?;
    Ok(FeeStep { from_minor: Given::Text(from).whole(1, kernel::MONEY_MAX_MINOR)?, reduction: rate(&Given::Text(reduction))? })
}

fn fee_steps(given: &Given<'_>) -> Result<Vec<FeeStep>, String> {
    let steps = given.list(LIST_MAX, fee_step)?;
    let ascends = steps.windows(2).all(|pair| pair[0].from_minor < pair[1].from_minor);
    if ascends { Ok(steps) } else { Err("the steps must be ascending".to_owned()) }
}

fn filter(given: &Given<'_>) -> Result<String, String> {
    let text = given.text()?;
    EnvFilter::try_new(&text).map_err(|error| format!("{text:?} is not a log filter such as info or yunshi=debug,info: {error}"))?;
    Ok(text)
}

fn public_url(given: &Given<'_>) -> Result<Url, String> {
    let url: Url = given.parsed()?;
    match (url.scheme(), url.host()) {
        ("http" | "https", Some(_)) => Ok(url),
        _ => Err(format!("{url} is not an address of the web such as https://market.example")),
    }
}

macro_rules! settings {
    ($($key:literal, $about:literal, |$set:ident, $given:ident| $read:expr, |$show:ident| $shown:expr $(, $example:literal)?;)+) => {
        /// Every setting, in the order of the sample file.
        pub(crate) const ALL: &[Setting] = &[$(Setting {
            key: $key,
            about: $about,
            set: |$set, $given| { $read; Ok(()) },
            show: |$show| $shown,
            example: concat!($($example)?),
        }),+];
    };
}

settings! {
    "listen",
    "Where the marketplace listens. Put a proxy with TLS in front of it, or 0.0.0.0:8080 when it stands in a container.",
    |it, given| it.listen = given.text()?.parse().map_err(|_| "expected an address and a port such as 127.0.0.1:8080".to_owned())?,
    |it| Some(quoted(&it.listen));

    "public_url",
    "How the outside reaches it, for messages that name its address.",
    |it, given| it.public_url = Some(public_url(given)?),
    |it| it.public_url.as_ref().map(quoted), "\"https://market.example\"";

    "data_dir",
    "The folder of the embedded database and of the master key.",
    |it, given| it.data_dir = path(given)?,
    |it| Some(quoted(&it.data_dir.display()));

    "database_url",
    "The database: sqlite:PATH or postgres://USER:PASSWORD@HOST:PORT/NAME. Without it, yunshi.sqlite in data_dir.",
    |it, given| it.database_url = Some(given.parsed()?),
    |it| it.database_url.as_ref().map(|location| quoted(&location.masked())), "\"postgres://yunshi:PASSWORD@127.0.0.1:5432/yunshi\"";

    "database_ca_file",
    "A PEM file with authorities that PostgreSQL's certificate is trusted by, besides the public ones; with it, or with ?sslmode=require at\nthe end of database_url, nothing is sent before the certificate was checked. Otherwise it is encrypted where the server can.",
    |it, given| it.database_ca_file = Some(path(given)?),
    |it| it.database_ca_file.as_ref().map(|file| quoted(&file.display())), "\"/etc/yunshi/database-authority.pem\"";

    "database_connections",
    "Connections to the database: readers of the embedded one, all of PostgreSQL's.",
    |it, given| it.database_connections = given.whole(2, 200)?,
    |it| Some(it.database_connections.to_string());

    "mode",
    "production: real money, real time. sandbox: a market to try things in, whose clock can be moved. Decided when the database is made, for good.",
    |it, given| it.mode = given.parsed()?,
    |it| Some(quoted(&it.mode.word()));

    "master_key",
    "The key that secrets in the database are sealed with: 64 hexadecimal digits. Without it and without master_key_file, the file\nmaster.key in data_dir, which is made at the first start. Keep a copy apart from the database's.",
    |it, given| it.master_key = Some(MasterKeyText(given.text()?)),
    |it| it.master_key.as_ref().map(|_| quoted(&"***")), "\"0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef\"";

    "master_key_file",
    "A file with that key, such as a mounted secret.",
    |it, given| it.master_key_file = Some(path(given)?),
    |it| it.master_key_file.as_ref().map(|file| quoted(&file.display())), "\"/run/secrets/yunshi-master-key\"";

    "log",
    "What is logged: error, warn, info, debug, or a filter such as info,market=debug.",
    |it, given| it.log = filter(given)?,
    |it| Some(quoted(&it.log));

    "log_format",
    "text for people, json for collectors.",
    |it, given| it.log_format = given.parsed()?,
    |it| Some(quoted(&it.log_format.word()));

    "threads",
    "Threads that answer requests. Without it, as many as the machine has cores.",
    |it, given| it.threads = Some(non_zero(given, 1_024)?),
    |it| it.threads.map(|threads| threads.to_string()), "4";

    "trusted_proxies",
    "Networks of the proxies whose X-Forwarded-For is believed.",
    |it, given| it.trusted_proxies = given.list(LIST_MAX, |item| item.text()?.parse().map_err(|_| "expected networks such as 10.0.0.0/8".to_owned()))?,
    |it| Some(list(&it.trusted_proxies, quoted));

    "body_bytes_max",
    "Largest body of a request.",
    |it, given| it.body_bytes_max = given.whole(1_024, 64 * 1_024 * 1_024)?,
    |it| Some(it.body_bytes_max.to_string());

    "request_timeout_seconds",
    "After this long a request is given up.",
    |it, given| it.request_timeout = seconds(given)?,
    |it| Some(it.request_timeout.as_secs().to_string());

    "sign_ins_per_minute",
    "Sign-ins and sign-ups of one client address in a minute.",
    |it, given| it.sign_ins_per_minute = non_zero(given, 1_000_000)?,
    |it| Some(it.sign_ins_per_minute.to_string());

    "requests_per_second",
    "Requests of one token, or of one client address without a token, in a second.",
    |it, given| it.requests_per_second = non_zero(given, 1_000_000)?,
    |it| Some(it.requests_per_second.to_string());

    "requests_burst",
    "How many of these may come at once.",
    |it, given| it.requests_burst = non_zero(given, 1_000_000)?,
    |it| Some(it.requests_burst.to_string());

    "requests_at_once",
    "Requests that are answered at the same time; one more is told to come back (503).",
    |it, given| it.requests_at_once = non_zero(given, 1_000_000)?,
    |it| Some(it.requests_at_once.to_string());

    "work_in_serve",
    "Whether `yunshi serve` also does the work that nobody waits for. Set it to false where `yunshi worker` does.",
    |it, given| it.work_in_serve = given.flag()?,
    |it| Some(it.work_in_serve.to_string());

    "worker_concurrency",
    "Pieces of that work at the same time.",
    |it, given| it.worker_concurrency = non_zero(given, 1_024)?,
    |it| Some(it.worker_concurrency.to_string());

    "lane_concurrency",
    "Calls to one seller's server at the same time.",
    |it, given| it.lane_concurrency = non_zero(given, 1_024)?,
    |it| Some(it.lane_concurrency.to_string());

    "allow_private_addresses",
    "Whether sellers' servers may stand on this machine or in a private network, and be called without TLS. For development, or for a\nmarketplace that serves a private network only.",
    |it, given| it.allow_private_addresses = given.flag()?,
    |it| Some(it.allow_private_addresses.to_string());

    "call_timeout_ms",
    "How long a seller's server may take to answer. The protocol says 5 seconds. A worker holds a job 45 seconds longer than this, and at\nleast a minute: so long the job waits when its worker was killed.",
    |it, given| it.call_timeout = given.whole::<u64>(100, SECONDS_MAX * 1_000).map(Duration::from_millis)?,
    |it| Some(it.call_timeout.as_millis().to_string());

    "extra_ca_file",
    "A PEM file with authorities that sellers' servers are trusted by, besides the public ones.",
    |it, given| it.extra_ca_file = Some(path(given)?),
    |it| it.extra_ca_file.as_ref().map(|file| quoted(&file.display())), "\"/etc/yunshi/authorities.pem\"";

    "edition.kind",
    "The edition whose defaults the numbers below are: CN or INTL. The variable is YUNSHI_EDITION.",
    |it, given| { let kind: EditionKind = given.parsed()?; it.take_edition(kind) },
    |it| Some(quoted(&it.edition.kind.word()));

    "edition.currency",
    "The currency of all prices. Decided when the database is made, for good.",
    |it, given| it.edition.currency = given.parsed::<Currency>()?,
    |it| Some(quoted(&it.edition.currency.code()));

    "edition.zone",
    "The time zone of days, months and hours.",
    |it, given| { let name = given.text()?; it.edition.zone = Zone::named(&name)?; it.zone = name },
    |it| Some(quoted(&it.zone));

    "edition.holidays",
    "Days from Monday to Friday that are not worked.",
    |it, given| it.holidays = given.list(LIST_MAX, |item| item.text())?,
    |it| Some(list(&it.holidays, quoted));

    "edition.worked_weekends",
    "Days of a weekend that are worked in their place.",
    |it, given| it.worked_weekends = given.list(LIST_MAX, |item| item.text())?,
    |it| Some(list(&it.worked_weekends, quoted));

    "edition.tax_software_bp",
    "Tax inside the price of software, basis points (1300 is 13 %).",
    |it, given| it.edition.tax_software = bounded(given, "tax_software_bp").map(Rate::bp)?,
    |it| Some(it.edition.tax_software.bp.to_string());

    "edition.tax_service_bp",
    "Tax inside the price of services and inside the platform fee, basis points.",
    |it, given| it.edition.tax_service = bounded(given, "tax_service_bp").map(Rate::bp)?,
    |it| Some(it.edition.tax_service.bp.to_string());

    "edition.fee_common_bp",
    "The platform fee on common products, basis points.",
    |it, given| it.edition.fee_common = bounded(given, "fee_common_bp").map(Rate::bp)?,
    |it| Some(it.edition.fee_common.bp.to_string());

    "edition.fee_steps",
    "Its reductions: from this sum of a product in a month (minor units), this many basis points less.",
    |it, given| it.edition.fee_steps = fee_steps(given)?,
    |it| Some(list(&it.edition.fee_steps, |step| quoted(&format!("{}:{}", step.from_minor, step.reduction.bp))));

    "edition.order_unpaid_days",
    "After this many days an unpaid order ends.",
    |it, given| it.edition.order_unpaid_days = bounded(given, "order_unpaid_days")?,
    |it| Some(it.edition.order_unpaid_days.to_string());

    "edition.change_unpaid_minutes",
    "After this many minutes an unpaid change ends, because its price falls with the days that remain.",
    |it, given| it.edition.change_unpaid_minutes = bounded(given, "change_unpaid_minutes")?,
    |it| Some(it.edition.change_unpaid_minutes.to_string());

    "edition.grace_days",
    "Days between the end of a subscription and its freeze.",
    |it, given| it.edition.grace_days = bounded(given, "grace_days")?,
    |it| Some(it.edition.grace_days.to_string());

    "edition.renewal_change_days",
    "Days before the end from which a renewal may change the SKU or the quantity.",
    |it, given| it.edition.renewal_change_days = bounded(given, "renewal_change_days")?,
    |it| Some(it.edition.renewal_change_days.to_string());

    "edition.retention_days",
    "Days between the freeze and the release.",
    |it, given| it.edition.retention_days = bounded(given, "retention_days")?,
    |it| Some(it.edition.retention_days.to_string());

    "edition.auto_renew_days",
    "Days before the end of the first automatic renewal.",
    |it, given| it.edition.auto_renew_days = bounded(given, "auto_renew_days")?,
    |it| Some(it.edition.auto_renew_days.to_string());

    "edition.auto_renew_hour",
    "Local hour of automatic renewals.",
    |it, given| it.edition.auto_renew_hour = bounded(given, "auto_renew_hour")?,
    |it| Some(it.edition.auto_renew_hour.to_string());

    "edition.reminder_days",
    "Days before the end on which the buyer is reminded, descending.",
    |it, given| it.edition.reminder_days = days_before(given, "reminder_days")?,
    |it| Some(list(&it.edition.reminder_days, ToString::to_string));

    "edition.reminder_hour",
    "Local hour of reminders.",
    |it, given| it.edition.reminder_hour = bounded(given, "reminder_hour")?,
    |it| Some(it.edition.reminder_hour.to_string());

    "edition.renewal_failure_days",
    "Days before the end on which a failed automatic renewal is reported, descending.",
    |it, given| it.edition.renewal_failure_days = days_before(given, "renewal_failure_days")?,
    |it| Some(list(&it.edition.renewal_failure_days, ToString::to_string));

    "edition.release_notice_days",
    "Days before the release on which it is announced, descending.",
    |it, given| it.edition.release_notice_days = days_before(given, "release_notice_days")?,
    |it| Some(list(&it.edition.release_notice_days, ToString::to_string));

    "edition.refund_days",
    "Days in which a purchase may be returned without a reason.",
    |it, given| it.edition.refund_days = bounded(given, "refund_days")?,
    |it| Some(it.edition.refund_days.to_string());

    "edition.refund_quota",
    "Such returns of one account in a calendar year.",
    |it, given| it.edition.refund_quota = bounded(given, "refund_quota")?,
    |it| Some(it.edition.refund_quota.to_string());

    "edition.refund_large_minor",
    "A refund of more than this waits for the operator's approval, minor units.",
    |it, given| it.edition.refund_large_minor = bounded(given, "refund_large_minor")?,
    |it| Some(it.edition.refund_large_minor.to_string());

    "edition.refund_review_hours",
    "Hours in which the operator decides about it.",
    |it, given| it.edition.refund_review_hours = bounded(given, "refund_review_hours")?,
    |it| Some(it.edition.refund_review_hours.to_string());

    "edition.failed_orders_max",
    "A product with more failed orders than this in a calendar month is flagged.",
    |it, given| it.edition.failed_orders_max = bounded(given, "failed_orders_max")?,
    |it| Some(it.edition.failed_orders_max.to_string());

    "edition.settle_day",
    "Day of the month on which the month before is settled; the next working day when it is none.",
    |it, given| it.edition.settle_day = bounded(given, "settle_day")?,
    |it| Some(it.edition.settle_day.to_string());

    "edition.settle_hour",
    "Local hour of that run.",
    |it, given| it.edition.settle_hour = bounded(given, "settle_hour")?,
    |it| Some(it.edition.settle_hour.to_string());

    "edition.payout_min_minor",
    "The smallest sum that is paid out to a seller, minor units; less is carried over.",
    |it, given| it.edition.payout_min_minor = bounded(given, "payout_min_minor")?,
    |it| Some(it.edition.payout_min_minor.to_string());

    "edition.users_max",
    "Users of one account.",
    |it, given| it.edition.users_max = bounded(given, "users_max")?,
    |it| Some(it.edition.users_max.to_string());
}
