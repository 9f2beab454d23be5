//! A client of HTTP/2, for stories that are told over both versions: requests and answers are
//! translated from and to HTTP/1.1, so a story does not notice.
//!
//! Each DATA frame becomes a chunk and END_STREAM the last one; a stream that is reset ends without
//! that. A story that stops reading lets the stream's window run empty.

use super::Io;
use crate::support::origin::RequestHead;
use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::client::conn::http2;
use hyper::{Request, Response, Version};
use hyper_util::rt::{TokioExecutor, TokioIo};
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, DuplexStream, ReadBuf};
use tokio::net::TcpStream;

/// The stream's window, and the connection's: small, so that one who does not read is noticed soon.
const WINDOW_BYTES: u32 = 64 * 1024;
/// What is on its way between the translation and the story.
const BETWEEN_BYTES: usize = 4096;

/// The `protocol` by which the metrics and `/status` know the stories' clients.
pub fn protocol() -> &'static str {
    if speaks_http2() { "http/2" } else { "http/1.1" }
}

/// Whether this program's clients speak HTTP/2: the one that tells the stories again.
pub fn speaks_http2() -> bool {
    let program = std::env::current_exe().unwrap_or_default();
    program
        .file_name()
        .is_some_and(|name| name.to_string_lossy().starts_with("stories_http2"))
}

/// A connection on which HTTP/1.1 is spoken, and HTTP/2 behind it.
pub fn translated(io: impl AsyncRead + AsyncWrite + Unpin + Send + 'static, address: SocketAddr) -> Translated {
    let (ours, theirs) = tokio::io::duplex(BETWEEN_BYTES);
    let is_reset = Arc::new(AtomicBool::new(false));
    let reset = is_reset.clone();
    tokio::spawn(async move {
        // Whatever fails ends the story's connection.
        reset.store(translate(io, theirs).await.is_err(), Ordering::SeqCst);
    });
    Translated {
        io: ours,
        is_reset,
        address,
    }
}

/// The story's side.
pub struct Translated {
    io: DuplexStream,
    is_reset: Arc<AtomicBool>,
    address: SocketAddr,
}

impl AsyncRead for Translated {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = into.filled().len();
        ready!(Pin::new(&mut self.io).poll_read(cx, into))?;
        match into.filled().len() == before && self.is_reset.load(Ordering::SeqCst) {
            true => Poll::Ready(Err(io::ErrorKind::ConnectionReset.into())),
            false => Poll::Ready(Ok(())),
        }
    }
}

impl AsyncWrite for Translated {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}

impl Io for Translated {
    fn tcp(&self) -> Option<&TcpStream> {
        None
    }

    fn local_address(&self) -> SocketAddr {
        self.address
    }
}

async fn translate(
    io: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    mut story: DuplexStream,
) -> io::Result<()> {
    let request = read_request(&mut story).await?;
    let is_head = request.method() == "HEAD";
    let handshake = http2::Builder::new(TokioExecutor::new())
        .initial_stream_window_size(WINDOW_BYTES)
        .initial_connection_window_size(2 * WINDOW_BYTES)
        .handshake(TokioIo::new(io));
    let (mut sender, connection) = handshake.await.map_err(io::Error::other)?;
    let connection = tokio::spawn(connection);
    let asked = sender.send_request(request);
    let mut byte = [0];
    let done = tokio::select! {
        response = asked => match response {
            Ok(response) => write_response(response, is_head, &mut story).await,
            Err(error) => Err(io::Error::other(error)),
        },
        // The story has dropped its client.
        Ok(0) | Err(_) = story.read(&mut byte) => Ok(()),
    };
    connection.abort();
    done
}

async fn read_request(story: &mut DuplexStream) -> io::Result<Request<Full<Bytes>>> {
    let mut bytes = Vec::new();
    let end = loop {
        if let Some(at) = super::find(&bytes, b"\r\n\r\n") {
            break at + 4;
        }
        if story.read_buf(&mut bytes).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    };
    let mut body = bytes.split_off(end);
    let head = RequestHead::parse(&bytes);
    let length = head
        .header("content-length")
        .map_or(0, |length| length.parse().unwrap());
    while body.len() < length && story.read_buf(&mut body).await? > 0 {}
    let mut words = head.line().split(' ').map(str::to_owned);
    let (method, target) = (words.next().unwrap(), words.next().unwrap());
    let host = head.header("host").unwrap_or("relay.test").to_owned();
    let mut request = Request::builder()
        .method(method.as_str())
        .uri(format!("http://{host}{target}"))
        .version(Version::HTTP_2);
    for (name, value) in &head.fields {
        if !matches!(name.as_str(), "host" | "connection" | "content-length") {
            request = request.header(name, &value[..]);
        }
    }
    request.body(Full::from(body)).map_err(io::Error::other)
}

async fn write_response(
    response: Response<hyper::body::Incoming>,
    is_head: bool,
    story: &mut DuplexStream,
) -> io::Result<()> {
    let (parts, mut body) = response.into_parts();
    let mut head = format!("HTTP/1.1 {}\r\n", parts.status).into_bytes();
    for (name, value) in &parts.headers {
        head.extend_from_slice(&[name.as_str().as_bytes(), b": ", value.as_bytes(), b"\r\n"].concat());
    }
    let is_chunked = !is_head && !parts.headers.contains_key("content-length") && parts.status != 204;
    if is_chunked {
        head.extend_from_slice(b"transfer-encoding: chunked\r\n");
    }
    head.extend_from_slice(b"\r\n");
    story.write_all(&head).await?;
    let mut byte = [0];
    loop {
        // What a story sends behind its request is passed over.
        let frame = tokio::select! {
            frame = body.frame() => frame,
            Ok(0) | Err(_) = story.read(&mut byte) => return Ok(()),
        };
        match frame {
            Some(Ok(frame)) => {
                let Ok(data) = frame.into_data() else { continue };
                if is_chunked && !data.is_empty() {
                    story.write_all(format!("{:x}\r\n", data.len()).as_bytes()).await?;
                }
                story.write_all(&data).await?;
                if is_chunked && !data.is_empty() {
                    story.write_all(b"\r\n").await?;
                }
            }
            Some(Err(error)) => return Err(io::Error::other(error)),
            None if is_chunked => return story.write_all(b"0\r\n\r\n").await,
            None => return Ok(()),
        }
    }
}
