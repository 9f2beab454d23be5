//! Configurations that are right by themselves, and would hurt where they run.

use crate::{right, with};
use fanfare::config::{self, Machine, parse_listen};
use std::net::IpAddr;

/// A machine with 1 GiB of memory that has the address 10.0.0.5.
fn machine() -> Machine {
    Machine {
        memory_bytes: Some(1 << 30),
        clients_max: Some(200_000),
        name: Some("relay-1".to_owned()),
        has_address: |ip| ip == IpAddr::from([10, 0, 0, 5]),
    }
}

/// The mistakes, one a line.
fn wrong(text: &str) -> String {
    right(text).judge(&machine()).expect_err(text).to_string()
}

/// The warnings that the file alone does not have, one a line.
fn warned(text: &str) -> String {
    let loaded = right(text);
    let before = loaded.warnings.clone();
    let judged = loaded
        .judge(&machine())
        .unwrap_or_else(|mistakes| panic!("{mistakes}\n{text}"));
    let more = judged.warnings.iter().filter(|warning| !before.contains(warning));
    more.map(ToString::to_string).collect::<Vec<_>>().join("\n")
}

#[test]
fn an_upstream_that_is_the_relay_itself_would_wait_for_itself() {
    let file = |url: &str, more: &str| {
        format!("sources:\n  s:\n    path: [/events, /sse]\n    upstream:\n      url: {url}\n{more}")
    };
    assert_eq!(
        wrong(&file("http://localhost:9080//%65vents?x=1", "")),
        "f.yaml:5:12: sources.s.upstream.url: `http://localhost:9080//%65vents?x=1` is the relay's own address, and its path that \
         of source `s`: it would wait for itself; expected the URL of an origin"
    );
    for url in [
        "http://127.0.0.1:9080/sse",
        "http://10.0.0.5:9080/sse",
        "http://RELAY-1:9080/sse",
        "http://u:p@0:9080/sse",
    ] {
        let told = wrong(&file(url, ""));
        assert!(
            told.contains("it would wait for itself") && !told.contains("u:p"),
            "{told}"
        );
    }
    // Another path, another port, another machine.
    for url in [
        "http://localhost:9080/other",
        "http://localhost:9081/sse",
        "http://10.0.0.6:9080/sse",
    ] {
        assert_eq!(warned(&file(url, "")), "", "{url}");
    }
    let public = "public_url: https://cue.example.com\n";
    let told = warned(&file("https://cue.example.com/sse", public));
    assert!(
        told.starts_with("f.yaml:5:12: sources.s.upstream.url: `https://cue.example.com/sse` is `public_url`"),
        "{told}"
    );
}

#[test]
fn a_template_is_served_for_every_value() {
    let text =
        "sources: {jobs: {path: '/jobs/{job}', upstream: 'http://localhost:9080/jobs/{job}', log: {bytes: 64KiB}}}";
    assert!(
        wrong(text).starts_with("f.yaml:1:49: sources.jobs.upstream: "),
        "{}",
        wrong(text)
    );
}

#[test]
fn a_way_that_comes_back_is_a_mistake_and_another_one_a_detour() {
    let two = |a: &str, b: &str| {
        format!("sources:\n  a: {{path: /a, upstream: '{a}'}}\n  b: {{path: /b, upstream: '{b}'}}\n")
    };
    let round = wrong(&two("http://localhost:9080/b", "http://localhost:9080/a"));
    assert_eq!(round.lines().count(), 2, "{round}");
    assert_eq!(
        warned(&two("http://localhost:9080/b", "http://o/")),
        "f.yaml:2:27: sources.a.upstream: `http://localhost:9080/b` is the relay's own source `b`, read over the network; \
         expected the upstream of that source"
    );
}

#[test]
fn the_listeners_in_force_count() {
    let text = with("").replace("http://o/", "http://127.0.0.1:9999/");
    let mut loaded = right(&text);
    loaded.config.listen = vec![parse_listen("127.0.0.1:9999").unwrap().into()];
    let told = loaded.judge(&machine()).unwrap_err().to_string();
    assert!(
        told.starts_with("f.yaml:4:15: sources.s.upstream: `http://127.0.0.1:9999/` is the relay's own"),
        "{told}"
    );
    assert_eq!(warned(&text), "");
}

