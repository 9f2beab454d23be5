//! How much of what a peer may make us hold or do.

use std::time::Duration;

/// Streams that a peer may have open: the 30 event streams of a browser's tabs and a site that is
/// passed beside them, a few times over; and the least that RFC 9113 (6.5.2) advises.
pub(super) const STREAMS_MAX: usize = 128;

/// Payload of the frames that we write and take: the default of RFC 9113 (4.2). Larger ones would
/// only hold up the other streams.
pub(super) const FRAME_BYTES_MAX: usize = 16_384;

/// A window's bound (RFC 9113, 6.9.1).
pub(super) const WINDOW_MAX: i64 = (1 << 31) - 1;
/// A window without settings (RFC 9113, 6.9.2).
pub(super) const WINDOW_DEFAULT: u32 = 65_535;

/// What a peer may send on all streams before a part is taken: a few uploads at the same time, each
/// with the default window. It bounds what is held of bodies.
pub(super) const RECEIVE_WINDOW: u32 = 256 * 1024;

/// The dynamic table that a peer's header blocks may use: the default of RFC 9113 (6.5.2).
pub(super) const TABLE_BYTES_MAX: usize = 4096;

/// A header block as it comes may be this much longer than the list in it may be: one that is a
/// little too long is answered (431), one without end ends the connection.
pub(super) const BLOCK_FACTOR: usize = 2;
/// Fields of a request: more than any client sends, and the bound that HTTP/1.1 has here.
pub(super) const FIELDS_MAX: usize = 100;
/// Frames of one header block: as many as a block in the smallest useful pieces needs.
pub(super) const BLOCK_FRAMES_MAX: usize = 64;

/// Bytes of output up to which data is added: beyond them the streams wait for the socket.
pub(super) const OUTPUT_BYTES_MAX: usize = 32 * 1024;
/// Bytes of output at which a peer that makes us answer, and does not read the answers, is cut.
pub(super) const ANSWERS_BYTES_MAX: usize = OUTPUT_BYTES_MAX + 64 * 1024;

/// A window with less room than this, or than what is to be sent, counts as shut while the peer has
/// half of it to give back: else a peer that gives back single bytes gets a frame for each.
pub(super) const ROOM_MIN: usize = 1024;

/// What a healthy receiver may hold of an event that is not complete, beyond what it keeps without
/// giving it back.
pub(super) const HELD_BYTES: i64 = 1024;

/// Streams that were reset by us, of which frames may still be on their way.
pub(super) const RESET_STREAMS_KEPT: usize = 64;

/// Frames that carry nothing for a request: so many at once (a browser's first flight, a window
/// update for each of some thousand frames), and then so many a second.
pub(super) const IDLE_FRAMES: Rate = Rate {
    burst: 2000,
    per_second: 100,
};
/// Bytes sent that allow for another such frame: a receiver acknowledges what it gets.
pub(super) const BYTES_PER_IDLE_FRAME: usize = 1024;
/// Such frames that a request allows for: a client may give back the little that an answer took of
/// each window at once, say what it wants first, and ask for a sign of life.
pub(super) const IDLE_FRAMES_PER_REQUEST: u32 = 4;
/// Requests that a peer has reset before they were answered: a browser that leaves a page resets
/// all of its streams at once, but not again and again (CVE-2023-44487).
pub(super) const RESETS: Rate = Rate {
    burst: 500,
    per_second: 33,
};

/// So many at once, and then so many a second.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rate {
    pub(super) burst: u32,
    pub(super) per_second: u32,
}

impl Rate {
    /// The time in which one more is allowed.
    pub(super) fn interval(self) -> Duration {
        Duration::from_secs(1) / self.per_second
    }
}
