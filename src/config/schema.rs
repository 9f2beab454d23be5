//! The JSON Schema of the file, for editors: written from the table of keys.

use super::keys::{self, Key, Shape};
use serde_json::{Map, Value as Json, json};

/// The schema (draft 2020-12). `docs/fanfare.schema.json` is this, a test keeps it so.
pub fn json_schema() -> Json {
    let mut schema = json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "fanfare",
        "description": "The configuration of fanfare, a relay for server-sent events.",
    });
    let root = section(keys::ROOT);
    if let (Some(schema), Json::Object(root)) = (schema.as_object_mut(), root) {
        schema.extend(root);
        schema.insert("required".to_owned(), json!(["sources"]));
        schema.insert("$defs".to_owned(), definitions());
    }
    schema
}

fn section(keys: &'static [Key]) -> Json {
    let properties: Map<String, Json> = keys.iter().map(|key| (key.name.to_owned(), property(key))).collect();
    json!({ "type": "object", "additionalProperties": false, "properties": properties })
}

fn property(key: &Key) -> Json {
    let mut property = shape(&key.shape);
    if let Some(property) = property.as_object_mut() {
        property.insert("description".to_owned(), key.help.into());
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
        (text, Shape::Flag | Shape::Count(..) | Shape::Part) => text.parse().ok(),
        (text, _) => Some(text.into()),
    }
}

fn shape(shape: &Shape) -> Json {
    match shape {
        Shape::Text => reference("text"),
        Shape::Url => reference("url"),
        Shape::Flag => any_of(vec![json!({ "type": "boolean" }), reference("from_environment")]),
        Shape::Count(from, to) => any_of(vec![
            json!({ "type": "integer", "minimum": from, "maximum": to }),
            reference("from_environment"),
        ]),
        Shape::Part => reference("part"),
        Shape::Size => reference("size"),
        Shape::Duration => reference("duration"),
        Shape::Word(words) => any_of(vec![json!({ "enum": words }), reference("from_environment")]),
        Shape::Section(keys) => section(keys),
        Shape::Named(inner) => json!({ "type": "object", "additionalProperties": self::shape(inner) }),
        Shape::List(inner) => json!({ "type": "array", "items": self::shape(inner) }),
        Shape::Either(shapes) => any_of(shapes.iter().map(self::shape).collect()),
        Shape::Any => json!({}),
        // Nothing fits.
        Shape::Unsupported => json!({ "not": {} }),
    }
}

fn any_of(shapes: Vec<Json>) -> Json {
    json!({ "anyOf": shapes })
}

fn reference(name: &str) -> Json {
    json!({ "$ref": format!("#/$defs/{name}") })
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
        "part": {
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

#[cfg(test)]
mod tests {
    use super::*;

    /// Every key of the table is described, and of no shape that an editor would take for another.
    #[test]
    fn every_key_is_described() {
        fn visit(keys: &'static [Key]) -> usize {
            let mut count = 0;
            for key in keys {
                assert!(key.help.ends_with('.') && key.help.len() > 6, "{}", key.name);
                count += 1 + inner(&key.shape);
            }
            count
        }
        fn inner(shape: &'static Shape) -> usize {
            match shape {
                Shape::Section(keys) => visit(keys),
                Shape::Named(shape) | Shape::List(shape) => inner(shape),
                Shape::Either(shapes) => shapes.iter().map(inner).sum(),
                _ => 0,
            }
        }
        assert!(visit(keys::ROOT) > 80);
    }

    /// What the table calls a default is what holds without the key.
    #[test]
    fn written_defaults_change_nothing() {
        fn write(out: &mut String, keys: &'static [Key], indent: usize) {
            for key in keys {
                if !key.default.is_empty() {
                    out.push_str(&format!("{:indent$}{}: {}\n", "", key.name, key.default));
                } else if let (Shape::Section(inner), true) = (&key.shape, key.name != "cors" && key.name != "tls") {
                    out.push_str(&format!("{:indent$}{}:\n", "", key.name));
                    write(out, inner, indent + 2);
                }
            }
        }
        let mut text = String::new();
        write(&mut text, keys::ROOT, 0);
        text.push_str("sources:\n  s:\n    path: /\n");
        write(&mut text, keys::SOURCE, 4);
        text.push_str("    cors:\n      origins: \"*\"\n");
        write(&mut text, keys::CORS, 6);
        text.push_str("    upstream:\n      url: http://o/\n");
        write(&mut text, keys::UPSTREAM, 6);
        let text = text
            .replace("    idle_timeout: 30s\n", "")
            .replace("pass: []\n", "pass:\n  - prefix: /\n    to: http://o\n");
        let mut text = text;
        write(&mut text, keys::PASS, 4);
        // The last table belongs to the list further up.
        let (head, pass) = text.split_once("    connections_max").expect("written last");
        let text = head.replace(
            "    to: http://o\n",
            &format!("    to: http://o\n    connections_max{pass}"),
        );
        let short =
            "sources: {s: {path: /, upstream: http://o/, cors: {origins: \"*\"}}}\npass: [{prefix: /, to: http://o}]\n";
        let read = |text: &str| match super::super::read(text, "f", &|_| None) {
            Ok(loaded) => loaded,
            Err(mistakes) => panic!("{mistakes}\n{text}"),
        };
        let (long, short) = (read(&text), read(short));
        assert_eq!(long.config, short.config, "{text}");
        assert_eq!(long.warnings, []);
    }
}
