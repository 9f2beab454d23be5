//! A history: events from before a log's first entry, which the origin returned for an id that a
//! client came back with.
//!
//! It joins the log without a seam, since it ends right before the event that is the log's first
//! one. It is shared by all clients whose ids it holds.

use super::compression::Coding;
use crate::config::LogLimits;
use crate::log::{Cursor, Entry, Log, Read, comes_back_as, plain_of};
use bytes::{Bytes, BytesMut};
use std::any::Any;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

/// The events that the origin returned for an id, up to the channel's log.
#[derive(Debug)]
pub(crate) struct History {
    /// The id that the origin was asked with: all of this comes after it.
    asked: Bytes,
    log: Log,
    entries: Vec<Arc<Entry>>,
    /// Where the channel's log goes on; `None`: not right behind this.
    next: Option<Cursor>,
    /// Let go when what is rendered is no longer needed.
    held: Option<Arc<dyn Any + Send + Sync>>,
    /// Whole chunks and the blocks alone, in clear and compressed.
    rendered: [OnceLock<Rendered>; 4],
}

/// All entries in one piece, and where each of them begins.
#[derive(Debug)]
struct Rendered {
    bytes: Bytes,
    starts: Vec<usize>,
}

/// A client's place in a history.
#[derive(Debug, Clone)]
pub struct HistoryPlace {
    history: Arc<History>,
    /// The first entry that it gets; their number if it has them all.
    from: usize,
}

impl History {
    /// What a log holds of the answer to a question with an id, up to before `end`.
    pub(super) fn new(asked: Bytes, log: Log, end: Cursor) -> Self {
        let entry = |cursor| match log.read(cursor) {
            Read::Entry(entry) => Some(entry),
            Read::NotYet | Read::Gone => None,
        };
        Self {
            entries: log.tail().up_to(end).filter_map(entry).collect(),
            asked,
            log,
            // It ends right before the log's first event.
            next: Some(Cursor::FIRST),
            held: None,
            rendered: Default::default(),
        }
    }

    /// All of what was read of a shared log behind an id, for one client. See [`super::older`].
    pub(super) fn piece(
        asked: Bytes,
        entries: Vec<Arc<Entry>>,
        next: Option<Cursor>,
        held: Arc<dyn Any + Send + Sync>,
    ) -> HistoryPlace {
        let (_, log) = Log::new(LogLimits {
            events: 1,
            bytes: 1,
            age: Duration::MAX,
        });
        let history = Self {
            asked,
            log,
            entries,
            next,
            held: Some(held),
            rendered: Default::default(),
        };
        HistoryPlace {
            history: Arc::new(history),
            from: 0,
        }
    }

    /// The place behind an id. `None`: it is none of these.
    pub(super) fn place(self: &Arc<Self>, id: &[u8]) -> Option<HistoryPlace> {
        let from = match self.log.first_with(id) {
            Some(cursor) => {
                let first = self.entries.first().map_or(Cursor::FIRST, |entry| entry.cursor);
                // The log of it has let it go, or it is where the channel's own log begins.
                let at = cursor.next().get().checked_sub(first.get())?;
                usize::try_from(at).ok().filter(|at| *at <= self.entries.len())?
            }
            // What came right after it may have been too much to keep.
            None if comes_back_as(&self.asked, id) && self.log.tail() == Cursor::FIRST => 0,
            None => return None,
        };
        Some(HistoryPlace {
            history: self.clone(),
            from,
        })
    }

    /// All of it.
    pub(super) fn whole(self: &Arc<Self>) -> HistoryPlace {
        HistoryPlace {
            history: self.clone(),
            from: 0,
        }
    }

    /// Whether another one has all of it.
    pub(super) fn is_part_of(&self, other: &Arc<Self>) -> bool {
        other.place(&self.asked).is_some()
    }

    /// Events in it.
    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }
}

impl HistoryPlace {
    /// Where the client goes on in the channel's log. `None`: it has to come back for what is between.
    pub(crate) fn next(&self) -> Option<Cursor> {
        self.history.next
    }

    /// Of what the client gets of it, only those that fit.
    pub(super) fn only(&self, fits: impl Fn(&Entry) -> bool) -> Self {
        let entries = self.entries().iter().filter(|entry| fits(entry));
        let history = History {
            asked: self.history.asked.clone(),
            log: self.history.log.clone(),
            entries: entries.cloned().collect(),
            next: self.history.next,
            held: self.history.held.clone(),
            rendered: Default::default(),
        };
        Arc::new(history).whole()
    }

    /// What the client gets of it.
    pub(crate) fn entries(&self) -> &[Arc<Entry>] {
        &self.history.entries[self.from..]
    }

    /// The same as bytes, made once for all clients: whole chunks, or the blocks alone.
    pub(crate) fn bytes(&self, chunked: bool, coding: Coding) -> Bytes {
        let history = &*self.history;
        let [clear_chunked, clear_plain, gzip_chunked, gzip_plain] = &history.rendered;
        let (rendered, of): (_, fn(&Entry) -> Bytes) = match (coding, chunked) {
            (Coding::Identity, true) => (clear_chunked, |entry| entry.chunked().clone()),
            (Coding::Identity, false) => (clear_plain, Entry::plain),
            (Coding::Gzip, true) => (gzip_chunked, Entry::alone),
            (Coding::Gzip, false) => (gzip_plain, |entry| plain_of(&entry.alone())),
        };
        let rendered = rendered.get_or_init(|| Rendered::of(&history.entries, of, history.held.clone()));
        let start = rendered.starts.get(self.from).copied();
        rendered.bytes.slice(start.unwrap_or(rendered.bytes.len())..)
    }
}

impl Rendered {
    fn of(
        entries: &[Arc<Entry>],
        bytes_of: impl Fn(&Entry) -> Bytes,
        held: Option<Arc<dyn Any + Send + Sync>>,
    ) -> Self {
        let mut bytes = BytesMut::new();
        let mut starts = Vec::with_capacity(entries.len());
        for entry in entries {
            starts.push(bytes.len());
            bytes.extend_from_slice(&bytes_of(entry));
        }
        let bytes = match held {
            Some(held) => Bytes::from_owner(Held { bytes, _held: held }),
            None => bytes.freeze(),
        };
        Self { bytes, starts }
    }
}

/// Bytes, and what is let go with the last of them.
struct Held {
    bytes: BytesMut,
    _held: Arc<dyn Any + Send + Sync>,
}

impl AsRef<[u8]> for Held {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}
