//! The file from its root, and configurations without a file.

use super::access::{ADMIN_ACCESS, Access};
use super::addresses::{self, ADDRESS_FORM, ADMIN_ADDRESS, NETWORK, Network, SOCKET_PATH};
use super::codec::{AtLeastOne, Codec as _, Count, Custom, Flag, List, OneOrMore, Word};
use super::combine::{self, Combine};
use super::diagnostics::{Collector, Diagnostics};
use super::field::{NoKey, Presence as _};
use super::fleet::Fleet;
use super::item::{Item, Section};
use super::listener::{self, ClientListener, LISTENER};
use super::named_files::NamedFiles;
use super::node::Node;
use super::pass::{self, Pass};
use super::paths::{ClientPath, Overlap};
use super::process::{Drain, Limits};
use super::shape::Shape;
use super::source::{self, Source};
use super::table::{Table, nested, section};
use super::url::PUBLIC_URL;
use serde_json::{Map, Value as Json};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

section! {
    /// A whole configuration in force: immutable, replaced as a whole.
    #[derive(Debug, Clone, PartialEq)]
    pub struct Config {
        /// Where clients connect: an address and port, or `unix:/path`; one, or a list.
        pub listen: Vec<ClientListener> = AtLeastOne(LISTENER, ADDRESS_FORM).or("0.0.0.0:9080"),
        /// Address and port of health, metrics, status and dashboard.
        pub admin: Option<SocketAddr> = ADMIN_ADDRESS.or("127.0.0.1:7090"),
        /// Who may see what the admin shows beyond probes and metrics, as a source's `access`.
        /// Without it, it shows that on a loopback address only.
        pub admin_access: Vec<Access> = ADMIN_ACCESS,
        /// Scheme and authority that rewritten links get; without it, those of the client's
        /// request.
        pub public_url: Option<hyper::Uri> = PUBLIC_URL.optional(),
        /// Delivery shards; `auto`: one per core.
        pub workers: usize = WORKERS.or("auto"),
        /// Bounds of the whole process.
        pub limits: Limits = nested().or("{}"),
        /// Networks (`10.0.0.0/8`) or addresses whose `X-Forwarded-For` and `Forwarded` count.
        pub trusted_proxies: Vec<Network> = OneOrMore(NETWORK).or("[]"),
        /// How the process leaves after SIGTERM.
        pub drain: Drain = nested().or("{}"),
        /// The socket by which another process of the program takes over without cutting a client
        /// (`serve --takeover`, `upgrade`). In a directory of the service's user, mode 0700.
        pub handover: Option<PathBuf> = SOCKET_PATH.optional(),
        /// The log that several instances share, for sources that say `fleet: true`.
        pub fleet: Option<Fleet> = nested().optional(),
        /// When the file is read again: on SIGHUP only, or also when it has changed.
        pub reload: Reload = Word(&[("signal", Reload::Signal), ("watch", Reload::Watch)]).or("signal"),
        /// A line for each stream that has ended and each proxied request, in the log.
        pub access_log: bool = Flag.or("false"),
        /// The event streams, by name; the name is a label of metrics.
        pub sources: Vec<Arc<Source>> = SOURCES.needed("at least one source, by name"),
        /// Streams that are put together from several sources, each at a path of its own.
        pub combine: Vec<Combine> = List(nested::<Combine>(), "a list of mappings with `path` and `sources`").or("[]"),
        /// What goes to the origin as it is, in the order of the list.
        pub pass: Vec<Pass> = List(nested::<Pass>(), "a list of mappings with `prefix` and `to`").or("[]"),
        /// The files that it names, as they were when it was read.
        pub files: NamedFiles = NoKey(NamedFiles::default),
    }
    check = check;
}

/// When the file is read again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reload {
    /// On SIGHUP.
    Signal,
    /// On SIGHUP, and when the file's content has changed.
    Watch,
}

/// `auto`, or a number of threads.
const WORKERS: Custom<usize> = Custom {
    shape: || Shape::Either(vec![Shape::Word(vec!["auto"]), WORKER_COUNT.shape()]),
    read: |item| match item.peek() {
        Some("auto") => Some(std::thread::available_parallelism().map_or(1, std::num::NonZero::get)),
        Some(text) if text.bytes().all(|b| b.is_ascii_digit()) => usize::try_from(WORKER_COUNT.read(item)?).ok(),
        _ => {
            let form = "`auto`, or a number of threads";
            item.text(form)?;
            item.checked(None, form)
        }
    },
    print: |workers| Some((*workers).into()),
};

const WORKER_COUNT: Count = Count(1..=1024);

/// The sources by name.
const SOURCES: Custom<Vec<Arc<Source>>> = Custom {
    shape: || Shape::Named(Box::new(nested::<Source>().shape())),
    read: sources,
    print: |sources| {
        let pair = |source: &Arc<Source>| (source.name.clone(), Json::Object(source.print()));
        Some(Json::Object(sources.iter().map(pair).collect::<Map<_, _>>()))
    },
};

