//! The reading side: nothing that is read is believed.

use super::kind;
use crate::config::LogLimits;
use crate::log::entry::{Draft, EntryMeta, Moves};
use crate::log::framing::is_frame;
use crate::log::index::{Forgotten, SEED_BYTES, Seed};
use crate::log::position::{Cursor, Position};
use crate::log::ring::{Log, Origin};
use crate::log::writer::Writer;
use bytes::Bytes;
use std::io::{self, BufReader, Read};
use std::time::{Duration, Instant};

/// What is read at one time, and what memory is taken for before its bytes have come.
const BUFFER_BYTES: usize = 64 * 1024;
/// A count of entries or bytes beyond this is none that a process could have come to; below it, sums
/// do not overflow.
const COUNT_MAX: u64 = 1 << 62;

/// Why a log could not be taken over.
#[derive(Debug, thiserror::Error)]
pub enum CarriedLogError {
    /// It could not be read, or ends too early.
    #[error("the log could not be read: {0}")]
    Io(#[from] io::Error),
    /// No process has written it so.
    #[error("the log is damaged: {0}")]
    Damaged(&'static str),
}

use CarriedLogError::Damaged;

type Taken<T> = Result<T, CarriedLogError>;

impl Writer {
    /// Goes on with the log that a predecessor has written by [`Writer::give`], under these limits:
    /// what they don't allow is let go. `now`: when ages are counted from.
    pub fn take(input: impl Read, limits: LogLimits, now: Instant) -> Taken<(Writer, Log)> {
        let mut input = Input(BufReader::with_capacity(BUFFER_BYTES, input));
        let origin = input.origin()?;
        let next = origin
            .last_evicted
            .as_ref()
            .map_or(Cursor::FIRST, |meta| meta.cursor.next());
        let mut offset = origin.offset;
        let forgotten = input.forgotten(next)?;
        let mut writer = Self::behind(origin, &forgotten, limits);
        let count = input.count()?;
        let end = next + count;
        for cursor in next.up_to(end) {
            let entry = input.entry(now)?;
            if entry.position <= writer.newest() {
                return Err(Damaged("positions do not increase"));
            }
            if entry.first_with_id > cursor {
                return Err(Damaged("an id before its first use"));
            }
            offset = checked(offset.saturating_add(entry.draft.frame.len() as u64))?;
            writer.restore(entry.position, entry.first_with_id, entry.draft);
        }
        match (input.number()?, input.number()?) {
            (head, bytes) if (head, bytes) == (end.before().get(), offset) => {}
            _ => return Err(Damaged("its end does not fit its entries")),
        }
        let log = writer.log().clone();
        Ok((writer, log))
    }
}

struct TakenEntry {
    position: Position,
    first_with_id: Cursor,
    draft: Draft,
}

struct Input<R>(BufReader<R>);

impl<R: Read> Input<R> {
    fn origin(&mut self) -> Taken<Origin> {
        let start = Position::new(self.count()?);
        let offset = self.count()?;
        let last_evicted = match self.flag()? {
            true => Some(self.last_evicted(start)?),
            false => None,
        };
        Ok(Origin {
            start,
            last_evicted,
            offset,
        })
    }

    fn last_evicted(&mut self, start: Position) -> Taken<EntryMeta> {
        let cursor = Cursor::nth(self.count()?);
        let position = Position::new(self.count()?);
        let first_with_id = Cursor::nth(self.count()?);
        let passed = self.flag()?;
        let id_len = self.count()?;
        let id = self.bytes(id_len)?;
        check_id(&id)?;
        let fits = cursor > Cursor::START && first_with_id <= cursor && position.since(start) >= cursor.get();
        if !fits {
            return Err(Damaged("the entry before its first one"));
        }
        Ok(EntryMeta {
            cursor,
            position,
            first_with_id,
            id,
            passed,
            received: None,
        })
    }

    /// `tail`: all of them were last used before it.
    fn forgotten(&mut self, tail: Cursor) -> Taken<Forgotten> {
        let mut seed = [0; SEED_BYTES];
        self.0.read_exact(&mut seed)?;
        let (seed, proof) = (Seed::of(seed), self.number()?);
        let cells = self.count()?;
        let count = self.count()?;
        if !cells.is_power_of_two() || count > cells {
            return Err(Damaged("the size of its index"));
        }
        let mut uses = Vec::new();
        let mut last = Cursor::START;
        for _ in 0..count {
            let (cursor, hash) = (Cursor::nth(self.count()?), self.number()?);
            if cursor <= last || cursor >= tail {
                return Err(Damaged("the order of its index"));
            }
            last = cursor;
            uses.push((cursor, hash));
        }
        // Hashes of another hash function say nothing here.
        if proof != seed.proof() {
            uses.clear();
        }
        Ok(Forgotten { seed, cells, uses })
    }

    fn entry(&mut self, now: Instant) -> Taken<TakenEntry> {
        let kind = kind::of(self.byte()?).ok_or(Damaged("a kind of entry that there is not"))?;
        let indexed = self.flag()?;
        let position = Position::new(self.count()?);
        let first_with_id = Cursor::nth(self.count()?);
        let age = Duration::from_nanos(self.number()?);
        let (id_len, frame_len) = (self.count()?, self.count()?);
        // One piece of memory for both.
        let both = self.bytes(checked(id_len + frame_len)?)?;
        let id = both.slice(..id_len as usize);
        let frame = both.slice(id_len as usize..);
        check_id(&id)?;
        if !is_frame(&frame) {
            return Err(Damaged("an entry that is no chunk"));
        }
        let draft = Draft {
            frame,
            id,
            indexed,
            kind,
            // Older than this machine is: as old as can be said.
            received: now.checked_sub(age).unwrap_or(now),
            moves: Moves::Nothing,
        };
        Ok(TakenEntry {
            position,
            first_with_id,
            draft,
        })
    }

    /// So many bytes. Memory is taken as they come, whatever their number is said to be.
    fn bytes(&mut self, len: u64) -> Taken<Bytes> {
        let len = usize::try_from(len).map_err(|_| Damaged("more than fits into memory"))?;
        let mut bytes = vec![0; len.min(BUFFER_BYTES)];
        self.0.read_exact(&mut bytes)?;
        while bytes.len() < len {
            let before = bytes.len();
            bytes.resize(len.min(before * 2), 0);
            self.0.read_exact(&mut bytes[before..])?;
        }
        Ok(bytes.into())
    }

    fn count(&mut self) -> Taken<u64> {
        checked(self.number()?)
    }

    fn number(&mut self) -> Taken<u64> {
        let mut number = [0; 8];
        self.0.read_exact(&mut number)?;
        Ok(u64::from_le_bytes(number))
    }

    fn flag(&mut self) -> Taken<bool> {
        match self.byte()? {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(Damaged("a flag that is neither set nor not")),
        }
    }

    fn byte(&mut self) -> Taken<u8> {
        let mut byte = [0];
        self.0.read_exact(&mut byte)?;
        Ok(byte[0])
    }
}

fn checked(count: u64) -> Taken<u64> {
    match count <= COUNT_MAX {
        true => Ok(count),
        false => Err(Damaged("a count that is too high")),
    }
}

/// None that ends its line, and so could begin another field.
fn check_id(id: &[u8]) -> Taken<()> {
    match memchr::memchr2(b'\n', b'\r', id) {
        None => Ok(()),
        Some(_) => Err(Damaged("an id that ends its line")),
    }
}
