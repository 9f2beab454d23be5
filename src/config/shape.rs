//! What a key is and what its value looks like: the form of the table that schema, documentation
//! and tests are made of.

use std::time::Duration;

/// One key of a mapping.
#[derive(Debug)]
pub(super) struct Key {
    pub(super) name: &'static str,
    /// A sentence: what it means.
    pub(super) help: String,
    pub(super) shape: Shape,
    /// What holds if it is missing, as it would be written; empty: nothing, or something that can't
    /// be written.
    pub(super) default: &'static str,
}

/// What a value looks like.
#[derive(Debug)]
pub(super) enum Shape {
    /// Text; of the kind of these examples, or any if there are none.
    Text(&'static [&'static str]),
    Url(&'static [&'static str]),
    Flag,
    /// From, to.
    Count(u64, u64),
    /// A part of one: `0.5` or `50%`.
    Ratio,
    Size(u64, u64),
    Duration(Duration, Duration),
    Word(Vec<&'static str>),
    /// A mapping with these keys.
    Section(Vec<Key>),
    /// A mapping with free keys whose values look like this.
    Named(Box<Shape>),
    List(Box<Shape>),
    Either(Vec<Shape>),
    /// Any value.
    Any,
    /// Known, and not supported by this version, but for the words that turn it off.
    Unsupported(&'static [&'static str]),
}
