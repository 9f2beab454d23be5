//! A channel's folder while it is written: events go behind the last one, and files that have
//! outlived their events are removed.
//!
//! What fails leaves it as it was: the same may be tried again.

use super::clock::Clock;
use super::disk::{Disk, DiskFile};
use super::numbers::{Numbers, NumbersFile};
use super::record::{Moved, Record};
use super::recovery::{Recovered, Wanted, recover};
use super::segment::{Head, put_record};
use super::segments::{Segment, outlived, segment_name};
use crate::log::{Entry, Moves};
use bytes::Bytes;
use std::collections::VecDeque;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// What is written before a segment is full.
#[derive(Debug, Clone, Copy)]
pub(super) struct SegmentBounds {
    pub(super) events: u64,
    pub(super) bytes: u64,
}

/// A channel's folder.
pub(super) struct ChannelFiles {
    disk: Arc<dyn Disk>,
    dir: PathBuf,
    /// Whether the folder is there, and what is in it is known.
    is_made: bool,
    numbers: NumbersFile,
    /// The oldest first; the last is the one that is written.
    segments: VecDeque<Segment>,
    /// No longer of use, and still to be removed.
    outlived: Vec<Segment>,
    /// The file that is written, if it is open.
    open: Option<Box<dyn DiskFile>>,
    next_sequence: u64,
    /// Where each upstream stands behind the last event: its name, and the id to go on behind.
    places: Vec<(String, Bytes)>,
    /// Whether the next event does not come right behind the last one: another segment begins, and
    /// those before it go.
    starts_over: bool,
    /// Whether something that failed may have left bytes behind the last event.
    is_torn: bool,
    is_unsynced: bool,
    /// Whether what was found may be in the system's memory alone: the process that wrote it was
    /// killed before it had synced it.
    is_past_unsynced: bool,
    /// Whether a name has been added since the folder was synced.
    has_new_name: bool,
    buffer: Vec<u8>,
}

impl ChannelFiles {
    /// A folder with what is in it, which is to go on.
    pub(super) fn open(
        disk: Arc<dyn Disk>,
        dir: &Path,
        wanted: Wanted,
    ) -> io::Result<(Self, Option<Numbers>, Recovered)> {
        let (numbers_file, numbers) = NumbersFile::open(&*disk, dir)?;
        let recovered = recover(&*disk, dir, wanted)?;
        let mut files = Self::in_folder(disk, dir, numbers_file);
        files.is_made = true;
        files.is_past_unsynced = true;
        files.has_new_name = true;
        files.segments = recovered.segments.clone().into();
        files.next_sequence = files.segments.back().map_or(0, |last| last.sequence + 1);
        files.places = recovered.places.clone();
        Ok((files, numbers, recovered))
    }

    /// A folder that is made when it is first written to. What is in it then is no more.
    pub(super) fn fresh(disk: Arc<dyn Disk>, dir: &Path) -> Self {
        Self::in_folder(disk, dir, NumbersFile::fresh(dir))
    }

    fn in_folder(disk: Arc<dyn Disk>, dir: &Path, numbers: NumbersFile) -> Self {
        Self {
            disk,
            dir: dir.to_owned(),
            is_made: false,
            numbers,
            segments: VecDeque::new(),
            outlived: Vec::new(),
            open: None,
            next_sequence: 0,
            places: Vec::new(),
            starts_over: false,
            is_torn: false,
            is_unsynced: false,
            is_past_unsynced: false,
            has_new_name: false,
            buffer: Vec::new(),
        }
    }

    /// Says which numbers may be given, from now on also after a loss of power. Makes the folder.
    pub(super) fn reserve(&mut self, numbers: &Numbers) -> io::Result<()> {
        if !self.is_made {
            self.disk.remove_dir(&self.dir)?;
            self.disk.create_dir(&self.dir)?;
            self.is_made = true;
        }
        let is_first = self.numbers.is_fresh();
        self.numbers.write(&*self.disk, numbers)?;
        if is_first {
            self.disk.sync_dir(&self.dir)?;
            if let Some(parent) = self.dir.parent() {
                self.disk.sync_dir(parent)?;
            }
        }
        Ok(())
    }

