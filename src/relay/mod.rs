//! The relay as a whole: sources, shards, listeners and admin, put together and taken apart again.
//!
//! Everything is bound before anything runs, so that an address in use is found out at once. What
//! a [`Reloader`] puts in force goes the same way.
//! Dropping a [`Relay`] cuts everything; [`Relay::drain`] ends it in order.

mod budget;
mod in_force;
mod limits;
mod listeners;
mod liveness;
mod reload;
mod reloader;
mod routes;
mod start_error;
mod status_provider;

use crate::access::Gates;
use crate::admin::Admin;
use crate::channel::Settings;
use crate::config::{Config, Drain, Listen};
use crate::critical::CriticalTasks;
use crate::delivery::Shards;
use crate::http::{Router, Server, Snapshot};
use crate::metrics::Metrics;
use crate::net::{Listener, bind};
use crate::proxy::Proxy;
use crate::quotas::Quotas;
use crate::source::{Change, Registry};
use crate::status::StatusProvider;
use crate::upstream::UpstreamRuntime;
use arc_swap::{ArcSwap, ArcSwapOption};
use budget::Descriptors;
use in_force::InForce;
use listeners::{Bound, Listeners};
use reload::Record;
use routes::{links, routed};
use start_error::ListenerName;
use status_provider::RelayStatus;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::runtime::Handle;
use tokio::time::Instant;

pub use liveness::Liveness;
pub use reload::Reloaded;
pub use reloader::Reloader;
pub use start_error::StartError;

/// A running relay.
pub struct Relay {
    in_force: Arc<InForce>,
    shards: Arc<Shards>,
    quotas: Arc<Quotas>,
    status: Arc<RelayStatus>,
    admin: Option<Admin>,
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
    /// Starts everything. To be called within a tokio runtime, which then serves requests;
    /// upstreams have their own.
    pub fn start(config: Config) -> Result<Self, StartError> {
        let bound = Bound::all(&config.listen)?;
        let admin_listener = config.admin.map(bind_admin).transpose()?;

        let metrics = Metrics::new();
        metrics.announce_reloads();
        let critical = CriticalTasks::default();
        let shards = Arc::new(Shards::start(config.workers, &critical)?);
        let runtime = UpstreamRuntime::start(config.workers)?;
        let descriptors = Descriptors::at_start(&config);
        let budget = descriptors.divided_for(&config);
        let quotas = Quotas::new(&config.limits, &budget);
        let registry = Registry::new(runtime, metrics.clone(), quotas.clone(), critical.clone());
        let added: Vec<_> = config
            .sources
            .iter()
            .map(|source| (source.clone(), Change::Added))
            .collect();
        registry.start(&added);
        let snapshot = snapshot(&config, &registry, &metrics, &quotas);
        let admin_gate = Arc::new(ArcSwapOption::new(snapshot.gates.admin().cloned()));
        let snapshot = ArcSwap::from_pointee(snapshot);
        let listener_metrics = metrics.listener();
        limits::announce(&config, &budget, &metrics, &listener_metrics);
        let server = Arc::new(Server::new(
            snapshot,
            shards.clone(),
            quotas.clone(),
            metrics.listener(),
        ));
        let record = Record::new(&metrics);
        let status = RelayStatus::new(metrics, registry, shards.clone(), quotas.clone(), record);
        let status = Arc::new(status);

        let listeners = Listeners::new(server.clone(), critical.clone(), status.metrics.clone());
        listeners.replace(&config.listen, bound)?;
        let admin = admin_listener.map(|listener| {
            let admin = Admin::start(listener, status.clone(), budget.admin, admin_gate.clone())?;
            tracing::info!(address = %admin.addr(), "listening for the admin");
            io::Result::Ok(admin)
        });
        let in_force = InForce {
            config: ArcSwap::from_pointee(config),
            server: server.clone(),
            shards: shards.clone(),
            listeners,
            listener_metrics,
            admin_gate,
            quotas: quotas.clone(),
            status: status.clone(),
            descriptors,
            runtime: Handle::current(),
            changing: Mutex::default(),
        };
        Ok(Self {
            in_force: Arc::new(in_force),
            shards,
            quotas,
            status,
            admin: admin.transpose()?,
            critical,
            _connections: Connections(server),
        })
    }

