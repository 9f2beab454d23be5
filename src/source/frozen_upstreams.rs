//! The upstreams of a process that is handed over: they hold still, give what they are, and go on or
//! let go together.

use super::giving::GoingOn;
use super::live_source::LiveSource;
use super::registry::Registry;
use super::taken_upstreams::{CarriedPlace, ChannelName};
use crate::upstream::StatusCell;
use crate::upstream::handover::{Given, Pipes};
use std::io;
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::time::Instant;
use tokio::runtime::Handle;

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
                let fetched = status.fetch(deadline).ok_or_else(late)?;
                let (upstream, socket) = not_begun(&list, &source, place).unwrap_or(fetched);
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

/// What another process has given of an upstream that this one has not come to run.
fn not_begun(list: &[Arc<LiveSource>], source: &str, place: u32) -> Option<Given> {
    let live = list.iter().find(|live| live.name() == source)?;
    live.sharing()?.shared().give_upstream(place as usize)
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
