//! Signed URLs: what is signed, and how.
//!
//! The text that is signed is made of lines that end with LF, each: `fanfare-url-1`; the path in its
//! normal form; `expires`, in seconds of Unix time, as digits without leading zeros; the key's ID; and for each `source`
//! parameter, in the order of their bytes, `source=` and its value, percent-encoded but for
//! unreserved characters (RFC 3986, 2.3). The signature is HMAC-SHA256 of it, in base64url without
//! padding.
//!
//! Other parameters are not signed: they say where in the stream a client begins, and change with
//! each reconnect.

use super::query;
use crate::path::{encode_component, form_pairs, normalise};
use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

pub(super) const EXPIRES: &str = "expires";
pub(super) const KEY: &str = "key";
pub(super) const SIGNATURE: &str = "signature";
/// Which sources a path of several shows.
const SOURCE: &[u8] = b"source";

/// What begins the text: another form of it will begin otherwise.
const FORM: &str = "fanfare-url-1";

/// Longest ID of a key, in bytes.
const KEY_ID_BYTES_MAX: usize = 256;

/// The text that is signed. `None`: a value that is no text.
pub(super) fn text(path: &str, expires: u64, key_id: &str, query: Option<&str>) -> Option<String> {
    let mut sources = form_pairs(query)
        .filter(|(name, _)| name == SOURCE)
        .map(|(_, value)| String::from_utf8(value).ok())
        .collect::<Option<Vec<String>>>()?;
    sources.sort_unstable();
    let key_id = encode_component(key_id);
    let mut text = format!("{FORM}\n{path}\n{expires}\n{key_id}\n");
    for source in &sources {
        text.push_str(&format!("source={}\n", encode_component(source)));
    }
    Some(text)
}

/// Whether the signature is this key's, compared in constant time.
pub(super) fn is_signed(key: &hmac::Key, text: &str, signature: &[u8]) -> bool {
    hmac::verify(key, text.as_bytes(), signature).is_ok()
}

/// Decimal digits, as we write them: one number has one form.
pub(super) fn expires(text: &[u8]) -> Option<u64> {
    let is_plain = !text.is_empty() && text.iter().all(u8::is_ascii_digit) && (text[0] != b'0' || text.len() == 1);
    let text = is_plain.then(|| std::str::from_utf8(text).ok()).flatten()?;
    text.parse().ok()
}

/// The bytes of a signature.
pub(super) fn signature(text: &[u8]) -> Option<Vec<u8>> {
    URL_SAFE_NO_PAD.decode(text).ok()
}

/// A URL to sign: its path and query.
pub struct SignedUrl<'a> {
    /// Path and query, as a client is to ask for them.
    pub target: &'a str,
    /// When it expires, in seconds of Unix time.
    pub expires: u64,
    /// The key's ID.
    pub key_id: &'a str,
    /// The key.
    pub key: &'a [u8],
}

/// Why a URL can't be signed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CantSign {
    /// It is no path.
    #[error("expected a path that begins with `/`, such as `/events`, without scheme and host")]
    NoPath,
    /// Its path leads nowhere.
    #[error("{0}")]
    BadPath(#[from] crate::path::BadPath),
    /// A parameter that signing adds.
    #[error("the query has a parameter `{0}` already")]
    Signed(&'static str),
    /// The ID of the key.
    #[error("the ID of a key has at most {KEY_ID_BYTES_MAX} bytes")]
    KeyId,
}

/// The path and query with which the URL is let in.
pub fn sign(url: &SignedUrl<'_>) -> Result<String, CantSign> {
    let is_target = |b: u8| b.is_ascii_graphic() && b != b'#';
    if !url.target.starts_with('/') || url.target.starts_with("//") || !url.target.bytes().all(is_target) {
        return Err(CantSign::NoPath);
    }
    if url.key_id.len() > KEY_ID_BYTES_MAX {
        return Err(CantSign::KeyId);
    }
    let (path, query) = match url.target.split_once('?') {
        Some((path, query)) => (path, Some(query)),
        None => (url.target, None),
    };
    for name in [EXPIRES, KEY, SIGNATURE] {
        if query::parameter(query, name) != query::One::None {
            return Err(CantSign::Signed(name));
        }
    }
    let text = text(&normalise(path)?, url.expires, url.key_id, query).ok_or(CantSign::NoPath)?;
    let key = hmac::Key::new(hmac::HMAC_SHA256, url.key);
    let signature = URL_SAFE_NO_PAD.encode(hmac::sign(&key, text.as_bytes()));
    let (expires, key_id) = (url.expires, encode_component(url.key_id));
    let before = match query {
        Some(query) if !query.is_empty() => format!("{query}&"),
        _ => String::new(),
    };
    Ok(format!(
        "{path}?{before}{EXPIRES}={expires}&{KEY}={key_id}&{SIGNATURE}={signature}"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_signed() {
        let signed = |query| text("/a", 7, "k", query).expect("text");
        assert_eq!(signed(None), "fanfare-url-1\n/a\n7\nk\n");
        assert_eq!(
            signed(Some("source=b&x=1&sourc%65=a+%0a&source=b")),
            "fanfare-url-1\n/a\n7\nk\nsource=a%20%0A\nsource=b\nsource=b\n"
        );
        assert_eq!(text("/a", 7, "k", Some("source=%ff")), None);
    }

    #[test]
    fn numbers_have_one_form() {
        assert_eq!(expires(b"18446744073709551615"), Some(u64::MAX));
        assert_eq!(expires(b"0"), Some(0));
        for wrong in [
            &b""[..],
            b"+1",
            b"01",
            b"1.0",
            b"-1",
            b" 1",
            b"18446744073709551616",
            b"\xd9\xa1",
        ] {
            assert_eq!(expires(wrong), None, "{wrong:?}");
        }
    }

    #[test]
    fn what_can_t_be_asked_for_is_not_signed() {
        let of = |target| {
            sign(&SignedUrl {
                target,
                expires: 1,
                key_id: "k",
                key: b"x",
            })
        };
        for target in ["", "a", "http://h/a", "//h/a", "/a b", "/a#b", "/ä"] {
            assert_eq!(of(target), Err(CantSign::NoPath), "{target}");
        }
        assert!(matches!(of("/a/../b"), Err(CantSign::BadPath(_))));
        assert_eq!(of("/a?%6bey=1"), Err(CantSign::Signed("key")));
        let signed = of("/a?x=1").expect("signed");
        assert!(signed.starts_with("/a?x=1&expires=1&key=k&signature="), "{signed}");
    }
}
