//! The upstreams of one source: a URL, a mapping, or a list of them.

use super::file::{ANY_DURATION, SOME_DURATION};
use super::keys;
use super::print::MASK;
use super::reader::{Item, Section};
use super::url::{self, OriginUrl, URL_FORM};
use super::yaml::Value;
use super::*;
use hyper::header::{HeaderName, HeaderValue};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use std::io::Read as _;

/// A secret's file: a password or a token, not a disk.
const SECRET_FILE_BYTES_MAX: u64 = 64 << 10;

/// Headers that belong to the connection or to the message's framing (RFC 9110, section 7.6.1; RFC 9112, section 6).
const NOT_FOR_REQUESTS: [&str; 8] = [
    "connection",
    "content-length",
    "keep-alive",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// Reads all upstreams of a source. `parameters`: those of its path, if that could be read.
pub(super) fn read_all(item: &Item<'_>, parameters: Option<&[&str]>) -> Option<Vec<Upstream>> {
    let items = item.one_or_more();
    if items.is_empty() {
        item.mistake("an empty list", "at least one upstream");
        return None;
    }
    let upstreams: Vec<_> = items.iter().map(|item| read(item, parameters)).collect();
    let mut upstreams: Vec<Upstream> = upstreams.into_iter().collect::<Option<_>>()?;
    name_apart(&mut upstreams);
    let names_none = |upstream: &Upstream| match &upstream.target {
        Target::Urls(urls) => urls.iter().all(|url| !url.contains('{')),
        Target::Feed(_) => true,
    };
    if parameters.is_some_and(|parameters| !parameters.is_empty()) && upstreams.iter().all(names_none) {
        item.warn("no parameter of the path is used: every channel reads the same stream");
    }
    Some(upstreams)
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

fn read(item: &Item<'_>, parameters: Option<&[&str]>) -> Option<Upstream> {
    match &item.node.value {
        Value::Map(_) => read_section(item, parameters),
        _ => origin_url(item, parameters).map(Upstream::of),
    }
}

fn read_section(item: &Item<'_>, parameters: Option<&[&str]>) -> Option<Upstream> {
    let section = item.section(keys::names(keys::UPSTREAM))?;
    let place = place(&section, parameters);
    let credentials = credentials(&section);
    let headers = section.get("headers").map_or(Some(Vec::new()), |item| headers(&item));
    let tls = section
        .get("tls")
        .map_or(Some(UpstreamTls::default()), |item| tls(&item));
    let default = Upstream::at(String::new(), Target::Urls(Vec::new()));
    let http2 = section.flag("http2", default.http2);
    let read_timeout = section.duration("read_timeout", default.read_timeout, ANY_DURATION);
    let connect_timeout = section.duration("connect_timeout", default.connect_timeout, SOME_DURATION);
    let reconnect = section.duration("reconnect", default.reconnect, SOME_DURATION);
    let reconnect_max_default = default.reconnect_max.max(reconnect.unwrap_or_default());
    let reconnect_max = section.duration("reconnect_max", reconnect_max_default, SOME_DURATION);
    if let (Some(first), Some(bound)) = (reconnect, reconnect_max)
        && bound < first
    {
        section.mistake_at("reconnect_max", "shorter than `reconnect`", "at least as much");
    }
    let has_tls = section.get("tls");
    section.finish();

    let (place, credentials, headers) = (place?, credentials?, headers?);
    if let (Some(tls), false) = (has_tls, place.urls.iter().any(|url| url.tls)) {
        tls.warn("no effect: no URL is `https`");
    }
    let credentials = match (credentials, place.userinfo(item)?) {
        (Some(_), Some(_)) => {
            item.mistake("credentials in the URL and beside it", "one of them");
            return None;
        }
        (beside, within) => beside.or(within),
    };
    for (name, _) in &headers {
        match name.as_str() {
            "authorization" if credentials.is_some() => {
                item.warn("the header `authorization` replaces the credentials")
            }
            "last-event-id" => item.warn("the header `last-event-id` replaces the relay's own: it can't resume"),
            _ => {}
        }
    }
    let urls = place.urls.iter().map(|url| url.url.clone()).collect::<Vec<_>>();
    let target = if place.is_feed {
        Target::Feed(urls.into_iter().next()?)
    } else {
        Target::Urls(urls)
    };
    Some(Upstream {
        name: place.urls.first()?.label(),
        target,
        credentials,
        headers,
        tls: tls?,
        http2: http2?,
        read_timeout: read_timeout?,
        connect_timeout: connect_timeout?,
        reconnect: reconnect?,
        reconnect_max: reconnect_max?,
    })
}

/// What `url`, `urls` or `feed` say; `urls` is never empty.
struct Origin {
    urls: Vec<OriginUrl>,
    is_feed: bool,
}

impl Origin {
    /// The credentials in the URLs: all the same, or none.
    fn userinfo(&self, item: &Item<'_>) -> Option<Option<Credentials>> {
        let first = self.urls.first()?.userinfo.as_ref();
        if self.urls.iter().any(|url| url.userinfo.as_ref() != first) {
            item.mistake(
                "different credentials in the URLs",
                "the same ones; better `username` and `password`",
            );
            return None;
        }
        let basic = |(username, password): &(String, Secret)| Credentials::Basic {
            username: username.clone(),
            password: password.clone(),
        };
        Some(first.map(basic))
    }
}

fn place(section: &Section<'_>, parameters: Option<&[&str]>) -> Option<Origin> {
    match (section.get("url"), section.get("urls"), section.get("feed")) {
        (Some(url), None, None) => Some(Origin {
            urls: vec![origin_url(&url, parameters)?],
            is_feed: false,
        }),
        (None, Some(urls), None) => {
            let items = urls.list("a list of URLs")?;
            if items.is_empty() {
                urls.mistake("an empty list", "at least one URL");
                return None;
            }
            let urls: Vec<_> = items.iter().map(|item| origin_url(item, parameters)).collect();
            Some(Origin {
                urls: urls.into_iter().collect::<Option<_>>()?,
                is_feed: false,
            })
        }
        (None, None, Some(feed)) => Some(Origin {
            urls: vec![origin_url(&feed, parameters)?],
            is_feed: true,
        }),
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
    }
}

fn origin_url(item: &Item<'_>, parameters: Option<&[&str]>) -> Option<OriginUrl> {
    let url = match OriginUrl::parse(item.text(URL_FORM)?) {
        Ok(url) => url,
        Err(why) => {
            item.mistake(format!("{} is {why}", item.found()), URL_FORM);
            return None;
        }
    };
    if url.has_query && url.url.contains(MASK) {
        item.warn_of_mask();
    }
    let unknown = parameters.and_then(|known| url.parameters.iter().find(|name| !known.contains(&name.as_str())));
    if let Some(name) = unknown {
        let expected = match parameters {
            Some([]) | None => "no parameter here".to_owned(),
            Some(known) => super::reader::one_of(known),
        };
        item.mistake(format!("the parameter `{name}` is not one of the path"), expected);
        return None;
    }
    Some(url)
}

/// `None`: a mistake. `Some(None)`: none are given.
fn credentials(section: &Section<'_>) -> Option<Option<Credentials>> {
    let username = section.get("username");
    let basic_form = "`username` with `password` or `password_file`";
    let password = secret(section, "password", "password_file");
    let bearer = secret(section, "bearer", "bearer_file");
    match (username, password?, bearer?) {
        (None, None, None) => Some(None),
        (Some(username), Some(password), None) => basic_credentials(&username, password).map(Some),
        (None, None, Some(token)) => {
            // RFC 6750, section 2.1, a little wider: what is visible and needs no quotes.
            if !token.0.bytes().all(|b| b.is_ascii_graphic()) || token.0.is_empty() {
                section.item.mistake(
                    "a bearer token that no header can carry",
                    "visible ASCII without spaces",
                );
                return None;
            }
            Some(Some(Credentials::Bearer(token)))
        }
        (Some(_), None, None) => {
            section.mistake_at("username", "no password", basic_form);
            None
        }
        (None, Some(_), None) => {
            let key = if section.place("password").is_some() {
                "password"
            } else {
                "password_file"
            };
            section.mistake_at(key, "no user name", basic_form);
            None
        }
        _ => {
            section
                .item
                .mistake("Basic and Bearer credentials at once", "one of them");
            None
        }
    }
}

/// User name and password of the legacy file: both, or neither.
pub(super) fn basic(
    item: &Item<'_>,
    username: Option<&Item<'_>>,
    password: Option<&Item<'_>>,
) -> Option<Option<Credentials>> {
    match (username, password) {
        (None, None) => Some(None),
        (Some(username), Some(password)) => {
            basic_credentials(username, Secret(password.secret_text()?.to_owned())).map(Some)
        }
        _ => {
            item.mistake("only one of `username` and `password`", "both, or none");
            None
        }
    }
}

/// RFC 7617, section 2.
fn basic_credentials(username: &Item<'_>, password: Secret) -> Option<Credentials> {
    let text = username.text("a user name")?;
    if text.contains(':') || text.chars().any(char::is_control) || password.0.chars().any(char::is_control) {
        username.mistake(
            "credentials that can't be sent",
            "a user name without `:`, and no control characters",
        );
        return None;
    }
    Some(Credentials::Basic {
        username: text.to_owned(),
        password,
    })
}

/// A secret that stands in the file, or in a file of its own.
fn secret(section: &Section<'_>, key: &'static str, file_key: &'static str) -> Option<Option<Secret>> {
    match (section.get(key), section.get(file_key)) {
        (None, None) => Some(None),
        (Some(item), None) => item.secret_text().map(|text| Some(Secret(text.to_owned()))),
        (None, Some(item)) => secret_file(&item).map(Some),
        (Some(_), Some(_)) => {
            section.mistake_at(file_key, &format!("beside `{key}`"), "one of them");
            None
        }
    }
}

fn secret_file(item: &Item<'_>) -> Option<Secret> {
    let path = file_path(item)?;
    let read = || -> Result<String, String> {
        let mut bytes = Vec::new();
        let file = std::fs::File::open(&path).map_err(|error| error.to_string())?;
        file.take(SECRET_FILE_BYTES_MAX + 1)
            .read_to_end(&mut bytes)
            .map_err(|error| error.to_string())?;
        if bytes.len() as u64 > SECRET_FILE_BYTES_MAX {
            return Err(format!("it has more than {SECRET_FILE_BYTES_MAX} bytes"));
        }
        String::from_utf8(bytes).map_err(|_| "it is not UTF-8".to_owned())
    };
    match read() {
        // The line end that editors add, and `echo`.
        Ok(text) if !text.trim_end_matches(['\r', '\n']).is_empty() => {
            Some(Secret(text.trim_end_matches(['\r', '\n']).to_owned()))
        }
        Ok(_) => {
            item.mistake(format!("{} is empty", item.found()), "a file with the secret");
            None
        }
        Err(why) => {
            item.mistake(
                format!("{} can't be read: {why}", item.found()),
                "a file with the secret",
            );
            None
        }
    }
}

/// A path in the file is relative to the file.
fn file_path(item: &Item<'_>) -> Option<PathBuf> {
    let text = item.text("a file's path")?;
    if text.is_empty() {
        item.mistake("an empty path", "a file's path");
        return None;
    }
    let folder = std::path::Path::new(item.diagnostics.file()).parent();
    Some(folder.map_or_else(|| PathBuf::from(text), |folder| folder.join(text)))
}

pub(super) fn headers(item: &Item<'_>) -> Option<Vec<(HeaderName, HeaderValue)>> {
    let mut headers: Vec<(HeaderName, HeaderValue)> = Vec::new();
    let mut complete = true;
    for (entry, item) in item.entries("a mapping from header names to values")? {
        let name = HeaderName::from_bytes(entry.key.as_bytes()).ok();
        let wrong = match &name {
            None => Some(("not a header's name", "a header's name")),
            Some(name) if NOT_FOR_REQUESTS.contains(&name.as_str()) => {
                Some(("a header that belongs to the connection", "no such header"))
            }
            Some(name) if headers.iter().any(|(known, _)| known == name) => Some((
                "the same header a second time",
                "each header once; names don't depend on case",
            )),
            Some(_) => None,
        };
        if let Some((what, expected)) = wrong {
            item.diagnostics
                .mistake(entry.place, &item.path, what, Some(expected.to_owned()));
            complete = false;
        }
        let value = header_value(&item, &entry.key);
        match (name, value) {
            (Some(name), Some(value)) => headers.push((name, value)),
            _ => complete = false,
        }
    }
    complete.then_some(headers)
}

/// A value, marked as sensitive if it may be a secret: from the environment, or by the header's name.
fn header_value(item: &Item<'_>, name: &str) -> Option<HeaderValue> {
    let Some(mut value) = item.secret_text().and_then(|text| HeaderValue::from_str(text).ok()) else {
        if item
            .scalar()
            .is_some_and(|scalar| scalar.text.is_some() && !scalar.is_null())
        {
            item.mistake("a value that no header can carry", "visible ASCII in one line");
        }
        return None;
    };
    value.set_sensitive(item.is_from_environment() || url::names_a_secret(name));
    Some(value)
}

fn tls(item: &Item<'_>) -> Option<UpstreamTls> {
    let section = item.section(keys::names(keys::UPSTREAM_TLS))?;
    let certificates = "a PEM file with certificates";
    let has_certificate = |path: &PathBuf| match CertificateDer::pem_file_iter(path) {
        Ok(mut found) => found.next().is_some_and(|first| first.is_ok()),
        Err(_) => false,
    };
    let has_key = |path: &PathBuf| PrivateKeyDer::from_pem_file(path).is_ok();
    let ca = pem_file(&section, "ca", certificates, has_certificate);
    let cert = pem_file(&section, "cert", certificates, has_certificate);
    let key = pem_file(&section, "key", "a PEM file with a private key", has_key);
    let server_name = match section.get("server_name") {
        Some(item) => item
            .text("a host name")
            .and_then(|name| match ServerName::try_from(name) {
                Ok(_) => Some(Some(name.to_owned())),
                Err(_) => {
                    item.mistake(item.found(), "a host name");
                    None
                }
            }),
        None => Some(None),
    };
    section.finish();
    let tls = UpstreamTls {
        ca: ca?,
        cert: cert?,
        key: key?,
        server_name: server_name?,
    };
    if tls.cert.is_some() != tls.key.is_some() {
        item.mistake("only one of `cert` and `key`", "both, or none");
        return None;
    }
    Some(tls)
}

fn pem_file(
    section: &Section<'_>,
    key: &'static str,
    expected: &str,
    check: impl Fn(&PathBuf) -> bool,
) -> Option<Option<PathBuf>> {
    let Some(item) = section.get(key) else {
        return Some(None);
    };
    let path = file_path(&item)?;
    if let Err(error) = std::fs::File::open(&path) {
        item.mistake(format!("{} can't be read: {error}", item.found()), expected);
        return None;
    }
    if !check(&path) {
        item.mistake(format!("{} holds none", item.found()), expected);
        return None;
    }
    Some(Some(path))
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
