//! The relay: its processes and its configuration.

use super::certificates::Certificates;
use super::directory::Directory;
use super::probe::{free_address, get};
use super::programs::Programs;
use super::upgrade::Upgrades;
use super::{JOBS_PATH, PATH, Running, clients_path, origin, target};
use crate::driver::child;
use crate::driver::plan::{Plan, Scenario};
use crate::driver::wire::Wire;
use anyhow::Result;
use std::ffi::OsString;
use std::fmt::Write as _;
use std::net::SocketAddr;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::Path;
use std::time::Duration;

/// Starts what the plan's scenario needs of it: one instance, several, or a tree.
pub(super) fn start(
    program: &Path,
    plan: &Plan,
    programs: &Programs,
    (wire, certificates): (Wire, Option<Certificates>),
    directory: Directory,
) -> Result<Running> {
    let programs = &programs.compressing(wire.gzip);
    let source = origin(plan, programs)?;
    let path = match plan.is_templated() {
        true => format!("{JOBS_PATH}{{job}}"),
        false => PATH.to_owned(),
    };
    let mut running = Running {
        name: "fanfare".to_owned(),
        targets: Vec::new(),
        admins: Vec::new(),
        processes: Vec::new(),
        source_is_server: false,
        certificates,
        watches_files: true,
        upgrades: Vec::new(),
        backend: None,
        directory,
        source,
    };
    let origin_url = format!("http://{}{path}", running.source.address);
    let mut upstream = origin_url;
    let mut instances = plan.instances;
    if plan.has_root() {
        let root = relay(&mut running, ROOT, program, (&upstream, &path), plan, programs)?;
        upstream = format!("http://{root}{path}");
    } else if !matches!(plan.scenario, Scenario::Siblings | Scenario::Million) {
        instances = 1;
    }
    for index in 0..instances {
        let name = format!("relay-{index}");
        let address = relay(&mut running, &name, program, (&upstream, &path), plan, programs)?;
        running.targets.push(target(address, &clients_path(plan)).over(wire));
    }
    Ok(running)
}

/// What a quiet client gets a comment after, among a million: the default of 15 s would be 67,000
/// writes a second, which the floor doesn't make, and which the events would be measured beside.
const HEARTBEAT: Duration = Duration::from_secs(120);

/// The relay of a tree that has no clients but other relays.
const ROOT: &str = "root";

/// Where a relay listens, and where its events come from.
struct RelaySetup<'a> {
    listen: SocketAddr,
    admin: SocketAddr,
    upstream: &'a str,
    path: &'a str,
    /// Where another process takes over.
    handover: Option<&'a Path>,
    /// Certificate and key: then the clients' address has TLS.
    tls: Option<(&'a Path, &'a Path)>,
}

/// Starts one relay and waits for its `/readyz`; returns its clients' address.
fn relay(
    running: &mut Running,
    name: &str,
    program: &Path,
    (upstream, path): (&str, &str),
    plan: &Plan,
    programs: &Programs,
) -> Result<SocketAddr> {
    // The others of a tree reach its root in clear.
    let files = running.certificates.as_ref().filter(|_| name != ROOT);
    let socket = running
        .directory
        .path
        .join(format!("handover-{name}"))
        .join("handover.sock");
    let is_upgraded = plan.upgrades();
    if is_upgraded {
        private_folder(&socket)?;
    }
    let setup = RelaySetup {
        handover: is_upgraded.then_some(socket.as_path()),
        tls: files.map(|files| (files.certificate.as_path(), files.key.as_path())),
        listen: free_address()?,
        admin: free_address()?,
        upstream,
        path,
    };
    let config = running.directory.path.join(format!("{name}.yaml"));
    std::fs::write(&config, yaml(&setup, plan, programs))?;
    let (listen, admin) = (setup.listen, setup.admin);
    let command = [
        program.as_os_str(),
        "serve".as_ref(),
        "--config".as_ref(),
        config.as_os_str(),
    ];
    let command: Vec<OsString> = command.map(ToOwned::to_owned).to_vec();
    let process = child::other(&command, &running.directory.log(name), false, &programs.server_cores)?;
    running.processes.push((name.to_owned(), process));
    if is_upgraded {
        let command = [
            program.as_os_str(),
            "upgrade".as_ref(),
            "--config".as_ref(),
            config.as_os_str(),
        ];
        running
            .upgrades
            .push(Upgrades::by(command.map(ToOwned::to_owned).to_vec()));
    }
    running.wait(name, || get(admin, "/readyz").is_some_and(|(status, _)| status == 200))?;
    running.admins.push(admin);
    Ok(listen)
}

