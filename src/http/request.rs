//! What a request says: what it wants, where it comes from, and where it stopped.

use super::head::RawLastEventId;
use crate::config::Network;
use crate::path::form_pairs;
use bytes::Bytes;
use hyper::header::{ACCEPT, HeaderMap, HeaderName};
use hyper::{Method, Request};
use std::net::{IpAddr, SocketAddr};

/// 9.2.3: the header in which a client says where it stopped.
pub(super) const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");
/// The same as a query parameter, for polyfills that can't set headers.
const LAST_EVENT_ID_PARAMETER: &str = "lastEventId";

/// What a request for a source's path wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wants {
    /// The event stream.
    Stream,
    /// What is new, as JSON.
    Poll,
    /// The head of the answer alone.
    Head,
    /// To know whether a script of another origin may ask.
    Preflight,
    /// A method that the path does not have.
    OtherMethod,
    /// A type that the path does not have.
    OtherType,
}

pub(super) fn wants<B>(request: &Request<B>) -> Wants {
    let poll = is_poll(request.headers());
    let acceptable = poll || accepts_stream(request.headers());
    match *request.method() {
        Method::GET if poll => Wants::Poll,
        Method::GET if acceptable => Wants::Stream,
        Method::HEAD if acceptable || is_poll(request.headers()) => Wants::Head,
        Method::GET | Method::HEAD => Wants::OtherType,
        Method::OPTIONS => Wants::Preflight,
        _ => Wants::OtherMethod,
    }
}

/// RFC 9110, 12.5.1: without an Accept header everything is acceptable; the most specific range
/// that matches decides.
pub(super) fn accepts_stream(headers: &HeaderMap) -> bool {
    let mut any = false;
    let mut best: Option<(u8, bool)> = None;
    for (range, allowed) in ranges(headers) {
        any = true;
        let specificity = match &range[..] {
            b"text/event-stream" => 3,
            b"text/*" => 2,
            b"*/*" => 1,
            _ => continue,
        };
        if best.is_none_or(|(found, _)| specificity > found) {
            best = Some((specificity, allowed));
        }
    }
    best.map_or(!any, |(_, allowed)| allowed)
}

/// Whether a client names the type: an EventSource does, a monitoring probe or `curl` does not.
pub(super) fn names_stream(headers: &HeaderMap) -> bool {
    ranges(headers).any(|(range, allowed)| allowed && range == b"text/event-stream")
}

/// Whether a client names JSON and not the stream. (A `*/*` beside it is a habit of libraries.)
pub(super) fn is_poll(headers: &HeaderMap) -> bool {
    let named = |media: &[u8]| ranges(headers).any(|(range, allowed)| allowed && range == media);
    named(b"application/json") && !named(b"text/event-stream")
}

/// The media ranges of all Accept headers, in lower case, and whether their weight is above zero.
fn ranges(headers: &HeaderMap) -> impl Iterator<Item = (Vec<u8>, bool)> + '_ {
    headers
        .get_all(ACCEPT)
        .iter()
        .flat_map(|value| value.as_bytes().split(|&b| b == b','))
        .filter_map(|range| {
            let mut parts = range.split(|&b| b == b';').map(<[u8]>::trim_ascii);
            let media = parts.next().filter(|media| !media.is_empty())?.to_ascii_lowercase();
            let zero = |part: &[u8]| {
                let weight = part.strip_prefix(b"q=").or_else(|| part.strip_prefix(b"Q="));
                weight.is_some_and(|weight| !weight.is_empty() && weight.iter().all(|b| matches!(b, b'0' | b'.')))
            };
            let allowed = !parts.any(zero);
            Some((media, allowed))
        })
}

/// Where the client stopped: the header, else the query parameter. Ids are opaque bytes; an empty
/// header says nothing.
pub(super) fn last_event_id<B>(request: &Request<B>) -> Option<Bytes> {
    if let Some(RawLastEventId(id)) = request.extensions().get() {
        return Some(id.clone());
    }
    match request.headers().get(LAST_EVENT_ID) {
        Some(value) if !value.is_empty() => Some(Bytes::copy_from_slice(value.as_bytes())),
        _ => parameter(request, LAST_EVENT_ID_PARAMETER).map(Bytes::from),
    }
}

/// The first query parameter of this name.
pub(super) fn parameter<B>(request: &Request<B>, wanted: &str) -> Option<Vec<u8>> {
    parameters(request, wanted).next()
}

/// All query parameters of this name.
pub(super) fn parameters<B>(request: &Request<B>, wanted: &str) -> impl Iterator<Item = Vec<u8>> {
    let pairs = form_pairs(request.uri().query());
    pairs.filter_map(move |(name, value)| (name == wanted.as_bytes()).then_some(value))
}

/// The client's own address: what the nearest trusted proxies say, read from the nearest on.
pub(super) fn client_address<B>(request: &Request<B>, peer: SocketAddr, trusted: &[Network]) -> SocketAddr {
    let is_trusted = |ip: IpAddr| trusted.iter().any(|network| network.contains(ip));
    if trusted.is_empty() || !is_trusted(peer.ip()) {
        return peer;
    }
    let mut client = peer;
    for ip in forwarded(request.headers()).into_iter().rev() {
        let Some(ip) = ip else { break };
        client = SocketAddr::new(ip, 0);
        if !is_trusted(ip) {
            break;
        }
    }
    client
}

