//! One source of the file.

use super::defaults;
use super::file::{ANY_DURATION, SOME_DURATION, to_usize};
use super::keys::{self, UNSUPPORTED};
use super::paths::{ClientPath, PATH_FORM};
use super::reader::{Item, Section};
use super::upstream;
use super::yaml::Value;
use super::*;
use std::ops::RangeInclusive;

/// A log is memory: a bound against a slipped unit.
const LOG_BYTES: RangeInclusive<u64> = 1 << 10..=1 << 40;
/// Room for a field name and some data; and what positions within an event hold (`u32`) with room to spare.
const EVENT_BYTES_MAX: RangeInclusive<u64> = 64..=256 << 20;
/// Lag in bytes: at least one write's worth.
const SLOW_BYTES: RangeInclusive<u64> = 1 << 10..=1 << 40;
/// A heartbeat goes to every quiet client.
const HEARTBEAT_BYTES_MAX: usize = 64 << 10;

const FIELD_FORM: &str = "`comment`, or field lines such as `data: ping`";

/// Reads a source; with it its paths, for the comparison with those of others.
pub(super) fn read<'a>(item: &Item<'a>, name: &str) -> Option<(Source, Vec<(ClientPath, Item<'a>)>)> {
    let section = item.section(keys::names(keys::SOURCE))?;
    if section.present("access").is_some() {
        // Left unsaid, a stream that its operator believes closed would be open.
        section.mistake_at(
            "access",
            UNSUPPORTED,
            "no such key: who may read must be settled in front of the relay",
        );
    }
    let paths = section.need("path", PATH_FORM).and_then(|item| client_paths(&item));
    let parameters: Option<Vec<&str>> = paths.as_ref().map(|paths| paths[0].0.parameters());
    let upstreams = section
        .need("upstream", "a URL, a mapping, or a list of them")
        .and_then(|item| upstream::read_all(&item, parameters.as_deref()));
    let templated = parameters.as_ref().is_some_and(|parameters| !parameters.is_empty());
    let default = Source::defaults(name, if templated { "/{}" } else { "/" }, Vec::new());

    let ids = section.choice(
        "ids",
        default.ids,
        &[("auto", Ids::Auto), ("pass", Ids::Pass), ("assign", Ids::Assign)],
    );
    let starts = [
        ("live", Start::Live),
        ("latest", Start::Latest),
        ("earliest", Start::Earliest),
    ];
    let start = section.choice("start", default.start, &starts);
    let log = section.get("log").map_or(Some(default.log), |item| log(&item));
    let heartbeat = section
        .get("heartbeat")
        .map_or(Some(default.heartbeat), |item| heartbeat(&item));
    let slow_client = section
        .get("slow_client")
        .map_or(Some(default.slow_client), |item| slow_client(&item));
    let reconnect = section.duration("reconnect", default.reconnect, SOME_DURATION);
    let jitter = section
        .get("reconnect_jitter")
        .map_or(Some(default.reconnect_jitter), |item| part(&item));
    let retry = section.choice(
        "retry",
        default.retry,
        &[("own", Forward::Never), ("relay", Forward::Always)],
    );
    let comments = section.choice(
        "comments",
        default.comments,
        &[("drop", Forward::Never), ("relay", Forward::Always)],
    );
    let idle_timeout = section.duration("idle_timeout", default.idle_timeout, ANY_DURATION);
    let gap_event = section
        .get("gap_event")
        .map_or(Some(default.gap_event), |item| gap_event(&item));
    let end_when = section
        .get("end_when")
        .map_or(Some(Vec::new()), |item| end_rules(&item));
    let linger = section.duration("linger", default.linger, ANY_DURATION);
    let retry_ended_after = section.duration("retry_ended_after", default.retry_ended_after, SOME_DURATION);
    let coalesce = section.duration("coalesce", default.coalesce, ANY_DURATION);
    let stagger = section.duration("stagger", default.stagger, ANY_DURATION);
    let event_bytes_max = section.size("event_bytes_max", default.event_bytes_max as u64, EVENT_BYTES_MAX);
    let max_age = section.duration("max_age", default.max_age, ANY_DURATION);
    let required = section.flag("required", default.required);
    let refuse = section.choice(
        "refuse",
        default.refuse,
        &[("retry", Refuse::Retry), ("status", Refuse::Status)],
    );
    let cors = section
        .get("cors")
        .map_or(Some(None), |item| super::cors::read(&item).map(Some));

    if let Some(parameters) = &parameters {
        no_effect(&section, parameters.is_empty());
    }
    let (paths, jitter) = (paths?, jitter?);
    let source = Source {
        name: name.to_owned(),
        paths: paths
            .iter()
            .map(|(_, item)| item.text(PATH_FORM).map(str::to_owned))
            .collect::<Option<_>>()?,
        upstreams: upstreams?,
        ids: ids?,
        start: start?,
        log: log?,
        heartbeat: heartbeat?,
        slow_client: slow_client?,
        reconnect: reconnect?,
        reconnect_jitter: jitter,
        retry: retry?,
        comments: comments?,
        idle_timeout: idle_timeout?,
        gap_event: gap_event?,
        end_when: end_when?,
        linger: linger?,
        retry_ended_after: retry_ended_after?,
        coalesce: coalesce?,
        stagger: stagger?,
        event_bytes_max: to_usize(event_bytes_max?),
        max_age: max_age?,
        required: required? && !templated,
        refuse: refuse?,
        cors: cors?,
    };
    bounds_fit(&section, &source);
    section.finish();
    Some((source, paths))
}

fn client_paths<'a>(item: &Item<'a>) -> Option<Vec<(ClientPath, Item<'a>)>> {
    let items = item.one_or_more();
    if items.is_empty() {
        item.mistake("an empty list", PATH_FORM);
        return None;
    }
    let parsed = |item: Item<'a>| match ClientPath::parse(item.text(PATH_FORM)?) {
        Ok(path) => Some((path, item)),
        Err(why) => {
            item.mistake(format!("{} is {why}", item.found()), PATH_FORM);
            None
        }
    };
    let paths: Vec<_> = items
        .into_iter()
        .map(parsed)
        .collect::<Vec<_>>()
        .into_iter()
        .collect::<Option<_>>()?;
    let sorted = |path: &ClientPath| {
        let mut names: Vec<String> = path.parameters().into_iter().map(str::to_owned).collect();
        names.sort();
        names
    };
    for (path, item) in &paths[1..] {
        if sorted(path) != sorted(&paths[0].0) {
            item.mistake(
                format!("{} has other parameters than {}", item.found(), paths[0].1.found()),
                "the same ones",
            );
            return None;
        }
    }
    Some(paths)
}

