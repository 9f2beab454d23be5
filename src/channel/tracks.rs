//! Which entries of a joined channel's log are which of its sources'.
//!
//! A place in all the sources is, in general, no place in the joined log: there, the sources' events
//! stand in one of the many orders that they can have. So a client goes on where all that it has had
//! is behind it, and gets what else is behind it alone.

use crate::log::Cursor;
use std::collections::VecDeque;
use std::ops::Range;

/// Of each source, which of its entries the log holds, and how far it has been taken in.
pub(super) struct Tracks(Box<[Track]>);

struct Track {
    /// The source's first entry that has not been taken in.
    done: Cursor,
    /// Entries of the source, and where each is in the joined log. Both grow.
    kept: VecDeque<(Cursor, Cursor)>,
}

/// Where a client goes on.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Going {
    /// With this entry of the joined log.
    pub(super) next: Cursor,
    /// Of each source, the entries that stand before that one and are still for it.
    pub(super) missing: Box<[Range<Cursor>]>,
}

impl Tracks {
    /// Nothing has been taken in before these entries.
    pub(super) fn new(from: impl IntoIterator<Item = Cursor>) -> Self {
        let track = |done| Track {
            done,
            kept: VecDeque::new(),
        };
        Self(from.into_iter().map(track).collect())
    }

    /// The first entry of a source that has not been taken in.
    pub(super) fn done(&self, source: usize) -> Cursor {
        self.0[source].done
    }

    /// A source's next entry stands here in the joined log; `None`: nothing of it does.
    pub(super) fn take(&mut self, source: usize, entry: Cursor, at: Option<Cursor>) {
        let track = &mut self.0[source];
        debug_assert!(entry >= track.done);
        track.kept.extend(at.map(|at| (entry, at)));
        track.done = entry.next();
    }

    /// What came before this entry of a source can't be taken in any more. The joined log tells it
    /// here; `None`: it does not.
    pub(super) fn pass_over(&mut self, source: usize, to: Cursor, told: Option<Cursor>) {
        if to > self.done(source) {
            self.take(source, to.before(), told);
        }
    }

    /// The first entry of each source that does not stand before `next`.
    pub(super) fn places_at(&self, next: Cursor) -> Vec<Cursor> {
        self.0.iter().map(|track| track.place_at(next)).collect()
    }

    /// How many of the joined log's entries are of each source.
    pub(super) fn count_between(&self, from: Cursor, to: Cursor) -> Vec<u64> {
        let count = |track: &Track| {
            let before = |cursor| track.kept.partition_point(|(_, at)| *at < cursor) as u64;
            before(to).saturating_sub(before(from))
        };
        self.0.iter().map(count).collect()
    }

    /// The same of these ones, which stand in order.
    pub(super) fn count(&self, entries: &[Cursor]) -> Vec<u64> {
        let Some(first) = entries.first() else {
            return vec![0; self.0.len()];
        };
        let count = |track: &Track| {
            let from = track.kept.partition_point(|(_, at)| at < first);
            let mut kept = track.kept.iter().skip(from).map(|(_, at)| at).peekable();
            let is_here = |entry: &&Cursor| {
                while kept.next_if(|at| at < entry).is_some() {}
                kept.peek() == Some(entry)
            };
            entries.iter().filter(is_here).count() as u64
        };
        self.0.iter().map(count).collect()
    }

    /// Where a client goes on that has had of each source what comes before these entries: as early as
    /// nothing comes twice, and not before `tail`.
    pub(super) fn going_on(&self, places: &[Cursor], tail: Cursor) -> Going {
        let behind = self.0.iter().zip(places).map(|(track, place)| track.behind(*place));
        let next = behind.fold(tail, Cursor::max);
        let missing = self.0.iter().zip(places);
        Going {
            next,
            missing: missing.map(|(track, place)| *place..track.place_at(next)).collect(),
        }
    }

    /// The same where some of it may come twice: with the first entry that it has not had, or `tail`.
    pub(super) fn repeating(&self, places: &[Cursor], head: Cursor, tail: Cursor) -> Going {
        let first = self
            .0
            .iter()
            .zip(places)
            .filter_map(|(track, place)| track.first_from(*place));
        let next = first.fold(head.next(), Cursor::min).max(tail);
        let missing = self.0.iter().zip(places);
        Going {
            next,
            missing: missing.map(|(track, place)| *place..track.place_at(next)).collect(),
        }
    }

    /// What stands before `tail` is there no more.
    pub(super) fn let_go(&mut self, tail: Cursor) {
        for track in &mut self.0 {
            let gone = track.kept.partition_point(|(_, at)| *at < tail);
            track.kept.drain(..gone);
        }
    }

    /// The first entry of the joined log that is still held by its source. `tails`: of the sources'
    /// logs. `None`: none is.
    pub(super) fn first_held(&self, tails: &[Cursor]) -> Option<Cursor> {
        let first = self
            .0
            .iter()
            .zip(tails)
            .filter_map(|(track, tail)| track.first_from(*tail));
        first.min()
    }
}

