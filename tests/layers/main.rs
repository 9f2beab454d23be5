//! The layers hold: which room of `src` may import which, and that no imports run in a circle.
//!
//! A room is a module at the top of `src`. What only tests see is left out. `rooms.rs` is the list
//! to change when a room comes or goes.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that panics has failed, which is what it is for"
)]

mod house;
mod imports;
mod reading;
mod rooms;
mod tokens;

use house::{House, Module, circles};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

fn house() -> House {
    House::read(Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/src")))
}

/// Fails with all of what was found, if there was anything.
fn none(what: &str, found: &BTreeSet<String>) {
    let lines: Vec<_> = found.iter().map(String::as_str).collect();
    assert!(found.is_empty(), "{what}:\n{}", lines.join("\n"));
}

fn path(module: &[String]) -> String {
    format!("src/{}", module.join("/"))
}

#[test]
fn the_list_names_every_room_and_runs_upwards() {
    let listed: Vec<_> = rooms::ROOMS.iter().map(|(room, _)| *room).collect();
    let missing = house()
        .rooms()
        .into_iter()
        .filter(|room| !listed.contains(&room.as_str()));
    none("rooms that tests/layers/rooms.rs does not name", &missing.collect());
    for (at, (room, below)) in rooms::ROOMS.iter().enumerate() {
        for lower in below.split_whitespace() {
            assert!(
                listed[..at].contains(&lower),
                "{lower} has to stand above {room} in the list"
            );
        }
    }
}

#[test]
fn a_room_imports_only_rooms_below_it() {
    let mut forbidden = BTreeSet::new();
    for arrow in house().arrows() {
        let (from, to) = (&arrow.from[0], &arrow.to[0]);
        let may = rooms::ROOMS.iter().find(|(room, _)| room == from);
        if from != to && !may.is_some_and(|(_, below)| rooms::names(below, to)) {
            forbidden.insert(format!(
                "{} takes {} from {}",
                path(&arrow.from),
                arrow.name,
                path(&arrow.to)
            ));
        }
    }
    none("imports that the layers forbid", &forbidden);
}

#[test]
fn only_the_command_line_knows_the_files_format() {
    let forbidden = house().named().into_iter().filter_map(|(from, path)| {
        let [room, name, ..] = path.as_slice() else { return None };
        let format = room == "config" && rooms::names(rooms::FORMAT, name);
        (format && !rooms::names(rooms::FORMAT_ROOMS, &from[0]))
            .then(|| format!("{} takes config::{name}", self::path(&from)))
    });
    none("imports of the file's format", &forbidden.collect());
}

#[test]
fn the_parser_has_no_io_no_clock_and_no_runtime() {
    let (room, may) = rooms::PARSER;
    let forbidden = house().foreign().into_iter().filter_map(|(from, path)| {
        let path = path.join("::");
        let allowed = may
            .split_whitespace()
            .any(|may| path == may || path.starts_with(&format!("{may}::")));
        (from.first().is_some_and(|from| from == room) && !allowed)
            .then(|| format!("{} takes {path}", self::path(&from)))
    });
    none("imports that the parser may not have", &forbidden.collect());
}

#[test]
fn no_imports_run_in_a_circle() {
    let mut arrows: BTreeMap<Module, BTreeSet<Module>> = BTreeMap::new();
    for arrow in house().arrows() {
        arrows.entry(arrow.from).or_default().insert(arrow.to);
    }
    let mut known: Vec<&str> = rooms::CIRCLES.iter().map(|(room, _)| *room).collect();
    let mut unknown = BTreeSet::new();
    for circle in circles(&arrows) {
        let names: Vec<_> = circle.iter().map(|module| path(module)).collect();
        let room = circle.first().map_or("", |module| module[0].as_str());
        match known.iter().position(|known| *known == room) {
            Some(at) => drop(known.swap_remove(at)),
            None => drop(unknown.insert(names.join(", "))),
        }
    }
    none("files that import each other", &unknown);
    assert!(
        known.is_empty(),
        "no circle any more, take it out of tests/layers/rooms.rs: {known:?}"
    );
}
