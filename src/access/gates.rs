//! The gates of a configuration: of its sources, and of the admin.

use super::gate::Gate;
use super::hashing::Hashing;
use crate::config::{Access, Config};
use crate::metrics::Metrics;
use crate::quotas::Grant;
use std::collections::HashMap;
use std::sync::Arc;

/// What the admin's gate is called, in metrics and logs.
const ADMIN: &str = "admin_access";

/// The gates of a configuration, replaced as a whole.
pub struct Gates {
    sources: HashMap<String, Arc<Gate>>,
    admin: Option<Arc<Gate>>,
    hashing: Arc<Hashing>,
}

impl Gates {
    /// Those of a configuration. What is unchanged of those that were in force goes on with what it
    /// knows. To be called within a runtime, where keys are fetched.
    pub fn new(config: &Config, metrics: &Metrics, before: Option<&Gates>) -> Self {
        let hashing = before.map_or_else(|| Arc::new(Hashing::new()), |before| before.hashing.clone());
        let gate = |name: &str, access: &[Access], old: Option<&Arc<Gate>>| match old {
            _ if access.is_empty() => None,
            Some(old) if old.is_of(access) => Some(old.clone()),
            _ => {
                let old = old.map(|old| &**old);
                Some(Arc::new(Gate::new(name, access, old, &hashing, metrics.access(name))))
            }
        };
        let sources = config.sources.iter().filter_map(|source| {
            let old = before.and_then(|before| before.sources.get(&source.name));
            Some((source.name.clone(), gate(&source.name, &source.access, old)?))
        });
        let admin = before.and_then(|before| before.admin.as_ref());
        Self {
            sources: sources.collect(),
            admin: gate(ADMIN, &config.admin_access, admin),
            hashing: hashing.clone(),
        }
    }

    /// Whether anyone may read any source.
    pub fn is_open(&self) -> bool {
        self.sources.is_empty()
    }

    /// The gate before a source; `None`: anyone may read it.
    pub fn of(&self, source: &str) -> Option<&Arc<Gate>> {
        self.sources.get(source)
    }

    /// The gate before the admin's pages.
    pub fn admin(&self) -> Option<&Arc<Gate>> {
        self.admin.as_ref()
    }

    /// Whether a client of a source may stay that came in by this grant, or without one.
    pub fn holds(&self, source: &str, grant: Option<&Grant>) -> bool {
        match (self.of(source), grant) {
            (None, _) => true,
            (Some(gate), Some(grant)) => gate.holds(grant),
            // It came in while anyone might read.
            (Some(_), None) => false,
        }
    }
}
