//! The origin: an SSE server on one thread that writes stamped events on a schedule, with faults on
//! request.
//!
//! Every path is a stream of its own, opened by its first request and numbered in that order. A
//! connection starts at the head, or behind its `Last-Event-ID` where events carry ids.

mod conns;
mod orders;

use self::conns::Conn;
use super::changelog::{self, Changelog};
use super::conn::bind;
use super::fault::{Fault, Script};
use super::pace::Pace;
use super::stream::Stream;
use crate::clock::now_ns;
use crate::control::{SourceOrder, SourceReport, listen, say};
use crate::stamp::Form;
use crate::timer::Timer;
use anyhow::{Context, Result};
use mio::net::TcpListener;
use mio::{Events, Interest, Poll, Token, Waker};
use slab::Slab;
use std::collections::HashMap;
use std::io::ErrorKind;
use std::net::SocketAddr;
use std::sync::mpsc::Receiver;
use std::time::Duration;

const LISTENER: Token = Token(usize::MAX);
const TIMER: Token = Token(usize::MAX - 1);
const ORDERS: Token = Token(usize::MAX - 2);
/// Events taken from one poll.
const POLL_EVENTS: usize = 1024;
/// How far a burst is ahead of the slowest connection, in bytes: written all at once, a long one
/// would outgrow the record, and its stamps would be older than its bytes.
const BURST_AHEAD_BYTES: usize = 4 * 1024 * 1024;
/// Events of a burst between two looks at the connections.
const BURST_EVENTS: u64 = 1024;

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
    /// A stream that has been silent for this long gets a comment; zero: never.
    pub(crate) heartbeat: Duration,
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

    /// The streams take turns on one schedule, so that they don't all write at once.
    fn reschedule(&mut self) {
        let (rate, burst) = self.rate;
        let writing = self.streams.iter().filter(|stream| !stream.ended).count();
        self.pace = (rate > 0.0 && writing > 0).then(|| Pace::new(now_ns(), rate * writing as f64, burst));
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
        self.write_heartbeats(now);
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
        let readings = self.conns.iter().filter_map(|(_, conn)| conn.reading.as_ref());
        readings
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
}
