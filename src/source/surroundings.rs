//! What a source at work needs of the process around it.

use crate::critical::CriticalTasks;
use crate::fleet::Fleet;
use crate::kept::Directories;
use crate::metrics::Metrics;
use crate::quotas::Quotas;
use std::sync::Arc;
use tokio::runtime::Handle;

/// What a source at work needs of the process around it.
pub(super) struct Surroundings {
    pub(super) metrics: Arc<Metrics>,
    pub(super) quotas: Arc<Quotas>,
    pub(super) critical: CriticalTasks,
    /// Where upstreams run.
    pub(super) upstreams: Handle,
    /// Where logs may be kept.
    pub(super) directories: Arc<Directories>,
    /// The engine of shared logs, if there is one.
    pub(super) fleet: Option<Arc<Fleet>>,
}
