//! Who may come in: counted places, handed out as guards.

use crate::config::Limits;
use crate::metrics::RefuseReason;
use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;
use tokio::sync::Notify;

/// Connections that may wait for their request, or be refused with an answer, beside the clients that are in.
///
/// Beyond it the one that has waited longest is closed: whoever is in keeps descriptors and memory, and whoever sends a request
/// gets in.
pub const HANDSHAKES_MAX: usize = 8192;

/// Requests that may be passed to origins at one time: what a few origins take, each with a thread or a connection of its own for every
/// one of them.
pub const PASSES_MAX: usize = 1024;

/// The process's places.
pub struct Admission {
    clients_max: usize,
    clients: AtomicUsize,
    handshakes_reserved: usize,
    passes: AtomicUsize,
    per_ip_max: usize,
    per_ip: Mutex<HashMap<IpAddr, usize>>,
    rate: Option<Mutex<Bucket>>,
    draining: AtomicBool,
    /// Clients cut by the end of the drain.
    cut: AtomicUsize,
    /// Told when the drain begins.
    leaving: Notify,
    /// Told when the last client, or the last passed request, leaves a process that drains.
    emptied: Notify,
}

/// A client's place; dropping it gives it back.
pub struct Permit {
    admission: Arc<Admission>,
    /// Only where places are counted by address.
    ip: Option<Box<IpAddr>>,
}

/// The place of a request that is passed; dropping it gives it back.
pub struct PassPermit {
    admission: Arc<Admission>,
}

/// Tokens that fill up with time.
struct Bucket {
    per_second: f64,
    tokens: f64,
    filled: Instant,
}

impl Admission {
    /// `descriptors` is how many the process may have open in all.
    pub fn new(limits: &Limits, descriptors: u64) -> Arc<Self> {
        let descriptors = usize::try_from(descriptors).unwrap_or(usize::MAX);
        let fit = clients_that_fit(descriptors);
        let per_second = f64::from(limits.accepts_per_second);
        Arc::new(Self {
            clients_max: limits.clients.min(fit),
            clients: AtomicUsize::new(0),
            handshakes_reserved: reserved(descriptors) / 2,
            passes: AtomicUsize::new(0),
            per_ip_max: limits.clients_per_ip,
            per_ip: Mutex::new(HashMap::new()),
            rate: (limits.accepts_per_second > 0).then(|| {
                Mutex::new(Bucket {
                    per_second,
                    tokens: per_second,
                    filled: Instant::now(),
                })
            }),
            draining: AtomicBool::new(false),
            cut: AtomicUsize::new(0),
            leaving: Notify::new(),
            emptied: Notify::new(),
        })
    }

    /// How many clients may be in at one time.
    pub fn clients_max(&self) -> usize {
        self.clients_max
    }

    /// Clients that are in.
    pub fn clients(&self) -> usize {
        self.clients.load(Ordering::SeqCst)
    }

    /// Requests that are being passed.
    pub fn passes(&self) -> usize {
        self.passes.load(Ordering::SeqCst)
    }

    /// From now on everybody is refused.
    pub fn drain(&self) {
        self.draining.store(true, Ordering::SeqCst);
        self.leaving.notify_waiters();
    }

    /// Completes when the process is leaving.
    pub async fn leaving(&self) {
        loop {
            // Register, then look.
            let leaving = self.leaving.notified();
            tokio::pin!(leaving);
            leaving.as_mut().enable();
            if self.draining() {
                return;
            }
            leaving.await;
        }
    }

    /// Whether the process is leaving.
    pub fn draining(&self) -> bool {
        self.draining.load(Ordering::Relaxed)
    }

    /// Clients that had to be cut because they did not leave in time.
    pub fn cut(&self) -> usize {
        self.cut.load(Ordering::SeqCst)
    }

    /// Completes when no client is in, and no request is being passed.
    pub async fn empty(&self) {
        loop {
            // Register, then look.
            let emptied = self.emptied.notified();
            tokio::pin!(emptied);
            emptied.as_mut().enable();
            if self.clients() == 0 && self.passes() == 0 {
                return;
            }
            emptied.await;
        }
    }

