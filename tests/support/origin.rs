//! An origin that does exactly what a story says, byte by byte.
//!
//! ```ignore
//! let origin = TestOrigin::start().await;
//! // ... something connects to origin.url("/sse") ...
//! let mut conn = origin.accept().await;
//! assert_eq!(conn.request().header("accept"), Some("text/event-stream"));
//! conn.stream_head().await;
//! conn.event("id: 7\ndata: hello").await;
//! conn.reset();
//! ```
//!
//! Nothing answers by itself: until the story accepts, a connection waits in the kernel's backlog,
//! and until it answers, the origin stalls. Every wait is bounded by [`PATIENCE`], and fails the
//! test with what was waited for.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

/// How long a story waits for anything before it fails: far more than a busy machine needs.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// An origin on a port of its own.
pub struct TestOrigin {
    listener: TcpListener,
    tls: Option<TlsAcceptor>,
    address: SocketAddr,
}

/// One connection that the origin has accepted, its request head already read.
pub struct Conn {
    io: Io,
    request: RequestHead,
    chunked: bool,
}

/// A request's head, as it came.
#[derive(Debug, Clone, Default)]
pub struct RequestHead {
    /// Every byte of it as text (Latin-1, so that each byte is one character).
    pub text: String,
    /// Header fields in order: names in lower case, values as bytes.
    pub fields: Vec<(String, Vec<u8>)>,
}

enum Io {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

impl TestOrigin {
    /// Listens on a free port of the loopback.
    pub async fn start() -> Self {
        Self::listen("127.0.0.1:0".parse().unwrap(), None).await
    }

    /// Likewise, with TLS.
    pub async fn start_tls(config: Arc<rustls::ServerConfig>) -> Self {
        Self::listen("127.0.0.1:0".parse().unwrap(), Some(config)).await
    }

    /// Comes back at an address that was used before: an origin that was restarted.
    pub async fn start_at(address: SocketAddr) -> Self {
        Self::listen(address, None).await
    }

    async fn listen(address: SocketAddr, tls: Option<Arc<rustls::ServerConfig>>) -> Self {
        let listener = TcpListener::bind(address).await.expect("the origin's port is free");
        let address = listener.local_addr().unwrap();
        Self {
            listener,
            tls: tls.map(TlsAcceptor::from),
            address,
        }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The URL of a path (which begins with `/`) at this origin.
    pub fn url(&self, path: &str) -> String {
        let scheme = if self.tls.is_some() { "https" } else { "http" };
        format!("{scheme}://{}{path}", self.address)
    }

    /// The next connection, its request head read.
    pub async fn accept(&self) -> Conn {
        within("a request", async {
            let mut conn = self.accept_silent().await;
            conn.request = conn.io.read_head().await;
            conn
        })
        .await
    }

    /// Likewise, however long it takes. A connection that ends without a request is none.
    pub async fn accept_request(&self) -> Conn {
        loop {
            let (tcp, _) = self.listener.accept().await.expect("a connection");
            let mut conn = Conn {
                io: Io::Plain(tcp),
                request: RequestHead::default(),
                chunked: false,
            };
            if let Ok(request) = conn.io.try_read_head().await {
                conn.request = request;
                return conn;
            }
        }
    }

    /// The next connection, of which nothing has been read.
    pub async fn accept_silent(&self) -> Conn {
        self.try_accept().await.expect("a connection")
    }

    /// The next connection, however long it takes, of which nothing has been read. An error: the
    /// handshake failed.
    pub async fn accept_one(&self) -> io::Result<Conn> {
        let (tcp, _) = self.listener.accept().await?;
        let io = match &self.tls {
            Some(acceptor) => Io::Tls(Box::new(acceptor.accept(tcp).await?)),
            None => Io::Plain(tcp),
        };
        Ok(Conn {
            io,
            request: RequestHead::default(),
            chunked: false,
        })
    }

    /// The next connection that gets as far as TLS, or the error that stopped it.
    pub async fn try_accept(&self) -> io::Result<Conn> {
        let (tcp, _) = within("a connection", self.listener.accept()).await?;
        let io = match &self.tls {
            Some(acceptor) => Io::Tls(Box::new(within("a TLS handshake", acceptor.accept(tcp)).await?)),
            None => Io::Plain(tcp),
        };
        Ok(Conn {
            io,
            request: RequestHead::default(),
            chunked: false,
        })
    }

    /// Whether anyone connects within this time.
    pub async fn is_called_within(&self, time: Duration) -> bool {
        timeout(time, self.listener.accept()).await.is_ok()
    }

    /// Answers the next request with these bytes and closes.
    pub async fn answer(&self, response: impl AsRef<[u8]>) -> RequestHead {
        let mut conn = self.accept().await;
        conn.send(response).await;
        let request = conn.request().clone();
        conn.close().await;
        request
    }
}

impl Conn {
    /// The request's head.
    pub fn request(&self) -> &RequestHead {
        &self.request
    }

    /// Writes exactly these bytes.
    pub async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.try_send(bytes)
            .await
            .expect("the peer takes what the origin sends");
    }

    /// Likewise; an error if the peer is gone.
    pub async fn try_send(&mut self, bytes: impl AsRef<[u8]>) -> io::Result<()> {
        within("the peer to take bytes", async {
            self.io.write_all(bytes.as_ref()).await?;
            self.io.flush().await
        })
        .await
    }

    /// The head of a stream that lasts until the connection is closed.
    pub async fn stream_head(&mut self) {
        self.send("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n")
            .await;
    }

    /// The head of a stream in chunks: from here on each [`body`](Self::body) is one.
    pub async fn chunked_stream_head(&mut self) {
        self.chunked = true;
        self.send("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n")
            .await;
    }

