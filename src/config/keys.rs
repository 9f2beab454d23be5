//! Every key of the file, once: its name, its meaning, its shape and its default.
//!
//! The reader accepts exactly these keys (and asserts that it reads each), the JSON Schema is written from them.

/// One key of a mapping.
#[derive(Debug)]
pub(super) struct Key {
    pub(super) name: &'static str,
    pub(super) help: &'static str,
    pub(super) shape: Shape,
    /// What holds if it is missing, as it would be written; empty: nothing, or something that can't be written.
    pub(super) default: &'static str,
}

/// What a value looks like.
#[derive(Debug)]
pub(super) enum Shape {
    Text,
    Url,
    Flag,
    /// From, to.
    Count(u64, u64),
    /// A part of one: `0.5` or `50%`.
    Part,
    Size,
    Duration,
    Word(&'static [&'static str]),
    /// A mapping with these keys.
    Section(&'static [Key]),
    /// A mapping with free keys whose values look like this.
    Named(&'static Shape),
    List(&'static Shape),
    Either(&'static [Shape]),
    /// Any value.
    Any,
    /// Known, and not supported by this version.
    Unsupported,
}

/// The names of a table's keys.
pub(super) fn names(keys: &'static [Key]) -> Vec<&'static str> {
    keys.iter().map(|key| key.name).collect()
}

const fn key(name: &'static str, shape: Shape, default: &'static str, help: &'static str) -> Key {
    Key {
        name,
        help,
        shape,
        default,
    }
}

/// What the message about a later release's key says.
pub(super) const UNSUPPORTED: &str = "not supported by this version";

/// Keys that have another name now: the old one is a mistake that says so.
pub(super) const RENAMED: [(&str, &str); 2] = [("silence", "read_timeout"), ("idle_linger", "idle_timeout")];

/// A count's bound that no machine reaches, and that any arithmetic stands.
pub(super) const COUNT_MAX: u64 = 1_000_000_000;

/// Delivery shards: threads.
pub(super) const WORKERS_MAX: u64 = 1024;

pub(super) const ROOT: &[Key] = &[
    key(
        "listen",
        Shape::Either(&[
            Shape::Text,
            Shape::Section(LISTEN),
            Shape::List(&Shape::Either(&[Shape::Text, Shape::Section(LISTEN)])),
        ]),
        "0.0.0.0:9080",
        "Where clients connect: an address and port, or `unix:/path`; one, or a list.",
    ),
    key(
        "admin",
        Shape::Text,
        "127.0.0.1:7090",
        "Address and port of health, metrics, status and dashboard.",
    ),
    key(
        "public_url",
        Shape::Url,
        "",
        "Scheme and authority that rewritten links get; without it, those of the client's request.",
    ),
    key(
        "workers",
        Shape::Either(&[Shape::Word(&["auto"]), Shape::Count(1, WORKERS_MAX)]),
        "auto",
        "Delivery shards; `auto`: one per core.",
    ),
    key("limits", Shape::Section(LIMITS), "", "Bounds of the whole process."),
    key(
        "trusted_proxies",
        Shape::Either(&[Shape::Text, Shape::List(&Shape::Text)]),
        "[]",
        "Networks (`10.0.0.0/8`) or addresses whose `X-Forwarded-For` and `Forwarded` count.",
    ),
    key(
        "drain",
        Shape::Section(DRAIN),
        "",
        "How the process leaves after SIGTERM.",
    ),
    key(
        "reload",
        Shape::Word(&["signal", "watch"]),
        "signal",
        "When the file is read again: on SIGHUP only, or also when it has changed.",
    ),
    key(
        "sources",
        Shape::Named(&Shape::Section(SOURCE)),
        "",
        "The event streams, by name; the name is a label of metrics.",
    ),
    key(
        "pass",
        Shape::List(&Shape::Section(PASS)),
        "[]",
        "What goes to the origin as it is, in the order of the list.",
    ),
];

pub(super) const LISTEN: &[Key] = &[
    key("address", Shape::Text, "", "An address and port, or `unix:/path`."),
    key(
        "tls",
        Shape::Unsupported,
        "",
        "TLS towards clients: not supported by this version.",
    ),
    key(
        "proxy_protocol",
        Shape::Unsupported,
        "",
        "The PROXY protocol: not supported by this version.",
    ),
];

pub(super) const LIMITS: &[Key] = &[
    key(
        "clients",
        Shape::Count(1, COUNT_MAX),
        "100000",
        "Clients at one time, over all sources.",
    ),
    key(
        "clients_per_ip",
        Shape::Count(0, COUNT_MAX),
        "0",
        "Clients at one time from one address; 0: no limit.",
    ),
    key(
        "accepts_per_second",
        Shape::Count(0, COUNT_MAX),
        "0",
        "Connections accepted per second; 0: no limit.",
    ),
    key(
        "header_timeout",
        Shape::Duration,
        "10s",
        "From a connection's opening to the end of its request head.",
    ),
    key(
        "keep_alive",
        Shape::Duration,
        "75s",
        "How long a connection may wait for its next request.",
    ),
    key("header_bytes", Shape::Size, "16KiB", "Largest request head."),
    key(
        "channels",
        Shape::Count(1, COUNT_MAX),
        "10000",
        "Open channels of templated sources.",
    ),
];

pub(super) const DRAIN: &[Key] = &[
    key(
        "delay",
        Shape::Duration,
        "0s",
        "From the signal, and readiness off, to the first end: for load balancers that have to notice.",
    ),
    key(
        "spread",
        Shape::Duration,
        "10s",
        "Over how long the ends of the streams are spread.",
    ),
    key("timeout", Shape::Duration, "30s", "When whatever is left is cut."),
];

pub(super) const SOURCE: &[Key] = &[
    key(
        "path",
        Shape::Either(&[Shape::Text, Shape::List(&Shape::Text)]),
        "",
        "The path at which clients find the stream; may hold `{parameters}` as whole segments. One, or a list.",
    ),
    key(
        "upstream",
        Shape::Either(&[
            Shape::Url,
            Shape::Section(UPSTREAM),
            Shape::List(&Shape::Either(&[Shape::Url, Shape::Section(UPSTREAM)])),
        ]),
        "",
        "Where the stream comes from: a URL, a mapping, or a list of them, merged into one stream.",
    ),
    key(
        "ids",
        Shape::Word(&["auto", "pass", "assign"]),
        "auto",
        "Whose event ids clients see.",
    ),
    key(
        "start",
        Shape::Word(&["live", "latest", "earliest"]),
        "",
        "Where a client without a last event ID starts: `live`, for templated sources `earliest`.",
    ),
    key(
        "log",
        Shape::Section(LOG),
        "",
        "What is kept for resuming; whichever bound is reached first.",
    ),
    key("heartbeat", Shape::Section(HEARTBEAT), "", "What a quiet client gets."),
    key(
        "slow_client",
        Shape::Section(SLOW_CLIENT),
        "",
        "What happens to a client that lags; whichever bound is reached first.",
    ),
    key(
        "reconnect",
        Shape::Duration,
        "3s",
        "Mean of the reconnection time that clients are told.",
    ),
    key(
        "reconnect_jitter",
        Shape::Part,
        "0.5",
        "Jitter of `reconnect`, as a part of it: 0.5 is ± 50%.",
    ),
    key(
        "retry",
        Shape::Word(&["own", "relay"]),
        "own",
        "Whose `retry` fields clients see.",
    ),
    key(
        "comments",
        Shape::Word(&["drop", "relay"]),
        "drop",
        "Whether the origin's comments reach clients.",
    ),
    key(
        "idle_timeout",
        Shape::Duration,
        "30s",
        "How long a templated channel's upstream stays after its last client.",
    ),
    key(
        "gap_event",
        Shape::Either(&[Shape::Text, Shape::Flag]),
        "fanfare.gap",
        "The type of the event that tells a client of a gap; false: none.",
    ),
    key(
        "end_when",
        Shape::Either(&[Shape::Section(END_WHEN), Shape::List(&Shape::Section(END_WHEN))]),
        "[]",
        "What the last event of the stream looks like; any of these.",
    ),
    key(
        "linger",
        Shape::Duration,
        "5m",
        "How long a stream that has ended is still served from the log.",
    ),
    key(
        "retry_ended_after",
        Shape::Duration,
        "10m",
        "How long after the origin's 204 it is asked again.",
    ),
    key(
        "coalesce",
        Shape::Duration,
        "0s",
        "Window in which events with identical type and data are delivered once; 0s: off.",
    ),
    key(
        "stagger",
        Shape::Duration,
        "0s",
        "Over how long an event's delivery is spread over its clients; 0s: off.",
    ),
    key(
        "event_bytes_max",
        Shape::Size,
        "1MiB",
        "Largest event, and line, taken from the origin.",
    ),
    key(
        "max_age",
        Shape::Duration,
        "0s",
        "Lifetime of a client's stream, ± 10%; 0s: unbounded.",
    ),
    key(
        "required",
        Shape::Flag,
        "",
        "Whether `/readyz` waits for it: true, for templated sources false.",
    ),
    key(
        "refuse",
        Shape::Word(&["retry", "status"]),
        "retry",
        "How refusals that should heal are answered: 200 with `retry:` and the end, or always the status.",
    ),
    key(
        "cors",
        Shape::Section(CORS),
        "",
        "Cross-origin access; without it, no CORS headers.",
    ),
    key(
        "access",
        Shape::Unsupported,
        "",
        "Who may read: not supported by this version.",
    ),
];

pub(super) const LOG: &[Key] = &[
    key("events", Shape::Count(1, COUNT_MAX), "10000", "Events."),
    key("bytes", Shape::Size, "16MiB", "Bytes, as framed for clients."),
    key("age", Shape::Duration, "10m", "Age of the oldest event."),
];

pub(super) const HEARTBEAT: &[Key] = &[
    key(
        "every",
        Shape::Duration,
        "15s",
        "After this long without a byte to that client; 0s: never.",
    ),
    key(
        "as",
        Shape::Either(&[Shape::Text, Shape::Section(HEARTBEAT_EVENT)]),
        "comment",
        "What is written: `comment`, field lines such as `data: ping`, or an event.",
    ),
];

pub(super) const HEARTBEAT_EVENT: &[Key] = &[
    key(
        "event",
        Shape::Text,
        "",
        "The event's type; without it, the default type.",
    ),
    key("data", Shape::Text, "", "The event's data."),
];

pub(super) const SLOW_CLIENT: &[Key] = &[
    key(
        "policy",
        Shape::Word(&["evict", "skip", "pause"]),
        "evict",
        "End the stream, jump to the head, or stop the upstream.",
    ),
    key("events", Shape::Count(1, COUNT_MAX), "10000", "Lag in events."),
    key("bytes", Shape::Size, "1MiB", "Lag in bytes."),
    key(
        "stall",
        Shape::Duration,
        "20s",
        "Time without progress while bytes wait.",
    ),
    key(
        "pause_max",
        Shape::Duration,
        "10s",
        "Longest time the upstream stands still under `pause`.",
    ),
];

pub(super) const END_WHEN: &[Key] = &[
    key("event", Shape::Text, "", "The event's type."),
    key("data", Shape::Text, "", "The event's whole data."),
    key(
        "json",
        Shape::Text,
        "",
        "A JSON pointer (RFC 6901) into the event's data.",
    ),
    key("equals", Shape::Any, "", "What stands where `json` points."),
];

pub(super) const CORS: &[Key] = &[
    key(
        "origins",
        Shape::Either(&[Shape::Text, Shape::List(&Shape::Text)]),
        "",
        "Allowed origins; `*`: any; `https://*.example.com`: all below it.",
    ),
    key(
        "credentials",
        Shape::Flag,
        "false",
        "Whether requests may carry cookies and authorization.",
    ),
    key(
        "headers",
        Shape::Either(&[Shape::Text, Shape::List(&Shape::Text)]),
        "[Last-Event-ID, Authorization, Cache-Control]",
        "Allowed request headers.",
    ),
    key(
        "methods",
        Shape::Either(&[Shape::Text, Shape::List(&Shape::Text)]),
        "[GET, HEAD]",
        "Allowed methods.",
    ),
    key(
        "exposed_headers",
        Shape::Either(&[Shape::Text, Shape::List(&Shape::Text)]),
        "[]",
        "Response headers that scripts may read.",
    ),
    key(
        "max_age",
        Shape::Duration,
        "30m",
        "How long a preflight's answer may be kept.",
    ),
];

pub(super) const UPSTREAM: &[Key] = &[
    key(
        "url",
        Shape::Url,
        "",
        "Where the stream is; may hold `{parameters}` of the source's path.",
    ),
    key(
        "urls",
        Shape::List(&Shape::Url),
        "",
        "Several places of the same stream, tried in turn; instead of `url`.",
    ),
    key(
        "feed",
        Shape::Url,
        "",
        "An Atom feed that names the stream in a link; instead of `url`.",
    ),
    key("username", Shape::Text, "", "User name for HTTP Basic authentication."),
    key("password", Shape::Text, "", "Password for HTTP Basic authentication."),
    key(
        "password_file",
        Shape::Text,
        "",
        "A file with the password, instead of it.",
    ),
    key("bearer", Shape::Text, "", "Token for Bearer authentication."),
    key("bearer_file", Shape::Text, "", "A file with the token, instead of it."),
    key(
        "headers",
        Shape::Named(&Shape::Text),
        "{}",
        "Headers of the request; they replace the relay's own, `Host` too.",
    ),
    key("tls", Shape::Section(UPSTREAM_TLS), "", "TLS, for `https` URLs."),
    key("http2", Shape::Flag, "false", "Speak HTTP/2 with the origin."),
    key(
        "read_timeout",
        Shape::Duration,
        "60s",
        "No byte for this long ends the connection; 0s: never.",
    ),
    key(
        "connect_timeout",
        Shape::Duration,
        "10s",
        "Bound of one connection attempt, up to the response head.",
    ),
    key(
        "reconnect",
        Shape::Duration,
        "3s",
        "First reconnection time, until the origin names one.",
    ),
    key(
        "reconnect_max",
        Shape::Duration,
        "60s",
        "Bound of the exponential backoff.",
    ),
];

pub(super) const UPSTREAM_TLS: &[Key] = &[
    key(
        "ca",
        Shape::Text,
        "",
        "PEM file of the roots to trust instead of the system's.",
    ),
    key("cert", Shape::Text, "", "PEM file of the client certificate chain."),
    key("key", Shape::Text, "", "PEM file of the client certificate's key."),
    key(
        "server_name",
        Shape::Text,
        "",
        "The name that the certificate must carry, where it is not the URL's host.",
    ),
];

pub(super) const PASS: &[Key] = &[
    key("prefix", Shape::Text, "", "Request paths that begin so."),
    key("to", Shape::Url, "", "The origin: scheme and authority."),
    key(
        "connections_max",
        Shape::Count(1, COUNT_MAX),
        "1024",
        "Requests that are with this origin at one time; the next ones are refused.",
    ),
    key(
        "rewrite_links",
        Shape::Flag,
        "false",
        "Whether event-stream links in Atom feeds are made to point at the relay.",
    ),
    key(
        "rewrite_headers",
        Shape::List(&Shape::Text),
        "[]",
        "Response headers whose URL is rewritten too.",
    ),
    key(
        "body_bytes_max",
        Shape::Size,
        "8MiB",
        "Largest body that is rewritten; a larger one passes as it is.",
    ),
];
