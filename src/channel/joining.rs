//! A channel that is put together from several: how it is made, and takes in what they publish.
//!
//! Whichever thread publishes takes in all that there is, in the order in which it was received, right
//! after its own channel's followers were notified. So an event is put together once, for all clients
//! of the joined channel.

use super::blocks::gap_blocks;
use super::channel::{Channel, Parts};
use super::end::{Cause, Ending};
use super::ids::Ids;
use super::join::{Join, JoinState, JoinedSource};
use super::joined_block::joined_block;
use super::joined_id::part;
use super::lineage::Lineage;
use super::long_ids::LongIds;
use super::membership::Membership;
use super::opening::Opening;
use super::settings::Settings;
use super::tracks::Tracks;
use super::writer_state::WriterState;
use crate::config;
use crate::log::{Cursor, Draft, Entry, Epoch, Kind, Log, Moves, Position, Read, frame};
use crate::metrics::{GapReason, SourceMetrics};
use bytes::Bytes;
use std::sync::Arc;
use std::time::Instant;

/// The first entry that comes from a source: before it there is only the place where the log begins.
const AFTER_FIRST_PLACE: Cursor = Cursor::nth(2);

/// What taking in has changed.
#[derive(Default)]
struct Taken {
    is_news: bool,
    is_change: bool,
}

impl Channel {
    /// A channel that is put together from these, which stand in the order of their sources' names.
    /// It holds what they hold.
    pub fn joining(
        sources: Vec<(Box<str>, Arc<Self>)>,
        prefix_events: bool,
        (settings, metrics): (Settings, Arc<SourceMetrics>),
        long_ids: Arc<LongIds>,
    ) -> Arc<Self> {
        let begin = |(name, channel): (Box<str>, Arc<Self>)| {
            let (from, place) = channel.oldest_place();
            let part = part(&name, &place);
            (JoinedSource { name, channel }, (from, part))
        };
        let holds_all = sources.iter().all(|(_, channel)| channel.log().holds_all());
        let (sources, places): (Vec<_>, Vec<_>) = sources.into_iter().map(begin).unzip();
        let (from, parts): (Vec<Cursor>, Vec<String>) = places.into_iter().unzip();
        // What the sources have let go is missing here, too, for a client that asks for it.
        let start = if holds_all {
            Position::START
        } else {
            Position::START.next()
        };
        let (writer, log) = Log::continuing(start, settings.load().log.limits());
        let state = JoinState {
            tracks: Tracks::new(from),
            parts,
            told: Bytes::new(),
        };
        let join = Join::new(sources.into(), prefix_events, long_ids, state);
        let parts = Parts {
            writer: WriterState::new(writer),
            log,
            // Clients come back with ids that were put together here.
            ids: Ids::new(Epoch::new(), config::Ids::Pass, 1),
            ending: Ending::new(1),
            membership: Membership::new(),
            origin_retry: None,
            goes_on: false,
            places: Box::default(),
            lineage: Lineage::Joined(Box::new(join)),
            // Its sources' logs are.
            opening: Opening::open(),
        };
        let channel = Self::of(parts, settings, metrics);
        channel.begin_join();
        channel
    }

    fn begin_join(self: &Arc<Self>) {
        let Some(join) = self.lineage.join() else { return };
        self.tell_first_place(join);
        // Most of it while the sources publish without it.
        self.take_in();
        join.channels().for_each(|parent| parent.joins.add(self));
        self.take_in();
    }

    /// The first entry: a client that starts before any event knows where that is.
    fn tell_first_place(&self, join: &Join<Self>) {
        let mut state = join.state();
        let id = join.id(&state.parts);
        let oldest = join
            .channels()
            .filter_map(|parent| match parent.log().read(parent.log().tail()) {
                Read::Entry(entry) => Some(entry.received()),
                Read::NotYet | Read::Gone => None,
            });
        let received = oldest.min().unwrap_or_else(Instant::now);
        self.append_joined(
            &mut state,
            Kind::NonEvent,
            frame(&[b"id: ", &id, b"\n\n"]),
            Some(id),
            received,
        );
    }

    /// Takes in what the sources have published, and wakes the followers if that was anything.
    pub(super) fn take_in(&self) {
        let taken = self.take_in_quietly();
        if taken.is_change {
            self.notify_changed();
        } else if taken.is_news {
            self.notify_all();
        }
    }

    /// The same where something else has changed at a source.
    pub(super) fn take_in_change(&self) {
        self.take_in_quietly();
        self.notify_changed();
    }

    fn take_in_quietly(&self) -> Taken {
        match self.lineage.join() {
            Some(join) => self.take_in_under(join, &mut join.state()),
            None => Taken::default(),
        }
    }

    /// Takes in up to the sources' heads, and calls `look` with how far that is: what sources have let
    /// go or published since is not known there.
    pub(super) fn taken_in<T>(&self, join: &Join<Self>, look: impl FnOnce(&JoinState) -> T) -> T {
        let mut state = join.state();
        let taken = self.take_in_under(join, &mut state);
        let found = look(&state);
        drop(state);
        if taken.is_change {
            self.notify_changed();
        } else if taken.is_news {
            self.notify_all();
        }
        found
    }

