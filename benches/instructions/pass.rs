//! A shard writes an event to its clients. The other ends of their sockets are read here before the
//! next event comes: each pass is a whole one, and no socket is ever full.

use bytes::Bytes;
use fanfare::access_log::AccessLog;
use fanfare::channel::{Admission, Channel, Coding, Publisher, Settings};
use fanfare::config::{self, Config};
use fanfare::critical::CriticalTasks;
use fanfare::delivery::{Framing, Joining, NewClient, Shards};
use fanfare::event_stream::{Parser, ParserOptions};
use fanfare::log::Epoch;
use fanfare::metrics::{Metrics, Protocol};
use fanfare::net::Stream;
use fanfare::quotas::{Budget, Quotas};
use std::io::{self, Read as _};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::sync::Arc;
use std::time::Instant;

const CLIENTS: usize = 1000;
const HEAD: &[u8] = b"HTTP/1.1 200 OK\r\n\r\n";
const SOURCE: &str = "sources:\n  s: { path: /s, upstream: \"http://127.0.0.1:9/\", heartbeat: { every: 1h } }\n";

/// Publishes so many events, and waits for each until all clients have it.
pub(crate) fn pass(events: u64) -> io::Result<()> {
    let loaded = config::read(SOURCE, "bench.yaml", &|_| None).map_err(|_| io::Error::other("no configuration"))?;
    let settings = Settings::new(loaded.config.sources[0].clone());
    let channel = Channel::new(settings, Metrics::new().source("s"), Epoch::new());
    let shards = Shards::start(1, &CriticalTasks::default(), &Arc::new(AccessLog::new(false)))?;
    let mut other_ends = join(&shards, &channel, &loaded.config)?;
    let mut publisher = channel.publisher(0);
    let mut buffer = [0; 4096];
    // All have joined before the first event, so that none of them catches up.
    for other_end in &mut other_ends {
        other_end.read_exact(&mut buffer[..HEAD.len()])?;
    }
    for n in 0..=events {
        let event = format!("data: {n:0200}\n\n");
        publish(&mut publisher, &event);
        let end = format!("{event}\r\n");
        for other_end in &mut other_ends {
            read_until(other_end, &mut buffer, end.as_bytes())?;
        }
    }
    Ok(())
}

fn join(shards: &Shards, channel: &Arc<Channel>, config: &Config) -> io::Result<Vec<TcpStream>> {
    let quotas = Quotas::new(&config.limits, &Budget::new(2 * CLIENTS, 0, 1));
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let mut other_ends = Vec::new();
    for _ in 0..CLIENTS {
        let other_end = TcpStream::connect(listener.local_addr()?)?;
        let (ours, peer) = listener.accept()?;
        let Admission {
            subscription, start, ..
        } = channel.admit(Protocol::Http11, None);
        let permit = quotas
            .admit(peer.ip(), None)
            .map_err(|_| io::Error::other("no place"))?;
        shards.hand_over(NewClient {
            stream: Stream::from(ours),
            head: Bytes::from_static(HEAD),
            framing: Framing::Chunked,
            joining: Joining {
                subscription,
                coding: Coding::Identity,
                permit,
                start,
                last_event_id: None,
                history: None,
                peer,
            },
        });
        other_ends.push(other_end);
    }
    Ok(other_ends)
}

fn publish(publisher: &mut Publisher, event: &str) {
    let mut parser = Parser::new(ParserOptions {
        event_bytes_max: 1 << 20,
        comments: false,
    });
    parser.push(Bytes::copy_from_slice(event.as_bytes()));
    while let Some(item) = parser.next_item() {
        publisher.item(item, Instant::now());
    }
    publisher.flush();
}

/// Reads what comes, up to an event's end.
fn read_until(from: &mut TcpStream, buffer: &mut [u8], end: &[u8]) -> io::Result<()> {
    let mut filled = 0;
    while !buffer[..filled].ends_with(end) {
        match from.read(&mut buffer[filled..])? {
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            n => filled += n,
        }
    }
    Ok(())
}
