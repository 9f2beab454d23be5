//! Clients whose ids the ring of a shared log has let go, and which the log itself still holds.
//!
//! They get a *piece* of it, which is read beside the ring. It joins the ring in its middle, which will
//! not be let go before the client's shard is there; or it is as much as may be in memory for one client,
//! whose stream ends behind it, and which comes back for the next one.

use super::history::{History, HistoryPlace};
use super::shared_place::Place;
use crate::log::{Cursor, Entry};
use bytes::Bytes;
use std::any::Any;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

/// Reads a log further back than the ring.
pub(crate) trait Older: Send + Sync {
    /// What a client is to get. `None`: the log has let it go as well.
    fn piece(&self, wanted: Wanted) -> PendingPiece<'_>;
}

/// What is being read.
pub(crate) type PendingPiece<'a> = Pin<Box<dyn Future<Output = Result<Option<HistoryPlace>, NotNow>> + Send + 'a>>;

/// The log is not within reach, or too many pieces of it are in memory: the client is to come back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct NotNow;

/// What lies between a client's last event ID and the ring.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Wanted {
    /// The client's last event ID.
    pub(crate) id: Bytes,
    /// The name of the numbering.
    pub(crate) epoch: String,
    /// The client has all up to here.
    pub(crate) behind: Place,
    /// The ring has all behind this.
    pub(crate) up_to: Place,
    /// Where that is in the ring.
    pub(super) next: Cursor,
}

impl Wanted {
    /// What was read. `joins`: it reaches the ring. `held`: let go when the client has it.
    pub(crate) fn read(self, entries: Vec<Arc<Entry>>, joins: bool, held: Arc<dyn Any + Send + Sync>) -> HistoryPlace {
        let next = joins.then_some(self.next);
        History::piece(self.id, entries, next, held)
    }
}
