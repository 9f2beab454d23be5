//! The old process's side.

use super::frozen::Frozen;
use super::inherited::{CarriedListener, Role};
use super::records::{Ready, Yours};
use super::state::HandedOver;
use crate::config::Listen;
use crate::handover::{FORMATS, Hello, Kind, Link, LinkError, Refused, Welcome, decode};
use crate::metrics::open_descriptors;
use crate::relay::in_force::InForce;
use std::os::fd::AsFd as _;
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

/// How long the new process may take to bind, and to start its threads, while this one serves on.
const PREPARES_MAX: Duration = Duration::from_secs(20);
/// How long it may take for any one step while nobody is served: more than enough for a machine
/// that is full, and less than clients take for a broken connection.
const FROZEN_STEP_MAX: Duration = Duration::from_secs(5);
/// Descriptors that the new process needs beyond what this one has open: threads' polls, files.
const SPARE_DESCRIPTORS: u64 = 64;

/// Hands over to the process that has said hello, or goes on as if it had not.
pub(super) fn give(link: Link, hello: &Hello, in_force: &InForce) {
    let (hand_over, began) = (&in_force.hand_over, Instant::now());
    let (breaker, peer) = match (link.breaker(), link.peer()) {
        (Ok(breaker), Ok(peer)) => (breaker, peer),
        (Err(error), _) => return hand_over.failed(error.to_string()),
        (_, Err(error)) => return hand_over.failed(error.to_string()),
    };
    if let Err(why) = hand_over.begin(breaker) {
        return refuse(&link, why);
    }
    // Nothing is changed from here on; a reload that is under way is waited for.
    let _changing = in_force.changing.lock().unwrap_or_else(PoisonError::into_inner);
    if in_force.quotas.drain_announced() {
        hand_over.refused();
        return refuse(&link, "this process is leaving");
    }
    let version = &hello.version;
    tracing::info!(
        process = peer.as_raw_nonzero().get(),
        version,
        "another process takes over"
    );
    if let Err(why) = fits(hello) {
        refuse(&link, &why);
        return hand_over.failed(format!("fanfare {version} can't take over: {why}"));
    }
    let link = Arc::new(link);
    let giving = Giving { link: &link, in_force };
    match giving.run(hello) {
        Err(error) => hand_over.failed(error.to_string()),
        Ok(given) => {
            let process = peer.as_raw_nonzero().get().unsigned_abs();
            tracing::info!(
                process,
                clients = given.clients,
                stay = given.stay,
                frozen = ?given.frozen,
                took = ?began.elapsed(),
                "handed over"
            );
            hand_over.done(HandedOver {
                link,
                process,
                stay: given.stay,
            });
        }
    }
}

/// Says why not, if the other side still listens.
fn refuse(link: &Link, why: &str) {
    let refused = Refused {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        why: why.to_owned(),
    };
    let _ = link.send(Kind::Refused, &refused);
}

/// Whether the other process can take what this one has.
fn fits(hello: &Hello) -> Result<u16, String> {
    let format = FORMATS.agree(hello.formats).ok_or_else(|| {
        format!(
            "it hands over in format {}, and this one takes over in format {FORMATS}",
            hello.formats
        )
    });
    let format = format?;
    let needed = open_descriptors().unwrap_or_default() + SPARE_DESCRIPTORS;
    match hello.descriptors >= needed {
        true => Ok(format),
        false => Err(format!(
            "it may open {} files, and {needed} are needed: raise LimitNOFILE",
            hello.descriptors
        )),
    }
}

struct Giving<'a> {
    link: &'a Arc<Link>,
    in_force: &'a InForce,
}

/// What was given.
struct Given {
    clients: u64,
    stay: u64,
    /// For how long nobody was served.
    frozen: Duration,
}

impl Giving<'_> {
    fn run(&self, hello: &Hello) -> Result<Given, LinkError> {
        let format = FORMATS.agree(hello.formats).unwrap_or(FORMATS.newest);
        let version = env!("CARGO_PKG_VERSION").to_owned();
        self.link.set_patience(Some(PREPARES_MAX))?;
        self.link.send(Kind::Welcome, &Welcome { format, version })?;
        self.listeners()?;
        let ready: Ready = decode(&self.link.expect(Kind::Ready, "that it is ready")?.payload)?;

        self.link.set_patience(Some(FROZEN_STEP_MAX))?;
        let began = Instant::now();
        // Whatever fails from here on, everything goes on when this is dropped.
        let mut frozen = Frozen::new(self.in_force, &ready.sources);
        let counts = frozen.give(self.link)?;
        self.link.send(Kind::End, &counts)?;
        self.link.expect(Kind::Held, "that it holds everything")?;
        let stay = frozen.stay();
        self.in_force
            .hand_over
            .commit(|| self.link.send(Kind::Yours, &Yours { stay }))?;
        let took = began.elapsed();
        frozen.let_go(&ready.listeners);
        Ok(Given {
            clients: counts.clients,
            stay,
            frozen: took,
        })
    }

    /// The listening sockets. They stay this process's too, which accepts on until it is frozen.
    fn listeners(&self) -> Result<(), LinkError> {
        let clients = self.in_force.listeners.sockets();
        let mut carried: Vec<_> = clients
            .iter()
            .map(|(configured, socket)| CarriedListener {
                role: Role::Clients,
                configured: configured.to_string(),
                bound: socket.get_ref().address().map(|bound| bound.to_string()),
                is_managers: socket.get_ref().is_managers(),
            })
            .collect();
        let mut descriptors: Vec<_> = clients.iter().map(|(_, socket)| socket.get_ref().as_fd()).collect();
        if let Some((socket, bound)) = &self.in_force.admin_socket {
            carried.push(CarriedListener {
                role: Role::Admin,
                configured: self.in_force.config().admin.unwrap_or(*bound).to_string(),
                bound: Some(bound.to_string()),
                // It has no file that could be removed.
                is_managers: false,
            });
            descriptors.push(socket.as_fd());
        }
        if let Some(control) = &self.in_force.hand_over.control {
            carried.push(CarriedListener {
                role: Role::Control,
                configured: Listen::Unix(control.path().to_owned()).to_string(),
                bound: None,
                is_managers: false,
            });
            descriptors.push(control.as_fd());
        }
        self.link.send_with(Kind::Listeners, &carried, &descriptors)
    }
}
