//! The files that a configuration names, and what they held as it was read: a file whose content is
//! another by now belongs to another configuration.
//!
//! Whatever reads a path by `files::file_path` is in the list, and so are the files of keys that
//! come later. Content is told apart by its hash, and no content is kept: some of it is secret.

use std::collections::BTreeMap;
use std::collections::hash_map::DefaultHasher;
use std::fs::File;
use std::hash::Hasher as _;
use std::io::Read as _;
use std::path::{Path, PathBuf};

/// More of a file is not looked at: certificates, keys and lists of users are smaller, and a
/// configuration that is larger is refused.
const LOOKED_AT_MAX: u64 = 16 << 20;

/// What a file holds, for a comparison; by default, what one holds that can't be read.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Content(Option<u64>);

/// Files by their paths, each with what it held.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NamedFiles(BTreeMap<PathBuf, Content>);

impl Content {
    /// What a file holds now. What can't be read, or is no plain file (a pipe gives its content
    /// once), is always the same.
    pub fn of(path: &Path) -> Self {
        // Metadata first: opening a pipe would wait for its writer.
        let is_file = std::fs::metadata(path).is_ok_and(|metadata| metadata.is_file());
        Self(is_file.then(|| hash(path).ok()).flatten())
    }

    /// Whether there is a file that can be read.
    pub fn is_there(self) -> bool {
        self.0.is_some()
    }
}

fn hash(path: &Path) -> std::io::Result<u64> {
    let mut bytes = Vec::new();
    File::open(path)?.take(LOOKED_AT_MAX).read_to_end(&mut bytes)?;
    let mut hasher = DefaultHasher::new();
    hasher.write(&bytes);
    Ok(hasher.finish())
}

impl NamedFiles {
    /// Adds a file with what it holds now. To be called before its content is used: what changes in
    /// between is then seen as a change.
    pub(super) fn add(&mut self, path: &Path) {
        self.0.insert(path.to_owned(), Content::of(path));
    }

    /// The paths, in their order.
    pub fn paths(&self) -> impl Iterator<Item = &Path> {
        self.0.keys().map(PathBuf::as_path)
    }

    /// The same files with what they hold now.
    #[must_use]
    pub fn now(&self) -> Self {
        let now = |path: &PathBuf| (path.clone(), Content::of(path));
        Self(self.0.keys().map(now).collect())
    }

    /// Whether a file held the same in both; one that neither names did.
    pub fn agree_on(&self, other: &Self, path: &Path) -> bool {
        self.0.get(path) == other.0.get(path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn content_counts_and_nothing_else() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("a");
        let gone = Content::of(&path);
        assert!(!gone.is_there());
        std::fs::write(&path, "one").expect("written");
        let mut files = NamedFiles::default();
        files.add(&path);
        assert_ne!(Content::of(&path), gone);
        std::fs::rename(&path, folder.path().join("b")).expect("renamed");
        std::os::unix::fs::symlink(folder.path().join("b"), &path).expect("linked");
        assert_eq!(files, files.now(), "another file, the same content");
        std::fs::write(&path, "two").expect("written");
        assert_ne!(files, files.now());
        assert!(!files.agree_on(&files.now(), &path));
        assert!(files.agree_on(&files.now(), Path::new("/elsewhere")));
        assert_eq!(files.paths().collect::<Vec<_>>(), [path.as_path()]);
    }

    #[test]
    fn what_is_no_plain_file_never_changes_and_is_not_waited_for() {
        assert_eq!(Content::of(Path::new("/dev/zero")), Content::of(Path::new("/nowhere")));
    }
}
