//! What one client has got: next sequence number, loss, doubles, disorder.

use serde::{Deserialize, Serialize};

/// Sums over clients.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Counts {
    /// Events with a stamp, doubles included.
    pub delivered: u64,
    /// Events that never came, outside announced gaps; of repeats, the runs of which none came.
    pub lost: u64,
    /// Events that came again.
    pub doubled: u64,
    /// Events that came after a later one.
    pub disordered: u64,
    /// Events of another stream than the client's.
    pub strayed: u64,
    /// Gap events.
    pub gaps: u64,
    /// Events that a gap event announced as missing.
    pub gap_lost: u64,
    /// Events that came again behind a gap event.
    pub gap_repeated: u64,
    /// Events that were given out incomplete.
    pub torn: u64,
    /// Events whose id is not above the one before.
    pub wrong_ids: u64,
    /// Events without a stamp: nothing is known of what is lost or doubled among them.
    pub other: u64,
}

impl Counts {
    /// Adds another sum.
    pub fn add(&mut self, other: &Counts) {
        self.delivered += other.delivered;
        self.lost += other.lost;
        self.doubled += other.doubled;
        self.disordered += other.disordered;
        self.strayed += other.strayed;
        self.gaps += other.gaps;
        self.gap_lost += other.gap_lost;
        self.gap_repeated += other.gap_repeated;
        self.torn += other.torn;
        self.wrong_ids += other.wrong_ids;
        self.other += other.other;
    }
}

/// One client's place in its stream.
///
/// The last hole is remembered, so that an event that comes late is disorder and not a double.
/// `hole < hole_end <= next`.
///
/// Where a server delivers identical events once on purpose, they come in runs of `repeats`: 1 to
/// `repeats` is the first run. Any event of a run stands for all of it, and still none may come
/// twice or late.
#[derive(Debug, Clone, Copy)]
pub struct Tally {
    /// The sequence number that comes next; 0: any may be the first.
    next: u64,
    hole: u64,
    hole_end: u64,
    channel: Option<u32>,
    /// At least 1.
    repeats: u32,
    gap: bool,
}

impl Default for Tally {
    /// Every event counts for itself.
    fn default() -> Self {
        Self::of_repeats(1)
    }
}

impl Tally {
    /// Of events that come in runs of identical ones.
    pub fn of_repeats(repeats: u32) -> Self {
        Self {
            next: 0,
            hole: 0,
            hole_end: 0,
            channel: None,
            repeats: repeats.max(1),
            gap: false,
        }
    }

    /// Nothing is known of what comes next, and from which stream.
    pub fn forget(&mut self) {
        *self = Self::of_repeats(self.repeats);
    }

    /// The sequence number that comes next; 0: not known.
    pub fn next(&self) -> u64 {
        self.next
    }

    /// From now on `seq` is what must come next.
    pub fn expect(&mut self, seq: u64) {
        *self = Tally {
            next: seq,
            channel: self.channel,
            ..Self::of_repeats(self.repeats)
        };
    }

    /// A gap event came: the next event may stand anywhere.
    pub fn gap(&mut self, counts: &mut Counts) {
        counts.gaps += 1;
        self.gap = true;
    }

    /// An event came.
    pub fn event(&mut self, seq: u64, channel: Option<u32>, counts: &mut Counts) {
        counts.delivered += 1;
        if self.channel.is_none() {
            self.channel = channel;
        }
        if self.channel != channel {
            counts.strayed += 1;
            return;
        }
        let gap = std::mem::take(&mut self.gap);
        if self.next == 0 || seq == self.next {
            self.next = seq + 1;
        } else if seq > self.next {
            let missing = self.missing(seq).saturating_sub(1);
            if gap {
                counts.gap_lost += missing;
            } else if missing > 0 {
                counts.lost += missing;
                (self.hole, self.hole_end) = (self.next, seq);
            }
            self.next = seq + 1;
        } else if gap {
            counts.gap_repeated += self.next - seq;
            self.next = seq + 1;
        } else if (self.hole..self.hole_end).contains(&seq) {
            counts.disordered += 1;
            counts.lost = counts.lost.saturating_sub(1);
            self.hole = seq + 1;
        } else {
            counts.doubled += 1;
        }
    }

    /// Events missing up to `last`, the last one that was sent; of repeats, the runs of which none
    /// came.
    pub fn missing(&self, last: u64) -> u64 {
        let runs = |upto: u64| upto.div_ceil(u64::from(self.repeats));
        runs(last).saturating_sub(runs(self.next.saturating_sub(1)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(first: u64, events: &[u64]) -> (Counts, Tally) {
        let (mut counts, mut tally) = (Counts::default(), Tally::default());
        tally.expect(first);
        for seq in events {
            tally.event(*seq, None, &mut counts);
        }
        (counts, tally)
    }

    #[test]
    fn every_event_once_in_order_is_nothing_to_report() {
        let (counts, tally) = counts(0, &[7, 8, 9]);
        assert_eq!(
            counts,
            Counts {
                delivered: 3,
                ..Counts::default()
            }
        );
        assert_eq!(tally.missing(11), 2);
    }

    #[test]
    fn loss_doubles_and_disorder_are_told_apart() {
        assert_eq!(
            counts(1, &[2, 3]).0,
            Counts {
                delivered: 2,
                lost: 1,
                ..Counts::default()
            }
        );
        assert_eq!(
            counts(1, &[1, 2, 2, 3]).0,
            Counts {
                delivered: 4,
                doubled: 1,
                ..Counts::default()
            }
        );
        assert_eq!(
            counts(1, &[1, 3, 2, 4]).0,
            Counts {
                delivered: 4,
                disordered: 1,
                ..Counts::default()
            }
        );
    }

    #[test]
    fn a_gap_event_covers_what_is_missing_or_repeated_behind_it() {
        let (mut counts, mut tally) = counts(1, &[1, 2]);
        tally.gap(&mut counts);
        tally.event(10, None, &mut counts);
        tally.gap(&mut counts);
        tally.event(4, None, &mut counts);
        tally.event(5, None, &mut counts);
        assert_eq!(
            counts,
            Counts {
                delivered: 5,
                gaps: 2,
                gap_lost: 7,
                gap_repeated: 7,
                ..Counts::default()
            }
        );
    }

    #[test]
    fn one_of_a_run_of_repeats_stands_for_all() {
        let counts = |events: &[u64]| {
            let (mut counts, mut tally) = (Counts::default(), Tally::of_repeats(10));
            tally.expect(1);
            events.iter().for_each(|seq| tally.event(*seq, None, &mut counts));
            (counts.lost, counts.doubled, tally.missing(40))
        };
        assert_eq!(counts(&[1, 11, 21, 31]), (0, 0, 0));
        assert_eq!(counts(&[10, 11, 15, 30, 38]), (0, 0, 0));
        assert_eq!(counts(&[3, 31]), (2, 0, 0));
        assert_eq!(counts(&[11, 21]), (1, 0, 1));
        assert_eq!(counts(&[1, 1, 11]), (0, 1, 2));
    }

    #[test]
    fn an_event_of_another_stream_is_noticed() {
        let (mut counts, mut tally) = (Counts::default(), Tally::default());
        tally.event(1, Some(3), &mut counts);
        tally.event(2, Some(4), &mut counts);
        assert_eq!(counts.strayed, 1);
    }
}
