//! A channel whose numbering stands on disk already, when another process, or this one again, goes
//! on with it.

use super::directory::Directory;
use super::files::ChannelFiles;
use super::kept_log::RESERVED_AT_A_TIME;
use super::names;
use super::numbers::Numbers;
use super::opened::Opened;
use super::recovery::Wanted;
use super::running::{Folder, OnDisk};
use crate::channel::{Channel, Settings};
use crate::config::Source;
use crate::critical::CriticalTasks;
use crate::log::Epoch;
use crate::metrics::Metrics;
use std::path::PathBuf;
use std::sync::Arc;

struct Scene {
    _root: tempfile::TempDir,
    directory: Arc<Directory>,
    source: Arc<Source>,
    channel: Arc<Channel>,
}

impl Scene {
    fn new() -> Self {
        let yaml = "sources: { s: { path: /e, upstream: \"http://127.0.0.1:9/\" } }\n";
        let read = crate::config::read(yaml, "test.yaml", &|_| None).expect("a configuration");
        let source = read.config.sources[0].clone();
        let root = tempfile::tempdir().expect("a folder");
        Self {
            directory: Directory::open(root.path(), &CriticalTasks::default()).expect("a directory"),
            channel: Channel::new(Settings::new(source.clone()), Metrics::new().source("s"), Epoch::new()),
            source,
            _root: root,
        }
    }

    fn folder(&self) -> PathBuf {
        self.directory.of_source("s").join(names::PLAIN)
    }

    fn on_disk(&self) -> Option<Numbers> {
        let disk = self.directory.disk().clone();
        ChannelFiles::open(disk, &self.folder(), Wanted::Ends)
            .expect("it can be read")
            .1
    }

    fn opened(&self, on_disk: OnDisk) -> Opened {
        let folder = Folder::Plain(&self.directory);
        Opened::for_running(&folder, &self.source, &self.channel, on_disk)
    }

    /// As the process before has left it.
    fn left(&self, below: u64, is_clean: bool) -> Numbers {
        let left = Numbers {
            epoch: self.channel.epoch().name().to_owned(),
            below,
            is_clean,
        };
        let mut files = ChannelFiles::fresh(self.directory.disk().clone(), &self.folder());
        files.reserve(&left).expect("a disk");
        left
    }
}

#[test]
fn numbers_are_on_disk_before_the_next_process_may_give_any() {
    let scene = Scene::new();
    // Nothing beyond has been given.
    let left = scene.left(70_000, true);
    drop(scene.opened(OnDisk::Nothing));
    assert_eq!(scene.on_disk(), Some(left.clone()));

    let opened = scene.opened(OnDisk::All);
    let reserved = Numbers {
        below: 70_000 + RESERVED_AT_A_TIME,
        is_clean: false,
        ..left
    };
    assert_eq!(scene.on_disk(), Some(reserved.clone()));
    assert_eq!(opened.may_give().expect("so far").get(), reserved.below);
    assert_eq!(scene.channel.next_position().get(), 70_000);
}

/// What the process before has reserved is the next one's.
#[test]
fn what_is_reserved_is_not_reserved_again() {
    let scene = Scene::new();
    let left = scene.left(RESERVED_AT_A_TIME, false);
    let opened = scene.opened(OnDisk::All);
    assert_eq!(scene.on_disk(), Some(left));
    assert_eq!(opened.may_give().expect("so far").get(), RESERVED_AT_A_TIME);
    assert_eq!(scene.channel.next_position().get(), 1);
}

#[test]
fn what_can_not_be_reserved_is_not_given() {
    let scene = Scene::new();
    let in_the_way = scene.directory.of_source("s");
    std::fs::write(&in_the_way, "no folder").expect("a disk");
    let opened = scene.opened(OnDisk::All);
    assert_eq!(opened.may_give().expect("nothing more").get(), 1);
}
