//! One client: a way to its peer and a cursor.

use super::clock::Tick;
use super::failure::reason_of;
use super::framing::Framing;
use super::http2::Connections;
use super::keys::{ChannelKey, Generation};
use super::sink::Sink;
use super::slow_client::SlowState;
use crate::channel::Subscription;
use crate::log::Cursor;
use crate::metrics::CloseReason;
use crate::net::Sent;
use crate::quotas::ClientPermit;
use bytes::{Buf, Bytes};
use std::net::{IpAddr, Ipv6Addr, SocketAddr};

/// A client of a shard. Its size times the number of clients is the memory bill: a test holds it
/// down.
pub(super) struct Client {
    pub(super) sink: Sink,
    /// The first entry of the log that has not been begun.
    pub(super) next: Cursor,
    /// What has to go out before it: the rest of an event (also when the log has let it go), or
    /// bytes of our own. Never empty.
    pub(super) rest: Option<Box<Bytes>>,
    pub(super) subscription: Subscription,
    pub(super) permit: ClientPermit,
    pub(super) peer: Peer,
    pub(super) channel_key: ChannelKey,
    /// Its place in the channel's list.
    pub(super) index: u32,
    /// Tells it from an earlier client under the same key.
    pub(super) generation: Generation,
    /// When a byte of its was last taken, or, while it is blocked, began to wait if that is later.
    pub(super) active: Tick,
    pub(super) opened: Tick,
    /// When its current entry in the wheel comes up; others are stale.
    pub(super) armed: Tick,
    /// When its stream has to end (drain, `max_age`), if `leaves` is set.
    pub(super) leave_at: Tick,
    pub(super) leaves: Option<CloseReason>,
    /// What the slow-client policy remembers from one look to the next.
    pub(super) slow_state: SlowState,
    pub(super) state: ClientState,
    pub(super) after_rest: AfterRest,
    pub(super) framing: Framing,
    /// Whether it has been at the head: what comes from then on is no replay.
    pub(super) has_caught_up: bool,
}

/// What a client is doing. It is in exactly one of these.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ClientState {
    /// At the head, its socket took everything: the channel's next pass finds it. It has no `rest`.
    Live,
    /// Behind, in the queue of those that read the log on their own.
    Replaying,
    /// Its socket is full: waits to become writable.
    Blocked,
    /// Its stream is ending: gets its `rest` and the farewell until the deadline in `leave_at`.
    Closing(CloseReason),
}

/// What comes once `rest` is out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum AfterRest {
    /// The log, from `next`.
    Log,
    /// A jump to the head, and the gap event that says so.
    Skip,
    /// The end of the body.
    Farewell,
    /// Nothing: the farewell is `rest`, or gone.
    Nothing,
}

/// Where a client came from, in 18 bytes instead of 32.
#[derive(Clone, Copy)]
pub(super) struct Peer {
    ip: [u8; 16],
    port: [u8; 2],
}

/// How a write went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Flow {
    /// Everything was taken.
    Done,
    /// The socket is full.
    Blocked,
    /// The client is gone, for this reason.
    Broken(CloseReason),
}

impl Client {
    /// What it needs next, if it waits for its socket or for its turn.
    pub(super) fn waits_at(&self) -> Option<Cursor> {
        match self.state {
            ClientState::Blocked | ClientState::Replaying => Some(self.next),
            ClientState::Live | ClientState::Closing(_) => None,
        }
    }

    /// Writes what has to go out before the log. Adds the bytes taken to `sent`.
    pub(super) fn flush_rest(&mut self, connections: &mut Connections, now: Tick, sent: &mut u64) -> Flow {
        let flow = self.flush_stream(now);
        let (Some(rest), Flow::Done) = (&mut self.rest, flow) else {
            return flow;
        };
        match self.sink.send(rest, connections) {
            Err(error) => Flow::Broken(reason_of(&error)),
            Ok(Sent { taken, is_full }) => {
                *sent += taken as u64;
                if taken > 0 {
                    self.active = now;
                }
                if taken == rest.len() {
                    self.rest = None;
                } else {
                    rest.advance(taken);
                }
                if is_full { Flow::Blocked } else { Flow::Done }
            }
        }
    }

    /// Writes what the stream has taken before and its socket has not.
    fn flush_stream(&mut self, now: Tick) -> Flow {
        let before = self.sink.unsent_bytes();
        if before == 0 {
            return Flow::Done;
        }
        match self.sink.flush() {
            Err(error) => Flow::Broken(reason_of(&error)),
            Ok(left) => {
                if left < before {
                    self.active = now;
                }
                if left > 0 { Flow::Blocked } else { Flow::Done }
            }
        }
    }

    /// Writes bytes at an event boundary; what the socket doesn't take becomes `rest`.
    pub(super) fn write_own(&mut self, bytes: Bytes, connections: &mut Connections, now: Tick, sent: &mut u64) -> Flow {
        debug_assert!(self.rest.is_none(), "never into the middle of an event");
        self.rest = Some(Box::new(bytes));
        self.flush_rest(connections, now, sent)
    }
}

impl Peer {
    pub(super) fn new(address: SocketAddr) -> Self {
        let ip = match address.ip() {
            IpAddr::V4(ip) => ip.to_ipv6_mapped(),
            IpAddr::V6(ip) => ip,
        };
        Self {
            ip: ip.octets(),
            port: address.port().to_be_bytes(),
        }
    }

    pub(super) fn address(self) -> SocketAddr {
        SocketAddr::new(
            IpAddr::V6(Ipv6Addr::from(self.ip)).to_canonical(),
            u16::from_be_bytes(self.port),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_is_small() {
        // 18,000 of them are 2 MB; the goal is 0.75 KiB in all.
        assert!(size_of::<Client>() <= 136, "{} bytes", size_of::<Client>());
    }

    #[test]
    fn a_peer_keeps_its_address() {
        for address in ["127.0.0.1:80", "[2001:db8::1]:65535"] {
            let address: SocketAddr = address.parse().expect("an address");
            assert_eq!(Peer::new(address).address(), address);
        }
    }
}
