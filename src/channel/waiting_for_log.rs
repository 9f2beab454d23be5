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
/// A server of the engine that is cut off from the others, or has just started, may say for so long that
/// the log ends where it ends no more.
const SURE_AFTER: Duration = Duration::from_secs(30);

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
    pub(crate) fn is_ahead(&self, id: &[u8]) -> bool {
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

    /// Completes when this instance has read as far as a client has, or is sure that the log does not hold
    /// its id. If neither can be said, the client is better off elsewhere, or later: it may have had
    /// events that this instance would take for new ones.
    pub(super) async fn caught_up_with(&self, id: &[u8]) -> Result<(), NotNow> {
        let whole = self.lineage.whole().map_or(self, |whole| whole);
        let unknown = async {
            match whole.lineage.join() {
                None => whole.does_not_hold(id).await,
                Some(join) => {
                    for (source, id) in join.named(id) {
                        source.does_not_hold(&id).await;
                    }
                }
            }
        };
        let caught_up = async {
            tokio::select! {
                () = self.until_level(id) => {}
                () = unknown => {}
            }
        };
        timeout(AHEAD_MAX, caught_up).await.map_err(|_| NotNow)
    }

    /// Completes once it is sure that the log does not hold an id that is ahead: all that it held since
    /// now has been read; and where the id is one of the log's own, nothing has come for long, though
    /// clients have been ahead.
    async fn does_not_hold(&self, id: &[u8]) {
        let tip = self.log().tip().position;
        let stands = self.opening.stands_since(tip);
        self.opening.until_level(Instant::now()).await;
        let is_own = self.ids.epoch().position(id).is_some();
        if is_own && (self.log().tip().position != tip || stands.elapsed() < SURE_AFTER) {
            std::future::pending().await
        }
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
