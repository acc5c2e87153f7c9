//! Mail, handed to the operator's own server by SMTP.
//!
//! The server is named by whoever runs the marketplace, so it may stand anywhere; what is sent there is protected: TLS from the first byte
//! or by STARTTLS, which is never skipped, and without TLS to this machine alone. A mail has a time limit as a whole. A failure is a
//! [`MailError`] with a stable word; its text holds what the server said, and neither the mail nor the password.
//!
//! Left out: what is in a mail, and when it is tried again (the marketplace).

use std::{
    fmt, fs, io,
    net::IpAddr,
    path::PathBuf,
    sync::Arc,
    time::{Duration, SystemTime},
};

use lettre::{
    Address, AsyncSmtpTransport, AsyncTransport, Message, Tokio1Executor,
    message::{
        Mailbox,
        header::{ContentType, HeaderName, HeaderValue},
    },
    transport::smtp::{
        authentication::Credentials,
        client::{Certificate, CertificateStore, Tls, TlsParameters},
        extension::ClientId,
    },
};

/// How long handing over one mail may take, from resolving the server's name to its last word (ours).
const TIMEOUT: Duration = Duration::from_secs(30);
/// What is kept of what a server says, characters.
const SAID_CHARS_MAX: usize = 500;
/// Answers of a server that does not let us in, whatever the mail (RFC 4954): the operator must put the password right.
const NOT_LET_IN: [u16; 4] = [530, 534, 535, 538];

/// How the way to the mail server is protected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MailTls {
    /// Begins in clear, and goes on with TLS or not at all; usual on port 587.
    Starttls,
    /// TLS from the first byte; usual on port 465.
    Tls,
    /// None, for a server on this machine.
    Plain,
}

/// The password of the mail server. Never shown.
#[derive(Clone, PartialEq, Eq)]
pub struct MailPassword(pub String);

impl fmt::Debug for MailPassword {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// The operator's mail server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MailSettings {
    /// Its name or address.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// The name and the password it asks for, where it asks.
    pub credentials: Option<(String, MailPassword)>,
    /// Whom mails are from: `market@example.com`, or `Name <market@example.com>`.
    pub from: String,
    /// How the way there is protected.
    pub tls: MailTls,
    /// How long handing over one mail may take.
    pub timeout: Duration,
    /// A PEM file with certificate authorities that the server is trusted by, besides the public ones.
    pub extra_ca_file: Option<PathBuf>,
}

impl MailSettings {
    /// A server that takes mails from `from` with STARTTLS on port 587.
    #[must_use]
    pub fn new(host: &str, from: &str) -> Self {
        Self {
            host: host.to_owned(),
            port: 587,
            credentials: None,
            from: from.to_owned(),
            tls: MailTls::Starttls,
            timeout: TIMEOUT,
            extra_ca_file: None,
        }
    }
}

/// Why no mail can be sent with these settings.
#[derive(Debug, thiserror::Error)]
pub enum MailSetupError {
    /// The sender is no address.
    #[error("{0:?} is not an address such as market@example.com or Market <market@example.com>")]
    From(String),
    /// Passwords and mails would cross a network in clear.
    #[error("mail without TLS goes to this machine only (127.0.0.1, ::1, localhost), not to {0}; use starttls or tls")]
    Plain(String),
    /// The file with certificate authorities cannot be read.
    #[error("cannot read the certificate authorities in {path}, give a PEM file with at least one certificate")]
    ExtraCa {
        /// Which file.
        path: PathBuf,
        /// The cause.
        #[source]
        source: Option<io::Error>,
    },
    /// TLS cannot be set up.
    #[error("cannot set up TLS for mail to {0}")]
    Tls(String),
}

/// One mail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outgoing<'a> {
    /// Names the mail for servers on its way, so that one that was handed over twice can be known; letters, digits and `_`.
    pub id: &'a str,
    /// Whom it is for: one address.
    pub to: &'a str,
    /// What it is about, one line.
    pub subject: &'a str,
    /// What it says, plain text.
    pub text: &'a str,
}

/// Why a mail was not handed over. No text holds the mail or the password.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MailError {
    /// The address is none that can be written to, or the server takes no such address.
    #[error("the address cannot be written to: {0}")]
    Address(String),
    /// The server will never take this mail.
    #[error("the mail server refused the mail: {0}")]
    Refused(String),
    /// The server does not take it now, or does not let us in.
    #[error("the mail server does not take the mail now: {0}")]
    NotNow(String),
    /// The server was not reached, or broke off.
    #[error("the mail server was not reached: {0}")]
    Unreached(String),
    /// No trusted TLS connection.
    #[error("cannot establish trusted TLS to the mail server: {0}")]
    Tls(String),
    /// It took too long.
    #[error("the mail server took longer than {limit_ms} ms")]
    TimedOut {
        /// The limit for the whole mail, in ms.
        limit_ms: i64,
    },
}

impl MailError {
    /// Whether another try may succeed.
    #[must_use]
    pub const fn may_pass(&self) -> bool {
        !matches!(self, Self::Address(_) | Self::Refused(_))
    }

    /// A stable word for statistics and translations.
    #[must_use]
    pub const fn word(&self) -> &'static str {
        match self {
            Self::Address(_) => "address",
            Self::Refused(_) => "refused",
            Self::NotNow(_) => "not_now",
            Self::Unreached(_) => "unreached",
            Self::Tls(_) => "tls_failed",
            Self::TimedOut { .. } => "timed_out",
        }
    }
}