fn log(item: &Item<'_>) -> Option<LogLimits> {
    let section = item.section(keys::names(keys::LOG))?;
    let default = LogLimits::default();
    let events = section.count("events", default.events as u64, 1..=keys::COUNT_MAX);
    let bytes = section.size("bytes", default.bytes, LOG_BYTES);
    let age = section.duration("age", default.age, SOME_DURATION);
    section.finish();
    Some(LogLimits {
        events: to_usize(events?),
        bytes: bytes?,
        age: age?,
    })
}

fn heartbeat(item: &Item<'_>) -> Option<Heartbeat> {
    let section = item.section(keys::names(keys::HEARTBEAT))?;
    let default = Heartbeat::default();
    let every = section.duration("every", default.every, ANY_DURATION);
    let block = section
        .get("as")
        .map_or(Some(default.block), |item| heartbeat_block(&item));
    section.finish();
    Some(Heartbeat {
        every: every?,
        block: block?,
    })
}

fn heartbeat_block(item: &Item<'_>) -> Option<bytes::Bytes> {
    let lines = match &item.node.value {
        Value::Map(_) => {
            let section = item.section(keys::names(keys::HEARTBEAT_EVENT))?;
            let data = section
                .need("data", "the event's data")
                .and_then(|item| item.text("the event's data"));
            let event = section.get("event").map_or(Some(""), |item| event_type(&item));
            section.finish();
            let (data, event) = (data?, event?);
            let mut lines = if event.is_empty() {
                String::new()
            } else {
                format!("event: {event}\n")
            };
            for line in data.replace("\r\n", "\n").replace('\r', "\n").split('\n') {
                lines.push_str(&format!("data: {line}\n"));
            }
            lines
        }
        _ => match item.text(FIELD_FORM)? {
            "comment" => return Some(bytes::Bytes::from_static(defaults::HEARTBEAT_BLOCK)),
            text => text.replace("\r\n", "\n").replace('\r', "\n"),
        },
    };
    let lines = lines.trim_end_matches('\n');
    if let Err(expected) = check_fields(lines) {
        item.mistake(item.found(), expected);
        return None;
    }
    if !lines
        .lines()
        .any(|line| line.starts_with("data") || line.starts_with(':'))
    {
        item.warn("an event without a `data` line: clients ignore it");
    }
    Some(bytes::Bytes::from(format!("{lines}\n\n")))
}

