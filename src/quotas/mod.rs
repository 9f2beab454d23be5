//! The quotas of the process: how many clients, proxied requests and channels it serves at one
//! time, and from which descriptors.
//!
//! Everything is taken at once or refused at once, and given back by `Drop`.

mod descriptors;
mod drain;
mod grant;
mod leaving;
mod quota;
mod rate;
mod take_over;
mod users;

pub use descriptors::Budget;
pub(crate) use descriptors::{Descriptor, Descriptors};
pub use grant::{Grant, User};
pub(crate) use quota::Quota;

use crate::config::Limits;
use crate::metrics::RefuseReason;
use arc_swap::ArcSwapOption;
use drain::Drain;
use rate::Rate;
use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;
use users::Users;

/// Requests that may be proxied at one time: what a few origins take, each with a thread or a
/// connection of its own for every one of them.
pub const PROXIED_MAX: usize = 1024;

/// Descriptors that a proxied request keeps in use: the client's connection, and one to the origin.
const PER_PROXIED: usize = 2;

/// The quotas in force, and what is taken of them.
pub struct Quotas {
    descriptors: Arc<Descriptors>,
    clients: Quota,
    channels: Quota,
    proxied: Quota,
    /// Of the proxied requests, those that the drain waits for.
    answers: Quota,
    per_ip_max: AtomicUsize,
    per_ip: Mutex<HashMap<IpAddr, usize>>,
    users: Users,
    rate: ArcSwapOption<Mutex<Rate>>,
    drain: Drain,
    /// Clients cut by the end of the drain.
    cut: AtomicUsize,
}

/// Counts a client; dropping it gives its place back.
pub struct ClientPermit {
    quotas: Arc<Quotas>,
    /// `None`: it has a connection of its own, is not counted by its address, and was let in without
    /// a grant. (A permit's size times the number of clients is memory.)
    owner: Option<Box<Owner>>,
}

/// Whose place it is.
#[derive(Default)]
struct Owner {
    /// Its descriptor is its connection's, which carries others too.
    shares_connection: bool,
    /// Counted by it.
    ip: Option<IpAddr>,
    grant: Option<Arc<Grant>>,
    /// Whether its user is counted.
    is_counted: bool,
}

/// Counts a proxied request; dropping it gives its place back.
pub struct ProxyPermit {
    quotas: Arc<Quotas>,
    /// Of the connection to the origin.
    _descriptor: Descriptor,
    is_awaited: bool,
}

/// The place of a connection that carries several clients; dropping it gives its place back.
pub struct ConnectionPermit(Arc<Quotas>);

/// Counts a channel; dropping it gives its place back.
pub(crate) struct ChannelPermit(Arc<Quotas>);

/// Holds the descriptors of a channel's upstreams until it is dropped.
pub(crate) struct UpstreamsPermit {
    quotas: Arc<Quotas>,
    descriptors: Vec<Descriptor>,
}

impl Quotas {
    /// What the configuration and the limit on open files allow.
    pub fn new(limits: &Limits, budget: &Budget) -> Arc<Self> {
        Arc::new(Self {
            descriptors: Arc::new(Descriptors::new(budget)),
            clients: Quota::new(limits.clients),
            channels: Quota::new(limits.channels),
            proxied: Quota::new(PROXIED_MAX),
            answers: Quota::new(PROXIED_MAX),
            per_ip_max: AtomicUsize::new(limits.clients_per_ip),
            per_ip: Mutex::new(HashMap::new()),
            users: Users::new(limits.clients_per_user),
            rate: ArcSwapOption::new(rate_of(limits)),
            drain: Drain::default(),
            cut: AtomicUsize::new(0),
        })
    }

    /// Puts other bounds in force, for those who come from now on. Where one is lower than what is
    /// taken, nobody is cut: newcomers are refused until it fits. Clients that came while
    /// `clients_per_ip` or `clients_per_user` was off are not counted by it.
    pub(crate) fn replace(&self, limits: &Limits, budget: &Budget) {
        self.descriptors.divide(budget);
        self.clients.set_max(limits.clients);
        self.channels.set_max(limits.channels);
        self.per_ip_max.store(limits.clients_per_ip, Ordering::Relaxed);
        self.users.set_max(limits.clients_per_user);
        // A rate that stays keeps its tokens.
        let same = self.rate.load().as_ref().map_or(0, |rate| {
            rate.lock().unwrap_or_else(PoisonError::into_inner).per_second()
        });
        if same != limits.accepts_per_second {
            self.rate.store(rate_of(limits));
        }
    }