#[test]
fn the_legacy_file_is_judged_too() {
    let text = "backends:\n- uri: http://o/sse\n- uri: http://localhost:9080/sse\n";
    assert!(
        wrong(text).starts_with("f.yaml:3:8: backends[1].uri: `http://localhost:9080/sse` is"),
        "{}",
        wrong(text)
    );
}

#[test]
fn what_is_passed_must_not_come_back() {
    let told = wrong(&format!(
        "{}pass:\n- {{prefix: /x/, to: 'http://127.0.0.1:9080'}}\n",
        with("")
    ));
    assert_eq!(
        told,
        "f.yaml:6:21: pass[0].to: `http://127.0.0.1:9080` is the relay's own address: what is passed would come back; \
         expected an origin"
    );
}

#[test]
fn a_stream_that_is_passed_too_is_told() {
    let file = |paths: &str| {
        format!(
            "sources:\n  s: {{path: {paths}, upstream: 'http://o/web/sse'}}\npass:\n- {{prefix: /web/, to: 'http://o:80'}}\n"
        )
    };
    assert_eq!(
        warned(&file("/events")),
        "f.yaml:4:23: pass[0].to: the stream of source `s` is also passed, at `/web/sse`: every client there is one more \
         connection to the origin; expected `/web/sse` among the paths of `s`"
    );
    assert_eq!(warned(&file("[/events, /web/sse]")), "");
    // A feed is there to be passed.
    let feed = file("/events").replace("'http://o/web/sse'", "{feed: 'http://o/web/feed'}");
    assert_eq!(warned(&feed), "");
}

#[test]
fn logs_have_to_fit_into_the_memory() {
    let jobs = |more: &str, limits: &str| {
        format!("{limits}sources: {{jobs: {{path: '/{{job}}', upstream: 'http://o/{{job}}'{more}}}}}\n")
    };
    assert_eq!(
        warned(&jobs(", log: {bytes: 16MiB}", "")),
        "f.yaml:1:75: sources.jobs.log.bytes: `limits.channels` (10000) times `log.bytes` of `jobs` (16MiB) is 156.2GiB, and \
         there are 1GiB of memory; expected `limits.channels` of at most 64, or `log.bytes` of at most 104.8KiB"
    );
    assert!(warned(&jobs("", "limits: {channels: 65}\n")).starts_with("f.yaml:1:20: limits.channels: "));
    assert_eq!(warned(&jobs("", "limits: {channels: 64}\n")), "");
    assert_eq!(warned(&jobs(", log: {bytes: 100KiB}", "")), "");
    assert!(warned(&with("log: {bytes: 2GiB}")).starts_with("f.yaml:2:3: sources: `log.bytes` of all sources"));
}

/// By itself each log fits.
#[test]
fn what_is_kept_beside_the_logs_counts() {
    let source = |name: &str, more: &str| {
        format!("{name}: {{path: /{name}, upstream: 'http://o/{name}', log: {{events: 1000, bytes: 300MiB}}{more}}}")
    };
    let file = |top: &str, more: &str| format!("{top}sources: {{{}, {}}}\n", source("a", more), source("b", more));
    assert_eq!(warned(&file("", "")), "");
    assert_eq!(
        warned(&file("", ", compress: gzip")),
        "f.yaml:1:10: sources: `log.bytes` of all sources without parameters is 600MiB, with what is compressed (600MiB) \
         1.1GiB, and there are 1GiB of memory; expected less in all"
    );
    // A filtered channel has the same texts.
    assert_eq!(warned(&file("", ", filters: 1000")), "");
    let told = warned(&file("", ", filters: 2000"));
    assert!(
        told.contains("is 600MiB, with what is filtered (762.9MiB) 1.3GiB,"),
        "{told}"
    );
    let told = warned(&file("", ", compress: gzip, filters: 1"));
    assert!(
        told.contains("is 600MiB, with what is compressed (600MiB) and filtered (600.3MiB) 1.7GiB,"),
        "{told}"
    );
    // A path of two sources is three logs: of both, and of each alone.
    let combine = "combine: [{path: /all, sources: [a, b]}]\n";
    let told = warned(&file(combine, ""));
    assert!(
        told.contains("is 600MiB, with what is combined (1.1GiB) 1.7GiB,"),
        "{told}"
    );
    let told = warned(&file(&format!("limits: {{channels: 1}}\n{combine}"), ""));
    assert!(
        told.contains("is 600MiB, with what is combined (600MiB) 1.1GiB,"),
        "{told}"
    );
}

