//! What a scrape looks like.

use super::*;
use std::collections::{BTreeMap, BTreeSet};
use std::io::Write as _;
use std::process::{Command, Stdio};

/// contract.md, section 8: names and labels, written down a second time on purpose.
const PROMISED: &[(&str, &[&str])] = &[
    ("fanfare_clients", &["source", "protocol"]),
    ("fanfare_connections_opened_total", &[]),
    ("fanfare_connections_closed_total", &["source", "reason"]),
    ("fanfare_events_received_total", &["source"]),
    ("fanfare_bytes_received_total", &["source"]),
    ("fanfare_deliveries_total", &["source"]),
    ("fanfare_bytes_sent_total", &["source"]),
    ("fanfare_compressed_bytes_total", &["source"]),
    ("fanfare_uncompressed_bytes_total", &["source"]),
    ("fanfare_evictions_total", &["source", "reason"]),
    ("fanfare_gaps_total", &["source", "reason"]),
    ("fanfare_resumes_total", &["source", "outcome"]),
    ("fanfare_refused_total", &["reason"]),
    ("fanfare_upstream_connected", &["source", "upstream"]),
    ("fanfare_upstream_reconnects_total", &["source", "upstream", "reason"]),
    ("fanfare_fanout_seconds", &["source"]),
    ("fanfare_lag_events", &["source"]),
    ("fanfare_log_events", &["source"]),
    ("fanfare_log_bytes", &["source"]),
    ("fanfare_channels", &["source"]),
    ("fanfare_derived_channels", &["source"]),
    ("fanfare_ready", &[]),
    ("fanfare_draining", &[]),
    ("fanfare_limit", &["limit"]),
    ("fanfare_last_event_timestamp_seconds", &["source"]),
    ("fanfare_proxied_requests_total", &["code"]),
    ("fanfare_proxied_request_seconds", &[]),
    ("fanfare_proxied_streams", &[]),
    ("fanfare_log_lines_dropped_total", &[]),
    ("fanfare_build_info", &["version"]),
    ("process_cpu_seconds_total", &[]),
    ("process_resident_memory_bytes", &[]),
    ("process_open_fds", &[]),
    ("process_max_fds", &[]),
];

/// The handles of one source with one upstream, and nothing counted yet.
fn fresh() -> Arc<Metrics> {
    let metrics = Metrics::new();
    metrics.source("changelog").announce(&Possible {
        closes: &|_| true,
        evictions: &|_| true,
        gaps: &|_| true,
        keeps_log: true,
        derives: true,
        compresses: true,
    });
    metrics.upstream("changelog", "origin.example.com/sse");
    metrics.listener().announce(|_| true);
    metrics.proxy();
    metrics
}

/// The value of the series, which must be there exactly once.
fn value(text: &str, series: &str) -> f64 {
    let values: Vec<&str> = text
        .lines()
        .filter_map(|line| line.strip_prefix(series)?.strip_prefix(' '))
        .collect();
    assert_eq!(values.len(), 1, "{series} in\n{text}");
    values[0].parse().unwrap()
}

/// Label name to the values seen, over all series of the family.
fn labels_of(text: &str, family: &str) -> BTreeMap<String, BTreeSet<String>> {
    let mut labels = BTreeMap::<String, BTreeSet<String>>::new();
    for line in text.lines() {
        let Some((list, _)) = line
            .strip_prefix(family)
            .and_then(|rest| rest.strip_prefix('{')?.split_once('}'))
        else {
            continue;
        };
        for pair in list.split("\",") {
            let (name, value) = pair.split_once("=\"").unwrap();
            labels
                .entry(name.to_owned())
                .or_default()
                .insert(value.trim_end_matches('"').to_owned());
        }
    }
    labels
}

#[test]
fn every_promised_metric_is_there_from_the_start_with_help_and_type() {
    let text = fresh().render();
    for (name, labels) in PROMISED {
        assert_eq!(text.matches(&format!("# HELP {name} ")).count(), 1, "{name}");
        assert_eq!(text.matches(&format!("# TYPE {name} ")).count(), 1, "{name}");
        let definition = definitions::ALL
            .iter()
            .find(|definition| definition.name == *name)
            .unwrap();
        for label in *labels {
            assert!(definition.labels.contains(label), "{name}{{{label}}}");
        }
        let series = if definition.kind == Kind::Histogram {
            format!("{name}_bucket")
        } else {
            (*name).to_owned()
        };
        let late = [
            definitions::UPSTREAM_RECONNECTS,
            definitions::PROXIED_REQUESTS,
            definitions::LAST_EVENT,
            definitions::LIMIT,
        ];
        if late.iter().any(|late| late.name == definition.name) {
            // Their series appear with their first values.
            continue;
        }
        for label in definition.labels {
            assert!(labels_of(&text, &series).contains_key(*label), "{series}{{{label}}}");
        }
    }
    // Nothing is exported that the table does not know, and everything in it is.
    let types = text
        .lines()
        .filter_map(|line| line.strip_prefix("# TYPE ")?.split_once(' '));
    let exported: BTreeSet<(&str, &str)> = types.collect();
    let table = definitions::ALL
        .iter()
        .map(|definition| (definition.name, definition.kind.label()))
        .collect();
    assert_eq!(exported, table);
}

