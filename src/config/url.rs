//! URLs of origins: `http` or `https`, checked as far as a file can be, credentials taken out.

use super::codec::{Codec, Custom};
use super::item::Item;
use super::secret::Secret;
use super::shape::Shape;
use crate::redaction::{MASK, mask_secrets};
use url::{ParseError, Url};

/// A checked URL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct OriginUrl {
    /// The URL without credentials; `{parameter}`s as written.
    pub(super) url: String,
    /// Host and port, as written.
    pub(super) authority: String,
    /// The path, `/` if there is none; without the query, `{parameter}`s as written.
    pub(super) path: String,
    /// User name and password that stood before the host.
    pub(super) userinfo: Option<(String, Secret)>,
    /// The parameters of path and query, in the order in which they stand.
    pub(super) parameters: Vec<String>,
    /// The same URL with a letter for each parameter and without credentials.
    pub(super) filled: Url,
}

/// What is expected where a URL stands.
pub(super) const URL_FORM: &str = "a URL such as `https://origin.example.com/events`";

impl OriginUrl {
    /// Checks a URL. The error says what is wrong, and holds nothing of the URL.
    pub(super) fn parse(text: &str) -> Result<Self, &'static str> {
        let (scheme, rest) = text.split_once("://").ok_or("no URL: it has no scheme")?;
        let scheme = scheme.to_ascii_lowercase();
        if !["http", "https"].contains(&scheme.as_str()) {
            return Err("a URL with another scheme");
        }
        if !text.bytes().all(|b| b.is_ascii_graphic()) {
            return Err("a URL with a character that must be percent-encoded");
        }
        if rest.contains('#') {
            return Err("a URL with a fragment");
        }
        let (authority, target) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
        let (userinfo, authority) = match authority.rsplit_once('@') {
            Some((userinfo, authority)) => (Some(decode_userinfo(userinfo)?), authority),
            None => (None, authority),
        };
        if authority.contains(['{', '}']) {
            // The client would choose the host that the relay connects to.
            return Err("a URL with a parameter in its host");
        }
        let parameters = parameters(target)?;
        // What stands for a parameter is percent-encoded when it is put in: a letter stands for all
        // of it here.
        let target_filled = crate::path::fill(target, |_| Some("x".to_owned()));
        let filled = parse_filled(&scheme, authority, &target_filled)?;
        let path = target.split('?').next().unwrap_or_default();
        Ok(Self {
            url: format!("{scheme}://{authority}{target}"),
            authority: authority.to_owned(),
            path: if path.is_empty() { "/" } else { path }.to_owned(),
            userinfo,
            parameters,
            filled,
        })
    }

    /// `https`.
    pub(super) fn is_tls(&self) -> bool {
        self.filled.scheme() == "https"
    }

    /// Scheme, host and port as written.
    pub(super) fn base(&self) -> String {
        format!("{}://{}", self.filled.scheme(), self.authority)
    }

    /// The label of metrics and logs: host, port and path.
    pub(super) fn label(&self) -> String {
        format!("{}{}", self.authority, self.path)
    }
}

fn parse_filled(scheme: &str, authority: &str, target: &str) -> Result<Url, &'static str> {
    // The URL standard repairs these; in a file they are slips.
    match authority {
        "" => return Err("a URL without a host"),
        _ if authority.contains('\\') => return Err("a URL without a valid host"),
        _ if authority.ends_with(':') => return Err("a URL with an impossible port"),
        _ => {}
    }
    let parsed = Url::parse(&format!("{scheme}://{authority}{target}")).map_err(|error| match error {
        ParseError::EmptyHost => "a URL without a host",
        ParseError::InvalidPort => "a URL with an impossible port",
        ParseError::IdnaError | ParseError::InvalidIpv4Address | ParseError::InvalidIpv6Address => {
            "a URL without a valid host"
        }
        _ => "no valid URL",
    })?;
    match parsed.port() {
        Some(0) => Err("a URL with an impossible port"),
        _ => Ok(parsed),
    }
}

/// The URL of a stream, as text.
pub(super) const STREAM_URL: Custom<OriginUrl> = Custom {
    shape: || Shape::Url(&["http://origin.example/events", "https://h:8443/a?b=c"]),
    read: |item| {
        let url = match OriginUrl::parse(item.text(URL_FORM)?) {
            Ok(url) => url,
            Err(why) => {
                item.mistake(format!("{} is {why}", item.found()), URL_FORM);
                return None;
            }
        };
        if url.filled.query().is_some() && url.url.contains(MASK) {
            item.warn_of_mask();
        }
        Some(url)
    },
    print: |url| Some(mask_secrets(&url.url).into()),
};

/// Scheme and authority, nothing else.
pub(super) const BASE_URL: Custom<String> = Custom {
    shape: || Shape::Url(&["https://relay.example.com", "http://h:8080"]),
    read: base_url,
    print: |url| Some(url.as_str().into()),
};