    /// Writes events that follow those before. `names`: those of the upstreams; `syncs`: whether
    /// what is full is synced before another segment is begun, so that a loss of power leaves no
    /// hole.
    pub(super) fn append(
        &mut self,
        entries: &[Arc<Entry>],
        names: &[String],
        bounds: SegmentBounds,
        syncs: bool,
    ) -> io::Result<()> {
        let Some(first) = entries.first() else { return Ok(()) };
        let is_full = |last: &Segment| last.events >= bounds.events || last.bytes >= bounds.bytes;
        let begins = self.starts_over
            || self.segments.back().is_none_or(is_full)
            || !self.places.iter().map(|(name, _)| name).eq(names);
        self.mend()?;
        if begins && syncs && !self.starts_over {
            self.sync()?;
        }
        let mut places = match begins {
            true => renamed(&self.places, names),
            false => self.places.clone(),
        };
        let mut buffer = std::mem::take(&mut self.buffer);
        buffer.clear();
        let mut segment = match self.segments.back() {
            Some(last) if !begins => last.clone(),
            last => {
                let before = last.map(|last| last.newest).filter(|_| !self.starts_over);
                let head = Head {
                    before: before.unwrap_or(first.position.get().saturating_sub(1)),
                    starts_over: self.starts_over,
                    places: places.clone(),
                };
                head.put(&mut buffer);
                Segment {
                    sequence: self.next_sequence,
                    newest: head.before,
                    events: 0,
                    bytes: 0,
                }
            }
        };
        encode(entries, &mut places, &mut buffer);
        let written = self.write(&segment, &buffer, begins);
        segment.bytes += buffer.len() as u64;
        buffer.shrink_to(BUFFER_BYTES_KEPT);
        self.buffer = buffer;
        self.is_torn |= written.is_err();
        written?;
        segment.events += entries.len() as u64;
        segment.newest = entries.last().map_or(segment.newest, |last| last.position.get());
        self.places = places;
        match self.appended(segment, begins) {
            // What it replaces goes, and not before it is there.
            true if syncs => self.sync(),
            _ => Ok(()),
        }
    }

    fn write(&mut self, segment: &Segment, bytes: &[u8], begins: bool) -> io::Result<()> {
        let path = self.dir.join(segment_name(segment.sequence));
        if begins {
            self.open = None;
            let file = self.disk.open(&path)?;
            self.has_new_name = true;
            // An attempt that failed may have left something.
            file.set_len(0)?;
            self.open = Some(file);
        }
        let file = match self.open.take() {
            Some(file) => self.open.insert(file),
            None => self.open.insert(self.disk.open(&path)?),
        };
        self.is_unsynced = true;
        file.write_at(bytes, segment.bytes)
    }

    /// Returns whether it has started over.
    fn appended(&mut self, segment: Segment, begins: bool) -> bool {
        let started_over = std::mem::take(&mut self.starts_over);
        match begins {
            true => self.next_sequence += 1,
            false => drop(self.segments.pop_back()),
        }
        if started_over {
            self.outlived.extend(self.segments.drain(..));
        }
        self.segments.push_back(segment);
        started_over
    }

    /// Removes what an attempt that failed has left behind the last event.
    fn mend(&mut self) -> io::Result<()> {
        if !self.is_torn {
            return Ok(());
        }
        self.open = None;
        if let Some(last) = self.segments.back() {
            let file = self.disk.open(&self.dir.join(segment_name(last.sequence)))?;
            file.set_len(last.bytes)?;
            self.open = Some(file);
            // Else what has been cut off could be there again after a loss of power.
            self.is_unsynced = true;
        }
        self.is_torn = false;
        Ok(())
    }

    /// The next event does not come right behind the last one.
    pub(super) fn start_over(&mut self) {
        self.starts_over = true;
    }

    /// Whether the events that are kept have to be written once more.
    pub(super) fn starts_over(&self) -> bool {
        self.starts_over
    }

    /// Removes files that hold nothing which is kept: `last_evicted` is the position of the last
    /// event that the log has let go.
    pub(super) fn trim(&mut self, last_evicted: u64) -> io::Result<()> {
        self.outlived.extend(outlived(&mut self.segments, last_evicted));
        while let Some(oldest) = self.outlived.first() {
            let path = self.dir.join(segment_name(oldest.sequence));
            match self.disk.remove(&path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => self.outlived.remove(0),
            };
        }
        Ok(())
    }

