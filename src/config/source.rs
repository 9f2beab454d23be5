//! One source of the file.

use super::access::{ACCESS, Access};
use super::codec::{
    ANY_DURATION, AtLeastOne, COUNT_MAX, Count, Flag, OneOrMore, Ratio, SOME_DURATION, Size, Word, number,
};
use super::cors::Cors;
use super::end_rules::{EndWhen, GAP_EVENT, NAMED_EVENT, RULE};
use super::field::{NoKey, Presence as _};
use super::heartbeat::Heartbeat;
use super::item::{Item, Section};
use super::paths::{CLIENT_PATH, ClientPath, PATH_FORM};
use super::stream::{KeptLog, SlowClient};
use super::table::{nested, section};
use super::units::format_size;
use super::upstream::{self, UPSTREAM, Upstream};
use serde_json::{Map, Value as Json};
use std::time::Duration;

section! {
    /// One event stream that clients can open.
    #[derive(Debug, Clone, PartialEq)]
    pub struct Source {
        /// The configured name: the `source` label of every metric.
        pub name: String = NoKey(String::new),
        /// The path at which clients find the stream; may hold `{parameters}` as whole segments.
        /// One, or a list.
        pub paths("path"): Vec<String> = AtLeastOne(CLIENT_PATH, PATH_FORM).needed(PATH_FORM),
        /// Where the stream comes from: a URL, a mapping, or a list of them, merged into one
        /// stream.
        pub upstreams("upstream"): Vec<Upstream> = AtLeastOne(UPSTREAM, "at least one upstream")
            .needed("a URL, a mapping, or a list of them"),
        /// Whose event ids clients see.
        pub ids: Ids = IDS.or("auto"),
        /// Where a client without a last event ID starts; at templated sources `earliest`, unless
        /// written.
        pub start: Start = START.or("live"),
        /// What is kept for resuming; whichever bound is reached first.
        pub log: KeptLog = nested().or("{}"),
        /// Whether its log is shared with other instances, as `fleet` says: one numbering, and one
        /// connection to the origin for all. `ids: auto` is `assign` then.
        pub fleet: bool = Flag.or("false"),
        /// What a quiet client gets.
        pub heartbeat: Heartbeat = nested().or("{}"),
        /// What happens to a client that lags; whichever bound is reached first.
        pub slow_client: SlowClient = nested().or("{}"),
        /// Mean of the reconnection time that clients are told.
        pub reconnect: Duration = SOME_DURATION.or("3s"),
        /// Jitter of `reconnect`, as a part of it: 0.5 is ± 50%.
        pub reconnect_jitter: f64 = Ratio.or("0.5"),
        /// Whose `retry` fields clients see.
        pub retry: Forward = Word(&[("own", Forward::Never), ("relay", Forward::Always)]).or("own"),
        /// Whether the origin's comments reach clients.
        pub comments: Forward = Word(&[("drop", Forward::Never), ("relay", Forward::Always)]).or("drop"),
        /// How long a templated channel's upstream stays after its last client.
        pub idle_timeout: Duration = ANY_DURATION.or("30s"),
        /// The type of the event that tells a client of a gap; false: none.
        pub gap_event: Option<String> = GAP_EVENT.or("fanfare.gap"),
        /// The type of the event that tells a client once that it has caught up; false: none.
        pub live_event: Option<String> = NAMED_EVENT.or("false"),
        /// The type of the event that tells a client why its stream ends; false: none.
        pub end_event: Option<String> = NAMED_EVENT.or("false"),
        /// Whether clients may say where they start: `?start=`, `?last=`, `?since=`.
        pub client_start: bool = Flag.or("true"),
        /// What the last event of the stream looks like; any of these.
        pub end_when: Vec<EndWhen> = OneOrMore(RULE).or("[]"),
        /// How many different filters its clients may choose at one time, by `?event=` and `?match=`;
        /// 0: none, and those parameters say nothing.
        pub filters: usize = number(Count(0..=COUNT_MAX)).or("0"),
        /// How long a stream that has ended is still served from the log.
        pub linger: Duration = ANY_DURATION.or("5m"),
        /// How long after the origin's 204 it is asked again.
        pub retry_ended_after: Duration = SOME_DURATION.or("10m"),
        /// Window in which events with identical type and data are delivered once; 0s: off.
        pub coalesce: Duration = ANY_DURATION.or("0s"),
        /// Over how long an event's delivery is spread over its clients; 0s: off.
        pub stagger: Duration = ANY_DURATION.or("0s"),
        // Room for a field name and some data; and what positions within an event hold (`u32`) with
        // room to spare.
        /// Largest event, and line, taken from the origin.
        pub event_bytes_max: usize = number(Size(64..=256 << 20)).or("1MiB"),
        /// Lifetime of a client's stream, ± 10%; 0s: unbounded.
        pub max_age: Duration = ANY_DURATION.or("0s"),
        /// Whether `/readyz` waits for it; at templated sources never.
        pub required: bool = Flag.or("true"),
        /// How refusals that should heal are answered: 200 with `retry:` and the end, or always the
        /// status.
        pub refuse: Refuse = Word(&[("retry", Refuse::Retry), ("status", Refuse::Status)]).or("retry"),
        /// Whether events are compressed, once for all clients that accept it.
        pub compress: Compress = Word(&[("none", Compress::None), ("gzip", Compress::Gzip)]).or("none"),
        /// Who may read, as a list: any one that matches lets in. Without it, anyone.
        pub access: Vec<Access> = ACCESS,
        /// Cross-origin access; without it, no CORS headers.
        pub cors: Option<Cors> = nested().optional(),
    }
    renamed = ("idle_linger", "idle_timeout");
    check = check;
    printed = leave_out_what_has_no_effect;
}

