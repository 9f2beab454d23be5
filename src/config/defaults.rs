//! What holds where the file says nothing, each value named; and configurations without a file.

use super::diagnostics::{Collector, Diagnostics, Place};
use super::paths::ClientPath;
use super::url::{self, OriginUrl};
use super::*;

/// Clients connect here.
pub const LISTEN: SocketAddr = SocketAddr::V4(std::net::SocketAddrV4::new(std::net::Ipv4Addr::UNSPECIFIED, 9080));
/// The admin listener: this machine only.
pub const ADMIN: SocketAddr = SocketAddr::V4(std::net::SocketAddrV4::new(std::net::Ipv4Addr::LOCALHOST, 7090));

pub(super) const CLIENTS: usize = 100_000;
pub(super) const HEADER_TIMEOUT: Duration = Duration::from_secs(10);
pub(super) const KEEP_ALIVE: Duration = Duration::from_secs(75);
pub(super) const HEADER_BYTES: usize = 16 << 10;
pub(super) const CHANNELS: usize = 10_000;
pub(super) const DRAIN_DELAY: Duration = Duration::ZERO;
pub(super) const DRAIN_SPREAD: Duration = Duration::from_secs(10);
pub(super) const DRAIN_TIMEOUT: Duration = Duration::from_secs(30);

pub(super) const LOG_EVENTS: usize = 10_000;
pub(super) const LOG_BYTES: u64 = 16 << 20;
pub(super) const LOG_AGE: Duration = Duration::from_secs(600);
pub(super) const HEARTBEAT_EVERY: Duration = Duration::from_secs(15);
pub(super) const HEARTBEAT_BLOCK: &[u8] = b":\n\n";
pub(super) const SLOW_EVENTS: u64 = 10_000;
pub(super) const SLOW_BYTES: u64 = 1 << 20;
pub(super) const SLOW_STALL: Duration = Duration::from_secs(20);
pub(super) const SLOW_PAUSE_MAX: Duration = Duration::from_secs(10);
pub(super) const RECONNECT: Duration = Duration::from_secs(3);
pub(super) const RECONNECT_JITTER: f64 = 0.5;
pub(super) const IDLE_TIMEOUT: Duration = Duration::from_secs(30);
pub(super) const GAP_EVENT: &str = "fanfare.gap";
pub(super) const LINGER: Duration = Duration::from_secs(300);
pub(super) const RETRY_ENDED_AFTER: Duration = Duration::from_secs(600);
pub(super) const EVENT_BYTES_MAX: usize = 1 << 20;

pub(super) const CORS_HEADERS: [&str; 3] = ["Last-Event-ID", "Authorization", "Cache-Control"];
pub(super) const CORS_METHODS: [&str; 2] = ["GET", "HEAD"];
pub(super) const CORS_MAX_AGE: Duration = Duration::from_secs(30 * 60);

pub(super) const READ_TIMEOUT: Duration = Duration::from_secs(60);
pub(super) const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
pub(super) const UPSTREAM_RECONNECT: Duration = Duration::from_secs(3);
pub(super) const UPSTREAM_RECONNECT_MAX: Duration = Duration::from_secs(60);

pub(super) const PASS_CONNECTIONS_MAX: usize = 1024;
pub(super) const PASS_BODY_BYTES_MAX: usize = 8 << 20;

/// Delivery shards for `workers: auto`.
pub(super) fn workers() -> usize {
    std::thread::available_parallelism().map_or(1, std::num::NonZero::get)
}

impl Config {
    /// The configuration of `serve --upstream URL --path PATH`: one source named `default`, everything else by default.
    /// Credentials in the URL are taken out of it and used.
    pub fn for_upstream(url: &str, path: &str) -> Result<Self, Diagnostics> {
        let diagnostics = Collector::new("command line");
        let mistake = |key, what: &str, form: &str| {
            diagnostics.mistake(Place::default(), key, what, Some(form.to_owned()));
        };
        let parsed_path = ClientPath::parse(path)
            .map_err(|what| mistake("--path", what, paths::PATH_FORM))
            .ok();
        let parsed_url = OriginUrl::parse(url)
            .map_err(|what| mistake("--upstream", what, url::URL_FORM))
            .ok();
        if let (Some(path), Some(url)) = (&parsed_path, &parsed_url) {
            let unknown = url
                .parameters
                .iter()
                .find(|name| !path.parameters().contains(&name.as_str()));
            if let Some(name) = unknown {
                let what = format!("the parameter `{{{name}}}` is not one of the path");
                mistake("--upstream", &what, "only parameters of `--path`");
            }
        }
        let source = parsed_url.map(|url| Source::defaults("default", path, vec![Upstream::of(url)]));
        let (source, _) = diagnostics.finish(source)?;
        Ok(Self::defaults(vec![source]))
    }

