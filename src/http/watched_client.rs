//! Whether the client of a request that is being answered is still there.
//!
//! One that breaks off has left. One that sends no more gets its answer all the same, unless that
//! is an event stream: to find out by writing may take for ever there. A client that has closed its
//! connection for good looks the same until something is sent to it, and its origin would go on
//! working for it. So one that sends no more, and has not got the beginning of its answer in a
//! second, is sent an interim response, which has no meaning (RFC 9110, 15.2.1): the system of one
//! that has gone answers by a reset.

use super::connection::Connection;
use super::request_io::Progress;
use crate::net::Watched;
use hyper::Version;
use std::future::Future as _;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::time::{Sleep, sleep};

/// Most answers have come by then.
const STILL_THERE_AFTER: Duration = Duration::from_secs(1);
const STILL_THERE: &[u8] = b"HTTP/1.1 100 Continue\r\n\r\n";

/// What is known of the client.
pub(super) enum WatchedClient {
    /// It may send more.
    Sending {
        /// It understands interim responses.
        takes_interim: bool,
    },
    /// It sends no more; after a while it is asked whether it is still there.
    Ended(Option<Pin<Box<Sleep>>>),
}

impl WatchedClient {
    pub(super) fn new(version: Version) -> Self {
        let takes_interim = version != Version::HTTP_10;
        Self::Sending { takes_interim }
    }

    /// Completes when the client has left.
    pub(super) fn poll_left(
        &mut self,
        cx: &mut Context<'_>,
        connection: &mut Connection,
        stream: &Watched,
        progress: &Progress,
        is_stream: bool,
    ) -> Poll<()> {
        if let Self::Sending { takes_interim } = *self {
            // What is read here of a body would be missing there.
            if !progress.has_request() {
                return Poll::Pending;
            }
            if ready!(connection.poll_ended(cx, stream)).is_err() {
                return Poll::Ready(());
            }
            *self = Self::Ended(takes_interim.then(|| Box::pin(sleep(STILL_THERE_AFTER))));
        }
        let Self::Ended(patience) = self else {
            return Poll::Pending;
        };
        if is_stream || stream.poll_broken(cx).is_ready() {
            return Poll::Ready(());
        }
        if let Some(asked_at) = patience
            && asked_at.as_mut().poll(cx).is_ready()
        {
            *patience = None;
            let is_silent = !progress.has_response();
            if is_silent && !matches!(stream.stream().write(STILL_THERE), Ok(written) if written == STILL_THERE.len()) {
                return Poll::Ready(());
            }
        }
        Poll::Pending
    }
}
