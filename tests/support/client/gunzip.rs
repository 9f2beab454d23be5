//! A gzip member (RFC 1952) as it comes, by another implementation of inflate than the relay's.

use miniz_oxide::inflate::stream::{InflateState, inflate};
use miniz_oxide::{DataFormat, MZFlush, MZStatus};

/// Whether this program's clients ask for gzip, and its sources allow it: those that tell the stories
/// again.
pub fn asks_for_gzip() -> bool {
    let program = std::env::current_exe().unwrap_or_default();
    let name = program.file_name().map(|name| name.to_string_lossy().into_owned());
    name.is_some_and(|name| name.starts_with("stories") && name.contains("gzip"))
}

/// What has come of one.
pub struct Gunzip {
    header: Vec<u8>,
    inflater: Box<InflateState>,
    checksum: crc32fast::Hasher,
    len: u32,
    /// The last block has come.
    is_over: bool,
    trailer: Vec<u8>,
}

const HEADER_BYTES: usize = 10;
const TRAILER_BYTES: usize = 8;

impl Gunzip {
    pub fn new() -> Self {
        Self {
            header: Vec::new(),
            inflater: InflateState::new_boxed(DataFormat::Raw),
            checksum: crc32fast::Hasher::new(),
            len: 0,
            is_over: false,
            trailer: Vec::new(),
        }
    }

    /// Some more of it: what can be read by now is added to `out`.
    pub fn push(&mut self, mut bytes: &[u8], out: &mut Vec<u8>) {
        let missing = HEADER_BYTES - self.header.len();
        let (header, rest) = bytes.split_at(missing.min(bytes.len()));
        self.header.extend_from_slice(header);
        bytes = rest;
        if self.header.len() == HEADER_BYTES {
            assert_eq!(
                self.header[..4],
                [0x1f, 0x8b, 8, 0],
                "a member's header, without options"
            );
        }
        let mut buffer = [0; 4096];
        while !self.is_over && self.header.len() == HEADER_BYTES {
            let done = inflate(&mut self.inflater, bytes, &mut buffer, MZFlush::None);
            bytes = &bytes[done.bytes_consumed..];
            let made = &buffer[..done.bytes_written];
            self.checksum.update(made);
            self.len = self.len.wrapping_add(made.len() as u32);
            out.extend_from_slice(made);
            match done.status {
                Ok(MZStatus::StreamEnd) => self.is_over = true,
                // There is no more to be read.
                Ok(_) | Err(miniz_oxide::MZError::Buf) if made.is_empty() && bytes.is_empty() => break,
                // What it still held came out of it.
                Err(miniz_oxide::MZError::Buf) if bytes.is_empty() => {}
                Ok(_) => {}
                Err(error) => panic!("no deflate stream: {error:?} behind {} bytes", self.len),
            }
        }
        self.trailer.extend_from_slice(bytes);
        assert!(self.trailer.len() <= TRAILER_BYTES, "bytes behind the member");
    }

    /// Whether it has ended, and is what its trailer says.
    pub fn is_whole(&self) -> bool {
        if self.trailer.len() < TRAILER_BYTES {
            return false;
        }
        let (checksum, len) = self.trailer.split_at(4);
        assert_eq!(checksum, self.checksum.clone().finalize().to_le_bytes(), "the checksum");
        assert_eq!(len, self.len.to_le_bytes(), "the size");
        true
    }
}
