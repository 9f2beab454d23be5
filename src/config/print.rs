//! The configuration in force, written as a file in the new form.
//!
//! Every value is written, defaults too, secrets as `***`. What is written is read back as the same configuration, the
//! masked values aside: so a legacy file becomes one in the new form.

use super::units::{format_duration, format_size};
use super::url::mask_query;
use super::*;
use serde_json::{Map, Value as Json, json};
use std::fmt::Write as _;

/// What stands for a secret.
pub(super) const MASK: &str = "***";

/// The file's text.
pub fn print(loaded: &Loaded) -> String {
    let mut out = String::new();
    if let Some(filter) = &loaded.log {
        let _ = writeln!(out, "# On the command line: --log {filter}");
    }
    write_map(&mut out, &root(loaded), 0);
    out
}

fn root(loaded: &Loaded) -> Map<String, Json> {
    let config = &loaded.config;
    let mut root = Map::new();
    root.insert(
        "listen".into(),
        config
            .listen
            .iter()
            .map(|listen| Json::from(listen.to_string()))
            .collect(),
    );
    if let Some(admin) = config.admin {
        root.insert("admin".into(), admin.to_string().into());
    }
    if let Some(url) = &config.public_url {
        root.insert("public_url".into(), url.to_string().trim_end_matches('/').into());
    }
    root.insert("workers".into(), config.workers.into());
    let limits = &config.limits;
    root.insert(
        "limits".into(),
        json!({
            "clients": limits.clients,
            "clients_per_ip": limits.clients_per_ip,
            "accepts_per_second": limits.accepts_per_second,
            "header_timeout": format_duration(limits.header_timeout),
            "keep_alive": format_duration(limits.keep_alive),
            "header_bytes": format_size(limits.header_bytes as u64),
            "channels": limits.channels,
        }),
    );
    let networks = config
        .trusted_proxies
        .iter()
        .map(|network| Json::from(network.to_string()));
    root.insert("trusted_proxies".into(), networks.collect());
    let drain = &config.drain;
    root.insert(
        "drain".into(),
        json!({
            "delay": format_duration(drain.delay),
            "spread": format_duration(drain.spread),
            "timeout": format_duration(drain.timeout),
        }),
    );
    let reload = match loaded.reload {
        Reload::Signal => "signal",
        Reload::Watch => "watch",
    };
    root.insert("reload".into(), reload.into());
    let sources = config
        .sources
        .iter()
        .map(|source| (source.name.clone(), Json::Object(source_map(source))));
    root.insert("sources".into(), Json::Object(sources.collect()));
    root.insert("pass".into(), config.pass.iter().map(pass).collect());
    root
}

