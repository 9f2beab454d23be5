//! A channel whose numbering stands on disk already, when another process, or this one again, goes
//! on with it.

use super::directory::Directory;
use super::files::ChannelFiles;
use super::kept_log::RESERVED_AT_A_TIME;
use super::names;
use super::numbers::Numbers;
use super::opened::Opened;
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
        ChannelFiles::open(disk, &self.folder()).expect("it can be read").1
    }

    fn running(&self) -> Opened {
        Opened::for_running(&self.directory, &self.source, &self.channel, None)
    }

    fn reserved(&self) -> Opened {
        self.running().reserved_at_once(&self.source, &self.channel)
    }
}

#[test]
fn numbers_are_on_disk_before_the_next_process_may_give_any() {
    let scene = Scene::new();
    // As the process before has left it: nothing beyond has been given.
    let ended = Numbers {
        epoch: scene.channel.epoch().name().to_owned(),
        below: 1,
        is_clean: true,
    };
    let mut files = ChannelFiles::fresh(scene.directory.disk().clone(), &scene.folder());
    files.reserve(&ended).expect("a disk");
    drop(scene.running());
    assert_eq!(scene.on_disk(), Some(ended.clone()));

    let opened = scene.reserved();
    let reserved = Numbers {
        below: 1 + RESERVED_AT_A_TIME,
        is_clean: false,
        ..ended
    };
    assert_eq!(scene.on_disk(), Some(reserved.clone()));
    assert_eq!(opened.may_give().expect("so far").get(), reserved.below);
}

#[test]
fn what_can_not_be_reserved_is_not_given() {
    let scene = Scene::new();
    let in_the_way = scene.directory.of_source("s");
    std::fs::write(&in_the_way, "no folder").expect("a disk");
    assert_eq!(scene.reserved().may_give().expect("nothing more").get(), 1);
}
