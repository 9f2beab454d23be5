//! Parts of the engine, of the fleet, or of the way between fail under load. The origin gives ids, so
//! each client has to get every event, once, in order, under the same id as the others.

use crate::nats::{Nats, Version};
use crate::proxy::Wire;
use crate::scene::Scene;
use crate::support::process::TestProcess;
use crate::{leader, member};
use async_nats::jetstream;
use rustix::process::Signal;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

/// How long something lasts that is to be noticed.
const WHILE: Duration = Duration::from_secs(3);

/// Of a cluster: one server may be gone, and comes back.
async fn a_minority_is_lost(version: Version) {
    let mut nats = Nats::start(version, 3).await;
    let scene = Scene::of(&nats, 3, 3).await;
    for n in 0..2 {
        nats.kill(n);
        scene.flows().await;
        tokio::time::sleep(WHILE).await;
        scene.flows().await;
        nats.run(n).await;
        in_step(&nats).await;
    }
    scene.ends_exact().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_minority_of_the_oldest_engine_is_lost() {
    a_minority_is_lost(Version::V2_9).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_minority_of_the_newest_engine_is_lost() {
    a_minority_is_lost(Version::V2_15).await;
}

/// Two of three: nothing comes, nobody is cut, and all of it comes afterwards.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_majority_is_lost() {
    let mut nats = Nats::start(Version::V2_15, 3).await;
    let scene = Scene::of(&nats, 3, 3).await;
    nats.kill(0);
    nats.kill(1);
    scene.halts().await;
    tokio::time::sleep(WHILE).await;
    nats.run(0).await;
    nats.run(1).await;
    scene.flows().await;
    scene.ends_exact().await;
}

/// A client of the engine's own.
async fn engine(nats: &Nats, n: usize) -> jetstream::Context {
    jetstream::new(async_nats::connect(nats.address(n).to_string()).await.unwrap())
}

/// Which server leads the stream, once one does; asked at this one.
async fn stream_leader(nats: &Nats, at: usize) -> usize {
    let engine = engine(nats, at).await;
    let began = Instant::now();
    loop {
        let info = match engine.get_stream("fanfare-cw").await {
            Ok(stream) => stream.get_info().await.ok(),
            Err(_) => None,
        };
        if let Some(name) = info.and_then(|info| info.cluster?.leader) {
            return name.trim_start_matches('n').parse().unwrap();
        }
        assert!(began.elapsed() < Duration::from_secs(60), "no leader");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// Until all replicas of the stream have all of it: another may be lost then.
async fn in_step(nats: &Nats) {
    let engine = engine(nats, 2).await;
    let began = Instant::now();
    loop {
        let info = match engine.get_stream("fanfare-cw").await {
            Ok(stream) => stream.get_info().await.ok(),
            Err(_) => None,
        };
        let replicas = info.and_then(|info| info.cluster).map(|cluster| cluster.replicas);
        if replicas.is_some_and(|all| all.len() == 2 && all.iter().all(|replica| replica.current && !replica.offline)) {
            return;
        }
        assert!(began.elapsed() < Duration::from_secs(60), "replicas are not in step");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

async fn the_streams_leader_is_killed(version: Version) {
    let mut nats = Nats::start(version, 3).await;
    let scene = Scene::of(&nats, 3, 3).await;
    for _ in 0..3 {
        let leads = stream_leader(&nats, 2).await;
        nats.kill(leads);
        scene.flows().await;
        nats.run(leads).await;
        in_step(&nats).await;
    }
    scene.ends_exact().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_leader_of_a_stream_of_the_oldest_engine_is_killed() {
    the_streams_leader_is_killed(Version::V2_9).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_leader_of_a_stream_of_the_newest_engine_is_killed() {
    the_streams_leader_is_killed(Version::V2_15).await;
}

/// A file system of some megabytes; unmounted when it is dropped.
struct SmallDisk(PathBuf);

impl SmallDisk {
    /// `None`: this user may mount nothing.
    fn mount(at: &Path) -> Option<Self> {
        std::fs::create_dir_all(at).unwrap();
        let mount = ["-t", "tmpfs", "-o", "size=64m", "tmpfs"];
        let done = Command::new("mount").args(mount).arg(at).output().ok()?;
        done.status.success().then(|| Self(at.to_owned()))
    }

    fn fill(&self) {
        use std::io::Write as _;
        let mut file = std::fs::File::create(self.0.join("ballast")).unwrap();
        while file.write_all(&[0; 4096]).is_ok() {}
    }

    fn make_room(&self) {
        std::fs::remove_file(self.0.join("ballast")).unwrap();
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).output();
    }
}

/// The engine's disk is full (a small file system of its own): nothing is acknowledged that is not kept,
/// and once there is room, and the server has been started again, all of it comes.
async fn the_disk_is_full(version: Version) {
    let mut nats = Nats::start(version, 1).await;
    nats.kill(0);
    let Some(disk) = SmallDisk::mount(&nats.store(0)) else {
        // It takes a user who may mount a file system.
        return;
    };
    nats.run(0).await;
    let scene = Scene::of(&nats, 2, 1).await;
    scene.flows().await;
    disk.fill();
    scene.halts().await;
    disk.make_room();
    nats.kill(0);
    nats.run(0).await;
    scene.flows().await;
    scene.ends_exact().await;
    nats.kill(0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_disk_of_the_oldest_engine_is_full() {
    the_disk_is_full(Version::V2_9).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_disk_of_the_newest_engine_is_full() {
    the_disk_is_full(Version::V2_15).await;
}

/// Where an instance reaches the engine.
fn url(wire: &Wire) -> String {
    format!("\"nats://{}\"", wire.address)
}

/// What the engine sends to a follower does not come for a while, and the connection stands.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_followers_reader_stalls() {
    let nats = Nats::start(Version::V2_15, 1).await;
    let wire = Wire::to(nats.address(0)).await;
    let scene = Scene::start(&[nats.urls(), url(&wire), nats.urls()], 1).await;
    wire.stall();
    // Longer than pings are waited for.
    tokio::time::sleep(WHILE * 5).await;
    wire.mend();
    scene.flows().await;
    for _ in 0..5 {
        wire.stall();
        tokio::time::sleep(WHILE / 6).await;
        wire.mend();
        scene.flows().await;
    }
    scene.ends_exact().await;
}

/// The engine's answers to appends come twice, and in another order.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn answers_come_twice_and_out_of_order() {
    for version in [Version::V2_9, Version::V2_15] {
        let nats = Nats::start(version, 1).await;
        let mut wires = Vec::new();
        for _ in 0..2 {
            wires.push(Wire::muddling(nats.address(0)).await);
        }
        let engines: Vec<String> = wires.iter().map(url).collect();
        let scene = Scene::start(&engines, 1).await;
        for _ in 0..30 {
            scene.flows().await;
        }
        scene.ends_exact().await;
    }
}

/// Leases are taken away, again and again: for a moment two believe to lead.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_lead() {
    let nats = Nats::start(Version::V2_15, 1).await;
    let scene = Scene::of(&nats, 3, 1).await;
    let leases = engine(&nats, 0).await.get_key_value("fanfare-leases").await.unwrap();
    let term = async || scene.relays[0].metric("fanfare_fleet_term{source=\"s\"}").await;
    let before = term().await;
    for _ in 0..10 {
        leases.purge("cw").await.unwrap();
        tokio::time::sleep(Duration::from_millis(700)).await;
        scene.flows().await;
    }
    assert!(term().await > before, "no other has led");
    scene.ends_exact().await;
}

/// Instances come under load, and go: in order, and by their death.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn instances_come_and_go() {
    let nats = Nats::start(Version::V2_15, 1).await;
    let mut scene = Scene::of(&nats, 2, 1).await;
    for round in 0..4 {
        let name = ["c", "d", "e", "f"][round];
        let new = TestProcess::start(&member(&nats.urls(), &scene.feed, name, 1)).await;
        crate::security::live(&new).await;
        scene.relays.push(new);
        let addresses: Vec<_> = scene.relays.iter().map(|relay| relay.address).collect();
        scene.witnesses.now_at(&addresses);
        scene.flows().await;
        // In turn one that leads, and one that does not.
        let leads = leader(&scene.relays.iter().collect::<Vec<_>>()).await;
        let gone = if round % 2 == 0 {
            leads
        } else {
            (leads + 1) % scene.relays.len()
        };
        let mut gone = scene.relays.remove(gone);
        match round < 2 {
            true => gone.terminate(),
            false => gone.signal(Signal::KILL),
        }
        gone.exit().await;
        scene.flows().await;
    }
    scene.ends_exact().await;
}

/// Debian's faketime.
const FAKETIME: &str = "/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1";

/// The wall clock of every instance jumps, forwards and back, by hours. What is measured goes by another
/// clock, and records carry no time.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clocks_jump() {
    assert!(
        Path::new(FAKETIME).exists(),
        "faketime is missing: scripts/setup installs it"
    );
    let nats = Nats::start(Version::V2_15, 1).await;
    let dir = tempfile::tempdir().unwrap();
    let clock = dir.path().join("clock");
    std::fs::write(&clock, "+0s").unwrap();
    let path = clock.display().to_string();
    let environment = [
        ("LD_PRELOAD", FAKETIME),
        ("FAKETIME_TIMESTAMP_FILE", &path),
        ("FAKETIME_NO_CACHE", "1"),
        ("FAKETIME_DONT_FAKE_MONOTONIC", "1"),
        ("DONT_FAKE_MONOTONIC", "1"),
    ];
    let scene = Scene::start_in(&vec![nats.urls(); 3], 1, &environment).await;
    for jump in ["+6h", "-6h", "+400d", "-1d", "+0s"] {
        std::fs::write(&clock, jump).unwrap();
        scene.flows().await;
        // A client that comes back is served from the ring: nothing of it has grown too old.
        tokio::time::sleep(WHILE / 3).await;
        let leads = leader(&scene.relays.iter().collect::<Vec<_>>()).await;
        scene.relays[leads].signal(Signal::STOP);
        tokio::time::sleep(WHILE / 6).await;
        scene.relays[leads].signal(Signal::CONT);
        scene.flows().await;
    }
    scene.ends_exact().await;
}
