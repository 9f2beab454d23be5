//! One channel that is derived from another, and its filter.

use super::blocks::{EMPTY_ID_BLOCK, gap_blocks};
use super::deriving::{Derived, Due, Parent};
use super::end::End;
use super::filter::Filter;
use super::matching::{Matcher, Places, Reading};
use crate::event_stream::Event;
use crate::log::{Cursor, Entry, Kind, Position, Read, frame};
use crate::metrics::GapReason;
use bytes::Bytes;
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

/// A derived channel, as its parent knows it.
pub(super) struct Derivation<C> {
    filter: Arc<Filter>,
    matcher: Matcher,
    channel: Weak<C>,
    /// While it may be without clients.
    kept: Option<Arc<C>>,
    /// The parent's entry behind which its clients were told last where they stand, and where that
    /// ends in bytes.
    told: Cursor,
    told_offset: u64,
    told_at: Instant,
    /// Whether there is news for its followers.
    has_news: bool,
}

impl<C: Derived> Derivation<C> {
    /// One that is as far as its parent: up to before `done`.
    pub(super) fn new(
        parent: &Parent<'_>,
        done: Cursor,
        (filter, places): (Arc<Filter>, &mut Places),
        channel: &Arc<C>,
        kept: Option<Arc<C>>,
    ) -> Self {
        Self {
            matcher: Matcher::new(filter.clone(), places),
            filter,
            channel: Arc::downgrade(channel),
            kept,
            told: done.before(),
            told_offset: parent.log.end_offset(),
            told_at: Instant::now(),
            has_news: false,
        }
    }

    pub(super) fn filter(&self) -> &Arc<Filter> {
        &self.filter
    }

    pub(super) fn channel(&self) -> Option<Arc<C>> {
        self.channel.upgrade()
    }

    pub(super) fn is_gone(&self) -> bool {
        self.channel.strong_count() == 0
    }

    pub(super) fn take_news(&mut self) -> Option<Arc<C>> {
        std::mem::take(&mut self.has_news).then(|| self.channel()).flatten()
    }

    /// What keeps it without clients, if that is to end.
    pub(super) fn let_go_if(&mut self, is_to_go: impl Fn(&C) -> bool) -> Option<Arc<C>> {
        self.kept.take_if(|kept| is_to_go(kept))
    }

    /// How many places of an event it looks at.
    pub(super) fn conditions(&self) -> usize {
        self.matcher.conditions()
    }

    /// Other numbers for the same places.
    pub(super) fn renumber(&mut self, places: &mut Places) {
        self.matcher.renumber(places);
    }

    #[inline]
    pub(super) fn fits(&self, reading: &mut Reading<'_>) -> bool {
        self.matcher.matches(reading)
    }

    /// Puts in what fits of what a log holds, up to before `end`.
    pub(super) fn fill(&mut self, parent: &Parent<'_>, places: &Places, from: Cursor, end: Cursor) {
        let mut has_id = parent.log.id_before(from).is_some_and(|id| !id.is_empty());
        for cursor in from.up_to(end) {
            let Read::Entry(entry) = parent.log.read(cursor) else {
                continue;
            };
            let block = entry.plain();
            let event = event_of(&entry, &block);
            let is_reset = std::mem::replace(&mut has_id, !entry.id().is_empty()) && !has_id;
            if event.is_none_or(|event| self.fits(&mut places.reading(&event))) {
                self.append(&entry, entry.chunked().clone(), entry.kind());
            } else if is_reset {
                self.reset_id(&entry);
            }
        }
    }

    /// The origin has reset its id in an entry that is not for its clients. What follows carries no id:
    /// they would keep the one from before.
    pub(super) fn reset_id(&mut self, entry: &Entry) {
        self.append(entry, frame(&[EMPTY_ID_BLOCK.as_bytes()]), Kind::NonEvent);
    }

    /// Appends what is to be had of an entry.
    pub(super) fn append(&mut self, entry: &Entry, frame: Bytes, kind: Kind) {
        if let Some(channel) = self.channel() {
            channel.append(entry, frame, kind);
            self.has_news = true;
        }
        self.told = self.told.max(entry.cursor);
        self.told_offset = self.told_offset.max(entry.offset + entry.len_bytes());
        self.told_at = Instant::now();
    }

    /// An entry was not for its clients. Now and then they are told where that leaves them.
    #[inline]
    pub(super) fn pass_over(&mut self, entry: &Entry, due: &Due) {
        let bytes = entry.offset.saturating_sub(self.told_offset);
        if entry.cursor.since(self.told) >= due.events || bytes >= due.bytes {
            self.tell_place(entry);
        }
    }

    /// The same where it was long ago. `last`: the parent's newest entry.
    pub(super) fn tell_in_time(&mut self, last: &Entry, age: Duration, now: Instant) {
        if self.told < last.cursor && now.saturating_duration_since(self.told_at) >= age {
            self.tell_place(last);
        }
    }

    fn tell_place(&mut self, entry: &Entry) {
        if !entry.id().is_empty() {
            self.append(entry, frame(&[b"id: ", entry.id(), b"\n\n"]), Kind::NonEvent);
        }
    }

    /// What came up to a position is missing, for all that is known.
    pub(super) fn gap(&mut self, parent: &Parent<'_>, behind: Position) {
        let Some(channel) = self.channel() else { return };
        parent.metrics.gaps[GapReason::Evicted.index()].increment(1);
        let settings = parent.settings.load();
        let event_type = settings.gap_event.as_deref();
        let blocks = gap_blocks(event_type, GapReason::Evicted, parent.name, None, false);
        if !blocks.is_empty() {
            channel.append_gap(behind, frame(&[blocks.as_bytes()]));
            self.has_news = true;
        }
    }

    /// See [`Derived::follow_end`].
    pub(super) fn follow_end(&mut self, end: Option<&End>) {
        if let Some(channel) = self.channel() {
            channel.follow_end(end);
            self.has_news = true;
        }
    }
}

/// The event that an entry with this block is; all else is for everyone.
pub(super) fn event_of<'a>(entry: &Entry, block: &'a [u8]) -> Option<Event<'a>> {
    match entry.kind() {
        Kind::Event => Event::parse_block(block),
        Kind::NonEvent | Kind::Gap | Kind::Terminal => None,
    }
}
