//! The origin: an SSE server on one thread that writes stamped events on a schedule, with faults on request.
//!
//! Every path is a stream of its own, opened by its first request and numbered in that order. A connection starts at
//! the head, or behind its `Last-Event-ID` where events carry ids.

use super::changelog::{self, Changelog};
use super::conn::{Cursor, Pumped, Request, bind, read_request, stream_head};
use super::fault::{Fault, Script};
use super::pace::Pace;
use super::stream::{Stream, frame};
use crate::clock::{SECOND_NS, now_ns};
use crate::control::{SourceOrder, SourceReport, listen, say};
use crate::stamp::{Form, seq_of_id};
use crate::timer::Timer;
use anyhow::{Context, Result};
use mio::net::{TcpListener, TcpStream};
use mio::{Events, Interest, Poll, Token, Waker};
use slab::Slab;
use std::collections::HashMap;
use std::io::{ErrorKind, Write};
use std::net::SocketAddr;
use std::sync::mpsc::{Receiver, TryRecvError};
use std::time::Duration;

const LISTENER: Token = Token(usize::MAX);
const TIMER: Token = Token(usize::MAX - 1);
const ORDERS: Token = Token(usize::MAX - 2);
/// Events taken from one poll.
const POLL_EVENTS: usize = 1024;
/// How far a burst is ahead of the slowest connection, in bytes: written all at once, a long one would outgrow the
/// record, and its stamps would be older than its bytes.
const BURST_AHEAD_BYTES: usize = 4 * 1024 * 1024;
/// Events of a burst between two looks at the connections.
const BURST_EVENTS: u64 = 1024;
/// How often a trickle gives out bytes.
const TRICKLE_NS: u64 = SECOND_NS / 100;

/// What the origin does.
#[derive(Debug, Clone)]
pub(crate) struct Options {
    pub(crate) listen: SocketAddr,
    pub(crate) form: Form,
    /// Paths that are served; more are answered with 404.
    pub(crate) streams: usize,
    /// Each stream ends after this many events; 0: never.
    pub(crate) events: u64,
    pub(crate) faults: Vec<Fault>,
    /// Rate and burst to begin with at once; `None`: wait for the driver's orders.
    pub(crate) start: Option<(f64, u32)>,
    /// Serves a change log too, and every event is a hint at it.
    pub(crate) changelog: Option<changelog::Options>,
}

/// Runs until the driver goes, or for ever.
pub(crate) fn run(options: Options) -> Result<()> {
    let mut origin = Origin::bind(options)?;
    let mut events = Events::with_capacity(POLL_EVENTS);
    loop {
        let timeout = Duration::from_nanos(origin.script.tick_ns());
        match origin.poll.poll(&mut events, Some(timeout)) {
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            polled => polled?,
        }
        for event in &events {
            match event.token() {
                LISTENER => origin.accept(),
                TIMER => {}
                ORDERS => {
                    if !origin.orders() {
                        return Ok(());
                    }
                }
                Token(index) => origin.ready(index),
            }
        }
        origin.work()?;
    }
}

struct Origin {
    poll: Poll,
    listener: TcpListener,
    timer: Timer,
    orders: Option<Receiver<SourceOrder>>,
    options: Options,
    changelog: Option<Changelog>,
    script: Script,
    conns: Slab<Conn>,
    streams: Vec<Stream>,
    paths: HashMap<String, usize>,
    pace: Option<Pace>,
    /// Rate and burst of the schedule in force, for one stream.
    rate: (f64, u32),
    /// The stream whose turn it is.
    turn: usize,
    late_max_ns: u64,
    /// What each stream has left of a burst, and when it was ordered.
    bursting: u64,
    burst_ns: u64,
    /// The next event of every stream is its last.
    ending: bool,
    was_silent: bool,
    trickled_ns: u64,
}