/// Hands mails to the operator's server. Cheap to clone.
#[derive(Clone)]
pub struct Mailer(Arc<Way>);

/// The way to a server.
struct Way {
    transport: AsyncSmtpTransport<Tokio1Executor>,
    from: Mailbox,
    timeout: Duration,
    shown: String,
}

impl fmt::Debug for Mailer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Mailer").field("server", &self.0.shown).finish_non_exhaustive()
    }
}

impl Mailer {
    /// Prepares for a server. Nothing is sent yet.
    ///
    /// # Errors
    /// When the sender is no address, the way would be unprotected, or the certificate authorities cannot be read.
    pub fn new(settings: &MailSettings) -> Result<Self, MailSetupError> {
        let from: Mailbox = settings.from.parse().map_err(|_| MailSetupError::From(settings.from.clone()))?;
        let tls = match settings.tls {
            MailTls::Plain if is_this_machine(&settings.host) => Tls::None,
            MailTls::Plain => return Err(MailSetupError::Plain(settings.host.clone())),
            MailTls::Starttls => Tls::Required(tls_parameters(settings)?),
            MailTls::Tls => Tls::Wrapper(tls_parameters(settings)?),
        };
        let mut builder = AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous(&*settings.host)
            .port(settings.port)
            .tls(tls)
            .timeout(Some(settings.timeout))
            .hello_name(ClientId::Domain(from.email.domain().to_owned()));
        if let Some((name, MailPassword(password))) = &settings.credentials {
            builder = builder.credentials(Credentials::new(name.clone(), password.clone()));
        }
        let shown = format!("{}:{}", settings.host, settings.port);
        Ok(Self(Arc::new(Way { transport: builder.build(), from, timeout: settings.timeout, shown })))
    }

    /// How long handing over one mail may take.
    #[must_use]
    pub fn timeout(&self) -> Duration {
        self.0.timeout
    }

    /// Hands one mail to the server, which takes it from there.
    ///
    /// # Errors
    /// When the server did not say that it took the mail: see [`MailError`].
    pub async fn send(&self, mail: &Outgoing<'_>) -> Result<(), MailError> {
        let message = self.message(mail)?;
        let sent = tokio::time::timeout(self.0.timeout, self.0.transport.send(message)).await;
        let limit_ms = i64::try_from(self.0.timeout.as_millis()).unwrap_or(i64::MAX);
        match sent {
            Err(_) => Err(MailError::TimedOut { limit_ms }),
            Ok(Err(error)) if error.is_timeout() => Err(MailError::TimedOut { limit_ms }),
            Ok(outcome) => outcome.map(drop).map_err(|error| failure(&error)),
        }
    }

    fn message(&self, mail: &Outgoing<'_>) -> Result<Message, MailError> {
        let unwritable = |why: String| MailError::Address(why);
        let to: Address = mail.to.parse().map_err(|error: lettre::address::AddressError| unwritable(error.to_string()))?;
        // RFC 3834: no holiday notice answers this.
        let automatic = HeaderValue::new(HeaderName::new_from_ascii_str("Auto-Submitted"), "auto-generated".to_owned());
        Message::builder()
            .from(self.0.from.clone())
            .to(Mailbox::new(None, to))
            .subject(mail.subject)
            .message_id(Some(format!("<{}@{}>", mail.id, self.0.from.email.domain())))
            .date(SystemTime::now())
            .raw_header(automatic)
            .header(ContentType::TEXT_PLAIN)
            .body(mail.text.to_owned())
            .map_err(|error| unwritable(error.to_string()))
    }
}

fn is_this_machine(host: &str) -> bool {
    host.eq_ignore_ascii_case("localhost") || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

fn tls_parameters(settings: &MailSettings) -> Result<TlsParameters, MailSetupError> {
    let mut builder = TlsParameters::builder(settings.host.clone()).certificate_store(CertificateStore::WebpkiRoots);
    if let Some(path) = &settings.extra_ca_file {
        let unreadable = |source| MailSetupError::ExtraCa { path: path.clone(), source };
        let pem = fs::read(path).map_err(|error| unreadable(Some(error)))?;
        // What is no certificate is passed over when it is read, so an empty outcome would go unnoticed.
        if !pem.windows(b"BEGIN CERTIFICATE".len()).any(|window| window == b"BEGIN CERTIFICATE") {
            return Err(unreadable(None));
        }
        builder = builder.add_root_certificate(Certificate::from_pem(&pem).map_err(|_| unreadable(None))?);
    }
    builder.build_rustls().map_err(|_| MailSetupError::Tls(settings.host.clone()))
}

/// What an error of the transport means for the mail.
fn failure(error: &lettre::transport::smtp::Error) -> MailError {
    let said = said(error);
    match error.status().map(u16::from) {
        Some(code) if NOT_LET_IN.contains(&code) => MailError::NotNow(said),
        Some(_) if error.is_permanent() => MailError::Refused(said),
        Some(_) => MailError::NotNow(said),
        None if error.is_tls() => MailError::Tls(said),
        None => MailError::Unreached(said),
    }
}

/// What went wrong, on one line.
fn said(error: &lettre::transport::smtp::Error) -> String {
    let visible = error.to_string().chars().map(|c| if c.is_control() { ' ' } else { c }).take(SAID_CHARS_MAX).collect::<String>();
    visible.trim().to_owned()
}
