//! Percent-encoding (RFC 3986, 2.1): of segments, of values, and of forms.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, percent_encode, utf8_percent_encode};
use std::borrow::Cow;

/// All but RFC 3986's unreserved characters.
const COMPONENT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// All that a segment can't hold as it is (RFC 3986, 3.3), and `;`, which begins a segment's
/// parameters.
const SEGMENT: &AsciiSet = &COMPONENT
    .remove(b'!')
    .remove(b'$')
    .remove(b'&')
    .remove(b'\'')
    .remove(b'(')
    .remove(b')')
    .remove(b'*')
    .remove(b'+')
    .remove(b',')
    .remove(b'=')
    .remove(b':')
    .remove(b'@');

/// Whether each `%` stands before two hexadecimal digits.
pub(crate) fn is_well_formed(text: &str) -> bool {
    let mut pieces = text.as_bytes().split(|byte| *byte == b'%');
    pieces.next();
    pieces.all(|piece| piece.len() >= 2 && piece[..2].iter().all(u8::is_ascii_hexdigit))
}

/// The bytes that a text stands for; `None`: it is not percent-encoded.
pub(crate) fn decode(text: &str) -> Option<Cow<'_, [u8]>> {
    is_well_formed(text).then(|| percent_decode_str(text).into())
}

/// A value as one segment of a path, or one value of a query, wherever it is put.
pub(crate) fn encode_component(value: &str) -> impl std::fmt::Display {
    utf8_percent_encode(value, COMPONENT)
}

/// The same of bytes, which need not be a text.
pub(crate) fn encode_bytes(value: &[u8]) -> impl std::fmt::Display {
    percent_encode(value, COMPONENT)
}

/// A segment as all its equivalents are written: what need not be encoded is not, the rest is in
/// upper case. One that is not percent-encoded has no equivalents.
pub(super) fn canonical(segment: &str) -> Cow<'_, str> {
    match decode(segment) {
        Some(bytes) => Cow::Owned(percent_encode(&bytes, SEGMENT).to_string()),
        None => Cow::Borrowed(segment),
    }
}

/// Whether a byte stands in a canonical segment as itself.
pub(super) fn is_literal(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,=:@".contains(&byte)
}

/// A value of application/x-www-form-urlencoded (URL standard, 5.1) as bytes: `+` is a space, `%XX`
/// a byte, and what is not percent-encoded stands for itself. (Event ids need not be UTF-8, which
/// crates for forms make of it.)
pub(crate) fn form_value(value: &str) -> Vec<u8> {
    percent_decode_str(&value.replace('+', " ")).collect()
}

/// The names and values of a query in that form, decoded, in their order. One without `=` has an empty
/// value. Whoever looks for a parameter looks here: what is allowed by one reading of a query must
/// not be served by another.
pub(crate) fn form_pairs(query: Option<&str>) -> impl Iterator<Item = (Vec<u8>, Vec<u8>)> + '_ {
    raw_pairs(query).map(|pair| {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        (form_value(name), form_value(value))
    })
}

/// The same as they are written.
pub(crate) fn raw_pairs(query: Option<&str>) -> impl Iterator<Item = &str> {
    query.unwrap_or_default().split('&').filter(|pair| !pair.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_decoded() {
        for (text, decoded) in [
            ("a%2fb", Some(&b"a/b"[..])),
            ("%FF", Some(&b"\xff"[..])),
            ("", Some(&b""[..])),
            ("%25%32", Some(&b"%2"[..])),
            ("%", None),
            ("a%4", None),
            ("%zz", None),
            ("%+4", None),
        ] {
            assert_eq!(decode(text).as_deref(), decoded, "{text}");
        }
        assert_eq!(form_value("a%2Fb+c%zz%ff"), b"a/b c%zz\xff");
    }

    #[test]
    fn every_byte_has_one_canonical_form() {
        for byte in 0..=127_u8 {
            let literal = char::from(byte).to_string();
            let encoded = format!("%{byte:02x}");
            if byte != b'%' {
                assert_eq!(canonical(&literal), canonical(&encoded), "{literal:?}");
            }
            assert_eq!(canonical(&encoded).len() == 1, is_literal(byte), "{literal:?}");
        }
        assert_eq!(canonical("\u{e9}"), "%C3%A9");
        assert_eq!(encode_component("a/b c~\u{e4}").to_string(), "a%2Fb%20c~%C3%A4");
    }
}
