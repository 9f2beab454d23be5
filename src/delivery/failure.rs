//! Why a socket is of no use any more.

use crate::metrics::CloseReason;
use crate::net::Stream;
use std::io;

/// Why a client is gone whose socket failed with this.
pub(super) fn reason_of(error: &io::Error) -> CloseReason {
    match error.kind() {
        // Linux says so where the peer had closed in order, and was then written to once more.
        io::ErrorKind::BrokenPipe => CloseReason::Client,
        _ => CloseReason::Error,
    }
}

/// Why a client is gone whose socket says that it has ended.
pub(super) fn reason_of_end(stream: &Stream) -> CloseReason {
    match stream.take_error() {
        Ok(None) => CloseReason::Client,
        Ok(Some(error)) | Err(error) => reason_of(&error),
    }
}
