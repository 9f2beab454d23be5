//! Where the programs are, and ports for them.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};

/// Below those that the kernel hands out by itself, so that nobody gets one between the look and
/// the use.
const PORTS: std::ops::Range<u16> = 20_000..32_000;

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

/// An address of the loopback that is free, for a program that can't be asked which it took.
pub fn free_address() -> SocketAddr {
    loop {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, fastrand::u16(PORTS)));
        if TcpListener::bind(address).is_ok() {
            return address;
        }
    }
}
