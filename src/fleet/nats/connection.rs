//! The connection to the engine: one for all sources, made when the first of them needs it.

use super::super::engine::EngineError;
use crate::config;
use async_nats::jetstream::Context;
use async_nats::jetstream::context::ContextBuilder;
use async_nats::{Client, ConnectOptions};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::OnceCell;

/// Bounds of the time between two attempts to connect.
const RECONNECT: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(2));
/// A connection over which nothing comes for two of these is none.
const PING_EVERY: Duration = Duration::from_secs(5);
/// Answers that may be awaited at one time: each source has 64 appends, and some questions.
const ANSWERS_MAX: usize = 16 << 10;

/// See the module.
pub(super) struct Connection {
    pub(super) config: config::Fleet,
    context: OnceCell<Context>,
}

impl Connection {
    pub(super) fn new(config: config::Fleet) -> Self {
        Self {
            config,
            context: OnceCell::new(),
        }
    }

    /// Its streams. Connects by itself, and again and again: what is asked for meanwhile gets no answer.
    pub(super) async fn context(&self) -> Result<&Context, EngineError> {
        self.context
            .get_or_try_init(async || {
                let client = self.connect().await?;
                Ok(ContextBuilder::new()
                    .timeout(self.config.append_timeout)
                    .ack_timeout(self.config.append_timeout)
                    .max_ack_inflight(ANSWERS_MAX)
                    .build(client))
            })
            .await
    }

    /// The same, if anything has been asked for.
    pub(super) fn opened(&self) -> Option<&Context> {
        self.context.get()
    }

    async fn connect(&self) -> Result<Client, EngineError> {
        let config = &self.config;
        let said = |error: &dyn std::fmt::Display| EngineError(error.to_string());
        let (least, most) = RECONNECT;
        let delay = move |attempts: usize| {
            let grown = least.saturating_mul(1 << attempts.min(8)).min(most);
            grown.mul_f64(0.5 + 0.5 * fastrand::f64())
        };
        let is_tls = config.tls.ca.is_some() || config.nats.iter().any(|url| url.starts_with("tls:"));
        let mut options = ConnectOptions::new()
            .name(format!("fanfare {}", config.instance))
            .retry_on_initial_connect()
            .reconnect_delay_callback(delay)
            .ping_interval(PING_EVERY)
            .request_timeout(Some(config.append_timeout))
            .require_tls(is_tls)
            .tls_client_config(tls(&config.tls)?);
        if let (Some(user), Some(password)) = (&config.user, &config.password) {
            options = options.user_and_password(user.clone(), password.0.clone());
        }
        if let Some(file) = &config.credentials_file {
            // Its own words can quote the file.
            options = options
                .credentials_file(file)
                .await
                .map_err(|_| EngineError(format!("{}: no usable credentials", file.display())))?;
        }
        options.connect(&config.nats[..]).await.map_err(|error| said(&error))
    }
}

/// How TLS is spoken, if it is.
fn tls(config: &config::FleetTls) -> Result<ClientConfig, EngineError> {
    let unusable = |file: &Path, what: &str| EngineError(format!("{}: {what}", file.display()));
    let certificates = |file: &Path| {
        let found: Result<Vec<_>, _> = CertificateDer::pem_file_iter(file).and_then(Iterator::collect);
        found.map_err(|_| unusable(file, "no usable certificates"))
    };
    let mut roots = RootCertStore::empty();
    match &config.ca {
        Some(file) => roots.add_parsable_certificates(certificates(file)?),
        None => roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs),
    };
    // Explicit: a process-wide default would be the one that was installed first.
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| EngineError(error.to_string()))?
        .with_root_certificates(roots);
    match (&config.cert, &config.key) {
        (Some(cert), Some(key)) => {
            let key_der = PrivateKeyDer::from_pem_file(key).map_err(|_| unusable(key, "no private key in it"))?;
            builder
                .with_client_auth_cert(certificates(cert)?, key_der)
                .map_err(|error| unusable(cert, &error.to_string()))
        }
        _ => Ok(builder.with_no_client_auth()),
    }
}
