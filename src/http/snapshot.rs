//! What a reload can change about how requests are served: swapped as a whole, loaded once per
//! request.

use super::router::Router;
use crate::access::Gates;
use crate::config::{Config, Limits, Network};
use crate::proxy::Proxy;
use std::sync::Arc;

/// The settings of one moment. No part of it is kept beyond the request that it was loaded for.
pub(crate) struct Snapshot {
    pub(crate) router: Router,
    /// `None`: nothing is passed to an origin.
    pub(crate) proxy: Option<Arc<Proxy>>,
    pub(crate) trusted_proxies: Vec<Network>,
    pub(crate) limits: Limits,
    /// Who may read.
    pub(crate) gates: Arc<Gates>,
}

impl Snapshot {
    pub(crate) fn new(config: &Config, router: Router, proxy: Option<Arc<Proxy>>, gates: Arc<Gates>) -> Self {
        Self {
            router,
            proxy,
            trusted_proxies: config.trusted_proxies.clone(),
            limits: config.limits.clone(),
            gates,
        }
    }
}
