//! An origin that publishes numbered events to whoever is connected, and goes on behind an id if it
//! gives any.

use crate::support::origin::{Conn, TestOrigin};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use tokio::sync::watch;
use tokio::task::JoinSet;

pub struct Feed {
    url: String,
    shared: Arc<Shared>,
    _serving: JoinSet<()>,
}

struct Shared {
    has_ids: bool,
    /// Lines of each event beside its data.
    lines: String,
    /// How many events there are: 1 to this.
    sent: watch::Sender<u64>,
    /// Connections at this moment, and ever.
    open: AtomicUsize,
    opened: AtomicUsize,
    /// What requests went on behind.
    asked: Mutex<Vec<Option<String>>>,
}

impl Feed {
    pub async fn start(has_ids: bool) -> Self {
        Self::start_with(has_ids, "").await
    }

    /// With these lines in each event.
    pub async fn start_with(has_ids: bool, lines: &str) -> Self {
        let origin = TestOrigin::start().await;
        let shared = Arc::new(Shared {
            has_ids,
            lines: lines.to_owned(),
            sent: watch::Sender::new(0),
            open: AtomicUsize::new(0),
            opened: AtomicUsize::new(0),
            asked: Mutex::default(),
        });
        let url = origin.url("/sse");
        let mut serving = JoinSet::new();
        let serves = shared.clone();
        serving.spawn(async move {
            let mut connections = JoinSet::new();
            loop {
                let conn = origin.accept_request().await;
                connections.spawn(serve(conn, serves.clone()));
            }
        });
        Self {
            url,
            shared,
            _serving: serving,
        }
    }

    pub fn url(&self) -> String {
        self.url.clone()
    }

    /// Publishes so many more; the number of the last.
    pub fn publish(&self, events: u64) -> u64 {
        self.shared.sent.send_modify(|sent| *sent += events);
        *self.shared.sent.borrow()
    }

    /// Connections at this moment.
    pub fn open(&self) -> usize {
        self.shared.open.load(Ordering::SeqCst)
    }

    /// Connections that there have been.
    pub fn opened(&self) -> usize {
        self.shared.opened.load(Ordering::SeqCst)
    }

    /// What they went on behind.
    pub fn asked(&self) -> Vec<Option<String>> {
        self.shared.asked.lock().unwrap().clone()
    }
}

struct Present(Arc<Shared>);

impl Drop for Present {
    fn drop(&mut self) {
        self.0.open.fetch_sub(1, Ordering::SeqCst);
    }
}

async fn serve(mut conn: Conn, shared: Arc<Shared>) {
    let asked = conn.request().header("last-event-id").map(str::to_owned);
    shared.open.fetch_add(1, Ordering::SeqCst);
    let present = Present(shared.clone());
    let mut sent = shared.sent.subscribe();
    let behind = asked.as_ref().and_then(|id| id.parse().ok());
    let mut next = match behind.filter(|_| shared.has_ids) {
        Some(id) => id,
        None => *sent.borrow_and_update(),
    };
    shared.asked.lock().unwrap().push(asked);
    conn.chunked_stream_head().await;
    shared.opened.fetch_add(1, Ordering::SeqCst);
    loop {
        let now = *sent.borrow_and_update();
        while next < now {
            next += 1;
            let lines = &shared.lines;
            let block = match shared.has_ids {
                true => format!("id: {next}\n{lines}data: {next}\n\n"),
                false => format!("{lines}data: {next}\n\n"),
            };
            let chunk = format!("{:x}\r\n{block}\r\n", block.len());
            if conn.try_send(chunk).await.is_err() {
                return;
            }
        }
        tokio::select! {
            changed = sent.changed() => if changed.is_err() { return },
            // It hangs up.
            () = conn.closed() => break,
        }
    }
    drop(present);
}
