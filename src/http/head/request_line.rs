//! A request's first line (RFC 9112, 3).

use super::Malformed;

const HTTP: &[u8] = b"HTTP/";

/// Whether a line can be a request's first one; without its end.
pub(super) fn check(line: &[u8]) -> Result<(), Malformed> {
    let version = version(line)
        .filter(|_| may_begin(line))
        .ok_or(Malformed::RequestLine)?;
    match (version, minor(version)) {
        (_, Some(_)) => Ok(()),
        ([major, b'.', minor], None) if major.is_ascii_digit() && minor.is_ascii_digit() => Err(Malformed::Version),
        _ => Err(Malformed::RequestLine),
    }
}

/// Whether the bytes may be a part of such a line that has not ended.
pub(super) fn may_begin(bytes: &[u8]) -> bool {
    let bytes = bytes.strip_suffix(b"\r").unwrap_or(bytes);
    !bytes.iter().any(u8::is_ascii_control)
}

/// Makes 1.1 of a later version of HTTP/1: a client of 1.2 understands 1.1 (RFC 9110, 2.5).
pub(super) fn bring_down(head: &mut [u8]) {
    let end = memchr::memchr(b'\n', head).unwrap_or(head.len());
    let end = end - usize::from(head[..end].ends_with(b"\r"));
    if version(&head[..end]).and_then(minor).is_some_and(|minor| minor > b'1') {
        head[end - 1] = b'1';
    }
}

/// What stands behind `HTTP/` in a line of three parts.
fn version(line: &[u8]) -> Option<&[u8]> {
    let mut parts = line.strip_suffix(b"\r").unwrap_or(line).split(|&byte| byte == b' ');
    let (method, target, version) = (parts.next()?, parts.next()?, parts.next()?);
    if method.is_empty() || target.is_empty() || parts.next().is_some() {
        return None;
    }
    version.strip_prefix(HTTP)
}

/// The minor version of an HTTP/1.
fn minor(version: &[u8]) -> Option<u8> {
    match version {
        [b'1', b'.', minor] if minor.is_ascii_digit() => Some(*minor),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_a_first_line() {
        for (line, expected) in [
            ("GET / HTTP/1.1", Ok(())),
            ("GET / HTTP/1.0\r", Ok(())),
            ("GET / HTTP/1.9", Ok(())),
            ("PRI * HTTP/2.0", Err(Malformed::Version)),
            ("GET / HTTP/0.9", Err(Malformed::Version)),
            ("GET / HTTP/1.10", Err(Malformed::RequestLine)),
            ("GET / HTTP/1", Err(Malformed::RequestLine)),
            ("GET / HTTPS/1.1", Err(Malformed::RequestLine)),
            ("GET / http/1.1", Err(Malformed::RequestLine)),
            ("GET  / HTTP/1.1", Err(Malformed::RequestLine)),
            ("GET /a b HTTP/1.1", Err(Malformed::RequestLine)),
            ("GET /", Err(Malformed::RequestLine)),
            ("hello", Err(Malformed::RequestLine)),
            ("", Err(Malformed::RequestLine)),
        ] {
            assert_eq!(check(line.as_bytes()), expected, "{line}");
        }
    }

    #[test]
    fn later_versions_become_the_one_that_we_speak() {
        for (head, expected) in [
            (
                &b"GET / HTTP/1.2\r\nA: HTTP/1.2\r\n\r\n"[..],
                &b"GET / HTTP/1.1\r\nA: HTTP/1.2\r\n\r\n"[..],
            ),
            (b"GET / HTTP/1.9\n\n", b"GET / HTTP/1.1\n\n"),
            (b"GET / HTTP/1.0\r\n\r\n", b"GET / HTTP/1.0\r\n\r\n"),
        ] {
            let mut head = head.to_vec();
            bring_down(&mut head);
            assert_eq!(head, expected);
        }
    }
}
