//! A server of the Durable Streams protocol (crate `durable-streams`): events are appended to a stream,
//! which clients follow as server-sent events.
//!
//! Events that come while a client is behind are given out together, a line of data each, and
//! between them events of the server's own say where the stream stands. A stream is ended after a
//! minute: longer measurements have reconnects in them.

use super::directory::Directory;
use super::probe::{free_address, wait_for_port};
use super::programs::Programs;
use super::{Running, publisher, target};
use crate::driver::child;
use crate::driver::plan::Plan;
use anyhow::{Context as _, Result, ensure};
use std::ffi::OsString;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// Bytes around an event's data: the type's line, the field's name, line ends.
const FIELDS_BYTES: usize = 20;
/// The stream, and how it is followed from now on.
const STREAM: &str = "/load";
const FOLLOW: &str = "/load?offset=now&live=sse";
/// For the answer to the stream's making.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(5);

/// Starts it with its log in memory, as the relay's is by default.
pub(super) fn start(plan: &Plan, programs: &Programs, directory: Directory) -> Result<Running> {
    let program = programs.durable_streams()?;
    let address = free_address()?;
    let (port, data) = (address.port().to_string(), directory.path.join("data"));
    let command = [
        program.as_os_str(),
        "--port".as_ref(),
        port.as_ref(),
        "--data-dir".as_ref(),
        data.as_os_str(),
        "--durability".as_ref(),
        "memory".as_ref(),
    ];
    let command: Vec<OsString> = command.map(ToOwned::to_owned).to_vec();
    let log = directory.log(NAME);
    let mut process = child::other(&command, &log, true, &programs.server_cores)?;
    wait_for_port(&mut process, NAME, address)?;
    make_stream(address)?;
    let data_bytes = plan.size_bytes.saturating_sub(FIELDS_BYTES);
    let publish = ["--content-type", "text/plain", "--line"].map(str::to_owned);
    let source = publisher(&format!("http://{address}{STREAM}"), data_bytes, &publish, programs)?;
    Ok(Running {
        name: NAME.to_owned(),
        targets: vec![target(address, FOLLOW)],
        source,
        processes: vec![(NAME.to_owned(), process)],
        admins: Vec::new(),
        source_is_server: false,
        certificates: None,
        watches_files: false,
        upgrades: Vec::new(),
        backend: None,
        directory,
    })
}

const NAME: &str = "durable-streams";

fn make_stream(address: SocketAddr) -> Result<()> {
    let mut socket = TcpStream::connect(address).context("it accepted a moment ago")?;
    socket.set_read_timeout(Some(ANSWER_TIMEOUT))?;
    write!(
        socket,
        "PUT {STREAM} HTTP/1.1\r\nHost: {address}\r\nContent-Type: text/plain\r\nContent-Length: 0\r\n\r\n"
    )?;
    let mut answer = [0; 64];
    let read = socket.read(&mut answer).context("the stream is not made")?;
    let line = String::from_utf8_lossy(&answer[..read]);
    ensure!(line.starts_with("HTTP/1.1 2"), "the stream is not made: {line}");
    Ok(())
}
