//! What an answer says, how it ends, and the events in it.

use super::gunzip::asks_for_gzip;
use crate::support::origin::RequestHead;

/// An answer that has ended.
#[derive(Debug)]
pub struct Answer {
    pub head: Head,
    pub body: String,
    pub end: End,
}

impl Answer {
    /// The body as JSON.
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.body))
    }

    /// Asserts that it is problem details (RFC 9457) with this status.
    pub fn assert_problem(&self, status: u16) {
        assert_eq!(self.head.status, status, "{self:?}");
        assert_eq!(
            self.head.header("content-type"),
            Some("application/problem+json"),
            "{self:?}"
        );
        let body: serde_json::Value = serde_json::from_str(&self.body).unwrap();
        assert_eq!(body["status"], status, "{body}");
        assert!(body["title"].is_string() && body["detail"].is_string(), "{body}");
    }
}

/// An answer's head.
#[derive(Debug, Clone, Default)]
pub struct Head {
    pub version: String,
    pub status: u16,
    pub fields: RequestHead,
}

impl Head {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.fields.header(name)
    }

    /// Every value of a field. Where all stories are told by clients that ask for gzip, but for those
    /// that say so.
    pub fn all(&self, name: &str) -> Vec<String> {
        let says_so = |value: &[u8]| asks_for_gzip() && matches!(value, b"Accept-Encoding" | b"gzip");
        let fields = self.fields.fields.iter();
        let values = fields.filter(|(field, value)| field == name && !says_so(value));
        values
            .map(|(_, value)| String::from_utf8_lossy(value).into_owned())
            .collect()
    }
}

/// How a stream ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// In order: the last chunk, or all bytes of a known length.
    LastChunk,
    /// The connection ended between chunks, without the last one. Over HTTP/1.0 that is the order.
    Closed,
    /// The connection ended inside a chunk.
    ClosedInsideChunk,
    /// The connection was reset.
    Reset,
}

/// What an `EventSource` would have dispatched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    pub event_type: String,
    pub data: String,
    /// The last event ID.
    pub id: Vec<u8>,
}

impl Event {
    pub fn id(&self) -> &str {
        std::str::from_utf8(&self.id).unwrap()
    }

    /// The reason, if this is a gap event.
    pub fn gap(&self) -> Option<String> {
        (self.event_type == "fanfare.gap").then(|| self.json()["reason"].as_str().unwrap().to_owned())
    }

    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.data).unwrap()
    }
}
