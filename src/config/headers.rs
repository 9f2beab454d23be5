//! Headers of the request to an origin.

use super::codec::Custom;
use super::item::Item;
use super::shape::Shape;
use crate::redaction::{MASK, names_a_secret};
use hyper::header::{HeaderName, HeaderValue};
use serde_json::{Map, Value as Json};

/// Headers that belong to the connection or to the message's framing (RFC 9110, section 7.6.1; RFC
/// 9112, section 6).
const NOT_FOR_REQUESTS: [&str; 8] = [
    "connection",
    "content-length",
    "keep-alive",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// A mapping from names to values; not written if it is empty.
pub(super) const HEADERS: Custom<Vec<(HeaderName, HeaderValue)>> = Custom {
    shape: || Shape::Named(Box::new(Shape::Text(&["a.example", "b c"]))),
    read: headers,
    print: |headers| {
        let value = |value: &HeaderValue| match value.to_str() {
            Ok(text) if !value.is_sensitive() => text.to_owned(),
            _ => MASK.to_owned(),
        };
        let pair = |(name, text): &(HeaderName, HeaderValue)| (name.to_string(), Json::from(value(text)));
        let map: Map<String, Json> = headers.iter().map(pair).collect();
        (!map.is_empty()).then_some(Json::Object(map))
    },
};

/// Reads a mapping of headers.
pub(super) fn headers(item: &Item<'_>) -> Option<Vec<(HeaderName, HeaderValue)>> {
    let mut headers: Vec<(HeaderName, HeaderValue)> = Vec::new();
    let mut complete = true;
    for (entry, item) in item.entries("a mapping from header names to values")? {
        let name = HeaderName::from_bytes(entry.key.as_bytes()).ok();
        let wrong = match &name {
            None => Some(("not a header's name", "a header's name")),
            Some(name) if NOT_FOR_REQUESTS.contains(&name.as_str()) => {
                Some(("a header that belongs to the connection", "no such header"))
            }
            Some(name) if headers.iter().any(|(known, _)| known == name) => Some((
                "the same header a second time",
                "each header once; names don't depend on case",
            )),
            Some(_) => None,
        };
        if let Some((what, expected)) = wrong {
            let place = entry.place;
            item.diagnostics
                .mistake(place, &item.path, what, Some(expected.to_owned()));
            complete = false;
        }
        match (name, header_value(&item, &entry.key)) {
            (Some(name), Some(value)) => headers.push((name, value)),
            _ => complete = false,
        }
    }
    complete.then_some(headers)
}

/// A value, marked as sensitive if it may be a secret: from the environment, or by the header's
/// name.
fn header_value(item: &Item<'_>, name: &str) -> Option<HeaderValue> {
    let text = item.secret_text()?;
    let Ok(mut value) = HeaderValue::from_str(text) else {
        item.mistake("a value that no header can carry", "visible ASCII in one line");
        return None;
    };
    value.set_sensitive(item.is_from_environment() || names_a_secret(name));
    Some(value)
}
