//! An origin that gives every connection the same events, without ids, over TLS or HTTP/2: each gets
//! what comes from its beginning on.

use crate::support::origin::{Conn, TestOrigin, within};
use bytes::Bytes;
use http_body_util::{BodyExt as _, Either, Empty, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo};
use std::convert::Infallible;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio_stream::StreamExt as _;
use tokio_stream::wrappers::UnboundedReceiverStream;

/// What its connections speak.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Speaks {
    Tls,
    Http2,
}

/// How it takes connections.
#[derive(Default)]
pub struct Manners {
    /// So many at one time; others get 503.
    pub room: Option<usize>,
    /// What the `n`th begins with.
    pub opening: Option<fn(usize) -> String>,
    /// A new one ends those that there are.
    pub ends_others: bool,
    /// A new one is not answered while this holds.
    pub silent: bool,
}

pub struct SharedOrigin {
    url: String,
    ca: Option<PathBuf>,
    state: Arc<Mutex<State>>,
    _serving: JoinSet<()>,
    _dir: tempfile::TempDir,
}

struct State {
    manners: Manners,
    open: Vec<mpsc::UnboundedSender<String>>,
    opened: usize,
    refused: usize,
    most: usize,
}

impl SharedOrigin {
    pub async fn start(speaks: Speaks, manners: Manners) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let (origin, ca) = match speaks {
            Speaks::Tls => {
                let (ca, tls) = super::upstreams::certified(dir.path());
                (TestOrigin::start_tls(tls).await, Some(ca))
            }
            Speaks::Http2 => (TestOrigin::start().await, None),
        };
        let state = Arc::new(Mutex::new(State {
            manners,
            open: Vec::new(),
            opened: 0,
            refused: 0,
            most: 0,
        }));
        let url = origin.url("/sse");
        let mut serving = JoinSet::new();
        let shared = state.clone();
        serving.spawn(async move {
            let mut served = JoinSet::new();
            loop {
                // One that is killed in its handshake is none.
                if let Ok(conn) = origin.accept_one().await {
                    served.spawn(serve(conn, speaks, shared.clone()));
                }
            }
        });
        Self {
            url,
            ca,
            state,
            _serving: serving,
            _dir: dir,
        }
    }

    pub fn url(&self) -> &str {
        &self.url
    }

    /// Keys of an upstream that follows it.
    pub fn keys(&self) -> String {
        let how = match &self.ca {
            Some(ca) => format!("tls: {{ ca: \"{}\" }}", ca.display()),
            None => "http2: true".to_owned(),
        };
        format!("reconnect: 20ms, reconnect_max: 100ms, {how}")
    }

    /// The same to each connection.
    pub fn publish(&self, data: &str) {
        let mut state = self.state();
        state
            .open
            .retain(|stream| stream.send(format!("data: {data}\n\n")).is_ok());
    }

    /// Connections that were answered with a stream, and those that were refused.
    pub fn asked(&self) -> (usize, usize) {
        let state = self.state();
        (state.opened, state.refused)
    }

    /// The most that were open at one time.
    pub fn most(&self) -> usize {
        self.state().most
    }

    /// Connections that are open.
    pub fn open(&self) -> usize {
        let mut state = self.state();
        state.open.retain(|stream| !stream.is_closed());
        state.open.len()
    }

    /// Until so many are open.
    pub async fn has_open(&self, count: usize) {
        within("connections to the origin", async {
            while self.open() != count {
                tokio::time::sleep(std::time::Duration::from_millis(5)).await;
            }
        })
        .await;
    }

    pub fn change(&self, change: impl FnOnce(&mut Manners)) {
        change(&mut self.state().manners);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }
}

async fn serve(conn: Conn, speaks: Speaks, state: Arc<Mutex<State>>) {
    let service = service_fn(move |_: Request<Incoming>| {
        let stream = state.lock().unwrap().open();
        let state = state.clone();
        async move {
            while state.lock().unwrap().manners.silent {
                tokio::time::sleep(std::time::Duration::from_millis(5)).await;
            }
            let response = match stream {
                Some(stream) => {
                    let frames = stream.map(|text| Ok::<_, Infallible>(Frame::data(Bytes::from(text))));
                    let body = Either::Left(StreamBody::new(frames).boxed_unsync());
                    Response::builder()
                        .header("content-type", "text/event-stream")
                        .body(body)
                }
                None => Response::builder().status(503).body(Either::Right(Empty::new())),
            };
            Ok::<_, Infallible>(response.unwrap())
        }
    });
    let io = TokioIo::new(conn.into_io());
    // A connection that ends is what stories are about.
    match speaks {
        Speaks::Tls => {
            let serving = hyper::server::conn::http1::Builder::new();
            let _ = serving.serve_connection(io, service).await;
        }
        Speaks::Http2 => {
            let serving = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
            let _ = serving.serve_connection(io, service).await;
        }
    }
}

impl State {
    fn open(&mut self) -> Option<UnboundedReceiverStream<String>> {
        self.open.retain(|stream| !stream.is_closed());
        if self.manners.room.is_some_and(|room| self.open.len() >= room) {
            self.refused += 1;
            return None;
        }
        if self.manners.ends_others {
            self.open.clear();
        }
        let (stream, body) = mpsc::unbounded_channel();
        self.opened += 1;
        if let Some(opening) = self.manners.opening {
            stream.send(opening(self.opened)).unwrap();
        }
        self.open.push(stream);
        self.most = self.most.max(self.open.len());
        Some(UnboundedReceiverStream::new(body))
    }
}
