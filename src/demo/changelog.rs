//! The change log: what has been published lately, over all sections.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;
use tokio::sync::watch;

/// Entries kept, over all sections: some hours at the demo's pace, and some hundred KiB.
pub(super) const ENTRIES_MAX: usize = 1000;

/// Entries on one page of a feed.
pub(super) const PAGE_ENTRIES: usize = 20;

/// Length of a title; what is longer is cut.
pub(super) const TITLE_CHARS_MAX: usize = 200;

/// One thing that was published.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Entry {
    /// From 1, without holes, over all sections. Also the event's id.
    pub(super) number: u64,
    pub(super) section: u32,
    /// Without control characters: it goes into XML as it is, but for the escapes.
    pub(super) title: String,
    pub(super) updated: SystemTime,
}

/// Which part of a section's log a page shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Page {
    /// The newest entries.
    Newest,
    /// The entries that follow this number, nearest first where they are more than a page: walking
    /// on misses none.
    After(u64),
    /// The entries that precede this number, likewise.
    Before(u64),
}

/// A page's entries, and whether there are older ones.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct PageEntries {
    /// Newest first.
    pub(super) entries: Vec<Arc<Entry>>,
    pub(super) has_older: bool,
}

/// The bounded log. Numbers in it are consecutive.
#[derive(Debug)]
pub(super) struct Changelog {
    entries: Mutex<VecDeque<Arc<Entry>>>,
    /// The number of an entry that is in the log by now: it wakes the streams, which look for
    /// themselves.
    newest: watch::Sender<u64>,
}

impl Changelog {
    pub(super) fn new() -> Self {
        Self {
            entries: Mutex::default(),
            newest: watch::Sender::new(0),
        }
    }

    /// Appends an entry and wakes the streams.
    pub(super) fn publish(&self, section: u32, title: &str) -> Arc<Entry> {
        let mut entries = self.lock();
        let number = entries.back().map_or(1, |last| last.number + 1);
        let entry = Arc::new(Entry {
            number,
            section,
            title: clean(title),
            updated: SystemTime::now(),
        });
        if entries.len() == ENTRIES_MAX {
            entries.pop_front();
        }
        entries.push_back(Arc::clone(&entry));
        drop(entries);
        self.newest.send_replace(number);
        entry
    }

    /// Tells of new entries. Subscribe first, then look into the log.
    pub(super) fn subscribe(&self) -> watch::Receiver<u64> {
        self.newest.subscribe()
    }

    /// The number of the newest entry; 0 before the first.
    pub(super) fn newest_number(&self) -> u64 {
        self.lock().back().map_or(0, |entry| entry.number)
    }

    /// Everything that is kept and follows `number`, oldest first, over all sections.
    pub(super) fn since(&self, number: u64) -> Vec<Arc<Entry>> {
        let entries = self.lock();
        let from = entries.partition_point(|entry| entry.number <= number);
        entries.range(from..).cloned().collect()
    }

