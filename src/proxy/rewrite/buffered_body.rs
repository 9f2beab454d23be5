//! A body that is buffered until all of it is there: within bounds of size and time, and none of it
//! is lost if it exceeds them.

use super::passthrough::PassthroughReason;
use crate::proxy::failure::Failure;
use bytes::Bytes;
use http_body_util::BodyExt as _;
use hyper::HeaderMap;
use hyper::body::Incoming;
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

/// Bytes of all bodies that are buffered at one time; one that does not fit in passes as it is.
pub(super) const BUFFERED_BYTES_MAX: usize = 256 * 1024 * 1024;

/// The longest time without a byte of a body that is buffered: one that comes in its own time is
/// not to be kept from the client.
const SILENCE_MAX: Duration = Duration::from_secs(30);

/// A body that was read to its end, or as far as it fitted.
pub(super) struct BufferedBody {
    pub(super) pieces: VecDeque<Bytes>,
    pub(super) trailers: Option<HeaderMap>,
    pub(super) room: Option<OwnedSemaphorePermit>,
    /// There is more, and this is why it was not read.
    pub(super) stopped: Option<PassthroughReason>,
}

/// Reads a body to its end, if it is no larger than `max`, and there is room. `shared`: of all
/// bodies that are buffered.
pub(super) async fn buffer(
    incoming: &mut Incoming,
    max: usize,
    shared: &Arc<Semaphore>,
) -> Result<BufferedBody, Failure> {
    let mut buffered = BufferedBody {
        pieces: VecDeque::new(),
        trailers: None,
        room: None,
        stopped: None,
    };
    let mut bytes = 0;
    loop {
        let frame = match timeout(SILENCE_MAX, incoming.frame()).await {
            Ok(None) => return Ok(buffered),
            Ok(Some(frame)) => frame.map_err(|error| Failure::Origin(format!("the body broke off: {error}")))?,
            Err(_) => {
                buffered.stopped = Some(PassthroughReason::Slow);
                return Ok(buffered);
            }
        };
        let piece = match frame.into_data() {
            Ok(piece) => piece,
            Err(frame) => {
                buffered.trailers = frame.into_trailers().ok();
                continue;
            }
        };
        bytes += piece.len();
        let size = u32::try_from(piece.len()).unwrap_or(u32::MAX);
        buffered.pieces.push_back(piece);
        if bytes > max {
            buffered.stopped = Some(PassthroughReason::TooLarge);
            return Ok(buffered);
        }
        match (shared.clone().try_acquire_many_owned(size), &mut buffered.room) {
            (Ok(more), Some(room)) => room.merge(more),
            (Ok(room), none) => *none = Some(room),
            (Err(_), _) => {
                buffered.stopped = Some(PassthroughReason::NoRoom);
                return Ok(buffered);
            }
        }
    }
}
