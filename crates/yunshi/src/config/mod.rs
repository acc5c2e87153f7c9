//! The configuration: one TOML file, each setting of it also as a variable of the environment.
//!
//! Every setting is one row of [`settings::ALL`]: its name, what it is, how it is read and how it is shown. The variable of `listen` is
//! `YUNSHI_LISTEN`, that of `edition.grace_days` is `YUNSHI_EDITION_GRACE_DAYS`. A variable goes before the file, the file before the
//! default.
//!
//! Invariants: a name that is no setting is refused in a file, and warned about in the environment (whoever runs containers finds names there
//! that nobody chose); no secret is shown.

mod given;
mod sample;
mod settings;
#[cfg(test)]
mod tests;

use std::{
    collections::BTreeMap,
    fmt, fs, io,
    net::{Ipv4Addr, SocketAddr},
    num::NonZeroU32,
    path::{Path, PathBuf},
    time::Duration,
};

use db::Location;
use ipnet::IpNet;
use kernel::WorkingDays;
use market::Mode;
use market::edition::{Edition, EditionKind};
use outbound::mail::{MailPassword, MailSettings, MailTls};
use url::Url;

use given::Given;
pub(crate) use sample::text as sample_text;
pub(crate) use settings::{ALL, Setting};

/// The file that is read when none is named.
const USUAL_FILE: &str = "yunshi.toml";
/// Largest file that is read (ours).
const FILE_MAX_BYTES: u64 = 1024 * 1024;
/// What the names of all variables begin with.
const PREFIX: &str = "YUNSHI_";
/// What the names of those begin with that are no settings: of the test suite, the sample seller, and the check.
const OTHER_PREFIXES: [&str; 3] = ["YUNSHI_TEST_", "YUNSHI_SAMPLE_SELLER_", "YUNSHI_CHECK_"];
/// How alike two names are, in hundredths, for one to be proposed for the other.
const ALIKE_PERCENT_MIN: u32 = 78;

kernel::words! {
    /// How the log is written.
    pub(crate) enum LogFormat {
        /// Lines for people.
        Text = "text",
        /// One JSON object a line, for collectors.
        Json = "json",
    }
}

kernel::words! {
    /// How the way to the mail server is protected.
    pub(crate) enum MailTlsWord {
        /// Begins in clear, and goes on with TLS or not at all.
        Starttls = "starttls",
        /// TLS from the first byte.
        Tls = "tls",
        /// None, for a server on this machine.
        Plain = "plain",
    }
}

/// Everything that can be set.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Config {
    pub(crate) listen: SocketAddr,
    pub(crate) public_url: Option<Url>,
    pub(crate) data_dir: PathBuf,
    pub(crate) database_url: Option<Location>,
    pub(crate) database_ca_file: Option<PathBuf>,
    pub(crate) database_connections: u32,
    pub(crate) mode: Mode,
    pub(crate) master_key: Option<MasterKeyText>,
    pub(crate) master_key_file: Option<PathBuf>,
    pub(crate) log: String,
    pub(crate) log_format: LogFormat,
    pub(crate) threads: Option<NonZeroU32>,
    pub(crate) trusted_proxies: Vec<IpNet>,
    pub(crate) body_bytes_max: u32,
    pub(crate) request_timeout: Duration,
    pub(crate) sign_ins_per_minute: NonZeroU32,
    pub(crate) requests_per_second: NonZeroU32,
    pub(crate) requests_burst: NonZeroU32,
    /// Requests answered at the same time.
    pub(crate) requests_at_once: NonZeroU32,
    pub(crate) work_in_serve: bool,
    pub(crate) worker_concurrency: NonZeroU32,
    pub(crate) lane_concurrency: NonZeroU32,
    pub(crate) allow_private_addresses: bool,
    pub(crate) call_timeout: Duration,
    pub(crate) extra_ca_file: Option<PathBuf>,
    pub(crate) mail_host: Option<String>,
    pub(crate) mail_port: Option<u16>,
    pub(crate) mail_tls: MailTlsWord,
    pub(crate) mail_user: Option<String>,
    pub(crate) mail_password: Option<MailPassword>,
    pub(crate) mail_password_file: Option<PathBuf>,
    pub(crate) mail_from: Option<String>,
    pub(crate) mail_ca_file: Option<PathBuf>,
    pub(crate) open_outbox: bool,
    pub(crate) zone: String,
    pub(crate) holidays: Vec<String>,
    pub(crate) worked_weekends: Vec<String>,
    /// The numbers of the business. Its calendar is made of `holidays` and `worked_weekends` once everything is read.
    pub(crate) edition: Edition,
}

