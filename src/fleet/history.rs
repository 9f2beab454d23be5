//! Events that the ring has let go and the log has not, for clients that come back with an id of theirs.
//!
//! They are published as they once were, by the same code, into a channel of their own: so they have the
//! same ids and the same bytes at every instance.

use super::apply::apply;
use super::engine::{Engine, EngineError, Reader};
use super::member::News;
use super::pipeline::UNREAD_MAX;
use super::reading::{Reading, Turn};
use crate::channel::{Channel, HistoryPlace, NotNow, Older, PendingPiece, Place, Settings, SharedWriter, Wanted};
use crate::config::Source;
use crate::log::{Cursor, Entry, Read};
use crate::metrics::{Metrics, SourceMetrics};
use metrics::Counter;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Semaphore;
use tokio::time::timeout;

/// What one client gets at one time, as framed; one message more at the most.
const PIECE_BYTES: u64 = 1 << 20;
/// Pieces in memory at one time, over all sources.
pub(crate) const PIECES_MAX: usize = 32;
/// How long a client waits for one to become free.
const TURN_MAX: Duration = Duration::from_secs(5);
/// How long the engine may take for one.
const READ_MAX: Duration = Duration::from_secs(10);
/// More events than a piece can have: the smallest takes 14 bytes of its own.
const EVENTS_MAX: usize = 1 << 17;
/// Older than any log.
const AGE_MAX: Duration = Duration::from_secs(100 * 366 * 86_400);

/// See the module.
pub(crate) struct Histories<E> {
    engine: Arc<E>,
    /// The source, with a log that lets go of nothing.
    source: Arc<Source>,
    pieces: Arc<Semaphore>,
    reads: Counter,
    /// What is published for a single client is counted nowhere.
    uncounted: Arc<SourceMetrics>,
}

/// What has been read.
struct Piece {
    entries: Vec<Arc<Entry>>,
    joins: bool,
}

impl<E: Engine> Histories<E> {
    /// `pieces`: as many as may be in memory.
    pub(crate) fn new(engine: Arc<E>, source: &Source, pieces: Arc<Semaphore>, reads: Counter) -> Self {
        let mut source = source.clone();
        (source.log.events, source.log.bytes, source.log.age) = (EVENTS_MAX, u64::MAX, AGE_MAX);
        Self {
            uncounted: Metrics::new().source(&source.name),
            source: Arc::new(source),
            engine,
            pieces,
            reads,
        }
    }

    async fn answer(&self, wanted: Wanted) -> Result<Option<HistoryPlace>, NotNow> {
        let turn = timeout(TURN_MAX, self.pieces.clone().acquire_owned()).await;
        let held = turn.ok().and_then(Result::ok).ok_or(NotNow)?;
        self.reads.increment(1);
        match timeout(READ_MAX, self.read(&wanted)).await {
            Ok(Ok(piece)) => Ok(piece.map(|piece| wanted.read(piece.entries, piece.joins, Arc::new(held)))),
            Ok(Err(error)) => {
                tracing::debug!(source = self.source.name, %error, "what the ring has let go could not be read");
                Err(NotNow)
            }
            Err(_) => Err(NotNow),
        }
    }

    /// `None`: the log does not hold all of it.
    async fn read(&self, wanted: &Wanted) -> Result<Option<Piece>, EngineError> {
        let Wanted { behind, up_to, .. } = wanted;
        // What a message says depends on those before it.
        let first = behind.sequence.saturating_sub(UNREAD_MAX as u64).max(1);
        let mut reader = self.engine.read_from(first).await?;
        let mut reading = Reading::behind(first - 1);
        let (channel, mut writer) = Channel::shared(Settings::new(self.source.clone()), self.uncounted.clone());
        writer.begin(&wanted.epoch, behind.sequence.saturating_sub(1));
        let (mut has_begun, mut before) = (false, 0);
        loop {
            let stored = reader.next().await?;
            let known = reading.read();
            let Turn::Next { skipped, counts } = reading.take(&stored) else {
                return Ok(None);
            };
            if stored.sequence >= behind.sequence {
                let is_begin = stored.sequence == behind.sequence
                    || stored.sequence == behind.sequence + 1 && (behind.is_whole() || known == behind.sequence);
                let is_other = counts && reading.epoch() != Some(&wanted.epoch);
                if !has_begun && !is_begin || is_other {
                    return Ok(None);
                }
                let news = News {
                    skipped: skipped && has_begun,
                    counts,
                    is_anew: false,
                };
                apply(&mut writer, &stored, news, &[]);
                has_begun = true;
                if stored.sequence == behind.sequence {
                    before = channel.log().bytes();
                }
            }
            let joins = stored.sequence >= up_to.sequence;
            if joins || channel.log().bytes() - before >= PIECE_BYTES {
                return Ok(piece(&channel, &writer, (*behind, joins.then_some(*up_to))));
            }
        }
    }
}

impl<E: Engine> Older for Histories<E> {
    fn piece(&self, wanted: Wanted) -> PendingPiece<'_> {
        Box::pin(self.answer(wanted))
    }
}

/// What was published between two places.
fn piece(channel: &Channel, writer: &SharedWriter, (behind, up_to): (Place, Option<Place>)) -> Option<Piece> {
    let log = channel.log();
    // Nothing of it was let go.
    if log.tail() != Cursor::FIRST {
        return None;
    }
    let behind = writer.position(behind);
    let end = up_to.map(|up_to| writer.position(up_to));
    let entries = log
        .tail()
        .up_to(log.head().next())
        .filter_map(|cursor| match log.read(cursor) {
            Read::Entry(entry) => Some(entry),
            Read::NotYet | Read::Gone => None,
        });
    let is_between = |entry: &Arc<Entry>| entry.position > behind && end.is_none_or(|end| entry.position <= end);
    Some(Piece {
        entries: entries.filter(is_between).collect(),
        joins: up_to.is_some(),
    })
}
