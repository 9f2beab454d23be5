//! The model: all entries ever written, and what of them is kept.

use crate::REMEMBERED_POSITIONS;
use bytes::Bytes;
use fanfare::config::LogLimits;
use fanfare::log::{Draft, Epoch, Kind, Numbering};
use std::time::Instant;

/// An entry as the model remembers it.
#[derive(Debug, Clone)]
pub(crate) struct Written {
    pub(crate) id: Bytes,
    pub(crate) passed: bool,
    pub(crate) kind: Kind,
    pub(crate) frame: Bytes,
    pub(crate) received: Instant,
    /// The first place known to share its id when it was written; 0: forgotten by then; `None`: either will do.
    pub(crate) first: Option<u64>,
}

pub(crate) struct Model {
    pub(crate) limits: LogLimits,
    pub(crate) epoch: Epoch,
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

    pub(crate) fn at(&self, position: u64) -> &Written {
        &self.written[position as usize - 1]
    }

    pub(crate) fn kept(&self) -> std::ops::RangeInclusive<u64> {
        self.tail..=self.head()
    }

    pub(crate) fn bytes(&self, positions: std::ops::RangeInclusive<u64>) -> u64 {
        positions.map(|position| self.at(position).frame.len() as u64).sum()
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
        let position = self.head() + 1;
        let frame = Bytes::from(vec![b'a' + (position % 26) as u8; len]);
        let (id, passed) = (self.id.clone(), self.id_is_passed);
        let last = (1..position)
            .rev()
            .find(|&p| passed && !id.is_empty() && self.at(p).passed && self.at(p).id == id);
        let first = match last {
            None => Some(position),
            Some(last) if last + 1 >= self.tail => self.at(last).first,
            Some(last) if last + REMEMBERED_POSITIONS > position => Some(0),
            Some(_) => None,
        };
        let draft = Draft {
            frame: frame.clone(),
            id: id.clone(),
            indexed: passed,
            kind,
            received: self.now,
        };
        self.forget_while(|model| {
            let (events, bytes) = (model.head() + 1 - model.tail, model.bytes(model.kept()));
            events >= model.limits.events as u64 || bytes + len as u64 > model.limits.bytes || model.is_old()
        });
        self.written.push(Written {
            id,
            passed,
            kind,
            frame,
            received: self.now,
            first,
        });
        draft
    }

    /// The id in force at the place after a position, as a client that starts there is to be told.
    pub(crate) fn id_after(&self, position: u64) -> Bytes {
        let before = position.checked_sub(1).map(|n| &self.written[n as usize]);
        match before {
            Some(entry) if entry.passed => entry.id.clone(),
            Some(entry) if !entry.id.is_empty() => self.epoch.id(position).into(),
            _ => {
                let next = self.written.get(position as usize);
                let numbered = next.is_some_and(|next| !next.passed && !next.id.is_empty());
                if self.assigning || numbered {
                    self.epoch.id(position).into()
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