fn sources(item: &Item<'_>) -> Option<Vec<Arc<Source>>> {
    let entries = item.entries("a mapping from names to sources")?;
    if entries.is_empty() {
        item.mistake("no source", "at least one, by name");
        return None;
    }
    let mut complete = true;
    let mut sources = Vec::new();
    for (entry, item) in &entries {
        if entry.key.trim().is_empty() || entry.key.chars().any(char::is_control) {
            let expected = Some("a name of visible characters".to_owned());
            let what = "a source without a readable name";
            item.diagnostics.mistake(entry.place, &item.path, what, expected);
        }
        match Source::read(item) {
            Some(source) => sources.push(Arc::new(Source {
                name: entry.key.clone(),
                ..source
            })),
            None => complete = false,
        }
    }
    complete.then_some(sources)
}

fn check(section: &Section<'_>, config: Option<&mut Config>) {
    addresses::check(section);
    if let Some(config) = &config {
        listener::check(section, &config.listen, &config.trusted_proxies);
        if config.limits.clients_per_user > 0 && config.sources.iter().all(|source| source.access.is_empty()) {
            section.warn_at(
                "limits",
                "`clients_per_user` has no effect: no source has `access`, which knows users",
            );
        }
    }
    paths_are_told_apart(section);
    fleet_and_sources(section);
    combine::check(section, config.map(|config| &*config.sources));
    pass::check(section);
}

/// A shared log is said in two places.
fn fleet_and_sources(section: &Section<'_>) {
    let Some(sources) = section.present("sources").filter(|item| item.scalar().is_none()) else {
        return;
    };
    let sources = sources.entries("").unwrap_or_default();
    let shared = sources.iter().filter_map(|(_, source)| source.at("fleet"));
    let shared: Vec<Item<'_>> = shared.filter(|item| item.peek() == Some("true")).collect();
    match section.present("fleet") {
        None => shared
            .iter()
            .for_each(|item| item.mistake("a shared log", "`fleet` at the top of the file, which says where it is")),
        Some(fleet) if shared.is_empty() => fleet.warn("no effect: no source says `fleet: true`"),
        Some(fleet) => {
            let has_parameters = |source: &Item<'_>| {
                let is_shared = source.at("fleet").is_some_and(|item| item.peek() == Some("true"));
                is_shared && source::paths(source).iter().any(|(path, _)| path.is_templated())
            };
            let is_local = |item: &Item<'_>| item.peek() == Some("local");
            if let Some(when_away) = fleet.at("when_away").filter(is_local)
                && sources.iter().any(|(_, source)| has_parameters(source))
            {
                when_away.mistake(
                    "beside a shared log at a path with parameters, which this version does not support",
                    "`hold`",
                );
            }
        }
    }
}

/// Every path leads to one source, or to several that are combined there.
fn paths_are_told_apart(section: &Section<'_>) {
    let Some(sources) = section.present("sources").filter(|item| item.scalar().is_none()) else {
        return;
    };
    let entries = sources.entries("").unwrap_or_default();
    let of_sources = entries.iter().flat_map(|(entry, item)| {
        let paths = source::paths(item).into_iter();
        paths.map(|(path, at)| (path, at, entry.key.as_str()))
    });
    let combined = combine::paths(section)
        .into_iter()
        .map(|(path, at)| (path, at, "combine"));
    let mut served: Vec<(ClientPath, &str, usize)> = Vec::new();
    for (path, at, name) in of_sources.chain(combined) {
        for (other, name, line) in &served {
            // Made only where two clash: there are as many pairs as sources squared.
            let whose = || format!("the path of `{name}` in line {line}");
            match path.against(other) {
                Overlap::None => {}
                Overlap::Same => at.mistake(format!("{} is also {}", at.found(), whose()), "each path once"),
                Overlap::Ambiguous => at.mistake(
                    format!("{} and {} fit the same requests", at.found(), whose()),
                    "templated paths that can be told apart",
                ),
                Overlap::LiteralFirst => at.warn(format!(
                    "{} and {} fit the same request: the path without parameters wins",
                    at.found(),
                    whose()
                )),
            }
        }
        served.push((path, name, at.node.place.line));
    }
}

impl Config {
    /// The configuration of `serve --upstream URL --path PATH`: one source named `default`,
    /// everything else by default. Credentials in the URL are taken out of it and used.
    pub fn for_upstream(url: &str, path: &str) -> Result<Self, Diagnostics> {
        let source = Node::map([("path", Node::text(path)), ("upstream", Node::text(url))]);
        let file = Node::map([("sources", Node::map([("default", source)]))]);
        let diagnostics = Collector::new("command line");
        let config = Self::read(&Item::root(&diagnostics, &file));
        let flag = |key: &str| key.replace("sources.default.", "--");
        let (config, _) = diagnostics
            .finish(config)
            .map_err(|mistakes| mistakes.with_keys(flag))?;
        Ok(config)
    }
}
