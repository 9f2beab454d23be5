//! What a connection's errors say of the attempt, or of the stream.

use super::{Failure, Reason};
use std::error::Error;
use std::io;

/// The connection was closed where an answer was due.
pub(super) fn unanswered() -> Failure {
    Failure::new(Reason::Protocol, "the connection was closed without an answer")
}

/// What went wrong with a connection before there was a response head.
pub(super) fn before_the_head(error: &io::Error) -> Failure {
    // In TLS 1.3, an origin that refuses our certificate says so after the handshake.
    let reason = match is_of_tls(error) {
        true => Reason::Tls,
        false => Reason::Reset,
    };
    Failure::new(reason, error.to_string())
}

/// What went wrong with it inside a body.
pub(super) fn in_the_body(error: &io::Error) -> Failure {
    Failure::new(Reason::Reset, error.to_string())
}

/// Likewise before there was a response head, as hyper tells it.
pub(super) fn before_the_head_of_http2(error: &hyper::Error) -> Failure {
    if error.is_incomplete_message() {
        return unanswered();
    }
    let reason = match io_error(error) {
        Some(io) if is_of_tls(io) => Reason::Tls,
        Some(io) if is_of_http(io) => Reason::Protocol,
        Some(_) => Reason::Reset,
        None => Reason::Protocol,
    };
    Failure::new(reason, described(error))
}

/// Likewise inside a body.
pub(super) fn in_the_body_of_http2(error: &hyper::Error) -> Failure {
    let reason = match io_error(error) {
        Some(io) if is_of_http(io) => Reason::Protocol,
        _ => Reason::Reset,
    };
    Failure::new(reason, described(error))
}

fn is_of_tls(error: &io::Error) -> bool {
    error.get_ref().is_some_and(|inner| inner.is::<rustls::Error>())
}

/// Whether it is about what was said, and not about the connection.
fn is_of_http(error: &io::Error) -> bool {
    !is_of_tls(error) && matches!(error.kind(), io::ErrorKind::InvalidInput | io::ErrorKind::InvalidData)
}

/// The I/O error behind it, if there is one.
fn io_error(error: &hyper::Error) -> Option<&io::Error> {
    let mut cause = error.source();
    while let Some(error) = cause {
        if let Some(error) = error.downcast_ref::<io::Error>() {
            return Some(error);
        }
        cause = error.source();
    }
    None
}

/// An error with its causes, in one line.
fn described(error: &hyper::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let said = error.to_string();
        if !text.ends_with(&said) {
            text.push_str(": ");
            text.push_str(&said);
        }
        cause = error.source();
    }
    text
}
