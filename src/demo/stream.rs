//! An event stream of the origin: what is numbered, from a number on, as it comes.

use super::changelog::Changelog;
use crate::auxiliary_http::response::{Body, Response};
use bytes::Bytes;
use http_body_util::{BodyExt as _, StreamBody};
use hyper::body::Frame;
use hyper::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderValue};
use std::io::Write as _;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, mpsc, watch};
use tokio_stream::StreamExt as _;
use tokio_stream::wrappers::ReceiverStream;

/// A comment after this long without an entry, so that a connection whose peer has gone is noticed.
const HEARTBEAT_EVERY: Duration = Duration::from_secs(15);

/// What every stream begins with. A relay that has lost the origin asks again after a second: who
/// looks on doesn't wait for long.
const FIRST: &[u8] = b":\nretry: 1000\n\n";

/// Writes that wait for one slow reader; what follows stays with the entries.
const WRITES_WAITING_MAX: usize = 4;

/// Numbered entries that a stream is made of.
pub(super) trait Entries: Send + Sync + 'static {
    /// Tells of new entries. Subscribe first, then look.
    fn subscribe(&self) -> watch::Receiver<u64>;

    /// The number of the newest entry; 0 before the first.
    fn newest_number(&self) -> u64;

    /// Appends the events of all that is kept and follows `number`, oldest first. Returns the number
    /// to go on from.
    fn write_since(&self, number: u64, block: &mut Vec<u8>) -> u64;
}

/// The change log's stream: one event per entry, whose data is the address of the section's feed.
pub(super) struct Changes {
    pub(super) changelog: Arc<Changelog>,
    /// `http://HOST`, of the request.
    pub(super) base: String,
}

impl Entries for Changes {
    fn subscribe(&self) -> watch::Receiver<u64> {
        self.changelog.subscribe()
    }

    fn newest_number(&self) -> u64 {
        self.changelog.newest_number()
    }

    fn write_since(&self, number: u64, block: &mut Vec<u8>) -> u64 {
        let mut cursor = number;
        for entry in self.changelog.since(number) {
            // Writing to a Vec can't fail.
            let _ = write!(
                block,
                "id: {}\ndata: {}/changelog/section/{}\n\n",
                entry.number, self.base, entry.section
            );
            cursor = entry.number;
        }
        cursor
    }
}

/// Opens a stream after the entry `after`, or with the next entry. It ends with the origin's life;
/// `place` is held for as long as the stream is.
pub(super) fn open(
    entries: Arc<impl Entries>,
    after: Option<u64>,
    mut life: watch::Receiver<bool>,
    place: OwnedSemaphorePermit,
) -> Response {
    let (writes, body) = mpsc::channel(WRITES_WAITING_MAX);
    // Subscribed before it is looked, and before the answer is made: what is published after the
    // client has seen the head is in the stream.
    let mut newest = entries.subscribe();
    let newest_number = entries.newest_number();
    // A number that has not been given yet is another log's: everything that is kept follows.
    let mut cursor = after.map_or(newest_number, |number| if number > newest_number { 0 } else { number });
    tokio::spawn(async move {
        let _place = place;
        let mut block = FIRST.to_vec();
        loop {
            cursor = entries.write_since(cursor, &mut block);
            if !block.is_empty() && writes.send(Bytes::from(std::mem::take(&mut block))).await.is_err() {
                return;
            }
            tokio::select! {
                changed = newest.changed() => if changed.is_err() { return },
                () = tokio::time::sleep(HEARTBEAT_EVERY) => block.extend_from_slice(b":\n\n"),
                () = writes.closed() => return,
                _ = life.wait_for(|lives| !lives) => return,
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
