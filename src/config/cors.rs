//! Cross-origin access (Fetch standard, CORS protocol).

use super::codec::{ANY_DURATION, Flag, OneOrMore, Text};
use super::diagnostics::Collector;
use super::field::Presence as _;
use super::item::{Item, Section};
use super::node::Node;
use super::table::{Table as _, section};
use std::time::Duration;

pub(super) const ORIGIN_FORM: &str =
    "`*`, `null`, an origin such as `https://www.example.com`, or `https://*.example.com` for every host below it";

section! {
    /// Cross-origin access.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct Cors {
        /// Allowed origins; `*`: any; `https://*.example.com`: all below it.
        pub origins: Vec<String> = OneOrMore(ORIGIN).needed(ORIGIN_FORM),
        /// Whether requests may carry cookies and authorization.
        pub credentials: bool = Flag.or("false"),
        /// Allowed request headers.
        pub headers: Vec<String> = OneOrMore(HEADER).or("[Last-Event-ID, Authorization, Cache-Control]"),
        /// Allowed methods.
        pub methods: Vec<String> = OneOrMore(METHOD).or("[GET, HEAD]"),
        /// Response headers that scripts may read.
        pub exposed_headers: Vec<String> = OneOrMore(HEADER).or("[]"),
        /// How long a preflight's answer may be kept.
        pub max_age: Duration = ANY_DURATION.or("30m"),
    }
    check = check;
}

fn check(section: &Section<'_>, cors: Option<&mut Cors>) {
    let Some(cors) = cors else { return };
    let any = cors.origins.iter().any(|origin| origin == "*");
    warn_of_origins(section, any, cors.origins.is_empty(), cors.credentials);
}

/// What the parts mean together. `any`: every origin is allowed; `none`: no one is.
pub(super) fn warn_of_origins(section: &Section<'_>, any: bool, none: bool, credentials: bool) {
    if none {
        section.item.warn("no origin is allowed: no CORS headers are sent");
    }
    if credentials && any {
        section
            .item
            .warn("`credentials` with the origin `*`: any web page may read with its visitor's cookies");
    }
}

impl Cors {
    /// Scripts of any origin may read, without credentials.
    pub fn any_origin() -> Self {
        let node = Node::map([("origins", Node::text("*"))]);
        let diagnostics = Collector::new("");
        Cors::read(&Item::root(&diagnostics, &node)).expect("the table's defaults are right")
    }
}

pub(super) const ORIGIN: Text<String> = Text {
    form: ORIGIN_FORM,
    examples: &["*", "null", "https://a.example", "https://*.a.example:8443"],
    parse: |text| match is_origin(text) {
        true => Ok(text.to_owned()),
        false => Err(origin_hint(text)),
    },
    show: String::clone,
};

pub(super) const HEADER: Text<String> = Text {
    form: "a header's name, or `*`",
    examples: &["*", "X-A", "ETag"],
    parse: |text| match hyper::header::HeaderName::from_bytes(text.as_bytes()) {
        Ok(_) => Ok(text.to_owned()),
        Err(_) => Err(""),
    },
    show: String::clone,
};

pub(super) const METHOD: Text<String> = Text {
    form: "a method such as `GET`, or `*`",
    examples: &["GET", "*"],
    parse: |text| match hyper::Method::from_bytes(text.as_bytes()) {
        Ok(_) => Ok(text.to_owned()),
        Err(_) => Err(""),
    },
    show: String::clone,
};

/// What kind of text stands where an origin should; empty: none that is often written there.
fn origin_hint(text: &str) -> &'static str {
    let after_scheme = text.split_once("://").map(|(_, rest)| rest);
    let host = after_scheme.unwrap_or(text);
    match after_scheme {
        _ if text.contains(['\\', '^', '$', '(', '|']) || text.contains(".*") => "a regular expression",
        None if host.starts_with("*.") || host.contains('.') => "an origin without its scheme",
        Some(rest) if rest.contains('/') => "a URL with a path",
        Some(rest) if rest.bytes().any(|b| b.is_ascii_uppercase()) => "an origin in upper case",
        Some(rest) if rest.contains('*') => "an origin with `*` elsewhere than as its first label",
        _ => "",
    }
}

/// `*`, `null`, or scheme, host and port as a browser writes them (RFC 6454, section 6.2); a host
/// that begins with `*.` is every one below it.
pub(super) fn is_origin(text: &str) -> bool {
    let Some((scheme, authority)) = text.split_once("://") else {
        return text == "*" || text == "null";
    };
    let scheme_is_right = scheme.starts_with(|c: char| c.is_ascii_lowercase())
        && scheme
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"+-.".contains(&b));
    let authority = authority.strip_prefix("*.").unwrap_or(authority);
    let authority_is_right = !authority.contains(['@', '*'])
        && authority
            .parse::<hyper::http::uri::Authority>()
            .is_ok_and(|parsed| !parsed.host().is_empty());
    scheme_is_right && authority_is_right && !authority.bytes().any(|b| b.is_ascii_uppercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn origins() {
        for text in [
            "*",
            "null",
            "https://a.example",
            "http://a:8080",
            "http://[::1]:80",
            "chrome-extension://abc",
            "https://*.a.example:8443",
        ] {
            assert!(is_origin(text), "{text}");
        }
        for text in [
            "",
            "a.example",
            "https://",
            "https://a/",
            "https://*a",
            "https://*",
            "https://*.",
            "https://a.*.example",
            "https://*.*.example",
            "https://A",
            "https://u@a",
            "HTTPS://a",
            "https://.*\\.example\\.com",
        ] {
            assert!(!is_origin(text), "{text}");
        }
    }
}
