//! The connection to the engine: one for all sources, made when the first of them needs it.

use super::super::engine::EngineError;
use super::credentials;
use super::tls;
use super::trouble::Trouble;
use crate::config;
use async_nats::jetstream::Context;
use async_nats::jetstream::context::ContextBuilder;
use async_nats::{AuthError, Client, ConnectOptions};
use std::future::{Ready, ready};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::OnceCell;

/// Bounds of the time between two attempts to connect, but for the first.
const RECONNECT: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(2));
/// A connection over which nothing comes for two of these is none.
const PING_EVERY: Duration = Duration::from_secs(5);
/// Answers that may be awaited at one time: each source has 64 appends, and some questions.
const ANSWERS_MAX: usize = 16 << 10;

/// See the module.
pub(super) struct Connection {
    pub(super) config: config::Fleet,
    context: OnceCell<Context>,
    trouble: Arc<Trouble>,
}

impl Connection {
    pub(super) fn new(config: config::Fleet) -> Self {
        Self {
            config,
            context: OnceCell::new(),
            trouble: Arc::default(),
        }
    }

    /// Its streams. The first connection may fail, and says why. One that is lost is made again by
    /// itself: what is asked for meanwhile gets no answer.
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

    /// What is wrong with it now.
    pub(super) fn trouble(&self) -> Option<EngineError> {
        self.trouble.now()
    }

    /// Why something has failed that was begun then.
    pub(super) fn explain(&self, error: EngineError, began: Instant) -> EngineError {
        self.trouble.explain(error, began)
    }

    async fn connect(&self) -> Result<Client, EngineError> {
        let config = &self.config;
        let (least, most) = RECONNECT;
        let delay = move |attempts: usize| match attempts {
            0 | 1 => Duration::ZERO,
            more => {
                let grown = least.saturating_mul(1 << more.min(8)).min(most);
                grown.mul_f64(0.5 + 0.5 * fastrand::f64())
            }
        };
        let is_tls = config.tls.ca.is_some() || config.nats.iter().any(|url| url.starts_with("tls:"));
        let trouble = self.trouble.clone();
        let options = self
            .identified()
            .name(format!("fanfare {}", config.instance))
            // Those of other programs are none of its business, nor its own of theirs.
            .custom_inbox_prefix(format!("_INBOX.{}", config.name))
            .reconnect_delay_callback(delay)
            .ping_interval(PING_EVERY)
            .request_timeout(Some(config.append_timeout))
            .require_tls(is_tls)
            .tls_client_config(tls::config(&config.tls, &self.trouble)?)
            .event_callback(move |event| {
                trouble.happened(event);
                ready(())
            });
        let connected = options.connect(&config.nats[..]).await;
        connected.map_err(|error| EngineError(format!("not connected: {error}")))
    }

    /// With what says who the instance is.
    fn identified(&self) -> ConnectOptions {
        if !credentials::are_there(&self.config) {
            return ConnectOptions::new();
        }
        let (config, trouble) = (self.config.clone(), self.trouble.clone());
        ConnectOptions::with_auth_callback(move |nonce| -> Ready<Result<async_nats::Auth, AuthError>> {
            ready(credentials::auth(&config, &nonce).map_err(|why| {
                trouble.found(why.clone());
                AuthError::new(why)
            }))
        })
    }
}
