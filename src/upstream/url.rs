//! URLs of an origin: parsed, resolved against a base, compared by origin, and shown without what is secret.
//!
//! The generic syntax (RFC 3986) of `http` and `https` URLs, lenient where browsers are: a character that no URL may
//! hold is percent-encoded, not refused. Fragments are dropped; a host that is not ASCII is refused.

use hyper::http::uri::{Authority, PathAndQuery};
use std::fmt;

/// Longest URL taken from anyone, in bytes: what common servers take in a request line.
const URL_BYTES_MAX: usize = 8 * 1024;

/// An absolute `http` or `https` URL.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Url {
    tls: bool,
    /// `user:password`, percent-encoded as written.
    userinfo: Option<String>,
    /// Lower case; an IPv6 address without its brackets.
    host: String,
    port: u16,
    /// Begins with `/`.
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
        let parts = Reference::split(&clean(text)?);
        let tls = match parts.scheme.as_deref() {
            Some(scheme) if scheme.eq_ignore_ascii_case("https") => true,
            Some(scheme) if scheme.eq_ignore_ascii_case("http") => false,
            _ => return Err(BadUrl::Scheme),
        };
        let authority = parts.authority.as_deref().ok_or(BadUrl::Authority)?;
        Self::new(tls, authority, &parts.path, parts.query.as_deref())
    }

    /// Resolves a reference against this URL (RFC 3986, 5.2.2). What the base's userinfo says is not handed on.
    pub(crate) fn join(&self, reference: &str) -> Result<Self, BadUrl> {
        let cleaned = clean(reference)?;
        let parts = Reference::split(&cleaned);
        if parts.scheme.is_some() {
            return Self::parse(&cleaned);
        }
        if let Some(authority) = &parts.authority {
            return Self::new(
                self.tls,
                authority,
                &remove_dot_segments(&parts.path),
                parts.query.as_deref(),
            );
        }
        let base = self.path_and_query.path();
        let (path, query) = if parts.path.is_empty() {
            (base.to_owned(), parts.query.as_deref().or(self.path_and_query.query()))
        } else if parts.path.starts_with('/') {
            (remove_dot_segments(&parts.path), parts.query.as_deref())
        } else {
            let directory = base.rfind('/').map_or("/", |slash| &base[..=slash]);
            (
                remove_dot_segments(&format!("{directory}{}", parts.path)),
                parts.query.as_deref(),
            )
        };
        let mut joined = self.clone();
        joined.userinfo = None;
        joined.path_and_query = path_and_query(&path, query)?;
        Ok(joined)
    }

    fn new(tls: bool, authority: &str, path: &str, query: Option<&str>) -> Result<Self, BadUrl> {
        let (userinfo, host_port) = match authority.rsplit_once('@') {
            Some((userinfo, rest)) => (Some(userinfo.to_owned()), rest),
            None => (None, authority),
        };
        let (host, port) = match host_port.rsplit_once(':') {
            // A colon inside an IPv6 address's brackets is no port's.
            Some((host, port)) if !port.contains(']') => (host, Some(port)),
            _ => (host_port, None),
        };
        let port = match port {
            None | Some("") => default_port(tls),
            Some(port) if port.bytes().all(|byte| byte.is_ascii_digit()) => {
                port.parse().map_err(|_| BadUrl::Authority)?
            }
            Some(_) => return Err(BadUrl::Authority),
        };
        // http's own grammar of hosts; an address without brackets or an empty name does not pass.
        let checked: Authority = host.parse().map_err(|_| BadUrl::Authority)?;
        let bare = checked
            .host()
            .trim_start_matches('[')
            .trim_end_matches(']')
            .to_ascii_lowercase();
        if bare.is_empty() || checked.as_str() != checked.host() || port == 0 {
            return Err(BadUrl::Authority);
        }
        Ok(Self {
            tls,
            userinfo,
            host: bare,
            port,
            path_and_query: path_and_query(path, query)?,
        })
    }

    /// Whether it is an `https` URL.
    pub(crate) fn is_tls(&self) -> bool {
        self.tls
    }

    /// The host: a name, or an address without brackets.
    pub(crate) fn host(&self) -> &str {
        &self.host
    }

    /// The port, the scheme's own if none was named.
    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// `user` and `password`, decoded.
    pub(crate) fn userinfo(&self) -> Option<(String, String)> {
        let userinfo = self.userinfo.as_deref()?;
        let (user, password) = userinfo.split_once(':').unwrap_or((userinfo, ""));
        Some((percent_decode(user), percent_decode(password)))
    }

    /// The request target in origin form.
    pub(crate) fn path_and_query(&self) -> &PathAndQuery {
        &self.path_and_query
    }

    /// What the `Host` field says: the port only where it is not the scheme's own (RFC 9110, 7.2).
    pub(crate) fn host_field(&self) -> String {
        let bracketed = self.host.contains(':');
        let host = if bracketed {
            format!("[{}]", self.host)
        } else {
            self.host.clone()
        };
        if self.port == default_port(self.tls) {
            host
        } else {
            format!("{host}:{}", self.port)
        }
    }

    /// Scheme, host and port, as they begin an absolute URL.
    pub(crate) fn origin(&self) -> String {
        let scheme = if self.tls { "https" } else { "http" };
        format!("{scheme}://{}", self.host_field())
    }

    /// Whether both lead to the same scheme, host and port.
    pub(crate) fn same_origin(&self, other: &Url) -> bool {
        self.tls == other.tls && self.host == other.host && self.port == other.port
    }

    /// This URL's path at `other`'s scheme, host and port.
    pub(crate) fn moved_to(&self, other: &Url) -> Url {
        Url {
            path_and_query: self.path_and_query.clone(),
            userinfo: None,
            ..other.clone()
        }
    }

    /// The URL as it may be shown: see [`redact`].
    pub(crate) fn redacted(&self) -> String {
        let scheme = if self.tls { "https" } else { "http" };
        redact(&format!("{scheme}://{}{}", self.host_field(), self.path_and_query))
    }
}

