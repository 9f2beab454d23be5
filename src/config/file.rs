//! The file in its own form, from the root down to listeners, limits and what is passed on.

use super::defaults;
use super::keys::{self, UNSUPPORTED};
use super::load::{Loaded, Reload};
use super::paths::{ClientPath, Overlap};
use super::reader::Item;
use super::source;
use super::url::{OriginUrl, URL_FORM};
use super::yaml::Value;
use super::*;
use std::ops::RangeInclusive;

/// Any duration.
pub(super) const ANY_DURATION: RangeInclusive<Duration> = Duration::ZERO..=Duration::from_secs(366 * 24 * 3600);
/// A duration where none would mean "at once, again and again", or "nothing at all".
pub(super) const SOME_DURATION: RangeInclusive<Duration> = Duration::from_millis(1)..=*ANY_DURATION.end();

/// A request head: a browser's is about 1 KiB; many of a megabyte would be an attack on memory.
const HEADER_BYTES: RangeInclusive<u64> = 1 << 10..=1 << 20;
/// A body that is rewritten is held in memory.
const BODY_BYTES_MAX: RangeInclusive<u64> = 0..=1 << 30;
/// Bytes of a Unix socket's path, without its end (`sun_path`, unix(7)).
const UNIX_PATH_BYTES_MAX: usize = 107;

const ADDRESS_FORM: &str = "an address and port such as `0.0.0.0:9080` or `[::]:9080`, or `unix:/run/fanfare.sock`";
const ADMIN_FORM: &str = "an address and port such as `127.0.0.1:7090`";
const NETWORK_FORM: &str = "a network such as `10.0.0.0/8`, or an address";

/// Reads the whole file. `None` only after a mistake.
pub(super) fn read(root: &Item<'_>) -> Option<Loaded> {
    let section = root.section(keys::names(keys::ROOT))?;
    let listen = match section.get("listen") {
        Some(item) => listeners(&item),
        None => Some(vec![Listen::Tcp(defaults::LISTEN)]),
    };
    let admin = match section.get("admin") {
        Some(item) => socket_address(&item, ADMIN_FORM),
        None => Some(defaults::ADMIN),
    };
    let public_url = match section.get("public_url") {
        Some(item) => base_url(&item).map(|url| url.url.parse().ok()),
        None => Some(None),
    };
    let workers = section
        .get("workers")
        .map_or(Some(defaults::workers()), |item| workers(&item));
    let limits = section
        .get("limits")
        .map_or(Some(Limits::default()), |item| limits(&item));
    let networks = section
        .get("trusted_proxies")
        .map_or(Some(Vec::new()), |item| networks(&item));
    let drain = section.get("drain").map_or(Some(Drain::default()), |item| drain(&item));
    let reload = section.choice(
        "reload",
        Reload::Signal,
        &[("signal", Reload::Signal), ("watch", Reload::Watch)],
    );
    let sources = section
        .need("sources", "at least one source, by name")
        .and_then(|item| sources(&item));
    let pass = section.get("pass").map_or(Some(Vec::new()), |item| passes(&item));
    if let (Some(listen), Some(admin)) = (&listen, admin) {
        admin_is_apart(root, listen, admin);
    }
    if let (Some(Reload::Watch), Some(item)) = (&reload, section.get("reload")) {
        item.warn("no effect yet: a changed file is in force after a restart");
    }
    section.finish();
    let config = Config {
        listen: listen?,
        admin: Some(admin?),
        public_url: public_url?,
        workers: workers?,
        limits: limits?,
        trusted_proxies: networks?,
        drain: drain?,
        sources: sources?,
        pass: pass?,
    };
    Some(Loaded {
        config,
        reload: reload?,
        log: None,
        warnings: Vec::new(),
    })
}

/// One address, as it is written in the file or on the command line.
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

fn listeners(item: &Item<'_>) -> Option<Vec<Listen>> {
    let items = item.one_or_more();
    if items.is_empty() {
        item.mistake("an empty list", ADDRESS_FORM);
        return None;
    }
    let mut all: Vec<Listen> = Vec::new();
    let mut complete = true;
    for item in &items {
        let Some(listen) = listener(item) else {
            complete = false;
            continue;
        };
        if all.contains(&listen) && !matches!(listen, Listen::Tcp(address) if address.port() == 0) {
            item.mistake(format!("{} a second time", item.found()), "each address once");
        }
        all.push(listen);
    }
    complete.then_some(all)
}

