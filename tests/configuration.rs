//! Stories of configuration files: what operators write, and what they are told.

use fanfare::config::{self, Config, Credentials, EndWhen, Ids, Listen, Loaded, Source, Start, Target};
use std::path::Path;
use std::time::Duration;

fn environment(name: &str) -> Option<String> {
    match name {
        "PORT" => Some("9999".to_owned()),
        "PASSWORD" => Some("hunter2: [x]\nlisten: 1.2.3.4:5".to_owned()),
        "BROKEN" => Some("hunter2 is not a number".to_owned()),
        "ORIGIN" => Some("https://o.example".to_owned()),
        "EMPTY" => Some(String::new()),
        _ => None,
    }
}

fn read(text: &str) -> Result<Loaded, String> {
    config::read(text, "f.yaml", &environment).map_err(|mistakes| mistakes.to_string())
}

fn right(text: &str) -> Loaded {
    read(text).unwrap_or_else(|mistakes| panic!("{mistakes}\n{text}"))
}

fn wrong(text: &str) -> String {
    read(text).expect_err(text)
}

/// The only source of a file.
fn source(text: &str) -> Source {
    let loaded = right(text);
    assert_eq!(loaded.config.sources.len(), 1);
    Source::clone(&loaded.config.sources[0])
}

/// A file with one source that has these lines.
fn with(lines: &str) -> String {
    let indented: String = lines.lines().map(|line| format!("    {line}\n")).collect();
    format!("sources:\n  s:\n    path: /\n    upstream: http://o/\n{indented}")
}

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

#[test]
fn every_mistake_at_once() {
    let text = "\
listn: 0.0.0.0:9080
admin: localhost
workers: many
limits: { clients: 0, header_timeout: 10 }
trusted_proxies: [10.0.0.0/33]
drain:
  spread: 10
  timeout: 30 parsecs
sources:
  a:
    path: a
    upstream: ftp://o/
    log: { events: 0, bytes: 16M }
    heartbeat:
      as: 'id: 1'
    slow_client: { policy: evcit }
  b:
    path: /x
    upstream:
      url: http://o/{job}
      password: hunter2
    path: /y
    access:
      - basic: { users_file: /etc/fanfare/users }
  c:
    path: /x
    upstream: []
    end_when: [ { json: state, equals: 1 }, { event: a, data: b } ]
";
    let expected = "\
f.yaml:1:1: listn: unknown key `listn`; did you mean `listen`?
f.yaml:2:8: admin: `localhost`; expected an address and port such as `127.0.0.1:7090`
f.yaml:3:10: workers: `many`; expected `auto`, or a number of threads
f.yaml:4:20: limits.clients: `0`; expected a whole number from 1 to 1000000000
f.yaml:4:39: limits.header_timeout: `10`; expected a duration with its unit, such as `250ms`, `10s`, `5m` or `1h30m` (the unit is missing)
f.yaml:5:19: trusted_proxies[0]: `10.0.0.0/33`; expected a network such as `10.0.0.0/8`, or an address
f.yaml:7:11: drain.spread: `10`; expected a duration with its unit, such as `250ms`, `10s`, `5m` or `1h30m` (the unit is missing)
f.yaml:8:12: drain.timeout: `30 parsecs`; expected a duration with its unit, such as `250ms`, `10s`, `5m` or `1h30m` (the unit is missing)
f.yaml:11:11: sources.a.path: `a` is a path that does not begin with `/`; expected a path such as `/events`, or `/jobs/{job}`
f.yaml:12:15: sources.a.upstream: `ftp://o/` is a URL with another scheme; expected a URL such as `https://origin.example.com/events`
f.yaml:13:20: sources.a.log.events: `0`; expected a whole number from 1 to 1000000000
f.yaml:13:30: sources.a.log.bytes: `16M`; expected a size with its unit, such as `512B`, `64KiB` or `16MiB` (write `MiB` (1024 KiB) or `MB` (1000 kB))
f.yaml:15:11: sources.a.heartbeat.as: `id: 1`; expected no `id`: it would replace the client's last event ID
f.yaml:16:28: sources.a.slow_client.policy: `evcit`; expected one of `evict`, `skip`, `pause` (did you mean `evict`?)
f.yaml:20:12: sources.b.upstream.url: the parameter `job` is not one of the path; expected no parameter here
f.yaml:21:7: sources.b.upstream.password: no user name; expected `username` with `password` or `password_file`
f.yaml:22:5: sources.b.path: a duplicate key; expected each key once; the first is in line 18
f.yaml:23:5: sources.b.access: not supported by this version; expected no such key: who may read must be settled in front of the relay
f.yaml:27:15: sources.c.upstream: an empty list; expected at least one upstream
f.yaml:28:25: sources.c.end_when[0].json: `state`; expected a JSON pointer such as `/state` (`~0` for `~`, `~1` for `/`)
f.yaml:28:45: sources.c.end_when[1]: not exactly one rule; expected `{event: NAME}`, `{data: TEXT}` or `{json: /pointer, equals: VALUE}`";
    let told = wrong(text);
    for (told, expected) in told.lines().zip(expected.lines()) {
        assert_eq!(told, expected);
    }
    assert_eq!(told, expected);
}

