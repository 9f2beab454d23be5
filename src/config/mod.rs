//! The checked configuration: what an operator wrote, in the form that the rest of the program uses.
//!
//! Two stages: a file is read and checked as a whole (every mistake is reported at once), then it is this. Nothing
//! outside this folder knows the file's format, and nothing here knows what the values are used for.

mod cors;
mod defaults;
mod file;
mod interpolate;
mod keys;
mod legacy;
mod load;
mod diagnostics;
mod paths;
mod print;
mod reader;
mod schema;
mod source;
mod units;
mod upstream;
mod url;
mod yaml;

pub use defaults::{ADMIN, LISTEN};
pub use diagnostics::{Diagnostic, Diagnostics, Place};
pub use file::parse_listen;
pub use load::{Loaded, Reload, load, read};
pub use print::print;
pub use schema::json_schema;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// A whole configuration in force: immutable, replaced as a whole.
#[derive(Debug, Clone, PartialEq)]
pub struct Config {
    /// Where clients connect; never empty.
    pub listen: Vec<Listen>,
    /// The admin listener; `None` only in tests.
    pub admin: Option<SocketAddr>,
    /// Scheme and authority for rewritten links; `None`: those of the client's request.
    pub public_url: Option<hyper::Uri>,
    /// Delivery shards; at least 1 (`auto` is resolved when the file is read).
    pub workers: usize,
    /// Bounds of the whole process.
    pub limits: Limits,
    /// Networks whose `X-Forwarded-For` and `Forwarded` count.
    pub trusted_proxies: Vec<Network>,
    /// How the process leaves.
    pub drain: Drain,
    /// The sources, in the order of the file; paths are unique.
    pub sources: Vec<Arc<Source>>,
    /// What goes to the origin as it is, in the order of the file.
    pub pass: Vec<Pass>,
}

/// One address on which clients connect.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Listen {
    /// `0.0.0.0:9080`.
    Tcp(SocketAddr),
    /// `unix:/run/fanfare.sock`.
    Unix(PathBuf),
}

/// Bounds of the whole process.
#[derive(Debug, Clone, PartialEq)]
pub struct Limits {
    /// Clients at one time, over all sources.
    pub clients: usize,
    /// Clients at one time from one address; 0: no limit.
    pub clients_per_ip: usize,
    /// Connections accepted per second; 0: no limit.
    pub accepts_per_second: u32,
    /// From the connection's opening to the end of its request head.
    pub header_timeout: Duration,
    /// How long a connection may wait for its next request.
    pub keep_alive: Duration,
    /// Size of a request head.
    pub header_bytes: usize,
    /// Open channels of templated sources.
    pub channels: usize,
}

/// How the process leaves after SIGTERM.
#[derive(Debug, Clone, PartialEq)]
pub struct Drain {
    /// From the signal, and readiness off, to the first end.
    pub delay: Duration,
    /// Over how long the ends of the streams are spread.
    pub spread: Duration,
    /// When whatever is left is cut.
    pub timeout: Duration,
}

/// An IP network, `10.0.0.0/8`; a single address is a network of full length.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Network {
    /// The network's address; host bits are zero.
    pub address: std::net::IpAddr,
    /// Leading bits that count.
    pub prefix_len: u8,
}

/// One event stream that clients can open.
#[derive(Debug, Clone, PartialEq)]
pub struct Source {
    /// The configured name: the `source` label of every metric.
    pub name: String,
    /// The client paths at which it is served; the first is the main one. May hold one or more `{parameter}` segments.
    pub paths: Vec<String>,
    /// The upstreams, merged into one stream; never empty.
    pub upstreams: Vec<Upstream>,
    /// Whose ids clients see.
    pub ids: Ids,
    /// Where a client without a last event ID starts.
    pub start: Start,
    /// What is kept for resuming.
    pub log: LogLimits,
    /// What a quiet client gets.
    pub heartbeat: Heartbeat,
    /// What happens to a client that lags.
    pub slow_client: SlowClient,
    /// Mean of the reconnection time that clients are told.
    pub reconnect: Duration,
    /// Jitter of `reconnect`, as a part of it (0.5: ± 50%).
    pub reconnect_jitter: f64,
    /// Whose `retry:` clients see.
    pub retry: Forward,
    /// Whether the origin's comments reach clients.
    pub comments: Forward,
    /// How long a templated channel's upstream stays after its last client.
    pub idle_timeout: Duration,
    /// The gap event's type; `None`: no gap events.
    pub gap_event: Option<String>,
    /// What the last event of the stream looks like; any of them.
    pub end_when: Vec<EndWhen>,
    /// How long a stream that has ended is still served from the log.
    pub linger: Duration,
    /// How long after the origin's 204 an untemplated source asks again.
    pub retry_ended_after: Duration,
    /// Window in which events with identical type and data are delivered once; zero: off.
    pub coalesce: Duration,
    /// Over how long the delivery of one event is spread; zero: off.
    pub stagger: Duration,
    /// Largest event (and line) taken from the origin.
    pub event_bytes_max: usize,
    /// Lifetime of a client's stream, ± 10%; zero: unbounded.
    pub max_age: Duration,
    /// Whether `/readyz` waits for it.
    pub required: bool,
    /// How refusals that should heal are answered.
    pub refuse: Refuse,
    /// Cross-origin access; `None`: no CORS headers.
    pub cors: Option<Cors>,
}

/// Whose ids clients see.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ids {
    /// Assigned until the origin is seen to send ids itself.
    Auto,
    /// The origin's.
    Pass,
    /// `<epoch>.<n>`.
    Assign,
}

/// Where a client without a last event ID starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Start {
    /// With the next event.
    Live,
    /// With the last event.
    Latest,
    /// With the oldest event in the log.
    Earliest,
}

