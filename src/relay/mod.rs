//! The relay as a whole: sources, shards, listeners and admin, put together and taken apart again.
//!
//! Everything is bound before anything runs, so that an address in use is found out at once. Dropping a [`Relay`] cuts
//! everything; [`Relay::drain`] ends it in order.

mod start_error;
mod status_provider;
mod sources;

use crate::admin::Admin;
use crate::config::Config;
use crate::critical::CriticalTasks;
use crate::delivery::Shards;
use crate::http::{Router, Server, Snapshot};
use crate::metrics::Metrics;
use crate::net::{Listener, accept, bind};
use crate::proxy::Proxy;
use crate::quotas::{Quotas, clients_that_fit};
use crate::status::StatusProvider;
use arc_swap::ArcSwap;
use sources::{Served, Sources};
use start_error::ListenerName;
use status_provider::RelayStatus;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinSet;

pub use start_error::StartError;

/// A running relay.
pub struct Relay {
    addresses: Vec<Option<SocketAddr>>,
    listeners: JoinSet<()>,
    shards: Arc<Shards>,
    quotas: Arc<Quotas>,
    status: Arc<RelayStatus>,
    admin: Option<Admin>,
    config: Config,
    critical: CriticalTasks,
    _connections: Connections,
}

/// Those that no shard has: they end with the relay.
struct Connections(Arc<Server>);

impl Drop for Connections {
    fn drop(&mut self) {
        self.0.cut();
    }
}

impl Relay {
    /// Starts everything. To be called within a tokio runtime, which then runs the upstreams and the handshakes.
    pub fn start(config: Config) -> Result<Self, StartError> {
        let bound = config
            .listen
            .iter()
            .zip(ListenerName::of_clients(&config.listen))
            .map(|(listen, listener)| bind(listen).map_err(|error| StartError::Bind { listener, error }));
        let bound: Vec<Listener> = bound.collect::<Result<_, _>>()?;
        let admin_listener = config.admin.map(|address| {
            let listener = ListenerName::Admin(address);
            TcpListener::bind(address).map_err(|error| StartError::Bind { listener, error })
        });
        let admin_listener = admin_listener.transpose()?;

        let metrics = Metrics::new();
        let descriptors = raise_descriptor_limit();
        let quotas = Quotas::new(&config.limits, descriptors);
        say_what_fits(&config, descriptors);
        let critical = CriticalTasks::default();
        let shards = Arc::new(Shards::start(config.workers, &critical)?);
        let sources = Sources::start(&config, &metrics, &critical);
        let router = Router::new(sources.list().iter().map(Served::place));
        let proxy = Proxy::new(&config, sources.links(), metrics.proxy(), quotas.clone());
        let snapshot = Arc::new(ArcSwap::from_pointee(Snapshot::new(&config, router, proxy)));
        let server = Arc::new(Server::new(
            snapshot,
            shards.clone(),
            quotas.clone(),
            metrics.listener(),
        ));
        let status = Arc::new(RelayStatus::new(metrics, sources, shards.clone(), quotas.clone()));

        let addresses = bound.iter().map(Listener::address).collect();
        let mut listeners = JoinSet::new();
        for bound in bound {
            tracing::info!(address = %bound, "listening for clients");
            let part = format!("the listener {bound}");
            let (accepting, other) = (accept(bound, server.clone()), critical.clone());
            listeners.spawn(critical.clone().watch(part.clone(), async move {
                if let Err(error) = accepting.await {
                    tracing::error!(%error, "{part} can't be watched");
                    other.fail(&part);
                }
            }));
        }
        let admin = match admin_listener {
            Some(listener) => {
                let admin = Admin::start(listener, status.clone() as Arc<dyn StatusProvider>)?;
                tracing::info!(address = %admin.addr(), "listening for the admin");
                Some(admin)
            }
            None => None,
        };
        Ok(Self {
            addresses,
            listeners,
            shards,
            quotas,
            status,
            admin,
            config,
            critical,
            _connections: Connections(server),
        })
    }

    /// Where clients connect: the first TCP listener.
    pub fn address(&self) -> Option<SocketAddr> {
        self.addresses.iter().flatten().next().copied()
    }

    /// Where clients connect, in the order of the configuration; `None` for Unix sockets.
    pub fn addresses(&self) -> &[Option<SocketAddr>] {
        &self.addresses
    }

    /// Where the admin listens.
    pub fn admin_address(&self) -> Option<SocketAddr> {
        self.admin.as_ref().map(Admin::addr)
    }

    /// The numbers and states that the admin listener shows.
    pub fn status_provider(&self) -> &dyn StatusProvider {
        &*self.status
    }

    /// Completes once a part has failed without which the relay must not go on, with its name.
    pub async fn failed(&self) -> &str {
        self.critical.failed().await
    }

    /// Leaves in order: readiness off, no new clients, then the streams end one by one, and requests that are being passed get their
    /// answers. Whether all went in time.
    pub async fn drain(mut self) -> bool {
        let (clients, passes) = (self.quotas.clients(), self.quotas.proxied());
        tracing::info!(clients, passes, spread = ?self.config.drain.spread, timeout = ?self.config.drain.timeout, "draining");
        self.quotas.drain();
        self.listeners.shutdown().await;
        self.shards.drain(&self.config.drain);
        let empty = tokio::time::timeout(self.config.drain.timeout, self.quotas.empty())
            .await
            .is_ok();
        let all_left = empty && self.quotas.cut() == 0;
        if all_left {
            tracing::info!("drained");
        } else {
            let clients = self.quotas.clients() + self.quotas.cut();
            let passes = self.quotas.proxied();
            tracing::warn!(clients, passes, "drain timed out: the rest was cut");
        }
        all_left
    }
}

/// Descriptors that the process may have open, after raising the limit as far as it goes.
fn raise_descriptor_limit() -> u64 {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    let wanted = Rlimit {
        current: limit.maximum,
        maximum: limit.maximum,
    };
    if let Err(error) = setrlimit(Resource::Nofile, wanted) {
        tracing::warn!(%error, "the limit on open files can't be raised");
    }
    // No limit at all is said as none.
    getrlimit(Resource::Nofile).current.unwrap_or(u64::from(u32::MAX))
}

fn say_what_fits(config: &Config, descriptors: u64) {
    let fit = clients_that_fit(usize::try_from(descriptors).unwrap_or(usize::MAX));
    let clients_max = config.limits.clients;
    if fit < clients_max {
        tracing::warn!(
            fit,
            clients_max,
            descriptors,
            "fewer clients fit under the limit on open files than limits.clients allows: raise LimitNOFILE"
        );
    } else {
        tracing::info!(
            fit,
            clients_max,
            descriptors,
            "clients that fit under the limit on open files"
        );
    }
}

/// How often the logs let go of what is too old.
const SWEEP_EVERY: Duration = Duration::from_secs(1);
