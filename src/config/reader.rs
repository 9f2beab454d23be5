//! Typed reading of the located tree: each method returns the value, or records a mistake and returns nothing.
//!
//! So a reader asks for all it needs and puts the parts together at the end: one pass finds every mistake. What a message
//! shows of a value is what stands in the file, never what came from the environment.

use super::diagnostics::{Collector, Place};
use super::keys::RENAMED;
use super::print::MASK;
use super::units;
use super::yaml::{Entry, Node, Scalar, Value};
use std::cell::RefCell;
use std::ops::RangeInclusive;
use std::time::Duration;

/// Characters of a value that a message shows.
const SHOWN_CHARS_MAX: usize = 60;

/// A node with the way to it.
#[derive(Clone)]
pub(super) struct Item<'a> {
    pub(super) diagnostics: &'a Collector,
    pub(super) node: &'a Node,
    /// The key's path, as messages show it.
    pub(super) path: String,
}

impl<'a> Item<'a> {
    pub(super) fn root(diagnostics: &'a Collector, node: &'a Node) -> Self {
        Self {
            diagnostics,
            node,
            path: String::new(),
        }
    }

    /// Records a mistake at this node.
    pub(super) fn mistake(&self, what: impl Into<String>, expected: impl Into<String>) {
        self.diagnostics
            .mistake(self.node.place, &self.path, what, Some(expected.into()));
    }

    /// Records a warning at this node.
    pub(super) fn warn(&self, what: impl Into<String>) {
        self.diagnostics.warning(self.node.place, &self.path, what);
    }

    /// What stands here, for a message.
    pub(super) fn found(&self) -> String {
        match &self.node.value {
            Value::List(_) => "a list".to_owned(),
            Value::Map(_) => "a mapping".to_owned(),
            Value::Scalar(scalar) if scalar.is_null() => "nothing".to_owned(),
            Value::Scalar(scalar) => shown(&scalar.written),
        }
    }

