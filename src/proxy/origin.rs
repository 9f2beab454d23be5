//! An origin to which requests are proxied: one entry of `pass`.

use super::log_throttle::LogThrottle;
use crate::config::Pass;
use crate::quotas::Quota;
use crate::upstream::Url;
use hyper::header::HeaderName;
use hyper::http::uri::{Authority, Scheme};
use std::sync::Arc;

/// An entry of the configuration, and what is counted for it.
pub(super) struct Origin {
    pub(super) prefix: String,
    pub(super) to: Url,
    pub(super) scheme: Scheme,
    pub(super) authority: Authority,
    pub(super) rewrite_links: bool,
    pub(super) rewrite_headers: Vec<HeaderName>,
    pub(super) body_bytes_max: usize,
    /// Requests that may be with it at one time.
    pub(super) places: Arc<Quota>,
    pub(super) failed: LogThrottle,
    pub(super) streams: LogThrottle,
}

impl Origin {
    /// `known`: entries of an earlier configuration, at which requests may be under way.
    pub(super) fn new(pass: &Pass, known: &[Self]) -> Option<Self> {
        // Checked when the configuration was read.
        let to = Url::parse(&pass.to).ok()?;
        let same = known
            .iter()
            .find(|known| known.prefix == pass.prefix && known.to.same_origin(&to));
        let places = same.map_or_else(|| Arc::new(Quota::new(0)), |same| same.places.clone());
        places.set_max(pass.connections_max);
        Some(Self {
            prefix: pass.prefix.clone(),
            scheme: if to.is_tls() { Scheme::HTTPS } else { Scheme::HTTP },
            authority: to.host_field().parse().ok()?,
            rewrite_links: pass.rewrite_links,
            rewrite_headers: pass.rewrite_headers.clone(),
            body_bytes_max: pass.body_bytes_max,
            places,
            streams: LogThrottle::default(),
            failed: LogThrottle::default(),
            to,
        })
    }

    /// Whether answers of this origin are looked at for URLs to rewrite.
    pub(super) fn rewrites(&self) -> bool {
        self.rewrite_links || !self.rewrite_headers.is_empty()
    }
}
