//! A directory in which logs are kept: one process at a time, any number of its sources.
//!
//! ```text
//! lock                        held by the process, and its number
//! format                      which format this is
//! sources/NAME/stream/        the channel of a source without parameters
//! sources/NAME/HASH-TIME/     one of a source with parameters, and when it was opened
//! ```

use super::directory_error::DirectoryError;
use super::disk::{Disk, SystemDisk};
use super::names;
use super::thread;
use super::work::Work;
use crate::critical::CriticalTasks;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{SystemTime, UNIX_EPOCH};

const LOCK: &str = "lock";
const FORMAT: &str = "format";
const SOURCES: &str = "sources";
/// What `format` says.
const FORMAT_TEXT: &str = "fanfare log 1\n";

/// A directory that this process has locked. Dropping it ends its thread and lets others in.
pub(crate) struct Directory {
    root: PathBuf,
    disk: Arc<dyn Disk>,
    work: Arc<Work>,
    thread: Mutex<Option<JoinHandle<()>>>,
    /// Held after the thread has ended.
    _lock: File,
}

impl Directory {
    /// Makes the directory if it is not there, locks it, and sets aside what is of another format.
    pub(super) fn open(root: &Path, critical: &CriticalTasks) -> Result<Arc<Self>, DirectoryError> {
        let failed = |error| DirectoryError::Io {
            path: root.to_owned(),
            error,
        };
        SystemDisk.create_dir(root).map_err(failed)?;
        let lock = lock(root)?;
        prepare(root).map_err(failed)?;
        let work = Arc::<Work>::default();
        let thread = thread::start(work.clone(), critical.clone()).map_err(failed)?;
        Ok(Arc::new(Self {
            root: root.to_owned(),
            disk: Arc::new(SystemDisk),
            work,
            thread: Mutex::new(Some(thread)),
            _lock: lock,
        }))
    }

    /// Where it is.
    pub(crate) fn path(&self) -> &Path {
        &self.root
    }

    pub(super) fn disk(&self) -> &Arc<dyn Disk> {
        &self.disk
    }

    pub(super) fn work(&self) -> &Arc<Work> {
        &self.work
    }

    /// The folder of a source.
    pub(super) fn of_source(&self, name: &str) -> PathBuf {
        self.root.join(SOURCES).join(names::of_source(name))
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        self.work.end();
        let thread = self.thread.get_mut().unwrap_or_else(PoisonError::into_inner);
        // If it has panicked, that has been said.
        let _ = thread.take().map(JoinHandle::join);
    }
}

/// Takes the lock, and leaves the process's number for whoever finds it taken.
fn lock(root: &Path) -> Result<File, DirectoryError> {
    let failed = |error| DirectoryError::Io {
        path: root.to_owned(),
        error,
    };
    let path = root.join(LOCK);
    let mut options = OpenOptions::new();
    let mut file = options
        .create(true)
        .write(true)
        .truncate(false)
        .open(&path)
        .map_err(failed)?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            let holder = fs::read_to_string(&path).unwrap_or_default();
            return Err(DirectoryError::InUse {
                path: root.to_owned(),
                holder: holder.trim().parse().ok(),
            });
        }
        Err(TryLockError::Error(error)) => return Err(failed(error)),
    }
    file.set_len(0).map_err(failed)?;
    writeln!(file, "{}", std::process::id()).map_err(failed)?;
    Ok(file)
}

/// Makes what has to be there.
fn prepare(root: &Path) -> io::Result<()> {
    let (format, sources) = (root.join(FORMAT), root.join(SOURCES));
    let found = match fs::read_to_string(&format) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        // What is no text is no format of ours either.
        Err(error) if error.kind() == io::ErrorKind::InvalidData => Some(String::new()),
        found => Some(found?),
    };
    if found.as_deref() != Some(FORMAT_TEXT) && (found.is_some() || sources.exists()) {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let suffix = format!(".set-aside-{}", since.as_millis());
        for path in [&format, &sources].into_iter().filter(|path| path.exists()) {
            let mut aside = path.as_os_str().to_owned();
            aside.push(&suffix);
            fs::rename(path, &aside)?;
        }
        tracing::warn!(
            dir = %root.display(), suffix,
            "the directory holds logs in a format that this version does not read: they are set aside, and new ones are begun"
        );
    }
    SystemDisk.create_dir(&sources)?;
    // Last: without it what is there counts as another format.
    fs::write(&format, FORMAT_TEXT)?;
    File::open(&format)?.sync_all()?;
    SystemDisk.sync_dir(root)
}
