//! Every metric of the program: name, help, labels, buckets.
//!
//! Handles are fetched once, when a source, an upstream or a listener starts. Nothing is touched
//! per delivery: shards count in plain integers and add them up here about once a second. Counters
//! with a closed set of labels are announced at 0 where the configuration makes them possible, so
//! that a rate over the first increment is right. Gauges are moved by differences
//! (`increment`/`decrement`) wherever several channels share one.
//!
//! Nothing here is global: several relays can live in one process, each with its own numbers.

mod access;
pub mod definitions;
mod definition;
mod fleet;
mod labels;
mod late;
mod memory;
mod process;
mod proxy;
mod retired;
mod series;
mod source;
mod totals;

use definitions::{Definition, Kind};
use metrics::{Counter, Gauge, Recorder as _};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle, PrometheusRecorder};
use retired::Retired;
use series::{counter, gauge};
use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;
use totals::Total;

pub(crate) use process::open_descriptors;

pub use access::AccessMetrics;
pub use fleet::FleetMetrics;
pub use labels::{
    CloseReason, DenyReason, EvictReason, GapReason, HandOverOutcome, HandshakeOutcome, Limit, Protocol, RefuseReason,
    ReloadOutcome,
};
pub use late::{LastTime, LateCounter, LateGauge};
pub use memory::memory_bytes;
pub use process::ProcessNumbers;
pub use proxy::ProxyMetrics;
pub use source::{Possible, SourceMetrics};
pub use totals::{SourceTotals, Totals};

/// The process's metrics, and the text that Prometheus scrapes.
pub struct Metrics {
    recorder: Arc<PrometheusRecorder>,
    handle: PrometheusHandle,
    process: process::Process,
    sources: Mutex<HashMap<String, Arc<SourceMetrics>>>,
    retired: Retired,
    ready: Gauge,
    draining: Gauge,
    /// In the order of [`RefuseReason`]: all listeners count into them.
    refused: [Total; RefuseReason::ALL.len()],
    /// In the order of [`Limit`]; 0: there is none.
    limits: [AtomicU64; Limit::ALL.len()],
}

/// Handles of one upstream.
pub struct UpstreamMetrics {
    /// `fanfare_upstream_connected`: moved by differences, since the channels of a templated source
    /// share it.
    pub connected: Gauge,
    /// `fanfare_upstream_reconnects_total`, by the label of its reason. A series appears with its
    /// first value: each upstream could have a dozen, and has two or three.
    pub reconnects: Box<dyn Fn(&'static str) -> Counter + Send + Sync>,
}

impl UpstreamMetrics {
    /// Handles that move no series.
    pub(crate) fn uncounted() -> Self {
        Self {
            connected: Gauge::noop(),
            reconnects: Box::new(|_| Counter::noop()),
        }
    }
}

/// Handles of the listeners.
pub struct ListenerMetrics {
    /// `fanfare_connections_opened_total`.
    pub opened: Counter,
    /// `fanfare_refused_total`, by reason: in the order of [`RefuseReason`].
    pub refused: Vec<LateCounter>,
    /// `fanfare_tls_handshakes_total`, by outcome: in the order of [`HandshakeOutcome`].
    pub handshakes: Vec<LateCounter>,
}

impl Metrics {
    /// Fresh metrics, independent of any other instance in the process.
    pub fn new() -> Arc<Self> {
        let mut builder = PrometheusBuilder::new();
        for definition in definitions::ALL
            .iter()
            .filter(|definition| definition.kind == Kind::Histogram)
        {
            let name = Matcher::Full(definition.name.to_owned());
            builder = builder
                .set_buckets_for_metric(name, definition.buckets)
                .expect("only an empty list of buckets is refused, and a test keeps them from being empty");
        }
        let recorder = builder.build_recorder();
        describe(&recorder);

        let build = [env!("CARGO_PKG_VERSION"), std::env::consts::OS, std::env::consts::ARCH];
        gauge(&recorder, &definitions::BUILD_INFO, &build).set(1);
        let ready = gauge(&recorder, &definitions::READY, &[]);
        let draining = gauge(&recorder, &definitions::DRAINING, &[]);
        let metrics = Self {
            handle: recorder.handle(),
            recorder: Arc::new(recorder),
            process: process::Process::new(),
            sources: Mutex::default(),
            retired: Retired::default(),
            ready,
            draining,
            refused: Default::default(),
            limits: Default::default(),
        };
        Arc::new(metrics)
    }

