//! Which URL becomes which.
//!
//! A URL that is a source's upstream, or the stream that its feed names, becomes that source's path
//! at the relay's public URL. Any other whose path a source serves keeps its path and query, and
//! gets the relay's scheme and authority. Everything else stays.
//!
//! An origin writes its links with the `Host` that it was asked for, which is the client's: such a
//! URL leads to the relay, so it is taken for the origin's own.

use super::pattern::Pattern;
use crate::config::{Source, Target};
use crate::path::{Template, normalise};
use crate::upstream::{StatusCell, Url};
use hyper::header::HOST;
use std::sync::Arc;

/// Every URL and path that the sources have.
pub(crate) struct Links {
    upstreams: Vec<Upstream>,
    /// The paths that are served, templated ones too.
    served: Vec<Template>,
}

/// Where a source's stream is at its origin, and where at the relay.
struct Upstream {
    path: Pattern,
    stream: Stream,
    /// The `Host` that the operator has us present there.
    host: Option<String>,
}

enum Stream {
    /// At this origin, at this path and query.
    At(Url, Pattern),
    /// Where the feed says; known once it has been read.
    Named(Arc<StatusCell>),
}

/// What a URL is resolved against: the request in whose answer it stands.
#[derive(Debug)]
pub(crate) struct View<'a> {
    /// Scheme and authority of the relay, as the client is to see it.
    pub(crate) public: Url,
    /// The request's URL, as the client sees it.
    pub(crate) request: Url,
    /// The origin that was asked.
    pub(crate) to: &'a Url,
}

impl Links {
    /// What these sources have. `states`: of each source's upstreams, in the order of the
    /// configuration; they know what feeds name.
    pub(crate) fn new<'a>(sources: impl IntoIterator<Item = (&'a Source, Vec<Arc<StatusCell>>)>) -> Self {
        let (mut upstreams, mut served) = (Vec::new(), Vec::new());
        for (source, states) in sources {
            served.extend(source.paths.iter().map(|path| Template::new(path)));
            let Some(path) = source.paths.first().map(|path| Pattern::new(path)) else {
                continue;
            };
            for (index, upstream) in source.upstreams.iter().enumerate() {
                let host = upstream.headers.iter().rfind(|(name, _)| name == HOST);
                let host = host.and_then(|(_, value)| Some(value.to_str().ok()?.to_owned()));
                let at = |stream| Upstream {
                    path: path.clone(),
                    stream,
                    host: host.clone(),
                };
                match &upstream.target {
                    Target::Urls(urls) => upstreams.extend(urls.iter().filter_map(|url| stream_at(url)).map(at)),
                    Target::Feed(_) => upstreams.extend(states.get(index).cloned().map(Stream::Named).map(at)),
                }
            }
        }
        // A URL that fits a template and is named as it stands is meant as it stands.
        upstreams.sort_by_key(|upstream| matches!(&upstream.stream, Stream::At(_, path) if path.is_templated()));
        Self { upstreams, served }
    }

    /// What a URL becomes; `None`: it stays.
    pub(crate) fn rewritten(&self, url: &Url, view: &View<'_>) -> Option<String> {
        let target = url.path_and_query();
        self.path_of(url, target.as_str(), view)
            .or_else(|| self.serves(target.path()).then(|| target.as_str().to_owned()))
            .or_else(|| self.path_by_name(url, target.as_str(), view))
            .map(|path| format!("{}{path}", view.public.origin()))
    }

    /// The path of the source whose upstream this is.
    fn path_of(&self, url: &Url, target: &str, view: &View<'_>) -> Option<String> {
        let field = url.host_field();
        let is_ours = leads_to_us(url, view);
        self.upstreams.iter().find_map(|upstream| {
            upstream.stream.with(|home, pattern| {
                let presented = upstream
                    .host
                    .as_ref()
                    .is_some_and(|host| host.eq_ignore_ascii_case(&field));
                let same = home.same_origin(url) || presented || (is_ours && home.same_origin(view.to));
                same.then(|| upstream.path.filled(&pattern.fits(target)?)).flatten()
            })
        })
    }

    /// The same for an origin that goes by different names with the upstream and with `pass`: the
    /// path has to do. Only for a path that is named in full, and only where the URL leads to this
    /// origin, or to us.
    fn path_by_name(&self, url: &Url, target: &str, view: &View<'_>) -> Option<String> {
        if !leads_to_us(url, view) && !url.same_origin(view.to) {
            return None;
        }
        self.upstreams.iter().find_map(|upstream| {
            upstream.stream.with(|_, pattern| {
                (!pattern.is_templated())
                    .then(|| upstream.path.filled(&pattern.fits(target)?))
                    .flatten()
            })
        })
    }

    /// Whether a source has this path.
    fn serves(&self, path: &str) -> bool {
        let Ok(path) = normalise(path) else { return false };
        let is_served = |served: &Template| matches!(served.fit(&path), Some(Ok(_)));
        self.served.iter().any(is_served)
    }
}

impl Stream {
    /// Looks at the stream's origin and path; `None` also if it is not known yet.
    fn with<T>(&self, look: impl FnOnce(&Url, &Pattern) -> Option<T>) -> Option<T> {
        match self {
            Stream::At(url, path) => look(url, path),
            Stream::Named(state) => {
                let url = state.named()?;
                look(&url, &Pattern::new(url.path_and_query().as_str()))
            }
        }
    }
}

/// The scheme does not count: the origin can't know how the client reached the relay.
fn leads_to_us(url: &Url, view: &View<'_>) -> bool {
    let field = url.host_field();
    field == view.request.host_field() || field == view.public.host_field()
}

/// `None`: a URL to which no request can be made.
fn stream_at(url: &str) -> Option<Stream> {
    let url = Url::parse(url).ok()?;
    let path = Pattern::new(url.path_and_query().as_str());
    Some(Stream::At(url, path))
}

#[cfg(test)]
#[path = "links_tests.rs"]
pub(super) mod tests;