/// The addresses of `X-Forwarded-For`, else of `Forwarded` (RFC 7239), farthest first; `None` for
/// one that is not an address.
///
/// A proxy continues the one and lets the other pass as the client has written it. Nearly all
/// continue `X-Forwarded-For`.
fn forwarded(headers: &HeaderMap) -> Vec<Option<IpAddr>> {
    let list = |name: &str| -> Vec<String> {
        let values = headers.get_all(name).iter().filter_map(|value| value.to_str().ok());
        values
            .flat_map(|value| value.split(','))
            .map(|part| part.trim().to_owned())
            .collect()
    };
    let common = list("x-forwarded-for");
    if !common.is_empty() {
        return common.iter().map(|part| address(part)).collect();
    }
    let hop_by = |element: &String| {
        element.split(';').find_map(|pair| {
            let (name, value) = pair.trim().split_once('=')?;
            name.eq_ignore_ascii_case("for")
                .then(|| address(value.trim_matches('"')))
                .flatten()
        })
    };
    list("forwarded").iter().map(hop_by).collect()
}

/// `192.0.2.1`, `192.0.2.1:80`, `2001:db8::1`, `[2001:db8::1]`, `[2001:db8::1]:80`.
fn address(text: &str) -> Option<IpAddr> {
    let bare = text
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'))
        .unwrap_or(text);
    bare.parse()
        .ok()
        .or_else(|| text.parse::<SocketAddr>().ok().map(|address| address.ip()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        pairs
            .iter()
            .map(|&(name, value)| (HeaderName::from_static(name), value.parse().expect("a value")))
            .collect()
    }

    #[test]
    fn the_most_specific_range_decides() {
        for (accept, accepted) in [
            ("text/event-stream", true),
            ("TEXT/Event-Stream; charset=utf-8", true),
            ("*/*", true),
            ("text/*;q=0.1", true),
            ("text/event-stream;q=0, */*", false),
            ("text/event-stream;q=0.0", false),
            ("application/json", false),
            ("text/html, application/xml", false),
            ("", true),
        ] {
            assert_eq!(accepts_stream(&headers(&[("accept", accept)])), accepted, "{accept}");
        }
        assert!(accepts_stream(&HeaderMap::new()));
        assert!(!names_stream(&headers(&[("accept", "*/*")])));
        assert!(names_stream(&headers(&[("accept", "text/html, text/event-stream")])));
    }

    #[test]
    fn who_names_json_polls() {
        for (accept, polls) in [
            ("application/json", true),
            ("application/json, text/plain, */*", true),
            ("application/json, text/event-stream", false),
            ("application/json;q=0, */*", false),
            ("*/*", false),
        ] {
            assert_eq!(is_poll(&headers(&[("accept", accept)])), polls, "{accept}");
        }
    }

    #[test]
    fn the_last_event_id_may_come_in_the_query() {
        let request = |uri: &str| Request::builder().uri(uri).body(()).expect("a request");
        assert_eq!(
            last_event_id(&request("/?a=1&lastEventId=a%2Fb+c%zz")).as_deref(),
            Some(&b"a/b c%zz"[..])
        );
        assert_eq!(last_event_id(&request("/?a=1")), None);
        assert_eq!(last_event_id(&request("/?last%45ventId=7")).as_deref(), Some(&b"7"[..]));
        let mut both = request("/?lastEventId=query");
        both.headers_mut()
            .insert(LAST_EVENT_ID, "header".parse().expect("a value"));
        assert_eq!(last_event_id(&both).as_deref(), Some(&b"header"[..]));
        both.headers_mut().insert(LAST_EVENT_ID, "".parse().expect("a value"));
        assert_eq!(last_event_id(&both).as_deref(), Some(&b"query"[..]));
    }

    #[test]
    fn only_trusted_proxies_are_believed() {
        let proxies: [Network; 1] = ["10.0.0.0/8".parse().expect("a network")];
        let seen = |peer: &str, headers: &[(&'static str, &'static str)]| {
            let mut request = Request::builder().body(()).expect("a request");
            *request.headers_mut() = self::headers(headers);
            client_address(&request, SocketAddr::new(peer.parse().expect("ip"), 1), &proxies)
                .ip()
                .to_string()
        };
        let spoofed = [("x-forwarded-for", "1.1.1.1, 192.0.2.7, 10.1.1.1")];
        assert_eq!(seen("192.0.2.1", &spoofed), "192.0.2.1");
        assert_eq!(seen("10.0.0.1", &spoofed), "192.0.2.7");
        assert_eq!(seen("10.0.0.1", &[]), "10.0.0.1");
        assert_eq!(
            seen("10.0.0.1", &[("forwarded", "for=\"[2001:db8::1]:80\";proto=https")]),
            "2001:db8::1"
        );
        assert_eq!(seen("10.0.0.1", &[("forwarded", "for=unknown")]), "10.0.0.1");
        let forged = [("forwarded", "for=1.1.1.1"), ("x-forwarded-for", "192.0.2.7")];
        assert_eq!(
            seen("10.0.0.1", &forged),
            "192.0.2.7",
            "a proxy that lets the other pass"
        );
    }
}