fn source_map(source: &Source) -> Map<String, Json> {
    let mut map = Map::new();
    let mut put = |key: &str, value: Json| {
        map.insert(key.to_owned(), value);
    };
    put(
        "path",
        one_or_list(source.paths.iter().map(|path| path.as_str().into()).collect()),
    );
    put("upstream", source.upstreams.iter().map(upstream).collect());
    put(
        "ids",
        match source.ids {
            Ids::Auto => "auto",
            Ids::Pass => "pass",
            Ids::Assign => "assign",
        }
        .into(),
    );
    put(
        "start",
        match source.start {
            Start::Live => "live",
            Start::Latest => "latest",
            Start::Earliest => "earliest",
        }
        .into(),
    );
    let log = source.log;
    put(
        "log",
        json!({ "events": log.events, "bytes": format_size(log.bytes), "age": format_duration(log.age) }),
    );
    put(
        "heartbeat",
        json!({ "every": format_duration(source.heartbeat.every), "as": heartbeat(&source.heartbeat) }),
    );
    let slow = source.slow_client;
    put(
        "slow_client",
        json!({
            "policy": match slow.policy {
                SlowPolicy::Evict => "evict",
                SlowPolicy::Skip => "skip",
                SlowPolicy::Pause => "pause",
            },
            "events": slow.events,
            "bytes": format_size(slow.bytes),
            "stall": format_duration(slow.stall),
            "pause_max": format_duration(slow.pause_max),
        }),
    );
    put("reconnect", format_duration(source.reconnect).into());
    put("reconnect_jitter", source.reconnect_jitter.into());
    put(
        "retry",
        if source.retry == Forward::Never { "own" } else { "relay" }.into(),
    );
    put(
        "comments",
        if source.comments == Forward::Never {
            "drop"
        } else {
            "relay"
        }
        .into(),
    );
    if source.is_templated() {
        put("idle_timeout", format_duration(source.idle_timeout).into());
    } else {
        put("retry_ended_after", format_duration(source.retry_ended_after).into());
    }
    put(
        "gap_event",
        source.gap_event.as_deref().map_or(Json::Bool(false), Json::from),
    );
    put("end_when", source.end_when.iter().map(end_rule).collect());
    put("linger", format_duration(source.linger).into());
    put("coalesce", format_duration(source.coalesce).into());
    put("stagger", format_duration(source.stagger).into());
    put("event_bytes_max", format_size(source.event_bytes_max as u64).into());
    put("max_age", format_duration(source.max_age).into());
    put("required", source.required.into());
    put(
        "refuse",
        if source.refuse == Refuse::Retry {
            "retry"
        } else {
            "status"
        }
        .into(),
    );
    if let Some(cors) = &source.cors {
        put(
            "cors",
            json!({
                "origins": cors.origins,
                "credentials": cors.credentials,
                "headers": cors.headers,
                "methods": cors.methods,
                "exposed_headers": cors.exposed_headers,
                "max_age": format_duration(cors.max_age),
            }),
        );
    }
    map
}

fn upstream(upstream: &Upstream) -> Json {
    let mut map = Map::new();
    let mut put = |key: &str, value: Json| {
        map.insert(key.to_owned(), value);
    };
    match &upstream.target {
        Target::Urls(urls) if urls.len() == 1 => put("url", mask_query(&urls[0]).into()),
        Target::Urls(urls) => put("urls", urls.iter().map(|url| Json::from(mask_query(url))).collect()),
        Target::Feed(url) => put("feed", mask_query(url).into()),
    }
    match &upstream.credentials {
        Some(Credentials::Basic { username, .. }) => {
            put("username", username.as_str().into());
            put("password", MASK.into());
        }
        Some(Credentials::Bearer(_)) => put("bearer", MASK.into()),
        None => {}
    }
    let value = |value: &hyper::header::HeaderValue| match value.to_str() {
        Ok(text) if !value.is_sensitive() => text.to_owned(),
        _ => MASK.to_owned(),
    };
    if !upstream.headers.is_empty() {
        let headers = upstream
            .headers
            .iter()
            .map(|(name, text)| (name.to_string(), Json::from(value(text))));
        put("headers", Json::Object(headers.collect()));
    }
    let tls = &upstream.tls;
    // A path in a file is relative to the file; what is printed may be put anywhere.
    let absolute = |path: &PathBuf| std::path::absolute(path).unwrap_or_else(|_| path.clone());
    let path = |path: &Option<PathBuf>| {
        path.as_ref()
            .map(|path| Json::from(absolute(path).display().to_string()))
    };
    let parts = [
        ("ca", path(&tls.ca)),
        ("cert", path(&tls.cert)),
        ("key", path(&tls.key)),
        ("server_name", tls.server_name.as_deref().map(Json::from)),
    ];
    let tls: Map<String, Json> = parts
        .into_iter()
        .filter_map(|(key, value)| Some((key.to_owned(), value?)))
        .collect();
    if !tls.is_empty() {
        put("tls", Json::Object(tls));
    }
    put("http2", upstream.http2.into());
    put("read_timeout", format_duration(upstream.read_timeout).into());
    put("connect_timeout", format_duration(upstream.connect_timeout).into());
    put("reconnect", format_duration(upstream.reconnect).into());
    put("reconnect_max", format_duration(upstream.reconnect_max).into());
    Json::Object(map)
}