fn listener(item: &Item<'_>) -> Option<Listen> {
    let address = match &item.node.value {
        Value::Map(_) => {
            let section = item.section(keys::names(keys::LISTEN))?;
            for later in ["tls", "proxy_protocol"] {
                let off = section
                    .present(later)
                    .is_some_and(|item| item.scalar().is_some_and(|s| s.written == "false"));
                if section.present(later).is_some() && !off {
                    section.mistake_at(later, UNSUPPORTED, "no such key");
                }
            }
            let address = section.need("address", ADDRESS_FORM);
            section.finish();
            address?
        }
        _ => item.clone(),
    };
    match parse_listen(address.text(ADDRESS_FORM)?) {
        Ok(listen) => Some(listen),
        Err(expected) => {
            address.mistake(address.found(), expected);
            None
        }
    }
}

fn socket_address(item: &Item<'_>, form: &str) -> Option<SocketAddr> {
    let parsed = parse_address(item.text(form)?);
    if parsed.is_none() {
        item.mistake(item.found(), form);
    }
    parsed
}

/// The admin has a listener of its own, on its own thread.
fn admin_is_apart(root: &Item<'_>, listen: &[Listen], admin: SocketAddr) {
    if admin.port() != 0 && listen.contains(&Listen::Tcp(admin)) {
        root.diagnostics.mistake(
            root.node.place,
            "admin",
            format!("`{admin}` is also where clients connect"),
            Some("an address and port of its own".to_owned()),
        );
    }
}

/// Scheme and authority, nothing else.
fn base_url(item: &Item<'_>) -> Option<OriginUrl> {
    const FORM: &str = "scheme and host, such as `https://relay.example.com`";
    let url = match OriginUrl::parse(item.text(FORM)?) {
        Ok(url) => url,
        Err(why) => {
            item.mistake(format!("{} is {why}", item.found()), FORM);
            return None;
        }
    };
    if url.path != "/" || url.has_query || url.userinfo.is_some() || !url.parameters.is_empty() {
        item.mistake(
            format!("{} is a URL with more than scheme and host", item.found()),
            FORM,
        );
        return None;
    }
    let url = OriginUrl {
        url: url.url.trim_end_matches('/').to_owned(),
        ..url
    };
    Some(url)
}

fn workers(item: &Item<'_>) -> Option<usize> {
    match item.scalar().and_then(|scalar| scalar.text.as_deref()) {
        Some("auto") => Some(defaults::workers()),
        Some(text) if text.bytes().all(|b| b.is_ascii_digit()) => item.count(1..=keys::WORKERS_MAX).map(to_usize),
        _ => {
            item.text("`auto`, or a number of threads")?;
            item.mistake(item.found(), "`auto`, or a number of threads");
            None
        }
    }
}

fn limits(item: &Item<'_>) -> Option<Limits> {
    let section = item.section(keys::names(keys::LIMITS))?;
    let default = Limits::default();
    let clients = section.count("clients", default.clients as u64, 1..=keys::COUNT_MAX);
    let clients_per_ip = section.count("clients_per_ip", 0, 0..=keys::COUNT_MAX);
    let accepts_per_second = section.count("accepts_per_second", 0, 0..=keys::COUNT_MAX);
    let header_timeout = section.duration("header_timeout", default.header_timeout, SOME_DURATION);
    let keep_alive = section.duration("keep_alive", default.keep_alive, SOME_DURATION);
    let header_bytes = section.size("header_bytes", default.header_bytes as u64, HEADER_BYTES);
    let channels = section.count("channels", default.channels as u64, 1..=keys::COUNT_MAX);
    section.finish();
    Some(Limits {
        clients: to_usize(clients?),
        clients_per_ip: to_usize(clients_per_ip?),
        accepts_per_second: u32::try_from(accepts_per_second?).expect("COUNT_MAX fits"),
        header_timeout: header_timeout?,
        keep_alive: keep_alive?,
        header_bytes: to_usize(header_bytes?),
        channels: to_usize(channels?),
    })
}

