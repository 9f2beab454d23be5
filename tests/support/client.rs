//! A client that believes nothing: it decodes chunks to the letter and knows how its stream ended.
//!
//! ```ignore
//! let mut client = get("/events").last_event_id("7").open(relay.address).await;
//! assert_eq!(client.next_event().await.data, "hello");
//! assert_eq!(client.end().await, End::LastChunk);
//! ```
//!
//! Events are what the reference parser (`tests/reference`) makes of the body.

use super::origin::{RequestHead, within};
use super::reference::dispatch;
use socket2::{Domain, Protocol, SockRef, Socket, Type};
use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;

/// Longest size line of a chunk that is believed.
const SIZE_LINE_MAX: usize = 20;

/// A request, and how the connection is made.
#[derive(Debug, Clone)]
pub struct Ask {
    method: String,
    target: String,
    version: &'static str,
    fields: Vec<Vec<u8>>,
    receive_buffer: Option<usize>,
}

/// Begins a request for an event stream.
pub fn get(target: &str) -> Ask {
    ask("GET", target).header("Accept", "text/event-stream")
}

/// Begins a request that says nothing of what it accepts.
pub fn ask(method: &str, target: &str) -> Ask {
    Ask {
        method: method.to_owned(),
        target: target.to_owned(),
        version: "HTTP/1.1",
        fields: vec![b"Host: relay.test".to_vec()],
        receive_buffer: None,
    }
}

impl Ask {
    pub fn header(mut self, name: &str, value: impl AsRef<[u8]>) -> Self {
        self.fields.push([name.as_bytes(), b": ", value.as_ref()].concat());
        self
    }

    pub fn last_event_id(self, id: impl AsRef<[u8]>) -> Self {
        self.header("Last-Event-ID", id)
    }

    pub fn http10(mut self) -> Self {
        self.version = "HTTP/1.0";
        self
    }

    /// As few bytes in the kernel as it allows: whoever stops reading is noticed soon.
    pub fn small_receive_buffer(mut self) -> Self {
        self.receive_buffer = Some(4096);
        self
    }

    pub fn bytes(&self) -> Vec<u8> {
        let mut bytes = format!("{} {} {}\r\n", self.method, self.target, self.version).into_bytes();
        for field in &self.fields {
            bytes.extend_from_slice(field);
            bytes.extend_from_slice(b"\r\n");
        }
        bytes.extend_from_slice(b"\r\n");
        bytes
    }

    /// Connects and sends the request; the answer has not been read.
    pub async fn send(&self, address: SocketAddr) -> TestClient {
        let io = connect(address, self.receive_buffer).await;
        TestClient::new(Box::new(io), self).await
    }

    /// Connects, and reads the answer's head, which must be that of an event stream.
    pub async fn open(&self, address: SocketAddr) -> TestClient {
        let mut client = self.send(address).await;
        let head = client.read_head().await;
        assert_eq!(head.status, 200, "{}", head.fields.text);
        assert_eq!(head.header("content-type"), Some("text/event-stream"));
        client
    }

    /// The whole of an answer that ends.
    pub async fn answer(&self, address: SocketAddr) -> Answer {
        let closing = self.clone().header("Connection", "close");
        let mut client = closing.send(address).await;
        let head = client.read_head().await;
        let end = client.end().await;
        let body = String::from_utf8_lossy(&client.body).into_owned();
        Answer { head, body, end }
    }
}

/// A TCP connection.
pub async fn connect(address: SocketAddr, receive_buffer: Option<usize>) -> TcpStream {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP)).unwrap();
    if let Some(bytes) = receive_buffer {
        socket.set_recv_buffer_size(bytes).unwrap();
    }
    within("a connection to the relay", async {
        // A full backlog or a relay that has no descriptor: the kernel makes us wait.
        let connecting = tokio::task::spawn_blocking(move || socket.connect(&address.into()).map(|()| socket));
        match connecting.await {
            Ok(connected) => connected,
            // The story is over.
            Err(_) => std::future::pending().await,
        }
    })
    .await
    .map(|socket| {
        socket.set_nonblocking(true).unwrap();
        TcpStream::from_std(socket.into()).unwrap()
    })
    .expect("the relay's port is open")
}

