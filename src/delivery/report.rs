//! What a shard knows of its clients, for `/status` and the sampled metrics.

use super::client::ClientState;
use super::shard::Shard;
use crate::metrics::Protocol;
use std::collections::HashMap;
use std::net::SocketAddr;
use std::time::Duration;

/// Clients named one by one.
const SLOWEST: usize = 10;
/// Lags sampled per channel and second.
const LAG_SAMPLES: usize = 256;

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
    /// The ones that are farthest behind, farthest first.
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

impl Shard {
    pub(super) fn report(&self) -> ShardReport {
        let now = self.clock.tick();
        let mut report = ShardReport::default();
        for (key, client) in &self.clients {
            let name = &client.subscription.channel().source().name;
            let lag = self.lag(key as u32);
            if !report.sources.contains_key(name) {
                report.sources.insert(name.clone(), SourceReport::default());
            }
            let Some(source) = report.sources.get_mut(name) else {
                continue;
            };
            source.by_protocol[client.subscription.protocol().index()] += 1;
            source.lag_events.push(lag.events);
            source.lag_bytes.push(lag.bytes);
            if lag.bytes > 0 {
                source.slowest.push(ClientReport {
                    peer: client.peer.address(),
                    protocol: client.subscription.protocol(),
                    lag_events: lag.events,
                    lag_bytes: lag.bytes,
                    stalled: lag.stalled,
                    connected: now.since(client.opened),
                });
            }
        }
        for source in report.sources.values_mut() {
            source
                .slowest
                .sort_by_key(|client| std::cmp::Reverse((client.lag_events, client.lag_bytes)));
            source.slowest.truncate(SLOWEST);
        }
        report
    }

    /// A sample of the clients' lags, the same part of every channel's: the histogram keeps each value for some seconds.
    pub(super) fn sample_lags(&self) {
        for (_, shard_channel) in &self.channels {
            let lag_events = &shard_channel.channel.metrics().lag_events;
            let stride = shard_channel.clients.len().div_ceil(LAG_SAMPLES).max(1);
            for &key in shard_channel
                .clients
                .iter()
                .skip(fastrand::usize(..stride))
                .step_by(stride)
            {
                let lag = match self.clients[key as usize].state {
                    ClientState::Live => 0,
                    _ => self.lag(key).events,
                };
                lag_events.record(lag as f64);
            }
        }
    }
}
