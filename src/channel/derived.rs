//! A channel that is derived from another: what it asks its parent, and how it is written.

use super::backpressure::Limits;
use super::carried::CarriedChannelState;
use super::channel::{Channel, Parts};
use super::deriving::{Derived, Parent};
use super::end::{Cause, End, Ending};
use super::filter::Filter;
use super::ids::Ids;
use super::lineage::Lineage;
use super::membership::Membership;
use super::opening::Opening;
use super::subscription::Admission;
use super::writer_state::WriterState;
use crate::log::{CarriedLogError, Cursor, Draft, Entry, Kind, Log, Moves, Position, ResumePoint, StartPoint, Tip};
use crate::metrics::GapReason;
use bytes::Bytes;
use std::io::Read;
use std::sync::Arc;
use std::time::Instant;

/// How often a place is looked for in a log that lets go of it meanwhile.
const LOOKS_MAX: usize = 8;

/// There are as many filters as the source has room for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TooManyFilters;

/// Whoever keeps a channel keeps this: without it, only clients keep what is derived from the channel.
pub(crate) struct KeepsDerived(Arc<Channel>);

impl KeepsDerived {
    /// As long as this is held.
    pub(crate) fn of(channel: &Arc<Channel>) -> Self {
        Self(channel.clone())
    }
}

impl Drop for KeepsDerived {
    fn drop(&mut self) {
        self.0.derivations.close();
    }
}

impl Admission {
    /// The same client where it gets only what a filter lets through. `max`: so many filters may the
    /// clients of its source choose at one time.
    pub fn filtered(self, filter: Filter, max: usize) -> Result<Self, TooManyFilters> {
        let Self {
            subscription,
            start,
            wanted,
        } = self;
        let parent = subscription.channel();
        let filters = parent.settings().filters();
        let mut chosen = filters.choose(&filter, max);
        if chosen.is_none() {
            parent.derivations.make_room();
            chosen = filters.choose(&filter, max);
        }
        let channel = parent.filtered(&chosen.ok_or(TooManyFilters)?);
        let subscription = channel.subscribe(subscription.protocol());
        Ok(Self {
            subscription,
            start,
            wanted,
        })
    }
}

impl Channel {
    /// The channel with what a filter lets through.
    fn filtered(self: &Arc<Self>, filter: &Arc<Filter>) -> Arc<Self> {
        let make = |before| self.deriving(filter, before);
        self.derivations.enter(&self.as_parent(), filter.clone(), make)
    }

    /// An empty channel that is derived from this one, behind a position.
    fn deriving(self: &Arc<Self>, filter: &Arc<Filter>, before: Position) -> Arc<Self> {
        let source = self.settings().snapshot();
        let (writer, log) = Log::continuing(before, source.log.limits());
        let upstreams = source.upstreams.len();
        let parts = Parts {
            writer: WriterState::new(writer),
            log,
            // Not asked: places and ids are the parent's.
            ids: Ids::new(self.epoch().clone(), source.ids, upstreams),
            ending: Ending::new(upstreams),
            membership: Membership::new(),
            origin_retry: None,
            goes_on: false,
            places: Box::default(),
            opening: Opening::open(),
            lineage: Lineage::Filtered(self.clone(), filter.clone()),
        };
        Self::of(parts, self.settings().clone(), self.metrics().clone())
    }

    /// It, as far as others are computed from it.
    pub(super) fn as_parent(&self) -> Parent<'_> {
        Parent {
            name: self.name(),
            log: self.log(),
            settings: self.settings(),
            metrics: self.metrics(),
            end: self.end(),
        }
    }

    /// Wakes the followers, and computes what is derived: something was published.
    pub(super) fn notify_all(&self) {
        self.notify_followers();
        if self.derivations.are_any() {
            self.derivations.follow(&self.as_parent());
        }
        if self.joins.are_any() {
            self.joins.all().iter().for_each(|joined| joined.take_in());
        }
    }

    /// Wakes the followers, also of what is derived: something else has changed.
    pub(super) fn notify_changed(&self) {
        self.notify_followers();
        if self.derivations.are_any() {
            self.derivations.follow_change(&self.as_parent());
        }
        if self.joins.are_any() {
            self.joins.all().iter().for_each(|joined| joined.take_in_change());
        }
    }

    /// Whether its followers are so far behind, or those of what is computed from it, that its upstreams
    /// wait for them.
    pub(super) fn outruns(&self) -> bool {
        let offered = [self.followers.offered(), self.compression.offered()];
        let offered = offered.into_iter().flatten().min();
        let exceeds = |offered| Limits::of(&self.settings().load()).are_exceeded_by(self.log(), offered);
        offered.is_some_and(exceeds)
            || self.derivations.outrun_any()
            || (self.joins.are_any() && self.joins.all().iter().any(|joined| joined.outruns()))
    }

    /// What is derived from it, by filter, each as far as it is itself.
    pub(crate) fn derived(&self) -> Vec<(Arc<Filter>, Arc<Self>)> {
        match self.derivations.are_any() {
            true => self.derivations.all(&self.as_parent()),
            false => Vec::new(),
        }
    }

    /// How many channels are derived from it.
    pub(crate) fn derived_count(&self) -> usize {
        self.derivations.count()
    }

    /// Goes on with a channel that is derived from this one, of another process: there, both had
    /// stopped at the same entry.
    pub(crate) fn take_derived(
        self: &Arc<Self>,
        filter: &Filter,
        state: &CarriedChannelState,
        log: impl Read,
    ) -> Result<Arc<Self>, CarriedLogError> {
        let (settings, metrics) = (self.settings().clone(), self.metrics().clone());
        // Those that are there are there, however many there may be now.
        let chosen = self.settings().filters().choose(filter, usize::MAX);
        let filter = chosen.unwrap_or_else(|| Arc::new(filter.clone()));
        let lineage = Lineage::Filtered(self.clone(), filter.clone());
        let channel = Self::take_as(state, log, (settings, metrics), lineage)?;
        self.derivations.take(&self.as_parent(), filter, &channel);
        Ok(channel)
    }

    /// The entry that comes next is this one of the channel that it is computed from, which is its last
    /// one or that of one of its sources.
    fn ends_with(&self, entry: &Entry) {
        let last = Tip {
            cursor: self.log().head().next(),
            position: entry.position,
            id: entry.id().clone(),
        };
        let end = self.lineage.whole().and_then(|whole| whole.end());
        let is_it = |end: Arc<End>| end.cause == Cause::Terminal && end.position == entry.position;
        match end.is_some_and(is_it) {
            true => self.ending.set(Cause::Terminal, last),
            false => self.ending.source_ends(last.cursor),
        }
    }

    pub(super) fn sweep_derived(&self, now: Instant) {
        if self.derivations.are_any() {
            self.derivations.sweep(&self.as_parent(), now);
        }
    }
}

