//! nginx in front of the relay: what an operator would put there for TLS and HTTP/2.
//!
//! It is configured as `deploy/proxies/nginx.conf` is, with as many workers as there are cores. CPU
//! and memory are of both, since an operator pays for both.

use super::certificates::Certificates;
use super::directory::Directory;
use super::probe::{free_address, wait_for_port};
use super::programs::Programs;
use super::{Running, fanfare};
use crate::driver::child;
use crate::driver::plan::Plan;
use crate::driver::wire::Wire;
use anyhow::Result;
use std::ffi::OsString;
use std::net::SocketAddr;

/// Streams of one connection: its own bound is 128.
const STREAMS_MAX: u32 = 1_000;

/// Starts the relay, and nginx in front of it.
pub(super) fn start(
    plan: &Plan,
    programs: &Programs,
    (wire, certificates): (Wire, Option<Certificates>),
    directory: Directory,
) -> Result<Running> {
    let program = programs.nginx()?;
    let mut running = fanfare::start(&programs.fanfare()?, plan, programs, (Wire::CLEAR, None), directory)?;
    let relay = running.targets[0].address;
    let address = free_address()?;
    let folder = &running.directory.path;
    let file = folder.join("nginx.conf");
    let server = server(address, relay, wire, certificates.as_ref());
    std::fs::write(&file, main(&folder.display().to_string(), &server))?;
    let command = [
        program.as_os_str(),
        "-p".as_ref(),
        folder.as_os_str(),
        "-c".as_ref(),
        file.as_os_str(),
    ];
    let command: Vec<OsString> = command.map(ToOwned::to_owned).to_vec();
    let log = running.directory.log("nginx");
    let mut process = child::other(&command, &log, true, &programs.server_cores)?;
    wait_for_port(&mut process, "nginx", address)?;
    running.processes.push(("nginx".to_owned(), process));
    let path = std::mem::take(&mut running.targets[0].path);
    running.targets = vec![super::target(address, &path).over(wire)];
    running.name = "nginx".to_owned();
    running.certificates = certificates;
    running.watches_files = false;
    Ok(running)
}

/// What stands around the server.
fn main(folder: &str, server: &str) -> String {
    let descriptors = crate::control::raise_descriptor_limit();
    let connections = descriptors.saturating_sub(100);
    format!(
        "daemon off;\nworker_processes auto;\npid {folder}/nginx.pid;\nerror_log {folder}/error.log crit;\n\
         worker_rlimit_nofile {descriptors};\nevents {{ worker_connections {connections}; }}\n\
         http {{\n  access_log off;\n  client_body_temp_path {folder}/body;\n  proxy_temp_path {folder}/proxy;\n  \
         fastcgi_temp_path {folder}/fastcgi;\n  uwsgi_temp_path {folder}/uwsgi;\n  scgi_temp_path {folder}/scgi;\n{server}}}\n"
    )
}

/// The server and its upstream.
fn server(address: SocketAddr, relay: SocketAddr, wire: Wire, certificates: Option<&Certificates>) -> String {
    let tls = if wire.tls { " ssl" } else { "" };
    let http2 = if wire.http2_streams > 0 { " http2" } else { "" };
    let gzip = match wire.gzip {
        true => "    gzip on;\n    gzip_types text/event-stream;\n    gzip_proxied any;\n    gzip_min_length 0;\n",
        false => "",
    };
    let certificates = certificates.map_or_else(String::new, |files| {
        format!(
            "    ssl_certificate {};\n    ssl_certificate_key {};\n",
            files.certificate.display(),
            files.key.display()
        )
    });
    format!(
        "  upstream fanfare {{ server {relay}; }}\n  server {{\n    listen {address}{tls}{http2} backlog=4096;\n{certificates}{gzip}    \
         http2_max_concurrent_streams {STREAMS_MAX};\n    keepalive_requests 1000000000;\n    location / {{\n      \
         proxy_pass http://fanfare;\n      proxy_http_version 1.1;\n      proxy_set_header Connection \"\";\n      \
         proxy_set_header Host $http_host;\n      proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;\n      \
         proxy_read_timeout 60s;\n    }}\n  }}\n"
    )
}
