//! How far numbers may be given: those of a numbering that outlives the process are reserved on disk
//! before.

use super::position::Position;
use crate::sync::{AtomicU64, Ordering};

/// What may be given is not bounded: numbers are where no start goes on.
const UNBOUNDED: u64 = u64::MAX;

/// How far a numbering jumps when what was reserved is used up: further than one could count, and
/// some hundred times before there are none left.
const JUMP: std::ops::Range<u64> = 1 << 48..1 << 56;

/// Up to where numbers are reserved. Shared by who gives them and who reserves them.
#[derive(Debug)]
pub struct Reserved(AtomicU64);

impl Reserved {
    /// Numbers below this one may be given.
    pub fn below(position: Position) -> Self {
        Self(AtomicU64::new(position.get()))
    }

    /// Numbers below this one may be given: it stands on disk, or nothing on disk knows of the
    /// numbering.
    pub fn reserve(&self, below: Position) {
        self.0.store(below.get(), Ordering::SeqCst);
    }

    /// Up to where numbers may be given. `None`: what was reserved has been used up.
    pub fn limit(&self) -> Option<Position> {
        let below = self.0.load(Ordering::SeqCst);
        (below != UNBOUNDED).then_some(Position::new(below))
    }

    /// None of what was reserved is given any more.
    pub fn withdraw(&self) {
        self.reserve(Position::START);
    }

    /// The number that comes next, where this one would. If it is not reserved, the numbering goes
    /// on far away, at a place that is not known before: no start that goes on at what is reserved
    /// ever comes there. So a disk that is out of order stops no event, and no number is given
    /// twice. To be called by who gives numbers, one at a time.
    pub fn admit(&self, next: Position) -> Position {
        if next.get() < self.0.load(Ordering::SeqCst) {
            return next;
        }
        self.0.store(UNBOUNDED, Ordering::SeqCst);
        Position::new(next.get().saturating_add(fastrand::u64(JUMP)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_reserved_is_far_away() {
        let reserved = Reserved::below(Position::new(3));
        assert_eq!(reserved.admit(Position::new(2)), Position::new(2));
        let far = reserved.admit(Position::new(3));
        assert!(far.get() > 1 << 48, "{far}");
        assert_eq!(reserved.limit(), None);
        assert_eq!(reserved.admit(far.next()), far.next());
        reserved.withdraw();
        assert!(reserved.admit(far.next()).get() > far.get() + (1 << 48));
    }
}
