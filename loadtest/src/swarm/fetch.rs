//! What clients do on a hint: each event that a client gets makes it GET something, on a connection
//! of its own, at once.
//!
//! A thread of its own makes the requests, so that streams are read while they are under way, as
//! they would be in thousands of separate programs. No more than `at_once` connections are open at
//! a time, since a process has only so many descriptors; the others wait here, and the time that an
//! answer takes runs from the event that asked for it. A fetch that is refused is not made again.

mod request;

use self::request::{Answer, Fetch};
use super::window::{encode, histogram};
use crate::clock::{SECOND_NS, now_ns};
use crate::control::{FetchSetup, Fetched};
use anyhow::{Context, Result};
use hdrhistogram::Histogram;
use mio::{Events, Poll, Token, Waker};
use slab::Slab;
use std::collections::VecDeque;
use std::io::ErrorKind;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, Sender, TryRecvError, channel};
use std::thread::JoinHandle;
use std::time::Duration;

const WAKER: Token = Token(usize::MAX);
/// Events taken from one poll.
const POLL_EVENTS: usize = 1024;
/// Events of a stream that are handed over together.
const BATCH: usize = 64;
/// Connections begun before answers are read again.
const BEGUN_PER_TURN: usize = 64;
/// From the connection's beginning to the answer's end.
const TIMEOUT_NS: u64 = 30 * SECOND_NS;
/// How often fetches that take longer are looked for.
const TIMEOUT_CHECK: Duration = Duration::from_secs(1);

/// The swarm's side.
#[derive(Debug)]
pub(crate) struct Fetcher {
    /// When the events came that have not been handed over yet.
    batch: Vec<u64>,
    events: Option<Sender<Vec<u64>>>,
    waker: Waker,
    progress: Arc<Progress>,
    thread: JoinHandle<Fetched>,
}

/// What both sides see.
#[derive(Debug, Default)]
struct Progress {
    /// Fetches asked for, and not over.
    open: AtomicU64,
    /// When the last answer came.
    answered_ns: AtomicU64,
}

impl Fetcher {
    pub(crate) fn start(setup: FetchSetup) -> Result<Self> {
        let poll = Poll::new()?;
        let waker = Waker::new(poll.registry(), WAKER)?;
        let (events, received) = channel();
        let progress = Arc::new(Progress::default());
        let crowd = Crowd::new(setup, poll, Arc::clone(&progress));
        let thread = std::thread::Builder::new()
            .name("fetch".to_owned())
            .spawn(move || crowd.run(&received))
            .context("can't start the thread that fetches")?;
        Ok(Self {
            batch: Vec::with_capacity(BATCH),
            events: Some(events),
            waker,
            progress,
            thread,
        })
    }

    /// A client has got an event at this time.
    pub(crate) fn fetch(&mut self, event_ns: u64) {
        self.progress.open.fetch_add(1, Ordering::Relaxed);
        self.batch.push(event_ns);
        if self.batch.len() >= BATCH {
            self.hand_over();
        }
    }

    /// Lets the thread have what has come.
    pub(crate) fn hand_over(&mut self) {
        if self.batch.is_empty() {
            return;
        }
        let batch = std::mem::replace(&mut self.batch, Vec::with_capacity(BATCH));
        // A thread that is gone leaves its fetches open, which the driver notices.
        if self.events.as_ref().is_some_and(|events| events.send(batch).is_ok()) {
            let _ = self.waker.wake();
        }
    }

    /// Fetches that are not over.
    pub(crate) fn open(&self) -> u64 {
        self.progress.open.load(Ordering::Relaxed)
    }

    /// When the last answer came; 0: none has.
    pub(crate) fn answered_ns(&self) -> u64 {
        self.progress.answered_ns.load(Ordering::Relaxed)
    }

    /// Ends it.
    pub(crate) fn finish(mut self) -> Fetched {
        self.hand_over();
        self.events = None;
        let _ = self.waker.wake();
        self.thread.join().unwrap_or_default()
    }
}

/// The thread's side.
struct Crowd {
    setup: FetchSetup,
    poll: Poll,
    progress: Arc<Progress>,
    request: Vec<u8>,
    /// When the events came whose fetches have not begun.
    waiting: VecDeque<u64>,
    fetches: Slab<Fetch>,
    fetched: Fetched,
    latency: Histogram<u64>,
    /// From the event to the connection's beginning.
    held: Histogram<u64>,
}

impl Crowd {
    fn new(setup: FetchSetup, poll: Poll, progress: Arc<Progress>) -> Self {
        Self {
            request: request::write(&setup.target),
            setup,
            poll,
            progress,
            waiting: VecDeque::new(),
            fetches: Slab::new(),
            fetched: Fetched::default(),
            latency: histogram(),
            held: histogram(),
        }
    }