#[test]
fn the_environment_fills_values_only() {
    let text = "\
listen: 0.0.0.0:${PORT}
sources:
  s:
    path: ${NOWHERE:-/events}
    upstream: { url: \"${ORIGIN}/sse\", username: '${NAME:-relay}', password: \"${PASSWORD_FREE:-a${PORT}}\" }
    log: { events: \"${PORT}\" }
";
    let loaded = right(text);
    assert_eq!(loaded.config.listen, [Listen::Tcp(([0, 0, 0, 0], 9999).into())]);
    let source = &loaded.config.sources[0];
    assert_eq!((source.paths[0].as_str(), source.log.events), ("/events", 9999));
    let upstream = &source.upstreams[0];
    assert_eq!(upstream.target, Target::Urls(vec!["https://o.example/sse".to_owned()]));
    let Some(Credentials::Basic { username, password }) = &upstream.credentials else {
        panic!("{upstream:?}")
    };
    assert_eq!((username.as_str(), password.0.as_str()), ("relay", "a9999"));
}

#[test]
fn a_value_from_the_environment_stays_one_value() {
    for reference in ["${PASSWORD}", "\"${PASSWORD}\"", "'${PASSWORD}'"] {
        let rules = format!("end_when:\n  - data: {reference}\n");
        let source = source(&with(&rules));
        assert_eq!(
            source.end_when,
            [EndWhen::Data("hunter2: [x]\nlisten: 1.2.3.4:5".to_owned())]
        );
    }
}

#[test]
fn secrets_are_never_told() {
    for lines in [
        "log: { events: \"${BROKEN}\" }",
        "ids: ${BROKEN}",
        "max_age: ${BROKEN}",
        "event_bytes_max: ${BROKEN}",
        "cors: { origins: [\"${BROKEN}\"] }",
        "required: ${BROKEN}",
        "start: ${BROKEN}",
        "reconnect_jitter: ${BROKEN}",
        "heartbeat: { as: \"${BROKEN}\" }",
    ] {
        let told = wrong(&with(lines));
        assert!(told.contains("${BROKEN}") && !told.contains("hunter2"), "{told}");
    }
    for upstream in [
        "{ url: 'http://u:hunter2@o:x/' }",
        "{ url: 'http://o:x/?token=hunter2' }",
        "{ url: 'http://o/', username: 'a:b', password: hunter2 }",
        "{ url: 'http://o/', username: a, password: \"hunter2\\n\" }",
        "{ url: 'http://o/', bearer: 'hunter2 x' }",
        "{ url: 'http://o/', bearer: hunter2, username: a, password: hunter2 }",
        "{ url: 'http://o/', headers: { Authorization: \"hunter2\\n\" } }",
        "{ url: 'http://o/', headers: { X-A: \"hunter2\\n\" } }",
        "{ url: 'http://u:hunter2@o/', username: a, password: x }",
        "{ urls: ['http://u:hunter2@o/', 'http://o/'] }",
        "{ url: \"${PASSWORD}\" }",
        "{ url: 'http://o/', password: [hunter2] }",
    ] {
        let told = wrong(&format!("sources:\n  s:\n    path: /\n    upstream: {upstream}\n"));
        assert!(!told.contains("hunter2"), "{told}");
    }
    let loaded = right(
        "sources:\n  s:\n    path: /\n    upstream:\n      url: https://u:hunter2@o/?token=hunter2\n      \
         headers: { X-Api-Key: hunter2, X-Plain: \"${BROKEN}\", Host: shown.example }\n",
    );
    let printed = config::print(&loaded);
    assert!(
        !printed.contains("hunter2") && printed.contains("shown.example"),
        "{printed}"
    );
    let shown = format!("{:?}", loaded.config.sources[0].upstreams[0].credentials);
    assert!(!shown.contains("hunter2"), "{shown}");
}

#[test]
fn undefined_variables_are_mistakes_in_their_place() {
    let told = wrong(&with("max_age: ${MAX_AGE}\nlog: { bytes: \"${LOG_BYTES}\" }"));
    assert_eq!(
        told,
        "f.yaml:5:14: sources.s.max_age: the environment variable `MAX_AGE` is not set; expected it to be set, or a default: `${MAX_AGE:-...}`\n\
         f.yaml:6:19: sources.s.log.bytes: the environment variable `LOG_BYTES` is not set; expected it to be set, or a default: `${LOG_BYTES:-...}`"
    );
}

#[test]
fn secrets_from_files() {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("password"), "hun ter2\n").expect("written");
    std::fs::write(folder.path().join("token"), "abc.def\r\n").expect("written");
    std::fs::write(folder.path().join("empty"), "\n").expect("written");
    let file = folder.path().join("f.yaml");
    let load = |upstream: &str| {
        let text = format!("sources:\n  s:\n    path: /\n    upstream:\n      url: http://o/\n{upstream}");
        std::fs::write(&file, text).expect("written");
        config::load(&file)
    };
    // Relative to the file, whatever the working directory.
    let loaded = load("      username: relay\n      password_file: password\n").expect("valid");
    let Some(Credentials::Basic { password, .. }) = &loaded.config.sources[0].upstreams[0].credentials else {
        panic!()
    };
    assert_eq!(password.0, "hun ter2");
    let loaded = load(&format!("      bearer_file: {}/token\n", folder.path().display())).expect("valid");
    let Some(Credentials::Bearer(token)) = &loaded.config.sources[0].upstreams[0].credentials else {
        panic!()
    };
    assert_eq!(token.0, "abc.def");
    for name in ["missing", "empty", "."] {
        let told = load(&format!("      bearer_file: {name}\n"))
            .expect_err(name)
            .to_string();
        let start = format!("{}:6:20: sources.s.upstream.bearer_file: `{name}` ", file.display());
        assert!(told.starts_with(&start), "{told}");
    }
    let told = load("      bearer: x\n      bearer_file: token\n")
        .expect_err("both")
        .to_string();
    assert!(told.contains("beside `bearer`"), "{told}");
    let told = load("      tls: { ca: token, cert: missing, server_name: 'a b' }\n")
        .expect_err("no PEM")
        .to_string();
    assert_eq!(told.lines().count(), 3, "{told}");
}

#[test]
fn what_a_later_version_will_know_is_never_ignored() {
    for (text, place) in [
        (
            with("access: [ { basic: { users_file: x } } ]"),
            "f.yaml:5:5: sources.s.access: not supported by this version",
        ),
        (
            with("access:"),
            "f.yaml:5:5: sources.s.access: not supported by this version",
        ),
        (
            with("access: []"),
            "f.yaml:5:5: sources.s.access: not supported by this version",
        ),
        (
            format!(
                "listen: [ {{ address: '0.0.0.0:1', tls: {{ cert: a, key: b }} }} ]\n{}",
                with("")
            ),
            "f.yaml:1:35: listen[0].tls: not supported by this version",
        ),
        (
            format!("listen: {{ address: '0.0.0.0:1', proxy_protocol: true }}\n{}", with("")),
            "f.yaml:1:33: listen.proxy_protocol: not supported by this version",
        ),
    ] {
        let told = wrong(&text);
        assert!(told.starts_with(place), "{told}");
    }
}

#[test]
fn suggestions_for_unknown_keys() {
    for (written, meant) in [
        ("heartbeats: {}", "heartbeat"),
        ("slow-client: {}", "slow_client"),
        ("slowClient: {}", "slow_client"),
        ("Ids: auto", "ids"),
        ("endwhen: []", "end_when"),
    ] {
        let told = wrong(&with(written));
        assert!(told.contains(&format!("did you mean `{meant}`?")), "{told}");
    }
    let told = wrong(&with("zzz: 1"));
    assert!(
        told.contains("unknown key `zzz`; expected keys among `path`, `upstream`"),
        "{told}"
    );
}

/// The page that documents the file, as far as this version goes.
#[test]
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
        silence: 10m
        http2: true
      - urls: [https://b.example.com/sse, https://c.example.com/sse]
        bearer: token
      - feed: https://a.example.com/webservice/escenic/changelog/section/481
  jobs:
    path: /v1/monitor/{job}
    upstream: https://jobs.example.com/v1/monitor/{job}
    idle_linger: 30s
pass:
  - prefix: /webservice/
    to: http://editorial.internal:8080
    rewrite_links: true
    rewrite_headers: [x-ccapi-sse-proxy]
    body_bytes_max: 8MiB
"#;
    let loaded = right(text);
    assert_eq!(loaded.warnings, []);
    assert_eq!(loaded.reload, config::Reload::Watch);
    let sources = &loaded.config.sources;
    assert_eq!(
        sources[0].end_when[2],
        EndWhen::Json {
            pointer: "/state".into(),
            equals: "COMPLETED".into()
        }
    );
    assert_eq!(sources[1].upstreams.len(), 3);
    assert_eq!(sources[1].upstreams[0].silence, Duration::from_secs(600));
    assert!(matches!(sources[1].upstreams[2].target, Target::Feed(_)));
    assert_eq!((sources[2].start, sources[2].required), (Start::Earliest, false));
    assert_eq!(loaded.config.pass[0].to, "http://editorial.internal:8080");
}

#[test]
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

#[test]
fn paths_must_be_told_apart() {
    let two = |a: &str, b: &str| {
        let upstream = "http://o/";
        format!("sources:\n  a: {{path: '{a}', upstream: {upstream}}}\n  b: {{path: '{b}', upstream: {upstream}}}\n")
    };
    assert!(wrong(&two("/x", "/x")).starts_with("f.yaml:3:13: sources.b.path: `/x` is also the path of `a` in line 2"));
    assert!(wrong(&two("/x/{a}", "/x/{b}")).contains("is also the path of `a`"));
    assert!(wrong(&two("/x/{a}", "/{b}/y")).contains("fit the same requests"));
    let loaded = right(&two("/x/{a}", "/x/y"));
    assert!(
        loaded
            .warnings
            .iter()
            .any(|warning| warning.what.contains("the path without parameters wins"))
    );
    wrong("sources:\n  a: {path: [/x, /x], upstream: http://o/}\n");
    wrong("sources:\n  a: {path: ['/x/{a}', /y], upstream: http://o/}\n");
}

#[test]
fn warnings_are_no_mistakes() {
    let warned = |text: &str, part: &str| {
        let warnings = right(text).warnings;
        assert!(
            warnings.iter().any(|warning| warning.to_string().contains(part)),
            "{warnings:?}"
        );
    };
    warned(
        &with("log: { events: 10 }\nslow_client: { events: 11 }"),
        "f.yaml:6:5: sources.s.slow_client: `events` is over",
    );
    warned(&with("event_bytes_max: 2MiB"), "over `slow_client.bytes`");
    warned(&with("idle_linger: 1s"), "only templated sources");
    warned(&with("cors: { origins: '*', credentials: true }"), "any web page");
    warned(
        "sources: {s: {path: '/{x}', upstream: http://o/}}",
        "every channel reads the same stream",
    );
    warned(
        "sources: {s: {path: '/{x}', upstream: 'http://o/{x}', required: true}}",
        "no effect",
    );
    warned(
        "trusted_proxies: 10.1.2.3/8\nsources: {s: {path: /, upstream: http://o/}}",
        "read as 10.0.0.0/8",
    );
    assert_eq!(right(&with("log: { events: 10 }")).warnings, []);
}

#[test]
fn files_that_are_none() {
    for text in ["", "# nothing\n", "---\n"] {
        assert_eq!(
            wrong(text),
            "f.yaml:1:1: the file is empty; expected a mapping with `sources`"
        );
    }
    for text in [
        "just text\n",
        "- a\n",
        "sources:\n",
        "sources: {}\n",
        "sources: []\n",
        "null\n",
        "{}\n",
        "pass: []\n",
    ] {
        wrong(text);
    }
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("f.yaml");
    std::fs::write(&file, b"sources:\n  \xff: 1\n").expect("written");
    let told = config::load(&file).expect_err("no text").to_string();
    assert!(told.ends_with("f.yaml: not UTF-8, in line 2"), "{told}");
    let told = config::load(&folder.path().join("none.yaml"))
        .expect_err("no file")
        .to_string();
    assert!(told.contains("none.yaml: can't be read: "), "{told}");
}

const LEGACY: &str = r#"
server:
  applicationConnectors:
    - type: http
      port: 9081
  adminConnectors:
    - type: http
      port: 7091
  gzip:
    enabled: false
  requestLog:
    appenders: []
backends:
  - uri: http://editorial-1.example.com:8080/webservice/escenic/changelog/sse
    credentials:
      username: relay
      password: ${PW:-secret}
    httpHeaders:
      Host: cue.example.com
  - uri: http://editorial-2.example.com:8080/webservice/escenic/changelog/sse
cors:
  allowedOrigins: "https://a.example.com, https://b.example.com"
  allowedHeaders: "X-Requested-With,Content-Type"
  allowedMethods: "GET,HEAD"
  preflightMaxAge: 1800
  allowCredentials: true
  exposedHeaders: ""
  chainPreflight: false
logging:
  level: DEBUG
  appenders:
    - type: console
"#;

#[test]
fn the_content_stores_own_file() {
    let loaded = right(LEGACY);
    let config = &loaded.config;
    assert_eq!(config.listen, [Listen::Tcp(([0, 0, 0, 0], 9081).into())]);
    assert_eq!(config.admin, Some(([127, 0, 0, 1], 7091).into()));
    assert_eq!(config.sources.len(), 1);
    let source = &config.sources[0];
    assert_eq!(source.paths, ["/", "/sse"]);
    assert_eq!(source.upstreams.len(), 2);
    assert_eq!(source.upstreams[0].silence, Duration::from_secs(600));
    assert_eq!(source.upstreams[0].headers[0].0, "host");
    assert!(source.upstreams[0].credentials.is_some() && source.upstreams[1].credentials.is_none());
    let cors = source.cors.as_ref().expect("cors");
    assert_eq!(cors.origins, ["https://a.example.com", "https://b.example.com"]);
    assert_eq!((cors.credentials, cors.max_age), (true, Duration::from_secs(1800)));
    assert_eq!(cors.exposed_headers, Vec::<String>::new());
    assert_eq!(loaded.log.as_deref(), Some("debug"));
    let warned: Vec<String> = loaded
        .warnings
        .iter()
        .map(|warning| format!("{}:{}", warning.place.line, warning.key))
        .collect();
    assert_eq!(
        warned,
        ["9:server.gzip", "11:server.requestLog", "31:logging.appenders"]
    );

    let printed = config::print(&loaded);
    assert!(
        printed.starts_with("# On the command line: --log debug\nlisten: "),
        "{printed}"
    );
    assert!(!printed.contains("secret"), "{printed}");
    let again = right(&printed);
    assert_eq!(again.config.sources[0].upstreams[1], source.upstreams[1]);
    assert_eq!(again.config.listen, config.listen);
}

#[test]
fn mistakes_in_the_content_stores_own_file() {
    let text = "\
server:
  applicationConnectors: [ { type: https, port: 8443 } ]
  adminConnectors: []
  gzp: {}
backends:
  - url: http://o/
  - uri: nowhere
    credentials: { username: a }
cors: { allowedOrigins: 'https://*.example.com', preflightMaxAge: 30m }
logging: { level: LOUD }
";
    let expected = "\
f.yaml:2:36: server.applicationConnectors[0].type: `https`; expected `http`: other connectors are not supported by this version
f.yaml:3:20: server.adminConnectors: an empty list; expected at least one connector with `type` and `port`
f.yaml:4:3: server.gzp: unknown key `gzp`; did you mean `gzip`?
f.yaml:6:5: backends[0].uri: missing; expected the URL of an event stream, such as `http://editorial.example.com/webservice/escenic/changelog/sse`
f.yaml:6:5: backends[0].url: unknown key `url`; did you mean `uri`?
f.yaml:7:10: backends[1].uri: `nowhere` is no URL: it has no scheme; expected the URL of an event stream, such as `http://editorial.example.com/webservice/escenic/changelog/sse`
f.yaml:8:18: backends[1].credentials: only one of `username` and `password`; expected both, or none
f.yaml:9:25: cors.allowedOrigins: `https://*.example.com`; expected origins such as `https://www.example.com`, separated by commas, or `*`
f.yaml:9:67: cors.preflightMaxAge: `30m`; expected a whole number from 0 to 31536000
f.yaml:10:19: logging.level: `LOUD`; expected one of `OFF`, `ERROR`, `WARN`, `INFO`, `DEBUG`, `TRACE`, `ALL`";
    assert_eq!(wrong(text), expected);
    let loaded = right("backends: [ { uri: http://o/sse } ]\n");
    assert_eq!(loaded.config.listen, [Listen::Tcp(config::LISTEN)]);
    assert_eq!(loaded.config.admin, Some(config::ADMIN));
    assert_eq!(loaded.warnings, []);
}

#[test]
fn the_example_is_right_and_complete() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/examples/fanfare.yaml");
    let text = std::fs::read_to_string(path).expect("the example");
    assert_eq!(right(&text).warnings, []);
    // Commented keys count: they are shown.
    let shown = |key: &str| {
        text.lines().any(|line| {
            let line = line.trim_start_matches(['#', ' ', '-', '{']);
            line.starts_with(&format!("{key}:"))
                || line.contains(&format!(", {key}:"))
                || line.contains(&format!("{{ {key}:"))
        })
    };
    let later = ["access", "proxy_protocol", "address"];
    for key in schema_keys(&config::json_schema()) {
        assert!(
            shown(&key) || later.contains(&key.as_str()) || key == "password_file" || text.contains(&key),
            "{key}"
        );
    }
}