    /// The certificates of the listeners, to be read again on demand: they are all replaced, or
    /// none. Blocks for as long as reading the files takes.
    pub fn certificate_reload(&self) -> impl Fn() + Clone + Send + Sync + 'static {
        let in_force = self.in_force.clone();
        move || in_force.listeners.reload_certificates_and_count()
    }

    /// Where clients connect: the first TCP listener.
    pub fn address(&self) -> Option<SocketAddr> {
        self.addresses().into_iter().flatten().next()
    }

    /// Where clients connect, in the order of the configuration in force; `None` for Unix sockets.
    pub fn addresses(&self) -> Vec<Option<SocketAddr>> {
        self.in_force.listeners.addresses()
    }

    /// Where the admin listens.
    pub fn admin_address(&self) -> Option<SocketAddr> {
        self.admin.as_ref().map(Admin::addr)
    }

    /// The numbers and states that the admin listener shows.
    pub fn status_provider(&self) -> &dyn StatusProvider {
        &*self.status
    }

    /// What puts other configurations in force.
    pub fn reloader(&self) -> Reloader {
        Reloader::new(&self.in_force)
    }

    /// The settings of a source, by its name. What replaces them is in force at once, also for the
    /// clients that are connected.
    pub fn settings(&self, source: &str) -> Option<Settings> {
        self.status.settings(source)
    }

    /// What can tell whether the relay's threads are alive, for as long as they are there. To be
    /// called within the runtime that serves requests.
    pub fn liveness(&self) -> Liveness {
        self.status.liveness()
    }

    /// How long leaving takes at the most, and how it is spread, as it is in force now.
    pub fn drain_settings(&self) -> Drain {
        self.in_force.config().drain.clone()
    }

    /// Completes once a part has failed without which the relay must not go on, with its name.
    pub async fn failed(&self) -> &str {
        self.critical.failed().await
    }

    /// Leaves in order: readiness off; then no new clients, and the streams end one by one; proxied
    /// requests get their responses, those without an end are ended with the streams. Whether all
    /// went in time.
    pub async fn drain(self) -> bool {
        // A reload that is under way is waited for, and none begins after it.
        self.in_force.announce_drain();
        let drain = self.drain_settings();
        let (clients, passes) = (self.quotas.clients(), self.quotas.proxied());
        tracing::info!(clients, passes, delay = ?drain.delay, spread = ?drain.spread, timeout = ?drain.timeout, "draining");
        tokio::time::sleep(drain.delay).await;
        let began = Instant::now();
        self.quotas.drain(drain.spread.min(drain.timeout));
        self.in_force.listeners.close().await;
        self.shards.drain(&drain);
        let empty = tokio::time::timeout(drain.timeout, self.quotas.empty()).await.is_ok();
        // Event streams and WebSockets from origins end in their turns; one whose client does not
        // read is cut.
        let turns = (drain.spread + LAST_EVENT_MAX).min(drain.timeout);
        let _ = tokio::time::timeout_at(began + turns, self.quotas.nothing_proxied()).await;
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

fn bind_admin(address: SocketAddr) -> Result<Listener, StartError> {
    let listener = ListenerName::Admin(address);
    bind(&Listen::Tcp(address)).map_err(|error| StartError::Bind { listener, error })
}

/// After its turn, how long a proxied event stream may take to come to the end of an event.
const LAST_EVENT_MAX: Duration = Duration::from_millis(1500);

/// What requests are served with first.
fn snapshot(config: &Config, registry: &Registry, metrics: &Arc<Metrics>, quotas: &Arc<Quotas>) -> Snapshot {
    let router = Router::new(registry.list().iter().map(|live| routed(live)));
    let proxy = Proxy::new(config, links(registry), metrics, quotas.clone(), None);
    let gates = Arc::new(Gates::new(config, metrics, None));
    Snapshot::new(config, router, proxy, gates)
}
