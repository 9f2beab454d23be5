//! How much later events come while somebody attacks: `scripts/long hostile`.
//!
//! Each attack has rounds of its own, and before each of its rounds there is one without: what the
//! machine does at that time is in both. The median of the means decides.

use crate::attacker::Attacker;
use crate::audience::{Audience, Size};
use crate::clients::passed;
use crate::support::tls::Authority;
use std::time::Duration;

const SIZE: Size = Size {
    clients: 500,
    every: Duration::from_millis(50),
    bytes: 200,
};

/// How much of the time without the attack the mean may be.
const RATIO_MAX: f64 = 1.5;

/// Waves, and of how many processes they come at one time.
const ATTACKS: &[(&str, usize)] = &[
    ("slow_heads", 1),
    ("slow_bodies", 1),
    ("slow_passed_bodies", 1),
    ("slow_readers", 1),
    ("slow_pages", 1),
    ("header_bombs", 1),
    ("silent_connects_20000", 2),
    ("connect_and_reset", 1),
    ("stream_and_reset", 1),
    ("other_protocols", 1),
    ("pipelines", 1),
    (OVER_TLS, 1),
    ("rapid_resets", 1),
    ("small_frames", 1),
    ("slow_streams", 1),
];

/// The wave that is for the listener with TLS.
const OVER_TLS: &str = "handshakes";

/// A number from the environment, if it is there.
fn number(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |text| text.parse().unwrap())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "minutes: scripts/long hostile"]
#[allow(clippy::print_stdout, reason = "the table is what it is for")]
async fn the_mean_of_the_fan_out_under_each_attack() {
    let seconds = Duration::from_secs(number("HOSTILE_SECONDS", 8));
    let rounds = number("HOSTILE_ROUNDS", 3);
    println!("{:<24} {:>10} {:>10} {:>7}", "attack", "alone ms", "under ms", "ratio");
    let mut worst = Vec::new();
    let wanted = std::env::var("HOSTILE_WAVES").unwrap_or_default();
    let is_wanted = |name: &str| wanted.is_empty() || wanted.split(' ').any(|wanted| wanted == name);
    for (name, processes) in ATTACKS.iter().filter(|(name, _)| is_wanted(name)) {
        let (mut alone, mut under) = (Vec::new(), Vec::new());
        for _ in 0..rounds {
            alone.push(mean(None, seconds).await);
            under.push(mean(Some((name, *processes)), seconds).await);
        }
        let (alone, under) = (median(alone), median(under));
        let ratio = under / alone;
        println!("{name:<24} {:>10.3} {:>10.3} {ratio:>7.2}", alone * 1e3, under * 1e3);
        if ratio > RATIO_MAX {
            worst.push(*name);
        }
    }
    assert!(worst.is_empty(), "more than {RATIO_MAX} times: {worst:?}");
}

/// The mean in seconds. Fails if a client was cut, or missed an event.
async fn mean(attack: Option<(&str, usize)>, time: Duration) -> f64 {
    let passed = passed().await;
    let authority = Authority::new();
    authority.issue("relay", &["localhost"]);
    let listen = format!(
        "[127.0.0.1:0, {{ address: '127.0.0.1:0', tls: {} }}]",
        authority.tls("relay", "")
    );
    // As an operator has it, but for what would outlast the measurement.
    let audience = Audience::gather(SIZE, |setup| {
        setup
            .listen(&listen)
            .top(&passed)
            .top("limits: { header_timeout: 2s }")
            .source("slow_client: { stall: 2s }")
    })
    .await;
    let mut attackers = Vec::new();
    if let Some((wave, processes)) = attack {
        let at = match wave {
            OVER_TLS => audience.addresses()[1],
            _ => audience.address(),
        };
        attackers.extend((0..processes).map(|_| Attacker::start(wave, at, time)));
    }
    let before = audience.fan_out().await;
    tokio::time::sleep(time).await;
    let mean = audience.fan_out().await.mean_since(before);
    drop(attackers);
    audience.dismiss().await;
    mean
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
