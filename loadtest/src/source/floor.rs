//! The floor: the bare write loop. What no server can undercut with the same sockets and the same bytes.
//!
//! No upstream, no parsing, no poll over the clients: one thread accepts, stamps and paces; each shard writes the same
//! bytes to its sockets with plain `write`. Events that are due while a shard is still writing go out together in the
//! next round, as one `write` a socket. A socket that is full is skipped, and the event is lost to it.

use super::conn::{bind, read_request, stream_head};
use super::pace::Pace;
use super::stream::frame;
use crate::clock::now_ns;
use crate::control::{SourceOrder, SourceReport, listen, say};
use crate::proc::Cpu;
use crate::stamp::{Form, Stamp, write_block};
use crate::timer::Timer;
use anyhow::{Context, Result};
use bytes::{Buf, Bytes};
use mio::net::{TcpListener, TcpStream};
use mio::{Events, Interest, Poll, Token, Waker};
use slab::Slab;
use std::io::{ErrorKind, Write};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TryRecvError, sync_channel};
use std::time::Duration;

const LISTENER: Token = Token(usize::MAX);
const TIMER: Token = Token(usize::MAX - 1);
const ORDERS: Token = Token(usize::MAX - 2);
/// Work that waits for a shard: over it the schedule waits.
const SHARD_QUEUE: usize = 16 * 1024;
/// Batches that a full socket is tried again at once; after that only every `FULL_RETRY`th.
const FULL_PATIENCE: u32 = 64;
const FULL_RETRY: u32 = 16;

/// What the floor does.
#[derive(Debug, Clone)]
pub(crate) struct Options {
    pub(crate) listen: SocketAddr,
    pub(crate) form: Form,
    /// Shards; 0: one for each core.
    pub(crate) threads: usize,
    /// Rate and burst to begin with at once; `None`: wait for the driver's orders.
    pub(crate) start: Option<(f64, u32)>,
}

enum Work {
    Client(std::net::TcpStream),
    /// Whole events, and how many.
    Events(Bytes, u64),
}

/// What the shards have done: added up once a batch.
#[derive(Debug, Default)]
struct Tally {
    /// Events times sockets.
    written: AtomicU64,
    /// Batches that a full socket went without.
    skipped: AtomicU64,
}

/// Runs until the driver goes, or for ever.
pub(crate) fn run(options: Options) -> Result<()> {
    let mut poll = Poll::new()?;
    let mut listener = bind(options.listen).with_context(|| format!("can't listen on {}", options.listen))?;
    poll.registry().register(&mut listener, LISTENER, Interest::READABLE)?;
    let timer = Timer::new()?;
    timer.register(poll.registry(), TIMER)?;
    let orders = match options.start {
        Some(_) => None,
        None => {
            let waker = Waker::new(poll.registry(), ORDERS)?;
            Some(listen(move || {
                let _ = waker.wake();
            }))
        }
    };
    let tally = Arc::new(Tally::default());
    if options.start.is_some() {
        report_usage(&tally);
    }
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let threads = if options.threads == 0 { cores } else { options.threads };
    let shards = (0..threads)
        .map(|_| {
            let (sender, work) = sync_channel(SHARD_QUEUE);
            let tally = tally.clone();
            std::thread::spawn(move || shard(&work, &tally));
            sender
        })
        .collect();
    let mut floor = Floor {
        pace: options.start.map(|(rate, burst)| Pace::new(now_ns(), rate, burst)),
        form: options.form,
        shards,
        turn: 0,
        next: 1,
        late_max_ns: 0,
        handshakes: Slab::new(),
    };
    say(&SourceReport::Listening {
        address: listener.local_addr()?,
    });

    let mut events = Events::with_capacity(1024);
    loop {
        match poll.poll(&mut events, Some(Duration::from_secs(1))) {
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            polled => polled?,
        }
        for event in &events {
            match event.token() {
                LISTENER => floor.accept(&listener, &poll),
                TIMER => {}
                ORDERS => {
                    let Some(orders) = &orders else { continue };
                    if !floor.orders(orders, &tally) {
                        return Ok(());
                    }
                }
                Token(index) => floor.handshake(index, &poll),
            }
        }
        floor.publish_due();
        if let Some(pace) = &floor.pace {
            timer.set(pace.next_ns())?;
        }
    }
}