    /// What connections take their descriptors from.
    pub(crate) fn descriptors(&self) -> &Arc<Descriptors> {
        &self.descriptors
    }

    /// Clients.
    pub fn clients(&self) -> usize {
        self.clients.taken()
    }

    /// Requests that are being proxied and that the drain waits for: no event streams and no
    /// WebSockets.
    pub fn proxied(&self) -> usize {
        self.answers.taken()
    }

    /// How many connections that have not asked for anything may be open at this moment.
    pub fn pending_max(&self) -> usize {
        self.descriptors.pending_max()
    }

    /// Admits a client with a connection of its own, or says why not. `grant`: what let it in,
    /// where access is restricted.
    pub fn admit(self: &Arc<Self>, ip: IpAddr, grant: Option<Arc<Grant>>) -> Result<ClientPermit, RefuseReason> {
        self.let_in(ip, grant, true)
    }

    /// Admits a client on a connection that has its place already.
    pub fn admit_stream(self: &Arc<Self>, ip: IpAddr, grant: Option<Arc<Grant>>) -> Result<ClientPermit, RefuseReason> {
        self.let_in(ip, grant, false)
    }

    /// The place of a connection that carries several clients; `None`: there is none.
    pub fn connection(self: &Arc<Self>) -> Option<ConnectionPermit> {
        self.descriptors.take_lasting(1).then(|| ConnectionPermit(self.clone()))
    }

    fn let_in(
        self: &Arc<Self>,
        ip: IpAddr,
        grant: Option<Arc<Grant>>,
        is_alone: bool,
    ) -> Result<ClientPermit, RefuseReason> {
        if self.draining() {
            return Err(RefuseReason::Draining);
        }
        if let Some(rate) = &*self.rate.load()
            && !rate.lock().unwrap_or_else(PoisonError::into_inner).take(Instant::now())
        {
            return Err(RefuseReason::Rate);
        }
        if !self.clients.take(1) {
            return Err(RefuseReason::Clients);
        }
        if is_alone && !self.descriptors.take_lasting(1) {
            self.clients.give_back(1);
            return Err(RefuseReason::Descriptors);
        }
        let mut permit = ClientPermit {
            quotas: self.clone(),
            owner: grant.map(|grant| {
                Box::new(Owner {
                    grant: Some(grant),
                    ..Owner::default()
                })
            }),
        };
        if !is_alone {
            permit.owner.get_or_insert_default().shares_connection = true;
        }
        // A Unix socket gives no address, and stands for many clients: a proxy in front.
        let per_ip_max = self.per_ip_max.load(Ordering::Relaxed);
        if per_ip_max > 0 && !ip.is_unspecified() {
            let ip = ip.to_canonical();
            let mut per_ip = self.per_ip();
            let count = per_ip.entry(ip).or_insert(0);
            if *count >= per_ip_max {
                drop(per_ip);
                return Err(RefuseReason::ClientsPerIp);
            }
            *count += 1;
            drop(per_ip);
            permit.owner.get_or_insert_default().ip = Some(ip);
        }
        if let Some(owner) = &mut permit.owner
            && let Some(user) = owner.grant.as_ref().and_then(|grant| grant.user.as_ref())
        {
            owner.is_counted = self.users.enter(user)?;
        }
        Ok(permit)
    }

