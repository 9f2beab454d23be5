//! What a relay stands on before it has sources: all that takes time to start, and nothing that
//! serves anyone.

use super::budget::Descriptors;
use super::handover::{HandOver, Inherited, Role, answer};
use super::in_force::InForce;
use super::limits;
use super::listeners::{Bound, Listeners};
use super::log_dirs::log_dirs;
use super::reload::Record;
use super::routes::{links, router};
use super::start_error::{ListenerName, StartError};
use super::status_provider::RelayStatus;
use crate::access::Gates;
use crate::access_log::AccessLog;
use crate::admin::Admin;
use crate::config::{Config, Listen};
use crate::critical::CriticalTasks;
use crate::delivery::Shards;
use crate::fleet::Fleet;
use crate::handover::ControlSocket;
use crate::http::{Server, Snapshot};
use crate::kept::Directories;
use crate::metrics::Metrics;
use crate::net::{Listener, bind, watch};
use crate::proxy::Proxy;
use crate::quotas::{Budget, Quotas};
use crate::source::{Change, Registry};
use crate::upstream::UpstreamRuntime;
use arc_swap::{ArcSwap, ArcSwapOption};
use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsFd as _, OwnedFd};
use std::sync::{Arc, Mutex, OnceLock};
use tokio::runtime::Handle;
use tokio::task::JoinSet;

/// The sockets of a relay, all bound, and nothing accepted yet.
pub(super) struct Sockets {
    clients: Bound,
    admin: Option<Listener>,
    control: Option<ControlSocket>,
}

/// See the module.
pub(super) struct Foundation {
    metrics: Arc<Metrics>,
    critical: CriticalTasks,
    access_log: Arc<AccessLog>,
    shards: Arc<Shards>,
    descriptors: Descriptors,
    budget: Budget,
    pub(super) quotas: Arc<Quotas>,
    pub(super) registry: Registry,
    /// Made before anything stops for this process: what they are made of may be files and hashes.
    gates: Arc<Gates>,
    hand_over: Arc<HandOver>,
    admin_socket: Option<(OwnedFd, SocketAddr)>,
}

impl Sockets {
    /// Binds all that a configuration names, but for what is there already.
    pub(super) fn bind(config: &Config, inherited: &mut Inherited) -> Result<Self, StartError> {
        let control = match &config.handover {
            None => None,
            Some(path) => Some(match inherited.take(Role::Control, &Listen::Unix(path.clone())) {
                Some(socket) => ControlSocket::inherit(socket.descriptor, path)?,
                None => ControlSocket::bind(path)?,
            }),
        };
        let clients = Bound::all(&config.listen, inherited)?;
        let admin = config.admin.map(|address| bind_admin(address, inherited)).transpose()?;
        Ok(Self {
            clients,
            admin,
            control,
        })
    }
}

fn bind_admin(address: SocketAddr, inherited: &mut Inherited) -> Result<Listener, StartError> {
    let (listener, address) = (ListenerName::Admin(address), Listen::Tcp(address));
    let bound = match inherited.take(Role::Admin, &address) {
        Some(socket) => socket.listener(&address),
        None => bind(&address),
    };
    bound.map_err(|error| StartError::Bind { listener, error })
}

impl Foundation {
    /// Starts threads, and divides what the process may have. Everything is bound by now, and the
    /// directories of logs that are kept are opened later.
    pub(super) fn lay(config: &Config, sockets: &mut Sockets) -> Result<Self, StartError> {
        let metrics = Metrics::new();
        metrics.announce_reloads();
        let critical = CriticalTasks::default();
        let access_log = Arc::new(AccessLog::new(config.access_log));
        let shards = Arc::new(Shards::start(config.workers, &critical, &access_log)?);
        let runtime = UpstreamRuntime::start(config.workers)?;
        let directories = Arc::new(Directories::new(critical.clone()));
        let descriptors = Descriptors::at_start(config);
        let budget = descriptors.divided_for(config);
        let quotas = Quotas::new(&config.limits, &budget);
        let fleet = match &config.fleet {
            None => None,
            Some(fleet) => Some(Arc::new(
                Fleet::new(fleet).map_err(|error| StartError::Fleet(error.to_string()))?,
            )),
        };
        if let Some(fleet) = &fleet
            && config.sources.iter().any(|source| source.fleet)
        {
            fleet.connect(runtime.handle());
        }
        let registry = Registry::new(
            runtime,
            metrics.clone(),
            quotas.clone(),
            critical.clone(),
            directories,
            fleet,
        );
        // The admin's thread has its listener: another process gets this.
        let admin = sockets.admin.as_ref().filter(|_| sockets.control.is_some());
        let admin_socket =
            admin.and_then(|listener| Some((listener.as_fd().try_clone_to_owned(), listener.address()?)));
        let admin_socket = match admin_socket {
            None => None,
            Some((socket, bound)) => Some((socket?, bound)),
        };
        Ok(Self {
            hand_over: Arc::new(HandOver::new(sockets.control.take(), metrics.clone())),
            gates: Arc::new(Gates::new(config, &metrics, None)),
            metrics,
            critical,
            access_log,
            shards,
            descriptors,
            budget,
            quotas,
            registry,
            admin_socket,
        })
    }

