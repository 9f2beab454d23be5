//! Requests that can't be understood: why, and the response, which has problem details as every
//! refusal, and ends the connection.

use crate::http::problem;
use crate::http::stream_head::{date, put};
use bytes::{BufMut as _, Bytes, BytesMut};
use hyper::StatusCode;

/// What is wrong with a request's head.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Malformed {
    /// The first line is no request line.
    RequestLine,
    /// The target does not have the form that the method needs (RFC 9112, 3.2).
    Target,
    /// A header field can't be parsed.
    Field,
    /// There is no valid host, or more than one (RFC 9112, 3.2).
    Host,
    /// Where the body ends can't be known for certain (RFC 9112, 6.3).
    Framing,
    /// The line is longer than a whole head may be.
    TargetTooLong,
    /// The head is longer than that, or has too many fields.
    HeadTooLarge,
    /// A version other than HTTP/1.x.
    Version,
}

impl Malformed {
    pub(crate) fn status(self) -> StatusCode {
        match self {
            Malformed::RequestLine | Malformed::Target | Malformed::Field | Malformed::Host | Malformed::Framing => {
                StatusCode::BAD_REQUEST
            }
            Malformed::TargetTooLong => StatusCode::URI_TOO_LONG,
            Malformed::HeadTooLarge => StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
            Malformed::Version => StatusCode::HTTP_VERSION_NOT_SUPPORTED,
        }
    }

    pub(crate) fn detail(self) -> &'static str {
        match self {
            Malformed::RequestLine => "the request's first line is not one of HTTP/1",
            Malformed::Target => "the request's target is none",
            Malformed::Field => "a header field of the request can't be read",
            Malformed::Host => "a request names one host",
            Malformed::Framing => "the length of the request's body is not clear",
            Malformed::TargetTooLong => "the request's target is too long",
            Malformed::HeadTooLarge => "the request's head is too large",
            Malformed::Version => "HTTP/1.0 and HTTP/1.1 are spoken here",
        }
    }

    /// The response as bytes. `to_head`: the request was a `HEAD`.
    pub(crate) fn response(self, to_head: bool) -> Bytes {
        let body = problem::details(self.status(), self.detail());
        let mut out = BytesMut::new();
        out.put_slice(format!("HTTP/1.1 {}\r\n", self.status()).as_bytes());
        put(&mut out, "content-type", problem::MEDIA_TYPE.as_bytes());
        put(&mut out, "content-length", body.len().to_string().as_bytes());
        put(&mut out, "date", date().as_slice());
        put(&mut out, "connection", b"close");
        out.put_slice(b"\r\n");
        if !to_head {
            out.put_slice(body.as_bytes());
        }
        out.freeze()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_says_why_unless_the_head_alone_was_asked_for() {
        let said = |to_head| String::from_utf8(Malformed::Host.response(to_head).to_vec()).unwrap();
        let (get, head) = (said(false), said(true));
        assert!(
            get.starts_with("HTTP/1.1 400 Bad Request\r\n") && get.ends_with('}'),
            "{get}"
        );
        assert!(head.ends_with("\r\n\r\n"), "{head}");
        let length = format!("content-length: {}\r\n", get.len() - head.len());
        assert!(get.contains(&length) && head.contains(&length));
    }
}
