//! The request: what it says, and which origins get what is secret.
//!
//! The *configured origin* is the one (scheme, host, port) that the operator named. Credentials,
//! configured headers and the client certificate go to it alone; elsewhere, where redirects and
//! feeds can lead, goes a plain request.

use super::url::Url;
use crate::config::{self, Credentials};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use bytes::Bytes;
use http_body_util::Empty;
use hyper::header::{
    ACCEPT, ACCEPT_ENCODING, ACCEPT_LANGUAGE, AUTHORIZATION, CACHE_CONTROL, HOST, HeaderMap, HeaderName, HeaderValue,
    USER_AGENT,
};
use hyper::{Request, Uri};

/// `Last-Event-ID` (9.2.4 of the HTML standard).
const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");

/// Configured headers that say nothing about the operator's relation to the origin, and may go
/// anywhere.
const HARMLESS: [HeaderName; 2] = [USER_AGENT, ACCEPT_LANGUAGE];

/// What is asked for.
#[derive(Debug, Clone, Copy)]
pub(super) enum Wanted<'a> {
    /// The stream, from the place that this id names.
    Stream(Option<&'a HeaderValue>),
    /// The Atom feed that names the stream.
    Feed,
    /// Something else, of these types: an `Accept` field.
    Document(&'static str),
}

/// The origin that the operator named, and what is said only there.
pub(super) struct ConfiguredOrigin<'a> {
    config: &'a config::Upstream,
    url: Url,
    /// The `Host` that the operator has us present.
    host: Option<&'a HeaderValue>,
}

impl<'a> ConfiguredOrigin<'a> {
    pub(super) fn new(config: &'a config::Upstream, url: Url) -> Self {
        let host = config
            .headers
            .iter()
            .rfind(|(name, _)| name == HOST)
            .map(|(_, value)| value);
        Self { config, url, host }
    }

    /// The configured URL.
    pub(super) fn url(&self) -> &Url {
        &self.url
    }

    /// The upstream's configuration.
    pub(super) fn config(&self) -> &'a config::Upstream {
        self.config
    }

    /// Whether this URL leads to the configured origin.
    pub(super) fn is(&self, url: &Url) -> bool {
        self.url.same_origin(url)
    }

    /// Where a URL that the origin wrote is to be fetched.
    ///
    /// An origin that is shown a public `Host` writes it into its links and redirects. That name
    /// leads to whatever stands in front, the relay itself perhaps, so it is taken for the origin
    /// that wrote it.
    pub(super) fn locate(&self, url: Url) -> Url {
        let field = url.host_field();
        match self.host {
            Some(host) if field.as_bytes().eq_ignore_ascii_case(host.as_bytes()) => url.moved_to(&self.url),
            _ => url,
        }
    }

    /// The request for one URL, for HTTP/1.1 or HTTP/2.
    pub(super) fn request(&self, url: &Url, wanted: Wanted<'_>) -> Request<Empty<Bytes>> {
        let mut headers = HeaderMap::new();
        headers.insert(HOST, ascii(&url.host_field()));
        headers.insert(
            USER_AGENT,
            HeaderValue::from_static(concat!("fanfare/", env!("CARGO_PKG_VERSION"))),
        );
        headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
        match wanted {
            Wanted::Stream(id) => {
                headers.insert(ACCEPT, HeaderValue::from_static("text/event-stream"));
                if let Some(id) = id {
                    headers.insert(LAST_EVENT_ID, id.clone());
                }
            }
            Wanted::Feed => {
                headers.insert(
                    ACCEPT,
                    HeaderValue::from_static("application/atom+xml, application/xml;q=0.9, */*;q=0.1"),
                );
            }
            Wanted::Document(types) => {
                headers.insert(ACCEPT, HeaderValue::from_static(types));
            }
        }
        let at_home = self.is(url);
        if at_home && let Some(authorization) = self.authorization() {
            headers.insert(AUTHORIZATION, authorization);
        }
        let may_go = |name: &HeaderName| at_home || HARMLESS.contains(name);
        for (name, _) in self.config.headers.iter().filter(|(name, _)| may_go(name)) {
            headers.remove(name);
        }
        for (name, value) in self.config.headers.iter().filter(|(name, _)| may_go(name)) {
            if !(matches!(wanted, Wanted::Feed) && name == ACCEPT) {
                headers.append(name, value.clone());
            }
        }
        let mut request = Request::new(Empty::new());
        *request.uri_mut() = self.target(url, &mut headers);
        *request.headers_mut() = headers;
        request
    }

    /// The request target: a path in HTTP/1.1; in HTTP/2 the whole URL, whose authority stands for
    /// `Host` (RFC 9113, 8.3.1).
    fn target(&self, url: &Url, headers: &mut HeaderMap) -> Uri {
        let path_and_query = url.path_and_query().clone();
        if !self.config.http2 {
            return Uri::from(path_and_query);
        }
        let host = headers.remove(HOST);
        let host = host.as_ref().and_then(|host| host.to_str().ok()).unwrap_or_default();
        let whole = |authority: &str| {
            let scheme = if url.is_tls() { "https" } else { "http" };
            Uri::builder()
                .scheme(scheme)
                .authority(authority)
                .path_and_query(path_and_query.clone())
                .build()
        };
        // A configured Host that is no authority can't be presented in HTTP/2: the URL's own goes
        // instead.
        whole(host)
            .or_else(|_| whole(&url.host_field()))
            .expect("a checked URL's parts make a URI")
    }

    /// Configured credentials; else those written into the URL.
    fn authorization(&self) -> Option<HeaderValue> {
        let basic = |user: &str, password: &str| format!("Basic {}", BASE64.encode(format!("{user}:{password}")));
        let field = match &self.config.credentials {
            Some(Credentials::Basic { username, password }) => basic(username, &password.0),
            Some(Credentials::Bearer(token)) => format!("Bearer {}", token.0.trim()),
            None => {
                let (user, password) = self.url.userinfo()?;
                basic(&user, &password)
            }
        };
        let mut value = HeaderValue::try_from(field).ok()?;
        value.set_sensitive(true);
        Some(value)
    }
}

