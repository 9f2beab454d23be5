//! Where clients connect, where the admin does, and whose word about clients' addresses counts.

use super::codec::Custom;
use super::files::print_path;
use super::item::{Item, Section};
use super::node::Value;
use super::shape::Shape;
use ipnet::IpNet;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, SocketAddrV4};
use std::path::{Path, PathBuf};
use std::str::FromStr;

/// Clients connect here, unless the file says otherwise.
pub const LISTEN: SocketAddr = SocketAddr::V4(SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, 9080));
/// The admin listener, unless the file says otherwise: this machine only.
pub const ADMIN: SocketAddr = SocketAddr::V4(SocketAddrV4::new(Ipv4Addr::LOCALHOST, 7090));

/// Bytes of a Unix socket's path, without its end (`sun_path`, unix(7)).
const UNIX_PATH_BYTES_MAX: usize = 107;

pub(super) const ADDRESS_FORM: &str =
    "an address and port such as `0.0.0.0:9080` or `[::]:9080`, or `unix:/run/fanfare.sock`";
const ADMIN_FORM: &str = "an address and port such as `127.0.0.1:7090`";
const NETWORK_FORM: &str = "a network such as `10.0.0.0/8`, or an address";

/// One address on which clients connect.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Listen {
    /// `0.0.0.0:9080`.
    Tcp(SocketAddr),
    /// `unix:/run/fanfare.sock`.
    Unix(PathBuf),
}

impl std::fmt::Display for Listen {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Listen::Tcp(address) => write!(f, "{address}"),
            Listen::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

/// One address, as it is written in the file or on the command line. The error is what is expected.
pub fn parse_listen(text: &str) -> Result<Listen, &'static str> {
    match text.strip_prefix("unix:") {
        Some("") => Err(ADDRESS_FORM),
        Some(path) if path.len() > UNIX_PATH_BYTES_MAX => Err("a socket path of at most 107 bytes"),
        Some(path) => Ok(Listen::Unix(PathBuf::from(path))),
        None => parse_address(text).map(Listen::Tcp).ok_or(ADDRESS_FORM),
    }
}

fn parse_address(text: &str) -> Option<SocketAddr> {
    match text.strip_prefix("localhost:") {
        Some(port) => Some(SocketAddr::from(([127, 0, 0, 1], port.parse().ok()?))),
        None => text.parse().ok(),
    }
}

pub(super) const ADDRESS: Custom<Listen> = Custom {
    shape: || Shape::Text(&["0.0.0.0:9080", "127.0.0.1:9081", "[::1]:9082", "unix:/run/a b.sock"]),
    read: |item| match parse_listen(item.text(ADDRESS_FORM)?) {
        Ok(listen) => Some(listen),
        Err(expected) => item.checked(None, with_port(item, expected)),
    },
    print: |listen| Some(listen.to_string().into()),
};

/// The path of a socket that is no listener's; a relative one is looked for beside the file.
pub(super) const SOCKET_PATH: Custom<PathBuf> = Custom {
    shape: || Shape::Text(&["/run/fanfare/handover.sock"]),
    read: |item| {
        const FORM: &str = "a socket's path such as `/run/fanfare/handover.sock`, of at most 107 bytes";
        let text = item.text(FORM)?;
        let folder = Path::new(item.diagnostics.file()).parent();
        let path = folder.map_or_else(|| PathBuf::from(text), |folder| folder.join(text));
        let is_path = !text.is_empty() && !text.ends_with('/') && !text.starts_with("unix:");
        let fits = path.as_os_str().len() <= UNIX_PATH_BYTES_MAX;
        item.checked((is_path && fits).then_some(path), FORM)
    },
    print: print_path,
};

/// The admin's address; a file always has one.
pub(super) const ADMIN_ADDRESS: Custom<Option<SocketAddr>> = Custom {
    shape: || Shape::Text(&["127.0.0.1:7090", "[::1]:7091"]),
    read: |item| {
        let address = parse_address(item.text(ADMIN_FORM)?);
        item.checked(address, with_port(item, ADMIN_FORM)).map(Some)
    },
    print: |address| address.map(|address| address.to_string().into()),
};

/// A port alone, or `:port`, is what other programs take.
fn with_port(item: &Item<'_>, expected: &str) -> String {
    let port = item.peek().filter(|_| !item.is_from_environment());
    let port = port.map(|text| text.trim_start_matches('*').trim_start_matches(':'));
    match port.and_then(|port| port.parse::<u16>().ok()) {
        Some(port) => format!("{expected} (all addresses: `0.0.0.0:{port}`)"),
        None => expected.to_owned(),
    }
}

/// An IP network, `10.0.0.0/8`; a single address is a network of full length.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Network(IpNet);

