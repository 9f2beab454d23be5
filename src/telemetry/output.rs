//! Where log lines go: a bounded queue, and a thread of its own that writes them to standard error.
//!
//! A line is put into the queue or dropped and counted, and never waited for: neither the log's
//! reader nor the disk that holds it can stop or end what serves clients. The thread survives every
//! error of `write`: a reader that has gone (EPIPE), a full disk (ENOSPC), a pipe without blocking
//! that is full (EAGAIN). See docs/decisions/0016.

use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;
use rustix::time::Timespec;
use std::collections::VecDeque;
use std::io;
use std::os::fd::AsFd;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tracing_subscriber::fmt::MakeWriter;

/// Lines that may wait: some seconds of a start with thousands of sources.
const LINES_MAX: usize = 4096;
/// Bytes that may wait, over all lines.
const BYTES_MAX: usize = 1024 * 1024;
/// Longest line: what an origin or a client puts into a field is cut here.
const LINE_BYTES_MAX: usize = 16 * 1024;
/// How often the thread asks again whether a pipe without blocking takes more.
const FULL_PAUSE: Timespec = Timespec {
    tv_sec: 0,
    tv_nsec: 100_000_000,
};
/// Time between two lines that say how many others were dropped.
const REPORT_EVERY: Duration = Duration::from_secs(10);

/// The queue. Clones are the same one.
#[derive(Debug, Clone, Default)]
pub(super) struct Output(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    queue: Mutex<Queue>,
    /// Notified when a line has come.
    filled: Condvar,
    /// Notified when all lines are written.
    emptied: Condvar,
    dropped: AtomicU64,
}

/// `bytes` is the sum of the lengths of `lines`; `writing`: the thread has taken lines that are not
/// written yet.
#[derive(Debug, Default)]
struct Queue {
    lines: VecDeque<Box<[u8]>>,
    bytes: usize,
    writing: bool,
}

impl Output {
    /// Starts the thread that writes to `descriptor` for as long as the process lives.
    pub(super) fn start(descriptor: impl AsFd + Send + 'static) -> io::Result<Self> {
        let output = Self::default();
        let other = output.clone();
        std::thread::Builder::new()
            .name("fanfare-log".to_owned())
            .spawn(move || other.run(&descriptor))?;
        Ok(output)
    }

    /// Lines that were not written.
    pub(super) fn dropped(&self) -> u64 {
        self.0.dropped.load(Ordering::Relaxed)
    }

    /// Queues a line, or drops it.
    pub(super) fn push(&self, line: &[u8]) {
        let line = shortened(line);
        let mut queue = self.queue();
        if queue.lines.len() >= LINES_MAX || queue.bytes + line.len() > BYTES_MAX {
            drop(queue);
            self.drop_line();
            return;
        }
        queue.bytes += line.len();
        queue.lines.push_back(line);
        drop(queue);
        self.0.filled.notify_one();
    }

