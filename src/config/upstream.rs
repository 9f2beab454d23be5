//! The upstreams of one source: a URL, a mapping, or a list of them.

use super::codec::{ANY_DURATION, Codec, Custom, Flag, List, SOME_DURATION};
use super::credentials::{self, Credentials};
use super::diagnostics::Collector;
use super::field::{Keys, NoKey, Presence as _, row};
use super::files::UpstreamTls;
use super::headers::HEADERS;
use super::item::{Item, Section};
use super::node::{Node, Value};
use super::shape::{Key, Shape};
use super::table::{Table as _, nested, section};
use super::url::{OriginUrl, STREAM_URL};
use super::wording::one_of;
use hyper::header::{HeaderName, HeaderValue};
use serde_json::Value as Json;
use std::time::Duration;

section! {
    /// One upstream of a source.
    #[derive(Debug, Clone, PartialEq)]
    pub struct Upstream {
        /// Label of metrics and logs: the URL's authority and path, without credentials and query;
        /// unique in its source.
        pub name: String = NoKey(String::new),
        /// Where the stream is.
        pub target: Target = TARGET,
        /// Credentials for the origin.
        pub credentials: Option<Credentials> = credentials::KEYS,
        /// Headers of the request; they replace the relay's own, `Host` too.
        pub headers: Vec<(HeaderName, HeaderValue)> = HEADERS.or("{}"),
        /// TLS, for `https` URLs.
        pub tls: UpstreamTls = nested().or("{}"),
        /// Speak HTTP/2 with the origin: by ALPN over TLS, by prior knowledge in clear text.
        pub http2: bool = Flag.or("false"),
        /// No byte for this long ends the connection; 0s: never.
        pub read_timeout: Duration = ANY_DURATION.or("60s"),
        /// Bound of one connection attempt, up to the response head.
        pub connect_timeout: Duration = SOME_DURATION.or("10s"),
        /// First reconnection time, until the origin names one.
        pub reconnect: Duration = SOME_DURATION.or("3s"),
        /// Bound of the exponential backoff.
        pub reconnect_max: Duration = SOME_DURATION.or("60s"),
    }
    renamed = ("silence", "read_timeout");
    check = check;
}

/// Where an upstream's stream is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// At one of these URLs, tried in turn; never empty. May hold `{parameter}`s of the source's
    /// path, kept as written.
    Urls(Vec<String>),
    /// Named by a link in this Atom feed.
    Feed(String),
}

impl Target {
    /// The same with every URL replaced.
    #[must_use]
    pub fn map(&self, replaced: impl Fn(&str) -> String) -> Self {
        match self {
            Self::Urls(urls) => Self::Urls(urls.iter().map(|url| replaced(url)).collect()),
            Self::Feed(url) => Self::Feed(replaced(url)),
        }
    }

    /// Its URLs, as written.
    pub(super) fn urls(&self) -> &[String] {
        match self {
            Target::Urls(urls) => urls,
            Target::Feed(url) => std::slice::from_ref(url),
        }
    }
}

impl Upstream {
    /// An upstream at this URL, everything else by default. What is no URL is kept as it is.
    pub fn defaults(url: &str) -> Self {
        let diagnostics = Collector::new("");
        let parsed = OriginUrl::parse(url).ok();
        let stand_in = parsed.as_ref().map_or("http://h/", |_| url);
        let node = Node::text(stand_in);
        let mut upstream = (UPSTREAM.read)(&Item::root(&diagnostics, &node)).expect("the table's defaults are right");
        if parsed.is_none() {
            upstream.name = url.to_owned();
            upstream.target = Target::Urls(vec![url.to_owned()]);
        }
        upstream
    }

    /// Whether a URL holds parameters of the path.
    pub(super) fn is_templated(&self) -> bool {
        matches!(&self.target, Target::Urls(urls) if urls.iter().any(|url| url.contains('{')))
    }
}

/// An upstream: its URL, or a mapping.
pub(super) const UPSTREAM: Custom<Upstream> = Custom {
    shape: || Shape::Either(vec![STREAM_URL.shape(), Shape::Section(Upstream::keys())]),
    read: |item| {
        // A URL alone is a mapping with nothing else. What there is to say is said of the URL.
        let Value::Scalar(_) = &item.node.value else {
            return Upstream::read(item);
        };
        STREAM_URL.read(item)?;
        let nothing_new = Collector::new(item.diagnostics.file());
        let mapping = Node::map([("url", item.node.clone())]);
        Upstream::read(&Item::root(&nothing_new, &mapping))
    },
    print: |upstream| Some(Json::Object(upstream.print())),
};

/// Exactly one of three keys.
const TARGET: Keys<Target> = Keys {
    keys: target_keys,
    read: |section| match (section.get("url"), section.get("urls"), section.get("feed")) {
        (Some(url), None, None) => Some(Target::Urls(vec![STREAM_URL.read(&url)?.url])),
        (None, Some(urls), None) => {
            let read = List(STREAM_URL, "a list of URLs").read(&urls)?;
            if read.is_empty() {
                urls.mistake("an empty list", "at least one URL");
                return None;
            }
            Some(Target::Urls(read.into_iter().map(|url| url.url).collect()))
        }
        (None, None, Some(feed)) => Some(Target::Feed(STREAM_URL.read(&feed)?.url)),
        (None, None, None) => {
            section.item.mistake("no origin", "one of `url`, `urls`, `feed`");
            None
        }
        _ => {
            section
                .item
                .mistake("more than one origin", "one of `url`, `urls`, `feed`");
            None
        }
    },
    print: |target, map| {
        let print = |url: &String| Json::from(crate::redaction::mask_secrets(url));
        let (key, value) = match target {
            Target::Urls(urls) if urls.len() == 1 => ("url", print(&urls[0])),
            Target::Urls(urls) => ("urls", urls.iter().map(print).collect()),
            Target::Feed(url) => ("feed", print(url)),
        };
        map.insert(key.to_owned(), value);
    },
};

