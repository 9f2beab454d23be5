//! The table of every metric: name, kind, unit, labels, buckets, help.
//!
//! Nothing else in the program knows a metric's name. `source` is always the configured name, never a path parameter:
//! the number of series is bounded by the configuration.

use metrics::Unit;

/// One metric of the table.
#[derive(Debug, Clone, Copy)]
pub struct Definition {
    /// The name, with its unit and, for counters, `_total` (Prometheus' naming rules).
    pub name: &'static str,
    /// Counter, gauge or histogram.
    pub kind: Kind,
    /// What one is one of; the name says so too, where it is not a plain count.
    pub unit: Unit,
    /// The label names, in the order in which series are written.
    pub labels: &'static [&'static str],
    /// Upper bounds of a histogram's buckets, ascending, without `+Inf`; empty for the others.
    pub buckets: &'static [f64],
    /// The `# HELP` line.
    pub help: &'static str,
}

/// What a metric is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Only ever grows.
    Counter,
    /// Goes up and down.
    Gauge,
    /// Observations, counted in buckets.
    Histogram,
}

impl Kind {
    /// As in the `# TYPE` line.
    pub const fn label(self) -> &'static str {
        match self {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
            Kind::Histogram => "histogram",
        }
    }
}

/// 50 µs (one batch to a few clients) to 10 s (what no operator wants to see), about 2-2.5 apart.
const FANOUT_BUCKETS_SECONDS: &[f64] = &[
    0.00005, 0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0,
];

/// 0.5 ms (a small page from next door) to 60 s (when an origin is given up).
const PROXIED_BUCKETS_SECONDS: &[f64] = &[
    0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0,
];

/// 0 is its own bucket: the share of clients that are at the head.
const LAG_BUCKETS_EVENTS: &[f64] = &[0.0, 1.0, 10.0, 100.0, 1_000.0, 10_000.0, 100_000.0, 1_000_000.0];

/// Declares one constant per metric, and [`ALL`] with every one of them.
macro_rules! table {
    ($($id:ident: $kind:ident $name:literal in $unit:ident, [$($label:literal),*], $buckets:expr, $help:literal;)+) => {
        $(
            #[doc = concat!("`", $name, "`: ", $help)]
            pub const $id: Definition = Definition {
                name: $name,
                kind: Kind::$kind,
                unit: Unit::$unit,
                labels: &[$($label),*],
                buckets: $buckets,
                help: $help,
            };
        )+

        /// Every metric, in the order of the table.
        pub const ALL: &[Definition] = &[$($id),+];
    };
}

