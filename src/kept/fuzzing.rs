//! Files of a kept log, whatever is in them.

use super::frame::{HEAD_BYTES, take};
use super::numbers::said;
use super::segment::{put_record, scan};

/// What is read of a segment is what these bytes say and no more: written again it is the same.
pub fn kept_log(bytes: &[u8]) {
    let scanned = scan(bytes);
    assert!(scanned.good_bytes <= bytes.len());
    if let Some(head) = &scanned.head {
        let mut again = Vec::new();
        head.put(&mut again);
        for record in &scanned.records {
            assert!(record.position > head.before && !record.block.is_empty());
            put_record(&mut again, record);
        }
        let written = scan(&again);
        assert_eq!((written.head.as_ref(), written.good_bytes), (Some(head), again.len()));
        assert_eq!(written.records, scanned.records);
        // A cut file is the beginning of what it was.
        let cut = scan(&bytes[..scanned.good_bytes]);
        assert_eq!((cut.records, cut.good_bytes), (scanned.records, scanned.good_bytes));
    } else {
        assert_eq!((scanned.records.len(), scanned.good_bytes), (0, 0));
    }
    if let Some((piece, rest)) = take(bytes) {
        assert_eq!(piece.len() + rest.len() + HEAD_BYTES, bytes.len());
    }
    if let Some(numbers) = said(bytes) {
        assert!(numbers.epoch.len() <= bytes.len());
    }
}