/// WHATWG HTML 9.2.5: what may stand in a block that must not touch the client's place in the stream.
fn check_fields(lines: &str) -> Result<(), &'static str> {
    if lines.len() > HEARTBEAT_BYTES_MAX {
        return Err("at most 64KiB");
    }
    for line in lines.split('\n') {
        match line.split_once(':').map_or(line, |(field, _)| field) {
            "" if line.is_empty() => return Err("lines without a blank one among them: it would end the event"),
            // A comment, and the fields that an event is made of.
            "" | "data" | "event" => {}
            "id" => return Err("no `id`: it would replace the client's last event ID"),
            "retry" => return Err("no `retry`: see `reconnect`"),
            _ => {
                return Err(
                    "`comment`, or field lines such as `data: ping`: each `data: ...`, `event: ...` or `: ...`",
                );
            }
        }
    }
    Ok(())
}

fn slow_client(item: &Item<'_>) -> Option<SlowClient> {
    let section = item.section(keys::names(keys::SLOW_CLIENT))?;
    let default = SlowClient::default();
    let policies = [
        ("evict", SlowPolicy::Evict),
        ("skip", SlowPolicy::Skip),
        ("pause", SlowPolicy::Pause),
    ];
    let policy = section.choice("policy", default.policy, &policies);
    let events = section.count("events", default.events, 1..=keys::COUNT_MAX);
    let bytes = section.size("bytes", default.bytes, SLOW_BYTES);
    let stall = section.duration("stall", default.stall, SOME_DURATION);
    let pause_max = section.duration("pause_max", default.pause_max, SOME_DURATION);
    section.finish();
    Some(SlowClient {
        policy: policy?,
        events: events?,
        bytes: bytes?,
        stall: stall?,
        pause_max: pause_max?,
    })
}

/// `0.5` or `50%`.
fn part(item: &Item<'_>) -> Option<f64> {
    let form = "a part of one, such as `0.5` or `50%`";
    let text = item.text(form)?;
    let (number, divisor) = text.strip_suffix('%').map_or((text, 1.0), |number| (number, 100.0));
    let simple = number.bytes().all(|b| b.is_ascii_digit() || b == b'.');
    let part = number
        .parse::<f64>()
        .ok()
        .filter(|_| simple)
        .map(|number| number / divisor);
    let part = part.filter(|part| (0.0..=1.0).contains(part));
    if part.is_none() {
        item.mistake(item.found(), form);
    }
    part
}

fn gap_event(item: &Item<'_>) -> Option<Option<String>> {
    match item.scalar() {
        Some(scalar) if scalar.plain && scalar.text.as_deref() == Some("false") => Some(None),
        Some(scalar) if scalar.plain && scalar.text.as_deref() == Some("true") => {
            Some(Some(defaults::GAP_EVENT.to_owned()))
        }
        _ => event_type(item).map(|name| Some(name.to_owned())),
    }
}

/// An event type that one line can carry.
fn event_type<'a>(item: &Item<'a>) -> Option<&'a str> {
    let form = "an event type: text in one line";
    let text = item.text(form)?;
    if text.is_empty() || text.contains(['\r', '\n']) {
        item.mistake(item.found(), form);
        return None;
    }
    Some(text)
}

fn end_rules(item: &Item<'_>) -> Option<Vec<EndWhen>> {
    item.one_or_more()
        .iter()
        .map(end_rule)
        .collect::<Vec<_>>()
        .into_iter()
        .collect()
}

fn end_rule(item: &Item<'_>) -> Option<EndWhen> {
    let form = "`{event: NAME}`, `{data: TEXT}` or `{json: /pointer, equals: VALUE}`";
    let section = item.section(keys::names(keys::END_WHEN))?;
    let (event, data) = (section.get("event"), section.get("data"));
    // `equals: null` is a value.
    let (json, equals) = (section.get("json"), section.present("equals"));
    section.finish();
    match (event, data, json, equals) {
        (Some(event), None, None, None) => event_type(&event).map(|name| EndWhen::Event(name.to_owned())),
        (None, Some(data), None, None) => data.text("the event's data").map(|text| EndWhen::Data(text.to_owned())),
        (None, None, Some(json), Some(equals)) => {
            let (pointer, equals) = (json_pointer(&json), json_value(&equals));
            Some(EndWhen::Json {
                pointer: pointer?,
                equals: equals?,
            })
        }
        (None, None, Some(_), None) => {
            item.mistake("`json` without `equals`", form);
            None
        }
        _ => {
            item.mistake("not exactly one rule", form);
            None
        }
    }
}

