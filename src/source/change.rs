//! From a source's settings before and after to what has to be done about it.

use crate::config::{Source, Upstream};
use std::collections::HashSet;
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
        if needs_new_channels(before, after) {
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

/// Whether the channels can't go on: they are found by other parameters, number in another way, or
/// merge other streams.
fn needs_new_channels(before: &Source, after: &Source) -> bool {
    let paths = match before.is_templated() || after.is_templated() {
        true => before.paths == after.paths,
        // Clients that have come by a path that is gone are to leave; a further one cuts nobody.
        false => before.paths.iter().all(|path| after.paths.contains(path)),
    };
    !paths || before.ids != after.ids || !merges_the_same(&before.upstreams, &after.upstreams)
}

/// Whether each upstream stands at its place, under its name or another: the id at which it resumes
/// is that of its place. One that changes places would be asked with the id of another.
fn merges_the_same(before: &[Upstream], after: &[Upstream]) -> bool {
    let known: HashSet<&str> = before.iter().map(|upstream| upstream.name.as_str()).collect();
    before.len() == after.len()
        && before
            .iter()
            .zip(after)
            .all(|(before, after)| before.name == after.name || !known.contains(after.name.as_str()))
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
