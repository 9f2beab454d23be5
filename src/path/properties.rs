//! What holds for every path.

use super::{models, normalise, one_meaning};
use proptest::prelude::*;

/// The prefix that passes, and the name within it that a source has.
const PREFIX: &str = "/app/";
const SOURCE: &str = "/app/sse";

/// Paths made of all that has ever been read in two ways.
fn paths() -> impl Strategy<Value = String> {
    let pieces = prop::sample::select(vec![
        "/", "/", "/", "//", ".", "..", "%2e", "%2E", "%2f", "%2F", "%5c", "%5C", "\\", ";", ";x=1", "%3b", "%3B",
        "app", "%61pp", "app/", "sse", "%73se", "admin", "x", "%", "%25", "%252e", "%252f", "%00", "%20", "+", ":",
        "%3a", "%c0%ae", "\u{e4}", "@", "http:", "%3f", "%23",
    ]);
    prop::collection::vec(pieces, 0..9).prop_map(|pieces| format!("/{}", pieces.concat()))
}

/// The same beginning in the prefix.
fn paths_below() -> impl Strategy<Value = String> {
    paths().prop_map(|path| format!("/app{path}"))
}

#[derive(Debug, PartialEq)]
enum Match {
    Source,
    Passed,
    Nothing,
}

fn matched(path: &str) -> Match {
    match path {
        SOURCE => Match::Source,
        path if path.starts_with(PREFIX) => Match::Passed,
        _ => Match::Nothing,
    }
}

fn read_by_origins(path: &str) -> impl Iterator<Item = String> {
    let readings = [models::nginx(path), models::tomcat(path), models::node(path)];
    readings
        .into_iter()
        .flatten()
        .map(|read| String::from_utf8_lossy(&read).into_owned())
}

fn check(path: &str) {
    if let Ok(normal) = normalise(path) {
        assert_eq!(normalise(&normal).as_deref(), Ok(&*normal), "{path}");
    }
    if one_meaning(path, matched) == Ok(Match::Passed) {
        for read in read_by_origins(path) {
            assert!(read.starts_with(PREFIX), "{path} is {read} to an origin");
            assert_ne!(read, SOURCE, "{path}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4096, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_passes_is_within_the_prefix_for_every_origin(path in paths()) {
        check(&path);
    }

    #[test]
    fn what_begins_within_the_prefix_stays_there(path in paths_below()) {
        check(&path);
    }

    #[test]
    fn any_text_has_at_most_one_normal_form(text in "/[ -~]{0,20}") {
        check(&text);
    }
}

#[test]
fn the_models_know_what_origins_do() {
    let read = |path| {
        let all = read_by_origins(path).collect::<Vec<_>>();
        all.join(" ")
    };
    assert_eq!(read("/a/%2e%2e/b"), "/b /b /b");
    assert_eq!(read("/a/..;/b"), "/a/..;/b /b /a/..;/b");
    assert_eq!(read("/a/..%2fb"), "/b /b /a/../b");
    assert_eq!(read("//h/b"), "/h/b /h/b /b");
    assert_eq!(read("/a\\..\\b"), "/a\\..\\b /b /b");
    assert_eq!(read("/%zz"), "/%zz");
}
