//! A server in front of the relay: a process on a port of its own, with a file of `deploy/proxies`.

use crate::support::origin::PATIENCE;
use crate::tools::file;
use std::net::SocketAddr;
use std::path::Path;
use std::time::{Duration, Instant};
use tokio::net::TcpStream;
use tokio::process::{Child, Command};

/// A running proxy; killed when it is dropped.
pub struct Proxy {
    pub address: SocketAddr,
    child: Child,
    dir: tempfile::TempDir,
}

impl Proxy {
    /// Starts the command made of a directory for its files, and waits until it listens at this
    /// address.
    pub async fn start(address: SocketAddr, command: impl FnOnce(&Path) -> Command) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let log = std::fs::File::create(dir.path().join("log")).unwrap();
        let mut command = command(dir.path());
        command
            .current_dir(dir.path())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .kill_on_drop(true);
        let child = command.spawn().unwrap_or_else(|error| panic!("{command:?}: {error}"));
        let mut proxy = Self { address, child, dir };
        let began = Instant::now();
        while TcpStream::connect(address).await.is_err() {
            let ended = proxy.child.try_wait().unwrap();
            assert!(ended.is_none() && began.elapsed() < PATIENCE, "no proxy: {ended:?}");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        proxy
    }
}

impl Drop for Proxy {
    #[allow(clippy::print_stderr, reason = "the test's output, when it fails")]
    fn drop(&mut self) {
        if std::thread::panicking() {
            let log = std::fs::read_to_string(self.dir.path().join("log")).unwrap_or_default();
            eprintln!("the proxy's log:\n{log}");
        }
    }
}

/// A file of `deploy/proxies` with other addresses in it: each of the texts must be there, once.
pub fn configured(name: &str, replaced: &[(&str, &str)]) -> String {
    let mut text = std::fs::read_to_string(file("deploy/proxies").join(name)).unwrap();
    for (from, to) in replaced {
        assert_eq!(text.matches(from).count(), 1, "{from:?} in {name}");
        text = text.replace(from, to);
    }
    text
}
