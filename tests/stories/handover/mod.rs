//! An upgrade by hand-over: the real program, another process of it, and clients that are to notice
//! nothing.

mod clients;
mod combined;
mod command;
mod drained;
mod every_kind;
mod failures;
mod filtered;
mod kept;
mod killed;
mod late;
mod listeners;
mod memory;
mod numbered;
mod overlap;
mod peers;
mod shared;
mod starts;
mod states;
mod upstreams;

use crate::support::origin::{TestOrigin, within};
use crate::support::process::TestProcess;
use crate::support::relay::Setup;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use tokio::process::Command;

/// A configuration, and where the processes that run by it find each other.
pub struct House {
    dir: tempfile::TempDir,
    setup: Setup,
}

impl House {
    /// By this setup.
    pub fn of(setup: Setup) -> Self {
        let private = std::fs::Permissions::from_mode(0o700);
        let dir = tempfile::Builder::new().permissions(private).tempdir().unwrap();
        let socket = dir.path().join("handover.sock");
        let setup = setup.top(&format!("handover: {}\n", socket.display()));
        let house = Self { dir, setup };
        house.write(&house.setup.yaml());
        house
    }

    pub fn over(origin: &TestOrigin) -> Self {
        Self::of(Setup::over(origin))
    }

    pub fn setup(&self) -> Setup {
        self.setup.clone()
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub fn file(&self) -> PathBuf {
        self.path("fanfare.yaml")
    }

    pub fn socket(&self) -> PathBuf {
        self.path("handover.sock")
    }

    /// Replaces the configuration.
    pub fn write(&self, yaml: &str) {
        std::fs::write(self.file(), yaml).unwrap();
    }

    pub async fn start(&self) -> TestProcess {
        TestProcess::start_with(&self.file()).await
    }

    /// A process that has taken over.
    pub async fn take_over(&self) -> TestProcess {
        let process = TestProcess::start_saying(&self.file(), &["--takeover"]).await;
        process.logged("taken over").await;
        process
    }

    /// Runs the program to its end: its exit code, and what it said.
    pub async fn run(&self, arguments: &[&str]) -> (i32, String) {
        run(&self.file(), arguments).await
    }
}

/// Runs the program to its end: its exit code, and what it said.
pub async fn run(file: &Path, arguments: &[&str]) -> (i32, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_fanfare"));
    command.args(arguments).arg("--config").arg(file);
    let output = command.stdin(Stdio::null()).kill_on_drop(true).output();
    let output = within("the program to end", output).await.unwrap();
    let said = [output.stdout, output.stderr].concat();
    (
        output.status.code().unwrap_or(-1),
        String::from_utf8_lossy(&said).into_owned(),
    )
}
