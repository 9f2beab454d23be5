//! YAML text as a tree in which every node knows its place.
//!
//! The only module that names the YAML library. It promises: no panic on any bytes; a bounded tree,
//! whatever the aliases; no duplicate key survives; references to the environment are replaced in
//! values after the structure is settled, so that no value can change it. Keys are left as they are
//! written. What it finds wrong goes to [`Collector`], and reading goes on where the structure
//! allows it.

use super::diagnostics::{Collector, Place};
use super::interpolate;
use super::node::{Entry, Node, Scalar, Value, child};
use serde_saphyr::granit_parser::{Event, Parser, ScalarStyle, ScanError, Span, StrInput, Tag};
use std::collections::HashMap;

/// The largest file, in bytes; one with ten thousand sources has about a tenth.
pub(super) const FILE_BYTES_MAX: usize = 16 << 20;

/// How deep nodes may nest; the format itself needs 6.
const DEPTH_MAX: usize = 32;

/// Nodes of the tree, copies by alias counted: what stops an alias bomb.
const NODES_MAX: usize = 1_000_000;

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
        Err(Stop::Reported) => None,
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
    Reported,
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
                self.count(place, node.size())?;
                return match self.path.len() + node.depth() > DEPTH_MAX {
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

    /// The core schema's tags say what the format's own types say anyway; `!!str` and `!` make text
    /// of a plain scalar.
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
        self.path.iter().fold(String::new(), |path, part| child(&path, part))
    }

    fn stop<T>(&self, place: Place, what: impl Into<String>, expected: Option<&str>) -> Result<T, Stop> {
        self.diagnostics
            .mistake(place, &self.key(), what, expected.map(str::to_owned));
        Err(Stop::Reported)
    }
}

fn place(span: &Span) -> Place {
    Place {
        line: span.start.line(),
        column: span.start.col() + 1,
    }
}

#[cfg(test)]
#[path = "yaml_tests.rs"]
mod tests;
