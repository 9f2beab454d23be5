//! How far one event's deliveries are apart.

use crate::control::Window;

/// One event over all clients.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Spread {
    pub(super) first_ms: f64,
    pub(super) middle_ms: f64,
    pub(crate) last_ms: f64,
}

/// The events that all processes saw whole.
pub(crate) fn spreads(windows: &[Window]) -> Vec<Spread> {
    let mut events: std::collections::BTreeMap<u64, (usize, [f64; 4])> = std::collections::BTreeMap::new();
    for [seq, count, first, middle, last] in windows.iter().flat_map(|window| window.events.iter().copied()) {
        let (seen, sum) = events.entry(seq).or_insert((0, [0.0, f64::MAX, 0.0, 0.0]));
        let [count, first, middle, last] = [count, first, middle, last].map(|value| value as f64);
        *seen += 1;
        *sum = [
            sum[0] + count,
            sum[1].min(first),
            sum[2] + middle * count,
            sum[3].max(last),
        ];
    }
    events
        .into_values()
        .filter(|(seen, _)| *seen == windows.len())
        .map(|(_, [count, first, middle, last])| Spread {
            first_ms: first / 1000.0,
            middle_ms: middle / count / 1000.0,
            last_ms: last / 1000.0,
        })
        .collect()
}
