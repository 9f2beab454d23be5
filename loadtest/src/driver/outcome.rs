//! What came of one trial.

use super::latencies::{buckets, curve, latency, millis, round};
use super::metrics::{CHECKED, Values, median};
use super::plan::Plan;
use super::spread::{Spread, spreads};
use super::summary::Summary;
use crate::clock::SECOND_NS;
use crate::control::{Totals, Window};
use crate::machine::memory::Part;
use crate::proc::CpuSpent;
use crate::swarm::window::{add_encoded, histogram};
use crate::tally::Counts;
use serde_json::{Value, json};

/// One server, one run.
#[derive(Debug, Clone)]
pub(crate) struct Outcome {
    pub(crate) server: String,
    pub(crate) plan: Plan,
    pub(crate) values: Values,
    /// What must not happen in this scenario, and did.
    pub(crate) failures: Vec<String>,
    /// Why the numbers may say less than they seem to.
    pub(crate) warnings: Vec<String>,
    /// Percentile and latency in milliseconds.
    pub(crate) curve: Vec<(f64, f64)>,
    /// Latencies by how many there are: up to how many milliseconds, and deliveries.
    pub(crate) histogram: Vec<(f64, u64)>,
    /// What the server answered, and how often.
    pub(crate) answers: Vec<(String, u64)>,
    pub(crate) samples: Vec<Sample>,
    /// Where the machine's memory went, in the scenarios that ask.
    pub(crate) memory: Vec<Part>,
}

/// The state of things at a moment of the measurement.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Sample {
    /// Since the trial's beginning.
    pub(crate) seconds: f64,
    pub(crate) live: u64,
    pub(crate) deliveries_per_s: f64,
    /// Of the server; `None`: its processes are not known.
    pub(crate) rss_mib: Option<f64>,
    /// Of this machine.
    pub(crate) tcp_mib: f64,
    /// Of the server, in cores; `None` as above.
    pub(crate) server_cpu: Option<f64>,
    /// Of the deliveries since the sample before: mean and highest, in milliseconds; `None`: none
    /// came with a stamp.
    pub(crate) latency_ms: Option<[f64; 2]>,
}

impl Outcome {
    pub(crate) fn new(server: &str, plan: &Plan) -> Self {
        Self {
            server: server.to_owned(),
            plan: plan.clone(),
            values: Values::default(),
            failures: Vec::new(),
            warnings: Vec::new(),
            curve: Vec::new(),
            histogram: Vec::new(),
            answers: Vec::new(),
            samples: Vec::new(),
            memory: Vec::new(),
        }
    }

    /// A trial that could not even begin.
    pub(crate) fn failed(server: &str, plan: &Plan, error: &anyhow::Error) -> Self {
        Self {
            failures: vec![format!("{error:#}")],
            ..Self::new(server, plan)
        }
    }

    /// Puts in what the swarm measured.
    pub(crate) fn windows(&mut self, windows: &[Window]) {
        let latency = latency(windows);
        let (mut scheduled, mut backlog) = (histogram(), histogram());
        for window in windows {
            add_encoded(&mut scheduled, &window.latency_scheduled);
            add_encoded(&mut backlog, &window.backlog);
        }
        let elapsed_ns = windows.iter().map(|window| window.elapsed_ns).max().unwrap_or(0).max(1);
        let seconds = elapsed_ns as f64 / SECOND_NS as f64;
        let delivered = windows.iter().map(|window| window.delivered).sum::<u64>();
        let bytes = windows.iter().map(|window| window.bytes).sum::<u64>();
        self.values.set("deliveries", delivered as f64);
        self.values.set("deliveries_per_s", delivered as f64 / seconds);
        self.values.set("mib_per_s", bytes as f64 / seconds / 1_048_576.0);
        if delivered > 0 {
            self.values.set("bytes_per_delivery", bytes as f64 / delivered as f64);
        }
        let share = |ns: fn(&Window) -> u64| {
            windows
                .iter()
                .map(|window| ns(window) as f64 / window.elapsed_ns.max(1) as f64)
                .fold(0.0, f64::max)
                * 100.0
        };
        self.values.set("harness_cpu_share", share(|window| window.cpu_ns));
        self.values.set("harness_wait_share", share(|window| window.wait_ns));
        self.values.set("harness_backlog_p99_ms", millis(&backlog, 99.0));
        if latency.is_empty() {
            return;
        }
        for (name, percentile) in [
            ("p50_ms", 50.0),
            ("p75_ms", 75.0),
            ("p90_ms", 90.0),
            ("p95_ms", 95.0),
            ("p99_ms", 99.0),
            ("p999_ms", 99.9),
            ("max_ms", 100.0),
        ] {
            self.values.set(name, millis(&latency, percentile));
        }
        self.values.set("min_ms", latency.min() as f64 / 1000.0);
        self.values.set("mean_ms", latency.mean() / 1000.0);
        self.values.set("sched_p50_ms", millis(&scheduled, 50.0));
        self.values.set("sched_p99_ms", millis(&scheduled, 99.0));
        self.curve = curve(&latency);
        self.histogram = buckets(&latency);
        self.spread(windows);
    }