    /// Opens the directories of logs that are kept.
    pub(super) fn open_log_dirs(&self, config: &Config) -> Result<(), StartError> {
        Ok(self.registry.directories().add(log_dirs(config))?)
    }

    /// Starts the sources, as in a process that has none yet.
    pub(super) fn start_sources(&self, config: &Config) {
        let added: Vec<_> = config
            .sources
            .iter()
            .map(|source| (source.clone(), Change::Added))
            .collect();
        self.registry.start(&added);
    }

    /// Puts the configuration in force over the sources that there are. Nothing is accepted yet.
    pub(super) fn build(self, config: Config) -> Arc<InForce> {
        let Self {
            metrics,
            critical,
            access_log,
            shards,
            descriptors,
            budget,
            quotas,
            registry,
            gates,
            hand_over,
            admin_socket,
        } = self;
        // There was none.
        drop(registry.combine(&config.combine, &config.sources));
        let snapshot = snapshot(&config, &registry, &metrics, &quotas, gates);
        let admin_gate = Arc::new(ArcSwapOption::new(snapshot.gates.admin().cloned()));
        let listener_metrics = metrics.listener();
        limits::announce(&config, &budget, &metrics, &listener_metrics);
        let server = Arc::new(Server::new(
            ArcSwap::from_pointee(snapshot),
            shards.clone(),
            quotas.clone(),
            metrics.listener(),
            access_log.clone(),
        ));
        let record = Record::new(&metrics);
        let (shards_of_status, quotas_of_status) = (shards.clone(), quotas.clone());
        let status = RelayStatus::new(
            metrics,
            registry,
            shards_of_status,
            quotas_of_status,
            record,
            hand_over.clone(),
        );
        let status = Arc::new(status);
        Arc::new(InForce {
            config: ArcSwap::from_pointee(config),
            listeners: Listeners::new(server.clone(), critical.clone(), status.metrics.clone()),
            server,
            shards,
            listener_metrics,
            access_log,
            admin: OnceLock::new(),
            admin_connections: budget.admin,
            admin_gate,
            admin_socket,
            quotas,
            status,
            critical,
            descriptors,
            runtime: Handle::current(),
            changing: Mutex::default(),
            hand_over,
            answering: Mutex::default(),
        })
    }
}

impl Sockets {
    /// Accepts from now on.
    pub(super) fn open(self, in_force: &Arc<InForce>) -> io::Result<()> {
        let sockets = self;
        in_force.listeners.replace(&in_force.config().listen, sockets.clients)?;
        if let Some(listener) = sockets.admin {
            let gate = in_force.admin_gate.clone();
            let admin = Admin::start(listener, in_force.status.clone(), in_force.admin_connections, gate)?;
            tracing::info!(address = %admin.addr(), "listening for the admin");
            // It is opened once.
            let _ = in_force.admin.set(admin);
        }
        if let Some(control) = &in_force.hand_over.control {
            control.taken_over()?;
            let mut answering = JoinSet::new();
            let control = watch(control.clone())?;
            answering.spawn(answer(control, Arc::downgrade(in_force)));
            in_force.set_answering(answering);
        }
        Ok(())
    }
}

/// What requests are served with first.
fn snapshot(
    config: &Config,
    registry: &Registry,
    metrics: &Arc<Metrics>,
    quotas: &Arc<Quotas>,
    gates: Arc<Gates>,
) -> Snapshot {
    let router = router(registry);
    let proxy = Proxy::new(config, links(registry), metrics, quotas.clone(), None);
    Snapshot::new(config, router, proxy, gates)
}
