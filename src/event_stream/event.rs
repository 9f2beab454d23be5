//! One event of a stream, as the bytes in which it travels.

use bytes::Bytes;
use std::ops::Range;

/// One block of the stream in plain form.
///
/// `block` has LF line ends, no BOM, no comment, no `retry` field, at most one `id` line, and ends with its blank line:
/// the bytes `...\n\n`. It is a slice of the read buffer when it came so, and a rewritten copy otherwise.
#[derive(Debug, Clone)]
pub struct Event {
    pub(super) block: Bytes,
    /// The line `id...\n` in `block`, with its line end; empty if there is none.
    pub(super) id_line: Range<u32>,
    /// The id's value in `block`: inside `id_line`.
    pub(super) id: Range<u32>,
    /// The last `event` field's value in `block`; empty: the default type.
    pub(super) event_type: Range<u32>,
    /// Whether it has at least one `data` line: 9.2.6 dispatches nothing otherwise.
    pub(super) dispatches: bool,
}