struct Conn {
    socket: TcpStream,
    head: Vec<u8>,
    /// `None` until the request is whole.
    place: Option<(usize, Cursor)>,
}

impl Origin {
    fn bind(mut options: Options) -> Result<Self> {
        let changelog = options.changelog.map(Changelog::start).transpose()?;
        options.form.hint = changelog.as_ref().map(|changelog| changelog.address);
        let poll = Poll::new()?;
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
        let address = listener.local_addr()?;
        let now = now_ns();
        let mut origin = Self {
            script: Script::new(options.faults.clone(), now),
            rate: options.start.unwrap_or((0.0, 1)),
            poll,
            listener,
            timer,
            orders,
            options,
            changelog,
            conns: Slab::new(),
            streams: Vec::new(),
            paths: HashMap::new(),
            pace: None,
            turn: 0,
            late_max_ns: 0,
            bursting: 0,
            burst_ns: now,
            ending: false,
            was_silent: false,
            trickled_ns: now,
        };
        say(&SourceReport::Listening {
            address,
            changelog: origin.options.form.hint,
        });
        origin.reschedule();
        Ok(origin)
    }

    /// Carries out what the driver ordered; `false`: it is gone.
    fn orders(&mut self) -> bool {
        loop {
            let Some(orders) = &self.orders else { return true };
            match orders.try_recv() {
                Ok(SourceOrder::Start {
                    events_per_second,
                    burst,
                }) => {
                    self.rate = (events_per_second, burst);
                    self.late_max_ns = 0;
                    self.reschedule();
                }
                Ok(SourceOrder::Burst { events }) => {
                    self.bursting += events;
                    self.burst_ns = now_ns();
                    self.go_on_bursting();
                }
                Ok(SourceOrder::Volley { events, over_ns }) => {
                    self.pace = Some(Pace::counted(now_ns(), events, over_ns));
                }
                Ok(SourceOrder::End) => {
                    // All at the same length: who counts what clients got needs one number.
                    let longest = self.streams.iter().map(Stream::next).max().unwrap_or(1);
                    for index in 0..self.streams.len() {
                        while self.streams[index].next() < longest && !self.streams[index].ended {
                            self.write(index, now_ns());
                        }
                    }
                    self.ending = true;
                    for index in 0..self.streams.len() {
                        self.write(index, now_ns());
                        self.pump_readers(index);
                    }
                }
                Ok(SourceOrder::Stop) => {
                    self.rate.0 = 0.0;
                    self.pace = None;
                    self.bursting = 0;
                    let last = self.streams.iter().map(|stream| stream.next() - 1).max().unwrap_or(0);
                    let streams = self.streams.len() as u64;
                    say(&SourceReport::Stopped {
                        last,
                        streams,
                        skipped: 0,
                        late_max_us: self.late_max_ns / 1000,
                        changelog: self.changelog.as_ref().map(Changelog::counts),
                    });
                }
                Err(TryRecvError::Empty) => return true,
                Err(TryRecvError::Disconnected) => return false,
            }
        }
    }

    /// The streams take turns on one schedule, so that they don't all write at once.
    fn reschedule(&mut self) {
        let (rate, burst) = self.rate;
        let writing = self.streams.iter().filter(|stream| !stream.ended).count();
        self.pace = (rate > 0.0 && writing > 0).then(|| Pace::new(now_ns(), rate * writing as f64, burst));
    }

