//! What an expression names: metrics of the program, and values of their labels.

use fanfare::metrics::{CloseReason, DenyReason, EvictReason, GapReason, Limit, Protocol, RefuseReason, definitions};

/// Words of a metric's name.
fn in_name(char: char) -> bool {
    char.is_ascii_alphanumeric() || char == '_' || char == ':'
}

/// Every name in an expression that is a metric of the program or its process: recorded ones, which
/// have colons, are not.
pub fn metrics(expr: &str) -> Vec<&str> {
    let names = expr.split(|char| !in_name(char));
    names
        .filter(|name| !name.contains(':') && (name.starts_with("fanfare_") || name.starts_with("process_")))
        .collect()
}

/// Names of recorded series.
pub fn recorded(expr: &str) -> Vec<&str> {
    let names = expr.split(|char| !in_name(char));
    names.filter(|name| name.matches(':').count() == 2).collect()
}

/// Whether a scrape has it. A histogram is three metrics.
pub fn exists(name: &str) -> bool {
    let parts = ["_bucket", "_sum", "_count"];
    let of_histogram = parts.iter().find_map(|part| name.strip_suffix(part));
    definitions::ALL.iter().any(|definition| match definition.buckets {
        [] => definition.name == name,
        _ => Some(definition.name) == of_histogram,
    })
}

/// Matchers of labels with a closed set of values, and where those are not in it: `metric{label}`.
/// So a reason that is mistyped or renamed is found.
pub fn unknown_values(expr: &str) -> Vec<String> {
    let mut unknown = Vec::new();
    for (at, _) in expr.match_indices('{') {
        let name: &str = expr[..at].rsplit(|char| !in_name(char)).next().unwrap();
        let inside = expr[at + 1..].split('}').next().unwrap();
        for matcher in inside.split("\",") {
            let Some((label, value)) = matcher.split_once(['=', '!']) else {
                continue;
            };
            let Some(known) = values(name, label.trim()) else {
                continue;
            };
            let value = value.trim_start_matches(['=', '~', '"']).trim_end_matches('"');
            let wrong = value.split('|').filter(|value| !known.contains(value));
            unknown.extend(wrong.map(|value| format!("{name}{{{label}={value}}}")));
        }
    }
    unknown
}

/// The values of a metric's label, where they are a closed set.
fn values(metric: &str, label: &str) -> Option<Vec<&'static str>> {
    Some(match (metric, label) {
        ("fanfare_clients", "protocol") => Protocol::ALL.map(Protocol::label).to_vec(),
        ("fanfare_connections_closed_total", "reason") => CloseReason::ALL.map(CloseReason::label).to_vec(),
        ("fanfare_evictions_total", "reason") => EvictReason::ALL.map(EvictReason::label).to_vec(),
        ("fanfare_gaps_total", "reason") => GapReason::ALL.map(GapReason::label).to_vec(),
        ("fanfare_refused_total", "reason") => RefuseReason::ALL.map(RefuseReason::label).to_vec(),
        ("fanfare_access_denied_total", "reason") => DenyReason::ALL.map(DenyReason::label).to_vec(),
        ("fanfare_limit", "limit") => Limit::ALL.map(Limit::label).to_vec(),
        ("fanfare_resumes_total", "outcome") => vec!["exact", "gap"],
        ("fanfare_config_reloads_total", "outcome") => vec!["applied", "unchanged", "rejected"],
        _ => return None,
    })
}

#[test]
fn expressions_are_read() {
    let expr = r#"sum by (job) (rate(fanfare_gaps_total{reason=~"evicted|skiped",source="s"}[5m])) > process_open_fds * a:fanfare_x:sum"#;
    assert_eq!(metrics(expr), ["fanfare_gaps_total", "process_open_fds"]);
    assert_eq!(recorded(expr), ["a:fanfare_x:sum"]);
    assert_eq!(unknown_values(expr), ["fanfare_gaps_total{reason=skiped}"]);
    assert_eq!(unknown_values(r#"fanfare_evictions_total{reason!="stall"}"#), [""; 0]);
    assert_eq!(unknown_values(r#"fanfare_evictions_total{reason!="stal"}"#).len(), 1);
    assert!(exists("fanfare_fanout_seconds_bucket") && exists("fanfare_ready"));
    assert!(!exists("fanfare_fanout_seconds") && !exists("fanfare_redy") && !exists("fanfare_ready_count"));
}
