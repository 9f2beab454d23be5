//! A path at which several sources are one stream: a joined channel for each set of them that clients
//! ask for, shared by all who ask for the same.
//!
//! The lock is held while a client is counted in, and while a channel without clients is let go: so no
//! client joins a channel that is leaving.

use crate::channel::{Admission, Channel, KeepsDerived, LongIds, Removal, Settings, metrics_of};
use crate::config::{Combine, JOINED_CHANNELS_MAX, Source};
use crate::log::WantedStart;
use crate::metrics::{Metrics, Protocol, RefuseReason, SourceMetrics};
use crate::quotas::{ChannelPermit, Quotas};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// For how long a joined channel stays without clients: one that was cut comes back by then.
const IDLE_MAX: Duration = Duration::from_secs(10);

/// A source's channel, by the name of the source.
pub(super) type NamedChannel = (Box<str>, Arc<Channel>);

/// A combined path.
pub(crate) struct Combined {
    combine: Combine,
    /// In the order of their names.
    sources: Vec<NamedChannel>,
    settings: Settings,
    metrics: Arc<SourceMetrics>,
    quotas: Arc<Quotas>,
    long_ids: Arc<LongIds>,
    /// `None` once the path is no more.
    joined: Mutex<Option<HashMap<Picked, Joined>>>,
}

/// Which of the sources: their places, in order.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Picked(Box<[usize]>);

/// There is no such source at this path.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the query parameter source is the name of a source of this path, and may be there several times")]
pub(crate) struct UnknownSource;

struct Joined {
    channel: Arc<Channel>,
    _permit: ChannelPermit,
    _derived: KeepsDerived,
}

/// What a client that comes to a combined path finds.
pub(crate) enum CombinedOutcome {
    In(Admission),
    /// The path is no more.
    Gone,
    Full(RefuseReason),
}

impl Combined {
    /// `sources`: those of the path, by their names. `settings`: as the path is served.
    pub(super) fn new(
        combine: &Combine,
        sources: Vec<NamedChannel>,
        settings: Source,
        (metrics, quotas, long_ids): (&Metrics, Arc<Quotas>, Arc<LongIds>),
    ) -> Arc<Self> {
        debug_assert!(sources.is_sorted_by(|(one, _), (other, _)| one < other));
        Arc::new(Self {
            combine: combine.clone(),
            sources,
            metrics: metrics_of(&settings, metrics),
            settings: Settings::new(Arc::new(settings)),
            quotas,
            long_ids,
            joined: Mutex::new(Some(HashMap::new())),
        })
    }

    fn joined(&self) -> MutexGuard<'_, Option<HashMap<Picked, Joined>>> {
        self.joined.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether it is put together from the same, in the same way.
    pub(super) fn is_of(&self, combine: &Combine, sources: &[NamedChannel]) -> bool {
        let same = |(one, other): (&NamedChannel, &NamedChannel)| one.0 == other.0 && Arc::ptr_eq(&one.1, &other.1);
        // Also in which order, which says whose settings these are: `sources` has the names sorted.
        self.combine == *combine && self.sources.len() == sources.len() && self.sources.iter().zip(sources).all(same)
    }

    /// Goes on by other settings.
    pub(super) fn follow(&self, settings: Source, metrics: &Metrics) {
        if **self.settings.load() == settings {
            return;
        }
        metrics_of(&settings, metrics);
        self.settings.replace(Arc::new(settings));
        for channel in self.channels() {
            channel.settings_replaced();
        }
    }

    /// The path.
    pub(crate) fn path(&self) -> &str {
        &self.combine.path
    }

    /// As it is served.
    pub(crate) fn settings(&self) -> &Settings {
        &self.settings
    }

    /// The joined channels that there are.
    pub(crate) fn channels(&self) -> Vec<Arc<Channel>> {
        let joined = self.joined();
        let all = joined.iter().flat_map(HashMap::values);
        all.map(|joined| joined.channel.clone()).collect()
    }

