//! A client that believes nothing: it decodes chunks to the letter and knows how its stream ended.
//!
//! ```ignore
//! let mut client = get("/events").last_event_id("7").open(relay.address).await;
//! assert_eq!(client.next_event().await.data, "hello");
//! assert_eq!(client.end().await, End::LastChunk);
//! ```
//!
//! Events are what the reference parser (`tests/reference`) makes of the body.

mod answer;
mod ask;
mod connection;
mod decode;
mod gunzip;
mod http2;

pub use self::answer::{Answer, End, Event, Head};
pub use self::ask::{Ask, ask, get};
pub use self::connection::{Io, connect, connect_from, connect_unix};
pub use self::decode::find;
pub use self::gunzip::{Gunzip, asks_for_gzip};
pub use self::http2::{protocol, speaks_http2};

use self::decode::Framing;
use super::origin::{RequestHead, within};
use socket2::SockRef;
use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// One connection of a client, and what came over it.
pub struct TestClient {
    io: Box<dyn Io>,
    raw: Vec<u8>,
    framing: Framing,
    /// What the body is compressed by.
    gunzip: Option<Gunzip>,
    /// Bytes of the body as they came, without chunk lines.
    pub coded_bytes: usize,
    /// The body so far, without chunk lines and decompressed.
    pub body: Vec<u8>,
    /// Bytes of `body` that have been made into blocks.
    taken: usize,
    /// Bytes of `body` in which a block's end has been looked for.
    searched: usize,
    events: VecDeque<Event>,
    /// The last event ID after everything that was read, as an `EventSource` holds it.
    pub last_event_id: Vec<u8>,
    /// The same after the event that was taken last, or at the stream's beginning before the first;
    /// `None`: nothing said yet.
    pub seen_id: Option<Vec<u8>>,
    /// Every reconnection time that came, in milliseconds.
    pub retries: Vec<u128>,
    /// Blocks that were comments.
    pub comments: Vec<String>,
    end: Option<End>,
    is_head_request: bool,
    /// Most bytes taken from the socket at one time.
    pub read_bytes_max: usize,
}

impl TestClient {
    /// A client over any connection.
    pub async fn new(mut io: Box<dyn Io>, request: &Ask) -> Self {
        io.write_all(&request.bytes())
            .await
            .expect("the relay takes the request");
        Self::over(io, request.method == "HEAD")
    }

    /// A client on whose connection nothing has been sent.
    pub fn over(io: Box<dyn Io>, is_head_request: bool) -> Self {
        Self {
            io,
            raw: Vec::new(),
            framing: Framing::Head,
            gunzip: None,
            coded_bytes: 0,
            body: Vec::new(),
            taken: 0,
            searched: 0,
            events: VecDeque::new(),
            last_event_id: Vec::new(),
            seen_id: None,
            retries: Vec::new(),
            comments: Vec::new(),
            end: None,
            is_head_request,
            read_bytes_max: 16 * 1024,
        }
    }

    pub async fn write(&mut self, bytes: impl AsRef<[u8]>) -> io::Result<()> {
        self.io.write_all(bytes.as_ref()).await?;
        self.io.flush().await
    }

    pub fn local_address(&self) -> SocketAddr {
        self.io.local_address()
    }

    /// Reads the answer's head.
    pub async fn read_head(&mut self) -> Head {
        let end_of_head = loop {
            if let Some(at) = find(&self.raw, b"\r\n\r\n") {
                break at + 4;
            }
            let more = within("a response head", self.read_raw()).await;
            assert!(
                more,
                "no head but {:?}, then {:?}",
                String::from_utf8_lossy(&self.raw),
                self.end
            );
        };
        let bytes: Vec<u8> = self.raw.drain(..end_of_head).collect();
        let fields = RequestHead::parse(&bytes);
        let mut words = fields.line().splitn(3, ' ');
        let version = words.next().unwrap().to_owned();
        let status = words.next().unwrap().parse().unwrap();
        let head = Head {
            version,
            status,
            fields,
        };
        match head.header("content-encoding") {
            None => {}
            Some("gzip") => self.gunzip = Some(Gunzip::new()),
            Some(other) => panic!("what coding is {other:?}?"),
        }
        let chunked = head.header("transfer-encoding").map(str::to_ascii_lowercase);
        self.framing = match (chunked.as_deref(), head.header("content-length")) {
            _ if self.is_head_request || status == 204 || status == 304 => Framing::Length(0),
            (Some("chunked"), None) => Framing::Size,
            (None, Some(length)) => Framing::Length(length.parse().unwrap()),
            (None, None) => Framing::UntilClose,
            other => panic!("what framing is {other:?}?"),
        };
        self.decode();
        head
    }

