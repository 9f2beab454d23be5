//! HTTP in clear text on a port that speaks TLS: a mistake that is answered so that it is
//! understood.

use bytes::Bytes;

/// The answer to a first byte that is no handshake's (RFC 8446, 5.1: 22) and may be a request's;
/// `None`: what comes is TLS, or nothing that an answer would reach.
pub(crate) fn refusal(begin: &[u8]) -> Option<Bytes> {
    begin.first().is_some_and(u8::is_ascii_uppercase).then(|| {
        let body = concat!(
            r#"{"type":"about:blank","title":"Bad Request","status":400,"#,
            r#""detail":"this port speaks TLS: the URL has to begin with https://"}"#,
        );
        let head = "HTTP/1.1 400 Bad Request\r\nContent-Type: application/problem+json\r\nCache-Control: no-store\r\n";
        let length = body.len();
        Bytes::from(format!(
            "{head}Content-Length: {length}\r\nConnection: close\r\n\r\n{body}"
        ))
    })
}
