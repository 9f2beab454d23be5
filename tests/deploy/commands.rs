//! Every command of the documents for operators is run, as it is written: in a network of its own,
//! so that the demo and the relay have the ports that the documents name, and nothing outlives the
//! test. What can't be run here says why.

use crate::command::succeeds;
use crate::tools::{file, program};
use std::process::Command;

const DOCUMENTS: [&str; 7] = [
    "deploy",
    "sizing",
    "clients",
    "migrating",
    "runbook",
    "versions",
    "fleet",
];

/// What becomes of a command.
enum How {
    /// It ends, with 0.
    Ends,
    /// It would go on; and says this within a moment.
    GoesOn(&'static str),
    /// It goes on while those after it run.
    Stays,
    /// It is not run here, because of this.
    Not(&'static str),
}

use How::{Ends, GoesOn, Not, Stays};

/// `follow` in scripts/release/under-systemd.
const MACHINE: &str = "changes the machine: scripts/release-check runs it in one that it boots";
const DOCKER: &str = "needs Docker: `container::` runs the image's root, `compose::` its services";

/// How each command begins, and what becomes of it.
const COMMANDS: &[(&str, How)] = &[
    ("fanfare check --config /etc/", Not(MACHINE)),
    ("fanfare check", Ends),
    ("fanfare health --admin 127.0.0.1:7290", Not(MACHINE)),
    ("fanfare health", Ends),
    ("fanfare tail", GoesOn("/changelog/section/")),
    ("fanfare serve --upstream", Stays),
    (
        "fanfare serve --config",
        Not("`tests/systems/` run the relay with the shipped files"),
    ),
    (
        "fanfare-loadtest",
        Not("measures for a minute: docs/benchmarks.md has what it found"),
    ),
    ("curl -N http://localhost:8080", Not(DOCKER)),
    ("curl -N", GoesOn("retry: ")),
    ("curl -s", Ends),
    ("printf", Ends),
    (
        "nats ",
        Not("is in no package: tests/fleet gives the engine the same files, by what the tool asks it for"),
    ),
    ("kubectl kustomize", Ends),
    (
        "kubectl apply",
        Not("needs a cluster: `kubernetes::` checks what would be sent"),
    ),
    ("haproxy -c -f /etc/", Not(MACHINE)),
    ("caddy validate", Not(MACHINE)),
    ("nginx -t", Not(MACHINE)),
    ("promtool", Ends),
    ("prometheus --config.file", GoesOn("Server is ready")),
    ("cat /proc", Not("is the machine's, and in no other network")),
    ("grep TCP", Ends),
    ("cargo build", Not("is what the tests have done")),
    ("docker", Not(DOCKER)),
    ("deploy/container/root", Not(MACHINE)),
    ("chroot", Not(MACHINE)),
    ("apt install", Not(MACHINE)),
    ("cp ", Not(MACHINE)),
    ("install ", Not(MACHINE)),
    ("editor", Not("is for a person")),
    ("fanfare upgrade", Not(MACHINE)),
    ("sh -c 'set -a", Not(MACHINE)),
    ("systemctl", Not(MACHINE)),
    ("systemd-sysusers", Not(MACHINE)),
    ("sysctl", Not(MACHINE)),
    ("journalctl", Not(MACHINE)),
    (
        "sha256sum",
        Not("scripts/release-check has just made the file that it checks"),
    ),
];

/// The commands in a document's consoles: after `$`, or `#` for root.
fn commands(document: &str) -> Vec<String> {
    let text = std::fs::read_to_string(file("docs").join(format!("{document}.md"))).unwrap();
    let consoles = text.split("```console\n").skip(1);
    let lines = consoles.flat_map(|console| console.split("```").next().unwrap().lines());
    let commands = lines.filter_map(|line| {
        let line = line.trim_start();
        line.strip_prefix("$ ").or_else(|| line.strip_prefix("# "))
    });
    // What follows two spaces and a hash is a remark.
    commands
        .map(|line| line.split("  #").next().unwrap().trim_end().to_owned())
        .collect()
}

/// What a shell says of a command that it runs, so that it can be found again.
fn script(commands: &[(String, &How)]) -> String {
    let mut script = String::from(
        "ip link set lo up\n\
         fanfare demo >demo 2>&1 &\n\
         n=0; until curl -s -o /dev/null http://127.0.0.1:7090/livez || [ $n = 100 ]; do n=$((n + 1)); sleep 0.1; done\n",
    );
    for (n, (command, how)) in commands.iter().enumerate() {
        let quoted = format!("'{}'", command.replace('\'', "'\\''"));
        script += &match how {
            Ends => format!("timeout 60 sh -c {quoted} >{n} 2>&1 || {{ echo \"$? from {n}\"; cat {n}; }}\n"),
            GoesOn(said) => format!(
                "sh -c \"exec \"{quoted} >{n} 2>&1 &\n\
                 n=0; until grep -q '{said}' {n} || [ $n = 150 ]; do n=$((n + 1)); sleep 0.1; done\n\
                 kill $!; grep -q '{said}' {n} || {{ echo \"nothing of {said} from {n}\"; cat {n}; }}\n"
            ),
            Stays => format!("{command} >{n} 2>&1 &\nsleep 1\n"),
            Not(why) => format!("# {command}: {why}\n"),
        };
    }
    // What is left ends with the shell, which is the first process of its space.
    script
}

#[test]
fn every_command_is_run_or_says_why_not() {
    let mut unused: Vec<&str> = COMMANDS.iter().map(|(begins, _)| *begins).collect();
    let mut found: Vec<(String, &How)> = Vec::new();
    for command in DOCUMENTS.iter().flat_map(|document| commands(document)) {
        let entry = COMMANDS.iter().find(|(begins, _)| command.starts_with(begins));
        let (begins, how) = entry.unwrap_or_else(|| panic!("nothing says how to run: {command}"));
        unused.retain(|unused| unused != begins);
        if !found.iter().any(|(known, _)| *known == command) {
            found.push((command, how));
        }
    }
    assert_eq!(unused, [""; 0], "no document has these any more");
    assert!(found.len() > 30, "only {} commands were found", found.len());
    let dir = tempfile::tempdir().unwrap();
    for folder in ["deploy", "docs"] {
        std::os::unix::fs::symlink(file(folder), dir.path().join(folder)).unwrap();
    }
    std::fs::copy(file("deploy/examples/fanfare.yaml"), dir.path().join("fanfare.yaml")).unwrap();
    let binaries = std::path::Path::new(env!("CARGO_BIN_EXE_fanfare")).parent().unwrap();
    let path = format!(
        "{}:{}:/usr/sbin:/sbin",
        binaries.display(),
        std::env::var("PATH").unwrap()
    );
    let said = succeeds(
        Command::new(program("unshare"))
            .args(["--user", "--map-root-user", "--net", "--pid", "--fork", "--kill-child"])
            .args(["sh", "-c", &script(&found)])
            .current_dir(dir.path())
            .env("PATH", path)
            .envs(["HOME", "XDG_DATA_HOME", "XDG_CONFIG_HOME"].map(|name| (name, dir.path()))),
    );
    for (n, (command, _)) in found.iter().enumerate() {
        assert!(!said.contains(&format!("from {n}\n")), "{command}:\n{said}");
    }
}
