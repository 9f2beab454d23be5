//! The request's head, as bytes (RFC 9112, 3).

use bytes::{BufMut as _, Bytes, BytesMut};
use http_body_util::Empty;
use hyper::Request;
use hyper::header::{CONTENT_LENGTH, TRANSFER_ENCODING};

/// What is allocated at once: more than a request without cookies takes.
const USUAL_BYTES: usize = 512;

/// The bytes of this request. It has no body, so nothing says how long it is.
pub(super) fn head(request: &Request<Empty<Bytes>>) -> Bytes {
    let mut bytes = BytesMut::with_capacity(USUAL_BYTES);
    let path = request.uri().path_and_query().map_or("/", |path| path.as_str());
    for part in [request.method().as_str(), " ", path, " HTTP/1.1\r\n"] {
        bytes.put_slice(part.as_bytes());
    }
    for (name, value) in request.headers() {
        if *name == CONTENT_LENGTH || *name == TRANSFER_ENCODING {
            continue;
        }
        put_name(&mut bytes, name.as_str());
        bytes.put_slice(b": ");
        bytes.put_slice(value.as_bytes());
        bytes.put_slice(b"\r\n");
    }
    bytes.put_slice(b"\r\n");
    bytes.freeze()
}

/// Origins that compare names by case expect them as documents write them.
fn put_name(bytes: &mut BytesMut, name: &str) {
    let mut begins = true;
    for byte in name.bytes() {
        bytes.put_u8(if begins { byte.to_ascii_uppercase() } else { byte });
        begins = byte == b'-';
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_as_bytes() {
        let request = Request::get("/a?b=c")
            .header("host", "h:81")
            .header("last-event-id", &b"\xc3\xbc"[..])
            .header("content-length", "5")
            .header("x-a", "1")
            .header("x-a", "2")
            .body(Empty::new())
            .unwrap();
        let expected = b"GET /a?b=c HTTP/1.1\r\nHost: h:81\r\nLast-Event-Id: \xc3\xbc\r\nX-A: 1\r\nX-A: 2\r\n\r\n";
        assert_eq!(&head(&request)[..], expected);
    }
}
