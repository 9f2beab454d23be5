//! Settings (RFC 9113, 6.5).

use super::error::{ErrorCode, Fatal};
use super::frame::{self, kind};
use super::limits::{STREAMS_MAX, WINDOW_DEFAULT, WINDOW_MAX};

const ENABLE_PUSH: u16 = 0x2;
const MAX_CONCURRENT_STREAMS: u16 = 0x3;
const INITIAL_WINDOW_SIZE: u16 = 0x4;
const MAX_FRAME_SIZE: u16 = 0x5;
const MAX_HEADER_LIST_SIZE: u16 = 0x6;
/// RFC 9218, 2.1: the priorities of RFC 7540 have no effect here.
const NO_RFC7540_PRIORITIES: u16 = 0x9;

/// Bytes of one setting.
const SETTING_BYTES: usize = 6;

/// Writes ours. What is left out has its default.
pub(super) fn put_ours(out: &mut Vec<u8>, header_bytes: usize) {
    let list = u32::try_from(header_bytes).unwrap_or(u32::MAX);
    let ours = [
        (MAX_CONCURRENT_STREAMS, STREAMS_MAX as u32),
        (MAX_HEADER_LIST_SIZE, list),
        (NO_RFC7540_PRIORITIES, 1),
    ];
    let mut payload = Vec::with_capacity(ours.len() * SETTING_BYTES);
    for (name, value) in ours {
        payload.extend_from_slice(&name.to_be_bytes());
        payload.extend_from_slice(&value.to_be_bytes());
    }
    frame::put(out, kind::SETTINGS, 0, 0, &payload);
}

/// The peer's window for a stream, after its settings. Nothing else of them is used: our frames are
/// no larger than any peer takes, and our header blocks need no table.
pub(super) fn window_after(payload: &[u8], before: u32) -> Result<u32, Fatal> {
    let mut window = before;
    let settings = payload.chunks_exact(SETTING_BYTES);
    if !settings.remainder().is_empty() {
        return Err(Fatal::size("settings of six bytes each"));
    }
    for setting in settings {
        let &[n0, n1, v0, v1, v2, v3] = setting else { continue };
        let value = u32::from_be_bytes([v0, v1, v2, v3]);
        match u16::from_be_bytes([n0, n1]) {
            ENABLE_PUSH if value > 1 => return Err(Fatal::protocol("a push setting that is none")),
            INITIAL_WINDOW_SIZE if i64::from(value) > WINDOW_MAX => {
                return Err(Fatal::new(ErrorCode::FlowControl, "a window beyond its bound"));
            }
            INITIAL_WINDOW_SIZE => window = value,
            MAX_FRAME_SIZE if !(16_384..=16_777_215).contains(&value) => {
                return Err(Fatal::protocol("a frame size out of bounds"));
            }
            _ => {}
        }
    }
    Ok(window)
}

/// Before its settings have come.
pub(super) const WINDOW_BEFORE: u32 = WINDOW_DEFAULT;
