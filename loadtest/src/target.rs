//! URLs of streams.

use crate::control::Target;
use anyhow::{Context, Result, bail, ensure};
use std::net::ToSocketAddrs;

/// Whether it is https, the authority, and path and query.
fn split(url: &str) -> Result<(bool, &str, String)> {
    let (tls, rest) = match url.split_once("://") {
        Some(("http", rest)) => (false, rest),
        Some(("https", rest)) => (true, rest),
        _ => bail!("{url:?} is not an http:// or https:// URL"),
    };
    let (authority, path) = match rest.find(['/', '?']) {
        Some(at) if rest[at..].starts_with('/') => (&rest[..at], rest[at..].to_owned()),
        Some(at) => (&rest[..at], format!("/{}", &rest[at..])),
        None => (rest, "/".to_owned()),
    };
    ensure!(
        !authority.is_empty() && !authority.contains('@'),
        "{url:?} has no host, or credentials in it: use --user"
    );
    Ok((tls, authority, path))
}

/// A URL on the command line: says what is wrong with it before anything is started.
pub(crate) fn check(url: &str) -> Result<String, String> {
    match split(url) {
        Ok(_) => Ok(url.to_owned()),
        Err(error) => Err(format!("{error}; it looks like http://127.0.0.1:8080/events")),
    }
}

/// Takes a URL apart and looks up its host: the first address that it has.
pub(crate) fn parse(url: &str) -> Result<Target> {
    let (tls, authority, path) = split(url)?;

    let has_port = authority
        .rfind(':')
        .is_some_and(|colon| !authority[colon..].contains(']'));
    let port = if tls { 443 } else { 80 };
    let full = if has_port {
        authority.to_owned()
    } else {
        format!("{authority}:{port}")
    };
    let mut found = full
        .to_socket_addrs()
        .with_context(|| format!("can't find {authority}"))?;
    let address = found.next().with_context(|| format!("{authority} has no address"))?;
    let path = path.split('#').next().unwrap_or_default().to_owned();
    Ok(Target {
        tls,
        address,
        authority: authority.to_owned(),
        path,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_taken_apart() {
        let target = parse("http://127.0.0.1:9080/events?x={client}#here").expect("valid");
        assert_eq!((target.tls, target.address.port()), (false, 9080));
        assert_eq!(
            (target.authority.as_str(), target.path.as_str()),
            ("127.0.0.1:9080", "/events?x={client}")
        );
        assert_eq!(parse("https://[::1]").expect("valid").address.to_string(), "[::1]:443");
        for wrong in ["127.0.0.1:80", "ftp://x/", "http:///x", "http://a:b@127.0.0.1/"] {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
    }
}
