//! A whole head as a request.

use super::{BodyLength, Malformed, RequestHead, host, repair, request_line};
use bytes::{Bytes, BytesMut};
use hyper::header::{CONTENT_LENGTH, HeaderMap, HeaderName, HeaderValue, TRANSFER_ENCODING};
use hyper::{Method, Request, Uri, Version};

/// Fields of a head: more than any client sends. (hyper's bound is the same.)
const FIELDS_MAX: usize = 100;

/// Parses a head, its end included.
pub(super) fn parse(mut head: BytesMut) -> Result<RequestHead, Malformed> {
    let id = repair::take_id(&mut head);
    request_line::bring_down(&mut head);
    let bytes = head.freeze();
    let mut request = read(&bytes)?;
    host::check(request.version(), request.uri(), request.headers())?;
    let body = body_length(request.version(), request.headers())?;
    if let Some(id) = id {
        request.extensions_mut().insert(id);
    }
    Ok(RequestHead { request, bytes, body })
}

fn read(bytes: &Bytes) -> Result<Request<()>, Malformed> {
    let mut fields = [httparse::EMPTY_HEADER; FIELDS_MAX];
    let mut parsed = httparse::Request::new(&mut fields);
    match parsed.parse(bytes) {
        Ok(httparse::Status::Complete(_)) => {}
        Err(httparse::Error::TooManyHeaders) => return Err(Malformed::HeadTooLarge),
        Err(httparse::Error::Token | httparse::Error::Version) => return Err(Malformed::RequestLine),
        Ok(httparse::Status::Partial) | Err(_) => return Err(Malformed::Field),
    }
    let (Some(method), Some(target), Some(minor)) = (parsed.method, parsed.path, parsed.version) else {
        return Err(Malformed::RequestLine);
    };
    let mut request = Request::new(());
    *request.method_mut() = Method::from_bytes(method.as_bytes()).map_err(|_| Malformed::RequestLine)?;
    *request.uri_mut() = self::target(request.method(), bytes.slice_ref(target.as_bytes()))?;
    *request.version_mut() = if minor == 0 { Version::HTTP_10 } else { Version::HTTP_11 };
    let headers = request.headers_mut();
    headers.reserve(parsed.headers.len());
    for field in parsed.headers.iter() {
        let name = HeaderName::from_bytes(field.name.as_bytes()).map_err(|_| Malformed::Field)?;
        // No copy: a field is a part of the head's bytes.
        let value = HeaderValue::from_maybe_shared(bytes.slice_ref(field.value)).map_err(|_| Malformed::Field)?;
        headers.append(name, value);
    }
    Ok(request)
}

/// A target in the form that its method needs (RFC 9112, 3.2).
fn target(method: &Method, target: Bytes) -> Result<Uri, Malformed> {
    const TARGET_BYTES_MAX: usize = u16::MAX as usize - 1;
    if target.len() > TARGET_BYTES_MAX {
        return Err(Malformed::TargetTooLong);
    }
    let uri = Uri::from_maybe_shared(target).map_err(|_| Malformed::Target)?;
    let has_form = match (uri.scheme(), uri.authority(), uri.path()) {
        (None, Some(_), _) => method == Method::CONNECT,
        (None, None, "*") => method == Method::OPTIONS,
        _ => method != Method::CONNECT,
    };
    has_form.then_some(uri).ok_or(Malformed::Target)
}

