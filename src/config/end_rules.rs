//! How a stream's last event is recognised; and names of events.

use super::codec::{Codec as _, Custom, Text};
use super::field::Presence as _;
use super::item::{Item, Section};
use super::node::Value;
use super::shape::Shape;
use super::table::{Table as _, section};
use serde_json::{Value as Json, json};

/// A rule that recognises the terminal event.
#[derive(Debug, Clone, PartialEq)]
pub enum EndWhen {
    /// By its type.
    Event(String),
    /// By its whole data.
    Data(String),
    /// By a value in its data, which is JSON (RFC 6901).
    Json {
        /// The pointer.
        pointer: String,
        /// What must stand there.
        equals: serde_json::Value,
    },
}

const RULE_FORM: &str = "`{event: NAME}`, `{data: TEXT}` or `{json: /pointer, equals: VALUE}`";

/// An event type that one line can carry.
pub(super) const EVENT_TYPE: Text<String> = Text {
    form: "an event type: text in one line",
    examples: &["fanfare.gap", "ping", "null", "true", "a b: \"c\""],
    parse: |text| match text.is_empty() || text.contains(['\r', '\n']) {
        true => Err(""),
        false => Ok(text.to_owned()),
    },
    show: String::clone,
};

/// Any text.
pub(super) const TEXT: Text<String> = Text {
    form: "text",
    examples: &[],
    parse: |text| Ok(text.to_owned()),
    show: String::clone,
};

/// The gap event's type; `None`: there is none.
pub(super) const GAP_EVENT: Custom<Option<String>> = Custom {
    shape: || Shape::Either(vec![EVENT_TYPE.shape(), Shape::Flag]),
    read: |item| match item.scalar() {
        Some(scalar) if scalar.plain && scalar.text.as_deref() == Some("false") => Some(None),
        // As if it were not written.
        Some(scalar) if scalar.plain && scalar.text.as_deref() == Some("true") => Some(Some("fanfare.gap".to_owned())),
        _ => EVENT_TYPE.read(item).map(Some),
    },
    print: |name| Some(name.as_deref().map_or(Json::Bool(false), Json::from)),
};

/// The type of an event that a stream has only where it is named; `None`: there is none.
pub(super) const NAMED_EVENT: Custom<Option<String>> = Custom {
    shape: || Shape::Either(vec![EVENT_TYPE.shape(), Shape::Flag]),
    read: |item| match item.scalar() {
        Some(scalar) if scalar.plain && scalar.text.as_deref() == Some("false") => Some(None),
        Some(scalar) if scalar.plain && scalar.text.as_deref() == Some("true") => {
            item.mistake("`true` names no event".to_owned(), "an event type, or `false`");
            None
        }
        _ => EVENT_TYPE.read(item).map(Some),
    },
    print: |name| Some(name.as_deref().map_or(Json::Bool(false), Json::from)),
};

section! {
    /// A rule as it is written: one of three.
    struct Rule {
        /// The event's type.
        event: Option<String> = EVENT_TYPE.optional(),
        /// The event's whole data.
        data: Option<String> = TEXT.optional(),
        /// A JSON pointer (RFC 6901) into the event's data.
        json: Option<String> = POINTER.optional(),
        /// What stands where `json` points.
        equals: Option<Json> = ANY.optional(),
    }
    check = one_of_three;
}

/// A rule.
pub(super) const RULE: Custom<EndWhen> = Custom {
    shape: || Shape::Section(Rule::keys()),
    read: |item| match Rule::read(item)? {
        Rule { event: Some(name), .. } => Some(EndWhen::Event(name)),
        Rule { data: Some(text), .. } => Some(EndWhen::Data(text)),
        // `equals: null` is a value, though the key has none.
        Rule {
            json: Some(pointer),
            equals,
            ..
        } => Some(EndWhen::Json {
            pointer,
            equals: equals.unwrap_or(Json::Null),
        }),
        _ => None,
    },
    print: |rule| {
        Some(match rule {
            EndWhen::Event(name) => json!({ "event": name }),
            EndWhen::Data(text) => json!({ "data": text }),
            EndWhen::Json { pointer, equals } => json!({ "json": pointer, "equals": equals }),
        })
    },
};

fn one_of_three(section: &Section<'_>, _: Option<&mut Rule>) {
    let rules = ["event", "data", "json"]
        .iter()
        .filter(|key| section.get(key).is_some());
    let (is_json, has_value) = (section.get("json").is_some(), section.present("equals").is_some());
    match rules.count() {
        1 if is_json && !has_value => section.item.mistake("`json` without `equals`", RULE_FORM),
        1 if is_json || !has_value => {}
        _ => section.item.mistake("not exactly one rule", RULE_FORM),
    }
}

/// RFC 6901, section 3.
const POINTER: Text<String> = Text {
    form: "a JSON pointer such as `/state` (`~0` for `~`, `~1` for `/`)",
    examples: &["", "/state", "/a~1b/0"],
    parse: |text| {
        let escapes_are_right = text.split('~').skip(1).all(|after| after.starts_with(['0', '1']));
        match (text.is_empty() || text.starts_with('/')) && escapes_are_right {
            true => Ok(text.to_owned()),
            false => Err(""),
        }
    },
    show: String::clone,
};

/// A value as JSON: plain scalars have JSON's types, quoted ones are text.
pub(super) const ANY: Custom<Json> = Custom {
    shape: || Shape::Any,
    read: json_value,
    print: |value| Some(value.clone()),
};

fn json_value(item: &Item<'_>) -> Option<Json> {
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
            let entry = |(entry, item): &(&super::node::Entry, Item<'_>)| Some((entry.key.clone(), json_value(item)?));
            entries.iter().map(entry).collect()
        }
    }
}

/// A number as JSON writes it, or as YAML does besides (1.2, 10.3.2): `+1`, `.5`, `1.`. What begins
/// with a zero too many is text.
fn json_number(text: &str) -> Option<serde_json::Number> {
    let digits = text.trim_start_matches(['+', '-']);
    let is_number = digits.bytes().all(|b| b.is_ascii_digit() || b"+-.eE".contains(&b)) && !digits.starts_with('0');
    let float = || text.parse().ok().and_then(serde_json::Number::from_f64);
    text.parse().ok().or_else(|| is_number.then(float).flatten())
}
