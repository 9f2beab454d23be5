//! The file of the Content Store's own proxy, recognised by its key `backends`.
//!
//! All backends become one source, merged, at `/` and `/sse`. A key that is known and means nothing here is one warning,
//! an unknown one a mistake. Where the file says nothing, our own defaults hold, with one exception: the vendor's daemon
//! takes 600 s of silence for a dead connection and no heartbeat is documented, so `read_timeout` is that.

use super::addresses::{ADMIN, LISTEN, Listen};
use super::codec::{AtLeastOne, Codec, Count, Custom, Flag, List, OneOrMore, Text, Word, number};
use super::cors::{self, Cors};
use super::credentials::{self, Credentials};
use super::field::Presence as _;
use super::headers;
use super::item::{Item, Section};
use super::node::{Node, Value};
use super::root::Config;
use super::secret::Secret;
use super::shape::Shape;
use super::source::Source;
use super::table::{Ignored, Table as _, nested, section};
use super::upstream::{self, Upstream};
use super::url::OriginUrl;
use hyper::header::{HeaderName, HeaderValue};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

/// The merged source's name.
const SOURCE_NAME: &str = "changelog";
/// Where its clients find it.
const PATHS: [&str; 2] = ["/", "/sse"];
/// What the vendor's daemon takes for a dead connection.
const READ_TIMEOUT: Duration = Duration::from_secs(600);

section! {
    /// The whole file.
    struct File {
        /// Where clients and the admin connect.
        server: Server = nested().or("{}"),
        /// The origins.
        backends: Vec<Upstream> = List(BACKEND, BACKENDS_FORM).needed(BACKENDS_FORM),
        /// Cross-origin access.
        cors: Option<LegacyCors> = nested().optional(),
        /// What is logged.
        logging: Logging = nested().or("{}"),
    }
    unsupported = FILE_IGNORED.map(Ignored);
    check = check_file;
}

section! {
    /// Where clients and the admin connect.
    struct Server {
        /// The kind of server.
        r#type("type"): () = Word(&[("default", ())]).or("default"),
        /// For clients.
        application("applicationConnectors"): Option<Vec<Connector>> = CONNECTORS.optional(),
        /// For the admin.
        admin("adminConnectors"): Option<Vec<Connector>> = CONNECTORS.optional(),
    }
    unsupported = SERVER_IGNORED.map(Ignored);
    check = check_server;
}

section! {
    /// One address.
    struct Connector {
        /// Its protocol.
        r#type("type"): () = HTTP.or("http"),
        /// Its port.
        port: Option<u16> = number(Count(0..=u16::MAX as u64)).optional(),
        /// Its address.
        host("bindHost"): Option<IpAddr> = HOST.optional(),
    }
    unsupported = CONNECTOR_IGNORED.map(Ignored);
    check = |section, _| Ignored::warn(&CONNECTOR_IGNORED, section);
}

section! {
    /// One origin.
    struct Backend {
        /// Where its stream is.
        uri: OriginUrl = URI.needed(URI_FORM),
        /// Basic authentication.
        credentials: Option<Option<Credentials>> = CREDENTIALS.optional(),
        /// Headers of the request.
        headers("httpHeaders"): Option<Vec<(HeaderName, HeaderValue)>> = HEADERS.optional(),
    }
}

section! {
    /// User name and password: both, or neither.
    struct Basic {
        /// The user name.
        username: Option<()> = PRESENT.optional(),
        /// The password.
        password: Option<()> = PRESENT.optional(),
    }
}

section! {
    /// Cross-origin access.
    struct LegacyCors {
        /// Allowed origins.
        origins("allowedOrigins"): Vec<Vec<String>> = OneOrMore(Separated(cors::ORIGIN, ORIGINS_FORM)).or("*"),
        /// Allowed request headers.
        headers("allowedHeaders"): Option<Vec<Vec<String>>> = OneOrMore(Separated(cors::HEADER, NAMES_FORM)).optional(),
        /// Allowed methods.
        methods("allowedMethods"): Option<Vec<Vec<String>>> = OneOrMore(Separated(cors::METHOD, METHODS_FORM)).optional(),
        /// Response headers that scripts may read.
        exposed_headers("exposedHeaders"): Option<Vec<Vec<String>>> = OneOrMore(Separated(cors::HEADER, NAMES_FORM)).optional(),
        /// Whether requests may carry cookies.
        credentials("allowCredentials"): bool = Flag.or("false"),
        /// How long a preflight's answer may be kept: seconds, without a unit, since the file is the vendor's.
        max_age("preflightMaxAge"): u64 = Count(0..=365 * 24 * 3600).or("1800"),
        /// Whether the origin sees preflights.
        chained("chainPreflight"): bool = Flag.or("false"),
    }
    check = check_cors;
}

