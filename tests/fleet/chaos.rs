//! Everything at once, for as long as is wanted (`scripts/long chaos-fleet`): relays and servers of the
//! engine are killed, stopped, cut off, while clients hop from one instance to another.

use crate::nats::{Nats, Version};
use crate::proxy::Wire;
use crate::support::ports::free_address;
use crate::support::process::TestProcess;
use crate::support::relay::Setup;
use crate::witness::{Seen, Witnesses};
use crate::{Feed, member};
use rustix::process::Signal;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::task::JoinSet;
use tokio::time::sleep;

const INSTANCES: usize = 3;
const SERVERS: usize = 3;
/// How long a client is at one instance.
const HOP_EVERY: Duration = Duration::from_secs(10);
/// Between two faults of a kind.
const PAUSE_SECONDS: std::ops::Range<f64> = 1.0..8.0;
/// How long one lasts: shorter and longer than a lease.
const FAULT_SECONDS: std::ops::Range<f64> = 0.2..15.0;

fn number(variable: &str, default: u64) -> u64 {
    std::env::var(variable).map_or(default, |text| text.parse().unwrap())
}

async fn a_while(seconds: std::ops::Range<f64>) {
    let (least, most) = (seconds.start, seconds.end);
    sleep(Duration::from_secs_f64(least + fastrand::f64() * (most - least))).await;
}

/// An instance, its way to each server of the engine, and what starts it again.
struct Instance {
    setup: Setup,
    process: TestProcess,
    wires: Vec<Wire>,
    /// What processes before this one have said of the shared log.
    said: String,
}

impl Instance {
    async fn start(name: &str, nats: &Nats, feed: &Feed) -> Self {
        let mut wires = Vec::new();
        for n in 0..SERVERS {
            wires.push(Wire::to(nats.address(n)).await);
        }
        let urls: Vec<String> = wires
            .iter()
            .map(|wire| format!("\"nats://{}\"", wire.address))
            .collect();
        let setup = member(&urls.join(", "), feed, name, SERVERS).ports(free_address(), free_address());
        let process = TestProcess::start(&setup).await;
        Self {
            setup,
            process,
            wires,
            said: String::new(),
        }
    }

    /// Something goes wrong with it, for a while. What it was.
    async fn suffer(&mut self) -> &'static str {
        match fastrand::u8(0..5) {
            0 => {
                self.process.signal(Signal::KILL);
                self.again().await;
                "instance killed"
            }
            1 => {
                self.process.terminate();
                self.again().await;
                "instance ended in order"
            }
            2 => {
                self.process.signal(Signal::STOP);
                a_while(FAULT_SECONDS).await;
                self.process.signal(Signal::CONT);
                "instance stopped"
            }
            3 => {
                self.wires.iter().for_each(Wire::cut);
                a_while(FAULT_SECONDS).await;
                self.wires.iter().for_each(Wire::mend);
                "instance cut off from the engine"
            }
            _ => {
                self.wires.iter().for_each(Wire::stall);
                a_while(FAULT_SECONDS).await;
                self.wires.iter().for_each(Wire::mend);
                "instance reads nothing from the engine"
            }
        }
    }

    /// What it has said of the shared log so far: for who looks why something was wrong.
    fn says(&self) -> String {
        let lines = self.process.lines_of("fanfare::fleet").join("\n");
        format!("{}\n{lines}", self.said)
    }

    async fn again(&mut self) {
        self.process.exit().await;
        self.said = self.says();
        a_while(0.0..5.0).await;
        self.process = TestProcess::start(&self.setup).await;
    }
}

/// Something goes wrong with the engine, for a while. What it was.
async fn engine_suffers(nats: &mut Nats) -> &'static str {
    let (one, two) = (fastrand::usize(0..SERVERS), fastrand::usize(1..SERVERS));
    let two = (one + two) % SERVERS;
    match fastrand::u8(0..4) {
        0 | 1 => {
            nats.kill(one);
            a_while(0.0..10.0).await;
            nats.run(one).await;
            "server killed"
        }
        2 => {
            nats.signal(one, Signal::STOP);
            a_while(FAULT_SECONDS).await;
            nats.signal(one, Signal::CONT);
            "server stopped"
        }
        _ => {
            nats.kill(one);
            nats.kill(two);
            a_while(0.0..10.0).await;
            nats.run(one).await;
            nats.run(two).await;
            "majority killed"
        }
    }
}

