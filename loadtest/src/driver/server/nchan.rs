//! nginx with nchan.

use super::certificates::Certificates;
use super::directory::Directory;
use super::probe::{free_address, wait_for_port};
use super::programs::{NCHAN_MODULE, Programs};
use super::{PATH, Running, publisher, target};
use crate::driver::child;
use crate::driver::plan::Plan;
use crate::driver::wire::Wire;
use anyhow::Result;
use std::ffi::OsString;

/// Bytes that nchan writes around an event's data: its id line, the field's name, the line ends.
pub(super) const FIELDS_BYTES: usize = 25;

/// Starts it; events are POSTed to it.
pub(super) fn start(
    plan: &Plan,
    programs: &Programs,
    (wire, certificates): (Wire, Option<Certificates>),
    directory: Directory,
) -> Result<Running> {
    let program = programs.nchan()?;
    // Events are published in clear on a port of their own, whatever clients speak.
    let (address, publish) = (free_address()?, free_address()?);
    let tls = certificates.as_ref().map_or_else(String::new, |files| {
        let (certificate, key) = (files.certificate.display(), files.key.display());
        format!("    ssl_certificate {certificate};\n    ssl_certificate_key {key};\n")
    });
    let ssl = if wire.tls { " ssl" } else { "" };
    let folder = directory.path.display();
    let descriptors = crate::control::raise_descriptor_limit();
    let connections = descriptors.saturating_sub(100);
    let config = format!(
        "daemon off;\nworker_processes 1;\npid {folder}/nginx.pid;\nerror_log {folder}/error.log crit;\n\
         load_module {NCHAN_MODULE};\nworker_rlimit_nofile {descriptors};\n\
         events {{ worker_connections {connections}; }}\n\
         http {{\n  access_log off;\n  client_body_temp_path {folder}/body;\n  proxy_temp_path {folder}/proxy;\n  \
         fastcgi_temp_path {folder}/fastcgi;\n  uwsgi_temp_path {folder}/uwsgi;\n  scgi_temp_path {folder}/scgi;\n  \
         nchan_shared_memory_size 512M;\n  keepalive_requests 1000000000;\n  server {{\n    listen {address}{ssl} backlog=4096;\n\
         {tls}    listen {publish};\n    \
         location = /pub {{ nchan_publisher; nchan_channel_id load; nchan_message_buffer_length {}; \
         client_max_body_size 2m; client_body_buffer_size 2m; }}\n    \
         location = {PATH} {{ nchan_subscriber eventsource; nchan_channel_id load; }}\n  }}\n}}\n",
        1_000.max(2 * plan.replay_events),
    );
    let file = directory.path.join("nginx.conf");
    std::fs::write(&file, config)?;
    let command = [
        program.as_os_str(),
        "-p".as_ref(),
        directory.path.as_os_str(),
        "-c".as_ref(),
        file.as_os_str(),
    ];
    let command: Vec<OsString> = command.map(ToOwned::to_owned).to_vec();
    let mut process = child::other(&command, &directory.log("nchan"), true, &programs.server_cores)?;
    wait_for_port(&mut process, "nchan", address)?;
    let data_bytes = plan.size_bytes.saturating_sub(FIELDS_BYTES);
    let source = publisher(&format!("http://{publish}/pub"), data_bytes, &[], programs)?;
    Ok(Running {
        name: "nchan".to_owned(),
        targets: vec![target(address, PATH).over(wire)],
        source,
        processes: vec![("nchan".to_owned(), process)],
        admins: Vec::new(),
        source_is_server: false,
        certificates,
        watches_files: false,
        upgrades: Vec::new(),
        backend: None,
        directory,
    })
}