/// RFC 6901, section 3.
fn json_pointer(item: &Item<'_>) -> Option<String> {
    let form = "a JSON pointer such as `/state` (`~0` for `~`, `~1` for `/`)";
    let text = item.text(form)?;
    let escapes_are_right = text.split('~').skip(1).all(|after| after.starts_with(['0', '1']));
    if !(text.is_empty() || text.starts_with('/')) || !escapes_are_right {
        item.mistake(item.found(), form);
        return None;
    }
    Some(text.to_owned())
}

/// A value as JSON: plain scalars have JSON's types, quoted ones are text.
fn json_value(item: &Item<'_>) -> Option<serde_json::Value> {
    use serde_json::Value as Json;
    match &item.node.value {
        Value::Scalar(scalar) if scalar.is_null() => Some(Json::Null),
        Value::Scalar(scalar) => {
            let text = scalar.text.as_deref()?;
            let typed = match (scalar.plain, text) {
                (true, "true" | "True" | "TRUE") => Some(Json::Bool(true)),
                (true, "false" | "False" | "FALSE") => Some(Json::Bool(false)),
                (true, text) => json_number(text).map(Json::Number),
                (false, _) => None,
            };
            Some(typed.unwrap_or_else(|| Json::String(text.to_owned())))
        }
        Value::List(_) => item.one_or_more().iter().map(json_value).collect(),
        Value::Map(_) => {
            let entries = item.entries("a mapping")?;
            entries
                .iter()
                .map(|(entry, item)| Some((entry.key.clone(), json_value(item)?)))
                .collect()
        }
    }
}

/// A number as JSON writes it, or as YAML does besides (1.2, 10.3.2): `+1`, `.5`, `1.`. What begins with a zero too many is text.
fn json_number(text: &str) -> Option<serde_json::Number> {
    let digits = text.trim_start_matches(['+', '-']);
    let is_number = digits.bytes().all(|b| b.is_ascii_digit() || b"+-.eE".contains(&b)) && !digits.starts_with('0');
    let float = || text.parse().ok().and_then(serde_json::Number::from_f64);
    text.parse().ok().or_else(|| is_number.then(float).flatten())
}

/// A header's name; a mistake if it is none.
pub(super) fn header_name(item: &Item<'_>) -> Option<hyper::header::HeaderName> {
    let form = "a header's name";
    let name = hyper::header::HeaderName::from_bytes(item.text(form)?.as_bytes()).ok();
    if name.is_none() {
        item.mistake(item.found(), form);
    }
    name
}

/// Keys that mean nothing for this kind of source.
fn no_effect(section: &Section<'_>, static_path: bool) {
    let keys: &[(&str, &str)] = match static_path {
        true => &[(
            "idle_timeout",
            "no effect: only templated sources close their upstream without clients",
        )],
        false => &[
            (
                "retry_ended_after",
                "no effect: a templated channel that has ended is forgotten",
            ),
            (
                "required",
                "no effect: a templated source has no upstream before its first client",
            ),
        ],
    };
    for (key, what) in keys {
        if let Some(place) = section.place(key) {
            let off = *key == "required" && section.flag("required", true) == Some(false);
            if !off {
                section
                    .item
                    .diagnostics
                    .warning(place, &super::reader::child(&section.item.path, key), *what);
            }
        }
    }
}

/// Bounds that make each other pointless.
fn bounds_fit(section: &Section<'_>, source: &Source) {
    let warn = |key: &str, what: String| {
        let place = section.place(key).unwrap_or(section.item.node.place);
        section
            .item
            .diagnostics
            .warning(place, &super::reader::child(&section.item.path, key), what);
    };
    let (log, slow) = (source.log, source.slow_client);
    if slow.events > log.events as u64 && slow.events != defaults::SLOW_EVENTS {
        warn(
            "slow_client",
            format!(
                "`events` is over `log.events` ({}): the log ends a client's lag first",
                log.events
            ),
        );
    }
    if slow.bytes > log.bytes && slow.bytes != defaults::SLOW_BYTES {
        let kept = units::format_size(log.bytes);
        warn(
            "slow_client",
            format!("`bytes` is over `log.bytes` ({kept}): the log ends a client's lag first"),
        );
    }
    if source.event_bytes_max as u64 > log.bytes {
        warn(
            "event_bytes_max",
            "over `log.bytes`: the largest events can't be kept for resuming".to_owned(),
        );
    }
    if source.event_bytes_max as u64 > slow.bytes {
        warn(
            "event_bytes_max",
            "over `slow_client.bytes`: one of the largest events makes every client slow".to_owned(),
        );
    }
}
