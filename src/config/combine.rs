//! Several sources in one stream.

use super::codec::{AtLeastOne, Flag, Text};
use super::field::Presence as _;
use super::item::{Item, Section};
use super::paths::{CLIENT_PATH, ClientPath, PATH_FORM};
use super::source::{self, Compress, Forward, Source};
use super::stream::{KeptLog, SlowClient, SlowPolicy};
use super::table::section;
use super::wording::nearest;
use std::sync::Arc;
use std::time::Duration;

const SOURCES_FORM: &str = "names of sources, at least one";

/// Different sets of sources of one path whose channels there are at one time: each is a log of its
/// own.
pub const JOINED_CHANNELS_MAX: usize = 64;

section! {
    /// Several sources in one stream.
    #[derive(Debug, Clone, PartialEq, Eq)]
    pub struct Combine {
        /// The path at which clients find it, without parameters; also the `source` label of its
        /// metrics.
        pub path: String = CLIENT_PATH.needed(PATH_FORM),
        /// The sources, by name; without parameters in their paths. Clients may ask for some of them,
        /// by `?source=`.
        pub sources: Vec<String> = AtLeastOne(NAME, SOURCES_FORM).needed(SOURCES_FORM),
        /// Whether event types are given as `NAME.TYPE`.
        pub prefix_events: bool = Flag.or("false"),
    }
}

const NAME: Text<String> = Text {
    form: "the name of a source",
    examples: &["changelog", "video"],
    parse: |text| Ok(text.to_owned()),
    show: String::clone,
};

impl Combine {
    /// The settings by which its clients are served: those of its first source, but for what concerns
    /// all of them. What a source restricts is restricted here.
    pub fn settings(&self, sources: &[Arc<Source>]) -> Option<Source> {
        let named = |name: &String| sources.iter().find(|source| source.name == *name);
        let all: Vec<&Source> = self.sources.iter().filter_map(named).map(AsRef::as_ref).collect();
        let first = *all.first()?;
        let log = KeptLog {
            events: all
                .iter()
                .fold(0, |sum: usize, source| sum.saturating_add(source.log.events)),
            bytes: all
                .iter()
                .fold(0, |sum: u64, source| sum.saturating_add(source.log.bytes)),
            age: all.iter().map(|source| source.log.age).max()?,
            ask_origin: Duration::ZERO,
            dir: None,
            ..first.log.clone()
        };
        let ages = all.iter().map(|source| source.max_age).filter(|age| !age.is_zero());
        Some(Source {
            name: self.path.clone(),
            paths: vec![self.path.clone()],
            upstreams: Vec::new(),
            log,
            retry: Forward::Never,
            end_when: Vec::new(),
            coalesce: Duration::ZERO,
            client_start: all.iter().all(|source| source.client_start),
            filters: all.iter().map(|source| source.filters).min()?,
            linger: all.iter().map(|source| source.linger).max()?,
            stagger: all.iter().map(|source| source.stagger).max()?,
            max_age: ages.min().unwrap_or_default(),
            slow_client: slow_client(&all),
            required: false,
            compress: match all.iter().all(|source| source.compress == Compress::Gzip) {
                true => Compress::Gzip,
                false => Compress::None,
            },
            // Asked for at each source.
            access: Vec::new(),
            cors: first
                .cors
                .clone()
                .filter(|_| all.iter().all(|source| source.cors == first.cors)),
            ..first.clone()
        })
    }
}

/// What a client may be behind at any of them. It skips events, or holds up the origins, only where all of
/// them say so.
fn slow_client(all: &[&Source]) -> SlowClient {
    let each = || all.iter().map(|source| &source.slow_client);
    let policy = policy_of_all(all).unwrap_or(SlowPolicy::Evict);
    SlowClient {
        policy,
        events: each().map(|slow| slow.events).min().unwrap_or_default(),
        bytes: each().map(|slow| slow.bytes).min().unwrap_or_default(),
        stall: each().map(|slow| slow.stall).min().unwrap_or_default(),
        pause_max: each().map(|slow| slow.pause_max).min().unwrap_or_default(),
    }
}