fn drain(item: &Item<'_>) -> Option<Drain> {
    let section = item.section(keys::names(keys::DRAIN))?;
    let delay = section.duration("delay", defaults::DRAIN_DELAY, ANY_DURATION);
    let spread = section.duration("spread", defaults::DRAIN_SPREAD, ANY_DURATION);
    let timeout = section.duration("timeout", defaults::DRAIN_TIMEOUT, ANY_DURATION);
    section.finish();
    let drain = Drain {
        delay: delay?,
        spread: spread?,
        timeout: timeout?,
    };
    if drain.spread > drain.timeout {
        item.warn("`spread` is longer than `timeout`: it is shortened to that");
    }
    Some(drain)
}

fn networks(item: &Item<'_>) -> Option<Vec<Network>> {
    item.one_or_more()
        .iter()
        .map(network)
        .collect::<Vec<_>>()
        .into_iter()
        .collect()
}

fn network(item: &Item<'_>) -> Option<Network> {
    let Some((network, exact)) = parse_network(item.text(NETWORK_FORM)?) else {
        item.mistake(item.found(), NETWORK_FORM);
        return None;
    };
    if !exact {
        item.warn(format!("{} has bits after the prefix; read as {network}", item.found()));
    }
    Some(network)
}

/// The network, and whether its address had no bits after the prefix.
fn parse_network(text: &str) -> Option<(Network, bool)> {
    let (address, prefix) = text
        .split_once('/')
        .map_or((text, None), |(address, prefix)| (address, Some(prefix)));
    let address: std::net::IpAddr = address.parse().ok()?;
    let bits: u8 = if address.is_ipv4() { 32 } else { 128 };
    let prefix_len = match prefix {
        Some(digits) if digits.bytes().all(|b| b.is_ascii_digit()) => digits.parse().ok().filter(|len| *len <= bits)?,
        Some(_) => return None,
        None => bits,
    };
    let base: std::net::IpAddr = match address {
        std::net::IpAddr::V4(v4) => {
            let mask = u32::MAX.checked_shl(u32::from(bits - prefix_len)).unwrap_or(0);
            std::net::Ipv4Addr::from_bits(v4.to_bits() & mask).into()
        }
        std::net::IpAddr::V6(v6) => {
            let mask = u128::MAX.checked_shl(u32::from(bits - prefix_len)).unwrap_or(0);
            std::net::Ipv6Addr::from_bits(v6.to_bits() & mask).into()
        }
    };
    Some((
        Network {
            address: base,
            prefix_len,
        },
        base == address,
    ))
}

impl std::fmt::Display for Network {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.address, self.prefix_len)
    }
}

fn sources(item: &Item<'_>) -> Option<Vec<Arc<Source>>> {
    let form = "a mapping from names to sources";
    let entries = item.entries(form)?;
    if entries.is_empty() {
        item.mistake("no source", "at least one, by name");
        return None;
    }
    let mut sources = Vec::new();
    let mut complete = true;
    // Every path so far, with its place to tell.
    let mut served: Vec<(ClientPath, String, usize)> = Vec::new();
    for (entry, item) in &entries {
        if entry.key.trim().is_empty() || entry.key.chars().any(char::is_control) {
            let what = "a source without a readable name";
            item.diagnostics.mistake(
                entry.place,
                &item.path,
                what,
                Some("a name of visible characters".to_owned()),
            );
        }
        let Some((source, paths)) = source::read(item, &entry.key) else {
            complete = false;
            continue;
        };
        for (path, at) in paths {
            for (other, name, line) in &served {
                let whose = format!("the path of `{name}` in line {line}");
                match path.against(other) {
                    Overlap::None => {}
                    Overlap::Same => at.mistake(format!("{} is also {whose}", at.found()), "each path once"),
                    Overlap::Ambiguous => {
                        let what = format!("{} and {whose} fit the same requests", at.found());
                        at.mistake(what, "templated paths that can be told apart");
                    }
                    Overlap::LiteralFirst => {
                        at.warn(format!(
                            "{} and {whose} fit the same request: the path without parameters wins",
                            at.found()
                        ));
                    }
                }
            }
            served.push((path, entry.key.clone(), at.node.place.line));
        }
        sources.push(Arc::new(source));
    }
    complete.then_some(sources)
}

