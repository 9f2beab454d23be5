//! The listeners for clients: bound before anything is changed, and closed without cutting those
//! who have come by them.

use super::handover::{Inherited, Role};
use super::start_error::{ListenerName, StartError};
use crate::config::{ClientListener, Listen};
use crate::critical::CriticalTasks;
use crate::http::{ClientSide, Server};
use crate::metrics::{Metrics, ReloadOutcome};
use crate::net::tls::{Certificates, TlsListener};
use crate::net::{Listener, accept, accept_last, bind, watch};
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::io::unix::AsyncFd;
use tokio::runtime::Handle;
use tokio::task::JoinHandle;

/// All listeners for clients, in the order of the configuration. Dropping it closes them.
pub(super) struct Listeners {
    running: Mutex<Vec<Running>>,
    server: Arc<Server>,
    critical: CriticalTasks,
    metrics: Arc<Metrics>,
    certificates: Mutex<Option<Watched>>,
    /// Where connections are accepted.
    runtime: Handle,
}

/// Listeners that are bound and of which nothing is accepted yet.
pub(super) struct Bound {
    new: Vec<(ClientListener, Listener, Option<Arc<TlsListener>>)>,
    /// For those that are there, and have other TLS from now on.
    changed: Vec<(ClientListener, Option<Arc<TlsListener>>)>,
}

struct Running {
    configured: ClientListener,
    socket: Arc<AsyncFd<Listener>>,
    tls: Option<Arc<TlsListener>>,
    task: JoinHandle<()>,
}

/// The certificates of the listeners that there are, and the task that looks at their files.
struct Watched {
    certificates: Arc<Certificates>,
    watching: JoinHandle<()>,
}

impl Drop for Watched {
    fn drop(&mut self) {
        self.watching.abort();
    }
}

