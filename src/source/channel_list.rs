//! The open channels of a templated source, by their parameters.
//!
//! The lock is held while a client is counted in, and while a channel without clients is taken out:
//! so no client joins a channel that is leaving.

use super::first_response::{First, FirstResponse};
use super::keeping::KeptSlot;
use super::reading::Reading;
use crate::channel::{Admission, Channel, KeepsDerived};
use crate::log::WantedStart;
use crate::metrics::{Protocol, RefuseReason};
use crate::path::Parameters;
use crate::quotas::ChannelPermit;
use crate::upstream::StatusCell;
use hyper::StatusCode;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::watch;

/// The open channels.
#[derive(Default)]
pub(super) struct ChannelList(Mutex<Channels>);

/// The channels, under the lock.
pub(super) type Channels = HashMap<Parameters, OpenChannel>;

/// A channel, with the statuses of its upstreams in the order of the configuration.
pub(crate) type ChannelUpstreams = (Arc<Channel>, Arc<[Arc<StatusCell>]>);

/// A channel in the list.
pub(super) struct OpenChannel {
    pub(super) channel: Arc<Channel>,
    pub(super) statuses: Arc<[Arc<StatusCell>]>,
    pub(super) first: watch::Receiver<First>,
    pub(super) _permit: ChannelPermit,
    pub(super) kept: KeptSlot,
    pub(super) _derived: KeepsDerived,
}

/// What a client that comes to a templated source finds.
pub(crate) enum OpenOutcome {
    /// The channel is there.
    In(Admission),
    /// The origin has been asked: the first answer decides.
    Asking(Admission, FirstResponse),
    /// Its log is being read from disk: who asks again then finds the channel, or opens it.
    Reading(Reading),
    /// The origin has refused this channel a moment ago.
    Refused(StatusCode),
    /// The source is no more.
    Gone,
    /// There is no room for another channel, or no descriptor for its upstreams.
    Full(RefuseReason),
}

impl ChannelList {
    pub(super) fn lock(&self) -> MutexGuard<'_, Channels> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The channels, and what their upstreams do.
    pub(super) fn open(&self) -> Vec<ChannelUpstreams> {
        let channels = self.lock();
        let open = channels.values();
        open.map(|open| (open.channel.clone(), open.statuses.clone())).collect()
    }

    /// The channels that clients may come in to, with their parameters.
    pub(super) fn open_to_clients(&self) -> Vec<(Parameters, Arc<Channel>)> {
        let channels = self.lock();
        let open = channels.iter().filter(|(_, open)| *open.first.borrow() == First::Open);
        open.map(|(parameters, open)| (parameters.clone(), open.channel.clone()))
            .collect()
    }

    /// The parameters of all channels, and what their upstreams do.
    pub(super) fn places(&self) -> Vec<(Parameters, Arc<[Arc<StatusCell>]>)> {
        let channels = self.lock();
        let open = channels.iter();
        open.map(|(parameters, open)| (parameters.clone(), open.statuses.clone()))
            .collect()
    }

    /// Takes a channel out, if it is still this one; `only_if_idle`: and if, under the same lock,
    /// it has no client. Whether it is not in the list any more.
    pub(super) fn remove(&self, parameters: &Parameters, channel: &Arc<Channel>, only_if_idle: bool) -> bool {
        let mut channels = self.lock();
        let is_this = |open: &OpenChannel| Arc::ptr_eq(&open.channel, channel);
        if !channels.get(parameters).is_some_and(is_this) {
            return true; // It had to make room.
        }
        if only_if_idle && channel.subscribers() > 0 {
            return false;
        }
        if let Some(gone) = channels.remove(parameters) {
            gone.kept.discard();
        }
        true
    }
}

impl OpenChannel {
    /// Lets a client in.
    pub(super) fn enter(&self, protocol: Protocol, wanted: Option<WantedStart>) -> OpenOutcome {
        let first = *self.first.borrow();
        match first {
            First::Open => OpenOutcome::In(self.channel.admit(protocol, wanted)),
            First::Asking => OpenOutcome::Asking(
                self.channel.admit(protocol, wanted),
                FirstResponse::waiting(self.first.clone()),
            ),
            First::Refused(status) => OpenOutcome::Refused(status),
        }
    }
}

/// Takes out the channel whose stream has ended first, if one has: it is kept for clients that come
/// late, but not at the price of one that is asked for now. Where it succeeds, there is a place
/// again.
pub(super) fn make_room(channels: &mut Channels) -> bool {
    let oldest = channels
        .iter()
        .filter_map(|(parameters, open)| Some((open.channel.end()?.at, parameters)))
        .min_by_key(|(at, _)| *at)
        .map(|(_, parameters)| parameters.clone());
    let gone = oldest.and_then(|oldest| channels.remove(&oldest));
    gone.is_some_and(|gone| {
        gone.kept.discard();
        true
    })
}