table! {
    CLIENTS: Gauge "fanfare_clients" in Count, ["source", "protocol"], &[],
        "Clients with an open event stream.";
    CONNECTIONS_OPENED: Counter "fanfare_connections_opened_total" in Count, [], &[],
        "Connections accepted by the listeners.";
    CONNECTIONS_CLOSED: Counter "fanfare_connections_closed_total" in Count, ["source", "reason"], &[],
        "Event streams to clients that have ended, by why.";
    EVENTS_RECEIVED: Counter "fanfare_events_received_total" in Count, ["source"], &[],
        "Events received from the upstreams.";
    BYTES_RECEIVED: Counter "fanfare_bytes_received_total" in Bytes, ["source"], &[],
        "Bytes of event streams received from the upstreams.";
    DELIVERIES: Counter "fanfare_deliveries_total" in Count, ["source"], &[],
        "Events delivered: one event to one client is one.";
    BYTES_SENT: Counter "fanfare_bytes_sent_total" in Bytes, ["source"], &[],
        "Bytes of event streams written to clients.";
    EVICTIONS: Counter "fanfare_evictions_total" in Count, ["source", "reason"], &[],
        "Clients evicted because they lagged, by the bound that they reached.";
    GAPS: Counter "fanfare_gaps_total" in Count, ["source", "reason"], &[],
        "Gaps announced to clients: events that can't be delivered any more, by why.";
    RESUMES: Counter "fanfare_resumes_total" in Count, ["source", "outcome"], &[],
        "Clients that came back with a last event ID: exact (nothing missed) or gap.";
    REFUSED: Counter "fanfare_refused_total" in Count, ["reason"], &[],
        "Connections and requests refused, by why.";
    PROXIED_REQUESTS: Counter "fanfare_proxied_requests_total" in Count, ["code"], &[],
        "Requests that went to an origin as they were, by the status that the client got.";
    PROXIED_REQUEST_SECONDS: Histogram "fanfare_proxied_request_seconds" in Seconds, [], PROXIED_BUCKETS_SECONDS,
        "Time from a proxied request to the end of its response; for event streams and WebSockets to its head.";
    PROXIED_STREAMS: Gauge "fanfare_proxied_streams" in Count, [], &[],
        "Event streams that come through the proxy: each is a connection of its own at the origin.";
    UPSTREAM_CONNECTED: Gauge "fanfare_upstream_connected" in Count, ["source", "upstream"], &[],
        "Open connections to the upstream: 0 or 1, and for a templated source one per channel.";
    UPSTREAM_RECONNECTS: Counter "fanfare_upstream_reconnects_total" in Count, ["source", "upstream", "reason"], &[],
        "Upstream connections, or attempts at one, that failed and were made again, by why.";
    FANOUT_SECONDS: Histogram "fanfare_fanout_seconds" in Seconds, ["source"], FANOUT_BUCKETS_SECONDS,
        "Time from an event being read to the last socket written, per shard.";
    LAG_EVENTS: Histogram "fanfare_lag_events" in Count, ["source"], LAG_BUCKETS_EVENTS,
        "Events by which a client is behind the head of the log, sampled over the clients.";
    LOG_EVENTS: Gauge "fanfare_log_events" in Count, ["source"], &[],
        "Events in the log, over the source's channels.";
    LOG_BYTES: Gauge "fanfare_log_bytes" in Bytes, ["source"], &[],
        "Bytes in the log, over the source's channels.";
    CHANNELS: Gauge "fanfare_channels" in Count, ["source"], &[],
        "Live channels of the source.";
    CONFIG_RELOADS: Counter "fanfare_config_reloads_total" in Count, ["outcome"], &[],
        "Reloads of the configuration, by how they went.";
    BUILD_INFO: Gauge "fanfare_build_info" in Count, ["version", "os", "arch"], &[],
        "Always 1; the labels say which build this is.";
    LOG_LINES_DROPPED: Counter "fanfare_log_lines_dropped_total" in Count, [], &[],
        "Log lines that were dropped because standard error did not take them.";
    // The process, under the names that every Prometheus client library uses.
    PROCESS_CPU_SECONDS: Counter "process_cpu_seconds_total" in Seconds, [], &[],
        "Total user and system CPU time spent in seconds.";
    PROCESS_OPEN_FDS: Gauge "process_open_fds" in Count, [], &[],
        "Number of open file descriptors.";
    PROCESS_MAX_FDS: Gauge "process_max_fds" in Count, [], &[],
        "Maximum number of open file descriptors.";
    PROCESS_RESIDENT_MEMORY_BYTES: Gauge "process_resident_memory_bytes" in Bytes, [], &[],
        "Resident memory size in bytes.";
    PROCESS_VIRTUAL_MEMORY_BYTES: Gauge "process_virtual_memory_bytes" in Bytes, [], &[],
        "Virtual memory size in bytes.";
    PROCESS_START_TIME_SECONDS: Gauge "process_start_time_seconds" in Seconds, [], &[],
        "Start time of the process since unix epoch in seconds.";
    PROCESS_THREADS: Gauge "process_threads" in Count, [], &[],
        "Number of OS threads in the process.";
}

impl Definition {
    /// Whether the exporter holds it: the numbers of the process are read when they are asked for, and written apart.
    pub(super) fn is_recorded(&self) -> bool {
        !self.name.starts_with("process_") && self.name != LOG_LINES_DROPPED.name
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn the_table_keeps_the_naming_rules() {
        let mut names = HashSet::new();
        for definition in ALL {
            let Definition {
                name,
                kind,
                unit,
                labels,
                buckets,
                help,
            } = definition;
            assert!(names.insert(name), "{name} twice");
            assert_eq!(name.ends_with("_total"), *kind == Kind::Counter, "{name}");
            assert_eq!(buckets.is_empty(), *kind != Kind::Histogram, "{name}");
            assert!(buckets.is_sorted(), "{name}");
            assert!(help.ends_with('.') && !help.contains(['\n', '\\']), "{name}");
            assert!(labels.iter().collect::<HashSet<_>>().len() == labels.len(), "{name}");
            let base = name.trim_end_matches("_total");
            match unit {
                Unit::Seconds => assert!(base.ends_with("_seconds"), "{name}"),
                Unit::Bytes => assert!(base.contains("_bytes"), "{name}"),
                _ => assert!(!base.ends_with("_seconds") && !base.contains("_bytes"), "{name}"),
            }
        }
    }

    #[test]
    fn fanout_buckets_span_what_matters() {
        assert_eq!(FANOUT_BUCKETS_SECONDS.first(), Some(&0.00005));
        assert_eq!(FANOUT_BUCKETS_SECONDS.last(), Some(&10.0));
    }
}