    /// Puts in what the server's CPU spent on the deliveries of a measurement that took so long.
    pub(crate) fn server_cpu(&mut self, spent: CpuSpent, seconds: f64) {
        let values = &mut self.values;
        values.set("server_cpu_share", spent.total_ns as f64 / 1e7 / seconds);
        if let Some(deliveries) = values.get("deliveries").filter(|deliveries| *deliveries > 0.0) {
            let micros = spent.total_ns as f64 / 1e3 / deliveries;
            values.set("cpu_us_per_delivery", micros);
            values.set("cpu_user_us_per_delivery", micros * spent.user_share);
            values.set("cpu_system_us_per_delivery", micros * (1.0 - spent.user_share));
        }
    }

    /// First, median and last client of each event.
    fn spread(&mut self, windows: &[Window]) {
        let all = spreads(windows);
        let mut put = |name, value: fn(&Spread) -> f64| {
            let mut values: Vec<f64> = all.iter().map(value).collect();
            if let Some(median) = median(&mut values) {
                self.values.set(name, median);
            }
            values
        };
        put("first_client_ms", |event| event.first_ms);
        put("median_client_ms", |event| event.middle_ms);
        let last = put("last_client_ms", |event| event.last_ms);
        if !last.is_empty() {
            // Sorted by taking the median.
            self.values
                .set("last_client_p99_ms", last[(last.len() * 99).div_ceil(100) - 1]);
        }
    }

    /// Puts in what the swarm has seen in all.
    pub(crate) fn totals(&mut self, totals: &[Totals]) -> Summary {
        let mut counts = Counts::default();
        totals.iter().for_each(|totals| counts.add(&totals.counts));
        let sum = |value: fn(&Totals) -> u64| totals.iter().map(value).sum::<u64>();
        let refused_statuses = |totals: &Totals| totals.refused_statuses.iter().map(|(_, count)| count).sum::<u64>();
        let refused = sum(|totals| totals.refused_connections) + totals.iter().map(refused_statuses).sum::<u64>();
        self.checked(&counts);
        let numbers = [
            ("gaps", counts.gaps),
            ("refused", refused),
            ("given_up", sum(|totals| totals.given_up)),
            ("broken", sum(|totals| totals.broken)),
            ("ended_by_server", sum(|totals| totals.ended_by_server)),
            ("stalled", sum(|totals| totals.stalled)),
            ("stalled_ended", sum(|totals| totals.stalled_ended)),
            ("reopened", sum(|totals| totals.reopened)),
            ("compressed", sum(|totals| totals.compressed)),
            ("over", sum(|totals| totals.over)),
        ];
        for (name, value) in numbers {
            self.values.set(name, value as f64);
        }
        if let Some(error) = totals.iter().find_map(|totals| totals.first_error.as_ref()) {
            self.warnings.push(format!("the first connection that failed: {error}"));
        }
        let mut open = histogram();
        totals
            .iter()
            .for_each(|totals| add_encoded(&mut open, &totals.open_latency));
        if !open.is_empty() {
            self.values.set("connect_p50_ms", millis(&open, 50.0));
            self.values.set("connect_p99_ms", millis(&open, 99.0));
        }
        let mut statuses = std::collections::BTreeMap::<u16, u64>::new();
        for (status, count) in totals.iter().flat_map(|totals| &totals.refused_statuses) {
            *statuses.entry(*status).or_default() += count;
        }
        self.answers = answers(totals, &statuses);
        Summary {
            counts,
            refused,
            given_up: sum(|totals| totals.given_up),
            broken: sum(|totals| totals.broken),
            statuses: statuses.into_iter().collect(),
        }
    }

