//! The client itself.

use std::{path::PathBuf, sync::Arc, time::Duration};

use reqwest::{
    header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue},
    redirect, retry,
};
use rustls::{
    ClientConfig, RootCertStore,
    crypto::ring,
    pki_types::{CertificateDer, pem::PemObject},
};
use tokio::time::{Instant, timeout};

use crate::{
    address::{GuardedResolver, Policy, check_url},
    carrier::Carrier,
    error::{BuildError, CallError, CallFailure},
};

/// How long a call may take from name resolution to the last byte (spec: protocol §0).
const TIMEOUT: Duration = Duration::from_secs(5);
/// How long connecting may take, TLS included (ours).
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);
/// Largest answer (ours).
const BODY_MAX_BYTES: usize = 1024 * 1024;
/// Most headers of an answer that are kept (ours).
const HEADERS_MAX: usize = 64;
/// Longest header value that is kept (ours).
const HEADER_VALUE_MAX_CHARS: usize = 1024;
/// Idle connections kept per host: sellers are many, calls to one are few (ours).
const IDLE_PER_HOST_MAX: usize = 2;
/// How long an idle connection is kept (ours).
const IDLE_TIMEOUT: Duration = Duration::from_secs(30);
/// How the marketplace names itself.
const USER_AGENT: &str = concat!("yunshi/", env!("CARGO_PKG_VERSION"));

/// How calls are made. The defaults are those of a public marketplace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// Where calls may go.
    pub policy: Policy,
    /// How long a call may take from name resolution to the last byte.
    pub timeout: Duration,
    /// How long connecting may take, TLS included.
    pub connect_timeout: Duration,
    /// Largest body of an answer.
    pub body_max_bytes: usize,
    /// A PEM file with certificate authorities that are trusted besides the public ones.
    pub extra_ca_file: Option<PathBuf>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            policy: Policy::default(),
            timeout: TIMEOUT,
            connect_timeout: CONNECT_TIMEOUT,
            body_max_bytes: BODY_MAX_BYTES,
            extra_ca_file: None,
        }
    }
}

/// A complete answer, whatever its status; a redirect is an answer too.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Response {
    /// HTTP status.
    pub status: u16,
    /// Value of `Content-Type`.
    pub content_type: Option<String>,
    /// The first headers in the order received, names in lower case, long values cut, other bytes than ASCII replaced.
    pub headers: Vec<(String, String)>,
    /// The whole body, as it was sent (nothing is decompressed).
    pub body: Vec<u8>,
    /// How long the call took, in ms.
    pub elapsed_ms: i64,
}

/// The guarded client. Cheap to clone; clones share their connections.
#[derive(Debug, Clone)]
pub struct Client {
    line: Line,
    policy: Policy,
    timeout: Duration,
    body_max_bytes: usize,
}

/// What takes a request to its server.
#[derive(Debug, Clone)]
enum Line {
    Http(reqwest::Client),
    Carried(Arc<dyn Carrier>),
}

impl Client {
    /// Builds a client. Trusts the certificate authorities of Mozilla's programme, which are compiled in, and those of
    /// [`Settings::extra_ca_file`], which is read here.
    ///
    /// # Errors
    /// When that file is no PEM file with certificates, or the HTTP client cannot be set up.
    pub fn new(settings: Settings) -> Result<Self, BuildError> {
        let Settings { policy, timeout, connect_timeout, body_max_bytes, extra_ca_file } = settings;
        let http = reqwest::Client::builder()
            .tls_backend_preconfigured(tls_config(extra_ca_file)?)
            .dns_resolver(GuardedResolver { policy: policy.addresses })
            .no_proxy()
            .redirect(redirect::Policy::none())
            .retry(retry::never())
            .referer(false)
            .user_agent(USER_AGENT)
            .connect_timeout(connect_timeout)
            .pool_max_idle_per_host(IDLE_PER_HOST_MAX)
            .pool_idle_timeout(IDLE_TIMEOUT)
            .build()?;
        Ok(Self { line: Line::Http(http), policy, timeout, body_max_bytes })
    }

    /// A client whose requests `carrier` takes to their servers instead of the network; every check and limit stays, save those of
    /// connecting.
    #[must_use]
    pub fn carried_by(carrier: Arc<dyn Carrier>, settings: &Settings) -> Self {
        let Settings { policy, timeout, body_max_bytes, .. } = *settings;
        Self { line: Line::Carried(carrier), policy, timeout, body_max_bytes }
    }

    /// How long a call may take from name resolution to the last byte.
    #[must_use]
    pub const fn timeout(&self) -> Duration {
        self.timeout
    }

