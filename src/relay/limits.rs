//! What the configuration bounds, as the metrics show it.

use crate::config::Config;
use crate::metrics::{Limit, ListenerMetrics, Metrics, RefuseReason, memory_bytes};
use crate::quotas::Budget;
use std::path::Path;

/// Says how many there may be of what, and announces the counters of what may be refused.
pub(super) fn announce(config: &Config, budget: &Budget, metrics: &Metrics, listeners: &ListenerMetrics) {
    let (limits, proxies) = (&config.limits, !config.pass.is_empty());
    let has_tls = config.listen.iter().any(|listener| listener.tls.is_some());
    if has_tls {
        listeners.announce_handshakes();
    }
    let is_templated = config.sources.iter().any(|source| source.is_templated());
    let has_channels = is_templated || !config.combine.is_empty();
    metrics.limit(Limit::Clients, limits.clients.min(budget.lasting()));
    metrics.limit(Limit::Descriptors, budget.limit);
    if let Some(bytes) = memory_bytes(Path::new("/")) {
        metrics.limit(Limit::Memory, usize::try_from(bytes).unwrap_or(usize::MAX));
    }
    if has_channels {
        metrics.limit(Limit::Channels, limits.channels);
    }
    listeners.announce(|reason| match reason {
        RefuseReason::ClientsPerIp => limits.clients_per_ip > 0,
        RefuseReason::ClientsPerUser => limits.clients_per_user > 0,
        RefuseReason::Rate => limits.accepts_per_second > 0,
        RefuseReason::ProxiedRequests => proxies,
        RefuseReason::Channels => has_channels,
        RefuseReason::Handshakes => has_tls,
        RefuseReason::Log => config.fleet.is_some(),
        RefuseReason::Origin => proxies || is_templated,
        _ => true,
    });
}
