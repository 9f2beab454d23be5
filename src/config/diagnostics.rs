//! What is wrong with a file: every mistake with its place, its key, what was found and what is
//! expected.
//!
//! A mistake makes the file unusable; a warning says that something has no effect, not the one it
//! seems to have, or one that will hurt. Neither ever holds a secret: no value of a secret key, and
//! no value that came from the environment.

use super::named_files::NamedFiles;
use serde_json::{Value as Json, json};
use std::cell::RefCell;
use std::fmt;
use std::path::Path;

/// A place in a file; lines and columns (in characters) count from 1. Line 0: the file as a whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Place {
    /// The line.
    pub line: usize,
    /// The column.
    pub column: usize,
}

/// Whether the file can be used all the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Severity {
    /// It can't.
    Mistake,
    /// It can.
    Warning,
}

/// One mistake, or one warning.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostic {
    /// Whether it is a mistake.
    pub severity: Severity,
    /// The file, as it was named.
    pub file: String,
    /// Where in the file.
    pub place: Place,
    /// The key's path, `sources.changelog.log.events`; empty: the file as a whole.
    pub key: String,
    /// What was found.
    pub what: String,
    /// What is expected instead, where that can be said.
    pub expected: Option<String>,
}

impl Diagnostic {
    /// A mistake that concerns a file as a whole.
    pub(crate) fn of_the_whole(file: &str, what: String) -> Self {
        Self {
            severity: Severity::Mistake,
            file: file.to_owned(),
            place: Place::default(),
            key: String::new(),
            what,
            expected: None,
        }
    }

    /// What would help, as a sentence of its own.
    fn hint(&self) -> Option<String> {
        let guess = self.what.split("; ").find(|part| part.starts_with("did you mean"));
        match &self.expected {
            Some(expected) => Some(format!("expected {expected}")),
            None => guess.map(str::to_owned),
        }
    }

    /// As editors and scripts take it.
    pub fn to_json(&self) -> Json {
        json!({
            "severity": match self.severity {
                Severity::Mistake => "mistake",
                Severity::Warning => "warning",
            },
            "file": self.file,
            "line": self.place.line,
            "column": self.place.column,
            "key": self.key,
            "message": self.what,
            "expected": self.expected,
            "hint": self.hint(),
        })
    }
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.file)?;
        if self.place.line > 0 {
            write!(f, ":{}:{}", self.place.line, self.place.column)?;
        }
        if !self.key.is_empty() {
            write!(f, ": {}", self.key)?;
        }
        write!(f, ": {}", self.what)?;
        match &self.expected {
            Some(expected) => write!(f, "; expected {expected}"),
            None => Ok(()),
        }
    }
}

/// All mistakes of a file, in the order of their places; never empty. Displayed one a line.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct Diagnostics(Vec<Diagnostic>);

impl Diagnostics {
    /// One mistake that concerns the file as a whole.
    pub(super) fn whole(file: &str, what: String) -> Self {
        Self(vec![Diagnostic::of_the_whole(file, what)])
    }

    /// The mistakes, in the order of their places.
    pub fn iter(&self) -> impl Iterator<Item = &Diagnostic> {
        self.0.iter()
    }

    /// The mistakes with other keys: those of the command line, where a file was made of it.
    pub(super) fn with_keys(mut self, rename: impl Fn(&str) -> String) -> Self {
        for mistake in &mut self.0 {
            mistake.key = rename(&mistake.key);
        }
        self
    }
}

impl fmt::Display for Diagnostics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, mistake) in self.0.iter().enumerate() {
            let line_end = if index == 0 { "" } else { "\n" };
            write!(f, "{line_end}{mistake}")?;
        }
        Ok(())
    }
}

/// Gathers what is found while a file is read.
pub(super) struct Collector {
    file: String,
    mistakes: RefCell<Vec<Diagnostic>>,
    warnings: RefCell<Vec<Diagnostic>>,
    named: RefCell<NamedFiles>,
}

impl Collector {
    pub(super) fn new(file: &str) -> Self {
        Self {
            file: file.to_owned(),
            mistakes: RefCell::default(),
            warnings: RefCell::default(),
            named: RefCell::default(),
        }
    }

    /// The file names this one. To be called before that is read.
    pub(super) fn names(&self, path: &Path) {
        self.named.borrow_mut().add(path);
    }

    /// The files that have been named so far.
    pub(super) fn named(&self) -> NamedFiles {
        self.named.borrow().clone()
    }

    pub(super) fn mistake(&self, place: Place, key: &str, what: impl Into<String>, expected: Option<String>) {
        let mistake = self.diagnostic(Severity::Mistake, place, key, what.into(), expected);
        self.mistakes.borrow_mut().push(mistake);
    }

    pub(super) fn warning(&self, place: Place, key: &str, what: impl Into<String>, expected: Option<String>) {
        let warning = self.diagnostic(Severity::Warning, place, key, what.into(), expected);
        self.warnings.borrow_mut().push(warning);
    }

    /// A mistake in another file, which the configuration names.
    pub(super) fn mistake_in(&self, file: &str, place: Place, key: &str, what: impl Into<String>, expected: &str) {
        let expected = Some(expected.to_owned());
        let mistake = self.diagnostic(Severity::Mistake, place, key, what.into(), expected);
        let file = file.to_owned();
        self.mistakes.borrow_mut().push(Diagnostic { file, ..mistake });
    }

    /// A warning about another file, which the configuration names.
    pub(super) fn warning_in(&self, file: &str, place: Place, key: &str, what: impl Into<String>) {
        let warning = self.diagnostic(Severity::Warning, place, key, what.into(), None);
        let file = file.to_owned();
        self.warnings.borrow_mut().push(Diagnostic { file, ..warning });
    }

    /// The mistakes that concern a key, without all others.
    pub(super) fn only(self, key: &str) -> Self {
        self.mistakes.borrow_mut().retain(|mistake| mistake.key == key);
        self
    }

    /// Whether there is no mistake so far.
    pub(super) fn is_clean(&self) -> bool {
        self.mistakes.borrow().is_empty()
    }

    /// The file's name, as it was given.
    pub(super) fn file(&self) -> &str {
        &self.file
    }

    /// The value with its warnings, if there was no mistake. `value` is `None` only after a
    /// mistake.
    pub(super) fn finish<T>(self, value: Option<T>) -> Result<(T, Vec<Diagnostic>), Diagnostics> {
        let (mut mistakes, mut warnings) = (self.mistakes.into_inner(), self.warnings.into_inner());
        // Aliases and merges visit a node twice, and so do checks of several keys.
        for diagnostics in [&mut mistakes, &mut warnings] {
            diagnostics.sort_by(|a, b| (a.place, &a.key, &a.what).cmp(&(b.place, &b.key, &b.what)));
            diagnostics.dedup();
        }
        match value {
            Some(value) if mistakes.is_empty() => Ok((value, warnings)),
            _ if mistakes.is_empty() => Err(Diagnostics::whole(&self.file, "cannot be used".to_owned())),
            _ => Err(Diagnostics(mistakes)),
        }
    }

    fn diagnostic(
        &self,
        severity: Severity,
        place: Place,
        key: &str,
        what: String,
        expected: Option<String>,
    ) -> Diagnostic {
        Diagnostic {
            severity,
            file: self.file.clone(),
            place,
            key: key.to_owned(),
            what,
            expected,
        }
    }
}
