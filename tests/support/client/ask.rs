//! What a client asks for.

use super::gunzip::asks_for_gzip;
use super::http2::{self, speaks_http2};
use super::{Answer, TestClient, connect, connect_from};
use crate::support::tls::{agree_on_http2, dial, secure, speaks_tls};
use std::net::{IpAddr, SocketAddr};

/// A request, and how the connection is made.
#[derive(Debug, Clone)]
pub struct Ask {
    pub(super) method: String,
    target: String,
    version: &'static str,
    fields: Vec<Vec<u8>>,
    receive_buffer: Option<usize>,
    from: Option<IpAddr>,
}

/// Begins a request for an event stream.
pub fn get(target: &str) -> Ask {
    ask("GET", target).header("Accept", "text/event-stream")
}

/// Begins a request that says nothing of what it accepts.
pub fn ask(method: &str, target: &str) -> Ask {
    Ask {
        method: method.to_owned(),
        target: target.to_owned(),
        version: "HTTP/1.1",
        fields: vec![b"Host: relay.test".to_vec()],
        receive_buffer: None,
        from: None,
    }
}

impl Ask {
    pub fn header(mut self, name: &str, value: impl AsRef<[u8]>) -> Self {
        self.fields.push([name.as_bytes(), b": ", value.as_ref()].concat());
        self
    }

    pub fn last_event_id(self, id: impl AsRef<[u8]>) -> Self {
        self.header("Last-Event-ID", id)
    }

    pub fn http10(mut self) -> Self {
        self.version = "HTTP/1.0";
        self
    }

    /// The smallest receive buffer that the kernel allows: a client that stops reading is noticed
    /// soon.
    pub fn small_receive_buffer(mut self) -> Self {
        self.receive_buffer = Some(4096);
        self
    }

    /// From this address of the machine.
    pub fn from(mut self, local: IpAddr) -> Self {
        self.from = Some(local);
        self
    }

    pub fn bytes(&self) -> Vec<u8> {
        let mut bytes = format!("{} {} {}\r\n", self.method, self.target, self.version).into_bytes();
        let says = |field: &Vec<u8>| field.to_ascii_lowercase().starts_with(b"accept-encoding:");
        if asks_for_gzip() && !self.fields.iter().any(says) {
            bytes.extend_from_slice(b"Accept-Encoding: gzip\r\n");
        }
        for field in &self.fields {
            bytes.extend_from_slice(field);
            bytes.extend_from_slice(b"\r\n");
        }
        bytes.extend_from_slice(b"\r\n");
        bytes
    }

    /// Connects and sends the request; the answer has not been read.
    pub async fn send(&self, address: SocketAddr) -> TestClient {
        if self.is_over_http2() && self.from.is_none() {
            let tcp = connect(address, self.receive_buffer).await;
            let local = tcp.local_addr().unwrap();
            let io = match speaks_tls(address) {
                true => http2::translated(agree_on_http2(tcp).await, local),
                false => http2::translated(tcp, local),
            };
            return TestClient::new(Box::new(io), self).await;
        }
        let io = match self.from {
            Some(local) => secure(connect_from(local, address).await, address).await,
            None => dial(address, self.receive_buffer).await,
        };
        TestClient::new(io, self).await
    }

    /// The admin listener does not speak it.
    fn is_over_http2(&self) -> bool {
        let is_admin =
            ["/readyz", "/livez", "/metrics", "/status", "/ping", "/healthcheck"].contains(&&self.target[..]);
        speaks_http2() && self.version == "HTTP/1.1" && !is_admin
    }

    /// Connects, and reads the answer's head, which must be that of an event stream.
    pub async fn open(&self, address: SocketAddr) -> TestClient {
        let mut client = self.send(address).await;
        let head = client.read_head().await;
        assert_eq!(head.status, 200, "{}", head.fields.text);
        assert_eq!(head.header("content-type"), Some("text/event-stream"));
        client
    }

    /// The whole of an answer that ends.
    pub async fn answer(&self, address: SocketAddr) -> Answer {
        let closing = self.clone().header("Connection", "close");
        closing.send(address).await.answer().await
    }
}

impl TestClient {
    /// A whole answer.
    pub async fn answer(mut self) -> Answer {
        let head = self.read_head().await;
        let end = self.end().await;
        let body = String::from_utf8_lossy(&self.body).into_owned();
        Answer { head, body, end }
    }
}