    /// Posts a JSON text. `headers` may replace the content type `application/json`.
    ///
    /// # Errors
    /// When no complete answer came: see [`CallFailure`]. Any HTTP status, redirects included, is no error here.
    pub async fn post_json(&self, url: &str, body: String, headers: &[(&str, &str)]) -> Result<Response, CallError> {
        let started = Instant::now();
        let outcome = timeout(self.timeout, self.call(url, body, headers, started)).await;
        outcome.unwrap_or_else(|_| Err(failed(CallFailure::TimedOut { limit_ms: millis(self.timeout) }, started)))
    }

    async fn call(&self, url: &str, body: String, headers: &[(&str, &str)], started: Instant) -> Result<Response, CallError> {
        // Literal addresses never reach the resolver, so they are checked here, on every call.
        let url = check_url(url, self.policy).map_err(|refused| failed(refused.into(), started))?;
        let headers = header_map(headers).map_err(|failure| failed(failure, started))?;
        match &self.line {
            Line::Http(http) => {
                let request = http.post(url).headers(headers).body(body);
                self.send(request, started).await.map_err(|failure| failed(failure, started))
            }
            Line::Carried(carrier) => {
                let response = carrier.carry(url, body).await?;
                if response.body.len() > self.body_max_bytes {
                    let failure = CallFailure::TooLarge { limit_bytes: self.body_max_bytes };
                    return Err(CallError { failure, elapsed_ms: response.elapsed_ms });
                }
                Ok(response)
            }
        }
    }

    async fn send(&self, request: reqwest::RequestBuilder, started: Instant) -> Result<Response, CallFailure> {
        let mut answer = request.send().await.map_err(|error| CallFailure::before_answer(&error))?;
        let body = self.read_body(&mut answer).await?;
        Ok(Response {
            status: answer.status().as_u16(),
            content_type: answer.headers().get(CONTENT_TYPE).map(kept_value),
            headers: kept_headers(answer.headers()),
            body,
            elapsed_ms: millis(started.elapsed()),
        })
    }

    async fn read_body(&self, answer: &mut reqwest::Response) -> Result<Vec<u8>, CallFailure> {
        let limit_bytes = self.body_max_bytes;
        let too_large = CallFailure::TooLarge { limit_bytes };
        let announced = answer.content_length().unwrap_or(0);
        if usize::try_from(announced).map_or(true, |announced| announced > limit_bytes) {
            return Err(too_large);
        }
        let mut body = Vec::new();
        while let Some(chunk) = answer.chunk().await.map_err(|error| CallFailure::inside_body(&error))? {
            if body.len() + chunk.len() > limit_bytes {
                return Err(too_large);
            }
            body.extend_from_slice(&chunk);
        }
        Ok(body)
    }
}

/// TLS 1.2 or newer with ring, without touching the process-wide default provider.
fn tls_config(extra_ca_file: Option<PathBuf>) -> Result<ClientConfig, BuildError> {
    let mut roots: RootCertStore = webpki_roots::TLS_SERVER_ROOTS.iter().cloned().collect();
    if let Some(path) = extra_ca_file {
        add_authorities(&mut roots, path)?;
    }
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(config)
}

fn add_authorities(roots: &mut RootCertStore, path: PathBuf) -> Result<(), BuildError> {
    let certificates: Result<Vec<_>, _> = CertificateDer::pem_file_iter(&path).and_then(Iterator::collect);
    let certificates = match certificates {
        Ok(certificates) if certificates.is_empty() => {
            return Err(BuildError::ExtraCa { path, source: None });
        }
        Ok(certificates) => certificates,
        Err(error) => {
            return Err(BuildError::ExtraCa { path, source: Some(error.into()) });
        }
    };
    for certificate in certificates {
        if let Err(error) = roots.add(certificate) {
            return Err(BuildError::ExtraCa { path, source: Some(error.into()) });
        }
    }
    Ok(())
}

fn header_map(headers: &[(&str, &str)]) -> Result<HeaderMap, CallFailure> {
    let mut map = HeaderMap::with_capacity(headers.len() + 1);
    map.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    for (name, value) in headers {
        let bad = || CallFailure::BadHeader((*name).to_owned());
        let key = HeaderName::from_bytes(name.as_bytes()).map_err(|_| bad())?;
        map.insert(key, HeaderValue::from_str(value).map_err(|_| bad())?);
    }
    Ok(map)
}

fn kept_headers(headers: &HeaderMap) -> Vec<(String, String)> {
    headers.iter().take(HEADERS_MAX).map(|(name, value)| (name.as_str().to_owned(), kept_value(value))).collect()
}

fn kept_value(value: &HeaderValue) -> String {
    String::from_utf8_lossy(value.as_bytes()).chars().take(HEADER_VALUE_MAX_CHARS).collect()
}

fn failed(failure: CallFailure, started: Instant) -> CallError {
    CallError { failure, elapsed_ms: millis(started.elapsed()) }
}

fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}
