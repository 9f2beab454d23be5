//! What a successor process has to know of the ids that the log has let go: an id that comes back
//! must not be taken for a new one.

use super::seed::Seed;
use super::{CELLS_MIN, Cell, Index, Table, cells_of};
use crate::log::position::Cursor;
use crate::sync::{AtomicUsize, Ordering, Swap};
use std::sync::Arc;

/// The ids that the index remembers though the log has let them go, by their hashes.
#[derive(Debug)]
pub(in crate::log) struct Forgotten {
    pub(in crate::log) seed: Seed,
    /// Cells of the table. It can't be larger in the successor, since more of each hash is not known.
    pub(in crate::log) cells: u64,
    /// The last use of each, oldest first, and its hash: the upper half, and as many of the lower
    /// bits as `cells` counts.
    pub(in crate::log) uses: Vec<(Cursor, u64)>,
}

impl Index {
    /// What is remembered of ids whose last use is before the tail. Only the writer calls this.
    pub(in crate::log) fn forgotten(&self, tail: Cursor) -> Forgotten {
        let table = self.table();
        let mut uses = Vec::new();
        for (bucket, newest) in table.newest.iter().enumerate() {
            let mut cursor = newest.load(Ordering::Relaxed);
            while cursor != Cursor::START && table.holds(cursor) {
                let cell = Cell::unpack(table.cell(cursor).load(Ordering::Relaxed));
                if cursor < tail {
                    uses.push((cursor, u64::from(cell.tag) << 32 | bucket as u64));
                }
                cursor = cell.older(cursor);
            }
        }
        uses.sort_unstable();
        Forgotten {
            seed: self.seed.clone(),
            cells: table.len() as u64,
            uses,
        }
    }

    /// The index of a successor, before the kept entries are entered.
    pub(in crate::log) fn remembering(events_max: usize, forgotten: &Forgotten) -> Self {
        let cells_max = cells_of(events_max);
        let cells = usize::try_from(forgotten.cells).unwrap_or(cells_max);
        let cells = cells.clamp(CELLS_MIN, cells_max).next_power_of_two();
        let known = Table::new(cells);
        for &(cursor, hash) in &forgotten.uses {
            known.insert(hash, cursor);
        }
        let table = Swap::empty();
        table.store(Some(Arc::new(known)));
        Self {
            table,
            seed: forgotten.seed.clone(),
            cells_max: AtomicUsize::new(cells_max),
        }
    }
}
