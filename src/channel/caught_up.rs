//! A channel that catches up with what its origin sends again, and clients that wait for it.

use super::channel::Channel;
use crate::metrics::GapReason;
use std::time::Duration;
use tokio::time::{Instant, timeout};

/// An origin that has sent nothing for so long has sent what it had.
const QUIET: Duration = Duration::from_secs(1);
/// One that always sends something has sent it by then: it comes first.
const CAUGHT_UP_MAX: Duration = Duration::from_secs(10);

impl Channel {
    /// Completes when the origin has sent what came before the start, if that was to be expected:
    /// clients that wait for more of it get their gap events.
    pub(crate) async fn caught_up(&self) {
        if !self.catching_up.is_open() {
            return;
        }
        self.catching_up.until_connected().await;
        let until = Instant::now() + CAUGHT_UP_MAX;
        while Instant::now() < until && self.end().is_none() && self.removal().is_none() {
            let next = self.log().head().next();
            if timeout(QUIET, self.until(next)).await.is_err() {
                break;
            }
        }
        self.catching_up.close();
        self.notify_all();
    }

    /// Whether the origin may still send the event of an id.
    pub(super) fn may_still_come(&self, id: &[u8]) -> bool {
        if let Some(join) = self.lineage.join() {
            return join.named(id).any(|(source, id)| source.may_still_come(&id));
        }
        self.catching_up.is_open() && self.place_behind(id).gap == Some(GapReason::UnknownId)
    }

    /// Completes when the log holds an id, or will not.
    pub(super) async fn has_come(&self, id: &[u8]) {
        let Some(join) = self.lineage.join() else {
            return self.followers.until(|| (!self.may_still_come(id)).then_some(())).await;
        };
        for (source, id) in join.named(id) {
            source
                .followers
                .until(|| (!source.may_still_come(&id)).then_some(()))
                .await;
        }
    }
}
