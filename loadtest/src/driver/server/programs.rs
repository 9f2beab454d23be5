//! The programs of the servers.

use crate::driver::child;
use anyhow::{Context, Result, ensure};
use std::path::{Path, PathBuf};

/// Without it nginx can't publish.
pub(super) const NCHAN_MODULE: &str = "/usr/lib/nginx/modules/ngx_nchan_module.so";

/// Where the programs are, and what they are told beyond the plan.
#[derive(Debug, Clone, Default)]
pub(crate) struct Programs {
    pub(crate) fanfare: Option<PathBuf>,
    pub(crate) before: Option<PathBuf>,
    pub(crate) naive: Option<PathBuf>,
    pub(crate) nginx: Option<PathBuf>,
    /// `None`: the one in `PATH`.
    pub(crate) durable_streams: Option<PathBuf>,
    /// The relay's shards and the floor's threads; `None`: one for each core.
    pub(crate) workers: Option<usize>,
    /// More lines for the relay's source, in the configuration's YAML.
    pub(crate) source_yaml: Vec<String>,
    /// The cores of the server; none: all.
    pub(crate) server_cores: Vec<usize>,
    /// The cores of origin and swarm; none: all.
    pub(crate) load_cores: Vec<usize>,
}

impl Programs {
    /// The same, where the relay is to compress its streams.
    pub(super) fn compressing(&self, compresses: bool) -> Self {
        let mut programs = self.clone();
        programs
            .source_yaml
            .extend(compresses.then(|| "compress: gzip".to_owned()));
        programs
    }

    pub(super) fn fanfare(&self) -> Result<PathBuf> {
        let hint = "build it with `cargo build --release`, or name it with --fanfare";
        find(&self.fanfare, "fanfare", hint)
    }

    pub(super) fn before(&self) -> Result<PathBuf> {
        let named = self
            .before
            .as_ref()
            .context("--before must name the other build of fanfare")?;
        is_there(named, "--before")
    }

    pub(super) fn naive(&self) -> Result<PathBuf> {
        let hint = "build it with `cargo build --release --example naive`, or name it with --naive";
        find(&self.naive, "examples/naive", hint)
    }

    pub(super) fn nginx(&self) -> Result<PathBuf> {
        let program = self.nginx.as_deref().unwrap_or(Path::new("/usr/sbin/nginx"));
        is_there(program, "apt-get install nginx")
    }

    pub(super) fn durable_streams(&self) -> Result<PathBuf> {
        const PROGRAM: &str = "durable-streams-server";
        let hint = "cargo install durable-streams, or name it with --durable-streams";
        if let Some(named) = &self.durable_streams {
            return is_there(named, hint);
        }
        let path = std::env::var_os("PATH").unwrap_or_default();
        let found = std::env::split_paths(&path)
            .map(|folder| folder.join(PROGRAM))
            .find(|file| file.is_file());
        found.with_context(|| format!("{PROGRAM} is not there: {hint}"))
    }

    /// Pushpin, and zurl, which it asks its origin by.
    pub(super) fn pushpin(&self) -> Result<(PathBuf, PathBuf)> {
        let hint = "apt-get install pushpin zurl";
        let there = |program| is_there(Path::new(program), hint);
        Ok((there("/usr/bin/pushpin")?, there("/usr/bin/zurl")?))
    }

    /// nginx, if it can publish.
    pub(super) fn nchan(&self) -> Result<PathBuf> {
        is_there(Path::new(NCHAN_MODULE), "apt-get install nginx libnginx-mod-nchan")?;
        self.nginx()
    }
}

/// The program that a shell's command begins with, if it is anywhere: the rest only the shell
/// understands.
pub(super) fn command(command: &str) -> Result<()> {
    let assigns = |word: &&str| word.split_once('=').is_some_and(|(name, _)| !name.contains('/'));
    let Some(program) = command.split_whitespace().find(|word| !assigns(word)) else {
        anyhow::bail!("a command without a program");
    };
    let found = std::process::Command::new("/bin/sh")
        .args(["-c", "command -v -- \"$1\"", "sh", program])
        .output()
        .context("no shell")?;
    ensure!(found.status.success(), "{program} is not there: name a program that is");
    Ok(())
}

/// The program that was named, else the one beside this program.
fn find(named: &Option<PathBuf>, beside: &str, hint: &str) -> Result<PathBuf> {
    if let Some(path) = named {
        return is_there(path, "name a file that is");
    }
    let own = child::own_program()?;
    is_there(&own.parent().context("a program in no folder")?.join(beside), hint)
}

fn is_there(path: &Path, hint: &str) -> Result<PathBuf> {
    ensure!(path.is_file(), "{} is not there: {hint}", path.display());
    Ok(path.to_owned())
}
