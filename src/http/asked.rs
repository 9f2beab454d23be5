//! A request for a source.

use super::request::Wants;
use super::router::SourceMatch;
use hyper::Request;
use std::net::SocketAddr;

/// A request for a source.
pub(super) struct Asked<'a> {
    pub(super) request: &'a Request<()>,
    /// The client's own address.
    pub(super) peer: SocketAddr,
    pub(super) found: SourceMatch,
    pub(super) wants: Wants,
}
