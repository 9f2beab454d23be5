//! Properties of the table of keys: its defaults hold, and whatever it can say is read, printed and
//! read back.

use super::root::Config;
use super::shape::{Key, Shape};
use super::table::Table as _;
use super::units::{format_duration, format_size};
use super::{emit, print, read};
use proptest::prelude::*;
use serde_json::{Map, Value as Json};
use std::time::Duration;

/// Keys that contradict others, name files, or have no effect at some sources: they have tests of
/// their own.
const APART: [&str; 17] = [
    "combine",
    "access",
    "admin_access",
    "idle_timeout",
    "retry_ended_after",
    "urls",
    "feed",
    "username",
    "password",
    "password_file",
    "bearer",
    "bearer_file",
    "tls",
    "event",
    "data",
    "json",
    "equals",
];

#[test]
fn every_key_is_described() {
    fn visit(shape: &Shape) -> usize {
        match shape {
            Shape::Section(keys) => keys.iter().map(described).sum(),
            Shape::Named(inner) | Shape::List(inner) => visit(inner),
            Shape::Either(shapes) => shapes.iter().map(visit).sum(),
            _ => 0,
        }
    }
    fn described(key: &Key) -> usize {
        assert!(key.help.ends_with('.') && key.help.len() > 6, "{}", key.name);
        1 + visit(&key.shape)
    }
    assert!(Config::keys().iter().map(described).sum::<usize>() > 80);
}

/// A value of this shape, chosen by the numbers.
fn value(shape: &Shape, dice: &mut dyn Iterator<Item = u64>) -> Option<Json> {
    let roll = dice.next()?;
    let of = |count: usize| usize::try_from(roll).unwrap_or_default() % count.max(1);
    let within = |from: u64, to: u64| from + roll % (to - from).saturating_add(1).max(1);
    Some(match shape {
        Shape::Text([]) => "a b".into(),
        Shape::Text(examples) | Shape::Url(examples) => examples[of(examples.len())].into(),
        Shape::Flag => (roll % 2 == 0).into(),
        Shape::Count(from, to) => within(*from, *to).into(),
        Shape::Ratio => ((roll % 101) as f64 / 100.0).into(),
        Shape::Size(from, to) => format_size(within(*from, *to)).into(),
        Shape::Duration(from, to) => {
            let (from, to) = (from.as_millis() as u64, to.as_millis() as u64);
            format_duration(Duration::from_millis(within(from, to))).into()
        }
        Shape::Word(words) => words[of(words.len())].into(),
        Shape::Section(keys) => Json::Object(section(keys, dice)),
        Shape::Named(inner) => ["a", "x-b"]
            .iter()
            .filter_map(|name| Some(((*name).to_owned(), value(inner, dice)?)))
            .collect::<Map<_, _>>()
            .into(),
        Shape::List(inner) => vec![value(inner, dice)?].into(),
        Shape::Either(shapes) => value(&shapes[of(shapes.len())], dice)?,
        Shape::Any | Shape::Unsupported(_) => return None,
    })
}

fn section(keys: &[Key], dice: &mut dyn Iterator<Item = u64>) -> Map<String, Json> {
    const NEEDED: [&str; 7] = ["sources", "path", "upstream", "url", "prefix", "to", "origins"];
    let mut map = Map::new();
    for key in keys.iter().filter(|key| !APART.contains(&key.name)) {
        let written =
            NEEDED.contains(&key.name) || key.name == "address" || dice.next().is_some_and(|roll| roll % 2 == 0);
        if let Some(value) = written.then(|| value(&key.shape, dice)).flatten() {
            map.insert(key.name.to_owned(), value);
        }
    }
    map
}

proptest! {
    #[test]
    fn what_is_printed_is_read_back(rolls in prop::collection::vec(any::<u64>(), 200..400)) {
        let file = section(&Config::keys(), &mut rolls.iter().copied().cycle().take(100_000));
        let mut text = String::new();
        emit::write_map(&mut text, &file, 0);
        // Some contradict themselves: two sources at one path, a bound below another.
        if let Ok(first) = read(&text, "random", &|_| None) {
            let printed = print(&first);
            let again = read(&printed, "printed", &|_| None);
            prop_assert!(again.is_ok(), "{}\n{}", printed, again.expect_err("a mistake"));
            let again = again.expect("checked");
            prop_assert_eq!(&again.config, &first.config, "{}", printed);
            prop_assert_eq!(print(&again), printed);
        }
    }
}
