//! `deploy/systemd`: systemd takes the unit, finds it well shut in, and the kernel knows the keys.

use crate::command::{fanfare, run, said, succeeds};
use crate::tools::{file, program};
use std::path::{Path, PathBuf};
use std::process::Command;

/// How exposed the unit may be, of 100, by systemd's count: 16 when this was written. What is left
/// is the network, for which it is there.
const EXPOSURE_MAX: &str = "20";

const UNIT: &str = "deploy/systemd/fanfare.service";

/// The unit, with the program where this test has it.
fn unit(dir: &Path) -> PathBuf {
    let text = std::fs::read_to_string(file(UNIT)).unwrap();
    let there = env!("CARGO_BIN_EXE_fanfare");
    assert_eq!(text.matches("/usr/bin/fanfare").count(), 1);
    let path = dir.join("fanfare.service");
    std::fs::write(&path, text.replace("/usr/bin/fanfare", there)).unwrap();
    path
}

fn value(key: &str) -> String {
    let text = std::fs::read_to_string(file(UNIT)).unwrap();
    let value = text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix('='));
    value.unwrap_or_else(|| panic!("no {key} in the unit")).to_owned()
}

#[test]
fn systemd_takes_it() {
    let dir = tempfile::tempdir().unwrap();
    let unit = unit(dir.path());
    let verify = |unit: &Path| {
        run(Command::new(program("systemd-analyze"))
            .args(["verify", "--man=no"])
            .arg(unit))
    };
    let output = verify(&unit);
    assert!(output.status.success() && output.stderr.is_empty(), "{}", said(&output));
    // A key that is none is found, so that the above says something.
    let text = std::fs::read_to_string(&unit).unwrap();
    std::fs::write(&unit, text.replace("WatchdogSec=", "WatchdogSeconds=")).unwrap();
    assert!(said(&verify(&unit)).contains("WatchdogSeconds"));
}

#[test]
fn it_is_shut_in() {
    let security = ["security", "--offline=yes", "--threshold", EXPOSURE_MAX];
    succeeds(Command::new(program("systemd-analyze")).args(security).arg(file(UNIT)));
}

#[test]
fn the_user_can_be_made() {
    let sysusers = file("deploy/systemd/fanfare.sysusers");
    let root = tempfile::tempdir().unwrap();
    std::fs::create_dir(root.path().join("etc")).unwrap();
    let root = format!("--root={}", root.path().display());
    let made = run(Command::new(program("systemd-sysusers"))
        .args([&root, "--dry-run"])
        .arg(sysusers));
    assert!(
        made.status.success() && said(&made).contains("fanfare"),
        "{}",
        said(&made)
    );
    assert_eq!(value("User"), "fanfare");
}

#[test]
fn it_starts_what_the_program_understands() {
    let line = value("ExecStart");
    let mut words = line.split_whitespace();
    assert_eq!(words.next(), Some("/usr/bin/fanfare"));
    // Its words, and a file that is not there: a mistake of the configuration, and none of usage.
    let words: Vec<String> = words.map(|word| word.replace("/etc/", "/nowhere/")).collect();
    let output = run(fanfare().args(words));
    assert_eq!(output.status.code(), Some(2));
    assert!(
        said(&output).contains("/nowhere/fanfare/fanfare.yaml: can't be read"),
        "{}",
        said(&output)
    );
    assert_eq!(value("RestartPreventExitStatus"), "2");
}

/// systemd would not be told in time otherwise.
#[test]
fn it_leaves_as_long_as_a_drain_takes_by_default() {
    let drain = fanfare::config::Config::for_upstream("http://o/", "/").unwrap().drain;
    let seconds: u64 = value("TimeoutStopSec").trim_end_matches('s').parse().unwrap();
    assert!(seconds > (drain.delay + drain.timeout).as_secs() + 10);
}

#[test]
fn the_kernel_knows_what_is_set() {
    let path = file("deploy/systemd/60-fanfare.conf");
    let text = std::fs::read_to_string(&path).unwrap();
    let keys: Vec<&str> = text
        .lines()
        .filter(|line| !line.starts_with('#'))
        .filter_map(|line| line.split_once(" = "))
        .map(|(key, _)| key)
        .collect();
    assert!(keys.len() > 4);
    for key in keys {
        let there = Path::new("/proc/sys").join(key.replace('.', "/"));
        assert!(there.exists(), "{key}");
    }
    succeeds(Command::new(program("sysctl")).arg("--dry-run").arg("--load").arg(path));
}
