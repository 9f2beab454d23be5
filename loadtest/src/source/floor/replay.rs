//! The floor's record: the last events, for clients that come back.

use crate::source::stream::Framed;
use bytes::Bytes;
use std::collections::VecDeque;
use std::io::Write;

/// As long as the epoch in a relay's id, so that both write as many bytes.
const NUMBERING: &str = "numbering000";

/// Writes the line that a relay puts in front of an event whose origin gave it no id.
pub(super) fn write_id(out: &mut Vec<u8>, seq: u64) {
    writeln!(out, "id: {NUMBERING}.{seq}").expect("writing to a Vec can't fail");
}

/// The event that an id names.
pub(super) fn seq(id: &str) -> Option<u64> {
    id.rsplit('.').next()?.parse().ok()
}

/// The last events.
#[derive(Debug)]
pub(super) struct Replay {
    keep: usize,
    record: VecDeque<Framed>,
    /// The number of the oldest.
    first: u64,
    /// What was asked for last, in one piece: in a storm all ask for the same.
    joined: (u64, u64, Bytes),
}

impl Replay {
    /// Keeps this many events.
    pub(super) fn new(keep: usize) -> Self {
        Self {
            keep,
            record: VecDeque::new(),
            first: 1,
            joined: (0, 0, Bytes::new()),
        }
    }

    pub(super) fn keeps(&self) -> bool {
        self.keep > 0
    }

    /// Takes in the next event.
    pub(super) fn keep(&mut self, event: Framed) {
        self.record.push_back(event);
        while self.record.len() > self.keep {
            self.record.pop_front();
            self.first += 1;
        }
    }

    /// The events from `from` to before `next`, as far as they are kept.
    pub(super) fn from(&mut self, from: u64, next: u64) -> Bytes {
        if (self.joined.0, self.joined.1) != (from, next) {
            let skip = usize::try_from(from.saturating_sub(self.first)).unwrap_or(usize::MAX);
            let events: Vec<&[u8]> = self.record.iter().skip(skip).map(|event| event.bytes(true)).collect();
            self.joined = (from, next, events.concat().into());
        }
        self.joined.2.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::stream::frame;

    #[test]
    fn what_follows_an_id_is_one_piece() {
        let mut replay = Replay::new(3);
        for seq in 1..=4 {
            let mut block = Vec::new();
            write_id(&mut block, seq);
            replay.keep(frame(&block));
        }
        let chunk = |seq| format!("13\r\nid: numbering000.{seq}\n\r\n");
        assert_eq!(replay.from(3, 5), chunk(3) + &chunk(4));
        assert_eq!(replay.from(1, 5), chunk(2) + &chunk(3) + &chunk(4));
        assert!(replay.from(5, 5).is_empty());
        assert_eq!(seq("numbering000.17"), Some(17));
        assert_eq!(seq("17"), Some(17));
        assert_eq!(seq("epoch."), None);
    }
}
