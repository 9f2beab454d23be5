//! Typed reading of the located tree: each method returns the value, or records a mistake and
//! returns nothing.
//!
//! So a reader asks for all it needs and puts the parts together at the end: one pass finds every
//! mistake. What a message shows of a value is what stands in the file, never what came from the
//! environment.

use super::diagnostics::{Collector, Place};
use super::node::{Entry, Node, Scalar, Value, child};
use super::shape::{Key, Shape};
use super::wording::{nearest, quoted, shown};
use crate::redaction::MASK;

/// Keys that begin so are free: a place for anchors.
pub(super) const FREE_PREFIX: &str = "x-";

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
        let path = String::new();
        Self {
            diagnostics,
            node,
            path,
        }
    }

    /// Records a mistake at this node.
    pub(super) fn mistake(&self, what: impl Into<String>, expected: impl Into<String>) {
        self.diagnostics
            .mistake(self.node.place, &self.path, what, Some(expected.into()));
    }

    /// Records a mistake at this node, unless there is a value.
    pub(super) fn checked<T>(&self, value: Option<T>, expected: impl Into<String>) -> Option<T> {
        if value.is_none() {
            self.mistake(self.found(), expected);
        }
        value
    }

    /// Records a warning at this node.
    pub(super) fn warn(&self, what: impl Into<String>) {
        self.diagnostics.warning(self.node.place, &self.path, what, None);
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

    /// The scalar that stands here, if one does.
    pub(super) fn scalar(&self) -> Option<&'a Scalar> {
        match &self.node.value {
            Value::Scalar(scalar) => Some(scalar),
            _ => None,
        }
    }

    /// The text that stands here, without a word if there is none.
    pub(super) fn peek(&self) -> Option<&'a str> {
        self.scalar().and_then(|scalar| scalar.text.as_deref())
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

    /// A printed configuration that is served as it is would be refused by its origins, without a
    /// visible reason.
    pub(super) fn warn_of_mask(&self) {
        self.warn(format!(
            "`{MASK}` stands for a secret that was not printed: put it back"
        ));
    }

    /// Whether the value came, in part, from the environment.
    pub(super) fn is_from_environment(&self) -> bool {
        self.scalar().is_some_and(Scalar::is_from_environment)
    }

    /// The elements of a list; a mistake if it is none.
    pub(super) fn list(&self, expected: &str) -> Option<Vec<Item<'a>>> {
        match &self.node.value {
            Value::List(_) => Some(self.one_or_more()),
            _ => {
                self.mistake(self.found(), expected);
                None
            }
        }
    }

    /// The elements of a list, or the one value that stands instead of it.
    pub(super) fn one_or_more(&self) -> Vec<Item<'a>> {
        let Value::List(nodes) = &self.node.value else {
            return vec![self.clone()];
        };
        let element = |(index, node)| Item {
            diagnostics: self.diagnostics,
            node,
            path: child(&self.path, &format!("[{index}]")),
        };
        nodes.iter().enumerate().map(element).collect()
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

    /// The value of a key, if this is a mapping that has it; nothing is recorded.
    pub(super) fn at(&self, key: &str) -> Option<Item<'a>> {
        self.node.get(key).map(|entry| self.child(entry))
    }

    /// A mapping whose keys are these; others are mistakes. `renamed`: keys that have another name
    /// now.
    pub(super) fn section(&self, keys: &[Key], renamed: &[(&str, &str)]) -> Option<Section<'a>> {
        let names: Vec<&'static str> = keys.iter().map(|key| key.name).collect();
        let Value::Map(entries) = &self.node.value else {
            self.mistake(self.found(), format!("a mapping with {}", some_of(keys)));
            return None;
        };
        for entry in entries.iter().filter(|entry| !entry.key.starts_with(FREE_PREFIX)) {
            let path = child(&self.path, &entry.key);
            let known = keys.iter().find(|key| key.name == entry.key);
            if let Some(Key {
                shape: Shape::Unsupported(off),
                help,
                ..
            }) = known
            {
                let is_off =
                    matches!(&entry.node.value, Value::Scalar(scalar) if off.contains(&scalar.written.as_str()));
                if !is_off {
                    let expected = match off.first() {
                        Some(off) => format!("`{off}`, or no such key"),
                        None => "no such key".to_owned(),
                    };
                    self.diagnostics.mistake(
                        entry.place,
                        &path,
                        help.trim_end_matches('.').replacen('N', "n", 1),
                        Some(expected),
                    );
                }
            }
            if known.is_some() {
                continue;
            }
            let found = shown(&entry.key);
            let (what, expected) = match (
                renamed.iter().find(|(old, _)| *old == entry.key),
                nearest(&entry.key, names.iter().copied()),
            ) {
                (Some((_, new)), _) => (format!("{found} is now named `{new}`"), Some(format!("`{new}`"))),
                (None, Some(near)) => (format!("unknown key {found}; did you mean `{near}`?"), None),
                (None, None) => (format!("unknown key {found}"), Some(some_of(keys))),
            };
            self.diagnostics.mistake(entry.place, &path, what, expected);
        }
        let item = self.clone();
        Some(Section { item })
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
}

impl<'a> Section<'a> {
    /// The key's value; `None` if it is missing or null.
    pub(super) fn get(&self, key: &str) -> Option<Item<'a>> {
        self.present(key)
            .filter(|item| !item.scalar().is_some_and(Scalar::is_null))
    }

    /// The key's value, even if it is null.
    pub(super) fn present(&self, key: &str) -> Option<Item<'a>> {
        self.item.at(key)
    }

    /// Records a mistake about a key, at its place if it is there and at the section's otherwise.
    pub(super) fn mistake_at(&self, key: &str, what: impl Into<String>, expected: &str) {
        let path = child(&self.item.path, key);
        let place = self.place(key);
        self.item
            .diagnostics
            .mistake(place, &path, what, Some(expected.to_owned()));
    }

    /// Records a warning about a key.
    pub(super) fn warn_at(&self, key: &str, what: impl Into<String>) {
        let path = child(&self.item.path, key);
        self.item.diagnostics.warning(self.place(key), &path, what, None);
    }

    fn place(&self, key: &str) -> Place {
        self.item
            .node
            .get(key)
            .map_or(self.item.node.place, |entry| entry.place)
    }
}

/// The keys that could have been meant; those of later versions would only be the next mistake.
fn some_of(keys: &[Key]) -> String {
    let supported = keys.iter().filter(|key| !matches!(key.shape, Shape::Unsupported(_)));
    format!(
        "keys among {}",
        quoted(&supported.map(|key| key.name).collect::<Vec<_>>())
    )
}