    /// The handles of a source; the same ones for the same name. What may happen at it is still to
    /// be announced.
    pub fn source(&self, name: &str) -> Arc<SourceMetrics> {
        self.retired.lives(name, None);
        let mut sources = self.sources.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(source) = sources.get(name) {
            return Arc::clone(source);
        }
        let source = Arc::new(SourceMetrics::new(&self.recorder, name));
        sources.insert(name.to_owned(), Arc::clone(&source));
        source
    }

    /// The handles of an upstream; for the same names they count into the same series.
    pub fn upstream(&self, source: &str, upstream: &str) -> UpstreamMetrics {
        self.retired.lives(source, Some(upstream));
        let (recorder, labels) = (Arc::clone(&self.recorder), [source, upstream].map(str::to_owned));
        let reconnects = move |reason| {
            let [source, upstream] = &labels;
            counter(
                &recorder,
                &definitions::UPSTREAM_RECONNECTS,
                &[source, upstream, reason],
            )
        };
        UpstreamMetrics {
            connected: gauge(&self.recorder, &definitions::UPSTREAM_CONNECTED, &[source, upstream]),
            reconnects: Box::new(reconnects),
        }
    }

    /// Leaves out what `is_live` denies: sources, and upstreams by the name of their source and
    /// their own. Their gauges vanish at once, their counters after some minutes.
    pub fn retain(&self, is_live: impl Fn(&str, Option<&str>) -> bool) {
        self.retired.retain(is_live, Instant::now());
    }

    /// The handles of the listeners; every call's count into the same series.
    pub fn listener(&self) -> ListenerMetrics {
        let refused = RefuseReason::ALL.map(|reason| {
            LateCounter::new(&self.recorder, &definitions::REFUSED, &[reason.label()])
                .counting_into(&self.refused[reason.index()])
        });
        ListenerMetrics {
            opened: counter(&self.recorder, &definitions::CONNECTIONS_OPENED, &[]),
            refused: refused.into(),
            handshakes: HandshakeOutcome::ALL
                .map(|outcome| LateCounter::new(&self.recorder, &definitions::TLS_HANDSHAKES, &[outcome.label()]))
                .into(),
        }
    }

    /// The handles of who is not let in to a source.
    pub fn access(&self, source: &str) -> Arc<AccessMetrics> {
        Arc::new(AccessMetrics::new(&self.recorder, source))
    }

    /// The handles of a source's shared log.
    pub fn fleet(&self, source: &str) -> Arc<FleetMetrics> {
        Arc::new(FleetMetrics::new(&self.recorder, source, false))
    }

    /// Those of one with parameters.
    pub fn fleet_channels(&self, source: &str) -> Arc<FleetMetrics> {
        Arc::new(FleetMetrics::new(&self.recorder, source, true))
    }

    /// Says when the first of a listener's certificates ends, in seconds since the epoch.
    pub fn certificate_expiry(&self, listener: &str, seconds: u64) {
        gauge(&self.recorder, &definitions::CERTIFICATE_EXPIRY, &[listener]).set(seconds as f64);
    }

    /// The handles of the proxy.
    pub fn proxy(&self) -> Arc<ProxyMetrics> {
        Arc::new(ProxyMetrics::new(&self.recorder))
    }

    /// Says what the process may have at one time.
    pub fn limit(&self, limit: Limit, value: usize) {
        gauge(&self.recorder, &definitions::LIMIT, &[limit.label()]).set(value as f64);
        self.limits[limit.index()].store(value as u64, Ordering::Relaxed);
    }

    /// What has been said of a limit; `None`: nothing, so that there is none.
    pub fn limit_of(&self, limit: Limit) -> Option<u64> {
        let value = self.limits[limit.index()].load(Ordering::Relaxed);
        (value > 0).then_some(value)
    }

    /// What has been counted since the start, sources included that there are no more.
    pub fn totals(&self) -> Totals {
        let sources = self.sources.lock().unwrap_or_else(PoisonError::into_inner);
        Totals {
            sources: sources
                .values()
                .fold(SourceTotals::default(), |sum, source| sum.plus(&source.totals())),
            refused: self.refused.each_ref().map(|total| total.load(Ordering::Relaxed)),
        }
    }

    /// The same of one source; zeros for one that is not known.
    pub fn totals_of(&self, source: &str) -> SourceTotals {
        let sources = self.sources.lock().unwrap_or_else(PoisonError::into_inner);
        sources.get(source).map(|source| source.totals()).unwrap_or_default()
    }

    /// The numbers of the process, as of now.
    pub fn process(&self) -> ProcessNumbers {
        self.process.numbers()
    }

    /// The counters of reloads are there from now on, at 0.
    pub fn announce_reloads(&self) {
        for outcome in ReloadOutcome::ALL {
            let _ = counter(&self.recorder, &definitions::CONFIG_RELOADS, &[outcome.label()]);
        }
    }

