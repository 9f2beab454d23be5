//! From a source's settings before and after to what has to be done about it.

use super::basis::Basis;
use crate::config::{Source, Upstream};
use std::path::Path;

/// What another configuration means for a source that it has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Change {
    /// Nothing.
    Unchanged,
    /// Its settings are looked up when they are needed: they are in force at once.
    Settings,
    /// The upstreams at these places connect anew, and resume. Other settings may be others, too.
    Upstreams(Vec<usize>),
    /// What its channels were made for is no more: it ends, and another begins.
    Replaced,
    /// There was none of this name.
    Added,
}

impl Change {
    /// What becomes of a source. `agree`: whether a file holds what it held before.
    pub(crate) fn of(before: &Source, after: &Source, agree: impl Fn(&Path) -> bool) -> Self {
        if before.log.history != after.log.history || !Basis::of(before).can_go_on_as(&Basis::of(after)) {
            return Self::Replaced;
        }
        // Parsers are made for one connection.
        let all = (before.event_bytes_max, before.comments) != (after.event_bytes_max, after.comments);
        let pairs = before.upstreams.iter().zip(&after.upstreams).enumerate();
        let differ = pairs.filter(|(_, (before, after))| all || before != after || !files(after).all(&agree));
        let upstreams: Vec<usize> = differ.map(|(n, _)| n).collect();
        match before == after {
            _ if !upstreams.is_empty() => Self::Upstreams(upstreams),
            true => Self::Unchanged,
            false => Self::Settings,
        }
    }
}

/// The files that each connection reads anew.
fn files(upstream: &Upstream) -> impl Iterator<Item = &Path> {
    let tls = &upstream.tls;
    [&tls.ca, &tls.cert, &tls.key]
        .into_iter()
        .flatten()
        .map(|path| path.as_path())
}

#[cfg(test)]
#[path = "change_tests.rs"]
mod tests;
