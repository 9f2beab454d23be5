//! Whether an answer is an event stream (9.2.3 of the HTML standard), and if not, why not.

use super::backoff::retry_after;
use super::{Failure, Reason};
use hyper::header::{CONTENT_ENCODING, CONTENT_TYPE, HeaderMap, HeaderName, RETRY_AFTER};
use hyper::http::response::Parts;
use std::time::{Duration, SystemTime};

/// As much of a header of the origin's as a failure quotes, in bytes.
const QUOTED_BYTES_MAX: usize = 80;

/// What an answer means.
#[derive(Debug)]
pub(super) enum Meaning {
    /// The body is an event stream.
    Stream,
    /// 204: the stream has ended for good.
    Ended,
    /// Neither.
    Failure(Refusal),
}

/// A failed attempt, with what the origin asked of the next one.
#[derive(Debug)]
pub(super) struct Refusal {
    /// What status, sink, log and metrics are told.
    pub(super) failure: Failure,
    /// How long the origin asks to be left alone.
    pub(super) retry_after: Option<Duration>,
}

impl From<Failure> for Refusal {
    fn from(failure: Failure) -> Self {
        Self {
            failure,
            retry_after: None,
        }
    }
}

/// Reads the head of an answer to a request for a stream.
pub(super) fn meaning(head: &Parts) -> Meaning {
    match head.status.as_u16() {
        200 => {}
        204 => return Meaning::Ended,
        _ => return Meaning::Failure(refusal(head)),
    }
    if !is_event_stream(&head.headers) {
        let detail = match quoted(&head.headers, &CONTENT_TYPE) {
            Some(value) => format!("answers with {value}, not with text/event-stream"),
            None => "answers without a content type".to_owned(),
        };
        return Meaning::Failure(with_status(200, Reason::ContentType, detail).into());
    }
    if let Err(detail) = plain(&head.headers) {
        return Meaning::Failure(with_status(200, Reason::ContentEncoding, detail).into());
    }
    Meaning::Stream
}

/// A status that is not the one asked for.
pub(super) fn refusal(head: &Parts) -> Refusal {
    let status = head.status.as_u16();
    let failure = with_status(status, Reason::Status, format!("HTTP {}", head.status));
    let told = matches!(status, 429 | 503)
        .then(|| head.headers.get(RETRY_AFTER))
        .flatten();
    let told = told.and_then(|value| value.to_str().ok());
    Refusal {
        failure,
        retry_after: told.and_then(|field| retry_after(field, SystemTime::now())),
    }
}

fn with_status(status: u16, reason: Reason, detail: String) -> Failure {
    Failure {
        status: Some(status),
        ..Failure::new(reason, detail)
    }
}

/// Whether the body came as it is; else what it is wrapped in.
pub(super) fn plain(headers: &HeaderMap) -> Result<(), String> {
    let plain = headers.get_all(CONTENT_ENCODING).iter().all(|value| {
        let value = value.as_bytes().trim_ascii();
        value.is_empty() || value.eq_ignore_ascii_case(b"identity")
    });
    if plain {
        return Ok(());
    }
    let encoding = quoted(headers, &CONTENT_ENCODING).unwrap_or_default();
    Err(format!(
        "answers with content encoding {encoding} though it was not asked for"
    ))
}

/// The essence of the MIME type, whatever parameters follow.
pub(super) fn is_event_stream(headers: &HeaderMap) -> bool {
    let Some(value) = headers.get(CONTENT_TYPE) else {
        return false;
    };
    let essence = value.as_bytes().split(|byte| *byte == b';').next().unwrap_or_default();
    essence.trim_ascii().eq_ignore_ascii_case(b"text/event-stream")
}

/// A header's value for a message: bounded, and harmless in a terminal.
fn quoted(headers: &HeaderMap, name: &HeaderName) -> Option<String> {
    let value = headers.get(name)?.as_bytes();
    let shown = &value[..value.len().min(QUOTED_BYTES_MAX)];
    Some(format!("{:?}", String::from_utf8_lossy(shown)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use hyper::Response;

    fn judged(status: u16, headers: &[(&str, &str)]) -> Result<&'static str, (Reason, String)> {
        let mut response = Response::builder().status(status);
        for (name, value) in headers {
            response = response.header(*name, *value);
        }
        match meaning(&response.body(()).unwrap().into_parts().0) {
            Meaning::Stream => Ok("stream"),
            Meaning::Ended => Ok("ended"),
            Meaning::Failure(refused) => Err((refused.failure.reason, refused.failure.detail)),
        }
    }

    #[test]
    fn an_event_stream_is_known_by_its_type() {
        for value in [
            "text/event-stream",
            "Text/Event-Stream; charset=utf-8",
            "text/event-stream;",
            " text/event-stream ;x",
        ] {
            assert_eq!(judged(200, &[("content-type", value)]), Ok("stream"), "{value}");
        }
        for value in [
            "text/html",
            "text/event-streams",
            "text/event",
            "",
            "application/text/event-stream",
        ] {
            assert_eq!(
                judged(200, &[("content-type", value)]).unwrap_err().0,
                Reason::ContentType,
                "{value}"
            );
        }
        assert_eq!(judged(200, &[]).unwrap_err().0, Reason::ContentType);
    }

    #[test]
    fn an_encoding_that_was_not_asked_for_is_named() {
        let stream = ("content-type", "text/event-stream");
        assert_eq!(judged(200, &[stream, ("content-encoding", "Identity")]), Ok("stream"));
        let (reason, detail) = judged(200, &[stream, ("content-encoding", "gzip")]).unwrap_err();
        assert_eq!(reason, Reason::ContentEncoding);
        assert!(detail.contains("gzip"), "{detail}");
    }

    #[test]
    fn only_200_is_a_stream_and_only_204_its_end() {
        let stream = [("content-type", "text/event-stream")];
        assert_eq!(judged(204, &[]), Ok("ended"));
        for status in [201, 205, 206, 300, 304, 400, 401, 404, 410, 429, 500, 503] {
            assert_eq!(judged(status, &stream).unwrap_err().0, Reason::Status, "{status}");
        }
    }

    #[test]
    fn what_is_quoted_is_bounded_and_escaped() {
        let long = "\u{1b}[31m".repeat(100);
        let mut headers = HeaderMap::new();
        headers.insert(
            CONTENT_TYPE,
            hyper::header::HeaderValue::from_bytes(long.replace('\u{1b}', "\u{9b}").as_bytes()).unwrap(),
        );
        let shown = quoted(&headers, &CONTENT_TYPE).unwrap();
        assert!(shown.len() < 500 && !shown.contains('\u{9b}'), "{shown}");
    }
}
