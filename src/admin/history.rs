//! The last hour, as the dashboard draws it: a ring of samples, of bounded size.
//!
//! It is kept whether or not someone looks, so that whoever opens the page sees what led to what is
//! there now. A sample costs some hundred loads, and no lock of the data path.

use crate::metrics::{SourceTotals, Totals};
use crate::status::Sample;
use std::collections::{HashMap, VecDeque};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Between two samples: 360 an hour are as many as a chart has points for.
pub(super) const SAMPLE_EVERY: Duration = Duration::from_secs(10);

/// Samples of an hour, and the one before, from which the first difference is taken.
const SAMPLES_MAX: usize = 3600 / SAMPLE_EVERY.as_secs() as usize + 1;

/// A source's points are so many samples apart: 120 an hour, about 1 KiB for each source.
const SOURCE_EVERY: u64 = 3;

/// Points of a source: an hour.
const SOURCE_POINTS_MAX: usize = SAMPLES_MAX / SOURCE_EVERY as usize;

/// Sources with a history of their own, in the order of the configuration: 1 MiB.
const SOURCES_MAX: usize = 1024;

/// What was taken at one moment.
#[derive(Clone, Copy)]
struct Taken {
    at: Instant,
    unix_seconds: u64,
    clients: u64,
    totals: Totals,
}

/// What happened between two samples, in the order in which the page reads it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Point {
    /// When it ended, in seconds since the epoch.
    unix_seconds: u64,
    clients: u64,
    events_per_second: f64,
    deliveries_per_second: f64,
    bytes_per_second: f64,
    evictions: u64,
    gaps: u64,
    refused: u64,
}

impl serde::Serialize for Point {
    /// As a list: names would be most of it.
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        (
            self.unix_seconds,
            self.clients,
            self.events_per_second,
            self.deliveries_per_second,
            self.bytes_per_second,
            self.evictions,
            self.gaps,
            self.refused,
        )
            .serialize(serializer)
    }
}

/// A source's history.
struct SourceHistory {
    last: SourceTotals,
    at: Instant,
    /// Events received and deliveries, per second; the oldest first.
    points: VecDeque<[f32; 2]>,
}

/// The samples of the last hour.
#[derive(Default)]
pub(super) struct History {
    /// The oldest first; at most [`SAMPLES_MAX`].
    taken: VecDeque<Taken>,
    /// How many there have been since the start.
    count: u64,
    sources: HashMap<String, SourceHistory>,
}

impl History {
    /// Adds what is counted at this moment.
    pub(super) fn add(&mut self, sample: Sample, at: Instant, time: SystemTime) {
        if self.taken.len() == SAMPLES_MAX {
            self.taken.pop_front();
        }
        self.taken.push_back(Taken {
            at,
            unix_seconds: time.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs(),
            clients: sample.clients,
            totals: sample.totals,
        });
        if self.count.is_multiple_of(SOURCE_EVERY) {
            self.add_sources(sample.sources, at);
        }
        self.count += 1;
    }

    fn add_sources(&mut self, sources: Vec<(String, SourceTotals)>, at: Instant) {
        let mut before = std::mem::take(&mut self.sources);
        for (name, totals) in sources.into_iter().take(SOURCES_MAX) {
            let history = match before.remove(&name) {
                None => SourceHistory {
                    last: totals,
                    at,
                    points: VecDeque::new(),
                },
                Some(mut history) => {
                    let seconds = at.saturating_duration_since(history.at).as_secs_f64();
                    let more = totals.since(&history.last);
                    if history.points.len() == SOURCE_POINTS_MAX {
                        history.points.pop_front();
                    }
                    history
                        .points
                        .push_back([more.events_received, more.deliveries].map(|n| per_second(n, seconds) as f32));
                    (history.last, history.at) = (totals, at);
                    history
                }
            };
            // Those that are gone from the configuration go with `before`.
            self.sources.insert(name, history);
        }
    }

    /// The points after the first `seen` samples, and how many samples there have been.
    pub(super) fn after(&self, seen: u64) -> (Vec<Point>, u64) {
        let new = usize::try_from(self.count - seen.min(self.count)).unwrap_or(usize::MAX);
        // The first sample of all has none before it.
        let pairs = self.taken.iter().zip(self.taken.iter().skip(1));
        let skipped = self.taken.len().saturating_sub(1).saturating_sub(new);
        let points = pairs.skip(skipped).map(|(earlier, later)| point(earlier, later));
        (points.collect(), self.count)
    }

