//! The tree of a file: every node knows its place.

use super::diagnostics::Place;
use super::interpolate;

/// A node and its place.
#[derive(Debug, Clone)]
pub(super) struct Node {
    pub(super) place: Place,
    pub(super) value: Value,
}

/// What a node is.
#[derive(Debug, Clone)]
pub(super) enum Value {
    Scalar(Scalar),
    List(Vec<Node>),
    Map(Vec<Entry>),
}

/// One key of a mapping with its value.
#[derive(Debug, Clone)]
pub(super) struct Entry {
    pub(super) key: String,
    pub(super) place: Place,
    pub(super) node: Node,
}

/// A scalar, before it has a type.
#[derive(Debug, Clone)]
pub(super) struct Scalar {
    /// The value, references replaced; `None` after a mistake in one.
    pub(super) text: Option<String>,
    /// What stands in the file: all that a message may show.
    pub(super) written: String,
    /// Written without quotes: may be a number, a boolean or null.
    pub(super) plain: bool,
}

impl Scalar {
    /// Whether the value came, in part, from the environment.
    pub(super) fn is_from_environment(&self) -> bool {
        interpolate::has_reference(&self.written)
    }

    /// Null by YAML's core schema; a value from the environment never is.
    pub(super) fn is_null(&self) -> bool {
        self.plain && matches!(self.written.as_str(), "" | "~" | "null" | "Null" | "NULL")
    }
}

impl Node {
    /// A node without a place: what the program says where the file says nothing.
    fn of(value: Value) -> Self {
        let place = Place::default();
        Self { place, value }
    }

    /// A plain scalar.
    pub(super) fn text(text: &str) -> Self {
        Self::of(Value::Scalar(Scalar {
            text: Some(text.to_owned()),
            written: text.to_owned(),
            plain: true,
        }))
    }

    /// A mapping.
    pub(super) fn map(entries: impl IntoIterator<Item = (&'static str, Node)>) -> Self {
        let entry = |(key, node): (&'static str, Node)| Entry {
            key: key.to_owned(),
            place: Place::default(),
            node,
        };
        Self::of(Value::Map(entries.into_iter().map(entry).collect()))
    }

    /// A default of the table of keys: a scalar, `{}`, or `[a, b]`.
    pub(super) fn default_of(written: &str) -> Self {
        match written.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            Some(items) => {
                let items = items.split(", ").filter(|item| !item.is_empty());
                Self::of(Value::List(items.map(Node::text).collect()))
            }
            None if written == "{}" => Self::map([]),
            None => Self::text(written),
        }
    }

    /// A mapping's entry.
    pub(super) fn get(&self, key: &str) -> Option<&Entry> {
        match &self.value {
            Value::Map(entries) => entries.iter().find(|entry| entry.key == key),
            _ => None,
        }
    }

    /// Nodes under and with this one.
    pub(super) fn size(&self) -> usize {
        1 + match &self.value {
            Value::Scalar(_) => 0,
            Value::List(nodes) => nodes.iter().map(Node::size).sum(),
            Value::Map(entries) => entries.iter().map(|entry| entry.node.size()).sum(),
        }
    }

    /// Levels under this one.
    pub(super) fn depth(&self) -> usize {
        match &self.value {
            Value::Scalar(_) => 0,
            Value::List(nodes) => 1 + nodes.iter().map(Node::depth).max().unwrap_or(0),
            Value::Map(entries) => 1 + entries.iter().map(|entry| entry.node.depth()).max().unwrap_or(0),
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