/// A host is ASCII, as checked when the URL was parsed.
fn ascii(text: &str) -> HeaderValue {
    HeaderValue::from_str(text).expect("a checked host is a valid field")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Secret;
    use crate::upstream::testing::config;

    fn header(name: &str, value: &str) -> (HeaderName, HeaderValue) {
        (name.parse().unwrap(), value.parse().unwrap())
    }

    fn url(text: &str) -> Url {
        Url::parse(text).unwrap()
    }

    fn asked(config: &config::Upstream, configured: &str, at: &str) -> HeaderMap {
        let request = ConfiguredOrigin::new(config, url(configured)).request(&url(at), Wanted::Stream(None));
        request.headers().clone()
    }

    #[test]
    fn it_asks_for_an_event_stream() {
        let config = config("http://h:81/x?y");
        let id = HeaderValue::from_static("7");
        let request = ConfiguredOrigin::new(&config, url("http://h:81/x?y"))
            .request(&url("http://h:81/x?y"), Wanted::Stream(Some(&id)));
        assert_eq!(request.uri(), "/x?y");
        for (name, value) in [
            ("host", "h:81"),
            ("accept", "text/event-stream"),
            ("cache-control", "no-cache"),
            ("accept-encoding", "identity"),
            ("last-event-id", "7"),
        ] {
            assert_eq!(request.headers()[name], value);
        }
    }

    #[test]
    fn configured_headers_replace_ours_and_add_up_among_themselves() {
        let mut config = config("http://h/");
        config.headers = vec![
            header("host", "public"),
            header("user-agent", "me"),
            header("x", "1"),
            header("x", "2"),
        ];
        let headers = asked(&config, "http://h/", "http://h/");
        assert_eq!(headers["host"], "public");
        assert_eq!(headers["user-agent"], "me");
        assert_eq!(headers.get_all("x").iter().collect::<Vec<_>>(), ["1", "2"]);
        assert_eq!(headers.get_all("host").iter().count(), 1);
    }

    #[test]
    fn what_is_secret_is_said_at_home_only() {
        let mut config = config("https://h/");
        config.credentials = Some(Credentials::Bearer(Secret("t0ken\n".to_owned())));
        config.headers = vec![
            header("cookie", "c"),
            header("x-api-key", "k"),
            header("host", "public"),
            header("user-agent", "me"),
        ];
        assert_eq!(
            asked(&config, "https://h/", "https://h:443/other")["authorization"],
            "Bearer t0ken"
        );
        for elsewhere in ["https://h:444/", "http://h/", "https://other/", "https://h.other/"] {
            let headers = asked(&config, "https://h/", elsewhere);
            for name in ["authorization", "cookie", "x-api-key"] {
                assert!(!headers.contains_key(name), "{name} at {elsewhere}");
            }
            assert_eq!(headers["user-agent"], "me");
            assert_ne!(headers["host"], "public");
        }
    }

    #[test]
    fn basic_credentials_are_configured_or_in_the_url() {
        let mut config = config("http://u:p%3A@h/");
        assert_eq!(
            asked(&config, "http://u:p%3A@h/", "http://h/")["authorization"],
            "Basic dTpwOg=="
        );
        config.credentials = Some(Credentials::Basic {
            username: "å".to_owned(),
            password: Secret("b".to_owned()),
        });
        let headers = asked(&config, "http://u:p@h/", "http://h/");
        assert_eq!(headers["authorization"], "Basic w6U6Yg==");
        assert!(headers["authorization"].is_sensitive());
    }

    #[test]
    fn http2_says_the_host_in_its_target() {
        let mut config = config("https://h:8443/x");
        config.http2 = true;
        config.headers = vec![header("host", "public.example")];
        let request = ConfiguredOrigin::new(&config, url("https://h:8443/x"))
            .request(&url("https://h:8443/x"), Wanted::Stream(None));
        assert_eq!(request.uri(), "https://public.example/x");
        assert!(!request.headers().contains_key("host"));
    }

    #[test]
    fn the_presented_host_leads_home() {
        let mut config = config("http://inner:8080/feed");
        config.headers = vec![header("host", "Public.example")];
        let configured = ConfiguredOrigin::new(&config, url("http://inner:8080/feed"));
        assert_eq!(
            configured.locate(url("https://public.example/sse?a")),
            url("http://inner:8080/sse?a")
        );
        assert_eq!(
            configured.locate(url("http://public.example:81/sse")),
            url("http://public.example:81/sse")
        );
    }
}
