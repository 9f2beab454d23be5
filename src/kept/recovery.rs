//! What a channel's folder holds, read at a start.

use super::clock::Clock;
use super::disk::Disk;
use super::record::{Moved, Record};
use super::segment::{self, Scan};
use super::segments::{Segment, segment_name, sequence_of};
use crate::log::{Draft, Moves, Position, frame};
use bytes::Bytes;
use std::io;
use std::path::Path;

/// The events of a channel, as far as they are whole.
#[derive(Debug, Default)]
pub(super) struct Recovered {
    /// The position before the first of them.
    pub(super) before: u64,
    pub(super) entries: Vec<(Position, Draft)>,
    /// Where each upstream stands behind them: its name, and the id to go on behind; empty: none.
    pub(super) places: Vec<(String, Bytes)>,
    /// The files that they are in, the oldest first.
    pub(super) segments: Vec<Segment>,
    /// Where it was damaged: what came behind has been cut.
    pub(super) cut: Option<Cut>,
}

/// A place at which a log was cut.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Cut {
    pub(super) file: String,
    /// Up to where the file is whole.
    pub(super) at_bytes: u64,
    /// What was behind it, in this file and those after it.
    pub(super) lost_bytes: u64,
}

/// What is wanted of a folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wanted {
    /// All of it.
    Entries,
    /// How far it goes, and where the upstreams stand: the entries are in memory.
    Ends,
}

/// Reads a channel's folder, and cuts it at the first thing that is not whole.
pub(super) fn recover(disk: &dyn Disk, dir: &Path, wanted: Wanted) -> io::Result<Recovered> {
    let mut sequences: Vec<u64> = disk.list(dir)?.iter().filter_map(|name| sequence_of(name)).collect();
    sequences.sort_unstable();
    let clock = (wanted == Wanted::Entries).then(Clock::now);
    let mut recovered = Recovered::default();
    // What came before the log started over: it counts if that was not done to its end.
    let mut replaced = Recovered::default();
    let mut at = 0;
    while let Some(&sequence) = sequences.get(at) {
        let bytes = disk.read(&dir.join(segment_name(sequence)))?;
        let scanned = segment::scan(&bytes);
        if has_started_over(&scanned) && !recovered.segments.is_empty() {
            replaced = std::mem::take(&mut recovered).or(replaced);
        }
        let good_bytes = recovered.add(sequence, scanned, clock);
        at += 1;
        if good_bytes < bytes.len() || good_bytes == 0 {
            match started_over(disk, dir, &sequences[at..])? {
                Some(later) => at += later,
                None => {
                    let behind = sequences.drain(at..).collect();
                    recovered.cut = Some(cut(disk, dir, (sequence, good_bytes, bytes.len()), behind)?);
                }
            }
        }
    }
    let recovered = recovered.or(replaced);
    recovered.remove_others(disk, dir)?;
    Ok(recovered)
}

fn has_started_over(scanned: &Scan<'_>) -> bool {
    scanned.head.as_ref().is_some_and(|head| head.starts_over) && !scanned.records.is_empty()
}

/// Which of these has started over, so that what is before it is no more.
fn started_over(disk: &dyn Disk, dir: &Path, sequences: &[u64]) -> io::Result<Option<usize>> {
    for (n, sequence) in sequences.iter().enumerate() {
        let bytes = disk.read(&dir.join(segment_name(*sequence)))?;
        if has_started_over(&segment::scan(&bytes)) {
            return Ok(Some(n));
        }
    }
    Ok(None)
}

/// Lets go of all behind the last whole event.
fn cut(
    disk: &dyn Disk,
    dir: &Path,
    (sequence, good_bytes, bytes): (u64, usize, usize),
    behind: Vec<u64>,
) -> io::Result<Cut> {
    let mut lost = bytes - good_bytes;
    // The last first: whatever stops this leaves no hole.
    for sequence in behind.into_iter().rev() {
        let path = dir.join(segment_name(sequence));
        lost += disk.read(&path)?.len();
        disk.remove(&path)?;
    }
    let file = segment_name(sequence);
    match good_bytes {
        0 => disk.remove(&dir.join(&file))?,
        _ => disk.open(&dir.join(&file))?.set_len(good_bytes as u64)?,
    }
    Ok(Cut {
        file,
        at_bytes: good_bytes as u64,
        lost_bytes: lost as u64,
    })
}

impl Recovered {
    /// Takes in what a segment holds, if it goes on behind the one before it. Returns up to where
    /// it is whole. `clock`: by which the entries are read; without it they are not wanted.
    fn add(&mut self, sequence: u64, scanned: Scan<'_>, clock: Option<Clock>) -> usize {
        let Some(head) = scanned.head else { return 0 };
        if !self.segments.is_empty() && self.newest() != head.before {
            return 0;
        }
        if self.segments.is_empty() {
            self.before = head.before;
        }
        self.places = head.places;
        for record in &scanned.records {
            if let Some((upstream, id)) = record.moves()
                && let Some((_, place)) = self.places.get_mut(upstream)
            {
                *place = Bytes::copy_from_slice(id);
            }
            if let Some(clock) = clock {
                self.entries
                    .push((Position::new(record.position), draft(record, clock)));
            }
        }
        self.segments.push(Segment {
            sequence,
            newest: scanned.records.last().map_or(head.before, |record| record.position),
            events: scanned.records.len() as u64,
            bytes: scanned.good_bytes as u64,
        });
        scanned.good_bytes
    }

    /// The one of two logs that goes further; this one, if they go as far.
    fn or(self, replaced: Self) -> Self {
        match replaced.newest() > self.newest() {
            true => replaced,
            false => self,
        }
    }

    /// Removes the files of a log that this one has replaced, or that was to replace it.
    fn remove_others(&self, disk: &dyn Disk, dir: &Path) -> io::Result<()> {
        let is_ours = |sequence| self.segments.iter().any(|segment| segment.sequence == sequence);
        for name in disk.list(dir)? {
            if sequence_of(&name).is_some_and(|sequence| !is_ours(sequence)) {
                disk.remove(&dir.join(name))?;
            }
        }
        Ok(())
    }

    /// The position of the last event.
    pub(super) fn newest(&self) -> u64 {
        self.segments.last().map_or(self.before, |segment| segment.newest)
    }
}

fn draft(record: &Record<'_>, clock: Clock) -> Draft {
    Draft {
        frame: frame(&[record.block]),
        id: Bytes::copy_from_slice(record.id),
        indexed: record.is_passed,
        kind: record.kind,
        received: clock.instant(record.received_millis),
        moves: match record.moved {
            Moved::No => Moves::Nothing,
            Moved::ToId => Moves::FirstToId,
            Moved::To(upstream, id) => Moves::To(Box::new((upstream, Bytes::copy_from_slice(id)))),
        },
    }
}
