//! Where the machine's memory has gone: to processes, to sockets, to the kernel's slabs.

use crate::proc::proportional_kib;
use std::collections::BTreeMap;
use std::fs;

/// How many of the kernel's slabs are named: those that have grown most.
const SLABS_NAMED: usize = 6;
/// A slab that has grown by less is not named, in KiB.
const SLAB_KIB_MIN: u64 = 1024;

/// The memory in use at a moment, in KiB.
#[derive(Debug, Clone, Default)]
pub(crate) struct Memory {
    available: u64,
    slab: u64,
    page_tables: u64,
    kernel_stacks: u64,
    sockets: u64,
    slabs: BTreeMap<String, u64>,
}

/// One part of what is in use more than before, in KiB.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Part {
    pub(crate) name: String,
    pub(crate) kib: f64,
    /// It is contained in the part above it that isn't.
    pub(crate) within: bool,
}

impl Memory {
    /// As the kernel counts it now.
    pub(crate) fn now() -> Self {
        let meminfo = fs::read_to_string("/proc/meminfo").unwrap_or_default();
        let field = |name: &str| -> u64 {
            let line = meminfo
                .lines()
                .find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
            line.and_then(|rest| rest.split_whitespace().next()?.parse().ok())
                .unwrap_or(0)
        };
        Self {
            available: field("MemAvailable"),
            slab: field("Slab"),
            page_tables: field("PageTables"),
            kernel_stacks: field("KernelStack"),
            sockets: crate::proc::tcp_memory_kib(),
            // For root only: without it the slabs have no names.
            slabs: slabs(&fs::read_to_string("/proc/slabinfo").unwrap_or_default()),
        }
    }

    /// What is in use more than `before`, by who has it. Processes are counted by their share of what
    /// they have in common (PSS), and whole: they were not there before.
    pub(crate) fn since(&self, before: &Self, server: &[u32], harness: &[u32]) -> Vec<Part> {
        let more = |now: u64, then: u64| now as f64 - then as f64;
        let part = |name: &str, kib: f64| Part {
            name: name.to_owned(),
            kib,
            within: false,
        };
        let mut parts = vec![
            part("in use in all", more(before.available, self.available)),
            part("server", proportional_kib(server) as f64),
            part("origin and clients", proportional_kib(harness) as f64),
            part("socket buffers", more(self.sockets, before.sockets)),
            part("kernel slabs", more(self.slab, before.slab)),
        ];
        let mut grown: Vec<(&String, u64)> = self
            .slabs
            .iter()
            .map(|(name, kib)| (name, kib.saturating_sub(before.slabs.get(name).copied().unwrap_or(0))))
            .filter(|(_, kib)| *kib >= SLAB_KIB_MIN)
            .collect();
        grown.sort_by_key(|(_, kib)| std::cmp::Reverse(*kib));
        parts.extend(grown.into_iter().take(SLABS_NAMED).map(|(name, kib)| Part {
            name: name.clone(),
            kib: kib as f64,
            within: true,
        }));
        parts.push(part("page tables", more(self.page_tables, before.page_tables)));
        parts.push(part("kernel stacks", more(self.kernel_stacks, before.kernel_stacks)));
        parts
    }
}

/// Slabs by name and size in KiB (slabinfo(5), version 2.1): pages are counted, not objects, since a
/// page with one object is taken whole.
fn slabs(slabinfo: &str) -> BTreeMap<String, u64> {
    const PAGE_KIB: u64 = 4;
    let slab = |line: &str| {
        let mut words = line.split_whitespace();
        let name = words.next()?.to_owned();
        let mut words = words.skip(4);
        let pages_per_slab: u64 = words.next()?.parse().ok()?;
        // `: slabdata ACTIVE NUMBER SHARED`
        let mut rest = words.skip_while(|word| *word != "slabdata").skip(2);
        let number: u64 = rest.next()?.parse().ok()?;
        Some((name, number * pages_per_slab * PAGE_KIB))
    };
    slabinfo.lines().filter_map(slab).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slabs_are_counted_by_their_pages() {
        let text = "slabinfo - version: 2.1\n# name <active_objs>\n\
                    TCP 1000 1008 2432 13 8 : tunables 0 0 0 : slabdata 77 78 0\n\
                    dentry 5 42 192 21 1 : tunables 0 0 0 : slabdata 2 2 0\n";
        let slabs = slabs(text);
        assert_eq!(slabs["TCP"], 78 * 8 * 4);
        assert_eq!(slabs["dentry"], 8);
        assert_eq!(slabs.len(), 2);
    }

    #[test]
    fn what_grew_most_is_named_within_the_slabs() {
        let at = |available, slab, tcp| Memory {
            available,
            slab,
            slabs: [("TCP".to_owned(), tcp), ("dentry".to_owned(), 10)].into(),
            ..Memory::default()
        };
        let parts = at(1_000, 9_000, 8_192).since(&at(20_000, 500, 0), &[], &[]);
        assert_eq!((parts[0].name.as_str(), parts[0].kib), ("in use in all", 19_000.0));
        let slab = parts
            .iter()
            .position(|part| part.name == "kernel slabs")
            .expect("it is there");
        assert_eq!(parts[slab].kib, 8_500.0);
        assert_eq!((parts[slab + 1].name.as_str(), parts[slab + 1].within), ("TCP", true));
        assert!(parts.iter().all(|part| part.name != "dentry"));
    }
}
