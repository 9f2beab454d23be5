//! Bodies that are not rewritten.

use super::feed::Unreadable;

/// Why a body passes as it is.
#[derive(Debug, Clone, Copy)]
pub(super) enum PassthroughReason {
    TooLarge,
    Slow,
    NoRoom,
    ContentEncoding,
    Encoding,
    Xml,
}

impl PassthroughReason {
    pub(super) fn label(self) -> &'static str {
        match self {
            Self::TooLarge => "it is larger than body_bytes_max",
            Self::Slow => "it comes too slowly",
            Self::NoRoom => "too much is being rewritten at the moment",
            Self::ContentEncoding => "it has a content encoding, which was not asked for",
            Self::Encoding => "its characters are neither in UTF-8 nor single bytes",
            Self::Xml => "it is not well-formed, or has a DTD",
        }
    }
}

impl From<Unreadable> for PassthroughReason {
    fn from(why: Unreadable) -> Self {
        match why {
            Unreadable::Encoding => Self::Encoding,
            Unreadable::Xml => Self::Xml,
        }
    }
}
