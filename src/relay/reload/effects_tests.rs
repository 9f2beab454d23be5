//! What the table of keys says of a reload is what a plan makes of it.

use super::plan::Plan;
use crate::config::{Config, Effect, key_table, read};
use crate::source::Change;

/// A change of each of these keys: as it stands in the file before, and after.
const CHANGES: &[(&str, &str, &str)] = &[
    ("listen", "0.0.0.0:9080", "0.0.0.0:9081"),
    ("admin", "127.0.0.1:7090", "127.0.0.1:7091"),
    ("public_url", "http://a", "http://b"),
    ("workers", "1", "2"),
    ("handover", "/run/a.sock", "/run/b.sock"),
    ("limits", "{ clients: 1 }", "{ clients: 2 }"),
    ("trusted_proxies", "10.0.0.0/8", "11.0.0.0/8"),
    ("drain", "{ spread: 1s }", "{ spread: 2s }"),
    ("reload", "signal", "watch"),
    ("access_log", "false", "true"),
    ("pass", "[{ prefix: /, to: http://o }]", "[{ prefix: /, to: http://p }]"),
    ("sources.NAME.path", "/a", "/b"),
    ("sources.NAME.upstream", "http://o/a", "http://p/a"),
    (
        "sources.NAME.upstream.url",
        "{ url: http://o/a }",
        "{ url: http://o/b }",
    ),
    (
        "sources.NAME.upstream.bearer",
        "{ url: http://o/, bearer: a }",
        "{ url: http://o/, bearer: b }",
    ),
    (
        "sources.NAME.upstream.headers",
        "{ url: http://o/, headers: { a: b } }",
        "{ url: http://o/ }",
    ),
    (
        "sources.NAME.upstream.read_timeout",
        "{ url: http://o/, read_timeout: 1s }",
        "{ url: http://o/ }",
    ),
    (
        "fleet",
        "{ nats: nats://a:4222, instance: a }",
        "{ nats: nats://b:4222, instance: a }",
    ),
    ("sources.NAME.ids", "pass", "assign"),
    ("sources.NAME.start", "live", "latest"),
    ("sources.NAME.log", "{ events: 1 }", "{ events: 2 }"),
    ("sources.NAME.log.dir", "{ dir: /a }", "{ dir: /b }"),
    (
        "sources.NAME.log.sync",
        "{ dir: /a, sync: none }",
        "{ dir: /a, sync: always }",
    ),
    ("sources.NAME.heartbeat", "{ every: 1s }", "{ every: 2s }"),
    ("sources.NAME.slow_client", "{ stall: 1s }", "{ stall: 2s }"),
    ("sources.NAME.reconnect", "1s", "2s"),
    ("sources.NAME.reconnect_jitter", "0.1", "0.2"),
    ("sources.NAME.retry", "own", "relay"),
    ("sources.NAME.comments", "drop", "relay"),
    ("sources.NAME.gap_event", "a", "b"),
    ("sources.NAME.live_event", "a", "b"),
    ("sources.NAME.end_event", "a", "b"),
    ("sources.NAME.client_start", "true", "false"),
    ("sources.NAME.filters", "0", "10"),
    ("sources.NAME.end_when", "{ event: a }", "{ event: b }"),
    ("sources.NAME.linger", "1s", "2s"),
    ("sources.NAME.retry_ended_after", "1s", "2s"),
    ("sources.NAME.coalesce", "1s", "2s"),
    ("sources.NAME.stagger", "1s", "2s"),
    ("sources.NAME.event_bytes_max", "1KiB", "2KiB"),
    ("sources.NAME.max_age", "1s", "2s"),
    ("sources.NAME.required", "true", "false"),
    ("sources.NAME.refuse", "retry", "status"),
    ("sources.NAME.cors", "{ origins: http://a }", "{ origins: http://b }"),
];

/// A file in which this key says this, and everything else is the same.
fn config(key: &str, value: &str) -> Config {
    let mut lines = [("path", "/a"), ("upstream", "http://o/a")]
        .map(|(key, value)| (key, value.to_owned()))
        .to_vec();
    let mut top = String::new();
    match key.strip_prefix("sources.NAME.") {
        Some(key) => {
            let key = key.split('.').next().expect("a name");
            lines.retain(|(other, _)| *other != key);
            lines.push((key, value.to_owned()));
        }
        None => top = format!("{key}: {value}\n"),
    }
    let lines: String = lines
        .iter()
        .map(|(key, value)| format!("    {key}: {value}\n"))
        .collect();
    let yaml = format!("{top}sources:\n  s:\n{lines}");
    match read(&yaml, "test.yaml", &|_| None) {
        Ok(loaded) => loaded.config,
        Err(mistakes) => panic!("{mistakes}\n{yaml}"),
    }
}

#[test]
fn the_table_says_what_a_reload_does() {
    for (key, before, after) in CHANGES {
        let plan = Plan::new(&config(key, before), &config(key, after));
        let effect = match &plan.sources[0].1 {
            _ if !plan.not_in_force.is_empty() => Effect::Restart,
            Change::Replaced => Effect::Replaces,
            Change::Upstreams(_) => Effect::Reconnects,
            Change::Settings => Effect::Live,
            Change::Unchanged if !plan.is_empty() => Effect::Live,
            other => panic!("{key}: {other:?}"),
        };
        assert_eq!(effect, Effect::of(key), "{key}");
        let row = format!("| `{key}` | {} |", effect.word());
        assert!(key_table().contains(&row), "{row}");
    }
}
