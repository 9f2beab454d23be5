//! Whether the engine is within reach, and why it is not: one line per change.

use crate::fleet::engine::{Engine, EngineError, Extent};
use crate::fleet::shared::Shared;
use std::time::{Duration, Instant};
use tokio::time::sleep;

/// Between two tries to open the log, or to read it anew.
pub(super) const OPEN_EVERY: Duration = Duration::from_millis(500);

/// Tries until the log is open.
pub(super) async fn opened<E: Engine>(engine: &E, shared: &Shared, source: &str) -> Extent {
    loop {
        match engine.open().await {
            Ok(extent) => {
                tracing::info!(source, last = extent.last, "the shared log is open");
                let mut state = shared.locked();
                (state.error, state.heard) = (None, Some(Instant::now()));
                return extent;
            }
            Err(error) => note_error(shared, source, &error),
        }
        sleep(OPEN_EVERY.mul_f64(0.5 + fastrand::f64())).await;
    }
}

/// One line per change of state.
pub(super) fn note_error(shared: &Shared, source: &str, error: &EngineError) {
    let mut state = shared.locked();
    let text = error.to_string();
    if state.error.as_deref() != Some(&text) {
        tracing::warn!(source, %error, "the shared log is out of reach");
        state.error = Some(text);
    }
}

/// Whether the engine is within reach, as the last answer says.
pub(super) fn answered<E: Engine>(engine: &E, shared: &Shared, source: &str, is_there: bool) {
    shared.inbox.set_away(!is_there);
    if !is_there {
        return note_trouble(engine, shared, source);
    }
    let is_well = engine.trouble().is_none();
    let mut state = shared.locked();
    state.heard = Some(Instant::now());
    if is_well && state.error.take().is_some() {
        tracing::info!(source, "the shared log is within reach again");
    }
}

/// Something got no answer: says why, as far as the engine knows.
pub(super) fn note_trouble<E: Engine>(engine: &E, shared: &Shared, source: &str) {
    if let Some(error) = engine.trouble() {
        note_error(shared, source, &error);
    }
}