#[test]
fn the_schema_is_in_step() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/fanfare.schema.json");
    let expected = format!("{:#}\n", config::json_schema());
    if std::env::var_os("FANFARE_WRITE_SCHEMA").is_some() {
        std::fs::write(&path, &expected).expect("written");
    }
    let found = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        found == expected,
        "docs/fanfare.schema.json is behind: FANFARE_WRITE_SCHEMA=1 cargo test --test configuration"
    );
}

/// Each key of the schema is accepted by the reader, at every place at which the schema has it; and no other is.
#[test]
fn the_schema_and_the_reader_know_the_same_keys() {
    let schema = config::json_schema();
    let sections = [
        ("", &schema, "KEY: {}\nsources: {s: {path: /, upstream: http://o/}}"),
        (
            "limits",
            &schema["properties"]["limits"],
            "limits: {KEY: {}}\nsources: {s: {path: /, upstream: http://o/}}",
        ),
        (
            "drain",
            &schema["properties"]["drain"],
            "drain: {KEY: {}}\nsources: {s: {path: /, upstream: http://o/}}",
        ),
        (
            "source",
            &schema["properties"]["sources"]["additionalProperties"],
            "sources: {s: {KEY: {}, path: /, upstream: http://o/}}",
        ),
    ];
    for (name, section, template) in sections {
        let properties = section["properties"].as_object().expect(name);
        assert!(
            !properties.is_empty() && section["additionalProperties"] == false,
            "{name}"
        );
        for key in properties.keys() {
            let text = template.replace("KEY", key);
            assert!(!read(&text).is_err_and(|told| told.contains("unknown key")), "{text}");
            assert!(
                properties[key]["description"]
                    .as_str()
                    .is_some_and(|text| !text.is_empty()),
                "{key}"
            );
        }
        assert!(
            wrong(&template.replace("KEY", "nonsense")).contains("unknown key `nonsense`"),
            "{name}"
        );
    }
}

