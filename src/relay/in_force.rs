//! The configuration in force, and everything that goes by it.

use super::budget::Descriptors;
use super::handover::HandOver;
use super::limits;
use super::listeners::Listeners;
use super::log_dirs::log_dirs;
use super::reload::{Plan, Record, Reloaded};
use super::routes::{links, router};
use super::status_provider::RelayStatus;
use crate::access::{Gate, Gates};
use crate::access_log::AccessLog;
use crate::admin::Admin;
use crate::channel::{Channel, Removal};
use crate::config::Config;
use crate::critical::CriticalTasks;
use crate::delivery::{Shards, StillHolds};
use crate::http::{Server, Snapshot};
use crate::metrics::{ListenerMetrics, Metrics, ReloadOutcome};
use crate::proxy::Proxy;
use crate::quotas::{Grant, Quotas};
use crate::source::Registry;
use arc_swap::{ArcSwap, ArcSwapOption};
use std::collections::HashSet;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use tokio::runtime::Handle;
use tokio::task::JoinSet;

/// The configuration in force, and everything that goes by it.
pub(super) struct InForce {
    pub(super) config: ArcSwap<Config>,
    pub(super) server: Arc<Server>,
    pub(super) shards: Arc<Shards>,
    pub(super) listeners: Listeners,
    pub(super) listener_metrics: ListenerMetrics,
    /// Set once it is opened, if there is one.
    pub(super) admin: OnceLock<Admin>,
    pub(super) admin_connections: usize,
    pub(super) access_log: Arc<AccessLog>,
    /// Who sees what the admin shows beyond probes and metrics.
    pub(super) admin_gate: Arc<ArcSwapOption<Gate>>,
    /// The admin's listening socket, and where it is: for a process that takes over.
    pub(super) admin_socket: Option<(OwnedFd, SocketAddr)>,
    pub(super) quotas: Arc<Quotas>,
    pub(super) status: Arc<RelayStatus>,
    pub(super) critical: CriticalTasks,
    pub(super) descriptors: Descriptors,
    /// Where requests are served.
    pub(super) runtime: Handle,
    /// Held while another configuration is put in force, and while everything is handed over.
    pub(super) changing: Mutex<()>,
    pub(super) hand_over: Arc<HandOver>,
    /// What answers at the control socket.
    pub(super) answering: Mutex<JoinSet<()>>,
}

impl InForce {
    /// What is in force.
    pub(super) fn config(&self) -> Arc<Config> {
        self.config.load_full()
    }

    pub(super) fn record(&self) -> &Record {
        &self.status.record
    }

    /// From now on the process is not ready, and nothing is changed any more. A reload that is
    /// under way is waited for: it takes milliseconds.
    pub(super) fn announce_drain(&self) {
        // Nor is a hand-over waited for: it is broken off.
        self.hand_over.leave();
        self.stop_answering();
        let _changing = self.changing.lock().unwrap_or_else(PoisonError::into_inner);
        self.quotas.announce_drain();
    }

    pub(super) fn set_answering(&self, task: JoinSet<()>) {
        *self.answering.lock().unwrap_or_else(PoisonError::into_inner) = task;
    }

    /// From now on whoever connects to the control socket waits for another process.
    pub(super) fn stop_answering(&self) {
        self.set_answering(JoinSet::new());
    }