/// A master key as it was typed. Never shown.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct MasterKeyText(pub(crate) String);

impl fmt::Debug for MasterKeyText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

impl Default for Config {
    fn default() -> Self {
        let web = web::Settings::default();
        let outbound = outbound::Settings::default();
        let mut config = Self {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 8080)),
            public_url: None,
            data_dir: PathBuf::from("yunshi-data"),
            database_url: None,
            database_ca_file: None,
            database_connections: 8,
            mode: Mode::Production,
            master_key: None,
            master_key_file: None,
            log: "info".to_owned(),
            log_format: LogFormat::Text,
            threads: None,
            trusted_proxies: web.trusted_proxies,
            body_bytes_max: u32::try_from(web.body_bytes_max).unwrap_or(u32::MAX),
            request_timeout: web.request_timeout,
            sign_ins_per_minute: web.sign_ins_per_minute,
            requests_per_second: web.requests_per_second,
            requests_burst: web.requests_burst,
            requests_at_once: web.requests_at_once,
            work_in_serve: true,
            worker_concurrency: NonZeroU32::MIN.saturating_add(63),
            lane_concurrency: NonZeroU32::MIN.saturating_add(7),
            allow_private_addresses: false,
            call_timeout: outbound.timeout,
            extra_ca_file: None,
            mail_host: None,
            mail_port: None,
            mail_tls: MailTlsWord::Starttls,
            mail_user: None,
            mail_password: None,
            mail_password_file: None,
            mail_from: None,
            mail_ca_file: None,
            open_outbox: web.open_outbox,
            zone: String::new(),
            holidays: Vec::new(),
            worked_weekends: Vec::new(),
            edition: Edition::defaults(EditionKind::Cn),
        };
        config.take_edition(EditionKind::Cn);
        config
    }
}

impl Config {
    /// Begins with the defaults of an edition.
    fn take_edition(&mut self, kind: EditionKind) {
        self.edition = Edition::defaults(kind);
        self.zone = match kind {
            EditionKind::Cn => "Asia/Shanghai",
            EditionKind::Intl => "UTC",
        }
        .to_owned();
    }

    /// Where the database is.
    pub(crate) fn database(&self) -> Location {
        self.database_url.clone().unwrap_or_else(|| Location::Sqlite(self.data_dir.join("yunshi.sqlite")))
    }

    /// Calls that leave the market.
    pub(crate) fn outbound(&self) -> outbound::Settings {
        let policy = if self.allow_private_addresses {
            outbound::Policy { addresses: outbound::AddressPolicy::AllowAll, schemes: outbound::SchemePolicy::AllowHttp }
        } else {
            outbound::Policy::default()
        };
        let usual = outbound::Settings::default();
        outbound::Settings {
            policy,
            timeout: self.call_timeout,
            connect_timeout: usual.connect_timeout.min(self.call_timeout),
            extra_ca_file: self.extra_ca_file.clone(),
            ..usual
        }
    }

    /// The mail server; none where no host is set.
    ///
    /// # Errors
    /// When the file with its password cannot be read.
    pub(crate) fn mail(&self) -> Result<Option<MailSettings>, ConfigError> {
        let Some(host) = &self.mail_host else { return Ok(None) };
        let (tls, port) = match self.mail_tls {
            MailTlsWord::Starttls => (MailTls::Starttls, 587),
            MailTlsWord::Tls => (MailTls::Tls, 465),
            MailTlsWord::Plain => (MailTls::Plain, 25),
        };
        let password = match &self.mail_password_file {
            Some(path) => Some(MailPassword(read(path)?.trim_end_matches(['\r', '\n']).to_owned())),
            None => self.mail_password.clone(),
        };
        let usual = MailSettings::new(host, self.mail_from.as_deref().unwrap_or_default());
        Ok(Some(MailSettings {
            port: self.mail_port.unwrap_or(port),
            credentials: self.mail_user.clone().zip(password),
            tls,
            extra_ca_file: self.mail_ca_file.clone(),
            ..usual
        }))
    }

    /// Where people find the marketplace, for links in mails; in a sandbox where it listens, when nothing else is set.
    pub(crate) fn address(&self) -> Option<Url> {
        self.public_url.clone().or_else(|| Url::parse(&format!("http://{}/", self.listen)).ok())
    }

