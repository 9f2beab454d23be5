//! What puts other configurations in force, for who reads them; and says what came of it.

use super::in_force::InForce;
use super::reload::Reloaded;
use crate::config::Config;
use crate::metrics::ReloadOutcome;
use std::sync::{Arc, Weak};

/// What puts other configurations in force while the relay runs. It does not keep the relay.
#[derive(Clone)]
pub struct Reloader(Weak<InForce>);

impl Reloader {
    pub(super) fn new(in_force: &Arc<InForce>) -> Self {
        Self(Arc::downgrade(in_force))
    }

    /// Puts a configuration in force, or nothing of it. Reloads come one after the other; each may
    /// take some milliseconds, in which the calling thread waits.
    ///
    /// `notes`: what the log and `/status` are to say beside what has changed, such as warnings
    /// about the file; no secret.
    pub fn apply(&self, config: Config, notes: Vec<String>) -> Reloaded {
        let Some(in_force) = self.0.upgrade() else {
            return Reloaded::Leaving;
        };
        let reloaded = in_force.apply(config);
        match &reloaded {
            Reloaded::Applied { said, not_in_force } => {
                for line in said {
                    tracing::info!("reloaded: {line}");
                }
                for key in not_in_force {
                    tracing::warn!(key, "not in force before a restart");
                }
                if said.is_empty() {
                    tracing::info!("reloaded: nothing else has changed");
                }
                let lines = said.iter().cloned().chain(notes).collect();
                in_force.record().set_not_in_force(not_in_force.clone());
                in_force.record().add(ReloadOutcome::Applied, lines);
            }
            Reloaded::Unchanged => {
                tracing::info!("reloaded: nothing has changed");
                in_force.record().add(ReloadOutcome::Unchanged, notes);
            }
            Reloaded::Rejected(why) => {
                tracing::error!("not reloaded, what was in force stays: {why}");
                in_force.record().add(ReloadOutcome::Rejected, vec![why.clone()]);
            }
            Reloaded::Leaving => tracing::info!("not reloaded: the process is leaving"),
        }
        reloaded
    }

    /// Says that a configuration could not be read: what was in force stays. `mistakes`: one a
    /// line, without a secret.
    pub fn reject(&self, mistakes: Vec<String>) {
        let Some(in_force) = self.0.upgrade() else { return };
        for mistake in &mistakes {
            tracing::error!("not reloaded: {mistake}");
        }
        in_force.record().add(ReloadOutcome::Rejected, mistakes);
    }

    /// What is in force; `None`: the relay is gone.
    pub fn in_force(&self) -> Option<Arc<Config>> {
        self.0.upgrade().map(|in_force| in_force.config())
    }
}