    /// Puts another configuration in force, but for what can't change; or nothing of it.
    pub(super) fn apply(&self, wanted: Config) -> Reloaded {
        let _changing = self.changing.lock().unwrap_or_else(PoisonError::into_inner);
        let _runtime = self.runtime.enter();
        if self.quotas.drain_announced() {
            return Reloaded::Leaving;
        }
        let before = self.config();
        let plan = Plan::new(&before, &wanted);
        let after = Arc::new(Config {
            admin: before.admin,
            workers: before.workers,
            handover: before.handover.clone(),
            fleet: before.fleet.clone(),
            ..wanted
        });
        if plan.is_empty() && plan.not_in_force == self.record().not_in_force() {
            // An origin that has ended its stream is asked again all the same.
            self.registry().change(&plan.sources).remove(removal(&after));
            return self.reload_certificates();
        }
        if after.fleet.is_none() && after.sources.iter().any(|source| source.fleet) {
            let why = "a source shares its log, and `fleet` is in force after a restart only";
            return Reloaded::Rejected(why.to_owned());
        }
        let bound = match self.listeners.bind(&after.listen) {
            Ok(bound) => bound,
            Err(error) => return Reloaded::Rejected(error.to_string()),
        };
        let directories = self.registry().directories();
        if let Err(error) = directories.add(log_dirs(&after)) {
            directories.retain(log_dirs(&before));
            return Reloaded::Rejected(error.to_string());
        }
        let gone = self.registry().change(&plan.sources);
        let gone_paths = self.registry().combine(&after.combine, &after.sources);
        let budget = self.descriptors.divided_for(&after);
        self.quotas.replace(&after.limits, &budget);
        limits::announce(&after, &budget, self.metrics(), &self.listener_metrics);
        self.access_log.turn(after.access_log);
        self.swap_snapshot(&plan, &after);
        // Only now: those who wait for one of them ask the router again.
        gone.remove(removal(&after));
        gone_paths.remove(removal(&after));
        directories.retain(log_dirs(&after));
        self.leave_out_metrics(&after);
        if let Err(error) = self.listeners.replace(&after.listen, bound) {
            // Everything is bound: only a system without memory or descriptors comes here.
            tracing::error!(%error, "a listener can't be watched");
        }
        self.config.store(after);
        self.listeners.reload_certificates();
        Reloaded::Applied {
            said: plan.said(),
            not_in_force: plan.not_in_force,
        }
    }

    /// What is left to be done where only files of certificates may have changed.
    fn reload_certificates(&self) -> Reloaded {
        match self.listeners.reload_certificates() {
            ReloadOutcome::Unchanged => Reloaded::Unchanged,
            ReloadOutcome::Rejected => Reloaded::Rejected("a certificate can't be used: the log says which".to_owned()),
            ReloadOutcome::Applied => Reloaded::Applied {
                said: vec!["certificates: replaced".to_owned()],
                not_in_force: self.record().not_in_force(),
            },
        }
    }

    fn swap_snapshot(&self, plan: &Plan, after: &Config) {
        let registry = self.registry();
        let router = router(registry);
        let before = self.server.snapshot();
        let proxy = match plan.is_proxy_changed {
            // Its unused connections stay open.
            false => before.proxy.clone(),
            true => {
                let before = before.proxy.as_deref();
                Proxy::new(after, links(registry), self.metrics(), self.quotas.clone(), before)
            }
        };
        let gates = Arc::new(Gates::new(after, self.metrics(), Some(&before.gates)));
        self.admin_gate.store(gates.admin().cloned());
        self.server.replace(Snapshot::new(after, router, proxy, gates));
        self.expire_clients();
    }

    /// Those whose user, token or key is gone leave; also those on their way to a shard.
    pub(super) fn expire_clients(&self) {
        let gates = self.server.snapshot().gates.clone();
        let holds = move |channel: &Channel, grant: Option<&Grant>| {
            let mut sources = channel.sources().into_iter();
            sources.all(|source| gates.holds(source, grant))
        };
        self.shards.expire(&(Arc::new(holds) as StillHolds));
    }

    /// The series of sources and upstreams that there are no more.
    fn leave_out_metrics(&self, config: &Config) {
        let mut live = HashSet::new();
        live.extend(config.combine.iter().map(|combine| (combine.path.as_str(), None)));
        for source in &config.sources {
            live.insert((source.name.as_str(), None));
            live.extend(
                source
                    .upstreams
                    .iter()
                    .map(|upstream| (source.name.as_str(), Some(upstream.name.as_str()))),
            );
        }
        self.metrics()
            .retain(|source, upstream| live.contains(&(source, upstream)));
    }

    pub(super) fn registry(&self) -> &Registry {
        &self.status.registry
    }

    fn metrics(&self) -> &Metrics {
        &self.status.metrics
    }
}

/// Clients of a source that is gone leave as they would if the process did.
fn removal(config: &Config) -> Removal {
    Removal {
        spread: config.drain.spread.min(config.drain.timeout),
    }
}
