//! The machine: what it is, and what it had left while something was measured.

pub(crate) mod memory;

use std::fs;

/// What the kernel has counted since boot.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Machine {
    ticks: u64,
    idle_ticks: u64,
    dropped: u64,
}

impl Machine {
    pub(crate) fn now() -> Self {
        let text = fs::read_to_string("/proc/stat").unwrap_or_default();
        let line = text.lines().next().unwrap_or_default();
        let fields: Vec<u64> = line
            .split_whitespace()
            .skip(1)
            .take(8)
            .filter_map(|field| field.parse().ok())
            .collect();
        let softnet = fs::read_to_string("/proc/net/softnet_stat").unwrap_or_default();
        Self {
            ticks: fields.iter().sum(),
            idle_ticks: fields.get(3).copied().unwrap_or(0) + fields.get(4).copied().unwrap_or(0),
            dropped: softnet.lines().filter_map(dropped).sum(),
        }
    }

    /// The share of the time of all cores that was without work since `before`, in percent.
    pub(crate) fn idle_share_since(&self, before: &Self) -> f64 {
        let all = self.ticks.saturating_sub(before.ticks).max(1);
        100.0 * self.idle_ticks.saturating_sub(before.idle_ticks) as f64 / all as f64
    }

    /// Packets that the kernel has dropped since `before` because more came than one core took in
    /// (`net.core.netdev_max_backlog`). Each is sent again after 200 ms or more, if nothing else
    /// tells the sender.
    pub(crate) fn dropped_since(&self, before: &Self) -> u64 {
        self.dropped.saturating_sub(before.dropped)
    }
}

/// The second column of a core's line: packets dropped, in hexadecimal.
fn dropped(line: &str) -> Option<u64> {
    u64::from_str_radix(line.split_whitespace().nth(1)?, 16).ok()
}

/// One line about the machine: processor, cores, memory, kernel.
pub(crate) fn description() -> String {
    let cpuinfo = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = cpuinfo
        .lines()
        .find_map(|line| line.strip_prefix("model name"))
        .map_or("unknown processor", |rest| rest.trim_start_matches([' ', '\t', ':']));
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let meminfo = fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let kib: u64 = meminfo
        .split_whitespace()
        .nth(1)
        .and_then(|kib| kib.parse().ok())
        .unwrap_or(0);
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    format!(
        "{cores} cores ({model}), {:.0} GiB, Linux {}",
        kib as f64 / 1_048_576.0,
        kernel.trim()
    )
}

/// The ports from which connections leave: how many fit between one pair of addresses.
pub(crate) fn local_ports() -> u32 {
    let text = fs::read_to_string("/proc/sys/net/ipv4/ip_local_port_range").unwrap_or_default();
    let mut bounds = text.split_whitespace().filter_map(|bound| bound.parse::<u32>().ok());
    match (bounds.next(), bounds.next()) {
        (Some(low), Some(high)) if low <= high => high - low + 1,
        _ => 28_232,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dropped_packets_are_read_as_the_kernel_writes_them() {
        let line = "0cc676aa 00004c42 00000240 00000000 00000000 00000000 00000000 00000000 00000000 00000000";
        assert_eq!(dropped(line), Some(19_522));
        assert_eq!(dropped(""), None);
    }

    #[test]
    fn an_idle_share_is_a_percentage() {
        let before = Machine::now();
        let share = Machine::now().idle_share_since(&before);
        assert!((0.0..=100.0).contains(&share), "{share}");
    }
}