    /// The place of a proxied request. Also in a process that drains: its connection has been let
    /// in before, and is closed after the answer.
    pub fn proxy(self: &Arc<Self>) -> Result<ProxyPermit, RefuseReason> {
        if !self.proxied.take(1) {
            return Err(RefuseReason::ProxiedRequests);
        }
        if !self.descriptors.take_proxied(PER_PROXIED) {
            self.proxied.give_back(1);
            return Err(RefuseReason::Descriptors);
        }
        let Some(descriptor) = self.descriptors.take() else {
            self.descriptors.give_back_proxied(PER_PROXIED);
            self.proxied.give_back(1);
            return Err(RefuseReason::Descriptors);
        };
        // It has as much as `proxied`, which is taken.
        let is_awaited = self.answers.take(1);
        Ok(ProxyPermit {
            quotas: self.clone(),
            _descriptor: descriptor,
            is_awaited,
        })
    }

    /// The place of a channel.
    pub(crate) fn open_channel(self: &Arc<Self>) -> Result<ChannelPermit, RefuseReason> {
        match self.channels.take(1) {
            true => Ok(ChannelPermit(self.clone())),
            false => Err(RefuseReason::Channels),
        }
    }

    /// The descriptors of a channel's upstreams: also of those that are about to reconnect.
    pub(crate) fn open_upstreams(self: &Arc<Self>, count: usize) -> Result<UpstreamsPermit, RefuseReason> {
        if !self.descriptors.take_lasting(count) {
            return Err(RefuseReason::Descriptors);
        }
        let descriptors: Vec<_> = std::iter::from_fn(|| self.descriptors.take()).take(count).collect();
        if descriptors.len() < count {
            self.descriptors.give_back_lasting(count);
            return Err(RefuseReason::Descriptors);
        }
        Ok(UpstreamsPermit {
            quotas: self.clone(),
            descriptors,
        })
    }

    fn per_ip(&self) -> MutexGuard<'_, HashMap<IpAddr, usize>> {
        self.per_ip.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// `None`: no limit.
fn rate_of(limits: &Limits) -> Option<Arc<Mutex<Rate>>> {
    let per_second = limits.accepts_per_second;
    (per_second > 0).then(|| Arc::new(Mutex::new(Rate::new(per_second, Instant::now()))))
}

impl ClientPermit {
    /// Counts its client as cut by the end of the drain. To be called before the permit is dropped.
    pub(crate) fn was_cut(&self) {
        self.quotas.cut.fetch_add(1, Ordering::SeqCst);
    }

    /// What let its client in, where access is restricted.
    pub(crate) fn grant(&self) -> Option<&Arc<Grant>> {
        self.owner.as_ref()?.grant.as_ref()
    }
}

impl ProxyPermit {
    /// The response has no end of its own (an event stream, a WebSocket): the drain does not wait
    /// for it, and cuts it without calling that a failure.
    pub(crate) fn not_awaited(&mut self) {
        if std::mem::take(&mut self.is_awaited) {
            self.quotas.answers.give_back(1);
        }
    }
}

impl Owner {
    fn leave(&self, quotas: &Quotas) {
        if let Some(ip) = &self.ip {
            let mut per_ip = quotas.per_ip();
            if let Some(count) = per_ip.get_mut(ip) {
                *count -= 1;
                if *count == 0 {
                    per_ip.remove(ip);
                }
            }
        }
        if self.is_counted
            && let Some(user) = self.grant.as_ref().and_then(|grant| grant.user.as_ref())
        {
            quotas.users.leave(user);
        }
    }
}

impl Drop for ClientPermit {
    fn drop(&mut self) {
        let owner = self.owner.take();
        if let Some(owner) = &owner {
            owner.leave(&self.quotas);
        }
        if !owner.is_some_and(|owner| owner.shares_connection) {
            self.quotas.descriptors.give_back_lasting(1);
        }
        self.quotas.clients.give_back(1);
    }
}

impl Drop for ConnectionPermit {
    fn drop(&mut self) {
        self.0.descriptors.give_back_lasting(1);
    }
}

impl Drop for ProxyPermit {
    fn drop(&mut self) {
        self.quotas.descriptors.give_back_proxied(PER_PROXIED);
        self.quotas.proxied.give_back(1);
        self.not_awaited();
    }
}

impl Drop for ChannelPermit {
    fn drop(&mut self) {
        self.0.channels.give_back(1);
    }
}

impl Drop for UpstreamsPermit {
    fn drop(&mut self) {
        self.quotas.descriptors.give_back_lasting(self.descriptors.len());
    }
}