/// An answer that has ended.
#[derive(Debug)]
pub struct Answer {
    pub head: Head,
    pub body: String,
    pub end: End,
}

impl Answer {
    /// Asserts that it is problem details (RFC 9457) with this status.
    pub fn assert_problem(&self, status: u16) {
        assert_eq!(self.head.status, status, "{self:?}");
        assert_eq!(
            self.head.header("content-type"),
            Some("application/problem+json"),
            "{self:?}"
        );
        let body: serde_json::Value = serde_json::from_str(&self.body).unwrap();
        assert_eq!(body["status"], status, "{body}");
        assert!(body["title"].is_string() && body["detail"].is_string(), "{body}");
    }
}

/// An answer's head.
#[derive(Debug, Clone, Default)]
pub struct Head {
    pub version: String,
    pub status: u16,
    pub fields: RequestHead,
}

impl Head {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.fields.header(name)
    }

    /// Every value of a field.
    pub fn all(&self, name: &str) -> Vec<String> {
        let values = self.fields.fields.iter().filter(|(field, _)| field == name);
        values
            .map(|(_, value)| String::from_utf8_lossy(value).into_owned())
            .collect()
    }
}

/// How a stream ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// In order: the last chunk, or all bytes of a known length.
    LastChunk,
    /// The connection ended between chunks, without the last one. Over HTTP/1.0 that is the order.
    Closed,
    /// The connection ended inside a chunk.
    ClosedInsideChunk,
    /// The connection was reset.
    Reset,
}

/// What an `EventSource` would have dispatched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    pub event_type: String,
    pub data: String,
    /// The last event ID.
    pub id: Vec<u8>,
}

impl Event {
    pub fn id(&self) -> &str {
        std::str::from_utf8(&self.id).unwrap()
    }

    /// The reason, if this is a gap event.
    pub fn gap(&self) -> Option<String> {
        (self.event_type == "fanfare.gap").then(|| self.json()["reason"].as_str().unwrap().to_owned())
    }

    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.data).unwrap()
    }
}

pub trait Io: AsyncRead + AsyncWrite + Send + Unpin {
    fn tcp(&self) -> Option<&TcpStream>;
}

impl Io for TcpStream {
    fn tcp(&self) -> Option<&TcpStream> {
        Some(self)
    }
}

/// One connection of a client, and what came over it.
pub struct TestClient {
    io: Box<dyn Io>,
    raw: Vec<u8>,
    framing: Framing,
    /// The body so far, without chunk lines.
    pub body: Vec<u8>,
    /// Bytes of `body` that have been made into blocks.
    taken: usize,
    events: VecDeque<Event>,
    /// The last event ID after everything that was read, as an `EventSource` holds it.
    pub last_event_id: Vec<u8>,
    /// The same after the event that was taken last, or at the stream's beginning before the first; `None`: nothing said yet.
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

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Framing {
    Head,
    Size,
    Chunk(usize),
    AfterChunk,
    LastChunk,
    UntilClose,
    Length(usize),
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
            body: Vec::new(),
            taken: 0,
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
        self.io.write_all(bytes.as_ref()).await
    }

