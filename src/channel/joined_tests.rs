//! Any history of sources, clients that come and go, sets of sources that change, and siblings that
//! have seen the same in another order: of each source a client gets everything in order, or is told
//! which source has a gap; and nothing twice, but where an id does not say more.

use crate::channel::{Beginning, Channel, LongIds, Publisher, Settings, Subscription};
use crate::event_stream::{Event, Parser, ParserOptions};
use crate::log::{Cursor, Entry, Epoch, Read, WantedStart};
use crate::metrics::{Metrics, Protocol};
use bytes::Bytes;
use proptest::prelude::*;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Instant;

const CLIENTS: usize = 3;
const SOURCES: usize = 3;
const NAMES: [&str; SOURCES] = ["a", "b,:", "c"];
const RELAYS: usize = 2;

#[derive(Debug, Clone)]
enum Step {
    /// So many events of a source, with ids of their own or not.
    Publish(usize, usize, bool),
    /// The origin of a source could not resume.
    Reconnect(usize),
    /// A client comes, or comes back: to a relay, for these sources, with the last of so many events
    /// if it has no id.
    Join(usize, usize, u8, Option<u64>),
    Read(usize, usize),
    Cut(usize),
    /// Joined channels without clients are let go.
    LetGo,
    Sweep,
}

fn step() -> impl Strategy<Value = Step> {
    let (client, source) = (0..CLIENTS, 0..SOURCES);
    prop_oneof![
        8 => (source.clone(), 1..4_usize, prop::bool::weighted(0.8)).prop_map(|(s, n, id)| Step::Publish(s, n, id)),
        1 => source.prop_map(Step::Reconnect),
        4 => (client.clone(), 0..RELAYS, 1..8_u8, prop::option::of(0..6_u64))
            .prop_map(|(client, relay, set, last)| Step::Join(client, relay, set, last)),
        6 => (client.clone(), 1..8_usize).prop_map(|(client, entries)| Step::Read(client, entries)),
        2 => client.prop_map(Step::Cut),
        1 => Just(Step::LetGo),
        1 => Just(Step::Sweep),
    ]
}

/// One relay: the channels of its sources, and what is put together from them.
struct Relay {
    channels: Vec<Arc<Channel>>,
    publishers: Vec<Publisher>,
    /// What has not come here yet.
    to_come: [Vec<String>; SOURCES],
    joined: HashMap<u8, Arc<Channel>>,
    settings: Settings,
    metrics: Arc<Metrics>,
    long_ids: Arc<LongIds>,
}

struct World {
    relays: Vec<Relay>,
    passes_ids: [bool; SOURCES],
    /// Of each source.
    published: [u64; SOURCES],
    may_repeat: bool,
    clients: [Client; CLIENTS],
}

#[derive(Default)]
struct Client {
    stream: Option<Stream>,
    last_event_id: Bytes,
    /// Where the id is from.
    relay: usize,
    /// The newest number of each source that it has had.
    had: [Option<u64>; SOURCES],
    /// Its id may name an earlier place.
    may_repeat: [bool; SOURCES],
}

struct Stream {
    subscription: Subscription,
    set: u8,
    next: Cursor,
    expected: [Expected; SOURCES],
}

/// The next number of a source.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Expected {
    /// This one.
    Exactly(u64),
    /// This one, or one that has been had before.
    UpTo(u64),
    /// Any: a gap was told, or it starts there.
    Any,
}

impl Relay {
    fn new(events_max: usize, bytes: &str, passes_ids: [bool; SOURCES]) -> Self {
        let metrics = Metrics::new();
        let config = |n: usize| {
            let ids = if passes_ids[n] { "pass" } else { "assign" };
            let yaml = format!(
                "sources:\n  \"{}\": {{ path: /e, upstream: \"http://127.0.0.1:9/\", ids: {ids}, log: {{ events: {events_max} \
                 }}, slow_client: {{ bytes: {bytes} }} }}\ncombine: [{{ path: /all, sources: [\"{}\"] }}]\n",
                NAMES[n], NAMES[n]
            );
            crate::config::read(&yaml, "test.yaml", &|_| None).unwrap().config
        };
        let channel = |n: usize| {
            let settings = Settings::new(config(n).sources[0].clone());
            Channel::new(settings, metrics.source(NAMES[n]), Epoch::new())
        };
        let channels: Vec<_> = (0..SOURCES).map(channel).collect();
        let first = config(0);
        let mut settings = first.combine[0].settings(&first.sources).unwrap();
        settings.log.events *= SOURCES;
        Self {
            publishers: channels.iter().map(|channel| channel.publisher(0)).collect(),
            channels,
            to_come: Default::default(),
            joined: HashMap::new(),
            settings: Settings::new(Arc::new(settings)),
            metrics,
            long_ids: Arc::new(LongIds::new()),
        }
    }

