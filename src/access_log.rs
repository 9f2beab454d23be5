//! The access log: a line for each event stream that has ended, and for each proxied request.
//!
//! Off by default, and then it costs a look at a flag where a stream begins or a request is passed
//! on. The lines go where all log lines go, under the target `fanfare::access_log`, and say nothing
//! that lets somebody in: no query (only the origin knows what of it is a secret), no header but
//! the last event ID, and of credentials the user's name alone.
//!
//! Clients decide how many lines there are, so there is a bound for each second, and a line that
//! says how many were left out.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Lines in a second: what a person can search, and a hundredth of what a core can write. More end
/// at once only when clients are cut in crowds.
const LINES_PER_SECOND_MAX: u64 = 1000;

/// For how long lines are counted together.
const SECOND: Duration = Duration::from_secs(1);

/// Longest path and id, in characters: a line has to stay one that can be read, and fit the log.
const TEXT_CHARS_MAX: usize = 1024;

/// Whether there is an access log, and how many of its lines there may be.
#[derive(Debug)]
pub struct AccessLog {
    is_on: AtomicBool,
    window: Mutex<Window>,
}

/// The second that is counted.
#[derive(Debug)]
struct Window {
    began: Instant,
    written: u64,
    /// Since the last line that said so.
    left_out: u64,
}

/// An event stream that has ended.
#[derive(Debug)]
pub struct StreamEnd<'a> {
    /// Whose it was; unspecified for Unix sockets.
    pub client: SocketAddr,
    /// Its user, where one is known.
    pub user: Option<String>,
    /// The source's name.
    pub source: &'a str,
    /// The protocol's label.
    pub protocol: &'static str,
    /// Since its beginning.
    pub duration: Duration,
    /// Events that were begun.
    pub events: u64,
    /// Their bytes as the log keeps them; `None`: the log has let go of where it stood.
    pub bytes: Option<u64>,
    /// The last event ID in force behind them; `None`: likewise.
    pub last_id: Option<&'a [u8]>,
    /// How far it was behind.
    pub lag_events: u64,
    /// Likewise, in bytes.
    pub lag_bytes: u64,
    /// Why it ended, as the metrics call it.
    pub reason: &'static str,
}

/// A proxied request that is over.
#[derive(Debug)]
pub struct RequestEnd<'a> {
    /// Who has asked; unspecified for Unix sockets.
    pub client: SocketAddr,
    /// The protocol's label.
    pub protocol: &'static str,
    /// The request's.
    pub method: &'a str,
    /// The target's, without its query.
    pub path: &'a str,
    /// The answer's.
    pub status: u16,
    /// From the request's head to the answer's end.
    pub duration: Duration,
    /// Of the answer's body.
    pub bytes: u64,
    /// How it ended.
    pub reason: &'static str,
}

impl AccessLog {
    /// One that is on or off.
    pub fn new(is_on: bool) -> Self {
        let window = Window {
            began: Instant::now(),
            written: 0,
            left_out: 0,
        };
        Self {
            is_on: AtomicBool::new(is_on),
            window: Mutex::new(window),
        }
    }

    /// Whether lines are written.
    pub fn is_on(&self) -> bool {
        self.is_on.load(Ordering::Relaxed)
    }

    /// Turns it on or off. Of streams that are open when it is turned on there is no line.
    pub fn turn(&self, on: bool) {
        self.is_on.store(on, Ordering::Relaxed);
    }

    /// Says how many lines were left out, once their second is over. To be called now and then.
    pub fn report(&self) {
        let _ = self.count(Instant::now(), 0);
    }

    /// Writes a stream's line, or leaves it out.
    pub fn stream_ended(&self, end: &StreamEnd<'_>) {
        if !self.takes_line() {
            return;
        }
        let last_id = end.last_id.map(|id| shortened(&String::from_utf8_lossy(id)));
        tracing::info!(
            client = &*client(end.client),
            user = end.user.as_deref(),
            source = end.source,
            protocol = end.protocol,
            duration_ms = millis(end.duration),
            events = end.events,
            bytes = end.bytes,
            last_id = last_id.as_deref(),
            lag_events = end.lag_events,
            lag_bytes = end.lag_bytes,
            reason = end.reason,
            "stream ended"
        );
    }

    /// Writes a request's line, or leaves it out.
    pub fn request_ended(&self, end: &RequestEnd<'_>) {
        if !self.takes_line() {
            return;
        }
        tracing::info!(
            client = &*client(end.client),
            protocol = end.protocol,
            method = &*shortened(end.method),
            path = &*shortened(end.path),
            status = end.status,
            duration_ms = millis(end.duration),
            bytes = end.bytes,
            reason = end.reason,
            "request passed"
        );
    }

    fn takes_line(&self) -> bool {
        self.is_on() && self.count(Instant::now(), 1)
    }

    /// Counts so many lines. Whether there is room for them.
    fn count(&self, now: Instant, lines: u64) -> bool {
        let mut window = self.window.lock().unwrap_or_else(PoisonError::into_inner);
        let mut left_out = 0;
        if now.saturating_duration_since(window.began) >= SECOND {
            left_out = std::mem::take(&mut window.left_out);
            (window.began, window.written) = (now, 0);
        }
        let has_room = window.written + lines <= LINES_PER_SECOND_MAX;
        match has_room {
            true => window.written += lines,
            false => window.left_out += lines,
        }
        drop(window);
        if left_out > 0 {
            tracing::warn!(lines = left_out, "access log lines were left out");
        }
        has_room
    }
}

/// An address, without a port that is none.
fn client(address: SocketAddr) -> String {
    match (address.ip().is_unspecified(), address.port()) {
        (true, _) => "unix".to_owned(),
        // What a proxy says of a client is an address alone.
        (false, 0) => address.ip().to_string(),
        (false, _) => address.to_string(),
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

fn shortened(text: &str) -> String {
    match text.char_indices().nth(TEXT_CHARS_MAX) {
        Some((at, _)) => format!("{}…", &text[..at]),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_has_so_many_lines() {
        let log = AccessLog::new(true);
        let start = log.window.lock().unwrap().began;
        let taken = (0..3 * LINES_PER_SECOND_MAX).filter(|_| log.count(start, 1)).count();
        assert_eq!(taken as u64, LINES_PER_SECOND_MAX);
        assert_eq!(log.window.lock().unwrap().left_out, 2 * LINES_PER_SECOND_MAX);
        assert!(log.count(start + SECOND, 1));
        assert_eq!(log.window.lock().unwrap().left_out, 0, "they have been told");
        log.turn(false);
        assert!(!log.takes_line());
    }

    #[test]
    fn clients_are_named_as_well_as_they_are_known() {
        for (address, said) in [
            ("192.0.2.1:80", "192.0.2.1:80"),
            ("[2001:db8::1]:0", "2001:db8::1"),
            ("0.0.0.0:0", "unix"),
        ] {
            assert_eq!(client(address.parse().expect("an address")), said);
        }
        assert_eq!(shortened(&"ä".repeat(2000)).chars().count(), TEXT_CHARS_MAX + 1);
    }
}
