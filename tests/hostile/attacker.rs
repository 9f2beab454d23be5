//! The process that attacks: this test program again, told by its environment what to do.
//!
//! It is niced: what is looked at is what the relay does, and not who gets the machine's cores.

use crate::support::origin::within;
use crate::waves::{self, Wave};
use std::net::SocketAddr;
use std::process::Stdio;
use std::time::{Duration, Instant};
use tokio::io::{AsyncBufReadExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};

/// What it is to do: `NAME ADDRESS SECONDS`.
const ORDERS: &str = "FANFARE_ATTACK";

/// What it says after each wave.
const DONE: &str = "a wave is over";

/// A process that attacks; killed when it is dropped.
pub struct Attacker {
    child: Child,
    said: Lines<BufReader<ChildStdout>>,
}

impl Attacker {
    /// Sends waves of this name against an address until the time is up; one at the least.
    pub fn start(wave: &str, at: SocketAddr, time: Duration) -> Self {
        let mut child = Command::new("nice")
            .args(["-n", "15"])
            .arg(std::env::current_exe().unwrap())
            .args([
                "--ignored",
                "--exact",
                "--nocapture",
                "attacker::from_a_process_of_its_own",
            ])
            .env(ORDERS, format!("{wave} {at} {}", time.as_secs()))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let said = BufReader::new(child.stdout.take().unwrap()).lines();
        Self { child, said }
    }

    /// Until a wave has gone by. Fails if the attacker has ended without.
    pub async fn a_wave(&mut self) {
        within("a wave to go by", async {
            loop {
                match self.said.next_line().await.unwrap() {
                    Some(line) if line.contains(DONE) => return,
                    Some(_) => {}
                    None => panic!("the attacker ended: {:?}", self.child.wait().await),
                }
            }
        })
        .await;
    }

    /// Until its time is up, and it has gone.
    pub async fn end(mut self) {
        while let Some(_line) = self.said.next_line().await.unwrap() {}
        let ended = self.child.wait().await.unwrap();
        assert!(ended.success(), "{ended}");
    }

    /// Stops it where it is, as a machine that hangs: its connections are there, and nobody reads
    /// or answers them.
    pub fn freeze(&self) {
        let id = self.child.id().expect("it runs");
        let id = rustix::process::Pid::from_raw(id.try_into().unwrap()).unwrap();
        rustix::process::kill_process(id, rustix::process::Signal::STOP).unwrap();
    }
}

/// What the process does. Not a test: it does nothing without orders.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "other tests run it in a process of its own"]
#[allow(clippy::print_stdout, reason = "who started it reads it")]
async fn from_a_process_of_its_own() {
    let Ok(orders) = std::env::var(ORDERS) else { return };
    let mut words = orders.split(' ');
    let mut word = || words.next().unwrap();
    let wave: Wave = waves::named(word());
    let at: SocketAddr = word().parse().unwrap();
    let time = Duration::from_secs(word().parse().unwrap());
    let began = Instant::now();
    loop {
        wave(at).await;
        println!("{DONE}");
        if began.elapsed() >= time {
            return;
        }
    }
}
