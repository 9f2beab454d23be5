//! Headlines of nowhere in particular.

use super::SECTIONS;

const WHO: [&str; 12] = [
    "The harbour bridge",
    "The night tram",
    "The town library",
    "The chess club",
    "The old lighthouse",
    "The weather service",
    "The brass band",
    "The fish market",
    "The observatory",
    "The rowing team",
    "The city bakery",
    "The botanical garden",
];

const WHAT: [&str; 12] = [
    "opens an hour early",
    "closes for repairs",
    "counts its visitors",
    "moves across the river",
    "asks for volunteers",
    "wins by one point",
    "gets a new roof",
    "celebrates 100 years",
    "changes its timetable",
    "finds a lost letter",
    "is painted green",
    "plays in the rain",
];

/// A section and a title.
pub(super) fn invent() -> (u32, String) {
    let pick = |list: &[&'static str]| list[fastrand::usize(..list.len())];
    (
        SECTIONS[fastrand::usize(..SECTIONS.len())],
        format!("{} {}", pick(&WHO), pick(&WHAT)),
    )
}
