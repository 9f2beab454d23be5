use super::*;
use crate::config::read;

const SOURCES: &str = "sources:\n  a: { path: /a, upstream: http://o/a }\n  b: { path: /b, upstream: http://o/b }\n";

fn config(yaml: &str) -> Config {
    match read(yaml, "test.yaml", &|_| None) {
        Ok(loaded) => loaded.config,
        Err(mistakes) => panic!("{mistakes}\n{yaml}"),
    }
}

fn said(before: &str, after: &str) -> Vec<String> {
    Plan::new(&config(before), &config(after)).said()
}

#[test]
fn what_a_change_of_the_file_comes_down_to() {
    let with = |top: &str| format!("{top}\n{SOURCES}");
    let a = "  a: { path: /a, upstream: http://o/a }\n";
    for (before, after, wanted) in [
        (SOURCES.to_owned(), SOURCES.to_owned(), &[][..]),
        (SOURCES.to_owned(), with("listen: 0.0.0.0:9080"), &[]),
        (
            SOURCES.to_owned(),
            format!("sources:\n{a}"),
            &["source b: removed", "other settings: changed"],
        ),
        (
            format!("sources:\n{a}"),
            SOURCES.to_owned(),
            &["source b: added", "other settings: changed"],
        ),
        (
            format!("sources:\n{a}"),
            "sources:\n  c: { path: /a, upstream: http://o/a }\n".to_owned(),
            &["source c: added", "source a: removed", "other settings: changed"],
        ),
        (
            with("listen: [127.0.0.1:1, 127.0.0.1:2]"),
            with("listen: [127.0.0.1:3, { address: 127.0.0.1:2, proxy_protocol: true }]\ntrusted_proxies: 10.0.0.0/8"),
            &[
                "listener 127.0.0.1:3: added",
                "listener 127.0.0.1:2: changed",
                "listener 127.0.0.1:1: removed",
                "pass: changed",
                "other settings: changed",
            ],
        ),
        (
            with("limits: { clients: 1 }"),
            with("limits: { clients: 2 }"),
            &["other settings: changed"],
        ),
        (
            with("reload: watch"),
            with("reload: signal"),
            &["other settings: changed"],
        ),
        (
            with(""),
            with("pass: [{ prefix: /, to: http://o }]"),
            &["pass: changed"],
        ),
        (
            with("pass: [{ prefix: /, to: http://o }]"),
            format!("pass: [{{ prefix: /, to: http://o }}]\nsources:\n{a}"),
            &["source b: removed", "pass: changed", "other settings: changed"],
        ),
        (with("admin: 127.0.0.1:1"), with("admin: 127.0.0.1:2"), &[]),
    ] {
        assert_eq!(said(&before, &after), wanted, "from\n{before}\nto\n{after}");
        let plan = Plan::new(&config(&before), &config(&after));
        assert_eq!(plan.is_empty(), wanted.is_empty());
    }
}

#[test]
fn what_can_not_change_is_named() {
    let named = |top: &str| Plan::new(&config(SOURCES), &config(&format!("{top}\n{SOURCES}"))).not_in_force;
    assert_eq!(named("workers: auto"), [""; 0]);
    assert_eq!(named("workers: 1000"), ["workers"]);
    assert_eq!(named("workers: 1000\nadmin: 127.0.0.1:7"), ["admin", "workers"]);
}