type Faults = BTreeMap<&'static str, usize>;

/// Faults of instances and of the engine, each in turn, side by side, for so long.
async fn suffer(instances: &mut [Instance], nats: &mut Nats, time: Duration) -> Faults {
    let end = Instant::now() + time;
    let of_instances = async {
        let mut faults = Faults::new();
        while Instant::now() < end {
            a_while(PAUSE_SECONDS).await;
            let at = fastrand::usize(0..instances.len());
            *faults.entry(instances[at].suffer().await).or_default() += 1;
        }
        faults
    };
    let of_engine = async {
        let mut faults = Faults::new();
        while Instant::now() < end {
            a_while(PAUSE_SECONDS).await;
            *faults.entry(engine_suffers(nats).await).or_default() += 1;
        }
        faults
    };
    let (mut faults, more) = tokio::join!(of_instances, of_engine);
    faults.extend(more);
    faults
}

/// One run; the origin gives ids, or none.
async fn chaos(time: Duration, clients: usize, has_ids: bool) -> (Seen, Faults, u64) {
    let mut nats = Nats::start(Version::V2_15, SERVERS).await;
    let feed = Arc::new(Feed::start(has_ids).await);
    let mut instances = Vec::new();
    for name in ["a", "b", "c"].into_iter().take(INSTANCES) {
        instances.push(Instance::start(name, &nats, &feed).await);
    }
    for instance in &instances {
        crate::security::live(&instance.process).await;
    }
    let addresses: Vec<SocketAddr> = instances.iter().map(|instance| instance.process.address).collect();
    let witnesses = Witnesses::start(&addresses)
        .staying(clients / 10)
        .hopping(clients - clients / 10, HOP_EVERY);
    let (publishes, mut load) = (feed.clone(), JoinSet::new());
    load.spawn(async move {
        loop {
            publishes.publish(fastrand::u64(0..4));
            sleep(Duration::from_millis(fastrand::u64(20..200))).await;
        }
    });
    let faults = suffer(&mut instances, &mut nats, time).await;
    load.shutdown().await;
    // Whose origin gives no ids may lose what comes before a leader is connected again.
    let last = feed.publish(1);
    let settling = async {
        loop {
            sleep(Duration::from_millis(500)).await;
            feed.publish(1);
        }
    };
    tokio::select! {
        () = witnesses.until(last) => {}
        () = settling => {}
    }
    if let Some(wrong) = witnesses.wrong() {
        let said: Vec<String> = instances
            .iter()
            .map(|instance| format!("{}:\n{}", instance.process.address, instance.says()))
            .collect();
        panic!("{}\n{faults:?}\n{wrong}", said.join("\n"));
    }
    (witnesses.check(), faults, last)
}

#[allow(clippy::print_stdout, reason = "it is a measurement too")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "takes half an hour"]
async fn nothing_is_lost_in_silence() {
    let seconds = number("FANFARE_CHAOS_SECONDS", 1800);
    let clients = number("FANFARE_CHAOS_CLIENTS", 2000) as usize;
    for has_ids in [true, false] {
        let began = Instant::now();
        let (seen, faults, events) = chaos(Duration::from_secs(seconds / 2), clients, has_ids).await;
        let Seen {
            events: deliveries,
            back,
            gaps,
            told,
        } = &seen;
        println!(
            "origin with ids: {has_ids}; {clients} clients, {events} events, {deliveries} deliveries, {back} times back, \
             {:.0} s; 0 lost in silence, 0 doubled, 0 out of order, 0 ids that differ",
            began.elapsed().as_secs_f64()
        );
        println!("  faults: {faults:?}");
        println!("  gaps told: {gaps:?}, with {told} events");
        assert!(
            !has_ids || gaps.is_empty(),
            "an origin with ids has all of it: {seen:?}"
        );
    }
}

/// The same for a moment, so that a change can't break it unseen.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_little_chaos() {
    chaos(Duration::from_secs(10), 30, false).await;
}
