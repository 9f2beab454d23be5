//! A file with consecutive events: a head that tells what was before them, then one after the
//! other.

use super::frame::{self, put_bytes, take_bytes};
use super::record::Record;
use bytes::{Buf as _, Bytes};

/// What each segment begins with: the name and the number of the format.
const MAGIC: &[u8; 8] = b"fanfare1";

/// What is known where a segment begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Head {
    /// The position before its first event.
    pub(super) before: u64,
    /// Whether it does not go on behind the segment before it: what that one holds is no more.
    pub(super) starts_over: bool,
    /// Where each upstream stood: its configured name, and the id to go on behind; empty: none.
    pub(super) places: Vec<(String, Bytes)>,
}

/// What the bytes of a segment hold.
#[derive(Debug)]
pub(super) struct Scan<'a> {
    /// `None`: it has no whole head.
    pub(super) head: Option<Head>,
    pub(super) records: Vec<Record<'a>>,
    /// Up to where it is whole.
    pub(super) good_bytes: usize,
}

impl Head {
    pub(super) fn put(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(MAGIC);
        frame::put(out, |out| {
            out.extend_from_slice(&self.before.to_le_bytes());
            out.push(self.starts_over.into());
            for (name, id) in &self.places {
                put_bytes(out, name.as_bytes());
                put_bytes(out, id);
            }
        });
    }

    fn take(bytes: &[u8]) -> Option<(Self, &[u8])> {
        let (mut piece, rest) = frame::take(bytes.strip_prefix(MAGIC)?)?;
        let before = piece.try_get_u64_le().ok()?;
        let starts_over = piece.try_get_u8().ok()? != 0;
        let mut places = Vec::new();
        while !piece.is_empty() {
            let name = std::str::from_utf8(take_bytes(&mut piece)?).ok()?.to_owned();
            places.push((name, Bytes::copy_from_slice(take_bytes(&mut piece)?)));
        }
        let head = Self {
            before,
            starts_over,
            places,
        };
        Some((head, rest))
    }
}

/// Puts an event behind what there is.
pub(super) fn put_record(out: &mut Vec<u8>, record: &Record<'_>) {
    frame::put(out, |out| record.put(out));
}

/// Reads up to the first byte that is no part of a whole event, or of one that does not come after
/// the one before it.
pub(super) fn scan(bytes: &[u8]) -> Scan<'_> {
    let mut records = Vec::new();
    let Some((head, mut rest)) = Head::take(bytes) else {
        return Scan {
            head: None,
            records,
            good_bytes: 0,
        };
    };
    let mut newest = head.before;
    while let Some((piece, behind)) = frame::take(rest)
        && let Some(record) = Record::take(piece).filter(|record| record.position > newest)
    {
        newest = record.position;
        records.push(record);
        rest = behind;
    }
    Scan {
        head: Some(head),
        records,
        good_bytes: bytes.len() - rest.len(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::record::Moved;
    use super::*;
    use crate::log::Kind;

    fn record(position: u64) -> Record<'static> {
        Record {
            position,
            received_millis: 1,
            kind: Kind::Event,
            id: b"7",
            is_passed: true,
            moved: Moved::No,
            block: b"data: x\n\n",
        }
    }

    fn segment(positions: &[u64]) -> Vec<u8> {
        let head = Head {
            before: 10,
            starts_over: false,
            places: vec![("o.example/sse".to_owned(), Bytes::from_static(b"6"))],
        };
        let mut bytes = Vec::new();
        head.put(&mut bytes);
        positions.iter().for_each(|n| put_record(&mut bytes, &record(*n)));
        bytes
    }

    #[test]
    fn it_is_cut_behind_the_last_whole_event() {
        let whole = segment(&[11, 12, 15]);
        let scanned = scan(&whole);
        assert_eq!(scanned.head.unwrap().places[0].1, "6");
        assert_eq!(scanned.records, [record(11), record(12), record(15)]);
        assert_eq!(scanned.good_bytes, whole.len());
        let two = segment(&[11, 12]).len();
        for end in two..whole.len() {
            assert_eq!(scan(&whole[..end]).good_bytes, two, "cut at {end}");
            let mut damaged = whole.clone();
            damaged[end] ^= 0x10;
            let scanned = scan(&damaged);
            assert_eq!(
                (scanned.good_bytes, scanned.records.len()),
                (two, 2),
                "damaged at {end}"
            );
        }
        let mut grown = whole.clone();
        grown.resize(whole.len() + 4096, 0);
        assert_eq!(scan(&grown).good_bytes, whole.len());
    }

    #[test]
    fn one_without_a_head_holds_nothing() {
        for bytes in [&b""[..], b"fanfare1", b"fanfare2", &[0; 100]] {
            assert!(scan(bytes).head.is_none());
        }
    }

    #[test]
    fn positions_only_grow() {
        assert_eq!(scan(&segment(&[11, 11])).records.len(), 1);
        assert_eq!(scan(&segment(&[10])).records.len(), 0);
    }
}
