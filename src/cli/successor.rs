//! Starting the process that takes over: the program at the path by which this one was started,
//! which may be another build by now, with the same arguments and `--takeover`.

use crate::relay::Upgrader;
use crate::service_manager::ServiceManager;
use std::env;
use std::ffi::{OsStr, OsString};
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use tokio::signal::unix::Signal;

const TAKEOVER: &str = "--takeover";

/// What this process was told about its own service manager, and is not true of another process:
/// `WATCHDOG_PID` names the process that is to send signs of life, the others which descriptors it
/// was given.
const OF_THIS_PROCESS: [&str; 4] = ["WATCHDOG_PID", "LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES"];

/// How this process was started.
#[derive(Debug, Clone)]
pub struct Program {
    path: PathBuf,
    arguments: Vec<OsString>,
}

impl Program {
    /// As it was. To be called at the start: `/proc/self/exe` names a file that is gone once the
    /// program has been replaced, and a link is followed anew.
    pub fn of_this_process() -> io::Result<Self> {
        let mut arguments = env::args_os();
        let name = arguments.next().unwrap_or_default();
        let found = found(&name, env::var_os("PATH").as_deref());
        Ok(Self {
            path: found.map_or_else(env::current_exe, Ok)?,
            arguments: arguments.filter(|argument| argument != TAKEOVER).collect(),
        })
    }

    fn start(&self) -> io::Result<Child> {
        let mut command = Command::new(&self.path);
        command.args(&self.arguments).arg(TAKEOVER);
        for variable in OF_THIS_PROCESS {
            command.env_remove(variable);
        }
        command.spawn()
    }
}

/// The file that a shell starts by this name.
fn found(name: &OsStr, search: Option<&OsStr>) -> Option<PathBuf> {
    let named = Path::new(name);
    if named.components().count() > 1 || named.is_absolute() {
        return std::path::absolute(named).ok().filter(|path| path.is_file());
    }
    let folders = env::split_paths(search?).map(|folder| folder.join(named));
    let mut files = folders.filter_map(|path| std::path::absolute(path).ok());
    files.find(|path| path.is_file())
}

/// The upgrades of a running relay that SIGUSR2 asks for.
pub struct Upgrades {
    program: Program,
    upgrader: Upgrader,
    manager: ServiceManager,
}

impl Upgrades {
    /// Of a relay in a process that was started in this way, and of which `manager` is told.
    pub fn new(program: Program, upgrader: Upgrader, manager: ServiceManager) -> Self {
        Self {
            program,
            upgrader,
            manager,
        }
    }

    /// Starts a process that takes over whenever a signal asks for it, one at a time; until another
    /// process has taken over.
    pub async fn run(self, mut signal: Signal) {
        while signal.recv().await.is_some() && !self.upgrader.is_over() {
            if self.upgrader.socket().is_none() {
                self.upgrader
                    .failed("the configuration in force has no `handover`".to_owned());
                continue;
            }
            let failures = self.upgrader.failures();
            let path = self.program.path.display();
            match self.program.start() {
                Err(error) => self.upgrader.failed(format!("{path} can't be started: {error}")),
                Ok(child) => {
                    // If it takes over, it is the one that says that the service is ready again.
                    let _reloading = self.manager.reloading();
                    tracing::info!(%path, process = child.id(), "starting the process that takes over");
                    self.until_ended(child, failures).await;
                }
            }
        }
    }

    /// Waits for the end of the new process. If it took over, this process ends before.
    async fn until_ended(&self, mut child: Child, failures: u64) {
        let ended = tokio::task::spawn_blocking(move || child.wait()).await;
        let ended = match ended {
            Ok(Ok(status)) => status.to_string(),
            Ok(Err(error)) => error.to_string(),
            Err(error) => error.to_string(),
        };
        // Where the hand-over itself failed, that was said.
        if !self.upgrader.is_over() && self.upgrader.failures() == failures {
            self.upgrader
                .failed(format!("the new process has ended before it took over: {ended}"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_program_is_found_as_the_shell_finds_it() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("fanfare");
        std::fs::write(&file, "").expect("written");
        let search = env::join_paths([Path::new("/nowhere"), folder.path()]).expect("paths");
        assert_eq!(found("fanfare".as_ref(), Some(&search)), Some(file.clone()));
        assert_eq!(found("fanfare".as_ref(), None), None);
        assert_eq!(found(file.as_os_str(), None), Some(file.clone()));
        assert_eq!(found("./nothing".as_ref(), Some(&search)), None);
        // A link is kept: it may lead elsewhere after the upgrade.
        let link = folder.path().join("link");
        std::os::unix::fs::symlink(&file, &link).expect("a link");
        assert_eq!(found(link.as_os_str(), None), Some(link));
    }
}
