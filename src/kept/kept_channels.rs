//! What a source with parameters has on disk of its channels, before they are opened.

use super::directory::Directory;
use super::files::ChannelFiles;
use super::names;
use super::opened::{Opened, nanos};
use crate::config::Source;
use crate::metrics::SourceMetrics;
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

/// What a source with parameters has kept of its channels before they are opened.
pub(crate) struct KeptChannels {
    directory: Arc<Directory>,
    folder: PathBuf,
    /// By what their names begin with, the newest last.
    found: Mutex<HashMap<String, Vec<String>>>,
    since: Instant,
}

impl KeptChannels {
    /// What there is of a source.
    pub(crate) fn new(directory: &Arc<Directory>, source: &Source) -> Self {
        let folder = directory.of_source(&source.name);
        let mut names = directory.disk().list(&folder).unwrap_or_else(|error| {
            tracing::error!(source = source.name, %error, "the logs on disk can't be listed: channels begin anew");
            Vec::new()
        });
        names.sort_unstable();
        let mut found: HashMap<String, Vec<String>> = HashMap::new();
        for name in names {
            if let Some((hash, opened)) = name.split_once('-')
                && opened.bytes().all(|byte| byte.is_ascii_digit())
            {
                found.entry(hash.to_owned()).or_default().push(name);
            }
        }
        Self {
            directory: directory.clone(),
            folder,
            found: Mutex::new(found),
            since: Instant::now(),
        }
    }

    /// The directory.
    pub(crate) fn directory(&self) -> &Arc<Directory> {
        &self.directory
    }

    /// Reads what is in a folder that was claimed: the channel goes on from that, or begins where it is
    /// of no use. Blocks for as long as the disk takes.
    pub(crate) fn read(&self, folder: &Path, source: &Source, metrics: &SourceMetrics, key: &str) -> Opened {
        let opened = Opened::found(&self.directory, folder, source, metrics, false);
        if opened.has_past() {
            return opened;
        }
        self.directory.work().remove(opened.files);
        self.begin(key)
    }

    /// A folder for a channel of which nothing is on disk: it costs nothing here.
    pub(crate) fn begin(&self, key: &str) -> Opened {
        Opened::fresh(&self.directory, &self.new_folder(key), false)
    }

    /// A folder that has not been used before: one of the same channel may still be there.
    pub(super) fn new_folder(&self, key: &str) -> PathBuf {
        self.folder.join(format!("{}-{:020}", names::of_channel(key), nanos()))
    }

    /// The newest folder of a channel, which is not known here any more. Older ones are removed.
    pub(crate) fn claim(&self, key: &str) -> Option<PathBuf> {
        let found = self.found().remove(&names::of_channel(key));
        let mut found = found.unwrap_or_default();
        let newest = found.pop();
        self.remove(found);
        newest.map(|newest| self.folder.join(newest))
    }

    /// A folder that was claimed is another's to claim.
    pub(crate) fn put_back(&self, folder: &Path) {
        let name = folder.file_name().and_then(|name| name.to_str());
        if let Some((name, (hash, _))) = name.and_then(|name| Some((name, name.split_once('-')?))) {
            self.found().entry(hash.to_owned()).or_default().push(name.to_owned());
        }
    }

    fn found(&self) -> MutexGuard<'_, HashMap<String, Vec<String>>> {
        self.found.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Removes what no client has come back for in time.
    pub(crate) fn expire(&self, source: &Source, now: Instant) {
        if now.saturating_duration_since(self.since) < source.idle_timeout.max(source.linger) {
            return;
        }
        let found = std::mem::take(&mut *self.found());
        self.remove(found.into_values().flatten().collect());
    }

    fn remove(&self, names: Vec<String>) {
        for name in names {
            let files = ChannelFiles::fresh(self.directory.disk().clone(), &self.folder.join(name));
            self.directory.work().remove(files);
        }
    }
}
