//! Any history of events, filters, cuts and changes of filters against what each client was to get:
//! nothing is lost, doubled or out of order, and a gap is told only where the log has let go of
//! something.

use crate::channel::{Admission, Channel, Filter, Publisher, Settings, Subscription};
use crate::event_stream::{Event, Parser, ParserOptions};
use crate::log::{Cursor, Epoch, Kind, Read, WantedStart};
use crate::metrics::{Metrics, Protocol};
use bytes::Bytes;
use proptest::prelude::*;
use std::sync::Arc;
use std::time::Instant;

const CLIENTS: usize = 3;
/// One fewer than the test chooses from.
const FILTERS_MAX: usize = 3;

#[derive(Debug, Clone)]
enum Step {
    /// So many events, of this type and value.
    Publish(usize, u8, u8),
    /// A client comes, or comes back: with a filter, and where it starts if it has no id.
    Join(usize, usize, Option<u64>),
    /// A client takes up to so many entries.
    Read(usize, usize),
    Cut(usize),
    /// Channels without clients are let go.
    LetGo,
    Sweep,
}

fn step() -> impl Strategy<Value = Step> {
    let client = 0..CLIENTS;
    prop_oneof![
        6 => (1..4_usize, 0..3_u8, 0..2_u8).prop_map(|(times, kind, value)| Step::Publish(times, kind, value)),
        3 => (client.clone(), 0..5_usize, prop::option::of(0..6_u64)).prop_map(|(c, f, last)| Step::Join(c, f, last)),
        5 => (client.clone(), 1..8_usize).prop_map(|(client, entries)| Step::Read(client, entries)),
        2 => client.prop_map(Step::Cut),
        1 => Just(Step::LetGo),
        1 => Just(Step::Sweep),
    ]
}

/// What the filters are, and what they let through.
fn filter(n: usize) -> (Option<Filter>, fn(&Published) -> bool) {
    let parse = |types: &[&str], conditions: &[&str]| {
        let bytes = |texts: &[&str]| texts.iter().map(|text| text.as_bytes().to_vec()).collect::<Vec<_>>();
        Filter::parse(&bytes(types), &bytes(conditions)).unwrap()
    };
    match n {
        0 => (None, |_| true),
        1 => (parse(&["k0"], &[]), |event| event.kind == 0),
        2 => (parse(&["k1,k0"], &[]), |event| event.kind <= 1),
        3 => (parse(&[], &["/v:1"]), |event| event.value == 1),
        _ => (parse(&["k2"], &["/v:0"]), |event| event.kind == 2 && event.value == 0),
    }
}

struct Published {
    kind: u8,
    value: u8,
}

struct World {
    channel: Arc<Channel>,
    publisher: Publisher,
    passes_ids: bool,
    /// The `n`th is number `n + 1`.
    published: Vec<Published>,
    clients: [Client; CLIENTS],
}

#[derive(Default)]
struct Client {
    stream: Option<Stream>,
    last_event_id: Bytes,
    /// All up to this number is behind it.
    up_to: u64,
}

struct Stream {
    subscription: Subscription,
    next: Cursor,
    fits: fn(&Published) -> bool,
}

impl World {
    fn new(events_max: usize, passes_ids: bool) -> Self {
        let ids = if passes_ids { "pass" } else { "assign" };
        let yaml = format!(
            "sources:\n  s: {{ path: /e, upstream: \"http://127.0.0.1:9/\", ids: {ids}, filters: {FILTERS_MAX}, log: {{ events: \
             {events_max} }} }}\n"
        );
        let config = crate::config::read(&yaml, "test.yaml", &|_| None).unwrap().config;
        let settings = Settings::new(config.sources[0].clone());
        let channel = Channel::new(settings, Metrics::new().source("s"), Epoch::new());
        Self {
            publisher: channel.publisher(0),
            channel,
            passes_ids,
            published: Vec::new(),
            clients: Default::default(),
        }
    }

    fn publish(&mut self, kind: u8, value: u8) {
        self.published.push(Published { kind, value });
        let n = self.published.len();
        let id = if self.passes_ids {
            format!("id: {n}\n")
        } else {
            String::new()
        };
        let mut parser = Parser::new(ParserOptions {
            event_bytes_max: 1000,
            comments: false,
        });
        let block = format!("{id}event: k{kind}\ndata: {{\"n\":{n},\"v\":{value}}}\n\n");
        parser.push(Bytes::from(block));
        while let Some(item) = parser.next_item() {
            self.publisher.item(item, Instant::now());
        }
        self.publisher.flush();
    }

    /// The number of the oldest event that the log holds.
    fn oldest(&self) -> u64 {
        self.channel.log().tail().get()
    }

