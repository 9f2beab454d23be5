//! A body that is held until all of it is there: within bounds of size and time, and none of it is lost if it exceeds them.

use super::AsItIs;
use crate::pass::Failure;
use bytes::Bytes;
use http_body_util::BodyExt as _;
use hyper::HeaderMap;
use hyper::body::Incoming;
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

/// Bytes of all bodies that are held at one time; one that does not fit in passes as it is.
pub(super) const HELD_BYTES_MAX: usize = 256 * 1024 * 1024;

/// The longest time without a byte of a body that is held: one that comes in its own time is not to be kept from the client.
const SILENCE_MAX: Duration = Duration::from_secs(30);

/// A body that was read to its end, or as far as it fitted.
pub(super) struct Held {
    pub(super) pieces: VecDeque<Bytes>,
    pub(super) trailers: Option<HeaderMap>,
    pub(super) room: Option<OwnedSemaphorePermit>,
    /// There is more, and this is why it was not read.
    pub(super) stopped: Option<AsItIs>,
}

/// Reads a body to its end, if it is no larger than `max`, and there is room. `shared`: of all bodies that are held.
pub(super) async fn hold(incoming: &mut Incoming, max: usize, shared: &Arc<Semaphore>) -> Result<Held, Failure> {
    let mut held = Held {
        pieces: VecDeque::new(),
        trailers: None,
        room: None,
        stopped: None,
    };
    let mut bytes = 0;
    loop {
        let frame = match timeout(SILENCE_MAX, incoming.frame()).await {
            Ok(None) => return Ok(held),
            Ok(Some(frame)) => frame.map_err(|error| Failure::Origin(format!("the body broke off: {error}")))?,
            Err(_) => {
                held.stopped = Some(AsItIs::Slow);
                return Ok(held);
            }
        };
        let piece = match frame.into_data() {
            Ok(piece) => piece,
            Err(frame) => {
                held.trailers = frame.into_trailers().ok();
                continue;
            }
        };
        bytes += piece.len();
        let size = u32::try_from(piece.len()).unwrap_or(u32::MAX);
        held.pieces.push_back(piece);
        if bytes > max {
            held.stopped = Some(AsItIs::TooLarge);
            return Ok(held);
        }
        match (shared.clone().try_acquire_many_owned(size), &mut held.room) {
            (Ok(more), Some(room)) => room.merge(more),
            (Ok(room), none) => *none = Some(room),
            (Err(_), _) => {
                held.stopped = Some(AsItIs::NoRoom);
                return Ok(held);
            }
        }
    }
}
