//! A source of events under the driver's control: the origin, a publisher, or the floor.

use super::child::{self, Guarded};
use crate::control::{SourceOrder, SourceReport};
use crate::source::changelog;
use anyhow::{Context, Result, bail};
use std::io::{BufRead, BufReader, Write};
use std::net::SocketAddr;
use std::process::{ChildStdin, ChildStdout};
use std::time::Duration;

/// A source process.
pub(crate) struct Source {
    process: Guarded,
    orders: ChildStdin,
    reports: BufReader<ChildStdout>,
    pub(crate) address: SocketAddr,
    /// Where it serves what its events are hints at.
    pub(crate) changelog: Option<SocketAddr>,
    /// More of the same, which send the same at the same time: floors beside each other.
    beside: Vec<Source>,
}

/// What a source says when it stops.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Stopped {
    /// The last number sent, of the stream that sent most.
    pub(crate) last: u64,
    pub(crate) skipped: u64,
    pub(crate) late_max: Duration,
    /// The floor's batches, and what they took from the first write to the last.
    pub(crate) batches: u64,
    pub(crate) batches_time: Duration,
    pub(crate) changelog: Option<changelog::Counts>,
}

impl Source {
    /// Starts one of our subcommands that understands `--control`.
    pub(crate) fn start(arguments: &[String], cores: &[usize]) -> Result<Self> {
        let mut child = child::own(arguments, cores)?;
        let orders = child.stdin.take().context("a child without stdin")?;
        let mut reports = BufReader::new(child.stdout.take().context("a child without stdout")?);
        let process = Guarded::new(child);
        match read(&mut reports)? {
            SourceReport::Listening { address, changelog } => Ok(Self {
                process,
                changelog,
                orders,
                reports,
                address,
                beside: Vec::new(),
            }),
            other => bail!("the event source began with {other:?}"),
        }
    }

    /// With more of the same, which get the same orders.
    pub(crate) fn with(self, beside: Vec<Source>) -> Self {
        Self { beside, ..self }
    }

    /// The processes.
    pub(crate) fn pids(&self) -> Vec<u32> {
        let own = std::iter::once(self.process.pid());
        own.chain(self.beside.iter().flat_map(Source::pids)).collect()
    }

    /// Begins to send, at this rate on each stream.
    pub(crate) fn run(&mut self, events_per_second: f64, burst: u32) -> Result<()> {
        self.order(SourceOrder::Start {
            events_per_second,
            burst,
        })
    }

    /// Sends so many events at once on each stream.
    pub(crate) fn burst(&mut self, events: u64) -> Result<()> {
        self.order(SourceOrder::Burst { events })
    }

    /// Sends so many events evenly over a time.
    pub(crate) fn volley(&mut self, events: u64, over: Duration) -> Result<()> {
        let over_ns = crate::clock::ns(over);
        self.order(SourceOrder::Volley { events, over_ns })
    }

    /// Ends every stream with a terminal event.
    pub(crate) fn end(&mut self) -> Result<()> {
        self.order(SourceOrder::End)
    }

    /// Stops sending.
    pub(crate) fn stop(&mut self) -> Result<Stopped> {
        self.order(SourceOrder::Stop)?;
        let mut sum = self.stopped()?;
        for beside in &mut self.beside {
            sum.add(&beside.stopped()?);
        }
        Ok(sum)
    }

    fn stopped(&mut self) -> Result<Stopped> {
        match read(&mut self.reports)? {
            SourceReport::Stopped {
                last,
                skipped,
                late_max_us,
                changelog,
                batches,
                batches_ns,
                ..
            } => Ok(Stopped {
                last,
                changelog,
                skipped,
                late_max: Duration::from_micros(late_max_us),
                batches,
                batches_time: Duration::from_nanos(batches_ns),
            }),
            other => bail!("the event source answered {other:?}"),
        }
    }

    fn order(&mut self, order: SourceOrder) -> Result<()> {
        let mut line = serde_json::to_vec(&order)?;
        line.push(b'\n');
        for source in std::iter::once(&mut self.orders).chain(self.beside.iter_mut().map(|beside| &mut beside.orders)) {
            source
                .write_all(&line)
                .and_then(|()| source.flush())
                .context("the event source has gone")?;
        }
        Ok(())
    }
}

impl Stopped {
    /// What another one says, which has sent the same.
    fn add(&mut self, other: &Stopped) {
        self.last = self.last.max(other.last);
        self.skipped += other.skipped;
        self.late_max = self.late_max.max(other.late_max);
        self.batches += other.batches;
        self.batches_time += other.batches_time;
    }
}

fn read(reports: &mut BufReader<ChildStdout>) -> Result<SourceReport> {
    let mut line = String::new();
    if reports.read_line(&mut line)? == 0 {
        bail!("the event source ended; its reason is above");
    }
    serde_json::from_str(&line).with_context(|| format!("the event source said {line:?}"))
}