section! {
    /// What is logged.
    struct Logging {
        /// As a log filter.
        level: Option<&'static str> = LEVEL.optional(),
    }
    unsupported = LOGGING_IGNORED.map(Ignored);
    check = |section, _| Ignored::warn(&LOGGING_IGNORED, section);
}

/// Whether the tree is such a file.
pub(super) fn is_legacy(root: &Node) -> bool {
    root.get("backends").is_some() && root.get("sources").is_none()
}

/// Reads the whole file: the configuration, and the log filter that it asks for. `None` only after a mistake.
pub(super) fn read(root: &Item<'_>) -> Option<(Config, Option<String>)> {
    let file = File::read(root)?;
    let first = file.backends.first()?.target.urls().first()?.clone();
    // The new form's defaults; what this file says comes in their place.
    let mut config = Config::for_upstream(&first, PATHS[0]).ok()?;
    let source = Arc::make_mut(config.sources.first_mut()?);
    *source = Source {
        name: SOURCE_NAME.to_owned(),
        paths: PATHS.iter().map(|path| (*path).to_owned()).collect(),
        upstreams: file.backends,
        cors: file.cors.map(modern_cors),
        ..source.clone()
    };
    upstream::name_apart(&mut source.upstreams);
    let admin = file.server.admin.as_ref().and_then(|all| all.first());
    config.listen = listen(&file.server);
    config.admin = Some(admin.map_or(ADMIN, |connector| connector.address(ADMIN)));
    Some((config, file.logging.level.map(str::to_owned)))
}

fn listen(server: &Server) -> Vec<Listen> {
    let address = |connector: &Connector| Listen::Tcp(connector.address(LISTEN));
    match &server.application {
        Some(all) => all.iter().map(address).collect(),
        None => vec![Listen::Tcp(LISTEN)],
    }
}

impl Connector {
    fn address(&self, default: SocketAddr) -> SocketAddr {
        // Whoever used the old proxy's admin from another machine says so with `bindHost`: ours shows more.
        SocketAddr::new(self.host.unwrap_or(default.ip()), self.port.unwrap_or(default.port()))
    }
}

fn check_file(section: &Section<'_>, file: Option<&mut File>) {
    Ignored::warn(&FILE_IGNORED, section);
    if section
        .get("backends")
        .is_some_and(|item| matches!(&item.node.value, Value::List(all) if all.is_empty()))
    {
        section.mistake_at("backends", "no backend", "at least one, with a `uri`");
    }
    let Some(file) = file else { return };
    let admin = file.server.admin.as_ref().and_then(|all| all.first());
    let admin = admin.map_or(ADMIN, |connector| connector.address(ADMIN));
    if admin.port() != 0 && listen(&file.server).contains(&Listen::Tcp(admin)) {
        let expected = "an address and port of its own for each";
        section
            .item
            .mistake(format!("clients and admin both at `{admin}`"), expected);
    }
}

fn check_server(section: &Section<'_>, server: Option<&mut Server>) {
    Ignored::warn(&SERVER_IGNORED, section);
    let Some(server) = server else { return };
    for (key, connectors, default) in [
        ("applicationConnectors", &server.application, LISTEN),
        ("adminConnectors", &server.admin, ADMIN),
    ] {
        let (Some(all), Some(item)) = (connectors, section.get(key)) else {
            continue;
        };
        let addresses: Vec<SocketAddr> = all.iter().map(|connector| connector.address(default)).collect();
        for (index, (address, item)) in addresses.iter().zip(item.one_or_more()).enumerate() {
            if address.port() != 0 && addresses[..index].contains(address) {
                item.mistake(format!("`{address}` a second time"), "each address once");
            }
        }
        if key == "adminConnectors" && all.len() > 1 {
            item.warn("only the first admin connector is obeyed");
        }
    }
}

