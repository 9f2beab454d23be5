//! A client that comes back whenever it is cut, with the id that it had last, and remembers all that
//! it got.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;

/// Between two attempts: the process is being started.
const RECONNECT: Duration = Duration::from_millis(10);
/// Far more than a busy machine needs.
const PATIENCE: Duration = Duration::from_secs(30);

/// What a client got.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Got {
    /// An event, by the number in its data.
    Event(u64),
    /// It was told that events are missing.
    Gap(String),
    /// The stream was opened, with this id.
    Opened(String),
}

/// The client.
pub struct Reader {
    state: Arc<Mutex<State>>,
    task: JoinHandle<()>,
}

struct State {
    got: Vec<Got>,
    last_event_id: String,
}

impl Reader {
    pub fn start(address: SocketAddr, path: &str) -> Self {
        Self::start_behind(address, path, "")
    }

    /// One that comes with an id that it had before.
    pub fn start_behind(address: SocketAddr, path: &str, last_event_id: &str) -> Self {
        let state = Arc::new(Mutex::new(State {
            got: Vec::new(),
            last_event_id: last_event_id.to_owned(),
        }));
        let (reading, path) = (state.clone(), path.to_owned());
        let task = tokio::spawn(async move {
            loop {
                // Whatever cuts it: it comes back.
                let _ = read(address, &path, &reading).await;
                tokio::time::sleep(RECONNECT).await;
            }
        });
        Self { state, task }
    }

    pub fn got(&self) -> Vec<Got> {
        self.state.lock().unwrap().got.clone()
    }

    pub fn last_event_id(&self) -> String {
        self.state.lock().unwrap().last_event_id.clone()
    }

    /// The numbers of its events, in the order in which they came.
    pub fn events(&self) -> Vec<u64> {
        let number = |got: &Got| match got {
            Got::Event(number) => Some(*number),
            _ => None,
        };
        self.got().iter().filter_map(number).collect()
    }

    pub fn gaps(&self) -> usize {
        self.got().iter().filter(|got| matches!(got, Got::Gap(_))).count()
    }

    /// Until it has got this one.
    pub async fn until(&self, number: u64) {
        self.until_it("event", |got| got.contains(&Got::Event(number))).await;
    }

    /// Until its stream is open.
    pub async fn opened(&self) {
        self.until_it("opened stream", |got| {
            got.iter().any(|got| matches!(got, Got::Opened(_)))
        })
        .await;
    }

    pub async fn until_it(&self, what: &str, holds: impl Fn(&[Got]) -> bool) {
        let began = Instant::now();
        while !holds(&self.state.lock().unwrap().got) {
            assert!(began.elapsed() < PATIENCE, "no {what} in {:?}", self.tail());
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    fn tail(&self) -> Vec<Got> {
        let got = self.got();
        got[got.len().saturating_sub(30)..].to_vec()
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// One connection. HTTP/1.0: the body is the stream and nothing else.
async fn read(address: SocketAddr, path: &str, state: &Mutex<State>) -> std::io::Result<()> {
    let mut stream = TcpStream::connect(address).await?;
    let id = state.lock().unwrap().last_event_id.clone();
    let last = match id.is_empty() {
        true => String::new(),
        false => format!("Last-Event-ID: {id}\r\n"),
    };
    let request = format!("GET {path} HTTP/1.0\r\nHost: h\r\nAccept: text/event-stream\r\n{last}\r\n");
    stream.write_all(request.as_bytes()).await?;
    let (mut bytes, mut buffer, mut is_open) = (Vec::new(), vec![0; 64 * 1024], false);
    loop {
        let n = stream.read(&mut buffer).await?;
        if n == 0 {
            return Ok(());
        }
        bytes.extend_from_slice(&buffer[..n]);
        if !is_open {
            let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") else {
                continue;
            };
            bytes.drain(..end + 4);
            is_open = true;
            state.lock().unwrap().got.push(Got::Opened(id.clone()));
        }
        while let Some(end) = bytes.windows(2).position(|two| two == b"\n\n") {
            let block: Vec<u8> = bytes.drain(..end + 2).collect();
            state.lock().unwrap().block(&String::from_utf8(block).unwrap());
        }
    }
}

impl State {
    fn block(&mut self, block: &str) {
        let (mut kind, mut data) = ("message", None);
        for line in block.lines() {
            match line.split_once(": ") {
                Some(("id", id)) => self.last_event_id = id.to_owned(),
                Some(("event", event)) => kind = event,
                Some(("data", text)) => data = Some(text),
                _ => {}
            }
        }
        match (kind, data) {
            ("fanfare.gap", Some(data)) => self.got.push(Got::Gap(data.to_owned())),
            (_, Some(data)) => self.got.push(Got::Event(data.trim_end_matches('x').parse().unwrap())),
            (_, None) => {}
        }
    }
}
