//! What a client says in its query about the stream that it asks for.

use super::{client_filter, client_start};
use crate::channel::Filter;
use crate::config::Source;
use crate::log::WantedStart;
use hyper::Request;

/// What a client wants, as far as it says so.
pub(super) struct Wanted {
    /// Where its stream is to start.
    pub(super) start: Option<WantedStart>,
    /// What it is to get.
    pub(super) filter: Option<Filter>,
}

impl Wanted {
    /// What a request says; or what of it can't be understood.
    pub(super) fn of<B>(request: &Request<B>, source: &Source) -> Result<Self, String> {
        Ok(Self {
            start: client_start::wanted(request, source).map_err(|bad| bad.to_string())?,
            filter: client_filter::wanted(request, source).map_err(|bad| bad.to_string())?,
        })
    }
}
