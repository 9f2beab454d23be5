//! How often something happened, by tenths of a second of the machine's one clock: series of
//! several processes add up.

use crate::clock::SECOND_NS;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

const SLOTS_PER_SECOND: u64 = 10;
const SLOT_NS: u64 = SECOND_NS / SLOTS_PER_SECOND;

/// A series. Slots in which nothing happened take no room.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Series(BTreeMap<u64, u64>);

impl Series {
    /// It happened once more, at this time.
    pub(crate) fn record(&mut self, at_ns: u64) {
        *self.0.entry(at_ns / SLOT_NS).or_default() += 1;
    }

    pub(crate) fn add(&mut self, other: &Series) {
        for (slot, count) in &other.0 {
            *self.0.entry(*slot).or_default() += count;
        }
    }

    /// The most within one slot, as a rate per second.
    pub(crate) fn peak_of_slot_per_second(&self) -> u64 {
        self.0.values().max().copied().unwrap_or(0) * SLOTS_PER_SECOND
    }

    /// The most within a second, wherever it begins.
    pub(crate) fn peak_per_second(&self) -> u64 {
        let second = |from: &u64| {
            self.0
                .range(*from..*from + SLOTS_PER_SECOND)
                .map(|(_, count)| count)
                .sum()
        };
        self.0.keys().map(second).max().unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn series(tenths: &[u64]) -> Series {
        let mut series = Series::default();
        tenths.iter().for_each(|tenth| series.record(tenth * SLOT_NS + 5));
        series
    }

    #[test]
    fn a_peak_is_looked_for_in_every_second() {
        let series = series(&[100, 107, 107, 107, 112, 116, 117, 140]);
        assert_eq!(series.peak_of_slot_per_second(), 30);
        assert_eq!(series.peak_per_second(), 5);
        assert_eq!(Series::default().peak_per_second(), 0);
    }

    #[test]
    fn series_of_several_processes_are_one() {
        let mut sum = series(&[7]);
        sum.add(&series(&[7, 8]));
        assert_eq!(sum, series(&[7, 7, 8]));
        let text = serde_json::to_string(&sum).expect("slots are keys");
        assert_eq!(serde_json::from_str::<Series>(&text).expect("the same"), sum);
    }
}
