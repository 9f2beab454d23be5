//! The quotas of the process: how many clients and proxied requests it serves at one time, handed out as permits.

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
/// Beyond it the one that has waited longest is closed: clients keep their descriptors, and a connection that sends its
/// request is served.
pub const HANDSHAKES_MAX: usize = 8192;

/// Requests that may be proxied at one time: what a few origins take, each with a thread or a connection of its own for every
/// one of them.
pub const PROXIED_MAX: usize = 1024;

/// The quotas in force, and what is taken of them.
pub struct Quotas {
    clients_max: usize,
    clients: AtomicUsize,
    handshakes_reserved: usize,
    proxied: AtomicUsize,
    per_ip_max: usize,
    per_ip: Mutex<HashMap<IpAddr, usize>>,
    rate: Option<Mutex<Bucket>>,
    draining: AtomicBool,
    /// Clients cut by the end of the drain.
    cut: AtomicUsize,
    /// Notified when the drain begins.
    leaving: Notify,
    /// Notified when the last client, or the last proxied request, leaves a process that drains.
    emptied: Notify,
}

/// Counts a client; dropping it gives its place back.
pub struct ClientPermit {
    quotas: Arc<Quotas>,
    /// Only where places are counted by address.
    ip: Option<Box<IpAddr>>,
}

/// Counts a proxied request; dropping it gives its place back.
pub struct ProxyPermit {
    quotas: Arc<Quotas>,
}

/// Tokens that fill up with time.
struct Bucket {
    per_second: f64,
    tokens: f64,
    filled: Instant,
}

impl Quotas {
    /// `descriptors` is how many the process may have open in all.
    pub fn new(limits: &Limits, descriptors: u64) -> Arc<Self> {
        let descriptors = usize::try_from(descriptors).unwrap_or(usize::MAX);
        let fit = clients_that_fit(descriptors);
        let per_second = f64::from(limits.accepts_per_second);
        Arc::new(Self {
            clients_max: limits.clients.min(fit),
            clients: AtomicUsize::new(0),
            handshakes_reserved: reserved(descriptors) / 2,
            proxied: AtomicUsize::new(0),
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

    /// Requests that are being proxied.
    pub fn proxied(&self) -> usize {
        self.proxied.load(Ordering::SeqCst)
    }

    /// From now on every client is refused.
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
            if self.clients() == 0 && self.proxied() == 0 {
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

    /// Admits a client, or says why not.
    pub fn admit(self: &Arc<Self>, ip: IpAddr) -> Result<ClientPermit, RefuseReason> {
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
        let mut permit = ClientPermit {
            quotas: self.clone(),
            ip: None,
        };
        // A Unix socket gives no address, and stands for many clients: a proxy in front.
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
    pub fn proxy(self: &Arc<Self>) -> Result<ProxyPermit, RefuseReason> {
        let max = PROXIED_MAX.min(self.handshakes_max() / 2).max(1);
        if !take_one(&self.proxied, max) {
            return Err(RefuseReason::Passes);
        }
        Ok(ProxyPermit { quotas: self.clone() })
    }

    fn per_ip(&self) -> std::sync::MutexGuard<'_, HashMap<IpAddr, usize>> {
        self.per_ip.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl ClientPermit {
    /// Counts its client as cut by the end of the drain. To be called before the permit is dropped.
    pub(crate) fn was_cut(&self) {
        self.quotas.cut.fetch_add(1, Ordering::SeqCst);
    }
}

impl Drop for ClientPermit {
    fn drop(&mut self) {
        if self.quotas.clients.fetch_sub(1, Ordering::SeqCst) == 1 && self.quotas.draining() {
            self.quotas.emptied.notify_waiters();
        }
        if let Some(ip) = self.ip.take() {
            let mut per_ip = self.quotas.per_ip();
            if let Some(count) = per_ip.get_mut(&*ip) {
                *count -= 1;
                if *count == 0 {
                    per_ip.remove(&*ip);
                }
            }
        }
    }
}

impl Drop for ProxyPermit {
    fn drop(&mut self) {
        if self.quotas.proxied.fetch_sub(1, Ordering::SeqCst) == 1 && self.quotas.draining() {
            self.quotas.emptied.notify_waiters();
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