    fn come(&mut self, source: usize) {
        for block in std::mem::take(&mut self.to_come[source]) {
            let publisher = &mut self.publishers[source];
            if block.is_empty() {
                publisher.connected(false);
                continue;
            }
            let mut parser = Parser::new(ParserOptions {
                event_bytes_max: 1000,
                comments: false,
            });
            parser.push(Bytes::from(block));
            while let Some(item) = parser.next_item() {
                publisher.item(item, Instant::now());
            }
            publisher.flush();
        }
    }

    fn channel(&mut self, set: u8) -> Arc<Channel> {
        let sources = members(set).map(|n| (NAMES[n].into(), self.channels[n].clone()));
        let (settings, metrics) = (self.settings.clone(), self.metrics.source("/all"));
        let make = || Channel::joining(sources.collect(), false, (settings, metrics), self.long_ids.clone());
        self.joined.entry(set).or_insert_with(make).clone()
    }
}

fn members(set: u8) -> impl Iterator<Item = usize> {
    (0..SOURCES).filter(move |n| set & (1 << n) != 0)
}

impl World {
    fn new(events_max: usize, may_repeat: bool, passes_ids: [bool; SOURCES]) -> Self {
        let bytes = if may_repeat { "1KiB" } else { "1MiB" };
        let mut relays: Vec<_> = (0..RELAYS).map(|_| Relay::new(events_max, bytes, passes_ids)).collect();
        for relay in &mut relays {
            relay
                .publishers
                .iter_mut()
                .for_each(|publisher| publisher.connected(false));
        }
        Self {
            relays,
            passes_ids,
            published: Default::default(),
            may_repeat,
            clients: Default::default(),
        }
    }

    /// At the first relay at once, at the others with the next that happens there.
    fn publish(&mut self, source: usize, has_id: bool) {
        self.published[source] += 1;
        let n = self.published[source];
        let id = match has_id && self.passes_ids[source] {
            true => format!("id: {n}\n"),
            false => String::new(),
        };
        let pad = if self.may_repeat {
            "x".repeat(200)
        } else {
            String::new()
        };
        let block = format!("{id}data: {{\"s\":{source},\"n\":{n},\"pad\":\"{pad}\"}}\n\n");
        for relay in &mut self.relays {
            relay.to_come[source].push(block.clone());
        }
        self.relays[0].come(source);
    }

    fn join(&mut self, n: usize, at: usize, set: u8, last: Option<u64>) {
        self.clients[n].stream = None;
        // Its sources come in another order here.
        (0..SOURCES).rev().for_each(|source| self.relays[at].come(source));
        let channel = self.relays[at].channel(set);
        let admission = channel.admit(Protocol::Http11, last.map(WantedStart::Last));
        let client = &mut self.clients[n];
        let id = Some(&*client.last_event_id).filter(|id| !id.is_empty());
        let Beginning {
            next,
            id: said,
            gaps,
            before,
        } = channel.beginning(id, admission.start, None);
        let mut expected = [Expected::Any; SOURCES];
        for source in members(set) {
            let has_gap = gaps.iter().any(|(_, name)| **name == *NAMES[source]);
            let had = client.had[source].filter(|_| id.is_some() && !has_gap);
            expected[source] = match had {
                None => Expected::Any,
                Some(had) if self.may_repeat || client.relay != at || client.may_repeat[source] => {
                    client.may_repeat[source] = true;
                    Expected::UpTo(had + 1)
                }
                Some(had) => Expected::Exactly(had + 1),
            };
            if had.is_none() {
                client.had[source] = None;
            }
        }
        for source in (0..SOURCES).filter(|source| set & (1 << source) == 0) {
            // Its id says nothing of this one from now on.
            client.had[source] = None;
        }
        // The first entry says it, too.
        assert!(
            !said.is_empty() || next == Cursor::FIRST,
            "a client knows where it starts"
        );
        (client.last_event_id, client.relay) = (said, at);
        let mut stream = Stream {
            subscription: admission.subscription,
            set,
            next,
            expected,
        };
        for entry in before.iter().flat_map(|before| before.entries()) {
            take(client, &mut stream, entry);
        }
        client.stream = Some(stream);
    }

