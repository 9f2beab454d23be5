//! Every series of a scrape moves in some scene. What a series counts is the same at every source:
//! one of each is enough.

use crate::scenes;
use crate::support::client::ask;
use crate::support::relay::series_value;
use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;

/// Series that no scene moves, why, and what does.
const ELSEWHERE: &[(&str, &str)] = &[
    (
        "fanfare_build_info",
        "says which build this is; `metrics::tests` reads it",
    ),
    (
        "process_max_fds",
        "is the process's; `descriptors::` of the stories runs under other limits",
    ),
    ("fanfare_limit{limit=\"descriptors\"}", "likewise"),
    (
        "fanfare_limit{limit=\"memory\"}",
        "is the machine's; `metrics::memory` reads it from files of its own",
    ),
    (
        "process_virtual_memory_bytes",
        "is what the allocator has reserved; `metrics::process` reads it",
    ),
    (
        "process_threads",
        "stays as it is while the process runs; `metrics::process` reads it",
    ),
    ("process_start_time_seconds", "is the process's"),
    (
        "fanfare_log_lines_dropped_total",
        "needs a log that is not read: `log_output::` of the stories",
    ),
    (
        "fanfare_log_dir_errors_total",
        "needs a disk that is full: `kept_log::` of the stories",
    ),
    ("fanfare_log_dir_lag_events", "likewise: else it is 0 at every look"),
    (
        "fanfare_refused_total{reason=\"descriptors\"}",
        "needs a process with few: `descriptors::` of the stories",
    ),
];

/// The values that were seen of each series, whatever its source and upstream.
#[derive(Default)]
pub(crate) struct Moves(BTreeMap<String, BTreeSet<String>>);

/// One relay's scrapes.
pub(crate) struct Scrapes<'a> {
    moves: &'a mut Moves,
    admin: SocketAddr,
    /// Whole series that the first scrape had.
    first: Option<BTreeSet<String>>,
}

impl Moves {
    /// Of a relay that has just been started.
    pub(crate) async fn of(&mut self, admin: SocketAddr) -> Scrapes<'_> {
        let mut scrapes = Scrapes {
            moves: self,
            admin,
            first: None,
        };
        scrapes.look().await;
        scrapes
    }
}

impl Scrapes<'_> {
    /// Notes the values of this moment.
    pub(crate) async fn look(&mut self) {
        self.look_at("").await;
    }

    /// Likewise; and the value of a series.
    pub(crate) async fn look_at(&mut self, wanted: &str) -> f64 {
        let text = ask("GET", "/metrics").answer(self.admin).await.body;
        let samples: Vec<(&str, &str)> = text
            .lines()
            .filter(|line| !line.is_empty() && !line.starts_with('#') && !line.contains("_bucket{"))
            .map(|line| line.rsplit_once(' ').unwrap())
            .collect();
        let first = self
            .first
            .get_or_insert_with(|| samples.iter().map(|(series, _)| (*series).to_owned()).collect());
        for (series, value) in samples {
            let values = self.moves.0.entry(kind(series)).or_default();
            if !first.contains(series) {
                values.insert("none".to_owned());
            }
            values.insert(value.to_owned());
        }
        series_value(&text, wanted)
    }
}

/// A series without what names its source.
fn kind(series: &str) -> String {
    let Some((name, labels)) = series.split_once('{') else {
        return series.to_owned();
    };
    let labels = labels
        .trim_end_matches('}')
        .split("\",")
        .map(|label| label.trim_end_matches('"'));
    let kept = labels.filter(|label| !label.starts_with("source=") && !label.starts_with("upstream="));
    let kept: Vec<String> = kept.map(|label| format!("{label}\"")).collect();
    match kept.is_empty() {
        true => name.to_owned(),
        false => format!("{name}{{{}}}", kept.join(",")),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_series_moves() {
    let mut moves = Moves::default();
    scenes::streams::play(&mut moves).await;
    scenes::slow::play(&mut moves).await;
    scenes::refusals::play(&mut moves).await;
    scenes::access::play(&mut moves).await;
    scenes::kept::play(&mut moves).await;
    scenes::leaving::play(&mut moves).await;
    scenes::tls::play(&mut moves).await;
    scenes::reloads::play(&mut moves).await;
    let is_elsewhere = |series: &str| ELSEWHERE.iter().any(|(name, _)| series.starts_with(name));
    let still: Vec<&String> = moves
        .0
        .iter()
        .filter(|(series, values)| values.len() < 2 && !is_elsewhere(series))
        .map(|(series, _)| series)
        .collect();
    assert!(still.is_empty(), "series that no scene moves: {still:#?}");
    for (name, _) in ELSEWHERE {
        let seen = moves.0.iter().find(|(series, _)| series.starts_with(name));
        let (_, values) = seen.unwrap_or_else(|| panic!("{name} is no series any more"));
        // What is the process's, other tests move.
        assert!(
            values.len() < 2 || name.starts_with("process_"),
            "{name} moves here: take it out of the list"
        );
    }
}