#[test]
fn jobs_that_are_compressed_and_filtered_take_more() {
    let jobs = |more: &str| {
        format!(
            "limits: {{channels: 100}}\nsources: {{jobs: {{path: '/{{job}}', upstream: 'http://o/{{job}}', log: {{events: 1000, \
             bytes: 8MiB}}{more}}}}}\n"
        )
    };
    assert_eq!(warned(&jobs("")), "");
    assert_eq!(
        warned(&jobs(", compress: gzip")),
        "f.yaml:1:20: limits.channels: `limits.channels` (100) times `log.bytes` of `jobs` (8MiB) is 800MiB, with what is \
         compressed (800MiB) 1.5GiB, and there are 1GiB of memory; expected `limits.channels` of at most 64, or `log.bytes` \
         of at most 5.1MiB"
    );
    assert!(warned(&jobs(", filters: 12")).contains("filtered (228.8MiB)"));
    // Each is held by a client.
    let few = jobs(", filters: 12").replace("channels: 100", "channels: 100, clients: 100");
    assert_eq!(warned(&few), "");
}

#[test]
fn clients_have_to_fit_under_the_limit_on_open_files() {
    assert_eq!(
        warned(&format!("{}limits: {{clients: 300000}}\n", with(""))),
        "f.yaml:5:19: limits.clients: `limits.clients` is 300000, and 200000 fit under the limit on open files here; expected \
         a higher limit (`LimitNOFILE=`, `ulimit -Hn`), or at most 200000"
    );
    assert_eq!(warned(&with("")), "");
}

#[test]
fn keys_for_anchors_are_free() {
    let text = "\
x-origin: &origin { reconnect: 1s }
sources:
  s:
    x-note: anything
    path: /
    upstream: { <<: *origin, url: http://o/, x-also: [1] }
x-more: { a: 1 }
";
    assert!(right(text).warnings.is_empty());
    assert_eq!(warned(text), "");
}

#[test]
fn what_is_shipped_hurts_on_no_usual_machine() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/deploy/examples");
    let machine = Machine {
        memory_bytes: Some(4 << 30),
        ..machine()
    };
    let files = tempfile::tempdir().unwrap();
    let keys = files.path().join("keys");
    std::fs::write(&keys, "k1:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\n").unwrap();
    let (cert, cert_key) = (files.path().join("cert.pem"), files.path().join("cert.key"));
    let made = rcgen::generate_simple_self_signed(["streams.example.com".to_owned()]).unwrap();
    std::fs::write(&cert, made.cert.pem()).unwrap();
    std::fs::write(&cert_key, made.signing_key.serialize_pem()).unwrap();
    let environment = |name: &str| match name {
        "FANFARE_KEYS" => Some(keys.display().to_string()),
        "FANFARE_CERT" => Some(cert.display().to_string()),
        "FANFARE_CERT_KEY" => Some(cert_key.display().to_string()),
        _ => None,
    };
    let mut examples = 0;
    for file in std::fs::read_dir(folder).unwrap() {
        let file = file.unwrap().path();
        if file.extension().is_none_or(|extension| extension != "yaml") {
            continue;
        }
        let text = std::fs::read_to_string(&file).unwrap();
        let loaded = config::read(&text, &file.display().to_string(), &environment);
        let loaded = loaded.unwrap_or_else(|mistakes| panic!("{mistakes}"));
        let before = loaded.warnings.len();
        let judged = loaded.judge(&machine).unwrap_or_else(|mistakes| panic!("{mistakes}"));
        assert_eq!(judged.warnings.len(), before, "{:?}", judged.warnings);
        examples += 1;
    }
    assert!(examples >= 8, "{examples}");
}