impl fmt::Debug for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.redacted())
    }
}

/// A URL as it may be shown in logs, errors and `/status`: without userinfo and fragment, its query's values masked.
///
/// Works on any text, also on one that is no URL.
pub fn redact(url: &str) -> String {
    let url = url.split('#').next().unwrap_or_default();
    let (before, query) = match url.split_once('?') {
        Some((before, query)) => (before, Some(query)),
        None => (url, None),
    };
    let authority_at = before.find("//").map_or(0, |at| at + 2);
    let authority_end = before[authority_at..]
        .find('/')
        .map_or(before.len(), |at| authority_at + at);
    let host_at = before[authority_at..authority_end]
        .rfind('@')
        .map_or(authority_at, |at| authority_at + at + 1);
    let mut shown = format!("{}{}", &before[..authority_at], &before[host_at..]);
    for (nth, pair) in query.into_iter().flat_map(|query| query.split('&')).enumerate() {
        shown.push(if nth == 0 { '?' } else { '&' });
        if let Some((name, _)) = pair.split_once('=') {
            shown.push_str(name);
            shown.push('=');
        }
        shown.push_str("***");
    }
    shown
}

/// A URI reference in its parts (RFC 3986, appendix B), the fragment left out.
struct Reference {
    scheme: Option<String>,
    authority: Option<String>,
    path: String,
    query: Option<String>,
}

impl Reference {
    fn split(text: &str) -> Self {
        let text = text.split('#').next().unwrap_or_default();
        let (scheme, rest) = match text.find([':', '/', '?']) {
            Some(at) if text.as_bytes()[at] == b':' && text.starts_with(|first: char| first.is_ascii_alphabetic()) => {
                (Some(text[..at].to_owned()), &text[at + 1..])
            }
            _ => (None, text),
        };
        let (authority, rest) = match rest.strip_prefix("//") {
            Some(rest) => {
                let end = rest.find(['/', '?']).unwrap_or(rest.len());
                (Some(rest[..end].to_owned()), &rest[end..])
            }
            None => (None, rest),
        };
        let (path, query) = match rest.split_once('?') {
            Some((path, query)) => (path, Some(query.to_owned())),
            None => (rest, None),
        };
        Self {
            scheme,
            authority,
            path: path.to_owned(),
            query,
        }
    }
}

