//! One end of an HTTP/1 connection, byte by byte: the client's or the origin's, for stories about
//! what passes between them.

use super::client::{Io, connect, find, speaks_http2};
use super::http2_wire::spoken;
use super::origin::within;
use super::tls::{agree_on_http2, dial, speaks_tls};
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};
use tokio::io::{AsyncRead as _, AsyncReadExt as _, AsyncWrite as _, AsyncWriteExt as _, ReadBuf};
use tokio::net::{TcpListener, TcpStream};

/// A connection, and what has been read of it.
pub struct Wire {
    io: Box<dyn Io>,
    read: Vec<u8>,
}

/// A message's head.
#[derive(Debug, Clone)]
pub struct Start {
    /// `GET /path HTTP/1.1`, `HTTP/1.1 200 OK`.
    pub line: String,
    /// Names in lower case.
    pub fields: Vec<(String, String)>,
}

/// A message's body.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Content {
    pub bytes: Vec<u8>,
    pub trailers: Vec<(String, String)>,
}

impl Wire {
    /// To a relay. In the programs whose clients speak HTTP/2, that is what is spoken behind it.
    pub async fn connect(address: std::net::SocketAddr) -> Self {
        if speaks_http2() {
            let tcp = connect(address, None).await;
            tcp.set_nodelay(true).unwrap();
            let io = match speaks_tls(address) {
                true => spoken(agree_on_http2(tcp).await),
                false => spoken(tcp),
            };
            let read = Vec::new();
            return Self { io: Box::new(io), read };
        }
        let io = dial(address, None).await;
        if let Some(tcp) = io.tcp() {
            tcp.set_nodelay(true).unwrap();
        }
        Self { io, read: Vec::new() }
    }

    pub async fn accept(listener: &TcpListener) -> Self {
        Self::over(within("somebody to connect", listener.accept()).await.unwrap().0)
    }

    pub fn over(io: TcpStream) -> Self {
        io.set_nodelay(true).unwrap();
        Self {
            io: Box::new(io),
            read: Vec::new(),
        }
    }

