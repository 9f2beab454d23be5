//! The small server behind the hints: a change log that clients GET, on a thread and a port of its
//! own, so that what clients do to it doesn't delay the event stream.
//!
//! It stands for an origin with a fixed number of connections, each of which is busy for as long as
//! a request takes: one request a connection, answered after the service time. A connection over
//! the number is closed at once and unread, and counts as refused. There is no queue but the
//! kernel's, which is emptied as fast as this thread runs.

use super::conn::{bind, read_request};
use crate::clock::{SECOND_NS, now_ns};
use crate::rate::Series;
use crate::stamp::HINT_PATH;
use crate::timer::Timer;
use anyhow::{Context, Result};
use mio::net::{TcpListener, TcpStream};
use mio::{Events, Interest, Poll, Token};
use serde::{Deserialize, Serialize};
use slab::Slab;
use std::collections::VecDeque;
use std::io::{ErrorKind, Write};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// What a servlet container has, and what a feed may cost it: 4,000 requests a second at the most.
pub(crate) const CONNECTIONS: usize = 200;
pub(crate) const SERVICE: Duration = Duration::from_millis(50);
pub(crate) const SERVICE_TEXT: &str = "50ms";

const LISTENER: Token = Token(usize::MAX);
const TIMER: Token = Token(usize::MAX - 1);
/// Events taken from one poll.
const POLL_EVENTS: usize = 1024;
/// Connections accepted before answers that are due go out.
const ACCEPTS_PER_TURN: usize = 64;
/// How long a connection may take to send its request.
const REQUEST_TIMEOUT_NS: u64 = 10 * SECOND_NS;
/// How often those that take longer are looked for.
const TIMEOUT_CHECK: Duration = Duration::from_secs(1);

/// What the server has.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Options {
    pub(crate) listen: SocketAddr,
    /// Requests that it serves at the same time.
    pub(crate) connections: usize,
    /// How long each takes.
    pub(crate) service: Duration,
}

/// What came to it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Counts {
    /// Connections, each of them a request.
    pub(crate) requests: u64,
    /// The most of them in a second, and in a tenth of a second, scaled.
    pub(crate) peak_per_s: u64,
    pub(crate) peak_of_100ms_per_s: u64,
    pub(crate) served: u64,
    pub(crate) refused: u64,
    /// Connections that ended before their answer, or asked for something else.
    pub(crate) failed: u64,
    /// The most served at the same time.
    pub(crate) at_once_max: u64,
}

/// The server's thread, which ends with the process.
#[derive(Debug)]
pub(crate) struct Changelog {
    pub(crate) address: SocketAddr,
    seen: Arc<Mutex<Seen>>,
}

impl Changelog {
    pub(crate) fn start(options: Options) -> Result<Self> {
        let mut server = Server::bind(options)?;
        let address = server.listener.local_addr()?;
        let seen = Arc::clone(&server.seen);
        std::thread::Builder::new()
            .name("changelog".to_owned())
            .spawn(move || {
                if let Err(error) = server.run() {
                    // Clients' fetches fail from now on, and a run says so; the origin's stderr
                    // says why.
                    let _ = writeln!(std::io::stderr(), "the change log has ended: {error:#}");
                }
            })
            .context("can't start the change log's thread")?;
        Ok(Self { address, seen })
    }

    pub(crate) fn counts(&self) -> Counts {
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        Counts {
            peak_per_s: seen.arrivals.peak_per_second(),
            peak_of_100ms_per_s: seen.arrivals.peak_of_slot_per_second(),
            ..seen.counts
        }
    }
}

#[derive(Debug, Default)]
struct Seen {
    /// Without the peaks, which follow from the arrivals.
    counts: Counts,
    arrivals: Series,
}

struct Server {
    options: Options,
    poll: Poll,
    listener: TcpListener,
    timer: Timer,
    conns: Slab<Conn>,
    /// When answers are due, and to which connection: in order, since all take the same time. Every
    /// connection named here stays in `conns`.
    due: VecDeque<(u64, usize)>,
    seen: Arc<Mutex<Seen>>,
    answer: Vec<u8>,
}

struct Conn {
    socket: TcpStream,
    head: Vec<u8>,
    accepted_ns: u64,
    /// The request is whole, and its answer is due some time.
    asked: bool,
}

impl Server {
    fn bind(options: Options) -> Result<Self> {
        let poll = Poll::new()?;
        let mut listener =
            bind(options.listen).with_context(|| format!("can't listen on {} for the change log", options.listen))?;
        poll.registry().register(&mut listener, LISTENER, Interest::READABLE)?;
        let timer = Timer::new()?;
        timer.register(poll.registry(), TIMER)?;
        let answer = answer(listener.local_addr()?);
        Ok(Self {
            options,
            poll,
            listener,
            timer,
            conns: Slab::new(),
            due: VecDeque::new(),
            seen: Arc::default(),
            answer,
        })
    }

    fn run(&mut self) -> Result<()> {
        let mut events = Events::with_capacity(POLL_EVENTS);
        let mut more = false;
        let mut next_check_ns = 0;
        loop {
            let timeout = if more { Duration::ZERO } else { TIMEOUT_CHECK };
            match self.poll.poll(&mut events, Some(timeout)) {
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                polled => polled?,
            }
            for event in &events {
                match event.token() {
                    LISTENER => more = true,
                    TIMER => {}
                    Token(index) => self.ready(index),
                }
            }
            if more {
                more = self.accept();
            }
            let now = now_ns();
            self.serve(now);
            if now >= next_check_ns {
                next_check_ns = now + REQUEST_TIMEOUT_NS / 10;
                self.conns
                    .retain(|_, conn| conn.asked || now.saturating_sub(conn.accepted_ns) < REQUEST_TIMEOUT_NS);
            }
            if let Some((due, _)) = self.due.front() {
                self.timer.set(*due)?;
            }
        }
    }

