//! Where the programs are.

use std::path::{Path, PathBuf};

/// A program that `scripts/setup` installs.
pub fn program(name: &str) -> PathBuf {
    let path = std::env::var_os("PATH").unwrap_or_default();
    // Debian's servers are there, and only root's PATH is.
    let system = [PathBuf::from("/usr/sbin"), PathBuf::from("/sbin")];
    let found = std::env::split_paths(&path)
        .chain(system)
        .map(|dir| dir.join(name))
        .find(|file| file.is_file());
    found.unwrap_or_else(|| panic!("{name} is not installed: run scripts/setup"))
}

/// A file of this repository.
pub fn file(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// A file that `scripts/setup` puts into the work tree.
pub fn installed(path: &str) -> PathBuf {
    let file = file(path);
    assert!(file.exists(), "{path} is not there: run scripts/setup");
    file
}
