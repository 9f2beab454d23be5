//! What a field of a section is read from: mostly one key, sometimes several, sometimes none.

use super::codec::Codec;
use super::item::{Item, Section};
use super::node::Node;
use super::shape::{Key, Shape};
use serde_json::{Map, Value as Json};

/// How a field is read from its section and printed into it.
pub(super) trait Field {
    /// What the field holds.
    type Value;
    /// The keys. `name` and `help` are the field's own; a field of several keys has those of each.
    fn keys(&self, name: &'static str, help: &str) -> Vec<Key>;
    /// Reads it. `None` only after a mistake has been recorded.
    fn read(&self, name: &'static str, section: &Section<'_>) -> Option<Self::Value>;
    /// Writes it.
    fn print(&self, name: &'static str, value: &Self::Value, out: &mut Map<String, Json>);
}

/// What holds if a key is missing.
pub(super) trait Presence: Codec + Sized {
    /// This, read as if it stood in the file: a scalar, `{}`, or `[a, b]`.
    fn or(self, default: &'static str) -> Or<Self> {
        Or(self, default)
    }

    /// A mistake: this is expected.
    fn needed(self, expected: &'static str) -> Needed<Self> {
        Needed(self, expected)
    }

    /// Nothing.
    fn optional(self) -> Optional<Self> {
        Optional(self)
    }
}

impl<C: Codec> Presence for C {}

/// A key with a default.
pub(super) struct Or<C>(C, &'static str);

impl<C: Codec> Field for Or<C> {
    type Value = C::Value;

    fn keys(&self, name: &'static str, help: &str) -> Vec<Key> {
        // A section's defaults are those of its keys.
        let default = if self.1 == "{}" { "" } else { self.1 };
        key(name, help, self.0.shape(), default)
    }

    fn read(&self, name: &'static str, section: &Section<'_>) -> Option<C::Value> {
        match section.get(name) {
            Some(item) => self.0.read(&item),
            None => self.0.read(&Item {
                diagnostics: section.item.diagnostics,
                node: &Node::default_of(self.1),
                path: name.to_owned(),
            }),
        }
    }

    fn print(&self, name: &'static str, value: &C::Value, out: &mut Map<String, Json>) {
        put(out, name, self.0.print(value));
    }
}

/// A key that has to be there.
pub(super) struct Needed<C>(C, &'static str);

impl<C: Codec> Field for Needed<C> {
    type Value = C::Value;

    fn keys(&self, name: &'static str, help: &str) -> Vec<Key> {
        key(name, help, self.0.shape(), "")
    }

    fn read(&self, name: &'static str, section: &Section<'_>) -> Option<C::Value> {
        let found = section.get(name);
        if found.is_none() {
            section.mistake_at(name, "missing", self.1);
        }
        self.0.read(&found?)
    }

    fn print(&self, name: &'static str, value: &C::Value, out: &mut Map<String, Json>) {
        put(out, name, self.0.print(value));
    }
}

/// A key that may be missing.
pub(super) struct Optional<C>(C);

impl<C: Codec> Field for Optional<C> {
    type Value = Option<C::Value>;

    fn keys(&self, name: &'static str, help: &str) -> Vec<Key> {
        key(name, help, self.0.shape(), "")
    }

    fn read(&self, name: &'static str, section: &Section<'_>) -> Option<Self::Value> {
        match section.get(name) {
            Some(item) => self.0.read(&item).map(Some),
            None => Some(None),
        }
    }

    fn print(&self, name: &'static str, value: &Self::Value, out: &mut Map<String, Json>) {
        put(out, name, value.as_ref().and_then(|value| self.0.print(value)));
    }
}

/// No key: the field is set once its section has been read.
pub(super) struct NoKey<T>(pub(super) fn() -> T);

impl<T> Field for NoKey<T> {
    type Value = T;

    fn keys(&self, _: &'static str, _: &str) -> Vec<Key> {
        Vec::new()
    }

    fn read(&self, _: &'static str, _: &Section<'_>) -> Option<T> {
        Some((self.0)())
    }

    fn print(&self, _: &'static str, _: &T, _: &mut Map<String, Json>) {}
}

/// Several keys that make one field.
pub(super) struct Keys<T> {
    pub(super) keys: fn() -> Vec<Key>,
    pub(super) read: fn(&Section<'_>) -> Option<T>,
    pub(super) print: fn(&T, &mut Map<String, Json>),
}

impl<T> Field for Keys<T> {
    type Value = T;

    fn keys(&self, _: &'static str, _: &str) -> Vec<Key> {
        (self.keys)()
    }

    fn read(&self, _: &'static str, section: &Section<'_>) -> Option<T> {
        (self.read)(section)
    }

    fn print(&self, _: &'static str, value: &T, out: &mut Map<String, Json>) {
        (self.print)(value, out);
    }
}

/// One row.
pub(super) fn row(name: &'static str, shape: Shape, help: &str) -> Key {
    Key {
        name,
        help: help.to_owned(),
        shape,
        default: "",
    }
}

fn key(name: &'static str, help: &str, shape: Shape, default: &'static str) -> Vec<Key> {
    vec![Key {
        default,
        ..row(name, shape, help)
    }]
}

fn put(out: &mut Map<String, Json>, name: &str, value: Option<Json>) {
    if let Some(value) = value {
        out.insert(name.to_owned(), value);
    }
}