impl Network {
    /// Whether an address belongs to it; an IPv4 address in IPv6 form is the IPv4 address.
    pub fn contains(&self, ip: IpAddr) -> bool {
        self.0.contains(&ip.to_canonical())
    }
}

impl FromStr for Network {
    type Err = ();

    /// The address may have bits after the prefix; they don't count.
    fn from_str(text: &str) -> Result<Self, ()> {
        let net = match text.parse::<IpAddr>() {
            Ok(address) => IpNet::from(address),
            Err(_) => text.parse::<IpNet>().map_err(|_| ())?,
        };
        let canonical = match (net.addr().to_canonical(), net.addr()) {
            (v4 @ IpAddr::V4(_), IpAddr::V6(_)) if net.prefix_len() >= 96 => IpNet::new(v4, net.prefix_len() - 96),
            _ => Ok(net),
        };
        Ok(Self(canonical.map_err(|_| ())?.trunc()))
    }
}

impl std::fmt::Display for Network {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

/// A network of `trusted_proxies`.
pub(super) const NETWORK: Custom<Network> = Custom {
    shape: || Shape::Text(&["10.0.0.0/8", "::1", "192.168.0.0/16"]),
    read: |item| {
        let text = item.text(NETWORK_FORM)?;
        let network: Network = item.checked(text.parse().ok(), NETWORK_FORM)?;
        let address = text
            .split('/')
            .next()
            .and_then(|address| address.parse::<IpAddr>().ok());
        if address.is_some_and(|address| address.to_canonical() != network.0.addr()) {
            item.warn(format!("{} has bits after the prefix; read as {network}", item.found()));
        }
        Some(network)
    },
    print: |network| Some(network.to_string().into()),
};

/// Every address once, and the admin apart: it has a listener of its own, on its own thread.
pub(super) fn check(section: &Section<'_>) {
    let written = |item: Item<'_>| {
        let address = match &item.node.value {
            Value::Map(_) => item.at("address")?,
            _ => item.clone(),
        };
        Some((parse_listen(address.peek()?).ok()?, address.node.place, address.found()))
    };
    let fixed = |listen: &Listen| !matches!(listen, Listen::Tcp(address) if address.port() == 0);
    let items = section.get("listen").map(|item| item.one_or_more());
    let mut seen: Vec<Listen> = Vec::new();
    for item in items.iter().flatten() {
        let Some((listen, ..)) = written(item.clone()) else {
            continue;
        };
        if fixed(&listen) && seen.contains(&listen) {
            item.mistake(format!("`{listen}` a second time"), "each address once");
        }
        seen.push(listen);
    }
    let listen = if items.is_some() {
        seen
    } else {
        vec![Listen::Tcp(LISTEN)]
    };
    let admin = match section.get("admin") {
        Some(item) => item.peek().and_then(parse_address),
        None => Some(ADMIN),
    };
    if let Some(admin) = admin
        && admin.port() != 0
        && listen.contains(&Listen::Tcp(admin))
    {
        let what = format!("`{admin}` is also where clients connect");
        section.mistake_at("admin", what, "an address and port of its own");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks_are_masked() {
        for (text, shown) in [
            ("10.0.0.0/8", "10.0.0.0/8"),
            ("10.1.2.3/8", "10.0.0.0/8"),
            ("127.0.0.1", "127.0.0.1/32"),
            ("0.0.0.0/0", "0.0.0.0/0"),
            ("fd00::1/8", "fd00::/8"),
            ("::1", "::1/128"),
            ("::ffff:10.1.2.3/104", "10.0.0.0/8"),
        ] {
            let network: Network = text.parse().expect(text);
            assert_eq!(network.to_string(), shown);
        }
        for text in ["", "10.0.0.0/33", "10.0.0/8", "::/129", "10.0.0.0/", "10.0.0.0/+8", "x"] {
            assert!(text.parse::<Network>().is_err(), "{text}");
        }
        let network: Network = "10.0.0.0/8".parse().expect("a network");
        assert!(network.contains("::ffff:10.1.2.3".parse().expect("an address")));
        assert!(!network.contains("11.0.0.1".parse().expect("an address")));
    }

    #[test]
    fn listeners() {
        let local = Listen::Tcp(SocketAddr::from(([127, 0, 0, 1], 80)));
        assert_eq!(parse_listen("localhost:80"), Ok(local));
        assert_eq!(
            parse_listen("unix:/run/f.sock"),
            Ok(Listen::Unix(PathBuf::from("/run/f.sock")))
        );
        for text in [
            "",
            "9080",
            ":9080",
            "example.com:80",
            "0.0.0.0",
            "unix:",
            "1.2.3.4:99999",
        ] {
            assert!(parse_listen(text).is_err(), "{text}");
        }
        assert!(parse_listen(&format!("unix:/{}", "x".repeat(107))).is_err());
    }
}
