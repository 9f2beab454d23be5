//! The model: all entries ever written, and what of them is kept.

use crate::REMEMBERED_ENTRIES;
use bytes::Bytes;
use fanfare::config::LogLimits;
use fanfare::log::{Draft, Epoch, Kind, Moves, Numbering, Position};
use std::time::Instant;

/// An entry as the model remembers it.
#[derive(Debug, Clone)]
pub(crate) struct Written {
    pub(crate) position: Position,
    pub(crate) id: Bytes,
    pub(crate) passed: bool,
    pub(crate) kind: Kind,
    pub(crate) frame: Bytes,
    pub(crate) received: Instant,
    /// The first entry known to share its id when it was written; 0: forgotten by then; `None`:
    /// either will do.
    pub(crate) first: Option<u64>,
}

/// Entries are named by their cursors here: their number among all that were written, counted from
/// 1.
pub(crate) struct Model {
    pub(crate) limits: LogLimits,
    pub(crate) epoch: Epoch,
    /// The position before the first entry.
    pub(crate) start: Position,
    /// The position that the next entry is given; `None`: the next one.
    pub(crate) given: Option<Position>,
    pub(crate) written: Vec<Written>,
    pub(crate) tail: u64,
    pub(crate) id: Bytes,
    pub(crate) id_is_passed: bool,
    /// Before the first id of the origin, in a channel with `ids: auto`.
    pub(crate) assigning: bool,
    pub(crate) now: Instant,
}

impl Model {
    pub(crate) fn head(&self) -> u64 {
        self.written.len() as u64
    }

    pub(crate) fn at(&self, cursor: u64) -> &Written {
        &self.written[cursor as usize - 1]
    }

    /// The position of an entry, or of the place before the first.
    pub(crate) fn position(&self, cursor: u64) -> Position {
        match cursor {
            0 => self.start,
            cursor => self.at(cursor).position,
        }
    }

    /// The position of the entry that comes next.
    pub(crate) fn next_position(&self) -> Position {
        self.given.unwrap_or_else(|| self.position(self.head()).next())
    }

    pub(crate) fn kept(&self) -> std::ops::RangeInclusive<u64> {
        self.tail..=self.head()
    }

    pub(crate) fn bytes(&self, cursors: std::ops::RangeInclusive<u64>) -> u64 {
        cursors.map(|cursor| self.at(cursor).frame.len() as u64).sum()
    }

    pub(crate) fn forget_while(&mut self, too_much: impl Fn(&Self) -> bool) {
        while self.tail <= self.head() && too_much(self) {
            self.tail += 1;
        }
    }

    pub(crate) fn is_old(&self) -> bool {
        !self.limits.age.is_zero() && self.now - self.at(self.tail).received > self.limits.age
    }

    pub(crate) fn append(&mut self, kind: Kind, len: usize) -> Draft {
        let cursor = self.head() + 1;
        let block = vec![b'a' + (cursor % 26) as u8; len];
        let frame = Bytes::from([format!("{len:x}\r\n").as_bytes(), &block, b"\r\n"].concat());
        let len = frame.len();
        let (id, passed) = (self.id.clone(), self.id_is_passed);
        let last = (1..cursor)
            .rev()
            .find(|&p| passed && !id.is_empty() && self.at(p).passed && self.at(p).id == id);
        let first = match last {
            None => Some(cursor),
            Some(last) if last + 1 >= self.tail => self.at(last).first,
            Some(last) if last + REMEMBERED_ENTRIES > cursor => Some(0),
            Some(_) => None,
        };
        let draft = Draft {
            frame: frame.clone(),
            id: id.clone(),
            indexed: passed,
            kind,
            received: self.now,
            moves: Moves::Nothing,
        };
        self.forget_while(|model| {
            let (events, bytes) = (model.head() + 1 - model.tail, model.bytes(model.kept()));
            events >= model.limits.events as u64 || bytes + len as u64 > model.limits.bytes || model.is_old()
        });
        self.written.push(Written {
            position: self.next_position(),
            id,
            passed,
            kind,
            frame,
            received: self.now,
            first,
        });
        self.given = None;
        draft
    }

    /// The id in force at the place after an entry, as a client that starts there is to be told.
    pub(crate) fn id_after(&self, cursor: u64) -> Bytes {
        let before = cursor.checked_sub(1).map(|n| &self.written[n as usize]);
        let numbered = || self.epoch.id(self.position(cursor)).into();
        match before {
            Some(entry) if entry.passed => entry.id.clone(),
            Some(entry) if !entry.id.is_empty() => numbered(),
            _ => {
                let next = self.written.get(cursor as usize);
                if self.assigning || next.is_some_and(|next| !next.passed && !next.id.is_empty()) {
                    numbered()
                } else {
                    Bytes::new()
                }
            }
        }
    }

    pub(crate) fn numbering(&self) -> Numbering<'_> {
        Numbering {
            epoch: &self.epoch,
            assigning: self.assigning,
        }
    }
}
