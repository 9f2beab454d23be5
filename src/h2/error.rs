//! Error codes (RFC 9113, 7), and what a frame can be wrong with.

/// Why a stream or a connection ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u32)]
pub enum ErrorCode {
    /// Nothing is wrong.
    NoError = 0x0,
    /// Something that the protocol forbids.
    Protocol = 0x1,
    /// Something went wrong on our side.
    Internal = 0x2,
    /// More was sent than the window allows, or a window grew beyond its bound.
    FlowControl = 0x3,
    /// A frame for a stream that has ended.
    StreamClosed = 0x5,
    /// A frame of a length that its type can't have.
    FrameSize = 0x6,
    /// The request was not looked at: it may be made again.
    Refused = 0x7,
    /// The stream is not wanted any more.
    Cancel = 0x8,
    /// A header block that can't be decoded.
    Compression = 0x9,
    /// The peer makes more work than it should.
    EnhanceYourCalm = 0xb,
}

/// What ends the connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Fatal {
    pub(super) code: ErrorCode,
    /// For the log of the operator, and the peer's.
    pub(super) why: &'static str,
}

impl Fatal {
    pub(super) const fn new(code: ErrorCode, why: &'static str) -> Self {
        Self { code, why }
    }

    pub(super) const fn protocol(why: &'static str) -> Self {
        Self::new(ErrorCode::Protocol, why)
    }

    pub(super) const fn size(why: &'static str) -> Self {
        Self::new(ErrorCode::FrameSize, why)
    }
}
