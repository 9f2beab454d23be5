//! From a file's path, or its text, to a configuration in force; and back to text.

use super::diagnostics::{Collector, Diagnostic, Diagnostics, Place};
use super::item::Item;
use super::named_files::NamedFiles;
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

/// What a file came to, and which files it names: also where it has mistakes, since one of those
/// files may be the cause.
#[derive(Debug)]
pub struct Reading {
    /// The configuration, or all that is wrong with it.
    pub read: Result<Loaded, Diagnostics>,
    /// The files that it names, as they were when it was read.
    pub files: NamedFiles,
}

impl Reading {
    fn failed(diagnostics: Diagnostics) -> Self {
        Self {
            read: Err(diagnostics),
            files: NamedFiles::default(),
        }
    }
}

/// Reads and checks a file, with this process's environment.
pub fn load(path: &Path) -> Result<Loaded, Diagnostics> {
    read_again(path).read
}

/// The same, with what has to be watched.
pub fn read_again(path: &Path) -> Reading {
    let name = path.display().to_string();
    match std::fs::File::open(path) {
        Ok(file) => reading_of(file, &name),
        Err(error) => Reading::failed(unreadable(&name, &error)),
    }
}

/// The same, from what can be read. Relative paths in it are relative to the folder of `file_name`.
pub fn load_from(reader: impl Read, file_name: &str) -> Result<Loaded, Diagnostics> {
    reading_of(reader, file_name).read
}

fn reading_of(reader: impl Read, file_name: &str) -> Reading {
    match text_of(reader, file_name) {
        Ok(text) => reading(&text, file_name, &|variable| std::env::var(variable).ok()),
        Err(mistake) => Reading::failed(mistake),
    }
}

/// The text of a file, which is called so in messages.
pub(super) fn text_of_file(path: &Path, name: &str) -> Result<String, Diagnostics> {
    let file = std::fs::File::open(path).map_err(|error| unreadable(name, &error))?;
    let text = text_of(file, name)?;
    Ok(without_bom(&text).to_owned())
}

/// Editors on some systems begin a file with it.
fn without_bom(text: &str) -> &str {
    text.strip_prefix('\u{feff}').unwrap_or(text)
}

fn text_of(reader: impl Read, file_name: &str) -> Result<String, Diagnostics> {
    // One byte more than a file may have: what is too long is told of, and a device without an end
    // ends.
    let mut bytes = Vec::new();
    reader
        .take(yaml::FILE_BYTES_MAX as u64 + 1)
        .read_to_end(&mut bytes)
        .map_err(|error| unreadable(file_name, &error))?;
    String::from_utf8(bytes).map_err(|error| Diagnostics::whole(file_name, not_utf8(&error)))
}

/// Checks a file's text. `file_name` is for the messages, and what relative paths in the file are
/// relative to.
pub fn read(text: &str, file_name: &str, env: &dyn Fn(&str) -> Option<String>) -> Result<Loaded, Diagnostics> {
    reading(text, file_name, env).read
}

fn reading(text: &str, file_name: &str, env: &dyn Fn(&str) -> Option<String>) -> Reading {
    let diagnostics = Collector::new(file_name);
    let node = yaml::parse(without_bom(text), env, &diagnostics);
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
    let files = diagnostics.named();
    let read = diagnostics.finish(read).map(|((config, log), warnings)| Loaded {
        config: Config {
            files: files.clone(),
            ..config
        },
        log,
        warnings,
        written: node.map(|root| Written {
            file: file_name.to_owned(),
            root,
        }),
    });
    Reading { read, files }
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
