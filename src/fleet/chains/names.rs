//! The names that a source's numbering has had, and from which message on each is in force.
//!
//! All channels of a source are numbered by one stream, and so have one name. It stands in a message of
//! its own, which every instance reads in its place among the others. Where the engine comes back with
//! less than it had, who has read more says another name: what is written under the old one behind that
//! counts for nothing.

use crate::fleet::record::{Content, Record, Stored};

/// Names that are known: a stream holds seldom more than one.
const NAMES_MAX: usize = 8;

/// See the module.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Names {
    /// Each with the message behind which it is in force, the newest last; never empty.
    names: Vec<(u64, String)>,
    /// The message that says so.
    said_in: u64,
}

impl Names {
    /// What a message says of them, if it does.
    pub(crate) fn of(stored: &Stored) -> Option<Self> {
        let record = stored.record.as_ref()?;
        let Content::Names(names) = &record.content else {
            return None;
        };
        let mut names = names.clone();
        let newest = names.last_mut()?;
        if newest.0 == 0 {
            newest.0 = stored.sequence;
        }
        Some(Self {
            names,
            said_in: stored.sequence,
        })
    }

    /// Before anything has been read.
    pub(super) fn unknown() -> Self {
        Self {
            names: vec![(u64::MAX, String::new())],
            said_in: 0,
        }
    }

    /// A message that says the first name of a stream.
    pub(crate) fn first() -> Record {
        said(vec![(0, fresh())])
    }

    /// One that says another name, in force behind itself.
    pub(crate) fn another(&self) -> Record {
        let mut names = self.names.clone();
        if names.len() == NAMES_MAX {
            names.remove(0);
        }
        names.push((0, fresh()));
        said(names)
    }

    /// One that says the same again, so that the stream never lets go of it.
    pub(crate) fn again(&self) -> Record {
        said(self.names.clone())
    }

    /// The one in force.
    pub(crate) fn current(&self) -> &str {
        self.names.last().map_or("", |(_, name)| name)
    }

    /// The message behind which it is.
    pub(crate) fn begin(&self) -> u64 {
        self.names.last().map_or(0, |(behind, _)| *behind)
    }

    /// The one in force at a message.
    pub(crate) fn at(&self, sequence: u64) -> Option<&String> {
        let name = self.names.iter().rev().find(|(behind, _)| *behind < sequence);
        name.map(|(_, name)| name)
    }

    /// Whether these came after the others: another name than theirs is in force, and theirs was before.
    pub(crate) fn follow(&self, others: &Self) -> bool {
        let was_before = self.names.iter().any(|(_, name)| name == others.current());
        was_before && self.current() != others.current()
    }

    /// The message that says them.
    pub(crate) fn said_in(&self) -> u64 {
        self.said_in
    }
}

fn fresh() -> String {
    crate::log::Epoch::new().name().to_owned()
}

fn said(names: Vec<(u64, String)>) -> Record {
    Record {
        epoch: names.last().map_or_else(String::new, |(_, name)| name.clone()),
        era: 0,
        term: 0,
        number: 0,
        read: 0,
        places: Vec::new(),
        by: String::new(),
        content: Content::Names(names),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn stored(sequence: u64, record: Record) -> Stored {
        Stored {
            sequence,
            record: Some(record),
            age: Duration::ZERO,
        }
    }

    #[test]
    fn a_name_is_in_force_behind_its_message() {
        let first = Names::of(&stored(3, Names::first())).unwrap();
        let name = first.current().to_owned();
        assert_eq!((first.at(3), first.at(4)), (None, Some(&name)));
        // The same, said again.
        let again = Names::of(&stored(90, first.again())).unwrap();
        assert_eq!((again.begin(), again.said_in(), again.at(4)), (3, 90, Some(&name)));
        let other = Names::of(&stored(100, again.another())).unwrap();
        assert_ne!(other.current(), name);
        assert!(other.follow(&again) && !again.follow(&other) && !again.follow(&first));
        assert_eq!((other.at(100), other.begin()), (Some(&name), 100));
        assert_eq!(other.at(101).map(String::as_str), Some(other.current()));
    }
}
