//! Messages that two readers could take apart differently, in both directions: what one side sent
//! as one message is never two, or none, on the other.
//!
//! More of what is refused at once is in `stories/proxy/smuggling.rs` and `stories/requests.rs`.

mod answers;
mod requests;

use crate::support::origin::within;
use crate::support::relay::TestRelay;
use crate::support::wire::{Start, Wire};
use std::net::SocketAddr;
use tokio::net::TcpListener;
use tokio::sync::mpsc;

/// A relay that passes everything to an origin at which nothing happens by itself.
struct Between {
    relay: TestRelay,
    asked: mpsc::UnboundedReceiver<(Wire, Start)>,
    asking: mpsc::UnboundedSender<(Wire, Start)>,
}

impl Between {
    async fn stand() -> Self {
        let origin = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let at = origin.local_addr().unwrap();
        let yaml = format!(
            "listen: 127.0.0.1:0\nadmin: 127.0.0.1:0\nworkers: 1\n\
             sources: {{ s: {{ path: /events, upstream: \"http://{}/sse\" }} }}\n\
             pass: [{{ prefix: /, to: \"http://{at}\" }}]\n",
            unused().await
        );
        let (asking, asked) = mpsc::unbounded_channel();
        let accepted = asking.clone();
        tokio::spawn(async move {
            while let Ok((io, _)) = origin.accept().await {
                tokio::spawn(read_head(Wire::over(io), accepted.clone()));
            }
        });
        Self {
            relay: TestRelay::read(&yaml),
            asked,
            asking,
        }
    }

    async fn client(&self) -> Wire {
        Wire::connect(self.relay.address).await
    }

    /// The next request's head at the origin, and its connection. The relay opens some that it
    /// does not need.
    async fn next(&mut self) -> (Wire, Start) {
        within("a request at the origin", self.asked.recv()).await.unwrap()
    }

    /// Waits for another request on a connection.
    fn keep(&self, connection: Wire) {
        tokio::spawn(read_head(connection, self.asking.clone()));
    }
}

async fn read_head(mut connection: Wire, asking: mpsc::UnboundedSender<(Wire, Start)>) {
    if let Some(head) = connection.whenever_it_starts().await {
        let _ = asking.send((connection, head));
    }
}

/// An address at which nobody answers.
async fn unused() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    listener.local_addr().unwrap()
}

const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

/// A head as a strict reader takes it: one framing, and lines that are lines.
fn assert_strict(asked: &Start) {
    let lengths = asked.all("content-length");
    let codings = asked.all("transfer-encoding");
    assert!(lengths.len() + codings.len() <= 1, "{asked:?}");
    assert!(
        lengths
            .iter()
            .all(|length| length.bytes().all(|byte| byte.is_ascii_digit())),
        "{asked:?}"
    );
    assert!(codings.iter().all(|coding| *coding == "chunked"), "{asked:?}");
    for (name, value) in &asked.fields {
        let is_token = name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte));
        assert!(is_token && !value.contains(['\r', '\n', '\0']), "{asked:?}");
    }
    assert_eq!(asked.line.split(' ').count(), 3, "{asked:?}");
}