    /// Accepts some of the waiting connections; says whether there may be more.
    fn accept(&mut self) -> bool {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        for _ in 0..ACCEPTS_PER_TURN {
            let mut socket = match self.listener.accept() {
                Ok((socket, _)) => socket,
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                // WouldBlock, or no descriptors: the next connection tries again.
                Err(_) => return false,
            };
            let now = now_ns();
            seen.counts.requests += 1;
            seen.arrivals.record(now);
            let entry = self.conns.vacant_entry();
            let token = Token(entry.key());
            if self.options.connections < self.conns.len() + 1 {
                // Dropped unread: its peer sees the end, or a reset.
                seen.counts.refused += 1;
                continue;
            }
            // Without it the answer is as good, and later.
            let _ = socket.set_nodelay(true);
            match self.poll.registry().register(&mut socket, token, Interest::READABLE) {
                Ok(()) => {
                    self.conns.insert(Conn {
                        socket,
                        head: Vec::new(),
                        accepted_ns: now,
                        asked: false,
                    });
                    seen.counts.at_once_max = seen.counts.at_once_max.max(self.conns.len() as u64);
                }
                Err(_) => seen.counts.failed += 1,
            }
        }
        true
    }

    fn ready(&mut self, index: usize) {
        let Some(conn) = self.conns.get_mut(index).filter(|conn| !conn.asked) else {
            return;
        };
        match read_request(&mut conn.socket, &mut conn.head) {
            Ok(None) => {}
            Ok(Some(request)) if request.path == HINT_PATH => {
                conn.asked = true;
                let service_ns = crate::clock::ns(self.options.service);
                self.due.push_back((now_ns() + service_ns, index));
            }
            Ok(Some(_)) | Err(_) => {
                self.seen().counts.failed += 1;
                self.conns.remove(index);
            }
        }
    }

    /// Answers what is due.
    fn serve(&mut self, now: u64) {
        if self.due.front().is_none_or(|(due, _)| *due > now) {
            return;
        }
        // Locked over the writes, so that a client that has its answer finds it counted.
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        while let Some((_, index)) = self.due.front().copied().filter(|(due, _)| *due <= now) {
            self.due.pop_front();
            let Some(mut conn) = self.conns.try_remove(index) else {
                continue;
            };
            // A fresh socket's buffer takes an answer whole.
            match conn.socket.write(&self.answer) {
                Ok(written) if written == self.answer.len() => seen.counts.served += 1,
                _ => seen.counts.failed += 1,
            }
        }
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A feed with one entry.
fn answer(address: SocketAddr) -> Vec<u8> {
    let url = format!("http://{address}{HINT_PATH}");
    let body = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<feed xmlns=\"http://www.w3.org/2005/Atom\">\n<id>{url}</id>\n\
         <title>Change log</title>\n<updated>2026-01-01T00:00:00Z</updated>\n<link rel=\"self\" href=\"{url}\"/>\n\
         <link rel=\"previous\" href=\"{url}/after/1\"/>\n<entry><id>{url}/1</id><title>update</title>\
         <updated>2026-01-01T00:00:00Z</updated></entry>\n</feed>\n"
    );
    let head = format!(
        "HTTP/1.1 200 OK\r\nContent-Type: application/atom+xml\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        body.len()
    );
    [head, body].concat().into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read;

    fn ask(address: SocketAddr, path: &str) -> std::net::TcpStream {
        let mut socket = std::net::TcpStream::connect(address).expect("it listens");
        // A refused connection may be closed by now.
        let _ = socket.write_all(format!("GET {path} HTTP/1.1\r\nHost: x\r\n\r\n").as_bytes());
        socket
    }

    /// A reset is an end too.
    fn answer_of(mut socket: std::net::TcpStream) -> String {
        let mut text = String::new();
        let _ = socket.read_to_string(&mut text);
        text
    }

    #[test]
    fn who_comes_over_the_number_is_refused() {
        let server = Changelog::start(Options {
            listen: ([127, 0, 0, 1], 0).into(),
            connections: 2,
            service: Duration::from_millis(500),
        })
        .expect("a free port");
        let asked: Vec<_> = (0..5).map(|_| ask(server.address, HINT_PATH)).collect();
        let answers: Vec<String> = asked.into_iter().map(answer_of).collect();
        let served = answers
            .iter()
            .filter(|text| text.starts_with("HTTP/1.1 200 OK\r\n"))
            .count();
        assert_eq!((served, answers[2..].concat().as_str()), (2, ""));
        // There is room again.
        assert!(answer_of(ask(server.address, HINT_PATH)).ends_with("</feed>\n"));
        assert_eq!(answer_of(ask(server.address, "/else")), "");
        let counts = server.counts();
        assert_eq!(
            (
                counts.requests,
                counts.served,
                counts.refused,
                counts.failed,
                counts.at_once_max
            ),
            (7, 3, 3, 1, 2)
        );
        assert!((5..=7).contains(&counts.peak_per_s), "{counts:?}");
    }
}
