//! The request as the origin gets it.
//!
//! Method, path, query and body are the client's, byte for byte, and so is `Host`: an origin builds
//! its links from it, and they come out public. What concerns only the client's connection is left
//! out, and headers with the client's address are put in.

use super::failure::Failure;
use super::forwarded::{Peer, Public, forward};
use super::hop_by_hop;
use super::origin::Origin;
use crate::config::Network;
use hyper::header::{
    ACCEPT_ENCODING, CONNECTION, CONTENT_LENGTH, EXPECT, Entry, HOST, HeaderMap, HeaderValue, TE, TRANSFER_ENCODING,
    UPGRADE,
};
use hyper::http::request::Parts;
use hyper::http::uri::Authority;
use hyper::{Uri, Version};

/// A request that is ready to be sent.
#[derive(Debug)]
pub(super) struct Outgoing {
    pub(super) parts: Parts,
    /// How the client asked.
    pub(super) public: Public,
    /// The client waits for `100 Continue` before it sends the body.
    pub(super) expects: bool,
    /// The client wants to switch protocols.
    pub(super) upgrades: bool,
}

/// Makes the origin's request of the client's.
pub(super) fn outgoing(
    mut parts: Parts,
    origin: &Origin,
    peer: Peer,
    trusted: &[Network],
) -> Result<Outgoing, Failure> {
    let is_old = parts.version == Version::HTTP_10;
    let host = host(&parts)?;
    let headers = &mut parts.headers;
    let said = hop_by_hop::remove(headers);
    if said.coded {
        // RFC 9112, 6.1: a coding that we don't have.
        return Err(Failure::NotImplemented);
    }
    let public = forward(headers, peer, host.as_ref().map(Authority::as_str), trusted);
    let presented = match &host {
        Some(host) => host.as_str().to_owned(),
        // HTTP/1.0 without a host: the origin needs one.
        None => origin.to.host_field(),
    };
    headers.insert(
        HOST,
        HeaderValue::try_from(presented).map_err(|_| Failure::BadRequest(BAD_HOST))?,
    );
    if said.chunked {
        headers.remove(CONTENT_LENGTH);
        headers.insert(TRANSFER_ENCODING, HeaderValue::from_static("chunked"));
    } else if let Some(length) = length(headers) {
        // With leading zeros, some readers take it for octal.
        headers.insert(CONTENT_LENGTH, length.into());
    }
    if origin.rewrite_links {
        // What is to be rewritten has to be readable.
        headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
    }
    if is_old {
        // RFC 9110, 10.1.1: without meaning in HTTP/1.0.
        headers.remove(EXPECT);
    }
    let upgrade = said.upgrade.filter(|_| !is_old);
    let upgrades = upgrade.is_some();
    ask_of_the_connection(headers, upgrade, said.trailers);
    let expects = headers
        .get(EXPECT)
        .is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"100-continue"));
    let mut target = parts.uri.into_parts();
    target.scheme = Some(origin.scheme.clone());
    target.authority = Some(origin.authority.clone());
    parts.uri = Uri::from_parts(target).map_err(|_| Failure::BadRequest("the request's target can't be passed on"))?;
    parts.version = Version::HTTP_11;
    parts.extensions.clear();
    Ok(Outgoing {
        parts,
        public,
        expects,
        upgrades,
    })
}

/// The body's length, which was checked when the head was read.
fn length(headers: &HeaderMap) -> Option<u64> {
    headers.get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

const BAD_HOST: &str = "a request names one host";

/// The host that was asked for (RFC 9112, 3.2): the target's, if it is a whole URL, else the
/// header's. HTTP/1.1 needs one.
fn host(parts: &Parts) -> Result<Option<Authority>, Failure> {
    let bad = || Failure::BadRequest(BAD_HOST);
    let mut named = parts.headers.get_all(HOST).iter();
    let header = match (named.next(), named.next()) {
        (None, _) if parts.version == Version::HTTP_10 => None,
        (Some(host), None) => Some(host),
        _ => return Err(bad()),
    };
    let host = match (parts.uri.authority(), header) {
        (Some(authority), _) => authority.as_str(),
        (None, Some(header)) => header.to_str().map_err(|_| bad())?,
        (None, None) => return Ok(None),
    };
    let host = host.rsplit_once('@').map_or(host, |(_, host)| host);
    if host.is_empty() {
        return Ok(None);
    }
    host.parse().map(Some).map_err(|_| bad())
}

/// What we ask of our own connection: a switch, or trailers. (RFC 9110, 7.8 and 10.1.4: both are
/// named by `Connection`.)
fn ask_of_the_connection(headers: &mut HeaderMap, upgrade: Option<HeaderValue>, trailers: bool) {
    let mut option = |name: &'static str| {
        match headers.entry(CONNECTION) {
            Entry::Occupied(mut entry) => entry.append(HeaderValue::from_static(name)),
            Entry::Vacant(entry) => {
                entry.insert(HeaderValue::from_static(name));
            }
        };
    };
    if upgrade.is_some() {
        option("upgrade");
    }
    if trailers {
        option("te");
        headers.insert(TE, HeaderValue::from_static("trailers"));
    }
    if let Some(protocols) = upgrade {
        headers.insert(UPGRADE, protocols);
    }
}
