//! A channel's folder on a disk that is taken the power, is full, or out of order, at random.

use super::*;
use crate::config::LogLimits;
use crate::kept::simulated::SimulatedDisk;
use crate::log::{Draft, Kind, Log, Position, Read, Writer, frame};
use std::time::{Duration, Instant};

const DIR: &str = "/logs/s/stream";
const BOUNDS: SegmentBounds = SegmentBounds {
    events: 5,
    bytes: 1 << 20,
};

/// A log in memory, and its folder.
struct Scene {
    disk: SimulatedDisk,
    files: ChannelFiles,
    writer: Writer,
    log: Log,
    names: Vec<String>,
    /// The position of the newest event that is known to be written, and to be synced.
    written: u64,
    synced: u64,
    /// Below which numbers are known to be reserved.
    reserved: u64,
}

impl Scene {
    fn new() -> Self {
        let disk = SimulatedDisk::default();
        let (writer, log) = Log::new(LogLimits {
            events: 1000,
            bytes: 1 << 20,
            age: Duration::ZERO,
        });
        let mut scene = Self {
            files: ChannelFiles::fresh(Arc::new(disk.clone()), Path::new(DIR)),
            disk,
            writer,
            log,
            names: vec!["o/sse".to_owned()],
            written: 0,
            synced: 0,
            reserved: 0,
        };
        scene.reserve(100);
        scene
    }

    fn reserve(&mut self, below: u64) {
        let numbers = Numbers {
            epoch: "e".to_owned(),
            below,
            is_clean: false,
        };
        if self.files.reserve(&numbers).is_ok() {
            self.reserved = below;
        }
    }

    fn publish(&mut self) {
        let n = self.writer.next_position().get();
        self.writer.append(Draft {
            frame: frame(&[format!("id: {n}\ndata: {}\n\n", "x".repeat(n as usize % 50)).as_bytes()]),
            id: n.to_string().into(),
            indexed: true,
            kind: Kind::Event,
            received: Instant::now(),
            moves: Moves::FirstToId,
        });
    }

    /// As the thread does it: what is not written yet, or all of it if it starts over.
    fn write(&mut self, syncs: bool) -> io::Result<()> {
        if self.files.starts_over() {
            self.written = 0;
        }
        let after = Position::new(self.written);
        let entries = self
            .log
            .tail()
            .up_to(self.log.head().next())
            .filter_map(|cursor| match self.log.read(cursor) {
                Read::Entry(entry) if entry.position > after => Some(entry),
                _ => None,
            });
        let entries: Vec<_> = entries.collect();
        self.files.append(&entries, &self.names, BOUNDS, syncs)?;
        self.written = self.log.tip().position.get();
        Ok(())
    }

    fn sync(&mut self) {
        if self.files.sync().is_ok() && !self.files.starts_over() {
            self.synced = self.synced.max(self.written);
        }
    }

    /// Another process finds the folder: what is in it is a run without a hole.
    fn restart(&mut self) {
        let (files, numbers, recovered) =
            ChannelFiles::open(Arc::new(self.disk.clone()), Path::new(DIR), Wanted::Entries).unwrap();
        let positions: Vec<u64> = recovered.entries.iter().map(|(position, _)| position.get()).collect();
        let first = positions.first().copied().unwrap_or(recovered.before + 1);
        let run: Vec<u64> = (first..first + positions.len() as u64).collect();
        assert_eq!(positions, run);
        assert_eq!(recovered.before + 1, first);
        for (position, draft) in &recovered.entries {
            let cursor = self.log.cursor_of(*position).expect("it was published");
            let Read::Entry(entry) = self.log.read(cursor) else {
                panic!("it is kept")
            };
            assert_eq!((&draft.frame, &draft.id), (entry.chunked(), entry.id()));
        }
        let newest = recovered.newest();
        assert!(newest >= self.synced, "{newest} of {} synced", self.synced);
        assert!(newest <= self.log.tip().position.get());
        if let Some((_, place)) = recovered.places.first().filter(|_| newest > 0) {
            assert_eq!(*place, newest.to_string());
        }
        let numbers = numbers.expect("they were reserved first");
        assert!(numbers.below >= self.reserved, "{numbers:?} and not {}", self.reserved);
        (self.files, self.written) = (files, newest);
    }
}

