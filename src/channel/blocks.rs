//! The blocks that the relay writes itself.

use crate::metrics::GapReason;
use std::time::Duration;

/// Resets a client's last event ID, and dispatches nothing (9.2.6).
pub(super) const EMPTY_ID_BLOCK: &str = "id: \n\n";

/// What is written where events are missing: the gap event, if it has a type, and behind it, where
/// `reset` says so, the empty id in force. Empty: nothing.
pub(crate) fn gap_blocks(
    event_type: Option<&str>,
    reason: GapReason,
    source: &str,
    skipped: Option<u64>,
    reset: bool,
) -> String {
    let mut blocks = event_type.map_or_else(String::new, |event_type| gap_block(event_type, reason, source, skipped));
    if reset {
        blocks.push_str(EMPTY_ID_BLOCK);
    }
    blocks
}

/// A gap event (its `data` is JSON; it has no id, so it moves no client's place).
pub(crate) fn gap_block(event_type: &str, reason: GapReason, source: &str, skipped: Option<u64>) -> String {
    let mut data = serde_json::json!({ "reason": reason.label(), "source": source });
    if let Some(events) = skipped {
        data["events"] = events.into();
    }
    format!("event: {event_type}\ndata: {data}\n\n")
}

/// What a client is told that has caught up. Without an id, it moves no client's place.
pub(crate) fn live_block(event_type: &str, source: &str) -> String {
    let data = serde_json::json!({ "source": source });
    format!("event: {event_type}\ndata: {data}\n\n")
}

/// Why a stream ends, as its last block.
pub(crate) fn end_block(event_type: &str, reason: &str) -> String {
    let data = serde_json::json!({ "reason": reason });
    format!("event: {event_type}\ndata: {data}\n\n")
}

/// A reconnection time, in whole milliseconds (9.2.6).
pub(crate) fn retry_block(time: Duration) -> String {
    format!("retry: {}\n\n", time.as_millis())
}