/// The policy on which all agree.
fn policy_of_all(all: &[&Source]) -> Option<SlowPolicy> {
    let first = all.first()?.slow_client.policy;
    all.iter()
        .all(|source| source.slow_client.policy == first)
        .then_some(first)
}

/// Every source is there, and every path leads to one thing.
pub(super) fn check(section: &Section<'_>, configured: Option<&[Arc<Source>]>) {
    let list = section.get("combine").map(|list| list.one_or_more());
    for item in list.unwrap_or_default() {
        check_path(section, &item);
        check_names(section, &item);
        if let Some(configured) = configured {
            warn_of_what_differs(&item, configured);
        }
    }
}

fn check_path(section: &Section<'_>, item: &Item<'_>) {
    let Some(at) = item.at("path") else { return };
    let Some(text) = at.peek() else { return };
    if ClientPath::parse(text).is_ok_and(|path| path.is_templated()) {
        at.mistake(format!("{} has parameters", at.found()), "a path without them");
    }
    if sources(section).iter().any(|(name, _)| *name == text) {
        at.mistake(
            format!(
                "{} is also the name of a source, and both are labels of metrics",
                at.found()
            ),
            "a path that is no name",
        );
    }
}

fn check_names(section: &Section<'_>, item: &Item<'_>) {
    let Some(names) = item.at("sources") else { return };
    let sources = sources(section);
    let mut seen: Vec<&str> = Vec::new();
    for at in names.one_or_more() {
        let Some(name) = at.peek() else { continue };
        match sources.iter().find(|(known, _)| *known == name) {
            _ if seen.contains(&name) => at.mistake(format!("{} a second time", at.found()), "each source once"),
            None => {
                let near = nearest(name, sources.iter().map(|(known, _)| *known));
                let expected = near.map_or_else(|| "the name of a source".to_owned(), |near| format!("`{near}`"));
                at.mistake(format!("there is no source {}", at.found()), expected);
            }
            Some((_, source)) if source::paths(source).iter().any(|(path, _)| path.is_templated()) => at.mistake(
                format!(
                    "{} has parameters in its path: a client would have to say which channel",
                    at.found()
                ),
                "a source without parameters",
            ),
            Some(_) => {}
        }
        seen.push(name);
    }
}

/// The sources of the file, by their names.
fn sources<'a>(section: &Section<'a>) -> Vec<(&'a str, Item<'a>)> {
    let Some(sources) = section.present("sources").filter(|item| item.scalar().is_none()) else {
        return Vec::new();
    };
    let entries = sources.entries("").unwrap_or_default();
    entries
        .into_iter()
        .map(|(entry, item)| (entry.key.as_str(), item))
        .collect()
}

/// The combined paths, with where they stand.
pub(super) fn paths<'a>(section: &Section<'a>) -> Vec<(ClientPath, Item<'a>)> {
    let items = section
        .get("combine")
        .map(|list| list.one_or_more())
        .unwrap_or_default();
    let parsed = |item: Item<'a>| {
        let at = item.at("path")?;
        Some((ClientPath::parse(at.peek()?).ok()?, at))
    };
    items.into_iter().filter_map(parsed).collect()
}

/// What holds at the combined path only where all sources agree.
fn warn_of_what_differs(item: &Item<'_>, configured: &[Arc<Source>]) {
    let names: Vec<&str> = item.at("sources").map_or_else(Vec::new, |names| {
        names.one_or_more().iter().filter_map(Item::peek).collect()
    });
    let all: Vec<&Arc<Source>> = configured
        .iter()
        .filter(|source| names.contains(&&*source.name))
        .collect();
    let differ = |of: &dyn Fn(&Source, &Source) -> bool| all.iter().any(|source| of(source, all[0]));
    if differ(&|one, first| one.cors != first.cors) {
        item.warn("its sources differ in `cors`: it sends no CORS headers");
    }
    if differ(&|one, first| one.compress != first.compress) {
        item.warn("its sources differ in `compress`: its events are not compressed");
    }
    if differ(&|one, first| one.slow_client.policy != first.slow_client.policy) {
        item.warn("its sources differ in `slow_client.policy`: its clients that are too slow are evicted");
    }
}