    /// The doors.
    pub(crate) fn web(&self) -> web::Settings {
        web::Settings {
            body_bytes_max: usize::try_from(self.body_bytes_max).unwrap_or(usize::MAX),
            request_timeout: self.request_timeout,
            sign_ins_per_minute: self.sign_ins_per_minute,
            requests_per_second: self.requests_per_second,
            requests_burst: self.requests_burst,
            requests_at_once: self.requests_at_once,
            trusted_proxies: self.trusted_proxies.clone(),
            production_addresses: self.outbound().policy,
            open_outbox: self.open_outbox,
        }
    }
}

/// Where the value of a setting comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    Default,
    File(PathBuf),
    Variable(String),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::File(path) => write!(f, "file {}", path.display()),
            Self::Variable(name) => write!(f, "variable {name}"),
        }
    }
}

/// A configuration, where each value came from, and what was odd.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Loaded {
    pub(crate) config: Config,
    origins: BTreeMap<&'static str, Origin>,
    pub(crate) warnings: Vec<String>,
}

impl Loaded {
    pub(crate) fn origin(&self, setting: &Setting) -> &Origin {
        self.origins.get(setting.key).unwrap_or(&Origin::Default)
    }
}

/// Why a configuration is of no use.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ConfigError {
    #[error("cannot read the configuration file {}", path.display())]
    Unreadable {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("the configuration file {} is larger than {FILE_MAX_BYTES} bytes", path.display())]
    TooLarge { path: PathBuf },
    #[error("{} is not TOML: {detail}", path.display())]
    NotToml { path: PathBuf, detail: String },
    #[error("{}: edition is a table, so write a line [edition] and kind = … below it", path.display())]
    NotATable { path: PathBuf },
    #[error("{}: unknown setting {name:?}, {proposal}", path.display())]
    Unknown { path: PathBuf, name: String, proposal: String },
    #[error("{place}: {why}")]
    Bad { place: String, why: String },
    #[error("{0}")]
    Together(String),
}

/// Reads the file and the variables of this process. Without a named file, `yunshi.toml` is read when it is there.
pub(crate) fn load(named: Option<&Path>) -> Result<Loaded, ConfigError> {
    let file = match named {
        Some(path) => Some((path.to_owned(), read(path)?)),
        None if Path::new(USUAL_FILE).exists() => Some((PathBuf::from(USUAL_FILE), read(Path::new(USUAL_FILE))?)),
        None => None,
    };
    // A variable that is not Unicode cannot be one of ours.
    let variables = std::env::vars_os().filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
    from(file.as_ref().map(|(path, text)| (path.as_path(), text.as_str())), variables)
}

fn read(path: &Path) -> Result<String, ConfigError> {
    let unreadable = |source| ConfigError::Unreadable { path: path.to_owned(), source };
    if fs::metadata(path).map_err(unreadable)?.len() > FILE_MAX_BYTES {
        return Err(ConfigError::TooLarge { path: path.to_owned() });
    }
    fs::read_to_string(path).map_err(unreadable)
}

/// The configuration of a file's text and of variables.
fn from(file: Option<(&Path, &str)>, variables: impl IntoIterator<Item = (String, String)>) -> Result<Loaded, ConfigError> {
    let in_file = match file {
        Some((path, text)) => values_of(path, text)?,
        None => BTreeMap::new(),
    };
    let (in_environment, warnings) = ours(variables);
    let mut loaded = Loaded { config: Config::default(), origins: BTreeMap::new(), warnings };
    // The order of the table matters once: an edition's kind goes before its numbers.
    for setting in ALL {
        let (given, origin) = match (in_environment.get(setting.key), in_file.get(setting.key), file) {
            (Some(text), _, _) => (Given::Text(text), Origin::Variable(setting.variable())),
            (None, Some(value), Some((path, _))) => (Given::Toml(value), Origin::File(path.to_owned())),
            _ => continue,
        };
        (setting.set)(&mut loaded.config, &given).map_err(|why| match &origin {
            Origin::File(path) => ConfigError::Bad { place: format!("{}: {}", path.display(), setting.key), why },
            other => ConfigError::Bad { place: other.to_string(), why },
        })?;
        loaded.origins.insert(setting.key, origin);
    }
    together(&mut loaded)?;
    Ok(loaded)
}

