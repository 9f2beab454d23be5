//! A decoded header list as a request (RFC 9113, 8.3), or why it is none.

use super::response::NOT_IN_TRAILERS;
use bytes::{BufMut as _, Bytes, BytesMut};
use hyper::header::{CONTENT_LENGTH, COOKIE, HOST, HeaderMap, HeaderName, HeaderValue, TE};
use hyper::http::uri::PathAndQuery;
use hyper::{Method, Request, Uri, Version};

/// A request without its body. Its target is a path, as in HTTP/1.1, and what `:authority` said is
/// its `Host`.
#[derive(Debug)]
pub struct RequestHead {
    /// Method, target and fields; cookies in one piece.
    pub request: Request<()>,
    /// Length of the body, if it was said.
    pub(super) length: Option<u64>,
}

impl RequestHead {
    /// Length of the body, if it was said.
    pub fn length(&self) -> Option<u64> {
        self.length
    }
}

/// A last event ID that no header can hold, beside its request (an extension of it).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LastEventId(pub Bytes);

/// Why a header list is no request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Malformed {
    /// Something that HTTP/2 forbids (RFC 9113, 8.1.1): the stream is reset.
    Forbidden(&'static str),
    /// More fields or bytes than are read.
    TooLarge,
    /// No host is named, or several are.
    Host,
}

/// Where a header list comes in, field by field.
#[derive(Debug, Default)]
pub(super) struct Collector {
    method: Option<Method>,
    scheme: bool,
    authority: Option<Bytes>,
    path: Option<Bytes>,
    headers: HeaderMap,
    cookies: BytesMut,
    last_event_id: Option<Bytes>,
    length: Option<u64>,
    has_fields: bool,
    count: usize,
    bytes: usize,
    wrong: Option<Malformed>,
}

impl Collector {
    pub(super) fn field(&mut self, name: &[u8], value: &[u8]) {
        self.count += 1;
        self.bytes += name.len() + value.len() + 32;
        if self.wrong.is_none()
            && let Err(wrong) = self.take(name, value)
        {
            self.wrong = Some(wrong);
        }
    }

    fn take(&mut self, name: &[u8], value: &[u8]) -> Result<(), Malformed> {
        match name.strip_prefix(b":") {
            Some(pseudo) => self.pseudo(pseudo, value),
            None => self.regular(name, value),
        }
    }

    /// RFC 9113, 8.3: before all others, each once, and no unknown one.
    fn pseudo(&mut self, name: &[u8], value: &[u8]) -> Result<(), Malformed> {
        if self.has_fields {
            return Err(Malformed::Forbidden("a pseudo-header field behind the others"));
        }
        let is_first = match name {
            b"method" => {
                let method = Method::from_bytes(value).map_err(|_| Malformed::Forbidden("a method that is none"))?;
                self.method.replace(method).is_none()
            }
            b"scheme" => !std::mem::replace(&mut self.scheme, true),
            b"authority" => self.authority.replace(Bytes::copy_from_slice(value)).is_none(),
            b"path" => self.path.replace(Bytes::copy_from_slice(value)).is_none(),
            _ => return Err(Malformed::Forbidden("an unknown pseudo-header field")),
        };
        is_first
            .then_some(())
            .ok_or(Malformed::Forbidden("a pseudo-header field twice"))
    }

    fn regular(&mut self, name: &[u8], value: &[u8]) -> Result<(), Malformed> {
        self.has_fields = true;
        check_value(value)?;
        let name = field_name(name)?;
        if name == COOKIE {
            // RFC 9113, 8.2.3: crumbs, which HTTP/1.1 knows as one field.
            if !self.cookies.is_empty() {
                self.cookies.put_slice(b"; ");
            }
            self.cookies.put_slice(value);
            return Ok(());
        }
        let field = match HeaderValue::from_bytes(value) {
            Ok(field) => field,
            // Browsers send the id of the last event as it is.
            Err(_) if name == "last-event-id" => {
                self.last_event_id = Some(Bytes::copy_from_slice(value));
                return Ok(());
            }
            Err(_) => return Err(Malformed::Forbidden("a field that can hold no such value")),
        };
        match name {
            TE if !value.eq_ignore_ascii_case(b"trailers") => {
                return Err(Malformed::Forbidden("a transfer coding"));
            }
            CONTENT_LENGTH => self.set_length(value)?,
            _ => {}
        }
        self.headers.append(name, field);
        Ok(())
    }

    fn set_length(&mut self, value: &[u8]) -> Result<(), Malformed> {
        let wrong = Malformed::Forbidden("a length that is none");
        let is_number = !value.is_empty() && value.iter().all(u8::is_ascii_digit);
        let text = std::str::from_utf8(value).ok().filter(|_| is_number).ok_or(wrong)?;
        let length = text.parse().map_err(|_| wrong)?;
        match self.length.replace(length) {
            None => Ok(()),
            Some(_) => Err(Malformed::Forbidden("a length twice")),
        }
    }