impl Source {
    /// Whether its paths hold parameters: one channel for each value instead of exactly one.
    pub fn is_templated(&self) -> bool {
        self.paths.iter().any(|path| path.contains('{'))
    }
}

/// Whose ids clients see.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub enum Ids {
    /// Assigned until the origin is seen to send ids itself.
    Auto,
    /// The origin's.
    Pass,
    /// `<epoch>.<n>`.
    Assign,
}

const IDS: Word<Ids> = Word(&[("auto", Ids::Auto), ("pass", Ids::Pass), ("assign", Ids::Assign)]);

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

const START: Word<Start> = Word(&[
    ("live", Start::Live),
    ("latest", Start::Latest),
    ("earliest", Start::Earliest),
]);

/// Whether something of the origin's own is passed on to clients.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Forward {
    /// Kept from clients (`drop`, or for `retry`: `own`).
    Never,
    /// Passed on.
    Always,
}

/// How refusals that should heal are answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refuse {
    /// `200` with `retry:` and the end, so that a browser's EventSource comes back.
    Retry,
    /// Always the status.
    Status,
}

/// Whether events are compressed for clients that accept it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Compress {
    /// Never.
    None,
    /// By gzip: once for all of them.
    Gzip,
}

/// The paths of a source that can be read, with where they stand.
pub(super) fn paths<'a>(source: &Item<'a>) -> Vec<(ClientPath, Item<'a>)> {
    let items = source.at("path").map(|item| item.one_or_more()).unwrap_or_default();
    let parsed = |item: Item<'a>| Some((ClientPath::parse(item.peek()?).ok()?, item));
    items.into_iter().filter_map(parsed).collect()
}

fn check(section: &Section<'_>, source: Option<&mut Source>) {
    let paths = paths(&section.item);
    let Some((first, first_item)) = paths.first() else {
        return;
    };
    for (path, item) in &paths[1..] {
        if path.sorted_parameters() != first.sorted_parameters() {
            let what = format!("{} has other parameters than {}", item.found(), first_item.found());
            item.mistake(what, "the same ones");
        }
    }
    upstream::check_parameters(section, &first.parameters());
    no_effect(section, first.is_templated());
    let Some(source) = source else { return };
    upstream::name_apart(&mut source.upstreams);
    if first.is_templated() {
        // A client that comes late to a job's stream needs all of it.
        if section.get("start").is_none() {
            source.start = Start::Earliest;
        }
        // It has no channel before its first client: waiting for one would never end.
        source.required = false;
        if source.upstreams.iter().all(|upstream| !upstream.is_templated())
            && let Some(item) = section.get("upstream")
        {
            item.warn("no parameter of the path is used: every channel reads the same stream");
        }
    }
    if source.compress == Compress::Gzip && !source.access.is_empty() {
        section.warn_at(
            "compress",
            "with `access`: who can make the origin send text of its own choice, and sees how long the \
             compressed events are, can guess what else is in them",
        );
    }
    bounds_fit(section, source);
    names_differ(section, source);
    shared_log(section, source);
}

