//! TLS towards the engine. Its files are read for each connection: a certificate that is replaced holds
//! from the next on.

use super::super::engine::EngineError;
use super::trouble::Trouble;
use crate::config::FleetTls;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{ResolvesClientCert, WebPkiServerVerifier};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::sign::CertifiedKey;
use rustls::{ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// How TLS is spoken, if it is. Fails if a file can't be used now; later that is told to `trouble`.
pub(super) fn config(files: &FleetTls, trouble: &Arc<Trouble>) -> Result<ClientConfig, EngineError> {
    // Explicit: a process-wide default would be the one that was installed first.
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let roots = match &files.ca {
        Some(file) => Roots::File(file.clone()),
        None => Roots::System(Arc::new(system_roots())),
    };
    let verifier = Verifier {
        roots,
        provider: provider.clone(),
        trouble: trouble.clone(),
    };
    verifier.verifier().map_err(EngineError)?;
    let builder = ClientConfig::builder_with_provider(provider.clone())
        .with_safe_default_protocol_versions()
        .map_err(|error| EngineError(error.to_string()))?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier));
    let (Some(cert), Some(key)) = (&files.cert, &files.key) else {
        return Ok(builder.with_no_client_auth());
    };
    let shown = Shown {
        cert: cert.clone(),
        key: key.clone(),
        provider,
        trouble: trouble.clone(),
    };
    shown.read().map_err(EngineError)?;
    Ok(builder.with_client_cert_resolver(Arc::new(shown)))
}

fn system_roots() -> RootCertStore {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    roots
}

/// Who is believed.
#[derive(Debug)]
enum Roots {
    System(Arc<RootCertStore>),
    File(PathBuf),
}

/// rustls' own verifier, with the roots as they are now.
#[derive(Debug)]
struct Verifier {
    roots: Roots,
    provider: Arc<CryptoProvider>,
    trouble: Arc<Trouble>,
}

impl Verifier {
    fn verifier(&self) -> Result<Arc<WebPkiServerVerifier>, String> {
        let roots = match &self.roots {
            Roots::System(roots) => roots.clone(),
            Roots::File(file) => {
                let mut roots = RootCertStore::empty();
                roots.add_parsable_certificates(certificates(file)?);
                Arc::new(roots)
            }
        };
        WebPkiServerVerifier::builder_with_provider(roots, self.provider.clone())
            .build()
            .map_err(|error| format!("no authority to trust: {error}"))
    }
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let verified = self.verifier().map_err(Error::General).and_then(|verifier| {
            verifier.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now)
        });
        if let Err(error) = &verified {
            self.trouble.found(error.to_string());
        }
        verified
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, cert, dss, &self.provider.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, cert, dss, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

/// The certificate that an engine is shown which asks for one.
#[derive(Debug)]
struct Shown {
    cert: PathBuf,
    key: PathBuf,
    provider: Arc<CryptoProvider>,
    trouble: Arc<Trouble>,
}

impl Shown {
    fn read(&self) -> Result<CertifiedKey, String> {
        let key = PrivateKeyDer::from_pem_file(&self.key)
            .map_err(|_| format!("{}: no private key in it", self.key.display()))?;
        CertifiedKey::from_der(certificates(&self.cert)?, key, &self.provider)
            .map_err(|error| format!("{}: {error}", self.cert.display()))
    }
}

impl ResolvesClientCert for Shown {
    fn resolve(&self, _: &[&[u8]], _: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        match self.read() {
            Ok(shown) => Some(Arc::new(shown)),
            Err(why) => {
                self.trouble.found(why);
                None
            }
        }
    }

    fn has_certs(&self) -> bool {
        true
    }
}

fn certificates(file: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
    let found: Result<Vec<_>, _> = CertificateDer::pem_file_iter(file).and_then(Iterator::collect);
    found.map_err(|_| format!("{}: no usable certificates", file.display()))
}
