//! From a definition and the values of its labels to a series.

use super::definition::{Definition, Kind};
use metrics::{Counter, Gauge, Histogram, Key, Label, Level, Metadata, Recorder as _};
use metrics_exporter_prometheus::PrometheusRecorder;

pub(super) const METADATA: Metadata<'static> = Metadata::new("fanfare", Level::INFO, None);

pub(super) fn key(definition: &Definition, kind: Kind, values: &[&str]) -> Key {
    debug_assert_eq!(definition.kind, kind, "{}", definition.name);
    debug_assert_eq!(definition.labels.len(), values.len(), "{}", definition.name);
    let labels = definition
        .labels
        .iter()
        .zip(values)
        .map(|(name, value)| Label::new(*name, (*value).to_owned()));
    Key::from_parts(definition.name, labels.collect::<Vec<_>>())
}

pub(super) fn counter(recorder: &PrometheusRecorder, definition: &Definition, values: &[&str]) -> Counter {
    recorder.register_counter(&key(definition, Kind::Counter, values), &METADATA)
}

pub(super) fn gauge(recorder: &PrometheusRecorder, definition: &Definition, values: &[&str]) -> Gauge {
    recorder.register_gauge(&key(definition, Kind::Gauge, values), &METADATA)
}

pub(super) fn histogram(recorder: &PrometheusRecorder, definition: &Definition, values: &[&str]) -> Histogram {
    recorder.register_histogram(&key(definition, Kind::Histogram, values), &METADATA)
}
