//! One event against many filters: what several of them look at is read once.

use super::filter::{Filter, Wanted};
use super::json_pointer::{self, Way};
use crate::event_stream::Event;
use serde_json::Value;

/// The places in an event's data at which some filter looks. What is the same for several filters has
/// one number. They only become more, until they are numbered anew.
#[derive(Default)]
pub(super) struct Places(Vec<(String, Way)>);

/// A filter, ready to be matched.
pub(super) struct Matcher {
    filter: std::sync::Arc<Filter>,
    /// By the number of their place.
    wanted: Box<[(usize, Wanted)]>,
}

/// An event, as far as it has been read.
pub(super) struct Reading<'a> {
    event: &'a Event<'a>,
    places: &'a Places,
    /// What stands at each place, once it has been looked at.
    found: Vec<Option<Option<Value>>>,
}

impl Places {
    fn number(&mut self, pointer: &str) -> usize {
        let known = self.0.iter().position(|(known, _)| known == pointer);
        known.unwrap_or_else(|| {
            self.0.push((pointer.to_owned(), json_pointer::way(pointer)));
            self.0.len() - 1
        })
    }

    /// How many there are, in use or not.
    pub(super) fn count(&self) -> usize {
        self.0.len()
    }

    /// An event that is to be matched.
    pub(super) fn reading<'a>(&'a self, event: &'a Event<'a>) -> Reading<'a> {
        Reading {
            event,
            places: self,
            found: vec![None; self.0.len()],
        }
    }
}

impl Matcher {
    pub(super) fn new(filter: std::sync::Arc<Filter>, places: &mut Places) -> Self {
        let wanted = filter.conditions().iter();
        Self {
            wanted: wanted
                .map(|condition| (places.number(condition.pointer()), condition.wanted()))
                .collect(),
            filter,
        }
    }

    /// The same by other numbers.
    pub(super) fn renumber(&mut self, places: &mut Places) {
        *self = Self::new(self.filter.clone(), places);
    }

    /// How many places it looks at.
    pub(super) fn conditions(&self) -> usize {
        self.wanted.len()
    }

    /// Whether the filter lets an event through.
    pub(super) fn matches(&self, reading: &mut Reading<'_>) -> bool {
        self.filter.has_type(reading.event.event_type())
            && self.wanted.iter().all(|(place, wanted)| reading.holds(*place, wanted))
    }
}

impl Reading<'_> {
    fn holds(&mut self, place: usize, wanted: &Wanted) -> bool {
        let (event, way) = (self.event, &self.places.0[place].1);
        let found = self.found[place].get_or_insert_with(|| json_pointer::value_on(&event.data(), way));
        found.as_ref().is_some_and(|found| wanted.is(found))
    }
}
