//! Clients whose ids the log doesn't hold, and the side that asks the origin for them.

use super::asks::Found;
use super::channel::Channel;
use super::history::{History, HistoryPlace};
use super::older::NotNow;
use crate::log::{Epoch, Position};
use crate::metrics::GapReason;
use bytes::Bytes;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::timeout;

/// How long a client waits for what the origin returns: then it gets a gap event instead.
const WAIT_MAX: Duration = Duration::from_secs(15);

/// What is known of the events that follow an id.
pub(crate) enum HistoryLookup {
    /// They are here.
    Found(HistoryPlace),
    /// The origin is being asked, or will be.
    Asking(PendingHistory),
}

/// What a client waits for.
pub(crate) struct PendingHistory {
    channel: Arc<Channel>,
    id: Bytes,
}

impl Channel {
    /// What is known of the events after an id that the log doesn't hold; empty: the client has none.
    /// `None`: nothing, and the origin is not asked.
    pub(crate) fn history(self: &Arc<Self>, id: &Bytes) -> Option<HistoryLookup> {
        let asking = || {
            HistoryLookup::Asking(PendingHistory {
                channel: self.clone(),
                id: id.clone(),
            })
        };
        if !self.is_open() || self.is_ahead(id) {
            return Some(asking());
        }
        if self.older(id).is_some() {
            return Some(asking());
        }
        let is_catching_up = self.catching_up.is_open() && self.is_the_origins(id);
        if (is_catching_up || self.lineage.join().is_some()) && self.may_still_come(id) {
            return Some(asking());
        }
        if self.asks.is_over() || !self.is_the_origins(id) {
            return None;
        }
        if self.place_behind(id).gap != Some(GapReason::UnknownId) {
            return None;
        }
        match self.asks.want(id) {
            Found::History(place) => Some(HistoryLookup::Found(place)),
            Found::Undecided => Some(asking()),
            Found::Nothing => None,
        }
    }

    /// Whether an id may be one that the origin has given.
    fn is_the_origins(&self, id: &[u8]) -> bool {
        let numbered = !self.ids.are_passed() && self.log().tip().position != Position::START;
        !id.is_empty() && !numbered && !Epoch::is_like_ours(id) && std::str::from_utf8(id).is_ok()
    }
}

impl PendingHistory {
    /// Completes when it has turned out whether there is something, or when the process is about to leave:
    /// who would be taken for a stranger by what is known so far goes to another.
    pub(crate) async fn answered_before(
        self,
        leaving: impl Future<Output = ()>,
    ) -> Result<Option<HistoryPlace>, NotNow> {
        let (channel, id) = (self.channel.clone(), self.id.clone());
        tokio::select! {
            place = self.answered() => place,
            () = leaving => match channel.is_ahead(&id) || channel.older(&id).is_some() {
                true => Err(NotNow),
                false => Ok(None),
            },
        }
    }

    async fn answered(self) -> Result<Option<HistoryPlace>, NotNow> {
        if !self.channel.is_open() {
            self.channel.until_open().await;
        }
        if !self.channel.is_open() {
            // It may open while something else is waited for: the id has to be judged by the log then.
            return Err(NotNow);
        }
        if self.channel.is_ahead(&self.id) {
            return self.channel.caught_up_with(&self.id).await.map(|()| None);
        }
        if let Some((older, wanted)) = self.channel.older(&self.id) {
            return older.piece(wanted).await;
        }
        if self.channel.may_still_come(&self.id) {
            // Whatever comes of it, the log says.
            let _ = timeout(WAIT_MAX, self.channel.has_come(&self.id)).await;
            return Ok(None);
        }
        let decided = timeout(WAIT_MAX, self.channel.asks.decided(&self.id)).await;
        Ok(decided.ok().flatten())
    }
}

/// The side that asks the origin.
impl Channel {
    /// From now on ids that the log doesn't hold may be asked for.
    pub(crate) fn begin_asking(&self) {
        self.asks.open();
    }

    /// No more: clients that wait learn that nothing comes.
    pub(crate) fn end_asking(&self) {
        self.asks.close();
    }

    /// Completes when there is an id to ask for and the upstream is connected, and takes it: the
    /// oldest of those that have come within `gather`.
    pub(crate) async fn next_to_ask(&self, gather: Duration) -> Bytes {
        self.asks.next(gather).await
    }

    /// What came of it.
    pub(crate) fn answered(&self, history: Option<History>) {
        self.asks.answered(history);
    }

    /// Lets go of what the origin returned.
    pub(crate) fn forget_histories(&self) {
        self.asks.forget();
    }
}
