//! A configuration as YAML: block mappings, lists of mappings as blocks, everything else in one
//! line.

use super::interpolate;
use super::units;
use serde_json::{Map, Value as Json};
use std::fmt::Write as _;

/// Writes a mapping so that it is read back as it is.
pub(super) fn write_map(out: &mut String, map: &Map<String, Json>, indent: usize) {
    for (index, (key, value)) in map.iter().enumerate() {
        // A list's dash stands before its first key.
        if index > 0 || !out.ends_with("- ") {
            let _ = write!(out, "{:indent$}", "");
        }
        let _ = write!(out, "{}:", quoted(key, key));
        match value {
            Json::Object(inner) if !inner.is_empty() && is_long(inner) => {
                out.push('\n');
                write_map(out, inner, indent + 2);
            }
            Json::Array(items) if items.iter().any(|item| item.as_object().is_some_and(is_long)) => {
                out.push('\n');
                for item in items {
                    let _ = write!(out, "{:indent$}  - ", "");
                    match item {
                        Json::Object(inner) => write_map(out, inner, indent + 4),
                        other => {
                            let _ = writeln!(out, "{}", inline(other));
                        }
                    }
                }
            }
            other => {
                let _ = writeln!(out, " {}", inline(other));
            }
        }
    }
}

/// Whether a mapping is better written over several lines.
fn is_long(map: &Map<String, Json>) -> bool {
    map.len() > 3 || map.values().any(|value| value.is_object() || value.is_array())
}

/// A value in one line.
fn inline(value: &Json) -> String {
    match value {
        Json::Null => "null".to_owned(),
        Json::Bool(flag) => flag.to_string(),
        Json::Number(number) => number.to_string(),
        Json::String(text) => quoted(text, &interpolate::escape(text)),
        Json::Array(items) => format!("[{}]", items.iter().map(inline).collect::<Vec<_>>().join(", ")),
        Json::Object(map) if map.is_empty() => "{}".to_owned(),
        Json::Object(map) => {
            let entries = map
                .iter()
                .map(|(key, value)| format!("{}: {}", quoted(key, key), inline(value)));
            format!("{{ {} }}", entries.collect::<Vec<_>>().join(", "))
        }
    }
}

/// Plain where every reader takes it for text, else `escaped` in double quotes. Keys hold no
/// references: nothing in them is escaped.
fn quoted(text: &str, escaped: &str) -> String {
    let starts_plainly = text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '/')
        || (text.starts_with(|c: char| c.is_ascii_digit()) && text.contains(':'));
    let is_plain = text.bytes().all(|b| b.is_ascii_alphanumeric() || b"_-./:".contains(&b)) && !text.ends_with(':');
    let is_word = matches!(
        text.to_ascii_lowercase().as_str(),
        "null" | "true" | "false" | "yes" | "no" | "on" | "off" | "y" | "n"
    );
    let is_measure = units::duration(text).is_ok() || units::size(text).is_ok_and(|_| text != "0");
    if (starts_plainly && is_plain && !is_word) || is_measure {
        return text.to_owned();
    }
    let mut out = String::from("\"");
    for c in escaped.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            ' '..='~' => out.push(c),
            c if c.is_alphanumeric() => out.push(c),
            c => {
                let _ = write!(out, "\\U{:08X}", u32::from(c));
            }
        }
    }
    out + "\""
}