#[test]
fn every_label_value_exists_at_zero() {
    let text = fresh().render();
    let values = |family: &str, label: &str| labels_of(&text, family)[label].clone();
    let set = |labels: &[&str]| labels.iter().map(|label| (*label).to_owned()).collect::<BTreeSet<_>>();
    assert_eq!(
        values("fanfare_clients", "protocol"),
        set(&["http/1.0", "http/1.1", "http/2"])
    );
    assert_eq!(
        values("fanfare_connections_closed_total", "reason"),
        set(&CloseReason::ALL.map(CloseReason::label))
    );
    assert_eq!(
        values("fanfare_evictions_total", "reason"),
        set(&["events", "bytes", "stall", "pause", "log"])
    );
    assert_eq!(
        values("fanfare_gaps_total", "reason"),
        set(&GapReason::ALL.map(GapReason::label))
    );
    assert_eq!(values("fanfare_resumes_total", "outcome"), set(&["exact", "gap"]));
    assert_eq!(
        values("fanfare_refused_total", "reason"),
        set(&RefuseReason::ALL.map(RefuseReason::label))
    );

    for line in text
        .lines()
        .filter(|line| line.starts_with("fanfare_") && !line.starts_with("fanfare_build_info"))
    {
        assert!(line.ends_with(" 0"), "{line}");
    }
    assert!(
        text.contains(concat!(
            "fanfare_build_info{version=\"",
            env!("CARGO_PKG_VERSION"),
            "\""
        )),
        "{text}"
    );
}

