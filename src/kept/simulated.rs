//! A disk in memory, for tests: the power can be taken away, and it can be full or out of order.

use super::disk::{Disk, DiskFile};
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard};

/// The disk. Clones are the same one.
#[derive(Clone, Default)]
pub(super) struct SimulatedDisk(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    files: BTreeMap<PathBuf, Contents>,
    folders: BTreeSet<PathBuf>,
    /// Names that survive a loss of power, by their folders.
    synced_names: BTreeSet<PathBuf>,
    /// Bytes that fit; `None`: any number.
    capacity: Option<usize>,
    /// Whether every write and sync fails.
    is_broken: bool,
}

#[derive(Clone, Default)]
struct Contents {
    bytes: Vec<u8>,
    /// What a loss of power leaves.
    synced: Vec<u8>,
}

struct SimulatedFile {
    disk: SimulatedDisk,
    path: PathBuf,
}

impl SimulatedDisk {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap()
    }

    /// From now on so many bytes fit.
    pub(super) fn limit(&self, capacity: Option<usize>) {
        self.state().capacity = capacity;
    }

    /// From now on it is out of order, or in order again.
    pub(super) fn break_down(&self, is_broken: bool) {
        self.state().is_broken = is_broken;
    }

    pub(super) fn len_bytes(&self) -> usize {
        self.state().files.values().map(|file| file.bytes.len()).sum()
    }

    /// Takes the power away. Of what was not synced anything may have come to the disk: a part that
    /// was appended, zeros in its place, or nothing; a name, or none.
    pub(super) fn lose_power(&self) {
        let mut state = self.state();
        let synced_names = state.synced_names.clone();
        state
            .files
            .retain(|path, _| synced_names.contains(path) || fastrand::bool());
        for contents in state.files.values_mut() {
            let (bytes, synced) = (&contents.bytes, &contents.synced);
            let is_appended = bytes.starts_with(synced);
            contents.bytes = match fastrand::u8(0..4) {
                0 if is_appended => bytes[..fastrand::usize(synced.len()..=bytes.len())].to_vec(),
                1 if is_appended => {
                    let mut torn = bytes[..fastrand::usize(synced.len()..=bytes.len())].to_vec();
                    torn.resize(bytes.len(), 0);
                    torn
                }
                2 => bytes.clone(),
                _ => synced.clone(),
            };
            contents.synced = contents.bytes.clone();
        }
        state.synced_names = state.files.keys().cloned().collect();
    }

    /// Changes a byte of a file.
    pub(super) fn damage(&self, path: &Path, at: usize) {
        if let Some(file) = self.state().files.get_mut(path) {
            file.bytes[at] ^= 0x40;
        }
    }

    /// The files whose names end so.
    pub(super) fn files(&self, ending: &str) -> Vec<PathBuf> {
        let state = self.state();
        let paths = state.files.keys();
        paths
            .filter(|path| path.to_string_lossy().ends_with(ending))
            .cloned()
            .collect()
    }
}

impl State {
    fn works(&self) -> io::Result<()> {
        match self.is_broken {
            true => Err(io::Error::other("out of order")),
            false => Ok(()),
        }
    }

    fn room(&self) -> usize {
        let used: usize = self.files.values().map(|file| file.bytes.len()).sum();
        self.capacity
            .map_or(usize::MAX, |capacity| capacity.saturating_sub(used))
    }
}

fn not_found() -> io::Error {
    io::ErrorKind::NotFound.into()
}

impl Disk for SimulatedDisk {
    fn create_dir(&self, path: &Path) -> io::Result<()> {
        let mut state = self.state();
        state.works()?;
        state.folders.insert(path.to_owned());
        Ok(())
    }

    fn list(&self, path: &Path) -> io::Result<Vec<String>> {
        let state = self.state();
        let children = state
            .files
            .keys()
            .chain(&state.folders)
            .filter(|child| child.parent() == Some(path));
        Ok(children
            .filter_map(|child| Some(child.file_name()?.to_str()?.to_owned()))
            .collect())
    }

    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        let state = self.state();
        Ok(state.files.get(path).ok_or_else(not_found)?.bytes.clone())
    }

    fn open(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        let mut state = self.state();
        state.works()?;
        state.files.entry(path.to_owned()).or_default();
        Ok(Box::new(SimulatedFile {
            disk: self.clone(),
            path: path.to_owned(),
        }))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut state = self.state();
        let moved = |path: &Path| Some(to.join(path.strip_prefix(from).ok()?));
        let files = std::mem::take(&mut state.files);
        state.files = files
            .into_iter()
            .map(|(path, file)| (moved(&path).unwrap_or(path), file))
            .collect();
        Ok(())
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        let mut state = self.state();
        state.works()?;
        state.synced_names.remove(path);
        state.files.remove(path).map(drop).ok_or_else(not_found)
    }

    fn remove_dir(&self, path: &Path) -> io::Result<()> {
        let mut state = self.state();
        state.works()?;
        state.files.retain(|file, _| !file.starts_with(path));
        state.folders.retain(|folder| !folder.starts_with(path));
        Ok(())
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        let mut state = self.state();
        state.works()?;
        let names: Vec<_> = state
            .files
            .keys()
            .filter(|file| file.parent() == Some(path))
            .cloned()
            .collect();
        state.synced_names.extend(names);
        Ok(())
    }
}

impl DiskFile for SimulatedFile {
    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        let mut state = self.disk.state();
        state.works()?;
        let room = state.room();
        let file = state.files.get_mut(&self.path).ok_or_else(not_found)?;
        let (start, end) = (offset as usize, offset as usize + bytes.len());
        let fits = end.min(file.bytes.len().saturating_add(room)).max(start);
        if file.bytes.len() < fits {
            file.bytes.resize(fits, 0);
        }
        // What fits is written, as a system does.
        file.bytes[start..fits].copy_from_slice(&bytes[..fits - start]);
        match fits == end {
            true => Ok(()),
            false => Err(io::ErrorKind::StorageFull.into()),
        }
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        let mut state = self.disk.state();
        state.works()?;
        let file = state.files.get_mut(&self.path).ok_or_else(not_found)?;
        file.bytes.resize(len as usize, 0);
        Ok(())
    }

    fn sync(&self) -> io::Result<()> {
        let mut state = self.disk.state();
        state.works()?;
        let file = state.files.get_mut(&self.path).ok_or_else(not_found)?;
        file.synced = file.bytes.clone();
        // What a file's sync takes along with it: its own name, on the file systems in use.
        Ok(())
    }
}
