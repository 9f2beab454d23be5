//! URLs of an origin: parsed, resolved against a base, compared by origin, and shown without what
//! is secret.
//!
//! As browsers read them (the URL Standard, by the `url` crate), for `http` and `https` only: a
//! character that no URL may hold is percent-encoded and not refused, what is percent-encoded stays
//! as it is written, dot segments are resolved, fragments are dropped. `{parameter}`s are filled in
//! before.

use crate::redaction::redact;
use hyper::http::uri::{Authority, PathAndQuery};
use percent_encoding::percent_decode_str;
use std::fmt;
use url::{ParseError, Position};

/// Longest URL taken from anyone, in bytes: what common servers take in a request line.
const URL_BYTES_MAX: usize = 8 * 1024;

/// An absolute `http` or `https` URL.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Url {
    /// With a host that HTTP takes, a port other than 0, and no fragment.
    url: url::Url,
    /// Its path and query.
    path_and_query: PathAndQuery,
}

/// Why a text is not a URL that can be fetched.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum BadUrl {
    #[error("neither http nor https")]
    Scheme,
    #[error("no valid host and port")]
    Authority,
    #[error("no valid path")]
    Path,
    #[error("longer than {URL_BYTES_MAX} bytes")]
    TooLong,
}

impl Url {
    /// Parses an absolute URL.
    pub(crate) fn parse(text: &str) -> Result<Self, BadUrl> {
        Self::checked(text, url::Url::parse)
    }

    /// Resolves a reference against this URL. What the base's userinfo says is not handed on.
    pub(crate) fn join(&self, reference: &str) -> Result<Self, BadUrl> {
        let base = without_userinfo(self.url.clone());
        Self::checked(reference, |reference| base.join(reference))
    }

    fn checked(text: &str, parse: impl Fn(&str) -> Result<url::Url, ParseError>) -> Result<Self, BadUrl> {
        if text.len() > URL_BYTES_MAX {
            return Err(BadUrl::TooLong);
        }
        let url = parse(text).map_err(|error| match error {
            ParseError::RelativeUrlWithoutBase => BadUrl::Scheme,
            _ => BadUrl::Authority,
        })?;
        Self::new(url)
    }

    fn new(mut url: url::Url) -> Result<Self, BadUrl> {
        if !matches!(url.scheme(), "http" | "https") {
            return Err(BadUrl::Scheme);
        }
        // The URL Standard takes more as a name than HTTP does as an authority.
        let is_host = |host: &str| host.parse::<Authority>().is_ok();
        if url.port() == Some(0) || !url.host_str().is_some_and(is_host) {
            return Err(BadUrl::Authority);
        }
        url.set_fragment(None);
        let path_and_query = url[Position::BeforePath..].parse().map_err(|_| BadUrl::Path)?;
        Ok(Self { url, path_and_query })
    }

    /// Whether it is an `https` URL.
    pub(crate) fn is_tls(&self) -> bool {
        self.url.scheme() == "https"
    }

    /// The host: a name, or an address without brackets.
    pub(crate) fn host(&self) -> &str {
        self.bracketed_host().trim_matches(['[', ']'])
    }

    fn bracketed_host(&self) -> &str {
        self.url.host_str().unwrap_or_default()
    }

    /// The port, the scheme's own if none was named.
    pub(crate) fn port(&self) -> u16 {
        self.url.port_or_known_default().unwrap_or_default()
    }

    /// `user` and `password`, decoded.
    pub(crate) fn userinfo(&self) -> Option<(String, String)> {
        let decoded = |text| percent_decode_str(text).decode_utf8_lossy().into_owned();
        let (user, password) = (self.url.username(), self.url.password());
        let said = !user.is_empty() || password.is_some();
        said.then(|| (decoded(user), password.map(decoded).unwrap_or_default()))
    }

    /// The request target in origin form.
    pub(crate) fn path_and_query(&self) -> &PathAndQuery {
        &self.path_and_query
    }

    /// What the `Host` field says: the port only where it is not the scheme's own (RFC 9110, 7.2).
    pub(crate) fn host_field(&self) -> String {
        match self.url.port() {
            Some(port) => format!("{}:{port}", self.bracketed_host()),
            None => self.bracketed_host().to_owned(),
        }
    }

    /// Scheme, host and port, as they begin an absolute URL.
    pub(crate) fn origin(&self) -> String {
        format!("{}://{}", self.url.scheme(), self.host_field())
    }

    /// Whether both lead to the same scheme, host and port.
    pub(crate) fn same_origin(&self, other: &Url) -> bool {
        let origin = |url: &Url| (url.is_tls(), url.port());
        origin(self) == origin(other) && self.host() == other.host()
    }

    /// This URL's path at `other`'s scheme, host and port.
    pub(crate) fn moved_to(&self, other: &Url) -> Url {
        let mut url = without_userinfo(other.url.clone());
        url.set_path(self.url.path());
        url.set_query(self.url.query());
        Url {
            url,
            path_and_query: self.path_and_query.clone(),
        }
    }

    /// The URL with all that it says, for another process of this program.
    pub(super) fn written(&self) -> String {
        self.url.to_string()
    }

    /// The URL as it may be shown: see [`redact`].
    pub(crate) fn redacted(&self) -> String {
        redact(self.url.as_str())
    }
}

