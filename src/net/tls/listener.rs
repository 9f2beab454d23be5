//! The TLS of one listener: its certificates and what its handshakes may agree on, as of now.

use super::names::Names;
use crate::certificate::{Certificate, CertificateError, Validity, authorities, provider};
use crate::config::{Alpn, ListenerTls, TlsVersion};
use arc_swap::ArcSwap;
use rustls::crypto::aws_lc_rs::Ticketer;
use rustls::server::{NoServerSessionStorage, ProducesTickets, WebPkiClientVerifier};
use rustls::{ServerConfig, SupportedProtocolVersion, version};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// Both versions. What is older is broken (RFC 8996), and not in the library.
const VERSIONS: &[&SupportedProtocolVersion] = &[&version::TLS13, &version::TLS12];
const TLS13_ONLY: &[&SupportedProtocolVersion] = &[&version::TLS13];

/// Why a listener's TLS can't be set up.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{0}")]
pub struct TlsError(String);

impl From<CertificateError> for TlsError {
    fn from(error: CertificateError) -> Self {
        Self(error.to_string())
    }
}

/// The TLS of a listener. What is in force is replaced as a whole; a connection keeps what its
/// handshake began with.
pub(crate) struct TlsListener {
    /// The listener's address, as logs and metrics name it.
    pub(super) name: String,
    in_force: ArcSwap<InForce>,
}

/// What handshakes are made with.
pub(super) struct InForce {
    settings: ListenerTls,
    server_config: Arc<ServerConfig>,
    names: Arc<Names>,
    /// The certificate that ends first.
    pub(super) validity: Validity,
    /// What stood in the files.
    pub(super) content: u64,
    /// What stood in `client_ca`.
    authorities: u64,
}

impl TlsListener {
    pub(crate) fn new(name: String, settings: &ListenerTls) -> Result<Self, TlsError> {
        let in_force = ArcSwap::from_pointee(InForce::load(settings.clone(), None)?);
        Ok(Self { name, in_force })
    }

    /// What a handshake is made with.
    pub(super) fn server_config(&self) -> Arc<ServerConfig> {
        self.in_force.load().server_config.clone()
    }

    /// Whether a request for this host belongs here: there is a certificate for the name. Addresses
    /// are not looked up, since a client that asks for one says no name.
    pub(crate) fn serves(&self, host: &str) -> bool {
        let address = host.trim_start_matches('[').trim_end_matches(']');
        address.parse::<IpAddr>().is_ok() || self.in_force.load().names.find(host).is_some()
    }

    /// How long a handshake may take.
    pub(crate) fn handshake_timeout(&self) -> Duration {
        self.in_force.load().settings.handshake_timeout
    }

    pub(super) fn in_force(&self) -> Arc<InForce> {
        self.in_force.load_full()
    }

    /// The same settings with what stands in the files now. Nothing is replaced yet.
    pub(super) fn prepare(&self) -> Result<InForce, TlsError> {
        let before = self.in_force.load();
        InForce::load(before.settings.clone(), Some(&before))
    }

    /// From now on handshakes are made with this.
    pub(super) fn replace(&self, prepared: InForce) {
        self.in_force.store(Arc::new(prepared));
    }

    /// What stands in the files now.
    pub(super) fn content(&self) -> u64 {
        content(&files(&self.in_force.load().settings))
    }
}

impl InForce {
    fn load(settings: ListenerTls, before: Option<&InForce>) -> Result<Self, TlsError> {
        // What is written while the files are read counts as a change afterwards.
        let content_before = content(&files(&settings));
        let authorities = content(settings.client_ca.as_slice());
        let mut certificates = Vec::new();
        for files in &settings.certificates {
            certificates.push(Certificate::load(&files.cert, &files.key)?);
        }
        let first_to_end = certificates
            .iter()
            .map(|known| known.validity)
            .min_by_key(|v| v.not_after);
        let (Some(names), Some(validity)) = (Names::new(&certificates), first_to_end) else {
            return Err(TlsError("no certificate".to_owned()));
        };
        let tickets = match before {
            // Clients resume across a renewal. One whose certificate was good enough for other
            // authorities does not: a session that is resumed is not verified again.
            Some(before) if before.authorities == authorities => before.server_config.ticketer.clone(),
            _ => Ticketer::new().map_err(|error| TlsError(error.to_string()))?,
        };
        let names = Arc::new(names);
        Ok(Self {
            server_config: Arc::new(server_config(&settings, names.clone(), tickets)?),
            names,
            settings,
            validity,
            content: content_before,
            authorities,
        })
    }
}

fn server_config(
    settings: &ListenerTls,
    names: Arc<Names>,
    tickets: Arc<dyn ProducesTickets>,
) -> Result<ServerConfig, TlsError> {
    let setup = |error: &dyn std::fmt::Display| TlsError(error.to_string());
    let versions = match settings.min_version {
        TlsVersion::Tls12 => VERSIONS,
        TlsVersion::Tls13 => TLS13_ONLY,
    };
    let builder = ServerConfig::builder_with_provider(provider())
        .with_protocol_versions(versions)
        .map_err(|error| setup(&error))?;
    let builder = match &settings.client_ca {
        None => builder.with_no_client_auth(),
        Some(file) => {
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(authorities(file)?), provider());
            builder.with_client_cert_verifier(verifier.build().map_err(|error| setup(&error))?)
        }
    };
    let mut config = builder.with_cert_resolver(names);
    config.alpn_protocols = settings.alpn.iter().map(|alpn| alpn.name().to_vec()).collect();
    if settings.alpn.contains(&Alpn::Http11) {
        // Some clients name the older version alone: `curl --http1.0`.
        config.alpn_protocols.push(b"http/1.0".to_vec());
    }
    // A session is kept by its client, in a ticket: none here costs memory, however many come. The
    // tickets' keys are changed every six hours, and are of this process alone.
    config.ticketer = tickets;
    config.session_storage = Arc::new(NoServerSessionStorage {});
    // What is sent before a handshake is over can be sent again by others.
    config.max_early_data_size = 0;
    Ok(config)
}

fn files(settings: &ListenerTls) -> Vec<PathBuf> {
    let certificates = settings.certificates.iter();
    let mut files: Vec<PathBuf> = certificates
        .flat_map(|files| [files.cert.clone(), files.key.clone()])
        .collect();
    files.extend(settings.client_ca.clone());
    files
}

/// A hash of what stands in these files; of an error, where one can't be read.
fn content(files: &[PathBuf]) -> u64 {
    let mut hasher = DefaultHasher::new();
    for file in files {
        let read = std::fs::read(file).map_err(|error| error.kind().to_string());
        read.hash(&mut hasher);
    }
    hasher.finish()
}
