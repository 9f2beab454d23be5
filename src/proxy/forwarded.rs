//! The headers that tell an origin of the client behind a proxy: `Forwarded` (RFC 7239), and the
//! older `X-Forwarded-For`, `-Proto`, `-Host`.
//!
//! What a trusted proxy sent is continued: the lists of addresses grow by the proxy's own address.
//! `X-Forwarded-Proto` and `-Host` say how the client asked, which does not change on the way, so
//! they stay as they are. What any other peer sent is replaced.
//!
//! What a proxy says in one of the two kinds is written in both: an origin that reads the other
//! kind must not take the proxy for the client.

use crate::config::Network;
use hyper::HeaderMap;
use hyper::header::{FORWARDED, HeaderName, HeaderValue};
use std::fmt::Write as _;
use std::net::IpAddr;

const FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const HOST: HeaderName = HeaderName::from_static("x-forwarded-host");

/// What stands for a peer without an address: one on a Unix socket.
const UNKNOWN: &str = "unknown";

/// The other end of the connection that a request came over.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Peer {
    pub(crate) ip: IpAddr,
    /// Whether it speaks TLS with us.
    pub(crate) is_tls: bool,
}

/// How the client reached the first proxy that we trust, or us.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Public {
    /// Whether by `https`.
    pub(super) tls: bool,
    /// The host that it asked for, and the port.
    pub(super) host: Option<String>,
}

/// Writes the headers anew, and says how the client asked. `host`: the request's own.
pub(super) fn forward(headers: &mut HeaderMap, peer: Peer, host: Option<&str>, trusted: &[Network]) -> Public {
    let Peer { ip: peer, is_tls } = peer;
    let own_proto = if is_tls { "https" } else { "http" };
    let mut before = Before::default();
    if trusted.iter().any(|network| network.contains(peer)) {
        before = Before::in_headers(headers);
    } else {
        for name in headers
            .keys()
            .filter(|name| tells_of_client(name))
            .cloned()
            .collect::<Vec<_>>()
        {
            headers.remove(name);
        }
    }
    let proto = before.proto().unwrap_or(own_proto).to_owned();
    let public_host = before.host().or(host).map(str::to_owned);
    for name in [FORWARDED, FOR, PROTO, HOST] {
        headers.remove(name);
    }
    let public = Public {
        tls: proto == "https",
        host: public_host,
    };
    let own = element(&node(peer), host, own_proto);
    put(headers, FORWARDED, &before.forwarded(own));
    put(headers, FOR, &before.addresses(peer));
    put(headers, PROTO, before.x_proto.as_deref().unwrap_or(&proto));
    if let Some(host) = before.x_host.as_deref().or(public.host.as_deref()) {
        put(headers, HOST, host);
    }
    public
}

/// Whether an origin may take a header for what a proxy says of the client. Many origins read `_`
/// as `-`: CGI and what descends from it can't tell one from the other.
fn tells_of_client(name: &HeaderName) -> bool {
    const OTHERS: [&str; 7] = [
        "forwarded",
        "x-real-ip",
        "x-client-ip",
        "x-cluster-client-ip",
        "x-original-forwarded-for",
        "true-client-ip",
        "cf-connecting-ip",
    ];
    let name = name.as_str().replace('_', "-");
    name.starts_with("x-forwarded-") || OTHERS.contains(&name.as_str())
}

/// What the proxies before us said; each as it came.
#[derive(Debug, Default)]
struct Before {
    standard: Option<String>,
    x_for: Option<String>,
    x_proto: Option<String>,
    x_host: Option<String>,
}

impl Before {
    fn in_headers(headers: &HeaderMap) -> Self {
        let all = |name: &HeaderName| {
            let values: Vec<&str> = headers
                .get_all(name)
                .iter()
                .filter_map(|value| value.to_str().ok())
                .map(str::trim)
                .filter(|value| !value.is_empty())
                .collect();
            (!values.is_empty()).then(|| values.join(", "))
        };
        Self {
            standard: all(&FORWARDED),
            x_for: all(&FOR),
            x_proto: all(&PROTO),
            x_host: all(&HOST),
        }
    }

