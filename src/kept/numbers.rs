//! The file that says which numbering a channel has, and which numbers may have been given.
//!
//! It has two places that are written in turn, each with a checksum: whatever happens while one is
//! written, the other is whole. It never grows, so that it can be written on a disk that is full.

use super::disk::Disk;
use super::frame::{self, put_bytes, take_bytes};
use bytes::Buf as _;
use std::io;
use std::path::{Path, PathBuf};

/// The name of the file.
const NAME: &str = "numbers";
/// From one place to the other: they share no block of a disk.
const PLACE_BYTES: usize = 4096;
const MAGIC: &[u8; 8] = b"fanfare1";

/// What it says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Numbers {
    /// The name of the numbering.
    pub(super) epoch: String,
    /// No number from this one on has been given.
    pub(super) below: u64,
    /// Whether the process has ended in order, and given every number before.
    pub(super) is_clean: bool,
}

/// The file.
pub(super) struct NumbersFile {
    path: PathBuf,
    /// Times that it has been written.
    written: u64,
}

impl NumbersFile {
    /// The file in a channel's folder, and what it says. `None`: nothing that is whole.
    pub(super) fn open(disk: &dyn Disk, dir: &Path) -> io::Result<(Self, Option<Numbers>)> {
        let path = dir.join(NAME);
        let bytes = match disk.read(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
            bytes => bytes?,
        };
        let (written, numbers) = newest(&bytes).map_or((0, None), |(written, numbers)| (written, Some(numbers)));
        Ok((Self { path, written }, numbers))
    }

    /// The file in a folder that is still to be made.
    pub(super) fn fresh(dir: &Path) -> Self {
        Self {
            path: dir.join(NAME),
            written: 0,
        }
    }

    /// Whether it has not been written.
    pub(super) fn is_fresh(&self) -> bool {
        self.written == 0
    }

    /// Says something else, from now on also after a loss of power.
    pub(super) fn write(&mut self, disk: &dyn Disk, numbers: &Numbers) -> io::Result<()> {
        let mut bytes = MAGIC.to_vec();
        let next = self.written + 1;
        frame::put(&mut bytes, |out| {
            out.extend_from_slice(&next.to_le_bytes());
            out.extend_from_slice(&numbers.below.to_le_bytes());
            out.push(numbers.is_clean.into());
            put_bytes(out, numbers.epoch.as_bytes());
        });
        // Padded: the place is there before it is needed.
        bytes.resize(PLACE_BYTES, 0);
        let file = disk.open(&self.path)?;
        // The other place is allocated with the first.
        if self.written == 0 {
            file.set_len(0)?;
            file.write_at(&[0; 2 * PLACE_BYTES], 0)?;
        }
        file.write_at(&bytes, next % 2 * PLACE_BYTES as u64)?;
        file.sync()?;
        // If it failed, it is not known what stands there: the next attempt writes there again.
        self.written = next;
        Ok(())
    }
}

/// What a file says that holds these bytes.
#[cfg(any(test, fuzzing))]
pub(super) fn said(bytes: &[u8]) -> Option<Numbers> {
    newest(bytes).map(|(_, numbers)| numbers)
}

fn newest(bytes: &[u8]) -> Option<(u64, Numbers)> {
    let places = [0, PLACE_BYTES].into_iter().filter_map(|at| take(bytes.get(at..)?));
    places.max_by_key(|(written, _)| *written)
}

fn take(bytes: &[u8]) -> Option<(u64, Numbers)> {
    let (mut piece, _) = frame::take(bytes.strip_prefix(MAGIC)?)?;
    let written = piece.try_get_u64_le().ok()?;
    let below = piece.try_get_u64_le().ok()?;
    let is_clean = piece.try_get_u8().ok()? != 0;
    let epoch = std::str::from_utf8(take_bytes(&mut piece)?).ok()?.to_owned();
    Some((written, Numbers { epoch, below, is_clean }))
}
