//! The JSON Schema of the file, for editors, and its table for people: written from the table of
//! keys.

use super::effect::Effect;
use super::item::FREE_PREFIX;
use super::root::Config;
use super::shape::{Key, Shape};
use super::table::Table as _;
use super::units;
use serde_json::{Map, Value as Json, json};
use std::fmt::Write as _;

/// The schema (draft 2020-12). `docs/fanfare.schema.json` is this, a test keeps it so.
pub fn json_schema() -> Json {
    let mut schema = json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        // A name and no address: nothing has to be fetched, and it is the same wherever the file is.
        "$id": "urn:fanfare:configuration",
        "title": "fanfare",
        "description": "The configuration of fanfare, a relay for server-sent events.",
    });
    if let (Some(schema), Json::Object(root)) = (schema.as_object_mut(), section(&Config::keys())) {
        schema.extend(root);
        schema.insert("required".to_owned(), json!(["sources"]));
        schema.insert("$defs".to_owned(), definitions());
    }
    schema
}

/// The keys as a table in Markdown, and those that are known and not supported.
/// `docs/configuration.md` has it.
pub fn key_table() -> String {
    let (mut rows, mut unsupported) = (
        String::from("| key | on a reload | default | meaning |\n|---|---|---|---|\n"),
        Vec::new(),
    );
    write_rows(&Config::keys(), "", &mut rows, &mut unsupported);
    rows + "\nKnown, and a mistake in this version, unless it is turned off: " + &unsupported.join(", ") + ".\n"
}

fn write_rows(keys: &[Key], path: &str, rows: &mut String, unsupported: &mut Vec<String>) {
    for key in keys {
        let path = super::node::child(path, key.name);
        if let Shape::Unsupported(_) = key.shape {
            unsupported.push(format!("`{path}`"));
            continue;
        }
        let default = match key.default {
            "" => String::new(),
            default => format!("`{default}`"),
        };
        let help = key.help.replace('|', "\\|");
        let effect = Effect::of(&path).word();
        let _ = writeln!(rows, "| `{path}` | {effect} | {default} | {help} |");
        below(&key.shape, &path, &mut |keys, path| {
            write_rows(keys, path, rows, unsupported)
        });
    }
}

/// The first mapping that a value may be: itself, one of several forms, or what a list holds.
fn below(shape: &Shape, path: &str, visit: &mut dyn FnMut(&[Key], &str)) -> bool {
    match shape {
        Shape::Section(keys) => visit(keys, path),
        Shape::Named(inner) => return below(inner, &format!("{path}.NAME"), visit),
        Shape::List(inner) => return below(inner, path, visit),
        Shape::Either(shapes) => return shapes.iter().any(|shape| below(shape, path, visit)),
        _ => return false,
    }
    true
}

fn section(keys: &[Key]) -> Json {
    let properties: Map<String, Json> = keys.iter().map(|key| (key.name.to_owned(), property(key))).collect();
    json!({
        "type": "object",
        "additionalProperties": false,
        "patternProperties": { format!("^{FREE_PREFIX}"): {} },
        "properties": properties,
    })
}

fn property(key: &Key) -> Json {
    let mut property = shape(&key.shape);
    if let Some(property) = property.as_object_mut() {
        property.insert("description".to_owned(), key.help.as_str().into());
        if let Some(default) = default(key) {
            property.insert("default".to_owned(), default);
        }
    }
    property
}

/// The default as JSON; as text where it is not of JSON's own types.
fn default(key: &Key) -> Option<Json> {
    match (key.default, &key.shape) {
        ("", _) => None,
        (list, _) if list.starts_with('[') => {
            let inner = list.trim_start_matches('[').trim_end_matches(']');
            Some(inner.split(", ").filter(|item| !item.is_empty()).collect())
        }
        ("{}", _) => Some(json!({})),
        (text, Shape::Flag | Shape::Count(..) | Shape::Ratio) => text.parse().ok(),
        (text, _) => Some(text.into()),
    }
}

