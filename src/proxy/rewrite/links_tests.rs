//! Which URL becomes which, case by case.

use super::*;
use crate::config;

/// What the sources of this file have; what feeds name is at the given URL.
pub(in crate::proxy) fn links(sources: &str, named: Option<&str>) -> Links {
    let yaml = format!("sources:\n{sources}");
    let config = match config::read(&yaml, "f.yaml", &|_| None) {
        Ok(loaded) => loaded.config,
        Err(mistakes) => panic!("{mistakes}"),
    };
    let state = || {
        let state = StatusCell::new();
        if let Some(url) = named {
            state.names(&Url::parse(url).unwrap());
        }
        Arc::new(state)
    };
    Links::new(config.sources.iter().map(|source| (&**source, vec![state()])))
}

/// Looked at by a client of `http://cue.example.com/webservice/feed`.
pub(in crate::proxy) fn view(to: &Url) -> View<'_> {
    View {
        public: Url::parse("https://cue.example.com").unwrap(),
        request: Url::parse("http://cue.example.com/webservice/feed").unwrap(),
        to,
    }
}

const SOURCES: &str = "
  log: { path: [/changelog/sse, /also], upstream: \"http://inner:8080/webservice/sse?a=1\" }
  job: { path: \"/v1/monitor/{job}\", upstream: \"https://jobs.example/x/{job}\" }
  one: { path: /one, upstream: \"https://jobs.example/x/one\" }
  two: { path: \"/two/{a}/{b}\", upstream: \"https://jobs.example/y?b={b}&a={a}\" }
";

fn becomes(links: &Links, url: &str) -> Option<String> {
    let to = Url::parse("http://inner:8080").unwrap();
    links.rewritten(&Url::parse(url).unwrap(), &view(&to))
}

#[test]
fn an_upstream_becomes_its_sources_path() {
    let links = links(SOURCES, None);
    for (url, expected) in [
        ("http://inner:8080/webservice/sse?a=1", Some("/changelog/sse")),
        ("HTTP://Inner:8080/webservice/sse?a=1#x", Some("/changelog/sse")),
        ("http://u:p@inner:8080/webservice/sse?a=1", Some("/changelog/sse")),
        ("http://inner:8080/webservice/sse", None),
        ("http://inner:8080/webservice/sse?a=2", None),
        ("http://inner:8081/webservice/sse?a=1", None),
        ("https://inner:8080/webservice/sse?a=1", None),
        // The origin wrote what it was asked for.
        ("http://cue.example.com/webservice/sse?a=1", Some("/changelog/sse")),
        ("https://cue.example.com/webservice/sse?a=1", Some("/changelog/sse")),
        ("http://cue.example.com:81/webservice/sse?a=1", None),
        ("http://other.example/webservice/sse?a=1", None),
        ("https://jobs.example/x/one", Some("/one")),
        (
            "https://jobs.example/x/b396-6eb2b01859",
            Some("/v1/monitor/b396-6eb2b01859"),
        ),
        ("https://jobs.example/x/a%2Fb", Some("/v1/monitor/a%2Fb")),
        ("https://jobs.example/x/a/b", None),
        ("https://jobs.example/x/", None),
        ("https://jobs.example/y?b=2&a=1", Some("/two/1/2")),
        ("http://jobs.example/x/b396", None),
    ] {
        let expected = expected.map(|path| format!("https://cue.example.com{path}"));
        assert_eq!(becomes(&links, url), expected, "{url}");
    }
}

#[test]
fn a_path_that_is_served_stays_and_moves_to_us() {
    let links = links(SOURCES, None);
    for (url, expected) in [
        ("https://proxy-host:443/v1/monitor/b396", Some("/v1/monitor/b396")),
        (
            "https://proxy-host/v1/monitor/b396?x=%20y",
            Some("/v1/monitor/b396?x=%20y"),
        ),
        ("http://h/also", Some("/also")),
        ("http://h/changelog/sse?q", Some("/changelog/sse?q")),
        ("http://h/v1/monitor/", None),
        ("http://h/v1/monitor/a/b", None),
        ("http://h/changelog/sse/", None),
        ("http://h/", None),
    ] {
        let expected = expected.map(|path| format!("https://cue.example.com{path}"));
        assert_eq!(becomes(&links, url), expected, "{url}");
    }
}

#[test]
fn an_origin_with_two_names_is_known_by_the_path() {
    let two_names = links(
        "  log: { path: /changelog/sse, upstream: \"https://editorial.example.com/webservice/sse\" }\n",
        None,
    );
    let ours = Some("https://cue.example.com/changelog/sse".to_owned());
    assert_eq!(becomes(&two_names, "http://cue.example.com/webservice/sse"), ours);
    assert_eq!(becomes(&two_names, "http://inner:8080/webservice/sse"), ours);
    assert_eq!(becomes(&two_names, "http://other.example/webservice/sse"), None);
    // A template fits too much to go by the path alone.
    let template = links(
        "  job: { path: \"/v1/{job}\", upstream: \"https://jobs.example/{job}\" }\n",
        None,
    );
    assert_eq!(becomes(&template, "http://cue.example.com/about"), None);
    // The name that the operator has us present is the upstream's.
    let presented = links(
        "  log: { path: /sse, upstream: { url: \"http://a/s\", headers: { Host: Pub.example } } }\n",
        None,
    );
    let ours = Some("https://cue.example.com/sse".to_owned());
    assert_eq!(becomes(&presented, "https://pub.example/s"), ours);
}

#[test]
fn the_stream_that_a_feed_names_is_an_upstream() {
    let feed = "  log: { path: /changelog/sse, upstream: { feed: \"http://inner:8080/feed\" } }\n";
    let stream = "http://inner:8080/webservice/sse";
    assert_eq!(becomes(&links(feed, None), stream), None);
    let known = links(feed, Some(stream));
    let ours = Some("https://cue.example.com/changelog/sse".to_owned());
    assert_eq!(becomes(&known, stream), ours);
    assert_eq!(becomes(&known, "http://cue.example.com/webservice/sse"), ours);
    assert_eq!(becomes(&known, "http://inner:8080/feed"), None);
}
