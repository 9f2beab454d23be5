//! Proxied requests don't wait for the rounds in which upstreams are read when a lot comes.
//!
//! Also a measurement, of the program that `FANFARE_PROGRAM` names:
//! `cargo test --test stories -- --nocapture proxied_requests_do_not_wait`.

use super::front::get;
use crate::support::origin::{TestOrigin, within};
use crate::support::process::TestProcess;
use crate::support::relay::Setup;
use crate::support::wire::Wire;
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

/// Merged upstreams. Each sends ten events a second: what comes within a round is one read only for
/// few of them.
const UPSTREAMS: usize = 500;
/// Of all of them together.
const EVENTS_PER_SECOND: u128 = 5000;
/// How often those that are due are sent.
const TICK: Duration = Duration::from_millis(1);

/// So long requests are made, one after the other, and their latencies looked at.
const LOOK: Duration = Duration::from_millis(500);

/// Each turn of a proxied request would wait a round of 2 ms, or what is left of it.
const ROUND_WAITED: Duration = Duration::from_millis(1);

/// A busy machine makes everything slow at times, but not each time: one look that shows no wait is
/// enough, since with one there would be none.
const LOOKS: usize = 30;

/// Latencies in order.
struct Latencies(Vec<Duration>);

impl Latencies {
    /// The one that this part, in percent, is below.
    fn percentile(&self, percent: usize) -> Duration {
        self.0[(self.0.len() * percent / 100).min(self.0.len() - 1)]
    }

    async fn measure(client: &mut Wire) -> Self {
        let mut all = Vec::new();
        let until = Instant::now() + LOOK;
        while Instant::now() < until {
            let began = Instant::now();
            client.send(get("/page")).await;
            let head = client.start().await;
            assert_eq!(client.content(&head).await.bytes, b"page");
            all.push(began.elapsed());
        }
        all.sort();
        Self(all)
    }
}

/// An origin of streams, on a thread of its own: it sends while it is told to, until it is dropped.
struct Streams {
    sends: Arc<AtomicBool>,
    ends: Arc<AtomicBool>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Streams {
    fn start(listener: TcpListener) -> Self {
        let (sends, ends) = <(Arc<AtomicBool>, Arc<AtomicBool>)>::default();
        let (sending, ended) = (sends.clone(), ends.clone());
        let thread = std::thread::spawn(move || {
            let mut all: Vec<TcpStream> = (0..UPSTREAMS).map(|_| accept(&listener)).collect();
            let (mut began, mut sent) = (Instant::now(), 0);
            while !ended.load(Ordering::Relaxed) {
                if !sending.load(Ordering::Relaxed) {
                    (began, sent) = (Instant::now(), 0);
                }
                while sent < began.elapsed().as_millis() * EVENTS_PER_SECOND / 1000 {
                    // The relay may have gone.
                    let _ = all[0].write_all(b"data: x\n\n");
                    all.rotate_left(1);
                    sent += 1;
                }
                std::thread::sleep(TICK);
            }
        });
        Self {
            sends,
            ends,
            thread: Some(thread),
        }
    }
}

impl Drop for Streams {
    fn drop(&mut self) {
        self.ends.store(true, Ordering::Relaxed);
        let _ = self.thread.take().unwrap().join();
    }
}

fn accept(listener: &TcpListener) -> TcpStream {
    let (mut stream, _) = listener.accept().unwrap();
    stream.set_nodelay(true).unwrap();
    let mut request = Vec::new();
    while !request.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte).unwrap();
        request.extend(byte);
    }
    stream
        .write_all(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n")
        .unwrap();
    stream
}

/// An origin of pages, each answered at once.
async fn serve_pages(listener: tokio::net::TcpListener) {
    while let Ok((mut connection, _)) = listener.accept().await {
        connection.set_nodelay(true).unwrap();
        tokio::spawn(async move {
            let mut read = Vec::new();
            while connection.read_buf(&mut read).await.is_ok_and(|bytes| bytes > 0) {
                if read.ends_with(b"\r\n\r\n") {
                    read.clear();
                    let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\npage";
                    connection.write_all(answer).await.unwrap();
                }
            }
        });
    }
}

/// The names of a process's threads.
fn threads(process: &TestProcess) -> Vec<String> {
    let tasks = std::fs::read_dir(format!("/proc/{}/task", process.id())).unwrap();
    let name = |task: std::io::Result<std::fs::DirEntry>| std::fs::read_to_string(task.unwrap().path().join("comm"));
    tasks
        .filter_map(|task| Some(name(task).ok()?.trim().to_owned()))
        .collect()
}

/// Whether the median of a look, without events and with them, says that requests don't wait.
fn is_not_held_up((idle, busy): &(Duration, Duration)) -> bool {
    *busy < ROUND_WAITED || *busy < *idle * 4
}

#[tokio::test]
#[allow(clippy::print_stdout, reason = "a measurement says what it has measured")]
async fn proxied_requests_do_not_wait_for_the_rounds_of_upstreams() {
    let pages = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let streams = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/sse", streams.local_addr().unwrap());
    let merged = format!("\"{url}\", ").repeat(UPSTREAMS);
    let plain = TestOrigin::start().await;
    let setup = Setup::over(&plain)
        .beside(&format!("m: {{ path: /merged, upstream: [ {merged} ] }}"))
        .top(&format!(
            "pass: [{{ prefix: /page, to: \"http://{}\" }}]",
            pages.local_addr().unwrap()
        ));
    let streams = Streams::start(streams);
    tokio::spawn(serve_pages(pages));
    let process = TestProcess::start(&setup).await;
    let mut client = Wire::connect(process.address).await;
    let received = r#"fanfare_events_received_total{source="m"}"#;
    let mut looks = Vec::new();
    for _ in 0..LOOKS {
        let idle = Latencies::measure(&mut client).await;
        let before = process.metric(received).await;
        streams.sends.store(true, Ordering::Relaxed);
        let flowing = async {
            while process.metric(received).await < before + 1000.0 {
                tokio::task::yield_now().await;
            }
        };
        within("events to flow", flowing).await;
        let (began, before) = (Instant::now(), process.metric(received).await);
        let busy = Latencies::measure(&mut client).await;
        let per_second = (process.metric(received).await - before) / began.elapsed().as_secs_f64();
        streams.sends.store(false, Ordering::Relaxed);
        let [idle, busy] = [idle, busy].map(|all| [50, 90, 99].map(|percent| all.percentile(percent)));
        println!("median, p90, p99: idle {idle:?}, at {per_second:.0} events/s {busy:?}");
        looks.push((idle[0], busy[0]));
        if looks.iter().any(is_not_held_up) {
            break;
        }
    }
    assert!(looks.iter().any(is_not_held_up), "proxied requests wait: {looks:?}");
    let names = threads(&process);
    for name in ["upstream-0", "requests"] {
        assert!(names.iter().any(|thread| thread == name), "{name} in {names:?}");
    }
}
