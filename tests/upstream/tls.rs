//! TLS: whom the upstream trusts, whom it takes the origin for, and who it says it is.

use crate::running::{config, run};
use crate::support::origin::TestOrigin;
use fanfare::config::Upstream;
use fanfare::upstream::Reason;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, Issuer, KeyPair};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use std::path::PathBuf;
use std::sync::Arc;
use tempfile::TempDir;

/// A certificate authority, and a folder for what it issues.
pub struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
    folder: TempDir,
}

/// A certificate and its key, in PEM.
struct Issued {
    cert: rcgen::Certificate,
    key: KeyPair,
}

impl Authority {
    pub fn new() -> Self {
        let mut params = CertificateParams::new(Vec::<String>::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        Self {
            issuer,
            folder: tempfile::tempdir().unwrap(),
        }
    }

    fn issue(&self, names: &[&str]) -> Issued {
        let issuer: &Issuer<'_, KeyPair> = &self.issuer;
        let key = KeyPair::generate().unwrap();
        let names = names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        let cert = CertificateParams::new(names).unwrap().signed_by(&key, issuer).unwrap();
        Issued { cert, key }
    }

    /// A PEM file in the folder.
    pub fn file(&self, name: &str, pem: &str) -> PathBuf {
        let path = self.folder.path().join(name);
        std::fs::write(&path, pem).unwrap();
        path
    }

    pub fn ca_file(&self) -> PathBuf {
        self.file("ca.pem", &self.issuer.pem())
    }

    /// A server of these names that speaks these protocols.
    pub fn server(&self, names: &[&str], alpn: &[&str], clients: bool) -> Arc<ServerConfig> {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let issued = self.issue(names);
        let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .unwrap();
        let builder = if clients {
            let mut roots = RootCertStore::empty();
            roots.add(self.issuer.der().clone()).unwrap();
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider)
                .build()
                .unwrap();
            builder.with_client_cert_verifier(verifier)
        } else {
            builder.with_no_client_auth()
        };
        let key = PrivateKeyDer::try_from(issued.key.serialize_der()).unwrap();
        let chain: Vec<CertificateDer<'static>> = vec![issued.cert.der().clone()];
        let mut config = builder.with_single_cert(chain, key).unwrap();
        config.alpn_protocols = alpn.iter().map(|protocol| protocol.as_bytes().to_vec()).collect();
        Arc::new(config)
    }
}

/// An origin with a certificate for its address, and an upstream that trusts its authority.
pub async fn trusted(alpn: &[&str], clients: bool) -> (Authority, TestOrigin, Upstream) {
    let authority = Authority::new();
    let origin = TestOrigin::start_tls(authority.server(&["127.0.0.1"], alpn, clients)).await;
    let mut config = config(origin.url("/sse"));
    config.tls.ca = Some(authority.ca_file());
    (authority, origin, config)
}

#[tokio::test]
async fn a_configured_authority_is_trusted() {
    // Where both are spoken, HTTP/1.1 is chosen: small frames are what HTTP/2 bounds.
    let (_authority, origin, config) = trusted(&["h2", "http/1.1"], false).await;
    let mut upstream = run(config);
    let mut conn = origin.accept().await;
    assert_eq!(conn.alpn().as_deref(), Some("http/1.1"));
    assert_eq!(
        conn.request().header("host"),
        Some(origin.address().to_string().as_str())
    );
    conn.chunked_stream_head().await;
    conn.event("data: 1").await;
    upstream.connected().await;
    assert_eq!(upstream.event().await, "data: 1");
    conn.close().await;
    upstream.failed_with(Reason::Ended).await;
}

#[tokio::test]
async fn an_authority_that_the_system_does_not_know_is_not() {
    let authority = Authority::new();
    let origin = TestOrigin::start_tls(authority.server(&["127.0.0.1"], &[], false)).await;
    let mut upstream = run(config(origin.url("/sse")));
    assert!(origin.try_accept().await.is_err());
    upstream.failed_with(Reason::Tls).await;
}