    /// Whether there was anything.
    fn read(&mut self, n: usize) -> bool {
        let client = &mut self.clients[n];
        let Some(mut stream) = client.stream.take() else {
            return false;
        };
        let channel = stream.subscription.channel().clone();
        let entry = match channel.log().read(stream.next) {
            Read::Entry(entry) => entry,
            Read::NotYet => {
                client.stream = Some(stream);
                return false;
            }
            // It is too slow, and is cut.
            Read::Gone => return false,
        };
        stream.next = stream.next.next();
        take(client, &mut stream, &entry);
        // What a poll would come back with leads exactly there, as long as the sources know the place:
        // else to the event before it.
        let exact = channel.id_behind(&entry);
        let back = channel.beginning(Some(&exact), crate::log::StartPoint::Oldest, None);
        if back.gaps.is_empty() && (entry.is_named_by_id() || exact != *entry.id()) {
            assert_eq!(back.next, stream.next, "{}", exact.escape_ascii());
            assert!(back.before.is_none());
        }
        client.stream = Some(stream);
        true
    }

    fn step(&mut self, step: Step) {
        match step {
            Step::Publish(source, times, has_id) => (0..times).for_each(|_| self.publish(source, has_id)),
            Step::Reconnect(source) => {
                for relay in &mut self.relays {
                    relay.to_come[source].push(String::new());
                }
                self.relays[0].come(source);
            }
            Step::Join(client, relay, set, last) => self.join(client, relay, set, last),
            Step::Read(client, entries) => {
                let _ = (0..entries).take_while(|_| self.read(client)).count();
            }
            Step::Cut(client) => self.clients[client].stream = None,
            Step::LetGo => {
                for relay in &mut self.relays {
                    relay.joined.retain(|_, joined| joined.subscribers() > 0);
                }
            }
            Step::Sweep => {
                for relay in &mut self.relays {
                    relay.channels.iter().for_each(|channel| channel.sweep(Instant::now()));
                    relay.joined.values().for_each(|channel| channel.sweep(Instant::now()));
                }
            }
        }
    }

    /// At the end each client that is in has all that was for it.
    fn finish(mut self) {
        for relay in &mut self.relays {
            (0..SOURCES).for_each(|source| relay.come(source));
        }
        for n in 0..CLIENTS {
            while self.read(n) {}
            let client = &self.clients[n];
            for source in client.stream.iter().flat_map(|stream| members(stream.set)) {
                let newest = self.published[source];
                if let Some(had) = client.had[source] {
                    assert_eq!(had, newest, "{source} is not complete");
                }
            }
        }
    }
}

fn take(client: &mut Client, stream: &mut Stream, entry: &Entry) {
    let block = entry.plain();
    let event = Event::parse_block(&block).expect("a block");
    if let Some(id) = event.id() {
        client.last_event_id = Bytes::copy_from_slice(id);
    }
    if !event.dispatches() {
        return;
    }
    let data: serde_json::Value = serde_json::from_slice(&event.data()).unwrap();
    if event.event_type() == b"fanfare.gap" {
        assert_eq!(event.id(), None);
        assert_eq!(data["reason"], "upstream_reconnected");
        return;
    }
    assert!(event.id().is_some());
    let (source, n) = (data["s"].as_u64().unwrap() as usize, data["n"].as_u64().unwrap());
    assert!(stream.set & (1 << source) != 0, "{source} was not asked for");
    match stream.expected[source] {
        Expected::Exactly(next) => assert_eq!(n, next, "of {source}"),
        Expected::UpTo(next) => assert!(n <= next, "of {source}, {n} after {next}"),
        Expected::Any => {}
    }
    stream.expected[source] = Expected::Exactly(n + 1);
    client.had[source] = Some(n);
    client.may_repeat[source] = false;
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn each_client_gets_all_of_each_source(
        steps in prop::collection::vec(step(), 1..80),
        events_max in 2..12_usize,
        may_repeat: bool,
        passes_ids: [bool; SOURCES],
    ) {
        let mut world = World::new(events_max, may_repeat, passes_ids);
        for step in steps {
            world.step(step);
        }
        world.finish();
    }
}