    fn accept(&mut self) {
        loop {
            match self.listener.accept() {
                Ok((mut socket, _)) => {
                    let entry = self.conns.vacant_entry();
                    let interest = Interest::READABLE | Interest::WRITABLE;
                    // A socket that can't be watched is dropped, which its peer sees as a refusal.
                    let _ = socket.set_nodelay(true);
                    if self
                        .poll
                        .registry()
                        .register(&mut socket, Token(entry.key()), interest)
                        .is_ok()
                    {
                        entry.insert(Conn {
                            socket,
                            head: Vec::new(),
                            place: None,
                        });
                    }
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                // WouldBlock, or no descriptors: the next connection tries again.
                Err(_) => return,
            }
        }
    }

    fn ready(&mut self, index: usize) {
        let Some(conn) = self.conns.get_mut(index) else { return };
        if conn.place.is_some() {
            let open = still_open(&mut conn.socket) && self.pump(index);
            if !open {
                self.close(index);
            }
            return;
        }
        match read_request(&mut conn.socket, &mut conn.head) {
            Ok(None) => {}
            Ok(Some(request)) => {
                conn.head = Vec::new();
                if !self.open(index, &request) {
                    self.close(index);
                }
            }
            Err(_) => self.close(index),
        }
    }

    /// Answers a request; `false`: the connection ends.
    fn open(&mut self, index: usize, request: &Request) -> bool {
        let status = self.script.status(now_ns());
        let stream = match status {
            Some(_) => None,
            None => self.stream(&request.path),
        };
        let conn = &mut self.conns[index];
        let Some(stream_index) = stream else {
            let status = status.unwrap_or(404);
            let head = format!("HTTP/1.1 {status} Scripted\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
            let _ = conn.socket.write(head.as_bytes());
            return false;
        };
        let stream = &mut self.streams[stream_index];
        let form = self.options.form;
        let resume = request
            .last_event_id
            .as_deref()
            .filter(|_| form.ids || form.hint.is_some());
        let after: Option<u64> = resume.and_then(seq_of_id);
        let seq = match after {
            Some(id) => (id + 1).clamp(stream.oldest(), stream.next()),
            None => stream.next(),
        };
        if stream.ended && seq == stream.next() {
            let _ = conn
                .socket
                .write(b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n");
            return false;
        }
        // A fresh socket's buffer takes a head whole.
        if conn.socket.write(stream_head(request.chunked)).is_err() {
            return false;
        }
        conn.place = Some((
            stream_index,
            Cursor {
                seq,
                offset: 0,
                chunked: request.chunked,
            },
        ));
        stream.readers.push(index);
        self.pump(index)
    }

    /// The stream of a path, opened if there is room.
    fn stream(&mut self, path: &str) -> Option<usize> {
        if let Some(index) = self.paths.get(path) {
            return Some(*index);
        }
        let index = self.streams.len();
        if index == self.options.streams {
            return None;
        }
        let channel = (self.options.streams > 1).then(|| u32::try_from(index).unwrap_or(u32::MAX));
        self.streams
            .push(Stream::new(channel, self.options.form, self.options.streams));
        self.paths.insert(path.to_owned(), index);
        self.reschedule();
        Some(index)
    }

    /// Everything that is due.
    fn work(&mut self) -> Result<()> {
        let now = now_ns();
        if self.script.cut(now) {
            self.cut_all();
        }
        while let Some(pace) = &mut self.pace {
            let Some((due, burst)) = pace.take(now_ns()) else { break };
            let Some(index) = self.next_turn() else { break };
            for _ in 0..burst {
                self.write(index, due);
            }
            self.pump_readers(index);
        }
        self.go_on_bursting();
        let silent = self.script.silent(now);
        if std::mem::replace(&mut self.was_silent, silent) && !silent || self.script.trickling(now) {
            (0..self.streams.len()).for_each(|index| self.pump_readers(index));
        }
        self.pace = self.pace.filter(|pace| !pace.is_over());
        if let Some(pace) = &self.pace {
            self.timer.set(pace.next_ns())?;
        }
        Ok(())
    }

    /// Writes what is left of a burst, as far as the connections keep up.
    fn go_on_bursting(&mut self) {
        let ahead_max = (BURST_AHEAD_BYTES / self.options.form.size_bytes.max(1)) as u64;
        while self.bursting > 0 && self.lag_max() < ahead_max {
            let events = self.bursting.min(BURST_EVENTS);
            self.bursting -= events;
            for index in 0..self.streams.len() {
                (0..events).for_each(|_| self.write(index, self.burst_ns));
                self.pump_readers(index);
            }
        }
    }

    /// Events that the slowest connection has not been written yet.
    fn lag_max(&self) -> u64 {
        let places = self.conns.iter().filter_map(|(_, conn)| conn.place.as_ref());
        places
            .map(|(stream, cursor)| self.streams[*stream].next() - cursor.seq)
            .max()
            .unwrap_or(0)
    }

    fn next_turn(&mut self) -> Option<usize> {
        let count = self.streams.len();
        let found = (0..count)
            .map(|step| (self.turn + step) % count)
            .find(|index| !self.streams[*index].ended)?;
        self.turn = (found + 1) % count;
        Some(found)
    }

    fn write(&mut self, index: usize, due_ns: u64) {
        let stream = &mut self.streams[index];
        if !stream.ended {
            let end = self.ending || stream.next() == self.options.events;
            let written = stream.write(due_ns, end);
            self.late_max_ns = self.late_max_ns.max(written.saturating_sub(due_ns));
            if end {
                self.reschedule();
            }
        }
    }

    fn pump_readers(&mut self, index: usize) {
        let readers = std::mem::take(&mut self.streams[index].readers);
        let mut gone = Vec::new();
        for reader in &readers {
            if !self.pump(*reader) {
                gone.push(*reader);
            }
        }
        self.streams[index].readers = readers;
        gone.into_iter().for_each(|reader| self.close(reader));
    }

    /// Writes to a connection what it has coming; `false`: it ends.
    fn pump(&mut self, index: usize) -> bool {
        let now = now_ns();
        if self.script.silent(now) {
            return true;
        }
        let mut allowance = usize::MAX;
        if self.script.trickling(now) {
            if now - self.trickled_ns < TRICKLE_NS {
                return true;
            }
            self.trickled_ns = now;
            allowance = (super::fault::TRICKLE_BYTES_PER_SECOND * TRICKLE_NS / SECOND_NS) as usize;
        }
        let Some(conn) = self.conns.get_mut(index) else {
            return false;
        };
        let Some((stream, cursor)) = &mut conn.place else {
            return true;
        };
        let stream = &self.streams[*stream];
        match cursor.pump(&mut conn.socket, stream, &mut allowance) {
            Ok(Pumped::Level) if stream.ended => {
                if cursor.chunked {
                    let _ = conn.socket.write(b"0\r\n\r\n");
                }
                false
            }
            Ok(Pumped::Level | Pumped::Full) => true,
            Ok(Pumped::Overrun) | Err(_) => false,
        }
    }

    fn close(&mut self, index: usize) {
        if let Some(conn) = self.conns.try_remove(index)
            && let Some((stream, _)) = conn.place
        {
            self.streams[stream].readers.retain(|reader| *reader != index);
        }
    }

    /// Every connection gets the first half of an event, then its end.
    fn cut_all(&mut self) {
        let half = frame(b"data: {\"seq\":123456789,\"t_ns\":123456789,\"t_sched\":123456789}\n\n");
        for (_, conn) in &mut self.conns {
            if let Some((_, cursor)) = &conn.place
                && cursor.offset == 0
            {
                let bytes = half.bytes(cursor.chunked);
                let _ = conn.socket.write(&bytes[..bytes.len() / 2]);
            }
        }
        self.conns.clear();
        self.streams.iter_mut().for_each(|stream| stream.readers.clear());
    }
}

/// Reads and drops what a client of an event stream has no reason to send; `false`: it has gone.
fn still_open(socket: &mut TcpStream) -> bool {
    use std::io::Read;
    let mut buffer = [0; 512];
    loop {
        match socket.read(&mut buffer) {
            Ok(0) => return false,
            Ok(_) => {}
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return error.kind() == ErrorKind::WouldBlock,
        }
    }
}
