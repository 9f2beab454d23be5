//! A log that is kept on disk (`log.dir`): what clients find after the process has been killed, has
//! been told to end, or has found its disk full or damaged.

mod disk_trouble;
mod jobs;
mod kills;
mod reader;
mod recorded_origin;
mod reloads;
mod restarts;

use crate::support::ports::free_address;
use crate::support::process::TestProcess;
pub(crate) use reader::Reader;
use recorded_origin::RecordedOrigin;
use rustix::process::Signal;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

/// A relay over a recorded origin, as a process that may be killed and started again.
struct Scene {
    origin: RecordedOrigin,
    folder: tempfile::TempDir,
    address: SocketAddr,
    admin: SocketAddr,
}

impl Scene {
    /// `source`: lines of the source. `log`: keys of its log, beside the directory.
    async fn new(origin: RecordedOrigin, source: &str, log: &str) -> Self {
        let scene = Self {
            origin,
            folder: tempfile::tempdir().unwrap(),
            address: free_address(),
            admin: free_address(),
        };
        scene.write(source, &format!("dir: {}, {log}", scene.dir().display()));
        scene
    }

    /// Writes the configuration anew.
    fn write(&self, source: &str, log: &str) {
        let lines: String = source.lines().map(|line| format!("    {}\n", line.trim())).collect();
        let path = match source.contains("path:") {
            true => "",
            false => "    path: /events\n",
        };
        let upstream = self.origin.url();
        let yaml = format!(
            "listen: {}\nadmin: {}\nworkers: 2\ndrain: {{ spread: 0s }}\nsources:\n  s:\n{path}    upstream: {{ url: \"{upstream}\", reconnect: 20ms, reconnect_max: 100ms }}\n    log: {{ {log} }}\n{lines}",
            self.address, self.admin
        );
        std::fs::write(self.file(), yaml).unwrap();
    }

    fn file(&self) -> PathBuf {
        self.folder.path().join("fanfare.yaml")
    }

    /// Where the log is kept.
    fn dir(&self) -> PathBuf {
        self.folder.path().join("logs")
    }

    async fn start(&self) -> TestProcess {
        TestProcess::start_with(&self.file()).await
    }

    fn reader(&self) -> Reader {
        Reader::start(self.address, "/events")
    }
}

/// Ends a process in the middle of whatever it does.
async fn kill(mut process: TestProcess) {
    process.signal(Signal::KILL);
    process.exit().await;
}

/// Ends a process in order.
async fn end(mut process: TestProcess) {
    process.terminate();
    assert!(process.exit().await.success(), "{}", process.whole_log());
}

/// The files of a directory with this ending, the oldest first.
fn files(dir: &Path, ending: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![dir.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
            match entry.path() {
                path if path.is_dir() => folders.push(path),
                path if path.to_string_lossy().ends_with(ending) => found.push(path),
                _ => {}
            }
        }
    }
    found.sort();
    found
}

/// Until a file of the directory holds this.
async fn is_on_disk(dir: &Path, text: &str) {
    let began = std::time::Instant::now();
    let holds = |file: &PathBuf| {
        let bytes = std::fs::read(file).unwrap_or_default();
        bytes.windows(text.len()).any(|piece| piece == text.as_bytes())
    };
    while !files(dir, ".events").iter().any(holds) {
        assert!(began.elapsed().as_secs() < 20);
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
}
