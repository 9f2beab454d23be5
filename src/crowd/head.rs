//! The head of an HTTP/1 response, as far as a client of event streams needs it.

use super::scan::Framing;

/// Largest response head that is accepted, in bytes.
pub const HEAD_BYTES_MAX: usize = 16 * 1024;

/// What a response head says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Head {
    /// The status code.
    pub status: u16,
    /// How the body's end is found.
    pub framing: Framing,
    /// Whether the content type is `text/event-stream`.
    pub event_stream: bool,
    /// Whether the body is compressed with gzip.
    pub gzip: bool,
    /// Length of the head: where the body begins.
    pub len: usize,
}

/// Why bytes can't be a response head.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Malformed;

impl Head {
    /// Reads the head at the beginning of `bytes`; `Ok(None)` while it is incomplete.
    pub fn parse(bytes: &[u8]) -> Result<Option<Head>, Malformed> {
        let Some(end) = memchr::memmem::find(bytes, b"\r\n\r\n") else {
            return if bytes.len() > HEAD_BYTES_MAX {
                Err(Malformed)
            } else {
                Ok(None)
            };
        };
        let text = std::str::from_utf8(&bytes[..end]).map_err(|_| Malformed)?;
        let mut lines = text.split("\r\n");
        let status = status(lines.next().ok_or(Malformed)?)?;
        let mut head = Head {
            status,
            framing: Framing::ToEnd,
            event_stream: false,
            gzip: false,
            len: end + 4,
        };
        for line in lines {
            let (name, value) = line.split_once(':').ok_or(Malformed)?;
            let value = value.trim();
            if name.eq_ignore_ascii_case("transfer-encoding") && value.eq_ignore_ascii_case("chunked") {
                head.framing = Framing::Chunked;
            } else if name.eq_ignore_ascii_case("content-length") && head.framing != Framing::Chunked {
                head.framing = Framing::Length(value.parse().map_err(|_| Malformed)?);
            } else if name.eq_ignore_ascii_case("content-type") {
                head.event_stream = is_event_stream(value);
            } else if name.eq_ignore_ascii_case("content-encoding") {
                head.gzip = value.eq_ignore_ascii_case("gzip");
            }
        }
        Ok(Some(head))
    }
}

/// Whether a content type is `text/event-stream`, with or without parameters.
pub fn is_event_stream(content_type: &str) -> bool {
    content_type
        .split(';')
        .next()
        .is_some_and(|essence| essence.trim().eq_ignore_ascii_case("text/event-stream"))
}

fn status(line: &str) -> Result<u16, Malformed> {
    let mut parts = line.splitn(3, ' ');
    let version = parts.next().ok_or(Malformed)?;
    if !version.starts_with("HTTP/1.") {
        return Err(Malformed);
    }
    parts.next().and_then(|code| code.parse().ok()).ok_or(Malformed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_is_read_when_it_is_whole() {
        let bytes = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream; charset=utf-8\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n";
        let head = Head {
            status: 200,
            framing: Framing::Chunked,
            event_stream: true,
            gzip: false,
            len: bytes.len() - 3,
        };
        for cut in 0..head.len {
            assert_eq!(Head::parse(&bytes[..cut]), Ok(None));
        }
        assert_eq!(Head::parse(bytes), Ok(Some(head)));
    }

    #[test]
    fn framing_follows_the_fields() {
        let framing = |text: &[u8]| Head::parse(text).map(|head| head.map(|head| head.framing));
        assert_eq!(framing(b"HTTP/1.0 200 OK\r\n\r\n"), Ok(Some(Framing::ToEnd)));
        assert_eq!(
            framing(b"HTTP/1.1 503 No\r\nContent-Length: 12\r\n\r\n"),
            Ok(Some(Framing::Length(12)))
        );
        assert_eq!(framing(b"SSH-2.0-x\r\n\r\n"), Err(Malformed));
    }
}