    /// The sources that a client asks for; all of them if it names none.
    pub(crate) fn pick(&self, names: impl Iterator<Item = Vec<u8>>) -> Result<Picked, UnknownSource> {
        let place = |name: Vec<u8>| {
            let found = self.sources.iter().position(|(known, _)| known.as_bytes() == name);
            found.ok_or(UnknownSource)
        };
        let mut places = names.map(place).collect::<Result<Vec<_>, _>>()?;
        if places.is_empty() {
            places = (0..self.sources.len()).collect();
        }
        places.sort_unstable();
        places.dedup();
        Ok(Picked(places.into()))
    }

    /// The names of the sources.
    pub(crate) fn names(&self, picked: &Picked) -> impl Iterator<Item = &str> {
        picked.0.iter().map(|place| &*self.sources[*place].0)
    }

    /// The names of all sources.
    pub(crate) fn all_names(&self) -> impl Iterator<Item = &str> {
        self.sources.iter().map(|(name, _)| &**name)
    }

    /// The channel of these sources, if there is one.
    pub(crate) fn find(&self, picked: &Picked) -> Option<Arc<Channel>> {
        let joined = self.joined();
        let found = joined.as_ref()?.get(picked)?;
        Some(found.channel.clone())
    }

    /// Lets a client in. Puts the channel together if it is the first. `wanted`: where it wants to
    /// start, if it says so.
    pub(crate) fn enter(&self, picked: &Picked, protocol: Protocol, wanted: Option<WantedStart>) -> CombinedOutcome {
        let mut joined = self.joined();
        let Some(joined) = joined.as_mut() else {
            return CombinedOutcome::Gone;
        };
        if let Some(found) = joined.get(picked) {
            return CombinedOutcome::In(found.channel.admit(protocol, wanted));
        }
        if !picked.0.iter().all(|place| self.sources[*place].1.is_open()) {
            // Nothing is known of what came before.
            return CombinedOutcome::Full(RefuseReason::Log);
        }
        let permit = self.permit(joined).or_else(|_| {
            // Those without clients make room.
            joined.retain(|_, joined| joined.channel.subscribers() > 0);
            self.permit(joined)
        });
        let permit = match permit {
            Ok(permit) => permit,
            Err(reason) => return CombinedOutcome::Full(reason),
        };
        let sources = picked.0.iter().map(|place| self.sources[*place].clone());
        let channel = Channel::joining(
            sources.collect(),
            self.combine.prefix_events,
            (self.settings.clone(), self.metrics.clone()),
            self.long_ids.clone(),
        );
        let admission = channel.admit(protocol, wanted);
        let opened = Joined {
            _derived: KeepsDerived::of(&channel),
            channel,
            _permit: permit,
        };
        joined.insert(picked.clone(), opened);
        CombinedOutcome::In(admission)
    }

    fn permit(&self, joined: &HashMap<Picked, Joined>) -> Result<ChannelPermit, RefuseReason> {
        match joined.len() < JOINED_CHANNELS_MAX {
            true => self.quotas.open_channel(),
            false => Err(RefuseReason::Channels),
        }
    }

    /// Lets go of what is too old, and of channels without clients. To be called about once a second.
    pub(super) fn sweep(&self, now: Instant) {
        for channel in self.channels() {
            channel.sweep(now);
        }
        let is_idle = |channel: &Channel| {
            let since = channel.idle_since();
            since.is_some_and(|since| now.saturating_duration_since(since) >= IDLE_MAX)
        };
        if let Some(joined) = self.joined().as_mut() {
            joined.retain(|_, joined| !is_idle(&joined.channel));
        }
    }

    /// The path is no more, or leads to something else: its clients leave.
    pub(crate) fn remove(&self, removal: Removal) {
        let joined = self.joined().take();
        for joined in joined.iter().flat_map(HashMap::values) {
            joined.channel.remove(removal);
        }
    }
}
