//! From a request's path to what serves it.

use crate::channel::{BadParameter, Channel, Parameters, normal_path};
use crate::config::Source;
use crate::source::Templated;
use std::collections::HashMap;
use std::sync::Arc;

/// All client paths.
#[derive(Default)]
pub struct Router {
    plain: HashMap<String, Arc<Channel>>,
    templated: Vec<Arc<Templated>>,
}

/// A source, as a router takes it.
pub enum Place {
    /// Its one channel, at all its paths.
    Plain(Arc<Channel>),
    /// Its channels, one per set of parameters.
    Templated(Arc<Templated>),
}

/// What serves a path.
#[derive(Clone)]
pub(crate) enum Found {
    /// This channel.
    Plain(Arc<Channel>),
    /// The channel with these parameters, which may have to be opened.
    Templated(Arc<Templated>, Result<Parameters, BadParameter>),
}

impl Router {
    /// A router over the given sources.
    pub fn new(places: impl IntoIterator<Item = Place>) -> Self {
        let mut router = Self::default();
        for place in places {
            match place {
                Place::Plain(channel) => {
                    for path in &channel.source().paths {
                        router.plain.insert(normal_path(path).into_owned(), channel.clone());
                    }
                }
                Place::Templated(templated) => router.templated.push(templated),
            }
        }
        router
    }

    /// Who serves a path. A path without parameters goes before one with them.
    pub(crate) fn find(&self, path: &str) -> Option<Found> {
        let path = normal_path(path);
        if let Some(channel) = self.plain.get(&*path) {
            return Some(Found::Plain(channel.clone()));
        }
        self.templated.iter().find_map(|templated| {
            let parameters = templated.fit(&path)?;
            Some(Found::Templated(templated.clone(), parameters))
        })
    }
}

impl Found {
    pub(crate) fn source(&self) -> &Arc<Source> {
        match self {
            Found::Plain(channel) => channel.source(),
            Found::Templated(templated, _) => templated.source(),
        }
    }

    /// The channel, if it is open.
    pub(crate) fn channel(&self) -> Option<Arc<Channel>> {
        match self {
            Found::Plain(channel) => Some(channel.clone()),
            Found::Templated(templated, Ok(parameters)) => templated.find(parameters),
            Found::Templated(_, Err(_)) => None,
        }
    }
}
