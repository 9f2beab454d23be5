//! The upstreams of a process that is handed over: they hold still, give what they are, and go on or
//! let go together.

use super::giving::GoingOn;
use super::live_source::LiveSource;
use super::registry::Registry;
use super::sharing::Sharing;
use super::taken_upstreams::{CarriedPlace, ChannelName};
use crate::fleet::Shared;
use crate::upstream::StatusCell;
use crate::upstream::handover::{Doing, Given, Pipes};
use std::io;
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::thread::sleep;
use std::time::{Duration, Instant};
use tokio::runtime::Handle;

/// Within this time a leader runs its upstreams: they are about to be polled for the first time.
const BEGINS_WITHIN: Duration = Duration::from_millis(50);
/// Between two looks at whether they are.
const LOOK_EVERY: Duration = Duration::from_micros(200);

/// Upstreams that hold still. Dropping it lets them go on as if nothing had been.
#[must_use]
pub(crate) struct FrozenUpstreams {
    statuses: Vec<Arc<StatusCell>>,
    given: Vec<(CarriedPlace, Option<OwnedFd>)>,
    /// By these the other process goes on with connections that can't be given.
    pipes: Arc<Pipes>,
    /// Where they are read on.
    runtime: Handle,
}

impl Registry {
    /// Makes the upstreams of the sources that go on hold still: from then on nothing is read from
    /// their origins, and nothing published. Blocks until they do, and fails if they don't in time.
    pub(crate) fn freeze_upstreams(&self, going_on: &GoingOn, deadline: Instant) -> io::Result<FrozenUpstreams> {
        let list = self.list();
        let live = list.iter().filter(|live| going_on.has(&live.name()));
        let channels: Vec<_> = live.flat_map(|live| channels_of(live)).collect();
        let mut frozen = FrozenUpstreams {
            statuses: channels
                .iter()
                .flat_map(|(_, statuses)| statuses.iter().cloned())
                .collect(),
            given: Vec::new(),
            pipes: Arc::default(),
            runtime: self.upstream_runtime().clone(),
        };
        let FrozenUpstreams { statuses, pipes, .. } = &frozen;
        statuses.iter().for_each(|status| status.hold().freeze(pipes));
        for ((source, parameters), statuses) in channels {
            for (place, status) in (0..).zip(&*statuses) {
                let late = || io::Error::new(io::ErrorKind::TimedOut, format!("an upstream of {source} goes on"));
                let shared = list.iter().find(|live| live.name() == source);
                let shared = shared.and_then(|live| live.sharing()).map(Sharing::shared);
                let fetched = match shared {
                    Some(shared) => fetch_shared(shared, place, status, deadline),
                    None => status.fetch(deadline),
                };
                let (upstream, socket) = fetched.ok_or_else(late)?;
                let carried = CarriedPlace {
                    source: source.clone(),
                    parameters: parameters.clone(),
                    place,
                    upstream,
                };
                frozen.given.push((carried, socket));
            }
        }
        Ok(frozen)
    }
}

/// The same where a log is shared: an upstream runs while this instance leads, and a while after it has
/// begun to. What another process has given, and is not run yet, is given again.
fn fetch_shared(shared: &Shared, place: u32, status: &StatusCell, deadline: Instant) -> Option<Given> {
    if let Some(given) = shared.give_upstream(place as usize) {
        return Some(given);
    }
    let begins = Instant::now() + BEGINS_WITHIN;
    loop {
        let given = status.fetch(deadline)?;
        let has_not_begun = given.0.doing == Doing::Attempting && !given.0.is_of_a_run() && shared.state().is_leader;
        if !has_not_begun || Instant::now() >= begins {
            return Some(given);
        }
        sleep(LOOK_EVERY);
    }
}

/// The channels of a source, with the statuses of their upstreams.
fn channels_of(live: &LiveSource) -> Vec<(ChannelName, Arc<[Arc<StatusCell>]>)> {
    match live {
        LiveSource::Plain(plain) => vec![((live.name(), Vec::new()), plain.statuses.clone())],
        LiveSource::Templated(templated) => {
            let places = templated.shared().places().into_iter();
            places
                .map(|(parameters, statuses)| ((live.name(), parameters.pairs()), statuses))
                .collect()
        }
    }
}

impl FrozenUpstreams {
    /// What they are, each with its connection's socket, if that goes with it.
    pub(crate) fn carried(&self) -> Vec<(&CarriedPlace, Option<BorrowedFd<'_>>)> {
        let given = self.given.iter();
        given
            .map(|(carried, socket)| (carried, socket.as_ref().map(|socket| socket.as_fd())))
            .collect()
    }

    /// They are another process's now: they close their connections without a word, and say nothing
    /// more. What that process reads through this one is returned: it lasts until that one has
    /// connections of its own.
    pub(crate) fn let_go(mut self) -> Arc<Pipes> {
        let parked = self.statuses.drain(..).filter_map(|status| status.hold().let_go());
        for parked in parked {
            self.runtime.spawn(parked.pass_on());
        }
        self.pipes.clone()
    }
}

impl Drop for FrozenUpstreams {
    fn drop(&mut self) {
        self.statuses.iter().for_each(|status| status.hold().thaw());
    }
}