/// The folder of the socket: nobody else may enter it.
fn private_folder(socket: &Path) -> Result<()> {
    if let Some(folder) = socket.parent() {
        std::fs::DirBuilder::new().mode(0o700).create(folder)?;
    }
    Ok(())
}

/// The relay's configuration file.
fn yaml(setup: &RelaySetup, plan: &Plan, programs: &Programs) -> String {
    /// The log's defaults, which a replay may outgrow.
    const LOG_EVENTS: u64 = 10_000;
    const LOG_BYTES: u64 = 16 * 1024 * 1024;
    let events = LOG_EVENTS.max(2 * plan.replay_events);
    let bytes = LOG_BYTES.max(events.min(4 * plan.replay_events) * (plan.size_bytes as u64 + 64));
    let RelaySetup {
        listen,
        admin,
        upstream,
        path,
        handover,
        tls,
    } = setup;
    let mut yaml = format!("admin: {admin}\n");
    if let Some(socket) = handover {
        let _ = writeln!(yaml, "handover: {}", socket.display());
    }
    // Writing to a String can't fail.
    let _ = match tls {
        None => writeln!(yaml, "listen: {listen}"),
        Some((certificate, key)) => writeln!(
            yaml,
            "listen: [ {{ address: \"{listen}\", tls: {{ cert: \"{}\", key: \"{}\" }} }} ]",
            certificate.display(),
            key.display()
        ),
    };
    if let Some(workers) = programs.workers {
        let _ = writeln!(yaml, "workers: {workers}");
    }
    let _ = writeln!(
        yaml,
        "sources:\n  load:\n    path: \"{path}\"\n    upstream: \"{upstream}\""
    );
    let _ = writeln!(
        yaml,
        "    log: {{ events: {events}, bytes: {}MiB }}",
        bytes.div_ceil(1024 * 1024)
    );
    if plan.scenario == Scenario::Jobs {
        let _ = writeln!(yaml, "    end_when: [ {{ json: /state, equals: COMPLETED }} ]");
    }
    if plan.scenario == Scenario::EvictStorm {
        let _ = writeln!(yaml, "    slow_client: {{ stall: {}ms }}", plan.stall().as_millis());
    }
    let heartbeat = |line: &String| line.trim_start().starts_with("heartbeat");
    if plan.scenario == Scenario::Million && !programs.source_yaml.iter().any(heartbeat) {
        let _ = writeln!(yaml, "    heartbeat: {{ every: {}s }}", HEARTBEAT.as_secs());
    }
    if let Some(herd) = &plan.thundering_herd {
        // The stamps are in the ids.
        let _ = writeln!(yaml, "    ids: pass");
        for (key, time) in [("coalesce", herd.coalesce), ("stagger", herd.stagger)] {
            if !time.is_zero() {
                let _ = writeln!(yaml, "    {key}: {}ms", time.as_millis());
            }
        }
    }
    for line in &programs.source_yaml {
        let _ = writeln!(yaml, "    {line}");
    }
    yaml
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(scenario: Scenario, path: &str) -> String {
        let setup = RelaySetup {
            listen: ([127, 0, 0, 1], 1).into(),
            admin: ([127, 0, 0, 1], 2).into(),
            upstream: &format!("http://127.0.0.1:3{path}"),
            path,
            handover: None,
            tls: None,
        };
        let programs = Programs {
            source_yaml: vec!["start: live".to_owned()],
            ..Programs::default()
        };
        yaml(&setup, &Plan::of(scenario, true), &programs)
    }

    #[test]
    fn jobs_are_a_templated_source_that_ends() {
        let yaml = written(Scenario::Jobs, "/jobs/{job}");
        for line in [
            "    path: \"/jobs/{job}\"\n    upstream: \"http://127.0.0.1:3/jobs/{job}\"\n",
            "    end_when: [ { json: /state, equals: COMPLETED } ]\n",
            "    start: live\n",
        ] {
            assert!(yaml.contains(line), "{line}: {yaml}");
        }
    }

    #[test]
    fn a_herd_has_the_relays_settings() {
        let yaml = written(Scenario::ThunderingHerd, "/events");
        assert!(
            yaml.contains("    ids: pass\n    coalesce: 200ms\n    stagger: 500ms\n"),
            "{yaml}"
        );
    }

    #[test]
    fn stalled_clients_are_over_their_limit_when_the_plan_says() {
        let plan = Plan::of(Scenario::EvictStorm, true);
        let yaml = written(Scenario::EvictStorm, "/events");
        let line = format!("slow_client: {{ stall: {}ms }}", plan.stall().as_millis());
        assert!(yaml.contains(&line), "{yaml}");
    }
}
