//! Who follows a channel: in clear or compressed, each is notified of news, and tells how far it is.

use super::backpressure::Limits;
use super::channel::Channel;
use super::compression::Coding;
use super::followers::Follower;
use crate::log::Cursor;
use std::sync::Arc;
use std::time::Duration;

impl Channel {
    /// Joins the followers. Register, then look: the follower is notified of everything that is
    /// published after this returns.
    pub fn join(&self, follower: Arc<dyn Follower>, coding: Coding) {
        match coding {
            Coding::Identity => self.followers.add(follower),
            Coding::Gzip => self.compression.join(follower, self.log(), self.quiet()),
        }
    }

    /// Leaves the followers.
    pub fn leave(&self, follower: &Arc<dyn Follower>, coding: Coding) {
        match coding {
            Coding::Identity => self.followers.remove(follower),
            Coding::Gzip => self.compression.leave(follower, self.log(), self.quiet()),
        }
        self.progressed();
    }

    /// The newest entry that a follower may read.
    pub fn head(&self, coding: Coding) -> Cursor {
        match coding {
            Coding::Identity => self.log().head(),
            Coding::Gzip => self.compression.head(),
        }
    }

    /// Notifies those who follow this channel itself.
    pub(super) fn notify_followers(&self) {
        self.followers.notify_all();
        self.compression.notify(self.log(), || self.quiet());
    }

    /// How long it has to be quiet for clients to get a heartbeat; zero: they get none.
    fn quiet(&self) -> Duration {
        self.settings().load().heartbeat.every
    }

    /// Completes when there is something at `cursor` or beyond, the stream has ended before it, or
    /// the channel's source is no more.
    pub(crate) async fn until(&self, cursor: Cursor) {
        let ended = || self.removal().is_some() || self.end().is_some_and(|end| end.last < cursor);
        let look = || (self.log().head() >= cursor || ended()).then_some(());
        self.followers.until(look).await;
    }

    /// To be called by a follower after it has moved on.
    pub fn progressed(&self) {
        self.backpressure.progressed();
        self.lineage.parents().for_each(|parent| parent.progressed());
    }

    /// Whether a follower this far behind makes the publishing side wait.
    pub fn waits_for(&self, lag_events: u64, lag_bytes: u64) -> bool {
        Limits::of(&self.settings().load()).are_exceeded(lag_events, lag_bytes)
    }
}