/// Whether something of the origin's own is passed on to clients.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Forward {
    /// Kept from clients (`drop`, or for `retry`: `own`).
    Never,
    /// Passed on.
    Always,
}

/// Bounds of a log: whichever is reached first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LogLimits {
    /// Events; at least 1.
    pub events: usize,
    /// Bytes, as framed for clients.
    pub bytes: u64,
    /// Age of the oldest event.
    pub age: Duration,
}

/// What a quiet client gets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Heartbeat {
    /// After this long without a byte to that client; zero: never.
    pub every: Duration,
    /// The block that is written, in plain form (`:\n\n`, `data: ping\n\n`).
    pub block: bytes::Bytes,
}

/// What happens to a client that lags; whichever bound is reached first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SlowClient {
    /// What happens.
    pub policy: SlowPolicy,
    /// Lag in events.
    pub events: u64,
    /// Lag in bytes.
    pub bytes: u64,
    /// Time without progress while bytes wait.
    pub stall: Duration,
    /// Longest time the upstream stands still under `pause`.
    pub pause_max: Duration,
}

/// The slow-client policy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SlowPolicy {
    /// End the stream; the client resumes by itself.
    Evict,
    /// Jump to the head, with a gap event.
    Skip,
    /// Stop reading the upstream for a while, then evict.
    Pause,
}

/// How refusals that should heal are answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refuse {
    /// `200` with `retry:` and the end, so that a browser's EventSource comes back.
    Retry,
    /// Always the status.
    Status,
}

/// A rule that recognises the terminal event.
#[derive(Debug, Clone, PartialEq)]
pub enum EndWhen {
    /// By its type.
    Event(String),
    /// By its whole data.
    Data(String),
    /// By a value in its data, which is JSON (RFC 6901).
    Json {
        /// The pointer.
        pointer: String,
        /// What must stand there.
        equals: serde_json::Value,
    },
}

/// Cross-origin access (Fetch standard, CORS protocol).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cors {
    /// Allowed origins; `*`: any.
    pub origins: Vec<String>,
    /// `Access-Control-Allow-Credentials`.
    pub credentials: bool,
    /// Allowed request headers.
    pub headers: Vec<String>,
    /// Allowed methods.
    pub methods: Vec<String>,
    /// Response headers that scripts may read.
    pub exposed_headers: Vec<String>,
    /// How long a preflight's answer may be kept.
    pub max_age: Duration,
}

/// One upstream of a source.
#[derive(Debug, Clone, PartialEq)]
pub struct Upstream {
    /// Label of metrics and logs: the URL's authority and path, without credentials and query; unique in its source.
    pub name: String,
    /// Where the stream is.
    pub target: Target,
    /// Credentials for the origin.
    pub credentials: Option<Credentials>,
    /// Headers added to the request; they replace ours of the same name (`Host` too).
    pub headers: Vec<(hyper::header::HeaderName, hyper::header::HeaderValue)>,
    /// TLS, for `https` URLs.
    pub tls: UpstreamTls,
    /// Speak HTTP/2 (prior knowledge in clear text, ALPN `h2` over TLS).
    pub http2: bool,
    /// No byte for this long ends the connection; zero: never.
    pub read_timeout: Duration,
    /// Bound of one connection attempt, up to the response head.
    pub connect_timeout: Duration,
    /// First reconnection time, until the origin names one.
    pub reconnect: Duration,
    /// Bound of the exponential backoff.
    pub reconnect_max: Duration,
}

/// Where an upstream's stream is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// At one of these URLs, tried in turn; never empty. May hold `{parameter}`s of the source's path, kept as written.
    Urls(Vec<String>),
    /// Named by a link in this Atom feed.
    Feed(String),
}

impl Target {
    /// The same with every URL replaced.
    #[must_use]
    pub fn map(&self, replaced: impl Fn(&str) -> String) -> Self {
        match self {
            Self::Urls(urls) => Self::Urls(urls.iter().map(|url| replaced(url)).collect()),
            Self::Feed(url) => Self::Feed(replaced(url)),
        }
    }
}

/// Credentials for an origin.
#[derive(Clone, PartialEq, Eq)]
pub enum Credentials {
    /// RFC 7617.
    Basic {
        /// User name.
        username: String,
        /// Password.
        password: Secret,
    },
    /// RFC 6750.
    Bearer(Secret),
}

/// TLS towards an origin.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct UpstreamTls {
    /// PEM file of the roots to trust instead of the system's.
    pub ca: Option<PathBuf>,
    /// PEM file of the client certificate chain.
    pub cert: Option<PathBuf>,
    /// PEM file of the client certificate's key.
    pub key: Option<PathBuf>,
    /// The name that the certificate must carry, where it is not the URL's host.
    pub server_name: Option<String>,
}

/// What goes to the origin as it is.
#[derive(Debug, Clone, PartialEq)]
pub struct Pass {
    /// Request paths that begin so.
    pub prefix: String,
    /// The origin: scheme and authority.
    pub to: String,
    /// Requests that are with this origin at one time.
    pub connections_max: usize,
    /// Rewrite event-stream links in Atom feeds.
    pub rewrite_links: bool,
    /// Response headers whose URL is rewritten too.
    pub rewrite_headers: Vec<hyper::header::HeaderName>,
    /// Largest body that is rewritten.
    pub body_bytes_max: usize,
}

/// A value that never reaches a log, an error, `/status` or a metric: its `Debug` is `***`.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(pub String);

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("***")
    }
}

impl std::fmt::Debug for Credentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Credentials::Basic { username, .. } => write!(f, "Basic({username}, ***)"),
            Credentials::Bearer(_) => f.write_str("Bearer(***)"),
        }
    }
}
