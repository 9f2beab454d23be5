//! TLS towards an origin: the roots that are trusted, and the client certificate.
//!
//! A client configuration is made for each connection: files are read anew, so that a renewed
//! certificate or CA takes effect at the next reconnect, and a file that is missing now heals by
//! itself. Session resumption is off: its memory per configuration is larger than what one
//! connection that lasts for hours could gain.

use super::unverified::Unverified;
use super::{Failure, Reason};
use crate::config::UpstreamTls;
use rustls::client::Resumption;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{AlertDescription, CertificateError, ClientConfig, RootCertStore};
use std::io;
use std::path::Path;
use std::sync::{Arc, LazyLock};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// The system's roots: a property of the machine, read once.
static SYSTEM_ROOTS: LazyLock<Arc<RootCertStore>> = LazyLock::new(|| {
    let loaded = rustls_native_certs::load_native_certs();
    for error in &loaded.errors {
        tracing::warn!(%error, "not all of the system's certificates could be read");
    }
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(loaded.certs);
    Arc::new(roots)
});

const HTTP1: &[u8] = b"http/1.1";
const HTTP2: &[u8] = b"h2";

/// Secures a connection to `host`. `at_home`: the peer is the configured one, so the configured
/// name and client certificate are meant for it.
pub(super) async fn handshake(
    tcp: TcpStream,
    host: &str,
    tls: &UpstreamTls,
    at_home: bool,
    http2: bool,
) -> Result<TlsStream<TcpStream>, Failure> {
    let host = tls.server_name.as_deref().filter(|_| at_home).unwrap_or(host);
    let name = ServerName::try_from(host.to_owned()).map_err(|_| failure(format!("{host}: no valid server name")))?;
    let config = Arc::new(client_config(tls, at_home, http2).await?);
    let stream = TlsConnector::from(config)
        .connect(name, tcp)
        .await
        .map_err(|error| failure(in_words(&error)))?;
    if http2 && stream.get_ref().1.alpn_protocol() != Some(HTTP2) {
        return Err(Failure::new(Reason::Protocol, "the origin does not speak HTTP/2"));
    }
    Ok(stream)
}

/// A handshake's error, with what can be done about it where that is known.
fn in_words(error: &io::Error) -> String {
    let tls = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
    let hint = match tls {
        Some(rustls::Error::InvalidMessage(_)) => {
            "the origin does not answer in TLS: should its URL begin with http://?"
        }
        Some(rustls::Error::InvalidCertificate(CertificateError::UnknownIssuer)) => {
            "the origin's certificate is signed by none of the trusted authorities: name its own in tls.ca"
        }
        Some(rustls::Error::AlertReceived(AlertDescription::NoApplicationProtocol)) => {
            "the origin does not speak the HTTP version that is asked for"
        }
        None if error.kind() == io::ErrorKind::UnexpectedEof => "the origin closed the connection within the handshake",
        _ => return error.to_string(),
    };
    format!("{hint} ({error})")
}

async fn client_config(tls: &UpstreamTls, at_home: bool, http2: bool) -> Result<ClientConfig, Failure> {
    // Explicit: a process-wide default would be the one that was installed first.
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(provider.clone())
        .with_safe_default_protocol_versions()
        .map_err(|error| failure(error.to_string()))?;
    let builder = match (&tls.ca, tls.is_unverified) {
        (_, true) => builder
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(Unverified(provider))),
        (Some(file), false) => builder.with_root_certificates(roots_in(file).await?),
        (None, false) => builder.with_root_certificates(system_roots().await?),
    };
    let mut config = match (&tls.cert, &tls.key) {
        (Some(cert), Some(key)) if at_home => {
            let chain = certificates_in(cert).await?;
            let key_pem = read(key).await?;
            // Without the parser's own words, which can quote the file.
            let key_der =
                PrivateKeyDer::from_pem_slice(&key_pem).map_err(|_| unusable(key, &"no private key in it"))?;
            builder
                .with_client_auth_cert(chain, key_der)
                .map_err(|error| unusable(cert, &error))?
        }
        _ => builder.with_no_client_auth(),
    };
    // Many small frames are an abuse in HTTP/2's eyes, and are what an event stream is: only when
    // the operator says so.
    config.alpn_protocols = vec![if http2 { HTTP2 } else { HTTP1 }.to_vec()];
    config.resumption = Resumption::disabled();
    Ok(config)
}

async fn system_roots() -> Result<Arc<RootCertStore>, Failure> {
    // The first time, it reads and parses some hundred files.
    let roots = tokio::task::spawn_blocking(|| Arc::clone(&SYSTEM_ROOTS)).await;
    let roots = roots.map_err(|_| failure("the system's certificates could not be read".to_owned()))?;
    if roots.is_empty() {
        return Err(failure(
            "the system has no root certificates: name a CA in the configuration".to_owned(),
        ));
    }
    Ok(roots)
}

async fn roots_in(file: &Path) -> Result<Arc<RootCertStore>, Failure> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates_in(file).await? {
        roots.add(certificate).map_err(|error| unusable(file, &error))?;
    }
    Ok(Arc::new(roots))
}

/// The certificates of a PEM file; at least one.
async fn certificates_in(file: &Path) -> Result<Vec<CertificateDer<'static>>, Failure> {
    let pem = read(file).await?;
    let certificates = CertificateDer::pem_slice_iter(&pem)
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| unusable(file, &error))?;
    if certificates.is_empty() {
        return Err(unusable(file, &"no certificate in it"));
    }
    Ok(certificates)
}

async fn read(file: &Path) -> Result<Vec<u8>, Failure> {
    tokio::fs::read(file).await.map_err(|error| unusable(file, &error))
}

fn unusable(file: &Path, why: &dyn std::fmt::Display) -> Failure {
    failure(format!("{}: {why}", file.display()))
}

fn failure(detail: String) -> Failure {
    Failure::new(Reason::Tls, detail)
}
