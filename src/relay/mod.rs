//! The relay as a whole: sources, shards, listeners and admin, put together and taken apart again.
//!
//! Everything is bound before anything runs, so that an address in use is found out at once.
//! Dropping a [`Relay`] cuts everything; [`Relay::drain`] ends it in order.

mod start_error;
mod status_provider;
mod budget;
mod limits;
mod liveness;

use crate::access::Gates;
use crate::admin::Admin;
use crate::channel::Settings;
use crate::config::{ClientListener, Config, Drain, Listen};
use crate::critical::CriticalTasks;
use crate::delivery::Shards;
use crate::http::{ClientSide, RoutedSource, Router, Server, Snapshot};
use crate::metrics::Metrics;
use crate::net::tls::{Certificates, TlsListener};
use crate::net::{Listener, accept, bind, watch};
use crate::proxy::{Links, Proxy};
use crate::quotas::Quotas;
use crate::source::{LiveSource, Registry};
use crate::status::StatusProvider;
use crate::upstream::UpstreamRuntime;
use arc_swap::ArcSwap;
use budget::budget;
use start_error::ListenerName;
use status_provider::RelayStatus;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinSet;
use tokio::time::Instant;

pub use liveness::Liveness;
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
    certificates: Arc<Certificates>,
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
        let bound = config
            .listen
            .iter()
            .zip(ListenerName::of_clients(&config.listen))
            .map(|(listen, listener)| bind(&listen.address).map_err(|error| StartError::Bind { listener, error }));
        let bound: Vec<Listener> = bound.collect::<Result<_, _>>()?;
        let admin_listener = config.admin.map(|address| {
            let listener = ListenerName::Admin(address);
            bind(&Listen::Tcp(address)).map_err(|error| StartError::Bind { listener, error })
        });
        let admin_listener = admin_listener.transpose()?;

        let metrics = Metrics::new();
        let tls = bound.iter().zip(&config.listen).map(tls_of);
        let tls: Vec<Option<Arc<TlsListener>>> = tls.collect::<Result<_, _>>()?;
        let certificates = Certificates::new(tls.iter().flatten().cloned().collect(), metrics.clone());
        metrics.announce_reloads();
        let critical = CriticalTasks::default();
        let shards = Arc::new(Shards::start(config.workers, &critical)?);
        let runtime = UpstreamRuntime::start(config.workers)?;
        let budget = budget(&config);
        let quotas = Quotas::new(&config.limits, &budget);
        let registry = Registry::new(runtime, metrics.clone(), quotas.clone(), critical.clone());
        config.sources.iter().for_each(|source| registry.add(source));
        let snapshot = snapshot(&config, &registry, &metrics, &quotas);
        let admin_gate = snapshot.gates.admin().cloned();
        let snapshot = Arc::new(ArcSwap::from_pointee(snapshot));
        let listener_metrics = metrics.listener();
        limits::announce(&config, &budget, &metrics, &listener_metrics);
        let server = Arc::new(Server::new(snapshot, shards.clone(), quotas.clone(), listener_metrics));
        let status = Arc::new(RelayStatus::new(metrics, registry, shards.clone(), quotas.clone()));

        let addresses = bound.iter().map(Listener::address).collect();
        let mut listeners = JoinSet::new();
        listeners.spawn(certificates.clone().watch());
        for ((bound, listen), tls) in bound.into_iter().zip(&config.listen).zip(tls) {
            tracing::info!(address = %bound, tls = tls.is_some(), "listening for clients");
            let clients = ClientSide::new(server.clone(), listen.proxy_protocol, tls);
            listeners.spawn(accepting(bound, clients, &quotas, &critical)?);
        }
        let admin = admin_listener.map(|listener| {
            let admin = Admin::start(listener, status.clone(), budget.admin, admin_gate)?;
            tracing::info!(address = %admin.addr(), "listening for the admin");
            io::Result::Ok(admin)
        });
        Ok(Self {
            addresses,
            listeners,
            shards,
            quotas,
            status,
            admin: admin.transpose()?,
            config,
            critical,
            certificates,
            _connections: Connections(server),
        })
    }

    /// The certificates of the listeners, to be read again on demand: they are all replaced, or
    /// none. Blocks for as long as reading the files takes.
    pub fn certificate_reload(&self) -> impl Fn() + Clone + Send + Sync + 'static {
        let certificates = self.certificates.clone();
        move || certificates.reload_and_count()
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

    /// How long leaving takes at the most, and how it is spread.
    pub fn drain_settings(&self) -> &Drain {
        &self.config.drain
    }

    /// Completes once a part has failed without which the relay must not go on, with its name.
    pub async fn failed(&self) -> &str {
        self.critical.failed().await
    }

    /// Leaves in order: readiness off; then no new clients, and the streams end one by one; proxied
    /// requests get their responses, those without an end are ended with the streams. Whether all
    /// went in time.
    pub async fn drain(mut self) -> bool {
        let drain = self.config.drain;
        let (clients, passes) = (self.quotas.clients(), self.quotas.proxied());
        tracing::info!(clients, passes, delay = ?drain.delay, spread = ?drain.spread, timeout = ?drain.timeout, "draining");
        self.quotas.announce_drain();
        tokio::time::sleep(drain.delay).await;
        let began = Instant::now();
        self.quotas.drain(drain.spread.min(drain.timeout));
        self.listeners.shutdown().await;
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

/// After its turn, how long a proxied event stream may take to come to the end of an event.
const LAST_EVENT_MAX: Duration = Duration::from_millis(1500);

/// What requests are served with first.
fn snapshot(config: &Config, registry: &Registry, metrics: &Arc<Metrics>, quotas: &Arc<Quotas>) -> Snapshot {
    let router = Router::new(registry.list().iter().map(|live| routed(live)));
    let proxy = Proxy::new(config, links(registry), metrics, quotas.clone());
    let gates = Arc::new(Gates::new(config, metrics, None));
    Snapshot::new(config, router, proxy, gates)
}

/// Accepts connections, for as long as the process may go on.
fn accepting(
    bound: Listener,
    clients: ClientSide,
    quotas: &Quotas,
    critical: &CriticalTasks,
) -> io::Result<impl Future<Output = ()> + Send + 'static> {
    let part = format!("the listener {bound}");
    let accepting = accept(watch(bound)?, clients, quotas.descriptors().clone());
    let other = critical.clone();
    Ok(critical.clone().watch(part.clone(), async move {
        if let Err(error) = accepting.await {
            tracing::error!(%error, "{part} is watched no more");
            other.fail(&part);
        }
    }))
}

/// The TLS of a listener, if it has one.
fn tls_of((bound, listen): (&Listener, &ClientListener)) -> Result<Option<Arc<TlsListener>>, StartError> {
    let Some(settings) = &listen.tls else { return Ok(None) };
    let name = bound.to_string();
    match TlsListener::new(name.clone(), settings) {
        Ok(listener) => Ok(Some(Arc::new(listener))),
        Err(error) => Err(StartError::Tls { listener: name, error }),
    }
}

/// A live source, as the router takes it.
fn routed(live: &LiveSource) -> RoutedSource {
    match live {
        LiveSource::Plain(plain) => RoutedSource::Plain(plain.channel.clone()),
        LiveSource::Templated(templated) => RoutedSource::Templated(templated.shared().clone()),
    }
}

/// Which URLs belong to the live sources.
fn links(registry: &Registry) -> Links {
    let list = registry.list();
    let settings: Vec<_> = list.iter().map(|live| live.settings().snapshot()).collect();
    let sources = settings.iter().map(|source| &**source);
    Links::new(sources.zip(list.iter().map(|live| live.statuses())))
}