const CONNECTORS: AtLeastOne<Custom<Connector>> = AtLeastOne(
    Custom {
        shape: || Shape::Section(Connector::keys()),
        read: Connector::read,
        print: |_| None,
    },
    "at least one connector with `type` and `port`",
);

// Serving in clear text what the file wants encrypted would be worse than not serving.
const HTTP: Text<()> = Text {
    form: "`http`: other connectors are not supported by this version",
    examples: &["http"],
    parse: |text| if text == "http" { Ok(()) } else { Err("") },
    show: |()| "http".to_owned(),
};

const HOST: Text<IpAddr> = Text {
    form: "an IP address",
    examples: &["127.0.0.1"],
    parse: |text| match text {
        "localhost" => Ok(Ipv4Addr::LOCALHOST.into()),
        text => text.parse().map_err(|_| ""),
    },
    show: IpAddr::to_string,
};

const BACKENDS_FORM: &str = "a list of backends, each with a `uri`";
const URI_FORM: &str =
    "the URL of an event stream, such as `http://editorial.example.com/webservice/escenic/changelog/sse`";

const URI: Text<OriginUrl> = Text {
    form: URI_FORM,
    examples: &["http://o/sse"],
    parse: |text| match OriginUrl::parse(text)? {
        url if url.parameters.is_empty() => Ok(url),
        _ => Err("a URL with a parameter"),
    },
    show: |url| url.url.clone(),
};

const BACKEND: Custom<Upstream> = Custom {
    shape: || Shape::Section(Backend::keys()),
    read: backend,
    print: |_| None,
};

fn backend(item: &Item<'_>) -> Option<Upstream> {
    let backend = Backend::read(item)?;
    let beside = backend.credentials.flatten();
    if beside.is_some() && backend.uri.userinfo.is_some() {
        item.mistake("credentials in the `uri` and beside it", "one of them");
        return None;
    }
    let within = backend.uri.userinfo.clone();
    let within = within.map(|(username, password)| Credentials::Basic { username, password });
    Some(Upstream {
        credentials: beside.or(within),
        headers: backend.headers.unwrap_or_default(),
        read_timeout: READ_TIMEOUT,
        ..Upstream::defaults(&backend.uri.url)
    })
}

const PRESENT: Custom<()> = Custom {
    shape: || Shape::Text(&[]),
    read: |item| item.secret_text().map(|_| ()),
    print: |()| None,
};

const CREDENTIALS: Custom<Option<Credentials>> = Custom {
    shape: || Shape::Section(Basic::keys()),
    read: |item| {
        let basic = Basic::read(item)?;
        match (basic.username, basic.password, item.at("username"), item.at("password")) {
            (None, None, ..) => Some(None),
            (Some(()), Some(()), Some(username), Some(password)) => {
                // Read once already, with whatever there was to say.
                let password = Secret(password.peek()?.to_owned());
                credentials::basic(&username, password).map(Some)
            }
            _ => {
                item.mistake("only one of `username` and `password`", "both, or none");
                None
            }
        }
    },
    print: |_| None,
};

/// A mapping; or a list of mappings, all of them together.
const HEADERS: Custom<Vec<(HeaderName, HeaderValue)>> = Custom {
    shape: || Shape::Any,
    read: |item| {
        let all: Vec<_> = OneOrMore(headers::HEADERS).read(item)?.into_iter().flatten().collect();
        for (index, (name, _)) in all.iter().enumerate() {
            if all[..index].iter().any(|(known, _)| known == name) {
                item.mistake(format!("the header `{name}` a second time"), "each header once");
            }
        }
        Some(all)
    },
    print: |_| None,
};

const ORIGINS_FORM: &str = "origins such as `https://www.example.com`, separated by commas, or `*`";
const NAMES_FORM: &str = "header names, separated by commas, or `*`";
const METHODS_FORM: &str = "methods, separated by commas";

