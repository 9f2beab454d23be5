//! How an answer's body is framed, by its head (RFC 9112, 6.3).
//!
//! What can be read in two ways is refused: another reader on the way may have read it in the other
//! one.

use super::decoder::Decoder;
use hyper::header::{CONTENT_LENGTH, HeaderMap, HeaderName, TRANSFER_ENCODING};
use hyper::http::response::Parts;
use hyper::{StatusCode, Version};

/// The decoder of the body behind this head, which answers a GET; or what is wrong with it.
pub(super) fn decoder(head: &Parts) -> Result<Decoder, &'static str> {
    if head.status.is_informational() || matches!(head.status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED) {
        return Ok(Decoder::length(0));
    }
    let length = content_length(&head.headers)?;
    if !head.headers.contains_key(TRANSFER_ENCODING) {
        return Ok(length.map_or_else(Decoder::until_close, Decoder::length));
    }
    if head.version != Version::HTTP_11 {
        return Err("a transfer coding in HTTP/1.0");
    }
    let codings: Vec<_> = list(&head.headers, &TRANSFER_ENCODING).collect();
    match codings[..] {
        // It says nothing, and old servers say it.
        [coding] if coding.eq_ignore_ascii_case(b"identity") => {
            Ok(length.map_or_else(Decoder::until_close, Decoder::length))
        }
        [coding] if !coding.eq_ignore_ascii_case(b"chunked") => Err("a transfer coding that was not asked for"),
        [_] if length.is_some() => Err("both a transfer coding and a content length"),
        [_] => Ok(Decoder::chunked()),
        _ => Err("transfer codings other than chunked"),
    }
}

/// The length that is named, however often.
fn content_length(headers: &HeaderMap) -> Result<Option<u64>, &'static str> {
    let mut length = None;
    for value in list(headers, &CONTENT_LENGTH) {
        let named = number(value).ok_or("a content length that is no number")?;
        if length.is_some_and(|length| length != named) {
            return Err("several content lengths");
        }
        length = Some(named);
    }
    match length {
        None if headers.contains_key(CONTENT_LENGTH) => Err("a content length that is no number"),
        length => Ok(length),
    }
}

/// The elements of a field, over all its lines (RFC 9110, 5.6.1: empty ones are none).
fn list<'a>(headers: &'a HeaderMap, name: &HeaderName) -> impl Iterator<Item = &'a [u8]> {
    let lines = headers.get_all(name).into_iter();
    let elements = lines.flat_map(|line| line.as_bytes().split(|byte| *byte == b','));
    elements.map(<[u8]>::trim_ascii).filter(|element| !element.is_empty())
}

fn number(digits: &[u8]) -> Option<u64> {
    let digits = str::from_utf8(digits).ok()?;
    // A sign is no digit.
    digits
        .bytes()
        .all(|byte| byte.is_ascii_digit())
        .then(|| digits.parse().ok())?
}

#[cfg(test)]
mod tests {
    use super::*;
    use hyper::Response;

    fn framed(version: Version, status: u16, lines: &[(&str, &str)]) -> Result<Decoder, &'static str> {
        let mut head = Response::builder().status(status).version(version);
        for (name, value) in lines {
            head = head.header(*name, *value);
        }
        decoder(&head.body(()).unwrap().into_parts().0)
    }

    #[test]
    fn each_way_to_frame_a_body() {
        let (te, length) = ("transfer-encoding", "content-length");
        for (lines, expected) in [
            (&[][..], Decoder::until_close()),
            (&[(length, "7")], Decoder::length(7)),
            (&[(length, "7"), (length, "7, 7")], Decoder::length(7)),
            (&[(length, "18446744073709551615")], Decoder::length(u64::MAX)),
            (&[(te, "chunked")], Decoder::chunked()),
            (&[(te, " Chunked,")], Decoder::chunked()),
            (&[(te, "identity")], Decoder::until_close()),
            (&[(te, "identity"), (length, "7")], Decoder::length(7)),
        ] {
            assert_eq!(framed(Version::HTTP_11, 200, lines), Ok(expected), "{lines:?}");
        }
        for status in [101, 204, 304] {
            let framed = framed(Version::HTTP_11, status, &[(te, "chunked"), (length, "x")]);
            assert_eq!(framed, Ok(Decoder::length(0)), "{status}");
        }
        assert_eq!(framed(Version::HTTP_10, 200, &[(length, "7")]), Ok(Decoder::length(7)));
    }

    #[test]
    fn what_can_be_read_in_two_ways_is_refused() {
        let (te, length) = ("transfer-encoding", "content-length");
        for lines in [
            &[(te, "chunked"), (length, "7")][..],
            &[(length, "7"), (length, "8")],
            &[(length, "7, 8")],
            &[(length, "")],
            &[(length, "+7")],
            &[(length, "-1")],
            &[(length, "7 8")],
            &[(length, "0x7")],
            &[(length, "18446744073709551616")],
            &[(te, "")],
            &[(te, "gzip")],
            &[(te, "gzip, chunked")],
            &[(te, "chunked, chunked")],
            &[(te, "chunked"), (te, "identity")],
            &[(te, "xchunked")],
            &[(te, "chunked;q=1")],
        ] {
            assert!(framed(Version::HTTP_11, 200, lines).is_err(), "{lines:?}");
        }
        assert!(framed(Version::HTTP_10, 200, &[(te, "chunked")]).is_err());
    }
}
