//! Answers in which the relay takes the place of the origin's event streams: links of feeds, and URLs in named headers.
//!
//! What is rewritten is a new representation. Its length is its own, a strong validator of the origin's becomes a weak one, digests and the
//! offer of ranges go. So that there is something to rewrite, the origin is asked for `identity`, and a range of such a document is
//! answered with all of it (RFC 9110, 14.2). `HEAD` gets no length, which only the body could tell. `Vary` stays: the answer depends on
//! the request's host, which is a part of every cache's key.
//!
//! What can't be rewritten passes as it is, byte for byte, and is said in the log.

mod feed;
mod links;
mod pattern;

pub(crate) use links::Links;
pub(super) use links::View;

use super::body::Streamed;
use super::flow::Flow;
use super::seldom::Seldom;
use super::{Body, Failure, Origin};
use crate::upstream::Url;
use bytes::Bytes;
use feed::Unreadable;
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use hyper::header::{
    ACCEPT_RANGES, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, ETAG, Entry, HeaderMap, HeaderName, HeaderValue,
};
use hyper::http::response::Parts;
use hyper::{Method, StatusCode};
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

/// Bytes of all bodies that are held at one time; one that does not fit in passes as it is.
pub(super) const HELD_BYTES_MAX: usize = 256 * 1024 * 1024;

/// Bodies larger than this are parsed where they keep nobody waiting.
const PARSED_AT_ONCE_BYTES: usize = 64 * 1024;

/// The longest time without a byte of a body that is held: one that comes in its own time is not to be kept from the client.
const SILENCE_MAX: Duration = Duration::from_secs(30);

/// Digests of the origin's bytes (RFC 9530, and its elders).
const DIGESTS: [HeaderName; 4] = [
    HeaderName::from_static("content-digest"),
    HeaderName::from_static("content-md5"),
    HeaderName::from_static("digest"),
    HeaderName::from_static("repr-digest"),
];

/// What bodies are rewritten with.
pub(super) struct Rewriter {
    links: Arc<Links>,
    room: Arc<Semaphore>,
    warnings: [Seldom; 6],
}

/// Why a body passes as it is.
#[derive(Debug, Clone, Copy)]
enum AsItIs {
    TooLarge,
    Slow,
    NoRoom,
    ContentEncoding,
    Encoding,
    Xml,
}

impl AsItIs {
    fn label(self) -> &'static str {
        match self {
            AsItIs::TooLarge => "it is larger than body_bytes_max",
            AsItIs::Slow => "it comes too slowly",
            AsItIs::NoRoom => "too much is being rewritten at the moment",
            AsItIs::ContentEncoding => "it has a content encoding, which was not asked for",
            AsItIs::Encoding => "its characters are not in UTF-8",
            AsItIs::Xml => "it is not well-formed, or has a DTD",
        }
    }
}

impl From<Unreadable> for AsItIs {
    fn from(why: Unreadable) -> Self {
        match why {
            Unreadable::Encoding => AsItIs::Encoding,
            Unreadable::Xml => AsItIs::Xml,
        }
    }
}

/// A body that was read to its end, or as far as it fitted.
struct Held {
    pieces: VecDeque<Bytes>,
    trailers: Option<HeaderMap>,
    room: Option<OwnedSemaphorePermit>,
    /// There is more, and this is why it was not read.
    stopped: Option<AsItIs>,
}

impl Rewriter {
    pub(super) fn new(links: Links) -> Self {
        Self {
            links: Arc::new(links),
            room: Arc::new(Semaphore::new(HELD_BYTES_MAX)),
            warnings: Default::default(),
        }
    }

    /// Rewrites the URLs in these headers.
    pub(super) fn headers(&self, headers: &mut HeaderMap, named: &[HeaderName], view: &View<'_>) {
        for name in named {
            let Entry::Occupied(mut values) = headers.entry(name) else {
                continue;
            };
            for value in values.iter_mut() {
                if let Some(ours) = self.header(value, view) {
                    *value = ours;
                }
            }
        }
    }

    fn header(&self, value: &HeaderValue, view: &View<'_>) -> Option<HeaderValue> {
        let url = view.request.join(value.to_str().ok()?).ok()?;
        let ours = self.links.rewritten(&url, view)?;
        if Url::parse(&ours).is_ok_and(|ours| ours == url) {
            return None;
        }
        HeaderValue::try_from(ours).ok()
    }

