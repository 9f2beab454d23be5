//! The baseline: the obvious implementation. One hyper body per client on `tokio::sync::broadcast`.
//!
//! It is an ordinary program, and meant to be a fair one: multi-threaded runtime, jemalloc,
//! `TCP_NODELAY`, no copy per client, whole events only. What it lacks is what the relay is for: no
//! resume, no bounded lag but the channel's, no slow-client policy.
//!
//! With `--http2` it speaks HTTP/2 by prior knowledge, with hyper's server: a client is then a stream
//! with a body and a task of its own.
//!
//!     cargo run --release --example naive -- \
//!         --upstream http://127.0.0.1:8000/events --listen 127.0.0.1:9080

use anyhow::{Context, Result};
use bytes::{Bytes, BytesMut};
use clap::Parser;
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Empty, StreamBody};
use hyper::body::Frame;
use hyper::header::{ACCEPT, CACHE_CONTROL, CONTENT_TYPE, HOST, HeaderValue};
use hyper::service::service_fn;
use hyper::{Request, Response, Uri};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::broadcast;
use tokio_stream::wrappers::BroadcastStream;
use tokio_stream::{StreamExt, once};

#[cfg(feature = "jemalloc")]
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// Events that a client may lag: over it, its stream ends.
const LAG_EVENTS_MAX: usize = 16_384;
/// Delay before the upstream is connected again.
const RECONNECT: Duration = Duration::from_secs(1);
/// Largest event, in bytes.
const EVENT_BYTES_MAX: usize = 1024 * 1024;

/// Streams of a connection: about twice what browsers open.
const STREAMS_MAX: u32 = 200;
/// What waits for a stream's window, in bytes: hyper's own default is 400 KiB.
const SEND_BUFFER_BYTES_MAX: usize = 64 * 1024;
/// A connection over which nothing came for so long is pinged, and ends without an answer.
const PING_AFTER: Duration = Duration::from_secs(20);

#[derive(Parser)]
struct Arguments {
    /// The event stream to relay: http, at a host and a port.
    #[arg(long)]
    upstream: Uri,
    #[arg(long, default_value = "127.0.0.1:9080")]
    listen: SocketAddr,
    /// HTTP/2 by prior knowledge instead of HTTP/1.1.
    #[arg(long)]
    http2: bool,
}

#[tokio::main]
async fn main() -> Result<()> {
    let arguments = Arguments::parse();
    let (events, _) = broadcast::channel(LAG_EVENTS_MAX);
    let upstream = connect(&arguments.upstream).await?;
    tokio::spawn(relay(arguments.upstream, upstream, events.clone()));
    let listener = TcpListener::bind(arguments.listen).await?;
    loop {
        let (socket, _) = match listener.accept().await {
            Ok(accepted) => accepted,
            Err(_) => {
                // Out of descriptors, most likely: some clients have to go first.
                tokio::time::sleep(Duration::from_millis(100)).await;
                continue;
            }
        };
        let _ = socket.set_nodelay(true);
        match arguments.http2 {
            true => tokio::spawn(serve_http2(socket, events.clone())),
            false => tokio::spawn(serve(socket, events.clone())),
        };
    }
}

/// One client on a connection. A client that is gone is not an error worth a word.
async fn serve(socket: TcpStream, events: broadcast::Sender<Bytes>) {
    let service = service_fn(|_| std::future::ready(Ok::<_, Infallible>(answer(&events))));
    let _ = hyper::server::conn::http1::Builder::new()
        .serve_connection(TokioIo::new(socket), service)
        .await;
}

/// Many clients on a connection: hyper spawns a task for each of their streams.
async fn serve_http2(socket: TcpStream, events: broadcast::Sender<Bytes>) {
    let service = service_fn(|_| std::future::ready(Ok::<_, Infallible>(answer(&events))));
    let _ = hyper::server::conn::http2::Builder::new(TokioExecutor::new())
        .timer(TokioTimer::new())
        .max_concurrent_streams(STREAMS_MAX)
        .max_send_buf_size(SEND_BUFFER_BYTES_MAX)
        .keep_alive_interval(PING_AFTER)
        .serve_connection(TokioIo::new(socket), service)
        .await;
}

/// The response to any request: the stream from here on.
fn answer(events: &broadcast::Sender<Bytes>) -> Response<BoxBody<Bytes, io::Error>> {
    let opening = once(Ok(Frame::data(Bytes::from_static(b":\n\n"))));
    let live = BroadcastStream::new(events.subscribe()).map(|event| {
        event
            .map(Frame::data)
            .map_err(|_| io::Error::other("the client lags too far"))
    });
    let mut response = Response::new(BodyExt::boxed(StreamBody::new(opening.chain(live))));
    response
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    response
        .headers_mut()
        .insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    response
}

/// Opens the upstream's event stream.
async fn connect(upstream: &Uri) -> Result<hyper::body::Incoming> {
    let authority = upstream.authority().context("the upstream's URL has no host")?;
    let socket = TcpStream::connect((authority.host(), authority.port_u16().unwrap_or(80))).await?;
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(socket)).await?;
    tokio::spawn(connection);
    let request = Request::get(upstream.path())
        .header(HOST, authority.as_str())
        .header(ACCEPT, "text/event-stream")
        .body(Empty::<Bytes>::new())?;
    let response = sender.send_request(request).await?;
    anyhow::ensure!(response.status() == 200, "the upstream answered {}", response.status());
    Ok(response.into_body())
}

/// Reads the upstream for ever, and hands on each event whole.
async fn relay(url: Uri, first: hyper::body::Incoming, events: broadcast::Sender<Bytes>) {
    let mut upstream = Some(first);
    loop {
        if let Some(mut body) = upstream.take() {
            let mut pending = BytesMut::new();
            while let Some(Ok(frame)) = body.frame().await {
                let Ok(data) = frame.into_data() else { continue };
                pending.extend_from_slice(&data);
                while let Some(end) = memchr::memmem::find(&pending, b"\n\n") {
                    // It fails without subscribers: then there is nothing to deliver.
                    let _ = events.send(pending.split_to(end + 2).freeze());
                }
                if pending.len() > EVENT_BYTES_MAX {
                    break;
                }
            }
        }
        tokio::time::sleep(RECONNECT).await;
        upstream = connect(&url).await.ok();
    }
}
