//! Clients that come back whatever happens, with the id that they had last, at the same instance or at
//! another; and what has to hold of all that they have seen.

use crate::support::relay::PATH;
use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::timeout;

/// Between two attempts.
const RECONNECT: Duration = Duration::from_millis(50);
/// An instance that does not take a connection in this time is left for the next.
const CONNECT_MAX: Duration = Duration::from_secs(2);
/// How long it may take until all have got what came last: a lease, an election, a busy machine.
const PATIENCE: Duration = Duration::from_secs(90);

/// What a client got.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Got {
    /// An event by the number in its data, and its id.
    Event(u64, String),
    /// It was told that events are missing: why.
    Gap(String),
    /// It came back with this id, here.
    Back(String, SocketAddr),
}

/// Some clients.
pub struct Witnesses {
    states: Vec<Arc<Mutex<State>>>,
    known: Arc<Mutex<Known>>,
    addresses: Arc<Mutex<Vec<SocketAddr>>>,
    tasks: JoinSet<()>,
}

/// What one client has seen. It is judged as it comes: a long run would not fit into the memory.
#[derive(Default)]
struct State {
    last_event_id: String,
    newest: Option<u64>,
    /// Told since the newest.
    gap: Option<String>,
    seen: Seen,
    /// What came last, and what was wrong first.
    tail: VecDeque<Got>,
    wrong: Option<String>,
}

/// What all of them agree on.
#[derive(Default)]
struct Known {
    ids: HashMap<u64, String>,
    numbers: HashMap<String, u64>,
    /// Between which events some were told to be missing, and why.
    holes: HashSet<(u64, u64, String)>,
}

/// What clients have seen together.
#[derive(Debug, Default)]
pub struct Seen {
    pub events: usize,
    pub back: usize,
    /// By reason.
    pub gaps: BTreeMap<String, usize>,
    /// Events that some client did not get, and was told so.
    pub told: u64,
}

impl Witnesses {
    /// Clients of these instances; they go to the next when one is gone.
    pub fn start(addresses: &[SocketAddr]) -> Self {
        Self {
            states: Vec::new(),
            known: Arc::default(),
            addresses: Arc::new(Mutex::new(addresses.to_vec())),
            tasks: JoinSet::new(),
        }
    }

    /// So many that stay where they are, spread over the instances.
    pub fn staying(mut self, clients: usize) -> Self {
        (0..clients).for_each(|n| self.add(n, Duration::MAX));
        self
    }

    /// So many that go on to the next instance about so often.
    pub fn hopping(mut self, clients: usize, every: Duration) -> Self {
        (0..clients).for_each(|n| self.add(n, every));
        self
    }

    fn add(&mut self, first: usize, every: Duration) {
        let state: Arc<Mutex<State>> = Arc::default();
        self.states.push(state.clone());
        let (addresses, known) = (self.addresses.clone(), self.known.clone());
        self.tasks.spawn(async move {
            for n in first.. {
                let address = {
                    let addresses = addresses.lock().unwrap();
                    addresses[n % addresses.len()]
                };
                let stays = match every {
                    Duration::MAX => every,
                    every => every.mul_f64(0.1 + 1.8 * fastrand::f64()),
                };
                let _ = timeout(stays, read(address, (&state, &known))).await;
                tokio::time::sleep(RECONNECT.mul_f64(fastrand::f64())).await;
            }
        });
    }

    /// Other instances from now on.
    pub fn now_at(&self, addresses: &[SocketAddr]) {
        *self.addresses.lock().unwrap() = addresses.to_vec();
    }

