//! Feeds and headers with links to us, whatever they are.

use super::feed::rewrite;
use super::{Links, Rewriter, View};
use crate::config;
use crate::upstream::{StatusCell, Url, is_stream_link};
use hyper::header::{HeaderMap, HeaderName, LOCATION};
use roxmltree::{Document, Node, ParsingOptions};
use std::sync::Arc;

const FILE: &str = "
sources:
  log: { path: /changelog/sse, upstream: \"http://inner:8080/webservice/sse?a=1&b\" }
  job: { path: \"/v1/monitor/{job}\", upstream: \"https://jobs.example/x/{job}\" }
";

/// The relay as its clients see it.
const PUBLIC: &str = "https://cue.example.com";

fn links() -> Links {
    let config = match config::read(FILE, "fuzz.yaml", &|_| None) {
        Ok(loaded) => loaded.config,
        Err(mistakes) => panic!("{mistakes}"),
    };
    let states = || vec![Arc::new(StatusCell::new())];
    Links::new(config.sources.iter().map(|source| (&**source, states())))
}

fn url(text: &str) -> Url {
    Url::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"))
}

fn with_view(look: impl FnOnce(&View<'_>)) {
    let to = url("http://inner:8080");
    look(&View {
        public: url(PUBLIC),
        request: url("http://cue.example.com/webservice/feed"),
        to: &to,
    });
}

/// What is rewritten is the same document but for addresses of streams, and those lead to us. A
/// first byte of `!` gives the rest a charset of single bytes.
pub fn feed(bytes: &[u8]) {
    let (charset, body) = match bytes.split_first() {
        Some((b'!', body)) => (Some("iso-8859-1"), body),
        _ => (None, bytes),
    };
    let links = links();
    with_view(|view| {
        let Ok(Some(rewritten)) = rewrite(body, charset, &links, view) else {
            return;
        };
        assert_eq!(rewrite(&rewritten, charset, &links, view), Ok(None), "once is enough");
        let (Ok(before), Ok(after)) = (std::str::from_utf8(body), std::str::from_utf8(&rewritten)) else {
            return;
        };
        assert_same_but_for_addresses(before, after);
    });
}

fn assert_same_but_for_addresses(before: &str, after: &str) {
    let parse = |text| {
        let text: &str = str::trim_start(str::trim_start_matches(text, '\u{feff}'));
        Document::parse_with_options(text, ParsingOptions::default()).unwrap_or_else(|error| panic!("{error}"))
    };
    let (before, after) = (parse(before), parse(after));
    assert_eq!(before.descendants().count(), after.descendants().count());
    for (was, is) in before.descendants().zip(after.descendants()) {
        assert_eq!(
            (was.node_type(), was.tag_name(), was.text()),
            (is.node_type(), is.tag_name(), is.text())
        );
        assert_eq!(was.attributes().len(), is.attributes().len());
        for (old, new) in was.attributes().zip(is.attributes()) {
            assert_eq!(old.name(), new.name());
            if old.value() != new.value() {
                assert!(is_address(is, new.name()), "{:?} became {:?}", old.value(), new.value());
                assert!(new.value().starts_with(&format!("{PUBLIC}/")), "{:?}", new.value());
            }
        }
    }
}

fn is_address(node: Node<'_, '_>, name: &str) -> bool {
    is_stream_link(&node) && name == "href"
}

/// A header that is named holds what it held, or a URL of ours; no other is touched.
pub(in crate::proxy) fn assert_headers_are_rewritten(headers: &mut HeaderMap) {
    let rewriter = Rewriter::new(links());
    let before = headers.clone();
    let named: [HeaderName; 2] = [LOCATION, HeaderName::from_static("x-stream")];
    with_view(|view| rewriter.headers(headers, &named, view));
    assert_eq!(before.len(), headers.len());
    for name in before.keys() {
        for (old, new) in before.get_all(name).iter().zip(headers.get_all(name)) {
            let is_ours = named.contains(name) && new.as_bytes().starts_with(format!("{PUBLIC}/").as_bytes());
            assert!(old == new || is_ours, "{name}: {old:?} became {new:?}");
        }
    }
}