fn passes(item: &Item<'_>) -> Option<Vec<Pass>> {
    let items = item.list("a list of mappings with `prefix` and `to`")?;
    let passes: Vec<(Option<Pass>, &Item<'_>)> = items.iter().map(|item| (pass(item), item)).collect();
    for (index, (later, item)) in passes.iter().enumerate() {
        let Some(later) = later else { continue };
        let earlier = passes[..index].iter().filter_map(|(pass, _)| pass.as_ref());
        match earlier
            .clone()
            .find(|earlier| later.prefix.starts_with(&earlier.prefix))
        {
            Some(same) if same.prefix == later.prefix => {
                item.mistake(
                    format!("the prefix `{}` a second time", later.prefix),
                    "each prefix once",
                );
            }
            Some(shadow) => item.warn(format!(
                "never reached: `{}`, earlier in the list, takes all that begins with `{}`",
                shadow.prefix, later.prefix
            )),
            None => {}
        }
    }
    passes.into_iter().map(|(pass, _)| pass).collect()
}

fn pass(item: &Item<'_>) -> Option<Pass> {
    let section = item.section(keys::names(keys::PASS))?;
    let prefix = section
        .need("prefix", "the beginning of a path, such as `/webservice/`")
        .and_then(|item| {
            let text = item.text("the beginning of a path")?;
            if !text.starts_with('/') || text.contains(['?', '#']) || !text.bytes().all(|b| b.is_ascii_graphic()) {
                item.mistake(item.found(), "the beginning of a path, such as `/webservice/`");
                return None;
            }
            if let Err(found) = super::paths::check_segments(text) {
                item.mistake(found, "the beginning of a path, such as `/webservice/`");
                return None;
            }
            crate::path::normalise(text).map(Into::into).ok()
        });
    let to = section.need("to", URL_FORM).and_then(|item| base_url(&item));
    let connections_max = section.count(
        "connections_max",
        defaults::PASS_CONNECTIONS_MAX as u64,
        1..=keys::COUNT_MAX,
    );
    let rewrite_links = section.flag("rewrite_links", false);
    let rewrite_headers: Option<Vec<_>> = match section.get("rewrite_headers") {
        Some(item) => item
            .one_or_more()
            .iter()
            .map(source::header_name)
            .collect::<Vec<_>>()
            .into_iter()
            .collect(),
        None => Some(Vec::new()),
    };
    let body_bytes_max = section.size("body_bytes_max", defaults::PASS_BODY_BYTES_MAX as u64, BODY_BYTES_MAX);
    section.finish();
    Some(Pass {
        prefix: prefix?,
        to: to?.url,
        connections_max: to_usize(connections_max?),
        rewrite_links: rewrite_links?,
        rewrite_headers: rewrite_headers?,
        body_bytes_max: to_usize(body_bytes_max?),
    })
}

/// A number that has been read within a bound far below what `usize` holds on the machines that are served.
pub(super) fn to_usize(number: u64) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks_are_masked() {
        for (text, shown, exact) in [
            ("10.0.0.0/8", "10.0.0.0/8", true),
            ("10.1.2.3/8", "10.0.0.0/8", false),
            ("127.0.0.1", "127.0.0.1/32", true),
            ("0.0.0.0/0", "0.0.0.0/0", true),
            ("fd00::1/8", "fd00::/8", false),
            ("::1", "::1/128", true),
        ] {
            let (network, was_exact) = parse_network(text).expect(text);
            assert_eq!((network.to_string().as_str(), was_exact), (shown, exact));
        }
        for text in ["", "10.0.0.0/33", "10.0.0/8", "::/129", "10.0.0.0/", "10.0.0.0/+8", "x"] {
            assert_eq!(parse_network(text), None, "{text}");
        }
    }

    #[test]
    fn listeners() {
        assert_eq!(
            parse_listen("localhost:80"),
            Ok(Listen::Tcp(SocketAddr::from(([127, 0, 0, 1], 80))))
        );
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