#[tokio::test]
async fn the_certificate_must_carry_the_name() {
    let authority = Authority::new();
    let origin = TestOrigin::start_tls(authority.server(&["origin.example"], &[], false)).await;
    let mut config = config(origin.url("/sse"));
    config.tls.ca = Some(authority.ca_file());
    let mut upstream = run(config.clone());
    assert!(origin.try_accept().await.is_err());
    let failure = upstream.failed_with(Reason::Tls).await;
    assert!(failure.detail.contains("certificate"), "{failure}");
    drop(upstream);

    config.tls.server_name = Some("origin.example".to_owned());
    let mut upstream = run(config);
    // The old upstream may have called once more.
    let mut conn = loop {
        if let Ok(conn) = origin.try_accept().await {
            break conn;
        }
    };
    conn.stream_head().await;
    upstream.connected().await;
}

#[tokio::test]
async fn a_client_certificate_is_shown_to_the_configured_origin_only() {
    let (authority, origin, mut config) = trusted(&[], true).await;
    let client = authority.issue(&["relay"]);
    config.tls.cert = Some(authority.file("client.pem", &client.cert.pem()));
    config.tls.key = Some(authority.file("client.key", &client.key.serialize_pem()));
    let elsewhere = TestOrigin::start_tls(authority.server(&["127.0.0.1"], &[], true)).await;

    let mut upstream = run(config);
    let mut conn = origin.accept().await;
    assert_eq!(conn.peer_certificates(), 1);
    conn.send(format!(
        "HTTP/1.1 307 There\r\nLocation: {}\r\nContent-Length: 0\r\n\r\n",
        elsewhere.url("/")
    ))
    .await;
    assert!(elsewhere.try_accept().await.is_err());
    upstream.failed_with(Reason::Tls).await;
}

#[tokio::test]
async fn an_origin_that_misses_a_client_certificate() {
    let (_authority, origin, config) = trusted(&[], true).await;
    let mut upstream = run(config);
    assert!(origin.try_accept().await.is_err());
    upstream.failed_with(Reason::Tls).await;
}

#[tokio::test]
async fn files_are_read_again_at_each_attempt() {
    let (authority, origin, mut config) = trusted(&[], false).await;
    let missing = authority.folder.path().join("later.pem");
    config.tls.ca = Some(missing);
    let mut upstream = run(config);
    // The connection is opened before the files are looked at: each attempt leaves one.
    for (pem, said) in [(None, "later.pem"), (Some("nothing in here"), "no certificate")] {
        if let Some(pem) = pem {
            authority.file("later.pem", pem);
        }
        loop {
            let failure = upstream.failed_with(Reason::Tls).await;
            if failure.detail.contains(said) {
                break;
            }
        }
    }
    authority.file("later.pem", &std::fs::read_to_string(authority.ca_file()).unwrap());
    let mut conn = loop {
        if let Ok(conn) = origin.try_accept().await {
            break conn;
        }
    };
    conn.stream_head().await;
    loop {
        match upstream.told().await {
            crate::running::Told::Connected(_) => break,
            crate::running::Told::Failed(failure) => assert_eq!(failure.reason, Reason::Tls),
            told => panic!("{told:?}"),
        }
    }
}

#[tokio::test]
async fn clear_text_where_tls_is_expected() {
    let origin = TestOrigin::start().await;
    let mut upstream = run(config(origin.url("/sse").replace("http:", "https:")));
    let mut conn = origin.accept_silent().await;
    conn.send("HTTP/1.1 400 Bad Request\r\n\r\n").await;
    upstream.failed_with(Reason::Tls).await;
}

#[tokio::test]
async fn an_origin_that_does_not_speak_tls_is_said_to() {
    let origin = TestOrigin::start().await;
    let mut upstream = run(config(origin.url("/").replace("http:", "https:")));
    let mut conn = origin.accept_silent().await;
    conn.send("HTTP/1.1 400 Bad Request\r\n\r\n").await;
    let failure = upstream.failed_with(Reason::Tls).await;
    assert!(failure.detail.contains("does not answer in TLS"), "{failure}");

    let (_authority, origin, mut config) = trusted(&[], false).await;
    config.target = fanfare::config::Target::Urls(vec![origin.url("/").replace("https:", "http:")]);
    let mut upstream = run(config);
    assert!(origin.try_accept().await.is_err());
    let failure = upstream.failed_with(Reason::Protocol).await;
    assert!(failure.detail.contains("begin with https://"), "{failure}");
}
