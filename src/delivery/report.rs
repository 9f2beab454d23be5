//! What the shards tell of their clients, as plain data.

use crate::metrics::{CloseReason, Protocol};
use crate::quotas::User;
use bytes::Bytes;
use std::cmp::Reverse;
use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, SystemTime};

/// Clients named one by one: an operator looks at a few, and a report stays small however many lag.
const SLOWEST_MAX: usize = 10;

/// One shard's answer.
#[derive(Debug, Default)]
pub struct ShardReport {
    /// By the source's name; channels of one source are added up.
    pub sources: HashMap<String, SourceReport>,
}

/// The clients of one source in one shard.
#[derive(Debug, Default)]
pub struct SourceReport {
    /// Clients by protocol, in the order of [`Protocol::ALL`].
    pub by_protocol: [u64; Protocol::ALL.len()],
    /// Each client's lag in events.
    pub lag_events: Vec<u64>,
    /// Each client's lag in bytes.
    pub lag_bytes: Vec<u64>,
    /// The ones that are farthest behind, as [`keep_slowest`] leaves them.
    pub slowest: Vec<ClientReport>,
}

/// One client.
#[derive(Debug, Clone)]
pub struct ClientReport {
    /// Where it came from.
    pub peer: SocketAddr,
    /// How it speaks.
    pub protocol: Protocol,
    /// Events behind the head.
    pub lag_events: u64,
    /// Bytes behind the head.
    pub lag_bytes: u64,
    /// Since a byte of its was taken, while bytes wait.
    pub stalled: Duration,
    /// Since its stream began.
    pub connected: Duration,
}

/// An address, of one client or of all that come from there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Whereabouts {
    /// In its canonical form.
    pub ip: IpAddr,
    /// `None`: any.
    pub port: Option<u16>,
}

impl Whereabouts {
    /// Whether a client there is meant.
    pub(super) fn includes(self, address: SocketAddr) -> bool {
        self.ip == address.ip() && self.port.is_none_or(|port| port == address.port())
    }
}

/// One client, with everything that is known of it.
#[derive(Debug, Clone)]
pub struct FoundClient {
    /// The name of its source.
    pub source: String,
    /// What is known of every client.
    pub report: ClientReport,
    /// `live`, `replaying`, `blocked` or `closing`.
    pub state: &'static str,
    /// The id in force before what it gets next; `None`: that is no longer known.
    pub last_event_id: Option<Bytes>,
    /// Since it took a byte.
    pub silent: Duration,
    /// Why its stream is to end, and in how long, if that is settled.
    pub leaves: Option<(CloseReason, Duration)>,
    /// Who its user is, where that is known.
    pub user: Option<User>,
    /// When what let it in expires.
    pub expires: Option<SystemTime>,
}

/// Leaves the slowest of `clients`, slowest first: by bytes behind the head, then events, then time
/// stalled.
///
/// A shard does it to its own clients and the status to those of all shards. Both have to choose
/// alike, or a shard would leave out one of the slowest of all.
pub fn keep_slowest(clients: &mut Vec<ClientReport>) {
    clients.sort_by_key(|client| Reverse((client.lag_bytes, client.lag_events, client.stalled)));
    clients.truncate(SLOWEST_MAX);
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::Ipv4Addr;

    /// The port tells them apart.
    fn client(port: u16, lag_events: u64, lag_bytes: u64, stalled_s: u64) -> ClientReport {
        ClientReport {
            peer: (Ipv4Addr::LOCALHOST, port).into(),
            protocol: Protocol::Http11,
            lag_events,
            lag_bytes,
            stalled: Duration::from_secs(stalled_s),
            connected: Duration::ZERO,
        }
    }

    fn ports(clients: &[ClientReport]) -> Vec<u16> {
        clients.iter().map(|client| client.peer.port()).collect()
    }

    #[test]
    fn the_slowest_come_first() {
        let mut clients: Vec<_> = (0..20).map(|n| client(9, 0, n, 0)).collect();
        clients.push(client(3, 5, 100, 0));
        clients.push(client(1, 6, 100, 0));
        clients.push(client(2, 5, 100, 2));
        keep_slowest(&mut clients);
        assert_eq!(clients.len(), SLOWEST_MAX);
        assert_eq!(ports(&clients)[..4], [1, 2, 3, 9]);
    }

    #[test]
    fn what_shards_choose_holds_the_slowest_of_all() {
        // Many small events behind, or few large ones.
        let client = |n: u16| client(n, u64::from(n * 7 % 31), u64::from(n * 11 % 37), 0);
        let mut all: Vec<_> = (0..60).map(client).collect();
        let mut gathered = Vec::new();
        for shard in all.chunks(20) {
            let mut shard = shard.to_vec();
            keep_slowest(&mut shard);
            gathered.extend(shard);
            keep_slowest(&mut gathered);
        }
        keep_slowest(&mut all);
        assert_eq!(ports(&gathered), ports(&all));
    }
}
