//! What is right by itself and hurts as a whole. Judged when it is known how the configuration will
//! run: with which listeners, and on which machine.

use super::around::{Meeting, meeting, same_origin};
use super::diagnostics::{Collector, Diagnostics, Place};
use super::item::Item;
use super::load::Loaded;
use super::machine::Machine;
use super::memory::Taken;
use super::own_address::{Leads, OwnAddresses};
use super::root::Config;
use super::source::Source;
use super::units::{about_size, format_size};
use super::upstream::{self, Target};
use super::url::OriginUrl;
use super::wording::shown;
use crate::path::{Template, normalise};

impl Loaded {
    /// Judges the configuration as it will run, with the listeners that are in it now. Mistakes
    /// make it unusable; what will hurt is added to the warnings.
    pub fn judge(mut self, machine: &Machine) -> Result<Self, Diagnostics> {
        let written = self.written.take();
        let diagnostics = Collector::new(written.as_ref().map_or("command line", |written| &written.file));
        let judge = Judge {
            config: &self.config,
            machine,
            own: OwnAddresses::of(&self.config, machine),
            root: written.as_ref().map(|written| Item::root(&diagnostics, &written.root)),
            diagnostics: &diagnostics,
        };
        judge.upstreams();
        judge.passed();
        judge.memory();
        judge.descriptors();
        let ((), more) = diagnostics.finish(Some(()))?;
        self.warnings.extend(more);
        self.warnings.sort_by_key(|warning| warning.place);
        Ok(self)
    }
}

struct Judge<'a> {
    config: &'a Config,
    machine: &'a Machine,
    own: OwnAddresses<'a>,
    /// `None`: no file says it.
    root: Option<Item<'a>>,
    diagnostics: &'a Collector,
}

/// A URL of an upstream, and where it stands.
struct Stream<'a> {
    /// Its source: an index into the configuration's.
    source: usize,
    url: OriginUrl,
    /// An Atom feed that names the stream, and is there for all to read.
    is_feed: bool,
    spot: Spot<'a>,
}

/// Where something stands, and what stands there.
struct Spot<'a> {
    item: Option<Item<'a>>,
    /// What is said where no file says it.
    key: String,
    written: String,
}

impl Spot<'_> {
    fn found(&self) -> String {
        self.item.as_ref().map_or_else(|| shown(&self.written), Item::found)
    }

    fn place(&self) -> (Place, &str) {
        match &self.item {
            Some(item) => (item.node.place, &item.path),
            None => (Place::default(), &self.key),
        }
    }
}

impl<'a> Judge<'a> {
    fn mistake(&self, spot: &Spot<'_>, what: String, expected: impl Into<String>) {
        let (place, key) = spot.place();
        self.diagnostics.mistake(place, key, what, Some(expected.into()));
    }

    fn warn(&self, spot: &Spot<'_>, what: String, expected: impl Into<String>) {
        let (place, key) = spot.place();
        self.diagnostics.warning(place, key, what, Some(expected.into()));
    }

