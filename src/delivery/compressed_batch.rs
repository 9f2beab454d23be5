//! A batch as compressed clients get it: of each entry the fragment that refers to the history that
//! the client has, or else the one that stands alone.

use super::framing::{Framing, Left};
use super::member::Member;
use crate::gzip::Addend;
use crate::log::{Cursor, Entry};
use bytes::{Bytes, BytesMut};
use std::sync::Arc;

/// Made of a batch's entries when the first compressed client gets them.
#[derive(Debug, Clone)]
pub(super) struct CompressedBatch {
    /// What the entries add to a client's sum.
    addend: Addend,
    /// What clients in clear would get instead.
    clear_bytes: u64,
    /// For clients that are in no history, and for those that are.
    runs: [Option<Run>; 2],
}

/// The fragments for a client that comes with, or without, the history.
#[derive(Debug, Clone)]
struct Run {
    /// As chunks, one for each entry, and whether a client that has it is in the history.
    fragments: Vec<(Bytes, bool)>,
    /// All of them in one piece, once they are asked for.
    chunked: Option<Bytes>,
    plain: Option<Bytes>,
}

impl CompressedBatch {
    pub(super) fn of(entries: &[Arc<Entry>]) -> Self {
        Self {
            addend: Addend::of(entries.iter().map(|entry| entry.block())),
            clear_bytes: entries.iter().map(|entry| entry.len_bytes()).sum(),
            runs: [None, None],
        }
    }

    /// All its bytes for a client, in one piece.
    pub(super) fn bytes(&mut self, entries: &[Arc<Entry>], framing: Framing, member: &Member) -> &Bytes {
        let run = self.runs[usize::from(member.in_history)].get_or_insert_with(|| Run::of(entries, member.in_history));
        let made = match framing {
            Framing::Chunked => &mut run.chunked,
            Framing::Plain => &mut run.plain,
        };
        made.get_or_insert_with(|| joined(&run.fragments, framing))
    }

    /// A client has been given all of it: as many bytes in clear.
    #[inline]
    pub(super) fn all_taken(&self, member: &mut Member) -> u64 {
        member.sum.append(&self.addend);
        let run = self.runs[usize::from(member.in_history)].as_ref();
        let last = run.and_then(|run| run.fragments.last());
        member.in_history = last.is_some_and(|(_, in_history)| *in_history);
        self.clear_bytes
    }

    /// Where a client stands whose socket has taken the first `written` bytes, and what it would have
    /// been given in clear.
    pub(super) fn part_taken(
        &self,
        (from, entries): (Cursor, &[Arc<Entry>]),
        framing: Framing,
        member: &mut Member,
        mut written: usize,
    ) -> (Left, u64) {
        let run = self.runs[usize::from(member.in_history)].as_ref();
        let mut left = Left {
            next: from,
            rest: Bytes::new(),
        };
        let mut clear_bytes = 0;
        for ((fragment, in_history), entry) in run.iter().flat_map(|run| &run.fragments).zip(entries) {
            if written == 0 {
                break;
            }
            // It was begun, so the rest of it goes out too.
            member.sum.add(entry.block());
            member.in_history = *in_history;
            let bytes = framing.of_chunk(fragment);
            left.next = entry.cursor.next();
            left.rest = bytes.slice(written.min(bytes.len())..);
            written = written.saturating_sub(bytes.len());
            clear_bytes += entry.len_bytes();
        }
        (left, clear_bytes)
    }
}

impl Run {
    fn of(entries: &[Arc<Entry>], mut in_history: bool) -> Self {
        let fragment = |entry: &Arc<Entry>| match entry.shared() {
            Some(shared) if in_history || shared.begins => {
                in_history = true;
                (shared.frame.clone(), true)
            }
            _ => {
                in_history = false;
                (entry.alone(), false)
            }
        };
        Self {
            fragments: entries.iter().map(fragment).collect(),
            chunked: None,
            plain: None,
        }
    }
}

fn joined(fragments: &[(Bytes, bool)], framing: Framing) -> Bytes {
    if let [(fragment, _)] = fragments {
        return framing.of_chunk(fragment);
    }
    let mut bytes = BytesMut::with_capacity(fragments.iter().map(|(fragment, _)| fragment.len()).sum());
    for (fragment, _) in fragments {
        bytes.extend_from_slice(&framing.of_chunk(fragment));
    }
    bytes.freeze()
}