    /// A source's points, a fixed time apart; none for one that is not known.
    pub(super) fn source(&self, name: &str) -> Vec<[f32; 2]> {
        self.sources
            .get(name)
            .map(|history| history.points.iter().copied().collect())
            .unwrap_or_default()
    }

    /// What has come since the oldest sample, and for how long that has been; at most an hour.
    pub(super) fn last_hour(&self, now: &Totals, at: Instant) -> (Totals, Duration) {
        match self.taken.front() {
            Some(oldest) => (now.since(&oldest.totals), at.saturating_duration_since(oldest.at)),
            None => (Totals::default(), Duration::ZERO),
        }
    }
}

/// Between two points of a source.
pub(super) const fn source_points_every() -> Duration {
    Duration::from_secs(SAMPLE_EVERY.as_secs() * SOURCE_EVERY)
}

fn point(earlier: &Taken, later: &Taken) -> Point {
    let seconds = later.at.saturating_duration_since(earlier.at).as_secs_f64();
    let more = later.totals.since(&earlier.totals);
    let sum = |numbers: &[u64]| numbers.iter().sum();
    Point {
        unix_seconds: later.unix_seconds,
        clients: later.clients,
        events_per_second: per_second(more.sources.events_received, seconds),
        deliveries_per_second: per_second(more.sources.deliveries, seconds),
        bytes_per_second: per_second(more.sources.bytes_sent, seconds),
        evictions: sum(&more.sources.evictions),
        gaps: sum(&more.sources.gaps),
        refused: sum(&more.refused),
    }
}

/// Rounded to hundredths: a chart shows no more, and the text is shorter.
fn per_second(count: u64, seconds: f64) -> f64 {
    match seconds > 0.0 {
        true => (count as f64 / seconds * 100.0).round() / 100.0,
        false => 0.0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(deliveries: u64) -> Sample {
        let totals = SourceTotals {
            deliveries,
            events_received: deliveries / 10,
            ..SourceTotals::default()
        };
        Sample {
            clients: 10,
            totals: Totals {
                sources: totals,
                ..Totals::default()
            },
            sources: vec![("a".to_owned(), totals)],
        }
    }

    /// A history of `count` samples, each with 1,000 deliveries more.
    fn history(count: u64) -> (History, Instant) {
        let (mut history, began) = (History::default(), Instant::now());
        for n in 0..count {
            let at = SAMPLE_EVERY * n as u32;
            history.add(sample(1000 * n), began + at, UNIX_EPOCH + at);
        }
        (history, began)
    }

    #[test]
    fn a_point_is_what_came_between_two_samples() {
        let (history, _) = history(1);
        assert_eq!(history.after(0), (Vec::new(), 1));
        let (history, _) = self::history(3);
        let (points, seen) = history.after(0);
        assert_eq!((points.len(), seen), (2, 3));
        assert_eq!(
            serde_json::to_string(&points[1]).unwrap(),
            "[20,10,10.0,100.0,0.0,0,0,0]"
        );
    }

    #[test]
    fn each_point_is_told_once() {
        let (history, _) = history(5);
        assert_eq!(history.after(0).0.len(), 4);
        assert_eq!(history.after(4).0.len(), 1);
        assert_eq!(history.after(5).0.len(), 0);
        assert_eq!(history.after(9).0.len(), 0, "of another process's history");
    }

    #[test]
    fn no_more_than_an_hour_is_kept() {
        let (history, began) = history(2000);
        let (points, _) = history.after(0);
        assert_eq!(points.len(), 360);
        assert_eq!(points.last().unwrap().unix_seconds, 19_990);
        assert_eq!(history.source("a").len(), SOURCE_POINTS_MAX);
        assert_eq!(history.source("a")[0], [10.0, 100.0]);
        let (hour, since) = history.last_hour(&sample(2_000_000).totals, began + SAMPLE_EVERY * 2000);
        assert_eq!((hour.sources.deliveries, since.as_secs()), (361_000, 3610));
    }

    #[test]
    fn a_source_that_is_gone_is_forgotten() {
        let (mut history, began) = history(7);
        assert_eq!(history.source("a").len(), 2);
        for n in 7..10 {
            let gone = Sample {
                sources: Vec::new(),
                ..sample(0)
            };
            history.add(gone, began + SAMPLE_EVERY * n, UNIX_EPOCH);
        }
        assert!(history.source("a").is_empty() && history.sources.is_empty());
    }
}