    /// A scalar's text; `None` if there is none, told or not.
    pub(super) fn scalar(&self) -> Option<&'a Scalar> {
        match &self.node.value {
            Value::Scalar(scalar) => Some(scalar),
            _ => None,
        }
    }

    /// Text: any scalar. `expected` is for the message if it is none.
    pub(super) fn text(&self, expected: &str) -> Option<&'a str> {
        match self.scalar() {
            Some(scalar) if !scalar.is_null() => scalar.text.as_deref(),
            _ => {
                self.mistake(self.found(), expected);
                None
            }
        }
    }

    /// Text that isn't shown, whatever is wrong with it.
    pub(super) fn secret_text(&self) -> Option<&'a str> {
        match self.scalar() {
            Some(scalar) if !scalar.is_null() => {
                let text = scalar.text.as_deref();
                if text == Some(MASK) {
                    self.warn_of_mask();
                }
                text
            }
            _ => {
                self.mistake("no text", "a secret, as text");
                None
            }
        }
    }

    /// A printed configuration that is served as it is would be refused by its origins, and nobody would know why.
    pub(super) fn warn_of_mask(&self) {
        self.warn(format!(
            "`{MASK}` stands for a secret that was not printed: put it back"
        ));
    }

    /// `true` or `false`.
    pub(super) fn flag(&self) -> Option<bool> {
        self.choice(&[("true", true), ("false", false)])
    }

    /// One of several words.
    pub(super) fn choice<T: Copy>(&self, choices: &[(&str, T)]) -> Option<T> {
        let words: Vec<&str> = choices.iter().map(|(word, _)| *word).collect();
        let expected = one_of(&words);
        let text = self.text(&expected)?;
        let found = choices.iter().find(|(word, _)| *word == text).map(|(_, value)| *value);
        if found.is_none() {
            let near = if self.is_from_environment() {
                None
            } else {
                nearest(text, words.iter().copied())
            };
            let hint = near.map(|near| format!("did you mean `{near}`?"));
            self.mistake(self.found(), with_hint(&expected, hint.as_deref()));
        }
        found
    }

    /// A whole number in a range.
    pub(super) fn count(&self, range: RangeInclusive<u64>) -> Option<u64> {
        let expected = format!("a whole number {}", between(&range, |n| n.to_string()));
        let text = self.text(&expected)?;
        let found = Some(text)
            .filter(|text| text.bytes().all(|b| b.is_ascii_digit()))
            .and_then(|text| text.parse().ok());
        self.checked(found.filter(|n| range.contains(n)), expected)
    }

    /// A byte size in a range.
    pub(super) fn size(&self, range: RangeInclusive<u64>) -> Option<u64> {
        let text = self.text(units::SIZE_FORM)?;
        match units::size(text) {
            Ok(bytes) if range.contains(&bytes) => Some(bytes),
            Ok(_) => self.checked(None, format!("a size {}", between(&range, units::format_size))),
            Err(hint) => self.checked(None, with_hint(units::SIZE_FORM, hint)),
        }
    }

    /// A duration in a range.
    pub(super) fn duration(&self, range: RangeInclusive<Duration>) -> Option<Duration> {
        let text = self.text(units::DURATION_FORM)?;
        match units::duration(text) {
            Ok(duration) if range.contains(&duration) => Some(duration),
            Ok(_) => self.checked(None, format!("a duration {}", between(&range, units::format_duration))),
            Err(hint) => self.checked(None, with_hint(units::DURATION_FORM, hint)),
        }
    }

    /// The elements of a list; a mistake if it is none.
    pub(super) fn list(&self, expected: &str) -> Option<Vec<Item<'a>>> {
        match &self.node.value {
            Value::List(nodes) => Some(self.elements(nodes)),
            _ => {
                self.mistake(self.found(), expected);
                None
            }
        }
    }

    /// The elements of a list, or the one value that stands instead of it.
    pub(super) fn one_or_more(&self) -> Vec<Item<'a>> {
        match &self.node.value {
            Value::List(nodes) => self.elements(nodes),
            _ => vec![self.clone()],
        }
    }

    /// The entries of a mapping whose keys are free, with the places of their keys.
    pub(super) fn entries(&self, expected: &str) -> Option<Vec<(&'a Entry, Item<'a>)>> {
        match &self.node.value {
            Value::Map(entries) => Some(entries.iter().map(|entry| (entry, self.child(entry))).collect()),
            _ => {
                self.mistake(self.found(), expected);
                None
            }
        }
    }

    /// A mapping whose keys are these; others are mistakes.
    pub(super) fn section(&self, keys: Vec<&'static str>) -> Option<Section<'a>> {
        let Value::Map(entries) = &self.node.value else {
            self.mistake(self.found(), format!("a mapping with {}", some_of(&keys)));
            return None;
        };
        for entry in entries.iter().filter(|entry| !keys.contains(&entry.key.as_str())) {
            let renamed = RENAMED
                .iter()
                .find(|(old, new)| entry.key == *old && keys.contains(new));
            let near = nearest(&entry.key, keys.iter().copied());
            let (what, expected) = match (renamed, near) {
                (Some((old, new)), _) => (format!("`{old}` is now named `{new}`"), Some(format!("`{new}`"))),
                (None, Some(_)) => (
                    with_suggestion(format!("unknown key {}", shown(&entry.key)), near),
                    None,
                ),
                (None, None) => (format!("unknown key {}", shown(&entry.key)), Some(some_of(&keys))),
            };
            self.diagnostics
                .mistake(entry.place, &child(&self.path, &entry.key), what, expected);
        }
        Some(Section {
            item: self.clone(),
            entries,
            keys,
            asked: RefCell::default(),
        })
    }

    /// Whether the value came, in part, from the environment.
    pub(super) fn is_from_environment(&self) -> bool {
        self.scalar().is_some_and(Scalar::is_from_environment)
    }

    fn checked<T>(&self, value: Option<T>, expected: String) -> Option<T> {
        if value.is_none() {
            self.mistake(self.found(), expected);
        }
        value
    }

    fn elements(&self, nodes: &'a [Node]) -> Vec<Item<'a>> {
        let element = |(index, node)| Item {
            diagnostics: self.diagnostics,
            node,
            path: child(&self.path, &format!("[{index}]")),
        };
        nodes.iter().enumerate().map(element).collect()
    }

    fn child(&self, entry: &'a Entry) -> Item<'a> {
        Item {
            diagnostics: self.diagnostics,
            node: &entry.node,
            path: child(&self.path, &entry.key),
        }
    }
}

/// A mapping that is read key by key.
pub(super) struct Section<'a> {
    pub(super) item: Item<'a>,
    entries: &'a [Entry],
    keys: Vec<&'static str>,
    /// Keys that were asked for: at the end all of `keys`, else one is accepted and not obeyed.
    asked: RefCell<Vec<&'static str>>,
}

impl<'a> Section<'a> {
    /// The key's value; `None` if it is missing or null.
    pub(super) fn get(&self, key: &'static str) -> Option<Item<'a>> {
        self.present(key)
            .filter(|item| !item.scalar().is_some_and(Scalar::is_null))
    }

    /// The key's value, even if it is null.
    pub(super) fn present(&self, key: &'static str) -> Option<Item<'a>> {
        debug_assert!(
            self.keys.contains(&key),
            "`{key}` is read, and missing from the table of keys"
        );
        self.asked.borrow_mut().push(key);
        self.entries
            .iter()
            .find(|entry| entry.key == key)
            .map(|entry| self.item.child(entry))
    }

    /// The key's value; a mistake if it is missing or null.
    pub(super) fn need(&self, key: &'static str, expected: &str) -> Option<Item<'a>> {
        let found = self.get(key);
        if found.is_none() {
            self.mistake_at(key, "missing", expected);
        }
        found
    }

    /// Records a mistake about a key, at its place if it is there and at the section's otherwise.
    pub(super) fn mistake_at(&self, key: &'static str, what: &str, expected: &str) {
        let entry = self.entries.iter().find(|entry| entry.key == key);
        let place = entry.map_or(self.item.node.place, |entry| entry.place);
        self.item
            .diagnostics
            .mistake(place, &child(&self.item.path, key), what, Some(expected.to_owned()));
    }

    pub(super) fn flag(&self, key: &'static str, default: bool) -> Option<bool> {
        self.get(key).map_or(Some(default), |item| item.flag())
    }

    pub(super) fn choice<T: Copy>(&self, key: &'static str, default: T, choices: &[(&str, T)]) -> Option<T> {
        self.get(key).map_or(Some(default), |item| item.choice(choices))
    }

    pub(super) fn count(&self, key: &'static str, default: u64, range: RangeInclusive<u64>) -> Option<u64> {
        self.get(key).map_or(Some(default), |item| item.count(range))
    }

    pub(super) fn size(&self, key: &'static str, default: u64, range: RangeInclusive<u64>) -> Option<u64> {
        self.get(key).map_or(Some(default), |item| item.size(range))
    }

    pub(super) fn duration(
        &self,
        key: &'static str,
        default: Duration,
        range: RangeInclusive<Duration>,
    ) -> Option<Duration> {
        self.get(key).map_or(Some(default), |item| item.duration(range))
    }

    /// The place of a key, for warnings about several.
    pub(super) fn place(&self, key: &str) -> Option<Place> {
        self.entries
            .iter()
            .find(|entry| entry.key == key)
            .map(|entry| entry.place)
    }

    /// Every key of the table has been asked for.
    pub(super) fn finish(self) {
        let asked = self.asked.into_inner();
        for key in self.keys {
            debug_assert!(asked.contains(&key), "`{key}` is in the table of keys, and not read");
        }
    }
}

/// The path of a key, or of an index `[0]`, under another.
pub(super) fn child(path: &str, key: &str) -> String {
    // A message is one line, whatever a key holds.
    let key = key.replace(char::is_control, "\u{fffd}");
    match (path.is_empty(), key.starts_with('[')) {
        (true, _) => key,
        (false, true) => format!("{path}{key}"),
        (false, false) => format!("{path}.{key}"),
    }
}

/// Text as a message shows it: one line, bounded, secrets in URLs masked.
pub(super) fn shown(text: &str) -> String {
    let masked = super::url::mask_query(&super::url::mask(text));
    let mut out: String = masked
        .chars()
        .take(SHOWN_CHARS_MAX)
        .flat_map(char::escape_debug)
        .collect();
    if masked.chars().count() > SHOWN_CHARS_MAX {
        out.push('…');
    }
    // `escape_debug` is for Rust's strings; quotes are no trouble here.
    format!("`{}`", out.replace("\\\"", "\"").replace("\\'", "'"))
}

/// The word that was meant, if one is near enough.
pub(super) fn nearest<'w>(word: &str, words: impl Iterator<Item = &'w str>) -> Option<&'w str> {
    let folded = word.to_ascii_lowercase().replace('-', "_");
    let near = |known: &'w str| (strsim::damerau_levenshtein(&folded, &known.to_ascii_lowercase()), known);
    // A third of the letters may be wrong: enough for typing mistakes, too little for another word.
    let bound = |known: &str| (known.chars().count().max(folded.chars().count()) / 3).max(1);
    // The distance's cost is the product of the lengths.
    if folded.len() > SHOWN_CHARS_MAX {
        return None;
    }
    words
        .map(near)
        .filter(|(distance, known)| *distance <= bound(known))
        .min()
        .map(|(_, known)| known)
}

fn with_suggestion(what: String, near: Option<&str>) -> String {
    match near {
        Some(near) => format!("{what}; did you mean `{near}`?"),
        None => what,
    }
}

fn with_hint(form: &str, hint: Option<&str>) -> String {
    match hint {
        Some(hint) => format!("{form} ({hint})"),
        None => form.to_owned(),
    }
}

/// `one of a, b, c`.
pub(super) fn one_of(words: &[&str]) -> String {
    format!("one of {}", quoted(words))
}

fn some_of(words: &[&str]) -> String {
    format!("keys among {}", quoted(words))
}

fn quoted(words: &[&str]) -> String {
    words
        .iter()
        .map(|word| format!("`{word}`"))
        .collect::<Vec<_>>()
        .join(", ")
}

fn between<T: PartialEq + Copy>(range: &RangeInclusive<T>, format: impl Fn(T) -> String) -> String {
    format!("from {} to {}", format(*range.start()), format(*range.end()))
}