    /// Puts in what stamped events tell; of events without the origin's stamp nothing is known.
    fn checked(&mut self, counts: &Counts) {
        let events = counts.delivered + counts.other;
        self.values.set("received", events as f64);
        if events > 0 {
            let share = 100.0 * counts.delivered as f64 / events as f64;
            self.values.set("checked_share", share);
        }
        if counts.other > 0 {
            self.warnings.push(format!(
                "{} events don't carry the origin's stamp: loss, doubles and order of them were not checked; have the server relay `fanfare-loadtest origin`",
                counts.other
            ));
        }
        if events > 0 && counts.delivered == 0 {
            self.values.set_unknown(CHECKED);
            return;
        }
        let numbers = [
            ("lost", counts.lost),
            ("doubled", counts.doubled),
            ("disordered", counts.disordered),
            ("strayed", counts.strayed),
            ("torn", counts.torn),
            ("wrong_ids", counts.wrong_ids),
            ("gap_lost", counts.gap_lost),
        ];
        for (name, value) in numbers {
            self.values.set(name, value as f64);
        }
    }

    /// Says so if the harness, and not the server, may have set the pace.
    pub(crate) fn judge_harness(&mut self) {
        /// Shares in percent, times in milliseconds, and packets, beyond which the numbers are in
        /// doubt.
        const MOST: [(&str, f64, &str); 4] = [
            (
                "harness_cpu_share",
                85.0,
                "a swarm process used most of a core: latencies include its own backlog",
            ),
            (
                "harness_wait_share",
                10.0,
                "the swarm often waited for a core, and latencies include that",
            ),
            (
                "origin_late_ms",
                50.0,
                "the origin fell behind its schedule: look at the latencies from the schedule",
            ),
            (
                "dropped_packets",
                100.0,
                "the kernel dropped packets, which come again 200 ms later or more: raise net.core.netdev_max_backlog",
            ),
        ];
        const MACHINE_IDLE_LEAST: f64 = 5.0;
        for (name, most, text) in MOST {
            if let Some(value) = self.values.get(name).filter(|value| *value > most) {
                self.warnings.push(format!("{text} ({name} {value:.0})"));
            }
        }
        if self
            .values
            .get("machine_idle_share")
            .is_some_and(|share| share < MACHINE_IDLE_LEAST)
        {
            self.warnings
                .push("the machine had no idle time: it is the machine that was measured".to_owned());
        }
    }

    pub(crate) fn json(&self) -> Value {
        let samples: Vec<Value> = self
            .samples
            .iter()
            .map(|sample| {
                json!({
                    "seconds": round(sample.seconds),
                    "live": sample.live,
                    "deliveries_per_s": round(sample.deliveries_per_s),
                    "rss_mib": sample.rss_mib.map(round),
                    "tcp_mib": round(sample.tcp_mib),
                    "server_cpu": sample.server_cpu.map(round),
                    "latency_mean_ms": sample.latency_ms.map(|[mean, _]| round(mean)),
                    "latency_max_ms": sample.latency_ms.map(|[_, highest]| round(highest)),
                })
            })
            .collect();
        let answers: serde_json::Map<String, Value> = self
            .answers
            .iter()
            .map(|(answer, count)| (answer.clone(), (*count).into()))
            .collect();
        let memory: serde_json::Map<String, Value> = self
            .memory
            .iter()
            .map(|part| (part.name.clone(), round(part.kib / 1024.0).into()))
            .collect();
        json!({
            "server": self.server,
            "values": self.values.json(),
            "failures": self.failures,
            "warnings": self.warnings,
            "latency_curve": self.curve,
            "latency_histogram": self.histogram,
            "answers": answers,
            "samples": samples,
            "memory_mib": memory,
        })
    }
}

/// What was answered, and how often: streams, other answers, and connections without one.
fn answers(totals: &[Totals], statuses: &std::collections::BTreeMap<u16, u64>) -> Vec<(String, u64)> {
    let sum = |value: fn(&Totals) -> u64| totals.iter().map(value).sum::<u64>();
    let mut answers = vec![("200, an event stream".to_owned(), sum(|totals| totals.opened))];
    answers.push(("204, the stream is over".to_owned(), sum(|totals| totals.over)));
    let name = |status: u16| match status {
        200 => "200, no event stream".to_owned(),
        other => other.to_string(),
    };
    answers.extend(statuses.iter().map(|(status, count)| (name(*status), *count)));
    answers.push(("no answer".to_owned(), sum(|totals| totals.refused_connections)));
    answers.retain(|(_, count)| *count > 0);
    answers
}