impl Track {
    fn place_at(&self, next: Cursor) -> Cursor {
        let at = self.kept.partition_point(|(_, at)| *at < next);
        self.kept.get(at).map_or(self.done, |(entry, _)| *entry)
    }

    /// The place in the joined log behind all entries before `place`.
    fn behind(&self, place: Cursor) -> Cursor {
        let before = self.kept.partition_point(|(entry, _)| *entry < place);
        match before.checked_sub(1).and_then(|last| self.kept.get(last)) {
            Some((_, at)) => at.next(),
            None => Cursor::START,
        }
    }

    /// Where the first entry from `place` on is in the joined log.
    fn first_from(&self, place: Cursor) -> Option<Cursor> {
        let before = self.kept.partition_point(|(entry, _)| *entry < place);
        self.kept.get(before).map(|(_, at)| *at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two sources, whose entries stand in this order.
    fn tracks(order: &str) -> Tracks {
        let mut tracks = Tracks::new([Cursor::FIRST; 2]);
        for (n, source) in order.bytes().enumerate() {
            let source = usize::from(source - b'a');
            tracks.take(source, tracks.done(source), Some(Cursor::nth(n as u64 + 1)));
        }
        tracks
    }

    /// The next entry, and what is missing of each source.
    fn going(tracks: &Tracks, places: [u64; 2], tail: u64) -> (u64, [(u64, u64); 2]) {
        let Going { next, missing } = tracks.going_on(&places.map(Cursor::nth), Cursor::nth(tail));
        (
            next.get(),
            [0, 1].map(|n| (missing[n].start.get(), missing[n].end.get())),
        )
    }

    #[test]
    fn a_place_in_the_logs_order_is_one_in_the_log() {
        let tracks = tracks("abbaab");
        for (places, next) in [
            ([1, 1], 1),
            ([2, 1], 2),
            ([2, 2], 3),
            ([2, 3], 4),
            ([3, 3], 5),
            ([4, 4], 7),
        ] {
            let (found, missing) = going(&tracks, places, 1);
            assert_eq!(found, next, "{places:?}");
            assert!(missing.iter().all(|(from, to)| from >= to), "{places:?}");
        }
    }

    #[test]
    fn what_is_behind_it_and_was_not_had_is_the_clients_alone() {
        let tracks = tracks("abbaab");
        // All of `b` came before any of `a` where it was.
        assert_eq!(going(&tracks, [1, 4], 1), (7, [(1, 4), (4, 4)]));
        assert_eq!(going(&tracks, [4, 1], 1), (6, [(4, 4), (1, 3)]));
        // Entries that this log has let go come from the sources' own.
        assert_eq!(going(&tracks, [1, 1], 4), (4, [(1, 2), (1, 3)]));
    }

    #[test]
    fn what_is_repeated_begins_with_the_first_that_was_not_had() {
        let tracks = tracks("abbaab");
        let going = tracks.repeating(&[Cursor::nth(1), Cursor::nth(4)], Cursor::nth(6), Cursor::FIRST);
        assert_eq!(going.next, Cursor::FIRST);
        let going = tracks.repeating(&[Cursor::nth(4), Cursor::nth(4)], Cursor::nth(6), Cursor::FIRST);
        assert_eq!(going.next, Cursor::nth(7));
    }

    #[test]
    fn each_entry_is_of_one_source() {
        let tracks = tracks("abbaab");
        let count = |from, to| tracks.count_between(Cursor::nth(from), Cursor::nth(to));
        assert_eq!(count(1, 7), [3, 3]);
        assert_eq!(count(2, 4), [0, 2]);
        assert_eq!(count(4, 4), [0, 0]);
        let of = |entries: &[u64]| {
            let entries: Vec<Cursor> = entries.iter().copied().map(Cursor::nth).collect();
            tracks.count(&entries)
        };
        assert_eq!(of(&[]), [0, 0]);
        assert_eq!(of(&[2, 3, 6]), [0, 3]);
        assert_eq!(of(&[1, 5, 6, 9]), [2, 1]);
    }

    #[test]
    fn what_could_not_be_taken_in_is_told_at_one_place() {
        let mut tracks = Tracks::new([Cursor::FIRST; 2]);
        tracks.pass_over(0, Cursor::nth(5), Some(Cursor::nth(1)));
        tracks.take(0, Cursor::nth(5), Some(Cursor::nth(2)));
        assert_eq!(tracks.count_between(Cursor::nth(1), Cursor::nth(3)), [2, 0]);
        // A client that has had all of it needs not be told.
        assert_eq!(going(&tracks, [5, 1], 1), (2, [(5, 5), (1, 1)]));
    }

    #[test]
    fn what_is_let_go_is_forgotten() {
        let mut tracks = tracks("abbaab");
        assert_eq!(
            tracks.first_held(&[Cursor::nth(2), Cursor::nth(4)]),
            Some(Cursor::nth(4))
        );
        assert_eq!(tracks.first_held(&[Cursor::nth(4), Cursor::nth(4)]), None);
        tracks.let_go(Cursor::nth(7));
        assert_eq!(tracks.places_at(Cursor::FIRST), [Cursor::nth(4); 2]);
    }
}
