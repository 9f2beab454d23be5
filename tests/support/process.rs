//! The relay as a process: signals, exit codes, logs, limits.

use super::origin::{PATIENCE, within};
use super::relay::{Setup, series_value};
use std::net::SocketAddr;
use std::process::{ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};

/// The program; another build of it, where a measurement wants one.
fn program() -> std::ffi::OsString {
    let named = std::env::var_os("FANFARE_PROGRAM").filter(|path| !path.is_empty());
    named.unwrap_or_else(|| env!("CARGO_BIN_EXE_fanfare").into())
}

/// Clock ticks per second in /proc (`getconf CLK_TCK`; the same on every Linux).
const TICKS_PER_SECOND: u64 = 100;

/// A running process; killed when it is dropped.
pub struct TestProcess {
    child: Child,
    pub address: SocketAddr,
    pub admin: SocketAddr,
    log: Arc<Mutex<Vec<serde_json::Value>>>,
    dir: tempfile::TempDir,
}

impl TestProcess {
    pub async fn start(setup: &Setup) -> Self {
        Self::start_limited(setup, None).await
    }

    /// With so many descriptors at most.
    pub async fn start_limited(setup: &Setup, descriptors: Option<u32>) -> Self {
        Self::start_in(setup, descriptors, &[]).await
    }

    /// With these variables in its environment.
    pub async fn start_in(setup: &Setup, descriptors: Option<u32>, environment: &[(&str, &str)]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("fanfare.yaml");
        std::fs::write(&file, setup.yaml()).unwrap();
        let mut process = Self::spawn(&file, descriptors, environment, &[]);
        process.dir = dir;
        process.started().await
    }

    /// By a file that the story keeps.
    pub async fn start_with(file: &std::path::Path) -> Self {
        Self::start_saying(file, &[]).await
    }

    /// The same with more on the command line.
    pub async fn start_saying(file: &std::path::Path, arguments: &[&str]) -> Self {
        Self::begin(file, arguments).started().await
    }

    /// The same with these variables in its environment.
    pub async fn start_within(file: &std::path::Path, environment: &[(&str, &str)]) -> Self {
        Self::spawn(file, None, environment, &[]).started().await
    }

    /// One that is about to start.
    pub fn begin(file: &std::path::Path, arguments: &[&str]) -> Self {
        Self::spawn(file, None, &[], arguments)
    }

    fn spawn(
        file: &std::path::Path,
        descriptors: Option<u32>,
        environment: &[(&str, &str)],
        arguments: &[&str],
    ) -> Self {
        let limit = descriptors.map_or(String::new(), |n| format!("ulimit -n {n}; "));
        let mut child = Command::new("sh")
            .arg("-c")
            .arg(format!("{limit}exec \"$@\""))
            .arg("sh")
            .arg(program())
            .args(["serve", "--log", "debug", "--log-format", "json", "--config"])
            .arg(file)
            .args(arguments)
            .envs(environment.iter().copied())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let log = Arc::new(Mutex::new(Vec::new()));
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let written = log.clone();
        tokio::spawn(async move {
            while let Ok(Some(line)) = lines.next_line().await {
                let line = serde_json::from_str(&line).unwrap_or(serde_json::Value::String(line));
                written.lock().unwrap().push(line);
            }
        });
        let unspecified: SocketAddr = "0.0.0.0:0".parse().unwrap();
        Self {
            child,
            address: unspecified,
            admin: unspecified,
            log,
            dir: tempfile::tempdir().unwrap(),
        }
    }

    /// Once it serves.
    pub async fn started(mut self) -> Self {
        self.address = self.address_in("listening for clients").await;
        self.admin = self.address_in("listening for the admin").await;
        let speaks_tls = self.log_lines("listening for clients")[0]["tls"] == true;
        super::tls::register(self.address, speaks_tls);
        super::tls::register(self.admin, false);
        self
    }

