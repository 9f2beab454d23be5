//! What keeps the engine from being used at the moment, in its own words and in those of its client.
//!
//! A request that the engine refuses to take gets no answer: what it says of that comes beside, on the
//! connection. A connection that breaks off is made anew out of sight, and why that fails is told here.

use super::super::engine::EngineError;
use async_nats::{ClientError, Event};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// A complaint that is not repeated for so long is none any more: what caused it is asked for more
/// often.
const FRESH: Duration = Duration::from_secs(15);

/// See the module. Holds no secret.
#[derive(Debug, Default)]
pub(super) struct Trouble(Mutex<Known>);

#[derive(Debug, Default)]
struct Known {
    is_connected: bool,
    /// Why it could not be connected to last.
    attempt: Option<String>,
    /// That it is known more closely than the client will tell.
    is_found: bool,
    /// What the engine has complained of first over this connection, and last.
    first: Option<String>,
    last: Option<(String, Instant)>,
}

impl Trouble {
    /// Why an attempt to connect is about to fail. The client will tell, too, and less.
    pub(super) fn found(&self, why: String) {
        let mut known = self.known();
        (known.attempt, known.is_found) = (Some(why), true);
    }

    /// What the client tells.
    pub(super) fn happened(&self, event: Event) {
        let mut known = self.known();
        match event {
            Event::Connected => {
                *known = Known {
                    is_connected: true,
                    ..Known::default()
                };
            }
            Event::Disconnected | Event::Closed => known.is_connected = false,
            Event::ClientError(ClientError::Other(why)) if !known.is_connected => {
                if !std::mem::take(&mut known.is_found) {
                    known.attempt = Some(why);
                }
            }
            Event::ServerError(error) => {
                let said = error.to_string();
                known.first.get_or_insert_with(|| said.clone());
                known.last = Some((said, Instant::now()));
            }
            Event::ClientError(_) | Event::SlowConsumer(_) | Event::LameDuckMode | Event::Draining => {}
        }
    }

    /// What is wrong now.
    pub(super) fn now(&self) -> Option<EngineError> {
        let known = self.known();
        match (known.is_connected, &known.last) {
            (false, _) => Some(EngineError(known.not_connected())),
            (true, Some((said, at))) if at.elapsed() < FRESH => Some(EngineError(says(said))),
            (true, _) => None,
        }
    }

    /// Why something has failed that was begun then.
    pub(super) fn explain(&self, error: EngineError, began: Instant) -> EngineError {
        let known = self.known();
        let said = match &known.last {
            Some((said, at)) if *at >= began => Some(said),
            // A subscription is asked for once, and refused once.
            _ => known.first.as_ref(),
        };
        match (known.is_connected, said) {
            (false, _) if known.attempt.is_some() => EngineError(known.not_connected()),
            (true, Some(said)) => EngineError(format!("{error}; {}", says(said))),
            _ => error,
        }
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        // Each change of it is whole.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Known {
    fn not_connected(&self) -> String {
        match &self.attempt {
            Some(why) => format!("not connected: {why}"),
            None => "not connected".to_owned(),
        }
    }
}

fn says(said: &str) -> String {
    format!("the engine says: {said}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use async_nats::ServerError;

    fn said(error: Option<EngineError>) -> String {
        error.map_or_else(String::new, |error| error.to_string())
    }

    #[test]
    fn the_closest_reason_is_told() {
        let trouble = Trouble::default();
        assert_eq!(said(trouble.now()), "not connected");
        let failed = || Event::ClientError(ClientError::Other("IO error".to_owned()));
        trouble.happened(failed());
        assert_eq!(said(trouble.now()), "not connected: IO error");
        trouble.found("another's certificate".to_owned());
        trouble.happened(failed());
        assert_eq!(said(trouble.now()), "not connected: another's certificate");
        trouble.happened(failed());
        assert_eq!(said(trouble.now()), "not connected: IO error");
        trouble.happened(Event::Connected);
        assert_eq!(said(trouble.now()), "");
    }

    #[test]
    fn what_the_engine_says_explains_what_gets_no_answer() {
        let trouble = Trouble::default();
        let timed_out = || EngineError("timed out".to_owned());
        let began = Instant::now();
        assert_eq!(trouble.explain(timed_out(), began).to_string(), "timed out");
        trouble.happened(Event::Connected);
        assert_eq!(trouble.explain(timed_out(), began).to_string(), "timed out");
        let refused = |what: &str| Event::ServerError(ServerError::Other(format!("no {what}")));
        trouble.happened(refused("inbox"));
        trouble.happened(refused("subject"));
        assert_eq!(
            trouble.explain(timed_out(), began).to_string(),
            "timed out; the engine says: nats: no subject"
        );
        let later = Instant::now() + Duration::from_secs(1);
        assert_eq!(
            trouble.explain(timed_out(), later).to_string(),
            "timed out; the engine says: nats: no inbox"
        );
        assert_eq!(said(trouble.now()), "the engine says: nats: no subject");
    }
}
