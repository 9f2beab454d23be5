//! nats-servers of a story's own.

use crate::support::origin::PATIENCE;
use crate::support::ports::free_address;
use rustix::process::{Pid, Signal, kill_process};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// What the servers' configuration may name; see deploy/fleet/accounts.conf.
pub const PASSWORDS: [(&str, &str); 3] = [
    ("RELAY_PASSWORD", "hunter-of-relays"),
    ("MAKER_PASSWORD", "hunter-of-makers"),
    ("FIRST_PASSWORD", "hunter-of-first-ones"),
];

/// Which server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Version {
    /// Debian's, the oldest that is supported.
    V2_9,
    /// The newest.
    V2_15,
}

impl Version {
    fn program(self) -> PathBuf {
        let program = match self {
            Self::V2_9 => PathBuf::from("/usr/sbin/nats-server"),
            Self::V2_15 => Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fleet/python/.venv/bin/nats-server"),
        };
        assert!(
            program.exists(),
            "{} is missing: scripts/setup installs it",
            program.display()
        );
        program
    }
}

/// One server, or three that are one engine. Dropping it kills them.
pub struct Nats {
    version: Version,
    servers: Vec<Server>,
    dir: tempfile::TempDir,
}

struct Server {
    address: SocketAddr,
    route: SocketAddr,
    process: Option<Child>,
}

impl Nats {
    pub async fn start(version: Version, servers: usize) -> Self {
        Self::start_with(version, servers, "").await
    }

    /// With more in its configuration.
    pub async fn start_with(version: Version, servers: usize, more: &str) -> Self {
        let server = |_| Server {
            address: free_address(),
            route: free_address(),
            process: None,
        };
        let mut nats = Self {
            version,
            servers: (0..servers).map(server).collect(),
            dir: tempfile::tempdir().unwrap(),
        };
        for n in 0..servers {
            nats.write_config(n, more);
            nats.run(n).await;
        }
        nats
    }

    /// Writes a server's configuration anew; it holds once the server starts again, or reloads it.
    pub fn write_config(&self, n: usize, more: &str) {
        let Server { address, route, .. } = &self.servers[n];
        let routes: Vec<String> = self
            .servers
            .iter()
            .map(|server| format!("nats://{}", server.route))
            .collect();
        let cluster = match self.servers.len() {
            1 => String::new(),
            _ => format!("cluster {{ name: c, no_advertise: true, listen: \"{route}\", routes: {routes:?} }}\n"),
        };
        let store = self.dir.path().join(format!("store-{n}"));
        let config = format!(
            "server_name: n{n}\nlisten: \"{address}\"\njetstream {{ store_dir: \"{}\" }}\n{cluster}{more}\n",
            store.display()
        );
        std::fs::write(self.config(n), config).unwrap();
    }

    fn config(&self, n: usize) -> PathBuf {
        self.dir.path().join(format!("nats-{n}.conf"))
    }

    /// Starts a server, again if it was there.
    pub async fn run(&mut self, n: usize) {
        let log = std::fs::File::create(self.dir.path().join(format!("log-{n}"))).unwrap();
        let process = Command::new(self.version.program())
            .arg("-c")
            .arg(self.config(n))
            .envs(PASSWORDS)
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .unwrap();
        self.servers[n].process = Some(process);
        let (began, address) = (Instant::now(), self.servers[n].address);
        while tokio::net::TcpStream::connect(address).await.is_err() {
            assert!(began.elapsed() < PATIENCE, "nats-server {n} does not listen");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Has a server read its configuration again.
    pub fn reload(&self, n: usize) {
        self.signal(n, Signal::HUP);
    }

    pub fn signal(&self, n: usize, signal: Signal) {
        let process = self.servers[n].process.as_ref().expect("it runs");
        kill_process(Pid::from_raw(process.id().cast_signed()).unwrap(), signal).unwrap();
    }

    /// What a server has said since it was started last.
    pub fn log(&self, n: usize) -> String {
        std::fs::read_to_string(self.dir.path().join(format!("log-{n}"))).unwrap()
    }

    /// Ends a server without a warning.
    pub fn kill(&mut self, n: usize) {
        if let Some(mut process) = self.servers[n].process.take() {
            process.kill().unwrap();
            process.wait().unwrap();
        }
    }

    /// The process of a server.
    pub fn pid(&self, n: usize) -> u32 {
        self.servers[n].process.as_ref().unwrap().id()
    }

    /// Where a server keeps its streams.
    pub fn store(&self, n: usize) -> PathBuf {
        self.dir.path().join(format!("store-{n}"))
    }

    pub fn address(&self, n: usize) -> SocketAddr {
        self.servers[n].address
    }

    /// For a configuration: all of them.
    pub fn urls(&self) -> String {
        let urls: Vec<String> = self
            .servers
            .iter()
            .map(|server| format!("\"nats://{}\"", server.address))
            .collect();
        urls.join(", ")
    }
}

impl Drop for Nats {
    fn drop(&mut self) {
        for n in 0..self.servers.len() {
            self.kill(n);
        }
    }
}
