//! Where logs are kept.

use crate::config::Config;
use std::path::Path;

/// The directories that a configuration names.
pub(super) fn log_dirs(config: &Config) -> impl Iterator<Item = &Path> {
    config.sources.iter().filter_map(|source| source.log.dir.as_deref())
}