    /// The next event, of whatever type.
    pub async fn next_event(&mut self) -> Event {
        match self.try_next_event().await {
            Some(event) => event,
            None => panic!(
                "an event was expected, but the stream ended: {:?} after id {:?}, {} bytes",
                self.end,
                self.last_event_id.escape_ascii().to_string(),
                self.body.len()
            ),
        }
    }

    /// The next event; `None`: the stream ended.
    pub async fn try_next_event(&mut self) -> Option<Event> {
        if self.events.is_empty() {
            within("an event", async {
                while self.events.is_empty() && self.read_more().await {}
            })
            .await;
        }
        let event = self.events.pop_front()?;
        self.seen_id = Some(event.id.clone());
        Some(event)
    }

    /// Reads events until one has this data; returns them, this one last.
    pub async fn until_data(&mut self, data: &str) -> Vec<Event> {
        let mut events = Vec::new();
        while events.last().is_none_or(|event: &Event| event.data != data) {
            events.push(self.next_event().await);
        }
        events
    }

    /// Reads until a comment has come that was not there before.
    pub async fn next_comment(&mut self) -> String {
        let before = self.comments.len();
        within("a comment", async {
            while self.comments.len() == before {
                assert!(self.read_more().await, "the stream ended: {:?}", self.end);
            }
        })
        .await;
        self.comments[before].clone()
    }

    /// Reads the stream's beginning: the comment and the reconnection time.
    pub async fn opened(&mut self) {
        within("the stream's beginning", async {
            while self.retries.is_empty() {
                assert!(self.read_more().await, "the stream ended: {:?}", self.end);
            }
        })
        .await;
    }

    /// Reads to the end of the stream, and says what it was like.
    pub async fn end(&mut self) -> End {
        within("the stream's end", async { while self.read_more().await {} }).await;
        self.end.unwrap()
    }

    /// The events that have been read and not been taken.
    pub fn events_so_far(&mut self) -> Vec<Event> {
        self.events.drain(..).collect()
    }

    /// Lets go of the body so far, but for an incomplete block.
    pub fn forget_body(&mut self) {
        self.body.drain(..self.taken);
        self.searched -= self.taken;
        self.taken = 0;
    }

    /// Bytes after the last whole block.
    pub fn incomplete(&self) -> &[u8] {
        &self.body[self.taken..]
    }

    /// Reads once, whatever comes. Whether the stream goes on.
    pub async fn read_more(&mut self) -> bool {
        if self.end.is_some() {
            return false;
        }
        self.read_raw().await;
        self.decode();
        self.end.is_none()
    }

    /// Breaks the connection off: RST.
    pub fn reset(self) {
        if let Some(tcp) = self.io.tcp() {
            SockRef::from(tcp).set_linger(Some(Duration::ZERO)).unwrap();
        }
    }

    /// Whether no end has come by now, behind what has not been read.
    pub fn is_open(&self) -> bool {
        let mut buffer = [0; 16 * 1024];
        loop {
            match self.io.tcp().expect("TCP").try_read(&mut buffer) {
                Ok(0) => return false,
                Ok(_) => {}
                Err(error) => return error.kind() == io::ErrorKind::WouldBlock,
            }
        }
    }

    /// Bytes are there, or the end is: without reading them.
    pub async fn readable(&self) {
        within("bytes from the relay", self.io.tcp().expect("TCP").readable())
            .await
            .unwrap();
    }

    async fn read_raw(&mut self) -> bool {
        let mut buffer = vec![0; 16 * 1024];
        match self.io.read(&mut buffer[..self.read_bytes_max]).await {
            Ok(0) => self.end = Some(End::Closed),
            Ok(n) => self.raw.extend_from_slice(&buffer[..n]),
            Err(error) if error.kind() == io::ErrorKind::ConnectionReset => self.end = Some(End::Reset),
            // TLS: the connection ended, and nobody said so. How much is missing shows the framing.
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => self.end = Some(End::Closed),
            Err(error) => panic!("{error}"),
        }
        self.end.is_none()
    }
}
