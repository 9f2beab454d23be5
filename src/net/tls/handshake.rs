//! The handshake of a connection, from its first byte.

use super::listener::TlsListener;
use super::outcome::{of_failure, of_io, of_success};
use super::session::Session;
use super::state::TlsState;
use crate::metrics::HandshakeOutcome;
use crate::net::Watched;
use std::future::poll_fn;
use std::io;
use std::task::{Context, Poll, ready};
use std::time::Duration;

/// A handshake that came to nothing.
#[derive(Debug)]
pub(crate) struct Failed {
    pub(crate) outcome: HandshakeOutcome,
    /// In the library's words, for the log.
    pub(crate) why: String,
}

/// Makes the handshake of a stream of which `begin` has been read, and encrypts it from now on.
/// Bounded by the caller in time.
pub(crate) async fn handshake(
    stream: &mut Watched,
    begin: &[u8],
    listener: &TlsListener,
) -> Result<HandshakeOutcome, Failed> {
    let mut session = Session::new(listener.server_config()).map_err(|error| failed(&error))?;
    session.take_up(begin);
    stream.stream_mut().encrypt_with(TlsState::new(session));
    let done = poll_fn(|cx| poll(stream, cx)).await;
    let tls = stream.stream().tls();
    let failure = tls.and_then(|tls| tls.session().failure().map(failed));
    match (done, failure) {
        (_, Some(failed)) => Err(failed),
        (Ok(true), None) => {
            let kind = tls.and_then(|tls| tls.session().connection().handshake_kind());
            Ok(of_success(kind))
        }
        (Ok(false), None) => Err(Failed {
            outcome: HandshakeOutcome::Closed,
            why: "the client closed the connection".to_owned(),
        }),
        (Err(error), None) => Err(Failed {
            outcome: of_io(&error),
            why: error.to_string(),
        }),
    }
}

/// Completes when the handshake is over, or can't go on. `false`: the client has gone.
fn poll(stream: &Watched, cx: &mut Context<'_>) -> Poll<io::Result<bool>> {
    loop {
        // What the client waits for goes first; an alert too.
        ready!(stream.poll_flush(cx))?;
        let Some(tls) = stream.stream().tls() else {
            return Poll::Ready(Ok(false));
        };
        let (is_over, has_failed) = {
            let session = tls.session();
            (session.is_established(), session.failure().is_some())
        };
        if is_over || has_failed {
            return Poll::Ready(Ok(is_over));
        }
        let fill = |stream: &crate::net::Stream| tls.session().fill(stream.transport());
        if ready!(stream.poll_read_with(cx, fill))? == 0 {
            return Poll::Ready(Ok(false));
        }
    }
}

/// Lets an alert arrive: the sending half is closed, and what the client still sends is read for a
/// moment, since a socket that is closed with bytes unread resets the connection (RFC 9112, 9.6).
pub(crate) async fn let_arrive(stream: &Watched) {
    if stream.stream().finish().is_err() {
        return;
    }
    let mut left = ALERT_BYTES_MAX;
    let read_all = poll_fn(|cx| {
        let mut scratch = [0; READ_BYTES];
        while left > 0 {
            let raw = |stream: &crate::net::Stream| stream.transport().read(&mut scratch);
            match ready!(stream.poll_read_with(cx, raw)) {
                Ok(read @ 1..) => left = left.saturating_sub(read),
                Ok(0) | Err(_) => break,
            }
        }
        Poll::Ready(())
    });
    let _ = tokio::time::timeout(ALERT_TIME_MAX, read_all).await;
}

/// How long, and how much, is read behind an alert.
const ALERT_TIME_MAX: Duration = Duration::from_secs(1);
const ALERT_BYTES_MAX: usize = 64 * 1024;
/// Bytes read at one time.
const READ_BYTES: usize = 4096;

fn failed(error: &rustls::Error) -> Failed {
    Failed {
        outcome: of_failure(error),
        why: error.to_string(),
    }
}
