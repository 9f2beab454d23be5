//! What one upstream is, as plain data: all that another process needs to go on with it.
//!
//! Times are milliseconds, counted from the moment of giving; only what is shown on a clock is a
//! time of the clock. Nothing of it is believed: [`Taken`](super::Taken) checks what is taken.

use crate::upstream::http1::Decoder;
use serde::{Deserialize, Serialize};

/// One upstream of one channel, given by the process that ran it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CarriedUpstream {
    /// A digest of the settings that its connection was made with. Where the next process has
    /// others, it connects anew.
    pub settings: [u8; 32],
    /// The last event ID in force; empty: none, or reset by the origin.
    pub last_event_id: Vec<u8>,
    /// Whether an event was seen.
    pub seen: bool,
    /// Refusals in a row that can be the id's fault.
    pub refusals: u32,
    /// The reconnection time in force.
    pub reconnect_ms: u64,
    /// Waits since a stream last lived.
    pub waits: u32,
    /// Which of its URLs is in use.
    pub url_index: u32,
    /// URLs that have failed since the last wait.
    pub urls_failed: u32,
    /// What is shown of it.
    pub status: CarriedStatus,
    /// What it is doing.
    pub doing: Doing,
}

impl CarriedUpstream {
    /// Whether it ran there: else nothing is known of its place in the stream.
    pub(crate) fn is_of_a_run(&self) -> bool {
        self.settings != [0; 32]
    }
}

/// What an upstream is doing when it is given.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Doing {
    /// It is on the way to a response head, or about to be: that begins anew.
    Attempting,
    /// It waits for its next attempt.
    Waiting {
        /// So much longer.
        left_ms: u64,
    },
    /// It reads a stream, and the connection goes with it.
    Reading(Box<CarriedStream>),
    /// It reads a stream over a connection that can't be given: TLS or HTTP/2.
    Reopening,
    /// The origin has ended the stream; it is asked again in time.
    Ended {
        /// So long ago.
        ago_ms: u64,
    },
    /// It has come to its end.
    Over,
}

/// A connection in the middle of an answer. Its socket goes beside it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CarriedStream {
    /// What of the body's framing has been read.
    pub decoder: Decoder,
    /// Bytes of the connection that were read and not decoded.
    pub undecoded: Vec<u8>,
    /// How the body has ended, if it has, and what came before is not used up.
    pub end: Option<CarriedEnd>,
    /// What of the event stream has been read.
    pub parser: CarriedParser,
    /// Events seen on this connection.
    pub events: u64,
    /// How long it has been open.
    pub open_ms: u64,
}

/// How a body has ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum CarriedEnd {
    /// The origin has ended it.
    Whole,
    /// It was broken off.
    Broken {
        /// The label of the failure's reason.
        reason: String,
        /// What happened, for people.
        detail: String,
    },
}

/// See [`ParserState`](crate::event_stream::ParserState).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CarriedParser {
    /// How much of a BOM there was.
    pub bom: Option<u8>,
    /// The last byte was a CR.
    pub after_cr: bool,
    /// What is left of the read at hand.
    pub unread: Vec<u8>,
    /// The lines of the block in the making.
    pub lines: Vec<u8>,
    /// Its line in the making.
    pub line: Vec<u8>,
    /// What happens to that line: 0 collected, 1 ignored, 2 dropped.
    pub fate: u8,
    /// Bytes dropped of a block over the limit, and whether it has an id.
    pub oversized: Option<(u64, bool)>,
}

/// What `/status` and the links that lead to the relay know of an upstream.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct CarriedStatus {
    /// The URL in use, redacted.
    pub url: String,
    /// Since when it does what it does, in milliseconds since 1970.
    pub since_ms: u64,
    /// Streams opened so far.
    pub connects: u64,
    /// Attempts made after a failure.
    pub reconnects: u64,
    /// The reconnection time that the origin named, as it is in force.
    pub retry_ms: Option<u64>,
    /// How long ago the last byte of a stream came.
    pub last_byte_ms: Option<u64>,
    /// The last failure.
    pub last_error: Option<CarriedError>,
    /// The stream that the feed names, as a URL.
    pub named: Option<String>,
}

/// A failure that is shown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CarriedError {
    /// The label of its reason.
    pub reason: String,
    /// The status, where there was one.
    pub status: Option<u16>,
    /// For people.
    pub detail: String,
    /// When, in milliseconds since 1970.
    pub at_ms: u64,
}
