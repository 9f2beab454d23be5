//! Where a client starts that says so itself.

use super::entry::Kind;
use super::position::{Cursor, Position};
use super::resume::StartPoint;
use super::ring::{Log, Read};
use crate::config::Start;
use std::time::{Duration, Instant};

/// Where a client without a last event ID wants to start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WantedStart {
    /// As a source's `start` may say.
    As(Start),
    /// With the last of so many events.
    Last(u64),
    /// With the first that came within this time.
    Since(Duration),
}

impl Log {
    /// Where such a client that comes now is to start. One that wants more than there is gets all
    /// that there is, after a gap.
    pub fn start_wanted(&self, wanted: WantedStart, now: Instant) -> StartPoint {
        match wanted {
            WantedStart::As(start) => self.start(start),
            WantedStart::Last(events) => self.last(events),
            WantedStart::Since(age) => self.since(age, now),
        }
    }

    /// Costs a look at each entry that the client gets.
    fn last(&self, events: u64) -> StartPoint {
        let end = self.head().next();
        let (mut found, mut first) = (0, end);
        for cursor in self.tail().up_to(end).rev() {
            if found == events {
                break;
            }
            let Read::Entry(entry) = self.read(cursor) else { break };
            if matches!(entry.kind(), Kind::Event | Kind::Terminal) {
                (found, first) = (found + 1, cursor);
            }
        }
        match found == events {
            true => StartPoint::At(first),
            false => self.all_there_is(),
        }
    }

    /// Entries came in the order of the log, but for moments between merged upstreams.
    fn since(&self, age: Duration, now: Instant) -> StartPoint {
        let is_within = |received: Instant| now.saturating_duration_since(received) <= age;
        let (tail, end) = (self.tail(), self.head().next());
        let (mut low, mut high) = (tail, end);
        while low < high {
            let middle = low + high.since(low) / 2;
            match self.read(middle) {
                Read::Entry(entry) if is_within(entry.received()) => high = middle,
                // What was let go meanwhile is older.
                _ => low = middle.next(),
            }
        }
        // Of what was let go before, the newest says whether any of it was asked for.
        let is_all = low == tail && self.last_evicted().received.is_none_or(is_within);
        match is_all {
            true => self.all_there_is(),
            false => StartPoint::At(low),
        }
    }

    /// With the oldest entry, where what came before it is wanted too.
    fn all_there_is(&self) -> StartPoint {
        match self.holds_all() {
            true => StartPoint::At(Cursor::FIRST),
            false => StartPoint::OldestOfMore,
        }
    }

    /// Whether nothing has been let go of all that there was.
    pub(crate) fn holds_all(&self) -> bool {
        self.tail() == Cursor::FIRST && self.shared.start == Position::START
    }
}

#[cfg(all(test, not(fanfare_loom)))]
mod tests {
    use super::*;
    use crate::config::LogLimits;
    use crate::log::{Draft, Moves, Writer, frame};
    use bytes::Bytes;
    use proptest::prelude::*;

    const LIMITS: LogLimits = LogLimits {
        events: 8,
        bytes: 1 << 20,
        age: Duration::from_secs(600),
    };

    /// A log whose `n`th entry came `n` seconds after `began`.
    fn log(began: Instant, kinds: &[Kind]) -> (Writer, Log) {
        let (mut writer, log) = Log::new(LIMITS);
        for (n, kind) in kinds.iter().enumerate() {
            writer.append(Draft {
                frame: frame(&[b"data: x\n\n"]),
                id: Bytes::new(),
                indexed: false,
                kind: *kind,
                received: began + Duration::from_secs(n as u64 + 1),
                moves: Moves::Nothing,
            });
        }
        (writer, log)
    }

    #[test]
    fn more_than_there_is_is_a_gap_only_where_there_was_more() {
        let began = Instant::now();
        for (entries, events, expected) in [
            (0, 3, StartPoint::At(Cursor::FIRST)),
            (3, 5, StartPoint::At(Cursor::FIRST)),
            (3, 3, StartPoint::At(Cursor::FIRST)),
            (3, 1, StartPoint::At(Cursor::nth(3))),
            (3, 0, StartPoint::At(Cursor::nth(4))),
            (8, 9, StartPoint::At(Cursor::FIRST)),
            (9, 8, StartPoint::At(Cursor::nth(2))),
            (9, 9, StartPoint::OldestOfMore),
            (9, u64::MAX, StartPoint::OldestOfMore),
        ] {
            let (_writer, log) = log(began, &vec![Kind::Event; entries]);
            let start = log.start_wanted(WantedStart::Last(events), began);
            assert_eq!(start, expected, "the last {events} of {entries}");
        }
    }

    #[test]
    fn only_what_was_let_go_within_the_time_is_missing() {
        let began = Instant::now();
        let (mut writer, log) = log(began, &[Kind::Event; 4]);
        let ago = |seconds, now| log.start_wanted(WantedStart::Since(Duration::from_secs(seconds)), now);
        let now = began + Duration::from_secs(10);
        assert_eq!(ago(9, now), StartPoint::At(Cursor::FIRST));
        assert_eq!(ago(8, now), StartPoint::At(Cursor::nth(2)));
        assert_eq!(ago(5, now), StartPoint::At(Cursor::nth(5)));
        // The first two are too old by then, the others are not.
        let now = began + Duration::from_millis(602_500);
        writer.trim(now);
        assert_eq!(ago(599, now), StartPoint::At(Cursor::nth(4)));
        assert_eq!(ago(600, now), StartPoint::At(Cursor::nth(3)));
        assert_eq!(ago(601, now), StartPoint::OldestOfMore);
        writer.trim(began + Duration::from_secs(2000));
        let now = began + Duration::from_secs(2000);
        assert_eq!(ago(1990, now), StartPoint::At(Cursor::nth(5)), "quiet for so long");
        assert_eq!(ago(1996, now), StartPoint::OldestOfMore);
    }

    proptest! {
        /// Whatever else stands between the events.
        #[test]
        fn the_last_events_are_counted(kinds in prop::collection::vec(prop_oneof![
            3 => Just(Kind::Event), 1 => Just(Kind::NonEvent), 1 => Just(Kind::Gap),
        ], 0..20), wanted in 0_u64..12) {
            let (_writer, log) = log(Instant::now(), &kinds);
            let kept = kinds.len().saturating_sub(LIMITS.events)..kinds.len();
            let events: Vec<u64> = kept.clone().filter(|n| kinds[*n] == Kind::Event).map(|n| n as u64 + 1).collect();
            let expected = match events.len().checked_sub(wanted as usize) {
                Some(n) => StartPoint::At(events.get(n).map_or(Cursor::nth(kinds.len() as u64 + 1), |n| Cursor::nth(*n))),
                None if kept.start == 0 => StartPoint::At(Cursor::FIRST),
                None => StartPoint::OldestOfMore,
            };
            prop_assert_eq!(log.start_wanted(WantedStart::Last(wanted), Instant::now()), expected);
        }
    }
}