/// All property names anywhere in the schema.
fn schema_keys(schema: &serde_json::Value) -> Vec<String> {
    let mut keys = Vec::new();
    match schema {
        serde_json::Value::Object(map) => {
            if let Some(properties) = map.get("properties").and_then(|properties| properties.as_object()) {
                keys.extend(properties.keys().cloned());
            }
            keys.extend(map.values().flat_map(schema_keys));
        }
        serde_json::Value::Array(items) => keys.extend(items.iter().flat_map(schema_keys)),
        _ => {}
    }
    keys
}

mod never_panics {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn on_random_text(text in "\\PC{0,200}") {
            let _ = read(&text);
        }

        #[test]
        fn on_random_bytes(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            let _ = read(&String::from_utf8_lossy(&bytes));
        }

        /// A right file with one byte range replaced: the reader is reached, not just the parser.
        #[test]
        fn on_broken_files(legacy in any::<bool>(), at in 0..2000_usize, gone in 0..20_usize, new in "[a-z{}:\\[\\],\"'$&*!|>%#\n -]{0,12}") {
            let example = include_str!("../deploy/examples/fanfare.yaml");
            let text = if legacy { LEGACY } else { example };
            let mut chars: Vec<char> = text.chars().collect();
            let start = (at * 7) % chars.len();
            let end = (start + gone).min(chars.len());
            chars.splice(start..end, new.chars());
            let text: String = chars.into_iter().collect();
            if let Ok(loaded) = read(&text) {
                prop_assert!(config::read(&config::print(&loaded), "printed", &|_| None).is_ok());
            }
        }
    }
}