    /// The body for the client, and in `parts` the head that goes with it.
    pub(super) async fn body(
        &self,
        parts: &mut Parts,
        mut incoming: Incoming,
        asked: (&Method, &Origin),
        view: View<'_>,
        flow: Arc<Flow>,
    ) -> Result<Body, Failure> {
        let (method, origin) = asked;
        let is_head_request = method == Method::HEAD;
        if let Some(why) = as_it_is(parts, origin.body_bytes_max) {
            if !is_head_request {
                self.warn(why, &view);
            }
            return Ok(Streamed::new(incoming, flow).boxed());
        }
        if is_head_request {
            parts.headers.remove(CONTENT_LENGTH);
            changed(&mut parts.headers);
            return Ok(Streamed::new(incoming, flow).boxed());
        }
        let held = self.hold(&mut incoming, origin.body_bytes_max).await?;
        if let Some(why) = held.stopped {
            self.warn(why, &view);
            return Ok(Streamed::after(held.pieces, incoming, flow, held.room).boxed());
        }
        let rewritten = match self.parse(parts, &held, origin, &view).await {
            Ok(rewritten) => rewritten,
            Err(why) => {
                self.warn(why, &view);
                None
            }
        };
        let mut trailers = held.trailers;
        let Some(rewritten) = rewritten else {
            return Ok(Streamed::whole(held.pieces, trailers, flow, held.room).boxed());
        };
        changed(&mut parts.headers);
        if let Some(trailers) = &mut trailers {
            DIGESTS.iter().for_each(|name| drop(trailers.remove(name)));
        }
        parts.headers.remove(CONTENT_LENGTH);
        if trailers.is_none() {
            parts.headers.insert(CONTENT_LENGTH, rewritten.len().into());
        }
        Ok(Streamed::whole([rewritten.into()].into(), trailers, flow, held.room).boxed())
    }

    /// Reads a body to its end, if it is no larger than `max`.
    async fn hold(&self, incoming: &mut Incoming, max: usize) -> Result<Held, Failure> {
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
            match (self.room.clone().try_acquire_many_owned(size), &mut held.room) {
                (Ok(more), Some(room)) => room.merge(more),
                (Ok(room), none) => *none = Some(room),
                (Err(_), _) => {
                    held.stopped = Some(AsItIs::NoRoom);
                    return Ok(held);
                }
            }
        }
    }

    async fn parse(
        &self,
        parts: &Parts,
        held: &Held,
        origin: &Origin,
        view: &View<'_>,
    ) -> Result<Option<Vec<u8>>, AsItIs> {
        let body: Vec<u8> = held.pieces.iter().flatten().copied().collect();
        let charset = charset(&parts.headers);
        if body.len() <= PARSED_AT_ONCE_BYTES {
            return Ok(feed::rewrite(&body, charset.as_deref(), &self.links, view)?);
        }
        let (links, to) = (self.links.clone(), origin.to.clone());
        let (public, request) = (view.public.clone(), view.request.clone());
        let parsed = tokio::task::spawn_blocking(move || {
            let view = View {
                public,
                request,
                to: &to,
            };
            feed::rewrite(&body, charset.as_deref(), &links, &view)
        });
        Ok(parsed.await.unwrap_or(Err(Unreadable::Xml))?)
    }

    fn warn(&self, why: AsItIs, view: &View<'_>) {
        let (url, reason) = (view.request.redacted(), why.label());
        if self.warnings[why as usize].now() {
            tracing::warn!(url, reason, "links pass as the origin wrote them");
        } else {
            tracing::debug!(url, reason, "links pass as the origin wrote them");
        }
    }
}

/// Whether an answer can hold links (RFC 7303, 8 and 9): XML of any kind, if it comes with a body of its own.
pub(super) fn may_hold_links(parts: &Parts) -> bool {
    let bodiless =
        parts.status.is_informational() || matches!(parts.status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED);
    !bodiless && is_xml(&parts.headers)
}

pub(super) fn is_xml(headers: &HeaderMap) -> bool {
    let Some(value) = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()) else {
        return false;
    };
    let essence = value.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    matches!(essence.as_str(), "application/xml" | "text/xml") || essence.ends_with("+xml")
}

fn charset(headers: &HeaderMap) -> Option<String> {
    let value = headers.get(CONTENT_TYPE)?.to_str().ok()?;
    value.split(';').skip(1).find_map(|pair| {
        let (name, value) = pair.split_once('=')?;
        let is_charset = name.trim().eq_ignore_ascii_case("charset");
        is_charset.then(|| value.trim().trim_matches('"').to_owned())
    })
}