    /// Bytes of the stream, as one chunk if it is chunked.
    pub async fn body(&mut self, bytes: impl AsRef<[u8]>) {
        let bytes = bytes.as_ref();
        if self.chunked {
            let mut chunk = format!("{:x}\r\n", bytes.len()).into_bytes();
            chunk.extend_from_slice(bytes);
            chunk.extend_from_slice(b"\r\n");
            self.send(chunk).await;
        } else {
            self.send(bytes).await;
        }
    }

    /// One block: these lines, and the blank line.
    pub async fn event(&mut self, lines: &str) {
        self.body(format!("{lines}\n\n")).await;
    }

    /// These bytes, one at a time.
    pub async fn trickle(&mut self, bytes: impl AsRef<[u8]>, every: Duration) {
        for byte in bytes.as_ref() {
            self.body([*byte]).await;
            tokio::time::sleep(every).await;
        }
    }

    /// Ends in good order: the last chunk, TLS's farewell, FIN.
    pub async fn close(mut self) {
        if self.chunked {
            // The peer may have gone first.
            let _ = self.try_send("0\r\n\r\n").await;
        }
        let _ = self.io.shutdown().await;
    }

    /// Closes without the last chunk.
    pub async fn close_early(mut self) {
        self.chunked = false;
        self.close().await;
    }

    /// Breaks the connection off: RST.
    pub fn reset(self) {
        let linger = socket2::SockRef::from(self.io.tcp()).set_linger(Some(Duration::ZERO));
        linger.expect("a socket can be told to linger");
    }

    /// Waits until the peer has closed its side.
    pub async fn closed(&mut self) {
        within("the peer to close", async {
            let mut rest = [0; 1024];
            while !matches!(self.io.read(&mut rest).await, Ok(0) | Err(_)) {}
        })
        .await;
    }

    /// The certificates that the peer has shown.
    pub fn peer_certificates(&self) -> usize {
        match &self.io {
            Io::Plain(_) => 0,
            Io::Tls(tls) => tls.get_ref().1.peer_certificates().map_or(0, <[_]>::len),
        }
    }

    /// The protocol that was agreed on in the TLS handshake.
    pub fn alpn(&self) -> Option<String> {
        match &self.io {
            Io::Plain(_) => None,
            Io::Tls(tls) => tls
                .get_ref()
                .1
                .alpn_protocol()
                .map(|name| String::from_utf8_lossy(name).into_owned()),
        }
    }

    /// The connection itself, for an HTTP library to speak on.
    pub fn into_io(self) -> impl AsyncRead + AsyncWrite + Unpin + Send {
        self.io
    }
}

impl RequestHead {
    pub fn parse(bytes: &[u8]) -> Self {
        let lines = bytes
            .split(|byte| *byte == b'\n')
            .map(|line| line.strip_suffix(b"\r").unwrap_or(line))
            .skip(1);
        let fields = lines.filter_map(|line| {
            let colon = line.iter().position(|byte| *byte == b':')?;
            let name = String::from_utf8_lossy(&line[..colon]).to_ascii_lowercase();
            Some((name, line[colon + 1..].trim_ascii().to_vec()))
        });
        Self {
            fields: fields.collect(),
            text: bytes.iter().map(|byte| char::from(*byte)).collect(),
        }
    }

    /// `GET /path HTTP/1.1`.
    pub fn line(&self) -> &str {
        self.text.lines().next().unwrap_or_default()
    }

    /// The request target.
    pub fn target(&self) -> &str {
        self.line().split(' ').nth(1).unwrap_or_default()
    }

    /// A field's value, the name in any case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.header_bytes(name)
            .map(|value| std::str::from_utf8(value).expect("a value that is text"))
    }

    /// Likewise, as bytes.
    pub fn header_bytes(&self, name: &str) -> Option<&[u8]> {
        let name = name.to_ascii_lowercase();
        self.fields
            .iter()
            .find(|(field, _)| *field == name)
            .map(|(_, value)| value.as_slice())
    }
}

impl Io {
    async fn read_head(&mut self) -> RequestHead {
        self.try_read_head().await.unwrap_or_else(|why| panic!("{why}"))
    }

    async fn try_read_head(&mut self) -> Result<RequestHead, String> {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            match self.read_u8().await {
                Ok(byte) => head.push(byte),
                Err(error) => {
                    return Err(format!(
                        "no request head but {:?}: {error}",
                        String::from_utf8_lossy(&head)
                    ));
                }
            }
        }
        Ok(RequestHead::parse(&head))
    }

    fn tcp(&self) -> &TcpStream {
        match self {
            Io::Plain(tcp) => tcp,
            Io::Tls(tls) => tls.get_ref().0,
        }
    }
}

impl AsyncRead for Io {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Io::Plain(tcp) => Pin::new(tcp).poll_read(cx, buf),
            Io::Tls(tls) => Pin::new(tls.as_mut()).poll_read(cx, buf),
        }
    }
}

impl AsyncWrite for Io {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Io::Plain(tcp) => Pin::new(tcp).poll_write(cx, buf),
            Io::Tls(tls) => Pin::new(tls.as_mut()).poll_write(cx, buf),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Io::Plain(tcp) => Pin::new(tcp).poll_flush(cx),
            Io::Tls(tls) => Pin::new(tls.as_mut()).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Io::Plain(tcp) => Pin::new(tcp).poll_shutdown(cx),
            Io::Tls(tls) => Pin::new(tls.as_mut()).poll_shutdown(cx),
        }
    }
}

/// What a story waits for, with the end of its patience.
pub async fn within<T>(what: &str, wanted: impl Future<Output = T>) -> T {
    timeout(PATIENCE, wanted)
        .await
        .unwrap_or_else(|_| panic!("waited {PATIENCE:?} in vain for {what}"))
}
