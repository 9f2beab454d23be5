//! URLs of origins: `http` or `https`, checked as far as a file can be, credentials taken out.

use super::Secret;

/// A checked URL.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct OriginUrl {
    /// The URL without credentials; `{parameter}`s as written.
    pub(super) url: String,
    /// `https`.
    pub(super) tls: bool,
    /// Host and port, as written.
    pub(super) authority: String,
    /// The path, `/` if there is none; without the query.
    pub(super) path: String,
    /// Whether there is a query.
    pub(super) has_query: bool,
    /// User name and password that stood before the host.
    pub(super) userinfo: Option<(String, Secret)>,
    /// The parameters of path and query, in the order in which they stand.
    pub(super) parameters: Vec<String>,
}

impl OriginUrl {
    /// Checks a URL. The error says what is wrong, and holds nothing of the URL.
    pub(super) fn parse(text: &str) -> Result<Self, &'static str> {
        let (scheme, rest) = text.split_once("://").ok_or("no URL: it has no scheme")?;
        let tls = match scheme.to_ascii_lowercase().as_str() {
            "http" => false,
            "https" => true,
            _ => return Err("a URL with another scheme"),
        };
        if !text.bytes().all(|b| b.is_ascii_graphic()) {
            return Err("a URL with a character that must be percent-encoded");
        }
        if rest.contains('#') {
            return Err("a URL with a fragment");
        }
        let path_start = rest.find(['/', '?']).unwrap_or(rest.len());
        let (authority, target) = rest.split_at(path_start);
        let (userinfo, authority) = match authority.rsplit_once('@') {
            Some((userinfo, authority)) => (Some(decode_userinfo(userinfo)?), authority),
            None => (None, authority),
        };
        let (path, has_query) = match target.split_once('?') {
            Some((path, _)) => (path, true),
            None => (target, false),
        };
        let path = if path.is_empty() { "/" } else { path };
        let parameters = parameters(target)?;
        check_authority(authority)?;
        // What stands for a parameter is percent-encoded when it is put in: a letter stands for all of it here.
        let mut filled = target.to_owned();
        for parameter in &parameters {
            filled = filled.replace(&format!("{{{parameter}}}"), "x");
        }
        let slash = if filled.starts_with('/') { "" } else { "/" };
        let whole = format!("{}://{authority}{slash}{filled}", if tls { "https" } else { "http" });
        whole.parse::<hyper::Uri>().map_err(|_| "no valid URL")?;
        Ok(Self {
            url: format!("{}://{authority}{target}", scheme.to_ascii_lowercase()),
            tls,
            authority: authority.to_owned(),
            path: path.to_owned(),
            has_query,
            userinfo,
            parameters,
        })
    }

    /// The label of metrics and logs: host, port and path.
    pub(super) fn label(&self) -> String {
        format!("{}{}", self.authority, self.path)
    }
}

/// What is expected where a URL stands.
pub(super) const URL_FORM: &str = "a URL such as `https://origin.example.com/events`";

/// Credentials in URLs replaced by `***`, wherever in `text` they stand.
pub(super) fn mask(text: &str) -> String {
    let (mut out, mut rest) = (String::with_capacity(text.len()), text);
    while let Some(start) = rest.find("://") {
        let (before, after) = rest.split_at(start + 3);
        out.push_str(before);
        let end = after.find(['/', '?', '#', ' ']).unwrap_or(after.len());
        rest = match after[..end].rfind('@') {
            Some(at) => {
                out.push_str("***");
                &after[at..]
            }
            None => after,
        };
    }
    out + rest
}

/// Query values masked whose name says that they are secret, for what is printed.
pub(super) fn mask_query(url: &str) -> String {
    let Some((before, query)) = url.split_once('?') else {
        return url.to_owned();
    };
    let pairs = query.split('&').map(|pair| match pair.split_once('=') {
        // A parameter of the path is no secret: it is a place for one of the client's.
        Some((name, value)) if names_a_secret(name) && !value.starts_with('{') => format!("{name}=***"),
        _ => pair.to_owned(),
    });
    format!("{before}?{}", pairs.collect::<Vec<_>>().join("&"))
}

/// Whether a header or a query parameter of this name is likely to hold a secret.
pub(super) fn names_a_secret(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    [
        "auth",
        "cookie",
        "credential",
        "key",
        "pass",
        "pwd",
        "secret",
        "session",
        "sig",
        "token",
    ]
    .iter()
    .any(|part| name.contains(part))
}

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

fn check_authority(authority: &str) -> Result<(), &'static str> {
    if authority.contains(['{', '}']) {
        // The client would choose whom the relay connects to.
        return Err("a URL with a parameter in its host");
    }
    let parsed: hyper::http::uri::Authority = authority.parse().map_err(|_| "a URL without a valid host")?;
    let port = authority
        .strip_prefix(parsed.host())
        .ok_or("a URL without a valid host")?;
    match (parsed.host(), port, parsed.port_u16()) {
        ("", ..) => Err("a URL without a host"),
        (_, "", None) => Ok(()),
        (_, _, Some(port)) if port > 0 => Ok(()),
        _ => Err("a URL with an impossible port"),
    }
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

/// RFC 3986, section 2.1.
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
        assert!(url.tls && url.has_query);
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
        ] {
            assert!(OriginUrl::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn secrets_are_masked() {
        assert_eq!(
            mask("http://u:p@h/x and https://t@h"),
            "http://***@h/x and https://***@h"
        );
        assert_eq!(mask("http://h/x@y"), "http://h/x@y");
        assert_eq!(
            mask_query("http://h/?a=1&access_token=2&Key={k}"),
            "http://h/?a=1&access_token=***&Key={k}"
        );
    }

    proptest::proptest! {
        #[test]
        fn nothing_panics(text in "(https?://)?[a-z%@:/?#{}\\[\\]ä]{0,30}") {
            let _ = (OriginUrl::parse(&text), mask(&text), mask_query(&text));
        }
    }
}