    pub fn local_address(&self) -> SocketAddr {
        self.io.tcp().expect("TCP").local_addr().unwrap()
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
            Err(error) => panic!("{error}"),
        }
        self.end.is_none()
    }

    fn decode(&mut self) {
        let mut raw = std::mem::take(&mut self.raw);
        let mut rest = &raw[..];
        while self.step(&mut rest) {}
        let used = raw.len() - rest.len();
        raw.drain(..used);
        self.raw = raw;
        if self.end == Some(End::Closed) && !matches!(self.framing, Framing::Size | Framing::UntilClose) {
            self.end = Some(End::ClosedInsideChunk);
        }
        if self.end == Some(End::Closed) {
            assert!(
                self.raw.is_empty(),
                "closed inside a size line: {:?}",
                self.raw.escape_ascii()
            );
        }
        if matches!(self.framing, Framing::LastChunk | Framing::Length(0)) {
            assert!(self.raw.is_empty(), "bytes after the end: {}", self.raw.escape_ascii());
            self.end = Some(End::LastChunk);
        }
        self.dispatch();
    }

    /// RFC 9112, 7.1, without extensions and trailers: the relay sends none.
    fn step(&mut self, rest: &mut &[u8]) -> bool {
        let wanted = match self.framing {
            Framing::Head | Framing::LastChunk => return false,
            Framing::Size => {
                let Some(end) = find(rest, b"\r\n") else {
                    assert!(
                        rest.len() < SIZE_LINE_MAX,
                        "no size line: {}",
                        rest[..SIZE_LINE_MAX].escape_ascii()
                    );
                    return false;
                };
                let line = std::str::from_utf8(&rest[..end]).expect("a size line");
                assert!(
                    !line.is_empty() && line.bytes().all(|b| b.is_ascii_hexdigit()),
                    "size line {line:?}"
                );
                let size = usize::from_str_radix(line, 16).unwrap();
                if size == 0 {
                    let Some(after) = rest.get(end + 2..end + 4) else {
                        return false;
                    };
                    assert_eq!(after, b"\r\n", "trailers");
                    self.framing = Framing::LastChunk;
                    *rest = &rest[end + 4..];
                    return false;
                }
                *rest = &rest[end + 2..];
                self.framing = Framing::Chunk(size);
                return true;
            }
            Framing::AfterChunk => {
                let Some(end) = rest.get(..2) else { return false };
                assert_eq!(end, b"\r\n", "a chunk is longer than its size");
                *rest = &rest[2..];
                self.framing = Framing::Size;
                return true;
            }
            Framing::Chunk(size) | Framing::Length(size) => size,
            Framing::UntilClose => usize::MAX,
        };
        let taken = wanted.min(rest.len());
        self.body.extend_from_slice(&rest[..taken]);
        *rest = &rest[taken..];
        let left = wanted - taken;
        match &mut self.framing {
            Framing::Chunk(_) if left == 0 => self.framing = Framing::AfterChunk,
            Framing::Chunk(size) | Framing::Length(size) => *size = left,
            _ => return false,
        }
        taken > 0 && left == 0
    }

    /// Makes events of the blocks that are complete.
    fn dispatch(&mut self) {
        assert!(
            memchr::memchr(b'\r', &self.body[self.taken..]).is_none(),
            "CR in {}",
            self.body[self.taken..].escape_ascii()
        );
        while let Some(end) = find(&self.body[self.taken..], b"\n\n") {
            let block = self.body[self.taken..self.taken + end + 2].to_vec();
            self.taken += end + 2;
            if block.starts_with(b":") {
                self.comments
                    .push(String::from_utf8_lossy(block.trim_ascii_end()).into_owned());
            }
            let known = [b"id: ", &self.last_event_id[..], b"\n\n", &block].concat();
            let outcome = dispatch(&known);
            self.last_event_id = outcome.last_event_id;
            if self.events.is_empty() && outcome.events.is_empty() {
                self.seen_id = Some(self.last_event_id.clone());
            }
            self.retries.extend(outcome.reconnection_times);
            self.events
                .extend(outcome.events.into_iter().map(|(event_type, data, id)| Event {
                    event_type: String::from_utf8_lossy(&event_type).into_owned(),
                    data: String::from_utf8_lossy(&data).into_owned(),
                    id,
                }));
        }
    }
}

pub fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    memchr::memmem::find(haystack, needle)
}
