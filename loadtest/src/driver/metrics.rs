//! Every number that a run reports: name, label, unit, digits, and whether less of it is better.

/// Which way is better.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Better {
    Lower,
    Higher,
    /// It says something about the run, not about the server.
    Neither,
}

/// One number's description.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Metric {
    /// In JSON and in `--fail-if`.
    pub(crate) name: &'static str,
    pub(crate) label: &'static str,
    pub(crate) unit: &'static str,
    pub(crate) digits: usize,
    pub(crate) better: Better,
}

const fn metric(name: &'static str, label: &'static str, unit: &'static str, digits: usize, better: Better) -> Metric {
    Metric {
        name,
        label,
        unit,
        digits,
        better,
    }
}

use Better::{Higher, Lower, Neither};

/// All of them, in the order of the report.
pub(crate) const METRICS: &[Metric] = &[
    metric("clients", "clients live", "", 0, Neither),
    metric("connects_per_s", "connects", "/s", 0, Higher),
    metric("connect_p50_ms", "connect to head, median", "ms", 2, Lower),
    metric("connect_p99_ms", "connect to head, p99", "ms", 2, Lower),
    metric("cpu_us_per_connect", "server CPU per connect", "µs", 1, Lower),
    metric("connect_floor_ratio", "  against the floor, by round", "×", 3, Lower),
    metric(
        "connect_clear_ratio",
        "  against clear HTTP/1.1, by round",
        "×",
        3,
        Lower,
    ),
    metric("deliveries", "deliveries measured", "", 0, Neither),
    metric("deliveries_per_s", "deliveries", "/s", 0, Higher),
    metric("delivered_share", "of what the schedule asks", "%", 1, Higher),
    metric("mib_per_s", "bytes read by clients", "MiB/s", 1, Neither),
    metric("bytes_per_delivery", "  for each delivery", "B", 0, Lower),
    metric("cpu_us_per_delivery", "server CPU per delivery", "µs", 3, Lower),
    metric("cpu_user_us_per_delivery", "  of it user", "µs", 3, Lower),
    metric("cpu_system_us_per_delivery", "  of it system", "µs", 3, Lower),
    metric("cpu_floor_ratio", "  against the floor, by round", "×", 3, Lower),
    metric("cpu_clear_ratio", "  against clear HTTP/1.1, by round", "×", 3, Lower),
    metric("server_cpu_share", "server CPU", "% of a core", 1, Neither),
    metric("min_ms", "latency, lowest", "ms", 3, Lower),
    metric("mean_ms", "latency, mean", "ms", 3, Lower),
    metric("p50_ms", "latency, median", "ms", 3, Lower),
    metric("p75_ms", "latency, p75", "ms", 3, Lower),
    metric("p90_ms", "latency, p90", "ms", 3, Lower),
    metric("p95_ms", "latency, p95", "ms", 3, Lower),
    metric("p99_ms", "latency, p99", "ms", 3, Lower),
    metric("p999_ms", "latency, p99.9", "ms", 3, Lower),
    metric("max_ms", "latency, highest", "ms", 3, Lower),
    metric("sched_p50_ms", "from the schedule, median", "ms", 3, Lower),
    metric("sched_p99_ms", "from the schedule, p99", "ms", 3, Lower),
    metric("first_client_ms", "first client (median event)", "ms", 3, Lower),
    metric("median_client_ms", "median client (median event)", "ms", 3, Lower),
    metric("last_client_ms", "last client (median event)", "ms", 3, Lower),
    metric("last_client_p99_ms", "last client (p99 event)", "ms", 3, Lower),
    metric("event_to_all_s", "one event to all clients, median", "s", 3, Lower),
    metric("event_to_all_max_s", "  the slowest", "s", 3, Lower),
    metric("storm_clients", "clients cut together", "", 0, Neither),
    metric("all_live_s", "time until all are live again", "s", 3, Lower),
    metric("caught_up_s", "time until all have caught up", "s", 3, Lower),
    metric("replayed", "events replayed", "", 0, Neither),
    metric("cpu_us_per_replay", "server CPU per replayed event", "µs", 3, Lower),
    metric(
        "cpu_us_per_return",
        "server CPU per client that came back",
        "µs",
        1,
        Lower,
    ),
    metric("cpu_us_beyond_floor", "  of it beyond the floor", "µs", 1, Lower),
    metric("evicted", "clients evicted", "", 0, Neither),
    metric("evicted_over_s", "  from the first to the last", "s", 3, Neither),
    metric("batch_ms", "one batch to all clients", "ms", 3, Neither),
    metric(
        "healthy_p50_before_ms",
        "healthy clients before, median",
        "ms",
        3,
        Lower,
    ),
    metric("healthy_p99_before_ms", "healthy clients before, p99", "ms", 3, Lower),
    metric(
        "healthy_max_before_ms",
        "healthy clients before, highest",
        "ms",
        3,
        Lower,
    ),
    metric("healthy_p50_ms", "healthy clients during, median", "ms", 3, Lower),
    metric("healthy_p99_ms", "healthy clients during, p99", "ms", 3, Lower),
    metric("healthy_max_ms", "healthy clients during, highest", "ms", 3, Lower),
    metric("healthy_p99_ratio", "  p99 against before", "×", 2, Lower),
    metric(
        "healthy_delay_batches",
        "  highest beyond before, in batches",
        "",
        2,
        Lower,
    ),
    metric("hints_per_client", "hints for each client", "", 1, Lower),
    metric("fetches", "fetches that they ask for", "", 0, Lower),
    metric("fetches_peak_per_s", "  in their busiest second", "/s", 0, Lower),
    metric(
        "fetches_peak_of_100ms_per_s",
        "  in their busiest 100 ms",
        "/s",
        0,
        Lower,
    ),
    metric(
        "origin_peak_per_s",
        "requests at the origin, busiest second",
        "/s",
        0,
        Lower,
    ),
    metric("origin_peak_of_100ms_per_s", "  busiest 100 ms", "/s", 0, Lower),
    metric("origin_at_once_max", "  served at the same time, most", "", 0, Neither),
    metric("origin_served", "  served", "", 0, Neither),
    metric("origin_refused", "  refused", "", 0, Lower),
    metric("fetch_p50_ms", "hint to answer, median", "ms", 1, Lower),
    metric("fetch_p99_ms", "hint to answer, p99", "ms", 1, Lower),
    metric("fetch_max_ms", "hint to answer, highest", "ms", 1, Lower),
    metric(
        "fetch_held_p99_ms",
        "  of it held back by the swarm, p99",
        "ms",
        1,
        Neither,
    ),
    metric(
        "first_hint_to_last_answer_s",
        "first hint to last answer",
        "s",
        3,
        Neither,
    ),
    metric(
        "fanout_mean_us",
        "an event to all clients of a shard, mean",
        "µs",
        1,
        Lower,
    ),
    metric("fanout_floor_ratio", "  against the floor", "×", 3, Lower),
    metric("burst_s", "time until all have the burst", "s", 3, Lower),
    metric("burst_events_per_s", "events of the burst", "/s", 0, Higher),
    metric("burst_cpu_s", "server CPU for the burst", "s", 3, Lower),
    metric(
        "cpu_one_stream_ratio",
        "CPU per delivery against one stream",
        "×",
        3,
        Lower,
    ),
    metric("rss_kib_per_job", "resident memory per idle stream", "KiB", 2, Lower),
    metric("rss_mib", "server resident memory", "MiB", 1, Lower),
    metric("rss_kib_per_client", "resident memory per client", "KiB", 2, Lower),
    metric(
        "machine_kib_per_client",
        "memory of the machine per client, both ends",
        "KiB",
        2,
        Lower,
    ),
    metric(
        "rss_kib_per_further_stream",
        "  per further stream of a connection",
        "KiB",
        2,
        Lower,
    ),
    metric("upgrades", "upgrades", "", 0, Neither),
    metric("upgrade_max_ms", "slowest upgrade", "ms", 0, Lower),
    metric("upgrades_s", "all of them, one after the other", "s", 1, Lower),
    metric("frozen_max_ms", "longest time in which nothing moved", "ms", 1, Lower),
    metric("renewals", "certificates renewed", "", 0, Neither),
    metric("renewed_max_ms", "  from SIGHUP until it is used, most", "ms", 0, Lower),
    metric("noticed_max_ms", "  the same without a signal", "ms", 0, Lower),
    metric("rss_growth_mib", "growth while measured", "MiB", 1, Lower),
    metric("tcp_kib_per_client", "kernel socket memory per client", "KiB", 2, Lower),
    metric("received", "events received in all", "", 0, Neither),
    metric("checked_share", "events that could be checked", "%", 1, Higher),
    metric("lost", "lost", "", 0, Lower),
    metric("doubled", "doubled", "", 0, Lower),
    metric("disordered", "out of order", "", 0, Lower),
    metric("strayed", "in the wrong stream", "", 0, Lower),
    metric("torn", "incomplete", "", 0, Lower),
    metric("wrong_ids", "ids not above the one before", "", 0, Lower),
    metric("refused", "refused", "", 0, Lower),
    metric("given_up", "clients refused for good", "", 0, Lower),
    metric("broken", "broken streams", "", 0, Lower),
    metric("gaps", "gap events", "", 0, Lower),
    metric("gap_lost", "missing by gap events", "", 0, Lower),
    metric("ended_by_server", "streams ended by the server", "", 0, Neither),
    metric("stalled", "stalled clients", "", 0, Neither),
    metric("stalled_ended", "  of them ended by the server", "", 0, Neither),
    metric("reopened", "streams opened again", "", 0, Neither),
    metric("compressed", "streams compressed with gzip", "", 0, Neither),
    metric("over", "streams that are over (204)", "", 0, Neither),
    metric("skipped", "writes skipped by the floor", "", 0, Neither),
    metric(
        "harness_cpu_share",
        "swarm CPU, busiest process",
        "% of a core",
        1,
        Neither,
    ),
    metric(
        "harness_wait_share",
        "  waiting for a core",
        "% of the time",
        1,
        Neither,
    ),
    metric("harness_backlog_p99_ms", "  from poll to read, p99", "ms", 3, Neither),
    metric("machine_idle_share", "machine idle", "%", 1, Neither),
    metric("dropped_packets", "packets dropped by the kernel", "", 0, Neither),
    metric("origin_late_ms", "origin behind its schedule, most", "ms", 3, Neither),
];

