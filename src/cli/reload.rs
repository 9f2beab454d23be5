//! Reading the configuration file again: on SIGHUP, and where `reload: watch` says so, when the
//! file or one that it names holds something else.
//!
//! Looked at is content, about once a second, and no events of the file system: Kubernetes swaps a
//! link to the folder in which a mounted file is, which an event about the file does not tell. A
//! change counts once it has stayed the same for a moment, so a file that is being written is not
//! read; one that is gone for a moment, as editors do it, is no change.

use super::serve::{Configured, ServeArgs};
use crate::config::{Config, Content, Diagnostic, NamedFiles, Reload};
use crate::relay::Reloader;
use crate::service_manager::ServiceManager;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::signal::unix::Signal;
use tokio::time::{MissedTickBehavior, interval};

/// How often files are looked at.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// How long a content has to stay the same before it is read.
const SETTLED_AFTER: Duration = Duration::from_millis(200);
/// How long a file that is gone is waited for when a reload is asked for.
const GONE_MAX: Duration = Duration::from_secs(1);
/// How often it is looked for meanwhile.
const LOOK_FOR_EVERY: Duration = Duration::from_millis(20);

/// The file of a running relay, and what it held as it was read last.
pub struct FileReloads {
    args: ServeArgs,
    /// `None`: the command line says it all, and there is nothing to read again.
    file: Option<PathBuf>,
    /// As it is without a file.
    config: Config,
    /// The log filter that it asked for at the start.
    log: Option<String>,
    read: Contents,
    reloader: Reloader,
    manager: ServiceManager,
}

/// What the file, and those that it names, hold.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Contents {
    own: Content,
    named: NamedFiles,
}

impl FileReloads {
    /// Of a relay that runs with what was read. `own`: what the file held before it was read. `manager`
    /// is told of reloads.
    pub fn new(args: ServeArgs, configured: Configured, reloader: Reloader, manager: ServiceManager) -> Self {
        let Configured { loaded, file, own } = configured;
        Self {
            args,
            file,
            log: loaded.log,
            read: Contents {
                own,
                named: loaded.config.files.clone(),
            },
            config: loaded.config,
            reloader,
            manager,
        }
    }

    /// Reloads whenever it is time to, until the relay is gone.
    pub async fn run(mut self, mut hangup: Signal) {
        let mut looks = interval(LOOK_EVERY);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let is_asked_for = tokio::select! {
                _ = hangup.recv() => true,
                _ = looks.tick() => false,
            };
            let Some(in_force) = self.reloader.in_force() else {
                return;
            };
            if !is_asked_for && in_force.reload == Reload::Signal {
                continue;
            }
            // Files may lie on a disk that is slow, or on a network's.
            let reloading = tokio::task::spawn_blocking(move || {
                match is_asked_for {
                    true => self.reload(),
                    false => self.look(),
                }
                self
            });
            match reloading.await {
                Ok(this) => self = this,
                Err(error) => return tracing::error!(%error, "nothing is reloaded any more"),
            }
        }
    }

    /// Reloads if a file holds something else, and has done so for a moment.
    fn look(&mut self) {
        let Some(file) = self.file.clone() else { return };
        let now = self.contents(&file);
        if !now.own.is_there() || now == self.read {
            return;
        }
        std::thread::sleep(SETTLED_AFTER);
        // Else the next look finds it.
        if self.contents(&file) == now {
            tracing::info!(file = %file.display(), "a file has changed: reloading");
            self.reload();
        }
    }

    fn contents(&self, file: &Path) -> Contents {
        Contents {
            own: Content::of(file),
            named: self.read.named.now(),
        }
    }

    /// Reads the file, and puts it in force if nothing is wrong with it.
    fn reload(&mut self) {
        let _reloading = self.manager.reloading();
        let Some(file) = self.file.clone() else {
            self.reloader.apply(self.config.clone(), Vec::new());
            return;
        };
        let own = wait_for(&file);
        if !own.is_there() {
            let file = file.display();
            return self
                .reloader
                .reject(vec![format!("{file}: can't be read, or is no plain file")]);
        }
        let (read, named) = self.args.read_again(&file);
        self.read = Contents { own, named };
        match read {
            Ok(loaded) => {
                let mut notes: Vec<String> = loaded.warnings.iter().map(Diagnostic::to_string).collect();
                notes.iter().for_each(|warning| tracing::warn!("{warning}"));
                if loaded.log != self.log {
                    tracing::warn!("the log filter of the file is in force after a restart");
                    notes.push("logging.level: in force after a restart".to_owned());
                }
                self.reloader.apply(loaded.config, notes);
            }
            Err(error) => self
                .reloader
                .reject(error.to_string().lines().map(str::to_owned).collect()),
        }
    }
}

/// What a file holds. One that is gone is given a moment: it may be about to be replaced.
fn wait_for(file: &Path) -> Content {
    let mut content = Content::of(file);
    let mut waited = Duration::ZERO;
    while !content.is_there() && waited < GONE_MAX {
        std::thread::sleep(LOOK_FOR_EVERY);
        waited += LOOK_FOR_EVERY;
        content = Content::of(file);
    }
    content
}
