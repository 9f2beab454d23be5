//! The blocks that the relay writes itself.

use crate::metrics::GapReason;
use std::time::Duration;

/// A gap event (its `data` is JSON; it has no id, so it moves no client's place).
pub(crate) fn gap_block(event_type: &str, reason: GapReason, source: &str, skipped: Option<u64>) -> String {
    let mut data = serde_json::json!({ "reason": reason.label(), "source": source });
    if let Some(events) = skipped {
        data["events"] = events.into();
    }
    format!("event: {event_type}\ndata: {data}\n\n")
}

/// A reconnection time, in whole milliseconds (9.2.6).
pub(crate) fn retry_block(time: Duration) -> String {
    format!("retry: {}\n\n", time.as_millis())
}