fn shape(shape: &Shape) -> Json {
    match shape {
        Shape::Text(examples) => with_examples("text", examples),
        Shape::Url(examples) => with_examples("url", examples),
        Shape::Flag => any_of(vec![json!({ "type": "boolean" }), reference("from_environment")]),
        Shape::Count(from, to) => any_of(vec![
            json!({ "type": "integer", "minimum": from, "maximum": to }),
            reference("from_environment"),
        ]),
        Shape::Ratio => reference("ratio"),
        Shape::Size(from, to) => ranged("size", units::format_size(*from), units::format_size(*to)),
        Shape::Duration(from, to) => ranged("duration", units::format_duration(*from), units::format_duration(*to)),
        Shape::Word(words) => any_of(vec![json!({ "enum": all_forms(words) }), reference("from_environment")]),
        Shape::Section(keys) => section(keys),
        Shape::Named(inner) => json!({ "type": "object", "additionalProperties": self::shape(inner) }),
        Shape::List(inner) => json!({ "type": "array", "items": self::shape(inner) }),
        Shape::Either(shapes) => any_of(shapes.iter().map(self::shape).collect()),
        Shape::Any => json!({}),
        // Nothing fits but what turns it off.
        Shape::Unsupported([]) => json!({ "not": {} }),
        Shape::Unsupported(off) => {
            let words = off
                .iter()
                .map(|word| word.parse().unwrap_or_else(|_| Json::from(*word)));
            json!({ "enum": words.collect::<Vec<_>>() })
        }
    }
}

/// Words as YAML gives them: `1.2` without quotes is a number, `false` no text.
fn all_forms(words: &[&str]) -> Vec<Json> {
    let others = words
        .iter()
        .filter_map(|word| word.parse::<Json>().ok())
        .filter(|value| !value.is_string());
    words.iter().map(|word| Json::from(*word)).chain(others).collect()
}

fn any_of(shapes: Vec<Json>) -> Json {
    json!({ "anyOf": shapes })
}

fn reference(name: &str) -> Json {
    json!({ "$ref": format!("#/$defs/{name}") })
}

fn with_examples(name: &str, examples: &[&str]) -> Json {
    match examples {
        [] => reference(name),
        examples => json!({ "$ref": format!("#/$defs/{name}"), "examples": examples }),
    }
}

/// JSON Schema can't compare what has a unit.
fn ranged(name: &str, from: String, to: String) -> Json {
    json!({ "$ref": format!("#/$defs/{name}"), "$comment": format!("from {from} to {to}") })
}

fn definitions() -> Json {
    json!({
        "from_environment": {
            "description": "A value from the environment: `${VAR}` or `${VAR:-default}`.",
            "type": "string",
            "pattern": "\\$\\{",
        },
        "text": { "type": ["string", "number", "boolean"] },
        "url": { "type": "string", "pattern": "^[Hh][Tt][Tt][Pp][Ss]?://|\\$\\{" },
        "ratio": {
            "description": "A part of one: `0.5` or `50%`.",
            "anyOf": [
                { "type": "number", "minimum": 0, "maximum": 1 },
                { "type": "string", "pattern": "^[0-9.]+%?$|\\$\\{" },
            ],
        },
        "size": {
            "description": "A size with its unit, such as `512B`, `64KiB` or `16MiB`.",
            "anyOf": [
                { "const": 0 },
                { "type": "string", "pattern": "^[0-9]+(\\.[0-9]+)? *(B|[KMGT]iB|[kMGT]B)$|^0$|\\$\\{" },
            ],
        },
        "duration": {
            "description": "A duration with its unit, such as `250ms`, `10s`, `5m` or `1h30m`.",
            "anyOf": [
                { "const": 0 },
                { "type": "string", "pattern": "^([0-9]+(\\.[0-9]+)?(ms|s|m|h|d) ?)+$|^0$|\\$\\{" },
            ],
        },
    })
}