/// What only stamped events tell. Where none came these numbers are unknown, which isn't 0.
pub(crate) const CHECKED: &[&str] = &[
    "lost",
    "doubled",
    "disordered",
    "strayed",
    "torn",
    "wrong_ids",
    "gap_lost",
];

/// The description of a name.
pub(crate) fn find(name: &str) -> Option<&'static Metric> {
    METRICS.iter().find(|metric| metric.name == name)
}

/// What only the server's processes tell. Of a server on another machine, or whose processes were
/// not named, these numbers are unknown.
pub(crate) const OF_PROCESSES: &[&str] = &[
    "rss_mib",
    "rss_kib_per_client",
    "cpu_us_per_connect",
    "cpu_us_per_delivery",
    "server_cpu_share",
];

/// The numbers of one run; a number that a scenario doesn't measure isn't there, and one that it
/// would measure and can't know is there as `None`.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Values(Vec<(&'static str, Option<f64>)>);

impl Values {
    /// Sets a number; its name must be one of [`METRICS`].
    pub(crate) fn set(&mut self, name: &'static str, value: f64) {
        debug_assert!(find(name).is_some(), "{name} is not described");
        self.remove(name);
        self.0.push((name, Some(value)));
    }

    /// Says that numbers can't be known, whose names must be among [`METRICS`].
    pub(crate) fn set_unknown(&mut self, names: &[&'static str]) {
        for name in names {
            self.remove(name);
            self.0.push((name, None));
        }
    }

    /// Whether a number can't be known; one that isn't measured is not meant.
    pub(crate) fn is_unknown(&self, name: &str) -> bool {
        self.0.iter().any(|(other, value)| *other == name && value.is_none())
    }

    /// Takes a number out again.
    pub(crate) fn remove(&mut self, name: &str) {
        self.0.retain(|(other, _)| *other != name);
    }

    pub(crate) fn get(&self, name: &str) -> Option<f64> {
        self.0.iter().find(|(other, _)| *other == name)?.1
    }

    /// For each number the median over several runs.
    pub(crate) fn median(runs: &[Values]) -> Values {
        let mut medians = Values::default();
        for metric in METRICS {
            let mut values: Vec<f64> = runs.iter().filter_map(|run| run.get(metric.name)).collect();
            if let Some(median) = median(&mut values) {
                medians.set(metric.name, median);
            } else if runs.iter().any(|run| run.is_unknown(metric.name)) {
                medians.set_unknown(&[metric.name]);
            }
        }
        medians
    }

    /// As a JSON object, in the order of the report. What can't be known is null.
    pub(crate) fn json(&self) -> serde_json::Value {
        let pairs = METRICS.iter().filter_map(|metric| {
            let value = match self.get(metric.name) {
                None if self.is_unknown(metric.name) => serde_json::Value::Null,
                value => value?.into(),
            };
            Some((metric.name.to_owned(), value))
        });
        serde_json::Value::Object(pairs.collect())
    }
}

/// The median; of an even number of values the mean of the two in the middle.
pub(crate) fn median(values: &mut [f64]) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    let upper = *values.get(values.len() / 2)?;
    Some(if values.len() % 2 == 1 {
        upper
    } else {
        (values[values.len() / 2 - 1] + upper) / 2.0
    })
}

