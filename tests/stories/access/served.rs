//! A server whose answers the story sets: of keys, or about access.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::task::JoinSet;

/// What is answered to a request (its head, as text); `None`: nothing, for ever.
type Answers = Arc<Mutex<Box<dyn Fn(&str) -> Option<Vec<u8>> + Send>>>;

pub(super) struct Served {
    pub(super) address: SocketAddr,
    answers: Answers,
    requests: Arc<Mutex<Vec<String>>>,
    _task: JoinSet<()>,
}

impl Served {
    pub(super) async fn start(answer: impl Fn(&str) -> Option<Vec<u8>> + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let answers: Answers = Arc::new(Mutex::new(Box::new(answer)));
        let requests = Arc::new(Mutex::new(Vec::new()));
        let (to_give, seen) = (answers.clone(), requests.clone());
        let mut task = JoinSet::new();
        task.spawn(async move {
            let mut connections = JoinSet::new();
            loop {
                let (mut stream, _) = listener.accept().await.unwrap();
                let (answers, requests) = (to_give.clone(), seen.clone());
                connections.spawn(async move {
                    let mut head = Vec::new();
                    let mut piece = [0; 4096];
                    while !head.ends_with(b"\r\n\r\n") {
                        match stream.read(&mut piece).await {
                            Ok(n @ 1..) => head.extend_from_slice(&piece[..n]),
                            _ => return,
                        }
                    }
                    let head = String::from_utf8(head).unwrap();
                    requests.lock().unwrap().push(head.clone());
                    let answer = answers.lock().unwrap()(&head);
                    match answer {
                        Some(bytes) => drop(stream.write_all(&bytes).await),
                        None => std::future::pending().await,
                    }
                });
            }
        });
        Self {
            address,
            answers,
            requests,
            _task: task,
        }
    }

    /// From now on.
    pub(super) fn answer(&self, answer: impl Fn(&str) -> Option<Vec<u8>> + Send + 'static) {
        *self.answers.lock().unwrap() = Box::new(answer);
    }

    pub(super) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    pub(super) fn requests(&self) -> Vec<String> {
        self.requests.lock().unwrap().clone()
    }

    pub(super) fn count(&self) -> usize {
        self.requests.lock().unwrap().len()
    }
}

/// A whole answer.
pub(super) fn http(status: &str, fields: &str, body: &str) -> Option<Vec<u8>> {
    let length = body.len();
    let text = format!("HTTP/1.1 {status}\r\n{fields}Content-Length: {length}\r\nConnection: close\r\n\r\n{body}");
    Some(text.into_bytes())
}

/// 200 with JSON.
pub(super) fn json(body: &str) -> Option<Vec<u8>> {
    http("200 OK", "Content-Type: application/json\r\n", body)
}
