//! Where a server may be.

use std::sync::Arc;

use conformance::cases::find;
use conformance::{Dialect, Outcome, Plan, Verdict};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio_rustls::rustls::{ServerConfig, version};

use crate::support::{checked, ended, told};

/// A server whose certificate nobody signed.
async fn untrusted() -> String {
    let issued = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(issued.signing_key.serialize_der()));
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_protocol_versions(&[&version::TLS12])
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![issued.cert.der().clone()], key)
        .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            // The caller does not trust it.
            let _ = acceptor.accept(stream).await;
        }
    });
    format!("https://localhost:{port}/saasproduce")
}

#[tokio::test]
async fn a_certificate_that_nobody_signed_is_wrong() {
    let plan = Plan::new(Dialect::KooGalleryV2, untrusted().await, "a key");
    let report = checked(&plan, 1).await.unwrap();
    assert_eq!(ended(&report, Verdict::Fail)[0], ("address", "tls_failed".to_owned()), "{}", told(&report));
    assert_eq!(report.outcome(), Outcome::Unsound);

    let alone = Plan { cases: vec![find("address").unwrap()], ..plan };
    assert_eq!(checked(&alone, 1).await.unwrap().outcome(), Outcome::Unsound);
}
