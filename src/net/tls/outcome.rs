//! What became of a handshake, as an operator counts it.

use crate::metrics::HandshakeOutcome;
use rustls::{AlertDescription, Error, HandshakeKind};
use std::io;

/// How it ended well.
pub(super) fn of_success(kind: Option<HandshakeKind>) -> HandshakeOutcome {
    match kind {
        Some(HandshakeKind::Resumed) => HandshakeOutcome::Resumed,
        _ => HandshakeOutcome::Completed,
    }
}

/// Why it failed.
pub(super) fn of_failure(error: &Error) -> HandshakeOutcome {
    use AlertDescription::{
        BadCertificate, CertificateExpired, CertificateRevoked, CertificateUnknown, DecryptError, UnknownCA,
        UnsupportedCertificate,
    };
    match error {
        Error::AlertReceived(
            BadCertificate
            | CertificateExpired
            | CertificateRevoked
            | CertificateUnknown
            | DecryptError
            | UnknownCA
            | UnsupportedCertificate,
        ) => HandshakeOutcome::CertificateRefused,
        Error::NoCertificatesPresented | Error::InvalidCertificate(_) => HandshakeOutcome::ClientCertificate,
        Error::PeerIncompatible(_) | Error::NoApplicationProtocol => HandshakeOutcome::Incompatible,
        Error::InvalidMessage(_) => HandshakeOutcome::NotTls,
        _ => HandshakeOutcome::Failed,
    }
}

/// Why its socket failed.
pub(super) fn of_io(_: &io::Error) -> HandshakeOutcome {
    HandshakeOutcome::Closed
}