/// Neither can fail where there is a host.
fn without_userinfo(mut url: url::Url) -> url::Url {
    let _ = url.set_username("");
    let _ = url.set_password(None);
    url
}

impl fmt::Debug for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.redacted())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn full(url: &Url) -> String {
        format!("{}{}", url.origin(), url.path_and_query)
    }

    #[test]
    fn parses_what_operators_write() {
        for (text, expected) in [
            ("http://example.com", "http://example.com/"),
            ("HTTPS://Example.COM:443/a?b=c#d", "https://example.com/a?b=c"),
            ("https://example.com:8443?x", "https://example.com:8443/?x"),
            ("http://[::1]:9000/x", "http://[::1]:9000/x"),
            ("http://[2001:db8::1]/x", "http://[2001:db8::1]/x"),
            ("http://user:p%40ss@h/x", "http://h/x"),
            ("http://h/a b/{c}?d=\"é\"", "http://h/a%20b/%7Bc%7D?d=%22%C3%A9%22"),
            ("  http://h/a%20b\n", "http://h/a%20b"),
            ("http://bücher.example/", "http://xn--bcher-kva.example/"),
        ] {
            assert_eq!(full(&Url::parse(text).unwrap()), expected, "{text}");
        }
    }

    /// Origins compare paths and queries by their bytes, and sign them.
    #[test]
    fn what_is_percent_encoded_is_sent_as_it_is_written() {
        for target in [
            "/%7Euser/a%2fb/%E4%f6;v=1,2/*'()!$&+:@~-._=",
            "/a//b/?x=%2F&y=a+b%20c&z=%zz&&=",
            "/?%7Bx%7D={y}|^[]`\\/?:@!$()*,;",
            "/x?",
        ] {
            let url = Url::parse(&format!("http://h{target}")).unwrap();
            assert_eq!(url.path_and_query().as_str(), target);
            assert_eq!(
                Url::parse("http://o/y").unwrap().join(target),
                Url::parse(&format!("http://o{target}"))
            );
            assert_eq!(
                url.moved_to(&Url::parse("http://o/y").unwrap()).path_and_query(),
                target
            );
        }
        // What a browser sends too: quotes in queries are encoded, dots are resolved in either
        // spelling.
        let url = Url::parse("http://h/a/./b/%2e%2E/c?q='x'").unwrap();
        assert_eq!(url.path_and_query(), "/a/c?q=%27x%27");
    }

    #[test]
    fn refuses_what_cannot_be_fetched() {
        for (text, expected) in [
            ("ftp://h/", BadUrl::Scheme),
            ("h/x", BadUrl::Scheme),
            ("h:80/x", BadUrl::Scheme),
            ("", BadUrl::Scheme),
            ("http://", BadUrl::Authority),
            ("http://:80/x", BadUrl::Authority),
            ("http://h:99999/", BadUrl::Authority),
            ("http://h:0/", BadUrl::Authority),
            ("http://h:8o/", BadUrl::Authority),
            ("http://h:+8/", BadUrl::Authority),
            ("http://::1/", BadUrl::Authority),
            ("http://a b/", BadUrl::Authority),
            ("http://a{b}/", BadUrl::Authority),
        ] {
            assert_eq!(Url::parse(text), Err(expected), "{text}");
        }
        let long = format!("http://h/{}", "x".repeat(URL_BYTES_MAX));
        assert_eq!(Url::parse(&long), Err(BadUrl::TooLong));
    }

    /// The examples of RFC 3986, 5.4, as far as they name http URLs.
    #[test]
    fn resolves_references_as_the_standard_does() {
        let base = Url::parse("http://a/b/c/d;p?q").unwrap();
        for (reference, expected) in [
            ("g", "http://a/b/c/g"),
            ("./g", "http://a/b/c/g"),
            ("g/", "http://a/b/c/g/"),
            ("/g", "http://a/g"),
            ("//g", "http://g/"),
            ("?y", "http://a/b/c/d;p?y"),
            ("g?y", "http://a/b/c/g?y"),
            ("#s", "http://a/b/c/d;p?q"),
            (";x", "http://a/b/c/;x"),
            ("", "http://a/b/c/d;p?q"),
            (".", "http://a/b/c/"),
            ("..", "http://a/b/"),
            ("../g", "http://a/b/g"),
            ("../..", "http://a/"),
            ("../../../g", "http://a/g"),
            ("/./g", "http://a/g"),
            ("/../g", "http://a/g"),
            ("g.", "http://a/b/c/g."),
            ("..g", "http://a/b/c/..g"),
            ("./g/.", "http://a/b/c/g/"),
            ("g/../h", "http://a/b/c/h"),
            ("g?y/../x", "http://a/b/c/g?y/../x"),
            ("https://o.example:444/x", "https://o.example:444/x"),
            ("a:b", "-"),
        ] {
            let joined = base.join(reference).map_or_else(|_| "-".to_owned(), |url| full(&url));
            assert_eq!(joined, expected, "{reference}");
        }
    }

    #[test]
    fn credentials_in_the_url_are_decoded_and_not_inherited() {
        let url = Url::parse("https://us%3Aer:p%40ss@h/x").unwrap();
        assert_eq!(url.userinfo(), Some(("us:er".to_owned(), "p@ss".to_owned())));
        assert_eq!(url.join("/y").unwrap().userinfo(), None);
        assert_eq!(format!("{url:?}"), "https://h/x");
    }
}