    /// From now on all that was written survives a loss of power. If it fails, it is not known what
    /// does: it starts over.
    pub(super) fn sync(&mut self) -> io::Result<()> {
        let synced = self.try_sync();
        self.starts_over |= synced.is_err();
        synced
    }

    fn try_sync(&mut self) -> io::Result<()> {
        if self.is_past_unsynced {
            for segment in &self.segments {
                self.disk.open(&self.dir.join(segment_name(segment.sequence)))?.sync()?;
            }
            self.is_past_unsynced = false;
        }
        if self.is_unsynced
            && let Some(last) = self.segments.back()
        {
            let path = self.dir.join(segment_name(last.sequence));
            match &self.open {
                Some(file) => file.sync()?,
                None => self.disk.open(&path)?.sync()?,
            }
        }
        self.is_unsynced = false;
        if self.has_new_name {
            self.disk.sync_dir(&self.dir)?;
            self.has_new_name = false;
        }
        Ok(())
    }

    /// Lets go of the descriptor; the next write opens the file again.
    pub(super) fn release(&mut self) {
        self.open = None;
    }

    /// Whether some upstream has an id to go on behind.
    pub(super) fn has_places(&self) -> bool {
        self.places.iter().any(|(_, id)| !id.is_empty())
    }

    /// Whether it stands on disk which numbers may be given.
    pub(super) fn has_numbers(&self) -> bool {
        self.is_made && !self.numbers.is_fresh()
    }

    /// Whether there is something that a loss of power would take.
    pub(super) fn is_unsynced(&self) -> bool {
        self.is_unsynced || self.is_past_unsynced
    }

    /// The position of the last event that was written, if there is one.
    pub(super) fn newest(&self) -> Option<u64> {
        self.segments.back().map(|last| last.newest)
    }

    /// Removes the folder.
    pub(super) fn remove(&mut self) -> io::Result<()> {
        self.open = None;
        self.disk.remove_dir(&self.dir)
    }

    /// Gives the folder another name; what is written next is written to a new one.
    pub(super) fn set_aside(disk: &dyn Disk, dir: &Path, suffix: &str) -> io::Result<PathBuf> {
        let mut aside = dir.as_os_str().to_owned();
        aside.push(suffix);
        let aside = PathBuf::from(aside);
        disk.rename(dir, &aside)?;
        Ok(aside)
    }
}

/// What of the memory for a batch is kept for the next one.
const BUFFER_BYTES_KEPT: usize = 64 * 1024;

fn encode(entries: &[Arc<Entry>], places: &mut [(String, Bytes)], out: &mut Vec<u8>) {
    let clock = Clock::now();
    for entry in entries {
        let moved = match entry.moves() {
            Moves::Nothing => Moved::No,
            Moves::FirstToId => Moved::ToId,
            Moves::To(to) => Moved::To(to.0, &to.1),
        };
        let moves = match entry.moves() {
            Moves::Nothing => None,
            Moves::FirstToId => Some((0, entry.id())),
            Moves::To(to) => Some((to.0 as usize, &to.1)),
        };
        if let Some((upstream, id)) = moves
            && let Some((_, place)) = places.get_mut(upstream)
        {
            *place = id.clone();
        }
        let block = entry.plain();
        let record = Record {
            position: entry.position.get(),
            received_millis: clock.millis(entry.received()),
            kind: entry.kind(),
            id: entry.id(),
            is_passed: entry.is_passed(),
            moved,
            block: &block,
        };
        put_record(out, &record);
    }
}

/// The places of these upstreams. Each is known by its name; one with another name is at its place,
/// unless another one is that has its name by now.
pub(super) fn renamed(places: &[(String, Bytes)], names: &[String]) -> Vec<(String, Bytes)> {
    let known = |name: &String| places.iter().find(|(known, _)| known == name);
    let at = |n: usize| places.get(n).filter(|(known, _)| !names.contains(known));
    let place = |(n, name): (usize, &String)| {
        let found = known(name).or_else(|| at(n).filter(|_| places.len() == names.len()));
        (name.clone(), found.map_or_else(Bytes::new, |(_, id)| id.clone()))
    };
    names.iter().enumerate().map(place).collect()
}

#[cfg(test)]
#[path = "files_tests.rs"]
mod tests;