impl Metric {
    /// A value with its digits, without its unit.
    pub(crate) fn format(&self, value: f64) -> String {
        match self.digits {
            0 => crate::units::thousands(value.max(0.0).round() as u64),
            digits => format!("{value:.digits$}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn medians_are_taken_for_each_number() {
        let run = |p99| {
            let mut values = Values::default();
            values.set("p99_ms", p99);
            values
        };
        let median = Values::median(&[run(3.0), run(1.0), run(100.0)]);
        assert_eq!(median.get("p99_ms"), Some(3.0));
        assert_eq!(median.get("p50_ms"), None);
        assert_eq!(super::median(&mut [4.0, 1.0]), Some(2.5));
    }

    #[test]
    fn what_is_unknown_is_neither_zero_nor_missing() {
        let mut values = Values::default();
        values.set_unknown(OF_PROCESSES);
        assert_eq!((values.get("rss_mib"), values.is_unknown("rss_mib")), (None, true));
        assert!(!values.is_unknown("p99_ms"));
        assert_eq!(values.json()["rss_mib"], serde_json::Value::Null);
        assert!(values.json().get("p99_ms").is_none());
        assert!(Values::median(&[values.clone()]).is_unknown("rss_mib"));
        values.set("rss_mib", 7.0);
        assert_eq!(
            (values.get("rss_mib"), values.is_unknown("rss_mib")),
            (Some(7.0), false)
        );
    }

    #[test]
    fn names_are_unique() {
        for metric in METRICS {
            assert_eq!(
                METRICS.iter().filter(|other| other.name == metric.name).count(),
                1,
                "{}",
                metric.name
            );
        }
    }
}