    /// Counts a reload.
    pub fn reloaded(&self, outcome: ReloadOutcome) {
        counter(&self.recorder, &definitions::CONFIG_RELOADS, &[outcome.label()]).increment(1);
    }

    /// The counters of hand-overs are there from now on, at 0.
    pub fn announce_hand_overs(&self) {
        for outcome in HandOverOutcome::ALL {
            self.handed_over(outcome, 0);
        }
    }

    /// Counts what became of so many clients at an upgrade, or of an upgrade.
    pub fn handed_over(&self, outcome: HandOverOutcome, count: u64) {
        counter(&self.recorder, &definitions::HANDED_OVER, &[outcome.label()]).increment(count);
    }

    /// Says whether the process is ready, and whether it is leaving: for the next scrape.
    pub fn readiness(&self, is_ready: bool, is_draining: bool) {
        self.ready.set(f64::from(u8::from(is_ready)));
        self.draining.set(f64::from(u8::from(is_draining)));
    }

    /// Sorts the histograms' samples into their buckets. The samples of a histogram gather until
    /// this is called (16 bytes each), so it is called on a timer: by the admin listener's thread.
    pub fn run_upkeep(&self) {
        self.handle.run_upkeep();
    }

    /// The text that `/metrics` answers with, the process metrics brought up to date.
    ///
    /// Families and series are sorted: the exporter's own order changes with every scrape, and
    /// people compare two.
    pub fn render(&self) -> String {
        let mut text = self.retired.filtered(&self.handle.render(), Instant::now());
        self.process.render_to(&mut text);
        announce_absent(&mut text);
        sorted(&text)
    }
}

impl UpstreamMetrics {
    /// Counts a connection, or an attempt at one, that failed and is made again.
    /// `reason` is one of a closed set of labels.
    pub fn reconnecting(&self, reason: &'static str) {
        (self.reconnects)(reason).increment(1);
    }
}

impl ListenerMetrics {
    /// From now on the counters of what may be refused are there, at 0 if nothing has been.
    pub fn announce(&self, possible: impl Fn(RefuseReason) -> bool) {
        let reasons = RefuseReason::ALL.into_iter().filter(|&reason| possible(reason));
        reasons.for_each(|reason| self.refused[reason.index()].announce());
    }

    /// From now on the counters of handshakes are there: a listener makes some.
    pub fn announce_handshakes(&self) {
        self.handshakes.iter().for_each(LateCounter::announce);
    }

    /// Counts a handshake.
    pub fn handshake(&self, outcome: HandshakeOutcome) {
        self.handshakes[outcome.index()].increment(1);
    }

    /// Counts a refusal.
    pub fn refused(&self, reason: RefuseReason) {
        self.refused[reason.index()].increment(1);
    }
}

fn describe(recorder: &PrometheusRecorder) {
    for definition in definitions::ALL
        .iter()
        .filter(|definition| definitions::is_recorded(definition))
    {
        let Definition {
            name, kind, unit, help, ..
        } = *definition;
        match kind {
            Kind::Counter => recorder.describe_counter(name.into(), Some(unit), help.into()),
            Kind::Gauge => recorder.describe_gauge(name.into(), Some(unit), help.into()),
            Kind::Histogram => recorder.describe_histogram(name.into(), Some(unit), help.into()),
        }
    }
}

/// A family without a series yet is announced all the same, so that it is known to exist when
/// queries are written.
fn announce_absent(text: &mut String) {
    for definition in definitions::ALL
        .iter()
        .filter(|definition| definitions::is_recorded(definition))
    {
        let (name, kind) = (definition.name, definition.kind.label());
        if !text.contains(&format!("# TYPE {name} ")) {
            text.push_str(&format!("\n# HELP {name} {}\n# TYPE {name} {kind}\n", definition.help));
        }
    }
}

/// Families are separated by a blank line. A histogram's series keep their order, which is that of
/// its buckets.
fn sorted(text: &str) -> String {
    let mut families: Vec<Vec<&str>> = text.split("\n\n").map(|family| family.lines().collect()).collect();
    families.retain(|lines| !lines.is_empty());
    for lines in &mut families {
        let comments = lines.iter().take_while(|line| line.starts_with('#')).count();
        let is_histogram = lines[..comments].iter().any(|line| line.ends_with(" histogram"));
        if !is_histogram {
            lines[comments..].sort_unstable();
        }
    }
    // `# HELP name` comes first in each.
    families.sort_unstable();
    let mut out = String::with_capacity(text.len());
    for line in families.into_iter().flatten() {
        out.push_str(line);
        out.push('\n');
    }
    out
}

#[cfg(test)]
mod tests;
