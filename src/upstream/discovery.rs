//! Finding the stream in an Atom feed (RFC 4287): the change logs of the Content Store name it in a
//! link.
//!
//! Asked anew before each connection, so that the stream is followed where it moves. The feed is
//! bounded, its DTDs are refused, and a feed without the link is a failure like any other: it is
//! asked again later.

use super::answer::{Refusal, is_event_stream, plain, refusal};
use super::connect::within;
use super::fetch::collect;
use super::redirect;
use super::request::{ConfiguredOrigin, Wanted};
use super::url::Url;
use super::{Failure, Reason};
use crate::redaction::redact;
use hyper::StatusCode;
use roxmltree::{Attribute, Document, Node, ParsingOptions};
use tokio::time::Instant;

/// Largest feed, in bytes.
const FEED_BYTES_MAX: usize = 8 * 1024 * 1024;

/// Most XML nodes of a feed: bounds the tree's memory (about 100 bytes each) where a feed is all
/// tags.
pub(crate) const FEED_NODES_MAX: u32 = 1_000_000;

const ATOM: &str = "http://www.w3.org/2005/Atom";
const XML: &str = "http://www.w3.org/XML/1998/namespace";
const EVENT_STREAM: &str = "text/event-stream";

/// How the relation of the change log's own stream ends, whatever domain it begins with.
const CHANGE_LOG_RELATION: &str = "/relation/changelog";

/// Gets the feed, and returns the stream's URL.
pub(super) async fn discover(configured: &ConfiguredOrigin<'_>, deadline: Instant) -> Result<Url, Refusal> {
    let (url, got) = redirect::get(configured, configured.url().clone(), Wanted::Feed, deadline, |_| {}).await?;
    if got.head.status != StatusCode::OK {
        return Err(refusal(&got.head));
    }
    // It would not end, and is no feed: its URL belongs elsewhere in the configuration.
    if is_event_stream(&got.head.headers) {
        return Err(Failure::new(Reason::Feed, "an event stream where a feed was expected").into());
    }
    plain(&got.head.headers).map_err(|why| Failure::new(Reason::ContentEncoding, why))?;
    let feed = within(deadline, "the feed was not read", collect(got.body, FEED_BYTES_MAX)).await?;
    let too_large = || Failure::new(Reason::Feed, format!("the feed is larger than {FEED_BYTES_MAX} bytes"));
    let feed = feed.ok_or_else(too_large)?;
    // A large feed takes tens of milliseconds: not on a thread that serves others.
    let base = url.clone();
    let found = tokio::task::spawn_blocking(move || stream_in(&feed, &base)).await;
    let found = found.unwrap_or_else(|_| Err("the feed could not be read".to_owned()));
    let stream = found.map_err(|why| Failure::new(Reason::Feed, format!("{}: {why}", url.redacted())))?;
    Ok(configured.locate(stream))
}

/// The URL of the stream that this feed names.
pub(super) fn stream_in(feed: &[u8], base: &Url) -> Result<Url, String> {
    // Links are ASCII: what is not UTF-8 around them does no harm.
    let text = String::from_utf8_lossy(feed);
    let text = text.trim_start_matches('\u{feff}').trim_start();
    let options = ParsingOptions {
        nodes_limit: FEED_NODES_MAX,
        ..ParsingOptions::default()
    };
    let document = Document::parse_with_options(text, options).map_err(|error| format!("not a feed: {error}"))?;
    let mut links = document.descendants().filter(is_stream_link).peekable();
    let first = links.peek().copied().ok_or("no link to an event stream")?;
    let is_change_log = |link: &Node<'_, '_>| {
        plain_attribute(*link, "rel").is_some_and(|rel| rel.value().ends_with(CHANGE_LOG_RELATION))
    };
    let link = links.find(is_change_log).unwrap_or(first);
    let href = plain_attribute(link, "href").map_or("", |href| href.value());
    let why = |why| format!("a link to {:?}: {why}", redact(href));
    base_of(link, base).map_err(why)?.join(href).map_err(why)
}

/// A link to an event stream that says so.
pub(crate) fn is_stream_link(node: &Node<'_, '_>) -> bool {
    let is_stream = |value: &str| {
        let essence = value.split(';').next().unwrap_or_default();
        essence.trim().eq_ignore_ascii_case(EVENT_STREAM)
    };
    node.has_tag_name((ATOM, "link"))
        && plain_attribute(*node, "href").is_some()
        && plain_attribute(*node, "type").is_some_and(|named| is_stream(named.value()))
}

/// The attribute of this name without a namespace: asked by the name alone, the parser also gives
/// those of others.
pub(crate) fn plain_attribute<'a, 'input>(node: Node<'a, 'input>, name: &str) -> Option<Attribute<'a, 'input>> {
    node.attributes()
        .find(|attribute| attribute.namespace().is_none() && attribute.name() == name)
}

