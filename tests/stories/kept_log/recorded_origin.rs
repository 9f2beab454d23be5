//! An origin that remembers all its events, and where it gives ids, goes on behind the one that it
//! is asked with.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// What makes an event 200 bytes long.
const PADDING: usize = 180;

/// An origin whose events are numbered from 1.
pub struct RecordedOrigin {
    address: SocketAddr,
    newest: watch::Sender<u64>,
    asked: Arc<Mutex<Vec<Option<String>>>>,
    accepting: JoinHandle<()>,
}

/// How it tells its events apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ids {
    /// Each has an id, and it can go on behind any of them.
    Given,
    /// They have none: who comes back gets what is new.
    None,
}

impl RecordedOrigin {
    pub async fn start(ids: Ids) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (newest, seen) = watch::channel(0);
        let asked = Arc::<Mutex<Vec<_>>>::default();
        let questions = asked.clone();
        let accepting = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, ids, seen.clone(), questions.clone()));
            }
        });
        Self {
            address,
            newest,
            asked,
            accepting,
        }
    }

    pub fn url(&self) -> String {
        format!("http://{}/sse", self.address)
    }

    /// So many more events.
    pub fn publish(&self, events: u64) {
        self.newest.send_modify(|newest| *newest += events);
    }

    pub fn newest(&self) -> u64 {
        *self.newest.borrow()
    }

    /// The ids that it was asked with so far.
    pub fn asked(&self) -> Vec<Option<String>> {
        self.asked.lock().unwrap().clone()
    }

    /// Until it has been asked so often.
    pub async fn until_asked(&self, times: usize) {
        while self.asked().len() < times {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}

impl Drop for RecordedOrigin {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn serve(
    mut stream: TcpStream,
    ids: Ids,
    mut newest: watch::Receiver<u64>,
    asked: Arc<Mutex<Vec<Option<String>>>>,
) -> std::io::Result<()> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await?);
    }
    let head = String::from_utf8(head).unwrap();
    let id = head.lines().find_map(|line| {
        line.to_ascii_lowercase()
            .strip_prefix("last-event-id: ")
            .map(str::to_owned)
    });
    asked.lock().unwrap().push(id.clone());
    let mut next = match (ids, id) {
        (Ids::Given, Some(id)) => id.parse::<u64>().unwrap() + 1,
        _ => *newest.borrow_and_update() + 1,
    };
    stream
        .write_all(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n")
        .await?;
    loop {
        let last = *newest.borrow_and_update();
        let mut blocks = String::new();
        while next <= last {
            if ids == Ids::Given {
                blocks += &format!("id: {next}\n");
            }
            blocks += &format!("data: {next}{}\n\n", "x".repeat(PADDING));
            next += 1;
        }
        stream.write_all(blocks.as_bytes()).await?;
        let mut end = [0];
        tokio::select! {
            changed = newest.changed() => if changed.is_err() { return Ok(()) },
            _ = stream.read(&mut end) => return Ok(()),
        }
    }
}
