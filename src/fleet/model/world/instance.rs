//! One relay of the fleet, as far as the model goes.

use crate::fleet::inbox::Inbox;
use crate::fleet::member::{Member, Settings};
use crate::fleet::model::engine::Heard;
use crate::fleet::pipeline::UNREAD_MAX;
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

pub(super) struct Instance {
    pub(super) member: Member,
    pub(super) inbox: Arc<Inbox>,
    pub(super) life: u64,
    /// Where its reader is.
    pub(super) reader: u64,
    /// The term in which it is connected to the origin, and the event that it got last.
    pub(super) connected: Option<(u64, u64)>,
    pub(super) is_cut_off: bool,
    pub(super) stands_still: bool,
    /// What happened to it while it stood still.
    pub(super) missed: VecDeque<Heard>,
    /// What it has published: sequence, and name of the numbering.
    pub(super) ring: Vec<(u64, String)>,
    /// Where it began to read.
    pub(super) behind: u64,
}

impl Instance {
    /// One that publishes from behind this message on. It reads as much before that as its judgement
    /// takes.
    pub(super) fn new(n: usize, life: u64, behind: u64, now: Instant) -> Self {
        let from = behind.saturating_sub(UNREAD_MAX as u64);
        let settings = Settings {
            instance: format!("i{n}"),
            token: format!("t{life}"),
            upstreams: 1,
            message_bytes_max: 1 << 20,
            checkpoint_every: Duration::from_secs(60),
            first_epoch: None,
            publish_behind: behind,
        };
        Self {
            member: Member::new(settings, from, now, life),
            inbox: Inbox::new(1 << 20),
            life,
            reader: from,
            connected: None,
            is_cut_off: false,
            stands_still: false,
            missed: VecDeque::new(),
            ring: Vec::new(),
            behind,
        }
    }
}
