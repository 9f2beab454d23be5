//! From a request's path to the channel that serves it.

use crate::channel::Channel;
use std::collections::HashMap;
use std::sync::Arc;

/// All client paths. (Templated paths will be looked up after the plain ones.)
#[derive(Default)]
pub struct Router {
    plain: HashMap<String, Arc<Channel>>,
}

/// What serves a path.
pub struct Found {
    /// The channel to join.
    pub channel: Arc<Channel>,
}

impl Router {
    /// A router over the given channels, each at all paths of its source.
    pub fn new<'a>(channels: impl IntoIterator<Item = &'a Arc<Channel>>) -> Self {
        let mut plain = HashMap::new();
        for channel in channels {
            for path in &channel.source().paths {
                plain.insert(path.clone(), channel.clone());
            }
        }
        Self { plain }
    }

    /// Who serves a path.
    pub fn find(&self, path: &str) -> Option<Found> {
        self.plain.get(path).map(|channel| Found {
            channel: channel.clone(),
        })
    }
}