/// RFC 9112, 6.3. What two readers could understand differently is refused.
fn body_length(version: Version, headers: &HeaderMap) -> Result<BodyLength, Malformed> {
    let mut lengths = headers.get_all(CONTENT_LENGTH).iter();
    let (length, more) = (lengths.next(), lengths.next());
    if more.is_some() {
        return Err(Malformed::Framing);
    }
    if let Some(codings) = headers.get_all(TRANSFER_ENCODING).iter().next_back() {
        let last = codings
            .as_bytes()
            .rsplit(|&byte| byte == b',')
            .next()
            .unwrap_or_default();
        let is_chunked = last.trim_ascii().eq_ignore_ascii_case(b"chunked");
        if length.is_some() || version == Version::HTTP_10 || !is_chunked {
            return Err(Malformed::Framing);
        }
        return Ok(BodyLength::Chunked);
    }
    let Some(length) = length else {
        return Ok(BodyLength::Known(0));
    };
    let digits = length.as_bytes();
    let is_number = !digits.is_empty() && digits.iter().all(u8::is_ascii_digit);
    let length = std::str::from_utf8(digits).ok().filter(|_| is_number);
    let length = length.and_then(|length| length.parse().ok());
    length.map(BodyLength::Known).ok_or(Malformed::Framing)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(head: &str) -> Result<RequestHead, Malformed> {
        parse(BytesMut::from(head))
    }

    fn with(fields: &str) -> Result<BodyLength, Malformed> {
        parsed(&format!("POST / HTTP/1.1\r\nHost: a\r\n{fields}\r\n")).map(|head| head.body)
    }

    #[test]
    fn where_a_body_ends_is_clear_or_it_is_refused() {
        for (fields, expected) in [
            ("", Ok(BodyLength::Known(0))),
            ("Content-Length: 0\r\n", Ok(BodyLength::Known(0))),
            ("Content-Length: 17\r\n", Ok(BodyLength::Known(17))),
            ("Transfer-Encoding: Chunked\r\n", Ok(BodyLength::Chunked)),
            ("Transfer-Encoding: gzip, chunked\r\n", Ok(BodyLength::Chunked)),
            ("Content-Length: 5\r\nContent-Length: 5\r\n", Err(Malformed::Framing)),
            ("Content-Length: 5, 5\r\n", Err(Malformed::Framing)),
            ("Content-Length: +5\r\n", Err(Malformed::Framing)),
            ("Content-Length: 0x5\r\n", Err(Malformed::Framing)),
            ("Content-Length:\r\n", Err(Malformed::Framing)),
            ("Content-Length: 99999999999999999999\r\n", Err(Malformed::Framing)),
            (
                "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
                Err(Malformed::Framing),
            ),
            ("Transfer-Encoding: chunked, gzip\r\n", Err(Malformed::Framing)),
            ("Transfer-Encoding: xchunked\r\n", Err(Malformed::Framing)),
            ("Transfer-Encoding:\r\n", Err(Malformed::Framing)),
            ("Transfer-Encoding : chunked\r\n", Err(Malformed::Field)),
            (" folded\r\n", Err(Malformed::Field)),
            ("A: b\r\n folded\r\n", Err(Malformed::Field)),
            ("A: b\rC: d\r\n", Err(Malformed::Field)),
            ("A: \0\r\n", Err(Malformed::Field)),
            ("A\r\n", Err(Malformed::Field)),
            (": b\r\n", Err(Malformed::Field)),
        ] {
            assert_eq!(with(fields), expected, "{fields:?}");
        }
        let old = parsed("POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n");
        assert_eq!(old.err(), Some(Malformed::Framing));
    }

    #[test]
    fn a_target_has_the_form_of_its_method() {
        for (line, path) in [
            ("GET /a?b", "/a"),
            ("GET http://b/a", "/a"),
            ("GET //b/a", "//b/a"),
            ("OPTIONS *", "*"),
            ("OPTIONS http://b", "/"),
            ("CONNECT b:80", ""),
        ] {
            let head = parsed(&format!("{line} HTTP/1.1\r\nHost: b\r\n\r\n")).expect(line);
            assert_eq!(head.request.uri().path(), path, "{line}");
        }
        for line in ["GET *", "GET a", "GET b:80", "CONNECT /a", "CONNECT http://b/"] {
            let refused = parsed(&format!("{line} HTTP/1.1\r\nHost: b\r\n\r\n"));
            assert_eq!(refused.err(), Some(Malformed::Target), "{line}");
        }
    }

    #[test]
    fn one_host_is_named() {
        for (head, is_fine) in [
            ("GET / HTTP/1.1\r\n\r\n", false),
            ("GET / HTTP/1.0\r\n\r\n", true),
            ("GET / HTTP/1.0\r\nHost: a b\r\n\r\n", false),
            ("GET / HTTP/1.1\r\nHost: a_b\r\n\r\n", true),
            ("GET / HTTP/1.1\r\nHost:\r\n\r\n", false),
            ("GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n", false),
            ("GET / HTTP/1.2\r\nHost: a\r\n\r\n", true),
            ("GET / HTTP/1.2\r\n\r\n", false),
            ("GET http://a/ HTTP/1.1\r\n\r\n", false),
            ("GET http://a/ HTTP/1.1\r\nHost: b\r\n\r\n", true),
            ("GET http://u@a/ HTTP/1.1\r\nHost: a\r\n\r\n", false),
        ] {
            let refused = parsed(head).err();
            assert_eq!(refused.is_none(), is_fine, "{head:?}: {refused:?}");
            assert!(
                refused.is_none_or(|why| why == Malformed::Host),
                "{head:?}: {refused:?}"
            );
        }
    }

    #[test]
    fn a_hundred_fields_are_enough() {
        let fields = |count: usize| "A: b\r\n".repeat(count - 1);
        assert!(with(&fields(FIELDS_MAX)).is_ok());
        assert_eq!(with(&fields(FIELDS_MAX + 1)), Err(Malformed::HeadTooLarge));
    }
}