    pub(super) fn page(&self, section: u32, page: Page) -> PageEntries {
        let entries = self.lock();
        let mut of_section = entries.iter().filter(|entry| entry.section == section);
        let entries: Vec<Arc<Entry>> = match page {
            Page::Newest => of_section.clone().rev().take(PAGE_ENTRIES).cloned().collect(),
            Page::Before(number) => of_section
                .clone()
                .rev()
                .filter(|entry| entry.number < number)
                .take(PAGE_ENTRIES)
                .cloned()
                .collect(),
            Page::After(number) => {
                let following = of_section.clone().filter(|entry| entry.number > number);
                let mut nearest: Vec<_> = following.take(PAGE_ENTRIES).cloned().collect();
                nearest.reverse();
                nearest
            }
        };
        let oldest_shown = match (entries.last(), page) {
            (Some(entry), _) => entry.number,
            (None, Page::Newest) => 0,
            (None, Page::After(number)) => number.saturating_add(1),
            (None, Page::Before(number)) => number,
        };
        let has_older = of_section.any(|entry| entry.number < oldest_shown);
        PageEntries { entries, has_older }
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<Arc<Entry>>> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A title on one line, bounded, of characters that XML 1.0 allows (section 2.2).
fn clean(title: &str) -> String {
    let allowed = |c: char| {
        if c.is_control() || matches!(c, '\u{fffe}' | '\u{ffff}') {
            ' '
        } else {
            c
        }
    };
    let line: String = title.trim().chars().map(allowed).take(TITLE_CHARS_MAX).collect();
    if line.trim().is_empty() {
        "Untitled".to_owned()
    } else {
        line
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbers(page: &PageEntries) -> Vec<u64> {
        page.entries.iter().map(|entry| entry.number).collect()
    }

    #[test]
    fn following_previous_and_next_visits_every_entry_once() {
        let log = Changelog::new();
        // Section 1 has the odd numbers.
        for n in 1..=90 {
            log.publish(if n % 2 == 1 { 1 } else { 2 }, "x");
        }
        let odd: Vec<u64> = (1..=90).filter(|n| n % 2 == 1).collect();

        let mut seen = Vec::new();
        let mut page = log.page(1, Page::Newest);
        assert_eq!(page.entries.len(), PAGE_ENTRIES);
        loop {
            seen.extend(numbers(&page));
            if !page.has_older {
                break;
            }
            page = log.page(1, Page::Before(*seen.last().unwrap()));
        }
        seen.reverse();
        assert_eq!(seen, odd);

        let mut seen = Vec::new();
        loop {
            let mut page = numbers(&log.page(1, Page::After(seen.last().copied().unwrap_or(0))));
            if page.is_empty() {
                break;
            }
            page.reverse();
            seen.extend(page);
        }
        assert_eq!(seen, odd);
    }

    #[test]
    fn empty_pages_know_whether_there_is_something_older() {
        let log = Changelog::new();
        assert_eq!(
            log.page(1, Page::Newest),
            PageEntries {
                entries: vec![],
                has_older: false
            }
        );
        assert_eq!(
            log.page(1, Page::After(0)),
            PageEntries {
                entries: vec![],
                has_older: false
            }
        );
        log.publish(1, "x");
        assert_eq!(
            log.page(1, Page::After(1)),
            PageEntries {
                entries: vec![],
                has_older: true
            }
        );
        assert_eq!(
            log.page(1, Page::After(u64::MAX)),
            PageEntries {
                entries: vec![],
                has_older: true
            }
        );
        assert_eq!(
            log.page(1, Page::Before(1)),
            PageEntries {
                entries: vec![],
                has_older: false
            }
        );
        assert_eq!(
            log.page(2, Page::Newest),
            PageEntries {
                entries: vec![],
                has_older: false
            }
        );
    }

    #[test]
    fn the_log_is_bounded() {
        let log = Changelog::new();
        for _ in 0..ENTRIES_MAX + 5 {
            log.publish(1, "x");
        }
        let kept = log.since(0);
        assert_eq!((kept.len(), kept[0].number), (ENTRIES_MAX, 6));
        assert_eq!(log.since(ENTRIES_MAX as u64 + 4).len(), 1);
        assert!(log.since(u64::MAX).is_empty());
        assert_eq!(log.newest_number(), ENTRIES_MAX as u64 + 5);
    }

    #[test]
    fn titles_are_one_bounded_line_of_xml_characters() {
        assert_eq!(clean("  A & B <c>\n"), "A & B <c>");
        assert_eq!(clean("a\r\nb\0c\u{ffff}d\u{1b}"), "a  b c d ");
        assert_eq!(clean(" \n\t"), "Untitled");
        assert_eq!(clean(&"é".repeat(1000)).chars().count(), TITLE_CHARS_MAX);
    }
}
