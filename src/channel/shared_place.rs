//! Places in a log that several processes share.

use crate::log::BEHIND_ALL;

/// Where something stands in a shared log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Place {
    /// The message.
    pub(crate) sequence: u64,
    /// Which event of it, from 1 on; 0: it holds one.
    pub(crate) number: u32,
}

impl Place {
    /// Whether nothing of the message follows it.
    pub(crate) fn is_whole(self) -> bool {
        matches!(self.number, 0 | BEHIND_ALL)
    }

    /// Behind all that a message holds.
    pub(crate) fn behind(sequence: u64) -> Self {
        Self {
            sequence,
            number: BEHIND_ALL,
        }
    }
}