fn heartbeat(heartbeat: &Heartbeat) -> String {
    match heartbeat.block.as_ref() {
        defaults::HEARTBEAT_BLOCK => "comment".to_owned(),
        block => String::from_utf8_lossy(block).trim_end_matches('\n').to_owned(),
    }
}

fn end_rule(rule: &EndWhen) -> Json {
    match rule {
        EndWhen::Event(name) => json!({ "event": name }),
        EndWhen::Data(text) => json!({ "data": text }),
        EndWhen::Json { pointer, equals } => json!({ "json": pointer, "equals": equals }),
    }
}

fn pass(pass: &Pass) -> Json {
    json!({
        "prefix": pass.prefix,
        "to": pass.to,
        "connections_max": pass.connections_max,
        "rewrite_links": pass.rewrite_links,
        "rewrite_headers": pass.rewrite_headers.iter().map(|name| name.as_str()).collect::<Vec<_>>(),
        "body_bytes_max": format_size(pass.body_bytes_max as u64),
    })
}

fn one_or_list(mut values: Vec<Json>) -> Json {
    match values.len() {
        1 => values.remove(0),
        _ => Json::Array(values),
    }
}

impl std::fmt::Display for Listen {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Listen::Tcp(address) => write!(f, "{address}"),
            Listen::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

/// Block mappings, lists of mappings as blocks, everything else in one line.
fn write_map(out: &mut String, map: &Map<String, Json>, indent: usize) {
    for (index, (key, value)) in map.iter().enumerate() {
        // A list's dash stands before its first key.
        if index > 0 || !out.ends_with("- ") {
            let _ = write!(out, "{:indent$}", "");
        }
        let _ = write!(out, "{}:", quoted(key, key));
        match value {
            Json::Object(inner) if !inner.is_empty() && is_long(inner) => {
                out.push('\n');
                write_map(out, inner, indent + 2);
            }
            Json::Array(items) if items.iter().any(|item| item.as_object().is_some_and(is_long)) => {
                out.push('\n');
                for item in items {
                    let _ = write!(out, "{:indent$}  - ", "");
                    match item {
                        Json::Object(inner) => write_map(out, inner, indent + 4),
                        other => {
                            let _ = writeln!(out, "{}", inline(other));
                        }
                    }
                }
            }
            other => {
                let _ = writeln!(out, " {}", inline(other));
            }
        }
    }
}

/// Whether a mapping is better written over several lines.
fn is_long(map: &Map<String, Json>) -> bool {
    map.len() > 3 || map.values().any(|value| value.is_object() || value.is_array())
}

/// A value in one line.
fn inline(value: &Json) -> String {
    match value {
        Json::Null => "null".to_owned(),
        Json::Bool(flag) => flag.to_string(),
        Json::Number(number) => number.to_string(),
        Json::String(text) => scalar_text(text),
        Json::Array(items) => format!("[{}]", items.iter().map(inline).collect::<Vec<_>>().join(", ")),
        Json::Object(map) if map.is_empty() => "{}".to_owned(),
        Json::Object(map) => {
            let entries = map
                .iter()
                .map(|(key, value)| format!("{}: {}", quoted(key, key), inline(value)));
            format!("{{ {} }}", entries.collect::<Vec<_>>().join(", "))
        }
    }
}

/// A value as a scalar that is read back as this text.
fn scalar_text(text: &str) -> String {
    quoted(text, &interpolate::escape(text))
}

/// Plain where nobody can doubt that it is text, else `escaped` in double quotes. Keys hold no references: nothing in
/// them is escaped.
fn quoted(text: &str, escaped: &str) -> String {
    let starts_plainly = text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '/')
        || (text.starts_with(|c: char| c.is_ascii_digit()) && text.contains(':'));
    let is_plain = text.bytes().all(|b| b.is_ascii_alphanumeric() || b"_-./:".contains(&b)) && !text.ends_with(':');
    let is_word = matches!(
        text.to_ascii_lowercase().as_str(),
        "null" | "true" | "false" | "yes" | "no" | "on" | "off" | "y" | "n"
    );
    let is_measure = units::duration(text).is_ok() || units::size(text).is_ok_and(|_| text != "0");
    if (starts_plainly && is_plain && !is_word) || is_measure {
        return text.to_owned();
    }
    let mut out = String::from("\"");
    for c in escaped.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            ' '..='~' => out.push(c),
            c if c.is_alphanumeric() => out.push(c),
            c => {
                let _ = write!(out, "\\U{:08X}", u32::from(c));
            }
        }
    }
    out + "\""
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn duration() -> impl Strategy<Value = Duration> {
        (1..10_000_000_u64).prop_map(Duration::from_millis)
    }

    fn text() -> impl Strategy<Value = String> {
        prop_oneof![
            "[a-z]{1,8}",
            "\\PC{1,12}",
            "[0-9tfn.~{}$:# \"'\\\\-]{1,8}",
            Just("null".into()),
            Just("true".into())
        ]
    }

    fn json() -> impl Strategy<Value = Json> {
        let leaf = prop_oneof![
            Just(Json::Null),
            any::<bool>().prop_map(Json::from),
            any::<i64>().prop_map(Json::from),
            any::<u64>().prop_map(Json::from),
            text().prop_map(Json::from),
        ];
        leaf.prop_recursive(2, 8, 3, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..3).prop_map(Json::from),
                prop::collection::vec((text(), inner), 0..3)
                    .prop_map(|pairs| Json::Object(pairs.into_iter().collect())),
            ]
        })
    }

    fn end_when() -> impl Strategy<Value = EndWhen> {
        prop_oneof![
            text().prop_map(EndWhen::Event),
            text().prop_map(EndWhen::Data),
            ("(/[a-z0]{1,5}(~[01])?){0,2}", json()).prop_map(|(pointer, equals)| EndWhen::Json { pointer, equals }),
        ]
    }

    fn an_upstream() -> impl Strategy<Value = Upstream> {
        let secret = prop_oneof![
            Just(None),
            ("[a-z$ü]{1,6}", "\\PC{1,8}").prop_map(|(username, password)| Some(Credentials::Basic {
                username,
                password: Secret(password)
            })),
            "[a-z]{1,8}".prop_map(|token| Some(Credentials::Bearer(Secret(token)))),
        ];
        (
            "[a-z]{1,8}(/[a-z$]{0,4})?",
            secret,
            "[ -~]{1,9}",
            duration(),
            any::<[bool; 3]>(),
        )
            .prop_map(|(place, credentials, header, read_timeout, [http2, several, feed])| {
                let url = format!("https://{place}");
                let mut upstream = Upstream::defaults(&url);
                let trimmed = header.trim();
                if !trimmed.is_empty() {
                    let value = hyper::header::HeaderValue::from_str(trimmed).expect("visible");
                    upstream
                        .headers
                        .push((hyper::header::HeaderName::from_static("x-a"), value));
                }
                upstream.tls.server_name = http2.then(|| "a.example".to_owned());
                upstream.target = match (several, feed) {
                    (true, _) => Target::Urls(vec![url, "http://other/".to_owned()]),
                    (_, true) => Target::Feed(url),
                    _ => upstream.target,
                };
                Upstream {
                    credentials,
                    http2,
                    read_timeout,
                    ..upstream
                }
            })
    }

    fn a_source() -> impl Strategy<Value = Source> {
        let upstreams = prop::collection::vec(an_upstream(), 1..3);
        let gap = prop_oneof![Just(None), text().prop_map(Some)];
        (
            upstreams,
            prop::collection::vec(end_when(), 0..3),
            gap,
            [duration(), duration(), duration()],
            0..=100_u32,
            any::<[bool; 4]>(),
        )
            .prop_map(
                |(mut upstreams, end_when, gap_event, [a, b, c], percent, [d, e, f, templated])| {
                    super::super::upstream::name_apart(&mut upstreams);
                    let path = if templated { "/a/{x}" } else { "/" };
                    let mut source = Source::defaults("s", path, upstreams);
                    source.end_when = end_when;
                    source.gap_event = gap_event;
                    (source.reconnect, source.log.age, source.max_age) = (a, b, c);
                    source.reconnect_jitter = f64::from(percent) / 100.0;
                    if d {
                        source.ids = Ids::Assign;
                        source.slow_client.policy = SlowPolicy::Pause;
                        source.heartbeat.block = "data: ping\nevent: ü\n\n".into();
                        source.comments = Forward::Always;
                    }
                    if e {
                        source.paths.push(if templated { "/b/{x}" } else { "/b" }.to_owned());
                        source.start = Start::Latest;
                        source.log.events = 7;
                    }
                    if f {
                        source.refuse = Refuse::Status;
                        source.cors = Some(Cors {
                            origins: vec!["*".to_owned()],
                            credentials: d,
                            headers: vec!["*".to_owned(), "X-A".to_owned()],
                            methods: Vec::new(),
                            exposed_headers: vec!["ETag".to_owned()],
                            max_age: a,
                        });
                    }
                    source
                },
            )
    }

    /// The configuration as it is after its secrets have been masked.
    fn masked(config: &Config) -> Config {
        let mut config = config.clone();
        for source in &mut config.sources {
            for upstream in &mut Arc::make_mut(source).upstreams {
                match &mut upstream.credentials {
                    Some(Credentials::Basic { password, .. }) => password.0 = MASK.to_owned(),
                    Some(Credentials::Bearer(token)) => token.0 = MASK.to_owned(),
                    None => {}
                }
            }
        }
        config
    }

    #[test]
    fn files_are_found_from_wherever_the_printed_file_is_put() {
        let mut upstream = Upstream::defaults("https://o/");
        upstream.tls.ca = Some("conf/ca.pem".into());
        let config = Config::defaults(vec![Source::defaults("s", "/", vec![upstream])]);
        let loaded = Loaded {
            config,
            reload: Reload::Signal,
            log: None,
            warnings: Vec::new(),
        };
        let here = std::env::current_dir().expect("a working directory");
        let wanted = format!("ca: {}", scalar_text(&here.join("conf/ca.pem").display().to_string()));
        assert!(print(&loaded).contains(&wanted), "{}", print(&loaded));
    }

    proptest! {
        #[test]
        fn what_is_printed_is_read_back(source in a_source(), name in "[a-z]{1,3}|\\PC{1,9}", socket in any::<bool>()) {
            prop_assume!(!name.trim().is_empty() && name != "<<");
            let mut config = Config::defaults(vec![Source { name, ..source }]);
            if socket {
                config.listen.push(Listen::Unix("/run/a b.sock".into()));
                config.public_url = Some("https://x.example:8443".parse().expect("valid"));
                config.pass.push(Pass {
                    prefix: "/".to_owned(),
                    to: "http://o".to_owned(),
                    connections_max: 7,
                    rewrite_links: true,
                    rewrite_headers: vec![hyper::header::HeaderName::from_static("x-u")],
                    body_bytes_max: 1000,
                });
            }
            let loaded = Loaded { config, reload: Reload::Watch, log: None, warnings: Vec::new() };
            let text = print(&loaded);
            let again = read(&text, "printed", &|_| None);
            prop_assert!(again.is_ok(), "{}\n{}", text, again.expect_err("a mistake"));
            let again = again.expect("checked");
            prop_assert_eq!(&again.config, &masked(&loaded.config), "{}", text);
            prop_assert_eq!(again.reload, Reload::Watch);
            prop_assert_eq!(print(&again), text);
        }
    }
}
