//! YAML files of `deploy/`, as values.

use crate::tools::file;
use serde_json::Value;

/// A file of this repository with one document.
pub fn read(path: &str) -> Value {
    let text = std::fs::read_to_string(file(path)).unwrap_or_else(|error| panic!("{path}: {error}"));
    parse(&text, path)
}

/// One document.
pub fn parse(text: &str, name: &str) -> Value {
    serde_saphyr::from_str(text).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// A stream of documents, as `kubectl` writes it: `---` on lines of its own, and in no text block.
pub fn documents(text: &str) -> Vec<Value> {
    let parts = text.split("\n---\n").filter(|part| !part.trim().is_empty());
    parts.map(|part| parse(part, "a document")).collect()
}

/// The text at a key; it has to be one.
pub fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value[key]
        .as_str()
        .unwrap_or_else(|| panic!("no text {key:?} in {value}"))
}

/// The list at a key; empty if there is none.
pub fn list<'a>(value: &'a Value, key: &str) -> &'a [Value] {
    value[key].as_array().map_or(&[], Vec::as_slice)
}
