//! Series that appear with their first value, unless they have been announced.
//!
//! A counter with a closed set of labels is announced at 0, so that a rate over its first increment
//! is right. What the configuration makes impossible is not: a series that can't move says nothing.
//! If it moves all the same, it is there.

use super::definition::{Definition, Kind};
use super::series::{METADATA, key};
use super::totals::Total;
use metrics::{Counter, Gauge, Key, Recorder as _};
use metrics_exporter_prometheus::PrometheusRecorder;
use std::sync::atomic::Ordering;
use std::sync::{Arc, OnceLock};
use std::time::{SystemTime, UNIX_EPOCH};

/// A counter.
pub struct LateCounter {
    recorder: Arc<PrometheusRecorder>,
    key: Key,
    counter: OnceLock<Counter>,
    total: Total,
}

impl LateCounter {
    pub(super) fn new(recorder: &Arc<PrometheusRecorder>, definition: &Definition, values: &[&str]) -> Self {
        Self {
            recorder: recorder.clone(),
            key: key(definition, Kind::Counter, values),
            counter: OnceLock::new(),
            total: Total::default(),
        }
    }

    /// What it counts is added up with what others count for the same series.
    pub(super) fn counting_into(self, total: &Total) -> Self {
        let total = total.clone();
        Self { total, ..self }
    }

    /// From now on it is there, at 0 if nothing has been counted.
    pub fn announce(&self) {
        self.get();
    }

    /// Counts.
    pub fn increment(&self, by: u64) {
        self.get().increment(by);
        self.total.fetch_add(by, Ordering::Relaxed);
    }

    /// What has been counted.
    pub(super) fn total(&self) -> u64 {
        self.total.load(Ordering::Relaxed)
    }

    fn get(&self) -> &Counter {
        self.counter
            .get_or_init(|| self.recorder.register_counter(&self.key, &METADATA))
    }
}

/// A gauge that is moved by differences.
pub struct LateGauge {
    recorder: Arc<PrometheusRecorder>,
    key: Key,
    gauge: OnceLock<Gauge>,
}

impl LateGauge {
    pub(super) fn new(recorder: &Arc<PrometheusRecorder>, definition: &Definition, values: &[&str]) -> Self {
        Self {
            recorder: recorder.clone(),
            key: key(definition, Kind::Gauge, values),
            gauge: OnceLock::new(),
        }
    }

    /// Moves it, up or down.
    pub fn add(&self, difference: f64) {
        let register = || self.recorder.register_gauge(&self.key, &METADATA);
        self.gauge.get_or_init(register).increment(difference);
    }
}

/// The time at which something happened last; no series before it has.
pub struct LastTime {
    recorder: Arc<PrometheusRecorder>,
    key: Key,
    gauge: OnceLock<Gauge>,
}

impl LastTime {
    pub(super) fn new(recorder: &Arc<PrometheusRecorder>, definition: &Definition, values: &[&str]) -> Self {
        Self {
            recorder: recorder.clone(),
            key: key(definition, Kind::Gauge, values),
            gauge: OnceLock::new(),
        }
    }

    /// It has happened now.
    pub fn set_to_now(&self) {
        let register = || self.recorder.register_gauge(&self.key, &METADATA);
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        self.gauge.get_or_init(register).set(since.as_secs_f64());
    }
}
