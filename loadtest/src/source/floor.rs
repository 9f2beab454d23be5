//! The floor: the bare write loop. What no server can undercut with the same sockets and the same
//! bytes.
//!
//! No upstream, no parsing, no poll over the clients: one thread accepts, stamps and paces; each
//! shard writes the same bytes to its sockets with plain `write`. Events that are due while a shard
//! is still writing go out together in the next round, as one `write` a socket. A socket that is
//! full is skipped, and the event is lost to it.
//!
//! On request it keeps its last events, and a client that comes back with `Last-Event-ID` gets what
//! it missed in the same `write` as the response head: the floor of a storm of reconnects.

mod replay;
mod shard;

use self::replay::Replay;
use self::shard::{Tally, Work};
use super::conn::{Request, bind, read_request, stream_head};
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
use std::io::{self, ErrorKind, IoSlice, Write};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, SyncSender, TryRecvError, sync_channel};
use std::time::Duration;

const LISTENER: Token = Token(usize::MAX);
const TIMER: Token = Token(usize::MAX - 1);
const ORDERS: Token = Token(usize::MAX - 2);
/// Work that waits for a shard: over it the schedule waits.
const SHARD_QUEUE: usize = 16 * 1024;

/// What the floor does.
#[derive(Debug, Clone)]
pub(crate) struct Options {
    pub(crate) listen: SocketAddr,
    pub(crate) form: Form,
    /// Shards; 0: one for each core.
    pub(crate) threads: usize,
    /// Events kept for clients that come back; 0: none.
    pub(crate) keep: usize,
    /// Rate and burst to begin with at once; `None`: wait for the driver's orders.
    pub(crate) start: Option<(f64, u32)>,
}

/// Runs until the driver goes, or for ever.
#[expect(clippy::too_many_lines, reason = "what a floor is made of, and the one loop over it")]
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
            std::thread::spawn(move || shard::run(&work, &tally));
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
        replay: Replay::new(options.keep),
        handshakes: Slab::new(),
    };
    say(&SourceReport::Listening {
        address: listener.local_addr()?,
        changelog: None,
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
    replay: Replay,
    handshakes: Slab<(TcpStream, Stage)>,
}

/// How far a connection has come.
enum Stage {
    /// What has come of the request.
    Request(Vec<u8>),
    /// What the socket didn't take at once, and the event that comes behind it.
    Replay(Bytes, u64),
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
                        entry.insert((socket, Stage::Request(Vec::new())));
                    }
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(_) => return,
            }
        }
    }

    /// Takes a connection as far as it gets without waiting.
    fn handshake(&mut self, index: usize, poll: &Poll) {
        let done = self.advance(index, poll);
        if !matches!(done, Ok(false)) {
            let (mut socket, _) = self.handshakes.remove(index);
            if done.is_ok() && poll.registry().deregister(&mut socket).is_ok() {
                self.turn = (self.turn + 1) % self.shards.len();
                // The shard lives as long as the process.
                let _ = self.shards[self.turn].send(Work::Client(socket.into()));
            }
        }
    }

    /// Whether a connection has all events so far, and can be a shard's.
    fn advance(&mut self, index: usize, poll: &Poll) -> io::Result<bool> {
        let Some((socket, stage)) = self.handshakes.get_mut(index) else {
            return Ok(false);
        };
        if let Stage::Request(head) = stage {
            let Some(request) = read_request(socket, head)? else {
                return Ok(false);
            };
            socket.set_nodelay(true)?;
            let (rest, upto) = self.answer(index, &request)?;
            let (socket, stage) = &mut self.handshakes[index];
            if rest.is_empty() {
                return Ok(true);
            }
            *stage = Stage::Replay(rest, upto);
            poll.registry().reregister(socket, Token(index), Interest::WRITABLE)?;
        }
        while let (socket, Stage::Replay(rest, upto)) = &mut self.handshakes[index] {
            if rest.is_empty() {
                if *upto == self.next {
                    return Ok(true);
                }
                *rest = self.replay.from(*upto, self.next);
                *upto = self.next;
            }
            match socket.write(rest) {
                Ok(written) => rest.advance(written),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) => return Err(error),
            }
        }
        Ok(false)
    }

    /// Writes the head and what the client has missed; returns what the socket didn't take, and
    /// what comes behind it.
    fn answer(&mut self, index: usize, request: &Request) -> io::Result<(Bytes, u64)> {
        if !request.chunked {
            return Err(ErrorKind::InvalidData.into());
        }
        let missed = match request.last_event_id.as_deref().and_then(replay::seq) {
            Some(after) => self.replay.from(after + 1, self.next),
            None => Bytes::new(),
        };
        let head = stream_head(true);
        let (socket, _) = &mut self.handshakes[index];
        let written = if missed.is_empty() {
            socket.write(head)?
        } else {
            socket.write_vectored(&[IoSlice::new(head), IoSlice::new(&missed)])?
        };
        // A fresh socket's buffer takes a head whole.
        let written = written.checked_sub(head.len()).ok_or(ErrorKind::WriteZero)?;
        Ok((missed.slice(written..), self.next))
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
                Ok(SourceOrder::Volley { events, over_ns }) => {
                    self.pace = Some(Pace::counted(now_ns(), events, over_ns));
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
                        batches: tally.batches.load(Ordering::Relaxed),
                        batches_ns: tally.batches_ns.load(Ordering::Relaxed),
                        changelog: None,
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
        self.pace = self.pace.filter(|pace| !pace.is_over());
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
        if self.replay.keeps() && !self.form.ids {
            replay::write_id(&mut block, self.next);
        }
        write_block(&mut block, &stamp, self.form, false);
        let framed = frame(&block);
        out.extend_from_slice(framed.bytes(true));
        self.replay.keep(framed);
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
