//! HTTP/2: many clients' streams on one connection. The slower, separate path: a future for each
//! connection, polled from the same loop without an executor.
//!
//! Nothing is woken: whatever can make progress does so because its socket became ready, or because
//! of what the loop itself just did. So a turn polls the connection and all its streams until none
//! moves.

use super::socket::Socket;
use bytes::Bytes;
use h2::client::{Builder, Connection, ResponseFuture, SendRequest};
use h2::{Reason, RecvStream, SendStream};
use http::header::{CONTENT_ENCODING, CONTENT_TYPE};
use http::{HeaderMap, Request};
use std::cell::RefCell;
use std::future::Future;
use std::io::{self, ErrorKind};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Flow-control windows of a stream and of a connection, in bytes: large enough that the reader, and not the window, sets the pace.
const WINDOWS_BYTES: [u32; 2] = [1024 * 1024, 16 * 1024 * 1024];

/// What a response's head says.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Answered {
    pub(crate) status: u16,
    pub(crate) event_stream: bool,
    /// Whether it is compressed with gzip.
    pub(crate) gzip: bool,
}

/// What happened on one client's stream.
#[derive(Debug)]
pub(crate) enum Happened {
    /// The response's head.
    Head(Answered),
    Data(Bytes),
    /// The stream is over, or broke.
    End,
}

/// The socket as the HTTP/2 machine wants it; the loop keeps the other half.
#[derive(Debug, Clone)]
struct Shared(Rc<RefCell<Socket>>);

type Handshake = Pin<Box<dyn Future<Output = Result<(SendRequest<Bytes>, Connection<Shared, Bytes>), h2::Error>>>>;

enum Phase {
    /// TCP is being connected.
    Connecting,
    Handshake(Handshake),
    Open(SendRequest<Bytes>, Pin<Box<Connection<Shared, Bytes>>>),
}

/// One connection with the clients on it.
pub(crate) struct Http2 {
    socket: Shared,
    phase: Phase,
    /// Of a stream and of the connection, in bytes.
    windows: [u32; 2],
    /// Requests that wait for the connection: the client, what it asks for, and whether it never
    /// reads the answer's body.
    waiting: Vec<(usize, Request<()>, bool)>,
    streams: Vec<Stream>,
}

struct Stream {
    client: usize,
    frozen: bool,
    /// Kept, because dropping it before the response could reset the stream.
    request: SendStream<Bytes>,
    stage: Stage,
}

enum Stage {
    Response(ResponseFuture),
    Body(RecvStream),
}

impl Http2 {
    pub(crate) fn new(socket: Socket, windows: Option<[u32; 2]>) -> Self {
        let socket = Shared(Rc::new(RefCell::new(socket)));
        Self {
            socket,
            phase: Phase::Connecting,
            windows: windows.unwrap_or(WINDOWS_BYTES),
            waiting: Vec::new(),
            streams: Vec::new(),
        }
    }

    /// Whether no client is left on it.
    pub(crate) fn is_idle(&self) -> bool {
        self.waiting.is_empty() && self.streams.is_empty()
    }

    /// The clients on it, when it has broken.
    pub(crate) fn clients(&self) -> Vec<usize> {
        let waiting = self.waiting.iter().map(|(client, ..)| *client);
        waiting.chain(self.streams.iter().map(|stream| stream.client)).collect()
    }

    /// Opens a stream for a client, as soon as that can be. A frozen client takes nothing of the
    /// body, as a tab does that the browser has put to sleep: what has come stays in the windows.
    pub(crate) fn request(&mut self, client: usize, request: Request<()>, frozen: bool) {
        self.waiting.push((client, request, frozen));
    }

    /// A client leaves: its stream is reset.
    pub(crate) fn leave(&mut self, client: usize) {
        self.waiting.retain(|(other, ..)| *other != client);
        self.streams.retain_mut(|stream| {
            if stream.client == client {
                stream.request.send_reset(Reason::CANCEL);
            }
            stream.client != client
        });
    }

