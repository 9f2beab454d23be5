//! What concerns one connection and is not passed on (RFC 9110, 7.6.1).

use hyper::HeaderMap;
use hyper::header::{
    CONNECTION, HeaderName, HeaderValue, PROXY_AUTHENTICATE, PROXY_AUTHORIZATION, TE, TRANSFER_ENCODING, UPGRADE,
};

/// Headers of one connection, whether `Connection` names them or not. Credentials for a proxy are
/// meant for that proxy.
const ALWAYS: [HeaderName; 8] = [
    CONNECTION,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
    PROXY_AUTHENTICATE,
    PROXY_AUTHORIZATION,
    TE,
    TRANSFER_ENCODING,
    UPGRADE,
];

/// Protocols that are not switched to: in HTTP/2 a client could ask for any path, and TLS would
/// hide what it asks for.
const NOT_SWITCHED_TO: [&str; 4] = ["h2c", "h2", "http", "tls"];

/// What the connection's headers said.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Said {
    /// The protocols to switch to, if the sender wants that.
    pub(super) upgrade: Option<HeaderValue>,
    /// The sender takes trailers.
    pub(super) trailers: bool,
    /// The sender closes the connection after this message.
    pub(super) close: bool,
    /// The body comes in chunks.
    pub(super) chunked: bool,
    /// The body has a transfer coding other than `chunked`; none was asked for.
    pub(super) coded: bool,
}

/// Takes them out.
pub(super) fn remove(headers: &mut HeaderMap) -> Said {
    let named: Vec<String> = tokens(headers, &CONNECTION).collect();
    let names = |option: &str| named.iter().any(|name| name == option);
    let codings: Vec<String> = tokens(headers, &TRANSFER_ENCODING).collect();
    let said = Said {
        upgrade: names("upgrade").then(|| protocols(headers)).flatten(),
        trailers: tokens(headers, &TE).any(|coding| coding.split(';').next() == Some("trailers")),
        close: names("close"),
        chunked: !codings.is_empty(),
        coded: codings.iter().any(|coding| coding != "chunked") || codings.len() > 1,
    };
    for name in &ALWAYS {
        headers.remove(name);
    }
    for name in named {
        // `Connection` must not remove the headers that say to which host the message goes, how
        // long it is, and whether the client waits for a 100.
        if !matches!(name.as_str(), "host" | "content-length" | "expect" | "trailer") {
            headers.remove(name.as_str());
        }
    }
    said
}

/// The protocols that may be switched to, as one value.
fn protocols(headers: &HeaderMap) -> Option<HeaderValue> {
    let values = headers.get_all(UPGRADE).iter().filter_map(|value| value.to_str().ok());
    let allowed: Vec<&str> = values
        .flat_map(|value| value.split(','))
        .map(str::trim)
        .filter(|protocol| {
            let name = protocol.split('/').next().unwrap_or_default();
            !name.is_empty() && !NOT_SWITCHED_TO.iter().any(|not| name.eq_ignore_ascii_case(not))
        })
        .collect();
    (!allowed.is_empty()).then(|| HeaderValue::from_str(&allowed.join(", ")).ok())?
}

/// The members of a list, in lower case.
fn tokens<'a>(headers: &'a HeaderMap, name: &HeaderName) -> impl Iterator<Item = String> + 'a {
    let values = headers.get_all(name).iter();
    values
        .flat_map(|value| value.as_bytes().split(|byte| *byte == b','))
        .map(|token| String::from_utf8_lossy(token.trim_ascii()).to_ascii_lowercase())
        .filter(|token| !token.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(*name, HeaderValue::from_static(value));
        }
        headers
    }

    #[test]
    fn what_the_connection_names_goes_with_it() {
        let mut all = headers(&[
            ("connection", "Keep-Alive, X-One"),
            ("connection", "x-two,,close"),
            ("keep-alive", "timeout=5"),
            ("proxy-connection", "keep-alive"),
            ("proxy-authorization", "Basic x"),
            ("te", "gzip;q=0.5, Trailers"),
            ("transfer-encoding", "chunked"),
            ("trailer", "x-sum"),
            ("upgrade", "websocket"),
            ("x-one", "1"),
            ("x-two", "2"),
            ("x-three", "3"),
        ]);
        let said = remove(&mut all);
        assert_eq!(all, headers(&[("trailer", "x-sum"), ("x-three", "3")]));
        assert!(said.trailers && said.close && said.chunked && !said.coded);
        assert_eq!(said.upgrade, None, "the connection does not name it");
    }

    #[test]
    fn what_every_message_needs_can_not_be_named_away() {
        let mut all = headers(&[
            ("connection", "host, content-length, expect"),
            ("host", "h"),
            ("expect", "100-continue"),
        ]);
        remove(&mut all);
        assert_eq!(all, headers(&[("host", "h"), ("expect", "100-continue")]));
    }

    #[test]
    fn protocols_that_hide_requests_are_not_switched_to() {
        let upgrade = |value: &'static str| {
            let said = remove(&mut headers(&[("connection", "Upgrade"), ("upgrade", value)]));
            said.upgrade.map(|value| value.to_str().unwrap().to_owned())
        };
        assert_eq!(upgrade("websocket").as_deref(), Some("websocket"));
        assert_eq!(
            upgrade("h2c, WebSocket, TLS/1.0, foo/2").as_deref(),
            Some("WebSocket, foo/2")
        );
        assert_eq!(upgrade("h2c"), None);
        assert_eq!(upgrade(""), None);
    }

    #[test]
    fn other_codings_are_noticed() {
        let coded = |value: &'static str| remove(&mut headers(&[("transfer-encoding", value)])).coded;
        assert!(coded("gzip, chunked") && coded("gzip") && coded("chunked, chunked") && !coded("Chunked"));
    }
}