/// What a link's address is relative to: every `xml:base` around it, from the outside in.
pub(crate) fn base_of(link: Node<'_, '_>, feed: &Url) -> Result<Url, super::url::BadUrl> {
    let bases: Vec<&str> = link
        .ancestors()
        .filter_map(|node| node.attribute((XML, "base")))
        .collect();
    bases
        .iter()
        .rev()
        .try_fold(feed.clone(), |base, reference| base.join(reference))
}

#[cfg(test)]
mod tests {
    use super::*;

    const FEED: &str = "https://h:8443/changelog/section/1?x=secret";

    fn found(feed: &str) -> Result<String, String> {
        stream_in(feed.as_bytes(), &Url::parse(FEED).unwrap()).map(|url| url.redacted())
    }

    fn with(links: &str) -> Result<String, String> {
        found(&format!(
            r#"<?xml version="1.0"?><feed xmlns="http://www.w3.org/2005/Atom"><title>t</title>{links}</feed>"#
        ))
    }

    #[test]
    fn the_change_logs_link_is_found() {
        let feed = with(
            r#"<link rel="self" type="application/atom+xml" href="/self"/>
               <link rel="http://www.vizrt.com/types/relation/changelog" type="text/event-stream"
                     href="http://host/webservice/escenic/changelog/sse"/>"#,
        );
        assert_eq!(feed.as_deref(), Ok("http://host/webservice/escenic/changelog/sse"));
    }

    #[test]
    fn of_several_links_the_change_logs_wins_else_the_first() {
        let a = r#"<link rel="other" type="text/event-stream" href="/a"/>"#;
        let b = r#"<link rel="http://x/relation/changelog" type="text/event-stream" href="/b"/>"#;
        assert_eq!(with(&format!("{a}{b}")).as_deref(), Ok("https://h:8443/b"));
        assert_eq!(
            with(&format!("{a}{}", a.replace("/a", "/c"))).as_deref(),
            Ok("https://h:8443/a")
        );
    }

    #[test]
    fn any_prefix_of_the_namespace_will_do_and_no_other_namespace() {
        let prefixed = r#"<a:feed xmlns:a="http://www.w3.org/2005/Atom"><a:link type="TEXT/event-stream; charset=utf-8" href="s"/></a:feed>"#;
        assert_eq!(found(prefixed).as_deref(), Ok("https://h:8443/changelog/section/s"));
        let foreign = r#"<feed><link type="text/event-stream" href="/s"/></feed>"#;
        assert!(found(foreign).unwrap_err().contains("no link"));
    }

    #[test]
    fn addresses_are_resolved_against_every_base_around_them() {
        let feed = r#"<feed xmlns="http://www.w3.org/2005/Atom" xml:base="https://cdn.example/a/"><entry xml:base="b/"><link type="text/event-stream" href="../c?token=s"/></entry></feed>"#;
        assert_eq!(found(feed).as_deref(), Ok("https://cdn.example/a/c?token=***"));
        assert_eq!(
            with(r#"<link type="text/event-stream" href="s"/>"#).as_deref(),
            Ok("https://h:8443/changelog/section/s")
        );
    }

    #[test]
    fn what_is_no_feed_is_a_failure_in_words() {
        for (feed, said) in [
            ("", "not a feed"),
            ("<html><p>", "not a feed"),
            ("<!DOCTYPE x [<!ENTITY a \"b\">]><feed/>", "not a feed"),
            ("<feed/>", "no link"),
        ] {
            let error = found(feed).unwrap_err();
            assert!(error.contains(said) && !error.contains("secret"), "{feed}: {error}");
        }
        let nowhere = with(r#"<link type="text/event-stream" href="ftp://h/?token=secret"/>"#).unwrap_err();
        assert!(nowhere.contains("ftp://h/?token=***"), "{nowhere}");
        assert!(
            with(r#"<link type="text/event-stream"/>"#)
                .unwrap_err()
                .contains("no link")
        );
    }

    #[test]
    fn a_byte_order_mark_and_bytes_that_are_not_utf_8_do_no_harm() {
        let mut feed = b"\xef\xbb\xbf<feed xmlns=\"http://www.w3.org/2005/Atom\"><title>\xe5</title>".to_vec();
        feed.extend_from_slice(b"<link type=\"text/event-stream\" href=\"/s\"/></feed>");
        assert!(stream_in(&feed, &Url::parse(FEED).unwrap()).is_ok());
    }

    #[test]
    fn deep_nesting_does_not_overflow_the_stack() {
        let deep = "<a>".repeat(200_000);
        assert!(found(&deep).is_err());
        let balanced = format!("{}{}", "<a>".repeat(200_000), "</a>".repeat(200_000));
        assert!(found(&balanced).is_err());
    }
}