    /// The value of the innermost of these keys that is written.
    fn spot(&self, keys: &[&str]) -> Spot<'a> {
        let mut item = self.root.clone();
        for key in keys {
            let Some(inner) = item.as_ref().and_then(|item| item.at(key)) else {
                break;
            };
            item = Some(inner);
        }
        Spot {
            item: item.filter(|item| !item.path.is_empty()),
            key: keys.join("."),
            written: String::new(),
        }
    }

    /// Every URL of every upstream.
    fn streams(&self) -> Vec<Stream<'a>> {
        let mut streams = Vec::new();
        for (index, source) in self.config.sources.iter().enumerate() {
            for (nth, upstream) in source.upstreams.iter().enumerate() {
                for (at, text) in upstream.target.urls().iter().enumerate() {
                    // What was put together by a program may be none.
                    let Ok(url) = OriginUrl::parse(text) else { continue };
                    let item = self.root.as_ref();
                    let spot = Spot {
                        item: item.and_then(|root| upstream::written(root, &source.name, nth, at)),
                        key: "--upstream".to_owned(),
                        written: text.clone(),
                    };
                    streams.push(Stream {
                        source: index,
                        is_feed: matches!(upstream.target, Target::Feed(_)),
                        url,
                        spot,
                    });
                }
            }
        }
        streams
    }

    /// The source that serves this path.
    fn served(&self, path: &str) -> Option<usize> {
        let path = normalise(path).ok()?;
        let fits = |source: &Source| source.paths.iter().any(|own| Template::new(own).fit(&path).is_some());
        self.config.sources.iter().position(|source| fits(source))
    }

    /// An upstream that is a source of the relay itself would wait for itself, directly or by
    /// others.
    fn upstreams(&self) {
        let streams = self.streams();
        let links: Vec<(&Stream<'_>, Leads, usize)> = streams
            .iter()
            .filter_map(|stream| match self.own.lead(&stream.url.filled) {
                Leads::Elsewhere => None,
                leads => Some((stream, leads, self.served(stream.url.filled.path())?)),
            })
            .collect();
        let edges: Vec<(usize, usize)> = links
            .iter()
            .map(|(stream, _, served)| (stream.source, *served))
            .collect();
        for (stream, leads, served) in links {
            let (found, name) = (stream.spot.found(), &self.config.sources[served].name);
            let expected = "the URL of an origin";
            match (leads, reaches(&edges, served, stream.source)) {
                (Leads::Here, true) => {
                    let what = format!(
                        "{found} is the relay's own address, and its path that of source `{name}`: it would wait for itself"
                    );
                    self.mistake(&stream.spot, what, expected);
                }
                (Leads::Here, false) => {
                    let what = format!("{found} is the relay's own source `{name}`, read over the network");
                    self.warn(&stream.spot, what, "the upstream of that source");
                }
                (Leads::ToPublicName, true) => {
                    let what = format!(
                        "{found} is `public_url`, and its path that of source `{name}`: it waits for itself, unless that name \
                         leads to another place from here"
                    );
                    self.warn(&stream.spot, what, expected);
                }
                _ => {}
            }
        }
    }

    /// What is passed on comes back if its origin is the relay, and walks around a source if that
    /// has the same origin.
    fn passed(&self) {
        let streams = self.streams();
        for (nth, pass) in self.config.pass.iter().enumerate() {
            let Ok(to) = OriginUrl::parse(&pass.to) else { continue };
            let item = self.spot(&["pass"]).item;
            let item = item.and_then(|pass| pass.one_or_more().into_iter().nth(nth)?.at("to"));
            let spot = Spot {
                item,
                key: format!("pass[{nth}].to"),
                written: pass.to.clone(),
            };
            if self.own.lead(&to.filled) == Leads::Here {
                let what = format!(
                    "{} is the relay's own address: what is passed would come back",
                    spot.found()
                );
                self.mistake(&spot, what, "an origin");
                continue;
            }
            self.walks_around(&spot, &pass.prefix, &to, nth, &streams);
            let open = |stream: &&Stream<'_>| !stream.is_feed && self.config.sources[stream.source].access.is_empty();
            for stream in streams.iter().filter(open) {
                let path = stream.url.filled.path();
                let goes = |pass: &super::Pass| normalise(path).is_ok_and(|path| path.starts_with(&pass.prefix));
                let first = self.config.pass.iter().position(goes) == Some(nth);
                if first && to.filled.origin() == stream.url.filled.origin() && self.served(path).is_none() {
                    let (name, path) = (&self.config.sources[stream.source].name, &stream.url.path);
                    let what = format!(
                        "the stream of source `{name}` is also passed, at `{path}`: every client there is one more connection to \
                         the origin"
                    );
                    self.warn(&spot, what, format!("`{path}` among the paths of `{name}`"));
                }
            }
        }
    }

    /// Who may not read a source would read it at its origin, through a `pass`.
    fn walks_around(&self, spot: &Spot<'_>, prefix: &str, to: &OriginUrl, nth: usize, streams: &[Stream<'_>]) {
        for stream in streams {
            let source = &self.config.sources[stream.source];
            if source.access.is_empty() || !same_origin(&to.filled, &stream.url.filled) {
                continue;
            }
            let (name, path) = (&source.name, &stream.url.path);
            if stream.is_feed {
                let what = format!(
                    "the origin of source `{name}`, which has `access`, is also passed to: whether a client reaches its stream \
                     there, the feed decides"
                );
                self.warn(spot, what, "an origin that guards the stream itself");
                continue;
            }
            // Its own path is the source's; an earlier prefix goes before this one.
            let at = stream.url.filled.path();
            let goes = |pass: &super::Pass| normalise(at).is_ok_and(|path| path.starts_with(&pass.prefix));
            let is_taken = self.served(at).is_some() || self.config.pass[..nth].iter().any(goes);
            match meeting(prefix, &stream.url) {
                Meeting::All if !is_taken => {
                    let what = format!(
                        "the stream of source `{name}`, which has `access`, is also passed, at `{path}`: anyone can read it there"
                    );
                    self.mistake(
                        spot,
                        what,
                        format!("`{path}` among the paths of `{name}`, or a prefix that leaves it out"),
                    );
                }
                Meeting::Some => {
                    let what = format!(
                        "the stream of source `{name}`, which has `access`, may also be passed, at some `{path}`: anyone could read it \
                         there"
                    );
                    self.warn(spot, what, "a prefix that leaves it out");
                }
                Meeting::All | Meeting::No => {}
            }
        }
    }

    /// The logs of all channels at one time fit into the memory that there is.
    fn memory(&self) {
        let Some(memory) = self.machine.memory_bytes else {
            return;
        };
        let channels = self.config.limits.channels;
        let templated = self.config.sources.iter().filter(|source| source.is_templated());
        let taken = templated.map(|source| (source, Taken::by(source, channels, self.config)));
        if let Some((source, taken)) = taken.max_by_key(|(_, taken)| taken.all())
            && taken.all() > memory
        {
            self.memory_of_channels(source, taken, memory);
        }
        let taken = Taken::by_all_plain(self.config);
        if taken.all() > memory {
            let what = format!(
                "`log.bytes` of all sources without parameters is {}{}, and there are {} of memory",
                about_size(taken.logs),
                taken.besides(),
                about_size(memory)
            );
            self.warn(&self.spot(&["sources"]), what, "less in all");
        }
    }

    /// The channels of a source with parameters take more than there is.
    fn memory_of_channels(&self, source: &Source, taken: Taken, memory: u64) {
        let channels = self.config.limits.channels;
        let what = format!(
            "`limits.channels` ({channels}) times `log.bytes` of `{}` ({}) is {}{}, and there are {} of memory",
            source.name,
            format_size(source.log.bytes),
            about_size(taken.logs),
            taken.besides(),
            about_size(memory)
        );
        // What there is besides becomes less with it.
        let fits = |now: u64| u128::from(now) * u128::from(memory) / u128::from(taken.all());
        let expected = format!(
            "`limits.channels` of at most {}, or `log.bytes` of at most {}",
            fits(channels as u64).max(1),
            about_size(u64::try_from(fits(source.log.bytes)).unwrap_or(u64::MAX))
        );
        let spot = match self.spot(&["limits", "channels"]) {
            spot if spot.item.as_ref().is_some_and(|item| item.path == "limits.channels") => spot,
            _ => self.spot(&["sources", &source.name, "log", "bytes"]),
        };
        self.warn(&spot, what, expected);
    }

    /// As many clients as are allowed fit under the limit on open files.
    fn descriptors(&self) {
        let clients = self.config.limits.clients;
        if let Some(fit) = self.machine.clients_max.filter(|fit| *fit < clients) {
            let what = format!("`limits.clients` is {clients}, and {fit} fit under the limit on open files here");
            let expected = format!("a higher limit (`LimitNOFILE=`, `ulimit -Hn`), or at most {fit}");
            self.warn(&self.spot(&["limits", "clients"]), what, expected);
        }
    }
}

/// Whether the way along these edges leads from one to the other; to itself it does.
fn reaches(edges: &[(usize, usize)], from: usize, to: usize) -> bool {
    let mut reached = vec![from];
    let mut next = 0;
    while let Some(at) = reached.get(next).copied() {
        next += 1;
        let more = edges.iter().filter(|(here, _)| *here == at).map(|(_, there)| *there);
        let more: Vec<usize> = more.filter(|there| !reached.contains(there)).collect();
        reached.extend(more);
    }
    reached.contains(&to)
}
