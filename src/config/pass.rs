//! What goes to an origin as it is.

use super::codec::{COUNT_MAX, Count, Custom, Flag, OneOrMore, Size, Text, number};
use super::field::Presence as _;
use super::item::{Item, Section};
use super::paths::check_segments;
use super::shape::Shape;
use super::table::section;
use super::url::{BASE_FORM, BASE_URL};
use hyper::header::HeaderName;

const PREFIX_FORM: &str = "the beginning of a path, such as `/webservice/`";

section! {
    /// What goes to an origin as it is.
    #[derive(Debug, Clone, PartialEq)]
    pub struct Pass {
        /// Request paths that begin so.
        pub prefix: String = PREFIX.needed(PREFIX_FORM),
        /// The origin: scheme and authority.
        pub to: String = BASE_URL.needed(BASE_FORM),
        /// Requests that are with this origin at one time; the next ones are refused.
        pub connections_max: usize = number(Count(1..=COUNT_MAX)).or("1024"),
        /// Whether event-stream links in Atom feeds are made to point at the relay.
        pub rewrite_links: bool = Flag.or("false"),
        /// Response headers whose URL is rewritten too.
        pub rewrite_headers: Vec<HeaderName> = OneOrMore(HEADER_NAME).or("[]"),
        // A body that is rewritten is held in memory.
        /// Largest body that is rewritten; a larger one passes as it is.
        pub body_bytes_max: usize = number(Size(0..=1 << 30)).or("8MiB"),
    }
}

const PREFIX: Text<String> = Text {
    form: PREFIX_FORM,
    examples: &["/", "/webservice/", "/a"],
    parse: |text| match text {
        _ if !text.starts_with('/') => Err("a path that does not begin with `/`"),
        _ if text.contains(['?', '#']) => Err("a path with a query or a fragment"),
        _ if text.contains('*') => Err("a pattern; a prefix needs none"),
        _ if !text.bytes().all(|b| b.is_ascii_graphic()) => Err("a path with a character that must be percent-encoded"),
        _ => {
            check_segments(text)?;
            crate::path::normalise(text).map(Into::into).map_err(|_| "")
        }
    },
    show: String::clone,
};

const HEADER_NAME: Custom<HeaderName> = Custom {
    shape: || Shape::Text(&["x-ccapi-sse-proxy", "location"]),
    read: |item| {
        let form = "a header's name";
        item.checked(HeaderName::from_bytes(item.text(form)?.as_bytes()).ok(), form)
    },
    print: |name| Some(name.as_str().into()),
};

/// Prefixes that are there twice, or never reached.
pub(super) fn check(section: &Section<'_>) {
    let Some(list) = section.get("pass") else { return };
    let prefix = |item: Item<'_>| Some((item.at("prefix")?.peek()?.to_owned(), item.node.place.line));
    let mut earlier: Vec<(String, usize)> = Vec::new();
    for item in list.one_or_more() {
        let Some((text, line)) = prefix(item.clone()) else {
            continue;
        };
        match earlier.iter().find(|(shadow, _)| text.starts_with(shadow)) {
            Some((same, first)) if *same == text => item.mistake(
                format!("the prefix `{text}` a second time"),
                format!("each prefix once; the first is in line {first}"),
            ),
            Some((shadow, first)) => item.warn(format!(
                "never reached: `{shadow}` in line {first} takes all that begins with `{text}`; the longer prefix \
                 has to come first"
            )),
            None => {}
        }
        earlier.push((text, line));
    }
}
