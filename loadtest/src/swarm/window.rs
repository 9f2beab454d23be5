//! What a swarm process measures between two orders.

use crate::clock::{now_ns, own_cpu_ns};
use crate::control;
use crate::proc::own_wait_ns;
use crate::stamp::Stamp;
use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use hdrhistogram::Histogram;
use hdrhistogram::serialization::{Deserializer, Serializer, V2Serializer};

/// Longest latency that is told apart, in microseconds.
const LATENCY_US_MAX: u64 = 120_000_000;
/// Events with statistics of their own: 20 bytes each; later ones are left out.
const EVENTS_MAX: usize = 65_536;

/// A histogram of microseconds, to 3 digits.
pub(crate) fn histogram() -> Histogram<u64> {
    Histogram::new_with_bounds(1, LATENCY_US_MAX, 3).expect("the bounds are valid")
}

/// A histogram as text for the pipe and the report.
pub(crate) fn encode(histogram: &Histogram<u64>) -> String {
    let mut bytes = Vec::new();
    V2Serializer::new()
        .serialize(histogram, &mut bytes)
        .expect("writing to a Vec can't fail");
    STANDARD_NO_PAD.encode(bytes)
}

/// Adds what [`encode`] made to `sum`; text that isn't one adds nothing.
pub(crate) fn add_encoded(sum: &mut Histogram<u64>, text: &str) {
    if let Ok(bytes) = STANDARD_NO_PAD.decode(text)
        && let Ok(histogram) = Deserializer::new().deserialize::<u64, _>(&mut bytes.as_slice())
    {
        // Both have the same bounds.
        let _ = sum.add(&histogram);
    }
}

/// One event over the clients of this process. Deliveries come in the order of time, so the median
/// is the latency of the one in the middle.
#[derive(Debug, Clone, Copy, Default)]
struct Spread {
    count: u32,
    first_us: u32,
    middle_us: u32,
    last_us: u32,
}

/// A measurement under way.
pub(crate) struct Window {
    started_ns: u64,
    cpu_ns: u64,
    wait_ns: u64,
    pub(crate) delivered: u64,
    pub(crate) bytes: u64,
    pub(crate) reads: u64,
    latency: Histogram<u64>,
    latency_scheduled: Histogram<u64>,
    backlog: Histogram<u64>,
    /// Number of the first event in `spreads`; 0: none yet.
    first_seq: u64,
    spreads: Vec<Spread>,
    per_event: bool,
    /// Readers that an event is expected to reach: the median is at half of them.
    pub(crate) readers: u32,
}

impl Window {
    /// Begins now.
    pub(crate) fn new(per_event: bool, readers: u32) -> Self {
        Self {
            started_ns: now_ns(),
            cpu_ns: own_cpu_ns(),
            wait_ns: own_wait_ns(),
            delivered: 0,
            bytes: 0,
            reads: 0,
            latency: histogram(),
            latency_scheduled: histogram(),
            backlog: histogram(),
            first_seq: 0,
            spreads: Vec::new(),
            per_event,
            readers,
        }
    }

    /// One event was read at `read_ns`.
    pub(crate) fn delivery(&mut self, stamp: &Stamp, read_ns: u64) {
        self.delivered += 1;
        if stamp.written_ns < self.started_ns {
            // Sent before this measurement: its latency belongs to what came before.
            return;
        }
        let latency_us = read_ns.saturating_sub(stamp.written_ns) / 1000;
        self.latency.saturating_record(latency_us);
        self.latency_scheduled
            .saturating_record(read_ns.saturating_sub(stamp.scheduled_ns) / 1000);
        if !self.per_event {
            return;
        }
        if self.first_seq == 0 {
            self.first_seq = stamp.seq;
        }
        let Some(index) = stamp.seq.checked_sub(self.first_seq).map(|index| index as usize) else {
            return;
        };
        if index >= EVENTS_MAX {
            return;
        }
        if index >= self.spreads.len() {
            self.spreads.resize(index + 1, Spread::default());
        }
        let spread = &mut self.spreads[index];
        let latency_us = u32::try_from(latency_us).unwrap_or(u32::MAX);
        if spread.count == 0 {
            spread.first_us = latency_us;
        }
        spread.count += 1;
        if spread.count == self.readers.div_ceil(2) {
            spread.middle_us = latency_us;
        }
        spread.last_us = spread.last_us.max(latency_us);
    }

    /// One socket was read, this long after the poll said so.
    pub(crate) fn read(&mut self, bytes: usize, backlog_ns: u64) {
        self.reads += 1;
        self.bytes += bytes as u64;
        self.backlog.saturating_record(backlog_ns / 1000);
    }

    /// What was measured so far.
    pub(crate) fn report(&self) -> control::Window {
        let complete = |spread: &&Spread| spread.count >= self.readers;
        let events = self.spreads.iter().zip(self.first_seq..);
        control::Window {
            elapsed_ns: now_ns() - self.started_ns,
            delivered: self.delivered,
            bytes: self.bytes,
            reads: self.reads,
            cpu_ns: own_cpu_ns() - self.cpu_ns,
            wait_ns: own_wait_ns().saturating_sub(self.wait_ns),
            latency: encode(&self.latency),
            latency_scheduled: encode(&self.latency_scheduled),
            backlog: encode(&self.backlog),
            events: events
                .filter(|(spread, _)| complete(spread))
                .map(|(spread, seq)| {
                    let [first, middle, last] = [spread.first_us, spread.middle_us, spread.last_us].map(u64::from);
                    [seq, u64::from(spread.count), first, middle, last]
                })
                .collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_histogram_survives_the_pipe() {
        let mut histogram_before = histogram();
        [1, 1_000, 70_000, 100_000_000]
            .into_iter()
            .for_each(|value| histogram_before.saturating_record(value));
        let mut after = histogram();
        add_encoded(&mut after, &encode(&histogram_before));
        add_encoded(&mut after, "not a histogram");
        assert_eq!(after, histogram_before);
    }

    #[test]
    fn an_event_has_a_first_a_middle_and_a_last_client() {
        let mut window = Window::new(true, 3);
        let written_ns = now_ns();
        let stamp = Stamp {
            seq: 9,
            written_ns,
            scheduled_ns: written_ns - 5_000_000,
            channel: None,
        };
        for late_us in [10, 20, 90] {
            window.delivery(&stamp, written_ns + late_us * 1000);
        }
        window.delivery(&Stamp { seq: 10, ..stamp }, written_ns + 1000);
        assert_eq!(window.report().events, [[9, 3, 10, 20, 90]]);
        assert_eq!(window.latency_scheduled.max() / 100, 50);
    }
}
