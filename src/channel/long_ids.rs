//! Ids that are too long for a request: the relay keeps them, and gives clients short names.

use crate::log::{Epoch, Position};
use bytes::Bytes;
use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

/// A longer id is not given to clients: no request could bring it back.
const ID_BYTES_MAX: usize = 1024;
/// Ids that are kept, the newest ones. One that a log still holds is found there, too.
const KEPT_MAX: usize = 4096;
/// Their bytes.
const KEPT_BYTES_MAX: usize = 8 * 1024 * 1024;
/// Stands before a name; no id of a place in several streams begins so, since `:` follows the first
/// name there.
const MARK: u8 = b'~';

/// The long ids, by the names that were given for them. Names are numbered, and no process gives one
/// that another has given.
pub struct LongIds {
    epoch: Epoch,
    kept: Mutex<Kept>,
}

#[derive(Default)]
struct Kept {
    /// The number of the first one.
    first: u64,
    ids: VecDeque<Box<str>>,
    bytes: usize,
}

impl LongIds {
    /// None.
    pub fn new() -> Self {
        Self {
            epoch: Epoch::new(),
            kept: Mutex::default(),
        }
    }

    /// The id itself, unless it is too long: then its name.
    pub(super) fn shortened(&self, id: String) -> Bytes {
        if id.len() <= ID_BYTES_MAX {
            return id.into();
        }
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let number = kept.push(id.into());
        drop(kept);
        format!("{}{}", char::from(MARK), self.epoch.id(Position::new(number))).into()
    }

    /// The id that a client means: its own, or the one that it has a name for. `None`: that is not
    /// kept.
    pub(super) fn meant(&self, id: &[u8]) -> Option<Bytes> {
        let Some(name) = id.strip_prefix(&[MARK]) else {
            return Some(Bytes::copy_from_slice(id));
        };
        let number = self.epoch.position(name)?.get();
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let at = usize::try_from(number.checked_sub(kept.first)?).ok()?;
        kept.ids.get(at).map(|id| Bytes::copy_from_slice(id.as_bytes()))
    }
}

impl Default for LongIds {
    fn default() -> Self {
        Self::new()
    }
}

impl Kept {
    /// Returns its number.
    fn push(&mut self, id: Box<str>) -> u64 {
        self.bytes += id.len();
        self.ids.push_back(id);
        while self.ids.len() > KEPT_MAX || (self.bytes > KEPT_BYTES_MAX && self.ids.len() > 1) {
            let gone = self.ids.pop_front();
            self.bytes -= gone.map_or(0, |id| id.len());
            self.first += 1;
        }
        self.first + self.ids.len() as u64 - 1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_ids_have_short_names_for_as_long_as_they_are_kept() {
        let ids = LongIds::new();
        let long = |n: usize| format!("a:{n},b:{}", "x".repeat(ID_BYTES_MAX));
        assert_eq!(ids.shortened("a:1".to_owned()), "a:1");
        assert_eq!(ids.meant(b"a:1").unwrap(), "a:1");
        let names: Vec<Bytes> = (0..=KEPT_MAX).map(|n| ids.shortened(long(n))).collect();
        assert!(names.iter().all(|name| name.len() < 40));
        assert_eq!(ids.meant(&names[0]), None, "it had to make room");
        assert_eq!(ids.meant(&names[1]).unwrap(), long(1));
        assert_eq!(ids.meant(&names[KEPT_MAX]).unwrap(), long(KEPT_MAX));
        assert_eq!(LongIds::new().meant(&names[1]), None, "another process");
        assert_eq!(ids.meant(b"~"), None);
    }

    #[test]
    fn they_are_bounded_in_bytes() {
        let ids = LongIds::new();
        let name = ids.shortened("x".repeat(KEPT_BYTES_MAX / 2));
        ids.shortened("x".repeat(KEPT_BYTES_MAX / 2 + 1));
        assert_eq!(ids.meant(&name), None);
        assert!(ids.kept.lock().unwrap().bytes <= KEPT_BYTES_MAX);
    }
}
