//! One kept event, as it stands in a file.

use super::frame::{put_bytes, take_bytes};
use crate::log::Kind;
use bytes::Buf as _;

/// What is kept of an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Record<'a> {
    /// Its number.
    pub(super) position: u64,
    /// When its bytes were read, in milliseconds since the epoch.
    pub(super) received_millis: u64,
    pub(super) kind: Kind,
    /// The id in force after it; empty: none.
    pub(super) id: &'a [u8],
    /// Whether the id is the origin's.
    pub(super) is_passed: bool,
    /// Which upstream stands at another place of its stream after it.
    pub(super) moved: Moved<'a>,
    /// Its block, with the id that clients get. Not empty.
    pub(super) block: &'a [u8],
}

/// What an event does to the place in an upstream's stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Moved<'a> {
    /// Nothing.
    No,
    /// The first upstream is to go on behind the record's own id.
    ToId,
    /// This upstream, by its number in the segment's head, is to go on behind this id.
    To(u32, &'a [u8]),
}

const PASSED: u8 = 1;
const MOVED_TO_ID: u8 = 2;
const MOVED: u8 = 4;

impl<'a> Record<'a> {
    /// Its bytes, without the frame around them.
    pub(super) fn put(&self, out: &mut Vec<u8>) {
        let passed = if self.is_passed { PASSED } else { 0 };
        let moved = match self.moved {
            Moved::No => 0,
            Moved::ToId => MOVED_TO_ID,
            Moved::To(..) => MOVED,
        };
        out.push(match self.kind {
            Kind::Event => 0,
            Kind::NonEvent => 1,
            Kind::Gap => 2,
            Kind::Terminal => 3,
        });
        out.push(passed | moved);
        out.extend_from_slice(&self.position.to_le_bytes());
        out.extend_from_slice(&self.received_millis.to_le_bytes());
        put_bytes(out, self.id);
        if let Moved::To(upstream, id) = self.moved {
            out.extend_from_slice(&upstream.to_le_bytes());
            put_bytes(out, id);
        }
        out.extend_from_slice(self.block);
    }

    /// The record of these bytes. `None`: they are none.
    pub(super) fn take(mut bytes: &'a [u8]) -> Option<Self> {
        let kind = match bytes.try_get_u8().ok()? {
            0 => Kind::Event,
            1 => Kind::NonEvent,
            2 => Kind::Gap,
            3 => Kind::Terminal,
            _ => return None,
        };
        let flags = bytes.try_get_u8().ok()?;
        let position = bytes.try_get_u64_le().ok()?;
        let received_millis = bytes.try_get_u64_le().ok()?;
        let id = take_bytes(&mut bytes)?;
        let moved = match flags & !PASSED {
            0 => Moved::No,
            MOVED_TO_ID => Moved::ToId,
            MOVED => Moved::To(bytes.try_get_u32_le().ok()?, take_bytes(&mut bytes)?),
            _ => return None,
        };
        (!bytes.is_empty()).then_some(Self {
            position,
            received_millis,
            kind,
            id,
            is_passed: flags & PASSED != 0,
            moved,
            block: bytes,
        })
    }

    /// The upstream that it moves, and the id to go on behind.
    pub(super) fn moves(&self) -> Option<(usize, &'a [u8])> {
        match self.moved {
            Moved::No => None,
            Moved::ToId => Some((0, self.id)),
            Moved::To(upstream, id) => Some((upstream as usize, id)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_is_put_is_taken(
            (position, received_millis) in any::<(u64, u64)>(),
            kind in prop::sample::select(vec![Kind::Event, Kind::NonEvent, Kind::Gap, Kind::Terminal]),
            id in prop::collection::vec(any::<u8>(), 0..40),
            is_passed in any::<bool>(),
            (how, upstream, place) in (0..3_usize, any::<u32>(), prop::collection::vec(any::<u8>(), 0..40)),
            block in prop::collection::vec(any::<u8>(), 1..300),
        ) {
            let moved = [Moved::No, Moved::ToId, Moved::To(upstream, &place)][how];
            let (id, block) = (&id[..], &block[..]);
            let record = Record { position, received_millis, kind, id, is_passed, moved, block };
            let mut bytes = Vec::new();
            record.put(&mut bytes);
            prop_assert_eq!(Record::take(&bytes), Some(record));
        }

        #[test]
        fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..100)) {
            if let Some(record) = Record::take(&bytes) {
                let mut again = Vec::new();
                record.put(&mut again);
                prop_assert_eq!(again, bytes);
            }
        }
    }
}