#[test]
fn handles_count_where_their_names_say() {
    let metrics = fresh();
    let source = metrics.source("changelog");
    source.clients[Protocol::Http10.index()].increment(3);
    source.clients[Protocol::Http10.index()].decrement(1);
    source.closed[CloseReason::MaxAge.index()].increment(4);
    source.evictions[EvictReason::Stall.index()].increment(5);
    source.gaps[GapReason::Skipped.index()].increment(6);
    source.resumes_gap.increment(7);
    source.deliveries.increment(28_000);
    // A second fetch is the same handles, and a second upstream handle counts into the same series.
    assert!(Arc::ptr_eq(&source, &metrics.source("changelog")));
    for _ in 0..2 {
        let upstream = metrics.upstream("changelog", "origin.example.com/sse");
        upstream.connected.increment(1);
        upstream.reconnecting("silence");
    }
    metrics.listener().refused(RefuseReason::Origin);

    let text = metrics.render();
    assert_eq!(
        value(&text, r#"fanfare_clients{source="changelog",protocol="http/1.0"}"#),
        2.0
    );
    assert_eq!(
        value(
            &text,
            r#"fanfare_connections_closed_total{source="changelog",reason="max_age"}"#
        ),
        4.0
    );
    assert_eq!(
        value(&text, r#"fanfare_evictions_total{source="changelog",reason="stall"}"#),
        5.0
    );
    assert_eq!(
        value(&text, r#"fanfare_gaps_total{source="changelog",reason="skipped"}"#),
        6.0
    );
    assert_eq!(
        value(&text, r#"fanfare_resumes_total{source="changelog",outcome="gap"}"#),
        7.0
    );
    assert_eq!(
        value(&text, r#"fanfare_deliveries_total{source="changelog"}"#),
        28_000.0
    );
    let upstream = r#"source="changelog",upstream="origin.example.com/sse""#;
    assert_eq!(value(&text, &format!("fanfare_upstream_connected{{{upstream}}}")), 2.0);
    assert_eq!(
        value(
            &text,
            &format!(r#"fanfare_upstream_reconnects_total{{{upstream},reason="silence"}}"#)
        ),
        2.0
    );
    let reconnects = text
        .lines()
        .filter(|line| line.starts_with("fanfare_upstream_reconnects_total{"));
    assert_eq!(reconnects.count(), 1, "a reason that never was is no series");
    assert_eq!(value(&text, r#"fanfare_refused_total{reason="origin"}"#), 1.0);
}

#[test]
fn what_is_impossible_is_no_series_until_it_happens() {
    let metrics = Metrics::new();
    let source = metrics.source("changelog");
    source.announce(&Possible {
        closes: &|reason| reason != CloseReason::MaxAge,
        evictions: &|_| false,
        gaps: &|_| true,
        keeps_log: true,
        derives: true,
        compresses: true,
    });
    let listener = metrics.listener();
    listener.announce(|reason| reason != RefuseReason::Rate);
    let has = |text: &str, series: &str| text.lines().any(|line| line.starts_with(series));
    for late in [
        "fanfare_evictions_total{",
        "fanfare_last_event_timestamp_seconds{",
        "fanfare_proxied_streams ",
    ] {
        assert!(!has(&metrics.render(), late), "{late}");
    }
    let (max_age, rate) = (
        r#"fanfare_connections_closed_total{source="changelog",reason="max_age"}"#,
        r#"fanfare_refused_total{reason="rate"}"#,
    );
    assert!(!has(&metrics.render(), max_age) && !has(&metrics.render(), rate));
    source.closed[CloseReason::MaxAge.index()].increment(1);
    source.last_event.set_to_now();
    listener.refused(RefuseReason::Rate);
    let text = metrics.render();
    assert_eq!((value(&text, max_age), value(&text, rate)), (1.0, 1.0));
    assert!(value(&text, r#"fanfare_last_event_timestamp_seconds{source="changelog"}"#) > 1.7e9);
}

#[test]
fn histograms_are_classic_buckets() {
    let metrics = fresh();
    let source = metrics.source("changelog");
    source.fanout_seconds.record(0.00005);
    source.fanout_seconds.record(0.0004);
    source.fanout_seconds.record(60.0);
    for lag in [0_u32, 0, 1, 5, 2_000_000] {
        source.lag_events.record(lag);
    }
    // Whether upkeep has run or not makes no difference to a scrape.
    for _ in 0..2 {
        let text = metrics.render();
        let bucket = |family: &str, le: &str| {
            value(
                &text,
                &format!(r#"fanfare_{family}_bucket{{source="changelog",le="{le}"}}"#),
            )
        };
        assert_eq!(bucket("fanout_seconds", "0.00005"), 1.0);
        assert_eq!(bucket("fanout_seconds", "0.0005"), 2.0);
        assert_eq!(bucket("fanout_seconds", "10"), 2.0);
        assert_eq!(bucket("fanout_seconds", "+Inf"), 3.0);
        assert_eq!(value(&text, r#"fanfare_fanout_seconds_count{source="changelog"}"#), 3.0);
        assert_eq!(bucket("lag_events", "0"), 2.0);
        assert_eq!(bucket("lag_events", "1"), 3.0);
        assert_eq!(bucket("lag_events", "10"), 4.0);
        assert_eq!(bucket("lag_events", "1000000"), 4.0);
        assert_eq!(bucket("lag_events", "+Inf"), 5.0);
        metrics.run_upkeep();
    }
}

#[test]
fn two_relays_in_one_process_count_apart() {
    let (one, other) = (fresh(), fresh());
    one.source("changelog").deliveries.increment(1);
    assert_eq!(
        value(&other.render(), r#"fanfare_deliveries_total{source="changelog"}"#),
        0.0
    );
    assert_eq!(
        value(&one.render(), r#"fanfare_deliveries_total{source="changelog"}"#),
        1.0
    );
}

#[test]
fn two_scrapes_of_the_same_numbers_are_the_same_text() {
    let metrics = fresh();
    for source in ["b", "a", "c"] {
        metrics.source(source);
    }
    let own = |text: String| {
        text.lines()
            .filter(|line| !line.starts_with("process_"))
            .collect::<Vec<_>>()
            .join("\n")
    };
    assert_eq!(own(metrics.render()), own(metrics.render()));
}

/// Prometheus' own opinion, lint included. Needs Debian's `prometheus` (scripts/packages.debian).
#[test]
fn promtool_finds_nothing_to_say() {
    let metrics = fresh();
    let hostile = metrics.source("quote \" backslash \\ line\nend");
    hostile.fanout_seconds.record(0.001);
    let mut promtool = Command::new("promtool")
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("promtool is needed: apt-get install prometheus");
    promtool
        .stdin
        .take()
        .unwrap()
        .write_all(metrics.render().as_bytes())
        .unwrap();
    let output = promtool.wait_with_output().unwrap();
    let said = format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    assert!(
        output.status.success() && said.trim().is_empty(),
        "{}: {said}",
        output.status
    );
}