    /// Until each has got this one, or one behind it.
    pub async fn until(&self, number: u64) {
        let began = Instant::now();
        for (n, state) in self.states.iter().enumerate() {
            while state.lock().unwrap().newest < Some(number) {
                let waited = began.elapsed();
                assert!(
                    waited < PATIENCE,
                    "client {n} lacks {number}: {:?}",
                    state.lock().unwrap().tail
                );
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        }
    }

    /// What the newest is that any of them has got.
    pub fn newest(&self) -> u64 {
        let newest = self.states.iter().filter_map(|state| state.lock().unwrap().newest);
        newest.max().unwrap_or_default()
    }

    /// What was wrong first at any of them.
    pub fn wrong(&self) -> Option<String> {
        self.states.iter().find_map(|state| state.lock().unwrap().wrong.clone())
    }

    /// Nothing is missing or doubled in silence at any of them, and they agree on all ids. What was told
    /// to be missing in the log itself is missing everywhere.
    pub fn check(&self) -> Seen {
        let mut all = Seen::default();
        for (n, state) in self.states.iter().enumerate() {
            let state = state.lock().unwrap();
            assert_eq!(state.wrong, None, "client {n}");
            all.add(&state.seen);
        }
        let known = self.known.lock().unwrap();
        for (after, before, reason) in &known.holes {
            let got = (after + 1..*before).find(|number| known.ids.contains_key(number));
            assert!(
                got.is_none() || !IN_LOG.contains(&&**reason),
                "{reason} is told, and {got:?} came"
            );
        }
        all
    }

    /// The same where nothing may be missing at all.
    pub fn check_exact(&self) -> Seen {
        let seen = self.check();
        assert!(seen.gaps.is_empty(), "{seen:?}");
        seen
    }
}

/// Gaps that are in the log: at the same place for all.
const IN_LOG: [&str; 2] = ["upstream_reconnected", "oversized_event"];
/// What is kept of a client for who looks why.
const TAIL: usize = 24;

impl Seen {
    fn add(&mut self, other: &Self) {
        self.events += other.events;
        self.back += other.back;
        self.told += other.told;
        for (reason, times) in &other.gaps {
            *self.gaps.entry(reason.clone()).or_default() += times;
        }
    }
}

impl Known {
    /// Whether this is the event's only id, and the id's only event.
    fn agrees(&mut self, number: u64, id: &str) -> Result<(), String> {
        let known = *self.numbers.entry(id.to_owned()).or_insert(number);
        if known != number {
            return Err(format!("{id} is given to {known} and to {number}"));
        }
        let known = self.ids.entry(number).or_insert_with(|| id.to_owned());
        match known == id {
            true => Ok(()),
            false => Err(format!("event {number} has the ids {known} and {id}")),
        }
    }
}

impl State {
    fn got(&mut self, got: Got, known: &Mutex<Known>) {
        if self.tail.len() == TAIL {
            self.tail.pop_front();
        }
        self.tail.push_back(got.clone());
        match got {
            Got::Event(number, id) => {
                if let Err(why) = self.event(number, &id, &mut known.lock().unwrap()) {
                    let tail = &self.tail;
                    self.wrong
                        .get_or_insert_with(|| format!("{why} at {:?}: {tail:?}", std::time::SystemTime::now()));
                }
                (self.newest, self.gap) = (Some(number), None);
            }
            Got::Gap(reason) => {
                *self.seen.gaps.entry(reason.clone()).or_default() += 1;
                self.gap = Some(reason);
            }
            Got::Back(..) => self.seen.back += 1,
        }
    }

    fn event(&mut self, number: u64, id: &str, known: &mut Known) -> Result<(), String> {
        self.seen.events += 1;
        known.agrees(number, id)?;
        let expected = self.newest.map_or(number, |newest| newest + 1);
        if number < expected {
            return Err(format!("{number} comes behind {}", expected - 1));
        }
        if number > expected {
            let reason = self
                .gap
                .clone()
                .ok_or_else(|| format!("{expected} is lost in silence"))?;
            self.seen.told += number - expected;
            known.holes.insert((expected - 1, number, reason));
        }
        Ok(())
    }
}

/// One connection. HTTP/1.0: the body is the stream and nothing else.
async fn read(address: SocketAddr, (state, known): (&Mutex<State>, &Mutex<Known>)) -> std::io::Result<()> {
    let mut stream = timeout(CONNECT_MAX, TcpStream::connect(address)).await??;
    let id = state.lock().unwrap().last_event_id.clone();
    let last = match id.is_empty() {
        true => String::new(),
        false => format!("Last-Event-ID: {id}\r\n"),
    };
    let request = format!("GET {PATH} HTTP/1.0\r\nHost: h\r\nAccept: text/event-stream\r\n{last}\r\n");
    stream.write_all(request.as_bytes()).await?;
    let (mut bytes, mut buffer, mut is_open) = (Vec::new(), vec![0; 16 * 1024], false);
    loop {
        let n = stream.read(&mut buffer).await?;
        if n == 0 {
            return Ok(());
        }
        bytes.extend_from_slice(&buffer[..n]);
        if !is_open {
            let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") else {
                continue;
            };
            bytes.drain(..end + 4);
            is_open = true;
            if !id.is_empty() {
                state.lock().unwrap().got(Got::Back(id.clone(), address), known);
            }
        }
        let mut taken = 0;
        while let Some(end) = bytes[taken..].windows(2).position(|two| two == b"\n\n") {
            let block = String::from_utf8_lossy(&bytes[taken..taken + end + 2]);
            state.lock().unwrap().block(&block, known);
            taken += end + 2;
        }
        bytes.drain(..taken);
    }
}

impl State {
    fn block(&mut self, block: &str, known: &Mutex<Known>) {
        let (mut kind, mut data) = ("message", None);
        for line in block.lines() {
            match line.split_once(": ") {
                Some(("id", id)) => id.clone_into(&mut self.last_event_id),
                Some(("event", event)) => kind = event,
                Some(("data", text)) => data = Some(text),
                _ => {}
            }
        }
        match (kind, data) {
            ("fanfare.gap", Some(data)) => {
                let gap: serde_json::Value = serde_json::from_str(data).unwrap();
                self.got(Got::Gap(gap["reason"].as_str().unwrap().to_owned()), known);
            }
            (_, Some(data)) => self.got(Got::Event(data.parse().unwrap(), self.last_event_id.clone()), known),
            (_, None) => {}
        }
    }
}
