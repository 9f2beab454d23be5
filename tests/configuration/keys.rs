//! What single keys mean, and what they are without being written.

use crate::{right, source, with, wrong};
use fanfare::config::{self, Config, EndWhen, Ids, Source, Start, Target};
use std::time::Duration;

#[test]
fn the_smallest_file() {
    let loaded = right("sources: {changelog: {path: /sse, upstream: https://o.example/sse}}\n");
    let expected = Config::for_upstream("https://o.example/sse", "/sse").expect("valid");
    let source = Source {
        name: "default".to_owned(),
        ..Source::clone(&loaded.config.sources[0])
    };
    assert_eq!(source, *expected.sources[0]);
    assert_eq!(loaded.config.listen, expected.listen);
    assert_eq!(loaded.warnings, []);
    assert_eq!(source.upstreams[0].name, "o.example/sse");
    assert_eq!((source.start, source.required), (Start::Live, true));
}

/// The page that documents the file, as far as this version goes.
#[test]
#[expect(clippy::too_many_lines, reason = "one list of all keys")]
fn every_documented_key() {
    let text = r#"
listen: 0.0.0.0:9080
admin: 127.0.0.1:7090
public_url: https://cue.example.com
workers: auto
limits: { clients: 100000, clients_per_ip: 0, accepts_per_second: 0, header_timeout: 10s, header_bytes: 16KiB, channels: 10000 }
trusted_proxies: [10.0.0.0/8]
drain: { spread: 10s, timeout: 30s }
reload: watch
sources:
  changelog:
    path: /changelog/sse
    upstream: https://editorial.example.com/webservice/escenic/changelog/sse
    ids: auto
    start: live
    log: { events: 10000, bytes: 16MiB, age: 10m }
    heartbeat: { every: 15s, as: comment }
    slow_client: { policy: evict, events: 10000, bytes: 1MiB, stall: 20s, pause_max: 10s }
    reconnect: 3s
    reconnect_jitter: 0.5
    retry: own
    comments: drop
    gap_event: fanfare.gap
    end_when: [ { event: assembly_error }, { data: assembly_finished }, { json: /state, equals: COMPLETED } ]
    linger: 5m
    retry_ended_after: 10m
    coalesce: 0s
    stagger: 0s
    event_bytes_max: 1MiB
    max_age: 0s
    required: true
    refuse: retry
    cors: { origins: ["*"], credentials: false, headers: [Last-Event-ID, Authorization, Cache-Control], max_age: 30m }
  merged:
    path: /merged
    upstream:
      - url: https://a.example.com/sse
        username: relay
        password: secret
        headers: { Host: cue.example.com }
        tls: { server_name: b.example.com }
        read_timeout: 10m
        http2: true
      - urls: [https://b.example.com/sse, https://c.example.com/sse]
        bearer: token
      - feed: https://a.example.com/webservice/escenic/changelog/section/481
  jobs:
    path: /v1/monitor/{job}
    upstream: https://jobs.example.com/v1/monitor/{job}
    idle_timeout: 30s
pass:
  - prefix: /webservice/
    to: http://editorial.internal:8080
    rewrite_links: true
    rewrite_headers: [x-ccapi-sse-proxy]
    body_bytes_max: 8MiB
"#;
    let loaded = right(text);
    assert_eq!(loaded.warnings, []);
    assert_eq!(loaded.config.reload, config::Reload::Watch);
    let sources = &loaded.config.sources;
    assert_eq!(
        sources[0].end_when[2],
        EndWhen::Json {
            pointer: "/state".into(),
            equals: "COMPLETED".into()
        }
    );
    assert_eq!(sources[1].upstreams.len(), 3);
    assert_eq!(sources[1].upstreams[0].read_timeout, Duration::from_secs(600));
    assert!(matches!(sources[1].upstreams[2].target, Target::Feed(_)));
    assert_eq!((sources[2].start, sources[2].required), (Start::Earliest, false));
    assert_eq!(loaded.config.pass[0].to, "http://editorial.internal:8080");
}

#[test]
#[expect(clippy::too_many_lines, reason = "one list of forms")]
fn forms_of_single_keys() {
    assert_eq!(source(&with("gap_event: false")).gap_event, None);
    assert_eq!(source(&with("gap_event: 'false'")).gap_event.as_deref(), Some("false"));
    assert_eq!(
        source(&with("gap_event: true")).gap_event.as_deref(),
        Some("fanfare.gap")
    );
    assert_eq!(source(&with("reconnect_jitter: 20%")).reconnect_jitter, 0.2);
    assert_eq!(source(&with("ids: assign")).ids, Ids::Assign);
    for (written, block) in [
        ("as: \"data: ping\"", "data: ping\n\n"),
        (
            "as: |\n    event: ping\n    data: a\n    data: b",
            "event: ping\ndata: a\ndata: b\n\n",
        ),
        ("as: \": hello\"", ": hello\n\n"),
        (
            "as: { event: ping, data: \"a\\nb\" }",
            "event: ping\ndata: a\ndata: b\n\n",
        ),
        ("as: { data: \"\" }", "data: \n\n"),
        ("as: \"data\"", "data\n\n"),
        ("as: comment", ":\n\n"),
    ] {
        let source = source(&with(&format!("heartbeat:\n  every: 60s\n  {written}")));
        assert_eq!(source.heartbeat.block, block.as_bytes());
        assert_eq!(source.heartbeat.every, Duration::from_secs(60));
    }
    for written in [
        "ping",
        "\"data: a\\n\\ndata: b\"",
        "\"retry: 1\"",
        "\"\"",
        "[a]",
        "{ event: x }",
        "\"dat: x\"",
    ] {
        wrong(&with(&format!("heartbeat: {{ as: {written} }}")));
    }
    for (written, value) in [
        ("true", serde_json::json!(true)),
        ("'true'", serde_json::json!("true")),
        ("7", serde_json::json!(7)),
        ("-1.5", serde_json::json!(-1.5)),
        // As YAML's core schema has it.
        ("True", serde_json::json!(true)),
        ("FALSE", serde_json::json!(false)),
        (".5", serde_json::json!(0.5)),
        ("+1", serde_json::json!(1.0)),
        ("007", serde_json::json!("007")),
        ("1.2.3", serde_json::json!("1.2.3")),
        ("null", serde_json::json!(null)),
        ("[a, {b: 1}]", serde_json::json!(["a", { "b": 1 }])),
    ] {
        let source = source(&with(&format!("end_when: {{ json: '', equals: {written} }}")));
        assert_eq!(
            source.end_when,
            [EndWhen::Json {
                pointer: String::new(),
                equals: value
            }]
        );
    }
}
