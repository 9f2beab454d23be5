//! The id of a place in several streams: `name:place,name:place`, in the order of the names.
//!
//! Names and places are percent-encoded, so that the id stands in a header and in a query as it is. A
//! place is the id of an event. Where that does not name the place alone, one that does stands behind
//! it, after `/`: exact, but known to this numbering only. Where it is not known, the first leads to
//! the first of the events that share it: repeating is better than losing.

use crate::path::{decode, encode_bytes};
use bytes::Bytes;
use std::fmt::Write as _;

/// A place in one stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct PlaceId {
    /// The id in force there; empty: none.
    pub(super) id: Bytes,
    /// Names it exactly, where `id` does not.
    pub(super) exact: Option<Bytes>,
}

/// The part of an id that is about one stream.
pub(super) fn part(name: &str, place: &PlaceId) -> String {
    let mut part = format!("{}:{}", encode_bytes(name.as_bytes()), encode_bytes(&place.id));
    if let Some(exact) = &place.exact {
        // Writing to a text does not fail.
        let _ = write!(part, "/{}", encode_bytes(exact));
    }
    part
}

/// The id of all parts.
pub(super) fn of_parts(parts: &[String]) -> String {
    parts.join(",")
}

/// The places that an id names, by the names of the streams. `None`: it is none of these.
pub(super) fn places(id: &[u8]) -> Option<Vec<(String, PlaceId)>> {
    let parts = std::str::from_utf8(id).ok()?.split(',');
    parts.map(place).collect()
}

fn place(part: &str) -> Option<(String, PlaceId)> {
    let (name, place) = part.split_once(':')?;
    let (id, exact) = match place.split_once('/') {
        Some((id, exact)) => (id, Some(bytes(exact)?)),
        None => (place, None),
    };
    let name = String::from_utf8(decode(name)?.into_owned()).ok()?;
    Some((name, PlaceId { id: bytes(id)?, exact }))
}

fn bytes(text: &str) -> Option<Bytes> {
    decode(text).map(|bytes| Bytes::copy_from_slice(&bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_names_and_ids_are_they_come_back() {
        let place = |id: &'static [u8], exact: Option<&'static [u8]>| PlaceId {
            id: Bytes::from_static(id),
            exact: exact.map(Bytes::from_static),
        };
        let all = [
            ("a", place(b"42", None)),
            ("b,c:d/e %", place(b"x,y:z/%\xff ", Some(b"d-22.3"))),
            ("\u{e9}", place(b"", Some(b"0"))),
            ("last", place(b"", None)),
        ];
        let parts: Vec<String> = all.iter().map(|(name, place)| part(name, place)).collect();
        let id = of_parts(&parts);
        assert!(
            id.bytes()
                .all(|byte| byte.is_ascii_graphic() && !b"&=+".contains(&byte)),
            "{id}"
        );
        let back = places(id.as_bytes()).unwrap();
        let all: Vec<_> = all.into_iter().map(|(name, place)| (name.to_owned(), place)).collect();
        assert_eq!(back, all);
    }

    #[test]
    fn what_is_no_such_id() {
        for id in [
            &b""[..],
            b"42",
            b"d-22b765bdnf.3",
            b"a:1,b",
            b"a:%",
            b"%ff:1",
            b"\xff:1",
            b"~x.1",
        ] {
            assert_eq!(places(id), None, "{}", id.escape_ascii());
        }
    }
}
