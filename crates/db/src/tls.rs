//! TLS to a PostgreSQL server, and who is trusted.
//!
//! `require` checks the server's certificate: its chain, its dates and the name that the address says; it is what libpq calls `verify-full`.
//! `prefer`, which is also meant when the address says nothing, encrypts where the server can and checks nothing, as with libpq: a server fresh
//! from its package has a certificate that nobody vouches for. `disable` does not encrypt. Naming an own authority makes `prefer` mean `require`:
//! who says whom to trust wants nobody else.
//!
//! Leaves out client certificates.

use std::path::Path;
use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime, pem::PemObject};
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};
use tokio_postgres::Config;
use tokio_postgres::config::{Host, SslMode};
use tokio_postgres_rustls::MakeRustlsConnect;

use crate::{Error, Result};

/// How `config` is connected. Changes its mode to `require` when an own authority is named and the server is reached over a network.
pub(crate) fn connector(config: &mut Config, ca_file: Option<&Path>) -> Result<MakeRustlsConnect> {
    let networked = config.get_hosts().iter().any(|host| matches!(host, Host::Tcp(_)));
    match (config.get_ssl_mode(), ca_file) {
        (SslMode::Disable, Some(_)) if networked => {
            return Err(Error::Unavailable(
                "the PostgreSQL address says sslmode=disable and an authority for its certificate is named; keep one of them".to_owned(),
            ));
        }
        (SslMode::Prefer, Some(_)) if networked => drop(config.ssl_mode(SslMode::Require)),
        _ => {}
    }
    let provider = Arc::new(ring::default_provider());
    let versions = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(|e| Error::Broken(Box::new(e)))?;
    let config = if config.get_ssl_mode() == SslMode::Require {
        versions.with_root_certificates(roots(ca_file)?)
    } else {
        versions.dangerous().with_custom_certificate_verifier(Arc::new(AnyCertificate(provider)))
    };
    Ok(MakeRustlsConnect::new(config.with_no_client_auth()))
}

/// The authorities of Mozilla's programme, and those of `ca_file`.
fn roots(ca_file: Option<&Path>) -> Result<RootCertStore> {
    let mut roots: RootCertStore = webpki_roots::TLS_SERVER_ROOTS.iter().cloned().collect();
    let Some(path) = ca_file else { return Ok(roots) };
    let wrong = |why: &dyn std::fmt::Display| {
        Error::Unavailable(format!("cannot read the authorities of the PostgreSQL server in {}: {why}", path.display()))
    };
    let certificates: Vec<_> =
        CertificateDer::pem_file_iter(path).and_then(Iterator::collect).map_err(|e: rustls::pki_types::pem::Error| wrong(&e))?;
    if certificates.is_empty() {
        return Err(wrong(&"no certificate is in it; give a PEM file"));
    }
    for certificate in certificates {
        roots.add(certificate).map_err(|e| wrong(&e))?;
    }
    Ok(roots)
}

/// What TLS said against a server, when that is why no connection came about.
pub(crate) fn refusal<'a>(error: &'a (dyn std::error::Error + 'static)) -> Option<&'a rustls::Error> {
    if let Some(found) = error.downcast_ref::<rustls::Error>() {
        return Some(found);
    }
    // An `io::Error` names as its source the source of what it carries, so what it carries is looked at here.
    let carried = error.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref);
    if let Some(found) = carried.and_then(|inner| inner.downcast_ref::<rustls::Error>()) {
        return Some(found);
    }
    error.source().and_then(refusal)
}

/// Takes whatever certificate the server shows; only its signatures must be of its own key.
#[derive(Debug)]
struct AnyCertificate(Arc<CryptoProvider>);

impl ServerCertVerifier for AnyCertificate {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> std::result::Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> std::result::Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, certificate, signature, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> std::result::Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, certificate, signature, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
