//! A log as bytes, for a successor process: written in one pass and read in one pass, with no more
//! than one entry in memory beside the log itself.
//!
//! What is read goes on exactly as what was written: the same cursors and positions, the same answer
//! to each last event ID, also to those that the log has let go. Times travel as ages, since a clock's
//! reading means nothing in another process. All numbers are 64 bits, the lowest byte first.
//!
//! 1. Where the log begins: the position before its numbering, the bytes of all that was let go, and
//!    the entry before its first one, if there was any.
//! 2. The ids that it remembers though it has let them go, by their hashes.
//! 3. The number of entries, and each of them, oldest first.
//! 4. The cursor and the bytes that all of this comes to: who reads less than was written finds out.
//!
//! Bytes that nobody wrote like this are an error, and cost no more memory than they have.

mod give;
mod take;

pub use take::CarriedLogError;

/// What an entry is, as a number. Numbers of kinds that are no more are not used again.
mod kind {
    use crate::log::Kind;

    pub(super) fn number(kind: Kind) -> u8 {
        match kind {
            Kind::Event => 0,
            Kind::NonEvent => 1,
            Kind::Gap => 2,
            Kind::Terminal => 3,
        }
    }

    pub(super) fn of(number: u8) -> Option<Kind> {
        [Kind::Event, Kind::NonEvent, Kind::Gap, Kind::Terminal]
            .into_iter()
            .find(|&kind| self::number(kind) == number)
    }
}
