//! TLS: who is trusted.

use std::{io::Write, path::Path, sync::Arc};

use outbound::{BuildError, CallFailure, Client, Settings};
use rcgen::{CertifiedKey, generate_simple_self_signed};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};
use tokio_rustls::{
    TlsAcceptor,
    rustls::{ServerConfig, crypto::ring, pki_types::PrivateKeyDer},
};

use crate::server::local_settings;

/// A certificate of its own making for `localhost`: who speaks TLS with it, and itself as PEM.
pub(crate) fn self_signed() -> (TlsAcceptor, String) {
    let CertifiedKey { cert, signing_key } = generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let key = PrivateKeyDer::try_from(signing_key.serialize_der()).unwrap();
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![cert.der().clone()], key)
        .unwrap();
    (TlsAcceptor::from(Arc::new(config)), cert.pem())
}

/// A server with such a certificate; gives its port and the certificate.
async fn serve_tls() -> (u16, String) {
    let (acceptor, pem) = self_signed();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            if let Ok(mut stream) = acceptor.accept(stream).await {
                let _ = stream.read(&mut [0; 4096]).await;
                let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}").await;
                let _ = stream.shutdown().await;
            }
        }
    });
    (port, pem)
}

fn trusting(file: &Path) -> Result<Client, BuildError> {
    Client::new(Settings { extra_ca_file: Some(file.to_owned()), ..local_settings() })
}

#[tokio::test]
async fn a_certificate_of_ones_own_is_trusted_only_when_configured() {
    let (port, pem) = serve_tls().await;
    let url = format!("https://localhost:{port}/?signature=SECRET");
    let stranger = Client::new(local_settings()).unwrap();
    let error = stranger.post_json(&url, "{}".to_owned(), &[]).await.unwrap_err();
    assert!(matches!(error.failure, CallFailure::Tls(_)), "{error:?}");
    assert!(!error.to_string().contains("SECRET"), "{error}");

    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(pem.as_bytes()).unwrap();
    let friend = trusting(file.path()).unwrap();
    assert_eq!(friend.post_json(&url, "{}".to_owned(), &[]).await.unwrap().body, b"{}");

    // The certificate is for the name, not for the address behind it.
    let by_address = format!("https://127.0.0.1:{port}/");
    let error = friend.post_json(&by_address, "{}".to_owned(), &[]).await.unwrap_err();
    assert!(matches!(error.failure, CallFailure::Tls(_)), "{error:?}");
}

#[test]
fn a_file_without_certificates_is_refused_at_the_start() {
    let file = tempfile::NamedTempFile::new().unwrap();
    for path in [file.path(), Path::new("/nonexistent/ca.pem")] {
        let error = trusting(path).unwrap_err();
        assert!(matches!(&error, BuildError::ExtraCa { path: named, .. } if named == path), "{error:?}");
    }
}
