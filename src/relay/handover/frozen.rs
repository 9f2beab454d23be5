//! A process in which nothing moves: nothing is accepted, read or written.

use super::records::Counts;
use super::sending::{Sending, send_log, send_upstreams};
use crate::channel::Removal;
use crate::delivery::{Given, Taker};
use crate::handover::{DESCRIPTORS_MAX, Kind, Link, LinkError};
use crate::http::Unasked;
use crate::kept::OnDisk;
use crate::relay::in_force::InForce;
use crate::relay::log_dirs::log_dirs;
use crate::source::{Basis, FrozenUpstreams, GivenChannel, GoingOn, HeldSharing};
use std::os::fd::AsFd as _;
use std::sync::Arc;
use std::thread::sleep;
use std::time::{Duration, Instant};

/// How long connections without a request are waited for. Each of them only has to be woken, which takes
/// microseconds; where the machine has more to do than it can, one that is not waited for would be
/// refused.
const GATHERED_WITHIN: Duration = Duration::from_millis(500);
/// Between two looks at whether they have come.
const LOOK_EVERY: Duration = Duration::from_micros(200);
/// How long upstreams may take to hold still, and shards.
const STOPPED_WITHIN: Duration = Duration::from_secs(5);
/// Between two looks at whether the directories of logs are free again.
const LOG_DIRS_EVERY: Duration = Duration::from_millis(20);

/// While it is there nothing moves. Dropping it makes everything go on as if nothing had been.
pub(super) struct Frozen<'a> {
    in_force: &'a InForce,
    going_on: GoingOn,
    unasked: Vec<Unasked>,
    upstreams: Option<FrozenUpstreams>,
    sharing: Option<HeldSharing>,
    channels: Vec<GivenChannel>,
    clients: Option<Given>,
    are_log_dirs_closed: bool,
    is_given: bool,
}

impl<'a> Frozen<'a> {
    /// Stops what comes in. Called on a thread that is none of a runtime's. `sources`: those of the
    /// new process.
    pub(super) fn new(in_force: &'a InForce, sources: &[Basis]) -> Self {
        let server = &in_force.server;
        in_force.runtime.block_on(in_force.listeners.pause());
        server.gather_unasked();
        let deadline = Instant::now() + GATHERED_WITHIN;
        while server.has_ungathered() && Instant::now() < deadline {
            sleep(LOOK_EVERY);
        }
        Self {
            unasked: server.gathered(),
            going_on: in_force.registry().going_on(sources),
            in_force,
            upstreams: None,
            sharing: None,
            channels: Vec::new(),
            clients: None,
            are_log_dirs_closed: false,
            is_given: false,
        }
    }

    /// Stops the rest, and gives all that can be given.
    pub(super) fn give(&mut self, link: &Arc<Link>) -> Result<Counts, LinkError> {
        let registry = self.in_force.registry();
        let began = Instant::now();
        let deadline = began + STOPPED_WITHIN;
        let upstreams = registry.freeze_upstreams(&self.going_on, deadline)?;
        let upstreams = self.upstreams.insert(upstreams);
        self.sharing = Some(registry.hold_sharing(&self.going_on, deadline)?);
        // From here on nothing is published.
        let stopped = began.elapsed();
        self.channels = registry.give_channels(&self.going_on);
        for given in &self.channels {
            send_log(link, given)?;
        }
        let channels_sent = began.elapsed();
        let upstreams = send_upstreams(link, &upstreams.carried())?;
        let taker: Arc<dyn Taker> = Arc::new(Sending::new(link.clone()));
        let channels = self.channels.iter().map(|given| given.channel.clone()).collect();
        let deadline = Instant::now() + STOPPED_WITHIN;
        let clients = self.in_force.shards.give(channels, &taker, deadline)?;
        let count = clients.handed_over();
        self.clients = Some(clients);
        for some in self.unasked.chunks(DESCRIPTORS_MAX) {
            let carried: Vec<_> = some.iter().map(Unasked::carried).collect();
            let sockets: Vec<_> = some.iter().map(|unasked| unasked.stream().as_fd()).collect();
            link.send_with(Kind::Pending, &carried, &sockets)?;
        }
        let all_sent = began.elapsed();
        self.close_log_dirs();
        tracing::debug!(?stopped, ?channels_sent, ?all_sent, all = ?began.elapsed(), "given, step by step");
        Ok(Counts {
            channels: self.channels.len() as u64,
            upstreams,
            clients: count as u64,
            unasked: self.unasked.len() as u64,
        })
    }

    /// Leaves the logs on disk: the new process has to have them before it gives a number.
    fn close_log_dirs(&mut self) {
        let registry = self.in_force.registry();
        self.are_log_dirs_closed = true;
        registry.hand_over_kept();
        registry.directories().retain(std::iter::empty());
    }

    /// Keeps the logs again. The new process may take a moment to let go of the directories.
    fn open_log_dirs(&self) {
        let registry = self.in_force.registry();
        let deadline = Instant::now() + STOPPED_WITHIN;
        loop {
            match registry.directories().add(log_dirs(&self.in_force.config())) {
                Ok(()) => return registry.keep(OnDisk::AllBefore),
                Err(error) if Instant::now() >= deadline => {
                    return tracing::error!(%error, "logs are kept in memory alone from now on");
                }
                Err(_) => sleep(LOG_DIRS_EVERY),
            }
        }
    }

    /// Clients that can't be given.
    pub(super) fn stay(&self) -> u64 {
        let given = self.clients.as_ref().map_or(0, Given::handed_over);
        self.in_force.quotas.clients().saturating_sub(given) as u64
    }

    /// It is another process's now. `listeners`: the places of those that it goes on with.
    pub(super) fn let_go(mut self, listeners: &[u32]) {
        self.is_given = true;
        let in_force = self.in_force;
        if let Some(sharing) = self.sharing.take() {
            sharing.let_go();
        }
        let drain = in_force.config().drain.clone();
        let spread = drain.spread.min(drain.timeout);
        in_force.quotas.drain(spread);
        self.unasked.clear();
        if let Some(clients) = self.clients.take() {
            clients.let_go();
        }
        if let Some(upstreams) = self.upstreams.take() {
            in_force.hand_over.passes_on(upstreams.let_go());
        }
        in_force.registry().let_go(&self.going_on, Removal { spread });
        let is_taken = |place: usize| u32::try_from(place).is_ok_and(|place| listeners.contains(&place));
        in_force.listeners.handed_over(is_taken);
        in_force.stop_answering();
        if let Some(admin) = in_force.admin.get() {
            admin.close();
        }
    }
}

impl Drop for Frozen<'_> {
    fn drop(&mut self) {
        if self.is_given {
            return;
        }
        drop(self.clients.take());
        drop(self.sharing.take());
        drop(self.upstreams.take());
        let _runtime = self.in_force.runtime.enter();
        for unasked in self.unasked.drain(..) {
            self.in_force.server.serve_unasked(unasked);
        }
        self.in_force.listeners.resume();
        if self.are_log_dirs_closed {
            self.open_log_dirs();
        }
    }
}
