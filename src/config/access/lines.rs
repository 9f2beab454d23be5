//! Files of secrets by name: `name:secret` a line, `#` begins a comment.
//!
//! What is told of a line is its number. Its text may be a secret in any part, where it is not
//! written as it should be.

use super::super::diagnostics::Place;
use super::super::files::file_path;
use super::super::item::Item;
use super::super::secret::Secret;
use std::collections::HashMap;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Largest file: 100,000 users with hashes of 100 bytes are 12 MB.
const FILE_BYTES_MAX: u64 = 16 << 20;

/// Longest name: it goes into logs, and into a counter's key.
const NAME_BYTES_MAX: usize = 256;

/// A file of secrets by name, as it was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NamedSecrets {
    /// The file.
    pub path: PathBuf,
    /// Its entries, in their order; each name once.
    pub entries: Arc<[NamedSecret]>,
}

/// A name, and its secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NamedSecret {
    /// Whose it is.
    pub name: String,
    /// The secret.
    pub secret: Secret,
}

/// What the lines of a file have to be.
pub(super) struct LineForm {
    /// What a line is expected to be, for messages.
    pub(super) expected: &'static str,
    /// Checks the secret. `Err`: what it is instead. `Ok(Some(..))`: it is taken, with this warning.
    pub(super) check: fn(&str) -> Result<Option<String>, String>,
}

/// What is wrong with a line.
pub(super) struct LineProblem {
    pub(super) line: usize,
    pub(super) what: String,
    pub(super) is_mistake: bool,
}

/// Reads the file that an item names.
pub(super) fn read(item: &Item<'_>, form: &LineForm) -> Option<NamedSecrets> {
    let path = file_path(item)?;
    let text = match read_text(&path) {
        Ok(text) => text,
        Err(why) => {
            item.mistake(format!("{} can't be read: {why}", item.found()), form.expected);
            return None;
        }
    };
    let (entries, problems) = parse(&text, form);
    let (file, mut complete) = (path.display().to_string(), true);
    for problem in problems {
        let place = Place {
            line: problem.line,
            column: 1,
        };
        if problem.is_mistake {
            complete = false;
            item.diagnostics
                .mistake_in(&file, place, &item.path, problem.what, form.expected);
        } else {
            item.diagnostics.warning_in(&file, place, &item.path, problem.what);
        }
    }
    if complete && entries.is_empty() {
        item.warn(format!("{} has no entry: it lets nobody in", item.found()));
    }
    complete.then(|| NamedSecrets {
        path,
        entries: entries.into(),
    })
}

/// The text of a file of secrets.
pub(super) fn read_text(path: &Path) -> Result<String, String> {
    let mut bytes = Vec::new();
    let file = std::fs::File::open(path).map_err(|error| error.to_string())?;
    file.take(FILE_BYTES_MAX + 1)
        .read_to_end(&mut bytes)
        .map_err(|error| error.to_string())?;
    if bytes.len() as u64 > FILE_BYTES_MAX {
        return Err(format!("it has more than {FILE_BYTES_MAX} bytes"));
    }
    String::from_utf8(bytes).map_err(|_| "it is not UTF-8".to_owned())
}

/// The entries of a file, and what is wrong with its lines.
pub(super) fn parse(text: &str, form: &LineForm) -> (Vec<NamedSecret>, Vec<LineProblem>) {
    let (mut entries, mut problems, mut seen) = (Vec::new(), Vec::new(), HashMap::new());
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    for (line, text) in (1..).zip(text.lines()) {
        let text = text.trim();
        if text.is_empty() || text.starts_with('#') {
            continue;
        }
        let mut problem = |what: String, is_mistake| {
            problems.push(LineProblem { line, what, is_mistake });
        };
        let Some((name, secret)) = text.split_once(':') else {
            problem("a line without `:`".to_owned(), true);
            continue;
        };
        if name.is_empty() || name.len() > NAME_BYTES_MAX || name.chars().any(char::is_control) {
            problem(format!("a name that is not 1 to {NAME_BYTES_MAX} visible bytes"), true);
            continue;
        }
        if let Some(first) = seen.insert(name.to_owned(), line) {
            problem(format!("the name of line {first} a second time"), true);
            continue;
        }
        match (form.check)(secret) {
            Err(what) => {
                problem(what, true);
                continue;
            }
            Ok(warning) => warning.into_iter().for_each(|what| problem(what, false)),
        }
        entries.push(NamedSecret {
            name: name.to_owned(),
            secret: Secret(secret.to_owned()),
        });
    }
    (entries, problems)
}

#[cfg(test)]
mod tests {
    use super::*;

    const FORM: LineForm = LineForm {
        expected: "",
        check: |secret| match secret {
            "bad" => Err("bad".to_owned()),
            "weak" => Ok(Some("weak".to_owned())),
            _ => Ok(None),
        },
    };

    #[test]
    fn lines_are_told_by_their_numbers() {
        let (entries, problems) = parse(
            "\u{feff}# a comment\n\na:1:2\r\nhunter2\n:x\na:3\nb:bad\n c:weak \n",
            &FORM,
        );
        let names: Vec<_> = entries.iter().map(|entry| (&*entry.name, &*entry.secret.0)).collect();
        assert_eq!(names, [("a", "1:2"), ("c", "weak")]);
        let told: Vec<_> = problems
            .iter()
            .map(|problem| (problem.line, problem.is_mistake))
            .collect();
        assert_eq!(told, [(4, true), (5, true), (6, true), (7, true), (8, false)]);
        assert!(problems.iter().all(|problem| !problem.what.contains("hunter2")));
    }
}
