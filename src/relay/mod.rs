//! The relay as a whole: sources, shards, listeners and admin, put together and taken apart again.
//!
//! Everything is bound before anything runs, so that an address in use is found out at once. What
//! a [`Reloader`] puts in force goes the same way.
//! Dropping a [`Relay`] cuts everything; [`Relay::drain`] ends it in order.

mod activation;
mod budget;
mod clients_snapshot;
mod fleet_status;
mod foundation;
mod handover;
mod in_force;
mod limits;
mod listeners;
mod liveness;
mod log_dirs;
mod reload;
mod reloader;
mod routes;
mod start_error;
mod status_provider;
mod upgrader;

use crate::access_log::AccessLog;
use crate::admin::Admin;
use crate::channel::Settings;
use crate::config::{Config, Drain};
use crate::critical::CriticalTasks;
use crate::delivery::Shards;
use crate::http::Server;
use crate::kept::OnDisk;
use crate::quotas::Quotas;
use crate::status::StatusProvider;
use budget::raised_limit;
use foundation::{Foundation, Sockets};
use handover::{HandOver, Predecessor};
use in_force::InForce;
use status_provider::RelayStatus;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinSet;
use tokio::time::Instant;

pub use handover::{TakeOverError, Told, ask};
pub use liveness::Liveness;
pub use reload::Reloaded;
pub use reloader::Reloader;
pub use start_error::StartError;
pub use upgrader::Upgrader;

/// A running relay.
pub struct Relay {
    in_force: Arc<InForce>,
    shards: Arc<Shards>,
    quotas: Arc<Quotas>,
    status: Arc<RelayStatus>,
    critical: CriticalTasks,
    _connections: Connections,
    _findable: Findable,
    /// Says how many lines of the access log were left out.
    _reports: JoinSet<()>,
}

/// Where another process finds this one: not beyond the relay's end.
struct Findable(Arc<HandOver>);

impl Drop for Findable {
    fn drop(&mut self) {
        self.0.end();
    }
}

/// Those that no shard has: they end with the relay.
struct Connections(Arc<Server>);

impl Drop for Connections {
    fn drop(&mut self) {
        self.0.cut();
    }
}

impl Relay {
    /// Starts everything; where the service manager listens already, with its sockets. To be called
    /// within a tokio runtime, which then serves requests; upstreams have their own.
    pub fn start(config: Config) -> Result<Self, StartError> {
        let mut inherited = activation::sockets()?;
        let mut sockets = Sockets::bind(&config, &mut inherited)?;
        activation::warn_of_unused(&inherited);
        let foundation = Foundation::lay(&config, &mut sockets)?;
        foundation.open_log_dirs(&config)?;
        foundation.start_sources(&config);
        let in_force = foundation.build(config);
        sockets.open(&in_force)?;
        Ok(Self::of(in_force))
    }

    /// The same, going on where the process behind the configuration's `handover` stops: with its
    /// sockets, and with what else it gives. After an error that process goes on as if nothing had
    /// been. To be called within a tokio runtime, on a thread that may wait.
    pub fn take_over(config: Config) -> Result<Self, StartError> {
        let Some(path) = &config.handover else {
            return Err(StartError::NoHandOver);
        };
        let predecessor = Predecessor::find(path, raised_limit() as u64)?;
        let mut inherited = predecessor.sockets()?;
        let mut sockets = Sockets::bind(&config, &mut inherited)?;
        let foundation = Foundation::lay(&config, &mut sockets)?;
        predecessor.ready(&inherited, &config.sources)?;
        drop(inherited);
        let mut taken = predecessor.receive(&foundation.registry, &config.sources, &foundation.quotas)?;
        // The process before has closed them by now; if this fails it opens them again.
        foundation.open_log_dirs(&config)?;
        foundation.registry.keep(OnDisk::All);
        let in_force = foundation.build(config);
        predecessor.held(&mut taken)?;
        let counts = taken.counts();
        taken.begin(&in_force);
        sockets.open(&in_force)?;
        predecessor.done(counts, &in_force.hand_over, Arc::downgrade(&in_force));
        Ok(Self::of(in_force))
    }