    fn take_in_under(&self, join: &Join<Self>, state: &mut JoinState) -> Taken {
        let before = self.log().head();
        let heads: Vec<Cursor> = join.channels().map(|parent| parent.log().head()).collect();
        let mut next: Vec<Option<Arc<Entry>>> = Vec::with_capacity(heads.len());
        for (n, head) in heads.iter().enumerate() {
            next.push(self.next_of(join, state, n, *head));
        }
        let oldest = |next: &[Option<Arc<Entry>>]| {
            let all = next.iter().enumerate();
            all.filter_map(|(n, entry)| Some((entry.as_ref()?.received(), n))).min()
        };
        while let Some((_, n)) = oldest(&next) {
            if let Some(entry) = next[n].take() {
                self.put_in(join, state, n, &entry);
            }
            next[n] = self.next_of(join, state, n, heads[n]);
        }
        state.tracks.let_go(self.log().tail());
        Taken {
            is_change: self.follow_ends(join, state),
            is_news: self.log().head() != before,
        }
    }

    /// A source's next entry that has not been taken in.
    fn next_of(&self, join: &Join<Self>, state: &mut JoinState, n: usize, head: Cursor) -> Option<Arc<Entry>> {
        let log = join.sources[n].channel.log();
        loop {
            let done = state.tracks.done(n);
            if done > head {
                return None;
            }
            match log.read(done) {
                Read::Entry(entry) => return Some(entry),
                Read::NotYet => return None,
                Read::Gone => self.lapsed(join, state, n),
            }
        }
    }

    fn put_in(&self, join: &Join<Self>, state: &mut JoinState, n: usize, entry: &Entry) {
        let JoinedSource { name, channel } = &join.sources[n];
        state.parts[n] = part(name, &channel.place_id_of(entry));
        let id = join.id(&state.parts);
        let prefix = join.prefix_events.then_some(&**name);
        let block = joined_block(entry, &id, prefix);
        let at = block.map(|block| {
            if entry.kind() == Kind::Terminal {
                self.source_ends_with_next(join, state, n, &id);
            }
            let told = block.has_id.then_some(id);
            self.append_joined(state, entry.kind(), block.frame, told, entry.received())
        });
        state.tracks.take(n, entry.cursor, at);
    }

    /// The entry that comes next is the last event of a source: the last of all only where the others
    /// have ended before. To be called before it is there: a shard that sees it has to see what it is.
    fn source_ends_with_next(&self, join: &Join<Self>, state: &JoinState, n: usize, id: &Bytes) {
        let mut others = join.channels().enumerate().filter(|(other, _)| *other != n);
        let is_over = |(other, parent): (usize, &Arc<Self>)| {
            let end = parent.end().filter(|end| end.cause == Cause::Terminal);
            end.is_some_and(|end| end.last < state.tracks.done(other))
        };
        let is_last = others.all(is_over);
        let writer_state = self.writer_state();
        let next = writer_state.next_tip(id.clone());
        match is_last {
            true => self.ending.set(Cause::Terminal, next),
            false => self.ending.source_ends(next.cursor),
        }
    }

    /// `told`: the id that it carries.
    fn append_joined(
        &self,
        state: &mut JoinState,
        kind: Kind,
        frame: Bytes,
        told: Option<Bytes>,
        received: Instant,
    ) -> Cursor {
        if let Some(told) = told {
            state.told = told;
        }
        self.writer_state().append_draft(Draft {
            frame,
            id: state.told.clone(),
            indexed: true,
            kind,
            received,
            moves: Moves::Nothing,
        })
    }

    /// A source has let go of what was not taken in.
    fn lapsed(&self, join: &Join<Self>, state: &mut JoinState, n: usize) {
        let JoinedSource { name, channel } = &join.sources[n];
        let (oldest, place) = channel.oldest_place();
        state.parts[n] = part(name, &place);
        self.metrics().gaps[GapReason::Evicted.index()].increment(1);
        let settings = self.settings().load();
        let blocks = gap_blocks(settings.gap_event.as_deref(), GapReason::Evicted, name, None, false);
        let told = !blocks.is_empty();
        let told =
            told.then(|| self.append_joined(state, Kind::Gap, frame(&[blocks.as_bytes()]), None, Instant::now()));
        state.tracks.pass_over(n, oldest, told);
    }

    /// It ends when all its sources have, and goes on when one of them does. Whether that has changed.
    fn follow_ends(&self, join: &Join<Self>, state: &JoinState) -> bool {
        let mut parents = join.channels().enumerate();
        let all_over = parents.all(|(n, parent)| parent.end().is_some_and(|end| end.last < state.tracks.done(n)));
        if all_over == self.ending.is_over() || self.has_terminated() {
            return false;
        }
        let _writer_state = self.writer_state();
        match all_over {
            true => self.ending.set(Cause::Origin, self.log().tip()),
            false => self.ending.take_back(),
        }
        true
    }

    /// Lets go of what its sources have let go. To be called about once a second.
    pub(super) fn trim_joined(&self) {
        let Some(join) = self.lineage.join() else { return };
        let mut state = join.state();
        let tails: Vec<Cursor> = join.channels().map(|parent| parent.log().tail()).collect();
        let held = state
            .tracks
            .first_held(&tails)
            .unwrap_or_else(|| self.log().head().next());
        if held <= AFTER_FIRST_PLACE {
            // The log is still whole.
            return;
        }
        if let Some(before) = self.log().position_before(held) {
            self.writer_state().trim_up_to(before);
        }
        state.tracks.let_go(self.log().tail());
    }
}