/// What is expected where only scheme and host may stand.
pub(super) const BASE_FORM: &str = "scheme and host, such as `https://origin.example.com`";

fn base_url(item: &Item<'_>) -> Option<String> {
    let url = match OriginUrl::parse(item.text(BASE_FORM)?) {
        Ok(url) => url,
        Err(why) => {
            item.mistake(format!("{} is {why}", item.found()), BASE_FORM);
            return None;
        }
    };
    let bare = url.path == "/" && url.filled.query().is_none() && url.userinfo.is_none();
    if !bare {
        let what = format!("{} is a URL with more than scheme and host", item.found());
        let expected = match item.is_from_environment() {
            true => BASE_FORM.to_owned(),
            false => format!("`{}`", url.base()),
        };
        item.mistake(what, expected);
        return None;
    }
    Some(url.base())
}

/// The public URL, in the form in which it is used.
pub(super) const PUBLIC_URL: Custom<hyper::Uri> = Custom {
    shape: || BASE_URL.shape(),
    read: |item| item.checked(base_url(item)?.parse().ok(), BASE_FORM),
    print: |url| Some(url.to_string().trim_end_matches('/').into()),
};

/// The names in `{name}`s, each once.
pub(super) fn parameters(text: &str) -> Result<Vec<String>, &'static str> {
    let mut names: Vec<String> = Vec::new();
    let mut rest = text;
    while let Some(brace) = rest.find(['{', '}']) {
        let after = &rest[brace + 1..];
        let end = after
            .find('}')
            .filter(|_| rest[brace..].starts_with('{'))
            .ok_or("a `{` or `}` without its other half")?;
        let name = &after[..end];
        if !is_parameter_name(name) {
            return Err("a parameter whose name is not made of letters, digits, `_` and `-`");
        }
        if names.iter().all(|known| known != name) {
            names.push(name.to_owned());
        }
        rest = &after[end + 1..];
    }
    Ok(names)
}

/// Letters, digits, `_` and `-`.
pub(super) fn is_parameter_name(name: &str) -> bool {
    !name.is_empty()
        && name
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-')
}

fn decode_userinfo(userinfo: &str) -> Result<(String, Secret), &'static str> {
    let (username, password) = userinfo.split_once(':').unwrap_or((userinfo, ""));
    let (username, password) = (decode(username)?, decode(password)?);
    // RFC 7617, section 2: neither can be sent.
    if username.contains(':') || username.chars().chain(password.chars()).any(char::is_control) {
        return Err("a URL with credentials that can't be sent");
    }
    Ok((username, Secret(password)))
}

/// RFC 3986, section 2.1; a `%` that begins no code is a slip.
fn decode(text: &str) -> Result<String, &'static str> {
    let bytes = crate::path::decode(text).map(std::borrow::Cow::into_owned);
    let decoded = bytes.and_then(|bytes| String::from_utf8(bytes).ok());
    decoded.ok_or("a URL whose credentials are not percent-encoded UTF-8")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_taken_apart() {
        let url = OriginUrl::parse("HTTPS://us%40er:p%3Aw@[::1]:8443/a/{job}?x={job}").expect("valid");
        assert_eq!(url.url, "https://[::1]:8443/a/{job}?x={job}");
        assert_eq!(url.label(), "[::1]:8443/a/{job}");
        assert_eq!(url.userinfo, Some(("us@er".to_owned(), Secret("p:w".to_owned()))));
        assert_eq!(url.parameters, ["job"]);
        assert_eq!(url.filled.as_str(), "https://[::1]:8443/a/x?x=x");
        assert_eq!(OriginUrl::parse("http://h").expect("valid").label(), "h/");
        assert_eq!(OriginUrl::parse("http://h?q").expect("valid").url, "http://h?q");
    }

    #[test]
    fn what_is_no_origin_is_refused() {
        for text in [
            "",
            "/x",
            "example.com/x",
            "ftp://h/",
            "http://",
            "http:///x",
            "http://h:0/",
            "http://h:99999/",
            "http://h:/",
            "http://h:x/",
            "http://h\\x/",
            "http://h/#f",
            "http://h/a b",
            "http://h/ä",
            "http://{h}/",
            "http://h/{",
            "http://h/}",
            "http://h/{a b}",
            "http://h/{}",
            "http://u:%zz@h/",
            "http://u%3Av:p@h/",
            "http://u:%0A@h/",
            "http://@/",
            "http://h\n/",
            "http://[::1/",
            "http://1.2.3.4.5/",
        ] {
            assert!(OriginUrl::parse(text).is_err(), "{text}");
        }
    }

    proptest::proptest! {
        #[test]
        fn nothing_panics(text in "(https?://)?[a-z%@:/?#{}\\[\\]ä]{0,30}") {
            let _ = OriginUrl::parse(&text);
        }
    }
}