    /// The client's scheme, where it is one: the first that was written.
    fn proto(&self) -> Option<&'static str> {
        let said = first(self.x_proto.as_deref()).or_else(|| self.parameter("proto"))?;
        ["http", "https"]
            .into_iter()
            .find(|known| said.eq_ignore_ascii_case(known))
    }

    fn host(&self) -> Option<&str> {
        let said = first(self.x_host.as_deref()).or_else(|| self.parameter("host"))?;
        said.parse::<hyper::http::uri::Authority>().is_ok().then_some(said)
    }

    /// A parameter of the first element.
    fn parameter(&self, name: &str) -> Option<&str> {
        parameter(first(self.standard.as_deref())?, name)
    }

    fn forwarded(&self, own: String) -> String {
        let before = match (&self.standard, &self.x_for) {
            (Some(standard), _) => standard.clone(),
            (None, Some(x_for)) => {
                let mut elements: Vec<String> = list(x_for)
                    .map(|address| format!("for={}", quoted_node(address)))
                    .collect();
                if let Some(client) = elements.first_mut() {
                    if let Some(host) = self.host() {
                        let _ = write!(client, ";host={}", quoted(host));
                    }
                    if let Some(proto) = self.proto() {
                        let _ = write!(client, ";proto={proto}");
                    }
                }
                elements.join(", ")
            }
            (None, None) => return own,
        };
        format!("{before}, {own}")
    }

    fn addresses(&self, peer: IpAddr) -> String {
        let own = if peer.is_unspecified() {
            UNKNOWN.to_owned()
        } else {
            peer.to_canonical().to_string()
        };
        let before = match (&self.x_for, &self.standard) {
            (Some(x_for), _) => x_for.clone(),
            (None, Some(standard)) => {
                let nodes = list(standard).map(|element| parameter(element, "for").map_or(UNKNOWN, bare));
                nodes.collect::<Vec<_>>().join(", ")
            }
            (None, None) => return own,
        };
        format!("{before}, {own}")
    }
}

/// The relay's own element: the peer, the host that was asked for, and the scheme.
fn element(node: &str, host: Option<&str>, proto: &str) -> String {
    match host {
        Some(host) => format!("for={node};host={};proto={proto}", quoted(host)),
        None => format!("for={node};proto={proto}"),
    }
}

fn node(peer: IpAddr) -> String {
    match peer.to_canonical() {
        peer if peer.is_unspecified() => UNKNOWN.to_owned(),
        IpAddr::V4(peer) => peer.to_string(),
        IpAddr::V6(peer) => format!("\"[{peer}]\""),
    }
}

/// An address as `X-Forwarded-For` has it, as a node.
fn quoted_node(address: &str) -> String {
    match address.parse::<IpAddr>() {
        Ok(address) => node(address),
        Err(_) => quoted(address),
    }
}

/// RFC 9110, 5.6.4: a token as it is, anything else in quotes.
fn quoted(text: &str) -> String {
    let is_token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    if !text.is_empty() && text.bytes().all(is_token) {
        return text.to_owned();
    }
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

/// A node as `X-Forwarded-For` has it: without port and brackets.
fn bare(node: &str) -> &str {
    if let Some(v6) = node.strip_prefix('[') {
        return v6.split(']').next().unwrap_or(v6);
    }
    node.split(':').next().unwrap_or(node)
}

fn parameter<'a>(element: &'a str, name: &str) -> Option<&'a str> {
    element.split(';').find_map(|pair| {
        let (key, value) = pair.trim().split_once('=')?;
        key.eq_ignore_ascii_case(name).then(|| value.trim_matches('"'))
    })
}

fn first(values: Option<&str>) -> Option<&str> {
    list(values?).next()
}

/// The members of a list. (None of these values holds a comma in quotes.)
fn list(values: &str) -> impl Iterator<Item = &str> {
    values.split(',').map(str::trim).filter(|value| !value.is_empty())
}

fn put(headers: &mut HeaderMap, name: HeaderName, value: &str) {
    // Made of what was a header's value before, and of addresses.
    if let Ok(value) = HeaderValue::from_str(value) {
        headers.insert(name, value);
    }
}

#[cfg(test)]
#[path = "forwarded_tests.rs"]
mod tests;