/// A client could not tell the relay's own events from each other, or from the stream's last one.
fn names_differ(section: &Section<'_>, source: &Source) {
    let own = [
        ("gap_event", &source.gap_event),
        ("live_event", &source.live_event),
        ("end_event", &source.end_event),
    ];
    for (n, (key, name)) in own.iter().enumerate() {
        let Some(name) = name else { continue };
        for (later, other) in &own[n + 1..] {
            let item = section.get(later).or_else(|| section.get(key));
            if other.as_ref() == Some(name)
                && let Some(item) = item
            {
                item.mistake(format!("`{key}` and `{later}` are both {name:?}"), "names that differ");
            }
        }
        let ends = |rule: &EndWhen| matches!(rule, EndWhen::Event(ends) if ends == name);
        if source.end_when.iter().any(ends)
            && let Some(item) = section.get(key)
        {
            item.warn("a rule of `end_when` names the same type: clients can't tell the two apart");
        }
    }
}

/// What a log that is shared can't be together with.
fn shared_log(section: &Section<'_>, source: &mut Source) {
    if !source.fleet {
        if source.log.history.is_some() {
            section.mistake_at("log", "`history` without `fleet: true`", "both, or a larger log");
        }
        return;
    }
    let mistake = |what: &str, expected: &str| section.mistake_at("fleet", what, expected);
    if source.log.dir.is_some() {
        mistake("beside `log.dir`", "one of them: a shared log is kept by its engine");
    }
    if source.is_templated() && source.log.history.is_some() {
        mistake(
            "`log.history` at a path with parameters, which this version does not support",
            "a larger log",
        );
    }
    if source.is_templated() && !source.coalesce.is_zero() {
        mistake(
            "beside `coalesce` at a path with parameters, which this version does not support",
            "one of them",
        );
    }
    if source.ids == Ids::Auto {
        source.ids = Ids::Assign;
    }
    if source.ids == Ids::Pass && source.log.history.is_some() {
        mistake(
            "`log.history` beside `ids: pass`, which this version does not support",
            "`ids: assign`",
        );
    }
}

/// Keys that mean nothing for this kind of source.
fn no_effect(section: &Section<'_>, templated: bool) {
    let warn = |key: &str, what: &str| {
        if section.present(key).is_some() {
            section.warn_at(key, format!("no effect: {what}"));
        }
    };
    if !templated {
        return warn(
            "idle_timeout",
            "only templated sources close their upstream without clients",
        );
    }
    warn("retry_ended_after", "a templated channel that has ended is forgotten");
    if section.get("required").and_then(|item| item.peek()) != Some("false") {
        warn("required", "a templated source has no upstream before its first client");
    }
}

/// Bounds that make each other pointless.
fn bounds_fit(section: &Section<'_>, source: &Source) {
    let (log, slow) = (&source.log, source.slow_client);
    let written = |key: &str| section.get("slow_client").is_some_and(|item| item.at(key).is_some());
    if slow.events > log.events as u64 && written("events") {
        let what = format!(
            "`events` is over `log.events` ({}): the log ends a client's lag first",
            log.events
        );
        section.warn_at("slow_client", what);
    }
    if slow.bytes > log.bytes && written("bytes") {
        let kept = format_size(log.bytes);
        let what = format!("`bytes` is over `log.bytes` ({kept}): the log ends a client's lag first");
        section.warn_at("slow_client", what);
    }
    if source.event_bytes_max as u64 > log.bytes {
        section.warn_at(
            "event_bytes_max",
            "over `log.bytes`: the largest events can't be kept for resuming",
        );
    }
    if source.event_bytes_max as u64 > slow.bytes {
        section.warn_at(
            "event_bytes_max",
            "over `slow_client.bytes`: one of the largest events makes every client slow",
        );
    }
}

/// What is printed is read back without a warning.
fn leave_out_what_has_no_effect(source: &Source, map: &mut Map<String, Json>) {
    let keys: &[&str] = match source.is_templated() {
        true => &["retry_ended_after", "required"],
        false => &["idle_timeout"],
    };
    for key in keys {
        map.shift_remove(*key);
    }
}
