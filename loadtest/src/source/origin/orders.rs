//! What the driver orders.

use super::Origin;
use crate::clock::now_ns;
use crate::control::{SourceOrder, SourceReport, say};
use crate::source::changelog::Changelog;
use crate::source::pace::Pace;
use crate::source::stream::Stream;
use std::sync::mpsc::TryRecvError;

impl Origin {
    /// Carries out what the driver ordered; `false`: it is gone.
    pub(super) fn orders(&mut self) -> bool {
        loop {
            let Some(orders) = &self.orders else { return true };
            match orders.try_recv() {
                Ok(SourceOrder::Start {
                    events_per_second,
                    burst,
                }) => {
                    self.rate = (events_per_second, burst);
                    self.late_max_ns = 0;
                    self.reschedule();
                }
                Ok(SourceOrder::Burst { events }) => {
                    self.bursting += events;
                    self.burst_ns = now_ns();
                    self.go_on_bursting();
                }
                Ok(SourceOrder::Volley { events, over_ns }) => {
                    self.pace = Some(Pace::counted(now_ns(), events, over_ns));
                }
                Ok(SourceOrder::End) => {
                    // All at the same length: the swarm takes one last number for all streams.
                    let longest = self.streams.iter().map(Stream::next).max().unwrap_or(1);
                    for index in 0..self.streams.len() {
                        while self.streams[index].next() < longest && !self.streams[index].ended {
                            self.write(index, now_ns());
                        }
                    }
                    self.ending = true;
                    for index in 0..self.streams.len() {
                        self.write(index, now_ns());
                        self.pump_readers(index);
                    }
                }
                Ok(SourceOrder::Stop) => {
                    self.rate.0 = 0.0;
                    self.pace = None;
                    self.bursting = 0;
                    let last = self.streams.iter().map(|stream| stream.next() - 1).max().unwrap_or(0);
                    let streams = self.streams.len() as u64;
                    say(&SourceReport::Stopped {
                        last,
                        streams,
                        skipped: 0,
                        late_max_us: self.late_max_ns / 1000,
                        batches: 0,
                        batches_ns: 0,
                        changelog: self.changelog.as_ref().map(Changelog::counts),
                    });
                }
                Err(TryRecvError::Empty) => return true,
                Err(TryRecvError::Disconnected) => return false,
            }
        }
    }
}