/// Values in one text, separated by commas.
struct Separated(Text<String>, &'static str);

impl Codec for Separated {
    type Value = Vec<String>;

    fn shape(&self) -> Shape {
        self.0.shape()
    }

    fn read(&self, item: &Item<'_>) -> Option<Vec<String>> {
        let parts = item
            .text(self.1)?
            .split(',')
            .map(str::trim)
            .filter(|part| !part.is_empty());
        let values: Result<Vec<String>, _> = parts.map(self.0.parse).collect();
        item.checked(values.ok(), self.1)
    }

    fn print(&self, _: &Vec<String>) -> Option<serde_json::Value> {
        None
    }
}

fn check_cors(section: &Section<'_>, cors: Option<&mut LegacyCors>) {
    let Some(cors) = cors else { return };
    if cors.chained {
        section.warn_at(
            "chainPreflight",
            "known, and not obeyed: the relay answers preflights itself",
        );
    }
    let any = cors.origins.iter().flatten().any(|origin| origin == "*");
    cors::warn_of_origins(section, any, cors.origins.iter().all(Vec::is_empty), cors.credentials);
}

fn modern_cors(legacy: LegacyCors) -> Cors {
    let default = Cors::any_origin();
    let texts = |texts: Option<Vec<Vec<String>>>, default| texts.map_or(default, |texts| texts.concat());
    Cors {
        origins: legacy.origins.concat(),
        credentials: legacy.credentials,
        headers: texts(legacy.headers, default.headers),
        methods: texts(legacy.methods, default.methods),
        exposed_headers: texts(legacy.exposed_headers, default.exposed_headers),
        max_age: Duration::from_secs(legacy.max_age),
    }
}

/// `logging.level` as a log filter.
const LEVEL: Custom<&'static str> = Custom {
    shape: || Shape::Text(&["INFO"]),
    read: |item| {
        let form = "one of `OFF`, `ERROR`, `WARN`, `INFO`, `DEBUG`, `TRACE`, `ALL`";
        let filter = match item.text(form)?.to_ascii_uppercase().as_str() {
            // YAML 1.1 reads a bare OFF as false, and so does whoever rewrote the file with a tool.
            "OFF" | "FALSE" => Some("off"),
            "ERROR" => Some("error"),
            "WARN" => Some("warn"),
            "INFO" => Some("info"),
            "DEBUG" => Some("debug"),
            "TRACE" | "ALL" => Some("trace"),
            _ => None,
        };
        item.checked(filter, form)
    },
    print: |_| None,
};

const FILE_IGNORED: [&str; 3] = ["metrics", "health", "admin"];
const LOGGING_IGNORED: [&str; 2] = ["loggers", "appenders"];

/// Dropwizard's keys of a server that mean nothing here.
const SERVER_IGNORED: [&str; 32] = [
    "adminContextPath",
    "adminMaxThreads",
    "adminMinThreads",
    "allowedMethods",
    "applicationContextPath",
    "detailedJsonProcessingExceptionMapper",
    "dumpAfterStart",
    "dumpBeforeStop",
    "enableAdminVirtualThreads",
    "enableThreadNameFilter",
    "enableVirtualThreads",
    "gid",
    "group",
    "gzip",
    "idleThreadTimeout",
    "maxQueuedRequests",
    "maxThreads",
    "metricPrefix",
    "minThreads",
    "nofileHardLimit",
    "nofileSoftLimit",
    "registerDefaultExceptionMappers",
    "requestLog",
    "responseMeteredLevel",
    "rootPath",
    "serverPush",
    "shutdownGracePeriod",
    "startsAsRoot",
    "stopWait",
    "uid",
    "umask",
    "user",
];

/// The same of a connector.
const CONNECTOR_IGNORED: [&str; 27] = [
    "acceptQueueSize",
    "acceptorThreads",
    "bufferPoolIncrement",
    "headerCacheSize",
    "httpCompliance",
    "idleTimeout",
    "inheritChannel",
    "inputBufferSize",
    "maxBufferPoolSize",
    "maxRequestHeaderSize",
    "maxResponseHeaderSize",
    "minBufferPoolSize",
    "minRequestDataPerSecond",
    "minRequestDataRate",
    "minResponseDataPerSecond",
    "minResponseDataRate",
    "outputBufferSize",
    "requestCookieCompliance",
    "responseCookieCompliance",
    "reuseAddress",
    "selectorThreads",
    "soLingerTime",
    "uriCompliance",
    "useDateHeader",
    "useForwardedHeaders",
    "useProxyProtocol",
    "useServerHeader",
];
