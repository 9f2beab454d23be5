//! The thread of a directory: writes the logs that have grown, and syncs them in time.

use super::work::{Due, List, Task, Work};
use crate::critical::CriticalTasks;
use std::io;
use std::mem;
use std::sync::Arc;
use std::thread::{Builder, JoinHandle};
use std::time::{Duration, Instant};

/// Rounds begin no sooner one after the other: what comes in between is written together. So long
/// may an event be in memory alone, where the disk takes all at once.
const ROUND_MIN: Duration = Duration::from_millis(1);

/// What is to be done later, though nothing is added.
struct Later {
    log: Arc<dyn Task>,
    at: Instant,
}

/// Starts the thread. Its panic ends the process: events would be kept no longer, in silence.
pub(super) fn start(work: Arc<Work>, critical: CriticalTasks) -> io::Result<JoinHandle<()>> {
    let name = "fanfare-kept";
    Builder::new()
        .name(name.to_owned())
        .spawn(move || critical.run("the thread that keeps logs on disk", || run(&work)))
}

fn run(work: &Work) {
    let mut later: Vec<Later> = Vec::new();
    loop {
        let List {
            grown,
            mut removed,
            is_over,
        } = work.take(later.iter().map(|later| later.at).min());
        let began = Instant::now();
        for files in &mut removed {
            if let Err(error) = files.remove() {
                tracing::warn!(%error, "the folder of a channel that is no more can't be removed");
            }
        }
        for log in grown {
            note(log.write(), &log, &mut later);
        }
        for due in mem::take(&mut later) {
            match due.at <= began {
                true => note(due.log.go_on(), &due.log, &mut later),
                false => later.push(due),
            }
        }
        if is_over {
            return;
        }
        std::thread::sleep(ROUND_MIN.saturating_sub(began.elapsed()));
    }
}

/// What is due for a log later is due once, at the first of its times.
fn note(due: Due, log: &Arc<dyn Task>, later: &mut Vec<Later>) {
    if let Some(at) = due
        && !later.iter().any(|later| Arc::ptr_eq(&later.log, log))
    {
        later.push(Later { log: log.clone(), at });
    }
}