fn target_keys() -> Vec<Key> {
    let url = || STREAM_URL.shape();
    vec![
        row(
            "url",
            url(),
            "Where the stream is; may hold `{parameters}` of the source's path.",
        ),
        row(
            "urls",
            Shape::List(Box::new(url())),
            "Several places of the same stream, tried in turn; instead of `url`.",
        ),
        row(
            "feed",
            url(),
            "An Atom feed that names the stream in a link; instead of `url`.",
        ),
    ]
}

/// The items of an upstream, short or long, in which URLs stand.
fn url_items<'a>(item: &Item<'a>) -> Vec<Item<'a>> {
    if item.scalar().is_some() {
        return vec![item.clone()];
    }
    let urls = item.at("urls").map(|urls| urls.one_or_more()).unwrap_or_default();
    [item.at("url"), item.at("feed")]
        .into_iter()
        .flatten()
        .chain(urls)
        .collect()
}

/// Where the `url`th URL of a source's `nth` upstream is written, in a file of the new form or of
/// the legacy one.
pub(super) fn written<'a>(root: &Item<'a>, source: &str, nth: usize, url: usize) -> Option<Item<'a>> {
    if let Some(backends) = root.at("backends") {
        return backends.one_or_more().into_iter().nth(nth)?.at("uri");
    }
    let upstreams = root.at("sources")?.at(source)?.at("upstream")?.one_or_more();
    url_items(upstreams.get(nth)?).into_iter().nth(url)
}

fn check(section: &Section<'_>, upstream: Option<&mut Upstream>) {
    let item = &section.item;
    let parsed = |item: Item<'_>| OriginUrl::parse(item.peek()?).ok();
    let urls: Vec<OriginUrl> = url_items(item).into_iter().filter_map(parsed).collect();
    let credentials = &urls.first().and_then(|url| url.userinfo.clone());
    if urls.iter().any(|url| url.userinfo != *credentials) {
        let expected = "the same ones; better `username` and `password`";
        item.mistake("different credentials in the URLs", expected);
    } else if credentials.is_some() && credentials::are_written(section) {
        item.mistake("credentials in the URL and beside it", "one of them");
    }
    if let Some(tls) = section.get("tls")
        && !urls.is_empty()
        && urls.iter().all(|url| !url.is_tls())
    {
        tls.warn("no effect: no URL is `https`");
    }
    let Some(upstream) = upstream else { return };
    upstream.name = urls.first().map(OriginUrl::label).unwrap_or_default();
    if let Some((username, password)) = credentials.clone() {
        upstream.credentials = Some(Credentials::Basic { username, password });
    }
    if section.get("reconnect_max").is_none() {
        upstream.reconnect_max = upstream.reconnect_max.max(upstream.reconnect);
    }
    if upstream.reconnect_max < upstream.reconnect {
        section.mistake_at("reconnect_max", "shorter than `reconnect`", "at least as much");
    }
    for (name, _) in &upstream.headers {
        match name.as_str() {
            "authorization" if upstream.credentials.is_some() => {
                item.warn("the header `authorization` replaces the credentials");
            }
            "last-event-id" => item.warn("the header `last-event-id` replaces the relay's own: it can't resume"),
            _ => {}
        }
    }
}

/// The URLs hold no parameters but those of the source's path.
pub(super) fn check_parameters(source: &Section<'_>, known: &[&str]) {
    let upstreams = source
        .get("upstream")
        .map(|item| item.one_or_more())
        .unwrap_or_default();
    for item in upstreams.iter().flat_map(url_items) {
        let Some(url) = item.peek().and_then(|text| OriginUrl::parse(text).ok()) else {
            continue;
        };
        if let Some(name) = url.parameters.iter().find(|name| !known.contains(&name.as_str())) {
            let expected = match known {
                [] => "no parameter here".to_owned(),
                known => one_of(known),
            };
            item.mistake(format!("the parameter `{name}` is not one of the path"), expected);
        }
    }
}

/// Names are labels: the second of the same one becomes `name#2`.
pub(super) fn name_apart(upstreams: &mut [Upstream]) {
    for index in 1..upstreams.len() {
        let (before, rest) = upstreams.split_at_mut(index);
        let plain = rest[0].name.clone();
        let mut number = 2;
        while before.iter().any(|other| other.name == rest[0].name) {
            rest[0].name = format!("{plain}#{number}");
            number += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_told_apart() {
        let mut upstreams: Vec<Upstream> = ["http://a/x?1", "http://a/x?2", "http://b/x", "http://a/x"]
            .iter()
            .map(|url| Upstream::defaults(url))
            .collect();
        name_apart(&mut upstreams);
        let names: Vec<&str> = upstreams.iter().map(|upstream| upstream.name.as_str()).collect();
        assert_eq!(names, ["a/x", "a/x#2", "b/x", "a/x#3"]);
    }
}
