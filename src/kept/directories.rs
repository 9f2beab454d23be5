//! The directories that a configuration names.

use super::directory::Directory;
use super::directory_error::DirectoryError;
use crate::critical::CriticalTasks;
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The directories that are in use, each locked for this process.
pub struct Directories {
    open: Mutex<HashMap<PathBuf, Arc<Directory>>>,
    critical: CriticalTasks,
}

impl Directories {
    /// None.
    pub(crate) fn new(critical: CriticalTasks) -> Self {
        Self {
            open: Mutex::default(),
            critical,
        }
    }

    fn open(&self) -> MutexGuard<'_, HashMap<PathBuf, Arc<Directory>>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Opens those of these that are not open. All of them, or none.
    pub(crate) fn add<'a>(&self, paths: impl Iterator<Item = &'a Path>) -> Result<(), DirectoryError> {
        let mut open = self.open();
        let mut added = HashMap::new();
        for path in paths {
            if !open.contains_key(path) && !added.contains_key(path) {
                added.insert(
                    path.to_owned(),
                    self.directory(path, open.values().chain(added.values()))?,
                );
            }
        }
        open.extend(added);
        Ok(())
    }

    /// One path may lead to a directory that is open by another.
    fn directory<'a>(
        &self,
        path: &Path,
        mut known: impl Iterator<Item = &'a Arc<Directory>>,
    ) -> Result<Arc<Directory>, DirectoryError> {
        let real = |path: &Path| std::fs::canonicalize(path).ok();
        let same = real(path).and_then(|path| known.find(|known| real(known.path()).as_ref() == Some(&path)));
        match same {
            Some(same) => Ok(same.clone()),
            None => Directory::open(path, &self.critical),
        }
    }

    /// The directory at this path, which has been added.
    pub(crate) fn get(&self, path: &Path) -> Option<Arc<Directory>> {
        self.open().get(path).cloned()
    }

    /// Lets go of those that are not among these, as soon as nothing is written there any more.
    pub(crate) fn retain<'a>(&self, paths: impl Iterator<Item = &'a Path>) {
        let wanted: Vec<&Path> = paths.collect();
        let mut open = self.open();
        let gone: Vec<_> = open.extract_if(|path, _| !wanted.contains(&path.as_path())).collect();
        drop(open);
        // Outside of the lock: it waits for a thread.
        drop(gone);
    }
}
