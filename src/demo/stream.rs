//! The origin's event stream: one event per entry, whose data is the address of the section's
//! change log.

use super::changelog::Changelog;
use crate::auxiliary_http::response::{Body, Response};
use bytes::Bytes;
use http_body_util::{BodyExt as _, StreamBody};
use hyper::body::Frame;
use hyper::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderValue};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, mpsc};
use tokio_stream::StreamExt as _;
use tokio_stream::wrappers::ReceiverStream;

/// A comment after this long without an entry, so that a connection whose peer has gone is noticed.
const HEARTBEAT_EVERY: Duration = Duration::from_secs(15);

/// Writes that wait for one slow reader; what follows stays in the change log.
const WRITES_WAITING_MAX: usize = 4;

/// Opens a stream after the entry `after`, or with the next entry. `place` is held for as long as
/// the stream is.
pub(super) fn open(
    changelog: Arc<Changelog>,
    after: Option<u64>,
    base: String,
    place: OwnedSemaphorePermit,
) -> Response {
    let (writes, body) = mpsc::channel(WRITES_WAITING_MAX);
    // Subscribed before it is looked, and before the answer is made: what is published after the
    // client has seen the head is in the stream.
    let mut newest = changelog.subscribe();
    let newest_number = changelog.newest_number();
    // A number that this log has not given yet is another log's: everything that is kept follows.
    let mut cursor = after.map_or(newest_number, |number| if number > newest_number { 0 } else { number });
    tokio::spawn(async move {
        let _place = place;
        let mut block = String::from(":\n\n");
        loop {
            for entry in changelog.since(cursor) {
                block.push_str(&format!(
                    "id: {}\ndata: {base}/changelog/section/{}\n\n",
                    entry.number, entry.section
                ));
                cursor = entry.number;
            }
            if !block.is_empty() && writes.send(Bytes::from(std::mem::take(&mut block))).await.is_err() {
                return;
            }
            tokio::select! {
                changed = newest.changed() => if changed.is_err() { return },
                () = tokio::time::sleep(HEARTBEAT_EVERY) => block.push_str(":\n\n"),
                () = writes.closed() => return,
            }
        }
    });
    let frames = ReceiverStream::new(body).map(|bytes| Ok(Frame::data(bytes)));
    head(StreamBody::new(frames).boxed_unsync())
}

/// The answer to HEAD, and the head of the stream.
pub(super) fn head(body: Body) -> Response {
    let mut response = hyper::Response::new(body);
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    response
}
