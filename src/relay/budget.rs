//! How many descriptors the process may have, and what they are for.

use super::log_dirs::log_dirs;
use crate::config::Config;
use crate::metrics::open_descriptors;
use crate::quotas::Budget;
use std::collections::HashSet;

/// Of a source without parameters whose log is kept: the file that is written, and another one while
/// it begins. Jobs hold theirs only while they write.
const PER_KEPT_LOG: usize = 2;

/// What the process may have open, and what it had open before it served anyone.
#[derive(Debug, Clone, Copy)]
pub(super) struct Descriptors {
    limit: usize,
    /// Without listeners for clients.
    open: usize,
}

impl Descriptors {
    /// Raises the limit on open files as far as it goes. To be called when everything is bound.
    pub(super) fn at_start(config: &Config) -> Self {
        let open = usize::try_from(open_descriptors().unwrap_or_default()).unwrap_or(usize::MAX);
        Self {
            limit: raised_limit(),
            open: open.saturating_sub(config.listen.len()),
        }
    }

    /// Divides the limit as a configuration asks for, and says whether its clients fit.
    pub(super) fn divided_for(self, config: &Config) -> Budget {
        let plain = || config.sources.iter().filter(|source| !source.is_templated());
        let plain_upstreams = plain().map(|source| source.upstreams.len()).sum();
        let kept = plain().filter(|source| source.log.dir.is_some()).count() * PER_KEPT_LOG;
        let locks = log_dirs(config).collect::<HashSet<_>>().len();
        let open = self.open + config.listen.len() + kept + locks;
        let budget = Budget::new(self.limit, open, plain_upstreams);
        say_what_fits(config, &budget);
        budget
    }
}

/// Descriptors that the process may have open, after raising the limit.
pub(super) fn raised_limit() -> usize {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    let wanted = Rlimit {
        current: limit.maximum,
        maximum: limit.maximum,
    };
    if let Err(error) = setrlimit(Resource::Nofile, wanted) {
        tracing::warn!(%error, "the limit on open files can't be raised");
    }
    // No limit at all is said as none.
    let current = getrlimit(Resource::Nofile).current.unwrap_or(u64::from(u32::MAX));
    usize::try_from(current).unwrap_or(usize::MAX)
}

fn say_what_fits(config: &Config, budget: &Budget) {
    let (fit, clients_max, descriptors) = (budget.lasting(), config.limits.clients, budget.limit);
    if fit < clients_max {
        tracing::warn!(
            fit,
            clients_max,
            descriptors,
            "fewer clients fit under the limit on open files than limits.clients allows: raise LimitNOFILE"
        );
    } else {
        tracing::info!(
            fit,
            clients_max,
            descriptors,
            "clients that fit under the limit on open files"
        );
    }
}