struct Floor {
    form: Form,
    pace: Option<Pace>,
    shards: Vec<SyncSender<Work>>,
    turn: usize,
    /// Number of the next event.
    next: u64,
    late_max_ns: u64,
    handshakes: Slab<(TcpStream, Vec<u8>)>,
}

impl Floor {
    fn accept(&mut self, listener: &TcpListener, poll: &Poll) {
        loop {
            match listener.accept() {
                Ok((mut socket, _)) => {
                    let entry = self.handshakes.vacant_entry();
                    if poll
                        .registry()
                        .register(&mut socket, Token(entry.key()), Interest::READABLE)
                        .is_ok()
                    {
                        entry.insert((socket, Vec::new()));
                    }
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(_) => return,
            }
        }
    }

    fn handshake(&mut self, index: usize, poll: &Poll) {
        let Some((socket, head)) = self.handshakes.get_mut(index) else {
            return;
        };
        let request = match read_request(socket, head) {
            Ok(None) => return,
            Ok(Some(request)) => request,
            Err(_) => {
                self.handshakes.remove(index);
                return;
            }
        };
        let (mut socket, _) = self.handshakes.remove(index);
        let ready = request.chunked
            && poll.registry().deregister(&mut socket).is_ok()
            && socket.set_nodelay(true).is_ok()
            && socket.write(stream_head(true)).is_ok();
        if ready {
            self.turn = (self.turn + 1) % self.shards.len();
            // The shard lives as long as the process.
            let _ = self.shards[self.turn].send(Work::Client(socket.into()));
        }
    }

    /// Carries out what the driver ordered; `false`: it is gone.
    fn orders(&mut self, orders: &Receiver<SourceOrder>, tally: &Tally) -> bool {
        loop {
            match orders.try_recv() {
                Ok(SourceOrder::Start {
                    events_per_second,
                    burst,
                }) => {
                    self.late_max_ns = 0;
                    self.pace = (events_per_second > 0.0).then(|| Pace::new(now_ns(), events_per_second, burst));
                }
                Ok(SourceOrder::Burst { events }) => {
                    let now = now_ns();
                    let (mut bytes, first) = (Vec::new(), self.next);
                    (0..events).for_each(|_| self.event(&mut bytes, now));
                    self.publish(bytes, first);
                }
                // Its clients' streams have no end.
                Ok(SourceOrder::End) => {}
                Ok(SourceOrder::Stop) => {
                    self.pace = None;
                    say(&SourceReport::Stopped {
                        last: self.next - 1,
                        streams: 1,
                        skipped: tally.skipped.load(Ordering::Relaxed),
                        late_max_us: self.late_max_ns / 1000,
                    });
                }
                Err(TryRecvError::Empty) => return true,
                Err(TryRecvError::Disconnected) => return false,
            }
        }
    }

    fn publish_due(&mut self) {
        /// Late by much, the schedule would gather without bound.
        const BATCH_BYTES_MAX: usize = 1 << 20;
        let (mut bytes, first) = (Vec::new(), self.next);
        while bytes.len() < BATCH_BYTES_MAX
            && let Some((due, burst)) = self.pace.as_mut().and_then(|pace| pace.take(now_ns()))
        {
            (0..burst).for_each(|_| self.event(&mut bytes, due));
            self.late_max_ns = self.late_max_ns.max(now_ns().saturating_sub(due));
        }
        self.publish(bytes, first);
    }

    fn event(&mut self, out: &mut Vec<u8>, scheduled_ns: u64) {
        let stamp = Stamp {
            seq: self.next,
            written_ns: now_ns(),
            scheduled_ns,
            channel: None,
        };
        let mut block = Vec::with_capacity(self.form.size_bytes + 32);
        write_block(&mut block, &stamp, self.form, false);
        out.extend_from_slice(frame(&block).bytes(true));
        self.next += 1;
    }

    fn publish(&self, bytes: Vec<u8>, first: u64) {
        if bytes.is_empty() {
            return;
        }
        let bytes = Bytes::from(bytes);
        for shard in &self.shards {
            let _ = shard.send(Work::Events(bytes.clone(), self.next - first));
        }
    }
}

struct Client {
    socket: std::net::TcpStream,
    /// What is left of a write that the socket took in part: it must go before anything else.
    rest: Bytes,
    /// Batches in a row that found the socket full.
    full: u32,
}

fn shard(work: &Receiver<Work>, tally: &Tally) {
    let mut clients: Vec<Client> = Vec::new();
    let mut batch: Vec<Bytes> = Vec::new();
    while let Ok(first) = work.recv() {
        let mut events = 0;
        for item in std::iter::once(first).chain(work.try_iter()) {
            match item {
                Work::Client(socket) => clients.push(Client {
                    socket,
                    rest: Bytes::new(),
                    full: 0,
                }),
                Work::Events(bytes, count) => {
                    batch.push(bytes);
                    events += count;
                }
            }
        }
        let bytes = match batch.len() {
            0 => continue,
            1 => batch.remove(0),
            _ => Bytes::from(batch.concat()),
        };
        batch.clear();
        let mut missed = 0;
        clients.retain_mut(|client| client.write(&bytes, &mut missed));
        tally.skipped.fetch_add(missed, Ordering::Relaxed);
        tally.written.fetch_add(
            events * (clients.len() as u64).saturating_sub(missed),
            Ordering::Relaxed,
        );
    }
}

impl Client {
    /// Writes what is left, then `bytes`; `false`: the client has gone.
    fn write(&mut self, bytes: &Bytes, missed: &mut u64) -> bool {
        if self.full > FULL_PATIENCE && !self.full.is_multiple_of(FULL_RETRY) {
            self.full += 1;
            *missed += 1;
            return true;
        }
        if !self.rest.is_empty() {
            match self.socket.write(&self.rest) {
                Ok(written) => self.rest.advance(written),
                Err(error) => return self.failed(&error, missed),
            }
            if !self.rest.is_empty() {
                *missed += 1;
                return true;
            }
        }
        match self.socket.write(bytes) {
            Ok(written) => {
                self.full = 0;
                if written < bytes.len() {
                    self.rest = bytes.slice(written..);
                }
                true
            }
            Err(error) => self.failed(&error, missed),
        }
    }

