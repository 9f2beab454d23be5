//! The example and the schema are in step with the reader.

use crate::{read, right, wrong};
use fanfare::config::{self};
use std::path::Path;

#[test]
fn the_example_is_right_and_complete() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/examples/fanfare.yaml");
    let text = std::fs::read_to_string(path).expect("the example");
    assert_eq!(right(&text).warnings, []);
    // Commented keys count: they are shown.
    let shown = |key: &str| {
        text.lines().any(|line| {
            let line = line.trim_start_matches(['#', ' ', '-', '{']);
            line.starts_with(&format!("{key}:"))
                || line.contains(&format!(", {key}:"))
                || line.contains(&format!("{{ {key}:"))
        })
    };
    for key in schema_keys(&config::json_schema()) {
        assert!(shown(&key) || key == "address" || text.contains(&key), "{key}");
    }
}

#[test]
fn the_schema_is_in_step() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/fanfare.schema.json");
    let expected = format!("{:#}\n", config::json_schema());
    if std::env::var_os("FANFARE_WRITE_DOCS").is_some() {
        std::fs::write(&path, &expected).expect("written");
    }
    let found = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        found == expected,
        "docs/fanfare.schema.json is behind: FANFARE_WRITE_DOCS=1 cargo test --test configuration"
    );
}

/// Each key of the schema is accepted by the reader, at every place at which the schema has it; and
/// no other is.
#[test]
fn the_schema_and_the_reader_know_the_same_keys() {
    let schema = config::json_schema();
    let sections = [
        ("", &schema, "KEY: {}\nsources: {s: {path: /, upstream: http://o/}}"),
        (
            "limits",
            &schema["properties"]["limits"],
            "limits: {KEY: {}}\nsources: {s: {path: /, upstream: http://o/}}",
        ),
        (
            "drain",
            &schema["properties"]["drain"],
            "drain: {KEY: {}}\nsources: {s: {path: /, upstream: http://o/}}",
        ),
        (
            "source",
            &schema["properties"]["sources"]["additionalProperties"],
            "sources: {s: {KEY: {}, path: /, upstream: http://o/}}",
        ),
    ];
    for (name, section, template) in sections {
        let properties = section["properties"].as_object().expect(name);
        assert!(
            !properties.is_empty() && section["additionalProperties"] == false,
            "{name}"
        );
        for key in properties.keys() {
            let text = template.replace("KEY", key);
            assert!(!read(&text).is_err_and(|told| told.contains("unknown key")), "{text}");
            assert!(
                properties[key]["description"]
                    .as_str()
                    .is_some_and(|text| !text.is_empty()),
                "{key}"
            );
        }
        assert!(
            wrong(&template.replace("KEY", "nonsense")).contains("unknown key `nonsense`"),
            "{name}"
        );
    }
}

/// The names of all properties anywhere in the schema, those of later versions left out.
fn schema_keys(schema: &serde_json::Value) -> Vec<String> {
    let mut keys = Vec::new();
    match schema {
        serde_json::Value::Object(map) => {
            if let Some(properties) = map.get("properties").and_then(|properties| properties.as_object()) {
                let supported = properties.iter().filter(|(_, property)| {
                    let help = property["description"].as_str();
                    !help.is_some_and(|help| help.starts_with("Not supported"))
                });
                keys.extend(supported.map(|(name, _)| name.clone()));
            }
            keys.extend(map.values().flat_map(schema_keys));
        }
        serde_json::Value::Array(items) => keys.extend(items.iter().flat_map(schema_keys)),
        _ => {}
    }
    keys
}
