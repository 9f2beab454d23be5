//! What the kernel accounts: CPU time, resident memory, socket memory, waiting for a core.

use std::fs;

/// Nanoseconds of a tick in /proc/PID/stat: USER_HZ is 100 on every Linux that user space sees.
const TICK_NS: u64 = 10_000_000;
/// /proc/net/sockstat counts memory in pages.
const PAGE_KIB: u64 = 4;

/// CPU time of a group of processes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Cpu {
    /// In user space, to the tick.
    pub(crate) user_ns: u64,
    /// In the kernel, to the tick.
    pub(crate) system_ns: u64,
    /// Both, from the scheduler's nanoseconds; only of threads that live.
    pub(crate) exact_ns: u64,
}

/// The share of each in the time between two readings.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct CpuSpent {
    pub(crate) total_ns: u64,
    pub(crate) user_share: f64,
}

impl Cpu {
    /// What `pids` and all that descends from them have used.
    pub(crate) fn of(pids: &[u32]) -> Cpu {
        let mut sum = Cpu::default();
        for pid in with_descendants(pids) {
            if let Some((user, system)) = stat(pid).map(|stat| (stat.user_ticks, stat.system_ticks)) {
                sum.user_ns += user * TICK_NS;
                sum.system_ns += system * TICK_NS;
            }
            sum.exact_ns += threads_ns(pid).unwrap_or(0);
        }
        sum
    }

    /// What was spent since `before`: the scheduler's sum where it can be true, else the ticks. The
    /// scheduler's sum loses the threads that ended, so it must not be far below the ticks.
    pub(crate) fn since(&self, before: &Cpu) -> CpuSpent {
        let user = self.user_ns.saturating_sub(before.user_ns);
        let ticks = user + self.system_ns.saturating_sub(before.system_ns);
        let exact = self.exact_ns.saturating_sub(before.exact_ns);
        let slack = 3 * TICK_NS + ticks / 20;
        let total_ns = if exact + slack >= ticks && exact > 0 {
            exact
        } else {
            ticks
        };
        CpuSpent {
            total_ns,
            user_share: if ticks == 0 { 0.0 } else { user as f64 / ticks as f64 },
        }
    }
}

/// Resident memory of `pids` and all that descends from them, in KiB.
pub(crate) fn resident_kib(pids: &[u32]) -> u64 {
    with_descendants(pids)
        .into_iter()
        .filter_map(|pid| status_kib(pid, "VmRSS:"))
        .sum()
}

/// Memory of `pids` and all that descends from them, each page that several have in common divided
/// between them (PSS), in KiB.
pub(crate) fn proportional_kib(pids: &[u32]) -> u64 {
    let of = |pid| {
        let text = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).ok()?;
        let line = text.lines().find_map(|line| line.strip_prefix("Pss:"))?;
        line.split_whitespace().next()?.parse::<u64>().ok()
    };
    with_descendants(pids).into_iter().filter_map(of).sum()
}

/// Memory of all TCP sockets of the machine, in KiB.
pub(crate) fn tcp_memory_kib() -> u64 {
    let text = fs::read_to_string("/proc/net/sockstat").unwrap_or_default();
    let line = text.lines().find(|line| line.starts_with("TCP:")).unwrap_or_default();
    let mut words = line.split_whitespace().skip_while(|word| *word != "mem");
    words.nth(1).and_then(|pages| pages.parse::<u64>().ok()).unwrap_or(0) * PAGE_KIB
}

/// How long this process's main thread has waited for a core, in nanoseconds.
pub(crate) fn own_wait_ns() -> u64 {
    let text = fs::read_to_string("/proc/self/schedstat").unwrap_or_default();
    text.split_whitespace()
        .nth(1)
        .and_then(|ns| ns.parse().ok())
        .unwrap_or(0)
}

struct Stat {
    parent: u32,
    user_ticks: u64,
    system_ticks: u64,
}

fn stat(pid: u32) -> Option<Stat> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The command's name is in parentheses and may hold anything, spaces and parentheses too.
    let fields: Vec<&str> = text[text.rfind(')')? + 1..].split_whitespace().collect();
    let number = |index: usize| fields.get(index).and_then(|field| field.parse().ok());
    Some(Stat {
        parent: u32::try_from(number(1)?).ok()?,
        user_ticks: number(11)?,
        system_ticks: number(12)?,
    })
}

fn threads_ns(pid: u32) -> Option<u64> {
    let mut sum = 0;
    for task in fs::read_dir(format!("/proc/{pid}/task")).ok()?.flatten() {
        let text = fs::read_to_string(task.path().join("schedstat")).unwrap_or_default();
        sum += text
            .split_whitespace()
            .next()
            .and_then(|ns| ns.parse::<u64>().ok())
            .unwrap_or(0);
    }
    Some(sum)
}

fn status_kib(pid: u32, field: &str) -> Option<u64> {
    let text = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    text.lines()
        .find_map(|line| line.strip_prefix(field))?
        .split_whitespace()
        .next()?
        .parse()
        .ok()
}

fn with_descendants(pids: &[u32]) -> Vec<u32> {
    let mut all = pids.to_vec();
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    let parents: Vec<(u32, u32)> = entries
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .filter_map(|pid| Some((pid, stat(pid)?.parent)))
        .collect();
    let mut index = 0;
    while index < all.len() {
        let parent = all[index];
        all.extend(
            parents
                .iter()
                .filter(|(pid, of)| *of == parent && !pids.contains(pid))
                .map(|(pid, _)| *pid),
        );
        index += 1;
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn own_cpu_time_grows_with_work() {
        let pids = [std::process::id()];
        let before = Cpu::of(&pids);
        let from = crate::clock::own_cpu_ns();
        while crate::clock::own_cpu_ns() - from < 300_000_000 {}
        let spent = Cpu::of(&pids).since(&before);
        // Threads of other tests end meanwhile, which takes away their part within the slack.
        assert!(spent.total_ns >= 200_000_000, "{spent:?}");
    }

    #[test]
    fn own_memory_is_seen() {
        assert!(resident_kib(&[std::process::id()]) > 500);
    }

    #[test]
    fn the_schedulers_sum_is_used_unless_threads_ended() {
        let at = |user, system, exact_ns| Cpu {
            user_ns: user * TICK_NS,
            system_ns: system * TICK_NS,
            exact_ns,
        };
        let precise = at(30, 90, 1_203_456_789).since(&at(0, 0, 0));
        assert_eq!(precise.total_ns, 1_203_456_789);
        assert!((precise.user_share - 0.25).abs() < 1e-9);
        assert_eq!(at(30, 90, 600_000_000).since(&at(0, 0, 0)).total_ns, 1_200_000_000);
    }
}