    pub async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.try_send(bytes).await.expect("the peer takes it");
    }

    pub async fn try_send(&mut self, bytes: impl AsRef<[u8]>) -> io::Result<()> {
        within("the peer to take bytes", async {
            self.io.write_all(bytes.as_ref()).await?;
            // TLS keeps what a full socket did not take.
            self.io.flush().await
        })
        .await
    }

    /// Bytes that the peer need not take: as many of them as the socket takes at once.
    pub fn offer(&mut self, bytes: &[u8]) -> io::Result<usize> {
        // One try, after which nothing is waited for.
        let mut now = Context::from_waker(Waker::noop());
        match Pin::new(&mut self.io).poll_write(&mut now, bytes) {
            Poll::Ready(written) => written,
            Poll::Pending => Err(io::ErrorKind::WouldBlock.into()),
        }
    }

    pub async fn chunk(&mut self, bytes: impl AsRef<[u8]>) {
        let bytes = bytes.as_ref();
        let framed = [format!("{:x}\r\n", bytes.len()).as_bytes(), bytes, b"\r\n"].concat();
        self.send(framed).await;
    }

    /// No more is sent.
    pub async fn finish(&mut self) {
        self.io.shutdown().await.unwrap();
    }

    /// Breaks the connection off: RST. Over HTTP/2 the stream is reset.
    pub fn reset(self) {
        if let Some(tcp) = self.io.tcp() {
            let linger = socket2::SockRef::from(tcp).set_linger(Some(std::time::Duration::ZERO));
            linger.unwrap();
        }
    }

    /// The next message's head.
    pub async fn start(&mut self) -> Start {
        self.try_start().await.expect("a head before the end")
    }

    /// Likewise; `None`: the connection ended.
    pub async fn try_start(&mut self) -> Option<Start> {
        let end = loop {
            if let Some(at) = find(&self.read, b"\r\n\r\n") {
                break at + 4;
            }
            if !self.more("a head").await {
                return None;
            }
        };
        let head: Vec<u8> = self.read.drain(..end).collect();
        let text: String = head.iter().map(|byte| char::from(*byte)).collect();
        let mut lines = text.trim_end().split("\r\n");
        let line = lines.next().unwrap().to_owned();
        Some(Start {
            line,
            fields: lines.map(field).collect(),
        })
    }

    /// The next message's head, however long it takes; `None`: the connection ended.
    pub async fn whenever_it_starts(&mut self) -> Option<Start> {
        if self.read.is_empty() {
            // No bound: what comes first is read however late.
            let mut buffer = vec![0; 64 * 1024];
            let read = self.io.read(&mut buffer).await.ok()?;
            self.read.extend_from_slice(&buffer[..read]);
        }
        self.try_start().await
    }

    /// The body that belongs to a head.
    pub async fn content(&mut self, start: &Start) -> Content {
        if start.value("transfer-encoding") == Some("chunked") {
            let mut content = Content::default();
            while let Some(piece) = self.next_chunk().await {
                content.bytes.extend(piece);
            }
            loop {
                let line = self.line().await;
                if line.is_empty() {
                    return content;
                }
                content.trailers.push(field(&line));
            }
        }
        let bytes = match start.value("content-length") {
            Some(length) => self.bytes(length.parse().unwrap()).await,
            None if start.line.starts_with("HTTP/") => self.rest().await,
            None => Vec::new(),
        };
        Content {
            bytes,
            ..Content::default()
        }
    }

    /// Likewise, of a message that may be broken; `None`: it was.
    pub async fn try_content(&mut self, start: &Start) -> Option<Content> {
        if start.value("transfer-encoding") != Some("chunked") {
            let Some(length) = start.value("content-length") else {
                return Some(self.content(start).await);
            };
            let length: usize = length.parse().ok()?;
            while self.read.len() < length {
                if !self.more("bytes").await {
                    return None;
                }
            }
            return Some(self.content(start).await);
        }
        let end = b"\r\n0\r\n";
        // The last chunk, and the line that is empty behind it and its trailers.
        while !self.read.starts_with(&end[2..]) && find(&self.read, end).is_none()
            || find(&self.read, b"\r\n\r\n").is_none()
        {
            if !self.more("the last chunk").await {
                return None;
            }
        }
        Some(self.content(start).await)
    }

    /// The next chunk; `None`: it was the last one, of which the trailers are still to come.
    pub async fn next_chunk(&mut self) -> Option<Vec<u8>> {
        let line = self.line().await;
        let size = usize::from_str_radix(&line, 16).unwrap_or_else(|_| panic!("a size line {line:?}"));
        if size == 0 {
            return None;
        }
        let piece = self.bytes(size).await;
        assert_eq!(self.line().await, "");
        Some(piece)
    }

    /// So many bytes.
    pub async fn bytes(&mut self, wanted: usize) -> Vec<u8> {
        while self.read.len() < wanted {
            assert!(
                self.more("bytes").await,
                "the end after {} of {wanted} bytes",
                self.read.len()
            );
        }
        self.read.drain(..wanted).collect()
    }

    /// Everything up to the end.
    pub async fn rest(&mut self) -> Vec<u8> {
        while self.more("the end").await {}
        std::mem::take(&mut self.read)
    }

    /// Whether nothing has come that was not taken, without waiting.
    pub fn is_quiet(&mut self) -> bool {
        let mut buffer = [0; 1024];
        let mut into = ReadBuf::new(&mut buffer);
        let mut now = Context::from_waker(Waker::noop());
        if let Poll::Ready(read) = Pin::new(&mut self.io).poll_read(&mut now, &mut into) {
            read.unwrap();
            self.read.extend_from_slice(into.filled());
        }
        self.read.is_empty()
    }

    async fn line(&mut self) -> String {
        let end = loop {
            if let Some(at) = find(&self.read, b"\r\n") {
                break at;
            }
            assert!(self.more("a line").await, "the end before a line's");
        };
        self.read.drain(..end + 2).take(end).map(char::from).collect()
    }

    async fn more(&mut self, what: &str) -> bool {
        let mut buffer = vec![0; 64 * 1024];
        // A reset is an end too; a story that cares asks for what must come before.
        let read = within(what, self.io.read(&mut buffer)).await.unwrap_or(0);
        self.read.extend_from_slice(&buffer[..read]);
        read > 0
    }
}

impl Start {
    pub fn status(&self) -> u16 {
        self.line.split(' ').nth(1).unwrap().parse().unwrap()
    }

    /// A request's target.
    pub fn target(&self) -> &str {
        self.line.split(' ').nth(1).unwrap_or_default()
    }

    pub fn value(&self, name: &str) -> Option<&str> {
        self.fields
            .iter()
            .find(|(field, _)| field == name)
            .map(|(_, value)| value.as_str())
    }

    pub fn all(&self, name: &str) -> Vec<&str> {
        let fields = self.fields.iter().filter(|(field, _)| field == name);
        fields.map(|(_, value)| value.as_str()).collect()
    }
}

fn field(line: &str) -> (String, String) {
    let (name, value) = line.split_once(':').unwrap_or_else(|| panic!("a field {line:?}"));
    (name.to_ascii_lowercase(), value.trim().to_owned())
}
