//! Any other server, by its command line.

use super::directory::Directory;
use super::kind::CommandServer;
use super::probe::{free_address, wait_for_port};
use super::programs::Programs;
use super::{PATH, Running, nchan, one_process, origin, publisher};
use crate::driver::child;
use crate::driver::plan::Plan;
use anyhow::Result;
use std::ffi::OsString;

/// Starts it, with its placeholders filled in.
pub(super) fn start(server: &CommandServer, plan: &Plan, programs: &Programs, directory: Directory) -> Result<Running> {
    let address = free_address()?;
    let port = address.port().to_string();
    let url = server.url.replace("{port}", &port);
    let fill = |text: &str, origin: &str| text.replace("{port}", &port).replace("{origin}", origin);
    let shell = |origin: &str| -> Vec<OsString> {
        // `exec`, so that the process that is measured is the server and not its shell.
        vec![
            "/bin/sh".into(),
            "-c".into(),
            format!("exec {}", fill(&server.command, origin)).into(),
        ]
    };
    let mut running = match &server.publish {
        None => {
            let source = origin(plan, programs)?;
            let command = shell(&format!("http://{}{PATH}", source.address));
            let target = crate::target::parse(&url)?;
            one_process(
                &server.name,
                &command,
                (true, &programs.server_cores),
                target.address,
                source,
                directory,
            )?
        }
        Some(publish) => {
            let mut process = child::other(&shell(""), &directory.log(&server.name), true, &programs.server_cores)?;
            let target = crate::target::parse(&fill(publish, ""))?;
            wait_for_port(&mut process, &server.name, target.address)?;
            let source = publisher(
                &fill(publish, ""),
                plan.size_bytes.saturating_sub(nchan::FIELDS_BYTES),
                &[],
                programs,
            )?;
            Running {
                name: server.name.clone(),
                targets: Vec::new(),
                source,
                processes: vec![(server.name.clone(), process)],
                admins: Vec::new(),
                source_is_server: false,
                certificates: None,
                watches_files: false,
                upgrades: Vec::new(),
                backend: None,
                directory,
            }
        }
    };
    running.targets = vec![crate::target::parse(&url)?];
    Ok(running)
}