/// What can be seen from the head.
fn as_it_is(parts: &Parts, max: usize) -> Option<AsItIs> {
    let is_identity = |value: &HeaderValue| value.as_bytes().trim_ascii().eq_ignore_ascii_case(b"identity");
    if !parts.headers.get_all(CONTENT_ENCODING).iter().all(is_identity) {
        return Some(AsItIs::ContentEncoding);
    }
    let length = parts.headers.get(CONTENT_LENGTH)?.to_str().ok()?;
    let is_larger = length.trim().parse::<u64>().is_ok_and(|length| length > max as u64);
    is_larger.then_some(AsItIs::TooLarge)
}

/// The head of a representation that is not the origin's any more.
fn changed(headers: &mut HeaderMap) {
    DIGESTS.iter().for_each(|name| drop(headers.remove(name)));
    headers.remove(ACCEPT_RANGES);
    // RFC 9110, 8.8.1: not the same bytes, but the same in meaning.
    let weak = headers.get(ETAG).filter(|tag| tag.as_bytes().starts_with(b"\""));
    if let Some(weak) = weak.and_then(|tag| HeaderValue::from_bytes(&[b"W/", tag.as_bytes()].concat()).ok()) {
        headers.insert(ETAG, weak);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        pairs
            .iter()
            .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)))
            .collect()
    }

    #[test]
    fn xml_of_any_kind_is_looked_at() {
        for (value, expected) in [
            ("application/atom+xml;type=feed", true),
            ("Application/XML", true),
            ("text/xml; charset=utf-8", true),
            ("image/svg+xml", true),
            ("application/xml-dtd", false),
            ("text/html", false),
            ("text/event-stream", false),
        ] {
            assert_eq!(is_xml(&headers(&[("content-type", value)])), expected, "{value}");
        }
        assert!(!is_xml(&HeaderMap::new()));
        let charset = |value| charset(&headers(&[("content-type", value)]));
        assert_eq!(charset("text/xml; a=b; Charset=\"UTF-8\"").as_deref(), Some("UTF-8"));
        assert_eq!(charset("text/xml"), None);
    }

    #[test]
    fn a_new_representation_has_a_new_head() {
        let mut head = headers(&[
            ("etag", "\"1\""),
            ("content-md5", "x"),
            ("digest", "x"),
            ("repr-digest", "x"),
            ("content-digest", "x"),
            ("accept-ranges", "bytes"),
            ("last-modified", "x"),
        ]);
        changed(&mut head);
        assert_eq!(head, headers(&[("etag", "W/\"1\""), ("last-modified", "x")]));
        changed(&mut head);
        assert_eq!(head["etag"], "W/\"1\"");
    }

    #[test]
    fn urls_in_named_headers_are_rewritten() {
        let to = Url::parse("http://inner:8080").unwrap();
        let links = links::tests::links(
            "  job: { path: \"/v1/monitor/{job}\", upstream: \"http://inner:8080/x/{job}\" }\n",
            None,
        );
        let view = links::tests::view(&to);
        let named = [HeaderName::from_static("x-ccapi-sse-proxy")];
        let becomes = |value: &'static str| {
            let mut head = headers(&[("x-ccapi-sse-proxy", value), ("x-other", value)]);
            Rewriter::new(links::tests::links(
                "  job: { path: \"/v1/monitor/{job}\", upstream: \"http://inner:8080/x/{job}\" }\n",
                None,
            ))
            .headers(&mut head, &named, &view);
            assert_eq!(head["x-other"], value);
            head["x-ccapi-sse-proxy"].to_str().unwrap().to_owned()
        };
        let ours = "https://cue.example.com/v1/monitor/b396-6eb2b01859";
        assert_eq!(becomes("https://proxy-host:443/v1/monitor/b396-6eb2b01859"), ours);
        assert_eq!(becomes("http://inner:8080/x/b396-6eb2b01859"), ours);
        assert_eq!(becomes("/v1/monitor/b396-6eb2b01859"), ours);
        for other in ["https://proxy-host/v2/b396", "not a URL", ours, ""] {
            assert_eq!(becomes(other), other);
        }
        assert!(links.rewritten(&Url::parse(ours).unwrap(), &view).is_some());
    }
}
