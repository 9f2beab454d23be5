//! Answers in which the relay takes the place of the origin's event streams: links of feeds, and
//! URLs in named headers.
//!
//! What is rewritten is a new representation. Its length is its own, a strong validator of the
//! origin's becomes a weak one, digests and the offer of ranges go. So that there is something to
//! rewrite, the origin is asked for `identity`, and a range of such a document is answered with all
//! of it (RFC 9110, 14.2). `HEAD` gets no length, which only the body could tell. `Vary` stays: the
//! answer depends on the request's host, which is a part of every cache's key.
//!
//! What can't be rewritten passes as it is, byte for byte, and is said in the log.

mod feed;
#[cfg(any(test, fuzzing))]
pub(super) mod fuzzing;
mod head;
mod buffered_body;
mod links;
mod passthrough;
mod pattern;

pub(super) use head::{is_xml, may_hold_links, unchanged};
pub(crate) use links::Links;
pub(super) use links::View;

use super::body::Body;
use super::failure::Failure;
use super::log_throttle::LogThrottle;
use super::origin::Origin;
use super::request_body::RequestBodyState;
use super::response_body::ResponseBody;
use crate::upstream::Url;
use buffered_body::{BUFFERED_BYTES_MAX, BufferedBody, buffer};
use feed::Unreadable;
use head::{DIGESTS, changed, passthrough_reason};
use hyper::Method;
use hyper::body::Incoming;
use hyper::header::{CONTENT_LENGTH, Entry, HeaderMap, HeaderName, HeaderValue};
use hyper::http::response::Parts;
use passthrough::PassthroughReason;
use std::sync::Arc;
use tokio::sync::Semaphore;

/// Bodies larger than this are parsed on a thread for blocking work, so that no other task waits
/// for them.
const PARSED_AT_ONCE_BYTES: usize = 64 * 1024;

/// What bodies are rewritten with.
pub(super) struct Rewriter {
    links: Arc<Links>,
    room: Arc<Semaphore>,
    warnings: [LogThrottle; 6],
}

impl Rewriter {
    pub(super) fn new(links: Links) -> Self {
        Self {
            links: Arc::new(links),
            room: Arc::new(Semaphore::new(BUFFERED_BYTES_MAX)),
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
        let text = value.to_str().ok()?.trim();
        // A word is no reference, though it could be read as one.
        if !text.contains("://") && !text.starts_with('/') {
            return None;
        }
        let url = view.request.join(text).ok()?;
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
        body_state: Arc<RequestBodyState>,
    ) -> Result<Body, Failure> {
        let (method, origin) = asked;
        let is_head_request = method == Method::HEAD;
        if let Some(why) = passthrough_reason(parts, origin.body_bytes_max) {
            if !is_head_request {
                self.warn(why, &view);
            }
            return Ok(ResponseBody::new(incoming, body_state).boxed());
        }
        if is_head_request {
            parts.headers.remove(CONTENT_LENGTH);
            changed(&mut parts.headers);
            return Ok(ResponseBody::new(incoming, body_state).boxed());
        }
        let buffered = buffer(&mut incoming, origin.body_bytes_max, &self.room).await?;
        if let Some(why) = buffered.stopped {
            self.warn(why, &view);
            return Ok(ResponseBody::after(buffered.pieces, incoming, body_state, buffered.room).boxed());
        }
        let rewritten = match self.parse(parts, &buffered, origin, &view).await {
            Ok(rewritten) => rewritten,
            Err(why) => {
                self.warn(why, &view);
                None
            }
        };
        let mut trailers = buffered.trailers;
        let Some(rewritten) = rewritten else {
            return Ok(ResponseBody::whole(buffered.pieces, trailers, body_state, buffered.room).boxed());
        };
        changed(&mut parts.headers);
        if let Some(trailers) = &mut trailers {
            DIGESTS.iter().for_each(|name| drop(trailers.remove(name)));
        }
        parts.headers.remove(CONTENT_LENGTH);
        if trailers.is_none() {
            parts.headers.insert(CONTENT_LENGTH, rewritten.len().into());
        }
        Ok(ResponseBody::whole([rewritten.into()].into(), trailers, body_state, buffered.room).boxed())
    }

    async fn parse(
        &self,
        parts: &Parts,
        buffered: &BufferedBody,
        origin: &Origin,
        view: &View<'_>,
    ) -> Result<Option<Vec<u8>>, PassthroughReason> {
        let body: Vec<u8> = buffered.pieces.iter().flatten().copied().collect();
        let charset = head::charset(&parts.headers);
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

    fn warn(&self, why: PassthroughReason, view: &View<'_>) {
        let (url, reason) = (view.request.redacted(), why.label());
        if self.warnings[why as usize].is_due() {
            tracing::warn!(url, reason, "links pass as the origin wrote them");
        } else {
            tracing::debug!(url, reason, "links pass as the origin wrote them");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_in_named_headers_are_rewritten() {
        let to = Url::parse("http://inner:8080").unwrap();
        let rewriter = Rewriter::new(links::tests::links(
            "  job: { path: \"/v1/monitor/{job}\", upstream: \"http://inner:8080/x/{job}\" }\n",
            None,
        ));
        let view = links::tests::view(&to);
        let named = [HeaderName::from_static("x-ccapi-sse-proxy")];
        let becomes = |value: &'static str| {
            let mut head = HeaderMap::new();
            for name in ["x-ccapi-sse-proxy", "x-other"] {
                head.insert(name, HeaderValue::from_static(value));
            }
            rewriter.headers(&mut head, &named, &view);
            assert_eq!(head["x-other"], value);
            head["x-ccapi-sse-proxy"].to_str().unwrap().to_owned()
        };
        let ours = "https://cue.example.com/v1/monitor/b396-6eb2b01859";
        assert_eq!(becomes("https://proxy-host:443/v1/monitor/b396-6eb2b01859"), ours);
        assert_eq!(becomes("http://inner:8080/x/b396-6eb2b01859"), ours);
        assert_eq!(becomes("/v1/monitor/b396-6eb2b01859"), ours);
        for other in ["https://proxy-host/v2/b396", "not a URL", "b396", ours, ""] {
            assert_eq!(becomes(other), other);
        }
    }
}
