//! How stories put another configuration in force.

use crate::support::relay::{Setup, TestRelay};
use fanfare::config::{self, Config};
use fanfare::relay::Reloaded;

impl TestRelay {
    /// Puts this in force. What has changed, in the relay's words.
    pub fn reload(&self, setup: &Setup) -> Vec<String> {
        self.reload_to(setup.config())
    }

    /// The same by a whole file.
    pub fn reload_file(&self, yaml: &str) -> Vec<String> {
        self.reload_to(read(yaml))
    }

    fn reload_to(&self, config: Config) -> Vec<String> {
        match self.relay.reloader().apply(config, Vec::new()) {
            Reloaded::Applied { said, not_in_force } => {
                assert_eq!(not_in_force, [""; 0]);
                said
            }
            other => panic!("{other:?}"),
        }
    }

    /// The settings of a source that are in force.
    pub fn settings_of(&self, source: &str) -> std::sync::Arc<config::Source> {
        self.relay.settings(source).unwrap().snapshot()
    }
}

pub fn read(yaml: &str) -> Config {
    match config::read(yaml, "story.yaml", &|_| None) {
        Ok(loaded) => loaded.config,
        Err(mistakes) => panic!("{mistakes}\n{yaml}"),
    }
}
