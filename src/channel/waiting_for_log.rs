//! Clients of a channel whose log is shared, and not known here yet, or not as far as they are.

use super::channel::Channel;
use super::lineage::Lineage;
use super::older::NotNow;
use crate::log::Epoch;
use crate::metrics::GapReason;
use std::time::{Duration, Instant};
use tokio::time::timeout;

/// How long a client waits for it: then it is told to come back.
const WAIT_MAX: Duration = Duration::from_secs(5);
/// How long one waits that has been further at another instance: longer than between two looks at where
/// the log ends.
const AHEAD_MAX: Duration = Duration::from_secs(7);

impl Channel {
    /// Whether its log is known: where several processes share it, only once it has been read.
    pub(crate) fn is_open(&self) -> bool {
        match &self.lineage {
            Lineage::Upstreams => self.opening.is_open(),
            Lineage::Filtered(..) | Lineage::Joined(_) => self.lineage.parents().all(|parent| parent.is_open()),
        }
    }

    /// Whether a client may have an id from another instance that has read further. One of the origin's
    /// may be that, or none at all.
    pub(super) fn is_ahead(&self, id: &[u8]) -> bool {
        match &self.lineage {
            Lineage::Filtered(whole, _) => return whole.is_ahead(id),
            Lineage::Joined(join) => return join.named(id).any(|(source, id)| source.is_ahead(&id)),
            Lineage::Upstreams => {}
        }
        if !self.opening.is_shared() || id.is_empty() || self.end().is_some() {
            return false;
        }
        let is_unknown = || self.place_behind(id).gap == Some(GapReason::UnknownId);
        match self.ids.epoch().position(id) {
            Some(position) => position > self.log().tip().position,
            None => self.ids.are_passed() && !Epoch::is_like_ours(id) && is_unknown(),
        }
    }

    /// Completes when this instance has read as far as a client has, or all that there is: then the log
    /// does not hold its id. If neither can be said, the client is better off elsewhere, or later: it may
    /// have had events that this instance would take for new ones.
    pub(super) async fn caught_up_with(&self, id: &[u8]) -> Result<(), NotNow> {
        let since = Instant::now();
        let whole = self.lineage.whole().map_or(self, |whole| whole);
        let all_is_read = async {
            match whole.lineage.join() {
                None => whole.opening.until_level(since).await,
                Some(join) => {
                    for (source, _) in join.named(id) {
                        source.opening.until_level(since).await;
                    }
                }
            }
        };
        let caught_up = async {
            tokio::select! {
                () = self.until_level(id) => {}
                () = all_is_read => {}
            }
        };
        timeout(AHEAD_MAX, caught_up).await.map_err(|_| NotNow)
    }

    /// Completes when this instance has read as far as a client has.
    async fn until_level(&self, id: &[u8]) {
        let whole = self.lineage.whole().map_or(self, |whole| whole);
        let Some(join) = whole.lineage.join() else {
            return whole.followers.until(|| (!self.is_ahead(id)).then_some(())).await;
        };
        for (source, id) in join.named(id) {
            source.followers.until(|| (!source.is_ahead(&id)).then_some(())).await;
        }
    }

    /// Completes when its log is known, or has not become so for too long.
    pub(super) async fn until_open(&self) {
        let log_of = self.lineage.whole().map_or(self, |whole| whole);
        let _ = timeout(WAIT_MAX, log_of.opening.until_open()).await;
    }
}
