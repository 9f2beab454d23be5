//! What a client says that it wants of a stream: `?event=` and `?match=`.

use super::request;
use crate::channel::{BadFilter, Filter};
use crate::config::Source;
use hyper::Request;

/// What a request says; `None`: nothing, or its source has no filters.
pub(super) fn wanted<B>(request: &Request<B>, source: &Source) -> Result<Option<Filter>, BadFilter> {
    if source.filters == 0 || request.uri().query().is_none() {
        return Ok(None);
    }
    let all = |name| request::parameters(request, name).collect::<Vec<_>>();
    Filter::parse(&all("event"), &all("match"))
}
