//! YAML text as a tree in which every node knows its place.
//!
//! The only module that names the YAML library. It promises: no panic on any bytes; a bounded tree, whatever the
//! aliases; no duplicate key survives; references to the environment are replaced in values after the structure is
//! settled, so that no value can change it. Keys are left as they are written. What it finds wrong goes to
//! [`Collector`], and reading goes on where the structure allows it.

use super::diagnostics::{Collector, Place};
use super::interpolate;
use serde_saphyr::granit_parser::{Event, Parser, ScalarStyle, ScanError, Span, StrInput, Tag};
use std::collections::HashMap;

/// The largest file, in bytes; one with ten thousand sources has about a tenth.
pub(super) const FILE_BYTES_MAX: usize = 16 << 20;

/// How deep nodes may nest; the format itself needs 6.
const DEPTH_MAX: usize = 32;

/// Nodes of the tree, copies by alias counted: what stops an alias bomb.
const NODES_MAX: usize = 1_000_000;

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

/// Parses one document; `None` after a mistake in its structure, or if it is empty.
pub(super) fn parse(text: &str, env: &dyn Fn(&str) -> Option<String>, diagnostics: &Collector) -> Option<Node> {
    if text.len() > FILE_BYTES_MAX {
        let expected = format!("at most {} bytes", FILE_BYTES_MAX);
        diagnostics.mistake(Place::default(), "", "the file is too long", Some(expected));
        return None;
    }
    let mut builder = Builder {
        parser: Parser::new_from_str(text),
        env,
        diagnostics,
        anchors: HashMap::new(),
        nodes: 0,
        path: Vec::new(),
    };
    match builder.document() {
        Ok(node) => node,
        Err(Stop::Told) => None,
        Err(Stop::Syntax(error)) => {
            // The scanner may stand behind the last line.
            let line = error.marker().line().max(1);
            let place = Place {
                line,
                column: error.marker().col() + 1,
            };
            let quoting = match text.lines().nth(line - 1) {
                Some(line) if line.contains("${") => " (inside `{ }` and `[ ]`, a value with `${...}` needs quotes)",
                _ => "",
            };
            diagnostics.mistake(place, "", format!("not valid YAML: {}{quoting}", error.info()), None);
            None
        }
    }
}

/// Why the tree can't be built.
enum Stop {
    Syntax(ScanError),
    /// The mistake has been recorded.
    Told,
}

impl From<ScanError> for Stop {
    fn from(error: ScanError) -> Self {
        Stop::Syntax(error)
    }
}

struct Builder<'a> {
    parser: Parser<'a, StrInput<'a>>,
    env: &'a dyn Fn(&str) -> Option<String>,
    diagnostics: &'a Collector,
    /// Anchored nodes by the parser's number for them.
    anchors: HashMap<usize, Node>,
    /// Nodes so far, copies included; at most [`NODES_MAX`].
    nodes: usize,
    /// Keys and indices from the root to where the builder stands.
    path: Vec<String>,
}

impl<'a> Builder<'a> {
    fn document(&mut self) -> Result<Option<Node>, Stop> {
        let mut root = None;
        loop {
            let (event, span) = self.next()?;
            match event {
                Event::StreamStart | Event::DocumentEnd => {}
                Event::StreamEnd => return Ok(root),
                Event::DocumentStart(..) if root.is_some() => {
                    return self.stop(place(&span), "a second document", Some("one document per file"));
                }
                Event::DocumentStart(..) => {}
                event => root = Some(self.node(event, &span)?),
            }
        }
    }

    /// The next event that is not presentation.
    fn next(&mut self) -> Result<(Event<'a>, Span), Stop> {
        loop {
            match self.parser.next_event() {
                Some(Ok((Event::Comment(..), _))) => {}
                Some(Ok(next)) => return Ok(next),
                Some(Err(error)) => return Err(error.into()),
                None => return Ok((Event::StreamEnd, Span::default())),
            }
        }
    }

