//! From a file's path, or its text, to a configuration in force; and back to text.

use super::diagnostics::{Collector, Diagnostic, Diagnostics, Place};
use super::item::Item;
use super::node::{Node, Value};
use super::root::Config;
use super::table::Table as _;
use super::{emit, legacy, yaml};
use std::fmt::Write as _;
use std::io::Read;
use std::path::Path;

/// A configuration that was read, and what came with it.
#[derive(Debug, Clone)]
pub struct Loaded {
    /// The configuration.
    pub config: Config,
    /// The log filter that the file asks for; only the legacy file can.
    pub log: Option<String>,
    /// What has no effect, or not the one it seems to have.
    pub warnings: Vec<Diagnostic>,
    /// What stands where, until the configuration has been judged.
    pub(super) written: Option<Written>,
}

/// A file as it was read. It holds secrets, so its `Debug` is no more than its name.
#[derive(Clone)]
pub(super) struct Written {
    /// As it was named.
    pub(super) file: String,
    pub(super) root: Node,
}

impl std::fmt::Debug for Written {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.file)
    }
}

impl Loaded {
    /// A configuration that no file says.
    pub fn without_file(config: Config) -> Self {
        Self {
            config,
            log: None,
            warnings: Vec::new(),
            written: None,
        }
    }
}

/// Reads and checks a file, with this process's environment.
pub fn load(path: &Path) -> Result<Loaded, Diagnostics> {
    let name = path.display().to_string();
    let opened = std::fs::File::open(path);
    opened.map_or_else(|error| Err(unreadable(&name, &error)), |file| load_from(file, &name))
}

/// The same, from what can be read. Relative paths in it are relative to the folder of `file_name`.
pub fn load_from(reader: impl Read, file_name: &str) -> Result<Loaded, Diagnostics> {
    // One byte more than a file may have: what is too long is told of, and a device without an end
    // ends.
    let mut bytes = Vec::new();
    reader
        .take(yaml::FILE_BYTES_MAX as u64 + 1)
        .read_to_end(&mut bytes)
        .map_err(|error| unreadable(file_name, &error))?;
    let text = String::from_utf8(bytes).map_err(|error| Diagnostics::whole(file_name, not_utf8(&error)))?;
    read(&text, file_name, &|variable| std::env::var(variable).ok())
}

/// Checks a file's text. `file_name` is for the messages, and what relative paths in the file are
/// relative to.
pub fn read(text: &str, file_name: &str, env: &dyn Fn(&str) -> Option<String>) -> Result<Loaded, Diagnostics> {
    let diagnostics = Collector::new(file_name);
    // Editors on some systems begin a file with it.
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let node = yaml::parse(text, env, &diagnostics);
    let read = match &node {
        Some(node) if !is_empty(node) => {
            let root = Item::root(&diagnostics, node);
            if legacy::is_legacy(node) {
                legacy::read(&root)
            } else {
                Config::read(&root).map(|config| (config, None))
            }
        }
        // A broken file has been told of.
        _ if !diagnostics.is_clean() => None,
        _ => {
            let place = Place { line: 1, column: 1 };
            let expected = Some("a mapping with `sources`".to_owned());
            diagnostics.mistake(place, "", "the file is empty", expected);
            None
        }
    };
    let ((config, log), warnings) = diagnostics.finish(read)?;
    let written = node.map(|root| Written {
        file: file_name.to_owned(),
        root,
    });
    Ok(Loaded {
        config,
        log,
        warnings,
        written,
    })
}

/// The file's text: every value is written, defaults too, secrets as `***`. What is written is read
/// back as the same configuration, the masked values aside: so a legacy file becomes one in the new
/// form.
pub fn print(loaded: &Loaded) -> String {
    let mut out = String::new();
    if let Some(filter) = &loaded.log {
        let _ = writeln!(out, "# On the command line: --log {filter}");
    }
    emit::write_map(&mut out, &loaded.config.print(), 0);
    out
}

/// Nothing, or nothing but comments.
fn is_empty(root: &Node) -> bool {
    matches!(&root.value, Value::Scalar(scalar) if scalar.is_null())
}

fn unreadable(name: &str, error: &std::io::Error) -> Diagnostics {
    Diagnostics::whole(name, format!("can't be read: {error}"))
}

fn not_utf8(error: &std::string::FromUtf8Error) -> String {
    let before = &error.as_bytes()[..error.utf8_error().valid_up_to()];
    let line = before.iter().filter(|byte| **byte == b'\n').count() + 1;
    format!("not UTF-8, in line {line}")
}
