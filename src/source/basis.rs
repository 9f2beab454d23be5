//! What a source's channels are made for: while that stays, they go on, in this process or in its
//! successor.

use crate::config::{Ids, Source};
use serde::{Deserialize, Serialize};
use std::collections::HashSet;

/// What the channels of a source are made for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Basis {
    name: String,
    paths: Vec<String>,
    is_templated: bool,
    ids: Ids,
    is_shared: bool,
    upstreams: Vec<String>,
}

impl Basis {
    /// That of a configured source.
    pub(crate) fn of(source: &Source) -> Self {
        Self {
            name: source.name.clone(),
            paths: source.paths.clone(),
            is_templated: source.is_templated(),
            ids: source.ids,
            is_shared: source.fleet,
            upstreams: source.upstreams.iter().map(|upstream| upstream.name.clone()).collect(),
        }
    }

    /// The source's name.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Whether the channels go on in a process, or under a configuration, that has the source like this.
    pub(super) fn goes_on_as(&self, after: &Self) -> bool {
        self.name == after.name && self.can_go_on_as(after)
    }

    /// Whether channels go on where this has been replaced by `after`: they are found by the same
    /// parameters, number in the same way, and merge the same streams.
    pub(super) fn can_go_on_as(&self, after: &Self) -> bool {
        let paths = match self.is_templated || after.is_templated {
            true => self.paths == after.paths,
            // Clients that have come by a path that is gone are to leave; a further one cuts nobody.
            false => self.paths.iter().all(|path| after.paths.contains(path)),
        };
        let numbers_alike = self.ids == after.ids && self.is_shared == after.is_shared;
        paths && numbers_alike && self.merges_the_same(after)
    }

    /// Whether each upstream stands at its place, under its name or another: the id at which it
    /// resumes is that of its place. One that changes places would be asked with the id of another.
    fn merges_the_same(&self, after: &Self) -> bool {
        let known: HashSet<&String> = self.upstreams.iter().collect();
        self.upstreams.len() == after.upstreams.len()
            && self
                .upstreams
                .iter()
                .zip(&after.upstreams)
                .all(|(before, after)| before == after || !known.contains(after))
    }
}