    fn node(&mut self, event: Event<'a>, span: &Span) -> Result<Node, Stop> {
        let place = place(span);
        self.count(place, 1)?;
        if self.path.len() > DEPTH_MAX {
            return self.stop(place, format!("nested more than {DEPTH_MAX} deep"), None);
        }
        let (value, anchor, tag) = match event {
            Event::Alias(anchor) => {
                let Some(node) = self.anchors.get(&anchor).cloned() else {
                    return self.stop(place, "an alias inside the node that it names", None);
                };
                self.count(place, size(&node))?;
                return match self.path.len() + depth(&node) > DEPTH_MAX {
                    true => self.stop(place, format!("nested more than {DEPTH_MAX} deep"), None),
                    false => Ok(node),
                };
            }
            Event::Scalar(text, style, anchor, tag) => {
                (self.scalar(&text, style == ScalarStyle::Plain, place), anchor, tag)
            }
            Event::SequenceStart(_, anchor, tag) => (self.list()?, anchor, tag),
            Event::MappingStart(_, anchor, tag) => (self.map()?, anchor, tag),
            _ => return self.stop(place, "not a value", None),
        };
        let mut node = Node { place, value };
        let tag_place = span.tag_start().map_or(place, |mark| Place {
            line: mark.line(),
            column: mark.col() + 1,
        });
        self.obey_tag(&mut node, tag.as_deref(), tag_place);
        if anchor > 0 {
            self.anchors.insert(anchor, node.clone());
        }
        Ok(node)
    }

    fn list(&mut self) -> Result<Value, Stop> {
        let mut nodes = Vec::new();
        loop {
            let (event, span) = self.next()?;
            if event == Event::SequenceEnd {
                return Ok(Value::List(nodes));
            }
            self.path.push(format!("[{}]", nodes.len()));
            let node = self.node(event, &span);
            self.path.pop();
            nodes.push(node?);
        }
    }

    fn map(&mut self) -> Result<Value, Stop> {
        let (mut entries, mut merged): (Vec<Entry>, Vec<Entry>) = (Vec::new(), Vec::new());
        // Where each key stood first; a search of `entries` would be quadratic.
        let mut lines: HashMap<String, usize> = HashMap::new();
        loop {
            let (event, span) = self.next()?;
            let place = place(&span);
            let (key, plain) = match event {
                Event::MappingEnd => break,
                Event::Scalar(text, style, ..) => (text.into_owned(), style == ScalarStyle::Plain),
                _ => return self.stop(place, "a key that is no text", Some("a name")),
            };
            self.path.push(key.clone());
            let (event, span) = self.next()?;
            let node = self.node(event, &span);
            if plain && key == "<<" {
                let told = node.and_then(|node| self.merge(node, &mut merged));
                self.path.pop();
                told?;
                continue;
            }
            match lines.get(&key) {
                Some(line) => {
                    let expected = format!("each key once; the first is in line {line}");
                    self.diagnostics
                        .mistake(place, &self.key(), "a duplicate key", Some(expected));
                    node?;
                }
                None => {
                    let mut node = node?;
                    // A value that isn't there has no place of its own.
                    if matches!(&node.value, Value::Scalar(scalar) if scalar.plain && scalar.written.is_empty()) {
                        node.place = place;
                    }
                    lines.insert(key.clone(), place.line);
                    entries.push(Entry { key, place, node });
                }
            }
            self.path.pop();
        }
        // What the mapping says itself wins, then the first that is merged into it.
        for entry in merged {
            if lines.insert(entry.key.clone(), entry.place.line).is_none() {
                entries.push(entry);
            }
        }
        Ok(Value::Map(entries))
    }

    /// `<<: *anchor`, or a list of them.
    fn merge(&mut self, node: Node, merged: &mut Vec<Entry>) -> Result<(), Stop> {
        match node.value {
            Value::Map(entries) => merged.extend(entries),
            Value::List(nodes) if nodes.iter().all(|node| matches!(node.value, Value::Map(_))) => {
                for node in nodes {
                    self.merge(node, merged)?;
                }
            }
            _ => {
                return self.stop(
                    node.place,
                    "nothing that can be merged",
                    Some("a mapping, or a list of mappings"),
                );
            }
        }
        Ok(())
    }

