//! What can go wrong on the way out.

use std::{error::Error, io, net::IpAddr, path::PathBuf};

use crate::address::{NameRefused, UrlRefused};

/// Why a client cannot be built.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// The file with extra certificate authorities cannot be read as PEM.
    #[error("cannot read the certificate authorities in {path}, give a PEM file with at least one certificate")]
    ExtraCa {
        /// Which file.
        path: PathBuf,
        /// The cause.
        #[source]
        source: Option<Box<dyn Error + Send + Sync>>,
    },
    /// TLS cannot be set up.
    #[error("cannot set up TLS")]
    Tls(#[from] rustls::Error),
    /// The HTTP client cannot be set up.
    #[error("cannot set up the HTTP client")]
    Http(#[from] reqwest::Error),
}

/// A call without a complete answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{failure} (after {elapsed_ms} ms)")]
pub struct CallError {
    /// What happened.
    pub failure: CallFailure,
    /// How long the call had taken, in ms.
    pub elapsed_ms: i64,
}

/// What happened to a call. No text holds the URL.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CallFailure {
    /// The URL is none that is called.
    #[error(transparent)]
    BadUrl(UrlRefused),
    /// A header's name or value is not allowed in HTTP.
    #[error("the header {0} cannot be sent, use visible ASCII characters")]
    BadHeader(String),
    /// The address, literal or resolved, may not be called.
    #[error("the address {address} is not public and may not be called")]
    AddressRefused {
        /// The address.
        address: IpAddr,
    },
    /// No complete answer in time.
    #[error("no complete answer within {limit_ms} ms")]
    TimedOut {
        /// The limit for the whole call, in ms.
        limit_ms: i64,
    },
    /// No connection: the name is unknown, or nothing listens there, or it took too long.
    #[error("cannot connect: {0}")]
    ConnectFailed(String),
    /// No trusted TLS connection.
    #[error("cannot establish trusted TLS: {0}")]
    Tls(String),
    /// Connected, but no HTTP answer came.
    #[error("the server gave no HTTP answer: {0}")]
    NoAnswer(String),
    /// The connection ended inside the body.
    #[error("the answer ended before it was complete: {0}")]
    BrokenBody(String),
    /// The body is larger than the limit.
    #[error("the answer is larger than {limit_bytes} bytes")]
    TooLarge {
        /// The limit.
        limit_bytes: usize,
    },
}

impl CallFailure {
    /// A stable word for statistics, translations and stored attempts.
    #[must_use]
    pub fn word(&self) -> &'static str {
        match self {
            Self::BadUrl(_) => "bad_url",
            Self::BadHeader(_) => "bad_header",
            Self::AddressRefused { .. } => "address_refused",
            Self::TimedOut { .. } => "timed_out",
            Self::ConnectFailed(_) => "connect_failed",
            Self::Tls(_) => "tls_failed",
            Self::NoAnswer(_) => "no_answer",
            Self::BrokenBody(_) => "broken_body",
            Self::TooLarge { .. } => "too_large",
        }
    }

    /// What an error of the HTTP client before the first byte of the answer means.
    pub(crate) fn before_answer(error: &reqwest::Error) -> Self {
        if let Some(refused) = causes(error).find_map(|cause| cause.downcast_ref::<NameRefused>()) {
            return Self::AddressRefused { address: refused.address };
        }
        if let Some(tls) = causes(error).find_map(tls_cause) {
            return Self::Tls(tls.to_string());
        }
        let detail = root_cause(error);
        if error.is_connect() { Self::ConnectFailed(detail) } else { Self::NoAnswer(detail) }
    }

    /// What an error of the HTTP client inside the body means.
    pub(crate) fn inside_body(error: &reqwest::Error) -> Self {
        Self::BrokenBody(root_cause(error))
    }
}

impl From<UrlRefused> for CallFailure {
    fn from(refused: UrlRefused) -> Self {
        match refused {
            UrlRefused::Address(address) => Self::AddressRefused { address },
            other => Self::BadUrl(other),
        }
    }
}

fn causes<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    std::iter::successors(Some(error), |cause| (*cause).source())
}

/// The innermost text; the outer ones repeat the URL.
fn root_cause(error: &reqwest::Error) -> String {
    causes(error).skip(1).last().map_or_else(|| "unknown cause".to_owned(), ToString::to_string)
}

/// TLS errors hide inside I/O errors, which skip what they wrap when asked for their source.
fn tls_cause<'a>(cause: &'a (dyn Error + 'static)) -> Option<&'a rustls::Error> {
    let wrapped = cause.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
    match wrapped {
        Some(inner) => inner.downcast_ref().or_else(|| tls_cause(inner)),
        None => cause.downcast_ref(),
    }
}