    fn of(in_force: Arc<InForce>) -> Self {
        Self {
            shards: in_force.shards.clone(),
            quotas: in_force.quotas.clone(),
            status: in_force.status.clone(),
            critical: in_force.critical.clone(),
            _connections: Connections(in_force.server.clone()),
            _findable: Findable(in_force.hand_over.clone()),
            _reports: reports(in_force.access_log.clone()),
            in_force,
        }
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
        self.in_force.admin.get().map(Admin::addr)
    }

    /// The numbers and states that the admin listener shows.
    pub fn status_provider(&self) -> &dyn StatusProvider {
        &*self.status
    }

    /// What puts other configurations in force.
    pub fn reloader(&self) -> Reloader {
        Reloader::new(&self.in_force)
    }

    /// What is to be known of this relay by what starts a process that takes over from it.
    pub fn upgrader(&self) -> Upgrader {
        Upgrader::new(&self.in_force)
    }

    /// Completes once another process has taken over: with that process. What could not be handed
    /// over is still here, and to be drained.
    pub async fn handed_over(&self) -> u32 {
        self.in_force.hand_over.until_done().await;
        self.in_force.hand_over.successor().unwrap_or_default()
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
    /// went in time. After a hand-over there is nothing to wait for before.
    pub async fn drain(self) -> bool {
        // A reload that is under way is waited for, and none begins after it.
        self.in_force.announce_drain();
        // Others lead from here on, while clients are still served here.
        self.status.registry.leave_fleet();
        let mut drain = self.drain_settings();
        if self.in_force.hand_over.is_done() {
            // New clients go to the other process.
            drain.delay = Duration::ZERO;
        }
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
        if self.in_force.hand_over.is_done() {
            self.answered().await;
            let passed_on = self.in_force.hand_over.nothing_passed_on();
            let _ = tokio::time::timeout_at(began + drain.timeout, passed_on).await;
        }
        let all_left = empty && self.quotas.cut() == 0;
        self.close_kept().await;
        if tokio::time::timeout(LEAVE_FLEET_MAX, self.status.registry.left_fleet())
            .await
            .is_err()
        {
            tracing::warn!("this instance could not leave the fleet in order: another leads once its lease has ended");
        }
        let left_here = self.quotas.clients() + self.quotas.cut();
        self.in_force.hand_over.tell_left(left_here as u64);
        if all_left {
            tracing::info!("drained");
        } else {
            let clients = self.quotas.clients() + self.quotas.cut();
            let passes = self.quotas.proxied();
            tracing::warn!(clients, passes, "drain timed out: the rest was cut");
        }
        all_left
    }

    /// Completes when all who have asked have their answers, or after a while.
    async fn answered(&self) {
        let in_force = &self.in_force;
        let deadline = Instant::now() + ANSWERED_WITHIN;
        let is_over = || {
            let admin_is_idle = in_force.admin.get().is_none_or(Admin::is_idle);
            admin_is_idle && in_force.server.has_answered()
        };
        while !is_over() && Instant::now() < deadline {
            tokio::time::sleep(ANSWERED_LOOK).await;
        }
    }

    /// Ends the keeping of logs in order, unless a disk takes too long.
    async fn close_kept(&self) {
        let status = self.status.clone();
        let closed = tokio::task::spawn_blocking(move || status.registry.close_kept());
        if tokio::time::timeout(CLOSE_MAX, closed).await.is_err() {
            tracing::warn!("not all logs could be closed on disk in time: the next start goes on as after a crash");
        }
    }
}

/// How long it may take to give back a lease: the engine may be away.
const LEAVE_FLEET_MAX: Duration = Duration::from_secs(2);

/// How long the logs on disk may take to be closed.
const CLOSE_MAX: Duration = Duration::from_secs(5);

/// After a hand-over those who had asked before get their answers, for so long at the most.
const ANSWERED_WITHIN: Duration = Duration::from_secs(2);
/// Between two looks at whether they have.
const ANSWERED_LOOK: Duration = Duration::from_millis(5);

/// After its turn, how long a proxied event stream may take to come to the end of an event.
const LAST_EVENT_MAX: Duration = Duration::from_millis(1500);

/// How often it is said that lines of the access log were left out.
const REPORT_EVERY: Duration = Duration::from_secs(1);

fn reports(access_log: Arc<AccessLog>) -> JoinSet<()> {
    let mut tasks = JoinSet::new();
    tasks.spawn(async move {
        loop {
            tokio::time::sleep(REPORT_EVERY).await;
            access_log.report();
        }
    });
    tasks
}
