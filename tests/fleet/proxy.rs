//! A wire between a relay and the engine that can be cut, that can stall, and that muddles answers.

use std::net::SocketAddr;
use std::sync::Arc;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt as _, copy};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

pub struct Wire {
    pub address: SocketAddr,
    state: Arc<watch::Sender<State>>,
    _tasks: JoinSet<()>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Whole,
    /// Nothing comes from the engine; what goes there gets through.
    Stalled,
    Cut,
}

impl Wire {
    pub async fn to(engine: SocketAddr) -> Self {
        Self::with(engine, false).await
    }

    /// One on which the engine's answers to appends come twice, and in another order.
    pub async fn muddling(engine: SocketAddr) -> Self {
        Self::with(engine, true).await
    }

    async fn with(engine: SocketAddr, muddles: bool) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let state = Arc::new(watch::Sender::new(State::Whole));
        let mut tasks = JoinSet::new();
        let states = state.clone();
        tasks.spawn(async move {
            let mut connections = JoinSet::new();
            loop {
                let (client, _) = listener.accept().await.unwrap();
                let mut state = states.subscribe();
                if *state.borrow_and_update() == State::Cut {
                    continue;
                }
                connections.spawn(async move {
                    let Ok(server) = TcpStream::connect(engine).await else {
                        return;
                    };
                    let mut cut = state.clone();
                    tokio::select! {
                        () = carry(client, server, state, muddles) => {}
                        _ = cut.wait_for(|state| *state == State::Cut) => {}
                    }
                });
            }
        });
        Self {
            address,
            state,
            _tasks: tasks,
        }
    }

    pub fn cut(&self) {
        self.state.send_replace(State::Cut);
    }

    pub fn stall(&self) {
        self.state.send_replace(State::Stalled);
    }

    pub fn mend(&self) {
        self.state.send_replace(State::Whole);
    }
}

async fn carry(client: TcpStream, server: TcpStream, mut state: watch::Receiver<State>, muddles: bool) {
    let (mut from_client, mut to_client) = client.into_split();
    let (from_server, mut to_server) = server.into_split();
    let there = copy(&mut from_client, &mut to_server);
    let back = async {
        let mut from_server = tokio::io::BufReader::new(from_server);
        match muddles {
            true => crate::muddle::muddle(&mut from_server, &mut to_client).await,
            false => back(from_server, &mut to_client, &mut state).await,
        }
    };
    tokio::select! {
        _ = there => {}
        _ = back => {}
    }
}

async fn back(
    mut from: impl AsyncRead + Unpin,
    to: &mut (impl AsyncWrite + Unpin),
    state: &mut watch::Receiver<State>,
) -> std::io::Result<()> {
    let mut buffer = vec![0; 16 * 1024];
    loop {
        let _ = state.wait_for(|state| *state != State::Stalled).await;
        let n = tokio::io::AsyncReadExt::read(&mut from, &mut buffer).await?;
        if n == 0 {
            return Ok(());
        }
        let _ = state.wait_for(|state| *state != State::Stalled).await;
        to.write_all(&buffer[..n]).await?;
    }
}