/// Places of a derived channel.
impl Channel {
    /// The place here that is `look`'s in the parent's log.
    pub(super) fn place_by(&self, parent: &Self, look: impl Fn() -> ResumePoint) -> ResumePoint {
        for _ in 0..LOOKS_MAX {
            let place = look();
            parent.derivations.reach(&parent.as_parent(), place.next);
            let before = parent.log().position_before(place.next);
            if let Some(next) = before.and_then(|before| self.log().first_behind(before)) {
                return self.brought_forward(parent, ResumePoint { next, ..place });
            }
        }
        // It is let go faster than it is looked at.
        let next = self.log().tail();
        ResumePoint {
            next,
            id: Bytes::new(),
            gap: Some(GapReason::Evicted),
        }
    }

    /// A client for which nothing has come since is told the newest id: the one that it came with may
    /// soon be forgotten.
    fn brought_forward(&self, parent: &Self, place: ResumePoint) -> ResumePoint {
        if place.gap.is_some() || place.id.is_empty() {
            return place;
        }
        let newest = parent.derivations.standing_still(|done| {
            if place.next <= self.log().head() {
                return None;
            }
            let id = parent.place(None, StartPoint::At(done)).id;
            let back = (!id.is_empty()).then(|| parent.place_in_log(&id))?;
            (back.gap.is_none() && back.next == done).then_some(id)
        });
        match newest {
            Some(id) => ResumePoint { id, ..place },
            None => place,
        }
    }

    /// The exact id of the place behind all that there is, as far as the parent is by now: an entry here
    /// may be of long ago.
    pub(super) fn exact_id_at_head(&self, parent: &Self, next: Cursor) -> Option<Bytes> {
        parent.derivations.standing_still(|done| {
            let is_at_head = next > self.log().head();
            is_at_head.then(|| parent.exact_id_before(done)).flatten()
        })
    }

    /// Whether the id in force before an entry was reset in the parent.
    pub(super) fn is_id_reset_in(&self, parent: &Self, before: Cursor) -> bool {
        let position = self.log().position_before(before);
        let cursor = position.and_then(|position| parent.log().cursor_of(position));
        cursor.is_some_and(|cursor| parent.is_id_reset_before(cursor.next()))
    }
}

impl Derived for Channel {
    fn append(&self, entry: &Entry, frame: Bytes, kind: Kind) {
        let mut writer_state = self.writer_state();
        if kind == Kind::Terminal {
            // Before the event: a shard that sees it has to see what it is.
            self.ends_with(entry);
        }
        let draft = Draft {
            frame,
            id: entry.id().clone(),
            // Looked for in the parent's log.
            indexed: false,
            kind,
            received: entry.received(),
            moves: Moves::Nothing,
        };
        writer_state.append_at(entry.position, draft);
    }

    fn append_gap(&self, behind: Position, frame: Bytes) {
        let draft = Draft {
            frame,
            id: self.log().tip().id,
            indexed: false,
            kind: Kind::Gap,
            received: Instant::now(),
            moves: Moves::Nothing,
        };
        self.writer_state().append_at(behind, draft);
    }

    fn follow_end(&self, end: Option<&End>) {
        let _writer_state = self.writer_state();
        match end {
            Some(end) => {
                let last = Tip {
                    cursor: self.log().head(),
                    position: end.position,
                    id: end.id.clone(),
                };
                self.ending.set_at(end.cause, last, end.at);
            }
            None => self.ending.take_back(),
        }
    }

    fn published(&self) {
        self.notify_all();
    }

    fn changed(&self) {
        self.notify_changed();
    }

    fn idle_since(&self) -> Option<Instant> {
        Channel::idle_since(self)
    }

    fn outruns(&self) -> bool {
        Channel::outruns(self)
    }

    fn trim(&self, oldest: Option<Position>, now: Instant) {
        self.sweep_derived(now);
        let limits = self.settings().load().log.limits();
        let mut writer_state = self.writer_state();
        writer_state.trim(limits, now);
        if let Some(oldest) = oldest {
            writer_state.trim_up_to(oldest);
        }
    }
}

#[cfg(test)]
#[path = "derived_tests.rs"]
mod tests;
