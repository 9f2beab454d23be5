//! An origin that publishes: each event's data is POSTed to a server that fans it out (nchan,
//! Pushpin).
//!
//! One connection kept alive, one request at a time: at high rates the server's answer is what
//! paces it, and the events' times of schedule show by how much.

use super::pace::Pace;
use crate::clock::now_ns;
use crate::control::{SourceOrder, SourceReport, say};
use crate::stamp::{Stamp, write_data};
use anyhow::{Context, Result, bail};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::mpsc::{Receiver, RecvTimeoutError, TryRecvError};
use std::time::Duration;

/// What a publisher does.
#[derive(Debug, Clone)]
pub(crate) struct Options {
    pub(crate) address: SocketAddr,
    pub(crate) authority: String,
    pub(crate) path: String,
    /// Size of the data: the server writes the fields around it.
    pub(crate) data_bytes: usize,
    pub(crate) content_type: String,
    /// A line end follows the data, for servers that keep no borders between what is published.
    pub(crate) ends_line: bool,
    /// What is published is an item for this channel, in GRIP's form.
    pub(crate) grip: Option<String>,
}

/// How long the server may take to answer.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);

/// Runs until the driver goes.
#[expect(clippy::too_many_lines, reason = "one loop over the orders that there are")]
pub(crate) fn run(options: &Options, orders: &Receiver<SourceOrder>) -> Result<()> {
    let mut socket = connect(options.address)?;
    say(&SourceReport::Listening {
        address: options.address,
        changelog: None,
    });
    let (mut pace, mut next, mut late_max_ns) = (None::<Pace>, 1, 0);
    loop {
        let order = match &pace {
            None => orders.recv_timeout(Duration::from_secs(1)),
            Some(pace) => {
                let wait = pace.next_ns().saturating_sub(now_ns());
                match wait {
                    0 => orders.try_recv().map_err(|error| match error {
                        TryRecvError::Empty => RecvTimeoutError::Timeout,
                        TryRecvError::Disconnected => RecvTimeoutError::Disconnected,
                    }),
                    wait => orders.recv_timeout(Duration::from_nanos(wait)),
                }
            }
        };
        match order {
            Ok(SourceOrder::Start {
                events_per_second,
                burst,
            }) => {
                late_max_ns = 0;
                pace = (events_per_second > 0.0).then(|| Pace::new(now_ns(), events_per_second, burst));
            }
            Ok(SourceOrder::Burst { events }) => {
                let now = now_ns();
                for _ in 0..events {
                    publish(&mut socket, options, next, now)?;
                    next += 1;
                }
            }
            Ok(SourceOrder::Volley { events, over_ns }) => {
                pace = Some(Pace::counted(now_ns(), events, over_ns));
            }
            // Its clients' streams have no end.
            Ok(SourceOrder::End) => {}
            Ok(SourceOrder::Stop) => {
                pace = None;
                say(&SourceReport::Stopped {
                    last: next - 1,
                    streams: 1,
                    skipped: 0,
                    batches: 0,
                    batches_ns: 0,
                    late_max_us: late_max_ns / 1000,
                    changelog: None,
                });
            }
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return Ok(()),
        }
        pace = pace.filter(|pace| !pace.is_over());
        if let Some((due, burst)) = pace.as_mut().and_then(|pace| pace.take(now_ns())) {
            late_max_ns = late_max_ns.max(now_ns().saturating_sub(due));
            for _ in 0..burst {
                publish(&mut socket, options, next, due)?;
                next += 1;
            }
        }
    }
}

fn publish(socket: &mut TcpStream, options: &Options, seq: u64, scheduled_ns: u64) -> Result<()> {
    let mut data = Vec::with_capacity(options.data_bytes + 32);
    write_data(
        &mut data,
        &Stamp {
            seq,
            written_ns: now_ns(),
            scheduled_ns,
            channel: None,
        },
        options.data_bytes,
        false,
    );
    if options.ends_line {
        data.push(b'\n');
    }
    if let Some(channel) = &options.grip {
        let content = format!("data: {}\n\n", String::from_utf8_lossy(&data));
        let item = serde_json::json!({"channel": channel, "formats": {"http-stream": {"content": content}}});
        data = serde_json::to_vec(&serde_json::json!({"items": [item]}))?;
    }
    let mut request = Vec::with_capacity(data.len() + 256);
    write!(
        request,
        "POST {} HTTP/1.1\r\nHost: {}\r\nContent-Type: {}\r\nContent-Length: {}\r\n\r\n",
        options.path,
        options.authority,
        options.content_type,
        data.len()
    )?;
    request.extend_from_slice(&data);
    socket.write_all(&request).context("publishing failed")?;
    if read_answer(socket)? == Connection::Closes {
        *socket = connect(options.address)?;
    }
    Ok(())
}

fn connect(address: SocketAddr) -> Result<TcpStream> {
    let socket = TcpStream::connect(address).context("can't connect to publish")?;
    socket.set_nodelay(true)?;
    socket.set_read_timeout(Some(ANSWER_TIMEOUT))?;
    Ok(socket)
}

/// What becomes of a connection after an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Connection {
    Stays,
    Closes,
}

/// Reads one response with `Content-Length`, which is what these servers answer with.
fn read_answer(socket: &mut TcpStream) -> Result<Connection> {
    let mut answer = Vec::new();
    let mut buffer = [0; 4096];
    loop {
        let read = socket.read(&mut buffer).context("no answer to a published event")?;
        if read == 0 {
            bail!("the server closed the publishing connection");
        }
        answer.extend_from_slice(&buffer[..read]);
        let Some(end) = memchr::memmem::find(&answer, b"\r\n\r\n") else {
            continue;
        };
        let head = String::from_utf8_lossy(&answer[..end]).to_ascii_lowercase();
        if !head.starts_with("http/1.1 2") {
            bail!(
                "publishing was answered with {}",
                head.lines().next().unwrap_or_default()
            );
        }
        let length = head.lines().find_map(|line| line.strip_prefix("content-length:"));
        let length: usize = length.and_then(|value| value.trim().parse().ok()).unwrap_or(0);
        if answer.len() >= end + 4 + length {
            let closes = head.lines().any(|line| line.replace(' ', "") == "connection:close");
            return Ok(if closes { Connection::Closes } else { Connection::Stays });
        }
    }
}
