//! Files that are wrong: every mistake at once, each in its place, with what was meant.

use crate::{right, with, wrong};
use fanfare::config;

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
      - basic: { users_file: /nowhere/users }
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
f.yaml:24:30: sources.b.access[0].basic.users_file: `/nowhere/users` can't be read: No such file or directory (os error 2); expected `name:hash` a line, the hash by bcrypt (`htpasswd -B`) or argon2
f.yaml:26:11: sources.c.path: `/x` is also the path of `b` in line 18; expected each path once
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
fn what_can_not_take_effect_is_never_ignored() {
    for (text, place) in [
        (
            with("live_event: fanfare.gap"),
            "f.yaml:5:17: sources.s.live_event: `gap_event` and `live_event` are both \"fanfare.gap\"; expected names that differ",
        ),
        (
            with("live_event: a\nend_event: a"),
            "f.yaml:6:16: sources.s.end_event: `live_event` and `end_event` are both \"a\"; expected names that differ",
        ),
        (
            with("end_event: true"),
            "f.yaml:5:16: sources.s.end_event: `true` names no event; expected an event type, or `false`",
        ),
        (
            format!("listen: {{ address: '0.0.0.0:1', tls: true }}\n{}", with("")),
            "f.yaml:1:38: listen.tls: `true`; expected a mapping with keys among `cert`, `key`,",
        ),
        (
            format!("listen: {{ address: '0.0.0.0:1', proxy_protocol: true }}\n{}", with("")),
            "f.yaml:1:1: listen: `proxy_protocol` at 0.0.0.0:1, and no proxy is trusted; expected the proxies' addresses in",
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

#[test]
fn a_key_that_was_renamed_names_the_new_one() {
    let told = wrong(&with("idle_linger: 30s"));
    assert_eq!(
        told,
        "f.yaml:5:5: sources.s.idle_linger: `idle_linger` is now named `idle_timeout`; expected `idle_timeout`"
    );
    let told = wrong("sources: {s: {path: /, upstream: {url: http://o/, silence: 10s}}}");
    assert!(
        told.contains("upstream.silence: `silence` is now named `read_timeout`"),
        "{told}"
    );
}

#[test]
fn what_is_combined_has_to_be_there() {
    let file = |combine: &str| {
        format!(
            "sources:\n  a: {{path: /a, upstream: 'http://o/'}}\n  jobs: {{path: '/jobs/{{job}}', upstream: 'http://o/'}}\ncombine:\n  - {combine}\n"
        )
    };
    for (combine, told) in [
        (
            "{path: /all, sources: [b]}",
            "f.yaml:5:28: combine[0].sources[0]: there is no source `b`; expected `a`",
        ),
        (
            "{path: /all, sources: [job]}",
            "f.yaml:5:28: combine[0].sources[0]: there is no source `job`; expected `jobs`",
        ),
        (
            "{path: /all, sources: [a, a]}",
            "f.yaml:5:31: combine[0].sources[1]: `a` a second time; expected each source once",
        ),
        (
            "{path: /all, sources: jobs}",
            "f.yaml:5:27: combine[0].sources: `jobs` has parameters in its path",
        ),
        (
            "{path: /a, sources: [a]}",
            "f.yaml:5:12: combine[0].path: `/a` is also the path of `a` in line 2; expected each path once",
        ),
        (
            "{path: '/x/{y}', sources: [a]}",
            "f.yaml:5:12: combine[0].path: `/x/{y}` has parameters; expected a path without them",
        ),
        (
            "{path: /all, sources: []}",
            "f.yaml:5:27: combine[0].sources: an empty list",
        ),
        ("{path: /all}", "f.yaml:5:5: combine[0].sources: missing"),
        (
            "{path: /all, sources: [a], prefix: true}",
            "f.yaml:5:32: combine[0].prefix: unknown key",
        ),
    ] {
        let said = wrong(&file(combine));
        assert!(said.starts_with(told), "{said}");
    }
    assert_eq!(right(&file("{path: /all, sources: [a]}")).config.combine.len(), 1);
    let differ = "sources:\n  a: {path: /a, upstream: 'http://o/', compress: gzip, cors: {origins: '*'}}\n  b: {path: /b, upstream: \
                  'http://o/'}\ncombine: [{path: /all, sources: [a, b]}]\n";
    let warnings = right(differ).warnings;
    let told: Vec<_> = warnings.iter().map(|warning| warning.what.as_str()).collect();
    assert!(told.iter().any(|what| what.contains("no CORS headers")), "{told:?}");
    assert!(told.iter().any(|what| what.contains("not compressed")), "{told:?}");
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
    warned(&with("idle_timeout: 1s"), "only templated sources");
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
    for upstream in [
        "{ url: http://o/, username: u, password: '***' }",
        "{ url: http://o/, bearer: '***' }",
        "{ url: http://o/, headers: { Cookie: '***' } }",
        "'http://o/?token=***'",
    ] {
        warned(
            &format!("sources: {{s: {{path: /, upstream: {upstream}}}}}"),
            "stands for a secret",
        );
    }
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
