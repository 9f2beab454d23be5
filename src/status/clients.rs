//! What is said of clients.

use crate::metrics::Protocol;
use crate::timestamp::Timestamp;
use serde::ser::{Serialize, SerializeMap, Serializer};

/// Clients, by protocol.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ClientCounts(pub [u64; Protocol::ALL.len()]);

impl ClientCounts {
    /// Over all protocols.
    pub fn total(&self) -> u64 {
        self.0.iter().sum()
    }
}

/// `{"total":3,"http/1.0":1,"http/1.1":2}`
impl Serialize for ClientCounts {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(1 + self.0.len()))?;
        map.serialize_entry("total", &self.total())?;
        for protocol in Protocol::ALL {
            map.serialize_entry(protocol.label(), &self.0[protocol.index()])?;
        }
        map.end()
    }
}

/// One client.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct ClientStatus {
    /// Its address.
    pub peer: String,
    /// How it speaks: the label of its [`Protocol`].
    pub protocol: &'static str,
    /// Events behind the head.
    pub lag_events: u64,
    /// Bytes behind the head.
    pub lag_bytes: u64,
    /// Since it was subscribed.
    pub connected_seconds: f64,
    /// For how long its socket has taken nothing while bytes waited; 0: it takes.
    pub stalled_seconds: f64,
}

/// One client, with everything that is known of it.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct ClientDetails {
    /// The name of its source.
    pub source: String,
    /// What is known of every client.
    #[serde(flatten)]
    pub client: ClientStatus,
    /// `live` at the head, `replaying` what it missed, `blocked` by a full socket, or `closing`.
    pub state: &'static str,
    /// The id that it would come back with; `None`: none, or no longer known.
    pub last_event_id: Option<String>,
    /// Since it took a byte.
    pub silent_seconds: f64,
    /// Why its stream is to end, if that is settled.
    pub leaves: Option<LeavingStatus>,
    /// Who let it in calls it so: `basic:ann`.
    pub user: Option<String>,
    /// When what let it in expires.
    pub expires: Option<Timestamp>,
}

/// That a stream is to end.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize)]
pub struct LeavingStatus {
    /// The label of its `CloseReason`.
    pub reason: &'static str,
    /// In how long.
    pub in_seconds: f64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clients_are_counted_by_protocol() {
        let mut counts = ClientCounts::default();
        counts.0[Protocol::Http11.index()] = 2;
        counts.0[Protocol::Http10.index()] = 1;
        let json = serde_json::to_string(&counts).unwrap();
        assert_eq!(json, r#"{"total":3,"http/1.0":1,"http/1.1":2,"http/2":0}"#);
    }
}