/// The TLS of a listener, if it has one.
fn tls_of(name: &str, configured: &ClientListener) -> Result<Option<Arc<TlsListener>>, StartError> {
    let Some(settings) = &configured.tls else {
        return Ok(None);
    };
    match TlsListener::new(name.to_owned(), settings) {
        Ok(listener) => Ok(Some(Arc::new(listener))),
        Err(error) => Err(StartError::Tls {
            listener: name.to_owned(),
            error,
        }),
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Bound {
    /// Binds those of the wanted listeners that are not there, and that nobody has bound for us.
    fn new(wanted: &[ClientListener], mut there: Vec<Listen>, inherited: &mut Inherited) -> Result<Self, StartError> {
        let names = ListenerName::of_clients(wanted);
        // Several may be at a port that the system chooses.
        let missing = wanted.iter().zip(names).filter(|(configured, _)| {
            let at = there.iter().position(|address| *address == configured.address);
            at.map(|at| there.swap_remove(at)).is_none()
        });
        let bound = missing.map(|(configured, listener)| {
            let socket = match inherited.take(Role::Clients, &configured.address) {
                Some(socket) => socket.listener(&configured.address),
                None => bind(&configured.address),
            };
            let socket = socket.map_err(|error| StartError::Bind { listener, error })?;
            let tls = tls_of(&socket.to_string(), configured)?;
            Ok((configured.clone(), socket, tls))
        });
        Ok(Self {
            new: bound.collect::<Result<_, StartError>>()?,
            changed: Vec::new(),
        })
    }

    /// All listeners of a configuration, for the start.
    pub(super) fn all(wanted: &[ClientListener], inherited: &mut Inherited) -> Result<Self, StartError> {
        Self::new(wanted, Vec::new(), inherited)
    }
}

impl Listeners {
    /// None yet. To be called within the runtime that is to accept.
    pub(super) fn new(server: Arc<Server>, critical: CriticalTasks, metrics: Arc<Metrics>) -> Self {
        Self {
            running: Mutex::default(),
            server,
            critical,
            metrics,
            certificates: Mutex::default(),
            runtime: Handle::current(),
        }
    }

    /// Binds what a configuration has beyond the listeners that there are.
    pub(super) fn bind(&self, wanted: &[ClientListener]) -> Result<Bound, StartError> {
        let running = self.running();
        let there = running.iter().map(|running| running.configured.address.clone());
        let mut bound = Bound::new(wanted, there.collect(), &mut Inherited::default())?;
        for configured in wanted {
            if let Some(same) = running.iter().find(|running| running.is_at(configured))
                && same.configured != *configured
            {
                let tls = tls_of(&same.socket.get_ref().to_string(), configured)?;
                bound.changed.push((configured.clone(), tls));
            }
        }
        Ok(bound)
    }

    /// Makes these the listeners. One that is not among them accepts what waits for it, and is
    /// closed; its clients stay.
    pub(super) fn replace(&self, wanted: &[ClientListener], bound: Bound) -> io::Result<()> {
        let _runtime = self.runtime.enter();
        let mut running = self.running();
        let mut new = Vec::new();
        for (configured, listener, tls) in bound.new {
            tracing::info!(address = %listener, tls = tls.is_some(), "listening for clients");
            listener.taken_over();
            new.push(self.start(configured, Arc::new(watch(listener)?), tls));
        }
        let mut before = std::mem::take(&mut *running);
        for configured in wanted {
            let list = if before.iter().any(|other| other.is_at(configured)) {
                &mut before
            } else {
                &mut new
            };
            // Several may be at a port that the system chooses: the one that is meant, if it is there.
            let same = list.iter().position(|other| other.configured == *configured);
            let Some(at) = same.or_else(|| list.iter().position(|other| other.is_at(configured))) else {
                continue;
            };
            let same = list.remove(at);
            running.push(match same.configured == *configured {
                true => same,
                // Its socket stays: no connection is refused meanwhile.
                false => {
                    let tls = bound.changed.iter().find(|(other, _)| other == configured);
                    let tls = tls.and_then(|(_, tls)| tls.clone());
                    self.start(configured.clone(), same.socket.clone(), tls)
                }
            });
        }
        for gone in before {
            gone.task.abort();
            self.accept_last(&gone);
        }
        let tls = running.iter().filter_map(|running| running.tls.clone());
        let certificates = Certificates::new(tls.collect(), self.metrics.clone());
        let watching = self.runtime.spawn(certificates.clone().watch());
        *self.certificates.lock().unwrap_or_else(PoisonError::into_inner) = Some(Watched { certificates, watching });
        Ok(())
    }

    /// Reads the certificates again: they are all replaced, or none.
    pub(super) fn reload_certificates(&self) -> ReloadOutcome {
        let watched = self.certificates.lock().unwrap_or_else(PoisonError::into_inner);
        watched
            .as_ref()
            .map_or(ReloadOutcome::Unchanged, |watched| watched.certificates.reload())
    }

    /// The same, counted as a reload.
    pub(super) fn reload_certificates_and_count(&self) {
        self.metrics.reloaded(self.reload_certificates());
    }

    /// Closes all of them. Completes once nothing is accepted any more.
    pub(super) async fn close(&self) {
        let running = std::mem::take(&mut *self.running());
        for mut running in running {
            running.task.abort();
            // Its being aborted is what was wanted.
            let _ = (&mut running.task).await;
        }
    }

    /// Accepts nothing for now; who connects waits in the kernel's queue. Completes once nothing is
    /// accepted any more.
    pub(super) async fn pause(&self) {
        let mut tasks = Vec::new();
        for running in &mut *self.running() {
            running.task.abort();
            tasks.push(std::mem::replace(&mut running.task, self.runtime.spawn(async {})));
        }
        for task in tasks {
            // Its being aborted is what was wanted.
            let _ = task.await;
        }
    }

    /// Accepts again.
    pub(super) fn resume(&self) {
        for running in &mut *self.running() {
            let again = self.start(running.configured.clone(), running.socket.clone(), running.tls.clone());
            *running = again;
        }
    }

    /// The sockets, for another process, in the order of the configuration.
    pub(super) fn sockets(&self) -> Vec<(Listen, Arc<AsyncFd<Listener>>)> {
        let running = self.running();
        let sockets = running.iter();
        sockets
            .map(|running| (running.configured.address.clone(), running.socket.clone()))
            .collect()
    }

    /// Another process goes on with those that it has taken; what waits at the others is accepted,
    /// as they are closed.
    pub(super) fn handed_over(&self, is_taken: impl Fn(usize) -> bool) {
        let _runtime = self.runtime.enter();
        for (place, running) in self.running().iter().enumerate() {
            match is_taken(place) {
                true => running.socket.get_ref().handed_over(),
                false => self.accept_last(running),
            }
        }
    }

    fn accept_last(&self, running: &Running) {
        let clients = self.client_side(&running.configured, running.tls.clone());
        accept_last(running.socket.get_ref(), &clients, self.server.descriptors());
        tracing::info!(address = %running.socket.get_ref(), "no longer listening for clients");
    }

    /// Where they listen; `None` for Unix sockets.
    pub(super) fn addresses(&self) -> Vec<Option<SocketAddr>> {
        self.running()
            .iter()
            .map(|running| running.socket.get_ref().address())
            .collect()
    }

    fn client_side(&self, configured: &ClientListener, tls: Option<Arc<TlsListener>>) -> ClientSide {
        ClientSide::new(self.server.clone(), configured.proxy_protocol, tls)
    }

    fn start(
        &self,
        configured: ClientListener,
        socket: Arc<AsyncFd<Listener>>,
        tls: Option<Arc<TlsListener>>,
    ) -> Running {
        let part = format!("the listener {}", socket.get_ref());
        let accepting = accept(
            socket.clone(),
            self.client_side(&configured, tls.clone()),
            self.server.descriptors().clone(),
        );
        let critical = self.critical.clone();
        let name = part.clone();
        let accepting = async move {
            if let Err(error) = accepting.await {
                tracing::error!(%error, "{part} is watched no more");
                critical.fail(&part);
            }
        };
        Running {
            task: self.runtime.spawn(self.critical.clone().watch(name, accepting)),
            configured,
            socket,
            tls,
        }
    }

    fn running(&self) -> MutexGuard<'_, Vec<Running>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Running {
    fn is_at(&self, configured: &ClientListener) -> bool {
        self.configured.address == configured.address
    }
}
