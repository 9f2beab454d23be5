//! From a request's path to what serves it.

use crate::channel::Channel;
use crate::config::Source;
use crate::path::{self, BadParameter, BadPath, Parameters};
use crate::proxy::Proxy;
use crate::source::{Combined, Picked, Templated, UnknownSource};
use std::collections::HashMap;
use std::sync::Arc;

/// All client paths.
#[derive(Default)]
pub struct Router {
    plain: HashMap<String, Arc<Channel>>,
    templated: Vec<Arc<Templated>>,
    combined: HashMap<String, Arc<Combined>>,
}

/// A source, as a router takes it.
pub enum RoutedSource {
    /// Its one channel, at all its paths.
    Plain(Arc<Channel>),
    /// Its channels, one per set of parameters.
    Templated(Arc<Templated>),
}

/// What serves a path.
#[derive(Clone)]
pub(crate) enum SourceMatch {
    /// This channel.
    Plain(Arc<Channel>),
    /// The channel with these parameters, which may have to be opened.
    Templated(Arc<Templated>, Result<Parameters, BadParameter>),
    /// Those of the sources of a combined path that are asked for, as one; all, until that is known.
    Combined(Arc<Combined>, Option<Result<Picked, UnknownSource>>),
}

/// What a request's path leads to.
pub(crate) enum Route<'a> {
    /// A source.
    Source(SourceMatch),
    /// The proxy's entry at this place.
    Proxy(&'a Arc<Proxy>, usize),
    Nothing,
}

/// What one reading of a path leads to.
#[derive(PartialEq)]
enum Match {
    Source,
    Entry(usize),
    Nothing,
}

impl Router {
    /// A router over the given sources.
    pub fn new(sources: impl IntoIterator<Item = RoutedSource>) -> Self {
        let mut router = Self::default();
        for source in sources {
            match source {
                RoutedSource::Plain(channel) => {
                    for path in &channel.settings().snapshot().paths {
                        // Checked when the configuration was read.
                        let path = path::normalise(path).map_or_else(|_| path.clone(), Into::into);
                        router.plain.insert(path, channel.clone());
                    }
                }
                RoutedSource::Templated(templated) => router.templated.push(templated),
            }
        }
        router
    }

    /// The same with combined paths.
    #[must_use]
    pub(crate) fn with_combined<'a>(mut self, combined: impl IntoIterator<Item = &'a Arc<Combined>>) -> Self {
        for combined in combined {
            let path = path::normalise(combined.path());
            let path = path.map_or_else(|_| combined.path().to_owned(), Into::into);
            self.combined.insert(path, combined.clone());
        }
        self
    }

    /// What a request's path leads to. A source's path is the source's in every spelling; what a
    /// proxy passes on must lead to the same entry, and to no source, however its origin reads it.
    pub(crate) fn route<'a>(&self, path: &str, proxy: Option<&'a Arc<Proxy>>) -> Result<Route<'a>, BadPath> {
        if let Some(found) = self.source(&path::normalise(path)?) {
            return Ok(Route::Source(found));
        }
        path::one_meaning(path, |path| match self.source(path) {
            Some(_) => Match::Source,
            None => proxy
                .and_then(|proxy| proxy.find(path))
                .map_or(Match::Nothing, Match::Entry),
        })
        .map(|matched| match (matched, proxy) {
            (Match::Entry(at), Some(proxy)) => Route::Proxy(proxy, at),
            _ => Route::Nothing,
        })
    }

    /// What serves a path, which is in its normal form. A path without parameters goes before one
    /// with them.
    fn source(&self, path: &str) -> Option<SourceMatch> {
        if let Some(channel) = self.plain.get(path) {
            return Some(SourceMatch::Plain(channel.clone()));
        }
        if let Some(combined) = self.combined.get(path) {
            return Some(SourceMatch::Combined(combined.clone(), None));
        }
        self.templated.iter().find_map(|templated| {
            let parameters = templated.fit(path)?;
            Some(SourceMatch::Templated(templated.clone(), parameters))
        })
    }
}

impl SourceMatch {
    pub(crate) fn source(&self) -> Arc<Source> {
        match self {
            SourceMatch::Plain(channel) => channel.settings().snapshot(),
            SourceMatch::Templated(templated, _) => templated.settings().snapshot(),
            SourceMatch::Combined(combined, _) => combined.settings().snapshot(),
        }
    }

    /// The same where it is known which sources a request asks for, by their names.
    pub(crate) fn picking(self, names: impl Iterator<Item = Vec<u8>>) -> Self {
        match self {
            Self::Combined(combined, _) => {
                let picked = combined.pick(names);
                Self::Combined(combined, Some(picked))
            }
            plain => plain,
        }
    }

    /// The names of the sources that are read: who may read is asked for each of them.
    pub(crate) fn names(&self) -> Vec<String> {
        match self {
            Self::Plain(_) | Self::Templated(..) => vec![self.source().name.clone()],
            Self::Combined(combined, Some(Ok(picked))) => combined.names(picked).map(str::to_owned).collect(),
            Self::Combined(combined, _) => combined.all_names().map(str::to_owned).collect(),
        }
    }

    /// The channel, if it is open.
    pub(crate) fn channel(&self) -> Option<Arc<Channel>> {
        match self {
            SourceMatch::Plain(channel) => Some(channel.clone()),
            SourceMatch::Templated(templated, Ok(parameters)) => templated.find(parameters),
            SourceMatch::Combined(combined, Some(Ok(picked))) => combined.find(picked),
            SourceMatch::Templated(_, Err(_)) | SourceMatch::Combined(..) => None,
        }
    }
}
