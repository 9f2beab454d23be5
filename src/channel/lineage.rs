//! What a channel's events come from: its upstreams, or other channels.

use super::filter::Filter;
use super::join::Join;
use std::sync::Arc;

/// What a channel's events come from.
pub(super) enum Lineage<C> {
    /// Its own upstreams.
    Upstreams,
    /// What a filter lets through of another channel.
    Filtered(Arc<C>, Arc<Filter>),
    /// Several other channels.
    Joined(Box<Join<C>>),
}

impl<C> Lineage<C> {
    /// The channel of which it is a part.
    pub(super) fn whole(&self) -> Option<&Arc<C>> {
        match self {
            Self::Filtered(whole, _) => Some(whole),
            Self::Upstreams | Self::Joined(_) => None,
        }
    }

    /// What it is put together from.
    pub(super) fn join(&self) -> Option<&Join<C>> {
        match self {
            Self::Joined(join) => Some(join),
            Self::Upstreams | Self::Filtered(..) => None,
        }
    }

    /// The channels that it is computed from.
    pub(super) fn parents(&self) -> impl Iterator<Item = &Arc<C>> {
        let joined = self.join().into_iter().flat_map(Join::channels);
        self.whole().into_iter().chain(joined)
    }
}
