//! How a stream is coded for a client (RFC 9110, 12.5.3), and the fields that say so.

use crate::channel::Coding;
use crate::config::{Compress, Source};
use hyper::header::{ACCEPT_ENCODING, CONTENT_ENCODING, HeaderMap, HeaderName, HeaderValue, VARY};
use hyper::{Request, Version};

/// What a client gets: compressed only where its source says so, and the client itself. A client of
/// HTTP/1.0 gets the stream as it is: its proxies may know no more than it does.
pub(super) fn of<B>(request: &Request<B>, source: &Source) -> Coding {
    let may = source.compress == Compress::Gzip && request.version() != Version::HTTP_10;
    match may && accepts_gzip(request.headers()) {
        true => Coding::Gzip,
        false => Coding::Identity,
    }
}

/// The fields of a stream's head that tell of it.
pub(super) fn fields(source: &Source, coding: Coding) -> impl Iterator<Item = (HeaderName, HeaderValue)> {
    let vary = (source.compress == Compress::Gzip).then(|| (VARY, HeaderValue::from_static("Accept-Encoding")));
    let encoding = (coding == Coding::Gzip).then(|| (CONTENT_ENCODING, HeaderValue::from_static("gzip")));
    vary.into_iter().chain(encoding)
}

/// Whether gzip is named, by its name or by `*`, with a weight above zero. A client that says nothing
/// takes anything by the letter, but has not asked for it. One to whom plain text is dearer gets
/// that.
fn accepts_gzip(headers: &HeaderMap) -> bool {
    let (mut gzip, mut any, mut identity) = (None, None, None);
    let values = headers.get_all(ACCEPT_ENCODING).into_iter();
    for item in values.flat_map(|value| value.as_bytes().split(|&b| b == b',')) {
        let mut parts = item.split(|&b| b == b';').map(<[u8]>::trim_ascii);
        let name = parts.next().unwrap_or_default();
        let weight = parts.find_map(weight).unwrap_or(Some(WEIGHT_MAX)).unwrap_or(0);
        let named = match name.to_ascii_lowercase().as_slice() {
            // RFC 9110, 8.4.1.3: an old name of the same.
            b"gzip" | b"x-gzip" => &mut gzip,
            b"*" => &mut any,
            b"identity" => &mut identity,
            _ => continue,
        };
        *named = Some(named.unwrap_or(0).max(weight));
    }
    let gzip = gzip.or(any).unwrap_or(0);
    gzip > 0 && gzip >= identity.unwrap_or(0)
}

/// A weight of 1, in thousandths.
const WEIGHT_MAX: u16 = 1000;

/// What a parameter says of the weight (RFC 9110, 12.4.2), in thousandths. `None`: it is another
/// parameter; `Some(None)`: it is no weight.
fn weight(parameter: &[u8]) -> Option<Option<u16>> {
    let value = parameter
        .strip_prefix(b"q=")
        .or_else(|| parameter.strip_prefix(b"Q="))?;
    let (whole, digits) = match value.split_at_checked(1) {
        Some((whole, [])) => (whole, &[][..]),
        Some((whole, [b'.', digits @ ..])) if digits.len() <= 3 => (whole, digits),
        _ => return Some(None),
    };
    let digit = |digit: &u8| digit.is_ascii_digit().then(|| u16::from(digit - b'0'));
    let thousandths = digits
        .iter()
        .zip([100, 10, 1])
        .map(|(d, times)| Some(digit(d)? * times));
    let thousandths: Option<u16> = thousandths.sum();
    Some(match (whole, thousandths) {
        (b"0", part) => part,
        (b"1", Some(0)) => Some(WEIGHT_MAX),
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn takes(values: &[&'static str]) -> bool {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(ACCEPT_ENCODING, HeaderValue::from_static(value));
        }
        accepts_gzip(&headers)
    }

    #[test]
    fn gzip_is_taken_by_those_who_say_so() {
        for values in [
            &["gzip"][..],
            &["gzip, deflate, br, zstd"],
            &["GZIP;Q=1.000"],
            &["x-gzip"],
            &["br", "deflate, gzip ; q=0.001"],
            &["*"],
            &["identity;q=0.5, *;q=0.5"],
            &["gzip;q=0.5, identity;q=0.5"],
            &["identity;q=0, gzip;q=0.1"],
            &["br;q=1.0, gzip;q=0.8, *;q=0.1"],
        ] {
            assert!(takes(values), "{values:?}");
        }
    }

    #[test]
    fn it_is_not_taken_by_others() {
        for values in [
            &[][..],
            &[""],
            &["identity"],
            &["deflate, br"],
            &["gzip;q=0"],
            &["gzip;q=0.000, *"],
            &["*;q=0"],
            &["gzip;q=0, br"],
            &["gzip;q=0.4, identity;q=0.5"],
            &["gzipped"],
            &["gzip;q=1.5"],
            &["gzip;q=0.0001"],
            &["gzip;q="],
            &["gzip;q=x"],
            &["gzip;q=-1"],
        ] {
            assert!(!takes(values), "{values:?}");
        }
    }
}
