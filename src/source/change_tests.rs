use super::*;
use crate::config::read;

/// The source that these lines make.
fn source(lines: &str) -> Source {
    let mut yaml = "sources:\n  s:\n".to_owned();
    for line in lines.lines() {
        yaml += &format!("    {line}\n");
    }
    match read(&yaml, "test.yaml", &|_| None) {
        Ok(loaded) => Source::clone(&loaded.config.sources[0]),
        Err(mistakes) => panic!("{mistakes}\n{yaml}"),
    }
}

const PLAIN: &str = "path: /a\nupstream: http://o/a";
const JOBS: &str = "path: /jobs/{job}\nupstream: http://o/{job}";
const MERGED: &str = "path: /a\nupstream: [http://o/a, http://o/b]";

/// Before, after, and what it comes to.
fn changes() -> Vec<(&'static str, String, Change)> {
    let upstreams = |places: &[usize]| Change::Upstreams(places.to_vec());
    let more = |before: &str, lines: &str| format!("{before}\n{lines}");
    vec![
        (PLAIN, PLAIN.to_owned(), Change::Unchanged),
        // What it comes down to counts, not how it is written.
        (PLAIN, more(PLAIN, "linger: 300s\nheartbeat: {}"), Change::Unchanged),
        (PLAIN, more(PLAIN, "heartbeat: { every: 1s }"), Change::Settings),
        (PLAIN, more(PLAIN, "log: { events: 20000 }"), Change::Settings),
        (PLAIN, more(PLAIN, "end_when: { event: done }"), Change::Settings),
        (
            PLAIN,
            "path: [/a, /b]\nupstream: http://o/a".to_owned(),
            Change::Settings,
        ),
        (PLAIN, "path: /b\nupstream: http://o/a".to_owned(), Change::Replaced),
        (PLAIN, more(PLAIN, "ids: assign"), Change::Replaced),
        (
            PLAIN,
            "path: /a/{job}\nupstream: http://o/a".to_owned(),
            Change::Replaced,
        ),
        (PLAIN, "path: /a\nupstream: http://p/a".to_owned(), upstreams(&[0])),
        (
            PLAIN,
            "path: /a\nupstream: { url: http://o/a, bearer: t }".to_owned(),
            upstreams(&[0]),
        ),
        (PLAIN, more(PLAIN, "event_bytes_max: 2MiB"), upstreams(&[0])),
        (PLAIN, more(PLAIN, "comments: relay"), upstreams(&[0])),
        (
            PLAIN,
            "path: /a\nupstream: http://p/a\nheartbeat: { every: 1s }".to_owned(),
            upstreams(&[0]),
        ),
    ]
}

/// The same, of sources that are no plain ones with one upstream.
fn further_changes() -> Vec<(&'static str, String, Change)> {
    let upstreams = |places: &[usize]| Change::Upstreams(places.to_vec());
    let more = |before: &str, lines: &str| format!("{before}\n{lines}");
    vec![
        (PLAIN, MERGED.to_owned(), Change::Replaced),
        (MERGED, PLAIN.to_owned(), Change::Replaced),
        (
            MERGED,
            "path: /a\nupstream: [http://o/a, http://o/c]".to_owned(),
            upstreams(&[1]),
        ),
        (
            MERGED,
            "path: /a\nupstream: [http://o/b, http://o/a]".to_owned(),
            Change::Replaced,
        ),
        (
            MERGED,
            "path: /a\nupstream: [http://o/b, http://o/c]".to_owned(),
            Change::Replaced,
        ),
        (JOBS, more(JOBS, "idle_timeout: 1s"), Change::Settings),
        (
            JOBS,
            "path: /jobs/{job}\nupstream: http://p/{job}".to_owned(),
            upstreams(&[0]),
        ),
        (
            JOBS,
            "path: [\"/jobs/{job}\", \"/j/{job}\"]\nupstream: http://o/{job}".to_owned(),
            Change::Replaced,
        ),
        (
            JOBS,
            "path: /jobs/{id}\nupstream: http://o/{id}".to_owned(),
            Change::Replaced,
        ),
    ]
}

#[test]
fn what_a_change_means() {
    for (before, after, wanted) in changes().into_iter().chain(further_changes()) {
        let change = Change::of(&source(before), &source(&after), |_| true);
        assert_eq!(change, wanted, "from\n{before}\nto\n{after}");
    }
}

#[test]
fn another_file_under_the_same_name_is_another_upstream() {
    let folder = tempfile::tempdir().expect("a folder");
    let ca = folder.path().join("ca.pem");
    let key = rcgen::generate_simple_self_signed(["o".to_owned()]).expect("a certificate");
    std::fs::write(&ca, key.cert.pem()).expect("written");
    let source = source(&format!(
        "path: /a\nupstream: [http://o/a, {{ url: https://o/b, tls: {{ ca: {} }} }}]",
        ca.display()
    ));
    assert_eq!(Change::of(&source, &source, |_| true), Change::Unchanged);
    assert_eq!(
        Change::of(&source, &source, |path| path != ca),
        Change::Upstreams(vec![1])
    );
}