    fn scalar(&mut self, written: &str, plain: bool, place: Place) -> Value {
        let text = match interpolate::interpolate(written, self.env) {
            Ok(text) => Some(text),
            Err(wrong) => {
                self.diagnostics
                    .mistake(place, &self.key(), wrong.what, Some(wrong.expected));
                None
            }
        };
        Value::Scalar(Scalar {
            text,
            written: written.to_owned(),
            plain,
        })
    }

    /// The core schema's tags say what the format's own types say anyway; `!!str` and `!` make text of a plain scalar.
    fn obey_tag(&mut self, node: &mut Node, tag: Option<&Tag>, place: Place) {
        let Some(tag) = tag else { return };
        let name = tag.core_suffix().map(str::to_owned);
        match (&mut node.value, name.as_deref()) {
            (Value::Scalar(scalar), Some("str")) => scalar.plain = false,
            (Value::Scalar(scalar), None) if tag.original() == "!" => scalar.plain = false,
            (Value::Scalar(_), Some("int" | "float" | "bool" | "null")) => {}
            (Value::List(_), Some("seq")) | (Value::Map(_), Some("map")) => {}
            _ => {
                let what = format!("the tag `{}`", tag.original());
                self.diagnostics
                    .mistake(place, &self.key(), what, Some("no tag".to_owned()));
            }
        }
    }

    fn count(&mut self, place: Place, more: usize) -> Result<(), Stop> {
        self.nodes += more;
        match self.nodes > NODES_MAX {
            true => self.stop(
                place,
                format!("more than {NODES_MAX} values, those behind aliases counted"),
                None,
            ),
            false => Ok(()),
        }
    }

    fn key(&self) -> String {
        self.path
            .iter()
            .fold(String::new(), |path, part| super::reader::child(&path, part))
    }

    fn stop<T>(&self, place: Place, what: impl Into<String>, expected: Option<&str>) -> Result<T, Stop> {
        self.diagnostics
            .mistake(place, &self.key(), what, expected.map(str::to_owned));
        Err(Stop::Told)
    }
}

fn place(span: &Span) -> Place {
    Place {
        line: span.start.line(),
        column: span.start.col() + 1,
    }
}

/// Nodes under and with this one.
fn size(node: &Node) -> usize {
    1 + match &node.value {
        Value::Scalar(_) => 0,
        Value::List(nodes) => nodes.iter().map(size).sum(),
        Value::Map(entries) => entries.iter().map(|entry| size(&entry.node)).sum(),
    }
}

