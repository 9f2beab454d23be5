//! What an answer's head says of its body, and what it says when the body is another.

use super::passthrough::PassthroughReason;
use hyper::StatusCode;
use hyper::header::{
    ACCEPT_RANGES, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, ETAG, HeaderMap, HeaderName, HeaderValue,
};
use hyper::http::response::Parts;

/// Digests of the origin's bytes (RFC 9530, and its elders).
pub(super) const DIGESTS: [HeaderName; 4] = [
    HeaderName::from_static("content-digest"),
    HeaderName::from_static("content-md5"),
    HeaderName::from_static("digest"),
    HeaderName::from_static("repr-digest"),
];

/// Whether an answer can hold links (RFC 7303, 8 and 9): XML of any kind, if it comes with a body
/// of its own.
pub(in crate::proxy) fn may_hold_links(parts: &Parts) -> bool {
    let bodiless =
        parts.status.is_informational() || matches!(parts.status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED);
    !bodiless && is_xml(&parts.headers)
}

pub(in crate::proxy) fn is_xml(headers: &HeaderMap) -> bool {
    let Some(value) = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()) else {
        return false;
    };
    let essence = value.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    matches!(essence.as_str(), "application/xml" | "text/xml") || essence.ends_with("+xml")
}

/// What the content type says of the characters.
pub(super) fn charset(headers: &HeaderMap) -> Option<String> {
    let value = headers.get(CONTENT_TYPE)?.to_str().ok()?;
    value.split(';').skip(1).find_map(|pair| {
        let (name, value) = pair.split_once('=')?;
        let is_charset = name.trim().eq_ignore_ascii_case("charset");
        is_charset.then(|| value.trim().trim_matches('"').to_owned())
    })
}

/// What can be seen from the head.
pub(super) fn passthrough_reason(parts: &Parts, max: usize) -> Option<PassthroughReason> {
    let is_identity = |value: &HeaderValue| value.as_bytes().trim_ascii().eq_ignore_ascii_case(b"identity");
    if !parts.headers.get_all(CONTENT_ENCODING).iter().all(is_identity) {
        return Some(PassthroughReason::ContentEncoding);
    }
    let length = parts.headers.get(CONTENT_LENGTH)?.to_str().ok()?;
    let is_larger = length.trim().parse::<u64>().is_ok_and(|length| length > max as u64);
    is_larger.then_some(PassthroughReason::TooLarge)
}

/// The head of a representation that is not the origin's any more.
pub(super) fn changed(headers: &mut HeaderMap) {
    DIGESTS.iter().for_each(|name| drop(headers.remove(name)));
    headers.remove(ACCEPT_RANGES);
    // RFC 9110, 8.8.1: not the same bytes, but the same in meaning.
    if let Some(weak) = headers.get(ETAG).and_then(weak_form) {
        headers.insert(ETAG, weak);
    }
}

/// The head of a 304 has the validator that the 200 had (RFC 9110, 15.4.5). `known`: what the
/// client says it has; by our weak form of the origin's strong validator it has what was rewritten.
pub(in crate::proxy) fn unchanged(headers: &mut HeaderMap, known: &[HeaderValue]) {
    let Some(weak) = headers.get(ETAG).and_then(weak_form) else {
        return;
    };
    let is_weak = |value: &HeaderValue| memchr::memmem::find(value.as_bytes(), weak.as_bytes()).is_some();
    if known.iter().any(is_weak) {
        headers.insert(ETAG, weak);
    }
}

/// Of a strong validator.
fn weak_form(tag: &HeaderValue) -> Option<HeaderValue> {
    let is_strong = tag.as_bytes().starts_with(b"\"");
    is_strong.then(|| HeaderValue::from_bytes(&[b"W/", tag.as_bytes()].concat()).ok())?
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
    fn not_modified_is_said_of_what_the_client_has() {
        for (known, tag) in [
            ("W/\"1\"", "W/\"1\""),
            ("\"0\", W/\"1\"", "W/\"1\""),
            ("\"1\"", "\"1\""),
            ("W/\"2\"", "\"1\""),
            ("*", "\"1\""),
        ] {
            let mut head = headers(&[("etag", "\"1\"")]);
            unchanged(&mut head, &[HeaderValue::from_static(known)]);
            assert_eq!(head["etag"], tag, "{known}");
        }
    }
}
