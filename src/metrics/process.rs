//! The process's own numbers, read when they are asked for, under Prometheus' standard names.
//!
//! Written as text here and not kept in the exporter, whose counters are whole numbers: CPU seconds
//! are not. `/proc/self/stat` stays open: the moment at which descriptors have run out is when
//! these numbers are wanted most. A number that the system does not give is left out, never written
//! as 0.

use super::definitions::{self, Definition};
use crate::telemetry;
use std::fmt::Write as _;
use std::fs::File;
use std::os::unix::fs::FileExt as _;

/// Where the numbers come from.
pub(super) struct Process {
    stat: Option<File>,
    /// Seconds since the epoch at which the machine started; `starttime` counts from there.
    boot_time_seconds: Option<f64>,
}

/// What is used of `/proc/self/stat` (proc(5)).
#[derive(Debug, PartialEq)]
struct Stat {
    threads: u64,
    start_ticks: u64,
    virtual_bytes: u64,
    resident_pages: u64,
}

/// What is shown of the process outside of the metrics. `None`: the system does not say.
#[derive(Debug, Clone, Copy, Default, PartialEq, serde::Serialize)]
pub struct ProcessNumbers {
    /// User and system time that was spent.
    pub cpu_seconds: f64,
    /// Resident memory.
    pub resident_bytes: Option<u64>,
    /// Open descriptors.
    pub open_descriptors: Option<u64>,
}

/// The file is one line of 52 numbers of at most 20 digits, and a name of at most 64 bytes.
const STAT_BYTES_MAX: usize = 2048;

impl Process {
    pub(super) fn new() -> Self {
        let boot_time_seconds = std::fs::read_to_string("/proc/stat")
            .ok()
            .and_then(|text| parse_boot_time(&text));
        Self {
            stat: File::open("/proc/self/stat").ok(),
            boot_time_seconds,
        }
    }

    pub(super) fn numbers(&self) -> ProcessNumbers {
        ProcessNumbers {
            cpu_seconds: cpu_seconds(),
            resident_bytes: self
                .read_stat()
                .map(|stat| stat.resident_pages * rustix::param::page_size() as u64),
            open_descriptors: open_descriptors(),
        }
    }

    /// Appends every number that the system gives.
    pub(super) fn render_to(&self, text: &mut String) {
        write_family(text, &definitions::PROCESS_CPU_SECONDS, cpu_seconds());
        let dropped = telemetry::dropped_lines();
        write_family(text, &definitions::LOG_LINES_DROPPED, dropped as f64);
        if let Some(fds) = open_descriptors() {
            write_family(text, &definitions::PROCESS_OPEN_FDS, fds as f64);
        }
        // `None` is "unlimited".
        let max_fds = rustix::process::getrlimit(rustix::process::Resource::Nofile).current;
        write_family(
            text,
            &definitions::PROCESS_MAX_FDS,
            max_fds.map_or(f64::INFINITY, |fds| fds as f64),
        );
        if let Some(stat) = self.read_stat() {
            let resident_bytes = stat.resident_pages as f64 * rustix::param::page_size() as f64;
            write_family(text, &definitions::PROCESS_RESIDENT_MEMORY_BYTES, resident_bytes);
            write_family(
                text,
                &definitions::PROCESS_VIRTUAL_MEMORY_BYTES,
                stat.virtual_bytes as f64,
            );
            if let Some(boot) = self.boot_time_seconds {
                let after_boot = stat.start_ticks as f64 / rustix::param::clock_ticks_per_second() as f64;
                write_family(text, &definitions::PROCESS_START_TIME_SECONDS, boot + after_boot);
            }
            write_family(text, &definitions::PROCESS_THREADS, stat.threads as f64);
        }
    }

    fn read_stat(&self) -> Option<Stat> {
        let mut buffer = [0; STAT_BYTES_MAX];
        let length = self.stat.as_ref()?.read_at(&mut buffer, 0).ok()?;
        parse_stat(&String::from_utf8_lossy(&buffer[..length]))
    }
}

fn cpu_seconds() -> f64 {
    let cpu = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    cpu.tv_sec as f64 + cpu.tv_nsec as f64 / 1e9
}

