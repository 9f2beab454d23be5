//! What a shard finds out about its clients, for `/status` and the sampled metrics.

use super::client::ClientState;
use super::report::{ClientReport, ShardReport, SourceReport, keep_slowest};
use super::shard::Shard;
use super::shard_channel::ShardChannel;

/// Lags sampled per channel and second.
const LAG_SAMPLES: usize = 256;

impl Shard {
    pub(super) fn report(&self) -> ShardReport {
        let now = self.clock.tick();
        let mut report = ShardReport::default();
        for (key, client) in self.clients.iter() {
            let name = client.subscription.channel().name();
            let lag = self.lag(key);
            if !report.sources.contains_key(name) {
                report.sources.insert(name.to_owned(), SourceReport::default());
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
            keep_slowest(&mut source.slowest);
        }
        report
    }

    /// Adds up what was counted since the last time.
    pub(super) fn publish_counts(&mut self) {
        self.channels.iter_mut().for_each(ShardChannel::publish_counts);
    }

    /// A sample of the clients' lags, the same part of every channel's: the histogram keeps each
    /// value for some seconds.
    pub(super) fn sample_lags(&self) {
        for (_, shard_channel) in self.channels.iter() {
            let lag_events = &shard_channel.channel.metrics().lag_events;
            let stride = shard_channel.clients.len().div_ceil(LAG_SAMPLES).max(1);
            for &key in shard_channel
                .clients
                .iter()
                .skip(fastrand::usize(..stride))
                .step_by(stride)
            {
                let lag = match self.clients[key].state {
                    ClientState::Live => 0,
                    _ => self.lag(key).events,
                };
                lag_events.record(lag as f64);
            }
        }
    }
}