/// Bounded, without surrounding white space and without the line breaks that URLs in documents are wrapped with.
fn clean(text: &str) -> Result<String, BadUrl> {
    if text.len() > URL_BYTES_MAX {
        return Err(BadUrl::TooLong);
    }
    Ok(text.trim().replace(['\t', '\n', '\r'], ""))
}

fn default_port(tls: bool) -> u16 {
    if tls { 443 } else { 80 }
}

fn path_and_query(path: &str, query: Option<&str>) -> Result<PathAndQuery, BadUrl> {
    let mut text = String::with_capacity(path.len() + 1);
    if !path.starts_with('/') {
        text.push('/');
    }
    encode_into(&mut text, path);
    if let Some(query) = query {
        text.push('?');
        encode_into(&mut text, query);
    }
    text.parse().map_err(|_| BadUrl::Path)
}

/// Percent-encodes what a URL may not hold; a `%` stays as it is, since it is taken to be encoded already.
fn encode_into(text: &mut String, part: &str) {
    for byte in part.bytes() {
        match byte {
            b'"' | b'<' | b'>' | b'\\' | b'^' | b'`' | b'{' | b'|' | b'}' => push_encoded(text, byte),
            0x21..=0x7e => text.push(char::from(byte)),
            _ => push_encoded(text, byte),
        }
    }
}

fn push_encoded(text: &mut String, byte: u8) {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    text.push('%');
    text.push(char::from(DIGITS[usize::from(byte >> 4)]));
    text.push(char::from(DIGITS[usize::from(byte & 15)]));
}

fn percent_decode(text: &str) -> String {
    let digit = |byte: Option<&u8>| byte.and_then(|byte| char::from(*byte).to_digit(16));
    let bytes = text.as_bytes();
    let mut decoded = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        match (bytes[at], digit(bytes.get(at + 1)), digit(bytes.get(at + 2))) {
            (b'%', Some(high), Some(low)) => {
                // Two hexadecimal digits: below 256.
                decoded.push((high * 16 + low) as u8);
                at += 3;
            }
            (byte, ..) => {
                decoded.push(byte);
                at += 1;
            }
        }
    }
    String::from_utf8_lossy(&decoded).into_owned()
}

/// RFC 3986, 5.2.4, for a path that begins with `/`.
fn remove_dot_segments(path: &str) -> String {
    let mut kept: Vec<&str> = Vec::new();
    let mut segments = path.strip_prefix('/').unwrap_or(path).split('/').peekable();
    while let Some(segment) = segments.next() {
        let last = segments.peek().is_none();
        match segment {
            "." | ".." => {
                if segment == ".." {
                    kept.pop();
                }
                // The directory itself: its slash stays.
                if last {
                    kept.push("");
                }
            }
            _ => kept.push(segment),
        }
    }
    format!("/{}", kept.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn full(url: &Url) -> String {
        format!(
            "{}://{}{}",
            if url.tls { "https" } else { "http" },
            url.host_field(),
            url.path_and_query
        )
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
        ] {
            assert_eq!(full(&Url::parse(text).unwrap()), expected, "{text}");
        }
    }

    #[test]
    fn refuses_what_cannot_be_fetched() {
        for (text, expected) in [
            ("ftp://h/", BadUrl::Scheme),
            ("h/x", BadUrl::Scheme),
            ("", BadUrl::Scheme),
            ("http:/x", BadUrl::Authority),
            ("http:///x", BadUrl::Authority),
            ("http://:80/x", BadUrl::Authority),
            ("http://h:99999/", BadUrl::Authority),
            ("http://h:0/", BadUrl::Authority),
            ("http://h:8o/", BadUrl::Authority),
            ("http://h:+8/", BadUrl::Authority),
            ("http://::1/", BadUrl::Authority),
            ("http://bücher.example/", BadUrl::Authority),
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

    #[test]
    fn what_is_shown_holds_no_secret() {
        for (text, expected) in [
            ("https://u:p@h/x?token=s3cret&b", "https://h/x?token=***&***"),
            ("https://u:p@ss@h/x@y", "https://h/x@y"),
            ("u:p@h", "h"),
            ("http://h/x#s3cret", "http://h/x"),
            ("http://h?s3cret", "http://h?***"),
            ("", ""),
        ] {
            assert_eq!(redact(text), expected, "{text}");
        }
    }
}
