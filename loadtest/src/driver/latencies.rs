//! Latencies of all processes of a swarm: one histogram, and what is drawn of it.

use crate::control::Window;
use crate::swarm::window::{add_encoded, histogram};
use hdrhistogram::Histogram;

/// The latencies of all processes.
pub(crate) fn latency(windows: &[Window]) -> Histogram<u64> {
    let mut latency = histogram();
    windows
        .iter()
        .for_each(|window| add_encoded(&mut latency, &window.latency));
    latency
}

pub(crate) fn millis(histogram: &Histogram<u64>, percentile: f64) -> f64 {
    histogram.value_at_percentile(percentile) as f64 / 1000.0
}

/// Deliveries by latency, in buckets that each reach twice as far as the one before.
pub(super) fn buckets(histogram: &Histogram<u64>) -> Vec<(f64, u64)> {
    /// The first bucket's end, in microseconds.
    const FIRST_US: u64 = 125;
    let mut counted = Vec::new();
    let (mut from, mut upto) = (0, FIRST_US);
    while from <= histogram.max() {
        counted.push((upto as f64 / 1000.0, histogram.count_between(from, upto - 1)));
        (from, upto) = (upto, upto * 2);
    }
    let empty = counted.iter().take_while(|(_, count)| *count == 0).count();
    counted.split_off(empty)
}

/// Percentiles ever closer to 100, as far as there are samples to tell.
pub(super) fn curve(histogram: &Histogram<u64>) -> Vec<(f64, f64)> {
    let mut points = Vec::new();
    let mut rest = 1.0_f64;
    while rest * histogram.len() as f64 >= 1.0 {
        for step in 0..8 {
            let percentile = 100.0 * (1.0 - rest * 0.5_f64.powf(f64::from(step) / 8.0));
            points.push((round(percentile), millis(histogram, percentile)));
        }
        rest /= 2.0;
    }
    points.push((100.0, millis(histogram, 100.0)));
    points
}

/// Five digits behind the point are enough for a report.
pub(super) fn round(value: f64) -> f64 {
    (value * 1e5).round() / 1e5
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_hold_every_delivery_once() {
        let mut histogram = histogram();
        for micros in [130, 200, 240, 1_000, 1_001, 70_000] {
            histogram.saturating_record(micros);
        }
        let buckets = buckets(&histogram);
        assert_eq!(buckets.first(), Some(&(0.25, 3)));
        assert_eq!(buckets.iter().map(|(_, count)| count).sum::<u64>(), 6);
        assert_eq!(buckets.last().map(|(upto, _)| *upto), Some(128.0));
    }
}
