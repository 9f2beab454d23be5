//! From a file's path, or its text, to a configuration in force.

use super::diagnostics::{Collector, Diagnostic, Diagnostics, Place};
use super::reader::Item;
use super::yaml;
use super::{Config, file, legacy};
use std::io::Read as _;
use std::path::Path;

/// A configuration that was read, and what came with it.
#[derive(Debug, Clone)]
pub struct Loaded {
    /// The configuration.
    pub config: Config,
    /// When the file is read again.
    pub reload: Reload,
    /// The log filter that the file asks for; only the legacy file can.
    pub log: Option<String>,
    /// What has no effect, or not the one it seems to have.
    pub warnings: Vec<Diagnostic>,
}

/// When the file is read again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reload {
    /// On SIGHUP.
    Signal,
    /// On SIGHUP, and when the file's content has changed.
    Watch,
}

/// Reads and checks a file, with this process's environment.
pub fn load(path: &Path) -> Result<Loaded, Diagnostics> {
    let name = path.display().to_string();
    let bytes = read_bounded(path).map_err(|error| Diagnostics::whole(&name, format!("can't be read: {error}")))?;
    let text = String::from_utf8(bytes).map_err(|error| Diagnostics::whole(&name, not_utf8(&error)))?;
    read(&text, &name, &|variable| std::env::var(variable).ok())
}

/// Checks a file's text. `file_name` is for the messages, and what relative paths in the file are relative to.
pub fn read(text: &str, file_name: &str, env: &dyn Fn(&str) -> Option<String>) -> Result<Loaded, Diagnostics> {
    let diagnostics = Collector::new(file_name);
    let node = yaml::parse(text, env, &diagnostics);
    let loaded = match &node {
        Some(node) if !is_empty(node) => {
            let root = Item::root(&diagnostics, node);
            if legacy::is_legacy(node) {
                legacy::read(&root)
            } else {
                file::read(&root)
            }
        }
        _ => {
            // A broken file has been told of.
            if diagnostics.is_clean() {
                let place = Place { line: 1, column: 1 };
                diagnostics.mistake(
                    place,
                    "",
                    "the file is empty",
                    Some("a mapping with `sources`".to_owned()),
                );
            }
            None
        }
    };
    let (mut loaded, warnings) = diagnostics.finish(loaded)?;
    loaded.warnings = warnings;
    Ok(loaded)
}

/// At most one byte more than a file may have: what is too long is told of, and a device without an end ends.
fn read_bounded(path: &Path) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    std::fs::File::open(path)?
        .take(yaml::FILE_BYTES_MAX as u64 + 1)
        .read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Nothing, or nothing but comments.
fn is_empty(root: &yaml::Node) -> bool {
    matches!(&root.value, yaml::Value::Scalar(scalar) if scalar.is_null())
}

fn not_utf8(error: &std::string::FromUtf8Error) -> String {
    let before = &error.as_bytes()[..error.utf8_error().valid_up_to()];
    let line = before.iter().filter(|byte| **byte == b'\n').count() + 1;
    format!("not UTF-8, in line {line}")
}
