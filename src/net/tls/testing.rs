//! Certificates and clients for tests.

use crate::certificate::{Certificate, provider};
use crate::config::{Alpn, CertificateFiles, ListenerTls, TlsVersion};
use rcgen::{CertificateParams, KeyPair};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, Error, SignatureScheme, version};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tempfile::TempDir;

/// A certificate for some names, and its key, as files.
pub(crate) struct Issued {
    folder: TempDir,
}

impl Issued {
    pub(crate) fn new(names: &[&str]) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let issued = Self { folder };
        issued.renew(names);
        issued
    }

    /// Writes a new certificate with a new key into the same files.
    pub(crate) fn renew(&self, names: &[&str]) {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let key = KeyPair::generate().expect("a key");
        let params = CertificateParams::new(names).expect("names");
        let cert = params.self_signed(&key).expect("a certificate");
        std::fs::write(self.cert(), cert.pem()).expect("written");
        std::fs::write(self.key(), key.serialize_pem()).expect("written");
    }

    pub(crate) fn cert(&self) -> PathBuf {
        self.folder.path().join("cert.pem")
    }

    pub(crate) fn key(&self) -> PathBuf {
        self.folder.path().join("cert.key")
    }

    pub(crate) fn load(&self) -> Certificate {
        Certificate::load(&self.cert(), &self.key()).expect("a certificate")
    }
}

/// The settings of a listener with this certificate.
pub(crate) fn settings(issued: &Issued) -> ListenerTls {
    ListenerTls {
        certificates: vec![CertificateFiles {
            cert: issued.cert(),
            key: issued.key(),
        }],
        min_version: TlsVersion::Tls12,
        client_ca: None,
        alpn: vec![Alpn::H2, Alpn::Http11],
        handshake_timeout: Duration::from_secs(10),
    }
}

/// A client that speaks one version, and believes everyone.
pub(crate) fn client_config(tls: TlsVersion) -> Arc<ClientConfig> {
    let versions = match tls {
        TlsVersion::Tls12 => [&version::TLS12],
        TlsVersion::Tls13 => [&version::TLS13],
    };
    let config = ClientConfig::builder_with_provider(provider())
        .with_protocol_versions(&versions)
        .expect("a version")
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Anyone))
        .with_no_client_auth();
    Arc::new(config)
}

#[derive(Debug)]
struct Anyone;

impl ServerCertVerifier for Anyone {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        provider().signature_verification_algorithms.supported_schemes()
    }
}
