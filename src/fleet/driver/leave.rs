//! A driver leaves the fleet, since another instance is to lead; or holds still, since another process is
//! to go on.

use super::waits::pending;
use super::{Driver, Event, Stage};
use crate::fleet::engine::Engine;
use std::time::Duration;
use tokio::time::timeout;

/// How long a leader that leaves waits for what it has read to be in the log, and for one answer.
const LAST_APPENDS: Duration = Duration::from_millis(700);

impl<E: Engine> Driver<E> {
    /// Leads no more, once all that was read from the origin is in the log, if that is soon.
    pub(super) async fn leave(&mut self) {
        self.member.leave();
        self.shared.lead(None);
        self.shared.inbox.close();
        let flushed = async {
            loop {
                let is_empty = self.member.pipeline().is_none_or(|pipeline| pipeline.is_empty());
                if is_empty && self.shared.inbox.buffered() == 0 {
                    return;
                }
                let event = self.turn(Stage::Leaving).await;
                self.happened(event);
            }
        };
        let _ = timeout(LAST_APPENDS, flushed).await;
        // One that comes late would be held by nobody for as long as the engine keeps it.
        if self.lease.is_some()
            && let Ok(answer) = timeout(LAST_APPENDS, pending(&mut self.lease)).await
        {
            self.happened(Event::Lease(answer));
        }
        if let Some(revision) = self.member.resign() {
            let _ = timeout(LAST_APPENDS, self.engine.release(revision)).await;
        }
        self.shared.left();
    }

    /// Does nothing until it is released. Meanwhile a successor may go on with what it is.
    pub(super) async fn hold_still(&mut self) {
        self.shared.release_held();
        let is_together = self.apart.as_ref().is_none_or(|apart| apart.local.is_together());
        let mut member = self.member.give(self.shared.inbox.give());
        if let Some(apart) = &mut self.apart {
            apart.stop(&mut self.writer);
        }
        if !is_together {
            // Its clients have had more than the log holds: that is not known there.
            member.lead = None;
        }
        self.shared.holding(Some((self.writer.give(), member))).await;
    }
}