    /// These sources, everything else by default.
    pub fn defaults(sources: Vec<Source>) -> Self {
        Self {
            listen: vec![Listen::Tcp(LISTEN)],
            admin: Some(ADMIN),
            public_url: None,
            workers: workers(),
            limits: Limits::default(),
            trusted_proxies: Vec::new(),
            drain: Drain::default(),
            sources: sources.into_iter().map(Arc::new).collect(),
            pass: Vec::new(),
        }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            clients: CLIENTS,
            clients_per_ip: 0,
            accepts_per_second: 0,
            header_timeout: HEADER_TIMEOUT,
            keep_alive: KEEP_ALIVE,
            header_bytes: HEADER_BYTES,
            channels: CHANNELS,
        }
    }
}

impl Default for Drain {
    fn default() -> Self {
        Self {
            delay: DRAIN_DELAY,
            spread: DRAIN_SPREAD,
            timeout: DRAIN_TIMEOUT,
        }
    }
}

impl Default for LogLimits {
    fn default() -> Self {
        Self {
            events: LOG_EVENTS,
            bytes: LOG_BYTES,
            age: LOG_AGE,
        }
    }
}

impl Default for Heartbeat {
    fn default() -> Self {
        Self {
            every: HEARTBEAT_EVERY,
            block: bytes::Bytes::from_static(HEARTBEAT_BLOCK),
        }
    }
}

impl Default for SlowClient {
    fn default() -> Self {
        Self {
            policy: SlowPolicy::Evict,
            events: SLOW_EVENTS,
            bytes: SLOW_BYTES,
            stall: SLOW_STALL,
            pause_max: SLOW_PAUSE_MAX,
        }
    }
}

impl Cors {
    /// Scripts of any origin may read, without credentials.
    pub fn any_origin() -> Self {
        let texts = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect();
        Self {
            origins: texts(&["*"]),
            credentials: false,
            headers: texts(&CORS_HEADERS),
            methods: texts(&CORS_METHODS),
            exposed_headers: Vec::new(),
            max_age: CORS_MAX_AGE,
        }
    }
}

impl Source {
    /// A source with these upstreams, everything else by default. Nothing is checked here.
    pub fn defaults(name: &str, path: &str, upstreams: Vec<Upstream>) -> Self {
        let templated = path.contains('{');
        Self {
            name: name.to_owned(),
            paths: vec![path.to_owned()],
            upstreams,
            ids: Ids::Auto,
            start: Self::default_start(templated),
            log: LogLimits::default(),
            heartbeat: Heartbeat::default(),
            slow_client: SlowClient::default(),
            reconnect: RECONNECT,
            reconnect_jitter: RECONNECT_JITTER,
            retry: Forward::Never,
            comments: Forward::Never,
            idle_timeout: IDLE_TIMEOUT,
            gap_event: Some(GAP_EVENT.to_owned()),
            end_when: Vec::new(),
            linger: LINGER,
            retry_ended_after: RETRY_ENDED_AFTER,
            coalesce: Duration::ZERO,
            stagger: Duration::ZERO,
            event_bytes_max: EVENT_BYTES_MAX,
            max_age: Duration::ZERO,
            // A templated source has no channel before its first client: waiting for it would never end.
            required: !templated,
            refuse: Refuse::Retry,
            cors: None,
        }
    }

    /// Whether its paths hold parameters: one channel for each value instead of exactly one.
    pub fn is_templated(&self) -> bool {
        self.paths.iter().any(|path| path.contains('{'))
    }

    /// Who comes late to a job's stream wants all of it.
    pub(super) fn default_start(templated: bool) -> Start {
        if templated { Start::Earliest } else { Start::Live }
    }
}

impl Upstream {
    /// An upstream at this URL, everything else by default. Nothing is checked here: what is no URL is kept as it is.
    pub fn defaults(url: &str) -> Self {
        match OriginUrl::parse(url) {
            Ok(url) => Self::of(url),
            Err(_) => Self::at(url.to_owned(), Target::Urls(vec![url.to_owned()])),
        }
    }

    pub(super) fn of(url: OriginUrl) -> Self {
        let label = url.label();
        let mut upstream = Self::at(label, Target::Urls(vec![url.url]));
        upstream.credentials = url
            .userinfo
            .map(|(username, password)| Credentials::Basic { username, password });
        upstream
    }

    pub(super) fn at(name: String, target: Target) -> Self {
        Self {
            name,
            target,
            credentials: None,
            headers: Vec::new(),
            tls: UpstreamTls::default(),
            http2: false,
            read_timeout: READ_TIMEOUT,
            connect_timeout: CONNECT_TIMEOUT,
            reconnect: UPSTREAM_RECONNECT,
            reconnect_max: UPSTREAM_RECONNECT_MAX,
        }
    }
}
