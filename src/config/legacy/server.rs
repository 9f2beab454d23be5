//! Where the old proxy listens: Dropwizard's `server`.

use crate::config::addresses::{ADMIN, LISTEN, Listen};
use crate::config::codec::{AtLeastOne, Count, Custom, Text, Word, number};
use crate::config::field::Presence as _;
use crate::config::item::Section;
use crate::config::shape::Shape;
use crate::config::table::{Ignored, Table as _, section};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

section! {
    /// Where clients and the admin connect.
    pub(super) struct Server {
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

impl Server {
    /// Where clients connect.
    pub(super) fn listen(&self) -> Vec<Listen> {
        match &self.application {
            Some(all) => all.iter().map(|one| Listen::Tcp(one.address(LISTEN))).collect(),
            None => vec![Listen::Tcp(LISTEN)],
        }
    }

    /// Where the admin is.
    pub(super) fn admin(&self) -> SocketAddr {
        let first = self.admin.as_ref().and_then(|all| all.first());
        first.map_or(ADMIN, |connector| connector.address(ADMIN))
    }
}

impl Connector {
    fn address(&self, default: SocketAddr) -> SocketAddr {
        // An admin that is to be reached from other machines needs `bindHost`: ours shows more than
        // the old proxy's.
        SocketAddr::new(self.host.unwrap_or(default.ip()), self.port.unwrap_or(default.port()))
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