    /// With a log that the story holds, and ports that the setup names.
    pub async fn start_logging_to(
        setup: &Setup,
        log: impl Into<Stdio>,
        address: SocketAddr,
        admin: SocketAddr,
    ) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("fanfare.yaml");
        let setup = setup.clone().ports(address, admin);
        std::fs::write(&file, setup.yaml()).unwrap();
        let child = Command::new(program())
            .args(["serve", "--log", "debug", "--log-format", "json", "--config"])
            .arg(&file)
            .stderr(log)
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let listening = async {
            while tokio::net::TcpStream::connect(admin).await.is_err() {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        within("the admin to listen", listening).await;
        super::tls::register(address, super::tls::is_everywhere());
        super::tls::register(admin, false);
        Self {
            child,
            address,
            admin,
            log: Arc::default(),
            dir,
        }
    }

    async fn address_in(&self, message: &str) -> SocketAddr {
        self.logged(message).await["address"].as_str().unwrap().parse().unwrap()
    }

    /// The first log line with this message, once it is there.
    pub async fn logged(&self, message: &str) -> serde_json::Value {
        let began = std::time::Instant::now();
        loop {
            if let Some(line) = self.log_lines(message).first() {
                return line.clone();
            }
            assert!(
                began.elapsed() < PATIENCE,
                "no {message:?} in {:#?}",
                self.log.lock().unwrap()
            );
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// All log lines with this message so far.
    pub fn log_lines(&self, message: &str) -> Vec<serde_json::Value> {
        self.log
            .lock()
            .unwrap()
            .iter()
            .filter(|line| line["message"] == message)
            .cloned()
            .collect()
    }

    /// All lines so far of a part of the program.
    pub fn lines_of(&self, target: &str) -> Vec<String> {
        let log = self.log.lock().unwrap();
        let of_it = |line: &&serde_json::Value| line["target"].as_str().is_some_and(|of| of.starts_with(target));
        log.iter().filter(of_it).map(ToString::to_string).collect()
    }

    /// All that was logged so far.
    pub fn whole_log(&self) -> String {
        format!("{:?}", self.log.lock().unwrap())
    }

    pub fn id(&self) -> u32 {
        self.child.id().expect("still running")
    }

    pub fn signal(&self, name: rustix::process::Signal) {
        let id = rustix::process::Pid::from_raw(self.id() as i32).unwrap();
        rustix::process::kill_process(id, name).unwrap();
    }

    /// Where its configuration is, and what that names.
    pub fn dir(&self) -> &std::path::Path {
        self.dir.path()
    }

    /// Replaces the file as an editor does: by a new one that is renamed.
    pub fn write_config(&self, yaml: &str) {
        let new = self.dir().join("new");
        std::fs::write(&new, yaml).unwrap();
        std::fs::rename(new, self.dir().join("fanfare.yaml")).unwrap();
    }

    /// Asks for a reload, and waits for its outcome.
    pub async fn reload(&self, outcome: &str) {
        let series = format!("fanfare_config_reloads_total{{outcome=\"{outcome}\"}}");
        let before = self.metric(&series).await;
        self.signal(rustix::process::Signal::HUP);
        self.eventually_metric(&series, before + 1.0).await;
    }

    pub async fn status(&self) -> serde_json::Value {
        let answer = super::client::ask("GET", "/status").answer(self.admin).await;
        serde_json::from_str(&answer.body).unwrap()
    }

    pub fn terminate(&self) {
        self.signal(rustix::process::Signal::TERM);
    }

    pub async fn exit(&mut self) -> ExitStatus {
        within("the process to end", self.child.wait()).await.unwrap()
    }

    /// Whether it has ended by now.
    pub fn has_ended(&mut self) -> bool {
        self.child.try_wait().unwrap().is_some()
    }

    /// CPU time used so far, user and system.
    pub fn cpu_time(&self) -> Duration {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.id())).unwrap();
        // After the name, which is in parentheses: state, and so on; utime and stime are the 12th
        // and 13th.
        let fields: Vec<&str> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
        let ticks: u64 = fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap();
        Duration::from_millis(ticks * 1000 / TICKS_PER_SECOND)
    }

    /// Resident memory in KiB.
    pub fn resident_kib(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
        line.trim().trim_end_matches(" kB").parse().unwrap()
    }

    pub async fn metric(&self, series: &str) -> f64 {
        let scrape = super::client::ask("GET", "/metrics").answer(self.admin).await;
        series_value(&scrape.body, series)
    }

    pub async fn eventually_metric(&self, series: &str, wanted: f64) {
        let began = std::time::Instant::now();
        loop {
            let value = self.metric(series).await;
            if value == wanted {
                return;
            }
            assert!(began.elapsed() < PATIENCE, "{series} is {value} and not {wanted}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Until so many clients are in, over all protocols.
    pub async fn eventually_clients(&self, wanted: usize) {
        let series = format!(
            r#"fanfare_clients{{source="s",protocol="{}"}}"#,
            super::client::protocol()
        );
        self.eventually_metric(&series, wanted as f64).await;
    }
}
