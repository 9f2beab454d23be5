//! Pushpin with its connection manager (condure), its handler and proxy, and zurl, by which it asks the
//! origin behind it: CPU and memory are of all of them.

use super::backend::Backend;
use super::directory::Directory;
use super::probe::{free_address, wait_for_port};
use super::programs::Programs;
use super::{PATH, Running, publisher, target};
use crate::driver::child;
use crate::driver::plan::Plan;
use anyhow::Result;
use std::net::SocketAddr;

/// Bytes around an event's data: the field's name and the line ends.
const FIELDS_BYTES: usize = 8;
/// Deliveries in a second, and messages that wait: more than any machine does.
const UNBOUNDED: u64 = 1_000_000_000;
/// Its own descriptors.
const SPARE: u64 = 500;

/// Starts it; events are POSTed to it.
pub(super) fn start(plan: &Plan, programs: &Programs, directory: Directory) -> Result<Running> {
    let (pushpin, zurl) = programs.pushpin()?;
    let backend = Backend::start(super::backend::CHANNEL)?;
    let (address, publish) = (free_address()?, free_address()?);
    let folder = directory.path.display().to_string();
    std::fs::write(directory.path.join("routes"), format!("* {}\n", backend.address))?;
    let (zurl_file, file) = (directory.path.join("zurl.conf"), directory.path.join("pushpin.conf"));
    std::fs::write(&zurl_file, zurl_conf(&folder))?;
    std::fs::write(&file, pushpin_conf(&folder, address, publish))?;
    let mut processes = Vec::new();
    for (name, program, file) in [("zurl", zurl, zurl_file), ("pushpin", pushpin, file)] {
        let mut config = std::ffi::OsString::from("--config=");
        config.push(&file);
        let command = [program.into_os_string(), config];
        let process = child::other(&command, &directory.log(name), true, &programs.server_cores)?;
        processes.push((name.to_owned(), process));
    }
    for port in [address, publish] {
        if let Some((name, process)) = processes.last_mut() {
            wait_for_port(process, name, port)?;
        }
    }
    let data_bytes = plan.size_bytes.saturating_sub(FIELDS_BYTES);
    let how = ["--grip".to_owned(), super::backend::CHANNEL.to_owned()];
    let source = publisher(&format!("http://{publish}/publish/"), data_bytes, &how, programs)?;
    Ok(Running {
        name: "pushpin".to_owned(),
        targets: vec![target(address, PATH)],
        source,
        processes,
        admins: Vec::new(),
        source_is_server: false,
        certificates: None,
        watches_files: false,
        upgrades: Vec::new(),
        backend: Some(backend),
        directory,
    })
}

fn zurl_conf(folder: &str) -> String {
    let sockets: String = ["in_spec", "in_stream_spec", "out_spec", "in_req_spec"]
        .iter()
        .map(|key| format!("{key}=ipc://{folder}/zurl-{key}\n"))
        .collect();
    // By default it asks no address of this machine.
    format!(
        "[General]\n{sockets}ipc_file_mode=600\ndefpolicy=allow\nallow=\ndeny=\nmax_open_requests=20000\n\
         buffer_size=200000\ntimeout=600\nin_hwm=100000\nout_hwm=100000\n"
    )
}

fn pushpin_conf(folder: &str, address: SocketAddr, publish: SocketAddr) -> String {
    let clients = crate::control::raise_descriptor_limit().saturating_sub(SPARE);
    format!(
        "[global]\ninclude={{libdir}}/internal.conf\nrundir={folder}\nipc_prefix=lt-\nport_offset=0\n\
         [runner]\nservices=condure,pushpin-proxy,pushpin-handler\nhttp_port={address}\nlogdir={folder}\nlog_level=1\n\
         client_buffer_size=8192\nclient_maxconn={clients}\ncondure_bin=condure\n\
         [proxy]\nroutesfile={folder}/routes\ndebug=false\nupdates_check=off\n\
         zurl_out_specs=ipc://{folder}/zurl-in_spec\nzurl_out_stream_specs=ipc://{folder}/zurl-in_stream_spec\n\
         zurl_in_specs=ipc://{folder}/zurl-out_spec\n\
         [handler]\npush_in_spec=ipc://{folder}/push\npush_in_sub_specs=ipc://{folder}/push-sub\n\
         push_in_http_addr={}\npush_in_http_port={}\npush_in_http_max_headers_size=10000\n\
         push_in_http_max_body_size=1000000\nstats_spec=ipc://{folder}/stats\ncommand_spec=ipc://{folder}/command\n\
         message_rate={UNBOUNDED}\nmessage_hwm={UNBOUNDED}\nmessage_wait=5000\nconnection_subscription_max=20\n\
         subscription_linger=60\n",
        publish.ip(),
        publish.port()
    )
}
