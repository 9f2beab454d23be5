//! gzip (RFC 1952) as it comes, over any number of reads.

use flate2::{Decompress, FlushDecompress, Status};

/// The window of deflate, as a power of two: what any compressor may refer back to.
const WINDOW_BITS: u8 = 15;
/// Bytes that are given on at one time.
const PIECE_BYTES: usize = 8 * 1024;

/// The decompressor of one body: about 40 KiB.
#[derive(Debug)]
pub(super) struct Inflater {
    state: Decompress,
    ended: bool,
}

/// What came is not gzip, or its checksum is wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct BadGzip;

impl Inflater {
    pub(super) fn new() -> Self {
        Self {
            state: Decompress::new_gzip(WINDOW_BITS),
            ended: false,
        }
    }

    /// Gives on all that can be read of what came.
    pub(super) fn feed(&mut self, mut bytes: &[u8], mut give: impl FnMut(&[u8])) -> Result<(), BadGzip> {
        let mut piece = [0; PIECE_BYTES];
        while !self.ended {
            let [read, written] = [self.state.total_in(), self.state.total_out()];
            let status = self.state.decompress(bytes, &mut piece, FlushDecompress::Sync);
            let read = (self.state.total_in() - read) as usize;
            let written = (self.state.total_out() - written) as usize;
            bytes = &bytes[read..];
            give(&piece[..written]);
            match status {
                Ok(Status::StreamEnd) => self.ended = true,
                // Nothing more can be read of what there is.
                Ok(Status::Ok | Status::BufError) if written < piece.len() && bytes.is_empty() => break,
                Ok(Status::BufError) if read == 0 && written == 0 => break,
                Ok(Status::Ok | Status::BufError) => {}
                Err(_) => return Err(BadGzip),
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::Compression;
    use flate2::write::GzEncoder;
    use std::io::Write as _;

    fn all(inflater: &mut Inflater, bytes: &[u8]) -> Result<Vec<u8>, BadGzip> {
        let mut out = Vec::new();
        inflater.feed(bytes, |piece| out.extend_from_slice(piece)).map(|()| out)
    }

    #[test]
    fn each_flush_can_be_read_however_it_is_cut() {
        let large = "x".repeat(3 * PIECE_BYTES);
        let texts = ["data: a\n\n", &large, "data: b\n\n"];
        for cut in [1, 7, 64 * 1024] {
            let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
            let mut inflater = Inflater::new();
            for text in texts {
                encoder.write_all(text.as_bytes()).expect("memory");
                encoder.flush().expect("memory");
                let mut got = Vec::new();
                for piece in std::mem::take(encoder.get_mut()).chunks(cut) {
                    got.extend(all(&mut inflater, piece).expect("gzip"));
                }
                assert_eq!(got, text.as_bytes());
            }
            let end = encoder.finish().expect("memory");
            assert_eq!(all(&mut inflater, &end), Ok(Vec::new()));
            assert!(inflater.ended);
        }
    }

    #[test]
    fn what_is_no_gzip_is_an_error() {
        assert_eq!(all(&mut Inflater::new(), b"data: a\n\n"), Err(BadGzip));
    }
}
