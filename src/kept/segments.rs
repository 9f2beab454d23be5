//! The files of a channel's log: which events are in which, and what may go.

use std::collections::VecDeque;

/// Digits of a name: any number, and names sort as numbers do.
const DIGITS: usize = 20;
const SUFFIX: &str = ".events";

/// A file that is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Segment {
    /// By which it is named. Grows from one to the next.
    pub(super) sequence: u64,
    /// The position of its last event; if it has none, of the last one before it.
    pub(super) newest: u64,
    pub(super) events: u64,
    /// What of it is whole.
    pub(super) bytes: u64,
}

/// The name of a file.
pub(super) fn segment_name(sequence: u64) -> String {
    format!("{sequence:0DIGITS$}{SUFFIX}")
}

/// The number of the file with this name. `None`: it is another file.
pub(super) fn sequence_of(name: &str) -> Option<u64> {
    let digits = name.strip_suffix(SUFFIX)?;
    (digits.len() == DIGITS && digits.bytes().all(|byte| byte.is_ascii_digit())).then(|| digits.parse().ok())?
}

/// Takes out those that hold nothing which is still kept. The last event that the log has let go
/// stays: a client that stands right behind it has missed nothing.
pub(super) fn outlived(segments: &mut VecDeque<Segment>, last_evicted: u64) -> Vec<Segment> {
    let mut gone = Vec::new();
    while segments.len() > 1 && segments[0].newest < last_evicted {
        gone.extend(segments.pop_front());
    }
    gone
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_numbers() {
        assert_eq!(sequence_of(&segment_name(7)), Some(7));
        assert_eq!(sequence_of(&segment_name(u64::MAX)), Some(u64::MAX));
        for name in ["7.events", "numbers", "0000000000000000000x.events", &"9".repeat(20)] {
            assert_eq!(sequence_of(name), None, "{name}");
        }
        assert_eq!(sequence_of("99999999999999999999.events"), None);
    }

    #[test]
    fn what_is_kept_stays_and_one_before_it() {
        let segment = |sequence, newest| Segment {
            sequence,
            newest,
            events: 1,
            bytes: 1,
        };
        let all = [segment(1, 10), segment(2, 20), segment(3, 30)];
        for (last_evicted, left) in [(0, 3), (10, 3), (11, 2), (20, 2), (21, 1), (99, 1)] {
            let mut segments = VecDeque::from(all.clone());
            let gone = outlived(&mut segments, last_evicted);
            assert_eq!((segments.len(), gone.len()), (left, 3 - left), "{last_evicted}");
        }
    }
}
