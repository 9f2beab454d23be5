//! The response head of an event stream, as bytes: the shard writes it together with the stream's
//! beginning.

use super::{coding, cors};
use crate::channel::Coding;
use crate::config::Source;
use crate::h2::HeadBlock;
use bytes::{BufMut, Bytes, BytesMut};
use hyper::header::{CACHE_CONTROL, CONTENT_TYPE, DATE, HeaderMap, HeaderName, HeaderValue, VARY};
use hyper::{Request, StatusCode, Version};
use std::cell::Cell;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Enough for the head without long CORS lists.
const HEAD_BYTES: usize = 384;

/// The headers that every event stream's head has, whatever writes it.
pub(super) const STREAM_HEADERS: [(HeaderName, HeaderValue); 4] = [
    (CONTENT_TYPE, HeaderValue::from_static("text/event-stream")),
    (CACHE_CONTROL, HeaderValue::from_static("no-cache, no-transform")),
    // nginx: don't buffer this answer.
    (
        HeaderName::from_static("x-accel-buffering"),
        HeaderValue::from_static("no"),
    ),
    // The path answers polls too.
    (VARY, HeaderValue::from_static("Accept")),
];

/// The head for a request.
pub(super) fn bytes<B>(request: &Request<B>, source: &Source, coding: Coding) -> Bytes {
    let mut head = BytesMut::with_capacity(HEAD_BYTES);
    // RFC 9112, 2.3: an answer names the highest version that we speak, and does nothing that the
    // client's can't.
    head.put_slice(b"HTTP/1.1 200 OK\r\n");
    for (name, value) in STREAM_HEADERS
        .iter()
        .chain(&cors::headers(source.cors.as_ref(), request.headers()))
    {
        put(&mut head, name.as_str(), value.as_bytes());
    }
    for (name, value) in coding::fields(source, coding) {
        put(&mut head, name.as_str(), value.as_bytes());
    }
    put(&mut head, "date", date().as_slice());
    if request.version() != Version::HTTP_10 {
        put(&mut head, "transfer-encoding", b"chunked");
    }
    // The stream's end is the connection's.
    put(&mut head, "connection", b"close");
    head.put_slice(b"\r\n");
    head.freeze()
}

/// The same for a stream of HTTP/2.
pub(super) fn block<B>(request: &Request<B>, source: &Source, coding: Coding) -> HeadBlock {
    let mut fields = HeaderMap::with_capacity(8);
    let cors = cors::headers(source.cors.as_ref(), request.headers());
    for (name, value) in STREAM_HEADERS
        .into_iter()
        .chain(cors)
        .chain(coding::fields(source, coding))
    {
        fields.append(name, value);
    }
    if let Ok(date) = HeaderValue::from_bytes(&date()) {
        fields.insert(DATE, date);
    }
    HeadBlock::new(StatusCode::OK, &fields)
}

/// Writes a field.
pub(super) fn put(head: &mut BytesMut, name: &str, value: &[u8]) {
    head.put_slice(name.as_bytes());
    head.put_slice(b": ");
    head.put_slice(value);
    head.put_slice(b"\r\n");
}

const DATE_BYTES: usize = 29;

/// The time in a header's form: made once a second and thread, not per client.
pub(super) fn date() -> [u8; DATE_BYTES] {
    thread_local! {
        static DATE: Cell<(u64, [u8; DATE_BYTES])> = const { Cell::new((0, [b' '; DATE_BYTES])) };
    }
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default()
        .as_secs();
    DATE.with(|date| {
        let (made, mut text) = date.get();
        if made != now {
            let formatted = httpdate::fmt_http_date(UNIX_EPOCH + Duration::from_secs(now));
            if formatted.len() == DATE_BYTES {
                text.copy_from_slice(formatted.as_bytes());
            }
            date.set((now, text));
        }
        text
    })
}
