//! What requests are led to, made of the live sources.

use crate::http::{RoutedSource, Router};
use crate::proxy::Links;
use crate::source::{LiveSource, Registry};

/// The router over what is live.
pub(super) fn router(registry: &Registry) -> Router {
    let router = Router::new(registry.list().iter().map(|live| routed(live)));
    router.with_combined(registry.combined().iter())
}

/// A live source, as the router takes it.
fn routed(live: &LiveSource) -> RoutedSource {
    match live {
        LiveSource::Plain(plain) => RoutedSource::Plain(plain.channel.clone()),
        LiveSource::Templated(templated) => RoutedSource::Templated(templated.shared().clone()),
    }
}

/// Which URLs belong to the live sources.
pub(super) fn links(registry: &Registry) -> Links {
    let list = registry.list();
    let settings: Vec<_> = list.iter().map(|live| live.settings().snapshot()).collect();
    let sources = settings.iter().map(|source| &**source);
    Links::new(sources.zip(list.iter().map(|live| live.statuses())))
}