/// Levels under this one.
fn depth(node: &Node) -> usize {
    match &node.value {
        Value::Scalar(_) => 0,
        Value::List(nodes) => 1 + nodes.iter().map(depth).max().unwrap_or(0),
        Value::Map(entries) => 1 + entries.iter().map(|entry| depth(&entry.node)).max().unwrap_or(0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree(text: &str) -> Result<Option<Node>, String> {
        let diagnostics = Collector::new("f");
        let env = |name: &str| (name == "X").then(|| "a: b\n[c, {d}]".to_owned());
        let node = parse(text, &env, &diagnostics);
        diagnostics
            .finish(Some(node))
            .map(|(node, _)| node)
            .map_err(|mistakes| mistakes.to_string())
    }

    /// The tree without its places.
    fn plain(node: &Node) -> serde_json::Value {
        match &node.value {
            Value::Scalar(scalar) if scalar.is_null() => serde_json::Value::Null,
            Value::Scalar(scalar) => scalar.text.clone().into(),
            Value::List(nodes) => nodes.iter().map(plain).collect(),
            Value::Map(entries) => entries
                .iter()
                .map(|entry| (entry.key.clone(), plain(&entry.node)))
                .collect(),
        }
    }

    #[test]
    fn a_value_never_changes_the_structure() {
        for text in [
            "k: ${X}\n",
            "k: \"${X}\"\n",
            "k: '${X}'\n",
            "k: [\"${X}\"]\n",
            "k: |-\n  ${X}\n",
        ] {
            let node = tree(text).expect("valid").expect("not empty");
            let found = plain(&node).to_string();
            assert!(found.contains(r#""a: b\n[c, {d}]""#), "{found}");
        }
    }

    #[test]
    fn anchors_and_merges() {
        let node = tree("base: &b {x: 1, y: 2}\nmine: {<<: *b, y: 3}\nagain: *b\n")
            .expect("valid")
            .expect("not empty");
        let expected = serde_json::json!({
            "base": {"x": "1", "y": "2"}, "mine": {"y": "3", "x": "1"}, "again": {"x": "1", "y": "2"},
        });
        assert_eq!(plain(&node), expected);
    }

    #[test]
    fn places_count_from_one() {
        let node = tree("a:\n  - b\n  - {c: d}\n").expect("valid").expect("not empty");
        let Value::Map(entries) = &node.value else {
            panic!("{node:?}")
        };
        assert_eq!(entries[0].place, Place { line: 1, column: 1 });
        let Value::List(nodes) = &entries[0].node.value else {
            panic!("{node:?}")
        };
        assert_eq!(nodes[0].place, Place { line: 2, column: 5 });
        let Value::Map(entries) = &nodes[1].value else {
            panic!("{node:?}")
        };
        assert_eq!(entries[0].node.place, Place { line: 3, column: 9 });
    }

    #[test]
    fn structural_mistakes() {
        for (text, expected) in [
            (
                "a: 1\nb: 2\na: 3\n",
                "f:3:1: a: a duplicate key; expected each key once; the first is in line 1",
            ),
            (
                "a: 1\n---\nb: 2\n",
                "f:2:1: a second document; expected one document per file",
            ),
            (
                "a: {b: !!binary x}\n",
                "f:1:8: a.b: the tag `!!binary`; expected no tag",
            ),
            (
                "a:\n- ${NONE}\n",
                "f:2:3: a[0]: the environment variable `NONE` is not set; expected it to be set, or a default: `${NONE:-...}`",
            ),
        ] {
            assert_eq!(tree(text).expect_err("a mistake"), expected, "{text}");
        }
        for text in [
            "a: [",
            "a: b: c",
            "a: *none\n",
            "a: &x [*x]\n",
            "? [a]\n: b\n",
            "a: \"",
            "{a: ${X}}",
        ] {
            let told = tree(text).expect_err(text);
            assert!(told.starts_with("f:1:") || told.starts_with("f:2:"), "{told}");
        }
        assert!(tree("{a: ${X}}").expect_err("flow").contains("needs quotes"));
        assert!(matches!(tree(""), Ok(None)));
        assert!(matches!(tree("# nothing\n"), Ok(None)));
    }

    #[test]
    fn bombs_are_bounded() {
        let mut bomb = "a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n".to_owned();
        for level in 1..20 {
            let last = level - 1;
            bomb.push_str(&format!(
                "a{level}: &a{level} [*a{last},*a{last},*a{last},*a{last},*a{last},*a{last},*a{last},*a{last}]\n"
            ));
        }
        assert!(tree(&bomb).expect_err("a bomb").contains("more than"));
        assert!(tree(&"[".repeat(10_000)).is_err());
        assert!(
            tree(&format!("{}{}", "[".repeat(40), "]".repeat(40)))
                .expect_err("deep")
                .contains("nested")
        );
        assert!(tree(&(0..40).map(|n| format!("{}a:\n", " ".repeat(n))).collect::<String>()).is_err());
    }

    proptest::proptest! {
        #[test]
        fn no_text_panics(text in "([a-z:\\-&*<!|>'\"\\[\\]{}?#,%@` \n\t$]|\\$\\{X\\}|<<: |\\PC){0,60}") {
            let _ = tree(&text);
        }
    }
}
