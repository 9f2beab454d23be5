//! What a connection has to do after an exchange: a tunnel, or the rest of a body that was not
//! read.

use super::connection::Connection;
use super::passed_line::PassedLine;
use crate::net::Watched;
use crate::proxy::{Tunnel, Unread};
use crate::quotas::ProxyPermit;
use bytes::Bytes;
use std::time::Duration;

/// After an answer that did not wait for all of the request's body: how long the rest of it is read
/// and thrown away.
const LINGER_MAX: Duration = Duration::from_secs(10);

/// What the connection needs once hyper has the answer.
pub(crate) struct Afterwards {
    _permit: ProxyPermit,
    /// What follows a `101`.
    tunnel: Option<Tunnel>,
    unread: Unread,
    /// Of a tunnel, which it ends with.
    _line: Option<PassedLine>,
}

impl Afterwards {
    pub(super) fn new(permit: ProxyPermit, tunnel: Option<Tunnel>, unread: Unread, line: Option<PassedLine>) -> Self {
        Self {
            _permit: permit,
            tunnel,
            unread,
            _line: line,
        }
    }

    /// Whether the connection is still of use when hyper is done with it.
    pub(super) fn has_more_to_do(&self) -> bool {
        self.tunnel.is_some() || self.unread.any()
    }
}

/// What is done with a connection after hyper. `sent`: what hyper has read of it.
pub(super) async fn go_on(mut afterwards: Afterwards, connection: &mut Connection, stream: &Watched, sent: Bytes) {
    let Some(tunnel) = afterwards.tunnel.take() else {
        // An answer that left something unread.
        return connection.linger(stream, LINGER_MAX, usize::MAX).await;
    };
    let behind = connection.ahead.take(usize::MAX);
    let sent = [&sent[..], &behind].concat();
    if let Err(error) = tunnel.run(stream, &sent).await {
        tracing::debug!(%error, "a tunnel broke");
    }
}