    /// That nothing for a client lies between two numbers.
    fn assert_nothing_between(&self, fits: fn(&Published) -> bool, after: u64, up_to: u64) {
        let passed_over = (after..up_to).find(|n| fits(&self.published[*n as usize]));
        assert_eq!(passed_over, None, "lost before {up_to}");
    }

    fn join(&mut self, n: usize, wanted_filter: usize, last: Option<u64>) {
        self.clients[n].stream = None;
        let admission = self.channel.admit(Protocol::Http11, last.map(WantedStart::Last));
        let (filter, fits) = filter(wanted_filter);
        let admission = match filter {
            None => admission,
            Some(filter) => match admission.filtered(filter, FILTERS_MAX) {
                Ok(admission) => admission,
                Err(_) => return,
            },
        };
        let Admission {
            subscription, start, ..
        } = admission;
        let id = Some(&*self.clients[n].last_event_id).filter(|id| !id.is_empty());
        let place = subscription.channel().place(id, start);
        let (oldest, said) = (self.oldest(), number(&place.id));
        match id {
            Some(_) => {
                let is_missing = self.clients[n].up_to + 1 < oldest;
                assert_eq!(place.gap.is_some(), is_missing, "{} {oldest}", self.clients[n].up_to);
                if !is_missing {
                    self.assert_nothing_between(fits, self.clients[n].up_to, said);
                }
            }
            None => {
                let newest = self.published.len() as u64;
                let wanted = last.unwrap_or(0).min(newest);
                assert_eq!(place.gap.is_some(), newest - wanted + 1 < oldest);
                assert!(said >= oldest - 1);
                // It gets at least what it has asked for.
                self.assert_nothing_between(fits, (newest - wanted).max(oldest - 1), said);
            }
        }
        let client = &mut self.clients[n];
        (client.up_to, client.last_event_id) = (said, place.id);
        client.stream = Some(Stream {
            subscription,
            next: place.next,
            fits,
        });
    }

    /// Whether there was anything.
    fn read(&mut self, n: usize) -> bool {
        let Some(stream) = &mut self.clients[n].stream else {
            return false;
        };
        let entry = match stream.subscription.channel().log().read(stream.next) {
            Read::Entry(entry) => entry,
            Read::NotYet => return false,
            // It is too slow, and is cut.
            Read::Gone => {
                self.clients[n].stream = None;
                return false;
            }
        };
        stream.next = stream.next.next();
        let fits = stream.fits;
        let block = entry.plain();
        let event = Event::parse_block(&block).expect("a block");
        let said = number(event.id().expect("each block has an id"));
        let up_to = self.clients[n].up_to;
        assert!(said > up_to, "{said} came after {up_to}");
        let before = match entry.kind() {
            Kind::Event => {
                assert!(fits(&self.published[said as usize - 1]), "{said} is not for it");
                assert!(event.data().starts_with(format!("{{\"n\":{said},").as_bytes()));
                said - 1
            }
            _ => said,
        };
        self.assert_nothing_between(fits, up_to, before);
        self.clients[n].up_to = said;
        self.clients[n].last_event_id = Bytes::copy_from_slice(event.id().unwrap_or_default());
        true
    }

    fn take(&mut self, step: Step) {
        match step {
            Step::Publish(times, kind, value) => (0..times).for_each(|_| self.publish(kind, value)),
            Step::Join(client, filter, last) => self.join(client, filter, last),
            Step::Read(client, entries) => {
                let _ = (0..entries).take_while(|_| self.read(client)).count();
            }
            Step::Cut(client) => self.clients[client].stream = None,
            Step::LetGo => self.channel.derivations.make_room(),
            Step::Sweep => self.channel.sweep(Instant::now()),
        }
    }

    /// At the end each client that is in has all that was for it.
    fn finish(mut self) {
        for n in 0..CLIENTS {
            while self.read(n) {}
            if let Some(stream) = &self.clients[n].stream {
                let newest = self.published.len() as u64;
                self.assert_nothing_between(stream.fits, self.clients[n].up_to, newest);
            }
        }
    }
}

/// The number in an id, whoever has given it; 0: there was none.
fn number(id: &[u8]) -> u64 {
    let text = std::str::from_utf8(id).unwrap();
    text.rsplit('.').next().unwrap().parse().unwrap_or(0)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn each_client_gets_what_it_chose(
        steps in prop::collection::vec(step(), 1..60),
        events_max in 2..12_usize,
        passes_ids: bool,
    ) {
        let mut world = World::new(events_max, passes_ids);
        for step in steps {
            world.take(step);
        }
        world.finish();
    }
}