    /// The request, once the list is whole; `fields_max` and `bytes_max`: what is read of one.
    pub(super) fn into_request(self, fields_max: usize, bytes_max: usize) -> Result<RequestHead, Malformed> {
        if let Some(wrong) = self.wrong {
            return Err(wrong);
        }
        if self.count > fields_max || self.bytes > bytes_max {
            return Err(Malformed::TooLarge);
        }
        let method = self.method.ok_or(Malformed::Forbidden("no method"))?;
        let uri = target(&method, self.scheme, self.path, self.authority.as_deref())?;
        let mut request = Request::new(());
        let mut headers = self.headers;
        set_host(&mut headers, self.authority)?;
        if !self.cookies.is_empty() {
            let cookies = HeaderValue::from_maybe_shared(self.cookies.freeze());
            headers.insert(
                COOKIE,
                cookies.map_err(|_| Malformed::Forbidden("a cookie that is none"))?,
            );
        }
        *request.method_mut() = method;
        *request.uri_mut() = uri;
        *request.version_mut() = Version::HTTP_2;
        *request.headers_mut() = headers;
        if let Some(id) = self.last_event_id {
            request.extensions_mut().insert(LastEventId(id));
        }
        Ok(RequestHead {
            request,
            length: self.length,
        })
    }

    /// Whether the list may stand behind a body (RFC 9113, 8.1).
    pub(super) fn is_trailers(&self) -> bool {
        let has_pseudo = self.method.is_some() || self.scheme || self.authority.is_some() || self.path.is_some();
        self.wrong.is_none() && !has_pseudo
    }

    /// The fields of such a list that may stand there; `None`: there are none, or more than are read.
    pub(super) fn into_trailers(self, fields_max: usize, bytes_max: usize) -> Option<HeaderMap> {
        let is_read = self.count <= fields_max && self.bytes <= bytes_max;
        let mut fields = self.headers;
        NOT_IN_TRAILERS.iter().for_each(|name| drop(fields.remove(name)));
        (is_read && !fields.is_empty()).then_some(fields)
    }
}

/// RFC 9113, 8.2: names are in lower case, and those of a connection have no meaning.
fn field_name(name: &[u8]) -> Result<HeaderName, Malformed> {
    if name.iter().any(u8::is_ascii_uppercase) {
        return Err(Malformed::Forbidden("a name in upper case"));
    }
    if matches!(
        name,
        b"connection" | b"keep-alive" | b"proxy-connection" | b"transfer-encoding" | b"upgrade"
    ) {
        return Err(Malformed::Forbidden("a field of a connection"));
    }
    HeaderName::from_bytes(name).map_err(|_| Malformed::Forbidden("a name that is none"))
}

/// RFC 9113, 8.2.1.
fn check_value(value: &[u8]) -> Result<(), Malformed> {
    let is_blank = |byte: Option<&u8>| byte.is_some_and(|byte| matches!(byte, b' ' | b'\t'));
    if value.iter().any(|byte| matches!(byte, 0 | b'\r' | b'\n')) || is_blank(value.first()) || is_blank(value.last()) {
        return Err(Malformed::Forbidden("a value that is none"));
    }
    Ok(())
}

/// RFC 9113, 8.3.1 and 8.5.
fn target(method: &Method, has_scheme: bool, path: Option<Bytes>, authority: Option<&[u8]>) -> Result<Uri, Malformed> {
    let wrong = Malformed::Forbidden("a target that is none");
    if method == Method::CONNECT {
        let (Some(authority), None, false) = (authority, path, has_scheme) else {
            return Err(wrong);
        };
        return Uri::try_from(authority).map_err(|_| wrong);
    }
    let path = path.filter(|_| has_scheme).ok_or(wrong)?;
    match &path[..] {
        b"*" if method == Method::OPTIONS => {}
        [b'/', ..] if !path.contains(&b'#') => {}
        _ => return Err(wrong),
    }
    let path = PathAndQuery::from_maybe_shared(path).map_err(|_| wrong)?;
    let mut parts = hyper::http::uri::Parts::default();
    parts.path_and_query = Some(path);
    Uri::from_parts(parts).map_err(|_| wrong)
}

