//! The file of the Content Store's own proxy, recognised by its key `backends`.
//!
//! All backends become one source, merged, at `/` and `/sse`. A key that is known and means nothing here is one warning,
//! an unknown one a mistake. Where the file says nothing, our own defaults hold, with one exception: the vendor's daemon
//! takes 600 s of silence for a dead connection and no heartbeat is documented, so `read_timeout` is that.

use super::cors;
use super::defaults;
use super::load::{Loaded, Reload};
use super::reader::{Item, Section};
use super::url::OriginUrl;
use super::yaml::{Node, Value};
use super::*;
use hyper::header::{HeaderName, HeaderValue};

/// The merged source's name.
const SOURCE_NAME: &str = "changelog";
/// Where its clients find it.
const PATHS: [&str; 2] = ["/", "/sse"];
/// What the vendor's daemon takes for a dead connection.
const READ_TIMEOUT: Duration = Duration::from_secs(600);
const PORT: u16 = 9080;
const ADMIN_PORT: u16 = 7090;

const ROOT: [&str; 7] = ["server", "backends", "cors", "logging", "metrics", "health", "admin"];
const ROOT_IGNORED: [&str; 3] = ["metrics", "health", "admin"];

const SERVER: &[&str] = &["type", "applicationConnectors", "adminConnectors"];
const SERVER_IGNORED: &[&str] = &[
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

const CONNECTOR: &[&str] = &["type", "port", "bindHost"];
const CONNECTOR_IGNORED: &[&str] = &[
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

const CORS: [&str; 7] = [
    "allowedOrigins",
    "allowedHeaders",
    "allowedMethods",
    "preflightMaxAge",
    "allowCredentials",
    "exposedHeaders",
    "chainPreflight",
];

/// Whether the tree is such a file.
pub(super) fn is_legacy(root: &Node) -> bool {
    let Value::Map(entries) = &root.value else { return false };
    let has = |key| entries.iter().any(|entry| entry.key == key);
    has("backends") && !has("sources")
}

/// Reads the whole file. `None` only after a mistake.
pub(super) fn read(root: &Item<'_>) -> Option<Loaded> {
    let section = root.section(ROOT.to_vec())?;
    ignore(&section, &ROOT_IGNORED);
    let server = section
        .get("server")
        .map_or(Some((default_listen(), default_admin())), |item| server(&item));
    let upstreams = section
        .need("backends", "a list of backends, each with a `uri`")
        .and_then(|item| backends(&item));
    let cors = section
        .get("cors")
        .map_or(Some(None), |item| read_cors(&item).map(Some));
    let log = section.get("logging").map_or(Some(None), |item| logging(&item));
    section.finish();

    let ((listen, admin), mut upstreams) = (server?, upstreams?);
    if listen.contains(&Listen::Tcp(admin)) {
        root.mistake(
            format!("clients and admin both at `{admin}`"),
            "an address and port of its own for each",
        );
    }
    upstream::name_apart(&mut upstreams);
    let mut source = Source::defaults(SOURCE_NAME, PATHS[0], upstreams);
    source.paths = PATHS.iter().map(|path| (*path).to_owned()).collect();
    source.cors = cors?;
    let config = Config {
        listen,
        admin: Some(admin),
        ..Config::defaults(vec![source])
    };
    Some(Loaded {
        config,
        reload: Reload::Signal,
        log: log?,
        warnings: Vec::new(),
    })
}

fn default_listen() -> Vec<Listen> {
    vec![Listen::Tcp(defaults::LISTEN)]
}

fn default_admin() -> SocketAddr {
    defaults::ADMIN
}

/// One warning for each key that is there and not obeyed.
fn ignore(section: &Section<'_>, keys: &[&'static str]) {
    for key in keys {
        if section.present(key).is_some() {
            let place = section.place(key).unwrap_or(section.item.node.place);
            let path = super::reader::child(&section.item.path, key);
            section
                .item
                .diagnostics
                .warning(place, &path, "known, and not obeyed: it has no meaning for this relay");
        }
    }
}

fn server(item: &Item<'_>) -> Option<(Vec<Listen>, SocketAddr)> {
    let section = item.section([SERVER, SERVER_IGNORED].concat())?;
    ignore(&section, SERVER_IGNORED);
    let kind = section.choice("type", (), &[("default", ())]);
    let any = std::net::Ipv4Addr::UNSPECIFIED.into();
    let listen = match section.get("applicationConnectors") {
        Some(item) => connectors(&item, any, PORT),
        None => Some(vec![defaults::LISTEN]),
    };
    let admin = match section.get("adminConnectors") {
        // Whoever used the old proxy's admin from another machine says so with `bindHost`: ours shows more.
        Some(item) => connectors(&item, std::net::Ipv4Addr::LOCALHOST.into(), ADMIN_PORT).and_then(|all| {
            if all.len() > 1 {
                item.warn("only the first admin connector is obeyed");
            }
            all.first().copied()
        }),
        None => Some(default_admin()),
    };
    section.finish();
    kind?;
    Some((listen?.into_iter().map(Listen::Tcp).collect(), admin?))
}

/// The addresses of a list of connectors; never empty.
fn connectors(item: &Item<'_>, host: std::net::IpAddr, port: u16) -> Option<Vec<SocketAddr>> {
    let items = item.one_or_more();
    if items.is_empty() {
        item.mistake("an empty list", "at least one connector with `type` and `port`");
        return None;
    }
    let all: Vec<Option<SocketAddr>> = items.iter().map(|item| connector(item, host, port)).collect();
    let all: Vec<SocketAddr> = all.into_iter().collect::<Option<_>>()?;
    for (index, address) in all.iter().enumerate() {
        if address.port() != 0 && all[..index].contains(address) {
            items[index].mistake(format!("`{address}` a second time"), "each address once");
        }
    }
    Some(all)
}

fn connector(item: &Item<'_>, host: std::net::IpAddr, port: u16) -> Option<SocketAddr> {
    let section = item.section([CONNECTOR, CONNECTOR_IGNORED].concat())?;
    ignore(&section, CONNECTOR_IGNORED);
    let kind = match section.get("type") {
        Some(item) => match item.text("`http`")? {
            "http" => Some(()),
            _ => {
                // Serving in clear text what the file wants encrypted would be worse than not serving.
                item.mistake(
                    item.found(),
                    "`http`: other connectors are not supported by this version",
                );
                None
            }
        },
        None => Some(()),
    };
    let port = section.count("port", u64::from(port), 0..=u64::from(u16::MAX));
    let host = match section.get("bindHost") {
        Some(item) => match item.text("an IP address")? {
            "localhost" => Some(std::net::Ipv4Addr::LOCALHOST.into()),
            text => {
                let parsed = text.parse().ok();
                if parsed.is_none() {
                    item.mistake(item.found(), "an IP address");
                }
                parsed
            }
        },
        None => Some(host),
    };
    section.finish();
    kind?;
    Some(SocketAddr::new(
        host?,
        u16::try_from(port?).expect("read within u16's range"),
    ))
}

fn backends(item: &Item<'_>) -> Option<Vec<Upstream>> {
    let items = item.list("a list of backends, each with a `uri`")?;
    if items.is_empty() {
        item.mistake("no backend", "at least one, with a `uri`");
        return None;
    }
    items.iter().map(backend).collect::<Vec<_>>().into_iter().collect()
}

fn backend(item: &Item<'_>) -> Option<Upstream> {
    let section = item.section(vec!["uri", "credentials", "httpHeaders"])?;
    let form = "the URL of an event stream, such as `http://editorial.example.com/webservice/escenic/changelog/sse`";
    let url = section
        .need("uri", form)
        .and_then(|item| match OriginUrl::parse(item.text(form)?) {
            Ok(url) if url.parameters.is_empty() => Some(url),
            Ok(_) => {
                item.mistake(format!("{} is a URL with a parameter", item.found()), form);
                None
            }
            Err(why) => {
                item.mistake(format!("{} is {why}", item.found()), form);
                None
            }
        });
    let credentials = section.get("credentials").map_or(Some(None), |item| credentials(&item));
    let headers = section
        .get("httpHeaders")
        .map_or(Some(Vec::new()), |item| headers(&item));
    section.finish();
    let mut upstream = Upstream::of(url?);
    match (credentials?, upstream.credentials.is_some()) {
        (Some(_), true) => {
            item.mistake("credentials in the `uri` and beside it", "one of them");
            return None;
        }
        (Some(beside), false) => upstream.credentials = Some(beside),
        (None, _) => {}
    }
    upstream.headers = headers?;
    upstream.read_timeout = READ_TIMEOUT;
    Some(upstream)
}

fn credentials(item: &Item<'_>) -> Option<Option<Credentials>> {
    let section = item.section(vec!["username", "password"])?;
    let (username, password) = (section.get("username"), section.get("password"));
    section.finish();
    upstream::basic(item, username.as_ref(), password.as_ref())
}

/// A mapping; or a list of mappings, all of them together.
fn headers(item: &Item<'_>) -> Option<Vec<(HeaderName, HeaderValue)>> {
    let parts: Vec<Option<Vec<_>>> = item.one_or_more().iter().map(upstream::headers).collect();
    let all: Vec<(HeaderName, HeaderValue)> = parts
        .into_iter()
        .collect::<Option<Vec<_>>>()?
        .into_iter()
        .flatten()
        .collect();
    for (index, (name, _)) in all.iter().enumerate() {
        if all[..index].iter().any(|(known, _)| known == name) {
            item.mistake(format!("the header `{name}` a second time"), "each header once");
        }
    }
    Some(all)
}

fn read_cors(item: &Item<'_>) -> Option<Cors> {
    let section = item.section(CORS.to_vec())?;
    let texts = |key, default: &[&str], form, check: fn(&str) -> bool| match section.get(key) {
        Some(item) => separated(&item, form, check),
        None => Some(default.iter().map(|text| (*text).to_owned()).collect()),
    };
    let origin_form = "origins such as `https://www.example.com`, separated by commas, or `*`";
    let origins = texts("allowedOrigins", &["*"], origin_form, cors::is_origin);
    let names_form = "header names, separated by commas, or `*`";
    let headers = texts(
        "allowedHeaders",
        &defaults::CORS_HEADERS,
        names_form,
        cors::is_header_name,
    );
    let methods = texts(
        "allowedMethods",
        &defaults::CORS_METHODS,
        "methods, separated by commas",
        cors::is_method,
    );
    let exposed_headers = texts("exposedHeaders", &[], names_form, cors::is_header_name);
    let credentials = section.flag("allowCredentials", false);
    // Seconds, without a unit: the file is the vendor's.
    let default_seconds = defaults::CORS_MAX_AGE.as_secs();
    let max_age = section.count("preflightMaxAge", default_seconds, 0..=365 * 24 * 3600);
    let chained = section.flag("chainPreflight", false);
    if chained == Some(true) {
        let place = section.place("chainPreflight").unwrap_or(item.node.place);
        let path = super::reader::child(&item.path, "chainPreflight");
        item.diagnostics.warning(
            place,
            &path,
            "known, and not obeyed: the relay answers preflights itself",
        );
    }
    section.finish();
    chained?;
    let cors = Cors {
        origins: origins?,
        credentials: credentials?,
        headers: headers?,
        methods: methods?,
        exposed_headers: exposed_headers?,
        max_age: Duration::from_secs(max_age?),
    };
    cors::check_whole(item, &cors);
    Some(cors)
}

/// A comma-separated string, or a list of them.
fn separated(item: &Item<'_>, form: &str, check: fn(&str) -> bool) -> Option<Vec<String>> {
    let mut all = Vec::new();
    let mut complete = true;
    for item in item.one_or_more() {
        let Some(text) = item.text(form) else {
            complete = false;
            continue;
        };
        for part in text.split(',').map(str::trim).filter(|part| !part.is_empty()) {
            if check(part) {
                all.push(part.to_owned());
            } else {
                item.mistake(item.found(), form);
                complete = false;
                break;
            }
        }
    }
    complete.then_some(all)
}

/// `logging.level` as a log filter.
fn logging(item: &Item<'_>) -> Option<Option<String>> {
    let section = item.section(vec!["level", "loggers", "appenders"])?;
    ignore(&section, &["loggers", "appenders"]);
    let level = section.get("level").map(|item| {
        let form = "one of `OFF`, `ERROR`, `WARN`, `INFO`, `DEBUG`, `TRACE`, `ALL`";
        let filter = match item.text(form)?.to_ascii_uppercase().as_str() {
            // YAML 1.1 reads a bare OFF as false, and so does whoever rewrote the file with a tool.
            "OFF" | "FALSE" => "off",
            "ERROR" => "error",
            "WARN" => "warn",
            "INFO" => "info",
            "DEBUG" => "debug",
            "TRACE" | "ALL" => "trace",
            _ => {
                item.mistake(item.found(), form);
                return None;
            }
        };
        Some(filter.to_owned())
    });
    section.finish();
    match level {
        Some(level) => level.map(Some),
        None => Some(None),
    }
}