    /// Waits until every line is written, for so long at most.
    pub(super) fn flush(&self, timeout: Duration) {
        let deadline = Instant::now() + timeout;
        let mut queue = self.queue();
        while !queue.lines.is_empty() || queue.writing {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return;
            }
            let waited = self.0.emptied.wait_timeout(queue, left);
            (queue, _) = waited.unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn run(&self, descriptor: &impl AsFd) {
        let mut lines = VecDeque::new();
        let mut broken = false;
        let (mut reported, mut next_report) = (0, Instant::now());
        loop {
            self.take(&mut lines);
            for line in lines.drain(..) {
                // A line of which a part was written is ended, so that only this one can't be read.
                let written = if broken {
                    write_all(descriptor, b"\n").and_then(|()| write_all(descriptor, &line))
                } else {
                    write_all(descriptor, &line)
                };
                match written {
                    Ok(()) => broken = false,
                    Err(part) => {
                        broken |= part > 0;
                        self.drop_line();
                    }
                }
            }
            let dropped = self.dropped();
            if dropped > reported && Instant::now() >= next_report {
                tracing::warn!(lines = dropped - reported, "log lines were dropped");
                (reported, next_report) = (dropped, Instant::now() + REPORT_EVERY);
            }
        }
    }

    /// Waits for lines, and takes all that are there.
    fn take(&self, lines: &mut VecDeque<Box<[u8]>>) {
        let mut queue = self.queue();
        queue.writing = false;
        if queue.lines.is_empty() {
            self.0.emptied.notify_all();
        }
        while queue.lines.is_empty() {
            queue = self.0.filled.wait(queue).unwrap_or_else(PoisonError::into_inner);
        }
        std::mem::swap(&mut queue.lines, lines);
        queue.bytes = 0;
        queue.writing = true;
    }

    fn drop_line(&self) {
        self.0.dropped.fetch_add(1, Ordering::Relaxed);
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.0.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Cut to [`LINE_BYTES_MAX`], with its line end.
fn shortened(line: &[u8]) -> Box<[u8]> {
    match line.get(..LINE_BYTES_MAX - 1) {
        Some(start) if line.len() > LINE_BYTES_MAX => [start, b"\n"].concat().into(),
        _ => line.into(),
    }
}

/// Writes all of it, or says how much of it was written.
fn write_all(descriptor: &impl AsFd, mut line: &[u8]) -> Result<(), usize> {
    let length = line.len();
    while !line.is_empty() {
        match rustix::io::write(descriptor, line) {
            Ok(written) if written > 0 => line = &line[written..],
            Err(Errno::INTR) => {}
            Err(Errno::AGAIN) => {
                // The pipe was given to us without blocking. If asking fails, writing will say why.
                let _ = poll(&mut [PollFd::new(descriptor, PollFlags::OUT)], Some(&FULL_PAUSE));
            }
            Ok(_) | Err(_) => return Err(length - line.len()),
        }
    }
    Ok(())
}

/// A line of a subscriber, which writes each as a whole.
pub(super) struct Line<'a>(&'a Output);

impl io::Write for Line<'_> {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.0.push(line);
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Output {
    type Writer = Line<'a>;

    fn make_writer(&'a self) -> Line<'a> {
        Line(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::OpenOptions;
    use std::io::{BufRead as _, BufReader, pipe};
    use std::os::fd::OwnedFd;

    const PATIENCE: Duration = Duration::from_secs(60);

    fn is_empty(output: &Output) -> bool {
        let queue = output.queue();
        queue.lines.is_empty() && !queue.writing
    }

    #[test]
    fn lines_come_in_order() {
        let (reader, writer) = pipe().expect("a pipe");
        let output = Output::start(writer).expect("a thread");
        for n in 0..1000 {
            output.push(format!("{n}\n").as_bytes());
        }
        let mut lines = BufReader::new(reader).lines();
        for n in 0..1000 {
            assert_eq!(lines.next().expect("a line").expect("readable"), n.to_string());
        }
        assert_eq!(output.dropped(), 0);
    }

    #[test]
    fn what_nobody_reads_is_bounded_and_does_not_block() {
        for nonblocking in [false, true] {
            let (reader, writer) = pipe().expect("a pipe");
            if nonblocking {
                rustix::io::ioctl_fionbio(&writer, true).expect("set");
            }
            let output = Output::start(writer).expect("a thread");
            let pushed = LINES_MAX as u64 * 10;
            for n in 0..pushed {
                output.push(format!("{n} {}\n", "x".repeat(100)).as_bytes());
            }
            assert!(output.dropped() > 0);
            assert!(output.queue().lines.len() <= LINES_MAX && output.queue().bytes <= BYTES_MAX);
            let began = Instant::now();
            output.flush(Duration::from_millis(50));
            assert!(began.elapsed() >= Duration::from_millis(50), "nobody reads");
            // Once there is a reader, every line that was not dropped comes, and is whole.
            let dropped = output.dropped();
            let mut lines = BufReader::new(reader).lines();
            for _ in 0..pushed - dropped {
                let line = lines.next().expect("a line").expect("readable");
                assert!(line.ends_with(&"x".repeat(100)), "{line}");
            }
            output.flush(PATIENCE);
            assert!(is_empty(&output));
            assert_eq!(output.dropped(), dropped);
        }
    }

    #[test]
    fn a_reader_that_goes_and_a_full_device_end_nothing() {
        let (reader, writer) = pipe().expect("a pipe");
        drop(reader);
        let full = OpenOptions::new().write(true).open("/dev/full").expect("a device");
        for descriptor in [OwnedFd::from(writer), full.into()] {
            let output = Output::start(descriptor).expect("a thread");
            for _ in 0..3 {
                output.push(b"lost\n");
            }
            output.flush(PATIENCE);
            assert!(is_empty(&output));
            assert_eq!(output.dropped(), 3);
        }
    }

    #[test]
    fn a_long_line_is_cut() {
        assert_eq!(shortened(b"short\n").len(), 6);
        let cut = shortened(&[b'x'; LINE_BYTES_MAX + 1]);
        assert_eq!((cut.len(), cut.last()), (LINE_BYTES_MAX, Some(&b'\n')));
    }
}