#[test]
fn whatever_happens_what_is_synced_is_there_without_a_hole() {
    for seed in 0..400 {
        fastrand::seed(seed);
        let mut scene = Scene::new();
        for step in 0..60 {
            match fastrand::u8(0..16) {
                0..=5 => (0..fastrand::u8(1..4)).for_each(|_| scene.publish()),
                6..=9 => {
                    let _ = scene.write(true);
                }
                10 => scene.sync(),
                11 => scene.reserve(100 + step),
                12 => {
                    scene.disk.break_down(false);
                    scene.restart();
                }
                13 => {
                    scene.disk.break_down(false);
                    scene.disk.lose_power();
                    scene.restart();
                }
                14 => scene.disk.break_down(fastrand::bool()),
                _ => {
                    let len = scene.disk.len_bytes();
                    let limit = fastrand::bool().then(|| len + fastrand::usize(0..400));
                    scene.disk.limit(limit);
                }
            }
        }
        scene.disk.limit(None);
        scene.disk.break_down(false);
        scene.write(true).unwrap();
        scene.sync();
        scene.disk.lose_power();
        scene.restart();
        assert_eq!(scene.written, scene.log.tip().position.get(), "seed {seed}");
    }
}

/// Without syncs a loss of power may take anything, but leaves no hole, and no number comes again.
#[test]
fn what_was_never_synced_leaves_no_hole_either() {
    for seed in 0..200 {
        fastrand::seed(seed);
        let mut scene = Scene::new();
        for _ in 0..20 {
            scene.publish();
            scene.write(false).unwrap();
        }
        scene.disk.lose_power();
        scene.restart();
    }
}

#[test]
fn a_damaged_byte_costs_what_is_behind_it() {
    let mut scene = Scene::new();
    for _ in 0..12 {
        scene.publish();
        scene.write(true).unwrap();
    }
    let segments = scene.disk.files(".events");
    assert_eq!(segments.len(), 3);
    let len = scene.disk.read(&segments[1]).unwrap().len();
    scene.disk.damage(&segments[1], len - 1);
    let (_, _, recovered) = ChannelFiles::open(Arc::new(scene.disk.clone()), Path::new(DIR), Wanted::Entries).unwrap();
    assert_eq!(recovered.entries.len(), 9);
    let cut = recovered.cut.unwrap();
    assert!(segments[1].ends_with(&cut.file), "{cut:?}");
    assert!(cut.lost_bytes > 0 && cut.at_bytes < len as u64);
    assert_eq!(scene.disk.files(".events").len(), 2);
}

#[test]
fn files_go_with_their_events() {
    let mut scene = Scene::new();
    for _ in 0..22 {
        scene.publish();
        scene.write(true).unwrap();
    }
    assert_eq!(scene.disk.files(".events").len(), 5);
    scene.files.trim(10).unwrap();
    // The tenth was the last to go, and its file stays.
    assert_eq!(scene.disk.files(".events").len(), 4);
    scene.files.trim(1_000_000).unwrap();
    assert_eq!(scene.disk.files(".events").len(), 1);
    scene.restart();
}

#[test]
fn a_log_that_starts_over_replaces_what_was_there() {
    let mut scene = Scene::new();
    for _ in 0..7 {
        scene.publish();
    }
    scene.write(true).unwrap();
    scene.sync();
    scene.publish();
    scene.write(false).unwrap();
    scene.disk.break_down(true);
    // It is not known what is there: all is written once more.
    scene.files.sync().unwrap_err();
    scene.disk.break_down(false);
    assert!(scene.files.starts_over());
    scene.write(true).unwrap();
    scene.files.trim(0).unwrap();
    scene.synced = 8;
    scene.disk.lose_power();
    scene.restart();
    assert_eq!(scene.written, 8);
}

#[test]
fn places_go_with_the_names_of_upstreams() {
    let places = |list: &[(&str, &str)]| -> Vec<(String, Bytes)> {
        list.iter()
            .map(|(name, id)| ((*name).to_owned(), Bytes::copy_from_slice(id.as_bytes())))
            .collect()
    };
    let names = |list: &[&str]| -> Vec<String> { list.iter().map(|name| (*name).to_owned()).collect() };
    let before = places(&[("a", "1"), ("b", "2")]);
    for (after, expected) in [
        (&["a", "b"][..], &[("a", "1"), ("b", "2")][..]),
        (&["b", "a"], &[("b", "2"), ("a", "1")]),
        // Another name at its place is the same upstream at another address.
        (&["a", "c"], &[("a", "1"), ("c", "2")]),
        // But not, where the one that was there is elsewhere.
        (&["b", "c"], &[("b", "2"), ("c", "")]),
        (&["a"], &[("a", "1")]),
        (&["c"], &[("c", "")]),
    ] {
        assert_eq!(renamed(&before, &names(after)), places(expected), "{after:?}");
    }
}
