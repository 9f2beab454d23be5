//! An origin of jobs, each with a stream of numbered events that ends.

use crate::support::origin::{Conn, TestOrigin};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard};
use tokio::sync::watch;
use tokio::task::JoinSet;

/// What follows `/jobs/` in a request is the job's name.
pub struct Jobs {
    url: String,
    shared: Arc<Shared>,
    _serving: JoinSet<()>,
}

struct Shared {
    has_ids: bool,
    jobs: Mutex<HashMap<String, Job>>,
}

#[derive(Clone, Default)]
struct State {
    blocks: Vec<String>,
    /// What requests are answered from now on, instead of a stream.
    answer: Option<u16>,
}

#[derive(Default)]
struct Job {
    state: watch::Sender<State>,
    open: usize,
    most_open: usize,
    asked: Vec<Option<String>>,
}

impl Shared {
    fn jobs(&self) -> MutexGuard<'_, HashMap<String, Job>> {
        self.jobs.lock().unwrap()
    }

    fn with<T>(&self, job: &str, with: impl FnOnce(&mut Job) -> T) -> T {
        with(self.jobs().entry(job.to_owned()).or_default())
    }
}

impl Jobs {
    /// `has_ids`: it goes on behind an id, and tells a job from its beginning without one; else a
    /// connection gets what comes from then on.
    pub async fn start(has_ids: bool) -> Self {
        let origin = TestOrigin::start().await;
        let shared = Arc::new(Shared {
            has_ids,
            jobs: Mutex::default(),
        });
        let url = origin.url("/jobs/");
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

    /// Of an upstream, by the path's parameter.
    pub fn url(&self) -> String {
        format!("{}{{job}}", self.url)
    }

    /// So many more events of a job; the number of the last.
    pub fn publish(&self, job: &str, events: usize) -> String {
        let has_ids = self.shared.has_ids;
        self.shared.with(job, |job| {
            job.state.send_modify(|state| {
                for _ in 0..events {
                    let n = state.blocks.len() + 1;
                    state.blocks.push(match has_ids {
                        true => format!("id: {n}\ndata: {n}\n\n"),
                        false => format!("data: {n}\n\n"),
                    });
                }
            });
            job.state.borrow().blocks.len().to_string()
        })
    }

    /// Its terminal event.
    pub fn finish(&self, job: &str) {
        let id = match self.shared.has_ids {
            true => "id: end\n",
            false => "",
        };
        self.shared.with(job, |job| {
            let last = format!("{id}event: done\ndata: done\n\n");
            job.state.send_modify(|state| state.blocks.push(last));
        });
    }

    /// From now on requests for it are answered so, and its streams are closed.
    pub fn answer(&self, job: &str, status: u16) {
        self.shared
            .with(job, |job| job.state.send_modify(|state| state.answer = Some(status)));
    }

    /// Connections of a job at this moment.
    pub fn open(&self, job: &str) -> usize {
        self.shared.with(job, |job| job.open)
    }

    /// At the most, at one time.
    pub fn most_open(&self, job: &str) -> usize {
        self.shared.with(job, |job| job.most_open)
    }

    /// What its requests went on behind.
    pub fn asked(&self, job: &str) -> Vec<Option<String>> {
        self.shared.with(job, |job| job.asked.clone())
    }

    /// The jobs that were ever asked for.
    pub fn names(&self) -> Vec<String> {
        self.shared.jobs().keys().cloned().collect()
    }
}

struct Present(Arc<Shared>, String);

impl Drop for Present {
    fn drop(&mut self) {
        self.0.with(&self.1, |job| job.open -= 1);
    }
}

async fn serve(mut conn: Conn, shared: Arc<Shared>) {
    let name = conn.request().target().trim_start_matches("/jobs/").to_owned();
    let asked = conn.request().header("last-event-id").map(str::to_owned);
    let behind = asked.as_ref().and_then(|id| id.parse().ok());
    let mut state = shared.with(&name, |job| {
        job.asked.push(asked);
        job.open += 1;
        job.most_open = job.most_open.max(job.open);
        job.state.subscribe()
    });
    let _present = Present(shared.clone(), name);
    let refusal = state.borrow().answer;
    if let Some(status) = refusal {
        let answer = format!("HTTP/1.1 {status} No\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
        return drop(conn.try_send(answer).await);
    }
    let mut next: usize = match (shared.has_ids, behind) {
        (true, behind) => behind.unwrap_or(0),
        (false, _) => state.borrow().blocks.len(),
    };
    let head = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n";
    if conn.try_send(head).await.is_err() {
        return;
    }
    loop {
        let now = state.borrow_and_update().clone();
        while next < now.blocks.len() {
            let block = &now.blocks[next];
            next += 1;
            let chunk = format!("{:x}\r\n{block}\r\n", block.len());
            if conn.try_send(chunk).await.is_err() {
                return;
            }
        }
        if now.answer.is_some() {
            return conn.close().await;
        }
        tokio::select! {
            changed = state.changed() => if changed.is_err() { return },
            // It hangs up.
            () = conn.closed() => return,
        }
    }
}
