//! The programs of the servers.

use crate::driver::child;
use anyhow::{Context, Result, ensure};
use std::path::PathBuf;

/// Where the programs are, and what they are told beyond the plan.
#[derive(Debug, Clone, Default)]
pub(crate) struct Programs {
    pub(crate) fanfare: Option<PathBuf>,
    pub(crate) naive: Option<PathBuf>,
    pub(crate) nginx: Option<PathBuf>,
    /// The relay's shards and the floor's threads; `None`: one for each core.
    pub(crate) workers: Option<usize>,
    /// More lines for the relay's source, in the configuration's YAML.
    pub(crate) source_yaml: Vec<String>,
}

impl Programs {
    pub(super) fn find(named: &Option<PathBuf>, beside: &str, hint: &str) -> Result<PathBuf> {
        if let Some(path) = named {
            ensure!(path.is_file(), "{} is not there", path.display());
            return Ok(path.clone());
        }
        let own = child::own_program()?;
        let path = own.parent().context("a program in no folder")?.join(beside);
        ensure!(path.is_file(), "{} is not there: {hint}", path.display());
        Ok(path)
    }
}