    /// A full socket misses the batch; any other error means that the client has gone.
    fn failed(&mut self, error: &std::io::Error, missed: &mut u64) -> bool {
        let full = error.kind() == ErrorKind::WouldBlock;
        self.full += 1;
        *missed += u64::from(full);
        full
    }
}

/// Says every second what a delivery has cost, for a floor that runs by itself.
fn report_usage(tally: &Arc<Tally>) {
    const EVERY: Duration = Duration::from_secs(1);
    let tally = tally.clone();
    std::thread::spawn(move || {
        let pids = [std::process::id()];
        let mut before = (Cpu::of(&pids), 0);
        loop {
            std::thread::sleep(EVERY);
            let now = (Cpu::of(&pids), tally.written.load(Ordering::Relaxed));
            let spent = now.0.since(&before.0);
            let deliveries = now.1 - before.1;
            before = now;
            let micros = spent.total_ns as f64 / 1e3 / deliveries.max(1) as f64;
            say(&serde_json::json!({
                "deliveries": deliveries,
                "skipped": tally.skipped.load(Ordering::Relaxed),
                "cpu_us_per_delivery": micros,
                "user_us_per_delivery": micros * spent.user_share,
                "system_us_per_delivery": micros * (1.0 - spent.user_share),
            }));
        }
    });
}