/// Since Linux 6.2 the directory's size is the number of descriptors: no descriptor is needed to
/// learn it, and no walk over tens of thousands of entries. Before, it is 0.
pub(crate) fn open_descriptors() -> Option<u64> {
    let size = std::fs::metadata("/proc/self/fd").ok()?.len();
    if size > 0 {
        return Some(size);
    }
    // The walk's own descriptor is one of those that it sees.
    let entries = std::fs::read_dir("/proc/self/fd").ok()?.count() as u64;
    Some(entries.saturating_sub(1))
}

fn parse_boot_time(proc_stat: &str) -> Option<f64> {
    proc_stat
        .lines()
        .find_map(|line| line.strip_prefix("btime "))?
        .trim()
        .parse()
        .ok()
}

/// The second field is the program's name in parentheses, and may hold anything, parentheses and
/// blanks too.
fn parse_stat(line: &str) -> Option<Stat> {
    let (_, rest) = line.rsplit_once(')')?;
    // proc(5) counts from 1; `rest` begins with field 3.
    let fields: Vec<&str> = rest.split_ascii_whitespace().collect();
    let field = |number: usize| fields.get(number - 3)?.parse().ok();
    Some(Stat {
        threads: field(20)?,
        start_ticks: field(22)?,
        virtual_bytes: field(23)?,
        resident_pages: field(24)?,
    })
}

fn write_family(text: &mut String, definition: &Definition, value: f64) {
    let Definition { name, kind, help, .. } = definition;
    // The text format spells infinity `+Inf`.
    let value = if value.is_infinite() {
        "+Inf".to_owned()
    } else {
        value.to_string()
    };
    // Writing to a String does not fail.
    let _ = write!(
        text,
        "# HELP {name} {help}\n# TYPE {name} {}\n{name} {value}\n\n",
        kind.label()
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_name_with_parentheses_does_not_shift_the_fields() {
        let line =
            "7 (a) S 9 (b)) S 1 7 7 0 -1 4194560 1 2 3 4 55 66 0 0 20 0 12 0 987 4096000 321 18446744073709551615";
        let stat = Stat {
            threads: 12,
            start_ticks: 987,
            virtual_bytes: 4_096_000,
            resident_pages: 321,
        };
        assert_eq!(parse_stat(line), Some(stat));
        assert_eq!(parse_stat("7 (short) S 1"), None);
        assert_eq!(parse_stat(""), None);
    }

    #[test]
    fn boot_time_is_found() {
        assert_eq!(
            parse_boot_time("cpu  1 2 3\nbtime 1790000000\nprocesses 9\n"),
            Some(1_790_000_000.0)
        );
        assert_eq!(parse_boot_time("cpu  1 2 3\n"), None);
    }

    #[test]
    fn the_numbers_are_this_process() {
        let process = Process::new();
        let value = |name: &str| -> f64 {
            let mut text = String::new();
            process.render_to(&mut text);
            let line = text
                .lines()
                .find_map(|line| line.strip_prefix(&format!("{name} ")).map(str::to_owned));
            line.unwrap_or_else(|| panic!("no {name} in {text}")).parse().unwrap()
        };
        let now = std::time::SystemTime::now()
            .duration_since(std::time::UNIX_EPOCH)
            .unwrap()
            .as_secs_f64();
        let age = now - value("process_start_time_seconds");
        assert!((-2.0..3600.0).contains(&age), "{age}");
        assert!(value("process_resident_memory_bytes") > 1e6);
        assert!(value("process_virtual_memory_bytes") > value("process_resident_memory_bytes"));
        assert!(value("process_threads") >= 1.0);
        assert!(value("process_max_fds") >= value("process_open_fds"));

        let before = value("process_open_fds");
        // Other tests of this process open and close descriptors meanwhile: enough of them to stand
        // out.
        let held: Vec<File> = (0..200).map(|_| File::open("/dev/null").unwrap()).collect();
        assert!(value("process_open_fds") >= before + 100.0);
        drop(held);

        let before = value("process_cpu_seconds_total");
        let mut waste = 0_u64;
        while value("process_cpu_seconds_total") - before < 0.001 {
            waste = std::hint::black_box(waste + 1);
        }
    }
}
