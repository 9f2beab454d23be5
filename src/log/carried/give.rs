//! The writing side.

use super::kind;
use crate::log::entry::{Entry, EntryMeta};
use crate::log::ring::Read;
use crate::log::writer::Writer;
use std::io::{self, BufWriter, Write};
use std::time::Instant;

/// What is written at one time, but for larger entries.
const BUFFER_BYTES: usize = 64 * 1024;

impl Writer {
    /// Writes all that a successor process needs to go on with this log; `now`: when ages are counted
    /// to. See [`Writer::take`].
    pub fn give(&self, out: impl Write, now: Instant) -> io::Result<()> {
        let mut out = BufWriter::with_capacity(BUFFER_BYTES, out);
        let origin = self.origin();
        number(&mut out, origin.start.get())?;
        number(&mut out, origin.offset)?;
        out.write_all(&[u8::from(origin.last_evicted.is_some())])?;
        if let Some(meta) = &origin.last_evicted {
            last_evicted(&mut out, meta)?;
        }
        let log = self.log();
        let (tail, end) = (log.tail(), log.head().next());
        self.give_forgotten(&mut out)?;
        number(&mut out, end.since(tail))?;
        let mut offset = origin.offset;
        for cursor in tail.up_to(end) {
            let Read::Entry(entry) = log.read(cursor) else {
                return Err(io::Error::other("an entry between tail and head is missing"));
            };
            give_entry(&mut out, &entry, now)?;
            offset += entry.len_bytes();
        }
        number(&mut out, end.before().get())?;
        number(&mut out, offset)?;
        out.flush()
    }

    fn give_forgotten(&self, out: &mut impl Write) -> io::Result<()> {
        let log = self.log();
        let forgotten = log.shared.index.forgotten(log.tail());
        out.write_all(forgotten.seed.bytes())?;
        number(out, forgotten.seed.proof())?;
        number(out, forgotten.cells)?;
        number(out, forgotten.uses.len() as u64)?;
        for (cursor, hash) in forgotten.uses {
            number(out, cursor.get())?;
            number(out, hash)?;
        }
        Ok(())
    }
}

fn last_evicted(out: &mut impl Write, meta: &EntryMeta) -> io::Result<()> {
    number(out, meta.cursor.get())?;
    number(out, meta.position.get())?;
    number(out, meta.first_with_id.get())?;
    out.write_all(&[u8::from(meta.passed)])?;
    number(out, meta.id.len() as u64)?;
    out.write_all(&meta.id)
}

fn give_entry(out: &mut impl Write, entry: &Entry, now: Instant) -> io::Result<()> {
    let draft = entry.draft();
    let age = now.saturating_duration_since(draft.received);
    out.write_all(&[kind::number(draft.kind), u8::from(draft.indexed)])?;
    number(out, entry.position.get())?;
    number(out, entry.first_with_id().get())?;
    number(out, u64::try_from(age.as_nanos()).unwrap_or(u64::MAX))?;
    number(out, draft.id.len() as u64)?;
    number(out, draft.frame.len() as u64)?;
    out.write_all(&draft.id)?;
    out.write_all(&draft.frame)
}

fn number(out: &mut impl Write, number: u64) -> io::Result<()> {
    out.write_all(&number.to_le_bytes())
}
