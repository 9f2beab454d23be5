//! The table of every metric: name, kind, unit, labels, buckets, help.
//!
//! Nothing else in the program knows a metric's name. `source` is always the configured name, never a path parameter: the number of series is
//! bounded by the configuration.

use metrics::Unit;

pub use super::definition::{Definition, Kind};

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

/// 1 ms (an engine next door) to 10 s (where an append is given up).
const APPEND_BUCKETS_SECONDS: &[f64] = &[
    0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0,
];

/// Declares one constant per metric, and [`ALL`] with every one of them.
macro_rules! table {
    ($($id:ident: $kind:ident $name:literal in $unit:ident, [$($label:literal),*], $buckets:expr, $help:literal, $use:literal;)+) => {
        $(
            #[doc = concat!("`", $name, "`: ", $help)]
            pub const $id: Definition = Definition {
                name: $name,
                kind: Kind::$kind,
                unit: Unit::$unit,
                labels: &[$($label),*],
                buckets: $buckets,
                help: $help,
                use_of_it: $use,
            };
        )+

        /// Every metric, in the order of the table.
        pub const ALL: &[Definition] = &[$($id),+];
    };
}

table! {
    CLIENTS: Gauge "fanfare_clients" in Count, ["source", "protocol"], &[],
        "Clients with an open event stream.",
        "Against `fanfare_limit{limit=\"clients\"}`: how full the relay is.";
    CONNECTIONS_OPENED: Counter "fanfare_connections_opened_total" in Count, [], &[],
        "Connections accepted by the listeners.",
        "A rate far above that of new clients: probes, or a client that comes back in a loop.";
    CONNECTIONS_CLOSED: Counter "fanfare_connections_closed_total" in Count, ["source", "reason"], &[],
        "Event streams to clients that have ended, by why.",
        "`evicted` rises with `fanfare_evictions_total`; `error` are resets, of networks and of killed programs.";
    EVENTS_RECEIVED: Counter "fanfare_events_received_total" in Count, ["source"], &[],
        "Events received from the upstreams.",
        "A rate of 0 where events are expected: look at the upstream.";
    LAST_EVENT: Gauge "fanfare_last_event_timestamp_seconds" in Seconds, ["source"], &[],
        "When the last event was received, in seconds since the epoch; no series before the first.",
        "Alert on `time() -` it, where events are expected that often.";
    BYTES_RECEIVED: Counter "fanfare_bytes_received_total" in Bytes, ["source"], &[],
        "Bytes of event streams received from the upstreams.",
        "Also moves by comments and heartbeats of the origin.";
    DELIVERIES: Counter "fanfare_deliveries_total" in Count, ["source"], &[],
        "Events delivered: one event to one client is one.",
        "The rate is the load that the clients make.";
    BYTES_SENT: Counter "fanfare_bytes_sent_total" in Bytes, ["source"], &[],
        "Bytes of event streams written to clients.",
        "Against the network's bandwidth.";
    COMPRESSED_BYTES: Counter "fanfare_compressed_bytes_total" in Bytes, ["source"], &[],
        "Bytes of event streams written to clients that take gzip, as they were written.",
        "A part of `fanfare_bytes_sent_total`. Divided by `fanfare_uncompressed_bytes_total`: what is left of the events.";
    UNCOMPRESSED_BYTES: Counter "fanfare_uncompressed_bytes_total" in Bytes, ["source"], &[],
        "Bytes that the events written to clients that take gzip would have been in clear.",
        "Less `fanfare_compressed_bytes_total`: what compression saves.";
    EVICTIONS: Counter "fanfare_evictions_total" in Count, ["source", "reason"], &[],
        "Clients evicted because they lagged, by the bound that they reached.",
        "`stall`: dead peers. `events`, `bytes`: too slow for the stream. `log`: enlarge the log. `pause`: it held the upstream too long.";
    GAPS: Counter "fanfare_gaps_total" in Count, ["source", "reason"], &[],
        "Gaps announced to clients: events that can't be delivered any more, by why.",
        "`evicted`: the log is shorter than clients stay away. `upstream_reconnected`: the origin gives no ids. `unknown_id` after a restart is normal.";
    RESUMES: Counter "fanfare_resumes_total" in Count, ["source", "outcome"], &[],
        "Clients that came back with a last event ID: exact (nothing missed) or gap.",
        "`gap` in a large part: enlarge the log.";
    ACCESS_DENIED: Counter "fanfare_access_denied_total" in Count, ["source", "reason"], &[],
        "Requests that were not let in by `access`, by why.",
        "`no_keys` and `no_answer`: nobody new gets in until that is mended. `unknown_key` after a rotation: a signer is ahead.";
    REFUSED: Counter "fanfare_refused_total" in Count, ["reason"], &[],
        "Connections and requests refused, by why.",
        "`clients`, `channels`, `descriptors`, `passes`: raise what is full. `bad_request`, `header_timeout`: scanners, or an attack.";
    CONFIG_RELOADS: Counter "fanfare_config_reloads_total" in Count, ["outcome"], &[],
        "Reloads of the configuration, or of the certificates in it, by what became of them.",
        "Alert on `rejected`: what is in force is older than what stands in the files.";
    HANDED_OVER: Counter "fanfare_handed_over_total" in Count, ["outcome"], &[],
        "Clients at an upgrade by hand-over, by what became of them, as the new process counts; `failed`: upgrades that came to nothing.",
        "`cut`: raise `drain.timeout`. `failed`: the log of both processes says why.";
    TLS_HANDSHAKES: Counter "fanfare_tls_handshakes_total" in Count, ["outcome"], &[],
        "TLS handshakes of clients, by what became of them.",
        "`certificate_refused`: look at the certificate and its chain. `incompatible`: at `min_version` and `alpn`. `client_certificate`: at `client_ca`. `not_tls`: a URL with `http://`. `closed`: probes that only connect.";
    CERTIFICATE_EXPIRY: Gauge "fanfare_certificate_expiry_timestamp_seconds" in Seconds, ["listener"], &[],
        "When the first of the listener's certificates ends, in seconds since the epoch.",
        "Alert on it less `time()`, well before that is 0: renewal has failed.";
    PROXIED_REQUESTS: Counter "fanfare_proxied_requests_total" in Count, ["code"], &[],
        "Requests that went to an origin as they were, by the status that the client got.",
        "`502`, `504`: the origin failed; the log says how.";
    PROXIED_REQUEST_SECONDS: Histogram "fanfare_proxied_request_seconds" in Seconds, [], PROXIED_BUCKETS_SECONDS,
        "Time from a proxied request to the end of its response; for event streams and WebSockets to its head.",
        "The time of the origin, mostly.";
    PROXIED_STREAMS: Gauge "fanfare_proxied_streams" in Count, [], &[],
        "Event streams that come through the proxy: each is a connection of its own at the origin.",
        "More than a few: make a source of the path.";
    UPSTREAM_CONNECTED: Gauge "fanfare_upstream_connected" in Count, ["source", "upstream"], &[],
        "Open connections to the upstream: 0 or 1, and for a templated source one per channel.",
        "0 for longer than a reconnect takes: nothing comes in.";
    UPSTREAM_RECONNECTS: Counter "fanfare_upstream_reconnects_total" in Count, ["source", "upstream", "reason"], &[],
        "Upstream connections, or attempts at one, that failed and were made again, by why.",
        "The reason is the failure's, as in `/status`.";
    FANOUT_SECONDS: Histogram "fanfare_fanout_seconds" in Seconds, ["source"], FANOUT_BUCKETS_SECONDS,
        "Time from an event being read to the last socket written, per shard.",
        "A p99 that rises: the machine is full, or a batch reaches many clients.";
    LAG_EVENTS: Histogram "fanfare_lag_events" in Count, ["source"], LAG_BUCKETS_EVENTS,
        "Events by which a client is behind the head of the log, sampled over the clients.",
        "The share outside of bucket 0 is that of clients that are behind.";
    LOG_EVENTS: Gauge "fanfare_log_events" in Count, ["source"], &[],
        "Events in the log, over the source's channels.",
        "With `log_bytes`: which bound of the log is reached.";
    LOG_BYTES: Gauge "fanfare_log_bytes" in Bytes, ["source"], &[],
        "Bytes in the log, over the source's channels.",
        "A part of the resident memory.";
    LOG_DIR_ERRORS: Counter "fanfare_log_dir_errors_total" in Count, ["source"], &[],
        "Attempts to write to `log.dir`, or to read it, that failed.",
        "Alert on any increase: what comes meanwhile is in memory alone. The log says why.";
    LOG_DIR_LAG_EVENTS: Gauge "fanfare_log_dir_lag_events" in Count, ["source"], &[],
        "Events in the log that have not been written to `log.dir` yet, over the source's channels.",
        "More than some hundred for longer than a second: the disk is slower than the events, or out of order.";
    FLEET_LEADER: Gauge "fanfare_fleet_leader" in Count, ["source"], &[],
        "Whether this instance leads: it is connected to the origin, and appends to the shared log.",
        "The sum over the fleet is 1 per source, and for a moment 0 or 2. 0 for longer than 15 s: the engine is away, or no instance reaches it.";
    FLEET_CHANNELS_LED: Gauge "fanfare_fleet_channels_led" in Count, ["source"], &[],
        "Channels of a source with parameters that this instance leads: it is connected to their origin, and appends to their logs.",
        "Each is led by one instance that has clients of it. All on one: a load balancer that sends every client there.";
    FLEET_TERM: Gauge "fanfare_fleet_term" in Count, ["source"], &[],
        "The term in force in the shared log: the place at which its leader took over.",
        "It changes with the leader. Often: instances or the engine are cut off, again and again.";
    FLEET_LEASE_AGE_SECONDS: Gauge "fanfare_fleet_lease_age_seconds" in Seconds, ["source"], &[],
        "Since when the engine has not confirmed the lease of this instance; 0 if it has none.",
        "Above 10 s another instance may take over.";
    FLEET_APPEND_SECONDS: Histogram "fanfare_fleet_append_seconds" in Seconds, ["source"], APPEND_BUCKETS_SECONDS,
        "Time from sending something to the shared log to its acknowledgement.",
        "The engine's latency: every event takes it once, before any client gets it.";
    FLEET_RESYNCS: Counter "fanfare_fleet_resyncs_total" in Count, ["source"], &[],
        "How often the leader had to find out what of it has arrived in the shared log.",
        "One after each disturbance of the engine. A rate of its own: appends time out, see `append_timeout`.";
    FLEET_APPENDS_REFUSED: Counter "fanfare_fleet_appends_refused_total" in Count, ["source"], &[],
        "Appends that the shared log refused: it had moved on.",
        "A few at each change of the leader.";
    FLEET_BUFFERED_EVENTS: Gauge "fanfare_fleet_buffered_events" in Count, ["source"], &[],
        "Events that the leader has read, and that are not in the shared log yet.",
        "It grows while the engine is away, up to `fleet.buffer`; what comes then is told as a gap.";
    FLEET_CONSUMER_REBUILDS: Counter "fanfare_fleet_consumer_rebuilds_total" in Count, ["source"], &[],
        "How often the shared log had to be read anew, since its consumer failed or fell silent.",
        "One after each disturbance of the engine.";
    FLEET_HISTORY_READS: Counter "fanfare_fleet_history_reads_total" in Count, ["source"], &[],
        "How often the shared log was read for a client whose id this instance holds no more.",
        "A client that was away for longer than `log` takes one for each MiB; a rate of its own: `log` is too short.";
    FLEET_LOCAL: Gauge "fanfare_fleet_local" in Count, ["source"], &[],
        "Whether this instance serves its clients without the shared log: 1 or 0.",
        "1 for minutes: the engine is out of reach of this instance; with `when_away: local` only.";
    FLEET_GONE_LOCAL: Counter "fanfare_fleet_gone_local_total" in Count, ["source"], &[],
        "How often this instance has begun to serve its clients without the shared log.",
        "Rising: the engine comes and goes, or its network does.";
    FLEET_LAG_EVENTS: Gauge "fanfare_fleet_lag_events" in Count, ["source"], &[],
        "Messages of the shared log that this instance has not read, as of the last look.",
        "More than some hundred: its clients are behind those of other instances.";
    CHANNELS: Gauge "fanfare_channels" in Count, ["source"], &[],
        "Live channels of the source.",
        "Against `fanfare_limit{limit=\"channels\"}`; 1 for a source without parameters.";
    DERIVED_CHANNELS: Gauge "fanfare_derived_channels" in Count, ["source"], &[],
        "Channels that are computed from others: one for each filter that clients have chosen, and channel; at a combined path, one for each set of sources, too.",
        "Against `filters` of the source: with as many of them others are refused (`filters`); at a combined path, 64 sets of sources.";
    READY: Gauge "fanfare_ready" in Count, [], &[],
        "1 if every required source is connected and the process is not leaving, as /readyz says; else 0.",
        "Alert on 0.";
    DRAINING: Gauge "fanfare_draining" in Count, [], &[],
        "1 once the process has been told to leave.",
        "Explains that `fanfare_ready` is 0.";
    LIMIT: Gauge "fanfare_limit" in Count, ["limit"], &[],
        "How many there may be at one time: clients (as many as fit under the limit on open files), channels, descriptors, bytes of memory (the machine's or the control group's).",
        "What the gauges of clients, channels, `process_open_fds` and `process_resident_memory_bytes` are to be compared with.";
    BUILD_INFO: Gauge "fanfare_build_info" in Count, ["version", "os", "arch"], &[],
        "Always 1; the labels say which build this is.",
        "To see which version runs where.";
    LOG_LINES_DROPPED: Counter "fanfare_log_lines_dropped_total" in Count, [], &[],
        "Log lines that were dropped because standard error did not take them.",
        "Standard error is not read fast enough, or not at all.";
    // The process, under the names that every Prometheus client library uses.
    PROCESS_CPU_SECONDS: Counter "process_cpu_seconds_total" in Seconds, [], &[],
        "Total user and system CPU time spent in seconds.",
        "The rate is the cores in use.";
    PROCESS_OPEN_FDS: Gauge "process_open_fds" in Count, [], &[],
        "Number of open file descriptors.",
        "Against `process_max_fds`.";
    PROCESS_MAX_FDS: Gauge "process_max_fds" in Count, [], &[],
        "Maximum number of open file descriptors.",
        "`LimitNOFILE=` in a unit.";
    PROCESS_RESIDENT_MEMORY_BYTES: Gauge "process_resident_memory_bytes" in Bytes, [], &[],
        "Resident memory size in bytes.",
        "Logs, and less than 1 KiB per client.";
    PROCESS_VIRTUAL_MEMORY_BYTES: Gauge "process_virtual_memory_bytes" in Bytes, [], &[],
        "Virtual memory size in bytes.",
        "Says little: most of it is never used.";
    PROCESS_START_TIME_SECONDS: Gauge "process_start_time_seconds" in Seconds, [], &[],
        "Start time of the process since unix epoch in seconds.",
        "A change is a restart.";
    PROCESS_THREADS: Gauge "process_threads" in Count, [], &[],
        "Number of OS threads in the process.",
        "Constant while the process runs.";
}

/// Whether the exporter holds it: the numbers of the process are read when they are asked for, and
/// written apart.
pub(super) fn is_recorded(definition: &Definition) -> bool {
    !definition.name.starts_with("process_") && definition.name != LOG_LINES_DROPPED.name
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
                use_of_it,
            } = definition;
            assert!(names.insert(name), "{name} twice");
            assert_eq!(name.ends_with("_total"), *kind == Kind::Counter, "{name}");
            assert_eq!(buckets.is_empty(), *kind != Kind::Histogram, "{name}");
            assert!(buckets.is_sorted(), "{name}");
            assert!(use_of_it.ends_with('.') && !use_of_it.contains(['\n', '|']), "{name}");
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
