//! How long events took, over a short time.

/// Deliveries that are kept for the percentiles of one report; of more, the first stand for all.
const KEPT_MAX: usize = 65_536;

/// The latencies since the last report, in microseconds.
#[derive(Debug, Default)]
pub(super) struct Latencies(Vec<u32>);

impl Latencies {
    /// One delivery took so long, in nanoseconds.
    pub(super) fn add(&mut self, ns: u64) {
        if self.0.len() < KEPT_MAX {
            self.0.push(u32::try_from(ns / 1000).unwrap_or(u32::MAX));
        }
    }

    /// Median and 99th percentile; `None`: nothing came. Begins anew.
    pub(super) fn take(&mut self) -> Option<[u32; 2]> {
        let count = self.0.len();
        let last = count.checked_sub(1)?;
        let mut at = |index: usize| *self.0.select_nth_unstable(index.min(last)).1;
        let taken = [at(count / 2), at(count * 99 / 100)];
        self.0.clear();
        Some(taken)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_of_what_came_since() {
        let mut latencies = Latencies::default();
        assert_eq!(latencies.take(), None);
        (0..100).rev().for_each(|micros| latencies.add(micros * 1000));
        assert_eq!(latencies.take(), Some([50, 99]));
        assert_eq!(latencies.take(), None);
    }
}
