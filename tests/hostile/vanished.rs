//! Peers that vanish: machines that hang, and networks that are gone. No FIN comes, no RST.

use crate::attacker::Attacker;
use crate::audience::{Audience, HEAVY};
use crate::support::client::get;
use crate::support::relay::PATH;
use std::process::Stdio;
use std::time::Duration;
use tokio::process::Command;

/// The stall that a story waits for; with data that fills the kernel's buffers soon.
const SOURCE: &str = "slow_client: { stall: 1s, bytes: 256KiB }";

/// Streams that a vanished peer has open.
const STREAMS: usize = 100;

/// The process that has them is stopped: its kernel acknowledges what fits, and no more.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clients_of_a_process_that_hangs_are_cut_after_the_stall() {
    let audience = Audience::gather(HEAVY, |setup| setup.source(SOURCE)).await;
    let mut attacker = Attacker::start("silent_streams", audience.address(), Duration::from_secs(3600));
    attacker.a_wave().await;
    attacker.freeze();
    assert!(audience.relay.metric("fanfare_connections_opened_total").await >= (HEAVY.clients + STREAMS) as f64);
    audience.relay.eventually_clients(HEAVY.clients).await;
    assert!(audience.evictions().await >= STREAMS as f64);
    audience.dismiss().await;
}

/// What runs within a network of its own, and where that is said.
const INSIDE: &str = "vanished::in_a_network_of_its_own";
const MARK: &str = "FANFARE_NETWORK";

/// The address of the clients that will be gone.
const AWAY: &str = "192.0.2.1";

/// A peer whose address is gone: nothing that is sent to it arrives, and nothing comes back. The
/// network is one that this test makes, so that no other's is touched.
#[tokio::test]
async fn clients_whose_network_is_gone_are_cut_after_the_stall() {
    let inside = format!(
        "ip link set lo up && ip address add {AWAY}/32 dev lo && exec \"$0\" --ignored --exact --nocapture {INSIDE}"
    );
    let ended = Command::new("unshare")
        .args(["--map-root-user", "--net", "sh", "-c", &inside])
        .arg(std::env::current_exe().unwrap())
        .env(MARK, "yes")
        .stdin(Stdio::null())
        .output()
        .await
        .unwrap();
    let said = String::from_utf8_lossy(&ended.stdout);
    assert!(
        ended.status.success() && said.contains("1 passed"),
        "{said}\n{}",
        String::from_utf8_lossy(&ended.stderr)
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "another test runs it in a network of its own"]
async fn in_a_network_of_its_own() {
    if std::env::var_os(MARK).is_none() {
        return;
    }
    let audience = Audience::gather(HEAVY, |setup| setup.source(SOURCE)).await;
    let mut away = Vec::new();
    for _ in 0..STREAMS {
        let from_away = get(PATH).from(AWAY.parse().unwrap());
        let mut client = from_away.open(audience.address()).await;
        client.opened().await;
        away.push(client);
    }
    let gone = std::process::Command::new("ip")
        .args(["address", "delete", &format!("{AWAY}/32"), "dev", "lo"])
        .status()
        .unwrap();
    assert!(gone.success());
    audience.relay.eventually_clients(HEAVY.clients).await;
    // None of them has said so.
    for client in &mut away {
        assert!(client.is_open(), "the relay's end must not have come through");
    }
    audience.dismiss().await;
}