    /// Runs until the swarm has finished.
    fn run(mut self, received: &Receiver<Vec<u64>>) -> Fetched {
        let mut events = Events::with_capacity(POLL_EVENTS);
        let mut next_check_ns = 0;
        while self.take(received) {
            let more = self.begin();
            let timeout = if more { Duration::ZERO } else { TIMEOUT_CHECK };
            match self.poll.poll(&mut events, Some(timeout)) {
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) => {
                    self.fetched.first_error.get_or_insert(error.to_string());
                    break;
                }
                Ok(()) => {}
            }
            for event in &events {
                if event.token() != WAKER {
                    self.ready(event.token().0);
                }
            }
            let now = now_ns();
            if now >= next_check_ns {
                next_check_ns = now + SECOND_NS;
                self.check_timeouts(now);
            }
        }
        Fetched {
            latency: encode(&self.latency),
            held: encode(&self.held),
            ..self.fetched
        }
    }

    /// Takes in what clients have got; `false`: the swarm has finished.
    fn take(&mut self, received: &Receiver<Vec<u64>>) -> bool {
        loop {
            match received.try_recv() {
                Ok(batch) => {
                    self.fetched.asked += batch.len() as u64;
                    batch.iter().for_each(|event_ns| self.fetched.rate.record(*event_ns));
                    self.waiting.extend(batch);
                }
                Err(TryRecvError::Empty) => return true,
                Err(TryRecvError::Disconnected) => return false,
            }
        }
    }

    /// Begins some of those that wait; says whether more could begin.
    fn begin(&mut self) -> bool {
        for _ in 0..BEGUN_PER_TURN {
            if self.fetches.len() >= self.setup.at_once.max(1) {
                return false;
            }
            let Some(event_ns) = self.waiting.pop_front() else {
                return false;
            };
            let now = now_ns();
            self.held.saturating_record(now.saturating_sub(event_ns) / 1000);
            let entry = self.fetches.vacant_entry();
            match Fetch::begin(
                &self.setup.target,
                self.poll.registry(),
                Token(entry.key()),
                event_ns,
                now,
            ) {
                Ok(fetch) => {
                    entry.insert(fetch);
                }
                Err(error) => self.over(event_ns, &Answer::Failed(error.to_string())),
            }
        }
        !self.waiting.is_empty()
    }

    fn ready(&mut self, index: usize) {
        let Some(fetch) = self.fetches.get_mut(index) else {
            return;
        };
        if let Some(answer) = fetch.ready(&self.request) {
            let fetch = self.fetches.remove(index);
            self.over(fetch.event_ns, &answer);
            fetch.close();
        }
    }

    fn check_timeouts(&mut self, now: u64) {
        let late = |(index, fetch): (usize, &Fetch)| (now.saturating_sub(fetch.begun_ns) > TIMEOUT_NS).then_some(index);
        let late: Vec<usize> = self.fetches.iter().filter_map(late).collect();
        for index in late {
            let fetch = self.fetches.remove(index);
            self.over(fetch.event_ns, &Answer::Failed("no answer in time".to_owned()));
            fetch.close();
        }
    }

    fn over(&mut self, event_ns: u64, answer: &Answer) {
        let now = now_ns();
        match answer {
            Answer::Served => {
                self.fetched.served += 1;
                self.latency.saturating_record(now.saturating_sub(event_ns) / 1000);
            }
            Answer::Refused => self.fetched.refused += 1,
            Answer::Failed(reason) => {
                self.fetched.failed += 1;
                self.fetched.first_error.get_or_insert_with(|| reason.clone());
            }
        }
        self.progress.answered_ns.store(now, Ordering::Relaxed);
        self.progress.open.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::control::Target;
    use crate::source::changelog::{Changelog, Options};
    use crate::stamp::HINT_PATH;

    fn fetcher(connections: usize, at_once: usize, path: &str) -> (Fetcher, Changelog) {
        let server = Changelog::start(Options {
            listen: ([127, 0, 0, 1], 0).into(),
            connections,
            service: Duration::from_millis(20),
        })
        .expect("a free port");
        let target = Target {
            tls: false,
            address: server.address,
            authority: server.address.to_string(),
            path: path.to_owned(),
        };
        (
            Fetcher::start(FetchSetup { target, at_once }).expect("a thread"),
            server,
        )
    }

    fn fetch(mut fetcher: Fetcher, count: u64) -> Fetched {
        (0..count).for_each(|_| fetcher.fetch(now_ns()));
        fetcher.hand_over();
        while fetcher.open() > 0 {
            std::thread::sleep(Duration::from_millis(1));
        }
        assert!(fetcher.answered_ns() > 0);
        fetcher.finish()
    }

    #[test]
    fn every_event_is_a_request() {
        let (fetcher, server) = fetcher(1_000, 10, HINT_PATH);
        let fetched = fetch(fetcher, 200);
        assert_eq!(
            (fetched.asked, fetched.served, fetched.refused),
            (200, 200, 0),
            "{fetched:?}"
        );
        let counts = server.counts();
        assert_eq!((counts.requests, counts.served), (200, 200));
        assert!((1..=10).contains(&counts.at_once_max), "{counts:?}");
        // 20 rounds of 20 ms: the wait for a place belongs to it.
        let mut latency = histogram();
        super::super::window::add_encoded(&mut latency, &fetched.latency);
        assert!(latency.max() >= 390_000, "{}", latency.max());
    }

    #[test]
    fn who_is_refused_stays_away() {
        let (fetcher, server) = fetcher(5, 100, HINT_PATH);
        let fetched = fetch(fetcher, 100);
        assert!(fetched.refused > 0 && fetched.failed == 0, "{fetched:?}");
        let counts = server.counts();
        assert_eq!((counts.served, counts.refused), (fetched.served, fetched.refused));
        assert_eq!(counts.requests, 100);
    }
}
