//! The host that a request names (RFC 9112, 3.2).

use super::Malformed;
use hyper::header::{HOST, HeaderMap};
use hyper::{Uri, Version};

/// A request over HTTP/1.1 names one host, in the header, whatever its target says; one over
/// HTTP/1.0 may go without.
pub(in crate::http) fn check(version: Version, uri: &Uri, headers: &HeaderMap) -> Result<(), Malformed> {
    let mut named = headers.get_all(HOST).iter();
    match (named.next(), named.next()) {
        (None, _) if version == Version::HTTP_10 => {}
        (Some(host), None) if is_host(host.as_bytes()) => {}
        _ => return Err(Malformed::Host),
    }
    match uri.authority() {
        Some(authority) if !is_host(authority.as_str().as_bytes()) => Err(Malformed::Host),
        _ => Ok(()),
    }
}

/// RFC 3986, 3.2.2 and 3.2.3: a host that is not empty, and perhaps a port; no user.
fn is_host(text: &[u8]) -> bool {
    let (host, port) = match text {
        [b'[', rest @ ..] => {
            let Some(end) = memchr::memchr(b']', rest) else {
                return false;
            };
            let (literal, port) = (&rest[..end], &rest[end + 1..]);
            let is_literal = |byte: &u8| byte.is_ascii_hexdigit() || matches!(byte, b':' | b'.');
            if literal.is_empty() || !literal.iter().all(is_literal) {
                return false;
            }
            (&b"v6"[..], port)
        }
        _ => text.split_at(memchr::memchr(b':', text).unwrap_or(text.len())),
    };
    let is_port = match port {
        [] => true,
        [b':', digits @ ..] => digits.iter().all(u8::is_ascii_digit),
        _ => false,
    };
    is_port && !host.is_empty() && is_name(host)
}

fn is_name(mut host: &[u8]) -> bool {
    while let [first, rest @ ..] = host {
        host = match (first, rest) {
            (b'%', [high, low, rest @ ..]) if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() => rest,
            (byte, rest) if byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=".contains(byte) => rest,
            _ => return false,
        };
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_a_host() {
        for host in [
            "a",
            "a:80",
            "a:",
            "a_b.example",
            "127.0.0.1",
            "[::1]",
            "[::1]:80",
            "a%20b",
            "xn--bcher-kva.example",
            "a.",
        ] {
            assert!(is_host(host.as_bytes()), "{host}");
        }
        for other in [
            "", ":80", "a b", "a/b@c", "u@a", "a:b", "a:80:80", "[::1", "[]", "[::1]80", "::1", "a\u{fc}", "a%2",
            "a\\b", "a?b", "a#b", "a,b c", "http://a", "[g::]", "<a>",
        ] {
            assert!(!is_host(other.as_bytes()), "{other}");
        }
    }
}