    /// Does all that can be done now; what happened is added to `out`. An error ends the connection
    /// for all.
    pub(crate) fn turn(&mut self, out: &mut Vec<(usize, Happened)>) -> io::Result<()> {
        let context = &mut Context::from_waker(Waker::noop());
        if matches!(self.phase, Phase::Connecting) {
            let socket = self.socket.0.borrow();
            if let Some(error) = socket.tcp().take_error()? {
                return Err(error);
            }
            match socket.tcp().peer_addr() {
                Err(error) if error.kind() == ErrorKind::NotConnected => return Ok(()),
                other => other?,
            };
            drop(socket);
            let mut builder = Builder::new();
            builder
                .initial_window_size(self.windows[0])
                .initial_connection_window_size(self.windows[1])
                .enable_push(false);
            let socket = self.socket.clone();
            self.phase = Phase::Handshake(Box::pin(async move { builder.handshake(socket).await }));
        }
        if let Phase::Handshake(handshake) = &mut self.phase {
            match handshake.as_mut().poll(context) {
                Poll::Pending => return Ok(()),
                Poll::Ready(Ok((sender, connection))) => self.phase = Phase::Open(sender, Box::pin(connection)),
                Poll::Ready(Err(error)) => return Err(io::Error::other(error)),
            }
        }
        loop {
            let Phase::Open(_, connection) = &mut self.phase else {
                return Ok(());
            };
            if let Poll::Ready(done) = connection.as_mut().poll(context) {
                return Err(done
                    .err()
                    .map_or_else(|| ErrorKind::UnexpectedEof.into(), io::Error::other));
            }
            let opened = self.open_waiting(context)?;
            let moved = self.poll_streams(context, out);
            if !opened && !moved {
                return Ok(());
            }
        }
    }

    fn open_waiting(&mut self, context: &mut Context<'_>) -> io::Result<bool> {
        let Phase::Open(sender, _) = &mut self.phase else {
            return Ok(false);
        };
        let mut opened = false;
        while !self.waiting.is_empty() {
            match sender.poll_ready(context) {
                Poll::Pending => break,
                Poll::Ready(ready) => ready.map_err(io::Error::other)?,
            }
            let (client, request, frozen) = self.waiting.remove(0);
            let (response, request) = sender.send_request(request, true).map_err(io::Error::other)?;
            self.streams.push(Stream {
                client,
                frozen,
                request,
                stage: Stage::Response(response),
            });
            opened = true;
        }
        Ok(opened)
    }

    /// Polls every stream once; says whether one moved.
    fn poll_streams(&mut self, context: &mut Context<'_>, out: &mut Vec<(usize, Happened)>) -> bool {
        let before = out.len();
        self.streams.retain_mut(|stream| stream.poll(context, out));
        out.len() > before
    }
}

impl Stream {
    /// `false`: it is over.
    fn poll(&mut self, context: &mut Context<'_>, out: &mut Vec<(usize, Happened)>) -> bool {
        if let Stage::Response(response) = &mut self.stage {
            match Pin::new(response).poll(context) {
                Poll::Pending => return true,
                Poll::Ready(Err(_)) => {
                    out.push((self.client, Happened::End));
                    return false;
                }
                Poll::Ready(Ok(response)) => {
                    let answered = Answered {
                        status: response.status().as_u16(),
                        event_stream: is_event_stream(response.headers()),
                        gzip: response
                            .headers()
                            .get(CONTENT_ENCODING)
                            .is_some_and(|coding| coding == "gzip"),
                    };
                    out.push((self.client, Happened::Head(answered)));
                    self.stage = Stage::Body(response.into_body());
                }
            }
        }
        let Stage::Body(body) = &mut self.stage else {
            return true;
        };
        if self.frozen {
            // The end is all that is seen of it.
            let over = self.request.poll_reset(context).is_ready();
            if over {
                out.push((self.client, Happened::End));
            }
            return !over;
        }
        loop {
            match body.poll_data(context) {
                Poll::Pending => return true,
                Poll::Ready(Some(Ok(data))) => {
                    // Both fail only on a stream that is gone, which the next poll says.
                    let _ = body.flow_control().release_capacity(data.len());
                    out.push((self.client, Happened::Data(data)));
                }
                Poll::Ready(None | Some(Err(_))) => {
                    out.push((self.client, Happened::End));
                    return false;
                }
            }
        }
    }
}

fn is_event_stream(headers: &HeaderMap) -> bool {
    let content_type = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    content_type.is_some_and(crate::head::is_event_stream)
}

impl AsyncRead for Shared {
    fn poll_read(self: Pin<&mut Self>, _: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let read = self.0.borrow_mut().read(buffer.initialize_unfilled());
        pending(read).map_ok(|read| buffer.advance(read))
    }
}

impl AsyncWrite for Shared {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        pending(self.0.borrow_mut().write(bytes))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        pending(self.0.borrow_mut().writable())
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

fn pending<T>(result: io::Result<T>) -> Poll<io::Result<T>> {
    match result {
        Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => Poll::Pending,
        done => Poll::Ready(done),
    }
}
