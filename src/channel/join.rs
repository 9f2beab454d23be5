//! A channel that is put together from several: which, and how far it is in each of them.

use super::joined_id;
use super::long_ids::LongIds;
use super::tracks::Tracks;
use bytes::Bytes;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// A channel that is put together from several.
pub(super) struct Join<C> {
    pub(super) sources: Box<[JoinedSource<C>]>,
    /// Whether event types begin with the source's name.
    pub(super) prefix_events: bool,
    pub(super) long_ids: Arc<LongIds>,
    state: Mutex<JoinState>,
}

/// One of the channels, by the name of its source. They stand in the order of the names.
pub(super) struct JoinedSource<C> {
    pub(super) name: Box<str>,
    pub(super) channel: Arc<C>,
}

/// How far a joined channel is. Taken by one thread at a time, which takes in all that there is.
pub(super) struct JoinState {
    pub(super) tracks: Tracks,
    /// For each source, the part of an id that names the place before its first entry that has not
    /// been taken in.
    pub(super) parts: Vec<String>,
    /// The id that clients were given last.
    pub(super) told: Bytes,
}

impl<C> Join<C> {
    pub(super) fn new(
        sources: Box<[JoinedSource<C>]>,
        prefix_events: bool,
        long_ids: Arc<LongIds>,
        state: JoinState,
    ) -> Self {
        Self {
            sources,
            prefix_events,
            long_ids,
            state: Mutex::new(state),
        }
    }

    pub(super) fn channels(&self) -> impl Iterator<Item = &Arc<C>> {
        self.sources.iter().map(|source| &source.channel)
    }

    /// The channels that an id names a place of, each with the id of that place there.
    pub(super) fn named(&self, id: &[u8]) -> impl Iterator<Item = (&Arc<C>, Bytes)> {
        let places = self.long_ids.meant(id).and_then(|id| joined_id::places(&id));
        places.into_iter().flatten().filter_map(|(name, place)| {
            let source = self.sources.iter().find(|source| *source.name == *name)?;
            Some((&source.channel, place.exact.unwrap_or(place.id)))
        })
    }

    pub(super) fn state(&self) -> MutexGuard<'_, JoinState> {
        // Each entry is taken in as a whole.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// An id of these parts, as clients get it.
    pub(super) fn id(&self, parts: &[String]) -> Bytes {
        self.long_ids.shortened(joined_id::of_parts(parts))
    }
}