/// What only shows when everything is read.
fn together(loaded: &mut Loaded) -> Result<(), ConfigError> {
    let config = &mut loaded.config;
    let refuse = |text: &str| Err(ConfigError::Together(text.to_owned()));
    if config.master_key.is_some() && config.master_key_file.is_some() {
        return refuse("master_key and master_key_file are both set, keep one of them");
    }
    mail_together(config)?;
    let holidays = config.holidays.iter().map(String::as_str);
    let worked = config.worked_weekends.iter().map(String::as_str);
    config.edition.working_days = WorkingDays::new(holidays, worked)
        .map_err(|why| ConfigError::Together(format!("edition.holidays, edition.worked_weekends: {why}")))?;
    let steps = &config.edition.fee_steps;
    if steps.iter().any(|step| step.reduction > config.edition.fee_common) {
        return refuse("edition.fee_steps: no reduction may be larger than edition.fee_common_bp");
    }
    Ok(())
}

/// Whether what is set about mail is enough to send some.
fn mail_together(config: &Config) -> Result<(), ConfigError> {
    let refuse = |text: &str| Err(ConfigError::Together(text.to_owned()));
    let passwords = [config.mail_password.is_some(), config.mail_password_file.is_some()];
    match (&config.mail_host, &config.mail_from) {
        (Some(_), None) => return refuse("mail_host is set, but not mail_from: say whom mails are from"),
        // A link must not lead to where the request for it said that the marketplace is.
        (Some(_), _) if config.mode == Mode::Production && config.public_url.is_none() => {
            return refuse("mail_host is set, but not public_url, which the links in mails begin with");
        }
        _ => {}
    }
    match (&config.mail_user, passwords) {
        (_, [true, true]) => refuse("mail_password and mail_password_file are both set, keep one of them"),
        (Some(_), [false, false]) => refuse("mail_user is set, but neither mail_password nor mail_password_file"),
        (None, [true, _] | [_, true]) => refuse("a password for mail is set, but not mail_user"),
        _ => Ok(()),
    }
}

/// The settings of a file by their keys; an inner table's come with its name and a point.
fn values_of(path: &Path, text: &str) -> Result<BTreeMap<String, toml::Value>, ConfigError> {
    let table: toml::Table = text.parse().map_err(|error: toml::de::Error| ConfigError::NotToml {
        path: path.to_owned(),
        detail: error.to_string().trim_end().to_owned(),
    })?;
    let mut values = BTreeMap::new();
    for (name, value) in table {
        match value {
            toml::Value::Table(inner) if name == "edition" => {
                values.extend(inner.into_iter().map(|(inner_name, value)| (format!("{name}.{inner_name}"), value)));
            }
            _ if name == "edition" => return Err(ConfigError::NotATable { path: path.to_owned() }),
            value => {
                values.insert(name, value);
            }
        }
    }
    match values.keys().find(|name| ALL.iter().all(|setting| setting.key != name.as_str())) {
        Some(name) => {
            Err(ConfigError::Unknown { path: path.to_owned(), name: name.clone(), proposal: proposal(name, |it| it.key.to_owned()) })
        }
        None => Ok(values),
    }
}

/// The variables that are settings, by key, and warnings about those that look as if they were.
fn ours(variables: impl IntoIterator<Item = (String, String)>) -> (BTreeMap<&'static str, String>, Vec<String>) {
    let mut values = BTreeMap::new();
    let mut warnings = Vec::new();
    for (name, value) in variables {
        if !name.starts_with(PREFIX) || OTHER_PREFIXES.iter().any(|prefix| name.starts_with(prefix)) {
            continue;
        }
        match ALL.iter().find(|setting| setting.variable() == name) {
            // An empty variable is how a person takes one back.
            Some(_) if value.is_empty() => {}
            Some(setting) => {
                values.insert(setting.key, value);
            }
            None => warnings.push(format!("the variable {name} is no setting and was ignored; {}", proposal(&name, Setting::variable))),
        }
    }
    (values, warnings)
}

fn proposal(wrong: &str, name_of: impl Fn(&Setting) -> String) -> String {
    let names = ALL.iter().map(name_of);
    let scored = names.map(|name| (percent_alike(wrong, &name), name));
    match scored.max() {
        Some((alike, name)) if alike >= ALIKE_PERCENT_MIN => format!("did you mean {name:?}?"),
        _ => "see docs/yunshi.toml for the names of all settings".to_owned(),
    }
}

// A score for spelling, not money.
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::float_arithmetic)]
fn percent_alike(one: &str, other: &str) -> u32 {
    let last = |name: &str| name.rsplit('.').next().unwrap_or(name).to_owned();
    let whole = strsim::jaro_winkler(one, other);
    let ends = if one.contains('.') == other.contains('.') { 0.0 } else { strsim::jaro_winkler(&last(one), &last(other)) };
    (whole.max(ends) * 100.0) as u32
}
