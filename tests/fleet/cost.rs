//! What it costs the engine, and who reads, to read many channels: by one consumer for all of them, or by one
//! for each. `cargo test --release --test fleet cost -- --ignored --nocapture`

#![allow(clippy::print_stdout, reason = "a measurement is read by who asks for it")]

use crate::nats::{Nats, Version};
use async_nats::jetstream::consumer::push::OrderedConfig;
use async_nats::jetstream::stream::{Config, Stream};
use async_nats::jetstream::{self, Context};
use std::time::{Duration, Instant};
use tokio::task::JoinSet;
use tokio_stream::StreamExt as _;

const CHANNELS: usize = 2_000;
const MESSAGES: usize = 40_000;
/// Appends on their way at one time.
const IN_FLIGHT: usize = 512;

struct Used {
    cpu: Duration,
    rss_mib: u64,
}

fn used(pid: u32) -> Used {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    let fields: Vec<&str> = stat.rsplit(") ").next().unwrap().split(' ').collect();
    let ticks: u64 = fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap();
    let pages: u64 = fields[21].parse().unwrap();
    Used {
        cpu: Duration::from_millis(ticks * 10),
        rss_mib: pages * 4 / 1024,
    }
}

async fn stream(context: &Context, name: &str) -> Stream {
    let config = Config {
        name: name.to_owned(),
        subjects: vec![format!("{name}.*")],
        ..Config::default()
    };
    context.create_stream(config).await.unwrap()
}

/// Reads until it has had so many.
async fn read(client: async_nats::Client, stream: Stream, subject: String, messages: usize) {
    let config = OrderedConfig {
        deliver_subject: client.new_inbox(),
        filter_subject: subject,
        ..OrderedConfig::default()
    };
    let consumer = stream.create_consumer(config).await.unwrap();
    let mut read = consumer.messages().await.unwrap();
    for _ in 0..messages {
        read.next().await.unwrap().unwrap();
    }
}

async fn publish(context: Context, name: &'static str) {
    let mut answers = JoinSet::new();
    for n in 0..MESSAGES {
        let subject = format!("{name}.{}", n % CHANNELS);
        let answer = context.publish(subject, vec![b'x'; 200].into()).await.unwrap();
        answers.spawn(async move { answer.await.unwrap() });
        if answers.len() >= IN_FLIGHT {
            answers.join_next().await;
        }
    }
    while answers.join_next().await.is_some() {}
}

async fn measure(nats: &Nats, name: &'static str, one_for_each: bool) {
    let client = async_nats::connect(nats.address(0).to_string()).await.unwrap();
    let reading = async_nats::connect(nats.address(0).to_string()).await.unwrap();
    let context = jetstream::new(client);
    let stream = stream(&jetstream::new(reading.clone()), name).await;
    let before = used(nats.pid(0));
    let began = Instant::now();
    let mut readers = JoinSet::new();
    match one_for_each {
        true => (0..CHANNELS).for_each(|n| {
            let subject = format!("{name}.{n}");
            readers.spawn(read(reading.clone(), stream.clone(), subject, MESSAGES / CHANNELS));
        }),
        false => drop(readers.spawn(read(reading.clone(), stream.clone(), String::new(), MESSAGES))),
    }
    let wanted = if one_for_each { CHANNELS } else { 1 };
    while context
        .get_stream(name)
        .await
        .unwrap()
        .cached_info()
        .state
        .consumer_count
        < wanted
    {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let opened = (began.elapsed(), used(nats.pid(0)));
    tokio::time::sleep(Duration::from_secs(10)).await;
    let idle = used(nats.pid(0));
    let began = Instant::now();
    publish(context, name).await;
    while let Some(read) = readers.join_next().await {
        read.unwrap();
    }
    let (took, after) = (began.elapsed(), used(nats.pid(0)));
    println!(
        "{name}: opened in {:?} with {:?} CPU of the engine, {} MiB more; idle {:?} CPU in 10 s; {MESSAGES} messages in {took:?} with {:?} CPU",
        opened.0,
        opened.1.cpu - before.cpu,
        opened.1.rss_mib.saturating_sub(before.rss_mib),
        idle.cpu - opened.1.cpu,
        after.cpu - idle.cpu,
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a measurement"]
async fn cost_of_readers() {
    for version in [Version::V2_9, Version::V2_15] {
        println!("{version:?}");
        let nats = Nats::start(version, 1).await;
        measure(&nats, "one", false).await;
        let nats = Nats::start(version, 1).await;
        measure(&nats, "each", true).await;
    }
}
