//! A relay in front of an origin, at which nothing happens by itself.

use crate::support::relay::{PATH, TestRelay};
use crate::support::wire::{Content, Start, Wire};
use fanfare::config;
use std::net::SocketAddr;
use tokio::net::TcpListener;

/// A relay in front of an origin at which nothing happens by itself. Its source is at another one,
/// which does not answer.
pub struct Front {
    pub origin: TcpListener,
    pub at: SocketAddr,
    pub relay: TestRelay,
    pub _stream: TcpListener,
}

/// With these lines for the entry, and these at the top of the file. The source `s` is at
/// `/events`, its upstream at the origin's `/sse`.
pub async fn front_with(entry: &str, top: &str) -> Front {
    let origin = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let stream = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let at = origin.local_addr().unwrap();
    let yaml = yaml(entry, top, at, &format!("http://{}/sse", stream.local_addr().unwrap()));
    let config = match config::read(&yaml, "story.yaml", &|_| None) {
        Ok(loaded) => loaded.config,
        Err(mistakes) => panic!("{mistakes}\n{yaml}"),
    };
    let relay = TestRelay::start(config);
    Front {
        origin,
        at,
        relay,
        _stream: stream,
    }
}

pub fn yaml(entry: &str, top: &str, origin: SocketAddr, upstream: &str) -> String {
    let listen = crate::support::tls::listener("127.0.0.1:0");
    format!(
        "listen: {listen}\nadmin: 127.0.0.1:0\nworkers: 1\n{top}\nsources:\n  s:\n    path: {PATH}\n    \
         upstream: {{ url: \"{upstream}\" }}\npass:\n  - prefix: /\n    to: http://{origin}\n{entry}"
    )
}

pub async fn front() -> Front {
    front_with("", "").await
}

impl Front {
    pub async fn client(&self) -> Wire {
        Wire::connect(self.relay.address).await
    }

    pub async fn accept(&self) -> Wire {
        Wire::accept(&self.origin).await
    }

    /// Sends a request, has the origin answer with these bytes, and returns what the origin and
    /// what the client got.
    pub async fn exchange(&self, request: &str, answer: impl AsRef<[u8]>) -> (Start, Start, Content) {
        let mut client = self.client().await;
        client.send(request).await;
        let mut origin = self.accept().await;
        let asked = origin.start().await;
        origin.content(&asked).await;
        origin.send(answer).await;
        // Who sends no length ends with the connection.
        origin.finish().await;
        let head = client.start().await;
        let is_head_request = request.starts_with("HEAD");
        let content = if is_head_request || matches!(head.status(), 204 | 304) {
            Content::default()
        } else {
            client.content(&head).await
        };
        (asked, head, content)
    }

    pub fn refused(&self, reason: &str) -> f64 {
        self.relay
            .metric(&format!(r#"fanfare_refused_total{{reason="{reason}"}}"#))
    }
}

/// A request without a body.
pub fn get(target: &str) -> String {
    format!("GET {target} HTTP/1.1\r\nHost: cue.test\r\n\r\n")
}

/// An answer with this content type and body, and these further lines.
pub fn answer(content_type: &str, body: &str, more: &str) -> String {
    format!(
        "HTTP/1.1 200 OK\r\nContent-Type: {content_type}\r\nContent-Length: {}\r\n{more}\r\n{body}",
        body.len()
    )
}

/// The answer is problem details, which say nothing of the origin.
pub async fn assert_problem(client: &mut Wire, status: u16, front: &Front) {
    let head = client.start().await;
    assert_eq!(head.status(), status, "{head:?}");
    assert_eq!(head.value("content-type"), Some("application/problem+json"));
    let body = client.content(&head).await.bytes;
    let problem: serde_json::Value = serde_json::from_slice(&body).unwrap();
    assert_eq!(problem["status"], status);
    let text = problem.to_string();
    let port = front.at.port().to_string();
    assert!(
        !text.contains(&port) && !text.contains("127.0.0.1") && !text.contains("secret"),
        "{text}"
    );
}
