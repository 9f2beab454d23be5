//! Connections whose request has not come, or not all of it, on their way to another process. One
//! that does not get there is served here on.

use super::connection::Connection;
use super::head::ReadAhead;
use crate::net::{Phase, Stream, Watched};
use crate::quotas::Descriptors;
use serde::{Deserialize, Serialize};
use std::io;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Bytes of a request that go over at the most: more than any head may have.
const READ_BYTES_MAX: usize = 2 << 20;

/// A connection without a request.
pub(crate) struct Unasked {
    stream: Stream,
    carried: CarriedConnection,
}

/// The same as plain data, but for its socket.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct CarriedConnection {
    peer: SocketAddr,
    /// What has been read of its next request.
    read: Vec<u8>,
    /// A PROXY protocol header has to come before that.
    awaits_proxy_header: bool,
    /// Nothing of it has been used: it may turn out to speak HTTP/2.
    may_be_http2: bool,
    /// A request has come over it before.
    is_used: bool,
}

/// Where connections without a request are gathered, while they are.
#[derive(Default)]
pub(super) struct Gathering(Mutex<Option<Vec<Unasked>>>);

impl Gathering {
    /// Whether they are gathered at this moment.
    pub(super) fn is_on(&self) -> bool {
        self.gathered().is_some()
    }

    /// Gathers one; its stream is returned where they are gathered no more.
    pub(super) fn add(&self, connection: &mut Connection, stream: Watched) -> Option<Watched> {
        match &mut *self.gathered() {
            None => Some(stream),
            Some(gathered) => {
                gathered.push(Unasked::of(connection, stream));
                None
            }
        }
    }

    /// From now on they are gathered.
    pub(super) fn begin(&self) {
        *self.gathered() = Some(Vec::new());
    }

    /// Those that were gathered; none are any more.
    pub(super) fn end(&self) -> Vec<Unasked> {
        self.gathered().take().unwrap_or_default()
    }

    fn gathered(&self) -> MutexGuard<'_, Option<Vec<Unasked>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Unasked {
    fn of(connection: &mut Connection, stream: Watched) -> Self {
        let is_used = connection.is_used();
        let (ahead, peer) = (&mut connection.ahead, connection.peer);
        Self {
            carried: CarriedConnection {
                awaits_proxy_header: ahead.awaits_proxy_header(),
                may_be_http2: ahead.may_be_http2(),
                read: ahead.take(READ_BYTES_MAX).into(),
                peer,
                is_used,
            },
            stream: stream.into_stream(),
        }
    }

    /// One that another process has read of so far.
    pub(crate) fn going_on(
        carried: CarriedConnection,
        socket: OwnedFd,
        descriptors: &Descriptors,
    ) -> io::Result<Option<Self>> {
        let Some(descriptor) = descriptors.take() else {
            return Ok(None);
        };
        let stream = Stream::going_on(socket, descriptor)?;
        Ok(Some(Self { stream, carried }))
    }

    /// What is to be known of it.
    pub(crate) fn carried(&self) -> &CarriedConnection {
        &self.carried
    }

    /// Its socket.
    pub(crate) fn stream(&self) -> &Stream {
        &self.stream
    }

    /// The connection as it stands, and its stream.
    pub(super) fn into_connection(self) -> (Connection, Stream) {
        let Self { stream, carried } = self;
        let ahead = ReadAhead::going_on(&carried.read, carried.awaits_proxy_header, carried.may_be_http2);
        let mut connection = Connection::new(carried.peer, ahead);
        if carried.is_used {
            connection.use_for(Phase::Head);
        }
        (connection, stream)
    }
}