    /// How many connections may wait for their request at this moment: those that have descriptors of their own, and what clients leave
    /// free.
    pub fn handshakes_max(&self) -> usize {
        let free = self.clients_max.saturating_sub(self.clients());
        HANDSHAKES_MAX.min(self.handshakes_reserved + free)
    }

    /// A client's place.
    pub fn enter(self: &Arc<Self>, ip: IpAddr) -> Result<Permit, RefuseReason> {
        if self.draining() {
            return Err(RefuseReason::Draining);
        }
        if let Some(rate) = &self.rate
            && !rate.lock().unwrap_or_else(PoisonError::into_inner).take(Instant::now())
        {
            return Err(RefuseReason::Rate);
        }
        if !take_one(&self.clients, self.clients_max) {
            return Err(RefuseReason::Clients);
        }
        let mut permit = Permit {
            admission: self.clone(),
            ip: None,
        };
        // Whoever comes over a Unix socket has no address: they are many behind it, not one.
        if self.per_ip_max > 0 && !ip.is_unspecified() {
            let ip = ip.to_canonical();
            let mut per_ip = self.per_ip();
            let count = per_ip.entry(ip).or_insert(0);
            if *count >= self.per_ip_max {
                drop(per_ip);
                return Err(RefuseReason::ClientsPerIp);
            }
            *count += 1;
            permit.ip = Some(Box::new(ip));
        }
        Ok(permit)
    }

    /// The place of a request that is passed. Also in a process that drains: its connection has been let in before, and is closed
    /// after the answer. It is passed over a connection of its own, so half of those that may wait may be passed.
    pub fn pass(self: &Arc<Self>) -> Result<PassPermit, RefuseReason> {
        let max = PASSES_MAX.min(self.handshakes_max() / 2).max(1);
        if !take_one(&self.passes, max) {
            return Err(RefuseReason::Passes);
        }
        Ok(PassPermit {
            admission: self.clone(),
        })
    }

    fn per_ip(&self) -> std::sync::MutexGuard<'_, HashMap<IpAddr, usize>> {
        self.per_ip.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Permit {
    /// Its client is cut by the end of the drain. To be said before the place is given back.
    pub(crate) fn was_cut(&self) {
        self.admission.cut.fetch_add(1, Ordering::SeqCst);
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        if self.admission.clients.fetch_sub(1, Ordering::SeqCst) == 1 && self.admission.draining() {
            self.admission.emptied.notify_waiters();
        }
        if let Some(ip) = self.ip.take() {
            let mut per_ip = self.admission.per_ip();
            if let Some(count) = per_ip.get_mut(&*ip) {
                *count -= 1;
                if *count == 0 {
                    per_ip.remove(&*ip);
                }
            }
        }
    }
}

impl Drop for PassPermit {
    fn drop(&mut self) {
        if self.admission.passes.fetch_sub(1, Ordering::SeqCst) == 1 && self.admission.draining() {
            self.admission.emptied.notify_waiters();
        }
    }
}

impl Bucket {
    fn take(&mut self, now: Instant) -> bool {
        let elapsed = now.saturating_duration_since(self.filled).as_secs_f64();
        self.tokens = (self.tokens + elapsed * self.per_second).min(self.per_second);
        self.filled = now;
        let enough = self.tokens >= 1.0;
        if enough {
            self.tokens -= 1.0;
        }
        enough
    }
}

/// Descriptors kept for everything but clients: handshakes, upstreams, the admin, files.
fn reserved(descriptors: usize) -> usize {
    (descriptors / 20).clamp(64, HANDSHAKES_MAX).min(descriptors / 2)
}

/// How many clients fit under a limit of open files.
pub fn clients_that_fit(descriptors: usize) -> usize {
    descriptors - reserved(descriptors)
}

fn take_one(count: &AtomicUsize, max: usize) -> bool {
    count
        .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |n| (n < max).then_some(n + 1))
        .is_ok()
}