/// What `:authority` said is the host; a `Host` beside it says the same (RFC 9113, 8.3.1).
fn set_host(headers: &mut HeaderMap, authority: Option<Bytes>) -> Result<(), Malformed> {
    let mut named = headers.get_all(HOST).iter();
    let (host, more) = (named.next(), named.next());
    if more.is_some() {
        return Err(Malformed::Host);
    }
    match (authority, host) {
        (Some(authority), Some(host)) if !authority.eq_ignore_ascii_case(host.as_bytes()) => {
            Err(Malformed::Forbidden("two hosts"))
        }
        (Some(authority), None) => {
            let host = HeaderValue::from_maybe_shared(authority).map_err(|_| Malformed::Host)?;
            headers.insert(HOST, host);
            Ok(())
        }
        (Some(_), Some(_)) | (None, Some(_)) => Ok(()),
        (None, None) => Err(Malformed::Host),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GET: [(&str, &str); 4] = [
        (":method", "GET"),
        (":scheme", "http"),
        (":path", "/a?b"),
        (":authority", "h:80"),
    ];

    fn request(fields: &[(&str, &str)]) -> Result<RequestHead, Malformed> {
        let mut collector = Collector::default();
        for (name, value) in fields {
            collector.field(name.as_bytes(), value.as_bytes());
        }
        collector.into_request(20, 1000)
    }

    fn with(more: &[(&str, &str)]) -> Result<RequestHead, Malformed> {
        request(&[&GET[..], more].concat())
    }

    #[test]
    fn a_list_becomes_a_request_as_http_1_has_it() {
        let head = with(&[
            ("cookie", "a=1"),
            ("accept", "x"),
            ("cookie", "b=2"),
            ("content-length", "7"),
        ])
        .expect("one");
        let request = head.request;
        assert_eq!(
            (request.uri().to_string(), request.version()),
            ("/a?b".to_owned(), Version::HTTP_2)
        );
        assert_eq!(request.headers()[HOST], "h:80");
        assert_eq!(request.headers()[COOKIE], "a=1; b=2");
        assert_eq!(head.length, Some(7));
        let by_host = self::request(&[GET[0], GET[1], GET[2], ("host", "h")]).expect("one");
        assert_eq!(by_host.request.headers()[HOST], "h");
        let options = self::request(&[(":method", "OPTIONS"), GET[1], (":path", "*"), GET[3]]).expect("one");
        assert_eq!(options.request.uri().path(), "*");
        let connect = self::request(&[(":method", "CONNECT"), GET[3]]).expect("one");
        assert_eq!(connect.request.method(), Method::CONNECT);
    }

    #[test]
    fn an_id_that_no_header_holds_comes_beside_the_request() {
        let head = with(&[("last-event-id", "a\u{1}b")]).expect("one");
        let id = head.request.extensions().get::<LastEventId>().expect("an id");
        assert_eq!(&id.0[..], b"a\x01b");
        assert!(!head.request.headers().contains_key("last-event-id"));
    }

    #[test]
    fn what_is_no_request_is_refused() {
        for fields in [
            &[][..],
            &GET[1..],
            &[GET[0], GET[1], GET[3]],
            &[GET[0], GET[2], GET[3]],
            &[GET[0], GET[1], (":path", ""), GET[3]],
            &[GET[0], GET[1], (":path", "a"), GET[3]],
            &[GET[0], GET[1], (":path", "*"), GET[3]],
            &[GET[0], GET[1], (":path", "/a#b"), GET[3]],
            &[GET[0], GET[1], (":path", "/a b"), GET[3]],
            &[(":method", "a b"), GET[1], GET[2], GET[3]],
            &[GET[0], GET[0], GET[1], GET[2], GET[3]],
            &[("a", "b"), GET[0], GET[1], GET[2], GET[3]],
            &[(":method", "CONNECT"), GET[1], GET[2], GET[3]],
            &[(":method", "CONNECT")],
        ] {
            assert!(matches!(request(fields), Err(Malformed::Forbidden(_))), "{fields:?}");
        }
        for field in [
            (":status", "200"),
            (":protocol", "websocket"),
            ("Accept", "a"),
            ("connection", "close"),
            ("keep-alive", "1"),
            ("proxy-connection", "a"),
            ("transfer-encoding", "chunked"),
            ("upgrade", "websocket"),
            ("te", "gzip"),
            ("a", " b"),
            ("a", "b\t"),
            ("a", "b\r\nc: d"),
            ("a", "b\0"),
            ("a", "\u{1}"),
            ("a b", "c"),
            ("", "c"),
            ("content-length", "1x"),
            ("content-length", "+1"),
            ("content-length", ""),
            ("content-length", "99999999999999999999"),
            ("host", "other"),
        ] {
            assert!(matches!(with(&[field]), Err(Malformed::Forbidden(_))), "{field:?}");
        }
        assert!(with(&[("te", "trailers"), ("host", "H:80")]).is_ok());
        assert!(matches!(
            with(&[("content-length", "1"); 2]),
            Err(Malformed::Forbidden(_))
        ));
        assert_eq!(request(&GET[..3]).err(), Some(Malformed::Host));
        assert_eq!(with(&[("host", "h:80"); 2]).err(), Some(Malformed::Host));
        assert_eq!(with(&[("a", "b"); 17]).err(), Some(Malformed::TooLarge));
        assert_eq!(
            with(&[("a", "b".repeat(900).as_str())]).err(),
            Some(Malformed::TooLarge)
        );
    }
}
